//! The commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveTime;
use engine::{Engine, Receipt, Request};
use machine::act::Auth;
use machine::command::{Directory, Perform};
use machine::value::TenantId;
use machine::{Command as Wish, Definition, Instant, Person};
use serde_json::json;
use store::sqlite::{SqliteStore, host_time};
use store::{Clock, Filter, Store};

use crate::args::{ActArguments, Arguments, Command, Common, LedgerArguments, Who};
use crate::output::Output;
use crate::{CliError, input};

pub(crate) mod show;

/// Runs a command.
pub(crate) async fn run(arguments: &Arguments, out: &mut Output) -> Result<(), CliError> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Demo { folder } => crate::demo::run(folder.as_deref(), out).await,
        Command::Init { organisation, simulated } => {
            init(common, organisation, simulated.as_deref(), out).await
        }
        Command::Check { files } => check(files, out),
        Command::Calendar { from, working_days } => calendar_days(from, *working_days, out),
        other => {
            let engine = open_engine(common).await?;
            with_engine(&engine, other, out).await
        }
    }
}

async fn with_engine(engine: &Engine, command: &Command, out: &mut Output) -> Result<(), CliError> {
    match command {
        Command::Publish { file, parameters } => publish(engine, file, parameters, out).await,
        Command::Open { workflow, act, by } => open(engine, workflow, act, by.as_deref(), out).await,
        Command::Act { case, act_name, act, expect, dry_run } => {
            perform(engine, case, act_name, act, *expect, *dry_run, out).await
        }
        Command::Next { case, actor } => show::next(engine, case, actor, out).await,
        Command::Show { case } => show::case(engine, case, out).await,
        Command::Comment { case, text, who } => {
            execute(engine, case, Wish::Comment { text: text.clone() }, who, out).await
        }
        Command::Amend { case, fields, reason, who } => {
            let (_, definition) = engine.case(case).await?;
            let fields = input::fields(fields, &definition)?;
            execute(engine, case, Wish::Amend { fields, reason: reason.clone() }, who, out).await
        }
        Command::TakeBack { case, reason, who } => {
            let (state, _) = engine.case(case).await?;
            let wish = Wish::TakeBack { reason: reason.clone(), before: Box::new(state) };
            execute(engine, case, wish, who, out).await
        }
        Command::Sign { case, proposal, decline, reason, who } => {
            let wish = Wish::DecideProposal { no: *proposal, approved: !decline, reason: reason.clone() };
            execute(engine, case, wish, who, out).await
        }
        Command::Ledger(arguments) => ledger(engine, arguments, out).await,
        Command::Owes { unit } => show::owes(engine, unit.as_deref(), out).await,
        Command::Inbox { person } => show::inbox(engine, person, out).await,
        Command::Work { until, batch } => work(engine, until.as_deref(), *batch, out).await,
        Command::Status => show::status(engine, out).await,
        Command::Verify => verify(engine, out).await,
        Command::Demo { .. } | Command::Init { .. } | Command::Check { .. } | Command::Calendar { .. } => {
            Ok(())
        }
    }
}

fn usage(error: impl std::fmt::Display) -> CliError {
    CliError::Usage(error.to_string())
}

/// Opens the store and picks the tenant.
async fn open_engine(common: &Common) -> Result<Engine, CliError> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&common.store).await?);
    let tenants = store.tenants().await?;
    let tenant = match (&common.tenant, tenants.as_slice()) {
        (Some(name), tenants) => tenants
            .iter()
            .find(|tenant| tenant.as_str() == name)
            .cloned()
            .ok_or_else(|| usage(format!("there is no jurisdiction '{name}' in this store")))?,
        (None, [only]) => only.clone(),
        (None, _) => return Err(usage("the store holds several jurisdictions; name one with --tenant")),
    };
    Ok(Engine::start(store, tenant))
}

