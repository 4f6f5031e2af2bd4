//! Running the model checker on a file, with its time taken and limited.

use std::time::{Duration, Instant};

use machine::Definition;
use machine::check::{self, Outcome, Problem, Property};

/// The longest a file may take; beyond it, it is refused as too large.
pub const TIME_MAX: Duration = Duration::from_secs(10);

/// A property, how it came out, and what it took.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Proved {
    /// The property.
    #[serde(flatten)]
    pub property: Property,
    /// How it came out.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Time taken.
    pub time_us: u128,
}

/// Checks every property of a definition.
pub fn prove(definition: &Definition) -> Vec<Proved> {
    let begun = Instant::now();
    let in_time = || begun.elapsed() < TIME_MAX;
    let properties = check::properties(definition);
    let proved = properties.into_iter().map(|property| {
        let start = Instant::now();
        let outcome = check::check(definition, &property, check::STATES_MAX, &in_time);
        Proved { property, outcome, time_us: start.elapsed().as_micros() }
    });
    proved.collect()
}

/// What is wrong with a definition.
pub(crate) fn problems(definition: &Definition) -> Vec<Problem> {
    prove(definition).into_iter().flat_map(|proved| proved.outcome.problems).collect()
}
