use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::extract::Context;
use crate::session_cookie;

async fn cookie() -> impl IntoResponse {
    let token = contract::users::SessionToken::new("t");
    let cookie = session_cookie(&token, chrono::DateTime::UNIX_EPOCH);
    ([(http::header::SET_COOKIE, cookie)], "hello")
}

async fn query(Context(ctx): Context) -> String {
    ctx.record("db", "db write", Duration::from_micros(1500));
    ctx.request_id().to_owned()
}

/// The trace, and the milliseconds left.
async fn context(Context(ctx): Context) -> String {
    let left = ctx.remaining().unwrap_or_default();
    format!(
        "{} {}",
        ctx.traceparent().unwrap_or_default(),
        left.as_millis()
    )
}

async fn echo(body: bytes::Bytes) -> bytes::Bytes {
    body
}

fn router(config: &LayerConfig) -> Router {
    let routes = Router::new()
        .route("/query", get(query))
        .route("/context", get(context))
        .route("/cookie", get(cookie))
        .route("/echo", post(echo))
        .route("/panic", get(async || -> &str { panic!("as asked") }))
        .route("/slow", get(std::future::pending::<()>))
        .route("/api/v1/users", get("ada"))
        .route(
            "/api/v1/public",
            get(([("cache-control", "public, max-age=60")], "all")),
        )
        .route("/pages/lost", get((StatusCode::NOT_FOUND, "a page")))
        .route("/pages/counted", get("a page"));
    public(routes, config)
}

fn config() -> LayerConfig {
    LayerConfig {
        instance: "web-1".into(),
        ..LayerConfig::default()
    }
}

async fn send(config: &LayerConfig, request: Request<Body>) -> Response {
    router(config).oneshot(request).await.unwrap()
}

fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

