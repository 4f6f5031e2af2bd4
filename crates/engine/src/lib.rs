//! Use cases: the only way a case changes.
//!
//! A command goes to the one commit task, which reads heads for all callers waiting, decides each with
//! [`machine::decide`], and writes all decisions in one transaction. Receipts go out after the commit.
//!
//! Architecture invariants: no cache of heads; a caller that hangs up cancels nothing; what the world is
//! asked for (time, randomness) is asked for here and handed to the machine.

mod asked;
mod batch;
mod catalog;
mod change;
pub mod copy;
mod counter;
mod dry;
mod inbox;
mod link;
pub mod list;
pub mod notice;
pub mod proof;
pub mod rebuild;
mod sweep;
pub mod text;
pub mod verify;
pub mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Datelike;
use machine::act::Auth;
use machine::command::{NOBODY, OtherCaseProblem, Perform};
use machine::register::Registers;
use machine::value::{CaseId, PersonId, TenantId};
use machine::{Command, Definition, Instant, Person, Problem, Refusal, State};
use store::{Damage, DefinitionRow, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

pub use catalog::Catalog;
pub use counter::Counted;
pub use dry::Tried;
pub use inbox::Digest;
pub use sweep::{Failed, Swept};

/// Callers that may wait for the commit task; who comes when all places are taken is told so at once, and nobody
/// waits longer the more come.
pub const QUEUE_MAX: usize = 1_024;
/// Cases one order may cover.
pub const GROUP_MAX: usize = 100;

/// What a use case can fail with.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The command was refused; nothing changed.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// One command of a group was refused; nothing of the group changed.
    #[error("refused: {number}: {refusal}")]
    RefusedIn {
        /// The case.
        number: String,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The idempotency key was used for another command.
    #[error("BH0030: this key was used for another command")]
    KeyReused,
    /// The key is empty, too long or has control characters.
    #[error("BH0031: a key has 1 to 255 characters and no control characters")]
    KeyBad,
    /// There is no such workflow.
    #[error("BH0032: no workflow '{0}' is published here")]
    NoWorkflow(String),
    /// There is no such case.
    #[error("BH0033: there is no case '{0}'")]
    NoCase(String),
    /// The file has findings.
    #[error("BH0034: the file has {} findings", .0.len())]
    Findings(Vec<Problem>),
    /// The checker found something, in the file or in the organisation that has to carry it.
    #[error("BH0041: the checker has {} findings", .0.len())]
    Unsound(Vec<Problem>),
    /// The store failed.
    #[error("BH0035: the store failed")]
    Store(#[source] StoreError),
    /// What is stored does not agree with itself: nothing is built on it.
    #[error("BH0043: {0}")]
    Damaged(#[from] Damage),
    /// Some cases could not do what was asked of all; the others did.
    #[error("BH0044: {} cases failed", .0.len())]
    Failing(Vec<Failed>),
    /// The program broke while it decided a command.
    #[error("BH0045: the program broke while it decided this: {0}")]
    Broken(String),
    /// A stored value cannot be read.
    #[error("BH0036: {0}")]
    Stored(String),
    /// The calendar is not loaded.
    #[error("BH0039: no calendar '{0}' is loaded here; load one with `bihuan init --calendar FILE`")]
    NoCalendar(String),
    /// Others kept getting in first.
    #[error("BH0037: too many others act on this case; try again")]
    Contended,
    /// A store that does not hold is not copied.
    #[error("BH0047: {faults} faults in {tenant}; nothing was copied")]
    CopyFaulty {
        /// The tenant.
        tenant: String,
        /// How many.
        faults: usize,
    },
    /// Both sides differ after all.
    #[error("BH0048: the table {0} changed while it was copied")]
    CopyChanged(&'static str),
    /// As many wait as may.
    #[error("BH0046: too many wait already; nothing was done, try again")]
    Busy,
    /// A calendar whose version is kept with other days, or is not the newest.
    #[error(
        "BH0042: version {0} of this calendar is kept with other days or is not the newest; give the new days a new version"
    )]
    CalendarVersion(String),
    /// An order over no case, too many, or one twice.
    #[error("BH0040: an order covers 1 to {GROUP_MAX} different cases")]
    GroupBad,
    /// The engine is shutting down.
    #[error("BH0038: the engine is shutting down")]
    Stopped,
}

impl EngineError {
    /// What was refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            EngineError::Refused(refusal) | EngineError::RefusedIn { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    /// A stable code: of what was refused, of the store, or its own.
    pub fn code(&self) -> &'static str {
        match self {
            EngineError::Refused(refusal) | EngineError::RefusedIn { refusal, .. } => refusal.code(),
            EngineError::KeyReused => "BH0030",
            EngineError::KeyBad => "BH0031",
            EngineError::NoWorkflow(_) => "BH0032",
            EngineError::NoCase(_) => "BH0033",
            EngineError::Findings(_) => "BH0034",
            EngineError::Store(error) => error.code(),
            EngineError::Stored(_) => "BH0036",
            EngineError::Contended => "BH0037",
            EngineError::Stopped => "BH0038",
            EngineError::NoCalendar(_) => "BH0039",
            EngineError::GroupBad => "BH0040",
            EngineError::Unsound(_) => "BH0041",
            EngineError::CalendarVersion(_) => "BH0042",
            EngineError::Damaged(_) => "BH0043",
            EngineError::Failing(_) => "BH0044",
            EngineError::Broken(_) => "BH0045",
            EngineError::Busy => "BH0046",
            EngineError::CopyFaulty { .. } => "BH0047",
            EngineError::CopyChanged(_) => "BH0048",
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Inconsistent(damage) => EngineError::Damaged(damage),
            error => EngineError::Store(error),
        }
    }
}

impl From<Refusal> for EngineError {
    fn from(refusal: Refusal) -> Self {
        EngineError::Refused(Box::new(refusal))
    }
}

/// A command for a case.
#[derive(Clone, Debug)]
pub struct Request {
    /// The case.
    pub case: CaseId,
    /// Digest of the definition, for an opening.
    pub definition: Option<String>,
    /// The command.
    pub command: Command,
    /// Who; `None` is the worker.
    pub actor: Option<Person>,
    /// How that was established.
    pub auth: Auth,
    /// Idempotency key.
    pub key: Option<String>,
    /// The version the caller saw, if it insists on it.
    pub expected_version: Option<u32>,
}

fn check_key(key: Option<&str>) -> Result<(), EngineError> {
    let bad = |key: &str| key.is_empty() || key.chars().count() > 255 || key.chars().any(char::is_control);
    if key.is_some_and(bad) { Err(EngineError::KeyBad) } else { Ok(()) }
}

/// An act on two cases that came without its other half; no fault of the caller's, who names one case.
fn is_alone(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::OtherCase { problem: OtherCaseProblem::Alone, .. })
}

