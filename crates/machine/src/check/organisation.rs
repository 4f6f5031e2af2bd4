//! Whether the people of a jurisdiction can carry a definition: every role that owes, acts or is told has
//! a holder, in every unit its cases can name (I11).

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Problem;
use crate::command::{Directory, UnitKind};
use crate::definition::Definition;
use crate::file::{Column, FieldDefault, File};
use crate::value::{Name, UnitId};

/// Roles without holders.
pub fn check(definition: &Definition, directory: &Directory) -> Vec<Problem> {
    let file = definition.file();
    let mut problems = without_department(file, directory);
    for (role, needed) in needed(file) {
        let Some(spec) = file.roles.get(&role) else { continue };
        let path = format!("roles.{role}");
        let units: Vec<Option<UnitId>> = match &spec.unit {
            None => vec![None],
            Some(field) => units_of(file, directory, field, 0).into_iter().map(Some).collect(),
        };
        for unit in units {
            let holders = directory.holders(&role, unit.as_ref()).len();
            if holders < usize::try_from(needed).unwrap_or(usize::MAX) {
                let problem = Problem::new("CK23", &path).with("role", &role);
                let problem = problem.with("needed", needed.to_string()).with("held", holders.to_string());
                problems.push(match unit {
                    Some(unit) => problem.with("unit", unit.0),
                    None => problem,
                });
            }
        }
    }
    problems
}

/// Sectors the jurisdiction's table names no department for: their cases would have nobody in charge.
fn without_department(file: &File, directory: &Directory) -> Vec<Problem> {
    let tables = file.fields.iter().filter_map(|(name, field)| match &field.default {
        Some(FieldDefault::DepartmentOfSector(from)) => Some((name, file.fields.get(from)?)),
        Some(
            FieldDefault::ActorUnit | FieldDefault::Actor | FieldDefault::False | FieldDefault::Field(_),
        )
        | None => None,
    });
    let sectors = tables.flat_map(|(name, from)| from.choices.keys().map(move |sector| (name, sector)));
    let missing = sectors.filter(|(_, sector)| !directory.departments.contains_key(*sector));
    missing
        .map(|(name, sector)| Problem::new("CK27", format!("fields.{name}.default")).with("sector", sector))
        .collect()
}

/// Every role the file counts on, and how many holders it needs.
fn needed(file: &File) -> BTreeMap<Name, u32> {
    let mut roles: BTreeMap<Name, u32> = BTreeMap::new();
    let states = file.tracks.values().flat_map(|track| track.states.values());
    let rungs = || file.ladders.values().flatten();
    let named = states
        .filter_map(|state| state.owner.as_ref())
        .chain(file.deadlines.values().map(|clock| &clock.owner))
        .chain(file.acts.values().flat_map(|act| act.by.iter().chain(&act.enter_for)))
        .chain(rungs().flat_map(|rung| rung.to.iter().chain(&rung.signer)))
        .chain(&file.fallback);
    for role in named {
        roles.insert(role.clone(), 1);
    }
    for officers in file.acts.values().filter_map(|act| act.officers.as_ref()) {
        let needed = roles.entry(officers.role.clone()).or_insert(1);
        *needed = (*needed).max(officers.least);
    }
    roles
}

/// The units a field of a case can name, as far as the organisation tells.
fn units_of(file: &File, directory: &Directory, field: &str, depth: u8) -> BTreeSet<UnitId> {
    let Some(spec) = file.fields.get(field).filter(|_| depth < 8) else { return BTreeSet::new() };
    let of_kind = |kind: UnitKind| {
        let units = directory.units.iter().filter(|unit| unit.kind == kind);
        units.map(|unit| unit.id.clone()).collect()
    };
    match (&spec.default, spec.column) {
        (Some(FieldDefault::DepartmentOfSector(_)), _) => directory.departments.values().cloned().collect(),
        (Some(FieldDefault::Field(other)), _) => units_of(file, directory, other, depth + 1),
        // Whoever does an act that names it may name the own unit.
        (Some(FieldDefault::ActorUnit), _) => {
            let acts = file.acts.values();
            let acts = acts.filter(|act| act.requires.iter().chain(&act.accepts).any(|name| name == field));
            let roles: BTreeSet<&Name> = acts.flat_map(|act| &act.by).collect();
            let posts = directory.posts.iter();
            let posts = posts.filter(|post| post.roles.iter().any(|role| roles.contains(role)));
            posts.map(|post| post.unit.clone()).collect()
        }
        (_, Some(Column::Enterprise)) => of_kind(UnitKind::Enterprise),
        (_, Some(Column::Area)) => of_kind(UnitKind::Township),
        _ => BTreeSet::new(),
    }
}
