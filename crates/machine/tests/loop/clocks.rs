//! What falls due, when, and for whom.

use machine::Command;
use machine::project::project;
use machine::state::Moved;
use machine::time::Due;

use crate::world::*;

fn overdue(world: &World) -> (bool, bool) {
    project(&world.definition, world.state()).progress.overdue(world.now)
}

fn day(text: &str) -> Due {
    Due::Day(date(text))
}

#[test]
fn the_due_day_itself_is_not_overdue() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-10 23:59").tick();
    assert_eq!(overdue(&world), (false, false));
    world.at("2026-04-11 00:00").tick();
    assert_eq!(overdue(&world), (true, false));
    assert_eq!(world.clock("rectification").missed_at, Some(at("2026-04-11 00:00")));
    // Nobody reported: the regulator's ten days run from the due date.
    assert_eq!(world.clock("reinspection").anchor, date("2026-04-10"));
    assert_eq!(world.clock("reinspection").due, day("2026-04-20"));
    world.at("2026-04-20 23:59").tick();
    assert_eq!(overdue(&world), (true, false));
    world.at("2026-04-21 00:00").tick();
    assert_eq!(overdue(&world), (true, true));
    // A late report does not start the regulator's clock anew, and the breach stays.
    world.at("2026-04-21 10:00").ok("manager", complete("2026-04-21"));
    assert_eq!(world.clock("reinspection").due, day("2026-04-20"));
    let projection = project(&world.definition, world.state());
    assert!(projection.enterprise_breach);
    assert_eq!(overdue(&world), (false, true));
}

#[test]
fn a_timely_report_leaves_the_regulator_alone_with_its_clock() {
    let mut world = World::reported("2026-04-10", "2026-03-23");
    assert_eq!(world.clock("reinspection").due, day("2026-04-02"));
    world.at("2026-04-20 00:00").tick();
    assert_eq!(overdue(&world), (false, true));
    assert!(!project(&world.definition, world.state()).enterprise_breach);
}

#[test]
fn whoever_acts_on_an_overdue_case_finds_the_breach_recorded() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-13 09:00").ok("manager", complete("2026-04-13"));
    assert_eq!(world.acts.last().unwrap().name, "report_complete");
    assert!(world.clock("rectification").missed_at.is_some());
}

#[test]
fn after_a_week_of_downtime_every_rung_comes_in_order() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-20 12:00").tick();
    let recorded = world.rungs("rectification");
    let recorded: Vec<(&str, &str)> = recorded.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        recorded,
        [
            ("remind_15", "NotApplicable"),
            ("remind_5", "Overtaken"),
            ("remind_1", "Overtaken"),
            ("overdue", "Fired"),
            ("urging_letter", "Fired"),
            ("onsite_task", "Fired"),
            ("circular", "Fired"),
        ]
    );
    let fired: Vec<_> =
        world.rung_records().into_iter().filter(|r| format!("{:?}", r.result) != "NotApplicable").collect();
    assert!(fired.windows(2).all(|pair| pair[0].due_at <= pair[1].due_at), "out of order");
    // An unsigned draft is a debt of the signer.
    let proposal = &world.state().proposals[0];
    assert_eq!((proposal.what.as_str(), proposal.signer.as_str()), ("urging_letter", "office"));
    let sign = Command::DecideProposal { no: proposal.no, approved: true, reason: None, issue: false };
    world.run(Some("zhou"), &sign).unwrap();
    assert!(!world.state().deadlines.iter().any(|d| d.name == "signing" && d.is_open()));
    let acts = world.acts.len();
    assert_eq!(world.tick().acts.len(), acts, "a second sweep records something again");
}

#[test]
fn rungs_before_the_order_do_not_apply() {
    let mut world = World::dispatched("2026-03-06");
    let recorded = world.rungs("rectification");
    let names: Vec<&str> = recorded.iter().map(|(rung, _)| rung.as_str()).collect();
    assert_eq!(names, ["remind_15", "remind_5"]);
    assert!(recorded.iter().all(|(_, result)| result == "NotApplicable"));
    world.at("2026-03-05 08:30").tick();
    assert_eq!(world.rungs("rectification")[2], ("remind_1".to_owned(), "Fired".to_owned()));
}

