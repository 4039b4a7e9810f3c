//! Redis is gone, or says nothing.

use std::io::Write;
use std::time::{Duration, Instant};

use cache::{Error, RedisConfig, Redises};
use contract::{Fault, NodeAddr};
use futures::future::join_all;
use serde_json::json;
use testkit::{Cut, redis, redis_addr};
use tokio::net::TcpListener;

use crate::{Running, Table, World, ctx, get, until, vouched};

fn local(port: u16) -> NodeAddr {
    NodeAddr {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

async fn ping(redises: &Redises) -> cache::Result<String> {
    redises.cache.ask("ping", &redis::cmd("PING")).await
}

#[tokio::test]
async fn without_redis_the_database_answers_and_then_redis_again() {
    let cut = Cut::before(redis_addr().port).await;
    let world = World::at(Table::default(), &local(cut.port()));
    world.table.set("mug", 7);
    let cache = world.process();
    let _feed = Running::start(world.feed(&cache));
    until("vouched for", async || vouched(&world.redises.cache).await).await;

    cut.cut();
    for level in 0..30 {
        let version = world.table.set("mug", level);
        cache.invalidate(vec![("mug".to_owned(), version)]).await;
        assert_eq!(get(&cache, "mug").await, Some(level), "not the latest");
    }
    assert!(!world.redises.cache.answers());

    cut.mend();
    until("cached again", async || {
        let before = world.table.loads();
        assert_eq!(get(&cache, "mug").await, Some(29), "of before the cut");
        world.table.loads() == before
    })
    .await;
    assert_eq!(world.table.waiting(), 0);
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_little_and_soon_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redises = Redises::apart(&local(silent.local_addr().unwrap().port()));
    let mut slow = 0;
    for _ in 0..50 {
        let started = Instant::now();
        assert!(ping(&redises).await.is_err());
        slow += u32::from(started.elapsed() > Duration::from_millis(20));
        assert!(started.elapsed() < Duration::from_secs(3));
    }
    // Of the five that trip it some are told by an attempt to connect that just failed.
    assert!((1..10).contains(&slow), "{slow} waited");
    assert!(matches!(ping(&redises).await, Err(Error::Away("cache"))));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_hindrance_to_starting() {
    let port = {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        taken.local_addr().unwrap().port()
    };
    let cut = Cut::before(redis_addr().port).await;
    cut.cut();
    let redises = [local(port), local(cut.port())].map(|addr| Redises::apart(&addr));
    for redises in &redises {
        assert!(ping(redises).await.is_err());
    }
    cut.mend();
    until("found", async || ping(&redises[1]).await.is_ok()).await;
}

#[tokio::test]
async fn an_error_that_is_our_own_opens_no_circuit() {
    let redises = redis();
    for _ in 0..20 {
        let wrong = redis::cmd("NOSUCHCOMMAND");
        let answer = redises.cache.ask::<()>("test", &wrong).await;
        assert!(matches!(answer, Err(Error::Broken { .. })));
    }
    assert!(ping(&redises).await.is_ok());
}

/// The server says it itself, by a script: to fill it would harm the other tests.
#[tokio::test]
async fn a_server_that_takes_nothing_more_is_no_mistake_of_ours() {
    let redises = redis();
    for code in ["OOM", "MISCONF"] {
        let script = redis::Script::new(&format!("return redis.error_reply('{code} of a test')"));
        for _ in 0..20 {
            let script = script.prepare_invoke();
            let refused = redises.sessions.run::<()>("test", &script).await;
            let fault = Fault::from(refused.unwrap_err());
            assert!(matches!(fault, Fault::Unavailable(_)), "{code}: {fault}");
        }
        // It still answers what it can.
        assert!(redises.sessions.answers(), "{code}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_is_away() {
    let mut password = tempfile::NamedTempFile::new().unwrap();
    writeln!(password, "not the password").unwrap();
    let addr = redis_addr();
    let config: RedisConfig = serde_json::from_value(json!({
        "sessions": addr.to_string(),
        "cache": addr.to_string(),
        "user": "shop",
        "password_file": password.path(),
        "patience": "5s",
    }))
    .unwrap();
    let redises = config.open();
    for _ in 0..10 {
        let fault = Fault::from(ping(&redises).await.unwrap_err());
        assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
    }
    assert!(!redises.cache.answers());
}

#[tokio::test]
async fn without_redis_the_database_is_asked_by_few_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = local(silent.local_addr().unwrap().port());
    let world = World::at(Table::taking(Duration::from_millis(30)), &addr);
    let keys: Vec<String> = (0..60).map(|n| format!("mug-{n}")).collect();
    for key in &keys {
        world.table.set(key, 7);
    }
    let cache = world.process();
    let started = Instant::now();
    let ctx = ctx();
    let all = join_all(keys.iter().map(|key| cache.get(&ctx, key))).await;
    assert!(all.iter().all(|level| matches!(level, Ok(Some(7)))));
    // Sixty in six places, each for 30 ms.
    assert!(
        started.elapsed() >= Duration::from_millis(300),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_restart_that_nobody_noticed_fails_nobody() {
    let cut = Cut::before(redis_addr().port).await;
    let redises = Redises::apart(&local(cut.port()));
    assert!(ping(&redises).await.is_ok());
    for _ in 0..5 {
        cut.cut();
        // Its end of the connection is closed by then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        cut.mend();
        let answered = ping(&redises).await;
        assert!(answered.is_ok(), "{answered:?}");
    }
}
