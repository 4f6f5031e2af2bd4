//! The loop of a major hazard on a real store: several cases in one transaction.

use engine::{Engine, EngineError};
use machine::act::{Auth, Evidence, Link, Signature, digest_hex};
use machine::command::{OtherCaseProblem, Perform};
use machine::value::{CaseId, Value};
use machine::{Command as Wish, Definition, Person, Refusal, State};
use tests::{County, bihuan, clerk, county, major_hazard, person, project, request, texts};

const FILE: &str = "workflows/major-hazard.yaml";
const DAY: &str = "2026-09-01";

fn act(name: &str, fields: &[(&str, &str)]) -> Perform {
    Perform { act: name.to_owned(), fields: texts(fields), ..Perform::default() }
}

fn evidence(kind: &str, text: &str) -> Vec<Evidence> {
    vec![Evidence { kind: kind.to_owned(), digest: digest_hex(text.as_bytes()), size_bytes: 4 }]
}

fn officer() -> Person {
    person("officer-qin", "industry-officer-1", "industry")
}

fn safety() -> Person {
    person("safety-he", "paper-safety", "e-paper")
}

/// A hazard, reported.
async fn report(engine: &Engine, key: &str) -> CaseId {
    report_at(engine, key, "e-paper").await
}

async fn report_at(engine: &Engine, key: &str, enterprise: &str) -> CaseId {
    let fields = major_hazard(enterprise, DAY);
    let perform = Perform { fields, evidence: evidence("photo", key), ..act("report", &[]) };
    engine
        .open("major-hazard", perform, officer(), Auth::Asserted, key.to_owned())
        .await
        .expect("opened")
        .case
}

async fn run(engine: &Engine, case: CaseId, who: Person, perform: Perform) -> Result<(), EngineError> {
    engine.execute(request(case, Wish::Perform(perform), who, None)).await.map(|_| ())
}

/// A hazard, determined and waiting for its order.
async fn determined(engine: &Engine, key: &str) -> CaseId {
    let case = report(engine, key).await;
    let mut determine = act("determine", &[("clause", "第三条"), ("stop_work", "no")]);
    determine.fields.insert("withdraw_people".to_owned(), Value::Bool(false));
    run(engine, case, officer(), determine).await.expect("determined");
    case
}

fn dispatch(due: &str) -> Perform {
    act("dispatch", &[("order_no", "清安办责改〔2026〕7号"), ("due_date", due)])
}

async fn state(engine: &Engine, case: CaseId) -> State {
    engine.case(&case.to_string()).await.expect("there").0
}

fn links(state: &State) -> Vec<(&str, Link)> {
    state.links.iter().map(|link| (link.number.as_str(), link.link)).collect()
}

async fn publish_general(engine: &Engine) {
    let text = std::fs::read_to_string(project().join("workflows/general-hazard.yaml")).expect("the file");
    let file = machine::file::parse("general-hazard.yaml", &text).expect("well formed");
    let definition = Definition::compile(&file, &Default::default()).expect("no findings");
    engine.publish(&definition).await.expect("published");
}

