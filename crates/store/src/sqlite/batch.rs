//! Batches: one transaction each, row by row, on one thread.

use std::collections::HashMap;
use std::sync::LazyLock;

use machine::value::TenantId;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ToSql, Transaction, TransactionBehavior, params, params_from_iter};

use super::Writing;
use super::commit::{Batch, Fate, Written};
use super::write::{Also, Rows, head, rows};
use super::writer::{blocking, prepared};
use crate::cells::{Cell, Cells};
use crate::table::{CASES, HEAD_FIXED, TABLES, Table};
use crate::{StoreError, rows_affected};

/// Commits a batch. What is written is put together before its turn comes.
pub(super) async fn commit_batch(
    writer: &Writing,
    tenant: &TenantId,
    batch: &Batch,
) -> Result<Vec<Fate>, StoreError> {
    let (writer, tenant, batch) = (writer.clone(), tenant.clone(), batch.clone());
    blocking(move || {
        let written = batch.written();
        let (heads, all) = (written.iter().map(head).collect::<Vec<_>>(), rows(&written));
        writer.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let to = To { transaction: &transaction, tenant: tenant.as_str() };
            let won = to.write_heads(&written, &heads)?;
            let fates = batch.fates(won.iter().copied());
            if fates.contains(&Fate::Torn) {
                transaction.rollback()?;
                return Ok(fates);
            }
            if won.contains(&false) {
                let mut won = won.into_iter();
                let winners: Vec<_> =
                    batch.written().into_iter().filter(|_| won.next() == Some(true)).collect();
                to.write_rows(&rows(&winners))?;
            } else {
                to.write_rows(&all)?;
            }
            transaction.commit()?;
            Ok(fates)
        })
    })
    .await
}

/// Where a batch is written to.
struct To<'a> {
    transaction: &'a Transaction<'a>,
    tenant: &'a str,
}

impl To<'_> {
    /// Writes the heads whose version is still the one decided on. Gives which of them won.
    fn write_heads(&self, written: &[Written<'_>], heads: &[Cells<'_>]) -> Result<Vec<bool>, StoreError> {
        let (mut opens, mut moves) =
            (prepared(self.transaction, &OPENING)?, prepared(self.transaction, &MOVING)?);
        let mut entrusts = prepared(self.transaction, ENTRUSTING)?;
        let mut won = Vec::with_capacity(heads.len());
        for (Written { change, case }, head) in written.iter().zip(heads) {
            let cells = head.iter().map(|(_, cell)| cell as &dyn ToSql);
            let cells = [&self.tenant as &dyn ToSql].into_iter().chain(cells);
            let wrote = match change.expected_version {
                0 => opens.execute(params_from_iter(cells))?,
                ref expected => moves.execute(params_from_iter(cells.chain([expected as &dyn ToSql])))?,
            };
            won.push(wrote == 1);
            if wrote == 1 && change.expected_version > 0 {
                let enterprise = head.iter().find(|(name, _)| *name == ENTERPRISE).map(|(_, cell)| cell);
                entrusts.execute(params![self.tenant, case, enterprise])?;
            }
        }
        Ok(won)
    }

    /// Everything that goes with heads. Of an insertion all rows arrive, or it fails.
    fn write_rows(&self, (also, rows): &(Also<'_>, Vec<Rows<'_>>)) -> Result<(), StoreError> {
        for (cases, statement) in [(&also.discharged, DISCHARGED), (&also.renamed, RENAMED)] {
            if cases.is_empty() {
                continue;
            }
            let mut statement = prepared(self.transaction, statement)?;
            for case in cases {
                statement.execute([self.tenant, case])?;
            }
        }
        for (table, rows) in rows {
            let mut insertion = prepared(self.transaction, &INSERTIONS[table.name])?;
            for row in rows {
                let cells = row.iter().map(|(_, cell)| cell as &dyn ToSql);
                let cells = [&self.tenant as &dyn ToSql].into_iter().chain(cells);
                rows_affected(table.name, 1, insertion.execute(params_from_iter(cells))? as u64)?;
            }
        }
        Ok(())
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Cell::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Cell::Int(value) => ToSqlOutput::from(*value),
            Cell::Flag(value) => ToSqlOutput::from(*value),
            Cell::Text(value) => ToSqlOutput::from(value.as_ref()),
        })
    }
}

/// Inserts a row: its tenant at the first place, then its columns.
static INSERTIONS: LazyLock<HashMap<&str, String>> =
    LazyLock::new(|| TABLES.iter().map(|table| (table.name, insertion(table))).collect());

fn insertion(table: &Table) -> String {
    let places: Vec<String> = (1..=table.columns.len() + 1).map(|place| format!("?{place}")).collect();
    format!("INSERT INTO {} (tenant_id, {}) VALUES ({})", table.name, table.names(), places.join(", "))
}

/// Inserts a head.
static OPENING: LazyLock<String> =
    LazyLock::new(|| insertion(&CASES) + " ON CONFLICT (tenant_id, case_id) DO NOTHING");

/// Moves a head, bound like a row; after it the version it was decided on. All but its enterprise: a column that is
/// set is taken out of its indexes and put in again, also where it says what it said.
static MOVING: LazyLock<String> = LazyLock::new(|| {
    let columns = CASES.columns.iter().map(|(name, _)| *name).zip(2..);
    let set = columns.filter(|(name, _)| !HEAD_FIXED.contains(name) && *name != ENTERPRISE);
    let set: Vec<String> = set.map(|(name, place)| format!("{name} = ?{place}")).collect();
    format!(
        "UPDATE cases SET {} WHERE tenant_id = ?1 AND case_id = ?2 AND version = ?{}",
        set.join(", "),
        CASES.columns.len() + 2
    )
});

/// The column that seldom changes.
const ENTERPRISE: &str = "enterprise";

/// Sets the enterprise of a head that was moved.
const ENTRUSTING: &str =
    "UPDATE cases SET enterprise = ?3 WHERE tenant_id = ?1 AND case_id = ?2 AND enterprise IS NOT ?3";

const DISCHARGED: &str = "DELETE FROM obligations WHERE tenant_id = ?1 AND case_id = ?2";

const RENAMED: &str = "DELETE FROM texts WHERE tenant_id = ?1 AND case_id = ?2";
