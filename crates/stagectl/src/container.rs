//! The project's containers: which there are, and which stage they are of.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::process::Command;

use crate::Missing;
use crate::compose::Compose;
use crate::docker;
use crate::stage::{Stage, box_name};

/// A container of the project.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) service: String,
    /// What its box calls itself: `web-2`.
    pub(crate) box_name: String,
    /// `running`, `restarting`, `exited` ..
    pub(crate) state: String,
    /// As `docker ps` tells: `Up 3 minutes (healthy)`.
    pub(crate) status: String,
    /// Part of the system that is measured; Prometheus and the control room stand outside it.
    pub(crate) is_box: bool,
    config_files: String,
}

impl Compose {
    /// The project's containers, also those that are not running, by service.
    pub(crate) async fn containers(&self) -> anyhow::Result<Vec<Container>> {
        #[derive(Deserialize)]
        struct Row {
            id: String,
            name: String,
            state: String,
            status: String,
            service: String,
            number: String,
            is_box: String,
            files: String,
        }
        // Labels are asked for one by one: as one list they cannot be told apart.
        let format = concat!(
            r#"{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},"#,
            r#""service":{{json (.Label "com.docker.compose.service")}},"#,
            r#""number":{{json (.Label "com.docker.compose.container-number")}},"#,
            r#""is_box":{{json (.Label "stagecraft.box")}},"#,
            r#""files":{{json (.Label "com.docker.compose.project.config_files")}}}"#
        );
        let filter = format!("label=com.docker.compose.project={}", self.project());
        let rows = docker::ask(&[
            "ps",
            "--all",
            "--no-trunc",
            "--filter",
            &filter,
            "--format",
            format,
        ])
        .await?;
        let mut containers = Vec::new();
        for row in rows.lines() {
            let row: Row = serde_json::from_str(row).context("docker ps")?;
            containers.push(Container {
                id: row.id,
                name: row.name,
                box_name: box_name(&row.service, row.number.parse().unwrap_or(1)),
                service: row.service,
                state: row.state,
                status: row.status,
                is_box: row.is_box == "true",
                config_files: row.files,
            });
        }
        // The tenth box of a service comes after the ninth.
        containers.sort_by(|a, b| {
            let key = |c: &Container| (c.service.clone(), c.box_name.len(), c.box_name.clone());
            key(a).cmp(&key(b))
        });
        Ok(containers)
    }

    /// The stage that these containers are of.
    pub(crate) fn stage_of(containers: &[Container]) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| {
            let file = format!("stage{}.yml", stage.number());
            containers
                .iter()
                .any(|c| c.config_files.split(',').any(|path| path.ends_with(&file)))
        })
    }

    /// A box by its name: that of its service alone is its first.
    pub(crate) async fn container(&self, name: &str) -> anyhow::Result<Container> {
        let containers = self.containers().await?;
        containers
            .into_iter()
            .find(|container| container.box_name == name)
            .with_context(|| format!("no box {name} is there: ./stage up first"))
    }

    /// All boxes of a service.
    pub(crate) async fn containers_of(&self, service: &str) -> anyhow::Result<Vec<Container>> {
        let mut containers = self.containers().await?;
        containers.retain(|container| container.service == service);
        Ok(containers)
    }

    /// The stage that runs, and an error that says what to do when none does.
    pub(crate) async fn running_stage(&self) -> anyhow::Result<Stage> {
        let containers = self.containers().await?;
        Compose::stage_of(&containers).ok_or_else(|| {
            Missing("no stage is running: ./stage up N starts one".to_owned()).into()
        })
    }

    /// Runs a program inside a box of the running stage.
    pub(crate) async fn exec(
        &self,
        container: &Container,
        args: &[&str],
        stdin: Option<Vec<u8>>,
    ) -> anyhow::Result<Output> {
        let mut command = Command::new("docker");
        command
            .args(["exec", "--interactive", &container.id])
            .args(args);
        docker::output(command, stdin, Duration::from_secs(300)).await
    }

    /// What a program says that runs inside a service's box; an error when it fails.
    pub(crate) async fn ask(&self, service: &str, args: &[&str]) -> anyhow::Result<String> {
        let container = self.container(service).await?;
        let out = self.exec(&container, args, None).await?;
        ensure!(
            out.status.success(),
            "{}: {}",
            args.join(" "),
            String::from_utf8_lossy(&out.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}
