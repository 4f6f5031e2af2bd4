//! From the report to the close-out, and the other ways a case can go.

use machine::file::Outcome;
use machine::guard::Need;
use machine::project::project;

use crate::world::*;

#[test]
fn the_file_compiles_and_comes_back_from_its_bytes() {
    let definition = definition();
    let again = machine::Definition::from_bytes(definition.bytes()).unwrap();
    assert_eq!(again.digest(), definition.digest());
}

#[test]
fn every_state_rests_or_has_an_owner_and_a_clock_with_an_endless_ladder() {
    let definition = definition();
    let file = definition.file();
    for (track, spec) in &file.tracks {
        for (name, state) in &spec.states {
            let at = format!("{track}.{name}");
            if state.rest || state.outcome.is_some() {
                continue;
            }
            assert!(state.owner.is_some(), "{at} has no owner");
            let clock = definition.deadline(state.deadline.as_ref().unwrap()).unwrap();
            assert!(clock.ladder.is_some(), "the clock of {at} has no ladder");
        }
    }
    for (name, clock) in &file.deadlines {
        let ladder = clock.ladder.as_ref().unwrap_or_else(|| panic!("{name} has no ladder"));
        assert!(file.ladders[ladder].last().unwrap().every_working_days.is_some(), "{ladder} ends");
    }
    for (name, parameter) in &file.parameters {
        assert!(parameter.min <= parameter.default && parameter.default <= parameter.max, "{name}");
        assert!(parameter.source.is_some(), "{name} has no source");
    }
    let mut ends: Vec<Outcome> = file.tracks["main"].states.values().filter_map(|s| s.outcome).collect();
    ends.sort();
    assert_eq!(ends.len(), 7);
}

#[test]
fn a_hazard_goes_from_the_report_to_the_close_out() {
    let mut world = World::new("2026-03-02 09:00");
    let plan = ["plan_target", "plan_measures", "plan_funds", "plan_people", "plan_time", "plan_contingency"]
        .iter()
        .fold(act("submit_plan"), |perform, field| perform.text(field, "见附件"));
    let acknowledge = act("acknowledge")
        .text("served_how", "signed")
        .text("received_by", "门卫")
        .text("received_on", "2026-03-04");
    // When, who, what; the main state after it and the clocks that are open.
    let walk = [
        ("2026-03-02 09:00", "town", report(), "under_determination", "determination"),
        ("2026-03-03 10:00", "zhao", determine("no"), "to_dispatch", "dispatching"),
        (
            "2026-03-04 11:00",
            "li",
            dispatch("2026-04-10"),
            "rectifying",
            "rectification receipt plan progress",
        ),
        ("2026-03-04 15:00", "manager", acknowledge, "rectifying", "rectification plan progress"),
        ("2026-03-09 15:00", "manager", plan, "rectifying", "rectification progress"),
        (
            "2026-03-20 15:00",
            "foreman",
            act("report_progress").text("progress_line", "设备已订购"),
            "rectifying",
            "rectification progress",
        ),
        ("2026-04-07 16:00", "manager", complete("2026-04-07"), "to_reinspect", "reinspection"),
        (
            "2026-04-08 09:00",
            "town",
            act("first_check").text("opinion", "已安装").evidence("check_photo"),
            "to_reinspect",
            "reinspection",
        ),
        ("2026-04-09 10:00", "sun", pass("2026-04-09"), "to_close_out", "closing"),
        ("2026-04-10 10:00", "zhou", act("close_out").text("opinion", "同意销号"), "closed", ""),
    ];
    for (when, who, perform, main, clocks) in walk {
        let name = perform.act.clone();
        world.at(when).ok(who, perform);
        let open: Vec<&str> =
            world.state().deadlines.iter().filter(|d| d.is_open()).map(|d| d.name.as_str()).collect();
        let mut expected: Vec<&str> = clocks.split_whitespace().collect();
        let mut open_sorted = open.clone();
        open_sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!((world.on("main"), open_sorted), (main, expected), "after {name}");
    }
    let projection = project(&world.definition, world.state());
    assert!(!projection.enterprise_breach && !projection.regulator_breach && projection.at_rest);
    assert_eq!(projection.wake_at, None);
    assert_eq!(world.state().number, "YH-2026-000001");
    // Nothing calls anybody about a closed case.
    let acts = world.acts.len();
    world.at("2027-03-01 09:00").tick();
    assert_eq!(world.acts.len(), acts);
}

