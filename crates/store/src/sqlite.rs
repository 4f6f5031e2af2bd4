//! The embedded store.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use machine::Instant;
use machine::act::hex;
use machine::value::{CaseId, TenantId, UnitId};
use serde_json::json;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::watch;

use crate::error::cannot_open;
use crate::grams::{self, Asked as Gram};
use crate::table::TABLES;
use crate::{Clock, StoreError, Unfit};

/// Batches under way at once: one is written, one is decided. Larger ones change fewer pages for each case.
const BATCHES_MAX: usize = 2;
/// How often a database found locked is opened anew, and how long is waited between.
const OPEN_ATTEMPTS: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// How long one look at a database found locked waits.
const LOOK_PATIENCE: Duration = Duration::from_millis(100);
/// How long a writer waits for another.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long whoever still reads is waited for in the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

type Own = SqliteStore;
type Db = Sqlite;
type Pool = SqlitePool;
/// What batches are written with.
type Writing = Arc<Writer>;
type Row = SqliteRow;
type Connection = SqliteConnection;

/// `IN` a list bound as one parameter; of texts as stored; `NOT IN` those.
macro_rules! one_of {
    ($place:literal) => {
        concat!("IN (SELECT value FROM json_each(", $place, "))")
    };
}
macro_rules! one_of_stored {
    ($place:literal) => {
        concat!("IN (SELECT CAST(unhex(value) AS TEXT) FROM json_each(", $place, "))")
    };
}
macro_rules! none_of_stored {
    ($column:literal, $place:literal) => {
        concat!("lower(hex(", $column, ")) NOT IN (SELECT value FROM json_each(", $place, "))")
    };
}
/// A list bound as one parameter, to read from: its column is `value`.
macro_rules! each_of {
    ($place:literal) => {
        concat!("json_each(", $place, ")")
    };
}
/// A text as stored, bound as a parameter.
macro_rules! stored {
    ($place:literal) => {
        concat!("CAST(", $place, " AS TEXT)")
    };
}
/// A column with JSON in it.
macro_rules! json_of {
    ($column:literal) => {
        $column
    };
}
/// A join that is walked in the order it is written in.
macro_rules! join_in_order {
    () => {
        "CROSS JOIN"
    };
}
/// The cases in some states, a list bound as one parameter: from each state to its cases. Of a list it cannot see into
/// SQLite expects so many that it walks all cases instead.
macro_rules! cases_in {
    ($states:literal) => {
        concat!("json_each(", $states, ") CROSS JOIN cases c ON c.main_state = value")
    };
}
/// The row of history that held of each case at a moment, else the newest, to be joined in order: the other way round
/// everything that ever held would be read.
macro_rules! held {
    ($($moment:literal)?) => {
        concat!(
            "history h ON h.tenant_id = $1 AND h.case_id = c.case_id AND h.version = (SELECT max(version) FROM history
                WHERE tenant_id = $1 AND case_id = c.case_id",
            $(" AND from_at <= ", $moment,)?
            ")"
        )
    };
}
/// Cases picked, without those somebody else is writing: nobody is.
macro_rules! unlocked {
    ($picked:expr) => {
        concat!("SELECT case_id, number ", $picked)
    };
}

mod batch;
#[path = "sql/catalog.rs"]
mod catalog;
mod cell;
#[path = "sql/commit.rs"]
mod commit;
#[path = "sql/copy.rs"]
mod copy;
mod known;
#[path = "sql/lists.rs"]
mod lists;
#[path = "sql/migrate.rs"]
mod migrate;
#[path = "sql/named.rs"]
mod named;
#[path = "sql/outbox.rs"]
mod outbox;
#[path = "sql/query.rs"]
mod query;
#[path = "sql/raw.rs"]
mod raw;
#[path = "sql/rebuild.rs"]
mod rebuild;
mod refused;
#[path = "sql/row.rs"]
mod row;
mod rows;
#[path = "sql/store.rs"]
mod store;
#[path = "sql/write.rs"]
mod write;
mod writer;

use self::batch::commit_batch;
use self::migrate::migrate;
pub(crate) use self::refused::Refused;
use self::writer::{Wanted, Writer};

/// Oldest SQLite without the WAL-reset corruption bug.
const VERSION_MIN: (u32, u32, u32) = (3, 51, 3);
/// Marks a database as ours ("bihu").
const APPLICATION_ID: i64 = 0x6269_6875;

/// A store in one SQLite file.
pub struct SqliteStore {
    write: Writing,
    read: SqlitePool,
    clock: Clock,
    nearer: watch::Sender<()>,
}

