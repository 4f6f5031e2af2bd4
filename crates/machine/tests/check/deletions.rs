//! Every single deletion from the major-hazard loop is refused, or stands on the list of harmless ones.
//!
//! Deleted one at a time: the guard of each act and step, each separation rule, each entry of it, what each
//! act counts as, the officers of each act, each act a separation that is never to fail names, the clock of
//! each state, each clock, each clock started on a miss or by a rung, each rung and what makes it repeat,
//! each recipient and signer, each owner. Every finding about behaviour comes with a trace, and each trace
//! is run through `decide` and has to reach the bad state. What is refused without one is counted apart:
//! findings on the list below, and files that are no workflow any more.

use std::collections::{BTreeMap, BTreeSet};

use machine::Definition;
use machine::check::{self, Bad, Problem, Property, Verdict};
use serde_json::Value;

use crate::shipped::file;

/// What a deletion came to.
enum Result {
    /// It is no workflow file any more, or a name points nowhere.
    Malformed,
    /// The checker has findings.
    Found(Vec<Problem>, Box<Definition>),
    /// Nothing was noticed.
    Survived,
}

/// A place in the file, as keys and positions.
type Place = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    At(usize),
}

fn text(place: &Place) -> String {
    let mut text = String::new();
    for step in place {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
            Step::At(at) => text.push_str(&format!("[{at}]")),
        }
    }
    text
}

/// Every place at or below `value` whose path, positions left out, `wanted` accepts.
fn places(value: &Value, here: &Place, wanted: &dyn Fn(&[&str]) -> bool, out: &mut Vec<Place>) {
    let keys: Vec<&str> = here
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::At(_) => "#",
        })
        .collect();
    if !is_empty(value) && wanted(&keys) {
        out.push(here.clone());
    }
    let mut below = |step: Step, value: &Value| {
        let mut place = here.clone();
        place.push(step);
        places(value, &place, wanted, out);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| below(Step::Key(key.clone()), value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(at, value)| below(Step::At(at), value)),
        _ => {}
    }
}

/// Whether nothing is said here: what a file leaves out stands in its tree as empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What the issue asks to be deleted.
fn is_deleted(path: &[&str]) -> bool {
    matches!(
        path,
        // transition guards
        ["acts", _, "when"]
            | ["acts", _, "then", "#", "if"]
            // separation rules
            | ["acts", _, "apart"]
            | ["acts", _, "apart", "actor" | "officers"]
            | ["acts", _, "apart", "actor" | "officers", "#"]
            | ["acts", _, "counts_as" | "officers"]
            | ["never", "#", "who", "#"]
            // deadlines
            | ["tracks", _, "states", _, "deadline"]
            | ["deadlines", _]
            | ["deadlines", _, "on_miss", "#"]
            | ["deadlines", _, "ladder"]
            | ["ladders", _, "#", "deadline"]
            | ["acts", _, "then", "#", "start"]
            | ["acts", _, "then", "#", "assign", "clocks", _]
            // rungs
            | ["ladders", _]
            | ["ladders", _, "#"]
            | ["ladders", _, "#", "every_working_days"]
            // recipients
            | ["ladders", _, "#", "to", "#"]
            | ["ladders", _, "#", "signer"]
            | ["fallback"]
            // owners
            | ["tracks", _, "states", _, "owner"]
            | ["deadlines", _, "owner"]
    )
}

fn delete(tree: &mut Value, place: &[Step]) {
    let (last, way) = place.split_last().unwrap();
    let mut at = tree;
    for step in way {
        at = match step {
            Step::Key(key) => at.get_mut(key).unwrap(),
            Step::At(place) => at.get_mut(place).unwrap(),
        };
    }
    match last {
        Step::Key(key) => drop(at.as_object_mut().unwrap().remove(key).unwrap()),
        Step::At(place) => drop(at.as_array_mut().unwrap().remove(*place)),
    }
}

