//! What a command is decided on, as it comes from a row: built on only where it is whole.

use std::str::FromStr;

use machine::State;
use machine::value::CaseId;

use crate::{Damage, Head, Known, Used, Wrong, damage};

/// A row of either driver, by the names of its columns.
pub(crate) trait Columns {
    /// A text, or none; an error where it is no text.
    fn text(&self, column: &'static str) -> Result<Option<&str>, Wrong>;
    /// A whole number, or none.
    fn int(&self, column: &'static str) -> Result<Option<i64>, Wrong>;
}

/// What a row says of a case and of a key.
pub(crate) fn known(row: &impl Columns) -> Known {
    Known { head: head(row), used: used(row) }
}

/// A head, if an act may be built on it.
fn head(row: &impl Columns) -> Result<Option<Head>, Damage> {
    let id = row.text("case_id").map_err(|wrong| damage("cases", "case_id", "", wrong))?;
    let Some(id) = id else { return Ok(None) };
    // People know a case by its number.
    let name = row.text("number").ok().flatten().unwrap_or(id);
    let bad = |column, problem| damage("cases", column, name, problem);
    let read = |column| {
        let text = row.text(column).map_err(|wrong| bad(column, wrong))?;
        text.ok_or_else(|| bad(column, Wrong::Missing))
    };
    let state: State =
        serde_json::from_str(read("state")?).map_err(|error| bad("state", Wrong::unreadable(error)))?;
    if state.case.to_string() != id {
        return Err(bad("state", Wrong::StateOf { case: state.number }));
    }
    // An act on a wrong hash would break the chain for ever.
    let last_hash = read("last_hash")?.to_owned();
    let act_hash = row.text("act_hash").map_err(|wrong| damage("acts", "hash", name, wrong))?;
    if act_hash != Some(&last_hash) {
        return Err(bad("last_hash", Wrong::NotTheLastHash));
    }
    Ok(Some(Head { state, last_hash }))
}

/// What a key was used for: the row, the case and the version.
fn used(row: &impl Columns) -> Result<Option<Used>, Damage> {
    let key = row.text("key").map_err(|wrong| damage("idempotency", "key", "", wrong))?;
    let Some(key) = key else { return Ok(None) };
    let bad = |column, problem| damage("idempotency", column, key, problem);
    let text = |name, column| {
        let text = row.text(name).map_err(|wrong| bad(column, wrong))?;
        text.ok_or_else(|| bad(column, Wrong::Missing))
    };
    let version = row.int("used_version").ok().flatten().and_then(|version| u32::try_from(version).ok());
    Ok(Some(Used {
        fingerprint: text("fingerprint", "fingerprint")?.to_owned(),
        case: CaseId::from_str(text("used_case_id", "case_id")?).map_err(|_| bad("case_id", Wrong::NoId))?,
        version: version.ok_or_else(|| bad("version", Wrong::OutOfRange))?,
    }))
}
