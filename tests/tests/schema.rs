//! Both databases have the same tables: the columns, the keys and the indexes; and PostgreSQL has them so that
//! they can be spread over servers by jurisdiction.

use std::collections::{BTreeMap, BTreeSet};

use machine::Instant;
use sqlx::{AssertSqlSafe, PgPool, Row};
use store::table::{Kind, TABLES};
use store::{Clock, Place};
use tests::postgres::Server;
use tests::{project, raw};

/// The driver's own list of the steps taken.
const STEPS: &str = "_sqlx_migrations";

/// A table as a catalogue has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Described {
    /// Name, kind, and whether it may be missing.
    columns: BTreeSet<(String, &'static str, bool)>,
    /// Columns of the primary key, of unique keys, of indexes; and whether these are partial.
    keys: BTreeSet<(&'static str, Vec<String>, bool)>,
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "int",
        Kind::Flag => "flag",
        Kind::Text => "text",
        Kind::Bytes => "bytes",
    }
}

async fn on_sqlite() -> (BTreeMap<String, Described>, BTreeSet<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bihuan.db");
    let now = Instant::from_micros(0).expect("a moment");
    Place::File(path.clone()).create(Clock::Simulated, now).await.expect("a store");
    let pool = raw(&path).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> $1",
    )
    .bind(STEPS)
    .fetch_all(&pool)
    .await
    .expect("read");
    let named: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&pool)
    .await
    .expect("read");
    let mut all = BTreeMap::new();
    for table in tables {
        let mut described = Described::default();
        let described_as = TABLES.iter().find(|known| known.name == table);
        let flags: Vec<&str> = described_as.map_or(Vec::new(), |known| {
            known.columns.iter().filter(|(_, kind)| *kind == Kind::Flag).map(|(name, _)| *name).collect()
        });
        let columns = sqlx::query("SELECT name, type, \"notnull\" FROM pragma_table_info($1)").bind(&table);
        for row in columns.fetch_all(&pool).await.expect("read") {
            let (name, kind): (String, String) = (row.get(0), row.get(1));
            let kind = match kind.as_str() {
                // SQLite has no kind of its own for yes and no.
                "INTEGER" if flags.contains(&name.as_str()) => "flag",
                "INTEGER" => "int",
                "TEXT" => "text",
                "BLOB" => "bytes",
                other => panic!("{table}.{name} is {other}"),
            };
            // A primary key of one column is not marked.
            let given: bool = row.get::<bool, _>(2) || name == "tenant_id";
            described.columns.insert((name, kind, given));
        }
        let indexes = sqlx::query("SELECT name, \"unique\", origin, partial FROM pragma_index_list($1)");
        for row in indexes.bind(&table).fetch_all(&pool).await.expect("read") {
            let (name, unique, origin): (String, bool, String) = (row.get(0), row.get(1), row.get(2));
            let columns: Vec<String> =
                sqlx::query_scalar("SELECT name FROM pragma_index_info($1) ORDER BY seqno")
                    .bind(name)
                    .fetch_all(&pool)
                    .await
                    .expect("read");
            let what = match (origin.as_str(), unique) {
                ("pk", _) => "primary",
                (_, true) => "unique",
                (_, false) => "index",
            };
            described.keys.insert((what, columns, row.get(3)));
        }
        all.insert(table, described);
    }
    (all, named.into_iter().collect())
}

async fn postgres() -> PgPool {
    let url = Server::shared().await.database().await;
    let now = Instant::from_micros(0).expect("a moment");
    Place::Server(url.clone()).create(Clock::Simulated, now).await.expect("a store");
    PgPool::connect(&url).await.expect("connected")
}

