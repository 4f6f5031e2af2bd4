//! One case that cannot be moved stops no other: it is named, left alone for a while, and the rest goes on.

use std::time::{Duration, Instant};

use engine::{EngineError, Failed};
use machine::act::Auth;
use machine::command::Perform;
use tests::home::Raw;
use tests::{County, administrator, bihuan, clerk, county, morning, request, texts};
use worker::{Done, Worker};

const LADDER: &str = "tests/workflows/ladder.yaml";
const HOUR: i64 = 3_600_000_000;
/// A case whose state cannot be read.
const UNREADABLE: &str = "UPDATE cases SET state = '{}' WHERE number = ";
/// A case for which the next rung is recorded already, although its head does not know.
const RUNG_STANDS: &str =
    "INSERT INTO rungs SELECT tenant_id, case_id, 1, 0, 'ladder', 'first', 0, 9, 'fired',
    'remind', 0, 0 FROM cases WHERE number = ";
/// A case that is woken too early.
const WOKEN: &str = "UPDATE cases SET wake_at = 1 WHERE number = ";
/// A case whose id is none.
const NO_ID: &str = "UPDATE cases SET case_id = 'none' WHERE number = ";

fn number(index: usize) -> String {
    format!("CS-2026-{index:06}")
}

/// Cases due on the same day, with the first rung on Thursday 3 September.
async fn opened(cases: usize) -> (County, Raw) {
    let county = county("2026-09-01", LADDER).await;
    for index in 0..cases {
        let fields = texts(&[("responsible", "e-paper"), ("due_on", "2026-09-10")]);
        let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
        let key = format!("poison-{index}");
        county.engine.open("ladder", perform, clerk(), Auth::Asserted, key).await.expect("opened");
    }
    let raw = county.raw().await;
    (county, raw)
}

async fn damage(raw: &Raw, statement: &str, index: usize) {
    assert_eq!(raw.run(&format!("{statement}'{}'", number(index))).await, 1);
}

fn failing(errors: &[EngineError]) -> Vec<(&str, String)> {
    let cases = errors.iter().flat_map(|error| match error {
        EngineError::Failing(cases) => cases.iter(),
        other => panic!("more than a case: {other:?}"),
    });
    let mut named: Vec<_> =
        cases.map(|Failed { number, error, .. }| (number.as_str(), error.to_string())).collect();
    named.sort();
    named
}

/// Rounds until nothing is due that is not set aside: what they did, and what they said.
async fn rounds(worker: &mut Worker, now: Instant) -> Done {
    let mut all = Done::default();
    loop {
        let done = worker.round(now).await;
        all.round.moved += done.round.moved;
        all.round.digests += done.round.digests;
        all.errors.extend(done.errors);
        if done.due == 0 {
            return all;
        }
    }
}

#[tokio::test]
async fn more_failing_cases_than_a_round_holds_stop_neither_rungs_nor_digests() {
    let (county, raw) = opened(20).await;
    for (index, statement) in
        [(1, UNREADABLE), (2, RUNG_STANDS), (3, NO_ID), (4, UNREADABLE), (5, WOKEN), (6, UNREADABLE)]
    {
        damage(&raw, statement, index).await;
    }
    county.engine.store().set_clock(morning("2026-09-03").plus_micros(HOUR)).await.expect("set");
    let (mut worker, mut now) = (Worker::new(county.engine.clone(), 4), Instant::now());
    let done = rounds(&mut worker, now).await;
    let named = failing(&done.errors);
    let expected = [
        (1, "table cases, column state"),
        (2, "table rungs, column key"),
        (3, "table cases, column case_id"),
        (4, "table cases, column state"),
        (6, "table cases, column state"),
    ];
    assert_eq!(named.len(), expected.len(), "{named:?}");
    for ((found, reason), (index, expected)) in named.iter().zip(expected) {
        assert_eq!(*found, number(index));
        assert!(reason.starts_with("BH0043") && reason.contains(expected), "{reason}");
    }
    assert_eq!(done.round.moved, 15, "the others, the one woken early among them");
    assert!(done.round.digests > 0, "and the digests went out");
    assert_eq!(raw.number("SELECT count(*) FROM refusals").await, 0, "a tick is nobody's command");
    // Nothing is tried again before its pause is over, and nothing is said twice.
    assert_eq!(worker.round(now).await.due, 0);
    now += Duration::from_millis(1_001);
    let again = rounds(&mut worker, now).await;
    assert!(again.errors.is_empty(), "{:?}", again.errors);
    // The pause grows.
    now += Duration::from_millis(1_001);
    assert_eq!(worker.round(now).await.due, 0);
    // A case put right is like the others; one that fails for another reason is named again.
    damage(&raw, "UPDATE cases SET state = '[]' WHERE number = ", 4).await;
    raw.run("DELETE FROM rungs WHERE act_version = 9").await;
    now += Duration::from_secs(60);
    let again = rounds(&mut worker, now).await;
    assert_eq!(failing(&again.errors).len(), 1, "{:?}", again.errors);
    assert_eq!(failing(&again.errors)[0].0, number(4));
    assert_eq!(again.round.moved, 1);
}

