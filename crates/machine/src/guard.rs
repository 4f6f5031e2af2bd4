//! Guards: the conditions of a workflow file.
//!
//! The notation is CEL's, the meaning is ours. A guard is read in three steps: its characters are cut
//! into tokens and everything the language leaves out is refused there, by name and place; the `cel`
//! crate's parser then settles what binds to what; the tree is lowered to atoms joined by not, and, or,
//! with every atom typed; nothing is left that could fail later. So evaluation is total: it has no
//! error, and whoever sees `Fails` also sees the atoms that made it so.
//!
//! ```text
//! guard   = or
//! or      = and { "||" and }
//! and     = part { "&&" part }
//! part    = name op value | name "in" "[" literals "]" | not
//! not     = { "!" } ( name | "has(" name ")" | "true" | "false" | "(" or ")" )
//! op      = "==" | "!=" | "<" | "<=" | ">" | ">="
//! value   = literal | name              (the sides may be exchanged)
//! name    = word { "." word }           (one variable, dots included)
//! literal = true | false | -12 | 'text' | '2026-06-28'
//! ```
//!
//! An absent variable makes every atom about it false, also `!=`. `state != 'closed'` and
//! `!(state == 'closed')` therefore differ where the state is unknown, and only the second holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use chrono::{Days, NaiveDate};

/// The longest guard, in characters.
pub const MAX_CHARS: usize = 2_000;
/// The deepest nesting: open brackets and the negations in front of them, counted together.
pub const MAX_DEPTH: usize = 32;
/// The most distinct atoms of one guard.
pub const MAX_ATOMS: usize = 64;
/// The most parts of a dotted name.
pub const MAX_PARTS: usize = 8;
/// The most assignments [`assignments`] enumerates.
pub const MAX_ASSIGNMENTS: usize = 4_096;

/// The parser takes up to 180 KiB of stack per bracket when built without optimisation, more than the
/// threads of a runtime or of a test have for 32 brackets. It runs on a stack of its own size.
const PARSER_STACK: usize = 16 * 1024 * 1024;

/// How many alternatives are tried when the plain answer to "which atoms made it fail" does not hold
/// because the same atom stands in several places.
const BLAME_STEPS: u32 = 10_000;

/// The type of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VarType {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A day, written `'2026-06-28'`.
    Date,
    /// Any text.
    Text,
    /// One of these texts.
    Enum(Vec<String>),
}

impl VarType {
    fn describe(&self) -> &'static str {
        match self {
            VarType::Bool => "true or false",
            VarType::Int => "a whole number",
            VarType::Date => "a date",
            VarType::Text => "a text",
            VarType::Enum(_) => "one of a list of values",
        }
    }

    fn is_ordered(&self) -> bool {
        matches!(self, VarType::Int | VarType::Date)
    }

    /// Two lists are one type when they have the same values, in whatever order.
    fn is_same(&self, other: &VarType) -> bool {
        match (self, other) {
            (VarType::Enum(a), VarType::Enum(b)) => {
                a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
            }
            _ => self == other,
        }
    }
}

/// What is known of a variable. A value of an `Enum` is a `Text`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A day.
    Date(NaiveDate),
    /// A text, or a value of a list.
    Text(String),
}

impl Fact {
    fn describe(&self) -> &'static str {
        match self {
            Fact::Bool(_) => "true or false",
            Fact::Int(_) => "a whole number",
            Fact::Date(_) => "a date",
            Fact::Text(_) => "a text",
        }
    }

    fn as_int(&self) -> Option<i64> {
        match self {
            Fact::Int(value) => Some(*value),
            Fact::Bool(_) | Fact::Date(_) | Fact::Text(_) => None,
        }
    }

    fn as_date(&self) -> Option<NaiveDate> {
        match self {
            Fact::Date(value) => Some(*value),
            Fact::Bool(_) | Fact::Int(_) | Fact::Text(_) => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Bool(value) => write!(f, "{value}"),
            Fact::Int(value) => write!(f, "{value}"),
            Fact::Date(value) => write!(f, "'{value}'"),
            Fact::Text(value) => write!(f, "'{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
        }
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    fn of_call(name: &str) -> Option<Op> {
        Some(match name {
            operators::EQUALS => Op::Eq,
            operators::NOT_EQUALS => Op::Ne,
            operators::LESS => Op::Lt,
            operators::LESS_EQUALS => Op::Le,
            operators::GREATER => Op::Gt,
            operators::GREATER_EQUALS => Op::Ge,
            _ => return None,
        })
    }

    /// The comparison with its sides exchanged.
    fn turned(self) -> Op {
        match self {
            Op::Eq => Op::Eq,
            Op::Ne => Op::Ne,
            Op::Lt => Op::Gt,
            Op::Le => Op::Ge,
            Op::Gt => Op::Lt,
            Op::Ge => Op::Le,
        }
    }

    fn is_order(self) -> bool {
        !matches!(self, Op::Eq | Op::Ne)
    }

    /// Values of different kinds never compare: neither equal nor unequal.
    fn holds(self, left: &Fact, right: &Fact) -> bool {
        let order = match (left, right) {
            (Fact::Bool(l), Fact::Bool(r)) => l.cmp(r),
            (Fact::Int(l), Fact::Int(r)) => l.cmp(r),
            (Fact::Date(l), Fact::Date(r)) => l.cmp(r),
            (Fact::Text(l), Fact::Text(r)) => l.cmp(r),
            _ => return false,
        };
        match self {
            Op::Eq => order.is_eq(),
            Op::Ne => order.is_ne(),
            Op::Lt => order.is_lt(),
            Op::Le => order.is_le(),
            Op::Gt => order.is_gt(),
            Op::Ge => order.is_ge(),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Eq => "==",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
        })
    }
}

/// One condition on the facts. The variable stands left: `3 < n` is kept as `n > 3`, and `b == true`
/// as `b`, so that the same condition is one atom however it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    /// The variable is known and true.
    Is(String),
    /// The variable is known.
    Has(String),
    /// The variable is known and compares so with the value.
    Compare {
        /// The variable.
        variable: String,
        /// The comparison.
        op: Op,
        /// The value.
        value: Fact,
    },
    /// The variable is known and has one of the values.
    OneOf {
        /// The variable.
        variable: String,
        /// The values, as listed.
        values: Vec<Fact>,
    },
    /// Both variables are known and compare so.
    CompareVariables {
        /// The variable on the left.
        left: String,
        /// The comparison.
        op: Op,
        /// The variable on the right.
        right: String,
    },
}

