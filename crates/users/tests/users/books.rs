use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::*;

impl World {
    async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    async fn findings(&self) -> Vec<String> {
        users::audit(&self.db).await.unwrap()
    }
}

#[sqlx::test]
async fn books_of_a_healthy_domain_are_clean(pool: PgPool) {
    let world = World::new(pool);
    assert_eq!(world.findings().await, [""; 0]);
    world.register("ada@example.test").await.unwrap();
    world.log_in("ada@example.test", PASSWORD).await.unwrap();
    assert_eq!(world.findings().await, [""; 0]);
}

#[sqlx::test]
async fn finds_a_claim_and_a_session_without_their_user(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("ada@example.test").await.unwrap();
    world.log_in("ada@example.test", PASSWORD).await.unwrap();
    world.run("delete from users.users").await;
    let id = ada.id;
    assert_eq!(
        world.findings().await,
        [
            format!("1 sessions of user {id}, who is not there"),
            format!("ada@example.test is claimed by user {id}, who is not there"),
        ]
    );

    world.run("delete from users.sessions").await;
    world
        .run("update users.emails set created_at = now()")
        .await;
    assert_eq!(world.findings().await, [""; 0], "he may still come");
}

#[sqlx::test]
async fn finds_a_user_without_his_claim(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("ada@example.test").await.unwrap();
    world.run("delete from users.emails").await;
    let finding = format!("user {} has no claim on ada@example.test", ada.id);
    assert_eq!(world.findings().await, [finding]);
}

/// Whole tables take longer to read than a request may take.
#[sqlx::test]
async fn an_audit_outlasts_the_limit_of_a_statement(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let limited = options.clone().options([("statement_timeout", "200ms")]);
    let db = Db::from_pool(pool.connect_with(limited).await.unwrap());
    let watch = PgPool::connect_with(options).await.unwrap();
    let mut jam = watch.begin().await.unwrap();
    sqlx::raw_sql("lock table users.emails")
        .execute(&mut *jam)
        .await
        .unwrap();
    let audit = tokio::spawn(async move { users::audit(&db).await });
    let outlasted = "select exists (select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'
         and clock_timestamp() - query_start > interval '400 ms')";
    while !sqlx::query_scalar::<_, bool>(outlasted)
        .fetch_one(&watch)
        .await
        .unwrap()
    {
        assert!(!audit.is_finished(), "{:?}", audit.await);
    }
    jam.rollback().await.unwrap();
    assert_eq!(audit.await.unwrap().unwrap(), [""; 0]);
}
