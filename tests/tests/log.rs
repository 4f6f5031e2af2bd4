//! The log of SQLite beside processes that write without a pause: in a suite of its own, since nothing else could keep
//! its pace beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engine::Engine;
use machine::Command as Wish;
use machine::value::CaseId;
use sqlx::Row;
use tests::{clerk, county, open_hazard, raw, request};
use tokio::task::JoinHandle;

const FILE: &str = "workflows/general-hazard.yaml";
/// Longest wait for something that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);
/// From so many pages on the log is folded into the file.
const FOLDED_FROM_PAGES: i64 = 16_000;
/// Written at once by another program: the log is at its limit after a few times.
const WRITTEN_PAGES: i64 = 6_000;
/// So often.
const WRITTEN_TIMES: i64 = 8;
/// Of each process, so that it always writes.
const CASES: usize = 16;

/// Comments on a case until it is over, and counts how often.
fn busy(engine: Engine, case: CaseId, written: &Arc<AtomicU64>, over: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (written, over) = (written.clone(), over.clone());
    tokio::spawn(async move {
        while !over.load(Ordering::Relaxed) {
            let wish = Wish::Comment { text: "again".to_owned() };
            engine.execute(request(case, wish, clerk(), None)).await.expect("written");
            written.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_begins_anew_while_two_processes_write() {
    let county = county("2026-09-01", FILE).await;
    let over = Arc::new(AtomicBool::new(false));
    let written = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let mut tasks = Vec::new();
    for (engine, written) in [county.engine.clone(), county.again().await].into_iter().zip(&written) {
        for _ in 0..CASES {
            let key = format!("case {}", tasks.len());
            let case = open_hazard(&engine, &key, "2026-09-18").await.case;
            tasks.push(busy(engine.clone(), case, written, &over));
        }
    }
    let pool = raw(&county.path).await;
    let mut connection = pool.acquire().await.expect("a connection");
    // It folds nothing itself.
    sqlx::raw_sql("PRAGMA wal_autocheckpoint = 0; CREATE TABLE much (bytes BLOB)")
        .execute(&mut *connection)
        .await
        .expect("done");
    for _ in 0..WRITTEN_TIMES {
        sqlx::query("INSERT INTO much VALUES (zeroblob($1))")
            .bind(WRITTEN_PAGES * 4_096)
            .execute(&mut *connection)
            .await
            .expect("written");
        let before = written.each_ref().map(|written| written.load(Ordering::Relaxed));
        let begun_anew = async {
            loop {
                let row = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *connection).await;
                let pages: i64 = row.expect("asked").get("log");
                let mut processes = written.iter().zip(before);
                let both_wrote = processes.all(|(written, before)| written.load(Ordering::Relaxed) > before);
                // It cannot be told while somebody folds.
                if both_wrote && (0..FOLDED_FROM_PAGES).contains(&pages) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, begun_anew).await.expect("the log begins anew beside two that write");
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("every comment was written");
    }
}
