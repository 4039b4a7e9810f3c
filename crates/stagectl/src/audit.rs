//! `./stage audit`: the books, looked at by the shop itself, against what was acknowledged outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::compose::Compose;
use crate::stage::Stage;

/// How long the outbox may take to drain once the load is over.
const DRAIN: Duration = Duration::from_secs(60);

/// What `shop audit` answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Books {
    /// What does not balance; empty when all does.
    pub(crate) findings: Vec<String>,
    pub(crate) open_orders: u64,
    pub(crate) acknowledged: u64,
    pub(crate) outbox_pending: u64,
    pub(crate) holds_pending: u64,
}

impl Books {
    /// What was seen, or why the books do not balance.
    pub(crate) fn verdict(&self) -> anyhow::Result<String> {
        if let Some(first) = self.findings.first() {
            bail!("{} findings, the first: {first}", self.findings.len());
        }
        Ok(format!(
            "{} open orders, {} acknowledged outside and all there, outbox {}, holds {}",
            self.open_orders, self.acknowledged, self.outbox_pending, self.holds_pending
        ))
    }
}

pub(crate) async fn run(
    compose: &Compose,
    files: Vec<PathBuf>,
    as_json: bool,
) -> anyhow::Result<bool> {
    let stage = compose.running_stage().await?;
    let files = if files.is_empty() {
        acknowledged_files(compose)?
    } else {
        files
    };
    let books = drained(compose, stage, &acknowledged(&files)?).await?;
    if as_json {
        println!("{}", serde_json::to_string(&books)?);
    } else {
        for finding in &books.findings {
            println!("FAIL  {finding}");
        }
        if let Ok(seen) = books.verdict() {
            println!("the books balance: {seen}");
        }
    }
    Ok(books.findings.is_empty())
}

/// The books once the outbox is empty, against all that load tests left.
pub(crate) async fn books_when_drained(compose: &Compose, stage: Stage) -> anyhow::Result<Books> {
    drained(
        compose,
        stage,
        &acknowledged(&acknowledged_files(compose)?)?,
    )
    .await
}

async fn drained(compose: &Compose, stage: Stage, orders: &[Uuid]) -> anyhow::Result<Books> {
    let started = Instant::now();
    loop {
        let mut books = books(compose, stage, orders).await?;
        if books.outbox_pending == 0 {
            return Ok(books);
        }
        if started.elapsed() > DRAIN {
            books.findings.push(format!(
                "the outbox still holds {} events after {} s",
                books.outbox_pending,
                DRAIN.as_secs()
            ));
            return Ok(books);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn books(compose: &Compose, stage: Stage, orders: &[Uuid]) -> anyhow::Result<Books> {
    let container = compose.container(stage.shop_service()).await?;
    let ids: String = orders.iter().map(|id| format!("{id}\n")).collect();
    let out = compose
        .exec(&container, &["shop", "audit"], Some(ids.into_bytes()))
        .await?;
    serde_json::from_slice(&out.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&out.stderr);
        format!(
            "shop audit: {}: {}",
            out.status,
            said.lines().last().unwrap_or_default()
        )
    })
}

/// Where load tests write down the orders they were promised.
pub(crate) fn acknowledged_folder(compose: &Compose) -> PathBuf {
    compose
        .root()
        .join("target/acknowledged")
        .join(compose.project())
}

fn acknowledged_files(compose: &Compose) -> anyhow::Result<Vec<PathBuf>> {
    let folder = acknowledged_folder(compose);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        files.push(entry?.path());
    }
    Ok(files)
}

pub(crate) fn acknowledged_so_far(compose: &Compose) -> anyhow::Result<usize> {
    Ok(acknowledged(&acknowledged_files(compose)?)?.len())
}

/// Every line that is an order's id; k6 may write others.
fn acknowledged(files: &[PathBuf]) -> anyhow::Result<Vec<Uuid>> {
    let mut orders = Vec::new();
    for file in files {
        orders.extend(ids(
            &fs::read_to_string(file).with_context(|| file.display().to_string())?
        ));
    }
    Ok(orders)
}

fn ids(text: &str) -> impl Iterator<Item = Uuid> {
    text.lines()
        .filter_map(|line| line.strip_prefix("acknowledged ")?.trim().parse().ok())
}

/// The orders are gone with their database.
pub(crate) fn forget_acknowledged(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_acknowledged_orders_are_read() {
        let text = "acknowledged 01890a5d-ac96-774b-bcce-b302099a8057\nhello\nacknowledged x\n";
        assert_eq!(ids(text).count(), 1);
    }
}
