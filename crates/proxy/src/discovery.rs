//! Finding the upstreams: fixed addresses, or a name that is looked up again and again.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::config::Address;

/// For one look-up: Docker's DNS answers within a millisecond, unless the box is throttled.
const PATIENCE: Duration = Duration::from_secs(2);

/// Until boxes are asked for their names again that did not say them.
const PAUSE: Duration = Duration::from_secs(10);

/// Follows the configured address for ever, and asks the boxes there for their names.
pub async fn follow(cluster: Arc<Cluster>) {
    // It waits for DNS.
    let name_of = |ip| async move {
        let asked = tokio::task::spawn_blocking(move || boxstat::name_of(ip));
        asked.await.ok().flatten()
    };
    follow_and_name(&cluster, name_of).await;
}

/// Names may take long to come: no new box waits for those of others.
async fn follow_and_name<N: Future<Output = Option<String>>>(
    cluster: &Arc<Cluster>,
    name_of: impl Fn(Ipv4Addr) -> N,
) {
    let name = async {
        loop {
            name_upstreams(cluster, &name_of).await;
            let _ = timeout(PAUSE, cluster.nameless.notified()).await;
        }
    };
    tokio::join!(look_up(cluster), name);
}

/// A look-up that fails changes nothing: upstreams do not go away because DNS does, and those that are
/// really gone fail their health checks.
async fn look_up(cluster: &Arc<Cluster>) {
    let mut is_failing = false;
    loop {
        let config = cluster.rules().upstreams.clone();
        match addresses(&config.address).await {
            Ok(addresses) => {
                is_failing = false;
                cluster.set_addresses(&addresses);
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
/// next one to come may well get the same address. Nobody knows the name of one that is down.
async fn name_upstreams<N: Future<Output = Option<String>>>(
    cluster: &Cluster,
    name_of: impl Fn(Ipv4Addr) -> N,
) {
    for upstream in cluster.upstreams() {
        let IpAddr::V4(ip) = upstream.address.ip() else {
            continue;
        };
        if upstream.is_down() || !upstream.begin_naming() {
            continue;
        }
        match name_of(ip).await {
            Some(name) => upstream.set_name(name),
            None => upstream.forget_name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::sleep;

    use super::*;
    use crate::ProxyConfig;
    use crate::health::Probe;

    fn rules(addresses: &str) -> crate::Rules {
        let config = format!("upstreams.address = [{addresses}]");
        let config: ProxyConfig = toml::from_str(&config).unwrap();
        config.rules()
    }

    /// Runs this in a simulated network with nobody in it.
    fn alone(test: impl Future<Output = ()> + 'static) {
        let mut sim = turmoil::Builder::new().build();
        sim.client("lb", async move {
            test.await;
            Ok(())
        });
        sim.run().unwrap();
    }

    #[test]
    fn no_new_box_waits_for_the_name_of_another() {
        alone(async {
            let cluster = Cluster::new("lb", rules("\"10.0.0.1:80\""));
            let silent = |_| std::future::pending();
            let found = async {
                while cluster.upstreams().is_empty() {
                    sleep(Duration::from_millis(10)).await;
                }
                cluster.set_rules(rules("\"10.0.0.1:80\", \"10.0.0.2:80\""));
                while cluster.upstreams().len() < 2 {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::select! {
                () = follow_and_name(&cluster, silent) => unreachable!(),
                found = timeout(Duration::from_secs(5), found) => found.unwrap(),
            }
        });
    }

    #[test]
    fn a_box_that_is_down_is_asked_for_its_name_when_it_comes_up() {
        alone(async {
            let cluster = Cluster::new("lb", rules("\"10.0.0.1:80\""));
            cluster.set_addresses(&["10.0.0.1:80".parse().unwrap()]);
            let upstream = cluster.upstreams().remove(0);
            cluster.note_probe(&upstream, Probe::Refused, false);
            let asked = RefCell::new(Vec::new());
            let name_of = |ip: Ipv4Addr| {
                asked.borrow_mut().push(ip);
                std::future::ready(Some("web-2".to_owned()))
            };
            name_upstreams(&cluster, &name_of).await;
            assert!(asked.borrow().is_empty());
            let named = async {
                for _ in 0..2 {
                    cluster.note_probe(&upstream, Probe::Ready, false);
                }
                while upstream.name().name != "web-2" {
                    sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::select! {
                () = follow_and_name(&cluster, &name_of) => unreachable!(),
                named = timeout(PAUSE / 2, named) => named.unwrap(),
            }
        });
    }
}
