//! The texts: both languages say the same things, say all of them, and say them in their own words.

use std::collections::{BTreeMap, BTreeSet};

use calendar::yaml::ReadFault;
use calendar::{CalendarError, CountUnit, DateFault};
use engine::EngineError;
use engine::text::{self, Language, texts};
use machine::Refusal;
use machine::command::{
    AmendProblem, ClockProblem, DateProblem, DocumentProblem, ExtensionProblem, FieldProblem,
    OtherCaseProblem,
};
use machine::guard::{Atom, Condition, Need};
use store::{Damage, StoreError, Unfit, Wrong};

const BOTH: [Language; 2] = [Language::En, Language::Zh];

/// Every source file of the crates that speak.
fn sources() -> String {
    fn read(folder: &std::path::Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                all.push_str(&std::fs::read_to_string(path).expect("text"));
            }
        }
    }
    let mut all = String::new();
    for name in ["calendar", "machine", "store", "engine", "worker", "bihuan"] {
        read(&tests::project().join("crates").join(name).join("src"), &mut all);
    }
    all
}

/// Everything between two quotes that could be a key.
fn literals(source: &str) -> BTreeSet<&str> {
    let is_key = |text: &&str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'))
    };
    source.split('"').filter(is_key).collect()
}

/// `not_from_here` as a variant is spelled.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    words.collect()
}

#[test]
fn every_key_is_used_and_every_key_used_is_there_in_both_languages() {
    let source = sources();
    let literals = literals(&source);
    let english: BTreeSet<&str> = texts(Language::En).keys().map(String::as_str).collect();
    let chinese: BTreeSet<&str> = texts(Language::Zh).keys().map(String::as_str).collect();
    assert_eq!(english, chinese);
    assert!(english.len() > 300, "{}", english.len());
    // A key is spelled in the source, or put together from a family (`lamp.{}`) and a name spelled there.
    let words: BTreeSet<&str> = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let spelled = |name: &str| literals.contains(name) || words.contains(camel(name).as_str());
    let in_family = |key: &str| {
        key.match_indices('.').any(|(at, _)| {
            let (family, names) = (&key[..at], &key[at + 1..]);
            source.contains(&format!("\"{family}.{{")) && names.split('.').all(spelled)
        })
    };
    let unused: Vec<_> = english.iter().filter(|key| !literals.contains(**key) && !in_family(key)).collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
    // What is asked for by its whole name is there. Fields of a case are asked for in the same way, but have no
    // dot in their names.
    let mut asked = BTreeSet::new();
    for call in ["text(\"", "say(\"", "said(\"", "part(\"", "needs(\""] {
        asked.extend(source.split(call).skip(1).filter_map(|rest| rest.split('"').next()));
    }
    for call in ["language, \"", "usage(\""] {
        asked.extend(source.split(call).skip(1).filter_map(|rest| rest.split('"').next()));
    }
    assert!(asked.len() > 100, "{}", asked.len());
    let is_there = |key: &str| english.contains(key) || english.contains(format!("error.{key}").as_str());
    let missing: Vec<_> = asked
        .into_iter()
        .filter(|key| (key.contains('.') || key.starts_with("BH")) && !key.contains('{') && !is_there(key))
        .collect();
    assert!(missing.is_empty(), "there is no text for {missing:?}");
    // So is every finding; WF0000 is told by what is wrong with the structure of a file.
    let is_finding = |code: &&&str| {
        let number = code.strip_prefix("WF").or_else(|| code.strip_prefix("CK"));
        **code != "WF0000" && number.is_some_and(|no| no.bytes().all(|b| b.is_ascii_digit()) && no.len() >= 2)
    };
    let findings: Vec<&&str> = literals.iter().filter(is_finding).collect();
    assert!(findings.len() > 70, "{}", findings.len());
    for code in findings {
        assert!(english.contains(format!("finding.{code}").as_str()), "{code}");
    }
}

/// A value that is no word of either language.
const VALUE: &str = "甲";
const NUMBER: u32 = 7;

fn name() -> String {
    VALUE.to_owned()
}

fn bound() -> BTreeMap<String, machine::value::UnitId> {
    BTreeMap::from([(name(), VALUE.into())])
}

