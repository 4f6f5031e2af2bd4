//! The durable case: one trait of a few calls, and the database behind it.
//!
//! What both databases do in the same words stands in `sql`, and is compiled once for each: `super` is
//! `sqlite` or `postgres` there, which name the driver's types and the few words that differ. The driver's
//! types are too many to be generic over, and its common denominator knows too few.
//!
//! Architecture invariants: the trait names no database. SQL stands in this crate alone. Nothing in SQL
//! asks for the time. A change commits whole or not at all, and only against the version it was decided
//! on.

#![expect(clippy::duplicate_mod, reason = "what is the same for both databases is compiled for each")]

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use machine::act::{Measure, RungResult};
use machine::command::Personal;
use machine::project::Projection;
use machine::register::DocumentNumber;
use machine::value::{CaseId, Name, PersonId, TenantId};
use machine::{Instant, State};
use serde::{Deserialize, Serialize};
use table::Table;
use tokio::sync::watch;

pub mod cells;
mod error;
mod grams;
mod known;
mod lists;
mod place;
pub mod postgres;
mod raw;
pub mod sqlite;
pub mod table;

pub use cells::due_text;
pub use error::{Damage, StoreError, Unfit, Wrong};
pub use lists::*;
pub use place::Place;
pub use raw::{Astray, RawAct, RawCase};

/// Where a store takes its time from. Fixed for its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The host's clock.
    Real,
    /// Set by hand: demonstrations and tests.
    Simulated,
}

/// What the engine wants to know before it decides.
#[derive(Clone, Debug)]
pub struct Read {
    /// The case.
    pub case: CaseId,
    /// The idempotency key, if the command has one.
    pub key: Option<String>,
}

/// The head of a case, and what its key was used for. A row that cannot be read fails for its own caller,
/// not for everybody who reads with him.
#[derive(Clone, Debug)]
pub struct Known {
    /// The head, if the case exists.
    pub head: Result<Option<Head>, Damage>,
    /// What the key was used for.
    pub used: Result<Option<Used>, Damage>,
}

/// What one read for many callers gives.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The time of the store.
    pub now: Instant,
    /// The version of the organisation; another one with every change of it.
    pub organisation: u64,
    /// Which calendar was loaded last; another number with every load.
    pub calendars: u64,
    /// Heads and keys, in the order they were asked for.
    pub known: Vec<Known>,
}

/// A case that is due, as stored: a damaged id need not be text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueCase {
    /// Its id.
    pub case_id: Vec<u8>,
    /// Its number.
    pub number: String,
}

/// How long a worker sleeps at the longest: other processes' writes are noticed within this time.
pub const NEAR: Duration = Duration::from_millis(1_000);

/// How a tenant stands with its deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waking {
    /// The tenant.
    pub tenant: TenantId,
    /// The next moment anything is due.
    pub next_wake: Option<Instant>,
    /// Notices wait to be delivered.
    pub undelivered: bool,
}

/// The head of a case.
#[derive(Clone, Debug)]
pub struct Head {
    /// The whole state.
    pub state: State,
    /// Hash of its last act, hex.
    pub last_hash: String,
}

/// An idempotency row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Digest of the command.
    pub fingerprint: String,
    /// The case.
    pub case: CaseId,
    /// The last act it made.
    pub version: u32,
}

/// An act as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActRow {
    /// The case.
    pub case_id: CaseId,
    /// Its number in the case.
    pub version: u32,
    /// When, in microseconds.
    pub at: i64,
    /// Its name.
    pub name: Name,
    /// The acting person.
    pub person_id: Option<PersonId>,
    /// Algorithm of the chain.
    pub algorithm: String,
    /// Canonical bytes.
    pub body: String,
    /// Hash over the one before and the body, hex.
    pub hash: String,
}

/// One decision, to be written whole or not at all.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version it was decided on; 0 opens the case.
    pub expected_version: u32,
    /// The workflow's name.
    pub workflow: Name,
    /// The acts.
    pub acts: Vec<ActRow>,
    /// Hash of the last of them, hex.
    pub last_hash: String,
    /// The state after them.
    pub state: State,
    /// What SQL sees of it.
    pub projection: Projection,
    /// What it is found by, where that changed.
    pub text: Option<String>,
    /// What the case counted as, where that changed.
    pub history: Vec<HistoryRow>,
    /// Rungs recorded.
    pub rungs: Vec<RungRow>,
    /// Notices for the outbox.
    pub notices: Vec<NoticeRow>,
    /// Numbers taken from registers.
    pub documents: Vec<DocumentRow>,
    /// Personal values.
    pub personal: Vec<Personal>,
    /// Idempotency key and digest of the command.
    pub key: Option<(String, String)>,
}

