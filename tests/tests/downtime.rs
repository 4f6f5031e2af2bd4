//! What was missed is recorded in order and once; nobody is flooded, and nobody is called on a day off.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use machine::Instant;
use machine::act::Auth;
use machine::command::Perform;
use tests::home::Raw;
use tests::{County, clerk, county, morning, open_hazard, texts};

const HOUR: i64 = 3_600_000_000;
const LADDER: &str = "tests/workflows/ladder.yaml";

async fn open(county: &County, key: &str, responsible: &str, due_on: &str) {
    let fields = texts(&[("responsible", responsible), ("due_on", due_on)]);
    let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
    county.engine.open("ladder", perform, clerk(), Auth::Asserted, key.to_owned()).await.expect("opened");
}

/// Nobody works until this moment; then the worker does what there is to do.
async fn awake(county: &County, at: Instant) -> worker::Round {
    county.engine.store().set_clock(at).await.expect("set");
    worker::simulate(&county.engine, at).await.expect("worked")
}

/// The lives of the ladders: rungs and results in the order of the acts, and how many cases had that one.
async fn lives(raw: &Raw) -> Vec<(String, i64)> {
    raw.rows(
        "SELECT line, count(*) FROM (SELECT string_agg(rung || ' ' || result, ', ' ORDER BY act_version) AS line
            FROM rungs GROUP BY case_id) lines GROUP BY line",
    )
    .await
}

async fn digests(raw: &Raw, day: &str) -> BTreeMap<String, i64> {
    let sent = format!("SELECT recipient, notices FROM deliveries WHERE day = '{day}'");
    raw.rows(&sent).await.into_iter().collect()
}

#[tokio::test]
async fn a_week_of_downtime_loses_no_rung_and_sends_one_digest() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let engine = &county.engine;
    for index in 0..30 {
        open_hazard(engine, &format!("down-{index}"), "2026-09-18").await;
    }
    // Nobody works from before the first reminder until after the second week of being overdue.
    engine.store().set_clock(morning("2026-09-29")).await.expect("set");
    worker::simulate(engine, morning("2026-09-29").plus_micros(3_600_000_000)).await.expect("worked");
    let raw = county.raw().await;
    let rows = "SELECT ladder, rung, result, count(*) FROM rungs GROUP BY ladder, rung, result
        ORDER BY min(act_version)";
    let rows: Vec<(String, String, String, i64)> = raw.rows(rows).await;
    let rows: Vec<String> =
        rows.iter().map(|(ladder, rung, result, n)| format!("{ladder} {rung} {result} {n}")).collect();
    assert_eq!(
        rows,
        [
            "enterprise soon overtaken 30",
            "enterprise tomorrow overtaken 30",
            "enterprise overdue fired 30",
            "enterprise again fired 30",
            "duty_holder tomorrow overtaken 30",
            "duty_holder overdue fired 30",
        ]
    );
    let digests = "SELECT recipient, count(*) FROM deliveries GROUP BY recipient, day ORDER BY recipient";
    let digests: Vec<(String, i64)> = raw.rows(digests).await;
    assert!(digests.len() >= 5 && digests.iter().all(|(_, count)| *count == 1), "{digests:?}");
    assert_eq!(raw.number("SELECT count(*) FROM notices WHERE delivery_id IS NULL").await, 0);
}

