//! Workflow files on trial: proved by the checker, or played through once.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use engine::proof::{Proved, prove};
use engine::text;
use engine::view::Words;
use machine::Definition;
use machine::check::{self, Property, Verdict};
use serde_json::{Value, json};

use super::{setup, show};
use crate::CliError;
use crate::error::{usage, verdict};
use crate::output::Output;

pub(super) fn check(files: &[PathBuf], out: &mut Output) -> Result<(), CliError> {
    let (mut bad, mut unread) = (false, None);
    let mut all = Vec::new();
    // A reader that went away leaves the other files to be checked all the same.
    let mut printed = Ok(());
    for path in files {
        let name = path.display().to_string();
        match setup::compile(path, &BTreeMap::new()) {
            Ok(definition) => {
                let proved = prove(&definition);
                bad |= proved.iter().any(|proved| proved.outcome.verdict != Verdict::Holds);
                if out.json {
                    let properties: Vec<Value> =
                        proved.iter().map(|proved| property_json(proved, out)).collect();
                    let digest = definition.digest();
                    all.push(json!({ "file": name, "digest": digest, "properties": properties }));
                } else {
                    printed = printed.and(print(&name, &definition, &proved, out));
                }
            }
            // A file that is not there has no findings; the others are checked all the same.
            Err(error @ CliError::Usage { .. }) => {
                if let Some(before) = unread.replace(error) {
                    out.error(&before);
                }
            }
            Err(error) => {
                bad = true;
                match error.findings() {
                    Some(found) if out.json => {
                        all.push(json!({ "file": name, "findings": out.findings(found) }));
                    }
                    _ => out.error(&error),
                }
            }
        }
    }
    if out.json {
        printed = out.value(&all);
    }
    verdict(printed, !bad && unread.is_none(), unread.unwrap_or(CliError::Findings))
}

/// A property and how it came out, every finding with its text.
fn property_json(proved: &Proved, out: &Output) -> Value {
    let mut value = json!(proved);
    value["problems"] = out.findings(&proved.outcome.problems).into();
    value
}

fn print(name: &str, definition: &Definition, proved: &[Proved], out: &mut Output) -> io::Result<()> {
    let problems = proved.iter().flat_map(|proved| &proved.outcome.problems);
    let findings = problems.clone().count();
    let states: usize = proved.iter().map(|proved| proved.outcome.states).sum();
    let time_us: u128 = proved.iter().map(|proved| proved.time_us).sum();
    let values = json!({
        "file": name, "findings": findings, "properties": proved.len(), "states": states,
        "ms": time_us.div_ceil(1_000),
    });
    let key = if findings == 0 { "check.passed" } else { "check.failed" };
    out.line(&out.text(key, &values))?;
    let header = ["property", "states", "time", "verdict"];
    let header = header.map(|column| out.text(&format!("check.header.{column}"), &json!({})));
    let rows = proved.iter().map(|proved| {
        let verdict = match proved.outcome.verdict {
            Verdict::Holds => "verdict.holds",
            Verdict::Fails => "verdict.fails",
            Verdict::TooLarge => "verdict.too_large",
        };
        vec![
            property(&proved.property, definition, out),
            proved.outcome.states.to_string(),
            format!("{}.{} ms", proved.time_us / 1_000, proved.time_us % 1_000 / 100),
            out.text(verdict, &json!({})),
        ]
    });
    let rows = rows.collect();
    out.table(&header, rows)?;
    for problem in problems {
        out.line(&text::problem(out.language, problem))?;
    }
    Ok(())
}

/// What a property says, with the titles of the file.
fn property(property: &Property, definition: &Definition, out: &Output) -> String {
    let values = match property {
        Property::Ends { track } | Property::Clocked { track } => {
            let title = definition.file().tracks.get(track).map(|track| show::label(out, &track.title));
            json!({ "track": title.unwrap_or(track) })
        }
        Property::Never { index } => {
            let title = definition.file().never.get(*index).map(|never| never.title.clone());
            let title = title.unwrap_or_default();
            json!({ "title_zh": title.zh, "title_en": title.en })
        }
        Property::Structure
        | Property::Reachable
        | Property::FourPeople
        | Property::Reinspected
        | Property::ThirdPerson
        | Property::Steps => Value::Null,
    };
    out.text(&format!("property.{}", property.key()), &values)
}

fn no_play(error: &check::AttemptError) -> CliError {
    let step = match error {
        check::AttemptError::NoEnd => None,
        check::AttemptError::Refused(
            check::ReplayError::Refused { step, .. } | check::ReplayError::NoClock { step, .. },
        ) => Some(step + 1),
        check::AttemptError::Refused(check::ReplayError::NotBad(_)) => Some(0),
    };
    usage("BH0073", json!({ "step": step }))
}

/// Plays one invented case through a file and prints its timeline.
pub(super) fn attempt(path: &Path, out: &mut Output) -> Result<(), CliError> {
    let definition = setup::compile(path, &BTreeMap::new())?;
    let id = &definition.file().calendar;
    let calendar = calendar::shipped().into_iter().find(|calendar| calendar.id() == id);
    let calendar = calendar.ok_or_else(|| engine::EngineError::NoCalendar(id.clone()))?;
    let attempt = check::attempt(&definition, &calendar).map_err(|error| no_play(&error))?;
    if out.json {
        return Ok(out.value(&json!({ "state": attempt.state, "acts": attempt.acts }))?);
    }
    let opened = calendar.local_date(attempt.state.opened_at.utc());
    let ended = calendar.local_date(attempt.state.last_at.utc());
    let values = json!({
        "title": show::label(out, &definition.file().title), "acts": attempt.acts.len(),
        "days": (ended - opened).num_days() + 1,
    });
    out.line(&out.text("try.title", &values))?;
    let nobody = machine::Directory::default();
    let words =
        Words { language: out.language, definition: &definition, directory: &nobody, calendar: &calendar };
    show::timeline(&words.timeline(&attempt.acts, &attempt.state), &words, out)
}
