//! `show`: a case, its clocks and what happened.

use engine::Engine;
use engine::text::Language;
use engine::view::{
    AssignmentView, CaseView, Cause, ClockView, Entry, Named, Post, ProposalView, ShortClock, Words,
};
use machine::Definition;
use machine::act::Signature;
use machine::file::Label;
use machine::state::Status;
use serde_json::json;

use crate::CliError;
use crate::output::{Output, Tone};

pub(crate) fn label<'a>(out: &Output, label: &'a Label) -> &'a str {
    match out.language {
        Language::Zh => &label.zh,
        Language::En => &label.en,
    }
}

pub(super) fn state_title(out: &Output, definition: &Definition, track: &str, state: &str) -> String {
    let spec = definition.file().tracks.get(track).and_then(|track| track.states.get(state));
    spec.map_or_else(|| state.to_owned(), |spec| label(out, &spec.title).to_owned())
}

pub(super) async fn case(engine: &Engine, number: &str, out: &mut Output) -> Result<(), CliError> {
    let view = engine.view(number, out.language).await?;
    let (state, definition) = engine.case(number).await?;
    if out.json {
        let acts = engine.acts(state.case).await?;
        let mut value = serde_json::to_value(&view).map_err(std::io::Error::other)?;
        // As they are kept, besides what people call them.
        value["state"] = serde_json::to_value(&state).map_err(std::io::Error::other)?;
        value["acts"] = serde_json::to_value(&acts).map_err(std::io::Error::other)?;
        return Ok(out.value(&value)?);
    }
    let directory = engine.catalog().directory().await?;
    let calendar = engine.catalog().calendar(&definition.file().calendar).await?;
    let words =
        Words { language: out.language, definition: &definition, directory: &directory, calendar: &calendar };
    let page = Page { words: &words };
    for line in page.case(&view, out) {
        out.line(&line)?;
    }
    Ok(())
}

/// Prints acts.
pub(super) fn timeline(entries: &[Entry], words: &Words<'_>, out: &mut Output) -> Result<(), CliError> {
    let page = Page { words };
    for entry in entries {
        for line in page.entry(entry) {
            out.line(&line)?;
        }
    }
    Ok(())
}

fn names(people: &[Named]) -> Vec<&str> {
    people.iter().map(|person| person.name.as_str()).collect()
}

struct Page<'a> {
    words: &'a Words<'a>,
}

