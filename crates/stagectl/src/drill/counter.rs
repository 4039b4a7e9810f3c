//! Prometheus's counters, before something and after it.

use std::time::Duration;

use super::field::Field;
use crate::prometheus;

/// Until what happens now is counted: Prometheus looks every 2 s.
pub(super) const SCRAPES: Duration = Duration::from_secs(5);

/// What a counter says, if it is there.
pub(super) async fn count(field: &Field<'_>, promql: &str) -> anyhow::Result<Option<f64>> {
    let samples = prometheus::query(field.compose, promql).await?;
    Ok(samples.first().map(|sample| sample.value))
}

/// By how much a counter has grown. It may be new, but a figure that is missing in the end says nothing.
pub(super) fn risen(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    Some(after? - before.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_missing_is_no_zero() {
        assert_eq!(risen(Some(2.0), Some(5.0)), Some(3.0));
        assert_eq!(risen(None, Some(5.0)), Some(5.0));
        assert_eq!(risen(Some(2.0), None), None);
        assert_eq!(risen(None, None), None);
    }
}
