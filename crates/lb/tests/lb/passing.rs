//! What a request brings along, and what of it those behind the balancer get to see.

use crate::support::{Backend, balancer, exchange, get, status};

const CLAIMS: &str = "GET / HTTP/1.1\r\nhost: shop\r\nconnection: close, x-odd, host\r\nx-odd: 1\r\n\
    x-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil\r\nforwarded: for=6.6.6.6\r\n\
    x-real-ip: 6.6.6.6\r\nx-client-ip: 6.6.6.6\r\ntrue-client-ip: 6.6.6.6\r\ntracestate: a=theirs\r\n\
    baggage: b=theirs\r\nx-user-id: 1\r\nx-user-role: staff\r\nx-request-id: theirs\r\nx-deadline-ms: 7\r\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ncookie: a=b\r\n\r\n";

fn lines(request: &str) -> Vec<&str> {
    request.lines().filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_strangers_claims_do_not_reach_a_backend() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    exchange(&lb, CLAIMS);
    let seen = backend.seen().concat();
    for claim in [
        "6.6.6.6",
        "evil",
        "x-user",
        "theirs",
        "4bf92f",
        "x-odd",
        "x-real-ip",
    ] {
        assert!(!seen.contains(claim), "{claim}: {seen}");
    }
    for ours in [
        "host: shop",
        "cookie: a=b",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: shop",
        "x-deadline-ms: 10000",
    ] {
        assert!(lines(&seen).contains(&ours), "{ours}: {seen}");
    }
}

#[test]
fn a_trusted_proxys_claims_are_carried_on() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let answer = exchange(&lb, CLAIMS);
    let seen = backend.seen().concat();
    for carried in [
        "x-forwarded-for: 6.6.6.6, 127.0.0.1",
        "x-forwarded-proto: https",
        "x-request-id: theirs",
        "x-deadline-ms: 7",
    ] {
        assert!(lines(&seen).contains(&carried), "{carried}: {seen}");
    }
    assert!(
        seen.contains("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"),
        "{seen}"
    );
    assert!(
        !seen.contains("00f067aa0ba902b7"),
        "the span is ours: {seen}"
    );
    assert!(answer.contains("x-request-id: theirs"), "{answer}");
}

#[test]
fn the_address_names_the_host() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    let request = "GET http://shop/a?b HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&exchange(&lb, request)), 200);
    let seen = backend.seen().concat();
    assert!(seen.starts_with("GET /a?b HTTP/1.1\r\n"), "{seen}");
    assert!(
        lines(&seen).contains(&"host: shop") && !seen.contains("other"),
        "{seen}"
    );
}

#[test]
fn an_answer_says_which_way_it_came() {
    let backend = Backend::start(|_| {
        crate::support::Act::Send(
            b"HTTP/1.1 200 OK\r\nserver-timing: web;dur=1\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nhi".to_vec(),
        )
    });
    let lb = balancer(&[&backend], "");
    let answer = get(&lb, "/");
    let timing = answer
        .lines()
        .find(|line| line.starts_with("server-timing: "));
    let timing = timing.expect("a Server-Timing");
    assert!(
        timing.starts_with("server-timing: lb;desc=") && timing.ends_with(", web;dur=1"),
        "{timing}"
    );
    assert!(
        answer.contains("x-request-id: ") && !answer.contains("keep-alive"),
        "{answer}"
    );
}

#[test]
fn a_long_body_passes_whole() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    let body: String = (0..120_000)
        .map(|n| char::from(b'a' + (n % 26) as u8))
        .collect();
    for framing in ["content-length", "chunked"] {
        let request = match framing {
            "chunked" => format!(
                "POST / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
            _ => format!(
                "POST / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        assert_eq!(status(&exchange(&lb, request)), 200, "{framing}");
    }
    let seen = backend.seen();
    assert!(seen[0].ends_with(&body), "by its length");
    let chunks: String = seen[1]
        .split("\r\n\r\n")
        .nth(1)
        .expect("a body")
        .lines()
        .skip(1)
        .step_by(2)
        .collect();
    assert!(chunks == body, "in chunks: {} bytes", chunks.len());
}

#[test]
fn clients_behind_a_trusted_proxy_are_told_apart() {
    let backends = [Backend::content(), Backend::content()];
    let more =
        "upstreams.selection = \"client-hash\"\n[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let lb = balancer(&backends.each_ref(), more);
    for client in 0..40 {
        let request = format!(
            "GET / HTTP/1.1\r\nhost: shop\r\nx-forwarded-for: 192.0.2.{client}\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(status(&exchange(&lb, request)), 200);
    }
    let shares = backends.each_ref().map(|backend| backend.seen().len());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
}
