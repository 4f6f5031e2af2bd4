//! `diagram`: the tracks of a workflow file as Mermaid state diagrams.

use std::path::Path;

use machine::Definition;
use machine::guard::Fact;

use super::setup::compile;
use super::show::label;
use crate::CliError;
use crate::output::Output;

pub(super) fn diagram(file: &Path, out: &mut Output) -> Result<(), CliError> {
    let definition = compile(file, &Default::default())?;
    let tracks: Vec<String> = definition.file().tracks.keys().cloned().collect();
    if out.json {
        let drawn: serde_json::Map<String, serde_json::Value> =
            tracks.iter().map(|track| (track.clone(), draw(&definition, track, out).into())).collect();
        return Ok(out.value(&drawn)?);
    }
    for (index, track) in tracks.iter().enumerate() {
        if index > 0 {
            out.line("")?;
        }
        out.line(&draw(&definition, track, out))?;
    }
    Ok(())
}

/// Text that ends no line and opens no bracket of the notation.
fn plain(text: &str) -> String {
    text.replace([':', ';', '\n', '"', '{', '}'], " ")
}

fn draw(definition: &Definition, name: &str, out: &Output) -> String {
    let Some(track) = definition.file().tracks.get(name) else { return String::new() };
    let mut lines = vec![
        format!("%% {}", plain(label(out, &track.title))),
        "stateDiagram-v2".to_owned(),
        format!("    [*] --> {}", track.initial),
    ];
    for (state, spec) in &track.states {
        let clock = spec.deadline.as_ref().and_then(|clock| definition.deadline(clock));
        let clock = clock.map(|clock| format!(" ⏱ {}", label(out, &clock.title))).unwrap_or_default();
        lines.push(format!("    {state} : {}", plain(&format!("{}{clock}", label(out, &spec.title)))));
        if spec.outcome.is_some() {
            lines.push(format!("    {state} --> [*]"));
        }
    }
    for spec in definition.file().acts.values() {
        for step in &spec.then {
            let Some(to) = step.move_to.get(name) else { continue };
            // Without a place an act is possible anywhere; an opening act starts at the beginning.
            let from: Vec<&String> = match (spec.from.get(name), spec.opens) {
                (_, true) => vec![&track.initial],
                (Some(places), false) => places.names().iter().collect(),
                (None, false) => track.states.keys().filter(|state| *state != to).collect(),
            };
            let guards = [step.only_if.as_deref(), spec.when.as_deref()];
            for from in from {
                if !guards.iter().flatten().all(|guard| may_hold(definition, guard, name, from)) {
                    continue;
                }
                lines.push(format!("    {from} --> {to} : {}", plain(label(out, &spec.title))));
            }
        }
    }
    lines.dedup();
    lines.join("\n")
}

/// Whether a guard can hold while a track stands in a state, whatever the rest of the case is like.
fn may_hold(definition: &Definition, guard: &str, track: &str, state: &str) -> bool {
    let known = |name: &str| (name == track).then(|| Fact::Text(state.to_owned()));
    let needs = definition.guard(guard).and_then(|guard| guard.needs(&known));
    needs.unwrap_or_default().iter().all(|need| need.hangs_on(&|name| name != track))
}
