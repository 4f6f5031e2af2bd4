//! What SQL sees of a state: one pure function gives every projected column.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::act::{End, MoveReason};
use crate::definition::Definition;
use crate::file::{ActSpec, Column, CountsAs, Outcome, Stage};
use crate::people::owner_unit;
use crate::state::{ChargedTo, Deadline, DeadlineKind, State, Status, Subject};
use crate::time::{Due, Instant};
use crate::value::{Name, UnitId, Value};

/// What SQL may see of a state: the projected columns, from this one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// State of the main track.
    pub main_state: Name,
    /// The role that owes the next step of the main track.
    pub owner_role: Option<Name>,
    /// Its unit, where the role is bound to one.
    pub owner_unit: Option<UnitId>,
    /// When the worker has to look at it again.
    pub wake_at: Option<Instant>,
    /// The legal date.
    pub legal_due: Option<Due>,
    /// The local day of it.
    pub legal_due_day: Option<NaiveDate>,
    /// The legal date passed before completion was reported. Permanent.
    pub enterprise_breach: bool,
    /// A regulator's clock ran out. Permanent.
    pub regulator_breach: bool,
    /// The enterprise, area, sector, source and level, as the file maps its fields to columns.
    pub columns: BTreeMap<Column, String>,
    /// Some open due date was counted beyond the published calendar.
    pub provisional: bool,
    /// Brought in from an old ledger, as stated there: counted apart.
    pub unverified: bool,
    /// No track has a state that waits for anybody.
    pub at_rest: bool,
    /// Its legal clock stands still.
    pub paused: bool,
    /// From when on the case is overdue unless it moves: the earliest breach of its legal and step clocks.
    /// Lamps are ranges of it.
    pub overdue_from: Option<Instant>,
    /// What a circular counts.
    pub progress: Progress,
    /// One row per open duty.
    pub obligations: Vec<Obligation>,
}

/// An extension granted with so few working days left is shown beside the rates.
const LATE_EXTENSION_WORKING_DAYS: i64 = 5;

/// What a circular counts of a case. Kept with the time it held, so that the circular of any day can be
/// drawn up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pending, listed or accepted.
    pub stage: Stage,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The competent department.
    pub department: Option<String>,
    /// When the first legal clock started: the dispatch.
    pub dispatched_at: Option<Instant>,
    /// From when on the legal date counts as passed, whether or not it was met. None while its clock stands
    /// still, and for good if it was cancelled before it was met or missed.
    pub legal_breach_at: Option<Instant>,
    /// Reported complete by the legal date, and that report was not rejected.
    pub met_in_time: bool,
    /// From when on the enterprise is overdue unless the case moves.
    pub enterprise: Option<Owing>,
    /// From when on the regulator is.
    pub regulator: Option<Owing>,
    /// Extensions granted within five working days of the date they moved.
    pub late_extensions: u32,
    /// Supplementary dates set.
    pub supplementary: u32,
}

impl Progress {
    /// The two overdue flags at a moment (I9): the enterprise's, the regulator's.
    pub fn overdue(&self, now: Instant) -> (bool, bool) {
        let passed = |owing: &Option<Owing>| owing.as_ref().is_some_and(|owing| owing.from <= now);
        (passed(&self.enterprise), passed(&self.regulator))
    }
}

/// Who is overdue from when on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owing {
    /// From when on.
    pub from: Instant,
    /// The role.
    pub role: Name,
    /// Its unit, where the role is bound to one.
    pub unit: Option<UnitId>,
}

/// An open duty: who owes what by when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Number of its deadline.
    pub deadline_no: u32,
    /// Name of its deadline.
    pub name: Name,
    /// What it belongs to.
    pub subject: Subject,
    /// The role that owes it.
    pub owner: Name,
    /// The unit that owes it.
    pub owner_unit: Option<UnitId>,
    /// By when.
    pub due: Due,
    /// The local day of it.
    pub due_day: NaiveDate,
    /// The date has passed.
    pub breached: bool,
    /// The clock is stopped.
    pub paused: bool,
}

