//! Counting days, forward and backward.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::error::CountUnit;
use crate::text::in_range;
use crate::{Calendar, CalendarError};

/// What happens to a period whose last day is not a working day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roll {
    /// It ends on that day all the same.
    None,
    /// It ends on the next working day.
    NextWorkingDay,
}

/// The day a count arrived at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The day that holds.
    pub date: NaiveDate,
    /// The day before it was moved to a working day; otherwise the same.
    pub nominal: NaiveDate,
    /// Whether the date leans on a year that is not published and may still change.
    pub provisional: bool,
}

impl Counted {
    fn fixed(date: NaiveDate) -> Counted {
        Counted { date, nominal: date, provisional: false }
    }
}

fn beyond(start: NaiveDate, n: u32, unit: CountUnit, back: bool) -> CalendarError {
    CalendarError::CountOutOfRange { start, n, unit, back }
}

impl Calendar {
    /// The `n`-th working day after `start`, which is not counted itself.
    ///
    /// No days after `start` is `start`, whatever kind of day it is.
    ///
    /// # Errors
    ///
    /// When the start or the result lies outside the range of dates.
    pub fn add_working_days(&self, start: NaiveDate, n: u32) -> Result<Counted, CalendarError> {
        self.walk(start, n, NaiveDate::succ_opt, false)
    }

    /// The `n`-th working day before `end`, which is not counted itself.
    ///
    /// This is the last day on which something is in time that must happen `n` working days
    /// before `end`. The edge is the mirror image of [`add_working_days`](Self::add_working_days):
    /// counting `n` forward from the result arrives at `end` again, or, when `end` is off, at the
    /// first working day after it. No days before `end` is `end`.
    ///
    /// # Errors
    ///
    /// When the end or the result lies outside the range of dates.
    pub fn sub_working_days(&self, end: NaiveDate, n: u32) -> Result<Counted, CalendarError> {
        self.walk(end, n, NaiveDate::pred_opt, true)
    }

    fn walk(
        &self,
        start: NaiveDate,
        n: u32,
        next: impl Fn(&NaiveDate) -> Option<NaiveDate>,
        back: bool,
    ) -> Result<Counted, CalendarError> {
        let mut counted = Counted::fixed(in_range(start)?);
        let mut left = n;
        while left > 0 {
            let day = next(&counted.date).and_then(|day| in_range(day).ok());
            counted.date = day.ok_or_else(|| beyond(start, n, CountUnit::WorkingDay, back))?;
            let year = self.year(counted.date);
            counted.provisional |= year.is_none();
            left -= u32::from(self.kind_in(year, counted.date).is_working());
        }
        counted.nominal = counted.date;
        Ok(counted)
    }

    /// How many working days lie after `from_excluded`, up to and including `to_included`.
    ///
    /// Swapping the two changes the sign and nothing else.
    pub fn count_working_days(&self, from_excluded: NaiveDate, to_included: NaiveDate) -> i64 {
        if to_included < from_excluded {
            return -self.count_working_days(to_included, from_excluded);
        }
        // Every seven days have the same number of weekdays, of which what was published takes some and adds some.
        let is_weekday = |day: &NaiveDate| !self.weekend().contains(&day.weekday());
        let count = |days: &mut dyn Iterator<Item = NaiveDate>| days.fold(0, |count, _| count + 1);
        let days = (to_included - from_excluded).num_days();
        let rest = from_excluded.iter_days().skip(1).take(usize::try_from(days % 7).unwrap_or(0));
        let weekdays = days / 7 * (7 - self.weekend().len() as i64) + count(&mut rest.filter(is_weekday));
        let counts = |day: &NaiveDate| from_excluded < *day && *day <= to_included;
        let published = self.years_between(from_excluded, to_included).map(|year| {
            let off = year.off.iter().filter(|off| off.from <= to_included && off.to > from_excluded);
            let off = off.flat_map(|off| off.from.iter_days().take_while(|day| *day <= off.to));
            let made_up = year.make_up.iter().copied();
            count(&mut made_up.filter(counts)) - count(&mut off.filter(counts).filter(is_weekday))
        });
        weekdays + published.sum::<i64>()
    }

    /// The `n`-th day after `start`, moved to a working day if `roll` says so.
    ///
    /// # Errors
    ///
    /// When the start or the result lies outside the range of dates.
    pub fn add_calendar_days(&self, start: NaiveDate, n: u32, roll: Roll) -> Result<Counted, CalendarError> {
        let end = in_range(start)?.checked_add_days(Days::new(n.into()));
        self.rolled(end, roll).ok_or_else(|| beyond(start, n, CountUnit::Day, false))
    }

    /// The same-numbered day `n` months after `start`, or the last day of a month that has no
    /// such day, moved to a working day if `roll` says so.
    ///
    /// # Errors
    ///
    /// When the start or the result lies outside the range of dates.
    pub fn add_months(&self, start: NaiveDate, n: u32, roll: Roll) -> Result<Counted, CalendarError> {
        let end = in_range(start)?.checked_add_months(Months::new(n));
        self.rolled(end, roll).ok_or_else(|| beyond(start, n, CountUnit::Month, false))
    }

    fn rolled(&self, end: Option<NaiveDate>, roll: Roll) -> Option<Counted> {
        let nominal = end.and_then(|day| in_range(day).ok())?;
        match roll {
            // Plain days are the same in every calendar.
            Roll::None => Some(Counted::fixed(nominal)),
            Roll::NextWorkingDay => {
                let date = in_range(self.roll_forward(nominal)).ok()?;
                // The ends speak for the days between: in a year that is not published only a
                // weekend is rolled over.
                let provisional = self.is_provisional(nominal) || self.is_provisional(date);
                Some(Counted { date, nominal, provisional })
            }
        }
    }

    /// The day itself if it is a working day, otherwise the next working day.
    ///
    /// It always finds one, and for the last days of the range of dates that may lie just
    /// outside it.
    pub fn roll_forward(&self, day: NaiveDate) -> NaiveDate {
        day.iter_days().find(|day| self.kind(*day).is_working()).unwrap_or(day)
    }
}
