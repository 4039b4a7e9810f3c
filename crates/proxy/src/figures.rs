//! A proxy's figures. Requests are counted by atomics of our own: a fifth of what the common library
//! costs on this path, and all that happens here is this path.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, StatusCode};
use runtime::{Exposition, Kind};

use crate::cluster::Cluster;
use crate::member::State;
use crate::refusal::Refusal;
use crate::upstream::{Counts, Upstream};

/// OpenTelemetry's bounds for HTTP servers, in microseconds, as all services of ours have them.
const BOUNDS_US: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "other"];
const STATUSES: usize = 600;

/// Durations of requests, by method and status, and what was refused.
#[derive(Debug)]
pub struct Figures {
    requests: Vec<OnceLock<Box<Histogram>>>,
    connections: AtomicU64,
    /// There was more to do than is taken in, here or at all upstreams.
    refused_full: AtomicU64,
    /// There was no upstream to ask.
    refused_nobody_ready: AtomicU64,
}

#[derive(Debug, Default)]
struct Histogram {
    /// How many ended in each interval between bounds, and beyond the last.
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            requests: (0..METHODS.len() * STATUSES)
                .map(|_| OnceLock::new())
                .collect(),
            connections: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
            refused_nobody_ready: AtomicU64::new(0),
        }
    }
}

impl Figures {
    pub(crate) fn observe(&self, method: &Method, status: StatusCode, took: Duration) {
        let known = METHODS.iter().position(|known| *known == method.as_str());
        let method = known.unwrap_or(METHODS.len() - 1);
        let status = usize::from(status.as_u16()).min(STATUSES - 1);
        let histogram = self.requests[method * STATUSES + status].get_or_init(Box::default);
        let us = took.as_micros() as u64;
        let interval = BOUNDS_US.partition_point(|bound| *bound < us);
        histogram.counts[interval].fetch_add(1, Relaxed);
        histogram.sum_us.fetch_add(us, Relaxed);
    }

    /// Notes a 503 of our own: its status alone does not tell it from an upstream's.
    pub(crate) fn note_refusal(&self, refusal: &Refusal) {
        let count = match refusal {
            Refusal::Overloaded => &self.refused_full,
            Refusal::NobodyReady => &self.refused_nobody_ready,
            _ => return,
        };
        count.fetch_add(1, Relaxed);
    }

    pub(crate) fn connections(&self) -> &AtomicU64 {
        &self.connections
    }

    /// Writes all of it down, and what the cluster has.
    pub fn write(&self, cluster: &Cluster, out: &mut Exposition) {
        self.write_requests(out);
        let open = self.connections.load(Relaxed) as f64;
        out.family(Kind::Gauge, "http_server_open_connections")
            .sample(&[], open);
        self.write_refused(out);
        write_cluster(cluster, out);
    }

    fn write_refused(&self, out: &mut Exposition) {
        let mut refused = out.family(Kind::Counter, "requests_refused_total");
        for (reason, count) in [
            ("full", &self.refused_full),
            ("nobody_ready", &self.refused_nobody_ready),
        ] {
            refused.sample(&[("reason", reason)], count.load(Relaxed) as f64);
        }
    }

    fn write_requests(&self, out: &mut Exposition) {
        const NAME: &str = "http_server_request_duration_seconds";
        let mut family = out.family(Kind::Histogram, NAME);
        for (place, histogram) in self.requests.iter().enumerate() {
            let Some(histogram) = histogram.get() else {
                continue;
            };
            let (method, status) = (METHODS[place / STATUSES], (place % STATUSES).to_string());
            let labels = [("route", "*"), ("method", method), ("status", &status)];
            let counts = histogram.counts.iter().map(|count| count.load(Relaxed));
            let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6);
            let sum = histogram.sum_us.load(Relaxed) as f64 / 1e6;
            family.histogram(&labels, bounds, counts, sum);
        }
    }
}

/// One of an upstream's counts.
type Count = fn(&Counts) -> &AtomicU64;

