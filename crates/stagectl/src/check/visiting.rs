//! What a visitor sees: pages, pictures, the catalogue.

use std::collections::HashSet;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::json;

use super::Report;
use crate::shopper::{Answer, Shopper};

/// No order has this id.
const NOBODYS: &str = "00000000-0000-8000-8000-000000000000";

pub(super) async fn check(report: &mut Report, base: &str) {
    report
        .check(
            "the front page and its pictures are served",
            front_page(base),
        )
        .await;
    report
        .check("the catalogue can be walked by cursor", catalogue(base))
        .await;
    report.check("search finds", search(base)).await;
    report.check("every answer tells its way", way(base)).await;
    report
        .check("the API describes itself", openapi(base))
        .await;
    report
        .check(
            "log-in works, log-out ends it on the server",
            log_in_and_out(base),
        )
        .await;
    report
        .check("log-in is rate-limited", log_in_limit(base))
        .await;
}

async fn front_page(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let page = guest.page("/").await?;
    page.expect(200)?;
    let kind = page.header("content-type");
    ensure!(
        kind.starts_with("text/html"),
        "expected text/html, got {kind:?}"
    );
    let hero = asset(&page.text, "hero.").context("no hero picture on the front page")?;
    asset(&page.text, "shop.").context("no style sheet on the front page")?;

    let picture = guest.request(reqwest::Method::GET, hero).send().await?;
    ensure!(picture.status() == 200, "{hero}: {}", picture.status());
    let caching = picture
        .headers()
        .get("cache-control")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    ensure!(
        caching.contains("immutable"),
        "{hero}: Cache-Control: {caching}"
    );
    let bytes = picture.bytes().await?.len();
    ensure!(
        (3_000_000..5_000_000).contains(&bytes),
        "the hero picture has {bytes} bytes, expected about 4 MB"
    );
    Ok(format!(
        "{} bytes of HTML, hero picture of {bytes}",
        page.text.len()
    ))
}

/// The first address of an asset whose name starts so.
fn asset<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    let start = html.find(&format!("/assets/{name}"))?;
    let end = html[start..].find(['"', ' ', ')', '\''])?;
    Some(&html[start..start + end])
}

async fn catalogue(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let mut seen = HashSet::new();
    let mut path = "/products?limit=100".to_owned();
    // Far more pages than the largest seed has.
    for pages in 1..=1_000 {
        let answer = guest.get(&path).await?;
        let page = answer.expect(200)?.json()?;
        for item in page["items"].as_array().context("no items")? {
            let sku = item["sku"].as_str().context("no sku")?.to_owned();
            ensure!(seen.insert(sku.clone()), "{sku} came twice");
        }
        match page["next"].as_str() {
            Some(next) => {
                ensure!(
                    answer.header("link").contains("rel=\"next\""),
                    "no Link header"
                );
                path = format!("/products?limit=100&cursor={next}");
            }
            None => {
                return Ok(format!(
                    "{} products on {pages} pages, none twice",
                    seen.len()
                ));
            }
        }
    }
    anyhow::bail!("it never ends")
}

async fn search(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let first = guest.get("/products?limit=1").await?.expect(200)?.json()?;
    let name = first["items"][0]["name"]
        .as_str()
        .context("no products")?
        .to_owned();
    let word = name
        .split_whitespace()
        .last()
        .unwrap_or(&name)
        .to_lowercase();
    let found = guest
        .get(&format!("/products?q={word}"))
        .await?
        .expect(200)?
        .json()?;
    let hits = found["items"].as_array().map_or(0, Vec::len);
    ensure!(hits > 0, "nothing found for {word:?}, a word of {name:?}");
    let none = guest
        .get("/products?q=xyzzyplugh")
        .await?
        .expect(200)?
        .json()?;
    ensure!(none["items"] == json!([]), "something found for nonsense");
    Ok(format!(
        "{hits} on the first page for {word:?}, none for nonsense"
    ))
}

async fn way(base: &str) -> anyhow::Result<String> {
    let answer = Shopper::guest(base)?.get("/products?limit=1").await?;
    answer.expect(200)?;
    let timing = answer.header("server-timing");
    ensure!(
        timing.contains("web;"),
        "Server-Timing has no web: {timing:?}"
    );
    ensure!(
        timing.contains("db;") || timing.contains("cache;"),
        "Server-Timing has neither db nor cache: {timing:?}"
    );
    ensure!(!answer.header("x-request-id").is_empty(), "no X-Request-Id");
    Ok(timing.to_owned())
}

/// What it says of who must be logged in is what a guest sees.
async fn openapi(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let answer = guest.get("/openapi.json").await?;
    let document = answer.expect(200)?.json()?;
    let paths = document["paths"].as_object().context("no paths")?;
    ensure!(
        paths.keys().any(|path| path.ends_with("/orders")),
        "no orders in it"
    );
    let mut asked = 0;
    for (path, operations) in paths {
        let operations = operations.as_object().context("no operations")?;
        for (method, operation) in operations {
            // Of nobody's, and of no product.
            let path = path.replace("{id}", NOBODYS).replace("{sku}", "NONE");
            let method = Method::from_bytes(method.to_uppercase().as_bytes())?;
            let answer = Answer::of(guest.request(method.clone(), &path)).await?;
            let security = operation["security"].as_array();
            let must = security.is_some_and(|ways| !ways.contains(&json!({})));
            ensure!(
                (answer.status == 401) == must,
                "{method} {path} without a session: {}, and the document says {}",
                answer.status,
                if must {
                    "that it needs one"
                } else {
                    "that it needs none"
                }
            );
            asked += 1;
        }
    }
    Ok(format!(
        "{} paths; {asked} operations asked as a guest",
        paths.len()
    ))
}

async fn log_in_and_out(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    guest.get("/users/me").await?.expect(401)?;
    let wrong = json!({ "email": "shopper-00001@example.test", "password": "wrong horse" });
    guest
        .post("/sessions", wrong)
        .await?
        .expect_problem(401, "wrong-credentials")?;

    let ada = Shopper::logged_in(base, "shopper-00001@example.test").await?;
    let me = ada.get("/users/me").await?.expect(200)?.json()?;
    ensure!(
        me["email"] == "shopper-00001@example.test",
        "logged in as {}",
        me["email"]
    );
    ada.delete("/sessions/current").await?.expect(204)?;
    ada.get("/users/me").await?.expect(401)?;
    Ok("wrong password 401, right 201, after log-out 401".to_owned())
}

async fn log_in_limit(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let email = format!("nobody-{}@example.test", uuid::Uuid::new_v4().simple());
    for attempt in 1..=20 {
        let answer = guest
            .post(
                "/sessions",
                json!({ "email": email, "password": "wrong horse" }),
            )
            .await?;
        if answer.status == 429 {
            let wait = answer.header("retry-after");
            ensure!(!wait.is_empty(), "429 without Retry-After");
            return Ok(format!(
                "attempt {attempt} on one account: 429, Retry-After {wait}"
            ));
        }
        answer.expect(401)?;
    }
    anyhow::bail!("20 wrong passwords in a row and no 429")
}
