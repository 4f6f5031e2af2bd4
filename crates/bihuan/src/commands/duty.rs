//! Periodic duties: opening a period for every unit at once, and how far it is covered. One unit and one
//! period make one key, so that planning twice opens nothing twice, and coverage finds every case.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use engine::{Engine, EngineError};
use machine::act::Auth;
use machine::command::{Perform, Unit, UnitKind};
use machine::file::{Column, FieldType, Outcome};
use machine::state::DeadlineKind;
use machine::value::{CaseId, Name, Value};
use machine::{Definition, Refusal, State};
use serde::Serialize;
use serde_json::json;
use store::Read;
use tokio::task::JoinSet;

use crate::args::{DutyArguments, Kind};
use crate::error::usage;
use crate::output::Output;
use crate::{CliError, input};

mod look_back;

/// What one unit owes for the period; of a look-back, for one case.
struct Duty {
    unit: String,
    name: String,
    key: String,
    case: CaseId,
    perform: Perform,
}

/// The last day of a period: a year, a quarter, a month or half a month. A period is written in one way only,
/// since it is part of the key of what is opened.
fn period_end(period: &str) -> Option<NaiveDate> {
    let is_number = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    let (year, rest) = period.split_at_checked(4)?;
    let year: i32 = year.parse().ok().filter(|_| is_number(year, 4))?;
    let (month, half) = match rest.split_at_checked(1) {
        None | Some(("", "")) => (12, None),
        Some(("Q", quarter)) => {
            let no: u32 = quarter.parse().ok().filter(|_| is_number(quarter, 1))?;
            (Some(no).filter(|no| (1..=4).contains(no))? * 3, None)
        }
        Some(("-", month)) => {
            let (month, half) =
                month.split_once('H').map_or((month, None), |(month, half)| (month, Some(half)));
            (month.parse().ok().filter(|_| is_number(month, 2))?, half)
        }
        Some(_) => return None,
    };
    let first = NaiveDate::from_ymd_opt(year, month, 1)?;
    match half {
        None => first.checked_add_months(chrono::Months::new(1))?.checked_sub_days(Days::new(1)),
        Some("1") => NaiveDate::from_ymd_opt(year, month, 15),
        Some("2") => first.checked_add_months(chrono::Months::new(1))?.checked_sub_days(Days::new(1)),
        Some(_) => None,
    }
}

/// The first day of a period.
fn period_start(period: &str) -> Option<NaiveDate> {
    let end = period_end(period)?;
    match period.get(4..5) {
        None => NaiveDate::from_ymd_opt(end.year(), 1, 1),
        Some("Q") => NaiveDate::from_ymd_opt(end.year(), end.month().checked_sub(2)?, 1),
        Some(_) if period.ends_with("H2") => end.with_day(16),
        Some(_) => end.with_day(1),
    }
}

/// The duties of a period, one for every unit that owes it.
async fn duties(
    engine: &Engine,
    definition: &Definition,
    arguments: &DutyArguments,
) -> Result<Vec<Duty>, CliError> {
    let no_period = || usage("BH0067", json!({ "workflow": arguments.workflow }));
    let bad_period = || usage("BH0068", json!({ "period": arguments.period }));
    let end = period_end(&arguments.period).ok_or_else(bad_period)?;
    let asks = |name: &str, spec: &machine::file::ActSpec| spec.requires.iter().any(|field| field == name);
    let acts = definition.file().acts.iter();
    let mut acts = acts.filter(|(_, spec)| spec.opens && asks("period", spec) && asks("period_end", spec));
    let (act, spec) = acts.next().ok_or_else(no_period)?;
    let is_unit = |name: &&Name| {
        let field = definition.field(name);
        field.is_some_and(|field| field.kind == FieldType::Unit && field.column == Some(Column::Enterprise))
    };
    let unit_field = spec.requires.iter().find(is_unit).ok_or_else(no_period)?;
    let given = input::fields(&arguments.fields, definition)?;
    let opening = Opening { act, spec, unit_field, given, end };
    if let Some(closed) = &arguments.closed {
        return look_back::duties(engine, closed, arguments, &opening).await;
    }
    let kind = match arguments.kind {
        Kind::Enterprise => UnitKind::Enterprise,
        Kind::Township => UnitKind::Township,
        Kind::Department => UnitKind::Department,
    };
    let directory = engine.catalog().directory().await?;
    let wanted = |unit: &&Unit| {
        let in_sector = |sector: &String| unit.sector.as_ref() == Some(sector);
        unit.kind == kind && (arguments.sectors.is_empty() || arguments.sectors.iter().any(in_sector))
    };
    let mut duties = Vec::new();
    for unit in directory.units.iter().filter(wanted) {
        let more = [("sector", unit.sector.as_deref()), ("area", unit.area.as_deref())];
        let (id, name) = (unit.id.as_str(), unit.name.clone());
        duties.push(opening.duty(engine, arguments, id, name, id, &more));
    }
    if duties.is_empty() { Err(usage("BH0066", json!({}))) } else { Ok(duties) }
}

