//! Reading YAML strictly: unknown and duplicate keys, merge keys and anchors beyond a budget are refused.
//! What is wrong comes back as data, never as the sentences of the parser, except where it is nothing usual.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::{Error, ExternalMessageSource, budget::BudgetBreach};

/// The largest file that is read.
pub const FILE_BYTES_MAX: usize = 512 * 1024;

/// What a deserializer of ours says, through serde, of a text with control characters.
pub const CONTROL_CHARACTERS: &str = "control_characters";

/// Why a file is not read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What is wrong.
    pub fault: ReadFault,
    /// Line, from 1; 0 when unknown.
    pub line: u64,
    /// Column, from 1; 0 when unknown.
    pub column: u64,
}

/// What is wrong with the structure of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum ReadFault {
    /// A key that has no place here.
    Unknown {
        /// The key.
        name: String,
        /// Those that have.
        known: Vec<String>,
    },
    /// A key that is missing.
    Missing {
        /// The key.
        name: String,
    },
    /// A key that stands here twice.
    Duplicate {
        /// The key, where it is a plain one.
        name: Option<String>,
    },
    /// A word that is none of those possible here.
    Word {
        /// The word.
        word: String,
        /// The words possible.
        known: Vec<String>,
    },
    /// A value of another sort than is needed here.
    Unfit {
        /// What stands here, where the reader says so.
        found: Option<Found>,
        /// What is needed: `text`, `whole`, `boolean`, `single` (value), `list`, `map`, `word`, `weekday`,
        /// `field_value` or `number_or_parameter`; anything else is in the words of the reader.
        expected: String,
    },
    /// None of the forms a value may have here.
    Form,
    /// A merge key (`<<`).
    MergeKey,
    /// A text with control characters.
    ControlCharacters,
    /// It ends too early, or is empty.
    Ends,
    /// More than one document.
    Documents,
    /// A tag (`!name`) that is not known.
    Tag,
    /// An alias (`*name`) without its anchor (`&name`).
    Anchor,
    /// Nested too deep.
    TooDeep,
    /// Too many anchors, or more than a file of this sort ever has.
    TooMuch,
    /// More bytes than are read.
    TooLong {
        /// So many it has.
        bytes: usize,
        /// So many are read.
        most: usize,
    },
    /// No YAML.
    Syntax {
        /// What about it.
        problem: Syntax,
    },
    /// Anything else.
    Other {
        /// In the words of the reader.
        words: String,
    },
}

/// A value that stands where it does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `text`, `whole`, `decimal`, `boolean`, `list`, `map`, `nothing` or `other`.
    pub kind: &'static str,
    /// The value, where it is a single one.
    pub value: Option<String>,
}

/// What makes a text no YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// A bracket that is not closed, or a comma that is missing.
    Bracket,
    /// A bracket that closes nothing.
    Closing,
    /// A quote that is not closed, or something behind a closing one.
    Quote,
    /// A backslash with something it cannot stand before.
    Escape,
    /// A tab where only spaces may stand.
    Tab,
    /// A line that begins too far left or right.
    Indentation,
    /// A key, or a colon, where none can stand; or a key without its colon.
    Key,
    /// A `-` where no list is.
    Entry,
    /// A character no plain text begins with.
    Character,
    /// A space that is missing.
    Space,
}

/// Reads a text.
///
/// # Errors
///
/// The first thing that is wrong, with its place.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unread> {
    if text.len() > FILE_BYTES_MAX {
        let fault = ReadFault::TooLong { bytes: text.len(), most: FILE_BYTES_MAX };
        return Err(Unread { fault, line: 0, column: 0 });
    }
    // A merge key (`<<`) would let a value stand where nobody reading the file sees it.
    let options = serde_saphyr::options! {
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
        Unread { fault: ReadFault::of(&error), line, column }
    })
}

