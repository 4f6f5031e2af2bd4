//! The properties that need a search.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::around::{dead_end, look_around};
use crate::check::clock;
use crate::check::model::Model;
use crate::check::run::Event;
use crate::check::search::{Answer, Budget, Question, View, ask, no_mark};
use crate::check::{Bad, Happening, Outcome, Problem, Property, Verdict};
use crate::definition::Definition;
use crate::file::CountsAs;
use crate::guard::Fact;

/// States looked at before each state or act not seen yet is asked after by itself.
const LOOK_AROUND: usize = 5_000;

pub(super) struct Checker<'a> {
    pub(super) model: Model<'a>,
}

/// Adds up what the questions of one property gave.
#[derive(Default)]
pub(super) struct Tally {
    states: usize,
    too_large: bool,
    problems: Vec<Problem>,
}

impl Tally {
    /// Takes an answer; a trace becomes a problem.
    pub(super) fn take(&mut self, answer: Answer, problem: impl FnOnce(Vec<Happening>) -> Problem) {
        match answer {
            Answer::Never { states } => self.states += states,
            Answer::TooLarge { states } => {
                self.states += states;
                self.too_large = true;
            }
            Answer::Found { states, trace, .. } => {
                self.states += states;
                self.problems.push(problem(trace));
            }
        }
    }

    pub(super) fn states(&mut self, states: usize) {
        self.states += states;
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn outcome(mut self, property: &Property) -> Outcome {
        if self.too_large {
            self.problems.push(Problem::new("CK22", property.key()).with("states", self.states.to_string()));
        }
        let verdict = match (self.too_large, self.problems.is_empty()) {
            (true, _) => Verdict::TooLarge,
            (false, true) => Verdict::Holds,
            (false, false) => Verdict::Fails,
        };
        Outcome { states: self.states, verdict, problems: self.problems }
    }
}

impl<'a> Checker<'a> {
    pub(super) fn new(definition: &'a Definition) -> Option<Checker<'a>> {
        Some(Checker { model: Model::new(definition)? })
    }

    pub(super) fn check(&self, property: &Property, budget: &Budget<'_>) -> Outcome {
        let mut tally = Tally::default();
        match property {
            Property::Structure => self.structure(&mut tally, budget),
            Property::Reachable => self.reachable(&mut tally, budget),
            Property::Ends { track } => self.ends(track, &mut tally, budget),
            Property::FourPeople => self.four_people(&mut tally, budget),
            Property::Reinspected => self.reinspected(&mut tally, budget),
            Property::ThirdPerson => self.third_person(&mut tally, budget),
            Property::Clocked { track } => self.clocked(track, &mut tally, budget),
            Property::Steps => self.steps(&mut tally, budget),
            Property::Never { index } => self.never(*index, &mut tally, budget),
        }
        tally.outcome(property)
    }

    /// A plain question about states and steps.
    pub(super) fn ask(
        &self,
        cone: BTreeSet<usize>,
        whole: Option<usize>,
        bad: &dyn Fn(&View<'_>) -> bool,
        budget: &Budget<'_>,
    ) -> Answer {
        let question = Question {
            cone,
            followed: None,
            cast_of: BTreeSet::new(),
            skip: BTreeSet::new(),
            whole,
            mark: &no_mark,
            bad,
        };
        ask(&self.model, question, budget)
    }

    /// The shortest way to a state of a track.
    pub(super) fn way_to(&self, track: usize, state: u8, budget: &Budget<'_>) -> Answer {
        self.ask(BTreeSet::from([track]), None, &|view| view.after[track] == state, budget)
    }

    /// The shortest way to an act done.
    pub(super) fn way_to_act(&self, act: usize, budget: &Budget<'_>) -> Answer {
        self.ask(BTreeSet::new(), Some(act), &|view| view.act == Some(act) && !view.is_refused(), budget)
    }

    fn reachable(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        let everything: BTreeSet<usize> = (0..model.acts.len())
            .filter_map(|act| model.slice(act, &BTreeSet::new(), true))
            .flat_map(|slice| slice.free.iter().map(|(var, _)| *var).collect::<Vec<_>>())
            .collect();
        let seen = look_around(model, &everything, LOOK_AROUND.min(budget.states));
        let (reached, done, whole) = match seen {
            Some(seen) => {
                tally.states(seen.states);
                (seen.reached, seen.done, seen.whole)
            }
            None => (BTreeSet::new(), BTreeSet::new(), false),
        };
        for (at, track) in model.tracks.iter().enumerate() {
            for (state, spec) in (0u8..).zip(&track.states) {
                let seen = reached.contains(&(at, state)) || state == track.initial;
                if !seen
                    && ((whole && everything.contains(&at))
                        || self.is_never(self.way_to(at, state, budget), tally))
                {
                    let path = format!("tracks.{}.states.{}", track.name, spec.name);
                    tally.problem(Problem::new("CK01", path));
                }
            }
        }
        for (at, act) in model.acts.iter().enumerate() {
            if !done.contains(&at) && (whole || self.is_never(self.way_to_act(at, budget), tally)) {
                tally.problem(Problem::new("CK03", format!("acts.{}", act.name)));
            }
        }
    }

    fn is_never(&self, answer: Answer, tally: &mut Tally) -> bool {
        match answer {
            Answer::Never { states } => {
                tally.states(states);
                true
            }
            Answer::Found { states, .. } => {
                tally.states(states);
                false
            }
            Answer::TooLarge { states } => {
                tally.states(states);
                tally.too_large = true;
                false
            }
        }
    }

    fn ends(&self, track: &str, tally: &mut Tally, budget: &Budget<'_>) {
        let Some(place) = self.model.track(track) else { return };
        let answer = dead_end(&self.model, place, budget);
        let stuck = match &answer {
            Answer::Found { stuck: Some(state), .. } => state.clone(),
            Answer::Found { .. } | Answer::Never { .. } | Answer::TooLarge { .. } => String::new(),
        };
        tally.take(answer, |trace| {
            let bad = Bad::At { track: track.to_owned(), state: stuck.clone() };
            Problem::new("CK02", format!("tracks.{track}.states.{stuck}")).traced(trace, bad)
        });
    }

    /// I1, in time: a re-inspection passed, and nothing that calls for another one since.
    fn reinspected(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        let counts = |act: Option<usize>| act.and_then(|act| model.acts[act].spec.counts_as);
        let mark = |view: &View<'_>| match counts(view.act) {
            Some(CountsAs::PassedReinspection) => true,
            Some(CountsAs::Rectification | CountsAs::CompletionReport | CountsAs::FailedReinspection) => {
                false
            }
            Some(CountsAs::CloseOut) | None => view.mark,
        };
        let bad = |view: &View<'_>| {
            self.enters_rectified(view) && !(view.mark && counts(view.act) == Some(CountsAs::CloseOut))
        };
        let question = Question {
            cone: BTreeSet::from([model.main]),
            followed: None,
            cast_of: BTreeSet::new(),
            skip: BTreeSet::new(),
            whole: None,
            mark: &mark,
            bad: &bad,
        };
        tally.take(ask(model, question, budget), |trace| {
            Problem::new("CK05", last_act(&trace)).traced(trace, Bad::Rectified)
        });
    }

