//! Time zones: names, and days against instants.

use chrono::{
    DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike,
    Utc,
};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::{Calendar, CalendarError};

/// Names people write that are no zones, and what they are likely to mean.
const MEANT: [(&str, &str); 8] = [
    ("beijing", "Asia/Shanghai"),
    ("peking", "Asia/Shanghai"),
    ("china", "Asia/Shanghai"),
    ("china standard time", "Asia/Shanghai"),
    ("北京", "Asia/Shanghai"),
    ("北京时间", "Asia/Shanghai"),
    ("shenzhen", "Asia/Shanghai"),
    ("guangzhou", "Asia/Shanghai"),
];

/// Reads the IANA name of a time zone, such as `Asia/Shanghai`.
///
/// # Errors
///
/// Refuses everything else: a city that names no zone, an abbreviation, a bare offset. The
/// message suggests the name to write.
pub fn parse_zone(name: &str) -> Result<Tz, CalendarError> {
    name.parse().map_err(|_| {
        let (hint, suggestion) = hint(name);
        CalendarError::UnknownZone { name: name.to_owned(), hint, suggestion }
    })
}

fn hint(name: &str) -> (String, Option<&'static str>) {
    let lower = name.trim().to_lowercase();
    let city = lower.rsplit('/').next().unwrap_or_default();
    let same = |tz: &&Tz| tz.name().eq_ignore_ascii_case(&lower);
    let same_city = |tz: &&Tz| {
        let own = tz.name().rsplit('/').next().unwrap_or_default();
        own.eq_ignore_ascii_case(&city.replace(' ', "_"))
    };
    let meant = MEANT.iter().find(|(alias, _)| *alias == city).map(|(_, zone)| *zone);
    let listed = || TZ_VARIANTS.iter().find(same).or_else(|| TZ_VARIANTS.iter().find(same_city));
    if lower == "cst" {
        let text = "CST stands for several zones: write Asia/Shanghai for China, America/Chicago for the United States";
        (text.to_owned(), Some("Asia/Shanghai"))
    } else if let Some(offset) = offset_of(&lower) {
        let text = "an offset does not say when the clocks change: write the zone of a place";
        match offset {
            8 => (format!("{text}, such as Asia/Shanghai"), Some("Asia/Shanghai")),
            0 => (format!("{text}, or Etc/UTC"), Some("Etc/UTC")),
            _ => (format!("{text}, as Area/City"), None),
        }
    } else if let Some(zone) = meant.or_else(|| listed().map(|tz| tz.name())) {
        (format!("write {zone}"), Some(zone))
    } else {
        ("write the zone of a place, such as Asia/Shanghai".to_owned(), None)
    }
}

/// The whole hours of a text like `utc+8`, `gmt-05:00` or `+0800`; minutes are cut off.
fn offset_of(lower: &str) -> Option<i32> {
    let rest = lower.strip_prefix("utc").or_else(|| lower.strip_prefix("gmt")).unwrap_or(lower);
    let rest = rest.trim();
    let (sign, digits) = match rest.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, rest.strip_prefix('-').or_else(|| rest.strip_prefix('−'))?),
    };
    let hours = match digits.split_once(':') {
        Some((hours, _)) => hours,
        None if digits.len() == 4 => digits.get(..2)?,
        None => digits,
    };
    hours.parse::<u8>().ok().map(|hours| sign * i32::from(hours))
}

impl Calendar {
    /// The date on the wall of the calendar's place at an instant.
    pub fn local_date(&self, instant: DateTime<Utc>) -> NaiveDate {
        local(self.zone(), instant).date()
    }

    /// The instant at which the clocks of the calendar's place show this day and time.
    ///
    /// When clocks go forward past it, it is the first instant after the gap; when they go back
    /// and show it twice, it is the first time.
    pub fn instant(&self, day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
        let wanted = day.and_time(time);
        match self.zone().from_local_datetime(&wanted) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
            MappedLocalTime::None => {
                // No offset reaches a day, so a day before the clocks still show less, and a day
                // later they show more: the gap lies between and is found by halving.
                // Clocks change on a whole second.
                let middle = wanted.with_nanosecond(0).unwrap_or(wanted).and_utc();
                let mut before = middle.checked_sub_signed(TimeDelta::days(1)).unwrap_or(middle);
                let mut after = middle.checked_add_signed(TimeDelta::days(1)).unwrap_or(middle);
                while after - before > TimeDelta::seconds(1) {
                    let half = before + TimeDelta::seconds((after - before).num_seconds() / 2);
                    if local(self.zone(), half) < wanted {
                        before = half;
                    } else {
                        after = half;
                    }
                }
                after
            }
        }
    }
}

/// What the clocks of a zone show. At the very ends of time, where that cannot be represented,
/// it is the universal time.
fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    let utc = instant.naive_utc();
    utc.checked_add_offset(zone.offset_from_utc_datetime(&utc).fix()).unwrap_or(utc)
}
