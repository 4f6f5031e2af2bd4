//! Counters: what was done to the enterprise of a case, in all its cases. They hint and do nothing (I10).

use chrono::Days;
use machine::file::{Column, Label, Number};
use machine::{Definition, State};
use serde::Serialize;
use store::DocumentFilter;

use crate::{Engine, EngineError};

/// How many documents an enterprise was issued within a time, and from how many on it matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// What is counted.
    pub title: Label,
    /// How many there are.
    pub count: u64,
    /// From so many on it matters.
    pub times: u32,
    /// Within so many days, today the last of them.
    pub within_days: u32,
    /// There are enough: a named person may take the further step.
    pub reached: bool,
    /// Where the rule comes from.
    pub source: Option<String>,
}

impl Engine {
    /// The counters of the enterprise of a case, as of now.
    pub async fn counters(
        &self,
        state: &State,
        definition: &Definition,
    ) -> Result<Vec<Counted>, EngineError> {
        let projection = machine::project::project(definition, state);
        let Some(enterprise) = projection.columns.get(&Column::Enterprise) else { return Ok(Vec::new()) };
        let calendar = self.catalog().calendar(&definition.file().calendar).await?;
        let today = calendar.local_date(self.store().clock().await?.utc());
        let mut counted = Vec::new();
        for counter in definition.file().counters.values() {
            for hint in &counter.hints {
                let (times, within_days) = (number(&hint.times), number(&hint.within_days));
                let after =
                    today.checked_sub_days(Days::new(within_days.into())).unwrap_or(calendar::EARLIEST);
                let filter = DocumentFilter {
                    enterprise: enterprise.clone(),
                    act: counter.act.clone(),
                    field: counter.field.clone(),
                    values: counter.values.clone(),
                    document: counter.document.clone(),
                    on: counter.on.clone(),
                    after: after.to_string(),
                };
                let count = self.store().documents(self.tenant(), &filter).await?;
                counted.push(Counted {
                    title: counter.title.clone(),
                    count,
                    times,
                    within_days,
                    reached: count >= u64::from(times),
                    source: hint.source.clone(),
                });
            }
        }
        Ok(counted)
    }
}

/// A definition has its parameters resolved.
fn number(number: &Number) -> u32 {
    match number {
        Number::Value(value) => *value,
        Number::Parameter(_) => u32::MAX,
    }
}
