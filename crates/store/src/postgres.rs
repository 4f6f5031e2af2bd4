//! The store on a PostgreSQL server, for many processes at once.

use std::str::FromStr;
use std::time::Duration;

use machine::Instant;
use machine::value::{CaseId, TenantId, UnitId};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Postgres, QueryBuilder, Row as _, Transaction};
use tokio::sync::watch;

use crate::grams::{self, Asked as Gram};
use crate::table::TABLES;
use crate::{Clock, Place, StoreError, Unfit};

type Own = PostgresStore;
type Db = Postgres;
type Pool = PgPool;
/// What batches are written with.
type Writing = PgPool;
/// What everything else is written with.
type Wanted = PgPool;
type Row = PgRow;
type Connection = PgConnection;

/// `IN` a list bound as one parameter; of texts as stored; `NOT IN` those.
macro_rules! one_of {
    ($place:literal) => {
        concat!("= ANY(", $place, ")")
    };
}
macro_rules! one_of_stored {
    ($place:literal) => {
        concat!("= ANY(", $place, ")")
    };
}
macro_rules! none_of_stored {
    ($column:literal, $place:literal) => {
        concat!("NOT ", $column, " = ANY(", $place, ")")
    };
}
/// A list bound as one parameter, to read from: its column is `value`.
macro_rules! each_of {
    ($place:literal) => {
        concat!("UNNEST(", $place, ") AS each(value)")
    };
}
/// A text as stored, bound as a parameter.
macro_rules! stored {
    ($place:literal) => {
        $place
    };
}
/// A column with JSON in it.
macro_rules! json_of {
    ($column:literal) => {
        concat!($column, "::json")
    };
}
/// A join that is walked in the order it is written in: the planner knows better.
macro_rules! join_in_order {
    () => {
        "JOIN"
    };
}
/// The cases in some states, a list bound as one parameter.
macro_rules! cases_in {
    ($states:literal) => {
        concat!("(SELECT * FROM cases WHERE main_state = ANY(", $states, ")) c")
    };
}
/// The row of history that held of each case at a moment, else the newest, to be joined: a look by its key for each. As
/// a condition on the version the planner would sort or hash everything that ever held.
macro_rules! held {
    ($($moment:literal)?) => {
        concat!(
            "LATERAL (SELECT * FROM history WHERE tenant_id = $1 AND case_id = c.case_id",
            $(" AND from_at <= ", $moment,)?
            " ORDER BY version DESC LIMIT 1) h"
        )
    };
}
/// Cases picked, without those somebody else is writing. Picked first and then locked: what is passed over would
/// be locked too.
macro_rules! unlocked {
    ($picked:expr) => {
        concat!(
            "SELECT case_id, number FROM cases WHERE tenant_id = $1 AND case_id = ANY(ARRAY(SELECT case_id ",
            $picked,
            ")) ORDER BY wake_at FOR NO KEY UPDATE SKIP LOCKED"
        )
    };
}

/// The time of the server, in microseconds.
macro_rules! server_time {
    () => {
        "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
    };
}

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
mod others;
#[path = "sql/outbox.rs"]
mod outbox;
#[path = "sql/query.rs"]
mod query;
#[path = "sql/raw.rs"]
mod raw;
#[path = "sql/rebuild.rs"]
mod rebuild;
#[path = "sql/row.rs"]
mod row;
mod rows;
#[path = "sql/store.rs"]
mod store;
#[path = "sql/write.rs"]
mod write;

use self::others::Others;
use self::rows::commit_batch;

/// Oldest server this program was tried on, as the server numbers itself.
const VERSION_MIN: i64 = 150_000;
/// Connections of one process.
const WRITING_MAX: u32 = 4;
const READING_MAX: u32 = 8;
/// Batches under way at once: one is made durable, one is written, one is decided.
const BATCHES_MAX: usize = 3;
/// How long a free connection, or a server that can be written, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A store in a database of a PostgreSQL server.
pub struct PostgresStore {
    write: PgPool,
    read: PgPool,
    clock: Clock,
    nearer: watch::Sender<()>,
    /// What other processes tell, unless it is switched off.
    others: Option<Others>,
}

impl PostgresStore {
    /// Makes a store of an empty database. One that was begun and never held a jurisdiction is begun anew.
    pub async fn create(url: &str, clock: Clock, now: Instant) -> Result<Self, StoreError> {
        let (options, listens) = options(url)?;
        let shown = Place::Server(url.to_owned()).to_string();
        match look(&options).await? {
            Found::Nothing | Found::Begun => {}
            Found::Store => return Err(StoreError::Unfit(Unfit::Exists { path: shown })),
            Found::Other => return Err(StoreError::Unfit(Unfit::NotAStore { path: shown })),
        }
        let (write, read) = pools(options.clone()).await?;
        migrate::migrate(&write, sqlx::migrate!("../../migrations/postgres")).await?;
        sqlx::query("DELETE FROM store_settings WHERE tenant_id = ''").execute(&write).await?;
        Self::fix_kind(&write, clock, now).await?;
        let others = listens.then(|| Others::new(options));
        Ok(PostgresStore { write, read, clock, nearer: watch::Sender::new(()), others })
    }

