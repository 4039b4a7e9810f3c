//! Passive health: an upstream whose answers are bad is ejected, for longer each time, and comes back
//! on trial. Envoy's outlier detection is the model.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::OutliersConfig;

/// The ratio of failures is that of the last two seconds.
const WINDOW: Duration = Duration::from_secs(2);

/// What is thought of one upstream's answers.
#[derive(Debug)]
pub(crate) struct Outlier {
    state: State,
    /// How often it was ejected lately: each time lasts as much longer.
    ejections: u32,
    /// Of all requests and of those that failed, the counts at moments of the last two seconds.
    history: VecDeque<(Instant, Tally)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    In { since: Instant },
    Out { since: Instant, time_out: Duration },
}

/// Requests since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) total: u64,
    pub(crate) failed: u64,
    /// In a row, up to now.
    pub(crate) consecutive: u32,
}

impl Outlier {
    pub(crate) fn new(now: Instant) -> Outlier {
        Outlier {
            state: State::In { since: now },
            ejections: 0,
            history: VecDeque::new(),
        }
    }

    /// Notes how things stand; true when it should be ejected.
    pub(crate) fn is_suspicious(
        &mut self,
        now: Instant,
        tally: Tally,
        config: &OutliersConfig,
    ) -> bool {
        let State::In { .. } = self.state else {
            return false;
        };
        while self
            .history
            .front()
            .is_some_and(|(at, _)| *at + WINDOW < now)
        {
            self.history.pop_front();
        }
        self.history.push_back((now, tally));
        let (_, before) = self.history[0];
        let total = tally.total.saturating_sub(before.total);
        let failed = tally.failed.saturating_sub(before.failed);
        let is_bad = failed as f64 >= config.failure_ratio * total as f64;
        tally.consecutive as usize >= config.consecutive
            || (failed as usize >= config.min_failures && is_bad)
    }

    pub(crate) fn eject(&mut self, now: Instant, config: &OutliersConfig) -> Duration {
        self.ejections += 1;
        let time_out = config.base.saturating_mul(self.ejections);
        let time_out = time_out.min(config.longest);
        self.state = State::Out {
            since: now,
            time_out,
        };
        self.history.clear();
        time_out
    }

    /// Lets it in again when its time is over; true in that moment. Good conduct is remembered: each
    /// longest time-out without an ejection takes one off.
    pub(crate) fn release(&mut self, now: Instant, config: &OutliersConfig) -> bool {
        match self.state {
            State::Out { since, time_out } if now.duration_since(since) >= time_out => {
                self.state = State::In { since: now };
                true
            }
            State::In { since }
                if self.ejections > 0 && now.duration_since(since) >= config.longest =>
            {
                self.ejections -= 1;
                self.state = State::In { since: now };
                false
            }
            _ => false,
        }
    }

    pub(crate) fn is_out(&self) -> bool {
        matches!(self.state, State::Out { .. })
    }
}

/// How many more may be ejected, of these that are ready, when so many are out already.
pub(crate) fn room(ready: usize, out: usize, config: &OutliersConfig) -> usize {
    let most = (ready as f64 * config.max_share).floor() as usize;
    most.min(ready.saturating_sub(1)).saturating_sub(out)
}

/// When more than half of those that are ready are out, what they have in common is not theirs: all
/// of them are used again.
pub(crate) fn is_panic(ready: usize, out: usize) -> bool {
    ready > 0 && 2 * out > ready
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(total: u64, failed: u64, consecutive: u32) -> Tally {
        Tally {
            total,
            failed,
            consecutive,
        }
    }

    #[test]
    fn failures_in_a_row_suffice() {
        let now = Instant::now();
        let config = OutliersConfig::default();
        let mut outlier = Outlier::new(now);
        assert!(!outlier.is_suspicious(now, tally(4, 4, 4), &config));
        assert!(outlier.is_suspicious(now, tally(5, 5, 5), &config));
    }

    #[test]
    fn a_share_of_failures_suffices_where_there_are_enough_of_them() {
        let now = Instant::now();
        let config = OutliersConfig::default();
        let mut outlier = Outlier::new(now);
        assert!(!outlier.is_suspicious(now, tally(1000, 900, 0), &config));
        let later = now + Duration::from_secs(1);
        assert!(!outlier.is_suspicious(later, tally(1008, 904, 1), &config));
        assert!(!outlier.is_suspicious(later, tally(1030, 905, 1), &config));
        assert!(outlier.is_suspicious(later, tally(1030, 906, 1), &config));
    }

    #[test]
    fn what_was_two_seconds_ago_counts_no_more() {
        let now = Instant::now();
        let config = OutliersConfig::default();
        let mut outlier = Outlier::new(now);
        outlier.is_suspicious(now, tally(0, 0, 0), &config);
        outlier.is_suspicious(now + Duration::from_secs(1), tally(100, 19, 0), &config);
        let later = now + Duration::from_secs(4);
        assert!(!outlier.is_suspicious(later, tally(200, 19, 0), &config));
    }

    #[test]
    fn each_ejection_lasts_longer_and_good_conduct_shortens_it() {
        let mut now = Instant::now();
        let config = OutliersConfig::default();
        let mut outlier = Outlier::new(now);
        for times in 1..=20 {
            let time_out = outlier.eject(now, &config);
            assert_eq!(time_out, (config.base * times).min(config.longest));
            assert!(!outlier.release(now + time_out - Duration::from_millis(1), &config));
            assert!(outlier.is_out());
            now += time_out;
            assert!(outlier.release(now, &config));
        }
        for _ in 0..20 {
            now += config.longest;
            outlier.release(now, &config);
        }
        assert_eq!(outlier.eject(now, &config), config.base);
    }

    #[test]
    fn no_time_out_is_too_long_to_be_reckoned_with() {
        let mut now = Instant::now();
        let config = OutliersConfig {
            base: Duration::MAX / 2,
            longest: Duration::MAX,
            ..OutliersConfig::default()
        };
        let mut outlier = Outlier::new(now);
        for _ in 0..3 {
            outlier.eject(now, &config);
            now += Duration::from_secs(60);
            assert!(!outlier.release(now, &config));
        }
        assert_eq!(outlier.eject(now, &config), Duration::MAX);
    }

    proptest! {
        #[test]
        fn one_is_always_left_in_and_no_more_than_the_share_is_out(
            ready in 0_usize..40, out in 0_usize..40, max_share in 0.0..=1.0,
        ) {
            let config = OutliersConfig { max_share, ..OutliersConfig::default() };
            let ejected = out + room(ready, out, &config);
            if room(ready, out, &config) > 0 {
                prop_assert!(ejected < ready && ejected as f64 <= ready as f64 * max_share);
            }
        }
    }
}
