//! Rows come as one array per column. Every row that is changed is found by its key: `= ANY` the keys, also
//! where a join would say the same, so that no plan made while a table was small walks it when it has grown.

use machine::value::TenantId;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::{Connection, Db};
use crate::StoreError;
use crate::table::{CASES, HEAD_FIXED, Kind, Table};

/// `$2, $3`, one for each column of a table.
fn places(columns: usize) -> String {
    (2..columns + 2).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// Binds the columns of rows, each as an array.
fn bind<'q>(
    query: Query<'q, Db, PgArguments>,
    columns: &[(&'static str, Kind)],
    rows: &[Value],
) -> Query<'q, Db, PgArguments> {
    columns.iter().fold(query, |query, (name, kind)| {
        let cells = rows.iter().map(|row| &row[*name]);
        match kind {
            Kind::Int => query.bind(cells.map(Value::as_i64).collect::<Vec<Option<i64>>>()),
            Kind::Flag => query.bind(cells.map(flag).collect::<Vec<Option<bool>>>()),
            Kind::Text => query.bind(cells.map(text).collect::<Vec<Option<String>>>()),
            Kind::Bytes => {
                let bytes = cells.map(|cell| text(cell).map(String::into_bytes));
                query.bind(bytes.collect::<Vec<Option<Vec<u8>>>>())
            }
        }
    })
}

/// Yes or no; as a number, where the row comes from a database.
fn flag(cell: &Value) -> Option<bool> {
    cell.as_bool().or_else(|| Some(cell.as_i64()? != 0))
}

/// A text; of a list or an object its JSON, as on SQLite.
fn text(cell: &Value) -> Option<String> {
    match cell {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Value],
) -> Result<u64, StoreError> {
    let statement = format!(
        "INSERT INTO {} (tenant_id, {}) SELECT $1, new.* FROM UNNEST({}) AS new",
        table.name,
        table.names(),
        places(table.columns.len())
    );
    let query = sqlx::query(AssertSqlSafe(statement)).bind(tenant.to_string());
    let done = bind(query, table.columns, rows).execute(connection).await?;
    Ok(done.rows_affected())
}

/// Writes the heads of cases that were not there. Gives those that won.
pub(super) async fn open_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Value],
) -> Result<Vec<String>, StoreError> {
    let statement = format!(
        "INSERT INTO cases (tenant_id, {}) SELECT $1, new.* FROM UNNEST({}) AS new
         ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id",
        CASES.names(),
        places(CASES.columns.len())
    );
    won(connection, tenant, statement, CASES.columns, rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Value],
) -> Result<Vec<String>, StoreError> {
    let columns: Vec<_> = CASES.columns.iter().copied().chain([("expected", Kind::Int)]).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let set = CASES.columns.iter().map(|(name, _)| *name).filter(|name| !HEAD_FIXED.contains(name));
    let set: Vec<String> = set.map(|name| format!("{name} = new.{name}")).collect();
    // Locked in the order of their ids: two processes with the same cases wait for each other, and never
    // both at once.
    let statement = format!(
        "WITH locked AS MATERIALIZED (SELECT case_id FROM cases WHERE tenant_id = $1 AND case_id = ANY($2)
            ORDER BY case_id FOR NO KEY UPDATE)
         UPDATE cases SET {} FROM locked JOIN UNNEST({}) AS new({}) ON new.case_id = locked.case_id
         WHERE cases.tenant_id = $1 AND cases.case_id = ANY($2) AND cases.case_id = locked.case_id
            AND cases.version = new.expected
         RETURNING cases.case_id",
        set.join(", "),
        places(columns.len()),
        names.join(", ")
    );
    won(connection, tenant, statement, &columns, rows).await
}

async fn won(
    connection: &mut Connection,
    tenant: &TenantId,
    statement: String,
    columns: &[(&'static str, Kind)],
    rows: &[Value],
) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query(AssertSqlSafe(statement)).bind(tenant.to_string());
    let rows = bind(query, columns, rows).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(sqlx::Row::try_get(row, 0)?)).collect()
}

/// Ends what held of some cases, each at its moment. Gives how many rows that were.
pub(super) async fn end_history(
    connection: &mut Connection,
    tenant: &TenantId,
    ends: &[(String, i64)],
) -> Result<u64, StoreError> {
    let (cases, moments): (Vec<&str>, Vec<i64>) = ends.iter().map(|(case, at)| (case.as_str(), *at)).unzip();
    let done = sqlx::query(
        "UPDATE history SET to_at = ended.at FROM UNNEST($2, $3) AS ended(case_id, at)
         WHERE history.tenant_id = $1 AND history.case_id = ANY($2) AND history.case_id = ended.case_id
            AND history.to_at IS NULL",
    )
    .bind(tenant.as_str())
    .bind(cases)
    .bind(moments)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
