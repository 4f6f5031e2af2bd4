//! What happened to a case, act by act.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use machine::act::{End, Evidence, Signature};
use machine::time::Due;
use machine::value::Name;
use machine::{Act, Effect, Instant, Person, State};
use serde::Serialize;
use serde_json::json;

use super::{Named, Words};

/// An act.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its number.
    pub version: u32,
    /// When it was recorded.
    pub at: Instant,
    /// The day it is said to have happened, where that differs.
    pub occurred_on: Option<NaiveDate>,
    /// The act.
    pub act: Named,
    /// Who did it; none for the worker.
    pub by: Option<Post>,
    /// The person it was entered for (代录).
    pub entered_for: Option<Named>,
    /// Named officers.
    pub officers: Vec<Named>,
    /// Signature or recorded refusal.
    pub signature: Option<Signature>,
    /// Why.
    pub reason: Option<String>,
    /// Evidence handed in.
    pub evidence: Vec<Evidence>,
    /// What it changed, in words.
    pub effects: Vec<String>,
}

/// A person at a post.
#[derive(Clone, Debug, Serialize)]
pub struct Post {
    /// The person.
    pub person: Named,
    /// The post.
    pub post: Named,
    /// The unit.
    pub unit: Named,
}

/// The clocks started so far: name, and when each is due.
type Clocks = BTreeMap<u32, (Name, Due)>;

impl Words<'_> {
    /// What happened, in words. `state` knows the clocks that acts not given here have started.
    pub fn timeline(&self, acts: &[Act], state: &State) -> Vec<Entry> {
        let known =
            state.deadlines.iter().map(|deadline| (deadline.no, (deadline.name.clone(), deadline.due)));
        let mut clocks: Clocks = known.collect();
        acts.iter().map(|act| self.entry(act, &mut clocks)).collect()
    }

    fn entry(&self, act: &Act, clocks: &mut Clocks) -> Entry {
        Entry {
            version: act.version,
            at: act.at,
            occurred_on: act.occurred_on,
            act: self.named_act(&act.name),
            by: act.actor.person().map(|who| self.at_post(who)),
            entered_for: act.entered_for.as_ref().map(|person| self.named_person(person)),
            officers: act.officers.iter().map(|person| self.named_person(person)).collect(),
            signature: act.signature.clone(),
            reason: act.reason.clone(),
            evidence: act.evidence.clone(),
            effects: act.effects.iter().filter_map(|effect| self.effect(effect, clocks)).collect(),
        }
    }

    fn at_post(&self, who: &Person) -> Post {
        Post {
            person: self.named_person(&who.person),
            post: Named { id: who.post.to_string(), name: self.directory.post_title(&who.post).to_owned() },
            unit: self.named_unit(who.unit.as_str()),
        }
    }

    fn effect(&self, effect: &Effect, clocks: &mut Clocks) -> Option<String> {
        let clock = |clocks: &Clocks, no: u32| {
            clocks.get(&no).map_or_else(String::new, |(name, _)| self.clock(name).to_owned())
        };
        Some(match effect {
            Effect::Moved { track, from, to } => {
                let values = json!({ "from": self.state(track, from), "to": self.state(track, to) });
                self.text("effect.moved", &values)
            }
            // The value of an opening stands with the case; a change has to be seen.
            Effect::FieldSet { field, old: Some(old), new } => {
                let personal = self.definition.field(field).is_some_and(|field| field.personal);
                let word = |value| {
                    if personal { self.text("show.kept_apart", &()) } else { self.value(field, value) }
                };
                let values = json!({ "field": self.field(field), "old": word(old), "new": word(new) });
                self.text("effect.field", &values)
            }
            Effect::DeadlineStarted { deadline } => {
                clocks.insert(deadline.no, (deadline.name.clone(), deadline.due));
                let values = json!({ "clock": self.clock(&deadline.name), "due": self.due(deadline.due) });
                self.text("effect.started", &values)
            }
            Effect::DeadlineMoved { no, why, due, .. } => {
                let clock = clock(clocks, *no);
                let before = clocks.get_mut(no).map(|(_, known)| std::mem::replace(known, *due));
                let before = before.filter(|before| before != due).map(|before| self.due(before));
                let values = json!({ "clock": clock, "from": before, "due": self.due(*due), "why": why });
                self.text("effect.moved_due", &values)
            }
            Effect::DeadlinePaused { no, .. } => {
                self.text("effect.paused", &json!({ "clock": clock(clocks, *no) }))
            }
            Effect::DeadlineMissed { no } => {
                let due = clocks.get(no).map(|(_, due)| self.due(*due));
                self.text("effect.missed", &json!({ "clock": clock(clocks, *no), "due": due }))
            }
            Effect::DeadlineEnded { no, end } => {
                let met = *end == End::Met;
                self.text("effect.ended", &json!({ "clock": clock(clocks, *no), "met": met }))
            }
            Effect::RungRecorded { rung } => {
                let people = rung.recipients.iter().map(|person| self.directory.person_name(person));
                let roles = rung.unreached.iter().map(|role| self.role(role));
                let values = json!({
                    "clock": clock(clocks, rung.deadline_no), "rung": self.rung(&rung.ladder, &rung.rung),
                    "repeat": rung.repeat, "result": rung.result,
                    "people": people.collect::<Vec<_>>(), "unreached": roles.collect::<Vec<_>>(),
                });
                self.text("effect.rung", &values)
            }
            Effect::ProposalMade { no, what, signer } => {
                let values = json!({ "no": no, "what": self.notice(what), "signer": self.role(signer) });
                self.text("effect.proposal", &values)
            }
            Effect::ProposalDecided { no, approved } => {
                self.text("effect.decided", &json!({ "no": no, "approved": approved }))
            }
            Effect::DocumentIssued { document } => {
                self.text("effect.document", &json!({ "number": document.to_string() }))
            }
            Effect::Linked { number, link, .. } => {
                self.text("effect.linked", &json!({ "number": number, "link": link }))
            }
            Effect::AssignmentSent { unit, duty, .. } => {
                let values = json!({ "unit": self.unit(unit.as_str()), "duty": duty });
                self.text("effect.assigned", &values)
            }
            Effect::AssignmentMoved { no, to } => {
                self.text("effect.assignment", &json!({ "no": no, "to": to }))
            }
            Effect::Imported { muted_until } => {
                self.text("effect.imported", &json!({ "until": self.moment(*muted_until) }))
            }
            Effect::Restored { state } => self.text("effect.restored", &json!({ "version": state.version })),
            Effect::Numbered { .. } | Effect::Entered { .. } | Effect::FieldSet { old: None, .. } => {
                return None;
            }
        })
    }
}
