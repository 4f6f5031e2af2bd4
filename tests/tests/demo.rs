//! The demonstration: what it prints, what stands in its store, and that the store is of use afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use machine::State;
use tests::{bihuan, binary, project, raw};

fn demo(folder: &Path, lang: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(["demo", "--lang", lang, "--folder"]).arg(folder).env_remove("BIHUAN_STORE");
    command.output().expect("the binary starts")
}

/// Columns on the terminal: a wide character takes two.
fn columns(line: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6);
    line.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

/// What the demonstration printed, without the path of its store.
fn printed(folder: &Path, lang: &str) -> String {
    let out = demo(folder, lang);
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    let text = text.replace(&folder.join("bihuan.db").display().to_string(), "bihuan.db");
    text.replace(&binary().display().to_string(), "bihuan")
}

/// The lines to try next run as they stand from where the demonstration was run, though nothing is on the PATH.
fn every_line_to_try_runs(folder: &Path) {
    let out = demo(folder, "en");
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    let lines = text.lines().skip_while(|line| *line != "== Try next").skip(1);
    let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 6, "{text}");
    for line in lines {
        let ran = Command::new("sh").args(["-c", line]).env("PATH", "/bin").output().expect("a shell");
        assert!(ran.status.success() && !ran.stdout.is_empty(), "{line}: {ran:?}");
    }
}

#[test]
fn what_to_try_next_runs_as_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    every_line_to_try_runs(&folder.path().join("a county"));
}

/// Every head by number: where its tracks stand, how many acts it took.
async fn heads(store: &Path) -> BTreeMap<String, (u32, State)> {
    let rows: Vec<(String, u32, String)> = sqlx::query_as(
        "SELECT number, version, state FROM cases WHERE workflow = 'major-hazard' ORDER BY number",
    )
    .fetch_all(&raw(store).await)
    .await
    .expect("read");
    let head = |(number, version, state): (String, u32, String)| {
        (number, (version, serde_json::from_str(&state).expect("a state")))
    };
    rows.into_iter().map(head).collect()
}

#[tokio::test]
async fn the_county_in_both_languages() {
    let folder = tempfile::tempdir().expect("a folder");
    let (zh, en) = (folder.path().join("zh"), folder.path().join("en"));
    for (lang, folder) in [("zh", &zh), ("en", &en)] {
        let text = printed(folder, lang);
        for line in text.lines() {
            assert!(columns(line) <= 100, "{lang}: {} columns: {line}", columns(line));
        }
        if lang == "en" {
            counts_what_the_lists_show(&folder.join("bihuan.db"), &text);
        }
        insta::assert_snapshot!(format!("demo_{lang}"), text);
    }
    let store = zh.join("bihuan.db");
    let heads_zh = heads(&store).await;
    // What came back after its end is a case of its own.
    let came_back = heads_zh.values().filter(|(_, state)| state.involved.contains_key("rebound")).count();
    assert!(came_back > 0);
    assert_eq!(heads_zh.len(), 300 + came_back);
    let other = heads(&en.join("bihuan.db")).await;
    // Salts differ from run to run, and with them the digests of personal values; nothing else does.
    for (number, (version, state)) in &heads_zh {
        let (other_version, other) = &other[number];
        assert_eq!(
            (version, &state.tracks, &state.deadlines),
            (other_version, &other.tracks, &other.deadlines)
        );
    }
    let every = every_state_and_act(&store, &heads_zh).await;
    assert_eq!(every, Vec::<String>::new(), "the demonstration leaves these out");
    kinds_of_trouble(&store, &heads_zh).await;
    look_back(&en.join("bihuan.db")).await;
    usable_afterwards(&store);
    let again = demo(&zh, "en");
    assert_eq!(again.status.code(), Some(2));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.starts_with("BH0069: There is a store already"), "{said}");
}

