//! What people are told is told in the words of the workflow file and the organisation, the right way round, and
//! sends nobody to what would be refused.

use serde_json::Value;
use tests::County;

use crate::world::*;

const ONE: &str = "YH-2026-000001";

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

/// A hazard waiting for its determination.
async fn reported() -> County {
    let county = tests::county("2026-09-01", "workflows/major-hazard.yaml").await;
    for photo in ["photo", "after_photo-1", "record-1", "paper"] {
        std::fs::write(county.folder.path().join(format!("{photo}.jpg")), photo).expect("written");
    }
    done(
        &county,
        "open major-hazard --as officer-qin --field enterprise=e-paper --field township=north \
         --field place=一号车间 --field description=无泄爆装置 --field sector=industry \
         --field source=expert_inspection --field found_on=2026-09-01 --evidence photo=photo.jpg",
    );
    county
}

const DETERMINE: &str = "act YH-2026-000001 determine --as officer-qin --field clause=第三条 --field stop_work=no \
    --field withdraw_people=no";
const DISPATCH: &str = "act YH-2026-000001 dispatch --as clerk-lin --field order_no=7号 \
    --field due_date=2026-10-16 --field assisting_units=housing";

async fn dispatched() -> County {
    let county = reported().await;
    done(&county, DETERMINE);
    done(&county, DISPATCH);
    county
}

fn ask(day: &str) -> String {
    format!(
        "act {ONE} ask_extension --as safety-he --field done_so_far=一半 --field interim_protection=停用 \
         --field requested_date={day} --reason 备件未到"
    )
}

/// What a line is refused with, in Chinese and in English.
fn both(county: &County, line: &str) -> [String; 2] {
    ["zh", "en"].map(|lang| refused(county, &format!("{line} --lang {lang}")).1.trim().to_owned())
}

#[tokio::test]
async fn alternatives_are_told_as_alternatives_and_by_their_titles() {
    let county = reported().await;
    let [chinese, english] = both(
        &county,
        &format!("act {ONE} determine --as officer-qin --field stop_work=part --field withdraw_people=no"),
    );
    assert_eq!(
        chinese,
        "BH0008: “认定（determine）”的条件尚不满足：需填写“判定条款”，或填写“专家意见”；\
         需“停产停业”为“不停”（现为局部停产），或填写“文号”且填写“成文日期”且填写“签发人”。"
    );
    assert_eq!(
        english,
        "BH0008: The condition of 'Determine (determine)' does not hold yet; needed: 'Clause of the standard' is \
         given, or 'Expert opinion' is given; 'Stop work' is 'No' (now In part), or 'Document number' is given and \
         'Date of the document' is given and 'Signed by' is given."
    );
    done(&county, DETERMINE);
    // Dates beside what they are compared with; what may be left out is told so.
    let [chinese, english] = both(&county, &format!("{DISPATCH} --field plan_due_date=2026-10-30"));
    has(
        &chinese,
        &["需不填写“方案报送期限”，或“方案报送期限”（2026-10-30）不晚于“整改期限”（2026-10-16）。"],
    );
    has(
        &english,
        &["'Plan due by' is not given, or 'Plan due by' (2026-10-30) is not after 'Due date' (2026-10-16)"],
    );
    let [chinese, english] = both(&county, &DISPATCH.replace("2026-10-16", "2026-09-01"));
    has(&chinese, &["需“整改期限”（2026-09-01）晚于今天（2026-09-01）。"]);
    has(&english, &["'Due date' (2026-09-01) is after today (2026-09-01)."]);
}

#[tokio::test]
async fn a_negated_condition_is_told_the_right_way_round() {
    let county = dispatched().await;
    done(&county, &ask("2026-10-30"));
    let [chinese, english] = both(&county, &ask("2026-11-02"));
    assert_eq!(chinese, "BH0008: “申请延期（ask_extension）”的条件尚不满足：需“延期审批时限”未在计时。");
    assert_eq!(
        english,
        "BH0008: The condition of 'Ask for an extension (ask_extension)' does not hold yet; needed: 'Decision on \
         the extension' is not running."
    );
    // A program is given the parts: the sign, the condition, what is known.
    let (_, said) = refused(&county, &format!("{} --json", ask("2026-11-02")));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let need = &said["refusal"]["needs"][0]["condition"];
    assert_eq!(
        (&need["text"], &need["wanted"], &need["atom"]["is"]),
        (&"!extension_decision.running".into(), &false.into(), &"extension_decision.running".into())
    );
    assert_eq!(need["known"]["extension_decision.running"]["bool"], true);
    let [chinese, english] = both(
        &county,
        &format!(
            "act {ONE} reinspect_pass --as officer-qin --field opinion=x --field reinspected_on=2026-09-01"
        ),
    );
    has(&chinese, &["需“主线”为“待复查”（现为整改中），或“整改期限”已到期，或“补充期限”已逾期。"]);
    has(
        &english,
        &["'Main track' is 'To re-inspect' (now Rectifying), or the day of 'Rectification' has come, or"],
    );
}