#[tokio::test]
async fn an_order_covers_all_its_cases_or_none() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let dues = ["2026-10-15", "2026-10-30", "2026-11-16"];
    let mut cases = Vec::new();
    for due in dues {
        cases.push((determined(engine, due).await, due));
    }
    let order = |cases: &[(CaseId, &str)]| {
        let requests = cases.iter();
        requests
            .map(|(case, due)| request(*case, Wish::Perform(dispatch(due)), clerk(), None))
            .collect::<Vec<_>>()
    };
    // One of them cannot be dispatched: none is.
    let undetermined = report(engine, "undetermined").await;
    let mut torn = cases.clone();
    torn.insert(1, (undetermined, "2026-10-15"));
    match engine.execute_all(order(&torn), None).await {
        Err(EngineError::RefusedIn { number, refusal }) => {
            assert_eq!(number, state(engine, undetermined).await.number);
            assert!(matches!(*refusal, Refusal::NotFromHere { .. }), "{refusal:?}");
        }
        other => panic!("{other:?}"),
    }
    for (case, _) in &cases {
        assert_eq!(state(engine, *case).await.on("main"), Some("to_dispatch"));
    }
    let key = Some("order-7".to_owned());
    let receipts = engine.execute_all(order(&cases), key.clone()).await.expect("dispatched");
    assert_eq!(receipts.len(), 3);
    for (case, due) in &cases {
        let state = state(engine, *case).await;
        assert_eq!((state.on("main"), state.text("due_date")), (Some("rectifying"), Some(*due)));
        assert_eq!(state.text("order_no"), Some("清安办责改〔2026〕7号"));
    }
    // Sent twice it happens once; over other cases the key is refused.
    let again = engine.execute_all(order(&cases), key.clone()).await.expect("answered");
    assert!(again.iter().all(|receipt| receipt.replayed && receipt.version == receipts[0].version));
    let fewer = engine.execute_all(order(&cases[..2]), key).await;
    assert!(matches!(fewer, Err(EngineError::KeyReused)), "{fewer:?}");
    // One photo shows one hazard, also where one report covers several.
    let report = |photos: [&str; 2]| {
        let fields = [("completed_on", DAY), ("completion_signer", "厂长")];
        let each = cases[..2].iter().zip(photos);
        each.map(|((case, _), photo)| {
            let done =
                Perform { evidence: evidence("after_photo", photo), ..act("report_complete", &fields) };
            request(*case, Wish::Perform(done), safety(), None)
        })
        .collect::<Vec<_>>()
    };
    match engine.execute_all(report(["one", "one"]), None).await {
        Err(EngineError::RefusedIn { number, refusal }) => {
            assert_eq!(number, state(engine, cases[1].0).await.number);
            assert!(matches!(*refusal, Refusal::EvidenceShared { .. }), "{refusal:?}");
        }
        other => panic!("{other:?}"),
    }
    engine.execute_all(report(["one", "two"]), None).await.expect("reported");
    for bad in [Vec::new(), order(&[cases[0], cases[0]])] {
        assert!(matches!(engine.execute_all(bad, None).await, Err(EngineError::GroupBad)));
    }
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn an_order_from_the_command_line_gives_each_case_its_own_date() {
    let county = county(DAY, FILE).await;
    for key in ["a", "b"] {
        determined(&county.engine, key).await;
    }
    let order = |second: &str| {
        let second = format!("YH-2026-000002,due_date={second}");
        let common = ["order", "dispatch", "--as", "clerk-lin", "--field", "order_no=8号"];
        let cases = ["--case", "YH-2026-000001,due_date=2026-10-15", "--case", &second];
        bihuan(&county.path, &[&common[..], &cases[..]].concat())
    };
    let refused = order("2026-08-31");
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("YH-2026-000002: BH0008"), "{refused:?}");
    let done = order("2026-11-30");
    assert!(done.status.success(), "{done:?}");
    for (number, due) in [("YH-2026-000001", "2026-10-15"), ("YH-2026-000002", "2026-11-30")] {
        let (state, _) = county.engine.case(number).await.expect("there");
        assert_eq!(state.text("due_date"), Some(due));
    }
}