async fn init(
    common: &Common,
    organisation: &Path,
    simulated: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let text = input::read_text(organisation)?;
    let directory: Directory =
        machine::file::read(&organisation.display().to_string(), &text).map_err(usage)?;
    let china = calendar::china();
    let (clock, now) = match simulated {
        None => (Clock::Real, host_time()),
        Some(day) => {
            let day = calendar::parse_date(day).map_err(usage)?;
            let eight = NaiveTime::from_hms_opt(8, 0, 0).unwrap_or_default();
            (Clock::Simulated, Instant::new(china.instant(day, eight)))
        }
    };
    let tenant = TenantId(common.tenant.clone().unwrap_or_else(|| "default".to_owned()));
    let store = SqliteStore::create(&common.store, clock, now).await?;
    let body = serde_json::to_string(&directory).map_err(usage)?;
    store.put_organisation(&tenant, &body).await?;
    let body = serde_json::to_string(&china).map_err(usage)?;
    store.put_calendar(&tenant, china.id(), china.version(), &body).await?;
    Ok(out.say("done.initialised", &json!({ "store": common.store, "tenant": tenant }))?)
}

fn compile(path: &Path, set: &BTreeMap<String, u32>) -> Result<Definition, CliError> {
    let text = input::read_text(path)?;
    let file = machine::file::parse(&path.display().to_string(), &text).map_err(usage)?;
    Ok(Definition::compile(&file, set).map_err(engine::EngineError::Findings)?)
}

fn check(files: &[PathBuf], out: &mut Output) -> Result<(), CliError> {
    let mut bad = false;
    for path in files {
        match compile(path, &BTreeMap::new()) {
            Ok(definition) => out.line(&format!("{}: {}", path.display(), definition.digest()))?,
            Err(error) => {
                out.error(&error);
                bad = true;
            }
        }
    }
    if bad { Err(CliError::Findings) } else { Ok(()) }
}

async fn publish(
    engine: &Engine,
    file: &Path,
    parameters: &[String],
    out: &mut Output,
) -> Result<(), CliError> {
    let mut set = BTreeMap::new();
    for text in parameters {
        let (name, value) = input::pair(text)?;
        let value = value.parse().map_err(|_| usage(format!("'{value}' is no whole number")))?;
        set.insert(name.to_owned(), value);
    }
    let definition = compile(file, &set)?;
    engine.publish(&definition).await?;
    let (file, hash) = (definition.file(), definition.digest());
    let values = json!({ "workflow": file.workflow, "edition": file.edition, "hash": hash });
    Ok(out.say("done.published", &values)?)
}

/// A key for a command that brings none: such a command is not protected against being sent twice.
fn own_key() -> String {
    format!("cli-{}-{}", host_time().micros(), std::process::id())
}

async fn open(
    engine: &Engine,
    workflow: &str,
    arguments: &ActArguments,
    by: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let row = engine.newest(workflow).await?;
    let definition = engine.catalog().definition(&row.hash).await?;
    let acts = definition.file().acts.iter().filter(|(_, spec)| spec.opens).map(|(name, _)| name.as_str());
    let acts: Vec<&str> = acts.collect();
    let name = match (by, acts.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => *only,
        (None, several) => {
            return Err(usage(format!("name the opening act with --by: {}", several.join(", "))));
        }
    };
    let actor = actor(engine, &arguments.who).await?;
    let perform = input::perform(name, arguments, &definition)?;
    let key = arguments.who.key.clone().unwrap_or_else(own_key);
    let receipt = engine.open(workflow, perform, actor, Auth::Asserted, key).await?;
    let (state, _) = engine.case(&receipt.case.to_string()).await?;
    let values = json!({ "number": state.number, "case": receipt.case, "version": receipt.version });
    Ok(out.say("done.opened", &values)?)
}

async fn actor(engine: &Engine, who: &Who) -> Result<Person, CliError> {
    let directory = engine.catalog().directory().await?;
    input::person(&who.actor, &directory)
}

