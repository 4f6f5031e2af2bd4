//! What is too large, through the library: a command line could not carry it.

use std::collections::BTreeMap;

use engine::EngineError;
use machine::act::{Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::value::{PersonId, Value};
use machine::{Command as Wish, Refusal};
use tests::{clerk, county, open_hazard, person, request};

use crate::world::everything;

fn act(name: &str) -> Perform {
    Perform { act: name.to_owned(), ..Perform::default() }
}

fn evidence(kind: &str, number: usize) -> Evidence {
    Evidence { kind: kind.to_owned(), digest: digest_hex(&number.to_be_bytes()), size_bytes: 1 }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_leaves_no_large_trace() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let case = open_hazard(&county.engine, "large", "2026-09-30").await.case;
    let mebi = || "大".repeat(1 << 20);
    let fields: BTreeMap<String, Value> = (0..10_000).map(|n| (format!("f{n}"), Value::Int(n))).collect();
    let photo = || vec![evidence("after_photo", 0)];
    let report = |change: fn(&mut Perform, String)| {
        let mut perform = Perform { evidence: photo(), ..act("report_complete") };
        change(&mut perform, mebi());
        Wish::Perform(perform)
    };
    let many = (0..10_000).map(|number| evidence("after_photo", number)).collect();
    let people: Vec<PersonId> = (0..10_000).map(|number| PersonId(format!("p{number}"))).collect();
    let wishes = [
        ("a remark of 1 Mi characters", Wish::Comment { text: mebi() }),
        ("an act's name", Wish::Perform(act(&mebi()))),
        ("a reason", report(|perform, text| perform.reason = Some(text))),
        ("a signature", report(|perform, text| perform.signature = Some(Signature::Signed(text)))),
        ("a refusal to sign", report(|perform, text| perform.signature = Some(Signature::Refused(text)))),
        ("a kind of evidence", report(|perform, text| perform.evidence.push(evidence(&text, 1)))),
        ("a digest", report(|perform, text| perform.evidence[0].digest = text)),
        ("whom it is entered for", report(|perform, text| perform.entered_for = Some(PersonId(text)))),
        ("an officer", report(|perform, text| perform.officers = vec![PersonId(text)])),
        ("a field's name", report(|perform, text| drop(perform.fields.insert(text, Value::Int(1))))),
        (
            "a field's value",
            report(|perform, text| drop(perform.fields.insert("place".to_owned(), Value::Text(text)))),
        ),
        (
            "ten thousand fields",
            Wish::Perform(Perform { fields, evidence: photo(), ..act("report_complete") }),
        ),
        (
            "ten thousand pieces of evidence",
            Wish::Perform(Perform { evidence: many, ..act("report_complete") }),
        ),
        (
            "ten thousand officers",
            Wish::Perform(Perform { officers: people, evidence: photo(), ..act("report_complete") }),
        ),
        ("a reason to amend", Wish::Amend { fields: BTreeMap::new(), reason: mebi() }),
        (
            "a field to amend",
            Wish::Amend { fields: [(mebi(), Value::Int(1))].into(), reason: "x".to_owned() },
        ),
        (
            "a reason to take back",
            Wish::TakeBack {
                reason: mebi(),
                before: Box::new(county.engine.case(&case.to_string()).await.expect("there").0),
            },
        ),
    ];
    let raw = county.raw().await;
    let before = everything(&raw).await;
    let enterprise = || person("safety-he", "paper-safety", "e-paper");
    for (name, wish) in wishes {
        let who =
            if matches!(wish, Wish::TakeBack { .. } | Wish::Amend { .. }) { clerk() } else { enterprise() };
        let sent = county.engine.execute(request(case, wish, who, None)).await;
        assert!(matches!(sent, Err(EngineError::Refused(_))), "{name}: {sent:?}");
        assert!(everything(&raw).await == before, "{name} changed something");
    }
    let largest = "SELECT CAST(max(length(act) + length(detail)) AS BIGINT) FROM refusals";
    let largest = raw.number(largest).await;
    assert!(largest < 4_096, "a refusal of {largest} characters is on record");
    // What is just within the limits is taken.
    let text = "大".repeat(2_000);
    let comment = county.engine.execute(request(case, Wish::Comment { text }, enterprise(), None)).await;
    assert_eq!(comment.expect("taken").version, 2);
    let hundred = (0..100).map(|number| evidence("after_photo", number)).collect();
    let report = Wish::Perform(Perform { evidence: hundred, ..act("report_complete") });
    county.engine.execute(request(case, report, enterprise(), None)).await.expect("taken");
}

/// More overdue steps than one command records: a person is told to wait, the worker catches up.
#[tokio::test]
async fn a_case_years_behind_is_caught_up_in_bounded_steps() {
    let county = tests::empty_county("2026-09-01").await;
    tests::keep_unchecked(&county.engine, "tests/workflows/strict.yaml").await;
    let fields = tests::texts(&[("responsible", "e-paper"), ("due_on", "2026-09-03")]);
    let perform = Perform { fields, ..act("register") };
    let opened =
        county.engine.open("strict", perform, clerk(), machine::act::Auth::Asserted, "years".to_owned());
    let case = opened.await.expect("opened").case;
    county.engine.store().set_clock(tests::morning("2029-09-03")).await.expect("set");
    let comment = || request(case, Wish::Comment { text: "x".to_owned() }, clerk(), None);
    let sent = county.engine.execute(comment()).await;
    let Err(EngineError::Refused(refusal)) = sent else { panic!("not refused: {sent:?}") };
    assert_eq!(*refusal, Refusal::CatchingUp);
    let mut steps = 0;
    while county.engine.sweep(&[], 0, 10).await.expect("swept").moved > 0 {
        steps += 1;
    }
    // A rung every working day of three years.
    let rungs = county.raw().await.number("SELECT count(*) FROM rungs").await;
    assert!(rungs > 700 && steps == (rungs + 1) / 256 + 1, "{rungs} rungs in {steps} steps");
    county.engine.execute(comment()).await.expect("recorded");
}
