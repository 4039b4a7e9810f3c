//! One load for all of this process who ask for the same key at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::Fault;
use futures::FutureExt;
use futures::future::Shared;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who comes later than this begins a load of his own: what is loaded may have been read from the
/// database when the flight began, and be replaced since. Well below every bound of staleness.
const JOINABLE: Duration = Duration::from_millis(50);

/// What a load brought, and how: shared by all who waited for it.
pub(crate) type Landed<V> = Result<(Option<V>, How), Fault>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// The database was asked, and the cache filled.
    Loaded,
    /// Another process had filled it when we looked. It may have been as old then as it may ever be.
    FilledByOthers { looked: Instant },
    /// The database was asked, for want of a cache.
    Bypassed,
}

impl How {
    /// Whether it is fresh enough for who began to ask at that time.
    pub(crate) fn suits(self, asked: Instant) -> bool {
        match self {
            How::FilledByOthers { looked } => asked <= looked,
            // Joined soon after it began, if at all: see `JOINABLE`.
            How::Loaded | How::Bypassed => true,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Flights<K, V> {
    by_key: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

#[derive(Debug)]
struct Flight<V> {
    began: Instant,
    number: u64,
    landed: Landing<V>,
}

/// Resolves when the flight lands; an error if it was lost.
pub(crate) type Landing<V> = Shared<oneshot::Receiver<Landed<V>>>;

pub(crate) type Boarded<K, V> = (Vec<(K, Landing<V>)>, Vec<Lead<K, V>>);

/// Whoever has this loads the key, and tells. Dropped, the flight is lost.
#[derive(Debug)]
pub(crate) struct Lead<K: Hash + Eq, V> {
    pub(crate) key: K,
    number: u64,
    land: oneshot::Sender<Landed<V>>,
    entry: Leaving<K, V>,
}

/// Takes the flight off the board, if it is still this one.
#[derive(Debug)]
struct Leaving<K: Hash + Eq, V> {
    key: K,
    number: u64,
    by_key: Arc<Mutex<HashMap<K, Flight<V>>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Flights<K, V> {
    pub(crate) fn new() -> Flights<K, V> {
        Flights {
            by_key: Arc::default(),
        }
    }

    /// For each key where it will land, and those flights that the caller has to lead.
    pub(crate) fn board(&self, keys: Vec<K>) -> Boarded<K, V> {
        let mut by_key = lock(&self.by_key);
        let (mut landings, mut leads) = (Vec::with_capacity(keys.len()), Vec::new());
        for key in keys {
            if let Some(flight) = by_key.get(&key)
                && flight.began.elapsed() < JOINABLE
            {
                landings.push((key, flight.landed.clone()));
                continue;
            }
            let (land, landed) = oneshot::channel();
            let (landed, number) = (landed.shared(), fastrand::u64(..));
            let flight = Flight {
                began: Instant::now(),
                number,
                landed: landed.clone(),
            };
            by_key.insert(key.clone(), flight);
            let entry = Leaving {
                key: key.clone(),
                number,
                by_key: self.by_key.clone(),
            };
            landings.push((key.clone(), landed));
            leads.push(Lead {
                key,
                number,
                land,
                entry,
            });
        }
        (landings, leads)
    }

    /// It changed: who asks from now on gets no flight that began before.
    pub(crate) fn forget(&self, key: &K) {
        lock(&self.by_key).remove(key);
    }
}

impl<K: Eq + Hash, V> Lead<K, V> {
    pub(crate) fn land(self, landed: Landed<V>) {
        drop(self.entry);
        // An error: nobody waits any more.
        let _ = self.land.send(landed);
    }

    /// Nobody else has the same.
    pub(crate) fn token(&self) -> String {
        format!("{:016x}", self.number)
    }
}

impl<K: Hash + Eq, V> Drop for Leaving<K, V> {
    fn drop(&mut self) {
        let mut by_key = lock(&self.by_key);
        if by_key
            .get(&self.key)
            .is_some_and(|flight| flight.number == self.number)
        {
            by_key.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flights() -> Flights<&'static str, u32> {
        Flights::new()
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_it_is_under_way_gets_the_same() {
        let flights = flights();
        let (first, mut leads) = flights.board(vec!["mug"]);
        let (second, none) = flights.board(vec!["mug"]);
        assert!(none.is_empty());
        leads.remove(0).land(Ok((Some(7), How::Loaded)));
        for (_, landing) in [first, second].into_iter().flatten() {
            assert!(matches!(landing.await, Ok(Ok((Some(7), How::Loaded)))));
        }
        assert_eq!(flights.board(vec!["mug"]).1.len(), 1, "it has landed");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_joins_what_began_before_a_change() {
        let flights = flights();
        let (_, old) = flights.board(vec!["mug"]);
        flights.forget(&"mug");
        let (_, new) = flights.board(vec!["mug"]);
        assert_eq!(new.len(), 1);
        // The end of the old one is not the end of the new one.
        drop(old);
        assert!(flights.board(vec!["mug"]).1.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_joins_what_began_long_ago() {
        let flights = flights();
        let (_, _lead) = flights.board(vec!["mug"]);
        tokio::time::advance(JOINABLE).await;
        assert_eq!(flights.board(vec!["mug"]).1.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_after_a_look_needs_one_of_his_own() {
        let before = Instant::now();
        tokio::time::advance(JOINABLE).await;
        let found = How::FilledByOthers {
            looked: Instant::now(),
        };
        tokio::time::advance(JOINABLE).await;
        let after = Instant::now();
        assert!(found.suits(before) && !found.suits(after));
        assert!(How::Loaded.suits(after));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_flight_is_an_error_for_who_waits_and_off_the_board() {
        let flights = flights();
        let (mut landings, leads) = flights.board(vec!["mug"]);
        drop(leads);
        assert!(landings.remove(0).1.await.is_err());
        assert_eq!(flights.board(vec!["mug"]).1.len(), 1);
    }
}
