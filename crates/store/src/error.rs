//! What a store can fail with.

use serde::Serialize;
use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteError;

use crate::sqlite::Refused;

/// What a store can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("the database refused or could not be reached")]
    Database(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema does not fit this program")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A row does not hold what its column promises.
    #[error("{0}")]
    Inconsistent(Damage),
    /// A statement changed another number of rows than it had to.
    #[error("a statement on {table} changed {actual} rows, not {expected}")]
    RowsAffected {
        /// The table.
        table: &'static str,
        /// Rows that had to change.
        expected: u64,
        /// Rows that changed.
        actual: u64,
    },
    /// The database is not one this program may use.
    #[error("{0:?}")]
    Unfit(Unfit),
    /// No room on the disk.
    #[error("the disk is full")]
    Full,
    /// Another program holds the database.
    #[error("another program holds the database")]
    Held,
    /// This user may read, and not write.
    #[error("the database may not be written by this user")]
    ReadOnly,
    /// What went wrong for everybody who waited for the same call, as text.
    #[error("{0}")]
    Shared(String),
    /// Simulated time on a store with a real clock.
    #[error("this store runs on the real clock; its time cannot be set")]
    RealClock,
    /// Simulated time set to before what it is.
    #[error("simulated time never runs backwards")]
    ClockBackwards,
}

impl StoreError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            StoreError::Database(_) => "ST0001",
            StoreError::Migrate(_) => "ST0002",
            StoreError::Inconsistent(_) => "ST0003",
            StoreError::RowsAffected { .. } => "ST0004",
            StoreError::Shared(_) => "ST0005",
            StoreError::RealClock => "ST0006",
            StoreError::ClockBackwards => "ST0007",
            StoreError::Full => "ST0008",
            StoreError::Held => "ST0009",
            StoreError::ReadOnly => "ST0010",
            StoreError::Unfit(Unfit::Missing { .. }) => "ST0011",
            StoreError::Unfit(Unfit::Exists { .. }) => "ST0012",
            StoreError::Unfit(Unfit::NotAStore { .. }) => "ST0013",
            StoreError::Unfit(Unfit::Newer { .. }) => "ST0014",
            StoreError::Unfit(Unfit::Altered { .. }) => "ST0015",
            StoreError::Unfit(Unfit::Old { .. }) => "ST0016",
            StoreError::Unfit(Unfit::Lax { .. }) => "ST0017",
            StoreError::Unfit(Unfit::Closed { .. }) => "ST0018",
            StoreError::Unfit(Unfit::Unfinished { .. }) => "ST0019",
        }
    }
}

/// A row that does not hold what it promises, or does not agree with others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("table {table}, column {column}, row {row}: {problem:?}")]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row: the number of a case where one is known.
    pub row: String,
    /// What is wrong.
    pub problem: Wrong,
}

/// What is wrong with a row. The texts are made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "wrong", rename_all = "snake_case")]
pub enum Wrong {
    /// It cannot be read.
    Unreadable {
        /// In the words of whoever read it: not shown, but told apart by.
        said: String,
    },
    /// A number outside of what it may be.
    OutOfRange,
    /// It is no id.
    NoId,
    /// The row is not there.
    Missing,
    /// The bytes are not those that were kept.
    Altered,
    /// The state of another case.
    StateOf {
        /// That case.
        case: String,
    },
    /// It is not the hash of the last act.
    NotTheLastHash,
    /// A row stands already that the head knows nothing of.
    StandsAlready,
    /// The case is due, and there is nothing to record.
    NothingDue,
}

impl Wrong {
    /// What cannot be read, and why.
    pub fn unreadable(why: impl std::fmt::Display) -> Wrong {
        Wrong::Unreadable { said: why.to_string() }
    }
}

