//! Notice texts: every one in both languages with sample values, and what people find in their inbox.

use std::collections::BTreeSet;

use engine::notice::{self, Values};
use engine::text::Language;
use machine::Definition;
use serde_json::json;
use tests::{bihuan, county, morning, open_hazard, project};

const GENERAL: &str = "workflows/general-hazard.yaml";
/// After 08:30, when digests go out.
const HOUR: i64 = 3_600_000_000;

fn samples(language: Language) -> Values {
    let zh = language == Language::Zh;
    let of = |chinese: &str, english: &str| if zh { chinese } else { english }.to_owned();
    Values {
        number: "YH-2026-000007".to_owned(),
        clock: of("整改期限", "Rectification"),
        due: "2026-04-03".to_owned(),
        when: of("已逾期 3 个工作日", "3 working days late"),
        owner: of("样例造纸厂", "Sample paper mill"),
        todo: of("报完成", "Report complete"),
        call: of("青原县工信局", "Qingyuan industry bureau"),
        competent: of("青原县工信局", "Qingyuan industry bureau"),
        office: of("青原县安委办", "Qingyuan safety committee office"),
        signer: of("安委办", "Safety committee office"),
        proposal: of("催办函待签发", "Urging letter to sign"),
        ask_until: "2026-03-27".to_owned(),
    }
}

/// Every text with its title, rendered.
fn all(language: Language) -> String {
    let mut out = String::new();
    for name in notice::names() {
        let mut values = serde_json::to_value(samples(language)).expect("JSON");
        if name == "digest" {
            values = json!({ "day": "2026-04-09", "notices": 3, "more": 1, "lines": ["A\n   a", "B\n   b"] });
        } else if name == "unreached" {
            values = json!({ "roles": "X", "office": values["office"] });
        }
        let title = notice::title(language, name).expect("a title");
        out.push_str(&format!("## {name}: {title}\n{}\n\n", notice::render(language, name, &values)));
    }
    out
}

#[test]
fn every_text_in_chinese() {
    insta::assert_snapshot!(all(Language::Zh));
}

#[test]
fn every_text_in_english() {
    insta::assert_snapshot!(all(Language::En));
}

#[test]
fn every_file_is_a_text_and_no_text_lacks_a_title_or_a_body() {
    let names: BTreeSet<String> = notice::names().map(str::to_owned).collect();
    for language in ["zh", "en"] {
        let folder = project().join("workflows/templates").join(language);
        let files = std::fs::read_dir(folder).expect("the folder");
        let files: BTreeSet<String> = files
            .map(|file| {
                file.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned()
            })
            .collect();
        assert_eq!(files, names, "{language}");
    }
    for language in [Language::Zh, Language::En] {
        for name in notice::names() {
            assert!(!notice::title(language, name).unwrap_or_default().trim().is_empty(), "{name}");
            // A notice says what to do; which law it rests on stands in the order.
            let bare = notice::render(language, name, &json!({}));
            assert!(bare.starts_with(&format!("{name}: undefined")), "{name} takes no value: {bare}");
        }
    }
    assert!(!all(Language::Zh).contains('《'), "no law citations");
}

