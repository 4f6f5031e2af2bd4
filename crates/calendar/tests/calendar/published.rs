//! The embedded years against independent records.

use std::collections::BTreeMap;
use std::path::PathBuf;

use calendar::{Calendar, DayKind, china, parse_date};
use chrono::Datelike;

use crate::d;

#[test]
fn the_embedded_years_are_complete() {
    let cn = china();
    assert_eq!((cn.id(), cn.version(), cn.zone().name()), ("cn", "2026.1", "Asia/Shanghai"));
    let years: Vec<i32> = cn.years().map(|year| year.year).collect();
    assert_eq!(years, (2007..=2026).collect::<Vec<_>>());
    for year in cn.years() {
        let notice = year.notice.as_deref().unwrap_or_default();
        assert!(notice.contains("www.gov.cn"), "{} names its notice", year.year);
    }
}

#[test]
fn working_days_per_year() {
    for (year, count) in [(2023, 249), (2024, 251), (2025, 248), (2026, 248)] {
        let days = d(&format!("{year}-01-01")).iter_days().take_while(|day| day.year() == year);
        assert_eq!(days.filter(|day| china().kind(*day).is_working()).count(), count, "{year}");
    }
}

#[test]
fn kinds_and_names() {
    use DayKind::{MakeUp, Off, Weekend, Working};
    let days = [
        ("2026-09-18", Working, None),
        ("2026-09-20", MakeUp, None),
        ("2026-09-13", Weekend, None),
        // On a weekend, a holiday is a holiday.
        ("2026-09-26", Off, Some("中秋节")),
        // Both ends of a range.
        ("2026-02-14", MakeUp, None),
        ("2026-02-15", Off, Some("春节")),
        ("2026-02-23", Off, Some("春节")),
        ("2026-02-24", Working, None),
        // Announced for the year after.
        ("2007-12-31", Off, Some("元旦")),
        ("2011-12-31", MakeUp, None),
        // The change of 27 January 2020.
        ("2020-01-31", Off, Some("春节")),
        ("2020-02-01", Off, Some("春节")),
        ("2020-02-03", Working, None),
    ];
    for (day, kind, holiday) in days {
        assert_eq!((china().kind(d(day)), china().holiday(d(day))), (kind, holiday), "{day}");
    }
}

/// Compares every day of the record with the calendar; returns the number of days compared and
/// the lines that differ.
fn compare(calendar: &Calendar, record: &str) -> (usize, Vec<String>) {
    let rows: Vec<&str> = record.lines().skip(1).collect();
    let differs = |row: &&&str| {
        let mut cells = row.split(',');
        let day = cells.next().and_then(|cell| parse_date(cell).ok());
        let working = day.map(|day| if calendar.kind(day).is_working() { "1" } else { "0" });
        let sources: Vec<&str> = cells.collect();
        sources.len() != 3 || sources.iter().any(|source| Some(*source) != working)
    };
    (rows.len(), rows.iter().filter(differs).map(|row| (*row).to_owned()).collect())
}

#[test]
fn every_day_agrees_with_three_independent_sources() {
    let home = std::env::var_os("BIHUAN_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = home.join("cn_reference/workday_crosscheck_2007_2026.csv");
    let Ok(record) = std::fs::read_to_string(&path) else {
        println!("skipped: no records at {}", path.display());
        return;
    };
    let (days, different) = compare(&china(), &record);
    assert_eq!(different, Vec::<String>::new());
    assert_eq!(days, 7305);
}

#[test]
fn the_comparison_sees_a_single_wrong_day() {
    let right = "date,a,b,c\n2026-09-18,1,1,1\n2026-09-20,1,1,1\n2026-10-01,0,0,0\n";
    assert_eq!(compare(&china(), right), (3, vec![]));
    let wrong = right.replace("2026-09-20,1,1,1", "2026-09-20,1,0,1");
    assert_eq!(compare(&china(), &wrong), (3, vec!["2026-09-20,1,0,1".to_owned()]));
}

#[test]
fn no_year_is_odd() {
    // A slip in a file is more likely than a year like none before it.
    let mut working = BTreeMap::<i32, u32>::new();
    for day in d("2007-01-01").iter_days().take_while(|day| day.year() <= 2026) {
        *working.entry(day.year()).or_default() += u32::from(china().kind(day).is_working());
    }
    let odd: Vec<_> = working.into_iter().filter(|(_, count)| !(247..=253).contains(count)).collect();
    assert_eq!(odd, []);
}
