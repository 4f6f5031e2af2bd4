//! Lists: the ledger, and who owes what by when.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use engine::list::{By, Known};
use engine::{Engine, EngineError};
use machine::{Definition, Directory, Instant};
use serde_json::json;
use store::{
    COUNT_MAX, Filter, Lamp, Lamps, LedgerKey, LedgerRow, OverdueBy, OwedFilter, OwedKey, OwingUnit,
};

use super::show::{label, state_title};
use crate::CliError;
use crate::args::{LampName, LedgerArguments, OwesArguments, Side};
use crate::error::usage;
use crate::output::{Output, Tone};

/// Rows of a page unless it is said otherwise.
const PAGE: u32 = 100;

pub(super) async fn ledger(
    engine: &Engine,
    arguments: &LedgerArguments,
    out: &mut Output,
) -> Result<(), CliError> {
    let lamps = lamps(engine).await?;
    let lamp = arguments.lamp.map(lamp_named).or(arguments.overdue.then_some(Lamp::Overdue));
    let after = arguments.after.as_deref().map(|text| {
        let wrong = || usage("BH0062", json!({ "after": text }));
        text.parse::<LedgerKey>().map_err(|()| wrong())
    });
    for day in [&arguments.due_from, &arguments.due_to].into_iter().flatten() {
        calendar::parse_date(day)?;
    }
    let any = async |by, text: &Option<String>| meant(engine, by, text.as_deref()).await;
    let limit = arguments.limit.unwrap_or(if arguments.csv { store::ROWS_MAX } else { PAGE });
    let mut filter = Filter {
        state: any(By::State, &arguments.state).await?,
        unit: owing_unit(engine, arguments.unit.as_deref()).await?,
        department: any(By::Department, &arguments.department).await?,
        area: any(By::Area, &arguments.area).await?,
        sector: any(By::Sector, &arguments.sector).await?,
        source: any(By::Source, &arguments.source).await?,
        lamp: lamp.map(|lamp| (lamp, lamps)),
        overdue_by: arguments.overdue_by.map(|side| match side {
            Side::Enterprise => (OverdueBy::Enterprise, lamps.now),
            Side::Regulator => (OverdueBy::Regulator, lamps.now),
        }),
        due_from: arguments.due_from.clone(),
        due_to: arguments.due_to.clone(),
        text: arguments.text.clone(),
        called: match &arguments.text {
            Some(text) => engine.called(text).await?,
            None => Vec::new(),
        },
        after: after.transpose()?,
        limit,
    };
    if arguments.count {
        let count = engine.store().ledger_count(engine.tenant(), &filter).await?;
        let more = count > COUNT_MAX;
        let values = json!({ "count": count.min(COUNT_MAX), "more": more });
        return Ok(out.say("ledger.count", &values)?);
    }
    let mut rows = engine.ledger(&filter).await?;
    let mut next = next_place(&rows, limit, LedgerKey::of);
    // A spreadsheet gets the whole list: a table cut without a word is a wrong table.
    while let (Some(place), true, None) = (&next, arguments.csv, arguments.limit) {
        filter.after = Some(place.clone());
        let page = engine.ledger(&filter).await?;
        next = next_place(&page, limit, LedgerKey::of);
        rows.extend(page);
    }
    let next = next.map(|next| next.to_string());
    if out.json {
        return Ok(out.value(&json!({ "rows": rows, "next": next }))?);
    }
    print(engine, &rows, arguments.csv, out).await?;
    more(next.filter(|_| !arguments.csv), out)
}

/// Ids named at most to whoever gave an unknown one.
const KNOWN_MAX: usize = 30;

/// The ids behind what a list is filtered by; nothing is no filter. What nobody knows is refused: an empty
/// list would say that nothing is owed.
async fn meant(engine: &Engine, by: By, text: Option<&str>) -> Result<Vec<String>, CliError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    engine.meant(by, text).await?.map_err(|known| unknown(by, text, &known))
}

