//! Workflow files: what a regulator's staff may edit.
//!
//! Reading is strict: unknown keys, duplicate keys and anchors beyond a budget are refused with line,
//! column and caret. What is well formed but wrong in meaning is found by
//! [`Definition::compile`](crate::Definition::compile), all of it at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::act::Measure;
use crate::command::UnitKind;
use crate::state::{ChargedTo, DeadlineKind};
use crate::value::Name;

mod act;
mod read;
mod scalar;

pub use act::*;
pub(crate) use read::pointed;
pub use read::{FileError, parse, read};
pub use scalar::Number;

/// Text in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Chinese.
    #[serde(deserialize_with = "scalar::plain_text")]
    pub zh: String,
    /// English.
    #[serde(deserialize_with = "scalar::plain_text")]
    pub en: String,
}

/// A workflow file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name, the same in every edition.
    pub workflow: Name,
    /// Its edition.
    pub edition: String,
    /// Its title.
    pub title: Label,
    /// Letters before the number of a case: `YH` gives YH-2026-000123.
    pub numbering: String,
    /// The calendar its days are counted in.
    pub calendar: String,
    /// `none` for imported history: states need no owner and no clock, and lists say so.
    #[serde(default)]
    pub obligations: Obligations,
    /// The role told when a rung reaches nobody (I11).
    #[serde(default)]
    pub fallback: Option<Name>,
    /// Evidence that every act entered for another person (代录) brings besides its own: kind and least
    /// number.
    #[serde(default)]
    pub entered_for_evidence: BTreeMap<Name, u32>,
    /// Kinds of evidence of which one piece counts for one case: an order over several takes none of these
    /// for more than one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence_per_case: Vec<Name>,
    /// Numbers a jurisdiction may set.
    #[serde(default)]
    pub parameters: BTreeMap<Name, Parameter>,
    /// Roles.
    #[serde(default)]
    pub roles: BTreeMap<Name, Role>,
    /// Fields.
    #[serde(default)]
    pub fields: BTreeMap<Name, Field>,
    /// Tracks; one of them is `main`.
    pub tracks: BTreeMap<Name, Track>,
    /// Clocks.
    #[serde(default)]
    pub deadlines: BTreeMap<Name, DeadlineSpec>,
    /// Ladders.
    #[serde(default)]
    pub ladders: BTreeMap<Name, Vec<Rung>>,
    /// Acts.
    pub acts: BTreeMap<Name, ActSpec>,
    /// What was done to one enterprise in all its cases, counted. A hint for whoever decides; it does
    /// nothing by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<Name, Counter>,
    /// What may never happen; the checker proves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never: Vec<Never>,
    /// What each ladder has to keep, whatever its rungs; the checker compares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub promises: BTreeMap<Name, Promise>,
}

/// Documents of one kind issued to the enterprise of a case, in whichever of its cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    /// Its title.
    pub title: Label,
    /// The act that records the document…
    pub act: Name,
    /// …with one of these values in this field.
    pub field: Name,
    /// The values.
    pub values: Vec<Name>,
    /// The field with the number of the document: one that covers several cases counts once.
    pub document: Name,
    /// The field with its date.
    pub on: Name,
    /// From how many on it matters.
    pub hints: Vec<Hint>,
}

/// So many within a time, and a named person may take a further step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// How many.
    pub times: Number,
    /// Within so many days, today the last of them.
    pub within_days: Number,
    /// Where the rule comes from.
    #[serde(default)]
    pub source: Option<String>,
}

/// Something that may never happen: a state (`when`), or somebody (`who`) doing something (`does`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// What it means.
    pub title: Label,
    /// A guard over tracks, clocks, choices and whether fields are known; no state may satisfy it. A field
    /// compared here, one a clock's term asks about and one the unit of a role comes from cannot be
    /// corrected: what is proved of them holds only for what acts of the file say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Whoever took part in one of these acts…
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub who: Vec<Name>,
    /// …takes no part in this one afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub does: Option<Name>,
}

/// Who is told when, and what is done by when at the latest, whatever the term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Role to places on the ladder, in order: told by the first, again by the second, and so on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<Name, Vec<String>>,
    /// What is marked, drafted or proposed, to its place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub done: BTreeMap<Name, String>,
}

/// Whether the file promises an owner and a clock in every state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obligations {
    /// It does (I2).
    #[default]
    Required,
    /// It does not: imported history.
    None,
}

