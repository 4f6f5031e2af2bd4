//! `demo`: an invented county, ninety simulated days, a worker and people who act by a script.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use calendar::Calendar;
use chrono::{NaiveDate, NaiveTime};
use engine::{Engine, EngineError, Request};
use machine::act::Auth;
use machine::command::Directory;
use machine::value::{CaseId, TenantId};
use machine::{Definition, Instant, State};
use serde_json::json;
use store::{Clock, Place, Read};

use crate::CliError;
use crate::args::Common;
use crate::error::{no_json, unwritable, usage};
use crate::output::Output;
use script::Day;

mod report;
mod script;
mod stories;

/// The day the demonstration begins: a Monday.
const BEGINS_ON: &str = "2026-03-02";
/// Simulated days.
const DAYS: u64 = 90;
/// Hazards found.
const HAZARDS: usize = 300;
/// Hazards found on one working day, until all are.
const FOUND_PER_DAY: usize = 5;
/// Rounds of acts on one day: a step of the loop can follow another on the same day.
const ROUNDS: usize = 3;

/// Columns of the page it prints.
const PAGE_COLUMNS: usize = 100;

const WORKFLOW: &str = "major-hazard";
const ORGANISATION: &str = include_str!("../../../workflows/sample/organisation.yaml");
const WORKFLOWS: [(&str, &str); 4] = [
    ("periodic-duty.yaml", include_str!("../../../workflows/periodic-duty.yaml")),
    ("task-list.yaml", include_str!("../../../workflows/task-list.yaml")),
    ("general-hazard.yaml", include_str!("../../../workflows/general-hazard.yaml")),
    ("major-hazard.yaml", include_str!("../../../workflows/major-hazard.yaml")),
];

/// Runs the demonstration in a new store, and shows what came of it.
pub(crate) async fn run(folder: Option<&Path>, common: &Common, out: &mut Output) -> Result<(), CliError> {
    out.narrow(PAGE_COLUMNS);
    let place = match common.place() {
        Place::Server(url) if folder.is_none() => Place::Server(url),
        Place::Server(_) | Place::File(_) => Place::File(new_file(folder)?),
    };
    let county = County::found(&place).await?;
    let begins_on = calendar::parse_date(BEGINS_ON)?;
    let mut cases = Cases::default();
    for today in (0..DAYS).filter_map(|day| begins_on.checked_add_days(chrono::Days::new(day))) {
        county.live_through(today, &mut cases).await?;
    }
    report::print(&county, begins_on, &place, out).await
}

/// A file for the store, in a folder of its own unless one is named.
fn new_file(folder: Option<&Path>) -> Result<PathBuf, CliError> {
    let scratch = std::env::temp_dir().join(format!("bihuan-demo-{}", std::process::id()));
    let folder: PathBuf = folder.map_or(scratch, Path::to_path_buf);
    let path = folder.join("bihuan.db");
    if path.exists() {
        return Err(usage("BH0069", json!({ "store": path.display().to_string() })));
    }
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    Ok(path)
}

/// Cases found so far, and those not at their end.
#[derive(Default)]
struct Cases {
    all: Vec<CaseId>,
    open: Vec<(usize, CaseId)>,
}

struct County {
    engine: Engine,
    calendar: Arc<Calendar>,
    directory: Arc<Directory>,
    definition: Arc<Definition>,
}

fn at(calendar: &Calendar, day: NaiveDate, hour: u32) -> Instant {
    Instant::new(calendar.instant(day, NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default()))
}

impl County {
    /// A store with the sample county and its loops.
    async fn found(place: &Place) -> Result<County, CliError> {
        let directory: Directory = machine::file::read("organisation.yaml", ORGANISATION)?;
        let china = calendar::china();
        let day = calendar::parse_date(BEGINS_ON)?;
        let store = place.create(Clock::Simulated, at(&china, day, 8)).await?;
        let tenant = TenantId::from("qingyuan");
        store.put_organisation(&tenant, &serde_json::to_string(&directory).map_err(no_json)?).await?;
        let json = serde_json::to_string(&china).map_err(no_json)?;
        store.put_calendar(&tenant, china.id(), china.version(), &json).await?;
        let engine = Engine::start(store, tenant);
        for (name, text) in WORKFLOWS {
            let file = machine::file::parse(name, text)?;
            let definition =
                Definition::compile(&file, &Default::default()).map_err(EngineError::Findings)?;
            engine.publish(&definition).await?;
        }
        let definition = engine.catalog().definition(&engine.newest(WORKFLOW).await?).await?;
        let calendar = engine.catalog().local_calendar().await?;
        let directory = engine.catalog().directory().await?;
        Ok(County { engine, calendar, directory, definition })
    }

    /// One day: the worker until nine, then, on a working day, everybody at work.
    async fn live_through(&self, today: NaiveDate, cases: &mut Cases) -> Result<(), CliError> {
        worker::simulate(&self.engine, at(&self.calendar, today, 9)).await?;
        if !self.calendar.kind(today).is_working() {
            return Ok(());
        }
        let (calendar, directory) = (&*self.calendar, &*self.directory);
        let day = Day { today, calendar, directory, definition: &self.definition };
        for index in cases.all.len()..HAZARDS.min(cases.all.len() + FOUND_PER_DAY) {
            let Some((actor, perform)) = day.find(index) else { continue };
            let key = format!("demo-{index}");
            let case = self.engine.open(WORKFLOW, perform, actor, Auth::Asserted, key).await?.case;
            cases.all.push(case);
            cases.open.push((index, case));
        }
        for _ in 0..ROUNDS {
            if self.act_once(&day, cases).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The heads of some cases.
    async fn heads(&self, cases: impl Iterator<Item = CaseId>) -> Result<Vec<State>, CliError> {
        let wanted: Vec<Read> = cases.map(|case| Read { case, key: None }).collect();
        let known = self.engine.store().read(self.engine.tenant(), &wanted).await?.known;
        let heads = known.into_iter().filter_map(|known| known.head.transpose());
        heads.map(|head| Ok(head?.state)).collect::<Result<_, engine::EngineError>>().map_err(CliError::from)
    }

    fn ended(&self, state: &State) -> bool {
        let states = self.definition.file().tracks.get("main").map(|track| &track.states);
        let spec = states.zip(state.on("main")).and_then(|(states, main)| states.get(main));
        spec.is_some_and(|spec| spec.outcome.is_some())
    }

    /// Everybody does at most one act on each case, all at the same time. Gives the number of acts.
    async fn act_once(&self, day: &Day<'_>, cases: &mut Cases) -> Result<usize, CliError> {
        let states = self.heads(cases.open.iter().map(|(_, case)| *case)).await?;
        let mut acting = tokio::task::JoinSet::new();
        let mut ended = Vec::new();
        for ((index, _), state) in cases.open.iter().zip(states) {
            if self.ended(&state) && !day.comes_back(*index, &state) {
                ended.push(*index);
                continue;
            }
            let Some((actor, command)) = day.wish(*index, &state) else { continue };
            let request = Request {
                case: state.case,
                definition: None,
                command,
                actor: Some(actor),
                auth: Auth::Asserted,
                key: None,
                expected_version: None,
            };
            let engine = self.engine.clone();
            acting.spawn(async move { engine.execute(request).await });
        }
        cases.open.retain(|(index, _)| !ended.contains(index));
        let mut acts = 0;
        while let Some(answer) = acting.join_next().await {
            answer.map_err(|_| EngineError::Stopped)??;
            acts += 1;
        }
        Ok(acts)
    }
}