fn document(name: &str) -> machine::command::Perform {
    act(name).text("document_no", "2号").text("document_date", "2026-03-04").text("document_signer", "某")
}

#[test]
fn every_other_end_has_a_reason_and_owes_nothing() {
    let working = World::dispatched("2026-04-10");
    let ends = [
        ("downgraded", "zhao", act("downgrade").text("general_due_date", "2026-04-10")),
        ("transferred", "zhao", act("transfer").text("receiver", "乙县").text("document_no", "2号")),
        ("merged", "li", act("merge").text("other_case", "YH-2026-000002")),
        ("annulled", "wu", act("annul").text("document_no", "2号")),
        ("shut_down", "wu", document("shut_down").evidence("decision")),
    ];
    for (end, who, perform) in ends {
        assert_eq!(working.refused(who, perform.clone()).code(), "BH0019", "{end}");
        let mut world = working.clone();
        let perform = perform.because("见文件");
        // Where another case goes on, neither says so alone.
        if matches!(end, "downgraded" | "merged") {
            assert_eq!(world.refused(who, perform.clone()).code(), "BH0028", "{end}");
            world.linked = Some("YH-2026-000002".to_owned());
        }
        world.ok(who, perform);
        assert_eq!(world.state().links.len(), usize::from(world.linked.is_some()));
        assert_eq!(world.on("main"), end);
        assert!(world.state().deadlines.iter().all(|deadline| !deadline.is_open()), "{end}");
        assert_eq!(world.state().wake_at(), None, "{end}");
    }
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", act("not_uphold").because("不属重大"));
    assert_eq!((world.on("main"), world.state().wake_at()), ("not_upheld", None));
}

#[test]
fn stopped_listed_and_exposed_come_off_before_the_close_out() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", determine("whole"));
    assert_eq!(world.on("operation"), "fully_stopped");
    assert!(world.clock("stoppage_review").is_running());
    world.at("2026-03-04 11:00").ok("li", dispatch("2026-04-10"));
    world.ok("li", document("list").text("supervision_level", "city"));
    let propose =
        act("propose_exposure").text("medium", "县报").bool("masking_done", true).because("屡改屡犯");
    world.ok("li", propose).ok("wu", act("expose").text("document_no", "3号"));
    world.at("2026-04-01 09:00").ok("manager", complete("2026-04-01"));
    // A listed case takes an expert.
    assert_eq!(world.refused("sun", pass("2026-04-01")).code(), "BH0008");
    world.ok("sun", pass("2026-04-01").text("expert_name", "某专家"));
    assert!(world.clock("delisting").is_running() && world.clock("closure_publication").is_running());
    let close = act("close_out").text("opinion", "同意");
    let still = |world: &World| match world.refused("zhou", close.clone()) {
        machine::Refusal::Guard { needs, .. } => needs.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(still(&world), 3);
    world.ok("manager", act("apply_resumption").because("隐患已消除"));
    world.ok("deputy", document("accept_resumption").officers(&["zhao", "qian"]));
    assert_eq!(still(&world), 2);
    world.ok("li", document("delist").text("delisting_medium", "市报"));
    assert_eq!(still(&world), 1);
    // In the medium it was exposed in, and no other; where the delisting was published is another matter.
    let closure = |medium: &str| act("publish_closure").text("closure_medium", medium);
    let machine::Refusal::Guard { needs, .. } = world.refused("li", closure("市报")) else {
        panic!("another refusal");
    };
    let [Need::Condition(condition)] = needs.as_slice() else { panic!("{needs:?}") };
    assert_eq!((condition.text.as_str(), condition.wanted), ("closure_medium == medium", true));
    world.ok("li", closure("县报")).ok("zhou", close);
    assert_eq!(world.on("main"), "closed");
}

