//! Reading YAML strictly, and pointing at what is wrong.

use calendar::yaml::{ReadFault, Unread};
use serde::Serialize;

use crate::file::File;

/// A structural error: the first one, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{file}:{line}:{column}: {fault:?}")]
pub struct FileError {
    /// The file.
    pub file: String,
    /// What is wrong.
    #[serde(flatten)]
    pub fault: Box<ReadFault>,
    /// Line, from 1; 0 when unknown.
    pub line: u64,
    /// Column, from 1; 0 when unknown.
    pub column: u64,
    /// The line with its number, and a caret under the column; empty when the place is unknown.
    #[serde(skip)]
    pub excerpt: String,
}

/// Reads a workflow file.
pub fn parse(file_name: &str, text: &str) -> Result<File, FileError> {
    read(file_name, text)
}

/// Reads any of our YAML files strictly.
pub fn read<T: serde::de::DeserializeOwned>(file_name: &str, text: &str) -> Result<T, FileError> {
    calendar::yaml::read(text).map_err(|Unread { fault, line, column }| {
        let excerpt = excerpt(text, line, column).unwrap_or_default();
        FileError { file: file_name.to_owned(), fault: Box::new(fault), line, column, excerpt }
    })
}

/// The line with its number, and a caret under the column.
fn excerpt(text: &str, line: u64, column: u64) -> Option<String> {
    let index = usize::try_from(line.checked_sub(1)?).ok()?;
    let source = text.lines().nth(index)?;
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let (source, caret) = pointed(source, usize::try_from(column).unwrap_or(1).saturating_sub(1));
    Some(format!("{margin} |\n{number} | {source}\n{margin} | {caret}"))
}

/// Characters shown on each side of the place pointed at.
const AROUND: usize = 60;

/// A line, and a caret under the character after `before` others. Of a long line, what stands around it.
pub(crate) fn pointed(line: &str, before: usize) -> (String, String) {
    let skipped = before.saturating_sub(AROUND);
    let mut shown: String = line.chars().skip(skipped).take(2 * AROUND).collect();
    // A wide character takes two columns on the terminal.
    let width = |c: char| if (c as u32) < 0x1100 { 1 } else { 2 };
    let mut pad: usize = shown.chars().take(before - skipped).map(width).sum();
    if skipped > 0 {
        shown.insert_str(0, "...");
        pad += 3;
    }
    if line.chars().nth(skipped + 2 * AROUND).is_some() {
        shown.push_str("...");
    }
    (shown, format!("{}^", " ".repeat(pad)))
}