impl Atom {
    /// Whether it is true of these facts. A fact of another type than declared counts as absent.
    pub fn holds(&self, facts: &dyn Fn(&str) -> Option<Fact>) -> bool {
        match self {
            Atom::Is(variable) => facts(variable) == Some(Fact::Bool(true)),
            Atom::Has(variable) => facts(variable).is_some(),
            Atom::Compare { variable, op, value } => {
                facts(variable).is_some_and(|fact| op.holds(&fact, value))
            }
            Atom::OneOf { variable, values } => facts(variable).is_some_and(|fact| values.contains(&fact)),
            Atom::CompareVariables { left, op, right } => match (facts(left), facts(right)) {
                (Some(left), Some(right)) => op.holds(&left, &right),
                _ => false,
            },
        }
    }

    /// The variables it is about.
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Atom::Is(variable)
            | Atom::Has(variable)
            | Atom::Compare { variable, .. }
            | Atom::OneOf { variable, .. } => vec![variable],
            Atom::CompareVariables { left, right, .. } => vec![left, right],
        }
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Is(variable) => f.write_str(variable),
            Atom::Has(variable) => write!(f, "has({variable})"),
            Atom::Compare { variable, op, value } => write!(f, "{variable} {op} {value}"),
            Atom::OneOf { variable, values } => {
                let values: Vec<String> = values.iter().map(Fact::to_string).collect();
                write!(f, "{variable} in [{}]", values.join(", "))
            }
            Atom::CompareVariables { left, op, right } => write!(f, "{left} {op} {right}"),
        }
    }
}

/// What is wrong with a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GuardErrorKind {
    /// Nothing is written.
    Empty,
    /// More than [`MAX_CHARS`] characters.
    TooLong,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More than [`MAX_ATOMS`] distinct atoms.
    TooManyAtoms,
    /// The parts do not fit together.
    Syntax,
    /// Part of CEL, or of some other language, but not of ours.
    Unsupported,
    /// No such variable.
    UnknownVariable,
    /// The variable is personal data.
    PersonalField,
    /// Types that do not fit, or nothing to compare.
    Type,
    /// Not a value of the variable's list.
    UnknownValue,
    /// A literal that says nothing: a day that does not exist, a number too large.
    Literal,
}

impl GuardErrorKind {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            GuardErrorKind::Empty => "guard-empty",
            GuardErrorKind::TooLong => "guard-too-long",
            GuardErrorKind::TooDeep => "guard-too-deep",
            GuardErrorKind::TooManyAtoms => "guard-too-many-atoms",
            GuardErrorKind::Syntax => "guard-syntax",
            GuardErrorKind::Unsupported => "guard-unsupported",
            GuardErrorKind::UnknownVariable => "guard-unknown-variable",
            GuardErrorKind::PersonalField => "guard-personal-field",
            GuardErrorKind::Type => "guard-type",
            GuardErrorKind::UnknownValue => "guard-unknown-value",
            GuardErrorKind::Literal => "guard-literal",
        }
    }
}

/// Why a guard is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GuardError {
    /// What kind of mistake.
    pub kind: GuardErrorKind,
    /// The sentence to show.
    pub message: String,
    /// Where it starts, in characters (not bytes) from the start of the guard.
    pub offset: usize,
    /// How many characters it covers; 0 at the end of the guard.
    pub len: usize,
}

/// An error with its place in bytes, as everything inside counts.
struct Fault {
    kind: GuardErrorKind,
    message: String,
    span: Range<usize>,
}

impl Fault {
    fn new(kind: GuardErrorKind, span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into(), span }
    }

    fn located(self, source: &str) -> GuardError {
        let chars = |range: Range<usize>| source.get(range).map_or(0, |text| text.chars().count());
        GuardError {
            kind: self.kind,
            message: self.message,
            offset: chars(0..self.span.start),
            len: chars(self.span),
        }
    }
}

/// The outcome of a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The act may go on.
    Holds,
    /// It may not.
    Fails {
        /// The atoms that made it fail, by their place in [`Guard::atoms`]: of `a && b` those that are
        /// false, of `a || b` all of them, under a negation those that are true. Were each of them the
        /// other way round, the guard would hold. Empty only where no atom can help, as for `false`.
        atoms: Vec<usize>,
    },
}

/// The boolean structure over the atoms.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Const(bool),
    Atom(usize),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

impl Node {
    fn holds(&self, truth: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Node::Const(value) => *value,
            Node::Atom(atom) => truth(*atom),
            Node::Not(inner) => !inner.holds(truth),
            Node::All(parts) => parts.iter().all(|part| part.holds(truth)),
            Node::Any(parts) => parts.iter().any(|part| part.holds(truth)),
        }
    }

    /// The atoms that keep this node from being `want`, which it is not; `None` if no atom can change it.
    fn blame(&self, want: bool, truth: &dyn Fn(usize) -> bool) -> Option<BTreeSet<usize>> {
        match self {
            Node::Const(_) => None,
            Node::Atom(atom) => Some(BTreeSet::from([*atom])),
            Node::Not(inner) => inner.blame(!want, truth),
            Node::All(parts) | Node::Any(parts) => {
                let wrong = parts.iter().filter(|part| part.holds(truth) != want);
                let blamed: Vec<_> = wrong.map(|part| part.blame(want, truth)).collect();
                // Every wrong part must change if all parts are needed, and any of them may otherwise
                let needs_each = matches!(self, Node::All(_)) == want;
                if needs_each && blamed.iter().any(Option::is_none) {
                    return None;
                }
                let mut atoms = None;
                for set in blamed.into_iter().flatten() {
                    atoms.get_or_insert_with(BTreeSet::new).extend(set);
                }
                atoms
            }
        }
    }
}

/// Chooses truth values for some atoms under which every node in `work` is as wanted, keeping atoms as
/// they are where it can. `None` if there is none or the steps run out.
fn settle(
    mut work: Vec<(&Node, bool)>,
    mut chosen: BTreeMap<usize, bool>,
    truth: &dyn Fn(usize) -> bool,
    steps: &mut u32,
) -> Option<BTreeMap<usize, bool>> {
    while let Some((node, want)) = work.pop() {
        *steps = steps.checked_sub(1)?;
        match node {
            Node::Const(value) if *value == want => {}
            Node::Const(_) => return None,
            Node::Atom(atom) => {
                if *chosen.entry(*atom).or_insert(want) != want {
                    return None;
                }
            }
            Node::Not(inner) => work.push((inner, !want)),
            Node::All(parts) | Node::Any(parts) => {
                if matches!(node, Node::All(_)) == want {
                    work.extend(parts.iter().map(|part| (part, want)));
                    continue;
                }
                let (right, wrong): (Vec<&Node>, Vec<&Node>) =
                    parts.iter().partition(|part| part.holds(truth) == want);
                return right.into_iter().chain(wrong).find_map(|part| {
                    let mut work = work.clone();
                    work.push((part, want));
                    settle(work, chosen.clone(), truth, steps)
                });
            }
        }
    }
    Some(chosen)
}

