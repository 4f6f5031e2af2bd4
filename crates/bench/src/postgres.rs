//! Commands on PostgreSQL.

use std::sync::Arc;
use std::time::Instant;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::{Clock, Place};
use tests::postgres::{Server, database_of};

use crate::county::{self, Case, Site};
use crate::drive::{Ours, Side, drive};
use crate::floor_postgres::{Floor, Way};
use crate::measure::{self, Round, median_of};
use crate::report::{Report, Required, note};
use crate::source::Source;
use crate::{Plan, Result};

/// Numbers of callers, and what ours has to reach of the floor.
const CALLERS: [(usize, f64); 3] = [(16, 0.8), (64, 1.8), (256, 2.5)];
/// Callers of which the slowest command in a hundred is compared, and which several processes share.
const MIDDLE: usize = 64;
/// Processes on one store, beside one.
const PROCESSES: [usize; 3] = [2, 4, 8];
/// What they have to reach together of one.
const TOGETHER_LEAST: f64 = 0.7;
/// What deciding may take of the processor time of a command in a batch.
const DECIDE_MOST: f64 = 0.25;
/// Connections the floor may have; the best number counts.
const CONNECTIONS: [usize; 3] = [16, 32, 64];

/// A server as one would set it up for this: memory for the tables, checkpoints far apart, and files of the log kept to
/// be written over.
const SETTINGS: [&str; 5] = [
    "ALTER SYSTEM SET shared_buffers = '1GB'",
    "ALTER SYSTEM SET max_wal_size = '8GB'",
    "ALTER SYSTEM SET min_wal_size = '8GB'",
    "ALTER SYSTEM SET checkpoint_timeout = '15min'",
    "ALTER SYSTEM SET wal_compression = 'lz4'",
];

/// A server with these settings.
pub async fn server() -> Result<Server> {
    let server = Server::start().await;
    for setting in SETTINGS {
        execute(&server.url("postgres"), setting).await?;
    }
    server.stop().await;
    server.start_again().await;
    run_in(&server.url("postgres")).await?;
    Ok(server)
}

/// Goes through as many files of the log as the server keeps, and gives them back. A new server makes one anew every 16
/// MB and fills it with zeros while nobody can commit; one that has run for a while writes over those it has.
async fn run_in(url: &str) -> Result<()> {
    let kept = "SELECT pg_size_bytes(current_setting('min_wal_size')) / pg_size_bytes(current_setting('wal_segment_size'))";
    for _ in 0..ask(url, kept).await? {
        execute(url, "SELECT pg_logical_emit_message(false, '', ''); SELECT pg_switch_wal()").await?;
    }
    execute(url, "CHECKPOINT").await
}

/// Runs a statement on a connection of its own.
pub async fn execute(url: &str, statement: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Drops the indexes of tables that no constraint rests on: to fill them is faster before. Gives how they are made
/// again.
pub async fn drop_indexes(url: &str, tables: &[&str]) -> Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await?;
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1)
            AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    )
    .bind(tables)
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    for (name, _) in &found {
        execute(url, &format!("DROP INDEX {name}")).await?;
    }
    Ok(found.into_iter().map(|(_, made)| made).collect())
}

/// A number the server says.
async fn ask(url: &str, question: &str) -> Result<i64> {
    let mut connection = PgConnection::connect(url).await?;
    let answer = sqlx::query_scalar(AssertSqlSafe(question)).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(answer)
}

/// The cases of a database, dealt out to callers.
pub async fn deal(url: &str, callers: usize) -> Result<Vec<Vec<Case>>> {
    let mut connection = PgConnection::connect(url).await?;
    let rows: Vec<(String, i64, String, String)> =
        sqlx::query_as("SELECT case_id, version, main_state, enterprise FROM cases ORDER BY case_id")
            .fetch_all(&mut connection)
            .await?;
    connection.close().await?;
    county::deal(rows, callers)
}

/// A server with a database in which the cases are loaded, to be copied for each measurement.
struct Loaded {
    server: Server,
    url: String,
}

impl Loaded {
    async fn new(source: &Source, plan: &Plan, report: &mut Report) -> Result<Loaded> {
        let server = server().await?;
        let url = server.database().await;
        let place = Place::Server(url.clone());
        let site = county::found(&place, Clock::Real, source.now).await?;
        let size = "SELECT pg_database_size(current_database())";
        let empty = ask(&url, size).await?;
        source.load(&place, 1..plan.cases as usize + 1).await?;
        execute(&url, "VACUUM ANALYZE").await?;
        let per_case = (ask(&url, size).await? - empty) / i64::from(plan.cases);
        report.tell("PostgreSQL: bytes on disk of a case just opened", per_case as f64);
        drop(site);
        Ok(Loaded { server, url })
    }

    /// A database of the same contents.
    async fn copy(&self) -> Result<String> {
        let made = self.server.database().await;
        let (from, to) = (database_of(&self.url), database_of(&made));
        let admin = self.server.url("postgres");
        execute(&admin, &format!("DROP DATABASE {to}")).await?;
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{from}'");
        execute(&admin, &end).await?;
        execute(&admin, &format!("CREATE DATABASE {to} TEMPLATE {from}")).await?;
        Ok(made)
    }

    async fn drop_copy(&self, url: &str) -> Result<()> {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", database_of(url));
        execute(&self.server.url("postgres"), &drop).await
    }

