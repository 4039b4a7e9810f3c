//! Whom we believe, and who the client is behind them.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use axum::extract::Request;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::server::Peer;

/// A network, `10.0.0.0/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                u128::from(ours.to_bits() ^ theirs.to_bits()) << 96
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.to_bits() ^ theirs.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= u32::from(self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let expected = || format!("expected a network like 10.0.0.0/8, got {text:?}");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(bits), str::parse)
            .map_err(|_| expected())?;
        if prefix > bits {
            return Err(expected());
        }
        Ok(Network { address, prefix })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        format!("{}/{}", network.address, network.prefix)
    }
}

/// Whether what a request says of its own past may be believed: its id, its trace, its deadline, where
/// it was first sent from. Requests made inside this process have no peer, and are ours.
pub(super) fn is_believed(request: &Request, trusted: &[Network]) -> bool {
    peer(request).is_none_or(|peer| holds(trusted, peer))
}

fn peer(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>();
    peer.map(|peer| peer.0.ip().to_canonical())
}

/// Whether one of these networks has this address.
pub fn holds(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// The last address that no trusted proxy has: those to its left are only what it claims itself.
/// Requests made inside this process come from loopback.
pub(super) fn client(request: &Request, trusted: &[Network]) -> IpAddr {
    let peer = peer(request).unwrap_or(Ipv4Addr::LOCALHOST.into());
    client_behind(peer, request.headers(), trusted)
}

/// As [`client`], for whoever knows the peer.
pub fn client_behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut client = peer;
    let hops = headers.get_all("x-forwarded-for").iter().rev();
    let hops = hops.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        if !holds(trusted, client) {
            break;
        }
        match hop.trim().parse() {
            Ok(address) => client = address,
            Err(_) => break,
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().unwrap());
        let mut request = Request::new(axum::body::Body::empty());
        let peer = Peer((peer.parse::<IpAddr>().unwrap(), 1).into());
        request.extensions_mut().insert(peer);
        for value in forwarded {
            let value = value.parse().unwrap();
            request.headers_mut().append("x-forwarded-for", value);
        }
        client(&request, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client_of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_has() {
        assert_eq!(client_of("10.1.1.1", &["192.0.2.1"]), "192.0.2.1");
        let chain = ["6.6.6.6, 192.0.2.1", "10.2.2.2,10.3.3.3"];
        assert_eq!(client_of("10.1.1.1", &chain), "192.0.2.1");
        assert_eq!(
            client_of("::ffff:10.1.1.1", &["2001:db8::1"]),
            "2001:db8::1"
        );
        assert_eq!(client_of("10.1.1.1", &["6.6.6.6, nonsense"]), "10.1.1.1");
        assert_eq!(client_of("10.1.1.1", &[]), "10.1.1.1");
    }

    #[test]
    fn a_network_is_an_address_and_a_prefix() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("255.1.1.1".parse().unwrap()));
        assert!(!all.contains("::2".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "::/129", "x/8"] {
            let error = bad.parse::<Network>().unwrap_err();
            assert_eq!(
                error,
                format!("expected a network like 10.0.0.0/8, got {bad:?}")
            );
        }
    }
}
