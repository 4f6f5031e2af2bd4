//! Lists, and how they leave the program: on a terminal, through a pipe, into a spreadsheet.

use std::collections::BTreeSet;
use std::process::Command;

use machine::command::Directory;
use tests::{County, binary, county, open_hazard};
use unicode_width::UnicodeWidthStr;

use crate::world::*;

#[tokio::test]
async fn working_days_are_counted_day_by_day() {
    let county = small().await;
    let days = done(&county, "calendar 2026-09-18 --working-days 10");
    let line = |text: &str, start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(start)).expect("a line");
        line.split_whitespace().map(str::to_owned).collect()
    };
    // Sunday the 20th works; the Mid-Autumn and National Day holidays do not.
    assert_eq!(line(&days, "2026-09-20")[..2], ["2026-09-20", "1"]);
    assert_eq!(line(&days, "2026-10-09"), ["2026-10-09", "10"]);
    assert!(days.contains("国庆"), "{days}");
    let both = ["en", "zh"].map(|lang| {
        let first = done(&county, &format!("calendar 2026-09-18 --working-days 10 --lang {lang}"));
        let late = done(&county, &format!("calendar 2026-12-25 --working-days 10 --lang {lang}"));
        (first, late)
    });
    for ((first, late), [version, make_up, weekend, provisional, end]) in both.iter().zip([
        [
            "Calendar cn, version 2026.1.",
            "make-up working day",
            "weekend",
            "(provisional)",
            "2027-01-08 (provisional:",
        ],
        ["日历 cn，版本 2026.1。", "调休上班", "周末", "（暂定）", "2027-01-08（暂定："],
    ]) {
        assert!(first.lines().next() == Some(version), "{first}");
        assert!(first.lines().any(|l| l.starts_with("2026-09-20") && l.ends_with(make_up)), "{first}");
        assert!(first.lines().any(|l| l.starts_with("2026-09-19") && l.ends_with(weekend)), "{first}");
        assert!(!first.contains(provisional) && first.trim_end().ends_with("2026-10-09"), "{first}");
        assert!(late.lines().any(|l| l.starts_with("2027-01-04") && l.ends_with(provisional)), "{late}");
        assert!(late.lines().last().is_some_and(|l| l.contains(end)), "{late}");
    }
    let told = json(&county, "calendar 2026-09-18 --working-days 10");
    assert_eq!((&told["due"], &told["provisional"]), (&"2026-10-09".into(), &false.into()));
    assert_eq!(json(&county, "calendar 2031-09-18 --working-days 10")["provisional"], true);
    // A year loaded into this store counts here; where there is no store, it is unknown.
    let year =
        "year: 2027\noff:\n  - { from: 2027-01-01, to: 2027-01-05, name: 元旦 }\nmake_up: [2027-01-09]\n";
    std::fs::write(county.folder.path().join("2027.yaml"), year).expect("written");
    done(&county, "calendar load 2027.yaml --as admin-wen");
    let here = json(&county, "calendar 2026-12-25 --working-days 10");
    assert_eq!((&here["due"], &here["provisional"]), (&"2027-01-12".into(), &false.into()));
    assert!(here["version"].as_str().is_some_and(|version| version.starts_with("2027-")), "{here}");
    let elsewhere = json(&county, "calendar 2026-12-25 --working-days 10 --store none.db");
    assert_eq!((&elsewhere["due"], &elsewhere["version"]), (&"2027-01-08".into(), &"2026.1".into()));
}

