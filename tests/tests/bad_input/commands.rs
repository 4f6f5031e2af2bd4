//! Commands that are refused.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use machine::command::Perform;

use crate::world::*;

/// A text that cannot be typed, in place of `?`.
fn with(tag: &'static str, line: &str, text: &[u8], exit: i32, says: [&'static str; 2]) -> Bad {
    let mut input = bad(tag, line, exit, says);
    for word in &mut input.arguments {
        let parts: Vec<Vec<u8>> =
            word.clone().into_vec().split(|byte| *byte == b'?').map(<[u8]>::to_vec).collect();
        *word = OsString::from_vec(parts.join(text));
    }
    input
}

fn inputs() -> Vec<Bad> {
    let (one, two, three, four, five) =
        ("YB-2026-000001", "YB-2026-000002", "YB-2026-000003", "YB-2026-000004", "YB-2026-000005");
    let (running, overdue, paused, extended) =
        ("YG-2026-000001", "YG-2026-000002", "YG-2026-000003", "YG-2026-000004");
    let qin = "--as officer-qin --officer officer-qin";
    let both = "--as officer-qin --officer officer-qin --officer officer-bai";
    let strict = "open strict --as clerk-lin --field responsible=e-paper --field due_on=2026-09-30";
    let l = |head: &str, case: &str, tail: &str| format!("{head} {case} {tail}");
    let act = |case: &str, tail: &str| l("act", case, tail);
    let mut all = vec![
        // B1: what may be done instead is listed.
        bad(
            "B1",
            &act(one, "close_out --as clerk-lin"),
            3,
            [
                "BH0004: 'Close out (close_out)' is not possible now",
                "BH0004: 现在不能办理“办结（close_out）”",
            ],
        ),
        bad("B1", &act(one, "close_out --as clerk-lin"), 3, ["You may now: ", "您现在可以办理："]),
        bad("B1", &act(three, "close_out --as clerk-lin"), 3, ["BH0004", "BH0004"]),
        bad(
            "B1",
            &act(one, "fly --as clerk-lin"),
            3,
            ["BH0003: There is no act 'fly'. You may now: ", "BH0003: 没有“fly”这个动作"],
        ),
        bad("B1", &act(one, "register --as clerk-lin"), 3, ["BH0002", "BH0002: 案件已经登记"]),
        bad(
            "B1",
            &act("YB-2026-999999", "annul --as clerk-lin --reason x"),
            2,
            ["BH0033: There is no case", "BH0033: 没有案件"],
        ),
        bad(
            "B1",
            &act(one, "annul --as officer-qin --reason x"),
            3,
            ["BH0007: 'Annul (annul)' needs one of the roles Safety committee office", "BH0007"],
        ),
        bad(
            "B1",
            &act(running, "hurry --as clerk-lin"),
            3,
            [
                "BH0008: The condition of 'Hurry (hurry)' does not hold yet; needed: 'Urgent' is 'yes'",
                "BH0008: “加急（hurry）”的条件尚不满足：需“紧急”为“是”",
            ],
        ),
        bad("B1", &act(running, "receive --as clerk-lin"), 3, ["BH0023", "BH0023"]),
        bad(
            "B1",
            &l("sign", one, "7 --as clerk-lin"),
            3,
            ["BH0024: No proposal 7", "BH0024: 没有第 7 号待签事项"],
        ),
        bad("B1", &l("take-back", one, "--reason x --as officer-qin"), 3, ["BH0025", "BH0025"]),
        bad(
            "B1",
            &act(running, "finish --as clerk-lin --entered-for safety-he"),
            3,
            ["BH0020: It cannot be entered for 何守诚", "BH0020: 不能为何守诚代录"],
        ),
        bad("B1", &act(one, "annul --as nobody --reason x"), 2, ["nobody holds 'nobody'", "nobody"]),
        // B2: the version now is named.
        bad(
            "B2",
            &act(one, "annul --as clerk-lin --reason x --expect 7"),
            3,
            [
                "BH0005: Somebody acted before you: you saw version 7, it is now 1",
                "BH0005: 别人先做了处理：您看到的是第 7 版，现在是第 1 版",
            ],
        ),
        // B3, B4: keys.
        bad(
            "B3",
            &format!("{} --key g1", OPEN.replace("堵塞", "锁闭")),
            3,
            ["BH0030: This key was used for another command", "BH0030: 这个键已用于另一条指令"],
        ),
        bad("B3", &l("comment", one, "x --as clerk-lin --key g1"), 3, ["BH0030", "BH0030"]),
        with(
            "B4",
            &l("comment", one, "x --as clerk-lin --key ?"),
            b"",
            2,
            ["BH0031: A key has 1 to 255 characters", "BH0031: 键应为 1 至 255 个字符"],
        ),
        with("B4", &l("comment", one, "x --as clerk-lin --key ?"), &[b'k'; 256], 2, ["BH0031", "BH0031"]),
        with("B4", &l("comment", one, "x --as clerk-lin --key ?"), b"a\nb", 2, ["BH0031", "BH0031"]),
        // B6: evidence.
        bad(
            "B6",
            &act(one, "report_complete --as safety-he"),
            3,
            [
                "BH0012: Evidence is missing: after_photo, 1 needed, 0 given",
                "BH0012: 缺少证据 after_photo：需要 1 件，只有 0 件",
            ],
        ),
        bad(
            "B6",
            &act(one, "report_complete --as safety-he --evidence before_photo=two"),
            3,
            ["BH0012", "BH0012"],
        ),
        bad("B6", &act(one, "report_complete --as safety-he --evidence photo=two"), 3, ["BH0084", "BH0084"]),
        bad(
            "B6",
            &act(five, "report_complete --as safety-he --evidence after_photo=one"),
            3,
            ["was handed in with act 2; a new one is needed", "已在第 2 步用过，请提供新的"],
        ),
        bad(
            "B6",
            &act(
                one,
                "report_complete --as safety-he --evidence after_photo=two --evidence before_photo=two",
            ),
            3,
            ["BH0013", "BH0013"],
        ),
        bad(
            "B6",
            &act(one, "report_complete --as safety-he --evidence after_photo=empty"),
            3,
            ["BH0014", "BH0014"],
        ),
        bad(
            "B6",
            &act(one, "report_complete --as safety-he --evidence after_photo=nowhere"),
            2,
            ["cannot read nowhere", "nowhere"],
        ),
        // B7: who took part does not judge it.
        bad(
            "B7",
            &act(two, &format!("accept {both} --signed safety-he")),
            3,
            [
                "BH0015: 秦观止 took part in 'Report complete' and cannot do this; somebody else has to",
                "BH0015: 秦观止参与过“报完成”",
            ],
        ),
        bad(
            "B7",
            &act(
                two,
                "accept --as officer-bai --officer officer-qin --officer officer-bai --signed safety-he",
            ),
            3,
            ["BH0015", "BH0015"],
        ),
        // B8: two different officers, who are officers.
        bad(
            "B8",
            &act(four, &format!("accept {qin} --signed safety-he")),
            3,
            [
                "BH0016: 2 different officers are needed, 1 named",
                "BH0016: 需要 2 名不同的执法人员，只有 1 名",
            ],
        ),
        bad(
            "B8",
            &act(four, &format!("accept {qin} --officer officer-qin --signed safety-he")),
            3,
            ["BH0016", "BH0016"],
        ),
        bad(
            "B8",
            &act(four, &format!("accept {qin} --officer clerk-lin --signed safety-he")),
            3,
            ["BH0017: 林知微 does not hold the role", "BH0017: 林知微不具有角色"],
        ),
        bad(
            "B8",
            &act(one, "annul --as clerk-lin --reason x --officer officer-qin"),
            3,
            ["BH0016: 0 different officers are needed, 1 named", "BH0016"],
        ),
        // B9: signed, or the refusal to sign on record.
        bad(
            "B9",
            &act(four, &format!("accept {both}")),
            3,
            ["BH0018: A signature or a recorded refusal to sign is needed", "BH0018: 需要签字，或记录拒签"],
        ),
        bad("B9", &act(four, &format!("accept {both} --signed ~")), 3, ["BH0018", "BH0018"]),
        bad(
            "B9",
            &act(four, &format!("accept {both} --refused-to-sign \u{3000}\u{200b}")),
            3,
            ["BH0018", "BH0018"],
        ),
        // B10: extensions. The breach stays, as nothing changes.
        bad(
            "B10",
            &act(overdue, "ask_extension --as safety-he --field new_date=2026-09-30 --reason x"),
            3,
            ["BH0022: 'Due' cannot be extended: its date has passed", "BH0022: “期限”不能延期：已经逾期"],
        ),
        bad(
            "B10",
            &act(overdue, "extend --as clerk-lin --field new_date=2026-09-30 --reason x"),
            3,
            ["its date has passed", "已经逾期"],
        ),
        bad(
            "B10",
            &act(extended, "extend --as clerk-lin --field new_date=2026-10-20 --reason x"),
            3,
            ["it was extended 1 times", "已延期 1 次"],
        ),
        bad(
            "B10",
            &act(running, "extend --as clerk-lin --field new_date=2026-10-15"),
            3,
            ["BH0019: A reason is needed", "BH0019: 请写明理由"],
        ),
        bad(
            "B10",
            &act(running, "extend --as clerk-lin --field new_date=2026-10-15 --reason \u{3000}"),
            3,
            ["BH0019", "BH0019"],
        ),
        bad(
            "B10",
            &act(running, "extend --as clerk-lin --field new_date=2026-11-01 --reason x"),
            3,
            ["2026-10-31 is the last day possible", "最晚到 2026-10-31"],
        ),
        bad(
            "B10",
            &act(running, "extend --as clerk-lin --field new_date=2026-09-30 --reason x"),
            3,
            ["the new date has to lie after 2026-09-30", "新日期应晚于 2026-09-30"],
        ),
        bad(
            "B10",
            &act(running, "extend --as clerk-lin --field new_date=2026-09-01 --reason x"),
            3,
            ["has to lie after", "新日期应晚于"],
        ),
        // B11: stopping what stands still, running what runs.
        bad(
            "B11",
            &act(paused, "pause --as clerk-lin --reason x"),
            3,
            ["BH0021: The clock 'Due' does not run", "BH0021: “期限”未在计时"],
        ),
        bad(
            "B11",
            &act(running, "resume --as clerk-lin"),
            3,
            ["BH0021: The clock 'Due' is not paused", "BH0021: “期限”没有中止计时"],
        ),
        bad(
            "B11",
            &act(overdue, "pause --as clerk-lin --reason x"),
            3,
            ["BH0021: The clock 'Due' has run out", "BH0021: “期限”已经逾期"],
        ),
        bad("B11", &act(three, "annul --as clerk-lin --reason x"), 3, ["BH0004", "BH0004"]),
    ];
    // B12, B19, B22: dates that are none, or lie wrong.
    let today = "it has to lie after today 2026-09-08";
    for (tag, date, en, zh) in [
        ("B12", "2026-09-07", today, "应晚于今天 2026-09-08"),
        ("B12", "2026-09-08", today, "应晚于今天 2026-09-08"),
        ("B12", "2036-09-08", "too far ahead, 2027-09-08 at the latest", "太远，最晚 2027-09-08"),
        (
            "B19",
            "2025-02-30",
            "BH0011: 'To be rectified by (due_on)' cannot be '2025-02-30'",
            "BH0011: “整改期限（due_on）”的值“2025-02-30”不对",
        ),
        ("B19", "2025-13-01", "BH0011", "BH0011"),
        ("B19", "2026-09-31", "BH0011", "BH0011"),
        ("B19", "24:00", "BH0011", "BH0011"),
        ("B19", "2026-09-30T23:59:60", "BH0011", "BH0011"),
        ("B19", "30.9.2026", "BH0011", "BH0011"),
        ("B22", "0000-01-01", "BH0011", "BH0011"),
        ("B22", "9999-12-31", "BH0011", "BH0011"),
        ("B22", "10000-01-01", "BH0011", "BH0011"),
        ("B22", "-0001-01-01", "BH0011", "BH0011"),
        ("B22", "292277026596-12-04", "BH0011", "BH0011"),
    ] {
        all.push(bad(tag, &OPEN.replace("2026-09-30", date), 3, [en, zh]));
    }
    for date in ["2025-02-30", "2026-09-09", "1899-12-31", "9999-01-01"] {
        let tag = if date.starts_with("20") { "B19" } else { "B22" };
        let exit = if matches!(date, "2026-09-09") { 3 } else { 2 };
        all.push(bad(
            tag,
            &l("comment", one, "x --as clerk-lin")
                .replace("comment", "act")
                .replace(" x ", &format!(" annul --reason x --occurred-on {date} ")),
            exit,
            [date, date],
        ));
    }
    all.push(bad("B19", "calendar 2025-02-30", 2, ["2025-02-30", "2025-02-30"]));
    all.push(bad("B22", "calendar 2199-12-01 --working-days 4294967295", 2, ["", ""]));
    // B18: what the file does not ask for is not taken.
    for field in ["status=closed", "tenant_id=other", "approved_by=me", "overdue=false", "version=1"] {
        all.push(bad("B18", &format!("{OPEN} --field {field}"), 3, ["BH0010", "BH0010: 这里不能填"]));
    }
    all.push(bad("B18", &format!("{OPEN} --field place=a"), 2, ["is given twice", "place"]));
    all.push(bad("B18", &format!("{OPEN} --field place"), 2, ["is not name=value", "place"]));
    all.push(bad(
        "B18",
        &OPEN.replace("--field place=仓库", ""),
        3,
        ["BH0009: Missing: Place (place)", "BH0009: 缺少：地点（place）"],
    ));
    // Values of the wrong type.
    for (tag, value) in [
        ("B26", "count=5.5"),
        ("B26", "count=-1"),
        ("B26", "count=101"),
        ("B26", "count=NaN"),
        ("B34", "count=9223372036854775808"),
        ("B26", "urgent=maybe"),
        ("B26", "level=highest"),
        ("B58", "helpers=e-paper,nowhere"),
        ("B58", "witness=nobody"),
        ("B12", "found_on=2026-09-09"),
    ] {
        all.push(bad(tag, &format!("{strict} --field {value}"), 3, ["BH0011", "BH0011"]));
    }
    // B29: nothing to read.
    for blank in ["", "~", "\u{3000}", "\u{200b}", "\u{feff}~\u{2060}"] {
        all.push(bad("B29", &OPEN.replace("仓库", blank), 3, ["it may not be blank", "不能为空"]));
    }
    all.push(with(
        "B29",
        &l("comment", one, "? --as clerk-lin"),
        "\u{3000}".as_bytes(),
        3,
        ["it may not be blank", "不能为空"],
    ));
    // B33: bytes and characters that have no place in a text. The shell cannot pass NUL.
    for text in [
        &b"a\x01b"[..],
        b"a\x1b[31m",
        "a\u{202e}b".as_bytes(),
        "a\u{2066}b".as_bytes(),
        b"a\x7f",
        "a\u{85}b".as_bytes(),
    ] {
        all.push(with(
            "B33",
            &l("comment", one, "? --as clerk-lin"),
            text,
            3,
            ["it holds control characters", "含有控制字符"],
        ));
    }
    for text in [&b"a\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80"] {
        all.push(with("B33", &l("comment", one, "? --as clerk-lin"), text, 2, ["UTF-8", "UTF-8"]));
    }
    all
}

