//! Delivering what waits in the outbox.

use machine::Instant;
use machine::value::TenantId;

use super::{Pool, begin_alone, list, stored_ids};
use crate::{StoreError, rows_affected};

const SWEEPING: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM cases WHERE tenant_id = $1 AND wake_at <= $2 AND ",
    none_of_stored!("case_id", "$3"),
    ")"
);
const TAKEN: &str = concat!(
    "UPDATE notices SET delivery_id = recipient || '@' || $2
     WHERE tenant_id = $1 AND delivery_id IS NULL AND created_at <= $4 AND recipient ",
    one_of!("$3")
);

/// Whether there is anything to send: a worker that has nothing must not write every second.
pub(super) async fn waiting(pool: &Pool, tenant: &TenantId, day: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM notices n WHERE n.tenant_id = $1 AND n.delivery_id IS NULL
            AND NOT EXISTS (SELECT 1 FROM deliveries d
                WHERE d.tenant_id = $1 AND d.recipient = n.recipient AND d.day = $2))",
    )
    .bind(tenant.as_str())
    .bind(day)
    .fetch_one(pool)
    .await?)
}

/// One digest per recipient and day; what comes later waits for the next day's, also what another process wrote
/// since `now` was read: a digest holds nothing that came after it.
pub(super) async fn deliver(
    pool: &Pool,
    tenant: &TenantId,
    now: Instant,
    day: &str,
    aside: &[Vec<u8>],
) -> Result<u64, StoreError> {
    // What is counted here and taken there is of one moment, whoever writes beside.
    let mut transaction = begin_alone(pool).await?;
    // Another worker may be in the middle of the morning's cases.
    let sweeping: bool = sqlx::query_scalar(SWEEPING)
        .bind(tenant.as_str())
        .bind(now.micros())
        .bind(stored_ids(aside))
        .fetch_one(&mut *transaction)
        .await?;
    if sweeping {
        return Ok(0);
    }
    // Whichever of its keys stands already: of a row that another process is just writing it may be either.
    let made: Vec<(String, i64)> = sqlx::query_as(
        "INSERT INTO deliveries (tenant_id, delivery_id, recipient, day, delivered_at, notices)
         SELECT tenant_id, recipient || '@' || $2, recipient, $2, $3, count(*)
         FROM notices WHERE tenant_id = $1 AND delivery_id IS NULL AND created_at <= $3
         GROUP BY tenant_id, recipient
         ORDER BY recipient
         ON CONFLICT DO NOTHING RETURNING recipient, notices",
    )
    .bind(tenant.as_str())
    .bind(day)
    .bind(now.micros())
    .fetch_all(&mut *transaction)
    .await?;
    // Only the recipients whose digest was made just now: its count must be the rows it holds.
    if !made.is_empty() {
        let recipients: Vec<&String> = made.iter().map(|(recipient, _)| recipient).collect();
        let done = sqlx::query(TAKEN)
            .bind(tenant.as_str())
            .bind(day)
            .bind(list(&recipients))
            .bind(now.micros())
            .execute(&mut *transaction)
            .await?;
        let expected = made.iter().map(|(_, notices)| notices.unsigned_abs()).sum();
        rows_affected("notices", expected, done.rows_affected())?;
    }
    transaction.commit().await?;
    Ok(made.len() as u64)
}
