//! The commit task: one read, many decisions, one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use calendar::Calendar;
use machine::act::{canonical, digest_hex};
use machine::value::TenantId;
use machine::{Command, Directory, Facts, Instant, Refusal};
use store::{Change, Known, Outcome, Read, RefusalRow, Store, StoreError};
use tokio::sync::mpsc;

use crate::change::change;
use crate::{Catalog, EngineError, Receipt, Request, Waiting};

/// Commands in one transaction.
const BATCH_MAX: usize = 256;
/// How often a command is decided anew when others were first.
const ATTEMPTS_MAX: u32 = 8;

/// Runs until every [`crate::Engine`] is gone.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    tenant: TenantId,
    catalog: Arc<Catalog>,
    mut queue: mpsc::Receiver<Waiting>,
) {
    let mut backlog: VecDeque<Waiting> = VecDeque::new();
    loop {
        if backlog.is_empty() {
            match queue.recv().await {
                Some(waiting) => backlog.push_back(waiting),
                None => return,
            }
        }
        while backlog.len() < BATCH_MAX {
            match queue.try_recv() {
                Ok(waiting) => backlog.push_back(waiting),
                Err(_) => break,
            }
        }
        let batch = take_batch(&mut backlog);
        let again = process(store.as_ref(), &tenant, &catalog, batch).await;
        for waiting in again.into_iter().rev() {
            backlog.push_front(waiting);
        }
    }
}

/// At most one command per case, and one per key; the next one waits its turn.
fn take_batch(backlog: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let (mut cases, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let (mut batch, mut rest) = (Vec::new(), VecDeque::new());
    for waiting in backlog.drain(..) {
        let free = !cases.contains(&waiting.request.case)
            && waiting.request.key.as_ref().is_none_or(|key| !keys.contains(key));
        cases.insert(waiting.request.case);
        keys.extend(waiting.request.key.clone());
        if free && batch.len() < BATCH_MAX {
            batch.push(waiting);
        } else {
            rest.push_back(waiting);
        }
    }
    *backlog = rest;
    batch
}

/// What one command came to.
enum Verdict {
    Replayed(Receipt),
    Nothing(Receipt),
    Write(Box<Change>),
}

async fn process(
    store: &dyn Store,
    tenant: &TenantId,
    catalog: &Catalog,
    batch: Vec<Waiting>,
) -> Vec<Waiting> {
    let wanted: Vec<Read> =
        batch.iter().map(|w| Read { case: w.request.case, key: w.request.key.clone() }).collect();
    let (now, known) = match store.read(tenant, &wanted).await {
        Ok(read) => read,
        Err(error) => {
            for waiting in batch {
                answer(waiting, Err(failed(&error)));
            }
            return Vec::new();
        }
    };
    let (mut refusals, mut refused) = (Vec::new(), Vec::new());
    let (mut changes, mut writing) = (Vec::new(), Vec::new());
    let mut round = Round::new(store, tenant, catalog, now);
    let numbers = round.numbers(&batch, &known).await;
    for ((waiting, known), number) in batch.into_iter().zip(known).zip(numbers) {
        match round.decide(&waiting.request, &known, number).await {
            Ok(Verdict::Replayed(receipt) | Verdict::Nothing(receipt)) => answer(waiting, Ok(receipt)),
            Ok(Verdict::Write(change)) => {
                changes.push(*change);
                writing.push(waiting);
            }
            Err(EngineError::Refused(refusal)) => {
                refusals.push(refusal_row(&waiting.request, &refusal, now));
                refused.push((waiting, refusal));
            }
            Err(error) => answer(waiting, Err(error)),
        }
    }
    // A refusal is answered when it is on record, and one that cannot be recorded takes no commit with it.
    if !refused.is_empty() {
        let recorded = store.refuse(tenant, &refusals).await;
        for (waiting, refusal) in refused {
            let error = recorded.as_ref().err().map_or(EngineError::Refused(refusal), failed);
            answer(waiting, Err(error));
        }
    }
    if changes.is_empty() {
        return Vec::new();
    }
    let outcomes = store.commit(tenant, &changes).await;
    settle(writing, &changes, outcomes)
}

/// Answers the winners; gives back those to be decided anew.
fn settle(
    writing: Vec<Waiting>,
    changes: &[Change],
    outcomes: Vec<Result<Outcome, StoreError>>,
) -> Vec<Waiting> {
    let mut again = Vec::new();
    for ((mut waiting, change), outcome) in writing.into_iter().zip(changes).zip(outcomes) {
        match outcome {
            Ok(Outcome::Committed) => {
                let receipt = Receipt {
                    case: change.state.case,
                    version: change.state.version,
                    acts: change.acts.len(),
                    replayed: false,
                };
                answer(waiting, Ok(receipt));
            }
            Ok(Outcome::Conflict) => {
                waiting.attempts += 1;
                if waiting.attempts >= ATTEMPTS_MAX {
                    answer(waiting, Err(EngineError::Contended));
                } else {
                    again.push(waiting);
                }
            }
            Err(error) => answer(waiting, Err(error.into())),
        }
    }
    again
}

/// A caller that hung up wants no answer; its command stands.
fn answer(waiting: Waiting, result: Result<Receipt, EngineError>) {
    drop(waiting.reply.send(result));
}

/// An error that many callers are told: each gets its text.
fn failed(error: &StoreError) -> EngineError {
    EngineError::Store(StoreError::Unfit(chain_text(error)))
}

/// An error with its causes, printed once.
fn chain_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn refusal_row(request: &Request, refusal: &Refusal, now: Instant) -> RefusalRow {
    let act = match &request.command {
        Command::Perform(perform) => perform.act.chars().take(80).collect(),
        Command::Comment { .. } => "comment".to_owned(),
        Command::Amend { .. } => "amend".to_owned(),
        Command::TakeBack { .. } => "take_back".to_owned(),
        Command::DecideProposal { .. } => "decide_proposal".to_owned(),
        Command::Tick => "tick".to_owned(),
        Command::Recalculate => "recalculate".to_owned(),
    };
    RefusalRow {
        at: now,
        case: request.case,
        person: request.actor.as_ref().map(|who| who.person.clone()),
        act,
        code: refusal.code().to_owned(),
        detail: serde_json::to_string(refusal).unwrap_or_default(),
    }
}

/// What all decisions of a batch share: the instant, and what is read once for all of them.
struct Round<'a> {
    store: &'a dyn Store,
    tenant: &'a TenantId,
    catalog: &'a Catalog,
    now: Instant,
    directory: Option<Arc<Directory>>,
    calendars: HashMap<String, Arc<Calendar>>,
}

