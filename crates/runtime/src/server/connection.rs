//! A stream from a client that is read strictly and waits for nobody for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
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
    send_timeout: Duration,
    idle_timeout: Duration,
    /// Since when a head is awaited that must not be late.
    head_since: Option<Instant>,
    /// Since when the client is to take something before we can send more.
    full_since: Option<Instant>,
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
            send_timeout: config.send_timeout,
            idle_timeout: config.idle_timeout,
            head_since: Some(now),
            full_since: None,
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
        let sent = self.full_since.map(|since| since + self.send_timeout);
        let deadline = head.into_iter().chain(sent).min();
        let deadline = deadline.unwrap_or(self.last_active + self.idle_timeout);
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

    /// Whoever takes too little of what we send is cut. Bytes need no counting: a full connection can
    /// be written to again only once [`MIN_TAKEN`] of them have left.
    fn note_sent(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        if written.is_ready() {
            self.full_since = None;
            self.last_active = now;
            return written;
        }
        self.full_since.get_or_insert(now);
        self.poll_timeout(cx).map(Err)
    }
}

/// A client that takes less than this within the send time-out is cut.
const MIN_TAKEN: u32 = 16 << 10;

/// Makes the kernel hold little that is not sent yet, on all connections that are accepted here.
/// Otherwise it takes megabytes, and asks for more only when a third of them has left: that would
/// look like a stall where a client is merely slow, and cost the memory besides.
pub fn bound_unsent(listener: &TcpListener) -> io::Result<()> {
    // Linux wakes writers when less than half of this is left.
    SockRef::from(listener).set_tcp_notsent_lowat(2 * MIN_TAKEN)
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
        self.note_sent(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note_sent(written, cx)
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
