//! The map of a logical database: which shard has which bucket, which node of it to ask.

use std::sync::Arc;
use std::time::Duration;

use contract::{Bucket, Ctx};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tracing::warn;

use crate::config::DatabaseConfig;
use crate::error::{Error, Result};
use crate::node::{Node, answers};
use crate::session::{Conn, Tx};

/// The logical database of one domain. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    shards: Arc<[Shard]>,
}

/// A part of a logical database that has some of the buckets, whole. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shard {
    /// `shard-1`, in the order of the configuration.
    name: Arc<str>,
    primary: Arc<Node>,
}

impl Db {
    /// Checks the configuration and prepares the pools; connects to nothing yet. Errors are
    /// [`Error::Config`] and name the key.
    pub fn new(config: &DatabaseConfig) -> Result<Db> {
        let [shard] = config.shards.as_slice() else {
            let n = config.shards.len();
            return Err(Error::Config(format!(
                "shards: expected one shard, got {n}"
            )));
        };
        let [addr] = shard.nodes.as_slice() else {
            let n = shard.nodes.len();
            return Err(Error::Config(format!(
                "shards[0].nodes: expected one node, got {n}"
            )));
        };
        Ok(Db::of(Node::new(addr, config)))
    }

    /// One node behind a pool that exists already, as in tests.
    pub fn from_pool(pool: PgPool) -> Db {
        Db::of(Node::from_pool(pool))
    }

    fn of(primary: Node) -> Db {
        Db {
            shards: [Shard {
                name: "shard-1".into(),
                primary: Arc::new(primary),
            }]
            .into(),
        }
    }

    /// The shard that has this bucket's rows.
    pub fn shard(&self, bucket: Bucket) -> &Shard {
        &self.shards[usize::from(bucket.0) % self.shards.len()]
    }

    /// All of them, for questions about everybody.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Connections that requests may have at once, to each node.
    pub fn connections(&self) -> usize {
        let most = |shard: &Shard| shard.primary.pool.options().get_max_connections() as usize;
        self.shards().iter().map(most).min().unwrap_or_default()
    }

    /// All connections that the pools may have, for who asks on each what requests ask most. On a quarter of
    /// a core a new connection is 15 ms of work, and its first plan as much again: when all whom a cache
    /// answered come to the database at once, that alone fills it for seconds.
    /// Fewer of a database that has no time for it.
    pub async fn warm_up(&self, ctx: &Ctx) -> Vec<Conn> {
        let mut held = Vec::new();
        for shard in self.shards() {
            // One after another, as the database has others to answer meanwhile. Held, or the pool would
            // give us the same one again.
            for _ in 0..shard.primary.pool.options().get_max_connections() {
                match shard.read_primary(ctx, "warm_up").await {
                    Ok(conn) => held.push(conn),
                    Err(error) => warn!(%error, "a connection is left for later"),
                }
            }
        }
        held
    }

    /// A transaction, for a domain that is not sharded. `query` as in [`Shard::write`].
    pub async fn write(&self, ctx: &Ctx, query: &'static str) -> Result<Tx> {
        self.shards[0].write(ctx, query).await
    }

    /// A connection to the primary, for a domain that is not sharded. `query` as in
    /// [`Shard::read_primary`].
    pub async fn read_primary(&self, ctx: &Ctx, query: &'static str) -> Result<Conn> {
        self.shards[0].read_primary(ctx, query).await
    }

    /// A connection for reading, for a domain that is not sharded. `query` as in [`Shard::read`].
    pub async fn read(&self, ctx: &Ctx, query: &'static str) -> Result<Conn> {
        self.shards[0].read(ctx, query).await
    }
}

impl Shard {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A transaction on the primary. `query` names the unit of work in metrics and `Server-Timing`.
    pub async fn write(&self, ctx: &Ctx, query: &'static str) -> Result<Tx> {
        Tx::begin(&self.primary, &self.name, ctx, query).await
    }

    /// A connection for reading: may see less than the latest writes of others, but always this
    /// user's own. `query` names the unit of work in metrics and `Server-Timing`.
    pub async fn read(&self, ctx: &Ctx, query: &'static str) -> Result<Conn> {
        Conn::open(&self.primary, &self.name, ctx, query).await
    }

    /// A connection for reading that sees all that was committed before.
    pub async fn read_primary(&self, ctx: &Ctx, query: &'static str) -> Result<Conn> {
        Conn::open(&self.primary, &self.name, ctx, query).await
    }

    /// The pool of the primary, for a statement that is no request's.
    pub fn primary_pool(&self) -> &PgPool {
        &self.primary.pool
    }

    /// One connection to the primary beside the pool, for what lives longer than any request:
    /// `listen`, migrations. Requests miss none, and nothing bounds its statements and its waits for
    /// locks. Connects when it is first used.
    pub fn own_connection(&self) -> PgPool {
        let options = self.primary.pool.connect_options();
        let unbounded = [("statement_timeout", "0"), ("lock_timeout", "0")];
        PgPoolOptions::new()
            .max_connections(1)
            // Before it is said again that the database is waited for.
            .acquire_timeout(Duration::from_secs(5))
            .after_release(|conn, _| Box::pin(async move { Ok(answers(conn).await) }))
            .connect_lazy_with((*options).clone().options(unbounded))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    fn config(nodes: &[&str]) -> DatabaseConfig {
        let mut password = tempfile::NamedTempFile::new().unwrap();
        writeln!(password, "secret").unwrap();
        let shards: Vec<_> = nodes
            .iter()
            .map(|node| json!({ "nodes": [node] }))
            .collect();
        serde_json::from_value(json!({
            "name": "shop",
            "user": "orders",
            "password_file": password.path(),
            "shards": shards,
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn mistakes_name_their_key() {
        let none = Db::new(&config(&[])).unwrap_err();
        assert_eq!(none.to_string(), "shards: expected one shard, got 0");
    }

    #[tokio::test]
    async fn every_bucket_has_a_shard() {
        let db = Db::new(&config(&["db:5432"])).unwrap();
        for bucket in 0..=u8::MAX {
            assert_eq!(db.shard(Bucket(bucket)).name(), "shard-1");
        }
    }
}
