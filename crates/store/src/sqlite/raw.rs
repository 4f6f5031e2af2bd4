//! Rows exactly as stored, for `verify`: whatever was done to them, they can be read.

use std::collections::HashMap;

use machine::act::hex;
use machine::value::TenantId;
use serde_json::{Map, Value, json};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Row, Sqlite, SqliteConnection, Transaction, TypeInfo, ValueRef};

use crate::{Astray, RawAct, RawCase, StoreError};

pub(super) async fn case_ids(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let of = |table: &str| {
        format!("SELECT case_id FROM {table} WHERE tenant_id = $1 AND case_id > CAST($2 AS TEXT)")
    };
    let tables = ["cases", "acts", "obligations", "rungs", "notices", "history", "documents", "personal"];
    let statement = format!(
        "SELECT CAST(case_id AS BLOB) FROM ({} ORDER BY case_id LIMIT $3)",
        tables.map(of).join(" UNION ")
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?)
}

/// Keys whose act does not name them, digests that do not hold what they say, and document numbers that do
/// not follow the one before or whose parts are not all there.
pub(super) async fn astray(pool: &SqlitePool, tenant: &TenantId) -> Result<Vec<Astray>, StoreError> {
    let mut astray = Vec::new();
    let tables =
        [("idempotency", KEYS_ASTRAY), ("deliveries", DELIVERIES_ASTRAY), ("documents", DOCUMENTS_ASTRAY)];
    let mut snapshot = snapshot(pool).await?;
    for (table, statement) in tables {
        for row in sqlx::query(statement).bind(tenant.as_str()).fetch_all(&mut *snapshot).await? {
            let text =
                |index| Ok::<_, sqlx::Error>(String::from_utf8_lossy(row.try_get(index)?).into_owned());
            astray.push(Astray { table, row: text(0)?, case: text(1)?, version: row.try_get(2)? });
        }
    }
    snapshot.commit().await?;
    Ok(astray)
}

/// What is read in it is of one moment. Nothing is written in it, so there is no lock it could fail to get.
pub(super) async fn snapshot(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, StoreError> {
    Ok(pool.begin_with("BEGIN DEFERRED").await?)
}

const KEYS_ASTRAY: &str = "SELECT CAST(i.key AS BLOB), CAST(i.case_id AS BLOB), i.version
    FROM idempotency i LEFT JOIN acts a
        ON a.tenant_id = i.tenant_id AND a.case_id = i.case_id AND a.version = i.version
    WHERE i.tenant_id = $1 AND CASE WHEN json_valid(a.body) THEN a.body->>'$.key' END IS NOT i.key";

const DELIVERIES_ASTRAY: &str = "SELECT CAST(coalesce(d.delivery_id, n.delivery_id) AS BLOB), x'', 0
    FROM (SELECT * FROM deliveries WHERE tenant_id = $1) d
    FULL JOIN (SELECT delivery_id, recipient, count(*) AS held, max(created_at) AS newest FROM notices
            WHERE tenant_id = $1 AND delivery_id IS NOT NULL GROUP BY delivery_id, recipient) n
        ON n.delivery_id = d.delivery_id AND n.recipient = d.recipient
    WHERE d.notices IS NOT n.held OR d.delivery_id IS NOT d.recipient || '@' || d.day
        OR d.delivered_at < n.newest";

const DOCUMENTS_ASTRAY: &str = "SELECT CAST(code || '〔' || year || '〕' || no || '号' AS BLOB), x'', 0
    FROM (SELECT code, year, no, count(*) AS held, max(part) AS last,
            lag(no) OVER (PARTITION BY code, year ORDER BY no) AS before
        FROM documents WHERE tenant_id = $1 GROUP BY code, year, no)
    WHERE held <> last + 1 OR before <> no - 1";

/// The next cases: one statement per table, all of one moment, or a case somebody writes to meanwhile would
/// not agree with itself.
pub(super) async fn cases(
    pool: &SqlitePool,
    tenant: &TenantId,
    after: &[u8],
    limit: u32,
) -> Result<Vec<RawCase>, StoreError> {
    let mut snapshot = snapshot(pool).await?;
    let ids = case_ids(&mut snapshot, tenant, after, limit).await?;
    let cases = ids.iter().map(|id| RawCase { case_id: id.clone(), ..RawCase::default() });
    let mut cases: Vec<RawCase> = cases.collect();
    let places: HashMap<&[u8], usize> = ids.iter().map(Vec::as_slice).zip(0..).collect();
    // Ids travel as hex: JSON could not carry one that is no text.
    let wanted = json!(ids.iter().map(|id| hex(id)).collect::<Vec<_>>()).to_string();
    for (statement, take) in TABLES {
        let rows = sqlx::query(statement).bind(tenant.as_str()).bind(&wanted);
        for row in rows.fetch_all(&mut *snapshot).await? {
            let place = places.get(row.try_get::<&[u8], _>("case_id")?);
            if let Some(case) = place.and_then(|place| cases.get_mut(*place)) {
                take(case, &row)?;
            }
        }
    }
    snapshot.commit().await?;
    Ok(cases)
}

type Take = fn(&mut RawCase, &SqliteRow) -> Result<(), StoreError>;

/// What is read of a case, and where it goes.
const TABLES: [(&str, Take); 9] = [
    (HEADS, |case, row| put(&mut case.head, object(row)?)),
    (ACTS, |case, row| push(&mut case.acts, act(row)?)),
    (OBLIGATIONS, |case, row| push(&mut case.obligations, object(row)?)),
    (RUNGS, |case, row| push(&mut case.rungs, object(row)?)),
    (NOTICES, |case, row| push(&mut case.notices, object(row)?)),
    (HISTORY, |case, row| push(&mut case.history, object(row)?)),
    (DOCUMENTS, |case, row| push(&mut case.documents, object(row)?)),
    (PERSONAL, |case, row| push(&mut case.personal, object(row)?)),
    (KEYS, |case, row| push(&mut case.keys, object(row)?)),
];

fn put(place: &mut Option<Value>, row: Value) -> Result<(), StoreError> {
    *place = Some(row);
    Ok(())
}

fn push<T>(rows: &mut Vec<T>, row: T) -> Result<(), StoreError> {
    rows.push(row);
    Ok(())
}

macro_rules! of_cases {
    ($columns:literal, $table:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $table,
            " WHERE tenant_id = $1 AND case_id IN (SELECT CAST(unhex(value) AS TEXT) FROM json_each($2)) ORDER BY ",
            $order
        )
    };
}

