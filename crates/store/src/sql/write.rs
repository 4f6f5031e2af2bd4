//! The rows that go with heads: one statement per table, for all callers waiting.

use machine::act::hex;
use machine::value::TenantId;
use serde_json::{Value, json};

use super::commit::{Winners, retried};
use super::rows::{end_history, insert_rows, move_heads, open_heads};
use super::{Connection, Pool, begin_write, list, lock_tenant};
use crate::table::{
    ACTS, DOCUMENTS, HISTORY, IDEMPOTENCY, NOTICES, OBLIGATIONS, PERSONAL, REFUSALS, RUNGS, Table,
};
use crate::{Change, RefusalRow, StoreError, obligation_row, rows_affected};

/// The row of a head.
fn head_row(change: &Change) -> Value {
    let mut row = crate::head_columns(&change.state, &change.projection);
    row["expected"] = json!(change.expected_version);
    row["workflow"] = json!(change.workflow);
    row["last_hash"] = json!(change.last_hash);
    row["state"] = json!(serde_json::to_string(&change.state).unwrap_or_default());
    row
}

/// Writes the heads whose version is still the one decided on. Gives the cases that won.
pub(super) async fn write_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    changes: &[&Change],
) -> Result<Winners, StoreError> {
    let rows = |opens: bool| {
        let rows = changes.iter().filter(|change| (change.expected_version == 0) == opens);
        rows.map(|change| head_row(change)).collect::<Vec<_>>()
    };
    let (opened, moved, mut winners) = (rows(true), rows(false), Winners::new());
    if !opened.is_empty() {
        winners.extend(open_heads(connection, tenant, &opened).await?);
    }
    if !moved.is_empty() {
        winners.extend(move_heads(connection, tenant, &moved).await?);
    }
    Ok(winners)
}

/// Inserts rows and checks that every one of them arrived.
pub(super) async fn insert(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Value],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = insert_rows(connection, tenant, table, rows).await?;
    rows_affected(table.name, rows.len() as u64, done)
}

/// Everything that goes with the heads that won.
pub(super) async fn write_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let acts: Vec<Value> = won.iter().flat_map(|change| &change.acts).map(|act| json!(act)).collect();
    insert(connection, tenant, &ACTS, &acts).await?;
    let moved: Vec<&Change> = won.iter().copied().filter(|change| change.expected_version > 0).collect();
    clear(connection, tenant, &OBLIGATIONS, &moved).await?;
    close_history(connection, tenant, &moved).await?;
    write_derived(connection, tenant, won).await?;
    let notices =
        rows(won, |change| change.notices.iter().map(|row| with_case(change, json!(row))).collect());
    insert(connection, tenant, &NOTICES, &notices).await?;
    let keys = rows(won, |change| key_row(change).into_iter().collect());
    insert(connection, tenant, &IDEMPOTENCY, &keys).await?;
    let documents =
        rows(won, |change| change.documents.iter().map(|row| with_case(change, json!(row))).collect());
    insert(connection, tenant, &DOCUMENTS, &documents).await?;
    insert(connection, tenant, &PERSONAL, &rows(won, personal_rows)).await
}

/// Rows that follow from the acts.
pub(super) async fn write_derived(
    connection: &mut Connection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let owed = |change: &Change| {
        let owed = change.projection.obligations.iter();
        owed.map(|owed| obligation_row(change.state.case, owed)).collect()
    };
    insert(connection, tenant, &OBLIGATIONS, &rows(won, owed)).await?;
    let rungs = rows(won, |change| change.rungs.iter().map(|row| with_case(change, json!(row))).collect());
    insert(connection, tenant, &RUNGS, &rungs).await?;
    let held = |change: &Change| change.history.iter().map(|row| row.row(change.state.case)).collect();
    insert(connection, tenant, &HISTORY, &rows(won, held)).await
}

fn rows(won: &[&Change], of: impl Fn(&Change) -> Vec<Value>) -> Vec<Value> {
    won.iter().flat_map(|change| of(change)).collect()
}

/// Ends what held of a case until now, where something else holds from this change on.
async fn close_history(
    connection: &mut Connection,
    tenant: &TenantId,
    moved: &[&Change],
) -> Result<(), StoreError> {
    let ends = moved.iter().filter_map(|change| Some((change, change.history.first()?)));
    let ends: Vec<(String, i64)> =
        ends.map(|(change, row)| (change.state.case.to_string(), row.from.micros())).collect();
    if ends.is_empty() {
        return Ok(());
    }
    let done = end_history(connection, tenant, &ends).await?;
    rows_affected("history", ends.len() as u64, done)
}

/// Removes the rows of some cases from a table.
pub(super) async fn clear(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    changes: &[&Change],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let cases: Vec<String> = changes.iter().map(|change| change.state.case.to_string()).collect();
    let statement = format!("DELETE FROM {} WHERE tenant_id = $1 AND case_id {}", table.name, one_of!("$2"));
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(list(&cases))
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) fn with_case(change: &Change, mut row: Value) -> Value {
    row["case_id"] = json!(change.state.case);
    row
}

fn key_row(change: &Change) -> Option<Value> {
    let (key, fingerprint) = change.key.as_ref()?;
    Some(json!({
        "key": key,
        "fingerprint": fingerprint,
        "case_id": change.state.case,
        "version": change.state.version,
    }))
}

fn personal_rows(change: &Change) -> Vec<Value> {
    let rows = change.personal.iter().map(|personal| {
        json!({
            "case_id": change.state.case,
            "version": personal.version,
            "field": personal.field,
            "salt": hex(&personal.salt),
            "value": personal.value,
        })
    });
    rows.collect()
}

/// Records refused commands.
pub(super) async fn refuse(pool: &Pool, tenant: &TenantId, rows: &[RefusalRow]) -> Result<(), StoreError> {
    retried(|| refuse_once(pool, tenant, rows)).await
}

async fn refuse_once(pool: &Pool, tenant: &TenantId, rows: &[RefusalRow]) -> Result<(), StoreError> {
    let mut transaction = begin_write(pool).await?;
    // Refusals alone wait for each other here; no command does.
    lock_tenant(&mut transaction, tenant).await?;
    let last: i64 =
        sqlx::query_scalar("SELECT coalesce(max(refusal_no), 0) FROM refusals WHERE tenant_id = $1")
            .bind(tenant.as_str())
            .fetch_one(&mut *transaction)
            .await?;
    // A refused command may hold anything, and PostgreSQL keeps no text with a zero in it: all others who are
    // refused in the same moment would go unrecorded with this one.
    let kept = |text: &str| text.replace('\0', "\u{fffd}");
    let row = |(no, row): (i64, &RefusalRow)| {
        json!({
            "refusal_no": last + no,
            "at": row.at.micros(),
            "case_id": row.case,
            "person_id": row.person.as_ref().map(|person| kept(person.as_str())),
            "act": kept(&row.act),
            "code": row.code,
            "detail": row.detail,
        })
    };
    let rows: Vec<Value> = (1..).zip(rows).map(row).collect();
    insert(&mut transaction, tenant, &REFUSALS, &rows).await?;
    Ok(transaction.commit().await?)
}
