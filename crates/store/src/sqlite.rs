//! The embedded store.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use machine::Instant;
use machine::value::{CaseId, Name, PersonId, TenantId};
use serde_json::json;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::error::{cannot_open, is_everybodys};
use crate::{
    ActRow, Astray, CalendarRow, Change, Clock, ClosedRow, Damage, DefinitionRow, DigestRow, DocumentFilter,
    DueCase, Filter, Known, LedgerRow, Outcome, OwedFilter, OwedRow, RawCase, Read, RefusalRow, Roundup,
    Standing, Store, StoreError, Unfit, Wrong,
};

/// How often a database found locked is opened anew, and how long is waited between.
const OPEN_ATTEMPTS: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// How long one look at a database found locked waits.
const LOOK_PATIENCE: Duration = Duration::from_millis(100);
/// How long a writer waits for another.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long whoever still reads is waited for in the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

use self::row::whole_text;

mod catalog;
mod lists;
mod query;
mod raw;
mod rebuild;
mod row;
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
        // The first to open an empty database sets its journal and its schema; whoever comes at that very moment
        // is told at once that it is locked, whatever patience was set. Opening changes nothing twice.
        for _ in 1..OPEN_ATTEMPTS {
            match Self::open_once(path).await {
                Err(StoreError::Held) => {}
                opened => return opened,
            }
            tokio::time::sleep(OPEN_PAUSE).await;
        }
        Self::open_once(path).await
    }

    async fn open_once(path: &Path) -> Result<Self, StoreError> {
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
            Some(other) => {
                return Err(bad("store_settings", "value", "clock", Wrong::unreadable(other)));
            }
            None => return Err(bad("store_settings", "value", "clock", Wrong::Missing)),
        };
        Ok(SqliteStore { write, read, clock })
    }

    /// Ends all work on the file. What was written lies in the one file then, which may be moved; it fails
    /// where that could not be done, be it that the disk is full or that somebody still reads.
    pub async fn close(self) -> Result<(), StoreError> {
        // The last connection to go must be one that may write, to fold the log into the file.
        self.read.close().await;
        let folded = fold_log(&self.write).await;
        self.write.close().await;
        folded
    }
}

/// Folds the log into the file. The driver would do it when it closes, and tell nobody how that went.
async fn fold_log(write: &SqlitePool) -> Result<(), StoreError> {
    let mut connection = write.acquire().await?;
    let patience = format!("PRAGMA busy_timeout = {}", CLOSE_PATIENCE.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(patience)).execute(&mut *connection).await?;
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await?;
    let (busy, in_log): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if busy == 0 && in_log == 0 { Ok(()) } else { Err(StoreError::Held) }
}

/// Looks at what lies there before anything is written to it: it may belong to somebody else.
async fn check_ours(path: &Path) -> Result<(), StoreError> {
    let text = path.display().to_string();
    if !path.exists() {
        return Err(StoreError::Unfit(Unfit::Missing { path: text }));
    }
    let not_a_store = || StoreError::Unfit(Unfit::NotAStore { path: text.clone() });
    let closed = || StoreError::Unfit(Unfit::Closed { path: text.clone() });
    // Opening a pipe would wait for ever.
    if !path.is_file() {
        return Err(not_a_store());
    }
    // What is locked or out of reach may well be a store. SQLite is asked, and the file opened by nobody else:
    // closing it would drop the locks this process holds on it.
    let told = |error: sqlx::Error| {
        let out_of_reach = cannot_open(&error);
        match StoreError::from(error) {
            StoreError::ReadOnly => closed(),
            StoreError::Database(_) if out_of_reach => closed(),
            error if error.is_everybodys() => error,
            _ => not_a_store(),
        }
    };
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(LOOK_PATIENCE);
    let mut connection = options.connect().await.map_err(told)?;
    let application = sqlx::query_scalar::<_, i64>("PRAGMA application_id").fetch_one(&mut connection).await;
    connection.close().await?;
    if application.map_err(told)? == APPLICATION_ID { Ok(()) } else { Err(not_a_store()) }
}

