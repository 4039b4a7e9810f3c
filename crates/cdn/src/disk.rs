//! What is stored, on disk: more than memory holds, and still there after a restart. A file for each
//! answer; heads are kept in memory, bodies are read when they are asked for.
//!
//! Nothing here is on the way of a hit from memory, and all of it may be lost: it is a cache.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use runtime::config::ConfigError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Millis;
use crate::config::{CacheConfig, DiskConfig};
use crate::directives::Seconds;
use crate::flights::Flight;
use crate::groups::{Purge, Purges};
use crate::head::{Head, Stored};
use crate::key::Key;
use crate::record;
use crate::store::MOST_VARIANTS;

/// What the smallest counts as: its head is in memory, and a folder of a gigabyte has so at most 32,768
/// of them there.
const LEAST_BYTES: u64 = 32 << 10;

/// Seconds of life that are worth a file.
const LEAST_LIFE: Seconds = 60;

/// Purges of many that are noted one by one; beyond, they become one of all.
const MOST_NOTED: usize = 4096;

const EXTENSION: &str = "stored";
const PURGES: &str = "purges";

pub(crate) struct Disk {
    folder: PathBuf,
    index: Cache<Key, Arc<[Arc<Filed>]>, Weigh, DefaultHashBuilder, Unlink>,
    /// Held by whoever changes an entry. In it, the purges that files know nothing of.
    changing: Mutex<Journal>,
}

struct Journal {
    file: File,
    noted: usize,
}

struct Filed {
    head: Arc<Head>,
    path: PathBuf,
    bytes: u64,
}

/// A purge of many, for those who start after it.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    at: Millis,
    /// As in [`Head::groups`]; `None` for all.
    group: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Weigh;

impl Weighter<Key, Arc<[Arc<Filed>]>> for Weigh {
    fn weight(&self, _: &Key, filed: &Arc<[Arc<Filed>]>) -> u64 {
        filed.iter().map(|filed| filed.bytes.max(LEAST_BYTES)).sum()
    }
}

/// Removes the files of what had to go, once nobody is kept waiting by it.
#[derive(Debug, Clone, Copy)]
struct Unlink;

#[derive(Default)]
struct Evicted(Vec<Arc<[Arc<Filed>]>>);

impl Lifecycle<Key, Arc<[Arc<Filed>]>> for Unlink {
    type RequestState = Evicted;

    fn on_evict(&self, evicted: &mut Evicted, _: Key, filed: Arc<[Arc<Filed>]>) {
        evicted.0.push(filed);
    }
}

impl Drop for Evicted {
    fn drop(&mut self) {
        for filed in self.0.iter().flat_map(|filed| filed.iter()) {
            filed.unlink();
        }
    }
}

impl Filed {
    fn unlink(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove a stored answer");
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("folder", &self.folder)
            .finish()
    }
}

impl Disk {
    /// Finds what is there. What cannot be read, or was purged, goes.
    pub(crate) fn open(config: &DiskConfig, cache: &CacheConfig) -> Result<Disk, ConfigError> {
        let failed = |error: io::Error| {
            let expected = format!(
                "disk.folder: expected a folder that can be written, got {}: {error}",
                config.folder.display()
            );
            ConfigError::in_use("cache", expected)
        };
        fs::create_dir_all(&config.folder).map_err(failed)?;
        let purged = read_purges(&config.folder);
        let mut found = read_folder(&config.folder, cache, &purged).map_err(failed)?;
        // Afterwards files tell all there is to tell.
        let journal = OpenOptions::new()
            .create(true)
            .append(true)
            .open(config.folder.join(PURGES))
            .map_err(failed)?;
        journal.set_len(0).map_err(failed)?;
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(found.len().max(1024))
            .weight_capacity(config.max_bytes as u64)
            .build()
            .expect("all that it needs is set");
        let disk = Disk {
            folder: config.folder.clone(),
            index: Cache::with_options(options, Weigh, DefaultHashBuilder::default(), Unlink),
            changing: Mutex::new(Journal {
                file: journal,
                noted: 0,
            }),
        };
        // The youngest last: so they stay, if there is less room than there was.
        found.sort_by_key(|(_, filed)| filed.head.birth);
        let count = found.len();
        for (key, filed) in found {
            disk.change(&disk.lock(), &key, |_| false, Some(filed));
        }
        tracing::info!(count, folder = %config.folder.display(), "found stored answers");
        Ok(disk)
    }

