//! Calendar files and year files: strict YAML, every fault with its line.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Weekday};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use crate::calendar::{At, gap};
use crate::yaml::{self, Unread};
use crate::{Calendar, CalendarError, Off, Year, parse_date, parse_zone};

/// Reads the file of one year. `file_name` only serves the messages.
///
/// ```yaml
/// year: 2026
/// notice: where it was published   # optional
/// off:
///   - { from: 2026-01-01, to: 2026-01-03, name: 元旦 }
///   - { day: 2026-02-16, name: 除夕 }
/// make_up: [2026-01-04]            # optional
/// ```
///
/// Whether the make-up days lie on a weekend is for the calendar to say, so it is checked
/// there; [`Calendar::from_files`](crate::Calendar::from_files) does both.
///
/// # Errors
///
/// Refuses unknown, missing or repeated fields and everything that is wrong within the year,
/// with file, line and column.
pub fn parse_year(file_name: &str, yaml: &str) -> Result<Year, CalendarError> {
    read(file_name, yaml).map(|file| file.year)
}

/// Reads the file of a whole calendar: its zone, its weekend, and its published years, each as in a year
/// file. `file_name` only serves the messages.
///
/// ```yaml
/// calendar: us-east
/// version: "2026.1"
/// zone: America/New_York
/// weekend: [sat, sun]
/// years:                           # optional
///   - year: 2026
///     off:
///       - { day: 2026-01-01, name: New Year's Day }
/// ```
///
/// # Errors
///
/// As [`parse_year`] and [`Calendar::new`], and an unknown zone.
pub fn parse_calendar(file_name: &str, yaml: &str) -> Result<Calendar, CalendarError> {
    let raw: RawCalendar = parse(file_name, yaml)?;
    let zone =
        parse_zone(&raw.zone.value).map_err(|fault| placed(file_name, Some(raw.zone.referenced), fault))?;
    let years = raw.years.iter().map(|year| YearFile::new(file_name, year));
    let years = together(&raw.weekend, years)?;
    Calendar::new(raw.calendar, raw.version, zone, &raw.weekend, years)
        .map_err(|fault| placed(file_name, None, fault))
}

/// Reads the years of one calendar, and checks them against its weekend and each other.
pub(crate) fn years_from_files(
    weekend: &[Weekday],
    files: &[(&str, &str)],
) -> Result<Vec<Year>, CalendarError> {
    together(weekend, files.iter().map(|(name, yaml)| read(name, yaml)))
}

fn together(
    weekend: &[Weekday],
    files: impl Iterator<Item = Result<YearFile, CalendarError>>,
) -> Result<Vec<Year>, CalendarError> {
    let mut known: BTreeMap<i32, YearFile> = BTreeMap::new();
    for file in files {
        let file = file?;
        file.year.check_weekend(weekend).map_err(|(at, e)| file.place(at, e))?;
        let year = file.year.year;
        if known.contains_key(&year) {
            return Err(file.place(At::Year, CalendarError::DuplicateYear { year }));
        }
        known.insert(year, file);
    }
    if let Some(year) = gap(known.keys().copied()) {
        let fault = CalendarError::MissingYear { year };
        // The gap shows at the first year after it.
        return Err(match known.range(year..).next() {
            Some((_, file)) => file.place(At::Year, fault),
            None => fault,
        });
    }
    Ok(known.into_values().map(|file| file.year).collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCalendar {
    calendar: String,
    version: String,
    zone: Spanned<String>,
    weekend: Vec<Weekday>,
    #[serde(default)]
    years: Vec<RawYear>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawYear {
    year: Spanned<i32>,
    notice: Option<String>,
    off: Vec<Spanned<RawOff>>,
    #[serde(default)]
    make_up: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOff {
    day: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
    name: String,
}

/// A year together with the places of its entries.
struct YearFile {
    name: String,
    year: Year,
    at_year: Location,
    at_off: Vec<Location>,
    at_make_up: Vec<Location>,
}

impl YearFile {
    fn new(name: &str, raw: &RawYear) -> Result<YearFile, CalendarError> {
        let date = |text: &Spanned<String>| -> Result<NaiveDate, CalendarError> {
            parse_date(&text.value).map_err(|e| placed(name, Some(text.referenced), e))
        };
        let mut off = Vec::new();
        for entry in &raw.off {
            let RawOff { day, from, to, name: holiday } = &entry.value;
            let (from, to) = match (day, from, to) {
                (Some(day), None, None) => (date(day)?, date(day)?),
                (None, Some(from), Some(to)) => (date(from)?, date(to)?),
                _ => return Err(placed(name, Some(entry.referenced), CalendarError::DayOrRange)),
            };
            off.push(Off { from, to, name: holiday.clone() });
        }
        let make_up = raw.make_up.iter().map(date).collect::<Result<Vec<_>, _>>()?;
        let file = YearFile {
            name: name.to_owned(),
            year: Year { year: raw.year.value, notice: raw.notice.clone(), off, make_up },
            at_year: raw.year.referenced,
            at_off: raw.off.iter().map(|entry| entry.referenced).collect(),
            at_make_up: raw.make_up.iter().map(|day| day.referenced).collect(),
        };
        file.year.check().map_err(|(at, e)| file.place(at, e))?;
        Ok(file)
    }

    fn place(&self, at: At, fault: CalendarError) -> CalendarError {
        let at = match at {
            At::Year => Some(&self.at_year),
            At::Off(i) => self.at_off.get(i),
            At::MakeUp(i) => self.at_make_up.get(i),
        };
        placed(&self.name, at.copied(), fault)
    }
}

fn placed(file: &str, at: Option<Location>, fault: CalendarError) -> CalendarError {
    let (line, column) = at.map_or((1, 1), |at| (at.line(), at.column()));
    in_file(file, line, column, fault)
}

/// A text without any content has no place of its own: its beginning is the place.
fn in_file(file: &str, line: u64, column: u64, fault: CalendarError) -> CalendarError {
    let (line, column) = (line.max(1), column.max(1));
    CalendarError::InFile { file: file.to_owned(), line, column, fault: Box::new(fault) }
}

fn read(name: &str, yaml: &str) -> Result<YearFile, CalendarError> {
    YearFile::new(name, &parse(name, yaml)?)
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, CalendarError> {
    yaml::read(text).map_err(|Unread { fault, line, column }| {
        let fault = CalendarError::Unreadable { problem: fault };
        in_file(name, line, column, fault)
    })
}
