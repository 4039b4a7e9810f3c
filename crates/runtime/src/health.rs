//! Port 9100: whether this process lives, whether it may take traffic, and its figures.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;

use crate::lifecycle::Phase;
use crate::telemetry::Figures;

/// A dependency that takes longer to answer is as good as away.
const CHECK_DEADLINE: Duration = Duration::from_secs(1);

/// What this process depends on. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health {
    phase: Phase,
    checks: Arc<Mutex<Vec<Check>>>,
}

#[derive(Clone)]
struct Check {
    name: &'static str,
    ask: Arc<dyn Fn() -> Answer + Send + Sync>,
}

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

#[derive(Debug, Serialize)]
struct Report {
    ready: bool,
    /// `starting` and `stopping` processes take no traffic, however well their dependencies are.
    serving: bool,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Serialize)]
struct Dependency {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Health {
    pub fn new(phase: &Phase) -> Health {
        Health {
            phase: phase.clone(),
            checks: Arc::default(),
        }
    }

    /// Without this dependency the process is not ready.
    pub fn require<F, E>(&self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let ask = move || -> Answer {
            let answer = ask();
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        };
        let ask = Arc::new(ask);
        self.lock().push(Check { name, ask });
    }

    async fn report(&self) -> Report {
        let checks = self.lock().clone();
        let dependencies = join_all(checks.iter().map(Check::run)).await;
        let serving = self.phase.is_serving();
        Report {
            ready: serving && dependencies.iter().all(|dependency| dependency.ok),
            serving,
            dependencies,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    async fn run(&self) -> Dependency {
        let answer = tokio::time::timeout(CHECK_DEADLINE, (self.ask)()).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer in {CHECK_DEADLINE:?}")));
        Dependency {
            name: self.name,
            ok: answer.is_ok(),
            detail: answer.err(),
        }
    }
}

/// `/livez`, `/readyz[?verbose]`, `/metrics`.
pub(crate) fn routes(health: Health, figures: Figures) -> Router {
    Router::new()
        .route("/livez", get("alive\n"))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(move || async move { figures.render() }))
}

async fn ready(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    let report = health.report().await;
    let status = match report.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    match query.as_deref() {
        Some("verbose") => (status, Json(report)).into_response(),
        _ if report.ready => (status, "ready\n").into_response(),
        _ => (status, "not ready\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::lifecycle::{Lifecycle, ShutdownConfig};

    async fn get(health: &Health, path: &str) -> (u16, String) {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let routes = routes(health.clone(), Figures::start(None));
        let response = routes.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn serving() -> (Health, tokio::task::JoinHandle<()>) {
        let lifecycle = Lifecycle::new(&ShutdownConfig::default()).unwrap();
        let health = Health::new(lifecycle.phase());
        let run = tokio::spawn(async move { lifecycle.run().await.unwrap() });
        while !health.phase.is_serving() {
            tokio::task::yield_now().await;
        }
        (health, run)
    }

    #[tokio::test]
    async fn a_process_is_alive_before_it_is_ready() {
        let health = Health::default();
        assert_eq!(get(&health, "/livez").await.0, 200);
        assert_eq!(get(&health, "/readyz").await, (503, "not ready\n".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_while_all_it_depends_on_answers_in_time() {
        let (health, _run) = serving().await;
        health.require("db", async || Ok::<(), String>(()));
        assert_eq!(get(&health, "/readyz").await, (200, "ready\n".into()));

        health.require("redis", async || Err("connection refused"));
        health.require("mail", std::future::pending::<Result<(), String>>);
        let (status, report) = get(&health, "/readyz?verbose").await;
        assert_eq!(status, 503);
        assert_eq!(
            serde_json::from_str::<Value>(&report).unwrap(),
            json!({
                "ready": false,
                "serving": true,
                "dependencies": [
                    {"name": "db", "ok": true},
                    {"name": "redis", "ok": false, "detail": "connection refused"},
                    {"name": "mail", "ok": false, "detail": "no answer in 1s"},
                ],
            })
        );
    }
}
