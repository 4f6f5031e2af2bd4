//! What an act changes: tracks, clocks, assignments.

use crate::act::{AssignmentDuty, AssignmentStatus, Effect, End, Person};
use crate::command::Refusal;
use crate::decide::Draft;
use crate::definition::Change;
use crate::file::{ActSpec, Assign, AssignmentMove};
use crate::state::{Deadline, DeadlineKind, Subject};
use crate::value::{Name, PersonId, UnitId, Value};

impl Draft<'_> {
    /// Starts the step clocks of the states a case opens in.
    pub(crate) fn enter_states(&mut self) -> Result<(), Refusal> {
        for track in self.definition.file().tracks.keys() {
            self.enter(track)?;
        }
        Ok(())
    }

    /// A step clock starts when its state is entered, unless it runs already.
    pub(crate) fn enter(&mut self, track: &str) -> Result<(), Refusal> {
        let Some(clock) = self.step_clock(track) else { return Ok(()) };
        if self.state.deadline(&clock, Subject::Case).is_some_and(Deadline::is_open) {
            return Ok(());
        }
        self.start(&clock, Subject::Case, None, self.at, self.today)
    }

    /// The step clock of the state a track stands in.
    pub(crate) fn step_clock(&self, track: &str) -> Option<Name> {
        let state = self.state.on(track)?;
        let clock = self.definition.file().tracks.get(track)?.states.get(state)?.deadline.as_ref()?;
        (self.definition.deadline(clock)?.kind == DeadlineKind::Step).then(|| clock.clone())
    }

    pub(crate) fn steps(&mut self, spec: &ActSpec) -> Result<(), Refusal> {
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

    pub(crate) fn change(&mut self, change: &Change<'_>) -> Result<(), Refusal> {
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

    pub(crate) fn move_track(&mut self, track: &str, to: &str) -> Result<(), Refusal> {
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

    pub(crate) fn assign(&mut self, assign: &Assign) -> Result<(), Refusal> {
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

    pub(crate) fn move_assignment(
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
}