fn day() -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2026, 9, 18).expect("a day")
}

fn need() -> Need {
    let (text, atom, known) = (name(), Atom::Is(name()), Default::default());
    Need::Condition(Condition { text, atom, wanted: true, known })
}

/// Every refusal, and every way it is told.
fn refusals() -> Vec<Refusal> {
    let names = || vec![name()];
    let mut all = vec![
        Refusal::NoSuchCase,
        Refusal::AlreadyOpen,
        Refusal::UnknownAct { act: name(), allowed: names() },
        Refusal::UnknownAct { act: name(), allowed: Vec::new() },
        Refusal::NotFromHere {
            act: name(),
            track: name(),
            state: name(),
            needed: names(),
            allowed: Vec::new(),
        },
        Refusal::Version { expected: NUMBER, actual: NUMBER },
        Refusal::UnknownPost { person: VALUE.into(), post: VALUE.into() },
        Refusal::Role { act: name(), needed: names(), bound: bound(), held: Vec::new() },
        Refusal::Role { act: name(), needed: Vec::new(), bound: bound(), held: names() },
        Refusal::Guard { act: name(), guard: name(), needs: vec![Need::AnyOf(vec![need(), need()])] },
        Refusal::Guard { act: name(), guard: name(), needs: Vec::new() },
        Refusal::MissingFields { fields: names() },
        Refusal::UnknownField { field: name(), allowed: Vec::new() },
        Refusal::EvidenceMissing { kind: name(), needed: NUMBER, given: NUMBER },
        Refusal::EvidenceReused { digest: VALUE.repeat(64), version: Some(NUMBER) },
        Refusal::EvidenceReused { digest: VALUE.repeat(64), version: None },
        Refusal::EvidenceShared { kind: name(), digest: VALUE.repeat(64) },
        Refusal::EvidenceBad { digest: name() },
        Refusal::EvidenceKind { kind: name(), known: names() },
        Refusal::Separation { person: VALUE.into(), act: name(), linked: false },
        Refusal::Separation { person: VALUE.into(), act: name(), linked: true },
        Refusal::Officers { needed: NUMBER, given: NUMBER },
        Refusal::OfficerRole { person: VALUE.into(), role: name() },
        Refusal::SignatureMissing,
        Refusal::ReasonMissing,
        Refusal::EnteredFor { person: VALUE.into(), needed: names(), bound: bound() },
        Refusal::NoAssignment { unit: Some(VALUE.into()) },
        Refusal::NoAssignment { unit: None },
        Refusal::NoProposal { no: NUMBER },
        Refusal::CannotTakeBack { last: name() },
        Refusal::CatchingUp,
    ];
    use FieldProblem::*;
    for problem in
        [Type, Blank, TooLong, Characters, Range, Unknown, NotAfterToday, AfterToday, TooFar, Repeated, Kind]
    {
        all.push(Refusal::BadField { field: name(), problem, value: name(), expected: name() });
    }
    for expected in ["text", "int", "bool", "date", "moment", "choice", "unit", "units", "person"] {
        all.push(Refusal::BadField {
            field: name(),
            problem: Type,
            value: name(),
            expected: expected.to_owned(),
        });
    }
    for problem in [ClockProblem::NotRunning, ClockProblem::NotPaused, ClockProblem::Missed] {
        all.push(Refusal::Clock { deadline: name(), problem });
    }
    for problem in [
        ExtensionProblem::Expired,
        ExtensionProblem::TooLate { latest: day() },
        ExtensionProblem::TooOften { times: NUMBER },
        ExtensionProblem::NotLater { due: day() },
        ExtensionProblem::BeyondCap { latest: day() },
    ] {
        all.push(Refusal::Extension { deadline: name(), problem });
    }
    for problem in
        [DateProblem::NotADate, DateProblem::NotAMoment, DateProblem::OutOfRange, DateProblem::NotInThePast]
    {
        all.push(Refusal::Date { date: name(), problem });
    }
    for problem in [AmendProblem::Empty, AmendProblem::Foreign, AmendProblem::Decides, AmendProblem::Fixed] {
        all.push(Refusal::CannotAmend { field: name(), problem, allowed: vec![name()] });
    }
    for problem in [
        DocumentProblem::NotHere { allowed: vec![name()] },
        DocumentProblem::Given,
        DocumentProblem::Form { code: name() },
        DocumentProblem::NoRegister { unit: VALUE.into() },
        DocumentProblem::NotIssued { number: name(), last: NUMBER },
    ] {
        all.push(Refusal::Document { field: name(), problem });
    }
    all.push(Refusal::NotConcerned);
    for person in [Some(VALUE.into()), None] {
        all.push(Refusal::NobodyLeft { person, act: name(), role: name(), needed: 2 });
    }
    for problem in [
        OtherCaseProblem::Alone,
        OtherCaseProblem::Unknown,
        OtherCaseProblem::Itself,
        OtherCaseProblem::Ended,
        OtherCaseProblem::Accepted,
        OtherCaseProblem::Workflow,
    ] {
        all.push(Refusal::OtherCase { number: name(), problem });
    }
    all
}

