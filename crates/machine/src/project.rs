//! What SQL sees of a state: one pure function gives every projected column.

use crate::definition::Definition;
use crate::file::Column;
use crate::people::owner_unit;
use crate::state::{ChargedTo, DeadlineKind, State, Subject};
use crate::time::{Due, Instant};
use crate::value::{Name, UnitId};

/// What SQL may see of a state: the projected columns, from this one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// State of the main track.
    pub main_state: Name,
    /// The unit that owes the next step of the main track.
    pub owner_unit: Option<UnitId>,
    /// When the worker has to look at it again.
    pub wake_at: Option<Instant>,
    /// The legal date.
    pub legal_due: Option<Due>,
    /// The legal date passed before completion was reported. Permanent.
    pub enterprise_breach: bool,
    /// A regulator's clock ran out. Permanent.
    pub regulator_breach: bool,
    /// The legal date passed and its clock is still open.
    pub overdue_enterprise: bool,
    /// A regulator's clock ran out and is still open.
    pub overdue_regulator: bool,
    /// The enterprise, area, sector, source and level, as the file maps its fields to columns.
    pub columns: std::collections::BTreeMap<Column, String>,
    /// Some open due date was counted beyond the published calendar.
    pub provisional: bool,
    /// No track has a state that waits for anybody.
    pub at_rest: bool,
    /// One row per open duty.
    pub obligations: Vec<Obligation>,
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
        owner_unit: owner.and_then(|role| owner_unit(definition, state, role, Subject::Case)),
        wake_at: state.wake_at(),
        legal_due: legal.map(|deadline| deadline.due),
        enterprise_breach: state.deadlines.iter().any(|d| breach(ChargedTo::Enterprise)(&d)),
        regulator_breach: state.deadlines.iter().any(|d| breach(ChargedTo::Regulator)(&d)),
        overdue_enterprise: open().any(|d| breach(ChargedTo::Enterprise)(&d)),
        overdue_regulator: open().any(|d| breach(ChargedTo::Regulator)(&d)),
        columns: columns(definition, state),
        provisional: open().any(|deadline| deadline.provisional),
        at_rest: spec.is_none_or(|spec| spec.rest || spec.outcome.is_some()),
        obligations: open()
            .map(|deadline| Obligation {
                deadline_no: deadline.no,
                name: deadline.name.clone(),
                subject: deadline.subject,
                owner: deadline.owner.clone(),
                owner_unit: owner_unit(definition, state, &deadline.owner, deadline.subject),
                due: deadline.due,
                breached: deadline.missed_at.is_some(),
                paused: !deadline.is_running(),
            })
            .collect(),
        main_state,
    }
}

fn columns(definition: &Definition, state: &State) -> std::collections::BTreeMap<Column, String> {
    let mut columns: std::collections::BTreeMap<Column, String> = std::collections::BTreeMap::new();
    for (name, field) in &definition.file().fields {
        if let (Some(column), Some(value)) = (field.column, state.fields.get(name)) {
            let text = columns.entry(column).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&value.to_string());
        }
    }
    columns
}
