//! One connection: asks, reads the answer, checks it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

/// More than any head here; a server that sends none does not fill our memory.
const LONGEST_HEAD: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// When the request that it carries should have been sent.
    pub(crate) due: Instant,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// What came of the head so far.
    Head(Vec<u8>),
    /// Bytes that are still to come.
    Body(usize),
    Whole,
}

/// How far an answer is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Partial,
    Whole,
    /// The server has closed the connection, after the whole answer.
    Closed,
}

impl Connection {
    /// Waits for the handshake: on loopback the kernel completes it within this call.
    pub(crate) fn open(address: SocketAddr, due: Instant) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| address.to_string())?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            due,
            answer: Answer::Whole,
        })
    }

    pub(crate) fn send(&mut self, request: &[u8], due: Instant) -> anyhow::Result<()> {
        let sent = self.stream.write(request).context("sending a request")?;
        ensure!(sent == request.len(), "sent {sent} bytes of a request");
        self.due = due;
        self.answer = Answer::Head(Vec::new());
        Ok(())
    }

    /// Reads what is there. An error if it cannot become a 200 with a body of `size` bytes.
    pub(crate) fn receive(&mut self, size: usize, buffer: &mut [u8]) -> anyhow::Result<Progress> {
        loop {
            let bytes = match self.stream.read(buffer) {
                Ok(0) if matches!(self.answer, Answer::Whole) => return Ok(Progress::Closed),
                Ok(0) => bail!("the connection was closed before the whole answer was there"),
                Ok(n) => &buffer[..n],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress::Partial);
                }
                Err(error) => return Err(error).context("reading an answer"),
            };
            self.take(bytes, size)?;
            if matches!(self.answer, Answer::Whole) {
                return Ok(Progress::Whole);
            }
        }
    }

    fn take(&mut self, bytes: &[u8], size: usize) -> anyhow::Result<()> {
        let (left, came) = match &mut self.answer {
            Answer::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(length) = head_length(head, size)? else {
                    ensure!(head.len() < LONGEST_HEAD, "an answer's head does not end");
                    return Ok(());
                };
                (size, head.len() - length)
            }
            Answer::Body(left) => (*left, bytes.len()),
            Answer::Whole => bail!("bytes that nobody asked for"),
        };
        self.answer = match left.checked_sub(came) {
            Some(0) => Answer::Whole,
            Some(left) => Answer::Body(left),
            None => bail!("an answer is longer than it said"),
        };
        Ok(())
    }
}

/// The length of an answer's head, once it is whole.
fn head_length(head: &[u8], size: usize) -> anyhow::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = answer.parse(head).context("an answer's head")? else {
        return Ok(None);
    };
    let code = answer.code.unwrap_or_default();
    ensure!(code == 200, "an answer of {code}, expected 200");
    let said = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    ensure!(
        said == Some(size),
        "a body of {said:?} bytes, expected {size}"
    );
    Ok(Some(length))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    /// A connection that has asked, and its other end, which has read that: what is unread when a socket
    /// is closed makes a reset of the close.
    fn asked() -> anyhow::Result<(Connection, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut connection = Connection::open(listener.local_addr()?, Instant::now())?;
        let (mut server, _) = listener.accept()?;
        connection.send(REQUEST, Instant::now())?;
        server.read_exact(&mut [0; REQUEST.len()])?;
        Ok((connection, server))
    }

    /// What `receive` makes of these pieces, each of which it sees by itself, and of a close after them.
    fn received(pieces: &[&str], size: usize) -> anyhow::Result<Progress> {
        let (mut connection, mut server) = asked()?;
        let mut buffer = [0; 4096];
        for piece in pieces {
            server.write_all(piece.as_bytes())?;
            // On loopback what was written is there to be read.
            if connection.receive(size, &mut buffer)? == Progress::Whole {
                return Ok(Progress::Whole);
            }
        }
        drop(server);
        connection.receive(size, &mut buffer)
    }

    #[test]
    fn an_answer_is_whole_however_it_is_cut() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello";
        for cut in 1..answer.len() {
            let (one, two) = answer.split_at(cut);
            assert_eq!(received(&[one, two], 5).unwrap(), Progress::Whole, "{cut}");
        }
    }

    #[test]
    fn what_is_not_as_expected_is_an_error() {
        let complaint = |pieces: &[&str], size| received(pieces, size).unwrap_err().to_string();
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let bad = "HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nhello";
        assert!(complaint(&[bad], 5).contains("503"));
        assert!(complaint(&[ok, "hello"], 6).contains("Some(5)"));
        assert!(complaint(&[ok, "hello!"], 5).contains("longer"));
        assert!(complaint(&[ok, "hell"], 5).contains("closed"));
        assert!(complaint(&["HTTP/1.1 200 OK\r\n\r\n"], 5).contains("None"));
        assert!(complaint(&["SSH-2.0\r\n"], 5).contains("head"));
    }

    #[test]
    fn a_close_after_the_whole_answer_is_told() {
        let (mut connection, mut server) = asked().unwrap();
        let mut buffer = [0; 4096];
        server
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        assert_eq!(connection.receive(0, &mut buffer).unwrap(), Progress::Whole);
        drop(server);
        assert_eq!(
            connection.receive(0, &mut buffer).unwrap(),
            Progress::Closed
        );
    }
}
