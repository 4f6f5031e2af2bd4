//! Printing: text or JSON, Chinese or English.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Reset, Style};
use clap::ValueEnum;
use engine::EngineError;
use engine::text::{self, Language};
use machine::Problem;
use serde::Serialize;
use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::CliError;
use crate::args::{Common, Lang};

/// A space that keeps the words beside it on one line of a table.
pub(crate) const TOGETHER: &str = "\u{a0}";

/// How a text is meant. It always carries words; the colour only helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warn,
    Bad,
    Quiet,
}

impl Tone {
    const ALL: [Tone; 4] = [Tone::Good, Tone::Warn, Tone::Bad, Tone::Quiet];

    /// Stands before a painted text until it is printed: no columns wide, so that tables stay aligned, and
    /// a character nobody writes.
    fn mark(self) -> char {
        match self {
            Tone::Good => '\u{e0f01}',
            Tone::Warn => '\u{e0f02}',
            Tone::Bad => '\u{e0f03}',
            Tone::Quiet => '\u{e0f04}',
        }
    }

    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Tone::Good => colour(AnsiColor::Green),
            Tone::Warn => colour(AnsiColor::Yellow),
            Tone::Bad => colour(AnsiColor::Red),
            Tone::Quiet => Style::new().dimmed(),
        }
    }
}

/// A word for the shell: one that it would take apart stands in quotes.
pub(crate) fn quoted(value: String) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.,:+@/".contains(c);
    if value.chars().all(is_plain) { value } else { format!("'{}'", value.replace('\'', r"'\''")) }
}

/// Stands after a painted text.
const END: char = '\u{e0f00}';

/// A line with its marks turned into colours, or taken out.
fn coloured(line: &str, colours: bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut open = false;
    for c in line.chars() {
        let tone = Tone::ALL.into_iter().find(|tone| tone.mark() == c);
        match (tone, c == END) {
            (Some(tone), _) if colours => {
                open = true;
                out.push_str(&tone.style().render().to_string());
            }
            (None, true) if colours => {
                open = false;
                out.push_str(&Reset.render().to_string());
            }
            (Some(_), _) | (None, true) => {}
            (None, false) => out.push(c),
        }
    }
    // A cell that goes on in the next line stays plain there.
    if open {
        out.push_str(&Reset.render().to_string());
    }
    out
}

/// An error repeats what somebody typed: control characters in it must not steer the terminal.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let steers = (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if steers { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Where everything is printed.
pub(crate) struct Output {
    pub(crate) language: Language,
    pub(crate) json: bool,
    out: io::Stdout,
    /// Columns a line may take; none where nobody looks at it, and a program may read it.
    width: Option<usize>,
    colours: bool,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        Output::speaking(common.lang, common.json)
    }

    /// For help, and for what is wrong with the arguments themselves: language and form as far as they can be
    /// made out.
    pub(crate) fn before_parsing() -> Self {
        let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        let lang = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--lang") {
            Some("") => words.get(at + 1).map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        });
        let lang = lang.and_then(|lang| Lang::from_str(lang, true).ok());
        Output::speaking(lang, words.iter().any(|word| word == "--json"))
    }

    fn speaking(lang: Option<Lang>, json: bool) -> Self {
        let language = match lang {
            Some(Lang::Zh) => Language::Zh,
            Some(Lang::En) => Language::En,
            None => from_locale(),
        };
        let out = io::stdout();
        let colours = AutoStream::choice(&out) != ColorChoice::Never;
        let width = if out.is_terminal() { Some(terminal_width(&out)) } else { None };
        Output { language, json, out, width, colours }
    }

    /// A page for reading, at most so many columns wide also where it goes to a file.
    pub(crate) fn narrow(&mut self, columns: usize) {
        self.width = Some(self.width.map_or(columns, |width| width.min(columns)));
    }

    /// A text with its tone.
    pub(crate) fn paint(&self, tone: Tone, text: String) -> String {
        if text.is_empty() { text } else { format!("{}{text}{END}", tone.mark()) }
    }

    /// The text for a key.
    pub(crate) fn text(&self, key: &str, values: &impl Serialize) -> String {
        text::text(self.language, key, values)
    }

    /// Findings as JSON: what each is made of, and its text.
    pub(crate) fn findings(&self, found: &[Problem]) -> Vec<Value> {
        let with_text = |problem: &Problem| {
            let mut value = json!(problem);
            value["text"] = text::problem(self.language, problem).into();
            value
        };
        found.iter().map(with_text).collect()
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}", coloured(line, self.colours))
    }

    /// Prints what another program reads: no colours, whatever the terminal.
    pub(crate) fn plain(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", coloured(text, false))
    }

    /// Prints JSON.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.plain(&text)
    }

    /// Prints a text, or the values behind it as JSON.
    pub(crate) fn say(&mut self, key: &str, values: &impl Serialize) -> io::Result<()> {
        if self.json { self.value(values) } else { self.line(&self.text(key, values)) }
    }

    /// Prints a table. On a terminal its longest texts are cut until a row fits in a line.
    pub(crate) fn table(&mut self, header: &[String], mut rows: Vec<Vec<String>>) -> io::Result<()> {
        let mut header = header.to_vec();
        let mut width = self.width;
        if let Some(columns) = self.width.filter(|_| self.out.is_terminal()) {
            // A terminal that is too narrow breaks a line; it does not cut numbers in two.
            width = Some(fit(&mut header, &mut rows, columns).max(columns));
        }
        let mut table = comfy_table::Table::new();
        table.set_header(header.iter());
        self.rows(table, rows, width)
    }

    /// Prints a table without a header.
    pub(crate) fn grid(&mut self, rows: Vec<Vec<String>>) -> io::Result<()> {
        let width = self.width;
        self.rows(comfy_table::Table::new(), rows, width)
    }

    fn rows(
        &mut self,
        mut table: comfy_table::Table,
        rows: Vec<Vec<String>>,
        width: Option<usize>,
    ) -> io::Result<()> {
        table.load_style(comfy_table::presets::NOTHING);
        if let Some(width) = width {
            // A row that would be wider still goes on in the lines below it.
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
            table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        }
        for row in rows {
            table.add_row(row);
        }
        let text = table.to_string();
        for line in text.lines() {
            self.line(line.replace(TOGETHER, " ").trim_end())?;
        }
        Ok(())
    }

    /// Prints what went wrong with something that goes on all the same.
    pub(crate) fn warn(&mut self, error: &EngineError) {
        let text = text::error(self.language, error);
        let line = if self.json {
            json!({ "error": text, "code": error.code() }).to_string()
        } else {
            harmless(&text)
        };
        drop(writeln!(io::stderr(), "{line}"));
    }

    /// Says something beside what is printed.
    pub(crate) fn hint(&mut self, key: &str, values: &impl Serialize) {
        let text = self.text(key, values);
        let line = if self.json { json!({ "hint": text }).to_string() } else { text };
        drop(writeln!(io::stderr(), "{line}"));
    }

    /// Prints an error, once.
    pub(crate) fn error(&mut self, error: &CliError) {
        let Some(text) = error.text(self.language) else { return };
        let line = if self.json {
            let fault = if let CliError::File(fault) = error { Some(fault) } else { None };
            let findings = error.findings().map(|found| self.findings(found));
            json!({
                "error": text, "code": error.code(), "exit_code": error.exit_code(), "refusal": error.refusal(),
                "findings": findings, "fault": fault,
            })
            .to_string()
        } else {
            let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
            coloured(&self.paint(Tone::Bad, harmless(&text)), colours)
        };
        // Nothing is left to be done when even the error stream is gone.
        drop(writeln!(io::stderr(), "{line}"));
    }
}

