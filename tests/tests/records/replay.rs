//! Replaying records: a store with simulated time, the engine, and the worker between the events.

use std::collections::{BTreeMap, HashMap, VecDeque};

use calendar::Calendar;
use chrono::{NaiveDate, NaiveTime};
use engine::{Engine, EngineError, Request};
use machine::act::Auth;
use machine::command::Perform;
use machine::value::{TenantId, Value};
use machine::{Command, Definition, Instant, Person};
use store::Clock;
use tests::home::{Home, Raw, on_server};

/// An empty place on the database this run is for. What a disk keeps is the business of the kill test: a file lies in
/// memory. A server syncs every commit, since the store takes none that does not.
pub async fn home() -> Home {
    if on_server() { Home::server().await } else { Home::in_memory() }
}

/// A place where records are replayed.
pub struct Place {
    /// Where its store is; gone with it.
    _home: Home,
    /// The engine.
    pub engine: Engine,
    /// The calendar of the workflow.
    pub calendar: Calendar,
    /// The rows, as the store has them.
    pub rows: Raw,
    definition: Definition,
    begun: std::time::Instant,
}

/// One thing a record tells.
#[derive(Clone)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// The case, as the records name it.
    pub case: String,
    /// The act of the workflow file.
    pub act: String,
    /// Its fields.
    pub fields: BTreeMap<String, Value>,
    /// The act it is entered by, with the refusal as its reason, when the first one is refused.
    pub flagged: Option<&'static str>,
}

impl Event {
    /// An event without fields.
    pub fn new(at: Instant, case: &str, act: &str) -> Self {
        Event { at, case: case.to_owned(), act: act.to_owned(), fields: BTreeMap::new(), flagged: None }
    }

    /// With a text, unless it is blank.
    pub fn text(self, field: &str, value: &str) -> Self {
        if value.trim().is_empty() { self } else { self.value(field, Value::Text(value.to_owned())) }
    }

    /// With a value.
    pub fn value(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }

    /// With the act that takes it when it is refused.
    pub fn or_flagged(mut self, act: &'static str) -> Self {
        self.flagged = Some(act);
        self
    }
}

impl Place {
    /// A new store whose clock begins at an instant, with a workflow file of the tests.
    pub async fn new(workflow: &str, begins: Instant, home: Home) -> Place {
        let store = home.place.create(Clock::Simulated, begins).await.expect("a store");
        let definition = definition(workflow);
        let calendar = calendar_of(&definition);
        let tenant = TenantId::from("records");
        let directory = serde_json::json!({
            "calendar": calendar.id(),
            "units": [{ "id": "office", "name": "Records office", "kind": "department" }],
            "posts": [{ "id": "desk", "person": "importer", "unit": "office", "roles": ["clerk"] }],
        });
        store.put_organisation(&tenant, &directory.to_string()).await.expect("stored");
        let body = serde_json::to_string(&calendar).expect("JSON");
        store.put_calendar(&tenant, calendar.id(), calendar.version(), &body).await.expect("stored");
        let engine = Engine::start(store, tenant);
        engine.publish(&definition).await.expect("published");
        let rows = Raw::of(&home.place).await;
        let begun = std::time::Instant::now();
        Place { _home: home, engine, calendar, rows, definition, begun }
    }

    /// Replays events in the order of their time: the worker up to each moment, then what happened then.
    /// Events of one case at one moment follow each other in the order given.
    pub async fn replay(&self, mut events: Vec<Event>) {
        events.sort_by_key(|event| event.at);
        for together in events.chunk_by(|one, other| one.at == other.at) {
            if let Some(first) = together.first() {
                self.work_until(first.at).await;
            }
            let mut waiting: HashMap<&str, VecDeque<&Event>> = HashMap::new();
            for event in together {
                waiting.entry(&event.case).or_default().push_back(event);
            }
            while !waiting.is_empty() {
                let mut entering = tokio::task::JoinSet::new();
                for events in waiting.values_mut() {
                    let Some(event) = events.pop_front().cloned() else { continue };
                    entering.spawn(enter(self.engine.clone(), self.definition.clone(), event));
                }
                while let Some(entered) = entering.join_next().await {
                    entered.expect("entered");
                }
                waiting.retain(|_, events| !events.is_empty());
            }
        }
    }

