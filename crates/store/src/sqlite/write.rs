//! Writing: set-based, one transaction for all callers waiting.
//!
//! Rows come as one JSON array through `jsonb_each`: with `json_each` every column of a row would turn the
//! whole row to text and parse it again.

use std::collections::BTreeSet;

use machine::Instant;
use machine::act::hex;
use machine::value::TenantId;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::bad;
use super::query::hex_list;
use crate::{Change, Outcome, RefusalRow, StoreError, Wrong, head_columns, obligation_row};

/// Commits groups of changes. An error in a batch is answered by trying each group alone, so that one bad
/// group cannot take the others with it; a full disk or a lock is everybody's, and told as it is.
pub(super) async fn commit(
    pool: &SqlitePool,
    tenant: &TenantId,
    groups: &[Vec<Change>],
) -> Vec<Result<Outcome, StoreError>> {
    let mut outcomes: Vec<_> = groups.iter().map(|_| Ok(Outcome::Conflict)).collect();
    let mut left: Vec<usize> = (0..groups.len()).collect();
    while !left.is_empty() {
        let batch: Vec<&[Change]> = left.iter().map(|index| groups[*index].as_slice()).collect();
        match commit_batch(pool, tenant, &batch).await {
            // Undone because of the torn ones: it runs again without them.
            Ok(fates) if fates.contains(&Fate::Torn) => {
                let mut fates = fates.into_iter();
                left.retain(|_| fates.next() == Some(Fate::Won));
            }
            Ok(fates) => {
                for (index, _) in left.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Won) {
                    outcomes[*index] = Ok(Outcome::Committed);
                }
                break;
            }
            Err(error) if error.is_everybodys() => {
                left.iter().for_each(|index| outcomes[*index] = Err(error.again()));
                break;
            }
            Err(_) => {
                for index in left {
                    outcomes[index] = match commit_batch(pool, tenant, &[&groups[index]]).await {
                        Ok(fates) if fates.contains(&Fate::Won) => Ok(Outcome::Committed),
                        Ok(_) => Ok(Outcome::Conflict),
                        Err(error) => stands_already(error, &groups[index]),
                    };
                }
                break;
            }
        }
    }
    outcomes
}

/// What became of a group in a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Won,
    Lost,
    /// Some of its heads won and some lost: the batch is undone.
    Torn,
}

/// What it means that a row stands already. A key or a document number: somebody else used it first, for
/// another case. Any other row: the heads were those decided on, so nobody was first; the rows do not agree
/// with the head.
fn stands_already(error: StoreError, group: &[Change]) -> Result<Outcome, StoreError> {
    let StoreError::Database(sqlx::Error::Database(refused)) = &error else { return Err(error) };
    if !refused.is_unique_violation() {
        return Err(error);
    }
    // "UNIQUE constraint failed: rungs.tenant_id, rungs.case_id, …"
    let said = refused.message();
    let table = [
        "idempotency",
        "cases",
        "acts",
        "obligations",
        "rungs",
        "history",
        "notices",
        "documents",
        "personal",
    ]
    .into_iter()
    .find(|table| said.contains(&format!(" {table}.")));
    match table {
        Some("idempotency" | "documents") => Ok(Outcome::Conflict),
        table => {
            let cases: Vec<&str> = group.iter().map(|change| change.state.number.as_str()).collect();
            Err(bad(table.unwrap_or("any"), "key", &cases.join(", "), Wrong::StandsAlready))
        }
    }
}

async fn commit_batch(
    pool: &SqlitePool,
    tenant: &TenantId,
    groups: &[&[Change]],
) -> Result<Vec<Fate>, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let changes: Vec<&Change> = groups.iter().copied().flatten().collect();
    let winners = write_heads(&mut transaction, tenant, &changes).await?;
    let won = |change: &Change| winners.contains(&change.state.case.to_string());
    let fate = |group: &&[Change]| match group.iter().filter(|change| won(change)).count() {
        0 => Fate::Lost,
        all if all == group.len() => Fate::Won,
        _ => Fate::Torn,
    };
    let fates: Vec<Fate> = groups.iter().map(fate).collect();
    if fates.contains(&Fate::Torn) {
        transaction.rollback().await?;
        return Ok(fates);
    }
    let won: Vec<&Change> = changes.into_iter().filter(|change| won(change)).collect();
    if !won.is_empty() {
        write_rows(&mut transaction, tenant, &won).await?;
    }
    transaction.commit().await?;
    Ok(fates)
}

