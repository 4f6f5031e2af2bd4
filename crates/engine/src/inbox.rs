//! The in-app inbox: what a person was told, day by day, in words.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use chrono::NaiveDate;
use machine::file::{ActSpec, AssignmentMove, Column, FieldType, Outcome};
use machine::state::{ChargedTo, Deadline, Status, Subject};
use machine::time::Due;
use machine::value::{PersonId, UnitId};
use machine::{Act, Actor, Definition, Facts, Instant, State, fold, last_day_to_ask};
use serde::Serialize;
use serde_json::json;
use store::{DigestLine, DigestRow, Read};

use crate::notice::{self, Values};
use crate::text::{Language, error as said_of, text};
use crate::{Engine, EngineError};

/// Acts named as what there is to do.
const TODO_MAX: usize = 3;

/// A digest, rendered.
#[derive(Clone, Debug, Serialize)]
pub struct Digest {
    /// The day.
    pub day: String,
    /// Notices in it, shown or not.
    pub notices: u32,
    /// Notices not shown.
    pub more: u32,
    /// What it says.
    pub text: String,
    /// The notices shown.
    pub lines: Vec<DigestLine>,
}

impl Engine {
    /// The digests of a person, newest first, as they were told: by the cases as they stood when the digest
    /// went out, with a line on what has become of them since. Only those before a day where one is given.
    pub async fn inbox(
        &self,
        person: &PersonId,
        language: Language,
        before: Option<NaiveDate>,
        limit: u32,
    ) -> Result<Vec<Digest>, EngineError> {
        let before = before.map(|day| day.to_string());
        let rows = self.store().inbox(self.tenant(), person, before.as_deref(), limit).await?;
        let mut cases = HashMap::new();
        for line in rows.iter().flat_map(|row| &row.lines) {
            if let Entry::Vacant(place) = cases.entry(line.case_id) {
                place.insert(self.recorded(line).await);
            }
        }
        let mut digests = Vec::new();
        for row in rows {
            let mut lines = Vec::new();
            for line in &row.lines {
                let said = match cases.get(&line.case_id) {
                    Some(Ok(case)) => self.line(language, &row, case, line).await.map_err(Arc::new),
                    Some(Err(error)) => Err(error.clone()),
                    None => Err(Arc::new(EngineError::NoCase(line.number.clone()))),
                };
                // A notice that cannot be shown takes no other with it, and is not left out.
                let broken =
                    |error: Arc<EngineError>| format!("{}: {}", line.number, said_of(language, &error));
                lines.push(said.unwrap_or_else(broken));
            }
            let shown = u32::try_from(row.lines.len()).unwrap_or(u32::MAX);
            let more = row.notices.saturating_sub(shown);
            let values = json!({ "day": row.day, "notices": row.notices, "more": more, "lines": lines });
            let text = notice::render(language, "digest", &values);
            digests.push(Digest { day: row.day, notices: row.notices, more, text, lines: row.lines });
        }
        Ok(digests)
    }

    /// A case as it stands and as it came there.
    async fn recorded(&self, line: &DigestLine) -> Result<Recorded, Arc<EngineError>> {
        let read = async {
            let seen = self.store().read(self.tenant(), &[Read { case: line.case_id, key: None }]).await?;
            let head = seen.known.into_iter().next().map_or(Ok(None), |known| known.head)?;
            let head = head.ok_or_else(|| EngineError::NoCase(line.number.clone()))?;
            Ok(Recorded { now: head.state, acts: self.acts(line.case_id).await? })
        };
        read.await.map_err(Arc::new)
    }

