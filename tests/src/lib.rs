//! Shared support of the end-to-end tests: a store with the sample county, the binary, and PostgreSQL servers.

pub mod home;
pub mod plans;
pub mod postgres;
pub mod proxy;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use chrono::NaiveTime;
use engine::{Engine, EngineError, Receipt, Request};
use machine::act::Auth;
use machine::command::{Directory, Perform};
use machine::value::{TenantId, Value};
use machine::{Command as Wish, Definition, Instant, Person};
use store::{Clock, Place, Store};

use home::{Home, Raw};

/// The folder of the project.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary under test, built beside the tests. Missing is a failure, never a skip.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let binary = folder.join("bihuan");
    assert!(binary.exists(), "build the binary first (./test does): {}", binary.display());
    binary
}

/// Runs the binary on a store, in English.
pub fn bihuan(store: &Path, arguments: &[&str]) -> Output {
    run(store, arguments, "en")
}

/// Runs the binary on a store, in Chinese.
pub fn bihuan_zh(store: &Path, arguments: &[&str]) -> Output {
    run(store, arguments, "zh")
}

fn run(store: &Path, arguments: &[&str], language: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).args(["--lang", language]).env("BIHUAN_STORE", store);
    command.env_remove("BIHUAN_TENANT").output().expect("the binary starts")
}

/// A simulated store with the sample county.
pub struct County {
    /// Its folder; gone with it.
    pub folder: tempfile::TempDir,
    /// The database file, or the URL of the database.
    pub path: PathBuf,
    /// The engine on it.
    pub engine: Engine,
}

impl County {
    /// A connection of its own to the database.
    pub async fn raw(&self) -> Raw {
        Raw::of(&Place::of(&self.path)).await
    }

    /// A second engine on the same store, as another process would have it.
    pub async fn again(&self) -> Engine {
        Engine::start(Place::of(&self.path).open().await.expect("opened"), self.engine.tenant().clone())
    }
}

/// 08:00 in China on a day.
pub fn morning(day: &str) -> Instant {
    let day = calendar::parse_date(day).expect("a day");
    let eight = NaiveTime::from_hms_opt(8, 0, 0).expect("a time");
    Instant::new(calendar::china().instant(day, eight))
}

/// A county whose simulated clock begins on a day, with one workflow file published.
pub async fn county(day: &str, workflow: &str) -> County {
    let county = empty_county(day).await;
    county.engine.publish(&definition(workflow)).await.expect("published");
    county
}

/// The definition of a workflow file of the project.
pub fn definition(workflow: &str) -> Definition {
    let text = std::fs::read_to_string(project().join(workflow)).expect("the workflow file");
    let file = machine::file::parse(workflow, &text).expect("well formed");
    Definition::compile(&file, &Default::default()).expect("no findings")
}

/// Keeps a file that the checker would refuse, for what the machine itself refuses.
pub async fn keep_unchecked(engine: &Engine, workflow: &str) {
    let definition = definition(workflow);
    let row = store::DefinitionRow {
        hash: definition.digest().to_owned(),
        workflow: definition.file().workflow.clone(),
        edition: definition.file().edition.clone(),
        body: definition.bytes().to_vec(),
        published_at: engine.store().clock().await.expect("read").micros(),
    };
    engine.store().put_definition(engine.tenant(), &row).await.expect("kept");
}

/// A county whose simulated clock begins on a day, with no workflow yet.
pub async fn empty_county(day: &str) -> County {
    let home = Home::chosen().await;
    let store = home.place.create(Clock::Simulated, morning(day)).await.expect("a store");
    let engine = settle(store).await;
    County { path: home.named(), folder: home.folder, engine }
}

