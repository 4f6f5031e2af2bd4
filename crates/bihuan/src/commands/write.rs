//! Commands that change a case.

use engine::view::Words;
use engine::{Engine, Receipt, Request, Tried};
use machine::act::Auth;
use machine::{Act, Command as Wish, Definition, Person, State};
use serde_json::json;
use store::sqlite::host_time;

use super::show;
use crate::args::{ActArguments, Who};
use crate::error::usage;
use crate::output::Output;
use crate::{CliError, input};

/// A key for a command that brings none: such a command is not protected against being sent twice.
fn own_key() -> String {
    format!("cli-{}-{}", host_time().micros(), std::process::id())
}

pub(super) async fn open(
    engine: &Engine,
    workflow: &str,
    arguments: &ActArguments,
    by: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let definition = engine.catalog().definition(&engine.newest(workflow).await?).await?;
    let opening = definition.file().acts.iter().filter(|(_, spec)| spec.opens);
    let acts: Vec<&str> = opening.clone().map(|(name, _)| name.as_str()).collect();
    let everyday: Vec<&str> =
        opening.filter(|(_, spec)| spec.everyday).map(|(name, _)| name.as_str()).collect();
    let in_file = input::file(arguments)?;
    let named = in_file.as_ref().map(|perform| perform.act.clone());
    let name = match (by.or(named.as_deref()), everyday.as_slice(), acts.as_slice()) {
        (Some(name), _, _) => name,
        (None, [only], _) | (None, _, [only]) => *only,
        (None, _, several) => {
            return Err(usage("BH0061", json!({ "known": several })));
        }
    };
    let actor = actor(engine, &arguments.who).await?;
    let perform = input::perform(Some(name), in_file, arguments, &definition)?;
    let key = arguments.who.key.clone().unwrap_or_else(own_key);
    let issues = perform.issue.is_some();
    let receipt = engine.open(workflow, perform, actor, Auth::Asserted, key).await?;
    let (state, _) = engine.case(&receipt.case.to_string()).await?;
    let document = issued(engine, issues, &receipt).await?;
    let values = json!({
        "number": state.number, "case": receipt.case, "version": receipt.version, "document": document,
    });
    Ok(out.say("done.opened", &values)?)
}

async fn actor(engine: &Engine, who: &Who) -> Result<Person, CliError> {
    let directory = engine.catalog().directory().await?;
    input::person(&who.actor, &directory)
}

pub(super) async fn perform(
    engine: &Engine,
    case: &str,
    name: Option<&str>,
    arguments: &ActArguments,
    expect: Option<u32>,
    dry_run: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, definition) = engine.case(case).await?;
    let perform = input::perform(name, input::file(arguments)?, arguments, &definition)?;
    let actor = actor(engine, &arguments.who).await?;
    let request = Request {
        case: state.case,
        definition: None,
        command: Wish::Perform(perform),
        actor: Some(actor),
        auth: Auth::Asserted,
        key: arguments.who.key.clone(),
        expected_version: expect,
    };
    let issues = request.command.issues();
    let receipt = if dry_run {
        match engine.dry_run(&state, &definition, &request).await? {
            Tried::Acts(acts) => return tried(engine, &state, &definition, &acts, out).await,
            Tried::Replayed(receipt) => receipt,
        }
    } else {
        engine.execute(request).await?
    };
    said(engine, issues, &receipt, &state.number, out).await
}

/// The acts a command would write.
async fn tried(
    engine: &Engine,
    state: &State,
    definition: &Definition,
    acts: &[Act],
    out: &mut Output,
) -> Result<(), CliError> {
    if out.json {
        return Ok(out.value(&acts)?);
    }
    let directory = engine.catalog().directory().await?;
    let calendar = engine.catalog().calendar(&definition.file().calendar).await?;
    let words = Words { language: out.language, definition, directory: &directory, calendar: &calendar };
    out.line(&out.text("done.dry", &json!({})))?;
    show::timeline(&words.timeline(acts, state), &words, out)
}

/// One document over several cases.
pub(super) async fn order(
    engine: &Engine,
    name: Option<&str>,
    cases: &[String],
    arguments: &ActArguments,
    out: &mut Output,
) -> Result<(), CliError> {
    let actor = actor(engine, &arguments.who).await?;
    let in_file = input::file(arguments)?;
    let mut requests = Vec::new();
    for case in cases {
        let (number, own) = case.split_once(',').unwrap_or((case, ""));
        let (state, definition) = engine.case(number).await?;
        let mut perform = input::perform(name, in_file.clone(), arguments, &definition)?;
        let own: Vec<String> = own.split(',').filter(|field| !field.is_empty()).map(str::to_owned).collect();
        perform.fields.extend(input::fields(&own, &definition)?);
        requests.push(Request {
            case: state.case,
            definition: None,
            command: Wish::Perform(perform),
            actor: Some(actor.clone()),
            auth: Auth::Asserted,
            key: None,
            expected_version: None,
        });
    }
    let issues = requests.iter().any(|request| request.command.issues());
    let receipts = engine.execute_all(requests, arguments.who.key.clone()).await?;
    let document = match receipts.first() {
        Some(receipt) => issued(engine, issues, receipt).await?,
        None => None,
    };
    Ok(out.say("done.order", &json!({ "cases": receipts.len(), "document": document }))?)
}

pub(super) async fn execute(
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
    };
    let issues = request.command.issues();
    let receipt = engine.execute(request).await?;
    said(engine, issues, &receipt, &state.number, out).await
}

/// The document number a command took, also when it is answered a second time.
async fn issued(engine: &Engine, issues: bool, receipt: &Receipt) -> Result<Option<String>, CliError> {
    if !issues {
        return Ok(None);
    }
    let acts = engine.acts(receipt.case).await?;
    let act = acts.iter().find(|act| act.version == receipt.version);
    Ok(act.and_then(Act::document).map(ToString::to_string))
}

async fn said(
    engine: &Engine,
    issues: bool,
    receipt: &Receipt,
    number: &str,
    out: &mut Output,
) -> Result<(), CliError> {
    let document = issued(engine, issues, receipt).await?;
    let values = json!({
        "number": number, "version": receipt.version, "replayed": receipt.replayed, "document": document,
    });
    let key = if receipt.replayed { "done.replayed" } else { "done.acted" };
    Ok(out.say(key, &values)?)
}
