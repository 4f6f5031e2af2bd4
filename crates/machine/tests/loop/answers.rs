//! Whatever a clock asks for can be done while it runs, whatever is asked can be refused, and nobody is led
//! into a dead end.

use machine::act::{AssignmentStatus, MoveReason, RungResult};
use machine::command::Perform;
use machine::value::Value;
use machine::{Command, Refusal, fold};

use crate::world::*;

fn document(name: &str) -> Perform {
    act(name).text("document_no", "2号").text("document_date", "2026-03-02").text("document_signer", "某")
}

fn supplementary(day: &str) -> Perform {
    act("set_supplementary_date").text("supplementary_date", day).because("限期补改")
}

/// The last act, taken back by whoever did it.
fn take_back(world: &World) -> Command {
    let before = fold(&world.acts[..world.acts.len() - 1]).unwrap();
    Command::TakeBack { reason: "签错".to_owned(), before: Box::new(before) }
}

#[test]
fn a_re_inspection_owed_after_a_supplementary_date_can_be_made() {
    let mut world = World::reported("2026-04-30", "2026-03-10");
    world.at("2026-03-11 09:00").ok("sun", fail("2026-03-11")).ok("zhao", supplementary("2026-03-20"));
    assert_eq!(world.refused("sun", pass("2026-03-11")).code(), "BH0008", "nothing is due");
    world.at("2026-03-23 09:00").tick();
    assert!(world.clock("reinspection").is_running());
    let mut passed = world.clone();
    passed.ok("sun", pass("2026-03-23"));
    assert_eq!(passed.on("main"), "to_close_out");
    // A new supplementary date takes the place of the first, with what that had set off.
    world.ok("zhao", supplementary("2026-03-31"));
    assert!(!world.clock("reinspection").is_open());
}

#[test]
fn a_supplementary_date_that_gave_way_does_not_come_back() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-01 09:00").ok("manager", ask("2026-05-15"));
    world.at("2026-04-13 09:00").ok("zhao", supplementary("2026-04-20")).ok("wu", grant("2026-05-15"));
    world.at("2026-05-06 09:00").ok("manager", complete("2026-05-06")).ok("sun", fail("2026-05-06"));
    assert!(!world.clock("supplementary").is_open());
    world.at("2026-05-08 09:00").tick();
    assert_eq!(world.clock("supplementary").missed_at, None);
}

#[test]
fn a_date_that_was_moved_is_not_moved_back_into_the_past() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-01 09:00").ok("manager", ask("2026-05-15"));
    world.at("2026-04-09 09:00").ok("wu", grant("2026-05-15"));
    let take = take_back(&world);
    // In time it is taken back, and the date that stood for an hour is kept among the earlier ones.
    let mut early = world.clone();
    early.run(Some("wu"), &take).unwrap();
    let clock = early.clock("rectification");
    assert_eq!(clock.due, machine::time::Due::Day(date("2026-04-10")));
    let kept: Vec<_> = clock.history.iter().map(|moved| (moved.from, moved.why)).collect();
    assert_eq!(kept, [(machine::time::Due::Day(date("2026-05-15")), MoveReason::TakenBack)]);
    world.at("2026-04-13 09:00");
    assert_eq!(world.decide(Some("wu"), &take, None).unwrap_err().code(), "BH0025");
    // Nor does a clock that stood still on its day run after all.
    let mut paused = World::dispatched("2026-04-10");
    paused.at("2026-04-09 09:00").ok("zhao", pause("2026-05-08"));
    let take = take_back(&paused);
    assert!(paused.decide(Some("zhao"), &take, None).is_ok());
    paused.at("2026-04-13 09:00");
    assert_eq!(paused.decide(Some("zhao"), &take, None).unwrap_err().code(), "BH0025");
}

