//! I3 under kill -9: two workers, and acts from a third process; every rung once, in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use machine::Instant;
use machine::command::Perform;
use tests::home::Raw;
use tests::{County, bihuan, binary, county, morning, texts};

const CASES: i64 = 2_000;
/// The mornings on which a rung of every case falls due: each stage is two thousand rungs.
const STAGES: [(&str, &str); 4] =
    [("first", "2026-09-03"), ("second", "2026-09-09"), ("third", "2026-09-11"), ("fourth", "2026-09-17")];
/// Kills that have to count in each stage.
const KILLS: usize = 25;
/// Acts that have to find their case not yet swept, so that they record the rung themselves.
const RUNGS_BY_ACTS: usize = 10;

fn start(path: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.args(arguments).args(["--lang", "en"]).env("BIHUAN_STORE", path).env_remove("BIHUAN_TENANT");
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn worker(path: &Path) -> Child {
    start(path, &["work", "--batch", "4"])
}

/// The act of the third process: sent again with its key when it was killed, and new once it came through.
#[derive(Default)]
struct Third {
    number: Option<String>,
    done: i64,
    killed: usize,
    rungs_by_acts: usize,
}

impl Third {
    /// Starts the act, on the case next in line or on the last one.
    async fn start(&mut self, county: &County, raw: &Raw, now: Instant) -> Child {
        if self.number.is_none() {
            let order = if self.done % 2 == 0 { "ASC" } else { "DESC" };
            let (now, place) = (now.micros(), place(raw));
            let line =
                format!("SELECT number FROM cases WHERE wake_at <= {now} ORDER BY {place} {order} LIMIT 1");
            let number = raw.texts(&line).await.pop();
            self.number = Some(number.unwrap_or_else(|| format!("CS-2026-{CASES:06}")));
        }
        let key = format!("act-{}", self.done);
        let photo = county.folder.path().join(&key);
        std::fs::write(&photo, &key).expect("written");
        let evidence = format!("photo={}", photo.display());
        let number = self.number.clone().expect("chosen");
        let who = "safety-he/paper-safety";
        let act = ["act", &number, "report_progress", "--as", who, "--key", &key];
        start(&county.path, &[&act[..], &["--field", "progress=50%", "--evidence", &evidence]].concat())
    }

    /// An act and its key are there together, at whatever moment somebody looks.
    async fn with_its_key(&self, raw: &Raw) {
        let number = self.number.as_deref().expect("chosen");
        let apart = format!(
            "SELECT (SELECT count(*) FROM acts WHERE case_id = c.case_id AND name = 'report_progress')
                - (SELECT count(*) FROM idempotency WHERE case_id = c.case_id AND key LIKE 'act-%')
             FROM cases c WHERE number = '{number}'"
        );
        assert_eq!(raw.number(&apart).await, 0, "an act of the third process without its key");
    }

    /// Ends the act with the workers. One that came through is followed by another.
    async fn end(&mut self, mut act: Child, raw: &Raw, now: Instant) {
        act.kill().expect("killed or gone");
        let ended = act.wait_with_output().expect("gone");
        self.with_its_key(raw).await;
        match ended.status.code() {
            Some(0) => {
                let number = self.number.take().expect("chosen");
                // The workers go through the cases in order: what is past due behind this one shows that
                // they had not come to it.
                let (now, place) = (now.micros(), place(raw));
                let behind = raw
                    .number(&format!(
                        "SELECT CASE WHEN wake_at <= {now} THEN 0 ELSE
                            (SELECT count(*) FROM cases c WHERE wake_at <= {now} AND c.{place} < cases.{place}) END
                         FROM cases WHERE number = '{number}'"
                    ))
                    .await;
                self.rungs_by_acts += usize::from(behind > 50);
                self.done += 1;
            }
            None => self.killed += 1,
            Some(code) => failed(code, &ended.stderr),
        }
    }
}

fn failed(code: i32, said: &[u8]) -> ! {
    panic!("the act of the third process ended with {code}: {}", String::from_utf8_lossy(said))
}

/// What says where a row lies, and so in which order those due at one moment are picked.
fn place(raw: &Raw) -> &'static str {
    match raw {
        Raw::File(_) => "rowid",
        Raw::Server(_) => "ctid",
    }
}

async fn rungs(raw: &Raw) -> i64 {
    raw.number("SELECT count(*) FROM rungs").await
}

/// What has to hold at any moment, whoever was killed in the middle of what.
async fn nothing_is_half_done(raw: &Raw, recipients: &BTreeMap<&str, i64>, stage: i64, now: Instant) {
    let twice = "SELECT count(*) FROM (SELECT 1 FROM rungs GROUP BY case_id, rung, repeat HAVING count(*) > 1) AS twice";
    assert_eq!(raw.number(twice).await, 0, "rungs recorded twice");
    let astray = format!(
        "SELECT count(*) FROM cases LEFT JOIN (SELECT case_id, count(*) AS n FROM rungs GROUP BY case_id) r
            ON r.case_id = cases.case_id
         WHERE coalesce(n, 0) <> {stage} - CASE WHEN wake_at <= {} THEN 1 ELSE 0 END",
        now.micros()
    );
    assert_eq!(raw.number(&astray).await, 0, "cases whose wake-up does not agree with their rungs");
    let told =
        "SELECT r.rung, r.n, coalesce(t.n, 0) FROM (SELECT rung, count(*) AS n FROM rungs GROUP BY rung) r
         LEFT JOIN (SELECT rung, count(*) AS n FROM notices GROUP BY rung) t ON t.rung = r.rung";
    for (rung, recorded, notices) in raw.rows::<(String, i64, i64)>(told).await {
        assert_eq!(notices, recorded * recipients[rung.as_str()], "notices of the rung {rung}");
    }
    let torn = "SELECT count(*) FROM cases WHERE version <> (SELECT count(*) FROM acts
         WHERE acts.tenant_id = cases.tenant_id AND acts.case_id = cases.case_id)";
    assert_eq!(raw.number(torn).await, 0, "heads that do not agree with their acts");
}

