//! Who does what in the demonstration, and what they write.

/// How the people around a case behave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// Everything in time.
    Prompt,
    /// The enterprise reports some working days after the due date.
    Late,
    /// The enterprise does nothing.
    Silent,
    /// The first report does not pass.
    Rejected,
    /// The enterprise asks for more time, and gets it.
    Extends,
    /// The department comes late.
    SlowRegulator,
    /// Not a major hazard.
    NotUpheld,
}

/// What happens to a case besides the way every case goes.
pub(super) struct Story {
    pub(super) temper: Temper,
    /// Acts, in order, each once, from so many working days after the opening on.
    pub(super) extras: &'static [(i64, &'static str)],
    /// Values that differ from the usual: of a field, or of `field@act`.
    pub(super) with: &'static [(&'static str, &'static str)],
    /// States of the main track in which nobody goes on.
    pub(super) hold: &'static [&'static str],
    /// An old case, taken over from the ledger before.
    pub(super) opening_entry: bool,
    /// The enterprise cannot write: the township officer enters its acts.
    pub(super) entered_for: bool,
    /// The enterprise refuses to sign the record.
    pub(super) refuses_to_sign: bool,
}

const USUAL: Story = Story {
    temper: Temper::Prompt,
    extras: &[],
    with: &[],
    hold: &[],
    opening_entry: false,
    entered_for: false,
    refuses_to_sign: false,
};

const TEMPERS: [Story; 7] = [
    USUAL,
    Story { temper: Temper::Late, ..USUAL },
    Story { temper: Temper::Silent, ..USUAL },
    Story { temper: Temper::Rejected, ..USUAL },
    Story { temper: Temper::Extends, ..USUAL },
    Story { temper: Temper::SlowRegulator, ..USUAL },
    Story { temper: Temper::NotUpheld, ..USUAL },
];

const SILENT: Story = Story { temper: Temper::Silent, ..USUAL };

