//! Reading: lists.

use machine::Instant;
use machine::value::{CaseId, PersonId, TenantId, UnitId};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::{bad, case_id, instant};
use crate::{ActRow, DigestLine, DigestRow, Filter, LedgerRow, OwedRow, RungCount, Standing, StoreError};

/// The most rows one list gives.
const ROWS_MAX: u32 = 1_000;

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

pub(super) async fn ledger(
    pool: &SqlitePool,
    tenant: &TenantId,
    filter: &Filter,
) -> Result<Vec<LedgerRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT case_id, number, workflow, definition_hash, main_state, at_rest, owner_unit, enterprise, area,
            sector, source, level, legal_due, overdue_enterprise, overdue_regulator, enterprise_breach,
            regulator_breach, provisional, version
         FROM cases WHERE tenant_id = $1
            AND ($2 IS NULL OR main_state = $2) AND ($3 IS NULL OR owner_unit = $3)
            AND ($4 IS NULL OR area = $4) AND ($5 IS NULL OR sector = $5) AND ($6 IS NULL OR source = $6)
            AND ($7 = 0 OR overdue_enterprise = 1 OR overdue_regulator = 1)
            AND ($8 IS NULL OR legal_due >= $8) AND ($9 IS NULL OR legal_due <= $9)
            AND ($10 IS NULL OR instr(search, $10) > 0 OR instr(number, $10) > 0)
            AND ($11 IS NULL OR number > $11)
         ORDER BY number LIMIT $12",
    )
    .bind(tenant.as_str())
    .bind(&filter.state)
    .bind(&filter.unit)
    .bind(&filter.area)
    .bind(&filter.sector)
    .bind(&filter.source)
    .bind(filter.overdue)
    .bind(&filter.due_from)
    .bind(&filter.due_to)
    .bind(&filter.text)
    .bind(&filter.after)
    .bind(i64::from(filter.limit.clamp(1, ROWS_MAX)))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(ledger_row).collect()
}

fn ledger_row(row: SqliteRow) -> Result<LedgerRow, StoreError> {
    let id: String = row.get(0);
    Ok(LedgerRow {
        case_id: case_id(&id)?,
        number: row.get(1),
        workflow: row.get(2),
        definition_hash: row.get(3),
        main_state: row.get(4),
        at_rest: row.get(5),
        owner_unit: row.get::<Option<String>, _>(6).map(UnitId),
        enterprise: row.get(7),
        area: row.get(8),
        sector: row.get(9),
        source: row.get(10),
        level: row.get(11),
        legal_due: row.get(12),
        overdue_enterprise: row.get(13),
        overdue_regulator: row.get(14),
        enterprise_breach: row.get(15),
        regulator_breach: row.get(16),
        provisional: row.get(17),
        version: u32::try_from(row.get::<i64, _>(18)).map_err(|e| bad("cases", "version", &id, e))?,
    })
}

pub(super) async fn owes(
    pool: &SqlitePool,
    tenant: &TenantId,
    unit: Option<&str>,
    limit: u32,
) -> Result<Vec<OwedRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.number, o.case_id, o.name, o.subject, o.owner_role, o.owner_unit, o.due_day, o.breached,
            o.paused
         FROM obligations o JOIN cases c ON c.tenant_id = o.tenant_id AND c.case_id = o.case_id
         WHERE o.tenant_id = $1 AND ($2 IS NULL OR o.owner_unit = $2)
         ORDER BY o.due_day, c.number, o.deadline_no LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(unit)
    .bind(i64::from(limit.clamp(1, ROWS_MAX)))
    .fetch_all(pool)
    .await?;
    let row = |row: SqliteRow| {
        Ok(OwedRow {
            number: row.get(0),
            case_id: case_id(row.get(1))?,
            name: row.get(2),
            subject: row.get(3),
            owner_role: row.get(4),
            owner_unit: row.get(5),
            due_day: row.get(6),
            breached: row.get(7),
            paused: row.get(8),
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
        unreached: serde_json::from_str(&unreached).map_err(|e| bad("notices", "unreached", &number, e))?,
        number,
    })
}

pub(super) async fn standing(
    pool: &SqlitePool,
    tenant: &TenantId,
    now: Instant,
) -> Result<Standing, StoreError> {
    let counts = sqlx::query(
        "SELECT (SELECT count(*) FROM cases WHERE tenant_id = $1),
            (SELECT min(wake_at) FROM cases WHERE tenant_id = $1 AND wake_at IS NOT NULL),
            (SELECT count(*) FROM cases WHERE tenant_id = $1 AND wake_at <= $2),
            (SELECT count(*) FROM rungs WHERE tenant_id = $1),
            (SELECT count(*) FROM notices WHERE tenant_id = $1 AND delivery_id IS NULL),
            (SELECT count(*) FROM cases WHERE tenant_id = $1 AND provisional = 1),
            (SELECT max(recorded_at - due_at) FROM rungs WHERE tenant_id = $1 AND result = 'fired')",
    )
    .bind(tenant.as_str())
    .bind(now.micros())
    .fetch_one(pool)
    .await?;
    let by_state = sqlx::query(
        "SELECT main_state, count(*) FROM cases WHERE tenant_id = $1 GROUP BY main_state ORDER BY main_state",
    )
    .bind(tenant.as_str())
    .fetch_all(pool)
    .await?;
    let by_rung = sqlx::query(
        "SELECT ladder, rung, result, count(*) FROM rungs WHERE tenant_id = $1
         GROUP BY ladder, rung, result ORDER BY ladder, rung, result",
    )
    .bind(tenant.as_str())
    .fetch_all(pool)
    .await?;
    let by_rung = by_rung.into_iter().map(|row| RungCount {
        ladder: row.get(0),
        rung: row.get(1),
        result: row.get(2),
        count: row.get::<i64, _>(3).unsigned_abs(),
    });
    let count = |index: usize| counts.get::<i64, _>(index).unsigned_abs();
    Ok(Standing {
        cases: count(0),
        by_state: by_state.into_iter().map(|row| (row.get(0), row.get::<i64, _>(1).unsigned_abs())).collect(),
        next_wake: counts.get::<Option<i64>, _>(1).map(instant).transpose()?,
        waiting: count(2),
        rungs: count(3),
        by_rung: by_rung.collect(),
        undelivered: count(4),
        provisional: count(5),
        lateness_max_ms: counts.get::<Option<i64>, _>(6).map(|micros| micros / 1_000),
    })
}
