//! Guards: what they mean, what is refused and where, what made one fail, and which facts matter.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use machine::guard::{
    Atom, Fact, Guard, GuardError, GuardErrorKind, MAX_ASSIGNMENTS, Op, TooMany, VarType, Verdict,
    assignments,
};
use proptest::prelude::*;

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
    format!("{}{marks} {}: {}", " ".repeat(column), error.kind.code(), error.message)
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

/// The refusal as a reader sees it under the source: the carets, the code and the sentence.
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

// ---- Meaning ----

#[test]
fn a_bool_variable_is_a_condition() {
    check("urgent", &[("urgent", ""), ("urgent=false", "urgent"), ("", "urgent")]);
    check("rectification.missed", &[("rectification.missed", ""), ("", "rectification.missed")]);
    check("urgent == true", &[("urgent", ""), ("urgent=false", "urgent"), ("", "urgent")]);
    check("urgent != false", &[("urgent", ""), ("urgent=false", "urgent"), ("", "urgent")]);
    check("urgent == false", &[("urgent=false", ""), ("urgent", "urgent == false"), ("", "urgent == false")]);
    check("true != urgent", &[("urgent=false", ""), ("urgent", "urgent == false"), ("", "urgent == false")]);
    check(
        "urgent == signed",
        &[
            ("urgent signed", ""),
            ("urgent=false signed=false", ""),
            ("urgent signed=false", "urgent == signed"),
            ("urgent", "urgent == signed"),
        ],
    );
}

#[test]
fn numbers_compare() {
    check("count < 3", &[("count=2", ""), ("count=3", "count < 3"), ("", "count < 3")]);
    check("count <= 3", &[("count=3", ""), ("count=4", "count <= 3")]);
    check("count > 3", &[("count=4", ""), ("count=3", "count > 3")]);
    check("count >= 3", &[("count=3", ""), ("count=2", "count >= 3")]);
    check("count == -3", &[("count=-3", ""), ("count=3", "count == -3")]);
    check("count != 3", &[("count=2", ""), ("count=3", "count != 3"), ("", "count != 3")]);
    check("3 < count", &[("count=4", ""), ("count=3", "count > 3")]);
    check("count in [1, -2]", &[("count=-2", ""), ("count=2", "count in [1, -2]"), ("", "count in [1, -2]")]);
    check(
        "count >= limit",
        &[("count=3 limit=3", ""), ("count=2 limit=3", "count >= limit"), ("count=2", "count >= limit")],
    );
    check("count == -9223372036854775808", &[("count=-9223372036854775808", "")]);
}

#[test]
fn dates_compare() {
    check("due < '2026-06-28'", &[("due=2026-06-27", ""), ("due=2026-06-28", "due < '2026-06-28'")]);
    check("'2026-06-28' < due", &[("due=2026-06-29", ""), ("due=2026-06-28", "due > '2026-06-28'")]);
    check(
        "due in [\"2026-06-28\", '2026-07-01']",
        &[("due=2026-07-01", ""), ("due=2026-06-29", "due in ['2026-06-28', '2026-07-01']")],
    );
    check("today > due", &[("today=2027-01-01 due=2026-12-31", ""), ("today=2027-01-01", "today > due")]);
    check("due == '2028-02-29'", &[("due=2028-02-29", "")]);
}

