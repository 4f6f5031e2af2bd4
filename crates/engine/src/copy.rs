//! A store moves to another database: the same rows, proved to be the same on both sides.
//!
//! A table is copied in the order of its keys, page by page, each a transaction: cut short, it goes on behind
//! the last key that arrived. In the end every table is read on both sides and compared by a digest of its
//! rows; one that differs, since somebody wrote to the old store meanwhile, is copied once more.

use std::sync::Arc;

use machine::act::digest_hex;
use machine::value::TenantId;
use serde::Serialize;
use serde_json::Value;
use store::Store;
use store::table::{STORE_SETTINGS, TABLES, TENANTS, Table};

use crate::verify::{Report, verify};
use crate::{Catalog, EngineError};

/// Rows copied at a time.
const PAGE: u32 = 1_000;

/// A table as it stands on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopiedTable {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// Digest of its rows in the order of their keys, hex.
    pub digest: String,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Every table, all tenants together.
    pub tables: Vec<CopiedTable>,
    /// Cases verified, on both sides.
    pub cases: u64,
    /// Acts verified, on both sides.
    pub acts: u64,
    /// Rows copied this time; the others had arrived before.
    pub moved: u64,
}

/// Copies every tenant of a store into a database that was opened to receive it.
pub async fn copy(from: Arc<dyn Store>, to: Arc<dyn Store>) -> Result<Copied, EngineError> {
    let tenants = from.tenants().await?;
    let before = verified(&from, &tenants).await?;
    // The tenants first: a database that holds one is no empty one any more.
    let tables = [&TENANTS].into_iter().chain(
        TABLES.into_iter().filter(|table| table.name != TENANTS.name && table.name != STORE_SETTINGS.name),
    );
    let tables: Vec<&'static Table> = tables.collect();
    let mut copied = Copied { cases: before.cases, acts: before.acts, ..Copied::default() };
    for table in &tables {
        for tenant in &tenants {
            let after = to.last_key(tenant, table).await?;
            copied.moved += copy_table(from.as_ref(), to.as_ref(), tenant, table, after).await?;
        }
    }
    for table in tables {
        let mut same = compared(from.as_ref(), to.as_ref(), &tenants, table).await?;
        if same.is_none() {
            for tenant in &tenants {
                copied.moved += copy_table(from.as_ref(), to.as_ref(), tenant, table, None).await?;
            }
            same = compared(from.as_ref(), to.as_ref(), &tenants, table).await?;
        }
        copied.tables.push(same.ok_or(EngineError::CopyChanged(table.name))?);
    }
    let after = verified(&to, &tenants).await?;
    if (after.cases, after.acts) != (before.cases, before.acts) {
        return Err(EngineError::CopyChanged("acts"));
    }
    let settings = from.page(&TenantId::from(""), &STORE_SETTINGS, None, PAGE).await?;
    to.finish_copy(&settings).await?;
    Ok(copied)
}

/// Verifies every tenant: what does not hold is not copied.
async fn verified(store: &Arc<dyn Store>, tenants: &[TenantId]) -> Result<Report, EngineError> {
    let mut all = Report::default();
    for tenant in tenants {
        let catalog = Catalog::new(store.clone(), tenant.clone());
        let report = verify(store.as_ref(), tenant, &catalog).await?;
        if !report.faults.is_empty() {
            return Err(EngineError::CopyFaulty { tenant: tenant.to_string(), faults: report.faults.len() });
        }
        all.cases += report.cases;
        all.acts += report.acts;
    }
    Ok(all)
}

/// A table that is the same on both sides.
async fn compared(
    from: &dyn Store,
    to: &dyn Store,
    tenants: &[TenantId],
    table: &'static Table,
) -> Result<Option<CopiedTable>, EngineError> {
    let here = digest(from, tenants, table).await?;
    let there = digest(to, tenants, table).await?;
    let (rows, digest) = here.clone();
    Ok((here == there).then_some(CopiedTable { table: table.name, rows, digest }))
}

/// Copies the rows of a table behind a key, page by page. Gives how many.
async fn copy_table(
    from: &dyn Store,
    to: &dyn Store,
    tenant: &TenantId,
    table: &'static Table,
    mut after: Option<Vec<Value>>,
) -> Result<u64, EngineError> {
    let mut copied = 0;
    loop {
        let rows = from.page(tenant, table, after.as_deref(), PAGE).await?;
        let full = rows.len() == PAGE as usize;
        // The last page ends the table: whatever stands behind it over there goes.
        let until = if full { rows.last().map(|row| table.key_of(row)) } else { None };
        // A table with one row for each tenant has it, or has not.
        if !(table.key.is_empty() && after.is_some()) {
            to.replace(tenant, table, (after.as_deref(), until.as_deref()), &rows).await?;
        }
        copied += rows.len() as u64;
        if !full || table.key.is_empty() {
            return Ok(copied);
        }
        after = until;
    }
}

/// How many rows a table has, and the digest of them all.
async fn digest(
    store: &dyn Store,
    tenants: &[TenantId],
    table: &'static Table,
) -> Result<(u64, String), EngineError> {
    // A chain over the pages: no more than one page is held at a time.
    let (mut count, mut digest) = (0, digest_hex(table.name.as_bytes()));
    for tenant in tenants {
        let mut after: Option<Vec<Value>> = None;
        loop {
            let rows = store.page(tenant, table, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(table.key_of(last));
            count += rows.len() as u64;
            for row in &rows {
                digest = digest_hex(format!("{digest}\n{tenant}\n{row}").as_bytes());
            }
        }
    }
    Ok((count, digest))
}
