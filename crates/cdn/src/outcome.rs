//! How requests were answered, and how that is told: in `Cache-Status` (RFC 9211), in `Server-Timing`,
//! in figures.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::{HeaderMap, HeaderValue};
use runtime::{Exposition, Kind};

use crate::cdn::Cdn;
use crate::head::CACHE_STATUS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    /// Its time was over, and somebody asks meanwhile.
    Stale,
    /// Its time was over, and there was no better answer.
    StoodIn,
    /// It was stored, and is still good.
    Validated,
    Miss,
    /// Others asked for the same at the same time, and one asked the origin.
    Collapsed,
    /// It is not stored.
    Pass,
    /// There was no answer but ours.
    Refused,
}

const ALL: [(Outcome, &str); 8] = [
    (Outcome::Hit, "hit"),
    (Outcome::Stale, "stale"),
    (Outcome::StoodIn, "stood-in"),
    (Outcome::Validated, "validated"),
    (Outcome::Miss, "miss"),
    (Outcome::Collapsed, "collapsed"),
    (Outcome::Pass, "pass"),
    (Outcome::Refused, "refused"),
];

impl Outcome {
    pub(crate) fn name(self) -> &'static str {
        ALL[self as usize].1
    }
}

/// Why a request went on (RFC 9211, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// It was not one that could be answered from what is stored.
    Method,
    Bypass,
    UriMiss,
    VaryMiss,
    Stale,
}

impl Forwarded {
    fn name(self) -> &'static str {
        match self {
            Forwarded::Method => "method",
            Forwarded::Bypass => "bypass",
            Forwarded::UriMiss => "uri-miss",
            Forwarded::VaryMiss => "vary-miss",
            Forwarded::Stale => "stale",
        }
    }
}

/// Our member of `Cache-Status`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) forwarded: Option<Forwarded>,
    /// What the origin said.
    pub(crate) answered: Option<u16>,
    pub(crate) is_stored: bool,
    pub(crate) is_collapsed: bool,
    /// Seconds that it is good for; less than none if its time was over.
    pub(crate) ttl: Option<i64>,
    pub(crate) detail: Option<&'static str>,
}

impl Status {
    pub(crate) fn hit(ttl: i64) -> Status {
        Status {
            ttl: Some(ttl),
            ..Status::forwarded(None)
        }
    }

    /// There was no better answer than one whose time is over.
    pub(crate) fn stood_in(ttl: i64) -> Status {
        Status {
            ttl: Some(ttl),
            detail: Some("stale-if-error"),
            ..Status::forwarded(Forwarded::Stale)
        }
    }

    pub(crate) fn forwarded(forwarded: impl Into<Option<Forwarded>>) -> Status {
        Status {
            forwarded: forwarded.into(),
            answered: None,
            is_stored: false,
            is_collapsed: false,
            ttl: None,
            detail: None,
        }
    }

    /// Ours comes after those of caches nearer to the origin.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap, name: &str) {
        let mut text = Vec::with_capacity(64);
        for line in headers.get_all(CACHE_STATUS) {
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(name.as_bytes());
        match self.forwarded {
            None => text.extend_from_slice(b"; hit"),
            Some(why) => {
                text.extend_from_slice(b"; fwd=");
                text.extend_from_slice(why.name().as_bytes());
            }
        }
        let mut buffer = itoa::Buffer::new();
        if let Some(status) = self.answered {
            text.extend_from_slice(b"; fwd-status=");
            text.extend_from_slice(buffer.format(status).as_bytes());
        }
        if let Some(ttl) = self.ttl {
            text.extend_from_slice(b"; ttl=");
            text.extend_from_slice(buffer.format(ttl).as_bytes());
        }
        if self.is_stored {
            text.extend_from_slice(b"; stored");
        }
        if self.is_collapsed {
            text.extend_from_slice(b"; collapsed");
        }
        if let Some(detail) = self.detail {
            text.extend_from_slice(b"; detail=");
            text.extend_from_slice(detail.as_bytes());
        }
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)) {
            headers.insert(CACHE_STATUS, value);
        }
    }
}

