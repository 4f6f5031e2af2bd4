//! `verify`: believes nothing, recomputes everything, names the act. `rebuild`: head = fold(acts).

use machine::act::{ALGORITHM, canonical, chain, hex};
use machine::value::TenantId;
use machine::{Act, State, fold};
use serde::Serialize;
use serde_json::Value;
use store::{RawCase, Store};

use crate::{Catalog, EngineError};

/// Cases read at a time.
const PAGE: u32 = 500;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The case, as stored.
    pub case: String,
    /// The act; 0 for the head.
    pub version: i64,
    /// What does not hold.
    pub fault: String,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Cases looked at.
    pub cases: u64,
    /// Acts looked at.
    pub acts: u64,
    /// What does not hold.
    pub faults: Vec<Fault>,
}

/// Verifies every case of a tenant: chain, copies, gaps, head, and the fold of the acts against the head.
pub async fn verify(store: &dyn Store, tenant: &TenantId, catalog: &Catalog) -> Result<Report, EngineError> {
    let mut report = Report::default();
    let mut after = String::new();
    loop {
        let ids = store.case_ids(tenant, &after, PAGE).await?;
        let Some(last) = ids.last() else { return Ok(report) };
        after.clone_from(last);
        for id in &ids {
            let raw = store.raw(tenant, id).await?;
            report.cases += 1;
            report.acts += raw.acts.len() as u64;
            let mut faults = case_faults(tenant, id, &raw);
            if faults.is_empty() {
                faults = fold_faults(catalog, id, &raw).await?;
            }
            report.faults.extend(faults);
        }
    }
}

fn unhex(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    let digits = |index| text.get(index..index + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Chain, copies and gaps of one case.
fn case_faults(tenant: &TenantId, id: &str, raw: &RawCase) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |version: i64, fault: &str| {
        faults.push(Fault { case: id.to_owned(), version, fault: fault.to_owned() });
    };
    let mut previous = [0; 32];
    let mut expected = 1;
    for row in &raw.acts {
        let version = row["version"].as_i64().unwrap_or(-1);
        if version != expected {
            add(expected, "missing");
            // The chain cannot be followed across a gap: the acts behind it are judged by their own links.
        }
        expected = version + 1;
        let body = unhex(&row["body"]).unwrap_or_default();
        let hash = chain(&previous, &body);
        if unhex(&row["hash"]).as_deref() != Some(hex(&hash).as_bytes()) {
            add(version, "hash");
        }
        if let Some(copy) = copies(tenant, id, version, row, &body) {
            add(version, copy);
        }
        // Goes on from the hash recomputed, so that one altered act is named and, unless its own hash was
        // recomputed too, so is the next one's broken link.
        previous = hash;
    }
    let last = expected - 1;
    match &raw.head {
        None => add(0, "head missing"),
        Some(head) => {
            let version = head["version"].as_i64().unwrap_or(-1);
            if version > last {
                (last + 1..=version).take(10).for_each(|missing| add(missing, "missing"));
            } else if version < last {
                (version + 1..=last).take(10).for_each(|extra| add(extra, "beyond the head"));
            } else if head["last_hash"].as_str() != Some(&hex(&previous)) {
                add(last, "last_hash of the head");
            }
        }
    }
    faults
}

/// Compares the copied columns of an act with its body.
fn copies(tenant: &TenantId, id: &str, version: i64, row: &Value, body: &[u8]) -> Option<&'static str> {
    let Ok(act) = serde_json::from_slice::<Act>(body) else { return Some("body") };
    if canonical(&act).ok().as_deref() != Some(body) {
        return Some("body");
    }
    let text = |column: &str| unhex(&row[column]).unwrap_or_default();
    let person = act.actor.person().map(|who| who.person.as_str());
    let has_person = row["has_person"].as_i64() == Some(1);
    if act.tenant != *tenant || act.case.to_string() != id {
        Some("case_id")
    } else if i64::from(act.version) != version {
        Some("version")
    } else if row["at"].as_i64() != Some(act.at.micros()) {
        Some("at")
    } else if text("name") != act.name.as_bytes() {
        Some("name")
    } else if has_person != person.is_some() || text("person_id") != person.unwrap_or_default().as_bytes() {
        Some("person_id")
    } else if text("algorithm") != ALGORITHM.as_bytes() {
        Some("algorithm")
    } else {
        None
    }
}

/// head = fold(acts), every projected column too (I7).
async fn fold_faults(catalog: &Catalog, id: &str, raw: &RawCase) -> Result<Vec<Fault>, EngineError> {
    let bodies = raw.acts.iter().filter_map(|row| unhex(&row["body"]));
    let acts: Vec<Act> = bodies.filter_map(|body| serde_json::from_slice(&body).ok()).collect();
    let (Some(state), Some(head)) = (fold(&acts), &raw.head) else { return Ok(Vec::new()) };
    let definition = catalog.definition(&state.definition).await?;
    let rebuilt = store::head_columns(&state, &machine::project::project(&definition, &state));
    let mut faults = Vec::new();
    let mut add = |fault: String| faults.push(Fault { case: id.to_owned(), version: 0, fault });
    let stored: Option<State> = head["state"].as_str().and_then(|text| serde_json::from_str(text).ok());
    if stored.as_ref() != Some(&state) {
        add("head state".to_owned());
    }
    for (column, value) in rebuilt.as_object().into_iter().flatten() {
        let stored = &head[column];
        let same = match value {
            Value::Bool(flag) => stored.as_i64() == Some(i64::from(*flag)),
            other => stored == other,
        };
        if !same {
            add(format!("head {column}"));
        }
    }
    Ok(faults)
}