    /// Lets the worker enforce what is due up to an instant.
    pub async fn work_until(&self, until: Instant) {
        worker::simulate(&self.engine, until).await.expect("worked");
    }

    /// A local time of a day.
    pub fn at(&self, day: NaiveDate, hour: u32) -> Instant {
        let time = NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour");
        Instant::new(self.calendar.instant(day, time))
    }

    /// The number a statement gives.
    pub async fn count(&self, statement: &str) -> i64 {
        self.rows.number(statement).await
    }

    /// The names and numbers a statement gives.
    pub async fn counts(&self, statement: &str) -> BTreeMap<String, i64> {
        self.rows.rows(statement).await.into_iter().collect()
    }

    /// How many refusals name a condition that did not hold.
    pub async fn refused_for(&self, condition: &str) -> i64 {
        self.count(&format!("SELECT count(*) FROM refusals WHERE detail LIKE '%\"text\":\"{condition}\"%'"))
            .await
    }

    /// Verifies the whole store, and says what was replayed in which time.
    pub async fn finish(&self, set: &str, records: usize) {
        let replayed = self.begun.elapsed();
        let report = engine::verify::verify(self.engine.store(), self.engine.tenant(), self.engine.catalog());
        let report = report.await.expect("verified");
        assert!(report.faults.is_empty(), "{:?}", report.faults.iter().take(5).collect::<Vec<_>>());
        let refused = self.count("SELECT count(*) FROM refusals").await;
        crate::data::say(&format!(
            "{set}: {records} rows, {} cases, {} acts, {refused} refused, {:.1} s, verified after {:.1} s",
            report.cases,
            report.acts,
            replayed.as_secs_f64(),
            self.begun.elapsed().as_secs_f64(),
        ));
    }
}

/// A workflow file of the tests.
fn definition(workflow: &str) -> Definition {
    let path = tests::project().join("tests/workflows").join(workflow);
    let text = std::fs::read_to_string(&path).expect("the workflow file");
    let file = machine::file::parse(workflow, &text).unwrap_or_else(|error| panic!("{error}"));
    Definition::compile(&file, &BTreeMap::new()).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

fn calendar_of(definition: &Definition) -> Calendar {
    let mut shipped = calendar::shipped().into_iter();
    shipped.find(|calendar| calendar.id() == definition.file().calendar).expect("a shipped calendar")
}

/// The calendar a workflow file of the tests is counted in.
pub fn calendar_for(workflow: &str) -> Calendar {
    calendar_of(&definition(workflow))
}

/// Enters an event; by its other act when it is refused.
async fn enter(engine: Engine, definition: Definition, event: Event) {
    let refused = match send(&engine, &definition, &event, &event.act, None).await {
        Ok(()) => return,
        Err(refused) => refused,
    };
    if let Some(act) = event.flagged {
        let entered = send(&engine, &definition, &event, act, Some(refused)).await;
        entered.unwrap_or_else(|error| panic!("{} {act}: {error}", event.case));
    }
}

async fn send(
    engine: &Engine,
    definition: &Definition,
    event: &Event,
    act: &str,
    reason: Option<String>,
) -> Result<(), String> {
    let opens = definition.act(act).unwrap_or_else(|| panic!("there is no act '{act}'")).opens;
    let perform = Perform { act: act.to_owned(), fields: event.fields.clone(), reason, ..Perform::default() };
    let request = Request {
        case: engine::case_id(engine.tenant(), &event.case),
        definition: opens.then(|| definition.digest().to_owned()),
        command: Command::Perform(perform),
        actor: Some(Person { person: "importer".into(), post: "desk".into(), unit: "office".into() }),
        auth: Auth::Asserted,
        key: None,
        expected_version: None,
    };
    loop {
        match engine.execute(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(EngineError::Refused(refusal)) => return Err(format!("{} {refusal:?}", refusal.code())),
            // More at one moment than may wait: as it says, in a moment.
            Err(EngineError::Busy) => tokio::task::yield_now().await,
            Err(error) => panic!("{} {act}: {error}", event.case),
        }
    }
}
