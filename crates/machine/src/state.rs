//! The state of a case: the fold of its acts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::act::{
    Act, AssignmentClocks, AssignmentDuty, AssignmentStatus, Effect, End, Link, MoveReason, Remaining,
    RungRecord,
};
use crate::time::{Due, Instant};
use crate::value::{CaseId, Name, PersonId, UnitId, Value};

/// Everything a decision needs to know about one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The case.
    pub case: CaseId,
    /// Its number, as `YH-2026-000123`.
    pub number: String,
    /// Digest of its definition.
    pub definition: String,
    /// Number of its last act.
    pub version: u32,
    /// When it was opened.
    pub opened_at: Instant,
    /// When its last act was recorded.
    pub last_at: Instant,
    /// Where each track stands.
    pub tracks: BTreeMap<Name, Position>,
    /// Its fields; a personal one as its salted digest.
    pub fields: BTreeMap<Name, Value>,
    /// Who gave each field its value: the actor, and the person it was entered for.
    pub entered: BTreeMap<Name, BTreeSet<PersonId>>,
    /// Its clocks, by number − 1.
    pub deadlines: Vec<Deadline>,
    /// Work sent to units, by number − 1.
    pub assignments: Vec<Assignment>,
    /// Set where the case comes from an old ledger: what it stated nobody has verified, and its ladders are
    /// muted until this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Instant>,
    /// Cases that belong to this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<CaseLink>,
    /// What waits or waited for a signer, by number − 1.
    pub proposals: Vec<Proposal>,
    /// Who ever took part in which act: actor, person entered for, officers.
    pub involved: BTreeMap<Name, BTreeSet<PersonId>>,
    /// Evidence handed in so far: digest to the act that brought it.
    pub evidence: BTreeMap<String, u32>,
    /// The last act and its actor; taking back looks here.
    pub last: LastAct,
    /// Numbers handed out so far.
    pub numbers: Numbers,
}

/// The highest numbers handed out; they survive a taking back, so that no number is used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Of deadlines.
    pub deadline: u32,
    /// Of assignments.
    pub assignment: u32,
    /// Of proposals.
    pub proposal: u32,
    /// Of revisions, over all deadlines: a date moved, taken back and moved again is a new revision, or
    /// its rungs would collide with those of the move taken back.
    pub revision: u32,
}

/// The last act, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAct {
    /// Its name.
    pub name: Name,
    /// Its actor; `None` for the worker.
    pub person: Option<PersonId>,
}

/// Where a track stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The state.
    pub state: Name,
    /// Since when.
    pub since: Instant,
}

/// What a clock belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The case itself.
    Case,
    /// An assignment of it, by number.
    Assignment(u32),
    /// A proposal of it, by number.
    Proposal(u32),
}

/// A running, paused or ended clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// Number in its case, from 1; never used twice.
    pub no: u32,
    /// Its name in the workflow file.
    pub name: Name,
    /// What it belongs to.
    pub subject: Subject,
    /// Legal date, step clock or parallel duty.
    pub kind: DeadlineKind,
    /// Whose overdue flag it raises.
    pub charged_to: ChargedTo,
    /// The role that owes it.
    pub owner: Name,
    /// When it was armed.
    pub started_at: Instant,
    /// The day it is counted from (not counted itself).
    pub anchor: NaiveDate,
    /// The rule it was counted by.
    pub term: Term,
    /// The guard of the file that chose this rule; none for the ordinary one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_when: Option<String>,
    /// The calendar it was counted with.
    pub calendar: String,
    /// Version of that calendar.
    pub calendar_version: String,
    /// The first due date, kept for ever.
    pub first_due: Due,
    /// The due date now.
    pub due: Due,
    /// The day it falls on where the case is: of a moment, the local day.
    pub due_day: NaiveDate,
    /// Overdue from this instant on.
    pub breach_at: Instant,
    /// Counted beyond the published calendar.
    pub provisional: bool,
    /// 0, then the number of the move it stands at; moves are numbered through all deadlines of the case.
    pub revision: u32,
    /// Extensions granted so far.
    pub extensions: u32,
    /// Every earlier due date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Moved>,
    /// Set where the date is counted from the end of a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Resumed>,
    /// When it last ran again after its answer was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Instant>,
    /// When the breach fell, the first of them. Permanent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_at: Option<Instant>,
    /// Extended after its breach: the date that stands now has not passed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub respite: bool,
    /// Where it stands.
    pub status: Status,
    /// The act that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Name>,
    /// Rungs still to come, the next first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<RungPlan>,
    /// Rungs on record for the date it stands at, the newest repetition of each. They stay here when the
    /// clock ends: if it runs again they must not come twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<RungPlan>,
}

