//! Why a date is what it is: dates checked by hand, run through the binary, and the account of an
//! overdue hazard in both languages.

use serde_json::Value;
use tests::{bihuan, bihuan_zh, county, open_hazard};

/// One clock per rule, all counted from a date in the case.
const FILE: &str = "tests/workflows/clocks.yaml";

/// Rule, start (excluded), expected date, the count by hand, source in domain.md.
const TABLE: [(&str, &str, &str, &str, &str); 15] = [
    ("wd5", "2026-09-18", "2026-09-24", "Sun 20 works; 20 21 22 23 24", "6, test vectors"),
    ("wd10", "2026-09-18", "2026-10-09", "to 24: 5; 25-27 off; 28 29 30: 8; 1-7 off; 8 9", "6, test vectors"),
    ("wd3", "2026-02-12", "2026-02-24", "13; Sat 14 works; 15-23 off; 24", "6, test vectors"),
    ("wd5", "2026-02-12", "2026-02-26", "13 14 24 25 26", "6, test vectors"),
    (
        "wd7",
        "2025-09-26",
        "2025-10-13",
        "Sun 28 works; 28 29 30: 3; 1-8 off; 9 10 Sat 11: 6; 13",
        "6, test vectors",
    ),
    ("wd10", "2025-09-30", "2025-10-21", "9 10 11: 3; 13-17: 8; 20 21", "6, test vectors"),
    ("wd5", "2024-04-26", "2024-05-07", "Sun 28 works; 28 29 30: 3; 1-5 off; 6 7", "6, test vectors"),
    ("wd7", "2026-04-30", "2026-05-13", "1-5 off; 6 7 8 Sat 9: 4; 11 12 13", "6, test vectors"),
    ("cd7", "2025-09-26", "2025-10-09", "10-03 is National Day: rolls past the 8th", "6, test vectors"),
    ("cd5", "2026-02-12", "2026-02-24", "02-17 is Spring Festival: rolls past the 23rd", "6, test vectors"),
    ("cd5", "2024-04-26", "2024-05-06", "05-01 is Labour Day: rolls past the 5th", "6, test vectors"),
    ("cd10", "2026-03-20", "2026-03-30", "Monday, works", "K06, 10 days from the report"),
    ("cd20", "2026-05-11", "2026-06-01", "05-31 is a Sunday: rolls to Monday", "K06, coal 20 days"),
    ("m3", "2026-01-15", "2026-04-15", "same number, a Wednesday", "K04, quarterly report"),
    ("before15", "2026-12-31", "2026-12-10", "30..14: 13; 11 10", "K05, 15 wd before the due date"),
];