#[tokio::test]
async fn refusals_speak_of_titles_and_names_and_leave_ids_where_they_are_typed() {
    let county = dispatched().await;
    let [chinese, english] = both(&county, &format!("act {ONE} close_out --as clerk-lin --field opinion=x"));
    has(&chinese, &["现在不能办理“销号（close_out）”：“主线”为“整改中”，须为“待销号”。您现在可以办理："]);
    has(&english, &["'Close out (close_out)' is not possible now: 'Main track' stands at 'Rectifying'"]);
    let [chinese, _] = both(&county, &format!("act {ONE} list --as clerk-lin --field document_no=1"));
    has(&chinese, &["缺少：挂牌级别（supervision_level）、成文日期（document_date）"]);
    let [chinese, english] = both(&county, &format!("{} --field place=x", ask("2026-10-30")));
    has(&chinese, &["这里不能填“部位（place）”。可以填：已完成工作（done_so_far）、"]);
    has(&english, &["'Place (place)' cannot be given here. Possible: Done so far (done_so_far), "]);
    let [chinese, english] = both(&county, &ask("2026-08-01"));
    has(&chinese, &["“申请延至（requested_date）”的值“2026-08-01”不对：应晚于今天"]);
    has(&english, &["'Extension asked to (requested_date)' cannot be '2026-08-01'"]);
    let [chinese, _] = both(&county, &ask("2026-10-16"));
    has(&chinese, &["BH0022: “整改期限”不能延期：新日期应晚于 2026-10-16"]);
    let [chinese, english] = both(&county, &format!("act {ONE} urge --as safety-he --field urging_line=x"));
    has(
        &chinese,
        &[
            "“督办（urge）”须由下列角色之一办理：行业部门经办人（青原县工信局）、安委办、",
            "您的角色：整改责任单位",
        ],
    );
    has(
        &english,
        &[
            "'Urge (urge)' needs one of the roles Department officer (青原县工信局), Safety committee office, ",
        ],
    );
    let wrong = format!(
        "act {ONE} acknowledge --as safety-he --field served_how=fax --field received_by=x --field received_on=2026-09-01"
    );
    let [chinese, english] = both(&county, &wrong);
    has(&chinese, &["“送达方式（served_how）”的值“fax”不对：没有这一项；可选：留置送达（left）、"]);
    has(&english, &["there is none such; possible: Left in place (left), "]);
    // A person by name, a role by its title. The department has three officers, and one has a hand in it.
    let line = |who: &str| {
        format!(
            "act {ONE} report_progress --as {who} --entered-for safety-he --field progress_line=x \
             --evidence signed_paper={who}.jpg"
        )
    };
    for who in ["officer-bai", "officer-qin"] {
        std::fs::write(county.folder.path().join(format!("{who}.jpg")), who).expect("written");
    }
    done(&county, &line("officer-bai"));
    let line = line("officer-qin");
    let [chinese, _] = both(&county, &line);
    has(&chinese, &["秦观止若办理这一步，“", "”就凑不齐 2 名未参与的“行业部门经办人”"]);
}

/// The lines of the two officers of the department, which has dispatched the hazard itself.
const COMPLETE: &str = "act YH-2026-000001 report_complete --as safety-he --field completed_on=2026-09-01 \
    --field completion_signer=x --evidence after_photo=after_photo-1.jpg";
const PASS: &str = "act YH-2026-000001 reinspect_pass --as officer-qin --field opinion=x \
    --field reinspected_on=2026-09-01 --officer officer-qin --officer officer-bai --signed x \
    --evidence record=record-1.jpg";

#[tokio::test]
async fn whoever_is_kept_apart_is_told_by_name_and_offered_nothing() {
    let county = reported().await;
    done(&county, DETERMINE);
    done(&county, &format!("{DISPATCH} --field dispatching_unit=industry"));
    done(&county, COMPLETE);
    done(&county, PASS);
    let line = format!("act {ONE} close_out --as officer-qin --field opinion=x");
    let [chinese, english] = both(&county, &line);
    assert_eq!(chinese, "BH0015: 秦观止参与过“复查通过”，不能办理这一步；请换人。");
    has(&english, &["秦观止 took part in 'Pass the re-inspection' and cannot do this"]);
    assert!(!listed(&county, "officer-qin").contains(&"close_out".to_owned()));
    assert!(listed(&county, "clerk-lin").contains(&"close_out".to_owned()));
}