/// The sample county in a store that is empty yet.
pub async fn settle(store: Arc<dyn Store>) -> Engine {
    let tenant = TenantId::from("qingyuan");
    let organisation = project().join("workflows/sample/organisation.yaml");
    let text = std::fs::read_to_string(&organisation).expect("the organisation");
    let directory: Directory = machine::file::read("organisation.yaml", &text).expect("an organisation");
    let china = calendar::china();
    store.put_organisation(&tenant, &serde_json::to_string(&directory).expect("JSON")).await.expect("stored");
    store
        .put_calendar(&tenant, china.id(), china.version(), &serde_json::to_string(&china).expect("JSON"))
        .await
        .expect("stored");
    Engine::start(store, tenant)
}

/// A person of the sample county.
pub fn person(name: &str, post: &str, unit: &str) -> Person {
    Person { person: name.into(), post: post.into(), unit: unit.into() }
}

/// The clerk of the office.
pub fn clerk() -> Person {
    person("clerk-lin", "office-clerk", "office")
}

/// The administrator of the office.
pub fn administrator() -> Person {
    person("admin-wen", "office-admin", "office")
}

/// Fields, all texts.
pub fn texts(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, Value> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned()))).collect()
}

/// What is reported of a major hazard.
pub fn major_hazard(enterprise: &str, found_on: &str) -> std::collections::BTreeMap<String, Value> {
    texts(&[
        ("enterprise", enterprise),
        ("township", "north"),
        ("place", "一号车间"),
        ("description", "除尘系统无泄爆装置"),
        ("sector", "industry"),
        ("source", "expert_inspection"),
        ("found_on", found_on),
    ])
}

/// Opens a general hazard due on a day.
pub async fn open_hazard(engine: &Engine, key: &str, due_on: &str) -> Receipt {
    let fields = texts(&[
        ("place", "一号仓库"),
        ("description", "消防通道堵塞"),
        ("sector", "industry"),
        ("source", "self_check"),
        ("responsible", "e-paper"),
        ("due_on", due_on),
    ]);
    let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
    open(engine, "general-hazard", perform, key).await
}

/// Opens a case as the clerk, among more at once than may wait.
pub async fn open(engine: &Engine, workflow: &str, perform: Perform, key: &str) -> Receipt {
    loop {
        match engine.open(workflow, perform.clone(), clerk(), Auth::Asserted, key.to_owned()).await {
            // As it says: in a moment.
            Err(EngineError::Busy) => tokio::task::yield_now().await,
            opened => return opened.expect("opened"),
        }
    }
}

/// A request of a person on a case.
pub fn request(case: machine::value::CaseId, command: Wish, actor: Person, key: Option<&str>) -> Request {
    Request {
        case,
        definition: None,
        command,
        actor: Some(actor),
        auth: Auth::Asserted,
        key: key.map(str::to_owned),
        expected_version: None,
    }
}

/// A connection of its own to the database, to look at rows and to damage them.
pub async fn raw(path: &Path) -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(std::time::Duration::from_secs(30))
        .synchronous(sqlx::sqlite::SqliteSynchronous::Off);
    sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("opened")
}

/// What `verify` found, in a line: the act, what, and in what way unless it merely differs.
pub fn fault_line(fault: &engine::verify::Fault) -> String {
    use engine::verify::How;
    let how = match &fault.how {
        How::Differs => String::new(),
        How::Missing => " missing".to_owned(),
        How::FromNoAct => " from no act".to_owned(),
        How::WithoutActs { rows } => format!(" without acts: {rows}"),
        how => format!(" {how:?}"),
    };
    format!("{} {}{how}", fault.version, fault.fault)
}

/// Says what something came to, and keeps it where BIHUAN_TESTS_TOLD says, for `./test` to show at its end.
#[expect(clippy::print_stdout, reason = "a test says it to whoever runs it alone")]
pub fn told(line: &str) {
    println!("{line}");
    if let Ok(path) = std::env::var("BIHUAN_TESTS_TOLD") {
        let file = std::fs::File::options().create(true).append(true).open(path);
        std::io::Write::write_all(&mut file.expect("a file to keep it"), format!("{line}\n").as_bytes())
            .expect("kept");
    }
}
