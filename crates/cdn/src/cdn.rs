//! A request's way through the cache: what is stored is served; else one asks the origin, and the others
//! wait for him.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use proxy::server::Handler;
use proxy::{AnswerBody, Arrival, Client, Journey, Refusal, Said, Worker};
use runtime::config::ConfigError;
use tokio::sync::oneshot;

use crate::answer::told;
use crate::body::Body;
use crate::clock::Millis;
use crate::config::CacheConfig;
use crate::disk::Disk;
use crate::fetch::Fetch;
use crate::filling::Room;
use crate::flights::{Boarding, Flight, Flights, Landing};
use crate::groups::{self, CACHE_GROUP_INVALIDATION, Purge};
use crate::head::{Credentials, Stored};
use crate::key::Key;
use crate::outcome::{CacheFigures, Forwarded, Names, Outcome, Status};
use crate::store::{Found, Store};
use crate::vary;
use crate::wants::Wants;

/// What all workers share.
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

    pub(crate) fn note_trouble(&self, now: Millis) {
        self.trouble_until.store(now.0 + TROUBLE_MILLIS, Relaxed);
    }

    pub(crate) fn note_answer(&self) {
        self.trouble_until.store(0, Relaxed);
    }

    fn is_in_trouble(&self, now: Millis) -> bool {
        now.0 < self.trouble_until.load(Relaxed)
    }

    /// Whether there was something.
    pub(crate) fn purge(&self, key: &Key, purge: Purge) -> bool {
        self.flights.doom(key);
        let was_on_disk = self.disk.as_ref().is_some_and(|disk| disk.forget(key));
        self.store.purge(key, purge) || was_on_disk
    }

    /// Of this group, whatever its origin; `None` for all there is.
    pub(crate) fn purge_many(&self, group: Option<&str>, purge: Purge) {
        let group = group.map(|name| groups::named("*", name));
        self.note_purge(group, purge);
    }

    /// Of this group of one origin: it is no other's to purge.
    fn purge_group_of(&self, origin: &str, name: &str, purge: Purge) {
        self.note_purge(Some(groups::named(origin, name)), purge);
    }

    fn note_purge(&self, group: Option<Box<str>>, purge: Purge) {
        if let Some(disk) = &self.disk {
            disk.note_purge(group.as_deref());
        }
        self.store.purges.purge(group, purge);
    }
}

/// One worker's part of it.
#[derive(Debug)]
pub(crate) struct Serve {
    pub(crate) cdn: Arc<Cdn>,
    pub(crate) worker: Rc<Worker>,
}

/// A request on its way.
struct Visit {
    arrival: Arrival,
    client: Rc<Client>,
    outcome: Outcome,
    journey: Option<Journey>,
}

/// One that asks for something that can be stored.
struct Lookup {
    key: Key,
    parts: Parts,
    wants: Wants,
    credentials: Credentials,
    now: Millis,
}

impl Handler for Serve {
    type Body = Body;

    async fn handle(&self, client: &Rc<Client>, request: Request<Incoming>) -> Response<Body> {
        let mut visit = Visit {
            arrival: Arrival::new(&self.worker, client, &request),
            client: client.clone(),
            outcome: Outcome::Refused,
            journey: None,
        };
        let answer = match visit.arrival.admit(request) {
            Ok((parts, incoming)) => self.answer(&mut visit, parts, incoming).await,
            Err(refusal) => Err(refusal),
        };
        self.cdn.figures.note(visit.outcome);
        let said = Said {
            timing: self.cdn.names.timing(visit.outcome),
            outcome: visit.outcome.name(),
        };
        let journey = visit.journey.as_ref();
        visit.arrival.answer(answer, Some(said), journey)
    }
}

impl Serve {
    async fn answer(
        &self,
        visit: &mut Visit,
        mut parts: Parts,
        incoming: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        if !self.cdn.config.load().serves(parts.uri.path()) {
            return Err(Refusal::NotHere);
        }
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_read || !hyper::body::Body::is_end_stream(&incoming) {
            return self.pass(visit, parts, incoming).await;
        }
        vary::normalise_encoding(&mut parts.headers);
        let lookup = Lookup {
            key: Key::of(visit.client.scheme(&parts.headers), &parts),
            wants: Wants::of(&parts),
            credentials: Credentials::of(&parts.headers),
            now: Millis::now(),
            parts,
        };
        let found = self
            .cdn
            .store
            .find(&lookup.key, &lookup.parts.headers, lookup.now);
        match found {
            Found::Fresh(stored) if lookup.may_have(&stored) => {
                visit.outcome = Outcome::Hit;
                Ok(self.serve(&stored, &lookup, Status::hit))
            }
            Found::Stale(stored) if lookup.may_have_stale(&stored) => {
                visit.outcome = Outcome::Stale;
                let answer = self.serve(&stored, &lookup, Status::hit);
                self.ask_behind(visit, lookup, stored);
                Ok(answer)
            }
            Found::Stale(stored)
                if self.cdn.is_in_trouble(lookup.now) && lookup.may_have_for_want(&stored) =>
            {
                visit.outcome = Outcome::StoodIn;
                let answer = self.serve(&stored, &lookup, Status::stood_in);
                self.ask_behind(visit, lookup, stored);
                Ok(answer)
            }
            found => self.ask(visit, lookup, found).await,
        }
    }

