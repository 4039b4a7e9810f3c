//! The CDN stand-in: a shared cache (RFC 9111) before an origin. `cdn` serves; `cdn health`,
//! `cdn upstreams`, `cdn reload` and `cdn purge` ask a running one.
//!
//! A request's way, and where to start: `serve` (found, fresh, stale, or to be asked for) → `store` →
//! `answer` (the whole, a part, or that nothing has changed); and where the origin is asked: `flights`
//! (one asks, the others wait) → `fetch` → `head` (may it be stored, and how long is it good for) →
//! `filling`. What is not stored goes by: `pass`. Beside the requests: `groups` and `admin` purge. What all proxies do is [`proxy`]'s.
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
mod pass;
mod record;
mod serve;
mod store;
mod vary;
mod wants;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use clap::{Args, Parser, Subcommand};
use proxy::program::{self, Program};
use proxy::{Reading, Worker};
use runtime::config::ConfigError;
use runtime::{BoxError, Exposition};

use crate::admin::PurgeRequest;
use crate::body::Watch;
use crate::cdn::Cdn;
use crate::config::CdnConfig;
use crate::groups::Purge;
use crate::serve::Serve;

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
    /// Has it read its configuration and its certificate again; what is stored stays, unless answers that
    /// set cookies are no longer to be.
    Reload,
    /// Has it forget something, or everything.
    Purge(What),
}

#[derive(Debug, Clone, Args)]
struct What {
    #[command(flatten)]
    which: Which,
    /// Make it stale only: as if its time were over.
    #[arg(long)]
    soft: bool,
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// An address, with scheme and host; several may be given.
    #[arg(long, conflicts_with_all = ["key", "all"])]
    url: Vec<String>,
    /// A group that answers name in `Cache-Groups`.
    #[arg(long, conflicts_with = "all")]
    key: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::main(async || match cli.command {
        None => serve().await,
        Some(command) => ask(command).await,
    })
}

async fn ask(command: Command) -> Result<(), BoxError> {
    let config: CdnConfig = runtime::config::load()?;
    let admin = config.http.admin.0;
    let (method, path) = match command {
        Command::Health => ("GET", "/readyz"),
        Command::Upstreams => ("GET", "/upstreams"),
        Command::Reload => ("POST", "/reload"),
        Command::Purge(what) => return purge(admin, what).await,
    };
    let answer = runtime::admin::ask(admin, method, path, "").await?;
    println!("{}", answer.trim_end());
    Ok(())
}

/// A line for each purge: what was purged, what came of it, and how long that took.
async fn purge(admin: SocketAddr, what: What) -> Result<(), BoxError> {
    let of = |url: Option<String>| PurgeRequest {
        url,
        key: what.which.key.clone(),
        all: what.which.all,
        soft: what.soft,
    };
    let requests: Vec<_> = match what.which.url.is_empty() {
        true => vec![of(None)],
        false => what.which.url.iter().cloned().map(Some).map(of).collect(),
    };
    for request in requests {
        let body = serde_json::to_string(&request)?;
        let asked = Instant::now();
        let answer = runtime::admin::ask(admin, "POST", "/purge", &body).await?;
        let took_ms = asked.elapsed().as_secs_f64() * 1e3;
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let line = serde_json::json!({ "purge": request, "done": answer, "took_ms": took_ms });
        println!("{line}");
    }
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
        let watch = Watch::default();
        tokio::task::spawn_local(watch.clone().look_on(worker.clone()));
        Serve {
            cdn: self.0.clone(),
            worker,
            watch,
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
        config.cache.check()?;
        let is_stricter = now.store_set_cookie && !config.cache.store_set_cookie;
        Ok(Reading::new(proxy).then(move || {
            cdn.config.store(Arc::new(config.cache));
            if is_stricter {
                // Whose it is, is not told by what is stored: it is read again where it was kept.
                let _ = cdn.purge_all(Purge::Hard);
            }
        }))
    }

    fn routes(&self) -> Router {
        admin::routes(self.0.clone())
    }

    fn write(&self, out: &mut Exposition) {
        self.0.figures.write(&self.0, out);
    }
}
