//! Service requests: targets to the second, in a zone whose clocks change, and the city's own flag.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDateTime;
use machine::Instant;
use machine::value::Value;
use serde_json::{Value as Json, json};
use tests::home::{Home, on_server};

use crate::data::{self, Row};
use crate::replay::{Event, Place, calendar_for, home};

const SET: &str = "boston311_sla";
const WORKFLOW: &str = "boston311_sla.yaml";
/// The types with a rule: 120 times 24 elapsed hours.
const BY_RULE: [&str; 2] = ["Bed Bugs", "Pest Infestation - Residential"];

/// What the clocks of the place showed, as an instant.
fn moment(zone: &calendar::Calendar, text: &str) -> Instant {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect(text);
    Instant::new(zone.instant(local.date(), local.time()))
}

fn events(rows: &[Row], zone: &calendar::Calendar) -> Vec<Event> {
    let mut events = Vec::new();
    for row in rows {
        let (case, opened) = (row.text("case_enquiry_id"), moment(zone, row.text("open_dt")));
        let mut open = Event::new(opened, case, "open")
            .or_flagged("open_flagged")
            .text("request_type", row.text("type"))
            .text("department", row.text("department"))
            .text("neighborhood", row.text("neighborhood"))
            .text("opened_at", &opened.to_string())
            .text("city_flag", &row.text("on_time").to_lowercase())
            .value("by_rule", Value::Bool(BY_RULE.contains(&row.text("type"))));
        if let Some(target) = row.given("sla_target_dt") {
            open = open.text("target_at", &moment(zone, target).to_string());
        }
        events.push(open);
        if let Some(closed) = row.given("closed_dt") {
            let closed = moment(zone, closed);
            // What was closed before it was opened is entered when it is opened, and flagged.
            let close = Event::new(closed.max(opened), case, "close").or_flagged("close_flagged");
            events.push(close.text("closed_at", &closed.to_string()));
        }
    }
    events
}

/// Replays the set and gives its counts, from rows.
pub async fn run(folder: &Path, home: Home) -> Json {
    let rows = data::rows(folder, SET, "case_enquiry_id");
    let zone = calendar_for(WORKFLOW);
    let events = events(&rows, &zone);
    let first = events.iter().map(|event| event.at).min().expect("events");
    // Until every target has passed.
    let targets = rows.iter().filter_map(|row| row.given("sla_target_dt"));
    let last = targets.map(|target| moment(&zone, target)).chain([first]).max().expect("an instant");
    let place = Place::new(WORKFLOW, first, home).await;
    place.replay(events).await;
    place.work_until(last.plus_micros(86_400_000_000)).await;
    let counts = counts(&place).await;
    place.finish(SET, rows.len()).await;
    counts
}

async fn counts(place: &Place) -> Json {
    let count = async |statement: &str| place.count(statement).await;
    let flags = place
        .counts("SELECT CASE WHEN regulator_breach THEN 'OVERDUE' ELSE 'ONTIME' END, count(*) FROM cases GROUP BY 1")
        .await;
    let types = place.counts("SELECT sector, count(*) FROM cases GROUP BY 1").await;
    // The clock counted by the rule, beside the target the city recorded: both as the acts started them.
    let effect = |path: &str| place.rows.json("e.value", path);
    let clocks = format!(
        "WITH clocks AS MATERIALIZED (
            SELECT a.case_id, {} AS name, {} AS due FROM acts a, {} WHERE {} = 'deadline_started')
         SELECT r.due, t.due FROM clocks r JOIN clocks t USING (case_id) WHERE r.name = 'rule' AND t.name = 'target'",
        effect("deadline.name"),
        effect("deadline.due.moment"),
        place.rows.items("a.body", "effects", "e"),
        effect("effect"),
    );
    let dues: Vec<(String, String)> = place.rows.rows(&clocks).await;
    let micros = |due: &String| due.parse::<Instant>().expect("an instant").micros();
    let by_rule = dues.len();
    let near =
        dues.iter().filter(|(rule, target)| (micros(rule) - micros(target)).abs() <= 60_000_000).count();
    data::say(&format!("{SET}: {near} of {by_rule} targets are those of the rule"));
    json!({
        "rows": count("SELECT count(*) FROM cases").await,
        "with_deadline": count("SELECT count(*) FROM cases WHERE legal_due IS NOT NULL").await,
        "closed": count("SELECT count(*) FROM cases WHERE main_state = 'closed'").await,
        "on_time_flag": flags,
        "closed_late": count("SELECT count(*) FROM cases WHERE main_state = 'closed' AND regulator_breach").await,
        "open_overdue": count("SELECT count(*) FROM cases WHERE main_state = 'open' AND regulator_overdue_from IS NOT NULL AND regulator_breach").await,
        "flag_disagrees": count("SELECT count(*) FROM cases WHERE regulator_breach <> (level = 'overdue')").await,
        "open_with_deadline_flagged_ontime": count(
            "SELECT count(*) FROM cases
             WHERE main_state = 'open' AND legal_due IS NOT NULL AND NOT regulator_breach").await,
        "anomalies": {
            "closed_before_open": place.refused_for("closed_at >= opened_at").await,
            "target_before_open": place.refused_for("target_at >= opened_at").await,
            "duplicate_ids": count("SELECT count(*) FROM refusals WHERE code = 'BH0002'").await,
        },
        "types": types,
        "targets_with_a_rule": by_rule,
        "rule_holds": by_rule > 0 && near * 1000 >= by_rule * 985,
    })
}

