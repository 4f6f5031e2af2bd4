//! What runs by itself, and whether all is well.

use chrono::NaiveTime;
use engine::Engine;
use machine::Instant;
use serde_json::json;

use super::usage;
use crate::CliError;
use crate::output::Output;

pub(super) async fn work(
    engine: &Engine,
    until: Option<&str>,
    batch: u32,
    out: &mut Output,
) -> Result<(), CliError> {
    if let Some(day) = until {
        let day = calendar::parse_date(day).map_err(usage)?;
        let calendar = engine.catalog().local_calendar().await?;
        let end = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
        let done = worker::simulate(engine, Instant::new(calendar.instant(day, end))).await?;
        return Ok(out.line(&format!("{} {}", done.moved, done.digests))?);
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        // Without a signal handler there is nothing to wait for: the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
    });
    worker::run(engine, batch, stopped, |error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        out.error(&CliError::Usage(text));
    })
    .await;
    Ok(())
}

pub(super) async fn status(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let now = engine.store().clock().await?;
    let standing = engine.store().standing(engine.tenant(), now).await?;
    Ok(out.value(&json!({ "now": now, "clock": engine.store().clock_kind(), "standing": standing }))?)
}

pub(super) async fn verify(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let report = engine::verify::verify(engine.store(), engine.tenant(), engine.catalog()).await?;
    if out.json {
        out.value(&report)?;
    } else {
        for fault in &report.faults {
            out.line(&out.text("verify.fault", fault))?;
        }
        if report.faults.is_empty() {
            out.line(&out.text("verify.clean", &report))?;
        }
    }
    if report.faults.is_empty() { Ok(()) } else { Err(CliError::Faults) }
}
