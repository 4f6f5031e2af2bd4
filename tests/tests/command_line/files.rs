//! Files and pipes: what is read that is no file, a reader that goes away, files of others beside a store.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::{County, bihuan, binary, project};

use crate::world::*;

/// Runs a line that has to fail, and ends it where it would go on for ever (exit code 124).
fn ends(county: &County, text: &str) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.arg("60").arg(binary()).args(text.split_whitespace());
    command.current_dir(county.folder.path()).env("BIHUAN_STORE", &county.path).env_remove("BIHUAN_TENANT");
    let ran = command.output().expect("it starts");
    (ran.status.code(), String::from_utf8(ran.stderr).expect("UTF-8"))
}

#[tokio::test]
async fn pipes_and_devices_are_refused_where_a_file_is_needed() {
    let county = small().await;
    let made = Command::new("mkfifo").arg(county.folder.path().join("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    let act = "act YB-2026-000001 report_complete --as safety-he";
    for (line, exit) in [
        (format!("{act} --evidence after_photo=/dev/zero"), 2),
        (format!("{act} --evidence after_photo=pipe"), 2),
        ("act YB-2026-000001 --as safety-he --file pipe".to_owned(), 2),
        ("init --organisation pipe --store new.db".to_owned(), 2),
        ("check pipe".to_owned(), 2),
    ] {
        for (language, says) in [("en", "a pipe or a device, no file"), ("zh", "管道或设备，不是文件")]
        {
            let (code, said) = ends(&county, &format!("{line} --lang {language}"));
            assert_eq!(code, Some(exit), "{line}: {said}");
            assert!(said.contains("BH0054: ") && said.contains(says), "{line}: {said}");
        }
    }
    let (code, said) = ends(&county, "ledger --store pipe");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("ST0013: "), "{said}");
    assert_eq!(json(&county, "show YB-2026-000001")["state"]["version"], 1, "nothing was done");
}

/// Runs a line whose output nobody reads.
fn unread(county: &County, text: &str) -> Option<i32> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(binary());
    command.current_dir(county.folder.path()).args(text.split_whitespace()).args(["--lang", "en"]);
    command.env("BIHUAN_STORE", &county.path).env_remove("BIHUAN_TENANT");
    command.stdout(writer).status().expect("it starts").code()
}

#[tokio::test]
async fn a_reader_that_goes_away_turns_no_fault_into_success() {
    let county = small().await;
    let file = |name: &str| project().join(name).display().to_string();
    let (sound, unsound) = (file("workflows/general-hazard.yaml"), file("tests/workflows/strict.yaml"));
    let checks = ["verify", "verify --json", "rebuild", "rebuild --check", "rebuild --json"];
    for line in checks.into_iter().chain(["ledger", &format!("check {sound}")]) {
        assert_eq!(unread(&county, line), Some(0), "{line}: that nobody reads is no fault");
    }
    assert_eq!(unread(&county, &format!("check {unsound}")), Some(4));
    assert_eq!(unread(&county, &format!("check {unsound} --json")), Some(4));
    assert_eq!(unread(&county, &format!("check {sound} {unsound}")), Some(4), "the others are checked too");
    let damage = "UPDATE acts SET body = replace(body, '一号', '二号')";
    assert_eq!(county.raw().await.run(damage).await, 1);
    for line in checks {
        assert_eq!(unread(&county, line), Some(5), "{line}");
    }
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

#[test]
fn an_init_touches_no_file_of_others_and_of_several_at_once_one_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("x.unfinished"), "a stranger's").expect("written");
    let organisation = project().join("workflows/sample/organisation.yaml");
    let init = |name: &str| {
        let mut command = Command::new(binary());
        command.args(["init", "--lang", "en", "--simulated", "2026-09-01", "--organisation"]);
        command.arg(&organisation).env("BIHUAN_STORE", at(name)).env_remove("BIHUAN_TENANT");
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let names_given = ["x.db", "x.sqlite", "x.db", "x.db", "x"];
    let children: Vec<_> = names_given.into_iter().map(|name| (name, init(name))).collect();
    let mut done = Vec::new();
    for (name, child) in children {
        let ended = child.wait_with_output().expect("ended");
        if ended.status.success() {
            done.push(name);
            continue;
        }
        let said = String::from_utf8(ended.stderr).expect("UTF-8");
        assert!(ended.status.code() == Some(2) && said.contains("ST0012: "), "{name}: {said}");
    }
    done.sort_unstable();
    assert_eq!(done, ["x", "x.db", "x.sqlite"], "each store is made once");
    for name in &done {
        assert!(bihuan(&at(name), &["verify"]).status.success(), "{name}");
    }
    assert_eq!(std::fs::read_to_string(at("x.unfinished")).expect("read"), "a stranger's");
    let left: BTreeSet<String> = names(folder.path())
        .into_iter()
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    let expected = ["x", "x.db", "x.sqlite", "x.unfinished"].map(str::to_owned);
    assert_eq!(left, BTreeSet::from(expected), "nothing else is left");
}