#[tokio::test]
async fn a_group_stays_whole_while_others_write_the_same_cases() {
    let county = county(DAY, FILE).await;
    let (one, two) = (report(&county.engine, "one").await, report(&county.engine, "two").await);
    let other = county.again().await;
    let comment = |case, text: &str| request(case, Wish::Comment { text: text.to_owned() }, clerk(), None);
    let disturb = tokio::spawn(async move {
        for index in 0..150 {
            let case = if index % 2 == 0 { one } else { two };
            match other.execute(comment(case, "disturb")).await {
                Err(EngineError::Contended) => {}
                sent => drop(sent.expect("recorded")),
            }
        }
    });
    for index in 0..60 {
        let text = format!("group {index}");
        // Given up after some attempts, nothing of it was written; so it is sent again.
        loop {
            let group = vec![comment(one, &text), comment(two, &text)];
            match county.engine.execute_all(group, None).await {
                Err(EngineError::Contended) => {}
                sent => break drop(sent.expect("recorded")),
            }
        }
    }
    disturb.await.expect("ran");
    let mut recorded = Vec::new();
    for case in [one, two] {
        let acts = county.engine.acts(case).await.expect("read");
        let texts = acts.into_iter().filter_map(|act| act.reason).filter(|text| text.starts_with("group"));
        recorded.push(texts.collect::<Vec<_>>());
    }
    let expected: Vec<String> = (0..60).map(|index| format!("group {index}")).collect();
    assert_eq!(recorded, [expected.clone(), expected], "every group once, on both cases");
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn a_downgraded_hazard_goes_on_as_a_general_one() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let case = determined(engine, "down").await;
    let downgrade = Perform {
        reason: Some("经专家复核不属重大".to_owned()),
        ..act("downgrade", &[("general_due_date", "2026-10-15")])
    };
    // Nowhere to go on: it is not dropped.
    let nowhere = run(engine, case, officer(), downgrade.clone()).await;
    assert!(matches!(nowhere, Err(EngineError::NoWorkflow(_))), "{nowhere:?}");
    assert_eq!(state(engine, case).await.on("main"), Some("to_dispatch"));
    publish_general(engine).await;
    let keyed = request(case, Wish::Perform(downgrade.clone()), officer(), Some("down-1"));
    let receipt = engine.execute(keyed.clone()).await.expect("downgraded");
    assert!(engine.execute(keyed).await.expect("answered").replayed);
    let major = state(engine, case).await;
    assert_eq!((major.on("main"), major.version), (Some("downgraded"), receipt.version));
    let [(number, Link::Opened)] = links(&major)[..] else { panic!("{:?}", major.links) };
    let (general, definition) = engine.case(number).await.expect("opened");
    assert_eq!(definition.file().workflow, "general-hazard");
    assert_eq!(links(&general), [(major.number.as_str(), Link::OpenedFrom)]);
    let (due, place) = (general.text("due_on"), general.text("place"));
    assert_eq!((general.on("main"), due, place), (Some("rectifying"), Some("2026-10-15"), Some("一号车间")));
    let count = county.raw().await.number("SELECT count(*) FROM cases").await;
    assert_eq!(count, 2, "opened once");
    // An opening that is refused takes the downgrade with it: the date lies in the past.
    let case = determined(engine, "past").await;
    let past = act("downgrade", &[("general_due_date", DAY)]);
    let refused = run(engine, case, officer(), Perform { reason: Some("x".to_owned()), ..past }).await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
    assert_eq!(state(engine, case).await.on("main"), Some("to_dispatch"));
    let shown = bihuan(&county.path, &["show", &major.number]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&format!("opened {number}")), "{shown:?}");
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn who_worked_on_a_downgraded_hazard_does_not_judge_it_under_its_new_name() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    publish_general(engine).await;
    let case = determined(engine, "hands").await;
    run(engine, case, clerk(), dispatch("2026-10-15")).await.expect("dispatched");
    // An officer enters the progress of the enterprise for it: that is a hand in the work.
    let progress = Perform {
        entered_for: Some("safety-he".into()),
        evidence: evidence("signed_paper", "progress"),
        ..act("report_progress", &[("progress_line", "已清理一半")])
    };
    let bai = || person("officer-bai", "industry-officer-2", "industry");
    run(engine, case, bai(), progress).await.expect("entered");
    let downgrade = Perform {
        reason: Some("经专家复核不属重大".to_owned()),
        ..act("downgrade", &[("general_due_date", "2026-10-15")])
    };
    // Evidence the other workflow knows nothing of stays with the case it was brought to.
    let downgrade = Perform { evidence: evidence("record", "meeting"), ..downgrade };
    run(engine, case, officer(), downgrade).await.expect("downgraded");
    let major = state(engine, case).await;
    let (general, _) = engine.case(links(&major)[0].0).await.expect("opened");
    let complete = Perform { evidence: evidence("after_photo", "after"), ..act("report_complete", &[]) };
    run(engine, general.case, safety(), complete).await.expect("reported");
    let accept = |officers: [&str; 2]| Perform {
        officers: officers.map(Into::into).to_vec(),
        signature: Some(Signature::Signed("何".to_owned())),
        ..act("accept", &[])
    };
    let refused = run(engine, general.case, officer(), accept(["officer-qin", "officer-bai"])).await;
    let Err(EngineError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert!(matches!(*refusal, Refusal::Separation { .. }), "{refusal:?}");
    assert!(run(engine, general.case, bai(), accept(["officer-qin", "officer-lu"])).await.is_err());
    run(engine, general.case, officer(), accept(["officer-qin", "officer-lu"])).await.expect("accepted");
}

