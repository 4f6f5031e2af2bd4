//! A store moves to another database: the same rows, proved to be the same on both sides.
//!
//! A table is copied in the order of its keys, page by page, each a transaction: cut short, it goes on behind
//! the last key that arrived. In the end every table is read on both sides and compared by a digest of its
//! rows; one that differs, since somebody wrote to the old store meanwhile, is copied once more.

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
}

/// Copies every tenant of a store into a database that was opened to receive it. `told` hears of every table
/// begun, and of how many rows arrived.
pub async fn copy(
    from: std::sync::Arc<dyn Store>,
    to: std::sync::Arc<dyn Store>,
    mut told: impl FnMut(&'static str, u64),
) -> Result<Copied, EngineError> {
    let tenants = from.tenants().await?;
    let before = verified(&from, &tenants).await?;
    // The tenants first: a database that holds one is no empty one any more.
    let tables = [&TENANTS].into_iter().chain(
        TABLES.into_iter().filter(|table| table.name != TENANTS.name && table.name != STORE_SETTINGS.name),
    );
    let tables: Vec<&'static Table> = tables.collect();
    for table in &tables {
        for tenant in &tenants {
            let after = to.last_key(tenant, table).await?;
            copy_table(from.as_ref(), to.as_ref(), tenant, table, after, &mut told).await?;
        }
    }
    let mut copied = Copied { cases: before.cases, acts: before.acts, ..Copied::default() };
    for table in tables {
        let there = digest(from.as_ref(), &tenants, table).await?;
        if digest(to.as_ref(), &tenants, table).await? != there {
            for tenant in &tenants {
                copy_table(from.as_ref(), to.as_ref(), tenant, table, None, &mut told).await?;
            }
        }
        let (rows, digest_there) = digest(from.as_ref(), &tenants, table).await?;
        if digest(to.as_ref(), &tenants, table).await? != (rows, digest_there.clone()) {
            return Err(EngineError::CopyChanged(table.name));
        }
        copied.tables.push(CopiedTable { table: table.name, rows, digest: digest_there });
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
async fn verified(store: &std::sync::Arc<dyn Store>, tenants: &[TenantId]) -> Result<Report, EngineError> {
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

/// Copies the rows of a table behind a key, page by page.
async fn copy_table(
    from: &dyn Store,
    to: &dyn Store,
    tenant: &TenantId,
    table: &'static Table,
    mut after: Option<Vec<Value>>,
    told: &mut impl FnMut(&'static str, u64),
) -> Result<(), EngineError> {
    loop {
        let rows = from.page(tenant, table, after.as_deref(), PAGE).await?;
        let full = rows.len() == PAGE as usize;
        // The last page ends the table: whatever stands behind it over there goes.
        let until = if full { rows.last().map(|row| table.key_of(row)) } else { None };
        // A table with one row for each tenant has it, or has not.
        if !(table.key.is_empty() && after.is_some()) {
            to.replace(tenant, table, (after.as_deref(), until.as_deref()), &rows).await?;
        }
        told(table.name, rows.len() as u64);
        if !full || table.key.is_empty() {
            return Ok(());
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
