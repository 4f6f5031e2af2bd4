//! Clocks: counting a due date, planning its rungs, moving it.

use calendar::{Calendar, CalendarError, Roll};
use chrono::{Days, NaiveDate, NaiveTime};

use crate::act::{Effect, End, MoveReason, Remaining};
use crate::command::{ClockProblem, DateProblem, ExtensionProblem, Refusal};
use crate::decide::Draft;
use crate::definition::number;
use crate::file::{ConditionalTerm, Extend, TermSpec};
use crate::state::{Deadline, Resumed, State, Status, Subject, Term};
use crate::time::{Due, Instant};
use crate::value::{Name, Value};

/// A counted due date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) due: Due,
    pub(crate) breach_at: Instant,
    pub(crate) provisional: bool,
}

impl From<CalendarError> for Refusal {
    fn from(error: CalendarError) -> Self {
        let (date, problem) = match error {
            CalendarError::OutOfRange { date } => (date, DateProblem::OutOfRange),
            CalendarError::CountOutOfRange { start, .. } => (start.to_string(), DateProblem::OutOfRange),
            CalendarError::NotADate { text, .. } => (text, DateProblem::NotADate),
            // The rest is about files, which no command reads.
            other => (other.to_string(), DateProblem::NotADate),
        };
        Refusal::Date { date, problem }
    }
}

/// The rule of a clock, with its numbers.
pub(crate) fn term(spec: &TermSpec) -> Term {
    match spec {
        TermSpec { on: Some(field), working_days: Some(days), .. } => {
            Term::Before { field: field.clone(), working_days: number(days) }
        }
        TermSpec { on: Some(field), .. } => Term::On(field.clone()),
        TermSpec { at: Some(field), .. } => Term::At(field.clone()),
        TermSpec { working_days: Some(days), .. } => Term::WorkingDays(number(days)),
        TermSpec { months: Some(months), .. } => Term::Months(number(months)),
        TermSpec { hours: Some(hours), .. } => Term::Hours(number(hours)),
        TermSpec { calendar_days, roll, .. } => {
            let days = calendar_days.as_ref().map_or(0, number);
            Term::CalendarDays { days, roll: roll.unwrap_or(true) }
        }
    }
}

/// The date in a field of the case.
pub(crate) fn date_field(state: &State, field: &str) -> Result<NaiveDate, Refusal> {
    let text = state.fields.get(field).and_then(Value::as_text);
    let text = text.ok_or_else(|| Refusal::MissingFields { fields: vec![field.to_owned()] })?;
    Ok(calendar::parse_date(text)?)
}

/// The moment in a field of the case.
fn moment_field(state: &State, field: &str) -> Result<Instant, Refusal> {
    let text = state.fields.get(field).and_then(Value::as_text);
    let text = text.ok_or_else(|| Refusal::MissingFields { fields: vec![field.to_owned()] })?;
    text.parse().map_err(|_| Refusal::Date { date: text.to_owned(), problem: DateProblem::NotAMoment })
}

/// A due moment: the moment itself is still in time, one microsecond later is not.
fn due_moment(due: Instant) -> Counted {
    Counted { due: Due::Moment(due), breach_at: due.plus_micros(1), provisional: false }
}

/// Counts a due date: `anchor` itself is not counted; hours run from `from`.
pub(crate) fn count(
    calendar: &Calendar,
    state: &State,
    term: &Term,
    anchor: NaiveDate,
    from: Instant,
) -> Result<Counted, Refusal> {
    let counted = match term {
        Term::On(field) => return due_day(calendar, date_field(state, field)?),
        Term::At(field) => return Ok(due_moment(moment_field(state, field)?)),
        Term::WorkingDays(days) => calendar.add_working_days(anchor, *days)?,
        Term::CalendarDays { days, roll } => calendar.add_calendar_days(anchor, *days, rolling(*roll))?,
        Term::Months(months) => calendar.add_months(anchor, *months, Roll::NextWorkingDay)?,
        Term::Before { field, working_days } => {
            calendar.sub_working_days(date_field(state, field)?, *working_days)?
        }
        Term::Hours(hours) => {
            return Ok(due_moment(from.plus_micros(i64::from(*hours) * 3_600_000_000)));
        }
    };
    Ok(Counted { provisional: counted.provisional, ..due_day(calendar, counted.date)? })
}

