//! The circular, counted by hand: a small set of cases whose every number stands in a comment.

use engine::Engine;
use machine::act::{Auth, Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, Value};
use machine::{Command as Wish, Person};
use serde_json::json;
use tests::{
    County, administrator, bihuan, bihuan_zh, clerk, county, definition, morning, person, request, texts,
};

fn act(name: &str, fields: &[(&str, &str)]) -> Perform {
    Perform { act: name.to_owned(), fields: texts(fields), ..Perform::default() }
}

fn because(perform: Perform) -> Perform {
    Perform { reason: Some("样例".to_owned()), ..perform }
}

fn with(kind: &str, text: &str, perform: Perform) -> Perform {
    let digest = digest_hex(text.as_bytes());
    Perform { evidence: vec![Evidence { kind: kind.to_owned(), digest, size_bytes: 4 }], ..perform }
}

fn officer() -> Person {
    person("officer-qin", "industry-officer-1", "industry")
}

fn safety() -> Person {
    person("safety-he", "paper-safety", "e-paper")
}

fn head() -> Person {
    person("head-zhou", "office-head", "office")
}

const HAZARD: [(&str, &str); 6] = [
    ("enterprise", "e-paper"),
    ("township", "north"),
    ("place", "一号车间"),
    ("description", "除尘系统无泄爆装置"),
    ("sector", "industry"),
    ("source", "expert_inspection"),
];

async fn run(engine: &Engine, case: CaseId, who: Person, perform: Perform) {
    let name = perform.act.clone();
    let done = engine.execute(request(case, Wish::Perform(perform), who, None)).await;
    assert!(done.is_ok(), "{name}: {done:?}");
}

/// A hazard found and determined on 1 September.
async fn determined(engine: &Engine, key: &str) -> CaseId {
    let mut report = with("photo", key, act("report", &HAZARD));
    report.fields.extend(texts(&[("found_on", "2026-09-01")]));
    let opened = engine.open("major-hazard", report, officer(), Auth::Asserted, key.to_owned()).await;
    let case = opened.expect("opened").case;
    let mut determine = act("determine", &[("clause", "第三条"), ("stop_work", "no")]);
    determine.fields.insert("withdraw_people".to_owned(), Value::Bool(false));
    run(engine, case, officer(), determine).await;
    case
}

/// And dispatched on the same day.
async fn dispatched(engine: &Engine, key: &str, due: &str) -> CaseId {
    let case = determined(engine, key).await;
    run(engine, case, clerk(), act("dispatch", &[("order_no", "7号"), ("due_date", due)])).await;
    case
}

fn complete(day: &str) -> Perform {
    let fields = [("completed_on", day), ("completion_signer", "何")];
    with("after_photo", day, act("report_complete", &fields))
}

fn inspect(name: &str, day: &str) -> Perform {
    let perform = with("record", day, act(name, &[("opinion", "现场核查"), ("reinspected_on", day)]));
    Perform {
        officers: vec!["officer-qin".into(), "officer-bai".into()],
        signature: Some(Signature::Signed("何".to_owned())),
        ..perform
    }
}

/// Until 08:00 of a day.
async fn until(engine: &Engine, day: &str) {
    worker::simulate(engine, morning(day)).await.expect("worked");
}

