//! `[users]`: how the domain guards itself.

use std::num::NonZeroUsize;
use std::time::Duration;

use cache::Rate;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub hashing: HashingConfig,
    pub log_in: LogInConfig,
    pub session: SessionConfig,
}

impl Config {
    /// What is configured here and cannot be had. `redis`: whether there is one.
    pub fn check(&self, redis: bool) -> Result<(), &'static str> {
        match self.session.store {
            SessionStore::Redis if !redis => {
                Err("session.store: expected a section [redis] for sessions in redis")
            }
            _ => Ok(()),
        }
    }
}

/// Hashing a password costs about 40 ms of a core and 19 MiB, so it is rationed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashingConfig {
    /// Passwords hashed at the same time.
    pub permits: NonZeroUsize,
    /// Requests that hash or wait for it; one more is told at once to come back. Registrations may
    /// have half of it, and leave the rest to log-ins.
    pub queue: NonZeroUsize,
    /// Longest wait for a permit.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
}

/// How often somebody may try to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogInConfig {
    /// For one e-mail address from one client: who tries from elsewhere does not lock its owner out.
    /// Whether or not it has an account.
    pub account_and_client: Rate,
    /// For one e-mail address from everywhere: bounds guessing from many networks.
    pub account: Rate,
    /// From one client: an IPv4 address or an IPv6 network of 64 bits.
    pub client: Rate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionConfig {
    pub store: SessionStore,
    /// A session not used for so long is over.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// A session this old is over, used or not.
    #[serde(with = "humantime_serde")]
    pub absolute: Duration,
}

/// Where sessions live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStore {
    /// Any box knows them, and they outlive each of them.
    #[default]
    Postgres,
    /// Any box knows them, and Postgres is asked only for those that began there. Needs `[redis]`.
    Redis,
    /// Only this process knows them, and they end with it. For the lab on sticky sessions.
    Process,
}

impl Default for HashingConfig {
    fn default() -> HashingConfig {
        HashingConfig {
            permits: const { NonZeroUsize::new(1).unwrap() },
            // What one permit does within `wait`, with room for those about to give up.
            queue: const { NonZeroUsize::new(64).unwrap() },
            wait: Duration::from_secs(2),
        }
    }
}

impl Default for LogInConfig {
    fn default() -> LogInConfig {
        LogInConfig {
            account_and_client: Rate::new(5, 6),
            // Five clients who are locked out of it, and the owner still gets in.
            account: Rate::new(30, 30),
            // Generous: a classroom shares one address.
            client: Rate::new(600, 600),
        }
    }
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        SessionConfig {
            store: SessionStore::default(),
            idle: 7 * DAY,
            absolute: 30 * DAY,
        }
    }
}
