//! Ids and field values.

use serde::{Deserialize, Serialize};

/// The name of a state, act, role, field, deadline, ladder or rung, as the workflow file spells it.
pub type Name = String;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $name(text.to_owned())
            }
        }
    };
}

id!(
    /// A person of the organisation. Separation of duty is by person, not by account or post.
    PersonId
);
id!(
    /// A post a person holds in a unit.
    PostId
);
id!(
    /// A unit: department, township, enterprise.
    UnitId
);
id!(
    /// A jurisdiction. Leads every key.
    TenantId
);

/// The id of a case, derived from the tenant and the key of the opening command.
pub type CaseId = uuid::Uuid;

/// The value of a field. Dates and ids are texts; the definition knows their type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text, a choice, a date (`2026-06-28`), a unit or a person.
    Text(String),
    /// Several units or persons.
    List(Vec<String>),
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::List(_) => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Text(value) => f.write_str(value),
            Value::List(values) => f.write_str(&values.join(", ")),
        }
    }
}
