//! Whether the shop on this box is ready: what that takes, and what its container's health check runs.

use std::net::SocketAddr;

use runtime::{BoxError, Health};

use crate::app::AppDatabases;

/// Ready is who reaches all databases.
pub fn require_databases(health: &Health, databases: &AppDatabases) {
    for (name, db) in databases.each() {
        for shard in db.shards() {
            // Beside the pool: one that is busy serves, and would cost the shop all its traffic.
            let own = shard.own_connection();
            health.require(name, move || {
                let own = own.clone();
                // sqlx asks a rested connection for a sign of life before it hands it out.
                async move { own.acquire().await.map(drop) }
            });
        }
    }
}

/// Asks the shop on this box whether it is ready.
pub async fn health(admin: SocketAddr) -> Result<(), BoxError> {
    runtime::admin::ask(admin, "GET", "/readyz", "").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use db::Db;
    use runtime::server::Listen;
    use runtime::{HttpConfig, Service, ShutdownConfig};
    use sqlx::PgPool;
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    #[sqlx::test(migrations = false)]
    async fn a_busy_pool_is_ready_and_a_database_that_is_away_is_not(pool: PgPool) {
        let options = (*pool.connect_options()).clone();
        let busy = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options.clone());
        let _busy = busy.acquire().await.expect("a connection");
        let nobody = free_port();
        let away = PgPoolOptions::new().connect_lazy_with(options.port(nobody.port()));
        for (pool, expected) in [(busy, true), (away, false)] {
            let db = Db::from_pool(pool);
            let databases = AppDatabases {
                users: db.clone(),
                inventory: db.clone(),
                orders: db,
            };
            let admin = free_port();
            let http = HttpConfig {
                admin: Listen(admin),
                ..HttpConfig::default()
            };
            let service = Service::start("web", &http, &ShutdownConfig::default()).await;
            let service = service.expect("a free port");
            require_databases(service.health(), &databases);
            let running = tokio::spawn(service.run());
            // Until it runs nobody is ready.
            tokio::task::yield_now().await;
            assert_eq!(health(admin).await.is_ok(), expected);
            running.abort();
        }
    }

    fn free_port() -> SocketAddr {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("a free port");
        listener.local_addr().expect("an address")
    }
}
