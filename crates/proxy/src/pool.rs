//! One worker's connections to upstreams. Those that are idle lie on a stack: the last one used is
//! the first to be used again, so that the others grow old and are closed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::body::RequestBody;
use crate::stream;
use crate::upstream::Upstream;

/// Idle connections to one upstream; more are closed.
const MOST_IDLE: usize = 64;

/// What is read at once, where there is so much: a picture of 100 KB in one piece. An answer larger than
/// this in its head is none of ours, which have a few hundred bytes.
const MAX_READ_BYTES: usize = 128 << 10;

pub(crate) type Sender = SendRequest<RequestBody>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Rc<RefCell<HashMap<u64, Vec<Sender>>>>);

/// A connection that is in use; comes back to the pool by [`Lease::end`] alone.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: Sender,
    pool: Pool,
    upstream: u64,
}

impl Pool {
    /// One that was used before, if there is one that can be used at once.
    pub(crate) fn take(&self, upstream: &Upstream) -> Option<Lease> {
        let mut idle = self.0.borrow_mut();
        let stack = idle.get_mut(&upstream.id)?;
        while let Some(sender) = stack.pop() {
            // Where the other side has closed one, hyper has seen it.
            if sender.is_ready() {
                return Some(self.lease(sender, upstream));
            }
        }
        None
    }

    pub(crate) async fn open(&self, upstream: &Upstream) -> Result<Lease, runtime::BoxError> {
        let stream = stream::connect(upstream.address).await?;
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_READ_BYTES);
        let (sender, connection) = client.handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an upstream ended");
            }
        });
        Ok(self.lease(sender, upstream))
    }

    fn lease(&self, sender: Sender, upstream: &Upstream) -> Lease {
        Lease {
            sender,
            pool: self.clone(),
            upstream: upstream.id,
        }
    }

    /// Closes what belongs to upstreams that are no more.
    pub(crate) fn keep_only(&self, is_there: impl Fn(u64) -> bool) {
        self.0
            .borrow_mut()
            .retain(|upstream, _| is_there(*upstream));
    }
}

impl Lease {
    pub(crate) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> {
        self.sender.try_send_request(request)
    }

    /// The answer has been read to its end. Whoever is dropped without that closes its connection.
    pub(crate) fn end(self) {
        if self.sender.is_closed() {
            return;
        }
        let mut idle = self.pool.0.borrow_mut();
        let stack = idle.entry(self.upstream).or_default();
        if stack.len() < MOST_IDLE {
            stack.push(self.sender);
        }
    }
}
