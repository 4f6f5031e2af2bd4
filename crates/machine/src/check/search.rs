//! Breadth-first search over the abstract machine.
//!
//! A question is asked of a *cone*, the variables it is about. Whatever an act reads outside the cone is
//! free, so that the search sees at least everything that can happen: what it does not find does not
//! exist. A trace that leans on something free is no proof yet; what it leans on joins the cone and the
//! search begins again, until it finds nothing or a trace that stands by itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use crate::check::model::{Model, UNKNOWN};
use crate::check::run::{Event, Passed};
use crate::check::slice::Slice;
use crate::check::{Happening, PEOPLE};
use crate::value::Name;

/// How much may be looked at.
pub(super) struct Budget<'b> {
    pub(super) states: usize,
    /// Whether there is time left.
    pub(super) go_on: &'b dyn Fn() -> bool,
}

/// Who did an act: places among the abstract people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cast {
    pub(super) actor: Option<u8>,
    pub(super) entered_for: Option<u8>,
    /// One bit each.
    pub(super) officers: u8,
}

impl Cast {
    /// Everybody who took part, one bit each.
    pub(super) fn everybody(self) -> u8 {
        let bit = |who: Option<u8>| who.map_or(0, |who| 1 << who);
        bit(self.actor) | bit(self.entered_for) | self.officers
    }
}

#[derive(Clone, Copy)]
pub(super) enum Label {
    Act { act: usize, choice: usize, cast: Cast },
    Time { clock: usize, passed: Passed },
}

/// Which acts' people are followed: act to the bit it sets in a person's column.
pub(super) type Followed = BTreeMap<usize, u8>;

/// One step, as a question sees it.
pub(super) struct View<'v> {
    pub(super) before: &'v [u8],
    pub(super) after: &'v [u8],
    /// `None`: only time passed.
    pub(super) act: Option<usize>,
    pub(super) events: &'v [Event],
    /// What each person took part in, before the act.
    pub(super) columns: [u8; PEOPLE],
    pub(super) cast: Cast,
    /// The question's own bit, before the act.
    pub(super) mark: bool,
}

impl View<'_> {
    pub(super) fn is_refused(&self) -> bool {
        self.events.contains(&Event::Refused)
    }
}

/// A question.
pub(super) struct Question<'q> {
    pub(super) cone: BTreeSet<usize>,
    pub(super) followed: Option<Followed>,
    /// Acts whose people matter to the question though nobody keeps away from them.
    pub(super) cast_of: BTreeSet<usize>,
    /// Acts left out.
    pub(super) skip: BTreeSet<usize>,
    /// An act looked at whole.
    pub(super) whole: Option<usize>,
    /// The question's own bit after a step.
    pub(super) mark: &'q dyn Fn(&View<'_>) -> bool,
    pub(super) bad: &'q dyn Fn(&View<'_>) -> bool,
}

pub(super) enum Answer {
    Never {
        states: usize,
    },
    Found {
        states: usize,
        trace: Vec<Happening>,
        /// The state a dead end was found in.
        stuck: Option<Name>,
    },
    TooLarge {
        states: usize,
    },
}

pub(super) fn no_mark(_: &View<'_>) -> bool {
    false
}

pub(super) fn ask(model: &Model<'_>, mut question: Question<'_>, budget: &Budget<'_>) -> Answer {
    loop {
        model.close(&mut question.cone);
        let Some(mut graph) = Graph::new(model, &question.cone, question.followed.as_ref(), question.whole)
        else {
            return Answer::TooLarge { states: 0 };
        };
        graph.cast_of.clone_from(&question.cast_of);
        graph.skip.clone_from(&question.skip);
        let found = match graph.explore(&question, budget) {
            Explored::All => return Answer::Never { states: graph.states.len() },
            Explored::TooLarge => return Answer::TooLarge { states: graph.states.len() },
            Explored::Found(path) => path,
        };
        let (more, people) = graph.leans_on(&found);
        let before = (question.cone.len(), question.followed.as_ref().map_or(0, BTreeMap::len));
        question.cone.extend(more);
        if let Some(followed) = &mut question.followed {
            for act in people {
                let bit = u8::try_from(followed.len()).unwrap_or(u8::MAX);
                if bit >= 8 && !followed.contains_key(&act) {
                    return Answer::TooLarge { states: graph.states.len() };
                }
                followed.entry(act).or_insert(bit);
            }
        }
        if before == (question.cone.len(), question.followed.as_ref().map_or(0, BTreeMap::len)) {
            return Answer::Found { states: graph.states.len(), trace: graph.trace(&found), stuck: None };
        }
    }
}

