//! The floor on SQLite: what the engine writes, written by hand, one transaction per command, on the one connection
//! that may write.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, SqliteConnection};
use tokio::sync::Mutex;

use crate::Result;
use crate::county::{Case, tenant};
use crate::drive::Side;
use crate::steps::{Step, Steps};

/// Two ways to write it; the better one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Every statement on its own: each is a hop to the driver's thread.
    Statements,
    /// All that is read in one hop, all that is written in another.
    TwoHops,
}

/// The connection that writes.
pub struct Floor {
    connection: Mutex<SqliteConnection>,
    steps: Arc<Steps>,
    way: Way,
}

const READ: &str = "SELECT version, last_hash, state,
        (SELECT fingerprint FROM idempotency WHERE tenant_id = $1 AND key = $3)
     FROM cases WHERE tenant_id = $1 AND case_id = $2";

/// The places are those of [`arguments`]: $1 tenant, $2 case, $3 version before, $4 version, $5 key.
const WRITES: [&str; 6] = [
    "UPDATE cases SET version = $4, last_hash = $6, last_at = $7, main_state = $8, owner_role = $9,
        owner_unit = $10, overdue_from = $11, enterprise_overdue_from = $12, regulator_overdue_from = $13,
        provisional = $14, wake_at = $15, state = $16
     WHERE tenant_id = $1 AND case_id = $2 AND version = $3",
    "INSERT INTO acts (tenant_id, case_id, version, at, name, person_id, algorithm, body, hash)
     VALUES ($1, $2, $4, $7, $17, $18, $19, $20, $6)",
    "DELETE FROM obligations WHERE tenant_id = $1 AND case_id = $2",
    "INSERT INTO obligations (tenant_id, case_id, deadline_no, name, subject, owner_role, owner_unit,
        due_day, due, breached, paused)
     VALUES ($1, $2, $21, $22, $23, $24, $25, $26, $27, $28, $29)",
    "INSERT INTO history (tenant_id, case_id, version, from_at, stage, outcome, department, dispatched_at,
        legal_breach_at, met_in_time, enterprise_overdue_from, enterprise_role, enterprise_unit,
        regulator_overdue_from, regulator_role, regulator_unit, late_extensions, supplementary)
     VALUES ($1, $2, $4, $7, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43)",
    "INSERT INTO idempotency (tenant_id, key, fingerprint, case_id, version) VALUES ($1, $5, $44, $2, $4)",
];

/// What is read, in one hop with the beginning.
static READ_ALL: LazyLock<String> = LazyLock::new(|| format!("BEGIN IMMEDIATE; {READ}"));
/// What is written, in one hop with the end.
static WRITE_ALL: LazyLock<String> = LazyLock::new(|| format!("{}; COMMIT", WRITES.join("; ")));

/// Columns of the head, the act, the duty and the history, in the order of the places from $6 on.
const HEAD: [&str; 11] = [
    "last_hash",
    "last_at",
    "main_state",
    "owner_role",
    "owner_unit",
    "overdue_from",
    "enterprise_overdue_from",
    "regulator_overdue_from",
    "provisional",
    "wake_at",
    "state",
];
const ACT: [&str; 4] = ["name", "person_id", "algorithm", "body"];
const OWED: [&str; 9] =
    ["deadline_no", "name", "subject", "owner_role", "owner_unit", "due_day", "due", "breached", "paused"];
const HELD: [&str; 14] = [
    "stage",
    "outcome",
    "department",
    "dispatched_at",
    "legal_breach_at",
    "met_in_time",
    "enterprise_overdue_from",
    "enterprise_role",
    "enterprise_unit",
    "regulator_overdue_from",
    "regulator_role",
    "regulator_unit",
    "late_extensions",
    "supplementary",
];

type Asked<'a> = Query<'a, Sqlite, SqliteArguments>;

/// Binds all that the writes use.
fn arguments<'a>(query: Asked<'a>, case: &'a Case, key: &'a str, step: &'a Step) -> Asked<'a> {
    let version = i64::from(case.version);
    let query = query.bind(tenant().to_string()).bind(&case.text).bind(version).bind(version + 1).bind(key);
    let query = cells(query, &step.head, &HEAD);
    let query = cells(query, &step.act, &ACT);
    let query = cells(query, &step.owed, &OWED);
    cells(query, &step.held, &HELD).bind(step.key["fingerprint"].as_str())
}

fn cells<'a>(query: Asked<'a>, row: &'a Value, columns: &[&str]) -> Asked<'a> {
    columns.iter().fold(query, |query, column| match &row[*column] {
        Value::Number(number) => query.bind(number.as_i64()),
        cell => query.bind(cell.as_str()),
    })
}

/// A connection as durable as ours, with as much memory.
pub async fn connect(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-16384")
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", "4000");
    Ok(options.connect().await?)
}

impl Floor {
    /// Opens the connection.
    pub async fn open(path: &Path, steps: Arc<Steps>, way: Way) -> Result<Floor> {
        Ok(Floor { connection: Mutex::new(connect(path).await?), steps, way })
    }

    async fn statements(&self, case: &Case, key: &str, step: &Step) -> Result<()> {
        let mut connection = self.connection.lock().await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        let read = sqlx::query(READ).bind(tenant().to_string()).bind(&case.text).bind(key);
        read.fetch_one(&mut *connection).await?;
        for statement in WRITES {
            let done = arguments(sqlx::query(statement), case, key, step).execute(&mut *connection).await?;
            if done.rows_affected() != 1 {
                return Err("the floor changes one row by each statement".into());
            }
        }
        sqlx::query("COMMIT").execute(&mut *connection).await?;
        Ok(())
    }

    async fn two_hops(&self, case: &Case, key: &str, step: &Step) -> Result<()> {
        let mut connection = self.connection.lock().await;
        let read = sqlx::query(READ_ALL.as_str()).bind(tenant().to_string()).bind(&case.text).bind(key);
        read.fetch_one(&mut *connection).await?;
        let done = arguments(sqlx::query(WRITE_ALL.as_str()), case, key, step);
        done.execute(&mut *connection).await?;
        Ok(())
    }
}

impl Side for Floor {
    async fn next(&self, _: usize, case: &mut Case) -> Result<()> {
        let step = self.steps.to(case.version + 1).ok_or("a step for every version")?;
        let key = case.key();
        match self.way {
            Way::Statements => self.statements(case, &key, step).await?,
            Way::TwoHops => self.two_hops(case, &key, step).await?,
        }
        case.moved();
        Ok(())
    }
}
