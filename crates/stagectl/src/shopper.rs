//! A customer of the shop, as seen from outside: HTTP, JSON, a session token.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};

/// Everybody who is seeded has this password.
pub(crate) const PASSWORD: &str = "correct horse";

#[derive(Debug, Clone)]
pub(crate) struct Shopper {
    http: Client,
    base: String,
    pub(crate) token: Option<String>,
}

/// What came back: status, headers and, where it was JSON, the body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Shopper {
    pub(crate) fn guest(base: &str) -> anyhow::Result<Shopper> {
        let http = Client::builder()
            // A request's own deadline is 10 s; past that nobody answers.
            .timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Shopper {
            http,
            base: base.to_owned(),
            token: None,
        })
    }

    /// `shopper-00001@example.test` and so on, or `staff@example.test`.
    pub(crate) async fn logged_in(base: &str, email: &str) -> anyhow::Result<Shopper> {
        let guest = Shopper::guest(base)?;
        let answer = guest
            .post("/sessions", json!({ "email": email, "password": PASSWORD }))
            .await?;
        answer.expect(201)?;
        let token = answer.json()?["token"]
            .as_str()
            .context("no token in the answer")?
            .to_owned();
        Ok(Shopper {
            token: Some(token),
            ..guest
        })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A page, with the session in its cookie as browsers send it.
    pub(crate) async fn page(&self, path: &str) -> anyhow::Result<Answer> {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(header::COOKIE, format!("session={token}"));
        }
        Answer::of(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::of(self.request(Method::GET, &format!("/api/v1{path}"))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        Answer::of(
            self.request(Method::POST, &format!("/api/v1{path}"))
                .json(&body),
        )
        .await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> anyhow::Result<Answer> {
        Answer::of(
            self.request(Method::PUT, &format!("/api/v1{path}"))
                .json(&body),
        )
        .await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::of(self.request(Method::DELETE, &format!("/api/v1{path}"))).await
    }

    pub(crate) async fn order(
        &self,
        key: &str,
        sku: &str,
        quantity: i64,
    ) -> anyhow::Result<Answer> {
        let body = json!({ "lines": [{ "sku": sku, "quantity": quantity }] });
        let request = self
            .request(Method::POST, "/api/v1/orders")
            .header("idempotency-key", key);
        Answer::of(request.json(&body)).await
    }

    /// How many of a product can be bought now.
    pub(crate) async fn available(&self, sku: &str) -> anyhow::Result<i64> {
        let answer = self.get(&format!("/products/{sku}")).await?;
        answer.expect(200)?;
        answer.json()?["available"]
            .as_i64()
            .context("no `available` in the product")
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer {
            status,
            headers,
            text: response.text().await?,
        })
    }

    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text).context("the answer is no JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// What each hop of this name says of itself in `Server-Timing`.
    pub(crate) fn hops<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        hops(self.header("server-timing"), name)
    }

    /// Which web box made it.
    pub(crate) fn web_box(&self) -> anyhow::Result<&str> {
        let timing = self.header("server-timing");
        hops(timing, "web")
            .next()
            .with_context(|| format!("no web in {timing:?}"))
    }

    /// An error that tells what came instead.
    pub(crate) fn expect(&self, status: u16) -> anyhow::Result<&Answer> {
        let start: String = self.text.chars().take(200).collect();
        ensure!(
            self.status == status,
            "expected {status}, got {}: {start}",
            self.status
        );
        Ok(self)
    }

    /// Expects a problem document of this status and slug.
    pub(crate) fn expect_problem(&self, status: u16, slug: &str) -> anyhow::Result<&Answer> {
        self.expect(status)?;
        let kind = self.header("content-type");
        ensure!(
            kind.starts_with("application/problem+json"),
            "expected a problem document, got {kind:?}"
        );
        let body = self.json()?;
        let expected = format!("/problems/{slug}");
        ensure!(
            body["type"] == expected,
            "expected {expected}, got {}",
            body["type"]
        );
        Ok(self)
    }
}

fn hops<'a>(timing: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let hops = timing.split(", ");
    let hops = hops.filter_map(move |hop| hop.strip_prefix(name)?.strip_prefix(";desc=\""));
    hops.filter_map(|hop| hop.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_told_by_their_descriptions() {
        let timing = r#"lb;desc="web-9";dur=2.1, web;desc="web-2";dur=1.8, db;desc="db read";dur=0.8, db;desc="db any""#;
        let found = |name| hops(timing, name).collect::<Vec<_>>();
        assert_eq!(found("web"), ["web-2"]);
        assert_eq!(found("db"), ["db read", "db any"]);
        assert_eq!(found("cdn"), [] as [&str; 0]);
    }
}
