//! The abstract machine: what of a definition can be enumerated.
//!
//! A variable is a track, a clock or a field; a state gives each a small number. Dates are gone: a running
//! clock may come to its day, and pass it, at any step. Values of fields are free wherever a guard reads
//! them; only whether a field is known is kept (and, of fields a `never` compares, the value). What a guard
//! sees of a field and what the case knows of it are two things: an act that accepts a field and is not
//! given it does not see what an earlier act said.
//!
//! Corrections (更正) are not followed, and need not be: nobody can correct a field a `never` compares, one
//! a clock is counted from, or one that binds a role to a unit. A correction never makes a field unknown.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::check::clock;
use crate::check::needs::{asked_unknown, dates};
use crate::check::slice::SliceCache;
use crate::definition::{Change, Definition};
use crate::file::{ActSpec, AssignmentMove, DeadlineSpec};
use crate::guard::{Atom, Fact, Guard, VarType};
use crate::state::DeadlineKind;
use crate::value::Name;

/// A value nobody has looked at.
pub(super) const UNKNOWN: u8 = 0xff;

pub(super) struct Track {
    pub(super) name: Name,
    pub(super) states: Vec<StateModel>,
    pub(super) initial: u8,
}

pub(super) struct StateModel {
    pub(super) name: Name,
    pub(super) rest: bool,
    pub(super) outcome: bool,
    pub(super) rectified: bool,
    /// Its clock, whatever its kind.
    pub(super) deadline: Option<usize>,
    /// Its clock, if entering the state starts it.
    pub(super) step_clock: Option<usize>,
}

pub(super) struct Clock {
    pub(super) name: Name,
    pub(super) on_miss: Vec<usize>,
    /// Fields that must be known for it to start.
    pub(super) needs: Vec<usize>,
    /// Facts under which it is counted by a term that asks for one of them.
    pub(super) needed_under: BTreeMap<String, Option<Fact>>,
    /// Some guard asks whether its day has come.
    pub(super) dues: bool,
    /// What became of it matters after it has ended.
    pub(super) remembers: bool,
    /// Whether it was met or cancelled matters.
    pub(super) tells_end: bool,
    /// Whether it was missed matters while it is open.
    pub(super) misses: bool,
    pub(super) pauses: bool,
    /// While this clock runs, it may be extended after it was missed.
    pub(super) decision: Option<usize>,
}

pub(super) struct FieldModel {
    pub(super) name: Name,
    /// Values that are told apart; none when only being known matters.
    pub(super) values: Vec<Fact>,
}

/// How an atom of a guard is settled.
pub(super) enum Reading {
    /// By a table over one variable.
    Table(usize, Vec<bool>),
    /// By the valuation, if that variable is not absent (a clock that never started has no term).
    ValueIf(usize),
    /// By the valuation.
    Value,
}

pub(super) struct Condition<'a> {
    pub(super) guard: &'a Guard,
    pub(super) readings: Vec<Reading>,
    /// Variables it reads.
    pub(super) reads: BTreeSet<usize>,
}

pub(super) struct ActModel<'a> {
    pub(super) name: &'a Name,
    pub(super) spec: &'a ActSpec,
    /// Track and the states it may stand in.
    pub(super) from: Vec<(usize, Vec<u8>)>,
    pub(super) when: Option<Condition<'a>>,
    pub(super) steps: Vec<StepModel<'a>>,
    /// Where each role that may do it is bound to a unit: the fields, one of which has to be known.
    pub(super) bound_to: Vec<usize>,
    /// The field that binds the role of its officers.
    pub(super) officers_of: Option<usize>,
}

pub(super) struct StepModel<'a> {
    pub(super) only_if: Option<Condition<'a>>,
    pub(super) op: Op,
}

pub(super) enum Op {
    Move(Vec<(usize, u8)>),
    Start(usize),
    Meet(usize),
    Cancel(usize),
    Reopen(usize),
    Pause(usize),
    Resume(usize),
    AskExtension(usize),
    Extend(usize),
    /// Work sent to units: no part of the abstract state, but these clocks have to start.
    Assign(Vec<usize>),
}

pub(super) struct Model<'a> {
    pub(super) definition: &'a Definition,
    pub(super) tracks: Vec<Track>,
    pub(super) clocks: Vec<Clock>,
    pub(super) fields: Vec<FieldModel>,
    pub(super) acts: Vec<ActModel<'a>>,
    pub(super) never: Vec<(usize, Condition<'a>)>,
    pub(super) main: usize,
    /// Slices made so far: many questions cut most acts the same way.
    pub(super) slices: RefCell<SliceCache>,
}

