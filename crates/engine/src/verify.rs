//! `verify`: believes nothing, recomputes everything, names the act.

use std::collections::BTreeMap;

use calendar::Calendar;
use machine::act::{ALGORITHM, Hash, canonical, chain, digest_hex, hex, personal_digest};
use machine::file::Column;
use machine::project::project;
use machine::value::{TenantId, Value as FieldValue};
use machine::{Act, Definition, Effect, State, fold};
use serde::Serialize;
use serde_json::{Value, json};
use store::cells::{self, object};
use store::{Damage, RawAct, RawCase, Store, Wrong};

use crate::change::{document, from_hex, history, outbox};
use crate::{Catalog, EngineError};

/// Cases read at a time.
pub(crate) const PAGE: u32 = 200;
/// Missing acts named of one gap.
const GAP_MAX: i64 = 10;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The case, as stored; empty for what belongs to none.
    pub case: String,
    /// Its number; empty where none is known.
    pub number: String,
    /// The act; 0 for the head and what hangs on it.
    pub version: i64,
    /// What does not hold: the table, the row and the column as they are called in the database.
    pub fault: String,
    /// In what way.
    #[serde(flatten)]
    pub how: How,
}

/// In what way something does not hold. The texts are made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum How {
    /// It is not what it has to be.
    Differs,
    /// It is not there.
    Missing,
    /// No act gives it.
    FromNoAct,
    /// Rows stand twice.
    Twice,
    /// Rows of a case that has no acts.
    WithoutActs {
        /// How many.
        rows: usize,
    },
    /// An act behind the one the head ends in.
    BeyondHead,
    /// An act whose number comes twice or too late.
    OutOfOrder,
    /// What was kept beside the case is damaged.
    Damaged {
        /// How.
        #[serde(flatten)]
        problem: Wrong,
    },
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

/// Verifies every case of a tenant: chain, copies, gaps, and everything that follows from the acts
/// against what is stored of it.
pub async fn verify(store: &dyn Store, tenant: &TenantId, catalog: &Catalog) -> Result<Report, EngineError> {
    let mut report = Report { faults: kept_faults(store, tenant).await?, ..Report::default() };
    match catalog.directory().await {
        Err(EngineError::Damaged(Damage { table, row, problem, .. })) => {
            let (case, number, fault) = (String::new(), String::new(), format!("{table} {row}"));
            report.faults.push(Fault { case, number, version: 0, fault, how: How::Damaged { problem } });
        }
        read => drop(read?),
    }
    let mut after = Vec::new();
    loop {
        let page = store.raw(tenant, &after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(report) };
        after.clone_from(&last.case_id);
        for raw in page {
            report.cases += 1;
            report.acts += raw.acts.len() as u64;
            let checked = check(tenant, catalog, &raw).await?;
            report.faults.extend(checked.chain);
            report.faults.extend(checked.derived);
            report.faults.extend(checked.beside);
        }
    }
}

/// What belongs to no single case: definitions, calendars, keys and digests.
async fn kept_faults(store: &dyn Store, tenant: &TenantId) -> Result<Vec<Fault>, EngineError> {
    let mut faults = Vec::new();
    let mut add = |case, version, fault| {
        faults.push(Fault { case, number: String::new(), version, fault, how: How::Differs });
    };
    for row in store.definitions(tenant).await? {
        // Of bytes that hold, the names are copies.
        let named = |file: &Value| file["workflow"] == *row.workflow && file["edition"] == *row.edition;
        let holds = digest_hex(&row.body) == row.hash;
        if !holds || !serde_json::from_slice(&row.body).is_ok_and(|file| named(&file)) {
            add(String::new(), 0, format!("definitions {} {}", row.workflow, row.hash));
        }
    }
    for row in store.calendars(tenant).await? {
        let named = |calendar: &Calendar| calendar.id() == row.id && calendar.version() == row.version;
        let holds = digest_hex(&row.body) == row.digest;
        if !holds || !serde_json::from_slice(&row.body).is_ok_and(|calendar| named(&calendar)) {
            add(String::new(), 0, format!("calendars {} {}", row.id, row.version));
        }
    }
    for row in store.astray(tenant).await? {
        add(row.case, row.version, format!("{} {}", row.table, row.row));
    }
    Ok(faults)
}

