//! The HTTP server, HTTP/1.1 and h2c, as it must be when strangers are at the other end: every wait
//! has an end, every size a bound, and what two readers could read differently is refused.
//!
//! Never `axum::serve`: it waits for dripped headers for ever.

mod config;
mod connection;
mod framing;
mod paced;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use contract::Problem;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use config::{HttpConfig, Listen};
pub use connection::Connection;
pub use paced::{Paced, bound_unsent};

use crate::failure::Failure;

/// A larger head gets a 431.
pub const MAX_HEAD_BYTES: usize = 16 << 10;

/// Accepting fails when the process is out of descriptors: trying again at once would only spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The address at the other end of the connection, in a request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Serves until `drain`, then lets the requests in flight finish.
///
/// Beyond `max_connections` newcomers wait in the kernel's queue: those who hold connections and say
/// nothing soon lose them, and too many requests are refused by [`crate::layers`], in good time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: &HttpConfig,
    drain: CancellationToken,
) {
    if let Err(error) = bound_unsent(&listener) {
        tracing::warn!(%error, "slow readers may be cut early");
    }
    let mut http = auto::Builder::new(TokioExecutor::new());
    // hyper reads no head larger than its buffer. Time-outs are the connection's: hyper's one for
    // heads would also cut idle connections, and does not yet run while HTTP/2 is being told apart.
    http.http1()
        .max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(None);
    http.http2()
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_concurrent_streams(128);
    let server = Arc::new(Server {
        http,
        router,
        config: config.clone(),
    });
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let graceful = GracefulShutdown::new();

    let accept = async {
        loop {
            let slot = slots.clone().acquire_owned().await;
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let connection = server.clone().connection(stream, Peer(peer), &graceful);
                    tokio::spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    drain.run_until_cancelled(accept).await;
    drop(listener);
    graceful.shutdown().await;
}

struct Server {
    http: auto::Builder<TokioExecutor>,
    router: Router,
    config: HttpConfig,
}

impl Server {
    fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: Peer,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + use<> {
        let watcher = graceful.watcher();
        async move {
            // Answers are written whole: waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            let paced = Paced::new(stream, &self.config);
            let io = TokioIo::new(Connection::new(paced, &self.config));
            let service = hyper::service::service_fn(|request| {
                let server = self.clone();
                async move { server.answer(request, peer).await }
            });
            let connection = self.http.serve_connection(io, service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::debug!(error, peer = %peer.0, "connection ended");
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Result<Response, Infallible> {
        if let Err(expected) = check_host(&request) {
            let problem = Problem::new(400, "bad-host", "Bad Host").detail(expected);
            let mut refusal = Failure::from(problem).into_response();
            if request.version() <= Version::HTTP_11 {
                refusal
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            return Ok(refusal);
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        self.router.clone().call(request).await
    }
}

/// Exactly one host, and not an empty one (RFC 9112, 3.2). HTTP/1.0 knows none.
/// Errors with what was expected.
pub fn check_host<B>(request: &Request<B>) -> Result<(), &'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    let expected = match (host, hosts.next()) {
        (_, Some(_)) => "expected one Host",
        (Some(host), None) if host.is_empty() => "expected a Host that is not empty",
        (Some(host), None) if !host.as_bytes().iter().all(|byte| names_host(*byte)) => {
            "expected a Host that is a name, or an address, and perhaps a port"
        }
        (Some(_), None) => return Ok(()),
        (None, None) if request.uri().authority().is_some() => return Ok(()),
        (None, None) if request.version() < Version::HTTP_11 => return Ok(()),
        (None, None) => "expected a Host",
    };
    Err(expected)
}

/// What `uri-host [ ":" port ]` is made of (RFC 9110, 7.2): nothing that ends a host in an address, so
/// that nobody takes a part of it for a path or for somebody's name.
fn names_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

#[cfg(test)]
mod tests;
