//! Why a date is what it is, what moved it, what comes next, and who owes it. Data with codes: the words
//! are made elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calendar::{Calendar, DayKind, Roll};
use chrono::{Days, NaiveDate};
use serde::Serialize;

use crate::act::{Act, Effect, Measure, MoveReason, Remaining, RungRecord};
use crate::command::Directory;
use crate::deadline::day_of;
use crate::definition::Definition;
use crate::ladder::rung_of;
use crate::people::scope;
use crate::state::{ChargedTo, Deadline, DeadlineKind, RungPlan, State, Status, Subject, Term};
use crate::time::{Due, Instant};
use crate::value::{Name, PersonId, UnitId, Value};

/// The account of one clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Number of the case.
    pub number: String,
    /// Number of the clock.
    pub no: u32,
    /// The clock.
    pub name: Name,
    /// What it belongs to.
    pub subject: Subject,
    /// Legal date, step clock or parallel duty.
    pub kind: DeadlineKind,
    /// Whose overdue flag it raises.
    pub charged_to: ChargedTo,
    /// The rule.
    pub rule: Rule,
    /// The calendar it was counted with.
    pub calendar: Name,
    /// The version the date that stands was counted with.
    pub calendar_version: String,
    /// Some of the days counted lie beyond the published calendar.
    pub provisional: bool,
    /// The first due date.
    pub first_due: Due,
    /// The due date now.
    pub due: Due,
    /// How each of its due dates was counted, the first one first.
    pub legs: Vec<Leg>,
    /// When the clock stood still.
    pub pauses: Vec<Pause>,
    /// Where it stands.
    pub status: Status,
    /// When the breach fell, or falls unless the case moves.
    pub breach_at: Instant,
    /// The breach has fallen. It is permanent.
    pub missed: bool,
    /// Calendar days after the due date, once that has passed and the clock still runs.
    pub days_overdue: Option<i64>,
    /// Rungs recorded so far.
    pub recorded: Vec<RungRecord>,
    /// The next rung.
    pub next: Option<NextRung>,
    /// Who owes it.
    pub owner: Owner,
}

/// The rule a date was counted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The term.
    pub term: Term,
    /// The guard that chose it.
    pub when: Option<String>,
    /// The date in the field the term names.
    pub given: Option<String>,
    /// The day it is counted from, itself not counted.
    pub anchor: NaiveDate,
    /// The moment elapsed hours are counted from.
    pub hours_from: Option<Instant>,
    /// Where the rule comes from.
    pub source: Option<String>,
}

/// How one due date was counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leg {
    /// Why there is a new date; none for the first.
    pub why: Option<MoveReason>,
    /// The act that gave it; none for the first.
    pub by: Option<MovedBy>,
    /// Counted from this day, itself not counted.
    pub from: NaiveDate,
    /// To this one, which is the due date unless it was counted back.
    pub to: NaiveDate,
    /// The due date.
    pub due: Due,
    /// The day it would have been, had that been a working day.
    pub rolled_from: Option<NaiveDate>,
    /// Days between.
    pub calendar_days: i64,
    /// Of those, working days.
    pub working_days: i64,
    /// The version of the calendar it was counted with.
    pub calendar_version: String,
    /// Counted beyond what that version knew: the date was provisional.
    pub provisional: bool,
    /// The days, folded.
    pub days: Vec<Span>,
}

/// Which act moved a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MovedBy {
    /// Its number.
    pub version: u32,
    /// The act.
    pub act: Name,
    /// When.
    pub at: Instant,
    /// Who; none for the worker.
    pub person: Option<PersonId>,
    /// Why.
    pub reason: Option<String>,
}

/// Days of one kind that follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The first.
    pub from: NaiveDate,
    /// The last.
    pub to: NaiveDate,
    /// What they are.
    pub kind: DayKind,
    /// The holiday they are off for.
    pub holiday: Option<String>,
    /// Number of the first one among the working days counted.
    pub first: Option<u32>,
    /// Number of the last one.
    pub last: Option<u32>,
    /// Their year is not published.
    pub provisional: bool,
}

/// A time a clock stood still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// The act that stopped it.
    pub by: MovedBy,
    /// When it ran again.
    pub until: Option<Instant>,
    /// What was left.
    pub remaining: Remaining,
}

/// The rung that comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextRung {
    /// The ladder.
    pub ladder: Name,
    /// The rung.
    pub rung: Name,
    /// When.
    pub at: Instant,
    /// 0, then 1, 2, … for a rung that repeats.
    pub repeat: u32,
    /// What it does.
    pub measure: Measure,
    /// What it marks, drafts or proposes.
    pub what: Option<Name>,
    /// The role that signs.
    pub signer: Option<Name>,
    /// The roles it tells.
    pub to: Vec<Name>,
    /// The people behind them today.
    pub people: Vec<PersonId>,
    /// Comes back every so many working days.
    pub every_working_days: Option<u32>,
}

