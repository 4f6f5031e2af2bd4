//! Rows as stored: for `verify`, for `rebuild`, and to be copied.

use machine::value::TenantId;
use serde_json::Value;
use store::table::{
    ACTS, CALENDARS, CASE_NUMBERS, CASES, HISTORY, NOTICES, OBLIGATIONS, RUNGS, TEXTS, Table,
};
use store::{Change, Filter, Outcome, Read};

use crate::made::{County, Room, notice, rung};

async fn all(county: &County, table: &'static Table) -> Vec<Value> {
    county.store.page(&county.tenant, table, None, 1_000).await.expect("read")
}

pub async fn rows_are_shown_as_stored(room: &Room) {
    let county = room.county().await;
    let mut openings: Vec<Change> = (0..5).map(|index| county.opening(&format!("YB-{index}"))).collect();
    openings[0].rungs = vec![rung(1, 0)];
    openings[0].notices = vec![notice("n1", "clerk-lin", 1)];
    county.committed(&openings).await;
    county.committed([&county.keyed(&openings[0], "键")]).await;
    let (store, tenant) = (&county.store, &county.tenant);
    let mut expected: Vec<Vec<u8>> =
        openings.iter().map(|change| change.state.case.to_string().into_bytes()).collect();
    expected.sort();
    let mut found: Vec<Vec<u8>> = Vec::new();
    loop {
        let after = found.last().cloned().unwrap_or_default();
        let page = store.case_ids(tenant, &after, 2).await.expect("read");
        let raw = store.raw(tenant, &after, 2).await.expect("read");
        assert_eq!(raw.iter().map(|case| case.case_id.clone()).collect::<Vec<_>>(), page);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
    let raw = store.raw(tenant, &[], 9).await.expect("read");
    let first = &openings[0];
    let case = raw.iter().find(|raw| raw.case_id == first.state.case.to_string().as_bytes()).expect("there");
    let act = case.acts.first().expect("an act");
    assert_eq!((act.version, &act.body), (1, &first.acts[0].body.clone().into_bytes()), "to the byte");
    let counts = [&case.obligations, &case.rungs, &case.notices, &case.history, &case.keys].map(Vec::len);
    assert_eq!((counts, case.documents.len(), case.personal.len()), ([1, 1, 1, 1, 1], 0, 0));
    let head = case.head.as_ref().expect("a head");
    assert_eq!((&head["number"], &head["paused"], &head["area"]), (&"YB-0".into(), &0.into(), &Value::Null));
    assert_eq!(store.astray(tenant).await.expect("read"), vec![]);

    room.execute("UPDATE idempotency SET version = 9; DELETE FROM cases WHERE number = 'YB-0'").await;
    let astray = store.astray(tenant).await.expect("read");
    let astray: Vec<_> = astray.iter().map(|row| (row.table, row.row.as_str(), row.version)).collect();
    assert_eq!(astray, [("idempotency", "键", 9)]);
    let raw = store.raw(tenant, &[], 9).await.expect("read");
    let headless: Vec<_> = raw.iter().filter(|case| case.head.is_none()).collect();
    assert_eq!(
        (raw.len(), headless.len(), headless[0].acts.len()),
        (5, 1, 2),
        "acts without a head are seen"
    );
}

pub async fn a_table_is_paged_and_replaced(room: &Room) {
    let county = room.county().await;
    let (store, tenant) = (&county.store, &county.tenant);
    let mut openings: Vec<Change> = (0..5).map(|index| county.opening(&format!("YB-{index}"))).collect();
    for opening in &mut openings {
        opening.rungs = (0..3).map(|repeat| rung(1, repeat)).collect();
        opening.notices = vec![notice("n1", "clerk-lin", 1)];
    }
    county.committed(&openings).await;
    assert_eq!(store.last_key(tenant, &CASE_NUMBERS).await.expect("read"), None);
    for table in [&CASES, &ACTS, &OBLIGATIONS, &HISTORY, &RUNGS, &NOTICES] {
        let rows = all(&county, table).await;
        let last = rows.last().map(|row| table.key_of(row));
        assert_eq!(store.last_key(tenant, table).await.expect("read"), last, "{}", table.name);
        let mut paged: Vec<Value> = Vec::new();
        loop {
            let after = paged.last().map(|row| table.key_of(row));
            let page = store.page(tenant, table, after.as_deref(), 2).await.expect("read");
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, rows, "{}", table.name);
        // In place of those between two keys, and of no other; then all as they were.
        let (from, to) = (table.key_of(&rows[0]), table.key_of(&rows[3]));
        store.replace(tenant, table, (Some(&from), Some(&to)), &rows[1..2]).await.expect("replaced");
        let left: Vec<Value> = rows[..2].iter().chain(&rows[4..]).cloned().collect();
        assert_eq!(all(&county, table).await, left, "{}", table.name);
        store.replace(tenant, table, (None, None), &rows).await.expect("replaced");
        assert_eq!(all(&county, table).await, rows, "{}", table.name);
    }
    store.put_calendar(tenant, "cn", "甲", "\"days\"").await.expect("kept");
    let calendars = all(&county, &CALENDARS).await;
    assert_eq!((calendars.len(), &calendars[0]["version"]), (1, &"甲".into()));
}

pub async fn a_case_is_rebuilt_unless_it_moved(room: &Room) {
    let county = room.county().await;
    let (store, tenant) = (&county.store, &county.tenant);
    let mut opening = county.opening("YB-1");
    opening.rungs = vec![rung(1, 0)];
    let beside = county.opening("YB-2");
    county.committed([&opening, &beside]).await;
    let tables = [&CASES, &TEXTS, &OBLIGATIONS, &HISTORY, &RUNGS, &ACTS];
    let mut before = Vec::new();
    for table in tables {
        before.push(all(&county, table).await);
    }
    room.execute(
        "DELETE FROM obligations; DELETE FROM rungs; UPDATE history SET stage = 'accepted';
        UPDATE cases SET main_state = 'closed', level = 'x', number = 'x' || number; DELETE FROM texts",
    )
    .await;
    let named = Filter { text: Some("仓库".to_owned()), ..Filter::default() };
    assert_eq!(store.ledger_count(tenant, &named).await.expect("counted"), 0);
    let whole = |change: &Change| Change { acts: Vec::new(), notices: Vec::new(), ..change.clone() };
    for change in [&opening, &beside] {
        assert_eq!(store.rebuild(tenant, &whole(change)).await.expect("written"), Outcome::Committed);
    }
    for (table, before) in tables.into_iter().zip(&before) {
        assert_eq!(all(&county, table).await, *before, "{}", table.name);
    }
    assert_eq!(store.ledger_count(tenant, &named).await.expect("counted"), 2, "its index is written with it");
    county.committed([&county.remark(&opening, "动了")]).await;
    assert_eq!(store.rebuild(tenant, &whole(&opening)).await.expect("decided"), Outcome::Conflict);
    let wanted = [Read { case: opening.state.case, key: None }];
    let known = store.read(tenant, &wanted).await.expect("read").known;
    let head = known[0].head.as_ref().expect("undamaged").as_ref().expect("a case");
    assert_eq!(head.state.version, 2, "it is left alone");
}

pub async fn a_tenant_sees_nothing_of_another(room: &Room) {
    let county = room.county().await;
    let store = &county.store;
    let mut opening = county.opening("YB-1");
    opening.rungs = vec![rung(1, 0)];
    opening.notices = vec![notice("n1", "clerk-lin", 1)];
    opening.key = Some(("键".to_owned(), "digest".to_owned()));
    county.committed([&opening]).await;
    let other = TenantId::from("other");
    store.put_organisation(&other, "{}").await.expect("kept");
    assert_eq!(store.tenants().await.expect("read"), [other.clone(), county.tenant.clone()], "in order");
    for table in store::table::TABLES.into_iter().filter(|table| table.name != "tenants") {
        assert_eq!(
            store.page(&other, table, None, 9).await.expect("read"),
            Vec::<Value>::new(),
            "{}",
            table.name
        );
    }
    assert_eq!(store.find(&other, "YB-1").await.expect("read"), None);
    assert_eq!(store.standing(&other, opening.state.last_at).await.expect("read").cases, 0);
    // The same ids, numbers and keys are free there.
    let outcomes = store.commit(&other, vec![vec![opening.clone()]].into()).await;
    assert!(matches!(outcomes[..], [Ok(Outcome::Committed)]), "{outcomes:?}");
    for tenant in [&other, &county.tenant] {
        let rows = store.ledger(tenant, &Filter { limit: 9, ..Filter::default() }).await.expect("read");
        assert_eq!(rows.len(), 1);
        assert_eq!(store.raw(tenant, &[], 9).await.expect("read").len(), 1);
    }
}