#[test]
fn nobody_takes_a_hand_so_that_too_few_are_left_to_judge() {
    let mut world = World::dispatched("2026-04-10");
    world.directory.posts.retain(|post| post.person.as_str() != "sun");
    let entered = complete("2026-03-04").evidence("signed_paper").entered_for("manager");
    match world.refused("qian", entered.clone()) {
        Refusal::NobodyLeft { person, act, role, needed } => {
            assert_eq!(
                (person.expect("named").as_str(), role.as_str(), needed),
                ("qian", "department_officer", 2)
            );
            assert_eq!(act, "accept_resumption", "the first of those that need two");
        }
        other => panic!("{other:?}"),
    }
    world.ok("town", entered);
    // Where a third officer is left, one may.
    let mut three = World::dispatched("2026-04-10");
    three.ok("qian", complete("2026-03-04").evidence("signed_paper").entered_for("manager"));
}

#[test]
fn a_business_stopped_for_what_was_no_hazard_resumes() {
    let mut world = World::new("2026-03-02 09:00");
    world.directory.posts.retain(|post| post.person.as_str() != "sun");
    world.ok("zhao", report()).ok("zhao", document("stop_whole").because("险情"));
    world.ok("zhao", act("not_uphold").because("不属重大"));
    let apply = act("apply_resumption").because("不属隐患");
    assert_eq!(world.refused("qian", apply.clone()).code(), "BH0082");
    world.ok("li", apply).ok("deputy", document("accept_resumption").officers(&["zhao", "qian"]));
    assert_eq!(world.on("operation"), "resumed");
}

#[test]
fn a_case_is_in_the_hands_of_a_department_and_can_be_handed_to_another() {
    let mut world = World::new("2026-03-02 09:00");
    for (field, unit) in [("department", "plant-a"), ("township", "dep-fire")] {
        match world.refused("manager", report().text(field, unit)) {
            Refusal::BadField { field: named, problem, .. } => {
                assert_eq!((named.as_str(), problem), (field, machine::command::FieldProblem::Kind));
            }
            other => panic!("{other:?}"),
        }
    }
    world.ok("manager", report());
    let wish = act("ask_handover").text("proposed_department", "dep-fire").because("不属本行业");
    world.ok("zhao", wish.clone());
    assert_eq!(world.refused("zhao", wish).code(), "BH0008", "asked already");
    let mut kept = world.clone();
    kept.ok("li", act("refuse_handover").because("属本行业"));
    assert!(!kept.clock("handover_decision").is_open());
    world.ok("li", act("hand_over").text("department", "dep-fire").because("属消防"));
    assert_eq!(world.refused("zhao", determine("no")).code(), "BH0007");
    world.ok("far", determine("no"));
}

#[test]
fn what_is_stopped_entirely_resumes_by_acceptance_alone() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report());
    let without = determine("whole").without("document_no");
    assert_eq!(world.refused("zhao", without).code(), "BH0008", "an order to stop has a number");
    world.ok("zhao", determine("whole"));
    assert_eq!(world.refused("zhao", document("stop_part").because("减产")).code(), "BH0004");
    for (kind, stopped) in [("whole", "fully_stopped"), ("part", "partly_stopped")] {
        let mut world = World::new("2026-03-02 09:00");
        world.ok("zhao", report()).ok("zhao", determine(kind));
        world.ok("deputy", act("apply_resumption").because("已整改"));
        world.ok("deputy", act("refuse_resumption").because("未整改"));
        assert_eq!(world.on("operation"), stopped, "a refusal stops no more than was stopped");
    }
}

/// Passed, delisted and its end published: ready to be closed.
fn published() -> World {
    let mut world = World::dispatched("2026-04-10");
    world.ok("li", document("list").text("supervision_level", "city"));
    world.ok("li", act("list_in_public").text("medium", "县报").bool("masking_done", true));
    world.at("2026-04-01 09:00").ok("manager", complete("2026-04-01"));
    world.ok("sun", pass("2026-04-01").text("expert_name", "某专家"));
    world.ok("li", document("delist").text("delisting_medium", "市报"));
    world.ok("li", act("publish_closure").text("closure_medium", "县报"));
    world
}