async fn perform(
    engine: &Engine,
    case: &str,
    name: &str,
    arguments: &ActArguments,
    expect: Option<u32>,
    dry_run: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, definition) = engine.case(case).await?;
    let perform: Perform = input::perform(name, arguments, &definition)?;
    let actor = actor(engine, &arguments.who).await?;
    let wish = Wish::Perform(perform);
    if dry_run {
        let acts = engine.dry_run(&state, &definition, &wish, &actor).await?;
        if out.json {
            return Ok(out.value(&acts)?);
        }
        out.line(&out.text("done.dry", &json!({})))?;
        return show::timeline(&acts, &definition, &state, out);
    }
    let request = Request {
        case: state.case,
        definition: None,
        command: wish,
        actor: Some(actor),
        auth: Auth::Asserted,
        key: arguments.who.key.clone(),
        expected_version: expect,
        number: None,
    };
    let receipt = engine.execute(request).await?;
    said(&receipt, &state.number, out)
}

async fn execute(
    engine: &Engine,
    case: &str,
    command: Wish,
    who: &Who,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, _) = engine.case(case).await?;
    let actor = actor(engine, who).await?;
    let request = Request {
        case: state.case,
        definition: None,
        command,
        actor: Some(actor),
        auth: Auth::Asserted,
        key: who.key.clone(),
        expected_version: None,
        number: None,
    };
    let receipt = engine.execute(request).await?;
    said(&receipt, &state.number, out)
}

fn said(receipt: &Receipt, number: &str, out: &mut Output) -> Result<(), CliError> {
    let values = json!({ "number": number, "version": receipt.version, "replayed": receipt.replayed });
    let key = if receipt.replayed { "done.replayed" } else { "done.acted" };
    Ok(out.say(key, &values)?)
}

async fn ledger(engine: &Engine, arguments: &LedgerArguments, out: &mut Output) -> Result<(), CliError> {
    let filter = Filter {
        state: arguments.state.clone(),
        unit: arguments.unit.clone(),
        area: arguments.area.clone(),
        sector: arguments.sector.clone(),
        source: arguments.source.clone(),
        overdue: arguments.overdue,
        due_from: arguments.due_from.clone(),
        due_to: arguments.due_to.clone(),
        text: arguments.text.clone(),
        after: arguments.after.clone(),
        limit: arguments.limit,
    };
    let rows = engine.store().ledger(engine.tenant(), &filter).await?;
    show::ledger(engine, &rows, arguments.csv, out).await
}

async fn work(engine: &Engine, until: Option<&str>, batch: u32, out: &mut Output) -> Result<(), CliError> {
    if let Some(day) = until {
        let day = calendar::parse_date(day).map_err(usage)?;
        let calendar = engine.catalog().calendar("cn").await?;
        let end = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
        let done = worker::simulate(engine, Instant::new(calendar.instant(day, end))).await?;
        return Ok(out.line(&format!("{} {}", done.moved, done.digests))?);
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        // Without a signal handler there is nothing to wait for: the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
    });
    worker::run(engine, batch, stopped, |error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        out.error(&CliError::Usage(text));
    })
    .await;
    Ok(())
}

async fn verify(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let report = engine::verify::verify(engine.store(), engine.tenant(), engine.catalog()).await?;
    if out.json {
        out.value(&report)?;
    } else {
        for fault in &report.faults {
            out.line(&out.text("verify.fault", fault))?;
        }
        if report.faults.is_empty() {
            out.line(&out.text("verify.clean", &report))?;
        }
    }
    if report.faults.is_empty() { Ok(()) } else { Err(CliError::Faults) }
}

fn calendar_days(from: &str, working_days: u32, out: &mut Output) -> Result<(), CliError> {
    let from = calendar::parse_date(from).map_err(usage)?;
    let china = calendar::china();
    let end = china.add_working_days(from, working_days).map_err(usage)?;
    let days = china.explain(from, end.date);
    if out.json {
        return Ok(out.value(&json!({ "due": end.date, "provisional": end.provisional, "days": days }))?);
    }
    for day in days {
        let count = day.count.map(|count| count.to_string()).unwrap_or_default();
        let name = day.holiday.unwrap_or_default();
        out.line(format!("{}  {count:>4}  {name}", day.date).trim_end())?;
    }
    Ok(())
}
