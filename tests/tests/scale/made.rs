//! A million cases: some are opened through the engine, and their rows copied with other ids, numbers, moments and
//! owners.

use std::collections::BTreeMap;

use machine::Command;
use machine::command::Perform;
use store::table::{self, HISTORY, OBLIGATIONS, TEXTS, Table};
use store::{Clock, Place};
use tests::home::Raw;
use tests::{clerk, definition, morning, open, request, settle, texts};

/// The day cases are opened on, and the day lists are asked for.
pub const DAY: &str = "2026-09-01";
pub const LATER: &str = "2026-10-20";
/// A word that nine cases have.
pub const RARE: &str = "氨罐";
/// A word that all cases have.
pub const COMMON: &str = "消防";
/// A part of some sixty thousand numbers, which lie all over the ledger; and of a hundred thousand, which lie together.
pub const OFTEN: &str = "37";
pub const TOGETHER: &str = "-03";
/// Cases opened, and how often each is copied.
const OPENED: u32 = 40;
const COPIES: u32 = 24_999;
/// The tables with copies.
pub const COPIED: [&Table; 4] = [&table::CASES, &OBLIGATIONS, &TEXTS, &HISTORY];
/// All cases there are then.
pub const CASES: u32 = OPENED * (COPIES + 1);

/// Makes a store with cases of forty enterprises: of some the date has passed by the day of the lists, and some are
/// annulled.
pub async fn county(place: &Place) {
    let store = place.create(Clock::Simulated, morning(DAY)).await.expect("a store");
    let engine = settle(store).await;
    engine.publish(&definition("workflows/general-hazard.yaml")).await.expect("published");
    for index in 1..=OPENED {
        let due_on = format!("2026-{:02}-{:02}", 9 + index % 4, 5 + index % 20);
        let fields = texts(&[
            ("place", "一号仓库"),
            ("description", "消防通道堵塞"),
            ("sector", "industry"),
            ("source", "self_check"),
            ("responsible", &format!("e-{index:02}")),
            ("due_on", &due_on),
        ]);
        let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
        let opened = open(&engine, "general-hazard", perform, &index.to_string()).await;
        if index % 8 == 0 {
            let (act, reason) = ("annul".to_owned(), Some("误报".to_owned()));
            let annul = Command::Perform(Perform { act, reason, ..Perform::default() });
            engine.execute(request(opened.case, annul, clerk(), None)).await.expect("annulled");
        }
    }
    engine.store().set_clock(morning(LATER)).await.expect("set");
    while engine.sweep(&[], 0, 500).await.expect("swept").moved > 0 {}
}

/// What a column of a copy holds; any other is as in the case copied. `k` counts the copies of a case.
fn columns(table: &Table) -> Vec<(&'static str, &'static str)> {
    // Ids are no nearer to each other than those the engine makes. Eight digits; no two copies have the same.
    let id = "substr(CAST(100000000 + k * 7654321 % 100000000 AS TEXT), 2) || substr(case_id, 9)";
    let unit = "CASE WHEN k % 16 = 0 THEN NULL ELSE owner_unit END";
    let role = "CASE WHEN k % 16 = 0 THEN 'office' ELSE owner_role END";
    // Where no clock runs it is the largest number.
    let overdue =
        "overdue_from + CASE WHEN overdue_from > 9000000000000000000 THEN 0 ELSE k % 5000 * 60000000 END";
    let number = "'YB-2026-' || digits";
    let text = "'YB-2026-' || digits || substr(text, 15) || CASE WHEN rare THEN ' 氨罐' ELSE '' END";
    let grams = "'yb b 20 02 26 6 ' || substr(digits, 1, 2) || ' ' || substr(digits, 2, 2) || ' ' || substr(digits, 3, 2)
        || ' ' || substr(digits, 4, 2) || ' ' || substr(digits, 5, 2) || ' ' || substr(digits, 6, 2) || ' '
        || substr(digits, 7, 1) || ' ' || substr(grams, 34) || CASE WHEN rare THEN ' 氨罐 罐' ELSE '' END";
    let changed = BTreeMap::from([
        ("case_id", id),
        ("number", number),
        ("owner_unit", unit),
        ("owner_role", role),
        ("overdue_from", overdue),
        ("wake_at", "wake_at + k % 5000 * 3600000000"),
        // No list reads it, and it is most of a head.
        ("state", "'{}'"),
        ("text", text),
        ("grams", grams),
    ]);
    let of = |name: &'static str| changed.get(name).copied().unwrap_or(name);
    table.columns.iter().map(|(name, _)| (*name, of(name))).collect()
}

/// Copies the rows of a table.
pub async fn copy(raw: &Raw, table: &Table) {
    let (names, values): (Vec<_>, Vec<_>) = columns(table).into_iter().unzip();
    let number = if table.name == TEXTS.name { "substr(text, 9, 6)" } else { "substr(number, 9)" };
    // Seven digits, where cases opened by the engine have six.
    let digits = format!("substr(CAST(10000000 + {OPENED} * k + CAST({number} AS BIGINT) AS TEXT), 2)");
    let numbered = match table.name {
        "obligations" | "history" => "*".to_owned(),
        _ => format!("*, {digits} AS digits, {digits} LIKE '0_00007' AS rare"),
    };
    let (table, names, values) = (table.name, names.join(", "), values.join(", "));
    let copied = raw
        .run(&format!(
            "INSERT INTO {table} (tenant_id, {names}) WITH RECURSIVE copies(k) AS
                (SELECT CAST(1 AS BIGINT) UNION ALL SELECT k + 1 FROM copies WHERE k < {COPIES}),
                numbered AS (SELECT {numbered} FROM copies CROSS JOIN {table})
             SELECT tenant_id, {values} FROM numbered"
        ))
        .await;
    assert!(copied >= u64::from(COPIES), "{table}: {copied}");
}
