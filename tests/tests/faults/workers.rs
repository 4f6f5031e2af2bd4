//! Workers that are killed, and workers that stand still, while others go on: every rung once, in order.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::Engine;
use machine::Instant;
use machine::act::Auth;
use machine::command::Perform;
use sqlx::{AssertSqlSafe, PgPool};
use store::{Clock, Place};
use tests::postgres::{Server, database_of};
use tests::{binary, clerk, definition, morning, settle, texts};
use tokio::task::JoinSet;

use crate::history::{again, all_holds};

const CASES: i64 = 10_000;
/// The mornings on which a rung of every case falls due.
const STAGES: [&str; 4] = ["2026-09-03", "2026-09-09", "2026-09-11", "2026-09-17"];
/// Faults in each stage: with 1, 2, 4 and 8 processes a thousand kills, and stops besides.
const FAULTS: i64 = 84;
/// Every so many of them is a stop, where another worker goes on meanwhile.
const STOPS: i64 = 4;

/// Cases of the ladder, all due on one day, in a database that is copied for every number of processes.
async fn loaded(server: &Server) -> String {
    let url = server.database().await;
    let store = Place::Server(url.clone()).create(Clock::Simulated, morning("2026-09-01")).await;
    let engine = settle(store.expect("a store")).await;
    engine.publish(&definition("tests/workflows/ladder.yaml")).await.expect("published");
    let mut opening = JoinSet::new();
    for part in 0..64 {
        let engine = engine.clone();
        opening.spawn(async move {
            for index in (0..CASES).filter(|index| index % 64 == part) {
                let fields = texts(&[("responsible", "e-paper"), ("due_on", "2026-09-10")]);
                let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
                let key = format!("worked-{index}");
                engine.open("ladder", perform, clerk(), Auth::Asserted, key).await.expect("opened");
            }
        });
    }
    opening.join_all().await;
    database_of(&url).to_owned()
}

/// A copy of a database.
async fn copied(server: &Server, of: &str, name: &str) -> String {
    let pool = PgPool::connect(&server.url("postgres")).await.expect("connected");
    let statements = [
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{of}'"),
        format!("CREATE DATABASE {name} TEMPLATE {of}"),
    ];
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.expect("done");
    }
    server.url(name)
}

/// A worker process, under a name by which the server knows its connections.
struct Worker {
    name: String,
    process: Child,
}

impl Worker {
    fn start(url: &str, name: String, said: &Path) -> Worker {
        let said = std::fs::File::create(said.join(&name)).expect("a file");
        let mut command = Command::new(binary());
        command.args(["work", "--batch", "50", "--json", "--lang", "en"]);
        command.env("BIHUAN_STORE", format!("{url}&application_name={name}"));
        let process = command.stdout(said).stderr(Stdio::null()).spawn().expect("it starts");
        Worker { name, process }
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(done.expect("sent").success(), "{signal}");
    }

    /// Whether it stands in the middle of a transaction.
    async fn in_transaction(&self, pool: &PgPool) -> bool {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state <> 'idle'",
        )
        .bind(&self.name)
        .fetch_one(pool)
        .await
        .expect("counted");
        open > 0
    }

    fn end(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

async fn count(pool: &PgPool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(pool).await.expect("counted")
}

/// Cases due and not yet swept.
async fn waiting(pool: &PgPool, now: Instant) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM cases WHERE tenant_id = 'qingyuan' AND wake_at <= $1")
        .bind(now.micros())
        .fetch_one(pool)
        .await
        .expect("counted")
}

