//! Refusals and conditions in the words of the workflow file and the organisation. What somebody has to type,
//! an act or a field, is named with its id.

use std::collections::BTreeMap;
use std::sync::Arc;

use machine::command::DocumentProblem;
use machine::guard::{Atom, Condition, Fact, Need, Op};
use machine::value::{Name, UnitId, Value};
use machine::{Definition, Refusal};
use serde_json::{Value as Json, json};

use super::Words;
use crate::text::{Language, error as said, refused};
use crate::{Engine, EngineError};

/// What a command was about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// The case with this number or id.
    Case(&'a str),
    /// The newest edition of this workflow.
    Workflow(&'a str),
}

impl Engine {
    /// What an error says; a refusal in the words of the workflow it is about, as far as that can be read.
    pub async fn told(&self, error: &EngineError, about: About<'_>, language: Language) -> String {
        let (about, refusal) = match error {
            EngineError::Refused(refusal) => (about, refusal),
            EngineError::RefusedIn { number, refusal } => (About::Case(number), refusal),
            _ => return said(language, error),
        };
        let Ok(definition) = self.definition_of(about).await else { return said(language, error) };
        let Ok((calendar, directory)) = self.surroundings(&definition).await else {
            return said(language, error);
        };
        let words = Words { language, definition: &definition, directory: &directory, calendar: &calendar };
        let told = words.refusal(refusal);
        match error {
            EngineError::RefusedIn { number, .. } => format!("{number}: {told}"),
            _ => told,
        }
    }

    async fn definition_of(&self, about: About<'_>) -> Result<Arc<Definition>, EngineError> {
        match about {
            About::Case(number) => Ok(self.case(number).await?.1),
            About::Workflow(name) => self.catalog().definition(&self.newest(name).await?).await,
        }
    }
}

/// What a variable of a guard stands for.
enum Subject<'a> {
    Today,
    Track(&'a str),
    /// A clock, and what is asked of it.
    Clock(&'a str, &'a str),
    /// Work sent out, or what waits for a signer.
    Open(&'a str),
    Field,
}

impl Words<'_> {
    /// What a refusal says.
    pub fn refusal(&self, refusal: &Refusal) -> String {
        let mut values = json!(refusal);
        match refusal {
            Refusal::UnknownAct { allowed, .. } => values["allowed"] = self.typed_acts(allowed),
            Refusal::NotFromHere { act, track, state, needed, allowed } => {
                values["act"] = self.typed_act(act).into();
                values["track"] = self.track(track).into();
                values["state"] = self.state(track, state).into();
                values["needed"] = needed.iter().map(|state| self.state(track, state)).collect();
                values["allowed"] = self.typed_acts(allowed);
            }
            Refusal::UnknownPost { person, post } => {
                values["person"] = self.directory.person_name(person).into();
                values["post"] = self.directory.post_title(post).into();
            }
            Refusal::Role { act, needed, bound, held } => {
                values["act"] = self.typed_act(act).into();
                values["needed"] = self.bound_roles(needed, bound);
                // Roles of other workflows say nothing here.
                let here = held.iter().filter(|role| self.definition.file().roles.contains_key(*role));
                values["held"] = here.map(|role| self.role(role)).collect();
            }
            Refusal::Guard { act, needs, .. } => {
                values["act"] = self.typed_act(act).into();
                values["needs"] = needs.iter().map(|need| self.need(need)).collect();
            }
            Refusal::MissingFields { fields } => values["fields"] = self.typed_fields(fields),
            Refusal::UnknownField { field, allowed } => {
                values["field"] = self.typed_field(field).into();
                values["allowed"] = self.typed_fields(allowed);
            }
            Refusal::BadField { field, expected, .. } => {
                values["field"] = self.typed_field(field).into();
                if let Some(choices) = self.choices(field, expected) {
                    values["choices"] = choices.into();
                }
            }
            Refusal::CannotAmend { field, allowed, .. } => {
                values["field"] = self.typed_field(field).into();
                values["allowed"] = self.typed_fields(allowed);
            }
            Refusal::Document { field, problem } => {
                values["field_id"] = field.as_str().into();
                values["field"] = self.typed_field(field).into();
                match problem {
                    DocumentProblem::NotHere { allowed } => {
                        values["problem"]["not_here"]["allowed"] = self.typed_fields(allowed);
                    }
                    DocumentProblem::NoRegister { unit } => {
                        values["problem"]["no_register"]["unit"] = self.unit(unit.as_str()).into();
                    }
                    DocumentProblem::Given
                    | DocumentProblem::Form { .. }
                    | DocumentProblem::NotIssued { .. } => {}
                }
            }
            Refusal::Separation { person, act, .. } => {
                values["person"] = self.directory.person_name(person).into();
                values["act"] = self.act(act).into();
            }
            Refusal::NobodyLeft { person, act, role, .. } => {
                values["person"] = person.as_ref().map(|person| self.directory.person_name(person)).into();
                values["act"] = self.act(act).into();
                values["role"] = self.role(role).into();
            }
            Refusal::OfficerRole { person, role } => {
                values["person"] = self.directory.person_name(person).into();
                values["role"] = self.role(role).into();
            }
            Refusal::EnteredFor { person, needed, bound } => {
                values["needed"] = self.bound_roles(needed, bound);
                values["person"] = self.directory.person_name(person).into();
            }
            Refusal::Clock { deadline, .. } | Refusal::Extension { deadline, .. } => {
                values["deadline"] = self.clock(deadline).into();
            }
            Refusal::NoAssignment { unit: Some(unit) } => {
                values["unit"] = self.unit(unit.as_str()).into();
            }
            Refusal::CannotTakeBack { last } => values["last"] = self.act(last).into(),
            Refusal::NoSuchCase
            | Refusal::AlreadyOpen
            | Refusal::Version { .. }
            | Refusal::EvidenceMissing { .. }
            | Refusal::EvidenceReused { .. }
            | Refusal::EvidenceShared { .. }
            | Refusal::EvidenceBad { .. }
            | Refusal::EvidenceKind { .. }
            | Refusal::Officers { .. }
            | Refusal::SignatureMissing
            | Refusal::ReasonMissing
            | Refusal::NoAssignment { unit: None }
            | Refusal::NotConcerned
            | Refusal::NoProposal { .. }
            | Refusal::OtherCase { .. }
            | Refusal::Date { .. }
            | Refusal::CatchingUp => {}
        }
        refused(self.language, refusal, values)
    }

    fn with_id(&self, title: &str, id: &str) -> String {
        match self.language {
            _ if title == id => id.to_owned(),
            Language::Zh => format!("{title}（{id}）"),
            Language::En => format!("{title} ({id})"),
        }
    }

    fn typed_act(&self, act: &str) -> String {
        self.with_id(&self.act(act), act)
    }

    fn typed_acts(&self, acts: &[String]) -> Json {
        acts.iter().map(|act| self.typed_act(act)).collect()
    }

    fn typed_field(&self, field: &str) -> String {
        // What every act may bring besides its fields.
        let key = format!("word.{field}");
        if self.definition.field(field).is_none() && matches!(field, "comment" | "reason" | "signature") {
            return self.text(&key, &json!({}));
        }
        self.with_id(self.field(field), field)
    }

    /// Roles, each with the unit it is bound to on this case.
    fn bound_roles(&self, roles: &[Name], bound: &BTreeMap<Name, UnitId>) -> Json {
        let told = |role: &Name| match bound.get(role) {
            Some(unit) => {
                let values = json!({ "role": self.role(role), "unit": self.unit(unit.as_str()) });
                self.text("word.role_of_unit", &values)
            }
            None => self.role(role).to_owned(),
        };
        roles.iter().map(told).collect()
    }

    fn typed_fields(&self, fields: &[String]) -> Json {
        fields.iter().map(|field| self.typed_field(field)).collect()
    }

    /// The choices a field would take, by their titles.
    fn choices(&self, field: &str, expected: &str) -> Option<String> {
        let choices = &self.definition.field(field)?.choices;
        expected.split(", ").all(|id| choices.contains_key(id)).then(|| {
            let titles = choices.iter().map(|(id, title)| self.with_id(self.language.of(title), id));
            titles.collect::<Vec<_>>().join(self.language.comma())
        })
    }

    /// What a guard still needs.
    pub fn need(&self, need: &Need) -> String {
        needs_in_words(self.language, need, &|condition| self.condition(condition))
    }

    fn condition(&self, condition: &Condition) -> String {
        let wanted = condition.wanted;
        match &condition.atom {
            Atom::Has(name) => {
                self.text("need.has", &json!({ "name": self.subject(name), "wanted": wanted }))
            }
            Atom::Is(name) => match self.stands_for(name) {
                Subject::Clock(clock, fact) => {
                    let values = json!({ "clock": self.clock(clock), "wanted": wanted });
                    self.text(&format!("need.clock.{fact}"), &values)
                }
                _ => {
                    self.compared(condition, name, if wanted { Op::Eq } else { Op::Ne }, &[Fact::Bool(true)])
                }
            },
            Atom::Compare { variable, op, value } => {
                let op = if wanted { *op } else { op.opposite() };
                self.compared(condition, variable, op, std::slice::from_ref(value))
            }
            Atom::OneOf { variable, values } => {
                self.compared(condition, variable, if wanted { Op::Eq } else { Op::Ne }, values)
            }
            Atom::CompareVariables { left, op, right } => {
                let op = if wanted { *op } else { op.opposite() };
                let value = condition.known.get(right).map(|fact| self.fact(right, fact));
                let other = self.text("need.named", &json!({ "name": self.subject(right), "value": value }));
                self.comparison(condition, left, op, other)
            }
        }
    }

    fn compared(&self, condition: &Condition, name: &str, op: Op, values: &[Fact]) -> String {
        let values = values.iter().map(|value| match value {
            Fact::Text(_) | Fact::Bool(_) => {
                self.text("need.quoted", &json!({ "name": self.fact(name, value) }))
            }
            Fact::Int(_) | Fact::Date(_) => self.fact(name, value),
        });
        let or = self.text("need.or_value", &json!({}));
        self.comparison(condition, name, op, values.collect::<Vec<_>>().join(&or))
    }

    /// `name` as it is now beside what it should be.
    fn comparison(&self, condition: &Condition, name: &str, op: Op, other: String) -> String {
        let now = condition.known.get(name).map(|fact| self.fact(name, fact));
        let beside = matches!(condition.atom, Atom::CompareVariables { .. });
        let values = json!({
            "name": self.subject(name), "now": now, "op": op, "other": other, "beside": beside,
            // Of a day one says that it is early or late, of a number that it is large or small.
            "day": self.is_day(name),
        });
        self.text("need.compare", &values)
    }

    fn is_day(&self, name: &str) -> bool {
        use machine::file::FieldType::{Date, Moment};
        match self.stands_for(name) {
            Subject::Today => true,
            Subject::Field => {
                self.definition.field(name).is_some_and(|field| matches!(field.kind, Date | Moment))
            }
            Subject::Track(_) | Subject::Clock(..) | Subject::Open(_) => false,
        }
    }

    fn stands_for<'n>(&self, name: &'n str) -> Subject<'n> {
        match name.split_once('.') {
            _ if name == "today" => Subject::Today,
            Some((what, "open")) if matches!(what, "assignments" | "proposals") => Subject::Open(what),
            Some((clock, fact)) => Subject::Clock(clock, fact),
            None if self.definition.file().tracks.contains_key(name) => Subject::Track(name),
            None => Subject::Field,
        }
    }

    /// What a variable is called.
    fn subject(&self, name: &str) -> String {
        match self.stands_for(name) {
            Subject::Today => self.text("need.today", &json!({})),
            Subject::Track(track) => self.text("need.quoted", &json!({ "name": self.track(track) })),
            Subject::Field => self.text("need.quoted", &json!({ "name": self.field(name) })),
            Subject::Clock(clock, fact) => {
                self.text(&format!("need.count.{fact}"), &json!({ "clock": self.clock(clock) }))
            }
            Subject::Open(what) => self.text(&format!("need.open.{what}"), &json!({})),
        }
    }

    /// A value as the variable has it.
    fn fact(&self, name: &str, fact: &Fact) -> String {
        let is_moment = || {
            let field = self.definition.field(name);
            field.is_some_and(|field| field.kind == machine::file::FieldType::Moment)
        };
        match (fact, self.stands_for(name)) {
            (Fact::Text(state), Subject::Track(track)) => self.state(track, state).to_owned(),
            (Fact::Text(text), _) => self.value(name, &Value::Text(text.clone())),
            (Fact::Bool(value), _) => self.value(name, &Value::Bool(*value)),
            (Fact::Int(micros), _) if is_moment() => {
                machine::Instant::from_micros(*micros).map_or_else(String::new, |at| self.moment(at))
            }
            (Fact::Int(number), _) => number.to_string(),
            (Fact::Date(day), _) => day.to_string(),
        }
    }
}

/// A need in words, its conditions told by the caller: alternatives are joined by or, what goes together within
/// one of them by and.
pub(crate) fn needs_in_words(
    language: Language,
    need: &Need,
    condition: &dyn Fn(&Condition) -> String,
) -> String {
    let (or, and) = match language {
        Language::Zh => ("，或", "且"),
        Language::En => (", or ", " and "),
    };
    let inner = |need: &Need| needs_in_words(language, need, condition);
    match need {
        Need::Condition(one) => condition(one),
        Need::AnyOf(needs) => needs.iter().map(inner).collect::<Vec<_>>().join(or),
        Need::AllOf(needs) => {
            let bracketed = |need: &Need| match (need, language) {
                (Need::AnyOf(_), Language::Zh) => format!("（{}）", inner(need)),
                (Need::AnyOf(_), Language::En) => format!("({})", inner(need)),
                (Need::Condition(_) | Need::AllOf(_), _) => inner(need),
            };
            needs.iter().map(bracketed).collect::<Vec<_>>().join(and)
        }
    }
}
