//! A random sequence of commands that depends on nothing but its seed and on what the cases came to.

use calendar::Calendar;
use chrono::{Days, NaiveDate};
use engine::{Engine, Request};
use machine::act::{Auth, Evidence, Signature};
use machine::command::{NOBODY, Perform, UnitKind};
use machine::file::FieldType;
use machine::register::Registers;
use machine::value::{CaseId, Name, Value};
use machine::{Command, Definition, Directory, Facts, Instant, Person, Possible, State};
use store::Read;
use tests::request;

/// Enterprises that occur, so that cases have something in common.
const ENTERPRISES: [&str; 3] = ["e-paper", "e-06", "e-11"];
const TEXTS: [&str; 6] =
    ["一号车间", "除尘系统无泄爆装置", "50%_off \\ 'quoted'", "Ünïcode ß", "甲𠮷乙", "z"];

/// Random numbers from a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than the bound.
    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(from.len()).ok().filter(|length| *length > 0)?;
        from.get(usize::try_from(self.below(length)).ok()?)
    }
}

/// A step of a sequence.
#[derive(Clone, Debug)]
pub enum Step {
    One(Box<Request>),
    /// An order over several cases.
    All(Vec<Request>, Option<String>),
    /// The worker, to this moment.
    Until(Instant),
}

impl Step {
    fn one(request: Request) -> Step {
        Step::One(Box::new(request))
    }
}

/// What a sequence knows.
pub struct Sequence {
    dice: Dice,
    directory: Directory,
    definitions: [Definition; 2],
    calendar: Calendar,
    people: Vec<Person>,
    keys: u32,
    /// Those opened, or tried to.
    pub cases: Vec<CaseId>,
    /// What was sent already, to be sent again.
    sent: Vec<Step>,
}

/// A case as the next command finds it.
struct Found {
    state: State,
    definition: usize,
}

impl Sequence {
    pub fn new(dice: Dice, directory: Directory, definitions: [Definition; 2]) -> Sequence {
        let occurs = |post: &&machine::command::Post| {
            let unit = post.unit.as_str();
            !unit.starts_with("e-") || ENTERPRISES.contains(&unit)
        };
        let people = directory.posts.iter().filter(occurs).map(|post| Person {
            person: post.person.clone(),
            post: post.id.clone(),
            unit: post.unit.clone(),
        });
        let people = people.collect();
        let (calendar, cases, sent) = (calendar::china(), Vec::new(), Vec::new());
        Sequence { dice, directory, definitions, calendar, people, keys: 0, cases, sent }
    }

    /// The next step, for cases as they stand in this store.
    pub async fn step(&mut self, engine: &Engine) -> Step {
        let now = engine.store().clock().await.expect("read");
        let step = match self.dice.below(20) {
            _ if self.cases.len() < 4 => self.open(now),
            0..=1 => self.open(now),
            2..=3 => {
                let hours = self.dice.below(24 * 9) + 1;
                Step::Until(now.plus_micros(i64::try_from(hours).expect("few") * 3_600_000_000))
            }
            4 => self.again(),
            5..=6 => self.order(engine, now).await,
            7 => self.remark(engine).await,
            _ => self.act(engine, now).await,
        };
        self.sent.push(step.clone());
        step
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("键-{}", self.keys)
    }

    fn open(&mut self, now: Instant) -> Step {
        let index = usize::from(self.dice.one_in(2));
        let key = self.key();
        let actor = self.dice.choose(&self.people).expect("somebody").clone();
        let definition = self.definitions[index].clone();
        let case = engine::case_id(&"qingyuan".into(), &key);
        let possible =
            machine::next(&definition, None, &facts(now, case, &actor, &self.calendar, &self.directory));
        let everyday: Vec<Possible> = possible.into_iter().filter(|possible| possible.everyday).collect();
        let perform = match self.dice.choose(&everyday).cloned() {
            Some(possible) => self.fill(&definition, &possible, &actor, now),
            None => Perform { act: "report".to_owned(), ..Perform::default() },
        };
        self.cases.push(case);
        Step::one(Request {
            definition: Some(definition.digest().to_owned()),
            ..request(case, Command::Perform(perform), actor, Some(&key))
        })
    }

    /// The same once more, or something else under the same key.
    fn again(&mut self) -> Step {
        let step = self.dice.choose(&self.sent).expect("something was sent").clone();
        match step {
            Step::One(mut request) if self.dice.one_in(2) => {
                request.command = Command::Comment { text: "别的".to_owned() };
                Step::One(request)
            }
            // Time does not go back.
            Step::Until(moment) => Step::Until(moment.plus_micros(1)),
            step => step,
        }
    }