    /// Opens a store and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let (options, listens) = options(url)?;
        let shown = Place::Server(url.to_owned()).to_string();
        match look(&options).await? {
            Found::Store | Found::Begun => {}
            Found::Nothing => return Err(StoreError::Unfit(Unfit::Missing { path: shown })),
            Found::Other => return Err(StoreError::Unfit(Unfit::NotAStore { path: shown })),
        }
        let (write, read) = pools(options.clone()).await?;
        migrate::migrate(&write, sqlx::migrate!("../../migrations/postgres")).await?;
        let clock = Self::kind(&write, &shown).await?;
        let others = listens.then(|| Others::new(options));
        Ok(PostgresStore { write, read, clock, nearer: watch::Sender::new(()), others })
    }

    /// Opens a database for a store to be copied into: an empty one, or one where that was cut short.
    pub async fn receive(url: &str) -> Result<Self, StoreError> {
        let (options, _) = options(url)?;
        let shown = Place::Server(url.to_owned()).to_string();
        if let Found::Other = look(&options).await? {
            return Err(StoreError::Unfit(Unfit::NotAStore { path: shown }));
        }
        let (write, read) = pools(options).await?;
        migrate::migrate(&write, sqlx::migrate!("../../migrations/postgres")).await?;
        copy::begin(&write, &shown).await?;
        // It has no time of its own yet.
        Ok(PostgresStore { write, read, clock: Clock::Real, nearer: watch::Sender::new(()), others: None })
    }

    /// Ends all connections.
    pub async fn close(self) -> Result<(), StoreError> {
        self.read.close().await;
        self.write.close().await;
        Ok(())
    }

    /// Tells other processes of a near deadline. After the commit, since the server lets one commit at a time
    /// pass that tells something; and nobody waits for it.
    fn tell_others(&self) {
        if self.others.is_some() {
            let pool = self.write.clone();
            tokio::spawn(async move { others::tell(&pool).await });
        }
    }

    /// Passes on what other processes tell.
    fn hear_others(&self) {
        if let Some(others) = &self.others {
            others.hear(&self.nearer);
        }
    }

    /// The time of the server: whichever process asks, it is one time.
    async fn real_time(&self) -> Result<Instant, StoreError> {
        let micros: i64 =
            sqlx::query_scalar(concat!("SELECT ", server_time!())).fetch_one(&self.read).await?;
        crate::instant(micros)
    }
}

/// The options of a URL, and whether other processes are listened to. `bihuan_listen=off` is for what stands
/// between and cannot pass it on: a pooler, another database of this protocol.
fn options(url: &str) -> Result<(PgConnectOptions, bool), StoreError> {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("bihuan_listen="));
    let pairs: Vec<&str> = pairs.collect();
    let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    let options = PgConnectOptions::from_str(&format!("{place}{query}"))?;
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("bihuan") };
    Ok((options, !url.contains("bihuan_listen=off")))
}

/// What a database holds.
enum Found {
    /// No table at all.
    Nothing,
    /// A store without a jurisdiction.
    Begun,
    /// A store.
    Store,
    /// Something else.
    Other,
}

/// Looks at what is there before anything is written to it: it may belong to somebody else.
async fn look(options: &PgConnectOptions) -> Result<Found, StoreError> {
    let mut connection = options.connect().await?;
    check_fitness(&mut connection).await?;
    let (tables, steps, ours): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE c.relname = '_sqlx_migrations'),
            count(*) FILTER (WHERE c.relname IN ('store_settings', 'tenants', '_sqlx_migrations'))
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    )
    .fetch_one(&mut connection)
    .await?;
    let found = match (tables, steps, ours) {
        (0, ..) => Found::Nothing,
        // The list of steps is made before the first of them.
        (1, 1, _) => Found::Begun,
        (.., 3) => {
            let held: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tenants)")
                .fetch_one(&mut connection)
                .await?;
            if held { Found::Store } else { Found::Begun }
        }
        _ => Found::Other,
    };
    connection.close().await?;
    Ok(found)
}

