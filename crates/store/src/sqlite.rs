//! The embedded store.

use std::path::Path;
use std::str::FromStr;

use async_trait::async_trait;
use machine::value::{CaseId, PersonId, TenantId};
use machine::{Instant, State};
use serde_json::json;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::{
    ActRow, Change, Clock, DefinitionRow, DigestRow, DocumentFilter, Filter, Head, Known, LedgerRow, Outcome,
    OwedFilter, OwedRow, RawCase, Read, RefusalRow, Roundup, Standing, Store, StoreError, Unfit, Used,
};

mod lists;
mod query;
mod raw;
mod write;

/// Oldest SQLite without the WAL-reset corruption bug.
const VERSION_MIN: (u32, u32, u32) = (3, 51, 3);
/// Marks a database as ours ("bihu").
const APPLICATION_ID: i64 = 0x6269_6875;

/// A store in one SQLite file.
pub struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    clock: Clock,
}

impl SqliteStore {
    /// Creates a store. Refuses a file that exists.
    pub async fn create(path: &Path, clock: Clock, now: Instant) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Unfit(Unfit::Exists { path: path.display().to_string() }));
        }
        let (write, read) = pools(path, true).await?;
        migrate(&write).await?;
        let kind = if clock == Clock::Real { "real" } else { "simulated" };
        let settings = json!([
            { "name": "clock", "value": kind },
            { "name": "now", "value": now.micros().to_string() },
        ]);
        sqlx::query(
            "INSERT INTO store_settings (name, value) SELECT value->>'name', value->>'value' FROM json_each($1)",
        )
        .bind(settings.to_string())
        .execute(&write)
        .await?;
        Ok(SqliteStore { write, read, clock })
    }

    /// Opens a store and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        check_ours(path).await?;
        let (write, read) = pools(path, false).await?;
        migrate(&write).await?;
        let clock: Option<String> =
            sqlx::query_scalar("SELECT value FROM store_settings WHERE name = 'clock'")
                .fetch_optional(&read)
                .await?;
        let clock = match clock.as_deref() {
            Some("real") => Clock::Real,
            Some("simulated") => Clock::Simulated,
            other => {
                return Err(StoreError::Inconsistent {
                    table: "store_settings",
                    column: "value",
                    row: "clock".to_owned(),
                    problem: format!("{other:?} is no clock"),
                });
            }
        };
        Ok(SqliteStore { write, read, clock })
    }

    /// Ends all work on the file. What was written lies in the one file then, which may be moved.
    pub async fn close(self) {
        // The last connection to go must be one that may write, to fold the log into the file.
        self.read.close().await;
        self.write.close().await;
    }
}

/// Looks at what lies there before anything is written to it: it may belong to somebody else.
async fn check_ours(path: &Path) -> Result<(), StoreError> {
    let text = path.display().to_string();
    if !path.exists() {
        return Err(StoreError::Unfit(Unfit::Missing { path: text }));
    }
    let not_a_store = || StoreError::Unfit(Unfit::NotAStore { path: text.clone() });
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(|_| not_a_store())?;
    let application = sqlx::query_scalar::<_, i64>("PRAGMA application_id").fetch_one(&mut connection).await;
    connection.close().await?;
    if application.ok() == Some(APPLICATION_ID) { Ok(()) } else { Err(not_a_store()) }
}

async fn pools(path: &Path, create: bool) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(std::time::Duration::from_secs(30))
        // Rows come from a thread of their own; a longer queue saves most of the switching.
        .row_buffer_size(1_024)
        .pragma("trusted_schema", "OFF");
    let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    check_fitness(&write, create).await?;
    let read = SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await?;
    Ok((write, read))
}

/// Reads back what durability rests on, instead of believing that it was set.
async fn check_fitness(pool: &SqlitePool, create: bool) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(pool).await?;
    let mut parts = version.split('.').map(|part| u32::from_str(part).unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < VERSION_MIN {
        let (major, minor, patch) = VERSION_MIN;
        let least = format!("{major}.{minor}.{patch}");
        return Err(StoreError::Unfit(Unfit::Old { version, least }));
    }
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await?;
    if journal != "wal" || synchronous != 2 {
        let found = format!("journal_mode={journal} synchronous={synchronous}");
        let needed = "journal_mode=wal synchronous=2".to_owned();
        return Err(StoreError::Unfit(Unfit::Lax { found, needed }));
    }
    if create {
        sqlx::query("PRAGMA application_id = 1651075189").execute(pool).await?;
    }
    Ok(())
}

/// Brings the schema up to date; a database newer than this program is refused. Each step is a transaction
/// of its own, so that one cut short is done again.
async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let migrator = sqlx::migrate!("../../migrations/sqlite");
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    migrator.run(pool).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Unfit(Unfit::Newer { found, known }),
        MigrateError::VersionMismatch(schema) => StoreError::Unfit(Unfit::Altered { schema }),
        error => StoreError::Migrate(error),
    })
}

fn bad(table: &'static str, column: &'static str, row: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Inconsistent { table, column, row: row.to_owned(), problem: problem.to_string() }
}

