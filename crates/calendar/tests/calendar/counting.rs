//! Counting forward, backward, in months, and the account of a count.

use calendar::{Calendar, Counted, DayKind, Roll, china};
use chrono::{Datelike, Days, NaiveDate, Weekday};
use chrono_tz::Tz;

use crate::{d, off, with_years, year};

#[test]
fn working_days_forward() {
    let vectors = [
        ("2026-09-18", 5, "2026-09-24"),
        ("2026-09-18", 10, "2026-10-09"),
        ("2026-02-12", 3, "2026-02-24"),
        ("2026-02-12", 5, "2026-02-26"),
        ("2025-09-26", 7, "2025-10-13"),
        ("2025-09-30", 10, "2025-10-21"),
        ("2024-04-26", 5, "2024-05-07"),
        ("2026-04-30", 7, "2026-05-13"),
        // No days: not even a holiday moves.
        ("2026-10-01", 0, "2026-10-01"),
        // From a holiday, the first working day after it is one.
        ("2026-10-01", 1, "2026-10-08"),
    ];
    for (start, n, end) in vectors {
        let counted = china().add_working_days(d(start), n).unwrap();
        let wanted = Counted { date: d(end), nominal: d(end), provisional: false };
        assert_eq!(counted, wanted, "{start} + {n}");
    }
}

#[test]
fn working_days_backward() {
    let vectors = [
        ("2026-09-24", 5, "2026-09-18"),
        ("2026-10-09", 1, "2026-10-08"),
        ("2026-10-08", 1, "2026-09-30"),
        // The edge when the end itself is off: the same day as from the first working day after it.
        ("2026-10-03", 1, "2026-09-30"),
        ("2026-10-03", 0, "2026-10-03"),
        // The make-up Sunday 2026-09-20 counts on the way back as well.
        ("2026-09-21", 2, "2026-09-18"),
        // A licence that ends on 2026-12-31, to be renewed 15 working days before.
        ("2026-12-31", 15, "2026-12-10"),
    ];
    for (end, n, start) in vectors {
        let counted = china().sub_working_days(d(end), n).unwrap();
        let wanted = Counted { date: d(start), nominal: d(start), provisional: false };
        assert_eq!(counted, wanted, "{end} - {n}");
    }
}

#[test]
fn calendar_days_roll_over() {
    let vectors = [
        ("2025-09-26", 7, "2025-10-03", "2025-10-09"),
        ("2026-02-12", 5, "2026-02-17", "2026-02-24"),
        ("2024-04-26", 5, "2024-05-01", "2024-05-06"),
        // The last day is a make-up Sunday: it works, so nothing rolls.
        ("2026-09-15", 5, "2026-09-20", "2026-09-20"),
        // An ordinary weekend.
        ("2026-09-08", 5, "2026-09-13", "2026-09-14"),
        ("2026-09-08", 2, "2026-09-10", "2026-09-10"),
        // Days off in the middle do not lengthen the period.
        ("2026-09-28", 12, "2026-10-10", "2026-10-10"),
    ];
    for (start, n, nominal, rolled) in vectors {
        let counted = china().add_calendar_days(d(start), n, Roll::NextWorkingDay).unwrap();
        let wanted = Counted { date: d(rolled), nominal: d(nominal), provisional: false };
        assert_eq!(counted, wanted, "{start} + {n}, rolled");
        let plain = china().add_calendar_days(d(start), n, Roll::None).unwrap();
        let wanted = Counted { date: d(nominal), nominal: d(nominal), provisional: false };
        assert_eq!(plain, wanted, "{start} + {n}");
    }
}

#[test]
fn months_end_on_the_same_number() {
    let vectors = [
        ("2026-01-15", 1, "2026-02-15", "2026-02-24"),
        ("2026-01-31", 1, "2026-02-28", "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29", "2024-02-29"),
        ("2023-01-31", 1, "2023-02-28", "2023-02-28"),
        ("2026-08-31", 1, "2026-09-30", "2026-09-30"),
        // The end of a short month is not the end of a long one.
        ("2026-02-28", 1, "2026-03-28", "2026-03-30"),
        ("2024-02-29", 12, "2025-02-28", "2025-02-28"),
        ("2026-04-01", 6, "2026-10-01", "2026-10-08"),
        ("2025-12-31", 0, "2025-12-31", "2025-12-31"),
    ];
    for (start, n, nominal, rolled) in vectors {
        let counted = china().add_months(d(start), n, Roll::NextWorkingDay).unwrap();
        let wanted = Counted { date: d(rolled), nominal: d(nominal), provisional: false };
        assert_eq!(counted, wanted, "{start} + {n} months, rolled");
        let plain = china().add_months(d(start), n, Roll::None).unwrap();
        assert_eq!((plain.date, plain.nominal), (d(nominal), d(nominal)), "{start} + {n} months");
    }
}

