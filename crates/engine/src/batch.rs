//! The commit task: one read, many decisions, one transaction.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use calendar::Calendar;
use machine::command::NOBODY;
use machine::register::Registers;
use machine::value::{CaseId, PersonId, TenantId};
use machine::{Command, Definition, Directory, Facts, Instant, Refusal};
use store::{Change, Known, Outcome, Read, RefusalRow, Seen, Store, StoreError};
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinSet;

use crate::asked::{fingerprint, handed_in_twice, to_record};
use crate::change::change;
use crate::{Catalog, EngineError, Other, Receipt, Request, Waiting};

/// Commands in one transaction.
const BATCH_MAX: usize = 256;
/// Of them what the worker asks for.
const TICKS_MAX: usize = 64;
/// The same while people are at it too: they wait behind no more of it than this.
const TICKS_BESIDE_MAX: usize = 16;
/// Fewer commands are not shared out among batches: what a transaction costs is shared by all in it.
const SHARE_LEAST: usize = 8;
/// After so many decisions other tasks get their turn: the next step of another batch may be among them.
const DECISIONS_MAX: usize = 8;
/// So often other tasks get their turn, without one of them asking for something, before a batch is taken.
const QUIET_TURNS: u32 = 8;
/// How often a command is decided anew when others were first.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// Runs until every [`crate::Engine`] is gone.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    tenant: TenantId,
    catalog: Arc<Catalog>,
    mut queue: mpsc::Receiver<Waiting>,
) {
    let mut backlog: VecDeque<Waiting> = VecDeque::new();
    let mut held = Held::default();
    let mut running: JoinSet<(Held, Vec<Waiting>)> = JoinSet::new();
    let batches_max = store.batches_max();
    loop {
        // Whoever was just answered may come at once with the next command.
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            tokio::task::yield_now().await;
            let before = backlog.len();
            while backlog.len() < BATCH_MAX {
                match queue.try_recv() {
                    Ok(waiting) => backlog.push_back(waiting),
                    Err(_) => break,
                }
            }
            quiet = if backlog.len() == before { quiet + 1 } else { 0 };
        }
        // A batch takes its share of all that wait and are under way, so that as large a one can go beside it.
        let share = (backlog.len() + held.cases.len()).div_ceil(batches_max).clamp(SHARE_LEAST, BATCH_MAX);
        // What does not divide evenly leaves the last one a little smaller.
        let enough = running.is_empty() || backlog.len() + batches_max > share;
        if enough && running.len() < batches_max {
            let (batch, takes) = take_batch(&mut backlog, &held, share);
            if !batch.is_empty() {
                held.add(&takes);
                let (store, tenant, catalog) = (store.clone(), tenant.clone(), catalog.clone());
                running
                    .spawn(async move { (takes, process(store.as_ref(), &tenant, &catalog, batch).await) });
                continue;
            }
        }
        tokio::select! {
            Some(done) = running.join_next() => match done {
                Ok((took, again)) => {
                    held.remove(&took);
                    again.into_iter().rev().for_each(|waiting| backlog.push_front(waiting));
                }
                // Whatever broke was caught for its own command: this is a fault of the task itself.
                Err(broken) => std::panic::resume_unwind(broken.into_panic()),
            },
            Some(waiting) = queue.recv(), if backlog.len() < BATCH_MAX => backlog.push_back(waiting),
            else => return,
        }
    }
}

/// What a batch has to itself: no other that is under way at the same time decides on the same cases, uses the
/// same keys, or takes a number of a register, for two would take the same one. And how many people wait for it.
#[derive(Default)]
struct Held {
    cases: HashSet<CaseId>,
    keys: HashSet<String>,
    registers: bool,
    /// How many were not asked for by the worker.
    people: usize,
}

impl Held {
    fn of(waiting: &Waiting) -> Held {
        let requests = || waiting.members.iter().map(|member| &member.request);
        Held {
            cases: requests().map(|request| request.case).collect(),
            keys: requests().filter_map(|request| request.key.clone()).collect(),
            registers: requests().any(|request| request.command.issues()),
            people: usize::from(!waiting.is_tick()),
        }
    }

