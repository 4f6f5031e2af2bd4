//! Lists: what they may be filtered by, and which unit owes what a role owes that is bound to none.

use std::collections::BTreeSet;
use std::sync::Arc;

use machine::command::UnitKind;
use machine::file::{Column, Field, FieldType, Label};
use machine::value::UnitId;
use machine::{Definition, Directory, Instant};
use store::{Filter, LedgerRow, OverdueBy, OwedFilter, OwedRow, OwingUnit, Roundup};

use crate::{Engine, EngineError};

/// What a list is filtered by, named by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The state of the main track.
    State,
    /// The unit that owes.
    Unit,
    /// The role that owes.
    Role,
    /// The competent department.
    Department,
    /// The township or other area.
    Area,
    /// The sector.
    Sector,
    /// The source.
    Source,
}

/// Something a list can be filtered by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// What it is called, in each language.
    pub names: Vec<String>,
}

/// What was asked for, in the ids it stands for; or all that could have been.
pub type Meant = Result<Vec<String>, Vec<Known>>;

impl Engine {
    /// The ids behind an id or a name. One name may stand for several: the same word in two workflows.
    pub async fn meant(&self, by: By, text: &str) -> Result<Meant, EngineError> {
        let directory = self.catalog().directory().await?;
        let definitions = self.definitions().await?;
        let mut known: Vec<Known> = match by {
            By::Unit | By::Department => directory.units.iter().map(unit).collect(),
            By::State => definitions.iter().flat_map(|definition| states(definition)).collect(),
            By::Role => definitions.iter().flat_map(|definition| roles(definition)).collect(),
            By::Area => areas(&directory, &definitions),
            By::Sector => sectors(&directory, &definitions),
            By::Source => choices(&definitions, Column::Source),
        };
        let mut seen = BTreeSet::new();
        known.retain(|one| seen.insert(one.clone()));
        // An id goes before a name: what is written exactly is meant exactly.
        let with_id = known.iter().filter(|known| known.id == text);
        let mut found: Vec<&Known> = with_id.collect();
        if found.is_empty() {
            found = known.iter().filter(|known| known.names.iter().any(|name| name == text)).collect();
        }
        let mut meant: BTreeSet<String> = found.iter().map(|known| known.id.clone()).collect();
        if by == By::Area {
            // A unit in one workflow, its name in another.
            meant.extend(found.iter().flat_map(|known| known.names.clone()));
        }
        if meant.is_empty() && self.occurs(by, text).await? {
            meant.insert(text.to_owned());
        }
        Ok(if meant.is_empty() { Err(known) } else { Ok(meant.into_iter().collect()) })
    }

    /// Whether some case has this value in the column: what a workflow takes as text, no list of names holds.
    async fn occurs(&self, by: By, text: &str) -> Result<bool, EngineError> {
        let mut filter = Filter { limit: 1, ..Filter::default() };
        let column = match by {
            By::Department => &mut filter.department,
            By::Area => &mut filter.area,
            By::Sector => &mut filter.sector,
            By::Source => &mut filter.source,
            By::State | By::Unit | By::Role => return Ok(false),
        };
        column.push(text.to_owned());
        Ok(!self.store().ledger(self.tenant(), &filter).await?.is_empty())
    }

    /// Every definition kept, newest first.
    async fn definitions(&self) -> Result<Vec<Arc<Definition>>, EngineError> {
        let mut definitions = Vec::new();
        for row in self.store().definitions(self.tenant()).await? {
            definitions.push(self.catalog().definition(&row.hash).await?);
        }
        Ok(definitions)
    }

    /// A unit that owes, with the roles that are at home in it.
    pub async fn owing_unit(&self, unit: String) -> Result<OwingUnit, EngineError> {
        let directory = self.catalog().directory().await?;
        let roles = directory.roles_at_home(&unit).into_iter().collect();
        Ok(OwingUnit { unit, roles })
    }

    /// Enterprises and other units whose name has a text in it.
    pub async fn called(&self, text: &str) -> Result<Vec<String>, EngineError> {
        let directory = self.catalog().directory().await?;
        let called = directory.units.iter().filter(|unit| unit.name.contains(text));
        Ok(called.map(|unit| unit.id.0.clone()).collect())
    }