#[test]
fn what_was_delisted_and_published_on_a_pass_sent_back_is_so_no_more() {
    let mut world = published();
    world.ok("zhou", act("send_back").because("照片不符"));
    assert_eq!((world.on("supervision"), world.on("publicity")), ("city", "listed_in_public"));
    world.ok("sun", fail("2026-04-01")).ok("manager", complete("2026-04-01"));
    world.ok("sun", pass("2026-04-01").text("expert_name", "某专家"));
    assert!(world.clock("delisting").is_running() && world.clock("closure_publication").is_running());
}

#[test]
fn a_withdrawal_is_granted_or_refused_and_owed_to_whoever_was_named_for_nothing() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report());
    world.ok("li", act("list_in_public").text("medium", "县报").bool("masking_done", true));
    let mut gone = world.clone();
    gone.ok("zhao", act("not_uphold").because("不属重大"));
    assert_eq!(gone.on("publicity"), "listing_withdrawal_asked");
    assert!(gone.clock("withdrawal").is_running(), "also after the end");
    let withdraw = act("withdraw").text("medium", "县报").because("误报");
    gone.ok("wu", withdraw);
    assert_eq!((gone.on("publicity"), gone.state().wake_at()), ("withdrawn", None));
    world.ok("zhou", act("ask_withdrawal").because("名称有误"));
    world.ok("wu", act("refuse_withdrawal").because("名称无误"));
    assert_eq!(world.on("publicity"), "listed_in_public");
    assert!(!world.clock("withdrawal").is_open());
    // The re-inspection is passed while the request waits: the public is owed the result all the same.
    let mut late = World::reported("2026-04-10", "2026-03-10");
    late.ok("li", act("list_in_public").text("medium", "县报").bool("masking_done", true));
    late.ok("zhou", act("ask_withdrawal").because("名称有误")).ok("sun", pass("2026-03-10"));
    late.ok("wu", act("refuse_withdrawal").because("名称无误"));
    assert!(late.clock("closure_publication").is_running());
    // An exposure that was not decided leaves things as they were.
    let mut told = World::dispatched("2026-04-10");
    told.ok("li", act("circulate").text("document_no", "3号"));
    told.ok(
        "li",
        act("propose_exposure").text("medium", "县报").bool("masking_done", true).because("屡改屡犯"),
    );
    told.ok("wu", act("refuse_exposure").because("已开始整改"));
    assert_eq!(told.on("publicity"), "circulated");
}

#[test]
fn what_is_stopped_or_listed_goes_on_under_its_own_number() {
    let mut world = World::new("2026-03-02 09:00");
    world.linked = Some("YH-2026-000002".to_owned());
    world.ok("zhao", report());
    let merge = act("merge").text("other_case", "YH-2026-000002").because("重复");
    let mut stopped = world.clone();
    stopped.ok("zhao", determine("whole"));
    assert_eq!(stopped.refused("li", merge.clone()).code(), "BH0008");
    world.ok("zhao", determine("no")).ok("li", merge);
}

#[test]
fn feedback_is_that_of_the_assisting_unit_and_waits_for_no_receipt() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", determine("no"));
    let mut order = dispatch("2026-04-10");
    order.fields.insert("assisting_units".to_owned(), Value::List(vec!["plant-b".to_owned()]));
    world.ok("li", order);
    let feed_back = act("feed_back").text("feedback_line", "已配合");
    assert_eq!(
        world.refused("manager", feed_back.clone()).code(),
        "BH0023",
        "the lead reports, it does not feed back"
    );
    let mut quick = world.clone();
    quick.ok("other", feed_back);
    let open = quick.state().deadlines.iter().filter(|clock| clock.is_open() && clock.name == "receipt");
    assert_eq!(open.count(), 1, "the lead's");
    // Handed the lead, the unit assists no more.
    world.ok("li", act("reassign").text("responsible_unit", "plant-b").because("场地归其所有"));
    let of_b = world.state().assignments.iter().filter(|held| held.unit.as_str() == "plant-b");
    let of_b: Vec<_> = of_b.map(|held| held.status).collect();
    assert_eq!(of_b, [AssignmentStatus::Released, AssignmentStatus::Sent]);
}