/// A case at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedRow {
    /// Its number.
    pub number: String,
    /// Its department.
    pub department: Option<String>,
    /// Its township or other area.
    pub area: Option<String>,
    /// Its sector.
    pub sector: Option<String>,
    /// Its supervision level; none where it was never listed.
    pub level: Option<String>,
    /// When it came there.
    pub closed_at: Instant,
}

/// A recorded rung.
#[derive(Clone, Debug, Serialize)]
pub struct RungRow {
    /// The clock.
    pub deadline_no: u32,
    /// Its revision.
    pub revision: u32,
    /// The ladder.
    pub ladder: Name,
    /// The rung.
    pub rung: Name,
    /// Its repetition.
    pub repeat: u32,
    /// The act that recorded it.
    pub act_version: u32,
    /// What became of it.
    pub result: RungResult,
    /// What it does.
    pub measure: Measure,
    /// The moment it was due, in microseconds.
    pub due_at: i64,
    /// When it was recorded, in microseconds.
    pub recorded_at: i64,
}

/// A number taken from a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentRow {
    /// The number.
    #[serde(flatten)]
    pub number: DocumentNumber,
    /// Which of the cases the document covers this is, from 0.
    pub part: u32,
    /// The act that took it.
    pub act_version: u32,
}

/// A notice in the outbox.
#[derive(Clone, Debug, Serialize)]
pub struct NoticeRow {
    /// Stable id, derived from the rung and the recipient.
    pub notice_id: String,
    /// The act.
    pub act_version: u32,
    /// Who is told.
    pub recipient: PersonId,
    /// What the rung does.
    pub measure: Measure,
    /// The text.
    pub template: Option<Name>,
    /// Roles it was meant for and nobody holds, with commas.
    pub unreached: String,
    /// The ladder.
    pub ladder: Name,
    /// The rung.
    pub rung: Name,
    /// The clock.
    pub deadline_no: u32,
    /// When it was written, in microseconds.
    pub created_at: i64,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable.
    Committed,
    /// Somebody else was first; nothing of it was written.
    Conflict,
}

/// A refused command (I5).
#[derive(Clone, Debug)]
pub struct RefusalRow {
    /// When.
    pub at: Instant,
    /// The case it was for.
    pub case: CaseId,
    /// Who.
    pub person: Option<PersonId>,
    /// What.
    pub act: Name,
    /// Stable code.
    pub code: String,
    /// The refusal as JSON.
    pub detail: String,
}

/// A stored definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefinitionRow {
    /// Its digest.
    pub hash: String,
    /// The workflow.
    pub workflow: Name,
    /// The edition.
    pub edition: String,
    /// Canonical bytes.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// When, in microseconds.
    pub published_at: i64,
}

/// A version of a calendar as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarRow {
    /// The calendar.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its JSON.
    pub body: Vec<u8>,
    /// Digest of the JSON as it was loaded.
    pub digest: String,
}

/// A delivered digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DigestRow {
    /// Its id.
    pub delivery_id: String,
    /// The day.
    pub day: String,
    /// When it went out.
    pub delivered_at: Instant,
    /// Notices in it.
    pub notices: u32,
    /// The lines: number of the case, rung, measure.
    pub lines: Vec<DigestLine>,
}

/// A line of a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DigestLine {
    /// The case.
    pub case_id: CaseId,
    /// Number of the case.
    pub number: String,
    /// The act that wrote it.
    pub act_version: u32,
    /// The clock.
    pub deadline_no: u32,
    /// The ladder.
    pub ladder: Name,
    /// The rung.
    pub rung: Name,
    /// What it does.
    pub measure: String,
    /// The text.
    pub template: Option<Name>,
    /// Roles it was meant for and nobody holds.
    pub unreached: Vec<Name>,
}

/// The durable side of bihuan.
#[async_trait]
pub trait Store: Send + Sync {
    /// The time of this store.
    async fn clock(&self) -> Result<Instant, StoreError>;
    /// Where it comes from.
    fn clock_kind(&self) -> Clock;
    /// Batches worth being under way at once: while one is being written, the next are read and decided.
    fn batches_max(&self) -> usize;
    /// Sets simulated time. Never backwards.
    async fn set_clock(&self, now: Instant) -> Result<(), StoreError>;