    fn meets(&self, other: &Held) -> bool {
        (self.registers && other.registers)
            || other.cases.iter().any(|case| self.cases.contains(case))
            || other.keys.iter().any(|key| self.keys.contains(key))
    }

    fn add(&mut self, other: &Held) {
        self.cases.extend(&other.cases);
        self.keys.extend(other.keys.iter().cloned());
        self.registers |= other.registers;
        self.people += other.people;
    }

    fn remove(&mut self, other: &Held) {
        self.cases.retain(|case| !other.cases.contains(case));
        self.keys.retain(|key| !other.keys.contains(key));
        self.registers &= !other.registers;
        self.people -= other.people;
    }
}

/// What can be decided together, people first, up to a share. A group goes whole. What meets something before it
/// waits until that is done: the commands of a case are decided in the order they came in.
fn take_batch(backlog: &mut VecDeque<Waiting>, held: &Held, share: usize) -> (Vec<Waiting>, Held) {
    let (mut batch, mut takes, mut before) = (Vec::new(), Held::default(), Held::default());
    let (mut size, mut rest) = (0, VecDeque::new());
    let (ticks, people): (Vec<_>, Vec<_>) = backlog.drain(..).partition(Waiting::is_tick);
    let alone = people.is_empty() && held.people == 0;
    let ticks_max = if alone { TICKS_MAX } else { TICKS_BESIDE_MAX };
    let most = people.iter().map(|waiting| waiting.members.len()).sum::<usize>() + ticks_max;
    for waiting in people.into_iter().chain(ticks) {
        let own = Held::of(&waiting);
        let fits = batch.is_empty() || size + waiting.members.len() <= share.min(most);
        if fits && !held.meets(&own) && !takes.meets(&own) && !before.meets(&own) {
            size += waiting.members.len();
            takes.add(&own);
            batch.push(waiting);
        } else {
            before.add(&own);
            rest.push_back(waiting);
        }
    }
    *backlog = rest;
    (batch, takes)
}

/// What one command came to.
enum Verdict {
    Replayed(Receipt),
    Nothing(Receipt),
    Write(Box<Change>),
}

/// What a group came to.
enum GroupVerdict {
    /// Answered without writing.
    Done(Vec<Receipt>),
    Write(Vec<Change>),
}

async fn process(
    store: &dyn Store,
    tenant: &TenantId,
    catalog: &Catalog,
    batch: Vec<Waiting>,
) -> Vec<Waiting> {
    let members = batch.iter().flat_map(|waiting| &waiting.members);
    let wanted: Vec<Read> =
        members.map(|m| Read { case: m.request.case, key: m.request.key.clone() }).collect();
    let Seen { now, organisation, calendars, known } = match store.read(tenant, &wanted).await {
        Ok(seen) => seen,
        Err(error) => {
            for waiting in batch {
                answer(waiting, Err(failed(&error)));
            }
            return Vec::new();
        }
    };
    let round = Round { store, tenant, catalog, now, organisation, calendars, registers: OnceCell::new() };
    let mut numbers = round.numbers(&batch, &known).await.into_iter();
    let mut known = known.into_iter();
    let (mut refusals, mut refused) = (Vec::new(), Vec::new());
    let (mut groups, mut writing) = (Vec::new(), Vec::new());
    for (index, waiting) in batch.into_iter().enumerate() {
        if index % DECISIONS_MAX == DECISIONS_MAX - 1 {
            tokio::task::yield_now().await;
        }
        let known: Vec<Known> = known.by_ref().take(waiting.members.len()).collect();
        let numbers = numbers.by_ref().take(waiting.members.len()).collect();
        match round.decide_group(&waiting, &known, numbers).await {
            Ok(GroupVerdict::Done(receipts)) => answer(waiting, Ok(receipts)),
            Ok(GroupVerdict::Write(changes)) => {
                groups.push(changes);
                writing.push(waiting);
            }
            Err((request, error)) => match to_record(&waiting, &request, &error, now) {
                Some(row) => {
                    refusals.push(row);
                    refused.push((waiting, error));
                }
                None => answer(waiting, Err(error)),
            },
        }
    }
    refuse(store, tenant, refusals, refused).await;
    if groups.is_empty() {
        return Vec::new();
    }
    let groups: Arc<[Vec<Change>]> = groups.into();
    let outcomes = store.commit(tenant, groups.clone()).await;
    let (again, contended) = settle(writing, &groups, outcomes);
    let rows = contended.iter().filter_map(|waiting| {
        let request = &waiting.members.first()?.request;
        to_record(waiting, request, &EngineError::Contended, now)
    });
    let (rows, contended) =
        (rows.collect(), contended.into_iter().map(|waiting| (waiting, EngineError::Contended)).collect());
    refuse(store, tenant, rows, contended).await;
    again
}

