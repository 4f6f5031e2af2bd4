//! Which rule a date is counted by, and the dates the file proposes.

use machine::act::AssignmentStatus;
use machine::next::Proposed;
use machine::state::Term;
use machine::time::Due;
use machine::{Definition, Facts};

use crate::world::*;

fn day(text: &str) -> Due {
    Due::Day(date(text))
}

/// A case in a sector, with zhao's department competent, reported on 2 March 2026.
fn in_sector(sector: &str) -> World {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report().text("sector", sector).text("department", "dep-industry"));
    world
}

#[test]
fn the_sector_chooses_the_term_and_the_clock_says_so() {
    // Reported complete on Monday 6 April 2026 (a day off): ten calendar days, twenty, ten working days.
    let ordinary = Term::CalendarDays { days: 10, roll: true };
    let table = [
        ("industry", "2026-04-16", ordinary, None),
        (
            "coal_mine",
            "2026-04-27",
            Term::CalendarDays { days: 20, roll: true },
            Some("sector == 'coal_mine'"),
        ),
        ("special_equipment", "2026-04-20", Term::WorkingDays(10), Some("sector == 'special_equipment'")),
    ];
    for (sector, due, term, when) in table {
        let mut world = in_sector(sector);
        world.ok("zhao", determine("whole")).ok("li", dispatch("2026-05-29"));
        world.at("2026-04-06 10:00").ok("manager", complete("2026-04-06"));
        let clock = world.clock("reinspection");
        assert_eq!((clock.due, &clock.term, clock.term_when.as_deref()), (day(due), &term, when), "{sector}");
        // The resumption has its own rule.
        world.ok("manager", act("apply_resumption").because("已整改"));
        let resumption = if sector == "coal_mine" { 20 } else { 10 };
        assert_eq!(world.clock("resumption").term, Term::CalendarDays { days: resumption, roll: true });
    }
}

fn proposed(world: &World, who: &str, name: &str) -> Option<Proposed> {
    let actor = person(who);
    let tenant = "county-a".into();
    let facts = Facts {
        tenant: &tenant,
        case: uuid::Uuid::from_u128(7),
        now: world.now,
        actor: Some(&actor),
        auth: machine::act::Auth::Asserted,
        key: None,
        calendar: &world.calendar,
        directory: &world.directory,
        expected_version: None,
        number: None,
        linked: None,
        hands: machine::command::NOBODY,
        registers: machine::register::Registers::NONE,
        salt: &[0; 32],
    };
    let possible = machine::next(&world.definition, world.state.as_ref(), &facts);
    let act = possible.into_iter().find(|act| act.act == name)?;
    act.proposed.into_iter().find(|proposed| proposed.field == "due_date")
}

#[test]
fn a_due_date_is_proposed_by_the_kind_of_hazard() {
    let works = |mut perform: machine::command::Perform| {
        perform.fields.insert("works".to_owned(), machine::value::Value::Bool(true));
        perform
    };
    let list = act("list")
        .text("supervision_level", "county")
        .text("document_no", "2号")
        .text("document_date", "2026-03-02")
        .text("document_signer", "某");
    // From 2 March: 15 days end on Tuesday the 17th, 30 on Wednesday 1 April, 60 on 1 May, a holiday to the 5th.
    let table = [
        (determine("no"), false, "2026-03-17", 15, None),
        (works(determine("no")), false, "2026-04-01", 30, Some("works")),
        (
            works(determine("no")),
            true,
            "2026-05-06",
            60,
            Some("supervision in ['county', 'city', 'province']"),
        ),
    ];
    for (determined, listed, due, days, when) in table {
        let mut world = in_sector("industry");
        world.ok("zhao", determined);
        if listed {
            world.ok("li", list.clone());
        }
        let proposed = proposed(&world, "li", "dispatch").expect("a proposal");
        assert_eq!((proposed.day, proposed.anchor), (date(due), date("2026-03-02")));
        assert_eq!(proposed.term, Term::CalendarDays { days, roll: true });
        assert_eq!(proposed.term_when.as_deref(), when);
    }
}

#[test]
fn a_report_later_than_a_day_after_the_finding_is_late_for_ever() {
    for (found, late) in [("2026-03-02", false), ("2026-03-01", false), ("2026-02-28", true)] {
        let mut world = World::new("2026-03-02 09:00");
        world.ok("nobody", report().text("found_on", found));
        let clock = world.clock("reporting");
        assert!(!clock.is_open());
        assert_eq!(clock.missed_at.is_some(), late, "{found}");
        assert_eq!(world.state().text("finder"), Some("nobody"), "the finder is me unless I say otherwise");
    }
    // Whoever reports only proposes: the competent department determines.
    let mut world = World::new("2026-03-02 09:00");
    world.ok("nobody", report());
    assert_eq!(world.refused("nobody", determine("no")).code(), "BH0007");
    // The office does so by the minutes of a meeting.
    assert_eq!(world.refused("li", determine("no")).code(), "BH0007");
    let mut minutes = determine("no").text("minutes_no", "〔2026〕5号");
    minutes.act = "determine_in_meeting".to_owned();
    assert_eq!(world.refused("li", minutes.clone().without("minutes_no")).code(), "BH0009");
    world.ok("li", minutes);
    assert_eq!(world.on("main"), "to_dispatch");
}

#[test]
fn a_parameter_reaches_into_a_guard() {
    let has_plan = |waived: u32| {
        let set = [("plan_waived_days".to_owned(), waived)].into();
        let mut world = World::new("2026-03-02 09:00");
        world.definition = std::sync::Arc::new(Definition::compile(&file(), &set).unwrap());
        world.ok("zhao", report()).ok("zhao", determine("no")).ok("li", dispatch("2026-03-17"));
        world.state().deadlines.iter().any(|deadline| deadline.name == "plan")
    };
    assert!(!has_plan(15) && has_plan(14));
}

