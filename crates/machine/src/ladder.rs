//! Ladders: planning the rungs of a clock.

use calendar::Calendar;
use chrono::{Duration, NaiveDate, NaiveTime};

use crate::act::{Effect, Measure, RungRecord, RungResult};
use crate::command::{DateProblem, Refusal};
use crate::deadline::{Counted, day_of, due_day};
use crate::decide::Draft;
use crate::definition::{Definition, Offset, PlacedRung, number};
use crate::state::{Deadline, RungPlan};
use crate::time::{Due, Instant};

fn rung_at(calendar: &Calendar, due: Due, rung: &PlacedRung) -> Result<Instant, Refusal> {
    let day = day_of(calendar, due);
    let day = match rung.offset {
        Offset::WorkingDays(0) => day,
        Offset::WorkingDays(days) if days > 0 => calendar.add_working_days(day, days.unsigned_abs())?.date,
        Offset::WorkingDays(days) => calendar.sub_working_days(day, days.unsigned_abs())?.date,
        Offset::Days(days) => {
            let moved = day.checked_add_signed(Duration::days(i64::from(days)));
            moved.ok_or_else(|| Refusal::Date { date: day.to_string(), problem: DateProblem::OutOfRange })?
        }
        Offset::Hours(hours) => {
            let from = match due {
                Due::Moment(moment) => moment,
                Due::Day(day) => due_day(calendar, day)?.breach_at,
            };
            return Ok(from.plus_micros(i64::from(hours) * 3_600_000_000));
        }
    };
    Ok(Instant::new(calendar.instant(day, rung.time)))
}

/// The rungs of a ladder: those to come, and those that do not apply (their moment lies at or before
/// `since`, or the term is too short for them). `recorded` holds the newest record of each rung for this
/// very date: it is on record once and for all, only its repetitions are to come.
pub(crate) fn plan(
    calendar: &Calendar,
    ladder: &[PlacedRung],
    due: Due,
    anchor: NaiveDate,
    since: Instant,
    recorded: &[RungPlan],
) -> Result<(Vec<RungPlan>, Vec<RungPlan>), Refusal> {
    let term_days = || calendar.count_working_days(anchor, day_of(calendar, due));
    let (mut to_come, mut not_applicable) = (Vec::new(), Vec::new());
    for (index, rung) in (0u32..).zip(ladder) {
        let plan = RungPlan { index, repeat: 0, at: rung_at(calendar, due, rung)? };
        let too_short =
            rung.spec.if_term_at_least.as_ref().is_some_and(|least| term_days() < i64::from(number(least)));
        let last = recorded.iter().find(|last| last.index == index);
        if !too_short && (last.is_some() || plan.at <= since) {
            to_come.extend(next_after(calendar, rung, last.unwrap_or(&plan), since)?);
        }
        if last.is_none() {
            if plan.at <= since || too_short { &mut not_applicable } else { &mut to_come }.push(plan);
        }
    }
    to_come.sort_by_key(|plan| (plan.at, plan.index));
    Ok((to_come, not_applicable))
}

/// The next repetition of a rung that is behind. Its turns up to `since` are left out, but there is always
/// one more: a ladder never ends before its clock.
fn next_after(
    calendar: &Calendar,
    rung: &PlacedRung,
    last: &RungPlan,
    since: Instant,
) -> Result<Option<RungPlan>, Refusal> {
    let next = repetition(calendar, rung, last)?;
    if next.as_ref().is_some_and(|next| next.at <= since) {
        return repetition(calendar, rung, &RungPlan { at: since, ..last.clone() });
    }
    Ok(next)
}

/// The repetition after `plan`, for a rung that repeats.
pub(crate) fn repetition(
    calendar: &Calendar,
    rung: &PlacedRung,
    plan: &RungPlan,
) -> Result<Option<RungPlan>, Refusal> {
    let Some(every) = &rung.spec.every_working_days else { return Ok(None) };
    let day = calendar.add_working_days(calendar.local_date(plan.at.utc()), number(every).max(1))?.date;
    let at = Instant::new(calendar.instant(day, rung.time));
    Ok(Some(RungPlan { index: plan.index, repeat: plan.repeat + 1, at }))
}

/// The compiled rung of a plan.
pub(crate) fn rung_of<'d>(
    definition: &'d Definition,
    deadline: &Deadline,
    plan: &RungPlan,
) -> Option<(&'d str, &'d PlacedRung)> {
    let ladder = definition.deadline(&deadline.name)?.ladder.as_deref()?;
    Some((ladder, definition.ladder(ladder).get(usize::try_from(plan.index).ok()?)?))
}

