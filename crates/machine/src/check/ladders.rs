//! Ladders: that they end in a rung that repeats, tell somebody at every rung, tell somebody else
//! than the one who owes, wait for a signer with a clock, and keep what the file promises.

use std::collections::BTreeSet;

use crate::act::Measure;
use crate::check::Problem;
use crate::check::behaviour::Tally;
use crate::definition::{Definition, Offset, PlacedRung, offset};
use crate::file::{DeadlineSpec, File, Obligations};
use crate::value::Name;

pub(super) fn check(definition: &Definition, tally: &mut Tally) {
    let file = definition.file();
    for name in file.ladders.keys() {
        let rungs = definition.ladder(name);
        // For every term, however short.
        let repeats = rungs.last().is_some_and(|rung| {
            let spec = &rung.spec;
            spec.every_working_days.is_some() && spec.if_term_at_least.is_none() && hours(rung.offset) > 0
        });
        let climbed = file.deadlines.values().any(|clock| clock.ladder.as_ref() == Some(name));
        if climbed && !repeats && file.obligations == Obligations::Required {
            tally.problem(Problem::new("CK10", format!("ladders.{name}")));
        }
        for (index, rung) in rungs.iter().enumerate() {
            let path = format!("ladders.{name}[{index}]");
            let rung = &rung.spec;
            if rung.to.is_empty() && file.obligations == Obligations::Required {
                tally.problem(Problem::new("CK12", format!("{path}.to")).with("rung", &rung.rung));
            }
            if matches!(rung.measure, Measure::Draft | Measure::Propose) {
                if let Some(signer) = rung.signer.as_ref().filter(|signer| !rung.to.contains(signer)) {
                    let problem = Problem::new("CK12", format!("{path}.to")).with("rung", &rung.rung);
                    tally.problem(problem.with("signer", signer));
                }
                if rung.deadline.is_none() {
                    tally.problem(Problem::new("CK13", &path).with("missing", "deadline"));
                }
            }
        }
    }
    if file.obligations == Obligations::Required {
        for (name, clock) in &file.deadlines {
            told_to_oneself(definition, name, clock, tally);
        }
    }
    for (name, promise) in &file.promises {
        let rungs = definition.ladder(name);
        let path = format!("promises.{name}");
        for (role, places) in &promise.told {
            let mut after = i32::MIN;
            for by in places {
                if !kept(rungs, after, by, &|rung| rung.spec.to.contains(role)) {
                    let problem = Problem::new("CK24", format!("{path}.told"));
                    tally.problem(problem.with("what", role).with("by", by));
                }
                after = offset(by).map_or(after, hours);
            }
        }
        for (what, by) in &promise.done {
            if !kept(rungs, i32::MIN, by, &|rung| rung.spec.what.as_ref() == Some(what)) {
                let problem = Problem::new("CK24", format!("{path}.done"));
                tally.problem(problem.with("what", what).with("by", by));
            }
        }
    }
}

/// An escalation that only ever tells whoever owes the clock is none. Asked of each clock, not of its ladder:
/// one ladder may serve clocks of different owners.
fn told_to_oneself(definition: &Definition, name: &str, clock: &DeadlineSpec, tally: &mut Tally) {
    let Some(ladder) = &clock.ladder else { return };
    let told: BTreeSet<&Name> = definition.ladder(ladder).iter().flat_map(|rung| &rung.spec.to).collect();
    if told.is_empty() {
        // Another finding.
        return;
    }
    for owner in owners(definition.file(), name, clock) {
        if told.iter().all(|role| *role == "owner" || *role == owner) {
            let problem = Problem::new("CK29", format!("deadlines.{name}.ladder"));
            tally.problem(problem.with("ladder", ladder).with("owner", owner));
        }
    }
}

/// The roles that owe a clock: the one it names, or whoever signs what it waits for.
fn owners<'a>(file: &'a File, name: &str, clock: &'a DeadlineSpec) -> BTreeSet<&'a Name> {
    let rungs = file.ladders.values().flatten().filter(|rung| rung.deadline.as_deref() == Some(name));
    let signers: BTreeSet<&Name> = rungs.filter_map(|rung| rung.signer.as_ref()).collect();
    if signers.is_empty() { BTreeSet::from([&clock.owner]) } else { signers }
}

/// Whether a rung between two places does it. A rung for long terms only does not count.
fn kept(rungs: &[PlacedRung], after: i32, by: &str, does: &dyn Fn(&PlacedRung) -> bool) -> bool {
    let Some(by) = offset(by).map(hours) else { return false };
    rungs.iter().any(|rung| {
        let at = hours(rung.offset);
        after < at && at <= by && rung.spec.if_term_at_least.is_none() && does(rung)
    })
}

/// An offset in hours, five working days being a week: enough to put rungs in order.
fn hours(offset: Offset) -> i32 {
    match offset {
        Offset::WorkingDays(days) => days * 24 * 7 / 5,
        Offset::Days(days) => days * 24,
        Offset::Hours(hours) => hours,
    }
}
