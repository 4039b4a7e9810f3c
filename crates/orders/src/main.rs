//! Orders by themselves, as stage 8 runs them: routes and the outbox worker in one process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use contract::remote::{HttpInventory, HttpUsers};
use db::{DatabaseConfig, Db};
use orders::{MIGRATOR, MailFolder, Worker, http};
use runtime::config::ConfigError;
use runtime::config::{self, effective};
use runtime::{BoxError, HttpConfig, LogConfig, Origin, Service, ShutdownConfig, auth, telemetry};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    databases: Databases,
    domains: Domains,
    mail: MailConfig,
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
    orders: DatabaseConfig,
}

/// Where the other domains are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Domains {
    /// `http://users:8080`: knows who asks.
    users: Origin,
    /// `http://inventory:8080`: has the stock.
    inventory: Origin,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MailConfig {
    /// The local outbox folder: a file for each mail.
    dir: PathBuf,
}

fn main() -> ExitCode {
    runtime::main(run)
}

async fn run() -> Result<(), BoxError> {
    let config: Config = config::load()?;
    telemetry::init(&config.log);
    tracing::info!(config = %effective(&config), "configured");

    let mut service = Service::start("orders", &config.http, &config.shutdown).await?;
    let db = Db::new(&config.databases.orders)
        .map_err(|error| ConfigError::in_use("databases.orders", error))?;
    let mail = MailFolder::open(&config.mail.dir).map_err(|e| {
        ConfigError::in_use("mail", format!("dir: expected a folder to write to: {e}"))
    })?;
    db.migrate(&MIGRATOR).await?;
    for shard in db.shards() {
        // Beside the pool: one that is busy serves, and would cost this service all its traffic.
        let own = shard.own_connection();
        service.health().require("db", move || {
            let own = own.clone();
            async move { own.acquire().await.map(drop) }
        });
    }

    let client = runtime::client();
    let users = HttpUsers::new(client.clone(), config.domains.users);
    let inventory = HttpInventory::new(client, config.domains.inventory);
    let orders = orders::Service::new(db, Arc::new(inventory));
    let worker = Worker::new(orders.clone(), mail);
    service.spawn("outbox", async move |stop| {
        stop.run_until_cancelled(worker.run()).await;
    });

    let orders = Arc::new(orders);
    let router = http::routes(orders.clone()).layer(auth::layer(Arc::new(users)));
    service.serve(router.merge(http::internal(orders))).await
}