async fn pools(options: PgConnectOptions) -> Result<(PgPool, PgPool), StoreError> {
    let write = pool(options.clone(), WRITING_MAX, WRITING, TRUSTED_FOR).await?;
    let read = pool(options, READING_MAX, "", Duration::ZERO).await?;
    Ok((write, read))
}

async fn pool(
    options: PgConnectOptions,
    connections: u32,
    session: &'static str,
    trusted_for: Duration,
) -> Result<PgPool, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        // The question below is asked instead.
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SESSION).execute(&mut *connection).await?;
                sqlx::raw_sql(session).execute(&mut *connection).await?;
                // A standby answers, and cannot be written: whoever waits for a connection waits for the primary.
                if fit_to_write(connection).await? { Ok(()) } else { Err(sqlx::Error::WorkerCrashed) }
            })
        })
        .before_acquire(move |connection, used| {
            Box::pin(async move {
                let trusted = used.idle_for < trusted_for && !connection.is_in_transaction();
                Ok(trusted || fit_to_write(connection).await?)
            })
        });
    Ok(pool.connect_with(options).await?)
}

/// A process that stands still in the middle of a transaction must not make all others wait for it, and nobody
/// waits for a row for ever.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '10s'";

/// What is written is found by its key, also while the server still believes a table to be small; rows that come are
/// joined to those that stand by hashing, for in a loop each would be compared with every other; and the plan is made
/// once and not for every batch, which takes as long as writing a case. The state of a case is compressed with lz4, in
/// less time than the old way takes, by a server that knows it. The last line is for the server's memory: once a
/// large piece was given back, glibc keeps twice as much, instead of asking for it anew with every batch.
const WRITING: &str = "SET enable_seqscan = off; SET enable_nestloop = off; SET enable_bitmapscan = off;
    SET jit = off; SET plan_cache_mode = force_generic_plan;
    SELECT set_config('default_toast_compression', 'lz4', false) FROM pg_catalog.pg_settings
    WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals);
    SELECT octet_length(repeat(repeat('x', 1000), 4000))";

/// So long after it was given back a writing connection is taken as it is, unless the driver says it is inside a
/// transaction: the question costs a batch as much as a case. A primary becomes a standby only by starting anew, and
/// every transaction that writes runs to its end in a task of its own, whoever hangs up.
const TRUSTED_FOR: Duration = Duration::from_millis(100);

/// Whether a connection can be used: not to a standby or a server that became one, and not left inside somebody's
/// transaction, where what is acknowledged next would be undone. Sent as one simple query: within it the time
/// of the transaction and that of the statement are one, unless the transaction is older.
async fn fit_to_write(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT current_setting('transaction_read_only') = 'off' AND now() = statement_timestamp()",
    )
    .fetch_one(connection)
    .await?;
    row.try_get(0)
}

/// What durability rests on.
async fn check_fitness(connection: &mut PgConnection) -> Result<(), StoreError> {
    let (number, version, found): (i64, String, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
            'fsync=' || current_setting('fsync') || ' full_page_writes=' || current_setting('full_page_writes')
            || ' synchronous_commit=' || (current_setting('synchronous_commit') <> 'off')
            || ' server_encoding=' || current_setting('server_encoding')",
    )
    .fetch_one(connection)
    .await?;
    if number < VERSION_MIN {
        let least = (VERSION_MIN / 10_000).to_string();
        return Err(StoreError::Unfit(Unfit::Old { version, least }));
    }
    let needed = "fsync=on full_page_writes=on synchronous_commit=true server_encoding=UTF8".to_owned();
    if found == needed { Ok(()) } else { Err(StoreError::Unfit(Unfit::Lax { found, needed })) }
}

/// The pool that writes.
async fn wanted(pool: &Writing) -> Result<Wanted, StoreError> {
    Ok(pool.clone())
}

/// A transaction that may write. What it joins, the planner may join as it sees fit.
async fn begin_write(pool: &Pool) -> Result<Transaction<'static, Db>, StoreError> {
    Ok(pool.begin_with("BEGIN; SET LOCAL enable_nestloop = on; SET LOCAL enable_bitmapscan = on").await?)
}

/// A transaction that commits changes.
async fn begin_commit(pool: &Writing) -> Result<Transaction<'static, Db>, StoreError> {
    Ok(pool.begin_with("BEGIN").await?)
}

/// A transaction that sees one moment and may write; it fails, and is run anew, where others were at the same
/// rows.
async fn begin_alone(pool: &Pool) -> Result<Transaction<'static, Db>, StoreError> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL enable_nestloop = on;
        SET LOCAL enable_bitmapscan = on";
    Ok(pool.begin_with(begin).await?)
}

/// What is read in it is of one moment.
async fn begin_snapshot(pool: &Pool) -> Result<Transaction<'static, Db>, StoreError> {
    Ok(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?)
}

