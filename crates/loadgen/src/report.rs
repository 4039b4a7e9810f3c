//! What a run is reported as.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::cpu::Cpu;
use crate::generator::Outcome;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    requests: usize,
    seconds: f64,
    /// Requests answered a second.
    throughput: f64,
    p50_us: f64,
    p99_us: f64,
    /// CPU time of the server for a request.
    user_us: f64,
    system_us: f64,
    /// Part of one core that the server used.
    cores: f64,
}

impl Report {
    pub(crate) fn of(outcome: Outcome, cpu: Cpu) -> anyhow::Result<Report> {
        let mut latencies = outcome.latencies;
        ensure!(!latencies.is_empty(), "no request was sent");
        latencies.sort_unstable();
        let requests = latencies.len();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = requests as f64;
        let seconds = outcome.elapsed.as_secs_f64();
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count;
        Ok(Report {
            requests,
            seconds,
            throughput: count / seconds,
            p50_us: percentile(&latencies, 50).as_secs_f64() * 1e6,
            p99_us: percentile(&latencies, 99).as_secs_f64() * 1e6,
            user_us: each(cpu.user),
            system_us: each(cpu.system),
            cores: (cpu.user + cpu.system).as_secs_f64() / seconds,
        })
    }
}

/// The smallest that this percentage of all is at or below. `sorted` is not empty.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_exact() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&hundred, 50), Duration::from_millis(50));
        assert_eq!(percentile(&hundred, 99), Duration::from_millis(99));
        assert_eq!(percentile(&hundred[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&hundred[..10], 99), Duration::from_millis(10));
    }

    #[test]
    fn cpu_is_shared_out_among_requests() {
        let outcome = Outcome {
            latencies: vec![Duration::from_millis(1); 1000],
            elapsed: Duration::from_secs(2),
        };
        let cpu = Cpu {
            user: Duration::from_millis(300),
            system: Duration::from_millis(700),
        };
        let report = Report::of(outcome, cpu).expect("a report");
        assert_eq!(report.requests, 1000);
        let near = |value: f64, expected: f64| (value - expected).abs() < 1e-6;
        assert!(near(report.throughput, 500.0));
        assert!(near(report.user_us, 300.0) && near(report.system_us, 700.0));
        assert!(near(report.cores, 0.5));
        assert!(near(report.p99_us, 1000.0));
    }
}