/// A guard: typed, total, and fit to be enumerated.
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    source: String,
    variables: BTreeMap<String, VarType>,
    atoms: Vec<Atom>,
    node: Node,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Guard {
    /// Reads a guard over these variables. `forbidden` are the names of personal fields: a guard's
    /// outcome is shown and logged, so it must not give away what they contain. A forbidden name forbids
    /// the dotted names under it, and wins over a variable of the same name.
    pub fn parse(
        source: &str,
        variables: &BTreeMap<String, VarType>,
        forbidden: &BTreeSet<String>,
    ) -> Result<Guard, GuardError> {
        Self::read(source, variables, forbidden).map_err(|fault| fault.located(source))
    }

    fn read(
        source: &str,
        variables: &BTreeMap<String, VarType>,
        forbidden: &BTreeSet<String>,
    ) -> Result<Guard, Fault> {
        let tokens = scan(source)?;
        check_shape(source, &tokens)?;
        let (tree, info) = parse_tree(source, &tokens)?;
        let mut lowering = Lowering {
            source,
            tokens: &tokens,
            info: &info,
            variables,
            forbidden,
            used: BTreeMap::new(),
            atoms: Vec::new(),
        };
        let node = lowering.condition(&tree)?;
        Ok(Guard { source: source.to_owned(), variables: lowering.used, atoms: lowering.atoms, node })
    }

    /// The guard as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The distinct atoms, in the order they first appear.
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The variables it mentions, with their types.
    pub fn variables(&self) -> &BTreeMap<String, VarType> {
        &self.variables
    }

    /// Whether it holds of these facts, and if not, because of which atoms.
    pub fn evaluate(&self, facts: &dyn Fn(&str) -> Option<Fact>) -> Verdict {
        let truth: Vec<bool> = self.atoms.iter().map(|atom| atom.holds(facts)).collect();
        let truth = |atom: usize| truth.get(atom).copied().unwrap_or(false);
        if self.node.holds(&truth) {
            return Verdict::Holds;
        }
        Verdict::Fails { atoms: self.responsible(&truth).into_iter().collect() }
    }

    /// Whether it holds when its atoms have these truth values.
    pub fn holds_with(&self, truth: &dyn Fn(usize) -> bool) -> bool {
        self.node.holds(truth)
    }

    /// The combinations of truth values its atoms can have together, whatever the facts. `n > 3` and
    /// `n < 2` are never both true, so this is fewer than all combinations.
    pub fn valuations(&self) -> Result<BTreeSet<Vec<bool>>, TooMany> {
        let all = assignments(&[self], &|_| None, &|_| true)?;
        Ok(all
            .iter()
            .map(|assignment| {
                let facts = |name: &str| assignment.get(name).cloned().flatten();
                self.atoms.iter().map(|atom| atom.holds(&facts)).collect()
            })
            .collect())
    }

    fn responsible(&self, truth: &dyn Fn(usize) -> bool) -> BTreeSet<usize> {
        let Some(plain) = self.node.blame(true, truth) else { return BTreeSet::new() };
        let mends =
            |flipped: &BTreeSet<usize>| self.node.holds(&|atom| truth(atom) != flipped.contains(&atom));
        if mends(&plain) {
            return plain;
        }
        // An atom that stands in several places can be wanted both ways, as in (a && b) || (!a && !b)
        let mut steps = BLAME_STEPS;
        let Some(chosen) = settle(vec![(&self.node, true)], BTreeMap::new(), truth, &mut steps) else {
            return plain;
        };
        let mut flipped: BTreeSet<usize> =
            chosen.into_iter().filter(|(atom, value)| truth(*atom) != *value).map(|(atom, _)| atom).collect();
        for atom in flipped.clone() {
            flipped.remove(&atom);
            if !mends(&flipped) {
                flipped.insert(atom);
            }
        }
        flipped
    }
}

// ---- Characters to tokens ----

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name with its dots.
    Name,
    Bool,
    Int,
    Text,
    Relation,
    In,
    /// `&&` or `||`
    Logic,
    Not,
    Open,
    Close,
    ListOpen,
    ListClose,
    Comma,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    span: Range<usize>,
}

/// Words CEL keeps for itself: no variable can have such a name.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Cuts the source into tokens and refuses what is not in the language. The parser behind it would take
/// nearly all of CEL; here is where the rest gets a message of its own instead of a list of what a
/// grammar expected.
fn scan(source: &str) -> Result<Vec<Token>, Fault> {
    if let Some((start, _)) = source.char_indices().nth(MAX_CHARS) {
        return Err(Fault::new(
            GuardErrorKind::TooLong,
            start..source.len(),
            format!("a guard has at most {MAX_CHARS} characters"),
        ));
    }
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        if matches!(first, ' ' | '\t' | '\n' | '\r') {
            at += 1;
            continue;
        }
        let (kind, len) = match first {
            'a'..='z' | 'A'..='Z' | '_' => scan_name(rest, at)?,
            '0'..='9' => (Kind::Int, scan_int(rest, at)?),
            '-' => {
                // A sign stands where a value may begin; behind a value it would be a subtraction
                let behind_value = tokens.last().is_some_and(|token| {
                    matches!(
                        token.kind,
                        Kind::Name | Kind::Bool | Kind::Int | Kind::Text | Kind::Close | Kind::ListClose
                    )
                });
                if behind_value || !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(arithmetic(at, '-'));
                }
                (Kind::Int, scan_int(rest, at)?)
            }
            '\'' | '"' => (Kind::Text, scan_text(rest, at, first)?),
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '[' => (Kind::ListOpen, 1),
            ']' => (Kind::ListClose, 1),
            ',' => (Kind::Comma, 1),
            _ if rest.starts_with("&&") || rest.starts_with("||") => (Kind::Logic, 2),
            _ if ["==", "!=", "<=", ">="].iter().any(|op| rest.starts_with(op)) => (Kind::Relation, 2),
            '<' | '>' => (Kind::Relation, 1),
            '!' => (Kind::Not, 1),
            other => return Err(stray(rest, at, other)),
        };
        tokens.push(Token { kind, span: at..at + len });
        at += len;
    }
    if tokens.is_empty() {
        return Err(Fault::new(
            GuardErrorKind::Empty,
            0..source.len(),
            "the guard is empty; leave the key out if there is no condition",
        ));
    }
    Ok(tokens)
}