/// The row of a head.
fn head_row(change: &Change) -> Value {
    let mut row = head_columns(&change.state, &change.projection);
    row["expected"] = json!(change.expected_version);
    row["workflow"] = json!(change.workflow);
    row["last_hash"] = json!(change.last_hash);
    row["state"] = json!(serde_json::to_string(&change.state).unwrap_or_default());
    row
}

/// Writes the heads whose version is still the one decided on. Gives the cases that won.
pub(super) async fn write_heads(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    changes: &[&Change],
) -> Result<BTreeSet<String>, StoreError> {
    let rows = |opens: bool| {
        let rows = changes.iter().filter(|change| (change.expected_version == 0) == opens);
        rows.map(|change| head_row(change)).collect::<Vec<_>>()
    };
    let mut winners = BTreeSet::new();
    let opened = rows(true);
    if !opened.is_empty() {
        let won: Vec<String> = sqlx::query_scalar(
            "INSERT INTO cases (tenant_id, case_id, number, workflow, definition_hash, version, last_hash,
                opened_at, last_at, main_state, at_rest, owner_role, owner_unit, enterprise, area, sector,
                source, level, search, department, legal_due, legal_due_day, enterprise_breach, regulator_breach, paused, overdue_from,
                enterprise_overdue_from, regulator_overdue_from, provisional, unverified,
                wake_at, state)
             SELECT $1, value->>'case_id', value->>'number', value->>'workflow', value->>'definition_hash',
                value->>'version', value->>'last_hash', value->>'opened_at', value->>'last_at',
                value->>'main_state', value->>'at_rest', value->>'owner_role', value->>'owner_unit',
                value->>'enterprise', value->>'area', value->>'sector', value->>'source', value->>'level', value->>'search',
                value->>'department', value->>'legal_due', value->>'legal_due_day', value->>'enterprise_breach',
                value->>'regulator_breach', value->>'paused', value->>'overdue_from',
                value->>'enterprise_overdue_from', value->>'regulator_overdue_from', value->>'provisional',
                value->>'unverified', value->>'wake_at', value->>'state'
             FROM jsonb_each($2) WHERE true
             ON CONFLICT (tenant_id, case_id) DO NOTHING RETURNING case_id",
        )
        .bind(tenant.as_str())
        .bind(json!(opened).to_string())
        .fetch_all(&mut *connection)
        .await?;
        winners.extend(won);
    }
    let moved = rows(false);
    if !moved.is_empty() {
        // Materialized: otherwise the planner walks all cases of the tenant and reads the array for each.
        let won: Vec<String> = sqlx::query_scalar(
            "WITH new AS MATERIALIZED (
                SELECT value->>'case_id' AS case_id, value->>'expected' AS expected,
                    value->>'version' AS version, value->>'last_hash' AS last_hash,
                    value->>'last_at' AS last_at, value->>'main_state' AS main_state,
                    value->>'at_rest' AS at_rest, value->>'owner_role' AS owner_role,
                    value->>'owner_unit' AS owner_unit,
                    value->>'enterprise' AS enterprise, value->>'area' AS area, value->>'sector' AS sector,
                    value->>'source' AS source, value->>'level' AS level, value->>'search' AS search,
                    value->>'legal_due' AS legal_due, value->>'legal_due_day' AS legal_due_day,
                    value->>'enterprise_breach' AS enterprise_breach,
                    value->>'regulator_breach' AS regulator_breach, value->>'department' AS department,
                    value->>'paused' AS paused, value->>'overdue_from' AS overdue_from,
                    value->>'enterprise_overdue_from' AS enterprise_overdue_from,
                    value->>'regulator_overdue_from' AS regulator_overdue_from,
                    value->>'provisional' AS provisional, value->>'unverified' AS unverified,
                    value->>'wake_at' AS wake_at,
                    value->>'state' AS state
                FROM jsonb_each($2))
             UPDATE cases SET version = new.version, last_hash = new.last_hash, last_at = new.last_at,
                main_state = new.main_state, at_rest = new.at_rest, owner_role = new.owner_role,
                owner_unit = new.owner_unit,
                enterprise = new.enterprise, area = new.area, sector = new.sector, source = new.source,
                level = new.level, search = new.search, legal_due = new.legal_due,
                legal_due_day = new.legal_due_day,
                enterprise_breach = new.enterprise_breach, regulator_breach = new.regulator_breach,
                department = new.department, paused = new.paused, overdue_from = new.overdue_from,
                enterprise_overdue_from = new.enterprise_overdue_from,
                regulator_overdue_from = new.regulator_overdue_from, provisional = new.provisional,
                unverified = new.unverified, wake_at = new.wake_at, state = new.state
             FROM new
             WHERE cases.tenant_id = $1 AND cases.case_id = new.case_id AND cases.version = new.expected
             RETURNING cases.case_id",
        )
        .bind(tenant.as_str())
        .bind(json!(moved).to_string())
        .fetch_all(&mut *connection)
        .await?;
        winners.extend(won);
    }
    Ok(winners)
}

