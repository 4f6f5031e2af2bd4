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
            StoreError::Unfit(Unfit::Missing { .. }) => "ST0011",
            StoreError::Unfit(Unfit::Exists { .. }) => "ST0012",
            StoreError::Unfit(Unfit::NotAStore { .. }) => "ST0013",
            StoreError::Unfit(Unfit::Newer { .. }) => "ST0014",
            StoreError::Unfit(Unfit::Altered { .. }) => "ST0015",
            StoreError::Unfit(Unfit::Old { .. }) => "ST0016",
            StoreError::Unfit(Unfit::Lax { .. }) => "ST0017",
        }
    }
}

/// A row that does not hold what it promises, or does not agree with others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("table {table}, column {column}, row {row}: {problem}")]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row.
    pub row: String,
    /// What is wrong.
    pub problem: String,
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::Database(error)
    }
}