/// A step whose only change was deleted is no step.
fn without_empty_steps(tree: &mut Value) {
    for act in tree["acts"].as_object_mut().unwrap().values_mut() {
        if let Some(steps) = act["then"].as_array_mut() {
            steps.retain(|step| step.as_object().unwrap().keys().any(|key| key != "if"));
        }
    }
}

fn without(tree: &Value, place: &Place) -> Result {
    let mut tree = tree.clone();
    delete(&mut tree, place);
    without_empty_steps(&mut tree);
    let Ok(file) = serde_json::from_value::<machine::file::File>(tree) else { return Result::Malformed };
    let Ok(definition) = Definition::compile(&file, &BTreeMap::new()) else { return Result::Malformed };
    let mut properties = check::properties(&definition);
    // Those about who did what take longest; most deletions are found before.
    properties.sort_by_key(|property| matches!(property, Property::ThirdPerson | Property::Never { .. }));
    for property in properties {
        let outcome = check::check(&definition, &property, check::STATES_MAX, &|| true);
        match outcome.verdict {
            Verdict::Holds => {}
            Verdict::Fails => return Result::Found(outcome.problems, Box::new(definition)),
            Verdict::TooLarge => panic!("{}: {property:?} is too large", text(place)),
        }
    }
    Result::Survived
}

/// The committed list: place to the reason why nothing is lost there.
fn harmless() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/harmless.yaml");
    machine::file::read("harmless.yaml", &std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_deletion_is_refused_or_harmless() {
    let tree = serde_json::to_value(file("major-hazard.yaml")).unwrap();
    let mut all = Vec::new();
    places(&tree, &Vec::new(), &is_deleted, &mut all);
    let harmless = harmless();
    // Two halves at once: the machine has two cores at least.
    let (first, second) = all.split_at(all.len() / 2);
    let run = |places: &[Place]| -> Vec<(String, Judged)> {
        places.iter().map(|place| (text(place), judge(&tree, place))).collect()
    };
    let results = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(first));
        let mut results = run(second);
        results.extend(other.join().unwrap());
        results
    });
    let survivors: BTreeSet<&String> = results
        .iter()
        .filter(|(_, judged)| matches!(judged, Judged::Survived))
        .map(|(place, _)| place)
        .collect();
    let listed: BTreeSet<&String> = harmless.keys().collect();
    let (mut traced, mut malformed) = (0, 0);
    let (mut structural, mut wrong): (Vec<&Vec<&str>>, Vec<String>) = (Vec::new(), Vec::new());
    for (_, judged) in &results {
        match judged {
            Judged::Traced => traced += 1,
            Judged::Structural(codes) => structural.push(codes),
            Judged::Malformed => malformed += 1,
            Judged::Survived => {}
            Judged::Wrong(what) => wrong.extend_from_slice(what),
        }
    }
    wrong.extend(survivors.difference(&listed).map(|place| format!("{place}: nobody notices")));
    wrong.extend(listed.difference(&survivors).map(|place| format!("{place}: listed, but noticed")));
    println!(
        "{} deletions: {traced} refused with a trace, {} by a structural finding, {malformed} no workflow any \
         more, {} harmless",
        results.len(),
        structural.len(),
        survivors.len()
    );
    let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
    structural.into_iter().flatten().for_each(|code| *by_code.entry(code).or_default() += 1);
    println!("structural findings: {by_code:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(results.len() > 200, "only {} deletions", results.len());
    assert!(traced >= TRACED_LEAST, "only {traced} deletions are refused with a trace");
    assert!(harmless.values().all(|reason| reason.ends_with('.')), "each reason is a sentence");
}

