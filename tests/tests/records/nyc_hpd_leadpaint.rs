//! Lead-paint violations: two dates each, postponed, reported late, rejected, re-inspected.

use std::collections::BTreeMap;
use std::path::Path;

use calendar::parse_date;
use machine::value::Value;
use serde_json::{Value as Json, json};
use tests::home::{Home, Raw, on_server};

use crate::data::{self, Row};
use crate::replay::{Event, Place, calendar_for, home};

const SET: &str = "nyc_hpd_leadpaint";
const WORKFLOW: &str = "nyc_hpd_leadpaint.yaml";
/// The count of the open ones names its day.
const OPEN_PAST: &str = "open_past_effective_correct_by_";
const GRANTED: &str = "CERTIFICATION POSTPONMENT GRANTED";

/// The act a status of the city stands for; none for the order itself and for a postponement granted.
fn status_act(status: &str) -> Option<&'static str> {
    match status {
        "NOV SENT OUT" | GRANTED => None,
        "CERTIFICATION POSTPONMENT DENIED" => Some("deny_postponement"),
        "NOV CERTIFIED LATE" | "NOV CERTIFIED ON TIME" => Some("accept_report"),
        "DEFECT LETTER ISSUED" | "INVALID CERTIFICATION" => Some("reject_report"),
        "VIOLATION WILL BE REINSPECTED" => Some("schedule_reinspection"),
        "FIRST NO ACCESS TO RE- INSPECT VIOLATION" | "SECOND NO ACCESS TO RE-INSPECT VIOLATION" => {
            Some("no_access")
        }
        "NOT COMPLIED WITH" => Some("fail_reinspection"),
        _ => Some("state_otherwise"),
    }
}

/// What a row tells, each on its day.
fn events(row: &Row, place: &Place) -> Vec<Event> {
    let inspected = row.text("inspectiondate");
    // Nothing is entered before the violation is.
    let event = |day: &str, act: &str| {
        let day = parse_date(day.max(inspected)).expect("a day");
        Event::new(place.at(day, 12), row.text("violationid"), act)
    };
    let (status, status_on) = (row.text("currentstatus"), row.text("currentstatusdate"));
    let mut events = vec![
        event(inspected, "find")
            .text("building", row.text("buildingid"))
            .text("borough", row.text("boro"))
            .text("order_no", row.text("novid"))
            .text("inspected_on", inspected),
        event(row.text("novissueddate"), "issue")
            .or_flagged("issue_flagged")
            .text("issued_on", row.text("novissueddate"))
            .text("correct_by", row.text("originalcorrectbydate"))
            .text("certify_by", row.text("originalcertifybydate")),
    ];
    let certified = row.given("certifieddate");
    if let Some(correct_by) = row.given("newcorrectbydate") {
        let known = status == GRANTED;
        // The latest status alone is kept. Where that is another one, the grant was on the last day it
        // could be, at the latest.
        let latest = [Some(row.text("originalcorrectbydate")), certified, Some(status_on)];
        let granted_on = if known { status_on } else { latest.into_iter().flatten().min().expect("a day") };
        let granted = event(granted_on, "postpone")
            .or_flagged("postpone_late")
            .text("new_correct_by", correct_by)
            .text("new_certify_by", row.text("newcertifybydate"))
            .value("granted_date_known", Value::Bool(known));
        events.push(if known {
            granted.text("status", status).text("status_on", status_on)
        } else {
            granted
        });
    }
    if let Some(certified) = certified {
        let report = event(certified, "report_done").or_flagged("report_flagged");
        events.push(report.text("certified_on", certified));
    }
    if let Some(act) = status_act(status) {
        let event = event(status_on, act).or_flagged("status_flagged");
        events.push(event.text("status", status).text("status_on", status_on));
    }
    if row.text("violationstatus") == "Close" {
        events.push(
            event(certified.map_or(status_on, |day| day.max(status_on)), "close").or_flagged("close_flagged"),
        );
    }
    events
}

