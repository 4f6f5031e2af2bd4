//! The one connection that writes. Batches keep it among themselves: given back to the pool it is asked each time
//! whether it is still there, which costs two changes of thread, as many as writing does.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, MutexGuard};

use super::rows::take_batches;
use super::{Db, PATIENCE};
use crate::StoreError;

/// The pool of that one connection, and the connection while only batches want it.
pub(super) struct Writer {
    pool: SqlitePool,
    kept: Mutex<Option<PoolConnection<Db>>>,
    /// Others who want it.
    wanted: AtomicUsize,
}

/// The connection, for one batch. Dropped before it is done it goes back to the pool.
pub(super) struct Turn<'a> {
    place: MutexGuard<'a, Option<PoolConnection<Db>>>,
    connection: PoolConnection<Db>,
    wanted: &'a AtomicUsize,
}

impl Turn<'_> {
    pub(super) fn connection(&mut self) -> &mut PoolConnection<Db> {
        &mut self.connection
    }

    /// Leaves it to the next batch, unless somebody else waits for it.
    pub(super) fn done(mut self) {
        if self.wanted.load(Ordering::SeqCst) == 0 {
            *self.place = Some(self.connection);
        }
    }

    /// Out of the pool: it must not be used again.
    pub(super) fn give_up(self) {
        drop(self.connection.detach());
    }
}

/// The pool, for whoever writes something else: no batch keeps the connection until this is dropped.
pub(super) struct Wanted(Arc<Writer>);

impl Deref for Wanted {
    type Target = SqlitePool;

    fn deref(&self) -> &SqlitePool {
        &self.0.pool
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Given back to the pool it would need a runtime, which may be gone.
        if let Some(kept) = self.kept.get_mut().take() {
            drop(kept.detach());
        }
    }
}

impl Writer {
    pub(super) fn new(pool: SqlitePool) -> Arc<Writer> {
        Arc::new(Writer { pool, kept: Mutex::new(None), wanted: AtomicUsize::new(0) })
    }

    /// The pool, for something else than a batch.
    pub(super) async fn pool(self: &Arc<Self>) -> Result<Wanted, StoreError> {
        // Counted first: a batch that is done before this has the lock leaves nothing behind, or it is found here.
        self.wanted.fetch_add(1, Ordering::SeqCst);
        let wanted = Wanted(self.clone());
        self.place().await?.take();
        Ok(wanted)
    }

    /// Where the connection is kept, once no batch writes.
    async fn place(&self) -> Result<MutexGuard<'_, Option<PoolConnection<Db>>>, StoreError> {
        tokio::time::timeout(PATIENCE, self.kept.lock()).await.map_err(|_| StoreError::Held)
    }

    /// The connection, for a batch.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let mut place = self.place().await?;
        let connection = match place.take() {
            Some(kept) => kept,
            None => {
                let mut connection = self.pool.acquire().await?;
                // Not when it is opened: migrations come first, and would have to bear with what names their tables.
                take_batches(&mut connection).await?;
                connection
            }
        };
        Ok(Turn { place, connection, wanted: &self.wanted })
    }

    /// The connection, if no batch writes and nobody else did since the last one.
    pub(super) fn idle(&self) -> Option<Turn<'_>> {
        let mut place = self.kept.try_lock().ok()?;
        let connection = place.take()?;
        Some(Turn { place, connection, wanted: &self.wanted })
    }
}