/// What was found in one case.
pub(crate) struct Checked {
    /// Acts that do not hold, or that the head does not end in.
    pub(crate) chain: Vec<Fault>,
    /// What does not follow from the acts, and can be derived again. Says nothing where they do not hold.
    pub(crate) derived: Vec<Fault>,
    /// What stands beside the acts and cannot: the definition, notices, personal values, keys.
    pub(crate) beside: Vec<Fault>,
    /// The acts that hold.
    pub(crate) acts: Vec<Act>,
}

pub(crate) async fn check(
    tenant: &TenantId,
    catalog: &Catalog,
    raw: &RawCase,
) -> Result<Checked, EngineError> {
    let found = || Found {
        case: String::from_utf8_lossy(&raw.case_id).into_owned(),
        number: String::new(),
        faults: Vec::new(),
    };
    let (mut chain, mut derived, mut beside) = (found(), found(), found());
    let acts = chain_faults(tenant, raw, &mut chain);
    let number = number(&acts, raw);
    for found in [&mut chain, &mut derived, &mut beside] {
        found.call(&number);
    }
    if raw.acts.is_empty() {
        orphans(raw, &mut beside);
    }
    // What follows from damaged acts says nothing.
    if chain.faults.is_empty()
        && let Some(state) = fold(&acts)
    {
        last_hash_fault(raw, &mut derived);
        let others = acts.iter().filter(|act| act.definition != state.definition);
        others.for_each(|act| beside.differs(i64::from(act.version), "definition"));
        match catalog.definition(&state.definition).await {
            Ok(definition) => {
                match &raw.head {
                    None => derived.add(0, "head", How::Missing),
                    Some(head) => head_faults(&definition, &state, head, &mut derived),
                }
                row_faults(&definition, &state, &acts, raw, &mut derived, &mut beside);
            }
            Err(EngineError::Damaged(Damage { table, row, problem, .. })) => {
                beside.add(0, format!("{table} {row}"), How::Damaged { problem });
            }
            Err(error) => return Err(error),
        }
        personal_faults(&acts, raw, &mut beside);
    }
    Ok(Checked { chain: chain.faults, derived: derived.faults, beside: beside.faults, acts })
}

/// What people call the case: by its acts, or by its head where they do not say.
fn number(acts: &[Act], raw: &RawCase) -> String {
    let given = acts.iter().flat_map(|act| &act.effects).find_map(|effect| match effect {
        Effect::Numbered { number } => Some(number.as_str()),
        _ => None,
    });
    let on_head = || raw.head.as_ref().and_then(|head| head["number"].as_str());
    given.or_else(on_head).unwrap_or_default().to_owned()
}

/// Rows of a case that has no acts.
fn orphans(raw: &RawCase, found: &mut Found) {
    let tables = [
        ("obligations", &raw.obligations),
        ("rungs", &raw.rungs),
        ("notices", &raw.notices),
        ("history", &raw.history),
        ("documents", &raw.documents),
        ("personal", &raw.personal),
    ];
    for (table, rows) in tables.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        found.add(0, table, How::WithoutActs { rows: rows.len() });
    }
}

/// The faults of one case.
struct Found {
    case: String,
    number: String,
    faults: Vec<Fault>,
}

impl Found {
    fn add(&mut self, version: i64, fault: impl Into<String>, how: How) {
        let (case, number) = (self.case.clone(), self.number.clone());
        self.faults.push(Fault { case, number, version, fault: fault.into(), how });
    }

    fn differs(&mut self, version: i64, fault: impl Into<String>) {
        self.add(version, fault, How::Differs);
    }

    /// Names the case, once its acts are read, in what was found and is still to be found.
    fn call(&mut self, number: &str) {
        number.clone_into(&mut self.number);
        for fault in &mut self.faults {
            number.clone_into(&mut fault.number);
        }
    }
}

