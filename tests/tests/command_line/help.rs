//! What `--help` promises: its examples work, `--json` is JSON, the exit codes are those listed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{County, binary, project};

use crate::world::*;

/// Commands that run for long, or for ever: their examples are tried elsewhere.
const LONG: [&str; 2] = ["demo", "work"];

fn help(words: &[&str]) -> String {
    let ran = Command::new(binary()).args(words).arg("--help").output().expect("ran");
    assert!(ran.status.success(), "{words:?}");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// The commands `bihuan --help` lists.
fn commands() -> Vec<String> {
    let text = help(&[]);
    let list = text.split("Commands:\n").nth(1).expect("a list");
    let lines = list.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().expect("a name").to_owned())
        .filter(|name| name != "help")
        .collect()
}

/// The examples of a help text, each in one line.
fn examples(text: &str) -> Vec<String> {
    let after = text.split("Example").nth(1).unwrap_or_default().replace("\\\n", " ");
    let lines = after.lines().skip(1).take_while(|line| line.starts_with("  "));
    lines.map(|line| line.trim().to_owned()).collect()
}

/// A busy county, and in its folder every file the examples name.
async fn prepared() -> County {
    let county = busy().await;
    let folder = county.folder.path();
    let copy = |from: &str, to: &str| std::fs::copy(project().join(from), folder.join(to)).expect("copied");
    copy("workflows/sample/organisation.yaml", "organisation.yaml");
    std::fs::create_dir(folder.join("workflows")).expect("made");
    for file in ["general-hazard.yaml", "periodic-duty.yaml"] {
        copy(&format!("workflows/{file}"), &format!("workflows/{file}"));
    }
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("written");
    write("2027.yaml", "year: 2027\noff:\n  - { day: 2027-01-01, name: 元旦 }\n");
    write(
        "hazard.json",
        r#"{"act": "register", "fields": {"place": "三号库", "description": "堵塞", "sector": "industry",
            "source": "self_check", "responsible": "e-paper", "due_on": "2026-12-30"}}"#,
    );
    write("annul.json", r#"{"act": "annul", "reason": "误报"}"#);
    done(&county, "publish workflows/periodic-duty.yaml");
    for number in [3, 4] {
        write(&format!("{number}.jpg"), &number.to_string());
        done(
            &county,
            &format!(
                "open major-hazard --as officer-qin --field enterprise=e-paper --field township=north \
                 --field place=一号车间 --field description=无泄爆装置 --field sector=industry \
                 --field source=expert_inspection --field found_on=2026-11-20 --evidence photo={number}.jpg"
            ),
        );
        done(
            &county,
            &format!(
                "act YH-2026-00000{number} determine --as officer-qin --field clause=第三条 --field stop_work=no \
                 --field withdraw_people=no"
            ),
        );
    }
    done(&county, "comment YB-2026-000001 记一笔 --as clerk-lin");
    county
}

/// Runs a line as somebody would type it, in a copy of the county of its own.
fn typed(county: &County, line: &str, more: &str) -> std::process::Output {
    let copy = tempfile::tempdir().expect("a folder");
    let files = [
        "organisation.yaml",
        "2027.yaml",
        "hazard.json",
        "annul.json",
        "photo.jpg",
        "bihuan.db",
        "bihuan.db-wal",
    ];
    for file in files {
        let from = county.folder.path().join(file);
        if from.exists() {
            std::fs::copy(from, copy.path().join(file)).expect("copied");
        }
    }
    std::fs::create_dir(copy.path().join("workflows")).expect("made");
    for file in ["general-hazard.yaml", "periodic-duty.yaml"] {
        let file = Path::new("workflows").join(file);
        std::fs::copy(county.folder.path().join(&file), copy.path().join(&file)).expect("copied");
    }
    let folder = binary().parent().expect("a folder").display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").expect("a path"));
    let line = line.split('#').next().unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{line} {more}")]).current_dir(copy.path()).env("PATH", path);
    shell.env_remove("BIHUAN_STORE").env_remove("BIHUAN_TENANT").output().expect("ran")
}

