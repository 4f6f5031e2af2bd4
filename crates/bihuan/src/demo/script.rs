//! What the people of the demonstration do. Everything follows from the number of the case and its
//! state, so that every run is the same. What an act needs is read off the workflow file.

use std::collections::{BTreeMap, BTreeSet};

use calendar::Calendar;
use chrono::{Days, NaiveDate};
use machine::act::{AssignmentStatus, Evidence, Signature, digest_hex};
use machine::command::{Directory, Perform, Post, UnitKind};
use machine::file::{ActSpec, Field, FieldType};
use machine::state::Subject;
use machine::value::{Name, PersonId, UnitId, Value};
use machine::{Command, Definition, Person, State};

use super::stories::{self, FOUND, SOURCES, Story, Temper};

/// Somebody wants something to happen.
pub(super) type Wish = Option<(Person, Command)>;

/// A day of the demonstration.
pub(super) struct Day<'a> {
    pub(super) today: NaiveDate,
    pub(super) calendar: &'a Calendar,
    pub(super) directory: &'a Directory,
    pub(super) definition: &'a Definition,
}

fn as_person(post: &Post) -> Person {
    Person { person: post.person.clone(), post: post.id.clone(), unit: post.unit.clone() }
}

impl Day<'_> {
    fn in_days(&self, days: u64) -> String {
        self.today.checked_add_days(Days::new(days)).unwrap_or(self.today).to_string()
    }

    fn holder(&self, role: &str, unit: &str) -> Option<Person> {
        let mut posts = self.directory.posts.iter();
        posts.find(|post| post.unit.as_str() == unit && post.roles.contains(role)).map(as_person)
    }

    /// Somebody finds a hazard, or the administrator takes one over from the ledger before.
    pub(super) fn find(&self, index: usize) -> Option<(Person, Perform)> {
        let units = &self.directory.units;
        let enterprises: Vec<_> = units.iter().filter(|unit| unit.kind == UnitKind::Enterprise).collect();
        let enterprise = enterprises.get(index * 7 % enterprises.len().max(1))?;
        let mut townships = units.iter().filter(|unit| unit.kind == UnitKind::Township);
        let township = townships.find(|unit| unit.area == enterprise.area)?;
        let (place, description) = FOUND[index % FOUND.len()];
        let sector = enterprise.sector.as_deref()?;
        let source = SOURCES[index % SOURCES.len()];
        let mut fields: BTreeMap<&str, String> = BTreeMap::from([
            ("enterprise", enterprise.id.0.clone()),
            ("township", township.id.0.clone()),
            ("place", place.to_owned()),
            ("description", description.to_owned()),
            ("sector", sector.to_owned()),
            ("source", source.to_owned()),
            ("found_on", self.today.to_string()),
        ]);
        let story = stories::story(index);
        let stated = story.with.iter().find(|(name, _)| *name == "stated_state").map(|(_, value)| *value);
        let (actor, act) = if story.opening_entry {
            let stated = stated?;
            fields.insert("stated_state", stated.to_owned());
            fields.insert("go_live_on", self.today.to_string());
            if matches!(stated, "rectifying" | "to_reinspect") {
                fields.insert("due_date", self.in_days(12));
                fields.insert("responsible_unit", enterprise.id.0.clone());
                fields.insert("dispatching_unit", "office".to_owned());
                fields.insert("supervising_unit", self.directory.departments.get(sector)?.0.clone());
                fields.insert("order_no", "旧台账".to_owned());
            }
            (self.holder("administrator", "office")?, "opening_entry")
        } else {
            if source == "public_report" {
                fields.insert("reporter_contact", stories::words("reporter_contact").to_owned());
            }
            (self.holder("township_officer", township.id.as_str())?, "report")
        };
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), Value::Text(value)));
        let spec = self.definition.act(act)?;
        let evidence = evidence(spec, index, self.today);
        Some((
            actor,
            Perform { act: act.to_owned(), fields: fields.collect(), evidence, ..Perform::default() },
        ))
    }

    /// Whether something is still to happen to a case at its end.
    pub(super) fn comes_back(&self, index: usize, state: &State) -> bool {
        let rebound = stories::story(index).extras.iter().any(|(_, act)| *act == "rebound");
        rebound && !state.involved.contains_key("rebound") && state.on("main") == Some("closed")
    }

    /// What is done to a case today, if anything.
    pub(super) fn wish(&self, index: usize, state: &State) -> Wish {
        let stage = Stage { index, day: self, state, story: stories::story(index) };
        let held = state.on("main").is_some_and(|main| stage.story.hold.contains(&main));
        let goes_on = || if held { None } else { stage.usual() };
        stage.sign().or_else(|| stage.extra()).or_else(goes_on)
    }
}

