//! Printing: text or JSON, Chinese or English.

use std::io::{self, Write};

use engine::EngineError;
use engine::text::{self, Language};
use serde::Serialize;
use store::StoreError;

use crate::CliError;
use crate::args::{Common, Lang};

/// A space that keeps the words beside it on one line of a table.
pub(crate) const TOGETHER: &str = "\u{a0}";
/// Columns a table may take.
const WIDTH: u16 = 100;

/// Where everything is printed.
pub(crate) struct Output {
    pub(crate) language: Language,
    pub(crate) json: bool,
    out: io::Stdout,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        let language = match common.lang {
            Some(Lang::Zh) => Language::Zh,
            Some(Lang::En) => Language::En,
            None => from_locale(),
        };
        Output { language, json: common.json, out: io::stdout() }
    }

    /// The text for a key.
    pub(crate) fn text(&self, key: &str, values: &impl Serialize) -> String {
        text::text(self.language, key, values)
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Prints JSON.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.line(&text)
    }

    /// Prints a text, or the values behind it as JSON.
    pub(crate) fn say(&mut self, key: &str, values: &impl Serialize) -> io::Result<()> {
        if self.json { self.value(values) } else { self.line(&self.text(key, values)) }
    }

    /// Prints a table.
    pub(crate) fn table(&mut self, header: &[String], rows: Vec<Vec<String>>) -> io::Result<()> {
        let mut table = comfy_table::Table::new();
        table.set_header(header.iter());
        self.rows(table, rows)
    }

    /// Prints a table without a header.
    pub(crate) fn grid(&mut self, rows: Vec<Vec<String>>) -> io::Result<()> {
        self.rows(comfy_table::Table::new(), rows)
    }

    fn rows(&mut self, mut table: comfy_table::Table, rows: Vec<Vec<String>>) -> io::Result<()> {
        // A row that would be wider goes on in the lines below it.
        table.load_style(comfy_table::presets::NOTHING).set_width(WIDTH);
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        for row in rows {
            table.add_row(row);
        }
        let text = table.to_string();
        for line in text.lines() {
            self.line(line.replace(TOGETHER, " ").trim_end())?;
        }
        Ok(())
    }

    /// Prints an error with its causes, once.
    pub(crate) fn error(&mut self, error: &CliError) {
        let text = match error {
            CliError::Engine(EngineError::Refused(refusal)) => text::refusal(self.language, refusal),
            CliError::Engine(EngineError::RefusedIn { number, refusal }) => {
                format!("{number}: {}", text::refusal(self.language, refusal))
            }
            CliError::Engine(EngineError::Findings(findings)) => {
                let lines = findings.iter().map(|f| format!("{} {}: {}", f.code, f.path, f.message));
                lines.collect::<Vec<_>>().join("\n")
            }
            CliError::Engine(EngineError::Unsound(problems)) => {
                let lines = problems.iter().map(|problem| text::problem(self.language, problem));
                lines.collect::<Vec<_>>().join("\n")
            }
            CliError::Findings | CliError::Faults => return,
            CliError::Store(StoreError::Unfit(unfit)) => text::unfit(self.language, unfit),
            CliError::Engine(engine) if text::error(self.language, engine).is_some() => {
                text::error(self.language, engine).unwrap_or_default()
            }
            other => {
                let mut text = other.to_string();
                let mut source = std::error::Error::source(other);
                while let Some(cause) = source {
                    text = format!("{text}: {cause}");
                    source = cause.source();
                }
                text
            }
        };
        let line = if self.json {
            let refusal = match error {
                CliError::Engine(EngineError::Refused(refusal)) => serde_json::to_value(refusal).ok(),
                _ => None,
            };
            serde_json::json!({ "error": text, "refusal": refusal }).to_string()
        } else {
            text
        };
        // Nothing is left to be done when even the error stream is gone.
        drop(writeln!(io::stderr(), "{line}"));
    }
}

/// Chinese where the locale says so, English elsewhere.
fn from_locale() -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    if locale.is_some_and(|locale| locale.starts_with("zh")) { Language::Zh } else { Language::En }
}
