//! Who may do what, who owes what: roles on a case.

use crate::act::{AssignmentStatus, Person};
use crate::command::{Perform, Refusal};
use crate::decide::Draft;
use crate::definition::Definition;
use crate::file::ActSpec;
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

    /// Acts the person may do now, as far as place and role go.
    pub(crate) fn allowed(&self, actor: &Person, exists: bool) -> Vec<Name> {
        let acts = self.definition.file().acts.iter().filter(|(_, spec)| {
            let here = spec.opens != exists
                && (!exists
                    || spec.from.iter().all(|(track, states)| {
                        states.names().iter().any(|state| self.state.on(track) == Some(state))
                    }));
            here && self.may(spec, actor)
        });
        acts.map(|(name, _)| name.clone()).collect()
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
            return Err(Refusal::EnteredFor { person });
        }
        Ok(())
    }
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
