//! A circuit breaker: who does not answer is not asked for a while.
//!
//! Closed, everything passes. After [`TRIPS_AT`] failures in a row it opens, and nothing passes. When it
//! has been open for a while it lets one request pass, the probe: if that succeeds it closes, else it is
//! open for twice as long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;
use tracing::{info, warn};

/// In a row: one may be bad luck.
const TRIPS_AT: u32 = 5;
/// A server that restarts is back within a second, and is asked again soon.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A probe of which nothing was heard for so long is lost: whoever sent it has gone.
const PROBE_LOST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Breaker {
    dependency: String,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, wait: Duration },
    HalfOpen { since: Instant, wait: Duration },
}

impl Breaker {
    pub(crate) fn new(dependency: String) -> Breaker {
        let breaker = Breaker {
            dependency,
            state: Mutex::new(State::Closed { failures: 0 }),
        };
        breaker.show(State::Closed { failures: 0 });
        breaker
    }

    /// Whether a request may pass; the caller then says how it went.
    pub(crate) fn admits(&self) -> bool {
        let mut state = self.lock();
        let now = Instant::now();
        match *state {
            State::Closed { .. } => true,
            State::Open { until, wait } if now >= until => {
                self.enter(&mut state, State::HalfOpen { since: now, wait });
                true
            }
            State::HalfOpen { since, wait } if now >= since + PROBE_LOST => {
                *state = State::HalfOpen { since: now, wait };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// Whether a request would be let through without being a probe.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed { .. })
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        match *state {
            State::Closed { failures: 0 } => {}
            State::Closed { .. } => *state = State::Closed { failures: 0 },
            State::Open { .. } | State::HalfOpen { .. } => {
                info!(dependency = self.dependency, "answers again");
                self.enter(&mut state, State::Closed { failures: 0 });
            }
        }
    }

    pub(crate) fn failed(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        let wait = match *state {
            State::Closed { failures } if failures + 1 < TRIPS_AT => {
                *state = State::Closed {
                    failures: failures + 1,
                };
                return;
            }
            State::Closed { .. } => {
                warn!(dependency = self.dependency, "does not answer");
                FIRST_WAIT
            }
            State::HalfOpen { wait, .. } => LONGEST_WAIT.min(wait * 2),
            // One that was sent before it opened.
            State::Open { .. } => return,
        };
        // Up to a quarter sooner, so that not all boxes come back in the same moment.
        let until = now + wait.mul_f64(1.0 - fastrand::f64() / 4.0);
        self.enter(&mut state, State::Open { until, wait });
    }

    fn enter(&self, state: &mut State, new: State) {
        *state = new;
        self.show(new);
    }

    fn show(&self, state: State) {
        let value = match state {
            State::Closed { .. } => 0.0,
            State::HalfOpen { .. } => 1.0,
            State::Open { .. } => 2.0,
        };
        gauge!("circuit_state", "dependency" => self.dependency.clone()).set(value);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped() -> Breaker {
        let breaker = Breaker::new("test".to_owned());
        for _ in 0..TRIPS_AT {
            assert!(breaker.admits());
            breaker.failed();
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_others_do_not() {
        let breaker = Breaker::new("test".to_owned());
        for _ in 0..3 * TRIPS_AT {
            breaker.failed();
            breaker.succeeded();
        }
        assert!(breaker.admits());
        assert!(!tripped().admits());
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_closes_it() {
        let breaker = tripped();
        tokio::time::advance(FIRST_WAIT).await;
        assert!(breaker.admits());
        assert!(!breaker.admits(), "a second probe");
        breaker.succeeded();
        assert!(breaker.admits() && breaker.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_opens_it_for_longer_up_to_a_second() {
        let breaker = tripped();
        for _ in 0..10 {
            tokio::time::advance(LONGEST_WAIT).await;
            assert!(breaker.admits());
            breaker.failed();
        }
        tokio::time::advance(LONGEST_WAIT / 2).await;
        assert!(!breaker.admits());
        tokio::time::advance(LONGEST_WAIT / 2).await;
        assert!(breaker.admits());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_probe_is_replaced() {
        let breaker = tripped();
        tokio::time::advance(FIRST_WAIT).await;
        assert!(breaker.admits());
        tokio::time::advance(PROBE_LOST).await;
        assert!(breaker.admits());
    }
}
