//! The front: threads that accept, each with a socket of its own on the same port.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use runtime::config::ConfigError;
use runtime::server::{ACCEPT_PAUSE, Connection, MAX_HEAD_BYTES, Paced, bound_unsent};
use runtime::{BoxError, HttpConfig};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::headers::Client;
use crate::protocol::{Begun, Protocol};
use crate::tls::Certificate;
use crate::worker::{Shared, Worker};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

// HTTP/2, of one connection. What a client sends and nobody has read yet lies in our memory; so does what
// it asked for and does not take.
const MAX_STREAMS: u32 = 32;
const STREAM_BYTES: u32 = 64 << 10;
const CONNECTION_BYTES: u32 = 256 << 10;

/// What a proxy does with each request; each worker has one.
pub trait Handler: 'static {
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + 'static;

    fn handle(
        &self,
        client: &Rc<Client>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>>;
}

/// Where a proxy listens.
#[derive(Debug, Clone)]
pub struct Front {
    pub plain: SocketAddr,
    pub tls: Option<(SocketAddr, Arc<Certificate>)>,
}

/// Sockets for one worker. The kernel spreads connections over those of all workers.
#[derive(Debug)]
pub struct Sockets {
    plain: StdListener,
    tls: Option<(StdListener, Arc<Certificate>)>,
}

impl Front {
    /// Errors name the address that cannot be had.
    pub fn listen(&self) -> Result<Sockets, ConfigError> {
        let plain = listen("http", self.plain)?;
        let tls = match &self.tls {
            // The kernel would spread connections over both.
            Some((address, _)) if *address == self.plain => {
                let expected =
                    format!("listen: expected another address than http.listen, {address}");
                return Err(ConfigError::in_use("tls", expected));
            }
            Some((address, certificate)) => Some((listen("tls", *address)?, certificate.clone())),
            None => None,
        };
        Ok(Sockets { plain, tls })
    }
}

fn listen(section: &str, address: SocketAddr) -> Result<StdListener, ConfigError> {
    socket(address).map_err(|error| {
        let expected =
            format!("listen: expected a free address of this machine, got {address}: {error}");
        ConfigError::in_use(section, expected)
    })
}

fn socket(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Connections take this over: what we send is written whole, waiting for more would only delay it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Runs one worker on this thread until `drain`, then until its requests have ended.
pub fn run<H: Handler>(
    shared: Arc<Shared>,
    sockets: Sockets,
    drain: CancellationToken,
    handler: impl FnOnce(Rc<Worker>) -> H,
) -> io::Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    tokio.block_on(async move {
        let worker = Worker::start(shared);
        let handler = handler(worker.clone());
        let server = Rc::new(Server::new(worker, handler, drain.clone()));
        let plain = TcpListener::from_std(sockets.plain)?;
        let secure = match sockets.tls {
            Some((socket, certificate)) => {
                let acceptor = certificate.acceptor().map_err(io::Error::other)?;
                Some((TcpListener::from_std(socket)?, acceptor))
            }
            None => None,
        };
        let graceful = GracefulShutdown::new();
        let accept = async {
            let tls = async {
                match &secure {
                    Some((listener, acceptor)) => {
                        server.accept(listener, Some(acceptor), &graceful).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::join!(server.accept(&plain, None, &graceful), tls)
        };
        drain.run_until_cancelled(accept).await;
        drop((plain, secure));
        graceful.shutdown().await;
        Ok(())
    })
}

#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}

pub(crate) struct Server<H> {
    worker: Rc<Worker>,
    handler: Rc<H>,
    http1: http1::Builder,
    http2: http2::Builder<Local>,
    drain: CancellationToken,
}

impl<H: Handler> Server<H> {
    pub(crate) fn new(worker: Rc<Worker>, handler: H, drain: CancellationToken) -> Server<H> {
        // Time-outs are the connection's, as in `runtime::server`.
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(MAX_HEAD_BYTES).header_read_timeout(None);
        let mut http2 = http2::Builder::new(Local);
        http2
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_BYTES)
            .initial_connection_window_size(CONNECTION_BYTES)
            .max_send_buf_size(STREAM_BYTES as usize);
        Server {
            worker,
            handler: Rc::new(handler),
            http1,
            http2,
            drain,
        }
    }

    async fn accept(
        self: &Rc<Self>,
        listener: &TcpListener,
        tls: Option<&TlsAcceptor>,
        graceful: &GracefulShutdown,
    ) {
        if let Err(error) = bound_unsent(listener) {
            tracing::warn!(%error, "slow readers may be cut early");
        }
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(counted) = Counted::new(&self.worker) else {
                        // Nobody is turned away but those who come while all places are taken.
                        continue;
                    };
                    let stream = Paced::new(stream, &self.worker.config().http);
                    let (server, tls) = (self.clone(), tls.cloned());
                    let watcher = graceful.watcher();
                    tokio::task::spawn_local(async move {
                        let _counted = counted;
                        match tls {
                            None => server.serve(stream, peer, false, watcher).await,
                            Some(tls) => {
                                if let Some(stream) = server.shake_hands(&tls, stream, peer).await {
                                    server.serve(stream, peer, true, watcher).await;
                                }
                            }
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// In the time that a head may take; and until the end, at which nothing was asked yet.
    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        tls: &TlsAcceptor,
        stream: S,
        peer: SocketAddr,
    ) -> Option<TlsStream<S>> {
        let patience = self.worker.config().http.head_timeout;
        let handshake = timeout(patience, tls.accept(stream));
        match self.drain.run_until_cancelled(handshake).await? {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, %peer, "no TLS");
                None
            }
            Err(_) => None,
        }
    }

    pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(
        self: Rc<Self>,
        stream: S,
        peer: SocketAddr,
        is_tls: bool,
        watcher: hyper_util::server::graceful::Watcher,
    ) {
        let config = self.worker.config();
        let client = Rc::new(Client::new(peer.ip(), is_tls, &config.http));
        let begun = Begun::read(Connection::new(stream, &config.http));
        // At the end, nobody is waited for who has asked nothing yet.
        let Some(Ok((protocol, begun))) = self.drain.run_until_cancelled(begun).await else {
            return;
        };
        let handler = self.handler.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (handler, client) = (handler.clone(), client.clone());
            async move { Ok::<_, Infallible>(handler.handle(&client, request).await) }
        });
        let io = TokioIo::new(begun);
        let ended = match protocol {
            Protocol::Http1 => {
                watcher
                    .watch(self.http1.serve_connection(io, service))
                    .await
            }
            Protocol::Http2 => {
                watcher
                    .watch(self.http2.serve_connection(io, service))
                    .await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "connection ended");
        }
    }
}

/// A client's connection, as long as it is open.
struct Counted(Rc<Worker>);

impl Counted {
    /// `None` when there are as many as there may be.
    fn new(worker: &Rc<Worker>) -> Option<Counted> {
        let HttpConfig {
            max_connections, ..
        } = worker.config().http;
        let open = worker.figures().connections();
        if open.fetch_add(1, Relaxed) >= max_connections as u64 {
            open.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Counted(worker.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.figures().connections().fetch_sub(1, Relaxed);
    }
}
