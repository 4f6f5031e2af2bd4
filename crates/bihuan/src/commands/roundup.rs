//! 通报: what is overdue by unit, and each department's progress, as of a day.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;
use chrono::{NaiveDate, NaiveTime};
use engine::Engine;
use machine::command::Directory;
use machine::{Definition, Instant};
use serde_json::json;
use store::{DepartmentProgress, OverdueBy, OverdueRow, Roundup};

use super::show::label;
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
    let found = engine.roundup(at, day_end).await?;
    if out.json {
        return Ok(out.value(&json!({ "as_of": day, "roundup": found }))?);
    }
    let directory = engine.catalog().directory().await?;
    out.line(&out.text("roundup.title", &json!({ "day": day })))?;
    let stages = found.stages.iter().map(|row| &row.workflow);
    let workflows: BTreeSet<&String> = stages.chain(found.unverified.iter().map(|of| &of.workflow)).collect();
    if workflows.is_empty() {
        out.line(&out.text("roundup.none", &json!({})))?;
    }
    let circular = Circular { found: &found, day, calendar: &calendar, directory: &directory };
    for workflow in workflows {
        let definition = engine.catalog().definition(&engine.newest(workflow).await?).await?;
        circular.print(workflow, &definition, out)?;
    }
    if found.overdue_cut {
        out.line("")?;
        out.line(&out.text("roundup.cut", &json!({})))?;
    }
    Ok(())
}

struct Circular<'a> {
    found: &'a Roundup,
    day: NaiveDate,
    calendar: &'a Calendar,
    directory: &'a Directory,
}

impl Circular<'_> {
    /// One workflow: hazards and duties are nothing to be summed.
    fn print(&self, workflow: &str, definition: &Definition, out: &mut Output) -> Result<(), CliError> {
        let title = label(out, &definition.file().title).to_owned();
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for row in self.found.stages.iter().filter(|row| row.workflow == workflow) {
            let key = match row.outcome {
                Some(outcome) => serde_json::to_value(outcome),
                None => serde_json::to_value(row.stage),
            };
            let key = key.ok().and_then(|key| key.as_str().map(str::to_owned)).unwrap_or_default();
            *counted.entry(key).or_default() += row.count;
        }
        let total: u64 = counted.values().sum();
        out.line("")?;
        out.line(&out.text("roundup.identity", &json!({ "workflow": title, "found": total })))?;
        for (key, count) in &counted {
            out.line(&format!("  {}  {count}", out.text(&format!("roundup.stage.{key}"), &json!({}))))?;
        }
        let apart = self.found.unverified.iter().find(|of| of.workflow == workflow);
        if let Some(apart) = apart {
            out.line(&out.text("roundup.unverified", &json!({ "count": apart.count })))?;
        }
        let sides = [OverdueBy::Enterprise, OverdueBy::Regulator];
        for by in sides {
            let of = |row: &&OverdueRow| row.workflow == workflow && row.by == by;
            let rows: Vec<_> = self.found.overdue.iter().filter(of).collect();
            self.overdue("roundup.overdue", by, &rows, definition, out)?;
        }
        for by in sides {
            let rows = apart.iter().flat_map(|apart| &apart.overdue).filter(|row| row.by == by);
            let rows: Vec<_> = rows.collect();
            if !rows.is_empty() {
                self.overdue("roundup.overdue_unverified", by, &rows, definition, out)?;
            }
        }
        out.line("")?;
        out.line(&out.text("roundup.progress", &json!({})))?;
        let header = [
            "department",
            "cases",
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
        let rows = self.found.departments.iter().filter(|row| row.workflow == workflow);
        let rows = rows.map(|row| department(row, self.unit(row.department.as_ref()))).collect();
        Ok(out.table(&header, rows)?)
    }

    /// Who is overdue, the longest first.
    fn overdue(
        &self,
        title: &str,
        by: OverdueBy,
        rows: &[&OverdueRow],
        definition: &Definition,
        out: &mut Output,
    ) -> Result<(), CliError> {
        out.line("")?;
        out.line(&out.text(title, &json!({ "by": by })))?;
        if rows.is_empty() {
            return Ok(out.line(&out.text("roundup.none", &json!({})))?);
        }
        let mut units: BTreeMap<String, Vec<&OverdueRow>> = BTreeMap::new();
        for row in rows {
            // A role that people of several units hold stands for itself.
            let role = row.role.as_ref().filter(|_| row.unit.is_none());
            let role = role.and_then(|role| definition.file().roles.get(role));
            let name = role.map(|role| label(out, &role.title).to_owned());
            let name = name.unwrap_or_else(|| self.unit(row.unit.as_ref()));
            units.entry(name).or_default().push(row);
        }
        let mut units: Vec<_> = units.into_iter().collect();
        units.sort_by_cached_key(|(unit, rows)| (rows.iter().map(|row| row.from).min(), unit.clone()));
        let rows = units.iter().map(|(unit, rows)| {
            let longest = rows
                .iter()
                .map(|row| (self.day - self.calendar.local_date(row.from.utc())).num_days() + 1)
                .max();
            let numbers: Vec<&str> = rows.iter().map(|row| row.number.as_str()).collect();
            let (count, longest) = (rows.len().to_string(), longest.unwrap_or(0).to_string());
            vec![unit.clone(), count, longest, numbers.join(" ")]
        });
        let rows = rows.collect();
        let header = ["unit", "cases", "longest", "numbers"];
        let header = header.map(|key| out.text(&format!("roundup.{key}"), &json!({})));
        Ok(out.table(&header, rows)?)
    }

    fn unit(&self, unit: Option<&String>) -> String {
        unit.map_or_else(|| "—".to_owned(), |unit| self.directory.unit_name(unit).to_owned())
    }
}

fn department(row: &DepartmentProgress, name: String) -> Vec<String> {
    // Rounded to the nearest tenth.
    let permille = (row.on_time * 1_000 + row.due / 2).checked_div(row.due);
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