#[test]
fn texts_and_lists_of_values_compare() {
    check(
        "level == 'major'",
        &[("level=major", ""), ("level=general", "level == 'major'"), ("", "level == 'major'")],
    );
    check(
        "level != 'major'",
        &[("level=general", ""), ("level=major", "level != 'major'"), ("", "level != 'major'")],
    );
    check("state in ['open', 'closed']", &[("state=open", ""), ("", "state in ['open', 'closed']")]);
    check(
        "level == grade",
        &[("level=major grade=major", ""), ("level=major grade=general", "level == grade")],
    );
    check("note == '整改'", &[("note=整改", ""), ("note=x", "note == '整改'")]);
    check(
        "note != title",
        &[("note=a title=b", ""), ("note=a title=a", "note != title"), ("note=a", "note != title")],
    );
    check(r#"note == "it's" "#, &[("note=it's", ""), ("note=its", r"note == 'it\'s'")]);
    check(r"note in ['\\', '\'\'']", &[("note=\\", ""), ("note=''", ""), ("", r"note in ['\\', '\'\'']")]);
}

#[test]
fn presence_is_asked_with_has() {
    check("has(count)", &[("count=0", ""), ("", "has(count)")]);
    check(
        "has(rectification.missed)",
        &[("rectification.missed=false", ""), ("", "has(rectification.missed)")],
    );
    check("!has(urgent)", &[("", ""), ("urgent=false", "has(urgent)")]);
}

#[test]
fn an_absent_variable_differs_between_unequal_and_not_equal() {
    check("state != 'closed'", &[("", "state != 'closed'")]);
    check("!(state == 'closed')", &[("", ""), ("state=closed", "state == 'closed'")]);
}

#[test]
fn and_binds_before_or_and_not_before_both() {
    check(
        "urgent || signed && has(note)",
        &[("urgent", ""), ("signed note=x", ""), ("note=x", "urgent; signed")],
    );
    check("(urgent || signed) && has(note)", &[("urgent", "has(note)"), ("note=x", "urgent; signed")]);
    check("!urgent && signed", &[("signed", ""), ("urgent signed", "urgent")]);
    check("!(urgent && signed)", &[("signed", ""), ("urgent signed", "urgent; signed")]);
    check("!!urgent", &[("urgent", ""), ("", "urgent")]);
    check("urgent\n\t&& signed\r\n", &[("urgent signed", ""), ("urgent", "signed")]);
}

#[test]
fn the_atoms_that_made_it_fail_are_named() {
    check(
        "urgent && signed && count > 3",
        &[("", "urgent; signed; count > 3"), ("signed", "urgent; count > 3"), ("urgent signed", "count > 3")],
    );
    check("urgent || count > 3", &[("", "urgent; count > 3")]);
    check("!(urgent || signed)", &[("urgent", "urgent"), ("urgent signed", "urgent; signed")]);
    check("(urgent && signed) || (has(note) && has(title))", &[("urgent note=x", "signed; has(title)")]);
    // The same atom wanted both ways: turning all of them round would not help
    check("(urgent && signed) || (!urgent && !signed)", &[("urgent", "signed"), ("signed", "urgent")]);
    check("(urgent || signed) && !urgent", &[("urgent", "urgent; signed")]);
    check(
        "(urgent || signed) && ((has(note) && has(title)) || (!has(note) && !has(title)))",
        &[("urgent signed note=x", "has(title)")],
    );
    // No more of them than needed
    check(
        "(signed || urgent) && ((urgent && has(note)) || (!urgent && !has(note)))",
        &[("note=x", "urgent")],
    );
    check("urgent && !urgent", &[("urgent", "urgent"), ("", "urgent")]);
}

#[test]
fn literals_true_and_false_have_no_atom() {
    check("true", &[("", "")]);
    check("false", &[("", "nothing helps")]);
    check("urgent && false", &[("urgent", "nothing helps"), ("", "nothing helps")]);
    check("urgent || false", &[("urgent", ""), ("", "urgent")]);
    check("!(urgent || true)", &[("", "nothing helps")]);
    check("!(urgent && true)", &[("urgent", "urgent")]);
}

#[test]
fn a_fact_of_another_type_counts_as_absent() {
    let guard = parse("count != 3 || due == today || level != 'major' || urgent || count in [1]");
    let wrong = |name: &str| Some(if name == "count" { Fact::Bool(true) } else { Fact::Int(0) });
    let holds = guard.evaluate(&|name| if name == "due" || name == "today" { None } else { wrong(name) });
    assert_eq!(holds, Verdict::Fails { atoms: vec![0, 1, 2, 3, 4] });
}

#[test]
fn atoms_are_distinct_and_in_order_of_appearance() {
    check_atoms("signed && (urgent || signed) && !urgent", &["signed", "urgent"]);
    check_atoms("count > 3 || 3 < count || !(count > 3)", &["count > 3"]);
    check_atoms("urgent == true && urgent && true == urgent", &["urgent"]);
    check_atoms("count != 3 && !(count == 3)", &["count != 3", "count == 3"]);
    check_atoms(
        "has(note) && note in ['b', \"a\"] && due<='2026-06-28' && level!=grade",
        &["has(note)", "note in ['b', 'a']", "due <= '2026-06-28'", "level != grade"],
    );
    let guard = parse("3 >= count");
    let expected = Atom::Compare { variable: "count".to_owned(), op: Op::Le, value: Fact::Int(3) };
    assert_eq!(guard.atoms(), [expected]);
    let mentioned: Vec<&str> = guard.variables().keys().map(String::as_str).collect();
    assert_eq!(mentioned, ["count"]);
}

#[test]
fn holds_with_takes_the_truth_of_each_atom() {
    let guard = parse("urgent && (signed || !has(note))");
    let table: Vec<bool> = (0..8_usize).map(|bits| guard.holds_with(&|atom| bits >> atom & 1 == 1)).collect();
    assert_eq!(table, [false, true, false, true, false, false, false, true]);
}

// ---- Refusals ----

#[test]
fn what_does_not_fit_together_is_refused_where_it_stands() {
    check_refused("", "^ guard-empty: the guard is empty; leave the key out if there is no condition");
    check_refused(" \t", "^^ guard-empty: the guard is empty; leave the key out if there is no condition");
    check_refused("urgent &&", "         ^ guard-syntax: the guard ends too early");
    check_refused("(urgent", "       ^ guard-syntax: the guard ends too early; a bracket is still open");
    check_refused("urgent)", "      ^ guard-syntax: `)` closes no bracket");
    check_refused("level in ['major')", "                 ^ guard-syntax: `)` closes no bracket");
    check_refused("urgent signed", "       ^^^^^^ guard-syntax: `signed` is not expected here");
    check_refused(
        "urgent and signed",
        "       ^^^ guard-syntax: `and` is not expected here; and is written &&",
    );
    check_refused("urgent OR signed", "       ^^ guard-syntax: `OR` is not expected here; or is written ||");
    check_refused("urgent || && signed", "          ^^ guard-syntax: `&&` is not expected here");
    check_refused("()", " ^ guard-syntax: `)` is not expected here");
    check_refused("count = 3", "      ^ guard-syntax: equality is written ==");
    check_refused("urgent & signed", "       ^ guard-syntax: and is written &&");
    check_refused("urgent | signed", "       ^ guard-syntax: or is written ||");
    check_refused("note == 'open", "        ^^^^^ guard-syntax: the text is not closed");
    check_refused("note == 'a\nb'", "        ^^ guard-syntax: the text is not closed");
    // Behind wide characters and on a later line
    check_refused(
        "note == '整改'\n  && urgent signed",
        "            ^^^^^^ guard-syntax: `signed` is not expected here",
    );
    check_refused("note == '整改' urgent", "             ^^^^^^ guard-syntax: `urgent` is not expected here");
}

#[test]
fn the_rest_of_cel_is_refused_by_name() {
    check_refused(
        "count + 1 > 3",
        "      ^ guard-unsupported: a guard does not calculate: `+` has no place in it",
    );
    check_refused(
        "count -1 > 3",
        "      ^ guard-unsupported: a guard does not calculate: `-` has no place in it",
    );
    check_refused(
        "count > --1",
        "        ^ guard-unsupported: a guard does not calculate: `-` has no place in it",
    );
    check_refused("-count > 1", "^ guard-unsupported: a guard does not calculate: `-` has no place in it");
    check_refused(
        "count % 2 == 0",
        "      ^ guard-unsupported: a guard does not calculate: `%` has no place in it",
    );
    check_refused(
        "urgent // always",
        "       ^^^^^^^^^ guard-unsupported: a guard has no comments; write them beside it in the file",
    );
    check_refused(
        "size(note) > 3",
        "^^^^ guard-unsupported: a guard calls nothing but has(name), so not `size`",
    );
    check_refused(
        "note.startsWith('a')",
        "^^^^^^^^^^^^^^^ guard-unsupported: a guard calls nothing but has(name), so not `note.startsWith`",
    );
    check_refused(
        "level.exists(x, x == 'a')",
        "^^^^^^^^^^^^ guard-unsupported: a guard calls nothing but has(name), so not `level.exists`",
    );
    check_refused("has(note, title)", "^^^ guard-unsupported: has takes the name of one variable: has(name)");
    check_refused("has('note')", "^^^ guard-unsupported: has takes the name of one variable: has(name)");
    check_refused("has", "^^^ guard-unsupported: has takes the name of one variable: has(name)");
    check_refused(
        "urgent ? signed : true",
        "       ^ guard-unsupported: there is no choice between values; write (a && b) || (!a && c)",
    );
    check_refused("note in {'a': 1}", "        ^ guard-unsupported: there are no maps in guards");
    check_refused(
        "note[0] == 'a'",
        "    ^ guard-unsupported: a list stands only behind `in`; nothing is taken by its number",
    );
    check_refused(
        "[1] == [1]",
        "^ guard-unsupported: a list stands only behind `in`; nothing is taken by its number",
    );
    check_refused(
        "note in title",
        "     ^^ guard-unsupported: `in` is followed by a list of values: name in ['a', 'b']",
    );
    check_refused("note in [title]", "         ^^^^^ guard-unsupported: a list holds literals only");
    check_refused("count in [1, (2)]", "             ^ guard-unsupported: a list holds literals only");
    check_refused(
        "level in [level in ['major']]",
        "                ^^ guard-unsupported: a list holds literals only",
    );
    check_refused(
        "1 < count < 3",
        "          ^ guard-unsupported: comparisons do not chain; join them with &&",
    );
    check_refused(
        "note == null",
        "        ^^^^ guard-unsupported: there is no null; has(name) asks whether a variable is known",
    );
    check_refused(
        "count > 1.5",
        "        ^^^ guard-unsupported: `1.5` is not a whole number in decimal digits",
    );
    check_refused("count > 3u", "        ^^ guard-unsupported: `3u` is not a whole number in decimal digits");
    check_refused(
        "count > -0x10",
        "        ^^^^^ guard-unsupported: `-0x10` is not a whole number in decimal digits",
    );
    check_refused(
        "note == r'a'",
        "        ^ guard-unsupported: a text is written in plain quotes, without `r` in front",
    );
    check_refused(
        "note == '''a'''",
        "        ^^^ guard-unsupported: a text is written in single or double quotes, not in triple ones",
    );
    check_refused(
        r"note == 'a\nb'",
        r#"          ^ guard-unsupported: a backslash stands only before a quote or another backslash: \' \" \\"#,
    );
    check_refused(
        "if && urgent",
        "^^ guard-unsupported: `if` is a word of the notation and cannot be part of a name here",
    );
    check_refused(
        "a.in && urgent",
        "^^^^ guard-unsupported: `in` is a word of the notation and cannot be part of a name here",
    );
    check_refused(".urgent", "^ guard-unsupported: a dot only joins the parts of a name, without spaces");
    check_refused(
        "rectification .missed",
        "              ^ guard-unsupported: a dot only joins the parts of a name, without spaces",
    );
    check_refused("`urgent`", "^ guard-unsupported: names are not quoted");
    check_refused("urgent; signed", "      ^ guard-unsupported: `;` is not part of the notation");
    check_refused(
        "整改 == 'a'",
        "^ guard-unsupported: `整` is not part of the notation: names and signs are plain ASCII, other writing goes in quotes",
    );
    check_refused("note == ‘a’", "        ^ guard-unsupported: write straight quotes: 'text'");
    check_refused(
        "note == 'a\u{202e}b'",
        "          ^ guard-unsupported: the text has an invisible character (U+202E)",
    );
    check_refused("urgent\u{200b}", "      ^ guard-unsupported: an invisible character (U+200B)");
}

#[test]
fn unknown_variables_are_refused_with_the_nearest_name() {
    check_refused(
        "urgnet",
        "^^^^^^ guard-unknown-variable: there is no variable `urgnet`; did you mean `urgent`?",
    );
    check_refused(
        "urgent && cuont > 3",
        "          ^^^^^ guard-unknown-variable: there is no variable `cuont`; did you mean `count`?",
    );
    check_refused(
        "has(tittle)",
        "    ^^^^^^ guard-unknown-variable: there is no variable `tittle`; did you mean `title`?",
    );
    check_refused(
        "rectification.mised",
        "^^^^^^^^^^^^^^^^^^^ guard-unknown-variable: there is no variable `rectification.mised`; did you mean `rectification.missed`?",
    );
    check_refused(
        "rectification",
        "^^^^^^^^^^^^^ guard-unknown-variable: there is no variable `rectification`; did you mean `rectification.missed`?",
    );
    check_refused("weather == 'fine'", "^^^^^^^ guard-unknown-variable: there is no variable `weather`");
    check_refused(
        "note == '整改' && wether",
        "                ^^^^^^ guard-unknown-variable: there is no variable `wether`",
    );
    check_refused(
        "level == major",
        "         ^^^^^ guard-unknown-variable: there is no variable `major`; the value is written in quotes: 'major'",
    );
    check_refused(
        "major != level",
        "^^^^^ guard-unknown-variable: there is no variable `major`; the value is written in quotes: 'major'",
    );
}

#[test]
fn personal_fields_are_refused() {
    check_refused(
        "has(phone)",
        "    ^^^^^ guard-personal-field: personal field `phone` may not be used in a guard",
    );
    check_refused(
        "urgent || phone == '1'",
        "          ^^^^^ guard-personal-field: personal field `phone` may not be used in a guard",
    );
    check_refused(
        "reporter.name == 'a'",
        "^^^^^^^^^^^^^ guard-personal-field: personal field `reporter.name` may not be used in a guard",
    );
    // Even if it was handed in as a variable
    let variables = BTreeMap::from([("phone".to_owned(), VarType::Text)]);
    let error = Guard::parse("has(phone)", &variables, &forbidden()).unwrap_err();
    assert_eq!(error.kind, GuardErrorKind::PersonalField);
}

#[test]
fn types_are_checked() {
    check_refused(
        "count",
        "^^^^^ guard-type: `count` is a whole number, not a condition; compare it with something",
    );
    check_refused("urgent && 'a'", "          ^^^ guard-type: 'a' is a text, not a condition");
    check_refused("!3", " ^ guard-type: 3 is a whole number, not a condition");
    check_refused("count == 'a'", "         ^^^ guard-type: `count` is a whole number, and 'a' is a text");
    check_refused("due == 3", "       ^ guard-type: `due` is a date, and 3 is a whole number");
    check_refused("note == true", "        ^^^^ guard-type: `note` is a text, and true is true or false");
    check_refused(
        "note < 'b'",
        "^^^^^^^^^^ guard-type: `note` is a text, which has no order; `<` is for numbers and dates",
    );
    check_refused(
        "'b' < note",
        "^^^^^^^^^^ guard-type: `note` is a text, which has no order; `>` is for numbers and dates",
    );
    check_refused(
        "level >= 'major'",
        "^^^^^^^^^^^^^^^^ guard-type: `level` is one of a list of values, which has no order; `>=` is for numbers and dates",
    );
    check_refused(
        "level >= grade",
        "^^^^^^^^^^^^^^ guard-type: `level` is one of a list of values, which has no order; `>=` is for numbers and dates",
    );
    check_refused(
        "urgent > false",
        "^^^^^^^^^^^^^^ guard-type: `urgent` is true or false, which has no order; `>` is for numbers and dates",
    );
    check_refused(
        "urgent in [true]",
        "^^^^^^^^^^^^^^^^ guard-type: `urgent` is true or false; ask `urgent` or `!urgent`",
    );
    check_refused(
        "count == due",
        "^^^^^^^^^^^^ guard-type: `count` is a whole number and `due` is a date: they do not compare",
    );
    check_refused(
        "level == state",
        "^^^^^^^^^^^^^^ guard-type: `level` and `state` have different lists of values",
    );
    check_refused(
        "level == note",
        "^^^^^^^^^^^^^ guard-type: `level` is one of a list of values and `note` is a text: they do not compare",
    );
    check_refused("count == count", "^^^^^^^^^^^^^^ guard-type: `count` is compared with itself");
    check_refused("1 == 1", "^^^^^^ guard-type: two literals: the outcome never changes");
    check_refused("1 in [1]", "^ guard-type: `in` asks about a variable");
    check_refused("count in []", "^^^^^^^^^^^ guard-type: the list is empty");
    check_refused("count in [1, 2, 1]", "                ^ guard-type: 1 is in the list twice");
    check_refused(
        "count in [1, 'a']",
        "             ^^^ guard-type: `count` is a whole number, and 'a' is a text",
    );
    check_refused(
        "!urgent == signed",
        "^^^^^^^ guard-type: a comparison is of a variable with a literal or another variable; a condition is negated as !(a == b)",
    );
    check_refused(
        "signed == (has(note) || urgent)",
        "           ^^^^^^^^^^^^^^^^^^^ guard-type: a comparison is of a variable with a literal or another variable; a condition is negated as !(a == b)",
    );
}

#[test]
fn values_outside_their_list_and_days_that_do_not_exist_are_refused() {
    check_refused(
        "level == 'majr'",
        "         ^^^^^^ guard-unknown-value: `level` is never 'majr'; did you mean 'major'?",
    );
    check_refused(
        "'x' != level",
        "^^^ guard-unknown-value: `level` is never 'x'; it is one of 'general', 'major'",
    );
    check_refused(
        "state in ['open', 'shut']",
        "                  ^^^^^^ guard-unknown-value: `state` is never 'shut'; it is one of 'open', 'closed'",
    );
    check_refused(
        "due < '2026-02-29'",
        "      ^^^^^^^^^^^^ guard-literal: `due` is a date, and '2026-02-29' is none; a date is written 'YYYY-MM-DD'",
    );
    check_refused(
        "due < '2026-2-9'",
        "      ^^^^^^^^^^ guard-literal: `due` is a date, and '2026-2-9' is none; a date is written 'YYYY-MM-DD'",
    );
    check_refused(
        "count < 9223372036854775808",
        "        ^^^^^^^^^^^^^^^^^^^ guard-literal: 9223372036854775808 is too large a number",
    );
}

// ---- Limits ----

#[track_caller]
fn check_kind(source: &str, expected: Option<(GuardErrorKind, usize)>) {
    let outcome = Guard::parse(source, &variables(), &forbidden());
    let start: String = source.chars().take(40).collect();
    assert_eq!(outcome.err().map(|error| (error.kind, error.offset)), expected, "{start}…");
}

#[test]
fn length_depth_and_atoms_are_limited() {
    let padded = |len: usize| format!("urgent{}", " ".repeat(len - 6));
    check_kind(&padded(2_000), None);
    check_kind(&padded(2_001), Some((GuardErrorKind::TooLong, 2_000)));
    // Characters, not bytes
    check_kind(&format!("note == '{}'", "整".repeat(1_990)), None);
    check_kind(&format!("note == '{}'", "整".repeat(1_991)), Some((GuardErrorKind::TooLong, 2_000)));

    let nested = |n: usize| format!("{}urgent{}", "(".repeat(n), ")".repeat(n));
    check_kind(&nested(32), None);
    check_kind(&nested(33), Some((GuardErrorKind::TooDeep, 32)));
    let negated = |n: usize| format!("{}urgent", "!".repeat(n));
    check_kind(&negated(32), None);
    check_kind(&negated(33), Some((GuardErrorKind::TooDeep, 32)));
    let both = |n: usize| format!("{}urgent{}", "!(signed || has(note) && ".repeat(n), ")".repeat(n));
    check_kind(&both(16), None);
    check_kind(&both(17), Some((GuardErrorKind::TooDeep, 16 * 25)));
    // Side by side is not nesting
    check_kind(&vec!["(!urgent)"; 100].join(" && "), None);

    let compared = |n: usize| (0..n).map(|i| format!("count == {i}")).collect::<Vec<_>>().join(" || ");
    check_kind(&compared(64), None);
    check_kind(&compared(65), Some((GuardErrorKind::TooManyAtoms, compared(64).len() + 4)));
    check_kind(&vec!["count == 1"; 100].join(" || "), None);
    assert_eq!(parse(&vec!["count == 1"; 100].join(" || ")).atoms().len(), 1);

    check_kind(&["a"; 8].join("."), Some((GuardErrorKind::UnknownVariable, 0)));
    check_kind(&["a"; 9].join("."), Some((GuardErrorKind::TooDeep, 0)));
}

#[test]
fn hostile_guards_are_refused_on_a_small_stack() {
    let hostile = || {
        let long = ["(", "!", "[", "{", "a.", "a<", "-", "a[", "has(", "!(", "a in [", "a?a:", "&&", "'"]
            .map(|unit| unit.repeat(100_000));
        for source in &long {
            check_kind(source, Some((GuardErrorKind::TooLong, 2_000)));
        }
        for source in &long {
            // The same within the length, so that nothing but the shape stops it
            let source: String = source.chars().take(1_900).collect();
            assert!(Guard::parse(&source, &variables(), &forbidden()).is_err());
        }
        // A bracket too many must not let the rest pass uncounted
        check_kind(&format!("urgent){}", "(".repeat(1_900)), Some((GuardErrorKind::Syntax, 6)));
        check_kind(&format!("urgent]{}", "!(".repeat(900)), Some((GuardErrorKind::Syntax, 6)));
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(hostile).unwrap();
    thread.join().unwrap();
}

#[test]
fn the_deepest_guard_parses_on_a_small_stack() {
    let deepest = || {
        for source in [
            format!("{}urgent{}", "(".repeat(32), ")".repeat(32)),
            format!("{}urgent{}", "(signed || has(note) && ".repeat(32), ")".repeat(32)),
            vec!["urgent"; 200].join("||"),
        ] {
            let guard = parse(&source);
            assert!(matches!(verdict(&guard, &Facts::new()), Verdict::Fails { .. }));
        }
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(deepest).unwrap().join().unwrap();
}

#[test]
fn codes_are_stable() {
    use GuardErrorKind::*;
    let kinds = [
        Empty,
        TooLong,
        TooDeep,
        TooManyAtoms,
        Syntax,
        Unsupported,
        UnknownVariable,
        PersonalField,
        Type,
        UnknownValue,
        Literal,
    ];
    let codes: Vec<&str> = kinds.iter().map(|kind| kind.code()).collect();
    assert_eq!(
        codes.join(" "),
        "guard-empty guard-too-long guard-too-deep guard-too-many-atoms guard-syntax guard-unsupported \
         guard-unknown-variable guard-personal-field guard-type guard-unknown-value guard-literal"
    );
}

// ---- Facts that matter ----

#[track_caller]
fn check_assignments(sources: &[&str], fixed: &str, required: &[&str], expected: &[(&str, &str)]) {
    let guards: Vec<Guard> = sources.iter().map(|source| parse(source)).collect();
    let guards: Vec<&Guard> = guards.iter().collect();
    let fixed = facts(fixed);
    let all =
        assignments(&guards, &|name| fixed.get(name).cloned().map(Some), &|name| !required.contains(&name))
            .expect("few enough");
    let mut values: BTreeMap<&str, BTreeSet<Option<Fact>>> = BTreeMap::new();
    for (name, value) in all.iter().flatten() {
        values.entry(name).or_default().insert(value.clone());
    }
    let product: usize = values.values().map(BTreeSet::len).product();
    assert_eq!(all.len(), product, "every combination once");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "every combination once");
    let shown: Vec<(&str, String)> = values
        .iter()
        .map(|(name, values)| {
            let text = |value: &Option<Fact>| value.as_ref().map_or("-".to_owned(), Fact::to_string);
            (*name, values.iter().map(text).collect::<Vec<_>>().join(" "))
        })
        .collect();
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, values)| (*name, values.as_str())).collect();
    assert_eq!(shown, expected);
}