fn scan_name(rest: &str, at: usize) -> Result<(Kind, usize), Fault> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins_word = |c: char| c.is_ascii_alphabetic() || c == '_';
    let mut len = 0;
    loop {
        len += rest[len..].find(|c| !is_word(c)).unwrap_or(rest.len() - len);
        match rest[len..].strip_prefix('.') {
            Some(behind) if behind.starts_with(begins_word) => len += 1,
            _ => break,
        }
    }
    let name = &rest[..len];
    let span = at..at + len;
    if name.len() <= 2 && rest[len..].starts_with(['\'', '"']) {
        return Err(Fault::new(
            GuardErrorKind::Unsupported,
            span,
            format!("a text is written in plain quotes, without `{name}` in front"),
        ));
    }
    match name {
        "true" | "false" => return Ok((Kind::Bool, len)),
        "in" => return Ok((Kind::In, len)),
        "null" => {
            return Err(Fault::new(
                GuardErrorKind::Unsupported,
                span,
                "there is no null; has(name) asks whether a variable is known",
            ));
        }
        _ => {}
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > MAX_PARTS {
        return Err(Fault::new(
            GuardErrorKind::TooDeep,
            span,
            format!("a name has at most {MAX_PARTS} parts"),
        ));
    }
    let reserved = parts.iter().enumerate().find(|(i, part)| {
        matches!(**part, "in" | "true" | "false" | "null") || *i == 0 && RESERVED.contains(part)
    });
    if let Some((_, word)) = reserved {
        return Err(Fault::new(
            GuardErrorKind::Unsupported,
            span,
            format!("`{word}` is a word of the notation and cannot be part of a name here"),
        ));
    }
    Ok((Kind::Name, len))
}

fn scan_int(rest: &str, at: usize) -> Result<usize, Fault> {
    let sign = usize::from(rest.starts_with('-'));
    let digits = &rest[sign..];
    let len = sign
        + digits.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(digits.len());
    let span = at..at + len;
    if !rest[sign..len].bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::new(
            GuardErrorKind::Unsupported,
            span,
            format!("`{}` is not a whole number in decimal digits", &rest[..len]),
        ));
    }
    if rest[..len].parse::<i64>().is_err() {
        return Err(Fault::new(
            GuardErrorKind::Literal,
            span,
            format!("{} is too large a number", &rest[..len]),
        ));
    }
    Ok(len)
}

fn scan_text(rest: &str, at: usize, quote: char) -> Result<usize, Fault> {
    if rest[1..].starts_with([quote]) && rest[2..].starts_with([quote]) {
        return Err(Fault::new(
            GuardErrorKind::Unsupported,
            at..at + 3,
            "a text is written in single or double quotes, not in triple ones",
        ));
    }
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        let here = at + i..at + i + c.len_utf8();
        match c {
            '\\' => match chars.next() {
                Some((_, '\\' | '\'' | '"')) => {}
                _ => {
                    return Err(Fault::new(
                        GuardErrorKind::Unsupported,
                        here,
                        r#"a backslash stands only before a quote or another backslash: \' \" \\"#,
                    ));
                }
            },
            '\n' | '\r' => break,
            // What cannot be seen cannot be reviewed
            _ if c.is_control() || is_direction_mark(c) => {
                return Err(Fault::new(
                    GuardErrorKind::Unsupported,
                    here,
                    format!("the text has an invisible character (U+{:04X})", u32::from(c)),
                ));
            }
            _ if c == quote => return Ok(i + 1),
            _ => {}
        }
    }
    let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
    Err(Fault::new(GuardErrorKind::Syntax, at..at + end, "the text is not closed"))
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn arithmetic(at: usize, sign: char) -> Fault {
    Fault::new(
        GuardErrorKind::Unsupported,
        at..at + 1,
        format!("a guard does not calculate: `{sign}` has no place in it"),
    )
}

fn stray(rest: &str, at: usize, c: char) -> Fault {
    let span = at..at + c.len_utf8();
    let unsupported = |message: &str| Fault::new(GuardErrorKind::Unsupported, span.clone(), message);
    match c {
        '/' if rest.starts_with("//") => Fault::new(
            GuardErrorKind::Unsupported,
            at..at + rest.find('\n').unwrap_or(rest.len()),
            "a guard has no comments; write them beside it in the file",
        ),
        '+' | '*' | '/' | '%' => arithmetic(at, c),
        '=' => Fault::new(GuardErrorKind::Syntax, span, "equality is written =="),
        '&' => Fault::new(GuardErrorKind::Syntax, span, "and is written &&"),
        '|' => Fault::new(GuardErrorKind::Syntax, span, "or is written ||"),
        '?' | ':' => unsupported("there is no choice between values; write (a && b) || (!a && c)"),
        '{' | '}' => unsupported("there are no maps in guards"),
        '.' => unsupported("a dot only joins the parts of a name, without spaces"),
        '`' => unsupported("names are not quoted"),
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => unsupported("write straight quotes: 'text'"),
        _ if c.is_control() || is_direction_mark(c) => Fault::new(
            GuardErrorKind::Unsupported,
            span,
            format!("an invisible character (U+{:04X})", u32::from(c)),
        ),
        _ if c.is_ascii() => {
            Fault::new(GuardErrorKind::Unsupported, span, format!("`{c}` is not part of the notation"))
        }
        _ => Fault::new(
            GuardErrorKind::Unsupported,
            span,
            format!(
                "`{c}` is not part of the notation: names and signs are plain ASCII, other writing goes in quotes"
            ),
        ),
    }
}

// ---- Tokens that cannot stand together ----

/// One open bracket.
struct Level {
    is_list: bool,
    /// The brackets and negations outside and including it.
    depth: usize,
    /// Whether a comparison stands in it since the last `&&`, `||` or comma.
    compared: bool,
}

