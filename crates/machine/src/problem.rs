//! What is found in a workflow file, by the compiler of definitions and by the checker.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::guard::Fact;
use crate::value::Name;

/// What was found: a code, a place and values. The texts are made of them elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code: `WF` where a file says something impossible, `CK` where it would let something go wrong.
    pub code: &'static str,
    /// Where in the file: `acts.dispatch.when`.
    pub path: String,
    /// What it is about.
    pub values: BTreeMap<&'static str, Value>,
    /// The shortest way there, for a finding about behaviour.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Happening>,
    /// What the trace ends in.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub bad: Option<Bad>,
}

impl Problem {
    /// A finding without values.
    pub fn new(code: &'static str, path: impl Into<String>) -> Self {
        Problem { code, path: path.into(), values: BTreeMap::new(), trace: Vec::new(), bad: None }
    }

    /// The same with one value more.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Serialize) -> Self {
        self.values.insert(key, serde_json::to_value(value).unwrap_or_default());
        self
    }

    pub(crate) fn traced(mut self, trace: Vec<Happening>, bad: Bad) -> Self {
        (self.trace, self.bad) = (trace, Some(bad));
        self
    }
}

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
