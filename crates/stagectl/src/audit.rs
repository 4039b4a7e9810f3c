//! `./stage audit`: the books, looked at by the shop itself, against what was acknowledged outside.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::compose::Compose;
use crate::console::Progress;
use crate::promises::Promises;
use crate::stage::Stage;

/// How long outbox and holds may take to drain once the load is over: a hold is overdue after 60 s,
/// and settled a few seconds later.
const DRAIN: Duration = Duration::from_secs(120);

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
    /// What the shop's jobs have yet to do, without which the books say little.
    fn undone(&self) -> Vec<String> {
        let mut left = Vec::new();
        if self.outbox_pending > 0 {
            left.push(format!(
                "the outbox still holds {} events",
                self.outbox_pending
            ));
        }
        if self.holds_pending > 0 {
            left.push(format!(
                "stock is still held for {} orders that are not there",
                self.holds_pending
            ));
        }
        left
    }

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
    let promises = if files.is_empty() {
        Promises::made_to(compose)?
    } else {
        Promises::read(&files)?
    };
    let books = drained(compose, stage, &promises).await?;
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

/// The books once outbox and holds are settled, against all that load tests left.
pub(crate) async fn books_when_drained(compose: &Compose, stage: Stage) -> anyhow::Result<Books> {
    drained(compose, stage, &Promises::made_to(compose)?).await
}

async fn drained(compose: &Compose, stage: Stage, promises: &Promises) -> anyhow::Result<Books> {
    let started = Instant::now();
    let mut progress = None;
    loop {
        let mut books = books(compose, stage, promises).await?;
        books.findings.extend(promises.contradictions());
        let left = books.undone();
        if left.is_empty() {
            return Ok(books);
        }
        if started.elapsed() > DRAIN {
            let seconds = DRAIN.as_secs();
            let late = left.iter().map(|what| format!("{what} after {seconds} s"));
            books.findings.extend(late);
            return Ok(books);
        }
        progress
            .get_or_insert_with(|| Progress::start("waiting for the books to settle"))
            .tell(&left.join(", "));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

pub(crate) async fn books(
    compose: &Compose,
    stage: Stage,
    promises: &Promises,
) -> anyhow::Result<Books> {
    let container = compose.container(stage.audit_service()).await?;
    let ids: String = promises.orders().map(|id| format!("{id}\n")).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_holds_without_orders_are_left_to_do() {
        let books = |outbox_pending, holds_pending| Books {
            findings: Vec::new(),
            open_orders: 1,
            acknowledged: 1,
            outbox_pending,
            holds_pending,
        };
        assert_eq!(books(0, 0).undone(), [] as [String; 0]);
        assert_eq!(books(2, 0).undone(), ["the outbox still holds 2 events"]);
        assert_eq!(
            books(0, 1).undone(),
            ["stock is still held for 1 orders that are not there"]
        );
        assert_eq!(books(2, 1).undone().len(), 2);
    }
}
