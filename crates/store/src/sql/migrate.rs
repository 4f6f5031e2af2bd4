//! Bringing the schema up to date.

use sqlx::migrate::{MigrateError, Migrator};

use super::Pool;
use crate::error::is_everybodys;
use crate::{StoreError, Unfit};

/// Takes the steps the database has not seen; one newer than this program is refused. Each step is a
/// transaction of its own, so that one cut short is done again.
pub(super) async fn migrate(pool: &Pool, mut migrator: Migrator) -> Result<(), StoreError> {
    // Not every database has the lock the driver would take; and none is needed.
    migrator.set_locking(false);
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    let mut done = migrator.run(pool).await;
    // Another process may have taken the same step at the same moment: then it is done, and this one failed.
    // Each failure leaves one step less, and one more is the table the driver keeps of them.
    for _ in 0..=migrator.iter().count() {
        if !matches!(done, Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))) {
            break;
        }
        done = migrator.run(pool).await;
    }
    done.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Unfit(Unfit::Newer { found, known }),
        MigrateError::VersionMismatch(schema) => StoreError::Unfit(Unfit::Altered { schema }),
        // A full disk or a lock says nothing about the schema.
        MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) if is_everybodys(&cause) => {
            StoreError::from(cause)
        }
        error => StoreError::Migrate(error),
    })
}
