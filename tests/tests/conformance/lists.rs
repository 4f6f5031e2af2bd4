//! What is read of many cases at once.

use std::collections::BTreeSet;

use store::table::NOTICES;
use store::{
    Change, DocumentFilter, Filter, Lamp, Lamps, LedgerKey, LedgerRow, OverdueBy, OwedFilter, OwedKey,
    OwedRow, OwingUnit,
};
use tests::morning;
use tokio::task::JoinSet;

use crate::made::{County, DAY, DUE, Room, notice};

/// Numbers in the order of their bytes, which is the order of no language.
const NUMBERS: [&str; 6] = ["YB-10", "YB-9", "Z-1", "a-1", "é-1", "甲-1"];

async fn opened(county: &County, numbers: &[&str]) -> Vec<Change> {
    let openings: Vec<Change> = numbers.iter().map(|number| county.opening(number)).collect();
    county.committed(&openings).await;
    openings
}

fn id(change: &Change) -> Vec<u8> {
    change.state.case.to_string().into_bytes()
}

pub async fn what_is_set_aside_is_not_due(room: &Room) {
    let county = room.county().await;
    let mut openings: Vec<Change> = ["YB-1", "YB-2", "YB-3"].map(|number| county.opening(number)).into();
    for (opening, seconds) in openings.iter_mut().zip([30, 10, 20]) {
        opening.projection.wake_at = Some(morning(DAY).plus_micros(seconds * 1_000_000));
    }
    county.committed(&openings).await;
    let (store, tenant) = (&county.store, &county.tenant);
    let at = |seconds: i64| morning(DAY).plus_micros(seconds * 1_000_000);
    let due = async |seconds, aside: &[Vec<u8>], limit| {
        let due = store.due(tenant, at(seconds), aside, 0, limit).await.expect("read");
        due.into_iter().map(|case| case.number).collect::<Vec<_>>()
    };
    assert_eq!(due(9, &[], 9).await, [""; 0]);
    assert_eq!(due(30, &[], 9).await, ["YB-2", "YB-3", "YB-1"], "the longest waiting first");
    assert_eq!(due(30, &[], 2).await, ["YB-2", "YB-3"]);
    let third = store.due(tenant, at(30), &[], 2, 9).await.expect("read");
    assert_eq!((third.len(), third[0].number.as_str()), (1, "YB-1"), "the first two are left to others");
    // An id that is no text is one nobody has.
    let aside = [id(&openings[1]), vec![0xff, 0xfe]];
    assert_eq!(due(20, &aside, 9).await, ["YB-3"]);
    assert_eq!(store.next_wake(tenant, &[]).await.expect("read"), Some(at(10)));
    assert_eq!(store.next_wake(tenant, &aside).await.expect("read"), Some(at(20)));
    let all: Vec<Vec<u8>> = openings.iter().map(id).collect();
    assert_eq!(store.next_wake(tenant, &all).await.expect("read"), None);
    let waking = store.waking().await.expect("read");
    let first = waking.first().map(|waking| (&waking.tenant, waking.next_wake, waking.undelivered));
    assert_eq!((waking.len(), first), (1, Some((tenant, Some(at(10)), false))));
}

pub async fn a_digest_goes_out_once_a_day(room: &Room) {
    let county = room.county().await;
    let mut opening = county.opening("甲-1");
    opening.notices =
        vec![notice("n1", "clerk-lin", 1), notice("n2", "clerk-lin", 1), notice("n3", "admin-wen", 1)];
    opening.projection.wake_at = Some(morning(DAY));
    county.committed([&opening]).await;
    let (store, tenant, now) = (&county.store, &county.tenant, morning(DAY));
    assert!(store.waking().await.expect("read").iter().all(|waking| waking.undelivered));
    assert_eq!(store.deliver(tenant, now, DAY, &[]).await.expect("asked"), 0, "the case is due");
    let mut delivering = JoinSet::new();
    for index in 0..8 {
        let store = if index % 2 == 0 { room.place.open().await.expect("opened") } else { store.clone() };
        let (tenant, aside) = (tenant.clone(), [id(&opening)]);
        delivering.spawn(async move { store.deliver(&tenant, now, DAY, &aside).await.expect("delivered") });
    }
    assert_eq!(delivering.join_all().await.iter().sum::<u64>(), 2, "one for each, however many deliver");

    let mut remark = county.remark(&opening, "再");
    remark.notices = vec![notice("n4", "clerk-lin", 2)];
    county.committed([&remark]).await;
    let aside = [id(&opening)];
    assert_eq!(store.deliver(tenant, now, DAY, &aside).await.expect("asked"), 0, "told today already");
    assert_eq!(store.standing(tenant, now).await.expect("read").undelivered, 1);
    let later = now.plus_micros(86_400_000_000);
    assert_eq!(store.deliver(tenant, later, "2026-09-02", &aside).await.expect("asked"), 1);
    let inbox = async |before, limit| {
        let told = store.inbox(tenant, &"clerk-lin".into(), before, limit).await.expect("read");
        told.into_iter().map(|digest| (digest.day, digest.notices, digest.lines.len())).collect::<Vec<_>>()
    };
    let (newer, older) = (("2026-09-02".to_owned(), 1, 1), (DAY.to_owned(), 2, 2));
    assert_eq!(inbox(None, 9).await, [newer.clone(), older.clone()], "the newest first");
    assert_eq!(inbox(None, 1).await, [newer]);
    assert_eq!(inbox(Some("2026-09-02"), 9).await, [older]);
    let told = store.inbox(tenant, &"admin-wen".into(), None, 9).await.expect("read");
    let line = told.first().and_then(|digest| digest.lines.first()).expect("a line");
    assert_eq!(
        (line.number.as_str(), line.measure.as_str(), line.case_id),
        ("甲-1", "remind", opening.state.case)
    );
    assert_eq!(store.inbox(tenant, &"nobody".into(), None, 9).await.expect("read"), vec![]);
    assert_eq!(county.count(&NOTICES).await, 4);
}

