//! Commands on SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sqlx::{ConnectOptions, SqliteConnection};
use store::{Clock, Place};

use crate::county::{self, Case};
use crate::drive::{Ours, Side, drive};
use crate::floor_sqlite::{Floor, Way};
use crate::measure::{self, Round, median_of};
use crate::report::{Report, Required, note};
use crate::source::Source;
use crate::{Plan, Result};

/// Numbers of callers, and what ours has to reach of the floor at one transaction per command.
const CALLERS: [(usize, f64); 2] = [(1, 0.7), (64, 6.0)];

/// Measures commands on SQLite.
pub async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    let source = Source::new(Clock::Real).await?;
    let folder = tempfile::tempdir()?;
    let loaded = folder.path().join("loaded.db");
    let place = Place::File(loaded.clone());
    drop(county::found(&place, Clock::Real, source.now).await?);
    source.load(&place, 1..plan.cases as usize + 1).await?;
    fold(&loaded).await?;
    let per_case = std::fs::metadata(&loaded)?.len() / u64::from(plan.cases);
    report.tell("SQLite: bytes on disk of a case just opened", per_case as f64);
    let (middle, slow) = measure::fsync_ms(folder.path())?;
    report.tell("SQLite: ms of a write and an fsync on its disk, the median", middle);
    report.tell("SQLite: the same, one in a hundred", slow);
    for (callers, least) in CALLERS {
        compare(&loaded, &source, plan, (callers, least), report).await?;
    }
    Ok(())
}

/// Folds the log into the file, so that the file alone can be copied.
async fn fold(path: &Path) -> Result<()> {
    let mut connection = connect(path).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    sqlx::query("ANALYZE").execute(&mut connection).await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    Ok(())
}

/// A connection of its own.
pub async fn connect(path: &Path) -> Result<SqliteConnection> {
    Ok(sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await?)
}

async fn deal(path: &Path, callers: usize) -> Result<Vec<Vec<Case>>> {
    let rows: Vec<(String, i64, String, String)> =
        sqlx::query_as("SELECT case_id, version, main_state, enterprise FROM cases ORDER BY case_id")
            .fetch_all(&mut connect(path).await?)
            .await?;
    county::deal(rows, callers)
}

/// Bytes this process has had written so far, to the log and at checkpoints.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}

/// One round, with what it cost.
async fn round(path: &Path, side: &Arc<impl Side>, callers: usize, plan: &Plan) -> Result<Round> {
    let cases = deal(path, callers).await?;
    let (cpu, bytes, begun) = (measure::own_cpu_us(), written_bytes(), Instant::now());
    let latencies_us = drive(side, cases, plan.round).await?;
    Ok(Round {
        seconds: begun.elapsed().as_secs_f64(),
        latencies_us,
        client_cpu_us: measure::own_cpu_us() - cpu,
        server_cpu_us: 0,
        log_bytes: written_bytes() - bytes,
    })
}

async fn best_floor(path: &Path, source: &Source, callers: usize, plan: &Plan) -> Result<Arc<Floor>> {
    let trial = Plan { round: plan.round / 3, ..*plan };
    let mut best: Option<(f64, Way)> = None;
    for way in [Way::Statements, Way::TwoHops] {
        let floor = Arc::new(Floor::open(path, source.steps.clone(), way).await?);
        let rate = round(path, &floor, callers, &trial).await?.rate();
        note(&format!("  floor, {callers} callers, {way:?}: {rate:.0}/s"));
        if best.is_none_or(|(so_far, _)| rate > so_far) {
            best = Some((rate, way));
        }
    }
    let (_, way) = best.ok_or("some way")?;
    Ok(Arc::new(Floor::open(path, source.steps.clone(), way).await?))
}

/// A copy of the loaded file.
fn copy(loaded: &Path, name: &str) -> Result<PathBuf> {
    let path = loaded.with_file_name(name);
    std::fs::copy(loaded, &path)?;
    Ok(path)
}

async fn compare(
    loaded: &Path,
    source: &Source,
    plan: &Plan,
    (callers, least): (usize, f64),
    report: &mut Report,
) -> Result<()> {
    let our_path = copy(loaded, &format!("ours-{callers}.db"))?;
    let floor_path = copy(loaded, &format!("floor-{callers}.db"))?;
    let floor = best_floor(&floor_path, source, callers, plan).await?;
    let site = county::open(&Place::File(our_path.clone())).await?;
    let ours = Arc::new(Ours { engine: site.engine });
    // The floor's trials have warmed its file: so may ours.
    round(&our_path, &ours, callers, plan).await?;
    let (mut our_rounds, mut floor_rounds) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        our_rounds.push(round(&our_path, &ours, callers, plan).await?);
        floor_rounds.push(round(&floor_path, &floor, callers, plan).await?);
    }
    let mut line = |what: &str, of: &dyn Fn(&Round) -> f64, required| {
        let what = format!("SQLite, {callers} callers: {what}");
        report.compare(what, median_of(&our_rounds, of), median_of(&floor_rounds, of), required);
    };
    line("commands/s", &Round::rate, Some(Required::AtLeast(least)));
    line("p99 of a command, ms", &Round::p99_ms, None);
    line("CPU us/command", &|round| round.per_command(round.client_cpu_us), None);
    line("bytes written/command", &|round| round.per_command(round.log_bytes), None);
    Ok(())
}
