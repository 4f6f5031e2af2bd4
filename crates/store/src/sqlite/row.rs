//! Values of a row that somebody may have damaged. A list shows what is left of it: a damaged row hides no other
//! and breaks nothing; `verify` says what is wrong with it. What is built on is read whole or not at all.

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
    let bytes: Option<&[u8]> = row.try_get(column)?;
    Ok(bytes.map(<[u8]>::to_vec))
}

/// A text, with replacement characters for what is none.
pub(super) fn text<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<String, StoreError> {
    Ok(some_text(row, column)?.unwrap_or_default())
}

/// A text that may be missing.
pub(super) fn some_text<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Option<String>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A text that must be whole.
pub(super) fn whole_text(
    row: &Row,
    (table, column): (&'static str, &'static str),
    name: &str,
) -> Result<String, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    let text =
        std::str::from_utf8(bytes).map_err(|error| bad(table, column, name, Wrong::unreadable(error)))?;
    Ok(text.to_owned())
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
            (false, "INTEGER") => json!(row.try_get::<i64, _>(index)?),
            (false, _) => json!(String::from_utf8_lossy(row.try_get(index)?)),
        };
        Ok((column.name().to_owned(), value))
    });
    Ok(Value::Object(columns.collect::<Result<Map<_, _>, StoreError>>()?))
}
