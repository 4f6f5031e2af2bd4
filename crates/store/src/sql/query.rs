//! Reading: what is due, acts and the inbox.

use machine::Instant;
use machine::value::{CaseId, PersonId, TenantId};
use sqlx::Row as _;

use super::row::{id, small, some_text, text, whole_text};
use super::{Pool, Row, stored_ids};
use crate::{
    ActRow, Damage, DigestLine, DigestRow, DueCase, ROWS_MAX, StoreError, Waking, Wrong, bad, instant,
};

const DUE: &str = unlocked!(concat!(
    "FROM cases WHERE tenant_id = $1 AND wake_at <= $2 AND ",
    none_of_stored!("case_id", "$3"),
    " ORDER BY wake_at LIMIT $4 OFFSET $5"
));

pub(super) async fn due(
    pool: &Pool,
    tenant: &TenantId,
    now: Instant,
    aside: &[Vec<u8>],
    (skip, limit): (u32, u32),
) -> Result<Vec<DueCase>, StoreError> {
    let rows = sqlx::query(DUE)
        .bind(tenant.as_str())
        .bind(now.micros())
        .bind(stored_ids(aside))
        .bind(i64::from(limit))
        .bind(i64::from(skip))
        .fetch_all(pool)
        .await?;
    let row = |row: Row| Ok(DueCase { case_id: super::row::bytes(&row, 0)?, number: text(&row, 1)? });
    rows.into_iter().map(row).collect()
}

const NEXT_WAKE: &str = concat!(
    "SELECT wake_at FROM cases WHERE tenant_id = $1 AND wake_at IS NOT NULL AND ",
    none_of_stored!("case_id", "$2"),
    " ORDER BY wake_at LIMIT 1"
);

pub(super) async fn next_wake(
    pool: &Pool,
    tenant: &TenantId,
    aside: &[Vec<u8>],
) -> Result<Option<Instant>, StoreError> {
    let wake: Option<i64> = sqlx::query_scalar(NEXT_WAKE)
        .bind(tenant.as_str())
        .bind(stored_ids(aside))
        .fetch_optional(pool)
        .await?;
    wake.map(instant).transpose()
}

pub(super) async fn waking(pool: &Pool) -> Result<Vec<Waking>, StoreError> {
    let rows = sqlx::query(
        "SELECT t.tenant_id,
            (SELECT min(wake_at) FROM cases c WHERE c.tenant_id = t.tenant_id AND c.wake_at IS NOT NULL),
            EXISTS (SELECT 1 FROM notices n WHERE n.tenant_id = t.tenant_id AND n.delivery_id IS NULL)
         FROM tenants t ORDER BY t.tenant_id",
    )
    .fetch_all(pool)
    .await?;
    let row = |row: &Row| {
        Ok(Waking {
            tenant: TenantId(text(row, 0)?),
            next_wake: super::row::moment(row, 1)?,
            undelivered: row.try_get(2)?,
        })
    };
    rows.iter().map(row).collect()
}

pub(super) async fn acts(pool: &Pool, tenant: &TenantId, case: CaseId) -> Result<Vec<ActRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, at, name, person_id, algorithm, body, hash FROM acts
         WHERE tenant_id = $1 AND case_id = $2 ORDER BY version",
    )
    .bind(tenant.as_str())
    .bind(case.to_string())
    .fetch_all(pool)
    .await?;
    let acts: Result<_, StoreError> = rows.iter().map(|row| act(case, row)).collect();
    match acts {
        // People know a case by its number.
        Err(StoreError::Inconsistent(damage)) => {
            let row = format!("{} {}", called(pool, tenant, case).await?, damage.row);
            Err(StoreError::Inconsistent(Damage { row, ..damage }))
        }
        acts => acts,
    }
}

/// An act is read whole or not at all: what is folded must be what was written.
fn act(case: CaseId, row: &Row) -> Result<ActRow, StoreError> {
    let version: i64 = row.try_get("version")?;
    let name = version.to_string();
    let text = |column| whole_text(row, ("acts", column), &name);
    let person = some_text(row, "person_id")?;
    Ok(ActRow {
        case_id: case,
        version: u32::try_from(version).map_err(|_| bad("acts", "version", &name, Wrong::OutOfRange))?,
        at: row.try_get("at")?,
        name: text("name")?,
        person_id: person.map(|_| text("person_id")).transpose()?.map(PersonId),
        algorithm: text("algorithm")?,
        body: text("body")?,
        hash: text("hash")?,
    })
}

/// The number of a case, or its id where it has none.
async fn called(pool: &Pool, tenant: &TenantId, case: CaseId) -> Result<String, StoreError> {
    let row = sqlx::query("SELECT number FROM cases WHERE tenant_id = $1 AND case_id = $2")
        .bind(tenant.as_str())
        .bind(case.to_string())
        .fetch_optional(pool)
        .await?;
    row.map_or_else(|| Ok(case.to_string()), |row| text(&row, 0))
}

/// Lines shown of one digest, the gravest first; the rest is counted.
const DIGEST_LINES_MAX: i64 = 20;

const DIGEST_LINES: &str = concat!(
    "SELECT n.case_id, c.number, n.act_version, n.deadline_no, n.ladder, n.rung, n.measure, n.template,
        n.unreached
     FROM notices n JOIN cases c ON c.tenant_id = n.tenant_id AND c.case_id = n.case_id
     WHERE n.tenant_id = $1 AND n.recipient = $2 AND n.delivery_id = ",
    stored!("$3"),
    " ORDER BY CASE n.measure WHEN 'propose' THEN 0 WHEN 'draft' THEN 1 WHEN 'mark' THEN 2 ELSE 3 END,
        c.number, n.act_version, n.deadline_no LIMIT $4"
);

pub(super) async fn inbox(
    pool: &Pool,
    tenant: &TenantId,
    person: &PersonId,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<DigestRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT delivery_id, day, notices, delivered_at FROM deliveries
         WHERE tenant_id = $1 AND recipient = $2 AND day < $3 ORDER BY day DESC LIMIT $4",
    )
    .bind(tenant.as_str())
    .bind(person.as_str())
    // Every day comes before it in the order of texts.
    .bind(before.unwrap_or("~"))
    .bind(i64::from(limit.clamp(1, ROWS_MAX)))
    .fetch_all(pool)
    .await?;
    let mut digests = Vec::new();
    for row in rows {
        let lines = sqlx::query(DIGEST_LINES)
            .bind(tenant.as_str())
            .bind(person.as_str())
            .bind(super::stored(super::row::bytes(&row, 0)?))
            .bind(DIGEST_LINES_MAX)
            .fetch_all(pool)
            .await?;
        let lines = lines.iter().map(digest_line).collect::<Result<_, StoreError>>()?;
        let delivery_id = text(&row, 0)?;
        let delivered_at = Instant::from_micros(row.try_get(3)?)
            .ok_or_else(|| bad("deliveries", "delivered_at", &delivery_id, Wrong::OutOfRange))?;
        let (day, notices) = (text(&row, 1)?, small(&row, 2)?);
        digests.push(DigestRow { day, delivered_at, notices, lines, delivery_id });
    }
    Ok(digests)
}

fn digest_line(row: &Row) -> Result<DigestLine, StoreError> {
    let unreached = text(row, 8)?;
    Ok(DigestLine {
        case_id: id(row, 0)?,
        number: text(row, 1)?,
        act_version: small(row, 2)?,
        deadline_no: small(row, 3)?,
        ladder: text(row, 4)?,
        rung: text(row, 5)?,
        measure: text(row, 6)?,
        template: some_text(row, 7)?,
        unreached: unreached.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect(),
    })
}
