//! Lists among a million cases: whatever the databases know of their tables by then, every list walks an index from
//! where it begins. A circular looks at every case, by design: once in each statement, and at history by its key alone.
//! The plans are those of the statements the program sends.

mod asked;
mod made;
mod postgres;
mod sqlite;

use tokio::sync::Mutex;

/// One after the other: what the driver reports of one database is not to be taken for the other's, and both at once
/// would need twice the disk.
static ALONE: Mutex<()> = Mutex::const_new(());
