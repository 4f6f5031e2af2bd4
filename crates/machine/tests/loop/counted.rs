//! Dates counted again: new versions of the calendar, and what was left of a stopped clock.

use std::sync::Arc;

use machine::Definition;
use machine::file::{Number, TermSpec};
use machine::state::Moved;
use machine::time::Due;

use crate::world::*;

fn day(text: &str) -> Due {
    Due::Day(date(text))
}

fn earlier(world: &World, name: &str) -> Vec<Due> {
    world.clock(name).history.iter().map(|Moved { from, .. }| *from).collect()
}

/// The legal date counted instead of named.
fn counted(term: TermSpec) -> Arc<Definition> {
    with_term(term)
}

fn in_working_days(days: u32) -> Arc<Definition> {
    counted(TermSpec { working_days: Some(Number::Value(days)), ..TermSpec::default() })
}

/// Opened, determined and dispatched at once.
fn dispatched_at(definition: Arc<Definition>, now: &str, due: &str) -> World {
    let mut world = World::under(definition, now);
    let today = &now[..10];
    world.ok("zhao", report().text("found_on", today)).ok("zhao", determine("no")).ok("li", dispatch(due));
    world
}

#[test]
fn every_new_calendar_moves_the_dates_counted_with_the_one_before() {
    let mut world = World::new("2026-12-29 09:00");
    world.ok("zhao", report().text("found_on", "2026-12-29"));
    assert_eq!(world.clock("determination").due, day("2027-01-05"));
    for (version, off_to, due) in [
        ("2027-1", "2027-01-03", "2027-01-06"),
        ("2027-2", "2027-01-06", "2027-01-11"),
        ("2027-3", "2027-01-04", "2027-01-07"),
    ] {
        let acts = world.acts.len();
        world.publish_2027(version, off_to);
        let clock = world.clock("determination");
        assert_eq!((clock.due, clock.calendar_version.as_str()), (day(due), version));
        assert_eq!(world.acts.len(), acts + 1);
    }
    assert_eq!(earlier(&world, "determination"), [day("2027-01-05"), day("2027-01-06"), day("2027-01-11")]);
    // The same days once more under another name change nothing.
    let acts = world.acts.len();
    world.publish_2027("2027-4", "2027-01-04");
    assert_eq!(world.acts.len(), acts);
}

#[test]
fn what_was_left_is_counted_again_from_the_day_the_clock_ran_again() {
    // Twenty working days from 1 December end on the 29th; thirteen were left on the 10th.
    let mut world = dispatched_at(in_working_days(20), "2026-12-01 09:00", "2026-12-31");
    assert_eq!(world.clock("rectification").due, day("2026-12-29"));
    world.at("2026-12-10 09:00").ok("zhao", pause("2026-12-31"));
    let mut published_meanwhile = world.clone();
    world.at("2026-12-21 09:00").ok("zhao", resume());
    assert_eq!(world.clock("rectification").due, day("2027-01-07"));
    world.publish_2027("2027-1", "2027-01-03");
    assert_eq!(world.clock("rectification").due, day("2027-01-08"));
    world.publish_2027("2027-2", "2027-01-06");
    assert_eq!(world.clock("rectification").due, day("2027-01-13"));
    assert_eq!(earlier(&world, "rectification"), [day("2026-12-29"), day("2027-01-07"), day("2027-01-08")]);
    // A stopped clock keeps what is left and counts it by the newest calendar when it runs.
    published_meanwhile.publish_2027("2027-1", "2027-01-03").at("2026-12-21 09:00").ok("zhao", resume());
    assert_eq!(published_meanwhile.clock("rectification").due, day("2027-01-08"));
}

#[test]
fn an_extension_to_a_day_keeps_that_day_in_every_calendar() {
    let mut world = dispatched_at(in_working_days(20), "2026-12-01 09:00", "2026-12-31");
    world.at("2026-12-15 09:00").ok("manager", ask("2027-01-02")).ok("wu", grant("2027-01-02"));
    world.publish_2027("2027-1", "2027-01-03").publish_2027("2027-2", "2027-01-06");
    let clock = world.clock("rectification");
    assert_eq!((clock.due, clock.provisional), (day("2027-01-02"), false));
    assert_eq!(earlier(&world, "rectification"), [day("2026-12-29")]);
}

/// The rungs to come of a clock: name of the day, position, repetition.
fn to_come(world: &World, name: &str) -> Vec<(String, u32, u32)> {
    let local = |at: machine::Instant| world.calendar.local_date(at.utc()).to_string();
    world.clock(name).schedule.iter().map(|plan| (local(plan.at), plan.index, plan.repeat)).collect()
}