fn entry(state: &str, live: &str) -> machine::command::Perform {
    let mut perform = report().text("stated_state", state).text("go_live_on", live);
    perform.act = "opening_entry".to_owned();
    perform.evidence.clear();
    perform
}

#[test]
fn an_old_ledger_comes_in_where_it_says_it_stands() {
    let mut world = World::new("2026-03-02 09:00");
    assert_eq!(world.refused("admin", entry("rectifying", "2026-03-02")).code(), "BH0008");
    assert_eq!(world.refused("admin", entry("rectifying", "").without("go_live_on")).code(), "BH0009");
    world.ok("admin", entry("rectifying", "2026-03-02").text("due_date", "2026-02-13")).tick();
    assert_eq!(world.on("main"), "rectifying");
    assert!(world.clock("rectification").missed_at.is_some());
    let mut world = World::new("2026-03-02 09:00");
    world.ok("admin", entry("to_reinspect", "2026-03-02").text("due_date", "2026-02-20")).tick();
    assert_eq!(world.on("main"), "to_reinspect");
    assert!(world.clock("reinspection").is_running());
    // Nobody is late for an old ledger before it goes live.
    let mut later = World::new("2026-03-02 09:00");
    later.ok("admin", entry("to_reinspect", "2026-04-01").text("due_date", "2026-02-20"));
    assert_eq!(later.clock("reinspection").anchor, date("2026-04-01"));
    later.at("2026-03-31 20:00").tick();
    assert_eq!(later.clock("reinspection").missed_at, None);
    // Nor is it silenced for long, or for longer than was said.
    let mut silent = World::new("2026-03-02 09:00");
    assert_eq!(silent.refused("admin", entry("to_dispatch", "2026-06-01")).code(), "BH0011");
    silent.ok("admin", entry("to_dispatch", "2026-05-29"));
    let amend = amend("go_live_on", machine::value::Value::Text("2026-03-03".to_owned()));
    assert_eq!(silent.decide(Some("admin"), &amend, None).unwrap_err().code(), "BH0080");
    // An entry made after the ledger went live makes up for nothing that lay before it either.
    let mut late = World::new("2026-04-01 09:00");
    late.ok("admin", entry("rectifying", "2020-01-01").text("due_date", "2020-02-03")).tick();
    assert_eq!(late.state().muted_until, Some(at("2026-04-01 00:00")));
    let told = late.rung_records().into_iter().filter(|rung| rung.result == machine::act::RungResult::Fired);
    assert!(told.clone().all(|rung| rung.repeat == 0) && told.count() < 12);
    assert_eq!(
        late.clock("reinspection").anchor,
        date("2026-04-01"),
        "it never ran before the case was here"
    );
    // Whether it was reported in time nobody has verified: neither met nor missed.
    let legal = world.clock("rectification");
    assert!(!legal.is_open() && legal.missed_at.is_none());
    assert!(matches!(legal.status, machine::state::Status::Ended { end: machine::act::End::Cancelled, .. }));
    let mut reported = World::new("2026-03-02 09:00");
    reported.ok("zhao", report());
    assert_eq!(
        (reported.state().muted_until, world.state().muted_until),
        (None, Some(at("2026-03-02 00:00")))
    );
}

