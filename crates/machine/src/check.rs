//! The model checker: what can go wrong with a definition, before any case runs under it.
//!
//! Explicit-state search over an abstract machine (see [`model`](self)): a state is where each track
//! stands, where each clock stands and, for separation of duty, which of four people did what. A running
//! clock may be missed at any step and facts are free at every step, so what is proved holds whatever
//! the dates and the facts are. Each property looks only at the variables it depends on. A finding about
//! behaviour comes with the shortest trace to it; [`replay`] turns a trace into commands.

use serde::Serialize;

use crate::definition::Definition;
use crate::value::Name;

mod around;
mod attempt;
mod behaviour;
mod clock;
mod invent;
mod ladders;
mod model;
mod needs;
pub mod organisation;
mod people;
mod replay;
mod run;
mod search;
mod slice;
mod structure;

pub use crate::problem::{Bad, Happening, Problem};
pub use attempt::{Attempt, AttemptError, attempt};
pub use replay::{ReplayError, replay};

use behaviour::Checker;

/// The most states a property may need. Beyond it a file is refused as too large, never passed.
pub const STATES_MAX: usize = 1_000_000;

/// Abstract people: the one who did it, two officers, and a third person.
pub(crate) const PEOPLE: usize = 4;

/// What is checked, one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "property", rename_all = "snake_case")]
pub enum Property {
    /// Owners, clocks, ladders, recipients and signers, as far as the file alone shows them.
    Structure,
    /// Every state is entered and every act happens on some path.
    Reachable,
    /// From every state of a track an end, or rest, can be reached.
    Ends {
        /// The track.
        track: Name,
    },
    /// Four people can do it all.
    FourPeople,
    /// I1: rectified only after a passed re-inspection that nothing came after.
    Reinspected,
    /// I1: the re-inspectors did not do the work, and the closer did neither.
    ThirdPerson,
    /// I2: while a track waits for somebody, the clock of its state is open.
    Clocked {
        /// The track.
        track: Name,
    },
    /// No act is refused half-way, restarts a running clock, or moves a track two ways.
    Steps,
    /// What the file says never happens.
    Never {
        /// Its place in the list.
        index: usize,
    },
}

impl Property {
    /// Its key, for texts.
    pub fn key(&self) -> &'static str {
        match self {
            Property::Structure => "structure",
            Property::Reachable => "reachable",
            Property::Ends { .. } => "ends",
            Property::FourPeople => "four_people",
            Property::Reinspected => "reinspected",
            Property::ThirdPerson => "third_person",
            Property::Clocked { .. } => "clocked",
            Property::Steps => "steps",
            Property::Never { .. } => "never",
        }
    }
}

/// How a property came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// States looked at; 0 where none had to be.
    pub states: usize,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Why not.
    pub problems: Vec<Problem>,
}

/// Whether a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Fails,
    /// More states than the budget, or more time.
    TooLarge,
}

/// The properties of a file, in the order they are checked.
pub fn properties(definition: &Definition) -> Vec<Property> {
    let file = definition.file();
    let mut properties = vec![Property::Structure];
    let states = file.tracks.get("main").into_iter().flat_map(|track| track.states.values());
    if states.into_iter().any(|state| state.outcome == Some(crate::file::Outcome::Rectified)) {
        properties.extend([Property::Reinspected, Property::ThirdPerson]);
    }
    // Imported history is not steered: it owes nothing, and what the records say is taken as it is.
    if file.obligations == crate::file::Obligations::Required {
        let waiting = file
            .tracks
            .iter()
            .filter(|(_, track)| track.states.values().any(|state| !state.rest && state.outcome.is_none()));
        let waiting = waiting.map(|(track, _)| track.clone());
        properties.extend(waiting.clone().map(|track| Property::Clocked { track }));
        properties.extend(waiting.map(|track| Property::Ends { track }));
        properties.push(Property::Steps);
    }
    properties.extend((0..file.never.len()).map(|index| Property::Never { index }));
    properties.extend([Property::FourPeople, Property::Reachable]);
    properties
}

/// Checks one property. `go_on` is asked now and then whether there is time left; `states_max` is
/// [`STATES_MAX`] outside tests.
pub fn check(
    definition: &Definition,
    property: &Property,
    states_max: usize,
    go_on: &dyn Fn() -> bool,
) -> Outcome {
    let budget = search::Budget { states: states_max, go_on };
    Checker::new(definition).map_or_else(
        || Outcome {
            states: 0,
            verdict: Verdict::TooLarge,
            problems: vec![Problem::new("CK22", property.key())],
        },
        |checker| checker.check(property, &budget),
    )
}

/// Checks everything, without a limit of time.
pub fn check_all(definition: &Definition) -> Vec<Problem> {
    let properties = properties(definition);
    properties
        .iter()
        .flat_map(|property| check(definition, property, STATES_MAX, &|| true).problems)
        .collect()
}

/// Used by tests and texts: every code with a text.
pub const CODES: [&str; 29] = [
    "CK01", "CK02", "CK03", "CK04", "CK05", "CK06", "CK07", "CK08", "CK09", "CK10", "CK11", "CK12", "CK13",
    "CK14", "CK15", "CK16", "CK17", "CK18", "CK19", "CK20", "CK21", "CK22", "CK23", "CK24", "CK25", "CK26",
    "CK27", "CK28", "CK29",
];