/// Why a database cannot be used. The texts are made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "unfit", rename_all = "snake_case")]
pub enum Unfit {
    /// There is no such file.
    Missing {
        /// The file.
        path: String,
    },
    /// There is a file already.
    Exists {
        /// The file.
        path: String,
    },
    /// Something else lies there: another program's database, a folder, a damaged file.
    NotAStore {
        /// The file.
        path: String,
    },
    /// A store was being copied into it.
    Unfinished {
        /// The database.
        path: String,
    },
    /// It may be a store, and cannot be opened by this user.
    Closed {
        /// The file.
        path: String,
    },
    /// Made by a newer program.
    Newer {
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// Its schema is not the one this program would have made.
    Altered {
        /// The schema.
        schema: i64,
    },
    /// A database engine with a known bug.
    Old {
        /// Its version.
        version: String,
        /// The oldest that may be used.
        least: String,
    },
    /// It does not run the way durability needs.
    Lax {
        /// What was read back.
        found: String,
        /// What is needed.
        needed: String,
    },
}

impl StoreError {
    /// Whether it is nobody's own: whoever waits for the same database is told the same.
    pub fn is_everybodys(&self) -> bool {
        match self {
            StoreError::Full | StoreError::Held | StoreError::ReadOnly | StoreError::Shared(_) => true,
            StoreError::Database(error) => is_everybodys(error),
            _ => false,
        }
    }

    /// Whether others were at the same rows, and the transaction, run anew, may well succeed.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            StoreError::Database(error) => error.as_database_error().map(kind) == Some(Kind::Passing),
            _ => false,
        }
    }

    /// The same for one more who waited: with its code where it has no cause, else as text.
    pub fn again(&self) -> StoreError {
        match self {
            StoreError::Full => StoreError::Full,
            StoreError::Held => StoreError::Held,
            StoreError::ReadOnly => StoreError::ReadOnly,
            StoreError::Inconsistent(damage) => StoreError::Inconsistent(damage.clone()),
            error => StoreError::Shared(causes(error)),
        }
    }
}

/// Whether the connection, the disk or the machine failed, and not the statement.
pub(crate) fn is_everybodys(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(said) => match kind(said.as_ref()) {
            Kind::Statement | Kind::Passing => false,
            Kind::Full | Kind::Held | Kind::ReadOnly | Kind::Machine => true,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => false,
        _ => true,
    }
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What a database means with an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The statement or what it met.
    Statement,
    /// Others were at the same rows: the transaction, run anew, may well succeed.
    Passing,
    Full,
    Held,
    ReadOnly,
    /// The server, the connection or the machine.
    Machine,
}

fn kind(error: &dyn DatabaseError) -> Kind {
    let code = error.code().unwrap_or_default();
    let embedded =
        error.try_downcast_ref::<SqliteError>().is_some() || error.try_downcast_ref::<Refused>().is_some();
    if embedded { sqlite_kind(&code) } else { postgres_kind(&code) }
}

/// Result codes of SQLite, <https://sqlite.org/rescode.html>.
fn sqlite_kind(code: &str) -> Kind {
    /// The shared memory beside the database found no room.
    const NO_ROOM_BESIDE: i32 = 10 | (19 << 8);
    let extended: i32 = code.parse().unwrap_or_default();
    match extended & 0xff {
        5 | 6 => Kind::Held,
        8 => Kind::ReadOnly,
        13 => Kind::Full,
        10 if extended == NO_ROOM_BESIDE => Kind::Full,
        // Out of memory, input and output, cannot open.
        7 | 10 | 14 => Kind::Machine,
        _ => Kind::Statement,
    }
}

/// SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn postgres_kind(code: &str) -> Kind {
    match code {
        // Serialization failure, deadlock.
        "40001" | "40P01" => Kind::Passing,
        "53100" => Kind::Full,
        // Waited too long for a lock, or in the middle of a transaction.
        "55P03" | "25P03" => Kind::Held,
        // A standby, or a server that became one.
        "25006" => Kind::ReadOnly,
        // Connections, resources, the operator, the system.
        _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Kind::Machine,
        _ => Kind::Statement,
    }
}

/// Whether a SQLite database could not be opened at all.
pub(crate) fn cannot_open(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 14)
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Whoever has the connection waits for a lock, or for a server that can be written.
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return StoreError::Held;
        }
        match error.as_database_error().map(kind) {
            Some(Kind::Full) => StoreError::Full,
            Some(Kind::Held) => StoreError::Held,
            Some(Kind::ReadOnly) => StoreError::ReadOnly,
            Some(Kind::Statement | Kind::Passing | Kind::Machine) | None => StoreError::Database(error),
        }
    }
}
