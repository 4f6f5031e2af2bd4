//! Tokens to a tree, and the tree to typed atoms.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use chrono::NaiveDate;

use super::token::{Kind, Token};
use super::{Atom, Fact, Fault, GuardFault, MAX_ATOMS, Node, Op, VarType};

/// The parser takes up to 180 KiB of stack per bracket when built without optimisation, more than the
/// threads of a runtime or of a test have for 32 brackets. It runs on a stack of its own size.
const PARSER_STACK: usize = 16 * 1024 * 1024;

/// Runs the parser. An environment without macros, because the standard `has` only takes dotted names
/// and the others would turn calls into loops before anyone could refuse them.
pub(super) fn parse_tree(source: &str, tokens: &[Token]) -> Result<(IdedExpr, SourceInfo), Fault> {
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
        Ok(None) | Err(_) => Err(Fault::new(whole(), GuardFault::Unreadable)),
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
        return Fault::new(source.len()..source.len(), GuardFault::EndsEarly { open: open > closed });
    };
    let text = &source[token.span.clone()];
    let meant = match text.to_ascii_lowercase().as_str() {
        "and" => Some("&&"),
        "or" => Some("||"),
        "not" => Some("!"),
        _ => None,
    };
    Fault::new(token.span.clone(), GuardFault::Unexpected { text: text.to_owned(), meant })
}

// ---- Tree to atoms ----

pub(super) struct Lowering<'a> {
    pub(super) source: &'a str,
    pub(super) tokens: &'a [Token],
    pub(super) info: &'a SourceInfo,
    pub(super) variables: &'a BTreeMap<String, VarType>,
    pub(super) forbidden: &'a BTreeSet<String>,
    pub(super) used: BTreeMap<String, VarType>,
    pub(super) atoms: Vec<Atom>,
}

/// One side of a comparison.
enum Side<'a> {
    Variable(String, &'a VarType),
    Literal(Fact),
}

impl<'a> Lowering<'a> {
    pub(super) fn condition(&mut self, expr: &IdedExpr) -> Result<Node, Fault> {
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
                (name, other) => {
                    let kind = other.kind();
                    Err(Fault::new(self.span(expr), GuardFault::NotACondition { name, kind }))
                }
            },
            Expr::Literal(literal) => match fact_of(literal) {
                Some(Fact::Bool(value)) => Ok(Node::Const(value)),
                Some(fact) => {
                    let (name, kind) = (fact.to_string(), fact.kind());
                    Err(Fault::new(self.span(expr), GuardFault::NotACondition { name, kind }))
                }
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
                return Err(Fault::new(self.span(whole), GuardFault::TwoLiterals));
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
        let refuse = |fault| Err(Fault::new(self.span(whole), fault));
        let (name, other) = (left.to_owned(), right.to_owned());
        if left == right {
            return refuse(GuardFault::WithItself { name });
        }
        if !left_type.is_same(right_type) {
            let (kind, other_kind) = (left_type.kind(), right_type.kind());
            return refuse(match kind == other_kind {
                true => GuardFault::OtherLists { name, other },
                false => GuardFault::OtherTypes { name, kind, other, other_kind },
            });
        }
        self.check_order(whole, left, left_type, op)
    }

    fn check_order(&self, whole: &IdedExpr, name: &str, ty: &VarType, op: Op) -> Result<(), Fault> {
        if op.is_order() && !ty.is_ordered() {
            let (name, kind, op) = (name.to_owned(), ty.kind(), op.to_string());
            return Err(Fault::new(self.span(whole), GuardFault::NoOrder { name, kind, op }));
        }
        Ok(())
    }

    fn one_of(&mut self, whole: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Result<Node, Fault> {
        let Side::Variable(variable, ty) = self.side(left)? else {
            return Err(Fault::new(self.span(left), GuardFault::InNeedsVariable));
        };
        let Expr::List(list) = &right.expr else { return Err(self.unsupported(right)) };
        if *ty == VarType::Bool {
            return Err(Fault::new(self.span(whole), GuardFault::AskDirectly { name: variable }));
        }
        if list.elements.is_empty() {
            return Err(Fault::new(self.span(whole), GuardFault::EmptyList));
        }
        let mut values = Vec::new();
        for element in &list.elements {
            let Expr::Literal(literal) = &element.expr else {
                return Err(Fault::new(self.span(element), GuardFault::ListOfLiterals));
            };
            let fact = fact_of(literal).ok_or_else(|| self.unsupported(element))?;
            let value = self.fit(&variable, ty, fact, element)?;
            if values.contains(&value) {
                let value = value.to_string();
                return Err(Fault::new(self.span(element), GuardFault::ListedTwice { value }));
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
            return Err(Fault::new(self.span(place), GuardFault::TooManyAtoms { most: MAX_ATOMS }));
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
            _ => Err(Fault::new(self.span(expr), GuardFault::NotCompared)),
        }
    }

    fn variable(&mut self, expr: &IdedExpr) -> Result<(String, &'a VarType), Fault> {
        let name = name_of(expr).ok_or_else(|| self.unsupported(expr))?;
        let is_personal = self.forbidden.contains(&name)
            || name.match_indices('.').any(|(dot, _)| self.forbidden.contains(&name[..dot]));
        if is_personal {
            return Err(Fault::new(self.span(expr), GuardFault::PersonalField { name }));
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
                    .or_else(|| closest(&name, self.variables.keys()))
                    .cloned();
                Err(Fault::new(self.span(expr), GuardFault::UnknownVariable { name, close }))
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
                Err(Fault::new(self.span(value), GuardFault::Unquoted { word }))
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
                let name = name.to_owned();
                Fault::new(self.span(place), GuardFault::NotADate { name, value: text })
            }),
            (VarType::Enum(values), Fact::Text(text)) => {
                if values.contains(&text) {
                    return Ok(Fact::Text(text));
                }
                let close = closest(&text, values.iter()).cloned();
                let (name, known) = (name.to_owned(), values.clone());
                Err(Fault::new(
                    self.span(place),
                    GuardFault::UnknownValue { name, value: text, close, known },
                ))
            }
            (ty, fact) => {
                let (kind, other_kind) = (ty.kind(), fact.kind());
                let (name, value) = (name.to_owned(), fact.to_string());
                Err(Fault::new(self.span(place), GuardFault::WrongType { name, kind, value, other_kind }))
            }
        }
    }

    fn unsupported(&self, expr: &IdedExpr) -> Fault {
        let span = self.span(expr);
        let text = self.source.get(span.clone()).unwrap_or_default().to_owned();
        Fault::new(span, GuardFault::NotNotation { text })
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
