//! The load balancer: `lb` serves, `lb health`, `lb upstreams` and `lb reload` ask a running one.
//!
//! All that it does is [`proxy`]'s: start with `proxy::program::serve`, or for the way of a request with
//! `proxy::Forward`.

use std::process::ExitCode;
use std::rc::Rc;

use clap::{Parser, Subcommand};
use proxy::program::{self, Program};
use proxy::{Forward, ProxyConfig, Reading, Worker};
use runtime::BoxError;
use runtime::config::ConfigError;

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
    program::serve(Balancer, config).await
}

#[derive(Debug, Clone, Copy)]
struct Balancer;

impl Program for Balancer {
    const HOP: &'static str = "lb";
    const NEEDS_UPSTREAMS: bool = true;

    type Handler = Forward;

    fn handler(&self, worker: Rc<Worker>) -> Forward {
        Forward(worker)
    }

    fn read(&self) -> Result<Reading, ConfigError> {
        runtime::config::load().map(Reading::new)
    }
}