    /// One notice, in words: told by the acts that stood when it went out, which the chain vouches for, and
    /// with the calendar its date was counted with. Names are those the organisation has today.
    async fn line(
        &self,
        language: Language,
        row: &DigestRow,
        case: &Recorded,
        line: &DigestLine,
    ) -> Result<String, EngineError> {
        let day = calendar::parse_date(&row.day).map_err(|e| EngineError::Stored(e.to_string()))?;
        let state = case.at(row.delivered_at).ok_or_else(|| EngineError::NoCase(line.number.clone()))?;
        let definition = self.catalog().definition(&state.definition).await?;
        let deadline = state.deadlines.iter().find(|deadline| deadline.no == line.deadline_no);
        let catalog = self.catalog();
        let calendar = match deadline {
            Some(clock) => catalog.calendar_version(&clock.calendar, &clock.calendar_version).await?,
            None => catalog.calendar(&definition.file().calendar).await?,
        };
        let directory = catalog.directory().await?;
        let facts = crate::facts(self.tenant(), state.case, row.delivered_at, None, &calendar, &directory);
        let view = View { language, day, state: &state, definition: &definition, facts };
        Ok(view.line(line, &case.now))
    }
}

/// A case as it stands and as it came there.
struct Recorded {
    now: State,
    acts: Vec<Act>,
}

impl Recorded {
    /// The case as it stood when a digest went out. Of the same instant only what the worker did comes before.
    fn at(&self, delivered_at: Instant) -> Option<State> {
        let is_before = |act: &&Act| {
            act.at < delivered_at || (act.at == delivered_at && matches!(act.actor, Actor::Worker))
        };
        fold(self.acts.iter().take_while(is_before))
    }
}

/// A case, seen by somebody who is told about it on a day.
struct View<'a> {
    language: Language,
    day: NaiveDate,
    state: &'a State,
    definition: &'a Definition,
    facts: Facts<'a>,
}

