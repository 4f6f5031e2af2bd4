//! What is asked.

use machine::Instant;
use machine::value::TenantId;
use store::{Filter, Lamp, Lamps, LedgerKey, LedgerRow, OwedFilter, OwedKey, OwingUnit, Store};
use tests::morning;

use crate::made::{CASES, COMMON, DAY, LATER, OFTEN, RARE, TOGETHER};

const PAGE: u32 = 50;

/// Statements a circular is drawn up with: each looks at every case.
pub const CIRCULAR: usize = 5;

/// One question to a store, which sends one statement; about a text, one more or two that tell how to ask; a circular
/// sends some.
#[derive(Debug)]
pub enum Asked {
    Ledger(Filter),
    Count(Filter),
    Owes(OwedFilter),
    Due(Instant),
    Closed,
    Circular,
}

impl Asked {
    /// Asks it; gives how many rows there are.
    pub async fn of(&self, store: &dyn Store) -> u64 {
        let tenant = TenantId::from("qingyuan");
        let rows = match self {
            Asked::Ledger(filter) => store.ledger(&tenant, filter).await.expect("read").len(),
            Asked::Count(filter) => return store.ledger_count(&tenant, filter).await.expect("read"),
            Asked::Owes(filter) => store.owes(&tenant, filter).await.expect("read").len(),
            Asked::Due(now) => store.due(&tenant, *now, &[], 0, 100).await.expect("read").len(),
            Asked::Closed => {
                let (states, from, until) = (["annulled".to_owned()], morning(DAY), morning(LATER));
                store.closed(&tenant, "general-hazard", &states, from, until).await.expect("read").len()
            }
            Asked::Circular => {
                let circular = store.roundup(&tenant, morning(LATER), morning("2026-10-21")).await;
                return circular.expect("read").stages.iter().map(|stage| stage.count).sum();
            }
        };
        rows as u64
    }
}

/// A name, what is asked, and how many rows have to be found.
pub type Question = (String, Asked, u64);

/// The cases of a ledger whose number has a part in it, or which are of an enterprise that is called so, found by
/// looking at one after the other: at most so many.
async fn looked_for(store: &dyn Store, filter: &Filter, most: usize) -> Vec<LedgerRow> {
    let part = filter.text.as_deref().expect("a text");
    let is_one = |row: &LedgerRow| {
        row.number.contains(part) || row.enterprise.as_ref().is_some_and(|name| filter.called.contains(name))
    };
    let mut all = Filter { text: None, called: Vec::new(), limit: store::ROWS_MAX, ..filter.clone() };
    let mut found = Vec::new();
    loop {
        let page = store.ledger(&TenantId::from("qingyuan"), &all).await.expect("read");
        let ended = page.len() < store::ROWS_MAX as usize;
        all.after = page.last().map(LedgerKey::of);
        found.extend(page.into_iter().filter(is_one));
        if ended || found.len() >= most {
            found.truncate(most);
            return found;
        }
    }
}

/// Whatever is asked for by a text that many have is found where it stands in the ledger.
async fn texts_are_found(store: &dyn Store) {
    let tenant = TenantId::from("qingyuan");
    let office = OwingUnit { unit: "office".to_owned(), roles: vec!["office".to_owned()] };
    let text = |text: &str| Filter { text: Some(text.to_owned()), limit: PAGE, ..Filter::default() };
    // Its dates pass first.
    let called = |filter: Filter| Filter { called: vec!["e-20".to_owned()], ..filter };
    let of_office = |filter: Filter| Filter { unit: Some(office.clone()), ..filter };
    for filter in [text(OFTEN), called(text(OFTEN)), called(of_office(text(OFTEN))), text(TOGETHER)] {
        let found = store.ledger(&tenant, &filter).await.expect("read");
        assert_eq!(found, looked_for(store, &filter, PAGE as usize).await, "{filter:?}");
        let next = Filter { after: found.last().map(LedgerKey::of), ..filter };
        let found = store.ledger(&tenant, &next).await.expect("read");
        assert_eq!(found, looked_for(store, &next, PAGE as usize).await, "{next:?}");
    }
    // Ten thousand have the one and a hundred the other, and some of those are of the enterprise.
    for part in ["-030", "-03001"] {
        for filter in [of_office(text(part)), called(of_office(text(part)))] {
            let counted = store.ledger_count(&tenant, &filter).await.expect("counted");
            let found = looked_for(store, &filter, usize::MAX).await;
            assert!(!found.is_empty() && counted == found.len() as u64, "{filter:?}: {counted}");
        }
    }
    // They stand at the end of the ledger: there all that has no date is in the order of its number.
    let last = Filter { state: vec!["annulled".to_owned()], ..text("-099") };
    let found = store.ledger(&tenant, &last).await.expect("read");
    assert_eq!(found, looked_for(store, &last, PAGE as usize).await);
    assert_eq!(found.len(), PAGE as usize);
}

