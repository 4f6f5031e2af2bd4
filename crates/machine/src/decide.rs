//! `decide`: a command becomes acts, or a refusal that names what failed. Total and pure.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::act::{Act, Actor, AssignmentDuty, AssignmentStatus, Effect, End, Person};
use crate::command::{Command, Decision, Facts, Perform, Personal, Refusal};
use crate::definition::{Change, Definition};
use crate::file::{ActSpec, Assign, AssignmentMove};
use crate::guard::{Fact, Verdict};
use crate::requirement::is_blank;
use crate::state::{Deadline, DeadlineKind, State, Subject, apply, apply_effect};
use crate::sweep::ACTS_MAX;
use crate::time::Instant;
use crate::value::{Name, PersonId, UnitId, Value};

/// An act in the making: every effect is applied as it is emitted.
pub(crate) struct Draft<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) state: State,
    pub(crate) at: Instant,
    pub(crate) today: NaiveDate,
    pub(crate) effects: Vec<Effect>,
    pub(crate) given: BTreeMap<Name, Value>,
    pub(crate) personal: Vec<Personal>,
}

impl<'a> Draft<'a> {
    fn new(definition: &'a Definition, facts: &'a Facts<'a>, state: State) -> Self {
        // Time never runs backwards on a case, whatever the host clock does.
        let at = facts.now.max(state.last_at);
        let today = facts.calendar.local_date(at.utc());
        let (effects, given, personal) = (Vec::new(), BTreeMap::new(), Vec::new());
        Draft { definition, facts, state, at, today, effects, given, personal }
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        let state = std::mem::replace(&mut self.state, State::empty(self.facts.case, "", self.at));
        let version = state.version + 1;
        self.state = apply_effect(state, &effect, self.at, version);
        self.effects.push(effect);
    }

    /// A salt of its own for every field, so that erasing one reveals nothing of another.
    pub(crate) fn field_salt(&self, field: &str) -> [u8; 32] {
        crate::act::chain(self.facts.salt, field.as_bytes())
    }

    /// Who holds a role on this case.
    pub(crate) fn holders(&self, role: &str, subject: Subject) -> Vec<PersonId> {
        match scope(self.definition, &self.state, role, subject) {
            Some(unit) => self.facts.directory.holders(role, unit.as_ref()),
            None => Vec::new(),
        }
    }

    /// Who owes a clock.
    pub(crate) fn holders_of_owner(&self, deadline: &Deadline) -> Vec<PersonId> {
        match (deadline.owner.as_str(), deadline.subject) {
            ("assignee", Subject::Assignment(no)) => {
                let unit = self.state.assignments.iter().find(|assignment| assignment.no == no);
                let posts = self.facts.directory.posts.iter();
                let posts = posts.filter(|post| unit.is_some_and(|assignment| assignment.unit == post.unit));
                posts.map(|post| post.person.clone()).collect()
            }
            (owner, subject) => self.holders(owner, subject),
        }
    }

    /// Whether a guard of the definition holds here.
    pub(crate) fn holds(&self, guard: &str) -> bool {
        self.failing(guard).is_empty()
    }

    /// The atoms of a guard that fail; none when it holds.
    fn failing(&self, source: &str) -> Vec<String> {
        let Some(guard) = self.definition.guard(source) else { return vec![source.to_owned()] };
        match guard.evaluate(&|variable| self.fact(variable)) {
            Verdict::Holds => Vec::new(),
            Verdict::Fails { atoms } => {
                let names = atoms.iter().filter_map(|index| guard.atoms().get(*index));
                let names: Vec<String> = names.map(ToString::to_string).collect();
                if names.is_empty() { vec![source.to_owned()] } else { names }
            }
        }
    }