#[test]
fn the_count_between_two_days() {
    let vectors = [
        ("2026-09-18", "2026-09-24", 5),
        ("2026-09-24", "2026-09-18", -5),
        ("2026-09-18", "2026-09-18", 0),
        ("2026-10-01", "2026-10-07", 0),
        ("2026-09-19", "2026-09-20", 1),
        ("2022-12-31", "2023-12-31", 249),
        ("2023-12-31", "2024-12-31", 251),
        ("2024-12-31", "2025-12-31", 248),
        ("2025-12-31", "2026-12-31", 248),
    ];
    for (from, to, count) in vectors {
        assert_eq!(china().count_working_days(d(from), d(to)), count, "{from} to {to}");
    }
}

#[test]
fn beyond_the_published_years_dates_are_provisional() {
    let cn = china();
    assert_eq!(cn.published_until(), Some(d("2026-12-31")));
    assert!(!cn.is_provisional(d("2026-12-31")) && cn.is_provisional(d("2027-01-01")));
    assert!(!cn.is_provisional(d("2007-01-01")) && cn.is_provisional(d("2006-12-31")));

    let ends = |counted: Result<Counted, _>| counted.map(|c| (c.date, c.provisional)).unwrap();
    assert_eq!(ends(cn.add_working_days(d("2026-12-25"), 4)), (d("2026-12-31"), false));
    assert_eq!(ends(cn.add_working_days(d("2026-12-25"), 5)), (d("2027-01-01"), true));
    assert_eq!(ends(cn.add_working_days(d("2027-03-01"), 0)), (d("2027-03-01"), false));
    assert_eq!(ends(cn.sub_working_days(d("2027-01-04"), 1)), (d("2027-01-01"), true));
    // The unpublished days lie on the way, although both ends are published.
    assert_eq!(ends(cn.sub_working_days(d("2027-01-01"), 1)), (d("2026-12-31"), false));
    assert_eq!(ends(cn.sub_working_days(d("2027-01-04"), 2)), (d("2026-12-31"), true));
    // Plain days are certain in any year; the roll-over is not, even where nothing rolls.
    assert_eq!(ends(cn.add_calendar_days(d("2026-12-25"), 10, Roll::None)), (d("2027-01-04"), false));
    assert_eq!(
        ends(cn.add_calendar_days(d("2026-12-25"), 10, Roll::NextWorkingDay)),
        (d("2027-01-04"), true)
    );
    assert_eq!(ends(cn.add_months(d("2026-08-15"), 6, Roll::None)), (d("2027-02-15"), false));
    assert_eq!(ends(cn.add_months(d("2026-08-15"), 6, Roll::NextWorkingDay)), (d("2027-02-15"), true));

    // A roll out of the last published year.
    let short = with_years(vec![year(2026, vec![off("2026-12-31", "2026-12-31")], &[])]).unwrap();
    let rolled = short.add_calendar_days(d("2026-12-30"), 1, Roll::NextWorkingDay).unwrap();
    assert_eq!(rolled, Counted { date: d("2027-01-01"), nominal: d("2026-12-31"), provisional: true });
}

#[test]
fn a_calendar_without_years_knows_weekends_only() {
    let bare = with_years(vec![]).unwrap();
    assert_eq!(bare.published_until(), None);
    assert_eq!(bare.kind(d("2026-10-01")), DayKind::Working);
    assert_eq!(bare.kind(d("2026-09-20")), DayKind::Weekend);
    let counted = bare.add_working_days(d("2026-09-18"), 5).unwrap();
    assert_eq!((counted.date, counted.provisional), (d("2026-09-25"), true));
}

#[test]
fn another_weekend() {
    let zone = Tz::Asia__Riyadh;
    let calendar =
        Calendar::new("sa", "1", zone, &[Weekday::Sat, Weekday::Fri, Weekday::Sat], vec![]).unwrap();
    assert_eq!(calendar.weekend(), [Weekday::Fri, Weekday::Sat]);
    assert_eq!(calendar.add_working_days(d("2026-09-17"), 1).unwrap().date, d("2026-09-20"));
    let none = Calendar::new("daily", "1", zone, &[], vec![]).unwrap();
    assert_eq!(none.add_working_days(d("2026-09-17"), 10).unwrap().date, d("2026-09-27"));
}