    /// Tenants.
    async fn tenants(&self) -> Result<Vec<TenantId>, StoreError>;
    /// The organisation of a tenant as JSON, with its version; `None` when it is the one known already.
    async fn organisation(
        &self,
        tenant: &TenantId,
        known: Option<u64>,
    ) -> Result<Option<(u64, String)>, StoreError>;
    /// Creates a tenant or replaces its organisation.
    async fn put_organisation(&self, tenant: &TenantId, body: &str) -> Result<(), StoreError>;
    /// The version of a calendar loaded last, with its JSON unless that version is the one known already.
    async fn calendar(
        &self,
        tenant: &TenantId,
        id: &str,
        known: Option<&str>,
    ) -> Result<Option<(String, Option<String>)>, StoreError>;
    /// A version of a calendar as JSON.
    async fn calendar_version(
        &self,
        tenant: &TenantId,
        id: &str,
        version: &str,
    ) -> Result<Option<String>, StoreError>;
    /// Every version of every calendar, as stored.
    async fn calendars(&self, tenant: &TenantId) -> Result<Vec<CalendarRow>, StoreError>;
    /// Keeps a version of a calendar and makes it the newest, also one that was kept before. `false`: this
    /// version is kept with other days, and nothing was changed.
    async fn put_calendar(
        &self,
        tenant: &TenantId,
        id: &str,
        version: &str,
        body: &str,
    ) -> Result<bool, StoreError>;
    /// The definition kept under a digest.
    async fn definition(&self, tenant: &TenantId, hash: &str) -> Result<Option<DefinitionRow>, StoreError>;
    /// Definitions, newest first.
    async fn definitions(&self, tenant: &TenantId) -> Result<Vec<DefinitionRow>, StoreError>;
    /// Digest of the newest definition of a workflow.
    async fn newest(&self, tenant: &TenantId, workflow: &str) -> Result<Option<String>, StoreError>;
    /// Keeps a definition and makes it the newest, also one that was kept before.
    async fn put_definition(&self, tenant: &TenantId, row: &DefinitionRow) -> Result<(), StoreError>;
    /// Hands out `count` case numbers after the prefix: the first of them. Gaps may remain.
    async fn numbers(&self, tenant: &TenantId, prefix: &str, count: u32) -> Result<u64, StoreError>;

    /// The last number taken this year from each of these registers, by code; none where none was.
    async fn registers(
        &self,
        tenant: &TenantId,
        year: i32,
        codes: &[String],
    ) -> Result<BTreeMap<String, u32>, StoreError>;