    /// The value of a guard's variable.
    fn fact(&self, variable: &str) -> Option<Fact> {
        if let Some(position) = self.state.tracks.get(variable) {
            return Some(Fact::Text(position.state.clone()));
        }
        match variable {
            "today" => return Some(Fact::Date(self.today)),
            "assignments.open" => {
                let open = self.state.assignments.iter();
                let open =
                    open.filter(|a| matches!(a.status, AssignmentStatus::Sent | AssignmentStatus::Received));
                return i64::try_from(open.count()).ok().map(Fact::Int);
            }
            "proposals.open" => {
                let open = self.state.proposals.iter().filter(|proposal| proposal.approved.is_none());
                return i64::try_from(open.count()).ok().map(Fact::Int);
            }
            _ => {}
        }
        if let Some((clock, fact)) = variable.split_once('.') {
            return self.clock_fact(clock, fact);
        }
        let field = self.definition.field(variable)?;
        match (field.kind, self.state.fields.get(variable)?) {
            (crate::file::FieldType::Date, Value::Text(text)) => {
                calendar::parse_date(text).ok().map(Fact::Date)
            }
            (_, Value::Bool(value)) => Some(Fact::Bool(*value)),
            (_, Value::Int(value)) => Some(Fact::Int(*value)),
            (_, Value::Text(text)) => Some(Fact::Text(text.clone())),
            (_, Value::List(_)) => None,
        }
    }

    fn clock_fact(&self, clock: &str, fact: &str) -> Option<Fact> {
        let deadline = self.state.deadline(clock, Subject::Case);
        let due =
            |deadline: &Deadline| self.today >= crate::deadline::day_of(self.facts.calendar, deadline.due);
        let is = |test: &dyn Fn(&Deadline) -> bool| Some(Fact::Bool(deadline.is_some_and(test)));
        match fact {
            "running" => is(&|deadline| deadline.is_running()),
            "paused" => is(&|deadline| deadline.is_open() && !deadline.is_running()),
            "missed" => is(&|deadline| deadline.missed_at.is_some()),
            "met" => is(&|deadline| !deadline.is_open()),
            "due" => is(&due),
            "extensions" => Some(Fact::Int(deadline.map_or(0, |deadline| i64::from(deadline.extensions)))),
            "term_days" => deadline.map(|deadline| {
                let due = crate::deadline::day_of(self.facts.calendar, deadline.first_due);
                Fact::Int((due - deadline.anchor).num_days())
            }),
            _ => None,
        }
    }
}

/// The unit a role is bound to on this case: `None` when it is bound but the field is empty,
/// `Some(None)` when every holder counts.
fn scope(definition: &Definition, state: &State, role: &str, subject: Subject) -> Option<Option<UnitId>> {
    if let ("assignee", Subject::Assignment(no)) = (role, subject) {
        return state.assignments.iter().find(|a| a.no == no).map(|a| Some(a.unit.clone()));
    }
    match definition.file().roles.get(role).and_then(|role| role.unit.as_ref()) {
        None => Some(None),
        Some(field) => state.text(field).map(|unit| Some(UnitId(unit.to_owned()))),
    }
}

/// The unit that owes a clock or a state, where its role is bound to one.
pub(crate) fn owner_unit(
    definition: &Definition,
    state: &State,
    role: &str,
    subject: Subject,
) -> Option<UnitId> {
    scope(definition, state, role, subject).flatten()
}

/// Decides a command. `state` is `None` when there is no such case yet.
pub fn decide(
    definition: &Definition,
    state: Option<&State>,
    command: &Command,
    facts: &Facts<'_>,
) -> Result<Decision, Refusal> {
    let mut decision = Decision {
        acts: Vec::new(),
        state: state.cloned().unwrap_or_else(|| State::empty(facts.case, definition.digest(), facts.now)),
        personal: Vec::new(),
    };
    let version = state.map_or(0, |state| state.version);
    if let Some(expected) = facts.expected_version.filter(|expected| *expected != version) {
        return Err(Refusal::Version { expected, actual: version });
    }
    catch_up(definition, facts, &mut decision)?;
    if *command == Command::Tick {
        return Ok(decision);
    }
    // What is overdue stands before what somebody does about it.
    if decision.acts.len() >= ACTS_MAX {
        return Err(Refusal::CatchingUp);
    }
    let mut draft = Draft::new(definition, facts, decision.state.clone());
    let act = draft.command(command, state.is_some(), version)?;
    decision.personal = std::mem::take(&mut draft.personal);
    finish(&mut decision, act);
    Ok(decision)
}

/// Records everything due by now, one act each.
fn catch_up(definition: &Definition, facts: &Facts<'_>, decision: &mut Decision) -> Result<(), Refusal> {
    while decision.acts.len() < ACTS_MAX {
        let mut draft = Draft::new(definition, facts, decision.state.clone());
        if !draft.tick()? {
            break;
        }
        let act = draft.act("tick", None, Vec::new());
        finish(decision, act);
    }
    Ok(())
}

