//! What an error says: its code, what is wrong, and what to do.

use calendar::CalendarError;
use machine::Refusal;
use machine::file::FileError;
use serde::Serialize;
use serde_json::{Value, json};
use store::StoreError;

use super::{Language, problem, text, texts};
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
        EngineError::Findings(findings) => {
            let lines = findings.iter().map(|f| format!("{} {}: {}", f.code, f.path, f.message));
            return lines.collect::<Vec<_>>().join("\n");
        }
        EngineError::Unsound(problems) => {
            let lines = problems.iter().map(|found| problem(language, found));
            return lines.collect::<Vec<_>>().join("\n");
        }
        EngineError::NoWorkflow(name)
        | EngineError::NoCase(name)
        | EngineError::NoCalendar(name)
        | EngineError::CalendarVersion(name)
        | EngineError::Stored(name) => json!({ "name": name }),
        EngineError::Damaged(damage) => json!(damage),
        EngineError::Broken(problem) => json!({ "problem": problem }),
        EngineError::Failing(failed) => {
            let line =
                |failed: &Failed| format!("{}: {}", failed.number, self::error(language, &failed.error));
            let lines: Vec<String> = failed.iter().take(NAMED_MAX).map(line).collect();
            json!({ "lines": lines, "more": failed.len().saturating_sub(NAMED_MAX) })
        }
        EngineError::GroupBad => json!({ "most": crate::GROUP_MAX }),
        EngineError::KeyReused | EngineError::KeyBad | EngineError::Contended | EngineError::Stopped => {
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
        StoreError::Inconsistent(damage) => json!(damage),
        StoreError::RowsAffected { statement, expected, actual } => {
            json!({ "statement": statement, "expected": expected, "actual": actual })
        }
        StoreError::Shared(cause) => json!({ "cause": cause }),
        StoreError::Unfit(unfit) => json!(unfit),
        StoreError::RealClock | StoreError::ClockBackwards => json!({}),
    };
    said(language, error.code(), &values)
}

/// An error and what caused it, in the words of the database.
fn causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
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
pub fn file_error(language: Language, file: &str, error: &FileError) -> String {
    let place =
        if error.line > 0 { format!("{file}:{}:{}", error.line, error.column) } else { file.to_owned() };
    let mut said = format!("WF0000: {place}: {}", reader(language, &error.problem));
    if let Some((_, pointed)) = error.message.split_once('\n') {
        said = format!("{said}\n{pointed}");
    }
    said
}

/// What a reader of YAML or JSON found, where it is one of the usual faults; else in its own words.
pub fn reader(language: Language, problem: &str) -> String {
    let mut quoted = problem.split('`').skip(1).step_by(2);
    let name = quoted.next();
    let known: Vec<&str> = quoted.collect();
    let faults =
        [("unknown field", "unknown"), ("missing field", "missing"), ("duplicate field", "duplicate")];
    let fault = faults.iter().find(|(words, _)| problem.contains(words));
    match (fault, name) {
        (Some((_, fault)), Some(name)) => {
            text(language, &format!("reader.{fault}"), &json!({ "name": name, "known": known }))
        }
        _ => text(language, "reader.other", &json!({ "problem": problem })),
    }
}

/// What a refusal says: what is wrong, where, and what to do.
pub fn refusal(language: Language, refusal: &Refusal) -> String {
    let mut values = json!(refusal);
    // A type is called by its name in the language of the reader.
    if let Refusal::BadField { expected, .. } = refusal {
        let key = format!("type.{expected}");
        if texts(language).contains_key(&key) {
            values["expected"] = Value::String(text(language, &key, &json!({})));
        }
    }
    let key = format!("refusal.{}", values["refusal"].as_str().unwrap_or_default());
    format!("{}: {}", refusal.code(), text(language, &key, &values))
}
