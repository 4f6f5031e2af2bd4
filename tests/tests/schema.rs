//! Both databases have one schema: that of `store::table`, with tenant_id leading every key.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool, SqlitePool};
use store::table::{Kind, TABLES};
use store::{Clock, Place};
use tests::postgres::Server;
use tests::{morning, project, raw};

/// What SQLite has. A column of a primary key of a strict table is never NULL.
const SQLITE: &str = "
    SELECT t.name || ' column ' || c.name || ' ' || lower(c.type)
        || CASE WHEN c.\"notnull\" OR (t.strict AND c.pk > 0) THEN ' not null' ELSE '' END
    FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    UNION ALL
    SELECT t.name || CASE i.origin WHEN 'pk' THEN ' primary key' WHEN 'u' THEN ' unique key'
            ELSE CASE WHEN i.\"unique\" THEN ' unique' ELSE '' END || ' index ' || i.name END
        || ' (' || (SELECT group_concat(COALESCE(c.name, '?'), ', ' ORDER BY c.seqno) FROM pragma_index_info(i.name) AS c)
        || ')' || CASE WHEN i.partial THEN ' partial' ELSE '' END
    FROM pragma_table_list AS t JOIN pragma_index_list(t.name) AS i
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

/// What PostgreSQL has, in the same words.
const POSTGRES: &str = "
    SELECT t.relname || ' column ' || c.attname || ' ' || format_type(c.atttypid, c.atttypmod)
        || CASE WHEN c.attcollation <> 0 AND l.collname IS DISTINCT FROM 'C' THEN ' not by bytes' ELSE '' END
        || CASE WHEN c.attnotnull THEN ' not null' ELSE '' END
    FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
    LEFT JOIN pg_collation l ON l.oid = c.attcollation
    WHERE t.relkind IN ('r', 'p') AND t.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT t.relname || CASE k.contype WHEN 'p' THEN ' primary key' WHEN 'u' THEN ' unique key'
            ELSE CASE WHEN i.indisunique THEN ' unique' ELSE '' END || ' index ' || n.relname END
        || ' (' || (SELECT string_agg(COALESCE(c.attname, '?'), ', ' ORDER BY p.place)
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS p(no, place)
            LEFT JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = p.no AND p.no > 0)
        || ')' || CASE WHEN i.indpred IS NOT NULL THEN ' partial' ELSE '' END
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
    WHERE t.relnamespace = current_schema()::regnamespace";

/// Keys tenant_id does not lead, and all that numbers or acts by itself.
const NOT_OURS: &str = "
    SELECT t.relname || ' key ' || n.relname
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
    LEFT JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = i.indkey[0]
    WHERE i.indisunique AND t.relnamespace = current_schema()::regnamespace
        AND t.relname <> '_sqlx_migrations' AND c.attname IS DISTINCT FROM 'tenant_id'
    UNION ALL
    SELECT t.relname || ' foreign key ' || k.conname
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
    LEFT JOIN pg_attribute c ON c.attrelid = k.conrelid AND c.attnum = k.conkey[1]
    LEFT JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace
        AND (c.attname, f.attname) IS DISTINCT FROM ('tenant_id', 'tenant_id')
    UNION ALL
    SELECT relname || ' sequence' FROM pg_class
    WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT t.relname || ' trigger ' || g.tgname FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
    WHERE NOT g.tgisinternal AND t.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT t.relname || ' identity ' || c.attname FROM pg_attribute c JOIN pg_class t ON t.oid = c.attrelid
    WHERE c.attidentity <> '' AND t.relnamespace = current_schema()::regnamespace";

/// What differs between the two in any schema: the list of steps is the driver's own.
const STEPS: &str = "_sqlx_migrations ";

/// What else differs: SQLite's index of texts has a table of its own, and knows their rows by a number.
const TEXTS: [&str; 4] = [
    "texts column text_no integer not null",
    "texts index texts_grams (?)",
    "texts primary key (tenant_id, case_id)",
    "texts unique key (tenant_id, case_id)",
];

