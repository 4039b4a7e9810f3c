//! The control room as a process.

use std::process::ExitCode;

use control_room::{Config, Histories, Poller, Prometheus};
use runtime::{BoxError, Service};

fn main() -> ExitCode {
    runtime::main(run)
}

async fn run() -> Result<(), BoxError> {
    let config: Config = runtime::config::load()?;
    runtime::telemetry::init(&config.log);
    tracing::info!(config = %runtime::config::effective(&config), "starting");
    let mut service = Service::start("control-room", &config.http, &config.shutdown).await?;

    let prometheus = Prometheus::new(&config.prometheus.url);
    let (poller, latest) = Poller::new(prometheus.clone(), &config.egress);
    service.spawn("poller", |stop| poller.run(stop));
    service
        .serve(control_room::routes(latest, Histories::new(prometheus)))
        .await
}
