//! Cells of a row as SQLite gives them: a text need not be one. What is built on is read whole or not at all.

use serde_json::{Map, Value, json};
use sqlx::{Column as _, ColumnIndex, Row as _, TypeInfo as _, ValueRef as _};

use super::Row;
use crate::{StoreError, Wrong, bad};

/// The same, where it may be missing.
pub(super) fn some_bytes<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    Ok(bytes.map(<[u8]>::to_vec))
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
