//! Forgetting: by a change (RFC 9111, 4.4), by group (RFC 9875), by whoever runs it.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Act, Backend, answer, ask, cdn, fetch, numbering, purge, said, wait_for};

/// An origin whose answers to changes have this status and these fields.
fn changing(status: u16, fields: &'static str) -> Backend {
    Backend::start(move |request| match request.starts_with("GET ") {
        true => answer("cache-control: max-age=60\ncache-groups: \"g\"", "body"),
        false => Act::Send(said(status, fields, "")),
    })
}

#[test]
fn rfc9111_4_4_a_change_that_succeeds_makes_the_address_unknown() {
    for (method, status, expected) in [
        ("POST", 200, false),
        ("PUT", 204, false),
        ("DELETE", 303, false),
        ("M-SEARCH", 200, false),
        ("PUT", 500, true),
        ("PATCH", 422, true),
        ("OPTIONS", 200, true),
    ] {
        let origin = changing(status, "");
        let cdn = cdn(&origin, "");
        fetch(&cdn, "/a");
        assert_eq!(ask(&cdn, method, "/a", "").status, status, "{method}");
        assert_eq!(fetch(&cdn, "/a").is_hit(), expected, "{method} {status}");
    }
}

#[test]
fn rfc9111_4_4_addresses_that_the_answer_names_are_forgotten_if_they_are_of_the_same_origin() {
    for (fields, expected) in [
        ("location: /a", false),
        ("content-location: http://shop/a", false),
        ("location: http://other/a", true),
    ] {
        let origin = changing(201, fields);
        let cdn = cdn(&origin, "");
        fetch(&cdn, "/a");
        ask(&cdn, "POST", "/b", "");
        assert_eq!(fetch(&cdn, "/a").is_hit(), expected, "{fields}");
    }
}

#[test]
fn rfc9875_3_a_change_may_make_groups_stale() {
    let origin = changing(200, "cache-group-invalidation: \"g\"");
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    ask(&cdn, "POST", "/b", "");
    let answer = fetch(&cdn, "/a");
    assert!(answer.cache().contains("fwd=stale"), "{answer:?}");
}

#[test]
fn an_address_is_purged_and_told_whether_it_was_there() {
    let origin = numbering("cache-control: max-age=60");
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    fetch(&cdn, "/b");
    let purged = purge(&cdn, "{\"url\": \"http://SHOP/a\"}");
    assert_eq!(
        (purged.status, &*purged.body),
        (200, "{\"was_stored\":true}")
    );
    assert_eq!(
        purge(&cdn, "{\"url\": \"http://shop/a\"}").body,
        "{\"was_stored\":false}"
    );
    assert_eq!(fetch(&cdn, "/a").body, "3");
    assert_eq!(fetch(&cdn, "/b").body, "2");
}

#[test]
fn a_group_is_purged_whatever_is_in_it() {
    let origin = Backend::start(|request| {
        let group = if request.contains("/a") { "a" } else { "b" };
        answer(
            &format!("cache-control: max-age=60\ncache-groups: \"{group}\", \"all\""),
            "",
        )
    });
    let cdn = cdn(&origin, "");
    let fill = || ["/a1", "/a2", "/b"].map(|path| fetch(&cdn, path).is_hit());
    fill();
    assert_eq!(purge(&cdn, "{\"key\": \"a\"}").status, 200);
    assert_eq!(fill(), [false, false, true]);
    assert_eq!(fill(), [true, true, true]);
    purge(&cdn, "{\"key\": \"all\"}");
    assert_eq!(fill(), [false, false, false]);
    purge(&cdn, "{\"all\": true}");
    assert_eq!(fill(), [false, false, false]);
}

#[test]
fn a_soft_purge_keeps_what_may_stand_in() {
    let origin = Backend::start(|request| match request.contains("if-none-match") {
        true => Act::SendAndClose(Vec::new()),
        false => answer("cache-control: max-age=60\netag: \"a\"", "body"),
    });
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    purge(&cdn, "{\"url\": \"http://shop/a\", \"soft\": true}");
    let answer = fetch(&cdn, "/a");
    assert_eq!((answer.status, &*answer.body), (200, "body"));
    assert!(answer.cache().contains("stale-if-error"), "{answer:?}");
}

#[test]
fn what_was_asked_for_before_a_purge_is_not_stored_after_it() {
    for what in [
        "{\"url\": \"http://shop/a\"}",
        "{\"key\": \"g\"}",
        "{\"all\": true}",
    ] {
        let (open, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let origin = Backend::start(move |_| {
            let _ = gate.lock().map(|gate| gate.recv());
            answer("cache-control: max-age=60\ncache-groups: \"g\"", "old")
        });
        let cdn = cdn(&origin, "");
        thread::scope(|scope| {
            let asking = scope.spawn(|| fetch(&cdn, "/a"));
            wait_for("the origin is asked", || origin.seen().len() == 1);
            purge(&cdn, what);
            // Who comes after it does not get what was asked for before it.
            let later = scope.spawn(|| fetch(&cdn, "/a"));
            wait_for("the origin is asked again", || origin.seen().len() == 2);
            drop(open);
            assert!(
                !later
                    .join()
                    .expect("an answer")
                    .cache()
                    .contains("collapsed")
            );
            assert_eq!(asking.join().expect("an answer").body, "old");
        });
        // It is the second that is stored.
        assert!(fetch(&cdn, "/a").is_hit(), "{what}");
    }
}

#[test]
fn what_is_no_purge_gets_a_problem_that_names_the_field() {
    let cdn = cdn(&Backend::content(), "");
    for (body, status, named) in [
        ("{}", 422, "url"),
        ("{\"url\": \"/a\"}", 422, "url"),
        ("{\"url\": \"http://shop/a\", \"key\": \"a\"}", 422, "url"),
        ("{\"keys\": []}", 422, "keys"),
        ("{\"key\": 3}", 422, "key"),
        ("{", 400, "JSON"),
    ] {
        let answer = purge(&cdn, body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.body.contains(named), "{body}: {answer:?}");
    }
}

#[test]
fn what_is_purged_hard_does_not_stand_in() {
    for what in [
        "{\"url\": \"http://shop/a\"}",
        "{\"key\": \"g\"}",
        "{\"all\": true}",
    ] {
        let origin = Backend::start(|request| match request.contains("/ill") {
            true => Act::SendAndClose(Vec::new()),
            false => answer(
                "cache-control: max-age=0, stale-if-error=60\ncache-groups: \"g\"",
                "a",
            ),
        });
        let cdn = cdn(&origin, "");
        fetch(&cdn, "/a");
        purge(&cdn, what);
        let again = fetch(&cdn, "/a");
        assert!(again.cache().contains("fwd=uri-miss"), "{what}: {again:?}");
    }
}
