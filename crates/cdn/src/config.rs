//! What the CDN is told: all that a proxy is, and `[cache]`.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use proxy::ProxyConfig;
use proxy::config::{
    AccessLogConfig, HealthConfig, OutliersConfig, RetriesConfig, TlsConfig, UpstreamsConfig,
};
use runtime::config::{ConfigError, positive};
use runtime::{HttpConfig, LogConfig, ShutdownConfig};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CdnConfig {
    #[serde(default)]
    pub(crate) http: HttpConfig,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    pub(crate) shutdown: ShutdownConfig,
    /// The origin.
    upstreams: UpstreamsConfig,
    #[serde(default)]
    health: HealthConfig,
    #[serde(default)]
    outliers: OutliersConfig,
    #[serde(default)]
    retries: RetriesConfig,
    #[serde(default)]
    tls: Option<TlsConfig>,
    #[serde(default)]
    access_log: AccessLogConfig,
    #[serde(default)]
    pub(crate) cache: CacheConfig,
}

/// `[cache]`: what is stored, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CacheConfig {
    /// Memory for stored answers.
    #[serde(deserialize_with = "positive::count")]
    pub(crate) max_bytes: usize,
    /// Larger bodies pass and are not stored. At most a quarter of `max_bytes`. An answer that does not say
    /// how long it is breaks off where it proves to be larger, and passes for an hour from then on.
    #[serde(deserialize_with = "positive::count")]
    pub(crate) max_object_bytes: usize,
    /// What is stored is kept there, too: more than memory holds, and across a restart.
    pub(crate) disk: Option<DiskConfig>,
    /// Only addresses that begin with one of these are served; without any, all are.
    pub(crate) paths: Vec<String>,
    /// How long a missing object is known to be missing where the origin does not say.
    #[serde(with = "humantime_serde")]
    pub(crate) negative: Duration,
    /// How long after its time an answer stands in for an origin that gives none, where the origin does
    /// not say.
    #[serde(with = "humantime_serde")]
    pub(crate) stale_if_error: Duration,
    /// Whether to guess how long an answer may be used where the origin does not say.
    pub(crate) heuristic: bool,
    /// Whether answers that set cookies are stored like others. A cookie is for one person as a rule,
    /// whatever `Cache-Control` says beside it.
    pub(crate) store_set_cookie: bool,
}

/// `[cache.disk]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskConfig {
    /// Its own: of no two processes, and with nothing else in it.
    pub(crate) folder: PathBuf,
    #[serde(deserialize_with = "positive::count")]
    pub(crate) max_bytes: usize,
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig {
            max_bytes: 128 << 20,
            max_object_bytes: 16 << 20,
            disk: None,
            paths: Vec::new(),
            negative: Duration::from_secs(2),
            // Longer than any outage of an origin should be.
            stale_if_error: Duration::from_secs(24 * 60 * 60),
            heuristic: false,
            store_set_cookie: false,
        }
    }
}

impl CdnConfig {
    pub(crate) fn proxy(&self) -> ProxyConfig {
        ProxyConfig {
            http: self.http.clone(),
            log: self.log.clone(),
            shutdown: self.shutdown.clone(),
            upstreams: self.upstreams.clone(),
            health: self.health.clone(),
            outliers: self.outliers.clone(),
            retries: self.retries.clone(),
            tls: self.tls.clone(),
            access_log: self.access_log.clone(),
        }
    }
}

impl CacheConfig {
    /// Whether a request is for us. Where only some addresses are, nothing is that an origin could read
    /// as another, and nothing that changes something.
    pub(crate) fn serves(&self, method: &Method, path: &str) -> bool {
        if self.paths.is_empty() {
            return true;
        }
        let is_here = self.paths.iter().any(|start| path.starts_with(start));
        is_here && method.is_safe() && !climbs(path)
    }

    /// What is expected, if it is something else.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.max_object_bytes <= self.max_bytes / 4 {
            return Ok(());
        }
        let expected = format!(
            "max_object_bytes: expected at most a quarter of max_bytes, {}, got {}",
            self.max_bytes / 4,
            self.max_object_bytes
        );
        Err(ConfigError::in_use("cache", expected))
    }
}

/// Whether there is a segment `.` or `..` in a path, in whatever way it is written.
fn climbs(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace("%2e", ".");
    let mut segments = path.split(['/', '\\']);
    segments.any(|segment| matches!(segment, "." | ".."))
        || path.contains("%2f")
        || path.contains("%5c")
}
