//! Changes: whole or not at all, and only against the version they were decided on.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use machine::register::DocumentNumber;
use machine::value::CaseId;
use store::table::{ACTS, CASES, HISTORY, IDEMPOTENCY, NOTICES, OBLIGATIONS, REFUSALS, RUNGS, TEXTS, Table};
use store::{Change, DocumentRow, Known, Outcome, Place, Read, RefusalRow};
use tests::{morning, raw};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::made::{County, DAY, Room, notice, rung};

const WON: Result<Outcome, String> = Ok(Outcome::Committed);
const LOST: Result<Outcome, String> = Ok(Outcome::Conflict);

async fn known(county: &County, case: CaseId, key: Option<&str>) -> Known {
    let wanted = [Read { case, key: key.map(str::to_owned) }];
    let mut known = county.store.read(&county.tenant, &wanted).await.expect("read").known;
    known.pop().expect("one for each")
}

async fn version(county: &County, change: &Change) -> u32 {
    let head = known(county, change.state.case, None).await.head.expect("undamaged");
    head.map_or(0, |head| head.state.version)
}

pub async fn a_change_is_written_once(room: &Room) {
    let county = room.county().await;
    let opening = county.opening("YB-1");
    assert_eq!(version(&county, &opening).await, 0, "no case yet");
    assert_eq!(county.commit([&opening]).await, vec![WON]);
    assert_eq!(county.commit([&opening]).await, vec![LOST], "it is open");
    let (first, second) = (county.remark(&opening, "先"), county.remark(&opening, "后"));
    // In one batch, one after the other: the second was decided on what is no more.
    assert_eq!(county.commit([&first]).await, vec![WON]);
    assert_eq!(county.commit(&[second]).await, vec![LOST]);
    let corrected = county.corrected(&opening, "二号仓库");
    assert!(corrected.text.is_some(), "it is found by another text");
    assert_eq!(county.commit([&corrected]).await, vec![LOST], "whatever else it changes");
    let head = known(&county, opening.state.case, None).await.head.expect("undamaged").expect("a case");
    assert_eq!((head.state, head.last_hash), (first.state.clone(), first.last_hash.clone()));
    let acts = county.store.acts(&county.tenant, opening.state.case).await.expect("read");
    assert_eq!(acts, [opening.acts.clone(), first.acts].concat(), "to the byte");
    assert_eq!(county.count(&OBLIGATIONS).await, opening.projection.obligations.len());
}

pub async fn a_torn_group_leaves_nothing(room: &Room) {
    let county = room.county().await;
    let (first, second) = (county.opening("YB-1"), county.opening("YB-2"));
    county.committed([&first]).await;
    // One half of the group can be written, the other cannot; what waits beside it can.
    let beside = county.opening("YB-3");
    let groups = vec![vec![second.clone(), first.clone()], vec![beside.clone()]];
    assert_eq!(county.commit_groups(groups).await, vec![LOST, WON]);
    assert_eq!(version(&county, &second).await, 0);
    assert_eq!(version(&county, &beside).await, 1);
    let whole = vec![vec![second.clone(), county.remark(&first, "同")]];
    assert_eq!(county.commit_groups(whole).await, vec![WON]);
    assert_eq!((version(&county, &second).await, version(&county, &first).await), (1, 2));
}

pub async fn a_key_is_used_once(room: &Room) {
    let county = room.county().await;
    let mut first = county.opening("YB-1");
    first.key = Some(("键".to_owned(), "digest".to_owned()));
    county.committed([&first]).await;
    let used = known(&county, first.state.case, Some("键")).await.used.expect("undamaged").expect("used");
    assert_eq!((used.fingerprint.as_str(), used.case, used.version), ("digest", first.state.case, 1));
    let mut second = county.opening("YB-2");
    second.key.clone_from(&first.key);
    let beside = county.opening("YB-3");
    assert_eq!(county.commit(&[second.clone(), beside]).await, vec![LOST, WON], "for another case");
    assert_eq!(version(&county, &second).await, 0);
    let other = known(&county, second.state.case, Some("键")).await;
    assert_eq!(other.used.expect("undamaged").map(|used| used.case), Some(first.state.case));
    assert_eq!(county.count(&IDEMPOTENCY).await, 1);
}