/// Replays the set and gives its counts, from rows.
pub async fn run(folder: &Path, home: Home) -> Json {
    let rows = data::rows(folder, SET, "violationid");
    let first = rows.iter().map(|row| row.text("inspectiondate")).min().expect("rows");
    let begins = calendar_for(WORKFLOW).instant(parse_date(first).expect("a day"), chrono::NaiveTime::MIN);
    let place = Place::new(WORKFLOW, machine::Instant::new(begins), home).await;
    place.replay(rows.iter().flat_map(|row| events(row, &place)).collect()).await;
    let counts = counts(&place, folder).await;
    on_their_dates(&place, &rows).await;
    refused_for_the_dirt_alone(&place, &rows).await;
    left_where_the_rows_leave_them(&place, &rows).await;
    place.finish(SET, rows.len()).await;
    counts
}

/// The reports, and the clock each was measured by: of the two, the one that was started last.
fn reports(rows: &Raw) -> String {
    let (day, status) = (rows.day("r.at"), rows.json("c.state", "fields.status"));
    let deadlines = rows.items("c.state", "deadlines", "d");
    let deadline = |path: &str| rows.json("d.value", path);
    let (name, missed_at, first_due) = (deadline("name"), deadline("missed_at"), deadline("first_due.day"));
    format!(
        "reports AS MATERIALIZED (
            SELECT {day} AS day, {status} AS status,
                (SELECT {missed_at} IS NOT NULL FROM {deadlines}
                    WHERE {name} IN ('certify', 'certify_again') ORDER BY d.key DESC LIMIT 1) AS late,
                (SELECT {first_due} FROM {deadlines} WHERE {name} = 'certify') AS first_due
            FROM acts r JOIN cases c USING (tenant_id, case_id)
            WHERE r.name IN ('report_done', 'report_flagged'))"
    )
}

async fn counts(place: &Place, folder: &Path) -> Json {
    let count = async |statement: &str| place.count(statement).await;
    let all = reports(&place.rows);
    let reports = async |condition: &str| {
        place.count(&format!("WITH {all} SELECT count(*) FROM reports WHERE {condition}")).await
    };
    let oracle = data::oracle(folder, SET);
    let open_past = oracle.as_object().into_iter().flatten().find_map(|(key, _)| key.strip_prefix(OPEN_PAST));
    let open_past = open_past.expect("a count of the open ones").to_owned();
    let day = open_past.replace('_', "-");
    place.work_until(place.at(parse_date(&day).expect("a day"), 12)).await;
    // The open duties, as the worker left them on that morning: the dates in force have passed.
    let open = count(&format!(
        "SELECT count(*) FROM (SELECT max(due_day) AS due,
                sum(CASE WHEN name = 'correct' AND breached THEN 1 ELSE 0 END) AS breached
            FROM obligations WHERE name IN ('correct', 'correct_again') GROUP BY case_id) AS duties
         WHERE due < '{day}' AND breached = 1"
    ))
    .await;
    let mut counts = json!({
        "rows": count("SELECT count(*) FROM cases").await,
        "buildings": count("SELECT count(DISTINCT enterprise) FROM cases").await,
        "multi_violation_nov": count(
            "SELECT count(*) FROM (SELECT source FROM cases WHERE source IS NOT NULL GROUP BY source HAVING count(*) > 1) AS sources"
        ).await,
        "extended": count("SELECT count(*) FROM acts WHERE name IN ('postpone', 'postpone_late')").await,
        "reported_done": reports("true").await,
        "reported_late_vs_effective": reports("late").await,
        "reported_late_vs_original": reports("day > first_due").await,
        "status_certified_late": reports("status = 'NOV CERTIFIED LATE' AND late").await,
        "status_certified_on_time": reports("status = 'NOV CERTIFIED ON TIME' AND NOT late").await,
        "status_disagrees": reports(
            "(status = 'NOV CERTIFIED LATE' AND NOT late) OR (status = 'NOV CERTIFIED ON TIME' AND late)").await,
        "anomalies": {
            "certified_before_inspection": place.refused_for("certified_on >= inspected_on").await,
            "new_deadline_before_original": count(
                "SELECT count(*) FROM refusals WHERE code = 'BH0022' AND detail LIKE '%not_later%'").await,
            "no_deadline": count("SELECT count(*) FROM refusals WHERE act = 'issue' AND code = 'BH0009'").await,
            "status_before_inspection": place.refused_for("status_on >= inspected_on").await,
            "issued_before_inspection": place.refused_for("issued_on >= inspected_on").await,
            "issued_after_deadline": place.refused_for("issued_on <= correct_by").await,
        },
    });
    counts[format!("{OPEN_PAST}{open_past}")] = json!(open);
    counts
}

