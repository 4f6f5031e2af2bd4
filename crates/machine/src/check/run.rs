//! Doing an act in the abstract, as `decide` does it, and letting time pass.

use crate::check::clock;
use crate::check::model::{ActModel, Condition, Model, Op, Reading, UNKNOWN};
use crate::check::slice::{Choice, Slice};
use crate::file::{FieldDefault, FieldType};
use crate::value::Name;

/// A track before the case is opened.
const UNBORN: u8 = 0xfe;

/// What can be wrong with one act done in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// Its guard holds, but a step is refused.
    Refused,
    /// It starts a clock that is running.
    Restarted(usize),
    /// Two of its moves of one track can happen together.
    Competing(usize),
}

/// What time did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    Due,
    Missed,
}

impl Model<'_> {
    /// The variables before the case is opened.
    pub(super) fn unborn(&self) -> Vec<u8> {
        let mut full = vec![0; self.size()];
        full[..self.tracks.len()].fill(UNBORN);
        full
    }

    pub(super) fn is_unborn(&self, full: &[u8]) -> bool {
        full.first() == Some(&UNBORN)
    }

    /// Does an act. `None`: it is not possible here. Otherwise `full` is the state after it, unless a
    /// step was refused.
    pub(super) fn run(
        &self,
        act: usize,
        slice: &Slice,
        choice: &Choice,
        full: &mut [u8],
        events: &mut Vec<Event>,
    ) -> Option<()> {
        let model = &self.acts[act];
        let opens = self.is_unborn(full);
        if opens != model.spec.opens {
            return None;
        }
        if opens {
            for (var, track) in self.tracks.iter().enumerate() {
                full[var] = track.initial;
            }
        } else if model.from.iter().any(|(track, states)| !states.contains(&full[*track])) {
            return None;
        }
        // Who may do it is settled by what stands; only an opening says itself whose case it is.
        let nobody =
            |full: &[u8]| !model.bound_to.is_empty() && model.bound_to.iter().all(|var| full[*var] == 0);
        if !opens && nobody(full) {
            return None;
        }
        self.take_fields(model, choice, full)?;
        if (opens && nobody(full)) || model.officers_of.is_some_and(|var| full[var] == 0) {
            return None;
        }
        let holds = |condition: &Condition<'_>, place: usize, full: &[u8]| {
            condition.guard.holds_with(&|atom| {
                let by_value =
                    || choice.truth.get(place).and_then(|truth| truth.get(atom)).copied().unwrap_or(false);
                match condition.readings.get(atom) {
                    Some(Reading::Table(var, table)) => {
                        table.get(usize::from(full[*var])).copied().unwrap_or(false)
                    }
                    Some(Reading::ValueIf(var)) => full[*var] != clock::OFF && by_value(),
                    Some(Reading::Value) | None => by_value(),
                }
            })
        };
        if model.when.as_ref().is_some_and(|when| !holds(when, 0, full)) {
            return None;
        }
        if opens {
            for track in 0..self.tracks.len() {
                if !self.enter(track, full, events) {
                    events.push(Event::Refused);
                    return Some(());
                }
            }
        }
        let before = full.to_vec();
        let mut moved: Vec<(usize, u8)> = Vec::new();
        for (place, index) in slice.steps.iter().enumerate() {
            let step = &model.steps[*index];
            let on = |full: &[u8]| step.only_if.as_ref().is_none_or(|guard| holds(guard, place + 1, full));
            if let Op::Move(moves) = &step.op
                && on(&before)
            {
                for (track, to) in moves {
                    let other = moved.iter().find(|(known, state)| known == track && state != to);
                    if other.is_some() {
                        events.push(Event::Competing(*track));
                    }
                    moved.push((*track, *to));
                }
            }
            if on(full) && !self.step(&step.op, full, events) {
                events.push(Event::Refused);
                return Some(());
            }
        }
        for clock in 0..self.clocks.len() {
            let var = self.clock_var(clock);
            full[var] = self.canonical(clock, full[var]);
        }
        Some(())
    }

    /// What the act is given. A field it accepts and is not given is unknown to its guards alone: the case
    /// keeps what it knows.
    fn take_fields(&self, act: &ActModel<'_>, choice: &Choice, full: &mut [u8]) -> Option<()> {
        let earlier = full.to_vec();
        for (field, after) in &choice.fields {
            let var = self.field_var(*field);
            let name = &self.fields[*field].name;
            let before = earlier[var];
            let required = act.spec.requires.contains(name);
            let accepted = !required && act.spec.accepts.contains(name);
            if accepted && *after == 0 {
                if before == 0 && self.is_filled(act, name, &earlier) {
                    return None;
                }
                continue;
            }
            if before == UNKNOWN {
                full[var] = *after;
                continue;
            }
            let possible = if required {
                *after > 0
            } else if accepted {
                true
            } else if self.fields[*field].values.is_empty() {
                (before > 0) == (*after > 0)
            } else {
                before == *after
            };
            if !possible {
                return None;
            }
            full[var] = *after;
        }
        Some(())
    }

    /// Whether a field that was empty is filled by its default when the act is not given it.
    fn is_filled(&self, act: &ActModel<'_>, name: &str, earlier: &[u8]) -> bool {
        let file = self.definition.file();
        let known = |from: &Name| {
            let value = self.field(from).map_or(0, |field| earlier[self.field_var(field)]);
            act.spec.requires.contains(from) || (value != 0 && value != UNKNOWN)
        };
        match file.fields.get(name).and_then(|field| field.default.as_ref()) {
            Some(FieldDefault::False | FieldDefault::ActorUnit | FieldDefault::Actor) => true,
            // Of a choice, `publish` sees to it that every value has its department.
            Some(FieldDefault::DepartmentOfSector(from)) => {
                known(from) && file.fields.get(from).is_some_and(|field| field.kind == FieldType::Choice)
            }
            Some(FieldDefault::Field(from)) => known(from),
            None => false,
        }
    }

    fn enter(&self, track: usize, full: &mut [u8], events: &mut Vec<Event>) -> bool {
        let state = &self.tracks[track].states[usize::from(full[track])];
        match state.step_clock {
            Some(clock) if !clock::is_open(full[self.clock_var(clock)]) => self.start(clock, full, events),
            Some(_) | None => true,
        }
    }

    fn start(&self, clock: usize, full: &mut [u8], events: &mut Vec<Event>) -> bool {
        let var = self.clock_var(clock);
        if self.lacks(clock, full) {
            return false;
        }
        if full[var] != UNKNOWN && clock::is_open(full[var]) {
            events.push(Event::Restarted(clock));
        }
        full[var] = clock::RUNNING;
        true
    }

    /// Whether a clock asks for a field that is not known.
    fn lacks(&self, clock: usize, full: &[u8]) -> bool {
        self.clocks[clock].needs.iter().any(|field| full[self.field_var(*field)] == 0)
    }

    /// `false` when the step is refused.
    fn step(&self, op: &Op, full: &mut [u8], events: &mut Vec<Event>) -> bool {
        let var = |clock: &usize| self.clock_var(*clock);
        match op {
            Op::Move(moves) => moves.iter().all(|(track, to)| self.move_track(*track, *to, full, events)),
            Op::Start(clock) => self.start(*clock, full, events),
            Op::Meet(clock) => {
                full[var(clock)] = clock::met(full[var(clock)]);
                true
            }
            Op::Cancel(clock) => {
                full[var(clock)] = clock::cancelled(full[var(clock)]);
                true
            }
            Op::Reopen(clock) => {
                let to = match clock::as_met(full[var(clock)]) {
                    clock::OFF => return false,
                    clock::ENDED => clock::RUNNING,
                    clock::ENDED_DUE => clock::DUE,
                    clock::ENDED_MISSED => clock::MISSED,
                    clock::ENDED_RESPITE => clock::RESPITE,
                    open => open,
                };
                full[var(clock)] = to;
                true
            }
            Op::Pause(clock) => {
                let to = match full[var(clock)] {
                    clock::RUNNING | clock::DUE => clock::PAUSED,
                    UNKNOWN => UNKNOWN,
                    _ => return false,
                };
                full[var(clock)] = to;
                true
            }
            Op::Resume(clock) => {
                let to = match full[var(clock)] {
                    clock::PAUSED => clock::RUNNING,
                    UNKNOWN => UNKNOWN,
                    _ => return false,
                };
                full[var(clock)] = to;
                true
            }
            Op::AskExtension(clock) => {
                matches!(full[var(clock)], clock::RUNNING | clock::DUE | clock::RESPITE | UNKNOWN)
            }
            Op::Extend(clock) => match full[var(clock)] {
                clock::RUNNING | clock::DUE => {
                    full[var(clock)] = clock::RUNNING;
                    true
                }
                clock::MISSED | clock::RESPITE => {
                    let decision =
                        self.clocks[*clock].decision.map(|decision| full[self.clock_var(decision)]);
                    full[var(clock)] = clock::RESPITE;
                    decision.is_some_and(|value| value == UNKNOWN || clock::is_open(value))
                }
                other => other == UNKNOWN,
            },
            Op::Assign(clocks) => !clocks.iter().any(|clock| self.lacks(*clock, full)),
        }
    }

    fn move_track(&self, track: usize, to: u8, full: &mut [u8], events: &mut Vec<Event>) -> bool {
        let from = full[track];
        if from != to
            && let Some(state) = self.tracks[track].states.get(usize::from(from))
            && let Some(clock) = state.step_clock
        {
            let var = self.clock_var(clock);
            full[var] = clock::met(full[var]);
        }
        full[track] = to;
        if track == self.main && self.tracks[track].states[usize::from(to)].outcome {
            for clock in 0..self.clocks.len() {
                let stays = self.tracks.iter().enumerate().any(|(other, spec)| {
                    let state = spec.states.get(usize::from(full[other]));
                    other != track && state.is_some_and(|state| state.step_clock == Some(clock))
                });
                if !stays {
                    let var = self.clock_var(clock);
                    full[var] = clock::cancelled(full[var]);
                }
            }
            return true;
        }
        self.enter(track, full, events)
    }

    /// What time alone can do to one clock: its day comes, or is over.
    pub(super) fn pass_time(&self, clock: usize, full: &mut [u8]) -> Option<Passed> {
        let var = self.clock_var(clock);
        let spec = &self.clocks[clock];
        let (to, passed) = match full[var] {
            clock::RUNNING if spec.dues => (clock::DUE, Passed::Due),
            clock::RUNNING | clock::DUE | clock::RESPITE if spec.misses => (clock::MISSED, Passed::Missed),
            clock::ENDED if spec.dues => (clock::ENDED_DUE, Passed::Due),
            cancelled if spec.dues && clock::as_met(cancelled) == clock::ENDED => {
                (clock::cancelled_as(clock::ENDED_DUE), Passed::Due)
            }
            _ => return None,
        };
        full[var] = to;
        if passed == Passed::Missed {
            for next in &spec.on_miss {
                let next_var = self.clock_var(*next);
                if full[next_var] != UNKNOWN && !clock::is_open(full[next_var]) {
                    full[next_var] = clock::RUNNING;
                }
            }
        }
        Some(passed)
    }
}
