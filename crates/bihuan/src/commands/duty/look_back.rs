//! Look-backs (回头看): which of the cases closed in a period are looked at again.

use calendar::Calendar;
use chrono::{NaiveDate, NaiveTime};
use engine::Engine;
use machine::Instant;
use machine::act::digest_hex;
use machine::file::Outcome;
use machine::value::Name;
use store::ClosedRow;

use super::{Duty, Opening, period_start};
use crate::CliError;
use crate::args::DutyArguments;
use crate::error::usage;
use serde_json::json;

/// One duty for each case chosen, owed by its department.
pub(super) async fn duties(
    engine: &Engine,
    workflow: &str,
    arguments: &DutyArguments,
    opening: &Opening<'_>,
) -> Result<Vec<Duty>, CliError> {
    let definition = engine.catalog().definition(&engine.newest(workflow).await?).await?;
    let main = definition.file().tracks.get("main").into_iter().flat_map(|track| &track.states);
    let rectified = main.filter(|(_, state)| state.outcome == Some(Outcome::Rectified));
    let states: Vec<Name> = rectified.map(|(name, _)| name.clone()).collect();
    if states.is_empty() {
        return Err(usage("BH0091", json!({ "workflow": workflow })));
    }
    let calendar = engine.catalog().calendar(&definition.file().calendar).await?;
    let bad_period = || usage("BH0068", json!({ "period": arguments.period }));
    let start = period_start(&arguments.period).ok_or_else(bad_period)?;
    let after = opening.end.succ_opt().ok_or_else(bad_period)?;
    let (from, until) = (midnight(&calendar, start), midnight(&calendar, after));
    let closed = engine.store().closed(engine.tenant(), workflow, &states, from, until).await?;
    let directory = engine.catalog().directory().await?;
    let nobody = closed.iter().find(|row| row.department.is_none()).map(|row| &row.number);
    if let Some(number) = nobody {
        return Err(usage("BH0092", json!({ "number": number })));
    }
    let duties = chosen(closed, arguments.share).into_iter().filter_map(|row| {
        let department = row.department.as_deref()?;
        let closed_on = calendar.local_date(row.closed_at.utc()).to_string();
        let more = [
            ("sector", row.sector.as_deref()),
            ("area", row.area.as_deref()),
            ("of_case", Some(row.number.as_str())),
            ("closed_on", Some(closed_on.as_str())),
        ];
        let name = format!("{} {}", directory.unit_name(department), row.number);
        Some(opening.duty(engine, arguments, department, name, &row.number, &more))
    });
    Ok(duties.collect())
}

fn midnight(calendar: &Calendar, day: NaiveDate) -> Instant {
    Instant::new(calendar.instant(day, NaiveTime::MIN))
}

/// All that were listed, and of the others the share asked for, rounded up. Which ones nobody picks: they come
/// in the order of a digest, the same whenever it is asked.
fn chosen(closed: Vec<ClosedRow>, share_percent: u64) -> Vec<ClosedRow> {
    let (mut chosen, mut others): (Vec<_>, Vec<_>) = closed.into_iter().partition(|row| row.level.is_some());
    others.sort_by_cached_key(|row| digest_hex(row.number.as_bytes()));
    let share = (others.len() as u64 * share_percent).div_ceil(100);
    others.truncate(usize::try_from(share).unwrap_or(usize::MAX));
    chosen.append(&mut others);
    chosen
}
