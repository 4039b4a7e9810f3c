//! The bodies of our answers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use proxy::{AnswerBody, AnswerError};

use crate::filling::{Broken, Following};

#[derive(Debug)]
pub(crate) enum Body {
    /// Of one client alone, as it comes; or ours.
    Passing(AnswerBody),
    Stored(Bytes),
    Following(Following),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Passing(#[from] AnswerError),
    #[error(transparent)]
    Following(#[from] Broken),
}

impl From<AnswerBody> for Body {
    fn from(body: AnswerBody) -> Body {
        Body::Passing(body)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match self.get_mut() {
            Body::Stored(bytes) if bytes.is_empty() => None,
            Body::Stored(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Body::Passing(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| Ok(frame?)),
            Body::Following(body) => ready!(Pin::new(body).poll_frame(cx)).map(|frame| Ok(frame?)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Stored(bytes) => bytes.is_empty(),
            Body::Passing(body) => body.is_end_stream(),
            Body::Following(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Stored(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Passing(body) => body.size_hint(),
            Body::Following(body) => body.size_hint(),
        }
    }
}
