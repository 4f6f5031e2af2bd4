//! Rows come as one array of the row type of their table: the server runs one function to read them, and not one for
//! each column. A migration that adds a column changes that type, for processes of the version before as well.
//!
//! Every row that is changed is found by its key: `= ANY` the keys, also where a join would say the same, so that no
//! plan made while a table was small walks it when it has grown.

use std::collections::HashSet;

use machine::value::TenantId;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::PgRecordEncoder;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgBindIterExt as _, PgTypeInfo};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _, Type};

use super::commit::{Batch, Fate, Written};
use super::write::{Also, Rows, head, rows};
use super::{Connection, Db, Writing, begin_commit};
use crate::cells::Cells;
use crate::table::{CASES, HEAD_FIXED, Kind, Table};
use crate::{StoreError, rows_affected};

type Asked<'q> = Query<'q, Db, PgArguments>;

/// Rows of a table as one parameter.
struct Records<'a> {
    tenant: &'a TenantId,
    table: &'static Table,
    rows: &'a [Cells<'a>],
}

/// One of them.
struct Record<'a> {
    tenant: &'a TenantId,
    table: &'static Table,
    cells: &'a Cells<'a>,
}

impl Type<Db> for Records<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("record[]")
    }
}

impl Encode<'_, Db> for Records<'_> {
    fn encode_by_ref(&self, to: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Records { tenant, table, rows } = *self;
        rows.iter().map(|cells| Record { tenant, table, cells }).bind_iter().encode(to)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::array_of(self.table.name))
    }
}

impl Type<Db> for Record<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("record")
    }
}

impl Encode<'_, Db> for Record<'_> {
    fn encode_by_ref(&self, to: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let mut record = PgRecordEncoder::new(to);
        record.encode(self.tenant.as_str())?;
        for ((name, kind), (of, cell)) in self.table.columns.iter().zip(self.cells) {
            debug_assert_eq!(name, of, "the cells of a row stand in the order of its table");
            match kind {
                Kind::Int => record.encode(cell.int())?,
                Kind::Flag => record.encode(cell.flag())?,
                Kind::Text => record.encode(cell.text())?,
                Kind::Bytes => record.encode(cell.text().map(str::as_bytes))?,
            };
        }
        record.finish();
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_name(self.table.name))
    }
}

/// The statement that inserts rows bound to a place. Their columns are named by position: one that a migration added
/// stands last in the row type, wherever it stands in the table here, and only what each place holds has to agree. Whose
/// they are is said by itself too, in the first: a server that is shared out by tenant sends it where it belongs by that.
fn insertion(table: &Table, place: usize) -> String {
    let (name, names) = (table.name, table.names());
    format!(
        "INSERT INTO {name} (tenant_id, {names}) SELECT $1, {names} FROM UNNEST(${place}) AS new(tenant_id, {names})"
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
    Ok(query.bind(Records { tenant, table, rows }).execute(connection).await?.rows_affected())
}

/// Writes the heads of cases that were not there. Gives those that won.
pub(super) async fn open_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    rows: &[Cells<'_>],
) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query_scalar(AssertSqlSafe(opening(2))).bind(tenant.as_str());
    Ok(query.bind(Records { tenant, table: &CASES, rows }).fetch_all(connection).await?)
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    moving: Moving<'_>,
) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query_scalar(AssertSqlSafe(self::moving(2))).bind(tenant.as_str());
    let records = Records { tenant, table: &CASES, rows: &moving.heads };
    let query = query.bind(moving.cases).bind(records).bind(moving.expected);
    Ok(query.fetch_all(connection).await?)
}

/// The statement that inserts heads bound to a place.
fn opening(place: usize) -> String {
    insertion(&CASES, place) + " ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id"
}

