//! Two loops that know nothing of hazards: periodic duties, planned and covered through the binary, and
//! the tasks of a campaign, whose milestones are counted back from their end date.

use machine::command::Perform;
use machine::value::Value;
use machine::{Command as Wish, Person};
use serde_json::json;
use tests::{bihuan, clerk, county, morning, person, request, texts};

const DUTY: &str = "workflows/periodic-duty.yaml";
const TASK: &str = "workflows/task-list.yaml";
/// After 08:30, when digests go out.
const HOUR: i64 = 3_600_000_000;

fn act(name: &str, fields: &[(&str, &str)]) -> Perform {
    Perform { act: name.to_owned(), fields: texts(fields), ..Perform::default() }
}

async fn run(engine: &engine::Engine, case: machine::value::CaseId, perform: Perform, who: Person) {
    let name = perform.act.clone();
    let done = engine.execute(request(case, Wish::Perform(perform), who, None)).await;
    assert!(done.is_ok(), "{name}: {done:?}");
}

fn json(store: &std::path::Path, arguments: &[&str]) -> serde_json::Value {
    let out = bihuan(store, arguments);
    assert!(out.status.success(), "{arguments:?}: {out:?}");
    serde_json::from_slice(&out.stdout).expect("JSON")
}

#[tokio::test]
async fn a_period_is_planned_once_for_every_unit_and_its_coverage_names_who_is_missing() {
    let county = county("2026-07-01", DUTY).await;
    let (engine, store) = (&county.engine, &county.path);
    let duty = ["periodic-duty", "--field", "duty=self_inspection", "--period"];
    let with = |command: &'static str, rest: &[&'static str]| {
        let mut arguments = vec![command];
        arguments.extend(duty);
        arguments.extend(rest);
        arguments
    };
    let plan = with("plan", &["2026Q3", "--as", "clerk-lin", "--json"]);
    assert_eq!(json(store, &plan), json!({ "period": "2026Q3", "opened": 62, "there": 0 }));
    // Planned again, also by somebody else: nothing is opened twice.
    let again = with("plan", &["2026Q3", "--as", "clerk-duan", "--json"]);
    assert_eq!(json(store, &again), json!({ "period": "2026Q3", "opened": 0, "there": 62 }));
    // Monthly for the mines, beside the quarter.
    let mines = with("plan", &["2026-07", "--sector", "mine", "--as", "clerk-lin", "--json"]);
    assert_eq!(json(store, &mines)["opened"], 4);

    let key = "plan/periodic-duty/2026Q3/duty=self_inspection/e-paper";
    let case = engine::case_id(engine.tenant(), key);
    let enterprise = person("safety-he", "paper-safety", "e-paper");
    let mut report = act("submit", &[("summary", "已自查"), ("submitted_by", "主要负责人")]);
    report.fields.insert("hazards_found".to_owned(), Value::Int(2));
    run(engine, case, report.clone(), enterprise.clone()).await;
    run(engine, case, Perform { reason: Some("缺清单".to_owned()), ..act("send_back", &[]) }, clerk()).await;
    run(engine, case, report, enterprise).await;
    run(engine, case, act("accept", &[]), clerk()).await;
    let other = engine::case_id(engine.tenant(), "plan/periodic-duty/2026Q3/duty=self_inspection/e-build");
    run(engine, other, Perform { reason: Some("已停业".to_owned()), ..act("cancel", &[]) }, clerk()).await;

    let coverage = json(store, &with("coverage", &["2026Q3", "--json"]));
    assert_eq!(
        (&coverage["owed"], &coverage["done"], &coverage["cancelled"]),
        (&json!(61), &json!(1), &json!(1))
    );
    let missing = coverage["missing"].as_array().expect("a list");
    assert_eq!(missing.len(), 60, "owed = done + missing");
    assert_eq!(missing[0]["due"], "2026-09-30");
    assert!(missing.iter().all(|row| row["unit"] != "e-paper" && row["unit"] != "e-build"));
    // A period nobody planned: all of them are missing.
    let unplanned = json(store, &with("coverage", &["2026Q4", "--json"]));
    assert_eq!((&unplanned["owed"], &unplanned["done"]), (&json!(62), &json!(0)));

    // The worker escalates what is not handed in.
    worker::simulate(engine, morning("2026-10-20").plus_micros(HOUR)).await.expect("worked");
    let (late, _) = engine
        .case(
            &engine::case_id(engine.tenant(), "plan/periodic-duty/2026Q3/duty=self_inspection/e-01")
                .to_string(),
        )
        .await
        .expect("there");
    assert!(late.deadlines[0].missed_at.is_some(), "overdue since 1 October");
    let (done, _) = engine.case(&case.to_string()).await.expect("there");
    assert_eq!((done.on("main"), done.wake_at()), (Some("done"), None), "a duty done wakes nobody");
    assert!(bihuan(store, &["verify"]).status.success());

    let bad = bihuan(store, &with("plan", &["2026Q5", "--as", "clerk-lin"]));
    assert_eq!(bad.status.code(), Some(2));
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(said.starts_with("BH0068: '2026Q5' is no period"), "{said}");
}

