//! What is found in a workflow file is told in both languages: every finding of the compiler, every fault of
//! a guard, every fault in the structure of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use calendar::yaml::{ReadFault, Syntax};
use engine::notice;
use engine::text::{Language, file_error, problem, texts};
use machine::guard::{Guard, GuardFault};
use machine::{Definition, Problem};
use serde_json::Value;
use tests::{bihuan, bihuan_zh, county, project};

use crate::world::refused;

fn file(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).expect("the file")
}

fn wrong() -> String {
    file("tests/workflows/wrong.yaml")
}

/// A good file with one place changed.
fn changed(from: &str, to: &str) -> String {
    let text = file("tests/workflows/strict.yaml");
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

/// What is found in a file whose structure is right.
fn found(text: &str, set: &[&str]) -> Vec<Problem> {
    let file = machine::file::parse("wrong.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    let set = set.iter().map(|name| ((*name).to_owned(), 1)).collect();
    match Definition::compile(&file, &set) {
        Ok(definition) => notice::findings(&definition),
        Err(found) => found,
    }
}

/// Words of Latin letters in what is told that stand neither in the file nor in the notation.
fn foreign(told: &str, written: &str) -> Vec<String> {
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.bytes().any(|b| b.is_ascii_alphabetic())).map(str::to_owned).collect()
    };
    // Keys of workflow files, and what is typed in one.
    let notation = "on at working_days calendar_days months hours choices suggest what signer opens when who \
        does extension main zh en in has null day from to key n a b c true false mon 5wd 1d 4h";
    let known: BTreeSet<String> = words(written).union(&words(notation)).cloned().collect();
    let is_code = |word: &str| word.starts_with("WF00") || ["U", "202E"].contains(&word);
    words(told).into_iter().filter(|word| !known.contains(word) && !is_code(word)).collect()
}

/// Nothing is missing in what is told: no key without text, no value without name.
fn assert_whole(told: &str) {
    for family in ["finding.", "guard.", "reader.", "undefined"] {
        assert!(!told.contains(family), "{family}: {told}");
    }
}

/// The text in English and in Chinese, and that the Chinese one is Chinese.
fn told(written: &str, tell: impl Fn(Language) -> String) -> [String; 2] {
    let [english, chinese] = [Language::En, Language::Zh].map(tell);
    assert_whole(&english);
    assert_whole(&chinese);
    assert_eq!(foreign(&chinese, written), Vec::<String>::new(), "English in {chinese}");
    [english, chinese]
}

#[test]
fn every_finding_in_a_file_is_told_in_both_languages() {
    let states: String = (0..201).map(|n| format!("      s{n}: {{title: {{zh: 甲, en: A}}}}\n")).collect();
    let parameters = "parameters: {days: {default: 3, min: 5, max: 9}}\nroles:\n";
    let opened = "opens_case: {workflow: strict, act: register, fields: {nothing: note}}";
    let cases = [
        (wrong(), vec![]),
        (changed("roles:\n", parameters), vec!["dates"]),
        (changed("lead_working_days: 2", "lead_working_days: $days"), vec![]),
        (changed("edition: \"1\"", "edition: \"1\\e\""), vec![]),
        (changed("      done: ", &format!("{states}      done: ")), vec![]),
        (changed("  ask_extension:\n", &format!("  ask_extension:\n    {opened}\n")), vec![]),
        (changed("do: mark,", "do: mark, template: remainder,"), vec![]),
    ];
    let mut codes = BTreeSet::new();
    let mut all = [String::new(), String::new()];
    for (text, set) in &cases {
        let found = found(text, set);
        assert!(!found.is_empty());
        for found in found {
            let written =
                format!("{text} {} {}", set.concat(), notice::names().collect::<Vec<_>>().join(" "));
            let told = told(&written, |language| problem(language, &found));
            if codes.insert(found.code) || found.code == "WF0020" {
                all.iter_mut().zip(told).for_each(|(all, told)| all.push_str(&format!("{told}\n")));
            }
        }
    }
    // No file brings it about: it is a fault of the program.
    codes.insert("WF0001");
    let keys = texts(Language::En).keys().filter_map(|key| key.strip_prefix("finding."));
    let expected: BTreeSet<&str> = keys.filter(|code| code.starts_with("WF")).collect();
    assert_eq!(codes, expected);
    let [english, chinese] = all;
    insta::assert_snapshot!("findings_en", english);
    insta::assert_snapshot!("findings_zh", chinese);
}

