//! What a load is, and what came of it.

use serde::{Deserialize, Serialize};

use super::contest::Case;

/// A load for `crates/loadgen`.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    pub(super) case: &'a Case,
    /// Requests a second; without it, as many as are answered.
    pub(super) rate: Option<f64>,
}

impl Offer<'_> {
    pub(super) fn paced(case: &Case, rate: f64) -> Offer<'_> {
        Offer {
            case,
            rate: Some(rate),
        }
    }

    pub(super) fn flat_out(case: &Case) -> Offer<'_> {
        Offer { case, rate: None }
    }
}

/// What `crates/loadgen` reports.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Figures {
    pub(super) throughput: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) user_us: f64,
    pub(super) system_us: f64,
    pub(super) cores: f64,
}

impl Figures {
    /// CPU time of the server for a request.
    pub(super) fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }
}

/// A contender in a case, in one round.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// At the same rate for all.
    pub(super) paced: Figures,
    pub(super) flat_out: Figures,
}

/// Many who asked at once for something that was not stored.
#[derive(Debug, Serialize)]
pub(super) struct Crowd {
    pub(super) name: &'static str,
    /// Requests that the origin got for it.
    pub(super) fetches: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Of an even number, the mean of the two in the middle. NaN of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let is = |values: &[f64], expected: f64| {
            let median = median(values.iter().copied());
            assert!((median - expected).abs() < 1e-9, "{median}");
        };
        is(&[3.0], 3.0);
        is(&[9.0, 1.0, 2.0], 2.0);
        is(&[4.0, 1.0, 3.0, 2.0], 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}