async fn get_path(config: &LayerConfig, path: &str) -> Response {
    send(config, request(Method::GET, path, &[])).await
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn problem(response: Response) -> Value {
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/problem+json");
    serde_json::from_str(&text(response).await).unwrap()
}

#[tokio::test]
async fn an_answer_tells_its_id_and_its_path() {
    let headers = [("x-request-id", "r-1")];
    let response = send(&config(), request(Method::GET, "/query", &headers)).await;
    let headers = response.headers();
    assert_eq!(headers["x-request-id"], "r-1");
    let timing = headers["server-timing"].to_str().unwrap();
    assert!(timing.starts_with("web;desc=\"web-1\";dur="), "{timing}");
    assert!(
        timing.ends_with(", db;desc=\"db write\";dur=1.50"),
        "{timing}"
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "same-origin");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(text(response).await, "r-1");
}

#[tokio::test]
async fn only_trusted_proxies_say_which_request_this_is_and_how_long_it_may_take() {
    let mut config = config();
    config.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [
        ("x-request-id", "r-1"),
        ("traceparent", &traceparent),
        ("x-deadline-ms", "5000"),
    ];
    for (peer, believed) in [("10.1.1.1", true), ("192.0.2.1", false)] {
        let mut request = request(Method::GET, "/context", &headers);
        let peer = (peer.parse::<std::net::IpAddr>().unwrap(), 1).into();
        request.extensions_mut().insert(crate::server::Peer(peer));
        let response = send(&config, request).await;
        let id = response.headers()["x-request-id"].clone();
        let told = text(response).await;
        let (theirs, ms) = told.rsplit_once(' ').unwrap();
        assert_eq!(id == "r-1", believed, "{id:?}");
        assert_eq!(theirs.contains(trace), believed, "{told}");
        assert_eq!(ms.parse::<u64>().unwrap() <= 5000, believed, "{told}");
    }
}

#[tokio::test]
async fn nobody_on_the_way_keeps_what_programs_are_told() {
    for (path, expected) in [
        ("/api/v1/users", Some("no-store")),
        ("/api/v1/nothing", Some("no-store")),
        ("/api/v1/public", Some("public, max-age=60")),
        ("/cookie", None),
    ] {
        let response = get_path(&config(), path).await;
        let told = response.headers().get("cache-control");
        assert_eq!(
            told.map(|value| value.to_str().unwrap()),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn cookies_are_secure_behind_tls() {
    let mut config = config();
    let plain = get_path(&config, "/cookie").await;
    let cookie = "session=t; Path=/; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(plain.headers()["set-cookie"], cookie);
    config.http.behind_tls = true;
    let secure = get_path(&config, "/cookie").await;
    assert_eq!(secure.headers()["set-cookie"], format!("{cookie}; Secure"));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_served() {
    let response = get_path(&config(), "/panic").await;
    assert_eq!(response.status(), 500);
    assert_eq!(
        problem(response).await,
        json!({"type": "/problems/internal", "title": "Something broke on our side", "status": 500})
    );
}

#[tokio::test]
async fn a_fault_on_purpose_is_an_answer_of_its_own() {
    let (mut config, faults) = (config(), Faults::default());
    config.faults = Some(faults.clone());
    assert_eq!(get_path(&config, "/query").await.status(), 200);
    faults.set(crate::Fault {
        fail_ratio: 1.0,
        delay_ms: 0,
    });
    let response = get_path(&config, "/query").await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("server-timing"));
    assert_eq!(problem(response).await["type"], "/problems/injected");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_over_at_its_deadline() {
    let mut config = config();
    config.http.request_timeout = Duration::from_millis(20);
    let response = get_path(&config, "/slow").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        problem(response).await["type"],
        "/problems/deadline-exceeded"
    );
}

#[tokio::test]
async fn more_requests_than_slots_are_refused_at_once() {
    let mut config = config();
    config.http.max_in_flight = 1;
    let router = router(&config);
    let first = router.clone().oneshot(request(Method::GET, "/slow", &[]));
    let mut first = begin(first).await;
    let second = router.oneshot(request(Method::GET, "/query", &[])).await;
    let second = second.unwrap();
    assert_eq!(second.status(), 503);
    assert_eq!(second.headers()["retry-after"], "1");
    assert_eq!(problem(second).await["type"], "/problems/overloaded");
    assert!(futures::poll!(&mut first).is_pending());
}

/// Polls once what is to stay at work.
async fn begin<F: Future>(work: F) -> std::pin::Pin<Box<F>> {
    let mut work = Box::pin(work);
    assert!(futures::poll!(&mut work).is_pending());
    work
}

#[tokio::test]
async fn a_large_body_is_refused_whether_or_not_it_says_so() {
    let large = vec![b'x'; MAX_BODY_BYTES + 1];
    let chunks = large
        .chunks(1 << 16)
        .map(|chunk| Ok::<_, BoxError>(chunk.to_vec()));
    let chunks: Vec<_> = chunks.collect();
    let silent = Body::from_stream(futures::stream::iter(chunks));
    for body in [Body::from(large.clone()), silent] {
        let request = Request::post("/echo").body(body).unwrap();
        let response = send(&config(), request).await;
        assert_eq!(response.status(), 413);
        assert_eq!(problem(response).await["type"], "/problems/too-large");
    }
    let fits = Request::post("/echo").body(Body::from(vec![b'x'; MAX_BODY_BYTES]));
    assert_eq!(send(&config(), fits.unwrap()).await.status(), 200);
}

#[tokio::test]
async fn the_memory_of_a_body_is_given_back_with_the_answer() {
    let router = router(&config());
    let body = bytes::Bytes::from(vec![b'x'; MAX_BODY_BYTES]);
    for _ in 0..=MAX_BODY_MEMORY / MAX_BODY_BYTES {
        let request = Request::post("/echo").body(Body::from(body.clone()));
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_cut_and_holds_no_slot() {
    let mut config = config();
    config.http.max_in_flight = 0;
    let drip = futures::stream::pending::<Result<Vec<u8>, BoxError>>();
    let request = Request::post("/echo")
        .body(Body::from_stream(drip))
        .unwrap();
    let response = send(&config, request).await;
    assert_eq!(response.status(), 408);
}

#[tokio::test]
async fn programs_get_problems_where_there_is_no_route() {
    let config = config();
    for path in ["/api/v1/nothing", "/nothing"] {
        let response = get_path(&config, path).await;
        assert_eq!(response.status(), 404);
        assert_eq!(problem(response).await["type"], "/problems/not-found");
    }
    let response = send(&config, request(Method::DELETE, "/api/v1/users", &[])).await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_eq!(
        problem(response).await["type"],
        "/problems/method-not-allowed"
    );

    let page = get_path(&config, "/pages/lost").await;
    assert_eq!(
        (page.status().as_u16(), text(page).await.as_str()),
        (404, "a page")
    );
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing_here() {
    let config = config();
    let host = ("host", "shop.test:8080");
    let cookie = ("cookie", "a=b; session=t");
    for (headers, allowed) in [
        (vec![], true),
        (vec![("origin", "http://shop.test:8080")], true),
        (vec![("origin", "https://SHOP.test:8080")], true),
        (vec![("origin", "http://shop.test")], false),
        (vec![("origin", "http://evil.test")], false),
        (vec![("origin", "null")], false),
        (vec![("sec-fetch-site", "same-origin")], true),
        (vec![("sec-fetch-site", "none")], true),
        (vec![("sec-fetch-site", "same-site")], false),
        (vec![("sec-fetch-site", "cross-site")], false),
        (
            vec![
                ("sec-fetch-site", "cross-site"),
                ("authorization", "Bearer t"),
            ],
            true,
        ),
        (
            vec![
                ("sec-fetch-site", "cross-site"),
                ("authorization", "Bearer t"),
                cookie,
            ],
            false,
        ),
    ] {
        let headers = [vec![host], headers].concat();
        let response = send(&config, request(Method::POST, "/echo", &headers)).await;
        let expected = if allowed { 200 } else { 403 };
        assert_eq!(response.status(), expected, "{headers:?}");
        if !allowed {
            assert_eq!(problem(response).await["type"], "/problems/cross-origin");
        }
    }
    let headers = [host, ("sec-fetch-site", "cross-site")];
    let look = send(&config, request(Method::GET, "/query", &headers)).await;
    assert_eq!(look.status(), 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let metrics = crate::telemetry::metrics();
    get_path(&config(), "/pages/lost").await;
    for method in [Method::GET, Method::GET, Method::HEAD] {
        send(&config(), request(method, "/pages/counted", &[])).await;
    }
    send(
        &config(),
        request(Method::from_bytes(b"BREW").unwrap(), "/tea/1", &[]),
    )
    .await;
    let figures = metrics.render();
    for line in [
        r#"http_server_request_duration_seconds_bucket{route="/pages/lost",method="GET",status="404",le="0.005"}"#,
        r#"http_server_request_duration_seconds_count{route="unmatched",method="_OTHER",status="404"}"#,
        r#"http_server_response_bytes_total{route="/pages/counted"} 12"#,
    ] {
        assert!(figures.contains(line), "{line} in {figures}");
    }
}