    fn serve(
        &self,
        stored: &Stored,
        lookup: &Lookup,
        status: impl FnOnce(i64) -> Status,
    ) -> Response<Body> {
        let answer = stored.answer(&lookup.wants, lookup.now);
        self.sent(&answer);
        let status = status(stored.head.ttl(lookup.now));
        told(answer, status, &self.cdn.names.cache)
    }

    /// Has the origin asked though nobody waits for it, unless somebody does already.
    fn ask_behind(&self, visit: &mut Visit, lookup: Lookup, stale: Arc<Stored>) {
        let headers = &lookup.parts.headers;
        if let Some(flight) = self.cdn.flights.lead(&lookup.key, headers) {
            let fetch = self.fetch(visit, lookup, Some(stale), flight);
            tokio::task::spawn_local(fetch.run(None));
        }
    }

    fn sent(&self, answer: &Response<Body>) {
        let bytes = http_body::Body::size_hint(answer.body()).lower();
        self.cdn.figures.note_sent(bytes);
    }

    /// Has the origin asked, or waits for somebody who does.
    async fn ask(
        &self,
        visit: &mut Visit,
        lookup: Lookup,
        found: Found,
    ) -> Result<Response<Body>, Refusal> {
        let is_pass = matches!(found, Found::Pass);
        let (stale, why) = match found {
            Found::Fresh(stored) | Found::Stale(stored) => {
                let stale = Some(stored).filter(|stored| lookup.may_have(stored));
                (stale, Forwarded::Stale)
            }
            Found::OtherVariants => (None, Forwarded::VaryMiss),
            Found::Nothing | Found::Pass => (None, Forwarded::UriMiss),
        };
        let is_never_shared = |stale: &Arc<Stored>| stale.head.freshness.is_never_fresh();
        let alone = is_pass
            || lookup.credentials.authorization
            || stale.as_ref().is_some_and(is_never_shared);
        let boarding = match alone {
            true => Boarding::Lead(self.cdn.flights.alone(&lookup.key)),
            false => self.cdn.flights.board(&lookup.key, &lookup.parts.headers),
        };
        let flight = match boarding {
            Boarding::Lead(flight) => {
                // Another may have brought it between the look and the boarding.
                let found = self
                    .cdn
                    .store
                    .find(&lookup.key, &lookup.parts.headers, Millis::now());
                if let (Found::Fresh(stored), false) = (found, alone) {
                    flight.land(Landing::Stored(stored.clone()));
                    self.cdn.flights.leave(&lookup.key, &flight);
                    visit.outcome = Outcome::Hit;
                    return Ok(self.serve(&stored, &lookup, Status::hit));
                }
                flight
            }
            Boarding::Join(flight) => {
                let landing = flight.landed().await;
                if landing.is_shared_with(&lookup.parts.headers)
                    && let Some(answer) = self.landed(visit, &lookup.wants, &landing, why, true)
                {
                    return answer;
                }
                self.cdn.flights.alone(&lookup.key)
            }
        };
        let (passed, mut passing) = oneshot::channel();
        let wants = lookup.wants.clone();
        let mut fetch = self.fetch(visit, lookup, stale, flight.clone());
        fetch.is_wary = is_pass;
        tokio::task::spawn_local(fetch.run(Some(passed)));
        let landing = flight.landed().await;
        if let Some(answer) = self.landed(visit, &wants, &landing, why, false) {
            return answer;
        }
        visit.outcome = Outcome::Pass;
        let answer = (&mut passing).await.map_err(|_| Refusal::BadUpstream)?;
        Ok(self.passed(answer, why, wants.is_head))
    }

