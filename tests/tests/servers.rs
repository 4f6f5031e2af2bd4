//! What the tests on PostgreSQL rest on: that servers and networks fail as they were told to, and that no server
//! is left behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tests::postgres::{Server, alive, database_of, until};
use tests::proxy::Proxy;
use tokio::time::{Instant, timeout};

/// Where the test that is killed writes down its server.
const HELD: &str = "BIHUAN_TEST_HELD_SERVER";
/// Long enough that what answers has answered.
const SILENCE: Duration = Duration::from_millis(300);

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("connected")
}

/// A connection to a table of its own.
async fn table(url: &str) -> PgConnection {
    let mut connection = connect(url).await;
    sqlx::query("CREATE TABLE written (number bigint PRIMARY KEY)")
        .execute(&mut connection)
        .await
        .expect("made");
    connection
}

async fn write(connection: &mut PgConnection, number: i64) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO written VALUES ($1)").bind(number).execute(connection).await.map(|_| ())
}

async fn written(connection: &mut PgConnection) -> Vec<i64> {
    let numbers = sqlx::query_scalar("SELECT number FROM written ORDER BY number");
    numbers.fetch_all(connection).await.expect("read")
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    let value = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
    value.fetch_one(connection).await.expect("read")
}

#[tokio::test]
async fn every_database_is_empty_and_the_server_is_durable_and_in_no_network() {
    let server = Server::shared().await;
    let (first, second) = (server.database().await, server.database().await);
    assert_eq!(first, server.url(database_of(&first)));
    let mut one = table(&first).await;
    write(&mut one, 1).await.expect("written");
    let mut other = table(&second).await;
    assert!(written(&mut other).await.is_empty());
    assert_eq!(written(&mut one).await, [1]);
    for (name, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ] {
        assert_eq!(setting(&mut one, name).await, value, "{name}");
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_kill_and_after_a_stop() {
    let server = Server::start().await;
    let url = server.database().await;
    let mut connection = table(&url).await;
    // Written until the server is killed under it; what it was told was written has to be there.
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while write(&mut connection, number).await.is_ok() {
            number += 1;
        }
        number
    });
    let mut reader = connect(&url).await;
    while written(&mut reader).await.len() < 100 {}
    let killed = server.postmaster().expect("running");
    server.kill().await;
    let acknowledged = writer.await.expect("it ended");
    assert!(!alive(killed) && server.postmaster().is_none());
    server.start_again().await;
    let mut connection = connect(&url).await;
    let found = written(&mut connection).await;
    let wanted: Vec<i64> = (0..acknowledged).collect();
    // The last one may have been committed without a word.
    assert!(found.starts_with(&wanted) && found.len() <= wanted.len() + 1, "{acknowledged}: {found:?}");
    assert!(server.log().contains("automatic recovery in progress"), "{}", server.log());

    server.stop().await;
    assert!(PgConnection::connect(&url).await.is_err());
    server.start_again().await;
    assert_eq!(written(&mut connect(&url).await).await, found);
}

#[tokio::test]
async fn a_killed_backend_drops_every_connection_and_the_server_recovers() {
    let server = Server::start().await;
    let url = server.database().await;
    let (mut one, mut other) = (table(&url).await, connect(&url).await);
    write(&mut one, 1).await.expect("written");
    let mut numbers = Vec::new();
    for connection in [&mut one, &mut other] {
        let number: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.expect("read");
        numbers.push(u32::try_from(number).expect("a process"));
    }
    let killed = server.kill_backend(7).await.expect("there are two");
    assert!(numbers.contains(&killed), "{killed} of {numbers:?}");
    assert!(one.ping().await.is_err() && other.ping().await.is_err());
    server.ready().await;
    assert_eq!(written(&mut connect(&url).await).await, [1]);
}

#[tokio::test]
async fn a_paused_server_answers_once_it_goes_on() {
    let server = Server::start().await;
    let mut connection = table(&server.database().await).await;
    server.pause().await;
    {
        let asked = write(&mut connection, 1);
        tokio::pin!(asked);
        assert!(timeout(SILENCE, &mut asked).await.is_err(), "a paused server answered");
        server.resume();
        asked.await.expect("written");
    }
    assert_eq!(written(&mut connection).await, [1]);
    // Gone with the test also while it is paused.
    server.pause().await;
    let (folder, postmaster) = (server.folder().to_path_buf(), server.postmaster().expect("running"));
    drop(server);
    assert!(!folder.exists() && !alive(postmaster));
}

#[tokio::test]
async fn a_killed_test_leaves_no_server_behind() {
    if let Some(held) = std::env::var_os(HELD) {
        return hold(&PathBuf::from(held)).await;
    }
    let scratch = tempfile::tempdir().expect("a folder");
    let held = scratch.path().join("held");
    let name = "a_killed_test_leaves_no_server_behind";
    let mut test = Command::new(std::env::current_exe().expect("it has a path"));
    test.args(["--exact", name]).env(HELD, &held).stdout(Stdio::null()).stderr(Stdio::null());
    let mut test = test.spawn().expect("it starts");
    until("the other test has a server", || held.exists()).await;
    let line = std::fs::read_to_string(&held).expect("read");
    let (postmaster, folder) = line.split_once(' ').expect("two words");
    let (postmaster, folder) = (postmaster.parse().expect("a process"), Path::new(folder));
    assert!(alive(postmaster) && folder.exists());
    test.kill().expect("killed");
    test.wait().expect("gone");
    until("the server is gone", || !alive(postmaster) && !folder.exists()).await;
}

