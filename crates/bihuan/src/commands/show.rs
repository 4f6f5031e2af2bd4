//! What a person looks at: a case, the list, what is owed.

use engine::Engine;
use machine::act::End;
use machine::time::Due;
use machine::value::PersonId;
use machine::{Act, Definition, Effect, State};
use serde_json::json;
use store::LedgerRow;

use crate::output::Output;
use crate::{CliError, input};
use engine::text::Language;
use machine::file::Label;

fn label<'a>(out: &Output, label: &'a Label) -> &'a str {
    match out.language {
        Language::Zh => &label.zh,
        Language::En => &label.en,
    }
}

fn due(due: Due) -> String {
    store::due_text(due)
}

fn state_title(out: &Output, definition: &Definition, track: &str, state: &str) -> String {
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
        out.line(&format!("  {title}: {value}"))?;
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
        Effect::AssignmentSent { unit, .. } => out.text("effect.assigned", &json!({ "unit": unit })),
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
    }
    Ok(())
}

pub(crate) async fn ledger(
    engine: &Engine,
    rows: &[LedgerRow],
    csv: bool,
    out: &mut Output,
) -> Result<(), CliError> {
    if out.json {
        return Ok(out.value(&rows)?);
    }
    let now = engine.store().clock().await?;
    let today = engine.catalog().calendar("cn").await?.local_date(now.utc());
    let header: Vec<String> = ["number", "state", "enterprise", "unit", "due", "lamp"]
        .iter()
        .map(|name| out.text(&format!("ledger.{name}"), &json!({})))
        .collect();
    let mut lines = Vec::new();
    for row in rows {
        let definition = engine.catalog().definition(&row.definition_hash).await?;
        lines.push(vec![
            row.number.clone(),
            state_title(out, &definition, "main", &row.main_state),
            row.enterprise.clone().unwrap_or_default(),
            row.owner_unit.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.legal_due.clone().unwrap_or_default(),
            lamp(row, today, out),
        ]);
    }
    if csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&header).map_err(std::io::Error::other)?;
        for line in &lines {
            writer.write_record(line.iter().map(|cell| inert(cell))).map_err(std::io::Error::other)?;
        }
        let bytes = writer.into_inner().map_err(std::io::Error::other)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok(out.line(text.trim_end())?);
    }
    Ok(out.table(&header, lines)?)
}

/// A cell that a spreadsheet will not take for a formula.
fn inert(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    if formula { format!("'{cell}") } else { cell.to_owned() }
}

/// The lamp of a case: always a word, never stored, a range of dates.
fn lamp(row: &LedgerRow, today: chrono::NaiveDate, out: &Output) -> String {
    let day = row.legal_due.as_deref().and_then(|due| calendar::parse_date(due).ok());
    let (key, days) = match day {
        _ if row.at_rest => ("closed", 0),
        Some(day) if row.overdue_enterprise => ("overdue", (today - day).num_days()),
        Some(day) if day == today => ("today", 0),
        Some(day) if (1..=7).contains(&(day - today).num_days()) => ("soon", 0),
        Some(_) => ("normal", 0),
        None => ("none", 0),
    };
    out.text(&format!("lamp.{key}"), &json!({ "days": days }))
}

pub(crate) async fn owes(engine: &Engine, unit: Option<&str>, out: &mut Output) -> Result<(), CliError> {
    let rows = engine.store().owes(engine.tenant(), unit, 1_000).await?;
    if out.json {
        return Ok(out.value(&rows)?);
    }
    let lines = rows.into_iter().map(|row| {
        vec![row.due_day, row.number, row.name, row.owner_role, row.owner_unit.unwrap_or_default()]
    });
    let header = ["ledger.due", "ledger.number", "effect.started", "ledger.unit", "ledger.unit"];
    let header: Vec<String> =
        header.iter().map(|key| out.text(key, &json!({ "clock": "", "due": "" }))).collect();
    Ok(out.table(&header, lines.collect())?)
}

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

pub(crate) async fn status(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let now = engine.store().clock().await?;
    let standing = engine.store().standing(engine.tenant(), now).await?;
    Ok(out.value(&json!({ "now": now, "clock": engine.store().clock_kind(), "standing": standing }))?)
}

/// The numbers of the county: cases by state, and what the ladders did.
pub(crate) async fn standing(engine: &Engine, out: &mut Output) -> Result<(), CliError> {
    let now = engine.store().clock().await?;
    let standing = engine.store().standing(engine.tenant(), now).await?;
    let today = engine.catalog().calendar("cn").await?.local_date(now.utc());
    out.line(&out.text("standing.cases", &json!({ "cases": standing.cases, "today": today })))?;
    let definition = match engine.store().definitions(engine.tenant()).await?.first() {
        Some(row) => engine.catalog().definition(&row.hash).await?,
        None => return Ok(()),
    };
    let rows = standing.by_state.iter();
    let rows =
        rows.map(|(state, count)| vec![state_title(out, &definition, "main", state), count.to_string()]);
    let rows = rows.collect();
    out.table(&[out.text("ledger.state", &json!({})), "n".to_owned()], rows)?;
    out.line("")?;
    out.line(&out.text("standing.rungs", &json!({ "rungs": standing.rungs })))?;
    let rows = standing
        .by_rung
        .iter()
        .map(|row| vec![row.ladder.clone(), row.rung.clone(), row.result.clone(), row.count.to_string()]);
    let rows = rows.collect();
    let header = ["ladder", "rung", "result", "n"].map(str::to_owned);
    Ok(out.table(&header, rows)?)
}