#[test]
fn assignments_take_thresholds_and_their_neighbours() {
    check_assignments(&["true"], "", &[], &[]);
    check_assignments(&["urgent"], "", &[], &[("urgent", "- false true")]);
    check_assignments(&["urgent"], "", &["urgent"], &[("urgent", "false true")]);
    check_assignments(&["count > 3"], "", &[], &[("count", "- 2 3 4")]);
    check_assignments(&["count > 3", "count in [5, 9]"], "", &["count"], &[("count", "2 3 4 5 6 8 9 10")]);
    check_assignments(&["has(count)"], "", &[], &[("count", "- 1")]);
    check_assignments(
        &["due < '2026-03-01'"],
        "",
        &["due"],
        &[("due", "'2026-02-28' '2026-03-01' '2026-03-02'")],
    );
    check_assignments(&["level == 'major'"], "", &[], &[("level", "- 'general' 'major'")]);
    check_assignments(&["note == 'a' || note in ['b']"], "", &[], &[("note", "- 'a' 'b' 'other 1'")]);
    check_assignments(&["note == 'other 1'"], "", &["note"], &[("note", "'other 1' 'other 2'")]);
    check_assignments(
        &["count > 9223372036854775807"],
        "",
        &["count"],
        &[("count", "9223372036854775806 9223372036854775807")],
    );
    check_assignments(
        &["urgent && count > 3"],
        "",
        &["urgent"],
        &[("count", "- 2 3 4"), ("urgent", "false true")],
    );
}

