//! What a proxy is told: where its upstreams are, how to choose among them, and when to give one up.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use runtime::config::positive;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::cluster::Rules;
use crate::selection::Selection;

/// `[upstreams]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// A name, `web:8080`, that is looked up again and again; or a list of addresses.
    pub address: Address,
    /// How often to look the name up. Docker's DNS gives its answers 600 s to live, whatever
    /// happens to the containers: so we set the time ourselves.
    #[serde(
        default = "UpstreamsConfig::refresh",
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub refresh: Duration,
    #[serde(default)]
    pub selection: Selection,
    /// Requests at one upstream at once; when all are full, more are refused at once, with 503.
    /// What waits here would only wait there: this bounds how long an admitted request takes.
    /// See `burst` for those that come all at once.
    #[serde(
        default = "UpstreamsConfig::max_in_flight",
        deserialize_with = "positive::count"
    )]
    pub max_in_flight: usize,
    /// For so long an upstream that is warm may have three times `max_in_flight`, which its own limit must
    /// have room for. A queue that drains costs those in it a moment, and to refuse them helps nobody; one
    /// that stands makes all wait, for ever. The time begins when it has more than `max_in_flight`, and may
    /// begin anew once it had no more than half of that for as long, each as seen ten times a second.
    /// Zero: never more than `max_in_flight`.
    #[serde(default = "UpstreamsConfig::burst", with = "humantime_serde")]
    pub burst: Duration,
    #[serde(
        default = "UpstreamsConfig::connect_timeout",
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub connect_timeout: Duration,
    /// For so long a box that comes (back) gets less than its share: its caches are cold.
    #[serde(default = "UpstreamsConfig::slow_start", with = "humantime_serde")]
    pub slow_start: Duration,
}

impl UpstreamsConfig {
    fn refresh() -> Duration {
        Duration::from_secs(1)
    }

    /// 64 pages of a few milliseconds each are a quarter of a second of work for a small box.
    fn max_in_flight() -> usize {
        64
    }

    /// Longer than a database takes to clean up after a web box that died.
    fn burst() -> Duration {
        Duration::from_secs(1)
    }

    /// What an upstream may have in flight.
    pub(crate) fn limit(&self, stands: bool) -> u32 {
        let limit = match stands || self.burst.is_zero() {
            true => self.max_in_flight,
            false => self.max_in_flight.saturating_mul(3),
        };
        u32::try_from(limit).unwrap_or(u32::MAX)
    }

    /// A connection within one network takes less than a millisecond, on a throttled box some 20 ms.
    fn connect_timeout() -> Duration {
        Duration::from_millis(250)
    }

    fn slow_start() -> Duration {
        Duration::from_secs(3)
    }
}

