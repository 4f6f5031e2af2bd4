//! A small invented county, and a hand-set clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use calendar::Calendar;
use chrono::{NaiveDate, NaiveDateTime};
use machine::act::{Auth, Evidence, Signature};
use machine::command::{Decision, Directory, Perform, Post, Unit, UnitKind};
use machine::register::Registers;
use machine::state::{Deadline, Subject};
use machine::value::{PersonId, Value};
use machine::{Act, Command, Definition, Facts, Instant, Person, Refusal, State, apply, decide, fold};

/// The workflow file as shipped, with the parameters it comes with.
pub fn file() -> machine::file::File {
    shipped("major-hazard.yaml")
}

/// A workflow file as shipped.
pub fn shipped(name: &str) -> machine::file::File {
    let path = format!("{}/../../workflows/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    machine::file::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

/// The shipped file with another legal term in place of a date in the order.
pub fn with_term(term: machine::file::TermSpec) -> Arc<Definition> {
    let mut file = file();
    file.deadlines.get_mut("rectification").unwrap().term = term;
    Arc::new(compile(&file))
}

pub fn compile(file: &machine::file::File) -> Definition {
    Definition::compile(file, &BTreeMap::new()).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

static DEFINITION: LazyLock<Arc<Definition>> = LazyLock::new(|| Arc::new(compile(&file())));

pub fn definition() -> Arc<Definition> {
    DEFINITION.clone()
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Local time in the calendar's zone, `2026-03-02 09:00`.
pub fn at(text: &str) -> Instant {
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    Instant::new(calendar::china().instant(local.date(), local.time()))
}

/// Every person: id, unit, roles. All of them are invented.
const PEOPLE: [(&str, &str, &[&str]); 17] = [
    ("zhao", "dep-industry", &["department_officer"]),
    ("qian", "dep-industry", &["department_officer"]),
    ("sun", "dep-industry", &["department_officer"]),
    ("head", "dep-industry", &["section_head"]),
    ("deputy", "dep-industry", &["department_leader"]),
    ("far", "dep-fire", &["department_officer"]),
    ("farther", "dep-fire", &["department_officer"]),
    ("li", "office", &["office", "dispatching_officer"]),
    ("zhou", "office", &["office"]),
    ("wu", "office", &["office_leader", "dispatching_leader"]),
    ("boss", "government", &["county_leader"]),
    ("town", "town-east", &["township_officer"]),
    ("manager", "plant-a", &["responsible"]),
    ("foreman", "plant-a", &["responsible"]),
    ("other", "plant-b", &["responsible"]),
    ("admin", "office", &["administrator"]),
    ("nobody", "plant-b", &[]),
];

pub fn person(id: &str) -> Person {
    let (id, unit, _) = PEOPLE.iter().find(|(known, ..)| *known == id).unwrap();
    Person { person: (*id).into(), post: format!("post-{id}").as_str().into(), unit: (*unit).into() }
}

fn directory() -> Directory {
    let unit = |id: &str, name: &str, kind| Unit {
        id: id.into(),
        name: name.to_owned(),
        kind,
        area: None,
        sector: None,
        register: None,
    };
    Directory {
        units: vec![
            unit("dep-industry", "甲县工业局(虚构)", UnitKind::Department),
            unit("dep-fire", "甲县消防大队(虚构)", UnitKind::Department),
            unit("office", "甲县安委办(虚构)", UnitKind::Department),
            unit("government", "甲县人民政府(虚构)", UnitKind::Department),
            unit("town-east", "东乡镇(虚构)", UnitKind::Township),
            unit("town-west", "西乡镇(虚构)", UnitKind::Township),
            unit("plant-a", "甲一厂(虚构)", UnitKind::Enterprise),
            unit("plant-b", "乙二厂(虚构)", UnitKind::Enterprise),
        ],
        posts: PEOPLE
            .iter()
            .map(|(id, unit, roles)| Post {
                id: format!("post-{id}").as_str().into(),
                person: (*id).into(),
                unit: (*unit).into(),
                roles: roles.iter().map(ToString::to_string).collect(),
                title: None,
                name: None,
            })
            .collect(),
        departments: BTreeMap::from([("industry".to_owned(), "dep-industry".into())]),
        calendar: None,
    }
}

/// One case and its acts so far.
#[derive(Clone)]
pub struct World {
    pub definition: Arc<Definition>,
    pub calendar: Calendar,
    pub directory: Directory,
    pub now: Instant,
    pub acts: Vec<Act>,
    pub state: Option<State>,
    /// The number of the other case, for an act that concerns two.
    pub linked: Option<String>,
    /// Who worked on the case this one goes on from.
    pub hands: BTreeSet<PersonId>,
    /// Where the registers stand.
    pub registers: Registers,
    evidence: u32,
}

impl World {
    pub fn new(now: &str) -> Self {
        World {
            definition: definition(),
            calendar: calendar::china(),
            directory: directory(),
            now: at(now),
            acts: Vec::new(),
            state: None,
            linked: None,
            hands: BTreeSet::new(),
            registers: Registers { year: 2026, ..Registers::default() },
            evidence: 0,
        }
    }

    /// The same county with another workflow.
    pub fn under(definition: Arc<Definition>, now: &str) -> Self {
        World { definition, ..World::new(now) }
    }

    /// A case in rectification: opened on Monday 2 March 2026, dispatched on Wednesday, due as given.
    pub fn dispatched(due: &str) -> Self {
        let mut world = World::new("2026-03-02 09:00");
        world.ok("zhao", report());
        world.at("2026-03-03 10:00").ok("zhao", determine("no"));
        world.at("2026-03-04 11:00").ok("li", dispatch(due));
        world
    }

    /// A case whose completion was reported on the day given, at 16:00.
    pub fn reported(due: &str, day: &str) -> Self {
        let mut world = World::dispatched(due);
        world.at(&format!("{day} 16:00")).ok("manager", complete(day));
        world
    }

    /// A new version of the calendar: 2027 published, off from New Year's Day to the day given. Every date
    /// is counted again.
    pub fn publish_2027(&mut self, version: &str, off_to: &str) -> &mut Self {
        let text =
            format!("year: 2027\noff:\n  - {{ from: 2027-01-01, to: {off_to}, name: 元旦 }}\nmake_up: []\n");
        let year = calendar::parse_year("2027.yaml", &text).unwrap();
        self.calendar = self.calendar.with_year(version, year).unwrap();
        self.run(Some("admin"), &Command::Recalculate).unwrap();
        self
    }

    pub fn at(&mut self, text: &str) -> &mut Self {
        self.now = at(text);
        self
    }

    pub fn state(&self) -> &State {
        self.state.as_ref().unwrap()
    }

    pub fn on(&self, track: &str) -> &str {
        self.state().on(track).unwrap()
    }

    pub fn clock(&self, name: &str) -> &Deadline {
        self.state().deadline(name, Subject::Case).unwrap_or_else(|| panic!("no clock {name}"))
    }

    /// Decides without keeping the result.
    pub fn decide(
        &self,
        who: Option<&str>,
        command: &Command,
        expected: Option<u32>,
    ) -> Result<Decision, Refusal> {
        self.decide_by(who.map(person).as_ref(), command, expected)
    }

    pub fn decide_as(&self, who: &Person, command: &Command) -> Result<Decision, Refusal> {
        self.decide_by(Some(who), command, None)
    }

    fn decide_by(
        &self,
        actor: Option<&Person>,
        command: &Command,
        expected_version: Option<u32>,
    ) -> Result<Decision, Refusal> {
        let tenant = "county-a".into();
        let facts = Facts {
            tenant: &tenant,
            case: uuid::Uuid::from_u128(7),
            now: self.now,
            actor,
            auth: Auth::Asserted,
            key: None,
            calendar: &self.calendar,
            directory: &self.directory,
            expected_version,
            number: Some("YH-2026-000001"),
            linked: self.linked.as_deref(),
            hands: &self.hands,
            registers: &self.registers,
            salt: &[7; 32],
        };
        decide(&self.definition, self.state.as_ref(), command, &facts)
    }

    /// Decides and keeps; the acts folded are always the state decided on.
    pub fn run(&mut self, who: Option<&str>, command: &Command) -> Result<(), Refusal> {
        let decision = self.decide(who, command, None)?;
        let folded = decision.acts.iter().fold(self.state.take(), |state, act| match state {
            None => fold([act]),
            Some(state) => Some(apply(state, act)),
        });
        let expected = folded.is_some().then_some(&decision.state);
        assert_eq!(folded.as_ref(), expected, "the acts folded differ from the state decided");
        self.state = folded;
        self.acts.extend(decision.acts);
        Ok(())
    }

    pub fn tick(&mut self) -> &mut Self {
        self.run(None, &Command::Tick).unwrap();
        self
    }

    /// An act with fresh evidence of every kind it lists.
    pub fn ok(&mut self, who: &str, perform: Perform) -> &mut Self {
        let name = perform.act.clone();
        self.attempt(who, perform).unwrap_or_else(|refusal| panic!("{name} by {who}: {refusal:?}"));
        self
    }

    pub fn attempt(&mut self, who: &str, mut perform: Perform) -> Result<(), Refusal> {
        for piece in &mut perform.evidence {
            if piece.digest.is_empty() {
                self.evidence += 1;
                piece.digest = format!("{:064x}", self.evidence);
            }
        }
        self.run(Some(who), &Command::Perform(perform))
    }

    pub fn refused(&self, who: &str, perform: Perform) -> Refusal {
        self.clone().attempt(who, perform).expect_err("it was accepted")
    }

    /// Every rung recorded so far: its name, and what became of it.
    pub fn rungs(&self, clock: &str) -> Vec<(String, String)> {
        let numbers: Vec<u32> =
            self.state().deadlines.iter().filter(|d| d.name == clock).map(|d| d.no).collect();
        let rungs = self.rung_records().into_iter().filter(|rung| numbers.contains(&rung.deadline_no));
        rungs.map(|rung| (rung.rung, format!("{:?}", rung.result))).collect()
    }

    pub fn rung_records(&self) -> Vec<machine::act::RungRecord> {
        let effects = self.acts.iter().flat_map(|act| &act.effects);
        effects
            .filter_map(|effect| match effect {
                machine::Effect::RungRecorded { rung } => Some((**rung).clone()),
                _ => None,
            })
            .collect()
    }
}

/// An act in the making.
pub fn act(name: &str) -> Perform {
    Perform { act: name.to_owned(), ..Perform::default() }
}

pub trait With {
    fn text(self, field: &str, value: &str) -> Self;
    fn bool(self, field: &str, value: bool) -> Self;
    fn evidence(self, kind: &str) -> Self;
    fn digest(self, kind: &str, digest: &str) -> Self;
    fn officers(self, people: &[&str]) -> Self;
    fn signed(self) -> Self;
    fn because(self, reason: &str) -> Self;
    fn entered_for(self, person: &str) -> Self;
    fn without(self, field: &str) -> Self;
}

impl With for Perform {
    fn text(mut self, field: &str, value: &str) -> Self {
        self.fields.insert(field.to_owned(), Value::Text(value.to_owned()));
        self
    }
    fn bool(mut self, field: &str, value: bool) -> Self {
        self.fields.insert(field.to_owned(), Value::Bool(value));
        self
    }
    /// Fresh evidence; its digest is filled in when the act is attempted.
    fn evidence(self, kind: &str) -> Self {
        self.digest(kind, "")
    }
    fn digest(mut self, kind: &str, digest: &str) -> Self {
        self.evidence.push(Evidence { kind: kind.to_owned(), digest: digest.to_owned(), size_bytes: 1 });
        self
    }
    fn officers(mut self, people: &[&str]) -> Self {
        self.officers = people.iter().map(|person| (*person).into()).collect();
        self
    }
    fn signed(mut self) -> Self {
        self.signature = Some(Signature::Signed("厂长".to_owned()));
        self
    }
    fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }
    fn entered_for(mut self, person: &str) -> Self {
        self.entered_for = Some(person.into());
        self
    }
    fn without(mut self, field: &str) -> Self {
        self.fields.remove(field);
        self
    }
}

pub fn report() -> Perform {
    act("report")
        .text("enterprise", "plant-a")
        .text("township", "town-east")
        .text("place", "二车间")
        .text("description", "粉尘收集器无泄爆口")
        .text("sector", "industry")
        .text("source", "expert_inspection")
        .text("found_on", "2026-03-01")
        .evidence("photo")
}

pub fn determine(stop: &str) -> Perform {
    let perform = act("determine")
        .text("clause", "第三条第二项")
        .text("stop_work", stop)
        .bool("withdraw_people", false);
    if stop == "no" {
        return perform;
    }
    perform.text("document_no", "1号").text("document_date", "2026-03-02").text("document_signer", "某")
}

pub fn dispatch(due: &str) -> Perform {
    act("dispatch").text("order_no", "甲安办交〔2026〕1号").text("due_date", due)
}

pub fn complete(day: &str) -> Perform {
    act("report_complete").text("completed_on", day).text("completion_signer", "厂长").evidence("after_photo")
}

pub fn pass(day: &str) -> Perform {
    inspect("reinspect_pass", day)
}

pub fn fail(day: &str) -> Perform {
    inspect("reinspect_fail", day).because("泄爆口面积不足")
}

fn inspect(name: &str, day: &str) -> Perform {
    act(name)
        .text("opinion", "现场核查")
        .text("reinspected_on", day)
        .officers(&["zhao", "qian"])
        .signed()
        .evidence("record")
}

pub fn ask(to: &str) -> Perform {
    act("ask_extension")
        .text("done_so_far", "已停用")
        .text("interim_protection", "专人看守")
        .text("requested_date", to)
        .because("设备到货延迟")
}

pub fn grant(to: &str) -> Perform {
    act("grant_extension").text("granted_date", to).text("document_no", "甲安办延〔2026〕1号")
}

pub fn pause(review: &str) -> Perform {
    act("pause_clock")
        .text("pause_cause", "expert_examination")
        .text("pause_document", "甲工中〔2026〕1号")
        .text("pause_review_date", review)
        .because("送检")
}

pub fn resume() -> Perform {
    act("resume_clock").because("检测完成")
}

/// The calendar of the world with an invented notice for 2027.
pub fn with_2027(world: &World) -> calendar::Calendar {
    let year = calendar::parse_year(
        "2027.yaml",
        "year: 2027\noff:\n  - { from: 2027-01-01, to: 2027-01-05, name: 元旦 }\nmake_up: [2027-01-09]\n",
    );
    world.calendar.with_year("2027-1", year.unwrap()).unwrap()
}

/// Puts a field right.
pub fn amend(field: &str, value: Value) -> Command {
    let fields = BTreeMap::from([(field.to_owned(), value)]);
    Command::Amend { fields, reason: "笔误".to_owned() }
}
