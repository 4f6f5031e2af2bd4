//! `decide`: a command becomes acts, or a refusal that names what failed. Total and pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveTime};

use crate::act::{Act, Actor, Effect, Person};
use crate::command::{Command, Decision, Facts, FieldProblem, Perform, Personal, Refusal};
use crate::definition::Definition;
use crate::file::ActSpec;
use crate::requirement::{is_blank, shortened};
use crate::state::{State, apply_effect, conclude};
use crate::sweep::ACTS_MAX;
use crate::time::Instant;
use crate::value::{Name, PersonId, Value};

/// An act in the making: every effect is applied as it is emitted.
pub(crate) struct Draft<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) state: State,
    pub(crate) at: Instant,
    pub(crate) today: NaiveDate,
    pub(crate) effects: Vec<Effect>,
    pub(crate) given: BTreeMap<Name, Value>,
    /// Fields the act takes and was not given: what an earlier act said of them does not count for it.
    pub(crate) withheld: BTreeSet<Name>,
    pub(crate) personal: Vec<Personal>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(definition: &'a Definition, facts: &'a Facts<'a>, state: State) -> Self {
        // Time never runs backwards on a case, whatever the host clock does.
        let at = facts.now.max(state.last_at);
        let today = facts.calendar.local_date(at.utc());
        let (effects, given, withheld, personal) = (Vec::new(), BTreeMap::new(), BTreeSet::new(), Vec::new());
        Draft { definition, facts, state, at, today, effects, given, withheld, personal }
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        let version = self.state.version + 1;
        apply_effect(&mut self.state, &effect, self.at, version);
        self.effects.push(effect);
    }

    /// A salt of its own for every field, so that erasing one reveals nothing of another.
    pub(crate) fn field_salt(&self, field: &str) -> [u8; 32] {
        crate::act::chain(self.facts.salt, field.as_bytes())
    }
}

/// Decides a command. `state` is `None` when there is no such case yet.
pub fn decide(
    definition: &Definition,
    state: Option<&State>,
    command: &Command,
    facts: &Facts<'_>,
) -> Result<Decision, Refusal> {
    let version = state.map_or(0, |state| state.version);
    if let Some(expected) = facts.expected_version.filter(|expected| *expected != version) {
        return Err(Refusal::Version { expected, actual: version });
    }
    let empty = || Cow::Owned(State::empty(facts.case, definition.digest(), facts.now));
    let mut now = state.map_or_else(empty, Cow::Borrowed);
    let mut acts = catch_up(definition, facts, &mut now)?;
    if *command == Command::Tick {
        return Ok(Decision { acts, state: now.into_owned(), personal: Vec::new() });
    }
    // What is overdue stands before what somebody does about it.
    if acts.len() >= ACTS_MAX {
        return Err(Refusal::CatchingUp);
    }
    let mut draft = Draft::new(definition, facts, State::clone(&now));
    let act = if *command == Command::Recalculate {
        draft.recalculate_all()?;
        if draft.effects.is_empty() {
            return Ok(Decision { acts, state: now.into_owned(), personal: Vec::new() });
        }
        draft.act("recalculate", facts.actor)
    } else {
        draft.command(command, state.map(|_| &*now), version)?
    };
    let personal = std::mem::take(&mut draft.personal);
    let state = draft.after(&act);
    acts.push(act);
    Ok(Decision { acts, state, personal })
}

/// Records everything due by now, one act each.
fn catch_up(
    definition: &Definition,
    facts: &Facts<'_>,
    now: &mut Cow<'_, State>,
) -> Result<Vec<Act>, Refusal> {
    let mut acts = Vec::new();
    while acts.len() < ACTS_MAX {
        // Most often nothing is: that costs no copy of the state.
        let at = facts.now.max(now.last_at);
        if now.wake_at().is_none_or(|wake| wake > at) {
            break;
        }
        let mut draft = Draft::new(definition, facts, State::clone(now));
        if !draft.tick()? {
            break;
        }
        let act = draft.act("tick", None);
        *now = Cow::Owned(draft.after(&act));
        acts.push(act);
    }
    Ok(acts)
}

