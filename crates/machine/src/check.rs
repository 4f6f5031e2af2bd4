//! The model checker: what can go wrong with a definition, before any case runs under it.
//!
//! Explicit-state search over an abstract machine (see [`model`](self)): a state is where each track
//! stands, where each clock stands and, for separation of duty, which of four people did what. A running
//! clock may be missed at any step and facts are free at every step, so what is proved holds whatever
//! the dates and the facts are. Each property looks only at the variables it depends on. A finding about
//! behaviour comes with the shortest trace to it; [`replay`] turns a trace into commands.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::definition::Definition;
use crate::guard::Fact;
use crate::value::Name;

mod around;
mod attempt;
mod behaviour;
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

pub use attempt::{Attempt, AttemptError, attempt};
pub use replay::{ReplayError, replay};

use behaviour::Checker;

/// The most states a property may need. Beyond it a file is refused as too large, never passed.
pub const STATES_MAX: usize = 1_000_000;

/// Abstract people: the one who did it, two officers, and a third person.
pub(crate) const PEOPLE: usize = 4;

/// One step of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Happening {
    /// Somebody does an act.
    Act {
        /// The act.
        act: Name,
        /// Who: 1 is p1.
        actor: u8,
        /// The person it is entered for.
        #[serde(skip_serializing_if = "Option::is_none")]
        entered_for: Option<u8>,
        /// The officers named.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        officers: Vec<u8>,
        /// Facts its guards ask about; `None` is a field that is not known.
        #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "facts_as_text")]
        facts: BTreeMap<String, Option<Fact>>,
    },
    /// The day of a clock comes.
    Due {
        /// The clock.
        clock: Name,
    },
    /// A clock is missed.
    Missed {
        /// The clock.
        clock: Name,
    },
}

fn facts_as_text<S: serde::Serializer>(
    facts: &BTreeMap<String, Option<Fact>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        facts.iter().map(|(name, fact)| (name, fact.as_ref().map(std::string::ToString::to_string))),
    )
}

impl std::fmt::Display for Happening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Happening::Act { act, actor, entered_for, officers, facts } => {
                write!(f, "p{actor} {act}")?;
                if let Some(other) = entered_for {
                    write!(f, " for p{other}")?;
                }
                for officer in officers {
                    write!(f, " +p{officer}")?;
                }
                let facts = facts.iter().map(|(name, fact)| match fact {
                    Some(fact) => format!("{name}={fact}"),
                    None => format!("{name} unknown"),
                });
                let facts: Vec<String> = facts.collect();
                if facts.is_empty() { Ok(()) } else { write!(f, " ({})", facts.join(", ")) }
            }
            Happening::Due { clock } => write!(f, "{clock} falls due"),
            Happening::Missed { clock } => write!(f, "{clock} is missed"),
        }
    }
}

/// The bad state at the end of a trace: what a replay has to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "bad", rename_all = "snake_case")]
pub enum Bad {
    /// A track stands in this state: no owner, no clock, or no way on from it.
    At {
        /// The track.
        track: Name,
        /// The state.
        state: Name,
    },
    /// The track stands there and its clock is not open; or it is paused and nothing reviews the pause.
    Unclocked {
        /// The track.
        track: Name,
        /// The state.
        state: Name,
        /// The clock.
        clock: Name,
    },
    /// The case counts as rectified.
    Rectified,
    /// The last act was done by somebody who should have stood apart.
    Done {
        /// The act.
        act: Name,
    },
    /// A guard of `never` holds.
    Holds {
        /// The guard.
        guard: String,
    },
    /// The last act is refused though its guard holds.
    Refused {
        /// The act.
        act: Name,
    },
    /// The last act cut off a running clock and started it again.
    Restarted {
        /// The clock.
        clock: Name,
    },
    /// The last act takes a legal date that lies in the past.
    PastDate {
        /// The clock.
        clock: Name,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// Where in the file.
    pub path: String,
    /// What it is about; the texts are made elsewhere from the code and these.
    pub values: BTreeMap<&'static str, String>,
    /// The shortest way there, for a finding about behaviour.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Happening>,
    /// What the trace ends in.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub bad: Option<Bad>,
}

impl Problem {
    fn new(code: &'static str, path: impl Into<String>) -> Self {
        Problem { code, path: path.into(), values: BTreeMap::new(), trace: Vec::new(), bad: None }
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(key, value.into());
        self
    }

    fn traced(mut self, trace: Vec<Happening>, bad: Bad) -> Self {
        (self.trace, self.bad) = (trace, Some(bad));
        self
    }
}

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
pub const CODES: [&str; 28] = [
    "CK01", "CK02", "CK03", "CK04", "CK05", "CK06", "CK07", "CK08", "CK09", "CK10", "CK11", "CK12", "CK13",
    "CK14", "CK15", "CK16", "CK17", "CK18", "CK19", "CK20", "CK21", "CK22", "CK23", "CK24", "CK25", "CK26",
    "CK27", "CK28",
];
