use super::*;

#[sqlx::test]
async fn logs_in_with_the_right_password_only(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("ada@example.test").await.unwrap();
    let logged_in = world.log_in("ada@example.test", PASSWORD).await.unwrap();
    assert_eq!(logged_in.user, ada);
    assert_eq!(logged_in.expires_at, world.now() + 30 * DAY);

    let wrong = world.log_in("ada@example.test", "wrong horse").await;
    assert!(
        matches!(wrong, Err(UsersError::WrongCredentials)),
        "{wrong:?}"
    );
}

/// Hops are the work that costs time, and they are shown to clients.
#[sqlx::test]
async fn an_unknown_email_costs_the_same(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    let mut work = Vec::new();
    for email in ["ada@example.test", "nobody@example.test"] {
        let ctx = ctx();
        let refused = world
            .users
            .log_in(&ctx, credentials(email, "wrong horse"), CLIENT)
            .await;
        assert!(
            matches!(refused, Err(UsersError::WrongCredentials)),
            "{refused:?}"
        );
        let hops = ctx.hops().into_iter().map(|hop| (hop.metric, hop.desc));
        work.push(hops.collect::<Vec<_>>());
    }
    let hash = ("users".to_owned(), "hash password".to_owned());
    assert!(work[0].contains(&hash), "{work:?}");
    assert_eq!(work[0], work[1]);
}

#[sqlx::test]
async fn refuses_the_sixth_attempt(pool: PgPool) {
    let mut config = Config::default();
    // So slow a refill that no slow machine lets a seventh through.
    config.log_in.account_and_client.per_minute = std::num::NonZeroU32::MIN;
    let world = World::configured(pool, &config);
    world.register("ada@example.test").await.unwrap();
    for _ in 0..5 {
        let wrong = world.log_in("ada@example.test", "wrong horse").await;
        assert!(
            matches!(wrong, Err(UsersError::WrongCredentials)),
            "{wrong:?}"
        );
    }
    let ctx = ctx();
    let credentials = credentials("ada@example.test", PASSWORD);
    let refused = world.users.log_in(&ctx, credentials, CLIENT).await;
    let Err(UsersError::TooManyAttempts { retry_after }) = refused else {
        panic!("{refused:?}");
    };
    assert!((1..=60).contains(&retry_after), "{retry_after}");
    assert_eq!(ctx.hops(), [], "refusing costs nothing");

    world.register("bob@example.test").await.unwrap();
    world.log_in("bob@example.test", PASSWORD).await.unwrap();
}

#[sqlx::test]
async fn a_client_that_tries_everybody_is_refused(pool: PgPool) {
    let mut config = Config::default();
    config.log_in.client = cache::Rate::new(1, 1);
    let world = World::configured(pool, &config);
    let first = world.log_in("ada@example.test", PASSWORD).await;
    assert!(
        matches!(first, Err(UsersError::WrongCredentials)),
        "{first:?}"
    );
    let second = world.log_in("bob@example.test", PASSWORD).await;
    assert!(
        matches!(second, Err(UsersError::TooManyAttempts { .. })),
        "{second:?}"
    );
    let elsewhere = "192.0.2.1".parse().unwrap();
    let other = world
        .users
        .log_in(&ctx(), credentials("bob@example.test", PASSWORD), elsewhere)
        .await;
    assert!(
        matches!(other, Err(UsersError::WrongCredentials)),
        "{other:?}"
    );
}
