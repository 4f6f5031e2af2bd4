//! Inventing what a trace leaves open: people, units, field values, evidence. Everything here is plainly
//! made up.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;
use chrono::{Days, NaiveDate, NaiveTime};

use crate::act::Evidence;
use crate::command::{Directory, Post, Unit, UnitKind};
use crate::definition::{Definition, number};
use crate::file::{Column, Field, FieldType, File};
use crate::guard::Fact;
use crate::state::{DeadlineKind, State};
use crate::time::Instant;
use crate::value::{Name, PersonId, UnitId, Value};

/// The unit of roles that are bound to no field.
const COMMON_UNIT: &str = "u-common";

/// The invented person with this number.
pub(super) fn person(number: u8) -> PersonId {
    PersonId(format!("p{number}"))
}

/// The unit a field names in every invented case.
pub(super) fn unit(field: &str) -> UnitId {
    UnitId(format!("u-{field}"))
}

/// The unit in which a role is held.
pub(super) fn unit_of_role(file: &File, role: &str) -> UnitId {
    let field = file.roles.get(role).and_then(|role| role.unit.as_ref());
    field.map_or_else(|| COMMON_UNIT.into(), |field| unit(field))
}

fn unit_fields(file: &File) -> impl Iterator<Item = (&Name, &Field)> {
    file.fields.iter().filter(|(_, field)| matches!(field.kind, FieldType::Unit | FieldType::Units))
}

/// Units for every field that names one, and so many people who hold every role.
pub(super) fn directory(definition: &Definition, people: u8) -> Directory {
    let file = definition.file();
    let mut units: Vec<Unit> = unit_fields(file)
        .map(|(name, field)| Unit {
            id: unit(name),
            name: format!("{}(虚构)", field.title.zh),
            kind: field.unit_kind.unwrap_or(match field.column {
                Some(Column::Enterprise) => UnitKind::Enterprise,
                Some(Column::Area) => UnitKind::Township,
                Some(Column::Sector | Column::Source | Column::Level | Column::Department | Column::Text)
                | None => UnitKind::Department,
            }),
            area: None,
            sector: None,
            register: None,
        })
        .collect();
    units.push(Unit {
        id: COMMON_UNIT.into(),
        name: "机关(虚构)".to_owned(),
        kind: UnitKind::Department,
        area: None,
        sector: None,
        register: None,
    });
    let mut posts = Vec::new();
    for who in (1..=people).map(person) {
        for unit in &units {
            let roles: BTreeSet<Name> =
                file.roles.keys().filter(|role| unit_of_role(file, role) == unit.id).cloned().collect();
            posts.push(Post {
                id: format!("{who}-{}", unit.id).as_str().into(),
                person: who.clone(),
                unit: unit.id.clone(),
                roles,
                title: None,
                name: None,
            });
        }
    }
    let departments = file.fields.values().flat_map(|field| field.choices.keys());
    let by_sector = file.fields.iter().find_map(|(name, field)| {
        matches!(field.default, Some(crate::file::FieldDefault::DepartmentOfSector(_))).then_some(name)
    });
    let departments = by_sector
        .map(|field| departments.map(|choice| (choice.clone(), unit(field))).collect())
        .unwrap_or_default();
    Directory { units, posts, departments, calendar: None }
}

/// What an act hands in: each piece new.
pub(super) fn evidence(needed: &BTreeMap<Name, u32>, serial: &mut u64) -> Vec<Evidence> {
    let kinds = needed.iter().flat_map(|(kind, count)| (0..*count).map(move |_| kind));
    kinds
        .map(|kind| {
            *serial += 1;
            Evidence { kind: kind.clone(), digest: format!("{serial:064x}"), size_bytes: 1 }
        })
        .collect()
}

/// Where dates are invented from.
pub(super) struct Setting<'a> {
    pub(super) definition: &'a Definition,
    pub(super) calendar: &'a Calendar,
    pub(super) state: Option<&'a State>,
    pub(super) today: NaiveDate,
}

