//! Instants, in microseconds: what both databases can hold.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, SubsecRound, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, UTC, cut to microseconds. Serialised with exactly six decimals, so that one
/// instant has one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(DateTime<Utc>);

impl Instant {
    /// Cuts `moment` to microseconds.
    pub fn new(moment: DateTime<Utc>) -> Self {
        Instant(moment.trunc_subsecs(6))
    }

    /// From microseconds since 1970. `None` outside the years chrono knows.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(Instant)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// As chrono's type.
    pub fn utc(self) -> DateTime<Utc> {
        self.0
    }

    /// This instant plus `micros`; stays where it is if that leaves the range.
    pub fn plus_micros(self, micros: i64) -> Self {
        self.micros().checked_add(micros).and_then(Self::from_micros).unwrap_or(self)
    }
}

impl Instant {
    /// `2026-11-26T08:30:00.000000Z`: as chrono writes it, which takes ten times as long, and an act has dozens of
    /// them. `None` outside the years of four digits.
    fn written(self) -> Option<[u8; 27]> {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |place: std::ops::Range<usize>, mut value: u32| {
            for digit in text[place].iter_mut().rev() {
                *digit += (value % 10) as u8;
                value /= 10;
            }
        };
        let year = u32::try_from(self.0.year()).ok().filter(|year| *year < 10_000)?;
        // A second of leap is written as 60, by chrono alone.
        let micros = self.0.timestamp_subsec_micros();
        if micros >= 1_000_000 {
            return None;
        }
        put(0..4, year);
        put(5..7, self.0.month());
        put(8..10, self.0.day());
        put(11..13, self.0.hour());
        put(14..16, self.0.minute());
        put(17..19, self.0.second());
        put(20..26, micros);
        Some(text)
    }

    /// Reads what `written` writes. `None` for anything else.
    fn read(text: &str) -> Option<Self> {
        let text: &[u8; 27] = text.as_bytes().try_into().ok()?;
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
        if marks.iter().any(|(place, mark)| text[*place] != *mark) {
            return None;
        }
        let number = |place: std::ops::Range<usize>| {
            text[place].iter().try_fold(0, |number: u32, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
            })
        };
        let day = NaiveDate::from_ymd_opt(number(0..4)?.try_into().ok()?, number(5..7)?, number(8..10)?)?;
        let moment =
            day.and_hms_micro_opt(number(11..13)?, number(14..16)?, number(17..19)?, number(20..26)?)?;
        Some(Instant(moment.and_utc()))
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let written = self.written();
        match written.as_ref().and_then(|text| std::str::from_utf8(text).ok()) {
            Some(text) => f.write_str(text),
            None => f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true)),
        }
    }
}

/// Reads RFC 3339: day, time and offset.
impl std::str::FromStr for Instant {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(moment) = Instant::read(text) {
            return Ok(moment);
        }
        DateTime::parse_from_rfc3339(text).map(|moment| Instant::new(moment.to_utc()))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// An instant is read from a text where it stands.
struct Text;

impl serde::de::Visitor<'_> for Text {
    type Value = Instant;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an instant of RFC 3339")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Instant, E> {
        text.parse().map_err(E::custom)
    }
}

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Due {
    /// A civil day in the calendar's zone. The day itself is not overdue.
    Day(NaiveDate),
    /// An instant, for terms in hours and moments given. The instant itself is not overdue.
    Moment(Instant),
}