/// Refuses calls, indexing, lists out of place, chains and deep nesting. The parser would recurse once
/// per bracket and once per link of `a < b < c < …`, so this also bounds its stack.
fn check_shape(source: &str, tokens: &[Token]) -> Result<(), Fault> {
    let kind = |i: usize| tokens.get(i).map(|token| token.kind);
    let mut levels = vec![Level { is_list: false, depth: 0, compared: false }];
    // Negations not yet followed by what they negate
    let mut negations = 0;
    for (i, token) in tokens.iter().enumerate() {
        let text = &source[token.span.clone()];
        let before = i.checked_sub(1).and_then(kind);
        let unsupported =
            |message: String| Err(Fault::new(GuardErrorKind::Unsupported, token.span.clone(), message));
        let Some(level) = levels.last_mut() else { return Ok(()) };
        let depth = level.depth;
        match token.kind {
            Kind::Not | Kind::Open | Kind::ListOpen | Kind::Relation | Kind::In | Kind::Logic
                if level.is_list =>
            {
                return unsupported("a list holds literals only".to_owned());
            }
            Kind::Not => negations += 1,
            Kind::Name if text == "has" => {
                let is_call = (kind(i + 1), kind(i + 2), kind(i + 3))
                    == (Some(Kind::Open), Some(Kind::Name), Some(Kind::Close));
                if !is_call {
                    return unsupported("has takes the name of one variable: has(name)".to_owned());
                }
            }
            Kind::Name if kind(i + 1) == Some(Kind::Open) => {
                return unsupported(format!("a guard calls nothing but has(name), so not `{text}`"));
            }
            Kind::Relation | Kind::In => {
                if level.compared {
                    return unsupported("comparisons do not chain; join them with &&".to_owned());
                }
                level.compared = true;
                if token.kind == Kind::In && kind(i + 1) != Some(Kind::ListOpen) {
                    return unsupported(
                        "`in` is followed by a list of values: name in ['a', 'b']".to_owned(),
                    );
                }
            }
            Kind::Logic | Kind::Comma => level.compared = false,
            Kind::ListOpen if before != Some(Kind::In) => {
                return unsupported(
                    "a list stands only behind `in`; nothing is taken by its number".to_owned(),
                );
            }
            // The bracket of has( and a list are flat inside
            Kind::Open | Kind::ListOpen => {
                let is_flat = token.kind == Kind::ListOpen || before == Some(Kind::Name);
                let depth = if is_flat { depth } else { depth + 1 + negations };
                levels.push(Level { is_list: token.kind == Kind::ListOpen, depth, compared: false });
            }
            // Not left to the parser: it would skip the bracket and read on, and what follows would nest
            // uncounted
            Kind::Close | Kind::ListClose => {
                if level.is_list != (token.kind == Kind::ListClose) || levels.len() == 1 {
                    return Err(Fault::new(
                        GuardErrorKind::Syntax,
                        token.span.clone(),
                        format!("`{text}` closes no bracket"),
                    ));
                }
                levels.pop();
            }
            Kind::Name | Kind::Bool | Kind::Int | Kind::Text => {}
        }
        if token.kind != Kind::Not {
            negations = 0;
        }
        if levels.last().map_or(0, |level| level.depth) + negations > MAX_DEPTH {
            return Err(Fault::new(
                GuardErrorKind::TooDeep,
                token.span.clone(),
                format!("brackets and negations nest at most {MAX_DEPTH} deep"),
            ));
        }
    }
    Ok(())
}

// ---- Tokens to a tree ----

/// Runs the parser. An environment without macros, because the standard `has` only takes dotted names
/// and the others would turn calls into loops before anyone could refuse them.
fn parse_tree(source: &str, tokens: &[Token]) -> Result<(IdedExpr, SourceInfo), Fault> {
    let whole = || {
        let start = tokens.first().map_or(0, |token| token.span.start);
        start..tokens.last().map_or(source.len(), |token| token.span.end)
    };
    let parsed = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("guard".to_owned())
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, || {
                cel::Env::default().parser().parse_with_source_info(source).map_err(|errors| {
                    let first = errors.errors.into_iter().next();
                    first.map_or((0, 0), |error| error.pos)
                })
            })
            .map(|thread| thread.join().ok())
    });
    match parsed {
        Ok(Some(Ok(tree))) => Ok(tree),
        Ok(Some(Err(position))) => Err(misplaced(source, tokens, byte_at(source, position))),
        Ok(None) | Err(_) => Err(Fault::new(GuardErrorKind::Syntax, whole(), "the guard could not be read")),
    }
}

/// The parser gives the place of an error as line and column, both from 1 and the column in characters,
/// while the nodes of its trees carry bytes.
fn byte_at(source: &str, (line, column): (isize, isize)) -> usize {
    let (Ok(line), Ok(column)) = (usize::try_from(line - 1), usize::try_from(column - 1)) else {
        return 0;
    };
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    source[start..].char_indices().nth(column).map_or(source.len(), |(i, _)| start + i)
}

fn misplaced(source: &str, tokens: &[Token], byte: usize) -> Fault {
    let Some(token) = tokens.iter().find(|token| token.span.end > byte) else {
        let open = tokens.iter().rposition(|token| matches!(token.kind, Kind::Open | Kind::ListOpen));
        let closed = tokens.iter().rposition(|token| matches!(token.kind, Kind::Close | Kind::ListClose));
        let hint = if open > closed { "; a bracket is still open" } else { "" };
        return Fault::new(
            GuardErrorKind::Syntax,
            source.len()..source.len(),
            format!("the guard ends too early{hint}"),
        );
    };
    let text = &source[token.span.clone()];
    let hint = match text.to_ascii_lowercase().as_str() {
        "and" => "; and is written &&",
        "or" => "; or is written ||",
        "not" => "; not is written !",
        _ => "",
    };
    Fault::new(GuardErrorKind::Syntax, token.span.clone(), format!("`{text}` is not expected here{hint}"))
}

// ---- Tree to atoms ----

struct Lowering<'a> {
    source: &'a str,
    tokens: &'a [Token],
    info: &'a SourceInfo,
    variables: &'a BTreeMap<String, VarType>,
    forbidden: &'a BTreeSet<String>,
    used: BTreeMap<String, VarType>,
    atoms: Vec<Atom>,
}

/// One side of a comparison.
enum Side<'a> {
    Variable(String, &'a VarType),
    Literal(Fact),
}

impl<'a> Lowering<'a> {
    fn condition(&mut self, expr: &IdedExpr) -> Result<Node, Fault> {
        match &expr.expr {
            Expr::Call(call) if call.target.is_none() => {
                match (call.func_name.as_str(), call.args.as_slice()) {
                    (operators::LOGICAL_AND, [left, right]) => {
                        let mut parts = Vec::new();
                        for side in [left, right] {
                            match self.condition(side)? {
                                Node::All(inner) => parts.extend(inner),
                                other => parts.push(other),
                            }
                        }
                        Ok(Node::All(parts))
                    }
                    (operators::LOGICAL_OR, [left, right]) => {
                        let mut parts = Vec::new();
                        for side in [left, right] {
                            match self.condition(side)? {
                                Node::Any(inner) => parts.extend(inner),
                                other => parts.push(other),
                            }
                        }
                        Ok(Node::Any(parts))
                    }
                    (operators::LOGICAL_NOT, [inner]) => Ok(Node::Not(Box::new(self.condition(inner)?))),
                    (operators::HAS, [inner]) => {
                        let (name, _) = self.variable(inner)?;
                        self.atom(Atom::Has(name), expr)
                    }
                    (operators::IN, [left, right]) => self.one_of(expr, left, right),
                    (name, [left, right]) => match Op::of_call(name) {
                        Some(op) => self.comparison(expr, left, op, right),
                        None => Err(self.unsupported(expr)),
                    },
                    _ => Err(self.unsupported(expr)),
                }
            }
            Expr::Ident(_) | Expr::Select(_) => match self.variable(expr)? {
                (name, VarType::Bool) => self.atom(Atom::Is(name), expr),
                (name, other) => Err(Fault::new(
                    GuardErrorKind::Type,
                    self.span(expr),
                    format!("`{name}` is {}, not a condition; compare it with something", other.describe()),
                )),
            },
            Expr::Literal(literal) => match fact_of(literal) {
                Some(Fact::Bool(value)) => Ok(Node::Const(value)),
                Some(fact) => Err(Fault::new(
                    GuardErrorKind::Type,
                    self.span(expr),
                    format!("{fact} is {}, not a condition", fact.describe()),
                )),
                None => Err(self.unsupported(expr)),
            },
            Expr::List(_)
            | Expr::Call(_)
            | Expr::Comprehension(_)
            | Expr::Map(_)
            | Expr::Struct(_)
            | Expr::Unspecified => Err(self.unsupported(expr)),
        }
    }

