//! Many cases, as the engine would have written them: some are opened by the engine, and their rows copied under
//! other ids, numbers and keys, with the hash chain counted anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use machine::act::{chain, hex};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use store::table::{ACTS, CASES, HISTORY, IDEMPOTENCY, Kind, NOTICES, OBLIGATIONS, RUNGS, TEXTS, Table};
use store::{Place, Store};

use crate::Result;
use crate::county::tenant;

/// Tables with rows of a case, the acts first: the others name their hashes.
const TABLES: [&Table; 8] = [&ACTS, &CASES, &TEXTS, &OBLIGATIONS, &HISTORY, &RUNGS, &NOTICES, &IDEMPOTENCY];
/// Rows read at a time.
const PAGE_ROWS: u32 = 1_000;
/// Cases written at a time.
const CHUNK_CASES: usize = 5_000;

/// The values of a row, in the order of the columns of its table.
pub type Cells = Vec<Option<String>>;
/// Rows by table.
pub type Rows = Vec<(&'static Table, Vec<Cells>)>;

/// A part of a value.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Id,
    Number,
    Key,
    /// The hash of an act, by its place.
    Hash(usize),
    /// The id of a notice, by its place.
    Notice(usize),
}

type Pattern = Vec<Option<Vec<Piece>>>;

/// A case with holes where its id, its number, its key and its hashes stand.
#[derive(Clone, Debug)]
pub struct Template {
    rows: Vec<(&'static Table, Vec<Pattern>)>,
}

/// What fills the holes.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Counts the copies.
    pub no: usize,
    /// The id of the case.
    pub id: String,
    /// Its number.
    pub number: String,
    /// The key it was opened with.
    pub key: String,
}

impl Identity {
    fn new(year: i32, no: usize) -> Identity {
        let key = format!("copy-{no:08}");
        let id = engine::case_id(&tenant(), &key).to_string();
        Identity { no, id, number: format!("YB-{year}-{no:06}"), key }
    }
}

