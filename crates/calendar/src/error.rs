//! What can be wrong with a date, a zone or a year's data.

use chrono::NaiveDate;
use serde::Serialize;

use crate::text::{EARLIEST, LATEST};
use crate::yaml::ReadFault;

/// Why a calendar, a date or a zone was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CalendarError {
    /// A fault at a known place of a file; its code is that of the fault.
    #[error("{file}:{line}:{column}: {fault}")]
    InFile {
        /// The name the caller gave the file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// The column in characters, counted from 1.
        column: u64,
        /// What is wrong there.
        fault: Box<CalendarError>,
    },
    /// The text is not YAML, or has not the fields of a year.
    #[error("it cannot be read: {problem:?}")]
    Unreadable {
        /// What the reader found.
        problem: ReadFault,
    },
    /// Days off are given neither as a day nor as a range.
    #[error("give either day, or both from and to")]
    DayOrRange,
    /// The text is not a date.
    #[error("\"{text}\" is not a date: {problem}")]
    NotADate {
        /// The text as given.
        text: String,
        /// Which part is wrong.
        problem: DateFault,
    },
    /// The date lies outside the years that are counted.
    #[error("the date {date} is outside {EARLIEST} to {LATEST}")]
    OutOfRange {
        /// The date as given.
        date: String,
    },
    /// A count would leave the years that are counted.
    #[error("{n} {unit}{} {} {start} is outside {EARLIEST} to {LATEST}", if *.n == 1 { "" } else { "s" }, if *.back { "before" } else { "after" })]
    CountOutOfRange {
        /// The day counted from.
        start: NaiveDate,
        /// How many.
        n: u32,
        /// Of what.
        unit: CountUnit,
        /// Counted back.
        back: bool,
    },
    /// The zone is not one of the IANA names.
    #[error("\"{name}\" is not an IANA time zone; {hint}")]
    UnknownZone {
        /// The name as given.
        name: String,
        /// A sentence that says what to write instead.
        hint: String,
        /// The one name that was meant, where that is certain enough to offer it.
        suggestion: Option<&'static str>,
    },
    /// One year is given twice.
    #[error("the year {year} is given twice")]
    DuplicateYear {
        /// The year.
        year: i32,
    },
    /// A year between the first and the last is not given.
    #[error("the year {year} is missing: the years before and after it are given")]
    MissingYear {
        /// The year.
        year: i32,
    },
    /// A year without days off would pass off bare weekends as published.
    #[error("the year {year} lists no days off; leave it out until its days are published")]
    NoDaysOff {
        /// The year.
        year: i32,
    },
    /// A day stands in the wrong year.
    #[error("{day} is not in the year {year}")]
    OtherYear {
        /// The day.
        day: NaiveDate,
        /// The year it was listed under.
        year: i32,
    },
    /// A range ends before it begins.
    #[error("the days off end on {to}, before they begin on {from}")]
    Backwards {
        /// The first day of the range.
        from: NaiveDate,
        /// Its last day.
        to: NaiveDate,
    },
    /// A range of days off has no name.
    #[error("the days off from {from} have no name")]
    NoName {
        /// The first day of the range.
        from: NaiveDate,
    },
    /// A day is listed more than once.
    #[error("{day} is listed twice")]
    Twice {
        /// The day.
        day: NaiveDate,
    },
    /// A day is both off and worked.
    #[error("{day} is listed both as a day off and as a working day")]
    OffAndMakeUp {
        /// The day.
        day: NaiveDate,
    },
    /// A make-up day is a working day anyway.
    #[error("{day} is a {}: only a day of the weekend can be made a working day", .day.format("%A"))]
    MakeUpNotOnWeekend {
        /// The day.
        day: NaiveDate,
    },
    /// With seven days of weekend no working day would ever come.
    #[error("a week needs at least one working day")]
    NoWorkingDays,
}

impl CalendarError {
    /// The stable code of the fault; a fault keeps its code whether or not its place is known.
    pub fn code(&self) -> &'static str {
        match self {
            CalendarError::InFile { fault, .. } => fault.code(),
            CalendarError::Unreadable { .. } => "CA0001",
            CalendarError::NotADate { .. } => "CA0002",
            CalendarError::OutOfRange { .. } | CalendarError::CountOutOfRange { .. } => "CA0003",
            CalendarError::UnknownZone { .. } => "CA0004",
            CalendarError::DuplicateYear { .. } => "CA0005",
            CalendarError::MissingYear { .. } => "CA0006",
            CalendarError::NoDaysOff { .. } => "CA0007",
            CalendarError::OtherYear { .. } => "CA0008",
            CalendarError::Backwards { .. } => "CA0009",
            CalendarError::NoName { .. } => "CA0010",
            CalendarError::Twice { .. } => "CA0011",
            CalendarError::OffAndMakeUp { .. } => "CA0012",
            CalendarError::MakeUpNotOnWeekend { .. } => "CA0013",
            CalendarError::NoWorkingDays => "CA0014",
            CalendarError::DayOrRange => "CA0015",
        }
    }
}

/// What is wrong with a text that should be a date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum DateFault {
    /// It is written otherwise.
    #[error("write it as YYYY-MM-DD, such as 2026-09-18")]
    Shape,
    /// The year has no such month.
    #[error("there is no month {month}")]
    Month {
        /// The month.
        month: String,
    },
    /// The month has no such day.
    #[error("the month {month} has no day {day}")]
    Day {
        /// Year and month.
        month: String,
        /// The day.
        day: String,
    },
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CountUnit {
    /// Working days.
    WorkingDay,
    /// Calendar days.
    Day,
    /// Months.
    Month,
}

impl std::fmt::Display for CountUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CountUnit::WorkingDay => "working day",
            CountUnit::Day => "day",
            CountUnit::Month => "month",
        })
    }
}
