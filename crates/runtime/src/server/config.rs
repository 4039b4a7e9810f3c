use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::positive;
use crate::layers::Network;

/// `[http]`: how a service meets the outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    pub listen: Listen,
    /// Health and metrics: for the inside alone.
    pub admin: Listen,
    /// Networks of proxies, and of services that call this one: `["10.0.0.0/8"]`. Their
    /// `X-Forwarded-For`, `X-Request-Id`, `traceparent` and `X-Deadline-Ms` are believed, nobody else's.
    pub trusted_proxies: Vec<Network>,
    /// Browsers come by TLS, which something before us ends: cookies are `Secure`.
    pub behind_tls: bool,
    /// From the end of a request's head to its answer.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub request_timeout: Duration,
    /// From the first byte of a request's head, or from accepting, to the end of that head.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub head_timeout: Duration,
    /// For all of a request's body: those who drip are cut.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub body_timeout: Duration,
    /// For the client to take 16 KiB of what waits for it: those who read slower are cut.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub send_timeout: Duration,
    /// A connection on which nothing went to and fro for so long is closed.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub idle_timeout: Duration,
    #[serde(deserialize_with = "positive::count")]
    pub max_connections: usize,
    /// Requests at work at once; more are refused at once, with 503.
    #[serde(deserialize_with = "positive::count")]
    pub max_in_flight: usize,
    /// The admin port takes faults to be injected: see [`crate::Fault`].
    pub faults: bool,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            listen: Listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))),
            admin: Listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9100))),
            trusted_proxies: Vec::new(),
            behind_tls: false,
            request_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(5),
            // 1 MiB at 2 Mbit/s takes 4 s.
            body_timeout: Duration::from_secs(5),
            // 6.5 kbit/s: less than any modem of the last 30 years.
            send_timeout: Duration::from_secs(20),
            // Longer than a balancer keeps connections that it does not use.
            idle_timeout: Duration::from_secs(75),
            // At up to 50 KB each they fit a small box.
            max_connections: 2048,
            max_in_flight: 256,
            faults: false,
        }
    }
}

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Listen(pub SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Listen, D::Error> {
        struct Address;

        impl Visitor<'_> for Address {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address like 0.0.0.0:8080")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Listen, E> {
                let addr = text.parse().map(Listen);
                addr.map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_zero_are_refused() {
        for (key, zero, expected) in [
            (
                "max_connections",
                "0",
                "expected a nonzero usize, got integer `0`",
            ),
            (
                "max_in_flight",
                "0",
                "expected a nonzero usize, got integer `0`",
            ),
            (
                "request_timeout",
                "0s",
                "expected a duration longer than zero, got \"0s\"",
            ),
            (
                "head_timeout",
                "0s",
                "expected a duration longer than zero, got \"0s\"",
            ),
            (
                "body_timeout",
                "0s",
                "expected a duration longer than zero, got \"0s\"",
            ),
            (
                "send_timeout",
                "0s",
                "expected a duration longer than zero, got \"0s\"",
            ),
            (
                "idle_timeout",
                "0ms",
                "expected a duration longer than zero, got \"0s\"",
            ),
        ] {
            let variable = format!("APP__{}", key.to_uppercase());
            let mistake =
                crate::config::load_from::<HttpConfig>([], [(variable.clone(), zero.to_owned())]);
            assert_eq!(
                mistake.unwrap_err().to_string(),
                format!("environment {variable}: {key}: {expected}")
            );
        }
    }
}
