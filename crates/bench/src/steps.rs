//! What the measured commands write, as the engine wrote it once: the rows the floor writes by hand.

use std::collections::BTreeMap;

use serde_json::Value;
use store::Store;
use store::table::{ACTS, CASES, HISTORY, IDEMPOTENCY, OBLIGATIONS, Table};

use crate::Result;
use crate::county::{self, Case, Site, tenant};

/// Steps recorded: more than any case is moved in a measurement, on the usual number of cases.
const STEPS: u32 = 24;

/// What a step writes.
#[derive(Clone, Debug)]
pub struct Step {
    /// The act.
    pub act: Value,
    /// The head after it.
    pub head: Value,
    /// The duty that stands after it; the one before goes.
    pub owed: Value,
    /// What the case counts as from here on; what held before ends.
    pub held: Value,
    /// The key.
    pub key: Value,
}

/// The steps by the version they lead to.
pub struct Steps {
    by_version: BTreeMap<u32, Step>,
}

impl Steps {
    /// Has the engine do them on a case.
    pub async fn record(site: &Site, mut case: Case) -> Result<Steps> {
        let mut by_version = BTreeMap::new();
        while case.version <= STEPS {
            let before = held(site, &case).await?.len();
            county::do_next(&site.engine, &mut case).await?;
            let mut held = held(site, &case).await?;
            if held.len() != before + 1 {
                return Err(format!("{} rows of history after {before}", held.len()).into());
            }
            let step = Step {
                act: last(site, &ACTS, &case).await?,
                head: last(site, &CASES, &case).await?,
                owed: last(site, &OBLIGATIONS, &case).await?,
                held: held.pop().ok_or("a row of history")?,
                key: last(site, &IDEMPOTENCY, &case).await?,
            };
            if rows(site.store.as_ref(), &OBLIGATIONS, &case).await?.len() != 1 {
                return Err("a step leaves one duty".into());
            }
            by_version.insert(case.version, step);
        }
        Ok(Steps { by_version })
    }

    /// The step to a version. Beyond the last one recorded, the last of its kind.
    pub fn to(&self, version: u32) -> Option<&Step> {
        let last = *self.by_version.keys().last()?;
        let version = if version <= last { version } else { last - (version - last) % 2 };
        self.by_version.get(&version)
    }
}

async fn held(site: &Site, case: &Case) -> Result<Vec<Value>> {
    rows(site.store.as_ref(), &HISTORY, case).await
}

/// Of the rows of a case the last one by key.
async fn last(site: &Site, table: &'static Table, case: &Case) -> Result<Value> {
    let mut rows = rows(site.store.as_ref(), table, case).await?;
    rows.sort_by_key(|row| row["version"].as_i64());
    rows.pop().ok_or_else(|| format!("no row in {}", table.name).into())
}

async fn rows(store: &dyn Store, table: &'static Table, case: &Case) -> Result<Vec<Value>> {
    // The recorded case stands nearly alone in its store: a page holds all there is.
    let rows = store.page(&tenant(), table, None, 10_000).await?;
    Ok(rows.into_iter().filter(|row| row["case_id"].as_str() == Some(&case.text)).collect())
}
