//! `./stage status`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::compose::Compose;
use crate::console;
use crate::docker;

#[derive(Debug, Serialize)]
struct BoxStatus {
    #[serde(rename = "box")]
    name: String,
    container: String,
    service: String,
    state: String,
    /// Of the whole machine's cores: 25 % is a box at its default cap.
    cpu: String,
    memory: String,
}

pub(crate) async fn run(compose: &Compose, as_json: bool) -> anyhow::Result<bool> {
    let containers = compose.containers().await?;
    let Some(stage) = Compose::stage_of(&containers) else {
        if as_json {
            println!("{}", serde_json::json!({ "stage": null, "boxes": [] }));
        } else {
            console::say("no stage is running: ./stage up N starts one");
        }
        return Ok(true);
    };
    let ids: Vec<&str> = containers
        .iter()
        .filter(|c| c.state == "running")
        .map(|c| c.id.as_str())
        .collect();
    let figures = figures(&ids).await?;
    let boxes: Vec<BoxStatus> = containers
        .iter()
        .map(|container| {
            let (cpu, memory) = figures.get(&container.name).cloned().unwrap_or_default();
            BoxStatus {
                name: container.box_name.clone(),
                container: container.name.clone(),
                service: container.service.clone(),
                state: container.status.clone(),
                cpu,
                memory,
            }
        })
        .collect();
    if as_json {
        println!("{}", serde_json::json!({ "stage": stage, "boxes": boxes }));
    } else {
        println!("{stage} at {}", compose.front_url());
        println!("{:<12} {:<32} {:>8}  memory", "box", "state", "cpu");
        for b in &boxes {
            println!("{:<12} {:<32} {:>8}  {}", b.name, b.state, b.cpu, b.memory);
        }
    }
    Ok(true)
}

/// CPU and memory by container name.
async fn figures(ids: &[&str]) -> anyhow::Result<HashMap<String, (String, String)>> {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "Name")]
        name: String,
        #[serde(rename = "CPUPerc")]
        cpu: String,
        #[serde(rename = "MemUsage")]
        memory: String,
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut args = vec!["stats", "--no-stream", "--format", "{{json .}}"];
    args.extend(ids);
    let rows = docker::ask(&args).await?;
    let rows = rows
        .lines()
        .filter_map(|row| serde_json::from_str::<Row>(row).ok());
    Ok(rows.map(|row| (row.name, (row.cpu, row.memory))).collect())
}
