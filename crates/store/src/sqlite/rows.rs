//! Rows come as one JSON array of arrays through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use std::sync::LazyLock;

use machine::value::TenantId;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use sqlx::AssertSqlSafe;

use super::commit::Written;
use super::write::{Also, Heads, Moving, Rows, heads, rows};
use super::{Connection, Writing, list};
use crate::StoreError;
use crate::cells::Cells;
use crate::table::{
    ACTS, CASES, DOCUMENTS, HEAD_FIXED, HISTORY, IDEMPOTENCY, Kind, NOTICES, OBLIGATIONS, PERSONAL, RUNGS,
    TEXTS, Table,
};

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
fn insertion(table: &Table, array: &str) -> String {
    let (name, names, values) = (table.name, table.names(), values(table));
    format!("INSERT INTO {name} (tenant_id, {names}) SELECT $1, {values} FROM jsonb_each({array}) WHERE true")
}

/// Inserts rows. Gives how many arrived.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    tenant: &TenantId,
    table: &'static Table,
    rows: &[Cells<'_>],
) -> Result<u64, StoreError> {
    let done = sqlx::query(AssertSqlSafe(insertion(table, "$2")))
        .bind(tenant.as_str())
        .bind(json(rows))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

const DISCHARGED: &str = concat!("DELETE FROM obligations WHERE tenant_id = $1 AND case_id ", one_of!("$2"));

const RENAMED: &str = concat!("DELETE FROM texts WHERE tenant_id = $1 AND case_id ", one_of!("$2"));

/// Everything that goes with heads. Of an insertion all rows arrive, or it fails.
pub(super) async fn write_all(
    connection: &mut Connection,
    tenant: &TenantId,
    also: &Also<'_>,
    rows: &[Rows<'_>],
) -> Result<(), StoreError> {
    for (cases, statement) in [(&also.discharged, DISCHARGED), (&also.renamed, RENAMED)] {
        sqlx::query(statement).bind(tenant.as_str()).bind(list(cases)).execute(&mut *connection).await?;
    }
    for (table, rows) in rows {
        insert_rows(connection, tenant, table, rows).await?;
    }
    Ok(())
}

/// What goes with heads, in the order it is written.
const WITH_HEADS: [&Table; 9] =
    [&ACTS, &TEXTS, &OBLIGATIONS, &RUNGS, &HISTORY, &NOTICES, &IDEMPOTENCY, &DOCUMENTS, &PERSONAL];

/// What one batch is, as a row that is inserted into `batch`: arrays, and how many heads there are.
const BATCH: [&str; 8] =
    ["tenant", "moving", "moves", "opening", "opens", "entrusted", "discharged", "renamed"];

/// Makes of a connection one that takes whole batches: `batch` is a view nobody reads, and its trigger writes what is
/// inserted. Of statements handed over one by one each changes threads when it begins and when it ends, and in a
/// transaction SQLite keeps a copy of every page they change, to undo one of them alone. A trigger is one statement.
pub(super) async fn take_batches(connection: &mut Connection) -> Result<(), StoreError> {
    let columns = || BATCH.into_iter().chain(WITH_HEADS.map(|table| table.name));
    let nothing: Vec<&str> = columns().map(|_| "NULL").collect();
    let columns: Vec<&str> = columns().collect();
    let view = format!(
        "CREATE TEMP VIEW IF NOT EXISTS batch ({}) AS SELECT {}",
        columns.join(", "),
        nothing.join(", ")
    );
    let lost = |number: &str| format!("SELECT RAISE(ABORT, '{LOST}') WHERE changes() <> NEW.{number}");
    let mut done = vec![
        // A column that is set is taken out of its indexes and put in again, also where it says what it said, and an
        // enterprise seldom changes.
        moving("NEW.moving", &["enterprise"]),
        lost("moves"),
        opening("NEW.opening"),
        lost("opens"),
        entrusting("NEW.entrusted"),
        DISCHARGED.replace("$2", "NEW.discharged"),
        RENAMED.replace("$2", "NEW.renamed"),
    ];
    done.extend(WITH_HEADS.map(|table| insertion(table, &format!("NEW.{}", table.name))));
    let trigger = format!(
        "CREATE TEMP TRIGGER IF NOT EXISTS batch_written INSTEAD OF INSERT ON batch BEGIN {}; END",
        done.join(";\n").replace("$1", "NEW.tenant")
    );
    let both = AssertSqlSafe(format!("{view};\n{trigger}"));
    sqlx::query(both).persistent(false).execute(connection).await?;
    Ok(())
}

/// What the trigger says of a batch in which not every head won.
const LOST: &str = "a head lost";

/// Writes heads and everything that goes with them, as one statement that is a transaction of its own. Where a head
/// loses nothing is written: false, and which one lost is found step by step.
pub(super) async fn write_whole(
    writer: &Writing,
    tenant: &TenantId,
    written: &[Written<'_>],
) -> Result<bool, StoreError> {
    static INSERTION: LazyLock<String> = LazyLock::new(|| {
        let places: Vec<String> =
            (1..=BATCH.len() + WITH_HEADS.len()).map(|place| format!("${place}")).collect();
        format!("INSERT INTO batch VALUES ({})", places.join(", "))
    });
    let Heads { opening, moving } = heads(written);
    let (also, rows) = rows(written);
    let array = |rows: &[Cells<'_>]| (!rows.is_empty()).then(|| json(rows));
    let of_entrusted = |(name, _): &&(&str, _)| ENTRUSTED.contains(name);
    let entrusted: Vec<Cells<'_>> =
        moving.heads.iter().map(|head| head.iter().filter(of_entrusted).cloned().collect()).collect();
    let [moves, opens] = [moving.cases.len(), opening.len()].map(|heads| heads as i64);
    debug_assert!(
        rows.iter().all(|(table, _)| WITH_HEADS.iter().any(|of| of.name == table.name)),
        "every table is one that the trigger writes to"
    );
    let query = sqlx::query(INSERTION.as_str()).bind(tenant.as_str());
    let query = query.bind(array(&with_expected(moving))).bind(moves).bind(array(&opening)).bind(opens);
    let query = query.bind(array(&entrusted)).bind(list(&also.discharged)).bind(list(&also.renamed));
    let query = WITH_HEADS.into_iter().fold(query, |query, table| {
        let rows = rows.iter().find(|(of, _)| of.name == table.name);
        query.bind(rows.and_then(|(_, rows)| array(rows)))
    });
    let mut turn = writer.turn().await?;
    match query.execute(&mut **turn.connection()).await {
        Ok(_) => {
            turn.done();
            Ok(true)
        }
        Err(sqlx::Error::Database(refused)) if refused.message() == LOST => {
            turn.done();
            Ok(false)
        }
        Err(error) => {
            // What fails once a text was written leaves the connection reading, and what others write since unseen.
            turn.give_up();
            Err(error.into())
        }
    }
}

/// The statement that inserts heads out of an array.
fn opening(array: &str) -> String {
    insertion(&CASES, array) + " ON CONFLICT (tenant_id, case_id) DO NOTHING"
}

/// The statement that moves heads out of an array, each with the version it was decided on, all but some columns.
fn moving(array: &str, but: &[&str]) -> String {
    let columns = CASES.columns.iter().map(|(name, _)| *name);
    let set = columns.clone().filter(|name| !HEAD_FIXED.contains(name) && !but.contains(name));
    let set: Vec<String> = set.map(|name| format!("{name} = given.{name}")).collect();
    let given: Vec<&str> = columns.chain(["expected"]).collect();
    let given = given_heads(array, &given);
    format!("UPDATE cases SET {} {given} AND cases.version = given.expected", set.join(", "))
}

/// What is known of a head to set its enterprise.
const ENTRUSTED: [&str; 3] = ["case_id", "version", "enterprise"];

/// The statement that sets enterprises out of an array, once the heads are moved.
fn entrusting(array: &str) -> String {
    let given = given_heads(array, &ENTRUSTED);
    format!(
        "UPDATE cases SET enterprise = given.enterprise {given} AND cases.version = given.version
            AND cases.enterprise IS NOT given.enterprise"
    )
}

/// Columns out of an array, beside the cases they are of. Materialized: otherwise the planner walks all cases of the
/// tenant and reads the array for each.
fn given_heads(array: &str, columns: &[&str]) -> String {
    let columns = columns.iter().enumerate().map(|(place, name)| format!("value->>{place} AS {name}"));
    format!(
        "FROM (WITH each AS MATERIALIZED (SELECT {} FROM jsonb_each({array})) SELECT * FROM each) AS given
         WHERE cases.tenant_id = $1 AND cases.case_id = given.case_id",
        columns.collect::<Vec<_>>().join(", ")
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
    won(connection, tenant, opening("$2"), rows).await
}

/// Writes the heads whose version is still the one decided on. Gives those that won.
pub(super) async fn move_heads(
    connection: &mut Connection,
    tenant: &TenantId,
    heads: Moving<'_>,
) -> Result<Vec<String>, StoreError> {
    won(connection, tenant, moving("$2", &[]), &with_expected(heads)).await
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
