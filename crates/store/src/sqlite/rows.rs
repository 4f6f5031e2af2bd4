//! Rows come as one JSON array of arrays through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use machine::value::TenantId;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::Connection;
use super::write::{Also, Rows, clear, insert};
use crate::cells::Cells;
use crate::table::{CASES, HEAD_FIXED, Kind, OBLIGATIONS, TEXTS, Table};
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

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<u64, StoreError> {
    let statement = format!(
        "INSERT INTO {} (tenant_id, {}) SELECT $1, {} FROM jsonb_each($2)",
        table.name,
        table.names(),
        values(table)
    );
    let done = sqlx::query(AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(json(rows))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Everything that goes with heads: here a statement costs no way to a server.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    clear(connection, tenant, &OBLIGATIONS, &also.discharged).await?;
    clear(connection, tenant, &TEXTS, &also.renamed).await?;
    end_history(connection, tenant, &also.ended).await?;
    for (table, rows) in rows {
        insert(connection, tenant, table, rows).await?;
    }
    Ok(())
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
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
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
    won(connection, tenant, statement, rows).await
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

/// Ends what held of some cases, each at its moment.
async fn end_history(
    connection: &mut Connection,
    tenant: &TenantId,
    ends: &[(&str, i64)],
) -> Result<(), StoreError> {
    if ends.is_empty() {
        return Ok(());
    }
    // By IN, not by a join: the planner would walk the history of all cases.
    let done = sqlx::query(
        "WITH ended AS MATERIALIZED (SELECT value->>0 AS case_id, value->>1 AS at FROM jsonb_each($2))
        UPDATE history SET to_at = (SELECT at FROM ended WHERE ended.case_id = history.case_id)
        WHERE tenant_id = $1 AND case_id IN (SELECT case_id FROM ended) AND to_at IS NULL",
    )
    .bind(tenant.as_str())
    .bind(json!(ends).to_string())
    .execute(connection)
    .await?;
    rows_affected("history", ends.len() as u64, done.rows_affected())
}
