//! On SQLite.

use std::fmt::Write;
use std::path::Path;

use sqlx::AssertSqlSafe;
use store::sqlite::SqliteStore;
use tests::home::{Home, Raw};
use tests::plans::{self, listed, sent_by, walks};

use crate::asked::{Asked, CIRCULAR, questions};
use crate::made::{self, COPIED};

/// Fills a copy of a store, which nobody has opened: without a journal, and without what can be made at the end.
async fn fill(path: &Path) {
    let pool = tests::raw(path).await;
    let raw = Raw::File(pool.clone());
    for setting in
        ["journal_mode = OFF", "locking_mode = EXCLUSIVE", "cache_size = -400000", "temp_store = MEMORY"]
    {
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA {setting}"))).execute(&pool).await.expect("set");
    }
    let names = COPIED.map(|table| format!("'{}'", table.name)).join(", ");
    let dropped: Vec<(String, String, String)> = raw
        .rows(&format!(
            "SELECT type, name, sql FROM sqlite_schema
             WHERE type IN ('index', 'trigger') AND sql IS NOT NULL AND tbl_name IN ({names})"
        ))
        .await;
    for (kind, name, _) in &dropped {
        raw.run(&format!("DROP {kind} {name}")).await;
    }
    for table in COPIED {
        made::copy(&raw, table).await;
    }
    raw.run("INSERT INTO texts_grams (rowid, grams) SELECT text_no, grams FROM texts WHERE text_no > 40")
        .await;
    for (.., made) in &dropped {
        raw.run(made).await;
    }
    raw.run("ANALYZE").await;
    pool.close().await;
}

/// A statement with the tenant in it: SQLite knows how many rows a jurisdiction has, and looks at what is bound before
/// it makes a plan.
fn told_the_tenant(statement: &str) -> String {
    ["?", "$1"].iter().fold(statement.to_owned(), |sql, place| {
        sql.replace(&format!("tenant_id = {place}"), "tenant_id = 'qingyuan'")
    })
}

#[tokio::test]
async fn no_list_of_a_million_cases_walks_a_table() {
    let _alone = crate::ALONE.lock().await;
    plans::listen();
    let home = Home::file();
    made::county(&home.place).await;
    let path = home.folder.path().join("million.db");
    Raw::of(&home.place).await.run(&format!("VACUUM INTO '{}'", path.display())).await;
    fill(&path).await;
    let store = SqliteStore::open(&path).await.expect("opened");
    let questions = questions(&store).await;
    store.close().await.expect("closed");
    let pool = tests::raw(&path).await;
    let (mut told, mut complaints) = (String::new(), Vec::new());
    for (name, asked, wanted) in questions {
        let sent = sent_by(&path, async |store, _| {
            let found = asked.of(store).await;
            assert_eq!(found, wanted, "{name}");
        });
        writeln!(told, "{name}").expect("text");
        let mut sent = sent.await;
        // What is looked through in parts is one statement sent again.
        sent.dedup();
        let circular = matches!(&asked, Asked::Circular);
        assert!(!circular || sent.iter().filter(|sql| listed(sql)).count() == CIRCULAR, "{name}: {sent:#?}");
        for statement in sent.iter().filter(|sql| listed(sql)) {
            let statement = &told_the_tenant(statement);
            for line in plans::plan(&pool, statement).await {
                writeln!(told, "    {line}").expect("text");
            }
            let mut walks = walks(&pool, statement).await;
            // A circular looks at every case, once in each statement.
            let cases = |line: &String| line == "SCAN c" || line.starts_with("SEARCH c ");
            if circular && let Some(cases) = walks.iter().position(cases) {
                walks.remove(cases);
            }
            complaints.extend(walks.iter().map(|line| format!("{name}: {line}\n  of {statement}")));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
    insta::assert_snapshot!("sqlite", told);
}
