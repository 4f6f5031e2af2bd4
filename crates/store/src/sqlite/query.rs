//! Reading: acts and the inbox.

use machine::value::{CaseId, PersonId, TenantId};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::{bad, case_id};
use crate::{ActRow, DigestLine, DigestRow, ROWS_MAX, StoreError};

pub(super) async fn acts(
    pool: &SqlitePool,
    tenant: &TenantId,
    case: CaseId,
) -> Result<Vec<ActRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, at, name, person_id, algorithm, body, hash FROM acts
         WHERE tenant_id = $1 AND case_id = $2 ORDER BY version",
    )
    .bind(tenant.as_str())
    .bind(case.to_string())
    .fetch_all(pool)
    .await?;
    let row = |row: SqliteRow| {
        let version: i64 = row.get(0);
        Ok(ActRow {
            case_id: case,
            version: u32::try_from(version).map_err(|e| bad("acts", "version", &case.to_string(), e))?,
            at: row.get(1),
            name: row.get(2),
            person_id: row.get::<Option<String>, _>(3).map(PersonId),
            algorithm: row.get(4),
            body: row.get(5),
            hash: row.get(6),
        })
    };
    rows.into_iter().map(row).collect()
}

/// Lines shown of one digest, the gravest first; the rest is counted.
const DIGEST_LINES_MAX: i64 = 20;

pub(super) async fn inbox(
    pool: &SqlitePool,
    tenant: &TenantId,
    person: &PersonId,
    limit: u32,
) -> Result<Vec<DigestRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT delivery_id, day, notices FROM deliveries WHERE tenant_id = $1 AND recipient = $2
         ORDER BY day DESC LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(person.as_str())
    .bind(i64::from(limit.clamp(1, ROWS_MAX)))
    .fetch_all(pool)
    .await?;
    let mut digests = Vec::new();
    for row in rows {
        let delivery_id: String = row.get(0);
        let lines = sqlx::query(
            "SELECT n.case_id, c.number, n.act_version, n.deadline_no, n.ladder, n.rung, n.measure, n.template,
                n.unreached
             FROM notices n JOIN cases c ON c.tenant_id = n.tenant_id AND c.case_id = n.case_id
             WHERE n.tenant_id = $1 AND n.recipient = $2 AND n.delivery_id = $3
             ORDER BY CASE n.measure WHEN 'propose' THEN 0 WHEN 'draft' THEN 1 WHEN 'mark' THEN 2 ELSE 3 END,
                c.number, n.act_version, n.deadline_no LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(person.as_str())
        .bind(&delivery_id)
        .bind(DIGEST_LINES_MAX)
        .fetch_all(pool)
        .await?;
        let lines = lines.iter().map(digest_line).collect::<Result<_, StoreError>>()?;
        let notices = u32::try_from(row.get::<i64, _>(2)).unwrap_or(u32::MAX);
        digests.push(DigestRow { day: row.get(1), notices, lines, delivery_id });
    }
    Ok(digests)
}

fn digest_line(row: &SqliteRow) -> Result<DigestLine, StoreError> {
    let number: String = row.get(1);
    let unreached: String = row.get(8);
    Ok(DigestLine {
        case_id: case_id(row.get(0))?,
        act_version: u32::try_from(row.get::<i64, _>(2))
            .map_err(|e| bad("notices", "act_version", &number, e))?,
        deadline_no: u32::try_from(row.get::<i64, _>(3))
            .map_err(|e| bad("notices", "deadline_no", &number, e))?,
        ladder: row.get(4),
        rung: row.get(5),
        measure: row.get(6),
        template: row.get(7),
        unreached: unreached.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
        number,
    })
}
