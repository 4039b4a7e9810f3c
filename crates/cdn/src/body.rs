//! The bodies of our answers.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use proxy::{AnswerBody, AnswerError, Worker};

use crate::cdn::Cdn;
use crate::filling::{Broken, Following};

/// What is given to an HTTP/2 connection at once: what it has not sent yet lies in our memory.
const PIECE: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Body {
    source: Source,
    /// Where the bytes of an answer of ours are counted.
    counted: Option<Counted>,
}

#[derive(Debug)]
enum Source {
    /// Of one client alone, as it comes; or a refusal.
    Passing(AnswerBody),
    Stored(Bytes),
    Following(Following),
    /// One of the two before, of a client that may leave it lying.
    Watched(Rc<RefCell<Watched>>),
}

#[derive(Debug)]
struct Counted {
    cdn: Arc<Cdn>,
    /// They come from the origin for this client alone.
    are_fetched: bool,
}

/// A body that is given up when its client takes nothing of it for too long.
#[derive(Debug)]
pub(crate) struct Watched {
    source: Option<Source>,
    /// The look at which it moved last.
    moved: u32,
    looks: Rc<Cell<u32>>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Passing(#[from] AnswerError),
    #[error(transparent)]
    Following(#[from] Broken),
    #[error("nothing was taken for too long")]
    Stalled,
}

impl From<AnswerBody> for Body {
    fn from(body: AnswerBody) -> Body {
        Body {
            source: Source::Passing(body),
            counted: None,
        }
    }
}

impl Body {
    pub(crate) fn stored(bytes: Bytes) -> Body {
        Body {
            source: Source::Stored(bytes),
            counted: None,
        }
    }

    pub(crate) fn following(following: Following) -> Body {
        Body {
            source: Source::Following(following),
            counted: None,
        }
    }

    pub(crate) fn counted(mut self, cdn: &Arc<Cdn>) -> Body {
        self.counted = Some(Counted {
            cdn: cdn.clone(),
            are_fetched: matches!(self.source, Source::Passing(_)),
        });
        self
    }

    /// Has it given up if its client does not take it.
    pub(crate) fn watched(mut self, by: &Watch) -> Body {
        // Proxies watch what passes themselves, and what is short is gone at once.
        let is_short = self
            .size_hint()
            .exact()
            .is_some_and(|length| length <= PIECE as u64);
        if !is_short && !matches!(self.source, Source::Passing(_)) {
            self.source = Source::Watched(by.watch(self.source));
        }
        self
    }
}

impl Source {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match self {
            Source::Stored(bytes) if bytes.is_empty() => None,
            Source::Stored(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Source::Passing(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| Ok(frame?)),
            Source::Following(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|frame| Ok(frame?))
            }
            Source::Watched(watched) => return watched.borrow_mut().poll(cx),
        })
    }
}

impl Watched {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.moved = self.looks.get();
        match &mut self.source {
            None => Poll::Ready(Some(Err(BodyError::Stalled))),
            Some(Source::Stored(bytes)) if bytes.len() > PIECE => {
                Poll::Ready(Some(Ok(Frame::data(bytes.split_to(PIECE)))))
            }
            Some(source) => source.poll(cx),
        }
    }
}

/// Looks once a second at the bodies of one worker. Cheap to clone: all clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    bodies: Rc<RefCell<Vec<Weak<RefCell<Watched>>>>>,
    looks: Rc<Cell<u32>>,
}

impl Watch {
    fn watch(&self, source: Source) -> Rc<RefCell<Watched>> {
        let watched = Rc::new(RefCell::new(Watched {
            source: Some(source),
            moved: self.looks.get(),
            looks: self.looks.clone(),
        }));
        self.bodies.borrow_mut().push(Rc::downgrade(&watched));
        watched
    }

    pub(crate) async fn look_on(self, worker: Rc<Worker>) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            self.look(worker.config().http.send_timeout);
        }
    }

    fn look(&self, patience: Duration) {
        let now = self.looks.get().wrapping_add(1);
        self.looks.set(now);
        self.bodies.borrow_mut().retain(|body| {
            let Some(body) = body.upgrade() else {
                return false;
            };
            let mut watched = body.borrow_mut();
            let still = now.wrapping_sub(watched.moved).saturating_sub(1);
            if Duration::from_secs(still.into()) >= patience {
                watched.source = None;
            }
            watched.source.is_some()
        });
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(this.source.poll(cx));
        if let (Some(Ok(frame)), Some(counted)) = (&frame, &this.counted) {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            counted.cdn.figures.note_sent(bytes);
            if counted.are_fetched {
                counted.cdn.figures.note_fetched(bytes);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stored(bytes) => bytes.is_empty(),
            Source::Passing(body) => body.is_end_stream(),
            Source::Following(body) => body.is_end_stream(),
            Source::Watched(watched) => match &watched.borrow().source {
                Some(Source::Stored(bytes)) => bytes.is_empty(),
                Some(Source::Following(body)) => body.is_end_stream(),
                _ => false,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Stored(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Passing(body) => body.size_hint(),
            Source::Following(body) => body.size_hint(),
            Source::Watched(watched) => match &watched.borrow().source {
                Some(Source::Stored(bytes)) => SizeHint::with_exact(bytes.len() as u64),
                Some(Source::Following(body)) => body.size_hint(),
                _ => SizeHint::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    #[tokio::test]
    async fn a_body_that_nobody_takes_is_given_up_and_one_that_moves_is_not() {
        let watch = Watch::default();
        let bytes = Bytes::from(vec![0; 10 * PIECE]);
        let mut moving = Body::stored(bytes.clone()).watched(&watch);
        let mut lying = Body::stored(bytes).watched(&watch);
        let mut got = 0;
        for _ in 0..8 {
            got += moving
                .frame()
                .await
                .unwrap()
                .unwrap()
                .into_data()
                .unwrap()
                .len();
            watch.look(PATIENCE);
        }
        assert_eq!(got, 8 * PIECE);
        assert!(moving.frame().await.unwrap().is_ok());
        let given_up = lying.frame().await.unwrap();
        assert!(matches!(given_up, Err(BodyError::Stalled)));
        drop((moving, lying));
        watch.look(PATIENCE);
        assert!(watch.bodies.borrow().is_empty());
    }

    #[tokio::test]
    async fn all_of_a_watched_body_comes() {
        let bytes: Vec<u8> = (0..3 * PIECE + 5).map(|n| n as u8).collect();
        let body = Body::stored(bytes.clone().into()).watched(&Watch::default());
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        assert_eq!(body.collect().await.unwrap().to_bytes(), bytes);
    }
}