/// Projects a state.
pub fn project(definition: &Definition, state: &State) -> Projection {
    let main_state = state.on("main").unwrap_or_default().to_owned();
    let spec = definition.file().tracks.get("main").and_then(|track| track.states.get(&main_state));
    let owner = spec.and_then(|spec| spec.owner.as_deref());
    let legal = state.deadlines.iter().rev().find(|deadline| deadline.kind == DeadlineKind::Legal);
    let open = || state.deadlines.iter().filter(|deadline| deadline.is_open());
    let breach = |side| {
        move |deadline: &&crate::state::Deadline| deadline.charged_to == side && deadline.missed_at.is_some()
    };
    Projection {
        owner_role: owner.map(str::to_owned),
        owner_unit: owner.and_then(|role| owner_unit(definition, state, role, Subject::Case)),
        wake_at: state.wake_at(),
        legal_due: legal.map(|deadline| deadline.due),
        legal_due_day: legal.map(|deadline| deadline.due_day),
        enterprise_breach: state.deadlines.iter().any(|d| breach(ChargedTo::Enterprise)(&d)),
        regulator_breach: state.deadlines.iter().any(|d| breach(ChargedTo::Regulator)(&d)),
        columns: columns(definition, state),
        provisional: open().any(|deadline| deadline.provisional),
        unverified: state.muted_until.is_some(),
        at_rest: spec.is_none_or(|spec| spec.rest || spec.outcome.is_some()),
        paused: legal.is_some_and(|deadline| deadline.is_open() && !deadline.is_running()),
        overdue_from: state
            .deadlines
            .iter()
            .filter(|deadline| {
                let of_the_case = deadline.subject == Subject::Case && deadline.kind != DeadlineKind::Duty;
                deadline.is_running() && (of_the_case || deadline.charged_to != ChargedTo::Nobody)
            })
            .map(|deadline| deadline.breach_at)
            .min(),
        progress: progress(definition, state),
        obligations: open()
            .map(|deadline| Obligation {
                deadline_no: deadline.no,
                name: deadline.name.clone(),
                subject: deadline.subject,
                owner: deadline.owner.clone(),
                owner_unit: owner_unit(definition, state, &deadline.owner, deadline.subject),
                due: deadline.due,
                due_day: deadline.due_day,
                breached: deadline.is_past(),
                paused: !deadline.is_running(),
            })
            .collect(),
        main_state,
    }
}

/// What a circular counts of a state.
pub fn progress(definition: &Definition, state: &State) -> Progress {
    let spec = definition.file().tracks.get("main").zip(state.on("main"));
    let spec = spec.and_then(|(track, main)| track.states.get(main));
    let legal = || state.deadlines.iter().filter(|deadline| deadline.kind == DeadlineKind::Legal);
    let owing = |side| {
        let running = state.deadlines.iter().filter(|d| d.is_running() && d.charged_to == side);
        running.min_by_key(|deadline| (deadline.breach_at, deadline.no)).map(|deadline| Owing {
            from: deadline.breach_at,
            role: deadline.owner.clone(),
            unit: owner_unit(definition, state, &deadline.owner, deadline.subject),
        })
    };
    let report = |act: &ActSpec| act.counts_as == Some(CountsAs::CompletionReport);
    let reports = definition.file().acts.values().any(report);
    // Where a file knows reports, only a report meets the date: what an inspector found in order nobody
    // reported in time.
    let met = |deadline: &Deadline| {
        let by = deadline.ended_by.as_ref().and_then(|act| definition.act(act));
        let reported = !reports || by.is_some_and(report);
        let met = matches!(deadline.status, Status::Ended { end: End::Met, .. });
        met && reported && deadline.missed_at.is_none()
    };
    // A date that stands still has not come, and one taken back before it came never will.
    let counts = |deadline: &&Deadline| match deadline.status {
        Status::Running => true,
        Status::Paused { .. } => false,
        Status::Ended { end, .. } => end == End::Met || deadline.missed_at.is_some(),
    };
    let moves = legal().flat_map(|deadline| &deadline.history).filter(|moved| {
        moved.why == MoveReason::Extended && moved.working_days_left <= LATE_EXTENSION_WORKING_DAYS
    });
    let supplementary = state
        .deadlines
        .iter()
        .filter(|deadline| definition.deadline(&deadline.name).is_some_and(|spec| spec.supplementary));
    Progress {
        stage: spec.map(|spec| spec.stage).unwrap_or_default(),
        outcome: spec.and_then(|spec| spec.outcome),
        department: column(definition, state, Column::Department),
        dispatched_at: legal().map(|deadline| deadline.started_at).min(),
        legal_breach_at: legal().next_back().filter(counts).map(|deadline| deadline.breach_at),
        met_in_time: legal().next_back().is_some_and(met),
        enterprise: owing(ChargedTo::Enterprise),
        regulator: owing(ChargedTo::Regulator),
        late_extensions: u32::try_from(moves.count()).unwrap_or(u32::MAX),
        supplementary: u32::try_from(supplementary.count()).unwrap_or(u32::MAX),
    }
}

/// The columns the file maps its fields to.
pub fn columns(definition: &Definition, state: &State) -> BTreeMap<Column, String> {
    let mut columns = BTreeMap::new();
    for (name, field) in &definition.file().fields {
        if let (Some(of), Some(value)) = (field.column, state.fields.get(name)) {
            put_below(columns.entry(of).or_default(), value);
        }
    }
    columns
}

/// One of them: what its fields hold, one below the other.
pub fn column(definition: &Definition, state: &State, column: Column) -> Option<String> {
    let fields = definition.file().fields.iter().filter(|(_, field)| field.column == Some(column));
    let mut text = None;
    for value in fields.filter_map(|(name, _)| state.fields.get(name)) {
        put_below(text.get_or_insert_default(), value);
    }
    text
}

fn put_below(text: &mut String, value: &Value) {
    // A blank one leaves no line before it.
    if !text.is_empty() {
        text.push('\n');
    }
    match value.as_text() {
        Some(value) => text.push_str(value),
        None => text.push_str(&value.to_string()),
    }
}
