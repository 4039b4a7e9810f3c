//! What an answer is found by: the address that was asked for (RFC 9111, 2), to the letter as it goes to
//! the origin; its host in a normal form, in which it goes there, too. Nothing is made simpler that an origin could tell apart; so no answer is found under an
//! address for which the origin would have given another.

use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};

/// `http://host/path?query`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Key(Arc<str>);

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key(text.into())
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.as_str().to_owned()
    }
}

impl Key {
    pub(crate) fn of(scheme: &str, parts: &Parts) -> Key {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        Key::new(scheme, host.unwrap_or_default(), path)
    }

    fn new(scheme: &str, host: &str, path: &str) -> Key {
        let mut text = String::with_capacity(scheme.len() + 3 + host.len() + path.len());
        text.push_str(scheme);
        text.push_str("://");
        text.push_str(host);
        // Names of hosts are caseless, and the port of a scheme goes without saying (RFC 9110, 4.2.3).
        text.make_ascii_lowercase();
        let default = if scheme == "https" { ":443" } else { ":80" };
        if text.ends_with(default) {
            text.truncate(text.len() - default.len());
        }
        text.push_str(path);
        Key(text.into())
    }

    /// Of an address that a person gave.
    pub(crate) fn parse(text: &str) -> Result<Key, &'static str> {
        const EXPECTED: &str = "expected an address like http://localhost:8085/assets/shop.css";
        let uri: Uri = text.parse().map_err(|_| EXPECTED)?;
        match (uri.scheme_str(), uri.authority(), uri.path_and_query()) {
            (Some(scheme @ ("http" | "https")), Some(host), Some(path)) => {
                Ok(Key::new(scheme, host.as_str(), path.as_str()))
            }
            _ => Err(EXPECTED),
        }
    }

    /// Scheme and host, as they go to the origin.
    pub(crate) fn scheme_and_host(&self) -> (&str, &str) {
        self.origin().split_once("://").unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme and host.
    pub(crate) fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[host..]
            .find('/')
            .map_or(self.0.len(), |at| host + at);
        &self.0[..end]
    }

    /// The address that a field of this one's answer names, if it is of the same origin (RFC 9111, 4.4).
    pub(crate) fn relative(&self, headers: &HeaderMap, field: http::HeaderName) -> Option<Key> {
        let to = headers.get(field)?.to_str().ok()?;
        let to = to.split('#').next().unwrap_or_default();
        let key = match to {
            _ if to.starts_with("//") => Key::parse(&format!("{}:{to}", self.scheme())).ok()?,
            _ if to.starts_with('/') => Key(format!("{}{to}", self.origin()).into()),
            _ if to.contains("://") => Key::parse(to).ok()?,
            _ if to.starts_with('?') => {
                let path = self.0.split('?').next().unwrap_or_default();
                Key(format!("{path}{to}").into())
            }
            _ => {
                let path = self.0.split(['?', '#']).next().unwrap_or_default();
                let folder = path.rfind('/').map_or(path.len(), |at| at + 1);
                Key(format!("{}{to}", &path[..folder]).into())
            }
        };
        (key.origin() == self.origin()).then_some(key)
    }

    fn scheme(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(host: &str, path: &str) -> String {
        let request = http::Request::builder().uri(path).header("host", host);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Key::of("http", &parts).as_str().to_owned()
    }

    #[test]
    fn hosts_are_caseless_and_paths_are_not() {
        assert_eq!(key("Shop:8085", "/A?b=C"), "http://shop:8085/A?b=C");
        assert_eq!(key("shop:80", "/"), "http://shop/");
        assert_eq!(
            Key::parse("HTTPS://Shop:443/A").unwrap().as_str(),
            "https://shop/A"
        );
        for bad in ["/assets/a.css", "ftp://shop/a", "shop", ""] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_an_origin_could_tell_apart_is_apart() {
        let alike = [
            "/a", "/a/", "/a?", "/a//", "/%61", "/x/../a", "/a;b", "/a?b", "/A",
        ];
        let keys: std::collections::HashSet<String> =
            alike.iter().map(|path| key("shop", path)).collect();
        assert_eq!(keys.len(), alike.len());
    }

    #[test]
    fn rfc9111_4_4_only_addresses_of_the_same_origin_are_named() {
        let key = Key::parse("http://shop/a/b?c").unwrap();
        let named = |to: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("location", to.parse().unwrap());
            let named = key.relative(&headers, http::header::LOCATION);
            named.map(|key| key.as_str().to_owned())
        };
        for (to, expected) in [
            ("/d", Some("http://shop/d")),
            ("d", Some("http://shop/a/d")),
            ("d#e", Some("http://shop/a/d")),
            ("?d", Some("http://shop/a/b?d")),
            ("http://shop/d", Some("http://shop/d")),
            ("//shop/d", Some("http://shop/d")),
            ("http://other/d", None),
            ("//other/d", None),
            ("https://shop/d", None),
        ] {
            assert_eq!(named(to).as_deref(), expected, "{to}");
        }
    }
}
