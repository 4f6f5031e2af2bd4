//! Commands that change a case, and what they leave alone.

use serde_json::json;

use crate::world::*;

const CASE: &str = "YB-2026-000001";

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let county = small().await;
    let raw = county.raw().await;
    let rows = async || {
        let counts = "SELECT (SELECT count(*) FROM acts), (SELECT count(*) FROM idempotency), \
                      (SELECT count(*) FROM refusals), (SELECT CAST(sum(version) AS BIGINT) FROM cases)";
        raw.rows::<(i64, i64, i64, i64)>(counts).await.remove(0)
    };
    let before = (rows().await, json(&county, &format!("show {CASE}")));
    let report = format!("act {CASE} report_complete --as safety-he --evidence after_photo=photo.jpg");
    let said = done(&county, &format!("{report} --dry-run --lang en"));
    assert!(said.starts_with("Dry run: nothing is written.\n  2  "), "{said}");
    assert!(said.contains("Rectifying → To re-inspect"), "{said}");
    let acts = json(&county, &format!("{report} --dry-run"));
    assert_eq!(acts[0]["name"], "report_complete");
    let (code, said) = refused(&county, &format!("act {CASE} close_out --as clerk-lin --dry-run --lang en"));
    assert_eq!(code, 3);
    assert!(said.starts_with("BH0004: "), "{said}");
    assert_eq!((rows().await, json(&county, &format!("show {CASE}"))), before);
    // The same command without it is carried out, and once.
    let sent = json(&county, &format!("{report} --key k"));
    assert_eq!(sent, json!({ "number": CASE, "version": 2, "replayed": false, "document": null }));
    assert_eq!(json(&county, &format!("{report} --key k"))["replayed"], true);
    assert_eq!(rows().await.0, before.0.0 + 1);
    assert_eq!(
        done(&county, &format!("{report} --key k --lang en")).trim(),
        "This command was carried out before; nothing was done twice."
    );
}

#[tokio::test]
async fn remarks_corrections_and_takings_back_are_on_record_and_move_no_date() {
    let county = small().await;
    let due = |shown: &serde_json::Value| shown["clocks"][0]["due"].clone();
    let first = json(&county, &format!("show {CASE}"));
    done(&county, &format!("comment {CASE} 已电话~催办 --as clerk-lin"));
    done(&county, &format!("amend {CASE} --field place=二号仓库 --reason 写错 --as clerk-lin"));
    let shown = json(&county, &format!("show {CASE} --lang en"));
    let entry = |at: usize, shown: &serde_json::Value| shown["timeline"][at].clone();
    assert_eq!(
        (&entry(1, &shown)["act"]["id"], &entry(1, &shown)["reason"]),
        (&"comment".into(), &"已电话 催办".into())
    );
    assert_eq!(entry(2, &shown)["effects"], json!(["Place: 一号仓库 → 二号仓库"]));
    done(&county, &format!("take-back {CASE} --reason 没写错 --as clerk-lin"));
    let back = json(&county, &format!("show {CASE} --lang zh"));
    assert_eq!(back["state"]["fields"]["place"], "一号仓库");
    assert_eq!(entry(3, &back)["effects"], json!(["恢复到第 2 步之后的状态"]));
    // What was taken back stays on record.
    assert_eq!(entry(2, &back)["reason"], "写错");
    assert_eq!(due(&back), due(&first));
    // Only one's own.
    let (code, said) = refused(&county, &format!("take-back {CASE} --reason x --as clerk-duan --lang en"));
    assert!(code == 3 && said.starts_with("BH0025: "), "{said}");
    assert!(done(&county, "verify --lang en").contains("all hold"));
}

