//! The compose projects of this checkout: the user's stages and, beside them, those of tests.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::bail;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::Missing;
use crate::ports::Ports;
use crate::stage::Stage;
use crate::{cap, docker};

/// One compose project.
#[derive(Debug, Clone)]
pub(crate) struct Compose {
    root: PathBuf,
    project: String,
    ports: Ports,
    cpu_quota: Option<String>,
    /// Variables of compose files that differ from what this process was given.
    knobs: Vec<(&'static str, &'static str)>,
}

impl Compose {
    /// The checkout from `STAGECRAFT_ROOT` (set by `./stage`), ports and caps from their variables.
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
            cpu_quota: cap::quota_from_env()?,
            knobs: Vec::new(),
        })
    }

    /// Stages beside those that a user may be running, and beside another checkout's: nothing of theirs
    /// is touched.
    pub(crate) fn aside(&self) -> anyhow::Result<Compose> {
        Ok(Compose {
            project: format!("stagecraft-test-{}", checkout(&self.root)),
            ports: self.ports.aside()?,
            ..self.clone()
        })
    }

    /// The database of tests, by the same rule.
    pub(crate) fn database(&self) -> Compose {
        Compose {
            project: format!("stagecraft-test-db-{}", checkout(&self.root)),
            ..self.clone()
        }
    }

    /// The container of benches, by the same rule.
    pub(crate) fn bench(&self) -> Compose {
        Compose {
            project: format!("stagecraft-bench-{}", checkout(&self.root)),
            ..self.clone()
        }
    }

    /// The same project, with these variables for its compose files.
    pub(crate) fn with_knobs(&self, knobs: &[(&'static str, &'static str)]) -> Compose {
        Compose {
            knobs: knobs.to_vec(),
            ..self.clone()
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

    /// Where the assets' own host is, in stages that have one.
    pub(crate) fn cdn_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.cdn)
    }

    pub(crate) fn ports(&self) -> Ports {
        self.ports
    }

    pub(crate) fn control_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.control)
    }

    pub(crate) fn prometheus_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.prometheus)
    }

    /// `docker compose` for a file of `docker-compose/`, by its name without `.yml`.
    pub(crate) fn command(&self, file: &str) -> Command {
        let path = self.root.join(format!("docker-compose/{file}.yml"));
        let mut command = Command::new("docker");
        command
            .args(["compose", "--project-name", &self.project, "--file"])
            .arg(path)
            .envs(self.ports.env())
            .envs(self.knobs.iter().copied());
        if let Some(quota) = &self.cpu_quota {
            command.env("BOX_CPU_QUOTA", quota);
        }
        command.kill_on_drop(true).stdin(Stdio::null());
        command
    }

    /// Runs a compose command; what it prints goes to stderr.
    pub(crate) async fn run(
        &self,
        file: &str,
        args: &[&str],
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let mut command = self.command(file);
        command.args(args).stdout(std::io::stderr());
        let what = format!("docker compose {}", args.join(" "));
        docker::finish(command, &what, deadline).await
    }

    /// Stops and removes the containers and networks of a stage, and its volumes if told.
    pub(crate) async fn down(&self, stage: Stage, volumes: bool) -> anyhow::Result<()> {
        self.down_file(&stage.file(), volumes).await
    }

    pub(crate) async fn down_file(&self, file: &str, volumes: bool) -> anyhow::Result<()> {
        let mut args = vec!["down", "--remove-orphans"];
        if volumes {
            args.push("--volumes");
        }
        self.run(file, &args, Duration::from_secs(180)).await
    }

    /// Whether anything of this project is there, running or not.
    pub(crate) async fn is_there(&self) -> anyhow::Result<bool> {
        let of_project = format!("label=com.docker.compose.project={}", self.project);
        for list in [&["ps", "--all"][..], &["volume", "ls"], &["network", "ls"]] {
            let args = [list, &["--quiet", "--filter", &of_project]].concat();
            if !docker::ask(&args).await?.trim().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Tells this checkout from others on the same machine.
fn checkout(root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
    hash.iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkouts_do_not_share_projects() {
        assert_eq!(
            checkout(Path::new("/a/stagecraft")),
            checkout(Path::new("/a/stagecraft"))
        );
        assert_ne!(
            checkout(Path::new("/a/stagecraft")),
            checkout(Path::new("/b/stagecraft"))
        );
        assert_eq!(checkout(Path::new("/a")).len(), 8);
    }
}