#[test]
fn variables_compared_with_each_other_share_their_points() {
    check_assignments(&["count < limit"], "", &["count", "limit"], &[("count", "1 2"), ("limit", "1 2")]);
    check_assignments(
        &["count < limit", "limit > 7"],
        "",
        &["count", "limit"],
        &[("count", "5 6 7 8 9"), ("limit", "5 6 7 8 9")],
    );
    check_assignments(
        &["note == title"],
        "",
        &["note", "title"],
        &[("note", "'other 1' 'other 2'"), ("title", "'other 1' 'other 2'")],
    );
    check_assignments(
        &["due < today"],
        "",
        &["due", "today"],
        &[("due", "'1970-01-02' '1970-01-03'"), ("today", "'1970-01-02' '1970-01-03'")],
    );
}

#[test]
fn fixed_variables_are_left_out_and_are_thresholds() {
    check_assignments(&["urgent && signed"], "urgent", &[], &[("signed", "- false true")]);
    check_assignments(&["count < limit"], "limit=7", &["count"], &[("count", "6 7 8")]);
    check_assignments(&["limit > count"], "limit=7", &["count"], &[("count", "6 7 8")]);
    // Absent: nothing it is compared with matters
    let guard = parse("count < limit");
    let all = assignments(&[&guard], &|name| (name == "limit").then_some(None), &|_| false).unwrap();
    assert_eq!(all, [BTreeMap::from([("count".to_owned(), Some(Fact::Int(1)))])]);
}

