//! Answers' bodies on their way to clients, all of one worker, so that none of them occupies anything
//! without end: a client need not take what it asked for, an upstream need not send what it began.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use runtime::HttpConfig;
use slab::Slab;

use crate::cluster::Cluster;
use crate::pool::Lease;
use crate::upstream::{Flight, Outcome};

/// Bodies of one worker. Each may hold what is read at once, 128 KiB.
const MOST: usize = 1024;

/// Cheap to clone: all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Passages(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    cluster: Arc<Cluster>,
    /// `None` where one was given up, until its client has heard of it.
    all: RefCell<Slab<Option<Passage>>>,
    /// Looks taken so far, one a second: as good as a clock here, and free.
    now: Cell<u32>,
}

#[derive(Debug)]
struct Passage {
    incoming: Incoming,
    /// What it occupies there, until all has come.
    source: Option<(Lease, Flight)>,
    /// Whom to wake when the upstream is waited for.
    waits: Option<Waker>,
    /// Since when nothing has moved.
    since: u32,
    is_http2: bool,
}

/// A body to a client.
#[derive(Debug)]
pub struct AnswerBody(Answer);

#[derive(Debug)]
enum Answer {
    /// Ours.
    Whole(Bytes),
    Passing {
        passages: Passages,
        place: usize,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error(transparent)]
    Upstream(#[from] hyper::Error),
    #[error("nothing has moved for too long")]
    Stalled,
}

impl Passages {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Passages {
        Passages(Rc::new(Inner {
            cluster,
            all: RefCell::default(),
            now: Cell::new(0),
        }))
    }

    pub(crate) fn has_room(&self) -> bool {
        self.0.all.borrow().len() < MOST
    }

    /// `is_http2`: what the client speaks. There, a window that stays shut keeps a body for ever; in
    /// HTTP/1 its connection does not take anything then, and is cut for it.
    pub(crate) fn begin(
        &self,
        incoming: Incoming,
        lease: Lease,
        flight: Flight,
        is_http2: bool,
    ) -> AnswerBody {
        if incoming.is_end_stream() {
            lease.end();
            return AnswerBody::whole(Bytes::new());
        }
        let passage = Passage {
            incoming,
            source: Some((lease, flight)),
            waits: None,
            since: self.0.now.get(),
            is_http2,
        };
        let place = self.0.all.borrow_mut().insert(Some(passage));
        let passages = self.clone();
        AnswerBody(Answer::Passing { passages, place })
    }

    /// Once a second: gives up what does not move.
    pub(crate) fn look_over(&self, config: &HttpConfig) {
        let now = self.0.now.get().wrapping_add(1);
        self.0.now.set(now);
        for (_, place) in self.0.all.borrow_mut().iter_mut() {
            let still = |passage: &Passage| {
                Duration::from_secs(now.wrapping_sub(passage.since).saturating_sub(1).into())
            };
            let is_over = place.as_ref().is_some_and(|passage| {
                let still = still(passage);
                match (&passage.waits, &passage.source) {
                    (Some(_), Some((_, flight))) => {
                        still >= config.request_timeout
                            || (flight.upstream().is_down() && !still.is_zero())
                    }
                    // It takes less than what is read at once, 128 KiB, in all that time.
                    _ => passage.is_http2 && still >= config.send_timeout,
                }
            });
            if !is_over {
                continue;
            }
            let Some(passage) = place.take() else {
                continue;
            };
            if let (Some(waker), Some((_, flight))) = (passage.waits, passage.source) {
                self.0.cluster.note(flight.upstream(), Outcome::Timeout);
                waker.wake();
            }
        }
    }

    fn poll(
        &self,
        place: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let now = self.0.now.get();
        let mut all = self.0.all.borrow_mut();
        let Some(Some(passage)) = all.get_mut(place) else {
            return Poll::Ready(Some(Err(AnswerError::Stalled)));
        };
        let waited = passage.waits.is_some();
        let Poll::Ready(frame) = passage.poll_upstream(cx, &self.0.cluster) else {
            if !waited {
                passage.since = now;
            }
            passage.waits = Some(cx.waker().clone());
            return Poll::Pending;
        };
        passage.waits = None;
        passage.since = now;
        Poll::Ready(frame.map(|frame| Ok(frame?)))
    }

    /// Asks something of one that is still on its way.
    fn ask<T>(&self, place: usize, of: impl FnOnce(&Passage) -> T) -> Option<T> {
        let all = self.0.all.borrow();
        all.get(place)?.as_ref().map(of)
    }
}

impl Passage {
    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
        cluster: &Cluster,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            // Half an answer: its connection goes with it.
            Some(Err(_)) => {
                if let Some((_, flight)) = self.source.take() {
                    cluster.note(flight.upstream(), Outcome::Error);
                }
            }
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            // Nobody asks for more after the last frame.
            _ => self.free(),
        }
        Poll::Ready(frame)
    }

    /// All has come: another request may have the connection.
    fn free(&mut self) {
        if let Some((lease, _flight)) = self.source.take() {
            lease.end();
        }
    }
}

impl AnswerBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
        AnswerBody(Answer::Whole(bytes.into()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match &mut self.get_mut().0 {
            Answer::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Answer::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Answer::Passing { passages, place } => passages.poll(*place, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Answer::Whole(bytes) => bytes.is_empty(),
            Answer::Passing { passages, place } => {
                let is_end = |passage: &Passage| passage.incoming.is_end_stream();
                passages.ask(*place, is_end).unwrap_or(false)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Answer::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Answer::Passing { passages, place } => {
                let hint = |passage: &Passage| passage.incoming.size_hint();
                passages.ask(*place, hint).unwrap_or_default()
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Answer::Passing { passages, place } = self {
            passages.0.all.borrow_mut().try_remove(*place);
        }
    }
}