impl Setting<'_> {
    /// A value for a field: the one the trace asks for, or any that is allowed.
    pub(super) fn value(
        &self,
        name: &str,
        facts: &BTreeMap<String, Option<Fact>>,
        other_date: Option<NaiveDate>,
    ) -> Option<Value> {
        let field = self.definition.field(name)?;
        let asked = facts.get(name).cloned().flatten();
        Some(match (field.kind, asked) {
            (FieldType::Bool, Some(Fact::Bool(value))) => Value::Bool(value),
            (FieldType::Bool, _) => Value::Bool(false),
            (FieldType::Int, Some(Fact::Int(value))) => Value::Int(value),
            (FieldType::Int, _) => Value::Int(field.min.unwrap_or(1).max(1)),
            (FieldType::Choice, Some(Fact::Text(value))) => Value::Text(value),
            (FieldType::Choice, _) => Value::Text(field.choices.keys().next()?.clone()),
            (FieldType::Text, Some(Fact::Text(value))) => Value::Text(value),
            (FieldType::Text, _) => Value::Text("虚构".to_owned()),
            (FieldType::Unit, _) => Value::Text(unit(name).0),
            (FieldType::Units, _) => Value::List(vec![unit(name).0]),
            (FieldType::Person, _) => Value::Text(person(1).0),
            (FieldType::Moment, _) => {
                let day = other_date.unwrap_or_else(|| self.date(name, field, None, facts));
                let noon = NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default();
                Value::Text(Instant::new(self.calendar.instant(day, noon)).to_string())
            }
            (FieldType::Date, asked) => {
                let day = other_date.unwrap_or_else(|| self.date(name, field, asked, facts));
                Value::Text(day.to_string())
            }
        })
    }

    fn date(
        &self,
        name: &str,
        field: &Field,
        asked: Option<Fact>,
        facts: &BTreeMap<String, Option<Fact>>,
    ) -> NaiveDate {
        let later = |days: u64| self.today.checked_add_days(Days::new(days)).unwrap_or(self.today);
        // As far from today as in the trace, where the trace knows of a today.
        if let (Some(Fact::Date(day)), Some(Some(Fact::Date(today)))) = (asked, facts.get("today"))
            && let Ok(ahead) = u64::try_from((day - *today).num_days())
        {
            let term = self.term_asked(name, facts);
            // The search knows of no field that has to lie ahead.
            return later(term.filter(|_| ahead > 0).unwrap_or(ahead.max(u64::from(field.after_today))));
        }
        if let Some(days) = self.term_asked(name, facts) {
            return later(days);
        }
        if field.until_today {
            return self.today;
        }
        let most = field.within_days.as_ref().map_or(30, number);
        // A new date for a clock lies after the one it has.
        let due = self.extends(name).and_then(|clock| {
            let deadline = self.state?.deadline(clock, crate::state::Subject::Case)?;
            Some(crate::deadline::day_of(self.calendar, deadline.due))
        });
        match due {
            Some(due) => due.max(self.today).checked_add_days(Days::new(7)).unwrap_or(due),
            // The legal date last, so that the clocks beside it can be missed before it.
            None => later(u64::from(most.min(if self.is_legal(name) { 30 } else { 7 }))),
        }
    }

    fn is_legal(&self, field: &str) -> bool {
        let mut clocks = self.definition.file().deadlines.values();
        clocks.any(|clock| clock.kind == DeadlineKind::Legal && clock.term.on.as_deref() == Some(field))
    }

    /// The term a guard asks about, of a clock that runs to the date in this field.
    fn term_asked(&self, field: &str, facts: &BTreeMap<String, Option<Fact>>) -> Option<u64> {
        let clocks = self.definition.file().deadlines.iter();
        let mut clocks = clocks.filter(|(_, clock)| clock.term.on.as_deref() == Some(field));
        clocks.find_map(|(clock, _)| match facts.get(&format!("{clock}.term_days")) {
            Some(Some(Fact::Int(days))) => u64::try_from(*days).ok(),
            _ => None,
        })
    }

    /// The clock some act extends to the date in this field.
    fn extends(&self, field: &str) -> Option<&Name> {
        let steps = self.definition.file().acts.values().flat_map(|act| &act.then);
        let extends = steps.flat_map(|step| [&step.ask_extension, &step.extend]).flatten();
        extends.into_iter().find(|extend| extend.to == field).map(|extend| &extend.deadline)
    }
}