#[tokio::test]
async fn a_proposal_is_signed_or_declined_once_by_whoever_may() {
    let county = busy().await;
    let proposal = |no: usize| json(&county, "show YH-2026-000001")["proposals"][no - 1].clone();
    assert_eq!(
        (&proposal(1)["approved"], &proposal(1)["decided_by"]["id"]),
        (&true.into(), &"clerk-lin".into())
    );
    let (code, said) = refused(&county, "sign YH-2026-000001 1 --as clerk-lin --lang en");
    assert!(code == 3 && said.starts_with("BH0024: No proposal 1"), "{said}");
    let (code, said) = refused(&county, "sign YH-2026-000001 3 --as clerk-lin --lang zh");
    assert!(code == 3 && said.starts_with("BH0007: "), "{said}");
    let (code, said) = refused(&county, "sign YH-2026-000001 3 --decline --as head-zhou --lang en");
    assert!(code == 3 && said.starts_with("BH0019: "), "{said}");
    assert!(proposal(3)["approved"].is_null());
    done(&county, "sign YH-2026-000001 3 --decline --reason 已在整改 --as head-zhou");
    assert_eq!(
        (&proposal(3)["approved"], &proposal(3)["decided_by"]["id"]),
        (&false.into(), &"head-zhou".into())
    );
    let ended = &proposal(3)["due"][0]["status"]["ended"]["end"];
    assert_eq!(ended, "met");
}

