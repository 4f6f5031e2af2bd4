//! I6: whatever is changed in the store behind our back, `verify` names the act, and no other.

use std::collections::BTreeSet;

use engine::Engine;
use engine::verify::{Fault, verify};
use machine::Command as Wish;
use machine::act::{Evidence, Signature, digest_hex};
use machine::command::Perform;
use machine::value::{CaseId, Value};
use sqlx::{AssertSqlSafe, SqlitePool};
use tests::{County, clerk, county, morning, person, raw, request, texts};

/// Cases of the store most of the flipping is done in.
const CASES: usize = 24;
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

async fn run(pool: &SqlitePool, statement: &str) -> u64 {
    let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(pool).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}")).rows_affected()
}

/// The SQL that flips one bit of the byte at `position` (from 1) of a text. Twice, and nothing has changed.
fn flipped(column: &str, position: usize, bit: usize) -> String {
    let bytes = format!("CAST({column} AS BLOB)");
    let digits = format!("hex(substr({bytes}, {position}, 1))");
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
        "CAST(substr({bytes}, 1, {}) || unhex({high} || {low}) || substr({bytes}, {}) AS TEXT)",
        position - 1,
        position + 1
    )
}

/// Flips one bit of every byte of every column of every act: in each run of `verify` the same byte of
/// every other act. Named has to be what was flipped, all of it and nothing else.
async fn flip_everything(county: &County) -> (usize, usize) {
    assert_eq!(faults(county).await, []);
    let pool = raw(&county.path).await;
    let acts: i64 = sqlx::query_scalar("SELECT count(*) FROM acts").fetch_one(&pool).await.expect("counted");
    let mut flips = 0;
    for column in TEXTS {
        let longest = format!("SELECT max(length(CAST({column} AS BLOB))) FROM acts");
        let longest: i64 =
            sqlx::query_scalar(AssertSqlSafe(longest)).fetch_one(&pool).await.expect("measured");
        for position in 1..=usize::try_from(longest).expect("short") {
            for turn in 0..2 {
                // The rows by rowid: flipping a key column must not change which ones they are.
                let of = format!("length(CAST({column} AS BLOB)) >= {position} AND rowid % 2 = {turn}");
                let select = format!("SELECT case_id, version FROM acts WHERE {of}");
                let hit: Vec<(String, i64)> =
                    sqlx::query_as(AssertSqlSafe(select)).fetch_all(&pool).await.expect("read");
                let flip = format!(
                    "UPDATE acts SET {column} = {} WHERE {of}",
                    flipped(column, position, position % 8)
                );
                let changed = run(&pool, &flip).await;
                assert_eq!(changed, hit.len() as u64);
                let mut found = named(county).await;
                if column == "case_id" {
                    // The act is missed where it was, and stands where no head is.
                    let known: BTreeSet<&String> = hit.iter().map(|(case, _)| case).collect();
                    found.retain(|(case, _)| known.contains(case));
                }
                assert_eq!(found, hit.iter().cloned().collect(), "{column}, byte {position}, turn {turn}");
                flips += hit.len();
                assert_eq!(run(&pool, &flip).await, changed);
            }
        }
    }
    flips += flip_numbers(county, &pool).await;
    assert_eq!(faults(county).await, [], "everything was put back");
    (flips, usize::try_from(acts).expect("few"))
}

/// The bytes of the whole numbers.
async fn flip_numbers(county: &County, pool: &SqlitePool) -> usize {
    let mut flips = 0;
    for column in ["at", "version"] {
        for byte in 0..8 {
            for turn in 0..2 {
                let select = format!("SELECT case_id, version FROM acts WHERE rowid % 2 = {turn}");
                let hit: BTreeSet<(String, i64)> = sqlx::query_as(AssertSqlSafe(select))
                    .fetch_all(pool)
                    .await
                    .expect("read")
                    .into_iter()
                    .collect();
                // The highest bit of the byte: the lowest of a version would only swap two acts.
                let mask = 0x80_i64 << (8 * byte);
                let flip = format!(
                    "UPDATE acts SET {column} = ({column} | {mask}) - ({column} & {mask}) WHERE rowid % 2 = {turn}"
                );
                assert_eq!(run(pool, &flip).await, hit.len() as u64);
                let found = named(county).await;
                if column == "at" {
                    assert_eq!(found, hit, "at, byte {byte}");
                } else {
                    assert!(found.is_superset(&hit), "version, byte {byte}");
                }
                flips += hit.len();
                run(pool, &flip).await;
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
}

#[tokio::test]
async fn every_flipped_byte_of_an_act_taken_back_is_named() {
    let county = cases(1, true).await;
    let start = std::time::Instant::now();
    let (flips, acts) = flip_everything(&county).await;
    println!("{flips} bytes flipped in {acts} acts, each named and no other, {:?}", start.elapsed());
}
