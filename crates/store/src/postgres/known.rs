//! Time, heads and keys of many callers: one statement.
//!
//! LIMIT 1 keeps each part a lookup by its key, with one row at most. As one join the planner would be free to walk
//! a table, and it does where it still believes a table to be small.

use machine::value::TenantId;
use sqlx::Row as _;

use super::query::{head, used};
use super::{Own, Row};
use crate::{Clock, Head, Known, Read, Seen, StoreError, Used, instant};

macro_rules! known {
    ($time:expr) => {
        concat!(
            "SELECT c.case_id, c.number, c.state, c.last_hash,
                a.hash AS act_hash, i.key, i.fingerprint, i.case_id AS used_case_id, i.version AS used_version,
                ",
            $time,
            " AS now,
                (SELECT organisation_version FROM tenants WHERE tenant_id = $1) AS organisation,
                (SELECT max(sequence) FROM calendars WHERE tenant_id = $1) AS calendars
             FROM (VALUES (1)) AS once
             LEFT JOIN UNNEST($2, $3) WITH ORDINALITY AS w(case_id, key, place) ON TRUE
             LEFT JOIN LATERAL (SELECT * FROM cases
                WHERE tenant_id = $1 AND case_id = w.case_id LIMIT 1) c ON TRUE
             LEFT JOIN LATERAL (SELECT hash FROM acts
                WHERE tenant_id = $1 AND case_id = c.case_id AND version = c.version LIMIT 1) a ON TRUE
             LEFT JOIN LATERAL (SELECT * FROM idempotency
                WHERE tenant_id = $1 AND key = w.key LIMIT 1) i ON TRUE
             ORDER BY w.place"
        )
    };
}

pub(super) async fn known(store: &Own, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError> {
    let statement = match store.clock {
        Clock::Real => known!(server_time!()),
        Clock::Simulated => {
            known!("(SELECT CAST(value AS BIGINT) FROM store_settings WHERE tenant_id = '' AND name = 'now')")
        }
    };
    let cases: Vec<String> = wanted.iter().map(|read| read.case.to_string()).collect();
    let keys: Vec<Option<String>> = wanted.iter().map(|read| read.key.clone()).collect();
    let rows =
        sqlx::query(statement).bind(tenant.as_str()).bind(cases).bind(keys).fetch_all(&store.write).await?;
    // Who asks for nothing is told the time.
    let known =
        rows.iter().take(wanted.len()).map(|row| Ok(Known { head: some_head(row)?, used: some_use(row)? }));
    let known = known.collect::<Result<_, StoreError>>()?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let number =
        |column| Ok::<_, StoreError>(first.try_get::<Option<i64>, _>(column)?.unwrap_or(0).unsigned_abs());
    let (organisation, calendars) = (number("organisation")?, number("calendars")?);
    Ok(Seen { now: instant(first.try_get("now")?)?, organisation, calendars, known })
}

fn some_head(row: &Row) -> Result<Result<Option<Head>, crate::Damage>, StoreError> {
    let id: Option<String> = row.try_get("case_id")?;
    Ok(id.map(|id| head(&id, row)).transpose())
}

fn some_use(row: &Row) -> Result<Result<Option<Used>, crate::Damage>, StoreError> {
    let key: Option<String> = row.try_get("key")?;
    Ok(key.map(|key| used(&key, row)).transpose())
}