fn write_cluster(cluster: &Cluster, out: &mut Exposition) {
    // One that only finishes what it has may be called as its successor: both are one series.
    let mut by_name: BTreeMap<String, Vec<Arc<Upstream>>> = BTreeMap::new();
    for upstream in cluster.upstreams() {
        let name = upstream.name().name.clone();
        by_name.entry(name).or_default().push(upstream);
    }
    let sum = |namesakes: &[Arc<Upstream>], count: Count| {
        let counts = namesakes.iter().map(|u| count(&u.counts).load(Relaxed));
        counts.sum::<u64>() as f64
    };
    let outcomes: [(&str, Count); 5] = [
        ("ok", |counts| &counts.ok),
        ("error", |counts| &counts.error),
        ("timeout", |counts| &counts.timeout),
        ("refused", |counts| &counts.refused),
        ("retried", |counts| &counts.retried),
    ];
    let mut requests = out.family(Kind::Counter, "upstream_requests_total");
    for (name, namesakes) in &by_name {
        for (outcome, count) in outcomes {
            let labels = [("upstream", name.as_str()), ("outcome", outcome)];
            requests.sample(&labels, sum(namesakes, count));
        }
    }
    let mut latency = out.family(Kind::Counter, "upstream_ok_seconds_total");
    for (name, namesakes) in &by_name {
        let seconds = sum(namesakes, |counts| &counts.ok_us) / 1e6;
        latency.sample(&[("upstream", name)], seconds);
    }
    let reports = cluster.report();
    let mut states = out.family(Kind::Gauge, "upstream_state");
    for report in &reports {
        for (state, name) in State::ALL {
            let is_it = f64::from(u8::from(report.state == state));
            states.sample(&[("upstream", &report.name), ("state", name)], is_it);
        }
    }
    let mut in_flight = out.family(Kind::Gauge, "upstream_in_flight");
    for report in &reports {
        in_flight.sample(&[("upstream", &report.name)], f64::from(report.in_flight));
    }
    let mut ejections = out.family(Kind::Counter, "upstream_ejections_total");
    for report in &reports {
        ejections.sample(&[("upstream", &report.name)], report.ejections as f64);
    }
    let ejected = cluster.ejections();
    let mut last = out.family(Kind::Gauge, "upstream_last_ejection_timestamp_seconds");
    for report in &reports {
        let at = ejected.get(&report.name).map(|ejected| ejected.last);
        if let Some(since) = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            last.sample(&[("upstream", &report.name)], since.as_secs_f64());
        }
    }
    let is_panic = f64::from(u8::from(cluster.is_panic()));
    out.family(Kind::Gauge, "upstream_panic")
        .sample(&[], is_panic);
    let exhausted = cluster.budget.exhausted() as f64;
    out.family(Kind::Counter, "retry_budget_exhausted_total")
        .sample(&[], exhausted);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Outcome;

    #[test]
    fn requests_are_told_apart_by_method_status_and_duration() {
        let figures = Figures::default();
        for (method, status, ms) in [("GET", 200, 4), ("GET", 200, 20_000), ("PATCH", 503, 7)] {
            let method = method.parse().unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            figures.observe(&method, status, Duration::from_millis(ms));
        }
        let mut out = Exposition::default();
        figures.write_requests(&mut out);
        let text = out.into_text();
        for line in [
            "http_server_request_duration_seconds_bucket{route=\"*\",method=\"GET\",status=\"200\",le=\"0.005\"} 1",
            "http_server_request_duration_seconds_bucket{route=\"*\",method=\"GET\",status=\"200\",le=\"10\"} 1",
            "http_server_request_duration_seconds_bucket{route=\"*\",method=\"GET\",status=\"200\",le=\"+Inf\"} 2",
            "http_server_request_duration_seconds_sum{route=\"*\",method=\"GET\",status=\"200\"} 20.004",
            "http_server_request_duration_seconds_count{route=\"*\",method=\"other\",status=\"503\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[tokio::test]
    async fn namesakes_are_one_series() {
        let config: crate::ProxyConfig = toml::from_str("upstreams.address = \"web:80\"").unwrap();
        let cluster = Cluster::new("lb", config.rules());
        cluster.set_addresses(&[([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 80).into()]);
        for upstream in cluster.upstreams() {
            upstream.set_name("web-1".to_owned());
            cluster.note(&upstream, Outcome::Ok);
        }
        let mut out = Exposition::default();
        write_cluster(&cluster, &mut out);
        let text = out.into_text();
        let series = "upstream_requests_total{upstream=\"web-1\",outcome=\"ok\"} ";
        let values = text.lines().filter_map(|line| line.strip_prefix(series));
        assert_eq!(values.collect::<Vec<_>>(), ["2"]);
        let seconds = "upstream_ok_seconds_total{upstream=\"web-1\"} ";
        assert_eq!(text.matches(seconds).count(), 1, "{text}");
    }
}
