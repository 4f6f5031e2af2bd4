//! Organisations that do not agree with themselves.

use std::ffi::OsString;

use tests::home::Home;
use tests::project;

use crate::world::*;

fn sample() -> String {
    std::fs::read_to_string(project().join("workflows/sample/organisation.yaml")).expect("the file")
}

/// Tries to make a store, and gives what was said.
fn init(home: &Home, tenant: &str, language: &str) -> (Option<i32>, String) {
    let mut arguments = words("init --organisation organisation.yaml --simulated 2026-09-01");
    arguments.extend([OsString::from("--tenant"), OsString::from(tenant)]);
    let ran = run_in(home.folder.path(), &home.named(), &arguments, language);
    (ran.status.code(), String::from_utf8(ran.stderr).expect("UTF-8"))
}

#[tokio::test]
async fn all_that_is_wrong_with_an_organisation_is_said_at_once_and_no_store_is_made() {
    let home = Home::chosen().await;
    let mut text = sample();
    for (from, to) in [
        ("{id: county,", "{id: office,"),
        ("{id: office-clerk-2,", "{id: office-clerk,"),
        ("  gas: gas\n", "  gas: nowhere\n"),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(home.folder.path().join("organisation.yaml"), text).expect("written");
    for (language, says) in [
        (
            "en",
            [
                "BH0076: No store is made from organisation.yaml before this is put right:",
                "--tenant: the name of a jurisdiction has 1 to 64 characters",
                "two units have the id 'office'; give each an id of its own",
                "two posts have the id 'office-clerk'; give each an id of its own",
                "the post 'county-leader' lies in 'county', which is not among the units; add that unit",
                "the sector 'gas' goes to 'nowhere', which is not among the units; add that unit",
            ],
        ),
        (
            "zh",
            [
                "BH0076: organisation.yaml 需先更正下列各项，才能建库：",
                "--tenant：辖区名应为 1 至 64 个可读字符",
                "两个单位的标识都是“office”；请给每个单位自己的标识",
                "两个岗位的标识都是“office-clerk”；请给每个岗位自己的标识",
                "岗位“county-leader”所在的单位“county”不在单位表中；请补上该单位",
                "行业“gas”对应的单位“nowhere”不在单位表中；请补上该单位",
            ],
        ),
    ] {
        let (code, said) = init(&home, "", language);
        assert_eq!(code, Some(2), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), says.len(), "{said}");
        for (line, says) in lines.iter().zip(says) {
            assert!(line.contains(says), "{line} does not say {says}");
        }
    }
    assert!(home.is_empty().await);
}

#[tokio::test]
async fn a_jurisdiction_has_a_name_that_can_be_read() {
    let home = Home::chosen().await;
    std::fs::write(home.folder.path().join("organisation.yaml"), sample()).expect("written");
    for tenant in ["", " \u{3000}", "a\nb", "a\tb", "a\u{1b}[31m", "a\u{202e}b", &"县".repeat(65)] {
        let (code, said) = init(&home, tenant, "en");
        assert_eq!(code, Some(2), "{tenant:?}: {said}");
        assert!(said.contains("BH0076: ") && said.contains("--tenant: "), "{tenant:?}: {said}");
        assert!(home.is_empty().await, "{tenant:?}");
    }
    let (code, said) = init(&home, &"县".repeat(64), "en");
    assert_eq!(code, Some(0), "{said}");
}
