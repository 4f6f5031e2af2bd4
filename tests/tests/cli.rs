//! The commands a person looks things up with, end to end, on a small simulated county.

use serde_json::Value;
use tests::{bihuan, bihuan_zh, county, morning, open_hazard};

const FILE: &str = "workflows/general-hazard.yaml";

fn text(output: std::process::Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn json(output: std::process::Output) -> Value {
    serde_json::from_str(&text(output)).expect("JSON")
}

/// Four hazards: two overdue by the enterprise, one due soon, one due later.
async fn small() -> tests::County {
    let county = county("2026-09-07", FILE).await;
    for (key, due) in [("a", "2026-09-10"), ("b", "2026-09-14"), ("c", "2026-09-18"), ("d", "2026-12-18")] {
        open_hazard(&county.engine, key, due).await;
    }
    worker::simulate(&county.engine, morning("2026-09-16").plus_micros(3_600_000_000)).await.expect("worked");
    county
}

#[tokio::test]
async fn the_circular_of_any_day_can_be_drawn_up_again() {
    let county = small().await;
    insta::assert_snapshot!("roundup_en", text(bihuan(&county.path, &["roundup"])));
    insta::assert_snapshot!("roundup_zh", text(bihuan_zh(&county.path, &["roundup"])));
    let overdue = |day: &str| {
        let found = json(bihuan(&county.path, &["roundup", "--as-of", day, "--json"]));
        let rows = found["roundup"]["overdue"].as_array().expect("rows").clone();
        let numbers: Vec<_> =
            rows.iter().map(|row| row["number"].as_str().expect("text").to_owned()).collect();
        (numbers, found["roundup"]["departments"][0]["due"].as_u64())
    };
    // The due day itself is due, but not overdue.
    assert_eq!(overdue("2026-09-10"), (vec![], Some(1)));
    assert_eq!(overdue("2026-09-11"), (vec!["YB-2026-000001".to_owned()], Some(1)));
    assert_eq!(overdue("2026-09-14").1, Some(2));
    assert_eq!(overdue("2026-09-15").0.len(), 2);
    assert_eq!(bihuan(&county.path, &["roundup", "--as-of", "2027-01-01"]).status.code(), Some(2));
}

#[tokio::test]
async fn the_ledger_is_filtered_paged_and_counted() {
    let county = small().await;
    let numbers = |arguments: &[&str]| {
        let mut all = vec!["ledger", "--json"];
        all.extend(arguments);
        let found = json(bihuan(&county.path, &all));
        let rows = found["rows"].as_array().expect("rows").iter();
        let rows: Vec<u64> =
            rows.map(|row| row["number"].as_str().expect("text")[8..].parse().expect("number")).collect();
        (rows, found["next"].as_str().map(str::to_owned))
    };
    assert_eq!(numbers(&[]).0, [1, 2, 3, 4], "the most overdue first");
    assert_eq!(numbers(&["--lamp", "overdue"]).0, [1, 2]);
    assert_eq!(numbers(&["--lamp", "soon"]).0, [3]);
    assert_eq!(numbers(&["--lamp", "normal"]).0, [4]);
    assert_eq!(numbers(&["--overdue-by", "enterprise"]).0, [1, 2]);
    assert_eq!(numbers(&["--overdue-by", "regulator"]).0, [0; 0]);
    assert_eq!(numbers(&["--due-from", "2026-09-14", "--due-to", "2026-09-18"]).0, [2, 3]);
    assert_eq!(numbers(&["--text", "%"]).0, [0; 0], "taken literally");
    assert_eq!(numbers(&["--text", "消防"]).0.len(), 4);
    let (first, next) = numbers(&["--limit", "2"]);
    assert_eq!(first, [1, 2]);
    assert_eq!(numbers(&["--limit", "2", "--after", &next.expect("more")]).0, [3, 4]);
    assert_eq!(text(bihuan(&county.path, &["ledger", "--count"])).trim(), "4 cases");
    assert_eq!(bihuan(&county.path, &["ledger", "--after", "x"]).status.code(), Some(2));
    insta::assert_snapshot!("ledger_zh", text(bihuan_zh(&county.path, &["ledger"])));
    insta::assert_snapshot!("ledger_en", text(bihuan(&county.path, &["ledger"])));
    insta::assert_snapshot!("owes_zh", text(bihuan_zh(&county.path, &["owes", "--person", "safety-he"])));
    insta::assert_snapshot!("status_zh", text(bihuan_zh(&county.path, &["status"])));
    insta::assert_snapshot!("status_en", text(bihuan(&county.path, &["status"])));
}

#[tokio::test]
async fn a_rebuild_names_the_column_puts_it_right_and_believes_no_damaged_act() {
    let county = small().await;
    let check = || bihuan(&county.path, &["rebuild", "--check"]);
    assert!(check().status.success());
    let raw = county.raw().await;
    for (damage, named) in [
        ("UPDATE cases SET legal_due = '2030-01-01' WHERE number = 'YB-2026-000001'", "legal_due"),
        ("UPDATE obligations SET due_day = '2030-01-01' WHERE deadline_no = 1", "due_day"),
        ("UPDATE rungs SET due_at = due_at + 1 WHERE rung = 'overdue'", "due_at"),
        ("UPDATE history SET stage = 'accepted'", "stage"),
        ("DELETE FROM history", "missing"),
        ("DELETE FROM cases WHERE number = 'YB-2026-000002'", "head is missing"),
    ] {
        assert!(raw.run(damage).await > 0, "{damage}");
        let found = check();
        assert_eq!(found.status.code(), Some(5), "{damage}");
        assert!(String::from_utf8_lossy(&found.stdout).contains(named), "{damage}: {found:?}");
        text(bihuan(&county.path, &["rebuild"]));
        assert!(check().status.success(), "{damage}");
    }
    raw.run("UPDATE acts SET body = replace(body, '一号', '二号') WHERE version = 1").await;
    assert_eq!(bihuan(&county.path, &["rebuild"]).status.code(), Some(5), "a damaged act is not believed");
}

#[tokio::test]
async fn a_file_is_drawn() {
    let county = county("2026-09-07", FILE).await;
    let file = tests::project().join(FILE);
    let drawn = text(bihuan(&county.path, &["diagram", file.to_str().expect("text")]));
    assert!(drawn.starts_with("%% Main\nstateDiagram-v2\n    [*] --> rectifying\n"), "{drawn}");
    assert!(drawn.contains("rectifying --> to_reinspect : Report complete"), "{drawn}");
    assert!(drawn.contains("closed --> [*]"), "{drawn}");
    // An act of many steps is drawn from where each of them leads, and from nowhere else.
    let major = tests::project().join("workflows/major-hazard.yaml");
    let drawn = text(bihuan(&county.path, &["diagram", major.to_str().expect("text")]));
    assert!(drawn.contains("exposed --> exposure_withdrawal_asked : Annul"), "{drawn}");
    assert!(!drawn.contains("internal --> exposure_withdrawal_asked"), "{drawn}");
}
