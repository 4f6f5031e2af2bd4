//! Lists among very many cases.

use std::time::Instant;

use chrono::Datelike;
use engine::Engine;
use store::table::{CASES, OBLIGATIONS, TEXTS};
use store::{Clock, Filter, OwedFilter, Place};

use crate::county::{self, tenant};
use crate::load::{self, Template};
use crate::measure::median;
use crate::report::{Report, note};
use crate::source::Source;
use crate::{Plan, Result};

/// Lines of a page.
const PAGE: u32 = 50;
/// Times each list is asked for.
const TIMES: usize = 7;

/// Asks a store for its lists.
pub async fn of(engine: &Engine, name: &str, cases: usize, report: &mut Report) -> Result<()> {
    let filter = Filter { limit: PAGE, ..Filter::default() };
    let owed = OwedFilter { unit: None, role: Vec::new(), posts: None, after: None, limit: PAGE };
    let named = |text: &str| Filter { text: Some(text.to_owned()), ..filter.clone() };
    // One case has the number, and every case has words like these.
    let (one, many) = (named("-000777"), named("配电间"));
    let (mut pages, mut counts, mut duties) = (Vec::new(), Vec::new(), Vec::new());
    let (mut found_one, mut found_many) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        engine.ledger(&filter).await?;
        pages.push(milliseconds(begun));
        let begun = Instant::now();
        engine.store().ledger_count(&tenant(), &filter).await?;
        counts.push(milliseconds(begun));
        let begun = Instant::now();
        engine.owes(&owed).await?;
        duties.push(milliseconds(begun));
        let begun = Instant::now();
        if engine.ledger(&one).await?.is_empty() {
            return Err("a case with that number".into());
        }
        found_one.push(milliseconds(begun));
        let begun = Instant::now();
        engine.ledger(&many).await?;
        found_many.push(milliseconds(begun));
    }
    report.tell(format!("{name}, {cases} cases: first page of the ledger, ms (goal 10)"), median(pages));
    report.tell(format!("{name}, {cases} cases: its bounded count, ms (goal 50)"), median(counts));
    report.tell(format!("{name}, {cases} cases: first page of who owes what, ms"), median(duties));
    report.tell(format!("{name}, {cases} cases: found by part of a number, ms"), median(found_one));
    report.tell(format!("{name}, {cases} cases: found by a word all may have, ms"), median(found_many));
    Ok(())
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// Lists of more cases than would fit beside all their acts on a small disk: what lists read is loaded, heads
/// without their states and duties, and nothing else.
pub async fn large(plan: &Plan, report: &mut Report) -> Result<()> {
    let source = Source::new(Clock::Real).await?;
    let server = crate::postgres::server().await?;
    let url = server.database().await;
    let place = Place::Server(url.clone());
    let site = county::found(&place, Clock::Real, source.now).await?;
    let light: Vec<Template> =
        source.templates.iter().map(|template| template.only(&[&CASES, &TEXTS, &OBLIGATIONS])).collect();
    let templates: Vec<&Template> = light.iter().collect();
    let year = calendar::china().local_date(source.now.utc()).year();
    let begun = Instant::now();
    let indexes = crate::postgres::drop_indexes(&url, &["cases", "texts", "obligations"]).await?;
    // A part at a time, so that the ids need little memory.
    for first in (0..plan.large).step_by(1_000_000) {
        let numbers = first + 1..plan.large.min(first + 1_000_000) + 1;
        load::load(&place, &templates, &load::identities(year, numbers)).await?;
        note(&format!("  {first} and more, {:.0} s", begun.elapsed().as_secs_f64()));
    }
    for index in indexes {
        crate::postgres::execute(&url, &index).await?;
    }
    crate::postgres::execute(&url, "VACUUM ANALYZE cases, texts, obligations").await?;
    note(&format!("{} cases loaded in {:.0} s", plan.large, begun.elapsed().as_secs_f64()));
    of(&site.engine, "PostgreSQL", plan.large, report).await
}