impl<'a> Model<'a> {
    pub(super) fn new(definition: &'a Definition) -> Option<Model<'a>> {
        let file = definition.file();
        let clock_names: Vec<&Name> = file.deadlines.keys().collect();
        let clock_of = |name: &str| clock_names.iter().position(|known| *known == name);
        let tracks: Vec<Track> = file
            .tracks
            .iter()
            .map(|(name, track)| {
                let states: Vec<StateModel> = track
                    .states
                    .iter()
                    .map(|(state, spec)| {
                        let deadline = spec.deadline.as_deref().and_then(clock_of);
                        let is_step = spec
                            .deadline
                            .as_deref()
                            .and_then(|clock| definition.deadline(clock))
                            .is_some_and(|clock| clock.kind == DeadlineKind::Step);
                        StateModel {
                            name: state.clone(),
                            rest: spec.rest,
                            outcome: spec.outcome.is_some(),
                            rectified: spec.outcome == Some(crate::file::Outcome::Rectified),
                            deadline,
                            step_clock: deadline.filter(|_| is_step),
                        }
                    })
                    .collect();
                let initial = states.iter().position(|state| state.name == track.initial).unwrap_or(0);
                Track { name: name.clone(), states, initial: small(initial) }
            })
            .collect();
        let main = tracks.iter().position(|track| track.name == "main")?;
        let mut model = Model {
            definition,
            tracks,
            clocks: Vec::new(),
            fields: fields(definition),
            acts: Vec::new(),
            never: Vec::new(),
            main,
            slices: RefCell::default(),
        };
        model.clocks = clocks(definition, &model.fields);
        for (name, spec) in &file.acts {
            let act = model.act(name, spec)?;
            model.acts.push(act);
        }
        for (index, never) in file.never.iter().enumerate() {
            if let Some(guard) = never.when.as_ref().and_then(|guard| definition.guard(guard)) {
                let condition = model.condition(guard);
                model.never.push((index, condition));
            }
        }
        Some(model)
    }

    pub(super) fn size(&self) -> usize {
        self.tracks.len() + self.clocks.len() + self.fields.len()
    }

    pub(super) fn clock_var(&self, clock: usize) -> usize {
        self.tracks.len() + clock
    }

    pub(super) fn field_var(&self, field: usize) -> usize {
        self.tracks.len() + self.clocks.len() + field
    }

    /// The clock behind a variable.
    pub(super) fn as_clock(&self, var: usize) -> Option<usize> {
        (self.tracks.len()..self.tracks.len() + self.clocks.len())
            .contains(&var)
            .then(|| var - self.tracks.len())
    }

    pub(super) fn track(&self, name: &str) -> Option<usize> {
        self.tracks.iter().position(|track| track.name == name)
    }

    pub(super) fn clock(&self, name: &str) -> Option<usize> {
        self.clocks.iter().position(|clock| clock.name == name)
    }

    pub(super) fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    pub(super) fn state_of(&self, track: usize, state: &str) -> Option<u8> {
        self.tracks[track].states.iter().position(|known| known.name == state).map(small)
    }

    fn act(&self, name: &'a Name, spec: &'a ActSpec) -> Option<ActModel<'a>> {
        let mut from = Vec::new();
        for (track, states) in &spec.from {
            let track = self.track(track)?;
            let states = states.names().iter().filter_map(|state| self.state_of(track, state)).collect();
            from.push((track, states));
        }
        let condition = |guard: &str| self.definition.guard(guard).map(|guard| self.condition(guard));
        let mut steps: Vec<StepModel<'a>> = Vec::new();
        // An assignment moves before anything else, and starts clocks again.
        let again = spec.assignment.map_or(Vec::new(), |to| self.started_again(to));
        steps.extend((!again.is_empty()).then_some(StepModel { only_if: None, op: Op::Assign(again) }));
        for step in &spec.then {
            for change in step.changes() {
                let op = match change {
                    Change::Move(moves) => Op::Move(
                        moves
                            .iter()
                            .filter_map(|(track, to)| {
                                let track = self.track(track)?;
                                Some((track, self.state_of(track, to)?))
                            })
                            .collect(),
                    ),
                    Change::Start(clock) => Op::Start(self.clock(clock)?),
                    Change::Meet(clock) => Op::Meet(self.clock(clock)?),
                    Change::Cancel(clock) => Op::Cancel(self.clock(clock)?),
                    Change::Reopen(clock) => Op::Reopen(self.clock(clock)?),
                    Change::Pause(clock) => Op::Pause(self.clock(clock)?),
                    Change::Resume(clock) => Op::Resume(self.clock(clock)?),
                    Change::AskExtension(extend) => Op::AskExtension(self.clock(&extend.deadline)?),
                    Change::Extend(extend) => Op::Extend(self.clock(&extend.deadline)?),
                    Change::Assign(assign) => {
                        let clocks = [&assign.clocks.receipt, &assign.clocks.feedback].into_iter().flatten();
                        Op::Assign(clocks.filter_map(|clock| self.clock(clock)).collect())
                    }
                };
                steps.push(StepModel { only_if: step.only_if.as_deref().and_then(condition), op });
            }
        }
        let when = spec.when.as_deref().and_then(condition);
        let bound: Option<Vec<usize>> = spec.by.iter().map(|role| self.binding(role)).collect();
        let officers = spec.officers.as_ref().filter(|officers| officers.least > 0);
        let officers_of = officers.and_then(|officers| self.binding(&officers.role));
        Some(ActModel { name, spec, from, when, steps, bound_to: bound.unwrap_or_default(), officers_of })
    }

