//! Sweeps among many open cases, and lists of them, on both databases.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use chrono::Datelike;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use store::{Clock, Place};

use crate::county::{self, Case, Site};
use crate::drive::{Ours, drive, drive_paced};
use crate::floor_sweep::Swept;
use crate::lists;
use crate::load::{self, Identity, Template};
use crate::measure::{median, p99_ms};
use crate::report::{Report, Required, note};
use crate::seasons::{Group, Seasons, sweep};
use crate::{Database, Plan, Result};

/// Callers beside a sweep, the part of what they could do that they do, and how often that is measured.
const CALLERS: usize = 16;
const PART: f64 = 1.0 / 3.0;
const MEANWHILE: usize = 5;
/// Cases each of them acts on.
const CASES_PER_CALLER: usize = 100;
/// What is required of a sweep, beside the floor; and beside commands, of both.
const SWEEP_MOST: f64 = 2.5;
const COMMANDS_MOST: f64 = 5.0;
const MEANWHILE_MOST: f64 = 4.0;

/// A database with all that is swept.
struct Field<'a> {
    name: &'static str,
    place: Place,
    site: Site,
    seasons: &'a Seasons,
    plan: &'a Plan,
}

/// Measures sweeps and lists.
pub async fn measure(plan: &Plan, only: Option<Database>, report: &mut Report) -> Result<()> {
    let groups = 2 * plan.rounds + MEANWHILE;
    let seasons = Seasons::new(u32::try_from(groups)?).await?;
    if only != Some(Database::Sqlite) {
        let server = crate::postgres::server().await?;
        one(plan, &seasons, "PostgreSQL", Place::Server(server.database().await), report).await?;
    }
    if only != Some(Database::Postgres) {
        let folder = tempfile::tempdir()?;
        one(plan, &seasons, "SQLite", Place::File(folder.path().join("sweep.db")), report).await?;
    }
    Ok(())
}

async fn one(
    plan: &Plan,
    seasons: &Seasons,
    name: &'static str,
    place: Place,
    report: &mut Report,
) -> Result<()> {
    let site = county::found(&place, Clock::Simulated, seasons.begin).await?;
    let field = Field { name, place, site, seasons, plan };
    let begun = Instant::now();
    field.load().await?;
    note(&format!("{name}: {} cases loaded in {:.0} s", plan.open, begun.elapsed().as_secs_f64()));
    field.lists(report).await?;
    let alone_s = field.beside_floor(report).await?;
    field.meanwhile(alone_s, report).await?;
    field.midnight(report).await
}

