//! Values of a row that somebody may have damaged. A list shows what is left of it: a damaged row hides no other
//! and breaks nothing; `verify` says what is wrong with it. What is built on is read whole or not at all.

use machine::Instant;
use machine::value::CaseId;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Row};

use super::{bad, case_id};
use crate::{StoreError, Wrong};

/// A text, with replacement characters for what is none.
pub(super) fn text<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, column: I) -> Result<String, StoreError> {
    Ok(some_text(row, column)?.unwrap_or_default())
}

/// A text that may be missing.
pub(super) fn some_text<I: ColumnIndex<SqliteRow>>(
    row: &SqliteRow,
    column: I,
) -> Result<Option<String>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A text that must be whole.
pub(super) fn whole_text(
    row: &SqliteRow,
    (table, column): (&'static str, &'static str),
    name: &str,
) -> Result<String, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    let text =
        std::str::from_utf8(bytes).map_err(|error| bad(table, column, name, Wrong::unreadable(error)))?;
    Ok(text.to_owned())
}

/// A count, a version, a number of something.
pub(super) fn count<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, column: I) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

/// The same, no larger than it may be.
pub(super) fn small<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, column: I) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

/// A moment, where there is one.
pub(super) fn moment<I: ColumnIndex<SqliteRow>>(
    row: &SqliteRow,
    column: I,
) -> Result<Option<Instant>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.and_then(Instant::from_micros))
}

/// The id of a case; that of none where it is damaged.
pub(super) fn id<I: ColumnIndex<SqliteRow>>(row: &SqliteRow, column: I) -> Result<CaseId, StoreError> {
    Ok(case_id(&text(row, column)?).unwrap_or_default())
}
