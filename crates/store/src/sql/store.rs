//! The trait, on the pools of a database.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use machine::Instant;
use machine::value::{CaseId, Name, PersonId, TenantId};
use serde_json::Value;
use tokio::sync::watch;

use super::row::{count, text, whole_text};
use super::{
    BATCHES_MAX, Own, Row, Wanted, asked, begin_write, catalog, commit, copy, known, list, lists, outbox,
    query, raw, rebuild, wanted, write,
};
use crate::table::Table;
use crate::{
    ActRow, Astray, CalendarRow, Change, Clock, ClosedRow, DefinitionRow, DigestRow, DocumentFilter, DueCase,
    Filter, LedgerRow, NEAR, Outcome, OwedFilter, OwedRow, RawCase, Read, RefusalRow, Roundup, Seen,
    Standing, Store, StoreError, Unfit, Waking, Wrong, bad, case_id, instant,
};

/// Runs a write in a task of its own: a caller that hangs up in the middle of it cancels nothing, and leaves no
/// connection inside a transaction.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work).await.unwrap_or_else(|broken| Err(StoreError::Shared(broken.to_string())))
}

impl Own {
    /// The same, of a write that is no batch, with the pool that writes.
    async fn write<T: Send + 'static, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        work: impl FnOnce(Wanted) -> F + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = self.write.clone();
        apart(async move { work(wanted(&writer).await?).await }).await
    }
}

#[async_trait]
impl Store for Own {
    async fn clock(&self) -> Result<Instant, StoreError> {
        match self.clock {
            Clock::Real => self.real_time().await,
            Clock::Simulated => self.simulated_time().await,
        }
    }

    fn clock_kind(&self) -> Clock {
        self.clock
    }

    fn batches_max(&self) -> usize {
        BATCHES_MAX
    }

