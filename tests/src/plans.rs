//! What the store sends to SQLite, and how that walks its tables: a subscriber listens to what the database driver and
//! the store report, and each statement is explained.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::value::TenantId;
use sqlx::{AssertSqlSafe, Row, SqlitePool};
use store::sqlite::SqliteStore;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The tables that grow with the cases.
const TABLES: [&str; 12] = [
    " documents",
    " cases",
    " texts",
    " acts",
    " rungs",
    " obligations",
    " notices",
    " history",
    " deliveries",
    " idempotency",
    " personal",
    " refusals",
];

/// Whether a statement names one of them.
pub fn listed(statement: &str) -> bool {
    TABLES.iter().any(|table| statement.contains(table))
}

static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Statements sent and not yet taken.
pub fn sent() -> MutexGuard<'static, Vec<String>> {
    SENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps every statement the driver reports from now on. Once in a process.
pub fn listen() {
    tracing::subscriber::set_global_default(Listener).expect("the only one");
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["sqlx::query", "store::sqlite"].contains(&metadata.target())
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Statement);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Statement;

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        if ["db.statement", "statement"].contains(&field.name()) && !value.is_empty() {
            sent().push(value.trim().to_owned());
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// The statements that asking something sends, in a store that is opened and closed for it.
pub async fn sent_by(path: &Path, ask: impl AsyncFnOnce(&SqliteStore, &TenantId)) -> Vec<String> {
    let store = SqliteStore::open(path).await.expect("opened");
    sent().clear();
    ask(&store, &"qingyuan".into()).await;
    // Closed, the driver has reported everything.
    store.close().await.expect("closed");
    std::mem::take(&mut *sent())
}

/// The plan of a statement.
pub async fn plan(pool: &SqlitePool, statement: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(explain).fetch_all(pool).await.expect("explained");
    rows.iter().map(|row| row.get("detail")).collect()
}

/// The lines of the plan of a statement that read a whole table, or all of a jurisdiction.
pub async fn walks(pool: &SqlitePool, statement: &str) -> Vec<String> {
    let plan = plan(pool, statement).await;
    // In the order asked for and cut off: it ends when the page is full. So a filter that has no index of
    // its own (township, sector, source, department, dates, text) walks the index of the order. A later
    // page has to begin where the last one ended.
    let sorts = plan.iter().any(|line| line.starts_with("USE TEMP B-TREE FOR ORDER BY"));
    let in_order = statement.contains("LIMIT") && !statement.contains("(overdue_from, number) >") && !sorts;
    let bad = plan.into_iter().filter(|line| {
        let table = line.starts_with("SCAN") && !line.contains("VIRTUAL TABLE") && !is_derived(line);
        let jurisdiction = line.starts_with("SEARCH") && line.ends_with("(tenant_id=?)");
        table || (jurisdiction && !in_order)
    });
    bad.collect()
}

/// A scan of what the statement itself has made: the rows of a subquery, of a list handed in.
fn is_derived(line: &str) -> bool {
    [
        "SCAN (subquery",
        "SCAN CONSTANT ROW",
        "SCAN each",
        "SCAN ended",
        "SCAN of_",
        "SCAN ids",
        "SCAN held",
        "SCAN found",
        "SCAN counted",
        "SCAN newest",
        "SCAN numbers",
    ]
    .iter()
    .any(|own| line.starts_with(own))
}
