//! Year files and the checks on a calendar.

use calendar::{Calendar, CalendarError, Off, Roll, Year, china, parse_calendar, parse_year, shipped};
use chrono::Weekday;
use chrono_tz::Tz;

use crate::{d, off, with_years, year};

const WEEKEND: [Weekday; 2] = [Weekday::Sat, Weekday::Sun];

#[test]
fn a_year_file_is_read() {
    let yaml = "
# a comment
year: 2026
notice: the address
off:
  - { day: 2026-01-01, name: 元旦 }
  - { from: 2026-02-15, to: 2026-02-23, name: 春节 }
make_up: [2026-02-14, 2026-02-28]
";
    let read = parse_year("2026.yaml", yaml).unwrap();
    let named = |from, to, name: &str| Off { from: d(from), to: d(to), name: name.to_owned() };
    let wanted = Year {
        year: 2026,
        notice: Some("the address".to_owned()),
        off: vec![named("2026-01-01", "2026-01-01", "元旦"), named("2026-02-15", "2026-02-23", "春节")],
        make_up: vec![d("2026-02-14"), d("2026-02-28")],
    };
    assert_eq!(read, wanted);
    let bare = parse_year("2026.yaml", "year: 2026\noff:\n  - { day: 2026-01-01, name: 元旦 }\n").unwrap();
    assert_eq!((bare.notice, bare.make_up), (None, vec![]));
}

