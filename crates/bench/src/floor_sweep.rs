//! The floor of a sweep: set-based SQL that writes the rows the engine would write, in batches as large as its own.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, SqliteConnection};
use store::Place;
use store::table::{ACTS, CASES, Kind, NOTICES, RUNGS, Table};

use crate::Result;
use crate::county::tenant;
use crate::floor_sqlite;
use crate::load::{Cells, Identity, Template, json_row};

/// What a sweep writes, by case.
pub struct Swept {
    rows: HashMap<String, Written>,
}

/// Rows of a case.
#[derive(Default)]
struct Written {
    head: Vec<Cells>,
    acts: Vec<Cells>,
    rungs: Vec<Cells>,
    notices: Vec<Cells>,
}

/// Columns of a head that a reminder changes, after the case they belong to.
const MOVED: [&str; 6] = ["case_id", "version", "last_hash", "last_at", "wake_at", "state"];

impl Swept {
    /// The rows of all these cases, made beforehand.
    pub fn prepare(after: &[Template], identities: &[Identity]) -> Swept {
        let version = place(&ACTS, "version");
        let rows = identities.iter().map(|identity| {
            let mut written = Written::default();
            for (table, rows) in after[identity.no % after.len()].rows(identity) {
                match table.name {
                    "cases" => written.head = rows.into_iter().map(|row| moved(&row)).collect(),
                    // The first one opened the case.
                    "acts" => {
                        written.acts =
                            rows.into_iter().filter(|row| row[version].as_deref() != Some("1")).collect()
                    }
                    "rungs" => written.rungs = rows,
                    "notices" => written.notices = rows,
                    _ => {}
                }
            }
            (identity.id.clone(), written)
        });
        Swept { rows: rows.collect() }
    }

    /// Writes all that is due, until nothing is. Gives how many cases that were.
    pub async fn write(&self, place: &Place, now: i64) -> Result<usize> {
        let mut on = match place {
            Place::Server(url) => On::Server(PgConnection::connect(url).await?),
            Place::File(path) => On::File(floor_sqlite::connect(path).await?),
        };
        let mut all = 0;
        loop {
            on.begin().await?;
            let due = on.due(now).await?;
            let rows = |of: fn(&Written) -> &Vec<Cells>| -> Vec<&Cells> {
                due.iter().filter_map(|case| self.rows.get(case)).flat_map(of).collect()
            };
            let heads = rows(|written| &written.head);
            if heads.len() != due.len() {
                return Err("something is due that the floor was not prepared for".into());
            }
            if !due.is_empty() {
                on.move_heads(&heads).await?;
                on.insert(&ACTS, &rows(|written| &written.acts)).await?;
                on.insert(&RUNGS, &rows(|written| &written.rungs)).await?;
                on.insert(&NOTICES, &rows(|written| &written.notices)).await?;
            }
            on.commit().await?;
            all += due.len();
            if due.is_empty() {
                return Ok(all);
            }
        }
    }
}

fn place(table: &Table, column: &str) -> usize {
    table.columns.iter().position(|(name, _)| *name == column).unwrap_or_default()
}

fn moved(head: &Cells) -> Cells {
    MOVED.iter().map(|column| head[place(&CASES, column)].clone()).collect()
}

/// The database that is written to.
enum On {
    Server(PgConnection),
    File(SqliteConnection),
}

const DUE: &str = "SELECT case_id, version, last_hash, state FROM cases
     WHERE tenant_id = $1 AND wake_at <= $2 ORDER BY wake_at LIMIT 200";

const MOVE_SERVER: &str = "UPDATE cases SET version = new.version, last_hash = new.last_hash,
        last_at = new.last_at, wake_at = new.wake_at, state = new.state
     FROM UNNEST($2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])
        AS new(case_id, version, last_hash, last_at, wake_at, state)
     WHERE cases.tenant_id = $1 AND cases.case_id = new.case_id AND cases.version = new.version - 1";