const HEADS: &str = of_cases!("*", "cases", "case_id");
const ACTS: &str =
    of_cases!("case_id, version, at, name, person_id, algorithm, body, hash", "acts", "case_id, version");
const OBLIGATIONS: &str = of_cases!("*", "obligations", "case_id, deadline_no");
const RUNGS: &str = of_cases!("*", "rungs", "case_id, act_version, rowid");
const NOTICES: &str = of_cases!("*", "notices", "case_id, act_version, recipient");
const HISTORY: &str = of_cases!("*", "history", "case_id, version");
const DOCUMENTS: &str = of_cases!("*", "documents", "case_id, act_version");
const PERSONAL: &str = of_cases!("*", "personal", "case_id, version, field");
/// Looked up by the keys the acts name: of a key nobody names, the walk over all keys tells.
const KEYS: &str = "SELECT key, CAST(case_id AS BLOB) AS case_id, version FROM idempotency
    WHERE tenant_id = $1 AND key IN (SELECT CASE WHEN json_valid(body) THEN body->>'$.key' END FROM acts
        WHERE tenant_id = $1 AND case_id IN (SELECT CAST(unhex(value) AS TEXT) FROM json_each($2)))";

fn act(row: &SqliteRow) -> Result<RawAct, StoreError> {
    Ok(RawAct {
        version: row.try_get("version")?,
        at: row.try_get("at")?,
        name: row.try_get("name")?,
        person_id: row.try_get("person_id")?,
        algorithm: row.try_get("algorithm")?,
        body: row.try_get("body")?,
        hash: row.try_get("hash")?,
    })
}

/// A row as a JSON object of its columns.
fn object(row: &SqliteRow) -> Result<Value, StoreError> {
    let columns = row.columns().iter().map(|column| {
        let index = column.ordinal();
        let value = row.try_get_raw(index)?;
        let value = match (value.is_null(), value.type_info().name()) {
            (true, _) => Value::Null,
            (false, "INTEGER") => json!(row.try_get::<i64, _>(index)?),
            (false, _) => json!(String::from_utf8_lossy(row.try_get(index)?)),
        };
        Ok((column.name().to_owned(), value))
    });
    Ok(Value::Object(columns.collect::<Result<Map<_, _>, StoreError>>()?))
}
