//! Committing: one transaction for all callers waiting.

use std::sync::Arc;
use std::time::Duration;

use machine::value::TenantId;

use super::{Writing, commit_batch, table_of};
use crate::{Change, Outcome, StoreError, Wrong, bad};

/// How often a transaction is run anew that failed only because others were at the same rows.
const ATTEMPTS_MAX: u32 = 8;
/// How long is waited before the first new try; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(2);

/// Commits groups of changes. An error in a batch is answered by trying each group alone, so that one bad
/// group cannot take the others with it; a full disk or a lock is everybody's, and told as it is.
pub(super) async fn commit(
    writer: &Writing,
    tenant: &TenantId,
    groups: &Arc<[Vec<Change>]>,
) -> Vec<Result<Outcome, StoreError>> {
    let mut outcomes: Vec<_> = groups.iter().map(|_| Ok(Outcome::Conflict)).collect();
    let mut left: Vec<usize> = (0..groups.len()).collect();
    let batch = |of: &[usize]| Batch { groups: groups.clone(), of: of.to_vec() };
    while !left.is_empty() {
        let all = batch(&left);
        match retried(|| commit_batch(writer, tenant, &all)).await {
            // Undone because of the torn ones: it runs again without them.
            Ok(fates) if fates.contains(&Fate::Torn) => {
                let mut fates = fates.into_iter();
                left.retain(|_| fates.next() == Some(Fate::Won));
            }
            Ok(fates) => {
                for (index, _) in left.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Won) {
                    outcomes[*index] = Ok(Outcome::Committed);
                }
                break;
            }
            Err(error) if error.is_everybodys() => {
                left.iter().for_each(|index| outcomes[*index] = Err(error.again()));
                break;
            }
            Err(_) => {
                for index in left {
                    let alone = batch(&[index]);
                    outcomes[index] = match retried(|| commit_batch(writer, tenant, &alone)).await {
                        Ok(fates) if fates.contains(&Fate::Won) => Ok(Outcome::Committed),
                        Ok(_) => Ok(Outcome::Conflict),
                        Err(error) => stands_already(error, &groups[index]),
                    };
                }
                break;
            }
        }
    }
    outcomes
}

/// Runs a transaction anew while it fails only because others were at the same rows.
pub(super) async fn retried<T, F>(mut run: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for attempt in 1..ATTEMPTS_MAX {
        match run().await {
            Err(error) if error.is_passing() => tokio::time::sleep(PAUSE * (1 << attempt)).await,
            done => return done,
        }
    }
    run().await
}

/// What became of a group in a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All of it is written.
    Won,
    /// Nothing of it is.
    Lost,
    /// Some of its heads won and some lost: the batch is undone.
    Torn,
}

/// Some of the groups that are committed.
#[derive(Clone)]
pub(super) struct Batch {
    groups: Arc<[Vec<Change>]>,
    of: Vec<usize>,
}

impl Batch {
    /// Its changes, group by group.
    pub(super) fn written(&self) -> Vec<Written<'_>> {
        self.of.iter().flat_map(|index| &self.groups[*index]).map(Written::new).collect()
    }

    /// What became of its groups, where these of its heads won.
    pub(super) fn fates(&self, won: impl IntoIterator<Item = bool>) -> Vec<Fate> {
        let mut won = won.into_iter();
        let fate = |index: &usize| {
            let group = &self.groups[*index];
            match won.by_ref().take(group.len()).filter(|won| *won).count() {
                0 => Fate::Lost,
                all if all == group.len() => Fate::Won,
                _ => Fate::Torn,
            }
        };
        self.of.iter().map(fate).collect()
    }
}

/// What it means that a row stands already. A key or a document number: somebody else used it first, for
/// another case. Any other row: the heads were those decided on, so nobody was first; the rows do not agree
/// with the head.
fn stands_already(error: StoreError, group: &[Change]) -> Result<Outcome, StoreError> {
    let StoreError::Database(sqlx::Error::Database(refused)) = &error else { return Err(error) };
    if !refused.is_unique_violation() {
        return Err(error);
    }
    match table_of(refused.as_ref()) {
        Some("idempotency" | "documents") => Ok(Outcome::Conflict),
        table => {
            let cases: Vec<&str> = group.iter().map(|change| change.state.number.as_str()).collect();
            Err(bad(table.unwrap_or("any"), "key", &cases.join(", "), Wrong::StandsAlready))
        }
    }
}

/// A change, with the id of its case as text: it stands in every row of it.
pub(super) struct Written<'a> {
    pub(super) change: &'a Change,
    pub(super) case: String,
}

impl<'a> Written<'a> {
    pub(super) fn new(change: &'a Change) -> Self {
        Written { change, case: change.state.case.to_string() }
    }
}