/// What differs between what the rows tell and what was found, a few of them: a whole set is no message.
fn differences<T: PartialEq + std::fmt::Debug>(
    told: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
) -> Vec<String> {
    let all = told.keys().chain(found.keys().filter(|key| !told.contains_key(*key)));
    let differs = all.filter(|key| told.get(*key) != found.get(*key));
    differs.map(|key| format!("{key}: {:?}, told {:?}", found.get(key), told.get(key))).take(5).collect()
}

/// Whether the day an act stands for lies before the day the violation was found.
fn before_inspection(row: &Row, column: &str) -> bool {
    row.text(column) < row.text("inspectiondate")
}

/// Whether a postponement was granted when the date to be moved had passed. A grant without a date of its own
/// is entered while it could still be given.
fn granted_late(row: &Row) -> bool {
    row.text("currentstatus") == GRANTED && row.text("currentstatusdate") > row.text("originalcorrectbydate")
}

/// Every status that is an act stands on its day: the acts of each case by name and day against its row.
async fn on_their_dates(place: &Place, rows: &[Row]) {
    let mut told = BTreeMap::new();
    for row in rows {
        let case = engine::case_id(place.engine.tenant(), row.text("violationid"));
        let mut tell = |act: &str, flagged: &str, column: &str| {
            let dirty = before_inspection(row, column);
            let (act, day) =
                if dirty { (flagged, row.text("inspectiondate")) } else { (act, row.text(column)) };
            *told.entry(format!("{case} {act} {day}")).or_insert(0) += 1;
        };
        if let Some(act) = status_act(row.text("currentstatus")) {
            tell(act, "status_flagged", "currentstatusdate");
        }
        if row.given("certifieddate").is_some() {
            tell("report_done", "report_flagged", "certifieddate");
        }
        if row.text("currentstatus") == GRANTED {
            let act = if granted_late(row) { "postpone_late" } else { "postpone" };
            tell(act, act, "currentstatusdate");
        }
    }
    let acts = place
        .counts(&format!(
            "SELECT case_id || ' ' || name || ' ' || {}, count(*)
             FROM acts WHERE name IN ('deny_postponement', 'accept_report', 'reject_report', 'status_flagged',
                'schedule_reinspection', 'no_access', 'fail_reinspection', 'state_otherwise', 'report_done',
                'report_flagged')
                OR (name IN ('postpone', 'postpone_late') AND body LIKE '%\"granted_date_known\":true%')
             GROUP BY 1",
            place.rows.day("at")
        ))
        .await;
    let differs = differences(&told, &acts);
    assert!(differs.is_empty(), "not on their dates: {differs:#?}");
}

/// The state the latest of a row's acts leaves its case in, the closing left out.
fn left_in(row: &Row) -> &'static str {
    let day = |column| row.text(column).max(row.text("inspectiondate"));
    let reported = row.given("certifieddate").is_some();
    if !(reported && day("certifieddate") > day("currentstatusdate")) {
        let act = status_act(row.text("currentstatus"));
        match act.filter(|_| !before_inspection(row, "currentstatusdate")) {
            Some("reject_report") => return "rejected",
            Some("schedule_reinspection" | "no_access") => return "reinspection",
            Some("fail_reinspection") => return "failed",
            _ => {}
        }
    }
    match (reported, row.given("originalcorrectbydate")) {
        (true, _) => "reported",
        (false, Some(_)) => "ordered",
        (false, None) => "found",
    }
}