#[test]
fn the_last_rung_repeats_until_the_case_moves() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-08-03 09:00").tick();
    let repeats: Vec<_> = world.rung_records().into_iter().filter(|r| r.rung == "county_leader").collect();
    assert!(repeats.len() >= 4, "{}", repeats.len());
    for (index, pair) in repeats.windows(2).enumerate() {
        let local = |i: usize| world.calendar.local_date(pair[i].due_at.utc());
        assert_eq!(world.calendar.count_working_days(local(0), local(1)), 10);
        assert_eq!(pair[1].repeat, u32::try_from(index).unwrap() + 1);
    }
    world.ok("manager", complete("2026-08-03"));
    let count = |world: &World| world.rungs("rectification").len();
    let before = count(&world);
    world.at("2026-12-01 09:00").tick();
    assert_eq!(count(&world), before);
}

#[test]
fn an_extension_plans_anew_and_keeps_the_earlier_date() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-10 09:00").ok("manager", ask("2026-05-15")).ok("wu", grant("2026-05-15"));
    let clock = world.clock("rectification");
    assert_eq!((clock.revision, clock.extensions), (1, 1));
    assert_eq!((clock.first_due, clock.due), (day("2026-04-10"), day("2026-05-15")));
    assert!(matches!(&clock.history[..], [Moved { from, .. }] if *from == day("2026-04-10")));
    world.at("2026-05-14 09:00").tick();
    let number = world.clock("rectification").no;
    let fired: Vec<(u32, String)> = world
        .rung_records()
        .into_iter()
        .filter(|r| r.deadline_no == number && format!("{:?}", r.result) == "Fired")
        .map(|r| (r.revision, r.rung))
        .collect();
    assert_eq!(fired, [(1, "remind_1".to_owned())]);
    assert_eq!(overdue(&world), (false, false), "a late progress report is no breach");
}

#[test]
fn an_extension_asked_for_in_time_is_granted_after_expiry_and_the_breach_stays() {
    let mut world = World::dispatched("2026-04-10");
    let unasked = world.clone();
    world.at("2026-04-01 09:00").ok("manager", ask("2026-05-15"));
    world.at("2026-04-13 10:00").tick();
    assert_eq!(overdue(&world), (true, false), "a request moves no date");
    assert!(world.clock("reinspection").is_running());
    // Refused, everything stays as it is.
    let mut denied = world.clone();
    denied.ok("wu", act("deny_extension").because("防护不足"));
    assert_eq!((denied.clock("rectification").due, overdue(&denied)), (day("2026-04-10"), (true, false)));
    assert_eq!(denied.refused("wu", grant("2026-05-15")).code(), "BH0008", "what was denied is decided");
    // Granted, the new date counts from now on, and that the old one passed stays on record.
    world.ok("wu", grant("2026-05-15"));
    let clock = world.clock("rectification");
    assert_eq!((clock.first_due, clock.due), (day("2026-04-10"), day("2026-05-15")));
    assert_eq!(clock.missed_at, Some(at("2026-04-11 00:00")));
    assert!(!world.clock("reinspection").is_open(), "the re-inspection waits for the new date");
    let projection = project(&world.definition, world.state());
    let owed = projection.obligations.iter().find(|owed| owed.name == "rectification").unwrap();
    assert!(projection.enterprise_breach && !owed.breached);
    assert_eq!(overdue(&world), (false, false));
    // It may be asked for a second time: what counts is the date that stands.
    world.clone().ok("manager", ask("2026-06-15"));
    // Reported by the new date: accepted, but the legal date had passed, so not on time.
    let mut reported = world.clone();
    reported.at("2026-05-15 16:00").ok("manager", complete("2026-05-15"));
    assert!(!project(&reported.definition, reported.state()).progress.met_in_time);
    // The new date passes as the first one did: overdue, the ladder from its bottom, 到期即查.
    world.at("2026-05-15 23:59").tick();
    assert_eq!(overdue(&world), (false, false));
    world.at("2026-05-16 09:00").tick();
    assert_eq!(overdue(&world), (true, false));
    assert_eq!(world.clock("reinspection").anchor, date("2026-05-15"));
    assert_eq!(world.clock("rectification").missed_at, Some(at("2026-04-11 00:00")));
    let marks = world.rungs("rectification").into_iter().filter(|(name, _)| name == "overdue");
    assert_eq!(marks.map(|(_, result)| result).collect::<Vec<_>>(), ["Fired", "Fired"]);
    // What nobody asked for in time is not granted afterwards.
    let mut late = unasked;
    late.at("2026-04-13 10:00").tick();
    assert_eq!(late.refused("manager", ask("2026-05-15")).code(), "BH0008");
    assert_eq!(late.refused("wu", grant("2026-05-15")).code(), "BH0008");
}

