//! I6: whatever is changed in the store behind our back, `verify` names the act, and no other.

use std::collections::BTreeSet;

use engine::Engine;
use engine::verify::{Fault, How, verify};
use machine::Command as Wish;
use machine::act::{Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, Value};
use store::table::{HISTORY, NOTICES, OBLIGATIONS, PERSONAL, RUNGS};
use tests::home::Raw;
use tests::{County, clerk, county, fault_line, morning, person, request, texts};

/// Cases of the store most of the flipping is done in.
const CASES: usize = 19;
/// Acts that have to be flipped.
const ACTS_MIN: usize = 200;
/// Columns whose bytes are flipped.
const TEXTS: [&str; 7] = ["tenant_id", "case_id", "name", "person_id", "algorithm", "body", "hash"];

async fn act(engine: &Engine, case: CaseId, perform: Perform, who: (&str, &str, &str)) {
    let request = request(case, Wish::Perform(perform), person(who.0, who.1, who.2), None);
    engine.execute(request).await.expect("done");
}

/// Cases with every sort of act: an opening with a personal value, a remark, a correction, a report with
/// evidence entered for somebody else, re-inspections with officers, signature and refusal to sign, a
/// taking back where asked for, and the worker's ticks with breach and rungs.
async fn cases(count: usize, take_back: bool) -> County {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let engine = &county.engine;
    let enterprise = ("safety-he", "paper-safety", "e-paper");
    let officer = ("officer-qin", "industry-officer-1", "industry");
    let third = ("officer-bai", "industry-officer-2", "industry");
    let mut opened = Vec::new();
    for index in 0..count {
        let fields = texts(&[
            ("place", "一号仓库"),
            ("description", &format!("消防通道堵塞 {index}")),
            ("sector", "industry"),
            ("source", "self_check"),
            ("responsible", "e-paper"),
            ("due_on", "2026-09-10"),
            ("contact", "13800000000"),
        ]);
        let perform = Perform { act: "register".to_owned(), fields, ..Perform::default() };
        let auth = machine::act::Auth::Asserted;
        let receipt = engine.open("general-hazard", perform, clerk(), auth, format!("tamper-{index}")).await;
        opened.push(receipt.expect("opened").case);
    }
    let evidence = |case: &CaseId, turn: u8| {
        let digest = digest_hex(format!("{case} {turn}").as_bytes());
        vec![Evidence { kind: "after_photo".to_owned(), digest, size_bytes: 4 }]
    };
    let inspect = |name: &str, signature: Signature| Perform {
        act: name.to_owned(),
        officers: vec!["officer-qin".into(), "officer-bai".into()],
        signature: Some(signature),
        reason: Some("现场复查".to_owned()),
        ..Perform::default()
    };
    for case in &opened {
        let comment = Wish::Comment { text: "已电话提醒".to_owned() };
        engine.execute(request(*case, comment, clerk(), None)).await.expect("recorded");
        let fields = [("place".to_owned(), Value::Text("二号仓库".to_owned()))].into();
        let amend = Wish::Amend { fields, reason: "写错".to_owned() };
        engine.execute(request(*case, amend, clerk(), None)).await.expect("amended");
        let complete = Perform {
            act: "report_complete".to_owned(),
            evidence: evidence(case, 1),
            entered_for: None,
            ..Perform::default()
        };
        act(engine, *case, complete, enterprise).await;
        act(engine, *case, inspect("reject", Signature::Refused("拒签".to_owned())), officer).await;
    }
    engine.store().set_clock(morning("2026-09-16")).await.expect("set");
    worker::simulate(engine, morning("2026-09-16")).await.expect("worked");
    for case in &opened {
        let complete =
            Perform { act: "report_complete".to_owned(), evidence: evidence(case, 2), ..Perform::default() };
        act(engine, *case, complete, enterprise).await;
        act(engine, *case, inspect("accept", Signature::Signed("safety-he".to_owned())), third).await;
        if take_back {
            let (state, _) = engine.case(&case.to_string()).await.expect("there");
            let back = Wish::TakeBack { reason: "填错".to_owned(), before: Box::new(state) };
            let who = person(third.0, third.1, third.2);
            engine.execute(request(*case, back, who, None)).await.expect("taken back");
        }
    }
    county
}

