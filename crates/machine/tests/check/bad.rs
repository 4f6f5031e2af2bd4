//! Small bad files, one per finding: each breaks a small good file in one place.

use machine::Definition;
use machine::check::{self, Problem, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    code: String,
    what: String,
    from: String,
    to: String,
    also: Option<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    from: String,
    to: String,
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/check/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn compile(text: &str) -> Definition {
    let file = machine::file::parse("small.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    crate::shipped::compile(&file)
}

fn told(problem: &Problem) -> String {
    let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = problem.values.iter().map(|(key, value)| format!("{key}={}", plain(value)));
    let values: Vec<String> = values.collect();
    let mut text = format!("{} {} {}", problem.code, problem.path, values.join(" ")).trim_end().to_owned();
    for step in &problem.trace {
        text.push_str(&format!("\n    {step}"));
    }
    if let Some(bad) = &problem.bad {
        text.push_str(&format!("\n    => {bad:?}"));
    }
    text
}

#[test]
fn each_bad_file_has_its_finding_and_its_trace_is_real() {
    let good = read("small.yaml");
    assert_eq!(check::check_all(&compile(&good)), [], "the small file passes");
    let cases: Vec<Case> =
        machine::file::read("bad.yaml", &read("bad.yaml")).unwrap_or_else(|error| panic!("{error}"));
    let mut report = String::new();
    for case in &cases {
        let mut text = good.clone();
        let also = case.also.iter().map(|change| (&change.from, &change.to));
        for (from, to) in std::iter::once((&case.from, &case.to)).chain(also) {
            assert_eq!(text.matches(from.as_str()).count(), 1, "{}: {from}", case.what);
            text = text.replace(from.as_str(), to);
        }
        let definition = compile(&text);
        let problems = check::check_all(&definition);
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code).collect();
        assert!(codes.contains(&case.code.as_str()), "{}: {} is not in {codes:?}", case.what, case.code);
        report.push_str(&format!("# {}\n", case.what));
        for problem in &problems {
            report.push_str(&told(problem));
            report.push('\n');
            if !problem.trace.is_empty() {
                check::replay(&definition, &calendar::china(), problem)
                    .unwrap_or_else(|error| panic!("{}: {}: {error}", case.what, told(problem)));
            }
        }
        report.push('\n');
    }
    insta::assert_snapshot!(report);
}

/// What looks like the bad files above and is none.
#[test]
fn what_is_possible_is_not_refused() {
    let good = read("small.yaml");
    for (what, from, to) in [
        (
            "a way out that is open to whoever withholds a field the case knows",
            "    when: \"plant_work == 'running'\"\n",
            "    accepts: [ground]\n    when: \"plant_work == 'running' && !has(ground)\"\n",
        ),
        (
            "a term whose own guard sees to its date",
            "owner: office, term: { working_days: 3 },",
            "owner: office, term: { working_days: 3 }, term_if: [{ when: \"has(answer_by)\", term: { on: answer_by } }],",
        ),
        (
            "a unit nobody names, filled from a field that is always given",
            "requires: [competent, plant, due_on]\n    accepts: [ground, urgent]",
            "requires: [plant, due_on]\n    accepts: [competent, ground, urgent]",
        ),
    ] {
        assert_eq!(good.matches(from).count(), 1, "{what}");
        let text = good.replace(from, to);
        // Only the last of them leaves the competent unit to its default.
        let text = text.replace(
            "type: unit, column: department }",
            "type: unit, column: department, default: { field: plant } }",
        );
        assert_eq!(check::check_all(&compile(&text)), [], "{what}");
    }
}

/// A file with more states than the budget is refused as too large, and so is one that takes too long.
#[test]
fn what_is_too_large_is_refused() {
    let definition = compile(&wide(8));
    let property = check::Property::Never { index: 0 };
    let refused = |states: usize, go_on: bool| {
        let outcome = check::check(&definition, &property, states, &|| go_on);
        assert_eq!(outcome.verdict, Verdict::TooLarge);
        assert_eq!(outcome.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["CK22"]);
        outcome.states
    };
    assert!(refused(5_000, true) >= 5_000);
    assert!(refused(check::STATES_MAX, false) < 5_000);
    let outcome = check::check(&definition, &property, check::STATES_MAX, &|| true);
    assert_eq!((outcome.verdict, outcome.states), (Verdict::Holds, 3usize.pow(8)));
}

/// A file of independent tracks with three states each, all of which matter to one property.
fn wide(tracks: usize) -> String {
    let mut text = read("small.yaml");
    let mut states = String::new();
    let mut acts = String::new();
    let mut all = Vec::new();
    for track in 0..tracks {
        states.push_str(&format!(
            "  t{track}:\n    title: {{ zh: 道, en: Track }}\n    initial: a\n    states:\n      \
             a: {{ title: {{ zh: 甲, en: A }}, rest: true }}\n      \
             b: {{ title: {{ zh: 乙, en: B }}, rest: true }}\n      \
             c: {{ title: {{ zh: 丙, en: C }}, rest: true }}\n"
        ));
        for (from, to) in [("a", "b"), ("b", "c")] {
            acts.push_str(&format!(
                "  t{track}_{to}:\n    title: {{ zh: 动, en: Move }}\n    by: [any]\n    in: {{ t{track}: {from} }}\n    \
                 then: [{{ move: {{ t{track}: {to} }} }}]\n"
            ));
        }
        all.push(format!("t{track} in ['a', 'b', 'c']"));
    }
    let guard = format!("when: \"!({})\"", all.join(" && "));
    text = text.replace("deadlines:\n", &format!("{states}\ndeadlines:\n"));
    text = text.replace("when: \"main == 'closed' && plant_work == 'stopped'\"", &guard);
    text.push_str(&acts);
    text
}
