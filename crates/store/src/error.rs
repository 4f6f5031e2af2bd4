//! What a store can fail with.

use serde::Serialize;

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
    #[error("{statement} changed {actual} rows, not {expected}")]
    RowsAffected {
        /// The statement.
        statement: &'static str,
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
        sqlx::Error::Database(error) => matches!(
            primary(error.as_ref()),
            Some(HELD | LOCKED | NO_MEMORY | READ_ONLY | IO_FAILED | FULL | CANNOT_OPEN)
        ),
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

// Primary result codes of SQLite.
const HELD: i32 = 5;
const LOCKED: i32 = 6;
const NO_MEMORY: i32 = 7;
const READ_ONLY: i32 = 8;
const IO_FAILED: i32 = 10;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
/// The shared memory beside the database found no room.
const NO_ROOM_BESIDE: i32 = 10 | (19 << 8);

fn extended(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code()?.parse().ok()
}

fn primary(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    Some(extended(error)? & 0xff)
}

/// Whether a database could not be opened at all.
pub(crate) fn cannot_open(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| primary(error) == Some(CANNOT_OPEN))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Whoever has the one connection that writes waits for a lock.
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return StoreError::Held;
        }
        let Some(said) = error.as_database_error() else { return StoreError::Database(error) };
        match primary(said) {
            Some(FULL) => StoreError::Full,
            Some(HELD | LOCKED) => StoreError::Held,
            Some(READ_ONLY) => StoreError::ReadOnly,
            Some(IO_FAILED) if extended(said) == Some(NO_ROOM_BESIDE) => StoreError::Full,
            _ => StoreError::Database(error),
        }
    }
}
