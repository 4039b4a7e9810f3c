//! Docker, by its command line.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use tokio::process::Command;

use crate::Missing;
use crate::ports::Ports;
use crate::stage::Stage;

/// No question to the engine takes longer, unless the engine is stuck.
const QUESTION: Duration = Duration::from_secs(60);

/// One compose project: the stages of this checkout.
#[derive(Debug, Clone)]
pub(crate) struct Compose {
    root: PathBuf,
    project: String,
    ports: Ports,
}

/// A container of the project.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) service: String,
    /// `running`, `restarting`, `exited` ..
    pub(crate) state: String,
    /// As `docker ps` tells: `Up 3 minutes (healthy)`.
    pub(crate) status: String,
    /// Part of the system that is measured; Prometheus and the control room stand outside it.
    pub(crate) is_box: bool,
    config_files: String,
}

impl Compose {
    /// The checkout from `STAGECRAFT_ROOT` (set by `./stage`), the ports from their variables.
    pub(crate) fn from_env() -> anyhow::Result<Compose> {
        let root = match std::env::var_os("STAGECRAFT_ROOT") {
            Some(root) => PathBuf::from(root),
            None => std::env::current_dir()?,
        };
        if !root.join("docker-compose").is_dir() {
            let root = root.display();
            bail!(Missing(format!(
                "{root}: expected a checkout of Stagecraft; run ./stage"
            )));
        }
        Ok(Compose {
            root,
            project: "stagecraft".to_owned(),
            ports: Ports::from_env()?,
        })
    }

    /// The same stages beside those that a user may be running: nothing of his is touched.
    pub(crate) fn aside(&self) -> Compose {
        Compose {
            root: self.root.clone(),
            project: "stagecraft-test".to_owned(),
            ports: self.ports.aside(),
        }
    }

