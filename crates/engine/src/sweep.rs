//! What is asked of many cases at once: to record what is due, to count their dates again. A case that cannot
//! answer is named at the end, and stops no other.

use std::collections::BTreeMap;
use std::str::FromStr;

use machine::act::Auth;
use machine::value::CaseId;
use machine::{Command, Person, Refusal};
use store::{Damage, DueCase, Wrong};
use tokio::sync::oneshot;

use crate::{Engine, EngineError, Member, Other, Receipt, Request, Waiting};

/// Who may load a calendar, as in the workflow files: it moves the dates of every open case.
const ADMINISTRATOR: &str = "administrator";
/// What that is called where it is refused.
pub(crate) const LOAD_CALENDAR: &str = "load_calendar";
/// The act in which a date moved.
const RECALCULATE: &str = "recalculate";
/// Cases counted again at a time.
const RECALCULATE_PAGE: u32 = 256;

/// A case that could not do what was asked of all.
#[derive(Debug)]
pub struct Failed {
    /// Its id, as stored.
    pub case_id: Vec<u8>,
    /// Its number, or its id where that is all there is.
    pub number: String,
    /// Why.
    pub error: Box<EngineError>,
}

/// What a sweep found.
#[derive(Debug, Default)]
pub struct Swept {
    /// Cases that were due.
    pub due: usize,
    /// Cases that moved.
    pub moved: usize,
    /// Cases with nothing to record, and their version: another worker was first, or they are damaged.
    pub idle: Vec<(DueCase, u32)>,
    /// Cases that could not be moved.
    pub failed: Vec<Failed>,
}

/// An id as stored; a damaged one names no case.
fn parsed(case_id: &[u8]) -> Result<CaseId, EngineError> {
    let text = String::from_utf8_lossy(case_id).into_owned();
    CaseId::from_str(&text)
        .map_err(|_| Damage { table: "cases", column: "case_id", row: text, problem: Wrong::NoId }.into())
}

fn ask(case: CaseId, command: Command, actor: Option<Person>) -> Request {
    Request {
        case,
        definition: None,
        command,
        actor,
        auth: Auth::Asserted,
        key: None,
        expected_version: None,
    }
}

type Answer = oneshot::Receiver<Result<Vec<Receipt>, EngineError>>;

impl Engine {
    /// Sends every due case, up to `limit`, one tick; those set aside are left alone, and the first `skip` to
    /// others. Fails when nothing at
    /// all could be done; what fails of one case stands in its answer.
    pub async fn sweep(&self, aside: &[Vec<u8>], skip: u32, limit: u32) -> Result<Swept, EngineError> {
        let now = self.store.clock().await?;
        let due = self.store.due(&self.tenant, now, aside, skip, limit).await?;
        let mut swept = Swept { due: due.len(), ..Swept::default() };
        let mut answers = Vec::with_capacity(due.len());
        for case in due {
            match parsed(&case.case_id) {
                Ok(id) => answers.push((case, self.tick(id).await?)),
                Err(error) => swept.fail(case, error),
            }
        }
        let mut failed = None;
        for (case, answer) in answers {
            match answer.await.map_err(|_| EngineError::Stopped)? {
                Ok(receipts) => swept.count(case, &receipts),
                // Nobody's own: nothing could be read for anybody.
                Err(EngineError::Store(error)) if error.is_everybodys() => failed = Some(error.into()),
                Err(error) => swept.fail(case, error),
            }
        }
        failed.map_or(Ok(swept), Err)
    }

    /// Puts a tick in line.
    async fn tick(&self, case: CaseId) -> Result<Answer, EngineError> {
        let request = ask(case, Command::Tick, None);
        let (reply, answer) = oneshot::channel();
        let members = vec![Member { request, other: Other::None }];
        let waiting = Waiting { members, whole: None, attempts: 0, reply };
        self.queue.send(waiting).await.map_err(|_| EngineError::Stopped)?;
        Ok(answer)
    }

    /// Keeps a new version of a calendar, or makes an earlier one the newest again, and counts every open
    /// date that hangs on it again: one act in each case whose dates or rungs move. Done again after an
    /// interruption, it goes on with what is left. Gives how many cases moved.
    pub async fn load_calendar(
        &self,
        calendar: &calendar::Calendar,
        actor: &Person,
    ) -> Result<usize, EngineError> {
        let directory = self.catalog.directory().await?;
        let held = directory.post(actor).map(|post| post.roles.clone()).unwrap_or_default();
        if !held.contains(ADMINISTRATOR) {
            let (act, needed) = (LOAD_CALENDAR.to_owned(), vec![ADMINISTRATOR.to_owned()]);
            return Err(Refusal::Role {
                act,
                needed,
                bound: BTreeMap::new(),
                held: held.into_iter().collect(),
            }
            .into());
        }
        let (id, version) = (calendar.id(), calendar.version());
        let body = serde_json::to_string(calendar).map_err(|error| EngineError::Stored(error.to_string()))?;
        if !self.store.put_calendar(&self.tenant, id, version, &body).await? {
            return Err(EngineError::CalendarVersion(version.to_owned()));
        }
        let (mut moved, mut failed, mut after) = (0, Vec::new(), Vec::new());
        loop {
            let page = self.store.case_ids(&self.tenant, &after, RECALCULATE_PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            let mut running = tokio::task::JoinSet::new();
            for case_id in page {
                let (engine, actor) = (self.clone(), actor.clone());
                running.spawn(async move {
                    let counted = match parsed(&case_id) {
                        Ok(case) => engine.recalculate(case, actor).await,
                        Err(error) => Err(error),
                    };
                    (case_id, counted)
                });
            }
            while let Some(answer) = running.join_next().await {
                match answer.map_err(|_| EngineError::Stopped)? {
                    (_, Ok(counted)) => moved += usize::from(counted),
                    (_, Err(EngineError::Stopped)) => return Err(EngineError::Stopped),
                    (case_id, Err(error)) => {
                        let number = String::from_utf8_lossy(&case_id).into_owned();
                        failed.push(Failed { case_id, number, error: Box::new(error) });
                    }
                }
            }
        }
        if failed.is_empty() { Ok(moved) } else { Err(EngineError::Failing(failed)) }
    }

    /// Counts the dates of a case again. Says whether any moved: what was due by now is recorded before, and
    /// is no move.
    async fn recalculate(&self, case: CaseId, actor: Person) -> Result<bool, EngineError> {
        let receipt = self.execute(ask(case, Command::Recalculate, Some(actor))).await?;
        if receipt.acts == 0 {
            return Ok(false);
        }
        let acts = self.store.acts(&self.tenant, case).await?;
        let last = acts.iter().find(|act| act.version == receipt.version);
        Ok(last.is_some_and(|act| act.name == RECALCULATE))
    }
}

impl Swept {
    fn fail(&mut self, case: DueCase, error: EngineError) {
        self.failed.push(Failed { case_id: case.case_id, number: case.number, error: Box::new(error) });
    }

    fn count(&mut self, case: DueCase, receipts: &[Receipt]) {
        if receipts.iter().any(|receipt| receipt.acts > 0) {
            self.moved += 1;
        } else {
            let version = receipts.first().map_or(0, |receipt| receipt.version);
            self.idle.push((case, version));
        }
    }
}
