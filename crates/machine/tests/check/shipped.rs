//! The files as shipped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use machine::Definition;
use machine::check::{self, Verdict};

pub fn workflows() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows"))
}

pub fn file(name: &str) -> machine::file::File {
    let text = std::fs::read_to_string(workflows().join(name)).unwrap();
    machine::file::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

pub fn compile(file: &machine::file::File) -> Definition {
    Definition::compile(file, &BTreeMap::new()).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// Every workflow file passes, and each property that needs a search looked at some states.
#[test]
fn every_shipped_file_passes() {
    let mut found = Vec::new();
    let mut checked = Vec::new();
    for entry in std::fs::read_dir(workflows()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".yaml") {
            continue;
        }
        let definition = compile(&file(&name));
        for property in check::properties(&definition) {
            let start = std::time::Instant::now();
            let outcome = check::check(&definition, &property, check::STATES_MAX, &|| true);
            println!("{name} {property:?} {} {:?} {:?}", outcome.states, outcome.verdict, start.elapsed());
            if outcome.verdict != Verdict::Holds {
                for problem in outcome.problems {
                    let trace: Vec<String> = problem.trace.iter().map(ToString::to_string).collect();
                    found.push(format!(
                        "{name} {} {} {:?}\n    {}",
                        problem.code,
                        problem.path,
                        problem.values,
                        trace.join("\n    ")
                    ));
                }
            }
        }
        checked.push(name);
    }
    for name in ["general-hazard.yaml", "major-hazard.yaml", "periodic-duty.yaml", "task-list.yaml"] {
        assert!(checked.iter().any(|checked| checked == name), "{name} is not among {checked:?}");
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A business stopped before the dispatch has no responsible unit yet: an act of that unit alone is no way
/// out of the stoppage.
#[test]
fn an_act_of_a_unit_nobody_has_named_is_no_way_out() {
    let mut file = file("major-hazard.yaml");
    file.acts.get_mut("apply_resumption").unwrap().by.retain(|role| role == "responsible");
    let definition = compile(&file);
    let property = check::Property::Ends { track: "operation".to_owned() };
    let outcome = check::check(&definition, &property, check::STATES_MAX, &|| true);
    let [problem] = outcome.problems.as_slice() else { panic!("{:?}", outcome.problems) };
    assert_eq!(problem.code, "CK02");
    assert!(problem.path.starts_with("tracks.operation.states."), "{}", problem.path);
    assert!(check::replay(&definition, &calendar::china(), problem).is_ok());
}