#[tokio::test]
async fn statistics_are_due_on_the_fifteenth_and_look_backs_after_ninety_days() {
    let county = county("2026-09-01", DUTY).await;
    let due = |duty: &'static str| {
        let field = format!("duty={duty}");
        let plan = ["plan", "periodic-duty", "--field", &field, "--period", "2026Q3", "--as", "clerk-lin"];
        assert!(bihuan(&county.path, &plan).status.success());
        let shown = json(
            &county.path,
            &["coverage", "periodic-duty", "--field", &field, "--period", "2026Q3", "--json"],
        );
        shown["missing"][0]["due"].clone()
    };
    assert_eq!(due("enterprise_statistics"), "2026-10-15");
    assert_eq!(due("look_back"), "2026-12-29");
    assert_eq!(due("zero_report"), "2026-09-30");
}

#[tokio::test]
async fn the_milestones_of_a_task_are_counted_back_from_its_end_date() {
    let county = county("2026-03-02", TASK).await;
    let engine = &county.engine;
    let fields = [
        ("campaign", "样例专项行动"),
        ("task", "排查液氨企业"),
        ("lead_unit", "industry"),
        ("end_date", "2026-06-30"),
    ];
    let set = act("set_task", &fields);
    let case = engine
        .open("task-list", set, clerk(), machine::act::Auth::Asserted, "task".to_owned())
        .await
        .expect("opened")
        .case;
    let lead = person("officer-qin", "industry-officer-1", "industry");
    let china = calendar::china();
    let end = calendar::parse_date("2026-06-30").expect("a day");
    let back = |days| {
        store::due_text(machine::time::Due::Day(china.sub_working_days(end, days).expect("counted").date))
    };
    let due = |state: &machine::State, clock: &str| {
        let clock = state.deadline(clock, machine::state::Subject::Case).expect("it runs");
        store::due_text(clock.due)
    };
    let state = || async { engine.case(&case.to_string()).await.expect("there").0 };
    assert_eq!(due(&state().await, "scheme_milestone"), back(30));
    run(engine, case, act("submit_scheme", &[("scheme", "分三步推进")]), lead.clone()).await;
    assert_eq!(due(&state().await, "halfway_milestone"), back(15));
    // Nobody reports halfway: the worker tells the lead unit and the office, again and again.
    worker::simulate(engine, morning("2026-06-30").plus_micros(HOUR)).await.expect("worked");
    let digests =
        engine.inbox(&"officer-qin".into(), engine::text::Language::Zh, None, 3).await.expect("read");
    assert!(digests.iter().any(|digest| digest.text.contains("【环节超时】")), "{digests:?}");
    run(engine, case, act("report_halfway", &[("progress_line", "已查 40 家")]), lead.clone()).await;
    assert_eq!(due(&state().await, "hand_in_milestone"), back(5));
    // The milestone lies behind already, and still somebody is told until the task moves.
    let clock =
        state().await.deadline("hand_in_milestone", machine::state::Subject::Case).cloned().expect("runs");
    assert!(!clock.schedule.is_empty(), "a milestone that lies behind is not silent");
    run(engine, case, act("hand_in", &[("result", "全部查完")]), lead.clone()).await;
    run(engine, case, Perform { reason: Some("缺清单".to_owned()), ..act("send_back", &[]) }, clerk()).await;
    run(engine, case, act("hand_in", &[("result", "已补清单")]), lead).await;
    run(engine, case, act("accept", &[("opinion", "同意")]), clerk()).await;
    let state = state().await;
    assert_eq!((state.on("main"), state.wake_at()), (Some("accepted"), None));
    assert!(bihuan(&county.path, &["verify"]).status.success());
}