    /// Whether a step enters a state that counts as rectified.
    pub(super) fn enters_rectified(&self, view: &View<'_>) -> bool {
        let main = self.model.main;
        let states = &self.model.tracks[main].states;
        let rectified =
            |full: &[u8]| states.get(usize::from(full[main])).is_some_and(|state| state.rectified);
        rectified(view.after) && !rectified(view.before)
    }

    /// I2 in time: a state that waits for somebody has its clock open.
    fn clocked(&self, track: &str, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        let Some(track) = model.track(track) else { return };
        for (at, state) in (0u8..).zip(&model.tracks[track].states) {
            let Some(deadline) = state.deadline.filter(|_| !state.rest && !state.outcome) else { continue };
            let var = model.clock_var(deadline);
            let reviews = model.reviews(deadline);
            let mut cone: BTreeSet<usize> = reviews.iter().map(|clock| model.clock_var(*clock)).collect();
            cone.extend([track, var]);
            let bad = |view: &View<'_>| {
                let value = view.after[var];
                let reviewed =
                    || reviews.iter().any(|clock| clock::is_running(view.after[model.clock_var(*clock)]));
                view.after[track] == at
                    && !view.is_refused()
                    && !(clock::is_running(value) || (clock::is_open(value) && reviewed()))
            };
            let (track, clock) = (&model.tracks[track].name, &model.clocks[deadline].name);
            tally.take(self.ask(cone, None, &bad, budget), |trace| {
                let bad =
                    Bad::Unclocked { track: track.clone(), state: state.name.clone(), clock: clock.clone() };
                Problem::new("CK09", format!("tracks.{track}.states.{}", state.name))
                    .with("clock", clock.clone())
                    .traced(trace, bad)
            });
        }
    }