async fn faults(county: &County) -> Vec<Fault> {
    let engine = &county.engine;
    verify(engine.store(), engine.tenant(), engine.catalog()).await.expect("verified").faults
}

/// The acts named, by case and number.
async fn named(county: &County) -> BTreeSet<(String, i64)> {
    faults(county).await.into_iter().map(|fault| (fault.case, fault.version)).collect()
}

/// The SQL that flips one bit of the byte at a place (from 1) of a text. Twice, and nothing has changed.
fn flipped(column: &str, place: &str, bit: usize) -> String {
    let bytes = format!("CAST({column} AS BLOB)");
    let digits = format!("hex(substr({bytes}, {place}, 1))");
    let digit = |place: usize, flip: Option<usize>| match flip {
        None => format!("substr({digits}, {place}, 1)"),
        Some(bit) => {
            let table: String =
                (0..16_u8).filter_map(|digit| char::from_digit(u32::from(digit ^ (1 << bit)), 16)).collect();
            let table = table.to_uppercase();
            format!("substr('{table}', instr('0123456789ABCDEF', substr({digits}, {place}, 1)), 1)")
        }
    };
    let high = digit(1, (bit >= 4).then(|| bit - 4));
    let low = digit(2, (bit < 4).then_some(bit));
    format!(
        "CAST(substr({bytes}, 1, {place} - 1) || unhex({high} || {low}) || substr({bytes}, {place} + 1) AS TEXT)"
    )
}

/// Flips one bit of every byte of every column of every act: in each run of `verify` the same byte of
/// every other act. Named has to be what was flipped, all of it and nothing else.
async fn flip_everything(county: &County) -> (usize, usize) {
    assert_eq!(faults(county).await, []);
    let raw = county.raw().await;
    let acts = raw.number("SELECT count(*) FROM acts").await;
    let mut flips = 0;
    for column in TEXTS {
        let longest = format!("SELECT max(length(CAST({column} AS BLOB))) FROM acts");
        let longest = raw.number(&longest).await;
        for position in 1..=usize::try_from(longest).expect("short") {
            for turn in 0..2 {
                // The rows by rowid: flipping a key column must not change which ones they are.
                let of = format!("length(CAST({column} AS BLOB)) >= {position} AND rowid % 2 = {turn}");
                let select = format!("SELECT case_id, version FROM acts WHERE {of}");
                let hit: Vec<(String, i64)> = raw.rows(&select).await;
                let flip = flipped(column, &position.to_string(), position % 8);
                let flip = format!("UPDATE acts SET {column} = {flip} WHERE {of}");
                let changed = raw.run(&flip).await;
                assert_eq!(changed, hit.len() as u64);
                let mut found = named(county).await;
                if column == "case_id" {
                    // The act is missed where it was, and stands where no head is.
                    let known: BTreeSet<&String> = hit.iter().map(|(case, _)| case).collect();
                    found.retain(|(case, _)| known.contains(case));
                }
                assert_eq!(found, hit.iter().cloned().collect(), "{column}, byte {position}, turn {turn}");
                flips += hit.len();
                assert_eq!(raw.run(&flip).await, changed);
            }
        }
    }
    flips += flip_numbers(county, &raw).await;
    assert_eq!(faults(county).await, [], "everything was put back");
    (flips, usize::try_from(acts).expect("few"))
}

/// The bytes of the whole numbers.
async fn flip_numbers(county: &County, raw: &Raw) -> usize {
    let mut flips = 0;
    for column in ["at", "version"] {
        for byte in 0..8 {
            for turn in 0..2 {
                let select = format!("SELECT case_id, version FROM acts WHERE rowid % 2 = {turn}");
                let hit: BTreeSet<(String, i64)> = raw.rows(&select).await.into_iter().collect();
                // The highest bit of the byte: the lowest of a version would only swap two acts.
                let mask = 0x80_i64 << (8 * byte);
                let flip = format!(
                    "UPDATE acts SET {column} = ({column} | {mask}) - ({column} & {mask}) WHERE rowid % 2 = {turn}"
                );
                assert_eq!(raw.run(&flip).await, hit.len() as u64);
                let found = named(county).await;
                if column == "at" {
                    assert_eq!(found, hit, "at, byte {byte}");
                } else {
                    assert!(found.is_superset(&hit), "version, byte {byte}");
                }
                flips += hit.len();
                raw.run(&flip).await;
            }
        }
    }
    flips
}