/// A label and the node it leads from.
pub(super) type Step = (u32, Label);

enum Explored {
    All,
    TooLarge,
    Found(Vec<Step>),
}

pub(super) const ROOT: u32 = u32::MAX;

pub(super) struct Graph<'m, 'a> {
    model: &'m Model<'a>,
    cone: Vec<usize>,
    pub(super) slices: Vec<Rc<Slice>>,
    followed: Option<Followed>,
    /// For each act, the bits of acts its actor and its officers have to keep away from.
    apart: Vec<(u8, u8)>,
    cast_of: BTreeSet<usize>,
    skip: BTreeSet<usize>,
    pub(super) states: Vec<Rc<[u8]>>,
    pub(super) from: Vec<Step>,
    seen: HashSet<Rc<[u8]>>,
}

impl<'m, 'a> Graph<'m, 'a> {
    pub(super) fn new(
        model: &'m Model<'a>,
        cone: &BTreeSet<usize>,
        followed: Option<&Followed>,
        whole: Option<usize>,
    ) -> Option<Graph<'m, 'a>> {
        let slices = (0..model.acts.len()).map(|act| model.slice(act, cone, whole == Some(act)));
        let slices = slices.collect::<Option<Vec<_>>>()?;
        let bits = |names: &[Name]| {
            let acts = followed.into_iter().flatten();
            let acts = acts.filter(|(act, _)| names.contains(model.acts[**act].name));
            acts.fold(0, |bits, (_, bit)| bits | 1 << bit)
        };
        let apart =
            model.acts.iter().map(|act| (bits(&act.spec.apart.actor), bits(&act.spec.apart.officers)));
        Some(Graph {
            model,
            cone: cone.iter().copied().collect(),
            slices,
            followed: followed.cloned(),
            apart: apart.collect(),
            cast_of: BTreeSet::new(),
            skip: BTreeSet::new(),
            states: Vec::new(),
            from: Vec::new(),
            seen: HashSet::new(),
        })
    }

    /// All variables of a state, those outside the cone unknown; its columns; its mark.
    pub(super) fn unpack(&self, state: &[u8]) -> (Vec<u8>, [u8; PEOPLE], bool) {
        let mut full = vec![UNKNOWN; self.model.size()];
        for (var, value) in self.cone.iter().zip(state) {
            full[*var] = *value;
        }
        let mut columns = [0; PEOPLE];
        let rest = state.get(self.cone.len()..).unwrap_or_default();
        for (column, value) in columns.iter_mut().zip(rest) {
            *column = *value;
        }
        (full, columns, state.last().is_some_and(|mark| *mark == 1))
    }

    /// People are interchangeable: their columns are kept in order.
    pub(super) fn pack(&self, full: &[u8], mut columns: [u8; PEOPLE], mark: bool) -> Rc<[u8]> {
        columns.sort_unstable();
        let values = self.cone.iter().map(|var| full[*var]);
        values.chain(columns).chain([u8::from(mark)]).collect()
    }

    pub(super) fn add(&mut self, key: Rc<[u8]>, from: u32, label: Label) -> bool {
        let new = self.seen.insert(key.clone());
        if new {
            self.states.push(key);
            self.from.push((from, label));
        }
        new
    }

    fn explore(&mut self, question: &Question<'_>, budget: &Budget<'_>) -> Explored {
        let mut found = None;
        let mut next = ROOT;
        loop {
            let here = match usize::try_from(next) {
                Ok(place) if next != ROOT => match self.states.get(place) {
                    Some(state) => self.unpack(state),
                    None => return Explored::All,
                },
                _ => (self.model.unborn(), [0; PEOPLE], false),
            };
            let mut new = Vec::new();
            self.successors(&here, &mut |view, label| {
                if found.is_none() && (question.bad)(view) {
                    found = Some(label);
                }
                if !view.is_refused() {
                    let mark = (question.mark)(view);
                    new.push((self.pack(view.after, columns(view, self.followed.as_ref()), mark), label));
                }
            });
            if let Some(label) = found {
                return Explored::Found(self.path(next, label));
            }
            for (key, label) in new {
                self.add(key, next, label);
            }
            if self.states.len() > budget.states || (next.trailing_zeros() >= 8 && !(budget.go_on)()) {
                return Explored::TooLarge;
            }
            next = next.wrapping_add(1);
        }
    }

