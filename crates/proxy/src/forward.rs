//! The way of a request through a proxy: check, choose, send, perhaps once more elsewhere, answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::access::Line;
use crate::body::{Progress, Reached, RequestBody};
use crate::config::ProxyConfig;
use crate::exchange::{Failed, exchange};
use crate::headers::{self, Client};
use crate::passage::AnswerBody;
use crate::refusal::{self, Refusal};
use crate::retry;
use crate::selection::{self, Choice, NoChoice, Selection};
use crate::upstream::{Flight, Outcome, Upstream};
use crate::worker::Worker;

/// Upstreams that are tried with a request that none of them has seen.
const MOST_CONNECTS: usize = 3;

/// How much longer than the next hop we wait: its word on the matter is better than ours.
const PATIENCE_BEYOND: Duration = Duration::from_millis(250);

/// Takes a request to an upstream, and its answer back.
pub(crate) async fn forward(
    worker: &Worker,
    client: &Client,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let started = Instant::now();
    let method = request.method().clone();
    let noted = worker.access().wants().then(|| request.uri().clone());
    let accepts_html = refusal::accepts_html(request.headers());
    let mut journey = Journey {
        client: client
            .is_trusted
            .then(|| client.behind(request.headers(), &worker.config().http)),
        ..Journey::default()
    };
    let answer = journey.travel(worker, client, request, started).await;
    let took = started.elapsed();
    let mut answer = answer.unwrap_or_else(|refusal| {
        worker.figures().note_refusal(&refusal);
        refusal.answer(accepts_html)
    });
    journey.sign(worker, answer.headers_mut(), took);
    worker.figures().observe(&method, answer.status(), took);
    if let Some(uri) = noted {
        let upstream = journey.upstream.as_ref().map(|upstream| upstream.name());
        worker.access().note(&Line {
            client: journey.client.unwrap_or(client.peer),
            method: method.as_str(),
            path: uri.path(),
            status: answer.status().as_u16(),
            duration_ms: took.as_secs_f64() * 1e3,
            upstream: upstream.as_ref().map(|upstream| upstream.name.as_str()),
            attempts: journey.attempts(),
            request_id: journey.id.as_ref().and_then(|id| id.to_str().ok()),
        });
    }
    answer
}

/// What became of a request on its way.
#[derive(Debug, Default)]
struct Journey {
    /// Who asks, where a trusted proxy stands between.
    client: Option<IpAddr>,
    id: Option<HeaderValue>,
    /// The last one that was chosen.
    upstream: Option<Arc<Upstream>>,
    /// Those before it, and it, too, once it has failed and another is to be chosen.
    tried: Vec<u64>,
    /// It has been seen twice.
    is_retried: bool,
    /// To be set, for the client to come back to the same upstream.
    sticky: Option<HeaderValue>,
}

impl Journey {
    async fn travel(
        &mut self,
        worker: &Worker,
        client: &Client,
        request: Request<Incoming>,
        started: Instant,
    ) -> Result<Response<AnswerBody>, Refusal> {
        refusal::check(&request)?;
        let config = worker.config();
        let until = started + config.http.request_timeout + PATIENCE_BEYOND;
        let is_http2 = request.version() == Version::HTTP_2;

        let (mut parts, incoming) = request.into_parts();
        to_origin_form(&mut parts)?;
        let id = headers::clean_request(&mut parts.headers, client);
        self.id = Some(id);
        let progress = Progress::default();
        // Whoever waits for a slow client's body holds no slot.
        let body = worker
            .gather(incoming, config.http.body_timeout, &progress)
            .await?;
        let _slot = worker
            .slot(config.http.max_in_flight)
            .ok_or(Refusal::Overloaded)?;
        let again = Again::of(&parts, &body);
        let mut request = Box::new(Request::from_parts(parts, body));
        worker.cluster().budget.deposit(&config.retries);
        loop {
            let upstream = self.choose(worker, &config, client, request.headers())?;
            let attempt = attempt(worker, &upstream, request, until, &progress, is_http2).await;
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
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<Arc<Upstream>, Refusal> {
        let selection = config.upstreams.selection;
        let choice = Choice {
            selection,
            client: self.client.unwrap_or(client.peer),
            headers,
            max_in_flight: config.upstreams.max_in_flight,
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
    fn attempts(&self) -> usize {
        let is_last = |last: &Arc<Upstream>| !self.tried.contains(&last.id);
        self.tried.len() + usize::from(self.upstream.as_ref().is_some_and(is_last))
    }

    /// Puts our name on an answer.
    fn sign(&mut self, worker: &Worker, headers: &mut HeaderMap, took: Duration) {
        let name = self.upstream.as_ref().map(|upstream| upstream.name());
        let timing = name
            .as_ref()
            .map_or(worker.own_timing(), |name| &name.timing);
        headers::add_timing(headers, timing, took);
        if let Some(id) = &self.id {
            headers
                .entry(headers::REQUEST_ID)
                .or_insert_with(|| id.clone());
        }
        if let Some(cookie) = self.sticky.take() {
            headers.append(SET_COOKIE, cookie);
        }
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

/// What goes to an origin: a path, HTTP/1.1, and one `Host`, which is that of the address where the
/// address names one (RFC 9112, 3.2.2; RFC 9113, 8.3.1).
fn to_origin_form(parts: &mut Parts) -> Result<(), Refusal> {
    parts.version = Version::HTTP_11;
    let Some(authority) = parts.uri.authority() else {
        return Ok(());
    };
    let host = HeaderValue::from_str(authority.as_str()).ok();
    let host = host.filter(|_| !authority.as_str().contains('@'));
    let host = host.ok_or(Refusal::BadHost("expected one without user information"))?;
    parts.headers.insert(HOST, host);
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or(Uri::from_static("/"), Uri::from);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sent_is_an_attempt() {
        let mut journey = Journey::default();
        assert_eq!(journey.attempts(), 0);
        let upstream = Arc::new(Upstream::new(([10, 0, 0, 1], 80).into(), "lb"));
        journey.upstream = Some(upstream.clone());
        assert_eq!(journey.attempts(), 1);
        // Nobody else was there to be chosen.
        journey.tried.push(upstream.id);
        assert_eq!(journey.attempts(), 1);
    }
}
