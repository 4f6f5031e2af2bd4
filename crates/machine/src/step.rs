//! What an act changes: tracks and clocks.

use crate::act::{Effect, End};
use crate::command::Refusal;
use crate::decide::Draft;
use crate::definition::Change;
use crate::file::ActSpec;
use crate::state::{Deadline, DeadlineKind, Subject};
use crate::value::Name;

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

    /// The case has come to an end.
    pub(crate) fn has_ended(&self) -> bool {
        let main = self.definition.file().tracks.get("main");
        let here = main.zip(self.state.on("main")).and_then(|(main, state)| main.states.get(state));
        here.is_some_and(|state| state.outcome.is_some())
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
        // A case at its end owes nothing: no clock may call anybody about a closed case. What a side track
        // still waits for is owed all the same: a stopped plant, a withdrawal asked for.
        if track == "main" && outcome.is_some_and(|spec| spec.outcome.is_some()) {
            let sides = self.definition.file().tracks.keys().filter(|side| *side != track);
            let stays: Vec<Name> = sides.filter_map(|side| self.step_clock(side)).collect();
            for (name, subject) in self
                .state
                .deadlines
                .iter()
                .filter(|deadline| deadline.is_open() && !stays.contains(&deadline.name))
                .map(|deadline| (deadline.name.clone(), deadline.subject))
                .collect::<Vec<_>>()
            {
                self.end(&name, subject, End::Cancelled);
            }
            return Ok(());
        }
        self.enter(track)
    }
}
