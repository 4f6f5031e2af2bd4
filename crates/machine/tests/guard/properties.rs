//! Guards against a reference.

use proptest::prelude::*;

use super::*;

/// An expression as the tests understand it, apart from the parser's own types.
#[derive(Clone, Debug)]
enum Expr {
    Const(bool),
    Is(&'static str),
    Has(&'static str),
    Compare(&'static str, &'static str, Fact),
    OneOf(&'static str, Vec<Fact>),
    Pair(&'static str, &'static str, &'static str),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
}

/// How the same expression is written: with needless brackets and space, double quotes, literals first.
#[derive(Clone, Copy, Debug)]
struct Style(u8);

impl Style {
    fn literal(self, fact: &Fact) -> String {
        match fact {
            Fact::Text(text) if self.0 & 1 != 0 => {
                format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
            }
            other => other.to_string(),
        }
    }

    fn write(self, expr: &Expr, binding: u8) -> String {
        let space = if self.0 & 2 != 0 { "" } else { " " };
        let (text, own) = match expr {
            Expr::Const(value) => (value.to_string(), 3),
            Expr::Is(name) => (name.to_string(), 3),
            Expr::Has(name) => (format!("has({space}{name}{space})"), 3),
            Expr::Compare(name, op, fact) if self.0 & 4 != 0 => {
                let turned = match *op {
                    "<" => ">",
                    "<=" => ">=",
                    ">" => "<",
                    ">=" => "<=",
                    same => same,
                };
                (format!("{}{space}{turned}{space}{name}", self.literal(fact)), 2)
            }
            Expr::Compare(name, op, fact) => (format!("{name}{space}{op}{space}{}", self.literal(fact)), 2),
            Expr::OneOf(name, facts) => {
                let facts: Vec<String> = facts.iter().map(|fact| self.literal(fact)).collect();
                (format!("{name} in [{}]", facts.join(&format!(",{space}"))), 2)
            }
            Expr::Pair(left, op, right) => (format!("{left}{space}{op}{space}{right}"), 2),
            Expr::Not(inner) => (format!("!{}", self.write(inner, 3)), 3),
            Expr::And(left, right) => {
                (format!("{}{space}&&{space}{}", self.write(left, 1), self.write(right, 1)), 1)
            }
            Expr::Or(left, right) => {
                (format!("{}{space}||{space}{}", self.write(left, 0), self.write(right, 0)), 0)
            }
        };
        if own < binding || self.0 & 8 != 0 && own < 3 { format!("({text})") } else { text }
    }
}

fn reference(expr: &Expr, facts: &Facts) -> bool {
    let compare = |left: Option<&Fact>, op: &str, right: Option<&Fact>| {
        let (Some(left), Some(right)) = (left, right) else { return false };
        match op {
            "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            _ => left >= right,
        }
    };
    match expr {
        Expr::Const(value) => *value,
        Expr::Is(name) => facts.get(*name) == Some(&Fact::Bool(true)),
        Expr::Has(name) => facts.contains_key(*name),
        Expr::Compare(name, op, fact) => compare(facts.get(*name), op, Some(fact)),
        Expr::OneOf(name, values) => facts.get(*name).is_some_and(|fact| values.contains(fact)),
        Expr::Pair(left, op, right) => compare(facts.get(*left), op, facts.get(*right)),
        Expr::Not(inner) => !reference(inner, facts),
        Expr::And(left, right) => reference(left, facts) && reference(right, facts),
        Expr::Or(left, right) => reference(left, facts) || reference(right, facts),
    }
}

const EQUALITY: [&str; 2] = ["==", "!="];
const ORDER: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

fn some_int() -> impl Strategy<Value = Fact> {
    (-2..4_i64).prop_map(Fact::Int)
}

fn some_date() -> impl Strategy<Value = Fact> {
    (0..5_u64)
        .prop_map(|days| Fact::Date(day("2026-02-26").checked_add_days(Days::new(days)).expect("a day")))
}

fn some_text() -> impl Strategy<Value = Fact> {
    prop::sample::select(vec!["", "a", "整改", "it's", "\\", "\"", "&& (", "other 1"])
        .prop_map(|text| Fact::Text(text.to_owned()))
}

fn some_value(values: [&'static str; 2]) -> impl Strategy<Value = Fact> {
    prop::sample::select(values.to_vec()).prop_map(|text| Fact::Text(text.to_owned()))
}

fn compared(
    name: &'static str,
    ops: &'static [&'static str],
    fact: BoxedStrategy<Fact>,
) -> BoxedStrategy<Expr> {
    let listed = prop::collection::btree_set(fact.clone(), 1..3)
        .prop_map(move |facts| Expr::OneOf(name, facts.into_iter().collect()));
    let one = (prop::sample::select(ops), fact).prop_map(move |(op, fact)| Expr::Compare(name, op, fact));
    prop_oneof![2 => one, 1 => listed].boxed()
}

fn leaf() -> BoxedStrategy<Expr> {
    let bools = ["urgent", "signed", "rectification.missed"];
    let named = ["urgent", "count", "due", "note", "level", "rectification.missed"];
    let pairs = prop::sample::select(vec![
        ("count", "limit"),
        ("limit", "spare"),
        ("spare", "count"),
        ("due", "today"),
        ("note", "title"),
        ("level", "grade"),
        ("urgent", "signed"),
    ]);
    let pair = (pairs, prop::sample::select(&ORDER[..])).prop_map(|((left, right), op)| {
        let is_ordered = ["count", "limit", "spare", "due"].contains(&left);
        Expr::Pair(left, if is_ordered || EQUALITY.contains(&op) { op } else { "!=" }, right)
    });
    prop_oneof![
        1 => any::<bool>().prop_map(Expr::Const),
        4 => prop::sample::select(bools.to_vec()).prop_map(Expr::Is),
        2 => prop::sample::select(named.to_vec()).prop_map(Expr::Has),
        1 => (prop::sample::select(&EQUALITY[..]), any::<bool>())
            .prop_map(|(op, value)| Expr::Compare("urgent", op, Fact::Bool(value))),
        3 => compared("count", &ORDER, some_int().boxed()),
        2 => compared("due", &ORDER, some_date().boxed()),
        2 => compared("note", &EQUALITY, some_text().boxed()),
        2 => compared("level", &EQUALITY, some_value(["general", "major"]).boxed()),
        3 => pair,
    ]
    .boxed()
}

fn joined(leaf: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    leaf.prop_recursive(5, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|expr| Expr::Not(Box::new(expr))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Expr::Or(Box::new(a), Box::new(b))),
        ]
    })
    .boxed()
}

fn some_facts() -> BoxedStrategy<Facts> {
    let each: Vec<BoxedStrategy<(String, Option<Fact>)>> = variables()
        .into_iter()
        .map(|(name, ty)| {
            let fact = match ty {
                VarType::Bool => any::<bool>().prop_map(Fact::Bool).boxed(),
                VarType::Int => some_int().boxed(),
                VarType::Date => some_date().boxed(),
                VarType::Text => some_text().boxed(),
                VarType::Enum(values) => prop::sample::select(values).prop_map(Fact::Text).boxed(),
            };
            prop::option::weighted(0.8, fact).prop_map(move |fact| (name.clone(), fact)).boxed()
        })
        .collect();
    each.prop_map(|facts| facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))).collect()).boxed()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Few atoms, so that most stand in several places.
