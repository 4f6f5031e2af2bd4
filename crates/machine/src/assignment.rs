//! Work sent to units: each with its receipt, its clocks and its feedback.

use std::collections::BTreeSet;

use crate::act::{AssignmentDuty, AssignmentStatus, Effect, End, Person};
use crate::command::{FieldProblem, Refusal};
use crate::decide::Draft;
use crate::file::{ActSpec, Assign, AssignmentMove};
use crate::state::{Assignment, Subject};
use crate::value::{Name, PersonId, UnitId, Value};

impl Draft<'_> {
    /// Sends work to the unit or units in a field. A new lead takes over from the one before; an
    /// assisting unit is sent the work once.
    pub(crate) fn assign(&mut self, assign: &Assign) -> Result<(), Refusal> {
        let units: Vec<String> = match self.state.fields.get(&assign.to) {
            Some(Value::Text(unit)) => vec![unit.clone()],
            Some(Value::List(units)) => units.clone(),
            Some(Value::Bool(_) | Value::Int(_)) | None => Vec::new(),
        };
        for unit in units {
            let held = |a: &Assignment| a.status != AssignmentStatus::Released;
            match assign.duty {
                AssignmentDuty::Lead => {
                    let former = self.state.assignments.iter();
                    // Who assisted and is given the lead assists no more.
                    let gives_way =
                        |a: &&Assignment| a.duty == AssignmentDuty::Lead || a.unit.as_str() == unit;
                    let former: Vec<_> = former.filter(|a| held(a)).filter(gives_way).cloned().collect();
                    let leads = |a: &Assignment| a.duty == AssignmentDuty::Lead && a.unit.as_str() == unit;
                    if former.iter().any(leads) {
                        return Err(Self::has_it_already(&assign.to, unit));
                    }
                    for former in former {
                        self.release(&former);
                    }
                }
                AssignmentDuty::Assist => {
                    if self.state.assignments.iter().any(|a| a.unit.as_str() == unit && held(a)) {
                        return Err(Self::has_it_already(&assign.to, unit));
                    }
                }
            }
            let no = self.state.numbers.assignment + 1;
            let (duty, clocks) = (assign.duty, assign.clocks.clone());
            self.emit(Effect::AssignmentSent { no, unit: UnitId(unit), duty, clocks: clocks.clone() });
            self.start_for(no, [clocks.receipt, clocks.feedback])?;
        }
        Ok(())
    }

    fn has_it_already(field: &str, unit: String) -> Refusal {
        let (field, expected) = (field.to_owned(), String::new());
        Refusal::BadField { field, problem: FieldProblem::Repeated, value: unit, expected }
    }

    fn start_for(&mut self, no: u32, clocks: [Option<Name>; 2]) -> Result<(), Refusal> {
        for clock in clocks.into_iter().flatten() {
            self.start(&clock, Subject::Assignment(no), None, self.at, self.today)?;
        }
        Ok(())
    }

    fn end_for(&mut self, no: u32, clock: Option<&Name>, end: End) {
        if let Some(clock) = clock {
            self.end(clock, Subject::Assignment(no), end);
        }
    }

    fn release(&mut self, assignment: &Assignment) {
        let (no, clocks) = (assignment.no, &assignment.clocks);
        self.emit(Effect::AssignmentMoved { no, to: AssignmentStatus::Released });
        self.end_for(no, clocks.receipt.as_ref(), End::Cancelled);
        self.end_for(no, clocks.feedback.as_ref(), End::Cancelled);
        self.end_for(no, clocks.returned.as_ref(), End::Met);
    }

    /// Moves an assignment: of the unit a field names, of the person it is entered for, or of the actor.
    pub(crate) fn move_assignment(
        &mut self,
        spec: &ActSpec,
        to: AssignmentMove,
        actor: &Person,
        entered_for: Option<&PersonId>,
    ) -> Result<(), Refusal> {
        let units: BTreeSet<UnitId> = match (&spec.assignee, entered_for) {
            (Some(field), _) => {
                self.state.text(field).map(|unit| UnitId(unit.to_owned())).into_iter().collect()
            }
            (None, Some(person)) => {
                let posts = self.facts.directory.posts.iter().filter(|post| post.person == *person);
                posts.map(|post| post.unit.clone()).collect()
            }
            (None, None) => BTreeSet::from([actor.unit.clone()]),
        };
        let fits = |a: &&Assignment| units.contains(&a.unit) && to.fits(a);
        let Some(found) = self.state.assignments.iter().rev().find(fits).cloned() else {
            let unit = units.into_iter().next().unwrap_or_else(|| actor.unit.clone());
            return Err(Refusal::NoAssignment { unit: Some(unit) });
        };
        let (no, clocks) = (found.no, &found.clocks);
        match to {
            AssignmentMove::Receive => {
                self.emit(Effect::AssignmentMoved { no, to: AssignmentStatus::Received });
                self.end_for(no, clocks.receipt.as_ref(), End::Met);
            }
            // Whoever feeds back has received the work; a receipt that is missing holds nothing up.
            AssignmentMove::FeedBack => {
                self.emit(Effect::AssignmentMoved { no, to: AssignmentStatus::FedBack });
                self.end_for(no, clocks.receipt.as_ref(), End::Met);
                self.end_for(no, clocks.feedback.as_ref(), End::Met);
            }
            // Sent back: now somebody has to decide who does it.
            AssignmentMove::Return => {
                self.emit(Effect::AssignmentMoved { no, to: AssignmentStatus::Returned });
                self.end_for(no, clocks.receipt.as_ref(), End::Cancelled);
                self.end_for(no, clocks.feedback.as_ref(), End::Cancelled);
                self.start_for(no, [clocks.returned.clone(), None])?;
            }
            AssignmentMove::Resend => {
                self.emit(Effect::AssignmentMoved { no, to: AssignmentStatus::Sent });
                self.end_for(no, clocks.returned.as_ref(), End::Met);
                self.start_for(no, [clocks.receipt.clone(), clocks.feedback.clone()])?;
            }
            AssignmentMove::Release => self.release(&found),
        }
        Ok(())
    }
}

impl AssignmentMove {
    /// Whether it can be made from where the assignment stands. The lead is never just let go: it is
    /// handed to another unit.
    pub(crate) fn fits(self, assignment: &Assignment) -> bool {
        use AssignmentStatus::{Received, Returned, Sent};
        match self {
            AssignmentMove::Receive => assignment.status == Sent,
            AssignmentMove::FeedBack => {
                matches!(assignment.status, Sent | Received) && assignment.duty == AssignmentDuty::Assist
            }
            AssignmentMove::Return => matches!(assignment.status, Sent | Received),
            AssignmentMove::Resend => assignment.status == Returned,
            AssignmentMove::Release => {
                assignment.status == Returned && assignment.duty == AssignmentDuty::Assist
            }
        }
    }
}
