//! The file a store lies in: made whole or not at all, brought up to date in one step, and left alone when
//! it is not ours or not of our time.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant as Stopwatch};

use engine::EngineError;
use sqlx::{AssertSqlSafe, SqlitePool};
use store::sqlite::SqliteStore;
use store::{StoreError, Unfit};
use tests::{administrator, bihuan, binary, county, definition, morning, project, raw};

const FILE: &str = "workflows/general-hazard.yaml";

fn organisation() -> String {
    project().join("workflows/sample/organisation.yaml").display().to_string()
}

fn init(path: &Path) -> Output {
    bihuan(path, &["init", "--organisation", &organisation(), "--simulated", "2026-09-01"])
}

async fn rows<T: Send + Unpin>(pool: &SqlitePool, sql: &str) -> Vec<T>
where
    (T,): for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
{
    let rows: Vec<(T,)> = sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_all(pool).await.expect("read");
    rows.into_iter().map(|(row,)| row).collect()
}

const TABLES: &str = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
    AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'";

#[tokio::test]
async fn every_table_is_strict_and_the_store_runs_durably() {
    let county = county("2026-09-01", FILE).await;
    let pool = raw(&county.path).await;
    let tables: Vec<String> = rows(&pool, TABLES).await;
    let strict: Vec<String> = rows(&pool, &format!("{TABLES} AND strict = 1")).await;
    assert!(tables.len() >= 14, "{tables:?}");
    assert_eq!(tables, strict);
    // Every table is a tenant's, but for the one with the settings of the file.
    for table in tables.iter().filter(|table| *table != "store_settings") {
        let first: Vec<String> =
            rows(&pool, &format!("SELECT name FROM pragma_table_info('{table}') WHERE cid = 0")).await;
        assert_eq!(first, ["tenant_id"], "{table}");
    }
    let wrong = sqlx::query("INSERT INTO case_numbers VALUES ('t', 'p', 'many')").execute(&pool).await;
    assert!(wrong.is_err(), "a text in a column of numbers");
    let journal: Vec<String> = rows(&pool, "PRAGMA journal_mode").await;
    assert_eq!(journal, ["wal"]);
    let version: Vec<String> = rows(&pool, "SELECT sqlite_version()").await;
    let parts: Vec<u32> = version[0].split('.').map(|part| part.parse().expect("a number")).collect();
    assert!(parts >= vec![3, 51, 3], "{version:?}");
    // Somebody set it back by hand: the next start sets it right, reads it back, and goes on.
    county.engine.store().next_wake(county.engine.tenant(), &[]).await.expect("read");
    drop(county.engine);
    pool.close().await;
    let alone = county.folder.path().join("alone.db");
    assert!(init(&alone).status.success());
    let pool = raw(&alone).await;
    let journal: Vec<String> = rows(&pool, "PRAGMA journal_mode = DELETE").await;
    assert_eq!(journal, ["delete"]);
    pool.close().await;
    assert!(bihuan(&alone, &["verify"]).status.success());
    let journal: Vec<String> = rows(&raw(&alone).await, "PRAGMA journal_mode").await;
    assert_eq!(journal, ["wal"]);
}

#[tokio::test]
async fn an_init_killed_at_any_moment_leaves_a_whole_store_or_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("killed.db");
    let (mut whole, mut none) = (0, 0);
    let mut random = 11_u64;
    // Kills from the start of the process to half as long again as an `init` takes here, so that some come
    // too early and some too late, on a fast machine and on a busy one.
    let begun = Stopwatch::now();
    assert!(init(&folder.path().join("measured.db")).status.success());
    let span = u64::try_from(begun.elapsed().as_micros()).expect("a short time") * 3 / 2;
    for _ in 0..40 {
        let mut command = Command::new(binary());
        command.args(["init", "--organisation", &organisation(), "--simulated", "2026-09-01"]);
        command.env("BIHUAN_STORE", &path).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_micros((random >> 33) % span)).await;
        child.kill().expect("killed or gone");
        let ended = child.wait_with_output().expect("gone");
        assert!(matches!(ended.status.code(), None | Some(0)), "{}", String::from_utf8_lossy(&ended.stderr));
        if path.exists() {
            let verified = bihuan(&path, &["status"]);
            assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
            whole += 1;
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
            }
        } else {
            assert_ne!(ended.status.code(), Some(0), "done, and nothing there");
            none += 1;
        }
    }
    println!("{whole} whole, {none} none");
    assert!(none > 0, "no kill came in time");
    assert!(whole > 0, "no store was made before its kill");
    assert!(init(&path).status.success(), "what was left of them is in nobody's way");
    assert!(bihuan(&path, &["verify"]).status.success());
}

