//! Records that say something else: one row changed changes the counts.

use std::path::Path;

use calendar::parse_date;
use serde_json::Value as Json;

use crate::data;
use crate::replay::home;
use crate::{boston311_sla, eu_infringement, nyc_hpd_leadpaint, traffic_fines};

/// The column of a row, if the table has it.
fn column<'a>(row: &'a mut [String], headers: &[String], name: &str) -> Option<&'a mut String> {
    let index = headers.iter().position(|header| header == name)?;
    row.get_mut(index)
}

/// Changes a row and says whether it was the one to change.
type RowChange<'a> = dyn Fn(&mut Vec<String>, &[String]) -> bool + 'a;

/// The set cut down to the rows `keep` wants, as it is and with one row changed.
fn twice(
    records: &Path,
    set: &str,
    keep: &dyn Fn(&mut Vec<String>, &[String]) -> bool,
    change: &RowChange<'_>,
) -> (tempfile::TempDir, tempfile::TempDir) {
    let cut = |row: &mut Vec<String>, headers: &[String]| {
        if !keep(row, headers) {
            row.clear();
        }
    };
    let changed = std::cell::Cell::new(0);
    let one = |row: &mut Vec<String>, headers: &[String]| {
        cut(row, headers);
        if !row.is_empty() && changed.get() == 0 && change(row, headers) {
            changed.set(1);
        }
    };
    let folders = (data::changed(records, set, &cut), data::changed(records, set, &one));
    assert_eq!(changed.get(), 1, "{set}: one row is changed");
    folders
}

/// The paths at which two counts differ.
fn differences(one: &Json, other: &Json) -> Vec<String> {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return Vec::new() };
    let mut paths = Vec::new();
    for (key, value) in one {
        let next = other.get(key).unwrap_or(&Json::Null);
        if value.is_object() {
            paths.extend(differences(value, next).into_iter().map(|path| format!("{key}.{path}")));
        } else if value != next {
            paths.push(format!("{key} {value} {next}"));
        }
    }
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_a_day_later_is_noticed() {
    let Some(records) = data::folder() else { return };
    let (_, changed) = twice(&records, "traffic_fines", &|_, _| true, &|row, headers| {
        let notified =
            column(row, headers, "activity").is_some_and(|name| name == "Insert Fine Notification");
        let date = column(row, headers, "date").filter(|_| notified);
        let Some(date) = date else { return false };
        *date = parse_date(date).expect("a day").succ_opt().expect("a day").to_string();
        true
    });
    let (counts, expected) =
        (traffic_fines::run(changed.path(), home().await).await, traffic_fines::expected(changed.path()));
    let differs = differences(&counts, &expected);
    // The penalty of the record comes a day before the clock says: refused. The worker fires on the day.
    assert!(differs.contains(&"activities.Add penalty 2352 2353".to_owned()), "{differs:?}");
    assert!(
        differs.contains(&"penalty_exactly_60_days_after_notification 2352 2353".to_owned()),
        "{differs:?}"
    );
    assert!(!differs.iter().any(|path| path.starts_with("fired")), "{differs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_after_its_target_is_noticed() {
    let Some(records) = data::folder() else { return };
    let keep = |row: &mut Vec<String>, headers: &[String]| {
        column(row, headers, "open_dt").is_some_and(|opened| opened.starts_with("2013-01"))
    };
    let (cut, changed) = twice(&records, "boston311_sla", &keep, &|row, headers| {
        let on_time = column(row, headers, "on_time").is_some_and(|flag| flag == "ONTIME");
        let closed = column(row, headers, "closed_dt").is_some_and(|closed| !closed.is_empty());
        let target =
            column(row, headers, "sla_target_dt").filter(|target| on_time && closed && !target.is_empty());
        // A second after the target.
        let Some(target) = target.map(|target| target.clone()) else { return false };
        let second = &target[17..];
        let later = if second == "59" { return false } else { second.parse::<u32>().expect("a second") + 1 };
        *column(row, headers, "closed_dt").expect("a column") = format!("{}{later:02}", &target[..17]);
        true
    });
    let (one, other) = (
        boston311_sla::run(cut.path(), home().await).await,
        boston311_sla::run(changed.path(), home().await).await,
    );
    assert_eq!(one["flag_disagrees"], 0);
    assert_eq!(other["flag_disagrees"], 1);
    assert_eq!(other["closed_late"].as_i64(), one["closed_late"].as_i64().map(|late| late + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_moved_is_noticed() {
    let Some(records) = data::folder() else { return };
    let keep = |row: &mut Vec<String>, headers: &[String]| {
        column(row, headers, "case_id").is_some_and(|case| case.starts_with("IP:2002:00"))
    };
    let (cut, changed) = twice(&records, "eu_infringement", &keep, &|row, headers| {
        let closing = column(row, headers, "decision_stage").is_some_and(|stage| stage == "Closing");
        let Some(date) = column(row, headers, "decision_date").filter(|_| closing) else { return false };
        *date = parse_date(date).expect("a day").succ_opt().expect("a day").to_string();
        true
    });
    let (one, other) = (
        eu_infringement::run(cut.path(), home().await).await,
        eu_infringement::run(changed.path(), home().await).await,
    );
    assert_eq!((&one["history_differs"], &other["history_differs"]), (&0.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certification_on_its_last_day_is_noticed() {
    let Some(records) = data::folder() else { return };
    let keep = |row: &mut Vec<String>, headers: &[String]| {
        column(row, headers, "inspectiondate").is_some_and(|day| day.starts_with("2023"))
    };
    let (cut, changed) = twice(&records, "nyc_hpd_leadpaint", &keep, &|row, headers| {
        let status =
            column(row, headers, "currentstatus").is_some_and(|status| status == "NOV CERTIFIED LATE");
        let due = ["newcertifybydate", "originalcertifybydate"]
            .into_iter()
            .filter_map(|name| column(row, headers, name).map(|day| day.clone()))
            .find(|day| !day.is_empty());
        let Some(due) = due.filter(|_| status) else { return false };
        // Certified on the last day: not late any more, though the city says so.
        *column(row, headers, "certifieddate").expect("a column") = due;
        true
    });
    let (one, other) = (
        nyc_hpd_leadpaint::run(cut.path(), home().await).await,
        nyc_hpd_leadpaint::run(changed.path(), home().await).await,
    );
    assert_eq!((&one["status_disagrees"], &other["status_disagrees"]), (&0.into(), &1.into()));
    let late = |counts: &Json| counts["reported_late_vs_effective"].as_i64().expect("a number");
    assert_eq!(late(&one), late(&other) + 1);
}
