//! Reload, the end, and limits.

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::Process;

use crate::support::{
    Act, BINARY, Backend, balancer, configuration, connect, figure, get, ok, read_answer,
    read_to_end, status, wait_for,
};

const KEPT: &[u8] = b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n";

#[test]
fn a_reload_takes_effect_and_drops_no_connection() {
    let (before, after) = (Backend::content(), Backend::content());
    let lb = balancer(&[&before], "upstreams.refresh = \"20ms\"");
    let mut stream = connect(&lb);
    stream.write_all(KEPT).expect("it is read");
    assert_eq!(status(&read_answer(&mut stream)), 200);

    lb.configure(&configuration(&[&after], "upstreams.refresh = \"20ms\""));
    let reload = lb.run("reload");
    assert!(reload.status.success(), "{reload:?}");
    wait_for("the other backend", || {
        get(&lb, "/");
        !after.seen().is_empty()
    });
    let count = before.seen().len();
    // Twice: the first answer might be the last one.
    for _ in 0..2 {
        stream.write_all(KEPT).expect("the same connection");
        assert_eq!(status(&read_answer(&mut stream)), 200);
    }
    assert_eq!(before.seen().len(), count, "the old one gets nothing more");
}

#[test]
fn a_mistake_in_a_reload_is_told_and_changes_nothing() {
    let backend = Backend::content();
    let lb = balancer(&[&backend], "");
    lb.configure(&configuration(
        &[&backend],
        "upstreams.selektion = \"sticky\"",
    ));
    let reload = lb.run("reload");
    let said = String::from_utf8_lossy(&reload.stderr).into_owned();
    assert_eq!(reload.status.code(), Some(2), "{said}");
    assert!(
        said.contains("config.toml") && said.contains("selektion"),
        "{said}"
    );
    assert_eq!(said.trim().lines().count(), 1, "{said}");
    assert_eq!(status(&get(&lb, "/")), 200);
}

