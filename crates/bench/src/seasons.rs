//! What falls due, and when: a small simulated store, in which the engine opened cases of every kind that is loaded,
//! and swept them, so that the floor knows what to write.

use chrono::{NaiveDate, NaiveTime};
use engine::Engine;
use machine::Instant;
use store::{Clock, Place};
use tests::morning;

use crate::Result;
use crate::county::{self, Site, tenant};
use crate::load::{self, Template};

/// When it begins.
const BEGIN: &str = "2026-03-02";
/// The day by which the first group is to rectify; a reminder goes out five working days before.
const FIRST_DUE: (i32, u32, u32) = (2026, 4, 20);
/// The day by which those are that nobody reminds meanwhile.
const FAR_DUE: (i32, u32, u32) = (2027, 2, 25);
/// Cases of a kind opened to be copied.
const TEMPLATES: u32 = 60;

/// Cases that fall due at one moment.
pub struct Group {
    /// The moment.
    pub at: Instant,
    /// Their rows before it.
    pub before: Vec<Template>,
    /// Their rows after the sweep.
    pub after: Vec<Template>,
}

/// Cases whose date passes at one midnight.
pub struct Midnight {
    /// When they are opened, the day before they are due.
    pub opened: Instant,
    /// The midnight.
    pub at: Instant,
    /// The first rung after it.
    pub morning: Instant,
    /// Their rows.
    pub templates: Vec<Template>,
}

/// All that is loaded for sweeps.
pub struct Seasons {
    /// When it begins.
    pub begin: Instant,
    /// Cases that nothing happens to meanwhile.
    pub far: Vec<Template>,
    /// Groups that are reminded, each on a working day of its own.
    pub groups: Vec<Group>,
    /// The last group of all.
    pub midnight: Midnight,
}

impl Seasons {
    /// Has the engine open and sweep them.
    pub async fn new(groups: u32) -> Result<Seasons> {
        let folder = tempfile::tempdir()?;
        let begin = morning(BEGIN);
        let site =
            county::found(&Place::File(folder.path().join("source.db")), Clock::Simulated, begin).await?;
        let china = calendar::china();
        open(&site.engine, "far", date(FAR_DUE)?).await?;
        for group in 0..groups {
            let due_on = china.add_working_days(date(FIRST_DUE)?, group)?.date;
            open(&site.engine, &format!("g{group:02}"), due_on).await?;
        }
        let far = of_kind(&site, "far").await?;
        let mut all = Vec::new();
        for group in 0..groups {
            let kind = format!("g{group:02}");
            let before = of_kind(&site, &kind).await?;
            // Earlier groups are reminded again between; only their rows of the first time are kept.
            let at = wake_of(&site, &kind).await?;
            site.store.set_clock(at).await?;
            sweep(&site.engine).await?;
            all.push(Group { at, before, after: of_kind(&site, &kind).await? });
        }
        let last = all.last().ok_or("a group")?.at;
        let day = china.add_working_days(china.local_date(last.utc()), 1)?.date;
        let at_time = |day: Option<NaiveDate>, hour, minute| {
            let time = NaiveTime::from_hms_opt(hour, minute, 0).ok_or("a time")?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Instant::new(
                china.instant(day.ok_or("a day")?, time),
            ))
        };
        // Opened too late for any reminder: what comes first is the midnight after the due day.
        let opened = at_time(Some(day), 9, 0)?;
        let (due_on, next) = (day.succ_opt(), day.succ_opt().and_then(|due_on| due_on.succ_opt()));
        site.store.set_clock(opened).await?;
        open(&site.engine, "midnight", due_on.ok_or("a day")?).await?;
        let templates = of_kind(&site, "midnight").await?;
        let midnight =
            Midnight { opened, at: at_time(next, 0, 0)?, morning: at_time(next, 8, 30)?, templates };
        Ok(Seasons { begin, far, groups: all, midnight })
    }
}

fn date((year, month, day): (i32, u32, u32)) -> Result<NaiveDate> {
    NaiveDate::from_ymd_opt(year, month, day).ok_or_else(|| "a day".into())
}

async fn open(engine: &Engine, kind: &str, due_on: NaiveDate) -> Result<()> {
    for no in 0..TEMPLATES {
        county::open_hazard(engine, &format!("template-{kind}-{no:06}"), no, due_on).await?;
    }
    Ok(())
}

async fn of_kind(site: &Site, kind: &str) -> Result<Vec<Template>> {
    let all = load::templates(site.store.as_ref()).await?;
    let key = format!("template-{kind}-");
    Ok(all.into_iter().filter(|(its, _)| its.starts_with(&key)).map(|(_, template)| template).collect())
}

/// When the first case of a kind is due next.
async fn wake_of(site: &Site, kind: &str) -> Result<Instant> {
    let case = engine::case_id(&tenant(), &format!("template-{kind}-{:06}", 0));
    let seen = site.store.read(&tenant(), &[store::Read { case, key: None }]).await?;
    let head = seen.known.into_iter().next().ok_or("a case")?.head?.ok_or("a head")?;
    Ok(head.state.wake_at().ok_or("it waits for something")?)
}

/// Sweeps until nothing is due. Gives how many cases moved.
pub async fn sweep(engine: &Engine) -> Result<usize> {
    let mut moved = 0;
    loop {
        let swept = engine.sweep(&[], 0, worker::SWEEP_MAX).await?;
        if let Some(failed) = swept.failed.into_iter().next() {
            return Err(failed.error);
        }
        moved += swept.moved;
        if swept.due == 0 {
            return Ok(moved);
        }
    }
}
