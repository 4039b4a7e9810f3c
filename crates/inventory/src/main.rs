//! Inventory by itself, as stage 8 runs it.

use std::process::ExitCode;
use std::sync::Arc;

use cache::RedisConfig;
use contract::remote::HttpUsers;
use db::{DatabaseConfig, Db};
use inventory::{MIGRATOR, http};
use runtime::config::ConfigError;
use runtime::config::{self, effective};
use runtime::{BoxError, HttpConfig, LogConfig, Origin, Service, ShutdownConfig, auth, telemetry};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    databases: Databases,
    domains: Domains,
    #[serde(default)]
    redis: Option<RedisConfig>,
    #[serde(default)]
    inventory: inventory::Config,
    #[serde(default)]
    http: HttpConfig,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    shutdown: ShutdownConfig,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Databases {
    inventory: DatabaseConfig,
}

/// Where the other domains are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domains {
    /// `http://users:8080`: knows who is staff.
    users: Origin,
}

fn main() -> ExitCode {
    runtime::main(run)
}

async fn run() -> Result<(), BoxError> {
    let config: Config = config::load()?;
    telemetry::init(&config.log);
    tracing::info!(config = %effective(&config), "configured");

    let mut service = Service::start("inventory", &config.http, &config.shutdown).await?;
    let db = Db::new(&config.databases.inventory)
        .map_err(|error| ConfigError::in_use("databases.inventory", error))?;
    db.migrate(&MIGRATOR).await?;
    for shard in db.shards() {
        // Beside the pool: one that is busy serves, and would cost this service all its traffic.
        let own = shard.own_connection();
        service.health().require("db", move || {
            let own = own.clone();
            async move { own.acquire().await.map(drop) }
        });
    }

    let users = HttpUsers::new(runtime::client(), config.domains.users);
    let redis = config.redis.map(|redis| redis.open().cache);
    let inventory = Arc::new(inventory::Service::new(db, redis, config.inventory));
    service.spawn("feed", {
        let feed = inventory.feed();
        async move |stop| {
            stop.run_until_cancelled(feed.run()).await;
        }
    });
    let router = http::routes(inventory.clone()).layer(auth::layer(Arc::new(users)));
    service.serve(router.merge(http::internal(inventory))).await
}