#[test]
fn a_mistake_at_the_start_is_one_line() {
    for (config, key) in [
        ("upstreams.address = \"web\"", "upstreams.address"),
        ("upstreams.address = []", "upstreams.address"),
        (
            "upstreams.address = \"web:8080\"\nretries.ratio = 2.0",
            "retries.ratio",
        ),
        (
            "upstreams.address = \"web:8080\"\nhealth.interval = \"0s\"",
            "health.interval",
        ),
        ("[http]", "upstreams"),
    ] {
        let output = Process::refused(BINARY, config);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("config.toml") && said.contains(key),
            "{config}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// A backend whose answers wait until this sender says so.
fn waiting() -> (Backend, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let backend = Backend::start(move |_| {
        let _ = wait
            .lock()
            .expect("no panic")
            .recv_timeout(Duration::from_secs(8));
        Act::Send(ok("late"))
    });
    (backend, go)
}

#[test]
fn a_request_in_flight_is_finished_after_sigterm() {
    let (backend, go) = waiting();
    let mut lb = balancer(&[&backend], "");
    let mut idle = connect(&lb);
    let mut stream = connect(&lb);
    stream.write_all(KEPT).expect("it is read");
    wait_for("the request at the backend", || !backend.seen().is_empty());
    lb.ask_to_end();
    assert_eq!(read_to_end(&mut idle), "", "idle ones are closed at once");
    let listen = lb.listen();
    wait_for("no more connections", || {
        std::net::TcpStream::connect(listen).is_err()
    });
    go.send(()).expect("the backend waits");
    let answer = read_to_end(&mut stream);
    assert!(
        status(&answer) == 200 && answer.ends_with("late"),
        "{answer}"
    );
    assert_eq!(lb.wait().code(), Some(0));
}

#[test]
fn what_is_too_much_for_the_upstreams_is_refused_at_once() {
    let (backend, go) = waiting();
    let lb = balancer(
        &[&backend],
        "upstreams.max_in_flight = 2\nupstreams.burst = \"0s\"",
    );
    let mut streams = [connect(&lb), connect(&lb)];
    for stream in &mut streams {
        stream.write_all(KEPT).expect("it is read");
    }
    wait_for("two requests in flight", || {
        String::from_utf8_lossy(&lb.run("upstreams").stdout).contains("\"in_flight\":2")
    });
    let answer = get(&lb, "/");
    assert!(
        status(&answer) == 503 && answer.contains("retry-after: 1"),
        "{answer}"
    );
    assert_eq!(
        figure(&lb, "requests_refused_total{reason=\"full\"}"),
        Some(1.0)
    );
    // Nobody knows which of them is first.
    drop(go);
    for stream in &mut streams {
        assert_eq!(status(&read_answer(stream)), 200);
    }
}

#[test]
fn a_rush_is_let_in_for_as_long_as_it_is_one() {
    let (backend, go) = waiting();
    let lb = balancer(
        &[&backend],
        "upstreams.max_in_flight = 2\nupstreams.burst = \"200ms\"",
    );
    let is_told = |what: &str| {
        let told = lb.run("upstreams").stdout;
        String::from_utf8_lossy(&told).contains(what)
    };
    wait_for("room for a rush", || is_told("\"limit\":6"));
    // More than two, and nobody is refused.
    let mut streams: Vec<_> = (0..4).map(|_| connect(&lb)).collect();
    for stream in &mut streams {
        stream.write_all(KEPT).expect("it is read");
    }
    wait_for("four in flight", || is_told("\"in_flight\":4"));
    wait_for("a queue that stands", || is_told("\"limit\":2"));
    assert_eq!(status(&get(&lb, "/")), 503);
    drop(go);
    for stream in &mut streams {
        assert_eq!(status(&read_answer(stream)), 200);
    }
    wait_for("room for a rush again", || is_told("\"limit\":6"));
}

#[test]
fn an_ejection_is_told_with_its_moment_and_good_answers_with_their_time() {
    let (good, bad) = (
        Backend::content(),
        Backend::start(|_| Act::Send(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_vec())),
    );
    let lb = balancer(&[&good, &bad], "");
    let of = |name: &str, backend: &Backend| {
        figure(&lb, &format!("{name}{{upstream=\"{}\"}}", backend.address))
    };
    let before = now();
    assert_eq!(of("upstream_last_ejection_timestamp_seconds", &bad), None);
    wait_for("an ejection", || {
        get(&lb, "/");
        of("upstream_ejections_total", &bad) == Some(1.0)
    });
    let at = of("upstream_last_ejection_timestamp_seconds", &bad).expect("its moment");
    assert!((before..=now()).contains(&at), "{at}");
    assert_eq!(of("upstream_last_ejection_timestamp_seconds", &good), None);
    assert!(of("upstream_ok_seconds_total", &good) > Some(0.0));
    assert_eq!(of("upstream_ok_seconds_total", &bad), Some(0.0));
    assert_eq!(figure(&lb, "upstream_panic{}"), Some(0.0));
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock that was set").as_secs_f64()
}

#[test]
fn requests_beyond_the_limit_are_refused_at_once() {
    let (backend, go) = waiting();
    // One for each worker.
    let lb = balancer(&[&backend], "[http]\nmax_in_flight = 1\n");
    let workers = thread::available_parallelism().expect("a number").get();
    let (told, answers) = mpsc::channel();
    for _ in 0..workers + 10 {
        let (mut stream, told) = (connect(&lb), told.clone());
        stream.write_all(KEPT).expect("it is read");
        thread::spawn(move || told.send(status(&read_answer(&mut stream))));
    }
    for _ in 0..10 {
        let answer = answers.recv_timeout(Duration::from_secs(5));
        assert_eq!(answer, Ok(503), "while the others wait");
    }
    drop(go);
    let rest: Vec<_> = (0..workers).map(|_| answers.recv().expect("one")).collect();
    assert!(rest.contains(&200), "{rest:?}");
}

#[test]
fn connections_beyond_the_limit_are_closed_and_the_others_served() {
    let backend = Backend::content();
    // Nobody is cut for saying nothing.
    let limits = "[http]\nmax_connections = 2\nhead_timeout = \"100s\"\n";
    let lb = balancer(&[&backend], limits);
    let mut streams = [connect(&lb), connect(&lb)];
    for stream in &mut streams {
        stream.write_all(KEPT).expect("it is read");
        assert_eq!(status(&read_answer(stream)), 200);
    }
    assert_eq!(read_to_end(&mut connect(&lb)), "");
    drop(streams);
    wait_for("room again", || {
        std::panic::catch_unwind(|| status(&get(&lb, "/")) == 200).unwrap_or(false)
    });
}

#[test]
fn without_a_ready_upstream_it_is_a_503_at_once() {
    let backend = Backend::content();
    let config = format!("upstreams.address = [\"{}\"]\n", testkit::free_address());
    let lb = Process::start(BINARY, &config);
    wait_for("it listens", || {
        std::net::TcpStream::connect(lb.listen()).is_ok()
    });
    let answer = get(&lb, "/");
    assert!(
        status(&answer) == 503 && answer.contains("retry-after: 1"),
        "{answer}"
    );
    assert_eq!(
        figure(&lb, "requests_refused_total{reason=\"nobody_ready\"}"),
        Some(1.0)
    );
    let page = crate::support::exchange(
        &lb,
        "GET / HTTP/1.1\r\nhost: shop\r\naccept: text/html\r\nconnection: close\r\n\r\n",
    );
    assert!(
        page.contains("<title>The shop is away for a moment</title>"),
        "{page}"
    );
    drop(backend);
}