impl Draft<'_> {
    /// The rungs of a clock that starts.
    pub(crate) fn plan_first(
        &self,
        clock: &str,
        counted: &Counted,
        anchor: NaiveDate,
        armed: Instant,
    ) -> Result<(Vec<RungPlan>, Vec<RungPlan>), Refusal> {
        let calendar = self.facts.calendar;
        let ladder = self.ladder_of(clock);
        let (mut to_come, mut not_applicable) = plan(calendar, ladder, counted.due, anchor, armed, &[])?;
        to_come.extend(self.told_on_going_live(ladder, counted, &mut not_applicable));
        to_come.sort_by_key(|plan| (plan.at, plan.index));
        Ok((to_come, not_applicable))
    }

    /// Of a date of an old ledger that had passed when it went live, the first rung after it: it tells those
    /// who owe it, on that day. The others stay away, so that not everything comes at once.
    fn told_on_going_live(
        &self,
        ladder: &[PlacedRung],
        counted: &Counted,
        not_applicable: &mut Vec<RungPlan>,
    ) -> Option<RungPlan> {
        let live = self.state.muted_until.filter(|live| counted.breach_at <= *live)?;
        let after = |plan: &RungPlan| plan.repeat == 0 && plan.at >= counted.breach_at;
        let mut first = not_applicable.remove(not_applicable.iter().position(after)?);
        let rung = usize::try_from(first.index).ok().and_then(|index| ladder.get(index));
        let time = rung.map_or(NaiveTime::MIN, |rung| rung.time);
        let calendar = self.facts.calendar;
        first.at = Instant::new(calendar.instant(calendar.local_date(live.utc()), time));
        Some(first)
    }

    /// The rungs of a clock at a date it moves to, or stands at in a new calendar or after its answer was
    /// not accepted. Reminders that passed do not apply; what comes after the date is owed all the same,
    /// from now on: until now the clock stood elsewhere, so nobody is late with it.
    pub(crate) fn plan_again(
        &self,
        deadline: &Deadline,
        counted: &Counted,
    ) -> Result<(Vec<RungPlan>, Vec<RungPlan>), Refusal> {
        let recorded = if counted.due == deadline.due { &deadline.recorded[..] } else { &[] };
        let since = self.unmuted(self.at.min(counted.breach_at).max(deadline.started_at));
        let ladder = self.ladder_of(&deadline.name);
        let (mut to_come, mut not_applicable) =
            plan(self.facts.calendar, ladder, counted.due, deadline.anchor, since, recorded)?;
        // Once: a ledger that lives has told it already, and a date that moved tells by its own rungs.
        if self.state.muted_until.is_some_and(|live| self.at < live) {
            to_come.extend(self.told_on_going_live(ladder, counted, &mut not_applicable));
        }
        for plan in &mut to_come {
            plan.at = plan.at.max(self.at);
        }
        to_come.sort_by_key(|plan| (plan.at, plan.index));
        Ok((to_come, not_applicable))
    }

    pub(crate) fn ladder_of(&self, clock: &str) -> &'_ [PlacedRung] {
        let ladder = self.definition.deadline(clock).and_then(|spec| spec.ladder.as_deref());
        ladder.map_or(&[][..], |ladder| self.definition.ladder(ladder))
    }

    /// The moment after which rungs apply: an imported case calls nobody before it goes live.
    pub(crate) fn unmuted(&self, since: Instant) -> Instant {
        self.state.muted_until.map_or(since, |live| since.max(live))
    }

    /// Records rungs that lie before the clock: skipped, but not in silence (I11).
    pub(crate) fn record_not_applicable(&mut self, no: u32, revision: u32, plans: Vec<RungPlan>) {
        for plan in plans {
            let clock = self.state.numbered(no);
            let placed = clock.and_then(|deadline| rung_of(self.definition, deadline, &plan));
            let Some((ladder, rung)) = placed else { continue };
            self.emit(Effect::RungRecorded {
                rung: Box::new(RungRecord {
                    deadline_no: no,
                    revision,
                    ladder: ladder.to_owned(),
                    rung: rung.spec.rung.clone(),
                    index: plan.index,
                    repeat: plan.repeat,
                    due_at: plan.at,
                    result: RungResult::NotApplicable,
                    measure: rung.spec.measure,
                    recipients: Vec::new(),
                    unreached: Vec::new(),
                    template: None,
                    next: None,
                }),
            });
        }
    }
}

/// A reminder is overtaken when something later of the same clock is due as well.
pub(crate) fn is_overtaken(
    deadline: &Deadline,
    plan: &RungPlan,
    measure: Measure,
    next: Option<&RungPlan>,
    now: Instant,
) -> bool {
    if measure != Measure::Remind {
        return false;
    }
    let breach = (!deadline.is_past()).then_some(deadline.breach_at);
    let later = deadline.schedule.iter().filter(|other| other.index != plan.index).chain(next);
    let later = later.map(|other| other.at).chain(breach).filter(|at| *at > plan.at).min();
    later.is_some_and(|at| at <= now)
}
