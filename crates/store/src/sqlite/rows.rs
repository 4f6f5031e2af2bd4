//! Rows come as one JSON array of arrays through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use machine::value::TenantId;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use sqlx::AssertSqlSafe;

use super::commit::Written;
use super::write::{Also, Moving, Rows, heads, rows};
use super::{Connection, Writing, list};
use crate::StoreError;
use crate::cells::Cells;
use crate::table::{ACTS, CASES, HEAD_FIXED, Kind, Table};

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

/// The statement that inserts rows bound to a place, where a condition holds.
fn insertion(table: &Table, place: usize, condition: &str) -> String {
    let (name, names, values) = (table.name, table.names(), values(table));
    format!(
        "INSERT INTO {name} (tenant_id, {names}) SELECT $1, {values} FROM jsonb_each(${place}) WHERE {condition}"
    )
}

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<u64, StoreError> {
    let done = sqlx::query(AssertSqlSafe(insertion(table, 2, "true")))
        .bind(tenant.as_str())
        .bind(json(rows))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

const DISCHARGED: &str = concat!("DELETE FROM obligations WHERE tenant_id = $1 AND case_id ", one_of!("$2"));

const RENAMED: &str = concat!("DELETE FROM texts WHERE tenant_id = $1 AND case_id ", one_of!("$3"));

/// What is done to rows that stand: as many go as there are. Each statement wakes who waits.
fn standing(also: &Also<'_>) -> Vec<String> {
    let done = [(&also.discharged, DISCHARGED), (&also.renamed, RENAMED)].into_iter();
    done.filter(|(cases, _)| !cases.is_empty()).map(|(_, statement)| statement.to_owned()).collect()
}

/// The insertions of what goes with heads, from a place on, the first where a condition holds.
fn insertions(rows: &[Rows<'_>], first: usize, condition: &str) -> Vec<String> {
    let condition = |place| if place == first { condition } else { "true" };
    (first..).zip(rows).map(|(place, (table, _))| insertion(table, place, condition(place))).collect()
}

/// Does statements, handed over at once: each time costs two changes of thread. To their first places are bound the
/// tenant and the cases whose rows go, then the numbers and the texts.
async fn execute(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    statements: Vec<String>,
    numbers: &[i64],
    texts: Vec<String>,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(AssertSqlSafe(statements.join(";\n")));
    let query = query.bind(tenant.as_str()).bind(list(&also.discharged)).bind(list(&also.renamed));
    let query = numbers.iter().fold(query, |query, number| query.bind(*number));
    let query = texts.into_iter().fold(query, |query, text| query.bind(text));
    query.execute(connection).await.map(drop)
}

/// The first place after the tenant and the cases whose rows go.
const FREE: usize = 4;

/// Everything that goes with heads. Of an insertion all rows arrive, or it fails.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    let mut statements = standing(also);
    statements.extend(insertions(rows, FREE, "true"));
    let rows = rows.iter().map(|(_, rows)| json(rows)).collect();
    Ok(execute(connection, tenant, also, statements, &[], rows).await?)
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
    if rows.first().is_none_or(|(table, _)| table.name != ACTS.name) {
        // Nothing would tell whether the heads won.
        return Ok(false);
    }
    let counts = [heads.moving.cases.len(), heads.opening.len()].map(|rows| rows as i64);
    let [moves, opens] = [FREE, FREE + 1].map(changed);
    let (mut condition, mut bound) = ("true", Vec::new());
    let first = FREE + counts.len();
    let mut statements = vec!["BEGIN IMMEDIATE".to_owned()];
    if !heads.moving.cases.is_empty() {
        let mut moved =
            written.iter().map(|written| written.change).filter(|change| change.expected_version > 0);
        let set = if moved.all(|change| change.same_enterprise) { Set::ButEnterprise } else { Set::All };
        statements.push(moving(first, set));
        bound.push(json(&with_expected(heads.moving)));
        condition = &moves;
    }
    if !heads.opening.is_empty() {
        statements.push(opening(first + bound.len(), condition));
        bound.push(json(&heads.opening));
        condition = &opens;
    }
    let asks = statements.len();
    statements.extend(insertions(&rows, first + bound.len(), condition));
    // Not before it is asked how many heads were moved: removing a text counts rows too.
    statements.splice(asks + 1..asks + 1, standing(&also));
    bound.extend(rows.iter().map(|(_, rows)| json(rows)));
    statements.push("COMMIT".to_owned());
    let mut turn = writer.turn().await?;
    let Err(error) = execute(turn.connection(), tenant, &also, statements, &counts, bound).await else {
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

/// The condition of a statement that fails where the one before it changed another number of rows than the one bound
/// to a place.
fn changed(place: usize) -> String {
    format!("abs(-9223372036854775807 - (changes() <> ${place})) IS NOT NULL")
}

/// What SQLite says of it.
const OVERFLOW: &str = "integer overflow";

/// The statement that inserts heads bound to a place, where a condition holds.
fn opening(place: usize, condition: &str) -> String {
    insertion(&CASES, place, condition) + " ON CONFLICT (tenant_id, case_id) DO NOTHING"
}

/// What is set of a head. A column that is set is taken out of its indexes and put in again, also where it says what
/// it said, and an enterprise seldom changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    All,
    ButEnterprise,
}

/// The statement that moves heads bound to a place, each with the version it was decided on.
fn moving(place: usize, set: Set) -> String {
    let columns = CASES.columns.iter().map(|(name, _)| *name);
    let new = columns.clone().chain(["expected"]).enumerate();
    let new = new.map(|(index, name)| format!("value->>{index} AS {name}"));
    let stays = |name| HEAD_FIXED.contains(&name) || set == Set::ButEnterprise && name == "enterprise";
    let set = columns.filter(|name| !stays(name)).map(|name| format!("{name} = new.{name}"));
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
    won(connection, tenant, opening(2, "true"), rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    heads: Moving<'_>,
) -> Result<Vec<String>, StoreError> {
    won(connection, tenant, moving(2, Set::All), &with_expected(heads)).await
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
