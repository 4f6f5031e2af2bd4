//! The rows that go with heads: one statement per table, for all callers waiting.

use machine::value::TenantId;

use super::commit::{Written, retried};
use super::rows::insert_rows;
use super::{Connection, Pool, begin_write, list, lock_tenant};
use crate::cells::{self, Cells};
use crate::table::{
    ACTS, DOCUMENTS, HISTORY, IDEMPOTENCY, NOTICES, OBLIGATIONS, PERSONAL, REFUSALS, RUNGS, TEXTS, Table,
};
use crate::{Change, RefusalRow, StoreError, rows_affected};

/// Rows for a table.
pub(super) type Rows<'a> = (&'static Table, Vec<Cells<'a>>);

/// What else is done to rows that stand.
pub(super) struct Also<'a> {
    /// Cases whose open duties go: those they have from now on are inserted.
    pub(super) discharged: Vec<&'a str>,
    /// Cases that are found by another text from now on.
    pub(super) renamed: Vec<&'a str>,
}

/// The head of a change.
pub(super) fn head<'a>(Written { change, case }: &'a Written<'a>) -> Cells<'a> {
    cells::head(case, &change.workflow, &change.last_hash, &change.state, &change.projection)
}

/// Inserts rows and checks that every one of them arrived.
pub(super) async fn insert(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = insert_rows(connection, tenant, table, rows).await?;
    rows_affected(table.name, rows.len() as u64, done)
}

/// What goes with some heads.
pub(super) fn rows<'a>(won: &'a [Written<'a>]) -> (Also<'a>, Vec<Rows<'a>>) {
    let mut rows = vec![(&ACTS, of(won, |change| &change.acts, cells::act))];
    rows.extend(derived(won));
    rows.push((&NOTICES, of(won, |change| &change.notices, cells::notice)));
    rows.push((
        &IDEMPOTENCY,
        won.iter().filter_map(|written| cells::key(&written.case, written.change)).collect(),
    ));
    rows.push((&DOCUMENTS, of(won, |change| &change.documents, cells::document)));
    rows.push((&PERSONAL, of(won, |change| &change.personal, cells::personal)));
    rows.retain(|(_, rows)| !rows.is_empty());
    let moved = || won.iter().filter(|written| written.change.expected_version > 0);
    let also = Also {
        discharged: moved().map(|written| written.case.as_str()).collect(),
        renamed: moved()
            .filter(|written| written.change.text.is_some())
            .map(|written| written.case.as_str())
            .collect(),
    };
    (also, rows)
}

/// Rows that follow from the acts.
pub(super) fn derived<'a>(won: &'a [Written<'a>]) -> [Rows<'a>; 4] {
    let texts =
        won.iter().filter_map(|Written { change, case }| Some(cells::text(case, change.text.as_ref()?)));
    [
        (&TEXTS, texts.collect()),
        (&OBLIGATIONS, of(won, |change| &change.projection.obligations, cells::obligation)),
        (&RUNGS, of(won, |change| &change.rungs, cells::rung)),
        (&HISTORY, of(won, |change| &change.history, cells::history)),
    ]
}

/// The rows some changes have for a table.
fn of<'a, T: 'a>(
    won: &'a [Written<'a>],
    held: impl Fn(&'a Change) -> &'a Vec<T>,
    row: impl Fn(&'a str, &'a T) -> Cells<'a>,
) -> Vec<Cells<'a>> {
    let rows =
        won.iter().flat_map(|written| held(written.change).iter().map(|held| row(&written.case, held)));
    rows.collect()
}

/// Removes the rows of some cases from a table.
pub(super) async fn clear(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    cases: &[&str],
) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    let statement = format!("DELETE FROM {} WHERE tenant_id = $1 AND case_id {}", table.name, one_of!("$2"));
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(list(cases))
        .execute(connection)
        .await?;
    Ok(())
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
    let rows: Vec<Cells<'_>> = (last + 1..).zip(rows).map(|(no, row)| cells::refusal(no, row)).collect();
    insert(&mut transaction, tenant, &REFUSALS, &rows).await?;
    Ok(transaction.commit().await?)
}
