//! A store with cases to be wrong about, and the look at all of it before and after.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

use tests::home::Raw;
use tests::{County, binary, county, morning};

/// A bad input: what is typed, and what has to come of it.
pub struct Bad {
    pub tag: &'static str,
    pub arguments: Vec<OsString>,
    pub exit: i32,
    /// What the message has to say, in English and in Chinese.
    pub says: [&'static str; 2],
}

/// Words, split at spaces; `~` stands for a space inside a word.
pub fn words(line: &str) -> Vec<OsString> {
    line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('~', " ").into()).collect()
}

pub fn bad(tag: &'static str, line: &str, exit: i32, says: [&'static str; 2]) -> Bad {
    Bad { tag, arguments: words(line), exit, says }
}

/// Runs the binary in a folder, so that paths are short.
pub fn run(county: &County, arguments: &[OsString], language: &str) -> Output {
    run_in(county.folder.path(), &county.path, arguments, language)
}

/// The same on a store that need not be there.
pub fn run_in(folder: &Path, store: &Path, arguments: &[OsString], language: &str) -> Output {
    let mut command = Command::new(binary());
    command.current_dir(folder).args(arguments).args(["--lang", language]);
    command.env("BIHUAN_STORE", store).env_remove("BIHUAN_TENANT");
    command.output().expect("the binary starts")
}

/// Runs what has to succeed, and gives what it said.
pub fn done(county: &County, line: &str) -> String {
    let ran = run(county, &words(line), "en");
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// The rows of all tables but the refusals, counted, and everything a head says.
pub async fn everything(raw: &Raw) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for table in raw.tables().await.into_iter().filter(|table| table != "refusals") {
        let count = raw.number(&format!("SELECT count(*) FROM {table}")).await;
        all.insert(table, count.to_string());
    }
    let heads = raw.texts("SELECT number || version || last_hash || state FROM cases ORDER BY case_id").await;
    all.insert("heads".to_owned(), heads.join(","));
    all
}

/// Tries every bad input in both languages. Gives the codes of the refusals on record.
pub async fn try_all(county: &County, inputs: &[Bad]) -> BTreeSet<String> {
    let raw = county.raw().await;
    let before = everything(&raw).await;
    let mut wrong = Vec::new();
    for input in inputs {
        let line = input.arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let line: String = line.chars().take(160).collect();
        for (language, says) in ["en", "zh"].into_iter().zip(input.says) {
            let ran = run(county, &input.arguments, language);
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            let clear = said.contains(says) && !said.contains("panicked") && ran.stdout.is_empty();
            if ran.status.code() != Some(input.exit) || !clear {
                let code = ran.status.code();
                wrong.push(format!("{} `{line}` {language}: exit {code:?}, {said}", input.tag));
            }
            if everything(&raw).await != before {
                panic!("{} `{line}` changed something", input.tag);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    raw.texts("SELECT DISTINCT code FROM refusals").await.into_iter().collect()
}

/// General hazards, made in the first days of September 2026:
/// 1 rectifying; 2 reported complete, entered by an officer; 3 closed out; 4 reported complete; 5 was
/// rejected with one photo. And cases of the strict loop: 1 running; 2 overdue; 3 paused; 4 extended once.
pub async fn world() -> County {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    for photo in ["one", "two", "three", "four"] {
        std::fs::write(county.folder.path().join(photo), photo).expect("written");
    }
    std::fs::write(county.folder.path().join("empty"), "").expect("written");
    tests::keep_unchecked(&county.engine, "tests/workflows/strict.yaml").await;
    for key in 1..=5 {
        done(&county, &format!("{} --key g{key}", OPEN));
    }
    let safety = "--as safety-he";
    let officers = "--as officer-qin --officer officer-qin --officer officer-bai --signed safety-he";
    done(
        &county,
        "act YB-2026-000002 report_complete --as officer-qin --entered-for safety-he --evidence after_photo=two",
    );
    done(&county, &format!("act YB-2026-000003 report_complete {safety} --evidence after_photo=three"));
    done(&county, &format!("act YB-2026-000003 accept {officers}"));
    done(&county, "act YB-2026-000003 close_out --as clerk-lin");
    done(&county, &format!("act YB-2026-000004 report_complete {safety} --evidence after_photo=four"));
    done(&county, &format!("act YB-2026-000005 report_complete {safety} --evidence after_photo=one"));
    done(&county, &format!("act YB-2026-000005 reject {officers} --reason 不到位"));
    for (key, due) in [("s1", "2026-09-30"), ("s2", "2026-09-03"), ("s3", "2026-09-30"), ("s4", "2026-09-30")]
    {
        done(
            &county,
            &format!(
                "open strict --as clerk-lin --field responsible=e-paper --field due_on={due} --key {key}"
            ),
        );
    }
    done(&county, "act YG-2026-000003 pause --as clerk-lin --reason 停水");
    done(&county, "act YG-2026-000004 extend --as clerk-lin --field new_date=2026-10-15 --reason 天气");
    county.engine.store().set_clock(morning("2026-09-08")).await.expect("set");
    worker::simulate(&county.engine, morning("2026-09-08")).await.expect("worked");
    county
}

/// Opens a general hazard.
pub const OPEN: &str = "open general-hazard --as clerk-lin --field place=仓库 --field description=堵塞 \
    --field sector=industry --field source=self_check --field responsible=e-paper --field due_on=2026-09-30";

/// A file in the world's folder.
pub fn write(county: &County, name: &str, text: impl AsRef<[u8]>) {
    let path: &Path = county.folder.path();
    std::fs::write(path.join(name), text).expect("written");
}
