//! Bringing every shard's schema up to date, whoever comes first.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use tracing::{info, warn};

use crate::error::Result;
use crate::shard::{Db, Shard};

/// Between two looks for a database that is still starting.
const RETRY: Duration = Duration::from_millis(250);

impl Db {
    /// Runs what is missing, on every shard. Waits for a database that is not there yet, for as long
    /// as it takes: a box that starts before its database is no error. Safe from several processes
    /// at once (the migrator holds an advisory lock).
    pub async fn migrate(&self, migrator: &Migrator) -> Result<()> {
        for shard in self.shards() {
            let mut waited = false;
            loop {
                match migrate_shard(shard, migrator).await {
                    Ok(()) => break,
                    Err(error) if error.is_passing() => {
                        if !waited {
                            warn!(shard = shard.name(), %error, "waiting for the database");
                            waited = true;
                        }
                        tokio::time::sleep(RETRY).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            info!(shard = shard.name(), "schema is up to date");
        }
        Ok(())
    }
}

/// Over a connection of its own: an index on a large table takes longer than any request may, and so
/// does waiting for another migrator.
async fn migrate_shard(shard: &Shard, migrator: &Migrator) -> Result<()> {
    let options = shard.primary_pool().connect_options();
    let unbounded = [("statement_timeout", "0"), ("lock_timeout", "0")];
    let options = (*options).clone().options(unbounded);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        // Before it is said again that the database is waited for.
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options);
    let outcome = migrator.run(&pool).await;
    pool.close().await;
    Ok(outcome?)
}
