//! The floor on PostgreSQL: what the engine writes, written by hand, one transaction per command.

use std::sync::Arc;

use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::query::Query;
use sqlx::{ConnectOptions, PgConnection, Postgres};
use tokio::sync::Mutex;

use crate::Result;
use crate::county::{Case, tenant};
use crate::drive::Side;
use crate::steps::{Step, Steps};

/// Two ways to write it; the better one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A transaction of several statements, the head locked.
    Statements,
    /// A read, and one statement that checks the version and writes all.
    One,
}

/// Callers on a number of connections.
pub struct Floor {
    connections: Vec<Mutex<PgConnection>>,
    steps: Arc<Steps>,
    way: Way,
}

const READ: &str = "SELECT version, last_hash, state,
        (SELECT fingerprint FROM idempotency WHERE tenant_id = $1 AND key = $3)
     FROM cases WHERE tenant_id = $1 AND case_id = $2";

const READ_LOCKED: &str = "SELECT version, last_hash, state,
        (SELECT fingerprint FROM idempotency WHERE tenant_id = $1 AND key = $3)
     FROM cases WHERE tenant_id = $1 AND case_id = $2 FOR NO KEY UPDATE";

/// Only what these acts change.
const MOVE: &str = "UPDATE cases SET version = $4, last_hash = $5, last_at = $6, main_state = $7,
        owner_role = $8, owner_unit = $9, overdue_from = $10, enterprise_overdue_from = $11,
        regulator_overdue_from = $12, provisional = $13, wake_at = $14, state = $15
     WHERE tenant_id = $1 AND case_id = $2 AND version = $3";

const ACT: &str = "INSERT INTO acts (tenant_id, case_id, version, at, name, person_id, algorithm, body, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const FORGET_OWED: &str = "DELETE FROM obligations WHERE tenant_id = $1 AND case_id = $2";

const OWE: &str = "INSERT INTO obligations (tenant_id, case_id, deadline_no, name, subject, owner_role,
        owner_unit, due_day, due, breached, paused)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const HOLD: &str = "INSERT INTO history (tenant_id, case_id, version, from_at, stage, outcome, department,
        dispatched_at, legal_breach_at, met_in_time, enterprise_overdue_from, enterprise_role,
        enterprise_unit, regulator_overdue_from, regulator_role, regulator_unit, late_extensions,
        supplementary)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";

const KEEP_KEY: &str = "INSERT INTO idempotency (tenant_id, key, fingerprint, case_id, version)
     VALUES ($1, $2, $3, $4, $5)";

/// All of it.
const ALL: &str = "WITH moved AS (
        UPDATE cases SET version = $4, last_hash = $5, last_at = $6, main_state = $7, owner_role = $8,
            owner_unit = $9, overdue_from = $10, enterprise_overdue_from = $11, regulator_overdue_from = $12,
            provisional = $13, wake_at = $14, state = $15
        WHERE tenant_id = $1 AND case_id = $2 AND version = $3 RETURNING case_id),
     act AS (INSERT INTO acts (tenant_id, case_id, version, at, name, person_id, algorithm, body, hash)
        SELECT $1, case_id, $4, $6, $16, $17, $18, $19, $5 FROM moved),
     gone AS (DELETE FROM obligations
        WHERE tenant_id = $1 AND case_id = $2 AND EXISTS (SELECT 1 FROM moved)),
     owed AS (INSERT INTO obligations (tenant_id, case_id, deadline_no, name, subject, owner_role,
            owner_unit, due_day, due, breached, paused)
        SELECT $1, case_id, $20::bigint, $21, $22, $23, $24, $25, $26, $27::boolean, $28::boolean FROM moved),
     held AS (INSERT INTO history (tenant_id, case_id, version, from_at, stage, outcome, department,
            dispatched_at, legal_breach_at, met_in_time, enterprise_overdue_from, enterprise_role,
            enterprise_unit, regulator_overdue_from, regulator_role, regulator_unit, late_extensions,
            supplementary)
        SELECT $1, case_id, $4, $6, $29, $30, $31, $32::bigint, $33::bigint, $34::boolean, $35::bigint, $36,
            $37, $38::bigint, $39, $40, $41::bigint, $42::bigint FROM moved)
     INSERT INTO idempotency (tenant_id, key, fingerprint, case_id, version)
        SELECT $1, $43, $44, case_id, $4 FROM moved";

type Asked<'a> = Query<'a, Postgres, PgArguments>;

fn texts<'a>(query: Asked<'a>, row: &'a Value, columns: &[&str]) -> Asked<'a> {
    columns.iter().fold(query, |query, column| query.bind(row[*column].as_str()))
}

fn numbers<'a>(query: Asked<'a>, row: &'a Value, columns: &[&str]) -> Asked<'a> {
    columns.iter().fold(query, |query, column| query.bind(row[*column].as_i64()))
}

