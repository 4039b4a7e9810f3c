//! How often somebody may try to log in.
//!
//! Counted by all boxes together in Redis, where there is one; else by each process for itself, so that
//! several allow as many times more.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use cache::{Limiter, Rate, Redis};
use contract::text::Email;
use contract::{Fault, UsersError};
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::config::LogInConfig;

#[derive(Debug)]
pub(crate) enum LogInLimits {
    Here(Box<Limits>),
    /// Away, nobody logs in: a session could not be started either.
    Shared(Limiter, LogInConfig),
}

#[derive(Debug)]
pub(crate) struct Limits {
    clients: Limit,
    accounts_and_clients: Limit,
    accounts: Limit,
}

impl LogInLimits {
    pub(crate) fn new(config: &LogInConfig, redis: Option<Redis>) -> LogInLimits {
        match redis {
            Some(redis) => LogInLimits::Shared(Limiter::new(redis), config.clone()),
            None => LogInLimits::Here(Box::new(Limits::new(config))),
        }
    }

    /// Counts an attempt, or refuses it. What is refused for its client counts no further: nobody
    /// can use up the attempts of another's account by himself.
    pub(crate) async fn attempt(&self, email: &Email, client: IpAddr) -> Result<(), UsersError> {
        let client = network(client);
        let refused = match self {
            LogInLimits::Here(limits) => limits.attempt(email, client).err(),
            LogInLimits::Shared(limiter, config) => {
                let wait = limiter.attempt(&keys(config, email, client)).await;
                wait.map_err(Fault::from)?.map(seconds)
            }
        };
        match refused {
            Some(retry_after) => Err(UsersError::TooManyAttempts { retry_after }),
            None => Ok(()),
        }
    }
}

impl Limits {
    fn new(config: &LogInConfig) -> Limits {
        Limits {
            clients: Limit::new(&config.client),
            accounts_and_clients: Limit::new(&config.account_and_client),
            accounts: Limit::new(&config.account),
        }
    }

    fn attempt(&self, email: &Email, client: IpAddr) -> Result<(), u32> {
        self.clients
            .attempt(&client)
            .and_then(|()| self.accounts_and_clients.attempt(&(email, client)))
            .and_then(|()| self.accounts.attempt(email))
    }
}

/// Addresses are hashed, so that keys have one length. That hides no IPv4 address from who looks into Redis.
fn keys(config: &LogInConfig, email: &Email, client: IpAddr) -> [(String, Rate); 3] {
    let key = |of: &str, what: String, rate: &Rate| {
        let hash = Sha256::digest(what);
        let hash: String = hash[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        (format!("log-in:{of}:{hash}"), *rate)
    };
    let (email, client) = (email.as_str(), client.to_string());
    [
        key("client", client.clone(), &config.client),
        key(
            "both",
            format!("{email} {client}"),
            &config.account_and_client,
        ),
        key("account", email.to_owned(), &config.account),
    ]
}

/// Whole ones, as `Retry-After` counts.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// What one customer of a provider has: an IPv4 address, or 64 bits of IPv6.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// One rate for each of any number of keys (GCRA).
#[derive(Debug)]
struct Limit {
    limiter: RateLimiter<u64, Slots, Uptime, NoOpMiddleware<Duration>>,
    uptime: Uptime,
    hasher: RandomState,
}

impl Limit {
    fn new(rate: &Rate) -> Limit {
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        let uptime = Uptime(Instant::now());
        Limit {
            limiter: RateLimiter::new(quota, Slots::default(), uptime),
            uptime,
            hasher: RandomState::new(),
        }
    }

    /// `Err` says after how many seconds to try again.
    fn attempt(&self, key: &impl Hash) -> Result<(), u32> {
        let slot = self.hasher.hash_one(key);
        self.limiter
            .check_key(&slot)
            .map_err(|until| seconds(until.wait_time_from(self.uptime.now())))
    }
}

/// Bounded memory: keys share a fixed number of slots (512 KiB). Which keys share one is random for
/// each process, so nobody can aim at another's; with a thousand people logging in at once, one in
/// 65 shares with somebody, which is felt only by who tries often.
#[derive(Debug)]
struct Slots(Box<[InMemoryState]>);

const SLOTS: u64 = 1 << 16;

impl Default for Slots {
    fn default() -> Slots {
        Slots((0..SLOTS).map(|_| InMemoryState::default()).collect())
    }
}

impl StateStore for Slots {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0[(key % SLOTS) as usize].measure_and_replace(&NotKeyed::NonKey, f)
    }
}

/// Never goes back, unlike the time of day.
#[derive(Debug, Clone, Copy)]
struct Uptime(Instant);

impl Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_at_once_then_one_every_ten_seconds() {
        let limit = Limit::new(&LogInConfig::default().account_and_client);
        for _ in 0..5 {
            assert_eq!(limit.attempt(&"ada"), Ok(()));
        }
        assert_eq!(limit.attempt(&"ada"), Err(10));
        advance(Duration::from_millis(9_500)).await;
        assert_eq!(limit.attempt(&"ada"), Err(1));
        advance(Duration::from_millis(500)).await;
        assert_eq!(limit.attempt(&"ada"), Ok(()));
        assert_eq!(limit.attempt(&"ada"), Err(10));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_locks_out_others_by_himself() {
        let limits = Limits::new(&LogInConfig::default());
        let email = "ada@example.test".parse().unwrap();
        let attempt = |client: [u8; 4]| limits.attempt(&email, client.into());
        for n in 1..=100 {
            assert_eq!(attempt([192, 0, 2, 1]).is_ok(), n <= 5, "{n}");
        }
        attempt([198, 51, 100, 1]).unwrap();
        // Of the thirty from everywhere, 24 are left.
        let many = (1..=100).filter(|n| attempt([203, 0, 113, *n]).is_ok());
        assert_eq!(many.count(), 24);
    }

    #[test]
    fn one_network_is_one_client() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::2:3:4:5"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
    }
}
