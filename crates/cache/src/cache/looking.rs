//! Looking in Redis, and whether what is there may be trusted.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::Ctx;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tally::Tally;
use super::{Cache, LOOK_AGAIN};
use crate::client::{self, Redis};
use crate::entry::{self, Entry};

/// So many looks for a heartbeat, and then the database is asked: ten times what that takes.
const LOOKS_FOR_HEARTBEAT: u32 = 12;
/// Who waited for a heartbeat in vain speaks for all who come in this time after him.
const VAIN: Duration = Duration::from_millis(500);

/// Whether waiting for a heartbeat was of use lately: where there is none, only some wait for it.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    vain_until: Mutex<Option<Instant>>,
}

impl Waiting {
    fn is_vain(&self) -> bool {
        self.lock().is_some_and(|until| Instant::now() < until)
    }

    fn was_vain(&self) {
        *self.lock() = Some(Instant::now() + VAIN);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.vain_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Cache<K, V>
where
    K: Display + Clone + Eq + Hash + Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    /// What Redis has under these keys, in their order; `None` if nobody vouches for it.
    pub(super) async fn look(
        &self,
        redis: &Redis,
        keys: &[K],
    ) -> client::Result<Option<Vec<Option<Vec<u8>>>>> {
        let mut mget = redis::cmd("MGET");
        if self.inner.spec.bound.is_some() {
            mget.arg(self.heartbeat(redis));
        }
        for key in keys {
            mget.arg(self.key(redis, key));
        }
        let mut entries: Vec<Option<Vec<u8>>> = redis.ask("mget", &mget).await?;
        let is_vouched = self.inner.spec.bound.is_none() || entries.remove(0).is_some();
        Ok(is_vouched.then_some(entries))
    }

    /// The same; and if nobody vouches for it, has it seen to and looks again for a while. That is sooner
    /// done than asking a database which is so busy that heartbeats are late, and spares it all
    /// those questions.
    pub(super) async fn look_patiently(
        &self,
        redis: &Redis,
        keys: &[K],
    ) -> client::Result<Option<Vec<Option<Vec<u8>>>>> {
        let found = self.look(redis, keys).await?;
        if found.is_some() {
            return Ok(found);
        }
        let waiting = &self.inner.waiting;
        for _ in 0..LOOKS_FOR_HEARTBEAT {
            self.inner.unvouched.notify_one();
            if waiting.is_vain() {
                return Ok(None);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            let found = self.look(redis, keys).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        waiting.was_vain();
        Ok(None)
    }

    pub(super) fn sort(
        &self,
        ctx: &Ctx,
        keys: &[K],
        entries: Vec<Option<Vec<u8>>>,
        found: &mut HashMap<K, V>,
        missing: &mut Vec<K>,
        tally: &mut Tally,
    ) {
        let (now, mut due) = (entry::now(), Vec::new());
        for (key, entry) in keys.iter().zip(entries) {
            match entry.and_then(|entry| Entry::decode(&entry)) {
                Some(Entry::Value(value)) => {
                    if value.is_due(now, fastrand::f64()) {
                        due.push(key.clone());
                    }
                    tally.hit += 1;
                    found.insert(key.clone(), value.value);
                }
                Some(Entry::Absent) => tally.absent += 1,
                Some(Entry::Replaced) | None => missing.push(key.clone()),
            }
        }
        if !due.is_empty() {
            self.refresh(ctx, due);
        }
    }
}
