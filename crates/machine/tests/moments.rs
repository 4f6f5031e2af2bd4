//! Moments: dates with a time and an offset, given by a record or an order.

use std::collections::BTreeMap;

use machine::act::Auth;
use machine::command::{Decision, Directory, Perform};
use machine::guard::Need;
use machine::state::Subject;
use machine::time::Due;
use machine::value::Value;
use machine::{Command, Definition, Facts, Instant, Person, Refusal, State};

const FILE: &str = r#"
workflow: answer
edition: "1"
title: {zh: 答复, en: Answer}
numbering: A
calendar: us-east
obligations: none
roles:
  clerk: {title: {zh: 经办人, en: Clerk}}
fields:
  opened: {title: {zh: 开始, en: Opened}, type: moment}
  target: {title: {zh: 期限, en: Target}, type: moment}
  answered: {title: {zh: 答复时间, en: Answered}, type: moment}
tracks:
  main:
    title: {zh: 主线, en: Main}
    initial: open
    states:
      open: {title: {zh: 待答复, en: Open}, rest: true}
      done: {title: {zh: 已答复, en: Done}, outcome: recorded}
deadlines:
  clock:
    title: {zh: 期限, en: Target}
    kind: legal
    charged_to: regulator
    owner: clerk
    term: {at: target}
    ladder: target
ladders:
  target:
    - {rung: before, at: -1h, do: remind, to: [owner]}
    - {rung: after, at: +1h, do: mark, to: [owner]}
acts:
  open:
    title: {zh: 登记, en: Open}
    opens: true
    by: [clerk]
    requires: [opened]
    accepts: [target]
    when: "!has(target) || target >= opened"
    then:
      - if: "has(target)"
        start: clock
  answer:
    title: {zh: 答复, en: Answer}
    by: [clerk]
    in: {main: open}
    requires: [answered]
    when: "answered >= opened"
    then:
      - if: "clock.running"
        meet: clock
      - move: {main: done}
"#;

fn definition(text: &str) -> Result<Definition, Vec<machine::Problem>> {
    let file = machine::file::parse("answer.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    Definition::compile(&file, &BTreeMap::new())
}

fn decide(
    definition: &Definition,
    state: Option<&State>,
    now: &str,
    command: &Command,
) -> Result<Decision, Refusal> {
    let directory: Directory = serde_json::from_value(serde_json::json!({
        "calendar": "us-east",
        "units": [{ "id": "office", "name": "An invented office", "kind": "department" }],
        "posts": [{ "id": "desk", "person": "ann", "unit": "office", "roles": ["clerk"] }],
    }))
    .expect("well formed");
    let calendars = calendar::shipped();
    let calendar =
        calendars.iter().find(|calendar| calendar.id() == directory.calendar()).expect("well formed");
    let actor = Person { person: "ann".into(), post: "desk".into(), unit: "office".into() };
    let tenant = "somewhere".into();
    let facts = Facts {
        tenant: &tenant,
        case: uuid::Uuid::from_u128(7),
        now: now.parse().expect("an instant"),
        actor: (*command != Command::Tick).then_some(&actor),
        auth: Auth::Asserted,
        key: None,
        calendar,
        directory: &directory,
        expected_version: None,
        number: Some("A-2016-000001"),
        linked: None,
        hands: machine::command::NOBODY,
        registers: machine::register::Registers::NONE,
        salt: &[7; 32],
    };
    machine::decide(definition, state, command, &facts)
}

fn act(name: &str, fields: &[(&str, &str)]) -> Command {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned())));
    Command::Perform(Perform { act: name.to_owned(), fields: fields.collect(), ..Perform::default() })
}

/// Opened half an hour into the hour the clocks of New York showed twice, due an hour and a second later.
const OPENED: (&str, &str) = ("opened", "2016-11-06T01:30:00-04:00");
const TARGET: (&str, &str) = ("target", "2016-11-06T01:30:01-05:00");

#[test]
fn the_moment_itself_is_in_time_and_the_next_microsecond_is_not() {
    let definition = definition(FILE).expect("well formed");
    let opened = decide(&definition, None, OPENED.1, &act("open", &[OPENED, TARGET])).unwrap().state;
    let due: Instant = TARGET.1.parse().expect("well formed");
    let clock = opened.deadline("clock", Subject::Case).expect("well formed");
    assert_eq!((clock.due, clock.breach_at), (Due::Moment(due), due.plus_micros(1)));
    assert_eq!(clock.schedule.len(), 2, "the rung an hour before lies a second after the opening");
    for (now, missed) in [(due, false), (due.plus_micros(1), true)] {
        let state = decide(&definition, Some(&opened), &now.to_string(), &Command::Tick).unwrap().state;
        let clock = state.deadline("clock", Subject::Case).unwrap();
        assert_eq!(clock.missed_at.is_some(), missed, "{now}");
        let later = act("answer", &[("answered", &now.to_string())]);
        let answered = decide(&definition, Some(&state), &now.to_string(), &later).unwrap().state;
        let projection = machine::project::project(&definition, &answered);
        let overdue = projection.progress.overdue(now).1;
        assert_eq!((projection.regulator_breach, overdue), (missed, false));
    }
}

#[test]
fn guards_compare_moments_whatever_their_offset() {
    let definition = definition(FILE).unwrap();
    let opened = decide(&definition, None, OPENED.1, &act("open", &[OPENED])).unwrap().state;
    assert_eq!(opened.deadlines, [], "no target, no clock");
    // 06:29 UTC shows later on the wall than 01:30 at -04:00 but lies before it; 05:31 UTC lies after it.
    let at = |answered: &str| {
        decide(&definition, Some(&opened), "2016-11-07T00:00:00Z", &act("answer", &[("answered", answered)]))
    };
    let refused = at("2016-11-06T05:29:59Z").unwrap_err();
    let Refusal::Guard { needs, .. } = &refused else { panic!("{refused:?}") };
    let [Need::Condition(condition)] = needs.as_slice() else { panic!("{needs:?}") };
    assert_eq!(condition.text, "answered >= opened");
    assert!(at("2016-11-06T05:30:00Z").is_ok());
    let early = act("open", &[OPENED, ("target", "2016-11-06T01:29:59-04:00")]);
    assert!(matches!(decide(&definition, None, OPENED.1, &early), Err(Refusal::Guard { .. })));
}

#[test]
fn what_is_no_moment_is_refused() {
    let definition = definition(FILE).unwrap();
    for text in ["2016-11-06", "2016-11-06 01:30:00", "2016-11-06T01:30:00", "2016-13-06T01:30:00Z", "soon"] {
        let refused = decide(&definition, None, OPENED.1, &act("open", &[("opened", text)])).unwrap_err();
        assert_eq!(refused.code(), "BH0011", "{text}");
    }
    let both = FILE.replace("{at: target}", "{at: target, hours: 3}");
    let date = FILE.replace(
        "target: {title: {zh: 期限, en: Target}, type: moment}",
        "target: {title: {zh: 期限, en: Target}, type: date}",
    );
    for (file, code) in [(both, "WF0019"), (date, "WF0012")] {
        let findings = codes(&file);
        assert!(findings.contains(&code), "{code}: {findings:?}");
    }
}

fn codes(text: &str) -> Vec<&'static str> {
    definition(text).expect_err("it compiled").into_iter().map(|finding| finding.code).collect()
}
