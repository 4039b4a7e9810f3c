//! Attempts to have others get an answer that was made for the attacker.

use crate::support::{Act, Answer, Backend, answer, ask, cdn, exchange, fetch, said};

/// An origin that tells back all that it was asked, and lets it be stored.
fn echoing() -> Backend {
    Backend::start(|request| answer("cache-control: public, max-age=60", request))
}

/// What the victim gets after this request.
fn victim_after(request: &str) -> Answer {
    let origin = echoing();
    let cdn = cdn(&origin, "");
    exchange(&cdn, request);
    fetch(&cdn, "/a")
}

#[test]
fn fields_that_are_not_in_the_key_do_not_reach_the_origin() {
    for field in [
        "x-forwarded-host: evil",
        "x-forwarded-proto: evil",
        "x-forwarded-scheme: evil",
        "x-forwarded-prefix: evil",
        "forwarded: host=evil",
        "x-http-method-override: evil",
        "x-http-method: evil",
        "x-method-override: evil",
        "x-original-url: /evil",
        "x-rewrite-url: /evil",
        "x-real-ip: evil",
        "x-user-id: evil",
        "range: bytes=0-evil",
        "if-none-match: evil",
        "accept-encoding: evil",
        "connection: close, evil\r\nevil: 1",
    ] {
        let request =
            format!("GET /a HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{field}\r\n\r\n");
        let victim = victim_after(&request);
        assert!(victim.is_hit(), "{field}: {victim:?}");
        assert!(!victim.body.contains("evil"), "{field}: {}", victim.body);
    }
}

#[test]
fn a_request_with_a_body_stores_nothing() {
    for method in ["GET", "HEAD", "POST"] {
        let victim = victim_after(&format!(
            "{method} /a HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: 4\r\n\r\nevil"
        ));
        assert!(
            !victim.is_hit() && !victim.body.contains("evil"),
            "{method}: {victim:?}"
        );
    }
}

#[test]
fn paths_that_an_origin_might_take_for_the_same_are_not() {
    for path in [
        "/b/../a",
        "//a",
        "/%61",
        "/a/",
        "/a?evil",
        "/a;evil",
        "/A",
        "/a%3fevil",
        "/a#evil",
    ] {
        let victim = victim_after(&format!(
            "GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n"
        ));
        assert!(
            victim.body.starts_with("GET /a HTTP/1.1"),
            "{path}: {victim:?}"
        );
        assert!(!victim.body.contains("evil"), "{path}: {victim:?}");
    }
}

#[test]
fn hosts_and_their_ports_are_apart() {
    for target in ["http://evil/a", "http://shop:81/a"] {
        let victim = victim_after(&format!(
            "GET {target} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n"
        ));
        assert!(!victim.is_hit(), "{target}: {victim:?}");
    }
}

#[test]
fn an_error_that_an_attacker_provokes_is_not_stored() {
    let origin = Backend::start(|request| match request.contains("x-bad") {
        true => Act::Send(said(400, "", "bad")),
        false => answer("cache-control: max-age=60", "good"),
    });
    let cdn = cdn(&origin, "");
    assert_eq!(ask(&cdn, "GET", "/a", "x-bad: 1").status, 400);
    assert_eq!(fetch(&cdn, "/a").body, "good");
    // What is refused before the origin sees it is not either.
    let long = format!("x-long: {}", "x".repeat(20_000));
    assert_eq!(ask(&cdn, "GET", "/b", &long).status, 431);
    assert_eq!(fetch(&cdn, "/b").body, "good");
}

#[test]
fn an_answer_that_holds_another_is_no_two() {
    let smuggled = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 4\r\n\r\nevil";
    let origin = Backend::start(move |request| match request.contains("/split") {
        true => {
            let mut bytes = said(200, "cache-control: max-age=60", "good");
            bytes.extend_from_slice(smuggled.as_bytes());
            Act::Send(bytes)
        }
        false => answer("cache-control: max-age=60", "good"),
    });
    let cdn = cdn(&origin, "");
    assert_eq!(fetch(&cdn, "/split").body, "good");
    for path in ["/a", "/b", "/c"] {
        assert_eq!(fetch(&cdn, path).body, "good", "{path}");
    }
}

#[test]
fn an_answer_of_two_lengths_is_none() {
    let origin = Backend::start(|_| {
        Act::SendAndClose(
            b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 4\r\ncontent-length: 8\r\n\r\ngoodevil"
                .to_vec(),
        )
    });
    let cdn = cdn(&origin, "");
    assert_eq!(fetch(&cdn, "/a").status, 502);
    assert_eq!(fetch(&cdn, "/a").status, 502);
}

