//! What a person may do now.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::command::{Facts, Refusal};
use crate::deadline::{count, date_field, day_of, term};
use crate::decide::Draft;
use crate::definition::Definition;
use crate::state::{State, Term};
use crate::value::{Name, Value};

/// An act that a person's roles allow where the case stands, and what it needs.
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
    /// Dates proposed for its fields.
    pub proposed: Vec<Proposed>,
    /// Fields that take this value when none is given.
    pub defaults: BTreeMap<Name, Value>,
    /// Atoms of its guard that fail now, with the fields known so far.
    pub not_yet: Vec<String>,
    /// Why this person cannot do it, whatever is handed in.
    pub refused: Option<Refusal>,
}

/// A proposed date, and how it was counted. Whoever acts may choose another.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Proposed {
    /// The field.
    pub field: Name,
    /// The day.
    pub day: NaiveDate,
    /// The day it is counted from (not counted itself).
    pub anchor: NaiveDate,
    /// The rule.
    pub term: Term,
    /// The guard of the file that chose this rule; none for the ordinary one.
    pub term_when: Option<String>,
    /// Counted beyond the published calendar.
    pub provisional: bool,
}

impl Draft<'_> {
    /// The date the file proposes for a field, if it does and all that is needed is known.
    fn proposed(&self, name: &str) -> Option<Proposed> {
        let field = self.definition.field(name)?;
        let (rule, term_when) = self.choose(field.suggest.as_ref()?, &field.suggest_if);
        let anchor = match &rule.from {
            Some(from) => date_field(&self.state, from).ok()?,
            None => self.today,
        };
        let term = term(rule);
        let counted = count(self.facts.calendar, &self.state, &term, anchor, self.at).ok()?;
        Some(Proposed {
            field: name.to_owned(),
            day: day_of(self.facts.calendar, counted.due),
            anchor,
            term,
            term_when: term_when.map(str::to_owned),
            provisional: counted.provisional,
        })
    }
}

/// What a person may do with a case now, with the fields each act needs.
pub fn next(definition: &Definition, state: Option<&State>, facts: &Facts<'_>) -> Vec<Possible> {
    let exists = state.is_some();
    let state = state.cloned().unwrap_or_else(|| State::empty(facts.case, definition.digest(), facts.now));
    let draft = Draft::new(definition, facts, state);
    let Some(actor) = facts.actor else { return Vec::new() };
    let acts = draft.allowed(actor, exists).into_iter().filter_map(|act| {
        let spec = definition.act(&act)?;
        let fields = || spec.requires.iter().chain(&spec.accepts);
        Some(Possible {
            everyday: spec.everyday,
            requires: spec.requires.clone(),
            accepts: spec.accepts.clone(),
            evidence: spec.evidence.clone(),
            officers: spec.officers.as_ref().map_or(0, |officers| officers.least),
            signature: spec.signature,
            reason: spec.reason,
            proposed: fields().filter_map(|field| draft.proposed(field)).collect(),
            defaults: fields()
                .filter_map(|field| Some((field.clone(), draft.default_value(field)?)))
                .collect(),
            refused: draft
                .check_requirements_of_actor(spec, &actor.person)
                .and_then(|()| draft.check_others_left(&act, [&actor.person].into_iter()))
                .err(),
            not_yet: spec.when.as_ref().map(|guard| draft.failing(guard)).unwrap_or_default(),
            act,
        })
    });
    acts.collect()
}
