//! Why a command is refused: codes and values; the texts are made elsewhere.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::guard::Need;
use crate::value::{Name, PersonId, PostId, UnitId};

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
        /// The units they are bound to on this case.
        bound: BTreeMap<Name, UnitId>,
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
    /// Evidence of a kind the workflow knows nothing of.
    EvidenceKind {
        /// The kind.
        kind: Name,
        /// The kinds there are.
        known: Vec<Name>,
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
        /// Perhaps not here, but in a case this one goes on from or took in.
        linked: bool,
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
        /// Roles that may.
        needed: Vec<Name>,
        /// The units they are bound to on this case.
        bound: BTreeMap<Name, UnitId>,
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
    /// It would leave too few officers for an act that has to be done by others.
    NobodyLeft {
        /// The person by whose hand it would; none where the case itself would go elsewhere.
        person: Option<PersonId>,
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
    /// A document number cannot be issued, or was not.
    Document {
        /// The field.
        field: Name,
        /// What is wrong.
        problem: DocumentProblem,
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
    /// The same, and no act takes it any more.
    Fixed,
}

/// What is wrong with a document number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentProblem {
    /// The act takes no number of a register in this field.
    NotHere {
        /// Fields in which it does.
        allowed: Vec<Name>,
    },
    /// It was typed as well.
    Given,
    /// The unit keeps no register.
    NoRegister {
        /// The unit.
        unit: UnitId,
    },
    /// It names a number of an own register in another form.
    Form {
        /// The code of the register.
        code: String,
    },
    /// A number of an own register that has not been issued yet.
    NotIssued {
        /// The number.
        number: String,
        /// The last one issued in that year; 0 where none was.
        last: u32,
    },
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
            Refusal::EvidenceKind { .. } => "BH0084",
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
            Refusal::Document { .. } => "BH0083",
            Refusal::CannotTakeBack { .. } => "BH0025",
            Refusal::Date { .. } => "BH0026",
            Refusal::CatchingUp => "BH0027",
            Refusal::OtherCase { .. } => "BH0028",
        }
    }
}
