//! The command line of bihuan.

mod args;
mod commands;
mod demo;
mod error;
mod help;
mod input;
mod output;

use std::process::ExitCode;

use clap::FromArgMatches;

pub(crate) use crate::error::CliError;
use crate::output::Output;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let mut output = Output::before_parsing();
    let matches = help::command(output.language).try_get_matches();
    let arguments = match matches.and_then(|matches| args::Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        // Help and version are asked for, and go to where output goes.
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(wrong) => {
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
