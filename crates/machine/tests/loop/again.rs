//! What runs again: a legal date whose report was not accepted, and what hangs on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::act::RungResult;
use machine::project::{Projection, project};
use machine::state::{Deadline, Subject};
use machine::time::Due;

use crate::world::*;

fn projection(world: &World) -> Projection {
    project(&world.definition, world.state())
}

fn overdue(world: &World) -> (bool, bool) {
    projection(world).progress.overdue(world.now)
}

fn day(text: &str) -> Due {
    Due::Day(date(text))
}

#[test]
fn a_timely_failed_reinspection_is_no_breach_of_the_regulator() {
    let mut world = World::reported("2026-04-10", "2026-04-09");
    assert_eq!(world.clock("reinspection").due, day("2026-04-20"));
    world.at("2026-04-20 15:00").ok("sun", fail("2026-04-20"));
    world.at("2026-04-22 09:00").tick();
    assert_eq!(overdue(&world), (true, false));
    assert!(!projection(&world).regulator_breach);
    // The breach of the enterprise falls where it always would have; somebody has to look again, ten days
    // from the day of the result, not from a due date that had passed before it.
    assert_eq!(world.clock("rectification").missed_at, Some(at("2026-04-11 00:00")));
    assert_eq!(world.clock("reinspection").anchor, date("2026-04-20"));
    assert_eq!(world.clock("reinspection").due, day("2026-04-30"));
    world.at("2026-05-01 00:00").tick();
    assert_eq!(overdue(&world), (true, true));
}

#[test]
fn a_general_hazard_does_the_same() {
    let definition = Arc::new(compile(&shipped("general-hazard.yaml")));
    let mut world = World::under(definition, "2026-03-02 09:00");
    let register =
        act("register").text("place", "仓库").text("description", "堵塞").text("sector", "industry");
    let register = register.text("source", "self_check").text("responsible", "plant-a");
    world.ok("zhao", register.text("competent", "dep-industry").text("due_on", "2026-04-10"));
    world.at("2026-04-09 16:00").ok("manager", act("report_complete").evidence("after_photo"));
    let reject = act("reject").officers(&["zhao", "qian"]).signed().because("仍堵塞");
    world.at("2026-04-20 15:00").ok("sun", reject).at("2026-04-22 09:00").tick();
    assert_eq!(world.clock("rectification").missed_at, Some(at("2026-04-11 00:00")));
    assert_eq!(overdue(&world), (true, false));
    assert_eq!(world.clock("reinspection").anchor, date("2026-04-20"));
}

/// How often each rung of the legal date fired.
fn fired(world: &World) -> BTreeMap<String, usize> {
    let mut fired = BTreeMap::new();
    let no = world.clock("rectification").no;
    let records = world.rung_records().into_iter();
    for rung in records.filter(|rung| rung.deadline_no == no && rung.result == RungResult::Fired) {
        *fired.entry(rung.rung).or_default() += 1;
    }
    fired
}

#[test]
fn what_has_fired_for_an_overdue_does_not_fire_again_when_the_report_fails() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-17 12:00").tick();
    let before = fired(&world);
    let overdue = ["circular", "onsite_task", "overdue", "remind_1", "remind_5", "urging_letter"];
    assert!(before.contains_key("circular") && before.keys().all(|rung| overdue.contains(&rung.as_str())));
    let proposals = world.state().proposals.len();
    world.at("2026-04-20 09:00").ok("manager", complete("2026-04-20"));
    world.at("2026-04-21 09:00").ok("sun", fail("2026-04-21")).tick();
    assert_eq!((fired(&world), world.state().proposals.len()), (before.clone(), proposals));
    // What had not fired goes on: the interview on the tenth working day, 24 April.
    world.at("2026-04-24 09:00").tick();
    let mut after = before;
    after.insert("interview".to_owned(), 1);
    assert_eq!(fired(&world), after);
    // The last rung repeats through a failed report, each repetition once and ten working days apart.
    world.at("2026-06-05 09:00").tick();
    assert_eq!(fired(&world)["county_leader"], 2);
    world.ok("manager", complete("2026-06-05")).at("2026-06-08 09:00").ok("sun", fail("2026-06-08"));
    world.at("2026-06-09 09:00").tick();
    assert_eq!(fired(&world)["county_leader"], 2);
    world.at("2026-07-10 09:00").tick();
    let leader: Vec<_> =
        world.rung_records().into_iter().filter(|rung| rung.rung == "county_leader").collect();
    let days: Vec<_> = leader.iter().map(|rung| world.calendar.local_date(rung.due_at.utc())).collect();
    assert!(days.len() >= 4);
    for pair in days.windows(2) {
        assert_eq!(world.calendar.count_working_days(pair[0], pair[1]), 10);
    }
}