/// What the folder promises, and that the rule gives the recorded targets, each of them.
pub fn expected(folder: &Path) -> Json {
    let mut expected = data::oracle(folder, SET);
    let rows = data::rows(folder, SET, "case_enquiry_id");
    let by_rule = rows.iter().filter(|row| BY_RULE.contains(&row.text("type")));
    expected["targets_with_a_rule"] =
        json!(by_rule.filter(|row| row.given("sla_target_dt").is_some()).count());
    expected["rule_holds"] = json!(true);
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_overdue_exactly_where_the_city_says_so() {
    let Some(folder) = data::folder() else { return };
    if on_server() {
        let share = data::share(&folder, SET, "case_enquiry_id", ("open_dt", "closed_dt"));
        let told = run(share.path(), Home::in_memory()).await;
        assert_ne!(told["anomalies"]["closed_before_open"], 0);
        assert_eq!(run(share.path(), home().await).await, told);
    } else {
        assert_eq!(run(&folder, home().await).await, expected(&folder));
    }
}

/// Invented requests around the hours that the clocks of Boston skip and show twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elapsed_hours_run_on_when_the_clocks_change() {
    let zone = calendar_for(WORKFLOW);
    let place = Place::new(WORKFLOW, moment(&zone, "2016-01-01 00:00:00"), home().await).await;
    // 120 times 24 hours later the wall shows an hour more in summer, an hour less in winter. 02:30 on
    // 13 March was never shown: the first instant after the gap. 01:30 on 6 November was shown twice: the
    // first time.
    let cases = [
        ("into summer", "2016-02-01 12:00:00", "2016-05-31 13:00:00"),
        ("into winter", "2016-09-01 12:00:00", "2016-12-30 11:00:00"),
        ("both", "2016-03-01 12:00:00", "2016-06-29 13:00:00"),
        ("gap", "2016-03-13 02:30:00", "2016-07-11 03:00:00"),
        ("fold", "2016-11-06 01:30:00", "2017-03-06 00:30:00"),
    ];
    let events = cases.iter().map(|(case, opened, due)| {
        let opened = moment(&zone, opened);
        Event::new(opened, case, "open")
            .text("request_type", "Bed Bugs")
            .text("opened_at", &opened.to_string())
            .text("target_at", &moment(&zone, due).to_string())
            .text("city_flag", "ontime")
            .value("by_rule", Value::Bool(true))
    });
    place.replay(events.collect()).await;
    let mut dues = BTreeMap::new();
    for (case, ..) in cases {
        let id = engine::case_id(place.engine.tenant(), case);
        let due = format!("SELECT due FROM obligations WHERE case_id = '{id}' AND name = 'rule'");
        dues.insert(case, place.rows.texts(&due).await);
    }
    let expected = cases.map(|(case, _, due)| (case, vec![moment(&zone, due).to_string()]));
    assert_eq!(dues, BTreeMap::from(expected));
    place.finish("invented requests", 0).await;
}