    /// Every step possible from a state; of those that differ in nothing the question can see, one.
    pub(super) fn successors(
        &self,
        here: &(Vec<u8>, [u8; PEOPLE], bool),
        out: &mut dyn FnMut(&View<'_>, Label),
    ) {
        let (before, cols, mark) = here;
        let mut full = before.clone();
        let mut events = Vec::new();
        let mut told: HashSet<(Vec<u8>, Vec<Event>)> = HashSet::new();
        for (act, slice) in self.slices.iter().enumerate() {
            if self.model.acts[act].spec.opens != self.model.is_unborn(before) || self.skip.contains(&act) {
                continue;
            }
            let mut combination = vec![0; slice.free.len()];
            told.clear();
            loop {
                for (choice_no, choice) in slice.choices.iter().enumerate() {
                    full.copy_from_slice(before);
                    for ((var, values), place) in slice.free.iter().zip(&combination) {
                        full[*var] = values.get(*place).copied().unwrap_or(0);
                    }
                    events.clear();
                    let at = full.clone();
                    if self.model.run(act, slice, choice, &mut full, &mut events).is_none() {
                        continue;
                    }
                    if events.contains(&Event::Refused) {
                        full.copy_from_slice(&at);
                    }
                    let seen = self.cone.iter().map(|var| full[*var]).collect();
                    if !told.insert((seen, events.clone())) {
                        continue;
                    }
                    for cast in self.casts(act, *cols) {
                        let view = View {
                            before: &at,
                            after: &full,
                            act: Some(act),
                            events: &events,
                            columns: *cols,
                            cast,
                            mark: *mark,
                        };
                        out(&view, Label::Act { act, choice: choice_no, cast });
                    }
                }
                if !advance(&mut combination, &slice.free) {
                    break;
                }
            }
        }
        if self.model.is_unborn(before) {
            return;
        }
        for clock in self.cone.iter().filter_map(|var| self.model.as_clock(*var)) {
            full.copy_from_slice(before);
            if let Some(passed) = self.model.pass_time(clock, &mut full) {
                let view = View {
                    before,
                    after: &full,
                    act: None,
                    events: &[],
                    columns: *cols,
                    cast: Cast::default(),
                    mark: *mark,
                };
                out(&view, Label::Time { clock, passed });
            }
        }
    }

    /// Who can do an act.
    fn casts(&self, act: usize, columns: [u8; PEOPLE]) -> Vec<Cast> {
        let (actor_apart, officers_apart) = self.apart[act];
        let followed = self.followed.as_ref();
        let matters = followed.is_some_and(|followed| followed.contains_key(&act))
            || self.cast_of.contains(&act)
            || actor_apart | officers_apart != 0;
        if !matters {
            return vec![Cast::default()];
        }
        let spec = self.model.acts[act].spec;
        let people = || 0..u8::try_from(PEOPLE).unwrap_or(0);
        let column = |who: u8| columns.get(usize::from(who)).copied().unwrap_or(0);
        let least = spec.officers.as_ref().map_or(0, |officers| officers.least);
        let officers = (0..1u8 << PEOPLE).filter(|mask| {
            mask.count_ones() == least
                && people().all(|who| mask & (1 << who) == 0 || column(who) & officers_apart == 0)
        });
        let officers: Vec<u8> = officers.collect();
        let mut casts = Vec::new();
        for actor in people().filter(|who| column(*who) & actor_apart == 0) {
            // People who did the same so far are interchangeable.
            if (0..actor).any(|other| column(other) == column(actor)) {
                continue;
            }
            let others = people().filter(|who| *who != actor && column(*who) & actor_apart == 0);
            let others = others.filter(|_| !spec.enter_for.is_empty()).map(Some);
            for entered_for in std::iter::once(None).chain(others) {
                casts.extend(officers.iter().map(|officers| Cast {
                    actor: Some(actor),
                    entered_for,
                    officers: *officers,
                }));
            }
        }
        casts
    }

    pub(super) fn path(&self, from: u32, last: Label) -> Vec<Step> {
        let mut path = vec![(from, last)];
        let mut at = from;
        while let Some((parent, label)) =
            usize::try_from(at).ok().filter(|_| at != ROOT).and_then(|place| self.from.get(place))
        {
            path.push((*parent, *label));
            at = *parent;
        }
        path.reverse();
        path
    }

    /// What a path leans on that is outside the cone, and whose people it would have to follow.
    pub(super) fn leans_on(&self, path: &[Step]) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let (mut vars, mut people) = (BTreeSet::new(), BTreeSet::new());
        for (_, label) in path {
            let Label::Act { act, .. } = label else { continue };
            vars.extend(self.slices[*act].free.iter().map(|(var, _)| *var));
            let apart = &self.model.acts[*act].spec.apart;
            let named = apart.actor.iter().chain(&apart.officers);
            let named = named.filter_map(|name| self.model.acts.iter().position(|act| act.name == name));
            people.extend(named);
        }
        (vars, people)
    }

