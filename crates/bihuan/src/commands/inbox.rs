//! Digests of a person.

use engine::Engine;
use machine::value::PersonId;

use crate::CliError;
use crate::output::Output;

pub(crate) async fn inbox(engine: &Engine, person: &str, out: &mut Output) -> Result<(), CliError> {
    let rows = engine.store().inbox(engine.tenant(), &PersonId(person.to_owned()), 100).await?;
    if out.json {
        return Ok(out.value(&rows)?);
    }
    for digest in rows {
        out.line(&format!("{}  {}", digest.day, digest.notices))?;
        for line in digest.lines {
            out.line(&format!("    {}  {}  {}", line.number, line.rung, line.measure))?;
        }
    }
    Ok(())
}