#[test]
fn a_missed_clock_keeps_its_date_and_climbs_by_the_new_calendar() {
    let mut world = World::new("2026-12-17 09:00");
    world.ok("zhao", report().text("found_on", "2026-12-17")).at("2026-12-30 09:00").tick();
    let before = world.clock("determination").clone();
    assert_eq!((before.due, before.missed_at), (day("2026-12-24"), Some(at("2026-12-25 00:00"))));
    let rungs = world.rungs("determination");
    world.publish_2027("2027-1", "2027-01-10");
    let after = world.clock("determination");
    assert_eq!(
        (after.due, after.breach_at, after.missed_at, &after.history),
        (before.due, before.breach_at, before.missed_at, &before.history)
    );
    // The fifth working day after the date is in the old year, the tenth and the fifteenth are not.
    let expected = [("2026-12-31", 3, 0), ("2027-01-15", 4, 0), ("2027-01-22", 5, 0)];
    assert_eq!(to_come(&world, "determination"), expected.map(|(day, i, r)| (day.to_owned(), i, r)));
    assert_eq!(world.rungs("determination"), rungs, "what is on record is not recorded again");
}

#[test]
fn a_repetition_to_come_moves_with_the_calendar() {
    let mut world = World::new("2026-11-26 09:00");
    world.ok("zhao", report().text("found_on", "2026-11-26")).at("2026-12-28 09:00").tick();
    assert_eq!(to_come(&world, "determination"), [("2027-01-07".to_owned(), 5, 1)]);
    world.publish_2027("2027-1", "2027-01-10");
    assert_eq!(to_come(&world, "determination"), [("2027-01-15".to_owned(), 5, 1)]);
}

#[test]
fn days_left_of_a_term_that_rolls_over_roll_over_again_and_cost_nothing() {
    let term = TermSpec { calendar_days: Some(Number::Value(33)), ..TermSpec::default() };
    let mut world = dispatched_at(counted(term), "2026-03-02 09:00", "2026-04-10");
    // Counted to Saturday 4 April, a holiday up to Monday: due on Tuesday.
    assert_eq!(world.clock("rectification").due, day("2026-04-07"));
    // 25 days were left on 10 March: from the 17th they end on Saturday 11 April.
    world.at("2026-03-10 09:00").ok("zhao", pause("2026-03-31"));
    world.at("2026-03-17 09:00").ok("zhao", resume());
    assert_eq!(world.clock("rectification").due, day("2026-04-13"));
    // Stopped and run on the same day, as often as one likes: the Monday never becomes the end of the term.
    for _ in 0..3 {
        world.ok("zhao", pause("2026-03-31")).ok("zhao", resume());
        assert_eq!(world.clock("rectification").due, day("2026-04-13"));
    }
    // A new calendar counts the same days and rolls over what it says.
    world.at("2026-03-18 09:00").ok("zhao", pause("2026-03-31"));
    world.at("2026-03-25 09:00").ok("zhao", resume());
    assert_eq!(world.clock("rectification").due, day("2026-04-20"));
}

fn task(end_date: &str, now: &str) -> World {
    let mut world = World::under(Arc::new(compile(&shipped("task-list.yaml"))), now);
    for post in world.directory.posts.iter_mut().filter(|post| post.unit.as_str() == "plant-a") {
        post.roles.extend(["task_holder".to_owned()]);
    }
    let set = act("set_task").text("campaign", "百日行动").text("task", "排查").text("lead_unit", "plant-a");
    world.ok("li", set.text("end_date", end_date));
    world
}

#[test]
fn a_milestone_before_the_task_was_set_falls_on_its_end() {
    let mut world = task("2026-09-15", "2026-09-01 09:00");
    world.at("2026-09-02 09:00").tick();
    assert_eq!(world.clock("scheme_milestone").due, day("2026-09-15"));
    assert_eq!(world.clock("scheme_milestone").missed_at, None);
    world.ok("manager", act("submit_scheme").text("scheme", "方案")).tick();
    assert_eq!(world.clock("halfway_milestone").due, day("2026-09-15"));
    // Five working days before the end lie ahead: that milestone holds.
    world.ok("manager", act("report_halfway").text("progress_line", "过半")).tick();
    assert_eq!(world.clock("hand_in_milestone").due, day("2026-09-08"));
    assert!(world.state().deadlines.iter().all(|deadline| deadline.missed_at.is_none()));
    // Whoever comes late to a milestone that lay ahead when the task was set is late.
    let mut late = task("2026-06-30", "2026-03-02 09:00");
    late.at("2026-06-24 09:00").ok("manager", act("submit_scheme").text("scheme", "方案")).tick();
    assert_eq!(late.clock("halfway_milestone").due, day("2026-06-08"));
    assert!(late.clock("halfway_milestone").missed_at.is_some());
}
