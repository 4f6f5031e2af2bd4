//! What lies under a store: a full disk, a lock of another program, a snapshot beside a writer, a log that is to be
//! folded into the file, a file that cannot be read.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::{EngineError, Receipt};
use machine::Command as Wish;
use machine::value::{CaseId, TenantId};
use sqlx::{AssertSqlSafe, Connection, Row, Sqlite, SqliteConnection, SqlitePool, Transaction};
use store::sqlite::SqliteStore;
use store::{Clock, Store, StoreError};
use tests::{County, bihuan, bihuan_zh, binary, clerk, county, morning, open_hazard, project, raw, request};

const FILE: &str = "workflows/general-hazard.yaml";

async fn comment(county: &County, case: CaseId, text: &str) -> Result<Receipt, EngineError> {
    let wish = Wish::Comment { text: text.to_owned() };
    county.engine.execute(request(case, wish, clerk(), None)).await
}

async fn run(pool: &SqlitePool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.expect("done");
}

fn organisation() -> String {
    project().join("workflows/sample/organisation.yaml").display().to_string()
}

fn init(path: &Path) -> Output {
    bihuan(path, &["init", "--organisation", &organisation(), "--simulated", "2026-09-01"])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_transaction_the_database_undoes_by_itself_blocks_no_later_one() {
    let county = county("2026-09-01", FILE).await;
    let case = open_hazard(&county.engine, "undone", "2026-09-18").await.case;
    let pool = raw(&county.path).await;
    // As on a full disk: the database rolls back by itself, and a second ROLLBACK fails.
    run(&pool, "CREATE TRIGGER no BEFORE INSERT ON acts BEGIN SELECT RAISE(ROLLBACK, 'no room'); END").await;
    let refused = comment(&county, case, "one").await.expect_err("nothing can be written");
    assert!(format!("{refused:?}").contains("no room"), "the first reason is told: {refused:?}");
    run(&pool, "DROP TRIGGER no").await;
    let written = comment(&county, case, "two").await;
    assert!(written.is_ok(), "{written:?}");
}

/// Every insert into a table fails as on a full disk: the numbers of a table have run out.
const FULL: &str = "CREATE TABLE used_up (no INTEGER PRIMARY KEY AUTOINCREMENT) STRICT;
    INSERT INTO used_up VALUES (9223372036854775807);
    CREATE TRIGGER full BEFORE INSERT ON acts BEGIN INSERT INTO used_up VALUES (NULL); END";

#[tokio::test]
async fn a_full_disk_is_told_as_one_to_everybody_and_passes() {
    let county = county("2026-09-01", FILE).await;
    let first = open_hazard(&county.engine, "full-1", "2026-09-18").await.case;
    let second = open_hazard(&county.engine, "full-2", "2026-09-18").await.case;
    let pool = raw(&county.path).await;
    run(&pool, FULL).await;
    let both = tokio::join!(comment(&county, first, "one"), comment(&county, second, "two"));
    for refused in [both.0, both.1] {
        let refused = refused.expect_err("nothing can be written");
        assert_eq!(refused.code(), "ST0008", "{refused:?}");
    }
    let line = ["comment", "YB-2026-000001", "no room", "--as", "clerk-lin/office-clerk"];
    let refused = bihuan(&county.path, &line);
    assert!(
        refused.status.code() == Some(1) && said(&refused).contains("disk is full"),
        "{}",
        said(&refused)
    );
    let refused = bihuan_zh(&county.path, &line);
    assert!(said(&refused).contains("磁盘已满"), "{}", said(&refused));
    run(&pool, "DROP TRIGGER full").await;
    comment(&county, first, "three").await.expect("there is room again");
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_for_once_and_told_to_all_who_waited() {
    let county = county("2026-09-01", FILE).await;
    let mut cases = Vec::new();
    for index in 0..3 {
        cases.push(open_hazard(&county.engine, &format!("held-{index}"), "2026-09-18").await.case);
    }
    let pool = raw(&county.path).await;
    let held = pool.begin_with("BEGIN IMMEDIATE").await.expect("locked");
    let begun = tokio::time::Instant::now();
    let all = tokio::join!(
        comment(&county, cases[0], "one"),
        comment(&county, cases[1], "two"),
        comment(&county, cases[2], "three")
    );
    for refused in [all.0, all.1, all.2] {
        assert_eq!(refused.expect_err("locked").code(), "ST0009");
    }
    // One wait is half a minute.
    assert!(begun.elapsed() < std::time::Duration::from_secs(55), "{:?}", begun.elapsed());
    drop(held);
    comment(&county, cases[0], "four").await.expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_is_sound_to_whoever_reads_it_beside_a_writer() {
    let county = Arc::new(county("2026-09-01", FILE).await);
    let case = open_hazard(&county.engine, "live", "2026-09-18").await.case;
    let looked = Arc::new(AtomicU64::new(0));
    let writer = tokio::spawn({
        let (county, looked) = (county.clone(), looked.clone());
        async move {
            // Until it was looked at often enough, whichever of the two is faster.
            for written in 0.. {
                if written >= 60 && looked.load(Ordering::Relaxed) > 10 {
                    break;
                }
                open_hazard(&county.engine, &format!("beside-{written}"), "2026-09-18").await;
                comment(&county, case, &format!("number {written}")).await.expect("written");
            }
        }
    });
    let (store, tenant, catalog) = (county.engine.store(), county.engine.tenant(), county.engine.catalog());
    while !writer.is_finished() {
        let report = engine::verify::verify(store, tenant, catalog).await.expect("read");
        assert_eq!(report.faults, [], "of {} acts", report.acts);
        let rebuilt = engine::rebuild::rebuild(store, tenant, catalog, false).await.expect("read");
        assert_eq!((rebuilt.differences, rebuilt.left), (vec![], vec![]));
        looked.fetch_add(1, Ordering::Relaxed);
    }
    writer.await.expect("ran");
}

#[tokio::test]
async fn a_store_is_not_closed_in_silence_while_its_log_holds_what_the_file_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("read.db");
    let store = SqliteStore::create(&path, Clock::Simulated, morning("2026-09-01")).await.expect("a store");
    let reader = raw(&path).await;
    let mut reading = reader.begin_with("BEGIN DEFERRED").await.expect("begun");
    sqlx::query("SELECT count(*) FROM tenants").execute(&mut *reading).await.expect("read");
    store.put_organisation(&TenantId::from("qingyuan"), "{}").await.expect("written");
    let closed = store.close().await;
    assert!(matches!(closed, Err(StoreError::Held)), "{closed:?}");
    drop(reading);
    reader.close().await;
    let store = SqliteStore::open(&path).await.expect("opened");
    store.close().await.expect("closed");
    assert!(!path.with_extension("db-wal").exists());
}

/// Longest wait for something that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many pages another program writes: more than the log may have before a batch has it folded.
const MUCH_PAGES: i64 = 17_000;
/// How often somebody tries to write after a batch, and after how many batches: folding takes a while at first.
const TRIES: u32 = 500;
const BATCHES: u32 = 20;
/// How often is read while a batch waits: it may not have begun to at first.
const READ_TIMES: u32 = 100;

/// Another program beside a store: it folds nothing, and waits for nobody who writes.
async fn other_program(path: &Path) -> SqlitePool {
    let other = raw(path).await;
    run(&other, "PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 0; CREATE TABLE much (bytes BLOB)")
        .await;
    other
}

/// Writes more than the log may have.
async fn write_much(other: &SqlitePool) {
    let insertion = sqlx::query("INSERT INTO much VALUES (zeroblob($1))").bind(MUCH_PAGES * 4_096);
    insertion.execute(other).await.expect("written");
}

/// Sees from now on what is there now.
async fn begin_to_read(reader: &SqlitePool) -> Transaction<'static, Sqlite> {
    let mut reading = reader.begin_with("BEGIN DEFERRED").await.expect("begun");
    sqlx::query("SELECT count(*) FROM tenants").execute(&mut *reading).await.expect("read");
    reading
}

/// A batch, after which the log is folded where it is too long. There is nothing in this one.
async fn batch(store: &SqliteStore) {
    let nothing: [Vec<store::Change>; 1] = [Vec::new()];
    for outcome in store.commit(&TenantId::from("qingyuan"), nothing.into()).await {
        outcome.expect("run");
    }
}

/// Pages in the log, and those of them that are in the file. It cannot be told while somebody folds.
async fn log(other: &SqlitePool) -> (i64, i64) {
    let asked = async {
        loop {
            let row = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(other).await.expect("asked");
            if let (pages @ 0.., folded) = (row.get("log"), row.get("checkpointed")) {
                return (pages, folded);
            }
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("nobody folds for ever")
}

/// Whether somebody who goes on trying to write is kept out once. Of a store only folding can be at it: the batch
/// before is over.
async fn is_kept_out(other: &SqlitePool) -> bool {
    for _ in 0..TRIES {
        match other.begin_with("BEGIN IMMEDIATE").await {
            Ok(begun) => begun.rollback().await.expect("undone"),
            Err(locked) => {
                assert!(locked.to_string().contains("database is locked"), "{locked}");
                return true;
            }
        }
    }
    false
}

#[tokio::test]
async fn a_store_is_closed_while_its_log_is_folded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("closed.db");
    let store = SqliteStore::create(&path, Clock::Simulated, morning("2026-09-01")).await.expect("a store");
    let other = other_program(&path).await;
    // While a batch waits to write, the next one reads with a connection that may only read.
    let held = other.begin_with("BEGIN IMMEDIATE").await.expect("locked");
    let read = async {
        for _ in 0..READ_TIMES {
            store.read(&TenantId::from("qingyuan"), &[]).await.expect("read");
        }
        held.rollback().await.expect("let go");
    };
    tokio::join!(batch(&store), read);
    write_much(&other).await;
    other.close().await;
    batch(&store).await;
    store.close().await.expect("whoever folds is waited for, and waits for nobody");
    assert!(
        !path.with_extension("db-wal").exists(),
        "all connections are closed, the last of them by one that writes"
    );
}

#[tokio::test]
async fn nobody_writes_while_the_log_begins_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("anew.db");
    let store = SqliteStore::create(&path, Clock::Simulated, morning("2026-09-01")).await.expect("a store");
    let other = other_program(&path).await;
    write_much(&other).await;
    // What it sees is all there is: everything can be folded, but the log cannot begin anew before it is done.
    let reader = raw(&path).await;
    let reading = begin_to_read(&reader).await;
    let kept_out = async {
        loop {
            batch(&store).await;
            if is_kept_out(&other).await {
                break;
            }
        }
    };
    let kept_out = tokio::time::timeout(PATIENCE, kept_out).await;
    kept_out.expect("somebody is kept out: two busy processes would never let it begin anew");
    reading.rollback().await.expect("over");
    run(&other, "PRAGMA busy_timeout = 30000; INSERT INTO much VALUES (NULL)").await;
    let (pages, _) = log(&other).await;
    assert!(pages < MUCH_PAGES, "it goes on after {pages} pages");
}

#[tokio::test]
async fn nobody_who_writes_waits_for_a_long_reader_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("long.db");
    let store = SqliteStore::create(&path, Clock::Simulated, morning("2026-09-01")).await.expect("a store");
    let other = other_program(&path).await;
    let reader = raw(&path).await;
    let reading = begin_to_read(&reader).await;
    write_much(&other).await;
    for no in 0..BATCHES {
        batch(&store).await;
        assert!(
            !is_kept_out(&other).await,
            "after batch {no}, though folding has come to its end at the reader"
        );
    }
    let (pages, folded) = log(&other).await;
    assert!(folded < pages, "{folded} of {pages}: the reader was in the way");
    reading.rollback().await.expect("over");
    let all = async {
        loop {
            batch(&store).await;
            let (pages, folded) = log(&other).await;
            if folded == pages {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the next batch has the rest folded");
}

#[tokio::test]
async fn what_is_no_batch_folds_nothing_of_a_long_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("quick.db");
    let store = SqliteStore::create(&path, Clock::Simulated, morning("2026-09-01")).await.expect("a store");
    let other = other_program(&path).await;
    write_much(&other).await;
    let before = log(&other).await;
    store.put_organisation(&TenantId::from("qingyuan"), "{}").await.expect("written");
    let (pages, folded) = log(&other).await;
    assert!(pages > before.0 && folded == 0, "{folded} of {pages} were folded while others waited to write");
}

/// `init` where no file may be longer than so many blocks of 512 bytes.
fn init_within(blocks: u32, store: &Path) -> Output {
    let line = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &line, "sh"]).arg(binary()).args(["init", "--organisation", &organisation()]);
    command.args(["--simulated", "2026-09-01", "--lang", "en"]).env("BIHUAN_STORE", store);
    command.output().expect("it starts")
}