/// Everything that can be wrong with a row.
fn damages() -> impl Iterator<Item = Damage> {
    let wrong = [
        Wrong::unreadable(VALUE),
        Wrong::OutOfRange,
        Wrong::NoId,
        Wrong::Missing,
        Wrong::Altered,
        Wrong::StateOf { case: name() },
        Wrong::NotTheLastHash,
        Wrong::StandsAlready,
        Wrong::NothingDue,
    ];
    wrong.into_iter().map(|problem| Damage { table: VALUE, column: VALUE, row: name(), problem })
}

fn store_errors() -> Vec<StoreError> {
    let path = name;
    let damaged = damages().map(StoreError::Inconsistent);
    let mut all = vec![
        StoreError::Database(sqlx::Error::Protocol(name())),
        StoreError::RowsAffected { table: VALUE, expected: 1, actual: 2 },
        StoreError::Shared(name()),
        StoreError::RealClock,
        StoreError::ClockBackwards,
        StoreError::Full,
        StoreError::Held,
        StoreError::ReadOnly,
        StoreError::Unfit(Unfit::Closed { path: path() }),
        StoreError::Unfit(Unfit::Unfinished { path: path() }),
        StoreError::Unfit(Unfit::Missing { path: path() }),
        StoreError::Unfit(Unfit::Exists { path: path() }),
        StoreError::Unfit(Unfit::NotAStore { path: path() }),
        StoreError::Unfit(Unfit::Newer { found: 9, known: 8 }),
        StoreError::Unfit(Unfit::Altered { schema: 7 }),
        StoreError::Unfit(Unfit::Old { version: name(), least: name() }),
        StoreError::Unfit(Unfit::Lax { found: name(), needed: name() }),
    ];
    all.extend(damaged);
    all
}

fn calendar_errors() -> Vec<CalendarError> {
    let (year, day) = (2026, day());
    let wrong = |problem| CalendarError::NotADate { text: name(), problem };
    let mut all = vec![
        wrong(DateFault::Shape),
        wrong(DateFault::Month { month: "13".to_owned() }),
        wrong(DateFault::Day { month: "2026-02".to_owned(), day: "30".to_owned() }),
        CalendarError::Unreadable { problem: ReadFault::Missing { name: name() } },
        CalendarError::DayOrRange,
        CalendarError::OutOfRange { date: name() },
        CalendarError::UnknownZone { name: name(), hint: name(), suggestion: None },
        CalendarError::UnknownZone { name: name(), hint: name(), suggestion: Some(VALUE) },
        CalendarError::DuplicateYear { year },
        CalendarError::MissingYear { year },
        CalendarError::NoDaysOff { year },
        CalendarError::OtherYear { day, year },
        CalendarError::Backwards { from: day, to: day },
        CalendarError::NoName { from: day },
        CalendarError::Twice { day },
        CalendarError::OffAndMakeUp { day },
        CalendarError::MakeUpNotOnWeekend { day },
        CalendarError::NoWorkingDays,
    ];
    for unit in [CountUnit::WorkingDay, CountUnit::Day, CountUnit::Month] {
        for back in [false, true] {
            all.push(CalendarError::CountOutOfRange { start: day, n: 3, unit, back });
        }
    }
    let placed = all.iter().cloned().map(|fault| CalendarError::InFile {
        file: name(),
        line: 1,
        column: 2,
        fault: Box::new(fault),
    });
    let placed: Vec<_> = placed.collect();
    all.extend(placed);
    all
}

