//! Callers, each with cases of its own, one command after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::Engine;

use crate::Result;
use crate::county::{self, Case};
use crate::measure::micros;

/// Who does the commands.
pub trait Side: Send + Sync + 'static {
    /// Does what comes next on a case.
    fn next(&self, caller: usize, case: &mut Case) -> impl Future<Output = Result<()>> + Send;
}

/// The engine.
pub struct Ours {
    /// It.
    pub engine: Engine,
}

impl Side for Ours {
    async fn next(&self, _: usize, case: &mut Case) -> Result<()> {
        county::do_next(&self.engine, case).await
    }
}

/// Lets every caller do commands until the round is over. Gives how long each took, in microseconds.
pub async fn drive<S: Side>(side: &Arc<S>, callers: Vec<Vec<Case>>, round: Duration) -> Result<Vec<u32>> {
    let until = Instant::now() + round;
    let mut running = tokio::task::JoinSet::new();
    for (caller, mut cases) in callers.into_iter().enumerate() {
        let side = side.clone();
        running.spawn(async move {
            let mut latencies_us = Vec::new();
            let mut turn = 0;
            while Instant::now() < until {
                let place = turn % cases.len();
                let begun = Instant::now();
                side.next(caller, &mut cases[place]).await?;
                latencies_us.push(micros(begun.elapsed()));
                turn += 1;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(latencies_us)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = running.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

/// How long commands at a rate took, in microseconds.
#[derive(Default)]
pub struct Paced {
    /// From when each was asked.
    pub asked_us: Vec<u32>,
    /// From when each was to be asked: longer, where its caller still waited for the one before.
    pub planned_us: Vec<u32>,
}

/// Lets callers do commands at a rate, until something else is done; gives what each took, and what else was done.
pub async fn drive_paced<S: Side, T>(
    side: &Arc<S>,
    callers: Vec<Vec<Case>>,
    rate: f64,
    until: impl Future<Output = T>,
) -> Result<(Paced, T)> {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let pause = Duration::from_secs_f64(callers.len() as f64 / rate);
    let mut running = tokio::task::JoinSet::new();
    for (caller, mut cases) in callers.into_iter().enumerate() {
        let (side, stopped) = (side.clone(), stopped.clone());
        running.spawn(async move {
            let mut took = Paced::default();
            // Not all at one moment.
            let first = tokio::time::Instant::now() + pause.mul_f64(caller as f64 / 16.0);
            let mut turns = tokio::time::interval_at(first, pause);
            let mut turn = 0;
            while !*stopped.borrow() {
                let planned = turns.tick().await;
                let asked = Instant::now();
                let place = turn % cases.len();
                side.next(caller, &mut cases[place]).await?;
                took.asked_us.push(micros(asked.elapsed()));
                took.planned_us.push(micros(planned.elapsed()));
                turn += 1;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(took)
        });
    }
    let done = until.await;
    stop.send_replace(true);
    let mut all = Paced::default();
    while let Some(took) = running.join_next().await {
        let took = took??;
        all.asked_us.extend(took.asked_us);
        all.planned_us.extend(took.planned_us);
    }
    Ok((all, done))
}
