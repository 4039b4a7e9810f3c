//! From stage 5 on: sessions, and what is read again and again, in the memory of Redis.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::json;

use super::{Report, query};
use crate::compose::Compose;
use crate::prometheus;
use crate::shopper::{Answer, Shopper};
use crate::stage::Stage;

pub(super) async fn check(report: &mut Report, compose: &Compose, stage: Stage) {
    let base = compose.front_url();
    report
        .check(
            "a session is in Redis, and the database knows nothing of it",
            session(compose),
        )
        .await;
    report
        .check(
            "log-out ends a session for all web boxes",
            log_out(&base, stage),
        )
        .await;
    report
        .check(
            "who logged in at an earlier stage is logged in",
            earlier(compose),
        )
        .await;
    report
        .check("what was seen costs no query", seen_before(&base))
        .await;
    report
        .check(
            "a restock is seen at once by all web boxes",
            restock(&base, stage),
        )
        .await;
    report
        .check(
            "each web box tells that it asks both Redis",
            circuits(compose, stage),
        )
        .await;
}

/// For a figure to be seen: five looks of Prometheus.
const SCRAPED: Duration = Duration::from_secs(10);
/// One for each promise: nobody may log in more than a few times a minute, and checks can follow each other.
const BEA: &str = "shopper-00004@example.test";
const CYD: &str = "shopper-00005@example.test";
const DAN: &str = "shopper-00006@example.test";

