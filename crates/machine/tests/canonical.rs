//! Canonical bytes, against a small model: read as JSON, keys sorted, written again.

use std::collections::BTreeMap;

use machine::Instant;
use machine::act::canonical;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The model: as plain as can be.
fn model(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&[u8], (&String, &Value)> =
                map.iter().map(|member| (member.0.as_bytes(), member)).collect();
            let members: Vec<String> =
                sorted.values().map(|(key, value)| format!("{}:{}", json!(key), model(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(model).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.to_string(),
    }
}

/// Members in the order given, whatever the order of the keys.
#[derive(Clone)]
struct Unsorted(Vec<(String, Tree)>);

impl serde::Serialize for Unsorted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[derive(Clone, serde::Serialize)]
#[serde(untagged)]
enum Tree {
    Nothing,
    Flag(bool),
    Whole(i64),
    Text(String),
    List(Vec<Tree>),
    Object(Unsorted),
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// Keys with quotes, backslashes, control characters and letters of all lengths in them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c\"\\\\\u{1}-\u{6} ,:{}]{0,3}", "[a-z]{1,8}", "\\PC{0,4}"]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Nothing),
        any::<bool>().prop_map(Tree::Flag),
        any::<i64>().prop_map(Tree::Whole),
        text().prop_map(Tree::Text),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<Vec<_>>())
                .prop_shuffle()
                .prop_map(|members| Tree::Object(Unsorted(members))),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_has_the_bytes_of_the_model(tree in tree()) {
        let expected = model(&serde_json::to_value(&tree).expect("a value"));
        let bytes = canonical(&tree).expect("canonical");
        prop_assert_eq!(String::from_utf8(bytes).expect("a text"), expected);
    }

    #[test]
    fn an_instant_is_written_and_read_as_chrono_does(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
        let instant = Instant::from_micros(micros).expect("an instant");
        let expected = instant.utc().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        prop_assert_eq!(instant.to_string(), expected.clone());
        prop_assert_eq!(expected.parse::<Instant>().expect("read"), instant);
    }
}

#[test]
fn a_fraction_has_no_canonical_form() {
    assert_eq!(
        canonical(&json!({ "a": [1, 0.5] })).expect_err("refused").to_string(),
        "a fraction has no canonical form"
    );
}

#[test]
fn what_is_no_instant_is_refused() {
    for text in [
        "2026-02-30T00:00:00.000000Z",
        "2026-11-26T24:00:00.000000Z",
        "2026-11-26T08:30:00.00000xZ",
        "2026-11-26 08:30:00.000000",
        "２０２６-11-26T08:30:00.0000Z",
        "",
    ] {
        assert!(text.parse::<Instant>().is_err(), "{text}");
    }
    // Other ways to write one are read as well.
    let expected: Instant = "2026-11-26T00:30:00.000000Z".parse().expect("read");
    assert_eq!("2026-11-26T08:30:00+08:00".parse(), Ok(expected));
    let leap: Instant = "2016-12-31T23:59:60.500000Z".parse().expect("a second of leap");
    assert_eq!(leap.to_string(), "2016-12-31T23:59:60.500000Z");
}