pub async fn a_refused_change_hides_nothing_from_the_next(room: &Room) {
    let county = room.county().await;
    let mut first = county.opening("YB-1");
    first.key = Some(("键".to_owned(), "digest".to_owned()));
    county.committed([&first]).await;
    let mut second = county.opening("YB-2");
    second.key.clone_from(&first.key);
    assert_eq!(county.commit(&[second]).await, vec![LOST]);
    let other = room.place.open().await.expect("opened");
    let moved = vec![county.remark(&first, "另一进程")];
    let outcomes = other.commit(&county.tenant, vec![moved].into()).await;
    assert!(matches!(outcomes[..], [Ok(Outcome::Committed)]), "{outcomes:?}");
    assert_eq!(version(&county, &first).await, 2, "what another process wrote since");
    assert_eq!(county.commit(&[county.opening("YB-3")]).await, vec![WON]);
}

pub async fn a_document_number_is_taken_once(room: &Room) {
    let county = room.county().await;
    let number = DocumentNumber { code: "青安办".to_owned(), year: 2026, no: 18 };
    let with = |case: &str, part| {
        let mut change = county.opening(case);
        change.documents = vec![DocumentRow { number: number.clone(), part, act_version: 1 }];
        change
    };
    assert_eq!(county.commit(&[with("YB-1", 0)]).await, vec![WON]);
    assert_eq!(county.commit(&[with("YB-2", 0)]).await, vec![LOST]);
    assert_eq!(county.commit(&[with("YB-2", 1)]).await, vec![WON], "another part of the document");
}

pub async fn a_row_that_stands_already_is_damage(room: &Room) {
    let county = room.county().await;
    let mut opening = county.opening("YB-1");
    opening.rungs = vec![rung(1, 0)];
    opening.notices = vec![notice("n1", "clerk-lin", 1)];
    county.committed([&opening]).await;
    let beside = county.opening("YB-2");
    let mut again = county.remark(&opening, "再");
    again.rungs = vec![rung(2, 0)];
    let outcomes = county.commit(&[again.clone(), beside]).await;
    assert!(
        outcomes[0].as_ref().is_err_and(|text| text.contains("rungs") && text.contains("YB-1")),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], WON, "it fails alone");
    again.rungs = Vec::new();
    again.notices = vec![notice("n1", "clerk-lin", 2)];
    let outcomes = county.commit([&again]).await;
    assert!(outcomes[0].as_ref().is_err_and(|text| text.contains("notices")), "{outcomes:?}");
    assert_eq!(version(&county, &opening).await, 1, "nothing of it was written");
    again.notices = Vec::new();
    again.rungs = vec![rung(2, 1)];
    assert_eq!(county.commit(&[again]).await, vec![WON], "the next repetition");
    assert_eq!((county.count(&RUNGS).await, county.count(&NOTICES).await), (2, 1));
}

pub async fn many_are_committed_at_once(room: &Room) {
    let county = room.county().await;
    let openings: Vec<Change> = (0..256).map(|index| county.opening(&format!("YB-{index:04}"))).collect();
    county.committed(&openings).await;
    let remarks: Vec<Change> = openings.iter().map(|opening| county.remark(opening, "看过")).collect();
    county.committed(&remarks).await;
    assert_eq!((county.count(&CASES).await, county.count(&ACTS).await), (256, 512));
    let wanted: Vec<Read> =
        openings.iter().map(|change| Read { case: change.state.case, key: None }).collect();
    let known = county.store.read(&county.tenant, &wanted).await.expect("read").known;
    for (known, remark) in known.into_iter().zip(&remarks) {
        let head = known.head.expect("undamaged").expect("a case");
        assert_eq!((&head.state.number, head.state.version), (&remark.state.number, 2), "in the order asked");
    }
}

