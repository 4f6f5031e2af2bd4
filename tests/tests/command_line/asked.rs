//! What is asked is answered by what is there: a period that can be, fields the act has, a key already used, an
//! act that is an object, and numbers that the list next to them shows.

use tests::{bihuan, county, morning, open_hazard};

use super::world::{busy, done, json, line, refused, small};

const DUTY: &str = "workflows/periodic-duty.yaml";
const PLAN: &str = "plan periodic-duty --field duty=self_inspection --as clerk-lin --period";

#[tokio::test]
async fn a_period_is_written_in_one_way_and_none_is_planned_that_is_over() {
    let county = county("2026-09-01", DUTY).await;
    for period in ["2026Q04", "+026Q4", "2026-+9", "2026Q4 ", "２０２６Q4", "2026-9"] {
        let text = format!("{PLAN} {} --lang en", period.replace(' ', "~"));
        let (exit, said) = refused(&county, &text);
        assert!(exit == 2 && said.starts_with("BH0068"), "{period}: {said}");
    }
    for period in ["2020Q1", "2026Q2", "2026-08", "2025"] {
        let (exit, said) = refused(&county, &format!("{PLAN} {period} --lang en"));
        assert!(exit == 2 && said.starts_with("BH0090"), "{period}: {said}");
        let (_, said) = refused(&county, &format!("{PLAN} {period} --lang zh"));
        assert!(said.contains("已不能再下达"), "{said}");
        // What it came to can be looked at, as ever.
        done(&county, &format!("coverage periodic-duty --field duty=self_inspection --period {period}"));
    }
    assert_eq!(json(&county, &format!("{PLAN} 2026Q3"))["opened"], 62);
    assert_eq!(json(&county, "ledger --count")["count"], 62);
}

#[tokio::test]
async fn coverage_checks_its_fields_as_plan_does() {
    let county = county("2026-09-01", DUTY).await;
    for (fields, code) in [
        ("--field duty=nosuch", "BH0011"),
        ("--field duty=self_inspection --field nosuch=1", "BH0010"),
        ("", "BH0009"),
    ] {
        let plan = refused(
            &county,
            &format!("plan periodic-duty {fields} --period 2026Q4 --as clerk-lin --lang en"),
        );
        let coverage =
            refused(&county, &format!("coverage periodic-duty {fields} --period 2026Q4 --lang en"));
        assert!(plan.0 == 3 && plan.1.starts_with(code), "{fields}: {plan:?}");
        assert_eq!(coverage, plan, "{fields}");
    }
}

#[tokio::test]
async fn a_dry_run_answers_as_the_act_itself_would() {
    let county = small().await;
    done(&county, "comment YB-2026-000001 hello --as clerk-lin");
    let act = "act YB-2026-000001 report_complete --as safety-he --evidence after_photo=photo.jpg";
    let (exit, said) = refused(&county, &format!("{act} --expect 1 --dry-run --lang en"));
    assert_eq!((exit, said), refused(&county, &format!("{act} --expect 1 --lang en")));
    assert_eq!(exit, 3);
    let tried = json(&county, &format!("{act} --expect 2 --key k --dry-run"));
    assert_eq!(tried[0]["key"], "k");
    let sent = json(&county, &format!("{act} --expect 2 --key k"));
    assert_eq!(sent["replayed"], false);
    // The same once more: done already. Another one under the key: refused.
    let again = json(&county, &format!("{act} --key k --dry-run"));
    assert_eq!(again, json(&county, &format!("{act} --key k")));
    assert_eq!(again["replayed"], true);
    let other = "act YB-2026-000001 annul --as clerk-lin --reason x --key k --lang en";
    let (exit, said) = refused(&county, &format!("{other} --dry-run"));
    assert!(exit == 3 && said.starts_with("BH0030"), "{said}");
    assert_eq!((exit, said), refused(&county, other));
    let (exit, said) = refused(&county, &format!("{act} --dry-run --lang en --key {}", "x".repeat(256)));
    assert!(exit == 2 && said.starts_with("BH0031"), "{said}");
}

