//! The commands.

use std::sync::Arc;

use engine::Engine;
use engine::view::About;
use machine::Command as Wish;
use machine::value::TenantId;
use serde_json::json;
use store::{Place, Store};

use crate::args::{Arguments, CalendarArguments, CalendarCommand, Command, Common};
use crate::error::usage;
use crate::output::Output;
use crate::{CliError, help, input};

mod check;
mod copy;
mod diagram;
mod duty;
mod enforce;
mod explain;
mod inbox;
pub(crate) mod lists;
mod next;
mod roundup;
mod setup;
pub(crate) mod show;
mod write;

/// Runs a command.
pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), CliError> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Demo { folder } => crate::demo::run(folder.as_deref(), common, out).await,
        Command::Init { organisation, calendars, simulated } => {
            setup::init(common, organisation, calendars, simulated.as_deref(), out).await
        }
        Command::Check { files } => check::check(files, out),
        Command::Try { file } => check::attempt(file, out),
        Command::Calendar(CalendarArguments { from, working_days, command: None }) => {
            let from = from.as_deref().ok_or_else(|| usage("BH0050", json!({})))?;
            // Of the place this store is in; without a store, of China as this program knows it.
            let here = match common.place() {
                Place::File(path) => path.exists(),
                Place::Server(_) => true,
            };
            let calendar = if here {
                open_engine(common).await?.catalog().local_calendar().await?
            } else {
                Arc::new(calendar::china())
            };
            setup::calendar_days(&calendar, from, *working_days, out)
        }
        Command::Diagram { file } => diagram::diagram(file, out),
        Command::Help { words } => help::print(out.language, words),
        Command::Copy { from, to } => {
            let from = from.as_deref().map_or_else(|| common.place(), Place::of);
            copy::copy(&from, &Place::of(to), out).await
        }
        Command::Work { until: None, batch } => {
            let store = common.place().open().await?;
            let only = match &common.tenant {
                Some(_) => Some(tenant(store.as_ref(), common).await?),
                None => None,
            };
            enforce::work(store, only.as_ref(), *batch, out).await
        }
        other => {
            let engine = open_engine(common).await?;
            match (with_engine(&engine, other, out).await, about(other)) {
                (Err(CliError::Engine(error)), Some(about)) if error.refusal().is_some() => {
                    let text = engine.told(&error, about, out.language).await;
                    Err(CliError::Told { error, text })
                }
                (done, _) => done,
            }
        }
    }
}

/// The case or the workflow whose words a refusal is told in.
fn about(command: &Command) -> Option<About<'_>> {
    match command {
        Command::Open { workflow, .. } => Some(About::Workflow(workflow)),
        Command::Plan { duties, .. } | Command::Coverage { duties } => {
            Some(About::Workflow(&duties.workflow))
        }
        Command::Act { case, .. }
        | Command::Next { case, .. }
        | Command::Comment { case, .. }
        | Command::Amend { case, .. }
        | Command::TakeBack { case, .. }
        | Command::Sign { case, .. } => Some(About::Case(case)),
        // Of several cases the error names the one; of one alone it does not.
        Command::Order { cases, .. } => {
            let first = cases.first()?;
            Some(About::Case(first.split_once(',').map_or(first, |(number, _)| number)))
        }
        _ => None,
    }
}

async fn with_engine(engine: &Engine, command: &Command, out: &mut Output) -> Result<(), CliError> {
    match command {
        Command::Publish { file, parameters } => setup::publish(engine, file, parameters, out).await,
        Command::Open { workflow, act, by } => write::open(engine, workflow, act, by.as_deref(), out).await,
        Command::Act { case, act_name, act, expect, dry_run } => {
            write::perform(engine, case, act_name.as_deref(), act, *expect, *dry_run, out).await
        }
        Command::Order { act_name, cases, act } => {
            write::order(engine, act_name.as_deref(), cases, act, out).await
        }
        Command::Next { case, actor } => next::next(engine, case, actor, out).await,
        Command::Show { case } => show::case(engine, case, out).await,
        Command::Comment { case, text, who } => {
            write::execute(engine, case, Wish::Comment { text: text.clone() }, who, out).await
        }
        Command::Amend { case, fields, reason, who } => {
            let (_, definition) = engine.case(case).await?;
            let fields = input::fields(fields, &definition)?;
            write::execute(engine, case, Wish::Amend { fields, reason: reason.clone() }, who, out).await
        }
        Command::TakeBack { case, reason, who } => {
            let (state, _) = engine.case(case).await?;
            let wish = Wish::TakeBack { reason: reason.clone(), before: Box::new(state) };
            write::execute(engine, case, wish, who, out).await
        }
        Command::Sign { case, proposal, decline, issue, reason, who } => {
            let (no, approved, issue) = (*proposal, !decline, *issue);
            let wish = Wish::DecideProposal { no, approved, reason: reason.clone(), issue };
            write::execute(engine, case, wish, who, out).await
        }
        Command::Ledger(arguments) => lists::ledger(engine, arguments, out).await,
        Command::Explain { case, deadline } => explain::explain(engine, case, deadline.as_deref(), out).await,
        Command::Owes(arguments) => lists::owes(engine, arguments, out).await,
        Command::Roundup { as_of } => roundup::roundup(engine, as_of.as_deref(), out).await,
        Command::Inbox { person, before } => inbox::inbox(engine, person, before.as_deref(), out).await,
        Command::Plan { duties, actor } => duty::plan(engine, duties, actor, out).await,
        Command::Coverage { duties } => duty::coverage(engine, duties, out).await,
        Command::Work { until: Some(day), .. } => enforce::simulate(engine, day, out).await,
        Command::Status => enforce::status(engine, out).await,
        Command::Verify => enforce::verify(engine, out).await,
        Command::Calendar(CalendarArguments {
            command: Some(CalendarCommand::Load { file, actor }), ..
        }) => setup::load_calendar(engine, file, actor, out).await,
        Command::Rebuild { check } => enforce::rebuild(engine, !check, out).await,
        Command::Demo { .. }
        | Command::Init { .. }
        | Command::Check { .. }
        | Command::Try { .. }
        | Command::Copy { .. }
        | Command::Work { until: None, .. }
        | Command::Diagram { .. }
        | Command::Help { .. }
        | Command::Calendar(CalendarArguments { command: None, .. }) => Ok(()),
    }
}

/// Opens the store and picks the tenant.
async fn open_engine(common: &Common) -> Result<Engine, CliError> {
    let store = common.place().open().await?;
    let tenant = tenant(store.as_ref(), common).await?;
    Ok(Engine::start(store, tenant))
}

/// The jurisdiction named, or the only one.
async fn tenant(store: &dyn Store, common: &Common) -> Result<TenantId, CliError> {
    let tenants = store.tenants().await?;
    match (&common.tenant, tenants.as_slice()) {
        (Some(name), tenants) => tenants
            .iter()
            .find(|tenant| tenant.as_str() == name)
            .cloned()
            .ok_or_else(|| usage("BH0051", json!({ "name": name, "known": tenants }))),
        (None, [only]) => Ok(only.clone()),
        (None, several) => Err(usage("BH0052", json!({ "known": several }))),
    }
}