/// What a caller gets after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The case.
    pub case: CaseId,
    /// Version after the command.
    pub version: u32,
    /// Acts written; none when the key had been used for the same command before.
    pub acts: usize,
    /// Answered from an earlier run of the same command.
    pub replayed: bool,
}

/// A request in a group, and the other case where its act concerns two.
#[derive(Clone, Debug)]
struct Member {
    request: Request,
    other: Other,
}

/// The other case of an act.
#[derive(Clone, Debug)]
enum Other {
    /// The act concerns one case.
    None,
    /// The case with this number.
    Case(String),
    /// The case with this number, which goes on in this one; and who worked on it.
    GoesOn(String, BTreeSet<PersonId>),
    /// The case that the next member of the group opens.
    Opened,
}

/// Requests that are written together or not at all; most often one.
struct Waiting {
    members: Vec<Member>,
    /// What the caller asked for, where that is not what the members are: the halves of an act on two cases are
    /// one request.
    whole: Option<Box<Request>>,
    attempts: u32,
    reply: oneshot::Sender<Result<Vec<Receipt>, EngineError>>,
}

impl Waiting {
    /// Asked by the worker: nobody sits before a screen for it.
    fn is_tick(&self) -> bool {
        self.asked().all(|request| request.command == Command::Tick)
    }