fn status(world: &World, unit: &str) -> Vec<AssignmentStatus> {
    let assignments = world.state().assignments.iter().filter(|a| a.unit.as_str() == unit);
    assignments.map(|a| a.status).collect()
}

fn open_clocks(world: &World, name: &str) -> usize {
    world.state().deadlines.iter().filter(|d| d.name == name && d.is_open()).count()
}

#[test]
fn each_unit_receives_and_feeds_back_for_itself() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", determine("no"));
    let assisting = |units: &[&str]| {
        let mut perform = dispatch("2026-04-10");
        let units = units.iter().map(ToString::to_string).collect();
        perform.fields.insert("assisting_units".to_owned(), machine::value::Value::List(units));
        perform
    };
    assert_eq!(world.refused("li", assisting(&["plant-a"])).code(), "BH0011", "the lead assists nobody");
    assert_eq!(world.refused("li", assisting(&["plant-b", "plant-b"])).code(), "BH0011");
    world.ok("li", assisting(&["plant-b", "town-east"]));
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "feedback")), (3, 2));
    let received = act("acknowledge")
        .text("served_how", "signed")
        .text("received_by", "门卫")
        .text("received_on", "2026-03-02");
    world.ok("other", received);
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "feedback")), (2, 2));
    world.ok("other", act("feed_back").text("feedback_line", "已配合"));
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "feedback")), (2, 1));
    assert_eq!(status(&world, "plant-b"), [AssignmentStatus::FedBack]);
    // Refused: the officer who served it records the refusal, for that unit and no other.
    let service = |unit: &str| {
        act("record_service")
            .text("addressed_unit", unit)
            .text("served_how", "refused")
            .text("received_on", "2026-03-02")
            .evidence("service_record")
    };
    world.ok("zhao", service("plant-a"));
    assert_eq!(status(&world, "plant-a"), [AssignmentStatus::Received]);
    assert_eq!(world.refused("zhao", service("plant-a")).code(), "BH0023");
    assert_eq!(open_clocks(&world, "receipt"), 1);
    // The township sends it back; the office insists, then lets it go.
    let back = act("return_assignment").text("proposed_owner", "plant-b").because("非属地");
    world.ok("town", back.clone());
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "return_decision")), (0, 1));
    let decide = |name: &str, unit: &str| act(name).text("addressed_unit", unit).because("经核");
    world.at("2026-03-04 09:00").ok("li", decide("refuse_return", "town-east"));
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "return_decision")), (1, 0));
    world.ok("town", back).ok("li", decide("accept_return", "town-east"));
    assert_eq!(status(&world, "town-east"), [AssignmentStatus::Released]);
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "return_decision")), (0, 0));
    // The lead cannot be let go, only handed on; the former lead is then called about nothing.
    world.ok("manager", act("return_assignment").text("proposed_owner", "plant-b").because("已转让"));
    assert_eq!(world.refused("li", decide("accept_return", "plant-a")).code(), "BH0023");
    let legal = world.clock("rectification").due;
    world.ok("li", act("reassign").text("responsible_unit", "government").because("已转让"));
    assert_eq!(status(&world, "plant-a"), [AssignmentStatus::Released]);
    assert_eq!((open_clocks(&world, "receipt"), open_clocks(&world, "return_decision")), (1, 0));
    assert_eq!(world.clock("rectification").due, legal);
}

#[test]
fn what_is_entered_for_another_names_both_and_brings_the_signed_paper() {
    let mut world = World::dispatched("2026-04-10");
    let bare = complete("2026-03-04").entered_for("manager");
    let missing = world.refused("town", bare.clone());
    assert!(matches!(&missing, machine::Refusal::EvidenceMissing { kind, .. } if kind == "signed_paper"));
    world.ok("town", bare.evidence("signed_paper"));
    let act = world.acts.last().unwrap();
    assert_eq!(act.actor.person().unwrap().person.as_str(), "town");
    assert_eq!(act.entered_for.as_ref().unwrap().as_str(), "manager");
}

#[test]
fn what_an_earlier_act_said_of_a_field_does_not_count_for_this_one() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", determine("no"));
    world.ok(
        "li",
        act("list")
            .text("supervision_level", "city")
            .text("document_no", "2号")
            .text("document_date", "2026-03-02")
            .text("document_signer", "某"),
    );
    world.ok("li", dispatch("2026-04-10")).ok("manager", complete("2026-03-02"));
    world.ok("sun", fail("2026-03-02").text("expert_name", "某专家")).ok("manager", complete("2026-03-02"));
    // An expert was at the first re-inspection, none at this one.
    assert_eq!(world.refused("sun", pass("2026-03-02")).code(), "BH0008");
    world.ok("sun", pass("2026-03-02").text("expert_name", "某专家"));
}

#[test]
fn people_are_ordered_out_at_any_time() {
    let order = |withdraw: bool| {
        act("withdraw_workers")
            .bool("withdraw_people", withdraw)
            .text("document_no", "3号")
            .text("document_date", "2026-03-02")
            .text("document_signer", "某")
            .because("险情")
    };
    let mut fresh = World::new("2026-03-02 09:00");
    fresh.ok("town", report());
    let mut reported = World::reported("2026-04-10", "2026-04-01");
    reported.at("2026-04-02 09:00").ok("sun", pass("2026-04-02"));
    for world in [fresh, World::dispatched("2026-04-10"), reported] {
        assert_eq!(world.refused("town", order(false)).code(), "BH0008");
        world.clone().ok("town", order(true));
    }
}
