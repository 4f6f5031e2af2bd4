//! Everything two stores can be asked, asked of both.

use std::collections::BTreeSet;

use chrono::Days;
use engine::{Engine, verify};
use machine::Instant;
use machine::value::TenantId;
use store::table::{STORE_SETTINGS, TABLES, Table};
use store::{
    DocumentFilter, Filter, Lamp, Lamps, LedgerKey, LedgerRow, OverdueBy, OwedFilter, OwedKey, OwingUnit,
    RawCase, Store,
};

/// Small, so that there are several.
const PAGE: u32 = 3;

/// Asserts that both answer the same.
macro_rules! same {
    ($file:expr, $server:expr, $what:expr, |$store:ident| $ask:expr) => {{
        let expected = {
            let $store = $file.store();
            $ask
        };
        let found = {
            let $store = $server.store();
            $ask
        };
        let (found_text, expected_text) = (format!("{found:#?}"), format!("{expected:#?}"));
        let line = found_text.lines().zip(expected_text.lines()).position(|(one, other)| one != other);
        let differ = |text: &str| {
            let from = line.unwrap_or_default().saturating_sub(10);
            text.lines().skip(from).take(20).collect::<Vec<_>>().join("\n")
        };
        assert!(
            found_text == expected_text,
            "{}\non the server:\n{}\nin the file:\n{}",
            $what,
            differ(&found_text),
            differ(&expected_text)
        );
        expected
    }};
}

pub async fn everything(file: &Engine, server: &Engine, what: &str) {
    let tenant = file.tenant().clone();
    let now = same!(file, server, what, |store| store.clock().await.expect("read"));
    for table in TABLES {
        let whose = if std::ptr::eq(table, &STORE_SETTINGS) { "".into() } else { tenant.clone() };
        let expected = rows(file.store(), &whose, table).await;
        let found = rows(server.store(), &whose, table).await;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{what}: {}", table.name);
        }
        assert_eq!(found.len(), expected.len(), "{what}: {}", table.name);
        let last = file.store().last_key(&whose, table).await.expect("read");
        assert_eq!(server.store().last_key(&whose, table).await.expect("read"), last, "{what}");
    }
    let mut after = Vec::new();
    loop {
        let cases = same!(file, server, what, |store| raw(store, &tenant, &after).await);
        same!(file, server, what, |store| store.case_ids(&tenant, &after, PAGE).await.expect("read"));
        let Some(last) = cases.last() else { break };
        after.clone_from(&last.case_id);
    }
    same!(file, server, what, |store| store.astray(&tenant).await.expect("read"));
    same!(file, server, what, |store| store.standing(&tenant, now).await.expect("read"));
    same!(file, server, what, |store| store.waking().await.expect("read"));
    same!(file, server, what, |store| store.next_wake(&tenant, &[]).await.expect("read"));
    for ahead in [0, 40 * 86_400_000_000] {
        let moment = now.plus_micros(ahead);
        // Those that are due at one moment are in no order.
        same!(file, server, what, |store| {
            let due = store.due(&tenant, moment, &[], 0, 1_000).await.expect("read");
            due.into_iter().map(|case| case.number).collect::<BTreeSet<_>>()
        });
    }
    ledger(file, server, &tenant, now, what).await;
    owed(file, server, &tenant, what).await;
    counted(file, server, &tenant, now, what).await;
    for engine in [file, server] {
        let report = verify::verify(engine.store(), &tenant, engine.catalog()).await.expect("verified");
        assert_eq!(
            report.faults.iter().map(tests::fault_line).collect::<Vec<_>>(),
            Vec::<String>::new(),
            "{what}"
        );
    }
}

/// Some cases. Of what hangs on them the acts alone are in an order.
async fn raw(store: &dyn Store, tenant: &TenantId, after: &[u8]) -> Vec<RawCase> {
    let mut cases = store.raw(tenant, after, PAGE).await.expect("read");
    for case in &mut cases {
        let RawCase {
            case_id: _,
            head: _,
            acts: _,
            obligations,
            rungs,
            notices,
            history,
            documents,
            personal,
            keys,
            texts,
        } = case;
        for rows in [texts, obligations, rungs, notices, history, documents, personal, keys] {
            rows.sort_by_key(ToString::to_string);
        }
    }
    cases
}

