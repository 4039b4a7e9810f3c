//! One request to one upstream, and the head of its answer.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::{Reached, RequestBody};
use crate::patrol::Interrupt;
use crate::pool::Lease;
use crate::refusal::Refusal;
use crate::upstream::{Outcome, Upstream};
use crate::worker::Worker;

/// An attempt without an answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The upstream could not be reached, and has not seen the request: here it is.
    Unseen(Box<Request<RequestBody>>),
    /// It may have done what it was asked.
    BrokeOff,
    Late,
}

impl Failed {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Failed::Unseen(_) => Outcome::Refused,
            Failed::BrokeOff => Outcome::Error,
            Failed::Late => Outcome::Timeout,
        }
    }

    /// What to tell the client, whose body came so far.
    pub(crate) fn why(&self, reached: Reached) -> Refusal {
        match (reached, self) {
            (Reached::Limit, _) => Refusal::TooLarge,
            (Reached::Broken, _) => Refusal::Broken,
            (Reached::Some, Failed::Late) => Refusal::SlowBody,
            (_, Failed::Unseen(_)) => Refusal::NobodyReady,
            (_, Failed::BrokeOff) => Refusal::BadUpstream,
            (_, Failed::Late) => Refusal::Late,
        }
    }
}

/// The request is boxed since it is large: it would be copied at each step from here to hyper.
pub(crate) async fn exchange(
    worker: &Worker,
    upstream: &Arc<Upstream>,
    mut request: Box<Request<RequestBody>>,
    until: Instant,
) -> Result<(Response<Incoming>, Lease), Failed> {
    loop {
        let idle = worker.pool().take(upstream);
        let is_new = idle.is_none();
        let mut lease = match idle {
            Some(lease) => lease,
            None => match connect(worker, upstream, until).await {
                Some(lease) => lease,
                None => return Err(Failed::Unseen(request)),
            },
        };
        let answer = worker
            .patrol()
            .watch(upstream, until, lease.send(*request))
            .await;
        let mut error = match answer {
            // No client was let ask for another protocol (`Upgrade` is refused): what would follow
            // such an answer is not HTTP.
            Ok(Ok(answer)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                return Err(Failed::BrokeOff);
            }
            Ok(Ok(answer)) => return Ok((answer, lease)),
            Ok(Err(error)) => error,
            Err(Interrupt::Late) => return Err(Failed::Late),
            Err(Interrupt::Down) => return Err(Failed::BrokeOff),
        };
        tracing::debug!(error = %error.error(), address = %upstream.address, "no answer");
        request = match error.take_message() {
            // It was closed while it lay idle: another one, then.
            Some(unseen) if !is_new => Box::new(unseen),
            Some(unseen) => return Err(Failed::Unseen(Box::new(unseen))),
            None => return Err(Failed::BrokeOff),
        };
    }
}

async fn connect(worker: &Worker, upstream: &Arc<Upstream>, until: Instant) -> Option<Lease> {
    let patience = Instant::now() + worker.config().upstreams.connect_timeout;
    let open = worker.pool().open(upstream);
    let opened = worker
        .patrol()
        .watch(upstream, until.min(patience), open)
        .await;
    match opened {
        Ok(Ok(lease)) => Some(lease),
        Ok(Err(error)) => {
            tracing::debug!(error, address = %upstream.address, "cannot connect");
            None
        }
        Err(_) => None,
    }
}
