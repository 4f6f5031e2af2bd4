//! `next`: what a person may do with a case now, what each act needs, and how to type it.

use engine::Engine;
use engine::view::{Ask, Offer, Words};
use machine::value::Value;
use serde_json::json;

use crate::output::{Output, Tone};
use crate::{CliError, input};

mod example;

pub(super) async fn next(
    engine: &Engine,
    number: &str,
    actor: &str,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, definition) = engine.case(number).await?;
    let directory = engine.catalog().directory().await?;
    let actor = input::person(actor, &directory)?;
    let offers = engine.offers(number, &actor, out.language).await?;
    let calendar = engine.catalog().calendar(&definition.file().calendar).await?;
    let today = calendar.local_date(engine.store().clock().await?.utc());
    let example = |offer: &Offer| example::line(&state, &actor, offer, &definition, today);
    if out.json {
        let offers = offers.iter().map(|offer| {
            let mut value = serde_json::to_value(offer).map_err(std::io::Error::other)?;
            value["example"] = example(offer).into();
            Ok(value)
        });
        return Ok(out.value(&offers.collect::<Result<Vec<_>, std::io::Error>>()?)?);
    }
    let words =
        Words { language: out.language, definition: &definition, directory: &directory, calendar: &calendar };
    if offers.is_empty() {
        let person = directory.person_name(&actor.person);
        return Ok(
            out.line(&words.text("next.nothing", &json!({ "person": person, "number": state.number })))?
        );
    }
    for offer in &offers {
        for line in lines(offer, &words, out) {
            out.line(&line)?;
        }
        // No line is shown that would be refused as it stands.
        if offer.is_open() {
            out.line(&format!("    {}", example(offer)))?;
        }
    }
    Ok(())
}

fn lines(offer: &Offer, words: &Words<'_>, out: &Output) -> Vec<String> {
    let id = offer.proposal.map_or_else(|| offer.act.id.clone(), |no| format!("sign {no}"));
    let mut lines = vec![format!("{id}  {}", offer.act.name)];
    if let Some(why) = &offer.refused_text {
        lines.push(format!(
            "    {}",
            out.paint(Tone::Warn, words.text("next.refused", &json!({ "why": why })))
        ));
        return lines;
    }
    if !offer.not_yet.is_empty() {
        let text = words.text("next.not_yet", &json!({ "needs": offer.not_yet }));
        lines.push(format!("    {}", out.paint(Tone::Warn, text)));
    }
    if let Some(why) = &offer.blocked_text {
        let text = words.text("next.blocked", &json!({ "why": why }));
        lines.push(format!("    {}", out.paint(Tone::Warn, text)));
    }
    if offer.proposal.is_some() {
        lines.push(format!("    {}", words.text("next.decline", &json!({ "issuable": offer.issuable }))));
    }
    lines.extend(offer.fields.iter().flat_map(|ask| field(ask, words)).map(|line| format!("    {line}")));
    if !offer.asked.is_empty() {
        lines.push(format!("    {}", words.text("next.asked", &json!({ "needs": offer.asked }))));
    }
    let mut needs =
        |key: &str, values: serde_json::Value| lines.push(format!("    {}", words.text(key, &values)));
    for (kind, count) in &offer.evidence {
        needs("next.evidence", json!({ "kind": kind, "count": count }));
    }
    if let Some(officers) = &offer.officers {
        let people: Vec<_> = officers.people.iter().map(|one| format!("{} {}", one.id, one.name)).collect();
        needs(
            "next.officers",
            json!({ "least": officers.least, "role": officers.role.name, "people": people }),
        );
    }
    if offer.signature {
        needs("next.signature", json!({}));
    }
    if offer.reason {
        needs("next.reason", json!({}));
    }
    lines
}

fn field(ask: &Ask, words: &Words<'_>) -> Vec<String> {
    let kind = serde_json::to_value(ask.kind).unwrap_or_default();
    let word = |value: &Value| words.value(&ask.field.id, value);
    let values = json!({
        "id": ask.field.id, "title": ask.field.name,
        "type": words.text(&format!("type.{}", kind.as_str().unwrap_or_default()), &()),
        "required": ask.required && ask.default.is_none(),
        "default": ask.default.as_ref().map(word), "now": ask.now.as_ref().map(word),
        "choices": ask.choices.iter().map(|choice| format!("{} {}", choice.id, choice.name)).collect::<Vec<_>>(),
    });
    let mut lines = vec![words.text("next.field", &values)];
    if ask.issuable {
        lines.push(format!("  {}", words.text("next.issue", &json!({ "field": ask.field.id }))));
    }
    if let Some(why) = &ask.proposed {
        lines.push(format!("  {}", words.text("next.proposed", &json!({ "why": why }))));
    }
    lines
}