/// Who owes a clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// The role.
    pub role: Name,
    /// The unit, where the role is bound to one.
    pub unit: Option<UnitId>,
    /// The people behind it today.
    pub people: Vec<PersonId>,
}

/// What is needed to explain a clock.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The definition of the case.
    pub definition: &'a Definition,
    /// Its state.
    pub state: &'a State,
    /// Its acts.
    pub acts: &'a [Act],
    /// The version of the calendar the clock was counted with.
    pub calendar: &'a Calendar,
    /// Every version of it a date of the case was counted with, by version.
    pub counted_with: &'a BTreeMap<String, Arc<Calendar>>,
    /// Who holds which post.
    pub directory: &'a Directory,
    /// The time.
    pub now: Instant,
}

/// The versions of the calendar the dates of a case were counted with.
pub fn versions(acts: &[Act]) -> BTreeSet<&str> {
    let effects = acts.iter().flat_map(|act| &act.effects);
    let versions = effects.filter_map(|effect| match effect {
        Effect::DeadlineStarted { deadline } => Some(deadline.calendar_version.as_str()),
        Effect::DeadlineMoved { calendar_version, .. } => Some(calendar_version.as_str()),
        _ => None,
    });
    versions.collect()
}

/// The clock somebody means, or the newest of the name given. Without a name: the legal date while it is open,
/// then what is overdue, then what is open, what blocks before what does not, the earliest date first; where
/// nothing is open any more, the legal date as it ended.
pub fn choose<'a>(state: &'a State, name: Option<&str>, now: Instant) -> Option<&'a Deadline> {
    let deadlines = || state.deadlines.iter().filter(|d| name.is_none_or(|name| d.name == name));
    let is_legal = |d: &&Deadline| d.kind == DeadlineKind::Legal;
    if name.is_none() {
        let overdue = deadlines().filter(|d| d.is_running() && d.breach_at <= now);
        let meant = deadlines().rev().filter(is_legal).find(|d| d.is_open());
        let meant = meant.or_else(|| overdue.min_by_key(|d| (d.kind == DeadlineKind::Duty, d.breach_at)));
        if let Some(meant) = meant {
            return Some(meant);
        }
        if !deadlines().any(Deadline::is_open) {
            return deadlines().rev().find(is_legal).or_else(|| deadlines().max_by_key(|d| d.no));
        }
    }
    deadlines().min_by_key(|d| {
        let order = if d.is_open() { i64::from(d.no) } else { -i64::from(d.no) };
        (!d.is_open(), d.kind == DeadlineKind::Duty, d.breach_at, order)
    })
}

/// Explains a clock.
pub fn explain(context: &Context<'_>, deadline: &Deadline) -> Explanation {
    let Context { definition, state, calendar, now, .. } = *context;
    let (legs, pauses) = moves(context, deadline);
    // A clock may have been planned anew with a newer calendar, its date left as it was.
    let version = legs.last().map_or(&deadline.calendar_version, |leg| &leg.calendar_version).clone();
    let overdue = deadline.is_running() && deadline.breach_at <= now;
    let due = day_of(calendar, deadline.due);
    Explanation {
        number: state.number.clone(),
        no: deadline.no,
        name: deadline.name.clone(),
        subject: deadline.subject,
        kind: deadline.kind,
        charged_to: deadline.charged_to,
        rule: rule(context, deadline),
        calendar: deadline.calendar.clone(),
        calendar_version: version,
        provisional: deadline.provisional,
        first_due: deadline.first_due,
        due: deadline.due,
        legs,
        pauses,
        status: deadline.status.clone(),
        breach_at: deadline.missed_at.unwrap_or(deadline.breach_at),
        missed: deadline.missed_at.is_some(),
        days_overdue: overdue.then(|| (calendar.local_date(now.utc()) - due).num_days()),
        recorded: recorded(context.acts, deadline.no),
        next: deadline
            .schedule
            .first()
            .filter(|_| deadline.is_running())
            .and_then(|plan| next_rung(context, deadline, plan)),
        owner: Owner {
            role: deadline.owner.clone(),
            unit: scope(definition, state, &deadline.owner, deadline.subject).flatten(),
            people: people(context, &deadline.owner, deadline.subject),
        },
    }
}