#[test]
fn bad_year_files_are_refused_with_their_line() {
    let head = "year: 2026\noff:\n  - { day: 2026-01-01, name: a }\n";
    let cases = [
        ("empty", String::new()),
        ("not YAML", "year: [".to_owned()),
        ("a list", "- 2026\n".to_owned()),
        ("unknown field", format!("{head}makeup: [2026-01-04]\n")),
        ("repeated field", format!("{head}year: 2026\n")),
        ("no year", "off:\n  - { day: 2026-01-01, name: a }\n".to_owned()),
        ("year as text", "year: this\noff: []\n".to_owned()),
        ("no off", "year: 2026\nmake_up: []\n".to_owned()),
        ("no days off", "year: 2026\noff: []\n".to_owned()),
        ("unknown field of a range", format!("{head}  - {{ day: 2026-05-01, name: b, nam: c }}\n")),
        ("no such day", format!("{head}  - {{ day: 2026-02-30, name: b }}\n")),
        ("not a date", format!("{head}make_up:\n  - 2026-01-04\n  - soon\n")),
        ("a year too far", "year: 2300\noff:\n  - { day: 2300-01-01, name: a }\n".to_owned()),
        ("another year", format!("{head}  - {{ from: 2026-12-30, to: 2027-01-02, name: b }}\n")),
        ("make-up of another year", format!("{head}make_up: [2026-01-04, 2027-01-02]\n")),
        ("only a from", format!("{head}  - {{ from: 2026-05-01, name: b }}\n")),
        ("day and to", format!("{head}  - {{ day: 2026-05-01, to: 2026-05-03, name: b }}\n")),
        ("backwards", format!("{head}  - {{ from: 2026-05-03, to: 2026-05-01, name: b }}\n")),
        ("no name", format!("{head}  - {{ day: 2026-05-01 }}\n")),
        ("empty name", format!("{head}  - {{ day: 2026-05-01, name: ' ' }}\n")),
        ("off twice", format!("{head}  - {{ from: 2026-01-01, to: 2026-01-03, name: b }}\n")),
        ("made up twice", format!("{head}make_up:\n  - 2026-01-04\n  - 2026-01-04\n")),
        ("off and worked", format!("{head}make_up: [2026-01-01]\n")),
        ("two documents", format!("{head}---\n{head}")),
    ];
    let mut messages = String::new();
    for (case, yaml) in cases {
        let error = parse_year("2026.yaml", &yaml).expect_err(case);
        messages += &format!("{case}: {} {error}\n", error.code());
    }
    insta::assert_snapshot!(messages, @r#"
    empty: CA0001 2026.yaml:1:1: it cannot be read: Ends
    not YAML: CA0001 2026.yaml:1:7: it cannot be read: Unfit { found: None, expected: "single" }
    a list: CA0001 2026.yaml:1:1: it cannot be read: Unfit { found: None, expected: "map" }
    unknown field: CA0001 2026.yaml:4:1: it cannot be read: Unknown { name: "makeup", known: ["year", "notice", "off", "make_up"] }
    repeated field: CA0001 2026.yaml:4:1: it cannot be read: Duplicate { name: Some("year") }
    no year: CA0001 2026.yaml:1:1: it cannot be read: Missing { name: "year" }
    year as text: CA0001 2026.yaml:1:7: it cannot be read: Unfit { found: None, expected: "whole" }
    no off: CA0001 2026.yaml:2:1: it cannot be read: Missing { name: "off" }
    no days off: CA0007 2026.yaml:1:7: the year 2026 lists no days off; leave it out until its days are published
    unknown field of a range: CA0001 2026.yaml:4:33: it cannot be read: Unknown { name: "nam", known: ["day", "from", "to", "name"] }
    no such day: CA0002 2026.yaml:4:12: "2026-02-30" is not a date: the month 2026-02 has no day 30
    not a date: CA0002 2026.yaml:6:5: "soon" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    a year too far: CA0003 2026.yaml:3:12: the date 2300-01-01 is outside 1900-01-01 to 2200-12-31
    another year: CA0008 2026.yaml:4:5: 2027-01-02 is not in the year 2026
    make-up of another year: CA0008 2026.yaml:4:23: 2027-01-02 is not in the year 2026
    only a from: CA0015 2026.yaml:4:5: give either day, or both from and to
    day and to: CA0015 2026.yaml:4:5: give either day, or both from and to
    backwards: CA0009 2026.yaml:4:5: the days off end on 2026-05-01, before they begin on 2026-05-03
    no name: CA0001 2026.yaml:4:7: it cannot be read: Missing { name: "name" }
    empty name: CA0010 2026.yaml:4:5: the days off from 2026-05-01 have no name
    off twice: CA0011 2026.yaml:4:5: 2026-01-01 is listed twice
    made up twice: CA0011 2026.yaml:6:5: 2026-01-04 is listed twice
    off and worked: CA0012 2026.yaml:4:11: 2026-01-01 is listed both as a day off and as a working day
    two documents: CA0001 2026.yaml:5:1: it cannot be read: Documents
    "#);
}

#[test]
fn bad_sets_of_files_are_refused_with_their_line() {
    let file = |year: i32, rest: &str| {
        format!("# {year}\nyear: {year}\noff:\n  - {{ day: {year}-01-01, name: a }}\n{rest}")
    };
    let (y24, y25, y27) = (file(2024, ""), file(2025, ""), file(2027, ""));
    let monday = file(2026, "make_up:\n  - 2026-01-04\n  - 2026-01-05\n");
    let read = |files: &[(&str, &str)]| Calendar::from_files("x", "1", Tz::UTC, &WEEKEND, files);

    assert_eq!(read(&[("b", &y25), ("a", &y24)]).unwrap().published_until(), Some(d("2025-12-31")));
    let refused = [
        read(&[("a", &y24), ("b", &y25), ("again", &y24)]),
        read(&[("c", &y27), ("a", &y24), ("b", &y25)]),
        read(&[("a", &y25), ("b", &monday)]),
        read(&[("a", &y25), ("b", "year: 2026\n")]),
    ];
    let message = |result: Result<Calendar, CalendarError>| {
        let error = result.unwrap_err();
        format!("{} {error}\n", error.code())
    };
    insta::assert_snapshot!(refused.map(message).concat(), @r#"
    CA0005 again:2:7: the year 2024 is given twice
    CA0006 c:2:7: the year 2026 is missing: the years before and after it are given
    CA0013 b:7:5: 2026-01-05 is a Monday: only a day of the weekend can be made a working day
    CA0001 b:1:1: it cannot be read: Missing { name: "off" }
    "#);
}

#[test]
fn bad_calendars_are_refused() {
    let new_year = |y: i32| vec![off(&format!("{y}-01-01"), &format!("{y}-01-01"))];
    let good = |y: i32| year(y, new_year(y), &[]);
    let with = |off: Vec<Off>, make_up: &[&str]| with_years(vec![year(2026, off, make_up)]);
    assert!(with(new_year(2026), &["2026-01-04"]).is_ok());
    let refused = [
        with_years(vec![good(2025), good(2026), good(2025)]),
        with_years(vec![good(2024), good(2026)]),
        with(vec![], &[]),
        with(vec![off("2025-12-31", "2026-01-01")], &[]),
        with(new_year(2026), &["2025-01-04"]),
        with(vec![off("2026-01-03", "2026-01-01")], &[]),
        with(vec![off("2026-01-01", "2026-01-03"), off("2026-01-03", "2026-01-03")], &[]),
        with(vec![off("2026-01-01", "2026-01-04")], &["2026-01-04"]),
        with(new_year(2026), &["2026-01-05"]),
        with(new_year(2026), &["2026-01-04", "2026-01-04"]),
        with(vec![Off { name: String::new(), ..off("2026-01-01", "2026-01-01") }], &[]),
        Calendar::new(
            "x",
            "1",
            Tz::UTC,
            &[
                Weekday::Mon,
                Weekday::Tue,
                Weekday::Wed,
                Weekday::Thu,
                Weekday::Fri,
                Weekday::Sat,
                Weekday::Sun,
            ],
            vec![],
        ),
    ];
    let message = |result: Result<Calendar, CalendarError>| {
        let error = result.unwrap_err();
        format!("{} {error}\n", error.code())
    };
    insta::assert_snapshot!(refused.map(message).concat(), @r#"
    CA0005 the year 2025 is given twice
    CA0006 the year 2025 is missing: the years before and after it are given
    CA0007 the year 2026 lists no days off; leave it out until its days are published
    CA0008 2025-12-31 is not in the year 2026
    CA0008 2025-01-04 is not in the year 2026
    CA0009 the days off end on 2026-01-01, before they begin on 2026-01-03
    CA0011 2026-01-03 is listed twice
    CA0012 2026-01-04 is listed both as a day off and as a working day
    CA0013 2026-01-05 is a Monday: only a day of the weekend can be made a working day
    CA0011 2026-01-04 is listed twice
    CA0010 the days off from 2026-01-01 have no name
    CA0014 a week needs at least one working day
    "#);
}

#[test]
fn a_stored_calendar_reads_back_the_same_and_is_checked_again() {
    let text = serde_saphyr::to_string(&china()).unwrap();
    assert!(text.contains("Asia/Shanghai"));
    assert_eq!(serde_saphyr::from_str::<Calendar>(&text).unwrap(), china());

    let small = with_years(vec![year(2026, vec![off("2026-01-01", "2026-01-01")], &["2026-01-04"])]).unwrap();
    let text = serde_saphyr::to_string(&small).unwrap();
    insta::assert_snapshot!(text, @r#"
    id: test
    version: "1"
    zone: Asia/Shanghai
    weekend:
    - Sat
    - Sun
    years:
    - year: 2026
      notice: null
      "off":
      - from: "2026-01-01"
        to: "2026-01-01"
        name: a holiday
      make_up:
      - "2026-01-04"
    "#);
    for (from, to) in
        [("2026-01-04", "2026-01-01"), ("2026-01-04", "2026-01-05"), ("Asia/Shanghai", "Asia/Beijing")]
    {
        let tampered = text.replace(from, to);
        assert!(serde_saphyr::from_str::<Calendar>(&tampered).is_err(), "{from} to {to}");
    }
}

#[test]
fn a_whole_calendar_is_read_from_one_file() {
    let shipped = shipped();
    let ids: Vec<&str> = shipped.iter().map(Calendar::id).collect();
    assert_eq!(ids, ["cn", "be", "it", "us-east"]);
    let us = &shipped[3];
    assert_eq!(us.zone(), Tz::America__New_York);
    // Over Thanksgiving: 25 November is a Wednesday, the 26th is off.
    assert_eq!(us.add_working_days(d("2026-11-25"), 1).unwrap().date, d("2026-11-27"));
    // Before its first year, weekends alone decide, and the count says so; plain days need no calendar.
    let early = us.add_working_days(d("2004-11-24"), 1).unwrap();
    assert_eq!((early.date, early.provisional), (d("2004-11-25"), true));
    let plain = us.add_calendar_days(d("2004-11-24"), 60, Roll::None).unwrap();
    assert_eq!((plain.date, plain.provisional), (d("2005-01-23"), false));
}

#[test]
fn bad_calendar_files_are_refused_with_their_line() {
    let head = "calendar: x\nversion: '1'\nzone: Europe/Rome\n";
    let cases = [
        ("unknown zone", "calendar: x\nversion: '1'\nzone: Rome\nweekend: [sun]\n".to_owned()),
        ("no weekend", head.to_owned()),
        ("no such weekday", format!("{head}weekend: [noday]\n")),
        ("seven days", format!("{head}weekend: [mon, tue, wed, thu, fri, sat, sun]\n")),
        ("year without days", format!("{head}weekend: [sun]\nyears:\n  - year: 2026\n    off: []\n")),
        (
            "day of another year",
            format!(
                "{head}weekend: [sun]\nyears:\n  - year: 2026\n    off:\n      - {{ day: 2025-01-01, name: a }}\n"
            ),
        ),
    ];
    let mut messages = String::new();
    for (case, yaml) in cases {
        let error = parse_calendar("x.yaml", &yaml).expect_err(case);
        messages += &format!("{case}: {} {error}\n", error.code());
    }
    insta::assert_snapshot!(messages, @r#"
    unknown zone: CA0004 x.yaml:3:7: "Rome" is not an IANA time zone; write Europe/Rome
    no weekend: CA0001 x.yaml:3:1: it cannot be read: Missing { name: "weekend" }
    no such weekday: CA0001 x.yaml:4:11: it cannot be read: Unfit { found: None, expected: "weekday" }
    seven days: CA0014 x.yaml:1:1: a week needs at least one working day
    year without days: CA0007 x.yaml:6:11: the year 2026 lists no days off; leave it out until its days are published
    day of another year: CA0008 x.yaml:8:9: 2025-01-01 is not in the year 2026
    "#);
}
