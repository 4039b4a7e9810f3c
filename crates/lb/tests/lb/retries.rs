//! What is sent once more, and what never is.

use crate::support::{Act, Backend, balancer, exchange, get, ok, status, wait_for};

/// Takes requests and breaks off without an answer.
fn dying() -> Backend {
    Backend::start(|_| Act::SendAndClose(Vec::new()))
}

fn post(key: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{key}content-length: 5\r\n\r\nhello"
    )
}

#[test]
fn a_get_that_one_upstream_breaks_off_is_answered_by_the_other() {
    let (dying, good) = (dying(), Backend::content());
    let lb = balancer(&[&dying, &good], "");
    for n in 0..20 {
        assert_eq!(status(&get(&lb, &format!("/{n}"))), 200);
    }
    assert!(!dying.seen().is_empty(), "it was asked, too");
    assert_eq!(good.seen().len(), 20);
}

#[test]
fn a_bad_answer_to_a_get_is_not_the_clients_to_see() {
    let bad =
        Backend::start(|_| Act::Send(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec()));
    let good = Backend::content();
    let lb = balancer(&[&bad, &good], "");
    for n in 0..20 {
        assert_eq!(status(&get(&lb, &format!("/{n}"))), 200);
    }
    assert!(!bad.seen().is_empty(), "it was asked, too");
}

#[test]
fn what_changes_something_is_sent_once_unless_it_has_a_key() {
    let backends = [(); 3].map(|()| dying());
    let lb = balancer(&backends.each_ref(), "");
    let seen = || backends.each_ref().map(Backend::seen).concat();
    assert_eq!(status(&exchange(&lb, post(""))), 502);
    assert_eq!(seen().len(), 1);
    assert_eq!(status(&exchange(&lb, post("idempotency-key: k\r\n"))), 502);
    let seen = seen();
    assert_eq!(seen.len(), 3, "once more, and never twice: {seen:?}");
    assert!(
        seen.iter()
            .all(|request| request.ends_with("\r\n\r\nhello")),
        "{seen:?}"
    );
}

#[test]
fn retries_end_with_their_budget() {
    let fault = "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n";
    let [one, two] = [(); 2].map(|()| Backend::start(move |_| Act::Send(fault.into())));
    // Nothing is earned, and nobody is left out.
    let more = "[retries]\nratio = 0.0\nper_second = 0\n\
        [outliers]\nconsecutive = 1000\nmin_failures = 1000\n";
    let lb = balancer(&[&one, &two], more);
    for _ in 0..100 {
        assert_eq!(status(&get(&lb, "/")), 500);
    }
    let seen = one.seen().len() + two.seen().len();
    assert_eq!(seen, 100 + 50, "what a balancer begins with");
}

#[test]
fn a_503_is_the_boxs_word_and_is_passed_on() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let [one, two] = [(); 2].map(|()| Backend::start(move |_| Act::Send(busy.into())));
    let lb = balancer(&[&one, &two], "");
    let answer = get(&lb, "/");
    assert!(
        status(&answer) == 503 && answer.contains("retry-after: 7"),
        "{answer}"
    );
    assert_eq!(one.seen().len() + two.seen().len(), 1);
}

#[test]
fn connections_that_were_closed_while_idle_cost_nobody_an_answer() {
    // It answers, says nothing of closing, and closes.
    let backend = Backend::start(|_| Act::SendAndClose(ok("hello")));
    let lb = balancer(&[&backend], "");
    for n in 1..=50 {
        assert_eq!(status(&exchange(&lb, post(""))), 200);
        // What is sent while the news of it travels may be lost, and must not be sent again.
        wait_for("the close", || backend.closed() == n);
    }
    assert_eq!(backend.seen().len(), 50);
}

#[test]
fn one_bad_answer_moves_no_client_to_another_box() {
    let home = Backend::start(|request| match request.starts_with("GET /bad ") {
        true => Act::Send(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec()),
        false => Act::Send(ok("home")),
    });
    let other = Backend::content();
    let lb = balancer(&[&home, &other], "upstreams.selection = \"sticky\"");
    let cookie = std::cell::RefCell::new(String::new());
    wait_for("a cookie that leads home", || {
        let answer = get(&lb, "/");
        let set = answer.lines().find_map(|l| l.strip_prefix("set-cookie: "));
        let set = set.expect("a cookie").split(';').next();
        set.unwrap_or_default().clone_into(&mut cookie.borrow_mut());
        answer.ends_with("home")
    });
    let cookie = cookie.into_inner();
    let answer = exchange(
        &lb,
        format!("GET /bad HTTP/1.1\r\nhost: shop\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n"),
    );
    assert!(answer.ends_with("hello"), "the other one helps: {answer}");
    assert!(!answer.contains("set-cookie"), "{answer}");
}
