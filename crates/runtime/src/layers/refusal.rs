//! Requests that get no handler, or none that could answer.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use contract::{Fault, Problem, problem};
use http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method, StatusCode};

use crate::auth;
use crate::failure::Failure;

pub(crate) fn too_large() -> Problem {
    Problem::new(413, "too-large", "The body is too large")
        .detail(format!("expected at most {} bytes", super::MAX_BODY_BYTES))
}

pub(crate) fn unreadable() -> Problem {
    Problem::new(400, "bad-request", "The body could not be read")
}

pub(super) fn too_slow() -> Problem {
    Problem::new(408, "too-slow", "The body took too long")
}

pub(super) fn overloaded() -> Problem {
    Problem::new(503, "overloaded", "Too many requests at once").retry_after(1)
}

/// The panic hook has logged it: see [`crate::telemetry`].
pub(super) fn panicked() -> Problem {
    Problem::from(&Fault::Internal(String::new()))
}

/// Refuses what a page of another site makes its visitor's browser do here.
///
/// Browsers tell: by `Sec-Fetch-Site`, older ones by `Origin`. Without either, or with a bearer token
/// in place of the cookie that browsers add by themselves, it is no page that asks.
pub(super) fn check_origin(request: &Request) -> Result<(), Failure> {
    let headers = request.headers();
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if is_safe || (auth::bearer(headers).is_some() && auth::cookie(headers).is_none()) {
        return Ok(());
    }
    let text = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let is_ours = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some_and(|host| host.eq_ignore_ascii_case(host_of(request, headers)))
        }
        (None, None) => true,
    };
    match is_ours {
        true => Ok(()),
        false => Err(Problem::new(403, "cross-origin", "Asked by a page of another site").into()),
    }
}

fn host_of<'a>(request: &'a Request, headers: &'a HeaderMap) -> &'a str {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    host.or(authority).unwrap_or_default()
}

/// Whether programs rather than people are at the other end.
pub(super) fn is_api(request: &Request) -> bool {
    let path = request.uri().path();
    path.starts_with("/api/") || path.starts_with("/internal/")
}

/// Programs get a problem where the router has no route; so does everybody who would get nothing.
pub(super) fn unrouted(response: Response, is_api: bool) -> Response {
    let problem = match response.status() {
        StatusCode::NOT_FOUND => Problem::not_found("resource"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::new(405, "method-not-allowed", "Method not allowed")
        }
        _ => return response,
    };
    match response.headers().get(CONTENT_TYPE) {
        Some(kind) if !is_api || kind == problem::CONTENT_TYPE => return response,
        _ => {}
    }
    let mut refusal = Failure::from(problem).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        refusal.headers_mut().insert(ALLOW, allow.clone());
    }
    refusal
}