fn instant(micros: i64) -> Result<Instant, StoreError> {
    Instant::from_micros(micros).ok_or_else(|| bad("any", "at", &micros.to_string(), "no instant"))
}

fn case_id(text: &str) -> Result<CaseId, StoreError> {
    CaseId::from_str(text).map_err(|error| bad("cases", "case_id", text, error))
}

#[async_trait]
impl Store for SqliteStore {
    async fn clock(&self) -> Result<Instant, StoreError> {
        if self.clock == Clock::Real {
            return Ok(host_time());
        }
        let now: String = sqlx::query_scalar("SELECT value FROM store_settings WHERE name = 'now'")
            .fetch_one(&self.read)
            .await?;
        instant(now.parse().map_err(|error| bad("store_settings", "value", "now", error))?)
    }

    fn clock_kind(&self) -> Clock {
        self.clock
    }

    async fn set_clock(&self, now: Instant) -> Result<(), StoreError> {
        if self.clock == Clock::Real {
            return Err(StoreError::RealClock);
        }
        let statement = "UPDATE store_settings SET value = $1
             WHERE name = 'now' AND CAST(value AS INTEGER) <= CAST($1 AS INTEGER)";
        let done = sqlx::query(statement).bind(now.micros().to_string()).execute(&self.write).await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::ClockBackwards) }
    }

    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT tenant_id FROM tenants ORDER BY tenant_id")
            .fetch_all(&self.read)
            .await?;
        Ok(rows.into_iter().map(TenantId).collect())
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
        Ok(row.map(|row| (row.get::<i64, _>(0).unsigned_abs(), row.get(1))))
    }

    async fn put_organisation(&self, tenant: &TenantId, body: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tenants (tenant_id, organisation, organisation_version) VALUES ($1, $2, 1)
             ON CONFLICT (tenant_id) DO UPDATE
             SET organisation = excluded.organisation, organisation_version = organisation_version + 1",
        )
        .bind(tenant.as_str())
        .bind(body)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn calendar(
        &self,
        tenant: &TenantId,
        id: &str,
        known: Option<&str>,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        let row = sqlx::query(
            "SELECT version, CASE WHEN version IS $3 THEN NULL ELSE body END
             FROM calendars WHERE tenant_id = $1 AND calendar_id = $2
             ORDER BY loaded_at DESC, version DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(known)
        .fetch_optional(&self.read)
        .await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    async fn calendar_version(
        &self,
        tenant: &TenantId,
        id: &str,
        version: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT body FROM calendars WHERE tenant_id = $1 AND calendar_id = $2 AND version = $3",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(version)
        .fetch_optional(&self.read)
        .await?)
    }

    async fn put_calendar(
        &self,
        tenant: &TenantId,
        id: &str,
        version: &str,
        body: &str,
    ) -> Result<(), StoreError> {
        let now = self.clock().await?;
        sqlx::query(
            "INSERT INTO calendars (tenant_id, calendar_id, version, body, loaded_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(version)
        .bind(body)
        .bind(now.micros())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn definitions(&self, tenant: &TenantId) -> Result<Vec<DefinitionRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT hash, workflow, edition, body, published_at FROM definitions
             WHERE tenant_id = $1 ORDER BY published_at DESC, rowid DESC",
        )
        .bind(tenant.as_str())
        .fetch_all(&self.read)
        .await?;
        let rows = rows.into_iter().map(|row| DefinitionRow {
            hash: row.get(0),
            workflow: row.get(1),
            edition: row.get(2),
            body: row.get(3),
            published_at: row.get(4),
        });
        Ok(rows.collect())
    }

    async fn newest(&self, tenant: &TenantId, workflow: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT hash FROM definitions WHERE tenant_id = $1 AND workflow = $2
             ORDER BY published_at DESC, rowid DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(workflow)
        .fetch_optional(&self.read)
        .await?)
    }

    async fn put_definition(&self, tenant: &TenantId, row: &DefinitionRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO definitions (tenant_id, hash, workflow, edition, body, published_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(&row.hash)
        .bind(&row.workflow)
        .bind(&row.edition)
        .bind(&row.body)
        .bind(row.published_at)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn numbers(&self, tenant: &TenantId, prefix: &str, count: u32) -> Result<u64, StoreError> {
        let last: i64 = sqlx::query_scalar(
            "INSERT INTO case_numbers (tenant_id, prefix, last) VALUES ($1, $2, $3)
             ON CONFLICT (tenant_id, prefix) DO UPDATE SET last = last + excluded.last RETURNING last",
        )
        .bind(tenant.as_str())
        .bind(prefix)
        .bind(i64::from(count))
        .fetch_one(&self.write)
        .await?;
        Ok(last.unsigned_abs() - u64::from(count) + 1)
    }

    async fn read(&self, tenant: &TenantId, wanted: &[Read]) -> Result<(Instant, Vec<Known>), StoreError> {
        let mut connection = self.read.acquire().await?;
        let heads = read_heads(&mut connection, tenant, wanted).await?;
        let used = read_used(&mut connection, tenant, wanted).await?;
        drop(connection);
        let known = wanted.iter().map(|read| Known {
            head: heads.get(&read.case).cloned(),
            used: read.key.as_ref().and_then(|key| used.get(key)).cloned(),
        });
        Ok((self.clock().await?, known.collect()))
    }

    async fn commit(&self, tenant: &TenantId, groups: &[Vec<Change>]) -> Vec<Result<Outcome, StoreError>> {
        write::commit(&self.write, tenant, groups).await
    }

    async fn refuse(&self, tenant: &TenantId, rows: &[RefusalRow]) -> Result<(), StoreError> {
        write::refuse(&self.write, tenant, rows).await
    }

    async fn due(&self, tenant: &TenantId, now: Instant, limit: u32) -> Result<Vec<CaseId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT case_id FROM cases WHERE tenant_id = $1 AND wake_at <= $2 ORDER BY wake_at LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(now.micros())
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| case_id(row)).collect()
    }

    async fn next_wake(&self, tenant: &TenantId) -> Result<Option<Instant>, StoreError> {
        let wake: Option<i64> =
            sqlx::query_scalar("SELECT min(wake_at) FROM cases WHERE tenant_id = $1 AND wake_at IS NOT NULL")
                .bind(tenant.as_str())
                .fetch_one(&self.read)
                .await?;
        wake.map(instant).transpose()
    }

    async fn deliver(&self, tenant: &TenantId, now: Instant, day: &str) -> Result<u64, StoreError> {
        // Looked up first: a worker that has nothing to send must not take the write lock every second.
        let waiting: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM notices n WHERE n.tenant_id = $1 AND n.delivery_id IS NULL
                AND NOT EXISTS (SELECT 1 FROM deliveries d
                    WHERE d.tenant_id = $1 AND d.recipient = n.recipient AND d.day = $2))",
        )
        .bind(tenant.as_str())
        .bind(day)
        .fetch_one(&self.read)
        .await?;
        if waiting { write::deliver(&self.write, tenant, now, day).await } else { Ok(0) }
    }

    async fn find(&self, tenant: &TenantId, number: &str) -> Result<Option<CaseId>, StoreError> {
        let row: Option<String> = sqlx::query_scalar(
            "SELECT case_id FROM cases WHERE tenant_id = $1 AND (number = $2 OR case_id = $2)",
        )
        .bind(tenant.as_str())
        .bind(number)
        .fetch_optional(&self.read)
        .await?;
        row.map(|row| case_id(&row)).transpose()
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

    async fn roundup(&self, tenant: &TenantId, at: Instant, day_end: Instant) -> Result<Roundup, StoreError> {
        lists::roundup(&self.read, tenant, at, day_end).await
    }

    async fn inbox(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        limit: u32,
    ) -> Result<Vec<DigestRow>, StoreError> {
        query::inbox(&self.read, tenant, person, limit).await
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
        raw::case_ids(&self.read, tenant, after, limit).await
    }

    async fn raw(&self, tenant: &TenantId, case_ids: &[Vec<u8>]) -> Result<Vec<RawCase>, StoreError> {
        raw::cases(&self.read, tenant, case_ids).await
    }

    async fn rebuild(&self, tenant: &TenantId, change: &Change) -> Result<Outcome, StoreError> {
        write::rebuild(&self.write, tenant, change).await
    }
}

