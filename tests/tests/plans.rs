//! Every list walks an index from where it begins. The plans are those of the very statements the program
//! sends: a subscriber listens to what the database driver and the store report, and each statement is explained.
//!
//! Nothing here was analysed, so a plan follows from the schema alone, however many cases there are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use engine::{Engine, EngineError, Request};
use machine::Command as Wish;
use store::sqlite::SqliteStore;
use store::{DocumentFilter, Filter, Lamp, Lamps, LedgerKey, OverdueBy, OwedFilter, OwingUnit, Read, Store};
use tests::plans::{listed, listen, sent, sent_by, walks};
use tests::{County, clerk, county, morning, open_hazard, raw, request};
use tokio::task::JoinSet;

const DAY: &str = "2026-09-01";
const LATER: &str = "2026-10-20";
const CASES: usize = 400;
/// Walks of all of a jurisdiction that may be: the index, the statement, and why.
const WALKS: [(&str, &str, &str); 7] = [
    (
        "COVERING INDEX cases_state",
        "GROUP BY main_state",
        "`status` counts every case, without reading its row",
    ),
    ("COVERING INDEX cases_provisional", "AND provisional)", "it holds the cases counted, no others"),
    ("COVERING INDEX cases_unverified", "AND unverified)", "it holds the cases counted, no others"),
    (
        "INDEX rungs_recorded",
        "ORDER BY recorded_at DESC LIMIT $2)",
        "the newest ones; what is sorted are these",
    ),
    ("INDEX cases_unverified", "WHERE unverified GROUP BY", "it holds the cases counted, no others"),
    ("INDEX cases_enterprise", "c.unverified, c.number FROM cases c", "a circular counts every case"),
    ("COVERING INDEX sqlite_autoindex_refusals_1", "max(refusal_no)", "one step from its end"),
];

/// A store in which everything listed occurs: cases with dates that have passed, rungs, notices, digests.
async fn filled() -> County {
    let county = county(DAY, "workflows/general-hazard.yaml").await;
    let mut opening = JoinSet::new();
    for index in 0..CASES {
        let engine = county.engine.clone();
        let due = if index % 2 == 0 { "2026-09-18" } else { "2026-12-18" };
        opening.spawn(async move { open_hazard(&engine, &index.to_string(), due).await });
    }
    assert_eq!(opening.join_all().await.len(), CASES);
    let store = county.engine.store();
    store.set_clock(morning(LATER)).await.expect("set");
    while county.engine.sweep(&[], 0, 500).await.expect("swept").moved > 0 {}
    assert!(store.deliver(county.engine.tenant(), morning(LATER), LATER, &[]).await.expect("delivered") > 0);
    county
}

/// Every filter of the ledger alone, and then a page from its middle.
fn ledger_filters(after: LedgerKey) -> Vec<(String, Filter)> {
    let some = |text: &str| Some(text.to_owned());
    let lamps =
        Lamps { now: morning(LATER), tomorrow: morning("2026-10-21"), soon_until: morning("2026-10-27") };
    let lamp = |lamp| Filter { lamp: Some((lamp, lamps)), ..Filter::default() };
    let by = |side| Filter { overdue_by: Some((side, lamps.now)), ..Filter::default() };
    let filters = [
        ("all", Filter::default()),
        ("state", Filter { state: one("rectifying"), ..Filter::default() }),
        (
            "two states",
            Filter { state: vec!["rectifying".to_owned(), "closed".to_owned()], ..Filter::default() },
        ),
        ("unit", Filter { unit: Some(owing("e-paper", &[])), ..Filter::default() }),
        ("unit with roles", Filter { unit: Some(owing("office", &["office"])), ..Filter::default() }),
        ("department", Filter { department: one("industry"), ..Filter::default() }),
        ("area", Filter { area: one("north"), ..Filter::default() }),
        ("sector", Filter { sector: one("industry"), ..Filter::default() }),
        ("source", Filter { source: one("self_check"), ..Filter::default() }),
        ("due range", Filter { due_from: some(DAY), due_to: some(LATER), ..Filter::default() }),
        ("text", Filter { text: some("消防"), called: one("e-paper"), ..Filter::default() }),
        ("text of one letter", Filter { text: some("消"), ..Filter::default() }),
        ("text and state", Filter { text: some("2026-0001"), state: one("rectifying"), ..Filter::default() }),
        ("overdue", lamp(Lamp::Overdue)),
        ("today", lamp(Lamp::Today)),
        ("soon", lamp(Lamp::Soon)),
        ("normal", lamp(Lamp::Normal)),
        ("paused", lamp(Lamp::Paused)),
        ("no clock", lamp(Lamp::None)),
        ("closed", lamp(Lamp::Closed)),
        ("by enterprise", by(OverdueBy::Enterprise)),
        ("by regulator", by(OverdueBy::Regulator)),
    ];
    let pages = filters.into_iter().flat_map(|(name, first)| {
        let first = Filter { limit: 50, ..first };
        let next = Filter { after: Some(after.clone()), ..first.clone() };
        [(format!("ledger, {name}"), first), (format!("ledger, {name}, next page"), next)]
    });
    pages.collect()
}