/// The statement that moves heads, bound from a place on: their ids, they themselves, the versions they were decided
/// on. They are locked in the order of the rows: whichever side of the join is walked, it is in that order.
fn moving(place: usize) -> String {
    let names = CASES.columns.iter().map(|(name, _)| *name);
    let set: Vec<String> =
        names.filter(|name| !HEAD_FIXED.contains(name)).map(|name| format!("{name} = new.{name}")).collect();
    format!(
        "UPDATE cases SET {} FROM ROWS FROM (UNNEST(${}), UNNEST(${})) AS new(tenant_id, {}, expected)
         WHERE cases.tenant_id = $1 AND cases.case_id = ANY(${place}) AND cases.case_id = new.case_id
            AND cases.version = new.expected
         RETURNING cases.case_id",
        set.join(", "),
        place + 1,
        place + 2,
        CASES.names(),
    )
}

/// What is done to rows that stand, bound from the second place on.
const DISCHARGED: &str = "DELETE FROM obligations WHERE tenant_id = $1 AND case_id = ANY($2)";
const RENAMED: &str = "DELETE FROM texts WHERE tenant_id = $1 AND case_id = ANY($3)";
/// The first place after.
const FREE: usize = 4;

fn bind_also<'q>(query: Asked<'q>, also: &'q Also<'_>) -> Asked<'q> {
    query.bind(&also.discharged).bind(&also.renamed)
}

/// The parts of a statement that write what goes with heads, from a place on, where a condition holds; and what
/// counts the rows of each. A text seldom changes, and each part has its start.
fn going_with(
    also: &Also<'_>,
    rows: &[Rows<'_>],
    mut place: usize,
    condition: &str,
) -> (Vec<String>, Vec<String>) {
    let mut standing = vec![("obligations", "discharged", DISCHARGED)];
    if !also.renamed.is_empty() {
        standing.push(("texts", "renamed", RENAMED));
    }
    let part = |(_, name, statement): &(_, &str, &str)| {
        format!("{name} AS ({statement} AND {condition} RETURNING 1)")
    };
    let mut parts: Vec<String> = standing.iter().map(part).collect();
    let mut counts = Vec::new();
    for (table, _) in rows {
        // A row may have the key of one that goes: that goes first.
        let gone = standing.iter().find(|(of, ..)| *of == table.name);
        let first = gone.map(|(_, gone, _)| format!(" AND (SELECT count(*) FROM {gone}) >= 0"));
        let (insertion, first) = (insertion(table, place), first.unwrap_or_default());
        parts.push(format!("of_{} AS ({insertion} WHERE {condition}{first} RETURNING 1)", table.name));
        counts.push(format!("(SELECT count(*) FROM of_{})", table.name));
        place += 1;
    }
    (parts, counts)
}

/// Commits a batch.
pub(super) async fn commit_batch(
    pool: &Writing,
    tenant: &TenantId,
    batch: &Batch,
) -> Result<Vec<Fate>, StoreError> {
    let mut written = batch.written();
    if write_whole(pool, tenant, &written).await? {
        return Ok(batch.fates(written.iter().map(|_| true)));
    }
    let mut transaction = begin_commit(pool).await?;
    let winners = write_heads(&mut transaction, tenant, &written).await?;
    let fates = batch.fates(written.iter().map(|written| winners.contains(&written.case)));
    if fates.contains(&Fate::Torn) {
        transaction.rollback().await?;
        return Ok(fates);
    }
    written.retain(|written| winners.contains(&written.case));
    if !written.is_empty() {
        let (also, rows) = rows(&written);
        write_all(&mut transaction, tenant, &also, &rows).await?;
    }
    transaction.commit().await?;
    Ok(fates)
}

/// The heads of a batch.
struct Heads<'a> {
    /// Of cases not there yet.
    opening: Vec<Cells<'a>>,
    /// Of the others.
    moving: Moving<'a>,
}

/// Heads of cases that are there, in the order of their cases.
struct Moving<'a> {
    /// The cases.
    cases: Vec<&'a str>,
    /// Their heads.
    heads: Vec<Cells<'a>>,
    /// The versions they were decided on.
    expected: Vec<i64>,
}