#[tokio::test]
async fn a_case_that_is_woken_with_nothing_to_do_is_named_and_left_alone() {
    let (county, raw) = opened(2).await;
    damage(&raw, WOKEN, 1).await;
    let (mut worker, mut now) = (Worker::new(county.engine.clone(), 4), Instant::now());
    let done = rounds(&mut worker, now).await;
    let named = failing(&done.errors);
    assert_eq!(named.len(), 1, "{named:?}");
    assert!(named[0].0 == number(1) && named[0].1.contains("wake_at"), "{named:?}");
    for _ in 0..3 {
        now += Duration::from_secs(60);
        let again = rounds(&mut worker, now).await;
        assert!(again.errors.is_empty(), "said once: {:?}", again.errors);
    }
}

#[tokio::test]
async fn simulated_time_goes_on_without_the_failing_case_and_names_it_at_the_end() {
    let (county, raw) = opened(5).await;
    damage(&raw, UNREADABLE, 3).await;
    let ended = bihuan(&county.path, &["work", "--until", "2026-09-20"]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("BH0044") && said.contains(&number(3)) && said.contains("BH0043"), "{said}");
    let named = said.lines().filter(|line| line.contains("CS-2026"));
    assert_eq!(named.count(), 1, "once, and no other: {said}");
    assert_eq!(said.matches("CS-2026").count(), said.matches(&number(3)).count(), "{said}");
    assert_eq!(raw.number("SELECT count(*) FROM rungs").await, 4 * 4, "four cases, four rungs each");
    assert_eq!(raw.number("SELECT count(*) FROM notices WHERE delivery_id IS NULL").await, 0);
    assert_eq!(raw.number("SELECT count(*) FROM refusals").await, 0);
}

#[tokio::test]
async fn an_unreadable_row_fails_for_its_own_caller_alone() {
    let (county, raw) = opened(3).await;
    damage(&raw, UNREADABLE, 2).await;
    let ids = raw.texts("SELECT case_id FROM cases ORDER BY number").await;
    // All at once: they share one read and one transaction.
    let mut running = tokio::task::JoinSet::new();
    for (index, id) in ids.into_iter().enumerate() {
        let engine = county.engine.clone();
        let comment = machine::Command::Comment { text: "已电话提醒".to_owned() };
        let request = request(id.parse().expect("an id"), comment, clerk(), None);
        running.spawn(async move { (index, engine.execute(request).await) });
    }
    while let Some(answer) = running.join_next().await {
        match answer.expect("ran") {
            (1, answer) => assert!(matches!(answer, Err(EngineError::Damaged(_))), "{answer:?}"),
            (index, answer) => assert_eq!(answer.expect("done").acts, 1, "{index}"),
        }
    }
}

#[tokio::test]
async fn a_calendar_is_counted_into_every_other_case() {
    let (county, raw) = opened(4).await;
    damage(&raw, UNREADABLE, 2).await;
    let china = calendar::china();
    let mut year = china.years().find(|year| year.year == 2026).expect("published").clone();
    // One more day off before the due date: the first rung moves back by a day.
    let day = calendar::parse_date("2026-09-09").expect("a day");
    year.off.push(calendar::Off { from: day, to: day, name: "invented".to_owned() });
    let revised = china.with_year("revised", year).expect("a calendar");
    let loaded = county.engine.load_calendar(&revised, &administrator()).await;
    let Err(error @ EngineError::Failing(_)) = loaded else { panic!("{loaded:?}") };
    let errors = [error];
    assert_eq!(failing(&errors).len(), 1);
    let moved = "SELECT count(*) FROM acts WHERE name = 'recalculate'";
    assert_eq!(raw.number(moved).await, 3, "the three others");
}

#[tokio::test]
async fn a_rung_that_stands_already_says_so() {
    let (county, raw) = opened(1).await;
    damage(&raw, RUNG_STANDS, 1).await;
    county.engine.store().set_clock(morning("2026-09-03").plus_micros(HOUR)).await.expect("set");
    let refused = bihuan(&county.path, &["comment", &number(1), "已电话提醒", "--as", "clerk-lin"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("BH0043") && said.contains("rungs"), "{said}");
    assert!(bihuan(&county.path, &["rebuild"]).status.success());
    let done = bihuan(&county.path, &["comment", &number(1), "已电话提醒", "--as", "clerk-lin"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
