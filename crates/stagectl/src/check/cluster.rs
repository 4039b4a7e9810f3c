//! From stage 3 on: a balancer before several web boxes.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::json;

use super::Report;
use crate::balancer;
use crate::compose::Compose;
use crate::shopper::{Answer, Shopper};
use crate::stage::Stage;

pub(super) async fn check(report: &mut Report, compose: &Compose, stage: Stage) {
    let base = compose.front_url();
    report
        .check("all web boxes answer in turn", in_turn(&base, stage))
        .await;
    report
        .check("the balancer knows each of them as ready", known(compose))
        .await;
    report
        .check(
            "what a client says of its own past is not believed",
            own_past(&base),
        )
        .await;
}

/// Requests at once, so that the least loaded box is not always the same one.
const AT_ONCE: usize = 12;
const ROUNDS: usize = 10;

async fn in_turn(base: &str, stage: Stage) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let mut answered: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let asked = (0..AT_ONCE).map(|_| guest.get("/products?limit=1"));
        for answer in try_join_all(asked).await? {
            answer.expect(200)?;
            let timing = answer.header("server-timing");
            ensure!(
                timing.starts_with("lb;"),
                "Server-Timing does not begin with lb: {timing:?}"
            );
            *answered.entry(answer.web_box()?.to_owned()).or_default() += 1;
        }
    }
    let expected = stage.boxes_of("web");
    let names: Vec<_> = answered.keys().cloned().collect();
    ensure!(names == expected, "expected {expected:?}, got {answered:?}");
    let counts = answered
        .iter()
        .map(|(name, count)| format!("{name} {count}"));
    Ok(format!(
        "{} requests, all by lb",
        counts.collect::<Vec<_>>().join(", ")
    ))
}

async fn known(compose: &Compose) -> anyhow::Result<String> {
    let view = balancer::view(compose).await?;
    let seen = view.describe();
    ensure!(
        view.upstreams
            .iter()
            .all(|upstream| upstream.state == balancer::State::Ready)
            && !view.panic,
        "{seen}"
    );
    Ok(seen)
}

/// More than all web boxes together let one client try on one account, and less than one account
/// may be tried by all clients.
const TRIES: usize = 20;

async fn own_past(base: &str) -> anyhow::Result<String> {
    let guest = Shopper::guest(base)?;
    let asked = guest
        .request(Method::GET, "/api/v1/products?limit=1")
        .header("x-request-id", "of-my-own")
        .header("x-deadline-ms", "1");
    let answer = Answer::of(asked).await?;
    answer
        .expect(200)
        .context("with an X-Deadline-Ms of its own")?;
    let id = answer.header("x-request-id");
    ensure!(id != "of-my-own", "its X-Request-Id was taken over");

    let me = guest
        .request(Method::GET, "/api/v1/users/me")
        .header("x-user-id", "00000000-0000-7000-8000-000000000001")
        .header("x-user-role", "staff");
    let answer = Answer::of(me).await?;
    answer.expect(401).context("with an X-User-Id of its own")?;

    let email = format!("nobody-{}@example.test", uuid::Uuid::new_v4().simple());
    let body = json!({ "email": email, "password": "wrong horse" });
    for attempt in 1..=TRIES {
        let try_in = guest
            .request(Method::POST, "/api/v1/sessions")
            .header("x-forwarded-for", format!("203.0.113.{attempt}"))
            .header("forwarded", format!("for=203.0.113.{attempt}"))
            .json(&body);
        let answer = Answer::of(try_in).await?;
        if answer.status == 429 {
            return Ok(format!(
                "X-Request-Id, X-Deadline-Ms, X-User-Id: ignored; log-in limited after {attempt} tries \
                 under as many addresses"
            ));
        }
        answer.expect(401)?;
    }
    anyhow::bail!("{TRIES} tries under as many X-Forwarded-For, and no 429")
}
