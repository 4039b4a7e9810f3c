//! What the programs of all proxies do alike: serve on a thread a core until they are told to stop, read
//! their configuration again when they are told to, and say on their admin port what they think of
//! their upstreams (`GET /upstreams`, `POST /reload`).

use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use runtime::config::ConfigError;
use runtime::{Admin, BoxError, Exposition, Service};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::reload::{Reading, Reloader};
use crate::server::{self, Front, Handler, Sockets};
use crate::worker::{Shared, Worker};
use crate::{AccessLog, Certificate, Cluster, Figures, ProxyConfig, Report, discovery};

/// What one proxy does that others do not.
pub trait Program: Clone + Send + Sync + 'static {
    /// Its name in `Server-Timing`.
    const HOP: &'static str;
    /// Whether it has nothing to offer while it has no upstream.
    const NEEDS_UPSTREAMS: bool;

    type Handler: Handler;

    /// What answers; each worker has its own.
    fn handler(&self, worker: Rc<Worker>) -> Self::Handler;

    /// The configuration as it is now.
    fn read(&self) -> Result<Reading, ConfigError>;

    /// What its admin port has besides.
    fn routes(&self) -> Router {
        Router::new()
    }

    /// Writes figures of its own.
    fn write(&self, _out: &mut Exposition) {}
}

/// Serves until the process is told to stop.
pub async fn serve<P: Program>(program: P, config: ProxyConfig) -> Result<(), BoxError> {
    let certificate = match &config.tls {
        Some(tls) => {
            Some(Certificate::load(tls).map_err(|error| ConfigError::in_use("tls", error))?)
        }
        None => None,
    };
    let workers = thread::available_parallelism()?.get();
    let shared = Arc::new(Shared {
        cluster: Cluster::new(P::HOP, config.rules()),
        figures: Arc::new(Figures::default()),
        access: AccessLog::start(config.access_log.sample)?,
        own_timing: format!("{};desc=\"{}\";dur=", P::HOP, runtime::box_name()),
        workers,
        config: ArcSwap::from_pointee(config.clone()),
    });
    let read = program.clone();
    let reloader = Reloader::new(shared.clone(), certificate.clone(), move || read.read());
    let (figures, own) = (shared.clone(), program.clone());
    let admin = Admin {
        routes: routes(shared.clone(), reloader.clone()).merge(program.routes()),
        figures: Some(Arc::new(move |out| {
            figures.figures.write(&figures.cluster, out);
            own.write(out);
        })),
    };
    let mut service = Service::start_with(P::HOP, &config.http, &config.shutdown, admin).await?;
    if P::NEEDS_UPSTREAMS {
        service.health().require("upstreams", {
            let cluster = shared.cluster.clone();
            move || {
                let is_usable = cluster.is_usable();
                async move { is_usable.then_some(()).ok_or("none is ready") }
            }
        });
    }
    // Outside the lifecycle, and so until the very end: requests in flight depend on them.
    tokio::spawn(shared.cluster.clone().keep());
    tokio::spawn(discovery::follow(shared.cluster.clone()));
    let mut hang_ups = signal(SignalKind::hangup())?;
    service.spawn("reload", async move |stop| {
        let reloading = async {
            while hang_ups.recv().await.is_some() {
                // What is wrong has been logged.
                let _ = reloader.reload();
            }
        };
        stop.run_until_cancelled(reloading).await;
    });
    let front = Front {
        plain: config.http.listen.0,
        tls: config
            .tls
            .as_ref()
            .zip(certificate)
            .map(|(tls, c)| (tls.listen.0, c)),
    };
    for _ in 0..workers {
        let sockets = front.listen()?;
        let (program, shared) = (program.clone(), shared.clone());
        service.spawn("worker", async move |stop| {
            work(program, shared, sockets, stop).await;
        });
    }
    service.run().await
}

/// Runs a worker on a thread of its own, and waits for its end.
async fn work<P: Program>(
    program: P,
    shared: Arc<Shared>,
    sockets: Sockets,
    stop: CancellationToken,
) {
    let (ended, end) = oneshot::channel::<()>();
    let thread = thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            let handler = |worker| program.handler(worker);
            if let Err(error) = server::run(shared, sockets, stop, handler) {
                tracing::error!(%error, "a worker cannot run");
            }
            drop(ended);
        });
    if let Err(error) = thread {
        tracing::error!(%error, "no thread for a worker");
        return;
    }
    let _ = end.await;
}

#[derive(Debug, Serialize)]
struct Upstreams {
    upstreams: Vec<Report>,
    /// Ejections are ignored, as most upstreams are ejected.
    panic: bool,
}

fn routes(shared: Arc<Shared>, reloader: Reloader) -> Router {
    Router::new()
        .route("/upstreams", get(upstreams))
        .with_state(shared)
        .merge(
            Router::new()
                .route("/reload", post(reload))
                .with_state(reloader),
        )
}

async fn upstreams(State(shared): State<Arc<Shared>>) -> Json<Upstreams> {
    Json(Upstreams {
        upstreams: shared.cluster.report(),
        panic: shared.cluster.is_panic(),
    })
}

async fn reload(State(reloader): State<Reloader>) -> (StatusCode, String) {
    match reloader.reload() {
        Ok(()) => (StatusCode::OK, "reloaded\n".to_owned()),
        Err(mistake) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{mistake}\n")),
    }
}