/// Identities with these numbers, in the order of their ids, so that they are found side by side when written.
pub fn identities(year: i32, numbers: std::ops::Range<usize>) -> Vec<Identity> {
    let mut all: Vec<Identity> = numbers.map(|no| Identity::new(year, no)).collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

/// All rows of some tables, by case.
pub async fn rows_by_case(store: &dyn Store) -> Result<BTreeMap<String, Vec<(&'static Table, Vec<Value>)>>> {
    let mut cases: BTreeMap<String, Vec<(&'static Table, Vec<Value>)>> = BTreeMap::new();
    for table in TABLES {
        let mut after: Option<Vec<Value>> = None;
        loop {
            let page = store.page(&tenant(), table, after.as_deref(), PAGE_ROWS).await?;
            let Some(last) = page.last() else { break };
            after = Some(table.key_of(last));
            for row in page {
                let tables = cases.entry(row["case_id"].as_str().unwrap_or_default().to_owned()).or_default();
                match tables.last_mut() {
                    Some((last, rows)) if last.name == table.name => rows.push(row),
                    _ => tables.push((table, vec![row])),
                }
            }
        }
    }
    Ok(cases)
}

/// The cases of a store as templates, by the key each was opened with.
pub async fn templates(store: &dyn Store) -> Result<BTreeMap<String, Template>> {
    let cases = rows_by_case(store).await?;
    cases.values().map(|rows| template(rows)).collect()
}

fn template(tables: &[(&'static Table, Vec<Value>)]) -> Result<(String, Template)> {
    let of = |table: &Table| tables.iter().find(|(its, _)| its.name == table.name).map(|(_, rows)| rows);
    let head = of(&CASES).and_then(|rows| rows.first()).ok_or("a case has a head")?;
    let first: Value = serde_json::from_str(text(&of(&ACTS).ok_or("a case has acts")?[0]["body"])?)?;
    let key = text(&first["key"])?.to_owned();
    let mut holes = vec![
        (text(&head["case_id"])?.to_owned(), Piece::Id),
        (text(&head["number"])?.to_owned(), Piece::Number),
        (key.clone(), Piece::Key),
    ];
    for (place, act) in of(&ACTS).into_iter().flatten().enumerate() {
        holes.push((text(&act["hash"])?.to_owned(), Piece::Hash(place)));
    }
    for (place, notice) in of(&NOTICES).into_iter().flatten().enumerate() {
        holes.push((text(&notice["notice_id"])?.to_owned(), Piece::Notice(place)));
    }
    let patterns = |(table, rows): &(&'static Table, Vec<Value>)| {
        let rows = rows.iter().map(|row| {
            let cells = table.columns.iter().map(|(name, _)| cell(&row[*name]));
            cells.map(|cell| cell.map(|cell| pieces(&cell, &holes))).collect()
        });
        (*table, rows.collect())
    };
    Ok((key, Template { rows: tables.iter().map(patterns).collect() }))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| format!("no text: {value}").into())
}

/// A value as text.
pub fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Cuts a text at the holes.
fn pieces(mut text: &str, holes: &[(String, Piece)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    loop {
        let found = holes.iter().filter_map(|(hole, piece)| Some((text.find(hole)?, hole.len(), piece)));
        let Some((at, length, piece)) = found.min_by_key(|(at, _, _)| *at) else { break };
        pieces.push(Piece::Text(text[..at].to_owned()));
        pieces.push(piece.clone());
        text = &text[at + length..];
    }
    pieces.push(Piece::Text(text.to_owned()));
    pieces
}

impl Template {
    /// Only the rows of some tables, and of the heads no states.
    pub fn only(&self, tables: &[&Table]) -> Template {
        let wanted = |table: &Table| tables.iter().any(|its| its.name == table.name);
        let mut rows: Vec<_> = self.rows.iter().filter(|(table, _)| wanted(table)).cloned().collect();
        for (table, patterns) in &mut rows {
            let state = table.columns.iter().position(|(column, _)| *column == "state");
            for pattern in patterns {
                if let Some(state) = state {
                    pattern[state] = Some(vec![Piece::Text("{}".to_owned())]);
                }
            }
        }
        Template { rows }
    }

    /// The rows of a case of this kind.
    pub fn rows(&self, identity: &Identity) -> Rows {
        let (mut hashes, mut previous) = (Vec::new(), [0; 32]);
        let mut rows = Vec::with_capacity(self.rows.len());
        let column = |name| ACTS.columns.iter().position(|(column, _)| *column == name).unwrap_or_default();
        let (body, hash) = (column("body"), column("hash"));
        for (table, patterns) in &self.rows {
            let mut filled = Vec::with_capacity(patterns.len());
            for pattern in patterns {
                let mut cells: Cells = pattern.iter().map(|cell| fill(cell, identity, &hashes)).collect();
                if table.name == ACTS.name {
                    previous = chain(&previous, cells[body].as_deref().unwrap_or_default().as_bytes());
                    hashes.push(hex(&previous));
                    cells[hash] = hashes.last().cloned();
                }
                if table.name == TEXTS.name {
                    let text = cells[1].take().unwrap_or_default();
                    let row = store::cells::object(&store::cells::text(&identity.id, &text));
                    cells = TEXTS.columns.iter().map(|(name, _)| cell(&row[*name])).collect();
                }
                filled.push(cells);
            }
            rows.push((*table, filled));
        }
        rows
    }
}

fn fill(cell: &Option<Vec<Piece>>, identity: &Identity, hashes: &[String]) -> Option<String> {
    let mut filled = String::new();
    for piece in cell.as_ref()? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Id => filled.push_str(&identity.id),
            Piece::Number => filled.push_str(&identity.number),
            Piece::Key => filled.push_str(&identity.key),
            Piece::Hash(place) => filled.push_str(hashes.get(*place).map_or("", String::as_str)),
            // Any text as long as theirs, and their own: they are derived from what no copy has.
            Piece::Notice(place) => {
                filled.push_str(&machine::act::digest_hex(format!("{} {place}", identity.id).as_bytes()));
            }
        }
    }
    Some(filled)
}

/// Writes copies of the templates, which take turns, and lets the numbers go on after them.
pub async fn load(place: &Place, templates: &[&Template], identities: &[Identity]) -> Result<()> {
    let mut into = match place {
        Place::File(path) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            // Loaded once; what a power cut would lose is loaded again.
            let options = options.synchronous(sqlx::sqlite::SqliteSynchronous::Off);
            Into::File(SqliteConnection::connect_with(&options).await?)
        }
        Place::Server(url) => Into::Server(PgConnection::connect(url).await?),
    };
    for chunk in identities.chunks(CHUNK_CASES) {
        let mut rows: Rows = TABLES.iter().map(|table| (*table, Vec::new())).collect();
        for identity in chunk {
            for (table, of_case) in templates[identity.no % templates.len()].rows(identity) {
                let all = rows.iter_mut().find(|(its, _)| its.name == table.name);
                all.ok_or("a table of cases")?.1.extend(of_case);
            }
        }
        for (table, rows) in rows.iter().filter(|(_, rows)| !rows.is_empty()) {
            into.write(table, rows).await?;
        }
    }
    let last = identities.iter().map(|identity| identity.no).max().unwrap_or_default();
    into.last_number(i64::try_from(last)?).await
}

/// Where rows are written.
enum Into {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Into {
    async fn write(&mut self, table: &Table, rows: &[Cells]) -> Result<()> {
        let names = table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        match self {
            Into::Server(connection) => {
                let copy = format!("COPY {} (tenant_id, {names}) FROM STDIN", table.name);
                let mut copy = connection.copy_in_raw(&copy).await?;
                copy.send(copy_lines(rows).into_bytes()).await?;
                copy.finish().await?;
            }
            Into::File(connection) => insert(connection, table, &rows.iter().collect::<Vec<_>>()).await?,
        }
        Ok(())
    }

    async fn last_number(&mut self, last: i64) -> Result<()> {
        let statement = "UPDATE case_numbers SET last = $1 WHERE last < $1";
        match self {
            Into::Server(connection) => {
                sqlx::query(statement).bind(last).execute(connection).await.map(drop)?;
            }
            Into::File(connection) => {
                sqlx::query(statement).bind(last).execute(connection).await.map(drop)?;
            }
        }
        Ok(())
    }
}

/// Rows as COPY reads them.
fn copy_lines(rows: &[Cells]) -> String {
    let mut lines = String::new();
    for row in rows {
        lines.push_str(tenant().as_str());
        for cell in row {
            lines.push('\t');
            match cell {
                None => lines.push_str("\\N"),
                Some(text) => text.chars().for_each(|character| match character {
                    '\\' => lines.push_str("\\\\"),
                    '\t' => lines.push_str("\\t"),
                    '\n' => lines.push_str("\\n"),
                    '\r' => lines.push_str("\\r"),
                    other => lines.push(other),
                }),
            }
        }
        // Writing to a string cannot fail.
        writeln!(lines).ok();
    }
    lines
}

/// Inserts rows into a file, all in one statement.
pub async fn insert(connection: &mut SqliteConnection, table: &Table, rows: &[&Cells]) -> Result<()> {
    let names = table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let values = (0..table.columns.len()).map(|place| format!("value->>{place}"));
    let values = values.collect::<Vec<_>>().join(", ");
    let insert =
        format!("INSERT INTO {} (tenant_id, {names}) SELECT $1, {values} FROM jsonb_each($2)", table.name);
    let kinds: Vec<Kind> = table.columns.iter().map(|(_, kind)| *kind).collect();
    let rows: Vec<Value> = rows.iter().map(|row| json_row(&kinds, row)).collect();
    sqlx::query(AssertSqlSafe(insert))
        .bind(tenant().to_string())
        .bind(Value::from(rows).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// A row as a JSON array.
pub fn json_row(kinds: &[Kind], row: &Cells) -> Value {
    let cells = row.iter().zip(kinds).map(|(cell, kind)| match (cell, kind) {
        (None, _) => Value::Null,
        (Some(text), Kind::Int | Kind::Flag) => json!(text.parse::<i64>().unwrap_or_default()),
        (Some(text), Kind::Text | Kind::Bytes) => json!(text),
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use store::Clock;

    use super::*;
    use crate::county;
    use crate::source::Source;

    #[tokio::test]
    async fn copies_are_what_the_engine_would_have_written() {
        let source = Source::new(Clock::Real).await.expect("a source");
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::File(folder.path().join("copies.db"));
        let site = county::found(&place, Clock::Real, source.now).await.expect("a store");
        let due_on = calendar::china().local_date(source.now.utc()) + chrono::Days::new(90);
        county::open_hazard(&site.engine, "own", 0, due_on).await.expect("opened");
        source.load(&place, 2..300).await.expect("loaded");
        let report = engine::verify::verify(site.store.as_ref(), &tenant(), site.engine.catalog()).await;
        let report = report.expect("verified");
        assert_eq!((report.cases, report.faults.len()), (299, 0), "{:?}", report.faults.first());
    }
}
