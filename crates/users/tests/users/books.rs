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