/// A store as it is before its first migration: ours, and empty.
async fn empty_store(path: &Path) -> SqlitePool {
    std::fs::write(path, "").expect("made");
    let pool = raw(path).await;
    sqlx::query("PRAGMA application_id = 1651075189").execute(&pool).await.expect("marked");
    pool
}

#[tokio::test]
async fn a_migration_cut_short_leaves_nothing_and_is_done_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("half.db");
    let pool = empty_store(&path).await;
    // In the way of one of the last tables: the migration fails behind the first dozen.
    sqlx::query("CREATE TABLE personal (something INTEGER) STRICT").execute(&pool).await.expect("made");
    let opened = SqliteStore::open(&path).await;
    assert!(matches!(opened, Err(StoreError::Migrate(_))));
    let tables: Vec<String> = rows(&pool, TABLES).await;
    assert_eq!(tables, ["personal"], "the step is a transaction");
    assert_ne!(bihuan(&path, &["status"]).status.code(), Some(0));
    sqlx::query("DROP TABLE personal").execute(&pool).await.expect("dropped");
    // The schema is made whole now; what only `init` knows is still missed, and said so.
    let Err(StoreError::Inconsistent(damage)) = SqliteStore::open(&path).await else {
        panic!("a store without a clock was opened");
    };
    assert_eq!(damage.table, "store_settings");
    let tables: Vec<String> = rows(&pool, TABLES).await;
    assert!(tables.len() >= 14, "{tables:?}");
    sqlx::query("INSERT INTO store_settings VALUES ('', 'clock', 'simulated'), ('', 'now', '0')")
        .execute(&pool)
        .await
        .expect("set");
    assert!(SqliteStore::open(&path).await.is_ok());
    assert!(SqliteStore::open(&path).await.is_ok(), "and once more");
}

#[tokio::test]
async fn a_store_of_another_program_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("newer.db");
    assert!(init(&path).status.success());
    let pool = raw(&path).await;
    let known: i64 = rows(&pool, "SELECT max(version) FROM _sqlx_migrations").await[0];
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', 1, x'00', 0)",
    )
    .execute(&pool)
    .await
    .expect("inserted");
    assert!(matches!(
        SqliteStore::open(&path).await,
        Err(StoreError::Unfit(Unfit::Newer { found: 9999, known: newest })) if newest == known
    ));
    for line in [&["verify"][..], &["status"], &["work"]] {
        let refused = bihuan(&path, line);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains("its schema is 9999") && said.contains("newer"), "{said}");
    }
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9999").execute(&pool).await.expect("deleted");
    assert!(bihuan(&path, &["verify"]).status.success());
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'").execute(&pool).await.expect("changed");
    let refused = bihuan(&path, &["verify"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not the one this program makes"));
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("read").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read(&path).expect("read"))).collect()
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("folder.db")).expect("made");
    std::fs::write(at("empty.db"), "").expect("written");
    std::fs::write(
        at("text.db"),
        "not a database, but long enough to have a header of a hundred bytes; ".repeat(99),
    )
    .expect("written");
    let foreign = raw_new(&at("foreign.db")).await;
    sqlx::query("CREATE TABLE things (thing TEXT)").execute(&foreign).await.expect("made");
    foreign.close().await;
    assert!(init(&at("whole.db")).status.success());
    let whole = std::fs::read(at("whole.db")).expect("read");
    std::fs::write(at("short.db"), &whole[..50]).expect("written");
    std::fs::remove_file(at("whole.db")).expect("removed");
    let before = contents(folder.path());
    for name in ["folder.db", "empty.db", "text.db", "foreign.db", "short.db"] {
        for line in [&["status"][..], &["ledger"], &["work"], &["verify"]] {
            let refused = bihuan(&at(name), line);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(2), "{name}: {said}");
            assert!(said.contains("is not a bihuan store") && said.contains(name), "{name}: {said}");
        }
        let refused = init(&at(name));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains("exists already"), "{name}: {said}");
    }
    let after = contents(folder.path());
    // SQLite may put its log beside what looks like a database; the file itself is left alone.
    let changed = after.iter().filter(|(name, bytes)| {
        !name.ends_with("-wal") && !name.ends_with("-shm") && before.get(*name) != Some(*bytes)
    });
    assert_eq!(changed.map(|(name, _)| name).collect::<Vec<_>>(), [] as [&String; 0]);
    let missing = bihuan(&at("missing.db"), &["status"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("bihuan init"));
    assert!(!at("missing.db").exists());
}

