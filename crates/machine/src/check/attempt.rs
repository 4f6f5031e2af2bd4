//! One invented case through a definition, from its opening to an end, with a deadline missed on the way.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;

use crate::act::Act;
use crate::check::behaviour::Checker;
use crate::check::replay::{ReplayError, Story};
use crate::check::search::{Answer, Budget, Question, View, ask, no_mark};
use crate::check::{Happening, STATES_MAX};
use crate::definition::Definition;
use crate::guard::Fact;
use crate::state::{Deadline, DeadlineKind, State};
use crate::value::Name;

/// Days a clock is left overdue, so that its first rungs show.
const DAYS_LATE: i64 = 10;

/// A case that was played through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What happened.
    pub acts: Vec<Act>,
    /// Where it stands.
    pub state: State,
}

/// Why a definition could not be played through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// No end can be reached; `check` says more.
    #[error("no end of the main track can be reached")]
    NoEnd,
    /// A step of the path was refused.
    #[error(transparent)]
    Refused(#[from] ReplayError),
}

/// Plays a case through: the shortest way by the everyday acts to its best end.
pub fn attempt(definition: &Definition, calendar: &Calendar) -> Result<Attempt, AttemptError> {
    let mut path = shortest(definition).ok_or(AttemptError::NoEnd)?;
    for step in &mut path {
        if let Happening::Act { facts, .. } = step {
            // Any date will do that a clerk would write; those of the search are as near as can be.
            facts.retain(|name, fact| !matches!(fact, Some(Fact::Date(_))) && !name.ends_with(".term_days"));
        }
    }
    // Some acts are only possible in time.
    play(definition, calendar, &path, true).or_else(|_| play(definition, calendar, &path, false))
}

fn shortest(definition: &Definition) -> Option<Vec<Happening>> {
    let checker = Checker::new(definition)?;
    let model = &checker.model;
    let opens = || model.acts.iter().enumerate().filter(|(_, act)| act.spec.opens);
    let everyday = opens().any(|(_, act)| act.spec.everyday);
    let skip: BTreeSet<usize> =
        opens().filter(|(_, act)| everyday && !act.spec.everyday).map(|(at, _)| at).collect();
    let states = &model.tracks[model.main].states;
    let best = |view: &View<'_>, wanted: &dyn Fn(&crate::check::model::StateModel) -> bool| {
        view.act.is_some()
            && !view.is_refused()
            && view.before[model.main] != view.after[model.main]
            && states.get(usize::from(view.after[model.main])).is_some_and(wanted)
    };
    let find = |bad: &dyn Fn(&View<'_>) -> bool| {
        let question = Question {
            cone: BTreeSet::from([model.main]),
            followed: None,
            cast_of: BTreeSet::new(),
            skip: skip.clone(),
            whole: None,
            mark: &no_mark,
            bad,
        };
        match ask(model, question, &Budget { states: STATES_MAX, go_on: &|| true }) {
            Answer::Found { trace, .. } => Some(trace),
            Answer::Never { .. } | Answer::TooLarge { .. } => None,
        }
    };
    find(&|view| best(view, &|state| state.rectified))
        .or_else(|| find(&|view| best(view, &|state| state.outcome)))
        .or_else(|| find(&|view| best(view, &|state| state.rest)))
}

fn play(
    definition: &Definition,
    calendar: &Calendar,
    path: &[Happening],
    mut late: bool,
) -> Result<Attempt, AttemptError> {
    let has_legal = definition.file().deadlines.values().any(|clock| clock.kind == DeadlineKind::Legal);
    let mut story = Story::new(definition, calendar, super::replay::people_in(path) + 1);
    story.keep_roles(&roles(definition, path));
    for (step, happening) in path.iter().enumerate() {
        let refused =
            |refusal| ReplayError::Refused { step, act: "tick".to_owned(), refusal: Box::new(refusal) };
        if step > 0 {
            let running = story.state.iter().flat_map(|state| &state.deadlines).filter(|d| d.is_running());
            let running: Vec<Deadline> = running.cloned().collect();
            let legal = running.iter().find(|d| d.kind == DeadlineKind::Legal);
            let first = if has_legal { legal } else { running.first() };
            let days = match first.filter(|_| late) {
                None => 1,
                Some(deadline) => {
                    late = false;
                    let due = crate::deadline::day_of(calendar, deadline.due);
                    u64::try_from((due - story.today()).num_days() + DAYS_LATE).unwrap_or(1)
                }
            };
            story.wait(days).map_err(refused)?;
        }
        story.follow(step, happening, None)?;
    }
    match story.state {
        Some(state) => Ok(Attempt { acts: story.acts, state }),
        None => Err(AttemptError::NoEnd),
    }
}

/// Who holds which role: everybody those they act in, and one more person whatever is left.
fn roles(definition: &Definition, path: &[Happening]) -> BTreeMap<Name, BTreeSet<u8>> {
    let mut holders: BTreeMap<Name, BTreeSet<u8>> = BTreeMap::new();
    for happening in path {
        let Happening::Act { act, actor, officers, .. } = happening else { continue };
        let Some(spec) = definition.act(act) else { continue };
        if let Some(role) = spec.by.first() {
            holders.entry(role.clone()).or_default().insert(*actor);
        }
        if let Some(needed) = &spec.officers {
            holders.entry(needed.role.clone()).or_default().extend(officers);
        }
    }
    let spare = super::replay::people_in(path) + 1;
    for role in definition.file().roles.keys() {
        holders.entry(role.clone()).or_insert_with(|| BTreeSet::from([spare]));
    }
    holders
}