#[test]
fn a_failed_report_buys_no_time() {
    let mut world = World::reported("2026-04-10", "2026-04-01");
    let first = world.state().deadlines.clone();
    world.at("2026-04-02 09:00").ok("sun", fail("2026-04-02"));
    let legal = world.clock("rectification");
    assert!(legal.is_running());
    assert_eq!((legal.due, legal.revision), (day("2026-04-10"), 1));
    assert_eq!(first.iter().find(|d| d.name == "rectification").unwrap().breach_at, legal.breach_at);
    // Found wanting after the due date: the breach falls on the day it always would have.
    let mut late = World::reported("2026-04-10", "2026-04-09");
    late.at("2026-04-14 09:00").ok("sun", fail("2026-04-14")).tick();
    assert_eq!(late.clock("rectification").missed_at, Some(at("2026-04-11 00:00")));
    // A supplementary date stands beside it.
    late.ok("zhao", act("set_supplementary_date").text("supplementary_date", "2026-05-08").because("补充"));
    assert_eq!(project(&late.definition, late.state()).legal_due, Some(day("2026-04-10")));
    assert!(overdue(&late).0);
}

#[test]
fn taking_back_restores_and_no_number_is_used_twice() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", determine("no"));
    let before = world.state().clone();
    world.ok("li", dispatch("2026-04-10"));
    let used = world.state().numbers;
    let take_back = Command::TakeBack { reason: "发错单位".to_owned(), before: Box::new(before.clone()) };
    world.run(Some("li"), &take_back).unwrap();
    let after = world.state();
    assert_eq!(
        (&after.tracks, &after.deadlines, &after.fields),
        (&before.tracks, &before.deadlines, &before.fields)
    );
    assert_eq!((after.version, after.numbers), (4, used));
    world.ok("li", dispatch("2026-04-20"));
    assert!(world.clock("rectification").no > used.deadline);
}

#[test]
fn a_move_taken_back_and_made_again_is_a_new_revision() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-05 09:00").ok("manager", ask("2026-04-24")).ok("wu", grant("2026-04-24"));
    let before = machine::fold(&world.acts[..world.acts.len() - 1]).unwrap();
    let take_back = Command::TakeBack { reason: "日期写错".to_owned(), before: Box::new(before) };
    world.run(Some("wu"), &take_back).unwrap();
    assert_eq!(world.clock("rectification").due, day("2026-04-10"));
    world.ok("wu", grant("2026-04-21"));
    assert_eq!(
        (world.clock("rectification").due, world.clock("rectification").extensions),
        (day("2026-04-21"), 1)
    );
    // Rungs are recorded under the key the database makes unique.
    let keys: Vec<_> = world
        .rung_records()
        .into_iter()
        .map(|r| (r.deadline_no, r.revision, r.ladder, r.rung, r.repeat))
        .collect();
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "{keys:?}");
}