fn repeated() -> BoxedStrategy<Expr> {
    prop::sample::select(vec!["urgent", "signed", "rectification.missed"]).prop_map(Expr::Is).boxed()
}

#[track_caller]
fn check_responsible(expr: &Expr, given: &Facts) {
    let guard = parse(&Style(0).write(expr, 0));
    let Verdict::Fails { atoms } = verdict(&guard, given) else { return };
    let mut rows = 0..1_u32 << guard.atoms().len();
    let can_hold = rows.any(|bits| guard.holds_with(&|atom| bits >> atom & 1 == 1));
    assert_eq!(can_hold, holds_flipped(&guard, given, &atoms), "{guard} {atoms:?}");
    assert!(!can_hold || !atoms.is_empty());
    assert!(atoms.is_sorted_by(|a, b| a < b));
}

/// Whether the guard holds once these atoms are the other way round.
fn holds_flipped(guard: &Guard, facts: &Facts, flipped: &[usize]) -> bool {
    let fact = |name: &str| facts.get(name).cloned();
    guard.holds_with(&|atom| guard.atoms()[atom].holds(&fact) != flipped.contains(&atom))
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn what_is_written_is_what_is_meant(expr in joined(leaf()), style in 0..16_u8, given in some_facts()) {
        let source = Style(style).write(&expr, 0);
        let guard = parse(&source);
        prop_assert_eq!(verdict(&guard, &given) == Verdict::Holds, reference(&expr, &given), "{}", source);
        let fact = |name: &str| given.get(name).cloned();
        prop_assert_eq!(
            guard.holds_with(&|atom| guard.atoms()[atom].holds(&fact)),
            reference(&expr, &given)
        );
    }

    #[test]
    fn an_atom_printed_is_read_as_itself(expr in leaf(), style in 0..16_u8) {
        for atom in parse(&Style(style).write(&expr, 0)).atoms() {
            let again = parse(&atom.to_string());
            prop_assert_eq!(again.atoms(), std::slice::from_ref(atom));
        }
    }

    #[test]
    fn the_named_atoms_are_responsible(expr in joined(leaf()), given in some_facts()) {
        check_responsible(&expr, &given);
    }

    #[test]
    fn the_named_atoms_are_responsible_where_atoms_repeat(expr in joined(repeated()), given in some_facts()) {
        check_responsible(&expr, &given);
    }

    #[test]
    fn the_assignments_show_all_that_facts_can(first in joined(leaf()), second in leaf(), given in some_facts()) {
        let guards = [parse(&Style(0).write(&first, 0)), parse(&Style(0).write(&second, 0))];
        let seen = |facts: &dyn Fn(&str) -> Option<Fact>| -> Vec<bool> {
            guards.iter().flat_map(|guard| guard.atoms().iter().map(|atom| atom.holds(facts))).collect()
        };
        let fixed = |name: &str| (name == "limit" || name == "title").then(|| given.get(name).cloned());
        match assignments(&[&guards[0], &guards[1]], &fixed, &|_| true) {
            Ok(all) => {
                let shown = all.iter().any(|assignment| {
                    let fact = |name: &str| fixed(name).unwrap_or_else(|| assignment.get(name).cloned().flatten());
                    seen(&fact) == seen(&|name| given.get(name).cloned())
                });
                prop_assert!(shown, "{} / {}", guards[0], guards[1]);
            }
            Err(TooMany { count }) => prop_assert!(count > MAX_ASSIGNMENTS),
        }
    }

    #[test]
    fn no_text_makes_it_panic(source in any::<String>()) {
        check_total(&source);
    }

    #[test]
    fn no_printable_text_makes_it_panic(source in "[ -~\n整’]{0,60}") {
        check_total(&source);
    }

    #[test]
    fn no_order_of_tokens_makes_it_panic(words in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..40), glue in 0..2_usize) {
        check_total(&words.join([" ", ""][glue]));
    }
}

const TOKENS: [&str; 34] = [
    "urgent",
    "count",
    "level",
    "due",
    "rectification.missed",
    "nobody",
    "phone",
    "has",
    "has(note)",
    "in",
    "true",
    "null",
    "1",
    "-7",
    "'major'",
    "\"整\"",
    "'2026-06-28'",
    "(",
    ")",
    "[",
    "]",
    ",",
    "&&",
    "||",
    "!",
    "==",
    "!=",
    "<",
    ">=",
    "(",
    ")",
    "&&",
    "||",
    "-",
];

/// Read or refused; a refusal points into the source or just behind it.
#[track_caller]
fn check_total(source: &str) {
    match Guard::parse(source, &variables(), &forbidden()) {
        Ok(guard) => {
            assert_eq!(guard.source(), source);
            let _ = verdict(&guard, &Facts::new());
        }
        Err(error) => {
            assert_place(source, &error);
            assert!(!told(&error.fault).is_empty());
        }
    }
}
