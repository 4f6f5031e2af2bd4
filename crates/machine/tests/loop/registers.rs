//! Document numbers: issued in the act that names them, typed only when they are out.

use machine::command::{DocumentProblem, Perform};
use machine::organisation::OrganisationFault;
use machine::register::{DocumentNumber, OnPaper, Register};
use machine::{Command, Refusal};

use super::world::{With, World, act, ask, complete, determine, dispatch, report};

/// The office keeps a register, seventeen numbers of it on paper; the department keeps none.
fn world() -> World {
    let mut world = World::new("2026-03-02 09:00");
    keep(&mut world, "office", "甲安办", Some(17));
    world.ok("zhao", report());
    world.at("2026-03-03 10:00").ok("zhao", determine("no"));
    world.at("2026-03-04 11:00");
    world
}

fn keep(world: &mut World, unit: &str, code: &str, on_paper: Option<u32>) {
    let on_paper = on_paper.map(|last| OnPaper { year: 2026, last });
    let mut units = world.directory.units.iter_mut();
    let unit = units.find(|known| known.id.as_str() == unit).unwrap();
    unit.register = Some(Register { code: code.to_owned(), on_paper });
}

fn issue(perform: Perform, field: &str) -> Perform {
    Perform { issue: Some(field.to_owned()), ..perform.without(field) }
}