async fn pools(path: &Path, create: bool) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        // Rows come from a thread of their own; a longer queue saves most of the switching.
        .row_buffer_size(1_024)
        .pragma("trusted_schema", "OFF");
    let pool = |connections| {
        let options = SqlitePoolOptions::new().max_connections(connections);
        // SQLite undoes a transaction by itself where the disk is full; the driver believes it to be open from
        // then on, and could begin no other. Such a connection is closed, and another one opened.
        let options = options.before_acquire(|connection, _| {
            let fit = !connection.is_in_transaction();
            Box::pin(async move { Ok(fit) })
        });
        options.after_connect(|connection, _| {
            Box::pin(async move {
                // Every connection has settings of its own; each is read back, instead of believing that it was set.
                let fit = check_fitness(connection).await;
                fit.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
            })
        })
    };
    let write = pool(1).connect_with(options.clone()).await.map_err(unfit)?;
    if create {
        sqlx::query("PRAGMA application_id = 1651075189").execute(&write).await?;
    }
    let read = pool(4).connect_with(options.read_only(true)).await.map_err(unfit)?;
    Ok((write, read))
}

/// Why a connection was not taken into a pool.
fn unfit(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Configuration(cause) => match cause.downcast::<StoreError>() {
            Ok(cause) => *cause,
            Err(cause) => StoreError::Database(sqlx::Error::Configuration(cause)),
        },
        error => StoreError::from(error),
    }
}

/// What durability and trust rest on, of one connection.
async fn check_fitness(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    let mut parts = version.split('.').map(|part| u32::from_str(part).unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < VERSION_MIN {
        let (major, minor, patch) = VERSION_MIN;
        let least = format!("{major}.{minor}.{patch}");
        return Err(StoreError::Unfit(Unfit::Old { version, least }));
    }
    let found: String = sqlx::query_scalar(
        "SELECT 'journal_mode=' || journal_mode || ' synchronous=' || synchronous || ' trusted_schema='
            || trusted_schema FROM pragma_journal_mode, pragma_synchronous, pragma_trusted_schema",
    )
    .fetch_one(connection)
    .await?;
    let needed = "journal_mode=wal synchronous=2 trusted_schema=0".to_owned();
    if found == needed { Ok(()) } else { Err(StoreError::Unfit(Unfit::Lax { found, needed })) }
}

/// Brings the schema up to date; a database newer than this program is refused. Each step is a transaction
/// of its own, so that one cut short is done again.
async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let migrator = sqlx::migrate!("../../migrations/sqlite");
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    let mut done = migrator.run(pool).await;
    // Another process may have taken the same step at the same moment: then it is done, and this one failed.
    // Each failure leaves one step less.
    for _ in migrator.iter() {
        if !matches!(done, Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))) {
            break;
        }
        done = migrator.run(pool).await;
    }
    done.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Unfit(Unfit::Newer { found, known }),
        MigrateError::VersionMismatch(schema) => StoreError::Unfit(Unfit::Altered { schema }),
        // A full disk or a lock says nothing about the schema.
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) if is_everybodys(&cause) => {
            StoreError::from(cause)
        }
        error => StoreError::Migrate(error),
    })
}

fn damage(table: &'static str, column: &'static str, row: impl Into<String>, problem: Wrong) -> Damage {
    Damage { table, column, row: row.into(), problem }
}

fn bad(table: &'static str, column: &'static str, row: &str, problem: Wrong) -> StoreError {
    StoreError::Inconsistent(damage(table, column, row, problem))
}

fn instant(micros: i64) -> Result<Instant, StoreError> {
    Instant::from_micros(micros).ok_or_else(|| bad("any", "at", &micros.to_string(), Wrong::OutOfRange))
}

