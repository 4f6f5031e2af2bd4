//! The worker on a real clock, stopped by its supervisor.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::world::{done, refused, small};
use engine::Engine;
use machine::act::Auth;
use machine::command::{Directory, Perform};
use store::sqlite::{SqliteStore, host_time};
use store::{Clock, Store};
use tests::{binary, clerk, keep_unchecked, project, raw, texts};

/// Cases that are overdue at once.
const CASES: i64 = 120;

fn work(store: &std::path::Path) -> Child {
    let mut command = Command::new(binary());
    command
        .args(["work", "--batch", "5", "--lang", "en"])
        .env("BIHUAN_STORE", store)
        .env_remove("BIHUAN_TENANT");
    command.stdout(Stdio::piped()).spawn().expect("started")
}

/// Asks a worker to end, and waits until it has.
fn end(mut worker: Child) -> Option<i32> {
    let kill = format!("kill -TERM {}", worker.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("ran").success());
    worker.wait().expect("ended").code()
}

#[tokio::test]
async fn a_worker_asked_to_end_finishes_what_it_began_and_exits_with_zero() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bihuan.db");
    let store = SqliteStore::create(&path, Clock::Real, host_time()).await.expect("a store");
    let tenant = "qingyuan".into();
    let organisation =
        std::fs::read_to_string(project().join("workflows/sample/organisation.yaml")).expect("read");
    let directory: Directory =
        machine::file::read("organisation.yaml", &organisation).expect("an organisation");
    store.put_organisation(&tenant, &serde_json::to_string(&directory).expect("JSON")).await.expect("stored");
    let china = calendar::china();
    let days = serde_json::to_string(&china).expect("JSON");
    store.put_calendar(&tenant, china.id(), china.version(), &days).await.expect("stored");
    let engine = Engine::start(Arc::new(store), tenant);
    keep_unchecked(&engine, "tests/workflows/moment.yaml").await;
    for number in 0..CASES {
        let fields = texts(&[("due_at", "2026-01-05T10:00:00+08:00")]);
        let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
        engine
            .open("moment", perform, clerk(), Auth::Asserted, format!("case-{number}"))
            .await
            .expect("opened");
    }
    let pool = raw(&path).await;
    let missed = async || -> i64 {
        let count = "SELECT count(*) FROM obligations WHERE breached";
        sqlx::query_scalar(count).fetch_one(&pool).await.expect("counted")
    };
    assert_eq!(missed().await, 0);
    // Its first line says that it moved some; more are waiting.
    let mut first = work(&path);
    let mut said = String::new();
    let mut out = BufReader::new(first.stdout.take().expect("a pipe"));
    out.read_line(&mut said).expect("read");
    assert!(said.contains("5 cases moved"), "{said}");
    assert_eq!(end(first), Some(0));
    let half = missed().await;
    assert!((5..CASES).contains(&half), "{half} of {CASES} were done when it ended");
    assert_eq!(half % 5, 0, "the round it was in is whole");
    for check in [&["verify"][..], &["rebuild", "--check"]] {
        assert!(tests::bihuan(&path, check).status.success(), "{check:?}");
    }
    // The next one does the rest.
    let mut second = work(&path);
    let mut lines = BufReader::new(second.stdout.take().expect("a pipe")).lines();
    while missed().await < CASES {
        lines.next().expect("it goes on").expect("read");
    }
    assert_eq!(end(second), Some(0));
    let twice = "SELECT count(*) FROM (SELECT 1 FROM rungs GROUP BY case_id, deadline_no, rung, repeat HAVING count(*) > 1)";
    assert_eq!(sqlx::query_scalar::<_, i64>(twice).fetch_one(&pool).await.expect("counted"), 0);
    assert!(tests::bihuan(&path, &["verify"]).status.success());
}

#[tokio::test]
async fn time_that_cannot_be_set_is_wrong_usage() {
    let county = small().await;
    done(&county, "work --until 2026-09-10");
    let (exit, said) = refused(&county, "work --until 2026-09-09 --lang en");
    assert!(exit == 2 && said.starts_with("ST0007"), "{said}");
    done(&county, "work --until 2026-09-10");
    let organisation = project().join("workflows/sample/organisation.yaml").display().to_string();
    done(&county, &format!("init --organisation {organisation} --store real.db"));
    let (exit, said) = refused(&county, "work --until 2126-09-10 --store real.db --lang en");
    assert!(exit == 2 && said.starts_with("ST0006"), "{said}");
    let (exit, said) = refused(&county, &format!("init --organisation {organisation} --store nodir/x.db"));
    assert!(exit == 2 && said.starts_with("BH0079") && said.contains("nodir"), "{said}");
}

#[tokio::test]
async fn a_worker_on_a_clock_that_stands_still_says_so() {
    let county = small().await;
    let mut command = Command::new(tests::binary());
    command.args(["work", "--lang", "en"]).env("BIHUAN_STORE", &county.path).stderr(Stdio::piped());
    let mut working = command.spawn().expect("it starts");
    let mut said = String::new();
    BufReader::new(working.stderr.take().expect("a pipe")).read_line(&mut said).expect("read");
    assert!(said.contains("stands still") && said.contains("--until"), "{said}");
    working.kill().expect("ended");
    working.wait().expect("gone");
}
