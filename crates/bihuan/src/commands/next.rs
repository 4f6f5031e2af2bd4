//! `next`: what a person may do with a case now, what each act needs, and how to type it.

use engine::Engine;
use engine::view::{Ask, Offer, Words};
use machine::Person;
use machine::file::FieldType;
use machine::value::Value;
use serde_json::json;

use crate::output::{Output, Tone};
use crate::{CliError, input};

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
    if out.json {
        let offers = offers.iter().map(|offer| {
            let mut value = serde_json::to_value(offer).map_err(std::io::Error::other)?;
            value["example"] = example(&state.number, &actor, offer).into();
            Ok(value)
        });
        return Ok(out.value(&offers.collect::<Result<Vec<_>, std::io::Error>>()?)?);
    }
    let calendar = engine.catalog().calendar(&definition.file().calendar).await?;
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
        if offer.refused.is_none() {
            out.line(&format!("    {}", example(&state.number, &actor, offer)))?;
        }
    }
    Ok(())
}

fn lines(offer: &Offer, words: &Words<'_>, out: &Output) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", offer.act.id, offer.act.name)];
    if let Some(why) = &offer.refused_text {
        lines.push(format!(
            "    {}",
            out.paint(Tone::Warn, words.text("next.refused", &json!({ "why": why })))
        ));
        return lines;
    }
    if !offer.not_yet.is_empty() {
        let text = words.text("next.not_yet", &json!({ "atoms": offer.not_yet }));
        lines.push(format!("    {}", out.paint(Tone::Warn, text)));
    }
    lines.extend(offer.fields.iter().flat_map(|ask| field(ask, words)).map(|line| format!("    {line}")));
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
    if let Some(why) = &ask.proposed {
        lines.push(format!("  {}", words.text("next.proposed", &json!({ "why": why }))));
    }
    lines
}

/// The command, with the values the file proposes and a place to fill in for each other one needed.
fn example(number: &str, actor: &Person, offer: &Offer) -> String {
    let mut words = vec![
        format!("bihuan act {number} {}", offer.act.id),
        format!("--as {}/{}", actor.person, actor.post),
    ];
    for ask in offer.fields.iter().filter(|ask| ask.required && ask.default.is_none()) {
        words.push(format!("--field {}={}", ask.field.id, sample(ask)));
    }
    for (kind, count) in &offer.evidence {
        let pieces = (1..=*count).map(|no| format!("--evidence {kind}={kind}-{no}.jpg"));
        words.extend(pieces);
    }
    let officers = offer.officers.iter().flat_map(|officers| {
        let known =
            officers.people.iter().map(|one| one.id.clone()).chain(std::iter::repeat("PERSON".to_owned()));
        known.take(usize::try_from(officers.least).unwrap_or_default())
    });
    words.extend(officers.map(|officer| format!("--officer {officer}")));
    if offer.signature {
        words.push("--signed NAME".to_owned());
    }
    if offer.reason {
        words.push("--reason TEXT".to_owned());
    }
    words.join(" ")
}

fn sample(ask: &Ask) -> String {
    if let Some(proposed) = &ask.proposed {
        return proposed.day.to_string();
    }
    if let Some(choice) = ask.choices.first() {
        return choice.id.clone();
    }
    let place = match ask.kind {
        FieldType::Text | FieldType::Choice => "TEXT",
        FieldType::Int => "NUMBER",
        FieldType::Bool => "true",
        FieldType::Date => "YYYY-MM-DD",
        FieldType::Moment => "YYYY-MM-DDTHH:MM:SS+08:00",
        FieldType::Unit => "UNIT",
        FieldType::Units => "UNIT,UNIT",
        FieldType::Person => "PERSON",
    };
    place.to_owned()
}
