//! What the file alone shows: owners, clocks, signers, and who is named where.

use std::collections::BTreeSet;

use crate::act::AssignmentDuty;
use crate::check::behaviour::{Checker, Tally};
use crate::check::search::{Answer, Budget};
use crate::check::{Bad, Problem};
use crate::file::{ActSpec, Assign, AssignmentMove, Column, CountsAs, File, Obligations, StateSpec};
use crate::guard::{Atom, VarType};
use crate::state::{ChargedTo, DeadlineKind};
use crate::value::Name;

impl Checker<'_> {
    pub(super) fn structure(&self, tally: &mut Tally, budget: &Budget<'_>) {
        let file = self.model.definition.file();
        if file.obligations == Obligations::Required {
            self.states(file, tally, budget);
            clocks(file, tally);
            if file.fallback.is_none() && !file.ladders.is_empty() {
                tally.problem(Problem::new("CK12", "fallback").with("missing", "fallback"));
            }
        }
        super::ladders::check(self.model.definition, tally);
        acts(file, tally);
        self.never_readable(file, tally);
    }

    /// Every state is at rest, or has an owner who can act there and a clock (I2).
    fn states(&self, file: &File, tally: &mut Tally, budget: &Budget<'_>) {
        for (name, track) in &file.tracks {
            for (state, spec) in track.states.iter().filter(|(_, spec)| !spec.rest && spec.outcome.is_none())
            {
                let path = format!("tracks.{name}.states.{state}");
                let mut problems = Vec::new();
                match &spec.owner {
                    None => problems.push(Problem::new("CK08", &path).with("missing", "owner")),
                    Some(owner) if !can_act(file, name, state, spec, owner) => {
                        problems.push(Problem::new("CK14", &path).with("owner", owner));
                    }
                    Some(_) => {}
                }
                if spec.deadline.is_none() {
                    problems.push(Problem::new("CK08", &path).with("missing", "deadline"));
                }
                for problem in problems {
                    tally.problem(self.led_to(name, state, problem, budget));
                }
            }
        }
    }

    /// With the shortest way to the state, where there is one.
    fn led_to(&self, track: &str, state: &str, problem: Problem, budget: &Budget<'_>) -> Problem {
        let place = self.model.track(track).and_then(|place| {
            let states = &self.model.tracks[place].states;
            Some((place, (0u8..).zip(states).find(|(_, known)| known.name == state)?.0))
        });
        match place.map(|(place, state)| self.way_to(place, state, budget)) {
            Some(Answer::Found { trace, .. }) => {
                problem.traced(trace, Bad::At { track: track.to_owned(), state: state.to_owned() })
            }
            Some(Answer::Never { .. } | Answer::TooLarge { .. }) | None => problem,
        }
    }

    /// What never happens can be seen in a state: tracks, clocks, whether a field is known, and choices.
    fn never_readable(&self, file: &File, tally: &mut Tally) {
        let variables = self.model.definition.variables();
        for (index, never) in file.never.iter().enumerate() {
            let guard = never.when.as_deref().and_then(|guard| self.model.definition.guard(guard));
            for atom in guard.into_iter().flat_map(|guard| guard.atoms()) {
                let readable = atom.variables().into_iter().all(|name| {
                    let field = file.fields.contains_key(name);
                    let chosen = matches!(variables.get(name), Some(VarType::Bool | VarType::Enum(_)));
                    let alone = !matches!(atom, Atom::CompareVariables { .. });
                    let clock = name.split_once('.').is_some_and(|(clock, fact)| {
                        file.deadlines.contains_key(clock)
                            && ["running", "paused", "due", "missed", "past", "met", "cancelled"]
                                .contains(&fact)
                    });
                    alone
                        && (file.tracks.contains_key(name)
                            || clock
                            || (field && (chosen || matches!(atom, Atom::Has(_)))))
                });
                if !readable {
                    tally.problem(
                        Problem::new("CK21", format!("never[{index}].when")).with("atom", atom.to_string()),
                    );
                }
            }
        }
    }
}

/// Whether the owner of a state can do something there that moves it on or answers its clock.
fn can_act(file: &File, track: &str, state: &str, spec: &StateSpec, owner: &str) -> bool {
    file.acts.values().any(|act| {
        let here = act.from.get(track).is_some_and(|states| states.names().iter().any(|name| name == state));
        let moves = act.then.iter().any(|step| step.move_to.contains_key(track));
        let answers = act.then.iter().any(|step| step.meet.is_some() && step.meet == spec.deadline);
        let may = act.by.iter().any(|role| role == owner || role == "any");
        may && here && (moves || answers)
    })
}

fn clocks(file: &File, tally: &mut Tally) {
    let inspects = file.acts.values().any(|act| act.counts_as == Some(CountsAs::PassedReinspection));
    for charged_to in [ChargedTo::Enterprise, ChargedTo::Regulator].into_iter().filter(|_| inspects) {
        if !file.deadlines.values().any(|clock| clock.charged_to == charged_to) {
            let whom = if charged_to == ChargedTo::Enterprise { "enterprise" } else { "regulator" };
            tally.problem(Problem::new("CK30", "deadlines").with("charged_to", whom));
        }
    }
    for (name, clock) in &file.deadlines {
        let path = format!("deadlines.{name}");
        if clock.ladder.is_none() {
            tally.problem(Problem::new("CK08", &path).with("missing", "ladder"));
        }
        if !starts(file, name) {
            tally.problem(Problem::new("CK26", &path));
        }
        // I9: the regulator's clock runs from the due date at the latest.
        let inspected = file.deadlines.values().any(|other| other.charged_to == ChargedTo::Regulator);
        if inspected && clock.kind == DeadlineKind::Legal && clock.charged_to == ChargedTo::Enterprise {
            let mut next = clock.on_miss.iter().filter_map(|next| file.deadlines.get(next));
            if !next.any(|next| next.charged_to == ChargedTo::Regulator) {
                tally.problem(Problem::new("CK20", format!("{path}.on_miss")));
            }
        }
        for next in &clock.on_miss {
            if asks_for_a_date(file, next) {
                tally.problem(Problem::new("CK25", format!("{path}.on_miss")).with("clock", next));
            }
        }
    }
    for (name, rungs) in &file.ladders {
        for (index, rung) in rungs.iter().enumerate() {
            if let Some(clock) = rung.deadline.as_ref().filter(|clock| asks_for_a_date(file, clock)) {
                let path = format!("ladders.{name}[{index}].deadline");
                tally.problem(Problem::new("CK25", path).with("clock", clock));
            }
        }
    }
}

