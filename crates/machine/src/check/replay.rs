//! Traces run for real: an abstract trace becomes commands for [`decide`], at hand-set times, in an
//! invented organisation.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;
use chrono::{Days, NaiveDate, NaiveTime};

use crate::act::{Act, Auth, Effect, End, Person, Signature};
use crate::check::invent::{self, Setting};
use crate::check::{Bad, Happening, Problem};
use crate::command::{Command, Directory, Facts, Perform, Refusal};
use crate::decide::{Draft, decide};
use crate::definition::Definition;
use crate::file::{ActSpec, AssignmentMove, FieldType, Outcome};
use crate::guard::Fact;
use crate::people::scope;
use crate::state::{Deadline, State, Subject};
use crate::time::{Due, Instant};
use crate::value::{CaseId, Name, PersonId, TenantId, UnitId, Value};

/// Why a trace could not be run, or did not end where it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A step before the last was refused.
    #[error("step {step} ({act}): {refusal:?}")]
    Refused {
        /// Its place, from 0.
        step: usize,
        /// The act.
        act: Name,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// A clock of the trace does not run.
    #[error("step {step}: the clock {clock} does not run")]
    NoClock {
        /// Its place.
        step: usize,
        /// The clock.
        clock: Name,
    },
    /// It ran to its end, and the bad state is not there.
    #[error("the trace does not end in {0:?}")]
    NotBad(Box<Bad>),
}

/// People of an invented organisation beside those of the trace.
const PEOPLE_BESIDE: u8 = 4;

/// An invented case in the making.
pub(super) struct Story<'a> {
    definition: &'a Definition,
    calendar: &'a Calendar,
    directory: Directory,
    tenant: TenantId,
    pub(super) now: Instant,
    pub(super) state: Option<State>,
    pub(super) acts: Vec<Act>,
    serial: u64,
}

/// Runs the trace of a finding and looks for the bad state at its end. Gives the acts recorded.
pub fn replay(
    definition: &Definition,
    calendar: &Calendar,
    problem: &Problem,
) -> Result<Vec<Act>, ReplayError> {
    let Some(bad) = &problem.bad else { return Ok(Vec::new()) };
    // Enough others stand by for whatever has to be judged by people who took no part.
    let people = people_in(&problem.trace).saturating_add(PEOPLE_BESIDE);
    let mut story = Story::new(definition, calendar, people);
    let trace = foreseen(definition, &problem.trace);
    let (last, before) = match trace.split_last() {
        Some(split) => split,
        None => return Err(ReplayError::NotBad(Box::new(bad.clone()))),
    };
    for (step, happening) in before.iter().enumerate() {
        story.follow(step, happening, None)?;
    }
    let place = before.len();
    let past = match bad {
        Bad::PastDate { clock } => {
            let field = definition.deadline(clock).and_then(|clock| clock.term.on.clone());
            field.map(|field| (field, story.today()))
        }
        Bad::At { .. }
        | Bad::Unclocked { .. }
        | Bad::Rectified
        | Bad::Done { .. }
        | Bad::Holds { .. }
        | Bad::Refused { .. }
        | Bad::Restarted { .. } => None,
    };
    let acts = story.acts.len();
    let outcome = story.follow(place, last, past.as_ref());
    if story.ends_in(bad, acts, outcome)? {
        Ok(story.acts)
    } else {
        Err(ReplayError::NotBad(Box::new(bad.clone())))
    }
}

/// The trace, each text given from the first as a later step finds it, and units named to assist where one
/// feeds back later: until then the search did not look.
fn foreseen(definition: &Definition, trace: &[Happening]) -> Vec<Happening> {
    let mut trace = trace.to_vec();
    let mut found: BTreeMap<Name, Fact> = BTreeMap::new();
    let mut assisted = false;
    for happening in trace.iter_mut().rev() {
        let Happening::Act { act, facts, .. } = happening else { continue };
        let Some(spec) = definition.act(act) else { continue };
        for field in &spec.requires {
            if let Some(text) = found.remove(field) {
                facts.entry(field.clone()).or_insert(Some(text));
            }
        }
        assisted |= spec.assignment == Some(AssignmentMove::FeedBack);
        for field in spec.accepts.iter().filter(|_| assisted) {
            if definition.field(field).is_some_and(|field| field.kind == FieldType::Units) {
                facts.insert(field.clone(), Some(Fact::Text(String::new())));
            }
        }
        let given = |name: &Name| spec.requires.contains(name) || spec.accepts.contains(name);
        let texts = facts.iter().filter(|(name, _)| !given(name));
        let texts = texts.filter_map(|(name, fact)| match fact {
            Some(Fact::Text(_)) => Some((name.clone(), fact.clone()?)),
            Some(Fact::Bool(_) | Fact::Int(_) | Fact::Date(_)) | None => None,
        });
        found.extend(texts.collect::<Vec<_>>());
    }
    trace
}

