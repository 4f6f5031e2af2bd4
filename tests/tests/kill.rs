//! I3 under kill -9: two workers and acts from a third process; every rung once, in order.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::SqlitePool;
use tests::{bihuan, binary, county, morning, open_hazard, raw};

const CASES: usize = 2_000;
const KILLS: usize = 100;
/// Rungs each case has by the day the clock is set to: two reminders, the overdue mark, and the first of
/// the repeating rung.
const RUNGS_PER_CASE: i64 = 4;

fn worker(path: &std::path::Path) -> Child {
    let mut command = Command::new(binary());
    command.args(["work", "--batch", "4"]).env("BIHUAN_STORE", path);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the worker starts")
}

async fn rungs(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM rungs").fetch_one(pool).await.expect("counted")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rung_is_recorded_once_and_in_order_whatever_is_killed() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let mut opening = tokio::task::JoinSet::new();
    for index in 0..CASES {
        let engine = county.engine.clone();
        opening.spawn(async move { open_hazard(&engine, &format!("kill-{index}"), "2026-09-10").await });
    }
    while let Some(opened) = opening.join_next().await {
        opened.expect("opened");
    }
    let pool = raw(&county.path).await;
    let before = rungs(&pool).await;
    // All of it falls due at once: the workers have everything to do.
    county.engine.store().set_clock(morning("2026-09-18")).await.expect("set");
    let expected = i64::try_from(CASES).expect("few") * RUNGS_PER_CASE;
    let mut random = 7_u64;
    let (mut kills, mut turns) = (0, 0);
    while kills < KILLS {
        let start = rungs(&pool).await;
        let mut workers = [worker(&county.path), worker(&county.path)];
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let wanted = start + 4 + i64::try_from(random >> 59).expect("small");
        if turns % 10 == 0 {
            let number = format!("YB-2026-{:06}", 1 + (random >> 33) % CASES as u64);
            let said = bihuan(&county.path, &["comment", &number, "seen", "--as", "clerk-lin/office-clerk"]);
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
        for _ in 0..2_000 {
            if rungs(&pool).await >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for worker in &mut workers {
            worker.kill().expect("killed");
            worker.wait().expect("gone");
        }
        let now = rungs(&pool).await;
        let counts = now > start && now - before < expected;
        kills += usize::from(counts);
        turns += 1;
        println!("kill {kills}/{KILLS}: {} of {expected} rungs", now - before);
        assert!(turns < 4 * KILLS, "the kills do not fall between rungs: {kills} of {turns} counted");
    }
    let mut last = worker(&county.path);
    for _ in 0..60_000 {
        if county
            .engine
            .store()
            .due(county.engine.tenant(), morning("2026-09-18"), 1)
            .await
            .expect("read")
            .is_empty()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    last.kill().expect("killed");
    last.wait().expect("gone");
    assert_eq!(rungs(&pool).await - before, expected, "every rung, once");
    let disorder: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM rungs a JOIN rungs b USING (tenant_id, case_id)
         WHERE a.act_version < b.act_version AND a.due_at > b.due_at AND b.result <> 'not_applicable'",
    )
    .fetch_one(&pool)
    .await
    .expect("counted");
    assert_eq!(disorder, 0, "rungs in order");
    let unannounced: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM rungs r WHERE result = 'fired' AND NOT EXISTS (SELECT 1 FROM notices n
         WHERE n.case_id = r.case_id AND n.act_version = r.act_version)",
    )
    .fetch_one(&pool)
    .await
    .expect("counted");
    assert_eq!(unannounced, 0, "every rung that fired has its notices");
    let verified = bihuan(&county.path, &["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}
