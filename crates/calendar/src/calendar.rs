//! The published days, and what kind of day a date is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::CalendarError;
use crate::file::years_from_files;
use crate::text::in_range;

/// What kind of day a date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayKind {
    /// An ordinary working day.
    Working,
    /// A day of the weekend that works, in exchange for a day off elsewhere.
    MakeUp,
    /// An ordinary day of the weekend.
    Weekend,
    /// A holiday, or a day off moved next to one.
    Off,
}

impl DayKind {
    /// Whether the day counts as a working day.
    pub fn is_working(self) -> bool {
        matches!(self, DayKind::Working | DayKind::MakeUp)
    }
}

/// A run of days off, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Off {
    /// The first day off.
    pub from: NaiveDate,
    /// The last day off.
    pub to: NaiveDate,
    /// The name of the holiday, as published.
    pub name: String,
}

/// What was published for one civil year.
///
/// A day belongs to the year it lies in, whichever notice announced it: a New Year's holiday
/// that begins on 30 December is split over two years.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Year {
    /// The year.
    pub year: i32,
    /// Where it was published: title, number or address.
    pub notice: Option<String>,
    /// The days off.
    pub off: Vec<Off>,
    /// The days of the weekend that work.
    pub make_up: Vec<NaiveDate>,
}

/// Which entry of a year a fault belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// The year as a whole.
    Year,
    /// The entry of `off` with this index.
    Off(usize),
    /// The entry of `make_up` with this index.
    MakeUp(usize),
}

impl Year {
    fn holiday(&self, day: NaiveDate) -> Option<&str> {
        self.off.iter().find(|off| off.from <= day && day <= off.to).map(|off| off.name.as_str())
    }

    /// Checks everything that can be told from the year alone.
    pub(crate) fn check(&self) -> Result<(), (At, CalendarError)> {
        let year = self.year;
        let own = |at: At, day: NaiveDate| {
            in_range(day).map_err(|e| (at, e))?;
            if day.year() == year { Ok(()) } else { Err((at, CalendarError::OtherYear { day, year })) }
        };
        if self.off.is_empty() {
            return Err((At::Year, CalendarError::NoDaysOff { year }));
        }
        let mut off = BTreeSet::new();
        for (i, Off { from, to, name }) in self.off.iter().enumerate() {
            let at = At::Off(i);
            own(at, *from)?;
            own(at, *to)?;
            if to < from {
                return Err((at, CalendarError::Backwards { from: *from, to: *to }));
            }
            if name.trim().is_empty() {
                return Err((at, CalendarError::NoName { from: *from }));
            }
            for day in from.iter_days().take_while(|day| day <= to) {
                if !off.insert(day) {
                    return Err((at, CalendarError::Twice { day }));
                }
            }
        }
        let mut made_up = BTreeSet::new();
        for (i, &day) in self.make_up.iter().enumerate() {
            let at = At::MakeUp(i);
            own(at, day)?;
            if off.contains(&day) {
                return Err((at, CalendarError::OffAndMakeUp { day }));
            }
            if !made_up.insert(day) {
                return Err((at, CalendarError::Twice { day }));
            }
        }
        Ok(())
    }

    /// Checks the make-up days against the weekend of the calendar the year goes into.
    pub(crate) fn check_weekend(&self, weekend: &[Weekday]) -> Result<(), (At, CalendarError)> {
        for (i, &day) in self.make_up.iter().enumerate() {
            if !weekend.contains(&day.weekday()) {
                return Err((At::MakeUp(i), CalendarError::MakeUpNotOnWeekend { day }));
            }
        }
        Ok(())
    }
}

/// The working days of one place: its weekend, its zone and its published years.
///
/// It can only be made through checks, reading it back from storage included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Calendar {
    id: String,
    version: String,
    zone: Tz,
    weekend: Vec<Weekday>,
    years: BTreeMap<i32, Year>,
}

impl Calendar {
    /// This calendar with a year added, or published anew, as another version.
    ///
    /// # Errors
    ///
    /// As [`Calendar::new`]: a year that leaves a gap, or does not fit the weekend.
    pub fn with_year(&self, version: &str, year: Year) -> Result<Calendar, CalendarError> {
        let mut years = self.years.clone();
        years.insert(year.year, year);
        Calendar::new(
            self.id.clone(),
            version.to_owned(),
            self.zone,
            &self.weekend,
            years.into_values().collect(),
        )
    }

    /// Makes a calendar from its published years.
    ///
    /// `version` is a short label of the caller's choosing that tells two states of the same
    /// calendar apart. Without any years everything is computed on weekends, provisionally.
    ///
    /// # Errors
    ///
    /// Refuses a year given twice, a gap between the years, a year without days off, a day of
    /// another year, a day listed twice or both off and worked, a make-up day that is not on the
    /// weekend, and a weekend of seven days.
    pub fn new(
        id: impl Into<String>,
        version: impl Into<String>,
        zone: Tz,
        weekend: &[Weekday],
        years: Vec<Year>,
    ) -> Result<Calendar, CalendarError> {
        let mut known = BTreeMap::new();
        for year in years {
            year.check().map_err(|(_, e)| e)?;
            year.check_weekend(weekend).map_err(|(_, e)| e)?;
            if let Some(twice) = known.insert(year.year, year) {
                return Err(CalendarError::DuplicateYear { year: twice.year });
            }
        }
        if let Some(year) = gap(known.keys().copied()) {
            return Err(CalendarError::MissingYear { year });
        }
        let mut weekend = weekend.to_vec();
        weekend.sort_by_key(Weekday::num_days_from_monday);
        weekend.dedup();
        if weekend.len() == 7 {
            return Err(CalendarError::NoWorkingDays);
        }
        Ok(Calendar { id: id.into(), version: version.into(), zone, weekend, years: known })
    }

