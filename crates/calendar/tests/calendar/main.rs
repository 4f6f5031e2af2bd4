//! The calendar, seen from outside.

mod counting;
mod dates;
mod files;
mod laws;
mod published;
mod zones;

use calendar::{Calendar, Off, Year, parse_date};
use chrono::{NaiveDate, Weekday};
use chrono_tz::Tz;

/// A date, written as in the files.
fn d(text: &str) -> NaiveDate {
    parse_date(text).expect(text)
}

/// A range of days off.
fn off(from: &str, to: &str) -> Off {
    Off { from: d(from), to: d(to), name: "a holiday".to_owned() }
}

/// A year without a notice.
fn year(year: i32, off: Vec<Off>, make_up: &[&str]) -> Year {
    Year { year, notice: None, off, make_up: make_up.iter().map(|text| d(text)).collect() }
}

/// A calendar with the weekend of China.
fn with_years(years: Vec<Year>) -> Result<Calendar, calendar::CalendarError> {
    Calendar::new("test", "1", Tz::Asia__Shanghai, &[Weekday::Sat, Weekday::Sun], years)
}
