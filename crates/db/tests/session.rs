//! Transactions and reads on a real Postgres.

use std::time::Duration;

use contract::{Bucket, Ctx, Fault};
use db::{Db, Error};
use sqlx::PgPool;

fn ctx() -> Ctx {
    Ctx::background("test", Duration::from_secs(30))
}

async fn count(db: &Db) -> i64 {
    let mut conn = db.read(&ctx(), "count").await.unwrap();
    sqlx::query_scalar("select count(*) from t")
        .fetch_one(&mut *conn)
        .await
        .unwrap()
}

async fn table(pool: PgPool) -> Db {
    sqlx::raw_sql("create table t (n int constraint n_positive check (n > 0))")
        .execute(&pool)
        .await
        .unwrap();
    Db::from_pool(pool)
}

#[sqlx::test(migrations = false)]
async fn what_is_not_committed_never_happened(pool: PgPool) {
    let db = table(pool).await;
    let mut tx = db.write(&ctx(), "insert").await.unwrap();
    sqlx::query("insert into t values (1)")
        .execute(&mut *tx)
        .await
        .unwrap();
    drop(tx);
    assert_eq!(count(&db).await, 0);

    let mut tx = db.shard(Bucket(7)).write(&ctx(), "insert").await.unwrap();
    sqlx::query("insert into t values (1)")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count(&db).await, 1);
}

#[sqlx::test(migrations = false)]
async fn every_visit_is_a_hop(pool: PgPool) {
    let db = table(pool).await;
    let ctx = ctx();
    drop(db.read(&ctx, "find_nothing").await.unwrap());
    db.write(&ctx, "do_nothing")
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
    let seen: Vec<_> = ctx
        .hops()
        .into_iter()
        .map(|hop| (hop.metric, hop.desc))
        .collect();
    assert_eq!(
        seen,
        [
            ("db".to_owned(), "db read shard-1 find_nothing".to_owned()),
            ("db".to_owned(), "db write shard-1 do_nothing".to_owned())
        ]
    );
}

#[sqlx::test(migrations = false)]
async fn a_violated_constraint_is_known_by_name(pool: PgPool) {
    let db = table(pool).await;
    let mut tx = db.write(&ctx(), "insert").await.unwrap();
    let error: Error = sqlx::query("insert into t values (0)")
        .execute(&mut *tx)
        .await
        .unwrap_err()
        .into();
    assert_eq!(error.constraint(), Some("n_positive"));
}

#[sqlx::test(migrations = false)]
async fn a_request_whose_time_is_over_never_reaches_the_database(pool: PgPool) {
    let db = table(pool).await;
    let late = Ctx::background("late", Duration::ZERO);
    assert!(matches!(
        db.read(&late, "count").await,
        Err(Error::DeadlineExceeded)
    ));
    assert!(matches!(
        db.write(&late, "insert").await,
        Err(Error::DeadlineExceeded)
    ));
}

/// What a restart of Postgres does to the pool: one answer may be lost, the next is served.
#[sqlx::test(migrations = false)]
async fn connections_that_died_are_replaced(pool: PgPool) {
    let db = table(pool.clone()).await;
    assert_eq!(count(&db).await, 0);
    let mut killer = pool.acquire().await.unwrap().detach();
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(&mut killer)
    .await
    .unwrap();

    let mut lost = 0;
    loop {
        let read = async {
            let mut conn = db.read(&ctx(), "one").await?;
            Ok::<i32, Error>(sqlx::query_scalar("select 1").fetch_one(&mut *conn).await?)
        };
        match read.await.map_err(Fault::from) {
            Ok(one) => break assert_eq!(one, 1),
            Err(Fault::Unavailable(_)) => lost += 1,
            Err(other) => panic!("a dead connection is a passing fault, not {other}"),
        }
        assert!(lost <= 10, "the pool never recovers");
    }
}