/// Every case ends in the state its row tells.
async fn left_where_the_rows_leave_them(place: &Place, rows: &[Row]) {
    let told = rows.iter().map(|row| {
        let case = engine::case_id(place.engine.tenant(), row.text("violationid"));
        let closed = row.text("violationstatus") == "Close";
        (case.to_string(), if closed { "closed" } else { left_in(row) }.to_owned())
    });
    let states: Vec<(String, String)> = place.rows.rows("SELECT case_id, main_state FROM cases").await;
    let differs = differences(&told.collect(), &states.into_iter().collect());
    assert!(differs.is_empty(), "not in the state of the latest status: {differs:#?}");
}

/// Refused is what the rows have wrong, and nothing else; and whatever was refused stands on record, with
/// the refusal as its reason.
async fn refused_for_the_dirt_alone(place: &Place, rows: &[Row]) {
    let mut told: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        let case = engine::case_id(place.engine.tenant(), row.text("violationid"));
        let mut tell = |dirty: bool, act: &str| {
            if dirty {
                *told.entry(format!("{case} {act}")).or_insert(0) += 1;
            }
        };
        let (correct_by, certify_by) =
            (row.given("originalcorrectbydate"), row.given("originalcertifybydate"));
        let too_late = correct_by.is_some_and(|day| day < row.text("novissueddate"));
        let undated = correct_by.is_none() || certify_by.is_none();
        tell(undated || too_late || before_inspection(row, "novissueddate"), "issue");
        tell(row.given("newcorrectbydate").is_some() && granted_late(row), "postpone");
        tell(row.given("certifieddate").is_some() && before_inspection(row, "certifieddate"), "report_done");
        if let Some(act) = status_act(row.text("currentstatus")) {
            tell(before_inspection(row, "currentstatusdate"), act);
        }
        tell(row.text("violationstatus") == "Close" && left_in(row) == "reinspection", "close");
    }
    let refused = place.counts("SELECT case_id || ' ' || act, count(*) FROM refusals GROUP BY 1").await;
    let differs = differences(&told, &refused);
    assert!(differs.is_empty(), "not refused for their dirt alone: {differs:#?}");
    let reason = place.rows.json("a.body", "reason");
    let unexplained = place
        .counts(&format!(
            "WITH again (flagged, act) AS (VALUES ('issue_flagged', 'issue'), ('postpone_late', 'postpone'),
                ('report_flagged', 'report_done'), ('close_flagged', 'close'), ('status_flagged', NULL))
             SELECT r.case_id || ' ' || r.act, count(*) FROM refusals r WHERE NOT EXISTS (
                SELECT 1 FROM acts a JOIN again g ON g.flagged = a.name
                WHERE a.tenant_id = r.tenant_id AND a.case_id = r.case_id AND coalesce(g.act, r.act) = r.act
                    AND {reason} LIKE '%' || r.code || '%') GROUP BY 1"
        ))
        .await;
    assert!(unexplained.is_empty(), "refused, and not on record: {unexplained:?}");
    let flagged = format!(
        "SELECT count(*) FROM acts a WHERE (name LIKE '%_flagged' OR name = 'postpone_late') AND {reason} <> ''"
    );
    assert_eq!(place.count(&flagged).await, told.values().sum::<i64>(), "on record with a reason");
}

/// What the folder promises; the city's word on late and on time agrees in every row.
pub fn expected(folder: &Path) -> Json {
    let mut expected = data::oracle(folder, SET);
    expected["status_disagrees"] = json!(0);
    expected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_violation_is_late_exactly_where_its_dates_say_so() {
    let Some(folder) = data::folder() else { return };
    if on_server() {
        let share = data::share(&folder, SET, "violationid", ("inspectiondate", "novissueddate"));
        let told = run(share.path(), Home::in_memory()).await;
        assert_ne!(told["anomalies"]["issued_before_inspection"], 0);
        assert_eq!(run(share.path(), home().await).await, told);
    } else {
        assert_eq!(run(&folder, home().await).await, expected(&folder));
    }
}
