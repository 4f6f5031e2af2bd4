//! What comes in: commands, facts, and what goes back when a command is refused.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::act::{Act, Auth, Evidence, Person, Signature};
use crate::guard::Need;
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
        let people: BTreeSet<_> = self
            .posts
            .iter()
            .filter(|post| post.roles.contains(role) && unit.is_none_or(|unit| post.unit == *unit))
            .map(|post| post.person.clone())
            .collect();
        people.into_iter().collect()
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

/// Why a command was refused. Each names what failed and, where there is one, the way on. The texts are
/// made elsewhere from the code and these values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
#[error("{}", self.code())]
pub enum Refusal {
    /// There is no such case.
    NoSuchCase,
    /// The case exists already.
    AlreadyOpen,
    /// The workflow has no such act.
    UnknownAct {
        /// The act.
        act: Name,
        /// Acts this person may do now.
        allowed: Vec<Name>,
    },
    /// The act is not possible where the case stands.
    NotFromHere {
        /// The act.
        act: Name,
        /// The track that stands elsewhere.
        track: Name,
        /// Where it stands.
        state: Name,
        /// Where it would have to stand.
        needed: Vec<Name>,
        /// Acts this person may do now.
        allowed: Vec<Name>,
    },
    /// Somebody else acted in between.
    Version {
        /// The version the caller saw.
        expected: u32,
        /// The version now.
        actual: u32,
    },
    /// The person does not hold that post.
    UnknownPost {
        /// The person.
        person: PersonId,
        /// The post.
        post: PostId,
    },
    /// None of the roles that may do it.
    Role {
        /// The act.
        act: Name,
        /// Roles that may.
        needed: Vec<Name>,
        /// Roles the person holds.
        held: Vec<Name>,
    },
    /// A guard does not hold.
    Guard {
        /// The act.
        act: Name,
        /// The guard.
        guard: String,
        /// What it still needs, all of it.
        needs: Vec<Need>,
    },
    /// Fields are missing.
    MissingFields {
        /// Which.
        fields: Vec<Name>,
    },
    /// The act takes no such field.
    UnknownField {
        /// The field.
        field: Name,
        /// Fields it takes.
        allowed: Vec<Name>,
    },
    /// A field has a wrong value.
    BadField {
        /// The field.
        field: Name,
        /// What is wrong.
        problem: FieldProblem,
        /// The value, cut to 80 characters.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// Evidence is missing.
    EvidenceMissing {
        /// Its kind.
        kind: Name,
        /// How many are needed.
        needed: u32,
        /// How many were given.
        given: u32,
    },
    /// Evidence that was handed in before, or twice.
    EvidenceReused {
        /// Its digest.
        digest: String,
        /// The act that brought it first; none where it is given twice in this one.
        version: Option<u32>,
    },
    /// One piece of evidence for several cases, of a kind that each case brings itself.
    EvidenceShared {
        /// Its kind.
        kind: Name,
        /// Its digest.
        digest: String,
    },
    /// Evidence that is none: a bad digest, or no bytes.
    EvidenceBad {
        /// Its digest.
        digest: String,
    },
    /// Separation of duty.
    Separation {
        /// The person.
        person: PersonId,
        /// The act that person took part in.
        act: Name,
    },
    /// Too few officers.
    Officers {
        /// How many are needed.
        needed: u32,
        /// How many different ones were named.
        given: u32,
    },
    /// An officer who does not hold the role.
    OfficerRole {
        /// The person.
        person: PersonId,
        /// The role.
        role: Name,
    },
    /// Neither signature nor recorded refusal.
    SignatureMissing,
    /// A reason is needed.
    ReasonMissing,
    /// The person it is entered for may not do it either, or is unknown.
    EnteredFor {
        /// The person.
        person: PersonId,
    },
    /// The clock named is not in the state this act needs.
    Clock {
        /// The clock.
        deadline: Name,
        /// What is wrong.
        problem: ClockProblem,
    },
    /// An extension is not possible.
    Extension {
        /// The clock.
        deadline: Name,
        /// What is wrong.
        problem: ExtensionProblem,
    },
    /// No assignment is in the state this act needs.
    NoAssignment {
        /// The unit that would have to hold it; none where any would do.
        unit: Option<UnitId>,
    },
    /// Not a field this person may put right.
    CannotAmend {
        /// The field.
        field: Name,
        /// The person did not enter it, or it changes by an act of the file because a date, a role or a
        /// condition hangs on it.
        problem: AmendProblem,
        /// Fields this person may put right.
        allowed: Vec<Name>,
    },
    /// The person has nothing to do with the case.
    NotConcerned,
    /// Done by this person, it would leave too few officers for an act that has to be done by others.
    NobodyLeft {
        /// The person.
        person: PersonId,
        /// The act that needs officers.
        act: Name,
        /// Their role.
        role: Name,
        /// How many it needs.
        needed: u32,
    },
    /// No such proposal, it is decided, or the case has ended.
    NoProposal {
        /// Its number.
        no: u32,
    },
    /// Only the own last act can be taken back, and not the opening.
    CannotTakeBack {
        /// The last act.
        last: Name,
    },
    /// The other case named is none this one can be joined with.
    OtherCase {
        /// Its number, as given.
        number: String,
        /// What is wrong.
        problem: OtherCaseProblem,
    },
    /// A date cannot be counted.
    Date {
        /// The date.
        date: String,
        /// What is wrong.
        problem: DateProblem,
    },
    /// More overdue rungs than one command records; the worker is catching up.
    CatchingUp,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldProblem {
    /// Another type is needed.
    Type,
    /// Nothing but white space.
    Blank,
    /// Too long.
    TooLong,
    /// Characters that have no place in a text: controls, bidirectional overrides, NUL.
    Characters,
    /// Out of range.
    Range,
    /// No such choice, unit or person.
    Unknown,
    /// The date has to lie after today.
    NotAfterToday,
    /// The date may not lie after today.
    AfterToday,
    /// The date lies too far ahead.
    TooFar,
    /// The unit has the work already.
    Repeated,
    /// A unit of another kind is needed.
    Kind,
}

/// Why a field cannot be put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmendProblem {
    /// The case has no such field, or nobody has filled it.
    Empty,
    /// Somebody else entered it.
    Foreign,
    /// A date, a role or a condition hangs on it.
    Decides,
}

/// What is wrong with a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateProblem {
    /// It is no date.
    NotADate,
    /// It is no moment.
    NotAMoment,
    /// It, or what is counted from it, lies outside the years that are counted.
    OutOfRange,
    /// Something that has happened cannot have happened then.
    NotInThePast,
}

