//! Where a store of the tests lives, on either database; and a connection of one's own to it, to look at rows.

use std::path::{Path, PathBuf};

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgPool, SqlitePool};
use store::{Place, StoreError, Unfit};

use crate::postgres::Server;

/// Ends a URL whose store does not listen to other processes.
const DEAF: &str = "&bihuan_listen=off";

/// Whether this run of the tests is for PostgreSQL: BIHUAN_TESTS_ON says `postgres`. Else it is for SQLite.
pub fn on_server() -> bool {
    match std::env::var("BIHUAN_TESTS_ON").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("BIHUAN_TESTS_ON={other}: there is sqlite and postgres"),
    }
}

/// A fresh place for a store: nothing is there yet, and all of it is gone with the test.
pub struct Home {
    /// The place.
    pub place: Place,
    /// A folder for whatever the test writes beside.
    pub folder: tempfile::TempDir,
}

impl Home {
    /// A file that is not there yet.
    pub fn file() -> Home {
        let folder = tempfile::tempdir().expect("a folder");
        Home { place: Place::File(folder.path().join("bihuan.db")), folder }
    }

    /// The same in memory, where there is such a place: tens of thousands of commits wait for no disk there.
    pub fn in_memory() -> Home {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Home::file();
        }
        let folder = tempfile::tempdir_in(memory).expect("a folder");
        Home { place: Place::File(folder.path().join("bihuan.db")), folder }
    }

    /// An empty database on the shared server.
    pub async fn server() -> Home {
        let url = Server::shared().await.database().await;
        let deaf = std::env::var("BIHUAN_TESTS_LISTEN").is_ok_and(|listen| listen == "off");
        let place = Place::Server(if deaf { url + DEAF } else { url });
        Home { place, folder: tempfile::tempdir().expect("a folder") }
    }

    /// On the database this run of the tests is for.
    pub async fn chosen() -> Home {
        if on_server() { Home::server().await } else { Home::file() }
    }

    /// Whether no store was made there.
    pub async fn is_empty(&self) -> bool {
        matches!(self.place.open().await, Err(StoreError::Unfit(Unfit::Missing { .. })))
    }

    /// The same as it is named to the program: the path of the file, or the URL.
    pub fn named(&self) -> PathBuf {
        match &self.place {
            Place::File(path) => path.clone(),
            Place::Server(url) => PathBuf::from(url),
        }
    }
}

/// A connection of its own to a database, past the program.
pub enum Raw {
    /// To a SQLite file.
    File(SqlitePool),
    /// To a PostgreSQL database.
    Server(PgPool),
}

impl Raw {
    /// To the database at a place.
    pub async fn of(place: &Place) -> Raw {
        match place {
            Place::File(path) => Raw::File(crate::raw(path).await),
            Place::Server(url) => {
                // What the store alone knows in a URL, the server would refuse.
                let url = url.replace(DEAF, "");
                let options = sqlx::postgres::PgPoolOptions::new().max_connections(1);
                Raw::Server(options.connect(&url).await.expect("connected"))
            }
        }
    }

    /// The rows a query gives.
    pub async fn rows<T: Read>(&self, sql: &str) -> Vec<T> {
        let query = AssertSqlSafe(sql.to_owned());
        let found = match self {
            Raw::File(pool) => sqlx::query_as(query).fetch_all(pool).await,
            Raw::Server(pool) => sqlx::query_as(query).fetch_all(pool).await,
        };
        found.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one whole number a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows::<(i64,)>(sql).await;
        assert_eq!(rows.len(), 1, "{sql}");
        rows[0].0
    }

    /// The texts a query gives.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.rows::<(String,)>(sql).await.into_iter().map(|(text,)| text).collect()
    }

    /// Runs a statement; gives how many rows it changed.
    pub async fn run(&self, sql: &str) -> u64 {
        let query = AssertSqlSafe(sql.to_owned());
        let done = match self {
            Raw::File(pool) => sqlx::query(query).execute(pool).await.map(|done| done.rows_affected()),
            Raw::Server(pool) => sqlx::query(query).execute(pool).await.map(|done| done.rows_affected()),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The names of its tables.
    pub async fn tables(&self) -> Vec<String> {
        self.texts(match self {
            Raw::File(_) => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
            }
            Raw::Server(_) => {
                "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
            }
        })
        .await
    }

    /// In SQL, what stands at a path (`fields.stage`) of a JSON text, as text; NULL where nothing does.
    pub fn json(&self, text: &str, path: &str) -> String {
        match self {
            Raw::File(_) => format!("json_extract({text}, '$.{path}')"),
            Raw::Server(_) => format!("(CAST({text} AS jsonb) #>> '{{{}}}')", path.replace('.', ",")),
        }
    }

    /// In SQL, a table of the items of an array in a JSON text: `key`, which counts them, and `value`.
    pub fn items(&self, text: &str, array: &str, name: &str) -> String {
        match self {
            Raw::File(_) => format!("json_each({text}, '$.{array}') {name}"),
            Raw::Server(_) => format!(
                "jsonb_array_elements(CAST({text} AS jsonb) -> '{array}') WITH ORDINALITY {name}(value, key)"
            ),
        }
    }

    /// In SQL, the day of a moment in UTC.
    pub fn day(&self, moment: &str) -> String {
        match self {
            Raw::File(_) => format!("date(({moment}) / 1000000, 'unixepoch')"),
            Raw::Server(_) => {
                format!("to_char(to_timestamp(({moment}) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
            }
        }
    }

    /// In SQL, the worst text that can stand in a row: not UTF-8, or, where the server keeps no such text, none
    /// that any column means.
    pub fn worst_text(&self) -> &'static str {
        match self {
            Raw::File(_) => "CAST(x'ff41' AS TEXT)",
            Raw::Server(_) => "chr(1) || 'A'",
        }
    }
}

/// What a row of either database can be read as.
pub trait Read: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin> Read for T {}