/// The act that opens a period.
struct Opening<'a> {
    act: &'a Name,
    spec: &'a machine::file::ActSpec,
    unit_field: &'a Name,
    given: BTreeMap<Name, Value>,
    end: NaiveDate,
}

impl Opening<'_> {
    /// What a unit owes. `of` tells it from all others of the period; of `more` those fields count that the
    /// act takes.
    fn duty(
        &self,
        engine: &Engine,
        arguments: &DutyArguments,
        unit: &str,
        name: String,
        of: &str,
        more: &[(&str, Option<&str>)],
    ) -> Duty {
        let same: Vec<String> = self.given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut fields = self.given.clone();
        let mut set = |name: &str, value: &str| fields.insert(name.to_owned(), Value::Text(value.to_owned()));
        set(self.unit_field, unit);
        set("period", &arguments.period);
        set("period_end", &self.end.to_string());
        for (name, value) in more {
            if let Some(value) = value.filter(|_| self.spec.accepts.iter().any(|field| field == name)) {
                set(name, value);
            }
        }
        // A case is looked back on once, whatever period it is found in.
        let period = if arguments.closed.is_some() { "look-back" } else { &arguments.period };
        let key = format!("plan/{}/{period}/{}/{of}", arguments.workflow, same.join("&"));
        let case = engine::case_id(engine.tenant(), &key);
        let perform = Perform { act: self.act.clone(), fields, ..Perform::default() };
        Duty { unit: unit.to_owned(), name, key, case, perform }
    }
}

async fn heads(engine: &Engine, duties: &[Duty]) -> Result<Vec<Option<State>>, CliError> {
    let wanted: Vec<Read> = duties.iter().map(|duty| Read { case: duty.case, key: None }).collect();
    let known = engine.store().read(engine.tenant(), &wanted).await?.known;
    let heads = known.into_iter().map(|known| Ok(known.head?.map(|head| head.state)));
    heads.collect::<Result<_, EngineError>>().map_err(CliError::from)
}

