//! Files that say something else than their author meant are refused, with the place.

use std::collections::BTreeMap;

use calendar::yaml::ReadFault;
use machine::file::FileError;
use machine::{Definition, Problem};

const SMALL: &str = include_str!("small.yaml");

/// The small good file with one place changed.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(SMALL.matches(from).count(), 1, "{from}");
    SMALL.replace(from, to)
}

fn unreadable(from: &str, to: &str) -> FileError {
    machine::file::parse("small.yaml", &changed(from, to)).err().unwrap_or_else(|| panic!("{to} is read"))
}

fn findings(text: &str) -> Vec<Problem> {
    let file = machine::file::parse("small.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    Definition::compile(&file, &BTreeMap::new()).err().unwrap_or_default()
}

/// The line a text stands on, from 1.
fn line_of(text: &str) -> u64 {
    let before = SMALL.split(text).next().unwrap();
    u64::try_from(before.lines().count()).unwrap()
}

/// A number is a whole number or `$name`. A forgotten `$` and a quoted number were once read as 0.
#[test]
fn what_is_no_number_is_not_read_as_one() {
    let term = "term: { working_days: 3 }, ladder: steps }\n  stoppage";
    let rung = ", every_working_days: 10";
    for value in ["\"5\"", "closing_days", "'$'x", "-1", "1.5", "4294967296", "true", "[1]"] {
        for (from, to) in [(term, term.replace('3', value)), (rung, format!(", every_working_days: {value}"))]
        {
            let error = unreadable(from, &to);
            assert_eq!(error.line, line_of(from), "{value}: {error}");
            assert!(error.column > 20 && error.excerpt.contains("  ^"), "{value}: {error}");
        }
    }
    // A dollar with no parameter behind it is found when the file is compiled.
    let found = findings(&changed(term, &term.replace('3', "$closing_days")));
    assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["WF0004"]);
    // Written right, the parameter counts.
    let text = changed(term, &term.replace('3', "$closing_days"));
    let text =
        text.replace("roles:\n", "parameters:\n  closing_days: { default: 7, min: 1, max: 9 }\nroles:\n");
    let file = machine::file::parse("small.yaml", &text).unwrap();
    let definition = Definition::compile(&file, &BTreeMap::new()).unwrap();
    let days = definition.deadline("closing").unwrap().term.working_days.clone();
    assert_eq!(days, Some(machine::file::Number::Value(7)));
}

#[test]
fn control_characters_and_merge_keys_are_refused_with_their_place() {
    for bad in ["T\\0", "T\\e[31m", "\\u202Eesolc"] {
        let error = unreadable("en: Small loop }", &format!("en: \"{bad}\" }}"));
        assert_eq!(error.line, line_of("en: Small loop }"), "{error}");
        assert_eq!(*error.fault, ReadFault::ControlCharacters, "{error}");
    }
    let merge = unreadable("closing: { title", "closing: { <<: { kind: duty }, title");
    assert_eq!(merge.line, line_of("closing: { title"), "{merge}");
    assert_eq!(*merge.fault, ReadFault::MergeKey, "{merge}");
    // In what is no title, and in names, they are found with all other findings.
    for (from, to, path) in [
        ("numbering: S", "numbering: \"S\\a\"", "numbering"),
        ("rung: letter, at", "rung: \"let\\0ter\", at", "ladders.steps[1].rung"),
        ("      stopped: { title", "      \"st\\bop\": { title", "tracks.plant_work.states.st\u{fffd}op"),
    ] {
        let found = findings(&changed(from, to));
        assert!(found.iter().any(|found| found.code == "WF0036" && found.path == path), "{found:?}");
        assert!(found.iter().all(|found| !found.path.contains(char::is_control)), "{found:?}");
    }
}

/// What is counted is bounded, so that no date leaves the calendar and stops a case for good.
#[test]
fn numbers_are_bounded() {
    let every = ", every_working_days: 10";
    let days = "working_days: 20";
    for (from, to, code) in [
        (every, ", every_working_days: 3661", "WF0034"),
        (every, ", every_working_days: 60000", "WF0034"),
        (every, ", every_working_days: 0", "WF0034"),
        (every, ", every_working_days: 10, if_term_at_least: 3661", "WF0034"),
        (days, "working_days: 3661", "WF0034"),
        (days, "calendar_days: 0", "WF0034"),
        (days, "months: 123", "WF0034"),
        (days, "hours: 87841", "WF0034"),
        (
            "type: date, after_today: true }\n  called_at",
            "type: date, within_days: 3661 }\n  called_at",
            "WF0034",
        ),
        ("least: 2", "least: 101", "WF0034"),
        ("at: -1wd", "at: -2147483648wd", "WF0021"),
        ("at: -1wd", "at: -3661wd", "WF0021"),
        ("at: -1wd", "at: +2147483648h", "WF0021"),
    ] {
        let found = findings(&changed(from, to));
        assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), [code], "{to}");
    }
    for (from, to) in [
        (every, ", every_working_days: 3660"),
        (days, "working_days: 3660"),
        (days, "months: 122"),
        (days, "hours: 87840"),
        ("at: -1wd", "at: -3660wd"),
    ] {
        assert_eq!(findings(&changed(from, to)), [], "{to}");
    }
    let evidence = changed(
        "    counts_as: completion_report",
        "    evidence: { photo: 101 }\n    counts_as: completion_report",
    );
    assert_eq!(findings(&evidence)[0].code, "WF0034");
}

/// A separation rule for officers the act does not name would bar nobody.
#[test]
fn officers_who_stand_apart_are_named() {
    let found = findings(&changed("    officers: { least: 2, role: inspector }\n", ""));
    let found: Vec<_> = found.iter().map(|found| (found.code, found.path.as_str())).collect();
    assert_eq!(found, [("WF0035", "acts.pass.apart.officers")]);
}

/// A byte tells the values of a choice apart, and the checker needs a few of them for itself.
#[test]
fn a_choice_has_at_most_200_values() {
    let with = |count: usize| {
        let choices: String = (0..count).map(|n| format!("      c{n}: {{ zh: 甲, en: A }}\n")).collect();
        let kind =
            format!("  kind:\n    title: {{ zh: 类, en: Kind }}\n    type: choice\n    choices:\n{choices}");
        findings(&changed("fields:\n", &format!("fields:\n{kind}")))
    };
    assert_eq!(with(200), []);
    let found = with(201);
    assert_eq!((found.len(), found[0].code, found[0].path.as_str()), (1, "WF0005", "fields.kind"));
}
