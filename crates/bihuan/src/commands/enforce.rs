//! What runs by itself, and whether all is well.

use std::io;
use std::sync::Arc;

use chrono::NaiveTime;
use engine::Engine;
use engine::rebuild::Rebuilt;
use engine::text;
use engine::verify::Report;
use machine::Instant;
use machine::value::TenantId;
use serde_json::json;
use store::{Clock, Store, StoreError};

use crate::CliError;
use crate::error::verdict;
use crate::output::Output;

/// Runs a simulated store forward to the end of a day.
pub(super) async fn simulate(engine: &Engine, day: &str, out: &mut Output) -> Result<(), CliError> {
    let until = calendar::parse_date(day)?;
    let calendar = engine.catalog().local_calendar().await?;
    let end = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
    let end = Instant::new(calendar.instant(until, end));
    let store = engine.store();
    if store.clock_kind() == Clock::Simulated && end < store.clock().await? {
        return Err(StoreError::ClockBackwards.into());
    }
    let done = worker::simulate(engine, end).await?;
    let values = json!({ "until": day, "moved": done.moved, "digests": done.digests });
    Ok(out.say("work.simulated", &values)?)
}

/// Enforces the deadlines of all jurisdictions, or of one, until it is asked to stop.
pub(super) async fn work(
    store: Arc<dyn Store>,
    only: Option<&TenantId>,
    batch: u32,
    out: &mut Output,
) -> Result<(), CliError> {
    // Its clock stands still: whoever waits for dates to pass would wait for ever.
    if store.clock_kind() == Clock::Simulated {
        out.hint("work.stands_still", &json!({}));
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        stop.send_replace(true);
    });
    worker::run(store, only, batch, stopped, |round| match round {
        Ok(round) => {
            let values = json!({ "moved": round.moved, "digests": round.digests, "outrun": round.outrun });
            if !out.json && round.moved == 0 && round.digests == 0 {
                return;
            }
            let line = if out.json { values.to_string() } else { out.text("work.round", &values) };
            // A reader that went away does not stop the enforcement of deadlines.
            drop(out.line(&line));
        }
        Err(error) => out.warn(error),
    })
    .await?;
    Ok(())
}

/// Returns when the process is asked to end, by hand or by its supervisor.
async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    // Without a signal handler there is nothing to wait for: the process is ended from outside.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub(super) async fn status(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let now = engine.store().clock().await?;
    let standing = engine.store().standing(engine.tenant(), now).await?;
    let clock = engine.store().clock_kind();
    if out.json {
        return Ok(out.value(&json!({ "now": now, "clock": clock, "standing": standing }))?);
    }
    let calendar = engine.catalog().local_calendar().await?;
    let local = |at: Instant| at.utc().with_timezone(&calendar.zone()).format("%Y-%m-%d %H:%M").to_string();
    let next_wake = standing.next_wake.map(local);
    let span = |ms: Option<i64>| ms.map(|ms| span(ms, out));
    let values = json!({
        "now": local(now), "clock": clock, "next_wake": next_wake, "standing": standing,
        "oldest": span(standing.oldest_waiting_ms), "largest": span(standing.lateness_max_ms),
        "median": span(standing.lateness_p50_ms),
    });
    for key in ["now", "next", "waiting", "lateness", "undelivered", "provisional"] {
        out.line(&out.text(&format!("status.{key}"), &values))?;
    }
    Ok(())
}

/// How long something took, in the two largest units that say it.
fn span(ms: i64, out: &Output) -> String {
    let units = [("days", ms / 86_400_000), ("hours", ms / 3_600_000 % 24), ("minutes", ms / 60_000 % 60)];
    let shown = units.iter().skip_while(|(_, count)| *count == 0).take(2).filter(|(_, count)| *count > 0);
    let shown: Vec<String> = shown
        .map(|(unit, count)| out.text("status.span", &json!({ "unit": unit, "count": count })))
        .collect();
    if shown.is_empty() {
        let tenths = ms / 100 % 10;
        let seconds = ms / 1_000;
        let seconds = if tenths == 0 { seconds.to_string() } else { format!("{seconds}.{tenths}") };
        return out.text("status.span", &json!({ "unit": "seconds", "count": seconds }));
    }
    shown.join(" ")
}

pub(super) async fn rebuild(engine: &Engine, repair: bool, out: &mut Output) -> Result<(), CliError> {
    let (store, tenant) = (engine.store(), engine.tenant());
    let report = engine::rebuild::rebuild(store, tenant, engine.catalog(), repair).await?;
    let clean = report.left.is_empty() && (repair || report.differences.is_empty());
    verdict(print_rebuilt(&report, repair, out), clean, CliError::Faults)
}

fn print_rebuilt(report: &Rebuilt, repair: bool, out: &mut Output) -> io::Result<()> {
    if out.json {
        return out.value(report);
    }
    for fault in &report.differences {
        out.line(&out.text("rebuild.differs", &text::fault(out.language, fault)))?;
    }
    for fault in &report.left {
        out.line(&out.text("rebuild.left", &text::fault(out.language, fault)))?;
    }
    let found = report.differences.len() + report.left.len();
    let values = json!({ "cases": report.cases, "repaired": report.repaired, "found": found });
    out.line(&out.text(if repair { "rebuild.done" } else { "rebuild.checked" }, &values))
}

pub(super) async fn verify(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let report = engine::verify::verify(engine.store(), engine.tenant(), engine.catalog()).await?;
    verdict(print_verified(&report, out), report.faults.is_empty(), CliError::Faults)
}

fn print_verified(report: &Report, out: &mut Output) -> io::Result<()> {
    if out.json {
        return out.value(report);
    }
    for fault in &report.faults {
        out.line(&out.text("verify.fault", &text::fault(out.language, fault)))?;
    }
    if report.faults.is_empty() { out.line(&out.text("verify.clean", report)) } else { Ok(()) }
}
