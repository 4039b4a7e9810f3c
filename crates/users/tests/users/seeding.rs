use super::*;

use users::seed::user_id;

#[sqlx::test]
async fn seeds_an_empty_database_once(pool: PgPool) {
    let world = World::new(pool);
    let seen = Mutex::new(Vec::new());
    let progress = |done, total| seen.lock().unwrap().push((done, total));
    assert!(users::seed(&world.db, 1_500, progress).await.unwrap());
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (1_000, 3_002),
            (1_501, 3_002),
            (2_501, 3_002),
            (3_002, 3_002)
        ]
    );
    assert!(!users::seed(&world.db, 2_000, |_, _| ()).await.unwrap());
    assert_eq!(users::audit(&world.db).await.unwrap(), [""; 0]);

    let count: i64 = sqlx::query_scalar("select count(*) from users.users")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(count, 1_501);
}

#[sqlx::test]
async fn seeded_people_are_found_and_log_in(pool: PgPool) {
    let world = World::new(pool);
    users::seed(&world.db, 3, |_, _| ()).await.unwrap();
    let shopper = catalogue::shopper(3);
    let logged_in = world
        .log_in(&shopper.email, catalogue::PASSWORD)
        .await
        .unwrap();
    assert_eq!(
        logged_in.user,
        User {
            id: user_id(3),
            email: shopper.email.parse().unwrap(),
            name: shopper.name.parse().unwrap(),
            staff: false,
            created_at: "2024-01-01T00:00:00.003Z".parse().unwrap(),
        }
    );
    assert!(world.holder_is_staff(catalogue::STAFF_EMAIL).await);
    assert!(!world.holder_is_staff(&shopper.email).await);
}

#[sqlx::test]
async fn registering_goes_before_seeding(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    assert!(!users::seed(&world.db, 3, |_, _| ()).await.unwrap());
}

impl World {
    async fn holder_is_staff(&self, email: &str) -> bool {
        let LoggedIn { token, .. } = self.log_in(email, catalogue::PASSWORD).await.unwrap();
        let holder = self.users.authenticate(&ctx(), &token).await.unwrap();
        holder.unwrap().staff
    }
}
