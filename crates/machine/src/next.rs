//! What a person may do now.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::act::Person;
use crate::command::{Facts, Refusal};
use crate::deadline::{count, date_field, day_of, term};
use crate::decide::Draft;
use crate::definition::Definition;
use crate::file::ActSpec;
use crate::guard::Need;
use crate::state::{State, Term};
use crate::value::{Name, UnitId, Value};

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
    /// Fields that can get the next number of the register of the person's unit.
    pub issuable: Vec<Name>,
    /// What its guard asks of the fields it takes.
    pub asked: Vec<Need>,
    /// What its guard needs and no field it takes can give.
    pub not_yet: Vec<Need>,
    /// Why it cannot be done now by whomever: there is no work to move so, or the date cannot be moved again.
    pub blocked: Option<Refusal>,
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

/// Something that waits for a person's signature.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Signable {
    /// Its number in the case.
    pub no: u32,
    /// What is proposed.
    pub what: Name,
    /// The signed document can get the next number of the register of the person's unit.
    pub issuable: bool,
}

impl Draft<'_> {
    /// Acts the person may do now: where they are listed, nobody is sent to one that would be refused.
    pub(crate) fn allowed(&self, actor: &Person, exists: bool) -> Vec<Name> {
        let acts = self.placed(actor, exists).into_iter().filter(|name| {
            let is_free = |spec| self.guarded(spec).1.is_empty() && self.blocked(spec, actor).is_none();
            let spec = self.definition.act(name);
            spec.is_some_and(|spec| is_free(spec) && self.barred(name, spec, actor).is_none())
        });
        acts.cloned().collect()
    }

    /// What the guard of an act asks of the fields it takes, and what else it needs. What an earlier act said
    /// of those fields does not count.
    pub(crate) fn guarded(&self, spec: &ActSpec) -> (Vec<Need>, Vec<Need>) {
        let is_own = |name: &str| spec.requires.iter().chain(&spec.accepts).any(|field| field == name);
        let known = |name: &str| if is_own(name) { None } else { self.fact(name) };
        let guard = spec.when.as_ref().and_then(|guard| self.definition.guard(guard));
        let needs = guard.and_then(|guard| guard.needs(&known));
        // A guard beyond all help names nothing, but no file with one passes the checker.
        needs.unwrap_or_default().into_iter().partition(|need| need.hangs_on(&is_own))
    }

    pub(crate) fn blocked(&self, spec: &ActSpec, actor: &Person) -> Option<Refusal> {
        if let Some(to) = spec.assignment {
            let unit = spec.assignee.is_none().then(|| actor.unit.clone());
            let mut work = self.state.assignments.iter();
            let is_his = |held: &UnitId| unit.as_ref().is_none_or(|unit| unit == held);
            if !work.any(|held| is_his(&held.unit) && to.fits(held)) {
                return Some(Refusal::NoAssignment { unit });
            }
        }
        spec.then.iter().filter(|step| step.only_if.is_none()).find_map(|step| {
            let asked = step.ask_extension.as_ref().map(|extend| (extend, true));
            let (extend, asking) = asked.or(step.extend.as_ref().map(|extend| (extend, false)))?;
            self.check_extensible(&extend.deadline, asking).err()
        })
    }

    fn barred(&self, name: &str, spec: &ActSpec, actor: &Person) -> Option<Refusal> {
        let apart = self.check_requirements_of_actor(spec, &actor.person);
        apart
            .and_then(|()| self.check_others_left(Some(&self.state), name, [&actor.person].into_iter()))
            .err()
    }

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
    let acts = draft.placed(actor, exists).into_iter().filter_map(|act| {
        let spec = definition.act(act)?;
        let fields = || spec.requires.iter().chain(&spec.accepts);
        let (asked, not_yet) = draft.guarded(spec);
        Some(Possible {
            act: act.clone(),
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
            issuable: fields().filter(|field| draft.is_issuable(field)).cloned().collect(),
            asked,
            // Said once: where the clock does not run, the guard says so.
            blocked: draft.blocked(spec, actor).filter(|_| not_yet.is_empty()),
            not_yet,
            refused: draft.barred(act, spec, actor),
        })
    });
    acts.collect()
}

/// What waits on a case for this person's signature.
pub fn signable(definition: &Definition, state: &State, facts: &Facts<'_>) -> Vec<Signable> {
    let draft = Draft::new(definition, facts, state.clone());
    let Some(actor) = facts.actor.filter(|_| !draft.has_ended()) else { return Vec::new() };
    let waiting = state.proposals.iter().filter(|proposal| proposal.approved.is_none());
    let waiting = waiting.filter(|proposal| draft.plays(&proposal.signer, &actor.person, Some(actor)));
    waiting
        .map(|proposal| Signable {
            no: proposal.no,
            what: proposal.what.clone(),
            issuable: draft.register().is_some(),
        })
        .collect()
}

/// The last day an extension of a clock may be asked for; none where it cannot be asked for any more, or has
/// been and is not decided.
pub fn last_day_to_ask(
    definition: &Definition,
    state: &State,
    facts: &Facts<'_>,
    clock: &str,
) -> Option<NaiveDate> {
    let draft = Draft::new(definition, facts, state.clone());
    let asks = |spec: &&ActSpec| {
        let mut steps = spec.then.iter().filter_map(|step| step.ask_extension.as_ref());
        steps.any(|extend| extend.deadline == clock)
    };
    let spec = definition.file().acts.values().find(asks)?;
    let is_open = draft.stands_for(spec, true) && draft.guarded(spec).1.is_empty();
    is_open.then(|| draft.check_extensible(clock, true).ok()).flatten()
}
