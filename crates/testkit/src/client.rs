//! Requests in a line, to a router in memory.

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Cheap to clone; keeps its session.
#[derive(Debug, Clone)]
pub struct Client {
    router: Router,
    token: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// `null` where the body was no JSON.
    pub json: Value,
}

impl Client {
    pub fn new(router: Router) -> Client {
        Client {
            router,
            token: None,
        }
    }

    /// The same client as somebody who is seeded.
    ///
    /// # Panics
    /// When he is not let in.
    pub async fn logged_in(&self, email: &str) -> Client {
        self.logged_in_with(email, "correct horse").await
    }

    /// The same as somebody who registered.
    ///
    /// # Panics
    /// When he is not let in.
    pub async fn logged_in_with(&self, email: &str, password: &str) -> Client {
        let credentials = json!({ "email": email, "password": password });
        let answer = self.post("/api/v1/sessions", credentials).await;
        let token = answer.json["token"].as_str().expect("a token").to_owned();
        Client {
            token: Some(token),
            ..self.clone()
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(body)).await
    }

    /// Orders one of each.
    pub async fn buy(&self, key: &str, skus: &[&str]) -> Answer {
        let lines: Vec<_> = skus
            .iter()
            .map(|sku| json!({ "sku": sku, "quantity": 1 }))
            .collect();
        let body = json!({ "lines": lines });
        self.send(
            Method::POST,
            "/api/v1/orders",
            &[("idempotency-key", key)],
            Some(body),
        )
        .await
    }

    /// How many of a product can be bought now.
    pub async fn available(&self, sku: &str) -> i64 {
        let answer = self.get(&format!("/api/v1/products/{sku}")).await;
        answer.json["available"].as_i64().expect("a product")
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "shop.test");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let request = request.body(body).expect("a well-formed request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        Answer {
            status: head.status,
            headers: head.headers,
            json,
        }
    }
}