#[test]
fn what_passed_while_the_report_stood_is_owed_from_the_failure_on() {
    let mut world = World::reported("2026-04-10", "2026-04-09");
    let again = at("2026-05-20 10:00");
    world.at("2026-05-20 10:00").ok("sun", fail("2026-05-20")).at("2026-05-20 10:05").tick();
    let no = world.clock("rectification").no;
    let records = world.rung_records().into_iter();
    let came: Vec<_> = records
        .filter(|rung| rung.deadline_no == no && rung.result == RungResult::Fired && rung.due_at >= again)
        .collect();
    let names: Vec<&str> = came.iter().map(|rung| rung.rung.as_str()).collect();
    let expected = [
        "overdue",
        "urging_letter",
        "onsite_task",
        "circular",
        "interview",
        "raise_level",
        "expose",
        "county_leader",
    ];
    assert_eq!(names, expected);
    assert!(came.iter().all(|rung| rung.due_at == again), "nobody was late: until then the report stood");
    let signing: Vec<&Deadline> =
        world.state().deadlines.iter().filter(|d| d.name == "signing" && d.started_at > again).collect();
    assert_eq!(signing.len(), 4);
    for clock in signing {
        assert_eq!((clock.started_at, clock.anchor), (world.now, date("2026-05-20")));
        assert_eq!((clock.due, clock.missed_at), (day("2026-05-25"), None));
    }
}

#[test]
fn a_signer_is_not_late_with_what_was_drafted_late() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-30 12:00").tick();
    let signing = world.state().deadline("signing", Subject::Proposal(1)).unwrap();
    assert_eq!((signing.started_at, signing.missed_at), (world.now, None));
    // Three working days from Thursday 30 April, over the holiday and with Saturday 9 May at work.
    assert_eq!(signing.due, day("2026-05-08"));
}

#[test]
fn while_the_clock_stands_still_its_day_does_not_come() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-10 09:00").ok("zhao", pause("2026-05-29"));
    world.at("2026-04-20 09:00");
    assert_eq!(world.refused("sun", pass("2026-04-20")).code(), "BH0008");
    assert_eq!(world.refused("sun", fail("2026-04-20")).code(), "BH0008");
    // Thirty-one days were left.
    world.ok("zhao", resume());
    assert_eq!(world.refused("sun", pass("2026-04-20")).code(), "BH0008");
    world.at("2026-05-21 09:00").ok("sun", pass("2026-05-21"));
}

#[test]
fn on_time_is_what_was_reported_in_time_and_accepted_on_that_report() {
    let in_time = |world: &World| projection(world).progress.met_in_time;
    let mut world = World::reported("2026-04-10", "2026-04-09");
    world.at("2026-04-10 09:00").ok("sun", pass("2026-04-10"));
    assert!(in_time(&world));
    // Found in order on the due day: nobody had reported anything.
    let mut unreported = World::dispatched("2026-04-10");
    unreported.at("2026-04-10 09:00").ok("sun", pass("2026-04-10"));
    assert_eq!(unreported.clock("rectification").missed_at, None);
    assert!(!in_time(&unreported));
    // Failed, and reported once more: the second report decides.
    let mut again = World::reported("2026-04-10", "2026-04-01");
    again.at("2026-04-02 09:00").ok("sun", fail("2026-04-02"));
    assert!(!in_time(&again));
    let mut late = again.clone();
    again.at("2026-04-10 09:00").ok("manager", complete("2026-04-10")).ok("sun", pass("2026-04-10"));
    assert!(in_time(&again));
    late.at("2026-04-13 09:00").ok("manager", complete("2026-04-13")).ok("sun", pass("2026-04-13"));
    assert!(!in_time(&late));
}

fn supplementary(to: &str) -> machine::command::Perform {
    act("set_supplementary_date").text("supplementary_date", to).because("补充")
}

#[test]
fn a_failed_report_leaves_the_supplementary_date_as_it_was() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-13 09:00").ok("zhao", supplementary("2026-05-29"));
    world.at("2026-04-14 09:00").ok("manager", complete("2026-04-14"));
    assert!(!world.clock("supplementary").is_open());
    world.at("2026-04-15 09:00").ok("sun", fail("2026-04-15"));
    let clock = world.clock("supplementary");
    assert_eq!((clock.is_running(), clock.due), (true, day("2026-05-29")));
    world.at("2026-05-28 09:00").tick();
    assert!(world.rungs("supplementary").contains(&("remind_1".to_owned(), "Fired".to_owned())));
    // Reported on the last day, found wanting after it: the date was not kept, and somebody looks again.
    world.at("2026-05-29 09:00").ok("manager", complete("2026-05-29"));
    world.at("2026-06-02 09:00").ok("sun", fail("2026-06-02")).tick();
    assert_eq!(world.clock("supplementary").missed_at, Some(at("2026-05-30 00:00")));
    assert!(world.clock("reinspection").is_running());
    assert_eq!(world.clock("reinspection").anchor, date("2026-06-02"));
    // It has had its day: the next failure does not bring it back.
    world.ok("manager", complete("2026-06-02")).ok("sun", fail("2026-06-02")).tick();
    assert!(!world.clock("supplementary").is_open());
}
