//! Heads and keys of many callers, and what they are decided by: handed over at once, since each time costs two
//! changes of thread.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use machine::value::TenantId;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Either, Executor as _, Row as _};

use super::query::{head, used};
use super::{Connection, Db, Own, Row, list};
use crate::{Known, Read, Seen, Store, StoreError};

const KNOWN: &str = concat!(
    "SELECT case_id, number, state, last_hash, (SELECT hash FROM acts a WHERE a.tenant_id = c.tenant_id
        AND a.case_id = c.case_id AND a.version = c.version) AS act_hash
     FROM cases c WHERE tenant_id = $1 AND case_id ",
    one_of!("$2"),
    ";
    SELECT key, fingerprint, case_id AS used_case_id, version AS used_version FROM idempotency
     WHERE tenant_id = $1 AND key ",
    one_of!("$3"),
    ";
    SELECT (SELECT organisation_version FROM tenants WHERE tenant_id = $1),
        (SELECT max(sequence) FROM calendars WHERE tenant_id = $1)"
);

pub(super) async fn known(store: &Own, tenant: &TenantId, wanted: &[Read]) -> Result<Seen, StoreError> {
    let ids: Vec<String> = wanted.iter().map(|read| read.case.to_string()).collect();
    let keys: Vec<&String> = wanted.iter().filter_map(|read| read.key.as_ref()).collect();
    let query = sqlx::query(KNOWN).bind(tenant.as_str()).bind(list(&ids)).bind(list(&keys));
    // Whoever writes has what is asked for in memory; the others lose it with every commit.
    let [heads, uses, versions] = match store.write.idle() {
        Some(mut turn) => {
            let answers = answers(turn.connection(), query).await?;
            turn.done();
            answers
        }
        None => answers(&mut *store.read.acquire().await?, query).await?,
    };
    let head = |row: &Row| {
        let id: String = row.try_get("case_id")?;
        Ok((id.clone(), head(&id, row)))
    };
    let heads: HashMap<_, _> = heads.iter().map(head).collect::<Result<_, StoreError>>()?;
    let used = |row: &Row| {
        let key: String = row.try_get("key")?;
        Ok((key.clone(), used(&key, row)))
    };
    let uses: HashMap<_, _> = uses.iter().map(used).collect::<Result<_, StoreError>>()?;
    let known = ids.iter().zip(wanted).map(|(id, read)| Known {
        head: heads.get(id).cloned().transpose(),
        used: read.key.as_ref().and_then(|key| uses.get(key)).cloned().transpose(),
    });
    let known = known.collect();
    let versions = versions.first().ok_or(sqlx::Error::RowNotFound)?;
    let version = |column: usize| {
        Ok::<_, StoreError>(versions.try_get::<Option<i64>, _>(column)?.unwrap_or(0).unsigned_abs())
    };
    Ok(Seen { known, now: store.clock().await?, organisation: version(0)?, calendars: version(1)? })
}

/// The rows of each statement.
async fn answers(
    connection: &mut Connection,
    query: Query<'_, Db, SqliteArguments>,
) -> Result<[Vec<Row>; 3], StoreError> {
    let mut answers: [Vec<Row>; 3] = Default::default();
    let mut place = 0;
    let mut told = connection.fetch_many(query);
    while let Some(next) = told.try_next().await? {
        match (next, answers.get_mut(place)) {
            (Either::Right(row), Some(answer)) => answer.push(row),
            _ => place += 1,
        }
    }
    drop(told);
    Ok(answers)
}