    /// One round, with what it cost.
    async fn round(&self, url: &str, side: &Arc<impl Side>, callers: usize, plan: &Plan) -> Result<Round> {
        let cases = deal(url, callers).await?;
        let server = self.server.postmaster().ok_or("the server runs")?;
        let log = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        let before = (measure::own_cpu_us(), measure::tree_cpu_us(server), ask(url, log).await?);
        let begun = Instant::now();
        let latencies_us = drive(side, cases, plan.round).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let after = (measure::own_cpu_us(), measure::tree_cpu_us(server), ask(url, log).await?);
        Ok(Round {
            seconds,
            latencies_us,
            client_cpu_us: after.0 - before.0,
            server_cpu_us: after.1 - before.1,
            log_bytes: u64::try_from(after.2 - before.2)?,
        })
    }
}

/// Measures commands on PostgreSQL.
pub async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let source = Source::new(Clock::Real).await?;
    let loaded = Loaded::new(&source, plan, report).await?;
    let (middle, slow) = measure::fsync_ms(loaded.server.folder())?;
    report.tell("PostgreSQL: ms of a write and an fsync on its disk, the median", middle);
    report.tell("PostgreSQL: the same, one in a hundred", slow);
    for (callers, least) in CALLERS {
        compare(&loaded, &source, plan, callers, least, report).await?;
    }
    processes(&loaded, plan, report).await
}

/// The floor's best way with this many callers: tried in short rounds.
async fn best_floor(
    loaded: &Loaded,
    source: &Source,
    plan: &Plan,
    callers: usize,
    url: &str,
) -> Result<Arc<Floor>> {
    let mut best: Option<(f64, Way, usize)> = None;
    let trial = Plan { round: plan.round / 3, ..*plan };
    for connections in CONNECTIONS.into_iter().filter(|connections| *connections <= callers) {
        for way in [Way::Statements, Way::One] {
            let floor = Arc::new(Floor::connect(url, connections, source.steps.clone(), way).await?);
            let rate = loaded.round(url, &floor, callers, &trial).await?.rate();
            note(&format!("  floor, {callers} callers, {connections} connections, {way:?}: {rate:.0}/s"));
            if best.is_none_or(|(so_far, _, _)| rate > so_far) {
                best = Some((rate, way, connections));
            }
        }
    }
    let (_, way, connections) = best.ok_or("some way")?;
    Ok(Arc::new(Floor::connect(url, connections, source.steps.clone(), way).await?))
}

async fn compare(
    loaded: &Loaded,
    source: &Source,
    plan: &Plan,
    callers: usize,
    least: f64,
    report: &mut Report,
) -> Result<()> {
    let (our_url, floor_url) = (loaded.copy().await?, loaded.copy().await?);
    let floor = best_floor(loaded, source, plan, callers, &floor_url).await?;
    let Site { engine, .. } = county::open(&Place::Server(our_url.clone())).await?;
    let ours = Arc::new(Ours { engine });
    // The floor's trials have warmed its database and written whole pages to the log: so may ours.
    loaded.round(&our_url, &ours, callers, plan).await?;
    let (mut our_rounds, mut floor_rounds) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        our_rounds.push(loaded.round(&our_url, &ours, callers, plan).await?);
        floor_rounds.push(loaded.round(&floor_url, &floor, callers, plan).await?);
    }
    let (ours, beside) = (&our_rounds, &floor_rounds);
    let mut line = |what: &str, of: &dyn Fn(&Round) -> f64, required| {
        let what = format!("PostgreSQL, {callers} callers: {what}");
        report.compare(what, median_of(ours, of), median_of(beside, of), required);
    };
    line("commands/s", &Round::rate, Some(Required::AtLeast(least)));
    let slowest = (callers == MIDDLE).then_some(Required::AtMost(1.0));
    line("p99 of a command, ms", &Round::p99_ms, slowest);
    line("client CPU us/command", &|round| round.per_command(round.client_cpu_us), None);
    line("server CPU us/command", &|round| round.per_command(round.server_cpu_us), None);
    line("WAL bytes/command", &|round| round.per_command(round.log_bytes), None);
    if callers == MIDDLE {
        let whole =
            median_of(&our_rounds, |round| round.per_command(round.client_cpu_us + round.server_cpu_us));
        let cost = crate::decide::cost().await?;
        let what = "PostgreSQL, 64 callers: decide + encode + hash, us of all CPU us/command";
        report.compare(what, cost.decide_us, whole, Some(Required::AtMost(DECIDE_MOST)));
        report.tell("To read the state a command is decided on, CPU us", cost.decode_us);
    }
    loaded.drop_copy(&our_url).await?;
    loaded.drop_copy(&floor_url).await
}

/// Several processes beside one, with as many callers together.
async fn processes(loaded: &Loaded, plan: &Plan, report: &mut Report) -> Result<()> {
    let url = loaded.copy().await?;
    let mut alone = Vec::new();
    let mut together = vec![Vec::new(); PROCESSES.len()];
    for _ in 0..plan.rounds {
        alone.push(crate::child::together(&url, 1, MIDDLE, plan.round)?);
        for (rates, count) in together.iter_mut().zip(PROCESSES) {
            rates.push(crate::child::together(&url, count, MIDDLE, plan.round)?);
        }
    }
    let alone = measure::median(alone);
    for (rates, count) in together.into_iter().zip(PROCESSES) {
        let what = format!("PostgreSQL, {MIDDLE} callers: commands/s of {count} processes beside one");
        report.compare(what, measure::median(rates), alone, Some(Required::AtLeast(TOGETHER_LEAST)));
    }
    loaded.drop_copy(&url).await
}