#[tokio::test]
async fn every_example_of_every_help_works_and_prints_json_when_asked() {
    let county = prepared().await;
    let mut tried = 0;
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    let mut all = vec![String::new()];
    all.extend(commands);
    all.push("calendar load".to_owned());
    for command in &all {
        let words: Vec<&str> = command.split_whitespace().collect();
        let examples = examples(&help(&words));
        assert!(!examples.is_empty(), "`{command}` shows no example");
        for example in examples {
            assert!(example.starts_with(&format!("bihuan {command}")), "{command}: {example}");
            if words.first().is_some_and(|word| LONG.contains(word)) {
                continue;
            }
            tried += 1;
            let ran = typed(&county, &example, "");
            assert!(ran.status.success(), "{example}: {}", String::from_utf8_lossy(&ran.stderr));
            if example.contains("--json") || example.contains("--csv") {
                continue;
            }
            let ran = typed(&county, &example, "--json");
            assert!(ran.status.success(), "{example} --json: {ran:?}");
            let printed = String::from_utf8(ran.stdout).expect("UTF-8");
            let value: Result<Value, _> = serde_json::from_str(&printed);
            assert!(value.is_ok(), "{example} --json: {value:?}: {printed}");
        }
    }
    assert!(tried > 35, "only {tried} examples were tried");
    let ran = typed(&county, "bihuan work --until 2026-12-31", "--json");
    assert!(serde_json::from_slice::<Value>(&ran.stdout).expect("JSON")["moved"].is_number());
}

#[tokio::test]
async fn the_exit_codes_are_those_the_help_lists() {
    let county = small().await;
    let listed = help(&[]);
    for code in 0..=5 {
        assert!(listed.contains(&format!("\n  {code}  ")), "{code} is not listed:\n{listed}");
    }
    let code = |text: &str| line(&county, text).status.code().expect("a code");
    assert_eq!(code("verify"), 0);
    assert_eq!(code("show YB-2026-000009"), 2);
    assert_eq!(code("show"), 2);
    assert_eq!(code("act YB-2026-000001 close_out --as clerk-lin"), 3);
    std::fs::write(county.folder.path().join("hole.yaml"), hole()).expect("written");
    assert_eq!(code("check hole.yaml"), 4);
    assert_eq!(code("publish hole.yaml"), 4);
    // An error is JSON as well, with its codes; also what is wrong with the arguments.
    for (text, code, name) in [
        ("act YB-2026-000001 close_out --as clerk-lin --json --lang en", 3, "BH0004"),
        ("show YB-2026-000009 --json --lang en", 2, "BH0033"),
        ("show --json --lang en", 2, "BH0049"),
        ("publish hole.yaml --json --lang en", 4, "BH0041"),
    ] {
        let (exit, said) = refused(&county, text);
        let error: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{text}: {error}: {said}"));
        assert_eq!((exit, &error["exit_code"], &error["code"]), (code, &code.into(), &name.into()), "{said}");
        assert!(!error["error"].as_str().expect("text").is_empty());
    }
    let pool = tests::raw(&county.path).await;
    sqlx::query("UPDATE acts SET body = replace(body, '一号', '二号')")
        .execute(&pool)
        .await
        .expect("damaged");
    assert_eq!(code("verify"), 5);
    sqlx::query("ALTER TABLE acts RENAME TO elsewhere").execute(&pool).await.expect("renamed");
    assert_eq!(code("comment YB-2026-000001 x --as clerk-lin"), 1);
}

/// The general loop without the separation of duty at its close.
fn hole() -> String {
    let text = std::fs::read_to_string(project().join("workflows/general-hazard.yaml")).expect("read");
    let holed =
        text.replace("    apart: {actor: [report_complete, accept, reject, fixed_on_the_spot]}\n", "");
    assert_ne!(text, holed);
    holed
}
