//! Where data lives: the nodes of Postgres and the way to them.
//!
//! A domain has one [`Db`]. It asks `db.shard(user.bucket())` for the shard that has a user's rows,
//! and then [`Shard::write`] or [`Shard::read`]: the name of the call is the policy, and the domain
//! never learns which node it got. A domain that is not sharded calls [`Db::write`] and
//! [`Db::read`].
//!
//! Never here: SQL of any domain, and no rule but where to go and how long to wait.
//!
//! Start with [`session`]: what a domain holds in its hands.

pub mod bulk;
mod config;
mod error;
mod migrate;
mod node;
pub mod session;
mod shard;

pub use config::{DatabaseConfig, PoolConfig, ShardConfig};
pub use error::{Error, Result};
pub use session::{Conn, Tx};
pub use shard::{Db, Shard};
