//! A process from its first line to its last: what every `main.rs` of ours does.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use boxstat::Exposition;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigError;
use crate::faults::{self, Faults};
use crate::health::{self, Health};
use crate::layers::{self, LayerConfig};
use crate::lifecycle::{Lifecycle, Phase, ShutdownConfig};
use crate::server::{self, HttpConfig, Listen};
use crate::telemetry::{self, Figures};
use crate::trace::Exporter;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs a process, prints what stopped it, and tells it by the exit code: 2 for a mistake in the
/// configuration, 1 for all else.
pub fn main<F, E>(run: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Into<BoxError>,
{
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(tokio) => tokio.block_on(run()).map_err(Into::into),
        Err(error) => Err(error.into()),
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let causes: String = causes.map(|cause| format!(": {cause}")).collect();
    eprintln!("{error}{causes}");
    match error.is::<ConfigError>() {
        true => ExitCode::from(2),
        false => ExitCode::FAILURE,
    }
}

/// What a service has on its admin port beside health and the figures that all have.
#[derive(Default)]
pub struct Admin {
    pub routes: Router,
    /// Added to `/metrics`: for figures that are counted in a way of their own.
    pub figures: Option<WriteFigures>,
}

/// Writes figures down, whenever somebody asks.
pub type WriteFigures = Arc<dyn Fn(&mut Exposition) + Send + Sync>;

/// A service that starts: alive from now on, ready once it serves.
///
/// ```no_run
/// # use runtime::{HttpConfig, Service, ShutdownConfig};
/// # async fn run() -> Result<(), runtime::BoxError> {
/// # let (http, shutdown) = (HttpConfig::default(), ShutdownConfig::default());
/// # let router = axum::Router::new();
/// let mut service = Service::start("orders", &http, &shutdown).await?;
/// service.health().require("db", async || Ok::<(), String>(()));
/// service.spawn("expiry", async |stop| stop.cancelled().await);
/// service.serve(router).await
/// # }
/// ```
pub struct Service {
    layers: LayerConfig,
    lifecycle: Lifecycle,
    health: Health,
}

impl Service {
    /// Listens for signals, and opens the admin port.
    pub async fn start(
        name: &str,
        http: &HttpConfig,
        shutdown: &ShutdownConfig,
    ) -> Result<Service, BoxError> {
        Service::start_with(name, http, shutdown, Admin::default()).await
    }

    /// The same for a service that has more to say on its admin port.
    pub async fn start_with(
        name: &str,
        http: &HttpConfig,
        shutdown: &ShutdownConfig,
        admin: Admin,
    ) -> Result<Service, BoxError> {
        let lifecycle = Lifecycle::new(shutdown)?;
        let health = Health::new(lifecycle.phase());
        let figures = Figures::start(admin.figures);
        let faults = http.faults.then(Faults::default);
        let mut admin = health::routes(health.clone(), figures.clone()).merge(admin.routes);
        if let Some(faults) = &faults {
            admin = admin.merge(faults::routes(faults.clone()));
        }
        let listener = listen("admin", http.admin).await?;
        let config = http.clone();
        // To the very end: that it drains must be seen.
        tokio::spawn(async move {
            server::serve(listener, admin, &config, CancellationToken::new()).await;
        });
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                figures.run_upkeep();
            }
        });
        let mut layers = LayerConfig::new(name, http);
        layers.faults = faults;
        if let Some(endpoint) = telemetry::otlp_endpoint() {
            layers.traces = Some(Exporter::start(endpoint, name, &layers.instance)?);
        }
        Ok(Service {
            layers,
            lifecycle,
            health,
        })
    }

    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Which of the service's processes this is.
    pub fn instance(&self) -> &str {
        &self.layers.instance
    }

    /// The process's way from start to end.
    pub fn phase(&self) -> &Phase {
        self.lifecycle.phase()
    }

    /// Runs a job beside the routes; see [`Lifecycle::spawn`].
    pub fn spawn<F>(&mut self, name: &'static str, job: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.lifecycle.spawn(name, job);
    }

    /// Serves this router behind [`layers::public`] until a signal comes.
    pub async fn serve(mut self, router: Router) -> Result<(), BoxError> {
        let http = self.layers.http.clone();
        let listener = listen("listen", http.listen).await?;
        let router = layers::public(router, &self.layers);
        self.lifecycle.spawn("server", async move |drain| {
            server::serve(listener, router, &http, drain).await;
        });
        self.run().await
    }

    /// Runs the jobs alone until a signal comes.
    pub async fn run(self) -> Result<(), BoxError> {
        tracing::info!(service = self.layers.service, "started");
        let outcome = self.lifecycle.run().await;
        if let Some(traces) = self.layers.traces {
            traces.stop().await;
        }
        Ok(outcome?)
    }
}

/// Of [`Figures::run_upkeep`]: a few scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

async fn listen(key: &str, Listen(addr): Listen) -> Result<TcpListener, BoxError> {
    let listener = TcpListener::bind(addr).await;
    let listener = listener.map_err(|error| {
        let expected =
            format!("{key}: expected a free address of this machine, got {addr}: {error}");
        ConfigError::in_use("http", expected)
    })?;
    let addr: SocketAddr = listener.local_addr()?;
    tracing::info!(%addr, key = format!("http.{key}"), "listening");
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_is_a_mistake_in_the_configuration() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = Listen(other.local_addr().unwrap());
        let error = listen("listen", taken).await.unwrap_err();
        assert!(error.is::<ConfigError>(), "{error}");
        let expected = format!(
            "http.listen: expected a free address of this machine, got {}",
            taken.0
        );
        assert!(error.to_string().contains(&expected), "{error}");
    }
}
