//! What a feed tells the cache.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::LazyLock;
use std::time::Duration;

use contract::Fault;
use metrics::counter;
use redis::Script;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cache;
use crate::entry;

/// Changes in one script: Redis does nothing else meanwhile, and readers wait for 50 ms at most.
const AT_ONCE: usize = 100;

/// How long it is remembered that something changed: longer than a read that began before may live, also
/// on a replica that lags.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Notes that something changed: takes leases away, and leaves word of the new version unless the cache
/// has it. For each its key and that of its lease; then version, entry, milliseconds.
static REPLACE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for i = 1, #KEYS, 2 do
  local at = (i - 1) / 2 * 3
  local version, entry, ms = unpack(ARGV, at + 1, at + 3)
  redis.call('DEL', KEYS[i + 1])
  if redis.call('GETRANGE', KEYS[i], 0, 15) < version then
    redis.call('SET', KEYS[i], entry, 'PX', ms)
  end
end
return 0
",
    )
});

impl<K, V> Cache<K, V>
where
    K: Display + Clone + Eq + Hash + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    pub(crate) fn bound(&self) -> Option<Duration> {
        self.inner.spec.bound
    }

    pub(crate) fn has_redis(&self) -> bool {
        self.inner.redis.is_some()
    }

    /// Resolves when somebody found that nobody vouches for this cache.
    pub(crate) async fn unvouched(&self) {
        self.inner.unvouched.notified().await;
    }

    /// Since the epoch, by Redis's own clock.
    pub(crate) async fn redis_time(&self) -> Result<Duration, Fault> {
        let Some(redis) = &self.inner.redis else {
            return Ok(Duration::ZERO);
        };
        let (seconds, micros): (u64, u32) = redis.ask("time", &redis::cmd("TIME")).await?;
        Ok(Duration::from_secs(seconds) + Duration::from_micros(micros.into()))
    }

    pub(crate) async fn replaced(
        &self,
        changed: Vec<(K, i64)>,
        path: &'static str,
    ) -> Result<(), Fault> {
        let Some(redis) = self.inner.redis.as_ref().filter(|_| !changed.is_empty()) else {
            return Ok(());
        };
        let changed = newest(changed);
        for part in changed.chunks(AT_ONCE) {
            let mut replace = REPLACE.prepare_invoke();
            for (key, version) in part {
                replace
                    .key(self.key(redis, key))
                    .key(self.lease_key(redis, key));
                replace
                    .arg(entry::version(*version))
                    .arg(entry::replaced(*version))
                    .arg(REMEMBERED.as_millis() as u64);
            }
            redis.run::<u64>("replace", &replace).await?;
            counter!("cache_invalidations_total", "cache" => self.inner.spec.name, "path" => path)
                .increment(part.len() as u64);
        }
        Ok(())
    }

    /// Vouches for all that was committed before `began`, by Redis's clock, for as long as promised.
    pub(crate) async fn vouch(&self, began: Duration) -> Result<(), Fault> {
        let (Some(redis), Some(bound)) = (&self.inner.redis, self.inner.spec.bound) else {
            return Ok(());
        };
        let until = (began + bound).as_millis() as u64;
        let key = self.heartbeat(redis);
        // A pass that took long does not cut short what one that began later has said.
        let mut set = redis::pipe();
        set.cmd("SET")
            .arg(&key)
            .arg(1)
            .arg("NX")
            .arg("PXAT")
            .arg(until);
        set.cmd("PEXPIREAT").arg(&key).arg(until).arg("GT");
        set.ignore();
        Ok(redis.ask_all::<()>("vouch", &set).await?)
    }
}

/// Of each key the newest version: a best-seller is in the outbox many times.
fn newest<K: Eq + Hash>(changed: Vec<(K, i64)>) -> Vec<(K, i64)> {
    let mut newest = HashMap::with_capacity(changed.len());
    for (key, version) in changed {
        let known = newest.entry(key).or_insert(version);
        *known = version.max(*known);
    }
    newest.into_iter().collect()
}
