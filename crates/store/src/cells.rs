//! Rows as they are written: what a change holds, column by column, in the order of its table. Also what `verify`
//! and `rebuild` compare with what stands there.

use std::borrow::Cow;

use machine::State;
use machine::act::hex;
use machine::command::Personal;
use machine::file::Column;
use machine::project::{Obligation, Owing, Progress, Projection};
use machine::time::{Due, Instant};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::grams::grams;
use crate::table::{Kind, Table};
use crate::{ActRow, Change, DocumentRow, HistoryRow, NoticeRow, RefusalRow, RungRow};

/// What stands in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(Cow<'a, str>),
}

/// A row: its cells with the names of their columns, in the order of the table.
pub type Cells<'a> = Vec<(&'static str, Cell<'a>)>;

impl Cell<'_> {
    /// The number, if it is one.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Cell::Int(value) => Some(*value),
            Cell::Null | Cell::Flag(_) | Cell::Text(_) => None,
        }
    }

    /// Yes or no, if it is that.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Cell::Flag(value) => Some(*value),
            Cell::Null | Cell::Int(_) | Cell::Text(_) => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(value) => Some(value),
            Cell::Null | Cell::Int(_) | Cell::Flag(_) => None,
        }
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Null => to.serialize_unit(),
            Cell::Int(value) => to.serialize_i64(*value),
            Cell::Flag(value) => to.serialize_bool(*value),
            Cell::Text(value) => to.serialize_str(value),
        }
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Cell::Int(value)
    }
}

impl From<u32> for Cell<'_> {
    fn from(value: u32) -> Self {
        Cell::Int(value.into())
    }
}

impl From<Instant> for Cell<'_> {
    fn from(value: Instant) -> Self {
        Cell::Int(value.micros())
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Cell::Flag(value)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Cell::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(value: &'a String) -> Self {
        Cell::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Cell<'_> {
    fn from(value: String) -> Self {
        Cell::Text(Cow::Owned(value))
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

/// A row as a JSON object of its columns.
pub fn object(cells: &Cells<'_>) -> Value {
    let value = |cell: &Cell<'_>| match cell {
        Cell::Null => Value::Null,
        Cell::Int(value) => Value::from(*value),
        Cell::Flag(value) => Value::from(*value),
        Cell::Text(value) => Value::from(value.as_ref()),
    };
    Value::Object(cells.iter().map(|(name, cell)| ((*name).to_owned(), value(cell))).collect::<Map<_, _>>())
}

/// The cells of a row that came as such an object. `None`: it lacks a column, or one holds what none can.
pub(crate) fn of_object<'a>(table: &'static Table, row: &'a Value) -> Option<Cells<'a>> {
    let cell = |(name, kind): &(&'static str, Kind)| {
        let cell = match row.get(*name)? {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Flag(*value),
            // As SQLite keeps it.
            Value::Number(value) if *kind == Kind::Flag => Cell::Flag(value.as_i64()? != 0),
            Value::Number(value) => Cell::Int(value.as_i64()?),
            Value::String(value) => Cell::from(value),
            Value::Array(_) | Value::Object(_) => return None,
        };
        Some((*name, cell))
    };
    table.columns.iter().map(cell).collect()
}

/// The name of a choice, as it stands in acts too.
fn choice<'a>(value: impl Serialize) -> Cell<'a> {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => Cell::from(name),
        _ => Cell::Null,
    }
}

/// A due date as stored: a day, or an instant.
pub fn due_text(due: Due) -> String {
    match due {
        Due::Day(day) => day.to_string(),
        Due::Moment(moment) => moment.to_string(),
    }
}

/// The row of a head.
pub fn head<'a>(
    case: &'a str,
    workflow: &'a str,
    last_hash: &'a str,
    state: &'a State,
    projection: &'a Projection,
) -> Cells<'a> {
    let column = |column| Cell::from(projection.columns.get(&column));
    let overdue = |owing: &Option<Owing>| Cell::from(owing.as_ref().map(|owing| owing.from));
    vec![
        ("case_id", case.into()),
        ("number", (&state.number).into()),
        ("workflow", workflow.into()),
        ("definition_hash", (&state.definition).into()),
        ("version", state.version.into()),
        ("last_hash", last_hash.into()),
        ("opened_at", state.opened_at.into()),
        ("last_at", state.last_at.into()),
        ("main_state", (&projection.main_state).into()),
        ("at_rest", projection.at_rest.into()),
        ("owner_role", projection.owner_role.as_ref().into()),
        ("owner_unit", projection.owner_unit.as_ref().map(|unit| unit.as_str()).into()),
        ("enterprise", column(Column::Enterprise)),
        ("area", column(Column::Area)),
        ("sector", column(Column::Sector)),
        ("source", column(Column::Source)),
        ("level", column(Column::Level)),
        ("legal_due", projection.legal_due.map(due_text).into()),
        ("legal_due_day", projection.legal_due_day.map(|day| day.to_string()).into()),
        ("enterprise_breach", projection.enterprise_breach.into()),
        ("regulator_breach", projection.regulator_breach.into()),
        ("department", column(Column::Department)),
        ("paused", projection.paused.into()),
        ("overdue_from", projection.overdue_from.map_or(i64::MAX, Instant::micros).into()),
        ("enterprise_overdue_from", overdue(&projection.progress.enterprise)),
        ("regulator_overdue_from", overdue(&projection.progress.regulator)),
        ("provisional", projection.provisional.into()),
        ("unverified", projection.unverified.into()),
        ("wake_at", projection.wake_at.into()),
        ("state", serde_json::to_string(state).unwrap_or_default().into()),
    ]
}

