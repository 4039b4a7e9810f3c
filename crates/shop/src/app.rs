//! The wiring: every domain as it is in this process, and the routes and jobs made of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use cache::{RedisConfig, Redises};
use contract::{Ctx, Inventory, Orders, Users};
use db::{DatabaseConfig, Db};
use orders::MailFolder;
use runtime::config::ConfigError;
use runtime::extract::Json;
use storefront::{Assets, Storefront};
use tracing::warn;

use crate::config::{Config, SeedConfig};
use crate::openapi;
use crate::seed::seed;
use crate::starting::Starting;

/// Longest time for the connections to the database to be made: a hundred times what it takes at rest.
const WARM_UP: Duration = Duration::from_secs(20);
/// Between two sweeps of ended sessions.
const SWEEP: Duration = Duration::from_secs(60);
/// Sessions in a sweep: a transaction of milliseconds.
const SWEEP_ROWS: u32 = 1_000;

/// The three domains and their databases. Cheap to clone.
#[derive(Clone)]
pub struct App {
    users: users::Service,
    orders: orders::Service,
    inventory: inventory::Service,
    databases: AppDatabases,
    redis: Option<Redises>,
}

#[derive(Clone)]
pub struct AppDatabases {
    pub users: Db,
    pub inventory: Db,
    pub orders: Db,
}

impl AppDatabases {
    /// Each with its name in `/readyz`.
    pub fn each(&self) -> [(&'static str, Db); 3] {
        [
            ("database-users", self.users.clone()),
            ("database-inventory", self.inventory.clone()),
            ("database-orders", self.orders.clone()),
        ]
    }
}

impl App {
    /// Connects to nothing yet.
    pub fn new(config: &Config) -> Result<App, ConfigError> {
        let open = |domain: &str, database: &DatabaseConfig| {
            Db::new(database)
                .map_err(|error| ConfigError::in_use(&format!("databases.{domain}"), error))
        };
        let databases = AppDatabases {
            users: open("users", &config.databases.users)?,
            inventory: open("inventory", &config.databases.inventory)?,
            orders: open("orders", &config.databases.orders)?,
        };
        let redis = config.redis.as_ref().map(RedisConfig::open);
        let checked = config.users.check(redis.is_some());
        checked.map_err(|expected| ConfigError::in_use("users", expected))?;
        let (users, inventory) = (&config.users, config.inventory.clone());
        Ok(App::with(databases, redis, users, inventory))
    }

    pub fn with(
        databases: AppDatabases,
        redis: Option<Redises>,
        users: &users::Config,
        inventory: inventory::Config,
    ) -> App {
        let copies = redis.as_ref().map(|redis| redis.cache.clone());
        let inventory = inventory::Service::new(databases.inventory.clone(), copies, inventory);
        App {
            users: users::Service::new(databases.users.clone(), redis.as_ref(), users),
            orders: orders::Service::new(databases.orders.clone(), Arc::new(inventory.clone())),
            inventory,
            databases,
            redis,
        }
    }

    pub fn databases(&self) -> &AppDatabases {
        &self.databases
    }

    /// Brings all schemas up to date and fills an empty database. `starting` hears how far it is.
    pub async fn set_up(&self, sizes: &SeedConfig, starting: &Starting) -> anyhow::Result<()> {
        starting.tell("waiting for the database");
        let AppDatabases {
            users,
            inventory,
            orders,
        } = &self.databases;
        users
            .migrate(&users::MIGRATOR)
            .await
            .context("schema users")?;
        inventory
            .migrate(&inventory::MIGRATOR)
            .await
            .context("schema inventory")?;
        orders
            .migrate(&orders::MIGRATOR)
            .await
            .context("schema orders")?;
        seed(&self.databases, sizes, starting).await?;
        starting.tell("connecting to the database");
        self.warm_up().await;
        Ok(())
    }

    /// So that its first visitors wait no longer than any other. A box that cannot is opened all the same.
    async fn warm_up(&self) {
        let ctx = Ctx::background("warm-up", WARM_UP);
        for redis in self
            .redis
            .iter()
            .flat_map(|redis| [&redis.sessions, &redis.cache])
        {
            if !redis.connect().await {
                warn!(?redis, "does not answer yet");
            }
        }
        for warm in [
            self.inventory.warm_up(&ctx).await,
            self.users.warm_up(&ctx).await,
            self.orders.warm_up(&ctx).await,
        ] {
            if let Err(error) = warm {
                warn!(%error, "not all connections to the database are warm");
            }
        }
    }

    /// The pages.
    pub fn storefront(&self, assets: Assets, instance: &str) -> Storefront {
        let (users, orders) = (self.users(), self.orders());
        Storefront::new(users, self.inventory(), orders, assets, instance)
    }

    /// Everything under `/api/v1`, and the pages.
    pub fn routes(&self, storefront: &Storefront) -> Router {
        let openapi = Arc::new(openapi::document());
        Router::new()
            .route("/api/v1/openapi.json", get(async move || Json(openapi)))
            .merge(users::http::routes(self.users()))
            .merge(inventory::http::routes(self.inventory()))
            .merge(orders::http::routes(self.orders()))
            .merge(storefront.routes())
            .layer(runtime::auth::layer(self.users()))
    }

    /// Ends what is over, for as long as it is polled. Safe from several boxes at once.
    pub async fn run_jobs(&self, mail: MailFolder) {
        let outbox = orders::Worker::new(self.orders.clone(), mail);
        let (stock, people) = (self.inventory.feed(), self.users.feed());
        tokio::join!(
            outbox.run(),
            stock.run(),
            people.run(),
            self.sweep_sessions()
        );
    }

    /// Does the feeds' work whenever nobody else does, for as long as it is polled: so the cache is of
    /// use, too, while the box of the jobs is away.
    pub async fn stand_by(&self) {
        let (stock, people) = (self.inventory.feed(), self.users.feed());
        tokio::join!(stock.stand_by(), people.stand_by());
    }

    async fn sweep_sessions(&self) {
        loop {
            let ctx = Ctx::background("sessions", SWEEP);
            match self.users.expire_sessions(&ctx, SWEEP_ROWS).await {
                Ok(swept) if swept == u64::from(SWEEP_ROWS) => continue,
                Ok(_) => {}
                Err(error) => warn!(%error, "ended sessions are not swept"),
            }
            tokio::time::sleep(SWEEP).await;
        }
    }

    fn inventory(&self) -> Arc<dyn Inventory> {
        Arc::new(self.inventory.clone())
    }

    fn users(&self) -> Arc<dyn Users> {
        Arc::new(self.users.clone())
    }

    fn orders(&self) -> Arc<dyn Orders> {
        Arc::new(self.orders.clone())
    }
}