async fn ledger(county: &County, filter: &Filter) -> Vec<LedgerRow> {
    let mut all: Vec<LedgerRow> = Vec::new();
    loop {
        let next = Filter { after: all.last().map(LedgerKey::of), limit: 2, ..filter.clone() };
        let page = county.store.ledger(&county.tenant, &next).await.expect("read");
        if page.is_empty() {
            let count = county.store.ledger_count(&county.tenant, filter).await.expect("read");
            assert_eq!(usize::try_from(count), Ok(all.len()), "{filter:?}");
            return all;
        }
        all.extend(page);
    }
}

async fn numbers(county: &County, filter: Filter) -> Vec<String> {
    ledger(county, &filter).await.into_iter().map(|row| row.number).collect()
}

pub async fn the_ledger_is_paged_in_its_order(room: &Room) {
    let county = room.county().await;
    opened(&county, &NUMBERS).await;
    // One sooner, and one no clock runs of, whatever they are called.
    let sooner = county.opening_at("龘", "2026-09-10", "一号仓库", None);
    let mut never = county.opening("A-0");
    never.projection.overdue_from = None;
    county.committed([&sooner, &never]).await;
    let mut expected = vec!["龘"];
    expected.extend(NUMBERS);
    expected.push("A-0");
    assert_eq!(numbers(&county, Filter::default()).await, expected);
    for row in ledger(&county, &Filter::default()).await {
        assert_eq!((row.overdue_from.is_none(), row.area), (row.number == "A-0", None), "{}", row.number);
    }
}

/// No text kept has a zero in it: whoever asks for one is told that there is nothing.
pub async fn what_no_text_can_hold_is_found_nowhere(room: &Room) {
    let county = room.county().await;
    let opening = county.opening_at("YB-1", "2026-09-10", "一号仓库", Some("north"));
    county.committed(&[opening]).await;
    let (store, tenant) = (&county.store, &county.tenant);
    assert_eq!(store.find(tenant, "YB-1\0").await.expect("read"), None);
    assert!(store.find(tenant, "YB-1").await.expect("read").is_some());
    let (none, zero) = (Filter::default, "一号\0".to_owned());
    for filter in [
        Filter { text: Some(zero.clone()), ..none() },
        Filter { area: vec![zero.clone()], ..none() },
        Filter { state: vec![zero.clone(), "\0".to_owned()], ..none() },
    ] {
        assert_eq!(store.ledger(tenant, &filter).await.expect("read"), [], "{filter:?}");
    }
    assert_eq!(store.ledger_count(tenant, &none()).await.expect("counted"), 1);
}

