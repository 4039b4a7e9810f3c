//! Asking the origin, once for all who wait: whatever becomes of the one whose request it was, the others
//! get the answer, and it is stored.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use proxy::{AnswerBody, ClosesAtEnd, Journey, Refusal, Worker};
use tokio::sync::oneshot;

use crate::cdn::Cdn;
use crate::clock::Millis;
use crate::filling::{Broken, Filling, Reserved};
use crate::flights::{Flight, Landing};
use crate::freshness::is_failure;
use crate::groups::Purge;
use crate::head::{Asked, Credentials, Head, Stored};
use crate::key::Key;
use crate::store::PASS_MILLIS;

/// With these, some origins do something else than what they are asked for; no answer to that is to be
/// found under the address.
const OVERRIDES: [HeaderName; 5] = [
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// An answer proved to be too long only when much of it was there.
const TOO_LONG_MILLIS: u64 = 60 * 60 * 1000;

#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) cdn: Arc<Cdn>,
    pub(crate) worker: Rc<Worker>,
    pub(crate) journey: Journey,
    pub(crate) key: Key,
    /// The request as it came: it is this that later ones are compared with.
    pub(crate) request: HeaderMap,
    /// The request as it goes.
    pub(crate) parts: Parts,
    /// What is stored and may be validated.
    pub(crate) stale: Option<Arc<Stored>>,
    pub(crate) flight: Arc<Flight>,
}

impl Fetch {
    /// `passed` gets what is for the one who asks alone. Whatever happens, those who wait hear of it, and the
    /// flight is over: see `drop`.
    pub(crate) async fn run(mut self, passed: Option<oneshot::Sender<Response<AnswerBody>>>) {
        if let Some(landing) = self.look_on_disk().await {
            return self.flight.land(landing);
        }
        self.prepare();
        let (at, after) = (Millis::now(), self.cdn.store.purges.last());
        let parts = self.parts.clone();
        let answer = self.journey.travel(&self.worker, parts, None).await;
        let asked = Asked {
            at,
            after,
            answered: Millis::now(),
        };
        match answer {
            Err(refusal) => {
                if matches!(
                    refusal,
                    Refusal::NobodyReady | Refusal::BadUpstream | Refusal::Late
                ) {
                    self.cdn.note_trouble(asked.answered);
                }
                self.flight.land(self.stood_in_or(Landing::Failed(refusal)));
            }
            Ok(answer) => {
                self.cdn.note_answer();
                self.receive(answer, asked, passed).await;
            }
        }
    }

    /// What is there is as good as if it had been in memory.
    async fn look_on_disk(&mut self) -> Option<Landing> {
        let (disk, store) = (self.cdn.disk.as_ref()?, &self.cdn.store);
        if self.stale.is_some() {
            return None;
        }
        let stored = disk.load(&self.key, &self.request, &store.purges).await?;
        let is_for_us = stored.head.is_for_all || !Credentials::of(&self.request).authorization;
        if !is_for_us || self.flight.is_doomed() {
            return None;
        }
        store.put(&self.key, &self.request, stored.clone(), &self.flight);
        let is_purged = store.purges.verdict(&stored.head).is_some();
        if !is_purged && stored.head.is_shared(Millis::now()) {
            return Some(Landing::Stored(stored));
        }
        self.stale = Some(stored);
        None
    }

    fn prepare(&mut self) {
        self.parts.method = Method::GET;
        let headers = &mut self.parts.headers;
        // Whatever a proxy in front says: of each address there is one answer.
        let (scheme, host) = self.key.scheme_and_host();
        for (name, value) in [(X_FORWARDED_PROTO, scheme), (X_FORWARDED_HOST, host)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        for name in OVERRIDES {
            headers.remove(name);
        }
        // RFC 9111, 4.3.1.
        if let Some(stale) = &self.stale {
            for (validator, condition) in
                [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)]
            {
                if let Some(value) = stale.head.headers.get(validator) {
                    headers.insert(condition, value.clone());
                }
            }
        }
    }

    async fn receive(
        &self,
        answer: Response<AnswerBody>,
        asked: Asked,
        passed: Option<oneshot::Sender<Response<AnswerBody>>>,
    ) {
        let status = answer.status();
        if let (StatusCode::NOT_MODIFIED, Some(stale)) = (status, &self.stale) {
            let landing = self.validated(stale, answer.headers(), asked);
            self.flight.land(landing.clone());
            // With what it says now about its life.
            if let Landing::Validated(stored) = landing {
                self.keep_on_disk(stored).await;
            }
            return;
        }
        if is_failure(status) {
            let landing = self.stood_in_or(Landing::Failed(Refusal::BadUpstream));
            if matches!(landing, Landing::StoodIn(_)) {
                return self.flight.land(landing);
            }
        }
        match self.storable(&answer, asked) {
            Ok((head, room)) => self.fill(Arc::new(head), room, answer).await,
            Err(unstored) => {
                // Who waits for an origin in trouble does not ask it once more.
                self.flight.land(match is_failure(status) {
                    true => Landing::PassFailed,
                    false => Landing::Pass,
                });
                if unstored == Unstored::Anybodys {
                    let now = asked.answered;
                    self.cdn.store.note_pass(&self.key, now, PASS_MILLIS);
                }
                if let Some(passed) = passed {
                    // Nobody is there any more if this fails.
                    let _ = passed.send(answer);
                }
            }
        }
    }

