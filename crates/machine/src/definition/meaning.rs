//! What a well-formed file can still get wrong: names that point nowhere, terms with two rules, texts in
//! one language. All findings at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::Measure;
use crate::definition::DAYS_MAX;
use crate::file::{
    ActSpec, ExtensionSpec, FieldDefault, FieldType, File, Label, Number, OpensCase, TermSpec,
};
use crate::problem::Problem;
use crate::state::DeadlineKind;
use crate::value::Name;

/// Built-in roles: everybody with a post; the unit work was sent to; who decides a proposal; who owes the
/// clock of the rung.
const BUILT_IN: [&str; 4] = ["any", "assignee", "signer", "owner"];

/// Act names the engine keeps for itself.
const RESERVED: [&str; 7] =
    ["tick", "comment", "amend", "take_back", "decide_proposal", "recalculate", "absorb"];

/// The most of anything in a file. The checker counts the values of a choice in a byte, and needs a few for
/// itself.
const NAMES_MAX: usize = 200;

/// The most pieces of evidence or officers an act may ask for: more are never handed in at once.
const PIECES_MAX: u32 = 100;

struct Check<'a> {
    file: &'a File,
    out: &'a mut Vec<Problem>,
}

pub(super) fn check(file: &File, out: &mut Vec<Problem>) {
    let mut check = Check { file, out };
    check.names();
    check.tracks();
    check.fields();
    check.deadlines();
    check.ladders();
    check.acts();
    check.never();
    check.promises();
    check.counters();
}

