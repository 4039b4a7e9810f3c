//! Boxes that only pretend: their counters grow with time, at the rates they were given.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

/// What a box pretends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pretence {
    /// Cores, of a quarter.
    pub(crate) cpu: f64,
    /// Pages a second, each within 25 to 50 ms.
    pub(crate) requests: f64,
    /// More requests a second, answered with 503.
    pub(crate) failures: f64,
    /// Bytes of answers a second.
    pub(crate) sent: f64,
    /// A second, to `db:5432`.
    pub(crate) queries: f64,
    /// For a balancer: boxes behind it that share its requests, each with its state. One that is
    /// ejected has been since it began to pretend so.
    pub(crate) upstreams: &'static [(&'static str, &'static str)],
}

/// All boxes, behind one address each at `/NAME`.
#[derive(Clone)]
pub(crate) struct Boxes {
    pub(crate) addr: SocketAddr,
    state: Arc<Mutex<BTreeMap<String, Counters>>>,
}

/// What a box has counted until it began to pretend what it does now.
#[derive(Clone, Copy)]
struct Counters {
    counted: Pretence,
    since: Instant,
    pretence: Pretence,
}

impl Counters {
    /// As if it had run for a while: a counter that starts with the first scrape has no rate.
    fn new(pretence: Pretence) -> Counters {
        Counters {
            counted: Pretence::default().and(pretence, 60.0),
            since: Instant::now(),
            pretence,
        }
    }

    fn now(&self) -> Pretence {
        self.counted
            .and(self.pretence, self.since.elapsed().as_secs_f64())
    }
}

impl Pretence {
    /// With what the other adds in some seconds.
    fn and(self, other: Pretence, seconds: f64) -> Pretence {
        Pretence {
            cpu: self.cpu + other.cpu * seconds,
            requests: self.requests + other.requests * seconds,
            failures: self.failures + other.failures * seconds,
            sent: self.sent + other.sent * seconds,
            queries: self.queries + other.queries * seconds,
            upstreams: other.upstreams,
        }
    }
}

impl Boxes {
    pub(crate) async fn start(boxes: &[(&str, Pretence)]) -> Boxes {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let boxes = Boxes {
            addr: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(
                boxes
                    .iter()
                    .map(|(name, pretence)| ((*name).to_owned(), Counters::new(*pretence)))
                    .collect(),
            )),
        };
        let router = Router::new()
            .route("/{name}", get(metrics))
            .with_state(boxes.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        boxes
    }

    /// From now on this box does this.
    pub(crate) fn pretend(&self, name: &str, pretence: Pretence) {
        let mut state = self.state.lock().unwrap();
        let counters = state.get_mut(name).expect("a box of this name");
        *counters = Counters {
            counted: counters.now(),
            since: Instant::now(),
            pretence,
        };
    }

    /// From now on this box does not answer.
    pub(crate) fn kill(&self, name: &str) {
        self.state.lock().unwrap().remove(name);
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().keys().cloned().collect()
    }
}

async fn metrics(
    State(boxes): State<Boxes>,
    Path(name): Path<String>,
) -> Result<String, StatusCode> {
    let counters = boxes.state.lock().unwrap().get(&name).copied();
    let counters = counters.ok_or(StatusCode::GONE)?;
    let Pretence {
        cpu,
        requests,
        failures,
        sent,
        queries,
        upstreams,
    } = counters.now();
    let mut text = format!(
        r#"box_cpu_seconds_total{{box="{name}"}} {}
box_cpu_throttled_seconds_total{{box="{name}"}} {}
box_cpu_limit_cores{{box="{name}"}} 0.25
box_memory_bytes{{box="{name}"}} 128e6
box_memory_limit_bytes{{box="{name}"}} 512e6
box_network_bytes_total{{box="{name}",direction="receive"}} {}
box_network_bytes_total{{box="{name}",direction="transmit"}} {}
"#,
        cpu,
        cpu,
        sent / 10.0,
        sent * 1.1,
    );
    let page = r#"route="/products/{sku}",method="GET""#;
    for (status, count) in [("200", requests), ("503", failures)] {
        let metric = "http_server_request_duration_seconds";
        for (bound, share) in [("0.025", 0.0), ("0.05", 1.0), ("+Inf", 1.0)] {
            let within = count * share;
            text +=
                &format!("{metric}_bucket{{{page},status=\"{status}\",le=\"{bound}\"}} {within}\n");
        }
        text += &format!("{metric}_count{{{page},status=\"{status}\"}} {count}\n");
    }
    text += &format!("http_server_response_bytes_total{{route=\"/products/{{sku}}\"}} {sent}\n",);
    text += &format!(
        "db_query_duration_seconds_count{{query=\"product\",node=\"db:5432\",role=\"primary\"}} {queries}\n",
    );
    for (upstream, state) in upstreams {
        let count = requests / upstreams.len() as f64;
        let of = format!("upstream=\"{upstream}\"");
        for known in ["ready", "unready", "down", "ejected", "warming"] {
            let is_it = u8::from(known == *state);
            text += &format!("upstream_state{{{of},state=\"{known}\"}} {is_it}\n");
        }
        text += &format!("upstream_requests_total{{{of},outcome=\"ok\"}} {count}\n");
        text += &format!("upstream_requests_total{{{of},outcome=\"retried\"}} 0\n");
        text += &format!("upstream_ok_seconds_total{{{of}}} {}\n", count * 0.02);
        text += &format!("upstream_in_flight{{{of}}} 2\n");
        let is_ejected = *state == "ejected";
        text += &format!(
            "upstream_ejections_total{{{of}}} {}\n",
            u8::from(is_ejected)
        );
        if is_ejected {
            let at = SystemTime::now() - counters.since.elapsed();
            let at = at.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            text += &format!("upstream_last_ejection_timestamp_seconds{{{of}}} {at}\n");
        }
    }
    if !upstreams.is_empty() {
        text += "upstream_panic 0\n";
        text += "requests_refused_total{reason=\"full\"} 0\n";
        text += "requests_refused_total{reason=\"nobody_ready\"} 0\n";
    }
    Ok(text)
}
