//! The tables, described once: what is written in one statement per table is put together from here, for both
//! databases, and a test compares it with what their catalogues say.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Int,
    /// Yes or no.
    Flag,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A table. `tenant_id` leads every one of them and is not named again.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What tells its rows apart within a tenant.
    pub key: &'static [&'static str],
    /// Its columns.
    pub columns: &'static [(&'static str, Kind)],
}

impl Table {
    /// The names of its columns, with commas.
    pub(crate) fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

impl Table {
    /// What tells a row apart, of a row as an object of its columns.
    pub fn key_of(&self, row: &serde_json::Value) -> Vec<serde_json::Value> {
        self.key.iter().map(|column| row[*column].clone()).collect()
    }
}

/// Columns of a head that never change.
pub(crate) const HEAD_FIXED: [&str; 5] = ["case_id", "number", "workflow", "definition_hash", "opened_at"];

use Kind::{Bytes, Flag, Int, Text};

/// See the migrations.
pub static STORE_SETTINGS: Table =
    Table { name: "store_settings", key: &["name"], columns: &[("name", Text), ("value", Text)] };

/// See the migrations.
pub static TENANTS: Table =
    Table { name: "tenants", key: &[], columns: &[("organisation", Text), ("organisation_version", Int)] };

/// See the migrations.
pub static CALENDARS: Table = Table {
    name: "calendars",
    key: &["calendar_id", "version"],
    columns: &[
        ("calendar_id", Text),
        ("version", Text),
        ("sequence", Int),
        ("body", Text),
        ("digest", Text),
        ("loaded_at", Int),
    ],
};

/// See the migrations.
pub static DEFINITIONS: Table = Table {
    name: "definitions",
    key: &["hash"],
    columns: &[
        ("hash", Text),
        ("sequence", Int),
        ("workflow", Text),
        ("edition", Text),
        ("body", Bytes),
        ("published_at", Int),
    ],
};

/// See the migrations.
pub static CASE_NUMBERS: Table =
    Table { name: "case_numbers", key: &["prefix"], columns: &[("prefix", Text), ("last", Int)] };

/// See the migrations.
pub static CASES: Table = Table {
    name: "cases",
    key: &["case_id"],
    columns: &[
        ("case_id", Text),
        ("number", Text),
        ("workflow", Text),
        ("definition_hash", Text),
        ("version", Int),
        ("last_hash", Text),
        ("opened_at", Int),
        ("last_at", Int),
        ("main_state", Text),
        ("at_rest", Flag),
        ("owner_role", Text),
        ("owner_unit", Text),
        ("enterprise", Text),
        ("area", Text),
        ("sector", Text),
        ("source", Text),
        ("level", Text),
        ("legal_due", Text),
        ("legal_due_day", Text),
        ("enterprise_breach", Flag),
        ("regulator_breach", Flag),
        ("department", Text),
        ("paused", Flag),
        ("overdue_from", Int),
        ("enterprise_overdue_from", Int),
        ("regulator_overdue_from", Int),
        ("provisional", Flag),
        ("unverified", Flag),
        ("wake_at", Int),
        ("state", Text),
    ],
};

/// See the migrations.
pub static TEXTS: Table = Table {
    name: "texts",
    key: &["case_id"],
    columns: &[("case_id", Text), ("text", Text), ("grams", Text)],
};

/// See the migrations.
pub static ACTS: Table = Table {
    name: "acts",
    key: &["case_id", "version"],
    columns: &[
        ("case_id", Text),
        ("version", Int),
        ("at", Int),
        ("name", Text),
        ("person_id", Text),
        ("algorithm", Text),
        ("body", Text),
        ("hash", Text),
    ],
};

/// See the migrations.
pub static OBLIGATIONS: Table = Table {
    name: "obligations",
    key: &["case_id", "deadline_no"],
    columns: &[
        ("case_id", Text),
        ("deadline_no", Int),
        ("name", Text),
        ("subject", Text),
        ("owner_role", Text),
        ("owner_unit", Text),
        ("due_day", Text),
        ("due", Text),
        ("breached", Flag),
        ("paused", Flag),
    ],
};

/// See the migrations.
pub static HISTORY: Table = Table {
    name: "history",
    key: &["case_id", "version"],
    columns: &[
        ("case_id", Text),
        ("version", Int),
        ("from_at", Int),
        ("stage", Text),
        ("outcome", Text),
        ("department", Text),
        ("dispatched_at", Int),
        ("legal_breach_at", Int),
        ("met_in_time", Flag),
        ("enterprise_overdue_from", Int),
        ("enterprise_role", Text),
        ("enterprise_unit", Text),
        ("regulator_overdue_from", Int),
        ("regulator_role", Text),
        ("regulator_unit", Text),
        ("late_extensions", Int),
        ("supplementary", Int),
    ],
};

/// See the migrations.
pub static RUNGS: Table = Table {
    name: "rungs",
    key: &["case_id", "deadline_no", "revision", "ladder", "rung", "repeat"],
    columns: &[
        ("case_id", Text),
        ("deadline_no", Int),
        ("revision", Int),
        ("ladder", Text),
        ("rung", Text),
        ("repeat", Int),
        ("act_version", Int),
        ("result", Text),
        ("measure", Text),
        ("due_at", Int),
        ("recorded_at", Int),
    ],
};

/// See the migrations.
pub static NOTICES: Table = Table {
    name: "notices",
    key: &["case_id", "notice_id"],
    columns: &[
        ("notice_id", Text),
        ("case_id", Text),
        ("act_version", Int),
        ("recipient", Text),
        ("measure", Text),
        ("template", Text),
        ("unreached", Text),
        ("ladder", Text),
        ("rung", Text),
        ("deadline_no", Int),
        ("created_at", Int),
        ("delivery_id", Text),
    ],
};

/// See the migrations.
pub static DELIVERIES: Table = Table {
    name: "deliveries",
    key: &["delivery_id"],
    columns: &[
        ("delivery_id", Text),
        ("recipient", Text),
        ("day", Text),
        ("delivered_at", Int),
        ("notices", Int),
    ],
};

/// See the migrations.
pub static IDEMPOTENCY: Table = Table {
    name: "idempotency",
    key: &["key"],
    columns: &[("key", Text), ("fingerprint", Text), ("case_id", Text), ("version", Int)],
};

/// See the migrations.
pub static REFUSALS: Table = Table {
    name: "refusals",
    key: &["refusal_no"],
    columns: &[
        ("refusal_no", Int),
        ("at", Int),
        ("case_id", Text),
        ("person_id", Text),
        ("act", Text),
        ("code", Text),
        ("detail", Text),
    ],
};

/// See the migrations.
pub static PERSONAL: Table = Table {
    name: "personal",
    key: &["case_id", "version", "field"],
    columns: &[("case_id", Text), ("version", Int), ("field", Text), ("salt", Text), ("value", Text)],
};

/// See the migrations.
pub static DOCUMENTS: Table = Table {
    name: "documents",
    key: &["year", "code", "no", "part"],
    columns: &[
        ("year", Int),
        ("code", Text),
        ("no", Int),
        ("part", Int),
        ("case_id", Text),
        ("act_version", Int),
    ],
};

/// All of them.
pub static TABLES: [&Table; 17] = [
    &STORE_SETTINGS,
    &TENANTS,
    &CALENDARS,
    &DEFINITIONS,
    &CASE_NUMBERS,
    &CASES,
    &TEXTS,
    &ACTS,
    &OBLIGATIONS,
    &HISTORY,
    &RUNGS,
    &NOTICES,
    &DELIVERIES,
    &IDEMPOTENCY,
    &REFUSALS,
    &PERSONAL,
    &DOCUMENTS,
];