#[tokio::test]
async fn what_a_role_owes_is_owed_by_the_unit_it_is_at_home_in() {
    // Here the office is a regulator that can be late.
    let county = tests::empty_county("2026-09-01").await;
    let text = std::fs::read_to_string(tests::project().join("workflows/general-hazard.yaml")).expect("read");
    let charged = text.replacen("en: Closing}\n", "en: Closing}\n    charged_to: regulator\n", 1);
    let file = machine::file::parse("charged", &charged).expect("well formed");
    let definition = machine::Definition::compile(&file, &Default::default()).expect("no findings");
    county.engine.publish(&definition).await.expect("published");
    std::fs::write(county.folder.path().join("photo.jpg"), "a photo").expect("written");
    done(&county, &format!("{OPEN} --field due_on=2026-09-18"));
    let numbers = |list: &str| -> Vec<String> {
        let told = json(&county, list);
        let rows = told["rows"].as_array().expect("rows").iter();
        rows.map(|row| row["number"].as_str().expect("a number").to_owned()).collect()
    };
    assert!(numbers("ledger --unit office").is_empty() && numbers("owes --unit office").is_empty());
    for act in [
        "report_complete --as safety-he --evidence after_photo=photo.jpg",
        "accept --as officer-qin --officer officer-qin --officer officer-bai --signed safety-he",
    ] {
        done(&county, &format!("act YB-2026-000001 {act}"));
    }
    // Closing out is owed by the role office, which is bound to no unit and held in one.
    for list in ["ledger", "owes"] {
        assert_eq!(numbers(&format!("{list} --unit office")), ["YB-2026-000001"], "{list}");
        assert_eq!(json(&county, &format!("{list} --unit 青原县安委办"))["rows"][0]["owner_unit"], "office");
        assert!(numbers(&format!("{list} --unit county")).is_empty(), "{list}");
    }
    assert_eq!(done(&county, "ledger --unit office --count --lang en").trim(), "1 cases");
    done(&county, "work --until 2026-09-30");
    let circular = done(&county, "roundup --lang zh");
    let row = circular.lines().find(|line| line.ends_with("YB-2026-000001")).expect("overdue");
    assert!(row.trim_start().starts_with("青原县安委办"), "{circular}");
    // With a second holder elsewhere the role stands for itself.
    let organisation = tests::project().join("workflows/sample/organisation.yaml");
    let text = std::fs::read_to_string(organisation).expect("read");
    let text = text.replace("roles: [county_leader, ", "roles: [office, county_leader, ");
    let directory: machine::command::Directory = machine::file::read("o", &text).expect("an organisation");
    let body = serde_json::to_string(&directory).expect("JSON");
    county.engine.store().put_organisation(county.engine.tenant(), &body).await.expect("kept");
    assert!(numbers("ledger --unit office").is_empty());
    let circular = done(&county, "roundup --lang zh");
    let row = circular.lines().find(|line| line.ends_with("YB-2026-000001")).expect("overdue");
    assert!(row.trim_start().starts_with("安委办"), "{circular}");
    assert!(
        done(&county, "rebuild --check --lang en").len() < 200 && line(&county, "verify").status.success()
    );
}

#[tokio::test]
async fn a_filter_nobody_knows_is_refused_and_a_name_is_as_good_as_an_id() {
    let county = busy().await;
    for (filter, known) in [
        ("ledger --state nope", "rectifying"),
        ("ledger --unit nope", "青原县工信局"),
        ("ledger --department nope", "industry"),
        ("ledger --sector nope", "coal_mine"),
        ("ledger --area nope", "北坡镇"),
        ("ledger --source nope", "expert_inspection"),
        ("ledger --unit nope --count", "industry"),
        ("owes --unit nope", "industry"),
        ("owes --role nope", "office_leader"),
    ] {
        for lang in ["en", "zh"] {
            let (exit, said) = refused(&county, &format!("{filter} --lang {lang}"));
            assert!(exit == 2 && said.starts_with("BH0077") && said.contains(known), "{filter}: {said}");
        }
    }
    let count = |filter: &str| json(&county, filter)["rows"].as_array().expect("rows").len();
    for (id, name) in [
        ("ledger --state rectifying", "ledger --state 整改中"),
        ("ledger --department industry", "ledger --department 青原县工信局"),
        ("ledger --area north", "ledger --area 北坡镇"),
        ("ledger --source expert_inspection", "ledger --source 专家检查"),
        ("owes --unit housing", "owes --unit 青原县住建局"),
        ("owes --role office_leader", "owes --role 安委办负责人"),
    ] {
        assert!(count(id) > 0, "{id}");
        assert_eq!(json(&county, id), json(&county, name), "{id}, {name}");
    }
    // The general hazard names its township as the major one does.
    done(&county, &format!("{OPEN} --field area=south --field due_on=2026-12-18"));
    assert_eq!((count("ledger --area south"), count("ledger --area 南溪镇")), (1, 1));
    // The lists show names, so names are searched.
    assert_eq!(count("ledger --text 样例造纸"), count("ledger"));
    assert_eq!(count("ledger --text 样例建筑"), 0);
}

