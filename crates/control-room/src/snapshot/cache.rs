//! What need not be asked of the database, and the two Redis that have it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::boxes::Homes;
use crate::prometheus::{Figures, Sample};
use crate::promql::{self, Query};

#[derive(Debug, Clone, Serialize)]
pub struct CacheFigures {
    /// By name.
    pub entries: Vec<EntryFigures>,
    /// By name.
    pub stores: Vec<RedisFigures>,
}

/// Entries of one kind: products, say. All but the hit rate are a second.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EntryFigures {
    pub name: String,
    /// Each for one entry.
    pub requests: f64,
    /// Share of requests that cost no query of their own; none without requests.
    pub hit_rate: Option<f64>,
    /// Asked the database, and filled the cache.
    pub misses: f64,
    /// Asked the database, as the cache could not be asked or trusted.
    pub bypassed: f64,
    /// Were not let through to the database: it has enough to do.
    pub refused: f64,
    /// Renewed before their time was over.
    pub refreshes: f64,
    /// Once by whoever wrote, right after his commit.
    pub invalidated_fast: f64,
    /// And once by the feed, which forgets none.
    pub invalidated_by_feed: f64,
}

/// One Redis. It says nothing of itself while it is away, and others still say so.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RedisFigures {
    /// `sessions`, `cache`.
    pub name: String,
    /// None if nobody calls it.
    pub circuit: Option<CircuitFigures>,
    /// Bytes.
    pub memory: Option<f64>,
    pub memory_limit: Option<f64>,
    pub keys: Option<f64>,
    /// Keys that had to make room for others, in the last 15 minutes.
    pub evictions: Option<f64>,
}

/// Each box has a circuit of its own; this is the worst of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CircuitFigures {
    pub state: CircuitState,
    /// Whose is in this state, by name.
    pub boxes: Vec<String>,
    /// Of so many.
    pub of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CircuitState {
    Closed,
    /// It tries whether Redis is back.
    HalfOpen,
    /// It does not ask.
    Open,
}

impl CircuitState {
    fn of(value: f64) -> CircuitState {
        match value {
            2.0.. => CircuitState::Open,
            1.0.. => CircuitState::HalfOpen,
            _ => CircuitState::Closed,
        }
    }
}

impl CacheFigures {
    /// None where nothing is cached.
    pub(super) fn of(figures: &Figures, homes: &Homes) -> Option<CacheFigures> {
        let (entries, stores) = (entries(figures), stores(figures, homes));
        let is_there = !(entries.is_empty() && stores.is_empty());
        is_there.then_some(CacheFigures { entries, stores })
    }
}

fn entries(figures: &Figures) -> Vec<EntryFigures> {
    let mut entries: BTreeMap<&str, EntryFigures> = BTreeMap::new();
    let mut add = |query: Query, to: fn(&mut EntryFigures, &Sample, f64)| {
        for sample in figures.of(query) {
            if let Some(value) = sample.value() {
                to(
                    entries.entry(sample.label("cache")).or_default(),
                    sample,
                    value,
                );
            }
        }
    };
    add(promql::CACHED, |entry, sample, rate| {
        entry.requests += rate;
        match sample.label("outcome") {
            "miss" => entry.misses = rate,
            "bypass" => entry.bypassed = rate,
            "refused" => entry.refused = rate,
            _ => {}
        }
    });
    add(promql::HIT_RATE, |entry, _, share| {
        entry.hit_rate = Some(share);
    });
    add(promql::REFRESHES, |entry, _, rate| entry.refreshes = rate);
    add(promql::INVALIDATIONS, |entry, sample, rate| {
        match sample.label("path") {
            "fast" => entry.invalidated_fast = rate,
            "feed" => entry.invalidated_by_feed = rate,
            _ => {}
        }
    });
    let named = entries.into_iter().map(|(name, entry)| EntryFigures {
        name: name.to_owned(),
        ..entry
    });
    named.collect()
}

fn stores(figures: &Figures, homes: &Homes) -> Vec<RedisFigures> {
    let mut stores: BTreeMap<&str, RedisFigures> = BTreeMap::new();
    type Field = fn(&mut RedisFigures) -> &mut Option<f64>;
    let fields: [(Query, Field); 4] = [
        (promql::REDIS_MEMORY, |redis| &mut redis.memory),
        (promql::REDIS_MEMORY_LIMIT, |redis| &mut redis.memory_limit),
        (promql::REDIS_KEYS, |redis| &mut redis.keys),
        (promql::REDIS_EVICTIONS, |redis| &mut redis.evictions),
    ];
    for (query, field) in fields {
        // What is said of a box is said no longer than it is there.
        for sample in figures.of(query) {
            if homes.of_sample(sample).is_some() {
                *field(stores.entry(sample.label("store")).or_default()) = sample.value();
            }
        }
    }
    // By box, as one on two networks may have been asked twice.
    let mut circuits: BTreeMap<&str, BTreeMap<&str, CircuitState>> = BTreeMap::new();
    for sample in figures.of(promql::CIRCUITS) {
        let name = sample.label("dependency").strip_prefix("redis-");
        let (name, home) = (name.unwrap_or_default(), homes.of_sample(sample));
        if let (Some(home), Some(value)) = (home, sample.value()) {
            let circuits = circuits.entry(name).or_default();
            circuits.insert(home, CircuitState::of(value));
        }
    }
    for (name, circuits) in circuits {
        stores.entry(name).or_default().circuit = CircuitFigures::worst(&circuits);
    }
    let named = stores.into_iter().map(|(name, redis)| RedisFigures {
        name: name.to_owned(),
        ..redis
    });
    named.collect()
}

impl CircuitFigures {
    fn worst(circuits: &BTreeMap<&str, CircuitState>) -> Option<CircuitFigures> {
        let state = *circuits.values().max()?;
        let are = circuits.iter().filter(|(_, own)| **own == state);
        Some(CircuitFigures {
            state,
            boxes: are.map(|(name, _)| (*name).to_owned()).collect(),
            of: circuits.len(),
        })
    }
}
