//! Asking whether what is stored is still good (RFC 9111, 4.3).

use crate::support::{Act, Backend, answer, ask, cdn, fetch, said};

/// An origin that says 304 to whoever knows the version, with these fields, and else the version.
fn versioned(stored: &'static str, confirmed: &'static str, validator: &'static str) -> Backend {
    Backend::start(move |request| match request.contains(validator) {
        true => Act::Send(said(304, confirmed, "")),
        false => answer(stored, "body"),
    })
}

#[test]
fn rfc9111_4_3_1_a_stale_answer_is_validated_by_its_tag_or_date() {
    const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    for (fields, validator) in [
        (
            "cache-control: max-age=0\netag: \"a\"",
            "if-none-match: \"a\"",
        ),
        (
            "cache-control: max-age=0\netag: W/\"a\"",
            "if-none-match: W/\"a\"",
        ),
        (
            "cache-control: max-age=0\nlast-modified: Sun, 09 Sep 2001 01:46:40 GMT",
            "if-modified-since: Sun, 09 Sep 2001 01:46:40 GMT",
        ),
        (
            "cache-control: no-cache\netag: \"a\"",
            "if-none-match: \"a\"",
        ),
    ] {
        let origin = versioned(fields, "", validator);
        let cdn = cdn(&origin, "");
        fetch(&cdn, "/a");
        let second = fetch(&cdn, "/a");
        assert_eq!((second.status, &*second.body), (200, "body"), "{fields}");
        assert!(
            second.cache().contains("; fwd=stale; fwd-status=304"),
            "{second:?}"
        );
        assert_eq!(origin.seen().len(), 2, "{DATE}");
    }
}

#[test]
fn rfc9111_4_3_4_what_the_origin_says_anew_counts_from_then_on() {
    let origin = versioned(
        "cache-control: max-age=0\netag: \"a\"\nx-mood: old",
        "cache-control: max-age=60\netag: \"a\"\nx-mood: new",
        "if-none-match",
    );
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    fetch(&cdn, "/a");
    let third = fetch(&cdn, "/a");
    assert!(third.is_hit(), "{third:?}");
    assert_eq!((third.field("x-mood"), &*third.body), (Some("new"), "body"));
}

#[test]
fn rfc9111_4_3_3_another_version_takes_the_place_of_the_old_one() {
    let origin = Backend::start(|request| match request.contains("if-none-match: \"a\"") {
        true => answer("cache-control: max-age=60\netag: \"b\"", "new"),
        false => answer("cache-control: max-age=0\netag: \"a\"", "old"),
    });
    let cdn = cdn(&origin, "");
    assert_eq!(fetch(&cdn, "/a").body, "old");
    assert_eq!(fetch(&cdn, "/a").body, "new");
    assert!(fetch(&cdn, "/a").is_hit());
}

#[test]
fn a_clients_own_conditions_are_met_from_what_was_validated() {
    let fields = "cache-control: max-age=0\netag: \"a\"";
    let origin = versioned(fields, fields, "if-none-match: \"a\"");
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    let known = ask(&cdn, "GET", "/a", "if-none-match: \"a\"");
    assert_eq!(known.status, 304);
    let other = ask(&cdn, "GET", "/a", "if-none-match: \"b\"");
    assert_eq!((other.status, &*other.body), (200, "body"));
    let part = ask(&cdn, "GET", "/a", "range: bytes=1-2");
    assert_eq!((part.status, &*part.body), (206, "od"));
}

#[test]
fn a_304_that_forbids_to_keep_it_is_obeyed() {
    let origin = versioned(
        "cache-control: max-age=0\netag: \"a\"",
        "cache-control: no-store\netag: \"a\"",
        "if-none-match",
    );
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    assert_eq!(fetch(&cdn, "/a").body, "body");
    fetch(&cdn, "/a");
    let seen = origin.seen();
    let conditions: Vec<bool> = seen.iter().map(|r| r.contains("if-none-match")).collect();
    assert_eq!(conditions, [false, true, false]);
}

#[test]
fn a_cookie_on_the_question_does_not_cost_the_others_what_is_stored() {
    let origin = versioned(
        "cache-control: max-age=0\netag: \"a\"",
        "etag: \"a\"\nset-cookie: his=1",
        "if-none-match: \"a\"",
    );
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    assert_eq!(ask(&cdn, "GET", "/a", "cookie: a=b").body, "body");
    let other = fetch(&cdn, "/a");
    assert!(other.cache().contains("fwd-status=304"), "{other:?}");
    assert_eq!(other.field("set-cookie"), None);
}