/// What sort of clock it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineKind {
    /// The date in the order. Moves only by extension, pause or calendar revision (I4).
    Legal,
    /// The clock of a step in government.
    Step,
    /// A parallel duty: owed and escalated, but it never blocks.
    Duty,
}

/// Whose overdue flag a missed clock raises (I9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargedTo {
    /// The enterprise's.
    Enterprise,
    /// The regulator's.
    Regulator,
    /// Nobody's: it counts in no rate.
    #[default]
    Nobody,
}

/// The rule a due date is counted by, with its numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// The date in this field.
    On(Name),
    /// The moment in this field.
    At(Name),
    /// Working days after the anchor.
    WorkingDays(u32),
    /// Calendar days after the anchor; rolled to the next working day or not.
    CalendarDays {
        /// How many.
        days: u32,
        /// Whether a last day off rolls over (民法典 203).
        roll: bool,
    },
    /// Months after the anchor, on the same-numbered day or the month's end, rolled over.
    Months(u32),
    /// Elapsed hours.
    Hours(u32),
    /// Working days counted back from the date in a field.
    Before {
        /// The field.
        field: Name,
        /// How many.
        working_days: u32,
    },
}

/// Where a clock stands. Each carries what only it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Counting, or past its date and escalating.
    Running,
    /// Stopped (中止计时).
    Paused {
        /// Since when.
        since: Instant,
        /// What is left.
        remaining: Remaining,
    },
    /// Over.
    Ended {
        /// When.
        at: Instant,
        /// How.
        end: End,
    },
}

/// An earlier due date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The act that moved it.
    pub version: u32,
    /// The due date before.
    pub from: Due,
    /// Why it moved.
    pub why: MoveReason,
    /// Working days from the day it moved to the due date before.
    pub working_days_left: i64,
}

/// What was left of a clock when it ran again, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// When it ran again.
    pub at: Instant,
    /// What was left of its term.
    pub remaining: Remaining,
}

/// A rung, to come or on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungPlan {
    /// Position in the ladder, from 0.
    pub index: u32,
    /// 0, then 1, 2, … for a rung that repeats.
    pub repeat: u32,
    /// When.
    pub at: Instant,
}

/// Another case that belongs to this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseLink {
    /// Its number.
    pub number: String,
    /// How.
    pub link: Link,
}

/// Work sent to a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Number in its case, from 1.
    pub no: u32,
    /// The unit.
    pub unit: UnitId,
    /// Lead or assisting.
    pub duty: AssignmentDuty,
    /// The clocks it may have.
    pub clocks: AssignmentClocks,
    /// Where it stands.
    pub status: AssignmentStatus,
}

/// Something that waits for a signer, or waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Number in its case, from 1.
    pub no: u32,
    /// What is proposed.
    pub what: Name,
    /// The role that decides.
    pub signer: Name,
    /// The decision, once made.
    pub approved: Option<bool>,
}

impl Deadline {
    /// Not over: counting, escalating or paused.
    pub fn is_open(&self) -> bool {
        !matches!(self.status, Status::Ended { .. })
    }

    /// Counting or escalating.
    pub fn is_running(&self) -> bool {
        matches!(self.status, Status::Running)
    }

    /// How it ended, once it is over.
    pub fn ended(&self) -> Option<End> {
        match self.status {
            Status::Ended { end, .. } => Some(end),
            Status::Running | Status::Paused { .. } => None,
        }
    }

    /// The date that stands now has passed.
    pub fn is_past(&self) -> bool {
        self.missed_at.is_some() && !self.respite
    }

    /// Its date was granted, not counted.
    pub(crate) fn is_granted(&self) -> bool {
        let granted = |moved: &Moved| matches!(moved.why, MoveReason::Extended);
        self.resumed.is_none() && self.history.iter().any(granted)
    }

    /// The next moment the worker has something to do here.
    pub fn wake_at(&self) -> Option<Instant> {
        if !self.is_running() {
            return None;
        }
        let breach = (!self.is_past()).then_some(self.breach_at);
        let rung = self.schedule.first().map(|plan| plan.at);
        breach.into_iter().chain(rung).min()
    }
}

