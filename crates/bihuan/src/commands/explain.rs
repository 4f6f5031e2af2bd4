//! `explain`: why a date is what it is, what moved it, what comes next, and who owes it.

use calendar::DayKind;
use chrono::NaiveDate;
use engine::Engine;
use engine::view::Words;
use machine::explain::{self, Context, Explanation, Leg, NextRung, Span};
use machine::value::PersonId;
use serde_json::json;

use crate::CliError;
use crate::error::usage;
use crate::output::Output;

pub(super) async fn explain(
    engine: &Engine,
    number: &str,
    name: Option<&str>,
    out: &mut Output,
) -> Result<(), CliError> {
    let (state, definition) = engine.case(number).await?;
    let acts = engine.acts(state.case).await?;
    let now = engine.store().clock().await?;
    let Some(deadline) = explain::choose(&state, name, now) else {
        let known: Vec<_> = state.deadlines.iter().map(|deadline| deadline.name.as_str()).collect();
        let values = json!({ "number": state.number, "name": name, "known": known });
        return Err(usage("BH0064", values));
    };
    let calendar = engine.catalog().calendar(&deadline.calendar).await?;
    let counted_with = engine.catalog().counted_with(&deadline.calendar, &acts).await?;
    let directory = engine.catalog().directory().await?;
    let context = Context {
        definition: &definition,
        state: &state,
        acts: &acts,
        calendar: &calendar,
        counted_with: &counted_with,
        directory: &directory,
        now,
    };
    let explanation = explain::explain(&context, deadline);
    let counters = engine.counters(&state, &definition).await?;
    if out.json {
        let mut value = serde_json::to_value(&explanation).map_err(std::io::Error::other)?;
        value["counters"] = json!(counters);
        return Ok(out.value(&value)?);
    }
    let words =
        Words { language: out.language, definition: &definition, directory: &directory, calendar: &calendar };
    for line in (Account { words: &words }).lines(&explanation, out) {
        out.line(&line)?;
    }
    for counted in counters.iter().filter(|counted| counted.count > 0) {
        let mut values = json!(counted);
        values["title"] = json!(out.language.of(&counted.title));
        out.line(&out.text("explain.counter", &values))?;
    }
    Ok(())
}

struct Account<'a> {
    words: &'a Words<'a>,
}

impl Account<'_> {
    fn lines(&self, told: &Explanation, out: &Output) -> Vec<String> {
        let words = self.words;
        let clock = words.clock(&told.name);
        let standing = match &told.status {
            machine::state::Status::Paused { .. } => out.text("explain.paused", &json!({})),
            machine::state::Status::Ended { end, .. } => out.text("explain.ended", &json!({ "end": end })),
            machine::state::Status::Running => match told.days_overdue {
                Some(days) => out.text("explain.overdue", &json!({ "days": days, "by": told.charged_to })),
                None => out.text("explain.running", &json!({})),
            },
        };
        let mut lines = vec![
            format!("{}  {clock}: {}  {standing}", told.number, words.due(told.due)),
            out.text("explain.rule", &json!({ "rule": self.rule(told, out), "source": told.rule.source })),
        ];
        if let Some(when) = &told.rule.when {
            lines.push(out.text("explain.when", &json!({ "when": when })));
        }
        let calendar = json!({
            "id": told.calendar, "version": told.calendar_version, "provisional": told.provisional,
        });
        lines.push(out.text("explain.calendar", &calendar));
        let several = told.legs.iter().any(|leg| leg.calendar_version != told.calendar_version);
        for leg in &told.legs {
            lines.extend(self.leg(leg, several, out));
        }
        for pause in &told.pauses {
            let values = json!({
                "from": words.moment(pause.by.at), "until": pause.until.map(|until| words.moment(until)),
                "remaining": pause.remaining, "version": pause.by.version, "reason": pause.by.reason,
            });
            lines.push(out.text("explain.pause", &values));
        }
        // What was answered in time is never overdue, and what stands still is not by a day known today.
        if told.missed || told.status == machine::state::Status::Running {
            let breach = json!({ "at": words.moment(told.breach_at), "missed": told.missed });
            lines.push(out.text("explain.breach", &breach));
        }
        if !told.recorded.is_empty() {
            lines.push(out.text("explain.recorded", &json!({})));
        }
        for rung in &told.recorded {
            let title = words.rung(&rung.ladder, &rung.rung);
            let values = json!({
                "at": words.moment(rung.due_at), "title": title, "result": rung.result,
                "people": rung.recipients.len(), "repeat": rung.repeat,
            });
            lines.push(format!("  {}", out.text("explain.rung", &values)));
        }
        lines.push(match &told.next {
            Some(next) => self.next(next, out),
            None => out.text("explain.nothing_next", &json!({})),
        });
        // What has ended nobody owes any more.
        if matches!(told.status, machine::state::Status::Ended { .. }) {
            return lines;
        }
        let role = words.role(&told.owner.role);
        let values = json!({
            "role": role, "people": self.people(&told.owner.people),
            "unit": told.owner.unit.as_ref().map(|unit| words.unit(unit.as_str())),
        });
        lines.push(out.text("explain.owner", &values));
        lines
    }

    fn people<'p>(&'p self, people: &'p [PersonId]) -> Vec<&'p str> {
        people.iter().map(|person| self.words.directory.person_name(person)).collect()
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
        let values = json!({
            "value": value, "field": field.map(|field| self.words.field(field)), "given": told.rule.given, "anchor": told.rule.anchor,
            "hours_from": told.rule.hours_from.map(|from| self.words.moment(from)),
        });
        out.text(&format!("explain.term.{kind}"), &values)
    }

    /// How a date was counted; `several`: not all dates of the clock with the same calendar.
    fn leg(&self, leg: &Leg, several: bool, out: &Output) -> Vec<String> {
        // To the hour: days say nothing of it.
        let is_moment = matches!(leg.due, machine::time::Due::Moment(_));
        let values = json!({
            "from": leg.from, "to": leg.to, "due": self.words.due(leg.due), "working_days": leg.working_days,
            "moment": is_moment,
            "calendar_days": leg.calendar_days, "why": leg.why,
            "calendar": several.then_some(&leg.calendar_version), "provisional": leg.provisional,
            "version": leg.by.as_ref().map(|by| by.version),
            "reason": leg.by.as_ref().and_then(|by| by.reason.clone()),
            "person": leg.by.as_ref().and_then(|by| by.person.as_ref()).map(|id| self.words.directory.person_name(id)),
        });
        let mut lines = vec![out.text("explain.leg", &values)];
        lines
            .extend(leg.days.iter().filter(|_| !is_moment).map(|span| format!("  {}", span_line(span, out))));
        if let Some(nominal) = leg.rolled_from {
            let values = json!({ "nominal": nominal, "due": self.words.due(leg.due) });
            lines.push(format!("  {}", out.text("explain.rolled", &values)));
        }
        lines
    }

    fn next(&self, next: &NextRung, out: &Output) -> String {
        let words = self.words;
        let values = json!({
            "at": words.moment(next.at), "title": words.rung(&next.ladder, &next.rung),
            "measure": next.measure, "people": self.people(&next.people), "every": next.every_working_days,
            "roles": next.to.iter().map(|role| words.role(role)).collect::<Vec<_>>(),
            "signer": next.signer.as_ref().map(|role| words.role(role)),
        });
        out.text("explain.next", &values)
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
