//! `rebuild`: everything projected is derived from the acts again, compared, and put right.
//!
//! The acts are believed only as far as `verify` finds nothing in them: a rebuild over a cut or rewritten
//! chain would hide what happened.

use machine::file::Column;
use machine::value::TenantId;
use machine::{Act, Definition, fold};
use serde::Serialize;
use store::cells::found_by;
use store::{Change, Outcome, RawCase, Store};

use crate::change::{document, history, outbox};
use crate::verify::{Fault, PAGE, check};
use crate::{Catalog, EngineError};

/// What a rebuild found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// Cases looked at.
    pub cases: u64,
    /// Cases put right.
    pub repaired: u64,
    /// What did not follow from the acts, with its column.
    pub differences: Vec<Fault>,
    /// What cannot be put right: acts that do not hold, definitions, notices, personal values, keys.
    pub left: Vec<Fault>,
}

/// Derives every projected row from the acts and compares; with `repair`, writes what differs anew.
pub async fn rebuild(
    store: &dyn Store,
    tenant: &TenantId,
    catalog: &Catalog,
    repair: bool,
) -> Result<Rebuilt, EngineError> {
    let mut report = Rebuilt::default();
    let mut after = Vec::new();
    loop {
        let page = store.raw(tenant, &after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after.clone_from(&last.case_id);
        for raw in page {
            report.cases += 1;
            let checked = check(tenant, catalog, &raw).await?;
            report.left.extend(checked.chain);
            report.left.extend(checked.beside);
            let found = checked.derived;
            if repair
                && !found.is_empty()
                && let Some(change) = derive(catalog, &checked.acts, &raw).await?
                && store.rebuild(tenant, &change).await? == Outcome::Committed
            {
                report.repaired += 1;
            }
            report.differences.extend(found);
        }
    }
}

/// Everything the acts of a case give.
async fn derive(catalog: &Catalog, acts: &[Act], raw: &RawCase) -> Result<Option<Change>, EngineError> {
    let Some(state) = fold(acts) else { return Ok(None) };
    let definition: &Definition = &*catalog.definition(&state.definition).await?;
    let projection = machine::project::project(definition, &state);
    let last_hash = raw.acts.last().map(|act| String::from_utf8_lossy(&act.hash).into_owned());
    Ok(Some(Change {
        expected_version: 0,
        workflow: definition.file().workflow.clone(),
        text: Some(found_by(&state, projection.columns.get(&Column::Text))),
        history: history(definition, None, acts, &projection.progress),
        projection,
        last_hash: last_hash.unwrap_or_default(),
        rungs: acts.iter().flat_map(|act| outbox(act).0).collect(),
        acts: Vec::new(),
        state,
        notices: Vec::new(),
        documents: acts.iter().filter_map(document).collect(),
        personal: Vec::new(),
        key: None,
    }))
}
