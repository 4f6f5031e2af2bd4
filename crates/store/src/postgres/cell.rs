//! Cells of a row as PostgreSQL gives them.

use serde_json::{Map, Value, json};
use sqlx::{Column as _, ColumnIndex, Row as _, TypeInfo as _, ValueRef as _};

use super::Row;
use crate::{StoreError, Wrong, bad};

/// The same, where it may be missing.
pub(super) fn some_bytes<I: ColumnIndex<Row>>(row: &Row, column: I) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(some_text(row, column)?.map(String::into_bytes))
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
