//! `[databases.<domain>]`: the logical database of one domain.

use std::num::NonZeroU32;
use std::time::Duration;

use contract::{NodeAddr, Secret};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// The Postgres database, the same on every node.
    pub name: String,
    /// The domain's role: it owns its schema and sees no other.
    pub user: String,
    pub password_file: Secret,
    /// At least one. The buckets of users are spread over them.
    pub shards: Vec<ShardConfig>,
    #[serde(default)]
    pub pool: PoolConfig,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardConfig {
    /// `["db:5432"]`. Which of them is the primary is never configured.
    pub nodes: Vec<NodeAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolConfig {
    /// Connections to each node, kept for as long as the server does. More than a small box has work for
    /// only queue inside Postgres, and each that a rush makes costs it the work of a dozen pages.
    pub max_connections: NonZeroU32,
    /// How long a request waits for a free connection before it is told to come back.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
    /// Longest statement that a request may run.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig {
            max_connections: const { NonZeroU32::new(6).unwrap() },
            wait: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
        }
    }
}
