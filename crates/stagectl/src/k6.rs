//! k6, the load generator: real load from outside, thresholds that pass or fail.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::OptionFuture;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};

use crate::Missing;
use crate::compose::Compose;
use crate::console;
use crate::promises;
use crate::stage::Stage;

/// No load test lasts longer.
const LONGEST: Duration = Duration::from_secs(900);
/// k6's exit code for "ran to its end, but a threshold failed".
const THRESHOLD_FAILED: i32 = 99;

/// What a load test found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) thresholds: Vec<Threshold>,
    pub(crate) requests: u64,
    pub(crate) failed_checks: u64,
    pub(crate) dropped_iterations: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Threshold {
    pub(crate) metric: String,
    pub(crate) threshold: String,
    /// The figure that it is about.
    #[serde(default)]
    pub(crate) seen: Option<f64>,
    pub(crate) ok: bool,
}

impl Outcome {
    pub(crate) fn passed(&self) -> bool {
        self.thresholds.iter().all(|threshold| threshold.ok)
    }

    /// The figures whose thresholds failed.
    pub(crate) fn failed(&self) -> Vec<&str> {
        let thresholds = self.thresholds.iter();
        let failed = thresholds.filter(|threshold| !threshold.ok);
        failed.map(|threshold| &*threshold.metric).collect()
    }
}

/// A load test of `loadtests/`, against the running stage.
#[derive(Debug)]
pub(crate) struct LoadTest<'a> {
    pub(crate) compose: &'a Compose,
    pub(crate) stage: Stage,
    /// Its file's name without `.js`.
    pub(crate) name: &'a str,
    pub(crate) settings: &'a [(&'a str, String)],
}

impl LoadTest<'_> {
    /// Runs it to its end with k6's own progress on stderr; writes what it was promised to
    /// `target/acknowledged/` and an HTML report to `target/reports/`.
    pub(crate) async fn run(&self) -> anyhow::Result<Outcome> {
        self.run_in(&Scratch::new(self.compose)?, &[]).await
    }

    /// The same, with every single request as a row of [`Scratch::samples`].
    pub(crate) async fn sample(&self) -> anyhow::Result<Scratch> {
        let scratch = Scratch::new(self.compose)?;
        let out = format!("csv={}", scratch.samples().display());
        self.run_in(&scratch, &["--out", &out]).await?;
        Ok(scratch)
    }

    async fn run_in(&self, scratch: &Scratch, args: &[&str]) -> anyhow::Result<Outcome> {
        let k6 = std::env::var("STAGECRAFT_K6")
            .map_err(|_| Missing("k6 is missing: run this through ./stage".to_owned()))?;
        let root = self.compose.root();
        let (reports, acknowledged) = (root.join("target/reports"), promises::folder(self.compose));
        fs::create_dir_all(&acknowledged).with_context(|| acknowledged.display().to_string())?;
        let id = uuid::Uuid::now_v7();
        let summary = scratch.0.join("summary.json");
        let report = reports.join(format!("{}-stage{}.html", self.name, self.stage.number()));

        let mut command = Command::new(&k6);
        command
            .args(["run", "--quiet", "--log-format", "raw", "--no-usage-report"])
            .args(args)
            .arg("--console-output")
            .arg(acknowledged.join(format!("{}-{id}.log", self.name)))
            .arg(root.join(format!("loadtests/{}.js", self.name)))
            .env("BASE_URL", self.compose.front_url())
            .env("STAGE", self.stage.number().to_string())
            .env("SUMMARY", &summary)
            .env("K6_CSV_TIME_FORMAT", "unix_milli")
            .env("K6_WEB_DASHBOARD", "true")
            .env("K6_WEB_DASHBOARD_EXPORT", &report)
            .env("K6_WEB_DASHBOARD_PORT", "-1")
            .env("K6_WEB_DASHBOARD_PERIOD", "1s")
            .envs(
                self.settings
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            Missing(format!(
                "k6 does not start ({error}): ./stage doctor tells more"
            ))
        })?;
        let _asked_to_end = child.id().map(EndOnDrop);
        let said = child.stderr.take().map(pass_on);
        let ended = async { tokio::join!(child.wait(), OptionFuture::from(said)).0 };
        let status = tokio::time::timeout(LONGEST, ended)
            .await
            .with_context(|| format!("{}: not done within {} s", self.name, LONGEST.as_secs()))??;
        if !status.success() && status.code() != Some(THRESHOLD_FAILED) {
            bail!("k6 run {}: {status}", self.name);
        }
        read(&summary)
    }
}

/// What k6 says, but for the line that it has for each request without an answer: under faults there are
/// thousands, and it does not even say which.
async fn pass_on(said: ChildStderr) {
    let mut lines = BufReader::new(said).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim() != "Request Failed" {
            console::say(&line);
        }
    }
}

/// Asks a process to end, rather than killing it: a k6 in a container has that to stop. One that has
/// ended hears nothing.
struct EndOnDrop(u32);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill")
            .args(["-TERM", &self.0.to_string()])
            .stderr(Stdio::null())
            .status();
    }
}

/// What a run leaves for us alone: a folder, gone with this, so that nothing stays of a run that was
/// interrupted either, whatever k6 would write after that.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    fn new(compose: &Compose) -> anyhow::Result<Scratch> {
        let name = uuid::Uuid::now_v7().to_string();
        let folder = compose.root().join("target/reports").join(name);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Scratch(folder))
    }

    /// k6's CSV output, with times in milliseconds.
    pub(crate) fn samples(&self) -> PathBuf {
        self.0.join("samples.csv")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The summary that `loadtests/lib/summary.js` writes.
fn read(path: &Path) -> anyhow::Result<Outcome> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
