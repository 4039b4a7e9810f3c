//! Requests for the same at the same time: one asks the origin, the others wait for what it gets
//! (RFC 9111, 4). What it gets may turn out to be for one alone; then each asks for himself, and nobody
//! has another's answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use proxy::Refusal;
use tokio::sync::watch;

use crate::clock::Millis;
use crate::filling::Filling;
use crate::head::{Head, Stored};
use crate::key::Key;

/// How a flight ended for those who wait.
#[derive(Debug, Clone)]
pub(crate) enum Landing {
    /// The answer is on its way.
    Filling(Arc<Filling>),
    /// It was stored meanwhile, or all the time, but not in memory.
    Stored(Arc<Stored>),
    /// What was stored is still good.
    Validated(Arc<Stored>),
    /// There was no good answer, and what was stored stands in.
    StoodIn(Arc<Stored>),
    /// The answer is for nobody else.
    Pass,
    /// The answer is an origin's that is in trouble, and for nobody else.
    PassFailed,
    Failed(Refusal),
}

impl Landing {
    /// Whether a request like this one may have it that came meanwhile.
    pub(crate) fn is_shared_with(&self, request: &HeaderMap) -> bool {
        let is_shared = |head: &Head| head.is_shared(Millis::now()) && head.vary.matches(request);
        match self {
            Landing::Filling(filling) => is_shared(&filling.head),
            Landing::Stored(stored) | Landing::Validated(stored) => is_shared(&stored.head),
            Landing::StoodIn(stored) => stored.head.vary.matches(request),
            Landing::PassFailed | Landing::Failed(_) => true,
            Landing::Pass => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Flight {
    landing: watch::Sender<Option<Landing>>,
    /// What it gets may be for others, too.
    is_open: bool,
    /// It asks after the purge with this number, and so is for nobody who comes after another.
    after: u64,
    /// What it gets was purged before it came.
    is_doomed: AtomicBool,
}

/// All flights that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, Vec<Arc<Flight>>>>);

/// What to do for an answer.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// Somebody asks already.
    Join(Arc<Flight>),
    /// Ask, and tell those who join.
    Lead(Arc<Flight>),
}

impl Flight {
    fn new(is_open: bool, after: u64) -> Arc<Flight> {
        Arc::new(Flight {
            landing: watch::Sender::new(None),
            is_open,
            after,
            is_doomed: AtomicBool::new(false),
        })
    }

    pub(crate) fn land(&self, landing: Landing) {
        self.landing.send_replace(Some(landing));
    }

    pub(crate) fn land_if_not_yet(&self, landing: Landing) {
        self.landing.send_if_modified(|landed| {
            let is_new = landed.is_none();
            landed.get_or_insert(landing);
            is_new
        });
    }

    /// Waits as long as the flight takes; that is bounded by whoever leads it.
    pub(crate) async fn landed(&self) -> Landing {
        let mut landing = self.landing.subscribe();
        let landed = landing.wait_for(Option::is_some).await;
        landed
            .ok()
            .and_then(|landing| landing.clone())
            .unwrap_or(Landing::Pass)
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.is_doomed.load(Relaxed)
    }

    /// Whether it may have what a request like this one asks for.
    fn is_for(&self, request: &HeaderMap, after: u64) -> bool {
        match &*self.landing.borrow() {
            _ if !self.is_open || self.after != after => false,
            None => true,
            Some(Landing::Filling(filling)) => filling.head.vary.matches(request),
            Some(_) => false,
        }
    }
}

impl Flights {
    /// `after` is the number of the last purge.
    pub(crate) fn board(&self, key: &Key, request: &HeaderMap, after: u64) -> Boarding {
        let mut flights = self.lock();
        let there = flights.entry(key.clone()).or_default();
        if let Some(flight) = there.iter().find(|flight| flight.is_for(request, after)) {
            return Boarding::Join(flight.clone());
        }
        let flight = Flight::new(true, after);
        there.push(flight.clone());
        Boarding::Lead(flight)
    }

    /// One that nobody else joins.
    pub(crate) fn alone(&self, key: &Key, after: u64) -> Arc<Flight> {
        let flight = Flight::new(false, after);
        self.lock()
            .entry(key.clone())
            .or_default()
            .push(flight.clone());
        flight
    }

    /// Leads one if nobody does.
    #[cfg(test)]
    pub(crate) fn lead(&self, key: &Key, request: &HeaderMap, after: u64) -> Option<Arc<Flight>> {
        match self.board(key, request, after) {
            Boarding::Lead(flight) => Some(flight),
            Boarding::Join(_) => None,
        }
    }

    pub(crate) fn leave(&self, key: &Key, flight: &Arc<Flight>) {
        let mut flights = self.lock();
        if let Some(there) = flights.get_mut(key) {
            there.retain(|other| !Arc::ptr_eq(other, flight));
            if there.is_empty() {
                flights.remove(key);
            }
        }
    }

    /// Nobody joins those that are under way, and what they get is not stored.
    pub(crate) fn doom(&self, key: &Key) {
        for flight in self.lock().remove(key).into_iter().flatten() {
            flight.is_doomed.store(true, Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Arc<Flight>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::parse("http://shop/a").unwrap()
    }

    #[tokio::test]
    async fn all_who_come_before_the_landing_hear_of_it() {
        let flights = Flights::default();
        let Boarding::Lead(flight) = flights.board(&key(), &HeaderMap::new(), 0) else {
            panic!("nobody leads yet");
        };
        let waiting: Vec<_> = (0..3)
            .map(|_| match flights.board(&key(), &HeaderMap::new(), 0) {
                Boarding::Join(flight) => tokio::spawn(async move { flight.landed().await }),
                Boarding::Lead(_) => panic!("one leads already"),
            })
            .collect();
        tokio::task::yield_now().await;
        flight.land(Landing::Failed(Refusal::Late));
        for waiting in waiting {
            let landing = waiting.await.unwrap();
            assert!(matches!(landing, Landing::Failed(Refusal::Late)));
        }
        // Whoever comes now leads another.
        assert!(flights.lead(&key(), &HeaderMap::new(), 0).is_some());
        flights.leave(&key(), &flight);
        assert!(flights.lead(&key(), &HeaderMap::new(), 0).is_none());
    }

    #[tokio::test]
    async fn who_comes_after_a_purge_does_not_get_what_was_asked_for_before_it() {
        let flights = Flights::default();
        let first = flights.lead(&key(), &HeaderMap::new(), 0).unwrap();
        flights.doom(&key());
        assert!(first.is_doomed());
        let second = flights.lead(&key(), &HeaderMap::new(), 0).unwrap();
        assert!(!second.is_doomed());
        flights.leave(&key(), &first);
        assert!(flights.lead(&key(), &HeaderMap::new(), 0).is_none());
    }

    #[test]
    fn who_comes_after_a_purge_of_many_does_not_either() {
        let flights = Flights::default();
        let first = flights.lead(&key(), &HeaderMap::new(), 0);
        assert!(first.is_some());
        assert!(flights.lead(&key(), &HeaderMap::new(), 0).is_none());
        assert!(flights.lead(&key(), &HeaderMap::new(), 1).is_some());
    }
}
