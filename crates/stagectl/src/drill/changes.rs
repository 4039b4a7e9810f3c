//! Changes that should be seen by nobody: a deploy, a balancer that is told to read its configuration
//! anew, more boxes and fewer.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::field::{Field, now};
use super::load::under_load;
use super::report::Findings;
use super::series::{Figures, Series};
use crate::up;

/// What all of them promise.
const REQUESTS: f64 = 10_000.0;

fn seen_by_nobody(series: &Series) -> Findings {
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let (requests, failed) = (found.load.requests as f64, found.load.failed as f64);
    found.at_least("requests meanwhile", REQUESTS, requests, "");
    found.at_most("failed requests", 0.0, failed, "");
    found
}

/// Each box that serves pages is stopped as by a deploy and started anew, the next one when the balancer
/// has it back. Without a balancer that is an outage, and is shown as one.
pub(super) async fn deploy(field: &Field<'_>) -> anyhow::Result<Findings> {
    let service = field.stage.web_service();
    let boxes = field.compose.containers_of(service).await?;
    if !field.stage.has_balancer() {
        return outage(field, &boxes[0].box_name).await;
    }
    let (series, took) = under_load(field, 50, async || {
        let started = Instant::now();
        for one in &boxes {
            field.restart(&one.box_name).await?;
            field.whole(boxes.len()).await?;
        }
        Ok(started.elapsed())
    })
    .await?;
    let mut found = seen_by_nobody(&series);
    found.figure("the deploy took", took.as_secs_f64(), "s");
    Ok(found)
}

/// There is no promise to keep: this is why stage 3 is needed.
async fn outage(field: &Field<'_>, name: &str) -> anyhow::Result<Findings> {
    let (series, ()) = under_load(field, 30, async || {
        field.restart(name).await?;
        up::wait_until_it_serves(field.compose, field.stage).await
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let failed = found.load.failed as f64;
    ensure!(
        failed > 0.0,
        "nothing was shown: the deploy of the only web box failed no request"
    );
    found.figure("outage by a deploy, with one web box", series.outage(), "s");
    Ok(found)
}

pub(super) async fn reload(field: &Field<'_>) -> anyhow::Result<Findings> {
    let lb = field.compose.container("lb").await?;
    let (series, ()) = under_load(field, 45, async || {
        for _ in 0..10 {
            field.mark("reloading the balancer");
            let out = field.compose.exec(&lb, &["lb", "reload"], None).await?;
            ensure!(
                out.status.success(),
                "lb reload: {}",
                String::from_utf8_lossy(&out.stderr).trim()
            );
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        Ok(())
    })
    .await?;
    Ok(seen_by_nobody(&series))
}

/// One of the boxes that are added.
const NEW: &str = "web-4";

pub(super) async fn scale(field: &Field<'_>) -> anyhow::Result<Findings> {
    let (series, (ready, known)) = under_load(field, 60, async || {
        field.scale(5).await?;
        let ready = ready(field, NEW).await?;
        let known = field.whole(5).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        field.scale(2).await?;
        field.whole(2).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        Ok((ready, known))
    })
    .await?;
    let mut found = seen_by_nobody(&series);
    found.figure(
        "the balancer had all five after a new box was ready",
        known - ready,
        "s",
    );
    let answered = series.first_answer_of(NEW, 0.0);
    found.within(
        "a new box takes traffic once it is ready",
        2.0,
        answered.map(|at| (at - ready).max(0.0)),
    );
    Ok(found)
}

/// When the box says itself that it is ready.
async fn ready(field: &Field<'_>, name: &str) -> anyhow::Result<f64> {
    let started = Instant::now();
    let container = field.compose.container(name).await?;
    loop {
        // Before it is known: the question takes a while itself.
        let asked = now();
        let out = field
            .compose
            .exec(&container, &["shop", "health"], None)
            .await?;
        if out.status.success() {
            field.mark(format!("{name} is ready"));
            return Ok(asked);
        }
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "{name} is not ready after 60 s"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
