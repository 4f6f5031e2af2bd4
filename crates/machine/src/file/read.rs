//! Reading YAML strictly, and pointing at what is wrong.

use crate::file::{FILE_BYTES_MAX, File};

/// A structural error: the first one, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    /// What is wrong, with file, line, column and caret.
    pub message: String,
    /// What is wrong, in the words of the reader.
    pub problem: String,
    /// Line, from 1; 0 when unknown.
    pub line: u64,
    /// Column, from 1; 0 when unknown.
    pub column: u64,
}

/// Reads a workflow file.
pub fn parse(file_name: &str, text: &str) -> Result<File, FileError> {
    read(file_name, text)
}

/// Reads any of our YAML files strictly.
pub fn read<T: serde::de::DeserializeOwned>(file_name: &str, text: &str) -> Result<T, FileError> {
    if text.len() > FILE_BYTES_MAX {
        let message =
            format!("{file_name}: the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len());
        let problem = format!("{} bytes; at most {FILE_BYTES_MAX} are read", text.len());
        return Err(FileError { message, problem, line: 0, column: 0 });
    }
    // A merge key (`<<`) would let a value stand where nobody reading the file sees it.
    let options = serde_saphyr::options! { merge_keys: serde_saphyr::MergeKeyPolicy::Error };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
        let problem = plain(&error);
        FileError { message: caret(file_name, text, line, column, &problem), problem, line, column }
    })
}

/// The message of a YAML error without the parser's own snippet.
fn plain(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// `file:line:column: message`, the line, and a caret under the column.
pub fn caret(file_name: &str, text: &str, line: u64, column: u64, message: &str) -> String {
    let Some(source) =
        usize::try_from(line).ok().filter(|line| *line > 0).and_then(|line| text.lines().nth(line - 1))
    else {
        return format!("{file_name}: {message}");
    };
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let (source, caret) = pointed(source, usize::try_from(column).unwrap_or(1).saturating_sub(1));
    format!("{file_name}:{line}:{column}: {message}\n{margin} |\n{number} | {source}\n{margin} | {caret}")
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
