//! Rows exactly as stored, for `verify`: whatever was done to them, they can be read.

use std::collections::HashMap;

use machine::value::TenantId;
use serde::Deserialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use super::row::{bytes, object, some_bytes, text};
use super::{Connection, Pool, Row, begin_snapshot, list, stored, stored_ids};
use crate::{Astray, RawAct, RawCase, StoreError};

pub(super) async fn case_ids(
    connection: &mut Connection,
    tenant: &TenantId,
    after: &[u8],
    limit: u32,
) -> Result<Vec<Vec<u8>>, StoreError> {
    // Each on its own no further than the page: over all tables at once nothing would stop early.
    let of = |table: &str| {
        format!(
            "SELECT case_id FROM (SELECT DISTINCT case_id FROM {table} WHERE tenant_id = $1 AND case_id > {}
             ORDER BY case_id LIMIT $3) AS of_{table}",
            stored!("$2")
        )
    };
    let tables =
        ["cases", "texts", "acts", "obligations", "rungs", "notices", "history", "documents", "personal"];
    let statement =
        format!("SELECT case_id FROM ({}) AS ids ORDER BY case_id LIMIT $3", tables.map(of).join(" UNION "));
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(tenant.as_str())
        .bind(stored(after.to_vec()))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| bytes(row, 0)).collect()
}

/// Keys whose act does not name them, digests that do not hold what they say, and document numbers that do
/// not follow the one before or whose parts are not all there.
pub(super) async fn astray(pool: &Pool, tenant: &TenantId) -> Result<Vec<Astray>, StoreError> {
    let mut snapshot = begin_snapshot(pool).await?;
    let mut astray = keys_astray(&mut snapshot, tenant).await?;
    for (table, statement) in [("deliveries", DELIVERIES_ASTRAY), ("documents", DOCUMENTS_ASTRAY)] {
        for row in sqlx::query(statement).bind(tenant.as_str()).fetch_all(&mut *snapshot).await? {
            astray.push(Astray { table, row: text(&row, 0)?, case: String::new(), version: 0 });
        }
    }
    snapshot.commit().await?;
    Ok(astray)
}

/// Keys looked at in one statement.
const KEYS_PAGE: i64 = 500;

const KEYS_OF_ACTS: &str = concat!(
    "SELECT i.key, i.case_id, i.version, a.body
     FROM idempotency i LEFT JOIN acts a
        ON a.tenant_id = i.tenant_id AND a.case_id = i.case_id AND a.version = i.version
     WHERE i.tenant_id = $1 AND i.key > ",
    stored!("$2"),
    " ORDER BY i.key LIMIT $3"
);

async fn keys_astray(snapshot: &mut Connection, tenant: &TenantId) -> Result<Vec<Astray>, StoreError> {
    let (mut astray, mut after) = (Vec::new(), Vec::new());
    loop {
        let rows = sqlx::query(KEYS_OF_ACTS)
            .bind(tenant.as_str())
            .bind(stored(after.clone()))
            .bind(KEYS_PAGE)
            .fetch_all(&mut *snapshot)
            .await?;
        let Some(last) = rows.last() else { return Ok(astray) };
        after = bytes(last, 0)?;
        for row in rows {
            let named = some_bytes(&row, 3)?.and_then(|body| key_of(&body));
            if named.map(String::into_bytes) != Some(bytes(&row, 0)?) {
                let (key, case) = (text(&row, 0)?, text(&row, 1)?);
                astray.push(Astray { table: "idempotency", row: key, case, version: row.try_get(2)? });
            }
        }
    }
}

/// The key an act names.
fn key_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        key: Option<String>,
    }
    serde_json::from_slice::<Named>(body).ok()?.key
}

const DELIVERIES_ASTRAY: &str = "SELECT coalesce(d.delivery_id, n.delivery_id)
    FROM (SELECT * FROM deliveries WHERE tenant_id = $1) d
    FULL JOIN (SELECT delivery_id, recipient, count(*) AS held, max(created_at) AS newest FROM notices
            WHERE tenant_id = $1 AND delivery_id IS NOT NULL GROUP BY delivery_id, recipient) n
        ON n.delivery_id = d.delivery_id AND n.recipient = d.recipient
    WHERE d.notices IS DISTINCT FROM n.held OR d.delivery_id IS DISTINCT FROM d.recipient || '@' || d.day
        OR d.delivered_at < n.newest";