    /// The head under which it is stored, with room for it.
    fn storable(
        &self,
        answer: &Response<AnswerBody>,
        asked: Asked,
    ) -> Result<(Head, Reserved), Unstored> {
        let config = self.cdn.config.load();
        let length = answer.body().size_hint().exact();
        let fits = length.is_none_or(|length| length <= config.max_object_bytes as u64);
        // Nobody can tell whether such an answer is whole (RFC 9112, 8).
        let has_end = answer.extensions().get::<ClosesAtEnd>().is_none();
        let head = Head::of(&self.key, &self.request, answer, asked, &config);
        match head.filter(|_| fits && has_end) {
            // What is full now is not full for others.
            Some(head) => Ok((
                head,
                self.cdn.room.reserve(length).ok_or(Unstored::ThisOne)?,
            )),
            // It may be an error by the doing of this one request, or for the one who says who he is.
            None if is_error(answer.status()) || Credentials::of(&self.request).any() => {
                Err(Unstored::ThisOne)
            }
            None => Err(Unstored::Anybodys),
        }
    }

    /// Takes the body in, and gives it to all who wait; its last piece when the whole is stored, so that
    /// whoever has seen the end finds it there.
    async fn fill(&self, head: Arc<Head>, room: Reserved, answer: Response<AnswerBody>) {
        let most = self.cdn.config.load().max_object_bytes;
        let of_one = head.withheld_from(answer.headers());
        let mut body = answer.into_body();
        let length = body.size_hint().exact();
        let filling = Arc::new(Filling::new(head.clone(), length, of_one, room));
        self.flight.land(Landing::Filling(filling.clone()));
        let mut last = Bytes::new();
        let end = loop {
            match body.frame().await {
                None => break Ok(()),
                Some(Err(_)) => break Err(Broken::Off),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.cdn.figures.note_fetched(data.len() as u64);
                    if filling.is_completed_by(&data) {
                        last = data;
                    } else if let Err(broken) = filling.push(data, most) {
                        let now = Millis::now();
                        self.cdn.store.note_pass(&self.key, now, TOO_LONG_MILLIS);
                        break Err(broken);
                    }
                }
            }
        };
        let stored = end.ok().map(|()| {
            let body = filling.whole(&last);
            Arc::new(Stored { head, body })
        });
        if let Some(stored) = stored.clone() {
            let (store, flight) = (&self.cdn.store, &self.flight);
            store.put(&self.key, &self.request, stored, flight);
        }
        let pushed = match last.is_empty() {
            true => Ok(()),
            false => filling.push(last, most),
        };
        filling.end(end.and(pushed));
        if let Some(stored) = stored {
            self.keep_on_disk(stored).await;
        }
    }

    async fn keep_on_disk(&self, stored: Arc<Stored>) {
        if let Some(disk) = &self.cdn.disk {
            let (key, request, purges) = (&self.key, &self.request, &self.cdn.store.purges);
            disk.keep(key, request, stored, &self.flight, purges).await;
        }
    }

    fn validated(&self, stale: &Arc<Stored>, news: &HeaderMap, asked: Asked) -> Landing {
        let config = self.cdn.config.load();
        let head = stale
            .head
            .freshened(&self.key, &self.request, news, asked, &config);
        let Some(head) = head else {
            // It may be used this once, and is not to be kept.
            self.cdn.purge(&self.key, Purge::Hard);
            return Landing::Validated(stale.clone());
        };
        let stored = Arc::new(Stored {
            head: Arc::new(head),
            body: stale.body.clone(),
        });
        let (store, flight) = (&self.cdn.store, &self.flight);
        store.put(&self.key, &self.request, stored.clone(), flight);
        Landing::Validated(stored)
    }

    /// What is stored, where it may be used for want of better (RFC 9111, 4.2.4; RFC 5861, 4).
    fn stood_in_or(&self, landing: Landing) -> Landing {
        let now = Millis::now();
        let purges = &self.cdn.store.purges;
        let may_stand_in = |stale: &&Arc<Stored>| {
            stale.head.freshness.may_stand_in(stale.head.stale_age(now))
                && purges.verdict(&stale.head) != Some(Purge::Hard)
                && !self.flight.is_doomed()
        };
        match self.stale.as_ref().filter(may_stand_in) {
            Some(stale) => Landing::StoodIn(stale.clone()),
            None => landing,
        }
    }
}

impl Drop for Fetch {
    /// Nobody waits for a fetch that is no more.
    fn drop(&mut self) {
        self.flight.land_if_not_yet(Landing::Pass);
        self.cdn.flights.leave(&self.key, &self.flight);
    }
}

/// Whose answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unstored {
    /// Others' may be.
    ThisOne,
    /// Nobody's would be.
    Anybodys,
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
