//! The boxes: which there are, how small, how closed.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::Report;
use crate::compose::Compose;
use crate::docker;
use crate::stage::Stage;

/// Looks at one inspected container: what was seen, or why it is not as promised.
type Look = fn(&Value) -> anyhow::Result<String>;

pub(super) async fn check(report: &mut Report, compose: &Compose, stage: Stage) {
    report
        .check("its boxes run, and no others", which(compose, stage))
        .await;
    let inspected = inspect(compose).await;
    let promises = [
        ("every box is capped", capped as Look),
        ("every box is closed", closed),
        ("only 127.0.0.1 is published", loopback),
    ];
    for (promise, look) in promises {
        report
            .check(promise, async {
                let boxes = inspected
                    .as_ref()
                    .map_err(|error| anyhow::anyhow!("{error:#}"))?;
                let mut seen = Vec::new();
                for one in boxes {
                    let name = one["Name"]
                        .as_str()
                        .unwrap_or_default()
                        .trim_start_matches('/');
                    seen.push(look(one).with_context(|| name.to_owned())?);
                }
                seen.sort();
                seen.dedup();
                Ok(seen.join(", "))
            })
            .await;
    }
}

async fn which(compose: &Compose, stage: Stage) -> anyhow::Result<String> {
    let containers = compose.containers().await?;
    let boxes = containers.iter().filter(|c| c.is_box);
    let names: Vec<&str> = boxes.map(|c| c.box_name.as_str()).collect();
    let expected = stage.boxes();
    ensure!(names == expected, "expected {expected:?}, got {names:?}");
    for container in &containers {
        ensure!(
            container.state == "running",
            "{} is {}",
            container.box_name,
            container.status
        );
    }
    Ok(names.join(", "))
}

async fn inspect(compose: &Compose) -> anyhow::Result<Vec<Value>> {
    let containers = compose.containers().await?;
    let mut args = vec!["inspect"];
    args.extend(containers.iter().map(|c| c.id.as_str()));
    serde_json::from_str(&docker::ask(&args).await?).context("docker inspect")
}

fn capped(one: &Value) -> anyhow::Result<String> {
    if one["Config"]["Labels"]["stagecraft.box"] != "true" {
        return Ok("what stands outside is not".to_owned());
    }
    let host = &one["HostConfig"];
    let figure = |key: &str| host[key].as_i64().unwrap_or_default();
    let (quota, period) = (figure("CpuQuota"), figure("CpuPeriod"));
    ensure!(quota > 0 && period > 0, "no CPU cap");
    ensure!(
        period <= 20_000,
        "CPU period of {period} µs: expected at most 20000"
    );
    ensure!(figure("Memory") > 0, "no memory cap");
    ensure!(figure("PidsLimit") > 0, "no cap on processes");
    let cores = quota as f64 / period as f64;
    Ok(format!("{cores:.2} cores, {} MiB", figure("Memory") >> 20))
}

fn closed(one: &Value) -> anyhow::Result<String> {
    let host = &one["HostConfig"];
    let user = one["Config"]["User"].as_str().unwrap_or_default();
    ensure!(
        !user.is_empty() && !user.starts_with("0") && user != "root",
        "runs as {user:?}"
    );
    ensure!(host["ReadonlyRootfs"] == true, "its root can be written");
    ensure!(
        host["CapDrop"].to_string().contains("ALL"),
        "keeps capabilities"
    );
    ensure!(
        host["SecurityOpt"]
            .to_string()
            .contains("no-new-privileges"),
        "can gain privileges"
    );
    Ok(format!(
        "uid {}, read-only, no capabilities",
        user.split(':').next().unwrap_or(user)
    ))
}

fn loopback(one: &Value) -> anyhow::Result<String> {
    let mut ports = Vec::new();
    for bindings in one["HostConfig"]["PortBindings"]
        .as_object()
        .into_iter()
        .flat_map(|b| b.values())
    {
        for binding in bindings.as_array().into_iter().flatten() {
            let (ip, port) = (binding["HostIp"].as_str(), binding["HostPort"].as_str());
            ensure!(ip == Some("127.0.0.1"), "publishes {ip:?}:{port:?}");
            ports.push(format!("127.0.0.1:{}", port.unwrap_or_default()));
        }
    }
    Ok(if ports.is_empty() {
        "the rest nothing".to_owned()
    } else {
        ports.join(", ")
    })
}
