//! Trying again: which requests may be, and how many.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::config::RetriesConfig;

/// Whether a request may be sent twice: it changes nothing (RFC 9110, 9.2.1), or carries a key by
/// which its receiver knows it again.
pub(crate) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_safe() || headers.contains_key("idempotency-key")
}

/// Whether this answer tells of a fault of the one who gives it. A 503 does not: it is how a box
/// says that it has enough to do, and trying elsewhere would only carry the load on.
pub(crate) fn is_fault(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
    )
}

/// A retry, in the budget's unit.
const RETRY: i64 = 1000;
/// What may be saved up, in retries: as many as wait at a box when it dies.
const MOST: i64 = 100 * RETRY;

/// Retries cost, requests earn: so retries add at most a share to the load, however much fails. As
/// linkerd has it. Shared by all workers.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    balance: AtomicI64,
    exhausted: AtomicU64,
}

impl RetryBudget {
    pub(crate) fn new() -> RetryBudget {
        RetryBudget {
            balance: AtomicI64::new(MOST / 2),
            exhausted: AtomicU64::new(0),
        }
    }

    /// For a request that came.
    pub(crate) fn deposit(&self, config: &RetriesConfig) {
        self.add((config.ratio * RETRY as f64) as i64);
    }

    /// For time that passed.
    pub(crate) fn accrue(&self, time: Duration, config: &RetriesConfig) {
        self.add((f64::from(config.per_second) * time.as_secs_f64() * RETRY as f64) as i64);
    }

    fn add(&self, amount: i64) {
        // Mostly full, and then only read.
        let _ = self.balance.fetch_update(Relaxed, Relaxed, |balance| {
            (balance < MOST).then(|| (balance + amount).min(MOST))
        });
    }

    /// Takes one retry out, if there is one.
    pub(crate) fn withdraw(&self) -> bool {
        if self.balance.fetch_sub(RETRY, Relaxed) >= RETRY {
            return true;
        }
        self.balance.fetch_add(RETRY, Relaxed);
        self.exhausted.fetch_add(1, Relaxed);
        false
    }

    /// How often there was none.
    pub(crate) fn exhausted(&self) -> u64 {
        self.exhausted.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_requests_and_some_a_second() {
        let (budget, config) = (RetryBudget::new(), RetriesConfig::default());
        while budget.withdraw() {}
        let mut retries = 0;
        for _ in 0..100 {
            // Ten seconds of 100 requests a second, all of which fail.
            budget.accrue(Duration::from_millis(100), &config);
            for _ in 0..10 {
                budget.deposit(&config);
                retries += u32::from(budget.withdraw());
            }
        }
        assert_eq!(retries, 1000 / 5 + 10 * 10);
        assert!(budget.exhausted() > 0);
    }

    #[test]
    fn what_is_saved_up_is_bounded() {
        let (budget, config) = (RetryBudget::new(), RetriesConfig::default());
        budget.accrue(Duration::from_secs(3600), &config);
        budget.deposit(&config);
        let saved = std::iter::from_fn(|| budget.withdraw().then_some(())).count();
        assert_eq!(saved as i64, MOST / RETRY);
    }

    #[test]
    fn only_what_changes_nothing_or_has_a_key_is_repeated() {
        let mut headers = HeaderMap::new();
        for (method, repeatable) in [
            (Method::GET, true),
            (Method::HEAD, true),
            (Method::OPTIONS, true),
            (Method::POST, false),
            (Method::PUT, false),
            (Method::DELETE, false),
        ] {
            assert_eq!(is_repeatable(&method, &headers), repeatable, "{method}");
        }
        headers.insert("idempotency-key", "a".parse().unwrap());
        assert!(is_repeatable(&Method::POST, &headers));
    }
}
