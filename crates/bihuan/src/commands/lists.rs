//! Lists: the ledger, and who owes what by when.

use chrono::{NaiveDate, NaiveTime};
use engine::Engine;
use machine::Instant;
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
    let mut lines = Vec::new();
    for row in rows {
        let definition = engine.catalog().definition(&row.definition_hash).await?;
        lines.push(vec![
            row.number.clone(),
            state_title(out, &definition, "main", &row.main_state),
            row.enterprise.clone().unwrap_or_default(),
            row.owner_unit.as_ref().map(ToString::to_string).unwrap_or_default(),
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

/// The numbers of the county: cases by state, and what the ladders did.
pub(crate) async fn standing(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let now = engine.store().clock().await?;
    let standing = engine.store().standing(engine.tenant(), now).await?;
    let today = engine.catalog().local_calendar().await?.local_date(now.utc());
    out.line(&out.text("standing.cases", &json!({ "cases": standing.cases, "today": today })))?;
    let definition = match engine.store().definitions(engine.tenant()).await?.first() {
        Some(row) => engine.catalog().definition(&row.hash).await?,
        None => return Ok(()),
    };
    let rows = standing.by_state.iter();
    let rows =
        rows.map(|(state, count)| vec![state_title(out, &definition, "main", state), count.to_string()]);
    let rows = rows.collect();
    out.table(&[out.text("ledger.state", &json!({})), "n".to_owned()], rows)?;
    out.line("")?;
    let counts = engine.store().rung_counts(engine.tenant()).await?;
    let rungs: u64 = counts.iter().map(|row| row.count).sum();
    out.line(&out.text("standing.rungs", &json!({ "rungs": rungs })))?;
    let rows = counts
        .iter()
        .map(|row| vec![row.ladder.clone(), row.rung.clone(), row.result.clone(), row.count.to_string()]);
    let rows = rows.collect();
    let header = ["ladder", "rung", "result", "n"].map(str::to_owned);
    Ok(out.table(&header, rows)?)
}
