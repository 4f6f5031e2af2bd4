//! Dates as text.

use calendar::parse_date;
use chrono::NaiveDate;

#[test]
fn dates_that_are_read() {
    for text in ["1900-01-01", "2200-12-31", "2024-02-29", "2026-09-18"] {
        assert_eq!(parse_date(text).unwrap().to_string(), text);
    }
    assert_eq!(parse_date("2026-09-08").unwrap(), NaiveDate::from_ymd_opt(2026, 9, 8).unwrap());
}

#[test]
fn dates_that_are_refused() {
    let refused = [
        "2025-02-30",
        "2025-02-29",
        "2025-13-01",
        "2025-00-10",
        "2025-01-00",
        "0000-01-01",
        "1899-12-31",
        "2201-01-01",
        "9999-12-31",
        "10000-01-01",
        "-0001-01-01",
        "-2026-09-18",
        "292277026596-12-04",
        "26-09-18",
        "2026-9-18",
        "2026-009-18",
        "2026/09/18",
        "2026-09-18T00:00",
        "2026-09-18 ",
        " 2026-09-18",
        "2026-09",
        "2026-09-18-01",
        "+2026-09-18",
        "2026-09-+8",
        "２０２６-09-18",
        "20260918",
        "today",
        "",
    ];
    let message = |text: &&str| {
        let error = parse_date(text).expect_err(text);
        format!("{} {error}\n", error.code())
    };
    insta::assert_snapshot!(refused.iter().map(message).collect::<String>(), @r#"
    CA0002 "2025-02-30" is not a date: the month 2025-02 has no day 30
    CA0002 "2025-02-29" is not a date: the month 2025-02 has no day 29
    CA0002 "2025-13-01" is not a date: there is no month 13
    CA0002 "2025-00-10" is not a date: there is no month 00
    CA0002 "2025-01-00" is not a date: the month 2025-01 has no day 00
    CA0003 the date 0000-01-01 is outside 1900-01-01 to 2200-12-31
    CA0003 the date 1899-12-31 is outside 1900-01-01 to 2200-12-31
    CA0003 the date 2201-01-01 is outside 1900-01-01 to 2200-12-31
    CA0003 the date 9999-12-31 is outside 1900-01-01 to 2200-12-31
    CA0003 the date 10000-01-01 is outside 1900-01-01 to 2200-12-31
    CA0003 the date -0001-01-01 is outside 1900-01-01 to 2200-12-31
    CA0003 the date -2026-09-18 is outside 1900-01-01 to 2200-12-31
    CA0003 the date 292277026596-12-04 is outside 1900-01-01 to 2200-12-31
    CA0002 "26-09-18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-9-18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-009-18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026/09/18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-09-18T00:00" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-09-18 " is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 " 2026-09-18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-09" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-09-18-01" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "+2026-09-18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "2026-09-+8" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "２０２６-09-18" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "20260918" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "today" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    CA0002 "" is not a date: write it as YYYY-MM-DD, such as 2026-09-18
    "#);
}