pub async fn the_ledger_is_filtered(room: &Room) {
    let county = room.county().await;
    let mut hidden = county.opening_at("YB-4", "2026-09-30", "100%_\\ 'x'", Some("south"));
    hidden.projection.columns.remove(&machine::file::Column::Source);
    hidden.projection.columns.remove(&machine::file::Column::Department);
    county
        .committed(&[
            county.opening_at("YB-1", "2026-09-10", "一号仓库", Some("north")),
            county.opening_at("YB-2", "2026-09-20", "二号车间 Ünï", Some("south")),
            county.opening_at("YB-3", "2026-09-25", "100 x", None),
            hidden,
        ])
        .await;
    let (none, list) = (Filter::default, |text: &str| vec![text.to_owned()]);
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..none() };
    let unit = |unit: &str, roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Filter { unit: Some(OwingUnit { unit: unit.to_owned(), roles }), ..none() }
    };
    let now = morning("2026-09-20");
    let lamps = Lamps { now, tomorrow: morning("2026-09-21"), soon_until: morning("2026-09-26") };
    let lamp = |lamp| Filter { lamp: Some((lamp, lamps)), ..none() };
    let due = |from: Option<&str>, to: Option<&str>| Filter {
        due_from: from.map(str::to_owned),
        due_to: to.map(str::to_owned),
        ..none()
    };
    for (filter, expected) in [
        (Filter { area: list("south"), ..none() }, &["YB-2", "YB-4"][..]),
        (Filter { area: vec!["north".to_owned(), "south".to_owned()], ..none() }, &["YB-1", "YB-2", "YB-4"]),
        (Filter { area: list("' OR 1=1 --"), ..none() }, &[]),
        (Filter { state: list("rectifying"), ..none() }, &["YB-1", "YB-2", "YB-3", "YB-4"]),
        (Filter { state: list("closed"), ..none() }, &[]),
        (Filter { sector: list("industry"), area: list("north"), ..none() }, &["YB-1"]),
        (Filter { source: list("self_check"), ..none() }, &["YB-1", "YB-2", "YB-3"]),
        (Filter { department: list("industry"), ..none() }, &["YB-1", "YB-2", "YB-3"]),
        (text("仓库"), &["YB-1"]),
        (text("Ünï"), &["YB-2"]),
        (text("号"), &["YB-1", "YB-2"]),
        (text("间 Ü"), &["YB-2"]),
        (text("防通道堵"), &["YB-1", "YB-2", "YB-3", "YB-4"]),
        (text("B-3"), &["YB-3"]),
        (text("YB-30"), &[]),
        (text("%"), &["YB-4"]),
        (text("_\\ '"), &["YB-4"]),
        (text("无处"), &[]),
        (
            Filter { called: list("e-paper"), text: Some("无处".to_owned()), ..none() },
            &["YB-1", "YB-2", "YB-3", "YB-4"],
        ),
        (unit("e-paper", &[]), &["YB-1", "YB-2", "YB-3", "YB-4"]),
        (unit("office", &["responsible"]), &[]),
        (due(Some("2026-09-20"), None), &["YB-2", "YB-3", "YB-4"]),
        (due(None, Some("2026-09-20")), &["YB-1", "YB-2"]),
        (due(Some("2026-09-11"), Some("2026-09-25")), &["YB-2", "YB-3"]),
        (lamp(Lamp::Overdue), &["YB-1"]),
        (lamp(Lamp::Today), &["YB-2"]),
        (lamp(Lamp::Soon), &["YB-3"]),
        (lamp(Lamp::Normal), &["YB-4"]),
        (lamp(Lamp::Closed), &[]),
        (lamp(Lamp::None), &[]),
        (lamp(Lamp::Paused), &[]),
        (Filter { overdue_by: Some((OverdueBy::Enterprise, now)), ..none() }, &["YB-1"]),
        (Filter { overdue_by: Some((OverdueBy::Regulator, now)), ..none() }, &[]),
    ] {
        assert_eq!(numbers(&county, filter.clone()).await, expected, "{filter:?}");
    }
}

pub async fn a_corrected_text_is_found_by_its_new_words(room: &Room) {
    let county = room.county().await;
    let opening = county.opening_at("YB-1", "2026-09-10", "一号仓库", None);
    let beside = county.opening_at("YB-2", "2026-09-11", "二号仓库", None);
    county.committed(&[opening.clone(), beside]).await;
    let found = async |text: &str| {
        numbers(&county, Filter { text: Some(text.to_owned()), ..Filter::default() }).await
    };
    assert_eq!(found("仓库").await, ["YB-1", "YB-2"]);
    let corrected = county.corrected(&opening, "一号车间");
    let remarked = county.remark(&corrected, "已电话告知");
    assert_eq!((corrected.text.is_some(), remarked.text), (true, None), "written when it changes");
    county.committed([&corrected]).await;
    assert_eq!(found("仓库").await, ["YB-2"]);
    assert_eq!(found("车间").await, ["YB-1"]);
    assert_eq!(county.count(&store::table::TEXTS).await, 2);
}