/// Everything that goes with the heads that won: one statement per table.
async fn write_rows(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let acts: Vec<Value> = won.iter().flat_map(|change| &change.acts).map(|act| json!(act)).collect();
    insert(
        connection,
        tenant,
        &acts,
        "INSERT INTO acts (tenant_id, case_id, version, at, name, person_id, algorithm, body, hash)
         SELECT $1, value->>'case_id', value->>'version', value->>'at', value->>'name', value->>'person_id',
            value->>'algorithm', value->>'body', value->>'hash' FROM jsonb_each($2)",
    )
    .await?;
    clear(connection, tenant, "obligations", won).await?;
    close_history(connection, tenant, won).await?;
    write_derived(connection, tenant, won).await?;
    write_notices(connection, tenant, won).await?;
    write_keys(connection, tenant, won).await?;
    write_documents(connection, tenant, won).await?;
    write_personal(connection, tenant, won).await
}

async fn write_notices(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let notices: Vec<Value> = won
        .iter()
        .flat_map(|change| change.notices.iter().map(|notice| with_case(change, json!(notice))))
        .collect();
    insert(
        connection,
        tenant,
        &notices,
        "INSERT INTO notices (tenant_id, notice_id, case_id, act_version, recipient, measure, template,
            unreached, ladder, rung, deadline_no, created_at)
         SELECT $1, value->>'notice_id', value->>'case_id', value->>'act_version', value->>'recipient',
            value->>'measure', value->>'template', value->>'unreached', value->>'ladder', value->>'rung',
            value->>'deadline_no', value->>'created_at' FROM jsonb_each($2)",
    )
    .await
}

async fn write_keys(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let keys: Vec<Value> = won.iter().filter_map(|change| key_row(change)).collect();
    insert(
        connection,
        tenant,
        &keys,
        "INSERT INTO idempotency (tenant_id, key, fingerprint, case_id, version)
         SELECT $1, value->>'key', value->>'fingerprint', value->>'case_id', value->>'version'
         FROM jsonb_each($2)",
    )
    .await
}

async fn write_documents(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let documents: Vec<Value> = won
        .iter()
        .flat_map(|change| change.documents.iter().map(|document| with_case(change, json!(document))))
        .collect();
    insert(
        connection,
        tenant,
        &documents,
        "INSERT INTO documents (tenant_id, year, code, no, part, case_id, act_version)
         SELECT $1, value->>'year', value->>'code', value->>'no', value->>'part', value->>'case_id',
            value->>'act_version' FROM jsonb_each($2)",
    )
    .await
}

async fn write_personal(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let personal: Vec<Value> = won.iter().flat_map(|change| personal_rows(change)).collect();
    insert(
        connection,
        tenant,
        &personal,
        "INSERT INTO personal (tenant_id, case_id, version, field, salt, value)
         SELECT $1, value->>'case_id', value->>'version', value->>'field', value->>'salt', value->>'value'
         FROM jsonb_each($2)",
    )
    .await
}

