//! What the demonstration prints: where the county stands, the list with its lamps, what escalated and
//! why, one case from report to close-out, and what to try next.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use engine::notice;
use engine::text::Language;
use machine::act::{Measure, RungRecord, RungResult};
use machine::file::Outcome;
use machine::state::ChargedTo;
use machine::value::{CaseId, UnitId};
use machine::{Act, Effect, State};
use serde_json::json;
use store::{Filter, LedgerKey, LedgerRow, OverdueBy, Place, ROWS_MAX};

use super::{BEGINS_ON, County, DAYS, HAZARDS, WORKFLOW};
use crate::CliError;
use crate::commands::lists;
use crate::output::{Output, TOGETHER, quoted};

/// The main track, in the order a case goes.
const MAIN: [&str; 12] = [
    "under_determination",
    "to_dispatch",
    "rectifying",
    "to_reinspect",
    "to_close_out",
    "closed",
    "not_upheld",
    "downgraded",
    "transferred",
    "merged",
    "annulled",
    "shut_down",
];
/// Lines of the list for each state.
const LINES_PER_STATE: usize = 3;
/// Cases whose way up the ladder is told.
const CLIMBERS: usize = 4;
/// The acts of the case that is told: not too many to read.
const TOLD_ACTS: std::ops::RangeInclusive<usize> = 18..=40;

pub(super) async fn print(
    county: &County,
    begins_on: NaiveDate,
    place: &Place,
    out: &mut Output,
) -> Result<(), CliError> {
    // What stands in the list, not what the script remembers: a hazard that came back is a case of its own.
    let listed = listed(county).await?;
    let cases: Vec<CaseId> =
        listed.iter().filter(|row| row.workflow == WORKFLOW).map(|row| row.case_id).collect();
    let states = county.heads(cases.iter().copied()).await?;
    let ends_on = begins_on.checked_add_days(chrono::Days::new(DAYS - 1)).unwrap_or(begins_on);
    if out.json {
        let by_state = counts(&states, "main");
        let values = json!({
            "store": place.to_string(), "until": ends_on, "reported": HAZARDS, "cases": listed.len(), "by_state": by_state,
        });
        return Ok(out.value(&values)?);
    }
    let mut acts = Vec::new();
    for case in &cases {
        acts.push(county.engine.acts(*case).await?);
    }
    let values = json!({
        "from": BEGINS_ON, "to": ends_on, "days": DAYS, "reported": HAZARDS, "cases": listed.len(),
        "back": cases.len() - HAZARDS, "general": listed.len() - cases.len(),
        "enterprises": county.directory.units.len(), "posts": county.directory.posts.len(),
    });
    out.line(&out.text("demo.title", &values))?;
    let told = Told { county, today: ends_on };
    told.standing(&states, out).await?;
    told.list(out).await?;
    told.escalated(&acts, out)?;
    told.climbers(&states, &acts, out)?;
    told.one_case(&states, &acts, out)?;
    let number = states.first().map(|state| state.number.clone()).unwrap_or_default();
    heading("demo.heading.next", out)?;
    // The program as it was called just now: so the lines run as they stand, also where it is not on the PATH.
    let program = std::env::args().next().unwrap_or_else(|| "bihuan".to_owned());
    let store = quoted(place.to_string());
    // In the language of this page, whatever that of the next shell is.
    let lang = match out.language {
        Language::Zh => "zh",
        Language::En => "en",
    };
    let program = format!("{} --lang {lang}", quoted(program));
    let values = json!({ "bihuan": program, "store": store, "number": number });
    Ok(out.line(&out.text("demo.next", &values))?)
}

/// Every case of the county, by number.
async fn listed(county: &County) -> Result<Vec<LedgerRow>, CliError> {
    let mut filter = Filter { limit: ROWS_MAX, ..Filter::default() };
    let mut all: Vec<LedgerRow> = Vec::new();
    loop {
        let page = county.engine.ledger(&filter).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(LedgerKey::of(last));
        all.extend(page);
    }
    all.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(all)
}

