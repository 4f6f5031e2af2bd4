//! Workflow files on trial: `check`, `try`, and what `publish` refuses.

use std::path::{Path, PathBuf};

use engine::EngineError;
use engine::text::{Language, problem, texts};
use machine::Definition;
use machine::check::{self, CODES};
use serde_json::Value;
use tests::{bihuan, county, project};
use tokio::sync::Mutex;

fn shipped() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project().join("workflows")).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    let names: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    for name in ["general-hazard", "major-hazard", "periodic-duty", "task-list"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    files
}

/// A file is searched for ten seconds at most: several at once on a slow machine would have less than that each.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn run(arguments: &[&str], files: &[PathBuf]) -> (Option<i32>, String) {
    let _turn = ONE_AT_A_TIME.blocking_lock();
    let files = files.iter().map(|file| file.to_str().expect("a path"));
    let arguments: Vec<&str> = arguments.iter().copied().chain(files).collect();
    let output = bihuan(Path::new("none.db"), &arguments);
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

/// The loop as shipped without what keeps a stopped plant from being closed out.
fn broken(folder: &Path) -> PathBuf {
    let path = project().join("workflows/major-hazard.yaml");
    let text = std::fs::read_to_string(path).expect("the file");
    let without = text.replace("when: \"operation in ['running', 'resumed'] && sup", "when: \"sup");
    assert_ne!(without, text, "the guard is there");
    let file = folder.join("broken.yaml");
    std::fs::write(&file, without).expect("written");
    file
}

#[test]
fn the_shipped_files_are_proved_with_states_and_time_per_property() {
    let (code, text) = run(&["check"], &shipped());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nobody judges or closes their own work (I1)"), "{text}");
    let (code, text) = run(&["check", "--json"], &shipped());
    assert_eq!(code, Some(0));
    let files: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    for property in files.iter().flat_map(|file| file["properties"].as_array().expect("a list")) {
        assert_eq!(property["verdict"], "holds", "{property}");
        assert!(property["time_us"].is_u64() && property["states"].is_u64(), "{property}");
        let searched = !matches!(property["property"].as_str(), Some("structure" | "four_people"));
        assert!(!searched || property["states"].as_u64() > Some(0), "{property}");
    }
}

#[test]
fn a_file_with_a_hole_is_refused_with_the_shortest_way_through_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = broken(folder.path());
    let (code, text) = run(&["check"], std::slice::from_ref(&file));
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("CK15"), "{text}");
    assert!(text.contains("this can happen: Closed out while stopped."), "{text}");
    assert!(text.contains(": close_out"), "the trace is printed\n{text}");
    let (code, text) = run(&["check", "--json"], &[file]);
    assert_eq!(code, Some(4));
    let files: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let properties = files[0]["properties"].as_array().expect("a list");
    let problems = || properties.iter().flat_map(|property| property["problems"].as_array().expect("a list"));
    let holds = problems().find(|problem| problem["bad"] == "holds").expect("the state that never is");
    assert!(holds["trace"].as_array().is_some_and(|trace| trace.len() > 2), "{holds}");
    let told = holds["text"].as_str().expect("a text");
    assert!(told.starts_with("CK15 ") && told.contains("Closed out while stopped."), "{told}");
}

#[tokio::test]
async fn publish_refuses_what_check_refuses_and_roles_nobody_holds() {
    let _turn = ONE_AT_A_TIME.lock().await;
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let folder = tempfile::tempdir().expect("a folder");
    let compile = |text: &str| {
        let file = machine::file::parse("a file", text).expect("well formed");
        Definition::compile(&file, &Default::default()).expect("compiles")
    };
    let codes = |result: Result<(), EngineError>| match result {
        Err(EngineError::Unsound(problems)) => {
            problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
        }
        other => panic!("not refused: {other:?}"),
    };
    let broken = compile(&std::fs::read_to_string(broken(folder.path())).expect("the file"));
    assert!(codes(county.engine.publish(&broken).await).contains(&"CK15"));
    let whole = std::fs::read_to_string(project().join("workflows/general-hazard.yaml")).expect("the file");
    // A new role that owes the closing: nobody in the county holds it.
    let role = "  archivist: {title: {zh: 档案员, en: Archivist}, regulator: true}\nfields:\n";
    let unheld = whole.replacen("fields:\n", role, 1).replacen("fallback: office", "fallback: archivist", 1);
    assert_eq!(codes(county.engine.publish(&compile(&unheld)).await), ["CK23"]);
    // Three officers per department are more than some departments have.
    let many = whole.replace("{least: 2,", "{least: 9,");
    let found = codes(county.engine.publish(&compile(&many)).await);
    assert!(found.contains(&"CK23") && found.contains(&"CK04"), "{found:?}");
}

#[test]
fn one_invented_case_is_played_through_every_file() {
    for file in shipped() {
        let (code, text) = run(&["try", "--json"], std::slice::from_ref(&file));
        assert_eq!(code, Some(0), "{}: {text}", file.display());
        let played: Value = serde_json::from_str(&text).expect("JSON");
        let acts = played["acts"].as_array().expect("a list");
        let effects = || acts.iter().flat_map(|act| act["effects"].as_array().into_iter().flatten());
        let is = |name: &str| effects().filter(|effect| effect["effect"] == name).count();
        assert!(is("deadline_missed") > 0 && is("rung_recorded") > 0, "{}", file.display());
        let (code, text) = run(&["try"], &[file]);
        assert_eq!(code, Some(0));
        assert!(text.lines().count() > acts.len(), "{text}");
    }
}

/// Every code has its text in both languages, and every text can be put together.
#[test]
fn every_finding_can_be_told() {
    for language in [Language::Zh, Language::En] {
        for code in CODES {
            assert!(texts(language).contains_key(&format!("finding.{code}")), "{code}");
        }
    }
    let tests = project().join("crates/machine/tests/check");
    let read = |name: &str| std::fs::read_to_string(tests.join(name)).expect("the file");
    let cases: Vec<Value> = machine::file::read("bad.yaml", &read("bad.yaml")).expect("the cases");
    let mut told = 0;
    for case in cases {
        let mut text = read("small.yaml");
        for change in [&case, &case["also"]].into_iter().filter(|change| change["from"].is_string()) {
            let part = |name: &str| change[name].as_str().expect("a text").to_owned();
            text = text.replace(&part("from"), &part("to"));
        }
        let file = machine::file::parse("small.yaml", &text).expect("well formed");
        let definition = Definition::compile(&file, &Default::default()).expect("compiles");
        for found in check::check_all(&definition) {
            for language in [Language::Zh, Language::En] {
                let said = problem(language, &found);
                assert!(!said.contains("undefined") && !said.contains("finding."), "{said}");
                told += 1;
            }
        }
    }
    assert!(told > 50);
}