    async fn found(&mut self, engine: &Engine) -> Option<Found> {
        let case = *self.dice.choose(&self.cases)?;
        let known =
            engine.store().read(engine.tenant(), &[Read { case, key: None }]).await.expect("read").known;
        let state = known.into_iter().next()?.head.expect("undamaged")?.state;
        let definition = self.definitions.iter().position(|one| one.digest() == state.definition)?;
        Some(Found { state, definition })
    }

    async fn act(&mut self, engine: &Engine, now: Instant) -> Step {
        let Some(found) = self.found(engine).await else { return self.open(now) };
        let definition = self.definitions[found.definition].clone();
        let case = found.state.case;
        let mut offers: Vec<(Person, Option<Possible>, Option<u32>)> = Vec::new();
        for actor in &self.people {
            let facts = facts(now, case, actor, &self.calendar, &self.directory);
            for waiting in machine::signable(&definition, &found.state, &facts) {
                offers.push((actor.clone(), None, Some(waiting.no)));
            }
            let possible = machine::next(&definition, Some(&found.state), &facts).into_iter();
            let open = possible.filter(|one| one.not_yet.is_empty() && one.blocked.is_none());
            offers
                .extend(open.filter(|one| one.refused.is_none()).map(|one| (actor.clone(), Some(one), None)));
        }
        // What moves the case, more often than what only stands beside it.
        let everyday = |offer: &(Person, Option<Possible>, Option<u32>)| {
            offer.1.as_ref().is_none_or(|possible| possible.everyday)
        };
        if self.dice.below(3) > 0 && offers.iter().any(everyday) {
            offers.retain(everyday);
        }
        let Some((mut actor, possible, proposal)) = self.dice.choose(&offers).cloned() else {
            return self.open(now);
        };
        let mut command = match (possible, proposal) {
            (Some(possible), _) => Command::Perform(self.fill(&definition, &possible, &actor, now)),
            (None, no) => Command::DecideProposal {
                no: no.unwrap_or_default(),
                approved: self.dice.below(3) > 0,
                reason: Some("依法".to_owned()),
                issue: self.dice.one_in(2),
            },
        };
        let key = if self.dice.below(4) > 0 { Some(self.key()) } else { None };
        let mut expected = self.dice.one_in(3).then_some(found.state.version);
        // Some are wrong.
        match self.dice.below(16) {
            0 => expected = Some(found.state.version.saturating_sub(1)),
            1 => actor = self.dice.choose(&self.people).expect("somebody").clone(),
            2 => {
                let acts: Vec<Name> = definition.file().acts.keys().cloned().collect();
                let act = self.dice.choose(&acts).expect("some").clone();
                command = Command::Perform(Perform { act, ..Perform::default() });
            }
            3 => {
                if let Command::Perform(perform) = &mut command {
                    perform.fields.insert("nowhere".to_owned(), Value::Int(1));
                }
            }
            4 => {
                if let Command::Perform(perform) = &mut command {
                    perform.fields.pop_first();
                    perform.evidence.pop();
                }
            }
            _ => {}
        }
        Step::one(Request { expected_version: expected, ..request(case, command, actor, key.as_deref()) })
    }

    /// A remark, or an act taken back.
    async fn remark(&mut self, engine: &Engine) -> Step {
        let now = engine.store().clock().await.expect("read");
        let Some(found) = self.found(engine).await else { return self.open(now) };
        let acts = engine.acts(found.state.case).await.expect("read");
        let last = acts.last().and_then(|act| act.actor.person()).cloned();
        let (actor, command) = match last.filter(|_| self.dice.below(3) > 0) {
            Some(last) => {
                let (reason, before) = ("填错".to_owned(), Box::new(found.state.clone()));
                (last, Command::TakeBack { reason, before })
            }
            None => {
                let text = (*self.dice.choose(&TEXTS).expect("some")).to_owned();
                (self.dice.choose(&self.people).expect("somebody").clone(), Command::Comment { text })
            }
        };
        let key = self.key();
        Step::one(request(found.state.case, command, actor, Some(&key)))
    }

    /// One order over several cases: those of one workflow that can take it, and at times one that cannot.
    async fn order(&mut self, engine: &Engine, now: Instant) -> Step {
        let Some(first) = self.found(engine).await else { return self.open(now) };
        let definition = self.definitions[first.definition].clone();
        let actor = tests::clerk();
        let wanted = first.state.case;
        let offers = machine::next(
            &definition,
            Some(&first.state),
            &facts(now, wanted, &actor, &self.calendar, &self.directory),
        );
        let Some(possible) = self.dice.choose(&offers).cloned() else { return self.remark(engine).await };
        let perform = self.fill(&definition, &possible, &actor, now);
        let mut requests = vec![request(wanted, Command::Perform(perform.clone()), actor.clone(), None)];
        for _ in 0..self.dice.below(8) {
            let Some(other) = self.found(engine).await else { continue };
            let same = other.definition == first.definition
                && other.state.tracks["main"].state == first.state.tracks["main"].state;
            let known = requests.iter().any(|request| request.case == other.state.case);
            if !known && (same || self.dice.one_in(12)) {
                requests.push(request(
                    other.state.case,
                    Command::Perform(perform.clone()),
                    actor.clone(),
                    None,
                ));
            }
        }
        let key = self.key();
        Step::All(requests, Some(key))
    }

