//! Infringement proceedings: an escalation ladder as a history, replayed decision by decision.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use calendar::parse_date;
use machine::value::Value;
use serde_json::{Value as Json, json};
use tests::home::{Home, Raw};

use crate::data::{self, Row};
use crate::replay::{Event, Place, calendar_for, home};

const SET: &str = "eu_infringement";
const WORKFLOW: &str = "eu_infringement.yaml";

/// A stage as the decisions name it, as the workflow file does, and as the history of a case does.
const STAGES: [(&str, &str, &str); 8] = [
    ("Letter of formal notice (Article 258)", "lfn_258", "LFN258"),
    ("Reasoned opinion (Article 258)", "ro_258", "RO258"),
    ("Referral to the Court (Article 258)", "rf_258", "RF258"),
    ("Letter of formal notice (Article 260)", "lfn_260", "LFN260"),
    ("Reasoned opinion (Article 260)", "ro_260", "RO260"),
    ("Referral to the Court (Article 260)", "rf_260", "RF260"),
    ("Closing", "closing", "C"),
    ("Withdrawal", "withdrawal", "W"),
];

/// The decisions as the acts have them, one line each; every other statement asks this one.
fn decisions(rows: &Raw) -> String {
    format!(
        "decisions AS MATERIALIZED (
            SELECT case_id, version, {} AS stage, {} AS day, at / 86400000000 AS day_no
            FROM acts WHERE name IN ('first_decision', 'decision'))",
        rows.json("body", "fields.stage"),
        rows.day("at"),
    )
}

fn stage(row: &Row) -> &'static str {
    let name = row.text("decision_stage");
    STAGES.iter().find(|(long, ..)| *long == name).map(|stage| stage.1).unwrap_or_else(|| panic!("'{name}'"))
}

fn events(rows: &[Row], place: &Place) -> Vec<Event> {
    let mut seen = std::collections::HashSet::new();
    let last = rows.iter().filter_map(|row| row.given("decision_date")).max().expect("a date");
    let event = |row: &Row| {
        let case = row.text("case_id");
        let act = if seen.insert(case.to_owned()) { "first_decision" } else { "decision" };
        // A decision without a date is tried at the end, and refused for it.
        let day = parse_date(row.given("decision_date").unwrap_or(last)).expect("a day");
        let mut event = Event::new(place.at(day, 12), case, act)
            .text("stage", stage(row))
            .text("decided_on", row.text("decision_date"))
            .text("decision_id", row.text("decision_id"));
        if act == "first_decision" {
            event = event.text("member_state", row.text("member_state"));
            event = event.text("department", row.text("department_code"));
        }
        let additional = row.text("stage_additional") == "1";
        if additional { event.value("additional", Value::Bool(true)) } else { event }
    };
    rows.iter().map(event).collect()
}

/// How many cases stand open at each level.
type Levels = BTreeMap<String, i64>;

/// What the records themselves say stands open at each level, on every date something was decided.
fn open_by_date(rows: &[Row]) -> Vec<(&str, Levels)> {
    let mut levels: HashMap<&str, &str> = HashMap::new();
    let mut dates = Vec::new();
    for decided in rows.chunk_by(|one, other| one.text("decision_date") == other.text("decision_date")) {
        let Some(date) = decided.iter().find_map(|row| row.given("decision_date")) else { continue };
        for row in decided {
            let (case, now) = (row.text("case_id"), stage(row));
            let closed = levels.get(case) == Some(&"closing");
            if !(closed && now == "withdrawal") {
                levels.insert(case, now);
            }
        }
        let mut open = Levels::new();
        for level in levels.values().filter(|level| **level != "closing") {
            *open.entry((*level).to_owned()).or_insert(0) += 1;
        }
        dates.push((date, open));
    }
    dates
}

/// The same, asked afterwards of the acts in one pass: each decision opens its level on its day and leaves it
/// on the day of the next one. Of a date the levels alone that moved.
async fn moved_by_date(place: &Place) -> BTreeMap<String, Levels> {
    let decisions = decisions(&place.rows);
    let moves = format!(
        "WITH {decisions}, moves AS (
            SELECT day, stage, lead(day) OVER c AS left_on,
                max(CASE WHEN stage = 'closing' THEN version ELSE 0 END) OVER c AS closed,
                max(CASE WHEN stage NOT IN ('closing', 'withdrawal') THEN version ELSE 0 END) OVER c AS level
            FROM decisions WINDOW c AS (PARTITION BY case_id ORDER BY version)),
         steps AS (
            SELECT day, stage, 1 AS step FROM moves WHERE closed = 0 OR closed < level UNION ALL
            SELECT left_on, stage, -1 FROM moves WHERE (closed = 0 OR closed < level) AND left_on IS NOT NULL),
         days AS (SELECT day, stage, sum(step) AS step FROM steps GROUP BY day, stage)
         SELECT day, stage, CAST(sum(step) OVER (PARTITION BY stage ORDER BY day) AS BIGINT) FROM days"
    );
    let moves: Vec<(String, String, i64)> = place.rows.rows(&moves).await;
    let mut dates: BTreeMap<String, Levels> = BTreeMap::new();
    for (day, stage, open) in moves {
        dates.entry(day).or_default().insert(stage, open);
    }
    dates
}

