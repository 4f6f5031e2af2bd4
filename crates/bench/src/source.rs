//! Where the rows come from that are loaded and that the floor writes: a small store, in which the engine did it all.

use std::sync::Arc;

use chrono::{Datelike, Days};
use machine::Instant;
use store::{Clock, Place};

use crate::Result;
use crate::county::{self, Case, Site, tenant};
use crate::load::{self, Template};
use crate::steps::Steps;

/// Cases opened to be copied.
const TEMPLATES: u32 = 240;
/// Days until they are due.
const TERM_DAYS: u64 = 90;

/// A small store in a folder of its own.
pub struct Source {
    /// Its folder; gone with it.
    _folder: tempfile::TempDir,
    /// When it was made.
    pub now: Instant,
    /// The rows of cases just opened.
    pub templates: Vec<Template>,
    /// The rows of what is done to them.
    pub steps: Arc<Steps>,
}

impl Source {
    /// Opens cases, and does to one of them what is measured.
    pub async fn new(clock: Clock) -> Result<Source> {
        let folder = tempfile::tempdir()?;
        let now = store::sqlite::host_time();
        let site = county::found(&Place::File(folder.path().join("source.db")), clock, now).await?;
        let today = calendar::china().local_date(now.utc());
        let due_on = today.checked_add_days(Days::new(TERM_DAYS)).ok_or("a day")?;
        for no in 0..TEMPLATES {
            county::open_hazard(&site.engine, &format!("template-{no:06}"), no, due_on).await?;
        }
        let templates = load::templates(site.store.as_ref()).await?.into_values().collect();
        let steps = Arc::new(record(&site).await?);
        Ok(Source { _folder: folder, now, templates, steps })
    }

    /// Loads copies with these numbers into a store.
    pub async fn load(&self, place: &Place, numbers: std::ops::Range<usize>) -> Result<()> {
        let year = calendar::china().local_date(self.now.utc()).year();
        let templates: Vec<&Template> = self.templates.iter().collect();
        load::load(place, &templates, &load::identities(year, numbers)).await
    }
}

/// What is measured, as the engine writes it.
async fn record(site: &Site) -> Result<Steps> {
    let page = site.store.page(&tenant(), &store::table::CASES, None, 1).await?;
    let head = page.first().ok_or("a case")?;
    let text = |column: &str| head[column].as_str().unwrap_or_default().to_owned();
    let rows = vec![(text("case_id"), 1, text("main_state"), text("enterprise"))];
    let case: Option<Case> = county::deal(rows, 1)?.into_iter().flatten().next();
    Steps::record(site, case.ok_or("a case")?).await
}
