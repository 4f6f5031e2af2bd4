//! Whose case it is, and who may no longer judge it.

use std::collections::BTreeMap;

use machine::command::{Absorbed, FieldProblem, OtherCaseProblem};
use machine::value::Value;
use machine::{Command, Refusal};

use crate::world::*;

fn other_case(refusal: Refusal) -> OtherCaseProblem {
    match refusal {
        Refusal::OtherCase { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_department_does_not_make_itself_competent() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report());
    let refused = world.refused("far", determine("no").text("department", "dep-fire"));
    assert_eq!(refused.code(), "BH0007");
    // The competent one may hand it over in the act that settles whose it is.
    world.ok("zhao", determine("no").text("department", "dep-fire"));
    assert_eq!(world.state().text("department"), Some("dep-fire"));
}

#[test]
fn a_case_past_its_re_inspection_takes_in_no_other() {
    let mut world = World::reported("2026-04-10", "2026-04-01");
    world.linked = Some("YH-2026-000002".to_owned());
    let absorb = |world: &World, workflow: &str| {
        let absorbed = Absorbed { workflow: workflow.to_owned(), involved: BTreeMap::new() };
        world.decide(Some("li"), &Command::Absorb(absorbed), None).map(|_| ())
    };
    assert_eq!(absorb(&world, "major-hazard"), Ok(()));
    assert_eq!(other_case(absorb(&world, "periodic-duty").unwrap_err()), OtherCaseProblem::Workflow);
    world.linked = None;
    world.at("2026-04-02 09:00").ok("sun", pass("2026-04-02"));
    world.linked = Some("YH-2026-000002".to_owned());
    assert_eq!(other_case(absorb(&world, "major-hazard").unwrap_err()), OtherCaseProblem::Accepted);
}

#[test]
fn who_worked_on_a_case_taken_in_does_not_inspect_the_other() {
    let mut world = World::reported("2026-04-10", "2026-04-01");
    world.linked = Some("YH-2026-000002".to_owned());
    let involved = BTreeMap::from([("report_complete".to_owned(), ["qian".into()].into())]);
    let absorbed = Absorbed { workflow: "major-hazard".to_owned(), involved };
    world.run(Some("li"), &Command::Absorb(absorbed)).unwrap();
    world.linked = None;
    world.at("2026-04-02 09:00");
    let refused = world.refused("sun", pass("2026-04-02"));
    assert!(
        matches!(&refused, Refusal::Separation { person, act, .. } if person.as_str() == "qian" && act == "report_complete"),
        "{refused:?}"
    );
    world.ok("sun", pass("2026-04-02").officers(&["zhao", "sun"]));
}

#[test]
fn no_case_goes_where_too_few_are_left_to_judge_it() {
    // Three officers; one worked on this case, another on the one it would take in.
    let mut world = World::dispatched("2026-04-10");
    let entered =
        act("report_progress").text("progress_line", "过半").evidence("signed_paper").entered_for("manager");
    world.ok("qian", entered);
    let absorb = |hand: &str| {
        let involved = BTreeMap::from([("report_progress".to_owned(), [hand.into()].into())]);
        Command::Absorb(Absorbed { workflow: "major-hazard".to_owned(), involved })
    };
    world.linked = Some("YH-2026-000002".to_owned());
    let refused = world.decide(Some("li"), &absorb("sun"), None).unwrap_err();
    assert!(matches!(&refused, Refusal::NobodyLeft { person: None, needed: 2, .. }), "{refused:?}");
    assert!(world.decide(Some("li"), &absorb("qian"), None).is_ok());
    world.linked = None;
    // Nor to a department one of whose two officers had a hand in it, nor to one without any.
    let hand_over = |to: &str| act("hand_over").text("department", to).because("职责");
    let mut other = world.clone();
    other.ok("li", hand_over("dep-fire")).ok("li", hand_over("dep-industry"));
    let post = other.directory.posts.iter().position(|post| post.person.as_str() == "farther").unwrap();
    other.directory.posts[post].roles.insert("township_officer".to_owned());
    other.directory.posts[post].unit = "town-east".into();
    assert_eq!(other.refused("li", hand_over("dep-fire")).code(), "BH0082", "one officer is left there");
    assert_eq!(world.refused("li", hand_over("government")).code(), "BH0082", "nobody is there");
}

#[test]
fn a_refusal_names_the_unit_a_role_is_bound_to() {
    let world = World::dispatched("2026-04-10");
    match world.refused("other", complete("2026-03-04")) {
        Refusal::Role { needed, bound, held, .. } => {
            assert_eq!((needed, held), (vec!["responsible".to_owned()], vec!["responsible".to_owned()]));
            assert_eq!(bound, BTreeMap::from([("responsible".to_owned(), "plant-a".into())]));
        }
        other => panic!("{other:?}"),
    }
    let entered = complete("2026-03-04").evidence("signed_paper").entered_for("other");
    match world.refused("zhao", entered) {
        Refusal::EnteredFor { person, bound, .. } => {
            assert_eq!((person.as_str(), bound["responsible"].as_str()), ("other", "plant-a"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn evidence_is_of_a_kind_the_file_knows() {
    let world = World::dispatched("2026-04-10");
    match world.refused("manager", complete("2026-03-04").evidence("foo")) {
        Refusal::EvidenceKind { kind, known } => {
            assert!(kind == "foo" && known.contains(&"after_photo".to_owned()));
        }
        other => panic!("{other:?}"),
    }
    world.clone().ok("manager", complete("2026-03-04").evidence("photo"));
}

#[test]
fn who_did_the_work_of_an_assisting_unit_does_not_judge_it_before_or_after() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).at("2026-03-03 10:00").ok("zhao", determine("no"));
    let mut order = dispatch("2026-04-10");
    order.fields.insert("assisting_units".to_owned(), Value::List(vec!["dep-industry".to_owned()]));
    world.ok("li", order);
    let receive = act("acknowledge")
        .text("served_how", "signed")
        .text("received_by", "某")
        .text("received_on", "2026-03-03");
    let feed_back = || act("feed_back").text("feedback_line", "已装护栏");
    world.ok("qian", receive);
    let mut late = world.clone();
    world.at("2026-03-10 09:00").ok("qian", feed_back());
    world.at("2026-04-01 16:00").ok("manager", complete("2026-04-01"));
    assert_eq!(
        world.refused("sun", pass("2026-04-01")).code(),
        "BH0015",
        "zhao and qian, and qian did the work"
    );
    world.ok("sun", pass("2026-04-01").officers(&["zhao", "sun"]));

    late.at("2026-04-01 16:00").ok("manager", complete("2026-04-01"));
    late.at("2026-04-02 09:00").ok("sun", pass("2026-04-02"));
    assert_eq!(late.refused("qian", feed_back()).code(), "BH0015");
}

#[test]
fn a_date_counted_anew_is_not_taken_back() {
    let mut world = World::new("2026-12-29 09:00");
    world.ok("zhao", report().text("found_on", "2026-12-29"));
    let before = world.state().clone();
    world.calendar = with_2027(&world);
    world.run(Some("zhao"), &Command::Recalculate).unwrap();
    let take_back = Command::TakeBack { reason: "误".to_owned(), before: Box::new(before) };
    assert_eq!(world.decide(Some("zhao"), &take_back, None).unwrap_err().code(), "BH0025");
}

#[test]
fn work_is_not_handed_on_to_the_unit_that_has_it() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-06 09:00");
    for perform in
        [act("reassign").because("转"), act("reassign").text("responsible_unit", "plant-a").because("转")]
    {
        let refused = world.refused("li", perform);
        assert!(matches!(refused, Refusal::BadField { problem: FieldProblem::Repeated, .. }), "{refused:?}");
    }
}

#[test]
fn a_fact_a_decision_hangs_on_is_not_corrected() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("manager", report());
    let enterprise = amend("enterprise", Value::Text("plant-b".to_owned()));
    // Nobody has taken the responsible unit from it yet.
    assert!(world.decide(Some("manager"), &enterprise, None).is_ok());
    // What picks a term and a department does not move.
    let sector = amend("sector", Value::Text("coal_mine".to_owned()));
    assert_eq!(world.decide(Some("manager"), &sector, None).unwrap_err().code(), "BH0080");
    // Whoever determines the hazard settles it.
    world.at("2026-03-03 10:00").ok("zhao", determine("no").text("sector", "special_equipment"));
    world.at("2026-03-04 11:00").ok("li", dispatch("2026-04-10"));
    assert_eq!(world.decide(Some("manager"), &enterprise, None).unwrap_err().code(), "BH0080");
    world.ok("li", act("list_in_public").text("medium", "县报").bool("masking_done", true));
    let unmask = amend("masking_done", Value::Bool(false));
    assert_eq!(world.decide(Some("li"), &unmask, None).unwrap_err().code(), "BH0080");
}

#[test]
fn a_business_stopped_before_the_dispatch_can_resume_after_the_case_was_annulled() {
    let mut world = World::new("2026-03-02 09:00");
    let document = |name: &str| {
        act(name).text("document_no", "1号").text("document_date", "2026-03-02").text("document_signer", "某")
    };
    world.ok("zhao", report()).ok("zhao", determine("whole"));
    world.ok("wu", act("annul").text("document_no", "1号").because("重复"));
    world.ok("qian", act("apply_resumption").because("案件已撤销"));
    world.ok("zhao", document("accept_resumption").officers(&["zhao", "sun"]));
    assert_eq!(world.on("operation"), "resumed");
}

#[test]
fn a_refusal_keeps_no_personal_value() {
    let world = World::new("2026-03-02 09:00");
    for contact in ["13800000000\u{202e}".to_owned(), "1".repeat(101)] {
        match world.refused("zhao", report().text("reporter_contact", &contact)) {
            Refusal::BadField { field, value, .. } => {
                assert_eq!((field.as_str(), value.as_str()), ("reporter_contact", ""));
            }
            other => panic!("{other:?}"),
        }
    }
}