pub async fn refusals_are_numbered_without_gaps(room: &Room) {
    let county = room.county().await;
    let mut refusing = JoinSet::new();
    for index in 0..24 {
        let store =
            if index % 6 == 0 { room.place.open().await.expect("opened") } else { county.store.clone() };
        let (tenant, case) = (county.tenant.clone(), engine::case_id(&county.tenant, "nothing"));
        refusing.spawn(async move {
            let row = |no: u32| RefusalRow {
                at: morning(DAY),
                case,
                person: (no == 0).then(|| "clerk-lin".into()),
                act: "登记".to_owned(),
                code: format!("{index}/{no}"),
                detail: String::new(),
            };
            store.refuse(&tenant, &[row(0), row(1)]).await.expect("recorded");
        });
    }
    refusing.join_all().await;
    let rows = county.store.page(&county.tenant, &REFUSALS, None, 1_000).await.expect("read");
    let numbers: Vec<i64> = rows.iter().filter_map(|row| row["refusal_no"].as_i64()).collect();
    assert_eq!(numbers, (1..=48).collect::<Vec<_>>());
    let codes: BTreeSet<&str> = rows.iter().filter_map(|row| row["code"].as_str()).collect();
    assert_eq!(codes.len(), 48);
}

pub async fn of_many_who_write_to_a_case_one_wins(room: &Room) {
    let county = room.county().await;
    let opening = county.opening("YB-1");
    county.committed([&opening]).await;
    let mut writing = JoinSet::new();
    for index in 0..12 {
        let store =
            if index % 4 == 0 { room.place.open().await.expect("opened") } else { county.store.clone() };
        let (tenant, remark) = (county.tenant.clone(), county.remark(&opening, &index.to_string()));
        writing.spawn(async move {
            let outcomes = store.commit(&tenant, vec![vec![remark]].into()).await;
            outcomes.into_iter().map(|outcome| outcome.expect("decided")).collect::<Vec<_>>()
        });
    }
    let outcomes = writing.join_all().await.concat();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Committed).count(), 1, "{outcomes:?}");
    assert_eq!((outcomes.len(), version(&county, &opening).await), (12, 2));
}

pub async fn whoever_sleeps_hears_of_a_near_deadline(room: &Room) {
    let county = room.county().await;
    let mut here = county.store.nearer();
    let other = room.place.open().await.expect("opened");
    let mut there = other.nearer();
    county.committed(&[county.opening("YB-1")]).await;
    assert!(!here.has_changed().expect("open"), "it comes in days");
    // It is told anew until the other store has begun to listen.
    for index in 2.. {
        let mut near = county.opening(&format!("YB-{index}"));
        near.projection.wake_at = Some(near.state.last_at.plus_micros(500_000));
        county.committed(&[near]).await;
        assert!(here.has_changed().expect("open"));
        here.borrow_and_update();
        if matches!(room.place, Place::File(_)) {
            break;
        }
        let heard = tokio::time::timeout(Duration::from_millis(200), there.changed()).await;
        if heard.is_ok() {
            break;
        }
        assert!(index < 100, "the other store never heard of it");
    }
}

pub async fn a_refusal_with_a_zero_in_it_is_recorded(room: &Room) {
    let county = room.county().await;
    let row = |text: &str| RefusalRow {
        at: morning(DAY),
        case: engine::case_id(&county.tenant, "nothing"),
        person: Some(text.into()),
        act: text.to_owned(),
        code: "BH0004".to_owned(),
        detail: "{}".to_owned(),
    };
    county.store.refuse(&county.tenant, &[row("零\0零"), row("登记")]).await.expect("recorded");
    let rows = county.store.page(&county.tenant, &REFUSALS, None, 9).await.expect("read");
    for (row, text) in rows.iter().zip(["零\u{fffd}零", "登记"]) {
        assert_eq!((&row["act"], &row["person_id"]), (&text.into(), &text.into()));
    }
    assert_eq!(rows.len(), 2);
}

