//! I6: whatever is changed in the acts behind our back, `verify` names the act.

use engine::verify::verify;
use machine::Command as Wish;
use sqlx::Row;
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

#[tokio::test]
async fn every_flipped_byte_of_every_column_is_named() {
    let county = long_case().await;
    assert!(named(&county).await.is_empty());
    let pool = raw(&county.path).await;
    let columns = ["name", "person_id", "algorithm", "body", "hash"];
    let mut flips = 0;
    for column in columns {
        // Every byte of the first, one in the middle and the last act; one byte of each of the others.
        for version in 1..=200_i64 {
            let select = format!("SELECT CAST({column} AS BLOB) FROM acts WHERE version = $1");
            let whole: Vec<u8> = sqlx::query(sqlx::AssertSqlSafe(select))
                .bind(version)
                .fetch_one(&pool)
                .await
                .expect("row")
                .get(0);
            let positions: Vec<usize> = match version {
                1 | 100 | 200 => (0..whole.len()).collect(),
                other => vec![usize::try_from(other).expect("small") % whole.len()],
            };
            for position in positions {
                let mut bytes = whole.clone();
                bytes[position] ^= 0x01;
                set(&pool, column, version, &bytes).await;
                let found = named(&county).await;
                assert!(found.contains(&version), "{column} of act {version}, byte {position}: {found:?}");
                flips += 1;
                set(&pool, column, version, &whole).await;
            }
        }
    }
    for column in ["at", "version"] {
        for version in 1..=200_i64 {
            let change = format!("UPDATE acts SET {column} = {column} + 1000 WHERE version = $1");
            sqlx::query(sqlx::AssertSqlSafe(change)).bind(version).execute(&pool).await.expect("changed");
            assert!(named(&county).await.contains(&version), "{column} of act {version}");
            flips += 1;
            let back = format!(
                "UPDATE acts SET {column} = {column} - 1000 WHERE version = $1 OR version = $1 + 1000"
            );
            let back = if column == "at" {
                back.replace(" OR version = $1 + 1000", "")
            } else {
                back.replace("version = $1 OR ", "")
            };
            sqlx::query(sqlx::AssertSqlSafe(back)).bind(version).execute(&pool).await.expect("changed");
        }
    }
    assert!(named(&county).await.is_empty(), "everything was put back");
    println!("{flips} changes, each named");
}

async fn set(pool: &sqlx::SqlitePool, column: &str, version: i64, bytes: &[u8]) {
    let change = format!("UPDATE acts SET {column} = CAST($2 AS TEXT) WHERE version = $1");
    sqlx::query(sqlx::AssertSqlSafe(change)).bind(version).bind(bytes).execute(pool).await.expect("changed");
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
