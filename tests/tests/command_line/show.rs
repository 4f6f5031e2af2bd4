//! What a clerk sees of a case, and what somebody may do with it.

use serde_json::Value;

use crate::world::*;

fn has(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "no `{wanted}` in:\n{text}");
    }
}

fn find(rows: &Value, wanted: impl Fn(&Value) -> bool) -> &Value {
    rows.as_array().expect("rows").iter().find(|row| wanted(row)).unwrap_or_else(|| panic!("none in {rows}"))
}

#[tokio::test]
async fn a_case_is_shown_with_names_clocks_assignments_and_proposals() {
    let county = busy().await;
    let shown = done(&county, "show YH-2026-000001 --lang en");
    has(
        &shown,
        &[
            "Main track: Rectifying, since 2026-09-01 08:00",
            "Sector: Industry and trade",
            "Enterprise: 样例造纸厂",
            "样例造纸厂 (lead): sent 2026-09-01 08:00, received 2026-09-01 08:00",
            "青原县住建局 (assisting): sent 2026-09-01 08:00\n",
            "Receipt (青原县住建局): 2026-09-03, overdue",
            "Urging letter: signed by 林知微, 2026-11-20",
            "Interview: waits for Safety committee office (段以宁, 林知微) since 2026-11-13",
            "2026-10-16 became 2026-10-30: extended, act ",
            "周守正",
            "a supplementary date, beside the legal one",
            "林知微 (综合岗, 青原县安委办)",
            "Dispatch",
        ],
    );
    let shown = done(&county, "show YH-2026-000001 --lang zh");
    has(
        &shown,
        &[
            "样例造纸厂（牵头）：2026-09-01 08:00 下达、2026-09-01 08:00 签收",
            "约谈：2026-11-13 08:30 起待 安委办（段以宁、林知微）签批",
            "2026-10-16 改为 2026-10-30：延期，第 ",
            "补充期限，与法定期限并列",
        ],
    );
    // Nothing in it is the id of a rung, a state or a person.
    for id in ["clerk-lin", "rectifying", "urging_letter", "remind_5", "overtaken", "e-paper"] {
        assert!(!shown.contains(id), "{id} in:\n{shown}");
    }
}

#[tokio::test]
async fn what_is_shown_is_in_the_json_with_ids() {
    let county = busy().await;
    let shown = json(&county, "show YH-2026-000001 --lang en");
    assert_eq!(shown["workflow"]["id"], "major-hazard");
    let clock = find(&shown["clocks"], |clock| clock["clock"]["id"] == "rectification");
    let earlier = &clock["earlier"][0];
    assert_eq!(earlier["due"]["day"], "2026-10-16");
    assert_eq!(earlier["became"]["day"], "2026-10-30");
    assert_eq!((&earlier["why"], &earlier["by"]["person"]["id"]), (&"extended".into(), &"head-zhou".into()));
    assert_eq!(clock["first_due"]["day"], "2026-10-16");
    assert_eq!(clock["missed"], true);
    assert_eq!(find(&shown["clocks"], |c| c["clock"]["id"] == "supplementary")["supplementary"], true);
    let waiting = find(&shown["proposals"], |proposal| proposal["approved"].is_null());
    assert_eq!(waiting["signer"]["id"], "office");
    assert_eq!(waiting["people"][0], serde_json::json!({ "id": "clerk-duan", "name": "段以宁" }));
    assert!(waiting["since"].is_string() && waiting["due"][0]["due"]["day"].is_string(), "{waiting}");
    let lead = find(&shown["assignments"], |sent| sent["duty"] == "lead");
    assert_eq!((&lead["unit"]["name"], &lead["status"]), (&"样例造纸厂".into(), &"received".into()));
    let dispatch = find(&shown["timeline"], |entry| entry["act"]["id"] == "dispatch");
    assert_eq!(dispatch["by"]["post"], serde_json::json!({ "id": "office-clerk", "name": "综合岗" }));
    // As it is kept, too.
    assert_eq!(shown["state"]["number"], "YH-2026-000001");
    assert_eq!(shown["acts"].as_array().map(Vec::len), shown["timeline"].as_array().map(Vec::len));
    let link = &json(&county, "show YH-2026-000002")["links"][0];
    assert_eq!((&link["link"], &link["number"]), (&"opened".into(), &"YB-2026-000001".into()));
    assert_eq!(link["workflow"]["id"], "general-hazard");
}

#[tokio::test]
async fn pauses_and_calendar_revisions_are_told_with_their_reason() {
    let county = tests::county("2026-09-01", "tests/workflows/clocks.yaml").await;
    let case = "CL-2026-000001";
    done(&county, "open clocks --as clerk-lin --field start=2026-09-01 --field due_on=2026-09-18");
    done(&county, &format!("act {case} stop --as clerk-lin --reason 鉴定"));
    done(&county, "work --until 2026-09-10");
    done(&county, &format!("act {case} run --as clerk-lin --reason 鉴定完成"));
    // A notice of a year not published when the date was counted.
    done(&county, "open clocks --as clerk-lin --field start=2026-12-24 --field due_on=2026-12-31");
    let year = "year: 2027\noff:\n  - { day: 2027-01-01, name: 元旦 }\n";
    std::fs::write(county.folder.path().join("2027.yaml"), year).expect("written");
    done(&county, "calendar load 2027.yaml --as admin-wen");
    let moved = done(&county, "show CL-2026-000002 --lang en");
    has(&moved, &["2027-01-07 became 2027-01-08: counted again with a new calendar, act ", "温如玉"]);
    let shown = done(&county, &format!("show {case} --lang en"));
    has(
        &shown,
        &[
            "2026-09-18 became 2026-09-27: run again after a pause, act 8 Run, 2026-09-10 23:59, 林知微: 鉴定完成",
            "stood still until 2026-09-10 23:59: act 2 Stop, 2026-09-01 08:00, 林知微: 鉴定",
        ],
    );
}

