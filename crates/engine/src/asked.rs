//! What was asked for: what its key stands for, and what is kept of it when it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use machine::act::{canonical, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, Name, Value};
use machine::{Command, Definition, Instant, Person, Refusal};
use serde::Serialize;
use store::RefusalRow;

use crate::{EngineError, Member, Other, Request, Waiting, is_alone};

/// Digest of what is asked for: the same key with another one is refused. Personal values are no part of
/// it, for a digest of one that was erased would still give it away; nor is what the engine fills in.
pub(crate) fn fingerprint<'a>(
    asked: impl IntoIterator<Item = &'a Request>,
    definitions: &[Option<Arc<Definition>>],
) -> String {
    let parts = asked.into_iter().zip(definitions).map(|(request, definition)| {
        let definition = definition.as_deref();
        Asked {
            case: request.case,
            actor: request.actor.as_ref(),
            workflow: definition.map(|definition| &definition.file().workflow),
            command: told(&request.command, definition),
        }
    });
    digest_hex(&canonical(&parts.collect::<Vec<_>>()).unwrap_or_default())
}

#[derive(Serialize)]
struct Asked<'a> {
    case: CaseId,
    actor: Option<&'a Person>,
    workflow: Option<&'a Name>,
    command: Told<'a>,
}

/// A command, or what is told of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    Whole(&'a Command),
    Withheld(Command),
    TakenBack { take_back: &'a str },
}

fn told<'a>(command: &'a Command, definition: Option<&Definition>) -> Told<'a> {
    let personal = |name: &Name| definition.and_then(|d| d.field(name)).is_some_and(|field| field.personal);
    let withhold = |fields: &BTreeMap<Name, Value>| {
        let told = |(name, value): (&Name, &Value)| {
            (name.clone(), if personal(name) { Value::Text(String::new()) } else { value.clone() })
        };
        fields.iter().map(told).collect()
    };
    match command {
        Command::Perform(perform) if perform.fields.keys().any(personal) => {
            let fields = withhold(&perform.fields);
            Told::Withheld(Command::Perform(Perform { fields, ..perform.clone() }))
        }
        Command::Amend { fields, reason } => {
            Told::Withheld(Command::Amend { fields: withhold(fields), reason: reason.clone() })
        }
        Command::TakeBack { reason, .. } => Told::TakenBack { take_back: reason },
        Command::Perform(_)
        | Command::Comment { .. }
        | Command::DecideProposal { .. }
        | Command::Tick
        | Command::Recalculate
        | Command::Absorb(_) => Told::Whole(command),
    }
}

/// One photo shows one hazard: of the kinds the file names, each case of an order brings its own.
pub(crate) fn handed_in_twice(
    member: &Member,
    definition: Option<&Definition>,
    seen: &mut BTreeSet<String>,
) -> Option<Refusal> {
    let (Command::Perform(perform), Other::None) = (&member.request.command, &member.other) else {
        return None;
    };
    let per_case = &definition?.file().evidence_per_case;
    let mut pieces = perform.evidence.iter().filter(|piece| per_case.contains(&piece.kind));
    let twice = pieces.find(|piece| !seen.insert(format!("{} {}", piece.kind, piece.digest)))?;
    Some(Refusal::EvidenceShared { kind: twice.kind.clone(), digest: twice.digest.clone() })
}

/// The row kept of a refusal (I5); none of a failure, of the worker's ticks, and of what the engine itself
/// tries once more.
pub(crate) fn to_record(
    waiting: &Waiting,
    request: &Request,
    error: &EngineError,
    now: Instant,
) -> Option<RefusalRow> {
    if request.command == Command::Tick {
        return None;
    }
    let linked = waiting.members.iter().any(|member| !matches!(member.other, Other::None));
    match error {
        EngineError::Refused(refusal) | EngineError::RefusedIn { refusal, .. } => {
            let other_half_comes = is_alone(refusal)
                && waiting.members.len() == 1
                && matches!(request.command, Command::Perform(_));
            let own_version = linked
                && matches!(**refusal, Refusal::Version { .. })
                && waiting.asked().all(|asked| asked.expected_version.is_none());
            (!other_half_comes && !own_version).then(|| refused(request, refusal, now))
        }
        EngineError::KeyReused | EngineError::Contended => {
            Some(row(request, error.code(), String::new(), now))
        }
        _ => None,
    }
}

/// The row of a refusal.
pub(crate) fn refused(request: &Request, refusal: &Refusal, now: Instant) -> RefusalRow {
    row(request, refusal.code(), serde_json::to_string(refusal).unwrap_or_default(), now)
}

fn row(request: &Request, code: &str, detail: String, now: Instant) -> RefusalRow {
    let act = match &request.command {
        Command::Perform(perform) => perform.act.chars().take(80).collect(),
        Command::Comment { .. } => "comment".to_owned(),
        Command::Amend { .. } => "amend".to_owned(),
        Command::TakeBack { .. } => "take_back".to_owned(),
        Command::DecideProposal { .. } => "decide_proposal".to_owned(),
        Command::Tick => "tick".to_owned(),
        Command::Recalculate => "recalculate".to_owned(),
        Command::Absorb(_) => "absorb".to_owned(),
    };
    let person = request.actor.as_ref().map(|who| who.person.clone());
    RefusalRow { at: now, case: request.case, person, act, code: code.to_owned(), detail }
}
