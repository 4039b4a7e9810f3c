//! Loading what is not in Redis: one query for all who ask, and then it is there.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::sync::LazyLock;
use std::time::Duration;

use contract::{Ctx, Fault};
use metrics::counter;
use redis::Script;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::tally::Tally;
use super::{Cache, LOOK_AGAIN, Versioned, values};
use crate::client::Redis;
use crate::entry::{self, Entry, Value};
use crate::flights::{How, Landed, Lead};

/// So many looks for what another process is loading, each after twice the wait of the one before, and then
/// the database is asked beside it: after 300 ms. A database in trouble takes longer than usual, and is not
/// helped by being asked for the same by each box.
const LOOKS_FOR_OTHERS: u32 = 10;
const LONGEST_WAIT: Duration = Duration::from_millis(40);
/// Longest time for which a lease keeps others from loading: longer than the database takes, unless it
/// is in trouble.
const LEASE: Duration = Duration::from_secs(2);

/// Fills what is still leased by the caller, unless something newer is there: an entry begins with its
/// version in 16 digits, one that is missing is the empty text, and one that says that something was
/// replaced has the version of what replaced it. For each entry its key and that of its lease; then
/// token, version, entry, milliseconds.
static FILL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local filled = 0
for i = 1, #KEYS, 2 do
  local token, version, entry, ms = unpack(ARGV, i * 2 - 1, i * 2 + 2)
  if redis.call('GET', KEYS[i + 1]) == token then
    redis.call('DEL', KEYS[i + 1])
    if redis.call('GETRANGE', KEYS[i], 0, 15) <= version then
      redis.call('SET', KEYS[i], entry, 'PX', ms)
      filled = filled + 1
    end
  end
end
return filled
",
    )
});

