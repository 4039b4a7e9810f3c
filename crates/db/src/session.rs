//! What a domain holds while it talks to Postgres: a [`Tx`] to write, a [`Conn`] to read.
//!
//! Both are a `PgConnection` to the SQL they run, and both write down on the way out how long they
//! were held, by whom and where: that becomes `Server-Timing` and `db_query_duration_seconds`.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use contract::Ctx;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::error::Result;
use crate::node::Node;

/// A transaction. Dropped without [`Tx::commit`], it never happened.
#[derive(Debug)]
pub struct Tx {
    tx: Transaction<'static, Postgres>,
    visit: Visit,
}

/// A connection for statements that change nothing.
#[derive(Debug)]
pub struct Conn {
    conn: PoolConnection<Postgres>,
    _visit: Visit,
}

impl Tx {
    pub(crate) async fn begin(
        node: &Node,
        shard: &str,
        ctx: &Ctx,
        query: &'static str,
    ) -> Result<Tx> {
        let conn = node.acquire(ctx).await?;
        let visit = Visit::new(node, shard, ctx, query, "write");
        Ok(Tx {
            tx: Transaction::begin(conn, None).await?,
            visit,
        })
    }

    /// Makes it so. After an error nobody knows whether it happened: repeat what is idempotent.
    pub async fn commit(self) -> Result<()> {
        let Tx { tx, visit } = self;
        let committed = tx.commit().await;
        drop(visit);
        Ok(committed?)
    }
}

impl Conn {
    pub(crate) async fn open(
        node: &Node,
        shard: &str,
        ctx: &Ctx,
        query: &'static str,
    ) -> Result<Conn> {
        let conn = node.acquire(ctx).await?;
        Ok(Conn {
            conn,
            _visit: Visit::new(node, shard, ctx, query, "read"),
        })
    }
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

impl Deref for Conn {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

/// The time between getting a connection and giving it back.
#[derive(Debug)]
struct Visit {
    ctx: Ctx,
    desc: String,
    query: &'static str,
    node: String,
    policy: &'static str,
    started: Instant,
}

impl Visit {
    fn new(
        node: &Node,
        shard: &str,
        ctx: &Ctx,
        query: &'static str,
        policy: &'static str,
    ) -> Visit {
        Visit {
            ctx: ctx.clone(),
            desc: format!("{} {policy} {shard} {query}", node.name),
            query,
            node: node.name.clone(),
            policy,
            started: Instant::now(),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let labels = [
            ("query", self.query.to_owned()),
            ("node", self.node.clone()),
            ("role", "primary".to_owned()),
        ];
        metrics::histogram!("db_query_duration_seconds", &labels).record(took.as_secs_f64());
        metrics::counter!("db_reads_total", "node" => self.node.clone(), "reason" => "primary")
            .increment(u64::from(self.policy == "read"));
        self.ctx.record("db", std::mem::take(&mut self.desc), took);
    }
}
