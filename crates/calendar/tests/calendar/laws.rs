//! What must hold of every count, whatever the days.

use calendar::{Calendar, Roll, china};
use chrono::{Days, NaiveDate};
use proptest::prelude::*;

use crate::d;

/// From before the published years to after them.
fn day() -> impl Strategy<Value = NaiveDate> {
    (0..9000_u64).prop_map(|n| d("2004-01-01") + Days::new(n))
}

fn n() -> impl Strategy<Value = u32> {
    prop_oneof![0..15_u32, 0..600_u32]
}

fn add(cn: &Calendar, start: NaiveDate, n: u32) -> NaiveDate {
    cn.add_working_days(start, n).expect("in range").date
}

fn sub(cn: &Calendar, end: NaiveDate, n: u32) -> NaiveDate {
    cn.sub_working_days(end, n).expect("in range").date
}

proptest! {
    #[test]
    fn more_days_end_later(start in day(), n in n()) {
        let cn = china();
        prop_assert!(add(&cn, start, n) < add(&cn, start, n + 1));
    }

    #[test]
    fn a_later_start_never_ends_earlier(start in day(), later in 0..40_u64, n in n()) {
        let cn = china();
        prop_assert!(add(&cn, start, n) <= add(&cn, start + Days::new(later), n));
    }

    #[test]
    fn counts_add_up(start in day(), n in n(), m in n()) {
        let cn = china();
        prop_assert_eq!(add(&cn, add(&cn, start, n), m), add(&cn, start, n + m));
    }

    #[test]
    fn the_end_is_a_working_day_and_its_number_is_n(start in day(), n in n()) {
        let cn = china();
        let end = add(&cn, start, n);
        prop_assert_eq!(cn.count_working_days(start, end), i64::from(n));
        prop_assert_eq!(cn.count_working_days(end, start), -i64::from(n));
        prop_assert!(n == 0 || cn.kind(end).is_working());
    }

    #[test]
    fn backward_undoes_forward(start in day(), n in 1..600_u32) {
        let cn = china();
        let start = cn.roll_forward(start);
        prop_assert_eq!(sub(&cn, add(&cn, start, n), n), start);
    }

    #[test]
    fn forward_undoes_backward_up_to_days_off(end in day(), n in 1..600_u32) {
        let cn = china();
        let start = sub(&cn, end, n);
        prop_assert!(start < end && cn.kind(start).is_working());
        prop_assert_eq!(add(&cn, start, n), cn.roll_forward(end));
    }

    #[test]
    fn a_date_is_provisional_when_a_day_on_the_way_is(start in day(), n in n()) {
        let cn = china();
        let counted = cn.add_working_days(start, n).expect("in range");
        let way = start.iter_days().skip(1).take_while(|day| *day <= counted.date);
        prop_assert_eq!(counted.provisional, way.into_iter().any(|day| cn.is_provisional(day)));
    }

    #[test]
    fn rolling_goes_to_the_nearest_working_day(start in day(), n in n()) {
        let cn = china();
        let counted = cn.add_calendar_days(start, n, Roll::NextWorkingDay).expect("in range");
        prop_assert_eq!(counted.nominal, start + Days::new(n.into()));
        prop_assert!(counted.date >= counted.nominal && cn.kind(counted.date).is_working());
        let between = counted.nominal.iter_days().take_while(|day| *day < counted.date);
        prop_assert_eq!(between.filter(|day| cn.kind(*day).is_working()).count(), 0);
    }

    #[test]
    fn the_account_ends_with_the_number_asked_for(start in day(), n in 1..60_u32) {
        let cn = china();
        let days = cn.explain(start, add(&cn, start, n));
        let numbers: Vec<u32> = days.iter().filter_map(|day| day.count).collect();
        prop_assert_eq!(numbers, (1..=n).collect::<Vec<_>>());
        prop_assert_eq!(days.last().and_then(|day| day.count), Some(n));
    }
}
