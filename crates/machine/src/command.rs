//! What comes in: commands and facts.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

pub use crate::refusal::{
    AmendProblem, ClockProblem, DateProblem, DocumentProblem, ExtensionProblem, FieldProblem,
    OtherCaseProblem, Refusal,
};

use crate::act::{Act, Auth, Evidence, Person, Signature};
use crate::register::{Register, Registers};
use crate::state::State;
use crate::time::Instant;
use crate::value::{CaseId, Name, PersonId, PostId, TenantId, UnitId, Value};

/// What somebody, or the worker, wants to happen to one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// An act of the workflow file; the opening act when there is no case yet.
    Perform(Perform),
    /// A remark. Moves nothing.
    Comment {
        /// The remark.
        text: String,
    },
    /// 更正: puts a field right. Moves no date.
    Amend {
        /// The fields and their right values.
        fields: BTreeMap<Name, Value>,
        /// Why.
        reason: String,
    },
    /// 撤回: takes back one's own last act, before anybody else acted.
    TakeBack {
        /// Why.
        reason: String,
        /// The state before that act, folded from the acts.
        before: Box<State>,
    },
    /// Signs or declines a proposal.
    DecideProposal {
        /// Its number.
        no: u32,
        /// Signed, or declined.
        approved: bool,
        /// Why; needed when declined.
        reason: Option<String>,
        /// Gives the document the next number of the signer's register.
        #[serde(default)]
        issue: bool,
    },
    /// Everything due by now. The one command of the worker; it takes no input.
    Tick,
    /// Counts every open due date again, with the calendar given.
    Recalculate,
    /// The other half of a merge (并案): this case takes in the one whose number the facts give.
    Absorb(Absorbed),
}

/// What a case brings to the one that takes it in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absorbed {
    /// Its workflow.
    pub workflow: Name,
    /// Who took part in which of its acts: separation of duty goes on in the other case.
    pub involved: BTreeMap<Name, BTreeSet<PersonId>>,
}

/// An act as handed in. Unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perform {
    /// The act.
    pub act: Name,
    /// Its fields.
    #[serde(default)]
    pub fields: BTreeMap<Name, Value>,
    /// The field that gets the next number of the register of the actor's unit.
    #[serde(default)]
    pub issue: Option<Name>,
    /// Evidence.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// Named officers.
    #[serde(default)]
    pub officers: Vec<PersonId>,
    /// Signature or recorded refusal.
    #[serde(default)]
    pub signature: Option<Signature>,
    /// The person it is entered for (代录).
    #[serde(default)]
    pub entered_for: Option<PersonId>,
    /// The day it is said to have happened.
    #[serde(default)]
    pub occurred_on: Option<NaiveDate>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Who worked on the case a case goes on from, where it goes on from none.
pub const NOBODY: &BTreeSet<PersonId> = &BTreeSet::new();

/// What a decision may know of the world.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The jurisdiction.
    pub tenant: &'a TenantId,
    /// The case.
    pub case: CaseId,
    /// The store's time.
    pub now: Instant,
    /// Who acts; `None` is the worker.
    pub actor: Option<&'a Person>,
    /// How the actor was established.
    pub auth: Auth,
    /// The idempotency key.
    pub key: Option<&'a str>,
    /// The calendar of the definition.
    pub calendar: &'a Calendar,
    /// Who holds which post.
    pub directory: &'a Directory,
    /// The version the caller saw, if it insists on it.
    pub expected_version: Option<u32>,
    /// The number a case gets when it is opened.
    pub number: Option<&'a str>,
    /// The number of the other case, where this command opens one, is part of its opening, or joins two.
    pub linked: Option<&'a str>,
    /// Who worked on the case this one goes on from: whoever may not judge the one may not judge the other.
    pub hands: &'a BTreeSet<PersonId>,
    /// Where the registers stand. An empty one is enough for a command that needs none.
    pub registers: &'a Registers,
    /// Randomness for the salts of personal values.
    pub salt: &'a [u8; 32],
}

