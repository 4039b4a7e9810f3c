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
#[derive(Clone, Copy)]
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
    /// Look-ups of sessions a second, all of them found in this store; in none if it has no name.
    pub(crate) sessions: f64,
    pub(crate) sessions_in: &'static str,
    /// For who asks the cache, what his circuits to both Redis are: 0 closed, 1 half-open, 2 open.
    pub(crate) circuit: Option<u8>,
    /// Requests a second for products that the cache has, has not, and that went past it. Of its other
    /// caches there are fewer.
    pub(crate) hits: f64,
    pub(crate) misses: f64,
    pub(crate) bypassed: f64,
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
            counted: Pretence::NOTHING.and(pretence, 60.0),
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
    pub(crate) const NOTHING: Pretence = Pretence {
        cpu: 0.0,
        requests: 0.0,
        failures: 0.0,
        sent: 0.0,
        queries: 0.0,
        sessions: 0.0,
        sessions_in: "",
        circuit: None,
        hits: 0.0,
        misses: 0.0,
        bypassed: 0.0,
        upstreams: &[],
    };

    /// With what the other adds in some seconds.
    fn and(self, other: Pretence, seconds: f64) -> Pretence {
        Pretence {
            cpu: self.cpu + other.cpu * seconds,
            requests: self.requests + other.requests * seconds,
            failures: self.failures + other.failures * seconds,
            sent: self.sent + other.sent * seconds,
            queries: self.queries + other.queries * seconds,
            sessions: self.sessions + other.sessions * seconds,
            sessions_in: other.sessions_in,
            circuit: other.circuit,
            hits: self.hits + other.hits * seconds,
            misses: self.misses + other.misses * seconds,
            bypassed: self.bypassed + other.bypassed * seconds,
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
    let now = counters.now();
    let Pretence {
        cpu,
        requests,
        failures,
        sent,
        queries,
        upstreams,
        ..
    } = now;
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
    text += &match name.as_str() {
        "redis" => of_redis(&now),
        "cdn" => format!("cache_requests_total{{cache=\"cdn\",outcome=\"hit\"}} {requests}\n"),
        _ => of_cache(&now),
    };
    if !upstreams.is_empty() {
        text += "upstream_panic 0\n";
        text += "requests_refused_total{reason=\"full\"} 0\n";
        text += "requests_refused_total{reason=\"nobody_ready\"} 0\n";
    }
    Ok(text)
}

/// What the shop says of its sessions, and of the cache if it has one.
fn of_cache(now: &Pretence) -> String {
    let mut text = String::new();
    if !now.sessions_in.is_empty() {
        let (store, found) = (now.sessions_in, now.sessions);
        text += &format!("session_lookups_total{{store=\"{store}\",outcome=\"found\"}} {found}\n");
    }
    let Some(state) = now.circuit else {
        return text;
    };
    for dependency in ["redis-sessions", "redis-cache"] {
        text += &format!("circuit_state{{dependency=\"{dependency}\"}} {state}\n");
    }
    let commands = now.hits + now.misses;
    text += &format!(
        "redis_request_duration_seconds_count{{store=\"cache\",command=\"mget\"}} {commands}\n"
    );
    for (cache, part) in [
        ("products", 1.0),
        ("product-lists", 0.4),
        ("departments", 0.2),
        ("identities", 0.5),
    ] {
        for (outcome, count) in [
            ("hit", now.hits * 0.8),
            ("absent", now.hits * 0.05),
            ("shared", now.hits * 0.15),
            ("miss", now.misses),
            ("bypass", now.bypassed),
            ("refused", 0.0),
        ] {
            let of = format!("cache=\"{cache}\",outcome=\"{outcome}\"");
            text += &format!("cache_requests_total{{{of}}} {}\n", count * part);
        }
        let of = format!("cache=\"{cache}\"");
        let refreshes = now.hits * part * 0.01;
        text += &format!("cache_refreshes_total{{{of}}} {refreshes}\n");
        for (path, count) in [("fast", now.misses), ("feed", now.misses * 2.0)] {
            let count = count * part;
            text += &format!("cache_invalidations_total{{{of},path=\"{path}\"}} {count}\n");
        }
    }
    text
}

/// What both Redis say of themselves. The cache is full: what was missed makes others go.
fn of_redis(now: &Pretence) -> String {
    let mut text = String::new();
    for (store, used, max, keys, evicted) in [
        ("sessions", 60.8e6, 64e6, 1_234, 0.0),
        ("cache", 45.6e6, 48e6, 23_456, now.misses),
    ] {
        let of = format!("store=\"{store}\"");
        text += &format!("redis_memory_used_bytes{{{of}}} {used}\n");
        text += &format!("redis_memory_max_bytes{{{of}}} {max}\n");
        text += &format!("redis_keys{{{of}}} {keys}\n");
        text += &format!("redis_evicted_keys_total{{{of}}} {evicted}\n");
        let cpu = now.cpu / 2.0;
        text +=
            &format!("box_process_cpu_seconds_total{{box=\"redis\",process=\"{store}\"}} {cpu}\n");
    }
    text
}
