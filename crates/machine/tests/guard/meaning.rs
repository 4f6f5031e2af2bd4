//! What a guard means, and what made one fail.

use super::*;

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