#[tokio::test]
async fn an_act_in_json_is_one_object_with_each_key_once_and_told_in_the_language_of_the_reader() {
    let county = small().await;
    let folder = county.folder.path().to_owned();
    for (text, en, zh) in [
        (r#"{"act": "annul", "fields": {"a": 1, "a": 2}}"#, "stands here twice", "写了两次"),
        (r#"["annul", {}]"#, "keys with their values", "一组键和值"),
        (r#"{"act": "annul", "occurred_on": "2026-02-30"}"#, "a day there is", "存在的日期"),
        (r#"{"act": "annul", "occurred_on": "soon"}"#, "a day there is", "存在的日期"),
        (r#"{"act": "annul", "reason": "\ud800"}"#, "backslash", "反斜杠"),
        (r#"{"act": "annul", "reason": "\q"}"#, "backslash", "反斜杠"),
    ] {
        std::fs::write(folder.join("act.json"), text).expect("written");
        for (lang, words) in [("en", en), ("zh", zh)] {
            let (exit, said) =
                refused(&county, &format!("act YB-2026-000001 --as clerk-lin --file act.json --lang {lang}"));
            assert!(exit == 2 && said.starts_with("BH0070: act.json:1:"), "{text}: {said}");
            assert!(said.contains(words), "{text}: {said}");
        }
    }
    let (_, said) = refused(&county, "publish x.yaml --set a=3 --set a=9 --lang en");
    assert!(said.starts_with("BH0059"), "{said}");
}

#[tokio::test]
async fn a_calendar_that_moves_no_date_says_so_though_something_was_due() {
    let county = small().await;
    open_hazard(&county.engine, "late", "2026-09-04").await;
    // Something is due, and not recorded yet.
    county.engine.store().set_clock(morning("2026-09-10")).await.expect("set");
    let china = calendar::china();
    let year = china.years().find(|year| year.year == 2026).expect("published").clone();
    let same = china.with_year("the same days", year).expect("a calendar");
    let moved = county.engine.load_calendar(&same, &tests::administrator()).await.expect("loaded");
    assert_eq!(moved, 0);
    let year =
        "year: 2027\noff:\n  - { from: 2027-01-01, to: 2027-01-05, name: 元旦 }\nmake_up: [2027-01-09]\n";
    std::fs::write(county.folder.path().join("2027.yaml"), year).expect("written");
    for (lang, words) in [("en", "administrator"), ("zh", "系统管理员")] {
        let (exit, said) = refused(&county, &format!("calendar load 2027.yaml --as clerk-lin --lang {lang}"));
        assert!(exit == 3 && said.contains(words) && !said.contains("load_calendar"), "{said}");
        assert!(!said.contains('_') || lang == "en", "ids of roles: {said}");
    }
}

#[tokio::test]
async fn several_workers_run_one_simulated_store_forward_together() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    for index in 0..20 {
        open_hazard(&county.engine, &format!("many-{index}"), "2026-09-18").await;
    }
    let running: Vec<_> = (0..4)
        .map(|_| {
            let mut command = std::process::Command::new(tests::binary());
            command.args(["work", "--until", "2026-12-31", "--lang", "en"]).env("BIHUAN_STORE", &county.path);
            command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
            command.spawn().expect("it starts")
        })
        .collect();
    for child in running {
        let ended = child.wait_with_output().expect("gone");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn what_status_and_check_and_work_say_can_be_read() {
    let county = small().await;
    county.engine.store().set_clock(morning("2026-12-01")).await.expect("set");
    let said = done(&county, "status --lang en");
    assert!(said.contains("the oldest for 8") && said.contains("days") && !said.contains(" ms"), "{said}");
    let said = done(&county, "status --lang zh");
    assert!(said.contains("天") && !said.contains("毫秒"), "{said}");
    assert!(json(&county, "status")["standing"]["oldest_waiting_ms"].as_i64().expect("ms") > 1_000_000);
    let ran = line(&county, "check nofile.yaml");
    assert_eq!(ran.status.code(), Some(2));
}

#[tokio::test]
async fn what_the_machine_below_says_is_told_in_words() {
    let county = small().await;
    // Help is pointed to where it is about the command that was meant.
    for (text, pointer) in [
        ("ledger --lamp purple --lang en", "bihuan ledger --help"),
        ("calendar load x.yaml --nosuch --lang en", "bihuan calendar load --help"),
        ("--lang en owes --limit many", "bihuan owes --help"),
        ("--lang en nosuch", "bihuan --help"),
    ] {
        let (exit, said) = refused(&county, text);
        assert!(exit == 2 && said.contains(pointer), "{text}: {said}");
    }
    // A folder cannot be made where a file is.
    let (_, said) = refused(&county, "demo --folder photo.jpg --lang zh");
    assert!(said.starts_with("BH0072") && said.contains("已有同名") && !said.contains("os error"), "{said}");
}

#[tokio::test]
async fn a_damaged_organisation_is_named_and_nothing_is_built_on_it() {
    let county = small().await;
    let raw = county.raw().await;
    for damage in [raw.worst_text(), "'[]'"] {
        let sql = format!(
            "UPDATE tenants SET organisation = {damage}, organisation_version = organisation_version + 1"
        );
        assert_eq!(raw.run(&sql).await, 1);
        for (lang, words) in [
            ("en", "tenants qingyuan does not hold (it cannot be read)"),
            ("zh", "tenants qingyuan 不符（无法读取）"),
        ] {
            let found = line(&county, &format!("verify --lang {lang}"));
            let said = String::from_utf8_lossy(&found.stdout).into_owned();
            assert!(found.status.code() == Some(5) && said.contains(words), "{damage}: {found:?}");
        }
        let (exit, said) = refused(&county, "comment YB-2026-000001 x --as clerk-lin --lang zh");
        assert!(exit == 1 && said.starts_with("BH0043") && said.contains("tenants"), "{said}");
    }
}

#[tokio::test]
async fn a_list_names_roles_in_words_and_cuts_neither_lamps_nor_numbers() {
    let county = busy().await;
    for lang in ["en", "zh"] {
        let owed = done(&county, &format!("owes --lang {lang}"));
        assert!(!owed.contains("assignee"), "{owed}");
    }
    for columns in ["110", "80", "60", "40"] {
        let line = format!("{} ledger --lang en", tests::binary().display());
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).stdin(std::process::Stdio::null());
        command
            .env("BIHUAN_STORE", &county.path)
            .env("COLUMNS", columns)
            .env("TERM", "dumb")
            .env("NO_COLOR", "1");
        let shown = command.output().expect("a terminal");
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(text.contains("YH-2026-000001") && text.contains("YB-2026-000001"), "{columns}: {text}");
        let first = text.lines().find(|line| line.contains("YH-2026-000001")).unwrap_or_default();
        let whole = first.contains("(enterprise, regulator)");
        assert!(first.contains("overdu") && (whole || columns != "110"), "{columns}: {text}");
    }
}
