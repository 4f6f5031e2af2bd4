//! 通报: what is overdue by unit, and each department's progress, as of a day.

use std::collections::BTreeMap;

use chrono::NaiveTime;
use engine::Engine;
use machine::Instant;
use serde_json::json;
use store::{DepartmentProgress, OverdueBy};

use crate::CliError;
use crate::error::usage;
use crate::output::Output;

pub(super) async fn roundup(engine: &Engine, as_of: Option<&str>, out: &mut Output) -> Result<(), CliError> {
    let now = engine.store().clock().await?;
    let calendar = engine.catalog().local_calendar().await?;
    let today = calendar.local_date(now.utc());
    let day = as_of.map_or(Ok(today), calendar::parse_date)?;
    if day > today {
        let values = json!({ "day": day, "today": today });
        return Err(usage("BH0065", values));
    }
    // Everything recorded on that day counts; what is overdue is so at its end, or now.
    let next = day.succ_opt().unwrap_or(day);
    let day_end = Instant::new(calendar.instant(next, NaiveTime::MIN));
    let at = now.min(day_end.plus_micros(-1));
    let found = engine.store().roundup(engine.tenant(), at, day_end).await?;
    let directory = engine.catalog().directory().await?;
    if out.json {
        return Ok(out.value(&json!({ "as_of": day, "roundup": found }))?);
    }
    let name = |unit: &Option<String>| {
        unit.as_ref().map_or_else(|| "—".to_owned(), |unit| directory.unit_name(unit).to_owned())
    };
    out.line(&out.text("roundup.title", &json!({ "day": day })))?;
    let counted: BTreeMap<String, u64> = found.stages.iter().fold(BTreeMap::new(), |mut sums, row| {
        let key = match row.outcome {
            Some(outcome) => serde_json::to_value(outcome),
            None => serde_json::to_value(row.stage),
        };
        let key = key.ok().and_then(|key| key.as_str().map(str::to_owned)).unwrap_or_default();
        *sums.entry(key).or_default() += row.count;
        sums
    });
    let total: u64 = counted.values().sum();
    out.line(&out.text("roundup.identity", &json!({ "found": total })))?;
    for (key, count) in &counted {
        out.line(&format!("  {}  {count}", out.text(&format!("roundup.stage.{key}"), &json!({}))))?;
    }
    for by in [OverdueBy::Enterprise, OverdueBy::Regulator] {
        out.line("")?;
        out.line(&out.text("roundup.overdue", &json!({ "by": by })))?;
        let mut units: BTreeMap<Option<String>, Vec<&store::OverdueRow>> = BTreeMap::new();
        for row in found.overdue.iter().filter(|row| row.by == by) {
            units.entry(row.unit.clone()).or_default().push(row);
        }
        let mut units: Vec<_> = units.into_iter().collect();
        units.sort_by_key(|(unit, rows)| (rows.iter().map(|row| row.from).min(), unit.clone()));
        let rows = units.iter().map(|(unit, rows)| {
            let longest = rows.iter().map(|row| (day - calendar.local_date(row.from.utc())).num_days() + 1);
            let numbers: Vec<&str> = rows.iter().map(|row| row.number.as_str()).collect();
            vec![
                name(unit),
                rows.len().to_string(),
                longest.max().unwrap_or(0).to_string(),
                numbers.join(" "),
            ]
        });
        let header = ["unit", "cases", "longest", "numbers"];
        let header = header.map(|key| out.text(&format!("roundup.{key}"), &json!({})));
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            out.line(&out.text("roundup.none", &json!({})))?;
        } else {
            out.table(&header, rows)?;
        }
    }
    if found.overdue_cut {
        out.line(&out.text("roundup.cut", &json!({})))?;
    }
    out.line("")?;
    out.line(&out.text("roundup.progress", &json!({})))?;
    let header = [
        "department",
        "found",
        "dispatched",
        "due",
        "on_time",
        "rate",
        "closed",
        "left_out",
        "overdue_enterprise",
        "overdue_regulator",
        "late_extensions",
        "downgraded",
        "supplementary",
    ];
    let header = header.map(|key| out.text(&format!("roundup.{key}"), &json!({})));
    let rows = found.departments.iter().map(|row| department(row, name(&row.department)));
    let rows = rows.collect();
    Ok(out.table(&header, rows)?)
}

fn department(row: &DepartmentProgress, name: String) -> Vec<String> {
    let permille = (row.on_time * 1_000).checked_div(row.due);
    // Nothing was due: there is no rate.
    let rate = permille.map_or_else(|| "—".to_owned(), |rate| format!("{}.{} %", rate / 10, rate % 10));
    let counts = [row.found, row.dispatched, row.due, row.on_time].map(|count| count.to_string());
    let beside = [
        row.closed,
        row.left_out,
        row.overdue_enterprise,
        row.overdue_regulator,
        row.late_extensions,
        row.downgraded,
        row.supplementary,
    ];
    let mut cells = vec![name];
    cells.extend(counts);
    cells.push(rate);
    cells.extend(beside.map(|count| count.to_string()));
    cells
}
