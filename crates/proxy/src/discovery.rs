//! Finding the upstreams: fixed addresses, or a name that is looked up again and again.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::config::Address;

/// For one look-up: Docker's DNS answers within a millisecond, unless the box is throttled.
const PATIENCE: Duration = Duration::from_secs(2);

/// Follows the configured address for ever.
///
/// A look-up that fails changes nothing: upstreams do not go away because DNS does, and those that are
/// really gone fail their health checks.
pub async fn follow(cluster: Arc<Cluster>) {
    let mut is_failing = false;
    loop {
        let config = cluster.rules().upstreams.clone();
        match addresses(&config.address).await {
            Ok(addresses) => {
                is_failing = false;
                cluster.set_addresses(&addresses);
                name_upstreams(&cluster).await;
            }
            Err(error) if !is_failing => {
                is_failing = true;
                tracing::warn!(error, address = ?config.address, "cannot look upstreams up");
            }
            Err(_) => {}
        }
        tokio::time::sleep(config.refresh).await;
    }
}

async fn addresses(address: &Address) -> Result<Vec<SocketAddr>, String> {
    let name = match address {
        Address::Fixed(addresses) => return Ok(addresses.clone()),
        Address::Name(name) => name,
    };
    let found = timeout(PATIENCE, lookup_host(name)).await;
    let found = found.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
    let found = found.map_err(|error| error.to_string())?;
    // A name is answered in a different order each time.
    Ok(found.collect::<BTreeSet<_>>().into_iter().collect())
}

/// Asks what boxes are called that are new, or that may have been replaced while they were down: the
/// next one to come may well get the same address.
async fn name_upstreams(cluster: &Cluster) {
    for upstream in cluster.upstreams() {
        let IpAddr::V4(ip) = upstream.address.ip() else {
            continue;
        };
        if !upstream.begin_naming() {
            continue;
        }
        // It may wait for DNS.
        let name = tokio::task::spawn_blocking(move || boxstat::name_of(ip)).await;
        match name {
            Ok(Some(name)) => upstream.set_name(name),
            _ => upstream.forget_name(),
        }
    }
}
