//! Document numbers (文号) on a real store: without gaps, whoever signs at once and whatever is refused between.

use std::collections::BTreeSet;

use engine::verify::verify;
use engine::{Engine, EngineError};
use machine::act::{Auth, Evidence, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, Value};
use machine::{Command as Wish, Person, Refusal};
use tests::{County, bihuan, clerk, county, fault_line, major_hazard, person, request, texts};

const FILE: &str = "workflows/major-hazard.yaml";
const DAY: &str = "2026-09-01";
/// Where the register on paper of the sample county's office ends.
const ON_PAPER: u32 = 17;

fn officer() -> Person {
    person("officer-qin", "industry-officer-1", "industry")
}

/// A hazard, determined and waiting for its order.
async fn determined(engine: &Engine, key: &str) -> CaseId {
    let fields = major_hazard("e-paper", DAY);
    let evidence =
        vec![Evidence { kind: "photo".to_owned(), digest: digest_hex(key.as_bytes()), size_bytes: 4 }];
    let report = Perform { act: "report".to_owned(), fields, evidence, ..Perform::default() };
    let opened = engine.open("major-hazard", report, officer(), Auth::Asserted, key.to_owned()).await;
    let case = opened.expect("opened").case;
    let mut fields = texts(&[("clause", "第三条"), ("stop_work", "no")]);
    fields.insert("withdraw_people".to_owned(), Value::Bool(false));
    let determine = Wish::Perform(Perform { act: "determine".to_owned(), fields, ..Perform::default() });
    engine.execute(request(case, determine, officer(), None)).await.expect("determined");
    case
}

fn dispatch(due: &str) -> Wish {
    let (act, issue) = ("dispatch".to_owned(), Some("order_no".to_owned()));
    Wish::Perform(Perform { act, fields: texts(&[("due_date", due)]), issue, ..Perform::default() })
}

async fn order_no(engine: &Engine, case: CaseId) -> String {
    let (state, _) = engine.case(&case.to_string()).await.expect("there");
    state.text("order_no").expect("dispatched").to_owned()
}

async fn faults(county: &County) -> Vec<String> {
    let engine = &county.engine;
    let report = verify(engine.store(), engine.tenant(), engine.catalog()).await.expect("verified");
    report.faults.iter().map(fault_line).collect()
}

fn number(no: u32) -> String {
    format!("青安办〔2026〕{no}号")
}