#[test]
fn a_check_says_the_same_as_text_and_as_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wrong.yaml");
    std::fs::write(&path, wrong()).expect("written");
    let (path, store) = (path.to_str().expect("a path"), Path::new("none.db"));
    let expected = found(&wrong(), &[]);
    for (language, run) in [(Language::En, bihuan as fn(&Path, &[&str]) -> _), (Language::Zh, bihuan_zh)] {
        let said: std::process::Output = run(store, &["check", path]);
        assert_eq!(said.status.code(), Some(4));
        let lines: Vec<String> = expected.iter().map(|found| problem(language, found)).collect();
        assert_eq!(String::from_utf8(said.stderr).expect("UTF-8"), format!("{}\n", lines.join("\n")));
        let said: std::process::Output = run(store, &["check", path, "--json"]);
        assert_eq!(said.status.code(), Some(4));
        let files: Value = serde_json::from_slice(&said.stdout).expect("JSON");
        let listed = files[0]["findings"].as_array().expect("a list");
        assert_eq!(listed.len(), expected.len());
        for (listed, (found, text)) in listed.iter().zip(expected.iter().zip(&lines)) {
            assert_eq!(
                (&listed["code"], &listed["path"]),
                (&Value::from(found.code), &Value::from(&*found.path))
            );
            assert_eq!(listed["values"], serde_json::json!(found.values));
            assert_eq!(listed["text"], Value::from(text.as_str()));
        }
    }
}

#[tokio::test]
async fn a_publish_that_is_refused_says_it_as_json_too() {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let file = project().join("tests/workflows/wrong.yaml").display().to_string();
    let (exit, said) = refused(&county, &format!("publish {file} --json --lang zh"));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((exit, &said["code"]), (4, &Value::from("BH0034")));
    let expected = found(&wrong(), &[]);
    let first = &said["findings"][0];
    assert_eq!(said["findings"].as_array().map(Vec::len), Some(expected.len()));
    assert_eq!(first["text"], Value::from(problem(Language::Zh, &expected[0])));
    assert_eq!((&first["code"], &first["path"]), (&Value::from("WF0006"), &Value::from("roles.Officer")));
    std::fs::write(county.folder.path().join("no.yaml"), "workflow: [").expect("written");
    let (exit, said) = refused(&county, "publish no.yaml --json --lang zh");
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((exit, &said["code"], &said["findings"]), (2, &Value::from("WF0000"), &Value::Null));
    let fault = &said["fault"];
    assert_eq!((&fault["fault"], &fault["expected"]), (&Value::from("unfit"), &Value::from("single")));
    assert_eq!((fault["line"].as_u64(), fault["column"].as_u64()), (Some(1), Some(11)));
}

/// A guard for every fault.
const GUARDS: [&str; 50] = [
    "",
    "((((((((((((((((((((((((((((((((urgent && (urgent)))))))))))))))))))))))))))))))))",
    "a.b.c.d.e.f.g.h.i",
    "(urgent",
    "urgent and signed",
    "urgent)",
    "note == 'a",
    "note == r'a'",
    "note == '''a'''",
    r"note == 'a\n'",
    "note == '\u{202e}'",
    "note == ‘a’",
    "`urgent`",
    "note == null",
    "if && urgent",
    "count > 1.5",
    "count > 9223372036854775808",
    "count + 1 > 3",
    "urgent // signed",
    "urgent ? signed : true",
    "note in {'a': 1}",
    ".urgent",
    "整改 == 'a'",
    "urgent; signed",
    "note in [title]",
    "note[0] == 'a'",
    "count in []",
    "count in [1, 1]",
    "note in title",
    "1 in [1]",
    "urgent in [true]",
    "has('note')",
    "size(note) > 3",
    "1 < count < 3",
    "!urgent == signed",
    "1 == 1",
    "count == count",
    "level == state",
    "count == day",
    "note < 'b'",
    "count",
    "day == true",
    "day < '2026-02-29'",
    "level == 'majr'",
    "level == 'x'",
    "level == major",
    "urgnet",
    "weather == 'fine'",
    "has(phone)",
    "urgent signed",
];

/// Variables for them.
const VARIABLES: &str = "
    urgent: {title: {zh: 甲, en: A}, type: bool}
    signed: {title: {zh: 甲, en: A}, type: bool}
    count: {title: {zh: 甲, en: A}, type: int}
    day: {title: {zh: 甲, en: A}, type: date}
    note: {title: {zh: 甲, en: A}, type: text}
    title: {title: {zh: 甲, en: A}, type: text}
    phone: {title: {zh: 甲, en: A}, type: text, personal: true}
    level: {title: {zh: 甲, en: A}, type: choice, choices: {general: {zh: 甲, en: A}, major: {zh: 甲, en: A}}}
    state: {title: {zh: 甲, en: A}, type: choice, choices: {open: {zh: 甲, en: A}, closed: {zh: 甲, en: A}}}
";