#[tokio::test]
async fn an_init_without_room_leaves_a_whole_store_or_nothing_at_all() {
    let (mut whole, mut none) = (0, 0);
    for blocks in [0, 1, 16, 64, 128, 256, 384, 512, 640, 768, 1_024, 1_536, 2_048, 4_096, 8_192] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tight.db");
        let done = init_within(blocks, &path);
        if done.status.success() {
            let verified = bihuan(&path, &["verify"]);
            assert!(verified.status.success(), "{blocks}: {}", said(&verified));
            whole += 1;
        } else {
            let left: Vec<_> = std::fs::read_dir(folder.path()).expect("read").collect();
            assert!(left.is_empty(), "{blocks}: {left:?} after {}", said(&done));
            assert!(!said(&done).contains("schema does not fit"), "{blocks}: {}", said(&done));
            none += 1;
        }
    }
    assert!(whole > 0 && none > 3, "{whole} whole, {none} none");
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_not_called_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.db");
    assert!(init(&path).status.success());
    // another program holds it for itself.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut holder = SqliteConnection::connect_with(&options).await.expect("opened");
    sqlx::raw_sql("PRAGMA locking_mode = EXCLUSIVE; UPDATE store_settings SET value = value")
        .execute(&mut holder)
        .await
        .expect("held");
    let refused = bihuan(&path, &["ledger"]);
    assert!(refused.status.code() == Some(1) && said(&refused).contains("ST0009"), "{}", said(&refused));
    assert!(said(&refused).contains("another program holds"), "{}", said(&refused));
    holder.close().await.expect("closed");
    // Its log cannot be made beside it.
    let log = folder.path().join("mine.db-wal");
    std::fs::create_dir(&log).expect("made");
    let refused = bihuan(&path, &["ledger"]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("ST0018"), "{}", said(&refused));
    assert!(said(&refused).contains("cannot be opened"), "{}", said(&refused));
    let refused = bihuan_zh(&path, &["ledger"]);
    assert!(said(&refused).contains("无法打开"), "{}", said(&refused));
    std::fs::remove_dir(&log).expect("removed");
    assert!(bihuan(&path, &["ledger"]).status.success());
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_without_the_right_to_read_it_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theirs.db");
    assert!(init(&path).status.success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("set");
    let read = bihuan(&path, &["ledger"]);
    // The administrator of the machine may read everything.
    if std::fs::File::open(&path).is_ok() {
        assert!(read.status.success(), "{}", said(&read));
    } else {
        assert_eq!(read.status.code(), Some(2), "{}", said(&read));
        assert!(
            said(&read).contains("ST0018") && !said(&read).contains("not a bihuan store"),
            "{}",
            said(&read)
        );
    }
}
