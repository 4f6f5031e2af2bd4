//! `demo`: an invented county, ninety simulated days, a worker and people who act by a script.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use engine::{Engine, EngineError, Request};
use machine::act::Auth;
use machine::command::Directory;
use machine::value::{CaseId, TenantId};
use machine::{Command, Definition, Instant};
use store::sqlite::SqliteStore;
use store::{Clock, Filter, Lamp, Read, Store};

use crate::CliError;
use crate::commands::{lists, show};
use crate::output::Output;

mod script;

/// The day the demonstration begins: a Monday.
const BEGINS_ON: &str = "2026-03-02";
/// Simulated days.
const DAYS: u64 = 90;
/// Hazards found.
const HAZARDS: usize = 300;
/// Hazards found on one working day, until all are.
const FOUND_PER_DAY: usize = 7;

const ORGANISATION: &str = include_str!("../../../workflows/sample/organisation.yaml");
const WORKFLOW: &str = include_str!("../../../workflows/major-hazard.yaml");

/// Runs the demonstration in a new store, and shows what came of it.
pub(crate) async fn run(folder: Option<&Path>, out: &mut Output) -> Result<(), CliError> {
    let scratch = std::env::temp_dir().join(format!("bihuan-demo-{}", std::process::id()));
    let folder: PathBuf = folder.map_or(scratch, Path::to_path_buf);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("bihuan.db");
    let engine = county(&path).await?;
    let mut cases = Vec::with_capacity(HAZARDS);
    let begins_on = calendar::parse_date(BEGINS_ON).map_err(|error| CliError::Usage(error.to_string()))?;
    for day in (0..DAYS).filter_map(|day| begins_on.checked_add_days(chrono::Days::new(day))) {
        live_through(&engine, day, &mut cases).await?;
    }
    report(&engine, &path, out).await
}

/// A store with the sample county and the loop for major hazards.
async fn county(path: &Path) -> Result<Engine, CliError> {
    let usage = |error: &dyn std::fmt::Display| CliError::Usage(error.to_string());
    let directory: Directory =
        machine::file::read("organisation.yaml", ORGANISATION).map_err(|error| usage(&error))?;
    let file = machine::file::parse("major-hazard.yaml", WORKFLOW).map_err(|error| usage(&error))?;
    let definition = Definition::compile(&file, &Default::default()).map_err(EngineError::Findings)?;
    let china = calendar::china();
    let day = calendar::parse_date(BEGINS_ON).map_err(|error| usage(&error))?;
    let store = SqliteStore::create(path, Clock::Simulated, at(&china, day, 8)).await?;
    let tenant = TenantId::from("qingyuan");
    let json = serde_json::to_string(&directory).map_err(|error| usage(&error))?;
    store.put_organisation(&tenant, &json).await?;
    let json = serde_json::to_string(&china).map_err(|error| usage(&error))?;
    store.put_calendar(&tenant, china.id(), china.version(), &json).await?;
    let engine = Engine::start(Arc::new(store), tenant);
    engine.publish(&definition).await?;
    Ok(engine)
}

fn at(calendar: &calendar::Calendar, day: NaiveDate, hour: u32) -> Instant {
    Instant::new(calendar.instant(day, NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default()))
}

/// One day: the worker until nine, then, on a working day, everybody at work.
async fn live_through(engine: &Engine, day: NaiveDate, cases: &mut Vec<CaseId>) -> Result<(), CliError> {
    let calendar = engine.catalog().local_calendar().await?;
    worker::simulate(engine, at(&calendar, day, 9)).await?;
    if !calendar.kind(day).is_working() {
        return Ok(());
    }
    let directory = engine.catalog().directory().await?;
    for index in cases.len()..HAZARDS.min(cases.len() + FOUND_PER_DAY) {
        let Some((actor, perform)) = script::find(index, day, &directory) else { continue };
        let key = format!("demo-{index}");
        cases.push(engine.open("major-hazard", perform, actor, Auth::Asserted, key).await?.case);
    }
    // Several rounds, because one step of the loop can follow another on the same day.
    for _ in 0..3 {
        if act_once(engine, day, cases, &directory).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// Everybody does at most one act on each case. Gives the number of acts.
async fn act_once(
    engine: &Engine,
    day: NaiveDate,
    cases: &[CaseId],
    directory: &Directory,
) -> Result<usize, CliError> {
    let wanted: Vec<Read> = cases.iter().map(|case| Read { case: *case, key: None }).collect();
    let (_, known) = engine.store().read(engine.tenant(), &wanted).await?;
    let calendar = engine.catalog().local_calendar().await?;
    let mut acting = tokio::task::JoinSet::new();
    for (index, known) in known.into_iter().enumerate() {
        let Some(state) = known.head.map(|head| head.state) else { continue };
        let Some((actor, perform)) = script::act(index, day, &state, &calendar, directory) else { continue };
        let request = Request {
            case: state.case,
            definition: None,
            command: Command::Perform(perform),
            actor: Some(actor),
            auth: Auth::Asserted,
            key: None,
            expected_version: None,
        };
        let engine = engine.clone();
        acting.spawn(async move { engine.execute(request).await });
    }
    let mut acts = 0;
    while let Some(answer) = acting.join_next().await {
        answer.map_err(|error| CliError::Usage(error.to_string()))??;
        acts += 1;
    }
    Ok(acts)
}

/// The list with its lamps, what escalated, one case, and what to try next.
async fn report(engine: &Engine, path: &Path, out: &mut Output) -> Result<(), CliError> {
    lists::standing(engine, out).await?;
    let lamp = Some((Lamp::Overdue, lists::lamps(engine).await?));
    let filter = Filter { lamp, limit: 12, ..Filter::default() };
    let rows = engine.store().ledger(engine.tenant(), &filter).await?;
    out.line("")?;
    out.line(&out.text("demo.overdue", &serde_json::json!({})))?;
    lists::print(engine, &rows, false, out).await?;
    if let Some(row) = rows.first() {
        out.line("")?;
        out.line(&out.text("demo.timeline", &serde_json::json!({ "number": row.number })))?;
        show::case(engine, &row.number, out).await?;
    }
    let number = rows.first().map(|row| row.number.clone()).unwrap_or_default();
    out.line("")?;
    let values = serde_json::json!({ "store": path.display().to_string(), "number": number });
    Ok(out.line(&out.text("demo.next", &values))?)
}
