//! A stored answer: its head, which decides about everything, and its body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use http::header::{
    AGE, AUTHORIZATION, CONTENT_LENGTH, COOKIE, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::clock::{Millis, parse_date};
use crate::config::CacheConfig;
use crate::directives::Directives;
use crate::freshness::{Birth, Freshness, is_heuristically_cacheable};
use crate::groups::{self, Purge};
use crate::key::Key;
use crate::vary::Vary;

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What is said of one request, and so is no part of an answer that others get; and its length, which
/// differs with what they want of it.
const OF_ONE_REQUEST: [HeaderName; 4] = [
    AGE,
    CONTENT_LENGTH,
    HeaderName::from_static("server-timing"),
    HeaderName::from_static("x-request-id"),
];

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// As they go to clients, but for what is said of one request.
    pub(crate) headers: HeaderMap,
    pub(crate) vary: Vary,
    pub(crate) birth: Birth,
    /// It was asked for after the purge with this number.
    pub(crate) after: u64,
    pub(crate) freshness: Freshness,
    /// When it was made: validator of last resort (RFC 9111, 4.3.2).
    pub(crate) modified: Millis,
    /// Requests that carry credentials may have it, too (RFC 9111, 3.5).
    pub(crate) is_for_all: bool,
    /// What it can be purged by, besides its address.
    pub(crate) groups: Box<[Box<str>]>,
    /// What is known of purges, see [`crate::groups`].
    pub(crate) checked: AtomicU64,
    pub(crate) purged: AtomicU8,
    /// When it was found to be softly purged, in milliseconds since 1970; 0 if it was not.
    softened: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) head: Arc<Head>,
    pub(crate) body: Bytes,
}

/// When an answer was asked for, and came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) at: Millis,
    /// The number of the last purge before.
    pub(crate) after: u64,
    pub(crate) answered: Millis,
}

impl Asked {
    #[cfg(test)]
    pub(crate) fn now(after: u64) -> Asked {
        let now = Millis::now();
        Asked {
            at: now,
            after,
            answered: now,
        }
    }
}

/// Whether a request says who asks, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Credentials {
    pub(crate) authorization: bool,
    cookie: bool,
}

impl Credentials {
    pub(crate) fn any(self) -> bool {
        self.authorization || self.cookie
    }

    pub(crate) fn of(request: &HeaderMap) -> Credentials {
        Credentials {
            authorization: request.contains_key(AUTHORIZATION),
            cookie: request.contains_key(COOKIE),
        }
    }
}

impl Head {
    /// The head under which an answer is stored; `None` where it may not be, or need not (RFC 9111, 3).
    pub(crate) fn of(
        key: &Key,
        request: &HeaderMap,
        answer: &Response<impl Sized>,
        asked: Asked,
        config: &CacheConfig,
    ) -> Option<Head> {
        let credentials = Credentials::of(request);
        Head::for_those(credentials, key, request, answer, asked, config)
    }

