//! What is asked.

use machine::Instant;
use machine::value::TenantId;
use store::{Filter, Lamp, Lamps, LedgerKey, LedgerRow, OwedFilter, OwedKey, OwingUnit, Store};
use tests::morning;

use crate::made::{COMMON, LATER, OFTEN, RARE};

const PAGE: u32 = 50;

/// One question to a store, which sends one statement; about a text, one more or two that tell how to ask.
#[derive(Debug)]
pub enum Asked {
    Ledger(Filter),
    Count(Filter),
    Owes(OwedFilter),
    Due(Instant),
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
        };
        rows as u64
    }
}

/// A name, what is asked, and how many rows have to be found.
pub type Question = (String, Asked, u64);

/// The first cases of the ledger with a part in their numbers, found by looking at one after the other.
async fn looked_for(store: &dyn Store, part: &str) -> Vec<LedgerRow> {
    let tenant = TenantId::from("qingyuan");
    let (mut found, mut filter) = (Vec::new(), Filter { limit: store::ROWS_MAX, ..Filter::default() });
    while found.len() < PAGE as usize {
        let page = store.ledger(&tenant, &filter).await.expect("read");
        filter.after = Some(LedgerKey::of(page.last().expect("there are enough")));
        found.extend(page.into_iter().filter(|row| row.number.contains(part)));
    }
    found.truncate(PAGE as usize);
    found
}

/// All that is asked; a later page begins after the middle of everything.
pub async fn questions(store: &dyn Store) -> Vec<Question> {
    let tenant = TenantId::from("qingyuan");
    let now = morning(LATER);
    let lamps = Lamps { now, tomorrow: morning("2026-10-21"), soon_until: morning("2026-10-27") };
    let page = Filter { limit: PAGE, ..Filter::default() };
    let owed = OwedFilter { limit: PAGE, ..OwedFilter::default() };
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..page.clone() };
    // One case in ten has this in its number, and nothing else of a case looks like it.
    let found = store.ledger(&tenant, &text(OFTEN)).await.expect("read");
    assert_eq!(found, looked_for(store, OFTEN).await);
    let called = Filter { called: vec!["e-paper".to_owned()], ..text(OFTEN) };
    assert_eq!(store.ledger(&tenant, &called).await.expect("read"), found);
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
    questions
}
