//! A county in the middle of its work, made through the command line alone.

use std::process::{Command, Output};

use serde_json::Value;
use tests::{County, binary, county};

/// Runs the binary in the folder of a county.
pub fn run(county: &County, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.current_dir(county.folder.path()).args(arguments);
    command.env("BIHUAN_STORE", &county.path).env_remove("BIHUAN_TENANT");
    command.output().expect("the binary starts")
}

/// Runs a line; `~` stands for a space inside a word.
pub fn line(county: &County, line: &str) -> Output {
    let words: Vec<String> = line.split_whitespace().map(|word| word.replace('~', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(county, &words)
}

/// Runs a line that has to succeed, and gives what it printed.
pub fn done(county: &County, text: &str) -> String {
    let ran = line(county, text);
    assert!(ran.status.success(), "{text}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// Runs a line that has to succeed, with `--json`.
pub fn json(county: &County, text: &str) -> Value {
    let printed = done(county, &format!("{text} --json"));
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{text}: {error}: {printed}"))
}

/// Runs a line that has to fail: its exit code and what it said.
pub fn refused(county: &County, text: &str) -> (i32, String) {
    let ran = line(county, text);
    assert!(!ran.status.success(), "{text} was taken");
    assert!(ran.stdout.is_empty(), "{text}: {ran:?}");
    (ran.status.code().expect("a code"), String::from_utf8(ran.stderr).expect("UTF-8"))
}

/// A general hazard.
pub const OPEN: &str = "open general-hazard --as clerk-lin --field place=一号仓库 --field description=堵塞 \
    --field sector=industry --field source=self_check --field responsible=e-paper";

/// A county with one general hazard, registered on 1 September 2026.
pub async fn small() -> County {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    std::fs::write(county.folder.path().join("photo.jpg"), "a photo").expect("written");
    done(&county, &format!("{OPEN} --field due_on=2026-09-18 --key one"));
    county
}

/// Two major hazards. The first was dispatched to a lead and an assisting unit, extended once, is overdue,
/// has a supplementary date, one proposal signed and others waiting; the second became a general hazard.
pub async fn busy() -> County {
    let county = county("2026-09-01", "workflows/major-hazard.yaml").await;
    std::fs::write(county.folder.path().join("photo.jpg"), "a photo").expect("written");
    std::fs::write(county.folder.path().join("other.jpg"), "another").expect("written");
    let general = tests::project().join("workflows/general-hazard.yaml").display().to_string();
    done(&county, &format!("publish {general}"));
    for photo in ["photo", "other"] {
        done(
            &county,
            &format!(
                "open major-hazard --as officer-qin --field enterprise=e-paper --field township=north \
                 --field place=一号车间 --field description=无泄爆装置 --field sector=industry \
                 --field source=expert_inspection --field found_on=2026-09-01 --evidence photo={photo}.jpg"
            ),
        );
    }
    for number in [1, 2] {
        done(
            &county,
            &format!(
                "act YH-2026-00000{number} determine --as officer-qin --field clause=第三条 \
                 --field stop_work=no --field withdraw_people=no"
            ),
        );
    }
    for act in [
        "act YH-2026-000001 dispatch --as clerk-lin --field order_no=7号 --field due_date=2026-10-16 \
         --field assisting_units=housing",
        "act YH-2026-000001 acknowledge --as safety-he --field served_how=signed --field received_by=何守诚 \
         --field received_on=2026-09-01",
        "act YH-2026-000002 downgrade --as officer-qin --field general_due_date=2026-12-18 --reason 不构成重大",
        "work --until 2026-09-10",
        "act YH-2026-000001 ask_extension --as safety-he --field done_so_far=一半 \
         --field interim_protection=停用 --field requested_date=2026-10-30 --reason 备件未到",
        "act YH-2026-000001 grant_extension --as head-zhou --field granted_date=2026-10-30 --field document_no=8号",
        "work --until 2026-11-20",
        "sign YH-2026-000001 1 --as clerk-lin",
        "act YH-2026-000001 set_supplementary_date --as officer-qin --field supplementary_date=2026-12-15 --reason 限期补改",
    ] {
        done(&county, act);
    }
    county
}