#[tokio::test]
async fn every_bad_command_is_refused_with_a_reason_and_changes_nothing() {
    let county = world().await;
    let inputs = inputs();
    let tags: BTreeSet<&str> = inputs.iter().map(|input| input.tag).collect();
    for tag in ["B1", "B2", "B3", "B6", "B7", "B8", "B9", "B10", "B12", "B18", "B19", "B22", "B29", "B33"] {
        assert!(tags.contains(tag), "{tag} is not tried");
    }
    let codes = try_all(&county, &inputs).await;
    // I5: a row for every sort of refusal; the rest needs a machine that hurries or a person without a post.
    let expected: BTreeSet<String> =
        (2..=26).chain([30, 84]).filter(|code| *code != 6).map(|code| format!("BH{code:04}")).collect();
    assert_eq!(codes, expected);
}

/// B18, B33: what comes as JSON is read as strictly.
#[test]
fn json_with_unknown_keys_or_broken_text_is_refused() {
    for key in ["tenant_id", "status", "approved_by", "overdue", "auth", "at", "version", "effects"] {
        let text = format!(r#"{{"act": "annul", "{key}": "x"}}"#);
        let error = serde_json::from_str::<Perform>(&text).expect_err("refused").to_string();
        assert!(error.contains(&format!("unknown field `{key}`")), "{error}");
    }
    for text in [
        r#"{"act": "annul", "reason": "\ud800"}"#,
        r#"{"act": "annul", "act": "accept"}"#,
        r#"{"act": "annul", "evidence": [{"kind": "a", "digest": "b", "size_bytes": -1}]}"#,
        r#"{"act": "annul", "evidence": [{"kind": "a", "digest": "b", "size_bytes": 1, "seen": true}]}"#,
        r#"{"act": "annul", "signature": {"signed": "a", "refused": "b"}}"#,
        r#"{"act": "annul", "fields": {"count": 1e400}}"#,
        r#"{"act": "annul", "fields": {"count": {"$gt": 0}}}"#,
        r#"{"act": "annul", "occurred_on": "2025-02-30"}"#,
        "[]",
        "",
    ] {
        assert!(serde_json::from_str::<Perform>(text).is_err(), "{text}");
    }
}