/// The people, posts and units of a jurisdiction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Units.
    pub units: Vec<Unit>,
    /// Posts.
    pub posts: Vec<Post>,
    /// Which department answers for which sector.
    #[serde(default)]
    pub departments: BTreeMap<String, UnitId>,
    /// The calendar of the place; `cn` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: UnitKind,
    /// Its township or other area.
    #[serde(default)]
    pub area: Option<String>,
    /// Its sector, for an enterprise.
    #[serde(default)]
    pub sector: Option<String>,
    /// Its register of documents, where it issues any under its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Register>,
}

/// Kinds of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// 部门, 安委办, 政府.
    Department,
    /// 乡镇.
    Township,
    /// 企业.
    Enterprise,
}

/// A post and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Post {
    /// Its id.
    pub id: PostId,
    /// Who holds it.
    pub person: PersonId,
    /// The unit it belongs to.
    pub unit: UnitId,
    /// The roles it carries.
    pub roles: BTreeSet<Name>,
    /// What the post is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The name of the person who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Directory {
    /// The calendar of the place: its zone and working days say when notices are delivered.
    pub fn calendar(&self) -> &str {
        self.calendar.as_deref().unwrap_or("cn")
    }

    /// Everybody who holds `role`, in `unit` where one is given. In order, each once.
    pub fn holders(&self, role: &str, unit: Option<&UnitId>) -> Vec<PersonId> {
        self.held_by(role, unit).into_iter().cloned().collect()
    }

    /// The same, where they stand.
    pub(crate) fn held_by(&self, role: &str, unit: Option<&UnitId>) -> BTreeSet<&PersonId> {
        self.holding(role, unit).collect()
    }

    /// The same, once for every post.
    pub(crate) fn holding(&self, role: &str, unit: Option<&UnitId>) -> impl Iterator<Item = &PersonId> {
        let held =
            move |post: &&Post| unit.is_none_or(|unit| post.unit == *unit) && post.roles.contains(role);
        self.posts.iter().filter(held).map(|post| &post.person)
    }

    /// The one unit in which a role is held: what is owed by the role is owed by that unit.
    pub fn home(&self, role: &str) -> Option<&UnitId> {
        let mut units = self.posts.iter().filter(|post| post.roles.contains(role)).map(|post| &post.unit);
        let first = units.next()?;
        units.all(|unit| unit == first).then_some(first)
    }

    /// The roles held in this unit and in no other.
    pub fn roles_at_home(&self, unit: &str) -> BTreeSet<Name> {
        let held = self.posts.iter().filter(|post| post.unit.as_str() == unit).flat_map(|post| &post.roles);
        held.filter(|role| self.home(role).is_some()).cloned().collect()
    }

    /// The post, if that person holds it.
    pub fn post(&self, who: &Person) -> Option<&Post> {
        self.posts
            .iter()
            .find(|post| post.id == who.post && post.person == who.person && post.unit == who.unit)
    }

    /// The unit.
    pub fn unit(&self, id: &UnitId) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.id == *id)
    }

    /// The name of a person; the id where none is known.
    pub fn person_name<'a>(&'a self, id: &'a PersonId) -> &'a str {
        let mut held = self.posts.iter().filter(|post| post.person == *id);
        held.find_map(|post| post.name.as_deref()).unwrap_or(id.as_str())
    }

    /// What a post is called; the id where it has no title.
    pub fn post_title<'a>(&'a self, id: &'a PostId) -> &'a str {
        let post = self.posts.iter().find(|post| post.id == *id);
        post.and_then(|post| post.title.as_deref()).unwrap_or(id.as_str())
    }

    /// The name of a unit; the id where the organisation does not know it.
    pub fn unit_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.units.iter().find(|unit| unit.id.as_str() == id).map_or(id, |unit| &unit.name)
    }

    /// Whether anybody with that id holds a post.
    pub fn knows(&self, person: &PersonId) -> bool {
        self.posts.iter().any(|post| post.person == *person)
    }
}

/// What a decision gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The acts, in order.
    pub acts: Vec<Act>,
    /// The state after them.
    pub state: State,
    /// Personal values, to be kept apart.
    pub personal: Vec<Personal>,
}

/// A personal value and its salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// The act it came with.
    pub version: u32,
    /// The field.
    pub field: Name,
    /// The salt.
    pub salt: [u8; 32],
    /// The value.
    pub value: String,
}