#[test]
fn too_many_assignments_are_refused_with_their_number() {
    let guard =
        parse("count in [1, 4, 7, 10, 13] && limit in [1, 4, 7, 10, 13] && spare in [1, 4, 7, 10, 13]");
    let count = |optional: bool| assignments(&[&guard], &|_| None, &|_| optional).map(|all| all.len());
    assert_eq!(count(false), Ok(15 * 15 * 15));
    assert_eq!(count(true), Ok(MAX_ASSIGNMENTS));
    let more = parse("urgent");
    let outcome = assignments(&[&guard, &more], &|_| None, &|_| true);
    assert_eq!(outcome, Err(TooMany { count: 4_096 * 3 }));
    assert_eq!(outcome.unwrap_err().to_string(), "12288 combinations of facts, more than 4096");
}

#[test]
fn valuations_are_the_combinations_facts_can_produce() {
    let table = |source: &str| {
        let show =
            |row: &Vec<bool>| row.iter().map(|value| if *value { 'T' } else { 'F' }).collect::<String>();
        parse(source).valuations().unwrap().iter().map(show).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(table("count > 3 || count < 2"), "FF FT TF");
    assert_eq!(table("has(count) || count < 2"), "FF TF TT");
    assert_eq!(table("urgent || signed"), "FF FT TF TT");
    assert_eq!(table("count < limit || limit < count || count == limit"), "FFF FFT FTF TFF");
    assert_eq!(table("level == 'major' || level == 'general'"), "FF FT TF");
}

// ---- Properties ----

/// An expression as the tests understand it, apart from the parser's own types.
#[derive(Clone, Debug)]
enum Expr {
    Const(bool),
    Is(&'static str),
    Has(&'static str),
    Compare(&'static str, &'static str, Fact),
    OneOf(&'static str, Vec<Fact>),
    Pair(&'static str, &'static str, &'static str),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

/// How the same expression is written: with needless brackets and space, double quotes, literals first.
#[derive(Clone, Copy, Debug)]
struct Style(u8);

impl Style {
    fn literal(self, fact: &Fact) -> String {
        match fact {
            Fact::Text(text) if self.0 & 1 != 0 => {
                format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
            }
            other => other.to_string(),
        }
    }

    fn write(self, expr: &Expr, binding: u8) -> String {
        let space = if self.0 & 2 != 0 { "" } else { " " };
        let (text, own) = match expr {
            Expr::Const(value) => (value.to_string(), 3),
            Expr::Is(name) => (name.to_string(), 3),
            Expr::Has(name) => (format!("has({space}{name}{space})"), 3),
            Expr::Compare(name, op, fact) if self.0 & 4 != 0 => {
                let turned = match *op {
                    "<" => ">",
                    "<=" => ">=",
                    ">" => "<",
                    ">=" => "<=",
                    same => same,
                };
                (format!("{}{space}{turned}{space}{name}", self.literal(fact)), 2)
            }
            Expr::Compare(name, op, fact) => (format!("{name}{space}{op}{space}{}", self.literal(fact)), 2),
            Expr::OneOf(name, facts) => {
                let facts: Vec<String> = facts.iter().map(|fact| self.literal(fact)).collect();
                (format!("{name} in [{}]", facts.join(&format!(",{space}"))), 2)
            }
            Expr::Pair(left, op, right) => (format!("{left}{space}{op}{space}{right}"), 2),
            Expr::Not(inner) => (format!("!{}", self.write(inner, 3)), 3),
            Expr::And(left, right) => {
                (format!("{}{space}&&{space}{}", self.write(left, 1), self.write(right, 1)), 1)
            }
            Expr::Or(left, right) => {
                (format!("{}{space}||{space}{}", self.write(left, 0), self.write(right, 0)), 0)
            }
        };
        if own < binding || self.0 & 8 != 0 && own < 3 { format!("({text})") } else { text }
    }
}

fn reference(expr: &Expr, facts: &Facts) -> bool {
    let compare = |left: Option<&Fact>, op: &str, right: Option<&Fact>| {
        let (Some(left), Some(right)) = (left, right) else { return false };
        match op {
            "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            _ => left >= right,
        }
    };
    match expr {
        Expr::Const(value) => *value,
        Expr::Is(name) => facts.get(*name) == Some(&Fact::Bool(true)),
        Expr::Has(name) => facts.contains_key(*name),
        Expr::Compare(name, op, fact) => compare(facts.get(*name), op, Some(fact)),
        Expr::OneOf(name, values) => facts.get(*name).is_some_and(|fact| values.contains(fact)),
        Expr::Pair(left, op, right) => compare(facts.get(*left), op, facts.get(*right)),
        Expr::Not(inner) => !reference(inner, facts),
        Expr::And(left, right) => reference(left, facts) && reference(right, facts),
        Expr::Or(left, right) => reference(left, facts) || reference(right, facts),
    }
}

const EQUALITY: [&str; 2] = ["==", "!="];
const ORDER: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

fn some_int() -> impl Strategy<Value = Fact> {
    (-2..4_i64).prop_map(Fact::Int)
}

fn some_date() -> impl Strategy<Value = Fact> {
    (0..5_u64)
        .prop_map(|days| Fact::Date(day("2026-02-26").checked_add_days(Days::new(days)).expect("a day")))
}

fn some_text() -> impl Strategy<Value = Fact> {
    prop::sample::select(vec!["", "a", "整改", "it's", "\\", "\"", "&& (", "other 1"])
        .prop_map(|text| Fact::Text(text.to_owned()))
}

fn some_value(values: [&'static str; 2]) -> impl Strategy<Value = Fact> {
    prop::sample::select(values.to_vec()).prop_map(|text| Fact::Text(text.to_owned()))
}

fn compared(
    name: &'static str,
    ops: &'static [&'static str],
    fact: BoxedStrategy<Fact>,
) -> BoxedStrategy<Expr> {
    let listed = prop::collection::btree_set(fact.clone(), 1..3)
        .prop_map(move |facts| Expr::OneOf(name, facts.into_iter().collect()));
    let one = (prop::sample::select(ops), fact).prop_map(move |(op, fact)| Expr::Compare(name, op, fact));
    prop_oneof![2 => one, 1 => listed].boxed()
}

fn leaf() -> BoxedStrategy<Expr> {
    let bools = ["urgent", "signed", "rectification.missed"];
    let named = ["urgent", "count", "due", "note", "level", "rectification.missed"];
    let pairs = prop::sample::select(vec![
        ("count", "limit"),
        ("limit", "spare"),
        ("spare", "count"),
        ("due", "today"),
        ("note", "title"),
        ("level", "grade"),
        ("urgent", "signed"),
    ]);
    let pair = (pairs, prop::sample::select(&ORDER[..])).prop_map(|((left, right), op)| {
        let is_ordered = ["count", "limit", "spare", "due"].contains(&left);
        Expr::Pair(left, if is_ordered || EQUALITY.contains(&op) { op } else { "!=" }, right)
    });
    prop_oneof![
        1 => any::<bool>().prop_map(Expr::Const),
        4 => prop::sample::select(bools.to_vec()).prop_map(Expr::Is),
        2 => prop::sample::select(named.to_vec()).prop_map(Expr::Has),
        1 => (prop::sample::select(&EQUALITY[..]), any::<bool>())
            .prop_map(|(op, value)| Expr::Compare("urgent", op, Fact::Bool(value))),
        3 => compared("count", &ORDER, some_int().boxed()),
        2 => compared("due", &ORDER, some_date().boxed()),
        2 => compared("note", &EQUALITY, some_text().boxed()),
        2 => compared("level", &EQUALITY, some_value(["general", "major"]).boxed()),
        3 => pair,
    ]
    .boxed()
}

fn joined(leaf: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    leaf.prop_recursive(5, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|expr| Expr::Not(Box::new(expr))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Expr::Or(Box::new(a), Box::new(b))),
        ]
    })
    .boxed()
}

fn some_facts() -> BoxedStrategy<Facts> {
    let each: Vec<BoxedStrategy<(String, Option<Fact>)>> = variables()
        .into_iter()
        .map(|(name, ty)| {
            let fact = match ty {
                VarType::Bool => any::<bool>().prop_map(Fact::Bool).boxed(),
                VarType::Int => some_int().boxed(),
                VarType::Date => some_date().boxed(),
                VarType::Text => some_text().boxed(),
                VarType::Enum(values) => prop::sample::select(values).prop_map(Fact::Text).boxed(),
            };
            prop::option::weighted(0.8, fact).prop_map(move |fact| (name.clone(), fact)).boxed()
        })
        .collect();
    each.prop_map(|facts| facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))).collect()).boxed()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Few atoms, so that most stand in several places.
fn repeated() -> BoxedStrategy<Expr> {
    prop::sample::select(vec!["urgent", "signed", "rectification.missed"]).prop_map(Expr::Is).boxed()
}

#[track_caller]
fn check_responsible(expr: &Expr, given: &Facts) {
    let guard = parse(&Style(0).write(expr, 0));
    let Verdict::Fails { atoms } = verdict(&guard, given) else { return };
    let mut rows = 0..1_u32 << guard.atoms().len();
    let can_hold = rows.any(|bits| guard.holds_with(&|atom| bits >> atom & 1 == 1));
    assert_eq!(can_hold, holds_flipped(&guard, given, &atoms), "{guard} {atoms:?}");
    assert!(!can_hold || !atoms.is_empty());
    assert!(atoms.is_sorted_by(|a, b| a < b));
}

/// Whether the guard holds once these atoms are the other way round.
fn holds_flipped(guard: &Guard, facts: &Facts, flipped: &[usize]) -> bool {
    let fact = |name: &str| facts.get(name).cloned();
    guard.holds_with(&|atom| guard.atoms()[atom].holds(&fact) != flipped.contains(&atom))
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn what_is_written_is_what_is_meant(expr in joined(leaf()), style in 0..16_u8, given in some_facts()) {
        let source = Style(style).write(&expr, 0);
        let guard = parse(&source);
        prop_assert_eq!(verdict(&guard, &given) == Verdict::Holds, reference(&expr, &given), "{}", source);
        let fact = |name: &str| given.get(name).cloned();
        prop_assert_eq!(
            guard.holds_with(&|atom| guard.atoms()[atom].holds(&fact)),
            reference(&expr, &given)
        );
    }

    #[test]
    fn an_atom_printed_is_read_as_itself(expr in leaf(), style in 0..16_u8) {
        for atom in parse(&Style(style).write(&expr, 0)).atoms() {
            let again = parse(&atom.to_string());
            prop_assert_eq!(again.atoms(), std::slice::from_ref(atom));
        }
    }

    #[test]
    fn the_named_atoms_are_responsible(expr in joined(leaf()), given in some_facts()) {
        check_responsible(&expr, &given);
    }

    #[test]
    fn the_named_atoms_are_responsible_where_atoms_repeat(expr in joined(repeated()), given in some_facts()) {
        check_responsible(&expr, &given);
    }

    #[test]
    fn the_assignments_show_all_that_facts_can(first in joined(leaf()), second in leaf(), given in some_facts()) {
        let guards = [parse(&Style(0).write(&first, 0)), parse(&Style(0).write(&second, 0))];
        let seen = |facts: &dyn Fn(&str) -> Option<Fact>| -> Vec<bool> {
            guards.iter().flat_map(|guard| guard.atoms().iter().map(|atom| atom.holds(facts))).collect()
        };
        let fixed = |name: &str| (name == "limit" || name == "title").then(|| given.get(name).cloned());
        match assignments(&[&guards[0], &guards[1]], &fixed, &|_| true) {
            Ok(all) => {
                let shown = all.iter().any(|assignment| {
                    let fact = |name: &str| fixed(name).unwrap_or_else(|| assignment.get(name).cloned().flatten());
                    seen(&fact) == seen(&|name| given.get(name).cloned())
                });
                prop_assert!(shown, "{} / {}", guards[0], guards[1]);
            }
            Err(TooMany { count }) => prop_assert!(count > MAX_ASSIGNMENTS),
        }
    }

    #[test]
    fn no_text_makes_it_panic(source in any::<String>()) {
        check_total(&source);
    }

    #[test]
    fn no_printable_text_makes_it_panic(source in "[ -~\n整’]{0,60}") {
        check_total(&source);
    }

    #[test]
    fn no_order_of_tokens_makes_it_panic(words in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..40), glue in 0..2_usize) {
        check_total(&words.join([" ", ""][glue]));
    }
}

const TOKENS: [&str; 34] = [
    "urgent",
    "count",
    "level",
    "due",
    "rectification.missed",
    "nobody",
    "phone",
    "has",
    "has(note)",
    "in",
    "true",
    "null",
    "1",
    "-7",
    "'major'",
    "\"整\"",
    "'2026-06-28'",
    "(",
    ")",
    "[",
    "]",
    ",",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "(",
    ")",
    "&&",
    "||",
    "-",
];

/// Read or refused; a refusal points into the source or just behind it.
#[track_caller]
fn check_total(source: &str) {
    match Guard::parse(source, &variables(), &forbidden()) {
        Ok(guard) => {
            assert_eq!(guard.source(), source);
            let _ = verdict(&guard, &Facts::new());
        }
        Err(error) => {
            assert_place(source, &error);
            assert!(!error.message.is_empty());
        }
    }
}
