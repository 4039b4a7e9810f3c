//! The way to our other services, and their addresses.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::Scheme;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};

/// Where a service of ours is: `http://users:8080`, and nothing after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Origin, String> {
        let is_origin = text.parse::<Uri>().is_ok_and(|uri| {
            let host = uri.authority().map(|authority| authority.as_str());
            let whole = host.map(|host| format!("http://{host}"));
            uri.scheme() == Some(&Scheme::HTTP) && whole.as_ref() == Some(&text)
        });
        match is_origin {
            true => Ok(Origin(text)),
            false => Err(format!(
                "expected an address like http://users:8080, got {text:?}"
            )),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.0
    }
}

/// A pool of connections; [`contract::remote`] brings the deadlines. Cheap to clone: one pool.
pub fn client() -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // Neighbours answer within a millisecond; one that does not is away.
    connector.set_connect_timeout(Some(Duration::from_millis(500)));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(64)
        // Shorter than our servers' 75 s: it is for us to close, not for them while we write.
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_scheme_and_host_and_nothing_after_them() {
        for good in ["http://users:8080", "http://10.0.0.1:80", "http://users"] {
            assert!(Origin::try_from(good.to_owned()).is_ok(), "{good}");
        }
        let bad = [
            "",
            "users:8080",
            "http://users:8080/",
            "https://users",
            "http://u/v1",
            "/",
        ];
        for bad in bad {
            let expected = format!("expected an address like http://users:8080, got {bad:?}");
            assert_eq!(Origin::try_from(bad.to_owned()), Err(expected));
        }
    }
}