/// The highest number of a person in a trace.
pub(super) fn people_in(trace: &[Happening]) -> u8 {
    trace.iter().map(people).max().unwrap_or(1)
}

fn people(happening: &Happening) -> u8 {
    match happening {
        Happening::Act { actor, entered_for, officers, .. } => {
            officers.iter().chain(entered_for).copied().fold(*actor, u8::max)
        }
        Happening::Due { .. } | Happening::Missed { .. } => 0,
    }
}

impl<'a> Story<'a> {
    /// Begins on a Monday morning, before anything happened.
    pub(super) fn new(definition: &'a Definition, calendar: &'a Calendar, people: u8) -> Self {
        let day = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap_or_default();
        let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap_or_default();
        Story {
            definition,
            calendar,
            directory: invent::directory(definition, people.max(1)),
            tenant: "invented".into(),
            now: Instant::new(calendar.instant(day, nine)),
            state: None,
            acts: Vec::new(),
            serial: 0,
        }
    }

    /// Leaves every role to the people named for it.
    pub(super) fn keep_roles(&mut self, holders: &BTreeMap<Name, BTreeSet<u8>>) {
        for post in &mut self.directory.posts {
            post.roles.retain(|role| {
                let named = holders.get(role).into_iter().flatten();
                named.into_iter().any(|who| invent::person(*who) == post.person)
            });
        }
        // Who needs no role acts from a post in the first unit.
        let first = self.directory.units.first().map(|unit| unit.id.clone());
        self.directory.posts.retain(|post| !post.roles.is_empty() || Some(&post.unit) == first.as_ref());
    }

    pub(super) fn today(&self) -> NaiveDate {
        self.calendar.local_date(self.now.utc())
    }

    fn facts<'f>(&'f self, actor: Option<&'f Person>) -> Facts<'f> {
        Facts {
            tenant: &self.tenant,
            case: CaseId::from_u128(1),
            now: self.now,
            actor,
            auth: Auth::Asserted,
            key: None,
            calendar: self.calendar,
            directory: &self.directory,
            expected_version: None,
            number: Some("TRY-000001"),
            // Whatever other case an act opens or joins.
            linked: self.state.as_ref().map(|_| "TRY-000002"),
            hands: crate::command::NOBODY,
            registers: crate::register::Registers::NONE,
            salt: &[7; 32],
        }
    }

    pub(super) fn run(&mut self, actor: Option<&Person>, command: &Command) -> Result<(), Refusal> {
        let decision = decide(self.definition, self.state.as_ref(), command, &self.facts(actor))?;
        self.state = Some(decision.state);
        self.acts.extend(decision.acts);
        Ok(())
    }

    /// Sets the clock and lets the worker record what is due.
    pub(super) fn tick_at(&mut self, now: Instant) -> Result<(), Refusal> {
        self.now = self.now.max(now);
        while self.state.as_ref().and_then(State::wake_at).is_some_and(|wake| wake <= self.now) {
            self.run(None, &Command::Tick)?;
        }
        Ok(())
    }

    /// One step of a trace.
    pub(super) fn follow(
        &mut self,
        step: usize,
        happening: &Happening,
        date: Option<&(Name, NaiveDate)>,
    ) -> Result<(), ReplayError> {
        let refused = |act: &str, refusal| ReplayError::Refused {
            step,
            act: act.to_owned(),
            refusal: Box::new(refusal),
        };
        match happening {
            Happening::Act { act, actor, entered_for, officers, facts } => {
                self.now = self.now.plus_micros(60_000_000);
                let cast = (*actor, *entered_for, officers.as_slice());
                self.act(act, cast, facts, date).map_err(|refusal| refused(act, refusal))
            }
            Happening::Due { clock } | Happening::Missed { clock } => {
                let deadline = self.state.as_ref().and_then(|state| state.deadline(clock, Subject::Case));
                let no_clock = || ReplayError::NoClock { step, clock: clock.clone() };
                let deadline = deadline.ok_or_else(no_clock)?;
                let to = match (happening, deadline.due) {
                    (Happening::Due { .. }, Due::Day(day)) => {
                        let noon = NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default();
                        Instant::new(self.calendar.instant(day, noon))
                    }
                    (Happening::Due { .. }, Due::Moment(moment)) => moment,
                    _ => deadline.breach_at,
                };
                self.tick_at(to).map_err(|refusal| refused("tick", refusal))
            }
        }
    }

