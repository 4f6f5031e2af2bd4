//! Copying a store to another database.

use engine::copy::Copied;
use serde_json::json;
use store::Place;

use crate::CliError;
use crate::output::Output;

pub(super) async fn copy(from: &Place, to: &Place, out: &mut Output) -> Result<(), CliError> {
    let source = from.open().await?;
    let target = to.receive().await?;
    let copied = engine::copy::copy(source, target).await?;
    print(&copied, (from, to), out)
}

fn print(copied: &Copied, (from, to): (&Place, &Place), out: &mut Output) -> Result<(), CliError> {
    if out.json {
        return Ok(out.value(&json!({ "from": from.to_string(), "to": to.to_string(), "copied": copied }))?);
    }
    let header = ["table", "rows", "digest"].map(|column| out.text(&format!("copy.{column}"), &json!({})));
    let row = |table: &engine::copy::CopiedTable| {
        vec![table.table.to_owned(), table.rows.to_string(), table.digest.clone()]
    };
    out.table(&header, copied.tables.iter().map(row).collect())?;
    let values = json!({
        "to": to.to_string(), "moved": copied.moved, "cases": copied.cases, "acts": copied.acts,
    });
    Ok(out.line(&out.text("copy.done", &values))?)
}