#[tokio::test]
async fn after_a_week_down_everybody_gets_one_digest_however_much_was_missed() {
    let county = county("2026-09-01", LADDER).await;
    let enterprises: Vec<String> = (1..=60).map(|number| format!("e-{number:02}")).collect();
    for (index, enterprise) in enterprises.iter().chain(&enterprises).enumerate() {
        open(&county, &format!("week-{index}"), enterprise, "2026-09-10").await;
    }
    let raw = county.raw().await;
    worker::simulate(&county.engine, morning("2026-09-07")).await.expect("worked");
    assert_eq!(lives(&raw).await, [("first fired".to_owned(), 120)]);
    // Down for a week: the second rung, the due date and the third rung pass unseen.
    awake(&county, morning("2026-09-14").plus_micros(HOUR)).await;
    let life = "first fired, second overtaken, third fired".to_owned();
    assert_eq!(lives(&raw).await, [(life, 120)]);
    let sent = "SELECT count(*) FROM notices WHERE rung = 'second'";
    assert_eq!(raw.number(sent).await, 0, "a reminder that was overtaken is not sent");
    let directory = county.engine.catalog().directory().await.expect("read");
    let mut expected = BTreeMap::new();
    for enterprise in &enterprises {
        for person in directory.holders("responsible", Some(&enterprise.as_str().into())) {
            *expected.entry(person.to_string()).or_insert(0) += 2;
        }
    }
    for person in directory.holders("office", None) {
        expected.insert(person.to_string(), 120);
    }
    assert!(expected.len() > 50, "many recipients");
    assert_eq!(digests(&raw, "2026-09-14").await, expected, "one digest each, with all of it");
    assert_eq!(raw.number("SELECT count(*) FROM notices WHERE delivery_id IS NULL").await, 0);
    // A digest of 120 names 20 and counts them all.
    let inbox = county.engine.store().inbox(county.engine.tenant(), &"clerk-lin".into(), None, 10).await;
    let newest = inbox.expect("read").swap_remove(0);
    assert_eq!((newest.day.as_str(), newest.notices, newest.lines.len()), ("2026-09-14", 120, 20));
    // Nothing is sent a second time.
    assert_eq!(awake(&county, morning("2026-09-15").plus_micros(HOUR)).await, worker::Round::default());
    let late = "SELECT count(*) FROM rungs WHERE rung = 'third' AND recorded_at - due_at = 259200000000 + 1800000000";
    assert_eq!(raw.number(late).await, 120, "due Friday 08:30, recorded Monday 09:00: lateness is kept");
}

#[tokio::test]
async fn what_comes_after_the_digest_of_the_day_waits_for_the_next() {
    let county = county("2026-09-01", LADDER).await;
    for index in 0..10 {
        open(&county, &format!("after-{index}"), "e-paper", "2026-09-10").await;
    }
    let raw = county.raw().await;
    let (store, tenant) = (county.engine.store(), county.engine.tenant());
    let now = morning("2026-09-11").plus_micros(HOUR);
    store.set_clock(now).await.expect("set");
    let mut made = Vec::new();
    for _ in 0..3 {
        county.engine.sweep(&[], 0, 4).await.expect("swept");
        let left = store.due(tenant, now, &[], 0, 10).await.expect("read");
        // While a case is due nothing is delivered, unless the case is set aside.
        if !left.is_empty() {
            assert_eq!(store.deliver(tenant, now, "2026-09-11", &[]).await.expect("asked"), 0);
        }
        let aside: Vec<Vec<u8>> = left.into_iter().map(|case| case.case_id).collect();
        made.push(store.deliver(tenant, now, "2026-09-11", &aside).await.expect("delivered"));
    }
    assert_eq!(made, [3, 0, 0], "one digest for each of three, whoever delivers how often");
    assert!(digests(&raw, "2026-09-11").await.values().all(|notices| *notices == 4));
    let waiting = raw.number("SELECT count(*) FROM notices WHERE delivery_id IS NULL").await;
    assert_eq!(waiting, 18, "the notices of six more cases to three people");
    awake(&county, morning("2026-09-14").plus_micros(HOUR)).await;
    assert!(digests(&raw, "2026-09-14").await.values().all(|notices| *notices == 6));
    let astray = "SELECT count(*) FROM deliveries WHERE notices <> (SELECT count(*) FROM notices
         WHERE notices.delivery_id = deliveries.delivery_id)";
    assert_eq!(raw.number(astray).await, 0, "digests that do not hold what they say");
}

