//! Bringing every shard's schema up to date, whoever comes first.

use std::time::Duration;

use sqlx::migrate::Migrator;
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
    let pool = shard.own_connection();
    let outcome = migrator.run(&pool).await;
    pool.close().await;
    Ok(outcome?)
}
