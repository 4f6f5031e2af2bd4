//! Lists. Every statement here walks an index from where it begins; a test reads the plans.

use machine::Instant;
use machine::value::{Name, TenantId, UnitId};
use sqlx::{QueryBuilder, Row as _};

use super::named::{How, Named, are_many, is_one};
use super::row::{count, id, moment, small, some_text, text};
use super::{
    CUT_APART, Connection, Db, NO_INDEX, Pool, Row, asked, begin_lookup, begin_snapshot, list, push_list,
    push_pairs,
};
use crate::{
    COUNT_MAX, ClosedRow, DepartmentProgress, DocumentFilter, Filter, Lamp, LedgerKey, LedgerRow, OverdueBy,
    OverdueRow, OwedFilter, OwedRow, OwingUnit, ROWS_MAX, Roundup, StageCount, Standing, StoreError,
    Unverified, Wrong, bad, instant,
};

type Query<'a> = QueryBuilder<Db>;

/// Lateness is taken from so many of the newest rungs.
const FIRED_MAX: i64 = 10_000;
/// So many parts of the ledger are looked through for cases, 1,000 in each: to find all instead takes as long.
const PARTS_MAX: usize = 20;
/// Overdue cases listed in one circular.
const OVERDUE_MAX: usize = 10_000;

const LEDGER_COLUMNS: &str =
    "case_id, number, workflow, definition_hash, main_state, at_rest, paused, owner_role,
    owner_unit, enterprise, area, sector, source, level, department, legal_due, overdue_from, enterprise_overdue_from,
    regulator_overdue_from, enterprise_breach, regulator_breach, provisional, unverified, version";

