//! Every way to be refused, and what the refusal says.

use machine::command::{ClockProblem, ExtensionProblem, FieldProblem};
use machine::value::Value;
use machine::{Command, Refusal};

use crate::world::*;

#[test]
fn each_refusal_has_its_code() {
    let fresh = World::new("2026-03-02 09:00");
    let mut opened = fresh.clone();
    opened.ok("zhao", report());
    let mut listed = opened.clone();
    listed.ok("zhao", determine("no"));
    let working = World::dispatched("2026-04-10");
    let reported = World::reported("2026-04-10", "2026-04-01");
    let mut verified = reported.clone();
    verified.at("2026-04-02 09:00").ok("sun", pass("2026-04-02"));
    let used = working.acts[0].evidence[0].digest.clone();
    let fresh_digest = "f".repeat(64);
    let zero = "0".repeat(63);
    let table = [
        ("no case yet", &fresh, "zhao", determine("no"), "BH0001"),
        ("opened twice", &opened, "zhao", report(), "BH0002"),
        ("no such act", &opened, "zhao", act("abolish"), "BH0003"),
        ("wrong place", &opened, "li", dispatch("2026-04-10"), "BH0004"),
        ("closed from rectification", &working, "zhou", act("close_out").text("opinion", "同意"), "BH0004"),
        ("wrong role", &opened, "manager", determine("no"), "BH0007"),
        ("right role, wrong department", &opened, "far", determine("no"), "BH0007"),
        ("right role, wrong enterprise", &working, "other", complete("2026-03-04"), "BH0007"),
        ("no clause", &opened, "zhao", determine("no").without("clause"), "BH0008"),
        ("a due date of today", &listed, "li", dispatch("2026-03-02"), "BH0008"),
        ("re-inspected before due, unreported", &working, "sun", pass("2026-03-04"), "BH0008"),
        ("missing field", &opened, "zhao", determine("no").without("withdraw_people"), "BH0009"),
        ("unknown field", &opened, "zhao", determine("no").text("colour", "red"), "BH0010"),
        ("no such day", &fresh, "zhao", report().text("found_on", "2025-02-30"), "BH0011"),
        ("blank", &fresh, "zhao", report().text("description", " \u{3000}\u{200b}"), "BH0011"),
        ("bidirectional override", &fresh, "zhao", report().text("place", "a\u{202e}b"), "BH0011"),
        ("no photo", &working, "manager", without_evidence(complete("2026-03-04")), "BH0012"),
        ("used photo", &working, "manager", with_digest(complete("2026-03-04"), &used), "BH0013"),
        (
            "the same photo twice",
            &working,
            "manager",
            with_digest(complete("2026-03-04"), &fresh_digest).digest("after_photo", &fresh_digest),
            "BH0013",
        ),
        ("a bad digest", &working, "manager", with_digest(complete("2026-03-04"), &zero), "BH0014"),
        ("a third person closes: accepted", &verified, "li", act("close_out").text("opinion", "同意"), ""),
        ("one officer", &reported, "sun", pass("2026-04-01").officers(&["zhao"]), "BH0016"),
        (
            "the same officer twice",
            &reported,
            "sun",
            pass("2026-04-01").officers(&["zhao", "zhao"]),
            "BH0016",
        ),
        (
            "an officer from elsewhere",
            &reported,
            "sun",
            pass("2026-04-01").officers(&["zhao", "far"]),
            "BH0017",
        ),
        ("no signature", &reported, "sun", unsigned(pass("2026-04-01")), "BH0018"),
        ("no reason", &opened, "zhao", act("not_uphold"), "BH0019"),
        ("entered for a stranger", &working, "town", complete("2026-03-04").entered_for("other"), "BH0020"),
        ("resumed a running clock", &working, "zhao", resume(), "BH0008"),
        ("an extension to an earlier day", &working, "manager", ask("2026-04-09"), "BH0022"),
        (
            "received what was not sent",
            &working,
            "other",
            act("feed_back").text("feedback_line", "无"),
            "BH0007",
        ),
        (
            "fed back before receipt",
            &working,
            "manager",
            act("feed_back").text("feedback_line", "已做"),
            "BH0023",
        ),
    ];
    for (what, world, who, perform, code) in table {
        let mut world = world.clone();
        let acts = world.acts.len();
        match world.attempt(who, perform) {
            Ok(()) => assert_eq!(code, "", "{what} was accepted"),
            Err(refusal) => {
                assert_eq!(refusal.code(), code, "{what}: {refusal:?}");
                assert_eq!(world.acts.len(), acts, "{what} left an act");
            }
        }
    }
}

fn without_evidence(mut perform: machine::command::Perform) -> machine::command::Perform {
    perform.evidence.clear();
    perform
}

fn with_digest(perform: machine::command::Perform, digest: &str) -> machine::command::Perform {
    without_evidence(perform).digest("after_photo", digest)
}

fn unsigned(mut perform: machine::command::Perform) -> machine::command::Perform {
    perform.signature = None;
    perform
}