impl State {
    /// The state before the first act.
    pub fn empty(case: CaseId, definition: &str, at: Instant) -> Self {
        State {
            case,
            number: String::new(),
            definition: definition.to_owned(),
            version: 0,
            opened_at: at,
            last_at: at,
            tracks: BTreeMap::new(),
            fields: BTreeMap::new(),
            entered: BTreeMap::new(),
            deadlines: Vec::new(),
            assignments: Vec::new(),
            muted_until: None,
            links: Vec::new(),
            proposals: Vec::new(),
            involved: BTreeMap::new(),
            evidence: BTreeMap::new(),
            last: LastAct { name: Name::new(), person: None },
            numbers: Numbers::default(),
        }
    }

    /// The state of a track.
    pub fn on(&self, track: &str) -> Option<&str> {
        self.tracks.get(track).map(|position| position.state.as_str())
    }

    /// The earliest moment the worker has something to do: the `wake_at` of the case.
    pub fn wake_at(&self) -> Option<Instant> {
        self.deadlines.iter().filter_map(Deadline::wake_at).min()
    }

    /// The newest clock of this name that belongs to `subject`.
    pub fn deadline(&self, name: &str, subject: Subject) -> Option<&Deadline> {
        self.deadlines.iter().rev().find(|deadline| deadline.name == name && deadline.subject == subject)
    }

    /// The text of a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_text)
    }

    /// The clock of this number.
    pub(crate) fn numbered(&self, no: u32) -> Option<&Deadline> {
        self.deadlines.iter().find(|deadline| deadline.no == no)
    }

    fn deadline_mut(&mut self, no: u32) -> Option<&mut Deadline> {
        self.deadlines.iter_mut().find(|deadline| deadline.no == no)
    }
}

/// Folds an act into the state. Total: an effect that names something unknown changes nothing, and
/// `verify` then shows the difference between fold and head.
pub fn apply(mut state: State, act: &Act) -> State {
    for effect in &act.effects {
        apply_effect(&mut state, effect, act.at, act.version);
    }
    conclude(&mut state, act);
    state
}

/// What an act says of the state once its effects are applied.
pub(crate) fn conclude(state: &mut State, act: &Act) {
    if act.version == 1 {
        state.opened_at = act.at;
    }
    state.version = act.version;
    state.last_at = act.at;
    state.last = LastAct { name: act.name.clone(), person: act.actor.person().map(|who| who.person.clone()) };
    let who = act.actor.person().map(|who| &who.person).into_iter().chain(&act.entered_for);
    for effect in &act.effects {
        match effect {
            Effect::FieldSet { field, .. } => {
                state.entered.insert(field.clone(), who.clone().cloned().collect());
            }
            Effect::DeadlineEnded { no, .. } => {
                if let Some(deadline) = state.deadline_mut(*no).filter(|deadline| !deadline.is_open()) {
                    deadline.ended_by = Some(act.name.clone());
                }
            }
            _ => {}
        }
    }
    let mut people = who.chain(&act.officers).peekable();
    if people.peek().is_some() {
        state.involved.entry(act.name.clone()).or_default().extend(people.cloned());
    }
    for piece in &act.evidence {
        state.evidence.entry(piece.digest.clone()).or_insert(act.version);
    }
}

/// Folds acts from the beginning. `None` when there are none.
pub fn fold<'a>(acts: impl IntoIterator<Item = &'a Act>) -> Option<State> {
    let mut acts = acts.into_iter();
    let first = acts.next()?;
    let state = apply(State::empty(first.case, &first.definition, first.at), first);
    Some(acts.fold(state, apply))
}

