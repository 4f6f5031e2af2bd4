//! Cutting an act down to what matters for some variables, and the ways the facts may be when it is done.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use crate::check::clock;
use crate::check::model::{ActModel, Condition, Model, Op, Reading, StepModel, UNKNOWN};
use crate::file::FieldType;
use crate::guard::{Fact, Guard};

/// By act, whether whole, and the part of the cone it has to do with.
pub(super) type SliceCache = HashMap<(usize, bool, BTreeSet<usize>), Option<Rc<Slice>>>;

/// What an act does as far as some variables are concerned.
pub(super) struct Slice {
    pub(super) steps: Vec<usize>,
    /// Variables outside the cone that it reads, with the values they may have.
    pub(super) free: Vec<(usize, Vec<u8>)>,
    pub(super) choices: Vec<Choice>,
}

/// One way the facts may be when an act is done.
#[derive(Clone)]
pub(super) struct Choice {
    /// Facts that produce it.
    pub(super) facts: BTreeMap<String, Option<Fact>>,
    /// Truth of the atoms of `when`, then of each step's `if`.
    pub(super) truth: Vec<Vec<bool>>,
    /// Fields afterwards.
    pub(super) fields: BTreeMap<usize, u8>,
}

/// Atoms settled by the state up to which a condition is written out.
const WRITTEN_OUT: usize = 8;

/// What facts leave a condition to hang on: whether it holds for each way the atoms the state settles may
/// be. Facts that leave the same are one choice, and most do.
fn left_open(condition: Option<&Condition<'_>>, truth: &[bool]) -> Vec<bool> {
    let Some(condition) = condition else { return vec![true] };
    let by_state = |reading: &Reading| matches!(reading, Reading::Table(..) | Reading::ValueIf(_));
    let open: Vec<usize> =
        (0..condition.readings.len()).filter(|at| by_state(&condition.readings[*at])).collect();
    if open.len() > WRITTEN_OUT {
        // True stands for a condition that may hold.
        return std::iter::once(true).chain(truth.iter().copied()).collect();
    }
    let holds = |way: u32| {
        condition.guard.holds_with(&|atom| {
            let fact = truth.get(atom).copied().unwrap_or(false);
            match (open.iter().position(|at| *at == atom), condition.readings.get(atom)) {
                (Some(bit), Some(Reading::ValueIf(_))) => fact && way & (1 << bit) != 0,
                (Some(bit), _) => way & (1 << bit) != 0,
                (None, _) => fact,
            }
        })
    };
    (0..1u32 << open.len()).map(holds).collect()
}

