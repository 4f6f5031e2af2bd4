//! Guards: what they mean, what is refused and where, what made one fail, and which facts matter.

mod assignments;
mod limits;
mod meaning;
mod needs;
mod properties;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use machine::guard::{
    Atom, Fact, Guard, GuardError, GuardFault, MAX_ASSIGNMENTS, Op, TooMany, VarType, Verdict, assignments,
};

type Facts = BTreeMap<String, Fact>;

fn variables() -> BTreeMap<String, VarType> {
    let list = |values: &[&str]| VarType::Enum(values.iter().map(ToString::to_string).collect());
    [
        ("urgent", VarType::Bool),
        ("signed", VarType::Bool),
        ("rectification.missed", VarType::Bool),
        ("count", VarType::Int),
        ("limit", VarType::Int),
        ("spare", VarType::Int),
        ("due", VarType::Date),
        ("today", VarType::Date),
        ("note", VarType::Text),
        ("title", VarType::Text),
        ("level", list(&["general", "major"])),
        ("grade", list(&["major", "general"])),
        ("state", list(&["open", "closed"])),
    ]
    .into_iter()
    .map(|(name, ty)| (name.to_owned(), ty))
    .collect()
}

fn forbidden() -> BTreeSet<String> {
    ["phone", "reporter"].map(str::to_owned).into()
}

fn parse(source: &str) -> Guard {
    match Guard::parse(source, &variables(), &forbidden()) {
        Ok(guard) => guard,
        Err(error) => panic!("{source}\n{}", caret(source, &error)),
    }
}

/// The line to show under the one the error starts in.
fn caret(source: &str, error: &GuardError) -> String {
    let before: String = source.chars().take(error.offset).collect();
    let column = before.chars().rev().take_while(|c| *c != '\n').count();
    let marks = "^".repeat(error.len.max(1));
    format!("{}{marks} {}", " ".repeat(column), told(&error.fault))
}

/// The name of a fault, and its values.
fn told(fault: &GuardFault) -> String {
    let fault = serde_json::to_value(fault).expect("a value");
    let mut told = fault["fault"].as_str().expect("a name").to_owned();
    for (name, value) in fault.as_object().expect("a map").iter().filter(|(name, _)| *name != "fault") {
        match value.as_str() {
            Some(text) => told.push_str(&format!(" {name}={text}")),
            None if value.is_null() => {}
            None => told.push_str(&format!(" {name}={value}")),
        }
    }
    told
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// `count=3 level=major due=2026-06-28 urgent` and so on; `urgent=false` for false.
fn facts(text: &str) -> Facts {
    let types = variables();
    text.split_whitespace()
        .map(|word| {
            let (name, value) = word.split_once('=').unwrap_or((word, "true"));
            let fact = match &types[name] {
                VarType::Bool => Fact::Bool(value.parse().expect("a value of its type")),
                VarType::Int => Fact::Int(value.parse().expect("a value of its type")),
                VarType::Date => Fact::Date(day(value)),
                VarType::Text | VarType::Enum(_) => Fact::Text(value.to_owned()),
            };
            (name.to_owned(), fact)
        })
        .collect()
}

fn verdict(guard: &Guard, facts: &Facts) -> Verdict {
    guard.evaluate(&|name| facts.get(name).cloned())
}

/// Each case: the facts, and `""` if the guard holds, else the atoms that made it fail.
#[track_caller]
fn check(source: &str, cases: &[(&str, &str)]) {
    let guard = parse(source);
    assert_eq!(guard.to_string(), source);
    for (given, expected) in cases {
        let actual = match verdict(&guard, &facts(given)) {
            Verdict::Holds => String::new(),
            Verdict::Fails { atoms } if atoms.is_empty() => "nothing helps".to_owned(),
            Verdict::Fails { atoms } => {
                atoms.iter().map(|atom| guard.atoms()[*atom].to_string()).collect::<Vec<_>>().join("; ")
            }
        };
        assert_eq!(actual, *expected, "{source} with {given:?}");
    }
}

/// The refusal as it stands under the source: the carets, and what is wrong with its values.
#[track_caller]
fn check_refused(source: &str, expected: &str) {
    let error = Guard::parse(source, &variables(), &forbidden()).expect_err(source);
    assert_eq!(caret(source, &error), expected, "\n{source}");
    assert_place(source, &error);
}

/// It covers something, or stands behind the last character.
#[track_caller]
fn assert_place(source: &str, error: &GuardError) {
    let (end, chars) = (error.offset + error.len, source.chars().count());
    assert!(end <= chars && (error.len > 0 || end == chars), "{source:?} {error:?}");
}

#[track_caller]
fn check_atoms(source: &str, expected: &[&str]) {
    let atoms: Vec<String> = parse(source).atoms().iter().map(Atom::to_string).collect();
    assert_eq!(atoms, expected, "{source}");
}