async fn opened() -> County {
    let county = county("2026-09-01", "tests/workflows/ladder.yaml").await;
    let mut opening = tokio::task::JoinSet::new();
    for index in 0..CASES {
        let engine = county.engine.clone();
        opening.spawn(async move {
            let fields = texts(&[("responsible", "e-paper"), ("due_on", "2026-09-10")]);
            let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
            tests::open(&engine, "ladder", perform, &format!("kill-{index}")).await
        });
    }
    opening.join_all().await;
    county
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rung_is_recorded_once_and_in_order_whatever_is_killed() {
    let county = opened().await;
    let raw = county.raw().await;
    let directory = county.engine.catalog().directory().await.expect("read");
    let held = |role: &str, unit| i64::try_from(directory.holders(role, unit).len()).expect("few");
    let (owner, office) = (held("responsible", Some(&"e-paper".into())), held("office", None));
    assert!(owner > 0 && office > 0);
    let recipients =
        [("first", owner), ("second", owner + office), ("third", owner + office), ("fourth", office)].into();
    let (mut random, mut turns, mut third) = (7_u64, 0, Third::default());
    for (stage, (_, day)) in (1..).zip(STAGES) {
        let now = morning(day).plus_micros(3_600_000_000);
        county.engine.store().set_clock(now).await.expect("set");
        let mut kills = 0;
        while kills < KILLS {
            let before = rungs(&raw).await;
            assert!(before < CASES * stage, "the rungs ran out after {kills} kills of {KILLS}");
            let mut workers = [worker(&county.path), worker(&county.path)];
            let act = third.start(&county, &raw, now).await;
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let wanted = before + 1 + i64::try_from(random >> 59).expect("small");
            for _ in 0..10_000 {
                third.with_its_key(&raw).await;
                if rungs(&raw).await >= wanted {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Anywhere in what they do next, not just behind a commit.
            tokio::time::sleep(Duration::from_micros((random >> 40) % 8_192)).await;
            for worker in &mut workers {
                worker.kill().expect("killed");
            }
            third.end(act, &raw, now).await;
            for worker in &mut workers {
                worker.wait().expect("gone");
            }
            nothing_is_half_done(&raw, &recipients, stage, now).await;
            let after = rungs(&raw).await;
            kills += usize::from(before < after && after < CASES * stage);
            turns += 1;
            let total = usize::try_from(stage - 1).expect("few") * KILLS + kills;
            println!("kill {total}/{}: {after} of {} rungs", 4 * KILLS, 4 * CASES);
            assert!(turns < 8 * KILLS, "the kills do not fall between rungs");
        }
        // What is left of the stage, by a worker that may live, and by the act that was killed.
        let mut last = worker(&county.path);
        let act = third.start(&county, &raw, now).await;
        let ended = act.wait_with_output().expect("ended");
        match ended.status.code() {
            Some(0) => {}
            code => failed(code.unwrap_or(-1), &ended.stderr),
        }
        third.number = None;
        third.done += 1;
        // Counted, and not picked: what somebody writes to is picked by nobody else.
        let due = format!("SELECT count(*) FROM cases WHERE wake_at <= {}", now.micros());
        while raw.number(&due).await > 0 {
            assert!(last.try_wait().expect("asked").is_none(), "the worker ended by itself");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        last.kill().expect("killed");
        last.wait().expect("gone");
        nothing_is_half_done(&raw, &recipients, stage, now).await;
        assert_eq!(rungs(&raw).await, CASES * stage, "every rung, once");
    }
    in_order(&raw).await;
    let acts = raw.number("SELECT count(*) FROM acts WHERE name = 'report_progress'").await;
    assert_eq!(acts, third.done, "every act of the third process once, killed or not");
    println!("{acts} acts: {} killed and sent again, {} recorded a rung", third.killed, third.rungs_by_acts);
    assert!(third.killed > 0 && third.rungs_by_acts >= RUNGS_BY_ACTS);
    let verified = bihuan(&county.path, &["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// The rungs of every case in the order of its acts, and the digests they went out in.
async fn in_order(raw: &Raw) {
    let orders = "SELECT line, count(*) FROM
            (SELECT case_id, string_agg(rung || ' ' || result, ', ' ORDER BY act_version) AS line
             FROM rungs GROUP BY case_id) AS lines
         GROUP BY line";
    let orders: Vec<(String, i64)> = raw.rows(orders).await;
    let order = "first fired, second fired, third fired, fourth fired".to_owned();
    assert_eq!(orders, [(order, CASES)], "the rungs of every case, in order");
    let miscounted = "SELECT count(*) FROM deliveries WHERE notices <> (SELECT count(*) FROM notices
         WHERE notices.delivery_id = deliveries.delivery_id)";
    assert_eq!(raw.number(miscounted).await, 0, "digests that do not hold what they say");
}
