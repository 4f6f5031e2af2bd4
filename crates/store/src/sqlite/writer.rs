//! Who writes, one after the other: the pool of the driver, or a batch with a connection of its own.
//!
//! With the driver every statement is a change of threads, there and back, which costs more than the statement does. A
//! batch is many of them: it runs on one thread from its beginning to its end.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OpenFlags};
use sqlx::sqlite::SqlitePool;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{PATIENCE, SETTINGS, WRITING, fit};
use crate::StoreError;

/// Statements a connection keeps prepared: more than batches are made of.
const STATEMENTS_MAX: usize = 32;

/// From how many pages on the log is folded into the file: most pages change again soon.
const FOLDED_FROM_PAGES: i64 = 16_000;

/// How long readers of the log are waited for while nobody may write.
const FOLDING_PATIENCE: Duration = Duration::from_millis(100);

/// A connection while nobody uses it, and whose turn it is to do so, in the order they came.
struct Kept {
    turn: Arc<Semaphore>,
    connection: Mutex<Option<Connection>>,
    flags: OpenFlags,
    /// How long it waits for another process.
    patience: Duration,
}

/// The pool, and the connections of batches.
pub(super) struct Writer {
    path: PathBuf,
    pool: SqlitePool,
    /// Whoever has its turn is the one who writes.
    writing: Kept,
    /// For batches that read while another one writes.
    reading: Kept,
    /// Folds the log into the file.
    folding: Kept,
}

/// The pool, for whoever writes something else: no batch writes until this is dropped.
pub(super) struct Wanted {
    pool: SqlitePool,
    _turn: OwnedSemaphorePermit,
}

impl Deref for Wanted {
    type Target = SqlitePool;

    fn deref(&self) -> &SqlitePool {
        &self.pool
    }
}

/// A statement, prepared once for a connection, and told like the driver tells its own.
pub(super) fn prepared<'a>(
    connection: &'a Connection,
    text: &str,
) -> Result<CachedStatement<'a>, StoreError> {
    tracing::debug!(target: "store::sqlite", statement = text);
    Ok(connection.prepare_cached(text)?)
}

/// Runs what waits for a disk on a thread that may. A caller that hangs up in the middle of it cancels nothing.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|broken| Err(StoreError::Shared(broken.to_string())))
}

impl Writer {
    pub(super) fn new(path: &Path, pool: SqlitePool) -> Arc<Writer> {
        let writing = Kept::new(OpenFlags::SQLITE_OPEN_READ_WRITE, PATIENCE);
        let reading = Kept::new(OpenFlags::SQLITE_OPEN_READ_ONLY, PATIENCE);
        let folding = Kept::new(OpenFlags::SQLITE_OPEN_READ_WRITE, FOLDING_PATIENCE);
        Arc::new(Writer { path: path.to_owned(), pool, writing, reading, folding })
    }

    /// The pool, for something else than a batch.
    pub(super) async fn pool(&self) -> Result<Wanted, StoreError> {
        Ok(Wanted { pool: self.pool.clone(), _turn: self.writing.turn().await? })
    }

    /// The pool, and batches have no connection any more.
    pub(super) async fn last(&self) -> Result<Wanted, StoreError> {
        // In this order: folding waits for the turn to write.
        let _folding = self.folding.turn().await?;
        let wanted = self.pool().await?;
        let _reading = self.reading.turn().await?;
        for kept in [&self.writing, &self.reading, &self.folding] {
            // Whoever still waits for a turn gets none.
            kept.turn.close();
            drop(kept.take());
        }
        Ok(wanted)
    }

    /// Writes on the thread this is called on, when its turn has come.
    pub(super) fn write<T>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let turn = self.writing.turn_here()?;
        let (done, pages) = self.writing.with(&self.path, |connection| {
            let done = work(connection)?;
            // What is written is written, whether or not this can be told.
            let pages = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get("log"));
            Ok((done, pages.unwrap_or(i64::MAX)))
        })?;
        drop(turn);
        if pages >= FOLDED_FROM_PAGES
            && let Ok(turn) = self.folding.turn.clone().try_acquire_owned()
        {
            let writer = self.clone();
            tokio::task::spawn_blocking(move || writer.fold(turn));
        }
        Ok(done)
    }

    /// Folds the log into the file: most of it beside the batches, and what they wrote meanwhile while nobody writes,
    /// here or in another process, so that the log begins anew. Where somebody else is at it, or still reads what was
    /// there before, it is left for the next batch to ask for: nobody is made to wait for a long reader.
    fn fold(&self, _folding: OwnedSemaphorePermit) {
        // Whether somebody was in the way, pages in the log, those of them that are in the file.
        type Told = (i64, i64, i64);
        let fold = |statement| {
            self.folding.with(&self.path, |connection| {
                let told: Told =
                    connection.query_row(statement, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                Ok(told)
            })
        };
        if let Ok((0, pages, folded)) = fold("PRAGMA wal_checkpoint(PASSIVE)")
            && pages == folded
            && let Ok(_turn) = self.writing.turn_here()
        {
            fold("PRAGMA wal_checkpoint(RESTART)").ok();
        }
    }

    /// Reads on the thread this is called on. The connection that writes has most of it in memory; others lose what
    /// they have with every commit.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Ok(_turn) = self.writing.turn.clone().try_acquire_owned() {
            return self.writing.with(&self.path, work);
        }
        let _turn = self.reading.turn_here()?;
        self.reading.with(&self.path, work)
    }
}

impl Kept {
    fn new(flags: OpenFlags, patience: Duration) -> Kept {
        Kept { turn: Arc::new(Semaphore::new(1)), connection: Mutex::default(), flags, patience }
    }

    /// The turn to use it.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        match tokio::time::timeout(PATIENCE, self.turn.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(StoreError::Held),
        }
    }

    /// The same for a thread that may wait, without a timer: the runtime may end before it does. Whoever has the turn
    /// waits for other processes no longer than its patience.
    fn turn_here(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Handle::current().block_on(self.turn.clone().acquire_owned()).map_err(|_| StoreError::Held)
    }

    fn take(&self) -> Option<Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A connection on which something failed is closed, whatever SQLite undid of it by itself and whatever its text
    /// index still reads.
    fn with<T>(
        &self,
        path: &Path,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = match self.take() {
            Some(kept) => kept,
            None => open(path, self.flags, self.patience)?,
        };
        let done = work(&mut connection)?;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(done)
    }
}

/// A connection with the settings of those of the pool, read back.
fn open(path: &Path, flags: OpenFlags, patience: Duration) -> Result<Connection, StoreError> {
    // One thread at a time has it.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // What one that only reads has in memory is lost with the next commit: less of it is lost sooner.
    let of_writers = WRITING.into_iter().filter(|_| flags == OpenFlags::SQLITE_OPEN_READ_WRITE);
    for (name, value) in SETTINGS.into_iter().chain(of_writers) {
        connection.pragma_update(None, name, value)?;
    }
    // The log is not folded by a batch that commits: all others would wait.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    let version = connection.query_row("SELECT sqlite_version()", [], |row| row.get(0))?;
    fit(version, connection.query_row(super::FOUND, [], |row| row.get(0))?)?;
    Ok(connection)
}