/// A fresh store of each database.
struct Both {
    /// The file goes with it.
    folder: tempfile::TempDir,
    sqlite: SqlitePool,
    postgres: PgPool,
}

async fn both() -> Both {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bihuan.db");
    let url = Server::shared().await.database().await;
    for place in [Place::File(file.clone()), Place::Server(url.clone())] {
        place.create(Clock::Simulated, morning("2026-09-01")).await.expect("a store");
    }
    let postgres = PgPool::connect(&url).await.expect("connected");
    Both { folder, sqlite: raw(&file).await, postgres }
}

fn ours(lines: Vec<String>) -> BTreeSet<String> {
    lines.into_iter().filter(|line| !line.starts_with(STEPS)).collect()
}

async fn of_sqlite(pool: &SqlitePool) -> BTreeSet<String> {
    ours(sqlx::query_scalar(SQLITE).fetch_all(pool).await.expect("read"))
}

/// In SQLite's names of kinds; it has none for yes and no.
async fn of_postgres(connection: &mut PgConnection, flag: &str) -> BTreeSet<String> {
    let lines: Vec<String> = sqlx::query_scalar(POSTGRES).fetch_all(connection).await.expect("read");
    let told = |line: String| match line.split_once(" column ") {
        Some((table, column)) => {
            let column = column.replace(" bigint", " integer").replace(" bytea", " blob");
            format!("{table} column {}", column.replace(" boolean", &format!(" {flag}")))
        }
        None => line,
    };
    ours(lines.into_iter().map(told).collect())
}

async fn not_ours(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(NOT_OURS).fetch_all(connection).await.expect("read")
}

/// What is in one of them alone.
fn difference(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    one.symmetric_difference(other).cloned().collect()
}

fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(project().join("migrations").join(folder)).expect("the folder");
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().expect("a name");
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("read"))).collect();
    names.sort();
    names
}

#[tokio::test]
async fn both_took_the_same_steps() {
    let files_of_both = files("sqlite");
    assert_eq!(files_of_both, files("postgres"));
    for (file, number) in files_of_both.iter().zip(1..) {
        assert!(file.starts_with(&format!("{number:04}_")), "numbered from 1 without gaps: {file}");
    }
    let Both { folder: _folder, sqlite, postgres } = both().await;
    let steps = "SELECT version, description FROM _sqlx_migrations WHERE success ORDER BY version";
    let taken: Vec<(i64, String)> = sqlx::query_as(steps).fetch_all(&sqlite).await.expect("read");
    let as_files: Vec<String> =
        taken.iter().map(|(number, name)| format!("{number:04}_{}.sql", name.replace(' ', "_"))).collect();
    assert_eq!(as_files, files_of_both);
    let on_postgres: Vec<(i64, String)> = sqlx::query_as(steps).fetch_all(&postgres).await.expect("read");
    assert_eq!(on_postgres, taken);
}

#[tokio::test]
async fn both_have_the_same_tables_columns_and_keys() {
    let Both { folder: _folder, sqlite, postgres } = both().await;
    let expected = of_sqlite(&sqlite).await;
    let mut connection = postgres.acquire().await.expect("connected");
    let found = of_postgres(&mut connection, "integer").await;
    assert_eq!(difference(&expected, &found), TEXTS);
    // Nothing of that can be changed unseen.
    for (planted, seen) in [
        ("ALTER TABLE cases ADD COLUMN more TEXT", 1),
        ("ALTER TABLE cases ALTER COLUMN number DROP NOT NULL", 2),
        ("ALTER TABLE cases ALTER COLUMN version TYPE SMALLINT", 2),
        ("ALTER TABLE cases ALTER COLUMN area TYPE TEXT COLLATE \"POSIX\"", 2),
        ("ALTER TABLE cases DROP COLUMN sector", 1),
        ("CREATE TABLE more (tenant_id TEXT COLLATE \"C\")", 1),
        ("CREATE INDEX more ON cases (tenant_id, area)", 1),
        ("CREATE UNIQUE INDEX more ON acts (tenant_id, hash)", 1),
        ("ALTER TABLE acts ADD UNIQUE (tenant_id, hash)", 1),
        ("DROP INDEX cases_wake; CREATE INDEX cases_wake ON cases (tenant_id, wake_at)", 2),
        ("DROP INDEX cases_unit; CREATE INDEX cases_unit ON cases (tenant_id, overdue_from)", 2),
        ("ALTER TABLE acts DROP CONSTRAINT acts_pkey", 1),
    ] {
        let mut planting = postgres.begin_with("BEGIN").await.expect("begun");
        sqlx::raw_sql(planted).execute(&mut *planting).await.expect("planted");
        let found = of_postgres(&mut planting, "integer").await;
        let difference = difference(&expected, &found);
        assert_eq!(difference.len() - TEXTS.len(), seen, "{planted}: {difference:?}");
        planting.rollback().await.expect("undone");
    }
}