#[test]
fn an_imported_case_calls_nobody_before_it_goes_live_and_makes_up_for_nothing() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("admin", entry("rectifying", "2026-03-16").text("due_date", "2026-02-13"));
    let fired = |world: &World| {
        let records = world.rung_records().into_iter();
        let fired = records.filter(|rung| rung.result != machine::act::RungResult::NotApplicable);
        fired.map(|rung| (world.calendar.local_date(rung.due_at.utc()), rung.rung)).collect::<Vec<_>>()
    };
    for day in ["2026-03-02 09:00", "2026-03-13 20:00", "2026-03-16 08:29"] {
        world.at(day).tick();
        assert_eq!(fired(&world), [], "{day}");
    }
    // The breach is a fact and stands at once; every rung that lay before is on record as not applicable.
    assert!(world.clock("rectification").missed_at.is_some());
    let muted = world.rungs("rectification");
    assert_eq!(muted.len(), 9, "{muted:?}");
    // Nor is the re-inspection owed from a date before: its clock runs from the day of going live.
    let again = world.clock("reinspection");
    assert_eq!((again.anchor, again.started_at), (date("2026-03-16"), at("2026-03-16 00:00")));
    assert_eq!(again.due, machine::time::Due::Day(date("2026-03-26")));
    assert_eq!(again.missed_at, None);
    // Nor does a calendar that comes meanwhile take that away.
    let mut counted_anew = World::new("2026-03-02 09:00");
    counted_anew.ok("admin", entry("rectifying", "2026-03-16").text("due_date", "2026-02-13"));
    counted_anew.at("2026-03-10 09:00").tick().publish_2027("2027-1", "2027-01-03");
    counted_anew.at("2026-03-16 08:30").tick();
    assert_eq!(fired(&counted_anew), [(date("2026-03-16"), "overdue".to_owned())]);
    // Whoever owes it is told once on that day; the rest of what lay before stays away.
    world.at("2026-03-16 08:30").tick();
    assert_eq!(fired(&world), [(date("2026-03-16"), "overdue".to_owned())]);
    assert!(world.rung_records().iter().any(|rung| rung.recipients.contains(&"manager".into())));
    // From then on the ladders climb: what is still to come, one after the other.
    world.at("2026-04-20 12:00").tick();
    let fired = fired(&world);
    assert!(fired.iter().all(|(day, _)| *day >= date("2026-03-16")), "{fired:?}");
    let of_leader = fired.iter().filter(|(_, rung)| rung == "county_leader").count();
    assert!(of_leader >= 2, "{fired:?}");
    assert!(!fired.iter().any(|(_, rung)| rung == "urging_letter"), "{fired:?}");
    assert!(world.state().proposals.iter().all(|proposal| proposal.what != "interview"));
    // Overdue for so long that the last rung lies behind as well: what it repeats does not.
    let mut old = World::new("2026-03-02 09:00");
    old.ok("admin", entry("rectifying", "2026-03-16").text("due_date", "2025-10-31"));
    old.at("2026-05-11 12:00").tick();
    let legal = old.clock("rectification").no;
    let leader = old.rung_records().into_iter().filter(|rung| rung.deadline_no == legal);
    let leader: Vec<_> = leader.filter(|rung| rung.rung == "county_leader" && rung.repeat > 0).collect();
    assert!(leader.len() >= 3, "the ladder ended in silence: {leader:?}");
    assert!(leader.iter().all(|rung| rung.due_at > at("2026-03-16 00:00")));
}

#[test]
fn a_date_missed_after_going_live_starts_the_regulators_clock_as_any_other() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("admin", entry("rectifying", "2026-03-16").text("due_date", "2026-03-20"));
    world.at("2026-03-23 09:00").tick();
    let again = world.clock("reinspection");
    assert_eq!((again.anchor, again.started_at), (date("2026-03-20"), at("2026-03-21 00:00")));
}

/// From when on a circular counts the legal date as passed.
fn counted_from(world: &World) -> Option<machine::Instant> {
    machine::project::progress(&world.definition, world.state()).legal_breach_at
}

