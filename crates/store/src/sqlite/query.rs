//! Reading: heads and keys, what is due, acts and the inbox.

use std::collections::HashMap;
use std::str::FromStr;

use machine::act::hex;
use machine::value::{CaseId, PersonId, TenantId};
use machine::{Instant, State};
use serde_json::json;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::row::{id, small, some_text, text, whole_text};
use super::{bad, damage, instant};
use crate::{
    ActRow, Damage, DigestLine, DigestRow, DueCase, Head, Known, ROWS_MAX, Read, StoreError, Used, Wrong,
};

/// Heads and keys of many callers: one statement each.
pub(super) async fn known(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<Vec<Known>, StoreError> {
    let heads = heads(connection, tenant, wanted).await?;
    let used = used(connection, tenant, wanted).await?;
    let known = wanted.iter().map(|read| Known {
        head: heads.get(&read.case.to_string()).cloned().transpose(),
        used: read.key.as_ref().and_then(|key| used.get(key)).cloned().transpose(),
    });
    Ok(known.collect())
}

async fn heads(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<HashMap<String, Result<Head, Damage>>, StoreError> {
    let ids: Vec<String> = wanted.iter().map(|read| read.case.to_string()).collect();
    let rows = sqlx::query(
        "SELECT case_id, number, state, last_hash, (SELECT hash FROM acts a WHERE a.tenant_id = c.tenant_id
            AND a.case_id = c.case_id AND a.version = c.version) AS act_hash
         FROM cases c WHERE tenant_id = $1 AND case_id IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(json!(ids).to_string())
    .fetch_all(connection)
    .await?;
    let row = |row: SqliteRow| {
        let id: String = row.try_get("case_id")?;
        Ok((id.clone(), head(&id, &row)))
    };
    rows.into_iter().map(row).collect()
}

/// A head, if an act may be built on it.
fn head(id: &str, row: &SqliteRow) -> Result<Head, Damage> {
    // People know a case by its number.
    let name = text(row, "number").unwrap_or_else(|_| id.to_owned());
    let bad = |column, problem| damage("cases", column, &name, problem);
    let unreadable = |column| move |error: sqlx::Error| (column, Wrong::unreadable(error));
    let read = |column| row.try_get::<&str, _>(column).map_err(unreadable(column));
    let state = read("state").map_err(|(column, wrong)| bad(column, wrong))?;
    let state: State = serde_json::from_str(state).map_err(|error| bad("state", Wrong::unreadable(error)))?;
    if state.case.to_string() != id {
        return Err(bad("state", Wrong::StateOf { case: state.number }));
    }
    // An act on a wrong hash would break the chain for ever.
    let last_hash = read("last_hash").map_err(|(column, wrong)| bad(column, wrong))?.to_owned();
    let act_hash: Option<String> =
        row.try_get("act_hash").map_err(|error| damage("acts", "hash", &name, Wrong::unreadable(error)))?;
    if act_hash.as_ref() != Some(&last_hash) {
        return Err(bad("last_hash", Wrong::NotTheLastHash));
    }
    Ok(Head { state, last_hash })
}

async fn used(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<HashMap<String, Result<Used, Damage>>, StoreError> {
    let keys: Vec<&String> = wanted.iter().filter_map(|read| read.key.as_ref()).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT key, fingerprint, case_id, version FROM idempotency
         WHERE tenant_id = $1 AND key IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(json!(keys).to_string())
    .fetch_all(connection)
    .await?;
    let row = |row: SqliteRow| {
        let key: String = row.try_get("key")?;
        Ok((key.clone(), used_row(&key, &row)))
    };
    rows.into_iter().map(row).collect()
}

fn used_row(key: &str, row: &SqliteRow) -> Result<Used, Damage> {
    let bad = |column, problem| damage("idempotency", column, key, problem);
    let text =
        |column| row.try_get::<String, _>(column).map_err(|error| bad(column, Wrong::unreadable(error)));
    let version = row.try_get::<i64, _>("version").unwrap_or(-1);
    Ok(Used {
        fingerprint: text("fingerprint")?,
        case: CaseId::from_str(&text("case_id")?).map_err(|_| bad("case_id", Wrong::NoId))?,
        version: u32::try_from(version).map_err(|_| bad("version", Wrong::OutOfRange))?,
    })
}

/// Ids as JSON: hex, since a damaged one need not be text.
pub(super) fn hex_list(ids: &[Vec<u8>]) -> String {
    json!(ids.iter().map(|id| hex(id)).collect::<Vec<_>>()).to_string()
}

pub(super) async fn due(
    pool: &SqlitePool,
    tenant: &TenantId,
    now: Instant,
    aside: &[Vec<u8>],
    limit: u32,
) -> Result<Vec<DueCase>, StoreError> {
    let rows = sqlx::query(
        "SELECT CAST(case_id AS BLOB), CAST(number AS BLOB) FROM cases
         WHERE tenant_id = $1 AND wake_at <= $2
            AND lower(hex(case_id)) NOT IN (SELECT value FROM json_each($3))
         ORDER BY wake_at LIMIT $4",
    )
    .bind(tenant.as_str())
    .bind(now.micros())
    .bind(hex_list(aside))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let row = |row: SqliteRow| {
        let number: Vec<u8> = row.try_get(1)?;
        Ok(DueCase { case_id: row.try_get(0)?, number: String::from_utf8_lossy(&number).into_owned() })
    };
    rows.into_iter().map(row).collect()
}

pub(super) async fn next_wake(
    pool: &SqlitePool,
    tenant: &TenantId,
    aside: &[Vec<u8>],
) -> Result<Option<Instant>, StoreError> {
    let wake: Option<i64> = sqlx::query_scalar(
        "SELECT wake_at FROM cases WHERE tenant_id = $1 AND wake_at IS NOT NULL
            AND lower(hex(case_id)) NOT IN (SELECT value FROM json_each($2))
         ORDER BY wake_at LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(hex_list(aside))
    .fetch_optional(pool)
    .await?;
    wake.map(instant).transpose()
}

pub(super) async fn acts(
    pool: &SqlitePool,
    tenant: &TenantId,
    case: CaseId,
) -> Result<Vec<ActRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, at, name, person_id, algorithm, body, hash FROM acts
         WHERE tenant_id = $1 AND case_id = $2 ORDER BY version",
    )
    .bind(tenant.as_str())
    .bind(case.to_string())
    .fetch_all(pool)
    .await?;
    let acts: Result<_, StoreError> = rows.iter().map(|row| act(case, row)).collect();
    match acts {
        // People know a case by its number.
        Err(StoreError::Inconsistent(damage)) => {
            let row = format!("{} {}", called(pool, tenant, case).await?, damage.row);
            Err(StoreError::Inconsistent(Damage { row, ..damage }))
        }
        acts => acts,
    }
}

/// An act is read whole or not at all: what is folded must be what was written.
fn act(case: CaseId, row: &SqliteRow) -> Result<ActRow, StoreError> {
    let version: i64 = row.try_get("version")?;
    let name = version.to_string();
    let text = |column| whole_text(row, ("acts", column), &name);
    let person: Option<&[u8]> = row.try_get("person_id")?;
    Ok(ActRow {
        case_id: case,
        version: u32::try_from(version).map_err(|_| bad("acts", "version", &name, Wrong::OutOfRange))?,
        at: row.try_get("at")?,
        name: text("name")?,
        person_id: person.map(|_| text("person_id")).transpose()?.map(PersonId),
        algorithm: text("algorithm")?,
        body: text("body")?,
        hash: text("hash")?,
    })
}

/// The number of a case, or its id where it has none.
async fn called(pool: &SqlitePool, tenant: &TenantId, case: CaseId) -> Result<String, StoreError> {
    let row = sqlx::query("SELECT number FROM cases WHERE tenant_id = $1 AND case_id = $2")
        .bind(tenant.as_str())
        .bind(case.to_string())
        .fetch_optional(pool)
        .await?;
    row.map_or_else(|| Ok(case.to_string()), |row| text(&row, 0))
}

/// Lines shown of one digest, the gravest first; the rest is counted.
const DIGEST_LINES_MAX: i64 = 20;

pub(super) async fn inbox(
    pool: &SqlitePool,
    tenant: &TenantId,
    person: &PersonId,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<DigestRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT delivery_id, day, notices, delivered_at FROM deliveries
         WHERE tenant_id = $1 AND recipient = $2 AND day < $3 ORDER BY day DESC LIMIT $4",
    )
    .bind(tenant.as_str())
    .bind(person.as_str())
    // Every day comes before it in the order of texts.
    .bind(before.unwrap_or("~"))
    .bind(i64::from(limit.clamp(1, ROWS_MAX)))
    .fetch_all(pool)
    .await?;
    let mut digests = Vec::new();
    for row in rows {
        let delivery_id: &[u8] = row.try_get(0)?;
        let lines = sqlx::query(
            "SELECT n.case_id, c.number, n.act_version, n.deadline_no, n.ladder, n.rung, n.measure, n.template,
                n.unreached
             FROM notices n JOIN cases c ON c.tenant_id = n.tenant_id AND c.case_id = n.case_id
             WHERE n.tenant_id = $1 AND n.recipient = $2 AND n.delivery_id = CAST($3 AS TEXT)
             ORDER BY CASE n.measure WHEN 'propose' THEN 0 WHEN 'draft' THEN 1 WHEN 'mark' THEN 2 ELSE 3 END,
                c.number, n.act_version, n.deadline_no LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(person.as_str())
        .bind(delivery_id)
        .bind(DIGEST_LINES_MAX)
        .fetch_all(pool)
        .await?;
        let lines = lines.iter().map(digest_line).collect::<Result<_, StoreError>>()?;
        let delivery_id = text(&row, 0)?;
        let delivered_at = Instant::from_micros(row.try_get(3)?)
            .ok_or_else(|| bad("deliveries", "delivered_at", &delivery_id, Wrong::OutOfRange))?;
        let (day, notices) = (text(&row, 1)?, small(&row, 2)?);
        digests.push(DigestRow { day, delivered_at, notices, lines, delivery_id });
    }
    Ok(digests)
}

fn digest_line(row: &SqliteRow) -> Result<DigestLine, StoreError> {
    let unreached = text(row, 8)?;
    Ok(DigestLine {
        case_id: id(row, 0)?,
        number: text(row, 1)?,
        act_version: small(row, 2)?,
        deadline_no: small(row, 3)?,
        ladder: text(row, 4)?,
        rung: text(row, 5)?,
        measure: text(row, 6)?,
        template: some_text(row, 7)?,
        unreached: unreached.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
    })
}
