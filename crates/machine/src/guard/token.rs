//! Characters to tokens, and tokens that cannot stand together.

use std::ops::Range;

use super::{Fault, GuardFault, MAX_CHARS, MAX_DEPTH, MAX_PARTS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
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
/// nearly all of CEL; here is where the rest gets a name of its own instead of a list of what a grammar
/// expected.
pub(super) fn scan(source: &str) -> Result<Vec<Token>, Fault> {
    if let Some((start, _)) = source.char_indices().nth(MAX_CHARS) {
        return Err(Fault::new(start..source.len(), GuardFault::TooLong { most: MAX_CHARS }));
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
        return Err(Fault::new(0..source.len(), GuardFault::Empty));
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
        return Err(Fault::new(span, GuardFault::PrefixedText { prefix: name.to_owned() }));
    }
    match name {
        "true" | "false" => return Ok((Kind::Bool, len)),
        "in" => return Ok((Kind::In, len)),
        "null" => return Err(Fault::new(span, GuardFault::Null)),
        _ => {}
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > MAX_PARTS {
        return Err(Fault::new(span, GuardFault::TooManyParts { most: MAX_PARTS }));
    }
    let reserved = parts.iter().enumerate().find(|(i, part)| {
        matches!(**part, "in" | "true" | "false" | "null") || *i == 0 && RESERVED.contains(part)
    });
    if let Some((_, word)) = reserved {
        return Err(Fault::new(span, GuardFault::ReservedWord { word: (*word).to_owned() }));
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
        return Err(Fault::new(span, GuardFault::NotWhole { text: rest[..len].to_owned() }));
    }
    if rest[..len].parse::<i64>().is_err() {
        return Err(Fault::new(span, GuardFault::NumberTooLarge { text: rest[..len].to_owned() }));
    }
    Ok(len)
}

fn scan_text(rest: &str, at: usize, quote: char) -> Result<usize, Fault> {
    if rest[1..].starts_with([quote]) && rest[2..].starts_with([quote]) {
        return Err(Fault::new(at..at + 3, GuardFault::TripleQuotes));
    }
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        let here = at + i..at + i + c.len_utf8();
        match c {
            '\\' => match chars.next() {
                Some((_, '\\' | '\'' | '"')) => {}
                _ => return Err(Fault::new(here, GuardFault::Backslash)),
            },
            '\n' | '\r' => break,
            // What cannot be seen cannot be reviewed
            _ if c.is_control() || is_direction_mark(c) => {
                return Err(Fault::new(here, invisible(c)));
            }
            _ if c == quote => return Ok(i + 1),
            _ => {}
        }
    }
    let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
    Err(Fault::new(at..at + end, GuardFault::TextNotClosed))
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn invisible(c: char) -> GuardFault {
    GuardFault::Invisible { character: format!("U+{:04X}", u32::from(c)) }
}

fn arithmetic(at: usize, sign: char) -> Fault {
    Fault::new(at..at + 1, GuardFault::Arithmetic { sign })
}

fn stray(rest: &str, at: usize, c: char) -> Fault {
    let meant = |sign| GuardFault::Unexpected { text: c.to_string(), meant: Some(sign) };
    let fault = match c {
        '/' if rest.starts_with("//") => {
            let end = at + rest.find('\n').unwrap_or(rest.len());
            return Fault::new(at..end, GuardFault::Comment);
        }
        '+' | '*' | '/' | '%' => return arithmetic(at, c),
        '=' => meant("=="),
        '&' => meant("&&"),
        '|' => meant("||"),
        '?' | ':' => GuardFault::NoChoice,
        '{' | '}' => GuardFault::NoMaps,
        '.' => GuardFault::LoneDot,
        '`' => GuardFault::QuotedName,
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => GuardFault::CurlyQuotes,
        _ if c.is_control() || is_direction_mark(c) => invisible(c),
        _ if c.is_ascii() => GuardFault::NotNotation { text: c.to_string() },
        _ => GuardFault::NotAscii { character: c },
    };
    Fault::new(at..at + c.len_utf8(), fault)
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
pub(super) fn check_shape(source: &str, tokens: &[Token]) -> Result<(), Fault> {
    let kind = |i: usize| tokens.get(i).map(|token| token.kind);
    let mut levels = vec![Level { is_list: false, depth: 0, compared: false }];
    // Negations not yet followed by what they negate
    let mut negations = 0;
    for (i, token) in tokens.iter().enumerate() {
        let text = &source[token.span.clone()];
        let before = i.checked_sub(1).and_then(kind);
        let refuse = |fault| Err(Fault::new(token.span.clone(), fault));
        let Some(level) = levels.last_mut() else { return Ok(()) };
        let depth = level.depth;
        match token.kind {
            Kind::Not | Kind::Open | Kind::ListOpen | Kind::Relation | Kind::In | Kind::Logic
                if level.is_list =>
            {
                return refuse(GuardFault::ListOfLiterals);
            }
            Kind::Not => negations += 1,
            Kind::Name if text == "has" => {
                let is_call = (kind(i + 1), kind(i + 2), kind(i + 3))
                    == (Some(Kind::Open), Some(Kind::Name), Some(Kind::Close));
                if !is_call {
                    return refuse(GuardFault::HasTakesName);
                }
            }
            Kind::Name if kind(i + 1) == Some(Kind::Open) => {
                return refuse(GuardFault::NoCalls { name: text.to_owned() });
            }
            Kind::Relation | Kind::In => {
                if level.compared {
                    return refuse(GuardFault::Chained);
                }
                level.compared = true;
                if token.kind == Kind::In && kind(i + 1) != Some(Kind::ListOpen) {
                    return refuse(GuardFault::InNeedsList);
                }
            }
            Kind::Logic | Kind::Comma => level.compared = false,
            Kind::ListOpen if before != Some(Kind::In) => {
                return refuse(GuardFault::LoneList);
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
                    return refuse(GuardFault::ClosesNothing { bracket: text.to_owned() });
                }
                levels.pop();
            }
            Kind::Name | Kind::Bool | Kind::Int | Kind::Text => {}
        }
        if token.kind != Kind::Not {
            negations = 0;
        }
        if levels.last().map_or(0, |level| level.depth) + negations > MAX_DEPTH {
            return refuse(GuardFault::TooDeep { most: MAX_DEPTH });
        }
    }
    Ok(())
}
