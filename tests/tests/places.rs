//! A place with another calendar: its zone, its weekend and its holidays hold everywhere.

use std::path::Path;
use std::process::Output;

use chrono::{DateTime, FixedOffset};
use tests::home::{Home, Raw};
use tests::{bihuan, project};

/// A calendar of an invented place: Friday and Saturday are the weekend, one holiday in March.
const CALENDAR: &str = "
calendar: nowhere
version: '1'
zone: Asia/Dubai
weekend: [fri, sat]
years:
  - year: 2026
    off:
      - { day: 2026-03-10, name: Founding Day }
";

/// The sample county, moved there.
fn organisation(folder: &Path, calendar: &str) -> String {
    let text = std::fs::read_to_string(project().join("workflows/sample/organisation.yaml")).expect("read");
    let path = folder.join(format!("{calendar}.yaml"));
    std::fs::write(&path, format!("calendar: {calendar}\n{text}")).expect("written");
    path.display().to_string()
}

fn good(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A moment in microseconds, on a clock of that place.
fn there(micros: i64) -> String {
    let zone = FixedOffset::east_opt(4 * 3600).expect("a zone");
    let at = DateTime::from_timestamp_micros(micros).expect("a moment").with_timezone(&zone);
    at.format("%F %T").to_string()
}

#[tokio::test]
async fn a_calendar_nobody_loaded_is_refused_and_no_store_is_made() {
    let home = Home::chosen().await;
    let store = home.named();
    let organisation = organisation(home.folder.path(), "nowhere");
    let refused = bihuan(&store, &["init", "--organisation", &organisation]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("BH0039"), "{refused:?}");
    assert!(home.is_empty().await);
}

#[tokio::test]
async fn notices_come_at_half_past_eight_on_working_days_of_the_place() {
    let home = Home::chosen().await;
    let (store, folder) = (home.named(), &home.folder);
    let organisation = organisation(folder.path(), "nowhere");
    let calendar = folder.path().join("nowhere-calendar.yaml");
    std::fs::write(&calendar, CALENDAR).expect("written");
    let calendar = calendar.display().to_string();
    good(bihuan(
        &store,
        &["init", "--organisation", &organisation, "--calendar", &calendar, "--simulated", "2026-03-01"],
    ));
    let text = std::fs::read_to_string(project().join("workflows/general-hazard.yaml")).expect("read");
    let workflow = folder.path().join("general-hazard.yaml");
    std::fs::write(&workflow, text.replace("calendar: cn", "calendar: nowhere")).expect("written");
    good(bihuan(&store, &["publish", &workflow.display().to_string()]));
    let fields = [
        "place=Warehouse 1",
        "description=Blocked exit",
        "sector=industry",
        "source=self_check",
        "responsible=e-paper",
        "due_on=2026-03-11",
    ];
    let mut arguments = vec!["open", "general-hazard", "--by", "register", "--as", "clerk-lin"];
    for field in &fields {
        arguments.extend(["--field", field]);
    }
    good(bihuan(&store, &arguments));
    good(bihuan(&store, &["work", "--until", "2026-03-16"]));

    // Due on Wednesday the 11th. One working day before it is Monday the 9th, for the 10th is off; the
    // mark of Thursday the 12th is told that day; the weekend is Friday and Saturday.
    let raw = Raw::of(&home.place).await;
    let rungs =
        "SELECT rung, due_at FROM rungs WHERE ladder = 'enterprise' AND result = 'fired' ORDER BY due_at";
    let rungs: Vec<(String, i64)> = raw.rows(rungs).await;
    let rungs: Vec<String> = rungs.into_iter().map(|(rung, at)| format!("{rung} {}", there(at))).collect();
    assert_eq!(
        rungs,
        ["soon 2026-03-03 08:30:00", "tomorrow 2026-03-09 08:30:00", "overdue 2026-03-12 08:30:00"]
    );
    let days: Vec<(String, i64)> =
        raw.rows("SELECT DISTINCT day, delivered_at FROM deliveries ORDER BY day").await;
    assert!(days.len() >= 3, "{days:?}");
    for (day, at) in days {
        assert_eq!(there(at), format!("{day} 08:30:00"));
    }
}

/// A clock of some hours, in an invented workflow.
const HOURS: &str = r#"
workflow: answer
edition: "1"
title: { zh: 答复, en: Answer }
numbering: DF
calendar: CALENDAR
obligations: none
roles:
  office: { title: { zh: 安委办, en: Office } }
tracks:
  main:
    title: { zh: 主线, en: Main }
    initial: open
    states:
      open: { title: { zh: 待答复, en: Open }, owner: office, deadline: answering }
      done: { title: { zh: 已答复, en: Done }, outcome: recorded }
deadlines:
  answering:
    title: { zh: 答复时限, en: Answer }
    kind: step
    owner: office
    term: { hours: NUMBER }
acts:
  ask:
    title: { zh: 提问, en: Ask }
    opens: true
    by: [office]
  answer:
    title: { zh: 答复, en: Answer }
    by: [office]
    in: { main: open }
    then:
      - { move: { main: done } }
"#;

#[tokio::test]
async fn a_moment_is_owed_on_the_local_day_of_the_place() {
    // Asked at 08:00. Twenty hours later it is four in the morning in China, still the day before in UTC;
    // fourteen hours later it is ten in the evening in New York, already the day after in UTC.
    let places = [
        ("cn", "20", "2026-09-02", "2026-09-01T20:00:00"),
        ("us-east", "14", "2026-09-01", "2026-09-02T02:00:00"),
    ];
    for (calendar, hours, day, utc) in places {
        let home = Home::chosen().await;
        let (store, folder) = (home.named(), &home.folder);
        let organisation = organisation(folder.path(), calendar);
        good(bihuan(&store, &["init", "--organisation", &organisation, "--simulated", "2026-09-01"]));
        let workflow = folder.path().join("answer.yaml");
        let text = HOURS.replace("CALENDAR", calendar).replace("NUMBER", hours);
        std::fs::write(&workflow, text).expect("written");
        good(bihuan(&store, &["publish", &workflow.display().to_string()]));
        good(bihuan(&store, &["open", "answer", "--by", "ask", "--as", "clerk-lin/office-clerk"]));
        let owed: serde_json::Value =
            serde_json::from_str(&good(bihuan(&store, &["owes", "--json"]))).expect("JSON");
        assert_eq!(owed["rows"][0]["due_day"], day, "{calendar}: {owed}");
        assert!(
            owed["rows"][0]["due"].as_str().is_some_and(|due| due.starts_with(utc)),
            "{calendar}: {owed}"
        );
    }
}
