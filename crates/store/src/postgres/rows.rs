//! Rows come as one array per column. Every row that is changed is found by its key: `= ANY` the keys, also
//! where a join would say the same, so that no plan made while a table was small walks it when it has grown.

use machine::value::TenantId;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _};

use super::write::{Also, Rows};
use super::{Connection, Db};
use crate::cells::{Cell, Cells};
use crate::table::{CASES, HEAD_FIXED, Kind, Table};
use crate::{StoreError, rows_affected};

type Asked<'q> = Query<'q, Db, PgArguments>;
type Column = (&'static str, Kind);

/// `$5, $6`, one for each column, from a place on.
fn places(from: usize, columns: usize) -> String {
    (from..from + columns).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// Binds the columns of rows, each as an array.
fn bind<'q>(query: Asked<'q>, columns: &[Column], rows: &[Cells<'_>]) -> Asked<'q> {
    columns.iter().enumerate().fold(query, |query, (index, (name, kind))| {
        let cells = rows.iter().map(|row| {
            debug_assert_eq!(row[index].0, *name, "the cells of a row stand in the order of its table");
            &row[index].1
        });
        match kind {
            Kind::Int => query.bind(cells.map(Cell::int).collect::<Vec<Option<i64>>>()),
            Kind::Flag => query.bind(cells.map(Cell::flag).collect::<Vec<Option<bool>>>()),
            Kind::Text => query.bind(cells.map(Cell::text).collect::<Vec<Option<&str>>>()),
            Kind::Bytes => {
                let bytes = cells.map(|cell| cell.text().map(str::as_bytes));
                query.bind(bytes.collect::<Vec<Option<&[u8]>>>())
            }
        }
    })
}

/// The statement that inserts rows bound from a place on.
fn insertion(table: &Table, from: usize) -> String {
    format!(
        "INSERT INTO {} (tenant_id, {}) SELECT $1, new.* FROM UNNEST({}) AS new",
        table.name,
        table.names(),
        places(from, table.columns.len())
    )
}

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<u64, StoreError> {
    let query = sqlx::query(AssertSqlSafe(insertion(table, 2))).bind(tenant.as_str());
    let done = bind(query, table.columns, rows).execute(connection).await?;
    Ok(done.rows_affected())
}

/// Writes the heads of cases that were not there. Gives those that won.
pub(super) async fn open_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    let statement = insertion(&CASES, 2) + " ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id";
    won(connection, tenant, statement, CASES.columns, rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won. They are locked in the order
/// of the rows: whichever side of the join is walked, it is in that order.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    let columns: Vec<Column> = CASES.columns.iter().copied().chain([("expected", Kind::Int)]).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let set = CASES.columns.iter().map(|(name, _)| *name).filter(|name| !HEAD_FIXED.contains(name));
    let set: Vec<String> = set.map(|name| format!("{name} = new.{name}")).collect();
    let statement = format!(
        "UPDATE cases SET {} FROM UNNEST({}) AS new({})
         WHERE cases.tenant_id = $1 AND cases.case_id = ANY($2) AND cases.case_id = new.case_id
            AND cases.version = new.expected
         RETURNING cases.case_id",
        set.join(", "),
        places(2, columns.len()),
        names.join(", ")
    );
    won(connection, tenant, statement, &columns, rows).await
}

async fn won(
    connection: &mut Connection,
    tenant: &TenantId,
    statement: String,
    columns: &[Column],
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_str());
    let rows = bind(query, columns, rows).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

const DISCHARGED: &str =
    "discharged AS (DELETE FROM obligations WHERE tenant_id = $1 AND case_id = ANY($2) RETURNING 1)";

const RENAMED: &str = "renamed AS (DELETE FROM texts WHERE tenant_id = $1 AND case_id = ANY($5) RETURNING 1)";

const ENDED: &str = "ended AS (UPDATE history SET to_at = e.at FROM UNNEST($3, $4) AS e(case_id, at)
    WHERE history.tenant_id = $1 AND history.case_id = ANY($3) AND history.case_id = e.case_id
        AND history.to_at IS NULL RETURNING 1)";

/// Everything that goes with heads, in one statement: each costs a way to the server and back, and its start.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    let mut parts = vec![DISCHARGED.to_owned(), ENDED.to_owned(), RENAMED.to_owned()];
    let mut counts = vec!["(SELECT count(*) FROM ended)".to_owned()];
    let mut place = 6;
    for (table, _) in rows {
        // A row may have the key of one that goes: that goes first.
        let gone = [("obligations", "discharged"), ("history", "ended"), ("texts", "renamed")];
        let gone = gone.into_iter().find(|(of, _)| *of == table.name);
        let first = gone.map(|(_, gone)| format!(" WHERE (SELECT count(*) FROM {gone}) >= 0"));
        let insertion = insertion(table, place) + &first.unwrap_or_default();
        parts.push(format!("of_{} AS ({insertion} RETURNING 1)", table.name));
        counts.push(format!("(SELECT count(*) FROM of_{})", table.name));
        place += table.columns.len();
    }
    let statement = format!("WITH {} SELECT ARRAY[{}]", parts.join(", "), counts.join(", "));
    let (ended, moments): (Vec<&str>, Vec<i64>) = also.ended.iter().copied().unzip();
    let query = sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_str());
    let query = query.bind(&also.discharged).bind(ended).bind(moments).bind(&also.renamed);
    let query = rows.iter().fold(query, |query, (table, rows)| bind(query, table.columns, rows));
    let done: Vec<i64> = query.fetch_one(connection).await?.try_get(0)?;
    let asked = rows.iter().map(|(table, rows)| (table.name, rows.len()));
    let asked = [("history", also.ended.len())].into_iter().chain(asked);
    for ((table, expected), done) in asked.zip(done) {
        rows_affected(table, expected as u64, done.unsigned_abs())?;
    }
    Ok(())
}
