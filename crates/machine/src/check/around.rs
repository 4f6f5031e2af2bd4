//! Questions about the whole graph: what can be reached at all, and from where no end can be.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use crate::check::PEOPLE;
use crate::check::model::{Model, UNKNOWN};
use crate::check::search::{Answer, Budget, Graph, Label, ROOT};

/// What can be seen of a definition when everything it asks about is followed.
pub(super) struct Sighted {
    pub(super) states: usize,
    /// Track and state.
    pub(super) reached: BTreeSet<(usize, u8)>,
    pub(super) done: BTreeSet<usize>,
    pub(super) whole: bool,
}

/// Looks around until every state and act was seen, or `limit` states were.
pub(super) fn look_around(model: &Model<'_>, cone: &BTreeSet<usize>, limit: usize) -> Option<Sighted> {
    let mut graph = Graph::new(model, cone, None, None)?;
    let wanted = model.tracks.iter().map(|track| track.states.len()).sum::<usize>();
    let mut sighted = Sighted { states: 0, reached: BTreeSet::new(), done: BTreeSet::new(), whole: false };
    let mut next = ROOT;
    loop {
        let here = match usize::try_from(next) {
            Ok(place) if next != ROOT => match graph.states.get(place) {
                Some(state) => graph.unpack(state),
                None => {
                    sighted.whole = true;
                    break;
                }
            },
            _ => (model.unborn(), [0; PEOPLE], false),
        };
        let mut new = Vec::new();
        graph.successors(&here, &mut |view, label| {
            if view.is_refused() {
                return;
            }
            sighted.done.extend(view.act);
            for track in 0..model.tracks.len() {
                if view.after[track] != UNKNOWN {
                    sighted.reached.insert((track, view.after[track]));
                }
            }
            new.push((graph.pack(view.after, [0; PEOPLE], false), label));
        });
        for (key, label) in new {
            graph.add(key, next, label);
        }
        let all = sighted.reached.len() == wanted && sighted.done.len() == model.acts.len();
        if all || graph.states.len() > limit {
            break;
        }
        next = next.wrapping_add(1);
    }
    sighted.states = graph.states.len();
    Some(sighted)
}

/// From a state to a state by an act that something free could forbid.
type Way = (u32, u32, usize);

/// Looks for a state a track can get into from which neither an end nor rest can be reached. An act counts
/// as a way out only if nothing free could forbid it.
pub(super) fn dead_end(model: &Model<'_>, track: usize, budget: &Budget<'_>) -> Answer {
    let mut cone = BTreeSet::from([track]);
    loop {
        model.close(&mut cone);
        let Some(mut graph) = Graph::new(model, &cone, None, None) else {
            return Answer::TooLarge { states: 0 };
        };
        let mut edges: Vec<(u32, u32)> = Vec::new();
        let mut places: HashMap<Rc<[u8]>, u32> = HashMap::new();
        let mut blocked: Vec<Way> = Vec::new();
        let mut next = ROOT;
        loop {
            let here = match usize::try_from(next) {
                Ok(place) if next != ROOT => match graph.states.get(place) {
                    Some(state) => graph.unpack(state),
                    None => break,
                },
                _ => (model.unborn(), [0; PEOPLE], false),
            };
            let mut new = Vec::new();
            graph.successors(&here, &mut |view, label| {
                if !view.is_refused() {
                    new.push((graph.pack(view.after, [0; PEOPLE], false), label));
                }
            });
            for (key, label) in new {
                graph.add(key.clone(), next, label);
                let count = u32::try_from(graph.states.len()).unwrap_or(ROOT) - 1;
                let to = *places.entry(key).or_insert(count);
                match label {
                    Label::Act { act, .. } if !graph.slices[act].free.is_empty() => {
                        blocked.push((next, to, act));
                    }
                    Label::Act { .. } | Label::Time { .. } => edges.push((next, to)),
                }
            }
            if graph.states.len() > budget.states || (next.trailing_zeros() >= 8 && !(budget.go_on)()) {
                return Answer::TooLarge { states: graph.states.len() };
            }
            next = next.wrapping_add(1);
        }
        let states = graph.states.len();
        let leads = leading_on(model, &graph, track, edges);
        let Some(stuck) = leads.iter().position(|leads| !leads) else { return Answer::Never { states } };
        let path = graph.from.get(stuck).map(|(from, label)| graph.path(*from, *label)).unwrap_or_default();
        let mut more = graph.leans_on(&path).0;
        // What could forbid the ways out of it; first those that lead to an end at once.
        let is = |state: u32| usize::try_from(state).ok();
        let ways = blocked.iter().filter(|(from, ..)| is(*from) == Some(stuck));
        let helps = |to: u32| is(to).and_then(|to| leads.get(to)).copied().unwrap_or(false);
        let (out, on): (Vec<Way>, Vec<Way>) = ways.copied().partition(|way| helps(way.1));
        for (.., act) in if out.is_empty() { on } else { out } {
            more.extend(graph.slices[act].free.iter().map(|(var, _)| *var));
        }
        let size = cone.len();
        cone.extend(more);
        if cone.len() == size {
            // Further on as well: a way out may begin with a step that nothing forbids.
            let lost = blocked.iter().filter(|(from, ..)| !helps(*from));
            cone.extend(lost.flat_map(|(.., act)| graph.slices[*act].free.iter().map(|(var, _)| *var)));
        }
        if cone.len() == size {
            let state = graph.states.get(stuck).map(|state| graph.unpack(state).0[track]);
            let state = state.and_then(|state| model.tracks[track].states.get(usize::from(state)));
            let stuck = state.map(|state| state.name.clone());
            return Answer::Found { states, trace: graph.trace(&path), stuck };
        }
    }
}

/// Which states lead to an end, or to rest.
fn leading_on(model: &Model<'_>, graph: &Graph<'_, '_>, track: usize, edges: Vec<(u32, u32)>) -> Vec<bool> {
    let ends: Vec<bool> = graph
        .states
        .iter()
        .map(|state| {
            let state = graph.unpack(state).0[track];
            model.tracks[track]
                .states
                .get(usize::from(state))
                .is_some_and(|state| state.outcome || state.rest)
        })
        .collect();
    let mut leads = ends;
    let mut back: Vec<Vec<u32>> = vec![Vec::new(); leads.len()];
    for (from, to) in edges.into_iter().filter(|(from, _)| *from != ROOT) {
        if let Some(list) = usize::try_from(to).ok().and_then(|to| back.get_mut(to)) {
            list.push(from);
        }
    }
    let mut work: Vec<usize> = (0..leads.len()).filter(|state| leads[*state]).collect();
    while let Some(state) = work.pop() {
        for from in back[state].iter().filter_map(|from| usize::try_from(*from).ok()) {
            if !leads[from] {
                leads[from] = true;
                work.push(from);
            }
        }
    }
    leads
}
