//! Bringing every shard's schema up to date, whoever comes first.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::{Acquire, PgConnection};
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

async fn migrate_shard(shard: &Shard, migrator: &Migrator) -> Result<()> {
    let conn = shard.primary_pool().acquire().await?;
    // Closed afterwards: its time-outs are not those of a request.
    let mut conn = conn.detach();
    unbounded(&mut conn).await?;
    migrator.run(conn.acquire().await?).await?;
    sqlx::Connection::close(conn).await?;
    Ok(())
}

/// An index on a large table takes longer than any request may; so may waiting for another migrator.
async fn unbounded(conn: &mut PgConnection) -> Result<()> {
    sqlx::raw_sql("set statement_timeout = 0; set lock_timeout = 0")
        .execute(conn)
        .await?;
    Ok(())
}
