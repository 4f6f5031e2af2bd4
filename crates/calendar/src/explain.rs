//! The day-by-day account of a count.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::text::{EARLIEST, LATEST};
use crate::{Calendar, DayKind};

/// One line of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// The day.
    pub date: NaiveDate,
    /// What kind of day it is.
    pub kind: DayKind,
    /// The holiday for which it is off.
    pub holiday: Option<String>,
    /// Its number among the working days after the start; none for a day that does not count.
    pub count: Option<u32>,
    /// Whether its year is not published.
    pub provisional: bool,
}

impl Calendar {
    /// Every day from `start` to `end_included` with its place in the count.
    ///
    /// The start has a line but no number. There are no lines when the end comes before the
    /// start, nor for days outside the range of dates.
    pub fn explain(&self, start: NaiveDate, end_included: NaiveDate) -> Vec<Day> {
        let mut counted = 0;
        let first = start.max(EARLIEST);
        let last = end_included.min(LATEST);
        first
            .iter_days()
            .take_while(|date| *date <= last)
            .map(|date| {
                let kind = self.kind(date);
                let counts = date != start && kind.is_working();
                counted += u32::from(counts);
                Day {
                    date,
                    kind,
                    holiday: self.holiday(date).map(str::to_owned),
                    count: counts.then_some(counted),
                    provisional: self.is_provisional(date),
                }
            })
            .collect()
    }
}