/// Rows that follow from the acts.
pub(super) async fn write_derived(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let owed = |change: &Change| -> Vec<Value> {
        change.projection.obligations.iter().map(|owed| obligation_row(change.state.case, owed)).collect()
    };
    let obligations: Vec<Value> = won.iter().flat_map(|change| owed(change)).collect();
    let history = won.iter().flat_map(|change| change.history.iter().map(|row| row.row(change.state.case)));
    let history: Vec<Value> = history.collect();
    insert(
        connection,
        tenant,
        &obligations,
        "INSERT INTO obligations (tenant_id, case_id, deadline_no, name, subject, owner_role, owner_unit,
            due_day, due, breached, paused)
         SELECT $1, value->>'case_id', value->>'deadline_no', value->>'name', value->>'subject',
            value->>'owner_role', value->>'owner_unit', value->>'due_day', value->>'due', value->>'breached',
            value->>'paused' FROM jsonb_each($2)",
    )
    .await?;
    write_rungs(connection, tenant, won).await?;
    insert(
        connection,
        tenant,
        &history,
        "INSERT INTO history (tenant_id, case_id, version, from_at, to_at, stage, outcome, department,
            dispatched_at, legal_breach_at, met_in_time, enterprise_overdue_from, enterprise_role,
            enterprise_unit, regulator_overdue_from, regulator_role, regulator_unit, late_extensions, supplementary)
         SELECT $1, value->>'case_id', value->>'version', value->>'from_at', value->>'to_at',
            value->>'stage', value->>'outcome', value->>'department', value->>'dispatched_at',
            value->>'legal_breach_at', value->>'met_in_time', value->>'enterprise_overdue_from',
            value->>'enterprise_role', value->>'enterprise_unit', value->>'regulator_overdue_from',
            value->>'regulator_role', value->>'regulator_unit',
            value->>'late_extensions', value->>'supplementary' FROM jsonb_each($2)",
    )
    .await
}

async fn write_rungs(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let rungs = won.iter().flat_map(|change| change.rungs.iter().map(|rung| with_case(change, json!(rung))));
    let rungs: Vec<Value> = rungs.collect();
    insert(
        connection,
        tenant,
        &rungs,
        "INSERT INTO rungs (tenant_id, case_id, deadline_no, revision, ladder, rung, repeat, act_version,
            result, measure, due_at, recorded_at)
         SELECT $1, value->>'case_id', value->>'deadline_no', value->>'revision', value->>'ladder',
            value->>'rung', value->>'repeat', value->>'act_version', value->>'result', value->>'measure',
            value->>'due_at', value->>'recorded_at' FROM jsonb_each($2)",
    )
    .await
}

/// Ends what held of a case until now, where something else holds from this change on.
async fn close_history(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    won: &[&Change],
) -> Result<(), StoreError> {
    let ends = won.iter().filter(|change| change.expected_version > 0);
    let ends = ends.filter_map(|change| Some((change, change.history.first()?)));
    let ends: Vec<Value> =
        ends.map(|(change, row)| json!({ "case_id": change.state.case, "at": row.from.micros() })).collect();
    if ends.is_empty() {
        return Ok(());
    }
    // By IN, not by a join: the planner would walk the history of all cases.
    let statement = "WITH ended AS MATERIALIZED (
            SELECT value->>'case_id' AS case_id, value->>'at' AS at FROM jsonb_each($2))
        UPDATE history SET to_at = (SELECT at FROM ended WHERE ended.case_id = history.case_id)
        WHERE tenant_id = $1 AND case_id IN (SELECT case_id FROM ended) AND to_at IS NULL";
    let done = sqlx::query(statement)
        .bind(tenant.as_str())
        .bind(json!(ends).to_string())
        .execute(connection)
        .await?;
    match done.rows_affected() {
        actual if actual == ends.len() as u64 => Ok(()),
        actual => Err(StoreError::RowsAffected { statement, expected: ends.len() as u64, actual }),
    }
}