/// The heads of some changes.
fn heads<'a>(changes: &'a [Written<'a>]) -> Heads<'a> {
    let (opening, mut moving): (Vec<_>, Vec<_>) =
        changes.iter().partition(|written| written.change.expected_version == 0);
    // Two processes with the same cases take them in the same order, and never wait for each other both.
    moving.sort_unstable_by(|one, other| one.case.cmp(&other.case));
    Heads {
        opening: opening.into_iter().map(head).collect(),
        moving: Moving {
            cases: moving.iter().map(|written| written.case.as_str()).collect(),
            expected: moving.iter().map(|written| i64::from(written.change.expected_version)).collect(),
            heads: moving.into_iter().map(head).collect(),
        },
    }
}

/// Writes the heads whose version is still the one decided on. Gives the cases that won.
async fn write_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    changes: &[Written<'_>],
) -> Result<HashSet<String>, StoreError> {
    let Heads { opening, moving } = heads(changes);
    let mut winners = HashSet::new();
    if !moving.cases.is_empty() {
        winners.extend(move_heads(connection, tenant, moving).await?);
    }
    if !opening.is_empty() {
        winners.extend(open_heads(connection, tenant, &opening).await?);
    }
    Ok(winners)
}

/// Writes heads and everything that goes with them, in one statement that is a transaction of its own: each statement
/// costs a way to the server and back, and its start. Where a head loses, or a row is missing, it divides by zero
/// and has written nothing: false, and what stands in the way is found step by step.
async fn write_whole(pool: &Writing, tenant: &TenantId, written: &[Written<'_>]) -> Result<bool, StoreError> {
    let heads = heads(written);
    let (also, rows) = rows(written);
    let (mut parts, mut won, mut place) = (Vec::new(), Vec::new(), FREE + 1);
    if !heads.moving.cases.is_empty() {
        parts.push(format!("moved AS ({})", moving(place)));
        won.push("(SELECT count(*) FROM moved)");
        place += 3;
    }
    if !heads.opening.is_empty() {
        parts.push(format!("opened AS ({})", opening(place)));
        won.push("(SELECT count(*) FROM opened)");
        place += 1;
    }
    parts.push(format!("whole AS (SELECT {} = (${FREE})[1] AS yes)", won.join(" + ")));
    let (rest, counts) = going_with(&also, &rows, place, "(SELECT yes FROM whole)");
    parts.extend(rest);
    let statement = format!(
        "WITH {} SELECT 1 / CASE WHEN ARRAY[{}, {}] = ${FREE} THEN 1 ELSE 0 END",
        parts.join(", "),
        won.join(" + "),
        counts.join(", ")
    );
    let query = bind_also(sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_str()), &also);
    let counts = [written.len()].into_iter().chain(rows.iter().map(|(_, rows)| rows.len()));
    let expected: Vec<i64> = counts.map(|rows| rows as i64).collect();
    let mut query = query.bind(expected);
    let bound = |table, rows| Records { tenant, table, rows };
    if !heads.moving.cases.is_empty() {
        let Moving { cases, heads, expected } = &heads.moving;
        query = query.bind(cases).bind(bound(&CASES, heads)).bind(expected);
    }
    if !heads.opening.is_empty() {
        query = query.bind(bound(&CASES, &heads.opening));
    }
    let query = rows.iter().fold(query, |query, (table, rows)| query.bind(bound(table, rows)));
    match query.execute(pool).await {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(refused)) if refused.code().as_deref() == Some(DIVISION_BY_ZERO) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// What the server says of it.
const DIVISION_BY_ZERO: &str = "22012";

/// Everything that goes with heads that won where others did not.
async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    let (parts, counts) = going_with(also, rows, FREE, "TRUE");
    let statement = format!("WITH {} SELECT ARRAY[{}]", parts.join(", "), counts.join(", "));
    let query = bind_also(sqlx::query(AssertSqlSafe(statement)).bind(tenant.as_str()), also);
    let query = rows.iter().fold(query, |query, (table, rows)| query.bind(Records { tenant, table, rows }));
    let done: Vec<i64> = query.fetch_one(connection).await?.try_get(0)?;
    for ((table, rows), done) in rows.iter().zip(done) {
        rows_affected(table.name, rows.len() as u64, done.unsigned_abs())?;
    }
    Ok(())
}
