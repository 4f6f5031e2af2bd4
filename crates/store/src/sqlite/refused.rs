//! What SQLite says no with outside of the driver, told like the driver does.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use sqlx::error::{DatabaseError, ErrorKind};

use crate::StoreError;

/// Result codes of SQLite, <https://sqlite.org/rescode.html>.
const UNIQUE: i32 = 2067;
const PRIMARY_KEY: i32 = 1555;

/// An error of the database with its code.
#[derive(Debug)]
pub(crate) struct Refused {
    code: i32,
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "(code: {}) {}", self.code, self.message)
    }
}

impl Error for Refused {}

impl DatabaseError for Refused {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            UNIQUE | PRIMARY_KEY => ErrorKind::UniqueViolation,
            _ => ErrorKind::Other,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let message = error.to_string();
        StoreError::from(match error.sqlite_error() {
            Some(said) => sqlx::Error::Database(Box::new(Refused { code: said.extended_code, message })),
            // A value is not what it is asked for as: the statement and the schema do not agree.
            None => sqlx::Error::Decode(Box::new(error)),
        })
    }
}
