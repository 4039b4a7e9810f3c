//! A request that came in, from its first look to its answer: what every proxy does before and after
//! its own work.

use std::net::IpAddr;
use std::rc::Rc;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::access::Line;
use crate::forward::Journey;
use crate::headers::{self, Client};
use crate::passage::AnswerBody;
use crate::refusal::{self, Refusal};
use crate::worker::Worker;

#[derive(Debug)]
pub struct Arrival {
    worker: Rc<Worker>,
    pub(crate) started: Instant,
    pub(crate) is_http2: bool,
    /// Who asks: the peer, or the one for whom a trusted peer does.
    pub(crate) client: IpAddr,
    method: Method,
    /// Kept for the access log, if that wants it.
    noted: Option<Uri>,
    accepts_html: bool,
    id: Option<HeaderValue>,
}

/// What a proxy that does more than to forward says of what it did.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Its entry in `Server-Timing`, up to the duration.
    pub timing: &'a str,
    /// For the access log.
    pub outcome: &'static str,
}

impl Arrival {
    pub fn new(worker: &Rc<Worker>, client: &Client, request: &Request<Incoming>) -> Arrival {
        Arrival {
            started: Instant::now(),
            is_http2: request.version() == Version::HTTP_2,
            client: match client.is_trusted {
                true => client.behind(request.headers(), &worker.config().http),
                false => client.peer,
            },
            method: request.method().clone(),
            noted: worker.access().wants().then(|| request.uri().clone()),
            accepts_html: refusal::accepts_html(request.headers()),
            id: headers::given_id(request.headers(), client),
            worker: worker.clone(),
        }
    }

    /// Refuses what is not to be taken in; the rest is given the form that origins know.
    pub fn admit(&self, request: Request<Incoming>) -> Result<(Parts, Incoming), Refusal> {
        refusal::check(&request)?;
        let (mut parts, incoming) = request.into_parts();
        headers::strike_named(&mut parts.headers);
        to_origin_form(&mut parts)?;
        Ok((parts, incoming))
    }

    /// Whether the client may have many answers on their way at once, and take none of them.
    pub fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// Cleans a request's headers for the next hop, and says where it comes from.
    pub fn clean(&mut self, headers: &mut HeaderMap, client: &Client) {
        self.id = Some(headers::clean_request(headers, client));
    }

    /// Signs an answer, counts and logs it. `said` is what a proxy says of itself; without it, it is known
    /// by the upstream of the journey.
    pub fn answer<B: From<AnswerBody>>(
        self,
        answer: Result<Response<B>, Refusal>,
        said: Option<Said<'_>>,
        journey: Option<&Journey>,
    ) -> Response<B> {
        let worker = &*self.worker;
        let took = self.started.elapsed();
        let mut answer = answer.unwrap_or_else(|refusal| {
            worker.figures().note_refusal(&refusal);
            refusal.answer(self.accepts_html).map(B::from)
        });
        let upstream = journey.and_then(|journey| journey.upstream.as_ref());
        let upstream = upstream.map(|upstream| upstream.name());
        let timing = said.map_or_else(
            || {
                let named = upstream.as_ref().map(|upstream| upstream.timing.as_str());
                named.unwrap_or(worker.own_timing())
            },
            |said| said.timing,
        );
        let headers = answer.headers_mut();
        headers::add_timing(headers, timing, took);
        let id = self.id.unwrap_or_else(headers::fresh_id_value);
        headers
            .entry(headers::REQUEST_ID)
            .or_insert_with(|| id.clone());
        worker
            .figures()
            .observe(&self.method, answer.status(), took);
        if let Some(uri) = self.noted {
            worker.access().note(&Line {
                client: self.client,
                method: self.method.as_str(),
                path: uri.path(),
                status: answer.status().as_u16(),
                duration_ms: took.as_secs_f64() * 1e3,
                upstream: upstream.as_ref().map(|upstream| upstream.name.as_str()),
                cache: said.map(|said| said.outcome),
                attempts: journey.map_or(0, Journey::attempts),
                request_id: id.to_str().ok(),
            });
        }
        answer
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
