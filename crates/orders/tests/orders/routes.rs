use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LINK, LOCATION};
use axum::http::{Request, Response, request};
use contract::{Cursor, OrderId};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sqlx::PgPool;
use tower::ServiceExt;

use crate::support::doorman::{Doorman, user_id};
use crate::support::{Shop, ctx, key, shop};

async fn send(shop: &Shop, request: Request<Body>) -> Response<Body> {
    let router = orders::http::routes(Arc::new(shop.orders.clone()))
        .layer(runtime::auth::layer(Arc::new(Doorman)))
        .layer(Extension(ctx()));
    router.oneshot(request).await.unwrap()
}

fn request(method: &str, path: &str, token: &str) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header(AUTHORIZATION, format!("Bearer {token}"))
}

async fn ask(shop: &Shop, method: &str, path: &str, token: &str) -> Response<Body> {
    send(
        shop,
        request(method, path, token).body(Body::empty()).unwrap(),
    )
    .await
}

async fn tell(request: request::Builder, shop: &Shop, body: Value) -> Response<Body> {
    let request = request.header(CONTENT_TYPE, "application/json");
    send(shop, request.body(body.to_string().into()).unwrap()).await
}

async fn place(shop: &Shop, token: &str, key: &str, lines: Value) -> Response<Body> {
    let request = request("POST", "/orders", token).header("Idempotency-Key", key);
    tell(request, shop, json!({ "lines": lines })).await
}