/// A clock that starts by itself, when another is missed or a rung fires, has nobody to ask for a date: if
/// it could not start, nothing else of the case would ever fall due.
fn asks_for_a_date(file: &File, clock: &Name) -> bool {
    let mut terms = file.deadlines.get(clock).into_iter().flat_map(|clock| clock.terms());
    terms.any(|term| term.on.is_some() || term.at.is_some() || term.from.is_some())
}

/// Whether anything starts a clock: an act, a state, a dispatch, another clock missed, or a rung.
fn starts(file: &File, clock: &Name) -> bool {
    let is = |name: &Option<Name>| name.as_ref() == Some(clock);
    let mut steps = file.acts.values().flat_map(|act| &act.then);
    let mut states = file.tracks.values().flat_map(|track| track.states.values());
    steps.any(|step| {
        is(&step.start)
            || step.assign.as_ref().is_some_and(|assign| {
                let clocks = &assign.clocks;
                is(&clocks.receipt) || is(&clocks.feedback) || is(&clocks.returned)
            })
    }) || states.any(|state| is(&state.deadline))
        || file.deadlines.values().any(|other| other.on_miss.contains(clock))
        || file.ladders.values().flatten().any(|rung| is(&rung.deadline))
}

fn acts(file: &File, tally: &mut Tally) {
    hands(file, tally);
    let regulator = |role: &String| file.roles.get(role).is_some_and(|role| role.regulator);
    for (name, act) in &file.acts {
        let path = format!("acts.{name}");
        if file.obligations == Obligations::Required {
            let sends = act.then.iter().filter_map(|step| step.assign.as_ref());
            for missing in sends.flat_map(|assign| unclocked(file, assign)) {
                tally.problem(Problem::new("CK13", format!("{path}.then")).with("missing", missing));
            }
        }
        match act.counts_as {
            Some(CountsAs::PassedReinspection) if !has_two_officers(file, act) => {
                tally.problem(Problem::new("CK07", format!("{path}.officers")));
            }
            Some(CountsAs::PassedReinspection | CountsAs::CloseOut)
                if !act.by.iter().chain(&act.enter_for).all(regulator) =>
            {
                tally.problem(Problem::new("CK07", format!("{path}.by")));
            }
            Some(
                CountsAs::PassedReinspection
                | CountsAs::CloseOut
                | CountsAs::Rectification
                | CountsAs::CompletionReport
                | CountsAs::FailedReinspection,
            )
            | None => {}
        }
    }
}

/// An act of the enterprise that the re-inspectors stand apart from is work, or its report: if it does not
/// count as such and no `never` names it, nothing proves that they stand apart from all of it. Whoever found
/// the hazard may be barred too, and is no hand.
fn hands(file: &File, tally: &mut Tally) {
    let mut named: BTreeSet<&Name> = BTreeSet::new();
    for (pass, act) in &file.acts {
        if act.counts_as == Some(CountsAs::PassedReinspection) {
            let proved = |name: &Name| {
                file.never.iter().any(|never| never.does.as_ref() == Some(pass) && never.who.contains(name))
            };
            let apart = act.apart.actor.iter().chain(&act.apart.officers);
            named.extend(apart.filter(|name| !proved(name)));
        }
    }
    for (name, act) in named.into_iter().filter_map(|name| file.acts.get_key_value(name)) {
        let outside =
            |role: &Name| role == "assignee" || file.roles.get(role).is_some_and(|role| !role.regulator);
        if act.by.iter().any(outside)
            && !matches!(act.counts_as, Some(CountsAs::Rectification | CountsAs::CompletionReport))
        {
            tally.problem(Problem::new("CK28", format!("acts.{name}.counts_as")));
        }
    }
}

/// What an assignment waits for without a clock: its receipt, the feedback of an assisting unit, and the
/// decision on a return.
fn unclocked(file: &File, assign: &Assign) -> Vec<&'static str> {
    let returns = file.acts.values().any(|act| act.assignment == Some(AssignmentMove::Return));
    let assists = assign.duty == AssignmentDuty::Assist;
    let clocks = &assign.clocks;
    let needed = [
        ("receipt", true, clocks.receipt.is_some()),
        ("feedback", assists, clocks.feedback.is_some()),
        ("returned", returns, clocks.returned.is_some()),
    ];
    needed.into_iter().filter(|(_, needed, given)| *needed && !given).map(|(name, ..)| name).collect()
}

/// Two officers at least, of a regulator's role that is bound to the competent department (I1).
fn has_two_officers(file: &File, act: &ActSpec) -> bool {
    act.officers.as_ref().is_some_and(|officers| {
        let role = file.roles.get(&officers.role).filter(|role| role.regulator);
        let field = role.and_then(|role| file.fields.get(role.unit.as_ref()?));
        officers.least >= 2 && field.is_some_and(|field| field.column == Some(Column::Department))
    })
}