/// Columns of the terminal: as `COLUMNS` says, or the terminal itself.
fn terminal_width(out: &io::Stdout) -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || terminal_size::terminal_size_of(out).map(|(width, _)| usize::from(width.0));
    said.or_else(measured).filter(|columns| *columns > 0).unwrap_or(80)
}

/// No column is cut to less.
const NARROWEST: usize = 8;
/// White space around a cell.
const PADDING: usize = 2;

/// Cuts the longest texts until every row fits, a lamp last of all: it is what the list is for. Numbers, dates
/// and ids are no free text and stay whole. Gives the width that is needed.
fn fit(header: &mut [String], rows: &mut [Vec<String>], width: usize) -> usize {
    let columns = header.len();
    let cells = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let is_free = |cell: &String| cell.contains(' ') || !cell.is_ascii();
    let is_lamp = |at| cells(at).any(|cell: &String| cell.ends_with(END));
    let (lamps, free): (Vec<usize>, Vec<usize>) =
        (0..columns).filter(|at| cells(*at).any(is_free)).partition(|at| is_lamp(*at));
    let widest = |at: usize| {
        let head = header.get(at).map(|cell| cell.width());
        cells(at).map(|cell| cell.width()).chain(head).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..columns).map(widest).collect();
    let needed = |widths: &[usize]| widths.iter().map(|width| width + PADDING).sum::<usize>();
    for cut in [free, lamps] {
        while needed(&widths) > width {
            let longest = cut.iter().max_by_key(|at| widths.get(**at));
            let longest = longest.and_then(|at| widths.get_mut(*at)).filter(|width| **width > NARROWEST);
            let Some(longest) = longest else { break };
            *longest -= 1;
        }
    }
    for row in rows.iter_mut().map(Vec::as_mut_slice).chain([header]) {
        for (cell, width) in row.iter_mut().zip(&widths) {
            if cell.width() > *width {
                *cell = cut(cell, *width);
            }
        }
    }
    needed(&widths)
}

/// A text of at most so many columns, with … at its end where something is missing.
fn cut(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > columns {
            break;
        }
        out.push(c);
    }
    out.push('…');
    // The tone ends with the text.
    if text.ends_with(END) {
        out.push(END);
    }
    out
}

/// Chinese where the locale says so, English elsewhere.
fn from_locale() -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    if locale.is_some_and(|locale| locale.starts_with("zh")) { Language::Zh } else { Language::En }
}
