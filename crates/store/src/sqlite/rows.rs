//! Rows come as one JSON array of arrays through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use machine::value::TenantId;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use sqlx::AssertSqlSafe;

use super::Connection;
use crate::StoreError;
use crate::cells::Cells;
use crate::table::{CASES, Kind, Table};

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

/// The statement that inserts rows out of an array.
fn insertion(table: &Table) -> String {
    let (name, names, values) = (table.name, table.names(), values(table));
    format!("INSERT INTO {name} (tenant_id, {names}) SELECT $1, {values} FROM jsonb_each($2) WHERE true")
}

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<u64, StoreError> {
    let done = sqlx::query(AssertSqlSafe(insertion(table)))
        .bind(tenant.as_str())
        .bind(json(rows))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Writes the heads of cases that were not there. Gives those that won.
pub(super) async fn open_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    let opening = insertion(&CASES) + " ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id";
    Ok(sqlx::query_scalar(AssertSqlSafe(opening))
        .bind(tenant.as_str())
        .bind(json(rows))
        .fetch_all(connection)
        .await?)
}
