//! Instants, in microseconds: what both databases can hold.

use chrono::{DateTime, NaiveDate, SecondsFormat, SubsecRound, Utc};
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

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// Reads RFC 3339: day, time and offset.
impl std::str::FromStr for Instant {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
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
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
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