/// Replays the set and gives its counts, from rows.
pub async fn run(folder: &Path, home: Home) -> Json {
    let mut rows = data::rows(folder, SET, "decision_stage");
    rows.sort_by_key(|row| {
        (row.text("decision_date").to_owned(), row.text("key_id").parse::<u64>().unwrap_or(0))
    });
    let first = rows.iter().find_map(|row| row.given("decision_date")).expect("a date");
    let begins = calendar_for(WORKFLOW).instant(parse_date(first).expect("a day"), chrono::NaiveTime::MIN);
    let place = Place::new(WORKFLOW, machine::Instant::new(begins), home).await;
    // In stretches, so that the list itself can be asked on the dates in between.
    let mut events = events(&rows, &place);
    let told = open_by_date(&rows);
    let mut open_differs = 0;
    for (date, open) in &told {
        let end = place.at(parse_date(date).expect("a day"), 20);
        let later = events.split_off(events.partition_point(|event| event.at <= end));
        place.replay(std::mem::replace(&mut events, later)).await;
        let listed =
            place.counts("SELECT main_state, count(*) FROM cases WHERE main_state <> 'closing' GROUP BY 1");
        open_differs += i64::from(listed.await != *open);
    }
    let moved = moved_by_date(&place).await;
    let mut asked = Levels::new();
    for (date, open) in &told {
        asked.extend(moved.get(*date).cloned().unwrap_or_default());
        asked.retain(|_, open| *open > 0);
        open_differs += i64::from(asked != *open);
    }
    data::say(&format!("{SET}: the open ones per level compared on {} dates", told.len()));
    place.finish(SET, rows.len()).await;
    counts(&place, folder, open_differs).await
}

async fn counts(place: &Place, folder: &Path, open_differs: i64) -> Json {
    let decisions = decisions(&place.rows);
    let stages =
        place.counts(&format!("WITH {decisions} SELECT stage, count(*) FROM decisions GROUP BY 1")).await;
    let stages: BTreeMap<&str, i64> =
        STAGES.iter().filter_map(|(long, name, _)| stages.get(*name).map(|count| (*long, *count))).collect();
    // The history of every case, written from its acts, against the one the records bring.
    let label = STAGES.iter().map(|(_, name, short)| format!(" WHEN '{name}' THEN '{short}'"));
    let histories = format!(
        "WITH {decisions} SELECT case_id, string_agg(CASE stage{} END || '-' || day, ', ' ORDER BY version)
         FROM decisions GROUP BY case_id",
        label.collect::<String>()
    );
    let histories: HashMap<String, String> = place.rows.rows(&histories).await.into_iter().collect();
    let told = data::rows(folder, SET, "case_history");
    let differs = told.iter().filter(|row| {
        let id = engine::case_id(place.engine.tenant(), row.text("case_id")).to_string();
        histories.get(&id).map(String::as_str) != Some(row.text("case_history"))
    });
    let median = place
        .count(&format!(
            "WITH {decisions}, spans AS (
                SELECT min(CASE stage WHEN 'closing' THEN day_no END)
                    - min(CASE stage WHEN 'lfn_258' THEN day_no END) AS days
                FROM decisions GROUP BY case_id),
             ordered AS (
                SELECT days, row_number() OVER (ORDER BY days) AS no, count(*) OVER () AS n
                FROM spans WHERE days IS NOT NULL)
             SELECT CAST(10 * avg(days) AS BIGINT) FROM ordered WHERE no IN ((n + 1) / 2, (n + 2) / 2)"
        ))
        .await;
    let backwards = place
        .count(&format!(
            "WITH {decisions} SELECT count(*) FROM (SELECT case_id FROM decisions GROUP BY case_id
         HAVING min(CASE WHEN stage = 'closing' THEN version END)
            < min(CASE WHEN stage NOT IN ('closing', 'withdrawal') THEN version END)) AS backwards"
        ))
        .await;
    let same_day = place
        .count(&format!(
            "WITH {decisions} SELECT count(DISTINCT case_id) FROM (
            SELECT case_id FROM decisions GROUP BY case_id, day HAVING count(*) > 1) AS days"
        ))
        .await;
    json!({
        "cases": place.count("SELECT count(*) FROM cases").await,
        "decisions": stages.values().sum::<i64>(),
        "stages": stages,
        "cases_closed": place.count("SELECT count(*) FROM cases WHERE main_state = 'closing'").await,
        "cases_still_open": place.count("SELECT count(*) FROM cases WHERE main_state <> 'closing'").await,
        "median_days_open_to_close": median as f64 / 10.0,
        "same_day_multi_decisions": same_day,
        "anomalies": {
            "close_before_open": backwards,
            "no_date": place.count("SELECT count(*) FROM refusals WHERE code = 'BH0009'").await,
        },
        "history_differs": differs.count() + usize::from(told.len() != histories.len()),
        "open_differs": open_differs,
    })
}

/// What the folder promises; and no case whose history, no date whose levels differ.
pub fn expected(folder: &Path) -> Json {
    let mut expected = data::oracle(folder, SET);
    expected["history_differs"] = json!(0);
    expected["open_differs"] = json!(0);
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decision_is_replayed_and_every_history_is_the_same() {
    let Some(folder) = data::folder() else { return };
    assert_eq!(run(&folder, home().await).await, expected(&folder));
}