impl Page<'_> {
    fn case(&self, view: &CaseView, out: &Output) -> Vec<String> {
        let words = self.words;
        let mut lines = vec![format!("{}  {}", view.number, view.workflow.name)];
        if let Some(until) = view.muted_until {
            let until = words.moment(until);
            lines.push(format!("  {}", words.text("effect.imported", &json!({ "until": until }))));
        }
        for track in &view.tracks {
            let values = json!({
                "track": track.track.name, "state": track.state.name, "since": words.moment(track.since),
            });
            lines.push(format!("  {}", words.text("show.track", &values)));
        }
        for field in &view.fields {
            let values = json!({ "field": field.field.name, "value": field.text });
            lines.push(format!("  {}", words.text("show.field", &values)));
        }
        for link in &view.links {
            let values = json!({ "number": link.number, "link": link.link });
            let linked = words.text("effect.linked", &values);
            let values = json!({ "linked": linked, "workflow": link.workflow.name });
            lines.push(format!("  {}", words.text("show.link", &values)));
        }
        let mut part = |key: &str, found: Vec<String>| {
            if !found.is_empty() {
                lines.push(words.text(key, &()));
                lines.extend(found.into_iter().map(|line| format!("  {line}")));
            }
        };
        part("show.assignments", view.assignments.iter().flat_map(|a| self.assignment(a)).collect());
        part("show.proposals", view.proposals.iter().flat_map(|p| self.proposal(p)).collect());
        part("show.clocks", view.clocks.iter().flat_map(|clock| self.clock(clock, out)).collect());
        part("show.timeline", view.timeline.iter().flat_map(|entry| self.entry(entry)).collect());
        lines
    }

    fn assignment(&self, view: &AssignmentView) -> Vec<String> {
        let words = self.words;
        let steps = view.steps.iter().map(|step| {
            let values = json!({ "status": step.status, "at": words.moment(step.at) });
            words.text("show.assignment_step", &values)
        });
        let values = json!({
            "no": view.no, "unit": view.unit.name, "duty": view.duty,
            "steps": steps.collect::<Vec<_>>().join(words.language.comma()),
        });
        let line = words.text("show.assignment", &values);
        std::iter::once(line).chain(view.due.iter().map(|clock| self.short(clock))).collect()
    }

    fn short(&self, clock: &ShortClock) -> String {
        let values = json!({
            "clock": clock.clock.name, "due": self.words.due(clock.due), "missed": clock.missed,
            "status": status(&clock.status),
        });
        format!("   {}", self.words.text("show.short_clock", &values))
    }

    fn proposal(&self, view: &ProposalView) -> Vec<String> {
        let words = self.words;
        let values = json!({
            "no": view.no, "what": view.what.name, "signer": view.signer.name, "people": names(&view.people),
            "since": view.since.map(|since| words.moment(since)), "approved": view.approved,
            "by": view.decided_by.as_ref().map(|person| &person.name),
            "at": view.decided_at.map(|at| words.moment(at)), "document": view.document,
        });
        let line = words.text("show.proposal", &values);
        std::iter::once(line).chain(view.due.iter().map(|clock| self.short(clock))).collect()
    }

    fn cause(&self, by: &Cause) -> String {
        let values = json!({
            "version": by.version, "act": by.act.name, "at": self.words.moment(by.at), "reason": by.reason,
            "person": by.person.as_ref().map(|person| &person.name),
        });
        self.words.text("show.cause", &values)
    }

    fn clock(&self, view: &ClockView, out: &Output) -> Vec<String> {
        let words = self.words;
        let standing = match (&view.status, view.days_overdue) {
            (Status::Paused { .. }, _) => out.paint(Tone::Quiet, words.text("explain.paused", &())),
            (Status::Ended { end, .. }, _) => words.text("explain.ended", &json!({ "end": end })),
            (Status::Running, Some(days)) => {
                let values = json!({ "days": days, "by": view.charged_to });
                out.paint(Tone::Bad, words.text("explain.overdue", &values))
            }
            (Status::Running, None) => words.text("explain.running", &()),
        };
        let values = json!({
            "clock": view.clock.name, "of": view.of, "due": words.due(view.due), "standing": standing,
            "supplementary": view.supplementary, "provisional": view.provisional,
            // Said where it would not be seen otherwise: the clock is over, or its date was moved later.
            "missed": view.missed && view.days_overdue.is_none(),
            "breach": words.moment(view.breach_at),
        });
        let mut lines = vec![words.text("show.clock", &values)];
        for date in &view.earlier {
            let values = json!({
                "from": words.due(date.due), "to": words.due(date.became), "why": date.why,
                "cause": self.cause(&date.by),
            });
            lines.push(format!("   {}", words.text("show.earlier", &values)));
        }
        for pause in &view.pauses {
            let until = pause.until.map(|until| words.moment(until));
            let values = json!({ "until": until, "cause": self.cause(&pause.by) });
            lines.push(format!("   {}", words.text("show.pause", &values)));
        }
        if matches!(view.status, Status::Ended { .. }) {
            return lines;
        }
        let unit = view.unit.as_ref().map(|unit| &unit.name);
        let values = json!({ "role": view.owner.name, "unit": unit, "people": names(&view.people) });
        lines.push(format!("   {}", words.text("explain.owner", &values)));
        if let Some(next) = &view.next {
            let values = json!({
                "at": words.moment(next.at), "rung": next.rung.name, "people": names(&next.people),
            });
            lines.push(format!("   {}", words.text("show.next_rung", &values)));
        }
        lines
    }

    fn entry(&self, entry: &Entry) -> Vec<String> {
        let words = self.words;
        let who = match &entry.by {
            None => words.text("worker", &()),
            Some(Post { person, post, unit }) => {
                let values = json!({ "person": person.name, "post": post.name, "unit": unit.name });
                words.text("show.who", &values)
            }
        };
        let at = words.moment(entry.at);
        let mut lines = vec![format!("{:>3}  {at}  {}  {who}", entry.version, entry.act.name)];
        let (signed, refused) = match &entry.signature {
            Some(Signature::Signed(name)) => (Some(name), None),
            Some(Signature::Refused(reason)) => (None, Some(reason)),
            None => (None, None),
        };
        let mut said =
            |key: &str, values: serde_json::Value| lines.push(format!("     {}", words.text(key, &values)));
        if let Some(day) = entry.occurred_on {
            said("show.occurred_on", json!({ "day": day }));
        }
        if let Some(person) = &entry.entered_for {
            said("show.entered_for", json!({ "person": person.name }));
        }
        if !entry.officers.is_empty() {
            said("show.officers", json!({ "officers": names(&entry.officers) }));
        }
        if entry.signature.is_some() {
            said("show.signature", json!({ "signed": signed, "refused": refused }));
        }
        for piece in &entry.evidence {
            said(
                "show.evidence",
                json!({ "kind": piece.kind, "digest": piece.digest.get(..12), "bytes": piece.size_bytes }),
            );
        }
        if let Some(reason) = &entry.reason {
            said("show.reason", json!({ "reason": reason }));
        }
        lines.extend(entry.effects.iter().map(|effect| format!("     {effect}")));
        lines
    }
}

fn status(status: &Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Paused { .. } => "paused",
        Status::Ended { end: machine::act::End::Met, .. } => "met",
        Status::Ended { end: machine::act::End::Cancelled, .. } => "cancelled",
    }
}
