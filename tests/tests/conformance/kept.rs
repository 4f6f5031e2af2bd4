//! The store itself, and what it keeps of a jurisdiction beside its cases.

use std::collections::{BTreeMap, BTreeSet};

use machine::register::DocumentNumber;
use store::{Clock, DefinitionRow, DocumentRow, Place, StoreError};
use tests::morning;
use tokio::task::JoinSet;

use crate::made::{DAY, Room};

fn code<T>(answer: Result<T, StoreError>) -> &'static str {
    answer.err().map_or("done", |error| error.code())
}

pub async fn a_store_is_made_once_and_opened_as_it_was_made(room: &Room) {
    assert_eq!(code(room.nowhere().open().await), "ST0011", "nothing there");
    let county = room.county().await;
    assert_eq!(code(room.place.create(Clock::Real, morning(DAY)).await), "ST0012", "it exists");
    let again = room.place.open().await.expect("opened");
    assert_eq!(again.clock_kind(), Clock::Simulated);
    assert_eq!(again.clock().await.expect("read"), morning(DAY));
    assert_eq!(again.tenants().await.expect("read"), vec![county.tenant.clone()]);
    assert_eq!(code(room.place.receive().await), "ST0012", "no copy goes onto a store");
}

pub async fn a_store_without_a_jurisdiction_is_begun_anew_on_a_server(room: &Room) {
    room.place.create(Clock::Real, morning(DAY)).await.expect("a store");
    let later = morning(DAY).plus_micros(5);
    let again = room.place.create(Clock::Simulated, later).await;
    match &room.place {
        // Of a file it is not known whose it is: whoever makes one makes it whole.
        Place::File(_) => assert_eq!(code(again), "ST0012"),
        Place::Server(_) => {
            let store = again.expect("begun anew");
            assert_eq!((store.clock_kind(), store.clock().await.expect("read")), (Clock::Simulated, later));
        }
    }
}

pub async fn what_is_no_store_is_not_taken_for_one(room: &Room) {
    room.execute("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('dumplings')").await;
    assert_eq!(code(room.place.open().await), "ST0013");
    let made = code(room.place.create(Clock::Real, morning(DAY)).await);
    assert!(["ST0012", "ST0013"].contains(&made), "{made}");
    // It is left as it is.
    room.execute("UPDATE recipes SET name = 'noodles' WHERE name = 'dumplings'").await;
}

/// One table says nothing, whatever it is called.
pub async fn what_has_one_table_called_like_ours_is_no_store(room: &Room) {
    room.execute("CREATE TABLE tenants (name TEXT); INSERT INTO tenants VALUES ('lodger')").await;
    assert_eq!(code(room.place.open().await), "ST0013");
    let made = code(room.place.create(Clock::Real, morning(DAY)).await);
    assert!(["ST0012", "ST0013"].contains(&made), "{made}");
    assert_eq!(code(room.place.receive().await), "ST0013");
    // No list of steps was put beside it.
    room.execute("CREATE TABLE _sqlx_migrations (name TEXT)").await;
}

pub async fn a_simulated_clock_goes_forward_only(room: &Room) {
    let county = room.county().await;
    let later = morning(DAY).plus_micros(1);
    county.store.set_clock(later).await.expect("set");
    county.store.set_clock(later).await.expect("the same time is not before itself");
    assert_eq!(county.store.clock().await.expect("read"), later);
    assert_eq!(code(county.store.set_clock(morning(DAY)).await), "ST0007");
    assert_eq!(county.store.clock().await.expect("read"), later, "it stands where it stood");
    assert_eq!(county.store.clock_kind(), Clock::Simulated);
    let seen = county.store.read(&county.tenant, &[]).await.expect("read");
    assert_eq!((seen.now, seen.known.len()), (later, 0));
}

pub async fn the_organisation_has_a_version(room: &Room) {
    let county = room.county().await;
    let (store, tenant) = (&county.store, &county.tenant);
    let (first, body) = store.organisation(tenant, None).await.expect("read").expect("kept");
    assert!(body.contains("青原县"), "{body}");
    assert_eq!(store.organisation(tenant, Some(first)).await.expect("read"), None, "known already");
    store.put_organisation(tenant, "{\"units\":[]}").await.expect("kept");
    let (second, body) = store.organisation(tenant, Some(first)).await.expect("read").expect("another");
    assert_eq!((second > first, body.as_str()), (true, "{\"units\":[]}"));
    assert_eq!(store.read(tenant, &[]).await.expect("read").organisation, second, "told with every read");
    assert_eq!(store.tenants().await.expect("read").len(), 1, "replaced, not added");
}

