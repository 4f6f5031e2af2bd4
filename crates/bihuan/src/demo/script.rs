//! What the people of the demonstration do. Everything follows from the number of the case, so that every
//! run is the same.

use std::collections::BTreeMap;

use calendar::Calendar;
use chrono::{Days, NaiveDate};
use machine::act::{AssignmentStatus, Evidence, Signature, digest_hex};
use machine::command::{Directory, Perform, UnitKind};
use machine::state::Subject;
use machine::value::{UnitId, Value};
use machine::{Person, State};

type Wish = Option<(Person, Perform)>;

/// How the people around a case behave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Temper {
    /// Everything in time.
    Prompt,
    /// Reports some working days after the due date.
    Late,
    /// The enterprise does nothing.
    Silent,
    /// The first report does not pass.
    Rejected,
    /// Asks for an extension.
    Extends,
    /// The department comes late.
    SlowRegulator,
    /// Not a major hazard.
    NotUpheld,
}

fn temper(index: usize) -> Temper {
    match index % 12 {
        4 => Temper::Late,
        6 => Temper::Silent,
        7 => Temper::Rejected,
        8 => Temper::Extends,
        9 => Temper::SlowRegulator,
        11 => Temper::NotUpheld,
        _ => Temper::Prompt,
    }
}

const FOUND: [(&str, &str); 6] = [
    ("一号仓库", "消防通道被堆货堵塞，安全出口上锁"),
    ("喷漆车间", "可燃气体报警器失效，未接入值守"),
    ("液氨机房", "快速冻结间作业人数超过规定"),
    ("有限空间", "未落实作业审批，现场无监护"),
    ("除尘系统", "不同建筑物共用一套除尘系统"),
    ("锅炉房", "安全阀超期未校验"),
];

const SOURCES: [&str; 4] = ["self_inspection", "peer_inspection", "expert_inspection", "enforcement"];

fn holder(directory: &Directory, role: &str, unit: &str, nth: usize) -> Option<Person> {
    let mut posts =
        directory.posts.iter().filter(|post| post.unit.as_str() == unit && post.roles.contains(role));
    let post = posts.nth(nth)?;
    Some(Person { person: post.person.clone(), post: post.id.clone(), unit: post.unit.clone() })
}

fn photo(kind: &str, index: usize, what: &str) -> Vec<Evidence> {
    let digest = digest_hex(format!("{kind} {index} {what}").as_bytes());
    vec![Evidence { kind: kind.to_owned(), digest, size_bytes: 48_000 }]
}

fn perform(act: &str, fields: &[(&str, &str)]) -> Perform {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned())));
    Perform { act: act.to_owned(), fields: fields.collect::<BTreeMap<_, _>>(), ..Perform::default() }
}

/// Somebody finds a hazard.
pub(super) fn find(index: usize, day: NaiveDate, directory: &Directory) -> Wish {
    let enterprises: Vec<_> =
        directory.units.iter().filter(|unit| unit.kind == UnitKind::Enterprise).collect();
    let enterprise = enterprises.get(index * 7 % enterprises.len().max(1))?;
    let township = directory
        .units
        .iter()
        .find(|unit| unit.kind == UnitKind::Township && unit.area == enterprise.area)?;
    let (place, description) = FOUND[index % FOUND.len()];
    let fields = [
        ("enterprise", enterprise.id.as_str()),
        ("township", township.id.as_str()),
        ("place", place),
        ("description", description),
        ("sector", enterprise.sector.as_deref()?),
        ("source", SOURCES[index % SOURCES.len()]),
        ("found_on", &day.to_string()),
    ];
    let report = Perform { evidence: photo("photo", index, "before"), ..perform("report", &fields) };
    Some((holder(directory, "township_officer", township.id.as_str(), 0)?, report))
}

/// What is done to a case on this day, if anything.
pub(super) fn act(
    index: usize,
    day: NaiveDate,
    state: &State,
    calendar: &Calendar,
    directory: &Directory,
) -> Wish {
    let stage = Stage { index, day, state, calendar, directory, temper: temper(index) };
    match state.on("main")? {
        "under_determination" => stage.determine(),
        "to_dispatch" => stage.dispatch(),
        "rectifying" => stage.acknowledge().or_else(|| stage.rectify()),
        "to_reinspect" => stage.reinspect(),
        "to_close_out" => stage.close(),
        _ => None,
    }
}

struct Stage<'a> {
    index: usize,
    day: NaiveDate,
    state: &'a State,
    calendar: &'a Calendar,
    directory: &'a Directory,
    temper: Temper,
}

