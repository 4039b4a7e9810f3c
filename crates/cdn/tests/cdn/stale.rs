//! Answers whose time is over (RFC 9111, 4.2.4; RFC 5861).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::support::{Act, Backend, answer, cdn, fetch, said, wait_for};

/// An origin that is well until it is told to be ill, in this way.
fn mortal(fields: &'static str, ill: fn() -> Act) -> (Backend, Arc<AtomicBool>) {
    let is_ill = Arc::new(AtomicBool::new(false));
    let ours = is_ill.clone();
    let origin = Backend::start(move |_| match ours.load(Relaxed) {
        true => ill(),
        false => answer(fields, "body"),
    });
    (origin, is_ill)
}

fn breaks_off() -> Act {
    Act::SendAndClose(Vec::new())
}

fn is_unwell() -> Act {
    Act::Send(said(503, "", "sorry"))
}

#[test]
fn rfc5861_4_a_stale_answer_stands_in_for_an_origin_in_trouble_and_says_so() {
    for ill in [breaks_off as fn() -> Act, is_unwell] {
        let (origin, is_ill) = mortal("cache-control: max-age=0, stale-if-error=60", ill);
        let cdn = cdn(&origin, "stale_if_error = \"0s\"");
        fetch(&cdn, "/a");
        is_ill.store(true, Relaxed);
        let answer = fetch(&cdn, "/a");
        assert_eq!((answer.status, &*answer.body), (200, "body"));
        let told = answer.cache();
        assert!(
            told.contains("; fwd=stale;") && told.ends_with("; detail=stale-if-error"),
            "{told}"
        );
        // What was never stored cannot.
        assert!(fetch(&cdn, "/b").status >= 500);
    }
}

#[test]
fn an_origin_that_does_not_say_is_stood_in_for_as_long_as_we_are_told() {
    for (cache, expected) in [
        ("stale_if_error = \"60s\"", 200),
        ("stale_if_error = \"0s\"", 502),
    ] {
        let (origin, is_ill) = mortal("cache-control: max-age=0\netag: \"a\"", breaks_off);
        let cdn = cdn(&origin, cache);
        fetch(&cdn, "/a");
        is_ill.store(true, Relaxed);
        assert_eq!(fetch(&cdn, "/a").status, expected, "{cache}");
    }
}

#[test]
fn rfc9111_5_2_2_2_some_answers_are_never_used_stale() {
    for control in [
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=0",
        "no-cache",
    ] {
        let fields: &'static str =
            format!("cache-control: max-age=0, stale-if-error=60, {control}\netag: \"a\"").leak();
        let (origin, is_ill) = mortal(fields, breaks_off);
        let cdn = cdn(&origin, "");
        fetch(&cdn, "/a");
        is_ill.store(true, Relaxed);
        assert_eq!(fetch(&cdn, "/a").status, 502, "{control}");
    }
}

#[test]
fn rfc5861_3_a_stale_answer_is_used_while_one_asks_behind() {
    let count = AtomicUsize::new(0);
    let origin = Backend::start(move |_| {
        let number = count.fetch_add(1, Relaxed) + 1;
        // The second is fresh.
        let age = if number == 1 { 0 } else { 60 };
        let fields = format!("cache-control: max-age={age}, stale-while-revalidate=60");
        answer(&fields, &number.to_string())
    });
    let cdn = cdn(&origin, "");
    assert_eq!(fetch(&cdn, "/a").body, "1");
    let stale = fetch(&cdn, "/a");
    assert_eq!(stale.body, "1");
    assert!(
        stale.is_hit() && stale.cache().contains("ttl=0"),
        "{stale:?}"
    );
    wait_for("the new one", || fetch(&cdn, "/a").body == "2");
    assert_eq!(origin.seen().len(), 2, "only one asks");
}

#[test]
fn what_is_fresh_is_served_though_the_origin_is_dead() {
    let (origin, is_ill) = mortal("cache-control: max-age=60", breaks_off);
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    is_ill.store(true, Relaxed);
    for _ in 0..10 {
        assert!(fetch(&cdn, "/a").is_hit());
    }
}

#[test]
fn nobody_waits_for_an_origin_that_is_known_to_be_silent() {
    let (origin, is_ill) = mortal("cache-control: max-age=0", || {
        // Longer than it is waited for.
        std::thread::sleep(std::time::Duration::from_secs(2));
        breaks_off()
    });
    let cdn = cdn(&origin, "[http]\nrequest_timeout = \"200ms\"");
    for path in ["/a", "/b", "/c"] {
        fetch(&cdn, path);
    }
    is_ill.store(true, Relaxed);
    assert_eq!(fetch(&cdn, "/a").status, 200);
    let asked = origin.seen().len();
    for path in ["/b", "/c"] {
        let answer = fetch(&cdn, path);
        assert!(
            answer.cache().ends_with("detail=stale-if-error"),
            "{answer:?}"
        );
        let timing = answer.field("server-timing").unwrap();
        let (_, ms) = timing.split_once("dur=").unwrap();
        // As long as one who waits waits at least.
        assert!(ms.parse::<f64>().unwrap() < 200.0, "{timing}");
    }
    // They were asked for behind, and not before.
    wait_for("the origin is asked", || origin.seen().len() == asked + 2);
}
