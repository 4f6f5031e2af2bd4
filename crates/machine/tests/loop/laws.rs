//! What holds on every path.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use chrono::{Days, NaiveDate};
use machine::act::MoveReason;
use machine::file::{Number, TermSpec};
use machine::time::Due;
use machine::{Command, Definition, Effect};
use proptest::prelude::*;

use crate::world::*;

const HOUR: i64 = 3_600_000_000;

/// One of the things anybody might try; most are refused most of the time.
fn attempt(world: &mut World, choice: u8, days: u64) {
    let today = world.calendar.local_date(world.now.utc());
    let later = (today + Days::new(days)).to_string();
    let today = today.to_string();
    let document = |name: &str| {
        act(name).text("document_no", "1号").text("document_date", &today).text("document_signer", "某")
    };
    let (who, perform) = match choice {
        0 => ("zhao", determine(if days.is_multiple_of(2) { "whole" } else { "no" })),
        1 => ("li", dispatch(&later)),
        2 => ("manager", complete(&today)),
        3 => ("sun", pass(&today)),
        4 => ("sun", fail(&today)),
        5 => ("zhou", act("close_out").text("opinion", "同意")),
        6 => ("manager", ask(&later)),
        7 => ("wu", grant(&later)),
        8 => ("zhao", pause(&later)),
        9 => ("zhao", resume()),
        10 => ("manager", act("report_progress").text("progress_line", "推进")),
        11 => ("zhao", act("set_supplementary_date").text("supplementary_date", &later).because("补充")),
        12 => ("manager", act("apply_resumption").because("已整改")),
        13 => ("deputy", document("accept_resumption").officers(&["zhao", "qian"])),
        14 => ("li", document("list").text("supervision_level", "county")),
        15 => ("li", document("delist").text("delisting_medium", "县报")),
        16 => ("li", act("reassign").text("responsible_unit", "plant-b").because("转办")),
        17 => ("manager", act("return_assignment").text("proposed_owner", "plant-b").because("非本单位")),
        18 => ("zhou", act("send_back").because("材料不齐")),
        19 => ("zhao", act("review_stoppage").text("opinion", "仍停产")),
        20 => {
            let _ = world.run(
                Some("zhou"),
                &Command::DecideProposal { no: 1, approved: true, reason: None, issue: false },
            );
            return;
        }
        21 => {
            let Some(before) = world.acts.len().checked_sub(1).and_then(|n| machine::fold(&world.acts[..n]))
            else {
                return;
            };
            let take_back = Command::TakeBack { reason: "误".to_owned(), before: Box::new(before) };
            let _ = world.run(Some("zhao"), &take_back);
            return;
        }
        22 => {
            let _ = world.run(Some("li"), &Command::Recalculate);
            return;
        }
        _ => {
            world.tick();
            return;
        }
    };
    let _ = world.attempt(who, perform);
}

fn check(world: &World) {
    let mut rungs = BTreeSet::new();
    let (mut dues, mut called) = (BTreeMap::new(), BTreeSet::new());
    let (mut missed, mut extended) = (BTreeSet::new(), BTreeSet::new());
    let mut restored = false;
    for (index, act) in world.acts.iter().enumerate() {
        assert_eq!(act.version as usize, index + 1, "versions have a gap");
        assert!(index == 0 || world.acts[index - 1].at <= act.at, "time ran backwards");
        for effect in &act.effects {
            match effect {
                Effect::RungRecorded { rung } => {
                    let key = (rung.deadline_no, rung.revision, &rung.ladder, &rung.rung, rung.repeat);
                    assert!(rungs.insert(key), "recorded twice: {key:?}");
                    // However often its clock ends and runs again, for one date it calls once.
                    let call =
                        (rung.deadline_no, format!("{:?}", dues[&rung.deadline_no]), rung.index, rung.repeat);
                    let applies = rung.result != machine::act::RungResult::NotApplicable;
                    assert!(!applies || called.insert(call.clone()), "called twice: {call:?}");
                }
                Effect::DeadlineStarted { deadline } => {
                    dues.insert(deadline.no, deadline.due);
                }
                Effect::DeadlineMoved { no, due, why, .. } => {
                    dues.insert(*no, *due);
                    if *why == MoveReason::Extended && missed.contains(no) {
                        extended.insert(*no);
                    }
                }
                // Once for each date: an extension granted after the first breach gives another one.
                Effect::DeadlineMissed { no } => {
                    assert!(missed.insert(*no) || extended.remove(no), "missed twice");
                }
                Effect::Restored { state } => {
                    restored = true;
                    dues.extend(state.deadlines.iter().map(|deadline| (deadline.no, deadline.due)));
                }
                _ => {}
            }
        }
    }
    // A breach is permanent; a clock whose start was taken back is no clock any more.
    let state = world.state();
    assert_eq!(machine::fold(&world.acts).as_ref(), Some(state), "fold(acts) differs from the state");
    for no in missed {
        let deadline = state.deadlines.iter().find(|deadline| deadline.no == no);
        assert!(deadline.map_or(restored, |d| d.missed_at.is_some()), "the breach of {no} went away");
    }
    // A closed case owes nothing, and was passed by two officers.
    if world.on("main") == "closed" {
        assert!(state.deadlines.iter().all(|deadline| !deadline.is_open()));
        assert!(state.involved["reinspect_pass"].len() >= 2);
    }
}

