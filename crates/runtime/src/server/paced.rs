//! A stream to a client that must take what is sent to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep, sleep};

use super::HttpConfig;

/// Whoever takes too little of what we send is cut. Bytes need no counting: a full connection can be
/// written to again only once [`MIN_TAKEN`] of them have left.
///
/// Next to the socket, below TLS: what waits there, encrypted, looks sent from above.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    send_timeout: Duration,
    /// Nothing more can be sent until the client takes something.
    is_full: bool,
    /// Since when, and how long that may last; most connections never need one.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    pub fn new(stream: S, config: &HttpConfig) -> Paced<S> {
        Paced {
            stream,
            send_timeout: config.send_timeout,
            is_full: false,
            timer: None,
        }
    }

    fn note_sent(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.is_full = false;
            return written;
        }
        let patience = self.send_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.is_full {
            self.is_full = true;
            timer.as_mut().reset(Instant::now() + patience);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
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

    /// Hyper drops a stream right after this, which tells the client the same for one system call less.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}