    /// A path told with the people in it.
    pub(super) fn trace(&self, path: &[Step]) -> Vec<Happening> {
        // Which person stands in which column now.
        let mut standing: Vec<u8> = (1..=u8::try_from(PEOPLE).unwrap_or(0)).collect();
        let mut columns = [0; PEOPLE];
        let mut fresh = if self.followed.is_some() { u8::try_from(PEOPLE).unwrap_or(0) } else { 0 };
        let mut told = Vec::new();
        for (_, label) in path {
            let (act, choice, cast) = match label {
                Label::Time { clock, passed } => {
                    let clock = self.model.clocks[*clock].name.clone();
                    told.push(match passed {
                        Passed::Due => Happening::Due { clock },
                        Passed::Missed => Happening::Missed { clock },
                    });
                    continue;
                }
                Label::Act { act, choice, cast } => (*act, *choice, *cast),
            };
            let spec = self.model.acts[act].spec;
            let name = |place: u8| standing.get(usize::from(place)).copied().unwrap_or(0);
            let mut newcomer = || {
                fresh += 1;
                fresh
            };
            let least = spec.officers.as_ref().map_or(0, |officers| officers.least);
            let (actor, officers) = match cast.actor {
                Some(actor) => {
                    let places =
                        (0..u8::try_from(PEOPLE).unwrap_or(0)).filter(|who| cast.officers & (1 << who) != 0);
                    (name(actor), places.map(name).collect())
                }
                None => (newcomer(), (0..least).map(|_| newcomer()).collect()),
            };
            let facts = self.slices[act].choices.get(choice).map(|choice| choice.facts.clone());
            told.push(Happening::Act {
                act: self.model.acts[act].name.clone(),
                actor,
                entered_for: cast.entered_for.map(name),
                officers,
                facts: facts.unwrap_or_default(),
            });
            if let Some(bit) = self.followed.as_ref().and_then(|followed| followed.get(&act)) {
                for (who, column) in columns.iter_mut().enumerate() {
                    *column |= ((cast.everybody() >> who) & 1) << bit;
                }
                let mut order: Vec<usize> = (0..PEOPLE).collect();
                order.sort_by_key(|who| columns[*who]);
                standing = order.iter().map(|who| standing[*who]).collect();
                columns.sort_unstable();
            }
        }
        told
    }
}

/// The columns after a step.
fn columns(view: &View<'_>, followed: Option<&Followed>) -> [u8; PEOPLE] {
    let mut columns = view.columns;
    if let Some(bit) = view.act.and_then(|act| followed?.get(&act)) {
        for (who, column) in columns.iter_mut().enumerate() {
            *column |= ((view.cast.everybody() >> who) & 1) << bit;
        }
    }
    columns
}

fn advance(combination: &mut [usize], free: &[(usize, Vec<u8>)]) -> bool {
    for (place, (_, values)) in combination.iter_mut().zip(free) {
        *place += 1;
        if *place < values.len() {
            return true;
        }
        *place = 0;
    }
    false
}
