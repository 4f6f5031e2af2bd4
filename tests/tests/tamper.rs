//! I6: whatever is changed in the acts behind our back, `verify` names the act.

use std::collections::BTreeSet;

use engine::verify::verify;
use machine::Command as Wish;
use tests::{County, clerk, county, open_hazard, raw, request};

/// One case with 200 acts.
async fn long_case() -> County {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    let receipt = open_hazard(&county.engine, "long", "2026-12-18").await;
    for index in 2..=200 {
        let text = format!("remark {index}");
        let wish = Wish::Comment { text };
        county.engine.execute(request(receipt.case, wish, clerk(), None)).await.expect("recorded");
    }
    county
}

async fn named(county: &County) -> Vec<i64> {
    let engine = &county.engine;
    let report = verify(engine.store(), engine.tenant(), engine.catalog()).await.expect("verified");
    report.faults.iter().map(|fault| fault.version).collect()
}

/// Cases of two acts each. One byte is flipped in all of them at once, so that one run of
/// `verify` judges ten changes.
const CASES: usize = 10;

async fn many_cases() -> County {
    let county = county("2026-09-01", "workflows/general-hazard.yaml").await;
    for index in 0..CASES {
        let receipt = open_hazard(&county.engine, &format!("flip-{index}"), "2026-12-18").await;
        let wish = Wish::Comment { text: format!("remark {index}") };
        county.engine.execute(request(receipt.case, wish, clerk(), None)).await.expect("recorded");
    }
    county
}

/// A column of an act: its row, its case, its bytes.
type Cell = (i64, String, Vec<u8>);

#[tokio::test]
async fn every_flipped_byte_of_every_column_is_named() {
    let county = many_cases().await;
    assert!(named(&county).await.is_empty());
    let pool = raw(&county.path).await;
    let mut flips = 0;
    for version in [1_i64, 2] {
        for column in ["tenant_id", "case_id", "name", "person_id", "algorithm", "body", "hash"] {
            let select = format!(
                "SELECT rowid, case_id, CAST({column} AS BLOB) FROM acts WHERE version = $1 ORDER BY rowid"
            );
            let cells: Vec<Cell> = sqlx::query_as(sqlx::AssertSqlSafe(select))
                .bind(version)
                .fetch_all(&pool)
                .await
                .expect("read");
            assert_eq!(cells.len(), CASES);
            let longest = cells.iter().map(|(_, _, bytes)| bytes.len()).max().expect("some");
            for position in 0..longest {
                let hit: Vec<&Cell> = cells.iter().filter(|(_, _, bytes)| bytes.len() > position).collect();
                set(&pool, column, &hit, Some(position)).await;
                let found = faults(&county).await;
                for (_, case, _) in &hit {
                    let named = found.contains(&(case.clone(), version));
                    assert!(named, "{column} of act {version} of {case}, byte {position}");
                    flips += 1;
                }
                set(&pool, column, &hit, None).await;
            }
        }
        for column in ["at", "version"] {
            let change = |sign: &str, at: i64| {
                format!("UPDATE acts SET {column} = {column} {sign} 1000 WHERE version = {at}")
            };
            sqlx::query(sqlx::AssertSqlSafe(change("+", version))).execute(&pool).await.expect("changed");
            let found = faults(&county).await;
            assert_eq!(found.iter().filter(|(_, named)| *named == version).count(), CASES, "{column}");
            let moved = if column == "version" { version + 1000 } else { version };
            sqlx::query(sqlx::AssertSqlSafe(change("-", moved))).execute(&pool).await.expect("changed");
        }
    }
    assert!(named(&county).await.is_empty(), "everything was put back");
    println!("{flips} bytes flipped in {} acts, each named", 2 * CASES);
}

async fn faults(county: &County) -> BTreeSet<(String, i64)> {
    let engine = &county.engine;
    let report = verify(engine.store(), engine.tenant(), engine.catalog()).await.expect("verified");
    report.faults.into_iter().map(|fault| (fault.case, fault.version)).collect()
}

/// Writes the cells as they were, or with the lowest bit of one byte flipped.
async fn set(pool: &sqlx::SqlitePool, column: &str, cells: &[&Cell], flip: Option<usize>) {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.expect("begun");
    let change = format!("UPDATE acts SET {column} = CAST($2 AS TEXT) WHERE rowid = $1");
    for (rowid, _, bytes) in cells {
        let mut bytes = bytes.clone();
        if let Some(position) = flip {
            bytes[position] ^= 0x01;
        }
        let query = sqlx::query(sqlx::AssertSqlSafe(change.clone())).bind(rowid).bind(bytes);
        query.execute(&mut *transaction).await.expect("changed");
    }
    transaction.commit().await.expect("committed");
}

#[tokio::test]
async fn acts_swapped_deleted_or_inserted_are_named() {
    let county = long_case().await;
    let pool = raw(&county.path).await;
    for version in [1_i64, 2, 57, 199] {
        for (from, to) in [(version, -1), (version + 1, version), (-1, version + 1)] {
            renumber(&pool, from, to).await;
        }
        let found = named(&county).await;
        assert!(found.contains(&version) && found.contains(&(version + 1)), "swapped {version}: {found:?}");
        for (from, to) in [(version, -1), (version + 1, version), (-1, version + 1)] {
            renumber(&pool, from, to).await;
        }
        assert!(named(&county).await.is_empty());
    }
    for version in [1_i64, 100, 200] {
        renumber(&pool, version, -version).await;
        sqlx::query("CREATE TABLE aside AS SELECT * FROM acts WHERE version < 0")
            .execute(&pool)
            .await
            .expect("kept");
        sqlx::query("DELETE FROM acts WHERE version < 0").execute(&pool).await.expect("deleted");
        let found = named(&county).await;
        assert!(found.contains(&version), "deleted {version}: {found:?}");
        sqlx::query("INSERT INTO acts SELECT * FROM aside").execute(&pool).await.expect("back");
        sqlx::query("DROP TABLE aside").execute(&pool).await.expect("dropped");
        renumber(&pool, -version, version).await;
    }
    sqlx::query("INSERT INTO acts SELECT tenant_id, case_id, 201, at, name, person_id, algorithm, body, hash FROM acts WHERE version = 200")
        .execute(&pool)
        .await
        .expect("inserted");
    assert!(named(&county).await.contains(&201), "an act beyond the head");
}

async fn renumber(pool: &sqlx::SqlitePool, from: i64, to: i64) {
    let done = sqlx::query("UPDATE acts SET version = $2 WHERE version = $1")
        .bind(from)
        .bind(to)
        .execute(pool)
        .await
        .expect("changed");
    assert_eq!(done.rows_affected(), 1);
}
