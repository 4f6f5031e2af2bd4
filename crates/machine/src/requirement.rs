//! What an act asks for: fields, evidence, officers, signatures, separation of duty.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::act::{Effect, Link, Signature};
use crate::command::{FieldProblem, Perform, Personal, Refusal};
use crate::decide::Draft;
use crate::definition::number;
use crate::file::{ActSpec, Field, FieldDefault, FieldType};
use crate::state::{CaseLink, Subject};
use crate::time::Instant;
use crate::value::{Name, PersonId, UnitId, Value};

/// Longest text unless the field says otherwise, in characters.
pub(crate) const TEXT_CHARS_MAX: u32 = 2_000;
/// Most pieces of evidence, officers, or units in one act.
const LIST_MAX: usize = 100;

/// Longest kind of evidence.
const KIND_BYTES_MAX: usize = 64;

/// What a refusal repeats of what was handed in.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Whether a text has anything to read in it.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Characters that show nothing by themselves: what Unicode calls Default_Ignorable_Code_Point, and the empty
/// Braille pattern.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Characters that have no place in a text: NUL and other controls (line breaks and tabs are fine) and
/// overrides of the writing direction, which can make a text read as something it is not.
pub(crate) fn has_bad_characters(text: &str) -> bool {
    text.chars().any(|c| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

/// Most ids named to whoever gave an unknown one.
const KNOWN_MAX: usize = 10;

/// Ids to write in place of an unknown one: those of that name, else the first there are.
fn like<'a>(text: &str, known: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let named = known.clone().filter(|(id, name)| {
        let ids = id.to_lowercase() == text.to_lowercase();
        ids || (!is_blank(text) && name.contains(text.trim()))
    });
    let mut ids: Vec<&str> = named.map(|(id, _)| id).collect();
    if ids.is_empty() {
        ids = known.map(|(id, _)| id).collect();
    }
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(*id));
    let more = if ids.len() > KNOWN_MAX { ", …" } else { "" };
    ids.truncate(KNOWN_MAX);
    format!("{}{more}", ids.join(", "))
}

