//! Facts enough to see everything that guards can tell apart.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use super::{Atom, Fact, Guard, MAX_ASSIGNMENTS, VarType};

/// The guards tell apart more combinations of facts than can be enumerated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} combinations of facts, more than {MAX_ASSIGNMENTS}")]
pub struct TooMany {
    /// How many there are; `usize::MAX` if not even that can be counted.
    pub count: usize,
}

/// Facts enough to see everything these guards can tell apart: each truth value of all their atoms
/// together that some facts produce is produced by one of the assignments.
///
/// A number or date takes each value it is compared with and its neighbours, a text each of its literals
/// and one other, a list variable all its values. Variables compared with each other share these points,
/// with enough of them between two thresholds to stand in any order.
///
/// `fixed` gives the variables determined elsewhere, `Some(None)` being a variable known to be absent;
/// they are left out of the result. `optional` tells which of the others may be absent. The guards are
/// those of one file: a variable has the same type in all of them.
pub fn assignments(
    guards: &[&Guard],
    fixed: &dyn Fn(&str) -> Option<Option<Fact>>,
    optional: &dyn Fn(&str) -> bool,
) -> Result<Vec<BTreeMap<String, Option<Fact>>>, TooMany> {
    let mut types: BTreeMap<&str, &VarType> = BTreeMap::new();
    for (name, ty) in guards.iter().flat_map(|guard| &guard.variables) {
        if fixed(name).is_none() {
            types.entry(name).or_insert(ty);
        }
    }
    let groups = Groups::of(guards, &types, fixed);
    let choices: Vec<(&str, Vec<Option<Fact>>)> = types
        .iter()
        .map(|(name, ty)| {
            let mut values: Vec<Option<Fact>> = groups.points(name, ty).into_iter().map(Some).collect();
            if optional(name) {
                values.push(None);
            }
            (*name, values)
        })
        .collect();
    let count = choices.iter().fold(1_usize, |count, (_, values)| count.saturating_mul(values.len()));
    if count > MAX_ASSIGNMENTS {
        return Err(TooMany { count });
    }
    let mut all = vec![BTreeMap::new()];
    for (name, values) in choices {
        all = all
            .into_iter()
            .flat_map(|assignment| {
                values.iter().map(move |value| {
                    let mut longer = assignment.clone();
                    longer.insert(name.to_owned(), value.clone());
                    longer
                })
            })
            .collect();
    }
    Ok(all)
}

/// The free variables that are compared with each other, directly or through others.
struct Groups<'a> {
    /// The group of each free variable.
    group: BTreeMap<&'a str, usize>,
    /// The values each group is compared with.
    thresholds: BTreeMap<usize, BTreeSet<Fact>>,
}

impl<'a> Groups<'a> {
    fn of(
        guards: &[&'a Guard],
        types: &BTreeMap<&'a str, &VarType>,
        fixed: &dyn Fn(&str) -> Option<Option<Fact>>,
    ) -> Groups<'a> {
        let mut group: BTreeMap<&str, usize> = types.keys().enumerate().map(|(i, name)| (*name, i)).collect();
        let atoms = || guards.iter().flat_map(|guard| &guard.atoms);
        for atom in atoms() {
            if let Atom::CompareVariables { left, right, .. } = atom
                && let (Some(kept), Some(merged)) =
                    (group.get(left.as_str()).copied(), group.get(right.as_str()).copied())
            {
                group.values_mut().filter(|other| **other == merged).for_each(|other| *other = kept);
            }
        }
        let mut thresholds: BTreeMap<usize, BTreeSet<Fact>> = BTreeMap::new();
        let mut add = |name: &str, values: &mut dyn Iterator<Item = Fact>| {
            if let Some(group) = group.get(name) {
                thresholds.entry(*group).or_default().extend(values);
            }
        };
        for atom in atoms() {
            match atom {
                Atom::Is(_) | Atom::Has(_) => {}
                Atom::Compare { variable, value, .. } => add(variable, &mut std::iter::once(value.clone())),
                Atom::OneOf { variable, values } => add(variable, &mut values.iter().cloned()),
                Atom::CompareVariables { left, right, .. } => {
                    // A variable fixed elsewhere is a threshold for the one it is compared with
                    add(left, &mut fixed(right).flatten().into_iter());
                    add(right, &mut fixed(left).flatten().into_iter());
                }
            }
        }
        Groups { group, thresholds }
    }

    fn points(&self, name: &str, ty: &VarType) -> BTreeSet<Fact> {
        let group = self.group.get(name);
        let thresholds = group.and_then(|group| self.thresholds.get(group)).into_iter().flatten();
        // As many neighbours as the group has variables, so that all of them fit between two thresholds
        let members = self.group.values().filter(|other| Some(*other) == group).count();
        let steps = |first| (first..=members).map(|step| u64::try_from(step).unwrap_or(u64::MAX));
        match ty {
            VarType::Bool => [true, false].map(Fact::Bool).into(),
            VarType::Enum(values) => values.iter().cloned().map(Fact::Text).collect(),
            VarType::Int => {
                let mut points = BTreeSet::new();
                for value in thresholds.filter_map(Fact::as_int) {
                    points.extend(steps(0).filter_map(|step| value.checked_add_unsigned(step)));
                    points.extend(steps(1).filter_map(|step| value.checked_sub_unsigned(step)));
                }
                if points.is_empty() {
                    points.extend(steps(1).filter_map(|step| 0_i64.checked_add_unsigned(step)));
                }
                points.into_iter().map(Fact::Int).collect()
            }
            VarType::Date => {
                let mut points = BTreeSet::new();
                for value in thresholds.filter_map(Fact::as_date) {
                    points.extend(steps(0).filter_map(|step| value.checked_add_days(Days::new(step))));
                    points.extend(steps(1).filter_map(|step| value.checked_sub_days(Days::new(step))));
                }
                if points.is_empty() {
                    let any = NaiveDate::default();
                    points.extend(steps(1).filter_map(|step| any.checked_add_days(Days::new(step))));
                }
                points.into_iter().map(Fact::Date).collect()
            }
            VarType::Text => {
                let named: BTreeSet<&Fact> = thresholds.collect();
                let others = (1..).map(|i| Fact::Text(format!("other {i}")));
                let others = others.filter(|other| !named.contains(other)).take(members);
                others.chain(named.iter().map(|fact| (*fact).clone())).collect()
            }
        }
    }
}
