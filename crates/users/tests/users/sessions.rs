use super::*;

use contract::users::{Identity, SessionToken};

impl World {
    async fn session(&self) -> (User, SessionToken) {
        let ada = self.register("ada@example.test").await.unwrap();
        let logged_in = self.log_in("ada@example.test", PASSWORD).await.unwrap();
        (ada, logged_in.token)
    }

    async fn holder(&self, token: &SessionToken) -> Option<Identity> {
        self.users.authenticate(&ctx(), token).await.unwrap()
    }

    async fn count_sessions(&self) -> i64 {
        sqlx::query_scalar("select count(*) from users.sessions")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

#[sqlx::test]
async fn a_session_knows_its_user(pool: PgPool) {
    let world = World::new(pool);
    let (ada, token) = world.session().await;
    assert_eq!(
        world.holder(&token).await,
        Some(Identity {
            user_id: ada.id,
            email: ada.email,
            name: ada.name,
            staff: false,
        })
    );
}

#[sqlx::test]
async fn logs_nobody_in_after_log_out(pool: PgPool) {
    let world = World::new(pool);
    let (_, token) = world.session().await;
    let other = world.log_in("ada@example.test", PASSWORD).await.unwrap();
    for _ in 0..2 {
        world.users.log_out(&ctx(), &token).await.unwrap();
        assert_eq!(world.holder(&token).await, None);
    }
    assert!(world.holder(&other.token).await.is_some());
}

#[sqlx::test]
async fn a_token_is_stored_hashed(pool: PgPool) {
    let world = World::new(pool);
    let (_, token) = world.session().await;
    let stored: String = sqlx::query_scalar("select s::text from users.sessions s")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.expose())
        .unwrap();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    assert!(!stored.contains(&hex), "{stored}");
    assert!(!stored.contains(token.expose()), "{stored}");
}

#[sqlx::test]
async fn text_that_is_no_token_is_nobodys_and_costs_nothing(pool: PgPool) {
    let world = World::new(pool);
    let ctx = ctx();
    for text in ["", "nobody", "a\0b", "%00", &"A".repeat(34 * 1024)] {
        let token = SessionToken::new(text);
        let holder = world.users.authenticate(&ctx, &token).await.unwrap();
        assert_eq!(holder, None);
        world.users.log_out(&ctx, &token).await.unwrap();
    }
    assert_eq!(ctx.hops(), []);
    assert_eq!(world.holder(&SessionToken::new("A".repeat(34))).await, None);
}

#[sqlx::test]
async fn a_session_ends_when_it_idles(pool: PgPool) {
    let world = World::new(pool);
    let (_, token) = world.session().await;
    for _ in 0..2 {
        world.pass(7 * DAY - SECOND);
        assert!(world.holder(&token).await.is_some());
    }
    world.pass(7 * DAY);
    assert_eq!(world.holder(&token).await, None);
}

#[sqlx::test]
async fn a_session_ends_however_busy_it_is(pool: PgPool) {
    let world = World::new(pool);
    let (_, token) = world.session().await;
    for _ in 0..29 {
        world.pass(DAY);
        assert!(world.holder(&token).await.is_some());
    }
    world.pass(DAY);
    assert_eq!(world.holder(&token).await, None);
}

#[sqlx::test]
async fn notes_its_use_once_a_minute(pool: PgPool) {
    let world = World::new(pool);
    let (_, token) = world.session().await;
    let mut writes = Vec::new();
    for _ in 0..4 {
        world.pass(21 * SECOND);
        let ctx = ctx();
        world.users.authenticate(&ctx, &token).await.unwrap();
        writes.push(ctx.hops().len() - 1);
    }
    assert_eq!(writes, [0, 0, 1, 0]);
}

#[sqlx::test]
async fn expired_sessions_are_deleted_in_batches(pool: PgPool) {
    let world = World::new(pool);
    world.session().await;
    for _ in 0..2 {
        world.log_in("ada@example.test", PASSWORD).await.unwrap();
    }
    world.pass(30 * DAY - SECOND);
    let (_, alive) = {
        let ada = world.log_in("ada@example.test", PASSWORD).await.unwrap();
        (ada.user, ada.token)
    };
    assert_eq!(world.users.expire_sessions(&ctx(), 2).await.unwrap(), 0);

    world.pass(SECOND);
    assert_eq!(world.users.expire_sessions(&ctx(), 2).await.unwrap(), 2);
    assert_eq!(world.users.expire_sessions(&ctx(), 2).await.unwrap(), 1);
    assert_eq!(world.count_sessions().await, 1);
    assert!(world.holder(&alive).await.is_some());
}
