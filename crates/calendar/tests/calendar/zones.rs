//! Days against instants.

use calendar::{Calendar, china, parse_zone};
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::d;

fn place(zone: Tz) -> Calendar {
    Calendar::new("test", "1", zone, &[], vec![]).expect("a calendar")
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect(text)
}

#[test]
fn wall_times_become_instants() {
    let shanghai = Tz::Asia__Shanghai;
    let new_york = Tz::America__New_York;
    let vectors = [
        (shanghai, "2026-09-18T09:00:00", "2026-09-18T01:00:00Z"),
        // Summer time in China, 1986 to 1991: nine hours ahead.
        (shanghai, "1986-07-01T09:00:00", "1986-07-01T00:00:00Z"),
        // The gap: 02:00 became 03:00.
        (shanghai, "1986-05-04T01:59:59", "1986-05-03T17:59:59Z"),
        (shanghai, "1986-05-04T02:00:00", "1986-05-03T18:00:00Z"),
        (shanghai, "1986-05-04T02:30:00", "1986-05-03T18:00:00Z"),
        (shanghai, "1986-05-04T02:30:00.5", "1986-05-03T18:00:00Z"),
        (shanghai, "1986-05-04T03:00:00", "1986-05-03T18:00:00Z"),
        (shanghai, "1991-04-14T02:30:00", "1991-04-13T18:00:00Z"),
        // The fold: 02:00 became 01:00, so 01:30 came twice.
        (shanghai, "1986-09-14T01:30:00", "1986-09-13T16:30:00Z"),
        (shanghai, "1991-09-15T01:30:00", "1991-09-14T16:30:00Z"),
        (shanghai, "1992-07-01T09:00:00", "1992-07-01T01:00:00Z"),
        // Local mean time, 8:05:43 ahead.
        (shanghai, "1900-06-01T00:00:00", "1900-05-31T15:54:17Z"),
        (new_york, "2026-03-08T01:30:00", "2026-03-08T06:30:00Z"),
        (new_york, "2026-03-08T02:30:00", "2026-03-08T07:00:00Z"),
        (new_york, "2026-03-08T03:00:00", "2026-03-08T07:00:00Z"),
        (new_york, "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"),
        (new_york, "2026-11-01T02:00:00", "2026-11-01T07:00:00Z"),
        // A whole day that did not happen.
        (Tz::Pacific__Apia, "2011-12-30T09:00:00", "2011-12-30T10:00:00Z"),
    ];
    for (zone, wall, instant) in vectors {
        let wall: NaiveDateTime = wall.parse().unwrap();
        assert_eq!(place(zone).instant(wall.date(), wall.time()), utc(instant), "{zone} {wall}");
    }
}

#[test]
fn instants_become_dates() {
    let vectors = [
        (Tz::Asia__Shanghai, "2026-09-18T15:59:59Z", "2026-09-18"),
        (Tz::Asia__Shanghai, "2026-09-18T16:00:00Z", "2026-09-19"),
        // In summer time the day begins an hour earlier.
        (Tz::Asia__Shanghai, "1986-07-01T14:59:59Z", "1986-07-01"),
        (Tz::Asia__Shanghai, "1986-07-01T15:00:00Z", "1986-07-02"),
        (Tz::America__New_York, "2026-01-01T04:59:59Z", "2025-12-31"),
        (Tz::America__New_York, "2026-07-01T04:00:00Z", "2026-07-01"),
    ];
    for (zone, instant, date) in vectors {
        assert_eq!(place(zone).local_date(utc(instant)), d(date), "{zone} {instant}");
    }
}

#[test]
fn the_ends_of_time_do_not_panic() {
    let cn = china();
    assert_eq!(cn.local_date(DateTime::<Utc>::MAX_UTC), NaiveDate::MAX);
    assert!(cn.instant(NaiveDate::MAX, NaiveTime::MIN) > utc("2200-12-31T00:00:00Z"));
    assert!(cn.instant(NaiveDate::MIN, NaiveTime::MIN) < utc("1900-01-01T00:00:00Z"));
}

/// The clocks of a zone at an instant, computed without the calendar.
fn clocks(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    instant.naive_utc() + zone.offset_from_utc_datetime(&instant.naive_utc()).fix()
}

/// The differences between two showings of the same time: in half hours, and a whole day.
fn repeats() -> impl Iterator<Item = TimeDelta> {
    (1..=8).chain([48]).map(|half_hours| TimeDelta::minutes(30 * half_hours))
}

/// The days on or next to which the clocks of a zone change.
fn days_of_change(zone: Tz) -> Vec<NaiveDate> {
    let offset = |day: NaiveDate| zone.offset_from_utc_datetime(&day.and_time(NaiveTime::MIN)).fix();
    let weeks = d("1970-01-01").iter_weeks().take_while(|week| *week < d("2038-01-01"));
    let changed = weeks.filter(|week| offset(*week) != offset(*week + Days::new(7)));
    let days = changed.flat_map(|week| week.iter_days().take(7));
    days.filter(|day| offset(*day) != offset(*day + Days::new(1)))
        .flat_map(|day| day.iter_days().take(2))
        .collect()
}

