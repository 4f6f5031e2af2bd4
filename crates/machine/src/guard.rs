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

use cel::common::ast::operators;
use chrono::NaiveDate;

mod facts;
mod fault;
mod lower;
mod need;
mod token;

pub use facts::{TooMany, assignments};
use fault::Fault;
pub use fault::{FactKind, GuardError, GuardFault};
use lower::{Lowering, parse_tree};
pub use need::{Condition, Need};
use serde::{Deserialize, Serialize};
use token::{check_shape, scan};

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
    fn kind(&self) -> FactKind {
        match self {
            VarType::Bool => FactKind::Bool,
            VarType::Int => FactKind::Int,
            VarType::Date => FactKind::Date,
            VarType::Text => FactKind::Text,
            VarType::Enum(_) => FactKind::Choice,
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    fn kind(&self) -> FactKind {
        match self {
            Fact::Bool(_) => FactKind::Bool,
            Fact::Int(_) => FactKind::Int,
            Fact::Date(_) => FactKind::Date,
            Fact::Text(_) => FactKind::Text,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

    /// What holds of two known values where this does not.
    pub fn opposite(self) -> Op {
        match self {
            Op::Eq => Op::Ne,
            Op::Ne => Op::Eq,
            Op::Lt => Op::Ge,
            Op::Le => Op::Gt,
            Op::Gt => Op::Le,
            Op::Ge => Op::Lt,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
