//! Traffic fines: sixty days after the notification the worker marks the penalty, by itself.

use std::collections::BTreeMap;
use std::path::Path;

use calendar::parse_date;
use machine::Instant;
use machine::value::Value;
use serde_json::{Value as Json, json};
use tests::home::Home;

use crate::data::{self, Row};
use crate::replay::{Event, Place, calendar_for, home};

const SET: &str = "traffic_fines";
const WORKFLOW: &str = "traffic_fines.yaml";

/// `Insert Date Appeal to Prefecture` is the act `insert_date_appeal_to_prefecture`.
fn act(activity: &str) -> String {
    activity.to_lowercase().replace(' ', "_")
}

/// `36.0` is 3600 cents.
fn cents(text: &str) -> Option<Value> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let part: i64 = format!("{part:0<2}").get(..2)?.parse().ok()?;
    Some(Value::Int(whole.parse::<i64>().ok()? * 100 + part))
}

fn event(row: &Row, place: &Place) -> Event {
    let day = parse_date(row.text("date")).expect("a day");
    let activity = row.text("activity");
    let mut event = Event::new(place.at(day, 12), row.text("case_id"), &act(activity));
    let amounts: &[(&str, &str)] = match activity {
        "Create Fine" => &[("amount", "amount_cents")],
        "Add penalty" => &[("amount", "amount_cents")],
        "Send Fine" => &[("expense", "expense_cents")],
        "Payment" => &[("paymentamount", "paid_cents")],
        _ => &[],
    };
    for (column, field) in amounts {
        if let Some(value) = cents(row.text(column)) {
            event = event.value(field, value);
        }
    }
    if activity == "Create Fine" {
        event = event.text("vehicle_class", row.text("vehicleclass")).text("article", row.text("article"));
    }
    event
}

/// How many penalties the worker fired by itself, at 00:05 of the very day the record has its penalty, sixty
/// days after the notification. The record enters it at noon, and what is due is recorded before any act of a
/// person: a worker that slept would leave a rung of that day too, but one recorded at noon.
async fn fired_by_the_worker(place: &Place) -> usize {
    let fired = "SELECT r.recorded_at, a.at, n.at FROM rungs r JOIN acts w USING (tenant_id, case_id)
         JOIN acts a USING (tenant_id, case_id) JOIN acts n USING (tenant_id, case_id)
         WHERE r.rung = 'penalty' AND r.result = 'fired' AND r.recorded_at = r.due_at
            AND w.version = r.act_version AND w.at = r.recorded_at AND w.person_id IS NULL
            AND a.name = 'add_penalty' AND n.name = 'insert_fine_notification'";
    let fired: Vec<(i64, i64, i64)> = place.rows.rows(fired).await;
    let day = |micros| place.calendar.local_date(Instant::from_micros(micros).expect("an instant").utc());
    let after_midnight = chrono::NaiveTime::from_hms_opt(0, 5, 0).expect("a time");
    let as_recorded = |(recorded, penalised, notified): &(i64, i64, i64)| {
        let moment = Instant::new(place.calendar.instant(day(*penalised), after_midnight));
        moment.micros() == *recorded && (day(*penalised) - day(*notified)).num_days() == 60
    };
    fired.iter().filter(|fired| as_recorded(fired)).count()
}