impl SqliteStore {
    /// Creates a store. Refuses a file that exists.
    pub async fn create(path: &Path, clock: Clock, now: Instant) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Unfit(Unfit::Exists { path: path.display().to_string() }));
        }
        let (write, read) = pools(path, true).await?;
        migrate(&write, sqlx::migrate!("../../migrations/sqlite")).await?;
        Self::fix_kind(&write, clock, now).await?;
        Ok(SqliteStore { write: Writer::new(path, write), read, clock, nearer: watch::Sender::new(()) })
    }

    /// Opens a database for a store to be copied into: a new one, or one where that was cut short.
    pub async fn receive(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            check_ours(path).await?;
        }
        let (write, read) = pools(path, !path.exists()).await?;
        migrate(&write, sqlx::migrate!("../../migrations/sqlite")).await?;
        copy::begin(&write, &path.display().to_string()).await?;
        // It has no time of its own yet.
        Ok(SqliteStore {
            write: Writer::new(path, write),
            read,
            clock: Clock::Real,
            nearer: watch::Sender::new(()),
        })
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
        migrate(&write, sqlx::migrate!("../../migrations/sqlite")).await?;
        let clock = Self::kind(&write, &path.display().to_string()).await?;
        Ok(SqliteStore { write: Writer::new(path, write), read, clock, nearer: watch::Sender::new(()) })
    }

    /// Ends all work on the file. What was written lies in the one file then, which may be moved; it fails
    /// where that could not be done, be it that the disk is full or that somebody still reads.
    pub async fn close(self) -> Result<(), StoreError> {
        // The last connection to go must be one that may write, to fold the log into the file.
        self.read.close().await;
        let write = self.write.last().await?;
        let folded = fold_log(&write).await;
        write.close().await;
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
        .busy_timeout(PATIENCE)
        // Rows come from a thread of their own; a longer queue saves most of the switching.
        .row_buffer_size(1_024);
    let options = SETTINGS.into_iter().fold(options, |options, (name, value)| options.pragma(name, value));
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
                let fit = check_fitness(connection).await;
                fit.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
            })
        })
    };
    let writing =
        WRITING.into_iter().fold(options.clone(), |options, (name, value)| options.pragma(name, value));
    let write = pool(1).connect_with(writing).await.map_err(unfit)?;
    if create {
        sqlx::query("PRAGMA application_id = 1651075189").execute(&write).await?;
    }
    let read = pool(4).connect_with(options.read_only(true)).await.map_err(unfit)?;
    Ok((write, read))
}

/// What durability and trust rest on, of every connection.
const SETTINGS: [(&str, &str); 3] =
    [("journal_mode", "WAL"), ("synchronous", "FULL"), ("trusted_schema", "OFF")];

/// Of those that write: a batch changes some ten pages for each case. They fit in memory, and so do those put back should
/// one statement of several fail, instead of a file. Not more than that: when pages were put in order, SQLite goes
/// through all it has in memory at the commit. Batches see to it that the log is folded into the file; what else is
/// written does so only where it wrote much and no batch came by.
const WRITING: [(&str, &str); 3] =
    [("cache_size", "-16384"), ("temp_store", "MEMORY"), ("wal_autocheckpoint", "32000")];

/// The settings as they are.
const FOUND: &str =
    "SELECT 'journal_mode=' || journal_mode || ' synchronous=' || synchronous || ' trusted_schema='
        || trusted_schema FROM pragma_journal_mode, pragma_synchronous, pragma_trusted_schema";

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

/// Every connection has settings of its own; each is read back, instead of believing that it was set.
async fn check_fitness(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    fit(version, sqlx::query_scalar(FOUND).fetch_one(connection).await?)
}

/// Whether a version, and settings, are what durability and trust rest on.
fn fit(version: String, found: String) -> Result<(), StoreError> {
    let mut parts = version.split('.').map(|part| u32::from_str(part).unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) < VERSION_MIN {
        let (major, minor, patch) = VERSION_MIN;
        let least = format!("{major}.{minor}.{patch}");
        return Err(StoreError::Unfit(Unfit::Old { version, least }));
    }
    let needed = "journal_mode=wal synchronous=2 trusted_schema=0".to_owned();
    if found == needed { Ok(()) } else { Err(StoreError::Unfit(Unfit::Lax { found, needed })) }
}

/// The pool that writes, for everything but batches.
async fn wanted(writer: &Writing) -> Result<Wanted, StoreError> {
    writer.pool().await
}

/// A transaction that may write: it has the lock from its beginning.
async fn begin_write(pool: &Pool) -> Result<Transaction<'static, Db>, StoreError> {
    Ok(pool.begin_with("BEGIN IMMEDIATE").await?)
}

/// A transaction that sees one moment and may write: whoever writes here is alone anyway.
async fn begin_alone(pool: &Pool) -> Result<Transaction<'static, Db>, StoreError> {
    begin_write(pool).await
}

/// What is read in it is of one moment. Nothing is written in it, so there is no lock it could fail to get.
async fn begin_snapshot(pool: &Pool) -> Result<Transaction<'static, Db>, StoreError> {
    Ok(pool.begin_with("BEGIN DEFERRED").await?)
}