fn one(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

fn owing(unit: &str, roles: &[&str]) -> OwingUnit {
    OwingUnit { unit: unit.to_owned(), roles: roles.iter().map(|role| (*role).to_owned()).collect() }
}

fn owed_filters() -> Vec<(String, OwedFilter)> {
    let posts = vec![("responsible".to_owned(), "e-paper".into()), ("office".to_owned(), "office".into())];
    let filters = [
        ("all", OwedFilter::default()),
        ("unit", OwedFilter { unit: Some(owing("e-paper", &[])), ..OwedFilter::default() }),
        ("unit with roles", OwedFilter { unit: Some(owing("office", &["office"])), ..OwedFilter::default() }),
        ("role", OwedFilter { role: one("responsible"), ..OwedFilter::default() }),
        ("person", OwedFilter { posts: Some(posts), ..OwedFilter::default() }),
        (
            "next page",
            OwedFilter {
                after: "2026-09-30/00000000-0000-0000-0000-000000000000/1".parse().ok(),
                ..OwedFilter::default()
            },
        ),
        (
            "unit, role",
            OwedFilter {
                unit: Some(owing("e-paper", &[])),
                role: one("responsible"),
                ..OwedFilter::default()
            },
        ),
    ];
    filters.map(|(name, filter)| (format!("owes, {name}"), OwedFilter { limit: 50, ..filter })).into()
}

/// Every listed path, and the statements it sends.
async fn paths(county: &County) -> Vec<(String, Vec<String>)> {
    let path = &county.path;
    let (now, day_end) = (morning(LATER), morning("2026-10-21"));
    let all = Filter { limit: 50, ..Filter::default() };
    let rows = county.engine.store().ledger(county.engine.tenant(), &all).await.expect("read");
    let (middle, case) = (LedgerKey::of(&rows[25]), rows[25].case_id);
    let mut paths = Vec::new();
    for (name, filter) in ledger_filters(middle) {
        let page =
            sent_by(path, async |store, tenant| drop(store.ledger(tenant, &filter).await.expect(&name)));
        let page = page.await;
        let count = sent_by(path, async |store, tenant| {
            store.ledger_count(tenant, &filter).await.expect(&name);
        });
        paths.push((format!("{name}, counted"), count.await));
        paths.push((name, page));
    }
    for (name, filter) in owed_filters() {
        let owed = sent_by(path, async |store, tenant| drop(store.owes(tenant, &filter).await.expect(&name)));
        let owed = owed.await;
        paths.push((name, owed));
    }
    macro_rules! path {
        ($name:literal, $store:ident, $tenant:ident, $call:expr) => {
            let sent = sent_by(path, async |$store, $tenant| {
                $call.await.expect($name);
            });
            paths.push(($name.to_owned(), sent.await));
        };
    }
    path!("status", store, tenant, store.standing(tenant, now));
    path!("next wake-up", store, tenant, store.next_wake(tenant, &[]));
    path!("sweep", store, tenant, store.due(tenant, now, &[], 0, 100));
    path!("roundup", store, tenant, store.roundup(tenant, now, day_end));
    path!(
        "roundup --as-of",
        store,
        tenant,
        store.roundup(tenant, morning("2026-09-10"), morning("2026-09-11"))
    );
    let penalties = DocumentFilter {
        enterprise: "e-paper".to_owned(),
        act: "record_enforcement".to_owned(),
        field: "enforcement_measure".to_owned(),
        values: vec!["penalty".to_owned()],
        document: "document_no".to_owned(),
        on: "document_date".to_owned(),
        after: DAY.to_owned(),
    };
    let closed = ["closed".to_owned()];
    let (from, until) = (morning(DAY), morning("2026-12-31"));
    path!("look-backs", store, tenant, store.closed(tenant, "general-hazard", &closed, from, until));
    let codes = ["青安办".to_owned()];
    path!("registers", store, tenant, store.registers(tenant, 2026, &codes));
    path!("explain, counters", store, tenant, store.documents(tenant, &penalties));
    path!("inbox", store, tenant, store.inbox(tenant, &"clerk-lin".into(), None, 10));
    path!("outbox", store, tenant, store.deliver(tenant, now, "2026-10-21", &[]));
    path!("show", store, tenant, store.find(tenant, "YB-2026-000001"));
    path!("timeline", store, tenant, store.acts(tenant, case));
    path!("coverage", store, tenant, store.read(tenant, &[Read { case, key: Some("1".to_owned()) }]));
    path!("ids, for verify", store, tenant, store.case_ids(tenant, b"", 100));
    path!("rows, for verify", store, tenant, store.raw(tenant, b"", 100));
    paths
}

/// What a command, a refused one and a sweep send.
async fn written(path: &Path) -> Vec<String> {
    let store = SqliteStore::open(path).await.expect("opened");
    let engine = Engine::start(Arc::new(store), "qingyuan".into());
    sent().clear();
    open_hazard(&engine, "late", "2026-12-18").await;
    let case = engine.case("YB-2026-000001").await.expect("there").0.case;
    let comment = |text: &str| request(case, Wish::Comment { text: text.to_owned() }, clerk(), Some("c"));
    engine.execute(comment("已电话催办")).await.expect("recorded");
    let blank = Request { key: None, ..comment(" ") };
    assert!(matches!(engine.execute(blank).await, Err(EngineError::Refused(_))));
    engine.store().set_clock(morning("2026-12-30")).await.expect("set");
    while engine.sweep(&[], 0, 500).await.expect("swept").moved > 0 {}
    // Set by the connection that writes, after all that it has sent before.
    engine.store().set_clock(morning("2026-12-31")).await.expect("set");
    std::mem::take(&mut *sent())
}

#[tokio::test]
async fn no_list_reads_a_whole_table() {
    listen();
    let county = filled().await;
    let pool = raw(&county.path).await;
    let written = [("a command and a sweep".to_owned(), written(&county.path).await)];
    let moves = |statement: &String| statement.starts_with("UPDATE cases SET version");
    assert!(written[0].1.iter().any(moves), "how a batch is written is among them");
    let mut known_walks = BTreeSet::new();
    let mut complaints = Vec::new();
    for (name, statements) in paths(&county).await.into_iter().chain(written) {
        let statements: Vec<String> = statements.into_iter().filter(|sql| listed(sql)).collect();
        assert!(!statements.is_empty(), "{name} has sent nothing");
        for statement in statements {
            for line in walks(&pool, &statement).await {
                let known =
                    |(index, part, _): &(&str, &str, &str)| line.contains(index) && statement.contains(part);
                match WALKS.iter().position(known) {
                    Some(known) => drop(known_walks.insert(known)),
                    None => complaints.push(format!("{name}: {line}\n  of {statement}")),
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
    assert_eq!(known_walks.len(), WALKS.len(), "an exception that is none any more");
}