static IN_WORKING_DAYS: LazyLock<Arc<Definition>> =
    LazyLock::new(|| with_term(TermSpec { working_days: Some(Number::Value(60)), ..TermSpec::default() }));
static IN_CALENDAR_DAYS: LazyLock<Arc<Definition>> =
    LazyLock::new(|| with_term(TermSpec { calendar_days: Some(Number::Value(60)), ..TermSpec::default() }));
static IN_HOURS: LazyLock<Arc<Definition>> =
    LazyLock::new(|| with_term(TermSpec { hours: Some(Number::Value(60 * 24)), ..TermSpec::default() }));

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_anybody_tries(
        steps in prop::collection::vec((0u8..26, 1i64..24 * 12, 1u64..90), 1..40),
    ) {
        let mut world = World::new("2026-03-02 09:00");
        world.ok("zhao", report());
        // Half of the walks begin where most of the acts are.
        if steps[0].0.is_multiple_of(2) {
            world.ok("zhao", determine("part")).ok("li", dispatch("2026-04-10"));
        }
        for (choice, hours, days) in steps {
            world.now = world.now.plus_micros(hours * HOUR);
            attempt(&mut world, choice, days);
        }
        world.tick();
        check(&world);
    }

    #[test]
    fn a_pause_keeps_what_is_left_of_the_term(
        gaps in prop::collection::vec((0i64..5 * 24, 0i64..80 * 24), 1..8),
    ) {
        let terms = [None, Some(&*IN_WORKING_DAYS), Some(&*IN_HOURS), Some(&*IN_CALENDAR_DAYS)];
        for (kind, term) in terms.into_iter().enumerate() {
            let mut world = World::new("2026-03-02 09:00");
            if let Some(definition) = term {
                world.definition = definition.clone();
            }
            world.ok("zhao", report()).ok("zhao", determine("no")).ok("li", dispatch("2026-05-29"));
            // A term in calendar days is counted to this day and rolls over from there.
            let mut nominal = date("2026-03-02") + Days::new(60);
            let left = |world: &World, nominal: NaiveDate| {
                let today = world.calendar.local_date(world.now.utc());
                match world.clock("rectification").due {
                    Due::Moment(moment) => moment.micros() - world.now.micros(),
                    Due::Day(day) if kind == 1 => world.calendar.count_working_days(today, day),
                    Due::Day(_) if kind == 3 => (nominal - today).num_days(),
                    Due::Day(day) => (day - today).num_days(),
                }
            };
            let rungs = |world: &World| world.rungs("rectification").iter().filter(|(_, r)| r == "Fired").count();
            let mut earlier = Vec::new();
            for (run, stand) in &gaps {
                world.now = world.now.plus_micros(run * HOUR);
                world.tick();
                // Eight stretches of five days leave no term of sixty behind.
                let review = world.calendar.local_date(world.now.utc()) + Days::new(60);
                world.ok("zhao", pause(&review.to_string()));
                let (before, fired) = (left(&world, nominal), rungs(&world));
                let was = world.clock("rectification").due;
                world.now = world.now.plus_micros(stand * HOUR);
                world.tick();
                prop_assert_eq!(rungs(&world), fired, "a clock that stands still called somebody");
                world.ok("zhao", resume());
                if kind == 3 {
                    nominal = world.calendar.local_date(world.now.utc()) + Days::new(before.unsigned_abs());
                    prop_assert_eq!(world.clock("rectification").due, Due::Day(world.calendar.roll_forward(nominal)));
                } else {
                    prop_assert_eq!(left(&world, nominal), before);
                }
                if world.clock("rectification").due != was {
                    earlier.push(was);
                }
            }
            let clock = world.clock("rectification");
            prop_assert_eq!(clock.missed_at, None);
            let kept: Vec<Due> = clock.history.iter().map(|moved| moved.from).collect();
            prop_assert_eq!(kept, earlier, "every earlier date is kept");
        }
    }
}