/// Removes the rows of some cases from a table.
pub(super) async fn clear(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    table: &'static str,
    won: &[&Change],
) -> Result<(), StoreError> {
    let cases: Vec<String> = won.iter().map(|change| change.state.case.to_string()).collect();
    let statement =
        format!("DELETE FROM {table} WHERE tenant_id = $1 AND case_id IN (SELECT value FROM json_each($2))");
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(json!(cases).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Inserts rows and checks that every one of them arrived.
async fn insert(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    rows: &[Value],
    statement: &'static str,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(statement)
        .bind(tenant.as_str())
        .bind(json!(rows).to_string())
        .execute(connection)
        .await?;
    let expected = rows.len() as u64;
    if done.rows_affected() == expected {
        Ok(())
    } else {
        Err(StoreError::RowsAffected { statement, expected, actual: done.rows_affected() })
    }
}

pub(super) fn with_case(change: &Change, mut row: Value) -> Value {
    row["case_id"] = json!(change.state.case);
    row
}

fn key_row(change: &Change) -> Option<Value> {
    let (key, fingerprint) = change.key.as_ref()?;
    Some(json!({
        "key": key,
        "fingerprint": fingerprint,
        "case_id": change.state.case,
        "version": change.state.version,
    }))
}

fn personal_rows(change: &Change) -> Vec<Value> {
    let rows = change.personal.iter().map(|personal| {
        json!({
            "case_id": change.state.case,
            "version": personal.version,
            "field": personal.field,
            "salt": hex(&personal.salt),
            "value": personal.value,
        })
    });
    rows.collect()
}

pub(super) async fn refuse(
    pool: &SqlitePool,
    tenant: &TenantId,
    rows: &[RefusalRow],
) -> Result<(), StoreError> {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "at": row.at.micros(),
                "case_id": row.case,
                "person_id": row.person,
                "act": row.act,
                "code": row.code,
                "detail": row.detail,
            })
        })
        .collect();
    let mut connection = pool.acquire().await?;
    insert(
        &mut connection,
        tenant,
        &rows,
        "INSERT INTO refusals (tenant_id, refusal_no, at, case_id, person_id, act, code, detail)
         SELECT $1, (SELECT coalesce(max(refusal_no), 0) FROM refusals WHERE tenant_id = $1) + 1 + key,
            value->>'at', value->>'case_id', value->>'person_id', value->>'act', value->>'code',
            value->>'detail' FROM jsonb_each($2)",
    )
    .await
}

/// One digest per recipient and day; what comes later waits for the next day's.
pub(super) async fn deliver(
    pool: &SqlitePool,
    tenant: &TenantId,
    now: Instant,
    day: &str,
    aside: &[Vec<u8>],
) -> Result<u64, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    // Asked under the lock: another worker may be in the middle of the morning's cases.
    let sweeping: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM cases WHERE tenant_id = $1 AND wake_at <= $2
            AND lower(hex(case_id)) NOT IN (SELECT value FROM json_each($3)))",
    )
    .bind(tenant.as_str())
    .bind(now.micros())
    .bind(hex_list(aside))
    .fetch_one(&mut *transaction)
    .await?;
    if sweeping {
        return Ok(0);
    }
    let made: Vec<(String, i64)> = sqlx::query_as(
        "INSERT INTO deliveries (tenant_id, delivery_id, recipient, day, delivered_at, notices)
         SELECT tenant_id, recipient || '@' || $2, recipient, $2, $3, count(*)
         FROM notices WHERE tenant_id = $1 AND delivery_id IS NULL GROUP BY recipient
         ON CONFLICT (tenant_id, recipient, day) DO NOTHING RETURNING recipient, notices",
    )
    .bind(tenant.as_str())
    .bind(day)
    .bind(now.micros())
    .fetch_all(&mut *transaction)
    .await?;
    // Only the recipients whose digest was made just now: its count must be the rows it holds.
    if !made.is_empty() {
        let recipients: Vec<&String> = made.iter().map(|(recipient, _)| recipient).collect();
        let statement = "UPDATE notices SET delivery_id = recipient || '@' || $2
             WHERE tenant_id = $1 AND delivery_id IS NULL AND recipient IN (SELECT value FROM json_each($3))";
        let done = sqlx::query(statement)
            .bind(tenant.as_str())
            .bind(day)
            .bind(json!(recipients).to_string())
            .execute(&mut *transaction)
            .await?;
        let expected: u64 = made.iter().map(|(_, notices)| notices.unsigned_abs()).sum();
        if done.rows_affected() != expected {
            return Err(StoreError::RowsAffected { statement, expected, actual: done.rows_affected() });
        }
    }
    transaction.commit().await?;
    Ok(made.len() as u64)
}