/// The name of a fault; a new one has to be brought about above: this does not compile without it.
fn name(fault: &GuardFault) -> String {
    use GuardFault::*;
    match fault {
        Empty | TooLong { .. } | TooDeep { .. } | TooManyParts { .. } | TooManyAtoms { .. } | Unreadable => {}
        EndsEarly { .. } | Unexpected { .. } | ClosesNothing { .. } | TextNotClosed | PrefixedText { .. } => {
        }
        TripleQuotes
        | Backslash
        | Invisible { .. }
        | CurlyQuotes
        | QuotedName
        | Null
        | ReservedWord { .. } => {}
        NotWhole { .. }
        | NumberTooLarge { .. }
        | Arithmetic { .. }
        | Comment
        | NoChoice
        | NoMaps
        | LoneDot => {}
        NotAscii { .. } | NotNotation { .. } | ListOfLiterals | LoneList | EmptyList | ListedTwice { .. } => {
        }
        InNeedsList | InNeedsVariable | AskDirectly { .. } | HasTakesName | NoCalls { .. } | Chained => {}
        NotCompared | TwoLiterals | WithItself { .. } | OtherLists { .. } | OtherTypes { .. } => {}
        NoOrder { .. } | NotACondition { .. } | WrongType { .. } | NotADate { .. } | UnknownValue { .. } => {}
        Unquoted { .. } | UnknownVariable { .. } | PersonalField { .. } => {}
    }
    tag(&serde_json::json!(fault))
}

fn tag(fault: &Value) -> String {
    fault["fault"].as_str().expect("a name").to_owned()
}

/// Keys of a family, without it; what they are put together from is no fault.
fn family(name: &str, parts: &[&str]) -> BTreeSet<String> {
    let keys = texts(Language::En).keys().filter_map(|key| key.strip_prefix(name));
    keys.filter(|key| !parts.iter().any(|part| key.starts_with(part))).map(str::to_owned).collect()
}

#[test]
fn every_fault_of_a_guard_is_told_in_both_languages() {
    let fields: BTreeMap<String, machine::file::Field> =
        machine::file::read("fields", VARIABLES).unwrap_or_else(|error| panic!("{error}"));
    let mut file = machine::file::parse("strict", &file("tests/workflows/strict.yaml")).expect("read");
    file.fields.extend(fields);
    let definition = Definition::compile(&file, &BTreeMap::new()).expect("compiles");
    let forbidden = BTreeSet::from(["phone".to_owned()]);
    let long = "urgent && ".repeat(250);
    let atoms = (0..65).map(|n| format!("count == {n}")).collect::<Vec<_>>().join(" || ");
    let mut names = BTreeSet::new();
    let mut all = [String::new(), String::new()];
    for guard in GUARDS.into_iter().chain([long.as_str(), atoms.as_str()]) {
        let error = Guard::parse(guard, &definition.variables(), &forbidden).expect_err(guard);
        names.insert(name(&error.fault));
        let mut file = file.clone();
        file.acts.get_mut("ask_extension").expect("an act").when = Some(guard.to_owned());
        let mut found = Definition::compile(&file, &BTreeMap::new()).expect_err("a bad guard");
        // What cannot be seen is refused in every text of a file, before its guards are read.
        if matches!(error.fault, GuardFault::Invisible { .. }) {
            assert_eq!(found[0].code, "WF0036");
            let unread = Problem::new("WF0020", "acts.ask_extension.when").with("guard", &error.fault);
            found = vec![unread.with("shown", "").with("caret", "")];
        }
        assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["WF0020"], "{guard}");
        let written = format!("{guard} {} acts ask_extension", proposed(&error.fault));
        let told = told(&written, |language| problem(language, &found[0]));
        all.iter_mut().zip(told).for_each(|(all, told)| all.push_str(&format!("{told}\n")));
    }
    // The parser gives up for reasons of its own only.
    names.insert(name(&GuardFault::Unreadable));
    assert_eq!(names, family("guard.", &["type."]));
    let [english, chinese] = all;
    insta::assert_snapshot!("guards_en", english);
    insta::assert_snapshot!("guards_zh", chinese);
}

/// What a fault proposes: words of the file, not of the language.
fn proposed(fault: &GuardFault) -> String {
    match fault {
        GuardFault::UnknownVariable { close: Some(close), .. } => close.clone(),
        GuardFault::UnknownValue { known, .. } => known.join(" "),
        _ => String::new(),
    }
}