#[test]
fn refusals_of_the_built_in_commands() {
    let world = World::dispatched("2026-04-10");
    let refused = |who, command: &Command, expected| world.decide(who, command, expected).unwrap_err();
    let comment = Command::Comment { text: "x".to_owned() };
    assert_eq!(
        refused(Some("li"), &comment, Some(2)),
        Refusal::Version { expected: 2, actual: world.state().version }
    );
    assert_eq!(refused(None, &comment, None).code(), "BH0006");
    let proposal = Command::DecideProposal { no: 1, approved: true, reason: None, issue: false };
    assert_eq!(refused(Some("li"), &proposal, None), Refusal::NoProposal { no: 1 });
    let take_back = Command::TakeBack { reason: "x".to_owned(), before: Box::new(world.state().clone()) };
    assert_eq!(
        refused(Some("zhao"), &take_back, None),
        Refusal::CannotTakeBack { last: "dispatch".to_owned() }
    );
    let mut far_ahead = world.clone();
    far_ahead.at("2026-03-05 09:00");
    let mut complete = complete("2026-03-05");
    complete.occurred_on = Some(date("2026-03-06"));
    assert_eq!(far_ahead.refused("manager", complete).code(), "BH0026");
}

#[test]
fn the_wrong_place_lists_what_is_possible() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report());
    let Refusal::NotFromHere { track, state, needed, allowed, .. } =
        world.refused("zhao", dispatch("2026-04-10"))
    else {
        panic!("another refusal");
    };
    assert_eq!((track.as_str(), state.as_str()), ("main", "under_determination"));
    assert_eq!(needed, ["to_dispatch"]);
    assert!(allowed.contains(&"determine".to_owned()) && !allowed.contains(&"dispatch".to_owned()));
}

#[test]
fn field_problems_are_told_apart() {
    let world = World::new("2026-03-02 09:00");
    let problem = |field: &str, value: &str| match world.refused("zhao", report().text(field, value)) {
        Refusal::BadField { problem, .. } => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem("found_on", "2025-02-30"), FieldProblem::Type);
    assert_eq!(problem("found_on", "2026-03-03"), FieldProblem::AfterToday);
    assert_eq!(problem("place", "\u{200b}"), FieldProblem::Blank);
    // A soft hyphen, Hangul fillers, selectors, tags, an empty Braille pattern: nothing of it can be seen.
    for blank in [
        "\u{ad}",
        "\u{34f}",
        "\u{61c}",
        "\u{115f}\u{1160}",
        "\u{17b4}\u{17b5}",
        "\u{180e}",
        "\u{2061}",
        "\u{2800}",
        "\u{3164}",
        "\u{fe0f}",
        "\u{ffa0}",
        "\u{fff0}",
        "\u{1bca0}",
        "\u{1d173}",
        "\u{e0020}",
        " \u{3164}\u{2800}\u{e0fff} ",
    ] {
        assert_eq!(problem("place", blank), FieldProblem::Blank, "{}", blank.escape_unicode());
    }
    assert_eq!(problem("place", "a\u{2066}b"), FieldProblem::Characters);
    assert_eq!(problem("place", "a\0b"), FieldProblem::Characters);
    assert_eq!(problem("place", &"长".repeat(201)), FieldProblem::TooLong);
    assert_eq!(problem("sector", "magic"), FieldProblem::Unknown);
    assert_eq!(problem("enterprise", "plant-z"), FieldProblem::Unknown);
}

#[test]
fn nobody_inspects_or_closes_their_own_work() {
    // An officer who entered the report for the unit took part in it.
    let mut world = World::dispatched("2026-04-10");
    world
        .at("2026-04-01 09:00")
        .ok("zhao", complete("2026-04-01").entered_for("manager").evidence("signed_paper"));
    let separation = |world: &World, who, perform| match world.refused(who, perform) {
        Refusal::Separation { person, act, .. } => (person.to_string(), act),
        other => panic!("{other:?}"),
    };
    let zhao = ("zhao".to_owned(), "report_complete".to_owned());
    assert_eq!(separation(&world, "sun", pass("2026-04-01")), zhao, "as an officer");
    assert_eq!(separation(&world, "zhao", pass("2026-04-01").officers(&["sun", "qian"])), zhao, "as actor");
    world.ok("sun", pass("2026-04-01").officers(&["sun", "qian"]));
    // The re-inspector moves to the office and would close the case.
    let mut post = world.directory.posts.iter().find(|post| post.person.as_str() == "zhou").unwrap().clone();
    post.person = "qian".into();
    post.id = "post-qian".into();
    world.directory.posts.retain(|post| post.person.as_str() != "qian");
    world.directory.posts.push(post);
    let close = act("close_out").text("opinion", "同意");
    let mut moved = person("qian");
    moved.unit = "office".into();
    let refusal = world.decide_as(&moved, &Command::Perform(close.clone())).unwrap_err();
    assert!(matches!(refusal, Refusal::Separation { act, .. } if act == "reinspect_pass"));
    world.ok("zhou", close);
}

