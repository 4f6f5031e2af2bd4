//! What an error says: its code, what is wrong, and what to do.

use calendar::CalendarError;
use calendar::yaml::ReadFault;
use machine::Refusal;
use machine::command::FieldProblem;
use machine::file::FileError;
use serde::Serialize;
use serde_json::{Value, json};
use store::{Damage, StoreError, Wrong};

use super::{Language, problem, text, texts};
use crate::sweep::LOAD_CALENDAR;
use crate::verify::{Fault, How};
use crate::view::needs_in_words;
use crate::{EngineError, Failed};

/// Failing cases named in one text; the others are counted.
const NAMED_MAX: usize = 20;

/// The text of an error that has nothing but a code and values.
pub fn said(language: Language, code: &str, values: &impl Serialize) -> String {
    format!("{code}: {}", text(language, &format!("error.{code}"), values))
}

/// What an error of the engine says.
pub fn error(language: Language, error: &EngineError) -> String {
    let values = match error {
        EngineError::Refused(why) => return refusal(language, why),
        EngineError::RefusedIn { number, refusal: why } => {
            return format!("{number}: {}", refusal(language, why));
        }
        EngineError::Store(error) => return store_error(language, error),
        EngineError::Findings(problems) | EngineError::Unsound(problems) => {
            let lines = problems.iter().map(|found| problem(language, found));
            return lines.collect::<Vec<_>>().join("\n");
        }
        EngineError::NoWorkflow(name)
        | EngineError::NoCase(name)
        | EngineError::NoCalendar(name)
        | EngineError::CalendarVersion(name)
        | EngineError::Stored(name) => json!({ "name": name }),
        EngineError::Damaged(damage) => damaged(language, damage),
        EngineError::Broken(problem) => json!({ "problem": problem }),
        EngineError::Failing(failed) => {
            let line =
                |failed: &Failed| format!("{}: {}", failed.number, self::error(language, &failed.error));
            let lines: Vec<String> = failed.iter().take(NAMED_MAX).map(line).collect();
            json!({ "lines": lines, "more": failed.len().saturating_sub(NAMED_MAX) })
        }
        EngineError::CopyFaulty { tenant, faults } => json!({ "tenant": tenant, "faults": faults }),
        EngineError::CopyChanged(table) => json!({ "table": table }),
        EngineError::GroupBad => json!({ "most": crate::GROUP_MAX }),
        EngineError::KeyReused
        | EngineError::KeyBad
        | EngineError::Contended
        | EngineError::Busy
        | EngineError::Stopped => {
            json!({})
        }
    };
    said(language, error.code(), &values)
}

/// What an error of the store says.
pub fn store_error(language: Language, error: &StoreError) -> String {
    let values = match error {
        StoreError::Database(cause) => json!({ "cause": causes(cause) }),
        StoreError::Migrate(cause) => json!({ "cause": causes(cause) }),
        StoreError::Inconsistent(damage) => damaged(language, damage),
        StoreError::RowsAffected { table, expected, actual } => {
            json!({ "table": table, "expected": expected, "actual": actual })
        }
        StoreError::Shared(cause) => json!({ "cause": cause }),
        StoreError::Unfit(unfit) => json!(unfit),
        StoreError::RealClock
        | StoreError::ClockBackwards
        | StoreError::Full
        | StoreError::Held
        | StoreError::ReadOnly => json!({}),
    };
    said(language, error.code(), &values)
}

/// A damaged row, and what is wrong with it in words.
fn damaged(language: Language, damage: &Damage) -> Value {
    let mut values = json!(damage);
    values["problem"] = wrong(language, &damage.problem).into();
    values
}

fn wrong(language: Language, problem: &Wrong) -> String {
    let values = json!(problem);
    text(language, &format!("damage.{}", values["wrong"].as_str().unwrap_or_default()), &values)
}

/// What `verify` found, and what that means in words.
pub fn fault(language: Language, fault: &Fault) -> Value {
    let mut values = json!(fault);
    if let How::Damaged { problem } = &fault.how {
        values["problem"] = wrong(language, problem).into();
    }
    let key = format!("fault.{}", values["how"].as_str().unwrap_or_default());
    values["said"] = text(language, &key, &values).into();
    values
}