fn shipped() -> Vec<(String, Definition)> {
    let files = std::fs::read_dir(project().join("workflows")).expect("the folder");
    let files = files.map(|file| file.expect("a file").path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let compiled = files.map(|path| {
        let text = std::fs::read_to_string(&path).expect("read");
        let file = machine::file::parse(&path.display().to_string(), &text).expect("well formed");
        let name = file.workflow.clone();
        (name, Definition::compile(&file, &Default::default()).expect("no findings"))
    });
    compiled.collect()
}

#[test]
fn every_rung_of_the_shipped_loops_that_tells_somebody_names_its_text() {
    let shipped = shipped();
    assert!(shipped.len() >= 2);
    for (workflow, definition) in shipped {
        assert_eq!(notice::findings(&definition), [], "{workflow}");
        for (ladder, rungs) in &definition.file().ladders {
            for rung in rungs.iter().filter(|rung| !rung.to.is_empty()) {
                assert!(rung.template.is_some(), "{workflow} {ladder} {}", rung.rung);
                let what = rung.what.as_deref();
                let titled = what.is_none_or(|what| notice::title(Language::Zh, what).is_some());
                assert!(titled, "{workflow} {ladder} {}: '{what:?}' has no title", rung.rung);
            }
        }
    }
}

#[tokio::test]
async fn a_rung_whose_text_does_not_exist_is_refused() {
    let county = county("2026-09-01", GENERAL).await;
    let text = std::fs::read_to_string(project().join(GENERAL)).expect("read");
    let text = text.replacen("template: reminder", "template: remainder", 1);
    let path = county.folder.path().join("bad.yaml");
    std::fs::write(&path, text).expect("written");
    let path = path.display().to_string();
    for arguments in [["check", &path], ["publish", &path]] {
        let refused = bihuan(&county.path, &arguments);
        assert_eq!(refused.status.code(), Some(4), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            said.starts_with("WF0050 ladders.enterprise[0].template: there is no notice text 'remainder'"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_inbox_says_what_is_owed_by_when_and_whom_to_call() {
    let county = county("2026-09-01", GENERAL).await;
    for index in 0..23 {
        open_hazard(&county.engine, &format!("inbox-{index}"), "2026-09-18").await;
    }
    // The mark falls on a Saturday; everybody is told on Sunday, which is a make-up working day.
    worker::simulate(&county.engine, morning("2026-09-21").plus_micros(HOUR)).await.expect("worked");
    let out = bihuan(&county.path, &["inbox", "safety-he"]);
    assert!(out.status.success(), "{out:?}");
    let english = String::from_utf8(out.stdout).expect("UTF-8");
    let newest = english.split("\n\n2026-").next().expect("a digest");
    assert!(newest.starts_with("2026-09-20 digest: 23 matters"), "{newest}");
    assert!(newest.ends_with("And 3 more."), "the cap says what it hides: {newest}");
    let first: Vec<&str> = newest.lines().skip(2).take(3).collect();
    insta::assert_snapshot!("inbox_overdue_en", first.join("\n"));
    let digests = county.engine.inbox(&"safety-he".into(), Language::Zh, None, 1).await.expect("read");
    let first: Vec<&str> = digests.first().expect("a digest").text.lines().skip(2).take(3).collect();
    insta::assert_snapshot!("inbox_overdue_zh", first.join("\n"));
    let earlier = english.split("\n\n").find(|part| part.contains("Due soon")).expect("reminders before");
    insta::assert_snapshot!("inbox_reminder_en", earlier);
    let nobody = bihuan(&county.path, &["inbox", "nobody"]);
    assert_eq!(nobody.status.code(), Some(2));
}

#[tokio::test]
async fn what_reaches_nobody_comes_to_the_office_with_a_word_about_it() {
    let county = county("2026-09-01", GENERAL).await;
    let mut directory = (*county.engine.catalog().directory().await.expect("read")).clone();
    directory.posts.retain(|post| !post.roles.contains("responsible"));
    let body = serde_json::to_string(&directory).expect("JSON");
    county.engine.store().put_organisation(county.engine.tenant(), &body).await.expect("stored");
    open_hazard(&county.engine, "nobody", "2026-09-18").await;
    worker::simulate(&county.engine, morning("2026-09-11").plus_micros(HOUR)).await.expect("worked");
    let digests = county.engine.inbox(&"clerk-lin".into(), Language::En, None, 1).await.expect("read");
    insta::assert_snapshot!(digests.first().expect("a digest").text);
}

#[tokio::test]
async fn nobody_is_sent_after_what_was_done_before_the_digest_went_out() {
    let county = county("2026-09-01", GENERAL).await;
    open_hazard(&county.engine, "annulled", "2026-09-18").await;
    // The mark falls on Saturday morning; the case is annulled that day; the digest goes out on Sunday.
    worker::simulate(&county.engine, morning("2026-09-19").plus_micros(HOUR)).await.expect("worked");
    let annul = ["act", "YB-2026-000001", "annul", "--as", "clerk-lin", "--reason", "重复"];
    assert!(bihuan(&county.path, &annul).status.success());
    worker::simulate(&county.engine, morning("2026-09-20").plus_micros(HOUR)).await.expect("worked");
    let said = async |language| {
        let digests = county.engine.inbox(&"safety-he".into(), language, None, 1).await.expect("read");
        let digest = digests.first().expect("a digest");
        assert_eq!(digest.day, "2026-09-20");
        digest.text.clone()
    };
    let english = said(Language::En).await;
    assert!(english.contains("was due 2026-09-18; no longer needed since 2026-09-19."), "{english}");
    assert!(!english.contains("has to act now"), "{english}");
    assert!(said(Language::Zh).await.contains("已于 2026-09-19 取消，无需再办"));
}

#[tokio::test]
async fn a_digest_says_for_ever_what_it_said_and_what_has_become_of_it_since() {
    let county = county("2026-09-01", GENERAL).await;
    open_hazard(&county.engine, "told", "2026-09-18").await;
    // The last of the reminders before the date.
    worker::simulate(&county.engine, morning("2026-09-18").plus_micros(HOUR)).await.expect("worked");
    let said = async |language| {
        let digests = county.engine.inbox(&"safety-he".into(), language, None, 1).await.expect("read");
        digests.first().expect("a digest").text.clone()
    };
    let told = [said(Language::Zh).await, said(Language::En).await];
    let annul = ["act", "YB-2026-000001", "annul", "--as", "clerk-lin", "--reason", "重复"];
    assert!(bihuan(&county.path, &annul).status.success());
    let now = [said(Language::Zh).await, said(Language::En).await];
    let since =
        ["\n   （此后：已于 2026-09-18 取消。）", "\n   (Since then: no longer needed on 2026-09-18.)"];
    for ((told, now), since) in told.iter().zip(&now).zip(since) {
        assert_eq!(*now, format!("{told}{since}"));
    }
}

#[tokio::test]
async fn older_digests_are_reached_by_day() {
    let county = county("2026-09-01", GENERAL).await;
    open_hazard(&county.engine, "old", "2026-09-18").await;
    worker::simulate(&county.engine, morning("2026-12-31").plus_micros(HOUR)).await.expect("worked");
    let days = |arguments: &[&str]| {
        let printed = bihuan(&county.path, &[&["inbox", "safety-he"], arguments].concat());
        assert!(printed.status.success(), "{printed:?}");
        let printed = String::from_utf8(printed.stdout).expect("UTF-8");
        let days =
            printed.lines().filter_map(|line| line.split_once(" digest: ").map(|(day, _)| day.to_owned()));
        (days.collect::<Vec<String>>(), printed.lines().last().expect("a line").to_owned())
    };
    let all = county.engine.inbox(&"safety-he".into(), Language::En, None, 100).await.expect("read");
    let all: Vec<String> = all.into_iter().map(|digest| digest.day).collect();
    assert!(all.len() > 5, "{all:?}");
    let (mut seen, mut last) = days(&[]);
    while let Some(day) = last.strip_prefix("older ones: --before ") {
        let (more, next) = days(&["--before", day]);
        assert!(!more.is_empty());
        seen.extend(more);
        last = next;
    }
    assert_eq!(seen, all);
    let (none, said) = days(&["--before", "2026-09-01"]);
    assert!(none.is_empty() && said == "safety-he was told nothing before 2026-09-01.", "{said}");
}