/// Gives leases back that are still the caller's. For each its key; then its token.
static GIVE_UP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
for i, lease in ipairs(KEYS) do
  if redis.call('GET', lease) == ARGV[i] then redis.call('DEL', lease) end
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
    /// Loads good values anew, with nobody waiting for them. Only those that nobody else is loading.
    pub(super) fn refresh(&self, ctx: &Ctx, due: Vec<K>) {
        let (_, leads) = self.inner.flights.board(due);
        if leads.is_empty() {
            return;
        }
        counter!("cache_refreshes_total", "cache" => self.inner.spec.name)
            .increment(leads.len() as u64);
        // Not the request's own: it has its answer.
        let ctx = Ctx::new(
            ctx.request_id().to_owned(),
            ctx.traceparent().map(str::to_owned),
            LEASE,
        );
        let cache = self.clone();
        tokio::spawn(async move {
            if let Some(redis) = &cache.inner.redis
                && let Ok((mine, _)) = cache.lease(redis, leads).await
            {
                cache.load_and_fill(&ctx, redis, mine).await;
            }
        });
    }

    pub(super) async fn load_missing(
        &self,
        ctx: &Ctx,
        missing: Vec<K>,
        asked: Instant,
        is_vouched: bool,
        found: &mut HashMap<K, V>,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let (landings, leads) = self.inner.flights.board(missing);
        let led: HashSet<K> = leads.iter().map(|lead| lead.key.clone()).collect();
        if !leads.is_empty() {
            // It goes on when this request is gone: others wait for it.
            let (cache, ctx) = (self.clone(), ctx.clone());
            tokio::spawn(async move { cache.lead(&ctx, leads, is_vouched).await });
        }
        let (mut lost, mut late) = (Vec::new(), Vec::new());
        for (key, landing) in landings {
            let landed = tokio::time::timeout(ctx.remaining()?, landing).await;
            match landed.map_err(|_| Fault::DeadlineExceeded)? {
                // He joined while we were looking.
                Ok(Ok((_, how))) if !how.suits(asked) => late.push(key),
                Ok(Ok((value, how))) => {
                    tally.landed(how, led.contains(&key));
                    found.extend(value.map(|value| (key, value)));
                }
                // Lost, or out of its own time: no verdict on who joined it.
                Err(_) | Ok(Err(Fault::DeadlineExceeded)) => lost.push(key),
                Ok(Err(fault)) => {
                    tally.refused += 1;
                    return Err(fault);
                }
            }
        }
        if let Some(redis) = &self.inner.redis
            && !late.is_empty()
        {
            let entries = self.look(redis, &late).await.ok().flatten();
            let entries = entries.unwrap_or_else(|| vec![None; late.len()]);
            for (key, entry) in late.into_iter().zip(entries) {
                match filled(entry) {
                    Some(value) => {
                        tally.hit += 1;
                        found.extend(value.map(|value| (key, value)));
                    }
                    None => lost.push(key),
                }
            }
        }
        if !lost.is_empty() {
            let loaded = self.ask_source(ctx, &lost).await?;
            tally.bypass += lost.len() as u64;
            found.extend(values(loaded));
        }
        Ok(())
    }

    /// Brings these flights down: by leases where the cache may be filled, else by the database alone.
    async fn lead(&self, ctx: &Ctx, leads: Vec<Lead<K, V>>, is_vouched: bool) {
        let Some(redis) = self.inner.redis.as_ref().filter(|_| is_vouched) else {
            return self.load(ctx, leads, How::Bypassed).await;
        };
        match self.lease(redis, leads).await {
            Ok((mine, others)) => {
                let mine = self.not_filled_meanwhile(redis, mine).await;
                tokio::join!(
                    self.load_and_fill(ctx, redis, mine),
                    self.wait_for_others(ctx, redis, others)
                );
            }
            Err(leads) => self.load(ctx, leads, How::Bypassed).await,
        }
    }

    /// Those whose lease we got, and those whose lease another process has.
    async fn lease(
        &self,
        redis: &Redis,
        leads: Vec<Lead<K, V>>,
    ) -> Result<(Vec<Lead<K, V>>, Vec<Lead<K, V>>), Vec<Lead<K, V>>> {
        let mut set = redis::pipe();
        for lead in &leads {
            set.cmd("SET")
                .arg(self.lease_key(redis, &lead.key))
                .arg(lead.token())
                .arg("NX")
                .arg("PX")
                .arg(LEASE.as_millis() as u64);
        }
        let Ok(granted) = redis.ask_all::<Vec<Option<String>>>("lease", &set).await else {
            return Err(leads);
        };
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        for (lead, granted) in leads.into_iter().zip(granted) {
            match granted {
                Some(_) => mine.push(lead),
                None => others.push(lead),
            }
        }
        Ok((mine, others))
    }

    /// Who had a lease before us may have filled between our look and our lease. From here on nobody can.
    async fn not_filled_meanwhile(&self, redis: &Redis, mine: Vec<Lead<K, V>>) -> Vec<Lead<K, V>> {
        if mine.is_empty() {
            return mine;
        }
        let looked = Instant::now();
        let Ok(Some(entries)) = self.look(redis, &keys_of(&mine)).await else {
            return mine;
        };
        let (missing, filled): (Vec<_>, Vec<_>) = mine
            .into_iter()
            .zip(entries.into_iter().map(filled))
            .partition(|(_, filled)| filled.is_none());
        let leases: Vec<_> = filled
            .iter()
            .map(|(lead, _)| self.leased(redis, lead))
            .collect();
        // Before anything else is waited for: it grows old, and others may still join.
        for (lead, value) in filled {
            lead.land(Ok((value.flatten(), How::FilledByOthers { looked })));
        }
        self.give_up(redis, leases).await;
        missing.into_iter().map(|(lead, _)| lead).collect()
    }

    /// A lease's key, and whose it is.
    fn leased(&self, redis: &Redis, lead: &Lead<K, V>) -> (String, String) {
        (self.lease_key(redis, &lead.key), lead.token())
    }

    async fn load_and_fill(&self, ctx: &Ctx, redis: &Redis, leads: Vec<Lead<K, V>>) {
        if leads.is_empty() {
            return;
        }
        let started = Instant::now();
        let loaded = match self.ask_source(ctx, &keys_of(&leads)).await {
            Ok(loaded) => loaded,
            Err(fault) => {
                let leases = leads.iter().map(|lead| self.leased(redis, lead));
                self.give_up(redis, leases.collect()).await;
                return land_all(leads, Err(fault), How::Loaded);
            }
        };
        let mut fill = FILL.prepare_invoke();
        let spec = &self.inner.spec;
        let cost = started.elapsed();
        for lead in &leads {
            let (version, entry, good_for) = match loaded.get(&lead.key) {
                Some(one) => {
                    let good_for = spec.good_for.mul_f64(0.9 + fastrand::f64() / 5.0);
                    let value = Value {
                        version: one.version,
                        value: &one.value,
                        expires: entry::now() + good_for,
                        cost,
                    };
                    let Ok(entry) = value.encode() else { continue };
                    (one.version, entry, good_for)
                }
                None => (0, entry::absent(), spec.absent_for),
            };
            fill.key(self.key(redis, &lead.key))
                .key(self.lease_key(redis, &lead.key));
            fill.arg(lead.token())
                .arg(entry::version(version))
                .arg(entry)
                .arg(good_for.as_millis() as u64);
        }
        // Before anybody is told: who then asks finds it.
        let filled = redis.run::<u64>("fill", &fill).await;
        if let Err(error) = filled {
            tracing::debug!(%error, cache = spec.name, "not filled");
        }
        land_all(leads, Ok(values(loaded).collect()), How::Loaded);
    }

    /// Nothing was loaded: whoever comes next may try.
    async fn give_up(&self, redis: &Redis, leases: Vec<(String, String)>) {
        if leases.is_empty() {
            return;
        }
        let mut give_up = GIVE_UP.prepare_invoke();
        for (key, token) in leases {
            give_up.key(key).arg(token);
        }
        // Else it ends by itself.
        let _ = redis.run::<u64>("give_up", &give_up).await;
    }

    /// Another process is loading these: looks until they are there, or nobody is at it any more.
    async fn wait_for_others(&self, ctx: &Ctx, redis: &Redis, mut leads: Vec<Lead<K, V>>) {
        let mut wait = LOOK_AGAIN;
        for _ in 0..LOOKS_FOR_OTHERS {
            if leads.is_empty() {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            // Before we look: who gave up his lease meanwhile may have filled.
            let is_leased = self.are_leased(redis, &leads).await;
            let looked = Instant::now();
            let Ok(Some(entries)) = self.look(redis, &keys_of(&leads)).await else {
                break;
            };
            let mut waiting = Vec::new();
            for (lead, entry) in leads.into_iter().zip(entries) {
                match filled(entry) {
                    Some(value) => lead.land(Ok((value, How::FilledByOthers { looked }))),
                    None => waiting.push(lead),
                }
            }
            leads = waiting;
            if !is_leased {
                break;
            }
        }
        self.load(ctx, leads, How::Bypassed).await;
    }

    /// Whether anybody has a lease of these.
    async fn are_leased(&self, redis: &Redis, leads: &[Lead<K, V>]) -> bool {
        let mut exists = redis::cmd("EXISTS");
        for lead in leads {
            exists.arg(self.lease_key(redis, &lead.key));
        }
        let leased = redis.ask::<u64>("exists", &exists).await;
        leased.is_ok_and(|n| n > 0)
    }

    async fn load(&self, ctx: &Ctx, leads: Vec<Lead<K, V>>, how: How) {
        if leads.is_empty() {
            return;
        }
        let loaded = self.ask_source(ctx, &keys_of(&leads)).await;
        land_all(leads, loaded.map(|loaded| values(loaded).collect()), how);
    }

    async fn ask_source(&self, ctx: &Ctx, keys: &[K]) -> Result<HashMap<K, Versioned<V>>, Fault> {
        let _place = self.inner.room.enter(ctx).await?;
        let loaded = self.inner.source.load(ctx, keys).await?;
        Ok(loaded.into_iter().collect())
    }
}

/// What is known by this entry, if anything.
fn filled<V: DeserializeOwned>(entry: Option<Vec<u8>>) -> Option<Option<V>> {
    match Entry::decode(&entry?)? {
        Entry::Value(found) => Some(Some(found.value)),
        Entry::Absent => Some(None),
        Entry::Replaced => None,
    }
}

fn keys_of<K: Clone + Eq + Hash, V>(leads: &[Lead<K, V>]) -> Vec<K> {
    leads.iter().map(|lead| lead.key.clone()).collect()
}

fn land_all<K: Clone + Eq + Hash, V: Clone>(
    leads: Vec<Lead<K, V>>,
    mut values: Result<HashMap<K, V>, Fault>,
    how: How,
) {
    for lead in leads {
        let landed: Landed<V> = match &mut values {
            Ok(values) => Ok((values.remove(&lead.key), how)),
            Err(fault) => Err(fault.clone()),
        };
        lead.land(landed);
    }
}
