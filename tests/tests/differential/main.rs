//! The same commands, in the same order, on both databases: the same answers, and the same rows in the end.
//!
//! The seeds of the suite are few; `BIHUAN_SEEDS=10..40` tries others, `BIHUAN_STEPS=300` longer sequences.

mod compare;
mod demonstration;
mod sequence;

use std::sync::Arc;

use engine::{Engine, EngineError};
use machine::Directory;
use machine::value::TenantId;
use store::{Clock, Place};
use tests::postgres::Server;
use tests::{definition, morning, project};

use sequence::{Dice, Sequence, Step};

/// Of the sequences in the suite.
const SEEDS: std::ops::Range<u64> = 1..4;
const STEPS: usize = 90;
const FIRST_DAY: &str = "2026-08-03";
const WORKFLOWS: [&str; 2] = ["workflows/general-hazard.yaml", "workflows/major-hazard.yaml"];

fn organisation() -> Directory {
    let text =
        std::fs::read_to_string(project().join("workflows/sample/organisation.yaml")).expect("the file");
    machine::file::read("organisation.yaml", &text).expect("an organisation")
}

/// A county in a fresh store.
async fn county(place: &Place) -> Engine {
    let store: Arc<_> = place.create(Clock::Simulated, morning(FIRST_DAY)).await.expect("a store");
    let (tenant, china) = (TenantId::from("qingyuan"), calendar::china());
    let directory = serde_json::to_string(&organisation()).expect("JSON");
    store.put_organisation(&tenant, &directory).await.expect("kept");
    let days = serde_json::to_string(&china).expect("JSON");
    store.put_calendar(&tenant, china.id(), china.version(), &days).await.expect("kept");
    let engine = Engine::start(store, tenant);
    for workflow in WORKFLOWS {
        // The checker is slow, and it is not what is compared.
        tests::keep_unchecked(&engine, workflow).await;
    }
    engine
}

fn told<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{} {error:?}", error.code()),
    }
}

/// Does a step: what came of it.
async fn take(engine: &Engine, step: &Step) -> String {
    match step.clone() {
        Step::One(request) => told(engine.execute(*request).await),
        Step::All(requests, key) => told(engine.execute_all(requests, key).await),
        Step::Until(moment) => told(worker::simulate(engine, moment).await),
    }
}

/// What the steps of all seeds came to, so that a test of nothing is not passed.
#[derive(Debug, Default)]
struct Came {
    done: usize,
    replayed: usize,
    orders: usize,
    refused: std::collections::BTreeSet<String>,
}

impl Came {
    fn count(&mut self, step: &Step, answer: &str) {
        if answer.starts_with("BH") {
            self.refused.insert(answer.split_once('{').map_or(answer, |(code, _)| code).trim().to_owned());
        } else {
            self.done += 1;
            self.replayed += usize::from(answer.contains("replayed: true"));
            self.orders += usize::from(matches!(step, Step::All(..)));
        }
    }
}

/// Runs the sequence of a seed on both: how many cases it tried to open.
async fn run(seed: u64, steps: usize, came: &mut Came) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let file = county(&Place::File(folder.path().join("bihuan.db"))).await;
    let server = county(&Place::Server(Server::shared().await.database().await)).await;
    let mut sequence = Sequence::new(Dice::new(seed), organisation(), WORKFLOWS.map(definition));
    for index in 0..steps {
        let step = sequence.step(&file).await;
        let expected = take(&file, &step).await;
        let found = take(&server, &step).await;
        assert_eq!(found, expected, "seed {seed}, step {index}: {step:?}");
        came.count(&step, &expected);
    }
    compare::everything(&file, &server, &format!("seed {seed}")).await;
    sequence.cases.len()
}

#[tokio::test]
async fn both_databases_answer_and_keep_the_same() {
    let seeds = std::env::var("BIHUAN_SEEDS").ok().map_or(SEEDS, |text| {
        let (from, to) = text.split_once("..").expect("FROM..TO");
        from.parse().expect("a number")..to.parse().expect("a number")
    });
    let steps = std::env::var("BIHUAN_STEPS").ok().map_or(STEPS, |text| text.parse().expect("a number"));
    let mut came = Came::default();
    for seed in seeds {
        let cases = run(seed, steps, &mut came).await;
        println!("seed {seed}: {steps} steps, {cases} cases");
    }
    println!("{came:?}");
    assert!(came.done > came.refused.len() && came.replayed > 0 && came.orders > 0, "{came:?}");
    assert!(came.refused.len() > 5, "wrong ones in many ways: {came:?}");
}