#[tokio::test]
async fn what_is_offered_is_possible_and_the_example_is_taken_as_it_stands() {
    let county = reported().await;
    let example = |county: &County, who: &str, act: &str| {
        let offers = json(county, &format!("next {ONE} --as {who}"));
        let offer = offers.as_array().expect("a list").iter().find(|offer| offer["act"]["id"] == act);
        offer.expect("offered")["example"].as_str().expect("text").to_owned()
    };
    // Nothing has to be filled in here; one of the alternatives is given.
    let line = example(&county, "officer-qin", "determine");
    has(&line, &["--field stop_work=no", "--field clause=TEXT"]);
    done(&county, line.strip_prefix("bihuan ").expect("a command"));
    let line = example(&county, "clerk-lin", "dispatch");
    done(&county, line.strip_prefix("bihuan ").expect("a command"));
    let line = example(&county, "safety-he", "report_complete");
    done(&county, line.strip_prefix("bihuan ").expect("a command"));
    let line = example(&county, "officer-qin", "reinspect_pass");
    done(&county, line.strip_prefix("bihuan ").expect("a command"));
    let line = example(&county, "clerk-lin", "close_out");
    done(&county, line.strip_prefix("bihuan ").expect("a command"));
}

/// The acts an error lists as possible.
fn listed(county: &County, who: &str) -> Vec<String> {
    let (_, said) = refused(county, &format!("act {ONE} nonsense --as {who} --json"));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    serde_json::from_value(said["refusal"]["allowed"].clone()).expect("acts")
}

#[tokio::test]
async fn what_would_be_refused_is_not_offered() {
    let county = dispatched().await;
    let has_act = |who: &str, act: &str| listed(&county, who).iter().any(|listed| listed == act);
    // No work of theirs to feed back, or sent back by anybody; and there is something to acknowledge.
    assert!(!has_act("safety-he", "feed_back") && has_act("safety-he", "acknowledge"));
    assert!(!has_act("clerk-lin", "refuse_return"));
    // A condition that no field of the act can meet.
    assert!(!has_act("officer-qin", "reinspect_pass") && !has_act("officer-qin", "resume_clock"));
    assert!(has_act("officer-qin", "pause_clock") && has_act("safety-he", "ask_extension"));
    let next = done(&county, &format!("next {ONE} --as safety-he --lang zh"));
    has(&next, &["feed_back  反馈\n    尚不能办理：BH0023: 样例造纸厂没有可以这样办理的交办事项。\n"]);
    assert!(!next.contains(&format!("bihuan act {ONE} feed_back")), "{next}");
    let next = done(&county, &format!("next {ONE} --as clerk-lin --lang en"));
    has(
        &next,
        &[
            "refuse_return  Refuse the return\n    not yet: BH0023: There is no assignment that can be moved so.",
        ],
    );
    // Twice is as often as allowed; the third time it is not offered, and it is said why.
    for day in ["2026-10-26", "2026-11-05"] {
        done(&county, &ask(day));
        assert!(!has_act("safety-he", "ask_extension"), "one is asked for already");
        done(
            &county,
            &format!(
                "act {ONE} grant_extension --as head-zhou --field granted_date={day} --field document_no=8号"
            ),
        );
    }
    assert!(!has_act("safety-he", "ask_extension"));
    let next = done(&county, &format!("next {ONE} --as safety-he --lang zh"));
    has(&next, &["尚不能办理：BH0022: “整改期限”不能延期：已延期 2 次，不能再延。"]);
}

#[tokio::test]
async fn next_shows_what_waits_for_a_signature_and_how_to_sign_it() {
    let county = busy().await;
    let next = done(&county, &format!("next {ONE} --as head-zhou --lang zh"));
    has(&next, &["sign 3  签批第 3 号待签事项：", &format!("bihuan sign {ONE} 3 --as head-zhou/")]);
    // Nothing of another signer's, and nothing that is signed already.
    let clerk = json(&county, &format!("next {ONE} --as clerk-lin"));
    let numbers: Vec<&Value> = clerk
        .as_array()
        .expect("a list")
        .iter()
        .map(|offer| &offer["proposal"])
        .filter(|no| !no.is_null())
        .collect();
    assert!(!numbers.contains(&&1.into()) && !numbers.contains(&&3.into()), "{numbers:?}");
    let offers = json(&county, &format!("next {ONE} --as head-zhou"));
    let offer =
        offers.as_array().expect("a list").iter().find(|offer| offer["proposal"] == 3).expect("offered");
    let example = offer["example"].as_str().expect("text").to_owned();
    done(&county, example.strip_prefix("bihuan ").expect("a command"));
    let next = done(&county, &format!("next {ONE} --as head-zhou --lang zh"));
    assert!(!next.contains("sign 3 "), "{next}");
}

