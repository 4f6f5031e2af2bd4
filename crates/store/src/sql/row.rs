//! Values of a row that somebody may have damaged. A list shows what is left of it: a damaged row hides no other
//! and breaks nothing; `verify` says what is wrong with it.

use machine::Instant;
use machine::value::CaseId;
use sqlx::{ColumnIndex, Row as _};

use super::Row;
pub(super) use super::cell::{object, some_bytes, some_text, whole_text};
use crate::{StoreError, case_id};

/// A text as stored, which need not be one.
pub(super) fn bytes<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Vec<u8>, StoreError> {
    Ok(some_bytes(row, column)?.unwrap_or_default())
}

/// A text, with replacement characters for what is none.
pub(super) fn text<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<String, StoreError> {
    Ok(some_text(row, column)?.unwrap_or_default())
}

/// A count, a version, a number of something.
pub(super) fn count<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<u64, StoreError> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

/// The same, no larger than it may be.
pub(super) fn small<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<u32, StoreError> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
}

/// A moment, where there is one.
pub(super) fn moment<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Option<Instant>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.and_then(Instant::from_micros))
}

/// The id of a case; that of none where it is damaged.
pub(super) fn id<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<CaseId, StoreError> {
    Ok(case_id(&text(row, column)?).unwrap_or_default())
}
