//! Writing anew what follows from the acts of a case.

use machine::value::TenantId;
use serde_json::json;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::write::{clear, with_case, write_derived, write_heads};
use crate::{Change, Outcome, StoreError};

/// Writes head and derived rows of one case anew, unless it moved meanwhile.
pub(super) async fn rebuild(
    pool: &SqlitePool,
    tenant: &TenantId,
    change: &Change,
) -> Result<Outcome, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM acts WHERE tenant_id = $1 AND case_id = $2")
            .bind(tenant.as_str())
            .bind(change.state.case.to_string())
            .fetch_one(&mut *transaction)
            .await?;
    if last != Some(i64::from(change.state.version)) {
        return Ok(Outcome::Conflict);
    }
    for table in ["cases", "obligations", "rungs", "history"] {
        clear(&mut transaction, tenant, table, &[change]).await?;
    }
    let opening = Change { expected_version: 0, ..change.clone() };
    if write_heads(&mut transaction, tenant, &[&opening]).await?.len() != 1 {
        return Ok(Outcome::Conflict);
    }
    write_derived(&mut transaction, tenant, &[&opening]).await?;
    restore_documents(&mut transaction, tenant, change).await?;
    transaction.commit().await?;
    Ok(Outcome::Committed)
}

/// Puts back the numbers the acts of a case took; which part of a document it had is lost, and it gets the next.
async fn restore_documents(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    change: &Change,
) -> Result<(), StoreError> {
    let rows = change.documents.iter().map(|document| with_case(change, json!(document))).collect::<Vec<_>>();
    sqlx::query(
        "DELETE FROM documents WHERE tenant_id = $1 AND case_id = $2 AND (year, code, no, act_version) NOT IN
            (SELECT value->>'year', value->>'code', value->>'no', value->>'act_version' FROM json_each($3))",
    )
    .bind(tenant.as_str())
    .bind(change.state.case.to_string())
    .bind(json!(rows).to_string())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO documents (tenant_id, year, code, no, part, case_id, act_version)
         SELECT $1, value->>'year', value->>'code', value->>'no',
            (SELECT coalesce(max(part) + 1, 0) FROM documents d WHERE d.tenant_id = $1
                AND d.year = value->>'year' AND d.code = value->>'code' AND d.no = value->>'no'),
            value->>'case_id', value->>'act_version'
         FROM json_each($2) WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.tenant_id = $1
            AND d.case_id = value->>'case_id' AND d.act_version = value->>'act_version')",
    )
    .bind(tenant.as_str())
    .bind(json!(rows).to_string())
    .execute(&mut *connection)
    .await?;
    Ok(())
}