    /// One read for many callers: time, heads and idempotency rows, and whether what rarely changes did.
    async fn read(&self, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError>;
    /// One transaction for many groups of changes. Each change stands under its own version check; of a
    /// group all are written, or none. One outcome per group: one the database refuses fails alone.
    async fn commit(&self, tenant: &TenantId, groups: Arc<[Vec<Change>]>)
    -> Vec<Result<Outcome, StoreError>>;
    /// Records refused commands.
    async fn refuse(&self, tenant: &TenantId, rows: &[RefusalRow]) -> Result<(), StoreError>;

    /// Cases due by `now`, the longest waiting first, without those set aside; the first `skip` are left to
    /// others, and so is what others are writing at this moment.
    async fn due(
        &self,
        tenant: &TenantId,
        now: Instant,
        aside: &[Vec<u8>],
        skip: u32,
        limit: u32,
    ) -> Result<Vec<DueCase>, StoreError>;
    /// The next moment anything is due that is not set aside.
    async fn next_wake(&self, tenant: &TenantId, aside: &[Vec<u8>]) -> Result<Option<Instant>, StoreError>;
    /// How every tenant stands with its deadlines, whatever is set aside. The one statement that walks tenants.
    async fn waking(&self) -> Result<Vec<Waking>, StoreError>;
    /// Changes whenever a deadline was written that comes within [`NEAR`]: a sleeper has to look again. A hint
    /// alone: who misses it looks within that time anyway.
    fn nearer(&self) -> watch::Receiver<()>;
    /// Delivers waiting notices: one digest per recipient for `day`. Gives the number of digests. Nothing is
    /// delivered while a case is due that is not set aside: its notices would miss the digest of the day.
    async fn deliver(
        &self,
        tenant: &TenantId,
        now: Instant,
        day: &str,
        aside: &[Vec<u8>],
    ) -> Result<u64, StoreError>;

    /// The case with this number or id.
    async fn find(&self, tenant: &TenantId, number: &str) -> Result<Option<CaseId>, StoreError>;
    /// Acts of a case, in order.
    async fn acts(&self, tenant: &TenantId, case: CaseId) -> Result<Vec<ActRow>, StoreError>;
    /// The ledger, the most overdue first.
    async fn ledger(&self, tenant: &TenantId, filter: &Filter) -> Result<Vec<LedgerRow>, StoreError>;
    /// How many lines the ledger has; counting stops one after [`COUNT_MAX`].
    async fn ledger_count(&self, tenant: &TenantId, filter: &Filter) -> Result<u64, StoreError>;
    /// Who owes what by when.
    async fn owes(&self, tenant: &TenantId, filter: &OwedFilter) -> Result<Vec<OwedRow>, StoreError>;
    /// How many documents were issued to an enterprise, in all its cases.
    async fn documents(&self, tenant: &TenantId, filter: &DocumentFilter) -> Result<u64, StoreError>;
    /// The cases of a workflow that stand in one of these states and came to count as they do from `from` on
    /// and before `until`, by number.
    async fn closed(
        &self,
        tenant: &TenantId,
        workflow: &str,
        states: &[Name],
        from: Instant,
        until: Instant,
    ) -> Result<Vec<ClosedRow>, StoreError>;
    /// What a circular counts: everything recorded by `at`, legal dates that come by `day_end`.
    async fn roundup(&self, tenant: &TenantId, at: Instant, day_end: Instant) -> Result<Roundup, StoreError>;
    /// Digests of a person, newest first; those before a day where one is given.
    async fn inbox(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DigestRow>, StoreError>;
    /// How enforcement stands.
    async fn standing(&self, tenant: &TenantId, now: Instant) -> Result<Standing, StoreError>;
    /// Every case id that occurs in a table of cases, after one, in order, as stored: bytes, since a damaged
    /// id need not be text.
    async fn case_ids(&self, tenant: &TenantId, after: &[u8], limit: u32)
    -> Result<Vec<Vec<u8>>, StoreError>;
    /// The next cases after an id exactly as stored, for `verify`: of one moment, whatever is written beside.
    async fn raw(&self, tenant: &TenantId, after: &[u8], limit: u32) -> Result<Vec<RawCase>, StoreError>;
    /// Rows that hang on no case and do not agree with what they count or name, for `verify`.
    async fn astray(&self, tenant: &TenantId) -> Result<Vec<Astray>, StoreError>;
    /// The next rows of a table after a key, in its order, as JSON objects of their columns.
    async fn page(
        &self,
        tenant: &TenantId,
        table: &'static Table,
        after: Option<&[serde_json::Value]>,
        limit: u32,
    ) -> Result<Vec<serde_json::Value>, StoreError>;
    /// The last key of a table.
    async fn last_key(
        &self,
        tenant: &TenantId,
        table: &'static Table,
    ) -> Result<Option<Vec<serde_json::Value>>, StoreError>;
    /// Puts rows as they stand elsewhere in place of those after the first key and up to the second.
    async fn replace(
        &self,
        tenant: &TenantId,
        table: &'static Table,
        between: (Option<&[serde_json::Value]>, Option<&[serde_json::Value]>),
        rows: &[serde_json::Value],
    ) -> Result<(), StoreError>;
    /// Makes a store of a database that was copied into, with these settings.
    async fn finish_copy(&self, settings: &[serde_json::Value]) -> Result<(), StoreError>;
    /// Writes head, text, open duties, rungs and history of a case anew. `change` holds what all its acts give;
    /// a case that moved meanwhile is left alone.
    async fn rebuild(&self, tenant: &TenantId, change: &Change) -> Result<Outcome, StoreError>;
}

fn damage(table: &'static str, column: &'static str, row: impl Into<String>, problem: Wrong) -> Damage {
    Damage { table, column, row: row.into(), problem }
}

fn bad(table: &'static str, column: &'static str, row: &str, problem: Wrong) -> StoreError {
    StoreError::Inconsistent(damage(table, column, row, problem))
}

fn instant(micros: i64) -> Result<Instant, StoreError> {
    Instant::from_micros(micros).ok_or_else(|| bad("any", "at", &micros.to_string(), Wrong::OutOfRange))
}

fn case_id(text: &str) -> Result<CaseId, StoreError> {
    CaseId::from_str(text).map_err(|_| bad("cases", "case_id", text, Wrong::NoId))
}

/// Every write says how many rows it has to change.
fn rows_affected(table: &'static str, expected: u64, actual: u64) -> Result<(), StoreError> {
    if actual == expected { Ok(()) } else { Err(StoreError::RowsAffected { table, expected, actual }) }
}