impl<'a> Round<'a> {
    fn new(store: &'a dyn Store, tenant: &'a TenantId, catalog: &'a Catalog, now: Instant) -> Self {
        Round { store, tenant, catalog, now, directory: None, calendars: HashMap::new() }
    }

    async fn directory(&mut self) -> Result<Arc<Directory>, EngineError> {
        if self.directory.is_none() {
            self.directory = Some(self.catalog.directory().await?);
        }
        Ok(self.directory.clone().unwrap_or_default())
    }

    async fn calendar(&mut self, id: &str) -> Result<Arc<Calendar>, EngineError> {
        if let Some(calendar) = self.calendars.get(id) {
            return Ok(calendar.clone());
        }
        let calendar = self.catalog.calendar(id).await?;
        self.calendars.insert(id.to_owned(), calendar.clone());
        Ok(calendar)
    }

    /// A case number for every opening: handed out once for all openings with the same letters and year.
    async fn numbers(
        &mut self,
        batch: &[Waiting],
        known: &[Known],
    ) -> Vec<Result<Option<String>, EngineError>> {
        let mut openings: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut numbers: Vec<Result<Option<String>, EngineError>> = Vec::with_capacity(batch.len());
        for (index, (waiting, known)) in batch.iter().zip(known).enumerate() {
            numbers.push(Ok(None));
            let opens = known.head.is_none() && known.used.is_none();
            let Some(hash) = waiting.request.definition.as_ref().filter(|_| opens) else { continue };
            match self.prefix(hash).await {
                Ok(prefix) => openings.entry(prefix).or_default().push(index),
                Err(error) => numbers[index] = Err(error),
            }
        }
        for (prefix, indices) in openings {
            let count = u32::try_from(indices.len()).unwrap_or(u32::MAX);
            let first = self.store.numbers(self.tenant, &prefix, count).await;
            for (no, index) in (0u64..).zip(indices) {
                numbers[index] = match &first {
                    Ok(first) => Ok(Some(format!("{prefix}-{:06}", first + no))),
                    Err(error) => Err(EngineError::Store(StoreError::Unfit(chain_text(error)))),
                };
            }
        }
        numbers
    }