/// A number a jurisdiction may set at `publish`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Used unless set.
    pub default: u32,
    /// Least value allowed.
    pub min: u32,
    /// Largest value allowed.
    pub max: u32,
    /// Where the default comes from.
    #[serde(default)]
    pub source: Option<String>,
}

/// A role: who may act, who owes, who is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its title.
    pub title: Label,
    /// The field naming the unit whose holders count; without it, every holder in the jurisdiction.
    #[serde(default)]
    pub unit: Option<Name>,
    /// A role of the state, able to re-inspect and close out.
    #[serde(default)]
    pub regulator: bool,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its title.
    pub title: Label,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Longest text, in characters.
    #[serde(default)]
    pub max_chars: Option<u32>,
    /// Least number.
    #[serde(default)]
    pub min: Option<i64>,
    /// Largest number.
    #[serde(default)]
    pub max: Option<i64>,
    /// The choices.
    #[serde(default)]
    pub choices: BTreeMap<Name, Label>,
    /// Kept apart, erasable; the act holds a salted digest.
    #[serde(default)]
    pub personal: bool,
    /// A document number (文号): the unit that signs can have it issued from its register.
    #[serde(default)]
    pub register: bool,
    /// The kind of unit it names; any unless said.
    #[serde(default)]
    pub unit_kind: Option<UnitKind>,
    /// A date that must lie after today when it is given.
    #[serde(default)]
    pub after_today: bool,
    /// A date that may not lie after today.
    #[serde(default)]
    pub until_today: bool,
    /// A date at most so many days ahead.
    #[serde(default)]
    pub within_days: Option<Number>,
    /// Value at opening when none is given.
    #[serde(default)]
    pub default: Option<FieldDefault>,
    /// The column of the ledger it fills.
    #[serde(default)]
    pub column: Option<Column>,
    /// Working out a proposed date, shown by `next`; never set by itself.
    #[serde(default)]
    pub suggest: Option<TermSpec>,
    /// Other proposals: the first whose guard holds goes before `suggest`.
    #[serde(default)]
    pub suggest_if: Vec<ConditionalTerm>,
}

/// Types of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
    /// A day, `2026-06-28`.
    Date,
    /// An instant with its offset, `2026-06-28T17:00:00+08:00`.
    Moment,
    /// One of the choices.
    Choice,
    /// A unit.
    Unit,
    /// Several units.
    Units,
    /// A person.
    Person,
}

/// Where a value comes from when none is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldDefault {
    /// The department the jurisdiction's table names for the sector in this field.
    DepartmentOfSector(Name),
    /// The unit of the person who acts.
    ActorUnit,
    /// The person who acts.
    Actor,
    /// The value of another field.
    Field(Name),
    /// No.
    False,
}

impl FieldDefault {
    /// The field the value comes from.
    pub fn from(&self) -> Option<&Name> {
        match self {
            FieldDefault::DepartmentOfSector(from) | FieldDefault::Field(from) => Some(from),
            FieldDefault::ActorUnit | FieldDefault::Actor | FieldDefault::False => None,
        }
    }
}

/// Columns of the ledger that SQL filters by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The enterprise.
    Enterprise,
    /// The township or other area.
    Area,
    /// The sector.
    Sector,
    /// The source of the finding.
    Source,
    /// The level.
    Level,
    /// The competent department: whose progress a circular counts.
    Department,
    /// What is searched by text.
    Text,
}

/// A track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Its title.
    pub title: Label,
    /// The state it begins in.
    pub initial: Name,
    /// Its states.
    pub states: BTreeMap<Name, StateSpec>,
}

/// A state of a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateSpec {
    /// Its title.
    pub title: Label,
    /// Nothing is owed here.
    #[serde(default)]
    pub rest: bool,
    /// An end, and which. `rectified` is the one that counts as 销号.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// What a circular counts a case as that stands here. On the main track only.
    #[serde(default)]
    pub stage: Stage,
    /// The role that owes the next step.
    #[serde(default)]
    pub owner: Option<Name>,
    /// The clock of that step.
    #[serde(default)]
    pub deadline: Option<Name>,
}

/// What a circular counts a case as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Found, not yet determined.
    Pending,
    /// On the list.
    #[default]
    Listed,
    /// On the list, and its completion accepted on re-inspection.
    Accepted,
}

/// How a case ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 整改销号: through a passed re-inspection only (I1).
    Rectified,
    /// 不予认定.
    NotUpheld,
    /// 转一般.
    Downgraded,
    /// 移送.
    Transferred,
    /// 并案.
    Merged,
    /// 撤销.
    Annulled,
    /// 关闭取缔.
    ShutDown,
    /// A duty or task was done.
    Done,
    /// Imported history: settled.
    Settled,
    /// Imported history: recorded.
    Recorded,
}

