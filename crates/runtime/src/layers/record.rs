//! Figures and log line of a request.

use std::net::IpAddr;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use http::Method;
use http::header::CONTENT_LENGTH;
use http_body::Body;

pub(crate) const DURATION_METRIC: &str = "http_server_request_duration_seconds";
pub(crate) const BYTES_METRIC: &str = "http_server_response_bytes_total";

/// Put into an answer's extensions: the request is counted under this route, wherever it was bound.
#[derive(Debug, Clone, Copy)]
pub struct CountedAs(pub &'static str);

/// What is to be remembered of a request until its answer is known.
pub(super) struct Record {
    route: Option<MatchedPath>,
    method: Method,
    /// Kept only for the access log.
    path: Option<String>,
    client: IpAddr,
    started: Instant,
}

impl Record {
    pub(super) fn of(request: &Request, client: IpAddr, started: Instant) -> Record {
        let is_logged = tracing::enabled!(target: "access", tracing::Level::DEBUG);
        Record {
            route: request.extensions().get().cloned(),
            method: request.method().clone(),
            path: is_logged.then(|| request.uri().path().to_owned()),
            client,
            started,
        }
    }

    /// Counts it, and logs it where the filter has `access=debug`.
    pub(super) fn finish(self, response: &Response) {
        let status = response.status();
        let duration = self.started.elapsed();
        let route = match response.extensions().get() {
            Some(CountedAs(route)) => route,
            None => self.route.as_ref().map_or("unmatched", MatchedPath::as_str),
        };
        metrics::histogram!(
            DURATION_METRIC,
            "route" => route.to_owned(),
            "method" => method_label(&self.method),
            "status" => status.as_str().to_owned(),
        )
        .record(duration);
        if self.method != Method::HEAD {
            metrics::counter!(BYTES_METRIC, "route" => route.to_owned())
                .increment(body_bytes(response));
        }
        if let Some(path) = self.path {
            tracing::debug!(
                target: "access",
                method = %self.method,
                path,
                status = status.as_u16(),
                duration_ms = duration.as_secs_f64() * 1e3,
                client = %self.client,
                "answered"
            );
        }
    }
}

/// As announced: who hangs up midway counts in full, who is sent a body of unknown length not at all.
fn body_bytes(response: &Response) -> u64 {
    let announced = response.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    announced
        .or_else(|| response.body().size_hint().exact())
        .unwrap_or(0)
}

/// Methods are the client's words: those that nobody knows share a label.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
