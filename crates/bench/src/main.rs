//! Ours beside hand-written SQL: the same rows, the same tables and indexes, on the same machine in one run.
//!
//! The floor is the best SQL we can write by hand through the same driver, one transaction per command, with all
//! bytes made beforehand. Whoever reads the table need not believe a number measured elsewhere.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

mod child;
mod county;
mod decide;
mod drive;
mod floor_postgres;
mod floor_sqlite;
mod floor_sweep;
mod lists;
mod load;
mod measure;
mod postgres;
mod report;
mod seasons;
mod source;
mod sqlite;
mod steps;
mod sweep;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What may go wrong in a measurement: all of it ends the run.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Ours beside hand-written SQL.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    child: Option<Child>,
    /// What to measure; all by default.
    sections: Vec<Section>,
    /// Seconds of a round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds of each, of which the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Cases loaded before commands are measured.
    #[arg(long, default_value_t = 20_000)]
    cases: u32,
    /// A trial: short rounds, small tables. Nothing of it counts.
    #[arg(long)]
    quick: bool,
    /// Sweeps on this database alone.
    #[arg(long)]
    only: Option<Database>,
    /// Only lists, of ten million cases on PostgreSQL.
    #[arg(long)]
    large: bool,
    /// Also writes the lines as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Child {
    /// One of several processes on one store; started by the measurement itself.
    #[command(hide = true)]
    Child(child::Arguments),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Commands on PostgreSQL.
    Postgres,
    /// Commands on SQLite.
    Sqlite,
    /// Sweeps among many open cases, and lists of them.
    Sweep,
}

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Database {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// How much is measured.
pub struct Plan {
    /// How long a round lasts.
    pub round: Duration,
    /// Rounds of each, of which the median counts.
    pub rounds: usize,
    /// Cases loaded before commands are measured.
    pub cases: u32,
    /// Cases open beside those that are swept.
    pub open: usize,
    /// Cases due at a time.
    pub due: usize,
    /// Cases whose dates pass at one midnight.
    pub midnight: usize,
    /// Cases of which lists alone are asked.
    pub large: usize,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Child::Child(child)) = arguments.child {
        child::run(child).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let round = Duration::from_secs_f64(arguments.seconds);
    let (rounds, cases) = (arguments.rounds, arguments.cases);
    let mut plan =
        Plan { round, rounds, cases, open: 1_000_000, due: 10_000, midnight: 100_000, large: 10_000_000 };
    if arguments.quick {
        plan = Plan {
            round: Duration::from_secs(1),
            rounds: 1,
            cases: 5_000,
            open: 20_000,
            due: 1_000,
            midnight: 2_000,
            large: 50_000,
        };
    }
    let wants = |section| {
        !arguments.large && (arguments.sections.is_empty() || arguments.sections.contains(&section))
    };
    let mut report = report::Report::default();
    if wants(Section::Postgres) {
        postgres::measure(&plan, &mut report).await?;
    }
    if wants(Section::Sqlite) {
        sqlite::measure(&plan, &mut report).await?;
    }
    if wants(Section::Sweep) {
        sweep::measure(&plan, arguments.only, &mut report).await?;
    }
    if arguments.large {
        lists::large(&plan, &mut report).await?;
    }
    write!(std::io::stdout(), "{report}")?;
    if let Some(path) = arguments.json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(if report.falls_short() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