    /// The field that binds a role to a unit. Whoever work was sent to is bound to no field.
    fn binding(&self, role: &str) -> Option<usize> {
        let field = self.definition.file().roles.get(role)?.unit.as_ref()?;
        Some(self.field_var(self.field(field)?))
    }

    /// The clocks of an assignment that is returned, or sent once more.
    fn started_again(&self, to: AssignmentMove) -> Vec<usize> {
        let steps = self.definition.file().acts.values().flat_map(|act| &act.then);
        let clocks = steps.filter_map(|step| step.assign.as_ref()).flat_map(|assign| match to {
            AssignmentMove::Return => [&assign.clocks.returned, &None],
            AssignmentMove::Resend => [&assign.clocks.receipt, &assign.clocks.feedback],
            AssignmentMove::Receive | AssignmentMove::FeedBack | AssignmentMove::Release => [&None, &None],
        });
        clocks.flatten().filter_map(|clock| self.clock(clock)).collect()
    }

    fn condition(&self, guard: &'a Guard) -> Condition<'a> {
        let readings: Vec<Reading> = guard.atoms().iter().map(|atom| self.reading(atom)).collect();
        let mut reads: BTreeSet<usize> = readings
            .iter()
            .filter_map(|reading| match reading {
                Reading::Table(var, _) | Reading::ValueIf(var) => Some(*var),
                Reading::Value => None,
            })
            .collect();
        let fields = guard.atoms().iter().flat_map(Atom::variables).filter_map(|name| self.field(name));
        reads.extend(fields.map(|field| self.field_var(field)));
        Condition { guard, readings, reads }
    }

    fn reading(&self, atom: &Atom) -> Reading {
        let names = atom.variables();
        let [name] = names.as_slice() else { return Reading::Value };
        if let Some(track) = self.track(name) {
            let states = self.tracks[track].states.iter();
            let table = states.map(|state| atom.holds(&|_| Some(Fact::Text(state.name.clone()))));
            return Reading::Table(track, table.collect());
        }
        let Some((clock, fact)) = name.split_once('.') else { return Reading::Value };
        let Some(clock) = self.clock(clock) else { return Reading::Value };
        let is = |test: fn(u8) -> bool| {
            let table = clock::ALL.iter().map(|value| atom.holds(&|_| Some(Fact::Bool(test(*value)))));
            Reading::Table(self.clock_var(clock), table.collect())
        };
        match fact {
            "running" => is(clock::is_running),
            "paused" => is(|value| clock::is_open(value) && !clock::is_running(value)),
            "missed" => is(clock::was_missed),
            "past" => is(clock::is_past),
            "met" => is(clock::is_met),
            "cancelled" => is(clock::is_cancelled),
            "due" => is(clock::is_due),
            "term_days" => Reading::ValueIf(self.clock_var(clock)),
            _ => Reading::Value,
        }
    }

    /// A clock's value without what nobody asks about.
    pub(super) fn canonical(&self, clock: usize, value: u8) -> u8 {
        let spec = &self.clocks[clock];
        let (met, cancelled) = (clock::as_met(value), clock::is_cancelled(value));
        let value = match value {
            _ if cancelled && !(spec.tells_end && spec.remembers) => self.canonical(clock, met),
            _ if cancelled => clock::cancelled_as(self.canonical(clock, met)),
            clock::DUE if !spec.dues => clock::RUNNING,
            clock::ENDED_DUE if !spec.dues => clock::ENDED,
            clock::MISSED | clock::RESPITE if !spec.misses => clock::RUNNING,
            other => other,
        };
        if value >= clock::ENDED && value != UNKNOWN && !spec.remembers { clock::OFF } else { value }
    }

    /// The values a variable may have.
    pub(super) fn domain(&self, var: usize) -> Vec<u8> {
        if let Some(track) = self.tracks.get(var) {
            return (0..small(track.states.len())).collect();
        }
        match self.as_clock(var) {
            Some(clock) => {
                let (pauses, decision) = (self.clocks[clock].pauses, self.clocks[clock].decision);
                let values = clock::ALL.into_iter().filter(|value| {
                    self.canonical(clock, *value) == *value
                        && (pauses || *value != clock::PAUSED)
                        && (decision.is_some()
                            || !matches!(clock::as_met(*value), clock::RESPITE | clock::ENDED_RESPITE))
                });
                values.collect()
            }
            None => {
                let field = &self.fields[var - self.tracks.len() - self.clocks.len()];
                (0..=small(field.values.len().max(1))).collect()
            }
        }
    }

    /// The number of a field's value.
    pub(super) fn field_value(&self, field: usize, fact: Option<&Fact>) -> u8 {
        match fact {
            None => 0,
            Some(fact) => {
                let place = self.fields[field].values.iter().position(|value| value == fact);
                small(place.unwrap_or(0)) + 1
            }
        }
    }

    /// Whether a condition over the state alone holds.
    pub(super) fn state_holds(&self, condition: &Condition<'_>, full: &[u8]) -> bool {
        let facts = |name: &str| {
            let field = self.field(name)?;
            let value = usize::from(full[self.field_var(field)].checked_sub(1)?);
            Some(self.fields[field].values.get(value).cloned().unwrap_or(Fact::Bool(true)))
        };
        condition.guard.holds_with(&|atom| match condition.readings.get(atom) {
            Some(Reading::Table(var, table)) => table.get(usize::from(full[*var])).copied().unwrap_or(false),
            Some(Reading::ValueIf(_) | Reading::Value) | None => {
                condition.guard.atoms().get(atom).is_some_and(|atom| atom.holds(&facts))
            }
        })
    }

    /// Clocks an act starts when it pauses this one.
    pub(super) fn reviews(&self, clock: usize) -> BTreeSet<usize> {
        let pausing = self.acts.iter().filter(|act| {
            act.steps.iter().any(|step| matches!(step.op, Op::Pause(paused) if paused == clock))
        });
        let steps = pausing.flat_map(|act| &act.steps);
        steps.filter_map(|step| if let Op::Start(clock) = step.op { Some(clock) } else { None }).collect()
    }

    /// Clocks this act may start, pause, run again or extend: what its refusal hangs on.
    pub(super) fn handles(&self, act: usize) -> BTreeSet<usize> {
        let needing = |clock: &usize| !self.clocks[*clock].needs.is_empty();
        let ops = self.acts[act].steps.iter().map(|step| &step.op);
        let opens = self.acts[act].spec.opens;
        let first = self.tracks.iter().filter(|_| opens);
        let first = first.filter_map(|track| track.states[usize::from(track.initial)].step_clock);
        let handled = ops.flat_map(|op| match op {
            Op::Start(clock)
            | Op::Reopen(clock)
            | Op::Pause(clock)
            | Op::Resume(clock)
            | Op::AskExtension(clock)
            | Op::Extend(clock) => vec![*clock],
            Op::Move(moves) => moves
                .iter()
                .filter_map(|(track, to)| self.tracks[*track].states[usize::from(*to)].step_clock)
                .filter(needing)
                .collect(),
            Op::Assign(clocks) => clocks.iter().copied().filter(needing).collect(),
            Op::Meet(_) | Op::Cancel(_) => Vec::new(),
        });
        handled.chain(first.filter(needing)).collect()
    }

    /// Tracks this act moves more than once.
    pub(super) fn moves_twice(&self, act: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let moves = self.acts[act].steps.iter().filter_map(|step| match &step.op {
            Op::Move(moves) => Some(moves),
            _ => None,
        });
        moves.flatten().map(|(track, _)| *track).filter(|track| !seen.insert(*track)).collect()
    }

    /// The states of `main` an act can move to.
    pub(super) fn moves_main_to(&self, act: usize) -> BTreeSet<u8> {
        let moves = self.acts[act].steps.iter().filter_map(|step| match &step.op {
            Op::Move(moves) => Some(moves),
            _ => None,
        });
        moves.flatten().filter(|(track, _)| *track == self.main).map(|(_, to)| *to).collect()
    }
}

fn small(number: usize) -> u8 {
    // Names are at most 200 of a kind.
    u8::try_from(number).unwrap_or(UNKNOWN)
}

/// Fields that guards ask about or clocks are counted from, with the values a `never` tells apart.
fn fields(definition: &Definition) -> Vec<FieldModel> {
    let file = definition.file();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for guard in definition.guards() {
        names.extend(guard.variables().keys().map(String::as_str));
    }
    for term in file.deadlines.values().flat_map(DeadlineSpec::terms) {
        names.extend(dates(term).map(String::as_str));
    }
    // What binds a role, and where that comes from when nobody gives it.
    for field in file.roles.values().filter_map(|role| role.unit.as_ref()) {
        names.insert(field);
        names.extend(
            file.fields.get(field).and_then(|field| field.default.as_ref()?.from()).map(String::as_str),
        );
    }
    let compared: BTreeSet<&str> = file
        .never
        .iter()
        .filter_map(|never| definition.guard(never.when.as_deref()?))
        .flat_map(Guard::atoms)
        .filter(|atom| !matches!(atom, Atom::Has(_)))
        .flat_map(Atom::variables)
        .collect();
    let fields = file.fields.keys().filter(|name| names.contains(name.as_str()));
    let variables = definition.variables();
    fields
        .map(|name| {
            let kind = variables.get(name).filter(|_| compared.contains(name.as_str()));
            let values = match kind {
                Some(VarType::Bool) => vec![Fact::Bool(true), Fact::Bool(false)],
                Some(VarType::Enum(values)) => values.iter().cloned().map(Fact::Text).collect(),
                Some(VarType::Int | VarType::Date | VarType::Text) | None => Vec::new(),
            };
            FieldModel { name: name.clone(), values }
        })
        .collect()
}

fn clocks(definition: &Definition, fields: &[FieldModel]) -> Vec<Clock> {
    let file = definition.file();
    let names: Vec<&Name> = file.deadlines.keys().collect();
    let place = |name: &Name| names.iter().position(|known| *known == name);
    let asked: BTreeSet<String> =
        definition.guards().flat_map(|guard| guard.variables().keys().cloned()).collect();
    let steps = || file.acts.values().flat_map(|act| &act.then);
    file.deadlines
        .iter()
        .map(|(name, spec)| {
            let asks = |fact: &str| asked.contains(&format!("{name}.{fact}"));
            let is = |clock: &Option<Name>| clock.as_ref() == Some(name);
            let pauses = steps().any(|step| is(&step.pause));
            let reopened = steps().any(|step| is(&step.reopen));
            let extended = spec.extension.is_some();
            let tells_end = ["met", "cancelled"].into_iter().any(asks);
            let remembers =
                reopened || tells_end || ["missed", "past", "due", "term_days"].into_iter().any(asks);
            let needed: BTreeMap<&Name, _> = spec
                .terms()
                .flat_map(dates)
                .filter_map(|field| Some((field, asked_unknown(definition, spec, field)?)))
                .collect();
            let needs =
                needed.keys().filter_map(|field| fields.iter().position(|known| known.name == **field));
            Clock {
                name: name.clone(),
                on_miss: spec.on_miss.iter().filter_map(place).collect(),
                needs: needs.collect(),
                needed_under: needed.values().next().cloned().unwrap_or_default(),
                dues: asks("due"),
                remembers,
                tells_end,
                misses: remembers || pauses || extended || !spec.on_miss.is_empty(),
                pauses,
                decision: spec
                    .extension
                    .as_ref()
                    .and_then(|extension| extension.decision.as_ref())
                    .and_then(place),
            }
        })
        .collect()
}