#[test]
fn a_clock_that_stands_still_is_looked_at_and_leaves_no_request_behind() {
    let mut world = World::dispatched("2026-04-30");
    let mut asked = world.clone();
    asked.ok("manager", ask("2026-05-29"));
    assert_eq!(asked.refused("zhao", pause("2026-03-20")).code(), "BH0008", "the request is decided first");
    world.ok("zhao", pause("2026-03-20"));
    world.at("2026-03-20 09:00");
    world.ok("li", act("review_pause").text("pause_review_date", "2026-04-10").because("鉴定未完"));
    assert_eq!(world.clock("pause_review").due, machine::time::Due::Day(date("2026-04-10")));
    assert!(!world.clock("rectification").is_running());
}

#[test]
fn a_report_that_fails_leaves_the_plan_owed() {
    let mut world = World::reported("2026-04-10", "2026-03-05");
    world.at("2026-03-06 09:00").ok("sun", fail("2026-03-06"));
    world.at("2026-03-18 09:00").tick();
    assert!(world.rung_records().iter().any(|rung| {
        rung.deadline_no == world.clock("plan").no && rung.rung == "after" && rung.result == RungResult::Fired
    }));
}

#[test]
fn what_was_proposed_for_a_case_lapses_with_its_end() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-13 09:00").tick();
    let letter = world.state().proposals[0].no;
    let sign = Command::DecideProposal { no: letter, approved: true, reason: None, issue: false };
    assert!(world.decide(Some("li"), &sign, None).is_ok());
    world.ok("li", act("transfer").text("receiver", "乙县").text("document_no", "2号").because("属地"));
    assert_eq!(world.decide(Some("li"), &sign, None).unwrap_err().code(), "BH0024");
}

#[test]
fn whoever_has_nothing_to_do_with_a_case_says_nothing_on_it() {
    let world = World::dispatched("2026-04-10");
    let comment = Command::Comment { text: "路过".to_owned() };
    for who in ["manager", "town", "head", "li"] {
        assert!(world.decide(Some(who), &comment, None).is_ok(), "{who}");
    }
    for who in ["other", "far", "nobody"] {
        assert_eq!(world.decide(Some(who), &comment, None).unwrap_err().code(), "BH0081", "{who}");
    }
}

#[test]
fn a_stoppage_ordered_later_goes_before_the_one_that_stands() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report()).ok("zhao", document("stop_part").because("局部危险"));
    let mut whole = world.clone();
    whole.ok("zhao", determine("whole"));
    assert_eq!(whole.on("operation"), "fully_stopped");
    let mut applied = world.clone();
    applied.ok("qian", act("apply_resumption").because("局部已整改"));
    applied.clone().ok("zhao", document("stop_whole").because("全面危险"));
    applied.ok("zhao", determine("whole"));
    assert_eq!(applied.on("operation"), "fully_stopped");
    // What is stopped entirely is not stopped in part by the way.
    world.ok("zhao", document("stop_whole").because("全面危险"));
    assert_eq!(world.refused("zhao", determine("part")).code(), "BH0008");
}

#[test]
fn nothing_was_completed_before_an_inspection_that_found_it_still_there() {
    let mut world = World::reported("2026-04-10", "2026-03-20");
    world.at("2026-03-23 09:00").ok("sun", fail("2026-03-23"));
    world.at("2026-03-24 09:00");
    assert_eq!(world.refused("manager", complete("2026-03-22")).code(), "BH0008");
    world.ok("manager", complete("2026-03-24"));
}