/// Waits until no more than so many wait.
async fn waits(pool: &PgPool, now: Instant, goal: i64) {
    let sweeping = async {
        while waiting(pool, now).await > goal {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(120);
    tokio::time::timeout(patience, sweeping).await.expect("the workers go on");
}

#[derive(Default, Debug)]
struct Tally {
    kills: usize,
    in_doubt: usize,
    stops: usize,
    stopped_in_doubt: usize,
    outrun: u64,
}

/// Four rungs of every case, by so many workers, of which one after the other is killed or stopped.
async fn swept(url: &str, processes: usize, tally: &mut Tally) -> Engine {
    let engine = again(url).await;
    let pool = PgPool::connect(url).await.expect("connected");
    let said = tempfile::tempdir().expect("a folder");
    let mut started = 0;
    let mut start = || {
        started += 1;
        Worker::start(url, format!("w{processes}-{started}"), said.path())
    };
    let mut workers: Vec<Worker> = (0..processes).map(|_| start()).collect();
    for day in STAGES {
        let now = morning(day).plus_micros(3_600_000_000);
        engine.store().set_clock(now).await.expect("set");
        for fault in 1..=FAULTS {
            // The last faults fall where there is still something left to do.
            waits(&pool, now, CASES - CASES * fault / (FAULTS + 4)).await;
            let victim = usize::try_from(fault).expect("small") % processes;
            workers[victim].signal("-STOP");
            let open = workers[victim].in_transaction(&pool).await;
            let left = waiting(&pool, now).await;
            if fault % STOPS == 0 && processes > 1 {
                waits(&pool, now, left.saturating_sub(CASES / (FAULTS + 4))).await;
                workers[victim].signal("-CONT");
                tally.stops += 1;
                tally.stopped_in_doubt += usize::from(open);
            } else {
                workers[victim].end();
                tally.kills += usize::from(left > 0);
                tally.in_doubt += usize::from(open);
                workers[victim] = start();
            }
        }
        waits(&pool, now, 0).await;
    }
    for worker in &mut workers {
        worker.end();
    }
    for file in std::fs::read_dir(said.path()).expect("the folder") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("read");
        let rounds = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        tally.outrun += rounds.filter_map(|round| round["outrun"].as_u64()).sum::<u64>();
    }
    engine
}

/// Every rung once and in order, with its notices; heads that agree with their acts.
async fn everything_happened_once(pool: &PgPool) {
    let twice =
        "SELECT count(*) FROM (SELECT 1 FROM rungs GROUP BY case_id, rung, repeat HAVING count(*) > 1) t";
    assert_eq!(count(pool, twice).await, 0, "rungs recorded twice");
    let orders: Vec<(String, i64)> = sqlx::query_as(
        "SELECT line, count(*) FROM (SELECT case_id, string_agg(rung || ' ' || result, ', ' ORDER BY act_version)
            AS line FROM rungs GROUP BY case_id) lines GROUP BY line",
    )
    .fetch_all(pool)
    .await
    .expect("read");
    let order = "first fired, second fired, third fired, fourth fired".to_owned();
    assert_eq!(orders, [(order, CASES)], "the rungs of every case, in order");
    let early = "SELECT count(*) FROM rungs WHERE recorded_at < due_at";
    assert_eq!(count(pool, early).await, 0, "rungs before their time");
    let told = "SELECT count(*) FROM (SELECT r.case_id, r.rung, count(n.notice_id) AS told FROM rungs r
        LEFT JOIN notices n ON n.case_id = r.case_id AND n.act_version = r.act_version GROUP BY r.case_id, r.rung) t
        WHERE told <> (CASE rung WHEN 'first' THEN 1 WHEN 'fourth' THEN 2 ELSE 3 END)";
    assert_eq!(count(pool, told).await, 0, "rungs whose notices are not all there");
    let torn = "SELECT count(*) FROM cases c WHERE version <> (SELECT count(*) FROM acts a
        WHERE a.tenant_id = c.tenant_id AND a.case_id = c.case_id)";
    assert_eq!(count(pool, torn).await, 0, "heads that do not agree with their acts");
    let miscounted = "SELECT count(*) FROM deliveries d WHERE notices <> (SELECT count(*) FROM notices n
        WHERE n.delivery_id = d.delivery_id)";
    assert_eq!(count(pool, miscounted).await, 0, "digests that do not hold what they say");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rung_once_whatever_worker_is_killed_or_stopped() {
    let server = Server::start().await;
    let template = loaded(&server).await;
    let (mut kills, mut in_doubt, mut outrun) = (0, 0, 0);
    for processes in [1, 2, 4, 8] {
        let url = copied(&server, &template, &format!("swept{processes}")).await;
        let mut tally = Tally::default();
        let begun = std::time::Instant::now();
        let engine = swept(&url, processes, &mut tally).await;
        tests::told(&format!(
            "C1, C3, C4: {processes} processes, {CASES} cases x {} rungs in {} s: {} kills, {} of them inside a \
             transaction; {} stops, {} of them inside one; {} cases another had seen to; 0 lost, 0 twice",
            STAGES.len(),
            begun.elapsed().as_secs(),
            tally.kills,
            tally.in_doubt,
            tally.stops,
            tally.stopped_in_doubt,
            tally.outrun
        ));
        everything_happened_once(&PgPool::connect(&url).await.expect("connected")).await;
        if processes == 8 {
            all_holds(&engine).await;
        }
        kills += tally.kills;
        in_doubt += tally.in_doubt + tally.stopped_in_doubt;
        outrun += tally.outrun;
    }
    assert!(kills >= 1_000, "only {kills} kills counted");
    assert!(in_doubt > 100, "hardly any was inside a transaction: {in_doubt}");
    assert!(outrun > 0, "no worker ever came too late: nothing stale was turned away");
}
