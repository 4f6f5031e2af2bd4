//! Setting up: a store, workflow files, calendars.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveTime;
use engine::Engine;
use machine::command::Directory;
use machine::file::FileError;
use machine::organisation::OrganisationFault;
use machine::value::TenantId;
use machine::{Definition, Instant};
use serde_json::json;
use store::sqlite::{SqliteStore, host_time};
use store::{Clock, Place, Store};

use crate::args::Common;
use crate::error::{no_json, unwritable, usage};
use crate::output::Output;
use crate::{CliError, input};

pub(super) async fn init(
    common: &Common,
    organisation: &Path,
    calendars: &[PathBuf],
    simulated: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let text = input::read_text(organisation)?;
    let directory: Directory = structured(organisation, machine::file::read, &text)?;
    let tenant = TenantId(common.tenant.clone().unwrap_or_else(|| "default".to_owned()));
    agrees(organisation, &directory, &tenant, out)?;
    let calendars = calendars_with(calendars)?;
    let local = calendars.iter().find(|calendar| calendar.id() == directory.calendar());
    let local = local.ok_or_else(|| engine::EngineError::NoCalendar(directory.calendar().to_owned()))?;
    let (clock, now) = match simulated {
        None => (Clock::Real, host_time()),
        Some(day) => {
            let day = calendar::parse_date(day)?;
            let eight = NaiveTime::from_hms_opt(8, 0, 0).unwrap_or_default();
            (Clock::Simulated, Instant::new(local.instant(day, eight)))
        }
    };
    let place = common.place();
    match &place {
        Place::File(path) => make_file(path, (clock, now), &tenant, &directory, &calendars).await?,
        Place::Server(_) => {
            let store = place.create(clock, now).await?;
            fill(store.as_ref(), &tenant, &directory, &calendars).await?;
        }
    }
    Ok(out.say("done.initialised", &json!({ "store": place.to_string(), "tenant": tenant }))?)
}

/// A store in a file that was not there.
async fn make_file(
    path: &Path,
    clock: (Clock, Instant),
    tenant: &TenantId,
    directory: &Directory,
    calendars: &[calendar::Calendar],
) -> Result<(), CliError> {
    let exists = || {
        let path = path.display().to_string();
        CliError::from(store::StoreError::Unfit(store::Unfit::Exists { path }))
    };
    if path.exists() {
        return Err(exists());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    if let Some(folder) = folder {
        return Err(usage("BH0079", json!({ "folder": folder.display().to_string() })));
    }
    // Made whole under a name of this process alone, and then given its own: an `init` cut short leaves no
    // half a store, and whatever lies there already stays, whoever was faster.
    let unfinished = beside(path, &format!(".{}.unfinished", std::process::id()));
    let made = make(&unfinished, clock, tenant, directory, calendars).await;
    let named = made.and_then(|()| {
        std::fs::hard_link(&unfinished, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(),
            _ => unwritable(path, &error),
        })
    });
    // Whatever happened: what was unfinished goes, and what SQLite put beside it.
    let gone = std::fs::remove_file(&unfinished);
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(beside(&unfinished, suffix)));
    }
    named?;
    gone.map_err(|error| unwritable(&unfinished, &error))
}

