//! Time, heads and keys of many callers: one statement.
//!
//! LIMIT 1 keeps each part a lookup by its key, with one row at most. As one join the planner would be free to walk
//! a table, and it does where it still believes a table to be small.

use machine::value::TenantId;
use sqlx::Row as _;

use super::{Own, Row};
use crate::known::{self, Columns};
use crate::{Clock, Read, Seen, StoreError, Wrong, instant};

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
    // Whoever asks for nothing is told the time and the versions too.
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let number = |column| Ok::<_, StoreError>(first.try_get::<Option<i64>, _>(column)?.unwrap_or(0));
    Ok(Seen {
        known: rows.iter().take(wanted.len()).map(known::known).collect(),
        now: instant(number("now")?)?,
        organisation: number("organisation")?.unsigned_abs(),
        calendars: number("calendars")?.unsigned_abs(),
    })
}

impl Columns for Row {
    fn text(&self, column: &'static str) -> Result<Option<&str>, Wrong> {
        self.try_get(column).map_err(Wrong::unreadable)
    }

    fn int(&self, column: &'static str) -> Result<Option<i64>, Wrong> {
        self.try_get(column).map_err(Wrong::unreadable)
    }
}