    /// What there is for a request, whatever its age.
    pub(crate) async fn load(
        &self,
        key: &Key,
        request: &HeaderMap,
        purges: &Purges,
    ) -> Option<Arc<Stored>> {
        let filed = self.index.get(key)?;
        let fits = |filed: &&Arc<Filed>| {
            filed.head.vary.matches(request) && purges.verdict(&filed.head) != Some(Purge::Hard)
        };
        let filed = filed.iter().rev().find(fits)?.clone();
        let read = {
            let filed = filed.clone();
            tokio::task::spawn_blocking(move || record::read(&filed.path, filed.head.clone()))
        };
        match read.await.ok()? {
            Ok(stored) => Some(Arc::new(stored)),
            // Another has taken its place meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, key = key.as_str(), "a stored answer cannot be read");
                let is_it = |old: &Filed| old.path == filed.path;
                self.change(&self.lock(), key, is_it, None);
                None
            }
        }
    }

    /// Keeps an answer, in the place of those that its request would have got before. Not if it was
    /// purged on its way.
    pub(crate) async fn keep(
        self: &Arc<Self>,
        key: &Key,
        request: &HeaderMap,
        stored: Arc<Stored>,
        flight: &Flight,
        purges: &Purges,
    ) {
        let is_worth_it =
            stored.head.status.is_success() && stored.head.freshness.lifetime >= LEAST_LIFE;
        if !is_worth_it || flight.is_doomed() {
            return;
        }
        let path = self.folder.join(format!("{}.{EXTENSION}", Uuid::now_v7()));
        let head = stored.head.clone();
        let write = {
            let (path, key) = (path.clone(), key.clone());
            tokio::task::spawn_blocking(move || record::write(&path, &key, &stored))
        };
        let bytes = match write.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                tracing::warn!(%error, folder = %self.folder.display(), "an answer is not kept on disk");
                return;
            }
            Err(_) => return,
        };
        let changing = self.lock();
        // Only now is it there for those who start after us: not if it was purged on its way.
        if flight.is_doomed() || purges.verdict(&head).is_some() {
            record::discard(&path);
        } else if let Err(error) = record::publish(&path) {
            tracing::warn!(%error, path = %path.display(), "an answer is not kept on disk");
        } else {
            let filed = Arc::new(Filed { head, path, bytes });
            let is_replaced = |old: &Filed| old.head.vary.matches(request);
            self.change(&changing, key, is_replaced, Some(filed));
        }
    }

    /// Takes some files of an address out, and perhaps another in.
    fn change(
        &self,
        _changing: &MutexGuard<'_, Journal>,
        key: &Key,
        is_removed: impl Fn(&Filed) -> bool,
        added: Option<Arc<Filed>>,
    ) {
        // All are taken out: those that are replaced count as evicted, and their files would go.
        let there = self.index.remove(key);
        let mut variants = there.map_or(Vec::new(), |(_, there)| there.to_vec());
        variants.retain(|old| {
            let stays = !is_removed(old);
            if !stays {
                old.unlink();
            }
            stays
        });
        variants.extend(added);
        let too_many = variants.len().saturating_sub(MOST_VARIANTS);
        for old in variants.drain(..too_many) {
            old.unlink();
        }
        if !variants.is_empty() {
            self.index.insert(key.clone(), variants.into());
        }
    }

    /// Of an address; softly or not, it is not here any more.
    /// Whether it was.
    pub(crate) fn forget(&self, key: &Key) -> bool {
        let _changing = self.lock();
        let removed = self.index.remove(key);
        for filed in removed.iter().flat_map(|(_, filed)| filed.iter()) {
            filed.unlink();
        }
        removed.is_some()
    }

    /// Notes a purge of a group, or of all, for after a restart: until then, [`Purges`] knows.
    pub(crate) fn note_purge(&self, group: Option<&str>) -> io::Result<()> {
        let mut journal = self.lock();
        // Where there are so many, what is there is not worth much.
        let is_full = journal.noted >= MOST_NOTED;
        if is_full {
            journal.file.set_len(0)?;
            journal.noted = 0;
        }
        let noted = Noted {
            at: Millis::now(),
            group: group.filter(|_| !is_full).map(str::to_owned),
        };
        let mut line = serde_json::to_vec(&noted)?;
        line.push(b'\n');
        journal.noted += 1;
        journal.file.write_all(&line)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.index.weight()
    }

    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_purges(folder: &Path) -> Vec<Noted> {
    let text = fs::read_to_string(folder.join(PURGES)).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn read_folder(
    folder: &Path,
    cache: &CacheConfig,
    purged: &[Noted],
) -> io::Result<Vec<(Key, Arc<Filed>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let filed = match extension {
            Some(EXTENSION) => filed(&path, cache, purged),
            // Of somebody who was killed while he wrote it.
            Some(record::PARTIAL) => None,
            _ => continue,
        };
        match filed {
            Some(filed) => found.push(filed),
            None => fs::remove_file(&path)?,
        }
    }
    Ok(found)
}

fn filed(path: &Path, cache: &CacheConfig, purged: &[Noted]) -> Option<(Key, Arc<Filed>)> {
    let (record, bytes) = record::read_head(path).ok()?;
    let head = record.head(cache)?;
    let is_purged = purged.iter().any(|noted| {
        let concerns = noted
            .group
            .as_ref()
            .is_none_or(|group| head.groups.iter().any(|own| **own == **group));
        concerns && record.birth.requested <= noted.at
    });
    (!is_purged).then(|| {
        let filed = Filed {
            head: Arc::new(head),
            path: path.to_owned(),
            bytes,
        };
        (record.key, Arc::new(filed))
    })
}