/// Chain, copies and gaps of one case. Gives the acts that hold.
///
/// An act that does not hold is named alone: its successor may be linked to the hash it should have or to
/// the one stored, and after a gap the first act is taken as it stands.
fn chain_faults(tenant: &TenantId, raw: &RawCase, found: &mut Found) -> Vec<Act> {
    let mut acts = Vec::with_capacity(raw.acts.len());
    let mut links: Vec<Hash> = vec![[0; 32]];
    let mut expected = 1;
    for row in &raw.acts {
        if row.version < expected {
            found.add(row.version, "acts", How::OutOfOrder);
            continue;
        }
        if row.version > expected {
            let gap = (expected..row.version).take(GAP_MAX as usize);
            gap.for_each(|missing| found.add(missing, "acts", How::Missing));
            links.clear();
        }
        expected = row.version + 1;
        let stored = std::str::from_utf8(&row.hash).ok().and_then(from_hex);
        let computed = links.iter().map(|link| chain(link, &row.body)).collect::<Vec<_>>();
        let holds = links.is_empty() || computed.iter().any(|hash| hex(hash).as_bytes() == row.hash);
        if !holds {
            found.differs(row.version, "hash");
            links =
                [computed.first(), computed.last(), stored.as_ref()].into_iter().flatten().copied().collect();
            continue;
        }
        links = stored.into_iter().collect();
        match copies(tenant, raw, row) {
            Ok(act) => acts.push(act),
            Err(column) => found.differs(row.version, column),
        }
    }
    let last = expected - 1;
    match raw.head.as_ref().map(|head| (head["version"].as_i64().unwrap_or(-1), head)) {
        None => {}
        Some((version, _)) if version > last => {
            let gap = (last + 1..=version).take(GAP_MAX as usize);
            gap.for_each(|missing| found.add(missing, "acts", How::Missing));
        }
        Some((version, _)) if version < last => {
            let beyond = (version + 1..=last).take(GAP_MAX as usize);
            beyond.for_each(|extra| found.add(extra, "acts", How::BeyondHead));
        }
        Some(_) => {}
    }
    acts
}

/// The hash the head ends in. Where the acts hold it follows from them.
fn last_hash_fault(raw: &RawCase, found: &mut Found) {
    if let (Some(head), Some(last)) = (&raw.head, raw.acts.last())
        && head["last_hash"].as_str().map(str::as_bytes) != Some(&last.hash)
    {
        found.differs(last.version, "head last_hash");
    }
}

/// Compares the copied columns of an act with its body. Gives the act, or the column that differs.
fn copies(tenant: &TenantId, raw: &RawCase, row: &RawAct) -> Result<Act, &'static str> {
    let act: Act = serde_json::from_slice(&row.body).map_err(|_| "body")?;
    let person = act.actor.person().map(|who| who.person.as_str().as_bytes());
    let differs = [
        ("body", canonical(&act).ok().as_ref() != Some(&row.body)),
        ("case_id", act.tenant != *tenant || act.case.to_string().as_bytes() != raw.case_id),
        ("version", i64::from(act.version) != row.version),
        ("at", act.at.micros() != row.at),
        ("name", act.name.as_bytes() != row.name),
        ("person_id", person != row.person_id.as_deref()),
        ("algorithm", ALGORITHM.as_bytes() != row.algorithm),
    ];
    match differs.into_iter().find(|(_, differs)| *differs) {
        Some((column, _)) => Err(column),
        None => Ok(act),
    }
}

/// head = fold(acts), every projected column too (I7).
fn head_faults(definition: &Definition, state: &State, head: &Value, found: &mut Found) {
    let (case, projection) = (state.case.to_string(), project(definition, state));
    let rebuilt = cells::head(&case, &definition.file().workflow, "", state, &projection);
    // The last hash was compared with the acts as they stand.
    for column in different(&without(object(&rebuilt), "last_hash"), head) {
        found.differs(0, format!("head {column}"));
    }
}