/// Where the upstreams are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Address {
    /// `host:port`; each address of the host is an upstream.
    Name(String),
    Fixed(Vec<SocketAddr>),
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a name with a port, \"web:8080\", or a list of addresses, [\"10.0.0.1:8080\"]",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
                if let Ok(address) = text.parse() {
                    return Ok(Address::Fixed(vec![address]));
                }
                let parts = text.rsplit_once(':');
                let is_name = parts.is_some_and(|(host, port)| {
                    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
                    !host.is_empty() && host.bytes().all(is_plain) && port.parse::<u16>().is_ok()
                });
                match is_name {
                    true => Ok(Address::Name(text.to_owned())),
                    false => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Address, A::Error> {
                let mut addresses = Vec::new();
                while let Some(text) = seq.next_element::<String>()? {
                    let address = text.parse().map_err(|_| {
                        A::Error::custom(format!(
                            "expected an address like 10.0.0.1:8080, got {text:?}"
                        ))
                    })?;
                    addresses.push(address);
                }
                match addresses.is_empty() {
                    true => Err(A::Error::custom("expected at least one address, got none")),
                    false => Ok(Address::Fixed(addresses)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `[health]`: asking each upstream how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// Where it answers; without one: its own port.
    pub port: Option<u16>,
    pub path: String,
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub interval: Duration,
    /// A box at its CPU cap may take long to answer, and is not dead.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub timeout: Duration,
    /// Good answers in a row until one that was down is back.
    #[serde(deserialize_with = "positive::count")]
    pub rise: usize,
    /// Silences in a row until one is down. A refusal counts at once.
    #[serde(deserialize_with = "positive::count")]
    pub fall: usize,
    /// One that has requests and answers none of them for so long is asked at once ..
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub stall: Duration,
    /// .. and has this long to answer: whoever is silent on both counts is down.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub stall_timeout: Duration,
}

impl Default for HealthConfig {
    fn default() -> HealthConfig {
        HealthConfig {
            port: None,
            path: "/readyz".to_owned(),
            interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            stall: Duration::from_millis(300),
            stall_timeout: Duration::from_millis(250),
        }
    }
}

/// `[outliers]`: leaving out upstreams whose answers are bad, however well they say they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutliersConfig {
    /// Failures in a row that suffice.
    #[serde(deserialize_with = "positive::count")]
    pub consecutive: usize,
    /// Or this share of the requests of the last two seconds ..
    #[serde(deserialize_with = "ratio")]
    pub failure_ratio: f64,
    /// .. when so many failed.
    #[serde(deserialize_with = "positive::count")]
    pub min_failures: usize,
    /// How long the first time; each further time adds as much.
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub base: Duration,
    #[serde(
        serialize_with = "humantime_serde::serialize",
        deserialize_with = "positive::duration"
    )]
    pub longest: Duration,
    /// The largest share of ready upstreams that may be out. One is always left in.
    #[serde(deserialize_with = "ratio")]
    pub max_share: f64,
}

impl Default for OutliersConfig {
    fn default() -> OutliersConfig {
        OutliersConfig {
            consecutive: 5,
            failure_ratio: 0.2,
            min_failures: 5,
            base: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            max_share: 0.5,
        }
    }
}

/// `[retries]`: the budget, as linkerd has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetriesConfig {
    /// Retries for each request, on average ..
    #[serde(deserialize_with = "ratio")]
    pub ratio: f64,
    /// .. and so many a second besides, for when there is little load.
    pub per_second: u32,
}

impl Default for RetriesConfig {
    fn default() -> RetriesConfig {
        RetriesConfig {
            ratio: 0.2,
            per_second: 10,
        }
    }
}

/// `[tls]`: a second port, for HTTP/2 and HTTP/1.1 under TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    pub listen: runtime::server::Listen,
    /// PEM files. They are read again on reload.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// `[access_log]`: a line of JSON on stdout for each request, or for some.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLogConfig {
    /// The share of requests that get a line: 0 for none, 1 for all.
    #[serde(deserialize_with = "ratio")]
    pub sample: f64,
}

fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(D::Error::custom(format!(
            "expected a number from 0 to 1, got {value}"
        ))),
    }
}

/// Everything a proxy of ours is told; a program flattens nothing and adds its own sections.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    #[serde(default)]
    pub http: runtime::HttpConfig,
    #[serde(default)]
    pub log: runtime::LogConfig,
    #[serde(default)]
    pub shutdown: runtime::ShutdownConfig,
    pub upstreams: UpstreamsConfig,
    #[serde(default)]
    pub health: HealthConfig,
    #[serde(default)]
    pub outliers: OutliersConfig,
    #[serde(default)]
    pub retries: RetriesConfig,
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    #[serde(default)]
    pub access_log: AccessLogConfig,
}

impl ProxyConfig {
    /// What its cluster goes by.
    pub fn rules(&self) -> Rules {
        Rules {
            upstreams: self.upstreams.clone(),
            health: self.health.clone(),
            outliers: self.outliers.clone(),
            retries: self.retries.clone(),
        }
    }

    /// Whether it differs from this one in something that is read only once.
    pub fn needs_restart(&self, now: &ProxyConfig) -> bool {
        let listen = |config: &ProxyConfig| config.tls.as_ref().map(|tls| tls.listen);
        self.http.listen != now.http.listen
            || self.http.admin != now.http.admin
            || self.log != now.log
            || listen(self) != listen(now)
    }
}