impl ReadFault {
    fn of(error: &Error) -> ReadFault {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        match error {
            Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => ReadFault::of(error),
            Error::SerdeUnknownField { field, expected, .. } => {
                ReadFault::Unknown { name: field.clone(), known: owned(expected) }
            }
            Error::SerdeMissingField { field, .. } => ReadFault::Missing { name: (*field).to_owned() },
            Error::DuplicateMappingKey { key, .. } => ReadFault::Duplicate { name: key.clone() },
            Error::SerdeUnknownVariant { variant, expected, .. } => {
                ReadFault::Word { word: variant.clone(), known: owned(expected) }
            }
            Error::SerdeInvalidType { unexpected, expected, .. }
            | Error::SerdeInvalidValue { unexpected, expected, .. } => unfit(Some(unexpected), expected),
            Error::Unexpected { expected, .. } => unfit(None, expected),
            Error::InvalidScalar { ty, .. } => unfit(None, ty),
            Error::InvalidBooleanStrict { .. } => unfit(None, "a boolean"),
            Error::NullIntoString { .. } => unfit(Some("null"), "a string"),
            Error::TaggedScalarCannotDeserializeIntoString { .. } => unfit(None, "a string"),
            Error::QuotingRequired { value, .. } => {
                let found = Found { kind: "whole", value: Some(value.clone()) };
                ReadFault::Unfit { found: Some(found), expected: "text".to_owned() }
            }
            Error::ExpectedStringKeyForExternallyTaggedEnum { .. }
            | Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
            | Error::UnexpectedValueForUnitEnumVariant { .. }
            | Error::ExpectedMappingEndAfterEnumVariantValue { .. } => unfit(None, "variant identifier"),
            Error::MergeKeyNotAllowed { .. } | Error::MergeValueNotMapOrSeqOfMaps { .. } => {
                ReadFault::MergeKey
            }
            Error::Eof { .. } => ReadFault::Ends,
            Error::MultipleDocuments { .. } => ReadFault::Documents,
            Error::UnsupportedTag { .. }
            | Error::TaggedStructFieldName { .. }
            | Error::TaggedEnumMismatch { .. } => ReadFault::Tag,
            Error::UnknownAnchor { .. } => ReadFault::Anchor,
            Error::Budget { breach: BudgetBreach::Depth { .. }, .. }
            | Error::AliasReplayStackDepthExceeded { .. } => ReadFault::TooDeep,
            Error::Budget { .. }
            | Error::RecursiveReferencesRequireWeakTypes { .. }
            | Error::AliasReplayCounterOverflow { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. } => ReadFault::TooMuch,
            Error::FoldedBlockScalarMustIndentContent { .. } | Error::IndentationError { .. } => {
                ReadFault::Syntax { problem: Syntax::Indentation }
            }
            Error::ExternalMessage { source, msg, .. } => match source.as_ref() {
                ExternalMessageSource::Parser(error) => syntax(error.kind(), msg),
                _ => ReadFault::from_words(msg),
            },
            Error::Message { msg, .. } | Error::SerdeVariantId { msg, .. } => ReadFault::from_words(msg),
            // What is left does not come of a text that is read as ours are.
            other => {
                let words = other.without_snippet().render();
                let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
                ReadFault::Other { words: words.to_owned() }
            }
        }
    }

