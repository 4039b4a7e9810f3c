//! As much of HTTP/1.1 as Prometheus needs: one GET a connection, one connection at a time.
//!
//! Whoever connects has a second. That and a bounded request are all the defence that a port inside
//! the network needs.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use boxstat::Exposition;

/// Within this a request must be there, and an answer be taken.
const DEADLINE: Duration = Duration::from_secs(1);
/// A scrape is about 500 bytes.
const LONGEST_REQUEST: usize = 8192;
/// After a failed accept, which is a lack of resources.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) fn serve(listener: &TcpListener, mut metrics: impl FnMut() -> String) {
    for stream in listener.incoming() {
        match stream {
            // An asker that fails to ask or to listen is his own trouble.
            Ok(stream) => drop(answer(&stream, &mut metrics)),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

fn answer(mut stream: &TcpStream, metrics: &mut impl FnMut() -> String) -> io::Result<()> {
    let request = read_request(stream)?;
    let line = request.lines().next().unwrap_or_default();
    let (status, content_type, body) = match line.split(' ').collect::<Vec<_>>()[..] {
        ["GET", "/metrics", "HTTP/1.1" | "HTTP/1.0"] => {
            ("200 OK", Exposition::CONTENT_TYPE, metrics())
        }
        ["GET", ..] => plain("404 Not Found"),
        [_, _, "HTTP/1.1" | "HTTP/1.0"] => plain("405 Method Not Allowed"),
        _ => plain("400 Bad Request"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.write_all((head + &body).as_bytes())?;
    stream.shutdown(Shutdown::Write)
}

fn plain(status: &'static str) -> (&'static str, &'static str, String) {
    (status, "text/plain", format!("{status}\n"))
}

/// The head of a request; a body is not read.
fn read_request(mut stream: &TcpStream) -> io::Result<String> {
    let until = Instant::now() + DEADLINE;
    let mut request = Vec::new();
    let mut bytes = [0; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > LONGEST_REQUEST {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut bytes)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => request.extend(&bytes[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&request).into_owned())
}
