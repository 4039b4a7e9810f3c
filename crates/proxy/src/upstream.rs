//! One upstream as the requests see it: where it is, and how much it has to do. All of it is atomics,
//! shared by all workers. What is thought of it is its cluster's, see [`crate::cluster`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

/// Differences of less say nothing about a box: a page takes now 2 ms, now 8.
const LATENCY_FLOOR_US: u64 = 5_000;

#[derive(Debug)]
pub(crate) struct Upstream {
    /// No other upstream of this process ever has it.
    pub id: u64,
    pub address: SocketAddr,
    hop: &'static str,
    name: ArcSwap<Name>,
    /// The name is that of the box that is there now, or has been asked for.
    is_named: AtomicBool,
    /// No answer is to be expected: whoever waits for one should stop.
    is_down: AtomicBool,
    /// The share it gets, in 1/256: less than all while it starts slowly.
    weight: AtomicU32,
    in_flight: AtomicU32,
    /// What it may have in flight now.
    limit: AtomicU32,
    /// Of answers' heads: a moving average, which fades while nothing is asked.
    latency_us: AtomicU32,
    consecutive_failures: AtomicU32,
    pub(crate) counts: Counts,
    /// Rung to have its health looked at now.
    pub(crate) suspect: Notify,
}

/// What people call it, and its entry in `Server-Timing` up to the duration.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) timing: String,
}

/// Attempts by how they ended, since the beginning.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub ok: AtomicU64,
    /// Answered with 500, 502 or 504, or broke off.
    pub error: AtomicU64,
    pub timeout: AtomicU64,
    /// Could not be connected to.
    pub refused: AtomicU64,
    /// Of those that failed: how many were tried elsewhere.
    pub retried: AtomicU64,
    /// How long the good ones took until their heads came, added up.
    pub ok_us: AtomicU64,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Error,
    Timeout,
    Refused,
}

impl Counts {
    pub(crate) fn failures(&self) -> u64 {
        self.error.load(Relaxed) + self.timeout.load(Relaxed) + self.refused.load(Relaxed)
    }

    pub(crate) fn total(&self) -> u64 {
        self.ok.load(Relaxed) + self.failures()
    }
}

