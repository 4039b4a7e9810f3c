//! Where a server is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

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