fn heading(key: &str, out: &mut Output) -> Result<(), CliError> {
    out.line("")?;
    Ok(out.line(&out.text(key, &json!({})))?)
}

fn counts(states: &[State], track: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for state in states.iter().filter_map(|state| state.on(track)) {
        *counts.entry(state.to_owned()).or_default() += 1;
    }
    counts
}

fn late(state: &State, side: ChargedTo) -> bool {
    state
        .deadlines
        .iter()
        .any(|clock| clock.charged_to == side && clock.is_open() && clock.missed_at.is_some())
}

struct Told<'a> {
    county: &'a County,
    today: NaiveDate,
}

impl Told<'_> {
    fn state_title(&self, out: &Output, track: &str, state: &str) -> String {
        let spec = self.county.definition.file().tracks.get(track).and_then(|track| track.states.get(state));
        spec.map_or(state, |spec| out.language.of(&spec.title)).to_owned()
    }

    /// Every track with how many cases stand where.
    async fn standing(&self, states: &[State], out: &mut Output) -> Result<(), CliError> {
        heading("demo.heading.standing", out)?;
        let file = self.county.definition.file();
        let mut rows = Vec::new();
        let side = file.tracks.iter().filter(|(name, _)| *name != "main");
        let main = file.tracks.iter().filter(|(name, _)| *name == "main");
        for (name, track) in main.chain(side) {
            let counts = counts(states, name);
            let rank = |state: &str| MAIN.iter().position(|other| *other == state).unwrap_or(MAIN.len());
            let mut known: Vec<_> = track.states.iter().collect();
            known
                .sort_by_key(|(state, spec)| (spec.outcome.is_some(), rank(state), *state != &track.initial));
            let (ends, open): (Vec<_>, Vec<_>) = known.iter().partition(|(_, spec)| spec.outcome.is_some());
            for (part, key) in [(open, ""), (ends, "demo.ended")] {
                let cells: Vec<String> = part
                    .iter()
                    .filter_map(|(state, _)| {
                        let count = counts.get(*state)?;
                        Some(format!("{} {count}", self.state_title(out, name, state)).replace(' ', TOGETHER))
                    })
                    .collect();
                if !cells.is_empty() {
                    let title = if key.is_empty() {
                        out.language.of(&track.title).to_owned()
                    } else {
                        out.text(key, &json!({}))
                    };
                    rows.push(vec![title, cells.join(" · ")]);
                }
            }
        }
        let (enterprise, regulator) =
            (self.overdue(OverdueBy::Enterprise).await?, self.overdue(OverdueBy::Regulator).await?);
        let values = json!({ "enterprise": enterprise, "regulator": regulator });
        rows.push(vec![out.text("demo.overdue", &json!({})), out.text("demo.overdue_by", &values)]);
        out.grid(rows)?;
        Ok(())
    }

    /// How many cases one side is late with, as `ledger --overdue-by` counts them.
    async fn overdue(&self, by: OverdueBy) -> Result<u64, CliError> {
        let engine = &self.county.engine;
        let overdue_by = Some((by, engine.store().clock().await?));
        let filter = Filter { overdue_by, ..Filter::default() };
        Ok(engine.store().ledger_count(engine.tenant(), &filter).await?)
    }

    /// Some lines of the list, from every state somebody owes something in.
    async fn list(&self, out: &mut Output) -> Result<(), CliError> {
        heading("demo.heading.list", out)?;
        let engine = &self.county.engine;
        let mut shown: Vec<LedgerRow> = Vec::new();
        for state in &MAIN[..5] {
            let filter = Filter { state: vec![(*state).to_owned()], limit: 1_000, ..Filter::default() };
            let mut rows = engine.ledger(&filter).await?;
            rows.retain(|row| row.workflow == WORKFLOW);
            rows.sort_by(|a, b| (&a.legal_due, &a.number).cmp(&(&b.legal_due, &b.number)));
            // The longest overdue, and in rectification those with time left as well.
            let last = rows.split_off(rows.len().min(LINES_PER_STATE));
            shown.extend(rows);
            if *state == "rectifying" {
                shown.extend(last.into_iter().rev().take(LINES_PER_STATE).rev());
            }
        }
        lists::print(engine, &shown, false, out).await
    }

    /// The rungs that told somebody, ladder by ladder, with whom they told and how often.
    fn escalated(&self, acts: &[Vec<Act>], out: &mut Output) -> Result<(), CliError> {
        heading("demo.heading.escalated", out)?;
        let mut times: BTreeMap<(&str, u32), u64> = BTreeMap::new();
        for rung in acts.iter().flatten().flat_map(fired) {
            *times.entry((&rung.ladder, rung.index)).or_default() += 1;
        }
        let file = self.county.definition.file();
        let header =
            ["when", "what", "told", "times"].map(|name| out.text(&format!("demo.{name}"), &json!({})));
        let mut rows = Vec::new();
        for ladder in ["enterprise", "government", "office", "duty", "signing"] {
            for (index, spec) in (0u32..).zip(file.ladders.get(ladder).into_iter().flatten()) {
                let Some(times) = times.get(&(ladder, index)) else { continue };
                let told: Vec<_> = spec.to.iter().map(|role| self.role(out, role)).collect();
                let template = spec.template.as_deref().unwrap_or_default();
                rows.push(vec![
                    out.text(&format!("demo.ladder.{ladder}"), &json!({})),
                    self.place_on_ladder(out, &spec.at, spec.every_working_days.is_some()),
                    notice::title(out.language, template).unwrap_or(template).to_owned(),
                    told.join(out.language.comma()),
                    times.to_string(),
                ]);
            }
        }
        let mut head = vec![out.text("demo.ladder", &json!({}))];
        head.extend(header);
        Ok(out.table(&head, rows)?)
    }

    fn role(&self, out: &Output, role: &str) -> String {
        match self.county.definition.file().roles.get(role) {
            Some(spec) => out.language.of(&spec.title).to_owned(),
            None => out.text(&format!("role.{role}"), &json!({})),
        }
    }

    /// `-5wd` in words.
    fn place_on_ladder(&self, out: &Output, at: &str, repeats: bool) -> String {
        let (sign, rest) = at.split_at(1);
        let digits = rest.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &rest[digits.len()..];
        let side = if sign == "-" { "before" } else { "after" };
        let days: i64 = digits.parse().unwrap_or(0);
        out.text(&format!("demo.{side}.{unit}"), &json!({ "days": days, "repeats": repeats }))
    }

    /// The cases that climbed highest: what passed, and what the worker did about it.
    fn climbers(&self, states: &[State], acts: &[Vec<Act>], out: &mut Output) -> Result<(), CliError> {
        heading("demo.heading.climbers", out)?;
        let mut climbers: Vec<(&State, Vec<&str>)> = Vec::new();
        for (state, acts) in states.iter().zip(acts) {
            let mut steps: Vec<&str> = Vec::new();
            for rung in acts
                .iter()
                .flat_map(fired)
                .filter(|rung| rung.ladder == "enterprise" && rung.measure != Measure::Remind)
            {
                let template = rung.template.as_deref().unwrap_or_default();
                let title = notice::title(out.language, template).unwrap_or(template);
                if !steps.contains(&title) {
                    steps.push(title);
                }
            }
            if late(state, ChargedTo::Enterprise) {
                climbers.push((state, steps));
            }
        }
        climbers.sort_by(|(a, x), (b, y)| (y.len(), &a.number).cmp(&(x.len(), &b.number)));
        let mut rows = Vec::new();
        for (state, steps) in climbers.into_iter().take(CLIMBERS) {
            let Some(clock) = state.deadlines.iter().find(|clock| clock.charged_to == ChargedTo::Enterprise)
            else {
                continue;
            };
            let due = store::due_text(clock.due);
            let days = calendar::parse_date(&due)
                .map_or(0, |due| self.county.calendar.count_working_days(due, self.today));
            let enterprise = state.text("enterprise").unwrap_or_default();
            let values = json!({ "enterprise": self.unit(enterprise), "due": due, "days": days });
            rows.push(vec![state.number.clone(), out.text("demo.climber", &values)]);
            rows.push(vec![String::new(), steps.join(" → ")]);
        }
        Ok(out.grid(rows)?)
    }

    fn unit(&self, id: &str) -> String {
        self.county.directory.unit(&UnitId::from(id)).map_or(id, |unit| &unit.name).to_owned()
    }

    /// One case that was overdue and still came to its end, act by act.
    fn one_case(&self, states: &[State], acts: &[Vec<Act>], out: &mut Output) -> Result<(), CliError> {
        let rectified = |state: &State| {
            let main = self.county.definition.file().tracks.get("main");
            let spec = main.zip(state.on("main")).and_then(|(track, main)| track.states.get(main));
            spec.is_some_and(|spec| spec.outcome == Some(Outcome::Rectified))
        };
        let missed = |state: &State| {
            state
                .deadlines
                .iter()
                .any(|clock| clock.charged_to == ChargedTo::Enterprise && clock.missed_at.is_some())
        };
        let found = states
            .iter()
            .zip(acts)
            .find(|(state, acts)| rectified(state) && missed(state) && TOLD_ACTS.contains(&acts.len()));
        let Some((state, acts)) = found else { return Ok(()) };
        out.line("")?;
        let place = state.text("place").unwrap_or_default();
        let values = json!({
            "number": state.number, "enterprise": self.unit(state.text("enterprise").unwrap_or_default()),
            "place": place,
        });
        out.line(&out.text("demo.heading.case", &values))?;
        let rows = acts.iter().filter_map(|act| self.told(act, state, out)).collect();
        Ok(out.grid(rows)?)
    }

    /// An act in a line: when, who, what, and what followed. Reminders of the small duties are left out.
    fn told(&self, act: &Act, state: &State, out: &Output) -> Option<Vec<String>> {
        let definition = &self.county.definition;
        let day = self.county.calendar.local_date(act.at.utc()).to_string();
        let who = match act.actor.person() {
            Some(who) => self.unit(who.unit.as_str()),
            None => out.text("worker", &json!({})),
        };
        let mut said = Vec::new();
        if act.actor.person().is_some() {
            let spec = definition.act(&act.name);
            said.push(match spec {
                Some(spec) => out.language.of(&spec.title).to_owned(),
                None => out.text(&format!("act.{}", act.name), &json!({})),
            });
        }
        let clock = |no: u32| {
            let name = state.deadlines.iter().find(|clock| clock.no == no).map(|clock| clock.name.as_str());
            name.and_then(|name| definition.deadline(name)).map_or("", |spec| out.language.of(&spec.title))
        };
        for effect in &act.effects {
            match effect {
                Effect::Moved { track, to, .. } => {
                    said.push(format!("→ {}", self.state_title(out, track, to)))
                }
                Effect::DeadlineStarted { deadline } if deadline.charged_to != ChargedTo::Nobody => {
                    let values = json!({ "clock": clock(deadline.no), "due": store::due_text(deadline.due) });
                    said.push(out.text("effect.started", &values));
                }
                Effect::DeadlineMissed { no } => {
                    said.push(out.text("demo.missed", &json!({ "clock": clock(*no) })));
                }
                Effect::RungRecorded { rung } if rung.result == RungResult::Fired => {
                    let template = rung.template.as_deref().unwrap_or_default();
                    let title = notice::title(out.language, template).unwrap_or(template);
                    let values = json!({ "clock": clock(rung.deadline_no), "title": title, "told": rung.recipients.len() });
                    said.push(out.text("demo.rung", &values));
                }
                _ => {}
            }
        }
        let spoken = act.actor.person().is_some() || !said.is_empty();
        spoken.then(|| vec![day, who, said.join("  ")])
    }
}

/// The rungs of an act that told somebody.
fn fired(act: &Act) -> impl Iterator<Item = &RungRecord> {
    act.effects.iter().filter_map(|effect| match effect {
        Effect::RungRecorded { rung } if rung.result == RungResult::Fired => Some(&**rung),
        _ => None,
    })
}
