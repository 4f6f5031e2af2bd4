//! Heads and keys of many callers, and what they are decided by: lookups by their keys, of one moment.

use machine::value::TenantId;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Row, params};

use super::Own;
use super::writer::{blocking, prepared};
use crate::known::{self, Columns};
use crate::{Known, Read, Seen, Store, StoreError, Wrong};

/// An outer join is walked in the order it is written in.
const KNOWN: &str = "SELECT c.case_id, c.number, c.state, c.last_hash,
        (SELECT hash FROM acts a WHERE a.tenant_id = c.tenant_id AND a.case_id = c.case_id
            AND a.version = c.version) AS act_hash,
        i.key, i.fingerprint, i.case_id AS used_case_id, i.version AS used_version
     FROM (SELECT 1) LEFT JOIN cases c ON c.tenant_id = ?1 AND c.case_id = ?2
        LEFT JOIN idempotency i ON i.tenant_id = ?1 AND i.key = ?3";

const VERSIONS: &str = "SELECT (SELECT organisation_version FROM tenants WHERE tenant_id = ?1),
        (SELECT max(sequence) FROM calendars WHERE tenant_id = ?1)";

pub(super) async fn known(store: &Own, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError> {
    let (writer, tenant, wanted) = (store.write.clone(), tenant.clone(), wanted.to_vec());
    let (organisation, calendars, known) =
        blocking(move || writer.read(|connection| of_one_moment(connection, &tenant, &wanted))).await?;
    Ok(Seen { known, now: store.clock().await?, organisation, calendars })
}

fn of_one_moment(
    connection: &mut Connection,
    tenant: &TenantId,
    wanted: &[Read],
) -> Result<(u64, u64, Vec<Known>), StoreError> {
    let snapshot = connection.transaction()?;
    let number = |number: Option<i64>| number.unwrap_or(0).unsigned_abs();
    let mut versions = prepared(&snapshot, VERSIONS)?;
    let versions: (Option<i64>, Option<i64>) =
        versions.query_row([tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut of_case = prepared(&snapshot, KNOWN)?;
    let known = wanted.iter().map(|Read { case, key }| {
        let asked = params![tenant.as_str(), case.to_string(), key];
        of_case.query_row(asked, |row| Ok(known::known(&Found(row))))
    });
    Ok((number(versions.0), number(versions.1), known.collect::<Result<_, _>>()?))
}

struct Found<'a>(&'a Row<'a>);

impl Columns for Found<'_> {
    fn text(&self, column: &'static str) -> Result<Option<&str>, Wrong> {
        let cell = self.0.get_ref(column).map_err(Wrong::unreadable)?;
        cell.as_str_or_null().map_err(Wrong::unreadable)
    }

    fn int(&self, column: &'static str) -> Result<Option<i64>, Wrong> {
        let cell = self.0.get_ref(column).map_err(Wrong::unreadable)?;
        FromSql::column_result(cell).map_err(Wrong::unreadable)
    }
}