fn rule(context: &Context<'_>, deadline: &Deadline) -> Rule {
    let given = match &deadline.term {
        Term::On(field) | Term::At(field) | Term::Before { field, .. } => {
            context.state.fields.get(field).and_then(Value::as_text).map(str::to_owned)
        }
        Term::WorkingDays(_) | Term::CalendarDays { .. } | Term::Months(_) | Term::Hours(_) => None,
    };
    let hours_from = match (&deadline.term, deadline.first_due) {
        (Term::Hours(hours), Due::Moment(due)) => Some(due.plus_micros(-i64::from(*hours) * 3_600_000_000)),
        _ => None,
    };
    Rule {
        term: deadline.term.clone(),
        when: deadline.term_when.clone(),
        given,
        anchor: deadline.anchor,
        hours_from,
        source: context.definition.deadline(&deadline.name).and_then(|spec| spec.source.clone()),
    }
}

/// The acts that stand: those taken back moved nothing.
pub fn standing(acts: &[Act]) -> impl Iterator<Item = &Act> {
    let taken_back = |version: u32| {
        acts.iter()
            .filter(move |act| act.version > version)
            .flat_map(|act| &act.effects)
            .any(|effect| matches!(effect, Effect::Restored { state } if state.version < version))
    };
    acts.iter().filter(move |act| !taken_back(act.version))
}

/// How the dates of a clock came about, act by act.
struct Account<'a> {
    context: &'a Context<'a>,
    deadline: &'a Deadline,
    legs: Vec<Leg>,
    pauses: Vec<Pause>,
    /// The date that stands so far.
    due: Due,
    /// From when on it is counted, and what was left, after a pause.
    left: Option<(NaiveDate, Remaining)>,
    /// The date that stands was granted…
    granted: bool,
    /// …or it has passed: no calendar counts it again.
    missed: bool,
}

fn moves(context: &Context<'_>, deadline: &Deadline) -> (Vec<Leg>, Vec<Pause>) {
    let due = deadline.first_due;
    let (legs, pauses) = (Vec::new(), Vec::new());
    let (left, granted, missed) = (None, false, false);
    let mut account = Account { context, deadline, legs, pauses, due, left, granted, missed };
    for act in standing(context.acts) {
        let by = || MovedBy {
            version: act.version,
            act: act.name.clone(),
            at: act.at,
            person: act.actor.person().map(|who| who.person.clone()),
            reason: act.reason.clone(),
        };
        for effect in &act.effects {
            match effect {
                Effect::DeadlineStarted { deadline: started } if started.no == deadline.no => {
                    account.legs.push(first_leg(context, started));
                }
                Effect::DeadlinePaused { no, remaining } if *no == deadline.no => {
                    account.pauses.push(Pause { by: by(), until: None, remaining: *remaining });
                }
                Effect::DeadlineMoved { no, why, due, provisional, calendar_version, .. }
                    if *no == deadline.no =>
                {
                    account.runs_again(act.at);
                    let with = With { version: calendar_version, provisional: *provisional };
                    account.moved(*why, by(), *due, &with);
                }
                Effect::DeadlineMissed { no } if *no == deadline.no => account.missed = true,
                Effect::DeadlineEnded { no, .. } if *no == deadline.no => account.runs_again(act.at),
                _ => {}
            }
        }
    }
    (account.legs, account.pauses)
}

impl Account<'_> {
    fn runs_again(&mut self, at: Instant) {
        if let Some(open) = self.pauses.last_mut().filter(|pause| pause.until.is_none()) {
            open.until = Some(at);
        }
    }

    fn moved(&mut self, why: MoveReason, by: MovedBy, to: Due, with: &With<'_>) {
        let calendar = with.calendar(self.context);
        let was_provisional = self.legs.last().is_some_and(|leg| leg.provisional);
        let from = match why {
            MoveReason::Extended => day_of(calendar, self.due),
            MoveReason::Resumed => {
                let day = calendar.local_date(by.at.utc());
                self.left = self.pauses.last().map(|pause| (day, pause.remaining));
                day
            }
            // Only its rungs were planned anew, or the same date came out as before.
            MoveReason::Recalculated
                if to == self.due && (self.granted || self.missed || with.provisional == was_provisional) =>
            {
                return;
            }
            // Counted again from where the date was counted from.
            MoveReason::Recalculated => self.left.map_or(self.deadline.anchor, |(day, _)| day),
            MoveReason::Reopened | MoveReason::TakenBack => return,
        };
        if why == MoveReason::Extended {
            self.left = None;
        }
        self.granted = why == MoveReason::Extended;
        self.due = to;
        let day = day_of(calendar, to);
        // Of days left that rolled over, the day they were counted to.
        let nominal = self.left.and_then(|(day, left)| match left {
            Remaining::CalendarDays(days) => day.checked_add_days(Days::new(days.into())),
            Remaining::WorkingDays(_) | Remaining::Micros(_) => None,
        });
        let rolled_from = nominal.filter(|nominal| *nominal != day);
        self.legs.push(leg(self.context, with, Some((why, by)), from, day, to, rolled_from));
    }
}

/// What a date was counted with.
struct With<'a> {
    version: &'a str,
    provisional: bool,
}