/// Replays the set and gives its counts, from rows.
pub async fn run(folder: &Path, home: Home) -> Json {
    let mut rows = data::rows(folder, SET, "activity");
    rows.sort_by_key(|row| {
        let order: u32 = row.text("order").parse().expect("a number");
        (row.text("date").to_owned(), order)
    });
    let first = parse_date(rows.first().expect("rows").text("date")).expect("a day");
    let last = parse_date(rows.last().expect("rows").text("date")).expect("a day");
    let begins = first.pred_opt().expect("a day before");
    let zone = calendar_for(WORKFLOW);
    let begins = machine::Instant::new(zone.instant(begins, chrono::NaiveTime::MIN));
    let place = Place::new(WORKFLOW, begins, home).await;
    place.replay(rows.iter().map(|row| event(row, &place)).collect()).await;
    // Whoever was notified without a penalty would be marked by now.
    place.work_until(place.at(last + chrono::Days::new(90), 12)).await;

    let names: BTreeMap<String, String> =
        rows.iter().map(|row| (act(row.text("activity")), row.text("activity").to_owned())).collect();
    let acts = place.counts("SELECT name, count(*) FROM acts WHERE name <> 'tick' GROUP BY name").await;
    let activities: BTreeMap<&String, i64> =
        acts.iter().map(|(name, count)| (&names[name], *count)).collect();
    // What the worker fired beside what the record says: the same case, the same day, once.
    let agreed = fired_by_the_worker(&place).await;
    let fired = place.count("SELECT count(*) FROM rungs WHERE result = 'fired'").await;
    let cases_fired = place.count("SELECT count(DISTINCT case_id) FROM rungs WHERE result = 'fired'").await;
    place.finish(SET, rows.len()).await;
    json!({
        "cases": place.count("SELECT count(*) FROM cases").await,
        "events": acts.values().sum::<i64>(),
        "activities": activities,
        "penalty_exactly_60_days_after_notification": agreed,
        "fired": fired,
        "cases_fired": cases_fired,
        "refused": place.count("SELECT count(*) FROM refusals").await,
    })
}

/// What the folder promises, and that the worker fired for those cases alone.
pub fn expected(folder: &Path) -> Json {
    let mut expected = data::oracle(folder, SET);
    let penalties = expected["penalty_exactly_60_days_after_notification"].clone();
    expected["fired"] = penalties.clone();
    expected["cases_fired"] = penalties;
    expected["refused"] = json!(0);
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_marks_every_penalty_on_its_day_and_no_other() {
    let Some(folder) = data::folder() else { return };
    assert_eq!(run(&folder, home().await).await, expected(&folder));
}

/// Where a law says that payment stops the clock, or an appeal suspends it, the fine carries that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_marks_no_penalty_of_a_clock_that_was_stopped() {
    let day = |text: &str| parse_date(text).expect("a day");
    let zone = calendar_for(WORKFLOW);
    let place = Place::new(
        WORKFLOW,
        machine::Instant::new(zone.instant(day("2026-01-01"), chrono::NaiveTime::MIN)),
        home().await,
    )
    .await;
    let mut events = Vec::new();
    for case in ["runs", "paid", "paid late", "appealed", "appeal decided"] {
        let at = |text: &str| place.at(day(text), 12);
        let mut event = |date: &str, act: &str| events.push(Event::new(at(date), case, act));
        event("2026-01-05", "create_fine");
        event("2026-01-06", "send_fine");
        event("2026-01-10", "insert_fine_notification");
        // Day 60 is 11 March.
        match case {
            "paid" => event("2026-03-10", "payment"),
            "paid late" => event("2026-03-11", "payment"),
            "appealed" => event("2026-02-01", "insert_date_appeal_to_prefecture"),
            "appeal decided" => {
                event("2026-02-01", "insert_date_appeal_to_prefecture");
                event("2026-02-11", "receive_result_appeal_from_prefecture");
            }
            _ => {}
        }
    }
    for event in events.iter_mut().filter(|event| event.act == "create_fine") {
        event.fields.insert("payment_stops".to_owned(), Value::Bool(true));
        event.fields.insert("appeal_stops".to_owned(), Value::Bool(true));
    }
    place.replay(events).await;
    place.work_until(place.at(day("2026-06-01"), 12)).await;
    let mut fired = BTreeMap::new();
    for case in ["runs", "paid", "paid late", "appealed", "appeal decided"] {
        let id = engine::case_id(place.engine.tenant(), case);
        let days = place
            .counts(&format!(
                "SELECT {}, count(*) FROM rungs
                 WHERE case_id = '{id}' AND rung = 'penalty' AND result = 'fired' AND recorded_at = due_at
                 GROUP BY 1",
                place.rows.day("recorded_at + 6 * 3600000000")
            ))
            .await;
        fired.insert(case, days.into_iter().collect::<Vec<_>>());
    }
    let once = |day: &str| vec![(day.to_owned(), 1)];
    let expected = BTreeMap::from([
        ("runs", once("2026-03-11")),
        ("paid", Vec::new()),
        ("paid late", once("2026-03-11")),
        ("appealed", Vec::new()),
        // Ten days of suspension are given back.
        ("appeal decided", once("2026-03-21")),
    ]);
    assert_eq!(fired, expected);
    place.finish("invented fines", 0).await;
}
