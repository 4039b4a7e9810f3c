//! The CDN stand-in: a shared cache (RFC 9111) before an origin. `cdn` serves; `cdn health`,
//! `cdn upstreams`, `cdn reload` and `cdn purge` ask a running one.
//!
//! A request's way, and where to start: `cdn` (found, fresh, stale, or to be asked for) → `store` →
//! `answer` (the whole, a part, or that nothing has changed); and where the origin is asked: `flights`
//! (one asks, the others wait) → `fetch` → `head` (may it be stored, and how long is it good for) →
//! `filling`. Beside the requests: `groups` and `admin` purge. What all proxies do is [`proxy`]'s.
//!
//! Never here: which addresses are whose assets, and what is in them. Invariant: whoever gets an answer
//! that another's request has brought gets it because the answer says that he may.

mod admin;
mod answer;
mod body;
mod cdn;
mod clock;
mod config;
mod directives;
mod disk;
mod fetch;
mod filling;
mod flights;
mod freshness;
mod groups;
mod head;
mod key;
mod outcome;
mod record;
mod store;
mod vary;
mod wants;

use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use axum::Router;
use clap::{Args, Parser, Subcommand};
use proxy::program::{self, Program};
use proxy::{Reading, Worker};
use runtime::config::ConfigError;
use runtime::{BoxError, Exposition};

use crate::admin::PurgeRequest;
use crate::cdn::{Cdn, Serve};
use crate::config::CdnConfig;

/// As for the balancer: a request costs a dozen small allocations (docs/decisions/0017).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(
    about = "The CDN stand-in; configured by the files of APP_CONFIG_FILES and by APP__ variables"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Succeeds when the CDN on this box is ready.
    Health,
    /// What it thinks of its origin, as JSON.
    Upstreams,
    /// Has it read its configuration and its certificate again; nothing stored is lost.
    Reload,
    /// Has it forget something, or everything.
    Purge(What),
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
struct What {
    /// An address, with scheme and host.
    #[arg(long, conflicts_with_all = ["key", "all"])]
    url: Option<String>,
    /// A group that answers name in `Cache-Groups`.
    #[arg(long, conflicts_with = "all")]
    key: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
    /// Make it stale only: it is validated at its next use.
    #[arg(long)]
    soft: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::main(async || match cli.command {
        None => serve().await,
        Some(command) => ask(command).await,
    })
}

async fn ask(command: Command) -> Result<(), BoxError> {
    let (method, path, body) = match command {
        Command::Health => ("GET", "/readyz", String::new()),
        Command::Upstreams => ("GET", "/upstreams", String::new()),
        Command::Reload => ("POST", "/reload", String::new()),
        Command::Purge(what) => {
            let request = PurgeRequest {
                url: what.url,
                key: what.key,
                all: what.all,
                soft: what.soft,
            };
            ("POST", "/purge", serde_json::to_string(&request)?)
        }
    };
    let config: CdnConfig = runtime::config::load()?;
    let answer = runtime::admin::ask(config.http.admin.0, method, path, &body).await?;
    println!("{}", answer.trim_end());
    Ok(())
}

async fn serve() -> Result<(), BoxError> {
    let config: CdnConfig = runtime::config::load()?;
    let proxy = config.proxy();
    runtime::telemetry::init(&proxy.log);
    tracing::info!(config = %runtime::config::effective(&config), "starting");
    let cdn = Arc::new(Cdn::new(config.cache, runtime::box_name())?);
    program::serve(Edge(cdn), proxy).await
}

#[derive(Debug, Clone)]
struct Edge(Arc<Cdn>);

impl Program for Edge {
    const HOP: &'static str = "cdn";
    /// What is stored is served without an origin.
    const NEEDS_UPSTREAMS: bool = false;

    type Handler = Serve;

    fn handler(&self, worker: Rc<Worker>) -> Serve {
        Serve {
            cdn: self.0.clone(),
            worker,
        }
    }

    fn read(&self) -> Result<Reading, ConfigError> {
        let config: CdnConfig = runtime::config::load()?;
        let (proxy, cdn) = (config.proxy(), self.0.clone());
        let now = cdn.config.load();
        if config.cache.max_bytes != now.max_bytes || config.cache.disk != now.disk {
            let expected = "max_bytes, disk: expected as they were, or a restart";
            return Err(ConfigError::in_use("cache", expected));
        }
        Ok(Reading::new(proxy).then(move || cdn.config.store(Arc::new(config.cache))))
    }

    fn routes(&self) -> Router {
        admin::routes(self.0.clone())
    }

    fn write(&self, out: &mut Exposition) {
        self.0.figures.write(&self.0, out);
    }
}
