//! The same commands in the same order give the same on both databases: answers, refusals, acts to the byte, every
//! row of every table, every list.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use chrono::NaiveDate;
use engine::{Engine, EngineError, Receipt, Request};
use machine::act::{Auth, Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, PersonId};
use machine::{Command as Wish, Person};
use store::table::{STORE_SETTINGS, TABLES};
use store::{Clock, Filter, Lamp, Lamps, OverdueBy, OwedFilter, OwingUnit, Place};
use tests::postgres::Server;
use tests::{binary, clerk, definition, morning, person, settle, texts};

const DAY: &str = "2026-09-01";
/// Commands of one sequence.
const COMMANDS: usize = 400;
/// Sequences in the suite; BIHUAN_SEEDS asks for more.
const SEEDS: u64 = 4;

/// Numbers that look random and follow from a seed.
struct Scattered(u64);

impl Scattered {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What is done next.
enum Step {
    Open(String, NaiveDate),
    Ask(Box<Request>),
    AskAll(Vec<Request>, String),
    Until(NaiveDate),
    Publish,
}

const PEOPLE: [(&str, &str, &str); 8] = [
    ("clerk-lin", "office-clerk", "office"),
    ("clerk-duan", "office-clerk-2", "office"),
    ("admin-wen", "office-admin", "office"),
    ("officer-qin", "industry-officer-1", "industry"),
    ("officer-bai", "industry-officer-2", "industry"),
    ("officer-lu", "industry-officer-3", "industry"),
    ("head-mo", "industry-head", "industry"),
    ("safety-he", "paper-safety", "e-paper"),
];

/// An act, often one that is not possible.
fn perform(scattered: &mut Scattered, index: usize) -> (Perform, Person) {
    let acts = [
        "report_complete",
        "report_complete",
        "accept",
        "accept",
        "reject",
        "close_out",
        "hand_over",
        "annul",
        "no-act",
    ];
    let act = *scattered.of(&acts);
    let officers =
        [["officer-qin", "officer-bai"], ["officer-bai", "officer-lu"], ["officer-qin", "officer-qin"]];
    let photo = format!("photo-{}", if scattered.below(9) == 0 { 0 } else { index });
    let perform = Perform {
        act: act.to_owned(),
        fields: if act == "hand_over" { texts(&[("competent", "housing")]) } else { BTreeMap::new() },
        evidence: if act == "report_complete" && scattered.below(8) > 0 {
            vec![Evidence {
                kind: "after_photo".to_owned(),
                digest: digest_hex(photo.as_bytes()),
                size_bytes: 4,
            }]
        } else {
            Vec::new()
        },
        officers: if ["accept", "reject"].contains(&act) {
            scattered.of(&officers).iter().map(|name| PersonId::from(*name)).collect()
        } else {
            Vec::new()
        },
        signature: (scattered.below(8) > 0 && ["accept", "reject"].contains(&act))
            .then(|| Signature::Signed("何".to_owned())),
        reason: ["reject", "annul", "hand_over"].contains(&act).then(|| "隐患仍在".to_owned()),
        ..Perform::default()
    };
    let usual = match act {
        "report_complete" => 7,
        "accept" | "reject" => 5,
        _ => 1,
    };
    let who = if scattered.below(4) == 0 { scattered.below(PEOPLE.len()) } else { usual };
    let (name, post, unit) = PEOPLE[who];
    (perform, person(name, post, unit))
}

/// A sequence: it depends on the seed alone, and on how many cases it has opened itself.
fn sequence(seed: u64, ids: &[CaseId]) -> Vec<Step> {
    let mut scattered = Scattered(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut today = calendar::parse_date(DAY).expect("a day");
    let (mut opened, mut steps) = (0, Vec::new());
    for index in 0..COMMANDS {
        let ask = |case: CaseId, command: Wish, who: Person, scattered: &mut Scattered| Request {
            case,
            definition: None,
            command,
            actor: Some(who),
            auth: Auth::Asserted,
            // A key now and then used before.
            key: (scattered.below(3) > 0).then(|| format!("key-{}", scattered.below(index + 1))),
            expected_version: (scattered.below(6) == 0).then(|| scattered.below(9) as u32),
        };
        let step = match scattered.below(20) {
            0..4 if opened < ids.len() => {
                opened += 1;
                let due = today + chrono::Days::new(scattered.below(60) as u64);
                Step::Open(format!("open-{}", opened - 1), due)
            }
            4 | 5 => {
                today = today + chrono::Days::new(scattered.below(9) as u64 + 1);
                Step::Until(today)
            }
            6 if opened > 0 => {
                let text = format!("核对 {index} «½» %_");
                let case = ids[scattered.below(opened)];
                Step::Ask(Box::new(ask(case, Wish::Comment { text }, clerk(), &mut scattered)))
            }
            7 if opened > 0 => {
                let fields = texts(&[("place", "二号仓库")]);
                let amend = Wish::Amend { fields, reason: "笔误".to_owned() };
                let case = ids[scattered.below(opened)];
                Step::Ask(Box::new(ask(case, amend, clerk(), &mut scattered)))
            }
            8 if opened > 1 => {
                let cases = [ids[scattered.below(opened)], ids[scattered.below(opened)]];
                let requests = cases.map(|case| {
                    let text = format!("一并督办 {index}");
                    Request { key: None, ..ask(case, Wish::Comment { text }, clerk(), &mut scattered) }
                });
                Step::AskAll(requests.to_vec(), format!("all-{index}"))
            }
            9 if index % 100 == 9 => Step::Publish,
            _ if opened > 0 => {
                let (perform, who) = perform(&mut scattered, index);
                let case = ids[scattered.below(opened)];
                Step::Ask(Box::new(ask(case, Wish::Perform(perform), who, &mut scattered)))
            }
            _ => Step::Until(today),
        };
        steps.push(step);
    }
    steps
}

fn told(answer: Result<Receipt, EngineError>) -> String {
    match answer {
        Ok(receipt) => format!("{receipt:?}"),
        Err(error) => format!("{} {error:?}", error.code()),
    }
}

/// Runs a sequence. Gives what was answered, one line each.
async fn run(engine: &Engine, steps: Vec<Step>) -> Vec<String> {
    let mut answers = Vec::new();
    for step in steps {
        answers.push(match step {
            Step::Open(key, due) => format!("{:?}", open_hazard_or_not(engine, &key, due).await),
            Step::Ask(request) => told(engine.execute(*request).await),
            Step::AskAll(requests, key) => format!("{:?}", engine.execute_all(requests, Some(key)).await),
            Step::Until(day) => {
                format!(
                    "{:?}",
                    worker::simulate(engine, morning(&day.to_string())).await.map_err(|e| e.code())
                )
            }
            Step::Publish => {
                format!("{:?}", engine.publish(&definition("workflows/general-hazard.yaml")).await.is_ok())
            }
        });
    }
    answers
}

async fn open_hazard_or_not(engine: &Engine, key: &str, due: NaiveDate) -> Result<Receipt, &'static str> {
    let fields = texts(&[
        ("place", "一号仓库"),
        ("description", if due.to_string().ends_with('1') { "Électricité 电气" } else { "消防通道堵塞" }),
        ("sector", if due.to_string().ends_with('2') { "housing" } else { "industry" }),
        ("source", "self_check"),
        ("responsible", "e-paper"),
        ("due_on", &due.to_string()),
    ]);
    let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
    let opened = engine.open("general-hazard", perform, clerk(), Auth::Asserted, key.to_owned()).await;
    opened.map_err(|error| error.code())
}

/// Everything stored and everything listed, one line each.
async fn everything(engine: &Engine) -> Vec<String> {
    let (store, tenant) = (engine.store(), engine.tenant());
    let mut lines = Vec::new();
    for table in TABLES.into_iter().filter(|table| table.name != STORE_SETTINGS.name) {
        let mut after = None;
        loop {
            let rows = store.page(tenant, table, after.as_deref(), 100).await.expect("read");
            let Some(last) = rows.last() else { break };
            after = Some(table.key_of(last));
            // When the days of a calendar were loaded says the clock.
            lines.extend(rows.iter().map(|row| format!("{} {row}", table.name)));
            if table.key.is_empty() {
                break;
            }
        }
    }
    let raw = store.raw(tenant, &[], 1_000).await.expect("read");
    lines.extend(raw.iter().map(|case| format!("{case:?}")));
    let now = store.clock().await.expect("read");
    let (tomorrow, soon_until) = (now.plus_micros(86_400_000_000), now.plus_micros(5 * 86_400_000_000));
    let lamps = Lamps { now, tomorrow, soon_until };
    let by = |unit: &str, roles: &[&str]| {
        Some(OwingUnit { unit: unit.to_owned(), roles: roles.iter().map(|&role| role.to_owned()).collect() })
    };
    let some = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let mut filters = vec![
        Filter::default(),
        Filter { state: some(&["rectifying", "closed"]), ..Filter::default() },
        Filter { unit: by("e-paper", &[]), ..Filter::default() },
        Filter { unit: by("office", &["office"]), ..Filter::default() },
        Filter { sector: some(&["industry"]), ..Filter::default() },
        Filter { department: some(&["housing", "industry"]), ..Filter::default() },
        Filter { source: some(&["self_check"]), ..Filter::default() },
        Filter { text: Some("%_".to_owned()), ..Filter::default() },
        Filter { text: Some("电气".to_owned()), called: some(&["e-paper"]), ..Filter::default() },
        Filter { text: Some("É".to_owned()), ..Filter::default() },
        Filter { overdue_by: Some((OverdueBy::Enterprise, now)), ..Filter::default() },
        Filter { overdue_by: Some((OverdueBy::Regulator, now)), ..Filter::default() },
        Filter {
            due_from: Some("2026-09-10".to_owned()),
            due_to: Some("2026-10-10".to_owned()),
            ..Filter::default()
        },
    ];
    let all = [Lamp::Overdue, Lamp::Today, Lamp::Soon, Lamp::Normal, Lamp::Paused, Lamp::None, Lamp::Closed];
    filters.extend(all.map(|lamp| Filter { lamp: Some((lamp, lamps)), ..Filter::default() }));
    for filter in filters {
        let mut filter = Filter { limit: 7, ..filter };
        lines.push(format!("{:?}", store.ledger_count(tenant, &filter).await));
        loop {
            let page = store.ledger(tenant, &filter).await.expect("read");
            let Some(last) = page.last() else { break };
            filter.after = Some(store::LedgerKey::of(last));
            lines.extend(page.iter().map(|row| format!("{row:?}")));
        }
    }
    let posts =
        vec![("office".to_owned(), "office".into()), ("department_officer".to_owned(), "industry".into())];
    for filter in [
        OwedFilter::default(),
        OwedFilter { unit: by("industry", &["department_officer"]), ..OwedFilter::default() },
        OwedFilter { role: some(&["responsible"]), ..OwedFilter::default() },
        OwedFilter { posts: Some(posts), ..OwedFilter::default() },
    ] {
        let rows = store.owes(tenant, &OwedFilter { limit: 1_000, ..filter }).await.expect("read");
        lines.extend(rows.iter().map(|row| format!("{row:?}")));
    }
    lines.push(format!("{:?}", store.roundup(tenant, now, tomorrow).await));
    lines.push(format!("{:?}", store.standing(tenant, now).await));
    lines.push(format!("{:?}", store.waking().await));
    for (name, _, _) in PEOPLE {
        lines.push(format!("{:?}", store.inbox(tenant, &name.into(), None, 100).await));
    }
    lines
}

/// The first line that differs says more than all of them.
fn same(what: &str, sqlite: &[String], postgres: &[String]) {
    for (index, (one, other)) in sqlite.iter().zip(postgres).enumerate() {
        assert_eq!(one, other, "{what}, line {index}");
    }
    assert_eq!(sqlite.len(), postgres.len(), "{what}");
}

#[tokio::test]
async fn the_same_commands_give_the_same_on_both() {
    let asked = std::env::var("BIHUAN_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 1..=asked.unwrap_or(SEEDS) {
        let folder = tempfile::tempdir().expect("a folder");
        let places = [
            Place::File(folder.path().join("bihuan.db")),
            Place::Server(Server::shared().await.database().await),
        ];
        let ids: Vec<CaseId> =
            (0..60).map(|index| engine::case_id(&"qingyuan".into(), &format!("open-{index}"))).collect();
        let mut found = Vec::new();
        for place in places {
            let store = place.create(Clock::Simulated, morning(DAY)).await.expect("a store");
            let engine = settle(store).await;
            engine.publish(&definition("workflows/general-hazard.yaml")).await.expect("published");
            let answers = run(&engine, sequence(seed, &ids)).await;
            let report = engine::verify::verify(engine.store(), engine.tenant(), engine.catalog()).await;
            assert_eq!(report.expect("verified").faults, []);
            found.push((answers, everything(&engine).await));
        }
        let [(sqlite, kept), (postgres, kept_there)] = &found[..] else { panic!("two places") };
        let done = sqlite.iter().filter(|answer| answer.starts_with("Receipt")).count();
        let refused = sqlite.iter().filter(|answer| answer.contains("Refused")).count();
        println!("seed {seed}: {done} done, {refused} refused, {} lines of rows and lists", kept.len());
        assert!(done > COMMANDS / 10 && refused > COMMANDS / 10, "{done} done, {refused} refused");
        same(&format!("answers of seed {seed}"), sqlite, postgres);
        same(&format!("rows and lists of seed {seed}"), kept, kept_there);
    }
}

/// The demonstration runs through every loop; the page it prints counts what came of it.
#[tokio::test]
async fn the_demonstration_prints_the_same_page_on_both() {
    let demo = |store: &Path, url: Option<&str>| {
        let mut command = Command::new(binary());
        command.args(["demo", "--lang", "zh"]).env_remove("BIHUAN_STORE").env_remove("DATABASE_URL");
        match url {
            Some(url) => command.env("DATABASE_URL", url),
            None => command.arg("--folder").arg(store),
        };
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let url = Server::shared().await.database().await;
    let (file, server) = (demo(folder.path(), None), demo(folder.path(), Some(&url)));
    let place = folder.path().join("bihuan.db").display().to_string();
    assert!(file.contains(&place));
    assert_eq!(server, file.replace(&place, &format!("'{url}'")));
}
