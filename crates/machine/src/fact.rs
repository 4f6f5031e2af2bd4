//! What guards may ask of a case.

use crate::act::{AssignmentStatus, End};
use crate::decide::Draft;
use crate::guard::{Fact, Need};
use crate::state::{Deadline, Subject};
use crate::time::Instant;
use crate::value::Value;

impl Draft<'_> {
    /// Whether a guard of the definition holds here.
    pub(crate) fn holds(&self, guard: &str) -> bool {
        self.needs(guard).is_none()
    }

    /// What a guard still needs; `None` when it holds.
    pub(crate) fn needs(&self, source: &str) -> Option<Vec<Need>> {
        let Some(guard) = self.definition.guard(source) else { return Some(Vec::new()) };
        guard.needs(&|variable| self.fact(variable))
    }

    /// The value of a guard's variable.
    pub(crate) fn fact(&self, variable: &str) -> Option<Fact> {
        if let Some(position) = self.state.tracks.get(variable) {
            return Some(Fact::Text(position.state.clone()));
        }
        match variable {
            "today" => return Some(Fact::Date(self.today)),
            "assignments.open" => {
                let open = self.state.assignments.iter();
                let open =
                    open.filter(|a| matches!(a.status, AssignmentStatus::Sent | AssignmentStatus::Received));
                return i64::try_from(open.count()).ok().map(Fact::Int);
            }
            "proposals.open" => {
                let open = self.state.proposals.iter().filter(|proposal| proposal.approved.is_none());
                return i64::try_from(open.count()).ok().map(Fact::Int);
            }
            _ => {}
        }
        if let Some((clock, fact)) = variable.split_once('.') {
            return self.clock_fact(clock, fact);
        }
        if self.withheld.contains(variable) {
            return None;
        }
        let field = self.definition.field(variable)?;
        match (field.kind, self.state.fields.get(variable)?) {
            (crate::file::FieldType::Date, Value::Text(text)) => {
                calendar::parse_date(text).ok().map(Fact::Date)
            }
            (crate::file::FieldType::Moment, Value::Text(text)) => {
                text.parse().ok().map(|moment: Instant| Fact::Int(moment.micros()))
            }
            (_, Value::Bool(value)) => Some(Fact::Bool(*value)),
            (_, Value::Int(value)) => Some(Fact::Int(*value)),
            (_, Value::Text(text)) => Some(Fact::Text(text.clone())),
            (_, Value::List(_)) => None,
        }
    }

    pub(crate) fn clock_fact(&self, clock: &str, fact: &str) -> Option<Fact> {
        let deadline = self.state.deadline(clock, Subject::Case);
        // A day that has come has come for good, also when the date is moved after it; but while a clock
        // stands still it has no day until it runs again.
        let stands = |deadline: &Deadline| deadline.is_open() && !deadline.is_running();
        let due = |deadline: &Deadline| {
            let day = crate::deadline::day_of(self.facts.calendar, deadline.due);
            !stands(deadline) && (deadline.missed_at.is_some() || self.today >= day)
        };
        let is = |test: &dyn Fn(&Deadline) -> bool| Some(Fact::Bool(deadline.is_some_and(test)));
        match fact {
            "running" => is(&|deadline| deadline.is_running()),
            "paused" => is(&stands),
            "missed" => is(&|deadline| deadline.missed_at.is_some()),
            "past" => is(&|deadline| deadline.is_past()),
            "met" => is(&|deadline| deadline.ended() == Some(End::Met)),
            "cancelled" => is(&|deadline| deadline.ended() == Some(End::Cancelled)),
            "due" => is(&due),
            "extensions" => Some(Fact::Int(deadline.map_or(0, |deadline| i64::from(deadline.extensions)))),
            "term_days" => deadline.map(|deadline| {
                let due = crate::deadline::day_of(self.facts.calendar, deadline.first_due);
                Fact::Int((due - deadline.anchor).num_days())
            }),
            _ => None,
        }
    }
}