async fn owing_unit(engine: &Engine, text: Option<&str>) -> Result<Option<OwingUnit>, CliError> {
    let ids = meant(engine, By::Unit, text).await?;
    match (ids.as_slice(), text) {
        ([], _) | (_, None) => Ok(None),
        ([unit], _) => Ok(Some(engine.owing_unit(unit.clone()).await?)),
        (several, Some(name)) => Err(usage("BH0078", json!({ "name": name, "known": several }))),
    }
}

fn unknown(by: By, text: &str, known: &[Known]) -> CliError {
    let option = match by {
        By::State => "--state",
        By::Unit => "--unit",
        By::Role => "--role",
        By::Department => "--department",
        By::Area => "--area",
        By::Sector => "--sector",
        By::Source => "--source",
    };
    let listed = known.iter().take(KNOWN_MAX);
    let listed: Vec<_> = listed.map(|known| json!({ "id": known.id, "names": known.names })).collect();
    let more = known.len().saturating_sub(KNOWN_MAX);
    usage("BH0077", json!({ "option": option, "value": text, "known": listed, "more": more }))
}

/// The place of the last row, when there may be more behind it.
fn next_place<R, K>(rows: &[R], limit: u32, place: impl Fn(&R) -> K) -> Option<K> {
    rows.last().filter(|_| rows.len() as u64 == u64::from(limit)).map(place)
}

/// Says how to go on where the list was cut.
fn more(next: Option<String>, out: &mut Output) -> Result<(), CliError> {
    match next {
        Some(next) => Ok(out.line(&out.text("ledger.next", &json!({ "next": next })))?),
        None => Ok(()),
    }
}

fn lamp_named(name: LampName) -> Lamp {
    match name {
        LampName::Overdue => Lamp::Overdue,
        LampName::Today => Lamp::Today,
        LampName::Soon => Lamp::Soon,
        LampName::Normal => Lamp::Normal,
        LampName::Paused => Lamp::Paused,
        LampName::None => Lamp::None,
        LampName::Closed => Lamp::Closed,
    }
}

