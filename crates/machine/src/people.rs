//! Who may do what, who owes what: roles on a case.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::{AssignmentStatus, Person};
use crate::command::{Perform, Refusal};
use crate::decide::Draft;
use crate::definition::Definition;
use crate::file::{ActSpec, CountsAs, Outcome};
use crate::state::{Deadline, State, Subject};
use crate::value::{Name, PersonId, UnitId};

impl Draft<'_> {
    /// Who holds a role on this case.
    pub(crate) fn holders(&self, role: &str, subject: Subject) -> Vec<PersonId> {
        match scope(self.definition, &self.state, role, subject) {
            Some(unit) => self.facts.directory.holders(role, unit.as_ref()),
            None => Vec::new(),
        }
    }

    /// Who owes a clock.
    pub(crate) fn holders_of_owner(&self, deadline: &Deadline) -> Vec<PersonId> {
        match (deadline.owner.as_str(), deadline.subject) {
            ("assignee", Subject::Assignment(no)) => {
                let unit = self.state.assignments.iter().find(|assignment| assignment.no == no);
                let posts = self.facts.directory.posts.iter();
                let posts = posts.filter(|post| unit.is_some_and(|assignment| assignment.unit == post.unit));
                posts.map(|post| post.person.clone()).collect()
            }
            (owner, subject) => self.holders(owner, subject),
        }
    }

    /// Acts the person may do where the case stands, as far as place and role go.
    pub(crate) fn placed(&self, actor: &Person, exists: bool) -> Vec<&Name> {
        let acts = self.definition.file().acts.iter();
        let acts = acts.filter(|(_, spec)| self.stands_for(spec, exists) && self.may(spec, actor));
        acts.map(|(name, _)| name).collect()
    }

    /// Whether the case stands where an act is possible.
    pub(crate) fn stands_for(&self, spec: &ActSpec, exists: bool) -> bool {
        let is_in =
            |track: &Name, names: &[Name]| names.iter().any(|state| self.state.on(track) == Some(state));
        spec.opens != exists
            && (!exists || spec.from.iter().all(|(track, states)| is_in(track, states.names())))
    }

    pub(crate) fn may(&self, spec: &ActSpec, actor: &Person) -> bool {
        spec.by.iter().any(|role| self.plays(role, &actor.person, Some(actor)))
    }

    /// Whether a person plays a role on this case; in the post given, or in any.
    pub(crate) fn plays(&self, role: &str, person: &PersonId, post: Option<&Person>) -> bool {
        let posts = self.facts.directory.posts.iter().filter(|held| {
            held.person == *person && post.is_none_or(|post| post.post == held.id && post.unit == held.unit)
        });
        let mut posts = posts;
        match role {
            "any" => posts.next().is_some(),
            "assignee" => posts.any(|post| {
                let mut held = self.state.assignments.iter();
                held.any(|a| a.unit == post.unit && a.status != AssignmentStatus::Released)
            }),
            role => match scope(self.definition, &self.state, role, Subject::Case) {
                None => false,
                Some(unit) => posts.any(|held| {
                    held.roles.contains(role) && unit.as_ref().is_none_or(|unit| held.unit == *unit)
                }),
            },
        }
    }

    /// The units that roles are bound to on this case.
    pub(crate) fn bound(&self, roles: &[Name]) -> BTreeMap<Name, UnitId> {
        let unit = |role: &Name| scope(self.definition, &self.state, role, Subject::Case).flatten();
        roles.iter().filter_map(|role| Some((role.clone(), unit(role)?))).collect()
    }

    pub(crate) fn check_role(
        &self,
        name: &str,
        spec: &ActSpec,
        perform: &Perform,
        actor: &Person,
    ) -> Result<(), Refusal> {
        let refuse = |needed: &[Name]| {
            let held = self.facts.directory.post(actor);
            Refusal::Role {
                act: name.to_owned(),
                needed: needed.to_vec(),
                bound: self.bound(needed),
                held: held.map(|post| post.roles.iter().cloned().collect()).unwrap_or_default(),
            }
        };
        let Some(other) = &perform.entered_for else {
            return if self.may(spec, actor) { Ok(()) } else { Err(refuse(&spec.by)) };
        };
        if !spec.enter_for.iter().any(|role| self.plays(role, &actor.person, Some(actor))) {
            return Err(refuse(&spec.enter_for));
        }
        if !spec.by.iter().any(|role| self.plays(role, other, None)) {
            let person = PersonId(crate::requirement::shortened(&other.0));
            return Err(Refusal::EnteredFor { person, needed: spec.by.clone(), bound: self.bound(&spec.by) });
        }
        Ok(())
    }
}