    /// What callers asked for.
    fn asked(&self) -> impl Iterator<Item = &Request> {
        let members = self.members.iter().filter(|_| self.whole.is_none()).map(|member| &member.request);
        self.whole.as_deref().into_iter().chain(members)
    }
}

/// The engine of one tenant.
#[derive(Clone)]
pub struct Engine {
    tenant: TenantId,
    store: Arc<dyn Store>,
    catalog: Arc<Catalog>,
    queue: mpsc::Sender<Waiting>,
}

impl Engine {
    /// Starts the commit task.
    pub fn start(store: Arc<dyn Store>, tenant: TenantId) -> Engine {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let catalog = Arc::new(Catalog::new(store.clone(), tenant.clone()));
        tokio::spawn(batch::run(store.clone(), tenant.clone(), catalog.clone(), waiting));
        Engine { tenant, store, catalog, queue }
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The store, for reading.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The store, to share.
    pub fn shared_store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Definitions, organisation and calendars.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Runs a command and waits for its commit. An act that opens another case or joins this one to it
    /// writes both in one transaction.
    pub async fn execute(&self, request: Request) -> Result<Receipt, EngineError> {
        check_key(request.key.as_deref())?;
        let member = Member { request: request.clone(), other: Other::None };
        match self.submit(None, vec![member]).await {
            Err(EngineError::Refused(refusal)) if is_alone(&refusal) => match &request.command {
                Command::Perform(perform) => self.execute_linked(&request, perform).await,
                _ => Err(EngineError::Refused(refusal)),
            },
            Err(error) => Err(error),
            Ok(receipts) => receipts.into_iter().next().ok_or(EngineError::Stopped),
        }
    }

    /// Runs commands on several cases, all of them or none: an order that covers several hazards. The key
    /// stands for all of them together.
    pub async fn execute_all(
        &self,
        mut requests: Vec<Request>,
        key: Option<String>,
    ) -> Result<Vec<Receipt>, EngineError> {
        check_key(key.as_deref())?;
        let cases: BTreeSet<CaseId> = requests.iter().map(|request| request.case).collect();
        if requests.is_empty() || requests.len() > GROUP_MAX || cases.len() != requests.len() {
            return Err(EngineError::GroupBad);
        }
        for request in &mut requests {
            request.key.clone_from(&key);
        }
        if let [request] = requests.as_slice() {
            return Ok(vec![self.execute(request.clone()).await?]);
        }
        let members = requests.into_iter().map(|request| Member { request, other: Other::None }).collect();
        self.submit(None, members).await
    }

    /// Waits for the commit of a group. Each member keeps its own row of the key.
    async fn submit(
        &self,
        whole: Option<Request>,
        mut members: Vec<Member>,
    ) -> Result<Vec<Receipt>, EngineError> {
        for (index, member) in members.iter_mut().enumerate().skip(1) {
            // A control character: no caller's own key can be this one.
            member.request.key = member.request.key.take().map(|key| format!("{key}\u{1f}{index}"));
        }
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { members, whole: whole.map(Box::new), attempts: 0, reply };
        self.queue.try_send(waiting).map_err(|full| match full {
            mpsc::error::TrySendError::Full(_) => EngineError::Busy,
            mpsc::error::TrySendError::Closed(_) => EngineError::Stopped,
        })?;
        answer.await.map_err(|_| EngineError::Stopped)?
    }

    /// Opens a case under the newest published edition of a workflow. The id comes from tenant and key, so
    /// that the same opening sent twice is one case.
    pub async fn open(
        &self,
        workflow: &str,
        perform: Perform,
        actor: Person,
        auth: Auth,
        key: String,
    ) -> Result<Receipt, EngineError> {
        self.execute(Request {
            case: case_id(&self.tenant, &key),
            definition: Some(self.newest(workflow).await?),
            command: Command::Perform(perform),
            actor: Some(actor),
            auth,
            key: Some(key),
            expected_version: None,
        })
        .await
    }

    /// Digest of the newest published edition of a workflow.
    pub async fn newest(&self, workflow: &str) -> Result<String, EngineError> {
        let hash = self.store.newest(&self.tenant, workflow).await?;
        hash.ok_or_else(|| EngineError::NoWorkflow(workflow.to_owned()))
    }

    /// Checks a compiled definition, and the organisation that has to carry it, and stores it. Open cases
    /// keep theirs.
    pub async fn publish(&self, definition: &Definition) -> Result<(), EngineError> {
        let findings = notice::findings(definition);
        if !findings.is_empty() {
            return Err(EngineError::Findings(findings));
        }
        self.catalog.calendar(&definition.file().calendar).await?;
        let directory = self.catalog.directory().await?;
        let mut problems = machine::check::organisation::check(definition, &directory);
        let checked = definition.clone();
        let found = tokio::task::spawn_blocking(move || proof::problems(&checked)).await;
        problems.extend(found.map_err(|_| EngineError::Stopped)?);
        if !problems.is_empty() {
            return Err(EngineError::Unsound(problems));
        }
        let row = DefinitionRow {
            hash: definition.digest().to_owned(),
            workflow: definition.file().workflow.clone(),
            edition: definition.file().edition.clone(),
            body: definition.bytes().to_vec(),
            published_at: self.store.clock().await?.micros(),
        };
        Ok(self.store.put_definition(&self.tenant, &row).await?)
    }

    /// The state of a case and its definition.
    pub async fn case(&self, number: &str) -> Result<(State, Arc<Definition>), EngineError> {
        let no_case = || EngineError::NoCase(number.to_owned());
        let case = self.store.find(&self.tenant, number).await?.ok_or_else(no_case)?;
        let mut seen = self.store.read(&self.tenant, &[store::Read { case, key: None }]).await?;
        let head = seen.known.pop().map_or(Ok(None), |known| known.head)?.ok_or_else(no_case)?;
        let definition = self.catalog.definition(&head.state.definition).await?;
        Ok((head.state, definition))
    }

    /// The acts of a case.
    pub async fn acts(&self, case: CaseId) -> Result<Vec<machine::Act>, EngineError> {
        let rows = self.store.acts(&self.tenant, case).await?;
        let acts = rows.iter().map(|row| serde_json::from_str(&row.body));
        acts.collect::<Result<_, _>>().map_err(|error| EngineError::Stored(format!("act: {error}")))
    }

    async fn surroundings(
        &self,
        definition: &Definition,
    ) -> Result<(Arc<calendar::Calendar>, Arc<machine::Directory>), EngineError> {
        let calendar = self.catalog.calendar(&definition.file().calendar).await?;
        Ok((calendar, self.catalog.directory().await?))
    }
}

/// Where the registers of the jurisdiction stand.
pub(crate) async fn registers(
    store: &dyn Store,
    tenant: &TenantId,
    calendar: &calendar::Calendar,
    directory: &machine::Directory,
    now: Instant,
) -> Result<Registers, EngineError> {
    let year = calendar.local_date(now.utc()).year();
    let codes = directory.units.iter().filter_map(|unit| unit.register.as_ref());
    let codes: Vec<String> = codes.map(|register| register.code.clone()).collect();
    Ok(Registers { year, last: store.registers(tenant, year, &codes).await? })
}

fn facts<'a>(
    tenant: &'a TenantId,
    case: CaseId,
    now: Instant,
    actor: Option<&'a Person>,
    calendar: &'a calendar::Calendar,
    directory: &'a machine::Directory,
) -> machine::Facts<'a> {
    machine::Facts {
        tenant,
        case,
        now,
        actor,
        auth: Auth::Asserted,
        key: None,
        calendar,
        directory,
        expected_version: None,
        number: None,
        linked: None,
        hands: NOBODY,
        registers: Registers::NONE,
        salt: &[0; 32],
    }
}

/// The id of the case an opening command makes.
pub fn case_id(tenant: &TenantId, key: &str) -> CaseId {
    let digest = machine::act::chain(&[0; 32], format!("open\n{tenant}\n{key}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