    fn steps(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        for (at, act) in model.acts.iter().enumerate() {
            let path = format!("acts.{}", act.name);
            let handles = model.handles(at);
            if !handles.is_empty() || act.spec.then.iter().any(|step| step.start.is_some()) {
                let cone: BTreeSet<usize> = handles.iter().map(|clock| model.clock_var(*clock)).collect();
                let refused = |view: &View<'_>| view.act == Some(at) && view.is_refused();
                tally.take(self.ask(cone.clone(), Some(at), &refused, budget), |mut trace| {
                    for clock in &handles {
                        self.give(&model.clocks[*clock].needed_under, &mut trace);
                    }
                    Problem::new("CK17", &path).traced(trace, Bad::Refused { act: act.name.clone() })
                });
                for clock in &handles {
                    let event = Event::Restarted(*clock);
                    let restarted = |view: &View<'_>| {
                        view.act == Some(at) && !view.is_refused() && view.events.contains(&event)
                    };
                    let name = &model.clocks[*clock].name;
                    let cone = BTreeSet::from([model.clock_var(*clock)]);
                    tally.take(self.ask(cone, Some(at), &restarted, budget), |trace| {
                        Problem::new("CK18", &path)
                            .with("clock", name.clone())
                            .traced(trace, Bad::Restarted { clock: name.clone() })
                    });
                }
            }
            for track in model.moves_twice(at) {
                let event = Event::Competing(track);
                let competing = |view: &View<'_>| view.act == Some(at) && view.events.contains(&event);
                tally.take(self.ask(BTreeSet::new(), Some(at), &competing, budget), |trace| {
                    Problem::new("CK11", &path)
                        .with("track", model.tracks[track].name.clone())
                        .traced(trace, Bad::Done { act: act.name.clone() })
                });
            }
        }
        self.past_dates(tally, budget);
    }

    /// Gives the acts of a trace the facts a finding hangs on, where they take them and nothing else is asked.
    fn give(&self, facts: &BTreeMap<String, Option<Fact>>, trace: &mut [Happening]) {
        for happening in trace {
            let Happening::Act { act, facts: given, .. } = happening else { continue };
            let Some(spec) = self.model.definition.act(act) else { continue };
            let takes = |name: &String| spec.requires.contains(name) || spec.accepts.contains(name);
            for (name, fact) in facts.iter().filter(|(name, _)| takes(name)) {
                given.entry(name.clone()).or_insert_with(|| fact.clone());
            }
        }
    }

    /// A legal date lies ahead when it is set. Only an opening takes over what an old ledger says.
    fn past_dates(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let model = &self.model;
        for (at, act) in model.acts.iter().enumerate().filter(|(_, act)| !act.spec.opens) {
            for step in &act.spec.then {
                let Some((name, field)) = step.start.as_ref().and_then(|name| {
                    let clock = model.definition.deadline(name)?;
                    let legal = clock.kind == crate::state::DeadlineKind::Legal;
                    Some((name, clock.term.on.as_ref().filter(|_| legal)?))
                }) else {
                    continue;
                };
                let spec = model.definition.field(field);
                if spec.is_some_and(|spec| spec.after_today) && act.spec.requires.contains(field) {
                    continue;
                }
                let past = self.can_be_past(act.spec, step, field);
                if past && let Answer::Found { trace, .. } = self.way_to_act(at, budget) {
                    let bad = Bad::PastDate { clock: name.clone() };
                    let problem = Problem::new("CK19", format!("acts.{}.when", act.name));
                    tally.problem(
                        problem.with("clock", name.clone()).with("field", field.clone()).traced(trace, bad),
                    );
                }
            }
        }
    }

    fn can_be_past(&self, act: &crate::file::ActSpec, step: &crate::file::Step, field: &str) -> bool {
        let guards = [&act.when, &step.only_if].into_iter().flatten();
        let guards: Vec<_> = guards.filter_map(|guard| self.model.definition.guard(guard)).collect();
        let Ok(all) = crate::guard::assignments(&guards, &|_| None, &|_| false) else { return true };
        all.iter().any(|facts| {
            let fact = |name: &str| facts.get(name).cloned().flatten();
            let hold =
                guards.iter().all(|guard| matches!(guard.evaluate(&fact), crate::guard::Verdict::Holds));
            let ahead = match (fact(field), fact("today")) {
                (Some(day), Some(today)) => day > today,
                _ => false,
            };
            hold && !ahead
        })
    }

    fn never(&self, index: usize, tally: &mut Tally, budget: &Budget<'_>) {
        let Some(never) = self.model.definition.file().never.get(index) else { return };
        if let Some(does) = &never.does {
            self.never_does(index, &never.who, does, tally, budget);
            return;
        }
        let Some((_, condition)) = self.model.never.iter().find(|(at, _)| *at == index) else { return };
        let bad = |view: &View<'_>| !view.is_refused() && self.model.state_holds(condition, view.after);
        let answer = self.ask(condition.reads.clone(), None, &bad, budget);
        tally.take(answer, |trace| {
            let guard = condition.guard.source().to_owned();
            Problem::new("CK15", format!("never[{index}]"))
                .with("title_zh", never.title.zh.clone())
                .with("title_en", never.title.en.clone())
                .traced(trace, Bad::Holds { guard })
        });
    }
}

/// The path of the last act of a trace.
pub(super) fn last_act(trace: &[Happening]) -> String {
    let acts = trace.iter().rev().filter_map(|step| match step {
        Happening::Act { act, .. } => Some(format!("acts.{act}")),
        Happening::Due { .. } | Happening::Missed { .. } => None,
    });
    acts.into_iter().next().unwrap_or_default()
}
