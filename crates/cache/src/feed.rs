//! The feed: tells the cache, from the domain's outbox, what has changed; and vouches for it.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use contract::{Ctx, Fault};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, warn};

use crate::cache::Cache;

/// Changes in a pass; what is left is the next one's.
const BATCH: u32 = 1_000;
/// Passes under way.
const AT_ONCE: usize = 4;
/// For a pass.
const BUDGET: Duration = Duration::from_secs(1);
/// Without a Redis there is nobody to tell. Changes are kept for longer than any copy is good, all the
/// same: a box of another stage that has copies may be running, or be back soon.
const KEPT: Duration = Duration::from_secs(20 * 60);
/// Between two looks for what was kept for long enough.
const IDLE: Duration = Duration::from_secs(10);
/// After a pass that failed.
const RETRY: Duration = Duration::from_millis(100);

/// Something that was changed, with the version it has since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<K> {
    /// Of the outbox's row.
    pub id: i64,
    pub key: K,
    pub version: i64,
}

/// A domain's outbox of changes. Each row is written in the transaction that makes the change.
#[async_trait::async_trait]
pub trait Changes<K>: Send + Sync {
    /// All that were committed and not yet put away, at most `limit`; reads the primary. Not those after the
    /// last one seen: of two transactions the one with the lower id may commit later.
    async fn waiting(&self, ctx: &Ctx, limit: u32) -> Result<Vec<Change<K>>, Fault>;

    /// Deletes them: the cache knows.
    async fn put_away(&self, ctx: &Ctx, ids: &[i64]) -> Result<(), Fault>;

    /// Deletes those that are older, whoever knows of them.
    async fn put_away_older(&self, ctx: &Ctx, than: Duration) -> Result<(), Fault>;
}

/// Delivers changes to a cache. Any number of them may work at once: telling the cache twice is
/// harmless, and rows are deleted only after it was told. Cheap to clone.
pub struct Feed<K, V> {
    cache: Cache<K, V>,
    changes: Arc<dyn Changes<K>>,
}

/// What a pass found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    pub delivered: usize,
    /// Nothing was left: the cache is vouched for.
    pub is_complete: bool,
}

impl<K, V> Feed<K, V>
where
    K: std::fmt::Display + Clone + Eq + Hash + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub fn new(cache: Cache<K, V>, changes: Arc<dyn Changes<K>>) -> Feed<K, V> {
        Feed { cache, changes }
    }

    /// Delivers all the time, until dropped. Four passes begin in the time of one heartbeat and do not
    /// wait for one another: a database that is busy takes its time, and a pass that took most of the
    /// heartbeat leaves little of it.
    pub async fn run(&self) {
        let Some(bound) = self.cache.bound().filter(|_| self.cache.has_redis()) else {
            return self.keep_for_others().await;
        };
        let pause = bound / AT_ONCE as u32;
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut passes = FuturesUnordered::new();
        loop {
            tokio::select! {
                _ = ticks.tick(), if passes.len() < AT_ONCE => passes.push(self.pass_or_rest()),
                Some(()) = passes.next() => {}
            }
        }
    }

    async fn keep_for_others(&self) {
        loop {
            let ctx = Ctx::background("feed", BUDGET);
            if let Err(error) = self.changes.put_away_older(&ctx, KEPT).await {
                debug!(%error, "changes are kept");
            }
            sleep(IDLE).await;
        }
    }

    /// Delivers whenever somebody of this process finds that nobody does, until dropped.
    pub async fn stand_by(&self) {
        loop {
            self.cache.unvouched().await;
            self.pass_or_rest().await;
        }
    }

    async fn pass_or_rest(&self) {
        loop {
            match self.pass().await {
                Ok(Pass {
                    is_complete: true, ..
                }) => return,
                Ok(_) => continue,
                // Redis's absence is told by its breaker, the database's by all who ask it.
                Err(error @ (Fault::Unavailable(_) | Fault::DeadlineExceeded)) => {
                    debug!(%error, "changes are not delivered");
                }
                Err(error) => warn!(%error, "changes are not delivered"),
            }
            return sleep(RETRY).await;
        }
    }

    /// Tells the cache of everything that was committed before now, and then vouches for it.
    pub async fn pass(&self) -> Result<Pass, Fault> {
        let ctx = Ctx::background("feed", BUDGET);
        // Before the outbox is read: the bound counts from here.
        let began = self.cache.redis_time().await?;
        let waiting = self.changes.waiting(&ctx, BATCH).await?;
        let pass = Pass {
            delivered: waiting.len(),
            is_complete: waiting.len() < BATCH as usize,
        };
        let changed = waiting.iter().map(|one| (one.key.clone(), one.version));
        self.cache.replaced(changed.collect(), "feed").await?;
        if pass.is_complete {
            self.cache.vouch(began).await?;
        }
        if pass.delivered > 0 {
            let ids: Vec<i64> = waiting.iter().map(|one| one.id).collect();
            if let Err(error) = self.changes.put_away(&ctx, &ids).await {
                // The next pass tells them again, which is harmless.
                debug!(%error, "changes are told, but not put away");
            }
        }
        Ok(pass)
    }
}

impl<K, V> Clone for Feed<K, V> {
    fn clone(&self) -> Feed<K, V> {
        Feed {
            cache: self.cache.clone(),
            changes: self.changes.clone(),
        }
    }
}
