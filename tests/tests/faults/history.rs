//! Callers that write down what they were told, and the reading of the store against it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use engine::{Engine, EngineError};
use machine::Command as Wish;
use machine::value::CaseId;
use store::{Clock, Place};
use tests::{clerk, definition, morning, open_hazard, request, settle};
use tokio::task::JoinSet;

const DAY: &str = "2026-09-01";
/// Before a caller sends again what was left in doubt.
const PATIENCE: Duration = Duration::from_millis(2);

/// A county on a server, with some open cases.
pub async fn county(url: &str, cases: usize) -> (Engine, Vec<CaseId>) {
    let place = Place::Server(url.to_owned());
    let store = place.create(Clock::Simulated, morning(DAY)).await.expect("a store");
    let engine = settle(store).await;
    engine.publish(&definition("workflows/general-hazard.yaml")).await.expect("published");
    let mut ids = Vec::with_capacity(cases);
    for index in 0..cases {
        ids.push(open_hazard(&engine, &format!("open-{index}"), "2026-12-18").await.case);
    }
    (engine, ids)
}

/// The same store once more, as another process would open it.
pub async fn again(url: &str) -> Engine {
    let store = Place::Server(url.to_owned()).open().await.expect("opened");
    Engine::start(store, "qingyuan".into())
}

/// A remark, which moves the case by one act.
pub fn remark(case: CaseId, key: &str) -> engine::Request {
    request(case, Wish::Comment { text: format!("现场核对 {key}") }, clerk(), Some(key))
}

/// What callers were told: key, case and version of every command acknowledged.
pub type Acknowledged = Vec<(String, CaseId, u32)>;

/// Callers that never stop, each with one command at a time. One left in doubt is sent again with its key.
pub struct Callers {
    running: JoinSet<Acknowledged>,
    acknowledged: Arc<AtomicUsize>,
    in_doubt: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Callers {
    pub fn start(name: &str, engine: &Engine, cases: &[CaseId], callers: usize) -> Callers {
        let (acknowledged, in_doubt) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let stop = Arc::<AtomicBool>::default();
        let mut running = JoinSet::new();
        for caller in 0..callers {
            let (engine, cases, stop) = (engine.clone(), cases.to_vec(), stop.clone());
            let (acknowledged, in_doubt) = (acknowledged.clone(), in_doubt.clone());
            let name = format!("{name}-{caller}");
            running.spawn(async move {
                let mut told = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let case = cases[(caller + told.len() * callers) % cases.len()];
                    let key = format!("{name}-{}", told.len());
                    let version = send(&engine, case, &key, &in_doubt).await;
                    told.push((key, case, version));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                told
            });
        }
        Callers { running, acknowledged, in_doubt, stop }
    }

    /// Waits until so many more were acknowledged.
    pub async fn more(&self, count: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + count;
        tests::postgres::until("more commands acknowledged", || {
            self.acknowledged.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    /// Commands in doubt so far.
    pub fn in_doubt(&self) -> usize {
        self.in_doubt.load(Ordering::Relaxed)
    }

    /// Lets every caller finish what it has begun. Gives what they were told.
    pub async fn stop(self) -> Acknowledged {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join_all().await.into_iter().flatten().collect()
    }
}

/// Sends a command until it is acknowledged. Gives the version it made.
async fn send(engine: &Engine, case: CaseId, key: &str, in_doubt: &AtomicUsize) -> u32 {
    let mut doubtful = false;
    loop {
        match engine.execute(remark(case, key)).await {
            Ok(receipt) => return receipt.version,
            Err(EngineError::Store(_)) => {
                // Each command once, however often it is sent again while nobody answers.
                in_doubt.fetch_add(usize::from(!doubtful), Ordering::Relaxed);
                doubtful = true;
                tokio::time::sleep(PATIENCE).await;
            }
            // Other processes were at the same case: nothing was done.
            Err(EngineError::Contended | EngineError::Busy) => tokio::task::yield_now().await,
            Err(error) => panic!("{key}: {error:?}"),
        }
    }
}

/// What became of commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub lost: usize,
    pub duplicated: usize,
    pub elsewhere: usize,
}

/// Looks up in the store what callers were told.
pub async fn look_up(engine: &Engine, cases: &[CaseId], told: &Acknowledged) -> Found {
    let mut acts: BTreeMap<String, Vec<(CaseId, u32)>> = BTreeMap::new();
    for case in cases {
        for act in engine.acts(*case).await.expect("read") {
            if let Some(key) = act.key {
                acts.entry(key).or_default().push((*case, act.version));
            }
        }
    }
    let mut found = Found::default();
    for (key, case, version) in told {
        match acts.get(key).map(Vec::as_slice) {
            None => found.lost += 1,
            Some([only]) if *only == (*case, *version) => {}
            Some([_]) => found.elsewhere += 1,
            Some(_) => found.duplicated += 1,
        }
    }
    found
}

/// Every chain, head and row agrees.
pub async fn all_holds(engine: &Engine) {
    let report = engine::verify::verify(engine.store(), engine.tenant(), engine.catalog()).await;
    let faults = report.expect("verified").faults;
    assert!(faults.is_empty(), "{:?}", faults.first());
}