/// The shipped calendar with 2027 published: a New Year's holiday of three days, the Monday after works.
#[test]
fn a_new_calendar_counts_every_open_date_again_and_keeps_what_fired() {
    let mut world = World::new("2026-12-22 09:00");
    world.ok("zhao", report().text("found_on", "2026-12-22"));
    world.at("2026-12-28 09:00").ok("zhao", determine("no")).ok("li", dispatch("2027-02-26"));
    let receipt =
        |world: &World| world.state().deadlines.iter().find(|d| d.name == "receipt").unwrap().clone();
    // Two working days from Monday: Wednesday. The plan's ten days end on 7 January, beyond the calendar.
    assert!(!receipt(&world).provisional);
    let plan = world.clock("plan").clone();
    assert!(plan.provisional && world.clock("rectification").provisional);
    world.at("2026-12-30 09:00").tick();
    let fired = world.rung_records().len();
    let acts = world.acts.len();
    world.calendar = with_2027(&world);
    world.run(Some("admin"), &Command::Recalculate).unwrap();
    assert_eq!(world.acts.len(), acts + 1, "one act for all dates of the case");
    let act = world.acts.last().unwrap();
    assert_eq!((act.name.as_str(), act.actor.person().unwrap().person.as_str()), ("recalculate", "admin"));
    assert!(world.state().deadlines.iter().filter(|d| d.is_open()).all(|d| !d.provisional));
    assert!(world.rung_records().len() >= fired, "a fired rung stays");
    // The date the order names does not move, whatever the calendar says; that it is provisional ends.
    assert_eq!(world.clock("rectification").due, day("2027-02-26"));
    assert_eq!(world.clock("rectification").history, []);
    // Counted within 2026 the date stands, but its later rungs lie in the new year and move.
    assert_eq!((receipt(&world).due, receipt(&world).history), (day("2026-12-30"), Vec::new()));
    let again = receipt(&world).schedule.iter().find(|plan| plan.index == 1).unwrap().at;
    assert_eq!(world.calendar.local_date(again.utc()), date("2026-12-31"));
    let again = receipt(&world).schedule.iter().find(|plan| plan.index == 2).unwrap().at;
    assert_eq!(world.calendar.local_date(again.utc()), date("2027-01-07"));
    // Once more it changes nothing and is no act.
    world.run(Some("admin"), &Command::Recalculate).unwrap();
    assert_eq!(world.acts.len(), acts + 1);
}

#[test]
fn a_date_that_moves_with_the_calendar_keeps_the_one_before() {
    let mut world = World::new("2026-12-29 09:00");
    world.ok("zhao", report().text("found_on", "2026-12-29"));
    // Five working days from Tuesday 29 December: 5 January if 1 January alone is off... by the calendar.
    let before = world.clock("determination").due;
    world.calendar = with_2027(&world);
    world.run(Some("admin"), &Command::Recalculate).unwrap();
    let clock = world.clock("determination");
    assert_eq!(clock.due, day("2027-01-08"));
    assert!(matches!(&clock.history[..], [Moved { from, .. }] if *from == before));
    assert_eq!((clock.first_due, clock.calendar_version.as_str()), (before, "2027-1"));
    // A breach stands, whatever is published afterwards.
    let mut late = World::new("2026-12-29 09:00");
    late.ok("zhao", report().text("found_on", "2026-12-29")).at("2027-01-06 09:00").tick();
    assert!(late.clock("determination").missed_at.is_some());
    late.calendar = with_2027(&late);
    late.run(Some("admin"), &Command::Recalculate).unwrap();
    assert_eq!(late.clock("determination").due, before);
}

#[test]
fn a_paused_clock_calls_nobody_and_runs_again_also_when_its_review_is_overdue() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-10 09:00").ok("zhao", pause("2026-03-20"));
    let rungs = world.rungs("rectification").len();
    world.at("2026-05-20 09:00").tick();
    assert_eq!(world.rungs("rectification").len(), rungs, "it stands still");
    assert!(world.clock("rectification").missed_at.is_none());
    assert!(world.clock("pause_review").missed_at.is_some(), "somebody was to look at it");
    world.ok("zhao", resume());
    // 31 days were left on 10 March.
    assert_eq!(world.clock("rectification").due, day("2026-06-20"));
    assert!(!world.clock("pause_review").is_open());
}