async fn raw_new(path: &Path) -> SqlitePool {
    std::fs::write(path, "").expect("made");
    raw(path).await
}

#[tokio::test]
async fn a_store_cut_off_in_the_middle_says_so_and_does_not_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.db");
    assert!(init(&path).status.success());
    let whole = std::fs::read(&path).expect("read");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    for line in [&["status"][..], &["ledger"], &["verify"]] {
        let refused = bihuan(&path, line);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && !said.contains("panicked"), "{line:?}: {said}");
        assert!(said.contains("malformed") || said.contains("not a bihuan store"), "{line:?}: {said}");
    }
}

#[tokio::test]
async fn time_never_runs_backwards_in_a_simulated_store() {
    let county = county("2026-09-10", FILE).await;
    let store = county.engine.store();
    let back = store.set_clock(morning("2026-09-01")).await;
    assert!(matches!(back, Err(StoreError::ClockBackwards)), "{back:?}");
    assert_eq!(store.clock().await.expect("read"), morning("2026-09-10"));
}

/// 2026 with one more day off.
fn revised(version: &str, day_off: &str) -> calendar::Calendar {
    let china = calendar::china();
    let mut year = china.years().find(|year| year.year == 2026).expect("published").clone();
    let day = calendar::parse_date(day_off).expect("a day");
    year.off.push(calendar::Off { from: day, to: day, name: "invented".to_owned() });
    china.with_year(version, year).expect("a calendar")
}

#[tokio::test]
async fn the_calendar_loaded_last_counts_whatever_its_name_and_the_time() {
    let county = county("2026-09-01", FILE).await;
    let engine = &county.engine;
    let newest = async || engine.catalog().local_calendar().await.expect("read").version().to_owned();
    // At one simulated instant, the names in no order.
    for (version, day) in [("m", "2026-11-02"), ("a", "2026-11-03"), ("z", "2026-11-04"), ("b", "2026-11-05")]
    {
        engine.load_calendar(&revised(version, day), &administrator()).await.expect("loaded");
        assert_eq!(newest().await, version);
    }
    // One that was left comes back.
    engine.load_calendar(&revised("m", "2026-11-02"), &administrator()).await.expect("loaded");
    assert_eq!(newest().await, "m");
    // Refused: other days under a name that stands. Nothing of it is kept.
    let pool = raw(&county.path).await;
    let kept =
        "SELECT calendar_id || version || sequence || body || loaded_at FROM calendars ORDER BY sequence";
    let before: Vec<String> = rows(&pool, kept).await;
    let refused = engine.load_calendar(&revised("a", "2026-11-06"), &administrator()).await;
    assert!(matches!(&refused, Err(EngineError::CalendarVersion(version)) if version == "a"), "{refused:?}");
    assert_eq!(rows::<String>(&pool, kept).await, before);
    assert_eq!(newest().await, "m");
}

#[tokio::test]
async fn an_earlier_edition_published_again_is_the_newest() {
    let county = county("2026-09-01", FILE).await;
    let engine = &county.engine;
    let text = std::fs::read_to_string(project().join(FILE)).expect("read");
    let file = machine::file::parse(FILE, &text).expect("well formed");
    let set = [("reinspect_days".to_owned(), 20)].into();
    let other = machine::Definition::compile(&file, &set).expect("no findings");
    let first = engine.newest("general-hazard").await.expect("there");
    for _ in 0..2 {
        engine.publish(&other).await.expect("published");
        assert_eq!(engine.newest("general-hazard").await.expect("there"), other.digest());
        engine.publish(&definition(FILE)).await.expect("published again");
        assert_eq!(engine.newest("general-hazard").await.expect("there"), first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_open_a_store_with_a_step_to_take_at_once_all_open_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for turn in 0..10 {
        let path = folder.path().join(format!("many-{turn}.db"));
        empty_store(&path).await.close().await;
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { SqliteStore::open(&path).await.map(drop) })
            })
            .collect();
        for opened in opening {
            // The schema is there; what only `init` writes is not.
            let opened = opened.await.expect("ran");
            assert!(matches!(&opened, Err(StoreError::Inconsistent(_))), "{opened:?}");
        }
    }
}
