//! Changes that should be seen by nobody: a deploy, a balancer that is told to read its configuration
//! anew, more boxes and fewer.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::field::{Field, now};
use super::load::under_load;
use super::report::Findings;
use super::series::{Figures, Series};
use crate::container::Container;
use crate::{docker, up};

/// What all of them promise.
const REQUESTS: f64 = 10_000.0;
/// From the first change to the last, so that so many requests come in between: 310 a second do.
const BETWEEN: Duration = Duration::from_secs(36);
/// For what the last change does to be seen.
const SETTLING: Duration = Duration::from_secs(4);

/// Of a load with changes from `first` on, which had their effect by `settled`.
fn seen_by_nobody(series: &Series, first: f64, settled: f64) -> Findings {
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let meanwhile = Figures::of(series.between(first, settled));
    found.at_least(
        "requests meanwhile",
        REQUESTS,
        meanwhile.requests as f64,
        "",
    );
    found.at_most(
        "failed requests meanwhile",
        0.0,
        meanwhile.failed as f64,
        "",
    );
    found
}

/// When each of so many changes is due after the first: evenly spread.
fn due(change: usize, changes: usize) -> Duration {
    BETWEEN.mul_f64(change as f64 / changes.saturating_sub(1).max(1) as f64)
}

/// Waits for a change's turn. One that took longer delays those after it.
async fn turn(started: Instant, change: usize, changes: usize) {
    tokio::time::sleep_until((started + due(change, changes)).into()).await;
}

/// Each box that serves pages is stopped as by a deploy and started anew, the next one when the balancer
/// has it back. One more than usual is there meanwhile: two boxes of three have no room to spare for the
/// evening's load, and a deploy is no reason to be short. Without a balancer it is an outage, and is shown
/// as one.
pub(super) async fn deploy(field: &Field<'_>) -> anyhow::Result<Findings> {
    let service = field.stage.web_service();
    let boxes = field.compose.containers_of(service).await?;
    if !field.stage.has_balancer() {
        return outage(field, &boxes[0].box_name).await;
    }
    let usual = boxes.len();
    let (series, (first, settled, took)) = under_load(field, 90, async || {
        let first = field.scale(usual + 1).await?;
        field.whole(usual + 1).await?;
        let (started, mut took) = (Instant::now(), Duration::ZERO);
        for (number, one) in boxes.iter().enumerate() {
            turn(started, number, usual).await;
            let begun = Instant::now();
            field.restart(&one.box_name).await?;
            field.whole(usual + 1).await?;
            took += begun.elapsed();
        }
        field.scale(usual).await?;
        field.whole(usual).await?;
        tokio::time::sleep(SETTLING).await;
        Ok((first, now(), took))
    })
    .await?;
    let mut found = seen_by_nobody(&series, first, settled);
    found.figure(
        "the deploy took, without the waits between boxes",
        took.as_secs_f64(),
        "s",
    );
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

/// Both ways to have the configuration read again, in turn. By the shell: Docker would not start a box
/// again that it has sent a signal.
const RELOADS: [&[&str]; 2] = [&["lb", "reload"], &["sh", "-c", "kill -HUP 1"]];
const TIMES: usize = 10;
/// What the balancer logs when it has; another line tells of a mistake.
const RELOADED: &str = "configuration reloaded";
/// For a line to get into the log.
const SAID: Duration = Duration::from_secs(2);

pub(super) async fn reload(field: &Field<'_>) -> anyhow::Result<Findings> {
    let lb = field.compose.container("lb").await?;
    let (series, (first, settled)) = under_load(field, 60, async || {
        let (started, first) = (Instant::now(), now());
        for (number, way) in RELOADS.into_iter().cycle().take(TIMES).enumerate() {
            turn(started, number, TIMES).await;
            reload_once(field, &lb, way).await?;
        }
        tokio::time::sleep(SETTLING).await;
        Ok((first, now()))
    })
    .await?;
    Ok(seen_by_nobody(&series, first, settled))
}

/// The file stays the same, so only the log tells that it was read.
async fn reload_once(field: &Field<'_>, lb: &Container, way: &[&str]) -> anyhow::Result<()> {
    let at = field.mark(format!("reloading the balancer by {}", way.join(" ")));
    let out = field.compose.exec(lb, way, None).await?;
    ensure!(
        out.status.success(),
        "{}: {}",
        way.join(" "),
        String::from_utf8_lossy(&out.stderr).trim()
    );
    let asked = Instant::now();
    while !docker::log_since(&lb.id, at).await?.contains(RELOADED) {
        ensure!(
            asked.elapsed() < SAID,
            "nothing was shown: the balancer did not say that it read its configuration"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// One of the boxes that are added.
const NEW: &str = "web-4";

pub(super) async fn scale(field: &Field<'_>) -> anyhow::Result<Findings> {
    let (series, seen) = under_load(field, 90, async || {
        let started = Instant::now();
        let first = field.scale(5).await?;
        let ready = ready(field, NEW).await?;
        let known = field.whole(5).await?;
        turn(started, 1, 2).await;
        field.scale(2).await?;
        let removed = field.mark("three are removed");
        let forgotten = field.whole(2).await?;
        tokio::time::sleep(SETTLING).await;
        Ok((first, ready, known, removed, forgotten, now()))
    })
    .await?;
    let (first, ready, known, removed, forgotten, settled) = seen;
    let mut found = seen_by_nobody(&series, first, settled);
    found.within(
        "removed boxes are no longer listed",
        2.0,
        Some(forgotten - removed),
    );
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

#[cfg(test)]
mod tests {
    use super::super::series::Request;
    use super::*;

    #[test]
    fn only_what_came_meanwhile_counts() {
        let request = |at: f64, ok| Request {
            at,
            ms: 1.0,
            is_get: true,
            status: 200,
            ok,
            scenario: String::new(),
        };
        let series = |count: usize, failed_at: f64| {
            let mut series = Series::default();
            series.requests.push(request(failed_at, false));
            let meanwhile = (0..count).map(|_| request(15.0, true));
            series.requests.extend(meanwhile);
            let too_early = (0..20_000).map(|_| request(5.0, true));
            series.requests.extend(too_early);
            series
        };
        let kept = |series: Series| {
            let found = seen_by_nobody(&series, 10.0, 20.0);
            found.promises.iter().map(|p| p.kept).collect::<Vec<_>>()
        };
        assert_eq!(kept(series(10_000, 5.0)), [true, true]);
        assert_eq!(kept(series(9_000, 5.0)), [false, true]);
        assert_eq!(kept(series(10_000, 19.0)), [true, false]);
    }

    #[test]
    fn changes_are_spread_over_the_time_between() {
        assert_eq!(due(0, 10), Duration::ZERO);
        assert_eq!(due(9, 10), BETWEEN);
        assert_eq!(due(1, 2), BETWEEN);
        assert_eq!(due(0, 1), Duration::ZERO);
    }
}
