//! Workflow files that may not run (B73), and editions side by side (B74).

use machine::Command as Wish;
use machine::command::Perform;
use tests::{County, clerk, county, morning, project, request};

use crate::world::*;

const GENERAL: &str = "workflows/general-hazard.yaml";

fn general() -> String {
    std::fs::read_to_string(project().join(GENERAL)).expect("the file")
}

/// The shipped file with one place changed.
fn changed(from: &str, to: &str) -> String {
    let text = general();
    assert!(text.contains(from), "the file has no `{from}` any more");
    text.replacen(from, to, 1)
}

/// Checks and publishes a file: neither does it, and both say the same.
async fn refused(county: &County, name: &str, text: &str, exit: i32, says: &str) {
    write(county, "bad.yaml", text);
    let inputs = ["check bad.yaml", "publish bad.yaml"].map(|line| {
        let exit = if line.starts_with("check") { 4 } else { exit };
        Bad { tag: "B73", arguments: words(line), exit, says: ["", ""] }
    });
    let raw = county.raw().await;
    let before = everything(&raw).await;
    for input in inputs {
        let start = std::time::Instant::now();
        let ran = run(county, &input.arguments, "en");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(said.contains(says) && !said.contains("panicked"), "{name}: {said}");
        assert_eq!(ran.status.code(), Some(input.exit), "{name}: {said}");
        assert!(said.len() < 20_000, "{name}: {} bytes of message", said.len());
        // A bound against a bomb, not a promise of speed.
        assert!(start.elapsed().as_secs() < 30, "{name} took {:?}", start.elapsed());
    }
    assert!(everything(&raw).await == before, "{name} changed something");
}

#[tokio::test]
async fn b73_a_file_that_cannot_be_read_is_refused_with_its_place() {
    let county = county("2026-09-01", GENERAL).await;
    let refused = |name: &'static str, text: String, says: &'static str| {
        let county = &county;
        async move { refused(county, name, &text, 2, says).await }
    };
    refused(
        "a key twice",
        changed("calendar: cn\n", "calendar: cn\ncalendar: cn\n"),
        "'calendar' stands here twice",
    )
    .await;
    refused(
        "a state twice",
        changed("      closed:", "      rectifying: {}\n      closed:"),
        "'rectifying' stands here twice",
    )
    .await;
    refused(
        "an unknown key",
        changed("calendar: cn\n", "calendar: cn\nstatus: open\n"),
        "there is no key 'status' here",
    )
    .await;
    refused("no YAML", "workflow: [".to_owned(), "bad.yaml").await;
    refused("nothing", String::new(), "bad.yaml").await;
    refused("another file", "a: 1\n".to_owned(), "bad.yaml").await;
    let states: String = (0..1_000_000).map(|state| format!("      s{state}: {{}}\n")).collect();
    refused(
        "a million states",
        changed("      closed:", &format!("{states}      closed:")),
        "at most 524288",
    )
    .await;
    refused("513 KiB", format!("{}#{}", general(), "x".repeat(513 * 1024)), "at most 524288").await;
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let parts = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{parts}]\n"));
    }
    refused("an anchor bomb", bomb, "bad.yaml").await;
    refused("deep nesting", format!("workflow: {}", "[".repeat(100_000)), "bad.yaml").await;
    refused("deep maps", format!("workflow: {}", "{a: ".repeat(50_000)), "bad.yaml").await;
    let wide: String = (0..60_000).map(|_| "- x\n").collect();
    refused("a long list", format!("workflow:\n{wide}"), "bad.yaml").await;
}