fn finish(decision: &mut Decision, act: Act) {
    let state = std::mem::replace(&mut decision.state, State::empty(act.case, "", act.at));
    decision.state = apply(state, &act);
    decision.acts.push(act);
}

impl Draft<'_> {
    /// The act made of the effects so far; `actor` is `None` for the worker.
    fn act(&mut self, name: &str, actor: Option<&Person>, more: Vec<Effect>) -> Act {
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(more);
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
            effects,
        }
    }

    fn command(&mut self, command: &Command, exists: bool, version: u32) -> Result<Act, Refusal> {
        if *command == Command::Recalculate {
            for deadline in self.state.deadlines.clone().iter().filter(|deadline| deadline.is_running()) {
                self.recalculate(deadline)?;
            }
            return Ok(self.act("recalculate", None, Vec::new()));
        }
        let actor = self.actor()?.clone();
        if let Command::Perform(perform) = command {
            return self.perform(perform, &actor, exists);
        }
        if !exists {
            return Err(Refusal::NoSuchCase);
        }
        match command {
            Command::Comment { text } => {
                self.check_text("comment", text)?;
                let mut act = self.act("comment", Some(&actor), Vec::new());
                act.reason = Some(text.clone());
                Ok(act)
            }
            Command::Amend { fields, reason } => self.amend(fields, reason, &actor),
            Command::TakeBack { reason, before } => self.take_back(reason, before, &actor, version),
            Command::DecideProposal { no, approved, reason } => {
                self.decide_proposal(*no, *approved, reason.as_deref(), &actor)
            }
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

    fn check_text(&self, field: &str, text: &str) -> Result<(), Refusal> {
        use crate::command::FieldProblem;
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
        Err(Refusal::BadField { field: field.to_owned(), problem, value, expected: String::new() })
    }

    /// An act of the workflow file.
    fn perform(&mut self, perform: &Perform, actor: &Person, exists: bool) -> Result<Act, Refusal> {
        let spec = self.find(perform, actor, exists)?.clone();
        self.check_position(&perform.act, &spec, actor, exists)?;
        if !exists {
            if let Some(number) = self.facts.number {
                self.emit(Effect::Numbered { number: number.to_owned() });
            }
            for (track, spec) in &self.definition.file().tracks {
                self.emit(Effect::Entered { track: track.clone(), state: spec.initial.clone() });
            }
        }
        self.take_fields(&spec, perform)?;
        self.check_role(&perform.act, &spec, perform, actor)?;
        if let Some(guard) = &spec.when {
            let atoms = self.failing(guard);
            if !atoms.is_empty() {
                return Err(Refusal::Guard { act: perform.act.clone(), guard: guard.clone(), atoms });
            }
        }
        self.check_requirements(&spec, perform, perform.entered_for.as_ref())?;
        if let Some(reason) = &perform.reason {
            self.check_text("reason", reason)?;
        }
        if let Some(day) = perform.occurred_on.filter(|day| *day > self.today) {
            return Err(Refusal::Date { problem: format!("{day} lies in the future") });
        }
        if let Some(to) = spec.assignment {
            self.move_assignment(to, actor, perform.entered_for.as_ref())?;
        }
        if !exists {
            self.enter_states()?;
        }
        self.steps(&spec)?;
        let mut act = self.act(&perform.act, Some(actor), Vec::new());
        act.fields = std::mem::take(&mut self.given);
        act.evidence.clone_from(&perform.evidence);
        act.officers.clone_from(&perform.officers);
        act.signature.clone_from(&perform.signature);
        act.entered_for.clone_from(&perform.entered_for);
        act.occurred_on = perform.occurred_on;
        act.reason.clone_from(&perform.reason);
        Ok(act)
    }

    fn find(&self, perform: &Perform, actor: &Person, exists: bool) -> Result<&ActSpec, Refusal> {
        let unknown =
            || Refusal::UnknownAct { act: perform.act.clone(), allowed: self.allowed(actor, exists) };
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

    /// Acts the person may do now, as far as place and role go.
    fn allowed(&self, actor: &Person, exists: bool) -> Vec<Name> {
        let acts = self.definition.file().acts.iter().filter(|(_, spec)| {
            let here = spec.opens != exists
                && (!exists
                    || spec.from.iter().all(|(track, states)| {
                        states.names().iter().any(|state| self.state.on(track) == Some(state))
                    }));
            here && self.may(spec, actor)
        });
        acts.map(|(name, _)| name.clone()).collect()
    }

    fn may(&self, spec: &ActSpec, actor: &Person) -> bool {
        spec.by.iter().any(|role| self.plays(role, &actor.person, Some(actor)))
    }

    /// Whether a person plays a role on this case; in the post given, or in any.
    fn plays(&self, role: &str, person: &PersonId, post: Option<&Person>) -> bool {
        let posts = self.facts.directory.posts.iter().filter(|held| {
            held.person == *person && post.is_none_or(|post| post.post == held.id && post.unit == held.unit)
        });
        let mut posts = posts;
        match role {
            "any" => posts.next().is_some(),
            "assignee" => {
                posts.any(|held| self.state.assignments.iter().any(|assignment| assignment.unit == held.unit))
            }
            role => match scope(self.definition, &self.state, role, Subject::Case) {
                None => false,
                Some(unit) => posts.any(|held| {
                    held.roles.contains(role) && unit.as_ref().is_none_or(|unit| held.unit == *unit)
                }),
            },
        }
    }

    fn check_role(
        &self,
        name: &str,
        spec: &ActSpec,
        perform: &Perform,
        actor: &Person,
    ) -> Result<(), Refusal> {
        let refuse = |needed: &[Name]| {
            let held = self.facts.directory.post(actor);
            Refusal::Role {
                act: name.to_owned(),
                needed: needed.to_vec(),
                held: held.map(|post| post.roles.iter().cloned().collect()).unwrap_or_default(),
            }
        };
        let Some(other) = &perform.entered_for else {
            return if self.may(spec, actor) { Ok(()) } else { Err(refuse(&spec.by)) };
        };
        if !spec.enter_for.iter().any(|role| self.plays(role, &actor.person, Some(actor))) {
            return Err(refuse(&spec.enter_for));
        }
        if !spec.by.iter().any(|role| self.plays(role, other, None)) {
            return Err(Refusal::EnteredFor { person: other.clone() });
        }
        Ok(())
    }

    fn move_assignment(
        &mut self,
        to: AssignmentMove,
        actor: &Person,
        entered_for: Option<&PersonId>,
    ) -> Result<(), Refusal> {
        let needed: &[AssignmentStatus] = match to {
            AssignmentMove::Receive => &[AssignmentStatus::Sent],
            AssignmentMove::FeedBack => &[AssignmentStatus::Received],
            AssignmentMove::Return => &[AssignmentStatus::Sent, AssignmentStatus::Received],
        };
        let units: Vec<&UnitId> = match entered_for {
            None => vec![&actor.unit],
            Some(person) => {
                let posts = self.facts.directory.posts.iter().filter(|post| post.person == *person);
                posts.map(|post| &post.unit).collect()
            }
        };
        let mine = self.state.assignments.iter().rev();
        let mine = mine.filter(|assignment| units.contains(&&assignment.unit));
        let found = mine.clone().find(|assignment| needed.contains(&assignment.status)).map(|found| found.no);
        let no = found.ok_or_else(|| Refusal::NoAssignment { unit: actor.unit.clone() })?;
        let to = match to {
            AssignmentMove::Receive => AssignmentStatus::Received,
            AssignmentMove::FeedBack => AssignmentStatus::FedBack,
            AssignmentMove::Return => AssignmentStatus::Returned,
        };
        self.emit(Effect::AssignmentMoved { no, to });
        let clocks: Vec<Name> = self
            .state
            .deadlines
            .iter()
            .filter(|deadline| deadline.subject == Subject::Assignment(no) && deadline.is_open())
            .map(|deadline| deadline.name.clone())
            .collect();
        for clock in clocks {
            let end = if to == AssignmentStatus::Returned { End::Cancelled } else { End::Met };
            self.end(&clock, Subject::Assignment(no), end);
        }
        Ok(())
    }

    /// Starts the step clocks of the states a case opens in.
    fn enter_states(&mut self) -> Result<(), Refusal> {
        for track in self.definition.file().tracks.keys() {
            self.enter(track)?;
        }
        Ok(())
    }

    /// A step clock starts when its state is entered, unless it runs already.
    fn enter(&mut self, track: &str) -> Result<(), Refusal> {
        let Some(clock) = self.step_clock(track) else { return Ok(()) };
        if self.state.deadline(&clock, Subject::Case).is_some_and(Deadline::is_open) {
            return Ok(());
        }
        self.start(&clock, Subject::Case, None, self.at, self.today)
    }

    /// The step clock of the state a track stands in.
    fn step_clock(&self, track: &str) -> Option<Name> {
        let state = self.state.on(track)?;
        let clock = self.definition.file().tracks.get(track)?.states.get(state)?.deadline.as_ref()?;
        (self.definition.deadline(clock)?.kind == DeadlineKind::Step).then(|| clock.clone())
    }

    fn steps(&mut self, spec: &ActSpec) -> Result<(), Refusal> {
        for step in &spec.then {
            if step.only_if.as_ref().is_some_and(|guard| !self.holds(guard)) {
                continue;
            }
            for change in step.changes() {
                self.change(&change)?;
            }
        }
        Ok(())
    }

    fn change(&mut self, change: &Change<'_>) -> Result<(), Refusal> {
        match change {
            Change::Move(moves) => {
                for (track, to) in *moves {
                    self.move_track(track, to)?;
                }
                Ok(())
            }
            Change::Start(name) => {
                self.end(name, Subject::Case, End::Cancelled);
                self.start(name, Subject::Case, None, self.at, self.today)
            }
            Change::Meet(name) => {
                self.end(name, Subject::Case, End::Met);
                Ok(())
            }
            Change::Cancel(name) => {
                self.end(name, Subject::Case, End::Cancelled);
                Ok(())
            }
            Change::Reopen(name) => self.reopen(name),
            Change::Pause(name) => self.pause(name),
            Change::Resume(name) => self.resume(name),
            Change::AskExtension(extend) => self.check_extension(extend, true),
            Change::Extend(extend) => self.extend(extend),
            Change::Assign(assign) => self.assign(assign),
        }
    }

    fn move_track(&mut self, track: &str, to: &str) -> Result<(), Refusal> {
        let from = self.state.on(track).unwrap_or_default().to_owned();
        if from != to {
            if let Some(clock) = self.step_clock(track) {
                self.end(&clock, Subject::Case, End::Met);
            }
            self.emit(Effect::Moved { track: track.to_owned(), from, to: to.to_owned() });
        }
        let outcome = self.definition.file().tracks.get(track).and_then(|spec| spec.states.get(to));
        // A case at its end owes nothing: no clock may call anybody about a closed case.
        if track == "main" && outcome.is_some_and(|spec| spec.outcome.is_some()) {
            for (name, subject) in self
                .state
                .deadlines
                .iter()
                .filter(|deadline| deadline.is_open())
                .map(|deadline| (deadline.name.clone(), deadline.subject))
                .collect::<Vec<_>>()
            {
                self.end(&name, subject, End::Cancelled);
            }
            return Ok(());
        }
        self.enter(track)
    }

    fn assign(&mut self, assign: &Assign) -> Result<(), Refusal> {
        let units: Vec<String> = match self.state.fields.get(&assign.to) {
            Some(Value::Text(unit)) => vec![unit.clone()],
            Some(Value::List(units)) => units.clone(),
            Some(Value::Bool(_) | Value::Int(_)) | None => Vec::new(),
        };
        for unit in units {
            let no = self.state.numbers.assignment + 1;
            let duty: AssignmentDuty = assign.duty;
            self.emit(Effect::AssignmentSent { no, unit: UnitId(unit), duty });
            if let Some(clock) = &assign.deadline {
                self.start(clock, Subject::Assignment(no), None, self.at, self.today)?;
            }
        }
        Ok(())
    }

    fn amend(
        &mut self,
        fields: &BTreeMap<Name, Value>,
        reason: &str,
        actor: &Person,
    ) -> Result<Act, Refusal> {
        if is_blank(reason) {
            return Err(Refusal::ReasonMissing);
        }
        self.check_text("reason", reason)?;
        for (name, value) in fields {
            let known = self.state.fields.contains_key(name);
            // Only who entered a fact puts it right; a date a clock hangs on is not a fact but a decision.
            let by_me = self.entered_by(&actor.person);
            let is_date = self.definition.file().deadlines.values().any(|deadline| {
                deadline.term.on.as_ref() == Some(name) || deadline.term.from.as_ref() == Some(name)
            });
            if !known || !by_me || is_date {
                let allowed = self.state.fields.keys().cloned().collect();
                return Err(Refusal::UnknownField { field: name.clone(), allowed });
            }
            self.set_field(name, value)?;
        }
        let mut act = self.act("amend", Some(actor), Vec::new());
        act.fields = std::mem::take(&mut self.given);
        act.reason = Some(reason.to_owned());
        Ok(act)
    }

    fn entered_by(&self, person: &PersonId) -> bool {
        self.state.involved.values().any(|people| people.contains(person))
    }

    fn take_back(
        &mut self,
        reason: &str,
        before: &State,
        actor: &Person,
        version: u32,
    ) -> Result<Act, Refusal> {
        if is_blank(reason) {
            return Err(Refusal::ReasonMissing);
        }
        let own = self.state.last.person.as_ref() == Some(&actor.person);
        let untouched = self.state.version == version && before.version + 1 == version;
        if !own || !untouched || before.version == 0 || self.state.last.name == "take_back" {
            return Err(Refusal::CannotTakeBack { last: self.state.last.name.clone() });
        }
        self.emit(Effect::Restored { state: Box::new(before.clone()) });
        // The act is numbered after the one it takes back.
        self.state.version = version;
        let mut act = self.act("take_back", Some(actor), Vec::new());
        act.reason = Some(reason.to_owned());
        Ok(act)
    }

    fn decide_proposal(
        &mut self,
        no: u32,
        approved: bool,
        reason: Option<&str>,
        actor: &Person,
    ) -> Result<Act, Refusal> {
        let open =
            self.state.proposals.iter().find(|proposal| proposal.no == no && proposal.approved.is_none());
        let proposal = open.cloned().ok_or(Refusal::NoProposal { no })?;
        if !self.plays(&proposal.signer, &actor.person, Some(actor)) {
            let held = self.facts.directory.post(actor);
            let held = held.map(|post| post.roles.iter().cloned().collect()).unwrap_or_default();
            return Err(Refusal::Role {
                act: "decide_proposal".to_owned(),
                needed: vec![proposal.signer],
                held,
            });
        }
        if !approved && reason.is_none_or(is_blank) {
            return Err(Refusal::ReasonMissing);
        }
        self.emit(Effect::ProposalDecided { no, approved });
        let clocks: Vec<Name> = self
            .state
            .deadlines
            .iter()
            .filter(|deadline| deadline.subject == Subject::Proposal(no))
            .map(|deadline| deadline.name.clone())
            .collect();
        for clock in clocks {
            self.end(&clock, Subject::Proposal(no), End::Met);
        }
        let mut act = self.act("decide_proposal", Some(actor), Vec::new());
        act.reason = reason.map(str::to_owned);
        Ok(act)
    }
}

/// An act a person may do now, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Possible {
    /// The act.
    pub act: Name,
    /// One of the everyday acts.
    pub everyday: bool,
    /// Fields it needs.
    pub requires: Vec<Name>,
    /// Fields it takes.
    pub accepts: Vec<Name>,
    /// Evidence it needs: kind and least number.
    pub evidence: BTreeMap<Name, u32>,
    /// Officers it needs.
    pub officers: u32,
    /// Needs a signature or a recorded refusal.
    pub signature: bool,
    /// Needs a reason.
    pub reason: bool,
    /// Atoms of its guard that fail now, with the fields known so far.
    pub not_yet: Vec<String>,
}

/// What a person may do with a case now, with the fields each act needs.
pub fn next(definition: &Definition, state: Option<&State>, facts: &Facts<'_>) -> Vec<Possible> {
    let exists = state.is_some();
    let state = state.cloned().unwrap_or_else(|| State::empty(facts.case, definition.digest(), facts.now));
    let draft = Draft::new(definition, facts, state);
    let Some(actor) = facts.actor else { return Vec::new() };
    let acts = draft.allowed(actor, exists).into_iter().filter_map(|name| {
        let spec = definition.act(&name)?;
        let apart = draft.check_requirements_of_actor(spec, &actor.person);
        apart.is_ok().then(|| Possible {
            act: name,
            everyday: spec.everyday,
            requires: spec.requires.clone(),
            accepts: spec.accepts.clone(),
            evidence: spec.evidence.clone(),
            officers: spec.officers.as_ref().map_or(0, |officers| officers.least),
            signature: spec.signature,
            reason: spec.reason,
            not_yet: spec.when.as_ref().map(|guard| draft.failing(guard)).unwrap_or_default(),
        })
    });
    acts.collect()
}