    /// `YH-2026`: the letters of the workflow and the local year.
    async fn prefix(&mut self, hash: &str) -> Result<String, EngineError> {
        let definition = self.catalog.definition(hash).await?;
        let calendar = self.calendar(&definition.file().calendar).await?;
        let year = calendar.local_date(self.now.utc()).format("%Y");
        Ok(format!("{}-{year}", definition.file().numbering))
    }

    async fn decide(
        &mut self,
        request: &Request,
        known: &Known,
        number: Result<Option<String>, EngineError>,
    ) -> Result<Verdict, EngineError> {
        let fingerprint = fingerprint(request);
        if let Some(used) = &known.used {
            if used.fingerprint != fingerprint {
                return Err(EngineError::KeyReused);
            }
            let receipt = Receipt { case: used.case, version: used.version, acts: 0, replayed: true };
            return Ok(Verdict::Replayed(receipt));
        }
        let head = known.head.as_ref();
        let hash = head.map(|head| &head.state.definition).or(request.definition.as_ref());
        let hash = hash.ok_or(Refusal::NoSuchCase)?;
        let definition = self.catalog.definition(hash).await?;
        let (number, directory) = (number?, self.directory().await?);
        let calendar = self.calendar(&definition.file().calendar).await?;
        let salt = salt(&request.command)?;
        let facts = Facts {
            tenant: self.tenant,
            case: request.case,
            now: self.now,
            actor: request.actor.as_ref(),
            auth: request.auth,
            key: request.key.as_deref(),
            calendar: &calendar,
            directory: &directory,
            expected_version: request.expected_version,
            number: number.as_deref(),
            salt: &salt,
        };
        let command = with_before(self.store, self.tenant, request).await?;
        let decision = machine::decide(&definition, head.map(|head| &head.state), &command, &facts)?;
        let version = head.map_or(0, |head| head.state.version);
        if decision.acts.is_empty() {
            return Ok(Verdict::Nothing(Receipt { case: request.case, version, acts: 0, replayed: false }));
        }
        let previous = head.map_or("", |head| head.last_hash.as_str());
        let key = request.key.clone().map(|key| (key, fingerprint));
        Ok(Verdict::Write(Box::new(change(
            &definition,
            head.map(|head| &head.state),
            decision,
            previous,
            key,
        )?)))
    }
}

/// A taking back needs the state before the last act, folded from the acts.
async fn with_before(
    store: &dyn Store,
    tenant: &TenantId,
    request: &Request,
) -> Result<Command, EngineError> {
    let Command::TakeBack { reason, before } = &request.command else { return Ok(request.command.clone()) };
    let rows = store.acts(tenant, request.case).await?;
    let acts: Result<Vec<machine::Act>, _> = rows.iter().map(|row| serde_json::from_str(&row.body)).collect();
    let acts = acts.map_err(|error| EngineError::Stored(format!("act: {error}")))?;
    let kept = acts.len().saturating_sub(1);
    let before = machine::fold(acts.iter().take(kept)).map_or_else(|| before.clone(), Box::new);
    Ok(Command::TakeBack { reason: reason.clone(), before })
}

/// 32 random bytes for a command of a person; the worker brings no personal values.
fn salt(command: &Command) -> Result<[u8; 32], EngineError> {
    let mut salt = [0; 32];
    if matches!(command, Command::Perform(_) | Command::Amend { .. }) {
        getrandom::fill(&mut salt).map_err(|error| EngineError::Stored(error.to_string()))?;
    }
    Ok(salt)
}

/// Digest of what a command asks for: the same key with another one is refused.
fn fingerprint(request: &Request) -> String {
    let mut parts = BTreeMap::new();
    parts.insert("case", serde_json::json!(request.case));
    parts.insert("actor", serde_json::json!(request.actor));
    parts.insert("command", serde_json::json!(request.command));
    digest_hex(&canonical(&parts).unwrap_or_default())
}
