//! Whole tables, a page at a time: how a store moves from one database to another.

use machine::value::TenantId;
use serde_json::Value;
use sqlx::QueryBuilder;

use super::row::object;
use super::write::insert;
use super::{Db, Pool, begin_write};
use crate::cells::{Cells, of_object};
use crate::table::{Kind, STORE_SETTINGS, Table};
use crate::{StoreError, Unfit, Wrong, bad, rows_affected};

type Query<'a> = QueryBuilder<Db>;

/// Marks a database into which a store is being copied.
const COPYING: &str = "copying";

/// Adds the value of a column.
fn push_value(query: &mut Query<'_>, kind: Kind, value: &Value) {
    match kind {
        Kind::Int | Kind::Flag => query.push_bind(value.as_i64()),
        Kind::Text | Kind::Bytes => query.push_bind(value.as_str().map(str::to_owned)),
    };
}

/// Adds ` AND (key) > (values)`, with the sign given.
fn push_key(query: &mut Query<'_>, table: &Table, sign: &str, key: &[Value]) {
    let names = table.key.join(", ");
    query.push(format!(" AND ({names}) {sign} ("));
    let values = table.key.iter().zip(key);
    for (index, (name, value)) in values.enumerate() {
        query.push(if index > 0 { ", " } else { "" });
        let kind =
            table.columns.iter().find(|(column, _)| column == name).map_or(Kind::Text, |(_, kind)| *kind);
        push_value(query, kind, value);
    }
    query.push(")");
}

pub(super) async fn page(
    pool: &Pool,
    tenant: &TenantId,
    table: &'static Table,
    after: Option<&[Value]>,
    limit: u32,
) -> Result<Vec<Value>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM {} WHERE tenant_id = ", table.names(), table.name));
    query.push_bind(tenant.to_string());
    match after {
        // One row for each tenant, and it was that one.
        Some(_) if table.key.is_empty() => return Ok(Vec::new()),
        Some(after) => push_key(&mut query, table, ">", after),
        None => {}
    }
    push_order(&mut query, table, "");
    query.push(" LIMIT ").push_bind(i64::from(limit));
    query.build().fetch_all(pool).await?.iter().map(object).collect()
}

fn push_order(query: &mut Query<'_>, table: &Table, descending: &str) {
    if !table.key.is_empty() {
        let order = table.key.iter().map(|column| format!("{column}{descending}")).collect::<Vec<_>>();
        query.push(format!(" ORDER BY {}", order.join(", ")));
    }
}

pub(super) async fn last_key(
    pool: &Pool,
    tenant: &TenantId,
    table: &'static Table,
) -> Result<Option<Vec<Value>>, StoreError> {
    let mut query = Query::new(format!("SELECT {} FROM {} WHERE tenant_id = ", table.names(), table.name));
    query.push_bind(tenant.to_string());
    push_order(&mut query, table, " DESC");
    query.push(" LIMIT 1");
    let row = query.build().fetch_optional(pool).await?;
    row.map(|row| Ok(table.key_of(&object(&row)?))).transpose()
}

/// Rows of a table as they stand elsewhere, in place of those between the two keys.
pub(super) async fn replace(
    pool: &Pool,
    tenant: &TenantId,
    table: &'static Table,
    (after, until): (Option<&[Value]>, Option<&[Value]>),
    rows: &[Value],
) -> Result<(), StoreError> {
    let mut transaction = begin_write(pool).await?;
    let mut query = Query::new(format!("DELETE FROM {} WHERE tenant_id = ", table.name));
    query.push_bind(tenant.to_string());
    for (sign, key) in [(">", after), ("<=", until)] {
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            push_key(&mut query, table, sign, key);
        }
    }
    query.build().execute(&mut *transaction).await?;
    insert(&mut transaction, tenant, table, &cells_of(table, rows)?).await?;
    Ok(transaction.commit().await?)
}

/// Marks a database as being copied into; refuses one that is a store.
pub(super) async fn begin(pool: &Pool, shown: &str) -> Result<(), StoreError> {
    let known: Vec<String> =
        sqlx::query_scalar("SELECT name FROM store_settings WHERE tenant_id = ''").fetch_all(pool).await?;
    if known.iter().any(|name| name == COPYING) {
        return Ok(());
    }
    if !known.is_empty() {
        return Err(StoreError::Unfit(Unfit::Exists { path: shown.to_owned() }));
    }
    let done = sqlx::query("INSERT INTO store_settings (tenant_id, name, value) VALUES ('', $1, '')")
        .bind(COPYING)
        .execute(pool)
        .await?;
    rows_affected(STORE_SETTINGS.name, 1, done.rows_affected())
}

/// Whether a copy into this database was begun and not finished.
pub(super) async fn unfinished(pool: &Pool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM store_settings WHERE tenant_id = '' AND name = $1)")
        .bind(COPYING)
        .fetch_one(pool)
        .await?)
}

/// Makes a store of it: from here on it can be opened.
pub(super) async fn finish(pool: &Pool, settings: &[Value]) -> Result<(), StoreError> {
    let mut transaction = begin_write(pool).await?;
    let done = sqlx::query("DELETE FROM store_settings WHERE tenant_id = '' AND name = $1")
        .bind(COPYING)
        .execute(&mut *transaction)
        .await?;
    rows_affected(STORE_SETTINGS.name, 1, done.rows_affected())?;
    let settings = cells_of(&STORE_SETTINGS, settings)?;
    insert(&mut transaction, &TenantId::from(""), &STORE_SETTINGS, &settings).await?;
    Ok(transaction.commit().await?)
}

/// The cells of rows that came from another database.
fn cells_of<'a>(table: &'static Table, rows: &'a [Value]) -> Result<Vec<Cells<'a>>, StoreError> {
    let cells = |row| {
        let key = || table.key_of(row).iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
        of_object(table, row).ok_or_else(|| bad(table.name, "any", &key(), Wrong::unreadable("no such row")))
    };
    rows.iter().map(cells).collect()
}