impl Draft<'_> {
    /// Whoever speaks on a case plays a role of it, was sent work on it, or took part in it.
    pub(crate) fn check_concerned(&self, actor: &Person) -> Result<(), Refusal> {
        let plays = |role: &Name| self.plays(role, &actor.person, Some(actor));
        let roles = self.definition.file().roles.keys();
        let took_part = || self.state.involved.values().any(|people| people.contains(&actor.person));
        if roles.into_iter().any(plays) || self.plays("assignee", &actor.person, Some(actor)) || took_part() {
            Ok(())
        } else {
            Err(Refusal::NotConcerned)
        }
    }

    /// Nobody takes a hand in work, and no case goes to another department or into another case, so that too
    /// few officers are left to judge it: such a case could never be closed. `before` is the case as it stood;
    /// `taking` are the people who take part in the act now.
    pub(crate) fn check_others_left<'p>(
        &self,
        before: Option<&State>,
        act: &str,
        taking: impl Iterator<Item = &'p PersonId> + Clone,
    ) -> Result<(), Refusal> {
        for (judging, spec) in &self.definition.file().acts {
            let Some(officers) = spec.officers.as_ref().filter(|_| !spec.apart.officers.is_empty()) else {
                continue;
            };
            let holders = |state: &State| -> BTreeSet<&PersonId> {
                let unit = scope(self.definition, state, &officers.role, Subject::Case);
                unit.map(|unit| self.facts.directory.held_by(&officers.role, unit.as_ref()))
                    .unwrap_or_default()
            };
            let free = |state: &State| {
                let mut people = holders(state);
                let involved = spec.apart.officers.iter().filter_map(|act| state.involved.get(act));
                for person in involved.flatten() {
                    people.remove(person);
                }
                people
            };
            let taking = taking.clone().filter(|_| spec.apart.officers.iter().any(|name| name == act));
            let needed = usize::try_from(officers.least).unwrap_or(usize::MAX);
            if self.are_left(needed, &officers.role, &spec.apart.officers, taking.clone()) {
                continue;
            }
            let free_now = free(&self.state);
            // Of a case that is just opened, whoever is barred was barred by the one it goes on from.
            let were = before.map_or_else(|| holders(&self.state), free).len();
            if were >= needed {
                let person = taking.clone().find(|person| free_now.contains(*person)).cloned();
                let (act, role, needed) = (judging.clone(), officers.role.clone(), officers.least);
                return Err(Refusal::NobodyLeft { person, act, role, needed });
            }
        }
        Ok(())
    }

    /// Whether so many hold a role who took no part in some acts and are not among those `taking` part now. Nobody
    /// is counted beyond: most often the first ones are enough.
    fn are_left<'p>(
        &self,
        needed: usize,
        role: &str,
        acts: &[Name],
        taking: impl Iterator<Item = &'p PersonId> + Clone,
    ) -> bool {
        let mut left = Vec::new();
        let unit = scope(self.definition, &self.state, role, Subject::Case);
        let mut held =
            unit.iter().flat_map(|unit| self.facts.directory.holding(role, unit.as_ref())).filter(|person| {
                let took_part = |act| self.state.involved.get(act).is_some_and(|who| who.contains(*person));
                !taking.clone().any(|taking| taking == *person) && !acts.iter().any(took_part)
            });
        while left.len() < needed {
            match held.next() {
                Some(person) if left.contains(&person) => {}
                Some(person) => left.push(person),
                None => return false,
            }
        }
        true
    }
}

/// Whoever worked on a case that was not rectified: where it goes on as another one, they judge that neither.
pub fn hands(definition: &Definition, state: &State) -> BTreeSet<PersonId> {
    let main = definition.file().tracks.get("main").zip(state.on("main"));
    let outcome = main.and_then(|(track, state)| track.states.get(state)?.outcome);
    if outcome == Some(Outcome::Rectified) {
        return BTreeSet::new();
    }
    let acts = barred_from_judging(definition);
    acts.into_iter().filter_map(|act| state.involved.get(act)).flatten().cloned().collect()
}

/// The acts whose people never pass a re-inspection.
pub(crate) fn barred_from_judging(definition: &Definition) -> BTreeSet<&Name> {
    let acts = definition.file().acts.values();
    let judging = acts.filter(|act| act.counts_as == Some(CountsAs::PassedReinspection));
    judging.flat_map(|act| act.apart.actor.iter().chain(&act.apart.officers)).collect()
}

/// The unit a role is bound to on this case: `None` when it is bound but the field is empty,
/// `Some(None)` when every holder counts.
pub(crate) fn scope(
    definition: &Definition,
    state: &State,
    role: &str,
    subject: Subject,
) -> Option<Option<UnitId>> {
    if let ("assignee", Subject::Assignment(no)) = (role, subject) {
        return state.assignments.iter().find(|a| a.no == no).map(|a| Some(a.unit.clone()));
    }
    match definition.file().roles.get(role).and_then(|role| role.unit.as_ref()) {
        None => Some(None),
        Some(field) => state.text(field).map(|unit| Some(UnitId(unit.to_owned()))),
    }
}

/// The unit that owes a clock or a state, where its role is bound to one.
pub(crate) fn owner_unit(
    definition: &Definition,
    state: &State,
    role: &str,
    subject: Subject,
) -> Option<UnitId> {
    scope(definition, state, role, subject).flatten()
}