#[tokio::test]
async fn every_flipped_byte_of_every_column_is_named() {
    let county = cases(CASES, false).await;
    let start = std::time::Instant::now();
    let (flips, acts) = flip_everything(&county).await;
    println!("{flips} bytes flipped in {acts} acts, each named and no other, {:?}", start.elapsed());
    assert!(acts >= ACTS_MIN, "{acts} acts");
}

#[tokio::test]
async fn every_flipped_byte_of_an_act_taken_back_is_named() {
    let county = cases(1, true).await;
    let start = std::time::Instant::now();
    let (flips, acts) = flip_everything(&county).await;
    println!("{flips} bytes flipped in {acts} acts, each named and no other, {:?}", start.elapsed());
}

/// Every version of a case.
async fn versions(raw: &Raw, case: &str) -> Vec<i64> {
    let versions = format!("SELECT version FROM acts WHERE case_id = '{case}' ORDER BY version");
    raw.rows::<(i64,)>(&versions).await.into_iter().map(|(version,)| version).collect()
}

#[tokio::test]
async fn acts_swapped_deleted_inserted_or_copied_to_another_case_are_named() {
    let county = cases(2, true).await;
    let raw = county.raw().await;
    let ids = raw.texts("SELECT case_id FROM cases ORDER BY number").await;
    let (case, other) = (&ids[0], &ids[1]);
    let versions = versions(&raw, case).await;
    let last = *versions.last().expect("some");
    raw.run("CREATE TABLE aside AS SELECT * FROM acts WHERE false").await;
    let of_case = format!("case_id = '{case}'");
    let here = |number: i64| (case.clone(), number);
    let renumber = async |from: i64, to: i64| {
        let moved = format!("UPDATE acts SET version = {to} WHERE {of_case} AND version = {from}");
        assert_eq!(raw.run(&moved).await, 1);
    };
    for version in &versions {
        // Swapped with the next one, and with the last.
        for with in [version + 1, last] {
            if with > last || with == *version {
                continue;
            }
            for (from, to) in [(*version, 9_999), (with, *version), (9_999, with)] {
                renumber(from, to).await;
            }
            let found = named(&county).await;
            assert!(
                found.is_superset(&[here(*version), here(with)].into()),
                "{version} with {with}: {found:?}"
            );
            for (from, to) in [(*version, 9_999), (with, *version), (9_999, with)] {
                renumber(from, to).await;
            }
        }
        // Deleted: it alone is missed.
        raw.run(&format!("INSERT INTO aside SELECT * FROM acts WHERE {of_case} AND version = {version}"))
            .await;
        raw.run(&format!("DELETE FROM acts WHERE {of_case} AND version = {version}")).await;
        assert_eq!(named(&county).await, [here(*version)].into(), "deleted {version}");
        // Deleted, and the gap closed: the next one stands in its place.
        if *version < last {
            for later in *version + 1..=last {
                renumber(later, later - 1).await;
            }
            assert!(named(&county).await.contains(&here(*version)), "{version} cut out");
            for later in (*version + 1..=last).rev() {
                renumber(later - 1, later).await;
            }
        }
        raw.run("INSERT INTO acts SELECT * FROM aside").await;
        raw.run("DELETE FROM aside").await;
        // Inserted before it, everything behind moved on.
        for later in (*version..=last).rev() {
            renumber(later, later + 1).await;
        }
        let columns = "at, name, person_id, algorithm, body, hash";
        let copy = format!(
            "INSERT INTO acts SELECT tenant_id, case_id, {version}, {columns} FROM acts
             WHERE {of_case} AND version = {}",
            version + 1
        );
        raw.run(&copy).await;
        let found = named(&county).await;
        assert!(found.contains(&here(version + 1)), "inserted at {version}: {found:?}");
        raw.run(&format!("DELETE FROM acts WHERE {of_case} AND version = {version}")).await;
        for later in *version..=last {
            renumber(later + 1, later).await;
        }
        // Copied to the end of another case, and in place of its act.
        let copy = format!(
            "INSERT INTO acts SELECT tenant_id, '{other}', {}, {columns} FROM acts
             WHERE {of_case} AND version = {version}",
            last + 1
        );
        raw.run(&copy).await;
        assert_eq!(named(&county).await, [(other.clone(), last + 1)].into(), "copied {version}");
        raw.run(&format!("DELETE FROM acts WHERE case_id = '{other}' AND version = {}", last + 1)).await;
        let exchange = async || {
            for (from, to) in [(case.as_str(), "x"), (other.as_str(), case.as_str()), ("x", other.as_str())] {
                let moved = format!(
                    "UPDATE acts SET case_id = '{to}' WHERE case_id = '{from}' AND version = {version}"
                );
                assert_eq!(raw.run(&moved).await, 1);
            }
        };
        exchange().await;
        let found = named(&county).await;
        let both = [here(*version), (other.clone(), *version)].into();
        assert!(found.is_superset(&both), "exchanged {version}: {found:?}");
        exchange().await;
        assert_eq!(faults(&county).await, [], "everything was put back");
    }
    // Before the first, beyond the head, and a whole case made up.
    for (number, named_as) in [(0, 0), (-5, -5), (last + 1, last + 1)] {
        let copy = format!(
            "INSERT INTO acts SELECT tenant_id, case_id, {number}, at, name, person_id, algorithm, body, hash
             FROM acts WHERE {of_case} AND version = 2"
        );
        raw.run(&copy).await;
        assert!(named(&county).await.contains(&here(named_as)), "inserted as {number}");
        raw.run(&format!("DELETE FROM acts WHERE {of_case} AND version = {number}")).await;
    }
    raw.run(&format!("DELETE FROM cases WHERE {of_case}")).await;
    assert_eq!(named(&county).await, [here(0)].into(), "a head deleted");
}