/// Between them they take every act of the file and end in every state of every track.
const STORIES: &[Story] = &[
    // Publicity: exposed and taken back, exposed and closed, and every stage on the way.
    Story {
        extras: &[
            (4, "circulate"),
            (6, "propose_exposure"),
            (8, "expose"),
            (12, "ask_withdrawal"),
            (14, "withdraw"),
        ],
        ..SILENT
    },
    // What comes back takes longest.
    Story { extras: &[(20, "rebound")], ..USUAL },
    Story { entered_for: true, ..USUAL },
    Story { extras: &[(7, "send_back")], ..USUAL },
    Story { extras: &[(6, "propose_exposure"), (8, "expose")], ..SILENT },
    Story { extras: &[(5, "list_in_public"), (7, "publish_closure")], ..USUAL },
    Story { extras: &[(5, "circulate"), (9, "list_in_public"), (20, "urge")], ..SILENT },
    Story { extras: &[(6, "propose_exposure"), (8, "refuse_exposure")], ..USUAL },
    Story { extras: &[(6, "propose_exposure"), (8, "expose"), (30, "ask_withdrawal")], ..SILENT },
    Story { extras: &[(9, "propose_exposure")], ..SILENT },
    Story {
        extras: &[(6, "propose_exposure"), (8, "expose"), (12, "ask_withdrawal"), (14, "refuse_withdrawal")],
        ..SILENT
    },
    Story { extras: &[(5, "list_in_public"), (9, "ask_withdrawal")], ..SILENT },
    Story {
        extras: &[(5, "list_in_public"), (7, "publish_closure"), (8, "ask_withdrawal")],
        hold: &["to_close_out"],
        ..USUAL
    },
    Story { extras: &[(5, "circulate")], ..USUAL },
    // Supervision.
    Story {
        extras: &[(5, "list"), (30, "record_supervision")],
        with: &[("supervision_level", "county")],
        ..SILENT
    },
    Story { extras: &[(6, "list")], with: &[("supervision_level", "city")], ..SILENT },
    Story {
        extras: &[(6, "list"), (20, "record_enforcement")],
        with: &[("supervision_level", "province"), ("enforcement_measure", "dual_penalty")],
        ..SILENT
    },
    Story { extras: &[(5, "list"), (7, "delist")], ..USUAL },
    // Operation.
    Story { extras: &[(25, "review_stoppage")], with: &[("stop_work", "part")], ..SILENT },
    Story { extras: &[(4, "withdraw_workers"), (5, "stop_whole")], ..SILENT },
    Story { extras: &[(5, "stop_part"), (9, "stop_whole")], ..USUAL },
    Story { extras: &[(5, "stop_part"), (8, "apply_resumption"), (10, "refuse_resumption")], ..USUAL },
    Story { extras: &[(5, "stop_part"), (20, "apply_resumption")], ..SILENT },
    Story { extras: &[(5, "stop_whole"), (20, "apply_resumption")], ..SILENT },
    // Clocks: stopped, run again, a second date, an extension denied.
    Story { extras: &[(8, "pause_clock"), (15, "review_pause")], with: &[("term", "30")], ..SILENT },
    Story { extras: &[(6, "pause_clock"), (10, "resume_clock")], with: &[("term", "30")], ..USUAL },
    Story { temper: Temper::Rejected, extras: &[(8, "set_supplementary_date")], ..USUAL },
    Story { extras: &[(6, "ask_extension"), (8, "deny_extension")], with: &[("term", "45")], ..SILENT },
    // Ends.
    Story { extras: &[(9, "shut_down")], ..SILENT },
    Story { extras: &[(8, "downgrade")], ..SILENT },
    Story { extras: &[(7, "transfer")], ..SILENT },
    Story { extras: &[(5, "merge")], ..SILENT },
    Story { extras: &[(6, "annul")], ..SILENT },
    // Departments: one that is not competent, one that only thinks so.
    Story {
        extras: &[(5, "ask_handover"), (7, "hand_over")],
        with: &[("proposed_department", "emergency"), ("department", "emergency")],
        ..SILENT
    },
    Story {
        extras: &[(5, "ask_handover"), (7, "refuse_handover")],
        with: &[("proposed_department", "emergency")],
        ..USUAL
    },
    // Units: an assisting one, one that hands its work back, a check by the township.
    Story { extras: &[(6, "feed_back"), (8, "first_check")], with: &[("assisting_units", "yes")], ..USUAL },
    Story {
        extras: &[(4, "return_assignment"), (5, "reassign")],
        with: &[("responsible_unit@reassign", "e-paper")],
        ..SILENT
    },
    Story { extras: &[(4, "return_assignment"), (5, "refuse_return")], ..USUAL },
    Story {
        extras: &[(4, "return_assignment"), (5, "accept_return")],
        with: &[("assisting_units", "yes"), ("addressed_unit", "emergency")],
        ..USUAL
    },
    Story { extras: &[(5, "record_service")], with: &[("served_how", "refused")], ..SILENT },
    Story { refuses_to_sign: true, ..USUAL },
    // What the ledger before said; nobody has verified it.
    Story { opening_entry: true, with: &[("stated_state", "rectifying")], ..SILENT },
    Story {
        opening_entry: true,
        with: &[("stated_state", "to_reinspect")],
        hold: &["to_reinspect"],
        ..SILENT
    },
    Story { opening_entry: true, with: &[("stated_state", "to_dispatch")], ..USUAL },
    Story { opening_entry: true, with: &[("stated_state", "under_determination")], ..USUAL },
    // Somebody in government sits on it.
    Story { hold: &["under_determination"], ..USUAL },
    Story { extras: &[(4, "determine_in_meeting")], hold: &["under_determination"], ..USUAL },
    Story { hold: &["to_dispatch"], ..USUAL },
    Story { hold: &["to_reinspect"], ..USUAL },
    Story { hold: &["to_close_out"], ..USUAL },
];

/// Every fourth case has a story of its own, the others only their people's temper.
pub(super) fn story(index: usize) -> &'static Story {
    if index % 4 == 2 {
        return &STORIES[index / 4 % STORIES.len()];
    }
    match index % 24 {
        4 | 15 => &TEMPERS[1],
        7 => &TEMPERS[2],
        0 | 13 => &TEMPERS[3],
        8 | 20 => &TEMPERS[4],
        9 => &TEMPERS[5],
        11 => &TEMPERS[6],
        _ => &TEMPERS[0],
    }
}

