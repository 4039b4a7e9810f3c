//! A circuit breaker: who does not answer is not asked for a while.
//!
//! Closed, everything passes. After [`TRIPS_AT`] failures in a row it is open, and nothing passes but
//! probes of its own: no visitor's request is spent on finding out. A probe that succeeds closes it.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;
use tracing::{info, warn};

/// In a row: one may be bad luck.
const TRIPS_AT: u32 = 5;
/// Before the first probe. A server that restarts is back within a second.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Each wait is twice the one before, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Breaker {
    dependency: String,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    /// A probe is under way.
    HalfOpen,
    Open,
}

/// Whoever gets this has to probe, after each of these waits, until a probe succeeds.
#[derive(Debug)]
pub(crate) struct Opened {
    next: Duration,
}

impl Opened {
    /// Up to a quarter sooner than planned, so that not all boxes come back in the same moment.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = self.next.mul_f64(1.0 - fastrand::f64() / 4.0);
        self.next = LONGEST_WAIT.min(self.next * 2);
        wait
    }
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

    /// Whether a request may pass. Whoever sends one then says how it went.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(*self.lock(), State::Closed { .. })
    }

    pub(crate) fn succeeded(&self) {
        if let State::Closed { failures } = &mut *self.lock() {
            *failures = 0;
        }
    }

    /// `Some` for the failure that opened it.
    pub(crate) fn failed(&self, error: &dyn Display) -> Option<Opened> {
        let mut state = self.lock();
        let State::Closed { failures } = &mut *state else {
            // One that was sent before it opened.
            return None;
        };
        *failures += 1;
        if *failures < TRIPS_AT {
            return None;
        }
        warn!(dependency = self.dependency, %error, "does not answer");
        self.enter(&mut state, State::Open);
        Some(Opened { next: FIRST_WAIT })
    }

    pub(crate) fn half_open(&self) {
        self.enter(&mut self.lock(), State::HalfOpen);
    }

    pub(crate) fn probed(&self, answers: bool) {
        let state = if answers {
            info!(dependency = self.dependency, "answers again");
            State::Closed { failures: 0 }
        } else {
            State::Open
        };
        self.enter(&mut self.lock(), state);
    }

    fn enter(&self, state: &mut State, new: State) {
        *state = new;
        self.show(new);
    }

    fn show(&self, state: State) {
        let value = match state {
            State::Closed { .. } => 0.0,
            State::HalfOpen => 1.0,
            State::Open => 2.0,
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

    fn opened() -> Breaker {
        let breaker = Breaker::new("test".to_owned());
        let failures: Vec<_> = (0..2 * TRIPS_AT).map(|_| breaker.failed(&"test")).collect();
        let opened = failures.iter().filter(|opened| opened.is_some());
        assert_eq!(opened.count(), 1, "one has to probe");
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_others_do_not() {
        let breaker = Breaker::new("test".to_owned());
        for _ in 0..3 * TRIPS_AT {
            assert!(breaker.failed(&"test").is_none());
            breaker.succeeded();
        }
        assert!(breaker.is_closed());
        assert!(!opened().is_closed());
    }

    #[test]
    fn only_a_probe_closes_it() {
        let breaker = opened();
        breaker.succeeded();
        assert!(!breaker.is_closed(), "by an answer to what was sent before");
        breaker.half_open();
        assert!(!breaker.is_closed());
        breaker.probed(false);
        assert!(!breaker.is_closed());
        breaker.probed(true);
        assert!(breaker.is_closed());
    }

    #[test]
    fn probes_come_soon_and_then_once_a_second() {
        let mut opened = Opened { next: FIRST_WAIT };
        let waits: Vec<_> = (0..10).map(|_| opened.next_wait()).collect();
        assert!(waits[0] <= FIRST_WAIT);
        let last = waits[9];
        assert!(
            last <= LONGEST_WAIT && last >= LONGEST_WAIT / 2,
            "{waits:?}"
        );
    }
}
