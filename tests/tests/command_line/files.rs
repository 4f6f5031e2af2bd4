//! What is read that is no file.

use std::process::Command;

use tests::{County, binary};

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
        ("check pipe".to_owned(), 4),
    ] {
        for (language, says) in [("en", "a pipe or a device, no file"), ("zh", "管道或设备，不是文件")] {
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
