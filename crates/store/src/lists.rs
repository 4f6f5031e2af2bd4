//! What lists are asked and what they answer.

use std::collections::BTreeMap;

use machine::Instant;
use machine::file::{Outcome, Stage};
use machine::project::Progress;
use machine::value::{CaseId, Name, UnitId};
use serde::{Deserialize, Serialize};

/// The most rows one list gives.
pub const ROWS_MAX: u32 = 1_000;
/// Counting stops here: what lies beyond is "more than ten thousand".
pub const COUNT_MAX: u64 = 10_000;

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerRow {
    /// The case.
    pub case_id: CaseId,
    /// Its number.
    pub number: String,
    /// Its workflow.
    pub workflow: Name,
    /// Digest of its definition.
    pub definition_hash: String,
    /// State of the main track.
    pub main_state: Name,
    /// Nothing is owed.
    pub at_rest: bool,
    /// Its legal clock stands still.
    pub paused: bool,
    /// The role that owes the next step.
    pub owner_role: Option<Name>,
    /// Its unit, where the role is bound to one.
    pub owner_unit: Option<UnitId>,
    /// The enterprise.
    pub enterprise: Option<String>,
    /// The township.
    pub area: Option<String>,
    /// The sector.
    pub sector: Option<String>,
    /// The source.
    pub source: Option<String>,
    /// The level.
    pub level: Option<String>,
    /// The competent department.
    pub department: Option<String>,
    /// The legal date or moment.
    pub legal_due: Option<String>,
    /// From when on it is overdue unless it moves.
    pub overdue_from: Option<Instant>,
    /// From when on by the enterprise.
    pub enterprise_overdue_from: Option<Instant>,
    /// From when on by the regulator.
    pub regulator_overdue_from: Option<Instant>,
    /// Ever overdue by the enterprise.
    pub enterprise_breach: bool,
    /// Ever overdue by the regulator.
    pub regulator_breach: bool,
    /// Counted beyond the published calendar.
    pub provisional: bool,
    /// Brought in from an old ledger, unverified.
    pub unverified: bool,
    /// Version.
    pub version: u32,
}

/// A lamp: a word for where today lies in a range of dates. Never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lamp {
    /// A date has passed, whoever owes it.
    Overdue,
    /// Due today.
    Today,
    /// Due within a few working days.
    Soon,
    /// Due later.
    Normal,
    /// The clock stands still.
    Paused,
    /// No clock runs.
    None,
    /// Ended.
    Closed,
}

/// The moments lamps change at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lamps {
    /// Now.
    pub now: Instant,
    /// When today ends.
    pub tomorrow: Instant,
    /// When the last day ends that is near.
    pub soon_until: Instant,
}

impl Lamps {
    /// The lamp of a case.
    pub fn of(&self, row: &LedgerRow) -> Lamp {
        match row.overdue_from {
            _ if row.at_rest => Lamp::Closed,
            Some(from) if from <= self.now => Lamp::Overdue,
            _ if row.paused => Lamp::Paused,
            None => Lamp::None,
            Some(from) if from <= self.tomorrow => Lamp::Today,
            Some(from) if from <= self.soon_until => Lamp::Soon,
            Some(_) => Lamp::Normal,
        }
    }
}

/// Whose overdue flag (I9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverdueBy {
    /// The enterprise's.
    Enterprise,
    /// The regulator's.
    Regulator,
}

/// A unit that owes, and the roles nobody outside it holds: what one of these owes, bound to no unit, this
/// unit owes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwingUnit {
    /// The unit.
    pub unit: String,
    /// The roles.
    pub roles: Vec<Name>,
}