impl Draft<'_> {
    /// Checks and sets the fields an act was given.
    pub(crate) fn take_fields(&mut self, spec: &ActSpec, perform: &Perform) -> Result<(), Refusal> {
        let allowed = || spec.requires.iter().chain(&spec.accepts);
        if let Some(field) = perform.fields.keys().find(|field| !allowed().any(|name| name == *field)) {
            let allowed = allowed().cloned().collect();
            return Err(Refusal::UnknownField { field: shortened(field), allowed });
        }
        for (name, value) in &perform.fields {
            self.set_field(name, value)?;
        }
        for name in allowed() {
            if !perform.fields.contains_key(name) {
                self.set_default(name)?;
            }
        }
        let given = &self.given;
        self.withheld = spec.accepts.iter().filter(|name| !given.contains_key(*name)).cloned().collect();
        let missing: Vec<Name> = spec
            .requires
            .iter()
            .filter(|name| !perform.fields.contains_key(*name) && !self.was_defaulted(name))
            .cloned()
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(Refusal::MissingFields { fields: missing }) }
    }

    fn was_defaulted(&self, name: &str) -> bool {
        let has_default = self.definition.field(name).is_some_and(|field| field.default.is_some());
        has_default && self.state.fields.contains_key(name)
    }

    fn set_default(&mut self, name: &str) -> Result<(), Refusal> {
        match self.default_value(name) {
            Some(value) => self.set_field(name, &value),
            None => Ok(()),
        }
    }

    /// What a field that is empty gets when nothing is given for it.
    pub(crate) fn default_value(&self, name: &str) -> Option<Value> {
        let default = self.definition.field(name)?.default.as_ref()?;
        if self.state.fields.contains_key(name) {
            return None;
        }
        match default {
            FieldDefault::False => Some(Value::Bool(false)),
            FieldDefault::Actor => self.facts.actor.map(|actor| Value::Text(actor.person.0.clone())),
            FieldDefault::ActorUnit => self.facts.actor.map(|actor| Value::Text(actor.unit.0.clone())),
            FieldDefault::Field(from) => self.state.fields.get(from).cloned(),
            FieldDefault::DepartmentOfSector(from) => {
                let unit = self.facts.directory.departments.get(self.state.text(from)?);
                unit.map(|unit| Value::Text(unit.0.clone()))
            }
        }
    }

    /// Checks a value against its field and sets it; a personal one as its digest.
    pub(crate) fn set_field(&mut self, name: &str, value: &Value) -> Result<(), Refusal> {
        let Some(field) = self.definition.field(name) else {
            return Err(Refusal::UnknownField { field: name.to_owned(), allowed: Vec::new() });
        };
        self.check_value(name, field, value)?;
        let mut new = value.clone();
        if field.personal
            && let Value::Text(text) = value
        {
            let salt = self.field_salt(name);
            new = Value::Text(crate::act::personal_digest(&salt, name, text));
            self.personal.push(Personal {
                version: self.state.version + 1,
                field: name.to_owned(),
                salt,
                value: text.clone(),
            });
        }
        let old = self.state.fields.get(name).cloned();
        self.given.insert(name.to_owned(), new.clone());
        if old.as_ref() != Some(&new) {
            self.emit(Effect::FieldSet { field: name.to_owned(), old, new });
        }
        Ok(())
    }

    fn check_value(&self, name: &str, field: &Field, value: &Value) -> Result<(), Refusal> {
        let bad = |problem, expected: String| {
            // A refusal is kept for good; a personal value is not.
            let value = if field.personal { String::new() } else { shortened(&value.to_string()) };
            Err(Refusal::BadField { field: name.to_owned(), problem, value, expected })
        };
        match (field.kind, value) {
            (FieldType::Bool, Value::Bool(_)) => Ok(()),
            (FieldType::Int, Value::Int(number)) => {
                let (least, most) = (field.min.unwrap_or(i64::MIN), field.max.unwrap_or(i64::MAX));
                if (least..=most).contains(number) {
                    Ok(())
                } else {
                    bad(FieldProblem::Range, format!("{least}..{most}"))
                }
            }
            (FieldType::Text, Value::Text(text)) => {
                let most = field.max_chars.unwrap_or(TEXT_CHARS_MAX);
                if is_blank(text) {
                    bad(FieldProblem::Blank, String::new())
                } else if text.chars().count() > usize::try_from(most).unwrap_or(usize::MAX) {
                    bad(FieldProblem::TooLong, most.to_string())
                } else if has_bad_characters(text) {
                    bad(FieldProblem::Characters, String::new())
                } else if field.register {
                    self.check_number(name, text)
                } else {
                    Ok(())
                }
            }
            (FieldType::Date, Value::Text(text)) => match calendar::parse_date(text) {
                Ok(day) => self.check_day(name, field, day),
                Err(_) => bad(FieldProblem::Type, "date".to_owned()),
            },
            (FieldType::Moment, Value::Text(text)) => match text.parse::<Instant>() {
                Ok(moment) => self.check_day(name, field, self.facts.calendar.local_date(moment.utc())),
                Err(_) => bad(FieldProblem::Type, "2026-06-28T17:00:00+08:00".to_owned()),
            },
            (FieldType::Choice, Value::Text(text)) => {
                if field.choices.contains_key(text) {
                    Ok(())
                } else {
                    let choices: Vec<_> = field.choices.keys().cloned().collect();
                    bad(FieldProblem::Unknown, choices.join(", "))
                }
            }
            (FieldType::Unit, Value::Text(text)) => match self.facts.directory.unit(&UnitId(text.clone())) {
                None => bad(FieldProblem::Unknown, self.units_like(text)),
                Some(unit) => match field.unit_kind.filter(|kind| *kind != unit.kind) {
                    Some(kind) => bad(FieldProblem::Kind, format!("{kind:?}").to_lowercase()),
                    None => Ok(()),
                },
            },
            (FieldType::Units, Value::List(units)) => {
                if units.len() > LIST_MAX {
                    return bad(FieldProblem::TooLong, LIST_MAX.to_string());
                }
                match units.iter().find(|unit| self.check_unit(unit).is_err()) {
                    Some(unit) => bad(FieldProblem::Unknown, self.units_like(unit)),
                    None => Ok(()),
                }
            }
            (FieldType::Person, Value::Text(text)) => {
                if self.facts.directory.knows(&PersonId(text.clone())) {
                    Ok(())
                } else {
                    bad(FieldProblem::Unknown, self.people_like(text))
                }
            }
            (kind, _) => bad(FieldProblem::Type, format!("{kind:?}").to_lowercase()),
        }
    }

    fn check_unit(&self, unit: &str) -> Result<(), ()> {
        self.facts.directory.unit(&UnitId(unit.to_owned())).map(|_| ()).ok_or(())
    }

    fn units_like(&self, text: &str) -> String {
        let units = self.facts.directory.units.iter();
        like(text, units.map(|unit| (unit.id.as_str(), unit.name.as_str())))
    }

    fn people_like(&self, text: &str) -> String {
        let posts = self.facts.directory.posts.iter();
        like(text, posts.map(|post| (post.person.as_str(), post.name.as_deref().unwrap_or_default())))
    }

    fn check_day(&self, name: &str, field: &Field, day: NaiveDate) -> Result<(), Refusal> {
        let bad = |problem, expected: String| {
            Err(Refusal::BadField { field: name.to_owned(), problem, value: day.to_string(), expected })
        };
        if field.after_today && day <= self.today {
            return bad(FieldProblem::NotAfterToday, self.today.to_string());
        }
        if field.until_today && day > self.today {
            return bad(FieldProblem::AfterToday, self.today.to_string());
        }
        if let Some(most) = field.within_days.as_ref().map(number) {
            let latest = self.facts.calendar.add_calendar_days(self.today, most, calendar::Roll::None)?.date;
            if day > latest {
                return bad(FieldProblem::TooFar, latest.to_string());
            }
        }
        Ok(())
    }

    /// Evidence, officers, signature, reason and separation of duty.
    pub(crate) fn check_requirements(
        &self,
        spec: &ActSpec,
        perform: &Perform,
        entered_for: Option<&PersonId>,
    ) -> Result<(), Refusal> {
        self.check_evidence(spec, perform)?;
        self.check_officers(spec, perform)?;
        if let Some(Signature::Signed(text) | Signature::Refused(text)) = &perform.signature
            && !is_blank(text)
        {
            self.check_text("signature", text)?;
        }
        let signed = match &perform.signature {
            Some(crate::act::Signature::Signed(text) | crate::act::Signature::Refused(text)) => {
                !is_blank(text)
            }
            None => false,
        };
        if spec.signature && !signed {
            return Err(Refusal::SignatureMissing);
        }
        if spec.reason && perform.reason.as_deref().is_none_or(is_blank) {
            return Err(Refusal::ReasonMissing);
        }
        let actor = self.facts.actor.map(|actor| &actor.person);
        for person in actor.into_iter().chain(entered_for) {
            self.check_apart(person, &spec.apart.actor)?;
        }
        for officer in &perform.officers {
            self.check_apart(officer, &spec.apart.officers)?;
        }
        Ok(())
    }

    /// Separation of duty alone, for the list of what a person may do.
    pub(crate) fn check_requirements_of_actor(
        &self,
        spec: &ActSpec,
        person: &PersonId,
    ) -> Result<(), Refusal> {
        self.check_apart(person, &spec.apart.actor)
    }

    fn check_apart(&self, person: &PersonId, acts: &[Name]) -> Result<(), Refusal> {
        let took_part =
            acts.iter().find(|act| self.state.involved.get(*act).is_some_and(|who| who.contains(person)));
        match took_part {
            Some(act) => {
                let joined = |link: &CaseLink| matches!(link.link, Link::OpenedFrom | Link::Absorbed);
                let linked = self.state.links.iter().any(joined);
                Err(Refusal::Separation { person: person.clone(), act: act.clone(), linked })
            }
            None => Ok(()),
        }
    }

    fn check_evidence(&self, spec: &ActSpec, perform: &Perform) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        for piece in perform.evidence.iter().take(LIST_MAX) {
            let is_digest = piece.digest.len() == 64
                && piece.digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !is_digest || piece.size_bytes == 0 {
                return Err(Refusal::EvidenceBad { digest: shortened(&piece.digest) });
            }
            if piece.kind.is_empty() || piece.kind.len() > KIND_BYTES_MAX || has_bad_characters(&piece.kind) {
                return Err(Refusal::EvidenceBad { digest: shortened(&piece.kind) });
            }
            if !self.definition.asks_for(&piece.kind) {
                let known = self.definition.evidence_kinds().into_iter().cloned().collect();
                return Err(Refusal::EvidenceKind { kind: piece.kind.clone(), known });
            }
            let version = self.state.evidence.get(&piece.digest).copied();
            // Given twice in this very act, it was not handed in by any.
            if version.is_some() || !seen.insert(&piece.digest) {
                return Err(Refusal::EvidenceReused { digest: piece.digest.clone(), version });
            }
        }
        if perform.evidence.len() > LIST_MAX {
            return Err(Refusal::EvidenceBad { digest: format!("> {LIST_MAX}") });
        }
        let for_another = &self.definition.file().entered_for_evidence;
        let for_another = for_another.iter().filter(|_| perform.entered_for.is_some());
        for (kind, needed) in spec.evidence.iter().chain(for_another) {
            let given = perform.evidence.iter().filter(|piece| piece.kind == *kind).count();
            let given = u32::try_from(given).unwrap_or(u32::MAX);
            if given < *needed {
                return Err(Refusal::EvidenceMissing { kind: kind.clone(), needed: *needed, given });
            }
        }
        Ok(())
    }

    fn check_officers(&self, spec: &ActSpec, perform: &Perform) -> Result<(), Refusal> {
        let different: BTreeSet<_> = perform.officers.iter().collect();
        let given = u32::try_from(different.len()).unwrap_or(u32::MAX);
        let needed = spec.officers.as_ref().map_or(0, |officers| officers.least);
        if given < needed || different.len() != perform.officers.len() || different.len() > LIST_MAX {
            return Err(Refusal::Officers { needed, given });
        }
        if let Some(officers) = &spec.officers {
            let holders = self.holders(&officers.role, Subject::Case);
            if let Some(person) = perform.officers.iter().find(|person| !holders.contains(person)) {
                let person = PersonId(shortened(&person.0));
                return Err(Refusal::OfficerRole { person, role: officers.role.clone() });
            }
        } else if given > 0 {
            // Whoever is named took part; an act that asks for no officers names none.
            return Err(Refusal::Officers { needed, given });
        }
        Ok(())
    }
}