    pub(crate) fn project(&self) -> &str {
        &self.project
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `http://127.0.0.1:8080`, or where `FRONT_PORT` says.
    pub(crate) fn front_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.front)
    }

    pub(crate) fn control_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.control)
    }

    pub(crate) fn prometheus_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.prometheus)
    }

    fn stage_command(&self, stage: Stage) -> Command {
        let file = self
            .root
            .join(format!("docker-compose/stage{}.yml", stage.number()));
        let mut command = Command::new("docker");
        command
            .args(["compose", "--project-name", &self.project, "--file"])
            .arg(file);
        command.envs(self.ports.env());
        if let Some(quota) = cpu_quota() {
            command.env("BOX_CPU_QUOTA", quota);
        }
        command.kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Runs a compose command of a stage; what it prints goes to stderr.
    pub(crate) async fn run(
        &self,
        stage: Stage,
        args: &[&str],
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let mut command = self.stage_command(stage);
        command.args(args).stdout(std::io::stderr());
        finish(
            command,
            &format!("docker compose {}", args.join(" ")),
            deadline,
        )
        .await
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
        output(command, stdin, Duration::from_secs(300)).await
    }

    /// Runs `docker` and gives what it printed; an error when it failed.
    pub(crate) async fn docker(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("docker");
        command.args(args);
        let out = output(command, None, QUESTION).await?;
        if !out.status.success() {
            bail!(
                "docker {}: {}",
                args.join(" "),
                String::from_utf8_lossy(&out.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Runs `docker` with what it says on stderr.
    pub(crate) async fn stream(&self, args: &[&str], deadline: Duration) -> anyhow::Result<()> {
        let mut command = Command::new("docker");
        command
            .args(args)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(std::io::stderr());
        finish(command, &format!("docker {}", args.join(" ")), deadline).await
    }

    /// Runs `docker` with this input; an error when it failed.
    pub(crate) async fn feed(&self, args: &[&str], stdin: Vec<u8>) -> anyhow::Result<()> {
        let mut command = Command::new("docker");
        command.args(args);
        let out = output(command, Some(stdin), QUESTION).await?;
        if !out.status.success() {
            bail!("{}", String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(())
    }

    /// Whether each image that a stage needs is there.
    pub(crate) async fn has_images(&self, stage: Stage) -> anyhow::Result<bool> {
        let mut command = self.stage_command(stage);
        command.args(["config", "--images"]);
        let out = output(command, None, QUESTION).await?;
        if !out.status.success() {
            bail!(
                "docker compose config: {}",
                String::from_utf8_lossy(&out.stderr).trim()
            );
        }
        for image in String::from_utf8_lossy(&out.stdout).lines() {
            if self
                .docker(&["image", "inspect", "--format", "{{.Id}}", image])
                .await
                .is_err()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The project's containers, also those that are not running, by service.
    pub(crate) async fn containers(&self) -> anyhow::Result<Vec<Container>> {
        #[derive(Deserialize)]
        struct Row {
            id: String,
            name: String,
            state: String,
            status: String,
            service: String,
            is_box: String,
            files: String,
        }
        // Labels are asked for one by one: as one list they cannot be told apart.
        let format = concat!(
            r#"{"id":{{json .ID}},"name":{{json .Names}},"state":{{json .State}},"status":{{json .Status}},"#,
            r#""service":{{json (.Label "com.docker.compose.service")}},"#,
            r#""is_box":{{json (.Label "stagecraft.box")}},"#,
            r#""files":{{json (.Label "com.docker.compose.project.config_files")}}}"#
        );
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let rows = self
            .docker(&[
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
                service: row.service,
                state: row.state,
                status: row.status,
                is_box: row.is_box == "true",
                config_files: row.files,
            });
        }
        containers.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
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

    /// The one container of a service, if it is there.
    pub(crate) async fn container(&self, service: &str) -> anyhow::Result<Container> {
        let containers = self.containers().await?;
        containers
            .into_iter()
            .find(|container| container.service == service)
            .with_context(|| format!("no box {service} is there: ./stage up first"))
    }

    /// The stage that runs, and an error that says what to do when none does.
    pub(crate) async fn running_stage(&self) -> anyhow::Result<Stage> {
        let containers = self.containers().await?;
        Compose::stage_of(&containers).context("no stage is running: ./stage up 1 starts the first")
    }

    /// Stops and removes the project's containers and networks, and its volumes if told.
    pub(crate) async fn down(&self, stage: Stage, volumes: bool) -> anyhow::Result<()> {
        let mut args = vec!["down", "--remove-orphans"];
        if volumes {
            args.push("--volumes");
        }
        self.run(stage, &args, Duration::from_secs(180)).await
    }
}

/// Compose cannot multiply: `BOX_CPUS` cores are this many microseconds of each period of 20 ms.
fn cpu_quota() -> Option<String> {
    let cpus: f64 = std::env::var("BOX_CPUS").ok()?.parse().ok()?;
    // Docker takes no quota below 1 ms.
    Some(format!("{:.0}", (cpus * 20_000.0).max(1_000.0)))
}

/// Runs a command to its end; an error when it failed or took longer than `deadline`.
pub(crate) async fn finish(
    mut command: Command,
    what: &str,
    deadline: Duration,
) -> anyhow::Result<()> {
    let status = tokio::time::timeout(deadline, command.status())
        .await
        .with_context(|| format!("{what}: not done within {} s", deadline.as_secs()))?
        .with_context(|| what.to_owned())?;
    if !status.success() {
        bail!("{what}: {status}");
    }
    Ok(())
}

async fn output(
    mut command: Command,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
) -> anyhow::Result<Output> {
    command
        .kill_on_drop(true)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.stdin(if stdin.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command.spawn().map_err(|error| {
        Missing(format!(
            "docker does not start ({error}): ./stage doctor tells more"
        ))
    })?;
    let pipe = child.stdin.take();
    let feed = async {
        if let (Some(mut pipe), Some(bytes)) = (pipe, stdin) {
            // A program that ends without reading its input has said what it has to say.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut pipe, &bytes).await;
        }
    };
    let work = async { tokio::join!(feed, child.wait_with_output()).1 };
    tokio::time::timeout(deadline, work)
        .await
        .with_context(|| format!("docker: no answer within {} s", deadline.as_secs()))?
        .context("docker")
}