const MOVE_FILE: &str = "WITH new AS MATERIALIZED (SELECT value->>0 AS case_id, value->>1 AS version,
        value->>2 AS last_hash, value->>3 AS last_at, value->>4 AS wake_at, value->>5 AS state
        FROM jsonb_each($2))
     UPDATE cases SET version = new.version, last_hash = new.last_hash, last_at = new.last_at,
        wake_at = new.wake_at, state = new.state
     FROM new WHERE cases.tenant_id = $1 AND cases.case_id = new.case_id AND cases.version = new.version - 1";

/// Kinds of the columns of [`MOVED`].
const MOVED_KINDS: [Kind; 6] = [Kind::Text, Kind::Int, Kind::Text, Kind::Int, Kind::Int, Kind::Text];

impl On {
    async fn begin(&mut self) -> Result<()> {
        match self {
            On::Server(connection) => sqlx::raw_sql("BEGIN").execute(connection).await.map(drop)?,
            On::File(connection) => sqlx::query("BEGIN IMMEDIATE").execute(connection).await.map(drop)?,
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        match self {
            On::Server(connection) => sqlx::raw_sql("COMMIT").execute(connection).await.map(drop)?,
            On::File(connection) => sqlx::query("COMMIT").execute(connection).await.map(drop)?,
        }
        Ok(())
    }

    async fn due(&mut self, now: i64) -> Result<Vec<String>> {
        let rows: Vec<(String, i64, String, String)> = match self {
            On::Server(connection) => {
                sqlx::query_as(DUE).bind(tenant().to_string()).bind(now).fetch_all(connection).await?
            }
            On::File(connection) => {
                sqlx::query_as(DUE).bind(tenant().to_string()).bind(now).fetch_all(connection).await?
            }
        };
        Ok(rows.into_iter().map(|(case, ..)| case).collect())
    }

    async fn move_heads(&mut self, heads: &[&Cells]) -> Result<()> {
        let done = match self {
            On::Server(connection) => {
                let query = sqlx::query(MOVE_SERVER).bind(tenant().to_string());
                arrays(query, &MOVED_KINDS, heads).execute(connection).await?.rows_affected()
            }
            On::File(connection) => {
                let rows: Vec<Value> = heads.iter().map(|row| json_row(&MOVED_KINDS, row)).collect();
                let query = sqlx::query(MOVE_FILE).bind(tenant().to_string());
                query.bind(Value::from(rows).to_string()).execute(connection).await?.rows_affected()
            }
        };
        if done == heads.len() as u64 { Ok(()) } else { Err("the floor moves every head".into()) }
    }

    async fn insert(&mut self, table: &Table, rows: &[&Cells]) -> Result<()> {
        let kinds: Vec<Kind> = table.columns.iter().map(|(_, kind)| *kind).collect();
        match self {
            On::Server(connection) => {
                let places =
                    (2..kinds.len() + 2).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
                let names = table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                let insert = format!(
                    "INSERT INTO {} (tenant_id, {names}) SELECT $1, new.* FROM UNNEST({places}) AS new",
                    table.name
                );
                let query = sqlx::query(AssertSqlSafe(insert)).bind(tenant().to_string());
                arrays(query, &kinds, rows).execute(connection).await?;
            }
            On::File(connection) => crate::load::insert(connection, table, rows).await?,
        }
        Ok(())
    }
}

/// Binds each column as an array.
fn arrays<'q>(
    query: Query<'q, Postgres, PgArguments>,
    kinds: &[Kind],
    rows: &[&Cells],
) -> Query<'q, Postgres, PgArguments> {
    kinds.iter().enumerate().fold(query, |query, (place, kind)| {
        let cells = rows.iter().map(|row| row[place].clone());
        match kind {
            Kind::Int => query.bind(cells.map(|cell| cell?.parse::<i64>().ok()).collect::<Vec<_>>()),
            Kind::Flag => query.bind(cells.map(|cell| Some(cell? == "1")).collect::<Vec<_>>()),
            Kind::Text | Kind::Bytes => query.bind(cells.collect::<Vec<_>>()),
        }
    })
}
