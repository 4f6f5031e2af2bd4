//! The command line of bihuan.

mod args;
mod commands;
mod demo;
mod error;
mod input;
mod output;

use std::process::ExitCode;

use clap::Parser;

pub(crate) use crate::error::CliError;
use crate::output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are asked for, and go to where output goes.
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(wrong) => {
            let mut output = Output::before_parsing();
            let error = error::wrong_usage(output.language, &wrong);
            output.error(&error);
            return ExitCode::from(error.exit_code());
        }
    };
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