/// By its id alone, as the one does that another process is just writing.
#[tokio::test]
async fn a_digest_that_stands_already_keeps_nobody_else_from_theirs() {
    let county = county("2026-09-01", LADDER).await;
    open(&county, "stands", "e-paper", "2026-09-10").await;
    let raw = county.raw().await;
    let stands = "INSERT INTO deliveries (tenant_id, delivery_id, recipient, day, delivered_at, notices)
        SELECT tenant_id, 'clerk-lin@2026-09-11', 'clerk-lin', '2026-09-10', 0, 0 FROM tenants";
    assert_eq!(raw.run(stands).await, 1);
    awake(&county, morning("2026-09-11").plus_micros(HOUR)).await;
    let sent = digests(&raw, "2026-09-11").await;
    assert!(sent.len() > 1 && !sent.contains_key("clerk-lin"), "{sent:?}");
    awake(&county, morning("2026-09-14").plus_micros(HOUR)).await;
    let sent: Vec<String> = digests(&raw, "2026-09-14").await.into_keys().collect();
    assert_eq!(sent, ["clerk-lin"], "on the next working day");
}

#[tokio::test]
async fn rungs_fall_on_any_day_and_digests_on_working_days_at_half_past_eight() {
    let county = county("2026-09-01", LADDER).await;
    // (due on, the third rung falls on, delivered on): a weekend; a Saturday before a Sunday worked in
    // exchange; the national holiday.
    let days = [
        ("2026-09-11", "2026-09-12", "2026-09-14"),
        ("2026-09-18", "2026-09-19", "2026-09-20"),
        ("2026-09-30", "2026-10-01", "2026-10-08"),
    ];
    for (due, _, _) in days {
        open(&county, due, "e-paper", due).await;
    }
    worker::simulate(&county.engine, morning("2026-10-12")).await.expect("worked");
    let raw = county.raw().await;
    let half_past_eight = |day: &str| {
        let day: NaiveDate = calendar::parse_date(day).expect("a day");
        let time = NaiveTime::from_hms_opt(8, 30, 0).expect("a time");
        Instant::new(calendar::china().instant(day, time)).micros()
    };
    let rows = "SELECT DISTINCT r.recorded_at, d.delivered_at FROM rungs r
         JOIN notices n ON n.case_id = r.case_id AND n.act_version = r.act_version
         JOIN deliveries d ON d.delivery_id = n.delivery_id WHERE r.rung = 'third' ORDER BY 1";
    let rows: Vec<(i64, i64)> = raw.rows(rows).await;
    let expected =
        days.map(|(_, recorded, delivered)| (half_past_eight(recorded), half_past_eight(delivered)));
    assert_eq!(rows, expected);
    let all: Vec<(String, i64)> = raw.rows("SELECT day, delivered_at FROM deliveries").await;
    let china = calendar::china();
    for (day, at) in all {
        assert!(china.kind(calendar::parse_date(&day).expect("a day")).is_working(), "{day}");
        assert_eq!(at, half_past_eight(&day), "{day}");
    }
}

/// Two workers with the same cases before them: most ticks of one are lost to the other.
#[tokio::test]
async fn two_workers_deliver_the_whole_morning_in_one_digest_each() {
    let county = county("2026-09-01", LADDER).await;
    for index in 0..40 {
        open(&county, &format!("two-{index}"), "e-paper", "2026-09-10").await;
    }
    let other = county.again().await;
    let now = morning("2026-09-11").plus_micros(HOUR);
    county.engine.store().set_clock(now).await.expect("set");
    let (mut one, mut two) =
        (worker::Worker::new(county.engine.clone(), 4), worker::Worker::new(other.clone(), 4));
    let (mut digests_made, start) = (0, std::time::Instant::now());
    loop {
        let (one, two) = tokio::join!(one.round(start), two.round(start));
        assert!(one.errors.is_empty() && two.errors.is_empty(), "{one:?} {two:?}");
        digests_made += one.round.digests + two.round.digests;
        if one.due + two.due == 0 {
            break;
        }
    }
    let raw = county.raw().await;
    assert_eq!(raw.number("SELECT count(*) FROM notices WHERE delivery_id IS NULL").await, 0);
    let sent = digests(&raw, "2026-09-11").await;
    assert_eq!(sent.len() as u64, digests_made, "each once");
    assert!(sent.len() > 2 && sent.values().all(|notices| *notices == 40), "{sent:?}");
}