/// What the ledger is filtered by. Empty means all; of several values any counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// State of the main track.
    pub state: Vec<String>,
    /// Unit that owes the next step.
    pub unit: Option<OwingUnit>,
    /// Competent department.
    pub department: Vec<String>,
    /// Township.
    pub area: Vec<String>,
    /// Sector.
    pub sector: Vec<String>,
    /// Source.
    pub source: Vec<String>,
    /// A lamp, and the moments it stands for.
    pub lamp: Option<(Lamp, Lamps)>,
    /// Overdue by one side, now.
    pub overdue_by: Option<(OverdueBy, Instant)>,
    /// Legal date from this day…
    pub due_from: Option<String>,
    /// …to this day.
    pub due_to: Option<String>,
    /// Text, taken literally…
    pub text: Option<String>,
    /// …or one of these enterprises, which are called so.
    pub called: Vec<String>,
    /// After this line (keyset paging).
    pub after: Option<LedgerKey>,
    /// At most so many.
    pub limit: u32,
}

/// Where a line stands in the ledger: the most overdue first, then by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerKey {
    /// From when on it is overdue, in microseconds; the largest number when never.
    pub overdue_from: i64,
    /// Its number.
    pub number: String,
}

impl LedgerKey {
    /// The place of a line.
    pub fn of(row: &LedgerRow) -> LedgerKey {
        LedgerKey {
            overdue_from: row.overdue_from.map_or(i64::MAX, Instant::micros),
            number: row.number.clone(),
        }
    }
}

impl std::fmt::Display for LedgerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.overdue_from {
            i64::MAX => write!(f, "-/{}", self.number),
            from => write!(f, "{from}/{}", self.number),
        }
    }
}

impl std::str::FromStr for LedgerKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (from, number) = text.split_once('/').ok_or(())?;
        let overdue_from = if from == "-" { i64::MAX } else { from.parse().map_err(drop)? };
        Ok(LedgerKey { overdue_from, number: number.to_owned() })
    }
}

/// An open duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwedRow {
    /// Number of the case.
    pub number: String,
    /// The case.
    pub case_id: CaseId,
    /// Digest of its definition.
    pub definition_hash: String,
    /// Number of the clock.
    pub deadline_no: u32,
    /// The clock.
    pub name: Name,
    /// What it belongs to.
    pub subject: String,
    /// Owing role.
    pub owner_role: Name,
    /// Owing unit.
    pub owner_unit: Option<String>,
    /// The day it is due.
    pub due_day: String,
    /// The day or moment it is due.
    pub due: String,
    /// The date has passed.
    pub breached: bool,
    /// The clock is stopped.
    pub paused: bool,
}

/// What duties are filtered by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwedFilter {
    /// Owing unit.
    pub unit: Option<OwingUnit>,
    /// Owing role. Empty means all; of several any counts.
    pub role: Vec<String>,
    /// Any of these roles, in these units where the duty names one: the posts of a person.
    pub posts: Option<Vec<(String, UnitId)>>,
    /// After this duty (keyset paging).
    pub after: Option<OwedKey>,
    /// At most so many.
    pub limit: u32,
}

/// Where a duty stands in the list of what is owed: the earliest first, then by case and clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedKey {
    /// The local day it is due.
    pub due_day: String,
    /// The case.
    pub case_id: CaseId,
    /// Number of the clock in its case.
    pub deadline_no: u32,
}

impl OwedKey {
    /// The place of a duty.
    pub fn of(row: &OwedRow) -> OwedKey {
        OwedKey { due_day: row.due_day.clone(), case_id: row.case_id, deadline_no: row.deadline_no }
    }
}

impl std::fmt::Display for OwedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.due_day, self.case_id, self.deadline_no)
    }
}

impl std::str::FromStr for OwedKey {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, '/');
        let (day, case, no) = (parts.next(), parts.next(), parts.next());
        Ok(OwedKey {
            due_day: day.ok_or(())?.to_owned(),
            case_id: case.ok_or(())?.parse().map_err(drop)?,
            deadline_no: no.ok_or(())?.parse().map_err(drop)?,
        })
    }
}