pub(super) async fn plan(
    engine: &Engine,
    arguments: &DutyArguments,
    actor: &str,
    out: &mut Output,
) -> Result<(), CliError> {
    let definition = engine.catalog().definition(&engine.newest(&arguments.workflow).await?).await?;
    let directory = engine.catalog().directory().await?;
    let actor = input::person(actor, &directory)?;
    let duties = duties(engine, &definition, arguments).await?;
    let calendar = engine.catalog().local_calendar().await?;
    let today = calendar.local_date(engine.store().clock().await?.utc());
    // Whoever still opened it would open what nobody can do in time any more.
    let due = match duties.first() {
        Some(duty) => engine.due_once_open(&definition, &duty.perform, &actor).await?,
        None => None,
    };
    if let Some(due) = due.filter(|due| *due < today) {
        return Err(usage("BH0090", json!({ "period": arguments.period, "due": due })));
    }
    let known = heads(engine, &duties).await?;
    let (mut opened, mut there) = (0, 0);
    let mut opening = JoinSet::new();
    for (duty, head) in duties.into_iter().zip(known) {
        if head.is_some() {
            there += 1;
            continue;
        }
        let (engine, workflow, actor) = (engine.clone(), arguments.workflow.clone(), actor.clone());
        opening.spawn(
            async move { engine.open(&workflow, duty.perform, actor, Auth::Asserted, duty.key).await },
        );
    }
    while let Some(answer) = opening.join_next().await {
        match answer.map_err(|_| EngineError::Stopped)? {
            Ok(receipt) if !receipt.replayed => opened += 1,
            // Somebody else planned the same period at the same moment.
            Ok(_) | Err(EngineError::KeyReused) => there += 1,
            Err(EngineError::Refused(refusal)) if *refusal == Refusal::AlreadyOpen => there += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let values = json!({ "period": arguments.period, "opened": opened, "there": there });
    Ok(out.say("duty.planned", &values)?)
}

/// A unit that has not done its duty.
#[derive(Serialize)]
struct Missing {
    unit: String,
    name: String,
    number: Option<String>,
    state: Option<String>,
    due: Option<String>,
}

pub(super) async fn coverage(
    engine: &Engine,
    arguments: &DutyArguments,
    out: &mut Output,
) -> Result<(), CliError> {
    let newest = engine.catalog().definition(&engine.newest(&arguments.workflow).await?).await?;
    let duties = duties(engine, &newest, arguments).await?;
    // Of a misspelled duty nothing was done: that would be no answer.
    if let Some(duty) = duties.first() {
        let given: Vec<Name> = input::fields(&arguments.fields, &newest)?.into_keys().collect();
        engine.check_fields(&newest, &duty.perform, &given).await?;
    }
    let known = heads(engine, &duties).await?;
    let (mut done, mut cancelled, mut missing) = (0, 0, Vec::new());
    for (duty, head) in duties.iter().zip(known) {
        let (unit, name) = (duty.unit.clone(), duty.name.clone());
        let Some(state) = head else {
            missing.push(Missing { unit, name, number: None, state: None, due: None });
            continue;
        };
        let definition = engine.catalog().definition(&state.definition).await?;
        let main = state.on("main").unwrap_or_default().to_owned();
        let spec = definition.file().tracks.get("main").and_then(|track| track.states.get(&main));
        match spec.and_then(|spec| spec.outcome) {
            Some(Outcome::Done) => done += 1,
            Some(_) => cancelled += 1,
            None => {
                let legal = state.deadlines.iter().rev().find(|clock| clock.kind == DeadlineKind::Legal);
                missing.push(Missing {
                    unit,
                    name,
                    number: Some(state.number.clone()),
                    state: spec.map(|spec| out.language.of(&spec.title).to_owned()),
                    due: legal.map(|clock| store::due_text(clock.due)),
                });
            }
        }
    }
    let owed = done + missing.len();
    let percent = (done * 100).checked_div(owed).unwrap_or(0);
    let values = json!({
        "period": arguments.period, "owed": owed, "done": done, "cancelled": cancelled, "percent": percent,
        "missing": missing,
    });
    if out.json {
        return Ok(out.value(&values)?);
    }
    out.line(&out.text("duty.coverage", &values))?;
    if missing.is_empty() {
        return Ok(());
    }
    out.line(&out.text("duty.missing", &json!({})))?;
    let header =
        ["duty.unit", "ledger.number", "ledger.state", "ledger.due"].map(|key| out.text(key, &json!({})));
    let rows = missing.into_iter().map(|row| {
        let state = row.state.unwrap_or_else(|| out.text("duty.not_opened", &json!({})));
        vec![row.name, row.number.unwrap_or_default(), state, row.due.unwrap_or_default()]
    });
    let rows = rows.collect();
    Ok(out.table(&header, rows)?)
}
