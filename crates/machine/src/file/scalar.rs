//! Single values that are looked at while the file is read, so that a wrong one is shown with its place.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::requirement::has_bad_characters;

/// A number, or `$name` of a parameter. Nothing else is read as one: a forgotten `$` or a quoted number is
/// no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Number {
    /// The number itself.
    Value(u32),
    /// The parameter's, with its `$`.
    Parameter(String),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What a reader is told is made of this word elsewhere.
        f.write_str("number_or_parameter")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        let number = u32::try_from(value);
        number.map(Number::Value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        let number = u32::try_from(value);
        number.map(Number::Value).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
        if value.starts_with('$') {
            Ok(Number::Parameter(value.to_owned()))
        } else {
            Err(E::invalid_value(de::Unexpected::Str(value), &self))
        }
    }
}

/// A text without control characters.
pub(super) fn plain_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if has_bad_characters(&text) {
        return Err(de::Error::custom(calendar::yaml::CONTROL_CHARACTERS));
    }
    Ok(text)
}