impl Stage<'_> {
    /// Working days since the main track came here.
    fn waited(&self) -> i64 {
        let since = self.state.tracks.get("main").map(|position| position.since);
        let since = since.map_or(self.day, |since| self.calendar.local_date(since.utc()));
        self.calendar.count_working_days(since, self.day)
    }

    fn officer(&self, nth: usize) -> Option<Person> {
        holder(self.directory, "department_officer", self.state.text("department")?, nth)
    }

    fn due(&self) -> Option<NaiveDate> {
        calendar::parse_date(self.state.text("due_date")?).ok()
    }

    fn determine(&self) -> Wish {
        if self.waited() < 2 {
            return None;
        }
        if self.temper == Temper::NotUpheld {
            let refused = Perform {
                reason: Some("不符合判定标准，按一般隐患处理".to_owned()),
                ..perform("not_uphold", &[])
            };
            return Some((self.officer(0)?, refused));
        }
        let stop = if self.index.is_multiple_of(25) { "part" } else { "no" };
        let mut determine = perform("determine", &[("clause", "样例判定条款"), ("stop_work", stop)]);
        determine.fields.insert("withdraw_people".to_owned(), Value::Bool(stop == "part"));
        Some((self.officer(0)?, determine))
    }

    fn dispatch(&self) -> Wish {
        if self.waited() < 1 {
            return None;
        }
        let term = [15, 20, 30, 45][self.index % 4];
        let due = self.day.checked_add_days(Days::new(term))?.to_string();
        let number = format!("青应急责改〔2026〕{}号", self.index + 1);
        let order = perform("dispatch", &[("order_no", &number), ("due_date", &due)]);
        Some((holder(self.directory, "office", "office", self.index % 2)?, order))
    }

    fn acknowledge(&self) -> Wish {
        let sent = self.state.assignments.iter().find(|sent| sent.status == AssignmentStatus::Sent)?;
        if self.waited() < 1 || self.temper == Temper::Silent {
            return None;
        }
        let fields =
            [("served_how", "signed"), ("received_by", "安全员"), ("received_on", &self.day.to_string())];
        let unit: &UnitId = &sent.unit;
        Some((holder(self.directory, "responsible", unit.as_str(), 0)?, perform("acknowledge", &fields)))
    }

    fn enterprise(&self) -> Option<Person> {
        holder(self.directory, "responsible", self.state.text("responsible_unit")?, 0)
    }

    fn rectify(&self) -> Wish {
        let due = self.due()?;
        let rejected = self.state.involved.contains_key("reinspect_fail");
        let owes =
            |clock: &str| self.state.deadline(clock, Subject::Case).is_some_and(|clock| clock.is_open());
        match self.temper {
            Temper::Silent => None,
            _ if owes("plan") && self.waited() >= 5 => Some((self.enterprise()?, plan())),
            Temper::Extends if owes("extension_decision") => {
                let to = self.state.text("requested_date")?.to_owned();
                let grant = perform(
                    "grant_extension",
                    &[("granted_date", &to), ("document_no", "青安办延〔2026〕1号")],
                );
                Some((holder(self.directory, "dispatching_leader", "office", 0)?, grant))
            }
            Temper::Extends if !self.state.involved.contains_key("ask_extension") && self.waited() >= 4 => {
                let to = due.checked_add_days(Days::new(14))?.to_string();
                let fields = [
                    ("done_so_far", "设备已订购"),
                    ("interim_protection", "停用并设警戒"),
                    ("requested_date", &to),
                ];
                let ask = Perform {
                    reason: Some("设备到货推迟".to_owned()),
                    ..perform("ask_extension", &fields)
                };
                Some((self.enterprise()?, ask))
            }
            Temper::Late if self.calendar.count_working_days(due, self.day) < 6 => None,
            Temper::Rejected if rejected && self.waited() < 6 => None,
            _ if rejected || self.day >= due.checked_sub_days(Days::new(3))? => self.complete(),
            _ => None,
        }
    }

    fn complete(&self) -> Wish {
        let day = self.day.to_string();
        let done = perform("report_complete", &[("completed_on", &day), ("completion_signer", "主要负责人")]);
        Some((self.enterprise()?, Perform { evidence: photo("after_photo", self.index, &day), ..done }))
    }

    fn reinspect(&self) -> Wish {
        let wait = if self.temper == Temper::SlowRegulator { 14 } else { 3 };
        if self.waited() < wait {
            return None;
        }
        let fails = self.temper == Temper::Rejected && !self.state.involved.contains_key("reinspect_fail");
        let name = if fails { "reinspect_fail" } else { "reinspect_pass" };
        let (opinion, reason) = if fails {
            ("未整改到位", Some("整改不彻底".to_owned()))
        } else {
            ("整改合格", None)
        };
        let day = self.day.to_string();
        let seen = Perform {
            officers: vec![self.officer(0)?.person, self.officer(1)?.person],
            signature: Some(Signature::Signed("企业负责人".to_owned())),
            evidence: photo("record", self.index, &day),
            reason,
            ..perform(name, &[("opinion", opinion), ("reinspected_on", &day)])
        };
        Some((self.officer(0)?, seen))
    }

    fn close(&self) -> Wish {
        let stopped = self.state.on("operation")?;
        match stopped {
            "partly_stopped" | "fully_stopped" => {
                let apply = Perform {
                    reason: Some("隐患已排除".to_owned()),
                    ..perform("apply_resumption", &[])
                };
                Some((self.enterprise()?, apply))
            }
            "resumption_applied" => {
                let day = self.day.to_string();
                let fields = [
                    ("document_no", "青应急复〔2026〕1号"),
                    ("document_date", &day),
                    ("document_signer", "局长"),
                ];
                let officers = vec![self.officer(0)?.person, self.officer(1)?.person];
                Some((self.officer(1)?, Perform { officers, ..perform("accept_resumption", &fields) }))
            }
            _ if self.waited() < 1 => None,
            _ => {
                let clerk = holder(self.directory, "office", "office", self.index % 2)?;
                Some((clerk, perform("close_out", &[("opinion", "同意销号")])))
            }
        }
    }
}

fn plan() -> Perform {
    perform(
        "submit_plan",
        &[
            ("plan_target", "消除隐患"),
            ("plan_measures", "更换设备，完善制度"),
            ("plan_funds", "8 万元"),
            ("plan_people", "安全员负责"),
            ("plan_time", "按期完成"),
            ("plan_contingency", "停用、警戒、专人看守"),
        ],
    )
}
