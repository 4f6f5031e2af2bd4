//! Lists: the ledger, and who owes what by when.

use chrono::{NaiveDate, NaiveTime};
use engine::Engine;
use machine::value::UnitId;
use machine::{Definition, Directory, Instant};
use serde_json::json;
use store::{Filter, Lamp, Lamps, LedgerRow, OwedFilter};

use super::show::state_title;
use super::usage;
use crate::CliError;
use crate::args::LedgerArguments;
use crate::output::Output;

pub(super) async fn ledger(
    engine: &Engine,
    arguments: &LedgerArguments,
    out: &mut Output,
) -> Result<(), CliError> {
    let filter = Filter {
        state: arguments.state.clone(),
        unit: arguments.unit.clone(),
        area: arguments.area.clone(),
        sector: arguments.sector.clone(),
        source: arguments.source.clone(),
        lamp: if arguments.overdue { Some((Lamp::Overdue, lamps(engine).await?)) } else { None },
        due_from: arguments.due_from.clone(),
        due_to: arguments.due_to.clone(),
        text: arguments.text.clone(),
        limit: arguments.limit,
        ..Filter::default()
    };
    let rows = engine.store().ledger(engine.tenant(), &filter).await?;
    print(engine, &rows, arguments.csv, out).await
}

pub(crate) async fn print(
    engine: &Engine,
    rows: &[LedgerRow],
    csv: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    if out.json {
        return Ok(out.value(&rows)?);
    }
    let lamps = lamps(engine).await?;
    let header: Vec<String> = ["number", "state", "enterprise", "unit", "due", "lamp"]
        .iter()
        .map(|name| out.text(&format!("ledger.{name}"), &json!({})))
        .collect();
    let directory = engine.catalog().directory().await?;
    let mut lines = Vec::new();
    for row in rows {
        let definition = engine.catalog().definition(&row.definition_hash).await?;
        lines.push(vec![
            row.number.clone(),
            state_title(out, &definition, "main", &row.main_state),
            row.enterprise.as_deref().map(|unit| unit_name(&directory, unit)).unwrap_or_default(),
            owner(row, &definition, &directory, out),
            row.legal_due.clone().unwrap_or_default(),
            lamp(row, &lamps, out),
        ]);
    }
    if csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&header).map_err(std::io::Error::other)?;
        for line in &lines {
            writer.write_record(line.iter().map(|cell| inert(cell))).map_err(std::io::Error::other)?;
        }
        let bytes = writer.into_inner().map_err(std::io::Error::other)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok(out.line(text.trim_end())?);
    }
    Ok(out.table(&header, lines)?)
}

fn unit_name(directory: &Directory, unit: &str) -> String {
    directory.unit(&UnitId::from(unit)).map_or(unit, |unit| &unit.name).to_owned()
}

/// Who owes the next step: a unit, or a role that is bound to none.
fn owner(row: &LedgerRow, definition: &Definition, directory: &Directory, out: &Output) -> String {
    if let Some(unit) = &row.owner_unit {
        return unit_name(directory, unit.as_str());
    }
    let file = definition.file();
    let state = file.tracks.get("main").and_then(|track| track.states.get(&row.main_state));
    let role = state.and_then(|state| state.owner.as_ref()).and_then(|role| file.roles.get(role));
    role.map_or_else(String::new, |role| out.language.of(&role.title).to_owned())
}

/// A cell that a spreadsheet will not take for a formula.
fn inert(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    if formula { format!("'{cell}") } else { cell.to_owned() }
}

/// The moments at which lamps change, today.
pub(crate) async fn lamps(engine: &Engine) -> Result<Lamps, CliError> {
    let now = engine.store().clock().await?;
    let calendar = engine.catalog().local_calendar().await?;
    let today = calendar.local_date(now.utc());
    let ends = |day: NaiveDate| {
        let next = day.succ_opt().unwrap_or(day);
        Instant::new(calendar.instant(next, NaiveTime::MIN))
    };
    let soon = calendar.add_working_days(today, SOON_WORKING_DAYS).map_err(usage)?.date;
    Ok(Lamps { now, tomorrow: ends(today), soon_until: ends(soon) })
}

/// A date is near within so many working days.
const SOON_WORKING_DAYS: u32 = 5;

/// The lamp of a case: always a word, never stored, a range of dates.
fn lamp(row: &LedgerRow, lamps: &Lamps, out: &Output) -> String {
    let lamp = serde_json::to_value(lamps.of(row)).unwrap_or_default();
    let day_micros = 86_400_000_000;
    let days = row.overdue_from.map_or(0, |from| (lamps.tomorrow.micros() - from.micros()) / day_micros);
    out.text(&format!("lamp.{}", lamp.as_str().unwrap_or_default()), &json!({ "days": days }))
}

pub(crate) async fn owes(engine: &Engine, unit: Option<&str>, out: &mut Output) -> Result<(), CliError> {
    let rows = engine
        .store()
        .owes(
            engine.tenant(),
            &OwedFilter { unit: unit.map(str::to_owned), limit: 1_000, ..OwedFilter::default() },
        )
        .await?;
    if out.json {
        return Ok(out.value(&rows)?);
    }
    let lines = rows.into_iter().map(|row| {
        vec![row.due_day, row.number, row.name, row.owner_role, row.owner_unit.unwrap_or_default()]
    });
    let header = ["ledger.due", "ledger.number", "effect.started", "ledger.unit", "ledger.unit"];
    let header: Vec<String> =
        header.iter().map(|key| out.text(key, &json!({ "clock": "", "due": "" }))).collect();
    Ok(out.table(&header, lines.collect())?)
}
