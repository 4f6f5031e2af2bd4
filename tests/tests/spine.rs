//! The loop from report to close-out, deadlines that enforce themselves, and the promises of a command.

use std::collections::BTreeSet;

use engine::EngineError;
use machine::act::{Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::{Command as Wish, Refusal};
use tests::{bihuan, clerk, county, open_hazard, person, request};

const FILE: &str = "workflows/general-hazard.yaml";

fn act(name: &str) -> Perform {
    Perform { act: name.to_owned(), ..Perform::default() }
}

fn photo(text: &str) -> Vec<Evidence> {
    vec![Evidence { kind: "after_photo".to_owned(), digest: digest_hex(text.as_bytes()), size_bytes: 4 }]
}

fn accept() -> Perform {
    Perform {
        officers: vec!["officer-qin".into(), "officer-bai".into()],
        signature: Some(Signature::Signed("safety-he".to_owned())),
        ..act("accept")
    }
}

#[tokio::test]
async fn a_hazard_is_opened_rectified_reinspected_and_closed() {
    let county = county("2026-09-01", FILE).await;
    let engine = &county.engine;
    let case = open_hazard(engine, "one", "2026-09-18").await.case;
    let enterprise = person("safety-he", "paper-safety", "e-paper");
    let officer = person("officer-qin", "industry-officer-1", "industry");
    let refused = |result: Result<_, EngineError>| match result {
        Err(EngineError::Refused(refusal)) => *refusal,
        other => panic!("not refused: {other:?}"),
    };
    let run = |perform: Perform, who| engine.execute(request(case, Wish::Perform(perform), who, None));
    assert!(matches!(refused(run(accept(), officer.clone()).await), Refusal::Guard { .. }));
    let bare = refused(run(act("report_complete"), enterprise.clone()).await);
    assert!(matches!(bare, Refusal::EvidenceMissing { .. }), "{bare:?}");
    run(Perform { evidence: photo("done"), ..act("report_complete") }, enterprise).await.expect("reported");
    let mut alone = accept();
    alone.officers.truncate(1);
    assert!(matches!(refused(run(alone, officer.clone()).await), Refusal::Officers { needed: 2, given: 1 }));
    let unsigned = Perform { signature: None, ..accept() };
    assert_eq!(refused(run(unsigned, officer.clone()).await), Refusal::SignatureMissing);
    run(accept(), officer).await.expect("accepted");
    run(act("close_out"), clerk()).await.expect("closed");
    let (state, _) = engine.case("YB-2026-000001").await.expect("there");
    assert_eq!(state.on("main"), Some("closed"));
    assert_eq!(state.wake_at(), None, "a closed case wakes nobody");
    let refusals = county.raw().await.number("SELECT count(*) FROM refusals").await;
    assert_eq!(refusals, 4, "every refusal is a row");
    assert!(bihuan(&county.path, &["verify"]).status.success());
}

#[tokio::test]
async fn who_reported_complete_for_another_may_not_reinspect() {
    let county = county("2026-09-01", FILE).await;
    let engine = &county.engine;
    let case = open_hazard(engine, "two", "2026-09-18").await.case;
    let officer = person("officer-qin", "industry-officer-1", "industry");
    let entered =
        Perform { evidence: photo("done"), entered_for: Some("safety-he".into()), ..act("report_complete") };
    engine.execute(request(case, Wish::Perform(entered), officer, None)).await.expect("entered");
    let other = person("officer-bai", "industry-officer-2", "industry");
    let refused = engine.execute(request(case, Wish::Perform(accept()), other, None)).await;
    let Err(EngineError::Refused(refusal)) = refused else { panic!("not refused: {refused:?}") };
    let expected = Refusal::Separation {
        person: "officer-qin".into(),
        act: "report_complete".to_owned(),
        linked: false,
    };
    assert_eq!(*refusal, expected);
}

#[tokio::test]
async fn the_same_command_sent_twice_happens_once() {
    let county = county("2026-09-01", FILE).await;
    let engine = &county.engine;
    let first = open_hazard(engine, "same", "2026-09-18").await;
    let again = open_hazard(engine, "same", "2026-09-18").await;
    assert_eq!((again.case, again.replayed), (first.case, true));
    let comment = |text: &str| Wish::Comment { text: text.to_owned() };
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let engine = engine.clone();
        let request = request(first.case, comment("once"), clerk(), Some("comment-1"));
        sending.spawn(async move { engine.execute(request).await });
    }
    let mut versions = BTreeSet::new();
    while let Some(sent) = sending.join_next().await {
        versions.insert(sent.expect("ran").expect("answered").version);
    }
    assert_eq!(versions.len(), 1, "one effect, one answer");
    let other = engine.execute(request(first.case, comment("twice"), clerk(), Some("comment-1"))).await;
    assert!(matches!(other, Err(EngineError::KeyReused)), "{other:?}");
}

#[tokio::test]
async fn a_stale_version_and_an_unknown_store_are_refused() {
    let county = county("2026-09-01", FILE).await;
    open_hazard(&county.engine, "stale", "2026-09-18").await;
    let stale = bihuan(
        &county.path,
        &["act", "YB-2026-000001", "annul", "--as", "clerk-lin", "--reason", "double", "--expect", "7"],
    );
    assert_eq!(stale.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&stale.stderr).starts_with("BH0005"), "{stale:?}");
    let nowhere = bihuan(&county.folder.path().join("none.db"), &["ledger"]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn both_languages_have_the_same_texts() {
    use engine::text::{Language, texts};
    let keys = |language| texts(language).keys().collect::<Vec<_>>();
    assert_eq!(keys(Language::Zh), keys(Language::En));
}
