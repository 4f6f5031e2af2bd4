//! `explain`: why a date is what it is, what moved it, what comes next, and who owes it.

use calendar::DayKind;
use chrono::NaiveDate;
use engine::Engine;
use machine::Definition;
use machine::command::Directory;
use machine::explain::{self, Context, Explanation, Leg, NextRung, Span};
use serde_json::json;

use super::show::{due, label, unit_name};
use crate::CliError;
use crate::output::Output;

pub(super) async fn explain(
    engine: &Engine,
    number: &str,
    name: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, definition) = engine.case(number).await?;
    let acts = engine.acts(state.case).await?;
    let Some(deadline) = explain::choose(&state, name) else {
        let known: Vec<_> = state.deadlines.iter().map(|deadline| deadline.name.as_str()).collect();
        let values = json!({ "number": state.number, "name": name, "known": known });
        return Err(CliError::Usage(out.text("explain.no_clock", &values)));
    };
    let calendar = engine.catalog().calendar_version(&deadline.calendar, &deadline.calendar_version).await?;
    let directory = engine.catalog().directory().await?;
    let now = engine.store().clock().await?;
    let context = Context {
        definition: &definition,
        state: &state,
        acts: &acts,
        calendar: &calendar,
        directory: &directory,
        now,
    };
    let explanation = explain::explain(&context, deadline);
    if out.json {
        return Ok(out.value(&explanation)?);
    }
    let words = Words { definition: &definition, directory: &directory, calendar: &calendar };
    for line in words.lines(&explanation, out) {
        out.line(&line)?;
    }
    Ok(())
}

struct Words<'a> {
    definition: &'a Definition,
    directory: &'a Directory,
    calendar: &'a calendar::Calendar,
}

