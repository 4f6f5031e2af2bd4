//! What can be wrong with a date, a zone or a year's data.

use chrono::NaiveDate;

use crate::text::{EARLIEST, LATEST};

/// Why a calendar, a date or a zone was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    #[error("{problem}")]
    Unreadable {
        /// What the reader found.
        problem: String,
    },
    /// The text is not a date.
    #[error("\"{text}\" is not a date: {problem}")]
    NotADate {
        /// The text as given.
        text: String,
        /// Which part is wrong.
        problem: String,
    },
    /// The date lies outside the years that are counted.
    #[error("{what} is outside {EARLIEST} to {LATEST}")]
    OutOfRange {
        /// The date, or the computation that would leave the range.
        what: String,
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
            CalendarError::OutOfRange { .. } => "CA0003",
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
        }
    }
}