impl Check<'_> {
    fn add(&mut self, code: &'static str, path: &str) {
        self.out.push(Problem::new(code, path));
    }

    fn named(&mut self, code: &'static str, path: &str, name: &str) {
        self.out.push(Problem::new(code, path).with("name", name));
    }

    fn entries(&mut self, path: &str, count: usize) {
        if count > NAMES_MAX {
            self.out.push(Problem::new("WF0005", path).with("count", count).with("most", NAMES_MAX));
        }
    }

    fn names(&mut self) {
        let file = self.file;
        let groups: [(&str, Vec<&Name>); 8] = [
            ("parameters", file.parameters.keys().collect()),
            ("roles", file.roles.keys().collect()),
            ("fields", file.fields.keys().collect()),
            ("tracks", file.tracks.keys().collect()),
            ("deadlines", file.deadlines.keys().collect()),
            ("ladders", file.ladders.keys().collect()),
            ("acts", file.acts.keys().collect()),
            ("counters", file.counters.keys().collect()),
        ];
        for (group, names) in groups {
            self.entries(group, names.len());
            for name in names {
                let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
                    && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
                    && name.len() <= 64;
                if !plain {
                    self.add("WF0006", &format!("{group}.{name}"));
                }
            }
        }
        // One flat space of variables for guards, so a name means one thing.
        let mut seen: BTreeSet<&Name> = BTreeSet::new();
        for name in file.fields.keys().chain(file.tracks.keys()).chain(file.deadlines.keys()) {
            if !seen.insert(name) {
                self.add("WF0007", name);
            }
        }
        for name in file.roles.keys().filter(|name| BUILT_IN.contains(&name.as_str())) {
            self.add("WF0008", &format!("roles.{name}"));
        }
        for name in file.acts.keys().filter(|name| RESERVED.contains(&name.as_str())) {
            self.add("WF0008", &format!("acts.{name}"));
        }
        self.label("title", &file.title);
        for (name, role) in &file.roles {
            self.label(&format!("roles.{name}.title"), &role.title);
            if let Some(field) = &role.unit {
                self.field(&format!("roles.{name}.unit"), field, &[FieldType::Unit]);
            }
        }
        self.evidence("entered_for_evidence", &file.entered_for_evidence);
        for kind in &file.evidence_per_case {
            if !file.acts.values().any(|act| act.evidence.contains_key(kind)) {
                self.named("WF0037", "evidence_per_case", kind);
            }
        }
        if let Some(role) = &file.fallback {
            self.role("fallback", role, &[]);
        }
    }

    fn label(&mut self, path: &str, label: &Label) {
        if label.zh.trim().is_empty() || label.en.trim().is_empty() {
            self.add("WF0009", path);
        }
    }

    fn role(&mut self, path: &str, role: &str, built_in: &[&str]) {
        if !self.file.roles.contains_key(role) && !built_in.contains(&role) {
            self.named("WF0010", path, role);
        }
    }

    fn field(&mut self, path: &str, field: &str, kinds: &[FieldType]) {
        match self.file.fields.get(field) {
            None => self.named("WF0011", path, field),
            Some(spec) if !kinds.is_empty() && !kinds.contains(&spec.kind) => {
                self.named("WF0012", path, field);
            }
            Some(_) => {}
        }
    }

    fn deadline(&mut self, path: &str, name: &str) {
        if !self.file.deadlines.contains_key(name) {
            self.named("WF0013", path, name);
        }
    }

    fn tracks(&mut self) {
        let file = self.file;
        if !file.tracks.contains_key("main") {
            self.add("WF0040", "tracks");
        }
        for (name, track) in &file.tracks {
            let at = format!("tracks.{name}");
            self.label(&format!("{at}.title"), &track.title);
            self.state(&format!("{at}.initial"), name, &track.initial);
            self.entries(&at, track.states.len());
            for (state, spec) in &track.states {
                let at = format!("{at}.states.{state}");
                self.label(&format!("{at}.title"), &spec.title);
                if let Some(owner) = &spec.owner {
                    self.role(&format!("{at}.owner"), owner, &[]);
                }
                if let Some(deadline) = &spec.deadline {
                    self.deadline(&format!("{at}.deadline"), deadline);
                }
                if (spec.rest || spec.outcome.is_some()) && spec.deadline.is_some() {
                    self.add("WF0016", &at);
                }
            }
        }
    }

    fn fields(&mut self) {
        let file = self.file;
        for (name, field) in &file.fields {
            let at = format!("fields.{name}");
            self.label(&format!("{at}.title"), &field.title);
            if (field.kind == FieldType::Choice) == field.choices.is_empty() {
                self.add("WF0017", &at);
            }
            self.entries(&at, field.choices.len());
            self.number(&format!("{at}.within_days"), field.within_days.as_ref(), 0, DAYS_MAX);
            if field.personal && field.kind != FieldType::Text {
                self.add("WF0041", &at);
            }
            if field.register && (field.kind != FieldType::Text || field.personal) {
                self.add("WF0048", &at);
            }
            if field.personal && field.column.is_some() {
                self.add("WF0018", &at);
            }
            if let Some(default) = &field.default {
                match default {
                    FieldDefault::DepartmentOfSector(from) | FieldDefault::Field(from) => {
                        self.field(&format!("{at}.default"), from, &[]);
                    }
                    FieldDefault::ActorUnit | FieldDefault::Actor | FieldDefault::False => {}
                }
            }
            let suggested = field.suggest.iter().chain(field.suggest_if.iter().map(|case| &case.term));
            for term in suggested {
                self.term(&format!("{at}.suggest"), term);
            }
            if field.kind != FieldType::Date && (field.suggest.is_some() || !field.suggest_if.is_empty()) {
                self.add("WF0042", &at);
            }
        }
    }

    fn term(&mut self, path: &str, term: &TermSpec) {
        let rules = [&term.working_days, &term.calendar_days, &term.months, &term.hours];
        let rules = rules.into_iter().flatten().count();
        let counted_back = term.on.is_some() && term.working_days.is_some();
        let given = usize::from(term.on.is_some()) + usize::from(term.at.is_some());
        if !(counted_back && rules == 1 && given == 1) && rules + given != 1 {
            self.add("WF0019", path);
        }
        self.number(path, term.working_days.as_ref(), 1, DAYS_MAX);
        self.number(path, term.calendar_days.as_ref(), 1, DAYS_MAX);
        self.number(path, term.months.as_ref(), 1, DAYS_MAX / 30);
        self.number(path, term.hours.as_ref(), 1, DAYS_MAX * 24);
        for field in [&term.on, &term.from].into_iter().flatten() {
            self.field(path, field, &[FieldType::Date]);
        }
        if let Some(field) = &term.at {
            self.field(path, field, &[FieldType::Moment]);
        }
    }

    fn counters(&mut self) {
        let file = self.file;
        for (name, counter) in &file.counters {
            let at = format!("counters.{name}");
            self.label(&format!("{at}.title"), &counter.title);
            self.field(&format!("{at}.field"), &counter.field, &[FieldType::Choice]);
            self.field(&format!("{at}.document"), &counter.document, &[FieldType::Text]);
            self.field(&format!("{at}.on"), &counter.on, &[FieldType::Date]);
            let choices = file.fields.get(&counter.field).map(|field| &field.choices);
            for value in
                counter.values.iter().filter(|value| choices.is_some_and(|all| !all.contains_key(*value)))
            {
                self.named("WF0033", &format!("{at}.values"), value);
            }
            let act = file.acts.get(&counter.act);
            for field in [&counter.field, &counter.document, &counter.on] {
                if act.is_none_or(|act| !act.requires.contains(field)) {
                    let problem = Problem::new("WF0047", format!("{at}.act"));
                    self.out.push(problem.with("act", &counter.act).with("name", field));
                }
            }
        }
    }

    fn number(&mut self, path: &str, number: Option<&Number>, least: u32, most: u32) {
        if let Some(number) = number.map(super::number).filter(|number| !(least..=most).contains(number)) {
            let problem = Problem::new("WF0034", path).with("number", number);
            self.out.push(problem.with("least", least).with("most", most));
        }
    }

    fn extension(&mut self, at: &str, extension: &ExtensionSpec) {
        let at = format!("{at}.extension");
        let conditional = extension.lead_working_days_if.iter().map(|case| &case.number);
        for lead in std::iter::once(&extension.lead_working_days).chain(conditional) {
            self.number(&format!("{at}.lead_working_days"), Some(lead), 0, DAYS_MAX);
        }
        let fraction = extension.lead_fraction.map(Number::Value);
        self.number(&format!("{at}.lead_fraction"), fraction.as_ref(), 1, DAYS_MAX);
        self.number(&format!("{at}.times"), Some(&extension.times), 1, DAYS_MAX);
        self.number(&format!("{at}.cap_days"), Some(&extension.cap_days), 1, DAYS_MAX);
        if let Some(decision) = &extension.decision {
            self.deadline(&format!("{at}.decision"), decision);
        }
    }

    fn evidence(&mut self, at: &str, evidence: &BTreeMap<Name, u32>) {
        for (kind, pieces) in evidence {
            self.number(&format!("{at}.{kind}"), Some(&Number::Value(*pieces)), 0, PIECES_MAX);
        }
    }

    fn deadlines(&mut self) {
        let file = self.file;
        for (name, deadline) in &file.deadlines {
            let at = format!("deadlines.{name}");
            self.label(&format!("{at}.title"), &deadline.title);
            self.role(&format!("{at}.owner"), &deadline.owner, &["assignee", "signer"]);
            for term in deadline.terms() {
                self.term(&format!("{at}.term"), term);
            }
            if let Some(ladder) = &deadline.ladder
                && !file.ladders.contains_key(ladder)
            {
                self.named("WF0022", &format!("{at}.ladder"), ladder);
            }
            for next in &deadline.on_miss {
                self.deadline(&format!("{at}.on_miss"), next);
                if next == name {
                    self.add("WF0023", &format!("{at}.on_miss"));
                }
            }
            if let Some(extension) = &deadline.extension {
                self.extension(&at, extension);
            }
            if deadline.extension.is_some() && deadline.kind != DeadlineKind::Legal {
                self.add("WF0024", &format!("{at}.extension"));
            }
        }
    }

    fn ladders(&mut self) {
        let file = self.file;
        for (name, rungs) in &file.ladders {
            let mut seen = BTreeSet::new();
            for (index, rung) in rungs.iter().enumerate() {
                let at = format!("ladders.{name}[{index}]");
                if !seen.insert(&rung.rung) {
                    self.named("WF0025", &at, &rung.rung);
                }
                for role in &rung.to {
                    self.role(&format!("{at}.to"), role, &["owner"]);
                }
                if let Some(signer) = &rung.signer {
                    self.role(&format!("{at}.signer"), signer, &[]);
                }
                if let Some(deadline) = &rung.deadline {
                    self.deadline(&format!("{at}.deadline"), deadline);
                }
                self.number(&at, rung.every_working_days.as_ref(), 1, DAYS_MAX);
                self.number(&at, rung.if_term_at_least.as_ref(), 0, DAYS_MAX);
                if rung.every_working_days.is_some() && index + 1 != rungs.len() {
                    self.add("WF0026", &at);
                }
                let waits = matches!(rung.measure, Measure::Draft | Measure::Propose);
                if waits && (rung.signer.is_none() || rung.what.is_none()) {
                    self.add("WF0027", &at);
                }
            }
        }
    }

    fn never(&mut self) {
        let file = self.file;
        for (index, never) in file.never.iter().enumerate() {
            let at = format!("never[{index}]");
            self.label(&format!("{at}.title"), &never.title);
            let (state, person) = (never.when.is_some(), never.does.is_some());
            if state == person || person == never.who.is_empty() {
                self.add("WF0032", &at);
            }
            for act in never.who.iter().chain(&never.does).filter(|act| !file.acts.contains_key(*act)) {
                self.named("WF0030", &at, act);
            }
        }
    }

    fn promises(&mut self) {
        let file = self.file;
        for (ladder, promise) in &file.promises {
            let at = format!("promises.{ladder}");
            if !file.ladders.contains_key(ladder) {
                self.named("WF0022", &at, ladder);
            }
            for role in promise.told.keys() {
                self.role(&format!("{at}.told"), role, &["owner"]);
            }
            for by in promise.told.values().flatten().chain(promise.done.values()) {
                if super::offset(by).is_none() {
                    self.out.push(Problem::new("WF0021", &at).with("at", by));
                }
            }
        }
    }

    fn acts(&mut self) {
        let file = self.file;
        if !file.acts.values().any(|act| act.opens) {
            self.add("WF0028", "acts");
        }
        for (name, act) in &file.acts {
            self.act(&format!("acts.{name}"), act);
        }
    }

    fn act(&mut self, at: &str, act: &ActSpec) {
        let file = self.file;
        self.label(&format!("{at}.title"), &act.title);
        if act.by.is_empty() {
            self.add("WF0029", &format!("{at}.by"));
        }
        for role in &act.by {
            self.role(&format!("{at}.by"), role, &["any", "assignee"]);
        }
        for role in &act.enter_for {
            self.role(&format!("{at}.enter_for"), role, &[]);
        }
        for (track, states) in &act.from {
            for state in states.names() {
                self.state(&format!("{at}.in"), track, state);
            }
        }
        for field in act.requires.iter().chain(&act.accepts) {
            self.field(&format!("{at}.requires"), field, &[]);
        }
        if let Some(field) = &act.imports {
            self.field(&format!("{at}.imports"), field, &[FieldType::Date]);
            if !act.opens || !act.requires.contains(field) {
                self.add("WF0038", &format!("{at}.imports"));
            }
        }
        if let Some(field) = &act.joins {
            self.field(&format!("{at}.joins"), field, &[FieldType::Text]);
        }
        if let Some(opens) = &act.opens_case {
            self.opens_case(&format!("{at}.opens_case"), opens);
        }
        if let Some(field) = &act.assignee {
            self.field(&format!("{at}.assignee"), field, &[FieldType::Unit]);
        }
        self.evidence(&format!("{at}.evidence"), &act.evidence);
        if let Some(officers) = &act.officers {
            self.number(&format!("{at}.officers"), Some(&Number::Value(officers.least)), 0, PIECES_MAX);
            self.role(&format!("{at}.officers"), &officers.role, &[]);
        }
        if act.officers.is_none() && !act.apart.officers.is_empty() {
            self.add("WF0035", &format!("{at}.apart.officers"));
        }
        for other in act.apart.actor.iter().chain(&act.apart.officers) {
            if !file.acts.contains_key(other) {
                self.named("WF0030", &format!("{at}.apart"), other);
            }
        }
        for (index, step) in act.then.iter().enumerate() {
            let at = format!("{at}.then[{index}]");
            if step.changes().len() != 1 {
                self.add("WF0031", &at);
            }
            for (track, state) in &step.move_to {
                self.state(&at, track, state);
            }
            let clocks = [&step.start, &step.meet, &step.cancel, &step.reopen, &step.pause, &step.resume];
            for clock in clocks.into_iter().flatten() {
                self.deadline(&at, clock);
            }
            for extend in [&step.ask_extension, &step.extend].into_iter().flatten() {
                self.deadline(&at, &extend.deadline);
                self.field(&at, &extend.to, &[FieldType::Date]);
                let extensible = file.deadlines.get(&extend.deadline).is_none_or(|d| d.extension.is_some());
                if !extensible {
                    self.named("WF0045", &at, &extend.deadline);
                }
            }
            if let Some(assign) = &step.assign {
                self.field(&at, &assign.to, &[FieldType::Unit, FieldType::Units]);
                for deadline in assign.clocks.names() {
                    self.deadline(&at, deadline);
                }
            }
        }
    }

    fn opens_case(&mut self, at: &str, opens: &OpensCase) {
        let file = self.file;
        for from in opens.fields.values() {
            self.field(at, from, &[]);
            if file.fields.get(from).is_some_and(|field| field.personal) {
                self.named("WF0043", at, from);
            }
        }
        // What another file takes is known when the act is done; within one file it is known now.
        if opens.workflow != file.workflow {
            return;
        }
        let Some(act) = file.acts.get(&opens.act).filter(|act| act.opens) else {
            return self.named("WF0046", at, &opens.act);
        };
        let takes = |field: &Name| act.requires.contains(field) || act.accepts.contains(field);
        for field in opens.fields.keys().filter(|field| !takes(field)) {
            self.out.push(Problem::new("WF0039", at).with("act", &opens.act).with("name", field));
        }
    }

    fn state(&mut self, path: &str, track: &str, state: &str) {
        match self.file.tracks.get(track) {
            None => self.named("WF0014", path, track),
            Some(spec) if !spec.states.contains_key(state) => {
                self.out.push(Problem::new("WF0015", path).with("track", track).with("name", state));
            }
            Some(_) => {}
        }
    }
}
