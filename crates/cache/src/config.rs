//! `[redis]`: where it is. Without it there is none.

use std::time::Duration;

use contract::{NodeAddr, Secret};
use serde::{Deserialize, Serialize};

use crate::client::Redis;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// The server that has sessions, and rates: it writes down what it is told, and evicts nothing.
    pub sessions: NodeAddr,
    /// The server that has copies: it forgets everything when it restarts, as it must.
    pub cache: NodeAddr,
    pub user: String,
    pub password_file: Secret,
    /// Longest wait for an answer. What takes longer is asked elsewhere, or fails.
    #[serde(default = "patience", with = "humantime_serde")]
    pub patience: Duration,
}

/// A hundred times what an answer takes; long enough for a box whose quota of CPU is used up.
fn patience() -> Duration {
    Duration::from_millis(50)
}

/// Both servers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Redises {
    pub sessions: Redis,
    pub cache: Redis,
}

impl RedisConfig {
    /// Connects to nothing yet: a Redis that is not there is no reason not to start.
    pub fn open(&self) -> Redises {
        let open = |name, addr: &NodeAddr| {
            let info = redis::RedisConnectionInfo::default()
                .set_username(&self.user)
                .set_password(self.password_file.expose());
            let addr = (addr.host.clone(), addr.port);
            Redis::open(name, addr, info, self.patience, String::new())
        };
        Redises {
            sessions: open("sessions", &self.sessions),
            cache: open("cache", &self.cache),
        }
    }
}

impl Redises {
    /// For tests: both on one server without a password, under a prefix that nobody else has, and with
    /// patience for a machine that is busy with other tests.
    pub fn apart(addr: &NodeAddr) -> Redises {
        let prefix = format!("{:016x}:", fastrand::u64(..));
        let open = |name| {
            let info = redis::RedisConnectionInfo::default();
            let addr = (addr.host.clone(), addr.port);
            Redis::open(name, addr, info, 10 * patience(), prefix.clone())
        };
        Redises {
            sessions: open("sessions"),
            cache: open("cache"),
        }
    }
}
