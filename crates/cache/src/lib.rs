//! Redis, and what the shop keeps there so that it need not ask Postgres.
//!
//! **Owns** the way to a Redis server ([`Redis`]: deadlines and a circuit breaker), the cache-aside
//! with its guarantee ([`Cache`], [`Feed`]), and rates that all boxes count together ([`Limiter`]).
//!
//! **Never** is what it caches the only copy of anything, it knows no domain, and has no SQL: whoever
//! caches something says how to load it ([`Source`]).
//!
//! # What a reader is promised
//!
//! No value that was replaced more than [`Spec::bound`] before his question began, whatever dies when.
//! Four things keep it:
//!
//! - A **lease** (Nishtala et al., NSDI '13): who misses takes one before he asks the database, and may
//!   fill only while he has it. Invalidating takes it away, so what was read before a change is not
//!   filled after it. One lease for a key, so one question for all processes.
//! - A **version** from the database with each value. Invalidating does not delete: it leaves the new
//!   version under the key, without a value, and a fill never replaces a newer one.
//! - A **heartbeat**: changes are told to the cache by whoever commits them, at once; and once more by a
//!   feed that reads the domain's outbox of changes. After each complete pass the feed *vouches* for the
//!   cache: it sets a key that expires by itself, `bound` after the pass began. A hit counts only while
//!   that key is there. A lost message, a
//!   killed writer, a frozen Redis that wakes with yesterday's values: each of them means that the
//!   heartbeat is missing, and then the database is asked.
//! - A **flight**: all of a process who miss the same key at once share one load, which somebody leads. Who
//!   comes 50 ms after it began leads one of his own, as what is loaded may be of its beginning.
//!
//! **Start** at [`Cache::get_many`].

mod cache;
mod entry;
mod feed;
mod flights;
mod room;

mod breaker;
mod client;
mod config;

mod limit;

pub use cache::{Cache, Source, Spec, Versioned};
pub use client::{Error, Redis, Result};
pub use config::{RedisConfig, Redises};
pub use feed::{Change, Changes, Feed, Pass};
pub use limit::{Limiter, Rate};
pub use room::{Place, Room};
