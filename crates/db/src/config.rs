//! `[databases.<domain>]`: the logical database of one domain.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

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
    /// Connections to each node. More than a small box has work for only queue inside Postgres.
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
            max_connections: const { NonZeroU32::new(10).unwrap() },
            wait: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

/// `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeAddr {
    pub host: String,
    pub port: u16,
}

impl FromStr for NodeAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<NodeAddr, String> {
        let expected = || format!("expected host:port, got {text:?}");
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        if host.is_empty() || port == 0 {
            return Err(expected());
        }
        Ok(NodeAddr {
            host: host.to_owned(),
            port,
        })
    }
}

impl TryFrom<String> for NodeAddr {
    type Error = String;

    fn try_from(text: String) -> Result<NodeAddr, String> {
        text.parse()
    }
}

impl From<NodeAddr> for String {
    fn from(addr: NodeAddr) -> String {
        addr.to_string()
    }
}

impl fmt::Display for NodeAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_host_and_port() {
        let addr: NodeAddr = "db-replica-1:5432".parse().unwrap();
        assert_eq!((addr.host.as_str(), addr.port), ("db-replica-1", 5432));
        for bad in ["db", "db:", ":5432", "db:0", "db:x"] {
            assert_eq!(
                bad.parse::<NodeAddr>(),
                Err(format!("expected host:port, got {bad:?}"))
            );
        }
    }
}