fn json(output: &std::process::Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn dates_checked_by_hand_come_out_of_the_binary() {
    let county = county("2024-01-03", FILE).await;
    let mut opened = std::collections::BTreeMap::new();
    for (rule, start, expected, by_hand, source) in TABLE {
        if !opened.contains_key(start) {
            let field = format!("start={start}");
            let arguments = ["open", "clocks", "--as", "clerk-lin", "--field", &field, "--json"];
            let number = json(&bihuan(&county.path, &arguments))["number"].as_str().expect("one").to_owned();
            opened.insert(start, number);
        }
        let told = json(&bihuan(&county.path, &["explain", &opened[start], "--deadline", rule, "--json"]));
        assert_eq!(told["due"]["day"], *expected, "{rule} from {start}: {by_hand} ({source})");
        // The day-by-day account counts up to the very number of the rule.
        let leg = &told["legs"][0];
        let spans = leg["days"].as_array().expect("spans");
        let counted = spans.iter().filter_map(|span| span["last"].as_i64()).max();
        if let Some(days) = rule.strip_prefix("wd").or(rule.strip_prefix("before")) {
            assert_eq!(counted, days.parse().ok(), "{rule} from {start}");
        }
        assert_eq!(leg["working_days"].as_i64(), counted.or(Some(0)), "{rule} from {start}");
        assert_eq!(told["calendar_version"], calendar::china().version());
    }
}

#[tokio::test]
async fn an_overdue_hazard_says_why_what_was_extended_what_comes_next_and_who_owes_it() {
    let county = county("2026-09-07", "workflows/major-hazard.yaml").await;
    let photo = county.folder.path().join("photo.jpg");
    std::fs::write(&photo, "a photo").expect("written");
    let photo = photo.display();
    let text = |output: std::process::Output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    for line in [
        &*format!(
            "open major-hazard --as officer-qin --field enterprise=e-paper --field township=north \
             --field place=一号车间 --field description=无泄爆装置 --field sector=industry \
             --field source=expert_inspection --field found_on=2026-09-07 --evidence photo={photo}"
        ),
        "act YH-2026-000001 determine --as officer-qin --field clause=第三条 --field stop_work=no \
         --field withdraw_people=no",
        "act YH-2026-000001 dispatch --as clerk-lin --field order_no=7号 --field due_date=2026-09-25",
        "work --until 2026-09-10",
        // Asked for in time, and granted once: what is overdue is the later date.
        "act YH-2026-000001 ask_extension --as safety-he --field done_so_far=一半 \
         --field interim_protection=停用 --field requested_date=2026-10-16 --reason 备件未到",
        "act YH-2026-000001 grant_extension --as head-zhou --field granted_date=2026-10-16 --field document_no=8号",
        "work --until 2026-10-30",
    ] {
        text(bihuan(&county.path, &line.split_whitespace().collect::<Vec<_>>()));
    }
    let arguments = ["explain", "YH-2026-000001"];
    let english = text(bihuan(&county.path, &arguments));
    let chinese = text(bihuan_zh(&county.path, &arguments));
    insta::assert_snapshot!("overdue_en", english);
    insta::assert_snapshot!("overdue_zh", chinese);
    let told = json(&bihuan(&county.path, &["explain", "YH-2026-000001", "--json"]));
    assert_eq!((&told["name"], &told["days_overdue"]), (&"rectification".into(), &14.into()));
    assert_eq!((&told["first_due"]["day"], &told["missed"]), (&"2026-09-25".into(), &true.into()));
    let wrong = bihuan(&county.path, &["explain", "YH-2026-000001", "--deadline", "nothing"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn every_earlier_date_is_told_with_who_moved_it() {
    let county = county("2026-09-01", "tests/workflows/clocks.yaml").await;
    let run = |arguments: &[&str]| {
        let output = bihuan(&county.path, arguments);
        assert!(output.status.success(), "{output:?}");
        output
    };
    run(&[
        "open",
        "clocks",
        "--as",
        "clerk-lin",
        "--field",
        "start=2026-09-01",
        "--field",
        "due_on=2026-09-18",
    ]);
    run(&[
        "act",
        "CL-2026-000001",
        "extend",
        "--as",
        "clerk-lin",
        "--field",
        "new_due=2026-09-30",
        "--reason",
        "缺材料",
    ]);
    run(&["act", "CL-2026-000001", "stop", "--as", "clerk-lin", "--reason", "鉴定"]);
    run(&["work", "--until", "2026-09-10"]);
    run(&["act", "CL-2026-000001", "run", "--as", "clerk-lin", "--reason", "鉴定完成"]);
    let told = json(&run(&["explain", "CL-2026-000001", "--deadline", "legal", "--json"]));
    let legs: Vec<_> = told["legs"].as_array().expect("legs").iter().collect();
    let seen: Vec<_> = legs.iter().map(|leg| (leg["why"].as_str(), leg["due"]["day"].as_str())).collect();
    // 29 days were left on 1 September; they run on from the 10th.
    let expected = [
        (None, Some("2026-09-18")),
        (Some("extended"), Some("2026-09-30")),
        (Some("resumed"), Some("2026-10-09")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(told["pauses"][0]["by"]["reason"], "鉴定");
    assert!(told["pauses"][0]["until"].is_string());
    assert_eq!(told["first_due"]["day"], "2026-09-18");
}

#[tokio::test]
async fn each_date_is_told_by_the_calendar_it_was_counted_with() {
    let county = county("2026-12-28", FILE).await;
    let run = |arguments: &[&str]| {
        let output = bihuan(&county.path, arguments);
        assert!(output.status.success(), "{output:?}");
        output
    };
    run(&["open", "clocks", "--as", "clerk-lin", "--field", "start=2026-12-28"]);
    let file = county.folder.path().join("2027.yaml");
    let year =
        "year: 2027\noff:\n  - { from: 2027-01-01, to: 2027-01-05, name: 元旦 }\nmake_up: [2027-01-09]\n";
    std::fs::write(&file, year).expect("written");
    let explain = ["explain", "CL-2026-000001", "--deadline", "wd5"];
    let before = json(&run(&[&explain[..], &["--json"]].concat()));
    run(&["calendar", "load", &file.display().to_string(), "--as", "admin-wen"]);
    let told = json(&run(&[&explain[..], &["--json"]].concat()));
    // 29 30 31 December, and then: Friday 1 and Monday 4 January by bare weekends; 6 and 7 as published.
    let legs: Vec<_> = told["legs"].as_array().expect("legs").iter().collect();
    let seen = |leg: &Value| {
        let version = leg["calendar_version"].as_str().expect("a version").to_owned();
        let due = leg["due"]["day"].as_str().expect("a day").to_owned();
        (due, leg["working_days"].as_i64(), leg["provisional"].as_bool(), version)
    };
    let newest = told["calendar_version"].as_str().expect("a version").to_owned();
    assert_ne!(newest, calendar::china().version());
    let first = ("2027-01-04".to_owned(), Some(5), Some(true), calendar::china().version().to_owned());
    let expected = [first, ("2027-01-07".to_owned(), Some(5), Some(false), newest)];
    assert_eq!(legs.iter().map(|leg| seen(leg)).collect::<Vec<_>>(), expected);
    assert_eq!(legs[0], &before["legs"][0], "as it was told then");
    // Three working days lie within 2026: loaded or not, the year after has nothing to do with them.
    let inside = json(&run(&["explain", "CL-2026-000001", "--deadline", "wd3", "--json"]));
    assert_eq!(inside["calendar_version"], calendar::china().version());
    assert_eq!(inside["legs"].as_array().map(Vec::len), Some(1));
    let said = |output: std::process::Output| String::from_utf8(output.stdout).expect("text");
    let english = said(bihuan(&county.path, &explain));
    assert!(
        english.contains("calendar 2026.1; provisional when counted") && english.contains("元旦"),
        "{english}"
    );
    let chinese = said(bihuan_zh(&county.path, &explain));
    assert!(chinese.contains("日历版本 2026.1；计算时为暂定"), "{chinese}");
    // Both dates stand on the case as well.
    let shown = json(&run(&["show", "CL-2026-000001", "--json"])).to_string();
    assert!(shown.contains("2027-01-04") && shown.contains("2027-01-07"), "{shown}");
}

#[tokio::test]
async fn without_a_name_what_is_owed_now_is_explained() {
    let county = county("2026-09-07", "workflows/general-hazard.yaml").await;
    open_hazard(&county.engine, "one", "2026-09-25").await;
    let photo = county.folder.path().join("photo.jpg");
    std::fs::write(&photo, "a photo").expect("written");
    let evidence = format!("after_photo={}", photo.display());
    let run = |arguments: &[&str]| {
        let output = bihuan(&county.path, arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let name = || {
        let told: Value = serde_json::from_str(&run(&["explain", "YB-2026-000001", "--json"])).expect("JSON");
        told["name"].as_str().expect("a name").to_owned()
    };
    assert_eq!(name(), "rectification");
    run(&["act", "YB-2026-000001", "report_complete", "--as", "safety-he", "--evidence", &evidence]);
    assert_eq!(name(), "reinspection", "the inspectors have ten days");
    let met = run(&["explain", "YB-2026-000001", "--deadline", "rectification"]);
    assert!(!met.contains("owed by"), "{met}");
    assert!(met.contains("met") && !met.contains("overdue from"), "{met}");
    run(&["work", "--until", "2026-09-20"]);
    assert_eq!(name(), "reinspection", "overdue");
    let officers = ["--officer", "officer-qin", "--officer", "officer-bai", "--signed", "safety-he"];
    run(&[&["act", "YB-2026-000001", "accept", "--as", "officer-qin"][..], &officers].concat());
    run(&["act", "YB-2026-000001", "close_out", "--as", "clerk-lin"]);
    assert_eq!(name(), "rectification", "closed");
    let closed = run(&["explain", "YB-2026-000001"]);
    assert!(!closed.contains("overdue from") && !closed.contains("overdue since"), "{closed}");
}
