//! What a person may do now.

use std::collections::BTreeMap;

use crate::command::Facts;
use crate::decide::Draft;
use crate::definition::Definition;
use crate::state::State;
use crate::value::Name;

/// An act a person may do now, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Possible {
    /// The act.
    pub act: Name,
    /// One of the everyday acts.
    pub everyday: bool,
    /// Fields it needs.
    pub requires: Vec<Name>,
    /// Fields it takes.
    pub accepts: Vec<Name>,
    /// Evidence it needs: kind and least number.
    pub evidence: BTreeMap<Name, u32>,
    /// Officers it needs.
    pub officers: u32,
    /// Needs a signature or a recorded refusal.
    pub signature: bool,
    /// Needs a reason.
    pub reason: bool,
    /// Atoms of its guard that fail now, with the fields known so far.
    pub not_yet: Vec<String>,
}

/// What a person may do with a case now, with the fields each act needs.
pub fn next(definition: &Definition, state: Option<&State>, facts: &Facts<'_>) -> Vec<Possible> {
    let exists = state.is_some();
    let state = state.cloned().unwrap_or_else(|| State::empty(facts.case, definition.digest(), facts.now));
    let draft = Draft::new(definition, facts, state);
    let Some(actor) = facts.actor else { return Vec::new() };
    let acts = draft.allowed(actor, exists).into_iter().filter_map(|name| {
        let spec = definition.act(&name)?;
        let apart = draft.check_requirements_of_actor(spec, &actor.person);
        apart.is_ok().then(|| Possible {
            act: name,
            everyday: spec.everyday,
            requires: spec.requires.clone(),
            accepts: spec.accepts.clone(),
            evidence: spec.evidence.clone(),
            officers: spec.officers.as_ref().map_or(0, |officers| officers.least),
            signature: spec.signature,
            reason: spec.reason,
            not_yet: spec.when.as_ref().map(|guard| draft.failing(guard)).unwrap_or_default(),
        })
    });
    acts.collect()
}