/// The file as shipped, these acts free of their guards.
fn without_guard(act: &str) -> std::sync::Arc<machine::Definition> {
    let mut file = crate::world::file();
    let names = [act, "resume_clock"];
    for (_, act) in file.acts.iter_mut().filter(|(name, _)| names.contains(&name.as_str())) {
        act.when = None;
    }
    std::sync::Arc::new(crate::world::compile(&file))
}

#[test]
fn an_extension_has_its_limits() {
    let problem = |world: &World, perform| match world.refused("manager", perform) {
        Refusal::Extension { problem, .. } => problem,
        other => panic!("{other:?}"),
    };
    // The file forbids the act where its step would be refused; here the step is asked itself.
    let unguarded = without_guard("ask_extension");
    let mut world = World::dispatched("2026-04-10");
    world.definition = unguarded;
    world.at("2026-03-10 09:00");
    assert_eq!(problem(&world, ask("2026-04-10")), ExtensionProblem::NotLater { due: date("2026-04-10") });
    let latest = date("2027-03-04");
    assert_eq!(problem(&world, ask("2027-03-05")), ExtensionProblem::BeyondCap { latest });
    world.at("2026-04-09 09:00");
    let latest = date("2026-04-02");
    assert_eq!(problem(&world, ask("2026-05-15")), ExtensionProblem::TooLate { latest });
    world.at("2026-04-11 00:00");
    assert_eq!(problem(&world, ask("2026-05-15")), ExtensionProblem::Expired);
    // Nor does the step grant what no running decision stands for.
    world.definition = without_guard("grant_extension");
    let granted = world.refused("wu", grant("2026-05-15"));
    assert!(matches!(granted, Refusal::Extension { problem: ExtensionProblem::Expired, .. }), "{granted:?}");
    // Twice, and not a third time.
    let mut world = World::dispatched("2026-04-10");
    for (day, to) in [("2026-03-10", "2026-05-15"), ("2026-04-10", "2026-06-15")] {
        world.at(&format!("{day} 09:00")).ok("manager", ask(to)).ok("wu", grant(to));
    }
    assert_eq!(problem(&world, ask("2026-07-15")), ExtensionProblem::TooOften { times: 2 });
}

#[test]
fn a_clock_is_stopped_once_and_run_once() {
    let mut world = World::dispatched("2026-04-10");
    world.definition = without_guard("pause_clock");
    let problem = |world: &World, perform| match world.refused("zhao", perform) {
        Refusal::Clock { problem, .. } => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(&world, resume()), ClockProblem::NotPaused);
    world.ok("zhao", pause("2026-03-20"));
    assert_eq!(problem(&world, pause("2026-03-20")), ClockProblem::NotRunning);
    world.ok("zhao", resume());
    assert_eq!(problem(&world, resume()), ClockProblem::NotPaused);
    world.at("2026-04-13 09:00");
    assert_eq!(problem(&world, pause("2026-04-20")), ClockProblem::Missed);
}

#[test]
fn only_who_entered_a_fact_puts_it_right_and_no_decision_is_a_fact() {
    let mut world = World::dispatched("2026-04-10");
    let amend = |field: &str, value: &str| amend(field, Value::Text(value.to_owned()));
    // zhao reported and determined; li dispatched.
    for (who, field, value) in [
        ("li", "place", "三车间"),
        ("manager", "place", "三车间"),
        ("li", "due_date", "2026-04-24"),
        ("li", "responsible_unit", "plant-b"),
        ("zhao", "department", "dep-fire"),
        ("zhao", "order_no", "x"),
    ] {
        let refused = world.decide(Some(who), &amend(field, value), None).expect_err("amended");
        assert_eq!(refused.code(), "BH0080", "{field} by {who}");
    }
    let clocks = world.state().deadlines.clone();
    world.run(Some("zhao"), &amend("place", "三车间")).unwrap();
    world.run(Some("li"), &amend("order_no", "甲安办交〔2026〕2号")).unwrap();
    assert_eq!(world.state().text("place"), Some("三车间"));
    assert_eq!(world.state().deadlines, clocks, "a correction moves no date");
}

/// Barring the finder is an option of the file (I1): the separation names the opening act as well.
#[test]
fn a_file_may_bar_whoever_reported_a_hazard_from_its_re_inspection() {
    // zhao reported it, and is one of the two officers: as shipped that is allowed.
    let mut shipped = World::reported("2026-04-10", "2026-04-01");
    let mut file = file();
    let apart = &mut file.acts.get_mut("reinspect_pass").unwrap().apart;
    apart.actor.push("report".to_owned());
    apart.officers.push("report".to_owned());
    let mut barred = shipped.clone();
    barred.definition = std::sync::Arc::new(compile(&file));
    shipped.ok("sun", pass("2026-04-01"));
    let others = pass("2026-04-01").officers(&["sun", "qian"]);
    for (who, perform) in [("sun", pass("2026-04-01")), ("zhao", others.clone())] {
        let refusal = barred.refused(who, perform);
        assert!(
            matches!(&refusal, Refusal::Separation { person, act, .. } if person.as_str() == "zhao" && act == "report"),
            "{refusal:?}"
        );
    }
    barred.ok("sun", others);
}