    /// Makes a calendar from year files, each given as its name and its text.
    ///
    /// # Errors
    ///
    /// As [`Calendar::new`], and every fault names its file, line and column.
    pub fn from_files(
        id: impl Into<String>,
        version: impl Into<String>,
        zone: Tz,
        weekend: &[Weekday],
        files: &[(&str, &str)],
    ) -> Result<Calendar, CalendarError> {
        Calendar::new(id, version, zone, weekend, years_from_files(weekend, files)?)
    }

    /// Which calendar this is, such as `cn`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which state of the calendar this is.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The time zone in which its days begin and end.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The days of its weekend, from Monday on.
    pub fn weekend(&self) -> &[Weekday] {
        &self.weekend
    }

    /// The published years, in order.
    pub fn years(&self) -> impl Iterator<Item = &Year> {
        self.years.values()
    }

    /// What kind of day it is; bare weekends decide in a year that is not published.
    pub fn kind(&self, day: NaiveDate) -> DayKind {
        self.kind_in(self.year(day), day)
    }

    /// What was published for the year of a day.
    pub(crate) fn year(&self, day: NaiveDate) -> Option<&Year> {
        self.years.get(&day.year())
    }

    /// What was published for the years from one day to another.
    pub(crate) fn years_between(&self, from: NaiveDate, to: NaiveDate) -> impl Iterator<Item = &Year> {
        self.years.range(from.year()..=to.year()).map(|(_, year)| year)
    }

    /// The kind of a day of this year.
    pub(crate) fn kind_in(&self, year: Option<&Year>, day: NaiveDate) -> DayKind {
        if year.is_some_and(|year| year.holiday(day).is_some()) {
            DayKind::Off
        } else if !self.weekend.contains(&day.weekday()) {
            DayKind::Working
        } else if year.is_some_and(|year| year.make_up.contains(&day)) {
            DayKind::MakeUp
        } else {
            DayKind::Weekend
        }
    }

    /// The holiday for which the day is off.
    pub fn holiday(&self, day: NaiveDate) -> Option<&str> {
        self.year(day)?.holiday(day)
    }

    /// Whether the day's year is not published, so that its kind may still change.
    pub fn is_provisional(&self, day: NaiveDate) -> bool {
        self.year(day).is_none()
    }

    /// The last day of the last published year.
    pub fn published_until(&self) -> Option<NaiveDate> {
        let (&year, _) = self.years.last_key_value()?;
        NaiveDate::from_ymd_opt(year, 12, 31)
    }
}

/// The first year missing between the first and the last of an ascending list.
pub(crate) fn gap(years: impl Iterator<Item = i32>) -> Option<i32> {
    let mut expected = None;
    for year in years {
        match expected {
            Some(next) if next != year => return Some(next),
            _ => expected = Some(year + 1),
        }
    }
    None
}

/// A calendar as it is stored: plain values, checked again when read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: String,
    version: String,
    zone: String,
    weekend: Vec<Weekday>,
    years: Vec<Year>,
}

impl From<Calendar> for Stored {
    fn from(calendar: Calendar) -> Stored {
        Stored {
            id: calendar.id,
            version: calendar.version,
            zone: calendar.zone.name().to_owned(),
            weekend: calendar.weekend,
            years: calendar.years.into_values().collect(),
        }
    }
}

impl TryFrom<Stored> for Calendar {
    type Error = CalendarError;

    fn try_from(stored: Stored) -> Result<Calendar, CalendarError> {
        let zone = crate::parse_zone(&stored.zone)?;
        Calendar::new(stored.id, stored.version, zone, &stored.weekend, stored.years)
    }
}

/// Pairs the name of each year's file with its text, for the years named.
macro_rules! embedded {
    ($($year:literal)*) => {
        [$((
            concat!("workflows/calendars/cn/", $year, ".yaml"),
            include_str!(concat!("../../../workflows/calendars/cn/", $year, ".yaml")),
        )),*]
    };
}

const CHINA: [(&str, &str); 20] = embedded!(
    2007 2008 2009 2010 2011 2012 2013 2014 2015 2016
    2017 2018 2019 2020 2021 2022 2023 2024 2025 2026
);

/// The label of the embedded data: its last year, and the number of the state of it, which grows when a year is corrected.
const CHINA_VERSION: &str = "2026.1";

/// The working days of mainland China as published by the State Council, 2007 to 2026.
pub fn china() -> Calendar {
    static PARSED: LazyLock<Calendar> = LazyLock::new(|| {
        Calendar::from_files("cn", CHINA_VERSION, Tz::Asia__Shanghai, &[Weekday::Sat, Weekday::Sun], &CHINA)
            .expect("the embedded years are read by the tests")
    });
    PARSED.clone()
}

/// Pairs the name of a calendar's file with its text.
macro_rules! whole {
    ($($name:literal)*) => {
        [$((
            concat!("workflows/calendars/", $name, ".yaml"),
            include_str!(concat!("../../../workflows/calendars/", $name, ".yaml")),
        )),*]
    };
}

const ELSEWHERE: [(&str, &str); 3] = whole!("be" "it" "us-east");

/// Every calendar that comes with the program: China's, and those of other places.
pub fn shipped() -> Vec<Calendar> {
    let elsewhere = ELSEWHERE.iter().map(|(name, text)| {
        crate::parse_calendar(name, text).expect("the embedded calendars are read by the tests")
    });
    std::iter::once(china()).chain(elsewhere).collect()
}
