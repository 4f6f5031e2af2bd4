//! The loops that run by themselves: sweep what is due, deliver what waits.
//!
//! A round takes no input, is bounded, and may run in any number of processes at once: what makes a rung
//! happen once is the transaction it is written in, never who runs the round.

use std::time::Duration;

use engine::{Engine, EngineError};
use machine::Instant;
use store::Clock;
use tokio::sync::watch;

/// Cases swept in one round.
pub const SWEEP_MAX: u32 = 200;
/// The longest sleep: other processes' writes are noticed within this time.
pub const SLEEP_MAX: Duration = Duration::from_millis(1_000);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Cases that moved.
    pub moved: usize,
    /// Digests delivered.
    pub digests: u64,
}

/// One round: at most `limit` cases, then the digests of the day.
pub async fn round(engine: &Engine, limit: u32) -> Result<Round, EngineError> {
    let moved = engine.sweep(limit).await?;
    let digests = if moved == 0 { deliver(engine).await? } else { 0 };
    Ok(Round { moved, digests })
}

/// Delivers on working days from 08:30, in the calendar of the place.
async fn deliver(engine: &Engine) -> Result<u64, EngineError> {
    let now = engine.store().clock().await?;
    let calendar = engine.catalog().local_calendar().await?;
    let today = calendar.local_date(now.utc());
    let opens = chrono::NaiveTime::from_hms_opt(8, 30, 0).unwrap_or_default();
    if !calendar.kind(today).is_working() || now < Instant::new(calendar.instant(today, opens)) {
        return Ok(0);
    }
    Ok(engine.store().deliver(engine.tenant(), now, &today.to_string()).await?)
}

/// Runs until `stop` turns true. What rounds did, and errors, go to `report`, and the loop goes on: a worker that dies of
/// one bad moment helps nobody.
pub async fn run(
    engine: &Engine,
    limit: u32,
    mut stop: watch::Receiver<bool>,
    mut report: impl FnMut(Result<Round, &EngineError>),
) {
    while !*stop.borrow() {
        let moved = match round(engine, limit).await {
            Ok(round) => {
                if round != Round::default() {
                    report(Ok(round));
                }
                round.moved
            }
            Err(error) => {
                report(Err(&error));
                0
            }
        };
        if moved > 0 {
            continue;
        }
        let wait = sleep_time(engine).await.unwrap_or(SLEEP_MAX);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// Until the next wake-up, but never longer than [`SLEEP_MAX`].
async fn sleep_time(engine: &Engine) -> Result<Duration, EngineError> {
    let now = engine.store().clock().await?;
    let wake = engine.store().next_wake(engine.tenant()).await?;
    let micros = wake.map_or(i64::MAX, |wake| wake.micros() - now.micros()).max(1_000);
    Ok(Duration::from_micros(micros.unsigned_abs()).min(SLEEP_MAX))
}

/// Runs a simulated store forward to `until`, from wake-up to wake-up.
pub async fn simulate(engine: &Engine, until: Instant) -> Result<Round, EngineError> {
    let mut total = Round::default();
    if engine.store().clock_kind() != Clock::Simulated {
        return Err(store::StoreError::RealClock.into());
    }
    loop {
        let done = round(engine, SWEEP_MAX).await?;
        total.moved += done.moved;
        total.digests += done.digests;
        if done.moved > 0 {
            continue;
        }
        let now = engine.store().clock().await?;
        if now >= until {
            return Ok(total);
        }
        let wake = engine.store().next_wake(engine.tenant()).await?.unwrap_or(until);
        engine.store().set_clock(next_stop(engine, now, wake).await?.min(until)).await?;
    }
}

/// The next wake-up, or the next morning's delivery, whichever is first.
async fn next_stop(engine: &Engine, now: Instant, wake: Instant) -> Result<Instant, EngineError> {
    let calendar = engine.catalog().local_calendar().await?;
    let opens = chrono::NaiveTime::from_hms_opt(8, 30, 0).unwrap_or_default();
    let today = calendar.local_date(now.utc());
    let day = if now < Instant::new(calendar.instant(today, opens)) { Some(today) } else { today.succ_opt() };
    let morning = day.map(|day| Instant::new(calendar.instant(day, opens)));
    Ok(morning.map_or(wake, |morning| wake.min(morning)).max(now.plus_micros(1)))
}
