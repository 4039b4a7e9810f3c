//! Bodies that do not move: whoever asks for much and takes nothing, or begins and does not go on, holds up
//! nobody else, and not for ever.

use std::io::Write;

use testkit::Process;

use crate::http2;
use crate::support::{
    Act, Backend, balancer, connect, figure, get, ok, read_to_end, status, wait_for,
};

fn in_flight(lb: &Process, backend: &Backend) -> Option<f64> {
    let name = format!("upstream_in_flight{{upstream=\"{}\"}}", backend.address);
    figure(lb, &name)
}

fn outcomes(lb: &Process, backend: &Backend, outcome: &str) -> Option<f64> {
    let labels = format!("upstream=\"{}\",outcome=\"{outcome}\"", backend.address);
    figure(lb, &format!("upstream_requests_total{{{labels}}}"))
}

#[test]
fn answers_that_nobody_takes_are_given_up() {
    let long = "x".repeat(4 << 20);
    let backend = Backend::start(move |request| match request.starts_with("GET /short") {
        true => Act::Send(ok("short")),
        false => Act::Send(ok(&long)),
    });
    let more =
        "upstreams.max_in_flight = 2\nupstreams.burst = \"0s\"\n[http]\nsend_timeout = \"500ms\"";
    let lb = balancer(&[&backend], more);
    let _greedy = http2::greedy(&lb, 2);
    wait_for("both", || in_flight(&lb, &backend) == Some(2.0));
    wait_for("room again", || status(&get(&lb, "/short")) == 200);
    assert_eq!(
        outcomes(&lb, &backend, "timeout"),
        Some(0.0),
        "no fault of its own"
    );
}

#[test]
fn an_upstream_that_does_not_go_on_is_given_up() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\nand then";
    let backend = Backend::start(|_| Act::Send(begun.to_vec()));
    let lb = balancer(&[&backend], "[http]\nrequest_timeout = \"300ms\"");
    let mut stream = connect(&lb);
    // The beginning of a next request must not keep the connection from being looked after.
    let request = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\nGET /";
    stream.write_all(request).expect("it is read");
    let answer = read_to_end(&mut stream);
    assert!(answer.ends_with("and then"), "{answer}");
    assert_eq!(outcomes(&lb, &backend, "timeout"), Some(1.0));
    assert_eq!(in_flight(&lb, &backend), Some(0.0));
}

#[test]
fn half_an_answer_is_a_fault() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\nand then";
    let backend = Backend::start(|_| Act::SendAndClose(half.to_vec()));
    let lb = balancer(&[&backend], "");
    get(&lb, "/");
    assert_eq!(outcomes(&lb, &backend, "error"), Some(1.0));
}

#[test]
fn a_slow_client_is_no_fault_of_the_upstream() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "[http]\nrequest_timeout = \"300ms\"");
    let mut stream = connect(&lb);
    let head = b"POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 200000\r\n\r\n";
    stream.write_all(head).expect("it is read");
    stream.write_all(&[b'x'; 70_000]).expect("it is read");
    assert_eq!(status(&read_to_end(&mut stream)), 408);
    for outcome in ["error", "timeout"] {
        assert_eq!(outcomes(&lb, &backend, outcome), Some(0.0));
    }
}
