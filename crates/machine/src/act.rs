//! Acts: what happened to a case, as it is hashed and kept.

pub use crate::canonical::{NotCanonical, canonical};
use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::register::DocumentNumber;
use crate::state::{Deadline, RungPlan, State};
use crate::time::{Due, Instant};
use crate::value::{CaseId, Name, PersonId, PostId, TenantId, UnitId, Value};

/// The algorithm of the chain, stored with every act.
pub const ALGORITHM: &str = "bihuan-act-v1/sha256";

/// Opens the hash of every act, so that a digest from elsewhere can never pass for one.
const DOMAIN: &[u8] = b"bihuan-act-v1";

/// Who acted, and as what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The person.
    pub person: PersonId,
    /// The post held while acting.
    pub post: PostId,
    /// The unit of that post.
    pub unit: UnitId,
}

/// Who made an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The worker that enforces deadlines.
    Worker,
    /// A person, and how that was established.
    Person {
        /// Who.
        #[serde(flatten)]
        who: Person,
        /// How the identity was established.
        auth: Auth,
    },
}

impl Actor {
    /// The person, unless the worker acted.
    pub fn person(&self) -> Option<&Person> {
        match self {
            Actor::Worker => None,
            Actor::Person { who, .. } => Some(who),
        }
    }
}

/// How the acting person was established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Stated on the command line (`--as`).
    Asserted,
    /// A signed-in session.
    Session,
}

/// A piece of evidence: what it is and its digest. The bytes are kept elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Kind as the workflow file names it, e.g. `after_photo`.
    pub kind: Name,
    /// SHA-256 of the bytes, 64 lower-case hex digits.
    pub digest: String,
    /// Size of the bytes.
    pub size_bytes: u64,
}

/// The other side's signature under an inspection record (安全生产法 68).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Signature {
    /// Signed by this person.
    Signed(String),
    /// Refused; the reason is on record.
    Refused(String),
}

/// One act. Its canonical bytes are what the chain hashes; every other column is a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The jurisdiction.
    pub tenant: TenantId,
    /// The case.
    pub case: CaseId,
    /// 1 for the opening act, then without gaps.
    pub version: u32,
    /// Digest of the definition this case runs under.
    pub definition: String,
    /// When it was recorded.
    pub at: Instant,
    /// The day it is said to have happened, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_on: Option<NaiveDate>,
    /// Who did it.
    pub actor: Actor,
    /// The person it was entered for (代录).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_for: Option<PersonId>,
    /// The act of the workflow file, or a built-in one: `tick`, `comment`, `amend`, `take_back`,
    /// `decide_proposal`, `recalculate`, `absorb`.
    pub name: Name,
    /// Idempotency key of the command, absent for the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The fields as given; a personal one as its salted digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<Name, Value>,
    /// Evidence handed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Named officers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub officers: Vec<PersonId>,
    /// Signature or recorded refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Why, where the act asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it changed.
    pub effects: Vec<Effect>,
}

impl Act {
    /// The number it took from a register.
    pub fn document(&self) -> Option<&DocumentNumber> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::DocumentIssued { document } => Some(document),
            _ => None,
        })
    }
}

/// One change to the state. [`crate::apply`] does what it says and decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// The case got its number.
    Numbered {
        /// As `YH-2026-000123`.
        number: String,
    },
    /// The case comes from an old ledger: stated, not verified. Its ladders are muted until it goes live.
    Imported {
        /// Until then.
        muted_until: Instant,
    },
    /// A track came into being.
    Entered {
        /// The track.
        track: Name,
        /// Its first state.
        state: Name,
    },
    /// A track moved.
    Moved {
        /// The track.
        track: Name,
        /// From this state.
        from: Name,
        /// To this state.
        to: Name,
    },
    /// A field was set or changed; the old value stays here for ever.
    FieldSet {
        /// The field.
        field: Name,
        /// Value before, if any.
        old: Option<Value>,
        /// Value now.
        new: Value,
    },
    /// A clock started.
    DeadlineStarted {
        /// The clock as it starts.
        deadline: Box<Deadline>,
    },
    /// A due date moved. Earlier dates are kept in the deadline's history.
    DeadlineMoved {
        /// Number of the deadline in its case.
        no: u32,
        /// Its revision from now on.
        revision: u32,
        /// Why it moved.
        why: MoveReason,
        /// Due from now on.
        due: Due,
        /// The local day of it.
        due_day: NaiveDate,
        /// Working days from the day it moved to the due date it had; negative when that had passed.
        working_days_left: i64,
        /// Overdue from this instant on.
        breach_at: Instant,
        /// Counted beyond the published calendar.
        provisional: bool,
        /// Version of the calendar it was counted with.
        calendar_version: String,
        /// Rungs still to come.
        schedule: Vec<RungPlan>,
    },
    /// A clock was stopped (中止计时).
    DeadlinePaused {
        /// Number of the deadline.
        no: u32,
        /// What is left of the term, in the unit of the term.
        remaining: Remaining,
    },
    /// The due date passed. Never undone.
    DeadlineMissed {
        /// Number of the deadline.
        no: u32,
    },
    /// A clock ended.
    DeadlineEnded {
        /// Number of the deadline.
        no: u32,
        /// How.
        end: End,
    },
    /// A rung of a ladder was recorded.
    RungRecorded {
        /// The rung.
        rung: Box<RungRecord>,
    },
    /// A rung proposed or drafted something that waits for a signer.
    ProposalMade {
        /// Number in its case.
        no: u32,
        /// What is proposed.
        what: Name,
        /// The role that decides.
        signer: Name,
    },
    /// A signer decided.
    ProposalDecided {
        /// Number in its case.
        no: u32,
        /// Signed, or declined.
        approved: bool,
    },
    /// A document took the next number of a register. It is given out once: an act taken back leaves it void.
    DocumentIssued {
        /// The number.
        document: DocumentNumber,
    },
    /// Work was sent to a unit.
    AssignmentSent {
        /// Number in its case.
        no: u32,
        /// The unit.
        unit: UnitId,
        /// Lead or assisting.
        duty: AssignmentDuty,
        /// The clocks it may have.
        clocks: AssignmentClocks,
    },
    /// This case and another belong together. The other one's act, in the same transaction, says so too.
    Linked {
        /// Number of the other case.
        number: String,
        /// How.
        link: Link,
        /// Who took part in which act of a case taken in.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        involved: BTreeMap<Name, BTreeSet<PersonId>>,
    },
    /// An assignment moved on.
    AssignmentMoved {
        /// Number in its case.
        no: u32,
        /// To this.
        to: AssignmentStatus,
    },
    /// The state before the act taken back (撤回) came back; numbers are never used twice.
    Restored {
        /// That state.
        state: Box<State>,
    },
}

