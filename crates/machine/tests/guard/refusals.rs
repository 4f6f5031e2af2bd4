//! What is refused, where, and how it is said.

use super::*;

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
