//! Many who ask for the same at once.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use testkit::Process;

use crate::support::{Act, Answer, Backend, answer, ask, cdn, exchange, fetch, said, wait_for};

/// An origin that answers nobody before it is let.
fn waiting(act: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> (Backend, Gate) {
    let (open, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let count = std::sync::atomic::AtomicUsize::new(0);
    let origin = Backend::start(move |request| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        // The gate is open once the other side is dropped.
        let _ = gate.lock().map(|gate| gate.recv());
        act(number, request)
    });
    (origin, Gate(open))
}

struct Gate(Sender<()>);

impl Gate {
    fn open(self) {
        drop(self.0);
    }
}

/// So many ask at once; the gate opens when all of them wait.
fn ask_all(cdn: &Process, gate: Gate, requests: usize, fields: fn(usize) -> String) -> Vec<Answer> {
    let texts = ask_all_raw(cdn, gate, requests, fields);
    texts.iter().map(|text| Answer::of(text)).collect()
}

fn ask_all_raw(
    cdn: &Process,
    gate: Gate,
    requests: usize,
    fields: fn(usize) -> String,
) -> Vec<String> {
    thread::scope(|scope| {
        let asking: Vec<_> = (0..requests)
            .map(|number| {
                let field = fields(number);
                let request = format!(
                    "GET /a HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{field}\r\n\r\n"
                );
                scope.spawn(move || exchange(cdn, request.replace("\r\n\r\n\r\n", "\r\n\r\n")))
            })
            .collect();
        let waiting = "cache_waiting_requests{cache=\"cdn\"}";
        wait_for("all wait", || {
            crate::support::figure(cdn, waiting) == Some(requests as f64)
        });
        gate.open();
        asking
            .into_iter()
            .map(|a| a.join().expect("an answer"))
            .collect()
    })
}

fn nothing(_: usize) -> String {
    String::new()
}

#[test]
fn five_hundred_who_miss_ask_the_origin_once() {
    let (origin, gate) = waiting(|number, _| {
        answer(
            "cache-control: max-age=60",
            &format!("{number}{}", "x".repeat(10_000)),
        )
    });
    let cdn = cdn(&origin, "");
    let answers = ask_all(&cdn, gate, 500, nothing);
    assert_eq!(origin.seen().len(), 1);
    let first = format!("1{}", "x".repeat(10_000));
    assert!(answers.iter().all(|answer| answer.body == first));
    let collapsed = answers
        .iter()
        .filter(|a| a.cache().contains("; collapsed"))
        .count();
    assert_eq!(collapsed, 499);
}

#[test]
fn nobody_gets_anothers_answer_when_it_turns_out_to_be_for_one_alone() {
    let (origin, gate) = waiting(|number, request| {
        let who = request
            .lines()
            .find_map(|line| line.strip_prefix("x-who: "));
        answer(
            "cache-control: private",
            &format!("{} {number}", who.unwrap_or_default()),
        )
    });
    let cdn = cdn(&origin, "");
    let answers = ask_all(&cdn, gate, 50, |number| format!("x-who: {number}"));
    for (number, answer) in answers.iter().enumerate() {
        let told = answer.body.split(' ').next();
        assert_eq!(told, Some(&*number.to_string()), "{answer:?}");
    }
    assert_eq!(origin.seen().len(), 50);
}

#[test]
fn each_gets_the_variant_that_is_his() {
    let (origin, gate) = waiting(|_, request| {
        let who = request
            .lines()
            .find_map(|line| line.strip_prefix("x-who: "));
        answer(
            "cache-control: max-age=60\nvary: x-who",
            who.unwrap_or_default(),
        )
    });
    let cdn = cdn(&origin, "");
    let answers = ask_all(&cdn, gate, 30, |number| format!("x-who: {}", number % 3));
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.body, (number % 3).to_string(), "{answer:?}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_once_and_taken_for_whole_by_nobody() {
    let (origin, gate) = waiting(|_, _| {
        let mut bytes = said(200, "cache-control: max-age=60", &"x".repeat(1000));
        bytes.truncate(bytes.len() - 500);
        Act::SendAndClose(bytes)
    });
    let cdn = cdn(&origin, "");
    for text in ask_all_raw(&cdn, gate, 50, nothing) {
        // Its head may not even have left.
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(body.len() < 1000);
        assert!(
            text.is_empty() || text.contains("content-length: 1000"),
            "{text}"
        );
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn an_origin_in_trouble_is_not_asked_by_all_who_wait() {
    let (origin, gate) = waiting(|_, _| Act::Send(said(503, "", "sorry")));
    let cdn = cdn(&origin, "");
    let answers = ask_all(&cdn, gate, 50, nothing);
    assert!(answers.iter().all(|answer| answer.status >= 500));
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn an_answer_is_stored_though_the_one_who_asked_for_it_has_gone() {
    let (origin, gate) = waiting(|_, _| answer("cache-control: max-age=60", "body"));
    let cdn = cdn(&origin, "");
    let mut stream = crate::support::connect(&cdn);
    let request = b"GET /a HTTP/1.1\r\nhost: shop\r\n\r\n";
    std::io::Write::write_all(&mut stream, request).expect("it reads");
    wait_for("the origin is asked", || origin.seen().len() == 1);
    drop(stream);
    gate.open();
    wait_for("it is stored", || fetch(&cdn, "/a").is_hit());
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn a_slow_reader_keeps_nobody_waiting() {
    let body = "x".repeat(8 << 20);
    let origin = Backend::start(move |_| answer("cache-control: max-age=60", &body));
    let cdn = cdn(&origin, "");
    let mut slow = crate::support::connect(&cdn);
    let request = b"GET /a HTTP/1.1\r\nhost: shop\r\n\r\n";
    std::io::Write::write_all(&mut slow, request).expect("it reads");
    // It reads nothing.
    wait_for("it is stored", || fetch(&cdn, "/a").is_hit());
    assert_eq!(fetch(&cdn, "/a").body.len(), 8 << 20);
}

#[test]
fn one_who_says_who_he_is_does_not_keep_the_others_from_sharing() {
    let (origin, gate) = waiting(|number, request| match request.contains("cookie: ") {
        true => answer("cache-control: max-age=60", "his"),
        false => answer("cache-control: max-age=60", &number.to_string()),
    });
    let cdn = cdn(&origin, "");
    thread::scope(|scope| {
        let his = scope.spawn(|| ask(&cdn, "GET", "/a", "cookie: a=b"));
        wait_for("he leads", || origin.seen().len() == 1);
        let theirs: Vec<_> = (0..29).map(|_| scope.spawn(|| fetch(&cdn, "/a"))).collect();
        let waiting = "cache_waiting_requests{cache=\"cdn\"}";
        wait_for("all wait", || {
            crate::support::figure(&cdn, waiting) == Some(30.0)
        });
        gate.open();
        assert_eq!(his.join().expect("an answer").body, "his");
        for answer in theirs {
            assert_eq!(answer.join().expect("an answer").body, "2");
        }
    });
    assert_eq!(origin.seen().len(), 2);
}
