//! The table, and the same as JSON.

use std::fmt;
use std::io::Write;

use serde_json::{Value, json};

use crate::Result;

/// What a ratio has to be.
#[derive(Clone, Copy, Debug)]
pub enum Required {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

impl Required {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Required::AtLeast(least) => ratio >= least,
            Required::AtMost(most) => ratio <= most,
        }
    }
}

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Required::AtLeast(least) => write!(f, ">= {least}"),
            Required::AtMost(most) => write!(f, "<= {most}"),
        }
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
struct Line {
    what: String,
    ours: f64,
    floor: Option<f64>,
    required: Option<Required>,
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.ours / floor)
    }

    /// Whether it is as it has to be; none where nothing is required. A ratio that is no number is not.
    fn holds(&self) -> Option<bool> {
        self.required.map(|required| self.ratio().is_some_and(|ratio| required.holds(ratio)))
    }
}

/// All lines, in the order they were measured.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Adds ours beside something else, and what their ratio has to be. Shown at once: a run takes long.
    pub fn compare(&mut self, what: impl Into<String>, ours: f64, floor: f64, required: Option<Required>) {
        self.push(Line { what: what.into(), ours, floor: Some(floor), required });
    }

    /// Adds a number with nothing beside it.
    pub fn tell(&mut self, what: impl Into<String>, ours: f64) {
        self.push(Line { what: what.into(), ours, floor: None, required: None });
    }

    fn push(&mut self, line: Line) {
        note(&format!("{line}"));
        self.lines.push(line);
    }

    /// Whether anything required falls short.
    pub fn falls_short(&self) -> bool {
        self.lines.iter().any(|line| line.holds() == Some(false))
    }

    /// The lines as JSON.
    pub fn json(&self) -> Result<String> {
        let lines = self.lines.iter().map(|line| {
            json!({
                "what": line.what,
                "ours": line.ours,
                "floor": line.floor,
                "ratio": line.ratio(),
                "required": line.required.map(|required| required.to_string()),
                "ok": line.holds(),
            })
        });
        Ok(serde_json::to_string_pretty(&Value::from_iter(lines))?)
    }
}

/// Says how far the measurement is, beside the table.
pub fn note(text: &str) {
    // Whoever closed the error output wants no word of it.
    writeln!(std::io::stderr(), "{text}").ok();
}

/// A number in as many digits as one can read off.
fn number(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |value: Option<f64>| value.map(number).unwrap_or_default();
        let verdict = match self.holds() {
            Some(true) => "ok",
            Some(false) => "SHORT",
            None => "",
        };
        let required = self.required.map(|required| required.to_string()).unwrap_or_default();
        let (ours, floor, ratio) = (number(self.ours), some(self.floor), some(self.ratio()));
        let line = format!("{:<66} {ours:>9} {floor:>9} {ratio:>6} {required:>8} {verdict}", self.what);
        f.write_str(line.trim_end())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<66} {:>9} {:>9} {:>6} {:>8}", "what", "ours", "floor", "ratio", "required")?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
