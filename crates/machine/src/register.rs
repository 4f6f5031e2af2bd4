//! Document numbers (文号): every unit that issues documents keeps a register of its own, numbered from 1 in
//! each year, without gaps.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::act::Effect;
use crate::command::{Command, Perform, Refusal};
use crate::decide::Draft;
use crate::file::ActSpec;
use crate::refusal::DocumentProblem;
use crate::value::{Name, UnitId, Value};

/// A document number, written `青安办〔2026〕17号` (党政机关公文格式 GB/T 9704: code of the organ, year in
/// square brackets, number).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentNumber {
    /// The code of the organ (机关代字).
    pub code: String,
    /// The year.
    pub year: i32,
    /// The number in that year, from 1.
    pub no: u32,
}

impl fmt::Display for DocumentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}〔{}〕{}号", self.code, self.year, self.no)
    }
}

/// What is no document number of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl FromStr for DocumentNumber {
    type Err = NotANumber;

    /// Also with the brackets people type for want of the right ones, and with spaces.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (code, rest) = text.split_once(OPENING).ok_or(NotANumber)?;
        let (year, rest) = rest.split_once(CLOSING).ok_or(NotANumber)?;
        let no = rest.strip_suffix(['号', '號']).unwrap_or(rest);
        let no = no.strip_prefix('第').unwrap_or(no);
        let number = |digits: &str| {
            let digits: String = digits.chars().map(plain_digit).collect();
            digits.parse::<u32>().map_err(|_| NotANumber)
        };
        let year = i32::try_from(number(year).ok().filter(|_| year.chars().count() == 4).ok_or(NotANumber)?)
            .map_err(|_| NotANumber)?;
        Ok(DocumentNumber { code: code.to_owned(), year, no: number(no)? })
    }
}

/// Brackets people type round a year.
const OPENING: [char; 7] = ['〔', '﹝', '[', '［', '【', '(', '（'];
const CLOSING: [char; 7] = ['〕', '﹞', ']', '］', '】', ')', '）'];

/// Whether a text names a register and goes on as a number of it would.
fn is_like_one_of(text: &str, code: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let next = text.split_once(code).and_then(|(_, rest)| rest.chars().next());
    next.is_some_and(|next| OPENING.contains(&next) || plain_digit(next).is_ascii_digit())
}

/// The digit meant by one of full width.
fn plain_digit(c: char) -> char {
    match c {
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap_or(c),
        c => c,
    }
}

/// The register of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The code of the organ (机关代字), as 青安办. No other unit has it.
    pub code: String,
    /// The last number that was given out on paper before bihuan kept the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_paper: Option<OnPaper>,
}

/// Where a register on paper ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnPaper {
    /// The year.
    pub year: i32,
    /// The last number of that year.
    pub last: u32,
}

/// Where the registers of a jurisdiction stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The year numbers are issued in.
    pub year: i32,
    /// The last number issued in it, by code.
    pub last: BTreeMap<String, u32>,
}

impl Registers {
    /// For whoever issues nothing.
    pub const NONE: &'static Registers = &Registers { year: 0, last: BTreeMap::new() };

    /// The last number given out this year, on paper or here.
    fn last(&self, register: &Register) -> u32 {
        let on_paper =
            register.on_paper.filter(|paper| paper.year == self.year).map_or(0, |paper| paper.last);
        self.last.get(&register.code).copied().unwrap_or(0).max(on_paper)
    }
}

impl Command {
    /// Whether it takes the next number of a register.
    pub fn issues(&self) -> bool {
        match self {
            Command::Perform(perform) => perform.issue.is_some(),
            Command::DecideProposal { issue, .. } => *issue,
            Command::Comment { .. }
            | Command::Amend { .. }
            | Command::TakeBack { .. }
            | Command::Tick
            | Command::Recalculate
            | Command::Absorb(_) => false,
        }
    }

