//! On a real Redis: `docker compose -f docker-compose/test-db.yml up -d --wait`, and `REDIS_URL`.

mod asking;
mod failing;
mod freshness;
mod rates;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache::{Cache, Change, Changes, Feed, Redis, Redises, Room, Source, Spec, Versioned};
use contract::{Ctx, Fault, NodeAddr};
use testkit::redis_addr;

const BOUND: Duration = Duration::from_millis(100);

const SPEC: Spec = Spec {
    name: "levels",
    prefix: "level",
    good_for: Duration::from_secs(60),
    absent_for: Duration::from_secs(10),
    bound: Some(BOUND),
};

fn ctx() -> Ctx {
    Ctx::background("test", Duration::from_secs(10))
}

/// A table of levels with versions, and an outbox, as a database has them: a read takes a moment and is
/// of its beginning, a change is there with its row in the outbox or not at all.
#[derive(Clone, Default)]
struct Table {
    rows: Arc<Mutex<Rows>>,
    loads: Arc<AtomicU64>,
    takes: Duration,
    outbox_takes: Duration,
    is_away: Arc<AtomicBool>,
}

#[derive(Default)]
struct Rows {
    levels: HashMap<String, Versioned<i64>>,
    outbox: Vec<Change<String>>,
    next: i64,
}

impl Table {
    fn taking(takes: Duration) -> Table {
        Table {
            takes,
            ..Table::default()
        }
    }

    /// Answers the change's version, as `update .. returning` does.
    fn set(&self, key: &str, level: i64) -> i64 {
        let mut rows = self.rows.lock().unwrap();
        let version = rows.levels.get(key).map_or(1, |row| row.version + 1);
        rows.next += 1;
        let change = Change {
            id: rows.next,
            key: key.to_owned(),
            version,
        };
        rows.outbox.push(change);
        let row = Versioned {
            version,
            value: level,
        };
        rows.levels.insert(key.to_owned(), row);
        version
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn waiting(&self) -> usize {
        self.rows.lock().unwrap().outbox.len()
    }
}

#[async_trait::async_trait]
impl Source<String, i64> for Table {
    async fn load(&self, _: &Ctx, keys: &[String]) -> Result<Vec<(String, Versioned<i64>)>, Fault> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let found = {
            let rows = self.rows.lock().unwrap();
            let found = |key: &String| Some((key.clone(), rows.levels.get(key)?.clone()));
            keys.iter().filter_map(found).collect()
        };
        tokio::time::sleep(self.takes).await;
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Fault::Unavailable("the table is away".to_owned()));
        }
        Ok(found)
    }
}

#[async_trait::async_trait]
impl Changes<String> for Table {
    async fn waiting(&self, _: &Ctx, limit: u32) -> Result<Vec<Change<String>>, Fault> {
        tokio::time::sleep(self.outbox_takes).await;
        let rows = self.rows.lock().unwrap();
        Ok(rows.outbox.iter().take(limit as usize).cloned().collect())
    }

    async fn put_away(&self, _: &Ctx, ids: &[i64]) -> Result<(), Fault> {
        let mut rows = self.rows.lock().unwrap();
        rows.outbox.retain(|change| !ids.contains(&change.id));
        Ok(())
    }

    async fn put_away_older(&self, _: &Ctx, _: Duration) -> Result<(), Fault> {
        Ok(())
    }
}

/// A table, and processes that have caches of it in one Redis.
struct World {
    table: Table,
    redises: Redises,
}

impl World {
    fn new(table: Table) -> World {
        World::at(table, &redis_addr())
    }

    fn at(table: Table, redis: &NodeAddr) -> World {
        World {
            table,
            redises: Redises::apart(redis),
        }
    }

    /// As another process has it: flights of its own.
    fn process(&self) -> Cache<String, i64> {
        self.process_with(SPEC)
    }

    fn process_with(&self, spec: Spec) -> Cache<String, i64> {
        let redis = Some(self.redises.cache.clone());
        Cache::new(spec, redis, Arc::new(Room::of(9)), self.table.clone())
    }

    fn feed(&self, cache: &Cache<String, i64>) -> Feed<String, i64> {
        Feed::new(cache.clone(), Arc::new(self.table.clone()))
    }

    /// Whatever Redis is asked by hand; its key is `key`'s.
    async fn redis(&self, command: &[&str]) -> String {
        let mut cmd = redis::cmd(command[0]);
        let [key, rest @ ..] = &command[1..] else {
            panic!("a command about a key");
        };
        cmd.arg(self.redises.cache.key(key)).arg(rest);
        let answer: redis::Value = self.redises.cache.ask("test", &cmd).await.unwrap();
        match answer {
            redis::Value::Int(number) => number.to_string(),
            redis::Value::Nil => String::new(),
            answer => redis::from_redis_value(answer).unwrap(),
        }
    }
}

/// The feed at work until it is dropped.
struct Running(tokio::task::JoinHandle<()>);

impl Running {
    fn start(feed: Feed<String, i64>) -> Running {
        Running(tokio::spawn(async move { feed.run().await }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn get(cache: &Cache<String, i64>, key: &str) -> Option<i64> {
    cache.get(&ctx(), &key.to_owned()).await.unwrap()
}

async fn vouched(redis: &Redis) -> bool {
    let exists = redis::cmd("EXISTS")
        .arg(redis.key("cache:heartbeat:level"))
        .to_owned();
    redis.ask::<bool>("test", &exists).await.unwrap_or(false)
}

/// Waits for it, for as long as a test may.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds().await {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "not {what} within 10 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