#[tokio::test]
async fn a_hazard_that_comes_back_is_a_new_case_linked_to_the_old_one() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let case = determined(engine, "back").await;
    run(engine, case, clerk(), dispatch("2026-10-15")).await.expect("dispatched");
    let complete = Perform {
        evidence: evidence("after_photo", "after"),
        ..act("report_complete", &[("completed_on", DAY), ("completion_signer", "何")])
    };
    run(engine, case, safety(), complete).await.expect("reported");
    let pass = Perform {
        officers: vec!["officer-qin".into(), "officer-bai".into()],
        signature: Some(Signature::Signed("何".to_owned())),
        evidence: evidence("record", "record"),
        ..act("reinspect_pass", &[("opinion", "合格"), ("reinspected_on", DAY)])
    };
    run(engine, case, officer(), pass).await.expect("passed");
    run(engine, case, clerk(), act("close_out", &[("opinion", "同意")])).await.expect("closed");
    let fields = [("rebound_found_on", DAY), ("rebound_description", "泄爆口再次封堵")];
    let rebound = Perform {
        reason: Some("回头看发现".to_owned()),
        evidence: evidence("photo", "again"),
        ..act("rebound", &fields)
    };
    run(engine, case, officer(), rebound).await.expect("opened");
    let old = state(engine, case).await;
    assert_eq!(old.on("main"), Some("closed"), "the old case stays closed as it was");
    let (number, link) = links(&old)[0];
    let (new, _) = engine.case(number).await.expect("opened");
    assert_eq!((link, links(&new)), (Link::Opened, vec![(old.number.as_str(), Link::OpenedFrom)]));
    assert_eq!(
        (new.on("main"), new.text("description"), new.text("enterprise")),
        (Some("under_determination"), Some("泄爆口再次封堵"), Some("e-paper"))
    );
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

fn merge(into: &str) -> Perform {
    Perform { reason: Some("重复登记".to_owned()), ..act("merge", &[("other_case", into)]) }
}