/// Counts what was left of a stopped clock, from the day it ran again. A term that rolls over a day off
/// does so at its end, however often it was stopped (民法典 203).
pub(crate) fn count_left(calendar: &Calendar, term: &Term, resumed: &Resumed) -> Result<Counted, Refusal> {
    let day = calendar.local_date(resumed.at.utc());
    let counted = match resumed.remaining {
        Remaining::Micros(micros) => return Ok(due_moment(resumed.at.plus_micros(micros))),
        Remaining::WorkingDays(days) => calendar.add_working_days(day, days)?,
        Remaining::CalendarDays(days) => {
            let rolls = matches!(term, Term::CalendarDays { roll: true, .. } | Term::Months(_));
            calendar.add_calendar_days(day, days, rolling(rolls))?
        }
    };
    let due = due_day(calendar, counted.date)?;
    Ok(Counted { provisional: due.provisional || counted.provisional, ..due })
}

/// The day the calendar days left of a clock are counted to: of a term that rolled over, the day before it
/// did, or every pause would make it longer.
fn nominal(calendar: &Calendar, deadline: &Deadline, due: NaiveDate) -> Result<NaiveDate, Refusal> {
    let counted = match (&deadline.resumed, &deadline.term) {
        (Some(Resumed { at, remaining: Remaining::CalendarDays(days) }), _) => {
            calendar.add_calendar_days(calendar.local_date(at.utc()), *days, Roll::None)?
        }
        (None, Term::CalendarDays { days, .. }) if !deadline.is_granted() => {
            calendar.add_calendar_days(deadline.anchor, *days, Roll::None)?
        }
        (None, Term::Months(months)) if !deadline.is_granted() => {
            calendar.add_months(deadline.anchor, *months, Roll::None)?
        }
        _ => return Ok(due),
    };
    Ok(counted.date)
}

fn rolling(roll: bool) -> Roll {
    if roll { Roll::NextWorkingDay } else { Roll::None }
}

/// A due day: the breach falls at 00:00 of the next local day (I9).
pub(crate) fn due_day(calendar: &Calendar, day: NaiveDate) -> Result<Counted, Refusal> {
    let next = day.checked_add_days(Days::new(1)).filter(|next| *next <= calendar::LATEST);
    let next =
        next.ok_or_else(|| Refusal::Date { date: day.to_string(), problem: DateProblem::OutOfRange })?;
    Ok(Counted {
        due: Due::Day(day),
        breach_at: Instant::new(calendar.instant(next, NaiveTime::MIN)),
        provisional: calendar.is_provisional(day),
    })
}

/// The local day a due date falls on.
pub(crate) fn day_of(calendar: &Calendar, due: Due) -> NaiveDate {
    match due {
        Due::Day(day) => day,
        Due::Moment(moment) => calendar.local_date(moment.utc()),
    }
}

