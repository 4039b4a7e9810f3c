//! The page, and the three addresses it lives on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use axum::routing::get;
use axum::{Json, Router};
use contract::Fault;
use futures::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use runtime::Failure;

use crate::history::Histories;
use crate::poller::Latest;

/// After a broken connection a page waits so long: as long as it would for the next snapshot.
const RETRY: Duration = Duration::from_secs(2);

macro_rules! files {
    ($($path:literal: $file:literal, $kind:literal;)*) => {
        [$(($path, $kind, include_bytes!(concat!("../static/", $file)))),*]
    };
}

/// Path, content type, content.
const FILES: [(&str, &str, &[u8]); 12] = files! {
    "/": "index.html", "text/html; charset=utf-8";
    "/room.css": "room.css", "text/css; charset=utf-8";
    "/favicon.svg": "favicon.svg", "image/svg+xml";
    "/room.js": "room.js", "text/javascript; charset=utf-8";
    "/drawing.js": "drawing.js", "text/javascript; charset=utf-8";
    "/balancers.js": "balancers.js", "text/javascript; charset=utf-8";
    "/cache.js": "cache.js", "text/javascript; charset=utf-8";
    "/figures.js": "figures.js", "text/javascript; charset=utf-8";
    "/plots.js": "plots.js", "text/javascript; charset=utf-8";
    "/units.js": "units.js", "text/javascript; charset=utf-8";
    "/vendor/uplot.js": "vendor/uplot/uPlot.iife.min.js", "text/javascript; charset=utf-8";
    "/vendor/uplot.css": "vendor/uplot/uPlot.min.css", "text/css; charset=utf-8";
};

pub fn routes(latest: Latest, histories: Histories) -> Router {
    let router = Router::new()
        .route("/events", get(events))
        .route("/api/snapshot", get(snapshot))
        .with_state(latest)
        .route("/api/history", get(history))
        .with_state(histories);
    FILES
        .into_iter()
        .fold(router, |router, (path, kind, content)| {
            // Asked for again with each visit: it comes from this machine, and may be newer.
            let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
            router.route(path, get(move || async move { (headers, content) }))
        })
}

/// The latest snapshot at once, then each new one.
async fn events(State(mut latest): State<Latest>) -> impl IntoResponse {
    latest.mark_changed();
    Sse::new(updates(latest)).keep_alive(KeepAlive::default())
}

/// Ends with the poller, so that no open page holds up a shutdown.
fn updates(latest: Latest) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(latest, async |mut latest| {
        latest.changed().await.ok()?;
        let json = latest.borrow_and_update().json.clone();
        let event = Event::default().event("snapshot").retry(RETRY).data(json);
        Some((Ok(event), latest))
    })
}

async fn snapshot(State(latest): State<Latest>) -> impl IntoResponse {
    let json = latest.borrow().json.to_string();
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, json)
}

async fn history(State(histories): State<Histories>) -> Result<Response, Failure> {
    let history = histories.latest().await;
    let history = history.map_err(|error| Fault::Unavailable(format!("prometheus: {error}")))?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(&*history)).into_response())
}
