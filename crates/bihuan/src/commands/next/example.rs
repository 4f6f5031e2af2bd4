//! The command to type for an act. As it stands it meets the conditions of the act wherever a value can be
//! known; for every other one it has a place to fill in.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use engine::view::{Ask, Offer};
use machine::file::FieldType;
use machine::guard::{Atom, Condition, Fact, Need, Op};
use machine::{Definition, Person, State};

use crate::output::quoted;

pub(super) fn line(
    state: &State,
    actor: &Person,
    offer: &Offer,
    definition: &Definition,
    today: NaiveDate,
) -> String {
    let (number, who) = (&state.number, format!("--as {}/{}", actor.person, actor.post));
    if let Some(no) = offer.proposal {
        return format!("bihuan sign {number} {no} {who}");
    }
    let mut words = vec![format!("bihuan act {number} {}", offer.act.id), who];
    let mut values: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for need in &offer.asks {
        values.extend(given(need, offer));
    }
    let mut issued = false;
    for ask in &offer.fields {
        let name = ask.field.id.as_str();
        if (ask.required && ask.default.is_none()) || values.contains_key(name) {
            let value = values.get(name).cloned().flatten();
            // The next number, once; a paper that has one already is typed.
            if ask.issuable && value.is_none() && !issued {
                issued = true;
                words.push(format!("--issue {name}"));
                continue;
            }
            let value = value.unwrap_or_else(|| sample(ask, definition, today));
            words.push(format!("--field {name}={}", quoted(value)));
        }
    }
    for (kind, count) in &offer.evidence {
        let pieces = (1..=*count).map(|no| format!("--evidence {kind}={kind}-{no}.jpg"));
        words.extend(pieces);
    }
    let officers = offer.officers.iter().flat_map(|officers| {
        let known =
            officers.people.iter().map(|one| one.id.clone()).chain(std::iter::repeat("PERSON".to_owned()));
        known.take(usize::try_from(officers.least).unwrap_or_default())
    });
    words.extend(officers.map(|officer| format!("--officer {officer}")));
    if offer.signature {
        words.push("--signed NAME".to_owned());
    }
    if offer.reason {
        words.push("--reason TEXT".to_owned());
    }
    words.join(" ")
}

/// Fields that meet a need, with the value it asks for where it asks for one. Of alternatives the first that
/// the fields of the act can meet.
fn given<'a>(need: &'a Need, offer: &'a Offer) -> Vec<(&'a str, Option<String>)> {
    let is_own = |name: &str| offer.fields.iter().any(|ask| ask.field.id == name);
    match need {
        Need::AllOf(needs) => needs.iter().flat_map(|need| given(need, offer)).collect(),
        Need::AnyOf(needs) => {
            let first = needs.iter().find(|need| need.hangs_on(&is_own));
            first.map(|need| given(need, offer)).unwrap_or_default()
        }
        Need::Condition(condition) if condition.wanted => {
            let variables = condition.atom.variables().into_iter().filter(|name| is_own(name));
            variables.map(|name| (name, value(condition, name))).collect()
        }
        // What has to be left out is left out.
        Need::Condition(_) => Vec::new(),
    }
}

/// The value a condition asks a field for: one to equal, or the last that still meets it.
fn value(condition: &Condition, name: &str) -> Option<String> {
    let value = match &condition.atom {
        Atom::Is(_) => Some(&Fact::Bool(true)),
        Atom::Compare { op: Op::Eq | Op::Le | Op::Ge, value, .. } => Some(value),
        Atom::OneOf { values, .. } => values.first(),
        Atom::CompareVariables { left, op: Op::Eq | Op::Le, right } if left == name => {
            condition.known.get(right)
        }
        Atom::CompareVariables { left, op: Op::Eq | Op::Ge, right } if right == name => {
            condition.known.get(left)
        }
        _ => None,
    };
    value.map(|fact| match fact {
        Fact::Text(text) => text.clone(),
        Fact::Bool(value) => value.to_string(),
        Fact::Int(number) => number.to_string(),
        Fact::Date(day) => day.to_string(),
    })
}

fn sample(ask: &Ask, definition: &Definition, today: NaiveDate) -> String {
    if let Some(proposed) = &ask.proposed {
        return proposed.day.to_string();
    }
    if let Some(choice) = ask.choices.first() {
        return choice.id.clone();
    }
    // What has happened may have happened today; a date to come is for whoever acts to choose.
    let happened = definition.field(&ask.field.id).is_some_and(|field| field.until_today);
    let place = match ask.kind {
        FieldType::Date if happened => return today.to_string(),
        FieldType::Text | FieldType::Choice => "TEXT",
        FieldType::Int => "NUMBER",
        FieldType::Bool => "true",
        FieldType::Date => "YYYY-MM-DD",
        FieldType::Moment => "YYYY-MM-DDTHH:MM:SS+08:00",
        FieldType::Unit => "UNIT",
        FieldType::Units => "UNIT,UNIT",
        FieldType::Person => "PERSON",
    };
    place.to_owned()
}