impl Field<'_> {
    /// Numbers of the cases of a group; those that fall due in no group come first.
    fn numbers(&self, group: usize) -> Range<usize> {
        let first = self.plan.open - (self.seasons.groups.len() - group) * self.plan.due;
        first + 1..first + self.plan.due + 1
    }

    fn identities(&self, numbers: Range<usize>) -> Vec<Identity> {
        load::identities(self.seasons.begin.utc().year(), numbers)
    }

    async fn load(&self) -> Result<()> {
        self.copy(&self.seasons.far, 1..self.numbers(0).start).await?;
        for (index, group) in self.seasons.groups.iter().enumerate() {
            self.copy(&group.before, self.numbers(index)).await?;
        }
        if !self.is_server() {
            return self.execute("ANALYZE", None).await;
        }
        self.execute("VACUUM ANALYZE", None).await?;
        // Gives back the files of the log that the loading took: a new one is filled with zeros while nobody can
        // commit.
        self.execute("CHECKPOINT", None).await
    }

    async fn copy(&self, templates: &[Template], numbers: Range<usize>) -> Result<()> {
        let templates: Vec<&Template> = templates.iter().collect();
        load::load(&self.place, &templates, &self.identities(numbers)).await
    }

    fn is_server(&self) -> bool {
        matches!(self.place, Place::Server(_))
    }

    /// Runs a statement, with a list of case ids as JSON where it takes one.
    async fn execute(&self, statement: &str, ids: Option<String>) -> Result<()> {
        match &self.place {
            Place::Server(url) => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query(AssertSqlSafe(statement)).bind(ids).execute(&mut connection).await?;
                connection.close().await?;
            }
            Place::File(path) => {
                let mut connection = crate::sqlite::connect(path).await?;
                sqlx::query(AssertSqlSafe(statement)).bind(ids).execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }

    /// Takes the next moment of cases away, so that the next group is due alone.
    async fn park(&self, cases: impl Iterator<Item = &str>) -> Result<()> {
        let ids = serde_json::to_string(&cases.collect::<Vec<_>>())?;
        let each = if self.is_server() {
            "UPDATE cases SET wake_at = NULL WHERE tenant_id = 'qingyuan'
                AND case_id = ANY(ARRAY(SELECT json_array_elements_text($1::json)))"
        } else {
            "UPDATE cases SET wake_at = NULL WHERE tenant_id = 'qingyuan'
                AND case_id IN (SELECT value FROM json_each($1))"
        };
        self.execute(each, Some(ids)).await
    }

    /// How long a sweep of ours takes, in seconds.
    async fn sweep_s(&self, cases: usize) -> Result<f64> {
        let begun = Instant::now();
        let moved = sweep(&self.site.engine).await?;
        let seconds = begun.elapsed().as_secs_f64();
        if moved == cases { Ok(seconds) } else { Err(format!("{moved} cases moved of {cases} due").into()) }
    }

    /// The lists, before anything is swept.
    async fn lists(&self, report: &mut Report) -> Result<()> {
        lists::of(&self.site.engine, self.name, self.plan.open, report).await
    }

    /// Sweeps in turn with the floor. Gives how long one of ours takes.
    async fn beside_floor(&self, report: &mut Report) -> Result<f64> {
        let (mut ours, mut floor) = (Vec::new(), Vec::new());
        for (index, group) in self.seasons.groups[..2 * self.plan.rounds].iter().enumerate() {
            let identities = self.identities(self.numbers(index));
            if index % 2 == 0 {
                self.site.store.set_clock(group.at).await?;
                ours.push(self.sweep_s(identities.len()).await?);
            } else {
                floor.push(self.floor_s(group, &identities).await?);
            }
            self.park(identities.iter().map(|identity| identity.id.as_str())).await?;
        }
        let (name, due, open) = (self.name, self.plan.due, self.plan.open);
        let what = format!("{name}: sweep of {due} due among {open}, s");
        let alone_s = median(ours);
        report.compare(what, alone_s, median(floor), Some(Required::AtMost(SWEEP_MOST)));
        Ok(alone_s)
    }

    async fn floor_s(&self, group: &Group, identities: &[Identity]) -> Result<f64> {
        let prepared = Swept::prepare(&group.after, identities);
        self.site.store.set_clock(group.at).await?;
        let begun = Instant::now();
        let written = prepared.write(&self.place, group.at.micros()).await?;
        let seconds = begun.elapsed().as_secs_f64();
        if written == identities.len() { Ok(seconds) } else { Err("the floor writes all that is due".into()) }
    }

    /// Cases for callers, out of those that fall due in no group.
    async fn cases(&self) -> Result<Vec<Vec<Case>>> {
        let question = "SELECT case_id, version, main_state, enterprise FROM cases
             WHERE tenant_id = 'qingyuan' ORDER BY number LIMIT $1";
        let limit = i64::try_from(CALLERS * CASES_PER_CALLER)?;
        let rows = match &self.place {
            Place::Server(url) => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query_as(question).bind(limit).fetch_all(&mut connection).await?
            }
            Place::File(path) => {
                let mut connection: SqliteConnection = crate::sqlite::connect(path).await?;
                sqlx::query_as(question).bind(limit).fetch_all(&mut connection).await?
            }
        };
        county::deal(rows, CALLERS)
    }

    /// Sweeps while callers do a part of what they could.
    async fn meanwhile(&self, alone_s: f64, report: &mut Report) -> Result<()> {
        let ours = Arc::new(Ours { engine: self.site.engine.clone() });
        let begun = Instant::now();
        let done = drive(&ours, self.cases().await?, self.plan.round).await?.len();
        let rate = done as f64 / begun.elapsed().as_secs_f64() * PART;
        let (mut idle, mut beside, mut planned, mut sweeps) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, group) in self.seasons.groups.iter().enumerate().skip(2 * self.plan.rounds) {
            let identities = self.identities(self.numbers(index));
            let round = self.plan.round;
            let (quiet, ()) =
                drive_paced(&ours, self.cases().await?, rate, tokio::time::sleep(round)).await?;
            idle.push(p99_ms(&quiet.asked_us));
            self.site.store.set_clock(group.at).await?;
            let swept = self.sweep_s(identities.len());
            let (took, seconds) = drive_paced(&ours, self.cases().await?, rate, swept).await?;
            beside.push(p99_ms(&took.asked_us));
            planned.push(p99_ms(&took.planned_us));
            sweeps.push(seconds?);
            self.park(identities.iter().map(|identity| identity.id.as_str())).await?;
        }
        self.park(self.cases().await?.iter().flatten().map(|case| case.text.as_str())).await?;
        let what = format!("{}, {CALLERS} callers at {rate:.0}/s", self.name);
        let most = Some(Required::AtMost(COMMANDS_MOST));
        report.compare(format!("{what}: p99 in a sweep beside idle, ms"), median(beside), median(idle), most);
        report.tell(format!("{what}: p99 from when it was to be asked, ms"), median(planned));
        let most = Some(Required::AtMost(MEANWHILE_MOST));
        report.compare(format!("{what}: the sweep beside alone, s"), median(sweeps), alone_s, most);
        Ok(())
    }

    /// Many dates pass at one midnight, and their first rung falls due in the morning; each exactly once.
    async fn midnight(&self, report: &mut Report) -> Result<()> {
        let (midnight, cases) = (&self.seasons.midnight, self.plan.midnight);
        self.site.store.set_clock(midnight.opened).await?;
        self.copy(&midnight.templates, self.plan.open + 1..self.plan.open + cases + 1).await?;
        self.site.store.set_clock(midnight.at).await?;
        let passed = self.sweep_s(cases).await?;
        let at = midnight.at.micros();
        self.exactly_once(&format!("FROM acts WHERE name = 'tick' AND at = {at}"), cases).await?;
        report.tell(format!("{}: {cases} dates pass at one midnight, s (goal 15)", self.name), passed);
        self.site.store.set_clock(midnight.morning).await?;
        let marked = self.sweep_s(cases).await?;
        let at = midnight.morning.micros();
        self.exactly_once(&format!("FROM rungs WHERE rung = 'overdue' AND recorded_at = {at}"), cases)
            .await?;
        report.tell(format!("{}: their {cases} rungs of the morning, s", self.name), marked);
        Ok(())
    }

    /// As many rows as cases, in as many cases.
    async fn exactly_once(&self, of: &str, cases: usize) -> Result<()> {
        let question = format!("SELECT count(*), count(DISTINCT case_id) {of}");
        let counted: (i64, i64) = match &self.place {
            Place::Server(url) => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query_as(AssertSqlSafe(question)).fetch_one(&mut connection).await?
            }
            Place::File(path) => {
                let mut connection = crate::sqlite::connect(path).await?;
                sqlx::query_as(AssertSqlSafe(question)).fetch_one(&mut connection).await?
            }
        };
        let wanted = i64::try_from(cases)?;
        if counted == (wanted, wanted) {
            Ok(())
        } else {
            Err(format!("{counted:?} {of}, not {cases}").into())
        }
    }
}