/// What we call ourselves.
#[derive(Debug)]
pub(crate) struct Names {
    /// In `Cache-Status`: a token.
    pub(crate) cache: String,
    /// In `Server-Timing`, up to the duration, for each outcome.
    timings: [String; ALL.len()],
}

impl Names {
    pub(crate) fn new(name: &str) -> Names {
        let token = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let cache: String = name.chars().filter(|c| token(*c)).collect();
        let is_token = cache.starts_with(|c: char| c.is_ascii_alphabetic());
        Names {
            cache: if is_token { cache } else { "cdn".to_owned() },
            timings: ALL.map(|(_, outcome)| format!("cdn;desc=\"{name} {outcome}\";dur=")),
        }
    }

    pub(crate) fn timing(&self, outcome: Outcome) -> &str {
        &self.timings[outcome as usize]
    }
}

#[derive(Debug, Default)]
pub(crate) struct CacheFigures {
    requests: [AtomicU64; ALL.len()],
    sent_bytes: AtomicU64,
    fetched_bytes: AtomicU64,
    purges: AtomicU64,
    waiting: AtomicU64,
}

/// A request that waits for the origin, or for somebody who asks it.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl CacheFigures {
    pub(crate) fn note(&self, outcome: Outcome) {
        self.requests[outcome as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(&self.waiting)
    }

    /// Of bodies, to clients.
    pub(crate) fn note_sent(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Relaxed);
    }

    /// Of bodies, from the origin.
    pub(crate) fn note_fetched(&self, bytes: u64) {
        self.fetched_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn note_purge(&self) {
        self.purges.fetch_add(1, Relaxed);
    }

    pub(crate) fn write(&self, cdn: &Cdn, out: &mut Exposition) {
        let cache = ("cache", "cdn");
        let mut requests = out.family(Kind::Counter, "cache_requests_total");
        for (outcome, name) in ALL {
            let count = self.requests[outcome as usize].load(Relaxed);
            requests.sample(&[cache, ("outcome", name)], count as f64);
        }
        for (name, count) in [
            ("cache_sent_bytes_total", &self.sent_bytes),
            ("cache_fetched_bytes_total", &self.fetched_bytes),
            ("cache_purges_total", &self.purges),
        ] {
            let count = count.load(Relaxed) as f64;
            out.family(Kind::Counter, name).sample(&[cache], count);
        }
        for (name, value) in [
            ("cache_waiting_requests", self.waiting.load(Relaxed) as f64),
            ("cache_stored_objects", cdn.store.objects() as f64),
            ("cache_stored_bytes", cdn.store.bytes() as f64),
            (
                "cache_disk_bytes",
                cdn.disk.as_ref().map_or(0.0, |disk| disk.bytes() as f64),
            ),
        ] {
            out.family(Kind::Gauge, name).sample(&[cache], value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9211_2_hits_and_misses_are_told() {
        let mut headers = HeaderMap::new();
        let mut miss = Status::forwarded(Forwarded::UriMiss);
        (miss.answered, miss.is_stored, miss.is_collapsed) = (Some(200), true, true);
        miss.add_to(&mut headers, "inner");
        Status::hit(-3).add_to(&mut headers, "outer");
        let told = headers[CACHE_STATUS].to_str().unwrap();
        let inner = "inner; fwd=uri-miss; fwd-status=200; stored; collapsed";
        assert_eq!(told, format!("{inner}, outer; hit; ttl=-3"));
    }

    #[test]
    fn outcomes_are_in_their_places() {
        for (place, (outcome, name)) in ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, place);
            assert_eq!(outcome.name(), *name);
        }
        assert_eq!(
            Names::new("cdn-1").timing(Outcome::Hit),
            "cdn;desc=\"cdn-1 hit\";dur="
        );
        assert_eq!(Names::new("4711").cache, "cdn");
    }
}
