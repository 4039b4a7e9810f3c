use super::*;

#[sqlx::test]
async fn opens_an_account(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("Ada@Example.test").await.unwrap();
    assert_eq!(
        ada,
        User {
            id: ada.id,
            email: "ada@example.test".parse().unwrap(),
            name: "Ada".parse().unwrap(),
            staff: false,
            created_at: world.now(),
        }
    );
    let found = world.users.user(&ctx(), ada.id).await.unwrap();
    assert_eq!(found, Some(ada));
}

#[sqlx::test]
async fn registering_twice_under_one_id_is_registering_once(pool: PgPool) {
    let world = World::new(pool);
    let id = UserId::new();
    let register = async || {
        let new = new_user("ada@example.test");
        world.users.register(&ctx(), id, new).await
    };
    let first = register().await.unwrap();
    world.pass(MINUTE);
    assert_eq!(register().await.unwrap(), first);
}

#[sqlx::test]
async fn an_address_has_one_account(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    for _ in 0..2 {
        let second = world.register("ADA@example.test").await;
        assert!(matches!(second, Err(UsersError::EmailTaken)), "{second:?}");
        world.pass(DAY);
    }
}

#[sqlx::test]
async fn of_many_at_once_one_gets_the_address(pool: PgPool) {
    let world = World::new(pool);
    let attempts = futures::future::join_all((0..8).map(|_| world.register("ada@example.test")));
    let (opened, refused): (Vec<_>, Vec<_>) = attempts.await.into_iter().partition(Result::is_ok);
    assert_eq!((opened.len(), refused.len()), (1, 7));
    for error in refused {
        assert!(matches!(error, Err(UsersError::EmailTaken)), "{error:?}");
    }
}

#[sqlx::test]
async fn a_claim_whose_user_never_came_is_taken_over_after_a_minute(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    // As after a crash between the two steps.
    sqlx::query("delete from users.users")
        .execute(&world.pool)
        .await
        .unwrap();

    world.pass(MINUTE);
    let early = world.register("ada@example.test").await;
    assert!(matches!(early, Err(UsersError::EmailTaken)), "{early:?}");

    world.pass(SECOND);
    world.register("ada@example.test").await.unwrap();
    world.log_in("ada@example.test", PASSWORD).await.unwrap();
}

#[sqlx::test]
async fn an_id_chosen_for_two_accounts_is_a_bug_and_blocks_no_address(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("ada@example.test").await.unwrap();
    let bob = world
        .users
        .register(&ctx(), ada.id, new_user("bob@example.test"))
        .await;
    assert!(matches!(bob, Err(UsersError::Fault(_))), "{bob:?}");

    world.pass(2 * MINUTE);
    world.register("bob@example.test").await.unwrap();
}

#[sqlx::test]
async fn refuses_a_short_password(pool: PgPool) {
    let world = World::new(pool);
    let new = NewUser {
        password: password("ünsafe!"),
        ..new_user("ada@example.test")
    };
    let short = world.users.register(&ctx(), UserId::new(), new).await;
    assert!(
        matches!(short, Err(UsersError::PasswordTooShort)),
        "{short:?}"
    );
}

#[sqlx::test]
async fn renames(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("ada@example.test").await.unwrap();
    let name: contract::text::PersonName = "Ada L.".parse().unwrap();
    let renamed = world.users.rename(&ctx(), ada.id, name.clone()).await;
    assert_eq!(
        renamed.unwrap(),
        User {
            name: name.clone(),
            ..ada
        }
    );

    let nobody = world.users.rename(&ctx(), UserId::new(), name).await;
    assert!(matches!(nobody, Err(UsersError::NoSuchUser)), "{nobody:?}");
}

#[sqlx::test]
async fn keeps_no_password(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    let kept: String = sqlx::query_scalar("select password_hash from users.users")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
}
