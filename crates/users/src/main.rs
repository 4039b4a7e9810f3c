//! The domain by itself: the service `users` of stage 8.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cache::RedisConfig;
use contract::{Ctx, Users};
use db::{DatabaseConfig, Db};
use runtime::config::ConfigError;
use runtime::{BoxError, HttpConfig, LogConfig, Service, ShutdownConfig};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    http: HttpConfig,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    shutdown: ShutdownConfig,
    databases: Databases,
    #[serde(default)]
    redis: Option<RedisConfig>,
    #[serde(default)]
    users: users::Config,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Databases {
    users: DatabaseConfig,
}

fn main() -> ExitCode {
    runtime::main(run)
}

async fn run() -> Result<(), BoxError> {
    let config: Config = runtime::config::load()?;
    runtime::telemetry::init(&config.log);
    info!(config = %runtime::config::effective(&config), "starting");
    let mut service = Service::start("users", &config.http, &config.shutdown).await?;

    let db = Db::new(&config.databases.users)
        .map_err(|error| ConfigError::in_use("databases.users", error))?;
    db.migrate(&users::MIGRATOR).await?;
    let redis = config.redis.as_ref().map(RedisConfig::open);
    let checked = config.users.check(redis.is_some());
    checked.map_err(|expected| ConfigError::in_use("users", expected))?;
    let domain = users::Service::new(db.clone(), redis.as_ref(), &config.users);
    for shard in db.shards() {
        // Beside the pool: one that is busy serves, and would cost this service all its traffic.
        let own = shard.own_connection();
        service.health().require("db", move || {
            let own = own.clone();
            async move { own.acquire().await.map(drop) }
        });
    }
    service.spawn("feed", {
        let feed = domain.feed();
        async move |stop| {
            stop.run_until_cancelled(feed.run()).await;
        }
    });
    let expiry = expire_sessions(domain.clone());
    service.spawn("session expiry", async |stop| {
        stop.run_until_cancelled_owned(expiry).await;
    });

    let domain: Arc<dyn Users> = Arc::new(domain);
    let router = users::http::routes(domain.clone())
        .merge(users::http::internal(domain.clone()))
        .layer(runtime::auth::layer(domain));
    service.serve(router).await
}

const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// So few that nobody waits for their locks.
const EXPIRY_BATCH: u32 = 1_000;

async fn expire_sessions(domain: users::Service) {
    loop {
        let ctx = Ctx::background("expire-sessions", EXPIRY_INTERVAL);
        match domain.expire_sessions(&ctx, EXPIRY_BATCH).await {
            Ok(0) => {}
            Ok(expired) => {
                info!(expired, "deleted expired sessions");
                continue;
            }
            Err(error) => warn!(%error, "expired sessions are not deleted"),
        }
        tokio::time::sleep(EXPIRY_INTERVAL).await;
    }
}
