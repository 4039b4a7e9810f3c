//! A stream from a client that is read strictly, and does not wait for it for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::HttpConfig;
use super::framing::{Ambiguous, Framing};

/// What is not plainly framed reaches hyper as poison, which it answers with 400 and a close, in its
/// turn among pipelined requests. Waits that last too long are read errors, which close at once.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    framing: Framing,
    refused: bool,
    head_timeout: Duration,
    idle_timeout: Duration,
    /// Since when a head is awaited that must not be late.
    head_since: Option<Instant>,
    /// When something last went to and fro, heads that drip in excepted.
    last_active: Instant,
    /// Rings no later than the deadline, then is set anew: moving it with each request would cost more.
    timer: Pin<Box<Sleep>>,
    /// Whom it wakes.
    armed: Option<Waker>,
}

impl<S> Connection<S> {
    pub fn new(stream: S, config: &HttpConfig) -> Connection<S> {
        let now = Instant::now();
        Connection {
            stream,
            framing: Framing::default(),
            refused: false,
            head_timeout: config.head_timeout,
            idle_timeout: config.idle_timeout,
            head_since: Some(now),
            last_active: now,
            timer: Box::pin(sleep_until(now + config.head_timeout)),
            armed: None,
        }
    }

    /// Looks at what came in since `before`, and puts poison from where it is not plain.
    fn inspect(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if let Err(Ambiguous(at)) = self.framing.read(&buf.filled()[before..]) {
            self.refused = true;
            buf.set_filled(before + at);
            put_poison(buf);
        }
        let now = Instant::now();
        if self.framing.in_head() {
            self.head_since.get_or_insert(now);
        } else {
            self.head_since = None;
            self.last_active = now;
        }
    }

    /// Ready when the other side has had its time.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let head = self.head_since.map(|since| since + self.head_timeout);
        let deadline = head.unwrap_or(self.last_active + self.idle_timeout);
        // A connection is polled several times for each request, and asking a timer takes a lock: one
        // that will ring in time, and knows for whom, is left alone.
        let is_early = self.timer.deadline() <= deadline && !self.timer.is_elapsed();
        let is_armed = self
            .armed
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_early && is_armed {
            return Poll::Pending;
        }
        self.armed = Some(cx.waker().clone());
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        ready!(self.timer.as_mut().poll(cx));
        if self.timer.deadline() < deadline {
            self.timer.as_mut().reset(deadline);
            ready!(self.timer.as_mut().poll(cx));
        }
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn note_sent(&mut self, written: &Poll<io::Result<usize>>) {
        if written.is_ready() {
            self.last_active = Instant::now();
        }
    }
}

/// No part of any message, yet the end of a head, so that hyper looks at it at once.
const POISON: &[u8] = b"\0\r\n\r\n";

fn put_poison(buf: &mut ReadBuf<'_>) {
    buf.put_slice(&POISON[..POISON.len().min(buf.remaining())]);
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.refused {
            put_poison(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                self.inspect(buf, before);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_timeout(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_sent(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note_sent(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
