//! Requests' bodies on their way to upstreams. Answers' are in [`crate::passage`].

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Larger bodies of requests get a 413.
pub(crate) const MAX_BODY_BYTES: u64 = 1 << 20;

/// What one worker gathers at once, of all bodies. More are refused.
const MOST_GATHERED: usize = 32 << 20;

/// The beginning of a body is gathered before an upstream is asked, so that slow clients occupy
/// nobody but us; most bodies are no longer than this, and can then be sent again.
const GATHERED: usize = 64 << 10;

/// A request's body, to an upstream.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    /// At hand, and so sent again if need be.
    Whole(Bytes),
    Passing(Passing),
}

/// A body that is sent on as it comes.
#[derive(Debug)]
pub(crate) struct Passing {
    gathered: Bytes,
    incoming: Incoming,
    left: u64,
    progress: Progress,
}

/// How far a body has come, for those who have given it away.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Rc<Cell<Reached>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reached {
    #[default]
    Nothing,
    Some,
    End,
    /// It was longer than it may be.
    Limit,
    /// The client broke off.
    Broken,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("too many bodies are on their way at once")]
    NoRoom,
    #[error(transparent)]
    Client(#[from] hyper::Error),
}

/// Bytes that one worker is gathering, of all bodies.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Cell<usize>);

/// What one body has of them, until it goes on or is given up.
struct Share<'a> {
    all: &'a Gathered,
    bytes: usize,
}

impl Share<'_> {
    fn take(&mut self, bytes: usize) -> Result<(), BodyError> {
        let all = self.all.0.get() + bytes;
        if all > MOST_GATHERED {
            return Err(BodyError::NoRoom);
        }
        self.all.0.set(all);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.all.0.set(self.all.0.get() - self.bytes);
    }
}

impl Progress {
    pub(crate) fn reached(&self) -> Reached {
        self.0.get()
    }
}

impl RequestBody {
    /// Waits for a body's beginning.
    pub(crate) async fn gather(
        mut incoming: Incoming,
        progress: &Progress,
        all: &Gathered,
    ) -> Result<RequestBody, BodyError> {
        if incoming.is_end_stream() {
            return Ok(RequestBody::Empty);
        }
        let mut gathered = BytesMut::new();
        let mut share = Share { all, bytes: 0 };
        while gathered.len() < GATHERED {
            let Some(frame) = incoming.frame().await else {
                return Ok(RequestBody::Whole(gathered.freeze()));
            };
            if let Ok(data) = frame?.into_data() {
                share.take(data.len())?;
                gathered.extend_from_slice(&data);
            }
        }
        let gathered = gathered.freeze();
        let left = MAX_BODY_BYTES.saturating_sub(gathered.len() as u64);
        progress.0.set(Reached::Some);
        Ok(RequestBody::Passing(Passing {
            gathered,
            incoming,
            left,
            progress: progress.clone(),
        }))
    }

    /// The same body once more, if that is possible.
    pub(crate) fn at_hand(&self) -> Option<RequestBody> {
        match self {
            RequestBody::Empty => Some(RequestBody::Empty),
            RequestBody::Whole(bytes) => Some(RequestBody::Whole(bytes.clone())),
            RequestBody::Passing(_) => None,
        }
    }
}

impl Passing {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.gathered.is_empty() {
            let gathered = std::mem::take(&mut self.gathered);
            return Poll::Ready(Some(Ok(Frame::data(gathered))));
        }
        loop {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            let (reached, result) = match frame {
                None => (Reached::End, None),
                Some(Err(error)) => (Reached::Broken, Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.len() as u64 > self.left => {
                        (Reached::Limit, Some(Err(BodyError::TooLarge)))
                    }
                    Ok(data) => {
                        self.left -= data.len() as u64;
                        (Reached::Some, Some(Ok(Frame::data(data))))
                    }
                    // Trailers end here: nobody behind us reads them.
                    Err(_) => continue,
                },
            };
            self.progress.0.set(reached);
            return Poll::Ready(result);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            RequestBody::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            RequestBody::Passing(passing) => passing.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Whole(bytes) => bytes.is_empty(),
            RequestBody::Passing(passing) => {
                passing.gathered.is_empty() && passing.incoming.is_end_stream()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Passing(passing) => {
                let (gathered, rest) =
                    (passing.gathered.len() as u64, passing.incoming.size_hint());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower() + gathered);
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + gathered);
                }
                hint
            }
        }
    }
}