pub async fn the_calendar_loaded_last_is_the_newest(room: &Room) {
    let county = room.county().await;
    let (store, tenant) = (&county.store, &county.tenant);
    assert_eq!(store.calendar(tenant, "cn", None).await.expect("read"), None);
    for (version, kept) in [("b", true), ("a", true), ("b", true)] {
        let body = format!("\"days of {version}\"");
        assert_eq!(store.put_calendar(tenant, "cn", version, &body).await.expect("asked"), kept);
        let newest = store.calendar(tenant, "cn", None).await.expect("read");
        assert_eq!(newest, Some((version.to_owned(), Some(body))));
    }
    assert!(!store.put_calendar(tenant, "cn", "a", "\"other days\"").await.expect("asked"), "other days");
    let newest = store.calendar(tenant, "cn", Some("b")).await.expect("read");
    assert_eq!(newest, Some(("b".to_owned(), None)), "known already, and unchanged");
    let body = store.calendar_version(tenant, "cn", "a").await.expect("read");
    assert_eq!(body.as_deref(), Some("\"days of a\""));
    assert_eq!(store.calendar_version(tenant, "cn", "c").await.expect("read"), None);
    assert_eq!(store.calendars(tenant).await.expect("read").len(), 2);
}

pub async fn the_definition_published_last_is_the_newest(room: &Room) {
    let county = room.county().await;
    let (store, tenant) = (&county.store, &county.tenant);
    let first = county.definition_row();
    // Its digest sorts before the other one, its time does not move: the order they came in counts.
    let body = vec![0, 159, 146, 150, 255];
    let second = DefinitionRow { hash: "0".repeat(64), body, ..first.clone() };
    store.put_definition(tenant, &second).await.expect("kept");
    assert_eq!(store.newest(tenant, &first.workflow).await.expect("read"), Some(second.hash.clone()));
    assert_eq!(store.definitions(tenant).await.expect("read"), vec![second.clone(), first.clone()]);
    assert_eq!(
        store.definition(tenant, &second.hash).await.expect("read"),
        Some(second.clone()),
        "to the byte"
    );
    store.put_definition(tenant, &first).await.expect("kept");
    assert_eq!(store.newest(tenant, &first.workflow).await.expect("read"), Some(first.hash.clone()));
    assert_eq!(store.definitions(tenant).await.expect("read"), vec![first, second]);
    assert_eq!(store.newest(tenant, "nothing").await.expect("read"), None);
    assert_eq!(store.definition(tenant, "nothing").await.expect("read"), None);
}

pub async fn numbers_are_handed_out_once(room: &Room) {
    let county = room.county().await;
    let mut asking = JoinSet::new();
    for count in 1..=24_u32 {
        let (place, tenant) = (room.place.clone(), county.tenant.clone());
        let store = if count % 8 == 0 { place.open().await.expect("opened") } else { county.store.clone() };
        asking.spawn(async move {
            let first = store.numbers(&tenant, "YB-2026", count % 3 + 1).await.expect("numbers");
            (first..).take(usize::try_from(count % 3 + 1).expect("few")).collect::<Vec<_>>()
        });
    }
    let handed: Vec<u64> = asking.join_all().await.concat();
    let distinct: BTreeSet<u64> = handed.iter().copied().collect();
    assert_eq!((handed.len(), distinct.len(), distinct.first()), (48, 48, Some(&1)));
    assert_eq!(county.store.numbers(&county.tenant, "YH-2026", 1).await.expect("numbers"), 1, "of its own");

    let mut change = county.opening("YB-1");
    let taken = DocumentNumber { code: "青安办".to_owned(), year: 2026, no: 18 };
    change.documents = vec![DocumentRow { number: taken, part: 0, act_version: 1 }];
    county.committed(&[change]).await;
    let codes = ["青安办", "青政"].map(str::to_owned);
    let registers = county.store.registers(&county.tenant, 2026, &codes).await.expect("read");
    assert_eq!(registers, BTreeMap::from([("青安办".to_owned(), 18)]));
    assert_eq!(county.store.registers(&county.tenant, 2027, &codes).await.expect("read").len(), 0);
}

pub async fn a_real_clock_goes_by_itself(room: &Room) {
    let store = room.place.create(Clock::Real, morning(DAY)).await.expect("a store");
    assert_eq!(store.clock_kind(), Clock::Real);
    let now = store.clock().await.expect("read");
    assert_eq!(code(store.set_clock(now.plus_micros(1)).await), "ST0006");
    let mut later = now;
    while later == now {
        later = store.clock().await.expect("read");
    }
    assert!(later > now);
}