pub(crate) fn apply_effect(state: &mut State, effect: &Effect, at: Instant, version: u32) {
    match effect {
        Effect::Imported { muted_until } => state.muted_until = Some(*muted_until),
        // It stands in the register and, as a field, in the case.
        Effect::DocumentIssued { .. } => {}
        Effect::Numbered { number } => state.number.clone_from(number),
        Effect::Entered { track, state: to } | Effect::Moved { track, to, .. } => {
            state.tracks.insert(track.clone(), Position { state: to.clone(), since: at });
        }
        Effect::FieldSet { field, new, .. } => {
            state.fields.insert(field.clone(), new.clone());
        }
        Effect::DeadlineStarted { deadline } => {
            state.numbers.deadline = deadline.no;
            state.deadlines.push((**deadline).clone());
        }
        Effect::DeadlineMoved {
            no,
            revision,
            why,
            due,
            due_day,
            working_days_left,
            breach_at,
            provisional,
            calendar_version,
            schedule,
        } => {
            state.numbers.revision = *revision;
            if let Some(deadline) = state.deadline_mut(*no) {
                if deadline.due != *due {
                    deadline.history.push(Moved {
                        version,
                        from: deadline.due,
                        why: *why,
                        working_days_left: *working_days_left,
                    });
                    deadline.recorded.clear();
                }
                match (why, &deadline.status) {
                    (MoveReason::Resumed, Status::Paused { remaining, .. }) => {
                        deadline.resumed = Some(Resumed { at, remaining: *remaining });
                    }
                    (MoveReason::Extended, _) => deadline.resumed = None,
                    (MoveReason::Reopened, _) => deadline.reopened_at = Some(at),
                    (MoveReason::Resumed | MoveReason::Recalculated | MoveReason::TakenBack, _) => {}
                }
                deadline.revision = *revision;
                deadline.due = *due;
                deadline.due_day = *due_day;
                deadline.breach_at = *breach_at;
                deadline.provisional = *provisional;
                deadline.calendar_version.clone_from(calendar_version);
                deadline.schedule.clone_from(schedule);
                deadline.extensions += u32::from(*why == MoveReason::Extended);
                deadline.respite |= *why == MoveReason::Extended && deadline.missed_at.is_some();
                deadline.status = Status::Running;
                deadline.ended_by = None;
            }
        }
        Effect::DeadlinePaused { no, remaining } => {
            if let Some(deadline) = state.deadline_mut(*no) {
                deadline.status = Status::Paused { since: at, remaining: *remaining };
            }
        }
        Effect::DeadlineMissed { no } => {
            if let Some(deadline) = state.deadline_mut(*no) {
                deadline.missed_at.get_or_insert(deadline.breach_at);
                deadline.respite = false;
            }
        }
        Effect::DeadlineEnded { no, end } => {
            if let Some(deadline) = state.deadline_mut(*no) {
                deadline.status = Status::Ended { at, end: *end };
                deadline.schedule.clear();
            }
        }
        Effect::RungRecorded { rung } => {
            if let Some(deadline) = state.deadline_mut(rung.deadline_no) {
                take_rung(deadline, rung);
            }
        }
        Effect::ProposalMade { no, what, signer } => {
            state.numbers.proposal = *no;
            state.proposals.push(Proposal {
                no: *no,
                what: what.clone(),
                signer: signer.clone(),
                approved: None,
            });
        }
        Effect::ProposalDecided { no, approved } => {
            if let Some(proposal) = state.proposals.iter_mut().find(|proposal| proposal.no == *no) {
                proposal.approved = Some(*approved);
            }
        }
        Effect::AssignmentSent { no, unit, duty, clocks } => {
            state.numbers.assignment = *no;
            state.assignments.push(Assignment {
                no: *no,
                unit: unit.clone(),
                duty: *duty,
                clocks: clocks.clone(),
                status: AssignmentStatus::Sent,
            });
        }
        Effect::Linked { number, link, involved } => {
            state.links.push(CaseLink { number: number.clone(), link: *link });
            for (act, people) in involved {
                state.involved.entry(act.clone()).or_default().extend(people.iter().cloned());
            }
        }
        Effect::AssignmentMoved { no, to } => {
            if let Some(assignment) = state.assignments.iter_mut().find(|assignment| assignment.no == *no) {
                assignment.status = *to;
            }
        }
        Effect::Restored { state: before } => {
            let numbers = state.numbers;
            state.clone_from(before);
            state.numbers = numbers;
        }
    }
}

/// Takes a recorded rung off the schedule and puts its repetition in.
fn take_rung(deadline: &mut Deadline, rung: &RungRecord) {
    deadline.schedule.retain(|plan| (plan.index, plan.repeat) != (rung.index, rung.repeat));
    deadline.recorded.retain(|last| last.index != rung.index);
    deadline.recorded.push(RungPlan { index: rung.index, repeat: rung.repeat, at: rung.due_at });
    if let Some(next) = &rung.next {
        deadline.schedule.push(next.clone());
        deadline.schedule.sort_by_key(|plan| (plan.at, plan.index));
    }
}