impl Draft<'_> {
    /// Starts a clock. `since` is the moment it counts as armed (rungs at or before it do not apply),
    /// `anchor` the day it is counted from unless its term names a field.
    pub(crate) fn start(
        &mut self,
        name: &str,
        subject: Subject,
        owner: Option<&str>,
        since: Instant,
        anchor: NaiveDate,
    ) -> Result<(), Refusal> {
        let Some(spec) = self.definition.deadline(name) else { return Ok(()) };
        let calendar = self.facts.calendar;
        let (rule, term_when) = self.choose(&spec.term, &spec.term_if);
        let mut term = term(rule);
        let (anchor, since) = match &rule.from {
            Some(_) => (anchor, since),
            None => self.not_before_going_live(&term, anchor, since),
        };
        let (anchor, from) = match &rule.from {
            Some(field) => {
                let day = date_field(&self.state, field)?;
                (day, due_day(calendar, day)?.breach_at)
            }
            None => (anchor, since),
        };
        let mut counted = count(calendar, &self.state, &term, anchor, from)?;
        if let Term::Before { field, .. } = &term
            && day_of(calendar, counted.due) < calendar.local_date(self.state.opened_at.utc())
        {
            // Nobody can be late for a milestone that lay behind when the case was opened. What it asks
            // for is owed all the same, by the day it is counted back from.
            term = Term::On(field.clone());
            counted = count(calendar, &self.state, &term, anchor, from)?;
        }
        let (schedule, not_applicable) = self.plan_first(name, &counted, anchor, self.unmuted(since))?;
        let no = self.state.numbers.deadline + 1;
        let deadline = Deadline {
            no,
            name: name.to_owned(),
            subject,
            kind: spec.kind,
            charged_to: spec.charged_to,
            owner: owner.unwrap_or(&spec.owner).to_owned(),
            started_at: since,
            anchor,
            term,
            term_when: term_when.map(str::to_owned),
            calendar: calendar.id().to_owned(),
            calendar_version: calendar.version().to_owned(),
            first_due: counted.due,
            due: counted.due,
            due_day: day_of(calendar, counted.due),
            breach_at: counted.breach_at,
            provisional: counted.provisional,
            revision: 0,
            extensions: 0,
            history: Vec::new(),
            resumed: None,
            reopened_at: None,
            missed_at: None,
            respite: false,
            status: Status::Running,
            ended_by: None,
            schedule,
            recorded: Vec::new(),
        };
        self.emit(Effect::DeadlineStarted { deadline: Box::new(deadline) });
        self.record_not_applicable(no, 0, not_applicable);
        Ok(())
    }

    /// An old ledger binds nobody before it goes live: what is counted in days or hours from a step taken
    /// there runs from that day.
    fn not_before_going_live(&self, term: &Term, anchor: NaiveDate, since: Instant) -> (NaiveDate, Instant) {
        match (self.state.muted_until, term) {
            (
                Some(live),
                Term::WorkingDays(_) | Term::CalendarDays { .. } | Term::Months(_) | Term::Hours(_),
            ) => (anchor.max(self.facts.calendar.local_date(live.utc())), since.max(live)),
            (None, _) | (Some(_), Term::On(_) | Term::At(_) | Term::Before { .. }) => (anchor, since),
        }
    }

    /// The first term whose guard holds, with that guard; otherwise the ordinary one.
    pub(crate) fn choose<'s>(
        &self,
        ordinary: &'s TermSpec,
        cases: &'s [ConditionalTerm],
    ) -> (&'s TermSpec, Option<&'s str>) {
        match cases.iter().find(|case| self.holds(&case.when)) {
            Some(case) => (&case.term, Some(&case.when)),
            None => (ordinary, None),
        }
    }

    /// Ends the newest open clock of this name, if there is one. A clock met after its breach stays
    /// breached, also when one act starts and meets it: what was due before that act came late.
    pub(crate) fn end(&mut self, name: &str, subject: Subject, end: End) {
        let open = self.state.deadline(name, subject).filter(|deadline| deadline.is_open());
        let Some(deadline) = open else { return };
        let no = deadline.no;
        let late = deadline.is_running() && !deadline.is_past() && self.at >= deadline.breach_at;
        if late && end == End::Met {
            self.emit(Effect::DeadlineMissed { no });
        }
        self.emit(Effect::DeadlineEnded { no, end });
    }

    /// Stops a clock and keeps what is left of it.
    pub(crate) fn pause(&mut self, name: &str) -> Result<(), Refusal> {
        let clock = |problem| Refusal::Clock { deadline: name.to_owned(), problem };
        let running = self.state.deadline(name, Subject::Case).filter(|deadline| deadline.is_running());
        let deadline = running.ok_or_else(|| clock(ClockProblem::NotRunning))?;
        if deadline.missed_at.is_some() {
            return Err(clock(ClockProblem::Missed));
        }
        let calendar = self.facts.calendar;
        let days = |count: i64| u32::try_from(count).unwrap_or(0);
        let remaining = match (deadline.due, &deadline.term) {
            (Due::Moment(moment), _) => Remaining::Micros(moment.micros() - self.at.micros()),
            (Due::Day(day), Term::WorkingDays(_)) => {
                Remaining::WorkingDays(days(calendar.count_working_days(self.today, day)))
            }
            (Due::Day(day), _) => {
                let nominal = nominal(calendar, deadline, day)?;
                Remaining::CalendarDays(days((nominal - self.today).num_days()))
            }
        };
        let no = deadline.no;
        self.emit(Effect::DeadlinePaused { no, remaining });
        Ok(())
    }

    /// Runs a stopped clock: what was left is counted from today.
    pub(crate) fn resume(&mut self, name: &str) -> Result<(), Refusal> {
        let deadline = self.state.deadline(name, Subject::Case);
        let Some((deadline, remaining)) = deadline.and_then(|deadline| match deadline.status {
            Status::Paused { remaining, .. } => Some((deadline, remaining)),
            Status::Running | Status::Ended { .. } => None,
        }) else {
            return Err(Refusal::Clock { deadline: name.to_owned(), problem: ClockProblem::NotPaused });
        };
        let resumed = Resumed { at: self.at, remaining };
        let counted = count_left(self.facts.calendar, &deadline.term, &resumed)?;
        self.move_to(deadline.no, MoveReason::Resumed, counted)
    }

    /// Runs a clock again whose answer was not accepted. Its date does not move: rungs after the due
    /// date that passed meanwhile are still to come, and the worker records them at once. What was
    /// recorded before the answer stays recorded and does not come twice.
    pub(crate) fn reopen(&mut self, name: &str) -> Result<(), Refusal> {
        let Some(deadline) = self.state.deadline(name, Subject::Case) else {
            return Err(Refusal::Clock { deadline: name.to_owned(), problem: ClockProblem::NotRunning });
        };
        if deadline.is_open() {
            return Ok(());
        }
        let counted =
            Counted { due: deadline.due, breach_at: deadline.breach_at, provisional: deadline.provisional };
        self.move_to(deadline.no, MoveReason::Reopened, counted)
    }

    /// Checks an extension: asked before expiry and early enough, not too often, later than the date that
    /// stands, within the cap. Asked in time it may be granted after expiry: how long the decision takes is
    /// not for the unit to say. The breach that fell meanwhile stays.
    pub(crate) fn check_extension(&self, extend: &Extend, asking: bool) -> Result<(), Refusal> {
        let refuse = |problem| Refusal::Extension { deadline: extend.deadline.clone(), problem };
        self.check_extensible(&extend.deadline, asking)?;
        let spec = self.definition.deadline(&extend.deadline).and_then(|spec| spec.extension.as_ref());
        let Some((spec, deadline)) = spec.zip(self.state.deadline(&extend.deadline, Subject::Case)) else {
            return Ok(());
        };
        let calendar = self.facts.calendar;
        let due = day_of(calendar, deadline.due);
        let new = date_field(&self.state, &extend.to)?;
        if new <= due {
            return Err(refuse(ExtensionProblem::NotLater { due }));
        }
        let cap = calendar.add_calendar_days(deadline.anchor, number(&spec.cap_days), Roll::None)?.date;
        if new > cap {
            return Err(refuse(ExtensionProblem::BeyondCap { latest: cap }));
        }
        Ok(())
    }

    /// Whether a date can be moved at all by now, to whatever day. Gives the last day to ask.
    pub(crate) fn check_extensible(&self, name: &str, asking: bool) -> Result<NaiveDate, Refusal> {
        let refuse = |problem| Refusal::Extension { deadline: name.to_owned(), problem };
        let spec = self.definition.deadline(name).and_then(|spec| spec.extension.as_ref());
        let running = self.state.deadline(name, Subject::Case).filter(|d| d.is_running());
        let Some((spec, deadline)) = spec.zip(running) else {
            return Err(Refusal::Clock { deadline: name.to_owned(), problem: ClockProblem::NotRunning });
        };
        let is_open = |clock: &Name| self.state.deadline(clock, Subject::Case).is_some_and(Deadline::is_open);
        let pending = !asking && spec.decision.as_ref().is_some_and(is_open);
        if deadline.is_past() && !pending {
            return Err(refuse(ExtensionProblem::Expired));
        }
        let times = number(&spec.times);
        if deadline.extensions >= times {
            return Err(refuse(ExtensionProblem::TooOften { times }));
        }
        let latest = self.latest_request(spec, deadline, day_of(self.facts.calendar, deadline.due))?;
        if asking && self.today > latest {
            return Err(refuse(ExtensionProblem::TooLate { latest }));
        }
        Ok(latest)
    }

    /// The last day an extension may be asked for: so many working days before the due date, or a part
    /// of the term if that is less.
    fn latest_request(
        &self,
        spec: &crate::file::ExtensionSpec,
        deadline: &Deadline,
        due: NaiveDate,
    ) -> Result<NaiveDate, Refusal> {
        let calendar = self.facts.calendar;
        let conditional = spec.lead_working_days_if.iter().find(|case| self.holds(&case.when));
        let lead = match conditional {
            Some(case) => number(&case.number),
            None => {
                let lead = number(&spec.lead_working_days);
                let first = day_of(calendar, deadline.first_due);
                let term = u32::try_from(calendar.count_working_days(deadline.anchor, first)).unwrap_or(0);
                spec.lead_fraction.map_or(lead, |part| lead.min(term / part.max(1)))
            }
        };
        Ok(if lead == 0 { due } else { calendar.sub_working_days(due, lead)?.date })
    }

    /// Moves a legal date to an approved day.
    pub(crate) fn extend(&mut self, extend: &Extend) -> Result<(), Refusal> {
        self.check_extension(extend, false)?;
        let new = date_field(&self.state, &extend.to)?;
        let Some(deadline) = self.state.deadline(&extend.deadline, Subject::Case) else {
            return Ok(());
        };
        let counted = due_day(self.facts.calendar, new)?;
        self.move_to(deadline.no, MoveReason::Extended, counted)
    }

    /// Counts every running clock again with the calendar at hand. What stays as it was is left alone.
    pub(crate) fn recalculate_all(&mut self) -> Result<(), Refusal> {
        for deadline in self.state.deadlines.clone().iter().filter(|deadline| deadline.is_running()) {
            self.recalculate(deadline)?;
        }
        Ok(())
    }

    fn recalculate(&mut self, deadline: &Deadline) -> Result<(), Refusal> {
        let counted = self.recount(deadline)?;
        let (schedule, _) = self.plan_again(deadline, &counted)?;
        let same = counted.due == deadline.due && counted.provisional == deadline.provisional;
        if same && schedule == deadline.schedule {
            return Ok(());
        }
        self.move_to(deadline.no, MoveReason::Recalculated, counted)
    }

    /// The date of a clock by the calendar at hand.
    fn recount(&self, deadline: &Deadline) -> Result<Counted, Refusal> {
        let (calendar, breach_at) = (self.facts.calendar, deadline.breach_at);
        match (deadline.due, &deadline.resumed) {
            // Elapsed hours know no calendar; only their rungs do.
            (Due::Moment(_), _) => {
                Ok(Counted { due: deadline.due, breach_at, provisional: deadline.provisional })
            }
            // A breach is permanent, and so is the date it was measured by; only its rungs are planned anew.
            (Due::Day(day), _) if deadline.missed_at.is_some() => {
                Ok(Counted { breach_at, ..due_day(calendar, day)? })
            }
            (Due::Day(_), Some(resumed)) => count_left(calendar, &deadline.term, resumed),
            // The day somebody granted stands as it was granted.
            (Due::Day(day), None) if deadline.is_granted() => due_day(calendar, day),
            (Due::Day(_), None) => {
                count(calendar, &self.state, &deadline.term, deadline.anchor, deadline.started_at)
            }
        }
    }

    fn move_to(&mut self, no: u32, why: MoveReason, counted: Counted) -> Result<(), Refusal> {
        let calendar = self.facts.calendar;
        let Some(deadline) = self.state.numbered(no) else { return Ok(()) };
        let (schedule, not_applicable) = self.plan_again(deadline, &counted)?;
        let revision = self.state.numbers.revision + 1;
        self.emit(Effect::DeadlineMoved {
            no,
            revision,
            why,
            due: counted.due,
            due_day: day_of(calendar, counted.due),
            working_days_left: calendar.count_working_days(self.today, day_of(calendar, deadline.due)),
            breach_at: counted.breach_at,
            provisional: counted.provisional,
            calendar_version: calendar.version().to_owned(),
            schedule,
        });
        self.record_not_applicable(no, revision, not_applicable);
        Ok(())
    }
}
