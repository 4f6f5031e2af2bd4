//! Rows exactly as stored, for `verify`.

/// A case as stored, for `verify`: nothing is believed. Rows are JSON objects of their columns by name;
/// what is no UTF-8 has replacement characters in it.
#[derive(Clone, Debug, Default)]
pub struct RawCase {
    /// Its id.
    pub case_id: Vec<u8>,
    /// Its head, if there is one.
    pub head: Option<serde_json::Value>,
    /// Its acts, in order of version.
    pub acts: Vec<RawAct>,
    /// What it is found by.
    pub texts: Vec<serde_json::Value>,
    /// Its open duties.
    pub obligations: Vec<serde_json::Value>,
    /// Its rungs.
    pub rungs: Vec<serde_json::Value>,
    /// Its notices.
    pub notices: Vec<serde_json::Value>,
    /// What it counted as, by act.
    pub history: Vec<serde_json::Value>,
    /// Numbers its acts took from registers.
    pub documents: Vec<serde_json::Value>,
    /// Its personal values.
    pub personal: Vec<serde_json::Value>,
    /// Idempotency keys its acts name.
    pub keys: Vec<serde_json::Value>,
}

/// A row that does not agree with the rows it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Astray {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub row: String,
    /// The case it names, if it names one.
    pub case: String,
    /// The act it names; 0 if it names none.
    pub version: i64,
}

/// An act as stored: the bytes of its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawAct {
    /// Its number in the case.
    pub version: i64,
    /// When, in microseconds.
    pub at: i64,
    /// Its name.
    pub name: Vec<u8>,
    /// The acting person.
    pub person_id: Option<Vec<u8>>,
    /// Algorithm of the chain.
    pub algorithm: Vec<u8>,
    /// What was hashed.
    pub body: Vec<u8>,
    /// Hash, hex.
    pub hash: Vec<u8>,
}
