//! What falls due: breaches and rungs, in order. The same code runs for the worker's `Tick` and before
//! every command of a person, so that nobody acts on a case whose date has passed unseen.

use crate::act::{Effect, Measure, RungRecord, RungResult};
use crate::command::Refusal;
use crate::deadline::day_of;
use crate::decide::Draft;
use crate::ladder::{is_overtaken, repetition, rung_of};
use crate::state::{Deadline, RungPlan, Subject};
use crate::time::Instant;
use crate::value::{Name, PersonId};

/// The most acts one command records; what is left comes with the next sweep.
pub(crate) const ACTS_MAX: usize = 256;

/// One thing that is due.
enum Event {
    Breach,
    Rung(RungPlan),
}

/// The next thing due by `now`: earliest first, then by number of the clock, a breach before its rungs.
fn next(deadlines: &[Deadline], now: Instant) -> Option<(Deadline, Event)> {
    let mut best: Option<(Instant, u32, Option<u32>, Event)> = None;
    for deadline in deadlines.iter().filter(|deadline| deadline.is_running()) {
        let breach = (!deadline.is_past()).then_some((deadline.breach_at, None, Event::Breach));
        let rung =
            deadline.schedule.first().map(|plan| (plan.at, Some(plan.index), Event::Rung(plan.clone())));
        for (at, index, event) in breach.into_iter().chain(rung) {
            let earlier = best.as_ref().is_none_or(|(best_at, no, best_index, _)| {
                (at, deadline.no, index) < (*best_at, *no, *best_index)
            });
            if at <= now && earlier {
                best = Some((at, deadline.no, index, event));
            }
        }
    }
    let (_, no, _, event) = best?;
    let deadline = deadlines.iter().find(|deadline| deadline.no == no)?;
    Some((deadline.clone(), event))
}

impl Draft<'_> {
    /// Emits the next thing due. `false` when nothing is.
    pub(crate) fn tick(&mut self) -> Result<bool, Refusal> {
        let Some((deadline, event)) = next(&self.state.deadlines, self.at) else { return Ok(false) };
        match event {
            Event::Breach => self.breach(&deadline)?,
            Event::Rung(plan) => self.fire(&deadline, &plan)?,
        }
        Ok(true)
    }

    fn breach(&mut self, deadline: &Deadline) -> Result<(), Refusal> {
        self.emit(Effect::DeadlineMissed { no: deadline.no });
        let Some(spec) = self.definition.deadline(&deadline.name) else { return Ok(()) };
        let due = day_of(self.facts.calendar, deadline.due);
        // What starts with a miss runs from the date that was missed, also when the worker comes late. But a
        // clock whose answer failed after its date was answered until then: nobody can have been bound to
        // look again before the day of that result, so the next look is owed from that day.
        let (mut since, mut anchor) = (deadline.breach_at, due);
        if let Some(again) = deadline.reopened_at {
            since = since.max(again);
            anchor = anchor.max(self.facts.calendar.local_date(again.utc()));
        }
        for name in &spec.on_miss {
            let open = self.state.deadline(name, Subject::Case).is_some_and(Deadline::is_open);
            if !open {
                self.start(name, Subject::Case, None, since, anchor)?;
            }
        }
        Ok(())
    }

    fn fire(&mut self, deadline: &Deadline, plan: &RungPlan) -> Result<(), Refusal> {
        let Some((ladder, rung)) = rung_of(self.definition, deadline, plan) else { return Ok(()) };
        let next = repetition(self.facts.calendar, rung, plan)?;
        let spec = &rung.spec;
        let overtaken = is_overtaken(deadline, plan, spec.measure, next.as_ref(), self.at);
        let (mut recipients, mut unreached) = (Vec::new(), Vec::new());
        if !overtaken {
            (recipients, unreached) = self.recipients(deadline, &spec.to);
        }
        self.emit(Effect::RungRecorded {
            rung: Box::new(RungRecord {
                deadline_no: deadline.no,
                revision: deadline.revision,
                ladder: ladder.to_owned(),
                rung: spec.rung.clone(),
                index: plan.index,
                repeat: plan.repeat,
                due_at: plan.at,
                result: if overtaken { RungResult::Overtaken } else { RungResult::Fired },
                measure: spec.measure,
                recipients,
                unreached,
                template: spec.template.clone(),
                next,
            }),
        });
        if matches!(spec.measure, Measure::Draft | Measure::Propose) {
            let (Some(what), Some(signer)) = (&spec.what, &spec.signer) else { return Ok(()) };
            let no = self.state.numbers.proposal + 1;
            self.emit(Effect::ProposalMade { no, what: what.clone(), signer: signer.clone() });
            if let Some(clock) = &spec.deadline {
                // The signer has the whole term from now on, however late the rung comes.
                self.start(clock, Subject::Proposal(no), Some(signer), self.at, self.today)?;
            }
        }
        Ok(())
    }

    /// The people of some roles, and the roles nobody holds. What reaches nobody goes to the fallback
    /// role as well, so that it is never lost (I11).
    fn recipients(&self, deadline: &Deadline, roles: &[Name]) -> (Vec<PersonId>, Vec<Name>) {
        let (mut people, mut unreached) = (Vec::new(), Vec::new());
        for role in roles {
            let holders = if role == "owner" {
                self.holders_of_owner(deadline)
            } else {
                self.holders(role, Subject::Case)
            };
            if holders.is_empty() {
                unreached.push(role.clone());
            }
            people.extend(holders);
        }
        if !unreached.is_empty()
            && let Some(fallback) = &self.definition.file().fallback
        {
            people.extend(self.holders(fallback, Subject::Case));
        }
        people.sort();
        people.dedup();
        (people, unreached)
    }
}
