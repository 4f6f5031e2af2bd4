//! What would happen: commands decided, and nothing written.

use std::sync::Arc;

use chrono::NaiveDate;
use machine::command::Perform;
use machine::state::DeadlineKind;
use machine::{Act, Command, Definition, Person, Refusal, State};
use store::Read;

use crate::asked::fingerprint;
use crate::{Engine, EngineError, Receipt, Request, check_key, facts, registers};

/// What a command would come to.
#[derive(Debug)]
pub enum Tried {
    /// These acts.
    Acts(Vec<Act>),
    /// Nothing: its key was used for the same command.
    Replayed(Receipt),
}

impl Engine {
    /// Decides a command on a case without writing, and answers as the command itself would be.
    pub async fn dry_run(
        &self,
        state: &State,
        definition: &Arc<Definition>,
        request: &Request,
    ) -> Result<Tried, EngineError> {
        if let Some(receipt) = self.used(definition, request).await? {
            return Ok(Tried::Replayed(receipt));
        }
        let (calendar, directory) = self.surroundings(definition).await?;
        let now = self.store.clock().await?;
        let registers = registers(self.store(), &self.tenant, &calendar, &directory, now).await?;
        let actor = request.actor.as_ref();
        let mut facts = facts(&self.tenant, state.case, now, actor, &calendar, &directory);
        facts.registers = &registers;
        facts.key = request.key.as_deref();
        facts.expected_version = request.expected_version;
        let linked = self.other_number(definition, &request.command).await?;
        facts.linked = linked.as_deref();
        Ok(Tried::Acts(machine::decide(definition, Some(state), &request.command, &facts)?.acts))
    }

    /// What the key of a command was used for.
    async fn used(
        &self,
        definition: &Arc<Definition>,
        request: &Request,
    ) -> Result<Option<Receipt>, EngineError> {
        check_key(request.key.as_deref())?;
        let read = [Read { case: request.case, key: request.key.clone() }];
        let seen = self.store.read(&self.tenant, &read).await?;
        let Some(used) = seen.known.into_iter().next().map_or(Ok(None), |known| known.used)? else {
            return Ok(None);
        };
        let asked = fingerprint([request], &[Some(definition.clone())]);
        if used.fingerprint != asked {
            return Err(EngineError::KeyReused);
        }
        Ok(Some(Receipt { case: used.case, version: used.version, acts: 0, replayed: true }))
    }

    /// The day the legal clock of a case would be due, were it opened now; none where nothing would be opened.
    pub async fn due_once_open(
        &self,
        definition: &Definition,
        perform: &Perform,
        actor: &Person,
    ) -> Result<Option<NaiveDate>, EngineError> {
        let (calendar, directory) = self.surroundings(definition).await?;
        let now = self.store.clock().await?;
        let mut facts = facts(&self.tenant, uuid::Uuid::nil(), now, Some(actor), &calendar, &directory);
        facts.number = Some("…");
        let decided = machine::decide(definition, None, &Command::Perform(perform.clone()), &facts).ok();
        let clocks = decided.into_iter().flat_map(|decision| decision.state.deadlines);
        Ok(clocks.filter(|clock| clock.kind == DeadlineKind::Legal).map(|clock| clock.due_day).next())
    }

    /// Whether the fields an opening is given are those its act asks for; what becomes of the others is not
    /// looked at, nor who may open.
    pub async fn check_fields(
        &self,
        definition: &Definition,
        perform: &Perform,
        given: &[String],
    ) -> Result<(), EngineError> {
        let (calendar, directory) = self.surroundings(definition).await?;
        let now = self.store.clock().await?;
        let command = Command::Perform(perform.clone());
        for post in &directory.posts {
            let (person, unit) = (post.person.clone(), post.unit.clone());
            let actor = Person { person, post: post.id.clone(), unit };
            let mut facts = facts(&self.tenant, uuid::Uuid::nil(), now, Some(&actor), &calendar, &directory);
            facts.number = Some("…");
            match machine::decide(definition, None, &command, &facts) {
                // Somebody else would be asked.
                Err(Refusal::Role { .. }) => {}
                Err(refusal) if is_about(&refusal, given) => return Err(refusal.into()),
                Ok(_) | Err(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Whether a refusal is about the fields that were given, or that were not.
fn is_about(refusal: &Refusal, given: &[String]) -> bool {
    match refusal {
        Refusal::MissingFields { .. } | Refusal::UnknownField { .. } => true,
        Refusal::BadField { field, .. } => given.contains(field),
        _ => false,
    }
}
