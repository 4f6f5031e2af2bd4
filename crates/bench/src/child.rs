//! Several processes on one store: the measurement starts itself again, each with an engine of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::Place;

use crate::Result;
use crate::county::{self, Case};
use crate::drive::{Ours, drive};
use crate::postgres::deal;

/// What a child is told.
#[derive(clap::Args)]
pub struct Arguments {
    /// The database.
    #[arg(long)]
    url: String,
    /// Callers of all processes together.
    #[arg(long)]
    callers: usize,
    /// Which of the processes it is, from 0.
    #[arg(long)]
    part: usize,
    /// How many they are.
    #[arg(long)]
    parts: usize,
    /// Milliseconds of the round.
    #[arg(long)]
    round_ms: u64,
}

/// How long a process works before it is ready.
const WARMING: Duration = Duration::from_secs(1);

/// Runs a round when told to, and says how many commands it did in a second.
pub async fn run(arguments: Arguments) -> Result<()> {
    let site = county::open(&Place::Server(arguments.url.clone())).await?;
    let ours = Arc::new(Ours { engine: site.engine });
    // Its connections are opened and its statements planned before it counts, as those of the process it is compared
    // with and of the floor.
    drive(&ours, own_cases(&arguments).await?, WARMING).await?;
    let own = own_cases(&arguments).await?;
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    std::io::stdin().read_exact(&mut [0])?;
    let begun = Instant::now();
    let done = drive(&ours, own, Duration::from_millis(arguments.round_ms)).await?;
    writeln!(out, "{}", done.len() as f64 / begun.elapsed().as_secs_f64())?;
    Ok(())
}

/// The cases of this process.
async fn own_cases(arguments: &Arguments) -> Result<Vec<Vec<Case>>> {
    let cases = deal(&arguments.url, arguments.callers).await?.into_iter().enumerate();
    let own = cases.filter(|(caller, _)| caller % arguments.parts == arguments.part);
    Ok(own.map(|(_, cases)| cases).collect())
}

/// A child that waits to be told to begin.
struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// Commands in a second of some processes together, all begun at one moment. Waits for them with the thread it is on:
/// nothing else runs meanwhile.
pub fn together(url: &str, parts: usize, callers: usize, round: Duration) -> Result<f64> {
    let mut all = Vec::with_capacity(parts);
    for part in 0..parts {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["child", "--url", url]);
        for (name, number) in [("--callers", callers), ("--part", part), ("--parts", parts)] {
            command.arg(name).arg(number.to_string());
        }
        command.arg("--round-ms").arg(round.as_millis().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("piped")?;
        let output = BufReader::new(child.stdout.take().ok_or("piped")?);
        all.push(Running { child, input, output });
    }
    for running in &mut all {
        if running.line()? != "ready" {
            return Err("a child ended early".into());
        }
    }
    for running in &mut all {
        running.input.write_all(b"!")?;
    }
    let mut rate = 0.0;
    for mut running in all {
        rate += running.line()?.parse::<f64>()?;
        running.child.wait()?;
    }
    Ok(rate)
}
