use super::*;

const NOW: Millis = Millis(1_000_000_000_000);

fn head(
    status: u16,
    request: &[(&'static str, &str)],
    answer: &[(&'static str, &str)],
) -> Option<Head> {
    head_with(status, request, answer, "")
}

fn head_with(
    status: u16,
    request: &[(&'static str, &str)],
    answer: &[(&'static str, &str)],
    config: &str,
) -> Option<Head> {
    let fill = |headers: &mut HeaderMap, lines: &[(&'static str, &str)]| {
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
    };
    let (mut asked, mut response) = (HeaderMap::new(), Response::new(()));
    fill(&mut asked, request);
    fill(response.headers_mut(), answer);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let key = Key::parse("http://shop/a").unwrap();
    let config = toml::from_str(config).unwrap();
    let times = Asked {
        at: NOW,
        after: 0,
        answered: NOW,
    };
    Head::of(&key, &asked, &response, times, &config)
}

const MAX_AGE: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn rfc9111_3_only_what_has_a_life_or_a_validator_is_stored() {
    assert!(head(200, &[], &[MAX_AGE]).is_some());
    assert!(head(200, &[], &[("etag", "\"a\"")]).is_some());
    assert!(head(200, &[], &[]).is_none());
    assert!(head(404, &[], &[]).is_some());
    assert!(head(500, &[], &[]).is_none());
    assert!(head(500, &[], &[MAX_AGE]).is_some());
}

#[test]
fn rfc9111_3_what_is_for_one_alone_is_not_stored() {
    for control in ["no-store, max-age=60", "private, max-age=60"] {
        assert!(head(200, &[], &[("cache-control", control)]).is_none());
    }
    assert!(head(200, &[], &[MAX_AGE, ("vary", "*")]).is_none());
    assert!(head(206, &[], &[MAX_AGE]).is_none());
}

#[test]
fn rfc9111_3_5_answers_to_those_who_say_who_they_are_have_to_be_meant_for_all() {
    for who in [("authorization", "Basic x"), ("cookie", "a=b")] {
        assert!(head(200, &[who], &[MAX_AGE]).is_none());
        for control in ["public, max-age=60", "s-maxage=60"] {
            assert!(head(200, &[who], &[("cache-control", control)]).is_some());
        }
    }
    let must = ("cache-control", "must-revalidate, max-age=60");
    assert!(head(200, &[("authorization", "Basic x")], &[must]).is_some());
}

#[test]
fn answers_that_set_cookies_are_stored_only_where_that_is_wanted() {
    let public = ("cache-control", "public, max-age=60");
    let answer = [public, ("set-cookie", "session=1")];
    assert!(head(200, &[], &answer).is_none());
    assert!(head_with(200, &[], &answer, "store_set_cookie = true").is_some());
}

#[test]
fn rfc9111_5_2_2_3_must_understand_goes_before_no_store() {
    let control = ("cache-control", "no-store, must-understand, max-age=60");
    assert!(head(200, &[], &[control]).is_some());
    assert!(head(299, &[], &[control]).is_none());
}

#[test]
fn what_is_said_of_one_request_or_withheld_is_not_stored() {
    let head = head(
        200,
        &[],
        &[
            ("cache-control", "max-age=60, no-cache=\"secret\""),
            ("secret", "1"),
            ("age", "3"),
            ("x-request-id", "a"),
            ("kept", "1"),
        ],
    );
    let mut names: Vec<String> = head
        .unwrap()
        .headers
        .keys()
        .map(|n| n.to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["cache-control", "date", "kept"]);
}

#[test]
fn rfc9111_3_2_a_304_changes_the_head_but_not_what_describes_the_body() {
    let old = head(
        200,
        &[],
        &[
            ("cache-control", "max-age=0"),
            ("etag", "\"a\""),
            ("content-type", "text/css"),
            ("one", "old"),
            ("two", "old"),
        ],
    );
    let mut news = HeaderMap::new();
    for (name, value) in [
        ("cache-control", "max-age=60"),
        ("content-type", "text/html"),
        ("one", "new"),
        ("x-request-id", "b"),
    ] {
        news.insert(name, value.parse().unwrap());
    }
    let key = Key::parse("http://shop/a").unwrap();
    let times = Asked::now(0);
    let old = old.unwrap();
    let new = old.freshened(
        &key,
        &HeaderMap::new(),
        &news,
        times,
        &CacheConfig::default(),
    );
    let new = new.unwrap();
    assert_eq!(new.freshness.lifetime, 60);
    let text = |name| new.headers.get(name).map(|v| v.to_str().unwrap());
    assert_eq!(text("content-type"), Some("text/css"));
    assert_eq!((text("one"), text("two")), (Some("new"), Some("old")));
    assert_eq!(text("x-request-id"), None);
}