#[tokio::test]
async fn a_moment_is_due_on_its_local_day() {
    let county = tests::empty_county("2026-09-01").await;
    let moment = std::fs::read_to_string(tests::project().join("tests/workflows/moment.yaml")).expect("read");
    let file = county.folder.path().join("moment.yaml");
    let moment = moment
        .replace("kind: step", "kind: legal")
        .replace("requires: [due_at]\n", "requires: [due_at]\n    then: [{ start: due }]\n");
    std::fs::write(&file, moment).expect("written");
    tests::keep_unchecked(&county.engine, &file.display().to_string()).await;
    // Half past midnight in China is the evening before in UTC.
    done(&county, "open moment --as clerk-lin/office-clerk --field due_at=2026-09-19T00:30:00+08:00");
    let count = |range: &str| json(&county, &format!("ledger {range}"))["rows"].as_array().map(Vec::len);
    assert_eq!(count("--due-from 2026-09-19 --due-to 2026-09-19"), Some(1));
    assert_eq!(count("--due-to 2026-09-18"), Some(0));
    assert_eq!(count("--due-from 2026-09-20"), Some(0));
    assert!(line(&county, "verify").status.success());
}

#[tokio::test]
async fn who_owes_what_is_told_in_english() {
    let county = busy().await;
    let owed = done(&county, "owes --person head-zhou --lang en");
    let lines: Vec<Vec<&str>> = owed
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["due", "number", "clock", "role", "owes", "lamp"]);
    let role = "Head of the safety committee office";
    assert_eq!(lines[1], ["2026-11-25", "YH-2026-000001", "Signing", role, "青原县安委办"]);
    assert_eq!(lines.len(), 3, "two proposals wait for that person:\n{owed}");
    let owed = done(&county, "owes --unit housing --lang en");
    assert!(owed.contains("Receipt") && owed.contains("overdue") && owed.contains("青原县住建局"), "{owed}");
}

/// A county two of whose enterprises have names that harm a spreadsheet.
async fn named() -> County {
    let county = tests::empty_county("2026-09-01").await;
    let organisation = tests::project().join("workflows/sample/organisation.yaml");
    let text = std::fs::read_to_string(organisation).expect("read");
    let text = text
        .replace("name: 样例造纸厂,", "name: '=HYPERLINK(\"x\",\"y\")',")
        .replace("name: 样例建筑公司,", "name: '甲\"厂\",分厂',");
    let directory: Directory = machine::file::read("organisation.yaml", &text).expect("an organisation");
    let body = serde_json::to_string(&directory).expect("JSON");
    county.engine.store().put_organisation(county.engine.tenant(), &body).await.expect("kept");
    let general = tests::project().join("workflows/general-hazard.yaml").display().to_string();
    done(&county, &format!("publish {general}"));
    for (unit, due) in [("e-paper", "2026-09-03"), ("e-build", "2026-12-18")] {
        let open = OPEN.replace("e-paper", unit);
        done(&county, &format!("{open} --field due_on={due}"));
    }
    done(&county, "work --until 2026-09-08");
    county
}

/// Every page of a list, by the place each gives for the next one.
fn pages(county: &County, list: &str) -> Vec<serde_json::Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = json(county, &format!("{list}{after}"));
        rows.extend(page["rows"].as_array().expect("rows").iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!(" --after {next}"),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_end_page_by_page() {
    let county = small().await;
    done(&county, &format!("{OPEN} --field due_on=2026-09-21 --key two"));
    done(&county, &format!("{OPEN} --field due_on=2026-09-22 --key three"));
    // Cases at their end have no clock: their place says so with a hyphen.
    for number in ["YB-2026-000001", "YB-2026-000002"] {
        done(&county, &format!("act {number} annul --as clerk-lin --reason 重复"));
    }
    let whole = json(&county, "ledger")["rows"].as_array().expect("rows").clone();
    assert_eq!(whole.len(), 3);
    assert_eq!(pages(&county, "ledger --limit 1"), whole);
    assert!(done(&county, "ledger --limit 2 --lang en").contains("more: --after -/"));
    assert_eq!(refused(&county, "ledger --limit 0").0, 2);
    assert_eq!(refused(&county, "owes --after somewhere").0, 2);
}

#[tokio::test]
async fn a_long_list_is_cut_for_the_eye_and_whole_for_a_spreadsheet() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let mut opening = tokio::task::JoinSet::new();
    for index in 0..1_050 {
        let engine = county.engine.clone();
        opening.spawn(async move { open_hazard(&engine, &format!("case {index}"), "2026-09-30").await });
    }
    while let Some(opened) = opening.join_next().await {
        opened.expect("opened");
    }
    assert_eq!(done(&county, "ledger --csv").lines().count(), 1_051, "the header and every case");
    assert_eq!(done(&county, "ledger --csv --limit 10").lines().count(), 11);
    assert!(done(&county, "ledger --lang en").contains("more: --after "));
    let owed = pages(&county, "owes --limit 400");
    let cases: BTreeSet<&str> = owed.iter().filter_map(|row| row["number"].as_str()).collect();
    assert_eq!((owed.len(), cases.len()), (1_050, 1_050), "each once");
}

