//! The public API, without a socket.

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use runtime::layers::{LayerConfig, public};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    fn api(&self) -> Router {
        let users: Arc<dyn Users> = Arc::new(self.users.clone());
        let routes = users::http::routes(users.clone()).layer(runtime::auth::layer(users));
        public(routes, &LayerConfig::default())
    }

    async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.api().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(request("POST", path, body)).await
    }

    async fn token(&self) -> String {
        self.register("ada@example.test").await.unwrap();
        let logged_in = self.log_in("ada@example.test", PASSWORD).await.unwrap();
        logged_in.token.expose().to_owned()
    }
}

fn request(method: &str, path: &str, body: impl ToString) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn bearing(mut request: Request<Body>, token: &str) -> Request<Body> {
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

#[sqlx::test]
async fn registers(pool: PgPool) {
    let world = World::new(pool);
    let new = json!({"email": "Ada@Example.test", "password": PASSWORD, "name": " Ada "});
    let opened = world.post("/api/v1/users", new.clone()).await;
    assert_eq!(opened.status, 201);
    assert_eq!(
        opened.body,
        json!({
            "id": opened.body["id"],
            "email": "ada@example.test",
            "name": "Ada",
            "staff": false,
            "created_at": "2026-01-01T12:00:00Z",
        })
    );

    let again = world.post("/api/v1/users", new).await;
    assert_eq!(again.status, 409);
    assert_eq!(
        again.body,
        json!({
            "type": "/problems/email-taken",
            "title": "E-mail address taken",
            "status": 409,
            "detail": "this e-mail address has an account already",
        })
    );
}

#[sqlx::test]
async fn names_the_field_that_is_wrong(pool: PgPool) {
    let world = World::new(pool);
    let new = json!({"email": "ada@example.test", "password": "short", "name": "Ada"});
    let short = world.post("/api/v1/users", new).await;
    assert_eq!(short.status, 422);
    let detail = "the password is too short: expected at least 8 characters";
    assert_eq!(
        short.body,
        json!({
            "type": "/problems/invalid",
            "title": "The request says something that cannot be",
            "status": 422,
            "errors": [{"field": "password", "detail": detail}],
        })
    );

    let new = json!({"email": "ada", "password": PASSWORD, "name": "Ada"});
    let wrong = world.post("/api/v1/users", new).await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.body["errors"][0]["field"]),
        (422, &json!("email"))
    );
}

#[sqlx::test]
async fn logs_in_by_token_and_by_cookie(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.register("ada@example.test").await.unwrap();
    let credentials = json!({"email": "ada@example.test", "password": PASSWORD});
    let logged_in = world.post("/api/v1/sessions", credentials).await;
    assert_eq!(logged_in.status, 201);
    let token = logged_in.body["token"].as_str().unwrap();
    let user = json!({
        "id": ada.id,
        "email": "ada@example.test",
        "name": "Ada",
        "staff": false,
        "created_at": "2026-01-01T12:00:00Z",
    });
    assert_eq!(
        logged_in.body,
        json!({"token": token, "expires_at": "2026-01-31T12:00:00Z", "user": user})
    );
    let cookie = logged_in.headers[SET_COOKIE].to_str().unwrap();
    assert_eq!(
        cookie,
        format!(
            "session={token}; Path=/; HttpOnly; SameSite=Lax; Expires=Sat, 31 Jan 2026 12:00:00 GMT"
        )
    );

    let mut by_cookie = request("GET", "/api/v1/users/me", "");
    let pair = cookie.split(';').next().unwrap().parse().unwrap();
    by_cookie.headers_mut().insert(COOKIE, pair);
    let by_token = bearing(request("GET", "/api/v1/users/me", ""), token);
    for request in [by_cookie, by_token] {
        let me = world.call(request).await;
        assert_eq!((me.status.as_u16(), me.body), (200, user.clone()));
    }
}

#[sqlx::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    for email in ["ada@example.test", "nobody@example.test"] {
        let credentials = json!({"email": email, "password": "wrong horse"});
        let refused = world.post("/api/v1/sessions", credentials).await;
        assert_eq!(refused.status, 401);
        assert_eq!(
            refused.body,
            json!({
                "type": "/problems/wrong-credentials",
                "title": "Wrong e-mail address or password",
                "status": 401,
                "detail": "no account has this e-mail address and password",
            })
        );
    }
}