/// The host clock: the one place in the program that reads it.
#[expect(clippy::disallowed_methods, reason = "the store's clock is the one place that reads the time")]
pub fn host_time() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(micros).unwrap_or_else(|| Instant::new(Default::default()))
}

type Heads = std::collections::HashMap<CaseId, Head>;

async fn read_heads(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<Heads, StoreError> {
    let ids: Vec<String> = wanted.iter().map(|read| read.case.to_string()).collect();
    let rows = sqlx::query(
        "SELECT case_id, state, last_hash FROM cases
         WHERE tenant_id = $1 AND case_id IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(json!(ids).to_string())
    .fetch_all(connection)
    .await?;
    let mut heads = Heads::new();
    for row in rows {
        let id: String = row.get(0);
        let state: State =
            serde_json::from_str(row.get(1)).map_err(|error| bad("cases", "state", &id, error))?;
        heads.insert(case_id(&id)?, Head { state, last_hash: row.get(2) });
    }
    Ok(heads)
}

async fn read_used(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<std::collections::HashMap<String, Used>, StoreError> {
    let keys: Vec<&String> = wanted.iter().filter_map(|read| read.key.as_ref()).collect();
    if keys.is_empty() {
        return Ok(Default::default());
    }
    let rows = sqlx::query(
        "SELECT key, fingerprint, case_id, version FROM idempotency
         WHERE tenant_id = $1 AND key IN (SELECT value FROM json_each($2))",
    )
    .bind(tenant.as_str())
    .bind(json!(keys).to_string())
    .fetch_all(connection)
    .await?;
    let mut used = std::collections::HashMap::new();
    for row in rows {
        let id: String = row.get(2);
        let version =
            u32::try_from(row.get::<i64, _>(3)).map_err(|e| bad("idempotency", "version", &id, e))?;
        used.insert(row.get(0), Used { fingerprint: row.get(1), case: case_id(&id)?, version });
    }
    Ok(used)
}
