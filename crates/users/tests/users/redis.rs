//! What is particular about sessions in Redis: they take over those in Postgres, and may be away.

use super::*;

use contract::Fault;
use contract::users::SessionToken;
use futures::future::join_all;
use users::SessionStore;

impl World {
    /// Another box on the same data, which has learned of Redis.
    fn next_stage(&self) -> World {
        World::with(self.pool.clone(), Some(testkit::redis()), &in_redis())
    }

    async fn knows(&self, token: &SessionToken) -> bool {
        let holder = self.users.authenticate(&ctx(), token).await;
        holder.unwrap().is_some()
    }

    async fn in_postgres(&self) -> i64 {
        sqlx::query_scalar("select count(*) from users.sessions")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The keys of this test, with what is under them, as text.
    async fn in_redis(&self) -> String {
        let redis = &self.redis.as_ref().unwrap().sessions;
        let keys: Vec<String> = redis
            .ask("test", ::redis::cmd("KEYS").arg(redis.key("session*")))
            .await
            .unwrap();
        let mut text = String::new();
        let is_one = |key: &&String| key.contains("session:") && !key.contains(":ended:");
        for key in keys.iter().filter(is_one) {
            let fields: Vec<String> = redis
                .ask("test", ::redis::cmd("HGETALL").arg(key))
                .await
                .unwrap();
            text += &format!("{key} {fields:?}\n");
        }
        text
    }
}

fn in_redis() -> Config {
    let mut config = Config::default();
    config.session.store = SessionStore::Redis;
    config
}

/// Somebody who logged in before there was a Redis, on a clock that both stages share.
async fn logged_in_before(pool: PgPool) -> (World, SessionToken) {
    let world = World::new(pool);
    *world.now.lock().unwrap() = Utc::now().trunc_subsecs(3);
    world.register("ada@example.test").await.unwrap();
    let ada = world.log_in("ada@example.test", PASSWORD).await.unwrap();
    (world, ada.token)
}

#[sqlx::test]
async fn who_logged_in_before_redis_came_stays_logged_in(pool: PgPool) {
    let (before, token) = logged_in_before(pool).await;
    let after = before.next_stage();
    assert!(after.knows(&token).await);
    assert_eq!(before.in_postgres().await, 0);
    // From there, without a query, and for as long as it would have lived.
    after.users.feed().pass().await.unwrap();
    assert!(after.knows(&token).await);
    let ctx = ctx();
    after.users.authenticate(&ctx, &token).await.unwrap();
    assert!(ctx.hops().iter().all(|hop| hop.metric == "cache"));
    after.pass(7 * DAY);
    assert!(!after.knows(&token).await);
}

#[sqlx::test]
async fn log_out_ends_a_session_that_was_not_moved_yet(pool: PgPool) {
    let (before, token) = logged_in_before(pool).await;
    let after = before.next_stage();
    after.users.log_out(&ctx(), &token).await.unwrap();
    assert!(!after.knows(&token).await && !before.knows(&token).await);
}

#[sqlx::test]
async fn log_out_everywhere_ends_those_that_were_not_moved_yet(pool: PgPool) {
    let (before, token) = logged_in_before(pool).await;
    let after = before.next_stage();
    let ada = after.log_in("ada@example.test", PASSWORD).await.unwrap();
    after
        .users
        .log_out_everywhere(&ctx(), ada.user.id)
        .await
        .unwrap();
    assert!(!after.knows(&token).await && !after.knows(&ada.token).await);
}

/// Its move was under way when it was ended, and comes late: Postgres has taken the row back.
#[sqlx::test]
async fn a_move_that_comes_after_the_log_out_brings_nothing_back(pool: PgPool) {
    let (before, token) = logged_in_before(pool).await;
    let other = before.log_in("ada@example.test", PASSWORD).await.unwrap();
    sqlx::raw_sql("create table moved as select * from users.sessions")
        .execute(&before.pool)
        .await
        .unwrap();
    let after = before.next_stage();
    let take_back = async || {
        let rows = "insert into users.sessions select * from moved on conflict do nothing";
        sqlx::raw_sql(rows).execute(&before.pool).await.unwrap();
    };
    let (ctx, ada) = (ctx(), other.user.id);
    after.users.log_out(&ctx, &token).await.unwrap();
    take_back().await;
    assert!(!after.knows(&token).await);

    after.users.log_out_everywhere(&ctx, ada).await.unwrap();
    take_back().await;
    assert!(!after.knows(&other.token).await);
    // One that began after that is none of those, wherever it began.
    before.pass(MINUTE);
    let new = before.log_in("ada@example.test", PASSWORD).await.unwrap();
    assert!(after.knows(&new.token).await);
}

#[sqlx::test]
async fn log_out_ends_it_in_redis_also_without_postgres(pool: PgPool) {
    let world = World::with(pool, Some(testkit::redis()), &in_redis());
    let ada = world.register("ada@example.test").await.unwrap();
    let logged_in = world.log_in("ada@example.test", PASSWORD).await.unwrap();
    world.pool.close().await;
    // Nobody says that it is over: it might be in Postgres.
    assert!(world.users.log_out(&ctx(), &logged_in.token).await.is_err());
    assert_eq!(world.in_redis().await, "", "of {}", ada.id);
}

/// Two boxes move it while a third ends it: whatever comes first, it is over.
#[sqlx::test]
async fn a_session_that_is_being_moved_does_not_survive_its_log_out(pool: PgPool) {
    let (before, _) = logged_in_before(pool).await;
    let after = before.next_stage();
    let other = World::with(before.pool.clone(), after.redis.clone(), &in_redis());
    for round in 0..30 {
        let credentials = credentials("ada@example.test", PASSWORD);
        let from = IpAddr::V4(Ipv4Addr::new(10, 0, 0, round));
        let token = match before.users.log_in(&ctx(), credentials, from).await {
            Ok(logged_in) => logged_in.token,
            Err(UsersError::TooManyAttempts { .. }) => {
                assert!(round > 20, "too few rounds to show anything");
                break;
            }
            Err(error) => panic!("{error}"),
        };
        let moving = [&after, &other].map(|world| world.knows(&token));
        let ended = async {
            tokio::time::sleep(Duration::from_micros(u64::from(round) * 100)).await;
            other.users.log_out(&ctx(), &token).await.unwrap();
        };
        tokio::join!(join_all(moving), ended);
        assert!(!after.knows(&token).await, "round {round}");
        assert_eq!(
            before.in_postgres().await,
            1,
            "round {round}: the first one's"
        );
    }
}

#[sqlx::test]
async fn all_who_come_with_it_at_once_are_known(pool: PgPool) {
    let (before, token) = logged_in_before(pool).await;
    let after = before.next_stage();
    let other = World::with(before.pool.clone(), after.redis.clone(), &in_redis());
    let known = (0..20).map(|n| [&after, &other][n % 2].knows(&token));
    assert_eq!(join_all(known).await, [true; 20]);
}

#[sqlx::test]
async fn what_is_over_costs_a_read_and_no_transaction(pool: PgPool) {
    let world = World::with(pool, Some(testkit::redis()), &in_redis());
    let ctx = ctx();
    let unknown = SessionToken::new("A".repeat(34));
    let holder = world.users.authenticate(&ctx, &unknown).await.unwrap();
    assert_eq!(holder, None);
    let hops = ctx.hops();
    let queries: Vec<_> = hops.iter().filter(|hop| hop.metric == "db").collect();
    assert_eq!(queries.len(), 1, "{hops:?}");
    assert!(queries[0].desc.contains(" read "), "{hops:?}");
}

#[sqlx::test]
async fn a_token_is_stored_hashed_in_redis(pool: PgPool) {
    let world = World::with(pool, Some(testkit::redis()), &in_redis());
    let ada = world.register("ada@example.test").await.unwrap();
    let token = world
        .log_in("ada@example.test", PASSWORD)
        .await
        .unwrap()
        .token;
    let stored = world.in_redis().await;
    assert!(stored.contains(&ada.id.to_string()), "{stored}");
    assert!(!stored.contains(token.expose()), "{stored}");
    assert!(!stored.contains("ada@example.test"), "{stored}");
}

#[sqlx::test]
async fn of_one_user_the_newest_fifty_live(pool: PgPool) {
    let mut config = in_redis();
    let many = cache::Rate::new(100, 100);
    config.log_in.account = many;
    config.log_in.account_and_client = many;
    let world = World::with(pool, Some(testkit::redis()), &config);
    let ada = world.register("ada@example.test").await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..52 {
        world.pass(SECOND);
        tokens.push(
            world
                .log_in("ada@example.test", PASSWORD)
                .await
                .unwrap()
                .token,
        );
    }
    let known = join_all(tokens.iter().map(|token| world.knows(token))).await;
    assert_eq!(known.iter().filter(|known| **known).count(), 50);
    assert!(!known[0] && !known[1]);

    // One that is over already makes room before one that lives.
    let redis = &world.redis.as_ref().unwrap().sessions;
    let set = redis.key(format!("sessions-of:{}", ada.id));
    let mut of_ada = ::redis::cmd("ZRANGE");
    of_ada.arg(set).arg(7).arg(7);
    let idle: Vec<String> = redis.ask("test", &of_ada).await.unwrap();
    let idled_out = ::redis::cmd("DEL").arg(&idle).to_owned();
    assert_eq!(redis.ask::<i64>("test", &idled_out).await.unwrap(), 1);
    world.log_in("ada@example.test", PASSWORD).await.unwrap();
    assert!(world.knows(&tokens[2]).await);
}

#[sqlx::test]
async fn while_redis_is_away_nobody_is_known_and_nobody_logged_out(pool: PgPool) {
    let cut = testkit::Cut::before(testkit::redis_addr().port).await;
    let behind = format!("127.0.0.1:{}", cut.port()).parse().unwrap();
    let redis = cache::Redises::apart(&behind);
    let world = World::with(pool, Some(redis), &in_redis());
    world.register("ada@example.test").await.unwrap();
    let token = world
        .log_in("ada@example.test", PASSWORD)
        .await
        .unwrap()
        .token;

    cut.cut();
    for _ in 0..10 {
        let holder = world.users.authenticate(&ctx(), &token).await;
        assert!(
            matches!(holder, Err(UsersError::Fault(Fault::Unavailable(_)))),
            "{holder:?}"
        );
        let ended = world.users.log_out(&ctx(), &token).await;
        assert!(
            matches!(ended, Err(UsersError::Fault(Fault::Unavailable(_)))),
            "{ended:?}"
        );
        let login = world.log_in("ada@example.test", PASSWORD).await;
        assert!(
            matches!(login, Err(UsersError::Fault(Fault::Unavailable(_)))),
            "{login:?}"
        );
    }
    assert_eq!(world.in_postgres().await, 0, "a session went elsewhere");

    cut.mend();
    let started = std::time::Instant::now();
    while !world
        .users
        .authenticate(&ctx(), &token)
        .await
        .is_ok_and(|holder| holder.is_some())
    {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not known again"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[sqlx::test]
async fn attempts_at_two_boxes_count_together(pool: PgPool) {
    let here = World::with(pool.clone(), Some(testkit::redis()), &in_redis());
    let there = World::with(pool, here.redis.clone(), &in_redis());
    here.register("ada@example.test").await.unwrap();
    for n in 0..5 {
        let world = [&here, &there][n % 2];
        let refused = world.log_in("ada@example.test", "wrong horse").await;
        assert!(
            matches!(refused, Err(UsersError::WrongCredentials)),
            "{n}: {refused:?}"
        );
    }
    for world in [&here, &there] {
        let refused = world.log_in("ada@example.test", PASSWORD).await;
        let Err(UsersError::TooManyAttempts { retry_after }) = refused else {
            panic!("{refused:?}");
        };
        assert!((5..=10).contains(&retry_after), "{retry_after}");
    }
}