/// Eleven major hazards, one more from an old ledger, and four duties.
///
/// | case | due | what happened |
/// |---|---|---|
/// | a | 10 Sep | reported on the 8th, passed on the 9th, closed: on time |
/// | b | 10 Sep | reported on the 8th, passed on the 9th, not closed: on time |
/// | c | 10 Sep | reported on the 8th, nobody looked: in time, but accepted by nobody |
/// | d | 10 Sep | reported on the 8th, failed on the 9th; reported on the 14th, passed and closed on the 15th |
/// | e | 10 Sep | reported on the 14th, failed on the 15th; two supplementary dates, the second for the first |
/// | f | 18 Sep | extension to 30 Oct asked on the 2nd, granted on Friday the 11th: 5 working days left |
/// | g | 18 Sep | the same, granted on Thursday the 10th: 6 working days left |
/// | h | 15 Oct | downgraded on the 9th |
/// | i | none | downgraded on the 9th, before any dispatch |
/// | j | 10 Sep | missed, transferred on the 14th |
/// | k | 18 Sep | its clock stands still from the 9th on |
/// | l | 14 Aug | from an old ledger, live on 1 Sep |
async fn hand_made() -> County {
    let county = county("2026-09-01", "workflows/major-hazard.yaml").await;
    let engine = &county.engine;
    for file in ["workflows/general-hazard.yaml", "workflows/periodic-duty.yaml"] {
        engine.publish(&definition(file)).await.expect("published");
    }
    let a = dispatched(engine, "a", "2026-09-10").await;
    let b = dispatched(engine, "b", "2026-09-10").await;
    let c = dispatched(engine, "c", "2026-09-10").await;
    let d = dispatched(engine, "d", "2026-09-10").await;
    let e = dispatched(engine, "e", "2026-09-10").await;
    let f = dispatched(engine, "f", "2026-09-18").await;
    let g = dispatched(engine, "g", "2026-09-18").await;
    let h = dispatched(engine, "h", "2026-10-15").await;
    let i = determined(engine, "i").await;
    let j = dispatched(engine, "j", "2026-09-10").await;
    let k = dispatched(engine, "k", "2026-09-18").await;
    let mut entry = act("opening_entry", &HAZARD);
    entry.fields.extend(texts(&[
        ("found_on", "2026-08-03"),
        ("stated_state", "rectifying"),
        ("go_live_on", "2026-09-01"),
        ("due_date", "2026-08-14"),
    ]));
    engine
        .open("major-hazard", entry, administrator(), Auth::Asserted, "l".to_owned())
        .await
        .expect("brought in");
    let plan = ["plan", "periodic-duty", "--field", "duty=zero_report", "--period", "2026-09"];
    let planned = bihuan(&county.path, &[&plan[..], &["--sector", "mine", "--as", "clerk-lin"]].concat());
    assert!(planned.status.success(), "{planned:?}");

    until(engine, "2026-09-02").await;
    for case in [f, g] {
        let fields =
            [("done_so_far", "已停用"), ("interim_protection", "专人看守"), ("requested_date", "2026-10-30")];
        run(engine, case, safety(), because(act("ask_extension", &fields))).await;
    }
    let grant = act("grant_extension", &[("granted_date", "2026-10-30"), ("document_no", "3号")]);
    until(engine, "2026-09-08").await;
    for case in [a, b, c, d] {
        run(engine, case, safety(), complete("2026-09-08")).await;
    }
    until(engine, "2026-09-09").await;
    for case in [a, b] {
        run(engine, case, officer(), inspect("reinspect_pass", "2026-09-09")).await;
    }
    run(engine, a, clerk(), act("close_out", &[("opinion", "同意")])).await;
    run(engine, d, officer(), because(inspect("reinspect_fail", "2026-09-09"))).await;
    for case in [h, i] {
        run(engine, case, officer(), because(act("downgrade", &[("general_due_date", "2026-12-18")]))).await;
    }
    let pause = [
        ("pause_cause", "expert_examination"),
        ("pause_document", "1号"),
        ("pause_review_date", "2026-11-30"),
    ];
    run(engine, k, officer(), because(act("pause_clock", &pause))).await;
    until(engine, "2026-09-10").await;
    run(engine, g, head(), grant.clone()).await;
    until(engine, "2026-09-11").await;
    run(engine, f, head(), grant).await;
    until(engine, "2026-09-14").await;
    for case in [d, e] {
        run(engine, case, safety(), complete("2026-09-14")).await;
    }
    let transfer = act("transfer", &[("receiver", "邻县安委办"), ("document_no", "4号")]);
    run(engine, j, clerk(), because(transfer)).await;
    until(engine, "2026-09-15").await;
    run(engine, d, officer(), inspect("reinspect_pass", "2026-09-15")).await;
    run(engine, d, clerk(), act("close_out", &[("opinion", "同意")])).await;
    run(engine, e, officer(), because(inspect("reinspect_fail", "2026-09-15"))).await;
    for day in ["2026-10-15", "2026-10-20"] {
        run(engine, e, officer(), because(act("set_supplementary_date", &[("supplementary_date", day)])))
            .await;
    }
    until(engine, "2026-09-30").await;
    county
}

