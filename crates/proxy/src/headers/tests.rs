use std::time::Duration;

use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn client(trusted: &[&str]) -> Client {
    let config = HttpConfig {
        trusted_proxies: trusted.iter().map(|n| n.parse().unwrap()).collect(),
        request_timeout: Duration::from_secs(1),
        ..HttpConfig::default()
    };
    Client::new([10, 0, 0, 9].into(), false, &config)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

const CLAIMS: [(&str, &str); 9] = [
    ("host", "shop"),
    ("forwarded", "for=6.6.6.6"),
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-for", "7.7.7.7"),
    ("x-forwarded-proto", "https"),
    ("x-user-id", "1"),
    ("x-request-id", "theirs"),
    (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    ("x-deadline-ms", "5"),
];

#[test]
fn a_strangers_claims_go_no_further() {
    let mut headers = headers(&CLAIMS);
    let id = clean_request(&mut headers, &client(&[]));
    assert_eq!(headers.get_all("x-forwarded-for").iter().count(), 1);
    assert_eq!(text(&headers, "x-forwarded-for"), "10.0.0.9");
    assert_eq!(text(&headers, "x-forwarded-proto"), "http");
    assert_eq!(text(&headers, "x-forwarded-host"), "shop");
    assert_eq!(text(&headers, "x-deadline-ms"), "1000");
    assert_eq!(text(&headers, "x-request-id"), id.to_str().unwrap());
    assert_eq!(text(&headers, "forwarded"), "");
    assert_eq!(text(&headers, "x-user-id"), "");
    let trace = text(&headers, "traceparent");
    assert!(
        TraceContext::carry_on(trace, Uuid::nil()).is_some(),
        "{trace}"
    );
    assert!(
        !trace.contains("4bf92f") && trace.ends_with("-00"),
        "{trace}"
    );
    let id = Uuid::parse_str(id.to_str().unwrap()).unwrap();
    assert_eq!(id.get_version_num(), 7);
}

#[test]
fn a_trusted_proxys_claims_are_carried_on() {
    let mut headers = headers(&CLAIMS);
    let id = clean_request(&mut headers, &client(&["10.0.0.0/8"]));
    assert_eq!(id, "theirs");
    assert_eq!(
        text(&headers, "x-forwarded-for"),
        "6.6.6.6, 7.7.7.7, 10.0.0.9"
    );
    assert_eq!(headers.get_all("x-forwarded-for").iter().count(), 1);
    assert_eq!(text(&headers, "x-forwarded-proto"), "https");
    assert_eq!(text(&headers, "forwarded"), "");
    assert_eq!(text(&headers, "x-deadline-ms"), "5");
    let trace = text(&headers, "traceparent");
    assert!(
        trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"),
        "{trace}"
    );
    assert!(
        !trace.contains("00f067aa0ba902b7") && trace.ends_with("-01"),
        "{trace}"
    );
}

#[test]
fn what_concerns_one_connection_stays_on_it() {
    let mut headers = headers(&[
        ("host", "shop"),
        ("connection", "close, X-Odd, host"),
        ("connection", "x-forwarded-for"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "a"),
        ("x-odd", "1"),
        ("cookie", "kept"),
    ]);
    clean_request(&mut headers, &client(&[]));
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cookie",
            "host",
            "traceparent",
            "x-deadline-ms",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id",
        ]
    );
}

#[test]
fn our_timing_comes_before_those_behind_us() {
    let mut headers = headers(&[("server-timing", "web;dur=1.0"), ("connection", "close")]);
    clean_answer(&mut headers);
    let entry = "lb;desc=\"lb web-2\";dur=";
    add_timing(&mut headers, entry, Duration::from_micros(12_345));
    assert_eq!(
        text(&headers, "server-timing"),
        "lb;desc=\"lb web-2\";dur=12.34, web;dur=1.0"
    );
    assert!(!headers.contains_key("connection"));
}

#[test]
fn an_answer_with_two_lengths_keeps_neither() {
    let mut headers = headers(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
    clean_answer(&mut headers);
    assert!(!headers.contains_key("content-length"));
}
