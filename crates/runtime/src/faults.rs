//! Faults on purpose: a service that fails part of its requests, or answers late, so that drills and
//! teachers see what those before it make of that. Only where `[http] faults` is set, and told by the
//! admin port alone: `PUT /faults {"fail_ratio": 0.5, "delay_ms": 200}`, `DELETE /faults`.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use contract::Problem;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::extract::Json;
use crate::failure::Failure;

/// A longer one is a typing mistake: no request may take so long.
const LONGEST_DELAY_MS: u64 = 10_000;

/// What is to go wrong with every request. By default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Part of the requests that get a 500 instead of their handler: 0 to 1.
    pub fail_ratio: f64,
    /// Wait of each request before its handler.
    pub delay_ms: u64,
}

/// The fault of this process, if any. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    fault: RwLock<Fault>,
    dice: RandomState,
    requests: AtomicU64,
}

impl Faults {
    /// Waits, and fails, as told.
    pub(crate) async fn strike(&self) -> Result<(), Failure> {
        let fault = self.fault();
        if fault.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
        if fault.fail_ratio > self.roll() {
            return Err(Problem::new(500, "injected", "This fault was asked for").into());
        }
        Ok(())
    }

    fn fault(&self) -> Fault {
        *self
            .inner
            .fault
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, fault: Fault) {
        let mut current = self
            .inner
            .fault
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = fault;
        tracing::warn!(fault.fail_ratio, fault.delay_ms, "faults on purpose");
    }

    /// From 0 to below 1, by chance.
    fn roll(&self) -> f64 {
        let request = self.inner.requests.fetch_add(1, Ordering::Relaxed);
        // The 53 bits that a float takes.
        (self.inner.dice.hash_one(request) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `GET`, `PUT` and `DELETE /faults`.
pub(crate) fn routes(faults: Faults) -> Router {
    Router::new()
        .route("/faults", get(current).put(put).delete(clear))
        .with_state(faults)
}

async fn current(State(faults): State<Faults>) -> Json<Fault> {
    Json(faults.fault())
}

async fn put(
    State(faults): State<Faults>,
    Json(fault): Json<Fault>,
) -> Result<Json<Fault>, Failure> {
    if !(0.0..=1.0).contains(&fault.fail_ratio) {
        return Err(Problem::invalid("fail_ratio", "expected 0 to 1").into());
    }
    if fault.delay_ms > LONGEST_DELAY_MS {
        let expected = format!("expected at most {LONGEST_DELAY_MS}");
        return Err(Problem::invalid("delay_ms", expected).into());
    }
    faults.set(fault);
    Ok(Json(fault))
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.set(Fault::default());
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Method, Request};
    use tower::ServiceExt;

    use super::*;

    async fn ask(faults: &Faults, method: Method, body: &'static str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri("/faults")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        let answer = routes(faults.clone()).oneshot(request).await.unwrap();
        answer.status().as_u16()
    }

    async fn failed(faults: &Faults) -> usize {
        let mut failed = 0;
        for _ in 0..1_000 {
            failed += usize::from(faults.strike().await.is_err());
        }
        failed
    }

    #[tokio::test]
    async fn as_many_requests_fail_as_were_asked_to() {
        let faults = Faults::default();
        assert_eq!(failed(&faults).await, 0);
        assert_eq!(
            ask(&faults, Method::PUT, r#"{"fail_ratio":0.5}"#).await,
            200
        );
        let half = failed(&faults).await;
        assert!((400..600).contains(&half), "{half} of 1000");
        assert_eq!(ask(&faults, Method::PUT, r#"{"fail_ratio":1}"#).await, 200);
        assert_eq!(failed(&faults).await, 1_000);
        assert_eq!(ask(&faults, Method::DELETE, "").await, 204);
        assert_eq!(failed(&faults).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_held_up_for_as_long_as_was_asked_for() {
        let faults = Faults::default();
        assert_eq!(ask(&faults, Method::PUT, r#"{"delay_ms":300}"#).await, 200);
        let started = tokio::time::Instant::now();
        assert!(faults.strike().await.is_ok());
        assert_eq!(started.elapsed().as_millis(), 300);
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let faults = Faults::default();
        for bad in [
            r#"{"fail_ratio":1.5}"#,
            r#"{"fail_ratio":-1}"#,
            r#"{"delay_ms":60000}"#,
            r#"{"fail_rate":0.5}"#,
        ] {
            assert_eq!(ask(&faults, Method::PUT, bad).await, 422, "{bad}");
        }
        assert_eq!(faults.fault(), Fault::default());
    }
}
