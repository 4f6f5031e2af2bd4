//! What rarely changes: calendars and definitions. Which is the newest is a number of its own, handed out in
//! the transaction that keeps it: neither a clock that stands still nor a name decides.

use machine::act::digest_hex;
use machine::value::TenantId;
use sqlx::Row as _;

use super::row::{bytes, some_text, text, whole_text};
use super::{Pool, Row, begin_write, lock_tenant};
use crate::{CalendarRow, DefinitionRow, StoreError, Wrong, bad, rows_affected};

pub(super) async fn calendar(
    pool: &Pool,
    tenant: &TenantId,
    id: &str,
    known: Option<&str>,
) -> Result<Option<(String, Option<String>)>, StoreError> {
    let row = sqlx::query(
        "SELECT version, CASE WHEN version IS NOT DISTINCT FROM $3 THEN NULL ELSE body END AS body, digest
         FROM calendars WHERE tenant_id = $1 AND calendar_id = $2 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(id)
    .bind(known)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let version = whole_text(&row, ("calendars", "version"), id)?;
    let told = some_text(&row, "body")?;
    let body = told.map(|_| unaltered(id, &version, &row)).transpose()?;
    Ok(Some((version, body)))
}

/// The days of a calendar, which counts only as it was loaded.
fn unaltered(id: &str, version: &str, row: &Row) -> Result<String, StoreError> {
    let name = format!("{id} {version}");
    let body = whole_text(row, ("calendars", "body"), &name)?;
    if text(row, "digest")? == digest_hex(body.as_bytes()) {
        Ok(body)
    } else {
        Err(bad("calendars", "body", &name, Wrong::Altered))
    }
}

pub(super) async fn calendar_version(
    pool: &Pool,
    tenant: &TenantId,
    id: &str,
    version: &str,
) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(
        "SELECT body, digest FROM calendars WHERE tenant_id = $1 AND calendar_id = $2 AND version = $3",
    )
    .bind(tenant.as_str())
    .bind(id)
    .bind(version)
    .fetch_optional(pool)
    .await?;
    row.map(|row| unaltered(id, version, &row)).transpose()
}

pub(super) async fn calendars(pool: &Pool, tenant: &TenantId) -> Result<Vec<CalendarRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT calendar_id, version, body, digest FROM calendars
         WHERE tenant_id = $1 ORDER BY sequence",
    )
    .bind(tenant.as_str())
    .fetch_all(pool)
    .await?;
    let row = |row: Row| {
        Ok(CalendarRow {
            id: text(&row, 0)?,
            version: text(&row, 1)?,
            body: bytes(&row, 2)?,
            digest: text(&row, 3)?,
        })
    };
    rows.into_iter().map(row).collect()
}

pub(super) async fn put_calendar(
    pool: &Pool,
    tenant: &TenantId,
    id: &str,
    version: &str,
    body: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let statement =
        "INSERT INTO calendars (tenant_id, calendar_id, version, sequence, body, digest, loaded_at)
         SELECT $1, $2, $3, (SELECT coalesce(max(sequence), 0) + 1 FROM calendars WHERE tenant_id = $1),
            $4, $5, $6 WHERE true
         ON CONFLICT (tenant_id, calendar_id, version) DO UPDATE
         SET sequence = excluded.sequence, loaded_at = excluded.loaded_at WHERE calendars.body = excluded.body";
    let mut transaction = begin_write(pool).await?;
    lock_tenant(&mut transaction, tenant).await?;
    let done = sqlx::query(statement)
        .bind(tenant.as_str())
        .bind(id)
        .bind(version)
        .bind(body)
        .bind(digest_hex(body.as_bytes()))
        .bind(now)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    // None: this version is kept with other days.
    Ok(done.rows_affected() == 1)
}

fn definition_row(row: &Row) -> Result<DefinitionRow, StoreError> {
    Ok(DefinitionRow {
        hash: text(row, "hash")?,
        workflow: text(row, "workflow")?,
        edition: text(row, "edition")?,
        body: row.try_get("body")?,
        published_at: row.try_get("published_at")?,
    })
}

pub(super) async fn definition(
    pool: &Pool,
    tenant: &TenantId,
    hash: &str,
) -> Result<Option<DefinitionRow>, StoreError> {
    let row = sqlx::query(
        "SELECT hash, workflow, edition, body, published_at FROM definitions
         WHERE tenant_id = $1 AND hash = $2",
    )
    .bind(tenant.as_str())
    .bind(hash)
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(definition_row).transpose()
}

pub(super) async fn definitions(pool: &Pool, tenant: &TenantId) -> Result<Vec<DefinitionRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT hash, workflow, edition, body, published_at FROM definitions
         WHERE tenant_id = $1 ORDER BY sequence DESC",
    )
    .bind(tenant.as_str())
    .fetch_all(pool)
    .await?;
    rows.iter().map(definition_row).collect()
}

pub(super) async fn newest(
    pool: &Pool,
    tenant: &TenantId,
    workflow: &str,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT hash FROM definitions WHERE tenant_id = $1 AND workflow = $2 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(workflow)
    .fetch_optional(pool)
    .await?)
}

pub(super) async fn put_definition(
    pool: &Pool,
    tenant: &TenantId,
    row: &DefinitionRow,
) -> Result<(), StoreError> {
    let statement = "INSERT INTO definitions (tenant_id, hash, sequence, workflow, edition, body, published_at)
         SELECT $1, $2, (SELECT coalesce(max(sequence), 0) + 1 FROM definitions WHERE tenant_id = $1),
            $3, $4, $5, $6 WHERE true
         ON CONFLICT (tenant_id, hash) DO UPDATE SET sequence = excluded.sequence, workflow = excluded.workflow,
            edition = excluded.edition, body = excluded.body, published_at = excluded.published_at";
    let mut transaction = begin_write(pool).await?;
    lock_tenant(&mut transaction, tenant).await?;
    let done = sqlx::query(statement)
        .bind(tenant.as_str())
        .bind(&row.hash)
        .bind(&row.workflow)
        .bind(&row.edition)
        .bind(&row.body)
        .bind(row.published_at)
        .execute(&mut *transaction)
        .await?;
    rows_affected("definitions", 1, done.rows_affected())?;
    Ok(transaction.commit().await?)
}