fn problem(result: Result<(), EngineError>) -> Option<OtherCaseProblem> {
    match result {
        Ok(()) => None,
        Err(EngineError::Refused(refusal)) => match *refusal {
            Refusal::OtherCase { problem, .. } => Some(problem),
            other => panic!("{other:?}"),
        },
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_merge_names_an_open_case_and_stands_on_both() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let (a, b) = (report(engine, "a").await, report(engine, "b").await);
    let (first, second_number) = (state(engine, a).await.number, state(engine, b).await.number);
    let merging = |case, into: &str| run(engine, case, clerk(), merge(into));
    assert_eq!(problem(merging(a, "YH-2026-000099").await), Some(OtherCaseProblem::Unknown));
    assert_eq!(problem(merging(a, &first).await), Some(OtherCaseProblem::Itself));
    assert_eq!(problem(merging(a, &second_number).await), None);
    assert_eq!(links(&state(engine, a).await), [(second_number.as_str(), Link::MergedInto)]);
    assert_eq!(links(&state(engine, b).await), [(first.as_str(), Link::Absorbed)]);
    // No circle: the case that went on elsewhere takes in nobody.
    assert_eq!(problem(merging(b, &first).await), Some(OtherCaseProblem::Ended));
    assert_eq!(state(engine, b).await.on("main"), Some("under_determination"));
    let refusals = "SELECT count(*) FROM refusals WHERE code = 'BH0028'";
    let refusals = county.raw().await.number(refusals).await;
    assert_eq!(refusals, 3, "each refusal stands on record, once");
}

#[tokio::test]
async fn two_cases_merged_into_each_other_at_once_make_no_circle() {
    let county = county(DAY, FILE).await;
    let other = county.again().await;
    for round in 0..10 {
        let a = report(&county.engine, &format!("a{round}")).await;
        let b = report(&county.engine, &format!("b{round}")).await;
        let (first, second) = (state(&county.engine, a).await.number, state(&county.engine, b).await.number);
        let (there, back) = tokio::join!(
            run(&county.engine, a, clerk(), merge(&second)),
            run(&other, b, clerk(), merge(&first))
        );
        let merged = usize::from(there.is_ok()) + usize::from(back.is_ok());
        assert_eq!(merged, 1, "{there:?} {back:?}");
    }
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn a_published_year_counts_open_dates_again_with_one_act_each() {
    let county = county("2026-12-28", FILE).await;
    let engine = &county.engine;
    let fields = major_hazard("e-paper", "2026-12-28");
    let perform = Perform { fields, evidence: evidence("photo", "p"), ..act("report", &[]) };
    let case = engine.open("major-hazard", perform, officer(), Auth::Asserted, "year".to_owned()).await;
    let case = case.expect("opened").case;
    let determination = |state: &State| {
        state.deadlines.iter().find(|deadline| deadline.name == "determination").expect("running").clone()
    };
    let before = determination(&state(engine, case).await);
    assert!(before.provisional, "five working days from 28 December reach into a year not published");
    let file = county.folder.path().join("2027.yaml");
    let year =
        "year: 2027\noff:\n  - { from: 2027-01-01, to: 2027-01-05, name: 元旦 }\nmake_up: [2027-01-09]\n";
    std::fs::write(&file, year).expect("written");
    let load =
        || bihuan(&county.path, &["calendar", "load", &file.display().to_string(), "--as", "admin-wen"]);
    // It moves the dates of every open case: not for everybody.
    let clerk = bihuan(
        &county.path,
        &["calendar", "load", &file.display().to_string(), "--as", "clerk-lin/office-clerk"],
    );
    let said = String::from_utf8_lossy(&clerk.stderr).into_owned();
    assert!(
        clerk.status.code() == Some(3) && said.contains("BH0007") && said.contains("administrator"),
        "{said}"
    );
    assert_eq!(determination(&state(engine, case).await), before);
    let loaded = load();
    assert!(
        loaded.status.success() && String::from_utf8_lossy(&loaded.stdout).contains("of 1 cases"),
        "{loaded:?}"
    );
    let after = determination(&state(engine, case).await);
    assert!(!after.provisional && after.due > before.due, "{after:?}");
    assert_eq!((after.first_due, after.history[0].from), (before.due, before.due));
    let acts = engine.acts(case).await.expect("read");
    assert_eq!(acts.last().expect("acts").name, "recalculate");
    // The same notice once more changes nothing.
    assert!(String::from_utf8_lossy(&load().stdout).contains("of 0 cases"));
    assert_eq!(engine.acts(case).await.expect("read").len(), acts.len());
    std::fs::write(&file, "year: 2029\noff:\n  - { day: 2029-01-01, name: 元旦 }\n").expect("written");
    assert_eq!(load().status.code(), Some(2), "a year that leaves a gap is refused");
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn an_imported_case_is_marked_and_counted_apart() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    report(engine, "found here").await;
    let fields = [
        ("enterprise", "e-paper"),
        ("township", "north"),
        ("place", "旧台账"),
        ("description", "旧台账所列"),
        ("sector", "industry"),
        ("source", "assigned"),
        ("found_on", "2026-03-02"),
        ("stated_state", "rectifying"),
        ("due_date", "2026-07-31"),
        ("go_live_on", "2026-09-15"),
    ];
    let admin = person("admin-wen", "office-admin", "office");
    let opened =
        engine.open("major-hazard", act("opening_entry", &fields), admin, Auth::Asserted, "old".to_owned());
    opened.await.expect("brought in");
    engine.store().set_clock(tests::morning("2026-09-14")).await.expect("set");
    worker::simulate(engine, tests::morning("2026-09-14").plus_micros(3_600_000_000)).await.expect("worked");
    let raw = county.raw().await;
    let rungs = async |result: &str| {
        let query = "SELECT count(*) FROM rungs JOIN cases USING (case_id) WHERE unverified AND result =";
        raw.number(&format!("{query} '{result}'")).await
    };
    assert_eq!(rungs("fired").await, 0, "nothing calls anybody before it goes live");
    assert!(rungs("not_applicable").await >= 10);
    let now = engine.store().clock().await.expect("time");
    let standing = engine.store().standing(engine.tenant(), now).await.expect("read");
    assert_eq!((standing.cases, standing.unverified), (2, 1));
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

fn enforced(measure: &str, document: &str, on: &str) -> Perform {
    let fields = [
        ("enforcement_measure", measure),
        ("document_no", document),
        ("document_date", on),
        ("enforcement_subjects", "单位及主要负责人"),
    ];
    act("record_enforcement", &fields)
}

/// Both counters of a case: how many, and whether that is enough.
fn counters(county: &County, number: &str) -> Vec<(u64, bool)> {
    let told = bihuan(&county.path, &["explain", number, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let counters = told["counters"].as_array().expect("counters").iter();
    counters.map(|c| (c["count"].as_u64().expect("one"), c["reached"].as_bool().expect("one"))).collect()
}

#[tokio::test]
async fn penalties_of_an_enterprise_are_counted_over_its_cases_and_nothing_follows() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let (a, b) = (report(engine, "a").await, report(engine, "b").await);
    let elsewhere = report_at(engine, "c", "e-build").await;
    assert_eq!(counters(&county, "YH-2026-000001"), [(0, false), (0, false)]);
    // 180 days before 1 September is 5 March: that day itself lies outside, and within the year.
    for (case, measure, document, on) in [
        (a, "penalty", "1号", "2026-03-05"),
        (a, "penalty", "2号", "2026-03-06"),
        // One decision over two hazards is one penalty.
        (a, "dual_penalty", "3号", "2026-08-01"),
        (b, "dual_penalty", "3号", "2026-08-01"),
        (b, "ordered_stoppage", "4号", "2026-08-02"),
        (elsewhere, "penalty", "5号", "2026-08-03"),
        (b, "penalty", "6号", "2026-08-04"),
    ] {
        run(engine, case, officer(), enforced(measure, document, on)).await.expect("recorded");
    }
    // Number 6 was a slip, and is taken back.
    let slip = bihuan(
        &county.path,
        &["take-back", "YH-2026-000002", "--as", "officer-qin/industry-officer-1", "--reason", "误录"],
    );
    assert!(slip.status.success(), "{slip:?}");
    assert_eq!(counters(&county, "YH-2026-000001"), [(2, false), (3, false)]);
    assert_eq!(counters(&county, "YH-2026-000003"), [(1, false), (1, false)]);
    run(engine, a, officer(), enforced("penalty", "7号", DAY)).await.expect("recorded");
    assert_eq!(counters(&county, "YH-2026-000002"), [(3, true), (4, true)], "seen on every case of it");
    let said = tests::bihuan_zh(&county.path, &["explain", "YH-2026-000002"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("180 日内 3 次，已达 3 次，由负责人决定"), "{said}");
    // It hints, and does nothing: no proposal, no clock, no move.
    let after = state(engine, b).await;
    assert_eq!((after.on("main"), after.proposals.len()), (Some("under_determination"), 0));
    assert!(
        after.deadlines.iter().filter(|clock| clock.is_open()).all(|clock| clock.name == "determination")
    );
}

#[tokio::test]
async fn what_to_do_names_the_act_each_clock_of_an_assignment_waits_for() {
    let county = county(DAY, FILE).await;
    let engine = &county.engine;
    let case = determined(engine, "assist").await;
    let mut order = dispatch("2026-11-30");
    order.fields.insert("assisting_units".to_owned(), Value::List(vec!["north".to_owned()]));
    run(engine, case, clerk(), order).await.expect("dispatched");
    // Received within two working days, fed back within ten: a reminder each, one working day ahead.
    // The line after the one that names the clock, in the newest digest.
    let todo = |until: &str, clock: &str| {
        assert!(bihuan(&county.path, &["work", "--until", until]).status.success());
        let inbox = tests::bihuan_zh(&county.path, &["inbox", "township-north"]);
        let said = String::from_utf8_lossy(&inbox.stdout).into_owned();
        let line = said.lines().skip_while(|line| !line.contains(clock)).nth(1);
        line.unwrap_or_else(|| panic!("nothing about {clock}: {said}")).to_owned()
    };
    let receipt = todo("2026-09-03", "签收时限");
    assert!(receipt.contains("办理：签收。"), "{receipt}");
    let feedback = todo("2026-09-15", "配合反馈时限");
    assert!(feedback.contains("办理：反馈。"), "{feedback}");
}
