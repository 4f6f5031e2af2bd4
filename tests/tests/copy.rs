//! A store moves from one database to another and back: the same rows, whatever cuts the way short.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use sqlx::PgPool;
use tests::postgres::Server;
use tests::{County, binary, county, morning, open_hazard, raw};

const DAY: &str = "2026-09-01";
const LATER: &str = "2026-10-20";
const CASES: usize = 120;

/// A county with cases, rungs and digests.
async fn lived() -> County {
    let county = county(DAY, "workflows/general-hazard.yaml").await;
    let mut opening = tokio::task::JoinSet::new();
    for index in 0..CASES {
        let engine = county.engine.clone();
        opening.spawn(async move { open_hazard(&engine, &index.to_string(), "2026-09-18").await });
    }
    assert_eq!(opening.join_all().await.len(), CASES);
    worker::simulate(&county.engine, morning(LATER)).await.expect("simulated");
    county
}

fn copying(from: &str, to: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(["copy", "--lang", "en", "--from", from, "--to", to]).env_remove("BIHUAN_STORE");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn copy(from: &str, to: &str) -> Output {
    copying(from, to).output().expect("the binary starts")
}

fn on(store: &str, arguments: &[&str]) -> Output {
    tests::bihuan(Path::new(store), arguments)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The table it prints: every table with its rows and their digest.
fn tables(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", said(output));
    let text = said(output);
    let lines = text.lines().filter(|line| line.split_whitespace().count() == 3);
    let lines: Vec<String> =
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines.len(), store::table::TABLES.len() - 1, "every table but the settings: {text}");
    lines
}

/// Rows that have arrived, as far as the tables are there.
async fn arrived(pool: &PgPool) -> i64 {
    let there: bool = sqlx::query_scalar("SELECT to_regclass('documents') IS NOT NULL")
        .fetch_one(pool)
        .await
        .expect("asked");
    if !there {
        return 0;
    }
    let statement =
        "SELECT (SELECT count(*) FROM cases) + (SELECT count(*) FROM acts) + (SELECT count(*) FROM rungs)
        + (SELECT count(*) FROM notices)";
    sqlx::query_scalar(statement).fetch_one(pool).await.expect("counted")
}

#[tokio::test]
async fn a_store_is_the_same_there_and_back() {
    let county = lived().await;
    let (here, there) = (county.path.display().to_string(), Server::shared().await.database().await);
    let back = county.folder.path().join("back.db").display().to_string();
    let out = tables(&copy(&format!("sqlite:{here}"), &there));
    assert!(out.iter().any(|line| line.starts_with(&format!("cases {CASES} "))), "{out:?}");
    assert_eq!(tables(&copy(&there, &back)), out, "and back");
    for arguments in
        [&["verify"][..], &["ledger", "--json"], &["status"], &["inbox", "clerk-lin"], &["roundup"]]
    {
        let expected = on(&here, arguments);
        assert!(expected.status.success() && !expected.stdout.is_empty(), "{}", said(&expected));
        assert_eq!(said(&on(&there, arguments)), said(&expected), "{arguments:?}");
        assert_eq!(said(&on(&back, arguments)), said(&expected), "{arguments:?}");
    }
    // It lives on: numbers, keys and clock go on where they were.
    let register = |store: &str| {
        on(store, &["work", "--until", "2026-11-30"]);
        said(&on(store, &["ledger", "--json"]))
    };
    assert_eq!(register(&there), register(&here));
    let again = copy(&here, &there);
    assert!(!again.status.success() && said(&again).contains("ST0012"), "onto a store: {}", said(&again));
}

#[tokio::test]
async fn a_copy_killed_anywhere_goes_on_where_it_stopped() {
    let county = lived().await;
    let (here, there) = (county.path.display().to_string(), Server::shared().await.database().await);
    let pool = PgPool::connect(&there).await.expect("connected");
    let whole: i64 = {
        let pool = raw(&county.path).await;
        let statement = "SELECT (SELECT count(*) FROM cases) + (SELECT count(*) FROM acts)
            + (SELECT count(*) FROM rungs) + (SELECT count(*) FROM notices)";
        sqlx::query_scalar(statement).fetch_one(&pool).await.expect("counted")
    };
    let (mut kills, mut before) = (0, 0);
    for tenth in 1..10 {
        let mut child: Child = copying(&here, &there).spawn().expect("started");
        while child.try_wait().expect("asked").is_none() && arrived(&pool).await < whole * tenth / 10 {
            tokio::task::yield_now().await;
        }
        if child.try_wait().expect("asked").is_some() {
            break;
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        kills += 1;
        let now = arrived(&pool).await;
        assert!(now >= before, "what arrived stays: {before}, now {now}");
        before = now;
        let opened = on(&there, &["status"]);
        assert!(!opened.status.success(), "a part of a store is none: {}", said(&opened));
    }
    println!("killed {kills} times on the way");
    assert!(kills > 0, "never killed on the way: it proves nothing");
    let there_now = tables(&copy(&here, &there));
    let fresh = Server::shared().await.database().await;
    assert_eq!(there_now, tables(&copy(&here, &fresh)), "as in one go");
    assert!(said(&on(&there, &["verify"])).contains("all hold"));
}

#[tokio::test]
async fn what_changed_meanwhile_is_copied_too_and_what_does_not_hold_is_not() {
    let county = lived().await;
    let (here, there) = (county.path.display().to_string(), Server::shared().await.database().await);
    let pool = PgPool::connect(&there).await.expect("connected");
    let mut child = copying(&here, &there).spawn().expect("started");
    while child.try_wait().expect("asked").is_none() && arrived(&pool).await < CASES as i64 * 3 {
        tokio::task::yield_now().await;
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    // Heads and open duties that were copied already move on over here.
    worker::simulate(&county.engine, morning("2026-12-01")).await.expect("simulated");
    let out = tables(&copy(&here, &there));
    let fresh = Server::shared().await.database().await;
    assert_eq!(out, tables(&copy(&here, &fresh)));

    let raw = raw(&county.path).await;
    sqlx::query("UPDATE acts SET body = replace(body, '一号仓库', '二号仓库') WHERE version = 1")
        .execute(&raw)
        .await
        .expect("damaged");
    let empty = Server::shared().await.database().await;
    let refused = copy(&here, &empty);
    assert!(!refused.status.success() && said(&refused).contains("BH0047"), "{}", said(&refused));
}
