//! A workflow file, compiled: parameters resolved, every name known, guards lowered, rungs parsed.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::{canonical, digest_hex};
use crate::file::{ActSpec, DeadlineSpec, Field, FieldType, File, Number, Rung, Step, pointed};
use crate::guard::{Guard, GuardError, VarType};
use crate::problem::Problem;
use crate::requirement::has_bad_characters;
use crate::value::Name;
use chrono::NaiveTime;

mod meaning;

/// The most days, or other units, anything in a file is counted in: ten years. Days far ahead would leave
/// the calendar, and a clock that cannot be counted stops its case for good.
const DAYS_MAX: u32 = 3_660;

/// A definition a case can run under.
#[derive(Clone, Debug)]
pub struct Definition {
    file: File,
    bytes: Vec<u8>,
    digest: String,
    guards: BTreeMap<String, Guard>,
    ladders: BTreeMap<Name, Vec<PlacedRung>>,
}

/// A rung with its place parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedRung {
    pub(crate) spec: Rung,
    pub(crate) offset: Offset,
    pub(crate) time: NaiveTime,
}

/// How far a rung lies from the due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offset {
    WorkingDays(i32),
    Days(i32),
    Hours(i32),
}

/// The number, once parameters are resolved.
pub(crate) fn number(number: &Number) -> u32 {
    match number {
        Number::Value(value) => *value,
        // A file is read with numbers and `$names` only, and compiling replaces every name: none is left here.
        Number::Parameter(_) => 0,
    }
}

impl Definition {
    /// Resolves, checks and compiles a file. `set` gives the jurisdiction's values for its parameters.
    /// All findings come back at once.
    pub fn compile(file: &File, set: &BTreeMap<Name, u32>) -> Result<Definition, Vec<Problem>> {
        let file = resolve(file, set)?;
        let mut findings = Vec::new();
        meaning::check(&file, &mut findings);
        let variables = variables(&file);
        let personal = file.fields.iter().filter(|(_, field)| field.personal);
        let personal: BTreeSet<String> = personal.map(|(name, _)| name.clone()).collect();
        let mut guards = BTreeMap::new();
        for (path, source) in guard_sources(&file) {
            match Guard::parse(&source, &variables, &personal) {
                Ok(guard) => {
                    guards.insert(source, guard);
                }
                Err(error) => findings.push(unread(&source, &error, path)),
            }
        }
        let mut ladders = BTreeMap::new();
        for (name, rungs) in &file.ladders {
            let mut parsed = Vec::new();
            for (index, rung) in rungs.iter().enumerate() {
                let path = format!("ladders.{name}[{index}]");
                let (offset, time) = (offset(&rung.at), time(rung.time.as_deref()));
                if offset.is_none() {
                    findings.push(Problem::new("WF0021", &path).with("at", &rung.at));
                }
                if time.is_none() {
                    findings.push(Problem::new("WF0044", &path).with("time", &rung.time));
                }
                if let (Some(offset), Some(time)) = (offset, time) {
                    parsed.push(PlacedRung { spec: rung.clone(), offset, time });
                }
            }
            ladders.insert(name.clone(), parsed);
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let bytes = canonical(&file).map_err(|error| unfit(&error))?;
        let digest = digest_hex(&bytes);
        Ok(Definition { file, bytes, digest, guards, ladders })
    }

    /// From its stored bytes, which stay what it is known by: a later program may write the same file another
    /// way, and the cases that pinned it still do.
    pub fn from_bytes(bytes: &[u8]) -> Result<Definition, Vec<Problem>> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| unfit(&error))?;
        let compiled = Definition::compile(&file, &BTreeMap::new())?;
        Ok(Definition { bytes: bytes.to_vec(), digest: digest_hex(bytes), ..compiled })
    }

    /// The resolved file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Canonical bytes: what is stored and hashed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes, hex: what a case pins.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The act.
    pub fn act(&self, name: &str) -> Option<&ActSpec> {
        self.file.acts.get(name)
    }

    /// The kinds of evidence it knows.
    pub fn evidence_kinds(&self) -> BTreeSet<&Name> {
        let asked = self.file.acts.values().flat_map(|act| act.evidence.keys());
        asked.chain(self.file.entered_for_evidence.keys()).collect()
    }

    /// Whether it knows a kind of evidence.
    pub(crate) fn asks_for(&self, kind: &str) -> bool {
        let mut acts = self.file.acts.values();
        acts.any(|act| act.evidence.contains_key(kind)) || self.file.entered_for_evidence.contains_key(kind)
    }

    /// The clock.
    pub fn deadline(&self, name: &str) -> Option<&DeadlineSpec> {
        self.file.deadlines.get(name)
    }

    /// The field.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.file.fields.get(name)
    }

    /// The compiled guard with this text.
    pub fn guard(&self, source: &str) -> Option<&Guard> {
        self.guards.get(source)
    }

    /// Every guard.
    pub(crate) fn guards(&self) -> impl Iterator<Item = &Guard> {
        self.guards.values()
    }

    pub(crate) fn ladder(&self, name: &str) -> &[PlacedRung] {
        self.ladders.get(name).map_or(&[], Vec::as_slice)
    }

    /// The variables guards may use, with their types.
    pub fn variables(&self) -> BTreeMap<String, VarType> {
        variables(&self.file)
    }
}