/// Words that stand in both languages: what is typed, and names.
const TYPED: [&str; 24] = [
    "copy",
    "code",
    "on",
    "paper",
    "register",
    "day",
    "from",
    "to",
    "bihuan",
    "verify",
    "rebuild",
    "ledger",
    "init",
    "publish",
    "calendar",
    "check",
    "IANA",
    "Asia",
    "Shanghai",
    "SQLite",
    "UTF",
    "FILE",
    "encountered",
    "unexpected",
];

/// Words of Latin letters that are no code, no option and nothing typed.
fn latin(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphabetic() && c != '-' && !c.is_ascii_digit());
    let is_code = |word: &str| {
        word.len() == 6
            && word.bytes().take(2).all(|b| b.is_ascii_uppercase())
            && word.bytes().skip(2).all(|b| b.is_ascii_digit())
    };
    let words = words.filter(|word| {
        word.bytes().any(|b| b.is_ascii_alphabetic()) && !is_code(word) && !word.starts_with("--")
    });
    words
        .filter(|word| !TYPED.iter().any(|typed| word.trim_matches('-') == *typed || *word == "UTF-8"))
        .collect()
}

fn told(code: &str, tell: impl Fn(Language) -> String) {
    let said = BOTH.map(&tell);
    for text in &said {
        assert!(text.contains(&format!("{code}: ")), "{text} does not give its code {code}");
        // A text that is missing, or a value it asks for, is shown as the key.
        for family in ["error.", "refusal.", "calendar.", "reader.", "usage.", "damage.", "undefined"] {
            assert!(!text.contains(family), "{text}");
        }
    }
    let [english, chinese] = said;
    let wide =
        english.chars().filter(|c| !c.is_ascii() && !VALUE.contains(*c) && *c != '…').collect::<String>();
    assert_eq!(wide, "", "Chinese in {english}");
    assert!(!latin(&english).is_empty(), "no words in {english}");
    assert_eq!(latin(&chinese), Vec::<&str>::new(), "English in {chinese}");
}

#[test]
fn every_error_is_told_in_the_language_of_the_reader() {
    let mut codes = BTreeSet::new();
    for refusal in refusals() {
        codes.insert(refusal.code());
        told(refusal.code(), |language| text::refusal(language, &refusal));
    }
    let expected: BTreeSet<String> = (1..=29).chain(80..=84).map(|no| format!("BH{no:04}")).collect();
    assert_eq!(codes.iter().map(|code| (*code).to_owned()).collect::<BTreeSet<_>>(), expected);
    for error in store_errors() {
        codes.insert(error.code());
        // The words of the database itself are its own.
        if !matches!(error, StoreError::Database(_)) {
            told(error.code(), |language| text::store_error(language, &error));
        }
    }
    for error in calendar_errors() {
        codes.insert(error.code());
        told(error.code(), |language| text::calendar_error(language, &error));
    }
    let engine = [
        EngineError::KeyReused,
        EngineError::KeyBad,
        EngineError::NoWorkflow(name()),
        EngineError::NoCase(name()),
        EngineError::Stored(name()),
        EngineError::NoCalendar(name()),
        EngineError::Contended,
        EngineError::Busy,
        EngineError::CopyFaulty { tenant: name(), faults: 2 },
        EngineError::CopyChanged(VALUE),
        EngineError::CalendarVersion(name()),
        EngineError::GroupBad,
        EngineError::Stopped,
        EngineError::Refused(Box::new(Refusal::CatchingUp)),
        EngineError::RefusedIn { number: name(), refusal: Box::new(Refusal::NoSuchCase) },
        EngineError::Store(StoreError::RealClock),
        EngineError::Broken(name()),
        EngineError::Failing(vec![engine::Failed {
            case_id: Vec::new(),
            number: name(),
            error: Box::new(EngineError::Contended),
        }]),
    ];
    for error in engine.into_iter().chain(damages().map(EngineError::Damaged)) {
        codes.insert(error.code());
        told(error.code(), |language| text::error(language, &error));
    }
    // What a reader of JSON says comes in words.
    for words in
        ["unknown field `甲`, expected one of `甲`, `甲`", "missing field `甲`", "duplicate field `甲`"]
    {
        let (file, excerpt) = (name(), String::new());
        let fault = Box::new(ReadFault::from_words(words));
        let error = machine::file::FileError { file, fault, line: 1, column: 2, excerpt };
        told("WF0000", |language| text::file_error(language, &error));
    }
    assert!(codes.len() > 60, "{}", codes.len());
}