/// What is wrong with the other case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherCaseProblem {
    /// The act was not sent together with that of the other case.
    Alone,
    /// There is no such case.
    Unknown,
    /// It is this case.
    Itself,
    /// It is at its end.
    Ended,
    /// Its re-inspection has been passed: what comes in now would be closed without one.
    Accepted,
    /// It runs under another workflow.
    Workflow,
}

/// What is wrong with a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockProblem {
    /// It does not run.
    NotRunning,
    /// It does not stand still.
    NotPaused,
    /// Its date has passed.
    Missed,
}

/// What is wrong with an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtensionProblem {
    /// The date has passed.
    Expired,
    /// Asked too late; this was the last day.
    TooLate {
        /// The last day.
        latest: NaiveDate,
    },
    /// Granted as often as allowed.
    TooOften {
        /// How often that is.
        times: u32,
    },
    /// Not later than the date now.
    NotLater {
        /// The date now.
        due: NaiveDate,
    },
    /// Beyond the cap.
    BeyondCap {
        /// The last day possible.
        latest: NaiveDate,
    },
}

impl Refusal {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoSuchCase => "BH0001",
            Refusal::AlreadyOpen => "BH0002",
            Refusal::UnknownAct { .. } => "BH0003",
            Refusal::NotFromHere { .. } => "BH0004",
            Refusal::Version { .. } => "BH0005",
            Refusal::UnknownPost { .. } => "BH0006",
            Refusal::Role { .. } => "BH0007",
            Refusal::Guard { .. } => "BH0008",
            Refusal::MissingFields { .. } => "BH0009",
            Refusal::UnknownField { .. } => "BH0010",
            Refusal::BadField { .. } => "BH0011",
            Refusal::EvidenceMissing { .. } => "BH0012",
            Refusal::EvidenceReused { .. } => "BH0013",
            Refusal::EvidenceShared { .. } => "BH0029",
            Refusal::EvidenceBad { .. } => "BH0014",
            Refusal::Separation { .. } => "BH0015",
            Refusal::Officers { .. } => "BH0016",
            Refusal::OfficerRole { .. } => "BH0017",
            Refusal::SignatureMissing => "BH0018",
            Refusal::ReasonMissing => "BH0019",
            Refusal::EnteredFor { .. } => "BH0020",
            Refusal::Clock { .. } => "BH0021",
            Refusal::Extension { .. } => "BH0022",
            Refusal::NoAssignment { .. } => "BH0023",
            Refusal::NoProposal { .. } => "BH0024",
            Refusal::CannotAmend { .. } => "BH0080",
            Refusal::NotConcerned => "BH0081",
            Refusal::NobodyLeft { .. } => "BH0082",
            Refusal::CannotTakeBack { .. } => "BH0025",
            Refusal::Date { .. } => "BH0026",
            Refusal::CatchingUp => "BH0027",
            Refusal::OtherCase { .. } => "BH0028",
        }
    }
}
