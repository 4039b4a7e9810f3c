//! One upstream of a cluster: whether it is listed, how healthy it is, whether it is ejected, and how that
//! is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::cluster::Ejections;
use crate::config::UpstreamsConfig;
use crate::health::{Probation, Status};
use crate::outlier::{Outlier, Tally};
use crate::queue::{Length, Queue};
use crate::upstream::Upstream;

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) upstream: Arc<Upstream>,
    /// False for one that only finishes what it has.
    pub(crate) is_listed: bool,
    pub(crate) probation: Probation,
    pub(crate) outlier: Outlier,
    /// Since when it gets requests, and so starts slowly.
    pub(crate) since: Option<Instant>,
    queue: Queue,
    /// Answers up to the last time that one came, and when that was seen.
    answered: (u64, Instant),
    prober: Option<AbortHandle>,
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(prober) = &self.prober {
            prober.abort();
        }
    }
}

/// An upstream as `GET /upstreams` shows it.
#[derive(Debug, Serialize)]
pub struct Report {
    pub name: String,
    pub address: SocketAddr,
    pub state: State,
    pub in_flight: u32,
    /// What it may have in flight now.
    pub limit: u32,
    pub latency_ms: f64,
    pub requests: u64,
    pub failures: u64,
    pub ejections: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ready,
    Unready,
    Down,
    Ejected,
    /// Ready, and getting less than its share yet.
    Warming,
}

impl State {
    pub const ALL: [(State, &'static str); 5] = [
        (State::Ready, "ready"),
        (State::Unready, "unready"),
        (State::Down, "down"),
        (State::Ejected, "ejected"),
        (State::Warming, "warming"),
    ];
}

impl Member {
    pub(crate) fn new(upstream: Arc<Upstream>, prober: Option<AbortHandle>) -> Member {
        let now = Instant::now();
        Member {
            upstream,
            is_listed: true,
            probation: Probation::new(),
            outlier: Outlier::new(now),
            since: None,
            queue: Queue::new(now),
            answered: (0, now),
            prober,
        }
    }

    /// Whether its health lets it have requests; it may be ejected all the same.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_listed && self.probation.status == Status::Ready
    }

    pub(crate) fn tally(&self) -> Tally {
        let counts = &self.upstream.counts;
        Tally {
            total: counts.total(),
            failed: counts.failures(),
            consecutive: self.upstream.consecutive_failures(),
        }
    }

    /// One that has requests and answers none of them is asked at once.
    pub(crate) fn notice_silence(&mut self, now: Instant, stall: Duration) {
        let answers = self.upstream.counts.total();
        if answers != self.answered.0 || self.upstream.in_flight() == 0 {
            self.answered = (answers, now);
        } else if now >= self.answered.1 + stall && !self.upstream.is_down() {
            self.answered.1 = now;
            self.upstream.suspect.notify_one();
        }
    }

    /// Lets it have more for a rush, but not when its queue stands or it is cold: the others would leave to
    /// it, who has just come, all that is too much for them.
    pub(crate) fn set_limit(&mut self, now: Instant, config: &UpstreamsConfig) {
        let most = config.limit(true);
        let length = match self.upstream.in_flight() {
            n if n <= most / 2 => Length::Short,
            n if n <= most => Length::Middling,
            _ => Length::Long,
        };
        self.queue.look(now, length, config.burst);
        let is_warm = self.warmth(now, config.slow_start) >= 1.0;
        let limit = config.limit(self.queue.stands || !is_warm);
        self.upstream.set_limit(limit);
    }

    /// From a tenth of its share up to all of it.
    pub(crate) fn warmth(&self, now: Instant, slow_start: Duration) -> f64 {
        let Some(since) = self.since else { return 0.1 };
        match slow_start.is_zero() {
            true => 1.0,
            false => {
                (now.duration_since(since).as_secs_f64() / slow_start.as_secs_f64()).clamp(0.1, 1.0)
            }
        }
    }

    pub(crate) fn report(
        &self,
        ejections: &Ejections,
        now: Instant,
        slow_start: Duration,
    ) -> Report {
        let name = self.upstream.name().name.clone();
        let tally = self.tally();
        Report {
            address: self.upstream.address,
            state: match self.probation.status {
                Status::Ready if self.outlier.is_out() => State::Ejected,
                Status::Ready if self.warmth(now, slow_start) < 1.0 => State::Warming,
                Status::Ready => State::Ready,
                Status::Unready => State::Unready,
                Status::Unknown | Status::Down => State::Down,
            },
            in_flight: self.upstream.in_flight(),
            limit: self.upstream.limit(),
            latency_ms: self.upstream.latency().as_secs_f64() * 1e3,
            requests: tally.total,
            failures: tally.failed,
            ejections: ejections.get(&name).map_or(0, |ejected| ejected.times),
            name,
        }
    }
}