pub(super) const FOUND: [(&str, &str); 10] = [
    ("一号仓库", "消防通道被堆货堵塞，安全出口上锁"),
    ("喷漆车间", "可燃气体报警器失效，未接入值守"),
    ("液氨机房", "快速冻结间作业人数超过规定"),
    ("污水处理池", "有限空间作业未审批，现场无人监护"),
    ("打磨车间", "不同厂房共用一套除尘系统"),
    ("锅炉房", "安全阀超期未校验"),
    ("配电室", "电缆沟积水，接地失效"),
    ("原料罐区", "液位报警未投用，紧急切断阀卡死"),
    ("脚手架", "连墙件缺失，超载堆料"),
    ("员工宿舍", "彩钢板房违规住人，未设独立烟感"),
];

pub(super) const SOURCES: [&str; 5] =
    ["self_inspection", "peer_inspection", "expert_inspection", "enforcement", "public_report"];

/// What people write, by field. Dates, units and choices are worked out elsewhere.
pub(super) fn words(field: &str) -> &'static str {
    match field {
        "clause" => "样例判定条款",
        "expert_opinion" => "经查看现场，符合重大事故隐患判定条款",
        "rebound_description" => "整改后又被堆货堵塞",
        "plan_target" => "消除隐患，恢复正常运行",
        "plan_measures" => "更换设备，完善制度，组织培训",
        "plan_funds" => "8 万元",
        "plan_people" => "安全员负责",
        "plan_time" => "按期完成",
        "plan_contingency" => "停用、警戒、专人看守",
        "progress_line" => "设备已到货，正在安装",
        "urging_line" => "请加快进度，每周报一次",
        "feedback_line" => "已派人协助检测",
        "done_so_far" => "设备已订购，旧设备已拆除",
        "interim_protection" => "停用并设警戒，专人看守",
        "medium" | "closure_medium" | "listing_medium" | "delisting_medium" => "青原县政府网",
        "received_by" => "安全员",
        "completion_signer" => "主要负责人",
        "expert_name" => "样例专家",
        "document_signer" => "局长",
        "opinion" => "情况属实，同意",
        "enforcement_subjects" => "企业及其主要负责人",
        "receiver" => "青原县公安局",
        "reporter_contact" => "样例联系方式",
        _ => "样例",
    }
}

/// The reason given for an act.
pub(super) fn reason(act: &str) -> &'static str {
    match act {
        "not_uphold" => "不符合判定标准，按一般隐患处理",
        "ask_extension" => "设备到货推迟",
        "deny_extension" => "理由不足，请加派人手",
        "reinspect_fail" => "整改不彻底",
        "return_assignment" => "该处场地已转租，不归本单位管理",
        "reassign" => "场地由承租单位使用，转由其负责",
        "propose_exposure" => "拒不整改，影响周边安全",
        "refuse_return" => "登记的产权单位就是该单位",
        "accept_return" => "不涉及该单位职责",
        "withdraw_workers" => "有中毒和爆炸危险",
        "refuse_exposure" => "企业已开始整改，暂不曝光",
        "refuse_withdrawal" => "经核对，公布的内容属实",
        "ask_handover" | "hand_over" => "按职责分工属于应急管理部门",
        "refuse_handover" => "按职责分工仍由原部门负责",
        "review_pause" => "鉴定机构尚未出具结论",
        "ask_withdrawal" | "withdraw" => "公布的单位名称有误",
        "stop_part" | "stop_whole" => "存在现实危险",
        "apply_resumption" => "隐患已排除",
        "refuse_resumption" => "隐患尚未排除",
        "pause_clock" => "等待检测机构出具鉴定结论",
        "resume_clock" => "鉴定结论已出",
        "set_supplementary_date" => "给足剩余工作的时间，逾期记录保留",
        "shut_down" => "不具备安全生产条件",
        "downgrade" => "复核后危险性降低",
        "transfer" => "属于其他机关管辖",
        "merge" => "与另一件为同一处隐患",
        "rebound" => "复查后又出现同样问题",
        "annul" => "登记有误",
        "send_back" => "复查记录缺照片，请补查",
        _ => "按规定办理",
    }
}