/// Of the values of a track or a clock that nothing but conditions reads, one for each that they tell apart.
fn keep_telling(var: usize, values: &mut Vec<u8>, conditions: &[Option<&Condition<'_>>]) {
    let mut seen = BTreeSet::new();
    values.retain(|value| {
        let readings = conditions.iter().flatten().flat_map(|condition| &condition.readings);
        let told = readings.filter_map(|reading| match reading {
            Reading::Table(read, table) if *read == var => table.get(usize::from(*value)).copied(),
            Reading::ValueIf(read) if *read == var => Some(*value != clock::OFF),
            Reading::Table(..) | Reading::ValueIf(_) | Reading::Value => None,
        });
        seen.insert(told.collect::<Vec<bool>>())
    });
}

impl Model<'_> {
    /// Every variable whose value settles what happens to `cone`: clocks that start other clocks are
    /// pulled in.
    pub(super) fn close(&self, cone: &mut BTreeSet<usize>) {
        loop {
            let more: Vec<usize> = (0..self.clocks.len())
                .filter(|clock| !cone.contains(&self.clock_var(*clock)))
                .filter(|clock| {
                    self.clocks[*clock].on_miss.iter().any(|next| cone.contains(&self.clock_var(*next)))
                })
                .map(|clock| self.clock_var(clock))
                .collect();
            if more.is_empty() {
                return;
            }
            cone.extend(more);
        }
    }

    /// Cuts an act down to what matters for `cone`. With `whole` nothing is cut. `None`: its guards tell
    /// apart more facts than can be enumerated.
    pub(super) fn slice(&self, act: usize, cone: &BTreeSet<usize>, whole: bool) -> Option<Rc<Slice>> {
        let touched = cone.iter().copied().filter(|var| self.touches(act, *var)).collect();
        let key = (act, whole, touched);
        if let Some(known) = self.slices.borrow().get(&key) {
            return known.clone();
        }
        let slice = self.cut(act, &key.2, whole).map(Rc::new);
        self.slices.borrow_mut().insert(key, slice.clone());
        slice
    }

    /// Whether an act can have anything to do with a variable.
    fn touches(&self, act: usize, var: usize) -> bool {
        let model = &self.acts[act];
        let conditions = model.when.iter().chain(model.steps.iter().filter_map(|step| step.only_if.as_ref()));
        let reads = model.from.iter().any(|(track, _)| *track == var)
            || conditions.into_iter().any(|condition| condition.reads.contains(&var));
        let first = self.tracks.len() + self.clocks.len();
        let taken = var.checked_sub(first).and_then(|field| self.fields.get(field)).is_some_and(|field| {
            model.spec.requires.contains(&field.name) || model.spec.accepts.contains(&field.name)
        });
        let all = || BTreeSet::from([var]);
        let bound = model.bound_to.contains(&var) || model.officers_of == Some(var);
        reads
            || taken
            || bound
            || model.spec.opens
            || model.steps.iter().any(|step| match &step.op {
                // An end cuts clocks off, whatever they are.
                Op::Move(moves) => moves.iter().any(|(track, to)| {
                    let spec = &self.tracks[*track];
                    let ends = *track == self.main && spec.states[usize::from(*to)].outcome;
                    ends || *track == var
                        || self.step_clocks(*track).any(|clock| {
                            self.clock_var(clock) == var
                                || self.clocks[clock].needs.iter().any(|f| self.field_var(*f) == var)
                        })
                }),
                Op::Start(clock)
                | Op::Meet(clock)
                | Op::Cancel(clock)
                | Op::Reopen(clock)
                | Op::Pause(clock)
                | Op::Resume(clock)
                | Op::AskExtension(clock)
                | Op::Extend(clock) => {
                    self.clock_var(*clock) == var || self.reads_of(step, &all()).contains(&var)
                }
                Op::Assign(_) => self.reads_of(step, &all()).contains(&var),
            })
    }

    fn cut(&self, act: usize, cone: &BTreeSet<usize>, whole: bool) -> Option<Slice> {
        let model = &self.acts[act];
        // Backwards: a step matters if it changes the cone or something a later step asks about.
        let mut wanted = cone.clone();
        let mut steps = Vec::new();
        for (index, step) in model.steps.iter().enumerate().rev() {
            let matters = match &step.op {
                Op::Move(moves) => moves.iter().any(|(track, to)| {
                    let ends = *track == self.main && self.tracks[*track].states[usize::from(*to)].outcome;
                    wanted.contains(track)
                        || self.step_clocks(*track).any(|clock| wanted.contains(&self.clock_var(clock)))
                        || (ends && wanted.iter().any(|var| self.as_clock(*var).is_some()))
                }),
                Op::Start(clock)
                | Op::Meet(clock)
                | Op::Cancel(clock)
                | Op::Reopen(clock)
                | Op::Pause(clock)
                | Op::Resume(clock)
                | Op::AskExtension(clock)
                | Op::Extend(clock) => wanted.contains(&self.clock_var(*clock)),
                Op::Assign(_) => false,
            };
            if matters || whole {
                steps.push(index);
                wanted.extend(self.reads_of(step, &wanted));
            }
        }
        steps.reverse();
        let mut reads: BTreeSet<usize> = model.from.iter().map(|(track, _)| *track).collect();
        reads.extend(model.when.iter().flat_map(|when| when.reads.iter().copied()));
        reads.extend(model.bound_to.iter().copied().chain(model.officers_of));
        for index in &steps {
            reads.extend(self.reads_of(&model.steps[*index], &wanted));
        }
        // Opening starts the clocks of the first states, and those ask for their dates.
        let first =
            self.tracks.iter().filter_map(|track| track.states[usize::from(track.initial)].step_clock);
        let first_needs: BTreeSet<usize> = first
            .filter(|_| model.spec.opens)
            .flat_map(|clock| self.clocks[clock].needs.iter().map(|field| self.field_var(*field)))
            .collect();
        reads.extend(&first_needs);
        let conditions: Vec<Option<&Condition<'_>>> = std::iter::once(model.when.as_ref())
            .chain(steps.iter().map(|index| model.steps[*index].only_if.as_ref()))
            .collect();
        // What more than a guard reads. Of a field that guards alone read, the choice tells all.
        let mut acted_on: BTreeSet<usize> =
            steps.iter().flat_map(|index| self.op_reads(&model.steps[*index].op, &wanted)).collect();
        acted_on.extend(model.bound_to.iter().copied().chain(model.officers_of));
        acted_on.extend(first_needs);
        let mut kept = cone.clone();
        kept.extend(&reads);
        let told_apart = cone.union(&acted_on).copied().collect();
        let choices = self.choices(model, &conditions, &kept, &told_apart)?;
        // Before the opening nothing is free: tracks begin where they begin, clocks are off, fields empty.
        let free = reads.iter().filter(|var| {
            let known = self.always_known(model, **var) && !model.bound_to.contains(var);
            let given = self.is_given(model, **var) && !acted_on.contains(var);
            !model.spec.opens && !cone.contains(var) && !known && !given
        });
        let free = free
            .map(|var| {
                let mut values = self.domain(*var);
                if let Some((_, states)) = model.from.iter().find(|(track, _)| track == var) {
                    values.retain(|value| states.contains(value));
                }
                if !acted_on.contains(var) {
                    if *var < self.tracks.len() + self.clocks.len() {
                        keep_telling(*var, &mut values, &conditions);
                    } else {
                        values = vec![UNKNOWN];
                    }
                }
                (*var, values)
            })
            .collect();
        Some(Slice { steps, free, choices })
    }

    /// A field whose presence and value the act settles by itself.
    fn always_known(&self, act: &ActModel<'_>, var: usize) -> bool {
        let first = self.tracks.len() + self.clocks.len();
        var >= first
            && self.fields.get(var - first).is_some_and(|field| act.spec.requires.contains(&field.name))
    }

    /// A field of which a guard sees what comes with the act and nothing else: nobody fills it in when it is
    /// left out.
    fn is_given(&self, act: &ActModel<'_>, var: usize) -> bool {
        let field = var.checked_sub(self.tracks.len() + self.clocks.len());
        let name = field.and_then(|field| self.fields.get(field)).map(|field| &field.name);
        name.is_some_and(|name| {
            act.spec.accepts.contains(name)
                && self.definition.field(name).is_some_and(|field| field.default.is_none())
        })
    }

    fn any_value(&self, name: &str) -> Fact {
        let field = self.definition.field(name);
        match field.map(|field| (field.kind, field.choices.keys().next())) {
            Some((FieldType::Bool, _)) => Fact::Bool(false),
            Some((FieldType::Choice, Some(choice))) => Fact::Text(choice.clone()),
            _ => Fact::Text("虚构".to_owned()),
        }
    }

    fn step_clocks(&self, track: usize) -> impl Iterator<Item = usize> {
        self.tracks[track].states.iter().filter_map(|state| state.step_clock)
    }

    fn reads_of(&self, step: &StepModel<'_>, wanted: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut reads = self.op_reads(&step.op, wanted);
        reads.extend(step.only_if.iter().flat_map(|guard| guard.reads.iter().copied()));
        reads
    }

    /// What an operation reads when it is done.
    fn op_reads(&self, op: &Op, wanted: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut reads = BTreeSet::new();
        let needs = |clock: usize| self.clocks[clock].needs.iter().map(|field| self.field_var(*field));
        match op {
            Op::Move(moves) => {
                for (track, to) in moves {
                    let ends = *track == self.main && self.tracks[*track].states[usize::from(*to)].outcome;
                    // The clock of the state that is left ends.
                    if self.step_clocks(*track).any(|clock| wanted.contains(&self.clock_var(clock))) {
                        reads.insert(*track);
                    }
                    // At the end a clock stays if it is the clock of a state another track stands in.
                    if ends {
                        let stays = (0..self.tracks.len()).filter(|other| {
                            other != track
                                && self.step_clocks(*other).any(|c| wanted.contains(&self.clock_var(c)))
                        });
                        reads.extend(stays);
                    }
                    let entered = self.tracks[*track].states[usize::from(*to)].step_clock;
                    reads.extend(entered.into_iter().flat_map(needs));
                }
            }
            Op::Start(clock) => {
                reads.insert(self.clock_var(*clock));
                reads.extend(needs(*clock));
            }
            Op::Extend(clock) => {
                let decision = self.clocks[*clock].decision;
                reads.extend(std::iter::once(*clock).chain(decision).map(|clock| self.clock_var(clock)));
            }
            Op::Reopen(clock) | Op::Pause(clock) | Op::Resume(clock) | Op::AskExtension(clock) => {
                reads.insert(self.clock_var(*clock));
            }
            Op::Assign(clocks) => reads.extend(clocks.iter().flat_map(|clock| needs(*clock))),
            Op::Meet(_) | Op::Cancel(_) => {}
        }
        reads
    }

    /// The ways the facts may be, as far as they make a difference.
    fn choices(
        &self,
        act: &ActModel<'_>,
        conditions: &[Option<&Condition<'_>>],
        kept: &BTreeSet<usize>,
        told_apart: &BTreeSet<usize>,
    ) -> Option<Vec<Choice>> {
        let guards: Vec<&Guard> = conditions.iter().flatten().map(|condition| condition.guard).collect();
        let is_state = |name: &str| {
            self.track(name).is_some()
                || name.split_once('.').is_some_and(|(clock, fact)| {
                    self.clock(clock).is_some() && !matches!(fact, "term_days" | "extensions")
                })
        };
        let fixed = |name: &str| is_state(name).then_some(None);
        let requires = |name: &str| act.spec.requires.iter().any(|field| field == name);
        let optional = |name: &str| self.field(name).is_some() && !requires(name);
        let all = crate::guard::assignments(&guards, &fixed, &optional).ok()?;
        let mut seen = BTreeSet::new();
        let mut choices = Vec::new();
        for facts in all {
            let value = |name: &str| facts.get(name).cloned().flatten();
            let truth: Vec<Vec<bool>> = conditions
                .iter()
                .map(|condition| {
                    let atoms = condition.iter().flat_map(|condition| condition.guard.atoms());
                    atoms.map(|atom| atom.holds(&value)).collect()
                })
                .collect();
            let fields: BTreeMap<usize, u8> = (0..self.fields.len())
                .filter_map(|field| {
                    let fact = facts.get(&self.fields[field].name)?;
                    Some((field, self.field_value(field, fact.as_ref())))
                })
                .collect();
            let left: Vec<Vec<bool>> = conditions
                .iter()
                .zip(&truth)
                .map(|(condition, truth)| left_open(*condition, truth))
                .collect();
            // With these facts its guard fails, whatever the state.
            if act.when.is_some() && left.first().is_some_and(|when| !when.contains(&true)) {
                continue;
            }
            let apart = fields.iter().filter(|(field, _)| told_apart.contains(&self.field_var(**field)));
            let apart: Vec<(usize, u8)> = apart.map(|(field, value)| (*field, *value)).collect();
            if seen.insert((left, apart)) {
                choices.push(Choice { facts, truth, fields });
            }
        }
        // Fields the act takes that no guard of it asks about.
        for field in 0..self.fields.len() {
            let name = &self.fields[field].name;
            let taken = requires(name) || act.spec.accepts.contains(name);
            if !taken || !kept.contains(&self.field_var(field)) {
                continue;
            }
            if choices.first().is_some_and(|choice| choice.fields.contains_key(&field)) {
                continue;
            }
            let values = self.domain(self.field_var(field));
            let values: Vec<u8> = values.into_iter().filter(|value| *value > 0 || !requires(name)).collect();
            choices = choices
                .into_iter()
                .flat_map(|choice| {
                    values.iter().map(move |value| {
                        let mut more = choice.clone();
                        more.fields.insert(field, *value);
                        more
                    })
                })
                .map(|mut choice| {
                    let value = choice.fields.get(&field).copied().unwrap_or(0);
                    let fact =
                        value.checked_sub(1).and_then(|at| self.fields[field].values.get(usize::from(at)));
                    // Given, whatever it says: the trace has to tell.
                    let any = || (!requires(name)).then(|| self.any_value(name));
                    if value == 0 {
                        choice.facts.insert(name.clone(), None);
                    } else if let Some(fact) = fact.cloned().or_else(any) {
                        choice.facts.insert(name.clone(), Some(fact));
                    }
                    choice
                })
                .collect();
        }
        Some(choices)
    }
}
