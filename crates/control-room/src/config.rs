//! What the control room can be told. All of it has defaults: it runs without a file.

use std::net::{Ipv4Addr, SocketAddr};

use http::Uri;
use http::uri::{Authority, Scheme};
use runtime::server::Listen;
use runtime::{HttpConfig, LogConfig, ShutdownConfig};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub http: HttpConfig,
    pub log: LogConfig,
    pub shutdown: ShutdownConfig,
    pub prometheus: PrometheusConfig,
    pub egress: EgressConfig,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusConfig {
    pub url: PrometheusUrl,
}

/// What bytes that leave cost.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EgressConfig {
    /// For 10^9 bytes, in US dollars.
    pub usd_per_gb: f64,
}

/// `http://host:port`, and nothing after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrometheusUrl(pub(crate) Authority);

impl Default for Config {
    fn default() -> Config {
        Config {
            http: HttpConfig {
                listen: Listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8090))),
                ..HttpConfig::default()
            },
            log: LogConfig::default(),
            shutdown: ShutdownConfig::default(),
            prometheus: PrometheusConfig::default(),
            egress: EgressConfig::default(),
        }
    }
}

impl Default for EgressConfig {
    fn default() -> EgressConfig {
        // The first tier of the large clouds' list prices.
        EgressConfig { usd_per_gb: 0.09 }
    }
}

impl Default for PrometheusUrl {
    fn default() -> PrometheusUrl {
        PrometheusUrl(Authority::from_static("prometheus:9090"))
    }
}

impl TryFrom<String> for PrometheusUrl {
    type Error = String;

    fn try_from(text: String) -> Result<PrometheusUrl, String> {
        let parts = text.parse::<Uri>().map(Uri::into_parts).ok();
        let parts = parts.filter(|parts| {
            let path = parts
                .path_and_query
                .as_ref()
                .map_or("/", |path| path.as_str());
            parts.scheme == Some(Scheme::HTTP) && path == "/"
        });
        match parts.and_then(|parts| parts.authority) {
            Some(authority) => Ok(PrometheusUrl(authority)),
            None => Err(format!(
                "expected an address like http://prometheus:9090, got {text:?}"
            )),
        }
    }
}

impl From<PrometheusUrl> for String {
    fn from(url: PrometheusUrl) -> String {
        format!("http://{}", url.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        runtime::config::load_from([], variables).map_err(|error| error.to_string())
    }

    #[test]
    fn it_runs_without_a_file() {
        let config = load(&[]).unwrap();
        assert_eq!(config.http.listen.0.port(), 8090);
        assert_eq!(
            String::from(config.prometheus.url),
            "http://prometheus:9090"
        );
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for bad in ["prometheus:9090", "https://p:9090", "http://p:9090/graph"] {
            let error = load(&[("APP__PROMETHEUS__URL", bad)]).unwrap_err();
            assert!(error.contains("prometheus.url"), "{error}");
            assert!(error.contains("http://prometheus:9090"), "{error}");
        }
    }
}
