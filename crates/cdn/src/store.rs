//! What is stored, by address, within a budget of memory. Which answer goes when room is needed is
//! decided by `quick_cache`: S3-FIFO, which lets what is asked for once pass by without harm
//! (docs/decisions/0018).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::clock::Millis;
use crate::flights::Flight;
use crate::groups::{Purge, Purges};
use crate::head::Stored;
use crate::key::Key;

/// Answers to one address, for different requests. More would be found one by one at each request.
pub(crate) const MOST_VARIANTS: usize = 16;

/// For so long nobody waits for others whose answer turns out to be theirs alone.
pub(crate) const PASS_MILLIS: u64 = 10_000;

/// An item is of two objects at least, so that no single one empties a shard.
const SHARDS: usize = 4;

#[derive(Clone)]
enum Entry {
    Variants(Arc<[Arc<Stored>]>),
    /// What comes from there is not stored, up to now: everybody asks for himself.
    Pass {
        until: Millis,
    },
}

#[derive(Debug, Clone, Copy)]
struct Weigh;

impl Weighter<Key, Entry> for Weigh {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        let variants: &[Arc<Stored>] = match entry {
            Entry::Variants(variants) => variants,
            Entry::Pass { .. } => &[],
        };
        let bodies: u64 = variants.iter().map(|stored| weight(stored)).sum();
        bodies + key.as_str().len() as u64 + 128
    }
}

fn weight(stored: &Stored) -> u64 {
    (stored.body.len() + stored.head.bytes()) as u64
}

pub(crate) struct Store {
    entries: Cache<Key, Entry, Weigh>,
    pub(crate) purges: Purges,
    /// Held by whoever changes an entry that is there.
    changing: Mutex<()>,
}

/// What there is for a request.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Fresh(Arc<Stored>),
    /// It may be validated, and perhaps used meanwhile or for want of better.
    Stale(Arc<Stored>),
    /// There are answers, but for other requests.
    OtherVariants,
    Nothing,
    /// Nothing, and nothing to be waited for.
    Pass,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("objects", &self.objects())
            .finish()
    }
}

