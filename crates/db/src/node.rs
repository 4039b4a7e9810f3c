//! One Postgres server and our connections to it.

use std::path::Path;
use std::time::{Duration, Instant};

use contract::{Ctx, NodeAddr};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use crate::config::DatabaseConfig;
use crate::error::{Error, Result};

/// A connection that rested longer than this may have died with its server: look before use. A
/// shorter rest is trusted, which saves a round trip on nearly every request.
const TRUSTED_REST: Duration = Duration::from_secs(1);

/// Longest wait for a sign of life: a thousand times what it takes.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Node {
    /// As in `Server-Timing` and metrics: the host's name.
    pub(crate) name: String,
    pub(crate) pool: PgPool,
    wait: Duration,
}

impl Node {
    /// Connects lazily: a database that is not there yet is no reason not to start.
    pub(crate) fn new(addr: &NodeAddr, config: &DatabaseConfig) -> Node {
        let timeout_ms = config.pool.statement_timeout.as_millis().to_string();
        let options = PgConnectOptions::new()
            .host(&addr.host)
            .port(addr.port)
            .database(&config.name)
            .username(&config.user)
            .password(config.password_file.expose())
            .application_name(&application_name(&config.user))
            .options([
                ("statement_timeout", timeout_ms.as_str()),
                // Twice a slow commit; longer means somebody is stuck.
                ("lock_timeout", "2s"),
                ("idle_in_transaction_session_timeout", "10s"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(config.pool.max_connections.get())
            // One that shrinks at rest, or lets all its connections grow old together, makes them when there
            // is least time. Those that are lost are made anew by who needs one, within its own patience.
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(config.pool.wait)
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for < TRUSTED_REST {
                        return Ok(true);
                    }
                    Ok(answers(conn).await)
                })
            })
            // sqlx asks too before it takes a connection back, but waits for minutes: until the
            // kernel gives up on a peer that went without a word.
            .after_release(|conn, _| Box::pin(async move { Ok(answers(conn).await) }))
            .connect_lazy_with(options);
        Node {
            name: addr.host.clone(),
            pool,
            wait: config.pool.wait,
        }
    }

    pub(crate) fn from_pool(pool: PgPool) -> Node {
        Node {
            name: "db".to_owned(),
            pool,
            wait: Duration::from_secs(30),
        }
    }

    /// A free connection, within the request's deadline and the pool's patience.
    pub(crate) async fn acquire(&self, ctx: &Ctx) -> Result<PoolConnection<Postgres>> {
        let left = ctx.remaining().map_err(|_| Error::DeadlineExceeded)?;
        let patience = left.min(self.wait);
        let started = Instant::now();
        let acquired = tokio::time::timeout(patience, self.pool.acquire()).await;
        metrics::histogram!("db_pool_wait_seconds", "node" => self.name.clone())
            .record(started.elapsed().as_secs_f64());
        match acquired {
            Ok(Ok(conn)) => Ok(conn),
            // It says nothing of the pool that somebody had no time left.
            Err(_) if left < self.wait => Err(Error::DeadlineExceeded),
            Err(_) | Ok(Err(sqlx::Error::PoolTimedOut)) => Err(Error::NoConnection {
                node: self.name.clone(),
                waited_ms: started.elapsed().as_millis(),
            }),
            Ok(Err(error)) => Err(error.into()),
        }
    }
}

/// Whether the server is still there. Where not, the connection is dropped, and its place is free.
pub(crate) async fn answers(conn: &mut PgConnection) -> bool {
    matches!(
        tokio::time::timeout(SIGN_OF_LIFE, conn.ping()).await,
        Ok(Ok(()))
    )
}

/// Who asks, as in `pg_stat_activity`: the domain and its process, `orders@shop`.
fn application_name(user: &str) -> String {
    let process = std::env::current_exe().ok();
    let process = process.as_deref().and_then(Path::file_name);
    match process {
        Some(process) => format!("{user}@{}", process.display()),
        None => user.to_owned(),
    }
}