/// A clock of the workflow file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlineSpec {
    /// Its title.
    pub title: Label,
    /// Legal date, step clock or parallel duty.
    pub kind: DeadlineKind,
    /// Whose overdue flag it raises.
    #[serde(default)]
    pub charged_to: ChargedTo,
    /// The role that owes it. `assignee`: the unit the work was sent to; `signer`: who decides a proposal.
    pub owner: Name,
    /// How it is counted.
    pub term: TermSpec,
    /// Other terms: the first whose guard holds goes before `term`.
    #[serde(default)]
    pub term_if: Vec<ConditionalTerm>,
    /// The ladder it climbs.
    #[serde(default)]
    pub ladder: Option<Name>,
    /// Clocks that start when this one is missed, unless they run already.
    #[serde(default)]
    pub on_miss: Vec<Name>,
    /// Rules for moving it.
    #[serde(default)]
    pub extension: Option<ExtensionSpec>,
    /// 补充期限: stands beside the legal date, and is counted beside the rates.
    #[serde(default)]
    pub supplementary: bool,
    /// Where the rule comes from.
    #[serde(default)]
    pub source: Option<String>,
}

impl DeadlineSpec {
    /// Every term it may be counted by.
    pub fn terms(&self) -> impl Iterator<Item = &TermSpec> {
        std::iter::once(&self.term).chain(self.term_if.iter().map(|case| &case.term))
    }
}

/// A term under a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalTerm {
    /// The guard.
    pub when: String,
    /// The term.
    pub term: TermSpec,
    /// Where the rule comes from.
    #[serde(default)]
    pub source: Option<String>,
}

/// How a clock is counted. Exactly one of the first six keys, besides counting back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermSpec {
    /// The date in this field. With `working_days`: counted back from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Name>,
    /// The moment in this field. The moment itself is still in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Name>,
    /// Working days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_days: Option<Number>,
    /// Calendar days, rolled over unless `roll: false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar_days: Option<Number>,
    /// Months, rolled over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<Number>,
    /// Elapsed hours from the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Number>,
    /// The field with the day it is counted from; without it, the day of the act. Hours run from the end
    /// of that day: a day says nothing of the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Name>,
    /// Whether a last day off rolls to the next working day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<bool>,
}

/// Rules for moving a legal date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionSpec {
    /// Asked for at least so many working days before the due date…
    pub lead_working_days: Number,
    /// …or this part of the term, if that is less (5: a fifth).
    #[serde(default)]
    pub lead_fraction: Option<u32>,
    /// …unless this guard holds: then so many.
    #[serde(default)]
    pub lead_working_days_if: Vec<ConditionalNumber>,
    /// Granted at most so often.
    pub times: Number,
    /// The new date at most so many days after the start of the clock.
    pub cap_days: Number,
    /// The clock that runs from the request to its decision: while it runs, an extension asked for in time
    /// may be granted after the date has passed. Without it, no extension after expiry.
    #[serde(default)]
    pub decision: Option<Name>,
}

/// A number under a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionalNumber {
    /// The guard.
    pub when: String,
    /// The number.
    pub number: Number,
}

/// A rung of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Its name, unique in its ladder.
    pub rung: Name,
    /// Days from the due date, with sign and unit: `-5wd`, `+1d`, `+10wd`, `+4h`.
    pub at: String,
    /// Local time; 08:30 unless given.
    #[serde(default)]
    pub time: Option<String>,
    /// Only for terms of at least so many working days.
    #[serde(default)]
    pub if_term_at_least: Option<Number>,
    /// What it does.
    #[serde(rename = "do")]
    pub measure: Measure,
    /// Who is told: roles; `owner` is the role that owes the clock.
    #[serde(default)]
    pub to: Vec<Name>,
    /// The text it is told in.
    #[serde(default)]
    pub template: Option<Name>,
    /// What is marked, drafted or proposed.
    #[serde(default)]
    pub what: Option<Name>,
    /// Who signs a draft or proposal.
    #[serde(default)]
    pub signer: Option<Name>,
    /// The clock of the signer.
    #[serde(default)]
    pub deadline: Option<Name>,
    /// Repeats every so many working days until the case moves.
    #[serde(default)]
    pub every_working_days: Option<Number>,
}
