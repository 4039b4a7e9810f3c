//! TLS in front: both protocols, and clients that speak something else or do not go on.

use std::io::{Read, Write};

use crate::authority::{KEPT, Stream, Tls, ask_again};
use crate::http2::{self, End, ask_on};
use crate::support::{Act, Backend, balancer, connect_to, ok, read_to_end, status, wait_for};

#[test]
fn both_protocols_are_spoken_and_told_apart_from_plain_ones() {
    let (tls, backend) = (Tls::new(), Backend::content());
    let _lb = balancer(&[&backend], &tls.section());

    let mut stream = tls.connect(&["http/1.1"]).expect("a handshake");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let claims = "GET / HTTP/1.1\r\nhost: shop\r\nconnection: close, x-forwarded-proto\r\n\
        x-forwarded-proto: http\r\nx-forwarded-for: 6.6.6.6\r\nforwarded: for=6.6.6.6;proto=http\r\n\r\n";
    stream.write_all(claims.as_bytes()).expect("it is read");
    // It ends with TLS's own farewell: what comes before a bare close may have been cut short.
    assert_eq!(status(&read_to_end(&mut stream)), 200);

    let mut stream = tls.connect(&["h2", "http/1.1"]).expect("a handshake");
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "shop"),
        (":path", "/"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6;proto=http"),
    ];
    assert_eq!(ask_on(&mut stream, &fields), End::Answered(http2::OK));

    let mut stream = tls.connect(&[]).expect("a handshake");
    assert_eq!(ask_again(&mut stream), 200);

    let seen = backend.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        let of = |name| request.lines().filter_map(move |l| l.strip_prefix(name));
        assert!(of("x-forwarded-proto: ").eq(["https"]), "{request}");
        assert!(of("x-forwarded-for: ").eq(["127.0.0.1"]), "{request}");
        assert!(of("forwarded: ").next().is_none(), "{request}");
    }
    assert!(tls.connect(&["smtp"]).is_err(), "nothing in common");
}

/// What a client says that knows nothing newer than TLS 1.1 (RFC 4346, 7.4.1.2).
fn tls_1_1() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    // Which signatures it knows: without these the version does not even matter.
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    hello
}

#[test]
fn who_speaks_no_tls_is_sent_away_and_others_are_served() {
    let (tls, backend) = (Tls::new(), Backend::content());
    let more = format!("{}[http]\nhead_timeout = \"300ms\"\n", tls.section());
    let _lb = balancer(&[&backend], &more);
    let says = |bytes: &[u8]| {
        let mut stream = connect_to(tls.listen);
        stream.write_all(bytes).expect("it is read");
        let mut answer = Vec::new();
        // A reset is a close, too; a connection that stays open is neither.
        let ended = stream.read_to_end(&mut answer);
        let is_reset = |e: &std::io::Error| e.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(ended.as_ref().err().is_none_or(is_reset), "{ended:?}");
        answer
    };
    // An alert, fatal: "protocol version" (RFC 8446, 6).
    assert_eq!(says(&tls_1_1())[..], [0x15, 3, 3, 0, 2, 2, 70]);
    for other in [
        KEPT,
        &[0xff; 600],
        &[0x16, 3, 1, 0xff, 0xff, 1],
        &[0x16, 3, 1, 0, 4, 1, 0, 0, 0],
    ] {
        let answer = says(other);
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    }
    // Who says nothing, or not all of it, has as long as for a head.
    assert_eq!(says(b""), b"");
    assert_eq!(says(&tls_1_1()[..20]), b"");
    let mut stream = tls.connect(&[]).expect("a handshake");
    assert_eq!(ask_again(&mut stream), 200);
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn who_does_not_end_a_handshake_does_not_hold_up_the_end() {
    let (tls, backend) = (Tls::new(), Backend::content());
    let patient = "[http]\nhead_timeout = \"100s\"\n[shutdown]\ndrain = \"100s\"\n";
    let mut lb = balancer(&[&backend], &format!("{}{patient}", tls.section()));
    let mut half_open = connect_to(tls.listen);
    half_open.write_all(&tls_1_1()[..20]).expect("it is read");
    let mut idle = tls.connect(&[]).expect("a handshake");
    assert_eq!(ask_again(&mut idle), 200);
    assert_eq!(lb.terminate().code(), Some(0));
    assert_eq!(read_to_end(&mut idle), "");
}

#[test]
fn who_reads_nothing_is_cut_though_its_answer_lies_encrypted() {
    let tls = Tls::new();
    let backend = Backend::start(|request| {
        let kib = request
            .split(['/', ' '])
            .nth(2)
            .and_then(|kib| kib.parse().ok());
        Act::SendAndClose(ok(&"x".repeat(kib.unwrap_or(0) << 10)))
    });
    let patient = "[http]\nsend_timeout = \"300ms\"\n[shutdown]\ndrain = \"100s\"\n";
    let mut lb = balancer(&[&backend], &format!("{}{patient}", tls.section()));
    // Of some more is left than the kernel takes, and less than TLS does.
    let sizes = (1..64).map(|n| n * 64);
    let streams: Vec<Stream> = sizes
        .map(|kib| {
            let mut stream = tls.connect(&[]).expect("a handshake");
            let request = format!("GET /{kib} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("it is read");
            stream
        })
        .collect();
    wait_for("all of them at the backend", || {
        backend.seen().len() == streams.len()
    });
    // It ends only after its last connection.
    assert_eq!(lb.terminate().code(), Some(0));
}