impl Store {
    pub(crate) fn new(max_bytes: usize) -> Store {
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity((max_bytes / 16_384).max(1024))
            .weight_capacity(max_bytes as u64)
            .build()
            .expect("all that it needs is set");
        Store {
            entries: Cache::with_options(
                options,
                Weigh,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            purges: Purges::default(),
            changing: Mutex::default(),
        }
    }

    pub(crate) fn find(&self, key: &Key, request: &HeaderMap, now: Millis) -> Found {
        let variants = match self.entries.get(key) {
            Some(Entry::Variants(variants)) => variants,
            Some(Entry::Pass { until }) if now < until => return Found::Pass,
            Some(Entry::Pass { .. }) | None => return Found::Nothing,
        };
        let mut is_there = false;
        // The youngest first (RFC 9111, 4).
        for stored in variants.iter().rev() {
            let purge = self.purges.verdict(&stored.head);
            if purge == Some(Purge::Hard) {
                continue;
            }
            is_there = true;
            if stored.head.vary.matches(request) {
                let age = stored.head.age(now);
                return match purge.is_none() && stored.head.freshness.is_fresh(age) {
                    true => Found::Fresh(stored.clone()),
                    false => Found::Stale(stored.clone()),
                };
            }
        }
        match is_there {
            true => Found::OtherVariants,
            false => Found::Nothing,
        }
    }

    /// Stores an answer, in the place of those that a request like its own would have got before.
    /// Not if it was purged on its way, or came later than a younger one.
    pub(crate) fn put(&self, key: &Key, request: &HeaderMap, stored: Arc<Stored>, flight: &Flight) {
        let _changing = self.lock();
        if flight.is_doomed() || self.purges.verdict(&stored.head) == Some(Purge::Hard) {
            return;
        }
        let mut variants: Vec<Arc<Stored>> = match self.entries.peek(key) {
            Some(Entry::Variants(variants)) => variants.to_vec(),
            _ => Vec::new(),
        };
        let is_older = |old: &Arc<Stored>| {
            old.head.vary.matches(request) && stored.head.birth.requested < old.head.birth.requested
        };
        if variants.iter().any(is_older) {
            return;
        }
        variants.retain(|old| {
            !old.head.vary.matches(request) && self.purges.verdict(&old.head) != Some(Purge::Hard)
        });
        let too_many = (variants.len() + 1).saturating_sub(MOST_VARIANTS);
        variants.drain(..too_many);
        variants.push(stored);
        // All of an address are one item, which has to fit into a shard.
        let most = self.entries.shard_capacity() / 2;
        let mut bytes: u64 = variants.iter().map(|stored| weight(stored)).sum();
        while bytes > most && variants.len() > 1 {
            bytes -= weight(&variants.remove(0));
        }
        self.entries
            .insert(key.clone(), Entry::Variants(variants.into()));
    }

    /// Notes that what comes from there is not stored; what is stored stays.
    pub(crate) fn note_pass(&self, key: &Key, now: Millis, millis: u64) {
        let _changing = self.lock();
        if let None | Some(Entry::Pass { .. }) = self.entries.peek(key) {
            let until = Millis(now.0 + millis);
            self.entries.insert(key.clone(), Entry::Pass { until });
        }
    }

    /// Whether there was something.
    pub(crate) fn purge(&self, key: &Key, purge: Purge) -> bool {
        let _changing = self.lock();
        match (purge, self.entries.peek(key)) {
            (_, None | Some(Entry::Pass { .. })) => false,
            (Purge::Hard, Some(_)) => self.entries.remove(key).is_some(),
            (Purge::Soft, Some(Entry::Variants(variants))) => {
                for stored in variants.iter() {
                    stored.head.purge_softly();
                }
                true
            }
        }
    }

    /// What a purge of all leaves nothing of.
    pub(crate) fn clear(&self) {
        let _changing = self.lock();
        self.entries.clear();
    }

    pub(crate) fn objects(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;
    use crate::config::CacheConfig;
    use crate::flights::Flights;
    use crate::head::{Asked, Head};

    fn key(path: usize) -> Key {
        Key::parse(&format!("http://shop/{path}")).unwrap()
    }

    fn request(foo: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("foo", foo.parse().unwrap());
        headers
    }

    fn stored(key: &Key, request: &HeaderMap, bytes: usize) -> Arc<Stored> {
        let answer = Response::builder()
            .header("cache-control", "max-age=60")
            .header("vary", "foo")
            .body(())
            .unwrap();
        let times = Asked::now(0);
        let config = CacheConfig::default();
        let head = Head::of(key, request, &answer, times, &config).unwrap();
        let body = Bytes::from(vec![0; bytes]);
        Arc::new(Stored {
            head: Arc::new(head),
            body,
        })
    }

    fn put(store: &Store, key: &Key, foo: &str, bytes: usize) {
        let flight = Flights::default().alone(key, 0);
        store.put(
            key,
            &request(foo),
            stored(key, &request(foo), bytes),
            &flight,
        );
    }

    fn has(store: &Store, key: &Key, foo: &str) -> bool {
        let found = store.find(key, &request(foo), Millis::now());
        matches!(found, Found::Fresh(_))
    }

    #[test]
    fn variants_of_an_address_are_found_by_their_requests() {
        let (store, key) = (Store::new(1 << 20), key(1));
        assert!(matches!(
            store.find(&key, &request("1"), Millis::now()),
            Found::Nothing
        ));
        put(&store, &key, "1", 10);
        put(&store, &key, "2", 20);
        put(&store, &key, "1", 30);
        let Found::Fresh(first) = store.find(&key, &request("1"), Millis::now()) else {
            panic!("it is there");
        };
        assert_eq!(first.body.len(), 30);
        assert!(has(&store, &key, "2"));
        let other = store.find(&key, &request("3"), Millis::now());
        assert!(matches!(other, Found::OtherVariants));
        for foo in 0..2 * MOST_VARIANTS {
            put(&store, &key, &foo.to_string(), 1);
        }
        let last = 2 * MOST_VARIANTS - 1;
        assert!(has(&store, &key, &last.to_string()));
        assert!(!has(&store, &key, "3"), "the oldest has gone");
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_survives_what_is_asked_for_once() {
        const BYTES: usize = 4 << 20;
        let store = Store::new(BYTES);
        let used: Vec<Key> = (0..20).map(key).collect();
        for key in &used {
            put(&store, key, "1", 20_000);
        }
        for round in 0..2_000 {
            for key in &used {
                let _ = has(&store, key, "1");
            }
            put(&store, &self::key(1_000 + round), "1", 20_000);
            assert!(store.bytes() <= BYTES as u64);
        }
        let left = used.iter().filter(|key| has(&store, key, "1")).count();
        assert!(left >= 18, "{left} of 20 left");
    }

    #[test]
    fn a_large_object_is_stored_beside_small_ones() {
        let store = Store::new(128 << 20);
        put(&store, &key(1), "1", 16 << 20);
        put(&store, &key(2), "1", 1_000);
        assert!(has(&store, &key(1), "1") && has(&store, &key(2), "1"));
    }

    #[test]
    fn a_purge_takes_all_variants_or_makes_them_stale() {
        let (store, key) = (Store::new(1 << 20), key(1));
        put(&store, &key, "1", 1);
        put(&store, &key, "2", 1);
        assert!(store.purge(&key, Purge::Soft));
        let found = store.find(&key, &request("1"), Millis::now());
        assert!(matches!(found, Found::Stale(_)));
        assert!(store.purge(&key, Purge::Hard));
        assert!(!store.purge(&key, Purge::Hard));
        assert!(matches!(
            store.find(&key, &request("2"), Millis::now()),
            Found::Nothing
        ));
    }

    #[test]
    fn what_passes_is_not_waited_for_until_it_is_stored() {
        let (store, key, now) = (Store::new(1 << 20), key(1), Millis::now());
        store.note_pass(&key, now, PASS_MILLIS);
        assert!(matches!(store.find(&key, &request("1"), now), Found::Pass));
        let later = Millis(now.0 + PASS_MILLIS);
        assert!(matches!(
            store.find(&key, &request("1"), later),
            Found::Nothing
        ));
        put(&store, &key, "1", 1);
        store.note_pass(&key, now, PASS_MILLIS);
        assert!(has(&store, &key, "1"));
    }
}