    /// What the act asks for.
    fn fill(
        &mut self,
        definition: &Definition,
        possible: &Possible,
        actor: &Person,
        now: Instant,
    ) -> Perform {
        let today = self.calendar.local_date(now.utc());
        let mut perform = Perform { act: possible.act.clone(), ..Perform::default() };
        let required = possible.requires.iter().map(|name| (name, true));
        let accepted = possible.accepts.iter().map(|name| (name, false));
        for (name, required) in required.chain(accepted) {
            let field = definition.field(name).expect("known");
            // Their salts are random: two stores cannot agree on them.
            if field.personal || (!required && self.dice.one_in(3)) {
                continue;
            }
            if possible.defaults.contains_key(name) && self.dice.below(4) > 0 {
                continue;
            }
            if perform.issue.is_none() && possible.issuable.contains(name) && self.dice.one_in(2) {
                perform.issue = Some(name.clone());
                continue;
            }
            let proposed = possible.proposed.iter().find(|proposed| proposed.field == *name);
            let value = match proposed.filter(|_| self.dice.below(3) > 0) {
                Some(proposed) => Value::Text(proposed.day.to_string()),
                None => self.value(field, today),
            };
            perform.fields.insert(name.clone(), value);
        }
        for (kind, least) in &possible.evidence {
            for _ in 0..*least {
                let digest: String = (0..4).map(|_| format!("{:016x}", self.dice.roll())).collect();
                perform.evidence.push(Evidence { kind: kind.clone(), digest, size_bytes: 1_000 });
            }
        }
        if let Some(officers) = definition.act(&possible.act).and_then(|spec| spec.officers.as_ref()) {
            let mut holders = self.directory.holders(&officers.role, Some(&actor.unit));
            if let Some(first) = self.dice.choose(&holders).cloned() {
                holders.sort_by_key(|holder| *holder < first);
            }
            perform.officers =
                holders.into_iter().take(usize::try_from(officers.least).expect("few")).collect();
        }
        if possible.signature {
            perform.signature = Some(Signature::Signed("负责人".to_owned()));
        }
        if possible.reason || self.dice.one_in(4) {
            perform.reason = Some((*self.dice.choose(&TEXTS).expect("some")).to_owned());
        }
        perform
    }

    fn value(&mut self, field: &machine::file::Field, today: NaiveDate) -> Value {
        let days = Days::new(self.dice.below(30) + 1);
        let text = match field.kind {
            FieldType::Bool => return Value::Bool(self.dice.one_in(3)),
            FieldType::Int => return Value::Int(field.min.unwrap_or(0) + 1),
            FieldType::Units => return Value::List(vec!["north".to_owned(), "market".to_owned()]),
            FieldType::Text => (*self.dice.choose(&TEXTS).expect("some")).to_owned(),
            FieldType::Choice => {
                let choices: Vec<&Name> = field.choices.keys().collect();
                (*self.dice.choose(&choices).expect("some")).clone()
            }
            FieldType::Date if field.until_today => (today - Days::new(self.dice.below(3))).to_string(),
            FieldType::Date => (today + days).to_string(),
            FieldType::Moment => format!("{}T17:00:00+08:00", today + days),
            FieldType::Unit => {
                let fits = |unit: &&str| match field.unit_kind {
                    Some(UnitKind::Township) => ["north", "south"].contains(unit),
                    Some(UnitKind::Department) => ["office", "industry", "emergency"].contains(unit),
                    Some(UnitKind::Enterprise) | None => ENTERPRISES.contains(unit),
                };
                let units = ["north", "south", "office", "industry", "emergency"];
                let units: Vec<&str> = units.into_iter().chain(ENTERPRISES).filter(fits).collect();
                (*self.dice.choose(&units).expect("some")).to_owned()
            }
            FieldType::Person => self.dice.choose(&self.people).expect("somebody").person.to_string(),
        };
        Value::Text(text)
    }
}

fn facts<'a>(
    now: Instant,
    case: CaseId,
    actor: &'a Person,
    calendar: &'a Calendar,
    directory: &'a Directory,
) -> Facts<'a> {
    static TENANT: std::sync::LazyLock<machine::value::TenantId> =
        std::sync::LazyLock::new(|| "qingyuan".into());
    Facts {
        tenant: &TENANT,
        case,
        now,
        actor: Some(actor),
        auth: Auth::Asserted,
        key: None,
        calendar,
        directory,
        expected_version: None,
        number: None,
        linked: None,
        hands: NOBODY,
        registers: Registers::NONE,
        salt: &[0; 32],
    }
}