#[test]
fn a_legal_date_that_stands_still_or_was_taken_back_is_not_due() {
    let mut world = World::dispatched("2026-04-10");
    assert_eq!(counted_from(&world), Some(at("2026-04-11 00:00")));
    world.at("2026-03-10 09:00").ok("zhao", pause("2026-03-20"));
    assert_eq!(counted_from(&world), None, "paused");
    // Seven days later it runs again: 10 April and seven days.
    world.at("2026-03-17 09:00").ok("zhao", resume());
    assert_eq!(counted_from(&world), Some(at("2026-04-18 00:00")));
    // The case ends before the date: neither met nor missed.
    let transfer = || act("transfer").text("receiver", "乙县安委办").text("document_no", "1").because("属地");
    let mut gone = world.clone();
    gone.ok("li", transfer());
    assert_eq!(gone.on("main"), "transferred");
    assert_eq!(counted_from(&gone), None, "cancelled before it came");
    // After the date, or on a report in time, it counts though the case ends in the same way.
    let mut missed = world.clone();
    missed.at("2026-04-18 09:00").tick().ok("li", transfer());
    assert_eq!(counted_from(&missed), Some(at("2026-04-18 00:00")));
    world.ok("manager", complete("2026-03-17")).ok("li", transfer());
    assert_eq!(counted_from(&world), Some(at("2026-04-18 00:00")));
}

#[test]
fn everyday_there_are_five_states_and_six_acts() {
    let definition = definition();
    let acts = definition.file().acts.values().filter(|act| act.everyday).count();
    let main = &definition.file().tracks["main"].states;
    assert_eq!((acts, main.values().filter(|state| state.outcome.is_none()).count()), (6, 5));
}

#[test]
fn a_failed_report_made_while_the_clock_stood_still_keeps_the_days_of_the_pause() {
    let mut world = World::dispatched("2026-04-10");
    world.ok("zhao", pause("2026-03-20"));
    world.at("2026-03-14 09:00").ok("manager", complete("2026-03-14"));
    world.at("2026-03-16 09:00").ok("sun", fail("2026-03-16"));
    assert_eq!(world.clock("rectification").due, machine::time::Due::Day(date("2026-04-20")));
}

#[test]
fn a_returned_assignment_goes_to_another_unit_with_a_new_receipt_clock() {
    let mut world = World::dispatched("2026-04-10");
    let legal = world.clock("rectification").clone();
    world.ok("manager", act("return_assignment").text("proposed_owner", "plant-b").because("已转让"));
    world.at("2026-03-06 09:00");
    world.ok("li", act("reassign").text("responsible_unit", "plant-b").because("已转让"));
    let receipts: Vec<_> = world.state().deadlines.iter().filter(|d| d.name == "receipt").collect();
    assert_eq!(receipts.iter().filter(|d| d.is_open()).count(), 1);
    assert_eq!(receipts[1].anchor, date("2026-03-06"));
    assert_eq!(world.clock("rectification").due, legal.due);
    assert_eq!(world.refused("manager", complete("2026-03-06")).code(), "BH0007");
    world.ok("other", complete("2026-03-06"));
}

#[test]
fn a_case_takes_in_another_while_it_is_open_and_never_itself() {
    let mut world = World::dispatched("2026-04-10");
    let absorbed = machine::command::Absorbed { workflow: "major-hazard".to_owned(), ..Default::default() };
    let absorb = |world: &World| {
        world.decide(Some("li"), &machine::Command::Absorb(absorbed.clone()), None).map(|_| ())
    };
    assert_eq!(absorb(&world).unwrap_err().code(), "BH0028", "without the other half");
    world.linked = Some("YH-2026-000002".to_owned());
    absorb(&world).unwrap();
    world.linked = Some("YH-2026-000001".to_owned());
    let merge = act("merge").text("other_case", "YH-2026-000001").because("重复");
    assert!(matches!(
        world.refused("li", merge),
        machine::Refusal::OtherCase { problem: machine::command::OtherCaseProblem::Itself, .. }
    ));
    world.linked = Some("YH-2026-000002".to_owned());
    world.ok("li", act("merge").text("other_case", "YH-2026-000002").because("重复"));
    assert!(matches!(
        absorb(&world).unwrap_err(),
        machine::Refusal::OtherCase { problem: machine::command::OtherCaseProblem::Ended, .. }
    ));
    // What is joined is not taken back on one side.
    let before = machine::fold(&world.acts[..world.acts.len() - 1]).unwrap();
    let take_back = machine::Command::TakeBack { reason: "误".to_owned(), before: Box::new(before) };
    assert_eq!(world.decide(Some("li"), &take_back, None).unwrap_err().code(), "BH0025");
}
