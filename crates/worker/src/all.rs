//! The loop over all jurisdictions of a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Engine, EngineError};
use machine::Instant as Moment;
use machine::value::TenantId;
use store::{NEAR, Store, Waking};
use tokio::sync::watch;

use crate::{Done, Round, Worker};

/// Runs until `stop` turns true: all jurisdictions of the store, or one of them. Each that has anything due gets
/// one round in turn, so that none waits for what another has. What rounds did, and errors, go to `report`, and
/// the loop goes on: a worker that dies of one bad moment helps nobody.
pub async fn run(
    store: Arc<dyn Store>,
    only: Option<&TenantId>,
    limit: u32,
    mut stop: watch::Receiver<bool>,
    mut report: impl FnMut(Result<Round, &EngineError>),
) -> Result<(), EngineError> {
    let mut nearer = store.nearer();
    let mut workers: BTreeMap<TenantId, Worker> = BTreeMap::new();
    let mut said = Vec::new();
    while !*stop.borrow() {
        // What is told from here on is looked at again.
        nearer.borrow_and_update();
        let (mut turn, mut says) = (Turn::default(), Vec::new());
        match waking(store.as_ref(), only).await {
            Ok((now, waking)) => {
                for tenant in waking {
                    let worker = workers.entry(tenant.tenant.clone()).or_insert_with(|| {
                        Worker::new(Engine::start(store.clone(), tenant.tenant.clone()), limit)
                    });
                    turn.take(worker, now, tenant).await;
                    if *stop.borrow() {
                        break;
                    }
                }
            }
            Err(error) => turn.errors.push(error),
        }
        if turn.round != Round::default() {
            report(Ok(turn.round));
        }
        let mut broken = false;
        for error in turn.errors {
            if matches!(error, EngineError::Stopped) {
                return Err(error);
            }
            if matches!(error, EngineError::Failing(_)) {
                report(Err(&error));
                continue;
            }
            broken = true;
            let text = format!("{error:?}");
            // The same trouble second after second is said once.
            if !said.contains(&text) {
                report(Err(&error));
            }
            says.push(text);
        }
        said = says;
        if turn.round.moved > 0 && !broken {
            continue;
        }
        let wait = if broken { NEAR } else { turn.sleep.unwrap_or(NEAR).min(NEAR) };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = nearer.changed(), if !broken => if changed.is_err() { return Ok(()) },
            changed = stop.changed() => if changed.is_err() { return Ok(()) },
        }
    }
    Ok(())
}

/// The time, and how the jurisdictions stand.
async fn waking(store: &dyn Store, only: Option<&TenantId>) -> Result<(Moment, Vec<Waking>), EngineError> {
    let mut waking = store.waking().await?;
    waking.retain(|tenant| only.is_none_or(|only| *only == tenant.tenant));
    Ok((store.clock().await?, waking))
}

/// One turn over all.
#[derive(Default)]
struct Turn {
    round: Round,
    errors: Vec<EngineError>,
    /// Until the nearest deadline of any.
    sleep: Option<Duration>,
}

impl Turn {
    /// One round of a jurisdiction that has anything to do.
    async fn take(&mut self, worker: &mut Worker, now: Moment, tenant: Waking) {
        let due = tenant.next_wake.is_some_and(|wake| wake <= now);
        let mut next = tenant.next_wake;
        if due || tenant.undelivered {
            let done: Done = worker.round(Instant::now()).await;
            self.round.moved += done.round.moved;
            self.round.digests += done.round.digests;
            self.round.outrun += done.round.outrun;
            self.errors.extend(done.errors);
            match worker.next_wake().await {
                Ok(wake) => next = wake,
                Err(error) => self.errors.push(error),
            }
        }
        let micros = next.map(|wake| (wake.micros() - now.micros()).max(1_000).unsigned_abs());
        if let Some(wait) = micros.map(Duration::from_micros) {
            self.sleep = Some(self.sleep.map_or(wait, |sleep| sleep.min(wait)));
        }
    }
}