/// A file for every fault in its structure.
fn unreadable() -> Vec<String> {
    let text = file("tests/workflows/strict.yaml");
    let numbering = |to: &str| changed("numbering: YG", to);
    vec![
        numbering("numbering: YG\nstatus: open"),
        numbering("numbers: YG"),
        changed("calendar: cn\n", ""),
        numbering("numbering: YG\nnumbering: YG"),
        changed("kind: legal", "kind: lawful"),
        numbering("numbering:"),
        numbering("numbering: [YG]"),
        changed("accepts: [found_on, note, count, urgent, level, helpers, witness]", "accepts: note"),
        changed("roles:\n", "parameters: 3\nroles:\n"),
        changed("min: 0, max: 100", "min: little, max: 100"),
        changed("opens: true", "opens: 1"),
        changed("lead_working_days: 2", "lead_working_days: \"2\""),
        changed("lead_working_days: 2", "lead_working_days: 1.5"),
        changed("lead_working_days: 2", "lead_working_days: [2]"),
        changed("lead_working_days: 2", "lead_working_days: {a: 2}"),
        changed("lead_working_days: 2", "lead_working_days: true"),
        changed("lead_working_days: 2", "lead_working_days:"),
        changed("kind: legal", "kind: [legal]"),
        changed("  ask_extension:\n", "  ask_extension:\n    in: {main: {a: b}}\n"),
        changed("    kind: legal\n", "    <<: {kind: legal}\n"),
        changed("{zh: 说明, en: Note}", "{zh: 说明, en: \"N\\0te\"}"),
        String::new(),
        format!("{text}---\n{text}"),
        numbering("numbering: *nothing"),
        format!("{text}#{}", "x".repeat(600_000)),
        numbering("numbering: !e!secret YG"),
        numbering("numbering: \"YG\" x"),
        numbering("numbering: \"\\q\""),
        numbering("numbering: YG\n\tx: y"),
        numbering("numbering: YG: YG"),
        numbering("numbering: - YG"),
        numbering("numbering: @YG"),
        numbering("numbering: \"YG\"#x"),
    ]
}

/// Files wrong in ways that a workflow file is refused before: where a list has no place, its end is not
/// looked for.
fn unreadable_anyway() -> Vec<String> {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let parts = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{parts}]\n"));
    }
    let deep = format!("a: {}{}\n", "[".repeat(100), "]".repeat(100));
    let few = ["a: [b}\n", "a: ]\n", "a: |\n     \n  b\n", "a: \"b\n"];
    few.into_iter().map(str::to_owned).chain([deep, bomb]).collect()
}

/// As [`name`], for the structure of a file.
fn structure_name(fault: &ReadFault) -> String {
    use ReadFault::*;
    match fault {
        Unknown { .. } | Missing { .. } | Duplicate { .. } | Word { .. } | Unfit { .. } | Form | MergeKey => {
        }
        ControlCharacters | Ends | Documents | Tag | Anchor | TooDeep | TooMuch | TooLong { .. } => {}
        Other { .. } => {}
        Syntax { problem } => {
            use crate::findings::Syntax::*;
            match problem {
                Bracket | Closing | Quote | Escape | Tab | Indentation | Key | Entry | Character | Space => {}
            }
            return format!("syntax.{}", serde_json::json!(problem).as_str().expect("a name"));
        }
    }
    tag(&serde_json::json!(fault))
}

#[test]
fn every_fault_in_the_structure_of_a_file_is_told_in_both_languages() {
    let mut names = BTreeSet::new();
    let mut needed = BTreeSet::new();
    let mut all = [String::new(), String::new()];
    let typed = unreadable().into_iter().map(|text| (machine::file::parse("wrong.yaml", &text).err(), text));
    let anyway = unreadable_anyway().into_iter();
    let anyway = anyway.map(|text| (machine::file::read::<Value>("wrong.yaml", &text).err(), text));
    for (error, text) in typed.chain(anyway) {
        let error = error.unwrap_or_else(|| panic!("{text} is read"));
        names.insert(structure_name(&error.fault));
        let written = match &*error.fault {
            ReadFault::Unknown { known, .. } | ReadFault::Word { known, .. } => format!("{text} {known:?}"),
            ReadFault::Missing { name } => format!("{text} {name}"),
            ReadFault::Unfit { expected, .. } => {
                needed.insert(expected.clone());
                text.clone()
            }
            _ => text.clone(),
        };
        let written = format!("{written} wrong.yaml");
        let told = told(&written, |language| file_error(language, &error));
        all.iter_mut().zip(told).for_each(|(all, told)| all.push_str(&format!("{told}\n")));
    }
    // A reader's own words are told after an introduction.
    let other = ReadFault::Other { words: "no such thing".to_owned() };
    names.insert(structure_name(&other));
    told("no such thing", |language| engine::text::reader(language, &other));
    assert_eq!(names, family("reader.", &["needed."]));
    // Weekdays stand in calendars, dates and values of fields in acts.
    needed.extend(["weekday", "date", "field_value"].map(str::to_owned));
    assert_eq!(needed, family("reader.needed.", &[]));
    let [english, chinese] = all;
    insta::assert_snapshot!("structure_en", english);
    insta::assert_snapshot!("structure_zh", chinese);
}