impl Upstream {
    /// `hop` is this proxy's name in `Server-Timing`.
    pub(crate) fn new(address: SocketAddr, hop: &'static str) -> Upstream {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Upstream {
            id: NEXT.fetch_add(1, Relaxed),
            address,
            hop,
            name: ArcSwap::from_pointee(Name::new(hop, address.to_string())),
            is_named: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            weight: AtomicU32::new(FULL_WEIGHT),
            in_flight: AtomicU32::new(0),
            limit: AtomicU32::new(u32::MAX),
            latency_us: AtomicU32::new(0),
            consecutive_failures: AtomicU32::new(0),
            counts: Counts::default(),
            suspect: Notify::new(),
        }
    }

    pub(crate) fn name(&self) -> Arc<Name> {
        self.name.load_full()
    }

    /// Whether its name is to be asked for. Whatever happens until the answer is there counts as after
    /// it, so that no name outlives its box.
    pub(crate) fn begin_naming(&self) -> bool {
        !self.is_named.swap(true, Relaxed)
    }

    pub(crate) fn set_name(&self, name: String) {
        self.name.store(Arc::new(Name::new(self.hop, name)));
    }

    /// It is called as before until somebody knows better.
    pub(crate) fn forget_name(&self) {
        self.is_named.store(false, Relaxed);
    }

    pub(crate) fn is_down(&self) -> bool {
        self.is_down.load(Relaxed)
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Relaxed);
        if is_down {
            // Another one may come up there.
            self.forget_name();
        }
    }

    pub(crate) fn set_weight(&self, share: f64) {
        let weight = (share.clamp(0.0, 1.0) * f64::from(FULL_WEIGHT)) as u32;
        self.weight.store(weight.max(1), Relaxed);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Relaxed);
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// Whether it may have one more.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight() < self.limit()
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Relaxed).into())
    }

    /// The time that a newcomer would have to wait, roughly: the less the better.
    pub(crate) fn cost(&self) -> u64 {
        self.latency_or_floor() * u64::from(self.in_flight() + 1)
    }

    /// Whether a newcomer waits less here than there. Latencies that differ by less than half are taken
    /// for equal: at little load the one that is a millisecond faster would get nearly all there is.
    pub(crate) fn is_better_than(&self, other: &Upstream) -> bool {
        let (ours, theirs) = (self.latency_or_floor(), other.latency_or_floor());
        match ours < 2 * theirs && theirs < 2 * ours {
            true => self.in_flight() < other.in_flight(),
            false => self.cost() < other.cost(),
        }
    }

    fn latency_or_floor(&self) -> u64 {
        u64::from(self.latency_us.load(Relaxed)) + LATENCY_FLOOR_US
    }

    /// By chance, as often as its weight says.
    pub(crate) fn takes_turn(&self) -> bool {
        let weight = self.weight.load(Relaxed);
        weight == FULL_WEIGHT || fastrand::u32(..FULL_WEIGHT) < weight
    }

    /// Notes an attempt that ended; says how many have failed in a row up to now.
    pub(crate) fn note(&self, outcome: Outcome) -> u32 {
        let count = match outcome {
            Outcome::Ok => &self.counts.ok,
            Outcome::Error => &self.counts.error,
            Outcome::Timeout => &self.counts.timeout,
            Outcome::Refused => &self.counts.refused,
        };
        count.fetch_add(1, Relaxed);
        if outcome != Outcome::Ok {
            return self.consecutive_failures.fetch_add(1, Relaxed) + 1;
        }
        if self.consecutive_failures.load(Relaxed) != 0 {
            self.consecutive_failures.store(0, Relaxed);
        }
        0
    }

    pub(crate) fn note_retry(&self) {
        self.counts.retried.fetch_add(1, Relaxed);
    }

    pub(crate) fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures.load(Relaxed)
    }

    pub(crate) fn forget_failures(&self) {
        self.consecutive_failures.store(0, Relaxed);
    }

    /// Notes how long an answer's head took. A lost update among workers costs an average nothing.
    pub(crate) fn note_latency(&self, took: Duration) {
        self.counts
            .ok_us
            .fetch_add(took.as_micros() as u64, Relaxed);
        let sample = took.as_micros().min(10_000_000) as i64;
        let old = i64::from(self.latency_us.load(Relaxed));
        let new = if old == 0 {
            sample
        } else {
            old + (sample - old) / 32
        };
        self.latency_us.store(new.max(0) as u32, Relaxed);
    }

    /// Called ten times a second: what one was like is forgotten within seconds, so that one that was
    /// slow gets another chance.
    pub(crate) fn fade_latency(&self) {
        let old = self.latency_us.load(Relaxed);
        self.latency_us.store(old - old / 32, Relaxed);
    }
}

const FULL_WEIGHT: u32 = 256;

impl Name {
    fn new(hop: &str, name: String) -> Name {
        let plain: String = name
            .chars()
            .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
            .collect();
        Name {
            timing: format!("{hop};desc=\"{} {plain}\";dur=", boxstat::name()),
            name,
        }
    }
}

/// A request that is at an upstream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Flight(Arc<Upstream>);

impl Flight {
    pub(crate) fn begin(upstream: Arc<Upstream>) -> Flight {
        upstream.in_flight.fetch_add(1, Relaxed);
        Flight(upstream)
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.0
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_that_was_down_is_asked_for_its_name_again() {
        let upstream = Upstream::new(([10, 0, 0, 1], 80).into(), "lb");
        assert!(upstream.begin_naming() && !upstream.begin_naming());
        upstream.set_name("web-2".to_owned());
        upstream.set_down(false);
        assert!(!upstream.begin_naming());
        upstream.set_down(true);
        assert_eq!(upstream.name().name, "web-2");
        assert!(upstream.begin_naming());
        // It falls while it is asked.
        upstream.set_down(true);
        upstream.set_name("web-2".to_owned());
        assert!(upstream.begin_naming());
    }
}