    fn comparison(
        &mut self,
        whole: &IdedExpr,
        left: &IdedExpr,
        op: Op,
        right: &IdedExpr,
    ) -> Result<Node, Fault> {
        self.check_unquoted(left, right)?;
        self.check_unquoted(right, left)?;
        let atom = match (self.side(left)?, self.side(right)?) {
            (Side::Variable(name, ty), Side::Literal(fact)) => {
                self.with_literal(whole, name, ty, op, fact, right)?
            }
            (Side::Literal(fact), Side::Variable(name, ty)) => {
                self.with_literal(whole, name, ty, op.turned(), fact, left)?
            }
            (Side::Variable(left, left_type), Side::Variable(right, right_type)) => {
                self.check_variables(whole, (&left, left_type), op, (&right, right_type))?;
                Atom::CompareVariables { left, op, right }
            }
            (Side::Literal(_), Side::Literal(_)) => {
                return Err(Fault::new(
                    GuardErrorKind::Type,
                    self.span(whole),
                    "two literals: the outcome never changes",
                ));
            }
        };
        self.atom(atom, whole)
    }

    fn with_literal(
        &self,
        whole: &IdedExpr,
        variable: String,
        ty: &VarType,
        op: Op,
        fact: Fact,
        place: &IdedExpr,
    ) -> Result<Atom, Fault> {
        let value = self.fit(&variable, ty, fact, place)?;
        self.check_order(whole, &variable, ty, op)?;
        // Both are false where the variable is absent, as the bare name is
        Ok(match (op, value) {
            (Op::Eq, Fact::Bool(true)) | (Op::Ne, Fact::Bool(false)) => Atom::Is(variable),
            (_, Fact::Bool(_)) => Atom::Compare { variable, op: Op::Eq, value: Fact::Bool(false) },
            (op, value) => Atom::Compare { variable, op, value },
        })
    }

    fn check_variables(
        &self,
        whole: &IdedExpr,
        (left, left_type): (&str, &VarType),
        op: Op,
        (right, right_type): (&str, &VarType),
    ) -> Result<(), Fault> {
        let refuse = |message| Err(Fault::new(GuardErrorKind::Type, self.span(whole), message));
        if left == right {
            return refuse(format!("`{left}` is compared with itself"));
        }
        if !left_type.is_same(right_type) {
            let (l, r) = (left_type.describe(), right_type.describe());
            return refuse(match l == r {
                true => format!("`{left}` and `{right}` have different lists of values"),
                false => format!("`{left}` is {l} and `{right}` is {r}: they do not compare"),
            });
        }
        self.check_order(whole, left, left_type, op)
    }

    fn check_order(&self, whole: &IdedExpr, name: &str, ty: &VarType, op: Op) -> Result<(), Fault> {
        if op.is_order() && !ty.is_ordered() {
            return Err(Fault::new(
                GuardErrorKind::Type,
                self.span(whole),
                format!("`{name}` is {}, which has no order; `{op}` is for numbers and dates", ty.describe()),
            ));
        }
        Ok(())
    }

    fn one_of(&mut self, whole: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Result<Node, Fault> {
        let Side::Variable(variable, ty) = self.side(left)? else {
            return Err(Fault::new(GuardErrorKind::Type, self.span(left), "`in` asks about a variable"));
        };
        let Expr::List(list) = &right.expr else { return Err(self.unsupported(right)) };
        if *ty == VarType::Bool {
            return Err(Fault::new(
                GuardErrorKind::Type,
                self.span(whole),
                format!("`{variable}` is true or false; ask `{variable}` or `!{variable}`"),
            ));
        }
        if list.elements.is_empty() {
            return Err(Fault::new(GuardErrorKind::Type, self.span(whole), "the list is empty"));
        }
        let mut values = Vec::new();
        for element in &list.elements {
            let Expr::Literal(literal) = &element.expr else {
                return Err(Fault::new(
                    GuardErrorKind::Unsupported,
                    self.span(element),
                    "a list holds literals only",
                ));
            };
            let fact = fact_of(literal).ok_or_else(|| self.unsupported(element))?;
            let value = self.fit(&variable, ty, fact, element)?;
            if values.contains(&value) {
                return Err(Fault::new(
                    GuardErrorKind::Type,
                    self.span(element),
                    format!("{value} is in the list twice"),
                ));
            }
            values.push(value);
        }
        self.atom(Atom::OneOf { variable, values }, whole)
    }

    /// The number of an atom, old or new.
    fn atom(&mut self, atom: Atom, place: &IdedExpr) -> Result<Node, Fault> {
        let known = self.atoms.iter().position(|other| *other == atom);
        let index = known.unwrap_or(self.atoms.len());
        if index == MAX_ATOMS {
            return Err(Fault::new(
                GuardErrorKind::TooManyAtoms,
                self.span(place),
                format!("a guard has at most {MAX_ATOMS} different conditions"),
            ));
        }
        if known.is_none() {
            self.atoms.push(atom);
        }
        Ok(Node::Atom(index))
    }

    fn side(&mut self, expr: &IdedExpr) -> Result<Side<'a>, Fault> {
        match &expr.expr {
            Expr::Ident(_) | Expr::Select(_) => {
                self.variable(expr).map(|(name, ty)| Side::Variable(name, ty))
            }
            Expr::Literal(literal) => {
                fact_of(literal).map(Side::Literal).ok_or_else(|| self.unsupported(expr))
            }
            _ => Err(Fault::new(
                GuardErrorKind::Type,
                self.span(expr),
                "a comparison is of a variable with a literal or another variable; \
                 a condition is negated as !(a == b)",
            )),
        }
    }

