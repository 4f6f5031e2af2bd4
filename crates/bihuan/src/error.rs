//! What the command line can fail with.

use std::io;
use std::path::Path;

use calendar::CalendarError;
use calendar::yaml::ReadFault;
use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use engine::EngineError;
use engine::text::{self, Language};
use machine::file::FileError;
use machine::{Problem, Refusal};
use serde_json::{Value, json};
use store::StoreError;

use crate::args::Arguments;

/// What the command line can fail with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Of the engine, told in the words of the workflow it is about.
    #[error("{text}")]
    Told { error: EngineError, text: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The structure of a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// An act in JSON that cannot be read.
    #[error("{file}:{line}:{column}: {fault:?}")]
    Json { file: String, line: usize, column: usize, fault: ReadFault },
    /// Wrong usage; the text is made from the code and the values.
    #[error("{code}")]
    Usage { code: &'static str, values: Value },
    #[error("cannot write")]
    Write(#[from] io::Error),
    /// The check found something; it is printed already.
    #[error("findings")]
    Findings,
    /// `verify` found something; it is printed already.
    #[error("faults")]
    Faults,
}

/// Wrong usage.
pub(crate) fn usage(code: &'static str, values: Value) -> CliError {
    CliError::Usage { code, values }
}

/// A file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> CliError {
    usage("BH0054", json!({ "file": path.display().to_string(), "problem": problem(error) }))
}

/// What is wrong with a file: a name for what is usual, the words of the system for anything else.
fn problem(error: &io::Error) -> String {
    let name = match error.kind() {
        io::ErrorKind::NotFound => "missing",
        io::ErrorKind::PermissionDenied => "denied",
        io::ErrorKind::IsADirectory => "folder",
        io::ErrorKind::AlreadyExists => "exists",
        io::ErrorKind::NotADirectory => "no_folder",
        io::ErrorKind::StorageFull => "full",
        io::ErrorKind::ReadOnlyFilesystem => "read_only",
        _ => return error.to_string(),
    };
    name.to_owned()
}

/// A pipe, a device or a socket where a file is needed.
pub(crate) fn special(path: &Path) -> CliError {
    usage("BH0054", json!({ "file": path.display().to_string(), "problem": "special" }))
}

/// A file or folder that cannot be written.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> CliError {
    usage("BH0072", json!({ "file": path.display().to_string(), "problem": problem(error) }))
}

/// A value of ours that does not become JSON: a fault of the program.
pub(crate) fn no_json(error: serde_json::Error) -> CliError {
    EngineError::Stored(error.to_string()).into()
}

/// How a command ends that was asked whether all is well. Its reader may go away, as that of any other, but
/// that turns no fault into success.
pub(crate) fn verdict(printed: io::Result<()>, good: bool, bad: CliError) -> Result<(), CliError> {
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) if good => Ok(()),
        Ok(()) | Err(_) => Err(bad),
    }
}

