//! Docker, by its command line: one question, one answer.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::Missing;

/// No question to the engine takes longer, unless the engine is stuck.
const QUESTION: Duration = Duration::from_secs(60);

/// Runs `docker` and gives what it printed; an error when it failed.
pub(crate) async fn ask(args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("docker");
    command.args(args);
    answer(command, &format!("docker {}", args.join(" "))).await
}

/// The same for a command made elsewhere, `what` people are told.
pub(crate) async fn answer(command: Command, what: &str) -> anyhow::Result<String> {
    let out = output(command, None, QUESTION).await?;
    if !out.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// What a container has logged since, in seconds of the epoch; on whichever stream.
pub(crate) async fn log_since(container: &str, since: f64) -> anyhow::Result<String> {
    let mut command = Command::new("docker");
    command.args(["logs", "--since", &format!("{since:.3}"), container]);
    let out = output(command, None, QUESTION).await?;
    let said = [out.stdout, out.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Runs `docker` with what it says on stderr.
pub(crate) async fn stream(args: &[&str], deadline: Duration) -> anyhow::Result<()> {
    let mut command = Command::new("docker");
    command
        .args(args)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(std::io::stderr());
    finish(command, &format!("docker {}", args.join(" ")), deadline).await
}

/// Runs a command to its end with this input; an error when it failed.
pub(crate) async fn feed(command: Command, stdin: Vec<u8>) -> anyhow::Result<()> {
    let out = output(command, Some(stdin), QUESTION).await?;
    if !out.status.success() {
        bail!("{}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
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

/// Runs a command with this input to its end, whatever that is.
pub(crate) async fn output(
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
