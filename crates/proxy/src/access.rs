//! The access log: a line of JSON on stdout for each request, for a share of them, or for none.
//!
//! No request waits for the log: a thread writes it, and what it cannot take is dropped and counted.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::Serialize;

/// Lines that may wait to be written: a second of 1,000 requests.
const MOST_WAITING: usize = 1024;

#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) client: IpAddr,
    pub(crate) method: &'a str,
    /// Without the query, which may be private.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) duration_ms: f64,
    pub(crate) upstream: Option<&'a str>,
    /// What a cache made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<&'a str>,
    pub(crate) attempts: usize,
    pub(crate) request_id: Option<&'a str>,
}

/// Cheap to clone: all clones are one log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: SyncSender<Vec<u8>>,
    /// The share that is logged, as the bits of an `f64`.
    sample: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    pub fn start(sample: f64) -> std::io::Result<AccessLog> {
        let (lines, waiting) = sync_channel(MOST_WAITING);
        let log = AccessLog {
            lines,
            sample: Arc::default(),
            dropped: Arc::default(),
        };
        log.set_sample(sample);
        let dropped = log.dropped.clone();
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&waiting, &dropped))?;
        Ok(log)
    }

    pub fn set_sample(&self, sample: f64) {
        self.sample.store(sample.to_bits(), Relaxed);
    }

    /// Whether a request that comes now is to be noted.
    pub(crate) fn wants(&self) -> bool {
        let sample = f64::from_bits(self.sample.load(Relaxed));
        sample >= 1.0 || (sample > 0.0 && fastrand::f64() < sample)
    }

    pub(crate) fn note(&self, line: &Line<'_>) {
        let Ok(mut text) = serde_json::to_vec(line) else {
            return;
        };
        text.push(b'\n');
        if self.lines.try_send(text).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

fn write(waiting: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    let mut out = std::io::stdout();
    while let Ok(line) = waiting.recv() {
        let lost = dropped.swap(0, Relaxed);
        if lost > 0 {
            tracing::warn!(
                lost,
                "lines of the access log were dropped: nobody takes them fast enough"
            );
        }
        // Where nobody reads the log, there is nobody to tell.
        let _ = out.write_all(&line);
    }
}