#[test]
fn what_a_cookie_or_a_password_got_is_nobody_elses() {
    for who in ["cookie: session=mine", "authorization: Bearer mine"] {
        let origin = Backend::start(|request| {
            let is_mine = request.contains("mine");
            answer(
                "cache-control: max-age=60",
                if is_mine { "secret" } else { "public" },
            )
        });
        let cdn = cdn(&origin, "");
        assert_eq!(ask(&cdn, "GET", "/a", who).body, "secret", "{who}");
        assert_eq!(fetch(&cdn, "/a").body, "public", "{who}");
        assert!(fetch(&cdn, "/a").is_hit(), "{who}");
    }
}

#[test]
fn a_password_is_not_answered_with_what_others_got_unless_that_is_for_all() {
    let origin = Backend::start(|request| {
        let control = if request.contains("/all") {
            "public, "
        } else {
            ""
        };
        let fields = format!("cache-control: {control}max-age=60");
        answer(
            &fields,
            if request.contains("authorization") {
                "mine"
            } else {
                "anybody's"
            },
        )
    });
    let cdn = cdn(&origin, "");
    let with_password = |path| ask(&cdn, "GET", path, "authorization: Bearer x").body;
    fetch(&cdn, "/a");
    fetch(&cdn, "/all");
    assert_eq!(with_password("/a"), "mine");
    assert_eq!(with_password("/all"), "anybody's");
}

#[test]
fn what_varies_by_who_we_say_asks_is_not_stored() {
    let origin = Backend::start(|_| answer("cache-control: max-age=60\nvary: x-forwarded-for", ""));
    let cdn = cdn(&origin, "");
    fetch(&cdn, "/a");
    assert!(!fetch(&cdn, "/a").is_hit());
}

#[test]
fn a_field_that_is_not_sent_on_does_not_choose_the_variant() {
    let origin = Backend::start(|request| {
        let coding = request
            .lines()
            .find_map(|line| line.strip_prefix("accept-encoding: "));
        answer(
            "cache-control: max-age=60\nvary: accept-encoding",
            coding.unwrap_or("plain"),
        )
    });
    let cdn = cdn(&origin, "");
    let attack = "GET /a HTTP/1.1\r\nhost: shop\r\naccept-encoding: br\r\n\
        connection: close, accept-encoding\r\n\r\n";
    exchange(&cdn, attack);
    let victim = ask(&cdn, "GET", "/a", "accept-encoding: br");
    assert_eq!(victim.body, "br", "{victim:?}");
}

#[test]
fn a_host_that_is_none_is_refused() {
    let origin = echoing();
    let cdn = cdn(&origin, "");
    for host in [
        "shop/js",
        "shop?a",
        "shop#a",
        "a@shop",
        "sh op",
        "sh\u{f6}p",
    ] {
        let request = format!("GET /a HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(Answer::of(&exchange(&cdn, request)).status, 400, "{host}");
    }
    assert!(origin.seen().is_empty());
}

#[test]
fn the_origin_sees_the_host_as_it_is_in_the_key() {
    let origin = echoing();
    let cdn = cdn(&origin, "");
    let asked = "GET /a HTTP/1.1\r\nhost: SHOP:80\r\nconnection: close\r\n\r\n";
    exchange(&cdn, asked);
    let victim = fetch(&cdn, "/a");
    assert!(victim.is_hit(), "{victim:?}");
    assert!(victim.body.contains("host: shop\r\n"), "{victim:?}");
    assert!(
        !victim.body.to_lowercase().contains("shop:80"),
        "{victim:?}"
    );
}

#[test]
fn what_a_trusted_proxy_says_of_the_host_is_not_what_others_get() {
    let origin = echoing();
    let cdn = cdn(&origin, "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]");
    ask(
        &cdn,
        "GET",
        "/a",
        "x-forwarded-host: evil\nx-forwarded-proto: evil",
    );
    let victim = fetch(&cdn, "/a");
    assert!(
        victim.is_hit() && !victim.body.contains("evil"),
        "{victim:?}"
    );
}

#[test]
fn errors_that_one_provokes_do_not_keep_the_others_from_being_served() {
    let origin = Backend::start(|request| {
        match request.contains("x-bad") {
        true => Act::Send(said(400, "", "bad")),
        false => Act::Send(
            b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"
                .to_vec(),
        ),
    }
    });
    let cdn = cdn(&origin, "");
    for who in ["x-bad: 1", "cookie: a=b"] {
        ask(&cdn, "GET", "/a", who);
    }
    fetch(&cdn, "/a");
    assert!(fetch(&cdn, "/a").is_hit());
}