const DOCUMENTS_ASTRAY: &str = "SELECT code || '〔' || year || '〕' || no || '号'
    FROM (SELECT code, year, no, count(*) AS held, max(part) AS last,
            lag(no) OVER (PARTITION BY code, year ORDER BY no) AS before
        FROM documents WHERE tenant_id = $1 GROUP BY code, year, no) AS numbers
    WHERE held <> last + 1 OR before <> no - 1";

/// The next cases: one statement per table, all of one moment, or a case somebody writes to meanwhile would
/// not agree with itself.
pub(super) async fn cases(
    pool: &Pool,
    tenant: &TenantId,
    after: &[u8],
    limit: u32,
) -> Result<Vec<RawCase>, StoreError> {
    let mut snapshot = begin_snapshot(pool).await?;
    let ids = case_ids(&mut snapshot, tenant, after, limit).await?;
    let cases = ids.iter().map(|id| RawCase { case_id: id.clone(), ..RawCase::default() });
    let mut cases: Vec<RawCase> = cases.collect();
    let places: HashMap<Vec<u8>, usize> = ids.iter().cloned().zip(0..).collect();
    for (statement, take) in TABLES {
        let rows = sqlx::query(statement).bind(tenant.as_str()).bind(stored_ids(&ids));
        for row in rows.fetch_all(&mut *snapshot).await? {
            let place = places.get(&bytes(&row, "case_id")?);
            if let Some(case) = place.and_then(|place| cases.get_mut(*place)) {
                take(case, &row)?;
            }
        }
    }
    // Looked up by the keys the acts name: of a key nobody names, the walk over all keys tells.
    let named = cases.iter().flat_map(|case| &case.acts).filter_map(|act| key_of(&act.body));
    let named: Vec<String> = named.collect();
    let rows = sqlx::query(KEYS).bind(tenant.as_str()).bind(list(&named)).fetch_all(&mut *snapshot).await?;
    for row in rows {
        let place = places.get(&bytes(&row, "case_id")?);
        if let Some(case) = place.and_then(|place| cases.get_mut(*place)) {
            case.keys.push(object(&row)?);
        }
    }
    snapshot.commit().await?;
    Ok(cases)
}

type Take = fn(&mut RawCase, &Row) -> Result<(), StoreError>;

/// What is read of a case, and where it goes.
const TABLES: [(&str, Take); 9] = [
    (HEADS, |case, row| put(&mut case.head, object(row)?)),
    (ACTS, |case, row| push(&mut case.acts, act(row)?)),
    (TEXTS, |case, row| push(&mut case.texts, object(row)?)),
    (OBLIGATIONS, |case, row| push(&mut case.obligations, object(row)?)),
    (RUNGS, |case, row| push(&mut case.rungs, object(row)?)),
    (NOTICES, |case, row| push(&mut case.notices, object(row)?)),
    (HISTORY, |case, row| push(&mut case.history, object(row)?)),
    (DOCUMENTS, |case, row| push(&mut case.documents, object(row)?)),
    (PERSONAL, |case, row| push(&mut case.personal, object(row)?)),
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
            " WHERE tenant_id = $1 AND case_id ",
            one_of_stored!("$2"),
            " ORDER BY ",
            $order
        )
    };
}

const HEADS: &str = of_cases!("*", "cases", "case_id");
const ACTS: &str =
    of_cases!("case_id, version, at, name, person_id, algorithm, body, hash", "acts", "case_id, version");
const TEXTS: &str = of_cases!("case_id, text, grams", "texts", "case_id");
const OBLIGATIONS: &str = of_cases!("*", "obligations", "case_id, deadline_no");
const RUNGS: &str = of_cases!("*", "rungs", "case_id, act_version, deadline_no, ladder, rung, repeat");
const NOTICES: &str = of_cases!("*", "notices", "case_id, act_version, recipient");
const HISTORY: &str = of_cases!("*", "history", "case_id, version");
const DOCUMENTS: &str = of_cases!("*", "documents", "case_id, act_version");
const PERSONAL: &str = of_cases!("*", "personal", "case_id, version, field");
const KEYS: &str = concat!(
    "SELECT key, case_id, version FROM idempotency WHERE tenant_id = $1 AND key ",
    one_of!("$2"),
    " ORDER BY key"
);

fn act(row: &Row) -> Result<RawAct, StoreError> {
    Ok(RawAct {
        version: row.try_get("version")?,
        at: row.try_get("at")?,
        name: bytes(row, "name")?,
        person_id: some_bytes(row, "person_id")?,
        algorithm: bytes(row, "algorithm")?,
        body: bytes(row, "body")?,
        hash: bytes(row, "hash")?,
    })
}
