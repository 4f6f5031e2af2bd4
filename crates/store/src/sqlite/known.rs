//! Heads and keys of many callers: one statement each.

use std::collections::HashMap;

use machine::value::TenantId;
use sqlx::Row as _;

use super::query::{head, used};
use super::{Connection, Own, Row, list};
use crate::{Damage, Head, Known, Read, Seen, Store, StoreError, Used};

pub(super) async fn known(store: &Own, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError> {
    let mut connection = store.read.acquire().await?;
    let heads = heads(&mut connection, tenant, wanted).await?;
    let used = uses(&mut connection, tenant, wanted).await?;
    let (organisation, calendars): (Option<i64>, Option<i64>) =
        sqlx::query_as(VERSIONS).bind(tenant.as_str()).fetch_one(&mut *connection).await?;
    drop(connection);
    let known = wanted.iter().map(|read| Known {
        head: heads.get(&read.case.to_string()).cloned().transpose(),
        used: read.key.as_ref().and_then(|key| used.get(key)).cloned().transpose(),
    });
    Ok(Seen {
        known: known.collect(),
        now: store.clock().await?,
        organisation: organisation.unwrap_or(0).unsigned_abs(),
        calendars: calendars.unwrap_or(0).unsigned_abs(),
    })
}

const VERSIONS: &str = "SELECT (SELECT organisation_version FROM tenants WHERE tenant_id = $1),
    (SELECT max(sequence) FROM calendars WHERE tenant_id = $1)";

async fn heads(
    connection: &mut Connection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<HashMap<String, Result<Head, Damage>>, StoreError> {
    let ids: Vec<String> = wanted.iter().map(|read| read.case.to_string()).collect();
    let rows = sqlx::query(concat!(
        "SELECT case_id, number, state, last_hash, (SELECT hash FROM acts a WHERE a.tenant_id = c.tenant_id
            AND a.case_id = c.case_id AND a.version = c.version) AS act_hash
         FROM cases c WHERE tenant_id = $1 AND case_id ",
        one_of!("$2")
    ))
    .bind(tenant.as_str())
    .bind(list(&ids))
    .fetch_all(connection)
    .await?;
    let row = |row: Row| {
        let id: String = row.try_get("case_id")?;
        Ok((id.clone(), head(&id, &row)))
    };
    rows.into_iter().map(row).collect()
}

async fn uses(
    connection: &mut Connection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<HashMap<String, Result<Used, Damage>>, StoreError> {
    let keys: Vec<&String> = wanted.iter().filter_map(|read| read.key.as_ref()).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(concat!(
        "SELECT key, fingerprint, case_id AS used_case_id, version AS used_version FROM idempotency
         WHERE tenant_id = $1 AND key ",
        one_of!("$2")
    ))
    .bind(tenant.as_str())
    .bind(list(&keys))
    .fetch_all(connection)
    .await?;
    let row = |row: Row| {
        let key: String = row.try_get("key")?;
        Ok((key.clone(), used(&key, &row)))
    };
    rows.into_iter().map(row).collect()
}
