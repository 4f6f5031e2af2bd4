//! What people call things: titles of the workflow file, names of the organisation, local times.

use calendar::Calendar;
use machine::file::{FieldType, Label};
use machine::time::Due;
use machine::value::{PersonId, Value};
use machine::{Definition, Directory, Instant, State};
use serde::Serialize;

use super::Named;
use crate::notice;
use crate::text::{Language, text};

/// Looks up what people call the things of one case.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The language of the reader.
    pub language: Language,
    /// The definition of the case.
    pub definition: &'a Definition,
    /// The organisation.
    pub directory: &'a Directory,
    /// The calendar whose zone local times are told in.
    pub calendar: &'a Calendar,
}

fn named(id: &str, name: &str) -> Named {
    Named { id: id.to_owned(), name: name.to_owned() }
}

impl<'a> Words<'a> {
    /// A text of the program.
    pub fn text(&self, key: &str, values: &impl Serialize) -> String {
        text(self.language, key, values)
    }

    fn label(&self, label: Option<&'a Label>, id: &'a str) -> &'a str {
        match (label, self.language) {
            (None, _) => id,
            (Some(label), Language::Zh) => &label.zh,
            (Some(label), Language::En) => &label.en,
        }
    }

    /// The title of a track.
    pub fn track(&self, track: &'a str) -> &'a str {
        self.label(self.definition.file().tracks.get(track).map(|spec| &spec.title), track)
    }

    /// The title of a state of a track.
    pub fn state(&self, track: &str, state: &'a str) -> &'a str {
        let spec = self.definition.file().tracks.get(track).and_then(|track| track.states.get(state));
        self.label(spec.map(|spec| &spec.title), state)
    }

    /// The title of a field.
    pub fn field(&self, field: &'a str) -> &'a str {
        self.label(self.definition.field(field).map(|spec| &spec.title), field)
    }

    /// The title of a clock.
    pub fn clock(&self, clock: &'a str) -> &'a str {
        self.label(self.definition.deadline(clock).map(|spec| &spec.title), clock)
    }

    /// The title of an act, of the file or built in.
    pub fn act(&self, act: &str) -> String {
        match self.definition.act(act) {
            Some(spec) => self.language.of(&spec.title).to_owned(),
            None => self.text(&format!("act.{act}"), &()),
        }
    }

    /// The title of a role, of the file or built in.
    pub fn role(&self, role: &str) -> String {
        match (self.definition.file().roles.get(role), role) {
            (Some(spec), _) => self.language.of(&spec.title).to_owned(),
            (None, "any" | "assignee" | "signer" | "owner") => self.text(&format!("role.{role}"), &()),
            (None, _) => role.to_owned(),
        }
    }

    /// What is marked, drafted, proposed or told under a name.
    pub fn notice(&self, name: &'a str) -> &'a str {
        notice::title(self.language, name).unwrap_or(name)
    }

    /// A rung is called by what it marks, drafts or proposes, else by its text.
    pub fn rung(&self, ladder: &str, rung: &str) -> String {
        let spec = self.definition.file().ladders.get(ladder);
        let spec = spec.and_then(|rungs| rungs.iter().find(|spec| spec.rung == rung));
        let names = spec.into_iter().flat_map(|spec| spec.what.iter().chain(&spec.template));
        let mut titles = names.filter_map(|name| notice::title(self.language, name));
        let plain = || notice::title(self.language, notice::PLAIN).unwrap_or(rung);
        titles.next().unwrap_or_else(|| if spec.is_some() { plain() } else { rung }).to_owned()
    }

    /// The name of a unit.
    pub fn unit(&self, unit: &'a str) -> &'a str {
        self.directory.unit_name(unit)
    }

    /// A moment in local time.
    pub fn moment(&self, at: Instant) -> String {
        at.utc().with_timezone(&self.calendar.zone()).format("%Y-%m-%d %H:%M").to_string()
    }

    /// A due date: a day, or a moment in local time.
    pub fn due(&self, due: Due) -> String {
        match due {
            Due::Day(day) => day.to_string(),
            Due::Moment(moment) => self.moment(moment),
        }
    }

    /// The value of a field in words.
    pub fn value(&self, field: &str, value: &Value) -> String {
        let spec = self.definition.field(field);
        let word = |text: &str| match spec.map(|spec| spec.kind) {
            Some(FieldType::Choice) => {
                let choice = spec.and_then(|spec| spec.choices.get(text));
                choice.map_or(text, |choice| self.language.of(choice)).to_owned()
            }
            Some(FieldType::Unit | FieldType::Units) => self.directory.unit_name(text).to_owned(),
            Some(FieldType::Person) => {
                let id = PersonId(text.to_owned());
                self.directory.person_name(&id).to_owned()
            }
            Some(FieldType::Moment) => {
                text.parse().map_or_else(|_| text.to_owned(), |moment| self.moment(moment))
            }
            Some(FieldType::Text | FieldType::Int | FieldType::Bool | FieldType::Date) | None => {
                text.to_owned()
            }
        };
        match value {
            Value::Bool(true) => self.text("value.yes", &()),
            Value::Bool(false) => self.text("value.no", &()),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => word(text),
            Value::List(list) => {
                list.iter().map(|text| word(text)).collect::<Vec<_>>().join(self.language.comma())
            }
        }
    }

    /// The people who play a role on the case today.
    pub(super) fn holders(&self, state: &State, role: &str) -> Vec<Named> {
        let field = self.definition.file().roles.get(role).and_then(|spec| spec.unit.as_deref());
        let unit = match field.map(|field| state.text(field)) {
            Some(None) => return Vec::new(),
            Some(Some(unit)) => Some(unit.into()),
            None => None,
        };
        let people = self.directory.holders(role, unit.as_ref());
        people.iter().map(|person| self.named_person(person)).collect()
    }

    pub(super) fn workflow(&self, definition: &Definition) -> Named {
        named(&definition.file().workflow, self.language.of(&definition.file().title))
    }

    pub(super) fn named_track(&self, id: &'a str) -> Named {
        named(id, self.track(id))
    }

    pub(super) fn named_field(&self, id: &'a str) -> Named {
        named(id, self.field(id))
    }

    pub(super) fn named_clock(&self, id: &'a str) -> Named {
        named(id, self.clock(id))
    }

    pub(super) fn named_act(&self, id: &str) -> Named {
        named(id, &self.act(id))
    }

    pub(super) fn named_role(&self, id: &str) -> Named {
        named(id, &self.role(id))
    }

    pub(super) fn named_notice(&self, id: &'a str) -> Named {
        named(id, self.notice(id))
    }

    pub(super) fn named_unit(&self, id: &str) -> Named {
        named(id, self.directory.unit_name(id))
    }

    pub(super) fn named_person(&self, id: &PersonId) -> Named {
        named(id.as_str(), self.directory.person_name(id))
    }
}
