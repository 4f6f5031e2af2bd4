//! Reading: what is due, acts and the inbox; heads and keys as they come from a row.

use std::str::FromStr;

use machine::value::{CaseId, PersonId, TenantId};
use machine::{Instant, State};
use sqlx::Row as _;

use super::row::{id, small, some_text, text, whole_text};
use super::{Pool, Row, stored_ids};
use crate::{
    ActRow, Damage, DigestLine, DigestRow, DueCase, Head, Known, ROWS_MAX, Seen, StoreError, Used, Waking,
    Wrong, bad, damage, instant,
};

/// A head, if an act may be built on it.
fn head(id: &str, row: &Row) -> Result<Head, Damage> {
    // People know a case by its number.
    let name = text(row, "number").unwrap_or_else(|_| id.to_owned());
    let bad = |column, problem| damage("cases", column, &name, problem);
    let unreadable = |column| move |error: sqlx::Error| (column, Wrong::unreadable(error));
    let read = |column| row.try_get::<&str, _>(column).map_err(unreadable(column));
    let state = read("state").map_err(|(column, wrong)| bad(column, wrong))?;
    let state: State = serde_json::from_str(state).map_err(|error| bad("state", Wrong::unreadable(error)))?;
    if state.case.to_string() != id {
        return Err(bad("state", Wrong::StateOf { case: state.number }));
    }
    // An act on a wrong hash would break the chain for ever.
    let last_hash = read("last_hash").map_err(|(column, wrong)| bad(column, wrong))?.to_owned();
    let act_hash: Option<String> =
        row.try_get("act_hash").map_err(|error| damage("acts", "hash", &name, Wrong::unreadable(error)))?;
    if act_hash.as_ref() != Some(&last_hash) {
        return Err(bad("last_hash", Wrong::NotTheLastHash));
    }
    Ok(Head { state, last_hash })
}

/// What a key was used for: the row, the case and the version.
fn used(key: &str, row: &Row) -> Result<Used, Damage> {
    let bad = |column, problem| damage("idempotency", column, key, problem);
    let text =
        |name, column| row.try_get::<String, _>(name).map_err(|error| bad(column, Wrong::unreadable(error)));
    let version = row.try_get::<i64, _>("used_version").unwrap_or(-1);
    Ok(Used {
        fingerprint: text("fingerprint", "fingerprint")?,
        case: CaseId::from_str(&text("used_case_id", "case_id")?).map_err(|_| bad("case_id", Wrong::NoId))?,
        version: u32::try_from(version).map_err(|_| bad("version", Wrong::OutOfRange))?,
    })
}

/// What a command is decided on, where each row has a head and what its key was used for, or neither, and all of them
/// the versions of what stands beside. Whoever asks for nothing is told these too.
pub(super) fn seen(rows: &[Row], wanted: usize, now: Instant) -> Result<Seen, StoreError> {
    let known = rows.iter().take(wanted).map(|row| Ok(Known { head: some_head(row)?, used: some_use(row)? }));
    let known = known.collect::<Result<_, StoreError>>()?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let number =
        |column| Ok::<_, StoreError>(first.try_get::<Option<i64>, _>(column)?.unwrap_or(0).unsigned_abs());
    Ok(Seen { known, now, organisation: number("organisation")?, calendars: number("calendars")? })
}

fn some_head(row: &Row) -> Result<Result<Option<Head>, Damage>, StoreError> {
    let id: Option<String> = row.try_get("case_id")?;
    Ok(id.map(|id| head(&id, row)).transpose())
}

fn some_use(row: &Row) -> Result<Result<Option<Used>, Damage>, StoreError> {
    let key: Option<String> = row.try_get("key")?;
    Ok(key.map(|key| used(&key, row)).transpose())
}

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
