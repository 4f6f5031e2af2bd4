//! Notice texts: one file per text and language under workflows/templates, part of the program like the
//! messages of [`text`](crate::text). The first line is the title, the rest what is said. A rung names its
//! text with `template`; what is marked, drafted or proposed bears the title of the text of its name.

use machine::{Definition, Problem};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::text::Language;

struct Text {
    name: &'static str,
    zh: &'static str,
    en: &'static str,
}

macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        [$(Text {
            name: $name,
            zh: include_str!(concat!("../../../workflows/templates/zh/", $name, ".txt")),
            en: include_str!(concat!("../../../workflows/templates/en/", $name, ".txt")),
        }),*]
    };
}

/// The text of a rung that names none.
pub(crate) const PLAIN: &str = "notice";

static TEXTS: &[Text] = &texts![
    "circular_row",
    "digest",
    "duty_overdue",
    "duty_reminder",
    "exposure",
    "interview",
    "notice",
    "onsite_reinspection",
    "overdue",
    "overdue_step",
    "raise_supervision",
    "reminder",
    "reminder_letter",
    "reported_to_leader",
    "signing_reminder",
    "unreached",
    "unsigned",
    "urging_letter",
];

/// What a notice may say. Titles in the language of the reader; no personal data.
#[derive(Clone, Debug, Serialize)]
pub struct Values {
    /// Number of the case.
    pub number: String,
    /// The clock.
    pub clock: String,
    /// When it is or was due.
    pub due: String,
    /// Working days left or late, in words.
    pub when: String,
    /// The unit that owes it, or the role where it is bound to none.
    pub owner: String,
    /// The acts that answer it.
    pub todo: String,
    /// Whom to call.
    pub call: String,
    /// The department competent for the case.
    pub competent: String,
    /// Whoever is told what reaches nobody.
    pub office: String,
    /// The role that signs what is drafted or proposed.
    pub signer: String,
    /// The proposal the clock belongs to.
    pub proposal: String,
    /// The last day an extension may be asked for; empty where none can be.
    pub ask_until: String,
}

fn find(language: Language, name: &str) -> Option<&'static str> {
    let text = TEXTS.iter().find(|text| text.name == name)?;
    Some(match language {
        Language::Zh => text.zh,
        Language::En => text.en,
    })
}

/// The names of all texts.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|text| text.name)
}

/// The title of a text: also of what a rung marks, drafts or proposes under this name.
pub fn title(language: Language, name: &str) -> Option<&'static str> {
    find(language, name).and_then(|text| text.lines().next())
}

/// What a text says. A value it does not know is an error, and shown as one: a notice is never lost.
pub fn render(language: Language, name: &str, values: &impl Serialize) -> String {
    let Some(text) = find(language, name) else { return name.to_owned() };
    let body = text.split_once('\n').map_or("", |(_, body)| body);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let said = environment.render_str(body, minijinja::value::Serde(values));
    said.map_or_else(|error| format!("{name}: {error}"), |said| said.trim_end().to_owned())
}

/// Rungs that name a text there is not.
pub fn findings(definition: &Definition) -> Vec<Problem> {
    let mut findings = Vec::new();
    for (ladder, rungs) in &definition.file().ladders {
        for (index, rung) in rungs.iter().enumerate() {
            let unknown = rung.template.as_ref().filter(|name| find(Language::Zh, name).is_none());
            findings.extend(unknown.map(|name| {
                let problem = Problem::new("WF0050", format!("ladders.{ladder}[{index}].template"));
                problem.with("name", name).with("known", names().collect::<Vec<_>>())
            }));
        }
    }
    findings
}
