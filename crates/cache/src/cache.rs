//! Cache-aside with typed keys: look in Redis, ask the database for what is not there, fill.

mod loading;
mod looking;
mod tally;
mod telling;

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use contract::{Ctx, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::client::Redis;
use crate::flights::Flights;
use crate::room::Room;
use looking::Waiting;
use tally::Tally;

/// Between two looks whether another process, which has the lease, has filled; or whether there is a
/// heartbeat again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What is cached, and how.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// In metrics: `products`.
    pub name: &'static str,
    /// In Redis: `cache:product:MUG-0001`.
    pub prefix: &'static str,
    /// A value is good for so long, give or take a tenth: what was filled together does not expire together.
    pub good_for: Duration,
    /// It is known for so long that there is none.
    pub absent_for: Duration,
    /// No older than this is what is read, and a [`Feed`](crate::Feed) vouches for it. `None`: as old as
    /// `good_for`.
    pub bound: Option<Duration>,
}

/// A value as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<V> {
    /// Counted from 1; grows with each change.
    pub version: i64,
    pub value: V,
}

/// Where values come from.
#[async_trait::async_trait]
pub trait Source<K, V>: Send + Sync {
    /// Those that exist among these.
    async fn load(&self, ctx: &Ctx, keys: &[K]) -> Result<Vec<(K, Versioned<V>)>, Fault>;
}

/// Cheap to clone.
pub struct Cache<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    spec: Spec,
    /// Without one, each read goes to the source.
    redis: Option<Redis>,
    source: Box<dyn Source<K, V>>,
    room: Arc<Room>,
    flights: Flights<K, V>,
    /// Rung by who finds that nobody vouches for the cache.
    unvouched: Notify,
    waiting: Waiting,
}

impl<K, V> Cache<K, V>
where
    K: Display + Clone + Eq + Hash + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub fn new(
        spec: Spec,
        redis: Option<Redis>,
        room: Arc<Room>,
        source: impl Source<K, V> + 'static,
    ) -> Cache<K, V> {
        Cache {
            inner: Arc::new(Inner {
                spec,
                redis,
                source: Box::new(source),
                room,
                flights: Flights::new(),
                unvouched: Notify::new(),
                waiting: Waiting::default(),
            }),
        }
    }

    pub async fn get(&self, ctx: &Ctx, key: &K) -> Result<Option<V>, Fault> {
        let mut found = self.get_many(ctx, std::slice::from_ref(key)).await?;
        Ok(found.remove(key))
    }

    /// Those that exist among these, with one question to Redis and, as a rule, one to the database for
    /// all that are not there.
    pub async fn get_many(&self, ctx: &Ctx, keys: &[K]) -> Result<HashMap<K, V>, Fault> {
        let Some(redis) = &self.inner.redis else {
            return Ok(values(self.inner.source.load(ctx, keys).await?).collect());
        };
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let started = Instant::now();
        let mut tally = Tally::default();
        let mut found = HashMap::with_capacity(keys.len());
        let mut missing = Vec::new();
        let is_vouched = match self.look_patiently(redis, keys).await {
            Ok(Some(entries)) => {
                self.sort(ctx, keys, entries, &mut found, &mut missing, &mut tally);
                true
            }
            Ok(None) | Err(_) => {
                missing = keys.to_vec();
                false
            }
        };
        let loaded = match missing.is_empty() {
            true => Ok(()),
            false => {
                self.load_missing(ctx, missing, started, is_vouched, &mut found, &mut tally)
                    .await
            }
        };
        tally.count(self.inner.spec.name);
        ctx.record(
            "cache",
            tally.describe(self.inner.spec.name),
            started.elapsed(),
        );
        loaded.map(|()| found)
    }

    /// Call it after the commit of a change, before saying that it was made. An error, or not being
    /// called, is made good by the feed.
    pub async fn invalidate(&self, changed: Vec<(K, i64)>) {
        for (key, _) in &changed {
            self.inner.flights.forget(key);
        }
        if let Err(error) = self.replaced(changed, "fast").await {
            tracing::debug!(%error, "the feed will tell the cache");
        }
    }

    fn key(&self, redis: &Redis, key: &K) -> String {
        redis.key(format_args!("cache:{}:{key}", self.inner.spec.prefix))
    }

    fn lease_key(&self, redis: &Redis, key: &K) -> String {
        redis.key(format_args!("cache:lease:{}:{key}", self.inner.spec.prefix))
    }

    fn heartbeat(&self, redis: &Redis) -> String {
        redis.key(format_args!("cache:heartbeat:{}", self.inner.spec.prefix))
    }
}

/// What was loaded, without the versions.
fn values<K, V>(
    loaded: impl IntoIterator<Item = (K, Versioned<V>)>,
) -> impl Iterator<Item = (K, V)> {
    loaded.into_iter().map(|(key, one)| (key, one.value))
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Cache<K, V> {
        Cache {
            inner: self.inner.clone(),
        }
    }
}

impl<K, V> std::fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({})", self.inner.spec.name)
    }
}