/// The other test: starts a server, says so, and waits to be killed.
async fn hold(held: &Path) {
    let server = Server::start().await;
    let postmaster = server.postmaster().expect("running");
    let new = held.with_extension("new");
    std::fs::write(&new, format!("{postmaster} {}", server.folder().display())).expect("written");
    std::fs::rename(new, held).expect("renamed");
    std::future::pending().await
}

#[tokio::test]
async fn a_synchronous_replica_has_every_commit_when_it_takes_over() {
    let primary = Server::start().await;
    let replica = primary.replica(true).await;
    let url = primary.database().await;
    let mut connection = table(&url).await;
    for number in 0..50 {
        write(&mut connection, number).await.expect("written");
    }
    primary.kill().await;
    replica.promote().await;
    let mut connection = connect(&replica.url(database_of(&url))).await;
    assert_eq!(written(&mut connection).await, (0..50).collect::<Vec<i64>>());
    // It waits for no replica itself.
    write(&mut connection, 50).await.expect("written");
}

#[tokio::test]
async fn an_old_primary_follows_the_one_promoted_in_its_place() {
    let old = Server::start().await;
    let new = old.replica(false).await;
    let database = old.database().await;
    let proxy = Proxy::start(&old).await;
    let database = database_of(&database);
    write(&mut table(&proxy.url(database)).await, 1).await.expect("written");
    old.stop().await;
    new.promote().await;
    old.follow(&new).await;
    // It is reached, and writes nothing.
    let refused = write(&mut connect(&proxy.url(database)).await, 2).await.expect_err("a replica");
    let code = refused.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    assert_eq!(code.as_deref(), Some("25006"), "{refused}");
    proxy.lead_to(&new);
    let mut connection = connect(&proxy.url(database)).await;
    write(&mut connection, 3).await.expect("written");
    assert_eq!(written(&mut connection).await, [1, 3]);
}

#[tokio::test]
async fn a_proxy_delays_each_direction() {
    let server = Server::shared().await;
    let proxy = Proxy::start(server).await;
    let mut connection = table(&proxy.url(database_of(&server.database().await))).await;
    let (some, more) = (Duration::from_millis(100), Duration::from_millis(300));
    for (to_server, to_client) in [(some, Duration::ZERO), (Duration::ZERO, some), (more, more)] {
        proxy.delay(to_server, to_client);
        let begun = Instant::now();
        connection.ping().await.expect("answered");
        let took = begun.elapsed();
        assert!(took >= to_server + to_client, "{took:?}");
    }
    // Cut before its answer has come back: done, and nobody was told.
    proxy.delay(Duration::ZERO, Duration::from_secs(60));
    assert!(timeout(SILENCE, write(&mut connection, 1)).await.is_err());
    proxy.cut();
    proxy.normal().await;
    assert!(connection.ping().await.is_err());
}

#[tokio::test]
async fn a_proxy_cuts_what_is_open_and_lets_new_connections_in() {
    let server = Server::shared().await;
    let proxy = Proxy::start(server).await;
    let url = proxy.url(database_of(&server.database().await));
    let mut connection = table(&url).await;
    proxy.cut();
    let error = write(&mut connection, 1).await.expect_err("cut");
    assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
    assert!(written(&mut connect(&url).await).await.is_empty(), "it arrived after the cut");
}

#[tokio::test]
async fn a_half_open_proxy_takes_everything_and_forwards_it_when_it_is_whole_again() {
    let server = Server::shared().await;
    let proxy = Proxy::start(server).await;
    let database = server.database().await;
    let url = proxy.url(database_of(&database));
    let mut through = table(&url).await;
    let mut beside = connect(&database).await;
    proxy.half_open();
    {
        let asked = write(&mut through, 1);
        tokio::pin!(asked);
        assert!(timeout(SILENCE, &mut asked).await.is_err(), "answered");
        assert!(timeout(SILENCE, PgConnection::connect(&url)).await.is_err(), "connected");
        assert!(written(&mut beside).await.is_empty(), "forwarded");
        proxy.normal().await;
        asked.await.expect("written");
    }
    assert_eq!(written(&mut beside).await, [1]);
    // Cut while it is half-open, the client hears of it.
    proxy.half_open();
    proxy.cut();
    assert!(through.ping().await.is_err());
}

#[tokio::test]
async fn a_proxy_refuses_new_connections_and_keeps_the_open_ones() {
    let server = Server::shared().await;
    let proxy = Proxy::start(server).await;
    let url = proxy.url(database_of(&server.database().await));
    let mut connection = table(&url).await;
    for _ in 0..3 {
        proxy.refuse().await;
        let error = PgConnection::connect(&url).await.expect_err("refused");
        let refused =
            matches!(&error, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused);
        assert!(refused, "{error}");
        connection.ping().await.expect("still open");
        proxy.normal().await;
        connect(&url).await.ping().await.expect("let in again");
    }
}