    async fn set_clock(&self, now: Instant) -> Result<(), StoreError> {
        if self.clock == Clock::Real {
            return Err(StoreError::RealClock);
        }
        self.write(move |pool| async move {
            let statement = "UPDATE store_settings SET value = $1
                 WHERE tenant_id = '' AND name = 'now' AND CAST(value AS BIGINT) <= CAST($1 AS BIGINT)";
            let done = sqlx::query(statement)
                .bind(now.micros().to_string())
                .execute(&mut *pool.acquire().await?)
                .await?;
            if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::ClockBackwards) }
        })
        .await
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let rows =
            sqlx::query("SELECT tenant_id FROM tenants ORDER BY tenant_id").fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok(TenantId(text(row, 0)?))).collect()
    }

    async fn organisation(
        &self,
        tenant: &TenantId,
        known: Option<u64>,
    ) -> Result<Option<(u64, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT organisation_version, organisation FROM tenants
             WHERE tenant_id = $1 AND ($2 IS NULL OR organisation_version <> $2)",
        )
        .bind(tenant.as_str())
        .bind(known.and_then(|known| i64::try_from(known).ok()))
        .fetch_optional(&self.read)
        .await?;
        let body = |row: &Row| whole_text(row, ("tenants", "organisation"), tenant.as_str());
        row.map(|row| Ok((count(&row, 0)?, body(&row)?))).transpose()
    }

    async fn put_organisation(&self, tenant: &TenantId, body: &str) -> Result<(), StoreError> {
        let (tenant, body) = (tenant.clone(), body.to_owned());
        self.write(move |pool| async move {
            let done = sqlx::query(
                "INSERT INTO tenants (tenant_id, organisation, organisation_version) VALUES ($1, $2, 1)
                 ON CONFLICT (tenant_id) DO UPDATE SET organisation = excluded.organisation,
                    organisation_version = tenants.organisation_version + 1",
            )
            .bind(tenant.as_str())
            .bind(body)
            .execute(&mut *pool.acquire().await?)
            .await?;
            crate::rows_affected("tenants", 1, done.rows_affected())
        })
        .await
    }

    async fn calendar(
        &self,
        tenant: &TenantId,
        id: &str,
        known: Option<&str>,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        catalog::calendar(&self.read, tenant, id, known).await
    }

    async fn calendar_version(
        &self,
        tenant: &TenantId,
        id: &str,
        version: &str,
    ) -> Result<Option<String>, StoreError> {
        catalog::calendar_version(&self.read, tenant, id, version).await
    }

    async fn calendars(&self, tenant: &TenantId) -> Result<Vec<CalendarRow>, StoreError> {
        catalog::calendars(&self.read, tenant).await
    }

    async fn put_calendar(
        &self,
        tenant: &TenantId,
        id: &str,
        version: &str,
        body: &str,
    ) -> Result<bool, StoreError> {
        let now = self.clock().await?.micros();
        let tenant = tenant.clone();
        let (id, version, body) = (id.to_owned(), version.to_owned(), body.to_owned());
        self.write(move |pool| async move {
            catalog::put_calendar(&pool, &tenant, &id, &version, &body, now).await
        })
        .await
    }

    async fn definition(&self, tenant: &TenantId, hash: &str) -> Result<Option<DefinitionRow>, StoreError> {
        catalog::definition(&self.read, tenant, hash).await
    }

    async fn definitions(&self, tenant: &TenantId) -> Result<Vec<DefinitionRow>, StoreError> {
        catalog::definitions(&self.read, tenant).await
    }

    async fn newest(&self, tenant: &TenantId, workflow: &str) -> Result<Option<String>, StoreError> {
        catalog::newest(&self.read, tenant, workflow).await
    }

    async fn put_definition(&self, tenant: &TenantId, row: &DefinitionRow) -> Result<(), StoreError> {
        let (tenant, row) = (tenant.clone(), row.clone());
        self.write(move |pool| async move { catalog::put_definition(&pool, &tenant, &row).await }).await
    }

    async fn numbers(&self, tenant: &TenantId, prefix: &str, count: u32) -> Result<u64, StoreError> {
        let (tenant, prefix) = (tenant.clone(), prefix.to_owned());
        self.write(move |pool| async move {
            let mut transaction = begin_write(&pool).await?;
            super::may_wait(&mut transaction).await?;
            let last: i64 = sqlx::query_scalar(
                "INSERT INTO case_numbers (tenant_id, prefix, last) VALUES ($1, $2, $3)
                 ON CONFLICT (tenant_id, prefix) DO UPDATE SET last = case_numbers.last + excluded.last
                 RETURNING last",
            )
            .bind(tenant.as_str())
            .bind(prefix)
            .bind(i64::from(count))
            .fetch_one(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(last.unsigned_abs() - u64::from(count) + 1)
        })
        .await
    }

    async fn registers(
        &self,
        tenant: &TenantId,
        year: i32,
        codes: &[String],
    ) -> Result<BTreeMap<String, u32>, StoreError> {
        let rows: Vec<(String, Option<i64>)> = sqlx::query_as(REGISTERS)
            .bind(tenant.as_str())
            .bind(i64::from(year))
            .bind(list(codes))
            .fetch_all(&self.read)
            .await?;
        let out_of_range = |code: &str| bad("documents", "no", code, Wrong::OutOfRange);
        let taken = rows.into_iter().filter_map(|(code, last)| Some((code, last?)));
        taken
            .map(|(code, last)| {
                let last = u32::try_from(last).map_err(|_| out_of_range(&code))?;
                Ok((code, last))
            })
            .collect()
    }

    async fn read(&self, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError> {
        known::known(self, tenant, wanted).await
    }

    async fn commit(
        &self,
        tenant: &TenantId,
        groups: Arc<[Vec<Change>]>,
    ) -> Vec<Result<Outcome, StoreError>> {
        let (writer, owner, written) = (self.write.clone(), tenant.clone(), groups.clone());
        let done = apart(async move { Ok(commit::commit(&writer, &owner, &written).await) }).await;
        match done {
            Ok(outcomes) => {
                if brings_nearer(&groups, &outcomes) {
                    self.nearer.send_replace(());
                    self.tell_others();
                }
                outcomes
            }
            Err(error) => groups.iter().map(|_| Err(error.again())).collect(),
        }
    }

    async fn refuse(&self, tenant: &TenantId, rows: &[RefusalRow]) -> Result<(), StoreError> {
        let (tenant, rows) = (tenant.clone(), rows.to_vec());
        self.write(move |pool| async move { write::refuse(&pool, &tenant, &rows).await }).await
    }

    async fn due(
        &self,
        tenant: &TenantId,
        now: Instant,
        aside: &[Vec<u8>],
        skip: u32,
        limit: u32,
    ) -> Result<Vec<DueCase>, StoreError> {
        query::due(&self.read, tenant, now, aside, (skip, limit)).await
    }

    async fn next_wake(&self, tenant: &TenantId, aside: &[Vec<u8>]) -> Result<Option<Instant>, StoreError> {
        query::next_wake(&self.read, tenant, aside).await
    }

    async fn waking(&self) -> Result<Vec<Waking>, StoreError> {
        query::waking(&self.read).await
    }

    fn nearer(&self) -> watch::Receiver<()> {
        self.hear_others();
        self.nearer.subscribe()
    }

    async fn deliver(
        &self,
        tenant: &TenantId,
        now: Instant,
        day: &str,
        aside: &[Vec<u8>],
    ) -> Result<u64, StoreError> {
        if !outbox::waiting(&self.read, tenant, day).await? {
            return Ok(0);
        }
        let tenant = tenant.clone();
        let (day, aside) = (day.to_owned(), aside.to_vec());
        self.write(move |pool| async move {
            commit::retried(|| outbox::deliver(&pool, &tenant, now, &day, &aside)).await
        })
        .await
    }

    async fn find(&self, tenant: &TenantId, number: &str) -> Result<Option<CaseId>, StoreError> {
        let row =
            sqlx::query("SELECT case_id FROM cases WHERE tenant_id = $1 AND (number = $2 OR case_id = $2)")
                .bind(tenant.as_str())
                .bind(asked(number))
                .fetch_optional(&self.read)
                .await?;
        row.map(|row| case_id(&text(&row, 0)?)).transpose()
    }

    async fn acts(&self, tenant: &TenantId, case: CaseId) -> Result<Vec<ActRow>, StoreError> {
        query::acts(&self.read, tenant, case).await
    }

    async fn ledger(&self, tenant: &TenantId, filter: &Filter) -> Result<Vec<LedgerRow>, StoreError> {
        lists::ledger(&self.read, tenant, filter).await
    }

    async fn ledger_count(&self, tenant: &TenantId, filter: &Filter) -> Result<u64, StoreError> {
        lists::ledger_count(&self.read, tenant, filter).await
    }

    async fn owes(&self, tenant: &TenantId, filter: &OwedFilter) -> Result<Vec<OwedRow>, StoreError> {
        lists::owes(&self.read, tenant, filter).await
    }

    async fn documents(&self, tenant: &TenantId, filter: &DocumentFilter) -> Result<u64, StoreError> {
        lists::documents(&self.read, tenant, filter).await
    }

    async fn closed(
        &self,
        tenant: &TenantId,
        workflow: &str,
        states: &[Name],
        from: Instant,
        until: Instant,
    ) -> Result<Vec<ClosedRow>, StoreError> {
        lists::closed(&self.read, tenant, workflow, states, (from, until)).await
    }

    async fn roundup(&self, tenant: &TenantId, at: Instant, day_end: Instant) -> Result<Roundup, StoreError> {
        lists::roundup(&self.read, tenant, at, day_end).await
    }

    async fn inbox(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DigestRow>, StoreError> {
        query::inbox(&self.read, tenant, person, before, limit).await
    }

    async fn standing(&self, tenant: &TenantId, now: Instant) -> Result<Standing, StoreError> {
        lists::standing(&self.read, tenant, now).await
    }

    async fn case_ids(
        &self,
        tenant: &TenantId,
        after: &[u8],
        limit: u32,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut connection = self.read.acquire().await?;
        raw::case_ids(&mut connection, tenant, after, limit).await
    }

    async fn raw(&self, tenant: &TenantId, after: &[u8], limit: u32) -> Result<Vec<RawCase>, StoreError> {
        raw::cases(&self.read, tenant, after, limit).await
    }

    async fn astray(&self, tenant: &TenantId) -> Result<Vec<Astray>, StoreError> {
        raw::astray(&self.read, tenant).await
    }

    async fn page(
        &self,
        tenant: &TenantId,
        table: &'static Table,
        after: Option<&[Value]>,
        limit: u32,
    ) -> Result<Vec<Value>, StoreError> {
        copy::page(&self.read, tenant, table, after, limit).await
    }

    async fn last_key(
        &self,
        tenant: &TenantId,
        table: &'static Table,
    ) -> Result<Option<Vec<Value>>, StoreError> {
        copy::last_key(&self.read, tenant, table).await
    }

    async fn replace(
        &self,
        tenant: &TenantId,
        table: &'static Table,
        between: (Option<&[Value]>, Option<&[Value]>),
        rows: &[Value],
    ) -> Result<(), StoreError> {
        let (tenant, rows) = (tenant.clone(), rows.to_vec());
        let (after, until) = (between.0.map(<[Value]>::to_vec), between.1.map(<[Value]>::to_vec));
        self.write(move |pool| async move {
            copy::replace(&pool, &tenant, table, (after.as_deref(), until.as_deref()), &rows).await
        })
        .await
    }

    async fn finish_copy(&self, settings: &[Value]) -> Result<(), StoreError> {
        let settings = settings.to_vec();
        self.write(move |pool| async move { copy::finish(&pool, &settings).await }).await
    }

    async fn rebuild(&self, tenant: &TenantId, change: &Change) -> Result<Outcome, StoreError> {
        let (tenant, change) = (tenant.clone(), change.clone());
        self.write(
            move |pool| async move { commit::retried(|| rebuild::rebuild(&pool, &tenant, &change)).await },
        )
        .await
    }
}

/// Whether a sleeper would come too late for what was written, were it not told.
fn brings_nearer(groups: &[Vec<Change>], outcomes: &[Result<Outcome, StoreError>]) -> bool {
    let near = i64::try_from(NEAR.as_micros()).unwrap_or(i64::MAX);
    let written =
        groups.iter().zip(outcomes).filter(|(_, outcome)| matches!(outcome, Ok(Outcome::Committed)));
    written.flat_map(|(group, _)| group).any(|change| {
        let wake = change.projection.wake_at.map(Instant::micros);
        wake.is_some_and(|wake| wake <= change.state.last_at.micros().saturating_add(near))
    })
}

const REGISTERS: &str = concat!(
    "SELECT value, (SELECT max(no) FROM documents WHERE tenant_id = $1 AND year = $2 AND code = value) FROM ",
    each_of!("$3")
);

impl Own {
    async fn simulated_time(&self) -> Result<Instant, StoreError> {
        let now: String =
            sqlx::query_scalar("SELECT value FROM store_settings WHERE tenant_id = '' AND name = 'now'")
                .fetch_one(&self.read)
                .await?;
        simulated(&now)
    }

    /// Where the time comes from, as fixed when the store was made.
    pub(super) async fn kind(pool: &super::Pool, shown: &str) -> Result<Clock, StoreError> {
        if copy::unfinished(pool).await? {
            return Err(StoreError::Unfit(Unfit::Unfinished { path: shown.to_owned() }));
        }
        let clock: Option<String> =
            sqlx::query_scalar("SELECT value FROM store_settings WHERE tenant_id = '' AND name = 'clock'")
                .fetch_optional(pool)
                .await?;
        match clock.as_deref() {
            Some("real") => Ok(Clock::Real),
            Some("simulated") => Ok(Clock::Simulated),
            Some(other) => Err(bad("store_settings", "value", "clock", Wrong::unreadable(other))),
            None => Err(bad("store_settings", "value", "clock", Wrong::Missing)),
        }
    }

    /// Fixes where the time comes from.
    pub(super) async fn fix_kind(pool: &super::Pool, clock: Clock, now: Instant) -> Result<(), StoreError> {
        let kind = if clock == Clock::Real { "real" } else { "simulated" };
        let done = sqlx::query(
            "INSERT INTO store_settings (tenant_id, name, value) VALUES ('', 'clock', $1), ('', 'now', $2)",
        )
        .bind(kind)
        .bind(now.micros().to_string())
        .execute(pool)
        .await?;
        crate::rows_affected("store_settings", 2, done.rows_affected())
    }
}

/// The time set by hand, as stored.
fn simulated(now: &str) -> Result<Instant, StoreError> {
    instant(now.parse().map_err(|error: std::num::ParseIntError| {
        bad("store_settings", "value", "now", Wrong::unreadable(error))
    })?)
}
