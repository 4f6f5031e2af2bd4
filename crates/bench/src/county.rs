//! The county that is measured: its cases, and what is done to them.
//!
//! The command measured is the loop between an enterprise and its inspectors: it reports the rectification
//! complete, they reject it on re-inspection, and so on. Each is an act with a key; it moves the head, ends a duty,
//! begins another, and changes what the case counts as.

use std::sync::Arc;

use chrono::NaiveDate;
use engine::{Engine, EngineError, Receipt, Request};
use machine::act::{Auth, Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, TenantId};
use machine::{Command, Instant, Person};
use store::{Clock, Place, Store};
use tests::{clerk, definition, person, project, texts};

use crate::Result;

/// Enterprises of the sample county that take turns.
const ENTERPRISES: u32 = 60;
/// Its townships, which take turns.
const TOWNSHIPS: [&str; 6] = ["north", "south", "east", "west", "lake", "hill"];
/// The workflow.
pub const WORKFLOW: &str = "general-hazard";

/// The jurisdiction.
pub fn tenant() -> TenantId {
    TenantId::from("qingyuan")
}

/// A store with the sample county, and the engine on it.
pub struct Site {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The engine.
    pub engine: Engine,
}

/// Makes the county in an empty place.
pub async fn found(place: &Place, clock: Clock, now: Instant) -> Result<Site> {
    let store = place.create(clock, now).await?;
    let text = std::fs::read_to_string(project().join("workflows/sample/organisation.yaml"))?;
    let directory: machine::Directory =
        machine::file::read("organisation.yaml", &text).map_err(|problem| format!("{problem:?}"))?;
    let china = calendar::china();
    store.put_organisation(&tenant(), &serde_json::to_string(&directory)?).await?;
    store.put_calendar(&tenant(), china.id(), china.version(), &serde_json::to_string(&china)?).await?;
    let engine = Engine::start(store.clone(), tenant());
    engine.publish(&definition("workflows/general-hazard.yaml")).await?;
    Ok(Site { store, engine })
}

/// The county in a place where it is already.
pub async fn open(place: &Place) -> Result<Site> {
    let store = place.open().await?;
    let engine = Engine::start(store.clone(), tenant());
    Ok(Site { store, engine })
}

/// Opens a hazard; which enterprise's and where, its number says.
pub async fn open_hazard(engine: &Engine, key: &str, no: u32, due_on: NaiveDate) -> Result<Receipt> {
    let (enterprise, due_on) = (enterprise(no), due_on.to_string());
    let township = TOWNSHIPS[no as usize % TOWNSHIPS.len()];
    let fields = texts(&[
        ("place", "三号车间东侧配电间与原料堆场之间的疏散通道"),
        ("description", "疏散通道被原料占用，应急照明损坏两处，配电箱门未跨接，现场未见巡查记录"),
        ("sector", "industry"),
        ("source", "department_check"),
        ("area", township),
        ("responsible", &enterprise),
        ("due_on", &due_on),
    ]);
    let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
    Ok(engine.open(WORKFLOW, perform, clerk(), Auth::Asserted, key.to_owned()).await?)
}

fn enterprise(no: u32) -> String {
    format!("e-{:02}", no % ENTERPRISES + 1)
}

/// A case as far as a caller knows it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// Its id as stored.
    pub text: String,
    /// Its version.
    pub version: u32,
    /// Its enterprise has reported it complete, and it waits for the inspectors.
    pub reported: bool,
    /// The enterprise.
    pub enterprise: String,
}

impl Case {
    /// The key of what comes next on it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.text, self.version + 1)
    }

    /// What comes next on it.
    pub fn next(&self) -> Request {
        let (perform, actor) = if self.reported { reject() } else { self.report() };
        Request {
            case: self.id,
            definition: None,
            command: Command::Perform(perform),
            actor: Some(actor),
            auth: Auth::Asserted,
            key: Some(self.key()),
            expected_version: None,
        }
    }

    /// Something came.
    pub fn moved(&mut self) {
        self.version += 1;
        self.reported = !self.reported;
    }

    fn report(&self) -> (Perform, Person) {
        let digest = digest_hex(self.key().as_bytes());
        let photo = Evidence { kind: "after_photo".to_owned(), digest, size_bytes: 482_113 };
        let perform =
            Perform { act: "report_complete".to_owned(), evidence: vec![photo], ..Perform::default() };
        let no = self.enterprise.trim_start_matches("e-");
        let post = format!("{}-safety", self.enterprise);
        (perform, person(&format!("safety-{no}"), &post, &self.enterprise))
    }
}

fn reject() -> (Perform, Person) {
    let perform = Perform {
        act: "reject".to_owned(),
        officers: vec!["officer-qin".into(), "officer-bai".into()],
        signature: Some(Signature::Refused("拒签".to_owned())),
        reason: Some("应急照明仍有一处不亮".to_owned()),
        ..Perform::default()
    };
    (perform, person("officer-qin", "industry-officer-1", "industry"))
}

/// Does what comes next on a case, again while too many wait.
pub async fn do_next(engine: &Engine, case: &mut Case) -> Result<()> {
    loop {
        match engine.execute(case.next()).await {
            Err(EngineError::Busy) => tokio::task::yield_now().await,
            done => {
                done?;
                case.moved();
                return Ok(());
            }
        }
    }
}

/// Deals cases out to callers, so that no two meet on one.
pub fn deal(rows: Vec<(String, i64, String, String)>, callers: usize) -> Result<Vec<Vec<Case>>> {
    let mut dealt = vec![Vec::new(); callers];
    for (index, (text, version, main_state, enterprise)) in rows.into_iter().enumerate() {
        let id: CaseId = text.parse()?;
        let version = u32::try_from(version)?;
        let reported = main_state == "to_reinspect";
        dealt[index % callers].push(Case { id, text, version, reported, enterprise });
    }
    Ok(dealt)
}