async fn on_postgres(pool: &PgPool) -> (BTreeMap<String, Described>, BTreeSet<String>) {
    let mut all: BTreeMap<String, Described> = BTreeMap::new();
    let columns = sqlx::query(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'NO', collation_name::text
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> $1",
    );
    for row in columns.bind(STEPS).fetch_all(pool).await.expect("read") {
        let (table, name, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let kind = match kind.as_str() {
            "bigint" => "int",
            "boolean" => "flag",
            "text" => "text",
            "bytea" => "bytes",
            other => panic!("{table}.{name} is {other}"),
        };
        // Texts sort by their bytes, whatever the language of the database.
        let collation: Option<String> = row.get(4);
        assert_eq!(collation.as_deref(), (kind == "text").then_some("C"), "{table}.{name}");
        all.entry(table).or_default().columns.insert((name, kind, row.get(3)));
    }
    let mut named = BTreeSet::new();
    let indexes = sqlx::query(
        "SELECT t.relname::text, x.relname::text, i.indisprimary, i.indisunique, i.indpred IS NOT NULL,
            (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY AS k(no, place)
                JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.no),
            EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid)
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
         JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public' AND t.relname <> $1",
    );
    for row in indexes.bind(STEPS).fetch_all(pool).await.expect("read") {
        let what = match (row.get(2), row.get(3)) {
            (true, _) => "primary",
            (false, true) => "unique",
            (false, false) => "index",
        };
        if !row.get::<bool, _>(6) {
            named.insert(row.get(1));
        }
        all.entry(row.get(0)).or_default().keys.insert((what, row.get(5), row.get(4)));
    }
    (all, named)
}

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let ((sqlite, named), pool) = (on_sqlite().await, postgres().await);
    let (postgres, named_there) = on_postgres(&pool).await;
    assert_eq!(named, named_there, "names of indexes");
    let names: BTreeSet<&String> = sqlite.keys().collect();
    assert_eq!(names, postgres.keys().collect());
    for (table, described) in &sqlite {
        assert_eq!(described, &postgres[table], "{table}");
    }
    for table in TABLES {
        let expected = table.columns.iter().map(|(name, of)| (*name, kind(*of)));
        let expected: BTreeSet<_> = expected.chain([("tenant_id", "text")]).collect();
        let found: BTreeSet<_> =
            postgres[table.name].columns.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
        assert_eq!(found, expected, "{} as described", table.name);
        let key: Vec<String> = ["tenant_id"].iter().chain(table.key).map(|&name| name.to_owned()).collect();
        let keys = &postgres[table.name].keys;
        let is_key = |what| keys.contains(&(what, key.clone(), false));
        assert!(is_key("primary") || is_key("unique"), "the key of {}: {key:?} in {keys:?}", table.name);
    }
    assert_eq!(TABLES.len(), sqlite.len());
}

#[test]
fn the_steps_have_the_same_numbers_and_names() {
    let steps = |database: &str| -> BTreeSet<String> {
        let folder = project().join("migrations").join(database);
        let files = std::fs::read_dir(folder).expect("the folder");
        files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect()
    };
    assert!(steps("sqlite").len() >= 3);
    assert_eq!(steps("sqlite"), steps("postgres"));
}

#[tokio::test]
async fn tenant_id_leads_every_key_and_nothing_hangs_on_one_server() {
    let pool = postgres().await;
    let (tables, _) = on_postgres(&pool).await;
    let keys =
        tables.iter().flat_map(|(table, described)| described.keys.iter().map(move |key| (table, key)));
    let wrong: Vec<_> = keys.filter(|(_, (_, columns, _))| columns[0] != "tenant_id").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // Foreign keys, sequences, triggers, columns that count by themselves, rules, defaults that ask the server.
    let kinds = [
        ("foreign keys", "SELECT conname::text FROM pg_constraint WHERE contype = 'f'"),
        ("sequences", "SELECT relname::text FROM pg_class WHERE relkind = 'S'"),
        ("triggers", "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal"),
        (
            "defaults",
            "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'
                AND (column_default IS NOT NULL OR is_identity = 'YES')",
        ),
    ];
    for (what, statement) in kinds {
        let found: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&pool).await.expect("read");
        assert!(found.is_empty(), "{what}: {found:?}");
    }
}