/// By the figures that the control room shows.
async fn circuits(compose: &Compose, stage: Stage) -> anyhow::Result<String> {
    const CLOSED: &str =
        r#"count(circuit_state{service="web",dependency=~"redis-(sessions|cache)"} == 0)"#;
    let expected = 2 * stage.count("web");
    let started = Instant::now();
    loop {
        let closed = prometheus::query(compose, CLOSED).await?;
        let closed = closed.first().map_or(0, |sample| sample.value as usize);
        if closed == expected {
            return Ok(format!("{closed} circuits are closed"));
        }
        ensure!(
            started.elapsed() < SCRAPED,
            "{closed} of {expected} circuits are told to be closed"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Where a session would be, in Postgres and in Redis. Postgres makes the token's hash itself.
struct Place {
    bucket: String,
    /// In hexadecimal.
    hash: String,
}

impl Place {
    async fn of(compose: &Compose, shopper: &Shopper) -> anyhow::Result<Place> {
        let token = shopper.token.as_deref().context("not logged in")?;
        let sql = format!(
            "select get_byte(token, 0) || ' ' || encode(sha256(token), 'hex')
             from decode(translate('{token}', '-_', '+/') || '==', 'base64') as token"
        );
        let place = query(compose, &sql).await?;
        let (bucket, hash) = place.split_once(' ').context("no hash")?;
        Ok(Place {
            bucket: bucket.to_owned(),
            hash: hash.to_owned(),
        })
    }

    async fn in_redis(&self, compose: &Compose) -> anyhow::Result<bool> {
        Ok(self.redis(compose, "exists").await? == "1")
    }

    async fn redis(&self, compose: &Compose, command: &str) -> anyhow::Result<String> {
        let key = format!("session:{}", self.hash);
        let args = ["redis-shop", "sessions", command, &key];
        Ok(compose.ask("redis", &args).await?.trim().to_owned())
    }

    async fn in_postgres(&self, compose: &Compose) -> anyhow::Result<bool> {
        let sql = format!(
            "select count(*) from users.sessions where bucket = {} and token_hash = '\\x{}'",
            self.bucket, self.hash
        );
        Ok(query(compose, &sql).await? == "1")
    }
}

async fn session(compose: &Compose) -> anyhow::Result<String> {
    let shopper = Shopper::logged_in(&compose.front_url(), BEA).await?;
    shopper.get("/users/me").await?.expect(200)?;
    let place = Place::of(compose, &shopper).await?;
    ensure!(place.in_redis(compose).await?, "Redis does not know it");
    ensure!(
        !place.in_postgres(compose).await?,
        "it is in users.sessions"
    );
    shopper.delete("/sessions/current").await?.expect(204)?;
    ensure!(
        !place.in_redis(compose).await?,
        "after log-out it is still there"
    );
    Ok("in Redis from log-in to log-out, never in users.sessions".to_owned())
}

async fn log_out(base: &str, stage: Stage) -> anyhow::Result<String> {
    let shopper = Shopper::logged_in(base, CYD).await?;
    let me = || shopper.get("/users/me");
    for answer in by_all(stage, me).await? {
        answer.expect(200)?;
    }
    shopper.delete("/sessions/current").await?.expect(204)?;
    let after = by_all(stage, me).await?;
    for answer in &after {
        let by = answer.web_box()?.to_owned();
        answer.expect(401).context(by)?;
    }
    Ok(format!("200 by each box, then {} times 401", after.len()))
}

/// Puts a session back to where stage 4 would have it.
async fn earlier(compose: &Compose) -> anyhow::Result<String> {
    let shopper = Shopper::logged_in(&compose.front_url(), DAN).await?;
    let place = Place::of(compose, &shopper).await?;
    ensure!(place.redis(compose, "del").await? == "1", "not in Redis");
    let sql = format!(
        "insert into users.sessions
             (bucket, token_hash, user_id, created_at, last_seen_at, expires_at)
         select bucket, '\\x{}', id, now(), now(), now() + '1 hour'
         from users.users where bucket = {} and email = '{DAN}'",
        place.hash, place.bucket
    );
    query(compose, &sql).await?;
    let me = shopper.get("/users/me").await?.expect(200)?.json()?;
    ensure!(me["email"] == DAN, "as {}", me["email"]);
    ensure!(place.in_redis(compose).await?, "it was not moved to Redis");
    ensure!(
        !place.in_postgres(compose).await?,
        "it is still in users.sessions"
    );
    shopper.delete("/sessions/current").await?.expect(204)?;
    shopper.get("/users/me").await?.expect(401)?;
    Ok("one from users.sessions was moved to Redis by its first use; log-out ended it".to_owned())
}

const VIEWS: usize = 20;

async fn seen_before(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let path = format!("/products/{}", some_sku(&guest).await?);
    guest.page(&path).await?.expect(200)?;
    let mut told = String::new();
    for view in 1..=VIEWS {
        let page = guest.page(&path).await?;
        page.expect(200)?;
        let queries: Vec<_> = page.hops("db").collect();
        ensure!(
            queries.is_empty(),
            "{path}, view {view} of {VIEWS}: {queries:?}"
        );
        told = page.hops("cache").collect::<Vec<_>>().join(", ");
        ensure!(
            !told.is_empty(),
            "no cache in {:?}",
            page.header("server-timing")
        );
    }
    Ok(format!("{VIEWS} views of {path}, no query: {told}"))
}

async fn restock(base: &str, stage: Stage) -> anyhow::Result<String> {
    let staff = Shopper::logged_in(base, "staff@example.test").await?;
    let guest = Shopper::guest(base)?;
    let sku = some_sku(&guest).await?;
    let (path, product) = (format!("/products/{sku}/stock"), format!("/products/{sku}"));
    let mut answers = 0;
    for delta in [1, -1] {
        // All of them have the old level at hand.
        by_all(stage, || guest.get(&product)).await?;
        let level = staff.post(&path, json!({ "delta": delta })).await?;
        let level = level.expect(200)?.json()?["available"].clone();
        for answer in by_all(stage, || guest.get(&product)).await? {
            let by = answer.web_box()?.to_owned();
            let seen = answer.expect(200)?.json()?["available"].clone();
            ensure!(seen == level, "{by}: {seen} after a restock to {level}");
            answers += 1;
        }
    }
    Ok(format!(
        "{answers} answers right after one more and one less of {sku}: none stale"
    ))
}

async fn some_sku(guest: &Shopper) -> anyhow::Result<String> {
    let page = guest.get("/products?limit=1").await?.expect(200)?.json()?;
    let sku = page["items"][0]["sku"].as_str().context("no products")?;
    Ok(sku.to_owned())
}

/// Requests at once, so that the least loaded box is not always the same one.
const AT_ONCE: usize = 12;
const ROUNDS: usize = 3;

/// Asks until each web box has answered, and more than once.
async fn by_all<F: Future<Output = anyhow::Result<Answer>>>(
    stage: Stage,
    ask: impl Fn() -> F,
) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    for _ in 0..ROUNDS {
        answers.extend(try_join_all((0..AT_ONCE).map(|_| ask())).await?);
    }
    let boxes: BTreeSet<_> = answers
        .iter()
        .map(Answer::web_box)
        .collect::<Result<_, _>>()?;
    let count = stage.count("web");
    ensure!(boxes.len() == count, "only {boxes:?} answered");
    Ok(answers)
}