#[test]
fn a_daily_rule_fires_once_a_day_through_every_change_of_the_clocks() {
    let mut gaps = 0;
    let mut folds = 0;
    for zone in TZ_VARIANTS {
        let calendar = place(zone);
        for day in days_of_change(zone) {
            for hour in [0, 1, 2, 3, 23] {
                let time = NaiveTime::from_hms_opt(hour, 30, 0).unwrap();
                let wanted = day.and_time(time);
                let at = calendar.instant(day, time);
                let shown = clocks(zone, at);
                if shown == wanted {
                    let first = repeats().all(|ago| clocks(zone, at - ago) != wanted);
                    assert!(first, "{zone} {wanted} is the first of two");
                    let again = repeats().any(|later| clocks(zone, at + later) == wanted);
                    folds += u32::from(again);
                } else {
                    assert!(shown > wanted, "{zone} {wanted} is not fired early: {shown}");
                    let before = clocks(zone, at - TimeDelta::seconds(1));
                    assert!(before < wanted, "{zone} {wanted} is fired at the end of the gap");
                    gaps += 1;
                }
                let next = calendar.instant(day + Days::new(1), time);
                assert!(next > at, "{zone} {wanted} and the day after are two instants");
            }
        }
    }
    // The walk met what it was made for.
    assert!(gaps > 1000 && folds > 1000, "{gaps} gaps, {folds} folds");
}

#[test]
fn zones_that_are_read() {
    for name in ["Asia/Shanghai", "Asia/Urumqi", "America/New_York", "UTC", "Etc/UTC"] {
        assert_eq!(parse_zone(name).unwrap().name(), name);
    }
}

#[test]
fn zones_that_are_refused() {
    let refused = [
        "Asia/Beijing",
        "Beijing",
        "CST",
        "UTC+8",
        "UTC+08:00",
        "GMT+8",
        "+0800",
        "+08:00",
        "UTC-5",
        "UTC+0",
        "asia/shanghai",
        "Shanghai",
        "New York",
        "Europe/New_York",
        "China Standard Time",
        "北京时间",
        " Asia/Shanghai",
        "Mars/Base",
        "",
    ];
    let message = |name: &&str| {
        let error = parse_zone(name).expect_err(name);
        format!("{} {error}\n", error.code())
    };
    insta::assert_snapshot!(refused.iter().map(message).collect::<String>(), @r#"
    CA0004 "Asia/Beijing" is not an IANA time zone; write Asia/Shanghai
    CA0004 "Beijing" is not an IANA time zone; write Asia/Shanghai
    CA0004 "CST" is not an IANA time zone; CST stands for several zones: write Asia/Shanghai for China, America/Chicago for the United States
    CA0004 "UTC+8" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, such as Asia/Shanghai
    CA0004 "UTC+08:00" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, such as Asia/Shanghai
    CA0004 "GMT+8" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, such as Asia/Shanghai
    CA0004 "+0800" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, such as Asia/Shanghai
    CA0004 "+08:00" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, such as Asia/Shanghai
    CA0004 "UTC-5" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, as Area/City
    CA0004 "UTC+0" is not an IANA time zone; an offset does not say when the clocks change: write the zone of a place, or Etc/UTC
    CA0004 "asia/shanghai" is not an IANA time zone; write Asia/Shanghai
    CA0004 "Shanghai" is not an IANA time zone; write Asia/Shanghai
    CA0004 "New York" is not an IANA time zone; write America/New_York
    CA0004 "Europe/New_York" is not an IANA time zone; write America/New_York
    CA0004 "China Standard Time" is not an IANA time zone; write Asia/Shanghai
    CA0004 "北京时间" is not an IANA time zone; write Asia/Shanghai
    CA0004 " Asia/Shanghai" is not an IANA time zone; write Asia/Shanghai
    CA0004 "Mars/Base" is not an IANA time zone; write the zone of a place, such as Asia/Shanghai
    CA0004 "" is not an IANA time zone; write the zone of a place, such as Asia/Shanghai
    "#);
    let suggested = |name: &str| match parse_zone(name) {
        Err(calendar::CalendarError::UnknownZone { suggestion, .. }) => suggestion,
        other => panic!("{name} was {other:?}"),
    };
    assert_eq!(suggested("Asia/Beijing"), Some("Asia/Shanghai"));
    assert_eq!(suggested("UTC+8"), Some("Asia/Shanghai"));
    assert_eq!(suggested("UTC+9"), None);
    assert_eq!(suggested("Mars/Base"), None);
}
