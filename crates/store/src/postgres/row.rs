//! Values of a row. Numbers and ids may have been damaged: a list shows what is left, as on SQLite.

use machine::Instant;
use machine::value::CaseId;
use serde_json::{Map, Value, json};
use sqlx::{Column as _, ColumnIndex, Row as _, TypeInfo as _, ValueRef as _};

use super::Row;
use crate::{StoreError, Wrong, bad, case_id};

/// A text as stored, which need not be one.
pub(super) fn bytes<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Vec<u8>, StoreError> {
    Ok(some_bytes(row, column)?.unwrap_or_default())
}

/// The same, where it may be missing.
pub(super) fn some_bytes<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(some_text(row, column)?.map(String::into_bytes))
}

/// A text. The server keeps none that is not one.
pub(super) fn text<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<String, StoreError> {
    Ok(some_text(row, column)?.unwrap_or_default())
}

/// A text that may be missing.
pub(super) fn some_text<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Option<String>, StoreError> {
    Ok(row.try_get(column)?)
}

/// A text that must be whole.
pub(super) fn whole_text(
    row: &Row,
    (table, column): (&'static str, &'static str),
    name: &str,
) -> Result<String, StoreError> {
    row.try_get(column).map_err(|error| bad(table, column, name, Wrong::unreadable(error)))
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

/// A row as a JSON object of its columns.
pub(super) fn object(row: &Row) -> Result<Value, StoreError> {
    let columns = row.columns().iter().map(|column| {
        let index = column.ordinal();
        let value = row.try_get_raw(index)?;
        let value = match (value.is_null(), value.type_info().name()) {
            (true, _) => Value::Null,
            (false, "INT8") => json!(row.try_get::<i64, _>(index)?),
            // As on SQLite.
            (false, "BOOL") => json!(i64::from(row.try_get::<bool, _>(index)?)),
            (false, "BYTEA") => json!(String::from_utf8_lossy(row.try_get(index)?)),
            (false, _) => json!(row.try_get::<&str, _>(index)?),
        };
        Ok((column.name().to_owned(), value))
    });
    Ok(Value::Object(columns.collect::<Result<Map<_, _>, StoreError>>()?))
}
