//! What should never be let in: malformed input, requests from foreign pages.

use anyhow::ensure;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};

use super::Report;
use crate::shopper::{Answer, Shopper};

pub(super) async fn check(report: &mut Report, base: &str) {
    report
        .check(
            "bad input is a problem document, never a 500",
            bad_input(base),
        )
        .await;
    report
        .check("a foreign page cannot act for a user", foreign_origin(base))
        .await;
}

const BODIES: [&str; 9] = [
    "",
    "{",
    "null",
    "[]",
    r#"{"lines":[]}"#,
    r#"{"lines":[{"sku":"x y","quantity":1}]}"#,
    r#"{"lines":[{"sku":"MUG-0001","quantity":-1}]}"#,
    r#"{"lines":[{"sku":"MUG-0001","quantity":1e99}]}"#,
    "{\"email\":\"a\\u0000@b.c\",\"password\":\"x\",\"name\":\"y\"}",
];

const PATHS: [&str; 7] = [
    "/api/v1/products?cursor=%00",
    "/api/v1/products?cursor=bm9wZQ",
    "/api/v1/products?limit=0",
    "/api/v1/products?q=%00",
    "/api/v1/products/no%20such",
    "/api/v1/orders/not-an-id",
    "/api/v1/nothing/here",
];

async fn bad_input(base: &str) -> anyhow::Result<String> {
    let shopper = Shopper::logged_in(base, "shopper-00003@example.test").await?;
    let mut asked = 0;
    for path in ["/api/v1/orders", "/api/v1/users", "/api/v1/sessions"] {
        for body in BODIES {
            let request = shopper
                .request(Method::POST, path)
                .header("idempotency-key", "bad-input")
                .header(CONTENT_TYPE, "application/json")
                .body(body);
            refused(Answer::of(request).await?, path)?;
            asked += 1;
        }
    }
    for path in PATHS {
        refused(Answer::of(shopper.request(Method::GET, path)).await?, path)?;
        asked += 1;
    }
    let large = shopper
        .request(Method::POST, "/api/v1/orders")
        .header("idempotency-key", "large")
        .header(CONTENT_TYPE, "application/json")
        .body(vec![b' '; (1 << 20) + 1]);
    Answer::of(large).await?.expect(413)?;
    Ok(format!(
        "{asked} malformed requests refused, and a body over 1 MiB (413)"
    ))
}

fn refused(answer: Answer, path: &str) -> anyhow::Result<()> {
    let start: String = answer.text.chars().take(120).collect();
    ensure!(
        answer.status.is_client_error(),
        "{path}: {} {start}",
        answer.status
    );
    let kind = answer.header("content-type");
    ensure!(
        kind.starts_with("application/problem+json"),
        "{path}: {} as {kind:?}",
        answer.status
    );
    Ok(())
}

async fn foreign_origin(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let request = guest
        .request(Method::POST, "/logout")
        .header(COOKIE, "session=whatever")
        .header(ORIGIN, "https://elsewhere.example")
        .header("sec-fetch-site", "cross-site");
    let status = Answer::of(request).await?.expect(403)?.status;
    Ok(format!("POST /logout with a foreign Origin: {status}"))
}
