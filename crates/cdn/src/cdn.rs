//! What all workers share: what is stored, who is asking, how the origin is; and purges of all that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use runtime::config::ConfigError;

use crate::clock::Millis;
use crate::config::CacheConfig;
use crate::disk::Disk;
use crate::filling::Room;
use crate::flights::{Boarding, Flight, Flights};
use crate::groups::{self, Purge};
use crate::key::Key;
use crate::outcome::{CacheFigures, Names};
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct Cdn {
    pub(crate) config: ArcSwap<CacheConfig>,
    pub(crate) store: Store,
    pub(crate) disk: Option<Arc<Disk>>,
    pub(crate) flights: Flights,
    pub(crate) room: Arc<Room>,
    pub(crate) figures: CacheFigures,
    pub(crate) names: Names,
    /// Until when nobody waits for an origin that gave no answer, if something stands in for it.
    trouble_until: AtomicU64,
}

/// An upstream that dies is known to be dead within this time or so; until then each request would wait
/// for it once more.
const TROUBLE_MILLIS: u64 = 1_000;

impl Cdn {
    pub(crate) fn new(config: CacheConfig, name: &str) -> Result<Cdn, ConfigError> {
        config.check()?;
        let disk = config.disk.as_ref().map(|disk| Disk::open(disk, &config));
        Ok(Cdn {
            disk: disk.transpose()?.map(Arc::new),
            store: Store::new(config.max_bytes),
            flights: Flights::default(),
            room: Room::new(config.max_bytes / 4),
            figures: CacheFigures::default(),
            names: Names::new(name),
            trouble_until: AtomicU64::new(0),
            config: ArcSwap::from_pointee(config),
        })
    }

    /// Joins those who ask for the same, or leads them.
    pub(crate) fn board(&self, key: &Key, request: &http::HeaderMap) -> Boarding {
        self.flights.board(key, request, self.store.purges.last())
    }

    pub(crate) fn alone(&self, key: &Key) -> Arc<Flight> {
        self.flights.alone(key, self.store.purges.last())
    }

    pub(crate) fn note_trouble(&self, now: Millis) {
        self.trouble_until.store(now.0 + TROUBLE_MILLIS, Relaxed);
    }

    pub(crate) fn note_answer(&self) {
        self.trouble_until.store(0, Relaxed);
    }

    pub(crate) fn is_in_trouble(&self, now: Millis) -> bool {
        now.0 < self.trouble_until.load(Relaxed)
    }

    /// Whether there was something. What was asked for before is not stored after it.
    pub(crate) fn purge(&self, key: &Key, purge: Purge) -> bool {
        self.flights.doom(key);
        let was_on_disk = self.disk.as_ref().is_some_and(|disk| disk.forget(key));
        self.store.purge(key, purge) || was_on_disk
    }

    /// Of this group, whatever its origin.
    pub(crate) fn purge_group(&self, name: &str, purge: Purge) -> io::Result<()> {
        self.note_purge(Some(groups::named("*", name)), purge)
    }

    /// Of this group of one origin: it is no other's to purge.
    pub(crate) fn purge_group_of(&self, origin: &str, name: &str, purge: Purge) -> io::Result<()> {
        self.note_purge(Some(groups::named(origin, name)), purge)
    }

    pub(crate) fn purge_all(&self, purge: Purge) -> io::Result<()> {
        self.note_purge(None, purge)?;
        if purge == Purge::Hard {
            self.store.clear();
        }
        Ok(())
    }

    fn note_purge(&self, group: Option<Box<str>>, purge: Purge) -> io::Result<()> {
        let noted = self
            .disk
            .as_ref()
            .map_or(Ok(()), |disk| disk.note_purge(group.as_deref()));
        // It counts for as long as we run, noted or not.
        self.store.purges.purge(group, purge);
        noted
    }
}
