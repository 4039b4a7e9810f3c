//! When requests come, if they come by themselves.

use std::time::{Duration, Instant};

/// Moments as strangers choose them: the gaps are exponential, so that many come at once now and then.
/// The same gaps in each run, so that all servers meet the same crowd.
#[derive(Debug)]
pub(crate) struct Arrivals {
    next: Instant,
    mean_gap: f64,
    random: u64,
}

impl Arrivals {
    pub(crate) fn new(rate: f64, start: Instant) -> Arrivals {
        Arrivals {
            next: start,
            mean_gap: 1.0 / rate,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// The next arrival, if it has come by `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Instant> {
        let arrival = self.next;
        if arrival > now {
            return None;
        }
        let gap = -self.uniform().ln() * self.mean_gap;
        self.next += Duration::from_secs_f64(gap);
        Some(arrival)
    }

    /// Above 0, at most 1 (xorshift64, Marsaglia 2003).
    fn uniform(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // 53 bits are what an f64 holds.
        #[expect(clippy::cast_precision_loss, reason = "both fit an f64 exactly")]
        let uniform = ((self.random >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        uniform
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_keep_the_rate_and_do_not_come_evenly() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(1000.0, start);
        let end = start + Duration::from_secs(100);
        let times: Vec<_> = std::iter::from_fn(|| arrivals.take(end)).collect();
        assert!((98_000..102_000).contains(&times.len()), "{}", times.len());

        // Of exponential gaps, e^-2 are longer than twice the mean, and 1 - e^-0.1 shorter than a tenth.
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let long = gaps.clone().filter(|gap| *gap > Duration::from_millis(2));
        let short = gaps.filter(|gap| *gap < Duration::from_micros(100));
        let (long, short) = (long.count(), short.count());
        assert!((13_000..14_100).contains(&long), "{long}");
        assert!((9_000..10_000).contains(&short), "{short}");
    }

    #[test]
    fn they_are_the_same_each_time() {
        let start = Instant::now();
        let (mut one, mut two) = (Arrivals::new(10.0, start), Arrivals::new(10.0, start));
        let end = start + Duration::from_secs(10);
        while let Some(arrival) = one.take(end) {
            assert_eq!(two.take(end), Some(arrival));
        }
    }
}
