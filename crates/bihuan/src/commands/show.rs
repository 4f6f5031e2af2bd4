//! What a person looks at: a case, and what may be done with it.

use engine::Engine;
use machine::act::End;
use machine::command::Directory;
use machine::time::Due;
use machine::{Act, Definition, Effect, State};
use serde_json::json;

use crate::output::Output;
use crate::{CliError, input};
use engine::text::Language;
use machine::file::Label;

pub(crate) fn label<'a>(out: &Output, label: &'a Label) -> &'a str {
    match out.language {
        Language::Zh => &label.zh,
        Language::En => &label.en,
    }
}

pub(super) fn due(due: Due) -> String {
    store::due_text(due)
}

/// The name of a unit; its id where the organisation does not know it.
pub(super) fn unit_name(directory: &Directory, id: &str) -> String {
    let unit = directory.units.iter().find(|unit| unit.id.as_str() == id);
    unit.map_or_else(|| id.to_owned(), |unit| unit.name.clone())
}

pub(super) fn state_title(out: &Output, definition: &Definition, track: &str, state: &str) -> String {
    let spec = definition.file().tracks.get(track).and_then(|track| track.states.get(state));
    spec.map_or_else(|| state.to_owned(), |spec| label(out, &spec.title).to_owned())
}

pub(crate) async fn case(engine: &Engine, number: &str, out: &mut Output) -> Result<(), CliError> {
    let (state, definition) = engine.case(number).await?;
    let acts = engine.acts(state.case).await?;
    if out.json {
        return Ok(out.value(&json!({ "state": state, "acts": acts }))?);
    }
    out.line(&format!("{}  {}", state.number, label(out, &definition.file().title)))?;
    for (track, position) in &state.tracks {
        let title =
            definition.file().tracks.get(track).map_or(track.as_str(), |spec| label(out, &spec.title));
        out.line(&format!("  {title}: {}", state_title(out, &definition, track, &position.state)))?;
    }
    for (name, value) in &state.fields {
        let field = definition.field(name);
        let title = field.map_or(name.as_str(), |field| label(out, &field.title));
        // The state holds its digest; the value itself is nothing for everybody who looks at the case.
        let personal = field.is_some_and(|field| field.personal);
        let value = if personal { out.text("show.kept_apart", &json!({})) } else { value.to_string() };
        out.line(&format!("  {title}: {value}"))?;
    }
    for link in &state.links {
        out.line(&format!("  {}", out.text("effect.linked", link)))?;
    }
    timeline(&acts, &definition, &state, out)
}

pub(crate) fn timeline(
    acts: &[Act],
    definition: &Definition,
    state: &State,
    out: &mut Output,
) -> Result<(), CliError> {
    for act in acts {
        let title = match definition.act(&act.name) {
            Some(spec) => label(out, &spec.title).to_owned(),
            None => out.text(&format!("act.{}", act.name), &json!({})),
        };
        let who =
            act.actor.person().map_or_else(|| out.text("worker", &json!({})), |who| who.person.to_string());
        let local = act.at.utc().with_timezone(&chrono_offset());
        out.line(&format!("{:>3}  {}  {title}  {who}", act.version, local.format("%Y-%m-%d %H:%M")))?;
        if let Some(reason) = &act.reason {
            out.line(&format!("       “{reason}”"))?;
        }
        for effect in &act.effects {
            if let Some(line) = effect_line(effect, definition, state, out) {
                out.line(&format!("       {line}"))?;
            }
        }
    }
    Ok(())
}

/// China has one zone without summer time since 1991.
fn chrono_offset() -> chrono::FixedOffset {
    chrono::FixedOffset::east_opt(8 * 3600).unwrap_or_else(|| chrono::Offset::fix(&chrono::Utc))
}

fn effect_line(effect: &Effect, definition: &Definition, state: &State, out: &Output) -> Option<String> {
    let clock = |no: u32| {
        let name = state.deadlines.iter().find(|deadline| deadline.no == no).map(|d| d.name.clone());
        let name = name.unwrap_or_default();
        definition.deadline(&name).map_or(name, |spec| label(out, &spec.title).to_owned())
    };
    let due_of =
        |no: u32| state.deadlines.iter().find(|d| d.no == no).map(|d| due(d.due)).unwrap_or_default();
    Some(match effect {
        Effect::Moved { track, from, to } => {
            let (from, to) =
                (state_title(out, definition, track, from), state_title(out, definition, track, to));
            out.text("effect.moved", &json!({ "from": from, "to": to }))
        }
        Effect::DeadlineStarted { deadline } => {
            let title = definition.deadline(&deadline.name).map_or("", |spec| label(out, &spec.title));
            out.text("effect.started", &json!({ "clock": title, "due": due(deadline.due) }))
        }
        Effect::DeadlineMoved { no, why, due: to, .. } => {
            out.text("effect.moved_due", &json!({ "clock": clock(*no), "due": due(*to), "why": why }))
        }
        Effect::DeadlinePaused { no, .. } => out.text("effect.paused", &json!({ "clock": clock(*no) })),
        Effect::DeadlineMissed { no } => {
            out.text("effect.missed", &json!({ "clock": clock(*no), "due": due_of(*no) }))
        }
        Effect::DeadlineEnded { no, end } => {
            let end = if *end == End::Met { "met" } else { "cancelled" };
            out.text("effect.ended", &json!({ "clock": clock(*no), "end": end }))
        }
        Effect::RungRecorded { rung } => out.text(
            "effect.rung",
            &json!({
                "clock": clock(rung.deadline_no), "rung": rung.rung, "result": rung.result,
                "recipients": rung.recipients.len(),
            }),
        ),
        Effect::ProposalMade { no, what, signer } => {
            out.text("effect.proposal", &json!({ "no": no, "what": what, "signer": signer }))
        }
        Effect::Linked { number, link, .. } => {
            out.text("effect.linked", &json!({ "number": number, "link": link }))
        }
        Effect::AssignmentSent { unit, .. } => out.text("effect.assigned", &json!({ "unit": unit })),
        Effect::Imported { muted_until } => out.text("effect.imported", &json!({ "until": muted_until })),
        Effect::Numbered { .. }
        | Effect::Entered { .. }
        | Effect::FieldSet { .. }
        | Effect::ProposalDecided { .. }
        | Effect::AssignmentMoved { .. }
        | Effect::Restored { .. } => return None,
    })
}

pub(crate) async fn next(
    engine: &Engine,
    number: &str,
    actor: &str,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, definition) = engine.case(number).await?;
    let directory = engine.catalog().directory().await?;
    let actor = input::person(actor, &directory)?;
    let possible = engine.next(&state, &definition, &actor).await?;
    if out.json {
        return Ok(out.value(&possible)?);
    }
    for act in possible {
        let title = definition.act(&act.act).map_or("", |spec| label(out, &spec.title)).to_owned();
        let mut needs = act.requires.clone();
        needs.extend(act.evidence.iter().map(|(kind, count)| format!("{kind}×{count}")));
        if act.officers > 0 {
            needs.push(format!("officer×{}", act.officers));
        }
        out.line(format!("{}  {title}  {}", act.act, needs.join(", ")).trim_end())?;
        for proposed in &act.proposed {
            let field = definition.field(&proposed.field);
            let field = field.map_or(proposed.field.as_str(), |field| label(out, &field.title));
            out.line(&format!(
                "    {}",
                out.text("next.proposed", &json!({ "field": field, "why": proposed }))
            ))?;
        }
    }
    Ok(())
}