/// The digest of a day, or nothing.
fn digest(county: &County, person: &str, day: &str, language: &str) -> String {
    let next = calendar::parse_date(day).expect("a day").succ_opt().expect("a day");
    let digests = json(county, &format!("inbox {person} --before {next} --lang {language}"));
    let newest = &digests[0];
    assert_eq!(newest["day"], day, "{digests}");
    newest["text"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_notice_names_what_its_reader_can_do_about_the_hazard() {
    let county = reported().await;
    done(&county, DETERMINE);
    // Nobody dispatches.
    done(&county, "work --until 2026-09-07");
    has(&digest(&county, "clerk-lin", "2026-09-04", "en"), &["Dispatch: was due 2026-09-03", "Dispatch. "]);
    for language in ["zh", "en"] {
        let said = digest(&county, "clerk-lin", "2026-09-04", language);
        for other in ["转一般", "Downgrade", "并案", "Merge", "移送", "Transfer"] {
            assert!(!said.contains(other), "{said}");
        }
    }
    // Nobody acknowledges: the enterprise does not record its own service.
    done(&county, DISPATCH);
    done(&county, "work --until 2026-09-10");
    let said = digest(&county, "safety-he", "2026-09-08", "zh");
    assert!(said.contains("：签收。") && !said.contains("登记送达"), "{said}");
    // Nobody re-inspects.
    done(&county, "work --until 2026-11-10");
    let said = digest(&county, "officer-qin", "2026-10-27", "zh");
    assert!(said.contains("复查通过、复查不通过") && !said.contains("转一般"), "{said}");
}

#[tokio::test]
async fn an_extension_is_spoken_of_while_it_can_be_asked_for_and_its_last_day_is_named() {
    let county = dispatched().await;
    done(&county, "work --until 2026-10-20");
    // Five working days before the date is the last day to ask: said that morning, and not the day before the date.
    let five = digest(&county, "safety-he", "2026-10-10", "zh");
    has(&five, &["整改期限：2026-10-16 到期", "确实来不及的，请最迟于 2026-10-10 申请延期。"]);
    has(
        &digest(&county, "safety-he", "2026-10-10", "en"),
        &["ask for an extension by 2026-10-10 at the latest."],
    );
    let one = digest(&county, "safety-he", "2026-10-15", "zh");
    assert!(one.contains("整改期限：2026-10-16 到期") && !one.contains("延期"), "{one}");
    // Nor while a request waits for its decision.
    let county = dispatched().await;
    done(&county, "work --until 2026-10-09");
    done(&county, &ask("2026-10-30"));
    done(&county, "work --until 2026-10-10");
    let five = digest(&county, "safety-he", "2026-10-10", "zh");
    assert!(five.contains("整改期限：2026-10-16 到期") && !five.contains("申请延期"), "{five}");
}

#[tokio::test]
async fn verify_and_rebuild_name_a_case_by_its_number_and_no_act_where_it_is_none() {
    let county = small().await;
    let change = "UPDATE cases SET main_state = 'closed'";
    assert_eq!(county.raw().await.run(change).await, 1);
    let said = |line: &str| String::from_utf8(super::world::line(&county, line).stdout).expect("UTF-8");
    has(&said("verify --lang en"), &["case YB-2026-000001: head main_state does not hold\n"]);
    has(&said("verify --lang zh"), &["案件 YB-2026-000001：head main_state 不符\n"]);
    has(
        &said("rebuild --check --lang en"),
        &["case YB-2026-000001: head main_state does not follow from the acts\n"],
    );
    let faults: Value = serde_json::from_str(&said("verify --json")).expect("JSON");
    assert_eq!(faults["faults"][0]["number"], "YB-2026-000001");
    // The number itself is believed of the acts.
    let change = "UPDATE cases SET number = 'YB-2026-000007'";
    assert_eq!(county.raw().await.run(change).await, 1);
    has(&said("verify --lang en"), &["case YB-2026-000001: head number does not hold\n"]);
}
