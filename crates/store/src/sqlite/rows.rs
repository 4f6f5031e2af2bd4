//! Rows come as one JSON array of arrays through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use futures_util::TryStreamExt;
use machine::value::TenantId;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Either, Executor as _};

use super::commit::Written;
use super::write::{Also, Moving, Rows, heads, rows};
use super::{Connection, Db, Writing, list};
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

/// What is done to rows that stand: as many go as there are.
const STANDING: [&str; 2] = [DISCHARGED, RENAMED];

type Asked<'q> = Query<'q, Db, SqliteArguments>;

/// Binds the tenant and what is done to rows that stand, to the first places.
fn bind_also<'q>(query: Asked<'q>, tenant: &'q TenantId, also: &Also<'_>) -> Asked<'q> {
    query.bind(tenant.as_str()).bind(list(&also.discharged)).bind(list(&also.renamed))
}

/// The first place after.
const FREE: usize = 4;

/// Everything that goes with heads, handed over at once: each time costs two changes of thread.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    let mut statements = STANDING.map(str::to_owned).to_vec();
    let mut expected = vec![None; STANDING.len()];
    for (place, (table, rows)) in (FREE..).zip(rows) {
        statements.push(insertion(table, place));
        expected.push(Some((table.name, rows.len())));
    }
    let query = bind_also(sqlx::query(AssertSqlSafe(statements.join(";\n"))), tenant, also);
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

/// Writes heads and everything that goes with them, the transaction too handed over at once. Where a head loses, or a
/// row is missing, it is undone: false, and what stands in the way is found step by step.
pub(super) async fn write_whole(
    writer: &Writing,
    tenant: &TenantId,
    written: &[Written<'_>],
) -> Result<bool, StoreError> {
    let heads = heads(written);
    let (also, rows) = rows(written);
    let (moved, opened) = (heads.moving.cases.len(), heads.opening.len());
    let counts = [moved, opened].map(|rows| rows as i64);
    let [moves, opens] = [FREE, FREE + 1].map(changed);
    let mut place = FREE + counts.len();
    let mut next = || {
        place += 1;
        place - 1
    };
    let (mut statements, mut bound) = (vec!["BEGIN IMMEDIATE".to_owned()], Vec::new());
    if moved > 0 {
        statements.extend([moving(next()), moves]);
        bound.push(json(&with_expected(heads.moving)));
    }
    if opened > 0 {
        statements.extend([opening(next()), opens]);
        bound.push(json(&heads.opening));
    }
    statements.extend(STANDING.map(str::to_owned));
    for (table, rows) in &rows {
        // All of them arrive, or it fails.
        statements.push(insertion(table, next()));
        bound.push(json(rows));
    }
    statements.push("COMMIT".to_owned());
    let query = bind_also(sqlx::query(AssertSqlSafe(statements.join(";\n"))), tenant, &also);
    let query = counts.into_iter().fold(query, Query::bind);
    let query = bound.into_iter().fold(query, Query::bind);
    let mut turn = writer.turn().await?;
    let Err(error) = query.execute(&mut **turn.connection()).await else {
        turn.done();
        return Ok(true);
    };
    if sqlx::query("ROLLBACK").execute(&mut **turn.connection()).await.is_err() {
        // It was undone already, or never begun; or it cannot be, and then the connection must not be used again.
        turn.give_up();
    }
    match error {
        sqlx::Error::Database(refused) if refused.message() == OVERFLOW => Ok(false),
        error => Err(error.into()),
    }
}

/// What fails where the statement before it changed another number of rows than the one bound to a place. It gives no
/// row: each would wake who waits.
fn changed(place: usize) -> String {
    format!("SELECT 1 WHERE abs(-9223372036854775807 - (changes() <> ${place})) IS NULL")
}

/// What SQLite says of it.
const OVERFLOW: &str = "integer overflow";

/// The statement that inserts heads bound to a place.
fn opening(place: usize) -> String {
    format!(
        "INSERT INTO cases (tenant_id, {}) SELECT $1, {} FROM jsonb_each(${place}) WHERE true
         ON CONFLICT (tenant_id, case_id) DO NOTHING",
        CASES.names(),
        values(&CASES)
    )
}

/// The statement that moves heads bound to a place, each with the version it was decided on.
fn moving(place: usize) -> String {
    let columns = CASES.columns.iter().map(|(name, _)| *name);
    let new = columns.clone().chain(["expected"]).enumerate();
    let new = new.map(|(index, name)| format!("value->>{index} AS {name}"));
    let set = columns.filter(|name| !HEAD_FIXED.contains(name)).map(|name| format!("{name} = new.{name}"));
    // Materialized: otherwise the planner walks all cases of the tenant and reads the array for each.
    format!(
        "WITH new AS MATERIALIZED (SELECT {} FROM jsonb_each(${place}))
         UPDATE cases SET {} FROM new
         WHERE cases.tenant_id = $1 AND cases.case_id = new.case_id AND cases.version = new.expected",
        new.collect::<Vec<_>>().join(", "),
        set.collect::<Vec<_>>().join(", ")
    )
}

/// Heads, and after the last column of each the version it was decided on.
fn with_expected(Moving { mut heads, expected, .. }: Moving<'_>) -> Vec<Cells<'_>> {
    for (head, expected) in heads.iter_mut().zip(expected) {
        head.push(("expected", expected.into()));
    }
    heads
}

/// Writes the heads of cases that were not there. Gives those that won.
pub(super) async fn open_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    won(connection, tenant, opening(2), rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    heads: Moving<'_>,
) -> Result<Vec<String>, StoreError> {
    won(connection, tenant, moving(2), &with_expected(heads)).await
}

async fn won(
    connection: &mut Connection,
    tenant: &TenantId,
    statement: String,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(AssertSqlSafe(statement + " RETURNING case_id"))
        .bind(tenant.as_str())
        .bind(json(rows))
        .fetch_all(connection)
        .await?)
}
