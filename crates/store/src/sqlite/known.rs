//! Heads and keys of many callers, and what they are decided by: one statement, since the end of each wakes who waits.

use machine::value::TenantId;
use serde_json::json;
use sqlx::Row as _;

use super::Own;
use super::query::seen;
use crate::{Read, Seen, Store, StoreError};

/// An outer join is walked in the order it is written in.
const KNOWN: &str = "SELECT c.case_id, c.number, c.state, c.last_hash,
        (SELECT hash FROM acts a WHERE a.tenant_id = c.tenant_id AND a.case_id = c.case_id
            AND a.version = c.version) AS act_hash,
        i.key, i.fingerprint, i.case_id AS used_case_id, i.version AS used_version, w.key AS place,
        (SELECT organisation_version FROM tenants WHERE tenant_id = $1) AS organisation,
        (SELECT max(sequence) FROM calendars WHERE tenant_id = $1) AS calendars
     FROM (SELECT 1) LEFT JOIN jsonb_each($2) w
        LEFT JOIN cases c ON c.tenant_id = $1 AND c.case_id = w.value->>0
        LEFT JOIN idempotency i ON i.tenant_id = $1 AND i.key = w.value->>1";

pub(super) async fn known(store: &Own, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError> {
    let asked: Vec<_> = wanted.iter().map(|read| (read.case.to_string(), read.key.as_ref())).collect();
    let query = sqlx::query(KNOWN).bind(tenant.as_str()).bind(json!(asked).to_string());
    // Whoever writes has what is asked for in memory; the others lose it with every commit.
    let mut rows = match store.write.idle() {
        Some(mut turn) => {
            let rows = query.fetch_all(&mut **turn.connection()).await?;
            turn.done();
            rows
        }
        None => query.fetch_all(&store.read).await?,
    };
    rows.sort_by_key(|row| row.try_get::<i64, _>("place").ok());
    seen(&rows, wanted.len(), store.clock().await?)
}
