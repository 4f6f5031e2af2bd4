//! What a round cost: time, processor, bytes.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;

/// How often a second the kernel counts processor time, on every Linux there is.
const TICKS_PER_SECOND: u64 = 100;
/// Writes by which the latency of an fsync is measured, and their size.
const FSYNCS: usize = 200;
const FSYNC_BYTES: usize = 8_192;

/// What a round came to.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long each command took, in microseconds.
    pub latencies_us: Vec<u32>,
    /// Processor time of this process, in microseconds.
    pub client_cpu_us: u64,
    /// Processor time of the database server, in microseconds.
    pub server_cpu_us: u64,
    /// Bytes of log written.
    pub log_bytes: u64,
}

impl Round {
    /// Commands in a second.
    pub fn rate(&self) -> f64 {
        self.latencies_us.len() as f64 / self.seconds
    }

    /// The latency that all but one in a hundred keep, in milliseconds.
    pub fn p99_ms(&self) -> f64 {
        p99_ms(&self.latencies_us)
    }

    /// Of something counted over the round, what falls to a command.
    pub fn per_command(&self, whole: u64) -> f64 {
        whole as f64 / self.latencies_us.len() as f64
    }
}

/// The latency that all but one in a hundred keep, in milliseconds.
pub fn p99_ms(latencies_us: &[u32]) -> f64 {
    let mut sorted = latencies_us.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * 99 / 100).map_or(f64::NAN, |latency| f64::from(*latency) / 1_000.0)
}

/// The one in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median over rounds of what `of` says.
pub fn median_of(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(of))
}

/// Processor time of a process so far and of its children that ended; and its parent.
fn stat(process: &str) -> Option<(u64, u64, u32)> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before them stands in brackets, and may hold anything.
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let us = |ticks: u64| ticks * 1_000_000 / TICKS_PER_SECOND;
    Some((us(ticks(11)? + ticks(12)?), us(ticks(13)? + ticks(14)?), fields.get(1)?.parse().ok()?))
}

/// Processor time of this process so far, in microseconds.
pub fn own_cpu_us() -> u64 {
    stat("self").map_or(0, |(own, _, _)| own)
}

/// Processor time so far of a process and all it started, in microseconds.
pub fn tree_cpu_us(root: u32) -> u64 {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = all.filter_map(|entry| entry.file_name().into_string().ok());
    let children = names.filter_map(|name| stat(&name)).filter(|(_, _, parent)| *parent == root);
    let running: u64 = children.map(|(own, _, _)| own).sum();
    running + stat(&root.to_string()).map_or(0, |(own, ended, _)| own + ended)
}

/// The latency of a write and an fsync in a folder, in milliseconds: the median, and one in a hundred.
pub fn fsync_ms(folder: &Path) -> Result<(f64, f64)> {
    let path = folder.join("fsync");
    let mut file = File::create(&path)?;
    let mut latencies = Vec::with_capacity(FSYNCS);
    for _ in 0..FSYNCS {
        let begun = Instant::now();
        file.write_all(&[7; FSYNC_BYTES])?;
        file.sync_data()?;
        latencies.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(path)?;
    latencies.sort_by(f64::total_cmp);
    Ok((latencies[FSYNCS / 2], latencies[FSYNCS * 99 / 100]))
}

/// Microseconds, as many as fit.
pub fn micros(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX)
}
