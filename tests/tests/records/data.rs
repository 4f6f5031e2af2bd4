//! The folder of the records: where it is, what lies in it, which counts it promises.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

/// The folder. Only where nobody named one and the usual one is not there the records may be skipped, and
/// that is said.
pub fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("BIHUAN_DATA").map(PathBuf::from) {
        assert!(named.is_dir(), "BIHUAN_DATA names {}, which is no folder", named.display());
        return Some(named);
    }
    let usual = tests::project().join("../shared/data");
    if usual.is_dir() {
        return Some(usual);
    }
    say(&format!("skipped: no records at {}", usual.display()));
    None
}

/// Runs one of these tests with a folder that is not there, and demands that it fails.
#[test]
fn a_folder_named_but_missing_is_a_failure() {
    let empty = tempfile::tempdir().expect("a folder");
    let mistyped = empty.path().join("dat");
    for named in [mistyped.as_path(), Path::new("")] {
        let mut again = Command::new(std::env::current_exe().expect("this program"));
        again.args(["--exact", "boston311_sla::every_request_is_overdue_exactly_where_the_city_says_so"]);
        let ran = again.env("BIHUAN_DATA", named).output().expect("it starts");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(!ran.status.success(), "{said}");
        assert!(said.contains(&format!("BIHUAN_DATA names {}, which", named.display())), "{said}");
    }
}

/// Says something past the capture of the test harness, so that it is read when all goes well. In one piece:
/// `./test` counts the lines about what was skipped, and the harness writes in between.
pub fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("written");
}

/// The counts the folder promises for a set.
pub fn oracle(folder: &Path, set: &str) -> Value {
    let path = folder.join("oracles.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let all: Value = serde_json::from_str(&text).expect("JSON");
    all.get(set).unwrap_or_else(|| panic!("{} has no '{set}'", path.display())).clone()
}

/// A row of a table, by the names of its columns.
#[derive(Clone)]
pub struct Row {
    columns: Arc<HashMap<String, usize>>,
    record: csv::StringRecord,
}

impl Row {
    /// The text of a column. A column that is missing is a failure.
    pub fn text(&self, column: &str) -> &str {
        let index = self.columns.get(column).unwrap_or_else(|| panic!("there is no column '{column}'"));
        self.record.get(*index).unwrap_or_default()
    }

    /// The text, unless it is empty.
    pub fn given(&self, column: &str) -> Option<&str> {
        Some(self.text(column)).filter(|text| !text.is_empty())
    }
}

/// A table: the rows of one file.
pub struct Table {
    /// Its columns.
    columns: Arc<HashMap<String, usize>>,
    /// Its rows, as they stand.
    pub rows: Vec<Row>,
}

impl Table {
    /// Whether it has a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }
}

/// Every compressed table of a set, in order of their names. None at all is a failure.
pub fn tables(folder: &Path, set: &str) -> Vec<Table> {
    let mut paths = files(&folder.join(set));
    paths.retain(|path| path.to_string_lossy().ends_with(".csv.gz"));
    assert!(!paths.is_empty(), "no tables in {}", folder.join(set).display());
    paths.iter().map(|path| table(path)).collect()
}

/// The rows of all tables of a set that have a column.
pub fn rows(folder: &Path, set: &str, column: &str) -> Vec<Row> {
    let tables = tables(folder, set).into_iter().filter(|table| table.has(column));
    tables.flat_map(|table| table.rows).collect()
}

/// The files of a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// The text of a compressed file.
pub fn unzip(path: &Path) -> String {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("UTF-8");
    text
}

fn table(path: &Path) -> Table {
    let text = unzip(path);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().expect("a header").clone();
    let columns: HashMap<String, usize> =
        headers.iter().enumerate().map(|(index, name)| (name.to_owned(), index)).collect();
    let columns = Arc::new(columns);
    let record = |record: Result<csv::StringRecord, csv::Error>| Row {
        columns: columns.clone(),
        record: record.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    };
    let rows = reader.records().map(record).collect();
    Table { columns, rows }
}

/// A folder with a set of its own, whose tables are those of the records after `change`.
pub fn changed(records: &Path, set: &str, change: &dyn Fn(&mut Vec<String>, &[String])) -> tempfile::TempDir {
    let changed = tempfile::tempdir().expect("a folder");
    let to = changed.path().join(set);
    std::fs::create_dir(&to).expect("made");
    std::fs::copy(records.join("oracles.json"), changed.path().join("oracles.json")).expect("copied");
    let mut tables: Vec<PathBuf> = files(&records.join(set));
    tables.retain(|path| path.to_string_lossy().ends_with(".csv.gz"));
    for path in tables {
        let text = unzip(&path);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let headers: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
        let file = std::fs::File::create(to.join(path.file_name().expect("a name"))).expect("created");
        let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&headers).expect("written");
        for record in reader.records() {
            let mut row: Vec<String> = record.expect("a row").iter().map(str::to_owned).collect();
            change(&mut row, &headers);
            if !row.is_empty() {
                writer.write_record(&row).expect("written");
            }
        }
        out.write_all(&writer.into_inner().expect("flushed")).expect("written");
        out.finish().expect("written");
    }
    changed
}

/// What PostgreSQL takes of a set that would take minutes there: the rows whose number this divides.
const SHARE: u64 = 40;

/// A folder with this share of a set, and with all rows of it where what comes later bears the earlier date.
pub fn share(records: &Path, set: &str, id: &str, (first, later): (&str, &str)) -> tempfile::TempDir {
    changed(records, set, &|row, headers| {
        let cell = |name: &str| {
            let column = headers.iter().position(|header| header == name).expect("a column");
            row[column].as_str()
        };
        let number: u64 = cell(id).parse().expect("a number");
        let backwards = !cell(later).is_empty() && cell(later) < cell(first);
        if !number.is_multiple_of(SHARE) && !backwards {
            row.clear();
        }
    })
}
