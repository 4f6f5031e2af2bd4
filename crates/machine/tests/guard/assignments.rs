//! Facts that matter.

use super::*;

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
