//! The way of a request to an upstream: choose, send, perhaps once more elsewhere.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, SET_COOKIE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::arrival::Arrival;
use crate::body::{Progress, Reached, RequestBody};
use crate::config::ProxyConfig;
use crate::exchange::{Failed, exchange};
use crate::headers::{self, Client};
use crate::passage::AnswerBody;
use crate::refusal::Refusal;
use crate::retry;
use crate::selection::{self, Choice, NoChoice, Selection};
use crate::server::Handler;
use crate::upstream::{Flight, Outcome, Upstream};
use crate::worker::Worker;

/// Upstreams that are tried with a request that none of them has seen.
const MOST_CONNECTS: usize = 3;

/// How much longer than the next hop we wait: its word on the matter is better than ours.
const PATIENCE_BEYOND: Duration = Duration::from_millis(250);

/// Takes each request to an upstream, and its answer back: all that a balancer does.
#[derive(Debug)]
pub struct Forward(pub Rc<Worker>);

impl Handler for Forward {
    type Body = AnswerBody;

    async fn handle(
        &self,
        client: &Rc<Client>,
        request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let mut arrival = Arrival::new(&self.0, client, &request);
        let mut journey = Journey::of(&arrival);
        let answer = match arrival.admit(request) {
            Ok((mut parts, incoming)) => {
                arrival.clean(&mut parts.headers, client);
                journey.travel(&self.0, parts, Some(incoming)).await
            }
            Err(refusal) => Err(refusal),
        };
        arrival.answer(answer, None, Some(&journey))
    }
}

/// On an answer whose end is that of its connection: nobody can tell whether it is whole.
#[derive(Debug, Clone, Copy)]
pub struct ClosesAtEnd;

/// A request on its way, and what became of it.
#[derive(Debug)]
pub struct Journey {
    started: Instant,
    is_http2: bool,
    client: IpAddr,
    /// The last one that was chosen.
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Those before it, and it, too, once it has failed and another is to be chosen.
    tried: Vec<u64>,
    /// It has been seen twice.
    is_retried: bool,
    /// To be set, for the client to come back to the same upstream.
    sticky: Option<HeaderValue>,
}

impl Journey {
    pub fn of(arrival: &Arrival) -> Journey {
        Journey {
            started: arrival.started,
            is_http2: arrival.is_http2,
            client: arrival.client,
            upstream: None,
            tried: Vec::new(),
            is_retried: false,
            sticky: None,
        }
    }

    /// For a request whose time begins now: what was waited for before led to nothing.
    pub fn anew(arrival: &Arrival) -> Journey {
        Journey {
            started: Instant::now(),
            ..Journey::of(arrival)
        }
    }