#[tokio::test]
async fn both_are_what_the_program_writes() {
    let Both { folder: _folder, sqlite, postgres } = both().await;
    let mut connection = postgres.acquire().await.expect("connected");
    let catalogues =
        [(of_sqlite(&sqlite).await, "integer"), (of_postgres(&mut connection, "flag").await, "flag")];
    for (catalogue, flag) in catalogues {
        let mut expected = BTreeSet::new();
        for table in TABLES {
            expected.insert(format!("{} column tenant_id text", table.name));
            for (column, kind) in table.columns {
                let kind = match kind {
                    Kind::Int => "integer",
                    Kind::Flag => flag,
                    Kind::Text => "text",
                    Kind::Bytes => "blob",
                };
                expected.insert(format!("{} column {column} {kind}", table.name));
            }
            let key: Vec<&str> = ["tenant_id"].iter().chain(table.key).copied().collect();
            let key = format!("({})", key.join(", "));
            let unique = [" primary key ", " unique key "].map(|kind| format!("{}{kind}{key}", table.name));
            assert!(unique.iter().any(|line| catalogue.contains(line)), "{unique:?}");
        }
        let columns = catalogue.iter().filter(|line| line.contains(" column "));
        let columns = columns.filter(|line| **line != TEXTS[0]);
        let columns = columns.map(|line| line.trim_end_matches(" not null").to_owned()).collect();
        assert_eq!(difference(&expected, &columns), Vec::<String>::new());
    }
}

#[tokio::test]
async fn tenant_id_leads_every_key_and_nothing_numbers_by_itself() {
    let postgres = both().await.postgres;
    let mut connection = postgres.acquire().await.expect("connected");
    assert_eq!(not_ours(&mut connection).await, Vec::<String>::new());
    // Each of these is seen.
    for (planted, seen) in [
        ("CREATE TABLE more (no BIGINT PRIMARY KEY)", "more key more_pkey"),
        ("CREATE UNIQUE INDEX more ON acts (hash, tenant_id)", "acts key more"),
        ("CREATE UNIQUE INDEX more ON acts (lower(tenant_id))", "acts key more"),
        ("ALTER TABLE acts ADD CONSTRAINT more UNIQUE (hash)", "acts key more"),
        (
            "ALTER TABLE cases ADD CONSTRAINT more FOREIGN KEY (definition_hash, tenant_id)
                REFERENCES definitions (hash, tenant_id)",
            "cases foreign key more",
        ),
        ("CREATE SEQUENCE more", "more sequence"),
        (
            "CREATE TRIGGER more BEFORE UPDATE ON acts FOR EACH ROW
                EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "acts trigger more",
        ),
        ("ALTER TABLE acts ADD COLUMN more BIGINT GENERATED ALWAYS AS IDENTITY", "acts identity more"),
    ] {
        let mut planting = postgres.begin_with("BEGIN").await.expect("begun");
        sqlx::raw_sql(planted).execute(&mut *planting).await.expect("planted");
        let found = not_ours(&mut planting).await;
        assert!(found.iter().any(|line| line == seen), "{planted}: {found:?}");
        planting.rollback().await.expect("undone");
    }
}
