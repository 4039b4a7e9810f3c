//! The answers that are ours: what we refuse, and what to say when nobody else answers.

use bytes::Bytes;
use contract::Problem;
use http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use runtime::server::check_host;

use crate::body::MAX_BODY_BYTES;
use crate::passage::AnswerBody;

/// Why there is no answer of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// What was expected of it.
    BadHost(&'static str),
    /// The request is not for proxies: we speak for the shop alone, and open no tunnels.
    Tunnel,
    Upgrade,
    TooLarge,
    /// Its body did not come in time.
    SlowBody,
    /// The client broke off; nobody will read this.
    Broken,
    Overloaded,
    NobodyReady,
    /// It is not for this proxy to answer.
    NotHere,
    /// An upstream broke off, or gave no answer that could be understood.
    BadUpstream,
    Late,
}

/// What is refused before an upstream is asked. Framing was checked while it was read.
pub(crate) fn check<B: http_body::Body>(request: &Request<B>) -> Result<(), Refusal> {
    check_host(request).map_err(Refusal::BadHost)?;
    if request.method() == Method::CONNECT {
        return Err(Refusal::Tunnel);
    }
    // Other offers to speak something else may be ignored (RFC 9110, 7.8), but who asks for a
    // WebSocket can do nothing with a page.
    let upgrades = request.headers().get_all(http::header::UPGRADE);
    if upgrades
        .iter()
        .any(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
    {
        return Err(Refusal::Upgrade);
    }
    if request.body().size_hint().lower() > MAX_BODY_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

impl Refusal {
    fn problem(&self) -> Problem {
        match self {
            Refusal::BadHost(expected) => {
                Problem::new(400, "bad-host", "Bad Host").detail(*expected)
            }
            Refusal::Tunnel => Problem::new(405, "no-tunnel", "No tunnels here"),
            Refusal::Upgrade => Problem::new(501, "no-upgrade", "No WebSockets here"),
            Refusal::TooLarge => Problem::new(413, "too-large", "The body is too large")
                .detail(format!("expected at most {MAX_BODY_BYTES} bytes")),
            Refusal::SlowBody => Problem::new(408, "too-slow", "The body came too slowly"),
            Refusal::Broken => Problem::new(400, "unreadable", "The body could not be read"),
            Refusal::Overloaded => {
                Problem::new(503, "overloaded", "Too much to do right now").retry_after(1)
            }
            Refusal::NobodyReady => {
                Problem::new(503, "no-upstream", "The shop is away for a moment").retry_after(1)
            }
            Refusal::NotHere => Problem::new(404, "not-here", "There is nothing here"),
            Refusal::BadUpstream => Problem::new(
                502,
                "bad-upstream",
                "The shop gave no answer that can be read",
            ),
            Refusal::Late => {
                Problem::new(504, "upstream-timeout", "The shop did not answer in time")
                    .retry_after(1)
            }
        }
    }

    /// As a problem document, or as a page for who asks for one.
    pub(crate) fn answer(&self, accepts_html: bool) -> Response<AnswerBody> {
        let problem = self.problem();
        let (kind, text) = match accepts_html {
            true => ("text/html; charset=utf-8", page(&problem)),
            false => (
                contract::problem::CONTENT_TYPE,
                Bytes::from(serde_json::to_vec(&problem).unwrap_or_default()),
            ),
        };
        let mut answer = Response::new(AnswerBody::whole(text));
        *answer.status_mut() =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = problem.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.ends_connection() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    /// What else comes on this connection may be the rest of what was refused.
    fn ends_connection(&self) -> bool {
        matches!(
            self,
            Refusal::BadHost(_)
                | Refusal::Tunnel
                | Refusal::Upgrade
                | Refusal::TooLarge
                | Refusal::SlowBody
                | Refusal::Broken
        )
    }
}

pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    accept.starts_with(b"text/html")
}

/// Words of ours alone: nothing of the request is in them.
fn page(problem: &Problem) -> Bytes {
    let title = &problem.title;
    let text = problem
        .retry_after
        .map_or("", |_| "Please try again in a moment.");
    let refresh = problem
        .retry_after
        .map_or("", |_| "<meta http-equiv=\"refresh\" content=\"3\">");
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )
    .into()
}