impl CliError {
    /// Stable: 1 failure, 2 bad usage, 3 refused, 4 findings in a file, 5 verification failed.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CliError::Told { error, .. } if error.refusal().is_some() => 3,
            CliError::Engine(
                EngineError::Refused(_) | EngineError::RefusedIn { .. } | EngineError::KeyReused,
            ) => 3,
            CliError::Engine(EngineError::Findings(_) | EngineError::Unsound(_)) | CliError::Findings => 4,
            CliError::Faults => 5,
            CliError::Usage { .. }
            | CliError::Calendar(_)
            | CliError::File(_)
            | CliError::Json { .. }
            | CliError::Engine(
                EngineError::NoCase(_)
                | EngineError::NoWorkflow(_)
                | EngineError::KeyBad
                | EngineError::GroupBad
                | EngineError::CalendarVersion(_)
                | EngineError::Store(StoreError::RealClock | StoreError::ClockBackwards),
            )
            | CliError::Store(StoreError::Unfit(_) | StoreError::RealClock | StoreError::ClockBackwards) => 2,
            CliError::Engine(_) | CliError::Told { .. } | CliError::Store(_) | CliError::Write(_) => 1,
        }
    }

    /// A stable code; none for what is printed already.
    pub(crate) fn code(&self) -> Option<&'static str> {
        Some(match self {
            CliError::Engine(error) | CliError::Told { error, .. } => error.code(),
            CliError::Store(error) => error.code(),
            CliError::Calendar(error) => error.code(),
            CliError::File(_) => "WF0000",
            CliError::Json { .. } => "BH0070",
            CliError::Usage { code, .. } => code,
            CliError::Write(_) => "BH0075",
            CliError::Findings | CliError::Faults => return None,
        })
    }

    /// What was refused, as it stands in the record.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            CliError::Engine(error) | CliError::Told { error, .. } => error.refusal(),
            _ => None,
        }
    }

    /// What was found in a workflow file, or in the organisation that has to carry it.
    pub(crate) fn findings(&self) -> Option<&[Problem]> {
        match self {
            CliError::Engine(EngineError::Findings(found) | EngineError::Unsound(found)) => Some(found),
            _ => None,
        }
    }

    /// What is wrong and what to do; none for what is printed already.
    pub(crate) fn text(&self, language: Language) -> Option<String> {
        Some(match self {
            CliError::Engine(error) => text::error(language, error),
            CliError::Told { text, .. } => text.clone(),
            CliError::Store(error) => text::store_error(language, error),
            CliError::Calendar(error) => text::calendar_error(language, error),
            CliError::File(error) => text::file_error(language, error),
            CliError::Json { file, line, column, fault } => {
                let problem = text::reader(language, fault);
                let values = json!({ "file": file, "line": line, "column": column, "problem": problem });
                text::said(language, "BH0070", &values)
            }
            CliError::Usage { code, values } => text::said(language, code, values),
            CliError::Write(error) => {
                text::said(language, "BH0075", &json!({ "problem": error.to_string() }))
            }
            CliError::Findings | CliError::Faults => return None,
        })
    }
}

/// Arguments that cannot be parsed, in the language of the reader.
pub(crate) fn wrong_usage(language: Language, wrong: &clap::Error) -> CliError {
    let strings = |kind| match wrong.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(several)) => several.clone(),
        _ => Vec::new(),
    };
    let one = |kind| strings(kind).into_iter().next();
    let name = one(ContextKind::InvalidArg).or_else(|| one(ContextKind::InvalidSubcommand));
    let (key, values) = match wrong.kind() {
        ErrorKind::UnknownArgument => ("unknown_argument", json!({ "name": name })),
        ErrorKind::InvalidSubcommand => ("unknown_command", json!({ "name": name })),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ("no_command", json!({}))
        }
        ErrorKind::MissingRequiredArgument => {
            ("missing", json!({ "names": strings(ContextKind::InvalidArg) }))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (value, known) = (one(ContextKind::InvalidValue), strings(ContextKind::ValidValue));
            ("bad_value", json!({ "name": name, "value": value, "known": known }))
        }
        ErrorKind::ArgumentConflict => {
            ("conflict", json!({ "name": name, "others": strings(ContextKind::PriorArg) }))
        }
        ErrorKind::InvalidUtf8 => ("utf8", json!({})),
        ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::NoEquals => ("count", json!({ "name": name })),
        _ => ("other", json!({})),
    };
    let problem = text::text(language, &format!("usage.{key}"), &values);
    // The command the arguments were meant for: as clap's own usage line has it, else as it was typed.
    let command = one_line(wrong).unwrap_or_else(typed);
    usage("BH0049", json!({ "problem": problem, "command": command }))
}

/// Help is asked for a command that is none.
pub(crate) fn unknown_command(language: Language, name: &str) -> CliError {
    let problem = text::text(language, "usage.unknown_command", &json!({ "name": name }));
    usage("BH0049", json!({ "problem": problem, "command": "bihuan" }))
}

/// `bihuan calendar load`, out of what was typed.
fn typed() -> String {
    let (mut command, mut words) = (Arguments::command(), vec!["bihuan".to_owned()]);
    for word in std::env::args().skip(1) {
        let within = command.find_subcommand(&word).cloned();
        if let Some(within) = within {
            words.push(word);
            command = within;
        } else if words.len() > 1 {
            break;
        }
    }
    words.join(" ")
}

/// `bihuan act`, out of clap's usage line.
fn one_line(wrong: &clap::Error) -> Option<String> {
    let Some(ContextValue::StyledStr(line)) = wrong.get(ContextKind::Usage) else { return None };
    let line = line.to_string();
    let words = line.split_whitespace().skip_while(|word| *word != "bihuan");
    let words: Vec<&str> =
        words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-')).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
