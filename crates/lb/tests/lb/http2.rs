//! HTTP/2 in front, frame by frame: what is no request there must not become one behind us.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testkit::Process;

use crate::support::{Backend, balancer, connect, get, status};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as they come, without an index or Huffman's code (RFC 7541, 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte of length");
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

const PLAIN: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "shop"),
    (":path", "/"),
];

/// How a stream ended: the first byte of its answer's head, or by a reset, a farewell, a close.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Answered(u8),
    Refused,
}

/// `:status: 200` in the static table (RFC 7541, appendix A), as an indexed field.
pub(crate) const OK: u8 = 0x80 | 8;
const BAD_REQUEST: u8 = 0x80 | 12;

fn open(lb: &Process) -> TcpStream {
    let mut stream = connect(lb);
    begin(&mut stream);
    stream
}

fn begin(stream: &mut impl Write) {
    stream
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .expect("it is read");
}

/// Reads until stream 1 has ended in one way or the other.
fn end_of_stream(stream: &mut impl Read) -> End {
    loop {
        let mut header = [0; 9];
        if stream.read_exact(&mut header).is_err() {
            return End::Refused;
        }
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).is_err() {
            return End::Refused;
        }
        match header[3] {
            HEADERS => {
                // A change of the table's size may come first.
                let first = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                return End::Answered(*first.expect("a status"));
            }
            RST_STREAM | GOAWAY => return End::Refused,
            _ => {}
        }
    }
}

/// A connection whose client asks for this many pages and takes nothing of any: its window stays shut.
pub(crate) fn greedy(lb: &Process, pages: u32) -> TcpStream {
    let mut stream = connect(lb);
    let no_window = [0, 4, 0, 0, 0, 0];
    stream
        .write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &no_window)].concat())
        .expect("it is read");
    for page in 0..pages {
        let request = frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            2 * page + 1,
            &block(&PLAIN),
        );
        stream.write_all(&request).expect("it is read");
    }
    stream
}

fn ask(lb: &Process, fields: &[(&str, &str)]) -> End {
    ask_on(&mut connect(lb), fields)
}

/// The end of a first request with these fields on this connection.
pub(crate) fn ask_on(stream: &mut (impl Read + Write), fields: &[(&str, &str)]) -> End {
    begin(stream);
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
    stream.write_all(&request).expect("it is read");
    end_of_stream(stream)
}

#[test]
fn a_plain_request_gets_through_as_http_1() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    assert_eq!(ask(&lb, &PLAIN), End::Answered(OK));
    let seen = backend.seen().concat();
    assert!(
        seen.starts_with("GET / HTTP/1.1\r\n") && seen.contains("host: shop\r\n"),
        "{seen}"
    );
}

#[test]
fn what_cannot_be_said_in_http_1_never_reaches_a_backend() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    let with = |more: &[(&'static str, &'static str)]| [&PLAIN, more].concat();
    let replaced = |at: usize, value: &'static str| {
        let mut fields = PLAIN;
        fields[at].1 = value;
        fields.to_vec()
    };
    for fields in [
        with(&[("connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("x", "a\r\ny: b")]),
        with(&[("x", "a\nb")]),
        with(&[("x", "a\0b")]),
        with(&[("x\r\ny", "b")]),
        with(&[("X-Upper", "b")]),
        with(&[("x y", "b")]),
        with(&[(":path", "/two")]),
        with(&[(":odd", "x")]),
        with(&[("content-length", "5")]),
        replaced(3, "/a HTTP/1.1\r\nhost: evil\r\n\r\n"),
        replaced(3, ""),
        replaced(2, "user@shop"),
        replaced(0, "GET / HTTP/1.1\r\nx: "),
        replaced(0, "CONNECT"),
        PLAIN[..3].to_vec(),
    ] {
        let end = ask(&lb, &fields);
        assert_ne!(end, End::Answered(OK), "{fields:?}");
    }
    assert_eq!(backend.seen(), Vec::<String>::new());
    assert_eq!(status(&get(&lb, "/after")), 200);
}

#[test]
fn a_second_host_is_refused_or_gives_way_to_the_authority() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    let fields = [&PLAIN[..], &[("host", "evil")]].concat();
    let end = ask(&lb, &fields);
    let seen = backend.seen().concat();
    assert!(!seen.contains("evil"), "{seen}");
    assert!(end == End::Answered(OK) || end == End::Answered(BAD_REQUEST) || end == End::Refused);
}

#[test]
fn a_head_that_goes_on_for_ever_is_cut() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "[http]\nhead_timeout = \"1s\"\n");
    let mut stream = open(&lb);
    stream
        .write_all(&frame(HEADERS, END_STREAM, 1, &block(&PLAIN)))
        .expect("it is read");
    let more = frame(CONTINUATION, 0, 1, &block(&[("x-more", &"x".repeat(100))]));
    // It ends by an error when the balancer has had enough.
    let mut sent = 0;
    while stream.write_all(&more).is_ok() && sent < 100_000 {
        sent += 1;
    }
    assert!(sent < 100_000, "all of it was taken");
    assert_eq!(backend.seen(), Vec::<String>::new());
    assert_eq!(status(&get(&lb, "/after")), 200);
}

#[test]
fn streams_that_are_reset_at_once_do_not_pile_up() {
    let backend = Backend::start(|_| {
        std::thread::sleep(Duration::from_millis(20));
        crate::support::Act::Send(crate::support::ok("hello"))
    });
    let lb = balancer(&[&backend], "");
    let mut stream = open(&lb);
    let mut is_cut = false;
    for n in 0..5_000_u32 {
        let id = 2 * n + 1;
        let request = frame(HEADERS, END_HEADERS | END_STREAM, id, &block(&PLAIN));
        let reset = frame(RST_STREAM, 0, id, &8_u32.to_be_bytes());
        if stream.write_all(&[request, reset].concat()).is_err() {
            is_cut = true;
            break;
        }
    }
    let seen = backend.seen().len();
    assert!(is_cut || seen < 1_000, "{seen} requests were passed on");
    assert_eq!(status(&get(&lb, "/after")), 200);
}