/// A snapshot for looking for a text, which may take some statements.
async fn begin_lookup(pool: &Pool, _: &str) -> Result<Transaction<'static, Db>, StoreError> {
    begin_snapshot(pool).await
}

/// Makes others of this tenant wait who number something: whoever writes here is alone anyway.
async fn lock_tenant(_: &mut Connection, _: &TenantId) -> Result<(), StoreError> {
    Ok(())
}

/// The same, of a case.
async fn lock_case(_: &mut Connection, _: &TenantId, _: CaseId) -> Result<(), StoreError> {
    Ok(())
}

/// Lets a transaction be durable only with the next one that has to be: not to be had here.
async fn may_wait(_: &mut Connection) -> Result<(), StoreError> {
    Ok(())
}

/// A text somebody asks for, as a parameter.
fn asked(text: &str) -> String {
    text.to_owned()
}

/// Some texts as one parameter.
fn list<T: AsRef<str>>(values: &[T]) -> String {
    json!(values.iter().map(AsRef::as_ref).collect::<Vec<&str>>()).to_string()
}

/// A text as stored, as a parameter: a damaged one need not be text.
fn stored(text: Vec<u8>) -> Vec<u8> {
    text
}

/// Some of them: as hex, since JSON could not carry one that is no text.
fn stored_ids(ids: &[Vec<u8>]) -> String {
    json!(ids.iter().map(|id| hex(id)).collect::<Vec<_>>()).to_string()
}

/// Adds `IN` a list.
fn push_list<T: AsRef<str>>(query: &mut QueryBuilder<Db>, values: &[T]) {
    query.push("IN (SELECT value FROM json_each(").push_bind(list(values)).push("))");
}

/// Adds `IN` a list of pairs.
fn push_pairs(query: &mut QueryBuilder<Db>, pairs: &[(String, UnitId)]) {
    query.push("IN (SELECT value->>0, value->>1 FROM json_each(");
    query.push_bind(json!(pairs).to_string()).push("))");
}

/// Whether each part of a UNION is put in order and cut off by itself: here they are walked side by side anyway.
const CUT_APART: bool = false;

/// Before a column: no index of it is used.
const NO_INDEX: &str = "+";

/// In front of what is found: it is each once.
const EACH_ONCE: &str = "";

/// Where a text stands in another, from 1 on; 0 where it does not.
const POSITION: &str = "instr";

/// Adds the texts another stands in, by the index of their grams; one without a letter in it has none, and is looked
/// for in all.
fn push_found(query: &mut QueryBuilder<Db>, tenant: &TenantId, text: &str, each: &str) {
    let gram = |gram: Gram| match gram {
        Gram::Pair(pair) => format!("\"{pair}\""),
        Gram::From(letter) => format!("\"{letter}\" *"),
    };
    let grams: Vec<String> = grams::asked(text).into_iter().map(gram).collect();
    query.push(format!("SELECT {each}case_id AS found_id FROM "));
    if grams.is_empty() {
        query.push("texts WHERE ");
    } else {
        query.push("texts_grams CROSS JOIN texts ON text_no = texts_grams.rowid WHERE texts_grams MATCH ");
        query.push_bind(grams.join(" AND ")).push(" AND ");
    }
    query.push("tenant_id = ").push_bind(tenant.as_str().to_owned());
    query.push(format!(" AND {POSITION}(text, ")).push_bind(text.to_owned()).push(") > 0");
}

/// Adds the cases of enterprises: from each of them to its cases. Of a list it cannot see into SQLite expects so many
/// that it may walk all cases instead.
fn push_of_enterprises(query: &mut QueryBuilder<Db>, tenant: &TenantId, enterprises: &[String]) {
    query.push("SELECT case_id AS found_id FROM json_each(").push_bind(list(enterprises));
    query.push(") CROSS JOIN cases ON enterprise = value AND tenant_id = ");
    query.push_bind(tenant.as_str().to_owned());
}

/// The table whose key was used already.
fn table_of(refused: &dyn DatabaseError) -> Option<&'static str> {
    // "UNIQUE constraint failed: rungs.tenant_id, rungs.case_id, …"
    let said = refused.message();
    TABLES.iter().map(|table| table.name).find(|table| said.contains(&format!(" {table}.")))
}

impl SqliteStore {
    /// The time of the host.
    async fn real_time(&self) -> Result<Instant, StoreError> {
        Ok(host_time())
    }

    /// Other processes look by themselves within the time a worker sleeps.
    fn tell_others(&self) {}

    /// What other processes tell: nothing.
    fn hear_others(&self) {}
}

/// The host clock: the one place in the program that reads it.
#[expect(clippy::disallowed_methods, reason = "the store's clock is the one place that reads the time")]
pub fn host_time() -> Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(micros).unwrap_or_else(|| Instant::new(Default::default()))
}
