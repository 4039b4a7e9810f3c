use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use contract::inventory::ProductQuery;
use contract::orders::NewOrder;
use contract::users::NewUser;
use contract::{OrderId, Sku};
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

fn router() -> Router {
    Router::new()
        .route("/orders", post(async |Json(new): Json<NewOrder>| Json(new)))
        .route("/users", post(async |Json(new): Json<NewUser>| Json(new)))
        .route("/form", post(async |Form(new): Form<NewUser>| Json(new)))
        .route(
            "/products",
            get(async |Query(query): Query<ProductQuery>| Json(query)),
        )
        .route(
            "/products/{sku}",
            get(async |Path(sku): Path<Sku>| Json(sku)),
        )
        .route(
            "/orders/{id}/lines/{sku}",
            get(async |Path((id, sku)): Path<(OrderId, Sku)>| Json((id, sku))),
        )
}

async fn send(request: Request) -> (u16, Value) {
    let response = router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get_path(path: &str) -> (u16, Value) {
    send(Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post_as(kind: &str, path: &str, body: impl Into<Body>) -> (u16, Value) {
    let request = Request::post(path).header(CONTENT_TYPE, kind);
    send(request.body(body.into()).unwrap()).await
}

async fn post_json(body: &str) -> (u16, Value) {
    post_as("application/json", "/orders", body.to_owned()).await
}

#[tokio::test]
async fn what_a_body_says_wrong_is_named_by_field() {
    for (body, field, detail) in [
        (
            r#"{"lines": [{"sku": "MUG-1", "quantity": 0}]}"#,
            "lines[0].quantity",
            "expected 1 to 99",
        ),
        (
            r#"{"lines": [{"sku": "MUG-1", "quantity": "2"}]}"#,
            "lines[0].quantity",
            "invalid type: string \"2\", expected i64",
        ),
        (
            r#"{"lines": [{"sku": "MUG-1", "quantity": 1}, {"sku": "mug", "quantity": 1}]}"#,
            "lines[1].sku",
            "expected 1 to 32 of A-Z, 0-9 and -",
        ),
        (r#"{"lines": []}"#, "lines", "expected 1 to 50 lines"),
        (r#"{}"#, "body", "missing field `lines`"),
        (
            r#"{"lines": [], "coupon": 1}"#,
            "lines",
            "expected 1 to 50 lines",
        ),
        (
            r#"{"coupon": 1}"#,
            "coupon",
            "unknown field `coupon`, expected `lines`",
        ),
        (
            "7",
            "body",
            "invalid type: integer `7`, expected struct NewOrder",
        ),
    ] {
        let (status, problem) = post_json(body).await;
        assert_eq!(
            (status, problem),
            (
                422,
                json!({
                    "type": "/problems/invalid",
                    "title": "The request says something that cannot be",
                    "status": 422,
                    "errors": [{"field": field, "detail": detail}],
                })
            ),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_not_json_is_told_so() {
    for body in [
        "",
        "{",
        r#"{"lines": [{"sku": "A", "quantity": 1}]} x"#,
        "nul",
        "\u{0}",
        r#"{"lines": [}"#,
    ] {
        let (status, problem) = post_json(body).await;
        assert_eq!(
            (status, &problem["type"]),
            (400, &json!("/problems/bad-json")),
            "{body}"
        );
    }
    let (status, problem) = post_as("text/plain", "/orders", "{}").await;
    assert_eq!(
        (status, &problem["detail"]),
        (415, &json!("expected application/json"))
    );
    let (status, _) = post_as("Application/JSON; charset=utf-8", "/orders", "{}").await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn a_query_is_strict_but_for_empty_fields() {
    let none = json!({"category": null, "q": null, "cursor": null, "limit": 24});
    for path in ["/products", "/products?", "/products?category=&q=&&cursor"] {
        assert_eq!(get_path(path).await, (200, none.clone()), "{path}");
    }
    assert_eq!(
        get_path("/products?q=tea+pot&limit=5").await.1["q"],
        "tea pot"
    );
    for (query, field, detail) in [
        ("limit=0", "limit", "expected 1 to 100"),
        ("limit=x", "limit", "invalid digit found in string"),
        (
            "q=%00",
            "q",
            "expected 1 to 100 characters, none of them control characters",
        ),
        (
            "sort=up",
            "sort",
            "unknown field `sort`, expected one of `category`, `q`, `cursor`, `limit`",
        ),
        ("q=a&q=b", "query", "duplicate field `q`"),
    ] {
        let (status, problem) = get_path(&format!("/products?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert_eq!(
            problem["errors"],
            json!([{"field": field, "detail": detail}]),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_path_that_does_not_parse_names_its_parameter() {
    let (status, problem) = get_path("/products/mug").await;
    assert_eq!(status, 400);
    let detail = "expected 1 to 32 of A-Z, 0-9 and -";
    assert_eq!(
        problem["errors"],
        json!([{"field": "sku", "detail": detail}])
    );
    let (status, problem) = get_path("/orders/7/lines/MUG-1").await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (400, &json!("id"))
    );
    let (status, problem) = get_path("/products/%ff").await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (400, &json!("sku"))
    );
}

#[tokio::test]
async fn a_form_is_read_like_a_body() {
    let kind = "application/x-www-form-urlencoded";
    let (status, problem) = post_as(kind, "/form", "email=ada&password=x&name=Ada").await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (422, &json!("email"))
    );
    let (status, _) = post_as(kind, "/form", "email=a%40b.c&password=x&name=Ada").await;
    assert_eq!(status, 200);
}

/// JSON that is nearly right more often than random bytes are.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof!["lines|sku|quantity|email|password|name", any::<String>()];
    let value = leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    value.prop_map(|value| value.to_string())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let tokio = tokio::runtime::Builder::new_current_thread().build();
    tokio.unwrap().block_on(work)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        json_text().prop_map(String::into_bytes),
        (json_text(), any::<prop::sample::Index>()).prop_map(|(text, cut)| {
            let bytes = text.into_bytes();
            bytes[..cut.index(bytes.len())].to_vec()
        }),
    ]
}

proptest! {
    #[test]
    fn no_body_makes_us_fail(body in body()) {
        for (kind, path) in [
            ("application/json", "/orders"),
            ("application/json", "/users"),
            ("application/x-www-form-urlencoded", "/form"),
        ] {
            let (status, answer) = block_on(post_as(kind, path, body.clone()));
            prop_assert!(status < 500, "{status} {answer}");
            if status != 200 {
                prop_assert!(answer["type"].as_str().unwrap().starts_with("/problems/"));
            }
        }
    }

    #[test]
    fn no_address_makes_us_fail(tail in "([ -~]|%[0-9a-f]{2}){0,40}") {
        for path in ["/products/", "/products?", "/orders/x/lines/"] {
            let request = Request::get(format!("{path}{tail}")).body(Body::empty());
            let Ok(request) = request else { continue };
            let response = block_on(router().oneshot(request)).unwrap();
            prop_assert!(response.status().as_u16() < 500);
        }
    }
}