fn flags<'a>(query: Asked<'a>, row: &'a Value, columns: &[&str]) -> Asked<'a> {
    columns.iter().fold(query, |query, column| query.bind(row[*column].as_i64() == Some(1)))
}

/// What the head gets, from its fourth place on.
fn head<'a>(query: Asked<'a>, step: &'a Step, version: i64) -> Asked<'a> {
    let head = &step.head;
    let query = texts(query.bind(version), head, &["last_hash"]);
    let query = texts(numbers(query, head, &["last_at"]), head, &["main_state", "owner_role", "owner_unit"]);
    let moments = ["overdue_from", "enterprise_overdue_from", "regulator_overdue_from"];
    let query = flags(numbers(query, head, &moments), head, &["provisional"]);
    texts(numbers(query, head, &["wake_at"]), head, &["state"])
}

fn owed<'a>(query: Asked<'a>, step: &'a Step) -> Asked<'a> {
    let query = numbers(query, &step.owed, &["deadline_no"]);
    let query = texts(query, &step.owed, &["name", "subject", "owner_role", "owner_unit", "due_day", "due"]);
    flags(query, &step.owed, &["breached", "paused"])
}

fn held<'a>(query: Asked<'a>, step: &'a Step) -> Asked<'a> {
    let held = &step.held;
    let query = texts(query, held, &["stage", "outcome", "department"]);
    let query = flags(numbers(query, held, &["dispatched_at", "legal_breach_at"]), held, &["met_in_time"]);
    let query = texts(
        numbers(query, held, &["enterprise_overdue_from"]),
        held,
        &["enterprise_role", "enterprise_unit"],
    );
    let query =
        texts(numbers(query, held, &["regulator_overdue_from"]), held, &["regulator_role", "regulator_unit"]);
    numbers(query, held, &["late_extensions", "supplementary"])
}

impl Floor {
    /// Opens the connections.
    pub async fn connect(url: &str, connections: usize, steps: Arc<Steps>, way: Way) -> Result<Floor> {
        let options: PgConnectOptions = url.parse()?;
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut connection = options.connect().await?;
            // As ours does.
            sqlx::raw_sql("SET default_toast_compression = 'lz4'").execute(&mut connection).await?;
            open.push(Mutex::new(connection));
        }
        Ok(Floor { connections: open, steps, way })
    }

    async fn statements(&self, connection: &mut PgConnection, case: &Case, step: &Step) -> Result<()> {
        let (tenant, key) = (tenant().to_string(), case.key());
        let (before, version) = (i64::from(case.version), i64::from(case.version) + 1);
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
        let read = sqlx::query(READ_LOCKED).bind(&tenant).bind(&case.text).bind(&key);
        read.fetch_one(&mut *connection).await?;
        let of_case = |statement| sqlx::query(statement).bind(&tenant).bind(&case.text);
        let at = step.head["last_at"].as_i64();
        let act = of_case(ACT).bind(version).bind(at);
        let act = texts(act, &step.act, &["name", "person_id", "algorithm", "body", "hash"]);
        let held = held(of_case(HOLD).bind(version).bind(at), step);
        let key = sqlx::query(KEEP_KEY).bind(&tenant).bind(&key).bind(step.key["fingerprint"].as_str());
        for statement in [
            head(of_case(MOVE).bind(before), step, version),
            act,
            of_case(FORGET_OWED),
            owed(of_case(OWE), step),
            held,
            key.bind(&case.text).bind(version),
        ] {
            let done = statement.execute(&mut *connection).await?;
            if done.rows_affected() != 1 {
                return Err("the floor changes one row by each statement".into());
            }
        }
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        Ok(())
    }

    async fn one(&self, connection: &mut PgConnection, case: &Case, step: &Step) -> Result<()> {
        let (tenant, key) = (tenant().to_string(), case.key());
        let (before, version) = (i64::from(case.version), i64::from(case.version) + 1);
        let read = sqlx::query(READ).bind(&tenant).bind(&case.text).bind(&key);
        read.fetch_one(&mut *connection).await?;
        let all = head(sqlx::query(ALL).bind(&tenant).bind(&case.text).bind(before), step, version);
        let all = texts(all, &step.act, &["name", "person_id", "algorithm", "body"]);
        let all = held(owed(all, step), step).bind(&key).bind(step.key["fingerprint"].as_str());
        let done = all.execute(connection).await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err("nobody else moves a case of the floor".into()) }
    }
}

impl Side for Floor {
    async fn next(&self, caller: usize, case: &mut Case) -> Result<()> {
        let step = self.steps.to(case.version + 1).ok_or("a step for every version")?;
        let mut connection = self.connections[caller % self.connections.len()].lock().await;
        match self.way {
            Way::Statements => self.statements(&mut connection, case, step).await?,
            Way::One => self.one(&mut connection, case, step).await?,
        }
        case.moved();
        Ok(())
    }
}