/// A file that does not become what it is kept as: a fault of the program, in the words of serde.
fn unfit(error: &impl ToString) -> Vec<Problem> {
    vec![Problem::new("WF0001", "").with("problem", error.to_string())]
}

/// A guard that cannot be read: what is wrong, and the place under the guard.
fn unread(source: &str, error: &GuardError, path: String) -> Problem {
    let (shown, caret) = pointed(source, error.offset);
    let problem = Problem::new("WF0020", path).with("guard", &error.fault).with("source", source);
    problem.with("offset", error.offset).with("shown", shown).with("caret", caret)
}

/// Puts the jurisdiction's numbers in place of `$name`. Every text is passed on the way, so what has no
/// place in one is found here too.
fn resolve(file: &File, set: &BTreeMap<Name, u32>) -> Result<File, Vec<Problem>> {
    let mut findings = Vec::new();
    let mut values = BTreeMap::new();
    for (name, parameter) in &file.parameters {
        let value = set.get(name).copied().unwrap_or(parameter.default);
        if value < parameter.min || value > parameter.max {
            let problem = Problem::new("WF0002", format!("parameters.{name}")).with("number", value);
            findings.push(problem.with("least", parameter.min).with("most", parameter.max));
        }
        values.insert(name.clone(), value);
    }
    for name in set.keys().filter(|name| !file.parameters.contains_key(*name)) {
        findings.push(Problem::new("WF0003", format!("parameters.{name}")));
    }
    let mut tree = serde_json::to_value(file).map_err(|error| unfit(&error))?;
    substitute(&mut tree, &values, "", &mut findings);
    if let Some(parameters) = tree.get_mut("parameters").and_then(serde_json::Value::as_object_mut) {
        for (name, value) in &values {
            if let Some(parameter) = parameters.get_mut(name) {
                parameter["default"] = (*value).into();
            }
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    serde_json::from_value(tree).map_err(|error| unfit(&error))
}

fn substitute(
    tree: &mut serde_json::Value,
    values: &BTreeMap<Name, u32>,
    path: &str,
    findings: &mut Vec<Problem>,
) {
    match tree {
        serde_json::Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                plain(key, &path, findings);
                match value {
                    serde_json::Value::String(guard) if key == "when" || key == "if" => {
                        plain(guard, &path, findings);
                        *guard = in_guard(guard, values, &path, findings);
                    }
                    _ => substitute(value, values, &path, findings),
                }
            }
        }
        serde_json::Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                substitute(value, values, &format!("{path}[{index}]"), findings);
            }
        }
        serde_json::Value::String(text) => {
            plain(text, path, findings);
            let Some(name) = text.strip_prefix('$') else { return };
            match values.get(name) {
                Some(value) => *tree = (*value).into(),
                None => findings.push(Problem::new("WF0004", path).with("name", name)),
            }
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// A text, or a name, has no control characters.
fn plain(text: &str, path: &str, findings: &mut Vec<Problem>) {
    if has_bad_characters(text) {
        // The path itself may hold them.
        let path: String = path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        findings.push(Problem::new("WF0036", path));
    }
}

/// A guard with the numbers of its `$name` parameters.
fn in_guard(guard: &str, values: &BTreeMap<Name, u32>, path: &str, findings: &mut Vec<Problem>) -> String {
    let mut parts = guard.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        match values.get(name) {
            Some(value) => out.push_str(&value.to_string()),
            None => findings.push(Problem::new("WF0004", path).with("name", name)),
        }
        out.push_str(rest);
    }
    out
}

