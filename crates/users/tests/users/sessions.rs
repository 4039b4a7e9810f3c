use super::*;

use contract::users::{Identity, SessionToken};
use users::SessionStore;

/// Each of these runs once for each place in which sessions may live.
macro_rules! in_each_store {
    ($($body:ident),* $(,)?) => {
        mod postgres {
            use super::*;
            $(#[sqlx::test]
            async fn $body(pool: PgPool) {
                super::$body(World::keeping_sessions(pool, SessionStore::Postgres)).await;
            })*
        }
        mod redis {
            use super::*;
            $(#[sqlx::test]
            async fn $body(pool: PgPool) {
                super::$body(World::keeping_sessions(pool, SessionStore::Redis)).await;
            })*
        }
        mod process {
            use super::*;
            $(#[sqlx::test]
            async fn $body(pool: PgPool) {
                super::$body(World::keeping_sessions(pool, SessionStore::Process)).await;
            })*
        }
    };
}

in_each_store!(
    a_session_knows_its_user,
    a_session_knows_its_users_new_name,
    logs_nobody_in_after_log_out,
    text_that_is_no_token_is_nobodys_and_costs_nothing,
    a_session_ends_when_it_idles,
    a_session_ends_however_busy_it_is,
    log_out_everywhere_ends_all_of_one_user_and_of_nobody_else,
);

impl World {
    fn keeping_sessions(pool: PgPool, store: SessionStore) -> World {
        let mut config = Config::default();
        config.session.store = store;
        let redis = (store == SessionStore::Redis).then(testkit::redis);
        World::with(pool, redis, &config)
    }

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

async fn a_session_knows_its_user(world: World) {
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

async fn a_session_knows_its_users_new_name(world: World) {
    let (ada, token) = world.session().await;
    let name: contract::text::PersonName = "Ada L.".parse().unwrap();
    let renamed = world.users.rename(&ctx(), ada.id, name.clone()).await;
    renamed.unwrap();
    assert_eq!(world.holder(&token).await.unwrap().name, name);
}

async fn logs_nobody_in_after_log_out(world: World) {
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
    let hex: String = bytes(&token).iter().map(|b| format!("{b:02x}")).collect();
    assert!(!stored.contains(&hex), "{stored}");
    assert!(!stored.contains(token.expose()), "{stored}");
}

#[sqlx::test]
async fn a_token_is_kept_hashed_in_a_process(pool: PgPool) {
    let world = World::keeping_sessions(pool, SessionStore::Process);
    let (ada, token) = world.session().await;
    let kept = format!("{:?}", world.users);
    assert!(kept.contains(&ada.id.to_string()), "{kept}");
    assert!(!kept.contains(&format!("{:?}", bytes(&token))), "{kept}");
    assert!(!kept.contains(token.expose()), "{kept}");
}

fn bytes(token: &SessionToken) -> Vec<u8> {
    use base64::Engine;
    let decoder = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    decoder.decode(token.expose()).unwrap()
}

#[sqlx::test]
async fn sessions_in_postgres_are_known_to_other_boxes(pool: PgPool) {
    let world = World::keeping_sessions(pool.clone(), SessionStore::Postgres);
    let (_, token) = world.session().await;
    let other = World::keeping_sessions(pool, SessionStore::Postgres);
    assert!(other.holder(&token).await.is_some());
    assert_eq!(world.count_sessions().await, 1);
}

#[sqlx::test]
async fn sessions_in_a_process_are_known_there_alone(pool: PgPool) {
    let world = World::keeping_sessions(pool.clone(), SessionStore::Process);
    let (_, token) = world.session().await;
    let clone = world.users.clone();
    assert!(clone.authenticate(&ctx(), &token).await.unwrap().is_some());
    let other = World::keeping_sessions(pool, SessionStore::Process);
    assert_eq!(other.holder(&token).await, None);
    assert_eq!(world.count_sessions().await, 0);
}

async fn text_that_is_no_token_is_nobodys_and_costs_nothing(world: World) {
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

async fn a_session_ends_when_it_idles(world: World) {
    let (_, token) = world.session().await;
    for _ in 0..2 {
        world.pass(7 * DAY - SECOND);
        assert!(world.holder(&token).await.is_some());
    }
    world.pass(7 * DAY);
    assert_eq!(world.holder(&token).await, None);
}

async fn a_session_ends_however_busy_it_is(world: World) {
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

async fn log_out_everywhere_ends_all_of_one_user_and_of_nobody_else(world: World) {
    let (ada, first) = world.session().await;
    let second = world.log_in("ada@example.test", PASSWORD).await.unwrap();
    world.register("bob@example.test").await.unwrap();
    let bob = world.log_in("bob@example.test", PASSWORD).await.unwrap();
    for _ in 0..2 {
        world
            .users
            .log_out_everywhere(&ctx(), ada.id)
            .await
            .unwrap();
        assert_eq!(world.holder(&first).await, None);
        assert_eq!(world.holder(&second.token).await, None);
    }
    assert!(world.holder(&bob.token).await.is_some());
    let again = world.log_in("ada@example.test", PASSWORD).await.unwrap();
    assert!(world.holder(&again.token).await.is_some());
}

#[sqlx::test]
async fn expired_sessions_in_postgres_are_deleted_in_batches(pool: PgPool) {
    expired_sessions_are_deleted_in_batches(World::new(pool)).await;
}

#[sqlx::test]
async fn expired_sessions_in_a_process_are_deleted_in_batches(pool: PgPool) {
    let world = World::keeping_sessions(pool, SessionStore::Process);
    expired_sessions_are_deleted_in_batches(world).await;
}

async fn expired_sessions_are_deleted_in_batches(world: World) {
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
    assert_eq!(world.users.expire_sessions(&ctx(), 2).await.unwrap(), 0);
    assert!(world.holder(&alive).await.is_some());
}
