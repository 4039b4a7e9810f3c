use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LINK};
use axum::http::{Request, Response, request};
use axum::{Extension, Router};
use contract::text::PersonName;
use contract::users::{Credentials, Identity, LoggedIn, NewUser, SessionToken, User};
use contract::{Ctx, Cursor, UserId, Users, UsersError};
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::PgPool;
use tower::ServiceExt;

use super::{Shop, for_all};
use crate::http;

/// Knows two people: the tokens `staff` and `shopper`.
struct Doorman;

#[async_trait::async_trait]
impl Users for Doorman {
    async fn authenticate(
        &self,
        _: &Ctx,
        token: &SessionToken,
    ) -> Result<Option<Identity>, UsersError> {
        let known = ["staff", "shopper"].contains(&token.expose());
        Ok(known.then(|| Identity {
            user_id: UserId(uuid::Uuid::from_u128(1)),
            email: "somebody@example.test".parse().unwrap(),
            name: "Somebody".parse().unwrap(),
            staff: token.expose() == "staff",
        }))
    }

    async fn register(&self, _: &Ctx, _: UserId, _: NewUser) -> Result<User, UsersError> {
        unreachable!()
    }

    async fn log_in(&self, _: &Ctx, _: Credentials, _: IpAddr) -> Result<LoggedIn, UsersError> {
        unreachable!()
    }

    async fn log_out(&self, _: &Ctx, _: &SessionToken) -> Result<(), UsersError> {
        unreachable!()
    }

    async fn log_out_everywhere(&self, _: &Ctx, _: UserId) -> Result<(), UsersError> {
        unreachable!()
    }

    async fn user(&self, _: &Ctx, _: UserId) -> Result<Option<User>, UsersError> {
        unreachable!()
    }

    async fn rename(&self, _: &Ctx, _: UserId, _: PersonName) -> Result<User, UsersError> {
        unreachable!()
    }
}

fn router(shop: &Shop) -> Router {
    http::routes(Arc::new(shop.service.clone()))
        .layer(runtime::auth::layer(Arc::new(Doorman)))
        .layer(Extension(shop.ctx.clone()))
}

async fn get(shop: &Shop, path: &str) -> Response<Body> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    router(shop).oneshot(request).await.unwrap()
}

async fn restock(shop: &Shop, sku: &str, token: &str, body: impl Into<Body>) -> Response<Body> {
    let request = restocking(sku, token).body(body.into()).unwrap();
    router(shop).oneshot(request).await.unwrap()
}

fn restocking(sku: &str, token: &str) -> request::Builder {
    Request::post(format!("/api/v1/products/{sku}/stock"))
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
}

/// Status and body.
async fn told(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

fn product(sku: &str, available: i32) -> Value {
    json!({
        "sku": sku, "name": format!("Stoneware {}", sku.to_lowercase()), "description": "",
        "category": "tableware", "price_cents": 1050, "available": available,
    })
}

#[sqlx::test]
async fn a_delivery_with_a_key_counts_once(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3)]).await;
    let deliver = async |key: &str, delta: i32| {
        let request = restocking("MUG", "staff")
            .header("Idempotency-Key", key)
            .body(Body::from(json!({ "delta": delta }).to_string()))
            .unwrap();
        told(router(&shop).oneshot(request).await.unwrap()).await
    };
    let level = (200, json!({ "sku": "MUG", "available": 8 }));
    assert_eq!(deliver("monday", 5).await, level);
    assert_eq!(deliver("\"monday\"", 5).await, level);
    let problem = json!({
        "type": "/problems/restock-reused",
        "title": "Delivery came before",
        "status": 409,
        "detail": "this delivery came before with another product or quantity",
    });
    assert_eq!(deliver("monday", 6).await, (409, problem));
    assert_eq!(deliver("two words", 6).await.0, 400);
    let level = (200, json!({ "sku": "MUG", "available": 13 }));
    assert_eq!(deliver("tuesday", 5).await, level);
}

#[sqlx::test]
async fn lists_products_and_links_the_next_page(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3), ("BOWL", 0), ("PLATE", 1)]).await;
    let first = get(&shop, "/api/v1/products?category=tableware&q=stone&limit=2").await;
    let link = first.headers()[LINK].to_str().unwrap().to_owned();
    let next = Cursor::encode(&"MUG");
    let path = format!(
        "/api/v1/products?category=tableware&q=stone&cursor={}&limit=2",
        next.as_str()
    );
    assert_eq!(link, format!("<{path}>; rel=\"next\""));
    assert_eq!(
        told(first).await,
        (
            200,
            json!({"items": [product("BOWL", 0), product("MUG", 3)], "next": next})
        )
    );

    let last = get(&shop, &path).await;
    assert_eq!(last.headers().get(LINK), None);
    assert_eq!(
        told(last).await,
        (200, json!({"items": [product("PLATE", 1)], "next": null}))
    );
}

#[sqlx::test]
async fn shows_a_product_and_the_categories(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3)]).await;
    assert_eq!(
        told(get(&shop, "/api/v1/products/MUG").await).await,
        (200, product("MUG", 3))
    );
    assert_eq!(
        told(get(&shop, "/api/v1/products/SOUP").await).await,
        (
            404,
            json!({
                "type": "/problems/no-such-product", "title": "No such product", "status": 404,
                "detail": "there is no product SOUP", "short": {"sku": "SOUP", "available": 0},
            })
        )
    );
    assert_eq!(
        told(get(&shop, "/api/v1/categories").await).await,
        (
            200,
            json!([{"slug": "tableware", "name": "Tableware", "products": 1}])
        )
    );
}