    /// What serde says in words, where it is one of its usual sentences: a reader of JSON gives nothing else.
    #[must_use]
    pub fn from_words(words: &str) -> ReadFault {
        let mut quoted = words.split('`').skip(1).step_by(2).map(str::to_owned);
        let mut name = || quoted.next().unwrap_or_default();
        let begins = |with: &str| words.starts_with(with);
        if begins("unknown field") {
            return ReadFault::Unknown { name: name(), known: quoted.collect() };
        }
        if begins("missing field") {
            return ReadFault::Missing { name: name() };
        }
        if begins("duplicate field") {
            return ReadFault::Duplicate { name: Some(name()) };
        }
        if begins("unknown variant") {
            return ReadFault::Word { word: name(), known: quoted.collect() };
        }
        let wrong = words.strip_prefix("invalid type: ").or_else(|| words.strip_prefix("invalid value: "));
        if let Some((found, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
            return unfit(Some(found), expected);
        }
        if begins("data did not match any variant") {
            return ReadFault::Form;
        }
        if begins("EOF while parsing") {
            return ReadFault::Ends;
        }
        if begins("expected `,` or") {
            return ReadFault::Syntax { problem: Syntax::Bracket };
        }
        // The words of chrono.
        if words.contains("weekday names expected") {
            return unfit(None, "weekday");
        }
        // The words of serde_json for an escape that is none, or half of one.
        let escapes =
            ["lone leading surrogate", "unexpected end of hex escape", "invalid escape", "invalid unicode"];
        if escapes.into_iter().any(begins) {
            return ReadFault::Syntax { problem: Syntax::Escape };
        }
        // The words of chrono for a date.
        let dates =
            ["input is out of range", "input contains invalid", "premature end of input", "trailing input"];
        if dates.into_iter().any(begins) {
            return unfit(None, "date");
        }
        if words == CONTROL_CHARACTERS {
            return ReadFault::ControlCharacters;
        }
        ReadFault::Other { words: words.to_owned() }
    }
}

/// A value of another sort than is needed, out of the words of serde for both.
fn unfit(found: Option<&str>, expected: &str) -> ReadFault {
    let expected = match expected {
        "a string" | "string" | "str" => "text",
        "string scalar" | "scalar" => "single",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "an integer" => "whole",
        "a boolean" | "boolean" | "bool" => "boolean",
        "a sequence" | "sequence" | "sequence start" => "list",
        "a map" | "map" | "mapping start" => "map",
        "variant identifier" => "word",
        other if other.starts_with("struct ") => "map",
        other if other.starts_with("enum ") => "word",
        other => other,
    };
    ReadFault::Unfit { found: found.map(Found::of), expected: expected.to_owned() }
}

impl Found {
    /// Out of the words of serde: "string \"three\"", "integer `3`", "map".
    fn of(words: &str) -> Found {
        let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
        let value = |text: &str| Some(text.trim_matches(['`', '"']).to_owned());
        match first {
            "string" | "character" => Found { kind: "text", value: value(rest) },
            "integer" => Found { kind: "whole", value: value(rest) },
            "floating" => Found { kind: "decimal", value: value(rest.trim_start_matches("point ")) },
            "boolean" => Found { kind: "boolean", value: value(rest) },
            "sequence" => Found { kind: "list", value: None },
            "map" => Found { kind: "map", value: None },
            "null" | "unit" | "Option" => Found { kind: "nothing", value: None },
            _ => Found { kind: "other", value: Some(words.to_owned()) },
        }
    }
}

/// What the parser below found.
fn syntax(kind: &ErrorKind, words: &str) -> ReadFault {
    use ErrorKind as K;
    let problem = match kind {
        K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping
        | K::ExpectedFlowMappingSeparator
        | K::ExpectedFlowSequenceSeparator
        | K::MismatchedFlowCollectionEnd { .. }
        | K::UnclosedFlowCollection { .. } => Syntax::Bracket,
        K::MisplacedFlowCollectionEnd => Syntax::Closing,
        K::UnclosedQuotedScalar
        | K::InvalidTrailingSingleQuotedScalar
        | K::InvalidTrailingDoubleQuotedScalar
        | K::DocumentIndicatorInQuotedScalar => Syntax::Quote,
        K::UnknownQuotedScalarEscape
        | K::InvalidQuotedScalarHexEscape
        | K::InvalidLowSurrogateHexEscape
        | K::InvalidLowSurrogate
        | K::MissingLowSurrogate
        | K::UnpairedLowSurrogate
        | K::InvalidUnicodeEscape => Syntax::Escape,
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabAtBlockScalarStart
        | K::TabInIndentation
        | K::TabInPlainScalar => Syntax::Tab,
        K::InvalidIndentation
        | K::ZeroBlockScalarIndent
        | K::InvalidBlockScalarIndent
        | K::InvalidQuotedScalarIndent
        | K::InvalidFlowScalarIndent => Syntax::Indentation,
        K::ExpectedBlockMappingKey
        | K::UnexpectedEofBlockMapping
        | K::SimpleKeyExpected
        | K::InvalidSimpleKey
        | K::MappingKeyNotAllowed
        | K::MappingValueNotAllowed
        | K::FlowMappingValueAdjacentCollection
        | K::InvalidColonPlacement => Syntax::Key,
        K::ExpectedBlockSequenceEntry
        | K::BlockEntryInFlowCollection
        | K::BlockSequenceEntryNotAllowed
        | K::PlainScalarStartsWithDashFlowIndicator => Syntax::Entry,
        K::UnexpectedCharacter { .. } | K::UnexpectedEndOfPlainScalar | K::InvalidBlockScalarHeader => {
            Syntax::Character
        }
        K::ExpectedWhitespace
        | K::CommentNotSeparated
        | K::InvalidBlockEntryWhitespace
        | K::InvalidMappingValueWhitespace => Syntax::Space,
        K::UnexpectedEof | K::UnexpectedEofBlockSequence => return ReadFault::Ends,
        K::UnknownAnchor | K::MissingAnchorOrAliasName => return ReadFault::Anchor,
        K::RecursionLimitExceeded => return ReadFault::TooDeep,
        K::AnchorCountOverflow => return ReadFault::TooMuch,
        K::UndeclaredTagHandle | K::InvalidTagTerminator | K::ExpectedTagBang => return ReadFault::Tag,
        _ => return ReadFault::Other { words: words.to_owned() },
    };
    ReadFault::Syntax { problem }
}
