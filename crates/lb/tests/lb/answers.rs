//! Backends that misbehave: no client takes half an answer for a whole one, or two for one.

use std::io::Write;

use crate::support::{Act, Backend, balancer, connect, get, read_to_end, status};

/// What a client sees of this answer, after which the backend closes.
fn seen_of(answer: &'static [u8]) -> String {
    let backend = Backend::start(move |_| Act::SendAndClose(answer.to_vec()));
    let lb = balancer(&[&backend], "");
    let mut stream = connect(&lb);
    let request = b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("it is read");
    read_to_end(&mut stream)
}

#[test]
fn an_answer_that_breaks_off_is_not_ended_well() {
    let answer = seen_of(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
    assert!(
        answer.contains("content-length: 10") && !answer.ends_with("hello\r\n"),
        "{answer}"
    );
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    assert!(body.len() < 10, "{answer}");
    let answer = seen_of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert!(!answer.contains("\r\n0\r\n"), "{answer}");
    let answer =
        seen_of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n");
    // The head may not even have been sent.
    assert!(!answer.contains("\r\n0\r\n"), "{answer}");
}

#[test]
fn an_answer_with_two_lengths_has_one_afterwards() {
    let answer = seen_of(
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    assert!(
        status(&answer) == 502 || !answer.contains("content-length: 3"),
        "{answer}"
    );
    let answer = seen_of(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(status(&answer), 502, "{answer}");
}

#[test]
fn what_is_no_answer_is_a_502() {
    for nonsense in [
        &b"hello\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"",
    ] {
        let answer = seen_of(nonsense);
        assert_eq!(status(&answer), 502, "{nonsense:?}: {answer}");
    }
}

#[test]
fn a_second_answer_is_nobodys() {
    let two = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n2";
    let backend = Backend::start(move |_| Act::Send(two.to_vec()));
    let lb = balancer(&[&backend], "");
    for _ in 0..5 {
        let answer = get(&lb, "/");
        assert!(answer.ends_with("\r\n\r\n1"), "{answer}");
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
    endless.extend(b"x-more: and more\r\n".repeat(10_000));
    let backend = Backend::start(move |_| Act::Send(endless.clone()));
    let lb = balancer(&[&backend], "");
    assert_eq!(status(&get(&lb, "/")), 502);
}

#[test]
fn interim_answers_are_not_the_last_word() {
    let answer = seen_of(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    );
    assert!(
        answer.contains(" 200 OK") && answer.ends_with("hi"),
        "{answer}"
    );
}

#[test]
fn who_does_not_answer_in_time_is_a_504() {
    let backend = Backend::start(|_| {
        std::thread::sleep(std::time::Duration::from_secs(3));
        Act::SendAndClose(Vec::new())
    });
    let lb = balancer(&[&backend], "[http]\nrequest_timeout = \"200ms\"\n");
    let answer = get(&lb, "/");
    assert!(
        status(&answer) == 504 && answer.contains("retry-after: 1"),
        "{answer}"
    );
}
