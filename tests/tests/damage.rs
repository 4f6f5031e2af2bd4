//! One damaged value: every list still shows what is everybody else's, and nothing breaks.

use engine::EngineError;
use machine::Command as Wish;
use tests::home::Raw;
use tests::{County, bihuan, clerk, county, morning, open_hazard, request};

const FILE: &str = "workflows/general-hazard.yaml";
/// After 08:30, when digests go out.
const HOUR: i64 = 3_600_000_000;

/// Three overdue hazards, each with notices and open duties.
async fn three() -> (County, Raw) {
    let county = county("2026-09-01", FILE).await;
    for index in 0..3 {
        open_hazard(&county.engine, &format!("damage-{index}"), "2026-09-04").await;
    }
    worker::simulate(&county.engine, morning("2026-09-16").plus_micros(HOUR)).await.expect("worked");
    let raw = county.raw().await;
    (county, raw)
}

async fn run(raw: &Raw, sql: &str) {
    assert!(raw.run(sql).await > 0, "{sql}");
}

/// Every list, which has to name the two cases that nothing was done to.
fn lists_go_on(county: &County, damage: &str) {
    let lists = [
        &["ledger"][..],
        &["ledger", "--csv"],
        &["ledger", "--json"],
        &["ledger", "--overdue-by", "enterprise"],
        &["owes"],
        &["owes", "--json"],
        &["inbox", "clerk-lin"],
        &["roundup"],
        &["status"],
    ];
    for list in lists {
        let out = bihuan(&county.path, list);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() != Some(101), "{damage}: {list:?}: {said}");
        // A circular that cannot be counted right is none.
        if list == ["roundup"] && ["workflow", "stage"].iter().any(|column| damage.contains(column)) {
            continue;
        }
        assert!(out.status.success(), "{damage}: {list:?}: {said}");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let named = list != ["status"];
        for number in ["YB-2026-000002", "YB-2026-000003"] {
            assert!(!named || text.contains(number), "{damage}: {list:?}: {text}");
        }
    }
}

const TEXTS: [(&str, &[&str]); 4] = [
    (
        "cases",
        &[
            "enterprise",
            "main_state",
            "owner_role",
            "owner_unit",
            "area",
            "sector",
            "source",
            "level",
            "department",
            "legal_due",
            "workflow",
            "definition_hash",
            "number",
        ],
    ),
    ("obligations", &["name", "subject", "owner_role", "owner_unit", "due_day", "due"]),
    ("notices", &["ladder", "rung", "template", "unreached"]),
    ("history", &["stage", "department", "enterprise_unit", "regulator_unit", "enterprise_role"]),
];

#[tokio::test]
async fn a_damaged_text_of_one_case_hides_no_other_in_any_list() {
    let (county, raw) = three().await;
    let worst = raw.worst_text();
    let case = raw.texts("SELECT case_id FROM cases WHERE number = 'YB-2026-000001'").await.swap_remove(0);
    for (table, columns) in TEXTS {
        raw.run(&format!("CREATE TABLE kept AS SELECT * FROM {table}")).await;
        for column in columns {
            let damage = format!("UPDATE {table} SET {column} = {worst} WHERE case_id = '{case}'");
            run(&raw, &damage).await;
            lists_go_on(&county, &damage);
            run(&raw, &format!("DELETE FROM {table}")).await;
            run(&raw, &format!("INSERT INTO {table} SELECT * FROM kept")).await;
        }
        raw.run("DROP TABLE kept").await;
    }
    assert!(bihuan(&county.path, &["verify"]).status.success(), "all is as it was");
}

#[tokio::test]
async fn a_damaged_number_or_id_of_one_case_hides_no_other_in_the_ledger() {
    let (county, raw) = three().await;
    for damage in ["overdue_from = -9223372036854775808", "version = -1", "case_id = 'none'"] {
        run(&raw, &format!("UPDATE cases SET {damage} WHERE number = 'YB-2026-000001'")).await;
        for list in [&["ledger"][..], &["ledger", "--json"], &["owes"]] {
            let out = bihuan(&county.path, list);
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            assert!(out.status.success() && text.contains("YB-2026-000002"), "{damage}: {list:?}: {out:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_act_fails_for_its_own_case_and_stops_nobody() {
    let (county, raw) = three().await;
    let (engine, worst) = (&county.engine, raw.worst_text());
    let (first, _) = engine.case("YB-2026-000001").await.expect("there");
    let (second, _) = engine.case("YB-2026-000002").await.expect("there");
    for column in ["name", "algorithm", "hash", "body"] {
        let sql =
            format!("UPDATE acts SET {column} = {worst} WHERE case_id = '{}' AND version = 1", first.case);
        run(&raw, &sql).await;
        for line in [&["show", "YB-2026-000001"][..], &["explain", "YB-2026-000001"]] {
            let out = bihuan(&county.path, line);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(
                !said.contains("panicked") && out.status.code() != Some(101),
                "{column}: {line:?}: {said}"
            );
        }
        for line in [&["show", "YB-2026-000002"][..], &["explain", "YB-2026-000002"], &["inbox", "clerk-lin"]]
        {
            let out = bihuan(&county.path, line);
            assert!(out.status.success(), "{column}: {line:?}: {out:?}");
        }
        let back = Wish::TakeBack { reason: "damaged".to_owned(), before: Box::new(first.clone()) };
        let refused = engine.execute(request(first.case, back, clerk(), None)).await;
        assert!(!matches!(refused, Ok(_) | Err(EngineError::Stopped)), "{column}: {refused:?}");
        let comment = Wish::Comment { text: format!("after {column}") };
        let written = engine.execute(request(second.case, comment, clerk(), None)).await;
        assert!(written.is_ok(), "{column}: the commit task still runs: {written:?}");
    }
}