#[tokio::test]
async fn next_says_what_is_needed_and_how_to_type_it() {
    let county = busy().await;
    let offers = done(&county, "next YH-2026-000001 --as officer-qin/industry-officer-1 --lang en");
    has(
        &offers,
        &[
            "reinspect_pass  Pass the re-inspection",
            "opinion  Opinion (text, required)",
            "officers: 2 at least, Department officer: officer-bai 白景行, officer-lu 陆知远, officer-qin 秦观止",
            "bihuan act YH-2026-000001 reinspect_fail --as officer-qin/industry-officer-1 --field opinion=TEXT \
             --field reinspected_on=2026-11-20 --evidence record=record-1.jpg --officer officer-bai \
             --officer officer-lu --signed NAME --reason TEXT",
        ],
    );
    // A condition that does not hold yet is named.
    has(&offers, &["not yet; needed: 'Rectification' is paused"]);
    let offers = json(&county, "next YH-2026-000001 --as officer-qin --lang zh");
    let blocked = find(&offers, |offer| !offer["not_yet"].as_array().expect("atoms").is_empty());
    assert!(blocked["example"].as_str().expect("text").starts_with("bihuan act YH-2026-000001 "));
    // Choices and proposals.
    let third = "open major-hazard --as officer-qin --field enterprise=e-paper --field township=north \
        --field place=二号车间 --field description=无泄爆装置 --field sector=industry \
        --field source=expert_inspection --field found_on=2026-09-01 --evidence photo=photo.jpg";
    done(&county, third);
    let offers = json(&county, "next YH-2026-000003 --as officer-qin --lang zh");
    let determine = find(&offers, |offer| offer["act"]["id"] == "determine");
    let stop = find(&determine["fields"], |ask| ask["field"]["id"] == "stop_work");
    assert_eq!(stop["choices"][0], serde_json::json!({ "id": "no", "name": "不停" }));
    assert_eq!((&stop["required"], &stop["type"]), (&true.into(), &"choice".into()));
    done(
        &county,
        "act YH-2026-000003 determine --as officer-qin --field clause=第三条 --field stop_work=no --field withdraw_people=no",
    );
    let offers = json(&county, "next YH-2026-000003 --as clerk-lin --lang zh");
    let dispatch = find(&offers, |offer| offer["act"]["id"] == "dispatch");
    let due = find(&dispatch["fields"], |ask| ask["field"]["id"] == "due_date");
    let day = due["proposed"]["day"].as_str().expect("proposed");
    let example = dispatch["example"].as_str().expect("text");
    assert!(example.contains(&format!("--field due_date={day}")), "{example}");
    // What it takes by itself need not be typed.
    let unit = find(&dispatch["fields"], |ask| ask["field"]["id"] == "dispatching_unit");
    assert_eq!(unit["default"], "office");
    assert!(!example.contains("dispatching_unit"), "{example}");
}

#[tokio::test]
async fn next_says_who_is_kept_away_and_its_example_works() {
    let county = small().await;
    let case = "YB-2026-000001";
    done(
        &county,
        &format!(
            "act {case} report_complete --as officer-qin --entered-for safety-he --evidence after_photo=photo.jpg"
        ),
    );
    let offers = json(&county, &format!("next {case} --as officer-qin --lang en"));
    let accept = find(&offers, |offer| offer["act"]["id"] == "accept");
    assert_eq!(accept["refused"]["refusal"], "separation");
    has(accept["refused_text"].as_str().expect("text"), &["BH0015", "took part in"]);
    has(&done(&county, &format!("next {case} --as officer-qin --lang zh")), &["您不能做：BH0015"]);
    // Nobody is kept away here, and the places filled in, the command typed is taken.
    let hazard = done(&county, &format!("{OPEN} --field due_on=2026-09-30 --json"));
    let number =
        serde_json::from_str::<Value>(&hazard).expect("JSON")["number"].as_str().expect("one").to_owned();
    for (who, act) in
        [("safety-he", "report_complete"), ("officer-bai", "accept"), ("clerk-lin", "close_out")]
    {
        let offers = json(&county, &format!("next {number} --as {who}"));
        let example =
            find(&offers, |offer| offer["act"]["id"] == act)["example"].as_str().expect("text").to_owned();
        let example = example.replace("after_photo-1.jpg", "photo.jpg").replace("NAME", "何守诚");
        done(&county, example.strip_prefix("bihuan ").expect("a command"));
    }
    let shown = json(&county, &format!("show {number}"));
    assert_eq!(shown["tracks"][0]["state"]["id"], "closed");
    assert_eq!(json(&county, &format!("next {number} --as safety-he")), serde_json::json!([]));
    has(&done(&county, &format!("next {number} --as safety-he --lang en")), &["may do nothing with"]);
}
