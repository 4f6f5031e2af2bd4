//! The loops that run by themselves: sweep what is due, deliver what waits.
//!
//! A round takes no input, is bounded, and may run in any number of processes at once: what makes a rung
//! happen once is the transaction it is written in, never who runs the round.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::{Engine, EngineError, Failed, Swept};
use machine::Instant as Moment;
use store::{Clock, Damage, NEAR, StoreError, Wrong};

pub mod all;

pub use all::run;

/// Cases swept in one round.
pub const SWEEP_MAX: u32 = 200;
/// The most others a worker steers clear of.
const CROWD_MAX: u32 = 31;
/// The longest a case that fails is left alone before it is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Cases that moved.
    pub moved: usize,
    /// Digests delivered.
    pub digests: u64,
    /// Cases that were due, and that another worker had seen to before.
    pub outrun: usize,
}

/// What a round did, and what went wrong in it.
#[derive(Debug, Default)]
pub struct Done {
    /// What it did.
    pub round: Round,
    /// Cases that were due, whether they moved or not.
    pub due: usize,
    /// What went wrong. A failing case is named when it begins to fail and when its reason changes.
    pub errors: Vec<EngineError>,
}

/// A case that cannot be moved, and waits longer and longer, so that it neither stops nor slows the others.
struct Aside {
    reason: String,
    pause: Duration,
    until: Instant,
}

/// A worker: what it remembers between its rounds. Nothing depends on it; another worker finds out anew.
pub struct Worker {
    engine: Engine,
    limit: u32,
    aside: BTreeMap<Vec<u8>, Aside>,
    /// Cases that were due with nothing to record, by version.
    idle: BTreeMap<Vec<u8>, u32>,
    crowd: Crowd,
}

/// How many others seem to be at the same cases. Where many are, each begins somewhere else: correctness does
/// not need it, but who comes second has worked for nothing.
#[derive(Default)]
struct Crowd {
    others: u32,
    turn: u32,
}

impl Crowd {
    /// How many cases to leave to others this time.
    fn skip(&mut self, limit: u32) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        // Each process scatters in its own way.
        let mixed = self.turn.wrapping_add(std::process::id()).wrapping_mul(0x9e37_79b9) >> 16;
        mixed % (self.others + 1) * limit
    }

    /// Learns from what became of a sweep.
    fn learn(&mut self, due: usize, outrun: usize) {
        if outrun * 2 > due {
            self.others = (self.others * 2 + 1).min(CROWD_MAX);
        } else {
            self.others -= self.others.div_ceil(8);
        }
    }
}

impl Worker {
    /// A worker that sweeps at most `limit` cases in a round.
    pub fn new(engine: Engine, limit: u32) -> Self {
        let (aside, idle) = (BTreeMap::new(), BTreeMap::new());
        Worker { engine, limit, aside, idle, crowd: Crowd::default() }
    }

    /// One round: at most `limit` cases, then, when nothing is due any more, the digests of the day. A case
    /// that fails is tried again after a pause, counted from `now`.
    pub async fn round(&mut self, now: Instant) -> Done {
        let waiting = self.aside.iter().filter(|(_, aside)| aside.until > now);
        let waiting = waiting.map(|(case, _)| case.clone()).collect();
        self.round_without(waiting, now).await
    }

    async fn round_without(&mut self, waiting: Vec<Vec<u8>>, now: Instant) -> Done {
        let mut done = Done::default();
        match self.sweep(&waiting).await {
            Ok((swept, from_the_first)) => {
                (done.due, done.round.moved) = (swept.due, swept.moved);
                done.round.outrun = swept.idle.len();
                self.crowd.learn(swept.due, swept.idle.len());
                let mut failed = swept.failed;
                failed.extend(self.stuck(swept.idle));
                if from_the_first && swept.due < self.limit as usize {
                    // All were tried that do not wait: what did not fail is like all others again.
                    self.aside
                        .retain(|id, _| waiting.contains(id) || failed.iter().any(|f| f.case_id == *id));
                }
                let news: Vec<Failed> =
                    failed.into_iter().filter_map(|case| self.set_aside(case, now)).collect();
                if !news.is_empty() {
                    done.errors.push(EngineError::Failing(news));
                }
            }
            Err(error) => done.errors.push(error),
        }
        if done.round.moved == 0 {
            match self.deliver().await {
                Ok(digests) => done.round.digests = digests,
                Err(error) => done.errors.push(error),
            }
        }
        done
    }

    /// Sweeps what is due, somewhere in the line where many are at it. Says whether from its beginning.
    async fn sweep(&mut self, aside: &[Vec<u8>]) -> Result<(Swept, bool), EngineError> {
        let skip = self.crowd.skip(self.limit);
        let swept = self.engine.sweep(aside, skip, self.limit).await?;
        if swept.due > 0 || skip == 0 {
            return Ok((swept, skip == 0));
        }
        // The line was shorter than that.
        Ok((self.engine.sweep(aside, 0, self.limit).await?, true))
    }