    /// Takes a request, cleaned and with the body that is still to come, to an upstream and, where it
    /// may, to another.
    pub async fn travel(
        &mut self,
        worker: &Worker,
        parts: Parts,
        incoming: Option<Incoming>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let mut answer = self.seek(worker, parts, incoming).await?;
        if let Some(cookie) = self.sticky.take() {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        Ok(answer)
    }

    async fn seek(
        &mut self,
        worker: &Worker,
        parts: Parts,
        incoming: Option<Incoming>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let config = worker.config();
        let until = self.started + config.http.request_timeout + PATIENCE_BEYOND;
        let progress = Progress::default();
        // Whoever waits for a slow client's body holds no slot.
        let body = match incoming {
            Some(incoming) => {
                let patience = config.http.body_timeout;
                worker.gather(incoming, patience, &progress).await?
            }
            None => RequestBody::Empty,
        };
        let _slot = worker
            .slot(config.http.max_in_flight)
            .ok_or(Refusal::Overloaded)?;
        let again = Again::of(&parts, &body);
        let mut request = Box::new(Request::from_parts(parts, body));
        worker.cluster().budget.deposit(&config.retries);
        loop {
            let upstream = self.choose(worker, &config, request.headers())?;
            let attempt =
                attempt(worker, &upstream, request, until, &progress, self.is_http2).await;
            let is_fault = match &attempt {
                Ok(answer) => retry::is_fault(answer.status()),
                Err(_) => true,
            };
            if !is_fault {
                return attempt.map_err(|_| Refusal::BadUpstream);
            }
            request = match attempt {
                // Nobody has seen it: no repetition.
                Err(Failed::Unseen(same)) if self.tried.len() + 1 < MOST_CONNECTS => same,
                Err(Failed::Unseen(_)) => return Err(Refusal::NobodyReady),
                attempt => match again
                    .as_ref()
                    .filter(|_| self.may_retry(worker, &upstream, until))
                {
                    Some(again) => {
                        self.is_retried = true;
                        Box::new(again.request())
                    }
                    None => return attempt.map_err(|failed| failed.why(progress.reached())),
                },
            };
            self.tried.push(upstream.id);
        }
    }

    fn choose(
        &mut self,
        worker: &Worker,
        config: &ProxyConfig,
        headers: &HeaderMap,
    ) -> Result<Arc<Upstream>, Refusal> {
        let selection = config.upstreams.selection;
        let choice = Choice {
            selection,
            client: self.client,
            headers,
            avoid: &self.tried,
        };
        let view = worker.cluster().view();
        let picked = choice.pick(&view.usable);
        let upstream = picked.map_err(|no| match no {
            NoChoice::Nobody => Refusal::NobodyReady,
            NoChoice::AllFull => Refusal::Overloaded,
        })?;
        if selection == Selection::Sticky {
            self.sticky = selection::cookie_to_set(headers, &upstream, &view.listed);
        }
        self.upstream = Some(upstream.clone());
        Ok(upstream)
    }

    /// Whether it may be seen once more: by another, in time, within the budget.
    fn may_retry(&self, worker: &Worker, failed: &Upstream, until: Instant) -> bool {
        let view = worker.cluster().view();
        let is_other = |id| id != failed.id && !self.tried.contains(&id);
        let may = !self.is_retried
            && Instant::now() < until
            && view.usable.iter().any(|other| is_other(other.id))
            && worker.cluster().budget.withdraw();
        if may {
            failed.note_retry();
        }
        may
    }

    /// How often somebody was asked.
    pub(crate) fn attempts(&self) -> usize {
        let is_last = |last: &Arc<Upstream>| !self.tried.contains(&last.id);
        self.tried.len() + usize::from(self.upstream.as_ref().is_some_and(is_last))
    }
}

async fn attempt(
    worker: &Worker,
    upstream: &Arc<Upstream>,
    request: Box<Request<RequestBody>>,
    until: Instant,
    progress: &Progress,
    is_http2: bool,
) -> Result<Response<AnswerBody>, Failed> {
    let flight = Flight::begin(upstream.clone());
    let begin = Instant::now();
    let result = exchange(worker, upstream, request, until).await;
    let outcome = match &result {
        Ok((answer, _)) if retry::is_fault(answer.status()) => Outcome::Error,
        Ok(_) => Outcome::Ok,
        Err(failed) => failed.outcome(),
    };
    if outcome == Outcome::Ok {
        upstream.note_latency(begin.elapsed());
    }
    // What the client broke off, or has not sent yet, is no fault of the upstream.
    let is_clients = match progress.reached() {
        Reached::Limit | Reached::Broken => true,
        Reached::Some => outcome == Outcome::Timeout,
        Reached::Nothing | Reached::End => false,
    };
    if !is_clients {
        worker.cluster().note(upstream, outcome);
    }
    let (mut answer, lease) = result?;
    let headers = answer.headers();
    let is_framed = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if !is_framed && !hyper::body::Body::is_end_stream(answer.body()) {
        answer.extensions_mut().insert(ClosesAtEnd);
    }
    headers::clean_answer(answer.headers_mut());
    // What we speak to the client is ours.
    *answer.version_mut() = Version::HTTP_11;
    let passages = worker.passages();
    Ok(answer.map(|body| passages.begin(body, lease, flight, is_http2)))
}

/// A request that may be repeated, kept for that.
struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
}

impl Again {
    fn of(parts: &Parts, body: &RequestBody) -> Option<Again> {
        let body = body
            .at_hand()
            .filter(|_| retry::is_repeatable(&parts.method, &parts.headers))?;
        Some(Again {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            body,
        })
    }

    fn request(&self) -> Request<RequestBody> {
        let mut request = Request::new(self.body.at_hand().unwrap_or(RequestBody::Empty));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_is_an_attempt() {
        let mut journey = Journey {
            started: Instant::now(),
            is_http2: false,
            client: [10, 0, 0, 9].into(),
            upstream: None,
            tried: Vec::new(),
            is_retried: false,
            sticky: None,
        };
        assert_eq!(journey.attempts(), 0);
        let upstream = Arc::new(Upstream::new(([10, 0, 0, 1], 80).into(), "lb"));
        journey.upstream = Some(upstream.clone());
        assert_eq!(journey.attempts(), 1);
        // Nobody else was there to be chosen.
        journey.tried.push(upstream.id);
        assert_eq!(journey.attempts(), 1);
    }
}