#[sqlx::test]
async fn only_staff_restock(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3)]).await;
    for (token, status) in [("nobody", 401), ("shopper", 403)] {
        assert_eq!(
            restock(&shop, "MUG", token, r#"{"delta": 5}"#)
                .await
                .status(),
            status
        );
    }
    assert_eq!(
        told(restock(&shop, "MUG", "staff", r#"{"delta": 5}"#).await).await,
        (200, json!({"sku": "MUG", "available": 8}))
    );
    assert_eq!(
        told(restock(&shop, "MUG", "staff", r#"{"delta": -9}"#).await).await,
        (
            409,
            json!({
                "type": "/problems/out-of-stock", "title": "Not enough in stock", "status": 409,
                "detail": "only 8 of MUG left", "short": {"sku": "MUG", "available": 8},
            })
        )
    );
    assert_eq!(shop.findings().await, [""; 0]);
}

#[sqlx::test]
async fn names_the_field_that_is_wrong(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3)]).await;
    let field = async |response: Response<Body>| {
        let (status, problem) = told(response).await;
        (
            status,
            problem["errors"][0]["field"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    for (path, name) in [
        ("/api/v1/products?limit=0", "limit"),
        ("/api/v1/products?limit=many", "limit"),
        ("/api/v1/products?category=A%20B", "category"),
        ("/api/v1/products?q=%00", "q"),
        ("/api/v1/products?cursor=%25%25", "cursor"),
        ("/api/v1/products?colour=red", "colour"),
        ("/api/v1/products/mug%201", "sku"),
    ] {
        assert_eq!(
            field(get(&shop, path).await).await,
            (400, name.to_owned()),
            "{path}"
        );
    }
    for body in [r#"{"delta": 0}"#, r#"{"delta": "5"}"#, r#"{"delta": 1e9}"#] {
        let answer = field(restock(&shop, "MUG", "staff", body).await).await;
        assert_eq!(answer, (422, "delta".to_owned()), "{body}");
    }
}

/// Percent-encodes whatever is no plain letter or digit.
fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn any_path() -> impl Strategy<Value = String> {
    let text = || {
        prop_oneof![
            any::<String>(),
            "[ -~]{0,12}",
            "[A-Z0-9a-z '\":*|&!<>()-]{0,20}"
        ]
    };
    let key = prop_oneof![
        Just("category".to_owned()),
        Just("q".to_owned()),
        Just("cursor".to_owned()),
        Just("limit".to_owned()),
        text(),
    ];
    let cursor = prop_oneof![
        text().prop_map(|sku| Cursor::encode(&sku).as_str().to_owned()),
        any::<(i64, bool)>().prop_map(|key| Cursor::encode(&key).as_str().to_owned()),
    ];
    let pair = prop_oneof![
        3 => (key, text()).prop_map(|(key, value)| format!("{}={}", encoded(&key), encoded(&value))),
        1 => text().prop_map(|q| format!("q={}", encoded(&q))),
        1 => cursor.prop_map(|cursor| format!("cursor={cursor}")),
        1 => "[!$%&'()*+,/:;=?@A-Za-z0-9._~-]{0,20}",
    ];
    let query = proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"));
    prop_oneof![
        3 => query.prop_map(|query| format!("/api/v1/products?{query}")),
        1 => text().prop_map(|sku| format!("/api/v1/products/{}", encoded(&sku))),
    ]
}

#[sqlx::test]
async fn no_address_makes_it_fail(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3), ("BOWL", 1)]).await;
    for_all(400, any_path(), move |path| {
        let shop = shop.clone();
        async move {
            let response = get(&shop, &path).await;
            assert!(
                response.status().as_u16() < 500,
                "{path}: {}",
                response.status()
            );
        }
    })
    .await;
}

#[sqlx::test]
async fn no_body_makes_it_fail(pool: PgPool) {
    let shop = Shop::with(pool, &[("MUG", 3)]).await;
    let json = prop_oneof![
        any::<i64>().prop_map(|delta| json!({"delta": delta})),
        any::<String>().prop_map(|delta| json!({"delta": delta})),
        (any::<String>(), any::<f64>()).prop_map(|(key, value)| json!({key: value})),
        any::<Vec<String>>().prop_map(|list| json!(list)),
    ];
    let body = prop_oneof![
        json.prop_map(|json| json.to_string().into_bytes()),
        any::<Vec<u8>>(),
    ];
    for_all(200, body, move |body| {
        let shop = shop.clone();
        async move {
            let response = restock(&shop, "MUG", "staff", body).await;
            assert!(response.status().as_u16() < 500, "{}", response.status());
        }
    })
    .await;
}

#[test]
fn every_route_is_described() {
    let described: Vec<_> = http::openapi().paths.paths.into_keys().collect();
    assert_eq!(
        described,
        [
            "/api/v1/categories",
            "/api/v1/products",
            "/api/v1/products/{sku}",
            "/api/v1/products/{sku}/stock",
        ]
    );
}