/// A store in one file, whole: with everything in it that was to be, and nothing left in its log.
async fn make(
    path: &Path,
    (clock, now): (Clock, Instant),
    tenant: &TenantId,
    directory: &Directory,
    calendars: &[calendar::Calendar],
) -> Result<(), CliError> {
    let store = SqliteStore::create(path, clock, now).await?;
    let filled = fill(&store, tenant, directory, calendars).await;
    let closed = store.close().await;
    filled?;
    closed?;
    // A link would name the file alone, without its log.
    match std::fs::metadata(beside(path, "-wal")) {
        Ok(log) if log.len() > 0 => Err(store::StoreError::Full.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The file of this name and suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Refuses an organisation that does not agree with itself, and says all that is wrong.
fn agrees(file: &Path, directory: &Directory, tenant: &TenantId, out: &Output) -> Result<(), CliError> {
    let faults = directory.faults(tenant);
    if faults.is_empty() {
        return Ok(());
    }
    let line = |fault: &OrganisationFault| {
        let name = match fault {
            OrganisationFault::Tenant { .. } => "tenant",
            OrganisationFault::UnitTwice { .. } => "unit_twice",
            OrganisationFault::PostTwice { .. } => "post_twice",
            OrganisationFault::PostNowhere { .. } => "post_nowhere",
            OrganisationFault::RegisterCode { .. } => "register_code",
            OrganisationFault::RegisterPaper { .. } => "register_paper",
            OrganisationFault::RegisterTwice { .. } => "register_twice",
            OrganisationFault::DepartmentNowhere { .. } => "department_nowhere",
        };
        out.text(&format!("organisation.{name}"), fault)
    };
    let lines: Vec<String> = faults.iter().map(line).collect();
    Err(usage("BH0076", json!({ "file": file.display().to_string(), "lines": lines })))
}

/// What a store begins with.
async fn fill(
    store: &dyn Store,
    tenant: &TenantId,
    directory: &Directory,
    calendars: &[calendar::Calendar],
) -> Result<(), CliError> {
    for calendar in calendars {
        let body = serde_json::to_string(calendar).map_err(no_json)?;
        store.put_calendar(tenant, calendar.id(), calendar.version(), &body).await?;
    }
    // The last: a database that holds a jurisdiction is a store, and one without may be begun anew.
    let body = serde_json::to_string(directory).map_err(no_json)?;
    Ok(store.put_organisation(tenant, &body).await?)
}

/// The calendars that come with the program, and those from files in place of or beside them.
fn calendars_with(files: &[PathBuf]) -> Result<Vec<calendar::Calendar>, CliError> {
    let mut calendars = calendar::shipped();
    for path in files {
        let text = input::read_text(path)?;
        let calendar = calendar::parse_calendar(&path.display().to_string(), &text)?;
        calendars.retain(|other| other.id() != calendar.id());
        calendars.push(calendar);
    }
    Ok(calendars)
}

/// Reads a file of ours, and says where its structure is wrong.
fn structured<T>(
    path: &Path,
    read: impl Fn(&str, &str) -> Result<T, FileError>,
    text: &str,
) -> Result<T, CliError> {
    Ok(read(&path.display().to_string(), text)?)
}

pub(super) fn compile(path: &Path, set: &BTreeMap<String, u32>) -> Result<Definition, CliError> {
    let text = input::read_text(path)?;
    let file = structured(path, machine::file::parse, &text)?;
    let definition = Definition::compile(&file, set).map_err(engine::EngineError::Findings)?;
    let findings = engine::notice::findings(&definition);
    if findings.is_empty() { Ok(definition) } else { Err(engine::EngineError::Findings(findings).into()) }
}

pub(super) async fn publish(
    engine: &Engine,
    file: &Path,
    parameters: &[String],
    out: &mut Output,
) -> Result<(), CliError> {
    let mut set = BTreeMap::new();
    for text in parameters {
        let (name, value) = input::pair(text)?;
        let value = value.parse().map_err(|_| usage("BH0060", json!({ "text": value })))?;
        if set.insert(name.to_owned(), value).is_some() {
            return Err(input::twice(name));
        }
    }
    let definition = compile(file, &set)?;
    engine.publish(&definition).await?;
    let (file, hash) = (definition.file(), definition.digest());
    let values = json!({ "workflow": file.workflow, "edition": file.edition, "hash": hash });
    Ok(out.say("done.published", &values)?)
}

/// Keeps a new version of a calendar and counts every open date again.
pub(super) async fn load_calendar(
    engine: &Engine,
    file: &Path,
    actor: &str,
    out: &mut Output,
) -> Result<(), CliError> {
    let (name, text) = (file.display().to_string(), input::read_text(file)?);
    // A notice tells the days of one year: it is added to the calendar of this place. Its version comes
    // from its bytes, so that the same file loaded twice is one version.
    let calendar = if text.lines().any(|line| line.starts_with("calendar:")) {
        calendar::parse_calendar(&name, &text)?
    } else {
        let year = calendar::parse_year(&name, &text)?;
        let digest = machine::act::digest_hex(text.as_bytes());
        let version = format!("{}-{}", year.year, digest.get(..8).unwrap_or_default());
        engine.catalog().local_calendar().await?.with_year(&version, year)?
    };
    let directory = engine.catalog().directory().await?;
    let actor = input::person(actor, &directory)?;
    let moved = engine.load_calendar(&calendar, &actor).await?;
    let values = json!({ "calendar": calendar.id(), "version": calendar.version(), "moved": moved });
    Ok(out.say("done.calendar", &values)?)
}

/// Counts working days, day by day.
pub(super) fn calendar_days(
    calendar: &calendar::Calendar,
    from: &str,
    working_days: u32,
    out: &mut Output,
) -> Result<(), CliError> {
    let from = calendar::parse_date(from)?;
    let end = calendar.add_working_days(from, working_days)?;
    let days = calendar.explain(from, end.date);
    let (id, version) = (calendar.id(), calendar.version());
    if out.json {
        return Ok(out.value(&json!({
            "calendar": id, "version": version, "due": end.date, "provisional": end.provisional, "days": days,
        }))?);
    }
    out.line(&out.text("days.calendar", &json!({ "id": id, "version": version })))?;
    for day in days {
        let count = day.count.map(|count| count.to_string()).unwrap_or_default();
        let what = out.text("days.day", &day);
        out.line(format!("{}  {count:>4}  {what}", day.date).trim_end())?;
    }
    let values = json!({
        "from": from, "count": working_days, "due": end.date, "provisional": end.provisional,
    });
    Ok(out.line(&out.text("days.end", &values))?)
}