/// The variables of a file's guards: fields, tracks, and what is known of each clock.
fn variables(file: &File) -> BTreeMap<String, VarType> {
    let mut variables = BTreeMap::new();
    for (name, field) in file.fields.iter().filter(|(_, field)| !field.personal) {
        let kind = match field.kind {
            FieldType::Bool => VarType::Bool,
            // A guard compares moments as microseconds.
            FieldType::Int | FieldType::Moment => VarType::Int,
            FieldType::Date => VarType::Date,
            FieldType::Choice => VarType::Enum(field.choices.keys().cloned().collect()),
            FieldType::Text | FieldType::Unit | FieldType::Person => VarType::Text,
            FieldType::Units => continue,
        };
        variables.insert(name.clone(), kind);
    }
    for (name, track) in &file.tracks {
        variables.insert(name.clone(), VarType::Enum(track.states.keys().cloned().collect()));
    }
    for name in file.deadlines.keys() {
        for fact in ["running", "paused", "due", "missed", "past", "met", "cancelled"] {
            variables.insert(format!("{name}.{fact}"), VarType::Bool);
        }
        variables.insert(format!("{name}.extensions"), VarType::Int);
        variables.insert(format!("{name}.term_days"), VarType::Int);
    }
    variables.insert("today".to_owned(), VarType::Date);
    variables.insert("assignments.open".to_owned(), VarType::Int);
    variables.insert("proposals.open".to_owned(), VarType::Int);
    variables
}

/// Every guard of a file with its path.
fn guard_sources(file: &File) -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for (name, act) in &file.acts {
        if let Some(when) = &act.when {
            sources.push((format!("acts.{name}.when"), when.clone()));
        }
        for (index, step) in act.then.iter().enumerate() {
            if let Some(only_if) = &step.only_if {
                sources.push((format!("acts.{name}.then[{index}].if"), only_if.clone()));
            }
        }
    }
    for (name, field) in &file.fields {
        for (index, case) in field.suggest_if.iter().enumerate() {
            sources.push((format!("fields.{name}.suggest_if[{index}].when"), case.when.clone()));
        }
    }
    for (index, never) in file.never.iter().enumerate() {
        if let Some(when) = &never.when {
            sources.push((format!("never[{index}].when"), when.clone()));
        }
    }
    for (name, deadline) in &file.deadlines {
        for (index, case) in deadline.term_if.iter().enumerate() {
            sources.push((format!("deadlines.{name}.term_if[{index}].when"), case.when.clone()));
        }
        let conditional = deadline.extension.iter().flat_map(|extension| &extension.lead_working_days_if);
        for (index, number) in conditional.enumerate() {
            sources.push((
                format!("deadlines.{name}.extension.lead_working_days_if[{index}].when"),
                number.when.clone(),
            ));
        }
    }
    sources
}

/// Parses `-5wd`, `+1d`, `+4h`.
pub(crate) fn offset(text: &str) -> Option<Offset> {
    let digits = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(digits);
    if !number.starts_with(['+', '-']) {
        return None;
    }
    let number: i32 = number.parse().ok().filter(|number: &i32| number.unsigned_abs() <= DAYS_MAX)?;
    match unit {
        "wd" => Some(Offset::WorkingDays(number)),
        "d" => Some(Offset::Days(number)),
        "h" => Some(Offset::Hours(number)),
        _ => None,
    }
}

fn time(text: Option<&str>) -> Option<NaiveTime> {
    match text {
        None => NaiveTime::from_hms_opt(8, 30, 0),
        Some(text) => NaiveTime::parse_from_str(text, "%H:%M").ok(),
    }
}

/// The one change a step makes.
pub(crate) enum Change<'a> {
    Move(&'a BTreeMap<Name, Name>),
    Start(&'a Name),
    Meet(&'a Name),
    Cancel(&'a Name),
    Reopen(&'a Name),
    Pause(&'a Name),
    Resume(&'a Name),
    AskExtension(&'a crate::file::Extend),
    Extend(&'a crate::file::Extend),
    Assign(&'a crate::file::Assign),
}

impl Step {
    /// The changes its keys name; a file that compiled has exactly one.
    pub(crate) fn changes(&self) -> Vec<Change<'_>> {
        let mut changes = Vec::new();
        if !self.move_to.is_empty() {
            changes.push(Change::Move(&self.move_to));
        }
        changes.extend(self.start.as_ref().map(Change::Start));
        changes.extend(self.meet.as_ref().map(Change::Meet));
        changes.extend(self.cancel.as_ref().map(Change::Cancel));
        changes.extend(self.reopen.as_ref().map(Change::Reopen));
        changes.extend(self.pause.as_ref().map(Change::Pause));
        changes.extend(self.resume.as_ref().map(Change::Resume));
        changes.extend(self.ask_extension.as_ref().map(Change::AskExtension));
        changes.extend(self.extend.as_ref().map(Change::Extend));
        changes.extend(self.assign.as_ref().map(Change::Assign));
        changes
    }
}