/// All rows of a table, a page at a time.
async fn rows(store: &dyn Store, tenant: &TenantId, table: &'static Table) -> Vec<serde_json::Value> {
    let mut all: Vec<serde_json::Value> = Vec::new();
    loop {
        let after = all.last().map(|row| table.key_of(row));
        let page = store.page(tenant, table, after.as_deref(), 100).await.expect("read");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

async fn pages(store: &dyn Store, tenant: &TenantId, filter: &Filter) -> Vec<Vec<LedgerRow>> {
    let mut all: Vec<Vec<LedgerRow>> = Vec::new();
    loop {
        let after = all.last().and_then(|page| page.last()).map(LedgerKey::of);
        let filter = Filter { after, limit: PAGE, ..filter.clone() };
        let page = store.ledger(tenant, &filter).await.expect("read");
        if page.is_empty() {
            return all;
        }
        all.push(page);
    }
}

/// Every filter that could find something, and some that cannot.
fn filters(all: &[LedgerRow], now: Instant) -> Vec<Filter> {
    let day = |days| (calendar::china().local_date(now.utc()) + Days::new(days)).to_string();
    let values = |of: fn(&LedgerRow) -> Option<String>| {
        let some: BTreeSet<String> = all.iter().filter_map(of).collect();
        let mut each: Vec<Vec<String>> = some.iter().map(|value| vec![value.clone()]).collect();
        each.push(some.into_iter().collect());
        each
    };
    let of = |filter: fn(Vec<String>) -> Filter, values: Vec<Vec<String>>| values.into_iter().map(filter);
    let none = Filter::default;
    let mut filters = vec![none()];
    filters.extend(of(
        |state| Filter { state, ..Filter::default() },
        values(|row| Some(row.main_state.clone())),
    ));
    filters.extend(of(
        |department| Filter { department, ..Filter::default() },
        values(|row| row.department.clone()),
    ));
    filters.extend(of(|area| Filter { area, ..Filter::default() }, values(|row| row.area.clone())));
    filters.extend(of(|sector| Filter { sector, ..Filter::default() }, values(|row| row.sector.clone())));
    filters.extend(of(|source| Filter { source, ..Filter::default() }, values(|row| row.source.clone())));
    filters.extend(of(|called| Filter { called, ..Filter::default() }, values(|row| row.enterprise.clone())));
    for unit in values(|row| row.owner_unit.as_ref().map(ToString::to_string)).into_iter().flatten() {
        for roles in [Vec::new(), vec!["office".to_owned(), "responsible".to_owned()]] {
            filters.push(Filter { unit: Some(OwingUnit { unit: unit.clone(), roles }), ..none() });
        }
    }
    let lamps = Lamps {
        now,
        tomorrow: now.plus_micros(86_400_000_000),
        soon_until: now.plus_micros(864_000_000_000),
    };
    for lamp in [Lamp::Overdue, Lamp::Today, Lamp::Soon, Lamp::Normal, Lamp::Paused, Lamp::None, Lamp::Closed]
    {
        filters.push(Filter { lamp: Some((lamp, lamps)), ..none() });
    }
    for by in [OverdueBy::Enterprise, OverdueBy::Regulator] {
        filters.push(Filter { overdue_by: Some((by, now)), ..none() });
    }
    filters.push(Filter { due_from: Some(day(3)), ..none() });
    filters.push(Filter { due_to: Some(day(10)), ..none() });
    for text in [
        "车间",
        "车",
        "消防通道",
        "YB-2026-0",
        "-",
        "%",
        "_",
        "\\",
        "'",
        "ÜNÏ",
        "ünï",
        "Z",
        "𠮷",
        "YB",
        "",
        "无处",
    ] {
        filters.push(Filter { text: Some(text.to_owned()), ..none() });
        let called = vec!["e-06".to_owned()];
        filters.push(Filter { text: Some(text.to_owned()), called, ..none() });
    }
    filters
}

async fn ledger(file: &Engine, server: &Engine, tenant: &TenantId, now: Instant, what: &str) {
    let all = pages(file.store(), tenant, &Filter::default()).await.concat();
    assert!(!all.is_empty(), "{what}: a ledger of nothing");
    let mut found_something = 0;
    for filter in filters(&all, now) {
        let what = format!("{what}: {filter:?}");
        let found = same!(file, server, what, |store| pages(store, tenant, &filter).await);
        let count =
            same!(file, server, what, |store| store.ledger_count(tenant, &filter).await.expect("read"));
        assert_eq!(usize::try_from(count).expect("few"), found.concat().len(), "{what}");
        found_something += usize::from(count > 0);
    }
    assert!(found_something > 20, "{what}: filters that find nothing compare nothing");
}

async fn owed(file: &Engine, server: &Engine, tenant: &TenantId, what: &str) {
    let directory = file.catalog().directory().await.expect("read");
    let mut filters = vec![OwedFilter::default()];
    let units: BTreeSet<_> = directory.posts.iter().map(|post| post.unit.clone()).collect();
    for unit in &units {
        let roles = directory.roles_at_home(unit.as_str()).into_iter().collect();
        let unit = OwingUnit { unit: unit.to_string(), roles };
        filters.push(OwedFilter { unit: Some(unit), ..OwedFilter::default() });
    }
    let roles: BTreeSet<_> = directory.posts.iter().flat_map(|post| post.roles.clone()).collect();
    for role in &roles {
        filters.push(OwedFilter { role: vec![role.clone(), "nobody".to_owned()], ..OwedFilter::default() });
    }
    for post in directory.posts.iter().filter(|post| !post.unit.as_str().starts_with("e-")) {
        let posts = post.roles.iter().map(|role| (role.clone(), post.unit.clone())).collect();
        filters.push(OwedFilter { posts: Some(posts), ..OwedFilter::default() });
    }
    for filter in filters {
        let mut after: Option<OwedKey> = None;
        loop {
            let filter = OwedFilter { after: after.take(), limit: PAGE, ..filter.clone() };
            let what = format!("{what}: {filter:?}");
            let page = same!(file, server, what, |store| store.owes(tenant, &filter).await.expect("read"));
            after = page.last().map(OwedKey::of);
            if after.is_none() {
                break;
            }
        }
    }
}

/// What is counted of all cases, and what each person was told.
async fn counted(file: &Engine, server: &Engine, tenant: &TenantId, now: Instant, what: &str) {
    for days in 0..30 {
        let at = now.plus_micros(-days * 2 * 86_400_000_000);
        let end = at.plus_micros(40_000_000_000);
        same!(file, server, what, |store| store.roundup(tenant, at, end).await.expect("read"));
    }
    let definitions = same!(file, server, what, |store| store.definitions(tenant).await.expect("read"));
    for row in &definitions {
        let definition = file.catalog().definition(&row.hash).await.expect("kept");
        let states: Vec<String> = definition.file().tracks["main"].states.keys().cloned().collect();
        let ago = now.plus_micros(-60 * 86_400_000_000);
        same!(file, server, what, |store| {
            store.closed(tenant, &row.workflow, &states, ago, now).await.expect("read")
        });
    }
    let directory = file.catalog().directory().await.expect("read");
    let people: BTreeSet<_> = directory.posts.iter().map(|post| post.person.clone()).collect();
    let mut digests = 0;
    for person in &people {
        let told = same!(file, server, what, |store| {
            store.inbox(tenant, person, None, 100).await.expect("read")
        });
        digests += told.len();
        if let Some(newest) = told.first() {
            let before = Some(newest.day.as_str());
            same!(file, server, what, |store| store.inbox(tenant, person, before, 2).await.expect("read"));
        }
    }
    assert!(digests > 0, "{what}: nobody was told anything");
    for enterprise in ["e-paper", "e-06", "e-11"] {
        let filter = DocumentFilter {
            enterprise: enterprise.to_owned(),
            act: "dispatch".to_owned(),
            field: "responsible_unit".to_owned(),
            values: vec!["e-paper".to_owned(), "e-06".to_owned(), "e-11".to_owned()],
            document: "order_no".to_owned(),
            on: "due_date".to_owned(),
            after: "2026-08-01".to_owned(),
        };
        same!(file, server, what, |store| store.documents(tenant, &filter).await.expect("read"));
    }
}
