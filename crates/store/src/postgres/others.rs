//! What processes tell each other: that a deadline was written which comes before the sleepers wake. A hint
//! alone; whoever cannot hear it looks by himself within [`crate::NEAR`].

use std::sync::OnceLock;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::NEAR;

const CHANNEL: &str = "bihuan_nearer";

/// A connection of its own that listens, from the first sleeper on.
pub(super) struct Others {
    options: PgConnectOptions,
    listening: OnceLock<AbortHandle>,
}

impl Others {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Others { options, listening: OnceLock::new() }
    }

    /// Passes on what is told.
    pub(super) fn hear(&self, nearer: &watch::Sender<()>) {
        self.listening.get_or_init(|| {
            let (options, nearer) = (self.options.clone(), nearer.clone());
            tokio::spawn(listen(options, nearer)).abort_handle()
        });
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get() {
            listening.abort();
        }
    }
}

async fn listen(options: PgConnectOptions, nearer: watch::Sender<()>) {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            // After a new connection something may have been missed: whoever sleeps looks.
            while listener.try_recv().await.is_ok() {
                nearer.send_replace(());
            }
        }
        tokio::time::sleep(NEAR).await;
    }
}

/// Tells the others. Whether they hear it is not asked: they look by themselves.
pub(super) async fn tell(pool: &PgPool) {
    drop(sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(pool).await);
}