/// What a case is found by: its number, and what its file says.
pub fn found_by(state: &State, text: Option<&String>) -> String {
    text.map_or_else(|| state.number.clone(), |text| format!("{}\n{text}", state.number))
}

/// The row of what a case is found by.
pub fn text<'a>(case: &'a str, text: &'a str) -> Cells<'a> {
    vec![("case_id", case.into()), ("text", text.into()), ("grams", grams(text).into())]
}

/// The row of an act.
pub(crate) fn act<'a>(case: &'a str, row: &'a ActRow) -> Cells<'a> {
    vec![
        ("case_id", case.into()),
        ("version", row.version.into()),
        ("at", row.at.into()),
        ("name", (&row.name).into()),
        ("person_id", row.person_id.as_ref().map(|person| person.as_str()).into()),
        ("algorithm", (&row.algorithm).into()),
        ("body", (&row.body).into()),
        ("hash", (&row.hash).into()),
    ]
}

/// The row of an open duty.
pub fn obligation<'a>(case: &'a str, owed: &'a Obligation) -> Cells<'a> {
    vec![
        ("case_id", case.into()),
        ("deadline_no", owed.deadline_no.into()),
        ("name", (&owed.name).into()),
        ("subject", serde_json::to_string(&owed.subject).unwrap_or_default().into()),
        ("owner_role", (&owed.owner).into()),
        ("owner_unit", owed.owner_unit.as_ref().map(|unit| unit.as_str()).into()),
        ("due_day", owed.due_day.to_string().into()),
        ("due", due_text(owed.due).into()),
        ("breached", owed.breached.into()),
        ("paused", owed.paused.into()),
    ]
}

