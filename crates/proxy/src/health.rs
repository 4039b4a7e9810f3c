//! Active health: each upstream is asked how it is, again and again, and at once when it goes silent.

use std::io;
use std::net::SocketAddr;
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
    /// No answer, or none that says anything.
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
    connection: Option<Kept>,
}

struct Kept {
    sender: SendRequest<Empty<Bytes>>,
    /// Where it leads: a reload may name another port.
    address: SocketAddr,
}

impl Prober {
    async fn ask(&mut self, upstream: &Upstream, config: &HealthConfig) -> Probe {
        let mut address = upstream.address;
        address.set_port(config.port.unwrap_or(address.port()));
        let is_good = |kept: &Kept| kept.address == address && kept.sender.is_ready();
        let answer = match self.connection.take().filter(is_good) {
            // It may have been closed a moment ago: that says nothing yet.
            Some(kept) => match self.ask_on(kept, config).await {
                Ok(status) => Ok(status),
                Err(_) => self.ask_anew(address, config).await,
            },
            None => self.ask_anew(address, config).await,
        };
        match answer {
            Ok(status) if status.is_success() => Probe::Ready,
            Ok(_) => Probe::NotReady,
            Err(error) if says_nobody_is_there(&*error) => Probe::Refused,
            Err(_) => Probe::Silent,
        }
    }

    async fn ask_anew(
        &mut self,
        address: SocketAddr,
        config: &HealthConfig,
    ) -> Result<StatusCode, runtime::BoxError> {
        let stream = stream::connect(address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        self.ask_on(Kept { sender, address }, config).await
    }

    async fn ask_on(
        &mut self,
        mut kept: Kept,
        config: &HealthConfig,
    ) -> Result<StatusCode, runtime::BoxError> {
        let request = Request::get(&config.path)
            .header(HOST, HeaderValue::from_static("health"))
            .header(USER_AGENT, HeaderValue::from_static("stagecraft-health"))
            .body(Empty::new())?;
        let answer = kept.sender.send_request(request).await?;
        let status = answer.status();
        // A few bytes; without reading them the connection could not be kept.
        answer.into_body().collect().await?;
        self.connection = Some(kept);
        Ok(status)
    }
}

/// Whether a kernel says so. Whatever else goes wrong may be our own lack, or a moment of its: what it
/// has in flight is not to be cut for that.
fn says_nobody_is_there(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(
            error.kind(),
            ConnectionRefused | HostUnreachable | NetworkUnreachable
        )
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

    /// What a prober hears that asks a box, with a health port or without one, time after time.
    fn heard(ports: &'static [Option<u16>], answer: impl Fn(u16) -> &'static str) -> Vec<Probe> {
        let mut sim = turmoil::Builder::new().build();
        let answers = [8080, 8081].map(|port| (port, answer(port)));
        sim.host("box", move || async move {
            let [one, two] = answers.map(|(port, answer)| serve(port, answer));
            tokio::try_join!(one, two)?;
            Ok(())
        });
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let hears = heard.clone();
        sim.client("lb", async move {
            let upstream = Upstream::new((turmoil::lookup("box"), 8080).into(), "lb");
            let mut prober = Prober::default();
            for port in ports {
                let config = HealthConfig {
                    port: *port,
                    ..HealthConfig::default()
                };
                let probe = prober.ask(&upstream, &config).await;
                hears.lock().unwrap().push(probe);
            }
            Ok(())
        });
        sim.run().unwrap();
        let heard = heard.lock().unwrap();
        heard.clone()
    }

    async fn serve(port: u16, answer: &'static str) -> io::Result<()> {
        let any = std::net::Ipv4Addr::UNSPECIFIED;
        let listener = turmoil::net::TcpListener::bind((any, port)).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    }

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn another_port_is_asked_from_then_on() {
        let answer = |port| if port == 8080 { OK } else { BUSY };
        let ports = &[None, None, Some(8081), None];
        assert_eq!(heard(ports, answer), [Ready, Ready, NotReady, Ready]);
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_no_refusal() {
        assert_eq!(heard(&[None, None], |_| "what?\r\n\r\n"), [Silent; 2]);
        assert_eq!(heard(&[Some(8082)], |_| OK), [Refused]);
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
