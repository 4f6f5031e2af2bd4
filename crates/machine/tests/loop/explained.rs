//! Which clock is explained, and what is said of one that stands still or counts hours.

use std::collections::BTreeMap;

use machine::explain::{Context, Explanation, choose, explain};
use machine::state::Deadline;
use machine::time::Due;

use super::world::*;

fn told(world: &World, deadline: &Deadline) -> Explanation {
    let context = Context {
        definition: &world.definition,
        state: world.state(),
        acts: &world.acts,
        calendar: &world.calendar,
        counted_with: &BTreeMap::new(),
        directory: &world.directory,
        now: world.now,
    };
    explain(&context, deadline)
}

fn chosen(world: &World) -> &str {
    choose(world.state(), None, world.now).map(|deadline| deadline.name.as_str()).unwrap()
}

#[test]
fn what_is_explained_is_what_is_owed_now() {
    let mut world = World::dispatched("2026-04-10");
    let receive = act("acknowledge").text("served_how", "signed").text("received_by", "某");
    world.ok("manager", receive.text("received_on", "2026-03-04"));
    assert_eq!(chosen(&world), "rectification");
    world.at("2026-03-10 09:00").ok("manager", complete("2026-03-10"));
    assert_eq!(chosen(&world), "reinspection", "the legal date is met; the department owes the next step");
    world.at("2026-03-11 09:00").ok("sun", pass("2026-03-11"));
    assert_eq!(chosen(&world), "closing");
    world.at("2026-03-12 09:00").ok("li", act("close_out").text("opinion", "同意"));
    assert_eq!(chosen(&world), "rectification", "nothing is owed any more");
}

#[test]
fn a_clock_that_stands_still_is_not_overdue() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-20 09:00").ok("zhao", pause("2026-06-05"));
    world.at("2026-05-20 09:00").tick();
    assert_eq!(chosen(&world), "rectification");
    let told = told(&world, world.clock("rectification"));
    assert_eq!((told.days_overdue, told.missed), (None, false));
    assert!(told.pauses[0].until.is_none());
}

#[test]
fn hours_say_from_when_they_are_counted() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report());
    let told = told(&world, world.clock("reporting"));
    assert_eq!(told.rule.hours_from, Some(at("2026-03-02 00:00")), "from the end of the day it was found");
    assert_eq!(told.due, Due::Moment(at("2026-03-03 00:00")));
}
