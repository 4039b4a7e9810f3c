//! Requests that are none, or that two readers could read differently: nothing of them gets through.

use std::io::Write;
use std::thread;

use crate::support::{
    Backend, balancer, connect, exchange, get, read_message, read_to_end, status,
};

/// Refused with this status, its connection closed, and nobody behind the balancer has heard of it.
fn assert_refused(requests: &[(&str, u16)]) {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    for (request, expected) in requests {
        let answer = exchange(&lb, request);
        assert_eq!(status(&answer), *expected, "{request:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            1,
            "{request:?}: {answer}"
        );
    }
    assert_eq!(status(&get(&lb, "/after")), 200);
    let seen = backend.seen();
    assert!(
        seen.len() == 1 && seen[0].starts_with("GET /after "),
        "{seen:?}"
    );
}

#[test]
fn a_request_needs_exactly_one_host() {
    assert_refused(&[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n", 400),
        ("GET http://user@shop/ HTTP/1.1\r\nhost: shop\r\n\r\n", 400),
    ]);
}

#[test]
fn a_body_has_one_length() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: shop\r\n\r\n";
    let request = |head: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nhost: shop\r\n{head}\r\n\r\n{body}{smuggled}")
    };
    let requests = [
        request(
            "content-length: 5\r\ntransfer-encoding: chunked",
            "0\r\n\r\n",
        ),
        request(
            "transfer-encoding: chunked\r\ncontent-length: 5",
            "0\r\n\r\n",
        ),
        request("content-length: 5\r\ncontent-length: 6", "hello"),
        request("content-length: 5, 5", "hello"),
        request("content-length: +5", "hello"),
        request("content-length: 0x5", "hello"),
        request("content-length: -1", "hello"),
        request("transfer-encoding: gzip, chunked", "0\r\n\r\n"),
        request("transfer-encoding: identity", "hello"),
        request("transfer-encoding: chunked, identity", "0\r\n\r\n"),
        request("transfer-encoding: xchunked", "0\r\n\r\n"),
        request("transfer-encoding : chunked", "0\r\n\r\n"),
        request("transfer-encoding: chunked", "x\r\nhello\r\n0\r\n\r\n"),
        request("transfer-encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
        request("transfer-encoding: chunked", "5\nhello\r\n0\r\n\r\n"),
        request("transfer-encoding: chunked", "5\r\nhelloX\r\n0\r\n\r\n"),
        request(
            "transfer-encoding: chunked",
            "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        ),
    ];
    let requests: Vec<(&str, u16)> = requests.iter().map(|r| (r.as_str(), 400)).collect();
    assert_refused(&requests);
    assert_refused(&[(
        "POST / HTTP/1.0\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    )]);
}

#[test]
fn a_head_is_plain_lines() {
    assert_refused(&[
        ("GET / HTTP/1.1\nhost: shop\n\n", 400),
        ("GET / HTTP/1.1\r\nhost: shop\nx: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: shop\r\nx: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: shop\r\nx: a\0b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: shop\r\n folded: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: shop\r\nx : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: shop\r\nno colon\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nhost: shop\r\n\r\n", 400),
        ("GE\x01T / HTTP/1.1\r\nhost: shop\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nhost: shop\r\n\r\n", 400),
    ]);
}

#[test]
fn tunnels_and_upgrades_are_refused_with_all_that_follows_them() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: shop\r\n\r\n";
    let connect = format!("CONNECT shop:443 HTTP/1.1\r\nhost: shop:443\r\n\r\n{smuggled}");
    let socket = format!(
        "GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n{smuggled}"
    );
    assert_refused(&[(&connect, 405), (&socket, 501)]);
}

#[test]
fn an_offer_of_another_protocol_is_ignored_and_goes_no_further() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    let answer = exchange(
        &lb,
        "GET / HTTP/1.1\r\nhost: shop\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\n\
         http2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
    );
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = backend.seen().concat().to_ascii_lowercase();
    assert!(
        !seen.contains("upgrade") && !seen.contains("http2-settings"),
        "{seen}"
    );
}

#[test]
fn large_heads_and_bodies_are_refused() {
    let mebi = "x".repeat((1 << 20) + 1);
    let head = format!(
        "GET / HTTP/1.1\r\nhost: shop\r\nx: {}\r\n\r\n",
        &mebi[..17 << 10]
    );
    let length = format!(
        "POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: {}\r\n\r\n{mebi}",
        mebi.len()
    );
    assert_refused(&[(&head, 431), (&length, 413)]);

    // A body that does not say how long it is may be on its way when it gets too long.
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{mebi}\r\n0\r\n\r\n",
        mebi.len()
    );
    assert_eq!(status(&exchange(&lb, chunked)), 413);
}

#[test]
fn who_drips_a_head_is_cut_and_others_are_served_meanwhile() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "[http]\nhead_timeout = \"1s\"\n");
    let mut dripping: Vec<_> = (0..1000).map(|_| connect(&lb)).collect();
    for stream in &mut dripping {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: sh")
            .expect("it is read");
    }
    assert_eq!(status(&get(&lb, "/other")), 200);
    let answers = thread::scope(|scope| {
        let chunks = dripping.chunks_mut(250).map(|streams| {
            scope.spawn(move || streams.iter_mut().map(read_to_end).collect::<String>())
        });
        let chunks: Vec<_> = chunks.collect();
        chunks
            .into_iter()
            .map(|chunk| chunk.join().expect("closed"))
            .collect::<String>()
    });
    assert_eq!(answers, "", "nothing is owed to them");
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn who_asks_for_nothing_more_is_cut() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "[http]\nidle_timeout = \"300ms\"\n");
    let kept = "GET / HTTP/1.1\r\nhost: shop\r\n\r\n";
    assert_eq!(status(&exchange(&lb, kept)), 200);
}

#[test]
fn who_drips_a_body_occupies_nobody_behind_the_balancer() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "[http]\nbody_timeout = \"300ms\"\n");
    let mut stream = connect(&lb);
    let head = b"POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 10\r\n\r\nhel";
    stream.write_all(head).expect("it is read");
    let answer = read_to_end(&mut stream);
    assert_eq!(status(&answer), 408, "{answer}");
    assert_eq!(backend.seen(), Vec::<String>::new());
}

#[test]
fn requests_in_a_row_are_answered_in_order() {
    let backend = Backend::start(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        crate::support::Act::Send(crate::support::ok(&path))
    });
    let lb = balancer(&[&backend], "");
    let mut stream = connect(&lb);
    let requests = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(requests.as_bytes()).expect("it is read");
    let mut bytes = Vec::new();
    for path in ["/1", "/2"] {
        let answer = read_message(&mut stream, &mut bytes).expect("an answer");
        assert!(answer.ends_with(path), "{answer}");
    }
}
