//! The command line of bihuan.

mod args;
mod commands;
mod demo;
mod input;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::output::Output;

/// What the command line can fail with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error("{0}")]
    Usage(String),
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The check found something; it is printed already.
    #[error("findings")]
    Findings,
    /// `verify` found something; it is printed already.
    #[error("faults")]
    Faults,
}

impl CliError {
    /// Stable: 1 failure, 2 bad usage, 3 refused, 4 findings in a file, 5 verification failed.
    fn exit_code(&self) -> u8 {
        match self {
            CliError::Engine(
                engine::EngineError::Refused(_)
                | engine::EngineError::RefusedIn { .. }
                | engine::EngineError::KeyReused,
            ) => 3,
            CliError::Engine(engine::EngineError::Findings(_) | engine::EngineError::Unsound(_))
            | CliError::Findings => 4,
            CliError::Faults => 5,
            CliError::Usage(_)
            | CliError::Engine(
                engine::EngineError::NoCase(_)
                | engine::EngineError::NoWorkflow(_)
                | engine::EngineError::KeyBad
                | engine::EngineError::GroupBad
                | engine::EngineError::CalendarVersion(_),
            )
            | CliError::Store(store::StoreError::Unfit(_)) => 2,
            CliError::Engine(_) | CliError::Store(_) | CliError::Write(_) => 1,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let mut output = Output::new(&arguments.common);
    match commands::run(&arguments, &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe went away: that is its right.
        Err(CliError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
