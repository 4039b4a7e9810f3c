//! Active health: each upstream is asked how it is, again and again, and at once when it goes silent.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::config::HealthConfig;
use crate::stream;
use crate::upstream::Upstream;

/// What an upstream says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Not asked yet.
    Unknown,
    Ready,
    /// It answers, and says that it should get no traffic: it starts, stops, or lacks something.
    Unready,
    Down,
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Ready,
    NotReady,
    /// Nobody is there: its kernel says so, or that of the way to it.
    Refused,
    Silent,
}

/// What to think of an upstream after what it has said so far.
///
/// What a box says of itself counts at once. Only silence is ambiguous, and only a box that was down
/// has to prove itself.
#[derive(Debug)]
pub(crate) struct Probation {
    pub(crate) status: Status,
    /// Silences in a row while it is up, good answers in a row while it is down.
    streak: usize,
}

impl Probation {
    pub(crate) fn new() -> Probation {
        Probation {
            status: Status::Unknown,
            streak: 0,
        }
    }

    /// `is_stalled` says that it answers no requests either.
    pub(crate) fn note(&mut self, probe: Probe, is_stalled: bool, config: &HealthConfig) {
        let (status, streak) = match (probe, self.status) {
            (Probe::Ready, Status::Down) if self.streak + 1 < config.rise => {
                (Status::Down, self.streak + 1)
            }
            (Probe::Ready, _) => (Status::Ready, 0),
            (Probe::NotReady, _) => (Status::Unready, 0),
            (Probe::Refused, _) => (Status::Down, 0),
            (Probe::Silent, Status::Down | Status::Unknown) => (Status::Down, 0),
            (Probe::Silent, up) if !is_stalled && self.streak + 1 < config.fall => {
                (up, self.streak + 1)
            }
            (Probe::Silent, _) => (Status::Down, 0),
        };
        self.status = status;
        self.streak = streak;
    }
}

/// Asks one upstream until it is no longer of the cluster.
pub(crate) async fn watch(cluster: Arc<Cluster>, upstream: Arc<Upstream>) {
    let mut prober = Prober::default();
    let mut is_stalled = false;
    loop {
        let config = cluster.health_config();
        let mut ask = pin!(prober.ask(&upstream, &config));
        let mut probe = None;
        if !is_stalled {
            // Whoever goes silent while he is asked has less time, and need not be asked again.
            tokio::select! {
                answer = timeout(config.timeout, &mut ask) => probe = Some(answer),
                () = upstream.suspect.notified() => is_stalled = true,
            }
        }
        let probe = match probe {
            Some(answer) => answer,
            None => timeout(config.stall_timeout, ask).await,
        };
        let probe = probe.unwrap_or(Probe::Silent);
        cluster.note_probe(&upstream, probe, is_stalled);
        tokio::select! {
            () = tokio::time::sleep(jittered(config.interval)) => is_stalled = false,
            () = upstream.suspect.notified() => is_stalled = true,
        }
    }
}

/// Else all proxies ask all boxes at the same moment.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// Keeps its connection: opening one costs a throttled box more than answering.
#[derive(Default)]
struct Prober {
    connection: Option<SendRequest<Empty<Bytes>>>,
}

impl Prober {
    async fn ask(&mut self, upstream: &Upstream, config: &HealthConfig) -> Probe {
        let answer = match self.connection.take().filter(|kept| kept.is_ready()) {
            // It may have been closed a moment ago: that says nothing yet.
            Some(kept) => match self.ask_on(kept, config).await {
                Ok(status) => Ok(status),
                Err(_) => self.ask_anew(upstream, config).await,
            },
            None => self.ask_anew(upstream, config).await,
        };
        match answer {
            Ok(status) if status.is_success() => Probe::Ready,
            Ok(_) => Probe::NotReady,
            Err(_) => Probe::Refused,
        }
    }

    async fn ask_anew(
        &mut self,
        upstream: &Upstream,
        config: &HealthConfig,
    ) -> Result<StatusCode, runtime::BoxError> {
        let mut address = upstream.address;
        address.set_port(config.port.unwrap_or(address.port()));
        let stream = stream::connect(address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        self.ask_on(sender, config).await
    }

    async fn ask_on(
        &mut self,
        mut sender: SendRequest<Empty<Bytes>>,
        config: &HealthConfig,
    ) -> Result<StatusCode, runtime::BoxError> {
        let request = Request::get(&config.path)
            .header(HOST, HeaderValue::from_static("health"))
            .header(USER_AGENT, HeaderValue::from_static("stagecraft-health"))
            .body(Empty::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        // A few bytes; without reading them the connection could not be kept.
        answer.into_body().collect().await?;
        self.connection = Some(sender);
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(probes: &[Probe]) -> Status {
        let mut probation = Probation::new();
        for probe in probes {
            probation.note(*probe, false, &HealthConfig::default());
        }
        probation.status
    }

    use Probe::{NotReady, Ready, Refused, Silent};

    #[test]
    fn what_a_box_says_of_itself_counts_at_once() {
        assert_eq!(after(&[Ready]), Status::Ready);
        assert_eq!(after(&[Ready, NotReady]), Status::Unready);
        assert_eq!(after(&[Ready, NotReady, Ready]), Status::Ready);
        assert_eq!(after(&[Ready, Refused]), Status::Down);
    }

    #[test]
    fn silence_must_last() {
        assert_eq!(after(&[Silent]), Status::Down);
        assert_eq!(after(&[Ready, Silent, Silent]), Status::Ready);
        assert_eq!(
            after(&[Ready, Silent, Silent, Ready, Silent, Silent]),
            Status::Ready
        );
        assert_eq!(after(&[Ready, Silent, Silent, Silent]), Status::Down);
    }

    #[test]
    fn a_box_that_was_down_proves_itself() {
        assert_eq!(after(&[Ready, Refused, Ready]), Status::Down);
        assert_eq!(after(&[Ready, Refused, Ready, Ready]), Status::Ready);
        assert_eq!(after(&[Ready, Refused, Ready, Silent, Ready]), Status::Down);
    }

    #[test]
    fn a_box_that_answers_no_requests_either_is_down_after_one_silence() {
        let mut probation = Probation::new();
        let config = HealthConfig::default();
        probation.note(Ready, false, &config);
        probation.note(Silent, true, &config);
        assert_eq!(probation.status, Status::Down);
    }
}