impl With<'_> {
    /// That version of the calendar; the one at hand where nobody handed it.
    fn calendar<'c>(&self, context: &Context<'c>) -> &'c Calendar {
        context.counted_with.get(self.version).map_or(context.calendar, |calendar| calendar)
    }
}

/// The first date of a clock, as it was when it started.
fn first_leg(context: &Context<'_>, deadline: &Deadline) -> Leg {
    let with = With { version: &deadline.calendar_version, provisional: deadline.provisional };
    let (calendar, anchor) = (with.calendar(context), deadline.anchor);
    let due = day_of(calendar, deadline.first_due);
    let nominal = match &deadline.term {
        Term::CalendarDays { days, roll: true } => {
            calendar.add_calendar_days(anchor, *days, Roll::NextWorkingDay).ok()
        }
        Term::Months(months) => calendar.add_months(anchor, *months, Roll::NextWorkingDay).ok(),
        // Counted back: the days lie between the due date and the date in the field.
        Term::Before { field, .. } => {
            let day = context.state.text(field).and_then(|text| calendar::parse_date(text).ok());
            return leg(context, &with, None, due, day.unwrap_or(due), deadline.first_due, None);
        }
        Term::CalendarDays { roll: false, .. }
        | Term::On(_)
        | Term::At(_)
        | Term::WorkingDays(_)
        | Term::Hours(_) => None,
    };
    let rolled_from = nominal.map(|counted| counted.nominal).filter(|nominal| *nominal != due);
    leg(context, &with, None, anchor, due, deadline.first_due, rolled_from)
}

fn leg(
    context: &Context<'_>,
    with: &With<'_>,
    moved: Option<(MoveReason, MovedBy)>,
    from: NaiveDate,
    to: NaiveDate,
    due: Due,
    rolled_from: Option<NaiveDate>,
) -> Leg {
    let (why, by) = moved.unzip();
    let calendar = with.calendar(context);
    Leg {
        why,
        by,
        from,
        to,
        due,
        rolled_from,
        calendar_days: (to - from).num_days(),
        working_days: calendar.count_working_days(from, to),
        calendar_version: with.version.to_owned(),
        provisional: with.provisional,
        days: spans(calendar, from, to),
    }
}

/// The days after `from` up to `to`, folded into runs of one kind.
fn spans(calendar: &Calendar, from: NaiveDate, to: NaiveDate) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for day in calendar.explain(from, to).into_iter().filter(|day| day.date != from) {
        match spans.last_mut() {
            Some(last)
                if (last.kind, &last.holiday, last.provisional)
                    == (day.kind, &day.holiday, day.provisional) =>
            {
                last.to = day.date;
                last.last = day.count.or(last.last);
            }
            _ => spans.push(Span {
                from: day.date,
                to: day.date,
                kind: day.kind,
                holiday: day.holiday,
                first: day.count,
                last: day.count,
                provisional: day.provisional,
            }),
        }
    }
    spans
}

fn recorded(acts: &[Act], no: u32) -> Vec<RungRecord> {
    let effects = standing(acts).flat_map(|act| &act.effects);
    let rungs = effects.filter_map(|effect| match effect {
        Effect::RungRecorded { rung } if rung.deadline_no == no => Some((**rung).clone()),
        _ => None,
    });
    rungs.collect()
}

fn people(context: &Context<'_>, role: &str, subject: Subject) -> Vec<PersonId> {
    let Some(unit) = scope(context.definition, context.state, role, subject) else { return Vec::new() };
    if role != "assignee" {
        return context.directory.holders(role, unit.as_ref());
    }
    let posts = context.directory.posts.iter().filter(|post| Some(&post.unit) == unit.as_ref());
    posts.map(|post| post.person.clone()).collect()
}

fn next_rung(context: &Context<'_>, deadline: &Deadline, plan: &RungPlan) -> Option<NextRung> {
    let (ladder, rung) = rung_of(context.definition, deadline, plan)?;
    let spec = &rung.spec;
    let to: Vec<Name> = spec
        .to
        .iter()
        .map(|role| if role == "owner" { deadline.owner.clone() } else { role.clone() })
        .collect();
    let mut told: Vec<PersonId> = Vec::new();
    for (role, spelled) in to.iter().zip(&spec.to) {
        let subject = if spelled == "owner" { deadline.subject } else { Subject::Case };
        told.extend(people(context, role, subject));
    }
    told.sort();
    told.dedup();
    Some(NextRung {
        ladder: ladder.to_owned(),
        rung: spec.rung.clone(),
        at: plan.at,
        repeat: plan.repeat,
        measure: spec.measure,
        what: spec.what.clone(),
        signer: spec.signer.clone(),
        to,
        people: told,
        every_working_days: spec.every_working_days.as_ref().map(crate::definition::number),
    })
}