    fn set_aside_ids(&self) -> Vec<Vec<u8>> {
        self.aside.keys().cloned().collect()
    }

    /// Leaves a failing case alone, each time longer. Gives it back when its reason is new.
    fn set_aside(&mut self, failed: Failed, now: Instant) -> Option<Failed> {
        let reason = format!("{:?}", failed.error);
        let before = self.aside.get(&failed.case_id);
        let pause = before.map_or(NEAR, |aside| (aside.pause * 2).min(PAUSE_MAX));
        let known = before.is_some_and(|aside| aside.reason == reason);
        let until = now + pause;
        self.aside.insert(failed.case_id.clone(), Aside { reason, pause, until });
        (!known).then_some(failed)
    }

    /// Cases that were due twice at the same version with nothing to record: nobody else moved them, so the
    /// column that wakes them is wrong.
    fn stuck(&mut self, idle: Vec<(store::DueCase, u32)>) -> Vec<Failed> {
        let before = std::mem::take(&mut self.idle);
        let mut stuck = Vec::new();
        for (case, version) in idle {
            if before.get(&case.case_id) == Some(&version) || self.aside.contains_key(&case.case_id) {
                let (row, problem) = (case.number.clone(), Wrong::NothingDue);
                let damage = Damage { table: "cases", column: "wake_at", row, problem };
                let error = Box::new(EngineError::Damaged(damage));
                stuck.push(Failed { case_id: case.case_id, number: case.number, error });
            } else {
                self.idle.insert(case.case_id, version);
            }
        }
        stuck
    }

    /// Delivers on working days from 08:30, in the calendar of the place.
    async fn deliver(&self) -> Result<u64, EngineError> {
        let (store, tenant) = (self.engine.store(), self.engine.tenant());
        let now = store.clock().await?;
        let calendar = self.engine.catalog().local_calendar().await?;
        let today = calendar.local_date(now.utc());
        let opens = chrono::NaiveTime::from_hms_opt(8, 30, 0).unwrap_or_default();
        if !calendar.kind(today).is_working() || now < Moment::new(calendar.instant(today, opens)) {
            return Ok(0);
        }
        Ok(store.deliver(tenant, now, &today.to_string(), &self.set_aside_ids()).await?)
    }

    /// The next moment anything is due that is not set aside.
    async fn next_wake(&self) -> Result<Option<Moment>, EngineError> {
        Ok(self.engine.store().next_wake(self.engine.tenant(), &self.set_aside_ids()).await?)
    }
}

/// Runs a simulated store forward to `until`, from wake-up to wake-up. Cases that fail are left behind, and
/// named at the end.
pub async fn simulate(engine: &Engine, until: Moment) -> Result<Round, EngineError> {
    let mut total = Round::default();
    if engine.store().clock_kind() != Clock::Simulated {
        return Err(StoreError::RealClock.into());
    }
    let mut worker = Worker::new(engine.clone(), SWEEP_MAX);
    let mut failed = Vec::new();
    loop {
        let done = worker.round_without(worker.set_aside_ids(), Instant::now()).await;
        total.moved += done.round.moved;
        total.digests += done.round.digests;
        for error in done.errors {
            match error {
                EngineError::Failing(cases) => failed.extend(cases),
                error => return Err(error),
            }
        }
        if done.due > 0 {
            continue;
        }
        let now = engine.store().clock().await?;
        if now >= until {
            return if failed.is_empty() { Ok(total) } else { Err(EngineError::Failing(failed)) };
        }
        let wake = engine.store().next_wake(engine.tenant(), &worker.set_aside_ids()).await?;
        let stop = next_stop(engine, now, wake.unwrap_or(until)).await?;
        match engine.store().set_clock(stop.min(until)).await {
            // Another worker on the same store has set it further already: on from there.
            Ok(()) | Err(StoreError::ClockBackwards) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The next wake-up, or the next morning's delivery, whichever is first.
async fn next_stop(engine: &Engine, now: Moment, wake: Moment) -> Result<Moment, EngineError> {
    let calendar = engine.catalog().local_calendar().await?;
    let opens = chrono::NaiveTime::from_hms_opt(8, 30, 0).unwrap_or_default();
    let today = calendar.local_date(now.utc());
    let day = if now < Moment::new(calendar.instant(today, opens)) { Some(today) } else { today.succ_opt() };
    let morning = day.map(|day| Moment::new(calendar.instant(day, opens)));
    Ok(morning.map_or(wake, |morning| wake.min(morning)).max(now.plus_micros(1)))
}
