//! The acts of a workflow file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::act::{AssignmentClocks, AssignmentDuty};
use crate::file::Label;
use crate::value::Name;

/// An act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActSpec {
    /// Its title.
    pub title: Label,
    /// Opens a case.
    #[serde(default)]
    pub opens: bool,
    /// One of the everyday acts; the rest stands behind "more".
    #[serde(default)]
    pub everyday: bool,
    /// Roles that may do it; `any` is everybody with a post.
    pub by: Vec<Name>,
    /// Roles that may enter it for someone who may do it (代录).
    #[serde(default)]
    pub enter_for: Vec<Name>,
    /// Where each named track must stand.
    #[serde(default, rename = "in")]
    pub from: BTreeMap<Name, OneOrMany>,
    /// A guard.
    #[serde(default)]
    pub when: Option<String>,
    /// Fields that must be given.
    #[serde(default)]
    pub requires: Vec<Name>,
    /// Fields that may be given.
    #[serde(default)]
    pub accepts: Vec<Name>,
    /// Evidence that must be handed in: kind and least number.
    #[serde(default)]
    pub evidence: BTreeMap<Name, u32>,
    /// Officers that must be named.
    #[serde(default)]
    pub officers: Option<Officers>,
    /// Signature or recorded refusal is needed.
    #[serde(default)]
    pub signature: bool,
    /// A reason is needed.
    #[serde(default)]
    pub reason: bool,
    /// Separation of duty.
    #[serde(default)]
    pub apart: Apart,
    /// What it stands for in the invariants.
    #[serde(default)]
    pub counts_as: Option<CountsAs>,
    /// It moves an assignment of the actor's unit.
    #[serde(default)]
    pub assignment: Option<AssignmentMove>,
    /// The field naming the unit whose assignment it moves, where that is not the actor's.
    #[serde(default)]
    pub assignee: Option<Name>,
    /// An opening entry (期初导入): the case as an old ledger states it, unverified and counted apart. The
    /// field names the day it goes live; until then its ladders are muted.
    #[serde(default)]
    pub imports: Option<Name>,
    /// It opens another case, in the same transaction.
    #[serde(default)]
    pub opens_case: Option<OpensCase>,
    /// It joins this case to the one whose number is in this field (并案).
    #[serde(default)]
    pub joins: Option<Name>,
    /// What it changes, in order.
    #[serde(default)]
    pub then: Vec<Step>,
}

/// Another case that an act opens. Both cases keep the number of the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpensCase {
    /// Its workflow: the newest published edition.
    pub workflow: Name,
    /// Its opening act. The evidence of this act is handed in with it.
    pub act: Name,
    /// Its fields, and the fields of this case they are filled from; what is empty here stays empty there.
    pub fields: BTreeMap<Name, Name>,
}

/// One name or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(Name),
    /// Any of several.
    Many(Vec<Name>),
}

impl OneOrMany {
    /// The names.
    pub fn names(&self) -> &[Name] {
        match self {
            OneOrMany::One(name) => std::slice::from_ref(name),
            OneOrMany::Many(names) => names,
        }
    }
}

/// Named officers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officers {
    /// At least so many, all different.
    pub least: u32,
    /// The role each must hold.
    pub role: Name,
}

/// Separation of duty: the persons here took no part in the acts named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apart {
    /// The actor, and whoever it is entered for.
    #[serde(default)]
    pub actor: Vec<Name>,
    /// The officers.
    #[serde(default)]
    pub officers: Vec<Name>,
}

/// What an act stands for in invariant I1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountsAs {
    /// Work on the hazard itself.
    Rectification,
    /// 报完成.
    CompletionReport,
    /// 复查通过.
    PassedReinspection,
    /// 复查不通过.
    FailedReinspection,
    /// 销号.
    CloseOut,
}

/// How an act moves an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentMove {
    /// 签收.
    Receive,
    /// 反馈.
    FeedBack,
    /// 退单.
    Return,
    /// 不予退单: sent to the same unit once more, with a new receipt clock.
    Resend,
    /// 同意退单, for an assisting unit; the lead changes by being assigned anew.
    Release,
}

/// One change of an act. Exactly one key besides `if`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Only if this guard holds.
    #[serde(default, rename = "if", skip_serializing_if = "Option::is_none")]
    pub only_if: Option<String>,
    /// Track to state.
    #[serde(default, rename = "move", skip_serializing_if = "BTreeMap::is_empty")]
    pub move_to: BTreeMap<Name, Name>,
    /// Starts a clock (once more, if it ended).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Name>,
    /// Ends a clock: what it waited for was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meet: Option<Name>,
    /// Ends a clock that is no longer needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Name>,
    /// Runs a met clock again, its date unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopen: Option<Name>,
    /// Stops a clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Name>,
    /// Runs a stopped clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Name>,
    /// Checks that an extension may be asked for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_extension: Option<Extend>,
    /// Moves a legal date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend: Option<Extend>,
    /// Sends work to the unit or units in a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
}

/// A legal date and the field with its new day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extend {
    /// The clock.
    pub deadline: Name,
    /// The field.
    pub to: Name,
}

/// Work sent to units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// The field with the unit or units.
    pub to: Name,
    /// Lead or assisting.
    #[serde(rename = "as")]
    pub duty: AssignmentDuty,
    /// The clocks each unit gets.
    #[serde(default)]
    pub clocks: AssignmentClocks,
}
