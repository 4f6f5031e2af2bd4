//! Workers on a real clock, which is the server's: right whatever the clocks of their hosts say, and awake in time.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engine::Engine;
use machine::Instant;
use machine::act::Auth;
use machine::command::Perform;
use store::{Clock, Place};
use tests::home::{Home, Raw};
use tests::postgres::Server;
use tests::{binary, clerk, keep_unchecked, morning, project, settle, texts};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::history::all_holds;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// How wrong the clocks of five hosts are.
const WRONG: [&str; 5] = ["+10y", "-10y", "+1h", "-1h", "+0"];
/// Cases whose rungs fall due one after the other.
const CASES: i64 = 50;
const APART: i64 = SECOND / 50;
/// From before they are opened to the first of the rungs.
const AHEAD: i64 = 5 * SECOND;
/// The same of a case that wakes a sleeping worker.
const SOON: i64 = SECOND / 10;
/// How often one is woken.
const WAKINGS: usize = 9;
/// How long anything is waited for, and how long between two looks at it.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(5);

/// A store on the clock of a server, and a look at its rows.
struct Real {
    url: String,
    engine: Engine,
    raw: Raw,
}

impl Real {
    async fn new() -> Real {
        let url = Server::shared().await.database().await;
        let place = Place::Server(url.clone());
        // It is given a time, as every store is, and has no use for it.
        let store = place.create(Clock::Real, morning("2026-09-01")).await.expect("a store");
        let engine = settle(store).await;
        keep_unchecked(&engine, "tests/workflows/moment.yaml").await;
        Real { url, engine, raw: Raw::of(&place).await }
    }

    async fn now(&self) -> Instant {
        self.engine.store().clock().await.expect("read")
    }

    /// Waits until a count is reached; fails when it never is.
    async fn reaches(&self, count: &str, goal: i64) {
        let counting = async {
            while self.raw.number(count).await < goal {
                tokio::time::sleep(LOOK).await;
            }
        };
        assert!(timeout(PATIENCE, counting).await.is_ok(), "not {goal} in time: {count}");
    }
}

/// Opens a case whose first rung falls on a moment, an hour before it is due.
async fn open(engine: &Engine, rung: Instant, key: String) -> String {
    let fields = texts(&[("due_at", &rung.plus_micros(HOUR).to_string())]);
    let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
    let opened = engine.open("moment", perform, clerk(), Auth::Asserted, key).await;
    opened.expect("opened").case.to_string()
}