/// Photos and records: different ones every time.
fn evidence(spec: &ActSpec, index: usize, day: NaiveDate) -> Vec<Evidence> {
    let pieces = spec.evidence.iter().flat_map(|(kind, count)| (0..*count).map(move |no| (kind, no)));
    let piece = |(kind, no): (&Name, u32)| Evidence {
        kind: kind.clone(),
        digest: digest_hex(format!("{kind} {no} {index} {day}").as_bytes()),
        size_bytes: 48_000,
    };
    pieces.map(piece).collect()
}

struct Stage<'a> {
    index: usize,
    day: &'a Day<'a>,
    state: &'a State,
    story: &'a Story,
}

impl Stage<'_> {
    fn working_days_since(&self, since: machine::Instant) -> i64 {
        let since = self.day.calendar.local_date(since.utc());
        self.day.calendar.count_working_days(since, self.day.today)
    }

    /// Working days since the main track came here.
    fn waited(&self) -> i64 {
        self.state.tracks.get("main").map_or(0, |position| self.working_days_since(position.since))
    }

    fn due(&self) -> Option<NaiveDate> {
        let clock = self.state.deadline("rectification", Subject::Case)?;
        match clock.due {
            machine::time::Due::Day(day) => Some(day),
            machine::time::Due::Moment(_) => None,
        }
    }

    fn done(&self, act: &str) -> bool {
        self.state.involved.contains_key(act)
    }

    fn owes(&self, clock: &str) -> bool {
        self.state.deadline(clock, Subject::Case).is_some_and(|clock| clock.is_open())
    }

    /// Signers sign, decline or let it lie.
    fn sign(&self) -> Wish {
        let main = self.day.definition.file().tracks.get("main")?;
        // What was proposed lapses with the end of the case.
        main.states.get(self.state.on("main")?).filter(|state| state.outcome.is_none())?;
        let proposal = self.state.proposals.iter().find(|proposal| proposal.approved.is_none())?;
        let no = proposal.no;
        let approved = match (self.index + usize::try_from(no).unwrap_or(0)) % 4 {
            0 | 1 => true,
            2 => false,
            _ => return None,
        };
        let mut posts = self.day.directory.posts.iter();
        let signer = posts.find(|post| post.roles.contains(&proposal.signer)).map(as_person)?;
        let reason = (!approved).then(|| "先由部门当面督促".to_owned());
        let issue = approved && self.day.directory.unit(&signer.unit)?.register.is_some();
        Some((signer, Command::DecideProposal { no, approved, reason, issue }))
    }

    /// The next act of the story, when its day has come and it is possible from here.
    fn extra(&self) -> Wish {
        let (day, act) = self.story.extras.iter().find(|(_, act)| !self.done(act))?;
        if self.working_days_since(self.state.opened_at) < *day {
            return None;
        }
        let spec = self.day.definition.act(act)?;
        let here = spec.from.iter().all(|(track, states)| {
            self.state.on(track).is_some_and(|state| states.names().iter().any(|name| name == state))
        });
        // A second date is set after a report that did not pass.
        let ready = *act != "set_supplementary_date" || self.done("reinspect_fail");
        if here && ready { self.act(act) } else { None }
    }

    /// The way every case goes.
    fn usual(&self) -> Wish {
        if self.owes("listing_publication") {
            return self.act("publish_listing");
        }
        match self.state.on("main")? {
            "under_determination" if self.waited() >= 2 => {
                self.act(if self.story.temper == Temper::NotUpheld { "not_uphold" } else { "determine" })
            }
            "to_dispatch" if self.waited() >= 1 => self.act("dispatch"),
            "rectifying" => self.acknowledge().or_else(|| self.rectify()),
            "to_reinspect" => {
                let wait = if self.story.temper == Temper::SlowRegulator { 14 } else { 3 };
                let fails = self.story.temper == Temper::Rejected && !self.done("reinspect_fail");
                let act = if fails { "reinspect_fail" } else { "reinspect_pass" };
                if self.waited() >= wait { self.act(act) } else { None }
            }
            "to_close_out" if self.waited() >= 1 => self.act(self.before_the_end()),
            _ => None,
        }
    }

    fn acknowledge(&self) -> Wish {
        self.state.assignments.iter().find(|sent| sent.status == AssignmentStatus::Sent)?;
        if self.waited() < 1 || self.story.temper == Temper::Silent {
            return None;
        }
        self.act("acknowledge")
    }

    fn rectify(&self) -> Wish {
        let due = self.due()?;
        let calendar = self.day.calendar;
        let rejected = self.done("reinspect_fail");
        let left = calendar.count_working_days(self.day.today, due);
        match self.story.temper {
            Temper::Silent => None,
            _ if self.owes("plan") && self.waited() >= 5 => self.act("submit_plan"),
            _ if self.owes("progress") && self.waited() >= 15 && !self.done("report_progress") => {
                self.act("report_progress")
            }
            Temper::Extends if self.owes("extension_decision") => self.act("grant_extension"),
            Temper::Extends if !self.done("ask_extension") && self.waited() >= 4 => self.act("ask_extension"),
            Temper::Late if left > -6 => None,
            Temper::Rejected if rejected && self.waited() < 9 => None,
            _ if rejected || left <= 2 => self.act("report_complete"),
            _ => None,
        }
    }

    /// What has to be brought to an end first, or the end itself.
    fn before_the_end(&self) -> &'static str {
        let on = |track: &str| self.state.on(track).unwrap_or_default();
        if self.owes("exposure_decision") {
            return "refuse_exposure";
        }
        match (on("operation"), on("supervision"), on("publicity")) {
            ("partly_stopped" | "fully_stopped", _, _) => "apply_resumption",
            ("partial_resumption_applied" | "full_resumption_applied", _, _) => "accept_resumption",
            (_, "county" | "city" | "province", _) => "delist",
            (_, _, "listed_in_public" | "exposed") => "publish_closure",
            _ => "close_out",
        }
    }

    /// An act with everything it asks for.
    fn act(&self, name: &str) -> Wish {
        let spec = self.day.definition.act(name)?;
        let entered = self.story.entered_for && !spec.enter_for.is_empty() && name == "report_complete";
        let actor = self.actor(&spec.by, &spec.apart.actor)?;
        let (actor, entered_for) =
            if entered { (self.actor(&spec.enter_for, &[])?, Some(actor.person)) } else { (actor, None) };
        let (mut fields, mut issue) = (BTreeMap::new(), None);
        for field in &spec.requires {
            let known = self.day.definition.field(field)?;
            if self.numbers(known, &actor) {
                issue = Some(field.clone());
            } else if known.default.is_none() || self.special(field, name).is_some() {
                fields.insert(field.clone(), self.value(field, known, name));
            }
        }
        for field in spec.accepts.iter().filter(|field| self.gives(field, name)) {
            let known = self.day.definition.field(field)?;
            if self.numbers(known, &actor) {
                issue = Some(field.clone());
            } else {
                fields.insert(field.clone(), self.value(field, known, name));
            }
        }
        let mut evidence = evidence(spec, self.index, self.day.today);
        if entered_for.is_some() {
            let digest = digest_hex(format!("signed paper {name} {}", self.index).as_bytes());
            evidence.push(Evidence { kind: "signed_paper".to_owned(), digest, size_bytes: 90_000 });
        }
        let officers = match &spec.officers {
            Some(officers) => {
                let role = std::slice::from_ref(&officers.role);
                let free = self.candidates(role, &spec.apart.officers);
                free.into_iter()
                    .take(usize::try_from(officers.least).unwrap_or(0))
                    .map(|p| p.person)
                    .collect()
            }
            None => Vec::new(),
        };
        let signature = spec.signature.then(|| {
            if self.story.refuses_to_sign {
                Signature::Refused("对结论有异议，拒绝签字".to_owned())
            } else {
                Signature::Signed("企业负责人".to_owned())
            }
        });
        let reason = spec.reason.then(|| stories::reason(name).to_owned());
        let act = name.to_owned();
        let perform = Perform {
            act,
            fields,
            issue,
            evidence,
            officers,
            signature,
            entered_for,
            occurred_on: None,
            reason,
        };
        Some((actor, Command::Perform(perform)))
    }

    /// Whether a field gets the next number of the actor's unit.
    fn numbers(&self, field: &Field, actor: &Person) -> bool {
        field.register && self.day.directory.unit(&actor.unit).is_some_and(|unit| unit.register.is_some())
    }

    /// Somebody who may do it and took no part in what it is kept apart from.
    fn actor(&self, roles: &[Name], apart: &[Name]) -> Option<Person> {
        let mut candidates = self.candidates(roles, apart);
        let nth = self.index % candidates.len().max(1);
        (!candidates.is_empty()).then(|| candidates.swap_remove(nth))
    }

    fn candidates(&self, roles: &[Name], apart: &[Name]) -> Vec<Person> {
        let barred: BTreeSet<&PersonId> =
            apart.iter().filter_map(|act| self.state.involved.get(act)).flatten().collect();
        let posts = self.day.directory.posts.iter().filter(|post| !barred.contains(&post.person));
        // The first role somebody on this case plays.
        for role in roles {
            let held = posts.clone().filter(|post| self.plays(role, post));
            let held: Vec<Person> = held.map(as_person).collect();
            if !held.is_empty() {
                return held;
            }
        }
        Vec::new()
    }

    fn plays(&self, role: &str, post: &Post) -> bool {
        if role == "assignee" {
            let open = |status| matches!(status, AssignmentStatus::Sent | AssignmentStatus::Received);
            // Whoever has not answered comes first, the assisting unit before the lead.
            let waiting = self.state.assignments.iter().rev().filter(|sent| open(sent.status));
            let sent = waiting.clone().find(|sent| sent.status == AssignmentStatus::Sent);
            return sent.or_else(|| waiting.clone().next()).is_some_and(|sent| sent.unit == post.unit);
        }
        let bound = self.day.definition.file().roles.get(role).and_then(|role| role.unit.as_ref());
        let unit = bound.map(|field| self.state.text(field).map(UnitId::from));
        post.roles.contains(role) && unit.is_none_or(|unit| unit.as_ref() == Some(&post.unit))
    }

    /// What this story says about a field, in this act or in any.
    fn special(&self, field: &str, act: &str) -> Option<&'static str> {
        let here = format!("{field}@{act}");
        let with = self.story.with.iter();
        with.clone()
            .find(|(name, _)| *name == here)
            .or_else(|| with.clone().find(|(name, _)| *name == field))
            .map(|(_, value)| *value)
    }

    /// Optional fields that are filled in all the same.
    fn gives(&self, field: &str, act: &str) -> bool {
        match field {
            "clause" => act.starts_with("determine"),
            "document_no" | "document_date" | "document_signer" => self.special("stop_work", act).is_some(),
            "expert_name" => true,
            "assisting_units" => self.special(field, act).is_some(),
            _ => false,
        }
    }

    fn value(&self, name: &str, field: &Field, act: &str) -> Value {
        let text = match (name, field.kind) {
            // Another department helps.
            ("assisting_units", _) => return Value::List(vec!["emergency".to_owned()]),
            ("withdraw_people", _) => {
                let stopped = self.special("stop_work", act).is_some();
                return Value::Bool(stopped || act == "withdraw_workers");
            }
            (_, FieldType::Bool) => return Value::Bool(true),
            (_, FieldType::Int) => return Value::Int(field.min.unwrap_or(1)),
            ("due_date", _) => {
                let term = self.special("term", act).and_then(|term| term.parse().ok());
                self.day.in_days(term.unwrap_or([15, 20, 30, 45][self.index / 4 % 4]))
            }
            ("requested_date", _) => {
                let due = self.due().and_then(|due| due.checked_add_days(Days::new(14)));
                due.unwrap_or(self.day.today).to_string()
            }
            ("granted_date", _) => self.state.text("requested_date").unwrap_or_default().to_owned(),
            ("other_case", _) => "YH-2026-000003".to_owned(),
            (_, FieldType::Date) if field.after_today => self.day.in_days(14),
            (_, FieldType::Date) => self.day.today.to_string(),
            (_, FieldType::Unit) => {
                let enterprise = self.state.text("enterprise").unwrap_or_default();
                self.special(name, act).unwrap_or(enterprise).to_owned()
            }
            (_, FieldType::Choice) => {
                let usual = match name {
                    "stop_work" => "no",
                    "served_how" => "signed",
                    "pause_cause" => "expert_examination",
                    "supervision_level" => "county",
                    _ => field.choices.keys().next().map_or("", String::as_str),
                };
                self.special(name, act).unwrap_or(usual).to_owned()
            }
            (_, FieldType::Text | FieldType::Moment | FieldType::Units | FieldType::Person) => {
                self.special(name, act).unwrap_or_else(|| stories::words(name)).to_owned()
            }
        };
        Value::Text(text)
    }
}
