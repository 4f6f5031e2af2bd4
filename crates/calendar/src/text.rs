//! Dates as text, and the range of dates that are counted.

use chrono::NaiveDate;

use crate::CalendarError;
use crate::error::DateFault;

/// The first date that is accepted.
pub const EARLIEST: NaiveDate = NaiveDate::from_ymd_opt(1900, 1, 1).expect("a date of the calendar");
/// The last date that is accepted.
pub const LATEST: NaiveDate = NaiveDate::from_ymd_opt(2200, 12, 31).expect("a date of the calendar");

/// Reads a date written `YYYY-MM-DD`, and nothing else.
///
/// # Errors
///
/// Names the part that is wrong, or the range when the year lies outside it.
pub fn parse_date(text: &str) -> Result<NaiveDate, CalendarError> {
    let wrong = |problem: DateFault| CalendarError::NotADate { text: text.to_owned(), problem };
    let out_of_range = || CalendarError::OutOfRange { date: text.to_owned() };
    let shape = || wrong(DateFault::Shape);

    // A leading sign belongs to the year.
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let parts: Vec<&str> = unsigned.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(shape()) };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !(digits(year) && digits(month) && digits(day)) {
        return Err(shape());
    }
    if negative || year.len() > 4 {
        return Err(out_of_range());
    }
    if year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return Err(shape());
    }
    let number = |part: &str| part.parse::<u32>().map_err(|_| shape());
    let (y, m, d) = (number(year)?, number(month)?, number(day)?);
    if !(1..=12).contains(&m) {
        return Err(wrong(DateFault::Month { month: month.to_owned() }));
    }
    let date = NaiveDate::from_ymd_opt(y.cast_signed(), m, d)
        .ok_or_else(|| wrong(DateFault::Day { month: format!("{year}-{month}"), day: day.to_owned() }))?;
    in_range(date).map_err(|_| out_of_range())
}

/// The date itself when it is one that is counted.
pub(crate) fn in_range(date: NaiveDate) -> Result<NaiveDate, CalendarError> {
    if (EARLIEST..=LATEST).contains(&date) {
        Ok(date)
    } else {
        Err(CalendarError::OutOfRange { date: date.to_string() })
    }
}