/// The ways in which something can be owed: by anybody, by a unit, by roles at home in it that are bound to
/// no unit. Each is a walk of its own, since an OR would read what everybody owes.
enum Owed<'a> {
    Anybody,
    Unit(&'a str),
    Roles(&'a [String]),
}

impl<'a> Owed<'a> {
    fn ways(by: Option<&'a OwingUnit>) -> Vec<Owed<'a>> {
        match by {
            None => vec![Owed::Anybody],
            Some(by) if by.roles.is_empty() => vec![Owed::Unit(&by.unit)],
            Some(by) => vec![Owed::Unit(&by.unit), Owed::Roles(&by.roles)],
        }
    }

    /// The condition, on the columns of the table with this prefix.
    fn push(&self, query: &mut Query<'_>, prefix: &str) {
        match self {
            Owed::Anybody => {}
            Owed::Unit(unit) => {
                query.push(format!(" AND {prefix}owner_unit = ")).push_bind((*unit).to_owned());
            }
            Owed::Roles(roles) => {
                // The sign keeps the walk on the index of the unit, which has the order asked for.
                query.push(format!(" AND {prefix}owner_unit IS NULL AND {NO_INDEX}{prefix}owner_role "));
                push_list(query, roles);
            }
        }
    }
}

/// One of some values, in a column; none are no condition.
fn push_any(query: &mut Query<'_>, column: &str, values: &[String]) {
    match values {
        [] => {}
        [only] => {
            query.push(format!(" AND {column} = ")).push_bind(asked(only));
        }
        several => {
            query.push(format!(" AND {column} "));
            push_list(query, several);
        }
    }
}

/// The order of a list, and how many rows it has at most.
type Cut = (&'static str, i64);

fn push_cut(query: &mut Query<'_>, (order, limit): Cut) {
    query.push(format!(" ORDER BY {order} LIMIT ")).push_bind(limit);
}

/// Puts a list together from the ways in which something is owed.
fn push_ways(
    query: &mut Query<'_>,
    ways: &[Owed<'_>],
    cut: Option<Cut>,
    push: impl Fn(&mut Query<'_>, &Owed<'_>),
) {
    // Of each way no more is read than the list shows.
    let apart = cut.filter(|_| CUT_APART && ways.len() > 1);
    for (index, owed) in ways.iter().enumerate() {
        query.push(if index > 0 { " UNION ALL " } else { "" });
        query.push(if apart.is_some() { "(" } else { "" });
        push(query, owed);
        if let Some(cut) = apart {
            push_cut(query, cut);
            query.push(")");
        }
    }
    if let Some(cut) = cut {
        push_cut(query, cut);
    }
}

/// What a filter of the ledger leaves.
fn push_ledger(
    query: &mut Query<'_>,
    columns: &str,
    tenant: &TenantId,
    filter: &Filter,
    (named, cut): (Option<Named<'_>>, Option<Cut>),
) {
    push_ways(query, &Owed::ways(filter.unit.as_ref()), cut, |query, owed| {
        query.push(format!("SELECT {columns}"));
        match &named {
            Some(named) => named.push_from(query, tenant),
            None => {
                query.push(" FROM cases");
            }
        }
        query.push(" WHERE tenant_id = ");
        query.push_bind(tenant.as_str().to_owned());
        owed.push(query, "");
        push_conditions(query, filter);
        if let Some(named) = &named {
            named.push_condition(query, tenant);
        }
    });
}

fn push_conditions(query: &mut Query<'_>, filter: &Filter) {
    let any = [
        ("main_state", &filter.state),
        ("department", &filter.department),
        ("area", &filter.area),
        ("sector", &filter.sector),
        ("source", &filter.source),
    ];
    for (column, values) in any {
        push_any(query, column, values);
    }
    for (condition, day) in [("legal_due_day >= ", &filter.due_from), ("legal_due_day <= ", &filter.due_to)] {
        if let Some(day) = day {
            query.push(" AND ").push(condition).push_bind(day.clone());
        }
    }
    if let Some((lamp, lamps)) = &filter.lamp {
        let never = i64::MAX;
        let (now, tomorrow, soon) = (lamps.now.micros(), lamps.tomorrow.micros(), lamps.soon_until.micros());
        let (condition, after, until) = match lamp {
            Lamp::Closed => ("at_rest", i64::MIN, never),
            Lamp::Overdue => ("NOT at_rest", i64::MIN, now),
            Lamp::Paused => ("NOT at_rest AND paused", now, never),
            Lamp::None => ("NOT at_rest AND NOT paused", never - 1, never),
            Lamp::Today => ("NOT at_rest AND NOT paused", now, tomorrow),
            Lamp::Soon => ("NOT at_rest AND NOT paused", tomorrow, soon),
            Lamp::Normal => ("NOT at_rest AND NOT paused", soon, never - 1),
        };
        query.push(" AND ").push(condition);
        // A later page begins where the last one ended: two beginnings, and SQLite would walk from the other.
        if filter.after.as_ref().is_none_or(|last| last.overdue_from <= after) {
            query.push(" AND overdue_from > ").push_bind(after);
        }
        query.push(" AND overdue_from <= ").push_bind(until);
    }
    if let Some((by, now)) = &filter.overdue_by {
        let column = match by {
            OverdueBy::Enterprise => "enterprise_overdue_from",
            OverdueBy::Regulator => "regulator_overdue_from",
        };
        // No side is overdue before the case is, so the walk ends early.
        query.push(" AND overdue_from <= ").push_bind(now.micros());
        query.push(" AND ").push(column).push(" <= ").push_bind(now.micros());
    }
    if let Some(after) = &filter.after {
        query.push(" AND (overdue_from, number) > (").push_bind(after.overdue_from);
        query.push(", ").push_bind(after.number.clone()).push(")");
    }
}

/// A page of the ledger.
fn ledger_page(tenant: &TenantId, filter: &Filter, named: Option<Named<'_>>) -> Query<'static> {
    let mut query = Query::new("");
    let cut = ("overdue_from, number", i64::from(filter.limit.clamp(1, ROWS_MAX)));
    push_ledger(&mut query, LEDGER_COLUMNS, tenant, filter, (named, Some(cut)));
    query
}

pub(super) async fn ledger(
    pool: &Pool,
    tenant: &TenantId,
    filter: &Filter,
) -> Result<Vec<LedgerRow>, StoreError> {
    let Some(text) = &filter.text else {
        let rows = ledger_page(tenant, filter, None).build().fetch_all(pool).await?;
        return rows.iter().map(ledger_row).collect();
    };
    let named = Named { text, called: &filter.called, how: How::Found };
    let mut lookup = begin_lookup(pool, text).await?;
    let mut rows = None;
    if are_many(&mut lookup, tenant, named).await? {
        rows = looked_for(&mut lookup, tenant, filter, named).await?;
    }
    let rows = match rows {
        Some(rows) => rows,
        None => {
            let rows = ledger_page(tenant, filter, Some(named)).build().fetch_all(&mut *lookup).await?;
            rows.iter().map(ledger_row).collect::<Result<_, _>>()?
        }
    };
    lookup.commit().await?;
    Ok(rows)
}

/// Looks for cases in the order of the ledger until a page is full or nothing is left; none, where that takes too long,
/// as where all stand at its end.
async fn looked_for(
    lookup: &mut Connection,
    tenant: &TenantId,
    filter: &Filter,
    named: Named<'_>,
) -> Result<Option<Vec<LedgerRow>>, StoreError> {
    let (mut found, wanted) = (Vec::new(), filter.limit.clamp(1, ROWS_MAX) as usize);
    let mut part = Filter { limit: ROWS_MAX, ..filter.clone() };
    for _ in 0..PARTS_MAX {
        let page = ledger_page(tenant, &part, Some(Named { how: How::InOrder, ..named }));
        let page = { page }.build().fetch_all(&mut *lookup).await?;
        let Some(last) = page.last() else { return Ok(Some(found)) };
        // Of a case that is none of them nothing else has to be read.
        part.after =
            Some(LedgerKey { overdue_from: last.try_get("overdue_from")?, number: text(last, "number")? });
        for row in &page {
            if is_one(row)? && found.len() < wanted {
                found.push(ledger_row(row)?);
            }
        }
        if found.len() == wanted || page.len() < ROWS_MAX as usize {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(super) async fn ledger_count(pool: &Pool, tenant: &TenantId, filter: &Filter) -> Result<u64, StoreError> {
    let statement = |named, most: u64| {
        let mut query = Query::new("SELECT count(*) FROM (");
        push_ledger(&mut query, "1", tenant, filter, (named, None));
        query.push(" LIMIT ").push_bind(i64::try_from(most).unwrap_or(i64::MAX)).push(") AS counted");
        query
    };
    let most = COUNT_MAX + 1;
    let Some(text) = &filter.text else {
        return count(&statement(None, most).build().fetch_one(pool).await?, 0);
    };
    let mut lookup = begin_lookup(pool, text).await?;
    let named = Named { text, called: &[], how: How::Found };
    let how = if are_many(&mut lookup, tenant, named).await? { How::OneByOne } else { How::Found };
    let found = statement(Some(Named { how, ..named }), most).build().fetch_one(&mut *lookup).await?;
    let mut counted = count(&found, 0)?;
    if counted < most && !filter.called.is_empty() {
        let others = Named { called: &filter.called, how: How::Others, ..named };
        let others = statement(Some(others), most - counted).build().fetch_one(&mut *lookup).await?;
        counted += count(&others, 0)?;
    }
    lookup.commit().await?;
    Ok(counted)
}

fn ledger_row(row: &Row) -> Result<LedgerRow, StoreError> {
    Ok(LedgerRow {
        case_id: id(row, "case_id")?,
        number: text(row, "number")?,
        workflow: text(row, "workflow")?,
        definition_hash: text(row, "definition_hash")?,
        main_state: text(row, "main_state")?,
        at_rest: row.try_get("at_rest")?,
        paused: row.try_get("paused")?,
        owner_role: some_text(row, "owner_role")?,
        owner_unit: some_text(row, "owner_unit")?.map(UnitId),
        enterprise: some_text(row, "enterprise")?,
        area: some_text(row, "area")?,
        sector: some_text(row, "sector")?,
        source: some_text(row, "source")?,
        level: some_text(row, "level")?,
        department: some_text(row, "department")?,
        legal_due: some_text(row, "legal_due")?,
        // The largest integer, where no clock runs, is no moment.
        overdue_from: moment(row, "overdue_from")?,
        enterprise_overdue_from: moment(row, "enterprise_overdue_from")?,
        regulator_overdue_from: moment(row, "regulator_overdue_from")?,
        enterprise_breach: row.try_get("enterprise_breach")?,
        regulator_breach: row.try_get("regulator_breach")?,
        provisional: row.try_get("provisional")?,
        unverified: row.try_get("unverified")?,
        version: small(row, "version")?,
    })
}

/// From duties in their order to their cases: a SQLite that knows of a million rows would sort them all.
const OWED: &str = concat!(
    "SELECT c.number, o.case_id AS case_id, c.definition_hash, o.deadline_no AS deadline_no, o.name, o.subject,
        o.owner_role, o.owner_unit, o.due_day AS due_day, o.due, o.breached, o.paused
     FROM obligations o ",
    join_in_order!(),
    " cases c ON c.tenant_id = o.tenant_id AND c.case_id = o.case_id WHERE o.tenant_id = "
);

fn owes_query(tenant: &TenantId, filter: &OwedFilter) -> Query<'static> {
    let mut query = Query::new("");
    let cut = ("due_day, case_id, deadline_no", i64::from(filter.limit.clamp(1, ROWS_MAX)));
    push_ways(&mut query, &Owed::ways(filter.unit.as_ref()), Some(cut), |query, owed| {
        query.push(OWED).push_bind(tenant.as_str().to_owned());
        owed.push(query, "o.");
        push_owes_conditions(query, filter);
    });
    query
}

fn push_owes_conditions(query: &mut Query<'_>, filter: &OwedFilter) {
    push_any(query, "o.owner_role", &filter.role);
    if let Some(posts) = &filter.posts {
        let roles: Vec<&str> = posts.iter().map(|(role, _)| role.as_str()).collect();
        query.push(" AND o.owner_role ");
        push_list(query, &roles);
        query.push(" AND (o.owner_unit IS NULL OR (o.owner_role, o.owner_unit) ");
        push_pairs(query, posts);
        query.push(")");
    }
    if let Some(after) = &filter.after {
        query.push(" AND (o.due_day, o.case_id, o.deadline_no) > (");
        query.push_bind(after.due_day.clone()).push(", ").push_bind(after.case_id.to_string()).push(", ");
        query.push_bind(i64::from(after.deadline_no)).push(")");
    }
}

pub(super) async fn owes(
    pool: &Pool,
    tenant: &TenantId,
    filter: &OwedFilter,
) -> Result<Vec<OwedRow>, StoreError> {
    let rows = owes_query(tenant, filter).build().fetch_all(pool).await?;
    let row = |row: &Row| {
        Ok(OwedRow {
            number: text(row, 0)?,
            case_id: id(row, 1)?,
            definition_hash: text(row, 2)?,
            deadline_no: small(row, 3)?,
            name: text(row, 4)?,
            subject: text(row, 5)?,
            owner_role: text(row, 6)?,
            owner_unit: some_text(row, 7)?,
            due_day: text(row, 8)?,
            due: text(row, 9)?,
            breached: row.try_get(10)?,
            paused: row.try_get(11)?,
        })
    };
    rows.iter().map(row).collect()
}

/// What was taken back does not count. CROSS keeps the order: from the cases of the enterprise to their acts.
const DOCUMENTS: &str = concat!(
    "SELECT count(DISTINCT ",
    json_of!("a.body"),
    "->'fields'->>$4) FROM cases c ",
    join_in_order!(),
    " acts a ON a.tenant_id = c.tenant_id AND a.case_id = c.case_id
    WHERE c.tenant_id = $1 AND c.enterprise = $2 AND a.name = $3 AND ",
    json_of!("a.body"),
    "->'fields'->>$5 > $6 AND ",
    json_of!("a.body"),
    "->'fields'->>$7 ",
    one_of!("$8"),
    " AND NOT EXISTS (SELECT 1 FROM acts b WHERE b.tenant_id = c.tenant_id AND b.case_id = c.case_id
            AND b.version = a.version + 1 AND b.name = 'take_back')"
);

pub(super) async fn documents(
    pool: &Pool,
    tenant: &TenantId,
    filter: &DocumentFilter,
) -> Result<u64, StoreError> {
    let count: i64 = sqlx::query_scalar(DOCUMENTS)
        .bind(tenant.as_str())
        .bind(&filter.enterprise)
        .bind(&filter.act)
        .bind(&filter.document)
        .bind(&filter.on)
        .bind(&filter.after)
        .bind(&filter.field)
        .bind(list(&filter.values))
        .fetch_one(pool)
        .await?;
    Ok(count.unsigned_abs())
}

const CLOSED: &str = concat!(
    "SELECT c.number, c.department, c.area, c.sector, c.level, h.from_at
    FROM ",
    cases_in!("$3"),
    " CROSS JOIN ",
    held!(),
    " WHERE c.tenant_id = $1 AND c.workflow = $2 AND h.from_at >= $4 AND h.from_at < $5"
);

pub(super) async fn closed(
    pool: &Pool,
    tenant: &TenantId,
    workflow: &str,
    states: &[Name],
    (from, until): (Instant, Instant),
) -> Result<Vec<ClosedRow>, StoreError> {
    let rows = sqlx::query(CLOSED)
        .bind(tenant.as_str())
        .bind(workflow)
        .bind(list(states))
        .bind(from.micros())
        .bind(until.micros())
        .fetch_all(pool)
        .await?;
    let row = |row: Row| {
        Ok(ClosedRow {
            number: row.try_get(0)?,
            department: row.try_get(1)?,
            area: row.try_get(2)?,
            sector: row.try_get(3)?,
            level: row.try_get(4)?,
            closed_at: instant(row.try_get(5)?)?,
        })
    };
    let mut rows: Vec<ClosedRow> = rows.into_iter().map(row).collect::<Result<_, StoreError>>()?;
    // Here: asked for the order, SQLite walks all numbers.
    rows.sort_by(|a, b| a.number.cmp(&b.number));
    Ok(rows)
}

const STATES: &str =
    "SELECT main_state, count(*) FROM cases WHERE tenant_id = $1 GROUP BY main_state ORDER BY main_state";
const COUNTS: &str = "SELECT (SELECT min(wake_at) FROM cases WHERE tenant_id = $1 AND wake_at IS NOT NULL),
    (SELECT count(*) FROM cases WHERE tenant_id = $1 AND wake_at <= $2),
    (SELECT count(*) FROM notices WHERE tenant_id = $1 AND delivery_id IS NULL),
    (SELECT count(*) FROM cases WHERE tenant_id = $1 AND provisional),
    (SELECT count(*) FROM cases WHERE tenant_id = $1 AND unverified)";
const LATENESS: &str = "SELECT recorded_at - due_at FROM
    (SELECT recorded_at, due_at FROM rungs WHERE tenant_id = $1 AND result = 'fired'
     ORDER BY recorded_at DESC LIMIT $2) AS newest ORDER BY 1";

pub(super) async fn standing(pool: &Pool, tenant: &TenantId, now: Instant) -> Result<Standing, StoreError> {
    let counts = sqlx::query(COUNTS).bind(tenant.as_str()).bind(now.micros()).fetch_one(pool).await?;
    let by_state = sqlx::query(STATES).bind(tenant.as_str()).fetch_all(pool).await?;
    let by_state = by_state.iter().map(|row| Ok((text(row, 0)?, count(row, 1)?)));
    let by_state = by_state.collect::<Result<std::collections::BTreeMap<_, _>, StoreError>>()?;
    let lateness: Vec<i64> =
        sqlx::query_scalar(LATENESS).bind(tenant.as_str()).bind(FIRED_MAX).fetch_all(pool).await?;
    let next_wake = moment(&counts, 0)?;
    let waiting = count(&counts, 1)?;
    let waited = next_wake.map(|wake| (now.micros() - wake.micros()) / 1_000).filter(|_| waiting > 0);
    Ok(Standing {
        cases: by_state.values().sum(),
        by_state,
        next_wake,
        waiting,
        oldest_waiting_ms: waited,
        fired: lateness.len() as u64,
        lateness_max_ms: lateness.last().map(|micros| micros / 1_000),
        lateness_p50_ms: lateness.get(lateness.len().saturating_sub(1) / 2).map(|micros| micros / 1_000),
        undelivered: count(&counts, 2)?,
        provisional: count(&counts, 3)?,
        unverified: count(&counts, 4)?,
    })
}

/// The rows that held at `$2`, one of each case there was, with what its head says.
const HELD: &str = concat!(
    "(SELECT h.*, c.workflow, c.unverified, c.number FROM cases c CROSS JOIN ",
    held!("$2"),
    " WHERE c.tenant_id = $1) AS held"
);

/// One transaction: what is counted here and listed there is the same, whatever is written meanwhile.
pub(super) async fn roundup(
    pool: &Pool,
    tenant: &TenantId,
    at: Instant,
    day_end: Instant,
) -> Result<Roundup, StoreError> {
    let held = |statement: String| {
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(tenant.as_str().to_owned()).bind(at.micros())
    };
    let stages = held(format!(
        "SELECT workflow, stage, outcome, count(*) FROM {HELD} WHERE NOT unverified
         GROUP BY workflow, stage, outcome ORDER BY workflow, stage, outcome NULLS FIRST"
    ));
    let mut snapshot = begin_snapshot(pool).await?;
    let stages = stages.fetch_all(&mut *snapshot).await?;
    let stages = stages.iter().map(stage_count).collect::<Result<_, StoreError>>()?;
    let departments = held(format!(
        "SELECT department, count(*), count(*) FILTER (WHERE dispatched_at IS NOT NULL),
            count(*) FILTER (WHERE due AND NOT gone),
            count(*) FILTER (WHERE due AND NOT gone AND met_in_time AND stage = 'accepted'),
            count(*) FILTER (WHERE outcome IN ('rectified', 'done')), count(*) FILTER (WHERE due AND gone),
            count(*) FILTER (WHERE enterprise_overdue_from <= $2),
            count(*) FILTER (WHERE regulator_overdue_from <= $2), CAST(sum(late_extensions) AS BIGINT),
            count(*) FILTER (WHERE outcome = 'downgraded' AND dispatched_at IS NOT NULL),
            CAST(sum(supplementary) AS BIGINT), workflow
         FROM (SELECT held.*, coalesce(legal_breach_at <= $3, FALSE) AS due,
                coalesce(outcome IN ('shut_down', 'transferred', 'annulled'), FALSE) AS gone
             FROM {HELD} WHERE NOT unverified) AS counted
         GROUP BY workflow, department ORDER BY workflow, department NULLS FIRST"
    ));
    let departments = departments.bind(day_end.micros()).fetch_all(&mut *snapshot).await?;
    let departments = departments.iter().map(department).collect::<Result<_, StoreError>>()?;
    let unverified = held(format!(
        "SELECT workflow, count(*) FROM {HELD} WHERE unverified GROUP BY workflow ORDER BY workflow"
    ));
    let unverified = unverified.fetch_all(&mut *snapshot).await?;
    let unverified = unverified
        .iter()
        .map(|row| Ok(Unverified { workflow: text(row, 0)?, count: count(row, 1)?, overdue: Vec::new() }));
    let mut unverified = unverified.collect::<Result<Vec<_>, StoreError>>()?;
    let (mut overdue, mut listed) = (Vec::new(), 0);
    for (by, side) in [(OverdueBy::Enterprise, "enterprise"), (OverdueBy::Regulator, "regulator")] {
        let rows = held(format!(
            "SELECT {side}_unit, number, {side}_overdue_from, workflow, unverified, {side}_role FROM {HELD}
             WHERE {side}_overdue_from <= $2
             ORDER BY unverified, workflow, {side}_unit NULLS FIRST, {side}_overdue_from, number LIMIT $3"
        ));
        let rows = rows.bind(i64::try_from(OVERDUE_MAX).unwrap_or(i64::MAX) + 1);
        let rows = rows.fetch_all(&mut *snapshot).await?;
        for row in rows {
            listed += 1;
            if listed > OVERDUE_MAX {
                break;
            }
            let apart: bool = row.try_get(4)?;
            let row = OverdueRow {
                workflow: text(&row, 3)?,
                by,
                role: some_text(&row, 5)?,
                unit: some_text(&row, 0)?,
                number: text(&row, 1)?,
                from: instant(row.try_get(2)?)?,
            };
            if !apart {
                overdue.push(row);
            } else if let Some(of) = unverified.iter_mut().find(|of| of.workflow == row.workflow) {
                of.overdue.push(row);
            }
        }
    }
    snapshot.commit().await?;
    Ok(Roundup { stages, departments, overdue, unverified, overdue_cut: listed > OVERDUE_MAX })
}

fn department(row: &Row) -> Result<DepartmentProgress, StoreError> {
    Ok(DepartmentProgress {
        workflow: text(row, 12)?,
        department: some_text(row, 0)?,
        found: count(row, 1)?,
        dispatched: count(row, 2)?,
        due: count(row, 3)?,
        on_time: count(row, 4)?,
        closed: count(row, 5)?,
        left_out: count(row, 6)?,
        overdue_enterprise: count(row, 7)?,
        overdue_regulator: count(row, 8)?,
        late_extensions: count(row, 9)?,
        downgraded: count(row, 10)?,
        supplementary: count(row, 11)?,
    })
}

/// What is counted must be right: a circular with a stage that is none would leave a case out.
fn stage_count(row: &Row) -> Result<StageCount, StoreError> {
    let row = serde_json::json!({
        "workflow": text(row, 0)?, "stage": text(row, 1)?, "outcome": some_text(row, 2)?, "count": count(row, 3)?,
    });
    let wrong = |error| bad("history", "stage, outcome", &row.to_string(), Wrong::unreadable(error));
    serde_json::from_value(row.clone()).map_err(wrong)
}