    fn for_those(
        credentials: Credentials,
        key: &Key,
        request: &HeaderMap,
        answer: &Response<impl Sized>,
        asked: Asked,
        config: &CacheConfig,
    ) -> Option<Head> {
        let (status, headers) = (answer.status(), answer.headers());
        let directives = Directives::of(headers);
        if !is_storable(status, headers, &directives, credentials, config) {
            return None;
        }
        let vary = Vary::of(headers, request)?;
        let birth = Birth::of(headers, asked.at, asked.answered);
        let freshness = Freshness::of(status, headers, &directives, &birth, config);
        let has_validator = headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED);
        // Its life is set by the origin, or may be by its status (RFC 9111, 3) ..
        let is_set =
            directives.max_age.or(directives.s_maxage).is_some() || headers.contains_key(EXPIRES);
        let may_be = is_set || directives.public || is_heuristically_cacheable(status);
        // .. and somebody gets it: while it is fresh, when it is validated, or for want of better.
        let is_of_use =
            freshness.lifetime > 0 || has_validator || (is_set && freshness.may_stand_in(0));
        if !may_be || !is_of_use {
            return None;
        }
        let mut headers = headers.clone();
        for name in OF_ONE_REQUEST.iter().chain(&directives.withheld) {
            headers.remove(name);
        }
        headers
            .entry(DATE)
            .or_insert_with(|| asked.answered.as_date());
        let head = Head::new(key, status, headers, vary, birth, freshness, &directives);
        Some(Head {
            after: asked.after,
            checked: AtomicU64::new(asked.after),
            ..head
        })
    }

    /// One that was stored before this process was there. How long it is good for is worked out anew.
    pub(crate) fn restored(
        key: &Key,
        status: StatusCode,
        headers: HeaderMap,
        vary: Vary,
        birth: Birth,
        config: &CacheConfig,
    ) -> Head {
        let directives = Directives::of(&headers);
        let freshness = Freshness::of(status, &headers, &directives, &birth, config);
        Head::new(key, status, headers, vary, birth, freshness, &directives)
    }

    fn new(
        key: &Key,
        status: StatusCode,
        headers: HeaderMap,
        vary: Vary,
        birth: Birth,
        freshness: Freshness,
        directives: &Directives,
    ) -> Head {
        let modified = headers.get(LAST_MODIFIED).or(headers.get(DATE));
        Head {
            status,
            vary,
            birth,
            after: 0,
            freshness,
            modified: modified.and_then(parse_date).unwrap_or(birth.requested),
            is_for_all: directives.public
                || directives.s_maxage.is_some()
                || directives.must_revalidate,
            groups: groups::of(&headers, key.origin()),
            headers,
            checked: AtomicU64::new(0),
            purged: AtomicU8::new(0),
            softened: AtomicU64::new(0),
        }
    }

    /// What of these, with which it came, is for the one who asked alone.
    pub(crate) fn withheld_from(&self, headers: &HeaderMap) -> HeaderMap {
        let mut withheld = HeaderMap::new();
        for (name, value) in headers {
            let is_framing = name == CONTENT_LENGTH || name == AGE;
            if !is_framing && !self.headers.contains_key(name) {
                withheld.append(name.clone(), value.clone());
            }
        }
        withheld
    }

    /// The same answer, of which a 304 says that it is still good, and perhaps more (RFC 9111, 3.2).
    pub(crate) fn freshened(
        &self,
        key: &Key,
        request: &HeaderMap,
        not_modified: &HeaderMap,
        asked: Asked,
        config: &CacheConfig,
    ) -> Option<Head> {
        let mut answer = Response::new(());
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        *headers = self.headers.clone();
        for name in not_modified.keys() {
            // A cookie in it is for the one who asked.
            let is_personal = name == SET_COOKIE && !config.store_set_cookie;
            if describes_body(name) || is_personal {
                continue;
            }
            headers.remove(name);
            for value in not_modified.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if !not_modified.contains_key(DATE) {
            // It is as young as if it said so (RFC 9110, 6.6.1).
            headers.insert(DATE, asked.answered.as_date());
        }
        // It was stored already: who asked this time does not matter.
        Head::for_those(Credentials::default(), key, request, &answer, asked, config)
    }

    /// Bytes of memory, roughly: a field is some 60 of them besides its own.
    pub(crate) fn bytes(&self) -> usize {
        let fields = self.headers.iter();
        let fields: usize = fields
            .map(|(name, value)| 64 + name.as_str().len() + value.len())
            .sum();
        let groups: usize = self.groups.iter().map(|group| 32 + group.len()).sum();
        512 + fields + groups + self.vary.bytes()
    }

    pub(crate) fn age(&self, now: Millis) -> u64 {
        self.birth.age(now)
    }

    /// The age of one whose time is over, be it that it was made so.
    pub(crate) fn stale_age(&self, now: Millis) -> u64 {
        let since = match self.softened.load(Relaxed) {
            0 => 0,
            softened => now.since(Millis(softened)) / 1000,
        };
        self.age(now)
            .max(u64::from(self.freshness.lifetime) + since)
    }

    pub(crate) fn etag(&self) -> Option<&HeaderValue> {
        self.headers.get(ETAG)
    }

    /// As if its time were over.
    pub(crate) fn purge_softly(&self) {
        self.purged.fetch_max(Purge::Soft as u8, Relaxed);
        let now = Millis::now().0;
        // Its time was over at the first of several.
        let _ = self.softened.compare_exchange(0, now, Relaxed, Relaxed);
    }

    /// Whether those who wait for the same may have it, too.
    pub(crate) fn is_shared(&self, now: Millis) -> bool {
        self.freshness.is_fresh(self.age(now))
    }
}

/// What a 304 must not change, as the body stays as it is.
fn describes_body(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content-encoding" | "content-length" | "content-range" | "content-type" | "etag"
    )
}

fn is_storable(
    status: StatusCode,
    headers: &HeaderMap,
    directives: &Directives,
    credentials: Credentials,
    config: &CacheConfig,
) -> bool {
    // Parts are not stored: we never ask for any. And 304 is no answer but about one.
    let is_whole = status.as_u16() >= 200
        && status != StatusCode::PARTIAL_CONTENT
        && status != StatusCode::NOT_MODIFIED;
    let is_forbidden = match directives.must_understand {
        // Those who know what the status means may store it all the same (RFC 9111, 5.2.2.3).
        true => !is_understood(status),
        false => directives.no_store,
    };
    let is_for_one = credentials.authorization
        && !(directives.public || directives.s_maxage.is_some() || directives.must_revalidate);
    // Cookies say who asks as well as credentials do, and not every origin thinks of `Vary: Cookie`.
    let asks_with_cookie =
        credentials.cookie && !(directives.public || directives.s_maxage.is_some());
    let sets_cookie = headers.contains_key(SET_COOKIE) && !config.store_set_cookie;
    is_whole
        && !is_forbidden
        && !directives.private
        && !is_for_one
        && !asks_with_cookie
        && !sets_cookie
}

fn is_understood(status: StatusCode) -> bool {
    status.canonical_reason().is_some()
}

#[cfg(test)]
mod tests;
