//! Changes as the engine would make them, decided here so that a test can spoil one.

use std::path::PathBuf;
use std::sync::Arc;

use calendar::Calendar;
use machine::act::{ALGORITHM, Auth, Measure, RungResult, canonical, chain, hex};
use machine::command::{Decision, Directory, NOBODY, Perform};
use machine::file::Column;
use machine::register::Registers;
use machine::value::{CaseId, TenantId};
use machine::{Command, Definition, Facts, Instant, Person};
use store::cells::found_by;
use store::{ActRow, Change, Clock, DefinitionRow, HistoryRow, NoticeRow, Outcome, Place, RungRow, Store};
use tests::{clerk, definition, morning, project, texts};

pub const DAY: &str = "2026-09-01";
pub const DUE: &str = "2026-09-18";

/// An empty place.
pub struct Room {
    folder: tempfile::TempDir,
    pub place: Place,
}

impl Room {
    pub fn file() -> Room {
        let folder = tempfile::tempdir().expect("a folder");
        Room { place: Place::File(folder.path().join("bihuan.db")), folder }
    }

    pub fn server(url: String) -> Room {
        Room { place: Place::Server(url), folder: tempfile::tempdir().expect("a folder") }
    }

    /// Where nothing is.
    pub fn nowhere(&self) -> Place {
        match &self.place {
            Place::File(_) => Place::File(self.path("nowhere.db")),
            Place::Server(url) => Place::Server(url.clone()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs statements beside the store.
    pub async fn execute(&self, sql: &'static str) {
        match &self.place {
            Place::File(path) => {
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
                let pool = sqlx::SqlitePool::connect_with(options).await.expect("opened");
                sqlx::raw_sql(sql).execute(&pool).await.expect("done");
                pool.close().await;
            }
            Place::Server(url) => {
                let pool = sqlx::PgPool::connect(url).await.expect("connected");
                sqlx::raw_sql(sql).execute(&pool).await.expect("done");
                pool.close().await;
            }
        }
    }

    /// A simulated store with the sample county.
    pub async fn county(&self) -> County {
        let store = self.place.create(Clock::Simulated, morning(DAY)).await.expect("a store");
        let county = County::of(store);
        let body = serde_json::to_string(&county.directory).expect("JSON");
        county.store.put_organisation(&county.tenant, &body).await.expect("kept");
        county.store.put_definition(&county.tenant, &county.definition_row()).await.expect("kept");
        county
    }
}

/// A store, and what is decided with.
pub struct County {
    pub store: Arc<dyn Store>,
    pub tenant: TenantId,
    pub definition: Definition,
    directory: Directory,
    calendar: Calendar,
}

impl County {
    fn of(store: Arc<dyn Store>) -> County {
        let file = project().join("workflows/sample/organisation.yaml");
        let text = std::fs::read_to_string(file).expect("the organisation");
        County {
            store,
            tenant: TenantId::from("qingyuan"),
            definition: definition("workflows/general-hazard.yaml"),
            directory: machine::file::read("organisation.yaml", &text).expect("an organisation"),
            calendar: calendar::china(),
        }
    }

    pub fn definition_row(&self) -> DefinitionRow {
        DefinitionRow {
            hash: self.definition.digest().to_owned(),
            workflow: self.definition.file().workflow.clone(),
            edition: self.definition.file().edition.clone(),
            body: self.definition.bytes().to_vec(),
            published_at: morning(DAY).micros(),
        }
    }

    fn decide(
        &self,
        (case, number, key): (CaseId, &str, Option<&str>),
        before: Option<&Change>,
        wish: &Command,
        now: Instant,
    ) -> Change {
        let actor: Person = clerk();
        let facts = Facts {
            tenant: &self.tenant,
            case,
            now,
            actor: Some(&actor),
            auth: Auth::Asserted,
            key,
            calendar: &self.calendar,
            directory: &self.directory,
            expected_version: None,
            number: Some(number),
            linked: None,
            hands: NOBODY,
            registers: Registers::NONE,
            salt: &[0; 32],
        };
        let state = before.map(|change| &change.state);
        let decision = machine::decide(&self.definition, state, wish, &facts).expect("allowed");
        self.change(before, decision)
    }

    fn change(&self, before: Option<&Change>, decision: Decision) -> Change {
        let mut hash = [0; 32];
        if let Some(before) = before {
            for (index, byte) in hash.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&before.last_hash[2 * index..2 * index + 2], 16).expect("hex");
            }
        }
        let mut acts = Vec::new();
        for act in &decision.acts {
            let body = canonical(act).expect("bytes");
            hash = chain(&hash, &body);
            acts.push(ActRow {
                case_id: act.case,
                version: act.version,
                at: act.at.micros(),
                name: act.name.clone(),
                person_id: act.actor.person().map(|who| who.person.clone()),
                algorithm: ALGORITHM.to_owned(),
                body: String::from_utf8(body).expect("text"),
                hash: hex(&hash),
            });
        }
        let projection = machine::project::project(&self.definition, &decision.state);
        let from = decision.state.last_at;
        let progress = projection.progress.clone();
        let text = found_by(&decision.state, projection.columns.get(&Column::Text));
        let told = |before: &Change| found_by(&before.state, before.projection.columns.get(&Column::Text));
        let moved = before.is_none_or(|before| before.projection.progress != progress);
        let row = HistoryRow { version: decision.state.version, from, progress };
        Change {
            expected_version: before.map_or(0, |change| change.state.version),
            workflow: self.definition.file().workflow.clone(),
            last_hash: hex(&hash),
            acts,
            history: if moved { vec![row] } else { Vec::new() },
            state: decision.state,
            text: Some(text).filter(|text| before.map(told).as_ref() != Some(text)),
            projection,
            rungs: Vec::new(),
            notices: Vec::new(),
            documents: Vec::new(),
            personal: decision.personal,
            key: None,
        }
    }

    /// Opens a case with this number, found at a place.
    pub fn opening_at(&self, number: &str, due_on: &str, place: &str, area: Option<&str>) -> Change {
        let mut fields = texts(&[
            ("place", place),
            ("description", "消防通道堵塞"),
            ("sector", "industry"),
            ("source", "self_check"),
            ("responsible", "e-paper"),
            ("due_on", due_on),
        ]);
        fields.extend(area.map(|area| texts(&[("area", area)])).unwrap_or_default());
        let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
        let case = engine::case_id(&self.tenant, number);
        self.decide((case, number, None), None, &Command::Perform(perform), morning(DAY))
    }

    pub fn opening(&self, number: &str) -> Change {
        self.opening_at(number, DUE, "一号仓库", None)
    }

    /// A remark under a key, which its act names.
    pub fn keyed(&self, before: &Change, key: &str) -> Change {
        let wish = Command::Comment { text: "看过".to_owned() };
        let of = (before.state.case, before.state.number.as_str(), Some(key));
        let change = self.decide(of, Some(before), &wish, morning(DAY));
        Change { key: Some((key.to_owned(), "digest".to_owned())), ..change }
    }

    /// A remark on a case as a change left it.
    pub fn remark(&self, before: &Change, text: &str) -> Change {
        let wish = Command::Comment { text: text.to_owned() };
        self.decide((before.state.case, &before.state.number, None), Some(before), &wish, morning(DAY))
    }

    /// Puts the place right of a case as a change left it.
    pub fn corrected(&self, before: &Change, place: &str) -> Change {
        let wish = Command::Amend { fields: texts(&[("place", place)]), reason: "写错".to_owned() };
        self.decide((before.state.case, &before.state.number, None), Some(before), &wish, morning(DAY))
    }

    /// Ends a case as a change left it.
    pub fn annulled(&self, before: &Change) -> Change {
        let (act, reason) = ("annul".to_owned(), Some("误报".to_owned()));
        let wish = Command::Perform(Perform { act, reason, ..Perform::default() });
        let now = morning(DAY).plus_micros(1_000);
        self.decide((before.state.case, &before.state.number, None), Some(before), &wish, now)
    }

    /// Commits each change on its own.
    pub async fn commit<'a>(
        &self,
        changes: impl IntoIterator<Item = &'a Change>,
    ) -> Vec<Result<Outcome, String>> {
        self.commit_groups(changes.into_iter().map(|change| vec![change.clone()]).collect()).await
    }

