//! Answers that are used again, and those that are not.

use crate::support::{Act, Backend, answer, ask, cdn, exchange, fetch, numbering, said};

const FRESH: &str = "cache-control: max-age=60";

#[test]
fn rfc9111_4_a_fresh_answer_is_used_again_and_says_how_old_it_is() {
    let origin =
        numbering("cache-control: max-age=60\nage: 7\nx-kept: yes\nserver-timing: web;dur=1");
    let cdn = cdn(&origin, "");
    let first = fetch(&cdn, "/a");
    assert_eq!((first.status, &*first.body), (200, "1"));
    assert!(
        first
            .cache()
            .ends_with("; fwd=uri-miss; fwd-status=200; stored"),
        "{first:?}"
    );
    let timing = first.field("server-timing").unwrap();
    assert!(
        timing.starts_with("cdn;desc=") && timing.ends_with("web;dur=1"),
        "{timing}"
    );
    let second = fetch(&cdn, "/a");
    assert_eq!((second.status, &*second.body), (200, "1"));
    assert!(second.is_hit(), "{second:?}");
    assert_eq!(second.field("x-kept"), Some("yes"));
    let age: u64 = second.field("age").unwrap().parse().unwrap();
    assert!((7..10).contains(&age), "{age}");
    let timing = second.field("server-timing").unwrap();
    assert!(
        timing.contains(" hit\"") && !timing.contains("web"),
        "{timing}"
    );
    assert_ne!(first.field("x-request-id"), second.field("x-request-id"));
    // The query belongs to the address, and so does the host.
    assert_eq!(fetch(&cdn, "/a?b").body, "2");
    assert_eq!(ask(&cdn, "GET", "http://other/a", "").body, "3");
    assert_eq!(origin.seen().len(), 3);
}

#[test]
fn rfc9111_3_what_may_not_be_stored_is_not() {
    for fields in [
        "cache-control: no-store, max-age=60",
        "cache-control: private, max-age=60",
        "cache-control: max-age=60\nvary: *",
        "cache-control: public, max-age=60\nset-cookie: a=b",
        "",
    ] {
        let origin = numbering(fields);
        let cdn = cdn(&origin, "");
        let (first, second) = (fetch(&cdn, "/a"), fetch(&cdn, "/a"));
        assert_eq!((&*first.body, &*second.body), ("1", "2"), "{fields}");
        assert!(
            first.cache().ends_with("; fwd=uri-miss; fwd-status=200"),
            "{first:?}"
        );
    }
}

#[test]
fn rfc9111_3_3_half_an_answer_is_not_stored() {
    for head in [
        "content-length: 10\r\n",
        "transfer-encoding: chunked\r\n",
        // Nobody could tell whether this one is whole.
        "",
    ] {
        let origin = Backend::start(move |_| {
            let body = if head.contains("chunked") {
                "3\r\nabc\r\n"
            } else {
                "abc"
            };
            let answer =
                format!("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n{head}\r\n{body}");
            Act::SendAndClose(answer.into_bytes())
        });
        let cdn = cdn(&origin, "");
        fetch(&cdn, "/a");
        fetch(&cdn, "/a");
        assert_eq!(origin.seen().len(), 2, "{head}");
    }
}

#[test]
fn rfc9111_4_1_each_variant_is_for_requests_like_its_own() {
    let origin = Backend::start(|request| {
        let coding = request
            .lines()
            .find_map(|line| line.strip_prefix("accept-encoding: "));
        let fields = "cache-control: max-age=60\nvary: accept-encoding";
        answer(fields, coding.unwrap_or("plain"))
    });
    let cdn = cdn(&origin, "");
    let get = |codings: &str| {
        let field = if codings.is_empty() {
            String::new()
        } else {
            format!("accept-encoding: {codings}")
        };
        ask(&cdn, "GET", "/a", &field)
    };
    assert_eq!(get("gzip, deflate, br").body, "br,gzip");
    assert_eq!(get("gzip").body, "gzip");
    assert_eq!(get("").body, "plain");
    for (codings, expected) in [
        ("br;q=0.9, gzip", "br,gzip"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("identity", "plain"),
    ] {
        let answer = get(codings);
        assert!(
            answer.is_hit() && answer.body == expected,
            "{codings}: {answer:?}"
        );
    }
    assert_eq!(origin.seen().len(), 3);
    let missed = get("zstd");
    assert!(missed.cache().contains("fwd=vary-miss"), "{missed:?}");
}

#[test]
fn rfc9110_9_3_2_head_is_answered_as_get_without_the_body() {
    let origin = numbering(FRESH);
    let cdn = cdn(&origin, "");
    let head = ask(&cdn, "HEAD", "/a", "");
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.field("content-length"), Some("1"));
    assert!(
        origin.seen()[0].starts_with("GET "),
        "the whole is asked for"
    );
    let hit = ask(&cdn, "HEAD", "/a", "");
    assert!(hit.is_hit() && hit.body.is_empty(), "{hit:?}");
    assert_eq!(hit.field("content-length"), Some("1"));
    assert_eq!(fetch(&cdn, "/a").body, "1");
    // Also what is not stored.
    let origin = numbering("cache-control: no-store");
    let cdn = self::cdn(&origin, "");
    let head = ask(&cdn, "HEAD", "/a", "");
    assert_eq!((&*head.body, head.field("content-length")), ("", Some("1")));
}