/// Rungs, notices, open duties and history are what the acts make them.
fn row_faults(
    definition: &Definition,
    state: &State,
    acts: &[Act],
    raw: &RawCase,
    derived: &mut Found,
    beside: &mut Found,
) {
    let case = &state.case.to_string();
    let (mut rungs, mut notices) = (Vec::new(), Vec::new());
    for act in acts {
        let (rung_rows, notice_rows) = outbox(act);
        rungs.extend(rung_rows.iter().map(|row| object(&cells::rung(case, row))));
        // Who was told when is not the act's to say.
        notices
            .extend(notice_rows.iter().map(|row| without(object(&cells::notice(case, row)), "delivery_id")));
    }
    let projection = project(definition, state);
    let found_by = cells::found_by(state, projection.columns.get(&Column::Text));
    let history = history(definition, None, acts, &projection.progress);
    let owed = projection.obligations;
    let owed: Vec<Value> = owed.iter().map(|owed| object(&cells::obligation(case, owed))).collect();
    let history: Vec<Value> = history.iter().map(|row| object(&cells::history(case, row))).collect();
    // A key stands with the last act of its command.
    let keys: BTreeMap<&String, u32> =
        acts.iter().filter_map(|act| Some((act.key.as_ref()?, act.version))).collect();
    let keys: Vec<Value> = keys
        .into_iter()
        .map(|(key, version)| json!({ "key": key, "case_id": state.case, "version": version }))
        .collect();
    // Which part of the document a case has says the register alone.
    let taken = acts.iter().filter_map(document);
    let taken: Vec<Value> = taken.map(|row| without(object(&cells::document(case, &row)), "part")).collect();
    let rung_key = &["act_version", "deadline_no", "ladder", "rung", "repeat"][..];
    compare("rungs", rung_key, &rungs, &raw.rungs, derived);
    compare("texts", &["case_id"], &[object(&cells::text(case, &found_by))], &raw.texts, derived);
    compare("obligations", &["deadline_no"], &owed, &raw.obligations, derived);
    compare("history", &["version"], &history, &raw.history, derived);
    compare("notices", &["act_version", "notice_id"], &notices, &raw.notices, beside);
    compare("documents", &["act_version"], &taken, &raw.documents, derived);
    compare("idempotency", &["key"], &keys, &raw.keys, beside);
}

/// A row without a column that its act does not give.
fn without(mut row: Value, column: &str) -> Value {
    if let Some(row) = row.as_object_mut() {
        row.remove(column);
    }
    row
}

/// The rows of a table against those the acts give.
fn compare(table: &str, key: &[&str], expected: &[Value], stored: &[Value], found: &mut Found) {
    let by_key = |rows: &[Value]| -> BTreeMap<String, Value> {
        let id = |row: &Value| key.iter().map(|column| format!("{} ", row[column])).collect();
        rows.iter().map(|row| (id(row), row.clone())).collect()
    };
    let (expected, by_key) = (by_key(expected), by_key(stored));
    let act = |row: &Value| row["act_version"].as_i64().or(row["version"].as_i64()).unwrap_or(0);
    for (id, row) in &expected {
        match by_key.get(id) {
            None => found.add(act(row), format!("{table} {id}").trim_end(), How::Missing),
            Some(stored) => different(row, stored)
                .for_each(|column| found.differs(act(row), format!("{table} {id}{column}"))),
        }
    }
    // A row that stands twice has the key of one that is expected.
    for (id, row) in by_key.iter().filter(|(id, _)| !expected.contains_key(*id)) {
        found.add(act(row), format!("{table} {id}").trim_end(), How::FromNoAct);
    }
    if stored.len() > by_key.len() {
        found.add(0, table, How::Twice);
    }
}

/// A personal value, where it was not erased, is the one whose digest stands in its act.
fn personal_faults(acts: &[Act], raw: &RawCase, found: &mut Found) {
    for row in &raw.personal {
        let version = row["version"].as_i64().unwrap_or(0);
        let text = |column: &str| row[column].as_str().unwrap_or_default();
        let act = acts.iter().find(|act| i64::from(act.version) == version);
        let digest = act.and_then(|act| act.fields.get(text("field"))).and_then(FieldValue::as_text);
        let computed =
            from_hex(text("salt")).map(|salt| personal_digest(&salt, text("field"), text("value")));
        if digest.is_none() || digest != computed.as_deref() {
            found.differs(version, format!("personal {}", text("field")));
        }
    }
}

/// The columns whose stored value is not the expected one.
fn different<'a>(expected: &'a Value, stored: &'a Value) -> impl Iterator<Item = &'a str> {
    expected.as_object().into_iter().flatten().filter_map(|(column, value)| {
        let same = match value {
            Value::Bool(flag) => stored[column].as_i64() == Some(i64::from(*flag)),
            _ => stored[column] == *value,
        };
        (!same).then_some(column.as_str())
    })
}