/// Status and body.
async fn told(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[sqlx::test]
async fn a_retry_gets_the_first_answer_again_and_is_told_so(pool: PgPool) {
    let shop = shop(pool);
    let lines = json!([{ "sku": "POT", "quantity": 2 }]);
    let first = place(&shop, "ada", "k", lines.clone()).await;
    let id = OrderId::derive(user_id("ada"), &key("k"));
    assert_eq!(first.headers()[LOCATION], format!("/api/v1/orders/{id}"));
    assert_eq!(first.headers().get("idempotent-replayed"), None);
    let (status, order) = told(first).await;
    let expected = json!({
        "id": id,
        "user_id": user_id("ada"),
        "status": "placed",
        "lines": [{ "sku": "POT", "name": "pot", "quantity": 2, "price_cents": 2000 }],
        "total_cents": 4000,
        "created_at": order["created_at"],
    });
    assert_eq!((status, &order), (201, &expected));

    // The same key, as the draft writes it.
    let again = place(&shop, "ada", "\"k\"", lines).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(told(again).await, (201, order));

    let other = place(&shop, "ada", "k", json!([{ "sku": "POT", "quantity": 1 }])).await;
    let problem = json!({
        "type": "/problems/key-reused",
        "title": "Idempotency-Key used for another order",
        "status": 422,
        "detail": "this Idempotency-Key came before with another order",
    });
    assert_eq!(told(other).await, (422, problem));
}

#[sqlx::test]
async fn an_order_needs_a_key(pool: PgPool) {
    let shop = shop(pool);
    let body = json!({ "lines": [{ "sku": "MUG", "quantity": 1 }] });
    let keyless = tell(request("POST", "/orders", "ada"), &shop, body).await;
    let problem = json!({
        "type": "/problems/no-idempotency-key",
        "title": "No Idempotency-Key",
        "status": 400,
        "detail": "orders need an Idempotency-Key, so that a retry is not a second order",
    });
    assert_eq!(told(keyless).await, (400, problem));

    let malformed = place(&shop, "ada", "two words", json!([])).await;
    let problem = json!({
        "type": "/problems/bad-idempotency-key",
        "title": "Malformed Idempotency-Key",
        "status": 400,
        "errors": [{
            "field": "Idempotency-Key",
            "detail": "expected 1 to 128 visible ASCII characters",
        }],
    });
    assert_eq!(told(malformed).await, (400, problem));
}

#[sqlx::test]
async fn says_what_is_short(pool: PgPool) {
    let short = place(
        &shop(pool),
        "ada",
        "k",
        json!([{ "sku": "RUG", "quantity": 2 }]),
    )
    .await;
    let problem = json!({
        "type": "/problems/out-of-stock",
        "title": "Not enough in stock",
        "status": 409,
        "detail": "only 1 of RUG left",
        "short": { "sku": "RUG", "available": 1 },
    });
    assert_eq!(told(short).await, (409, problem));
}

#[sqlx::test]
async fn a_cart_is_put_together_and_taken_apart(pool: PgPool) {
    let shop = shop(pool);
    let quantity = json!({ "quantity": 2 });
    let put = tell(
        request("PUT", "/cart/items/MUG", "ada"),
        &shop,
        quantity.clone(),
    )
    .await;
    let cart = json!({
        "items": [
            { "sku": "MUG", "name": "mug", "quantity": 2, "price_cents": 500, "available": 10 },
        ],
        "total_cents": 1000,
    });
    assert_eq!(told(put).await, (200, cart.clone()));
    assert_eq!(
        told(ask(&shop, "GET", "/cart", "ada").await).await,
        (200, cart)
    );

    let empty = json!({ "items": [], "total_cents": 0 });
    assert_eq!(
        told(ask(&shop, "GET", "/cart", "bob").await).await,
        (200, empty.clone())
    );
    let removed = ask(&shop, "DELETE", "/cart/items/MUG", "ada").await;
    assert_eq!(told(removed).await, (200, empty));

    let unknown = tell(
        request("PUT", "/cart/items/UNICORN", "ada"),
        &shop,
        quantity,
    )
    .await;
    let problem = json!({
        "type": "/problems/no-such-product",
        "title": "No such product",
        "status": 422,
        "detail": "there is no product UNICORN",
        "short": { "sku": "UNICORN", "available": 0 },
    });
    assert_eq!(told(unknown).await, (422, problem));
}

#[sqlx::test]
async fn orders_are_listed_shown_and_cancelled_by_their_user_alone(pool: PgPool) {
    let shop = shop(pool);
    let lines = json!([{ "sku": "MUG", "quantity": 1 }]);
    let (_, first) = told(place(&shop, "ada", "1", lines.clone()).await).await;
    let (_, second) = told(place(&shop, "ada", "2", lines).await).await;

    let page = ask(&shop, "GET", "/orders?limit=1", "ada").await;
    let next = Cursor::encode(&(&second["created_at"], &second["id"]));
    let link = format!(
        "</api/v1/orders?cursor={}&limit=1>; rel=\"next\"",
        next.as_str()
    );
    assert_eq!(page.headers()[LINK], link);
    assert_eq!(
        told(page).await,
        (200, json!({ "items": [second], "next": next }))
    );
    let rest = format!("/orders?cursor={}&limit=1", next.as_str());
    let page = ask(&shop, "GET", &rest, "ada").await;
    assert_eq!(page.headers().get(LINK), None);
    assert_eq!(
        told(page).await,
        (200, json!({ "items": [first], "next": null }))
    );

    let path = format!("/orders/{}", first["id"].as_str().unwrap());
    assert_eq!(
        told(ask(&shop, "GET", &path, "ada").await).await,
        (200, first.clone())
    );
    let unknown = json!({
        "type": "/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no such order",
    });
    assert_eq!(
        told(ask(&shop, "GET", &path, "bob").await).await,
        (404, unknown.clone())
    );
    let cancel = format!("{path}/cancel");
    assert_eq!(
        told(ask(&shop, "POST", &cancel, "bob").await).await,
        (404, unknown)
    );
    let mut cancelled = first;
    cancelled["status"] = json!("cancelled");
    for _ in 0..2 {
        let answer = ask(&shop, "POST", &cancel, "ada").await;
        assert_eq!(told(answer).await, (200, cancelled.clone()));
    }
}

#[sqlx::test]
async fn staff_see_everybodys_orders_and_the_report(pool: PgPool) {
    let shop = shop(pool);
    let lines = json!([{ "sku": "MUG", "quantity": 2 }]);
    let (_, of_ada) = told(place(&shop, "ada", "k", lines.clone()).await).await;
    let (_, of_bob) = told(place(&shop, "bob", "k", lines).await).await;

    let all = told(ask(&shop, "GET", "/orders/all", "staff").await).await;
    let expected = json!({ "items": [of_bob, of_ada], "next": null, "partial": false });
    assert_eq!(all, (200, expected));
    let (status, report) = told(ask(&shop, "GET", "/reports/sales?days=7", "staff").await).await;
    assert_eq!(status, 200);
    assert_eq!(
        report,
        json!({
            "days": 7,
            "orders": 2,
            "revenue_cents": 2000,
            "top_products": [{ "sku": "MUG", "name": "mug", "quantity": 4, "revenue_cents": 2000 }],
            "per_day": report["per_day"],
            "partial": false,
        })
    );
    for path in ["/orders/all", "/reports/sales"] {
        assert_eq!(ask(&shop, "GET", path, "ada").await.status(), 403);
        assert_eq!(ask(&shop, "GET", path, "nobody").await.status(), 401);
    }
}

#[sqlx::test]
async fn a_strange_cursor_is_refused(pool: PgPool) {
    let shop = shop(pool);
    for path in ["/orders?cursor=x", "/orders/all?cursor=x"] {
        let problem = json!({
            "type": "/problems/bad-cursor",
            "title": "Unknown cursor",
            "status": 400,
            "errors": [{ "field": "cursor", "detail": "this cursor was not made by this list" }],
        });
        assert_eq!(
            told(ask(&shop, "GET", path, "staff").await).await,
            (400, problem)
        );
    }
}

fn any_path() -> impl Strategy<Value = String> {
    let id = || {
        prop_oneof![
            any::<u128>().prop_map(|n| format!("{n:032x}")),
            "(%[0-9A-F]{2}|[A-Za-z0-9._~-]){1,40}"
        ]
    };
    let cursor = prop_oneof![
        "[A-Za-z0-9_-]{0,40}",
        (-300_000..300_000, any::<u128>()).prop_map(|(year, id)| {
            let key = (
                format!("{year:+}-01-01T00:00:00Z"),
                uuid::Uuid::from_u128(id),
            );
            Cursor::encode(&key).as_str().to_owned()
        }),
        (any::<i64>(), any::<String>()).prop_map(|key| Cursor::encode(&key).as_str().to_owned()),
    ];
    let query = prop_oneof![
        cursor.prop_map(|cursor| format!("cursor={cursor}")),
        any::<i64>().prop_map(|n| format!("limit={n}")),
        any::<i64>().prop_map(|n| format!("days={n}")),
        "days=[0-9]{1,3}",
        "(%[0-9A-F]{2}|[A-Za-z0-9.=&-]){0,30}",
    ];
    let path = prop_oneof![
        Just("/orders".to_owned()),
        Just("/orders/all".to_owned()),
        Just("/reports/sales".to_owned()),
        Just("/cart".to_owned()),
        id().prop_map(|id| format!("/orders/{id}")),
        id().prop_map(|id| format!("/orders/{id}/cancel")),
        id().prop_map(|id| format!("/cart/items/{id}")),
    ];
    (path, query).prop_map(|(path, query)| format!("{path}?{query}"))
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let sku = prop_oneof![Just("MUG".to_owned()), any::<String>()];
    let quantity = prop_oneof![
        any::<i64>().prop_map(Value::from),
        (1..99).prop_map(Value::from)
    ];
    let line = (sku, quantity.clone()).prop_map(|(s, q)| json!({ "sku": s, "quantity": q }));
    prop_oneof![
        prop::collection::vec(line, 0..60)
            .prop_map(|lines| json!({ "lines": lines }).to_string().into_bytes()),
        quantity.prop_map(|q| json!({ "quantity": q }).to_string().into_bytes()),
        any::<(String, f64)>().prop_map(|(k, v)| json!({ k: v }).to_string().into_bytes()),
        any::<Vec<u8>>(),
    ]
}

fn any_request() -> impl Strategy<Value = (String, String, Vec<u8>, Vec<u8>)> {
    let method = "GET|PUT|POST|DELETE";
    let byte = prop_oneof![0x20..0x7f_u8, 0x80..=0xff_u8];
    let key = prop_oneof![Just(b"k".to_vec()), prop::collection::vec(byte, 0..20)];
    (method, any_path(), key, any_body())
}

#[sqlx::test]
async fn no_request_makes_it_fail(pool: PgPool) {
    let shop = shop(pool);
    let tokio = tokio::runtime::Handle::current();
    let run = move || {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 1_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let ran = runner.run(&any_request(), |(method, path, key, body)| {
            let request = request(&method, &path, "staff")
                .header(CONTENT_TYPE, "application/json")
                .header("Idempotency-Key", key)
                .body(body.into())
                .unwrap();
            let response = tokio.block_on(send(&shop, request));
            prop_assert!(response.status().as_u16() < 500, "{}", response.status());
            Ok(())
        });
        ran.unwrap_or_else(|failure| panic!("{failure}"));
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}

#[test]
fn every_route_is_described() {
    let described: Vec<_> = orders::http::openapi().paths.paths.into_keys().collect();
    assert_eq!(
        described,
        [
            "/api/v1/cart",
            "/api/v1/cart/items/{sku}",
            "/api/v1/orders",
            "/api/v1/orders/all",
            "/api/v1/orders/{id}",
            "/api/v1/orders/{id}/cancel",
            "/api/v1/reports/sales",
        ]
    );
}