/// The row of what a case counted as.
pub fn history<'a>(case: &'a str, row: &'a HistoryRow) -> Cells<'a> {
    let Progress {
        stage,
        outcome,
        department,
        dispatched_at,
        legal_breach_at,
        met_in_time,
        enterprise,
        regulator,
        late_extensions,
        supplementary,
    } = &row.progress;
    let from = |owing: &Option<Owing>| Cell::from(owing.as_ref().map(|owing| owing.from));
    let role = |owing: &'a Option<Owing>| Cell::from(owing.as_ref().map(|owing| &owing.role));
    let unit = |owing: &'a Option<Owing>| {
        Cell::from(owing.as_ref().and_then(|owing| Some(owing.unit.as_ref()?.as_str())))
    };
    vec![
        ("case_id", case.into()),
        ("version", row.version.into()),
        ("from_at", row.from.into()),
        ("stage", choice(stage)),
        ("outcome", choice(outcome)),
        ("department", department.as_ref().into()),
        ("dispatched_at", (*dispatched_at).into()),
        ("legal_breach_at", (*legal_breach_at).into()),
        ("met_in_time", (*met_in_time).into()),
        ("enterprise_overdue_from", from(enterprise)),
        ("enterprise_role", role(enterprise)),
        ("enterprise_unit", unit(enterprise)),
        ("regulator_overdue_from", from(regulator)),
        ("regulator_role", role(regulator)),
        ("regulator_unit", unit(regulator)),
        ("late_extensions", (*late_extensions).into()),
        ("supplementary", (*supplementary).into()),
    ]
}

/// The row of a recorded rung.
pub fn rung<'a>(case: &'a str, row: &'a RungRow) -> Cells<'a> {
    vec![
        ("case_id", case.into()),
        ("deadline_no", row.deadline_no.into()),
        ("revision", row.revision.into()),
        ("ladder", (&row.ladder).into()),
        ("rung", (&row.rung).into()),
        ("repeat", row.repeat.into()),
        ("act_version", row.act_version.into()),
        ("result", choice(row.result)),
        ("measure", choice(row.measure)),
        ("due_at", row.due_at.into()),
        ("recorded_at", row.recorded_at.into()),
    ]
}

/// The row of a notice that waits to be delivered.
pub fn notice<'a>(case: &'a str, row: &'a NoticeRow) -> Cells<'a> {
    vec![
        ("notice_id", (&row.notice_id).into()),
        ("case_id", case.into()),
        ("act_version", row.act_version.into()),
        ("recipient", row.recipient.as_str().into()),
        ("measure", choice(row.measure)),
        ("template", row.template.as_ref().into()),
        ("unreached", (&row.unreached).into()),
        ("ladder", (&row.ladder).into()),
        ("rung", (&row.rung).into()),
        ("deadline_no", row.deadline_no.into()),
        ("created_at", row.created_at.into()),
        ("delivery_id", Cell::Null),
    ]
}

/// The row of a number taken from a register.
pub fn document<'a>(case: &'a str, row: &'a DocumentRow) -> Cells<'a> {
    vec![
        ("year", i64::from(row.number.year).into()),
        ("code", (&row.number.code).into()),
        ("no", row.number.no.into()),
        ("part", row.part.into()),
        ("case_id", case.into()),
        ("act_version", row.act_version.into()),
    ]
}

/// The row of an idempotency key, if the command has one.
pub(crate) fn key<'a>(case: &'a str, change: &'a Change) -> Option<Cells<'a>> {
    let (key, fingerprint) = change.key.as_ref()?;
    Some(vec![
        ("key", key.into()),
        ("fingerprint", fingerprint.into()),
        ("case_id", case.into()),
        ("version", change.state.version.into()),
    ])
}

/// The row of a personal value.
pub(crate) fn personal<'a>(case: &'a str, row: &'a Personal) -> Cells<'a> {
    vec![
        ("case_id", case.into()),
        ("version", row.version.into()),
        ("field", (&row.field).into()),
        ("salt", hex(&row.salt).into()),
        ("value", (&row.value).into()),
    ]
}

/// The row of a refusal.
pub(crate) fn refusal(no: i64, row: &RefusalRow) -> Cells<'_> {
    // A refused command may hold anything, and PostgreSQL keeps no text with a zero in it: all others who are
    // refused in the same moment would go unrecorded with this one.
    let kept = |text: &str| text.replace('\0', "\u{fffd}");
    vec![
        ("refusal_no", no.into()),
        ("at", row.at.into()),
        ("case_id", row.case.to_string().into()),
        ("person_id", row.person.as_ref().map(|person| kept(person.as_str())).into()),
        ("act", kept(&row.act).into()),
        ("code", (&row.code).into()),
        ("detail", (&row.detail).into()),
    ]
}