pub async fn what_is_owed_is_paged_in_its_order(room: &Room) {
    let county = room.county().await;
    opened(&county, &["YB-1", "YB-2", "YB-3"]).await;
    county.committed([&county.opening_at("甲-1", "2026-09-10", "一号仓库", None)]).await;
    let owed = async |filter: OwedFilter| {
        let mut all: Vec<OwedRow> = Vec::new();
        loop {
            let filter = OwedFilter { after: all.last().map(OwedKey::of), limit: 2, ..filter.clone() };
            let page = county.store.owes(&county.tenant, &filter).await.expect("read");
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    };
    let none = OwedFilter::default;
    let all = owed(none()).await;
    let places: Vec<_> =
        all.iter().map(|row| (row.due_day.clone(), row.case_id.to_string(), row.deadline_no)).collect();
    assert!(places.is_sorted() && places.len() == 4, "{places:?}");
    assert_eq!(all.first().map(|row| row.number.as_str()), Some("甲-1"), "the earliest first");
    let role = |role: &str| OwedFilter { role: vec!["nobody".to_owned(), role.to_owned()], ..none() };
    let posts =
        |role: &str, unit: &str| OwedFilter { posts: Some(vec![(role.to_owned(), unit.into())]), ..none() };
    let unit = |unit: &str| OwedFilter {
        unit: Some(OwingUnit { unit: unit.to_owned(), roles: Vec::new() }),
        ..none()
    };
    for (filter, expected) in [
        (role("responsible"), 4),
        (role("office"), 0),
        (posts("responsible", "e-paper"), 4),
        (posts("responsible", "e-01"), 0),
        (posts("office", "e-paper"), 0),
        (OwedFilter { posts: Some(Vec::new()), ..none() }, 0),
        (unit("e-paper"), 4),
        (unit("e-01"), 0),
    ] {
        assert_eq!(owed(filter.clone()).await.len(), expected, "{filter:?}");
    }
}

pub async fn cases_are_counted(room: &Room) {
    let county = room.county().await;
    let openings = opened(&county, &["YB-1", "YB-2", "甲-3"]).await;
    let (store, tenant) = (&county.store, &county.tenant);
    let annulled = county.annulled(&openings[1]);
    county.committed([&annulled]).await;
    let now = morning("2026-09-21");
    let standing = store.standing(tenant, now).await.expect("read");
    let states: Vec<_> = standing.by_state.iter().map(|(state, count)| (state.as_str(), *count)).collect();
    assert_eq!((standing.cases, states), (3, vec![("annulled", 1), ("rectifying", 2)]));
    assert_eq!((standing.waiting, standing.undelivered, standing.unverified), (2, 0, 0));

    for number in ["甲-3", &openings[2].state.case.to_string()] {
        assert_eq!(store.find(tenant, number).await.expect("read"), Some(openings[2].state.case));
    }
    assert_eq!(store.find(tenant, "甲").await.expect("read"), None);

    let states = ["annulled", "closed"].map(str::to_owned);
    let closed = async |from, until| {
        let rows = store.closed(tenant, "general-hazard", &states, from, until).await.expect("read");
        rows.into_iter().map(|row| row.number).collect::<Vec<_>>()
    };
    let at = annulled.state.last_at;
    assert_eq!(closed(at, at.plus_micros(1)).await, ["YB-2"]);
    assert_eq!(
        (closed(at.plus_micros(1), now).await.len(), closed(morning("2026-01-01"), at).await.len()),
        (0, 0)
    );

    let roundup = store.roundup(tenant, now, now).await.expect("read");
    let found: Vec<u64> = roundup.stages.iter().map(|stage| stage.count).collect();
    assert_eq!(found.iter().sum::<u64>(), 3, "{roundup:?}");
    let overdue: BTreeSet<&str> = roundup.overdue.iter().map(|row| row.number.as_str()).collect();
    assert_eq!(overdue, BTreeSet::from(["YB-1", "甲-3"]));
    let earlier = store.roundup(tenant, morning(DAY).plus_micros(-1), now).await.expect("read");
    assert!(
        earlier.stages.is_empty() && earlier.overdue.is_empty(),
        "before there was any case: {earlier:?}"
    );

    let documents = DocumentFilter {
        enterprise: "e-paper".to_owned(),
        act: "register".to_owned(),
        field: "source".to_owned(),
        values: vec!["self_check".to_owned()],
        document: "place".to_owned(),
        on: "due_on".to_owned(),
        after: "2026-09-17".to_owned(),
    };
    let count = async |filter: &DocumentFilter| store.documents(tenant, filter).await.expect("read");
    assert_eq!(count(&documents).await, 1, "one number, however many cases have it");
    assert_eq!(
        count(&DocumentFilter { after: DUE.to_owned(), ..documents.clone() }).await,
        0,
        "later than the day"
    );
    assert_eq!(count(&DocumentFilter { enterprise: "e-01".to_owned(), ..documents }).await, 0);
}