/// A new variant has to be told here as well: this does not compile without it.
#[test]
fn no_sort_of_error_is_left_out() {
    for refusal in refusals() {
        match refusal {
            Refusal::NoSuchCase
            | Refusal::AlreadyOpen
            | Refusal::UnknownAct { .. }
            | Refusal::NotFromHere { .. }
            | Refusal::Version { .. }
            | Refusal::UnknownPost { .. }
            | Refusal::Role { .. }
            | Refusal::Guard { .. }
            | Refusal::MissingFields { .. }
            | Refusal::UnknownField { .. }
            | Refusal::BadField { .. }
            | Refusal::EvidenceMissing { .. }
            | Refusal::EvidenceReused { .. }
            | Refusal::EvidenceShared { .. }
            | Refusal::EvidenceBad { .. }
            | Refusal::EvidenceKind { .. }
            | Refusal::Separation { .. }
            | Refusal::Officers { .. }
            | Refusal::OfficerRole { .. }
            | Refusal::SignatureMissing
            | Refusal::ReasonMissing
            | Refusal::EnteredFor { .. }
            | Refusal::Clock { .. }
            | Refusal::Extension { .. }
            | Refusal::NoAssignment { .. }
            | Refusal::NoProposal { .. }
            | Refusal::CannotAmend { .. }
            | Refusal::Document { .. }
            | Refusal::NotConcerned
            | Refusal::NobodyLeft { .. }
            | Refusal::CannotTakeBack { .. }
            | Refusal::OtherCase { .. }
            | Refusal::Date { .. }
            | Refusal::CatchingUp => {}
        }
    }
    let codes: BTreeSet<&str> = store_errors().iter().map(StoreError::code).collect();
    for code in (1..=18).filter(|no| *no != 2).map(|no| format!("ST{no:04}")) {
        assert!(codes.contains(code.as_str()), "{code}");
    }
    for error in store_errors() {
        match error {
            StoreError::Database(_)
            | StoreError::Migrate(_)
            | StoreError::Inconsistent { .. }
            | StoreError::RowsAffected { .. }
            | StoreError::Unfit(_)
            | StoreError::Shared(_)
            | StoreError::RealClock
            | StoreError::ClockBackwards
            | StoreError::Full
            | StoreError::Held
            | StoreError::ReadOnly => {}
        }
    }
}

/// Codes of the command line itself.
#[test]
fn the_errors_of_the_command_line_are_in_both_languages() {
    let own: Vec<&String> = texts(Language::En)
        .keys()
        .filter(|key| key.starts_with("error.BH") && key.as_str() >= "error.BH0049")
        .collect();
    assert!(own.len() > 25);
    for key in own.into_iter().chain(texts(Language::En).keys().filter(|key| key.starts_with("usage."))) {
        let chinese = &texts(Language::Zh)[key];
        // Without what is put in and what chooses between texts.
        let mut plain = String::new();
        for part in chinese.split("{%").flat_map(|part| part.rsplit("%}").next()) {
            plain.push_str(part);
        }
        let plain: String =
            plain.split("{{").map(|part| part.rsplit("}}").next().unwrap_or_default()).collect();
        let typed = [
            "tenant",
            "by",
            "file",
            "help",
            "person",
            "clerk-lin",
            "office-clerk",
            "unit",
            "period",
            "period_end",
            "period-end",
            "and",
            "after",
            "store",
            "H1",
            "2026Q3",
            "2026-07H1",
            "folder",
        ];
        let words: Vec<&str> = latin(&plain).into_iter().filter(|word| !typed.contains(word)).collect();
        assert!(words.iter().all(|word| word.len() < 2 || *word == "end"), "{key}: {words:?} in {chinese}");
        assert!(!plain.is_ascii(), "{key}: {chinese}");
    }
}