    fn variable(&mut self, expr: &IdedExpr) -> Result<(String, &'a VarType), Fault> {
        let name = name_of(expr).ok_or_else(|| self.unsupported(expr))?;
        let is_personal = self.forbidden.contains(&name)
            || name.match_indices('.').any(|(dot, _)| self.forbidden.contains(&name[..dot]));
        if is_personal {
            return Err(Fault::new(
                GuardErrorKind::PersonalField,
                self.span(expr),
                format!("personal field `{name}` may not be used in a guard"),
            ));
        }
        match self.variables.get(&name) {
            Some(ty) => {
                self.used.insert(name.clone(), ty.clone());
                Ok((name, ty))
            }
            None => {
                let under = format!("{name}.");
                let close = self
                    .variables
                    .keys()
                    .find(|known| known.starts_with(&under))
                    .or_else(|| closest(&name, self.variables.keys()));
                Err(Fault::new(
                    GuardErrorKind::UnknownVariable,
                    self.span(expr),
                    format!(
                        "there is no variable `{name}`{}",
                        did_you_mean(close.map(|name| format!("`{name}`")))
                    ),
                ))
            }
        }
    }

    /// `level == major` where `major` is no variable but a value of `level`.
    fn check_unquoted(&self, variable: &IdedExpr, value: &IdedExpr) -> Result<(), Fault> {
        let ty = name_of(variable).and_then(|name| self.variables.get(&name));
        match (ty, name_of(value)) {
            (Some(VarType::Enum(values)), Some(word))
                if values.contains(&word)
                    && !self.variables.contains_key(&word)
                    && !self.forbidden.contains(&word) =>
            {
                Err(Fault::new(
                    GuardErrorKind::UnknownVariable,
                    self.span(value),
                    format!("there is no variable `{word}`; the value is written in quotes: '{word}'"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// The literal as a value of the variable's type.
    fn fit(&self, name: &str, ty: &VarType, fact: Fact, place: &IdedExpr) -> Result<Fact, Fault> {
        match (ty, fact) {
            (VarType::Bool, fact @ Fact::Bool(_))
            | (VarType::Int, fact @ Fact::Int(_))
            | (VarType::Text, fact @ Fact::Text(_)) => Ok(fact),
            (VarType::Date, Fact::Text(text)) => date(&text).map(Fact::Date).ok_or_else(|| {
                Fault::new(
                    GuardErrorKind::Literal,
                    self.span(place),
                    format!("`{name}` is a date, and '{text}' is none; a date is written 'YYYY-MM-DD'"),
                )
            }),
            (VarType::Enum(values), Fact::Text(text)) => {
                if values.contains(&text) {
                    return Ok(Fact::Text(text));
                }
                let listed: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
                let hint = match closest(&text, values.iter()) {
                    Some(close) => did_you_mean(Some(format!("'{close}'"))),
                    None => format!("; it is one of {}", listed.join(", ")),
                };
                Err(Fault::new(
                    GuardErrorKind::UnknownValue,
                    self.span(place),
                    format!("`{name}` is never '{text}'{hint}"),
                ))
            }
            (ty, fact) => Err(Fault::new(
                GuardErrorKind::Type,
                self.span(place),
                format!("`{name}` is {}, and {fact} is {}", ty.describe(), fact.describe()),
            )),
        }
    }

    fn unsupported(&self, expr: &IdedExpr) -> Fault {
        Fault::new(GuardErrorKind::Unsupported, self.span(expr), "this is not part of the guard notation")
    }

    /// The bytes from the first to the last token of an expression. The parser keeps one token per node
    /// (of a comparison its sign, of a selection its dot), so the spans of the parts are joined. It gives
    /// bytes, the last one included.
    fn span(&self, expr: &IdedExpr) -> Range<usize> {
        let mut span: Option<Range<usize>> = None;
        let mut work = vec![expr];
        while let Some(expr) = work.pop() {
            let token = self.info.offset_for(expr.id).and_then(|(start, _)| {
                let start = usize::try_from(start).ok()?;
                self.tokens.iter().position(|token| token.span.contains(&start))
            });
            if let Some(index) = token {
                let first = &self.tokens[index].span;
                // The token of has( is its bracket
                let is_call = self.tokens[index].kind == Kind::Open && index > 0;
                let start = if is_call { self.tokens[index - 1].span.start } else { first.start };
                let end = if is_call {
                    self.tokens.get(index + 2).map_or(first.end, |close| close.span.end)
                } else if self.tokens[index].kind == Kind::ListOpen {
                    let close = self.tokens[index..].iter().find(|token| token.kind == Kind::ListClose);
                    close.map_or(first.end, |close| close.span.end)
                } else {
                    first.end
                };
                span = Some(match span {
                    Some(known) => known.start.min(start)..known.end.max(end),
                    None => start..end,
                });
            }
            match &expr.expr {
                Expr::Call(call) => work.extend(call.args.iter().chain(call.target.as_deref())),
                Expr::List(list) => work.extend(&list.elements),
                Expr::Select(select) => work.push(&select.operand),
                Expr::Ident(_)
                | Expr::Literal(_)
                | Expr::Comprehension(_)
                | Expr::Map(_)
                | Expr::Struct(_)
                | Expr::Unspecified => {}
            }
        }
        span.unwrap_or(0..self.source.len())
    }
}

fn fact_of(literal: &LiteralValue) -> Option<Fact> {
    match literal {
        LiteralValue::Boolean(value) => Some(Fact::Bool(*value.inner())),
        LiteralValue::Int(value) => Some(Fact::Int(*value.inner())),
        LiteralValue::String(value) => Some(Fact::Text(value.inner().to_owned())),
        LiteralValue::Bytes(_) | LiteralValue::Double(_) | LiteralValue::Null | LiteralValue::UInt(_) => None,
    }
}

/// The dotted name an expression spells.
fn name_of(expr: &IdedExpr) -> Option<String> {
    let mut parts = Vec::new();
    let mut expr = &expr.expr;
    loop {
        match expr {
            Expr::Ident(name) => {
                parts.push(name.as_str());
                parts.reverse();
                return Some(parts.join("."));
            }
            Expr::Select(select) if !select.test => {
                parts.push(&select.field);
                expr = &select.operand.expr;
            }
            _ => return None,
        }
    }
}

/// Exactly `YYYY-MM-DD`: a shorter spelling would be the same day under another text.
fn date(text: &str) -> Option<NaiveDate> {
    let is_plain = text.len() == 10
        && text.bytes().enumerate().all(|(i, byte)| match i {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if is_plain { text.parse().ok() } else { None }
}

fn did_you_mean(close: Option<String>) -> String {
    close.map_or_else(String::new, |close| format!("; did you mean {close}?"))
}

/// The candidate fewest edits away, if it is near enough to be a slip of the hand.
fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let reach = (word.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= reach)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words: insert, delete, replace, or exchange two neighbours.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

// ---- Facts that matter ----

/// The guards tell apart more combinations of facts than can be enumerated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} combinations of facts, more than {MAX_ASSIGNMENTS}")]
pub struct TooMany {
    /// How many there are; `usize::MAX` if not even that can be counted.
    pub count: usize,
}

/// Facts enough to see everything these guards can tell apart: each truth value of all their atoms
/// together that some facts produce is produced by one of the assignments.
///
/// A number or date takes each value it is compared with and its neighbours, a text each of its literals
/// and one other, a list variable all its values. Variables compared with each other share these points,
/// with enough of them between two thresholds to stand in any order.
///
/// `fixed` gives the variables determined elsewhere, `Some(None)` being a variable known to be absent;
/// they are left out of the result. `optional` tells which of the others may be absent. The guards are
/// those of one file: a variable has the same type in all of them.
pub fn assignments(
    guards: &[&Guard],
    fixed: &dyn Fn(&str) -> Option<Option<Fact>>,
    optional: &dyn Fn(&str) -> bool,
) -> Result<Vec<BTreeMap<String, Option<Fact>>>, TooMany> {
    let mut types: BTreeMap<&str, &VarType> = BTreeMap::new();
    for (name, ty) in guards.iter().flat_map(|guard| &guard.variables) {
        if fixed(name).is_none() {
            types.entry(name).or_insert(ty);
        }
    }
    let groups = Groups::of(guards, &types, fixed);
    let choices: Vec<(&str, Vec<Option<Fact>>)> = types
        .iter()
        .map(|(name, ty)| {
            let mut values: Vec<Option<Fact>> = groups.points(name, ty).into_iter().map(Some).collect();
            if optional(name) {
                values.push(None);
            }
            (*name, values)
        })
        .collect();
    let count = choices.iter().fold(1_usize, |count, (_, values)| count.saturating_mul(values.len()));
    if count > MAX_ASSIGNMENTS {
        return Err(TooMany { count });
    }
    let mut all = vec![BTreeMap::new()];
    for (name, values) in choices {
        all = all
            .into_iter()
            .flat_map(|assignment| {
                values.iter().map(move |value| {
                    let mut longer = assignment.clone();
                    longer.insert(name.to_owned(), value.clone());
                    longer
                })
            })
            .collect();
    }
    Ok(all)
}

/// The free variables that are compared with each other, directly or through others.
struct Groups<'a> {
    /// The group of each free variable.
    group: BTreeMap<&'a str, usize>,
    /// The values each group is compared with.
    thresholds: BTreeMap<usize, BTreeSet<Fact>>,
}

impl<'a> Groups<'a> {
    fn of(
        guards: &[&'a Guard],
        types: &BTreeMap<&'a str, &VarType>,
        fixed: &dyn Fn(&str) -> Option<Option<Fact>>,
    ) -> Groups<'a> {
        let mut group: BTreeMap<&str, usize> = types.keys().enumerate().map(|(i, name)| (*name, i)).collect();
        let atoms = || guards.iter().flat_map(|guard| &guard.atoms);
        for atom in atoms() {
            if let Atom::CompareVariables { left, right, .. } = atom
                && let (Some(kept), Some(merged)) =
                    (group.get(left.as_str()).copied(), group.get(right.as_str()).copied())
            {
                group.values_mut().filter(|other| **other == merged).for_each(|other| *other = kept);
            }
        }
        let mut thresholds: BTreeMap<usize, BTreeSet<Fact>> = BTreeMap::new();
        let mut add = |name: &str, values: &mut dyn Iterator<Item = Fact>| {
            if let Some(group) = group.get(name) {
                thresholds.entry(*group).or_default().extend(values);
            }
        };
        for atom in atoms() {
            match atom {
                Atom::Is(_) | Atom::Has(_) => {}
                Atom::Compare { variable, value, .. } => add(variable, &mut std::iter::once(value.clone())),
                Atom::OneOf { variable, values } => add(variable, &mut values.iter().cloned()),
                Atom::CompareVariables { left, right, .. } => {
                    // A variable fixed elsewhere is a threshold for the one it is compared with
                    add(left, &mut fixed(right).flatten().into_iter());
                    add(right, &mut fixed(left).flatten().into_iter());
                }
            }
        }
        Groups { group, thresholds }
    }

    fn points(&self, name: &str, ty: &VarType) -> BTreeSet<Fact> {
        let group = self.group.get(name);
        let thresholds = group.and_then(|group| self.thresholds.get(group)).into_iter().flatten();
        // As many neighbours as the group has variables, so that all of them fit between two thresholds
        let members = self.group.values().filter(|other| Some(*other) == group).count();
        let steps = |first| (first..=members).map(|step| u64::try_from(step).unwrap_or(u64::MAX));
        match ty {
            VarType::Bool => [true, false].map(Fact::Bool).into(),
            VarType::Enum(values) => values.iter().cloned().map(Fact::Text).collect(),
            VarType::Int => {
                let mut points = BTreeSet::new();
                for value in thresholds.filter_map(Fact::as_int) {
                    points.extend(steps(0).filter_map(|step| value.checked_add_unsigned(step)));
                    points.extend(steps(1).filter_map(|step| value.checked_sub_unsigned(step)));
                }
                if points.is_empty() {
                    points.extend(steps(1).filter_map(|step| 0_i64.checked_add_unsigned(step)));
                }
                points.into_iter().map(Fact::Int).collect()
            }
            VarType::Date => {
                let mut points = BTreeSet::new();
                for value in thresholds.filter_map(Fact::as_date) {
                    points.extend(steps(0).filter_map(|step| value.checked_add_days(Days::new(step))));
                    points.extend(steps(1).filter_map(|step| value.checked_sub_days(Days::new(step))));
                }
                if points.is_empty() {
                    let any = NaiveDate::default();
                    points.extend(steps(1).filter_map(|step| any.checked_add_days(Days::new(step))));
                }
                points.into_iter().map(Fact::Date).collect()
            }
            VarType::Text => {
                let named: BTreeSet<&Fact> = thresholds.collect();
                let others = (1..).map(|i| Fact::Text(format!("other {i}")));
                let others = others.filter(|other| !named.contains(other)).take(members);
                others.chain(named.iter().map(|fact| (*fact).clone())).collect()
            }
        }
    }
}
