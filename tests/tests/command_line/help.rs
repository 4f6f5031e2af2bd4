//! What `--help` promises: it speaks the language of the reader, its examples work, `--json` is JSON, the exit
//! codes are those listed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::{County, binary, project};

use crate::world::*;

/// Commands that run for long, or for ever, and the one that prints help: their examples are tried elsewhere.
const ELSEWHERE: [&str; 4] = ["demo", "work", "copy", "help"];

/// Runs the binary under an English locale, on a terminal wide enough for every text of its help.
fn ran(words: &[&str]) -> std::process::Output {
    let mut command = Command::new(binary());
    command.args(words).env("COLUMNS", "1000").env("LC_ALL", "C").env_remove("BIHUAN_STORE");
    command.output().expect("ran")
}

fn printed(words: &[&str]) -> String {
    let ran = ran(words);
    assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// The help of a command; of the program where it has no name.
fn help(command: &str, language: &str) -> String {
    let mut words: Vec<&str> = command.split_whitespace().collect();
    words.extend(["--help", "--lang", language]);
    printed(&words)
}

/// The program, every command `--help` lists, and every command of those.
fn commands() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut at = 0;
    while let Some(command) = all.get(at).cloned() {
        let text = help(&command, "en");
        let list = text.split("Commands:\n").nth(1).unwrap_or_default();
        let lines = list.lines().take_while(|line| !line.is_empty());
        let names = lines.map(|line| line.split_whitespace().next().expect("a name"));
        all.extend(names.map(|name| format!("{command} {name}").trim().to_owned()));
        at += 1;
    }
    assert!(all.len() > 25, "{all:?}");
    all
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
    for command in commands() {
        let examples = examples(&help(&command, "en"));
        assert!(!examples.is_empty(), "`{command}` shows no example");
        for example in examples {
            assert!(example.starts_with(&format!("bihuan {command}")), "{command}: {example}");
            if ELSEWHERE.contains(&command.as_str()) {
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

/// Whether a line of help is Chinese: its text, what it asks to be filled in, and no English phrase beside.
fn is_chinese(line: &str) -> bool {
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let text = line.rsplit("  ").next().and_then(|text| text.split(" [").next());
    let fills_in_english = |(at, _)| line[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic());
    let words: Vec<&str> = line.split(' ').collect();
    let is_english = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    text.is_some_and(|text| text.contains(is_han))
        && !line.match_indices(['<', '[']).any(fills_in_english)
        && !words.windows(2).any(|two| two.iter().all(|word| is_english(word)))
}

#[test]
fn all_help_is_there_in_chinese_with_the_same_examples() {
    let mut wrong = Vec::new();
    for command in commands() {
        let (english, chinese) = (help(&command, "en"), help(&command, "zh"));
        assert_eq!(english.lines().count(), chinese.lines().count(), "{command}:\n{chinese}");
        let mut is_example = false;
        for (english, chinese) in english.lines().zip(chinese.lines()) {
            let same = english.is_empty() || is_example && english.starts_with(' ');
            is_example = same && is_example || english.starts_with("Example");
            // Its name is the same in every language.
            let text = chinese.replace(&format!("bihuan {command}"), "");
            let good = if same { english == chinese } else { is_chinese(&text) };
            if !good {
                wrong.push(format!("{command}: {chinese}"));
            }
        }
    }
    assert!(wrong.is_empty(), "not Chinese:\n{}", wrong.join("\n"));
}

#[test]
fn every_chinese_text_of_the_help_stands_for_english_that_is_still_there() {
    let file = project().join("crates/bihuan/text/help_zh.json");
    let texts: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(file).expect("read")).expect("texts");
    assert!(texts.len() > 150, "{}", texts.len());
    let english: String = commands().iter().map(|command| help(command, "en")).collect();
    // The whole of a text: "Why" is not there because of "Why a date is what it is".
    let is_there = |key: &&String| {
        english.match_indices(key.as_str()).any(|(at, _)| {
            let (before, after) = (&english[..at], &english[at + key.len()..]);
            (before.is_empty() || ["\n", "  ", "<", "["].iter().any(|end| before.ends_with(end)))
                && ["\n", " [", ":", ">", "]"].iter().any(|start| after.starts_with(start))
        })
    };
    let dead: Vec<_> = texts.keys().filter(|key| !is_there(key)).collect();
    assert!(dead.is_empty(), "no help says {dead:?} any more");
}

#[test]
fn help_speaks_the_language_of_the_reader_however_it_is_asked_for() {
    let said = |line: &str| printed(&line.split_whitespace().collect::<Vec<_>>());
    for (command, name) in [("", "bihuan [选项]"), ("calendar load", "bihuan calendar load [选项]")] {
        let chinese = help(command, "zh");
        assert!(chinese.contains(name), "{chinese}");
        let before = ["--lang zh help", "--lang=zh --json help", "help --lang zh"];
        let after = ["--help --lang=zh", "-h --lang zh", "--lang zh -h"];
        let lines = before.map(|words| format!("{words} {command}"));
        for line in lines.into_iter().chain(after.map(|words| format!("{command} {words}"))) {
            assert_eq!(said(&line), chinese, "{line}");
        }
        assert_eq!(said(&format!("help {command}")), help(command, "en"));
        let mut localised = Command::new(binary());
        localised.arg("help").args(command.split_whitespace()).env_remove("BIHUAN_STORE");
        localised.env("COLUMNS", "1000").env("LC_ALL", "zh_CN.UTF-8");
        let printed = |command: &mut Command| String::from_utf8(command.output().expect("ran").stdout);
        assert_eq!(printed(&mut localised).expect("UTF-8"), chinese);
        assert_eq!(printed(localised.args(["--lang", "en"])).expect("UTF-8"), help(command, "en"));
    }
    for (line, told) in [
        ("help nothing --lang zh", "没有“nothing”这个命令"),
        ("help calendar nothing", "no command 'nothing'"),
        ("help --lang fr", "possible: zh, en"),
        ("show --lang zh", "缺少：<编号>"),
    ] {
        let ran = ran(&line.split_whitespace().collect::<Vec<_>>());
        let said = String::from_utf8(ran.stderr).expect("UTF-8");
        assert_eq!((ran.status.code(), ran.stdout.is_empty()), (Some(2), true), "{line}: {said}");
        assert!(said.contains(told), "{line}: {said}");
    }
}

#[test]
fn help_in_chinese() {
    for (name, words) in [("help_zh", "--help --lang zh"), ("help_act_zh", "help act --lang zh")] {
        let mut command = Command::new(binary());
        command.args(words.split_whitespace()).env("COLUMNS", "100").env_remove("BIHUAN_STORE");
        let printed = command.output().expect("ran").stdout;
        insta::assert_snapshot!(name, String::from_utf8(printed).expect("UTF-8"));
    }
}

#[tokio::test]
async fn the_exit_codes_are_those_the_help_lists() {
    let county = small().await;
    let listed = help("", "en");
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
    let raw = county.raw().await;
    assert_eq!(raw.run("UPDATE acts SET body = replace(body, '一号', '二号')").await, 1);
    assert_eq!(code("verify"), 5);
    raw.run("ALTER TABLE acts RENAME TO elsewhere").await;
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