/// A refusal is answered when it is on record, and one that cannot be recorded takes no commit with it.
async fn refuse(
    store: &dyn Store,
    tenant: &TenantId,
    rows: Vec<RefusalRow>,
    refused: Vec<(Waiting, EngineError)>,
) {
    if refused.is_empty() {
        return;
    }
    let recorded = if rows.is_empty() { Ok(()) } else { store.refuse(tenant, &rows).await };
    for (waiting, refusal) in refused {
        let error = recorded.as_ref().err().map_or(refusal, failed);
        answer(waiting, Err(error));
    }
}

/// Answers the winners; gives back those to be decided anew, and those that others kept getting in before.
fn settle(
    writing: Vec<Waiting>,
    groups: &[Vec<Change>],
    outcomes: Vec<Result<Outcome, StoreError>>,
) -> (Vec<Waiting>, Vec<Waiting>) {
    let (mut again, mut contended) = (Vec::new(), Vec::new());
    for ((mut waiting, changes), outcome) in writing.into_iter().zip(groups).zip(outcomes) {
        match outcome {
            Ok(Outcome::Committed) => {
                let receipts = changes.iter().map(|change| Receipt {
                    case: change.state.case,
                    version: change.state.version,
                    acts: change.acts.len(),
                    replayed: false,
                });
                answer(waiting, Ok(receipts.collect()));
            }
            Ok(Outcome::Conflict) => {
                waiting.attempts += 1;
                if waiting.attempts >= ATTEMPTS_MAX { &mut contended } else { &mut again }.push(waiting);
            }
            Err(error) => answer(waiting, Err(error.into())),
        }
    }
    (again, contended)
}

/// A caller that hung up wants no answer; its command stands.
fn answer(waiting: Waiting, result: Result<Vec<Receipt>, EngineError>) {
    drop(waiting.reply.send(result));
}

/// An error that many callers are told.
fn failed(error: &StoreError) -> EngineError {
    error.again().into()
}

/// What all decisions of a batch share: the instant, and what stands at it.
struct Round<'a> {
    store: &'a dyn Store,
    tenant: &'a TenantId,
    catalog: &'a Catalog,
    now: Instant,
    organisation: u64,
    calendars: u64,
    registers: OnceCell<Arc<Registers>>,
}

