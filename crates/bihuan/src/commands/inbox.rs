//! Digests of a person.

use engine::Engine;
use machine::value::PersonId;
use serde_json::json;

use crate::CliError;
use crate::error::usage;
use crate::output::Output;

/// Digests shown at a time.
const DIGESTS_MAX: u32 = 5;

pub(crate) async fn inbox(
    engine: &Engine,
    person: &str,
    before: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let before = before.map(calendar::parse_date).transpose()?;
    let person = PersonId(person.to_owned());
    if !engine.catalog().directory().await?.knows(&person) {
        return Err(usage("BH0063", json!({ "person": person })));
    }
    // One more than is shown, to know whether there are older ones.
    let mut digests = engine.inbox(&person, out.language, before, DIGESTS_MAX + 1).await?;
    let shown = usize::try_from(DIGESTS_MAX).unwrap_or(usize::MAX);
    let older = digests.len() > shown;
    digests.truncate(shown);
    if out.json {
        return Ok(out.value(&digests)?);
    }
    if digests.is_empty() {
        let values = json!({ "person": person, "before": before });
        return Ok(out.line(&out.text("inbox.empty", &values))?);
    }
    for (index, digest) in digests.iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        out.line(&digest.text)?;
    }
    if let Some(oldest) = digests.last().filter(|_| older) {
        out.line("")?;
        out.line(&out.text("inbox.older", &json!({ "day": oldest.day })))?;
    }
    Ok(())
}