#[tokio::test]
async fn many_who_sign_at_once_in_two_processes_take_numbers_without_a_gap() {
    let county = county(DAY, FILE).await;
    let other = county.again().await;
    let mut cases = Vec::new();
    for index in 0..48 {
        cases.push(determined(&county.engine, &format!("case-{index}")).await);
    }
    // Every third is refused: its date has passed. A refused one has taken no number.
    let mut signing = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let engine = if index % 2 == 0 { &county.engine } else { &other }.clone();
        let wish = dispatch(if index % 3 == 0 { "2026-08-01" } else { "2026-10-15" });
        let request = request(*case, wish, clerk(), Some(&format!("sign-{index}")));
        signing.push(tokio::spawn(async move { engine.execute(request).await }));
    }
    let mut signed = BTreeSet::new();
    let mut refused = 0;
    for (task, (index, case)) in signing.into_iter().zip(cases.iter().enumerate()) {
        match task.await.expect("answered") {
            Ok(_) => assert!(signed.insert(order_no(&county.engine, *case).await), "given out twice"),
            Err(EngineError::Refused(refusal)) => {
                assert_eq!((index % 3, refusal.code()), (0, "BH0008"));
                refused += 1;
            }
            // Others kept getting in before: asked again it is done, once.
            Err(EngineError::Contended) => {
                let again = request(*case, dispatch("2026-10-15"), clerk(), Some(&format!("sign-{index}")));
                county.engine.execute(again).await.expect("signed");
                assert!(signed.insert(order_no(&county.engine, *case).await), "given out twice");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let expected: BTreeSet<String> = (1..=32).map(|no| number(ON_PAPER + no)).collect();
    assert_eq!((signed, refused), (expected, 16));
    assert_eq!(faults(&county).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_order_over_several_cases_is_one_document_and_a_retry_takes_no_other() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let cases = [determined(engine, "a").await, determined(engine, "b").await, determined(engine, "c").await];
    let order = |due: &str| cases.map(|case| request(case, dispatch(due), clerk(), None)).to_vec();
    assert!(engine.execute_all(order("2026-08-01"), Some("wrong".to_owned())).await.is_err());
    let key = Some("order".to_owned());
    engine.execute_all(order("2026-10-15"), key.clone()).await.expect("dispatched");
    let again = engine.execute_all(order("2026-10-15"), key).await.expect("answered");
    assert!(again.iter().all(|receipt| receipt.replayed));
    for case in cases {
        assert_eq!(order_no(engine, case).await, number(18));
    }
    // The next document over another case; and the one before, named once more.
    let listed = |fields: &[(&str, &str)], issue: Option<&str>| {
        let fields = texts(fields);
        let issue = issue.map(str::to_owned);
        Wish::Perform(Perform { act: "circulate".to_owned(), fields, issue, ..Perform::default() })
    };
    let issued = request(cases[0], listed(&[], Some("document_no")), clerk(), None);
    engine.execute(issued).await.expect("circulated");
    let named = request(cases[1], listed(&[("document_no", &number(19))], None), clerk(), None);
    engine.execute(named).await.expect("the same circular");
    let early = request(cases[2], listed(&[("document_no", &number(20))], None), clerk(), None);
    match engine.execute(early).await {
        Err(EngineError::Refused(refusal)) => assert!(matches!(*refusal, Refusal::Document { .. })),
        other => panic!("{other:?}"),
    }
    let rows = "SELECT no, part FROM documents ORDER BY no, part";
    let rows: Vec<(i64, i64)> = county.raw().await.rows(rows).await;
    assert_eq!(rows, [(18, 0), (18, 1), (18, 2), (19, 0)]);
    assert_eq!(faults(&county).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_register_that_was_changed_is_named() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    for key in ["a", "b", "c"] {
        let case = determined(engine, key).await;
        engine.execute(request(case, dispatch("2026-10-15"), clerk(), None)).await.expect("dispatched");
    }
    let raw = county.raw().await;
    raw.run("CREATE TABLE kept AS SELECT * FROM documents").await;
    let version = raw.number("SELECT act_version FROM documents WHERE no = 19").await;
    let (missing, gap) =
        (format!("{version} documents {version} missing"), format!("0 documents {}", number(20)));
    let column = |name: &str| format!("{version} documents {version} {name}");
    for (damage, said) in [
        ("DELETE FROM documents WHERE no = 19", vec![gap.clone(), missing.clone()]),
        ("DELETE FROM documents WHERE no = 20", vec![missing.clone()]),
        (
            "UPDATE documents SET no = 99 WHERE no = 20",
            vec![format!("0 documents {}", number(99)), column("no")],
        ),
        ("UPDATE documents SET part = 1 WHERE no = 19", vec![format!("0 documents {}", number(19))]),
        ("UPDATE documents SET code = '乙' WHERE no = 18", vec![column("code")]),
        ("UPDATE documents SET year = 2025 WHERE no = 18", vec![column("year")]),
        (
            "UPDATE documents SET act_version = 1 WHERE no = 18",
            vec![missing, "1 documents 1 from no act".to_owned()],
        ),
        (
            "UPDATE documents SET case_id = 'nobody' WHERE no = 18",
            vec![format!("{version} documents {version} missing"), "0 documents without acts: 1".to_owned()],
        ),
        (
            "UPDATE documents SET tenant_id = 'x' WHERE no = 18",
            vec![format!("{version} documents {version} missing")],
        ),
    ] {
        raw.run(damage).await;
        let found = faults(&county).await;
        let sorted = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sorted(&found), sorted(&said), "{damage}");
        for statement in ["DELETE FROM documents", "INSERT INTO documents SELECT * FROM kept"] {
            raw.run(statement).await;
        }
    }
    assert_eq!(faults(&county).await, Vec::<String>::new());
    // What the acts took is put back from them, before it could be given out again.
    for damage in ["DELETE FROM documents WHERE no = 20", "UPDATE documents SET no = 99 WHERE no = 20"] {
        raw.run(damage).await;
        let rebuilt = engine::rebuild::rebuild(engine.store(), engine.tenant(), engine.catalog(), true).await;
        assert_eq!(rebuilt.expect("rebuilt").repaired, 1, "{damage}");
        assert_eq!(faults(&county).await, Vec::<String>::new(), "{damage}");
    }
}

#[tokio::test]
async fn a_clerk_signs_with_the_next_number_from_the_command_line() {
    let county = county(DAY, FILE).await;
    let case = determined(&county.engine, "a").await;
    let (state, _) = county.engine.case(&case.to_string()).await.expect("there");
    let run = |arguments: &[&str]| {
        let output = bihuan(&county.path, arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    let (code, said) = run(&["next", &state.number, "--as", "clerk-lin/office-clerk"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("or the next number of your unit's register: --issue order_no"), "{said}");
    let line =
        said.lines().find(|line| line.contains("bihuan act") && line.contains("dispatch")).expect("a line");
    assert!(line.contains("--issue order_no") && !line.contains("order_no="), "{line}");
    let act = [
        "act",
        &state.number,
        "dispatch",
        "--as",
        "clerk-lin/office-clerk",
        "--field",
        "due_date=2026-10-15",
    ];
    let (code, said) = run(&[&act[..], &["--field", "order_no=青安办〔2026〕18号"]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("BH0083") && said.contains("the last one this year is 17"), "{said}");
    let (code, said) = run(&[&act[..], &["--issue", "order_no", "--dry-run"]].concat());
    assert!(code == Some(0) && said.contains("document number 青安办〔2026〕18号 issued"), "{said}");
    let (code, said) = run(&[&act[..], &["--issue", "order_no"]].concat());
    assert!(code == Some(0) && said.contains("Document number: 青安办〔2026〕18号."), "{said}");
    let (code, said) = run(&["show", &state.number]);
    assert!(code == Some(0) && said.contains("Number of the order: 青安办〔2026〕18号"), "{said}");
    let (code, said) = run(&["sign", &state.number, "1", "--as", "clerk-lin", "--decline", "--issue"]);
    assert_eq!(code, Some(2), "{said}");
}