    fn act(
        &mut self,
        name: &str,
        (actor, entered_for, officers): (u8, Option<u8>, &[u8]),
        facts: &BTreeMap<String, Option<Fact>>,
        date: Option<&(Name, NaiveDate)>,
    ) -> Result<(), Refusal> {
        let definition = self.definition;
        let unknown = || Refusal::UnknownAct { act: name.to_owned(), allowed: Vec::new() };
        let spec = definition.act(name).ok_or_else(unknown)?;
        self.correct(spec, facts)?;
        self.receive(spec, actor)?;
        let roles = if entered_for.is_some() { &spec.enter_for } else { &spec.by };
        let who = invent::person(actor);
        // The role of a unit nobody has named yet is held by nobody.
        let state = self.state.as_ref();
        let bound =
            |role: &&Name| state.is_none_or(|state| scope(definition, state, role, Subject::Case).is_some());
        let role = roles.iter().find(bound).or(roles.first());
        let post = self.post(spec, &who, role.map_or("any", String::as_str));
        let mut serial = self.serial;
        let perform = Perform {
            act: name.to_owned(),
            fields: self.fields(spec, facts, date),
            issue: None,
            evidence: invent::evidence(&spec.evidence, &mut serial),
            officers: officers.iter().map(|who| invent::person(*who)).collect(),
            signature: spec.signature.then(|| Signature::Signed("虚构".to_owned())),
            entered_for: entered_for.map(invent::person),
            occurred_on: None,
            reason: spec.reason.then(|| "虚构".to_owned()),
        };
        self.serial = serial;
        self.run(Some(&post), &Command::Perform(perform))
    }

    fn fields(
        &self,
        spec: &ActSpec,
        facts: &BTreeMap<String, Option<Fact>>,
        date: Option<&(Name, NaiveDate)>,
    ) -> BTreeMap<Name, Value> {
        let setting = Setting {
            definition: self.definition,
            calendar: self.calendar,
            state: self.state.as_ref(),
            today: self.today(),
        };
        let required = spec.requires.iter();
        let accepted = spec.accepts.iter().filter(|name| match facts.get(*name) {
            Some(fact) => fact.is_some(),
            None => self.definition.field(name).is_some_and(|field| field.kind == FieldType::Unit),
        });
        required
            .chain(accepted)
            .filter_map(|name| {
                let value = match &spec.assignee {
                    Some(field) if field == name => Value::Text(self.assigned(spec)?.0),
                    Some(_) | None => {
                        let other = date.filter(|(field, _)| field == name).map(|(_, day)| *day);
                        setting.value(name, facts, other)?
                    }
                };
                Some((name.clone(), value))
            })
            .collect()
    }

    /// The post a person acts in.
    fn post(&self, spec: &ActSpec, who: &PersonId, role: &str) -> Person {
        let unit = match role {
            "any" => self.directory.units.first().map(|unit| unit.id.clone()),
            "assignee" => self.assigned(spec),
            role => Some(invent::unit_of_role(self.definition.file(), role)),
        };
        let unit = unit.unwrap_or_else(|| UnitId(String::new()));
        Person { person: who.clone(), post: format!("{who}-{unit}").as_str().into(), unit }
    }

    /// A unit that has an assignment this act can move.
    fn assigned(&self, spec: &ActSpec) -> Option<UnitId> {
        let assignments = &self.state.as_ref()?.assignments;
        let fits = assignments.iter().rev().find(|found| spec.assignment.is_none_or(|to| to.fits(found)));
        fits.or(assignments.last()).map(|assignment| assignment.unit.clone())
    }

    /// Assignments are no part of the abstract state: has one received that the act takes to be received.
    fn receive(&mut self, spec: &ActSpec, actor: u8) -> Result<(), Refusal> {
        let Some(to) = spec.assignment.filter(|to| *to != AssignmentMove::Receive) else { return Ok(()) };
        let fits = |state: &State| state.assignments.iter().any(|found| to.fits(found));
        if self.state.as_ref().is_none_or(fits) {
            return Ok(());
        }
        let mut acts = self.definition.file().acts.iter();
        let by_itself =
            |spec: &ActSpec| spec.assignment == Some(AssignmentMove::Receive) && spec.assignee.is_none();
        match acts.find(|(_, spec)| by_itself(spec)) {
            Some((name, _)) => self.act(name, (actor, None, &[]), &BTreeMap::new(), None),
            None => Ok(()),
        }
    }