#[test]
fn rfc9110_14_parts_are_served_from_the_whole() {
    let origin = Backend::start(|_| answer("cache-control: max-age=60\netag: \"a\"", "0123456789"));
    let cdn = cdn(&origin, "");
    let part = |range: &str, more: &str| ask(&cdn, "GET", "/a", &format!("range: {range}\n{more}"));
    for round in ["missed", "stored"] {
        let answer = part("bytes=2-4", "");
        assert_eq!((answer.status, &*answer.body), (206, "234"), "{round}");
        assert_eq!(
            answer.field("content-range"),
            Some("bytes 2-4/10"),
            "{round}"
        );
        assert_eq!(answer.field("content-length"), Some("3"), "{round}");
    }
    assert!(
        !origin.seen()[0].contains("range:"),
        "the whole is asked for"
    );
    assert_eq!(part("bytes=-3", "if-range: \"a\"").body, "789");
    assert_eq!(part("bytes=-3", "if-range: \"b\"").status, 200);
    let beyond = part("bytes=10-", "");
    assert_eq!(
        (beyond.status, beyond.field("content-range")),
        (416, Some("bytes */10"))
    );
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn rfc9110_13_who_has_it_already_hears_only_that() {
    let origin = Backend::start(|_| {
        answer(
            "cache-control: max-age=60\netag: \"a\"\ncontent-type: text/css\nvary: foo",
            "body",
        )
    });
    let cdn = cdn(&origin, "");
    for round in ["missed", "stored"] {
        let answer = ask(&cdn, "GET", "/a", "if-none-match: W/\"a\"");
        assert_eq!((answer.status, &*answer.body), (304, ""), "{round}");
        assert_eq!(answer.field("etag"), Some("\"a\""), "{round}");
        assert_eq!(answer.field("cache-control"), Some("max-age=60"), "{round}");
        assert_eq!(answer.field("vary"), Some("foo"), "{round}");
        assert_eq!(answer.field("content-type"), None, "{round}");
    }
    assert!(
        !origin.seen()[0].contains("if-none-match"),
        "the whole is asked for"
    );
    assert_eq!(ask(&cdn, "GET", "/a", "if-none-match: \"b\"").body, "body");
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn rfc9213_2_what_is_meant_for_caches_like_us_goes_before_the_rest() {
    let origin = numbering("cache-control: no-store\ncdn-cache-control: max-age=60");
    let cdn = cdn(&origin, "");
    assert_eq!(fetch(&cdn, "/a").body, "1");
    let hit = fetch(&cdn, "/a");
    assert_eq!(
        (&*hit.body, hit.field("cache-control")),
        ("1", Some("no-store"))
    );
}

#[test]
fn what_is_missing_is_known_to_be_missing_for_a_while() {
    let origin = Backend::start(|_| Act::Send(said(404, "", "nothing")));
    let cdn = cdn(&origin, "negative = \"60s\"");
    for _ in 0..3 {
        assert_eq!(fetch(&cdn, "/a").status, 404);
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn what_is_too_large_passes_and_is_not_stored() {
    let origin = Backend::start(|request| {
        let body = "x".repeat(2000);
        match request.contains("/chunked") {
            false => answer(FRESH, &body),
            true => Act::Send(
                format!("HTTP/1.1 200 OK\r\n{FRESH}\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n{body}\r\n0\r\n\r\n")
                    .into_bytes(),
            ),
        }
    });
    let cdn = cdn(&origin, "max_object_bytes = 1000");
    for _ in 0..2 {
        assert_eq!(fetch(&cdn, "/a").body.len(), 2000);
    }
    assert_eq!(origin.seen().len(), 2);
    // Its length shows only on the way: once it breaks off, here at once, and then it passes.
    let asked = "GET /chunked HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
    assert!(!exchange(&cdn, asked).contains("xxx"));
    assert!(fetch(&cdn, "/chunked").body.contains(&"x".repeat(2000)));
}