/// Gives a program a host whose clock is wrong. Where that cannot be done it is a failure, never a skip.
fn wrong_by(command: &mut Command, clock: &str) {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    let library = PathBuf::from(library);
    assert!(
        library.exists(),
        "install the Debian package `libfaketime` (./test does): {}",
        library.display()
    );
    // Such a host waits as long as any other.
    command.env("LD_PRELOAD", library).env("FAKETIME", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

/// By how many hours the program is wrong where it asks its host.
async fn hours_off(clock: &str) -> i64 {
    let home = Home::file();
    let mut command = Command::new(binary());
    command.args(["init", "--organisation"]).arg(project().join("workflows/sample/organisation.yaml"));
    command.env("BIHUAN_STORE", home.named()).env_remove("BIHUAN_TENANT");
    wrong_by(&mut command, clock);
    let made = command.output().expect("it starts");
    assert!(made.status.success(), "{made:?}");
    let there = Raw::of(&home.place).await.number("SELECT max(loaded_at) FROM calendars").await;
    (there - store::sqlite::host_time().micros() + HOUR / 2).div_euclid(HOUR)
}

/// A worker process.
struct Worker(Child);

impl Worker {
    fn start(url: &str, clock: Option<&str>) -> Worker {
        let mut command = Command::new(binary());
        command.args(["work", "--lang", "en"]).env("BIHUAN_STORE", url).env_remove("BIHUAN_TENANT");
        if let Some(clock) = clock {
            wrong_by(&mut command, clock);
        }
        let started = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        Worker(started.expect("it starts"))
    }

    /// Asks it to end. It has complained of no case.
    fn end(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        assert!(asked.expect("sent").success());
        let mut said = String::new();
        self.0.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
        assert!(self.0.wait().expect("ended").success() && !said.contains("BH0043"), "{said}");
    }
}

impl Drop for Worker {
    /// Where the test has failed it still runs.
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_clocks_of_hosts_make_no_rung_early_or_late() {
    for (clock, least, most) in [("+10y", 87_600, 87_720), ("-10y", -87_720, -87_600), ("-1h", -1, -1)] {
        let off = hours_off(clock).await;
        assert!((least..=most).contains(&off), "with {clock} the program is {off} hours wrong");
    }
    let real = Real::new().await;
    let mut opened = 0;
    // The two worst have to do it alone; then all at once.
    for clocks in [&WRONG[..1], &WRONG[1..2], &WRONG] {
        let workers: Vec<Worker> = clocks.iter().map(|clock| Worker::start(&real.url, Some(clock))).collect();
        let first = real.now().await.plus_micros(AHEAD);
        let mut opening = JoinSet::new();
        for index in 0..CASES {
            let (engine, key) = (real.engine.clone(), format!("clocks-{}", opened + index));
            opening.spawn(async move { open(&engine, first.plus_micros(APART * index), key).await });
        }
        opening.join_all().await;
        opened += CASES;
        real.reaches("SELECT count(*) FROM rungs WHERE rung = 'soon'", opened).await;
        let now = real.now().await.micros();
        let early = format!(
            "SELECT count(*) FROM rungs WHERE recorded_at < due_at OR due_at > {now} OR recorded_at > {now}"
        );
        assert_eq!(real.raw.number(&early).await, 0, "rungs before their time, with {clocks:?}");
        let others = "SELECT count(*) FROM rungs WHERE rung <> 'soon' OR result <> 'fired'";
        assert_eq!(real.raw.number(others).await, 0, "nothing else was to be done, with {clocks:?}");
        assert_eq!(real.raw.number("SELECT count(*) FROM rungs").await, opened, "each once");
        assert_eq!(real.raw.number("SELECT count(*) FROM acts").await, 2 * opened, "an act each");
        let late = format!("SELECT max(recorded_at - due_at) FROM rungs WHERE due_at >= {}", first.micros());
        tests::told(&format!(
            "C5: {CASES} rungs by workers whose hosts are wrong by {}: none early, the latest by {} ms",
            clocks.join(", "),
            real.raw.number(&late).await / 1_000
        ));
        workers.into_iter().for_each(Worker::end);
    }
    all_holds(&real.engine).await;
}

/// By how many microseconds too late a sleeping worker recorded rungs that another process had written just
/// before: the middle of them.
async fn lateness(listen: &str) -> i64 {
    let real = Real::new().await;
    let worker = Worker::start(&format!("{}{listen}", real.url), None);
    let mut late = Vec::new();
    let mut tries = 0;
    while late.len() <= WAKINGS {
        tries += 1;
        assert!(tries < 100, "no case is opened within {SOON} microseconds");
        // The worker has just done the one before and goes to sleep.
        let rung = real.now().await.plus_micros(SOON);
        let case = open(&real.engine, rung, format!("waking-{tries}")).await;
        real.reaches(&format!("SELECT count(*) FROM rungs WHERE case_id = '{case}'"), 1).await;
        let found =
            format!("SELECT recorded_at - due_at FROM rungs WHERE case_id = '{case}' AND result = 'fired'");
        // None where opening it took longer than that.
        late.extend(real.raw.rows::<(i64,)>(&found).await.into_iter().map(|(late,)| late));
    }
    worker.end();
    // The first includes the start of the process.
    late.remove(0);
    late.sort_unstable();
    late[WAKINGS / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nearer_deadline_of_another_process_wakes_a_sleeping_worker() {
    // At the same time, so that a busy machine is as busy for both.
    let (woken, looking) = tokio::join!(lateness(""), lateness("&bihuan_listen=off"));
    tests::told(&format!(
        "a rung written {} ms ahead by another process was recorded {} ms late by a worker that is told of it, and \
         {} ms late by one that looks by itself",
        SOON / 1_000,
        woken / 1_000,
        looking / 1_000
    ));
    // Who is not told sleeps on for the rest of a second.
    assert!(2 * woken < looking, "hearing of it brings nothing: {woken} and {looking} microseconds");
}