fn case_id(text: &str) -> Result<CaseId, StoreError> {
    CaseId::from_str(text).map_err(|_| bad("cases", "case_id", text, Wrong::NoId))
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
        instant(now.parse().map_err(|error: std::num::ParseIntError| {
            bad("store_settings", "value", "now", Wrong::unreadable(error))
        })?)
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
        let rows =
            sqlx::query("SELECT tenant_id FROM tenants ORDER BY tenant_id").fetch_all(&self.read).await?;
        rows.iter().map(|row| Ok(TenantId(row::text(row, 0)?))).collect()
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
        let body = |row: &SqliteRow| whole_text(row, ("tenants", "organisation"), tenant.as_str());
        row.map(|row| Ok((row::count(&row, 0)?, body(&row)?))).transpose()
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
        let now = self.clock().await?;
        catalog::put_calendar(&self.write, tenant, id, version, body, now.micros()).await
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
        catalog::put_definition(&self.write, tenant, row).await
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

    async fn registers(
        &self,
        tenant: &TenantId,
        year: i32,
        codes: &[String],
    ) -> Result<BTreeMap<String, u32>, StoreError> {
        let rows: Vec<(String, Option<u32>)> = sqlx::query_as(
            "SELECT value, (SELECT max(no) FROM documents
                WHERE tenant_id = $1 AND year = $2 AND code = value) FROM json_each($3)",
        )
        .bind(tenant.as_str())
        .bind(year)
        .bind(serde_json::json!(codes).to_string())
        .fetch_all(&self.read)
        .await?;
        Ok(rows.into_iter().filter_map(|(code, last)| Some((code, last?))).collect())
    }

    async fn read(&self, tenant: &TenantId, wanted: &[Read]) -> Result<(Instant, Vec<Known>), StoreError> {
        let mut connection = self.read.acquire().await?;
        let known = query::known(&mut connection, tenant, wanted).await?;
        drop(connection);
        Ok((self.clock().await?, known))
    }

    async fn commit(&self, tenant: &TenantId, groups: &[Vec<Change>]) -> Vec<Result<Outcome, StoreError>> {
        write::commit(&self.write, tenant, groups).await
    }

    async fn refuse(&self, tenant: &TenantId, rows: &[RefusalRow]) -> Result<(), StoreError> {
        write::refuse(&self.write, tenant, rows).await
    }

    async fn due(
        &self,
        tenant: &TenantId,
        now: Instant,
        aside: &[Vec<u8>],
        limit: u32,
    ) -> Result<Vec<DueCase>, StoreError> {
        query::due(&self.read, tenant, now, aside, limit).await
    }

    async fn next_wake(&self, tenant: &TenantId, aside: &[Vec<u8>]) -> Result<Option<Instant>, StoreError> {
        query::next_wake(&self.read, tenant, aside).await
    }

    async fn deliver(
        &self,
        tenant: &TenantId,
        now: Instant,
        day: &str,
        aside: &[Vec<u8>],
    ) -> Result<u64, StoreError> {
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
        if waiting { write::deliver(&self.write, tenant, now, day, aside).await } else { Ok(0) }
    }

    async fn find(&self, tenant: &TenantId, number: &str) -> Result<Option<CaseId>, StoreError> {
        let row =
            sqlx::query("SELECT case_id FROM cases WHERE tenant_id = $1 AND (number = $2 OR case_id = $2)")
                .bind(tenant.as_str())
                .bind(number)
                .fetch_optional(&self.read)
                .await?;
        row.map(|row| case_id(&row::text(&row, 0)?)).transpose()
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

    async fn rebuild(&self, tenant: &TenantId, change: &Change) -> Result<Outcome, StoreError> {
        rebuild::rebuild(&self.write, tenant, change).await
    }
}

/// The host clock: the one place in the program that reads it.
#[expect(clippy::disallowed_methods, reason = "the store's clock is the one place that reads the time")]
pub fn host_time() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(micros).unwrap_or_else(|| Instant::new(Default::default()))
}
