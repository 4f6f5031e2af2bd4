//! Digests of a person.

use engine::Engine;
use machine::value::PersonId;
use serde_json::json;

use crate::CliError;
use crate::error::usage;
use crate::output::Output;

/// Digests shown: the newest.
const DIGESTS_MAX: u32 = 5;

pub(crate) async fn inbox(engine: &Engine, person: &str, out: &mut Output) -> Result<(), CliError> {
    let person = PersonId(person.to_owned());
    if !engine.catalog().directory().await?.knows(&person) {
        return Err(usage("BH0063", json!({ "person": person })));
    }
    let digests = engine.inbox(&person, out.language, DIGESTS_MAX).await?;
    if out.json {
        return Ok(out.value(&digests)?);
    }
    if digests.is_empty() {
        return Ok(out.line(&out.text("inbox.empty", &json!({ "person": person })))?);
    }
    for (index, digest) in digests.iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        out.line(&digest.text)?;
    }
    Ok(())
}