impl Words<'_> {
    fn lines(&self, told: &Explanation, out: &Output) -> Vec<String> {
        let clock = self.definition.deadline(&told.name);
        let clock = clock.map_or(told.name.as_str(), |spec| label(out, &spec.title));
        let standing = match &told.status {
            machine::state::Status::Paused { .. } => out.text("explain.paused", &json!({})),
            machine::state::Status::Ended { end, .. } => out.text("explain.ended", &json!({ "end": end })),
            machine::state::Status::Running => match told.days_overdue {
                Some(days) => out.text("explain.overdue", &json!({ "days": days, "by": told.charged_to })),
                None => out.text("explain.running", &json!({})),
            },
        };
        let mut lines = vec![
            format!("{}  {clock}: {}  {standing}", told.number, due(told.due)),
            out.text("explain.rule", &json!({ "rule": self.rule(told, out), "source": told.rule.source })),
        ];
        if let Some(when) = &told.rule.when {
            lines.push(out.text("explain.when", &json!({ "when": when })));
        }
        let calendar = json!({
            "id": told.calendar, "version": told.calendar_version, "provisional": told.provisional,
        });
        lines.push(out.text("explain.calendar", &calendar));
        for leg in &told.legs {
            lines.extend(self.leg(leg, out));
        }
        for pause in &told.pauses {
            let values = json!({
                "from": self.moment(pause.by.at), "until": pause.until.map(|until| self.moment(until)),
                "remaining": pause.remaining, "version": pause.by.version, "reason": pause.by.reason,
            });
            lines.push(out.text("explain.pause", &values));
        }
        let breach = json!({ "at": self.moment(told.breach_at), "missed": told.missed });
        lines.push(out.text("explain.breach", &breach));
        if !told.recorded.is_empty() {
            lines.push(out.text("explain.recorded", &json!({})));
        }
        for rung in &told.recorded {
            let title = self.rung_title(&rung.ladder, &rung.rung, out);
            let values = json!({
                "at": self.moment(rung.due_at), "title": title, "result": rung.result,
                "people": rung.recipients.len(), "repeat": rung.repeat,
            });
            lines.push(format!("  {}", out.text("explain.rung", &values)));
        }
        lines.push(match &told.next {
            Some(next) => self.next(next, out),
            None => out.text("explain.nothing_next", &json!({})),
        });
        let role = self.role(&told.owner.role, out);
        let values = json!({
            "role": role, "people": told.owner.people,
            "unit": told.owner.unit.as_ref().map(|unit| unit_name(self.directory, unit.as_str())),
        });
        lines.push(out.text("explain.owner", &values));
        lines
    }

    fn rule(&self, told: &Explanation, out: &Output) -> String {
        let term = serde_json::to_value(&told.rule.term).unwrap_or_default();
        let (kind, value) = match &term {
            serde_json::Value::Object(map) => {
                map.iter().next().map(|(kind, value)| (kind.clone(), value.clone())).unwrap_or_default()
            }
            _ => Default::default(),
        };
        let field = match &value {
            serde_json::Value::String(field) => Some(field.as_str()),
            other => other["field"].as_str(),
        };
        let title =
            field.and_then(|field| self.definition.field(field)).map(|field| label(out, &field.title));
        let values = json!({
            "value": value, "field": title, "given": told.rule.given, "anchor": told.rule.anchor,
        });
        out.text(&format!("explain.term.{kind}"), &values)
    }

    fn leg(&self, leg: &Leg, out: &Output) -> Vec<String> {
        let values = json!({
            "from": leg.from, "to": leg.to, "due": due(leg.due), "working_days": leg.working_days,
            "calendar_days": leg.calendar_days, "why": leg.why,
            "version": leg.by.as_ref().map(|by| by.version),
            "reason": leg.by.as_ref().and_then(|by| by.reason.clone()),
            "person": leg.by.as_ref().and_then(|by| by.person.clone()),
        });
        let mut lines = vec![out.text("explain.leg", &values)];
        lines.extend(leg.days.iter().map(|span| format!("  {}", span_line(span, out))));
        if let Some(nominal) = leg.rolled_from {
            let values = json!({ "nominal": nominal, "due": due(leg.due) });
            lines.push(format!("  {}", out.text("explain.rolled", &values)));
        }
        lines
    }

    fn next(&self, next: &NextRung, out: &Output) -> String {
        let values = json!({
            "at": self.moment(next.at), "title": self.rung_title(&next.ladder, &next.rung, out),
            "measure": next.measure, "people": next.people, "every": next.every_working_days,
            "roles": next.to.iter().map(|role| self.role(role, out)).collect::<Vec<_>>(),
            "signer": next.signer.as_ref().map(|role| self.role(role, out)),
        });
        out.text("explain.next", &values)
    }

    fn role(&self, role: &str, out: &Output) -> String {
        match self.definition.file().roles.get(role) {
            Some(spec) => label(out, &spec.title).to_owned(),
            None if role == "assignee" => out.text("explain.assignee", &json!({})),
            None => role.to_owned(),
        }
    }

    /// A rung is called by what it marks, drafts or proposes, else by its text.
    fn rung_title(&self, ladder: &str, rung: &str, out: &Output) -> String {
        let spec = self.definition.file().ladders.get(ladder);
        let spec = spec.and_then(|rungs| rungs.iter().find(|spec| spec.rung == rung));
        let names = spec.into_iter().flat_map(|spec| spec.what.iter().chain(&spec.template));
        let mut titles = names.filter_map(|name| engine::notice::title(out.language, name));
        titles.next().map_or_else(|| rung.to_owned(), str::to_owned)
    }

    fn moment(&self, at: machine::Instant) -> String {
        at.utc().with_timezone(&self.calendar.zone()).format("%Y-%m-%d %H:%M").to_string()
    }
}

fn span_line(span: &Span, out: &Output) -> String {
    let days = |from: NaiveDate, to: NaiveDate| {
        if from == to { from.to_string() } else { format!("{from} – {to}") }
    };
    let kind = match span.kind {
        DayKind::Working => "working",
        DayKind::MakeUp => "make_up",
        DayKind::Weekend => "weekend",
        DayKind::Off => "off",
    };
    let values = json!({
        "kind": kind, "holiday": span.holiday, "first": span.first, "last": span.last,
        "provisional": span.provisional,
    });
    format!("{:<24}{}", days(span.from, span.to), out.text("explain.span", &values))
}
