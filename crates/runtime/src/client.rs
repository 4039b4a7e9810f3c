//! The way to our other services.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// A pool of connections; [`contract::remote`] brings the deadlines. Cheap to clone: one pool.
pub fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // Neighbours answer within a millisecond; one that does not is away.
    connector.set_connect_timeout(Some(Duration::from_millis(500)));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(64)
        // Shorter than our servers' 75 s: it is for us to close, not for them while we write.
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector)
}