/// States no case stands in, and acts nobody did.
async fn every_state_and_act(store: &Path, heads: &BTreeMap<String, (u32, State)>) -> Vec<String> {
    let text = std::fs::read_to_string(project().join("workflows/major-hazard.yaml")).expect("read");
    let file = machine::file::parse("major-hazard.yaml", &text).expect("well formed");
    let mut missing = Vec::new();
    for (track, spec) in &file.tracks {
        let stands = |name: &str| heads.values().any(|(_, state)| state.on(track) == Some(name));
        missing
            .extend(spec.states.keys().filter(|name| !stands(name)).map(|name| format!("{track}: {name}")));
    }
    let done: Vec<(String,)> =
        sqlx::query_as("SELECT DISTINCT name FROM acts").fetch_all(&raw(store).await).await.expect("read");
    let done: BTreeSet<String> = done.into_iter().map(|(name,)| name).collect();
    missing.extend(file.acts.keys().filter(|act| !done.contains(*act)).map(|act| format!("act {act}")));
    missing
}

/// Overdue on both sides, extended, paused, with a second date, rejected, entered for another, unsigned.
async fn kinds_of_trouble(store: &Path, heads: &BTreeMap<String, (u32, State)>) {
    use machine::act::MoveReason;
    use machine::state::{ChargedTo, Status};
    let clocks = || heads.values().flat_map(|(_, state)| &state.deadlines);
    for side in [ChargedTo::Enterprise, ChargedTo::Regulator] {
        assert!(
            clocks().any(|clock| clock.charged_to == side && clock.is_open() && clock.missed_at.is_some())
        );
    }
    assert!(clocks().any(|clock| matches!(clock.status, Status::Paused { .. })));
    for why in [MoveReason::Extended, MoveReason::Resumed] {
        assert!(clocks().any(|clock| clock.history.iter().any(|moved| moved.why == why)), "{why:?}");
    }
    assert!(clocks().any(|clock| clock.name == "supplementary"));
    for decision in [Some(true), Some(false), None] {
        let mut proposals = heads.values().flat_map(|(_, state)| &state.proposals);
        assert!(proposals.any(|proposal| proposal.approved == decision), "{decision:?}");
    }
    let pool = raw(store).await;
    for what in ["$.entered_for", "$.signature.refused"] {
        let acts: i64 = sqlx::query_scalar("SELECT count(*) FROM acts WHERE body->>$1 IS NOT NULL")
            .bind(what)
            .fetch_one(&pool)
            .await
            .expect("counted");
        assert!(acts > 0, "{what}");
    }
    let refused: i64 =
        sqlx::query_scalar("SELECT count(*) FROM refusals").fetch_one(&pool).await.expect("counted");
    assert_eq!(refused, 0, "the script does nothing the loop refuses");
}

