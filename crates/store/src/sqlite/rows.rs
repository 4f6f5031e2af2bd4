//! Rows come as one JSON array of arrays through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use futures_util::TryStreamExt;
use machine::value::TenantId;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::json;
use sqlx::{AssertSqlSafe, Either, Executor as _};

use super::commit::Written;
use super::write::{Also, Moving, Rows};
use super::{Connection, Pool, list};
use crate::cells::Cells;
use crate::table::{CASES, HEAD_FIXED, Kind, Table};
use crate::{StoreError, rows_affected};

/// `value->>0, value->>1`, of the columns of a table.
fn values(table: &Table) -> String {
    let columns = table.columns.iter().enumerate().map(|(index, (_, kind))| match kind {
        Kind::Bytes => format!("CAST(value->>{index} AS BLOB)"),
        Kind::Int | Kind::Flag | Kind::Text => format!("value->>{index}"),
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// Rows as arrays of what stands in them.
fn json(rows: &[Cells<'_>]) -> String {
    struct Row<'a>(&'a Cells<'a>);
    impl Serialize for Row<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            let mut row = to.serialize_seq(Some(self.0.len()))?;
            for (_, cell) in self.0 {
                row.serialize_element(cell)?;
            }
            row.end()
        }
    }
    serde_json::to_string(&rows.iter().map(Row).collect::<Vec<_>>()).unwrap_or_default()
}

/// The statement that inserts rows bound to a place.
fn insertion(table: &Table, place: usize) -> String {
    let (name, names, values) = (table.name, table.names(), values(table));
    format!("INSERT INTO {name} (tenant_id, {names}) SELECT $1, {values} FROM jsonb_each(${place})")
}

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<u64, StoreError> {
    let done = sqlx::query(AssertSqlSafe(insertion(table, 2)))
        .bind(tenant.as_str())
        .bind(json(rows))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

const DISCHARGED: &str = concat!("DELETE FROM obligations WHERE tenant_id = $1 AND case_id ", one_of!("$2"));

const RENAMED: &str = concat!("DELETE FROM texts WHERE tenant_id = $1 AND case_id ", one_of!("$3"));

/// By IN, not by a join: the planner would walk the history of all cases.
const ENDED: &str =
    "WITH ended AS MATERIALIZED (SELECT value->>0 AS case_id, value->>1 AS at FROM jsonb_each($4))
    UPDATE history SET to_at = (SELECT at FROM ended WHERE ended.case_id = history.case_id)
    WHERE tenant_id = $1 AND case_id IN (SELECT case_id FROM ended) AND to_at IS NULL";

/// Everything that goes with heads, handed over at once: each time costs two changes of thread.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    // What goes is as many as there are; the rest has to be as many as are asked for.
    let mut statements = vec![DISCHARGED.to_owned(), RENAMED.to_owned(), ENDED.to_owned()];
    let mut expected = vec![None, None, Some(("history", also.ended.len()))];
    for (place, (table, rows)) in (5..).zip(rows) {
        statements.push(insertion(table, place));
        expected.push(Some((table.name, rows.len())));
    }
    let query = sqlx::query(AssertSqlSafe(statements.join(";\n"))).bind(tenant.as_str());
    let query =
        query.bind(list(&also.discharged)).bind(list(&also.renamed)).bind(json!(also.ended).to_string());
    let query = rows.iter().fold(query, |query, (_, rows)| query.bind(json(rows)));
    let mut done = connection.fetch_many(query);
    for expected in expected {
        let Some(Either::Left(done)) = done.try_next().await? else {
            return Err(sqlx::Error::WorkerCrashed.into());
        };
        if let Some((table, expected)) = expected {
            rows_affected(table, expected as u64, done.rows_affected())?;
        }
    }
    Ok(())
}

/// There is no way to a server to be saved here: false, and it is written step by step.
pub(super) async fn write_whole(_: &Pool, _: &TenantId, _: &[Written<'_>]) -> Result<bool, StoreError> {
    Ok(false)
}

/// Writes the heads of cases that were not there. Gives those that won.
pub(super) async fn open_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    let statement = format!(
        "INSERT INTO cases (tenant_id, {}) SELECT $1, {} FROM jsonb_each($2) WHERE true
         ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id",
        CASES.names(),
        values(&CASES)
    );
    won(connection, tenant, statement, rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    mut moving: Moving<'_>,
) -> Result<Vec<String>, StoreError> {
    for (head, expected) in moving.heads.iter_mut().zip(moving.expected) {
        head.push(("expected", expected.into()));
    }
    let columns = CASES.columns.iter().map(|(name, _)| *name);
    let new = columns.clone().chain(["expected"]).enumerate();
    let new = new.map(|(index, name)| format!("value->>{index} AS {name}"));
    let set = columns.filter(|name| !HEAD_FIXED.contains(name)).map(|name| format!("{name} = new.{name}"));
    // Materialized: otherwise the planner walks all cases of the tenant and reads the array for each.
    let statement = format!(
        "WITH new AS MATERIALIZED (SELECT {} FROM jsonb_each($2))
         UPDATE cases SET {} FROM new
         WHERE cases.tenant_id = $1 AND cases.case_id = new.case_id AND cases.version = new.expected
         RETURNING cases.case_id",
        new.collect::<Vec<_>>().join(", "),
        set.collect::<Vec<_>>().join(", ")
    );
    won(connection, tenant, statement, &moving.heads).await
}

async fn won(
    connection: &mut Connection,
    tenant: &TenantId,
    statement: String,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(json(rows))
        .fetch_all(connection)
        .await?)
}