#[tokio::test]
async fn a_spreadsheet_takes_the_csv_as_text_and_runs_nothing() {
    let county = named().await;
    let text = done(&county, "ledger --csv --lang en");
    let text = text.strip_prefix('\u{feff}').expect("the mark Excel looks for");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        reader.headers().expect("a header").iter().collect::<Vec<_>>(),
        ["number", "state", "enterprise", "owes", "due", "lamp"]
    );
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("CSV");
    assert_eq!(rows.len(), 2);
    assert_eq!(&rows[0][2], "'=HYPERLINK(\"x\",\"y\")");
    assert_eq!(&rows[1][2], "甲\"厂\",分厂");
    for cell in rows.iter().flat_map(|row| row.iter()) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']), "{cell}");
    }
    // Not even the lamps are coloured, whoever asks for colours.
    let mut forced = Command::new(binary());
    forced
        .args(["ledger", "--csv", "--lang", "en"])
        .env("BIHUAN_STORE", &county.path)
        .env("CLICOLOR_FORCE", "1");
    let forced = forced.output().expect("ran");
    assert_eq!(String::from_utf8_lossy(&forced.stdout).strip_prefix('\u{feff}'), Some(text));
}

/// Runs a command on a terminal so many columns wide.
fn on_terminal(county: &County, columns: u32, arguments: &str, variables: &str) -> String {
    let command = format!("stty rows 24 cols {columns} && {variables} '{}' {arguments}", binary().display());
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).env("BIHUAN_STORE", &county.path);
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        terminal.env_remove(name);
    }
    let ran = terminal.env("TERM", "xterm").stdin(std::process::Stdio::null()).output().expect("script runs");
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).expect("UTF-8").replace('\r', "")
}

/// What a terminal shows of a line.
fn seen(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |seen, part| seen + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[tokio::test]
async fn colours_and_cut_tables_are_for_terminals_only() {
    let county = named().await;
    let piped = done(&county, "ledger --lang en");
    assert!(!piped.contains('\u{1b}') && !piped.contains('…'), "{piped}");
    assert!(piped.lines().any(|line| line.width() > 60), "it has to be wide to be cut:\n{piped}");
    let wide = on_terminal(&county, 200, "ledger --lang en", "");
    assert!(wide.contains("\u{1b}[31moverdue 5 days (enterprise)\u{1b}[0m"), "{wide:?}");
    let plain: Vec<String> = wide.lines().map(seen).map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(plain, piped.lines().collect::<Vec<_>>(), "the same but for the colours");
    let narrow = on_terminal(&county, 80, "ledger --lang zh", "");
    for line in narrow.lines().map(seen) {
        assert!(line.width() <= 80, "{} columns: {line}", line.width());
    }
    assert_eq!(narrow.lines().count(), piped.lines().count(), "one line each:\n{narrow}");
    let cut = on_terminal(&county, 70, "ledger --lang en", "");
    assert!(cut.lines().map(seen).all(|line| line.width() <= 70) && cut.contains('…'), "{cut}");
    assert!(
        cut.contains("YB-2026-000001") && cut.contains("2026-09-03"),
        "numbers and dates stay whole: {cut}"
    );
    assert!(!on_terminal(&county, 80, "ledger --lang en", "NO_COLOR=1").contains('\u{1b}'));
    // The pipe is asked to be coloured.
    let mut forced = Command::new(binary());
    forced
        .args(["ledger", "--lang", "en"])
        .env("BIHUAN_STORE", &county.path)
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR");
    let forced = forced.output().expect("ran");
    assert!(String::from_utf8_lossy(&forced.stdout).contains("\u{1b}[31m"));
    assert!(!done(&county, "ledger --json").contains('\u{1b}'));
}
