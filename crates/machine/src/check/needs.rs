//! What a clock asks for before it can start.

use std::collections::BTreeMap;

use crate::definition::Definition;
use crate::file::{DeadlineSpec, TermSpec};
use crate::guard::{Fact, Guard, Verdict};
use crate::value::Name;

/// The fields a term is counted by.
pub(super) fn dates(term: &TermSpec) -> impl Iterator<Item = &Name> {
    [&term.on, &term.at, &term.from].into_iter().flatten()
}

/// Facts under which the clock is counted by a term that asks for the field while it is not known. `None`:
/// there are none, the guards see to it.
pub(super) fn asked_unknown(
    definition: &Definition,
    spec: &DeadlineSpec,
    field: &Name,
) -> Option<BTreeMap<String, Option<Fact>>> {
    let cases = spec.term_if.iter();
    let guards: Vec<&Guard> = cases.filter_map(|case| definition.guard(&case.when)).collect();
    let unknown = |name: &str| (name == field).then_some(None);
    // More than can be enumerated: then it is asked for as far as anybody can tell.
    let Ok(all) = crate::guard::assignments(&guards, &unknown, &|_| true) else {
        return Some(BTreeMap::new());
    };
    all.into_iter().find(|facts| {
        let fact = |name: &str| facts.get(name).cloned().flatten();
        let first = guards.iter().position(|guard| matches!(guard.evaluate(&fact), Verdict::Holds));
        let term = first.and_then(|first| spec.term_if.get(first)).map_or(&spec.term, |case| &case.term);
        dates(term).any(|asked| asked == field)
    })
}
