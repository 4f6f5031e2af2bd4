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
    let sign = Command::DecideProposal { no: proposal.no, approved: true, reason: None };
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