#[test]
fn a_holiday_changed_while_it_lasted() {
    // What was published before 27 January 2020, against what holds.
    let mut years: Vec<_> = china().years().cloned().collect();
    let changed = years.iter_mut().find(|year| year.year == 2020).unwrap();
    let spring = changed.off.iter_mut().find(|off| off.from == d("2020-01-24")).unwrap();
    spring.to = d("2020-01-30");
    changed.make_up.push(d("2020-02-01"));
    let before = with_years(years).unwrap();

    let start = d("2020-01-23");
    assert_eq!(before.add_working_days(start, 1).unwrap().date, d("2020-01-31"));
    assert_eq!(before.add_working_days(start, 3).unwrap().date, d("2020-02-03"));
    assert_eq!(china().add_working_days(start, 1).unwrap().date, d("2020-02-03"));
    assert_eq!(china().add_working_days(start, 3).unwrap().date, d("2020-02-05"));
}

#[test]
fn the_account_of_a_count() {
    let lines = |calendar: &Calendar, from: &str, to: &str| -> String {
        let days = calendar.explain(d(from), d(to));
        let line = |day: calendar::Day| {
            let count = day.count.map_or("-".to_owned(), |count| count.to_string());
            let holiday = day.holiday.map(|name| format!(" {name}")).unwrap_or_default();
            let provisional = if day.provisional { " provisional" } else { "" };
            format!("{} {} {:?} {count}{holiday}{provisional}\n", day.date, day.date.weekday(), day.kind)
        };
        days.into_iter().map(line).collect()
    };
    insta::assert_snapshot!(lines(&china(), "2026-09-18", "2026-09-28"), @r#"
    2026-09-18 Fri Working -
    2026-09-19 Sat Weekend -
    2026-09-20 Sun MakeUp 1
    2026-09-21 Mon Working 2
    2026-09-22 Tue Working 3
    2026-09-23 Wed Working 4
    2026-09-24 Thu Working 5
    2026-09-25 Fri Off - 中秋节
    2026-09-26 Sat Off - 中秋节
    2026-09-27 Sun Off - 中秋节
    2026-09-28 Mon Working 6
    "#);
    insta::assert_snapshot!(lines(&china(), "2026-12-30", "2027-01-04"), @r#"
    2026-12-30 Wed Working -
    2026-12-31 Thu Working 1
    2027-01-01 Fri Working 2 provisional
    2027-01-02 Sat Weekend - provisional
    2027-01-03 Sun Weekend - provisional
    2027-01-04 Mon Working 3 provisional
    "#);
    // A start that is off has a line and no number.
    insta::assert_snapshot!(lines(&china(), "2026-02-14", "2026-02-15"), @r#"
    2026-02-14 Sat MakeUp -
    2026-02-15 Sun Off - 春节
    "#);

    assert_eq!(china().explain(d("2026-09-18"), d("2026-09-17")), []);
    // Days that are not counted at all have no line either.
    let all = china().explain(NaiveDate::MIN, NaiveDate::MAX);
    assert_eq!(all.first().map(|day| day.date), Some(calendar::EARLIEST));
    assert_eq!(all.last().map(|day| day.date), Some(calendar::LATEST));
}

#[test]
fn leaving_the_range_is_an_error() {
    let cn = china();
    let last = calendar::LATEST;
    let first = calendar::EARLIEST;
    let outside = last + Days::new(1);
    let refused = [
        cn.add_working_days(last, 1),
        cn.add_working_days(first, u32::MAX),
        cn.add_working_days(outside, 0),
        cn.sub_working_days(first, 1),
        cn.sub_working_days(last, u32::MAX),
        cn.sub_working_days(NaiveDate::MIN, 1),
        cn.add_calendar_days(last, 1, Roll::None),
        cn.add_calendar_days(first, u32::MAX, Roll::NextWorkingDay),
        cn.add_calendar_days(NaiveDate::MAX, 1, Roll::None),
        cn.add_months(last, 1, Roll::None),
        cn.add_months(first, u32::MAX, Roll::None),
        cn.add_months(outside, 0, Roll::None),
    ];
    for (i, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().code(), "CA0003", "case {i}");
    }
    let message = cn.add_working_days(last, 1).unwrap_err().to_string();
    assert_eq!(message, "1 working day after 2200-12-31 is outside 1900-01-01 to 2200-12-31");

    // The range's own ends are inside it.
    assert_eq!(cn.add_calendar_days(last, 0, Roll::None).unwrap().date, last);
    assert_eq!(cn.add_working_days(last.pred_opt().unwrap(), 1).unwrap().date, last);
    // A roll-over that would leave it: the last day made a day off.
    let closed = with_years(vec![year(2200, vec![off("2200-12-31", "2200-12-31")], &[])]).unwrap();
    assert_eq!(closed.add_calendar_days(last, 0, Roll::NextWorkingDay).unwrap_err().code(), "CA0003");
    assert_eq!(closed.roll_forward(last), outside);
    // Dates far outside still have a kind, and do not panic.
    assert_eq!(cn.roll_forward(NaiveDate::MAX), NaiveDate::MAX);
}