#[tokio::test]
async fn b73_a_file_with_findings_is_refused_with_all_of_them() {
    let county = county("2026-09-01", GENERAL).await;
    let refused = |name: &'static str, text: String, says: &'static str| {
        let county = &county;
        async move { refused(county, name, &text, 4, says).await }
    };
    refused("an unknown owner", changed("owner: responsible, deadline", "owner: nobody, deadline"), "WF0010")
        .await;
    refused("an unknown role", changed("by: [office]", "by: [nobody]"), "WF0010").await;
    refused("an unknown recipient", changed("to: [owner]", "to: [nobody]"), "WF0010").await;
    refused("a rung twice", changed("rung: tomorrow", "rung: soon"), "WF0025").await;
    refused(
        "a clock that starts itself",
        changed("on_miss: [reinspection]", "on_miss: [rectification]"),
        "WF0023",
    )
    .await;
    refused("an unknown state", changed("move: {main: closed}", "move: {main: gone}"), "WF0015").await;
    refused("an unknown clock", changed("start: rectification", "start: nothing"), "WF0013").await;
    refused(
        "a clock at rest",
        changed("outcome: rectified}", "outcome: rectified, deadline: closing}"),
        "WF0016",
    )
    .await;
    let guard = |text: &str| {
        changed(
            "    in: {main: rectifying}\n",
            &format!("    in: {{main: rectifying}}\n    when: \"{text}\"\n"),
        )
    };
    refused("an unknown fact", guard("nothing == 1"), "WF0020").await;
    refused("a guard on a personal field", guard("has(contact)"), "WF0020").await;
    refused("a guard that calls", guard("place.matches('(a+)+')"), "WF0020").await;
    refused(
        "a deep guard",
        guard(&format!("{}place == 'x'{}", "(".repeat(5_000), ")".repeat(5_000))),
        "WF0020",
    )
    .await;
    refused("a deep negation", guard(&format!("{}(place == 'x')", "!".repeat(50_000))), "WF0020").await;
    let long = vec!["place == 'x'"; 20_000].join(" && ");
    refused("a guard of twenty thousand atoms", guard(&long), "WF0020").await;
    let states: String =
        (0..201).map(|state| format!("      s{state}: {{title: {{zh: 甲, en: A}}, rest: true}}\n")).collect();
    refused("201 states", changed("      closed:", &format!("{states}      closed:")), "WF0005").await;
    // One ladder serves several clocks: a finding where its owner is the only one told.
    let alone = "ladders:\n  alone:\n    - {rung: again, at: +1wd, do: remind, to: [owner, office], \
                 template: overdue_step, every_working_days: 5}\n";
    let with_it = |clock: &str| {
        let text = general().replacen("ladders:\n", alone, 1);
        let (from, to) = (format!("{clock}\n    ladder: duty_holder"), format!("{clock}\n    ladder: alone"));
        assert!(text.contains(&from), "{from}");
        text.replacen(&from, &to, 1)
    };
    write(&county, "bad.yaml", with_it("term: {working_days: 3}"));
    for line in ["check bad.yaml", "publish bad.yaml"] {
        let ran = run(&county, &words(line), "en");
        let said = [ran.stdout, ran.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains("CK29 deadlines.closing.ladder: "), "{line}: {said}");
        assert_eq!(ran.status.code(), Some(4), "{line}");
    }
    write(&county, "bad.yaml", with_it("term: {calendar_days: $reinspect_days}"));
    done(&county, "check bad.yaml");
    // Everything at once.
    let text = changed("owner: responsible, deadline", "owner: nobody, deadline")
        .replace("rung: tomorrow", "rung: soon");
    write(&county, "bad.yaml", text);
    let said = String::from_utf8_lossy(&run(&county, &words("check bad.yaml"), "en").stderr).into_owned();
    assert!(said.contains("WF0010 tracks.main.states.rectifying.owner") && said.contains("WF0025"), "{said}");
}

#[tokio::test]
async fn b74_two_editions_live_side_by_side_and_a_case_keeps_its_own() {
    let county = county("2026-09-01", GENERAL).await;
    done(&county, &format!("{OPEN} --key old"));
    // The newer edition gives the re-inspection 20 days in place of 10, and asks for a reason to close out.
    let newer = changed("edition: \"2026-11\"", "edition: \"2027-01\"")
        .replace("reinspect_days: {default: 10", "reinspect_days: {default: 20")
        .replace("    counts_as: close_out\n", "    counts_as: close_out\n    reason: true\n");
    write(&county, "newer.yaml", newer);
    done(&county, "publish newer.yaml");
    done(&county, &format!("{OPEN} --key new"));
    let engine = &county.engine;
    let (old, old_definition) = engine.case("YB-2026-000001").await.expect("there");
    let (new, new_definition) = engine.case("YB-2026-000002").await.expect("there");
    assert_ne!(old.definition, new.definition);
    assert_eq!(
        (old_definition.file().edition.as_str(), new_definition.file().edition.as_str()),
        ("2026-11", "2027-01")
    );
    let officers = "--as officer-qin --officer officer-qin --officer officer-bai --signed safety-he";
    for (number, photo) in [("YB-2026-000001", "one"), ("YB-2026-000002", "two")] {
        write(&county, photo, photo);
        done(&county, &format!("act {number} report_complete --as safety-he --evidence after_photo={photo}"));
    }
    let due = async |number: &str| {
        let (state, _) = engine.case(number).await.expect("there");
        let clock = state.deadline("reinspection", machine::state::Subject::Case).expect("runs").due;
        format!("{clock:?}")
    };
    assert!(due("YB-2026-000001").await.contains("2026-09-11"), "{}", due("YB-2026-000001").await);
    assert!(due("YB-2026-000002").await.contains("2026-09-21"), "{}", due("YB-2026-000002").await);
    for number in ["YB-2026-000001", "YB-2026-000002"] {
        done(&county, &format!("act {number} accept {officers}"));
    }
    // Another process, started after both were published, sees both: old cases need no reason to close.
    done(&county, "act YB-2026-000001 close_out --as clerk-lin");
    let refused = run(&county, &words("act YB-2026-000002 close_out --as clerk-lin"), "en");
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("BH0019"));
    done(&county, "act YB-2026-000002 close_out --as clerk-lin --reason 合格");
    // Publishing the first one again changes nothing for anybody.
    done(&county, &format!("publish {}", project().join(GENERAL).display()));
    worker::simulate(engine, morning("2026-10-01")).await.expect("worked");
    assert!(done(&county, "verify").contains("2 cases"));
    // A command cannot bring its own definition to a case that has one.
    let mut smuggled = request(
        old.case,
        Wish::Perform(Perform { act: "annul".to_owned(), ..Perform::default() }),
        clerk(),
        None,
    );
    smuggled.definition = Some(new.definition.clone());
    assert!(engine.execute(smuggled).await.is_err());
    assert_eq!(engine.case("YB-2026-000001").await.expect("there").0.definition, old.definition);
}