impl<'a> Draft<'a> {
    /// The act made of the effects so far; `actor` is `None` for the worker.
    pub(crate) fn act(&mut self, name: &str, actor: Option<&Person>) -> Act {
        let actor =
            actor.map_or(Actor::Worker, |who| Actor::Person { who: who.clone(), auth: self.facts.auth });
        Act {
            tenant: self.facts.tenant.clone(),
            case: self.facts.case,
            version: self.state.version + 1,
            definition: self.definition.digest().to_owned(),
            at: self.at,
            occurred_on: None,
            key: actor.person().and(self.facts.key).map(str::to_owned),
            actor,
            entered_for: None,
            name: name.to_owned(),
            fields: BTreeMap::new(),
            evidence: Vec::new(),
            officers: Vec::new(),
            signature: None,
            reason: None,
            effects: std::mem::take(&mut self.effects),
        }
    }

    /// The state after an act made of all that was emitted.
    fn after(mut self, act: &Act) -> State {
        conclude(&mut self.state, act);
        self.state
    }

    /// `before` is the case as it stands.
    fn command(&mut self, command: &Command, before: Option<&State>, version: u32) -> Result<Act, Refusal> {
        let actor = self.actor()?.clone();
        if let Command::Perform(perform) = command {
            return self.perform(perform, &actor, before);
        }
        if before.is_none() {
            return Err(Refusal::NoSuchCase);
        }
        match command {
            Command::Comment { text } => {
                self.check_concerned(&actor)?;
                self.check_text("comment", text)?;
                let mut act = self.act("comment", Some(&actor));
                act.reason = Some(text.clone());
                Ok(act)
            }
            Command::Amend { fields, reason } => self.amend(fields, reason, &actor),
            Command::TakeBack { reason, before } => self.take_back(reason, before, &actor, version),
            Command::DecideProposal { no, approved, reason, issue } => {
                self.decide_proposal(*no, *approved, reason.as_deref(), *issue, &actor)
            }
            Command::Absorb(absorbed) => self.absorb(absorbed, &actor),
            Command::Perform(_) | Command::Tick | Command::Recalculate => Err(Refusal::NoSuchCase),
        }
    }

    fn actor(&self) -> Result<&Person, Refusal> {
        let unknown = |who: Option<&Person>| Refusal::UnknownPost {
            person: who.map_or_else(|| PersonId::from(""), |who| who.person.clone()),
            post: who.map_or_else(|| "".into(), |who| who.post.clone()),
        };
        let actor = self.facts.actor.ok_or_else(|| unknown(None))?;
        self.facts.directory.post(actor).map(|_| actor).ok_or_else(|| unknown(Some(actor)))
    }

    pub(crate) fn check_text(&self, field: &str, text: &str) -> Result<(), Refusal> {
        let problem = if is_blank(text) {
            FieldProblem::Blank
        } else if text.chars().count() > crate::requirement::TEXT_CHARS_MAX as usize {
            FieldProblem::TooLong
        } else if crate::requirement::has_bad_characters(text) {
            FieldProblem::Characters
        } else {
            return Ok(());
        };
        let value = text.chars().take(80).collect();
        let expected = match problem {
            FieldProblem::TooLong => crate::requirement::TEXT_CHARS_MAX.to_string(),
            _ => String::new(),
        };
        Err(Refusal::BadField { field: field.to_owned(), problem, value, expected })
    }

