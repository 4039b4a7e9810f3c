//! A request's way through the cache: what is stored is served; else one asks the origin, and the others
//! wait for him.

use std::rc::Rc;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use proxy::server::Handler;
use proxy::{Arrival, Client, Journey, Refusal, Said, Worker};
use tokio::sync::oneshot;

use crate::answer::told;
use crate::body::{Body, Watch};
use crate::cdn::Cdn;
use crate::clock::Millis;
use crate::fetch::Fetch;
use crate::flights::{Boarding, Flight, Landing};
use crate::head::{Credentials, Stored};
use crate::key::Key;
use crate::outcome::{Forwarded, Outcome, Status};
use crate::store::Found;
use crate::vary;
use crate::wants::Wants;

/// One worker's part of it.
#[derive(Debug)]
pub(crate) struct Serve {
    pub(crate) cdn: Arc<Cdn>,
    pub(crate) worker: Rc<Worker>,
    pub(crate) watch: Watch,
}

/// A request on its way.
pub(crate) struct Visit {
    pub(crate) arrival: Arrival,
    pub(crate) client: Rc<Client>,
    pub(crate) outcome: Outcome,
    pub(crate) journey: Option<Journey>,
}

/// One that asks for something that can be stored.
pub(crate) struct Lookup {
    pub(crate) key: Key,
    parts: Parts,
    wants: Wants,
    credentials: Credentials,
    now: Millis,
}

/// How often one waits for others whose answer turns out to be theirs alone.
const MOST_WAITS: usize = 2;

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
        let answer = answer.map(|answer| answer.map(|body| self.sent(body, &visit)));
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
        if !self
            .cdn
            .config
            .load()
            .serves(&parts.method, parts.uri.path())
        {
            return Err(Refusal::NotHere);
        }
        let key = Key::of(visit.client.scheme(&parts.headers), &parts);
        // As it is in the key: the origin is not to tell apart what is one for us.
        if let Ok(host) = HeaderValue::from_str(key.scheme_and_host().1) {
            parts.headers.insert(HOST, host);
        }
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        if !is_read || !hyper::body::Body::is_end_stream(&incoming) {
            let why = match parts.method.is_safe() {
                true => Forwarded::Bypass,
                false => Forwarded::Method,
            };
            return self.pass(visit, &key, parts, Some(incoming), why).await;
        }
        vary::normalise_encoding(&mut parts.headers);
        let lookup = Lookup {
            key,
            wants: Wants::of(&parts),
            credentials: Credentials::of(&parts.headers),
            now: Millis::now(),
            parts,
        };
        match self.find(&lookup) {
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

    fn find(&self, lookup: &Lookup) -> Found {
        let headers = &lookup.parts.headers;
        self.cdn.store.find(&lookup.key, headers, Millis::now())
    }

    fn serve(
        &self,
        stored: &Stored,
        lookup: &Lookup,
        status: impl FnOnce(i64) -> Status,
    ) -> Response<Body> {
        let answer = stored.answer(&lookup.wants, lookup.now);
        let status = status(stored.head.ttl(lookup.now));
        told(answer, status, &self.cdn.names.cache)
    }

    /// Counts a body's bytes, and has it watched where its client could leave it lying.
    fn sent(&self, body: Body, visit: &Visit) -> Body {
        let body = body.counted(&self.cdn);
        match visit.arrival.is_http2() {
            true => body.watched(&self.watch),
            false => body,
        }
    }

    /// Has the origin asked though nobody waits for it, unless somebody does already.
    fn ask_behind(&self, visit: &mut Visit, lookup: Lookup, stale: Arc<Stored>) {
        let boarding = self.cdn.board(&lookup.key, &lookup.parts.headers);
        if let Boarding::Lead(flight) = boarding {
            let fetch = self.fetch(visit, lookup, Some(stale), flight);
            tokio::task::spawn_local(fetch.run(None));
        }
    }

    /// Has the origin asked, or waits for somebody who does.
    async fn ask(
        &self,
        visit: &mut Visit,
        lookup: Lookup,
        mut found: Found,
    ) -> Result<Response<Body>, Refusal> {
        for _ in 0..MOST_WAITS {
            if lookup.is_alone(&found) {
                break;
            }
            let why = found.why();
            let boarding = self.cdn.board(&lookup.key, &lookup.parts.headers);
            match boarding {
                Boarding::Join(flight) => {
                    let _waiting = self.cdn.figures.waiting();
                    let landing = flight.landed().await;
                    if landing.is_shared_with(&lookup.parts.headers)
                        && let Some(answer) = self.landed(visit, &lookup.wants, &landing, why, true)
                    {
                        return answer;
                    }
                    found = self.find(&lookup);
                }
                Boarding::Lead(flight) => {
                    // Another may have brought it between the look and the boarding.
                    if let Found::Fresh(stored) = self.find(&lookup) {
                        flight.land(Landing::Stored(stored.clone()));
                        self.cdn.flights.leave(&lookup.key, &flight);
                        visit.outcome = Outcome::Hit;
                        return Ok(self.serve(&stored, &lookup, Status::hit));
                    }
                    return self.lead(visit, lookup, found, flight).await;
                }
            }
        }
        // Alone: as it is known that this is for nobody else, or after waiting in vain.
        if matches!(found, Found::Pass) {
            let Lookup { key, parts, .. } = lookup;
            return self
                .pass(visit, &key, parts, None, Forwarded::UriMiss)
                .await;
        }
        let flight = self.cdn.alone(&lookup.key);
        self.lead(visit, lookup, found, flight).await
    }

    async fn lead(
        &self,
        visit: &mut Visit,
        lookup: Lookup,
        found: Found,
        flight: Arc<Flight>,
    ) -> Result<Response<Body>, Refusal> {
        let why = found.why();
        let stale = found.stored().filter(|stored| lookup.may_have(stored));
        let (passed, passing) = oneshot::channel();
        let wants = lookup.wants.clone();
        let _waiting = self.cdn.figures.waiting();
        let fetch = self.fetch(visit, lookup, stale, flight.clone());
        tokio::task::spawn_local(fetch.run(Some(passed)));
        let landing = flight.landed().await;
        if let Some(answer) = self.landed(visit, &wants, &landing, why, false) {
            return answer;
        }
        visit.outcome = Outcome::Pass;
        let answer = passing.await.map_err(|_| Refusal::BadUpstream)?;
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
            journey: Journey::anew(&visit.arrival),
            key: lookup.key,
            request,
            parts,
            stale,
            flight,
        }
    }
}

impl Found {
    fn why(&self) -> Forwarded {
        match self {
            // Fresh, but not for one who says who he is; there is no better word.
            Found::Fresh(_) | Found::Stale(_) => Forwarded::Stale,
            Found::OtherVariants => Forwarded::VaryMiss,
            Found::Nothing | Found::Pass => Forwarded::UriMiss,
        }
    }

    fn stored(self) -> Option<Arc<Stored>> {
        match self {
            Found::Fresh(stored) | Found::Stale(stored) => Some(stored),
            Found::OtherVariants | Found::Nothing | Found::Pass => None,
        }
    }
}

impl Lookup {
    /// Whether what it gets would be for nobody else.
    fn is_alone(&self, found: &Found) -> bool {
        let is_never_shared = match found {
            Found::Fresh(stored) | Found::Stale(stored) => {
                self.may_have(stored) && stored.head.freshness.is_never_fresh()
            }
            Found::Pass => true,
            Found::OtherVariants | Found::Nothing => false,
        };
        is_never_shared || self.credentials.authorization
    }

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