    /// Whether it can be decided only by whoever knows where the registers stand.
    pub fn needs_registers(&self) -> bool {
        let numbers = |fields: &BTreeMap<Name, Value>| {
            fields.values().filter_map(Value::as_text).any(|text| text.parse::<DocumentNumber>().is_ok())
        };
        match self {
            Command::Perform(perform) => perform.issue.is_some() || numbers(&perform.fields),
            Command::Amend { fields, .. } => numbers(fields),
            Command::DecideProposal { .. }
            | Command::Comment { .. }
            | Command::TakeBack { .. }
            | Command::Tick
            | Command::Recalculate
            | Command::Absorb(_) => self.issues(),
        }
    }
}

impl<'a> Draft<'a> {
    /// The register of the unit the actor acts for.
    pub(crate) fn register(&self) -> Option<&'a Register> {
        self.facts.directory.unit(&self.facts.actor?.unit)?.register.as_ref()
    }

    fn takes_number(&self, field: &str) -> bool {
        self.definition.field(field).is_some_and(|field| field.register)
    }

    /// Whether the actor can have the number in a field issued.
    pub(crate) fn is_issuable(&self, field: &str) -> bool {
        self.takes_number(field) && self.register().is_some()
    }

    /// Takes the next number of the actor's unit. Nothing is given out here: the number counts once the act
    /// that names it is written, and no other act can be written with it.
    pub(crate) fn issue(&mut self) -> Result<String, Refusal> {
        let Some(register) = self.register() else {
            let unit = self.facts.actor.map_or_else(|| UnitId(String::new()), |actor| actor.unit.clone());
            return Err(document("", DocumentProblem::NoRegister { unit }));
        };
        let no = self.facts.registers.last(register).saturating_add(1);
        let document = DocumentNumber { code: register.code.clone(), year: self.facts.registers.year, no };
        let number = document.to_string();
        self.emit(Effect::DocumentIssued { document });
        Ok(number)
    }

    /// The act as handed in, with the number it asked for in its field.
    pub(crate) fn with_number(&mut self, perform: &Perform, spec: &ActSpec) -> Result<Perform, Refusal> {
        let mut perform = perform.clone();
        let Some(field) = perform.issue.take() else { return Ok(perform) };
        let takes = |name: &&Name| self.takes_number(name);
        let allowed: Vec<Name> = spec.requires.iter().chain(&spec.accepts).filter(takes).cloned().collect();
        if !allowed.contains(&field) {
            return Err(not_here(&field, allowed));
        }
        if perform.fields.contains_key(&field) {
            return Err(document(&field, DocumentProblem::Given));
        }
        let number = self.issue().map_err(|refusal| in_field(refusal, &field))?;
        perform.fields.insert(field, Value::Text(number));
        Ok(perform)
    }

    /// A number of an own register is typed only once it was issued: what the register has not given out yet
    /// it will give to another document. Of years that are over nothing is given out any more.
    pub(crate) fn check_number(&self, field: &str, text: &str) -> Result<(), Refusal> {
        let mut own = self.facts.directory.units.iter().filter_map(|unit| unit.register.as_ref());
        let number = text.parse::<DocumentNumber>().ok();
        let exact = |register: &&Register| number.as_ref().is_some_and(|number| number.code == register.code);
        let Some((register, number)) = own.clone().find(exact).zip(number.as_ref()) else {
            return match own.find(|register| is_like_one_of(text, &register.code)) {
                Some(register) => Err(document(field, DocumentProblem::Form { code: register.code.clone() })),
                None => Ok(()),
            };
        };
        let registers = self.facts.registers;
        let last = if number.year > registers.year { 0 } else { registers.last(register) };
        let issued_now = self
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::DocumentIssued { document } if document == number));
        if issued_now || number.year < registers.year || (1..=last).contains(&number.no) {
            return Ok(());
        }
        Err(document(field, DocumentProblem::NotIssued { number: number.to_string(), last }))
    }
}

/// No number is issued in this field.
pub(crate) fn not_here(field: &str, allowed: Vec<Name>) -> Refusal {
    document(&crate::requirement::shortened(field), DocumentProblem::NotHere { allowed })
}

fn document(field: &str, problem: DocumentProblem) -> Refusal {
    Refusal::Document { field: field.to_owned(), problem }
}

fn in_field(refusal: Refusal, name: &str) -> Refusal {
    match refusal {
        Refusal::Document { problem, .. } => document(name, problem),
        other => other,
    }
}