#[sqlx::test]
async fn says_when_to_try_again(pool: PgPool) {
    let mut config = Config::default();
    config.log_in.account = cache::Rate::new(1, 1);
    let world = World::configured(pool, &config);
    let credentials = json!({"email": "ada@example.test", "password": PASSWORD});
    world.post("/api/v1/sessions", credentials.clone()).await;
    let refused = world.post("/api/v1/sessions", credentials).await;
    assert_eq!(refused.status, 429);
    let seconds: u32 = refused.headers[RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        refused.body,
        json!({
            "type": "/problems/too-many-attempts",
            "title": "Too many attempts",
            "status": 429,
            "detail": format!("too many attempts: try again in {seconds} s"),
            "retry_after": seconds,
        })
    );
}

#[sqlx::test]
async fn logs_out_whoever_asks(pool: PgPool) {
    let world = World::new(pool);
    let token = world.token().await;
    let log_out = || request("DELETE", "/api/v1/sessions/current", "");
    for request in [bearing(log_out(), &token), log_out()] {
        let ended = world.call(request).await;
        assert_eq!(ended.status, 204);
        assert_eq!(
            ended.headers[SET_COOKIE],
            "session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }
    let me = world
        .call(bearing(request("GET", "/api/v1/users/me", ""), &token))
        .await;
    assert_eq!(me.status, 401);
}

#[sqlx::test]
async fn changes_a_name(pool: PgPool) {
    let world = World::new(pool);
    let token = world.token().await;
    let change = |body: Value| bearing(request("PATCH", "/api/v1/users/me", body), &token);
    let changed = world.call(change(json!({"name": "Ada L."}))).await;
    assert_eq!(changed.status, 200);
    assert_eq!(
        changed.body,
        json!({
            "id": changed.body["id"],
            "email": "ada@example.test",
            "name": "Ada L.",
            "staff": false,
            "created_at": "2026-01-01T12:00:00Z",
        })
    );
    for unlawful in [json!({"name": ""}), json!({"staff": true}), json!({})] {
        assert_eq!(world.call(change(unlawful)).await.status, 422);
    }
}

#[test]
fn describes_every_route() {
    let described = serde_json::to_value(users::http::openapi()).unwrap();
    let paths: Vec<_> = described["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/api/v1/sessions",
            "/api/v1/sessions/current",
            "/api/v1/users",
            "/api/v1/users/me",
        ]
    );
}

/// Anything at all, and what looks nearly right.
fn bodies() -> impl Strategy<Value = String> {
    let email = prop_oneof!["[a-z]{1,8}@[a-z]{1,8}\\.test", any::<String>()];
    let text = prop_oneof!["[ -~]{8,20}", any::<String>()];
    let field = prop_oneof![
        4 => text.clone().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let fields = (email, field.clone(), field);
    let account = fields.prop_map(|(email, password, name)| {
        let body = json!({"email": email, "password": password, "name": name});
        body.to_string()
    });
    let log_in = text.prop_map(|password| {
        let body = json!({"email": "ada@example.test", "password": password});
        body.to_string()
    });
    prop_oneof![any::<String>(), account, log_in]
}

#[sqlx::test]
async fn no_body_breaks_us(pool: PgPool) {
    let world = World::new(pool);
    world.register("ada@example.test").await.unwrap();
    let mut runner = TestRunner::default();
    for _ in 0..200 {
        let body = bodies().new_tree(&mut runner).unwrap().current();
        for path in ["/api/v1/users", "/api/v1/sessions"] {
            let answer = world.call(request("POST", path, &body)).await;
            let status = answer.status.as_u16();
            assert!(
                matches!(status, 201 | 400 | 401 | 409 | 422 | 429),
                "{path} answered {status} to {body:?}"
            );
            let kind = &answer.headers[CONTENT_TYPE];
            assert_eq!(kind == "application/json", status == 201);
            assert_eq!(kind == "application/problem+json", status != 201);
        }
    }
}