/// All that is asked; a later page begins after the middle of everything.
pub async fn questions(store: &dyn Store) -> Vec<Question> {
    let tenant = TenantId::from("qingyuan");
    let now = morning(LATER);
    let lamps = Lamps { now, tomorrow: morning("2026-10-21"), soon_until: morning("2026-10-27") };
    let page = Filter { limit: PAGE, ..Filter::default() };
    let owed = OwedFilter { limit: PAGE, ..OwedFilter::default() };
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..page.clone() };
    texts_are_found(store).await;
    // One of those that are overdue.
    let middle = store.ledger(&tenant, &text("-0500004")).await.expect("read");
    let after = Some(LedgerKey::of(middle.first().expect("a case with this number")));
    let due = store.owes(&tenant, &owed).await.expect("read");
    let first = OwedKey::of(due.first().expect("something is owed"));
    let later = OwedKey { due_day: "2026-12-01".to_owned(), ..first };
    let unit = |unit: &str, roles: &[&str]| {
        Some(OwingUnit {
            unit: unit.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        })
    };
    let one = |text: &str| vec![text.to_owned()];
    let filters = [
        ("all", page.clone()),
        ("unit", Filter { unit: unit("e-07", &[]), ..page.clone() }),
        ("unit with roles", Filter { unit: unit("office", &["office"]), ..page.clone() }),
        ("state", Filter { state: one("rectifying"), ..page.clone() }),
        ("overdue", Filter { lamp: Some((Lamp::Overdue, lamps)), ..page.clone() }),
    ];
    // Every case has this word, and some are of this enterprise as well.
    let called = Filter { called: one("e-07"), ..text(COMMON) };
    let common = [
        ("a word all have", text(COMMON)),
        ("a part of many numbers", text(OFTEN)),
        ("a word all have or a name", called),
        ("a word all have, state", Filter { state: one("rectifying"), ..text(COMMON) }),
        ("a word all have, unit with roles", Filter { unit: unit("office", &["office"]), ..text(COMMON) }),
    ];
    let mut questions = Vec::new();
    for (name, filter) in filters.into_iter().chain(common) {
        let next = Filter { after: after.clone(), ..filter.clone() };
        questions.push((format!("ledger, {name}, counted"), Asked::Count(filter.clone()), 10_001));
        questions.push((format!("ledger, {name}"), Asked::Ledger(filter), u64::from(PAGE)));
        questions.push((format!("ledger, {name}, next page"), Asked::Ledger(next), u64::from(PAGE)));
    }
    // An enterprise that is called so and has no case.
    let called = Filter { called: one("e-paper"), ..text(RARE) };
    let texts = [
        ("part of a number", text("-0777777"), 1),
        ("a rare word", text(RARE), 9),
        ("a rare word or a name", called, 9),
    ];
    for (name, filter, found) in texts {
        questions.push((format!("ledger, {name}, counted"), Asked::Count(filter.clone()), found));
        questions.push((format!("ledger, {name}"), Asked::Ledger(filter), found));
    }
    for (name, filter) in [
        ("all", owed.clone()),
        ("unit", OwedFilter { unit: unit("e-07", &[]), ..owed.clone() }),
        ("unit with roles", OwedFilter { unit: unit("office", &["office"]), ..owed.clone() }),
        ("role", OwedFilter { role: one("responsible"), ..owed.clone() }),
        ("next page", OwedFilter { after: Some(later), ..owed.clone() }),
    ] {
        questions.push((format!("owes, {name}"), Asked::Owes(filter), u64::from(PAGE)));
    }
    questions.push(("due".to_owned(), Asked::Due(now.plus_micros(30 * 86_400_000_000)), 100));
    questions.push(("closed".to_owned(), Asked::Closed, u64::from(CASES / 8)));
    questions.push(("circular".to_owned(), Asked::Circular, u64::from(CASES)));
    questions
}
