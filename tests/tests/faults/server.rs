//! Servers that die, and servers that others take over from.

use std::time::Instant;

use engine::EngineError;
use tests::postgres::{Server, database_of};
use tests::proxy::Proxy;

use crate::history::{Callers, Found, again, all_holds, county, look_up, remark};

const CALLERS: usize = 16;
const CASES: usize = 64;
/// Kills of the server in the suite.
const KILLS: u64 = 200;
/// Rounds in which a replica takes over.
const PROMOTIONS: usize = 50;
const PROMOTIONS_LATE: usize = 5;

/// Numbers that look random and are the same in every run.
fn scattered(seed: u64, below: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^= mixed >> 29;
    mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) % below
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let server = Server::start().await;
    let url = server.database().await;
    let (engine, cases) = county(&url, CASES).await;
    let callers = Callers::start("killed", &engine, &cases, CALLERS);
    for kill in 0..KILLS {
        callers.more(scattered(kill, 40) as usize + 1).await;
        // One server process alone makes the server start anew; all at once is a power cut.
        if kill % 4 == 3 {
            assert!(server.kill_backend(kill).await.is_some(), "a connection to kill");
        } else {
            server.kill().await;
            server.start_again().await;
        }
        server.ready().await;
    }
    let in_doubt = callers.in_doubt();
    let told = callers.stop().await;
    let found = look_up(&engine, &cases, &told).await;
    tests::told(&format!(
        "C14: {KILLS} kills of the server under {CALLERS} callers, {} acknowledged, {in_doubt} in doubt, {} lost, {} \
         duplicated",
        told.len(),
        found.lost,
        found.duplicated
    ));
    assert!(in_doubt as u64 > KILLS, "hardly anything was in doubt: {in_doubt}");
    assert_eq!(found, Found::default());
    all_holds(&engine).await;
}

/// Rounds in which the primary is killed and its replica takes over. Gives acknowledged, in doubt and lost.
async fn promotions(synchronous: bool, rounds: usize) -> (usize, usize, Found) {
    let mut primary = Server::start().await;
    let database = database_of(&primary.database().await).to_owned();
    let proxy = Proxy::start(&primary).await;
    let (engine, cases) = county(&proxy.url(&database), CASES).await;
    let (mut acknowledged, mut in_doubt, mut found) = (0, 0, Found::default());
    for round in 0..rounds {
        let replica = primary.replica(synchronous).await;
        let callers = Callers::start(&format!("round-{round}"), &engine, &cases, CALLERS);
        callers.more(scattered(round as u64, 200) as usize + 20).await;
        primary.kill().await;
        // What was acknowledged so far has to be there; what was not is sent again, and must not be done twice.
        replica.promote().await;
        proxy.lead_to(&replica);
        proxy.cut();
        callers.more(CALLERS).await;
        in_doubt += callers.in_doubt();
        let told = callers.stop().await;
        acknowledged += told.len();
        let now = look_up(&engine, &cases, &told).await;
        found.lost += now.lost;
        found.duplicated += now.duplicated;
        found.elsewhere += now.elsewhere;
        primary = replica;
    }
    all_holds(&engine).await;
    (acknowledged, in_doubt, found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_synchronous_replica_takes_over() {
    let (acknowledged, in_doubt, found) = promotions(true, PROMOTIONS).await;
    tests::told(&format!(
        "C15: {PROMOTIONS} promotions of a synchronous replica, {acknowledged} acknowledged, {in_doubt} in doubt, {} lost, \
         {} duplicated",
        found.lost, found.duplicated
    ));
    assert!(in_doubt > PROMOTIONS, "hardly anything was in doubt: {in_doubt}");
    assert_eq!(found, Found::default());
    let (acknowledged, in_doubt, found) = promotions(false, PROMOTIONS_LATE).await;
    tests::told(&format!(
        "C15: {PROMOTIONS_LATE} promotions of an asynchronous replica, {acknowledged} acknowledged, {in_doubt} in doubt, {} \
         lost (nothing promises that it is none)",
        found.lost
    ));
    assert_eq!(found.duplicated, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_primary_is_found_and_the_standby_answers_nothing() {
    let old = Server::start().await;
    let database = database_of(&old.database().await).to_owned();
    let proxy = Proxy::start(&old).await;
    let (engine, cases) = county(&proxy.url(&database), CASES).await;
    let new = old.replica(true).await;
    let callers = Callers::start("switched", &engine, &cases, CALLERS);
    callers.more(50).await;
    let before = remark(cases[0], "before");
    engine.execute(before.clone()).await.expect("recorded");
    old.stop().await;
    new.promote().await;
    // The old primary comes back as a standby, and whoever asks is still led there.
    old.follow(&new).await;
    tests::postgres::until("every caller has failed", || callers.in_doubt() >= CALLERS).await;
    // It has the answer to this one, and may be far behind with others.
    let answer = engine.execute(before).await;
    assert!(matches!(answer, Err(EngineError::Store(_))), "the standby answers: {answer:?}");
    proxy.lead_to(&new);
    let led = Instant::now();
    callers.more(CALLERS).await;
    let took_ms = led.elapsed().as_millis();
    let in_doubt = callers.in_doubt();
    let told = callers.stop().await;
    let found = look_up(&again(&new.url(&database)).await, &cases, &told).await;
    tests::told(&format!(
        "C16: the new primary was found in {took_ms} ms, {} acknowledged, {in_doubt} in doubt, {} lost",
        told.len(),
        found.lost
    ));
    assert_eq!(found, Found::default());
    all_holds(&engine).await;
}