    /// An act of the workflow file.
    fn perform(&mut self, perform: &Perform, actor: &Person, before: Option<&State>) -> Result<Act, Refusal> {
        let exists = before.is_some();
        let spec = self.find(perform, actor, exists)?;
        self.check_position(&perform.act, spec, actor, exists)?;
        // Who is competent is settled by what stands, not by what this act would write; only an opening
        // says itself whose case it is.
        if exists {
            self.check_role(&perform.act, spec, perform, actor)?;
        } else {
            if let Some(number) = self.facts.number {
                self.emit(Effect::Numbered { number: number.to_owned() });
            }
            for (track, spec) in &self.definition.file().tracks {
                self.emit(Effect::Entered { track: track.clone(), state: spec.initial.clone() });
            }
        }
        if exists {
            self.check_possible(perform, spec, actor)?;
        }
        let perform = &self.with_number(perform, spec)?;
        self.take_fields(spec, perform)?;
        if !exists {
            self.check_role(&perform.act, spec, perform, actor)?;
        }
        if let Some(guard) = &spec.when
            && let Some(needs) = self.needs(guard)
        {
            return Err(Refusal::Guard { act: perform.act.clone(), guard: guard.clone(), needs });
        }
        self.check_requirements(spec, perform, perform.entered_for.as_ref())?;
        if let Some(reason) = &perform.reason {
            self.check_text("reason", reason)?;
        }
        if let Some(day) = perform.occurred_on.filter(|day| *day > self.today || *day < calendar::EARLIEST) {
            return Err(Refusal::Date {
                date: day.to_string(),
                problem: crate::command::DateProblem::NotInThePast,
            });
        }
        if let Some(to) = spec.assignment {
            self.move_assignment(spec, to, actor, perform.entered_for.as_ref())?;
        }
        if let Some(field) = &spec.imports {
            let live = crate::deadline::date_field(&self.state, field)?;
            // Nothing is made up for what lay before the case came into this ledger.
            let muted_until = Instant::new(self.facts.calendar.instant(live.max(self.today), NaiveTime::MIN));
            self.emit(Effect::Imported { muted_until });
        }
        self.link(spec, exists)?;
        if !exists {
            self.enter_states()?;
        }
        self.steps(spec)?;
        let taking = perform.entered_for.iter().chain(&perform.officers).chain([&actor.person]);
        self.check_others_left(before, &perform.act, taking)?;
        let mut act = self.act(&perform.act, Some(actor));
        act.fields = std::mem::take(&mut self.given);
        act.evidence.clone_from(&perform.evidence);
        act.officers.clone_from(&perform.officers);
        act.signature.clone_from(&perform.signature);
        act.entered_for.clone_from(&perform.entered_for);
        act.occurred_on = perform.occurred_on;
        act.reason.clone_from(&perform.reason);
        Ok(act)
    }

    /// What nobody can do now, whatever is handed in, is said before anything is asked for.
    fn check_possible(&self, perform: &Perform, spec: &ActSpec, actor: &Person) -> Result<(), Refusal> {
        let needs = self.guarded(spec).1;
        match &spec.when {
            Some(guard) if !needs.is_empty() => {
                Err(Refusal::Guard { act: perform.act.clone(), guard: guard.clone(), needs })
            }
            // Whose work it is says the person it is entered for.
            Some(_) | None if perform.entered_for.is_some() => Ok(()),
            Some(_) | None => self.blocked(spec, actor).map_or(Ok(()), Err),
        }
    }

    fn find(&self, perform: &Perform, actor: &Person, exists: bool) -> Result<&'a ActSpec, Refusal> {
        let unknown =
            || Refusal::UnknownAct { act: shortened(&perform.act), allowed: self.allowed(actor, exists) };
        let spec = self.definition.act(&perform.act).ok_or_else(unknown)?;
        match (spec.opens, exists) {
            (true, true) => Err(Refusal::AlreadyOpen),
            (false, false) => Err(Refusal::NoSuchCase),
            (true, false) | (false, true) => Ok(spec),
        }
    }

    fn check_position(
        &self,
        name: &str,
        spec: &ActSpec,
        actor: &Person,
        exists: bool,
    ) -> Result<(), Refusal> {
        for (track, states) in spec.from.iter().filter(|_| exists) {
            let state = self.state.on(track).unwrap_or_default();
            if !states.names().iter().any(|name| name == state) {
                return Err(Refusal::NotFromHere {
                    act: name.to_owned(),
                    track: track.clone(),
                    state: state.to_owned(),
                    needed: states.names().to_vec(),
                    allowed: self.allowed(actor, exists),
                });
            }
        }
        Ok(())
    }
}
