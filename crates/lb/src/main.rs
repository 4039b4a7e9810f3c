//! The load balancer: `lb` serves, `lb health`, `lb upstreams` and `lb reload` ask a running one.
//!
//! All that it does is [`proxy`]'s; here it is put together. Start with `serve`.

mod admin;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use clap::{Parser, Subcommand};
use proxy::server::{self, Front, Sockets};
use proxy::{AccessLog, Certificate, Cluster, Figures, ProxyConfig, Shared, discovery};
use runtime::config::ConfigError;
use runtime::{Admin, BoxError, Service};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::admin::Reloader;

/// A request costs a dozen allocations, and an answer of 100 KB buffers that glibc would give back to
/// the kernel and ask for again (docs/decisions/0017).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(
    about = "The load balancer; configured by the files of APP_CONFIG_FILES and by APP__ variables"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Succeeds when the balancer on this box is ready: somebody could answer a request.
    Health,
    /// What it thinks of its upstreams, as JSON.
    Upstreams,
    /// Has it read its configuration and its certificate again; no connection is dropped.
    Reload,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::main(async || match cli.command {
        None => serve().await,
        Some(command) => ask(command).await,
    })
}

async fn ask(command: Command) -> Result<(), BoxError> {
    let (method, path) = match command {
        Command::Health => ("GET", "/readyz"),
        Command::Upstreams => ("GET", "/upstreams"),
        Command::Reload => ("POST", "/reload"),
    };
    let config: ProxyConfig = runtime::config::load()?;
    let answer = runtime::admin::ask(config.http.admin.0, method, path, "").await?;
    println!("{}", answer.trim_end());
    Ok(())
}

async fn serve() -> Result<(), BoxError> {
    let config: ProxyConfig = runtime::config::load()?;
    runtime::telemetry::init(&config.log);
    tracing::info!(config = %runtime::config::effective(&config), "starting");
    let certificate = match &config.tls {
        Some(tls) => {
            Some(Certificate::load(tls).map_err(|error| ConfigError::in_use("tls", error))?)
        }
        None => None,
    };
    let workers = thread::available_parallelism()?.get();
    let shared = Arc::new(Shared {
        cluster: Cluster::new("lb", config.rules()),
        figures: Arc::new(Figures::default()),
        access: AccessLog::start(config.access_log.sample)?,
        own_timing: format!("lb;desc=\"{}\";dur=", runtime::box_name()),
        workers,
        config: ArcSwap::from_pointee(config.clone()),
    });
    let reloader = Reloader::new(shared.clone(), certificate.clone());
    let figures = shared.clone();
    let admin = Admin {
        routes: admin::routes(reloader.clone()),
        figures: Some(Arc::new(move |out| {
            figures.figures.write(&figures.cluster, out)
        })),
    };
    let mut service = Service::start_with("lb", &config.http, &config.shutdown, admin).await?;
    service.health().require("upstreams", {
        let cluster = shared.cluster.clone();
        move || {
            let is_usable = cluster.is_usable();
            async move { is_usable.then_some(()).ok_or("none is ready") }
        }
    });
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
        let shared = shared.clone();
        service.spawn("worker", async move |stop| {
            work(shared, sockets, stop).await
        });
    }
    service.run().await
}

/// Runs a worker on a thread of its own, and waits for its end.
async fn work(shared: Arc<Shared>, sockets: Sockets, stop: CancellationToken) {
    let (ended, end) = oneshot::channel::<()>();
    let thread = thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            if let Err(error) = server::run(shared, sockets, stop) {
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
