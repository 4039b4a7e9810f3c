//! Who can reach whom: no door to the host but those that are meant, and database and Redis only for those
//! who use them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Report, query};
use crate::compose::Compose;
use crate::container::Container;
use crate::docker;
use crate::stage::Stage;

pub(super) async fn check(report: &mut Report, compose: &Compose, stage: Stage) {
    report
        .check("nothing else faces the host", doors(compose, stage))
        .await;
    if stage.count("db") == 0 {
        return;
    }
    report
        .check(
            "the database is on no network with others than its users",
            neighbours(compose, stage, "db"),
        )
        .await;
    if stage.count("worker") > 0 {
        report
            .check("jobs run in the worker alone", jobs(compose))
            .await;
    }
    if stage.has_redis() {
        report
            .check(
                "Redis is on no network with others than its users",
                neighbours(compose, stage, "redis"),
            )
            .await;
        report
            .check(
                "Redis answers nobody without a password, and the shop no more than it needs",
                rights(compose),
            )
            .await;
    }
}

async fn doors(compose: &Compose, stage: Stage) -> anyhow::Result<String> {
    let mut doors = Vec::new();
    for (container, networking) in boxes(compose).await? {
        let bindings = networking["HostConfig"]["PortBindings"].as_object();
        if bindings.is_some_and(|bindings| !bindings.is_empty()) {
            doors.push(container.box_name);
        }
    }
    let front = match stage.has_balancer() {
        true => "lb",
        false => stage.web_service(),
    };
    let expected = match stage.has_cdn() {
        true => vec!["cdn", front],
        false => vec![front],
    };
    ensure!(doors == expected, "expected {expected:?}, got {doors:?}");
    let expected = expected.join(" and ");
    Ok(format!(
        "ports of {expected} are published, of no other box"
    ))
}

/// Boxes that share a network with this store.
async fn neighbours(compose: &Compose, stage: Stage, store: &str) -> anyhow::Result<String> {
    let boxes = boxes(compose).await?;
    let networks = |of: &Value| -> BTreeSet<String> { addresses(of).into_keys().collect() };
    let own = boxes.iter().find(|(c, _)| c.service == store);
    let (_, own) = own.with_context(|| format!("no box {store}"))?;
    let own = networks(own);
    let near = boxes
        .iter()
        .filter(|(c, _)| c.service != store)
        .filter(|(_, networking)| !networks(networking).is_disjoint(&own));
    let near: Vec<_> = near.map(|(c, _)| c.box_name.clone()).collect();
    let users = [stage.boxes_of("web"), stage.boxes_of("worker")].concat();
    ensure!(near == users, "expected {users:?}, got {near:?}");
    Ok(format!("beside it: {}", near.join(", ")))
}

/// Asked as whoever is on its network asks. The shop's password is the secret that all its users have.
async fn rights(compose: &Compose) -> anyhow::Result<String> {
    let script = r#"
for port in 6379 6380; do
  redis-cli -h redis -p $port ping
  export REDISCLI_AUTH="$(cat /run/secrets/redis)"
  for command in ping "get elsewhere" flushall "config get maxmemory" "keys session:1"; do
    redis-cli --no-auth-warning -h redis -p $port --user shop $command
  done
  unset REDISCLI_AUTH
done"#;
    let told = compose.ask("redis", &["sh", "-c", script]).await?;
    let told = told.lines().filter(|line| !line.is_empty());
    let first_words: Vec<_> = told
        .map(|line| line.split(' ').next().unwrap_or_default())
        .collect();
    let of_one = ["NOAUTH", "PONG", "NOPERM", "NOPERM", "NOPERM", "NOPERM"];
    ensure!(
        first_words == [of_one, of_one].concat(),
        "expected {of_one:?} of both, got {first_words:?}"
    );
    Ok(
        "both: NOAUTH without a password; for other keys, FLUSHALL, CONFIG, KEYS: NOPERM"
            .to_owned(),
    )
}

/// Whoever delivers the outbox listens for its bell: the database knows the addresses.
async fn jobs(compose: &Compose) -> anyhow::Result<String> {
    let boxes = boxes(compose).await?;
    let sql = "select distinct host(client_addr) from pg_stat_activity \
               where query ilike 'listen %orders_outbox%'";
    let listeners = query(compose, sql).await?;
    let listeners: BTreeSet<&str> = listeners.split_whitespace().collect();
    let names: BTreeSet<_> = listeners
        .iter()
        .map(|address| {
            let owner = boxes
                .iter()
                .find(|(_, networking)| addresses(networking).values().any(|own| own == address));
            owner.map_or(*address, |(container, _)| &container.box_name)
        })
        .collect();
    ensure!(
        names == BTreeSet::from(["worker"]),
        "expected worker, got {names:?}"
    );
    Ok("the outbox's bell is heard by worker, and by nobody else".to_owned())
}

/// Its networks, and its address on each.
fn addresses(networking: &Value) -> BTreeMap<String, String> {
    let networks = networking["NetworkSettings"]["Networks"].as_object();
    let address = |network: &Value| network["IPAddress"].as_str().unwrap_or_default().to_owned();
    networks
        .into_iter()
        .flatten()
        .map(|(name, network)| (name.clone(), address(network)))
        .collect()
}

/// Each box with what Docker knows of it.
async fn boxes(compose: &Compose) -> anyhow::Result<Vec<(Container, Value)>> {
    let mut containers = compose.containers().await?;
    containers.retain(|container| container.is_box);
    let mut args = vec!["inspect"];
    args.extend(containers.iter().map(|c| c.id.as_str()));
    let inspected: Vec<Value> =
        serde_json::from_str(&docker::ask(&args).await?).context("docker inspect")?;
    Ok(containers.into_iter().zip(inspected).collect())
}