#[tokio::test]
async fn every_column_that_follows_from_the_acts_is_compared() {
    let county = cases(3, true).await;
    let raw = county.raw().await;
    let ids = raw.texts("SELECT case_id FROM cases").await;
    let everybody: BTreeSet<String> = ids.into_iter().collect();
    let mut damaged = 0;
    // Three things do not follow from the acts: which digest a notice went out in (the digests count them),
    // whether a personal value was erased (one moved away is), and the digest of a command behind its key.
    let tables: [(&str, &[&str]); 7] = [
        ("cases", &[]),
        ("rungs", &[]),
        ("notices", &["delivery_id"]),
        ("obligations", &[]),
        ("history", &[]),
        ("idempotency", &["fingerprint"]),
        ("personal", &["tenant_id", "case_id"]),
    ];
    for (table, free) in tables {
        let columns: Vec<(String, String, bool)> =
            raw.rows(&format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')")).await;
        assert!(!columns.is_empty(), "{table}");
        raw.run(&format!("CREATE TABLE kept AS SELECT * FROM {table}")).await;
        let put_back = async || {
            raw.run(&format!("DELETE FROM {table}")).await;
            raw.run(&format!("INSERT INTO {table} SELECT * FROM kept")).await;
        };
        for (column, kind, required) in columns.iter().filter(|(column, ..)| !free.contains(&column.as_str()))
        {
            let mut damages = Vec::new();
            if kind == "TEXT" {
                // The first, a middle and the last byte.
                let length = format!("length(CAST({column} AS BLOB))");
                for place in ["1", "((1 + LENGTH) / 2)", "LENGTH"] {
                    damages.push(flipped(column, &place.replace("LENGTH", &length), 6));
                }
            } else {
                damages.push(format!("1 - {column}"));
                damages.push(format!("{column} + 64"));
            }
            if !required {
                let other = if kind == "TEXT" { "'x'" } else { "7" };
                damages.push(format!("CASE WHEN {column} IS NULL THEN {other} END"));
            }
            for damage in damages {
                let changed = raw
                    .run(&format!(
                        "UPDATE OR IGNORE {table} SET {column} = {damage} WHERE {column} IS NOT {damage}"
                    ))
                    .await;
                if changed > 0 {
                    let found: BTreeSet<String> =
                        faults(&county).await.into_iter().map(|fault| fault.case).collect();
                    assert!(found.is_superset(&everybody), "{table}.{column} = {damage}: {found:?}");
                    damaged += 1;
                }
                put_back().await;
            }
        }
        // A row of each case gone.
        if !matches!(table, "cases" | "personal") {
            let names: Vec<&str> = columns.iter().map(|(name, ..)| name.as_str()).collect();
            let names = names.join(", ");
            raw.run(&format!("DELETE FROM {table}")).await;
            raw.run(&format!(
                "INSERT INTO {table} ({names}) SELECT {names} FROM
                    (SELECT *, row_number() OVER (PARTITION BY case_id) AS nth FROM kept) WHERE nth > 1"
            ))
            .await;
            let found: BTreeSet<String> = faults(&county).await.into_iter().map(|fault| fault.case).collect();
            assert_eq!(found, everybody, "{table}: a row deleted");
            put_back().await;
        }
        raw.run("DROP TABLE kept").await;
        assert_eq!(faults(&county).await, [], "{table}: everything was put back");
    }
    println!("{damaged} columns damaged, each seen");
    assert!(damaged > 100);
}

/// Damages rows, and gives what `verify` says of it.
async fn said_of(county: &County, raw: &Raw, damage: &str) -> Vec<String> {
    assert!(raw.run(damage).await > 0, "{damage}");
    faults(county).await.iter().map(fault_line).collect()
}

#[tokio::test]
async fn a_digest_invented_deleted_or_counting_wrongly_is_named() {
    let county = cases(2, false).await;
    worker::simulate(&county.engine, morning("2026-09-16").plus_micros(3_600_000_000)).await.expect("worked");
    let raw = county.raw().await;
    assert_eq!(faults(&county).await, []);
    let first = raw.texts("SELECT min(delivery_id) FROM deliveries").await.remove(0);
    raw.run("CREATE TABLE kept AS SELECT * FROM deliveries").await;
    raw.run("CREATE TABLE sent AS SELECT notice_id AS no, delivery_id AS old FROM notices").await;
    let of = format!("WHERE delivery_id = '{first}'");
    for damage in [
        format!("UPDATE deliveries SET notices = notices + 1 {of}"),
        format!("UPDATE deliveries SET day = '2026-09-02' {of}"),
        format!("UPDATE deliveries SET recipient = 'somebody' {of}"),
        format!("UPDATE deliveries SET delivered_at = 0 {of}"),
        format!("DELETE FROM deliveries {of}"),
        format!(
            "UPDATE notices SET delivery_id = NULL WHERE notice_id = (SELECT min(notice_id) FROM notices {of})"
        ),
        format!(
            "UPDATE notices SET recipient = 'somebody' WHERE notice_id = (SELECT min(notice_id) FROM notices {of})"
        ),
    ] {
        let said = said_of(&county, &raw, &damage).await;
        assert!(said.contains(&format!("0 deliveries {first}")), "{damage}: {said:?}");
        raw.run("DELETE FROM deliveries").await;
        raw.run("INSERT INTO deliveries SELECT * FROM kept").await;
        raw.run("UPDATE notices SET delivery_id = (SELECT old FROM sent WHERE no = notice_id)").await;
        raw.run(&format!(
            "UPDATE notices SET recipient = '{}' WHERE recipient = 'somebody'",
            &first[..first.len() - 11]
        ))
        .await;
        assert_eq!(faults(&county).await, [], "{damage}: put back");
    }
    let invented = "INSERT INTO deliveries VALUES ('qingyuan', 'x@2026-09-03', 'x', '2026-09-03', 9, 0)";
    assert_eq!(said_of(&county, &raw, invented).await, ["0 deliveries x@2026-09-03"]);
}

#[tokio::test]
async fn rows_of_a_case_there_is_not_are_named() {
    let county = cases(1, false).await;
    let raw = county.raw().await;
    for table in [&RUNGS, &NOTICES, &OBLIGATIONS, &HISTORY, &PERSONAL] {
        let columns = table.columns.iter().map(|(column, _)| *column).collect::<Vec<_>>().join(", ");
        let (table, other) = (table.name, columns.replace("case_id", "'nobody'"));
        let copy =
            format!("INSERT INTO {table} (tenant_id, {columns}) SELECT tenant_id, {other} FROM {table}");
        assert!(raw.run(&copy).await > 0, "{table}");
        let found = faults(&county).await;
        let of_nobody = found.iter().filter(|fault| fault.case == "nobody" && fault.fault.starts_with(table));
        assert_eq!(of_nobody.count(), 1, "{table}: {found:?}");
        raw.run(&format!("DELETE FROM {table} WHERE case_id = 'nobody'")).await;
    }
    assert_eq!(faults(&county).await, []);
}

#[tokio::test]
async fn keys_invented_or_moved_to_another_act_are_named() {
    let county = cases(1, false).await;
    let raw = county.raw().await;
    let invented =
        "INSERT INTO idempotency SELECT tenant_id, 'invented', fingerprint, case_id, 2 FROM idempotency";
    assert_eq!(said_of(&county, &raw, invented).await, ["2 idempotency invented"]);
    let renamed = "DELETE FROM idempotency WHERE key <> 'invented'";
    let said = said_of(&county, &raw, renamed).await;
    assert_eq!(said, ["2 idempotency invented", "1 idempotency \"tamper-0\" missing"]);
}

#[tokio::test]
async fn a_definition_or_calendar_changed_behind_our_back_is_not_used_and_named() {
    let county = cases(1, false).await;
    let other = tests::definition("tests/workflows/ladder.yaml");
    county.engine.publish(&other).await.expect("published");
    let raw = county.raw().await;
    let change = match raw {
        Raw::File(_) => "CAST(replace(CAST(body AS TEXT), '\"最多\"', '') || ' ' AS BLOB)",
        Raw::Server(_) => "convert_to(replace(convert_from(body, 'UTF8'), '\"最多\"', '') || ' ', 'UTF8')",
    };
    let change = format!("UPDATE definitions SET body = {change} WHERE workflow = 'general-hazard'");
    assert_eq!(raw.run(&change).await, 1);
    // A process that has not read it yet.
    let fresh = county.again().await;
    let refused = fresh.case("YB-2026-000001").await;
    let Err(engine::EngineError::Damaged(damage)) = &refused else { panic!("used: {refused:?}") };
    assert_eq!((damage.table, damage.column), ("definitions", "body"));
    let hash = fresh.newest("ladder").await.expect("there");
    assert!(fresh.catalog().definition(&hash).await.is_ok(), "another one is not touched");
    let said = verify(fresh.store(), fresh.tenant(), fresh.catalog()).await.expect("verified").faults;
    assert!(said.len() == 2 && said[0].fault.starts_with("definitions general-hazard"), "{said:?}");
    assert_eq!(said[1].how, How::Damaged { problem: store::Wrong::Altered });
    raw.run("DELETE FROM definitions WHERE workflow = 'general-hazard'").await;
    let said = verify(fresh.store(), fresh.tenant(), fresh.catalog()).await.expect("verified").faults;
    assert!(said.len() == 1 && said[0].how == How::Damaged { problem: store::Wrong::Missing }, "{said:?}");
    assert_eq!(raw.run("UPDATE calendars SET body = replace(body, '2026-10-01', '2026-10-02')").await, 1);
    let fresh = county.again().await;
    let refused = fresh.catalog().local_calendar().await;
    assert!(matches!(&refused, Err(engine::EngineError::Damaged(damage)) if damage.table == "calendars"));
    let said = verify(fresh.store(), fresh.tenant(), fresh.catalog()).await.expect("verified").faults;
    assert!(said[0].fault.starts_with("calendars cn"), "{said:?}");
}

#[tokio::test]
async fn a_damaged_hash_of_a_head_takes_no_act_and_is_mended() {
    let county = cases(2, false).await;
    let raw = county.raw().await;
    let case = raw.texts("SELECT case_id FROM cases WHERE number LIKE '%1'").await.remove(0);
    let last = raw.number("SELECT version FROM cases WHERE number LIKE '%1'").await;
    let damage = format!("UPDATE cases SET last_hash = '{}' WHERE case_id = '{case}'", "0".repeat(64));
    assert_eq!(said_of(&county, &raw, &damage).await, [format!("{last} head last_hash")]);
    let id: CaseId = case.parse().expect("an id");
    let comment = Wish::Comment { text: "再次提醒".to_owned() };
    let refused = county.engine.execute(request(id, comment.clone(), clerk(), None)).await;
    let Err(engine::EngineError::Damaged(damage)) = &refused else { panic!("built on: {refused:?}") };
    assert_eq!(damage.column, "last_hash");
    let engine = &county.engine;
    let mended = engine::rebuild::rebuild(engine.store(), engine.tenant(), engine.catalog(), true).await;
    assert_eq!(mended.expect("rebuilt").repaired, 1);
    assert_eq!(faults(&county).await, []);
    county.engine.execute(request(id, comment, clerk(), None)).await.expect("recorded");
    assert_eq!(faults(&county).await, []);
}
