//! Cache-aside with typed keys: look in Redis, ask the database for what is not there, fill.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::{Ctx, Fault};
use metrics::counter;
use redis::Script;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::client::{self, Redis};
use crate::entry::{self, Entry, Value};
use crate::flights::{Flights, How, Landed, Lead};
use crate::room::Room;

/// Longest time for which a lease keeps others from loading: longer than the database takes, unless it
/// is in trouble.
const LEASE: Duration = Duration::from_secs(2);
/// Between two looks whether another process, which has the lease, has filled; or whether there is a
/// heartbeat again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// So many looks, and then the database is asked: ten times what it takes.
const LOOKS: u32 = 12;
/// Who waited for a heartbeat in vain speaks for all who come in this time after him.
const VAIN: Duration = Duration::from_millis(500);
/// How long it is remembered that something changed: longer than a read that began before may live, also
/// on a replica that lags.
const REMEMBERED: Duration = Duration::from_secs(60);

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

/// Whether waiting for a heartbeat was of use lately: where there is none, only some wait for it.
#[derive(Debug, Default)]
struct Waiting {
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

/// Fills what is still leased by the caller, unless something newer is there. For each entry its key
/// and that of its lease; then token, version, entry, milliseconds.
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

    /// Those that exist among these, with one question to Redis, and at most one to the database for all
    /// that are not there.
    pub async fn get_many(&self, ctx: &Ctx, keys: &[K]) -> Result<HashMap<K, V>, Fault> {
        let Some(redis) = &self.inner.redis else {
            let loaded = self.inner.source.load(ctx, keys).await?;
            return Ok(loaded
                .into_iter()
                .map(|(key, one)| (key, one.value))
                .collect());
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
                self.load_missing(ctx, missing, is_vouched, &mut found, &mut tally)
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

    // -- looking -----------------------------------------------------------------------------------

    /// What Redis has under these keys, in their order; `None` if nobody vouches for it.
    async fn look(
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
    async fn look_patiently(
        &self,
        redis: &Redis,
        keys: &[K],
    ) -> client::Result<Option<Vec<Option<Vec<u8>>>>> {
        let found = self.look(redis, keys).await?;
        if found.is_some() {
            return Ok(found);
        }
        let waiting = &self.inner.waiting;
        for _ in 0..LOOKS {
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

    fn sort(
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

    /// Loads good values anew, with nobody waiting for them. Only those that nobody else is loading.
    fn refresh(&self, ctx: &Ctx, due: Vec<K>) {
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

    // -- loading -----------------------------------------------------------------------------------

    async fn load_missing(
        &self,
        ctx: &Ctx,
        mut missing: Vec<K>,
        is_vouched: bool,
        found: &mut HashMap<K, V>,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        // A flight that is lost, or out of its own time, is no verdict on who joined it: he takes the next.
        let mut last_try = false;
        loop {
            let (landings, leads) = self.inner.flights.board(missing);
            let led: HashSet<K> = leads.iter().map(|lead| lead.key.clone()).collect();
            if !leads.is_empty() {
                // It goes on when this request is gone: others wait for it.
                let (cache, ctx) = (self.clone(), ctx.clone());
                tokio::spawn(async move { cache.lead(&ctx, leads, is_vouched).await });
            }
            missing = Vec::new();
            let mut refused = None;
            for (key, landing) in landings {
                let landed = tokio::time::timeout(ctx.remaining()?, landing).await;
                match landed.map_err(|_| Fault::DeadlineExceeded)? {
                    Ok(Ok((value, how))) => {
                        tally.landed(how, led.contains(&key));
                        found.extend(value.map(|value| (key, value)));
                    }
                    Err(_) | Ok(Err(Fault::DeadlineExceeded)) if !last_try => missing.push(key),
                    Err(_) => refused = Some(Fault::internal("loads were lost twice")),
                    Ok(Err(fault)) => refused = Some(fault),
                }
            }
            match refused {
                Some(fault) => {
                    tally.refused += 1;
                    return Err(fault);
                }
                None if missing.is_empty() => return Ok(()),
                None => last_try = true,
            }
        }
    }

    /// Brings these flights down: by leases where the cache may be filled, else by the database alone.
    async fn lead(&self, ctx: &Ctx, leads: Vec<Lead<K, V>>, is_vouched: bool) {
        let Some(redis) = self.inner.redis.as_ref().filter(|_| is_vouched) else {
            return self.load(ctx, leads, How::Bypassed).await;
        };
        match self.lease(redis, leads).await {
            Ok((mine, others)) => {
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

    async fn load_and_fill(&self, ctx: &Ctx, redis: &Redis, leads: Vec<Lead<K, V>>) {
        if leads.is_empty() {
            return;
        }
        let started = Instant::now();
        let loaded = self.ask_source(ctx, &leads).await;
        let Ok(mut loaded) = loaded else {
            return land_all(leads, loaded.map(|_| HashMap::new()), How::Loaded);
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
        let values = loaded.drain().map(|(key, one)| (key, one.value)).collect();
        land_all(leads, Ok(values), How::Loaded);
    }

    /// Another process is loading these: looks until they are there, and loses patience soon.
    async fn wait_for_others(&self, ctx: &Ctx, redis: &Redis, mut leads: Vec<Lead<K, V>>) {
        for _ in 0..LOOKS {
            if leads.is_empty() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            let keys: Vec<K> = leads.iter().map(|lead| lead.key.clone()).collect();
            let Ok(Some(entries)) = self.look(redis, &keys).await else {
                break;
            };
            let mut waiting = Vec::new();
            for (lead, entry) in leads.into_iter().zip(entries) {
                match entry.and_then(|entry| Entry::decode(&entry)) {
                    Some(Entry::Value(found)) => {
                        lead.land(Ok((Some(found.value), How::FilledByOthers)));
                    }
                    Some(Entry::Absent) => lead.land(Ok((None, How::FilledByOthers))),
                    Some(Entry::Replaced) | None => waiting.push(lead),
                }
            }
            leads = waiting;
        }
        self.load(ctx, leads, How::Bypassed).await;
    }

    async fn load(&self, ctx: &Ctx, leads: Vec<Lead<K, V>>, how: How) {
        if leads.is_empty() {
            return;
        }
        let loaded = self.ask_source(ctx, &leads).await;
        let values = loaded.map(|loaded| {
            let values = loaded.into_iter().map(|(key, one)| (key, one.value));
            values.collect()
        });
        land_all(leads, values, how);
    }

    async fn ask_source(
        &self,
        ctx: &Ctx,
        leads: &[Lead<K, V>],
    ) -> Result<HashMap<K, Versioned<V>>, Fault> {
        let _place = self.inner.room.enter(ctx).await?;
        let keys: Vec<K> = leads.iter().map(|lead| lead.key.clone()).collect();
        let loaded = self.inner.source.load(ctx, &keys).await?;
        Ok(loaded.into_iter().collect())
    }

    // -- for the feed ------------------------------------------------------------------------------

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
        let mut replace = REPLACE.prepare_invoke();
        for (key, version) in &changed {
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
            .increment(changed.len() as u64);
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

    // -- keys --------------------------------------------------------------------------------------

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

/// What a read of several keys found: for metrics and `Server-Timing`.
#[derive(Debug, Default)]
struct Tally {
    hit: u64,
    absent: u64,
    miss: u64,
    shared: u64,
    bypass: u64,
    refused: u64,
}

impl Tally {
    fn landed(&mut self, how: How, led: bool) {
        match how {
            How::Loaded if led => self.miss += 1,
            How::Loaded | How::FilledByOthers => self.shared += 1,
            How::Bypassed => self.bypass += 1,
        }
    }

    fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [
            ("hit", self.hit),
            ("absent", self.absent),
            ("miss", self.miss),
            ("shared", self.shared),
            ("bypass", self.bypass),
            ("refused", self.refused),
        ];
        all.into_iter().filter(|(_, count)| *count > 0)
    }

    fn count(&self, cache: &'static str) {
        for (outcome, count) in self.outcomes() {
            counter!("cache_requests_total", "cache" => cache, "outcome" => outcome)
                .increment(count);
        }
    }

    /// `redis products 11 hit 1 miss`.
    fn describe(&self, cache: &str) -> String {
        let parts = self
            .outcomes()
            .map(|(outcome, count)| format!(" {count} {outcome}"));
        parts.fold(format!("redis {cache}"), |text, part| text + &part)
    }
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