/// 回头看: of what was closed in the quarter all that was listed, and a fifth of the rest.
async fn look_back(store: &Path) {
    let said = |arguments: &[&str]| {
        let out = bihuan(store, arguments);
        assert!(out.status.success(), "{arguments:?}: {out:?}");
        serde_json::from_slice::<serde_json::Value>(&out.stdout).expect("JSON")
    };
    let file = project().join("workflows/periodic-duty.yaml");
    said(&["publish", &file.display().to_string(), "--json"]);
    let duty =
        ["periodic-duty", "--field", "duty=look_back", "--period", "2026Q2", "--closed", "major-hazard"];
    let plan = [&["plan"], &duty[..], &["--as", "clerk-lin", "--json"]].concat();
    let opened = said(&plan)["opened"].as_u64().expect("a number");
    assert_eq!(said(&plan)["opened"], 0, "planned once");
    let pool = raw(store).await;
    // Closed by the last act of that name; the quarter begins at midnight in China.
    let closed: Vec<(String, bool)> = sqlx::query_as(
        "SELECT c.number, c.level IS NOT NULL FROM cases c WHERE c.main_state = 'closed'
            AND (SELECT max(at) FROM acts a WHERE a.case_id = c.case_id AND a.name = 'close_out')
                >= unixepoch('2026-03-31 16:00') * 1000000",
    )
    .fetch_all(&pool)
    .await
    .expect("read");
    let listed = closed.iter().filter(|(_, listed)| *listed).count();
    assert!(listed > 0 && closed.len() > 2 * listed);
    assert_eq!(opened as usize, listed + (closed.len() - listed).div_ceil(5));
    // Another period that holds the same cases opens none of them twice.
    let other = said(&[
        "plan",
        "periodic-duty",
        "--field",
        "duty=look_back",
        "--period",
        "2026-05",
        "--closed",
        "major-hazard",
        "--share",
        "100",
        "--as",
        "clerk-lin",
        "--json",
    ]);
    assert!(other["there"].as_u64() > Some(0), "{other}");
    let looked_at: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT a.body->>'$.fields.of_case', a.body->>'$.fields.period_end', o.due_day
         FROM acts a JOIN obligations o ON o.case_id = a.case_id AND o.name = 'submission'
         WHERE a.name = 'plan'",
    )
    .fetch_all(&pool)
    .await
    .expect("read");
    assert_eq!(looked_at.len() as u64, opened + other["opened"].as_u64().expect("a number"));
    let once: BTreeSet<&String> = looked_at.iter().map(|of| &of.0).collect();
    assert_eq!(once.len(), looked_at.len(), "a case is looked back on once");
    for (number, day, due) in &looked_at {
        assert!(closed.iter().any(|(closed, _)| closed == number), "{number}");
        let days = calendar::parse_date(due).expect("a day") - calendar::parse_date(day).expect("a day");
        assert!((90..=98).contains(&days.num_days()), "90 days, or until the next working day: {number}");
    }
    assert!(
        closed
            .iter()
            .filter(|(_, listed)| *listed)
            .all(|(number, _)| looked_at.iter().any(|of| of.0 == *number))
    );
    let coverage = said(&[&["coverage"], &duty[..], &["--json"]].concat());
    assert_eq!((coverage["owed"].as_u64(), coverage["done"].as_u64()), (Some(opened), Some(0)));
}

/// What the page counts is what the lists it names count.
fn counts_what_the_lists_show(store: &Path, page: &str) {
    let count = |arguments: &[&str]| {
        let out = bihuan(store, &[&["ledger", "--count", "--json"], arguments].concat());
        let counted: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
        counted["count"].as_u64().expect("a number")
    };
    let all = count(&[]);
    let title = page.lines().take(3).collect::<Vec<_>>().join(" ");
    assert!(title.contains("300 hazards reported") && title.contains(&format!("{all} cases")), "{title}");
    let overdue = |by| count(&["--overdue-by", by]);
    let (enterprise, regulator) = (overdue("enterprise"), overdue("regulator"));
    let said = format!("by the enterprise {enterprise} · by the regulator {regulator}");
    assert!(page.contains(&said), "{said}");
    for (state, title) in [
        ("under_determination", "Under determination"),
        ("to_dispatch", "To dispatch"),
        ("to_reinspect", "To re-inspect"),
        ("to_close_out", "To close out"),
    ] {
        let said = format!("{title} {}", count(&["--state", state]));
        assert!(page.contains(&said), "{said}");
    }
}

fn usable_afterwards(store: &Path) {
    let said = |arguments: &[&str]| {
        let out = bihuan(store, arguments);
        assert!(out.status.success(), "{arguments:?}: {out:?}");
        String::from_utf8(out.stdout).expect("UTF-8")
    };
    // The fifth hazard was reported by somebody from the public.
    let shown = said(&["show", "YH-2026-000005"]);
    assert!(shown.contains("Contact of the person reporting: kept apart"), "{shown}");
    assert!(!shown.contains("样例联系方式"), "whoever reports is protected: {shown}");
    assert!(said(&["inbox", "clerk-lin"]).contains("Urging letter"));
    said(&["work", "--until", "2026-06-05"]);
    assert!(said(&["verify"]).contains("all hold"));
}
