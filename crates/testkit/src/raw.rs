//! A proxy between a client and backends, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Process;

/// For anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a backend does with a request that it got.
pub enum Act {
    /// Sends these bytes, and keeps the connection.
    Send(Vec<u8>),
    /// Sends these bytes, and closes it.
    SendAndClose(Vec<u8>),
}

/// A server that writes down all it gets but for questions after its health.
#[derive(Clone)]
pub struct Backend {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicUsize>,
}

impl Backend {
    pub fn start(act: impl Fn(&str) -> Act + Send + Sync + 'static) -> Backend {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let backend = Backend {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            closed: Arc::default(),
        };
        let (act, ours) = (Arc::new(act), backend.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (act, backend) = (act.clone(), ours.clone());
                thread::spawn(move || backend.serve(stream, &*act));
            }
        });
        backend
    }

    /// One that is content with everything.
    pub fn content() -> Backend {
        Backend::start(|_| Act::Send(ok("hello")))
    }

    fn serve(&self, mut stream: TcpStream, act: &dyn Fn(&str) -> Act) {
        let mut bytes = Vec::new();
        while let Some(request) = read_message(&mut stream, &mut bytes) {
            if request.starts_with("GET /readyz ") {
                let _ = stream.write_all(&ok("ready"));
                continue;
            }
            self.seen.lock().expect("no panic").push(request.clone());
            let (answer, is_last) = match act(&request) {
                Act::Send(answer) => (answer, false),
                Act::SendAndClose(answer) => (answer, true),
            };
            let sent = stream.write_all(&answer);
            if is_last {
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
                self.closed.fetch_add(1, Relaxed);
                return;
            }
            if sent.is_err() {
                return;
            }
        }
        if !bytes.is_empty() {
            let rest = String::from_utf8_lossy(&bytes).into_owned();
            self.seen.lock().expect("no panic").push(rest);
        }
    }

    /// All requests so far, and what was none.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    /// How many connections it has closed after an answer, and the proxy, too.
    pub fn closed(&self) -> usize {
        self.closed.load(Relaxed)
    }
}

pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A head and the body that it announces, taken from what a peer sends; `None` at its end.
pub fn read_message(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(length) = message_length(bytes) {
            let message: Vec<u8> = bytes.drain(..length).collect();
            return Some(String::from_utf8_lossy(&message).into_owned());
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = if text.contains("transfer-encoding: chunked") {
        let end = bytes[head..]
            .windows(5)
            .position(|five| five == b"0\r\n\r\n")?;
        end + 5
    } else {
        let length = text.split("content-length: ").nth(1);
        length.map_or(0, |rest| {
            rest.lines()
                .next()
                .expect("a line")
                .trim()
                .parse()
                .expect("a number")
        })
    };
    (bytes.len() >= head + body).then_some(head + body)
}

/// Waits until it is ready and knows that all backends are.
pub fn started(mut process: Process) -> Process {
    process.wait_until_ready();
    let started = Instant::now();
    while process
        .run("upstreams")
        .stdout
        .windows(6)
        .filter(|w| w == b"\"down\"")
        .count()
        > 0
    {
        assert!(started.elapsed() < PATIENCE, "not all backends are up");
        thread::sleep(Duration::from_millis(20));
    }
    process
}

pub fn connect(proxy: &Process) -> TcpStream {
    connect_to(proxy.listen())
}

pub fn connect_to(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a proxy that listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Sends this and reads all until the proxy closes, which it must.
pub fn exchange(proxy: &Process, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(proxy);
    // It may be refused before all of it was sent.
    let _ = stream.write_all(bytes.as_ref());
    read_to_end(&mut stream)
}

pub fn read_to_end(stream: &mut impl Read) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
            // Bytes that it did not read make the kernel answer a close with a reset.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!(
                "the connection stays open: {error}; so far {:?}",
                String::from_utf8_lossy(&answer)
            ),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer on a connection that stays.
pub fn read_answer(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    read_message(stream, &mut bytes).expect("an answer")
}

pub fn status(answer: &str) -> u16 {
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

pub fn get(proxy: &Process, path: &str) -> String {
    exchange(
        proxy,
        format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n"),
    )
}

/// A figure as Prometheus would read it now, by its name with its labels.
pub fn figure(proxy: &Process, name: &str) -> Option<f64> {
    let mut stream = TcpStream::connect(proxy.admin()).expect("an admin port");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n")
        .expect("it reads");
    let text = read_to_end(&mut stream);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line?.trim().parse().ok()
}

/// Until this holds.
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
