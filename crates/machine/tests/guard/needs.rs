//! What a guard that fails still needs: signs, alternatives, and both together.

use machine::guard::Need;

use super::{facts, parse};

/// In the notation of the file, alternatives in brackets.
fn told(need: &Need) -> String {
    let join = |needs: &[Need], by: &str| needs.iter().map(told).collect::<Vec<_>>().join(by);
    match need {
        Need::Condition(condition) => condition.text.clone(),
        Need::AllOf(needs) => join(needs, " & "),
        Need::AnyOf(needs) => format!("({})", join(needs, " | ")),
    }
}

fn needs(source: &str, given: &str) -> Option<Vec<Need>> {
    let facts = facts(given);
    parse(source).needs(&|name| facts.get(name).cloned())
}

#[track_caller]
fn check(source: &str, given: &str, expected: &[&str]) {
    let needs = needs(source, given).expect("it fails");
    let needs: Vec<String> = needs.iter().map(told).collect();
    assert_eq!(needs, expected, "{source} with {given:?}");
}

#[test]
fn what_is_negated_is_needed_the_other_way_round() {
    check("!urgent", "urgent", &["!urgent"]);
    check("!has(note)", "note=x", &["!has(note)"]);
    check("!(count > 3)", "count=4", &["!(count > 3)"]);
    check("urgent && !signed", "signed", &["urgent", "!signed"]);
    // Both negations of an alternative are needed.
    check("!(urgent || signed)", "urgent signed", &["!urgent", "!signed"]);
}

#[test]
fn alternatives_are_told_as_such() {
    check("has(note) || has(title)", "", &["(has(note) | has(title))"]);
    check("!(urgent && signed)", "urgent signed", &["(!urgent | !signed)"]);
    check(
        "(has(note) || has(title)) && (state == 'open' || (urgent && signed))",
        "signed",
        &["(has(note) | has(title))", "(state == 'open' | urgent)"],
    );
    check("urgent || (signed && has(note))", "", &["(urgent | signed & has(note))"]);
    // What holds already is not asked for again, and nothing is asked for twice.
    check("urgent && (urgent && signed)", "", &["urgent", "signed"]);
    check("(urgent && signed) || (!urgent && !signed)", "urgent", &["(signed | !urgent)"]);
}

#[test]
fn a_guard_that_holds_needs_nothing_and_one_beyond_help_names_nothing() {
    assert_eq!(needs("urgent || signed", "signed"), None);
    check("false", "", &[]);
    check("urgent && false", "", &[]);
    check("urgent || false", "", &["urgent"]);
}

#[test]
fn it_is_known_what_hangs_on_fields_alone_and_what_is_known_stands_beside() {
    let is_field = |name: &str| matches!(name, "note" | "title" | "count");
    let hangs = |source: &str| {
        let needs = needs(source, "limit=3").expect("it fails");
        needs.iter().map(|need| need.hangs_on(&is_field)).collect::<Vec<_>>()
    };
    assert_eq!(hangs("has(note) && urgent"), [true, false]);
    assert_eq!(hangs("has(note) || urgent"), [true]);
    assert_eq!(hangs("(has(note) && urgent) || signed"), [false]);
    assert_eq!(hangs("count <= limit"), [true]);
    let needs = needs("count <= limit", "limit=3").expect("it fails");
    let [Need::Condition(condition)] = needs.as_slice() else { panic!("{needs:?}") };
    assert_eq!(condition.known.keys().collect::<Vec<_>>(), ["limit"]);
}