fn problem(refusal: Refusal) -> DocumentProblem {
    assert_eq!(refusal.code(), "BH0083");
    match refusal {
        Refusal::Document { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_number_is_read_however_it_is_typed() {
    let number = DocumentNumber { code: "甲安办".to_owned(), year: 2026, no: 7 };
    assert_eq!(number.to_string(), "甲安办〔2026〕7号");
    for text in [
        "甲安办〔2026〕7号",
        "甲安办[2026]7号",
        "甲安办（2026）第7号",
        " 甲安办 〔２０２６〕 ７ 号 ",
        "甲安办【2026】7",
    ] {
        assert_eq!(text.parse(), Ok(number.clone()), "{text}");
    }
    for text in [
        "",
        "9号",
        "甲安办2026年7号",
        "甲安办〔2026〕",
        "甲安办〔2026〕七号",
        "甲安办〔二〇二六〕7号",
        "甲〔1〕99999999999号",
    ] {
        assert!(text.parse::<DocumentNumber>().is_err(), "{text}");
    }
}

#[test]
fn the_next_number_follows_what_is_out_on_paper_and_here() {
    let mut world = world();
    let mut fresh = world.clone();
    fresh.ok("li", issue(dispatch("2026-04-10"), "order_no"));
    assert_eq!(fresh.state().text("order_no"), Some("甲安办〔2026〕18号"));
    assert_eq!(fresh.acts.last().unwrap().document().unwrap().no, 18);
    world.registers.last.insert("甲安办".to_owned(), 40);
    world.ok("li", issue(dispatch("2026-04-10"), "order_no"));
    assert_eq!(world.state().text("order_no"), Some("甲安办〔2026〕41号"));
    // The register is that of the year; the one on paper was of another.
    let mut later = fresh.clone();
    (later.state, later.acts) = (None, Vec::new());
    later.registers.year = 2027;
    later.ok("zhao", report());
    later.ok("zhao", determine("no"));
    later.ok("li", issue(dispatch("2026-04-10"), "order_no"));
    assert_eq!(later.state().text("order_no"), Some("甲安办〔2027〕1号"));
}

#[test]
fn a_number_of_an_own_register_is_typed_only_once_it_is_out() {
    let mut world = world();
    let typed = |number: &str| dispatch("2026-04-10").text("order_no", number);
    for number in
        ["甲安办〔26〕18号", "甲安办〔2026〕33号文", "甲安办2026-99号", "通知（甲安办﹝2026﹞第99號）"]
    {
        let form = DocumentProblem::Form { code: "甲安办".to_owned() };
        assert_eq!(problem(world.refused("li", typed(number))), form, "{number}");
    }
    for number in [
        "甲安办〔2026〕18号",
        "甲安办 [2026] 18",
        "甲安办﹝2026﹞第18號",
        "甲安办〔2026〕0号",
        "甲安办〔2027〕1号",
    ] {
        let DocumentProblem::NotIssued { last, .. } = problem(world.refused("li", typed(number))) else {
            panic!("{number}")
        };
        assert_eq!(last, if number.contains("2027") { 0 } else { 17 }, "{number}");
    }
    // On paper, of a year that is over, of somebody else, or no number of this form.
    for number in
        ["甲安办〔2026〕17号", "甲安办〔2025〕99号", "乙府〔2026〕99号", "甲安办罚〔2026〕99号", "会议纪要三"]
    {
        world.clone().ok("li", typed(number));
    }
    world.registers.last.insert("甲安办".to_owned(), 18);
    world.ok("li", typed("甲安办〔2026〕18号"));
    // Nor by putting a typed one right.
    let amend = |number: &str| Command::Amend {
        fields: [("order_no".to_owned(), machine::value::Value::Text(number.to_owned()))].into(),
        reason: "写错".to_owned(),
    };
    assert!(amend("甲安办〔2026〕99号").needs_registers());
    problem(world.decide(Some("li"), &amend("甲安办〔2026〕99号"), None).unwrap_err());
    world.run(Some("li"), &amend("甲安办〔2026〕16号")).unwrap();
}

#[test]
fn a_number_is_issued_where_the_act_takes_one_and_the_unit_has_a_register() {
    let mut world = world();
    let allowed = vec!["order_no".to_owned()];
    let elsewhere = problem(world.refused("li", issue(dispatch("2026-04-10"), "responsible_unit")));
    assert_eq!(elsewhere, DocumentProblem::NotHere { allowed: allowed.clone() });
    let unknown = problem(world.refused("li", issue(dispatch("2026-04-10"), "document_no")));
    assert_eq!(unknown, DocumentProblem::NotHere { allowed });
    let both = Perform { issue: Some("order_no".to_owned()), ..dispatch("2026-04-10") };
    assert_eq!(problem(world.refused("li", both)), DocumentProblem::Given);
    // The department may dispatch as well, but has no register of its own.
    let none = problem(world.refused("zhao", issue(dispatch("2026-04-10"), "order_no")));
    assert_eq!(none, DocumentProblem::NoRegister { unit: "dep-industry".into() });
    // Who may not act gets no number either.
    assert_eq!(world.refused("manager", issue(dispatch("2026-04-10"), "order_no")).code(), "BH0007");
    keep(&mut world, "dep-industry", "甲工", None);
    world.ok("zhao", issue(dispatch("2026-04-10"), "order_no"));
    assert_eq!(world.state().text("order_no"), Some("甲工〔2026〕1号"));
}

#[test]
fn a_signed_draft_gets_a_number_and_a_declined_one_none() {
    let mut world = world();
    world.ok("li", issue(dispatch("2026-04-10"), "order_no"));
    world.registers.last.insert("甲安办".to_owned(), 18);
    world.at("2026-04-13 09:00").tick();
    let no = world.state().proposals[0].no;
    let decide = |approved, reason: Option<&str>| Command::DecideProposal {
        no,
        approved,
        reason: reason.map(str::to_owned),
        issue: true,
    };
    let declined = world.decide(Some("li"), &decide(false, Some("已电话督促")), None).unwrap_err();
    assert_eq!(problem(declined), DocumentProblem::NotHere { allowed: Vec::new() });
    world.run(Some("li"), &decide(true, None)).unwrap();
    assert_eq!(world.acts.last().unwrap().document().unwrap().to_string(), "甲安办〔2026〕19号");
}

#[test]
fn a_number_once_taken_stays_taken_when_its_act_is_taken_back() {
    let mut world = world();
    let before = world.tick().state().clone();
    world.ok("li", issue(dispatch("2026-04-10"), "order_no"));
    world.registers.last.insert("甲安办".to_owned(), 18);
    let back = Command::TakeBack { reason: "单位写错".to_owned(), before: Box::new(before) };
    world.run(Some("li"), &back).unwrap();
    assert_eq!(world.state().text("order_no"), None);
    world.ok("li", issue(dispatch("2026-04-17"), "order_no"));
    assert_eq!(world.state().text("order_no"), Some("甲安办〔2026〕19号"));
}

#[test]
fn only_what_needs_the_registers_waits_for_them() {
    let perform = |perform: Perform| Command::Perform(perform);
    assert!(perform(issue(dispatch("2026-04-10"), "order_no")).issues());
    let typed = perform(dispatch("2026-04-10"));
    assert!(typed.needs_registers() && !typed.issues());
    for free in
        [perform(complete("2026-03-05")), perform(ask("2026-05-29")), perform(act("urge")), Command::Tick]
    {
        assert!(!free.needs_registers() && !free.issues());
    }
}

#[test]
fn two_units_never_share_a_register() {
    let mut world = world();
    let tenant = "county-a".into();
    assert_eq!(world.directory.faults(&tenant), []);
    keep(&mut world, "government", "甲府", Some(u32::MAX));
    let faults = world.directory.faults(&tenant);
    assert!(matches!(&faults[..], [OrganisationFault::RegisterPaper { .. }]), "{faults:?}");
    keep(&mut world, "government", "甲安办", None);
    let twice = OrganisationFault::RegisterTwice { code: "甲安办".to_owned() };
    assert_eq!(world.directory.faults(&tenant), [twice]);
    for bad in ["", " ", "甲 办", "甲〔办", "甲(办", "甲\u{0}", &"甲".repeat(21)] {
        keep(&mut world, "government", bad, None);
        let faults = world.directory.faults(&tenant);
        assert!(matches!(&faults[..], [OrganisationFault::RegisterCode { .. }]), "{bad:?}: {faults:?}");
    }
}
