//! Chinese and English texts for codes. One file per language; each text is a template over the values of
//! what it tells.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use machine::Problem;
use machine::check::Happening;
use machine::file::Label;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};

mod error;

pub(crate) use error::refused;
pub use error::{calendar_error, error, fault, file_error, reader, refusal, said, store_error};

/// A language of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Language {
    /// A label of a workflow file in this language.
    pub fn of(self, label: &Label) -> &str {
        match self {
            Language::Zh => &label.zh,
            Language::En => &label.en,
        }
    }

    /// Between the members of a list.
    pub fn comma(self) -> &'static str {
        match self {
            Language::Zh => "、",
            Language::En => ", ",
        }
    }
}

static ZH: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| read(include_str!("../text/zh.json")));
static EN: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| read(include_str!("../text/en.json")));

fn read(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).expect("the texts are read by a test")
}

/// All texts of a language.
pub fn texts(language: Language) -> &'static BTreeMap<String, String> {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

/// The text for a key, with its values put in. A key without text is shown as it is.
pub fn text(language: Language, key: &str, values: &impl serde::Serialize) -> String {
    let Some(template) = texts(language).get(key) else { return key.to_owned() };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .render_str(template, minijinja::value::Serde(values))
        .unwrap_or_else(|error| format!("{key}: {error}"))
}

/// What a finding in a workflow file says: what is wrong, where, and the shortest way there.
pub fn problem(language: Language, problem: &Problem) -> String {
    let mut values = json!({ "values": problem.values, "path": problem.path });
    if let Some(fault) = problem.values.get("guard") {
        values["guard"] = guard(language, fault).into();
    }
    let said = text(language, &format!("finding.{}", problem.code), &values);
    let mut lines = vec![format!("{} {}: {said}", problem.code, problem.path)];
    lines.extend(
        problem.trace.iter().zip(1..).map(|(step, no)| format!("    {no}. {}", happening(language, step))),
    );
    lines.join("\n")
}

/// What is wrong with a guard. Types are called by their names in the language of the reader.
fn guard(language: Language, fault: &Value) -> String {
    let mut values = fault.clone();
    for key in ["kind", "other_kind"] {
        if let Some(kind) = fault[key].as_str() {
            values[key] = text(language, &format!("guard.type.{kind}"), &json!({})).into();
        }
    }
    text(language, &format!("guard.{}", fault["fault"].as_str().unwrap_or_default()), &values)
}

/// One step of a trace, in words.
fn happening(language: Language, step: &Happening) -> String {
    match step {
        Happening::Act { act, actor, entered_for, officers, facts } => {
            let facts: BTreeMap<&String, Option<String>> =
                facts.iter().map(|(name, fact)| (name, fact.as_ref().map(ToString::to_string))).collect();
            let values = json!({
                "act": act, "actor": actor, "entered_for": entered_for, "officers": officers, "facts": facts,
            });
            text(language, "trace.act", &values)
        }
        Happening::Due { clock } => text(language, "trace.due", &json!({ "clock": clock })),
        Happening::Missed { clock } => text(language, "trace.missed", &json!({ "clock": clock })),
    }
}