    /// Puts facts right that the act itself does not take, by a correction of whoever acted last.
    fn correct(&mut self, spec: &ActSpec, facts: &BTreeMap<String, Option<Fact>>) -> Result<(), Refusal> {
        let Some(state) = &self.state else { return Ok(()) };
        let given = |name: &Name| spec.requires.contains(name) || spec.accepts.contains(name);
        let mut fields = BTreeMap::new();
        for (name, fact) in facts.iter().filter(|(name, _)| !given(name)) {
            let value = match fact {
                Some(Fact::Bool(value)) => Value::Bool(*value),
                Some(Fact::Int(value)) => Value::Int(*value),
                Some(Fact::Text(value)) => Value::Text(value.clone()),
                Some(Fact::Date(_)) | None => continue,
            };
            let kind = self.definition.field(name).map(|field| field.kind);
            let free = matches!(kind, Some(FieldType::Bool | FieldType::Int | FieldType::Choice));
            if free && state.fields.get(name).is_some_and(|old| *old != value) {
                fields.insert(name.clone(), value);
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        let last = self.acts.iter().rev().find_map(|act| act.actor.person().cloned());
        self.run(last.as_ref(), &Command::Amend { fields, reason: "虚构".to_owned() })
    }

    /// Whether the bad state is there; an error when the last step should not have been refused.
    fn ends_in(&self, bad: &Bad, acts: usize, outcome: Result<(), ReplayError>) -> Result<bool, ReplayError> {
        if let Bad::Refused { act } = bad {
            return Ok(match outcome {
                Err(ReplayError::Refused { act: refused, refusal, .. }) => {
                    refused == *act
                        && matches!(
                            *refusal,
                            Refusal::Clock { .. } | Refusal::MissingFields { .. } | Refusal::Extension { .. }
                        )
                }
                Ok(()) | Err(ReplayError::NoClock { .. } | ReplayError::NotBad(_)) => false,
            });
        }
        outcome?;
        let Some(state) = &self.state else { return Ok(false) };
        let newest = |clock: &Name| state.deadline(clock, Subject::Case);
        let effects = || self.acts.get(acts..).unwrap_or_default().iter().flat_map(|act| &act.effects);
        Ok(match bad {
            Bad::At { track, state: at } => state.on(track) == Some(at),
            Bad::Unclocked { track, state: at, clock } => {
                let running = newest(clock).is_some_and(Deadline::is_running);
                let paused = newest(clock).is_some_and(Deadline::is_open);
                let others = state.deadlines.iter().filter(|other| other.name != *clock);
                let reviewed = paused
                    && others.clone().any(|other| {
                        other.is_running() && other.started_at == newest(clock).map_or(self.now, paused_at)
                    });
                state.on(track) == Some(at) && !running && !reviewed
            }
            Bad::Rectified => {
                let main = self.definition.file().tracks.get("main");
                let here = main.and_then(|main| main.states.get(state.on("main")?));
                here.is_some_and(|here| here.outcome == Some(Outcome::Rectified))
            }
            Bad::Done { act } => self.acts.last().is_some_and(|last| last.name == *act),
            Bad::Holds { guard } => {
                let facts = self.facts(None);
                Draft::new(self.definition, &facts, state.clone()).holds(guard)
            }
            Bad::Refused { .. } => false,
            Bad::Restarted { clock } => {
                let named = |no: u32| state.deadlines.iter().any(|d| d.no == no && d.name == *clock);
                effects().any(|effect| {
                    matches!(effect, Effect::DeadlineEnded { no, end: End::Cancelled } if named(*no))
                }) && newest(clock).is_some_and(Deadline::is_running)
            }
            Bad::PastDate { clock } => newest(clock)
                .is_some_and(|deadline| crate::deadline::day_of(self.calendar, deadline.due) <= self.today()),
        })
    }

    /// Lets days pass, the worker doing what falls due.
    pub(super) fn wait(&mut self, days: u64) -> Result<(), Refusal> {
        let day = self.today().checked_add_days(Days::new(days)).unwrap_or_else(|| self.today());
        let ten = NaiveTime::from_hms_opt(10, 0, 0).unwrap_or_default();
        let until = Instant::new(self.calendar.instant(day, ten));
        // Each at its own moment, as a worker that never sleeps too long would.
        while let Some(wake) = self.state.as_ref().and_then(State::wake_at).filter(|wake| *wake <= until) {
            self.tick_at(wake)?;
        }
        self.now = self.now.max(until);
        Ok(())
    }
}

fn paused_at(deadline: &Deadline) -> Instant {
    match deadline.status {
        crate::state::Status::Paused { since, .. } => since,
        crate::state::Status::Running | crate::state::Status::Ended { .. } => deadline.started_at,
    }
}
