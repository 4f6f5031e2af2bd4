//! Callers that hang up, that come all at once, and that send the same again.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use engine::{EngineError, QUEUE_MAX};
use machine::command::Perform;
use machine::{Command as Wish, Instant};
use sqlx::PgPool;
use store::{Read, RefusalRow};
use tests::postgres::{Server, database_of};
use tests::proxy::Proxy;
use tests::{clerk, morning, open_hazard, request};
use tokio::task::JoinSet;

use crate::history::{Callers, Found, again, all_holds, county, look_up, remark};

/// Futures dropped.
const DROPPED: usize = 10_000;

/// Polls a future so many times, and drops it.
async fn hang_up<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_takes_nothing_from_others() {
    let server = Server::start().await;
    let url = server.database().await;
    let (engine, cases) = county(&url, 64).await;
    let callers = Callers::start("others", &engine, &cases, 4);
    let (store, tenant) = (engine.shared_store(), engine.tenant().clone());
    let mut hung_up = 0;
    for index in 0..DROPPED {
        let (case, polls) = (cases[index % cases.len()], index / 8 % 7 + 1);
        let read = [Read { case, key: None }];
        let row = RefusalRow {
            at: Instant::from_micros(0).expect("a moment"),
            case,
            person: None,
            act: "close".to_owned(),
            code: "BH0001".to_owned(),
            detail: "{}".to_owned(),
        };
        // Also below the engine, where connections are borrowed and transactions begun.
        hung_up += usize::from(match index % 8 {
            0..3 => hang_up(engine.execute(remark(case, &format!("dropped-{index}"))), polls).await,
            3 => hang_up(store.raw(&tenant, &[], 3), polls).await,
            4 => hang_up(store.read(&tenant, &read), polls).await,
            5 => hang_up(store.refuse(&tenant, &[row]), polls).await,
            6 => hang_up(store.numbers(&tenant, "HU", 1), polls).await,
            _ => hang_up(store.astray(&tenant), polls).await,
        });
    }
    callers.more(100).await;
    let told = callers.stop().await;
    let found = look_up(&engine, &cases, &told).await;
    tests::told(&format!(
        "C17: {hung_up} of {DROPPED} futures dropped on their way, {} acknowledged beside them, {} lost, {} duplicated",
        told.len(),
        found.lost,
        found.duplicated
    ));
    assert_eq!(found, Found::default());
    let pool = PgPool::connect(&url).await.expect("connected");
    let idle: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND state LIKE 'idle in transaction%'
            AND now() - state_change > interval '1 second'",
    )
    .bind(database_of(&url))
    .fetch_one(&pool)
    .await
    .expect("counted");
    assert_eq!(idle, 0, "connections left inside a transaction");
    all_holds(&engine).await;
    assert!(hung_up > DROPPED / 4, "most came through: {hung_up}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_says_so_at_once_and_recovers() {
    let server = Server::start().await;
    let (engine, cases) = county(&server.database().await, 64).await;
    server.pause().await;
    let mut asked = JoinSet::new();
    let more = QUEUE_MAX * 2;
    for index in 0..more {
        let (engine, request) =
            (engine.clone(), remark(cases[index % cases.len()], &format!("crowd-{index}")));
        asked.spawn(async move { (index, engine.execute(request).await) });
    }
    // The server stands still: whoever is answered now is told that too many wait.
    let mut busy = BTreeSet::new();
    while busy.len() < more - QUEUE_MAX - 512 {
        let answered = tokio::time::timeout(Duration::from_secs(60), asked.join_next()).await;
        let (index, answer) =
            answered.expect("who finds no place is told at once").expect("asked").expect("ran");
        assert!(
            matches!(answer, Err(EngineError::Busy)),
            "who finds no place is told at once, and not {answer:?}"
        );
        busy.insert(index);
    }
    server.resume();
    let mut done = 0;
    for (index, answer) in asked.join_all().await {
        match answer {
            Ok(receipt) => done += receipt.acts,
            Err(EngineError::Busy) => drop(busy.insert(index)),
            Err(error) => panic!("{error:?}"),
        }
    }
    tests::told(&format!("C24: of {more} at once {done} done, {} told to try again", busy.len()));
    assert_eq!(done + busy.len(), more);
    for index in busy {
        let receipt = engine.execute(remark(cases[index % cases.len()], &format!("crowd-{index}"))).await;
        assert_eq!(receipt.map(|receipt| receipt.acts).expect("there is room again"), 1);
    }
    all_holds(&engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_sent_fifty_times_is_done_once_and_answered_fifty_times() {
    let server = Server::shared().await;
    let url = server.database().await;
    let (engine, cases) = county(&url, 8).await;
    let engines = [engine.clone(), again(&url).await, again(&url).await, again(&url).await];
    for (index, case) in cases.iter().enumerate() {
        let mut asked = JoinSet::new();
        for sender in 0..50 {
            let engine = engines[sender % engines.len()].clone();
            let request = remark(*case, &format!("fifty-{index}"));
            asked.spawn(async move { engine.execute(request).await });
        }
        let answers: Vec<_> =
            asked.join_all().await.into_iter().map(|answer| answer.expect("answered")).collect();
        assert_eq!(answers.iter().filter(|receipt| !receipt.replayed).count(), 1, "done once");
        let versions: BTreeSet<u32> = answers.iter().map(|receipt| receipt.version).collect();
        assert_eq!(versions.len(), 1, "one answer");
        let other = request(*case, Wish::Comment { text: "另一条".to_owned() }, clerk(), Some("fifty-0"));
        assert!(matches!(engine.execute(other).await, Err(EngineError::KeyReused)));
    }
    all_holds(&engine).await;
}

/// Each batch is one transaction, which PostgreSQL says of every row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_beside_a_sweep_waits_behind_little_of_it() {
    let server = Server::shared().await;
    let url = server.database().await;
    let (engine, due) = county(&url, 200).await;
    let mut cases = Vec::new();
    for index in 0..32 {
        cases.push(open_hazard(&engine, &format!("far-{index}"), "2027-06-18").await.case);
    }
    engine.store().set_clock(morning("2026-12-21")).await.expect("set");
    let callers = Callers::start("beside", &engine, &cases, 8);
    callers.more(50).await;
    let swept = engine.sweep(&[], 0, 200).await.expect("swept");
    assert_eq!((swept.moved, due.len()), (200, 200));
    callers.stop().await;
    let pool = PgPool::connect(&url).await.expect("connected");
    let ticks: Vec<i64> = sqlx::query_scalar(
        "SELECT count(DISTINCT case_id) FILTER (WHERE name = 'tick') AS ticks FROM acts GROUP BY xmin::text
            HAVING bool_or(name = 'tick') AND bool_or(name <> 'tick') ORDER BY ticks",
    )
    .fetch_all(&pool)
    .await
    .expect("counted");
    assert!(!ticks.is_empty(), "nobody was asked for beside the sweep");
    assert!(ticks.iter().all(|ticks| *ticks <= 16), "people waited behind {ticks:?} cases of the sweep");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_of_a_case_stand_in_one_order_whoever_writes_them() {
    let server = Server::shared().await;
    let url = server.database().await;
    let (engine, cases) = county(&url, 2).await;
    let mut callers = vec![Callers::start("one", &engine, &cases, 4)];
    for name in ["two", "three"] {
        callers.push(Callers::start(name, &again(&url).await, &cases, 4));
    }
    for process in &callers {
        process.more(100).await;
    }
    let mut told = Vec::new();
    for process in callers {
        told.extend(process.stop().await);
    }
    assert_eq!(look_up(&engine, &cases, &told).await, Found::default());
    for case in cases {
        let acts = engine.store().acts(engine.tenant(), case).await.expect("read");
        assert!(acts.windows(2).all(|two| two[1].version == two[0].version + 1 && two[0].at <= two[1].at));
    }
    tests::told(&format!("C26: {} acts on two cases by three engines, each in one order", told.len()));
    all_holds(&engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_line_leaves_doubt_and_nothing_else() {
    let server = Server::start().await;
    let database = database_of(&server.database().await).to_owned();
    let proxy = Proxy::start(&server).await;
    let (engine, cases) = county(&proxy.url(&database), 64).await;
    let callers = Callers::start("cut", &engine, &cases, 16);
    for round in 0..200 {
        callers.more(round % 23 + 1).await;
        proxy.cut();
    }
    let in_doubt = callers.in_doubt();
    let told = callers.stop().await;
    let found = look_up(&engine, &cases, &told).await;
    tests::told(&format!(
        "cut lines: 200 cuts, {} acknowledged, {in_doubt} in doubt, {} lost, {} duplicated",
        told.len(),
        found.lost,
        found.duplicated
    ));
    assert!(in_doubt > 200, "hardly anything was in doubt: {in_doubt}");
    assert_eq!(found, Found::default());
    let wrong = Perform { act: "no-such-act".to_owned(), ..Perform::default() };
    let refused = engine.execute(request(cases[0], Wish::Perform(wrong), clerk(), None)).await;
    assert!(refused.is_err_and(|error| error.refusal().is_some()), "and goes on");
    all_holds(&engine).await;
}
