//! What a guard that fails still needs, as data: conditions with their sign, and alternatives as such.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Atom, Fact, Guard, Node};

/// Something a guard that fails still needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A condition that has to come out the other way round.
    Condition(Condition),
    /// All of these.
    AllOf(Vec<Need>),
    /// Any of these is enough.
    AnyOf(Vec<Need>),
}

/// A condition that does not come out as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// In the notation of the file, with its sign: `!plan.running`.
    pub text: String,
    /// The condition without its sign.
    pub atom: Atom,
    /// Whether it has to be true, or false.
    pub wanted: bool,
    /// What is known of its variables.
    pub known: BTreeMap<String, Fact>,
}

impl Need {
    /// Whether it can be met by nothing but these fields.
    pub fn hangs_on(&self, fields: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Need::Condition(condition) => condition.atom.variables().into_iter().any(fields),
            Need::AllOf(needs) => needs.iter().all(|need| need.hangs_on(fields)),
            Need::AnyOf(needs) => needs.iter().any(|need| need.hangs_on(fields)),
        }
    }
}

impl Guard {
    /// What it still needs, all of it; `None` when it holds. Empty only where nothing can help, as for
    /// `false`.
    pub fn needs(&self, facts: &dyn Fn(&str) -> Option<Fact>) -> Option<Vec<Need>> {
        let truth: Vec<bool> = self.atoms.iter().map(|atom| atom.holds(facts)).collect();
        let truth = |atom: usize| truth.get(atom).copied().unwrap_or(false);
        if self.node.holds(&truth) {
            return None;
        }
        let told = |atom: usize, wanted| self.atoms.get(atom).map(|atom| condition(atom, wanted, facts));
        Some(match self.node.needs(true, &truth, &told) {
            Some(Need::AllOf(needs)) => needs,
            Some(need) => vec![need],
            None => Vec::new(),
        })
    }
}

fn condition(atom: &Atom, wanted: bool, facts: &dyn Fn(&str) -> Option<Fact>) -> Need {
    let text = match atom {
        _ if wanted => atom.to_string(),
        Atom::Is(_) | Atom::Has(_) => format!("!{atom}"),
        Atom::Compare { .. } | Atom::OneOf { .. } | Atom::CompareVariables { .. } => format!("!({atom})"),
    };
    let known = atom.variables().into_iter().filter_map(|name| Some((name.to_owned(), facts(name)?)));
    Need::Condition(Condition { text, atom: atom.clone(), wanted, known: known.collect() })
}

impl Node {
    /// What keeps this node from being `want`, which it is not; `None` if nothing can change it.
    fn needs(
        &self,
        want: bool,
        truth: &dyn Fn(usize) -> bool,
        told: &dyn Fn(usize, bool) -> Option<Need>,
    ) -> Option<Need> {
        let (parts, all) = match self {
            Node::Const(_) => return None,
            Node::Atom(atom) => return told(*atom, want),
            Node::Not(inner) => return inner.needs(!want, truth, told),
            // Every wrong part must change if all parts are needed, and any of them may otherwise.
            Node::All(parts) => (parts, want),
            Node::Any(parts) => (parts, !want),
        };
        let wrong = parts.iter().filter(|part| part.holds(truth) != want);
        let needs = wrong.map(|part| part.needs(want, truth, told));
        if all {
            return joined(needs.collect::<Option<_>>()?, true);
        }
        joined(needs.flatten().collect(), false)
    }
}

/// Needs joined: those joined the same way become one list, and nothing stands there twice.
fn joined(needs: Vec<Need>, all: bool) -> Option<Need> {
    let mut flat: Vec<Need> = Vec::new();
    for need in needs {
        let parts = match need {
            Need::AllOf(parts) if all => parts,
            Need::AnyOf(parts) if !all => parts,
            other => vec![other],
        };
        for part in parts {
            if !flat.contains(&part) {
                flat.push(part);
            }
        }
    }
    if flat.len() < 2 {
        return flat.pop();
    }
    Some(if all { Need::AllOf(flat) } else { Need::AnyOf(flat) })
}