/// What a deletion is judged to be.
enum Judged {
    /// Refused, with a trace to the bad state that `decide` follows.
    Traced,
    /// Refused by findings without a trace, each on the list of those that have none.
    Structural(Vec<&'static str>),
    /// No workflow file any more.
    Malformed,
    /// Nobody notices.
    Survived,
    /// Its traces lead nowhere, or are missing.
    Wrong(Vec<String>),
}

fn judge(tree: &Value, place: &Place) -> Judged {
    let (problems, definition) = match without(tree, place) {
        Result::Malformed => return Judged::Malformed,
        Result::Survived => return Judged::Survived,
        Result::Found(problems, definition) => (problems, definition),
    };
    let (traced, untraced): (Vec<&Problem>, Vec<&Problem>) =
        problems.iter().partition(|problem| !problem.trace.is_empty());
    // What is missing in a state is shown by the way to it, whichever code says so.
    let needs_none = |problem: &&&Problem| {
        let of_a_state = problem.code == "CK08" && problem.path.starts_with("tracks.");
        !of_a_state && WITHOUT_TRACE.iter().any(|(code, _)| *code == problem.code)
    };
    let missing = untraced.iter().filter(|problem| !needs_none(problem));
    let mut wrong: Vec<String> =
        missing.map(|problem| format!("{}: {} has no trace", text(place), problem.code)).collect();
    for problem in &traced {
        if let Err(error) = check::replay(&definition, &calendar::china(), problem) {
            let trace: Vec<String> = problem.trace.iter().map(ToString::to_string).collect();
            let (at, code) = (text(place), problem.code);
            wrong.push(format!("{at}: {code}: {error}\n    {}", trace.join("\n    ")));
        }
    }
    if !wrong.is_empty() {
        Judged::Wrong(wrong)
    } else if traced.is_empty() {
        Judged::Structural(untraced.iter().map(|problem| problem.code).collect())
    } else {
        Judged::Traced
    }
}

/// Deletions refused with a trace, at the least: a checker that took to findings without one would show here.
const TRACED_LEAST: usize = 140;

/// Findings without a trace, and why: what each says is itself the place, or that no way exists.
const WITHOUT_TRACE: [(&str, &str); 15] = [
    ("CK01", "no way leads to the state: there is none to show"),
    ("CK03", "no way leads to the act: there is none to show"),
    ("CK04", "no four people ever come through: the act they fail at is named"),
    ("CK07", "the act asks for too few officers, or of the wrong role, however it is reached"),
    ("CK08", "the clock has no ladder, in whatever case it runs"),
    ("CK10", "the ladder ends, whichever case climbs it"),
    ("CK12", "the rung tells nobody, whichever case reaches it"),
    ("CK13", "the step or the rung sends or proposes without a clock, in every case"),
    ("CK20", "the clock starts none of the regulator's when missed, in every case"),
    ("CK21", "the words of the rule cannot be read in any state"),
    ("CK24", "no rung of the ladder does what is promised, whoever climbs it"),
    ("CK25", "the clock asks for a date no act gives before it starts"),
    ("CK26", "nothing in the file starts the clock: no case ever has it"),
    ("CK28", "the act and the separation rule are named, and say different things"),
    ("CK29", "no rung of the ladder tells anybody but the owner"),
];

/// A replay that looks for something else than the trace leads to fails: the test above can fail.
#[test]
fn a_replay_knows_what_it_looks_for() {
    let mut file = file("major-hazard.yaml");
    file.acts.get_mut("close_out").unwrap().when = None;
    let definition = crate::shipped::compile(&file);
    let problems = check::check_all(&definition);
    let problem = problems.iter().find(|problem| problem.code == "CK15").unwrap();
    assert!(check::replay(&definition, &calendar::china(), problem).is_ok());
    let elsewhere = Bad::At { track: "main".to_owned(), state: "rectifying".to_owned() };
    let wrong = Problem { bad: Some(elsewhere), ..problem.clone() };
    assert!(check::replay(&definition, &calendar::china(), &wrong).is_err());
    let shorter = Problem { trace: problem.trace[..problem.trace.len() - 1].to_vec(), ..problem.clone() };
    assert!(check::replay(&definition, &calendar::china(), &shorter).is_err());
    // Under the file as shipped the last step is refused.
    let whole = crate::shipped::compile(&crate::shipped::file("major-hazard.yaml"));
    assert!(check::replay(&whole, &calendar::china(), problem).is_err());
}