    /// The answer that a flight got; `None` where it is for nobody but the one who led it.
    fn landed(
        &self,
        visit: &mut Visit,
        wants: &Wants,
        landing: &Landing,
        why: Forwarded,
        is_collapsed: bool,
    ) -> Option<Result<Response<Body>, Refusal>> {
        let now = Millis::now();
        let mut status = Status {
            is_collapsed,
            ..Status::forwarded(why)
        };
        let (outcome, answer) = match landing {
            Landing::Filling(filling) => {
                status.answered = Some(filling.head.status.as_u16());
                status.is_stored = true;
                let mut answer = filling.answer(wants, now);
                if !is_collapsed {
                    answer.headers_mut().extend(filling.of_one.clone());
                }
                (Outcome::Miss, answer)
            }
            Landing::Stored(stored) => {
                status = Status::hit(stored.head.ttl(now));
                (Outcome::Hit, stored.answer(wants, now))
            }
            Landing::Validated(stored) => {
                status.answered = Some(304);
                (Outcome::Validated, stored.answer(wants, now))
            }
            Landing::StoodIn(stored) => {
                status = Status::stood_in(stored.head.ttl(now));
                (Outcome::StoodIn, stored.answer(wants, now))
            }
            Landing::Failed(refusal) => return Some(Err(refusal.clone())),
            Landing::PassFailed if is_collapsed => return Some(Err(Refusal::BadUpstream)),
            Landing::Pass | Landing::PassFailed => return None,
        };
        visit.outcome = match outcome {
            Outcome::Hit | Outcome::StoodIn => outcome,
            _ if is_collapsed => Outcome::Collapsed,
            outcome => outcome,
        };
        self.sent(&answer);
        Some(Ok(told(answer, status, &self.cdn.names.cache)))
    }

    fn fetch(
        &self,
        visit: &mut Visit,
        lookup: Lookup,
        stale: Option<Arc<Stored>>,
        flight: Arc<Flight>,
    ) -> Fetch {
        let mut parts = lookup.parts;
        let request = parts.headers.clone();
        Wants::strip(&mut parts.headers);
        visit.arrival.clean(&mut parts.headers, &visit.client);
        Fetch {
            cdn: self.cdn.clone(),
            worker: self.worker.clone(),
            journey: Journey::of(&visit.arrival),
            key: lookup.key,
            request,
            parts,
            stale,
            flight,
            is_wary: false,
        }
    }

    /// What is never stored, and may change what is (RFC 9111, 4.4).
    async fn pass(
        &self,
        visit: &mut Visit,
        mut parts: Parts,
        incoming: Incoming,
    ) -> Result<Response<Body>, Refusal> {
        visit.outcome = Outcome::Pass;
        let is_safe = parts.method.is_safe();
        let why = match is_safe {
            true => Forwarded::Bypass,
            false => Forwarded::Method,
        };
        let is_head = parts.method == Method::HEAD;
        let key = Key::of(visit.client.scheme(&parts.headers), &parts);
        visit.arrival.clean(&mut parts.headers, &visit.client);
        let journey = visit.journey.insert(Journey::of(&visit.arrival));
        let answer = journey.travel(&self.worker, parts, Some(incoming)).await?;
        let status = answer.status();
        if !is_safe && (status.is_success() || status.is_redirection()) {
            self.invalidate(&key, answer.headers());
        }
        Ok(self.passed(answer, why, is_head))
    }

    fn invalidate(&self, key: &Key, answer: &HeaderMap) {
        let named = [LOCATION, CONTENT_LOCATION].map(|field| key.relative(answer, field));
        for key in named.iter().flatten().chain([key]) {
            self.cdn.purge(key, Purge::Hard);
        }
        // RFC 9875, 3.
        for group in groups::names(answer, &CACHE_GROUP_INVALIDATION) {
            self.cdn.purge_group_of(key.origin(), &group, Purge::Soft);
        }
    }

    fn passed(
        &self,
        answer: Response<AnswerBody>,
        why: Forwarded,
        is_head: bool,
    ) -> Response<Body> {
        let status = Status {
            answered: Some(answer.status().as_u16()),
            ..Status::forwarded(why)
        };
        let answer = match is_head {
            // It was asked for as a whole.
            true => {
                let length = http_body::Body::size_hint(answer.body()).exact();
                let mut answer = answer.map(|_| Body::Stored(Bytes::new()));
                if let Some(length) = length.filter(|length| *length > 0) {
                    answer.headers_mut().insert(CONTENT_LENGTH, length.into());
                }
                answer
            }
            false => answer.map(Body::Passing),
        };
        told(answer, status, &self.cdn.names.cache)
    }
}

impl Lookup {
    fn may_have(&self, stored: &Stored) -> bool {
        !self.credentials.authorization || stored.head.is_for_all
    }

    /// For want of better (RFC 5861, 4).
    fn may_have_for_want(&self, stored: &Stored) -> bool {
        let age = stored.head.stale_age(self.now);
        self.may_have(stored) && stored.head.freshness.may_stand_in(age)
    }

    /// And somebody asks meanwhile (RFC 5861, 3).
    fn may_have_stale(&self, stored: &Stored) -> bool {
        let age = stored.head.stale_age(self.now);
        self.may_have(stored) && stored.head.freshness.may_revalidate_behind(age)
    }
}
