//! What rarely changes: definitions (never, under their hash), the organisation, calendars.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use calendar::Calendar;
use machine::act::digest_hex;
use machine::value::TenantId;
use machine::{Act, Definition, Directory, explain};
use store::{Damage, Store, Wrong};
use tokio::sync::Mutex;

use crate::EngineError;

/// Compiled definitions, the directory of people, and calendars of one tenant.
pub struct Catalog {
    store: Arc<dyn Store>,
    tenant: TenantId,
    definitions: Mutex<HashMap<String, Arc<Definition>>>,
    directory: Mutex<Option<(u64, Arc<Directory>)>>,
    calendars: Mutex<HashMap<String, Arc<Calendar>>>,
    /// What had been loaded last when the calendars were read that a batch counts with.
    loaded: Mutex<(u64, HashMap<String, Arc<Calendar>>)>,
}

impl Catalog {
    pub(crate) fn new(store: Arc<dyn Store>, tenant: TenantId) -> Self {
        Catalog {
            store,
            tenant,
            definitions: Mutex::default(),
            directory: Mutex::default(),
            calendars: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// The definition with this hash. Kept: what a hash names never changes.
    pub async fn definition(&self, hash: &str) -> Result<Arc<Definition>, EngineError> {
        let mut definitions = self.definitions.lock().await;
        if let Some(definition) = definitions.get(hash) {
            return Ok(definition.clone());
        }
        let bad = |problem| Damage { table: "definitions", column: "body", row: hash.to_owned(), problem };
        let row = self.store.definition(&self.tenant, hash).await?;
        let row = row.ok_or_else(|| bad(Wrong::Missing))?;
        // What a case pinned is these bytes and no others.
        if digest_hex(&row.body) != hash {
            return Err(bad(Wrong::Altered).into());
        }
        let definition = Definition::from_bytes(&row.body).map_err(|findings| {
            let findings = findings.iter().map(|finding| format!("{} {}", finding.code, finding.path));
            bad(Wrong::unreadable(findings.collect::<Vec<_>>().join("; ")))
        })?;
        let definition = Arc::new(definition);
        definitions.insert(hash.to_owned(), definition.clone());
        Ok(definition)
    }

    /// Who holds which post, as the store has it now.
    pub async fn directory(&self) -> Result<Arc<Directory>, EngineError> {
        let mut directory = self.directory.lock().await;
        let known = directory.as_ref().map(|(version, _)| *version);
        if let Some((version, body)) = self.store.organisation(&self.tenant, known).await? {
            let read: Directory = serde_json::from_str(&body)
                .map_err(|error| damaged(("tenants", "organisation"), self.tenant.to_string(), error))?;
            *directory = Some((version, Arc::new(read)));
        }
        Ok(directory.as_ref().map(|(_, directory)| directory.clone()).unwrap_or_default())
    }

    /// The same, where a read just told which version stands: the store is asked only for another one.
    pub(crate) async fn directory_as_of(&self, version: u64) -> Result<Arc<Directory>, EngineError> {
        if let Some((known, directory)) = &*self.directory.lock().await
            && *known == version
        {
            return Ok(directory.clone());
        }
        self.directory().await
    }

    /// The newest version of a calendar, where a read just told which was loaded last.
    pub(crate) async fn calendar_as_of(&self, id: &str, loaded: u64) -> Result<Arc<Calendar>, EngineError> {
        let mut known = self.loaded.lock().await;
        if known.0 != loaded {
            *known = (loaded, HashMap::new());
        }
        if let Some(calendar) = known.1.get(id) {
            return Ok(calendar.clone());
        }
        let calendar = self.calendar(id).await?;
        known.1.insert(id.to_owned(), calendar.clone());
        Ok(calendar)
    }

    /// The calendar of the place the tenant is in.
    pub async fn local_calendar(&self) -> Result<Arc<Calendar>, EngineError> {
        self.calendar(self.directory().await?.calendar()).await
    }

    /// A version of a calendar, the one a clock was counted with.
    pub async fn calendar_version(&self, id: &str, version: &str) -> Result<Arc<Calendar>, EngineError> {
        let newest = self.calendar(id).await?;
        if newest.version() == version {
            return Ok(newest);
        }
        let body = self.store.calendar_version(&self.tenant, id, version).await?;
        let body = body.ok_or_else(|| EngineError::NoCalendar(format!("{id} {version}")))?;
        let calendar: Calendar = serde_json::from_str(&body)
            .map_err(|error| damaged(("calendars", "body"), format!("{id} {version}"), error))?;
        Ok(Arc::new(calendar))
    }

    /// Every version of a calendar that a date of a case was counted with: each date is told by its own.
    pub async fn counted_with(
        &self,
        id: &str,
        acts: &[Act],
    ) -> Result<BTreeMap<String, Arc<Calendar>>, EngineError> {
        let mut versions = BTreeMap::new();
        for version in explain::versions(acts) {
            versions.insert(version.to_owned(), self.calendar_version(id, version).await?);
        }
        Ok(versions)
    }

    /// The newest version of a calendar.
    pub async fn calendar(&self, id: &str) -> Result<Arc<Calendar>, EngineError> {
        let mut calendars = self.calendars.lock().await;
        let known = calendars.get(id).map(|calendar| calendar.version());
        let stored = self.store.calendar(&self.tenant, id, known).await?;
        let (_, body) = stored.ok_or_else(|| EngineError::NoCalendar(id.to_owned()))?;
        if let Some(body) = body {
            let calendar: Calendar = serde_json::from_str(&body)
                .map_err(|error| damaged(("calendars", "body"), id.to_owned(), error))?;
            calendars.insert(id.to_owned(), Arc::new(calendar));
        }
        calendars.get(id).cloned().ok_or_else(|| EngineError::NoCalendar(id.to_owned()))
    }
}

/// Something kept beside the cases that cannot be read.
fn damaged(
    (table, column): (&'static str, &'static str),
    row: String,
    error: impl std::fmt::Display,
) -> EngineError {
    Damage { table, column, row, problem: Wrong::unreadable(error) }.into()
}
