//! Acts every workflow has: putting right, taking back, deciding a proposal.

use std::collections::BTreeMap;

use crate::act::{Act, Effect, End, Link, MoveReason, Person};
use crate::command::{Absorbed, AmendProblem, OtherCaseProblem, Refusal};
use crate::deadline::day_of;
use crate::decide::Draft;
use crate::file::{ActSpec, DeadlineSpec, FieldDefault, Stage};
use crate::guard::{Atom, Guard};
use crate::people::barred_from_judging;
use crate::register::not_here;
use crate::requirement::{is_blank, shortened};
use crate::state::{Moved, Proposal, State, Subject};
use crate::value::{Name, PersonId, Value};

impl Draft<'_> {
    pub(crate) fn amend(
        &mut self,
        fields: &BTreeMap<Name, Value>,
        reason: &str,
        actor: &Person,
    ) -> Result<Act, Refusal> {
        if is_blank(reason) {
            return Err(Refusal::ReasonMissing);
        }
        self.check_text("reason", reason)?;
        for (name, value) in fields {
            if let Some(problem) = self.bars_amending(name, &actor.person) {
                let may = |name: &&Name| self.bars_amending(name, &actor.person).is_none();
                let allowed = self.state.fields.keys().filter(may).cloned().collect();
                return Err(Refusal::CannotAmend { field: shortened(name), problem, allowed });
            }
            self.set_field(name, value)?;
        }
        let mut act = self.act("amend", Some(actor));
        act.fields = std::mem::take(&mut self.given);
        act.reason = Some(reason.to_owned());
        Ok(act)
    }

    /// Only who entered a fact puts it right. What a clock is counted from, the unit a role hangs on, what
    /// that unit was taken from, and what a guard compares is no fact any more but a decision: it changes
    /// by an act of the file. So the model of the checker need not follow corrections.
    fn bars_amending(&self, field: &str, person: &PersonId) -> Option<AmendProblem> {
        match self.state.entered.get(field) {
            None => Some(AmendProblem::Empty),
            Some(people) if !people.contains(person) => Some(AmendProblem::Foreign),
            Some(_) if !self.decides(field) => None,
            Some(_) if self.is_taken_later(field) => Some(AmendProblem::Decides),
            Some(_) => Some(AmendProblem::Fixed),
        }
    }

    /// Whether an act on an open case takes a field.
    fn is_taken_later(&self, field: &str) -> bool {
        let mut acts = self.definition.file().acts.values().filter(|act| !act.opens);
        acts.any(|act| act.requires.iter().chain(&act.accepts).any(|name| name == field))
    }

    /// Whether a date, a role or a condition hangs on a field.
    fn decides(&self, field: &str) -> bool {
        let file = self.definition.file();
        let mut terms = file.deadlines.values().flat_map(DeadlineSpec::terms);
        let is_date = terms.any(|term| {
            [&term.on, &term.at, &term.from].into_iter().any(|named| named.as_deref() == Some(field))
        });
        let binds_role = file.roles.values().any(|role| role.unit.as_deref() == Some(field));
        let taken_from = file.roles.values().filter_map(|role| role.unit.as_ref()).any(|bound| {
            let default = self.definition.field(bound).and_then(|field| field.default.as_ref());
            let from = match default {
                Some(FieldDefault::Field(from) | FieldDefault::DepartmentOfSector(from)) => from,
                Some(FieldDefault::False | FieldDefault::Actor | FieldDefault::ActorUnit) | None => {
                    return false;
                }
            };
            from == field && self.state.fields.contains_key(bound)
        });
        let mut atoms = self.definition.guards().flat_map(Guard::atoms);
        let compared = atoms.any(|atom| match atom {
            Atom::Has(_) => false,
            Atom::Is(_) | Atom::Compare { .. } | Atom::OneOf { .. } | Atom::CompareVariables { .. } => {
                atom.variables().contains(&field)
            }
        });
        let goes_live = file.acts.values().any(|act| act.imports.as_deref() == Some(field));
        is_date || binds_role || taken_from || compared || goes_live
    }

    /// What belongs together says so on both sides, in one transaction: an act that needs another case
    /// is refused alone.
    pub(crate) fn link(&mut self, spec: &ActSpec, exists: bool) -> Result<(), Refusal> {
        let linked = self.facts.linked;
        let refuse = |number: &str, problem| Refusal::OtherCase { number: number.to_owned(), problem };
        let (number, link) = if spec.opens_case.is_some() {
            (linked.ok_or_else(|| refuse("", OtherCaseProblem::Alone))?, Link::Opened)
        } else if let Some(field) = &spec.joins {
            let named = self.state.text(field).unwrap_or_default();
            let number = linked.ok_or_else(|| refuse(named, OtherCaseProblem::Alone))?;
            if number == self.state.number {
                return Err(refuse(number, OtherCaseProblem::Itself));
            }
            (number, Link::MergedInto)
        } else if let (Some(number), false) = (linked, exists) {
            (number, Link::OpenedFrom)
        } else {
            return Ok(());
        };
        let hands = Some(self.facts.hands).filter(|hands| link == Link::OpenedFrom && !hands.is_empty());
        let involved = hands.into_iter().flat_map(|hands| {
            barred_from_judging(self.definition).into_iter().map(|act| (act.clone(), hands.clone()))
        });
        self.emit(Effect::Linked { number: number.to_owned(), link, involved: involved.collect() });
        Ok(())
    }

    /// Takes in another case of the same workflow, with whoever took part in it. A case at its end takes in
    /// none, so no circle of merged cases can come up; nor does one whose re-inspection has been passed,
    /// for that of the other has not (I1).
    pub(crate) fn absorb(&mut self, absorbed: &Absorbed, actor: &Person) -> Result<Act, Refusal> {
        let number = self.facts.linked.unwrap_or_default().to_owned();
        let refuse = |problem| Refusal::OtherCase { number: self.state.number.clone(), problem };
        if number.is_empty() {
            return Err(refuse(OtherCaseProblem::Alone));
        }
        if absorbed.workflow != self.definition.file().workflow {
            return Err(refuse(OtherCaseProblem::Workflow));
        }
        let main = self.definition.file().tracks.get("main");
        let here = main.zip(self.state.on("main")).and_then(|(main, state)| main.states.get(state));
        let Some(here) = here.filter(|state| state.outcome.is_none()) else {
            return Err(refuse(OtherCaseProblem::Ended));
        };
        if here.stage == Stage::Accepted {
            return Err(refuse(OtherCaseProblem::Accepted));
        }
        let involved = absorbed.involved.clone();
        let before = self.state.clone();
        self.emit(Effect::Linked { number, link: Link::Absorbed, involved });
        self.check_others_left(Some(&before), "absorb", std::iter::empty())?;
        Ok(self.act("absorb", Some(actor)))
    }

    pub(crate) fn take_back(
        &mut self,
        reason: &str,
        before: &State,
        actor: &Person,
        version: u32,
    ) -> Result<Act, Refusal> {
        if is_blank(reason) {
            return Err(Refusal::ReasonMissing);
        }
        self.check_text("reason", reason)?;
        let own = self.state.last.person.as_ref() == Some(&actor.person);
        let untouched = self.state.version == version && before.version + 1 == version;
        // What another case was opened by or joined to is not taken back on one side.
        let linked = self.state.links.len() != before.links.len();
        // Dates counted anew are those of the calendar, not a decision of whoever loaded it.
        let last_stands = matches!(self.state.last.name.as_str(), "take_back" | "recalculate");
        if !own || linked || !untouched || before.version == 0 || last_stands || self.would_breach(before) {
            return Err(Refusal::CannotTakeBack { last: self.state.last.name.clone() });
        }
        let state = Box::new(self.with_dates_kept(before, version + 1));
        self.emit(Effect::Restored { state });
        // The act is numbered after the one it takes back.
        self.state.version = version;
        let mut act = self.act("take_back", Some(actor));
        act.reason = Some(reason.to_owned());
        Ok(act)
    }

    /// Whether a date that was moved or a clock that stood still in time would be late by now, had it not been.
    fn would_breach(&self, before: &State) -> bool {
        self.state.deadlines.iter().any(|now| {
            let old = before.deadlines.iter().find(|old| old.no == now.no);
            old.is_some_and(|old| {
                let shifted = now.due != old.due || (now.is_open() && now.is_running() != old.is_running());
                shifted && !old.is_past() && old.is_running() && old.breach_at <= self.at
            })
        })
    }

    /// The state before, with every date that stood meanwhile kept among the earlier ones (I4).
    fn with_dates_kept(&self, before: &State, version: u32) -> State {
        let mut kept = before.clone();
        for old in &mut kept.deadlines {
            let now = self.state.deadlines.iter().find(|now| now.no == old.no);
            if let Some(now) = now.filter(|now| now.due != old.due) {
                let day = day_of(self.facts.calendar, now.due);
                let working_days_left = self.facts.calendar.count_working_days(self.today, day);
                old.history.push(Moved {
                    version,
                    from: now.due,
                    why: MoveReason::TakenBack,
                    working_days_left,
                });
            }
        }
        kept
    }

    pub(crate) fn decide_proposal(
        &mut self,
        no: u32,
        approved: bool,
        reason: Option<&str>,
        issue: bool,
        actor: &Person,
    ) -> Result<Act, Refusal> {
        let waits = |proposal: &&Proposal| proposal.no == no && proposal.approved.is_none();
        // What was proposed for a case lapses with its end.
        let open = self.state.proposals.iter().find(waits).filter(|_| !self.has_ended());
        let proposal = open.cloned().ok_or(Refusal::NoProposal { no })?;
        if !self.plays(&proposal.signer, &actor.person, Some(actor)) {
            let held = self.facts.directory.post(actor);
            let held = held.map(|post| post.roles.iter().cloned().collect()).unwrap_or_default();
            return Err(Refusal::Role {
                act: "decide_proposal".to_owned(),
                bound: self.bound(std::slice::from_ref(&proposal.signer)),
                needed: vec![proposal.signer],
                held,
            });
        }
        if !approved && reason.is_none_or(is_blank) {
            return Err(Refusal::ReasonMissing);
        }
        if let Some(reason) = reason {
            self.check_text("reason", reason)?;
        }
        match (issue, approved) {
            (true, true) => drop(self.issue()?),
            // What is declined becomes no document.
            (true, false) => return Err(not_here("", Vec::new())),
            (false, _) => {}
        }
        self.emit(Effect::ProposalDecided { no, approved });
        let clocks: Vec<Name> = self
            .state
            .deadlines
            .iter()
            .filter(|deadline| deadline.subject == Subject::Proposal(no))
            .map(|deadline| deadline.name.clone())
            .collect();
        for clock in clocks {
            self.end(&clock, Subject::Proposal(no), End::Met);
        }
        let mut act = self.act("decide_proposal", Some(actor));
        act.reason = reason.map(str::to_owned);
        Ok(act)
    }
}
