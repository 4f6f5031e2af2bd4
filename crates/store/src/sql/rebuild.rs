//! Writing anew what follows from the acts of a case.

use machine::value::TenantId;
use sqlx::Row as _;

use super::commit::Written;
use super::row::bytes;
use super::rows::open_heads;
use super::write::{clear, derived, head, insert};
use super::{Connection, Pool, Row, begin_write, lock_case, stored};
use crate::cells;
use crate::table::{CASES, DOCUMENTS, HISTORY, OBLIGATIONS, RUNGS, TEXTS};
use crate::{Change, DocumentRow, Outcome, StoreError, Wrong, bad};

/// Writes head and derived rows of one case anew, unless it moved meanwhile.
pub(super) async fn rebuild(pool: &Pool, tenant: &TenantId, change: &Change) -> Result<Outcome, StoreError> {
    let mut transaction = begin_write(pool).await?;
    lock_case(&mut transaction, tenant, change.state.case).await?;
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM acts WHERE tenant_id = $1 AND case_id = $2")
            .bind(tenant.as_str())
            .bind(change.state.case.to_string())
            .fetch_one(&mut *transaction)
            .await?;
    if last != Some(i64::from(change.state.version)) {
        return Ok(Outcome::Conflict);
    }
    let opening = Change { expected_version: 0, ..change.clone() };
    let written = [Written::new(&opening)];
    for table in [&CASES, &TEXTS, &OBLIGATIONS, &RUNGS, &HISTORY] {
        clear(&mut transaction, tenant, table, &[&written[0].case]).await?;
    }
    if open_heads(&mut transaction, tenant, &written.each_ref().map(head)).await?.len() != 1 {
        return Ok(Outcome::Conflict);
    }
    for (table, rows) in derived(&written) {
        insert(&mut transaction, tenant, table, &rows).await?;
    }
    restore_documents(&mut transaction, tenant, change).await?;
    transaction.commit().await?;
    Ok(Outcome::Committed)
}

/// Puts back the numbers the acts of a case took; which part of a document it had is lost, and it gets the next.
async fn restore_documents(
    connection: &mut Connection,
    tenant: &TenantId,
    change: &Change,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT year, code, no, part, act_version FROM documents WHERE tenant_id = $1 AND case_id = $2",
    )
    .bind(tenant.as_str())
    .bind(change.state.case.to_string())
    .fetch_all(&mut *connection)
    .await?;
    let rows: Vec<Taken> = rows.iter().map(Taken::read).collect::<Result<_, StoreError>>()?;
    let right = |row: &&Taken| change.documents.iter().any(|document| row.is_of(document));
    for row in rows.iter().filter(|row| !right(row)) {
        sqlx::query(STRAY)
            .bind(tenant.as_str())
            .bind(row.year)
            .bind(stored(row.code.clone()))
            .bind(row.no)
            .bind(row.part)
            .execute(&mut *connection)
            .await?;
    }
    for document in &change.documents {
        if rows.iter().any(|row| row.is_of(document)) {
            continue;
        }
        let part = next_part(connection, tenant, document).await?;
        let document = DocumentRow { part, ..document.clone() };
        let case = change.state.case.to_string();
        insert(connection, tenant, &DOCUMENTS, &[cells::document(&case, &document)]).await?;
    }
    Ok(())
}

/// A row of the register, as stored.
struct Taken {
    year: i64,
    code: Vec<u8>,
    no: i64,
    part: i64,
    act_version: i64,
}

impl Taken {
    fn read(row: &Row) -> Result<Taken, StoreError> {
        Ok(Taken {
            year: row.try_get(0)?,
            code: bytes(row, 1)?,
            no: row.try_get(2)?,
            part: row.try_get(3)?,
            act_version: row.try_get(4)?,
        })
    }

    fn is_of(&self, document: &DocumentRow) -> bool {
        let number = &document.number;
        (self.year, self.no) == (i64::from(number.year), i64::from(number.no))
            && self.code == number.code.as_bytes()
            && self.act_version == i64::from(document.act_version)
    }
}

const STRAY: &str = concat!(
    "DELETE FROM documents WHERE tenant_id = $1 AND year = $2 AND code = ",
    stored!("$3"),
    " AND no = $4 AND part = $5"
);

async fn next_part(
    connection: &mut Connection,
    tenant: &TenantId,
    document: &DocumentRow,
) -> Result<u32, StoreError> {
    let next: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(part) + 1, 0) FROM documents
         WHERE tenant_id = $1 AND year = $2 AND code = $3 AND no = $4",
    )
    .bind(tenant.as_str())
    .bind(i64::from(document.number.year))
    .bind(&document.number.code)
    .bind(i64::from(document.number.no))
    .fetch_one(connection)
    .await?;
    u32::try_from(next).map_err(|_| bad("documents", "part", &document.number.to_string(), Wrong::OutOfRange))
}