/// An error and what caused it, in the words of the database.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        // Some errors repeat what caused them.
        if !said.ends_with(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        source = cause.source();
    }
    said
}

/// What an error of a calendar or a date says, with its place where it stands in a file.
pub fn calendar_error(language: Language, error: &CalendarError) -> String {
    if let CalendarError::InFile { file, line, column, fault } = error {
        return format!("{file}:{line}:{column}: {}", calendar_error(language, fault));
    }
    let mut values = json!(error);
    if let CalendarError::Unreadable { problem } = error {
        values["problem"] = reader(language, problem).into();
    }
    values["earliest"] = json!(calendar::EARLIEST);
    values["latest"] = json!(calendar::LATEST);
    let key = format!("calendar.{}", values["error"].as_str().unwrap_or_default());
    format!("{}: {}", error.code(), text(language, &key, &values))
}

/// What an error in the structure of a file says, with the line and a caret under the place.
pub fn file_error(language: Language, error: &FileError) -> String {
    let FileError { file, fault, line, column, excerpt } = error;
    let place = if *line > 0 { format!("{file}:{line}:{column}") } else { file.clone() };
    let said = format!("WF0000: {place}: {}", reader(language, fault));
    if excerpt.is_empty() { said } else { format!("{said}\n{excerpt}") }
}

/// What is wrong with the structure of a file; what is nothing usual, in the words of its reader.
pub fn reader(language: Language, fault: &ReadFault) -> String {
    let mut values = json!(fault);
    if let ReadFault::Unfit { expected, .. } = fault {
        let key = format!("reader.needed.{expected}");
        if texts(language).contains_key(&key) {
            values["expected"] = Value::String(text(language, &key, &json!({})));
        }
    }
    let key = match fault {
        ReadFault::Syntax { .. } => {
            format!("reader.syntax.{}", values["problem"].as_str().unwrap_or_default())
        }
        _ => format!("reader.{}", values["fault"].as_str().unwrap_or_default()),
    };
    text(language, &key, &values)
}

/// What is wrong with a text given as a date.
fn date_fault(language: Language, refusal: &Refusal) -> Option<String> {
    let Refusal::BadField { problem: FieldProblem::Type, value, expected, .. } = refusal else { return None };
    // A personal value is not repeated.
    let error = calendar::parse_date(value).err().filter(|_| expected == "date" && !value.is_empty())?;
    let said = calendar_error(language, &error);
    Some(said.split_once(": ").map_or(said.as_str(), |(_, said)| said).to_owned())
}

/// What a refusal says: what is wrong, where, and what to do. By the ids of the workflow file; where that and the
/// organisation are known, [`Words`](crate::view::Words) tells it by their titles and names.
pub fn refusal(language: Language, refusal: &Refusal) -> String {
    let mut values = json!(refusal);
    if let Refusal::Guard { needs, .. } = refusal {
        let said = |need| needs_in_words(language, need, &|condition| condition.text.clone());
        values["needs"] = needs.iter().map(said).collect();
    }
    refused(language, refusal, values)
}

/// The text of a refusal with these values.
pub(crate) fn refused(language: Language, refusal: &Refusal, mut values: Value) -> String {
    // A type is called by its name in the language of the reader.
    if let Refusal::BadField { expected, .. } = refusal {
        let key = format!("type.{expected}");
        if texts(language).contains_key(&key) {
            values["expected"] = Value::String(text(language, &key, &json!({})));
        }
    }
    if let Refusal::BadField { .. } = refusal {
        values["fault"] = json!(date_fault(language, refusal));
    }
    let key = match refusal {
        // Of no workflow, so that no file has words for it.
        Refusal::Role { act, .. } if act == LOAD_CALENDAR => "refusal.load_calendar".to_owned(),
        _ => format!("refusal.{}", values["refusal"].as_str().unwrap_or_default()),
    };
    format!("{}: {}", refusal.code(), text(language, &key, &values))
}