/// How often what is dropped was polled before, at most: more often than there are answers to wait for.
const POLLS: usize = 16;
/// How many are dropped at each of these points.
const ROUNDS: usize = 6;
/// How long is waited for what nobody else waits for. A busy machine is slow, never this slow.
const DEADLINE: Duration = Duration::from_secs(30);

/// Polls a future whenever it can go on, so many times at most, and drops it.
async fn hang_up<T>(future: impl Future<Output = T>, polls: usize) {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        polled += 1;
        let done = future.as_mut().poll(context).is_ready();
        if done || polled == polls { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits until a table has so many rows.
async fn reaches(county: &County, table: &'static Table, rows: usize) -> bool {
    tokio::time::timeout(DEADLINE, async { while county.count(table).await < rows {} }).await.is_ok()
}

pub async fn a_write_that_was_begun_is_finished_though_nobody_waits(room: &Room) {
    let county = room.county().await;
    let (store, tenant) = (&county.store, &county.tenant);
    let (mut dropped, mut beside, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..POLLS * ROUNDS {
        let (hung_up, kept) =
            (county.opening(&format!("HU-{index}")), county.opening(&format!("YB-{index}")));
        let row = RefusalRow {
            at: morning(DAY),
            case: kept.state.case,
            person: None,
            act: "登记".to_owned(),
            code: "BH0004".to_owned(),
            detail: String::new(),
        };
        let (refused, polls) = ([row], index % POLLS + 1);
        hang_up(store.commit(tenant, vec![vec![hung_up.clone()]].into()), polls).await;
        hang_up(store.refuse(tenant, &refused), polls).await;
        answers.extend(county.commit([&kept]).await);
        dropped.push(hung_up);
        beside.push(kept);
    }
    let all = dropped.len() + beside.len();
    let finished = reaches(&county, &CASES, all).await && reaches(&county, &REFUSALS, dropped.len()).await;
    let mut missing = Vec::new();
    for change in dropped.iter().chain(&beside) {
        if version(&county, change).await != 1 {
            missing.push(change.state.number.as_str());
        }
    }
    let refusals = county.count(&REFUSALS).await;
    assert!(
        finished,
        "a write that was begun is finished though nobody waits: {} of {all} cases are missing, and {} of {} refusals",
        missing.len(),
        dropped.len() - refusals,
        dropped.len()
    );
    assert_eq!(answers, vec![WON; beside.len()]);
    assert_eq!(missing, Vec::<&str>::new());
    // Whole: each with the rows that go with it.
    for table in [&CASES, &ACTS, &TEXTS, &HISTORY, &OBLIGATIONS] {
        assert_eq!(county.count(table).await, all, "{}", table.name);
    }
    assert_eq!(refusals, dropped.len());
}

/// On SQLite: a write to a server needs the runtime it was begun in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waits_for_its_turn_is_written_though_the_runtime_ends() {
    let room = Room::file();
    let county = room.county().await;
    let Place::File(path) = &room.place else { panic!("a file") };
    let (begins, mut begun) = mpsc::unbounded_channel();
    let (ends, mut ended) = mpsc::unbounded_channel();
    let ending = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .on_thread_start(move || {
            begins.send(()).ok();
        })
        .on_thread_stop(move || {
            ends.send(()).ok();
        })
        .build()
        .expect("a runtime");
    let other = raw(path).await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.expect("locked");
    let openings = ["YB-1", "YB-2"].map(|number| county.opening(number));
    for opening in &openings {
        let (store, tenant, change) = (county.store.clone(), county.tenant.clone(), opening.clone());
        ending.spawn(async move { store.commit(&tenant, vec![vec![change]].into()).await });
    }
    let all = async {
        // A thread for tasks, and one for each batch: one of them has its turn and waits for the lock.
        for _ in 0..3 {
            begun.recv().await;
        }
        ending.shutdown_background();
        // The thread for tasks; and no timer runs any more.
        ended.recv().await;
        held.rollback().await.expect("let go");
        for _ in 0..2 {
            ended.recv().await;
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("every thread ends");
    for opening in &openings {
        assert_eq!(version(&county, opening).await, 1, "{} was begun", opening.state.number);
    }
}
