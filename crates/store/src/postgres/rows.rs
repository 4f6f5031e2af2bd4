//! Rows come as one array per column. Every row that is changed is found by its key: `= ANY` the keys, also
//! where a join would say the same, so that no plan made while a table was small walks it when it has grown.

use machine::value::TenantId;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _};

use super::commit::{Batch, Written};
use super::write::{Also, Rows, heads, rows};
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
    won(connection, tenant, opening(2), CASES.columns, rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    won(connection, tenant, moving(2), &moving_columns(), rows).await
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

/// The statement that inserts heads bound from a place on.
fn opening(from: usize) -> String {
    insertion(&CASES, from) + " ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id"
}

/// A head, and the version it was decided on.
fn moving_columns() -> Vec<Column> {
    CASES.columns.iter().copied().chain([("expected", Kind::Int)]).collect()
}

/// The statement that moves heads bound from a place on, the first column being that of their ids. They are locked
/// in the order of the rows: whichever side of the join is walked, it is in that order.
fn moving(from: usize) -> String {
    let columns = moving_columns();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let set = CASES.columns.iter().map(|(name, _)| *name).filter(|name| !HEAD_FIXED.contains(name));
    let set: Vec<String> = set.map(|name| format!("{name} = new.{name}")).collect();
    format!(
        "UPDATE cases SET {} FROM UNNEST({}) AS new({})
         WHERE cases.tenant_id = $1 AND cases.case_id = ANY(${from}) AND cases.case_id = new.case_id
            AND cases.version = new.expected
         RETURNING cases.case_id",
        set.join(", "),
        places(from, columns.len()),
        names.join(", ")
    )
}

/// What is done to rows that stand, bound from the second place on.
const DISCHARGED: &str = "DELETE FROM obligations WHERE tenant_id = $1 AND case_id = ANY($2)";
const ENDED: &str = "UPDATE history SET to_at = e.at FROM UNNEST($3, $4) AS e(case_id, at)
    WHERE history.tenant_id = $1 AND history.case_id = ANY($3) AND history.case_id = e.case_id
        AND history.to_at IS NULL";
const RENAMED: &str = "DELETE FROM texts WHERE tenant_id = $1 AND case_id = ANY($5)";
/// The first place after.
const FREE: usize = 6;

fn bind_also<'q>(query: Asked<'q>, also: &'q Also<'_>) -> Asked<'q> {
    let (ended, moments): (Vec<&str>, Vec<i64>) = also.ended.iter().copied().unzip();
    query.bind(&also.discharged).bind(ended).bind(moments).bind(&also.renamed)
}

/// The parts of a statement that write what goes with heads, from a place on, where a condition holds; and what
/// counts the rows of each.
fn going_with(rows: &[Rows<'_>], mut place: usize, condition: &str) -> (Vec<String>, Vec<String>) {
    let standing = [("discharged", DISCHARGED), ("ended", ENDED), ("renamed", RENAMED)];
    let standing =
        standing.map(|(name, statement)| format!("{name} AS ({statement} AND {condition} RETURNING 1)"));
    let mut parts = standing.to_vec();
    let mut counts = vec!["(SELECT count(*) FROM ended)".to_owned()];
    for (table, _) in rows {
        // A row may have the key of one that goes: that goes first.
        let gone = [("obligations", "discharged"), ("history", "ended"), ("texts", "renamed")];
        let gone = gone.into_iter().find(|(of, _)| *of == table.name);
        let first = gone.map(|(_, gone)| format!(" AND (SELECT count(*) FROM {gone}) >= 0"));
        let (insertion, first) = (insertion(table, place), first.unwrap_or_default());
        parts.push(format!("of_{} AS ({insertion} WHERE {condition}{first} RETURNING 1)", table.name));
        counts.push(format!("(SELECT count(*) FROM of_{})", table.name));
        place += table.columns.len();
    }
    (parts, counts)
}

/// As many rows have to be there as were asked for.
fn check_counts(also: &Also<'_>, rows: &[Rows<'_>], done: Vec<i64>) -> Result<(), StoreError> {
    let asked = rows.iter().map(|(table, rows)| (table.name, rows.len()));
    let asked = [("history", also.ended.len())].into_iter().chain(asked);
    for ((table, expected), done) in asked.zip(done) {
        rows_affected(table, expected as u64, done.unsigned_abs())?;
    }
    Ok(())
}

/// Writes heads and, where all of them win, everything that goes with them, in one statement: each costs a way to
/// the server and back, and its start.
pub(super) async fn write_batch(
    connection: &mut Connection,
    tenant: &TenantId,
    written: &[Written<'_>],
) -> Result<Batch, StoreError> {
    let heads = heads(written);
    let (also, rows) = rows(written);
    let moved_columns = moving_columns();
    let (mut parts, mut names, mut place) = (Vec::new(), Vec::new(), FREE + 1);
    if !heads.moving.is_empty() {
        parts.push(format!("moved AS ({})", moving(place)));
        names.push("moved");
        place += moved_columns.len();
    }
    if !heads.opening.is_empty() {
        parts.push(format!("opened AS ({})", opening(place)));
        names.push("opened");
        place += CASES.columns.len();
    }
    let winners: Vec<String> = names.iter().map(|name| format!("SELECT case_id FROM {name}")).collect();
    let winners = winners.join(" UNION ALL ");
    parts.push(format!("whole AS (SELECT count(*) = ${FREE} AS yes FROM ({winners}) AS won)"));
    let (rest, counts) = going_with(&rows, place, "(SELECT yes FROM whole)");
    parts.extend(rest);
    let statement =
        format!("WITH {} SELECT ARRAY[{}], ARRAY({winners})", parts.join(", "), counts.join(", "));
    let query = bind_also(sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_str()), &also);
    let mut query = query.bind(i64::try_from(written.len()).unwrap_or(i64::MAX));
    if !heads.moving.is_empty() {
        query = bind(query, &moved_columns, &heads.moving);
    }
    if !heads.opening.is_empty() {
        query = bind(query, CASES.columns, &heads.opening);
    }
    let query = rows.iter().fold(query, |query, (table, rows)| bind(query, table.columns, rows));
    let row = query.fetch_one(connection).await?;
    let winners: Vec<String> = row.try_get(1)?;
    let whole = winners.len() == written.len();
    if whole {
        check_counts(&also, &rows, row.try_get(0)?)?;
    }
    Ok(Batch { winners, whole })
}

/// Everything that goes with heads that won where others did not.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    let (parts, counts) = going_with(rows, FREE, "TRUE");
    let statement = format!("WITH {} SELECT ARRAY[{}]", parts.join(", "), counts.join(", "));
    let query = bind_also(sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_str()), also);
    let query = rows.iter().fold(query, |query, (table, rows)| bind(query, table.columns, rows));
    check_counts(also, rows, query.fetch_one(connection).await?.try_get(0)?)
}