/// Why a due date moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveReason {
    /// An approved extension (延期).
    Extended,
    /// The clock ran again after a pause.
    Resumed,
    /// A new version of the calendar.
    Recalculated,
    /// What had answered it was not accepted: the clock runs again, its date unchanged.
    Reopened,
    /// The act that had moved it was taken back.
    TakenBack,
}

/// How a clock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// What it waited for was done.
    Met,
    /// No longer needed.
    Cancelled,
}

/// How two cases belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// This case opened the other one.
    Opened,
    /// The other case opened this one.
    OpenedFrom,
    /// This case goes on in the other one (并案).
    MergedInto,
    /// The other case goes on in this one.
    Absorbed,
}

/// What is left of a paused term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remaining {
    /// Working days.
    WorkingDays(u32),
    /// Calendar days.
    CalendarDays(u32),
    /// Microseconds.
    Micros(i64),
}

/// Lead or assisting (牵头, 配合).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentDuty {
    /// 牵头.
    Lead,
    /// 配合.
    Assist,
}

/// Where an assignment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentStatus {
    /// Sent, not yet received.
    Sent,
    /// 签收.
    Received,
    /// 反馈.
    FedBack,
    /// 退单.
    Returned,
    /// Given to another unit, or let go.
    Released,
}

/// The clocks of an assignment, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentClocks {
    /// From the dispatch to the receipt (签收).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Name>,
    /// From the dispatch to the feedback (反馈).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Name>,
    /// From the return (退单) to the decision on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Name>,
}

impl AssignmentClocks {
    /// Those it has.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        [&self.receipt, &self.feedback, &self.returned].into_iter().flatten()
    }
}

/// A recorded rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungRecord {
    /// Number of the deadline.
    pub deadline_no: u32,
    /// Its revision.
    pub revision: u32,
    /// Name of the ladder.
    pub ladder: Name,
    /// Name of the rung.
    pub rung: Name,
    /// Position in its ladder, from 0.
    pub index: u32,
    /// 0, then 1, 2, … for a rung that repeats.
    pub repeat: u32,
    /// The moment it was due.
    pub due_at: Instant,
    /// What became of it.
    pub result: RungResult,
    /// What the rung does.
    pub measure: Measure,
    /// Who is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<PersonId>,
    /// Roles nobody holds (I11).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<Name>,
    /// The text it is told in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Name>,
    /// The next repetition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<RungPlan>,
}

/// What became of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RungResult {
    /// It fired.
    Fired,
    /// A reminder whose moment had passed when the worker came back; not sent.
    Overtaken,
    /// Its moment lay before the clock started, or before an imported case went live.
    NotApplicable,
}

/// What a rung does. The worker may do no more than this (I10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Tell.
    Remind,
    /// Put a mark on the record, and tell.
    Mark,
    /// Draft a document for a signer.
    Draft,
    /// Propose a measure to a signer.
    Propose,
}

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The hash of an act: SHA-256 over the domain, the hash before it and its canonical bytes. The act
/// before the first has hash zero.
pub fn chain(previous: &Hash, body: &[u8]) -> Hash {
    Sha256::new().chain_update(DOMAIN).chain_update(previous).chain_update(body).finalize().into()
}

/// SHA-256 of some bytes as lower-case hex.
pub fn digest_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// What stands in an act for a personal value: SHA-256 over a 32-byte salt, the field and the value. The
/// salt and the value live in a table of their own and can be erased without breaking the chain.
pub fn personal_digest(salt: &[u8; 32], field: &str, value: &str) -> String {
    hex(&Sha256::new().chain_update(salt).chain_update(field).chain_update(value).finalize())
}
