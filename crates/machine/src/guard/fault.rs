//! What can be wrong with a guard. Data only; the texts are made elsewhere.

use std::ops::Range;

use serde::Serialize;

/// The type of a variable or of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A day.
    Date,
    /// Any text.
    Text,
    /// One text of a list.
    Choice,
}

/// What is wrong with a guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum GuardFault {
    /// Nothing is written.
    Empty,
    /// More characters than allowed.
    TooLong {
        /// So many are.
        most: usize,
    },
    /// Brackets and negations nest too deep.
    TooDeep {
        /// So deep they may.
        most: usize,
    },
    /// A dotted name has too many parts.
    TooManyParts {
        /// So many it may have.
        most: usize,
    },
    /// More distinct atoms than allowed.
    TooManyAtoms {
        /// So many are.
        most: usize,
    },
    /// The parser gave up without saying where.
    Unreadable,
    /// Something is missing at the end.
    EndsEarly {
        /// A bracket is still open.
        open: bool,
    },
    /// What stands here cannot follow what stands before it.
    Unexpected {
        /// What stands here.
        text: String,
        /// The sign that was meant, where that is clear: `&&` for `and`.
        meant: Option<&'static str>,
    },
    /// A closing bracket without an opening one.
    ClosesNothing {
        /// The bracket.
        bracket: String,
    },
    /// A text without its closing quote.
    TextNotClosed,
    /// A letter before a text, as in `r'a'`.
    PrefixedText {
        /// The letter or letters.
        prefix: String,
    },
    /// A text in triple quotes.
    TripleQuotes,
    /// A backslash before something else than a quote or a backslash.
    Backslash,
    /// A character that cannot be seen, and so cannot be reviewed.
    Invisible {
        /// Its number: `U+202E`.
        character: String,
    },
    /// Quotes as a word processor makes them.
    CurlyQuotes,
    /// A name in quotes.
    QuotedName,
    /// There is no null.
    Null,
    /// A word CEL keeps for itself.
    ReservedWord {
        /// The word.
        word: String,
    },
    /// A number with a fraction, an exponent, a suffix, or in other than decimal digits.
    NotWhole {
        /// What is written.
        text: String,
    },
    /// A number beyond 64 bits.
    NumberTooLarge {
        /// What is written.
        text: String,
    },
    /// A guard does not calculate.
    Arithmetic {
        /// The sign.
        sign: char,
    },
    /// A guard has no comments.
    Comment,
    /// There is no choice between values (`a ? b : c`).
    NoChoice,
    /// There are no maps.
    NoMaps,
    /// A dot that joins nothing.
    LoneDot,
    /// Writing outside quotes that is not plain ASCII.
    NotAscii {
        /// The character.
        character: char,
    },
    /// Something else that is no part of the notation.
    NotNotation {
        /// What is written.
        text: String,
    },
    /// A list holds literals only.
    ListOfLiterals,
    /// A list elsewhere than behind `in`, or an index.
    LoneList,
    /// A list with nothing in it.
    EmptyList,
    /// A value stands in a list twice.
    ListedTwice {
        /// The value.
        value: String,
    },
    /// `in` without a list behind it.
    InNeedsList,
    /// `in` without a variable before it.
    InNeedsVariable,
    /// `in` with a variable that is true or false.
    AskDirectly {
        /// The variable.
        name: String,
    },
    /// `has` with something else than one name.
    HasTakesName,
    /// A call of something else than `has`.
    NoCalls {
        /// What is called.
        name: String,
    },
    /// `a < b < c`.
    Chained,
    /// A comparison of something else than variables and literals.
    NotCompared,
    /// A comparison of two literals.
    TwoLiterals,
    /// A comparison of a variable with itself.
    WithItself {
        /// The variable.
        name: String,
    },
    /// A comparison of variables with different lists of values.
    OtherLists {
        /// One variable.
        name: String,
        /// The other.
        other: String,
    },
    /// A comparison of variables of different types.
    OtherTypes {
        /// One variable.
        name: String,
        /// Its type.
        kind: FactKind,
        /// The other.
        other: String,
        /// Its type.
        other_kind: FactKind,
    },
    /// A comparison by order of what has none.
    NoOrder {
        /// The variable.
        name: String,
        /// Its type.
        kind: FactKind,
        /// The comparison.
        op: String,
    },
    /// A variable or a literal that is no condition by itself.
    NotACondition {
        /// The variable, or the literal.
        name: String,
        /// Its type.
        kind: FactKind,
    },
    /// A literal of another type than the variable.
    WrongType {
        /// The variable.
        name: String,
        /// Its type.
        kind: FactKind,
        /// The literal.
        value: String,
        /// Its type.
        other_kind: FactKind,
    },
    /// A text that is no day, for a variable that is one.
    NotADate {
        /// The variable.
        name: String,
        /// What is written.
        value: String,
    },
    /// Not a value of the variable's list.
    UnknownValue {
        /// The variable.
        name: String,
        /// What is written.
        value: String,
        /// The value that was meant, as far as that can be guessed.
        close: Option<String>,
        /// The list.
        known: Vec<String>,
    },
    /// A value of the variable's list without its quotes.
    Unquoted {
        /// The value.
        word: String,
    },
    /// No such variable.
    UnknownVariable {
        /// What is written.
        name: String,
        /// The variable that was meant, as far as that can be guessed.
        close: Option<String>,
    },
    /// The variable is personal data.
    PersonalField {
        /// The field.
        name: String,
    },
}

/// Why a guard is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardError {
    /// What is wrong.
    pub fault: GuardFault,
    /// Where it starts, in characters (not bytes) from the start of the guard.
    pub offset: usize,
    /// How many characters it covers; 0 at the end of the guard.
    pub len: usize,
}

/// An error with its place in bytes, as everything inside counts.
pub(super) struct Fault {
    fault: GuardFault,
    span: Range<usize>,
}

impl Fault {
    pub(super) fn new(span: Range<usize>, fault: GuardFault) -> Fault {
        Fault { fault, span }
    }

    pub(super) fn located(self, source: &str) -> GuardError {
        let chars = |range: Range<usize>| source.get(range).map_or(0, |text| text.chars().count());
        GuardError { fault: self.fault, offset: chars(0..self.span.start), len: chars(self.span) }
    }
}
