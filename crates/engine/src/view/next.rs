//! What a person may do with a case now, with everything a form needs.

use std::collections::{BTreeMap, BTreeSet};

use machine::file::FieldType;
use machine::guard::Need;
use machine::next::Proposed;
use machine::value::{Name, Value};
use machine::{Person, Possible, Refusal, Signable, State};
use serde::Serialize;
use serde_json::json;

use super::{Named, Words};
use crate::text::Language;
use crate::{Engine, EngineError};

/// An act that a person's roles allow now.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// The act.
    pub act: Named,
    /// One of the everyday acts.
    pub everyday: bool,
    /// Its fields, the required ones first.
    pub fields: Vec<Ask>,
    /// Evidence it needs: kind and least number.
    pub evidence: BTreeMap<Name, u32>,
    /// Officers it needs.
    pub officers: Option<Officers>,
    /// Needs a signature or a recorded refusal.
    pub signature: bool,
    /// Needs a reason.
    pub reason: bool,
    /// What has to hold of the fields, in words.
    pub asked: Vec<String>,
    /// The same as data.
    pub asks: Vec<Need>,
    /// What its condition needs before anybody can do it, in words.
    pub not_yet: Vec<String>,
    /// Why nobody can do it now though its condition holds: there is no work to move so, or the date cannot be
    /// moved again.
    pub blocked: Option<Refusal>,
    /// The same in words.
    pub blocked_text: Option<String>,
    /// Why this person cannot do it.
    pub refused: Option<Refusal>,
    /// The same in words.
    pub refused_text: Option<String>,
    /// What waits for this person's signature: its number.
    pub proposal: Option<u32>,
    /// What is signed can get the next number of the register of the person's unit.
    pub issuable: bool,
}

impl Offer {
    /// Nothing stands in its way but what has to be handed in.
    pub fn is_open(&self) -> bool {
        self.refused.is_none() && self.not_yet.is_empty() && self.blocked.is_none()
    }
}

/// A field of an act.
#[derive(Clone, Debug, Serialize)]
pub struct Ask {
    /// The field.
    pub field: Named,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Has to be given, unless there is a value it takes by itself.
    pub required: bool,
    /// The choices.
    pub choices: Vec<Named>,
    /// The value it takes when none is given.
    pub default: Option<Value>,
    /// A date proposed, and how it was counted. Never set by itself.
    pub proposed: Option<Proposed>,
    /// It can get the next number of the register of the person's unit.
    pub issuable: bool,
    /// What it holds now.
    pub now: Option<Value>,
}

/// Officers an act needs.
#[derive(Clone, Debug, Serialize)]
pub struct Officers {
    /// At least so many, all different.
    pub least: u32,
    /// The role each must hold.
    pub role: Named,
    /// Who holds it today.
    pub people: Vec<Named>,
}

impl Engine {
    /// What a person may do with a case now, those acts first that nothing stands against.
    pub async fn offers(
        &self,
        number: &str,
        actor: &Person,
        language: Language,
    ) -> Result<Vec<Offer>, EngineError> {
        let (state, definition) = self.case(number).await?;
        let (calendar, directory) = self.surroundings(&definition).await?;
        let now = self.store().clock().await?;
        let facts = crate::facts(self.tenant(), state.case, now, Some(actor), &calendar, &directory);
        let possible = machine::next(&definition, Some(&state), &facts);
        let signable = machine::signable(&definition, &state, &facts);
        let words = Words { language, definition: &definition, directory: &directory, calendar: &calendar };
        let signatures = signable.iter().map(|waiting| words.signature(waiting));
        let acts = possible.into_iter().map(|possible| words.offer(possible, &state));
        let mut offers: Vec<Offer> = signatures.chain(acts).collect();
        offers.sort_by_key(|offer| (offer.refused.is_some(), !offer.is_open(), !offer.everyday));
        Ok(offers)
    }
}

impl Words<'_> {
    fn signature(&self, waiting: &Signable) -> Offer {
        let act = "decide_proposal";
        let what = self.notice(&waiting.what);
        let name = self.text("next.proposal", &json!({ "no": waiting.no, "what": what }));
        Offer {
            act: Named { id: act.to_owned(), name },
            everyday: true,
            fields: Vec::new(),
            evidence: BTreeMap::new(),
            officers: None,
            signature: false,
            reason: false,
            asked: Vec::new(),
            asks: Vec::new(),
            not_yet: Vec::new(),
            blocked: None,
            blocked_text: None,
            refused: None,
            refused_text: None,
            proposal: Some(waiting.no),
            issuable: waiting.issuable,
        }
    }

    fn offer(&self, possible: Possible, state: &State) -> Offer {
        let required = possible.requires.iter().map(|name| (name, true));
        let fields = required.chain(possible.accepts.iter().map(|name| (name, false)));
        let spec = self.definition.act(&possible.act).and_then(|spec| spec.officers.as_ref());
        Offer {
            act: self.named_act(&possible.act),
            everyday: possible.everyday,
            fields: fields
                .filter_map(|(name, required)| self.ask(name, required, &possible, state))
                .collect(),
            evidence: possible.evidence,
            officers: spec.map(|officers| Officers {
                least: officers.least,
                role: self.named_role(&officers.role),
                people: self.free_holders(state, &possible.act, &officers.role),
            }),
            signature: possible.signature,
            reason: possible.reason,
            asked: possible.asked.iter().map(|need| self.need(need)).collect(),
            asks: possible.asked,
            not_yet: possible.not_yet.iter().map(|need| self.need(need)).collect(),
            blocked_text: possible.blocked.as_ref().map(|why| self.refusal(why)),
            blocked: possible.blocked,
            refused_text: possible.refused.as_ref().map(|why| self.refusal(why)),
            refused: possible.refused,
            proposal: None,
            issuable: false,
        }
    }

    /// Who holds a role and took no part in what the officers of an act stand apart from.
    fn free_holders(&self, state: &State, act: &str, role: &str) -> Vec<Named> {
        let apart = self.definition.act(act).map(|spec| &spec.apart.officers);
        let involved = apart.into_iter().flatten().filter_map(|act| state.involved.get(act));
        let barred: BTreeSet<&str> = involved.flatten().map(|person| person.as_str()).collect();
        let holders = self.holders(state, role).into_iter();
        holders.filter(|person| !barred.contains(person.id.as_str())).collect()
    }

    fn ask(&self, name: &str, required: bool, possible: &Possible, state: &State) -> Option<Ask> {
        let spec = self.definition.field(name)?;
        let choices = spec
            .choices
            .iter()
            .map(|(id, title)| Named { id: id.clone(), name: self.language.of(title).to_owned() });
        Some(Ask {
            field: self.named_field(name),
            kind: spec.kind,
            required,
            choices: choices.collect(),
            default: possible.defaults.get(name).cloned(),
            proposed: possible.proposed.iter().find(|proposed| proposed.field == name).cloned(),
            issuable: possible.issuable.iter().any(|field| field == name),
            now: state.fields.get(name).filter(|_| !spec.personal).cloned(),
        })
    }
}