impl Round<'_> {
    async fn directory(&self) -> Result<Arc<Directory>, EngineError> {
        self.catalog.directory_as_of(self.organisation).await
    }

    async fn calendar(&self, id: &str) -> Result<Arc<Calendar>, EngineError> {
        self.catalog.calendar_as_of(id, self.calendars).await
    }

    /// Where the registers stand, for the commands that have to know.
    async fn registers(&self, command: &Command) -> Result<Arc<Registers>, EngineError> {
        if !command.needs_registers() {
            return Ok(Arc::default());
        }
        let read = async || {
            let directory = self.directory().await?;
            let calendar = self.calendar(directory.calendar()).await?;
            let registers =
                crate::registers(self.store, self.tenant, &calendar, &directory, self.now).await?;
            Ok::<_, EngineError>(Arc::new(registers))
        };
        Ok(self.registers.get_or_try_init(read).await?.clone())
    }

    /// A case number for every opening: handed out once for all openings with the same letters and year.
    async fn numbers(&self, batch: &[Waiting], known: &[Known]) -> Vec<Result<Option<String>, EngineError>> {
        let mut openings: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut numbers: Vec<Result<Option<String>, EngineError>> = Vec::with_capacity(known.len());
        let members = batch.iter().flat_map(|waiting| &waiting.members);
        for (index, (member, known)) in members.zip(known).enumerate() {
            numbers.push(Ok(None));
            let opens = matches!((&known.head, &known.used), (Ok(None), Ok(None)));
            let Some(hash) = member.request.definition.as_ref().filter(|_| opens) else { continue };
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
                    Err(error) => Err(failed(error)),
                };
            }
        }
        numbers
    }

    /// `YH-2026`: the letters of the workflow and the local year.
    async fn prefix(&self, hash: &str) -> Result<String, EngineError> {
        let definition = self.catalog.definition(hash).await?;
        let calendar = self.calendar(&definition.file().calendar).await?;
        let year = calendar.local_date(self.now.utc()).format("%Y");
        Ok(format!("{}-{year}", definition.file().numbering))
    }

    /// Decides every command of a group; one that fails fails the group, and is named.
    async fn decide_group(
        &self,
        waiting: &Waiting,
        known: &[Known],
        numbers: Vec<Result<Option<String>, EngineError>>,
    ) -> Result<GroupVerdict, (Request, EngineError)> {
        let alone = waiting.members.len() == 1;
        let definitions = self.definitions(waiting, known).await;
        let fingerprint = fingerprint(waiting.asked(), &definitions);
        let mut evidence = BTreeSet::new();
        let (mut receipts, mut changes) = (Vec::new(), Vec::new());
        let given: Vec<Option<String>> =
            numbers.iter().map(|number| number.as_ref().ok().cloned().flatten()).collect();
        for (index, ((member, known), number)) in waiting.members.iter().zip(known).zip(numbers).enumerate() {
            let (linked, hands) = match &member.other {
                Other::None => (None, NOBODY),
                Other::Case(number) => (Some(number.as_str()), NOBODY),
                Other::GoesOn(number, hands) => (Some(number.as_str()), hands),
                Other::Opened => (given.get(index + 1).and_then(Option::as_deref), NOBODY),
            };
            let decided = match handed_in_twice(member, definitions[index].as_deref(), &mut evidence) {
                Some(refusal) => Err(EngineError::from(refusal)),
                None => self.decide(&member.request, &fingerprint, known, number, linked, hands).await,
            };
            match decided {
                Ok(Verdict::Replayed(receipt) | Verdict::Nothing(receipt)) => receipts.push(receipt),
                Ok(Verdict::Write(change)) => changes.push(*change),
                Err(EngineError::Refused(refusal)) if !alone => {
                    let number =
                        known.head.as_ref().ok().and_then(Option::as_ref).map(|head| &head.state.number);
                    let number = number.or(given[index].as_ref()).cloned().unwrap_or_default();
                    return Err((member.request.clone(), EngineError::RefusedIn { number, refusal }));
                }
                Err(error) => return Err((member.request.clone(), error)),
            }
        }
        match (receipts.is_empty(), changes.is_empty()) {
            (_, true) => Ok(GroupVerdict::Done(receipts)),
            (true, false) => {
                number_parts(&mut changes);
                Ok(GroupVerdict::Write(changes))
            }
            // A key stands for the whole group: it cannot have been used for a part of it.
            (false, false) => Err((waiting.members[0].request.clone(), EngineError::KeyReused)),
        }
    }

    /// The definition of each member, where it is known: what cannot be read is told when it is decided.
    async fn definitions(&self, waiting: &Waiting, known: &[Known]) -> Vec<Option<Arc<Definition>>> {
        let mut definitions = Vec::with_capacity(known.len());
        for (member, known) in waiting.members.iter().zip(known) {
            // An opening sent again names its workflow, which need not be that of the case its key made.
            let head = known.head.as_ref().ok().and_then(Option::as_ref);
            let hash = member.request.definition.as_ref().or(head.map(|head| &head.state.definition));
            let definition = match hash {
                Some(hash) => self.catalog.definition(hash).await.ok(),
                None => None,
            };
            definitions.push(definition);
        }
        definitions
    }

    async fn decide(
        &self,
        request: &Request,
        fingerprint: &str,
        known: &Known,
        number: Result<Option<String>, EngineError>,
        linked: Option<&str>,
        hands: &BTreeSet<PersonId>,
    ) -> Result<Verdict, EngineError> {
        if let Some(used) = known.used.clone()? {
            if used.fingerprint != fingerprint {
                return Err(EngineError::KeyReused);
            }
            let receipt = Receipt { case: used.case, version: used.version, acts: 0, replayed: true };
            return Ok(Verdict::Replayed(receipt));
        }
        let head = known.head.as_ref().map_err(Clone::clone)?.as_ref();
        let hash = head.map(|head| &head.state.definition).or(request.definition.as_ref());
        let hash = hash.ok_or(Refusal::NoSuchCase)?;
        let definition = self.catalog.definition(hash).await?;
        let (number, directory) = (number?, self.directory().await?);
        let calendar = self.calendar(&definition.file().calendar).await?;
        let salt = salt(&request.command)?;
        let registers = self.registers(&request.command).await?;
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
            linked,
            hands,
            registers: &registers,
            salt: &salt,
        };
        let command = with_before(self.store, self.tenant, request).await?;
        let decision =
            caught(|| machine::decide(&definition, head.map(|head| &head.state), &command, &facts))??;
        let version = head.map_or(0, |head| head.state.version);
        if decision.acts.is_empty() {
            return Ok(Verdict::Nothing(Receipt { case: request.case, version, acts: 0, replayed: false }));
        }
        let previous = head.map_or("", |head| head.last_hash.as_str());
        let key = request.key.clone().map(|key| (key, fingerprint.to_owned()));
        let state = head.map(|head| &head.state);
        let change = caught(|| change(&definition, state, decision, previous, key))??;
        Ok(Verdict::Write(Box::new(change)))
    }
}