impl View<'_> {
    fn text(&self, key: &str, values: &impl Serialize) -> String {
        text(self.language, key, values)
    }

    fn line(&self, line: &DigestLine, now: &State) -> String {
        let name = line.template.as_deref().unwrap_or(notice::PLAIN);
        let title = notice::title(self.language, name).unwrap_or(name);
        let values = json!({
            "title": title, "number": self.state.number, "place": self.place(), "enterprise": self.enterprise(),
        });
        let mut said = self.text("notice.line", &values);
        // Numbers of clocks are never used twice, so the clock of a rung is always there.
        if let Some(deadline) = self.state.deadlines.iter().find(|deadline| deadline.no == line.deadline_no) {
            let values = self.values(deadline, line);
            said.push('\n');
            match deadline.status {
                // Whoever reads this on Monday is not sent after what was done on Sunday.
                Status::Ended { at, end } => {
                    let ended = self.date(Due::Day(self.facts.calendar.local_date(at.utc())));
                    let values =
                        json!({ "clock": values.clock, "due": values.due, "ended": ended, "end": end });
                    said.push_str(&self.text("notice.ended", &values));
                }
                Status::Running | Status::Paused { .. } => {
                    said.push_str(&notice::render(self.language, name, &values));
                }
            }
            if !line.unreached.is_empty() {
                let roles = line.unreached.iter().map(|role| match role.as_str() {
                    "owner" => self.role(&deadline.owner),
                    role => self.role(role),
                });
                let roles = roles.collect::<Vec<_>>();
                let values = json!({ "roles": roles.join(self.or()), "office": values.office });
                said.push('\n');
                said.push_str(&notice::render(self.language, "unreached", &values));
            }
            if let Some(since) = self.since(deadline, now) {
                said.push('\n');
                said.push_str(&since);
            }
        }
        said.replace('\n', "\n   ")
    }

    /// What has become of a clock since somebody was told of it.
    fn since(&self, told: &Deadline, now: &State) -> Option<String> {
        let now = now.deadlines.iter().find(|clock| clock.no == told.no).filter(|_| told.is_open())?;
        let values = match now.status {
            Status::Ended { at, end } => {
                let ended = self.date(Due::Day(self.facts.calendar.local_date(at.utc())));
                json!({ "ended": ended, "end": end })
            }
            Status::Running | Status::Paused { .. } if now.due != told.due => {
                json!({ "ended": null, "due": self.date(now.due) })
            }
            Status::Running | Status::Paused { .. } => return None,
        };
        Some(self.text("notice.since", &values))
    }

    fn values(&self, deadline: &Deadline, line: &DigestLine) -> Values {
        // The date as it stood when the notice was written: the first one that was left later.
        let due = deadline.history.iter().find(|moved| moved.version > line.act_version);
        let due = due.map_or(deadline.due, |moved| moved.from);
        let file = self.definition.file();
        let rung =
            file.ladders.get(&line.ladder).and_then(|rungs| rungs.iter().find(|r| r.rung == line.rung));
        let owner = self.unit(&deadline.owner, deadline.subject);
        // Whoever re-inspects: the regulator's clock, where its owner is bound to the case at hand.
        let mut regulators = file.deadlines.values().filter(|spec| spec.charged_to == ChargedTo::Regulator);
        let office = file.fallback.as_deref().map_or_else(String::new, |role| self.fallback(role));
        let competent = regulators.find_map(|spec| self.bound(&spec.owner, Subject::Case));
        let competent = competent.unwrap_or_else(|| office.clone());
        let call = if owner == competent { office.clone() } else { competent.clone() };
        let spec = self.definition.deadline(&deadline.name);
        Values {
            number: self.state.number.clone(),
            clock: spec.map_or("", |spec| self.language.of(&spec.title)).to_owned(),
            due: self.date(due),
            when: self.when(due),
            todo: self.todo(deadline),
            call,
            competent,
            office,
            signer: rung
                .and_then(|rung| rung.signer.as_ref())
                .map_or_else(String::new, |role| self.role(role)),
            proposal: self.proposal(deadline.subject),
            ask_until: last_day_to_ask(self.definition, self.state, &self.facts, &deadline.name)
                .filter(|_| deadline.subject == Subject::Case && deadline.is_open())
                .map_or_else(String::new, |day| day.to_string()),
            owner,
        }
    }

    fn date(&self, due: Due) -> String {
        match due {
            Due::Day(day) => day.to_string(),
            Due::Moment(moment) => {
                moment.utc().with_timezone(&self.facts.calendar.zone()).format("%Y-%m-%d %H:%M").to_string()
            }
        }
    }

    /// Working days left or late on the day the digest went out.
    fn when(&self, due: Due) -> String {
        let due = match due {
            Due::Day(day) => day,
            Due::Moment(moment) => self.facts.calendar.local_date(moment.utc()),
        };
        let days = self.facts.calendar.count_working_days(self.day, due);
        let key = match due.cmp(&self.day) {
            std::cmp::Ordering::Less => "notice.late",
            std::cmp::Ordering::Equal => "notice.today",
            std::cmp::Ordering::Greater => "notice.left",
        };
        self.text(key, &json!({ "days": days.abs() }))
    }

    fn role(&self, role: &str) -> String {
        let spec = self.definition.file().roles.get(role);
        spec.map_or(role, |spec| self.language.of(&spec.title)).to_owned()
    }

    /// The unit that plays a role on this case; the role where it is bound to none.
    fn unit(&self, role: &str, subject: Subject) -> String {
        self.bound(role, subject).unwrap_or_else(|| self.role(role))
    }

    fn bound(&self, role: &str, subject: Subject) -> Option<String> {
        let unit = match (role, subject) {
            ("assignee", Subject::Assignment(no)) => {
                self.state.assignments.iter().find(|sent| sent.no == no)?.unit.as_str()
            }
            ("signer", Subject::Proposal(no)) => {
                let proposal = self.state.proposals.iter().find(|proposal| proposal.no == no)?;
                return Some(self.unit(&proposal.signer, Subject::Case));
            }
            _ => self.state.text(self.definition.file().roles.get(role)?.unit.as_ref()?)?,
        };
        Some(self.unit_name(unit))
    }

    fn unit_name(&self, unit: &str) -> String {
        self.facts.directory.unit(&UnitId::from(unit)).map_or(unit, |unit| &unit.name).to_owned()
    }

    /// The unit that holds the fallback role: what somebody can look up and call.
    fn fallback(&self, role: &str) -> String {
        let post = self.facts.directory.posts.iter().find(|post| post.roles.contains(role));
        post.map_or_else(|| self.role(role), |post| self.unit_name(post.unit.as_str()))
    }

    /// The title of the proposal a clock belongs to.
    fn proposal(&self, subject: Subject) -> String {
        let Subject::Proposal(no) = subject else { return String::new() };
        let proposal = self.state.proposals.iter().find(|proposal| proposal.no == no);
        let what = proposal.map_or("", |proposal| &proposal.what);
        notice::title(self.language, what).unwrap_or(what).to_owned()
    }

    fn or(&self) -> &'static str {
        match self.language {
            Language::Zh => "、",
            Language::En => " or ",
        }
    }

    /// The acts that answer a clock: those of its owner that meet it, or leave the state it watches. Nobody is
    /// urged to end a case in another way than by getting rid of the hazard.
    fn todo(&self, deadline: &Deadline) -> String {
        let acts = self.definition.file().acts.values();
        let mut acts: Vec<_> = acts.filter(|act| !act.opens && act.by.contains(&deadline.owner)).collect();
        acts.retain(|act| !self.ends_otherwise(act));
        acts.retain(|act| match deadline.subject {
            Subject::Proposal(_) => false,
            Subject::Assignment(no) => act.assignment.is_some_and(|to| self.answers(no, &deadline.name, to)),
            Subject::Case => {
                let meets = act.then.iter().any(|step| step.meet.as_ref() == Some(&deadline.name));
                meets || self.leaves(act, &deadline.name)
            }
        });
        acts.sort_by_key(|act| !act.everyday);
        let titles: Vec<&str> = acts.iter().take(TODO_MAX).map(|act| self.language.of(&act.title)).collect();
        if titles.is_empty() { self.text("notice.handle", &json!({})) } else { titles.join(self.or()) }
    }

    /// Whether an act moves a track out of a state that a clock watches.
    fn leaves(&self, act: &ActSpec, clock: &str) -> bool {
        self.definition.file().tracks.iter().any(|(track, spec)| {
            let mut watched = spec.states.iter().filter(|(_, s)| s.deadline.as_deref() == Some(clock));
            let from = act.from.get(track);
            let moves = act.then.iter().any(|step| step.move_to.contains_key(track));
            moves && watched.any(|(name, _)| from.is_some_and(|from| from.names().contains(name)))
        })
    }

    /// Whether an act brings the case to an end other than rectified.
    fn ends_otherwise(&self, act: &ActSpec) -> bool {
        let tracks = &self.definition.file().tracks;
        act.then.iter().flat_map(|step| &step.move_to).any(|(track, to)| {
            let state = tracks.get(track).and_then(|track| track.states.get(to));
            state.and_then(|state| state.outcome).is_some_and(|outcome| outcome != Outcome::Rectified)
        })
    }

    /// Whether a move of an assignment is what this clock of it waits for.
    fn answers(&self, no: u32, clock: &str, to: AssignmentMove) -> bool {
        let sent = self.state.assignments.iter().find(|sent| sent.no == no);
        let is = |name: &Option<String>| name.as_deref() == Some(clock);
        sent.is_some_and(|sent| match to {
            AssignmentMove::Receive => is(&sent.clocks.receipt),
            AssignmentMove::FeedBack => is(&sent.clocks.feedback),
            AssignmentMove::Resend | AssignmentMove::Release => is(&sent.clocks.returned),
            AssignmentMove::Return => false,
        })
    }

    /// What the case is about: the first text of the ledger its opening asks for.
    fn place(&self) -> String {
        let file = self.definition.file();
        let asked = file.acts.values().filter(|act| act.opens).flat_map(|act| &act.requires);
        let mut texts = asked.filter_map(|name| {
            let field = self.definition.field(name).filter(|field| field.column == Some(Column::Text))?;
            let value = self.state.text(name)?;
            let choice = (field.kind == FieldType::Choice).then(|| field.choices.get(value)).flatten();
            Some(choice.map_or(value, |choice| self.language.of(choice)).to_owned())
        });
        texts.next().unwrap_or_else(|| self.language.of(&file.title).to_owned())
    }

    /// The enterprise of the case, by name.
    fn enterprise(&self) -> String {
        let mut fields = self.definition.file().fields.iter();
        let field = fields.find(|(_, field)| field.column == Some(Column::Enterprise));
        let unit = field.and_then(|(name, _)| self.state.text(name));
        unit.map_or_else(String::new, |unit| self.unit_name(unit))
    }
}