/// A snapshot for looking for a text: by the index of its grams, also where the server cannot know how many texts it
/// stands in; but one that has none is looked for in all.
async fn begin_lookup(pool: &Pool, text: &str) -> Result<Transaction<'static, Db>, StoreError> {
    let mut snapshot = begin_snapshot(pool).await?;
    if !grams::asked(text).is_empty() {
        sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *snapshot).await?;
    }
    Ok(snapshot)
}

/// Makes others of this tenant wait who number something.
async fn lock_tenant(connection: &mut Connection, tenant: &TenantId) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE")
        .bind(tenant.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes others wait who write to this case.
async fn lock_case(connection: &mut Connection, tenant: &TenantId, case: CaseId) -> Result<(), StoreError> {
    sqlx::query("SELECT 1 FROM cases WHERE tenant_id = $1 AND case_id = $2 FOR UPDATE")
        .bind(tenant.as_str())
        .bind(case.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets a transaction be durable only with the next one that has to be. The log is written in order: a case
/// with a number in it is never durable before the number is.
async fn may_wait(connection: &mut Connection) -> Result<(), StoreError> {
    sqlx::query("SET LOCAL synchronous_commit = off").execute(connection).await?;
    Ok(())
}

/// A text somebody asks for, as a parameter. The server takes none with a zero in it, and keeps none.
fn asked(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Some texts as one parameter.
fn list<T: AsRef<str>>(values: &[T]) -> Vec<String> {
    values.iter().map(|value| asked(value.as_ref())).collect()
}

/// A text as stored, as a parameter. The server keeps no text that is none.
fn stored(text: Vec<u8>) -> String {
    String::from_utf8_lossy(&text).into_owned()
}

/// Some of them.
fn stored_ids(ids: &[Vec<u8>]) -> Vec<String> {
    ids.iter().cloned().map(stored).collect()
}

/// Adds `IN` a list.
fn push_list<T: AsRef<str>>(query: &mut QueryBuilder<Db>, values: &[T]) {
    query.push("= ANY(").push_bind(list(values)).push(")");
}

/// Adds `IN` a list of pairs.
fn push_pairs(query: &mut QueryBuilder<Db>, pairs: &[(String, UnitId)]) {
    let (roles, units): (Vec<String>, Vec<String>) =
        pairs.iter().map(|(role, unit)| (role.clone(), unit.to_string())).unzip();
    query.push("IN (SELECT * FROM UNNEST(").push_bind(roles).push(", ").push_bind(units).push("))");
}

/// Whether each part of a UNION is put in order and cut off by itself: in what is put together the server sees no
/// order of its parts, and would read and sort all of each.
const CUT_APART: bool = true;

/// Before a column: no index of it is used. The planner knows better.
const NO_INDEX: &str = "";

/// In front of what is found, though it is each once: it is found before anything else then. A server that was free
/// to would walk all cases in their order, and look at the text of each until a page is full, where hardly any has it.
const EACH_ONCE: &str = "DISTINCT ";

/// Where a text stands in another, from 1 on; 0 where it does not.
const POSITION: &str = "strpos";

/// Adds the texts another stands in, by the index of their grams; one without a letter in it has none, and is looked
/// for in all.
fn push_found(query: &mut QueryBuilder<Db>, tenant: &TenantId, text: &str, each: &str) {
    let gram = |gram: Gram| match gram {
        Gram::Pair(pair) => format!("'{pair}'"),
        Gram::From(letter) => format!("'{letter}':*"),
    };
    let grams: Vec<String> = grams::asked(text).into_iter().map(gram).collect();
    query
        .push(format!("SELECT {each}case_id AS found_id FROM texts WHERE tenant_id = "))
        .push_bind(tenant.as_str().to_owned());
    if !grams.is_empty() {
        query.push(" AND array_to_tsvector(string_to_array(grams, ' ')) @@ ");
        query.push_bind(grams.join(" & ")).push("::tsquery");
    }
    query.push(format!(" AND {POSITION}(text, ")).push_bind(asked(text)).push(") > 0");
}

/// Adds the cases of enterprises.
fn push_of_enterprises(query: &mut QueryBuilder<Db>, tenant: &TenantId, enterprises: &[String]) {
    query
        .push("SELECT case_id AS found_id FROM cases WHERE tenant_id = ")
        .push_bind(tenant.as_str().to_owned());
    query.push(" AND enterprise ");
    push_list(query, enterprises);
}

/// The table whose key was used already.
fn table_of(refused: &dyn DatabaseError) -> Option<&'static str> {
    let said = refused.table()?;
    TABLES.iter().map(|table| table.name).find(|table| *table == said)
}