/// Which documents of an enterprise are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentFilter {
    /// The enterprise.
    pub enterprise: String,
    /// The act that records them…
    pub act: Name,
    /// …with one of some values in this field.
    pub field: Name,
    /// The values.
    pub values: Vec<Name>,
    /// The field with the number: one document counts once.
    pub document: Name,
    /// The field with its date…
    pub on: Name,
    /// …which is later than this day.
    pub after: String,
}

/// How the enforcement of deadlines stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Cases.
    pub cases: u64,
    /// Cases by state of the main track.
    pub by_state: BTreeMap<Name, u64>,
    /// The next moment anything is due.
    pub next_wake: Option<Instant>,
    /// Cases due and not yet swept.
    pub waiting: u64,
    /// How long the oldest of them has waited, in milliseconds.
    pub oldest_waiting_ms: Option<i64>,
    /// Rungs the lateness was taken from: the newest that fired.
    pub fired: u64,
    /// Largest lateness among them (fired − due), in milliseconds.
    pub lateness_max_ms: Option<i64>,
    /// Half of them were no later than this, in milliseconds.
    pub lateness_p50_ms: Option<i64>,
    /// Notices not yet delivered.
    pub undelivered: u64,
    /// Cases with an open date counted beyond the published calendar.
    pub provisional: u64,
    /// Cases brought in from an old ledger, unverified: counted apart.
    pub unverified: u64,
}

/// What a case counted as, until the next row of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The act from which on it holds.
    pub version: u32,
    /// When that was.
    pub from: Instant,
    /// What a circular counts.
    pub progress: Progress,
}

/// How many cases of a workflow stood where, at a moment. The parts of the identity found = pending +
/// listed + the other ends (I8), which holds of each workflow: a hazard and a duty are nothing to be summed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageCount {
    /// Of which workflow.
    pub workflow: String,
    /// Where they stood.
    pub stage: Stage,
    /// How they had ended.
    pub outcome: Option<Outcome>,
    /// How many.
    pub count: u64,
}

/// A department's progress at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DepartmentProgress {
    /// Of which workflow.
    pub workflow: String,
    /// The department.
    pub department: Option<String>,
    /// Cases found.
    pub found: u64,
    /// With an order.
    pub dispatched: u64,
    /// Their legal date had come; less shut down, transferred and annulled.
    pub due: u64,
    /// Of those: reported complete in time and accepted on that report.
    pub on_time: u64,
    /// Closed out: rectified and re-inspected, or done; in time or not, whether or not its date had come.
    pub closed: u64,
    /// Their legal date had come, and they were shut down, transferred or annulled.
    pub left_out: u64,
    /// Overdue by the enterprise.
    pub overdue_enterprise: u64,
    /// Overdue by the regulator.
    pub overdue_regulator: u64,
    /// Extensions granted within five working days of the date they moved.
    pub late_extensions: u64,
    /// Downgraded after the dispatch.
    pub downgraded: u64,
    /// Supplementary dates set.
    pub supplementary: u64,
}

/// A case that was overdue at a moment, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OverdueRow {
    /// Of which workflow.
    pub workflow: String,
    /// Whose flag.
    pub by: OverdueBy,
    /// The role that owed it.
    pub role: Option<Name>,
    /// Its unit, where the role is bound to one.
    pub unit: Option<String>,
    /// Number of the case.
    pub number: String,
    /// Overdue from this moment on.
    pub from: Instant,
}

/// Cases brought in from an old ledger, as stated there: in no other count of a circular.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unverified {
    /// Of which workflow.
    pub workflow: String,
    /// How many.
    pub count: u64,
    /// Those that were overdue.
    pub overdue: Vec<OverdueRow>,
}

/// What a circular is drawn up from, one workflow after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Roundup {
    /// Cases by stage and outcome.
    pub stages: Vec<StageCount>,
    /// Each department's progress.
    pub departments: Vec<DepartmentProgress>,
    /// What was overdue, by side and unit, the longest first.
    pub overdue: Vec<OverdueRow>,
    /// What was brought in from an old ledger.
    pub unverified: Vec<Unverified>,
    /// More was overdue than is listed.
    pub overdue_cut: bool,
}