/// A document over several cases has a part in each of them.
fn number_parts(changes: &mut [Change]) {
    let mut parts: BTreeMap<machine::register::DocumentNumber, u32> = BTreeMap::new();
    for document in changes.iter_mut().flat_map(|change| &mut change.documents) {
        let next = parts.entry(document.number.clone()).or_default();
        document.part = *next;
        *next += 1;
    }
}

/// Runs what decides one command. Should it break, it breaks for this command alone: everybody else is waiting
/// for the same task.
fn caught<T>(decide: impl FnOnce() -> T) -> Result<T, EngineError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decide)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        EngineError::Broken(said.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason").to_owned())
    })
}

/// A taking back needs the state before the last act, folded from the acts.
async fn with_before<'a>(
    store: &dyn Store,
    tenant: &TenantId,
    request: &'a Request,
) -> Result<Cow<'a, Command>, EngineError> {
    let Command::TakeBack { reason, before } = &request.command else {
        return Ok(Cow::Borrowed(&request.command));
    };
    let rows = store.acts(tenant, request.case).await?;
    let acts: Result<Vec<machine::Act>, _> = rows.iter().map(|row| serde_json::from_str(&row.body)).collect();
    let acts = acts.map_err(|error| EngineError::Stored(format!("act: {error}")))?;
    let kept = acts.len().saturating_sub(1);
    let before = machine::fold(acts.iter().take(kept)).map_or_else(|| before.clone(), Box::new);
    Ok(Cow::Owned(Command::TakeBack { reason: reason.clone(), before }))
}

/// 32 random bytes for a command of a person; the worker brings no personal values.
fn salt(command: &Command) -> Result<[u8; 32], EngineError> {
    let mut salt = [0; 32];
    if matches!(command, Command::Perform(_) | Command::Amend { .. }) {
        getrandom::fill(&mut salt).map_err(|error| EngineError::Stored(error.to_string()))?;
    }
    Ok(salt)
}