    /// The ledger, every line with the unit that owes the next step.
    pub async fn ledger(&self, filter: &Filter) -> Result<Vec<LedgerRow>, EngineError> {
        let directory = self.catalog().directory().await?;
        let mut rows = self.store().ledger(self.tenant(), filter).await?;
        for row in &mut rows {
            if row.owner_unit.is_none() {
                row.owner_unit = home(&directory, row.owner_role.as_deref()).cloned();
            }
        }
        Ok(rows)
    }

    /// What is owed, every line with the unit that owes it.
    pub async fn owes(&self, filter: &OwedFilter) -> Result<Vec<OwedRow>, EngineError> {
        let directory = self.catalog().directory().await?;
        let mut rows = self.store().owes(self.tenant(), filter).await?;
        for row in &mut rows {
            if row.owner_unit.is_none() {
                row.owner_unit = home(&directory, Some(&row.owner_role)).map(|unit| unit.0.clone());
            }
        }
        Ok(rows)
    }

    /// What a circular is drawn up from, what is overdue grouped by the unit that owes it.
    pub async fn roundup(&self, at: Instant, day_end: Instant) -> Result<Roundup, EngineError> {
        let directory = self.catalog().directory().await?;
        let mut found = self.store().roundup(self.tenant(), at, day_end).await?;
        let apart = found.unverified.iter_mut().map(|of| &mut of.overdue);
        for rows in std::iter::once(&mut found.overdue).chain(apart) {
            for row in rows.iter_mut() {
                if row.unit.is_none() {
                    row.unit = home(&directory, row.role.as_deref()).map(|unit| unit.0.clone());
                }
            }
            // In the order the store gives, now that more units are known.
            rows.sort_by_cached_key(|row| {
                let side = row.by == OverdueBy::Regulator;
                (side, row.workflow.clone(), row.unit.clone(), row.from, row.number.clone())
            });
        }
        Ok(found)
    }
}

/// The unit a role is at home in, where it is bound to none.
fn home<'a>(directory: &'a Directory, role: Option<&str>) -> Option<&'a UnitId> {
    directory.home(role?)
}

impl Known {
    fn new(id: &str, title: &Label) -> Known {
        Known { id: id.to_owned(), names: vec![title.zh.clone(), title.en.clone()] }
    }

    fn bare(id: &str) -> Known {
        Known { id: id.to_owned(), names: Vec::new() }
    }
}

fn unit(unit: &machine::command::Unit) -> Known {
    Known { id: unit.id.0.clone(), names: vec![unit.name.clone()] }
}

fn states(definition: &Definition) -> Vec<Known> {
    let states = definition.file().tracks.get("main").into_iter().flat_map(|track| &track.states);
    states.map(|(id, spec)| Known::new(id, &spec.title)).collect()
}

fn roles(definition: &Definition) -> Vec<Known> {
    let file = definition.file();
    // Roles every workflow has without saying so.
    let owners = file.deadlines.values().map(|clock| clock.owner.as_str());
    let unnamed = owners.filter(|owner| *owner == "assignee").map(Known::bare);
    file.roles.iter().map(|(id, role)| Known::new(id, &role.title)).chain(unnamed).collect()
}

/// The choices of the fields that fill a column.
fn choices(definitions: &[Arc<Definition>], column: Column) -> Vec<Known> {
    let fills = |field: &&Field| field.column == Some(column) && field.kind == FieldType::Choice;
    let fields = definitions.iter().flat_map(|definition| definition.file().fields.values()).filter(fills);
    fields.flat_map(|field| &field.choices).map(|(id, title)| Known::new(id, title)).collect()
}

fn areas(directory: &Directory, definitions: &[Arc<Definition>]) -> Vec<Known> {
    let townships = directory.units.iter().filter(|unit| unit.kind == UnitKind::Township).map(unit);
    townships.chain(choices(definitions, Column::Area)).collect()
}

fn sectors(directory: &Directory, definitions: &[Arc<Definition>]) -> Vec<Known> {
    let mut known = choices(definitions, Column::Sector);
    let ids = directory.departments.keys().chain(directory.units.iter().filter_map(|u| u.sector.as_ref()));
    for id in ids {
        if !known.iter().any(|known| known.id == *id) {
            known.push(Known::bare(id));
        }
    }
    known
}
