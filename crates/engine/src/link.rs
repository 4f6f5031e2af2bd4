//! Acts that concern two cases: one opens the other, or goes on in it. Both are written in one transaction,
//! each with the number of the other.

use std::collections::BTreeMap;

use machine::act::chain;
use machine::command::{Absorbed, OtherCaseProblem, Perform};
use machine::file::OpensCase;
use machine::value::{CaseId, Name, Value};
use machine::{Command, Definition, Refusal, State};
use store::Read;

use crate::asked::refused;
use crate::batch::ATTEMPTS_MAX;
use crate::{Engine, EngineError, Member, Other, Receipt, Request};

impl Engine {
    /// Runs an act together with its half on the other case.
    pub(crate) async fn execute_linked(
        &self,
        request: &Request,
        perform: &Perform,
    ) -> Result<Receipt, EngineError> {
        for _ in 0..ATTEMPTS_MAX {
            let read = [Read { case: request.case, key: None }];
            let mut seen = self.store.read(&self.tenant, &read).await?;
            let head = seen.known.pop().map_or(Ok(None), |known| known.head)?.ok_or(Refusal::NoSuchCase)?;
            let definition = self.catalog.definition(&head.state.definition).await?;
            let spec = definition.act(&perform.act).ok_or(Refusal::NoSuchCase)?;
            let members = match (&spec.opens_case, &spec.joins) {
                (Some(opens), _) => self.opening(request, perform, &head.state, &definition, opens).await?,
                (None, Some(field)) => {
                    self.joining(request, perform, &head.state, &definition, field).await?
                }
                (None, None) => return Err(Refusal::NoSuchCase.into()),
            };
            match self.submit(Some(request.clone()), members).await {
                // Somebody acted on the case meanwhile: what the other case is filled from may have changed.
                Err(EngineError::RefusedIn { refusal, .. })
                    if matches!(*refusal, Refusal::Version { .. }) && request.expected_version.is_none() => {}
                Err(EngineError::RefusedIn { refusal, .. }) => return Err(EngineError::Refused(refusal)),
                Err(error) => return Err(error),
                Ok(receipts) => return receipts.into_iter().next().ok_or(EngineError::Stopped),
            }
        }
        Err(EngineError::Contended)
    }

    /// The number of the other case an act concerns, for looking at what it would do: one that is still to
    /// be opened has none yet.
    pub(crate) async fn other_number(
        &self,
        definition: &Definition,
        command: &Command,
    ) -> Result<Option<String>, EngineError> {
        let Command::Perform(perform) = command else { return Ok(None) };
        let Some(spec) = definition.act(&perform.act) else { return Ok(None) };
        let named = spec.joins.as_ref().and_then(|field| perform.fields.get(field)).and_then(Value::as_text);
        match named {
            Some(named) => Ok(Some(self.case(named).await?.0.number)),
            None => Ok(spec.opens_case.as_ref().map(|_| "…".to_owned())),
        }
    }

    /// The act, and the opening of the case it opens, filled from this one as it stands.
    async fn opening(
        &self,
        request: &Request,
        perform: &Perform,
        state: &State,
        running: &Definition,
        opens: &OpensCase,
    ) -> Result<Vec<Member>, EngineError> {
        let definition = self.newest(&opens.workflow).await?;
        let opened = self.catalog.definition(&definition).await?;
        // What the other workflow knows nothing of stays with this case.
        let known = opened.evidence_kinds();
        let evidence = perform.evidence.iter().filter(|piece| known.contains(&piece.kind)).cloned();
        let from = |field: &Name| perform.fields.get(field).or_else(|| state.fields.get(field)).cloned();
        let fields: BTreeMap<Name, Value> =
            opens.fields.iter().filter_map(|(to, field)| Some((to.clone(), from(field)?))).collect();
        let opening =
            Perform { act: opens.act.clone(), fields, evidence: evidence.collect(), ..Perform::default() };
        let this = Request { expected_version: Some(state.version), ..request.clone() };
        let other = Request {
            case: opened_by(state),
            definition: Some(definition),
            command: Command::Perform(opening),
            ..request.clone()
        };
        Ok(vec![
            Member { request: this, other: Other::Opened },
            Member {
                request: Request { expected_version: None, ..other },
                other: Other::GoesOn(state.number.clone(), machine::hands(running, state)),
            },
        ])
    }

    /// The act, and its half on the case it names.
    async fn joining(
        &self,
        request: &Request,
        perform: &Perform,
        state: &State,
        definition: &Definition,
        field: &Name,
    ) -> Result<Vec<Member>, EngineError> {
        let named = perform.fields.get(field).and_then(Value::as_text).unwrap_or_default();
        let other = match self.case(named).await {
            Ok((other, _)) => other,
            Err(EngineError::NoCase(_)) => {
                let refusal = Refusal::OtherCase {
                    number: named.chars().take(80).collect(),
                    problem: OtherCaseProblem::Unknown,
                };
                let now = self.store.clock().await?;
                self.store.refuse(&self.tenant, &[refused(request, &refusal, now)]).await?;
                return Err(refusal.into());
            }
            Err(error) => return Err(error),
        };
        // What goes over to the other case is read from this one as it stands.
        let this = Request { expected_version: Some(state.version), ..request.clone() };
        let mut members = vec![Member { request: this, other: Other::Case(other.number) }];
        // A case joined to itself is refused by the machine, which sees both numbers.
        if other.case != request.case {
            let absorbed =
                Absorbed { workflow: definition.file().workflow.clone(), involved: state.involved.clone() };
            let absorb = Request {
                case: other.case,
                command: Command::Absorb(absorbed),
                expected_version: None,
                ..request.clone()
            };
            members.push(Member { request: absorb, other: Other::Case(state.number.clone()) });
        }
        Ok(members)
    }
}

/// The id of the case that the next act of this one opens: one per act.
fn opened_by(state: &State) -> CaseId {
    let digest = chain(&[0; 32], format!("opened by\n{}\n{}", state.case, state.version).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