fn circular(county: &County, day: &str) -> serde_json::Value {
    let out = bihuan(&county.path, &["roundup", "--as-of", day, "--json"]);
    assert!(out.status.success(), "{out:?}");
    serde_json::from_slice::<serde_json::Value>(&out.stdout).expect("JSON")["roundup"].clone()
}

/// The rows of a list that belong to a workflow.
fn of(circular: &serde_json::Value, list: &str, workflow: &str) -> Vec<serde_json::Value> {
    let rows = circular[list].as_array().expect("rows").iter();
    rows.filter(|row| row["workflow"] == workflow).cloned().collect()
}

/// Stage or outcome, and how many.
fn identity(circular: &serde_json::Value, workflow: &str) -> Vec<(String, u64)> {
    let rows = of(circular, "stages", workflow).into_iter();
    let mut rows: Vec<_> = rows
        .map(|row| {
            let key = row["outcome"].as_str().or(row["stage"].as_str()).expect("text").to_owned();
            (key, row["count"].as_u64().expect("a number"))
        })
        .collect();
    rows.sort();
    rows
}

fn counts(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect()
}

#[tokio::test]
async fn every_number_of_a_circular_is_the_one_worked_out_by_hand() {
    let county = hand_made().await;
    let found = circular(&county, "2026-09-30");
    let major = |found: &serde_json::Value| of(found, "departments", "major-hazard");
    let expected = json!([{
        "workflow": "major-hazard",
        "department": "industry",
        // a to k; l is counted apart.
        "found": 11,
        // All but i.
        "dispatched": 10,
        // a, b, c, d, e. Of f and g the date lies ahead, h ended before its own, k stands still; j is beside.
        "due": 5,
        // a, b. Not c, which nobody accepted; not d, whose report failed; not e, which came late.
        "on_time": 2,
        // a, d.
        "closed": 2,
        // j.
        "left_out": 1,
        // e, since 11 September.
        "overdue_enterprise": 1,
        // c: ten days from its report ended on 18 September.
        "overdue_regulator": 1,
        // f.
        "late_extensions": 1,
        // h.
        "downgraded": 1,
        // e, twice.
        "supplementary": 2,
    }]);
    assert_eq!(json!(major(&found)), expected);
    // The same cases twenty days earlier: j was due and still here, f and e came later.
    let before = &major(&circular(&county, "2026-09-10"))[0];
    let of_before =
        ["due", "on_time", "closed", "left_out", "late_extensions", "downgraded", "supplementary"];
    assert_eq!(of_before.map(|key| before[key].as_u64().expect("a number")), [6, 2, 1, 0, 0, 1, 0]);
    let said = String::from_utf8(bihuan(&county.path, &["roundup"]).stdout).expect("text");
    assert!(said.contains(" 40.0 % "), "two of five: {said}");
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn workflows_are_counted_one_by_one_and_an_old_ledger_apart() {
    let county = hand_made().await;
    let found = circular(&county, "2026-09-30");
    // Eleven found: listed are c, e, f, g, k; accepted b; then a, d; h, i; j.
    let parts = [("accepted", 1), ("downgraded", 2), ("listed", 5), ("rectified", 2), ("transferred", 1)];
    assert_eq!(identity(&found, "major-hazard"), counts(&parts));
    // What h and i go on as; the four mines, whose zero reports nobody has handed in.
    assert_eq!(identity(&found, "general-hazard"), counts(&[("listed", 2)]));
    assert_eq!(identity(&found, "periodic-duty"), counts(&[("listed", 4)]));
    for workflow in ["major-hazard", "general-hazard", "periodic-duty"] {
        let sum: u64 = identity(&found, workflow).iter().map(|(_, count)| count).sum();
        let departments = of(&found, "departments", workflow);
        let all = departments.iter().map(|row| row["found"].as_u64().expect("a number")).sum::<u64>();
        assert_eq!(sum, all, "{workflow}: found = the sum of its parts");
    }
    let overdue = |rows: &serde_json::Value| -> Vec<(String, String, String)> {
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect("text").to_owned();
        let rows = rows.as_array().expect("rows").iter();
        rows.map(|row| (text(row, "by"), text(row, "number"), text(row, "from"))).collect()
    };
    let row = |by: &str, number: &str, day: &str| {
        (
            by.to_owned(),
            number.to_owned(),
            json!(morning(day).plus_micros(-8 * 3_600_000_000)).as_str().expect("text").to_owned(),
        )
    };
    let verified =
        [row("enterprise", "YH-2026-000005", "2026-09-11"), row("regulator", "YH-2026-000003", "2026-09-19")];
    assert_eq!(overdue(&found["overdue"]), verified);
    // l: missed in August; the re-inspection is owed ten days from going live, not from that date.
    let apart = of(&found, "unverified", "major-hazard");
    assert_eq!((found["unverified"].as_array().map(Vec::len), &apart[0]["count"]), (Some(1), &json!(1)));
    let unverified =
        [row("enterprise", "YH-2026-000012", "2026-08-15"), row("regulator", "YH-2026-000012", "2026-09-12")];
    assert_eq!(overdue(&apart[0]["overdue"]), unverified);

    let lines = |output: std::process::Output| -> Vec<String> {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
    };
    for (lines, said) in [
        (
            lines(bihuan(&county.path, &["roundup"])),
            [
                "Major accident hazard loop: 11 in all, of which",
                "brought in from an old ledger and unverified, counted apart: 1",
                "Brought in and unverified, overdue by the enterprise, by unit:",
                "Periodic duty: 4 in all, of which",
            ],
        ),
        (
            lines(bihuan_zh(&county.path, &["roundup"])),
            [
                "重大事故隐患闭环：共 11 件，其中：",
                "另有期初导入未核实 1 件，单列不计",
                "期初导入未核实，企业逾期，按单位：",
                "周期性工作：共 4 件，其中：",
            ],
        ),
    ] {
        for line in said {
            assert_eq!(lines.iter().filter(|found| *found == line).count(), 1, "{line}: {lines:#?}");
        }
    }
}

/// One department's row of a workflow, and the rates printed.
fn row(county: &County, workflow: &str) -> serde_json::Value {
    let found: serde_json::Value =
        serde_json::from_slice(&bihuan(&county.path, &["roundup", "--json"]).stdout).expect("JSON");
    of(&found["roundup"], "departments", workflow)[0].clone()
}

#[tokio::test]
async fn a_department_has_closed_what_it_closed_early_and_what_was_done() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let path = &county.path;
    let run = |arguments: &[&str]| {
        let output = bihuan(path, arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    tests::open_hazard(&county.engine, "early", "2026-12-18").await;
    let photo = county.folder.path().join("photo.jpg");
    std::fs::write(&photo, "a photo").expect("written");
    let evidence = format!("after_photo={}", photo.display());
    run(&["act", "YB-2026-000001", "report_complete", "--as", "safety-he", "--evidence", &evidence]);
    let officers = ["--officer", "officer-qin", "--officer", "officer-bai", "--signed", "safety-he"];
    run(&[&["act", "YB-2026-000001", "accept", "--as", "officer-qin"][..], &officers].concat());
    run(&["act", "YB-2026-000001", "close_out", "--as", "clerk-lin"]);
    let early = row(&county, "general-hazard");
    assert_eq!((&early["found"], &early["due"], &early["closed"]), (&json!(1), &json!(0), &json!(1)));

    // Three tasks, two of them done in time, the third never.
    county.engine.publish(&definition("workflows/task-list.yaml")).await.expect("published");
    for task in ["甲", "乙", "丙"] {
        let (task, end) = (format!("task={task}"), "end_date=2026-09-30");
        run(&[
            "open",
            "task-list",
            "--as",
            "clerk-lin/office-clerk",
            "--field",
            "campaign=百日行动",
            "--field",
            &task,
            "--field",
            "lead_unit=north",
            "--field",
            end,
        ]);
    }
    for number in ["RW-2026-000001", "RW-2026-000002"] {
        for (act, field) in [
            ("submit_scheme", "scheme=方案"),
            ("report_halfway", "progress_line=过半"),
            ("hand_in", "result=完成"),
        ] {
            run(&["act", number, act, "--as", "township-north", "--field", field]);
        }
        run(&["act", number, "accept", "--as", "clerk-duan", "--field", "opinion=同意"]);
    }
    run(&["work", "--until", "2026-10-08"]);
    let tasks = row(&county, "task-list");
    let counts = ["found", "due", "on_time", "closed"].map(|key| tasks[key].as_u64().expect("a number"));
    assert_eq!(counts, [3, 3, 2, 2]);
    assert!(run(&["roundup"]).contains(" 66.7 % "), "{}", run(&["roundup"]));

    // And a duty: its unit reported, somebody else found it in order.
    county.engine.publish(&definition("workflows/periodic-duty.yaml")).await.expect("published");
    let plan = ["plan", "periodic-duty", "--field", "duty=zero_report", "--period", "2026-10"];
    run(&[&plan[..], &["--kind", "township", "--as", "clerk-lin/office-clerk"]].concat());
    let fields = ["--field", "hazards_found=0", "--field", "summary=无", "--field", "submitted_by=严德厚"];
    // The periods are opened side by side, so the numbers come in any order.
    let owed: serde_json::Value =
        serde_json::from_str(&run(&["owes", "--unit", "north", "--json"])).expect("JSON");
    let mut numbers = owed["rows"].as_array().expect("rows").iter().filter_map(|row| row["number"].as_str());
    let number = numbers.find(|number| number.starts_with("ZQ-")).expect("its duty");
    run(&[&["act", number, "submit", "--as", "township-north"][..], &fields].concat());
    run(&["act", number, "accept", "--as", "clerk-duan"]);
    run(&["work", "--until", "2026-11-02"]);
    let duties = row(&county, "periodic-duty");
    let counts = ["due", "on_time", "closed"].map(|key| duties[key].as_u64().expect("a number"));
    assert_eq!(counts, [6, 1, 1]);
}

#[tokio::test]
async fn a_circular_is_one_picture_whatever_is_written_meanwhile() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let engine = county.engine.clone();
    let writing = tokio::spawn(async move {
        for index in 0..300 {
            tests::open_hazard(&engine, &index.to_string(), "2026-09-18").await;
        }
    });
    let (at, day_end) = (morning("2026-09-01"), morning("2026-09-02"));
    let mut seen = std::collections::BTreeSet::new();
    while !writing.is_finished() {
        let found = county.engine.store().roundup(county.engine.tenant(), at, day_end).await.expect("read");
        let stages: u64 = found.stages.iter().map(|row| row.count).sum();
        let departments: u64 = found.departments.iter().map(|row| row.found).sum();
        assert_eq!(stages, departments);
        seen.insert(stages);
    }
    writing.await.expect("written");
    assert!(seen.len() > 5, "it has to be drawn while cases are opened: {seen:?}");
}