pub(crate) async fn print(
    engine: &Engine,
    rows: &[LedgerRow],
    csv: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    let lamps = lamps(engine).await?;
    let header: Vec<String> = ["number", "state", "enterprise", "unit", "due", "lamp"]
        .iter()
        .map(|name| out.text(&format!("ledger.{name}"), &json!({})))
        .collect();
    let directory = engine.catalog().directory().await?;
    let mut lines = Vec::new();
    for row in rows {
        let definition = definition(engine, &row.definition_hash).await?;
        let definition = definition.as_deref();
        let state = definition.map(|definition| state_title(out, definition, "main", &row.main_state));
        lines.push(vec![
            row.number.clone(),
            state.unwrap_or_else(|| row.main_state.clone()),
            row.enterprise.as_deref().map(|unit| directory.unit_name(unit).to_owned()).unwrap_or_default(),
            owner(row, definition, &directory, out),
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
        // The mark by which Excel knows that Chinese comes as UTF-8.
        return Ok(out.plain(&format!("\u{feff}{}", text.trim_end()))?);
    }
    Ok(out.table(&header, lines)?)
}

/// The definition of a case in a list; none where it is damaged, which hides no other line.
async fn definition(engine: &Engine, hash: &str) -> Result<Option<Arc<Definition>>, CliError> {
    match engine.catalog().definition(hash).await {
        Ok(definition) => Ok(Some(definition)),
        Err(EngineError::Damaged(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A role no workflow file names: whoever an order was sent to, or one that is damaged.
fn unnamed(role: String, out: &Output) -> String {
    if role == ASSIGNEE { out.text("role.assignee", &json!({})) } else { role }
}

/// The role of every unit that work was sent to.
const ASSIGNEE: &str = "assignee";

/// Who owes the next step: a unit, or a role that is bound to none.
fn owner(row: &LedgerRow, definition: Option<&Definition>, directory: &Directory, out: &Output) -> String {
    if let Some(unit) = &row.owner_unit {
        return directory.unit_name(unit.as_str()).to_owned();
    }
    let file = definition.map(Definition::file);
    let state = file.and_then(|file| file.tracks.get("main")?.states.get(&row.main_state));
    let role = state.and_then(|state| file?.roles.get(state.owner.as_ref()?));
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
    let soon = calendar.add_working_days(today, SOON_WORKING_DAYS)?.date;
    Ok(Lamps { now, tomorrow: ends(today), soon_until: ends(soon) })
}

/// A date is near within so many working days.
const SOON_WORKING_DAYS: u32 = 5;

/// The lamp of a case: always a word, never stored, a range of dates.
fn lamp(row: &LedgerRow, lamps: &Lamps, out: &Output) -> String {
    let lamp = serde_json::to_value(lamps.of(row)).unwrap_or_default();
    let day_micros = 86_400_000_000;
    let days = row.overdue_from.map_or(0, |from| (lamps.tomorrow.micros() - from.micros()) / day_micros);
    let passed = |from: Option<Instant>| from.is_some_and(|from| from <= lamps.now);
    let values = json!({
        "days": days,
        "enterprise": passed(row.enterprise_overdue_from),
        "regulator": passed(row.regulator_overdue_from),
    });
    let text = out.text(&format!("lamp.{}", lamp.as_str().unwrap_or_default()), &values);
    match lamps.of(row) {
        Lamp::Overdue => out.paint(Tone::Bad, text),
        Lamp::Today | Lamp::Soon => out.paint(Tone::Warn, text),
        Lamp::Normal => out.paint(Tone::Good, text),
        Lamp::Paused | Lamp::Closed | Lamp::None => out.paint(Tone::Quiet, text),
    }
}

pub(super) async fn owes(
    engine: &Engine,
    arguments: &OwesArguments,
    out: &mut Output,
) -> Result<(), CliError> {
    let directory = engine.catalog().directory().await?;
    let posts = match &arguments.person {
        None => None,
        Some(person) => {
            let held = directory.posts.iter().filter(|post| post.person.as_str() == person);
            // Whoever works in a unit owes what was sent to it.
            let roles = held.flat_map(|post| {
                let roles = post.roles.iter().cloned().chain([ASSIGNEE.to_owned()]);
                roles.map(|role| (role, post.unit.clone())).collect::<Vec<_>>()
            });
            let roles: Vec<_> = roles.collect();
            if roles.is_empty() {
                return Err(usage("BH0063", json!({ "person": person })));
            }
            Some(roles)
        }
    };
    let after = arguments
        .after
        .as_deref()
        .map(|text| text.parse::<OwedKey>().map_err(|()| usage("BH0062", json!({ "after": text }))));
    let filter = OwedFilter {
        unit: owing_unit(engine, arguments.unit.as_deref()).await?,
        role: meant(engine, By::Role, arguments.role.as_deref()).await?,
        posts,
        after: after.transpose()?,
        limit: arguments.limit,
    };
    let rows = engine.owes(&filter).await?;
    let next = next_place(&rows, arguments.limit, |row| OwedKey::of(row).to_string());
    if out.json {
        return Ok(out.value(&json!({ "rows": rows, "next": next }))?);
    }
    let mut lines = Vec::new();
    for row in rows {
        let definition = definition(engine, &row.definition_hash).await?;
        let definition = definition.as_deref();
        let clock = definition.and_then(|definition| definition.deadline(&row.name));
        let clock = clock.map(|spec| label(out, &spec.title).to_owned());
        let role = definition.and_then(|definition| definition.file().roles.get(&row.owner_role));
        let role = role.map(|role| label(out, &role.title).to_owned());
        let lamp = match (row.paused, row.breached) {
            (true, _) => out.paint(Tone::Quiet, out.text("lamp.paused", &json!({}))),
            (false, true) => out.paint(Tone::Bad, out.text("owes.breached", &json!({}))),
            (false, false) => String::new(),
        };
        lines.push(vec![
            row.due,
            row.number,
            clock.unwrap_or(row.name),
            role.unwrap_or_else(|| unnamed(row.owner_role, out)),
            row.owner_unit.map(|unit| directory.unit_name(&unit).to_owned()).unwrap_or_default(),
            lamp,
        ]);
    }
    let header = ["ledger.due", "ledger.number", "owes.clock", "owes.role", "ledger.unit", "ledger.lamp"];
    let header = header.map(|key| out.text(key, &json!({})));
    out.table(&header, lines)?;
    more(next, out)
}