#[tokio::test]
async fn an_act_is_read_from_a_file_as_strictly_as_from_the_line() {
    let county = small().await;
    let folder = county.folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("written");
    write(
        "hazard.json",
        r#"{"act": "register", "fields": {"place": "三号库", "description": "堵塞", "sector": "industry",
            "source": "self_check", "responsible": "e-paper", "due_on": "2026-09-30"}}"#,
    );
    let opened = json(&county, "open general-hazard --as clerk-lin --file hazard.json");
    let number = opened["number"].as_str().expect("a number").to_owned();
    assert_eq!(json(&county, &format!("show {number}"))["state"]["fields"]["place"], "三号库");
    // Part of it from the line: what a person cannot type is the digest of a photo.
    write("report.json", r#"{"act": "report_complete", "reason": "已清"}"#);
    done(
        &county,
        &format!("act {number} --as safety-he --file report.json --evidence after_photo=photo.jpg"),
    );
    let shown = json(&county, &format!("show {number}"));
    let report = shown["timeline"].as_array().expect("entries").last().expect("one").clone();
    assert_eq!(
        (&report["act"]["id"], &report["reason"], &report["evidence"][0]["size_bytes"]),
        (&"report_complete".into(), &"已清".into(), &7.into())
    );
    // From standard input.
    let text = format!(
        "echo '{{\"act\": \"annul\", \"reason\": \"x\"}}' | '{}' act {CASE} --as clerk-lin --dry-run --json --file -",
        tests::binary().display()
    );
    let piped = std::process::Command::new("sh")
        .args(["-c", &text])
        .env("BIHUAN_STORE", &county.path)
        .output()
        .expect("ran");
    assert!(
        piped.status.success() && String::from_utf8_lossy(&piped.stdout).contains("\"annul\""),
        "{piped:?}"
    );

    write("unknown.json", "{\"act\": \"annul\",\n \"approved_by\": \"me\"}");
    write("broken.json", "{\"act\": ");
    write("fraction.json", r#"{"act": "annul", "fields": {"count": 5.5}}"#);
    write("large.json", &format!("{{\"act\": \"annul\", \"reason\": \"{}\"}}", "x".repeat(1024 * 1024)));
    let before = json(&county, &format!("show {CASE}"));
    for (tail, code, english, chinese) in [
        (
            "--file unknown.json",
            2,
            "BH0070: unknown.json:2:14: there is no key 'approved_by' here; possible: act, fields",
            "BH0070: unknown.json:2:14：这里没有“approved_by”这一项",
        ),
        (
            "--file broken.json",
            2,
            "BH0070: broken.json:1:8: the file ends too early",
            "BH0070: broken.json:1:8：文件为空或不完整",
        ),
        (
            "--file fraction.json",
            2,
            "BH0070: fraction.json:1:40: needed here: true or false, a whole number, a text or a list of texts; it is 5.5",
            "BH0070: fraction.json:1:40：此处应为是否值、整数、文字或文字列表，而写的是 5.5",
        ),
        (
            "--file large.json",
            2,
            "BH0055: large.json is larger than 1048576 bytes",
            "BH0055: large.json 超过 1048576 字节",
        ),
        (
            "--file nowhere.json",
            2,
            "BH0054: cannot read nowhere.json: there is no such file",
            "BH0054: 无法读取 nowhere.json：没有这个文件",
        ),
        (
            "close_out --file report.json",
            2,
            "BH0071: The file is about the act 'report_complete', not 'close_out'",
            "BH0071: 文件写的是动作“report_complete”",
        ),
        ("--file report.json --reason y", 2, "BH0059: 'reason' is given twice", "BH0059: “reason”给了两次"),
        ("", 2, "BH0049: missing: <ACT_NAME>", "BH0049: 缺少：<动作>"),
    ] {
        for (language, says) in [("en", english), ("zh", chinese)] {
            let (exit, said) =
                refused(&county, &format!("act {CASE} {tail} --as clerk-lin --lang {language}"));
            assert!(exit == code && said.starts_with(says), "{tail}: {exit}, {said}");
        }
    }
    assert_eq!(json(&county, &format!("show {CASE}")), before);
    // The machine decides the rest, as ever.
    let (code, said) =
        refused(&county, "open general-hazard --as clerk-lin --file hazard.json --field place=x --lang en");
    assert!(code == 2 && said.starts_with("BH0059: 'place' is given twice"), "{said}");
}

#[tokio::test]
async fn what_is_wrong_with_an_act_is_said_in_so_many_words() {
    let county = small().await;
    let twice = "act YB-2026-000001 report_complete --as safety-he --evidence after_photo=photo.jpg \
                 --evidence after_photo=photo.jpg";
    for (text, lang, words) in [
        (twice, "en", "is given twice; give each piece once."),
        (twice, "zh", "重复提供；同一份只需提供一次。"),
        ("DUE=2025-02-30", "en", "the month 2025-02 has no day 30."),
        ("DUE=2025-02-30", "zh", "2025-02 没有 30 日。"),
        ("DUE=soon", "en", "write it as YYYY-MM-DD, such as 2026-09-18."),
        ("UNIT=样例造纸厂", "zh", "没有这一项，可选：e-paper。"),
        ("UNIT=E-Paper", "en", "there is none such; known are: e-paper."),
        ("UNIT=nope", "en", "there is none such; known are: office, county, industry, "),
    ] {
        let text = match text.split_once('=') {
            Some(("DUE", day)) => format!("{OPEN} --field due_on={day} --key other"),
            Some(("UNIT", unit)) => {
                format!(
                    "{} --field due_on=2026-12-18 --key other",
                    OPEN.replace("=e-paper", &format!("={unit}"))
                )
            }
            _ => text.to_owned(),
        };
        let (exit, said) = refused(&county, &format!("{text} --lang {lang}"));
        assert!(exit == 3 && said.contains(words), "{text}: {said}");
    }
    // What was typed cannot steer the terminal of whoever reads that it was wrong.
    for arguments in [
        &["act", "YB-2026-000001", "a\u{1b}[31mb\u{9b}2J", "--as", "clerk-lin"][..],
        &["show", "a\u{1b}]0;title\u{7}"],
        &["ledger", "--unit", "a\r\u{1b}[2Kb"],
        &["ledger", "--lamp", "\u{1b}[31m"],
    ] {
        let ran = run(&county, arguments);
        assert!(!ran.status.success(), "{arguments:?}");
        let said = String::from_utf8(ran.stderr).expect("UTF-8");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
        assert!(said.contains("\\u{1b}"), "{said:?}");
    }
}