    pub async fn commit_groups(&self, groups: Vec<Vec<Change>>) -> Vec<Result<Outcome, String>> {
        let outcomes = self.store.commit(&self.tenant, groups.into()).await;
        outcomes.into_iter().map(|outcome| outcome.map_err(|error| error.to_string())).collect()
    }

    /// Commits what has to be committed.
    pub async fn committed<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) {
        for outcome in self.commit(changes).await {
            assert_eq!(outcome, Ok(Outcome::Committed));
        }
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &'static store::table::Table) -> usize {
        self.store.page(&self.tenant, table, None, 10_000).await.expect("read").len()
    }
}

/// A rung a change recorded.
pub fn rung(act_version: u32, repeat: u32) -> RungRow {
    RungRow {
        deadline_no: 1,
        revision: 1,
        ladder: "enterprise".to_owned(),
        rung: "soon".to_owned(),
        repeat,
        act_version,
        result: RungResult::Fired,
        measure: Measure::Remind,
        due_at: morning(DAY).micros(),
        recorded_at: morning(DAY).micros() + 5_000,
    }
}

/// A notice a change wrote.
pub fn notice(id: &str, recipient: &str, act_version: u32) -> NoticeRow {
    NoticeRow {
        notice_id: id.to_owned(),
        act_version,
        recipient: recipient.into(),
        measure: Measure::Remind,
        template: None,
        unreached: String::new(),
        ladder: "enterprise".to_owned(),
        rung: "soon".to_owned(),
        deadline_no: 1,
        created_at: morning(DAY).micros(),
    }
}