#[test]
fn whoever_asks_for_an_extension_does_not_grant_it() {
    let mut world = World::dispatched("2026-04-10");
    // The leader who decides enters the request of the enterprise as well.
    let mut posts = world.directory.posts.iter_mut();
    posts.find(|post| post.person.as_str() == "wu").unwrap().roles.insert("responsible".to_owned());
    let post = world.directory.posts.iter().find(|post| post.person.as_str() == "wu").unwrap().clone();
    world.directory.posts.push(machine::command::Post {
        id: "post-wu-2".into(),
        unit: "plant-a".into(),
        ..post
    });
    let second = machine::Person { person: "wu".into(), post: "post-wu-2".into(), unit: "plant-a".into() };
    world.at("2026-03-16 09:00");
    let asked = world.decide_as(&second, &Command::Perform(ask("2026-05-15"))).unwrap();
    world.state = Some(asked.state);
    assert_eq!(world.refused("wu", grant("2026-05-15")).code(), "BH0015");
}

#[test]
fn a_listing_is_published_in_five_working_days_and_ended_in_the_same_medium() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-03-05 09:00").ok("li", document("list").text("supervision_level", "county"));
    assert_eq!(world.clock("listing_publication").due, machine::time::Due::Day(date("2026-03-12")));
    let publish = || act("publish_listing").text("listing_medium", "县报").bool("masking_done", true);
    assert_eq!(world.refused("li", publish().bool("masking_done", false)).code(), "BH0008");
    world.ok("li", publish());
    assert!(!world.clock("listing_publication").is_open());
    assert_eq!(world.refused("li", publish()).code(), "BH0008", "once");
    world.at("2026-03-20 09:00").ok("manager", complete("2026-03-20"));
    world.ok("sun", pass("2026-03-20").text("expert_name", "某"));
    let delist = |medium: &str| document("delist").text("delisting_medium", medium);
    assert_eq!(world.refused("li", delist("网站")).code(), "BH0008");
    world.ok("li", delist("县报"));
    // Delisted before anything was published: sent back, it is listed and to be published again.
    let mut silent = World::dispatched("2026-04-10");
    silent.ok("li", document("list").text("supervision_level", "county"));
    silent.at("2026-03-05 09:00").ok("manager", complete("2026-03-05"));
    silent.ok("sun", pass("2026-03-05").text("expert_name", "某")).ok("li", delist("网站"));
    assert!(!silent.clock("listing_publication").is_open());
    silent.ok("li", act("send_back").because("再查"));
    assert!(silent.clock("listing_publication").is_running());
}

#[test]
fn the_public_is_told_the_end_of_what_was_shut_down() {
    let mut world = World::dispatched("2026-04-10");
    world.ok("li", act("list_in_public").text("medium", "县报").bool("masking_done", true));
    world.ok("wu", document("shut_down").because("不具备条件").evidence("decision"));
    world.ok("li", act("publish_closure").text("closure_medium", "县报"));
    assert_eq!(world.on("publicity"), "closure_published");
}

#[test]
fn whoever_determines_puts_a_wrong_township_right() {
    let mut world = World::new("2026-03-02 09:00");
    world.ok("zhao", report().text("township", "town-west"));
    let township = Value::Text("town-east".to_owned());
    let fields = [("township".to_owned(), township)].into();
    let amend = Command::Amend { fields, reason: "写错".to_owned() };
    assert_eq!(world.decide(Some("zhao"), &amend, None).unwrap_err().code(), "BH0080");
    world.ok("zhao", determine("no").text("township", "town-east").text("found_on", "2026-02-28"));
    assert_eq!(
        (world.state().text("township"), world.state().text("found_on")),
        (Some("town-east"), Some("2026-02-28"))
    );
}

#[test]
fn what_nobody_can_do_now_is_said_before_anything_is_asked_for() {
    let mut world = World::dispatched("2026-04-10");
    world.at("2026-04-13 09:00").tick();
    assert_eq!(world.refused("manager", act("ask_extension")).code(), "BH0008", "the date has passed");
    world = World::dispatched("2026-04-10");
    world.at("2026-04-09 09:00").tick();
    assert_eq!(world.refused("manager", act("ask_extension")).code(), "BH0022", "too late to ask");
}
