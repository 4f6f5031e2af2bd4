//! What a caller of the engine may rely on, with one process and with several.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Stopwatch};

use engine::EngineError;
use machine::act::Auth;
use machine::command::Perform;
use machine::state::State;
use machine::value::{CaseId, Value};
use machine::{Command as Wish, Definition, Refusal};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::Filter;
use tests::home::{Home, Raw};
use tests::{
    County, binary, clerk, county, empty_county, morning, open, open_hazard, project, request, texts,
};

const FILE: &str = "workflows/general-hazard.yaml";

fn comment(text: &str) -> Wish {
    Wish::Comment { text: text.to_owned() }
}

fn start(county: &County, line: &str) -> Child {
    let mut command = Command::new(binary());
    command.args(line.split(' ')).args(["--lang", "en"]).env("BIHUAN_STORE", &county.path);
    command.env_remove("BIHUAN_TENANT").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

#[tokio::test]
async fn the_same_opening_from_many_processes_at_once_is_one_case() {
    let county = county("2026-09-01", FILE).await;
    let line = "open general-hazard --as clerk-lin --key one --field place=仓库 --field description=堵塞 \
        --field sector=industry --field source=self_check --field responsible=e-paper --field due_on=2026-09-30";
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let running: Vec<Child> = (0..8).map(|_| start(&county, &line)).collect();
    let mut answers = BTreeSet::new();
    for child in running {
        let ended = child.wait_with_output().expect("ended");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        answers.insert(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    assert_eq!(answers.len(), 1, "all are told the same number: {answers:?}");
    let counts = "SELECT (SELECT count(*) FROM cases), (SELECT count(*) FROM acts)";
    assert_eq!(county.raw().await.rows::<(i64, i64)>(counts).await, [(1, 1)]);
}

#[tokio::test]
async fn commands_on_one_case_are_recorded_in_the_order_they_were_sent() {
    let county = county("2026-09-01", FILE).await;
    let case = open_hazard(&county.engine, "order", "2026-09-30").await.case;
    let mut sending = Vec::new();
    for index in 0..100 {
        let engine = county.engine.clone();
        let request = request(case, comment(&index.to_string()), clerk(), None);
        sending.push(tokio::spawn(async move { engine.execute(request).await }));
    }
    for (index, sent) in sending.into_iter().enumerate() {
        assert_eq!(sent.await.expect("ran").expect("recorded").version as usize, index + 2);
    }
    let acts = county.engine.acts(case).await.expect("read");
    let said: Vec<String> = acts.into_iter().filter_map(|act| act.reason).collect();
    assert_eq!(said, (0..100).map(|index| index.to_string()).collect::<Vec<_>>());
}

/// In one transaction with a case that keeps its own.
#[tokio::test]
async fn an_enterprise_put_right_is_found_by_the_right_name() {
    // Nothing hangs on its enterprises, which are mere names: one may be put right.
    let text = std::fs::read_to_string(project().join("tests/workflows/nyc_hpd_leadpaint.yaml"));
    let text = text.expect("the workflow file").replace("us-east", "cn").replace("clerk", "office");
    let file = machine::file::parse("names.yaml", &text).expect("well formed");
    let county = empty_county("2026-09-01").await;
    let engine = &county.engine;
    let names = Definition::compile(&file, &Default::default()).expect("no findings");
    engine.publish(&names).await.expect("published");
    let mut opened = Vec::new();
    for key in ["wrong", "stays"] {
        let fields =
            [("building", "b-1"), ("borough", "north"), ("order_no", key), ("inspected_on", "2026-08-31")];
        let perform = Perform { act: "find".to_owned(), fields: texts(&fields), ..Perform::default() };
        opened.push(open(engine, "nyc-hpd-leadpaint", perform, key).await.case);
    }
    let [wrong, stays] = opened[..] else { panic!("two cases") };
    let amend = Wish::Amend { fields: texts(&[("building", "b-2")]), reason: "写错".to_owned() };
    let (amended, said) = tokio::join!(
        engine.execute(request(wrong, amend, clerk(), None)),
        engine.execute(request(stays, comment("已电话提醒"), clerk(), None)),
    );
    amended.expect("amended");
    said.expect("recorded");
    for (building, case) in [("b-2", wrong), ("b-1", stays)] {
        let (text, called) = (Some("no such text".to_owned()), vec![building.to_owned()]);
        let filter = Filter { text, called, limit: 10, ..Filter::default() };
        let rows = engine.store().ledger(engine.tenant(), &filter).await.expect("read");
        assert_eq!(rows.iter().map(|row| row.case_id).collect::<Vec<_>>(), [case], "of {building}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_second_decides_anew_and_gives_up_after_a_while() {
    let county = county("2026-09-01", FILE).await;
    let case = open_hazard(&county.engine, "contended", "2026-09-30").await.case;
    let engines = [county.engine.clone(), county.again().await, county.again().await];
    let mut sending = tokio::task::JoinSet::new();
    for (index, engine) in engines.iter().enumerate() {
        for number in 0..60 {
            let (engine, text) = (engine.clone(), format!("{index} {number}"));
            sending.spawn(async move {
                (text.clone(), engine.execute(request(case, comment(&text), clerk(), None)).await)
            });
        }
    }
    let (mut recorded, mut gave_up) = (BTreeSet::new(), 0);
    while let Some(sent) = sending.join_next().await {
        match sent.expect("ran") {
            (text, Ok(_)) => drop(recorded.insert(text)),
            (_, Err(EngineError::Contended)) => gave_up += 1,
            (_, Err(error)) => panic!("{error:?}"),
        }
    }
    let acts = county.engine.acts(case).await.expect("read");
    let said: BTreeSet<String> = acts.iter().filter_map(|act| act.reason.clone()).collect();
    assert_eq!(said, recorded, "recorded is what was answered so, and nothing else");
    assert_eq!(acts.len(), recorded.len() + 1, "each once");
    assert!(recorded.len() > 100, "{} recorded, {gave_up} gave up", recorded.len());
    let given_up = "SELECT count(*) FROM refusals WHERE code = 'BH0037'";
    assert_eq!(county.raw().await.number(given_up).await, gave_up, "each refusal stands on record");
    // A caller that insists on the version it saw is not decided anew.
    let version = u32::try_from(acts.len()).expect("few");
    let mut outcomes = Vec::new();
    for engine in &engines {
        let mut insisting = request(case, comment("mine"), clerk(), None);
        insisting.expected_version = Some(version);
        outcomes.push(engine.execute(insisting).await);
    }
    assert!(outcomes[0].is_ok());
    for outcome in &outcomes[1..] {
        let Err(EngineError::Refused(refusal)) = outcome else { panic!("not refused: {outcome:?}") };
        assert_eq!(**refusal, Refusal::Version { expected: version, actual: version + 1 });
    }
}

#[tokio::test]
async fn a_key_stands_for_what_was_asked_and_for_nothing_that_can_be_erased() {
    let county = county("2026-09-01", FILE).await;
    let engine = &county.engine;
    let text = std::fs::read_to_string(tests::project().join(FILE)).expect("read");
    let file = text.replace("workflow: general-hazard", "workflow: other-hazard");
    let file = machine::file::parse(FILE, &file).expect("well formed");
    let other = machine::Definition::compile(&file, &Default::default()).expect("no findings");
    engine.publish(&other).await.expect("published");
    let hazard = |place: &str, contact: &str| {
        let fields = texts(&[
            ("place", place),
            ("description", "堵塞"),
            ("sector", "industry"),
            ("source", "self_check"),
            ("responsible", "e-paper"),
            ("due_on", "2026-09-30"),
            ("contact", contact),
        ]);
        Perform { act: "register".to_owned(), fields, ..Perform::default() }
    };
    let open = async |workflow: &str, perform: Perform| {
        engine.open(workflow, perform, clerk(), Auth::Asserted, "one".to_owned()).await
    };
    let opened = open("general-hazard", hazard("仓库", "13800000000")).await.expect("opened");
    assert!(open("general-hazard", hazard("仓库", "13800000000")).await.expect("answered").replayed);
    // Another workflow, another place: another request.
    for other in [
        open("other-hazard", hazard("仓库", "13800000000")),
        open("general-hazard", hazard("车间", "13800000000")),
    ] {
        assert!(matches!(other.await, Err(EngineError::KeyReused)));
    }
    let refused: Vec<(String, String)> = county.raw().await.rows("SELECT act, code FROM refusals").await;
    assert_eq!(refused, vec![("register".to_owned(), "BH0030".to_owned()); 2]);
    // What can be erased is no part of the digest, or the digest would give it away for ever.
    assert!(open("general-hazard", hazard("仓库", "13911111111")).await.expect("answered").replayed);
    // Taken back twice under one key it is taken back once, though the case has moved on.
    let take_back = || Wish::TakeBack {
        reason: "误".to_owned(),
        before: Box::new(State::empty(opened.case, "", morning("2026-09-01"))),
    };
    engine.execute(request(opened.case, comment("误"), clerk(), None)).await.expect("recorded");
    let first =
        engine.execute(request(opened.case, take_back(), clerk(), Some("back"))).await.expect("taken back");
    let again =
        engine.execute(request(opened.case, take_back(), clerk(), Some("back"))).await.expect("answered");
    assert!(again.replayed && again.version == first.version);
}

#[tokio::test]
async fn one_bad_change_fails_alone() {
    let county = county("2026-09-01", FILE).await;
    let mut cases = Vec::new();
    for index in 0..20 {
        cases.push(open_hazard(&county.engine, &format!("batch-{index}"), "2026-09-30").await.case);
    }
    let raw = county.raw().await;
    let (made, dropped) = match &raw {
        Raw::File(_) => (
            "CREATE TRIGGER poison BEFORE INSERT ON acts WHEN new.body LIKE '%poison%'
             BEGIN SELECT RAISE(ABORT, 'a constraint'); END",
            "DROP TRIGGER poison",
        ),
        Raw::Server(_) => (
            "ALTER TABLE acts ADD CONSTRAINT poison CHECK (body NOT LIKE '%poison%')",
            "ALTER TABLE acts DROP CONSTRAINT poison",
        ),
    };
    raw.run(made).await;
    let mut sending = tokio::task::JoinSet::new();
    for (index, case) in cases.iter().copied().enumerate() {
        let engine = county.engine.clone();
        let text = if index % 7 == 3 { "poison" } else { "fine" };
        sending.spawn(async move {
            (
                index,
                engine.execute(request(case, comment(text), clerk(), Some(&format!("key-{index}")))).await,
            )
        });
    }
    while let Some(sent) = sending.join_next().await {
        match sent.expect("ran") {
            (index, Ok(receipt)) => assert!(index % 7 != 3 && receipt.version == 2, "{index}: {receipt:?}"),
            (index, Err(EngineError::Store(_))) => assert_eq!(index % 7, 3),
            (index, other) => panic!("{index}: {other:?}"),
        }
    }
    // Nothing of a bad change stays: neither head nor key.
    let left = "SELECT (SELECT count(*) FROM cases WHERE version = 1),
        (SELECT count(*) FROM idempotency WHERE version = 2)";
    assert_eq!(raw.rows::<(i64, i64)>(left).await, [(3, 17)]);
    raw.run(dropped).await;
    let again = request(cases[3], comment("poison"), clerk(), Some("key-3"));
    assert_eq!(county.engine.execute(again).await.expect("recorded").version, 2);
    let report =
        engine::verify::verify(county.engine.store(), county.engine.tenant(), county.engine.catalog());
    assert_eq!(report.await.expect("verified").faults, []);
}

#[tokio::test]
async fn a_caller_that_hangs_up_cancels_nothing() {
    let county = county("2026-09-01", FILE).await;
    let case = open_hazard(&county.engine, "hang-up", "2026-09-30").await.case;
    for index in 0..50 {
        let sending = county.engine.execute(request(case, comment(&index.to_string()), clerk(), None));
        tokio::select! {
            biased;
            // Asked once, and gone before there is an answer.
            _ = sending => panic!("it was answered at once"),
            () = std::future::ready(()) => {}
        }
    }
    // One behind them in the line: once it is answered, so were they.
    county.engine.execute(request(case, comment("last"), clerk(), None)).await.expect("recorded");
    let acts = county.engine.acts(case).await.expect("read");
    let said: Vec<String> = acts.into_iter().filter_map(|act| act.reason).collect();
    let expected: Vec<String> = (0..50).map(|index| index.to_string()).chain(["last".to_owned()]).collect();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn no_process_trusts_what_it_knew_of_a_case() {
    let county = county("2026-09-01", FILE).await;
    let case = open_hazard(&county.engine, "fresh", "2026-09-30").await.case;
    let other = county.again().await;
    for turn in 0..10 {
        for engine in [&county.engine, &other] {
            let mut sent = request(case, comment("seen"), clerk(), None);
            // It would be refused on a head remembered from before the other one's act.
            let version = engine.case("YB-2026-000001").await.expect("there").0.version;
            sent.expected_version = Some(version);
            assert_eq!(engine.execute(sent).await.expect("recorded").version, version + 1, "turn {turn}");
        }
    }
}

/// The worker sleeps, but not past what other processes do.
#[tokio::test]
async fn a_worker_notices_what_another_process_wrote_within_three_seconds() {
    let county = county("2026-09-01", "tests/workflows/ladder.yaml").await;
    let mut worker = start(&county, "work");
    let raw = county.raw().await;
    let fields = texts(&[("responsible", "e-paper"), ("due_on", "2026-09-10")]);
    let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
    county.engine.open("ladder", perform, clerk(), Auth::Asserted, "one".to_owned()).await.expect("opened");
    let mut slowest = Duration::ZERO;
    for (rungs, day) in [(1_i64, "2026-09-04"), (2, "2026-09-10"), (3, "2026-09-14"), (4, "2026-09-18")] {
        county.engine.store().set_clock(morning(day)).await.expect("set");
        let since = Stopwatch::now();
        loop {
            if raw.number("SELECT count(*) FROM rungs").await >= rungs {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "not noticed on {day}");
            assert!(worker.try_wait().expect("asked").is_none(), "the worker ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The first time includes the start of the process.
        if rungs > 1 {
            slowest = slowest.max(since.elapsed());
        }
    }
    worker.kill().expect("killed");
    worker.wait().expect("gone");
    println!("noticed within {slowest:?}");
    // It sleeps a second at most; the rest is what a busy machine adds to it.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

#[tokio::test]
async fn simulated_time_is_refused_on_a_real_store() {
    let home = Home::chosen().await;
    let path = home.named();
    let organisation = tests::project().join("workflows/sample/organisation.yaml");
    let organisation = organisation.display().to_string();
    assert!(tests::bihuan(&path, &["init", "--organisation", &organisation]).status.success());
    let moved = tests::bihuan(&path, &["work", "--until", "2099-12-31"]);
    assert!(!moved.status.success() && moved.stdout.is_empty());
    assert!(String::from_utf8_lossy(&moved.stderr).contains("real clock"), "{moved:?}");
    let store = home.place.open().await.expect("opened");
    let moved = store.set_clock(morning("2099-12-31")).await;
    assert!(matches!(moved, Err(store::StoreError::RealClock)), "{moved:?}");
    let now = store.clock().await.expect("read");
    assert!(now < morning("2099-12-31"));
}

/// What somebody may do that moves no date.
#[derive(Clone, Debug)]
enum Harmless {
    Comment(String),
    Amend(&'static str, String),
    TakeBack,
    Days(u8),
}

fn harmless() -> impl Strategy<Value = Harmless> {
    let text = "[a-z\u{4e00}-\u{4eff}]{1,12}";
    prop_oneof![
        text.prop_map(Harmless::Comment),
        (prop::sample::select(vec!["place", "description", "sector", "area", "contact", "due_on"]), text)
            .prop_map(|(field, text)| Harmless::Amend(field, text)),
        Just(Harmless::Amend("due_on", "2026-12-01".to_owned())),
        Just(Harmless::Amend("competent", "housing".to_owned())),
        Just(Harmless::TakeBack),
        (0_u8..6).prop_map(Harmless::Days),
    ]
}

/// Everything of a case that is a date of a clock.
fn dates(state: &State) -> Vec<String> {
    let clocks = state.deadlines.iter().map(|clock| {
        format!(
            "{} {:?} {:?} {:?} {} {:?} {:?}",
            clock.no,
            clock.first_due,
            clock.due,
            clock.breach_at,
            clock.revision,
            clock.missed_at,
            clock.schedule
        )
    });
    clocks.chain([format!("{:?}", state.wake_at())]).collect()
}

async fn harm(county: &County, case: CaseId, doings: &[Harmless]) -> usize {
    let engine = &county.engine;
    let state = async || engine.case(&case.to_string()).await.expect("there").0;
    let mut done = 0;
    for doing in doings {
        // What is due by now is recorded first, so that nothing else can move a date.
        while engine.sweep(&[], 0, 100).await.expect("swept").moved > 0 {}
        let before = state().await;
        let wish = match doing {
            Harmless::Days(days) => {
                let now = engine.store().clock().await.expect("read");
                let later = now.plus_micros(i64::from(*days) * 24 * 3_600_000_000);
                engine.store().set_clock(later).await.expect("set");
                continue;
            }
            Harmless::Comment(text) => comment(text),
            Harmless::Amend(field, text) => {
                let fields = [((*field).to_owned(), Value::Text(text.clone()))].into();
                Wish::Amend { fields, reason: "写错".to_owned() }
            }
            // Only what was just said or put right is taken back here, never the opening.
            Harmless::TakeBack if before.last.name == "register" => continue,
            Harmless::TakeBack => {
                Wish::TakeBack { reason: "误".to_owned(), before: Box::new(before.clone()) }
            }
        };
        match engine.execute(request(case, wish, clerk(), None)).await {
            Ok(_) => done += 1,
            Err(EngineError::Refused(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(dates(&state().await), dates(&before), "{doing:?} moved a date");
    }
    done
}

/// I4.
#[test]
fn saying_putting_right_and_taking_back_never_move_a_date() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let done = std::cell::Cell::new(0);
    let ran = runner.run(&prop::collection::vec(harmless(), 1..25), |doings| {
        done.set(
            done.get()
                + runtime.block_on(async {
                    let county = county("2026-09-01", FILE).await;
                    let case = open_hazard(&county.engine, "dates", "2026-09-18").await.case;
                    harm(&county, case, &doings).await
                }),
        );
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(done.get() > 100, "only {} of them were done", done.get());
}
