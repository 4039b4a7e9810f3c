//! Faults of single web boxes: killed, frozen, slow, flaky; and all of them dead.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::counter::{SCRAPES, count, risen};
use super::crowd::Crowd;
use super::field::Field;
use super::load::under_load;
use super::report::Findings;
use super::series::Figures;
use crate::shopper::Shopper;

/// The box that it is done to: any but the first, which has nothing special about it either.
const VICTIM: &str = "web-2";
/// How long a fault lasts once the balancer knows of it: long enough to see that clients do not.
const LASTS: Duration = Duration::from_secs(6);
/// Who are logged in, let in by any of the boxes.
const MEMBERS: usize = 20;
/// For the balancer to notice; far more than is promised.
const NOTICE: Duration = Duration::from_secs(15);
/// As fast as clients should be served again.
const CALM_MS: f64 = 250.0;
/// What a slow box keeps of its cap: 0.0125 cores of 0.25. At 0.4 ms of CPU a page it can make 30 a second
/// of them, and a fair share is 100. With a tenth it could make 60, more than the half of a share that it
/// is promised to have at most, and was not slow enough to be told from the others.
const SLOW: f64 = 0.05;

pub(super) async fn kill(field: &Field<'_>) -> anyhow::Result<Findings> {
    let sku = &field.skus(1).await?[0];
    let mut crowd = Crowd::new(&field.compose.front_url(), MEMBERS, sku)?;
    // Before the load: so many passwords to be hashed.
    crowd.log_in().await?;
    field.mark(format!("{MEMBERS} shoppers are logged in"));
    let (series, (killed, noticed, members, started)) = under_load(field, 30, async || {
        let killed = field.kill(&[VICTIM]).await?;
        let noticed = field.left_out(VICTIM, NOTICE).await?;
        let members = crowd.ask().await?;
        tokio::time::sleep(LASTS).await;
        let started = field.start(VICTIM).await?;
        field.whole(field.stage.count("web")).await?;
        Ok((killed, noticed, members, started))
    })
    .await?;
    ensure!(
        members.of(VICTIM).people > 0,
        "nothing was shown: {VICTIM} had let none of the shoppers in"
    );
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    found.figure("the balancer noticed within", noticed - killed, "s");
    let gets = found.load.failed_gets;
    found.at_most("failed GETs", 0.0, gets as f64, "");
    // All else that this load asks for: they carry a key, so that they may be repeated, too.
    let checkouts = found.load.failed - gets;
    found.at_most("failed checkouts with a key", 0.0, checkouts as f64, "");
    let calm = series.calm_after(killed, started, CALM_MS);
    found.within("p99 under 250 ms again", 2.0, calm);
    let (out, unanswered) = (members.logged_out(), members.unanswered);
    found.at_most("members who are logged out", 0.0, out as f64, "");
    found.at_most("members without an answer", 0.0, unanswered as f64, "");
    Ok(found)
}

pub(super) async fn freeze(field: &Field<'_>) -> anyhow::Result<Findings> {
    let (series, (frozen, noticed, thawed)) = under_load(field, 30, async || {
        let frozen = field.freeze(VICTIM).await?;
        let noticed = field.left_out(VICTIM, NOTICE).await?;
        tokio::time::sleep(LASTS).await;
        let thawed = field.thaw(VICTIM).await?;
        field.whole(field.stage.count("web")).await?;
        Ok((frozen, noticed, thawed))
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let calm = series.calm_after(frozen, thawed, CALM_MS);
    found.figure(
        "p99 under 250 ms again after",
        calm.unwrap_or(f64::INFINITY),
        "s",
    );
    found.within("out of rotation", 2.0, Some(noticed - frozen));
    let gets = series.requests.iter().filter(|r| r.is_get).count();
    let slow = 100.0 * found.load.gets_over_1s as f64 / gets as f64;
    found.at_most("GETs over 1 s", 0.1, slow, "%");
    Ok(found)
}

/// No line of the table speaks of it: what is promised is that nobody fails, and that the slow box is
/// given less.
pub(super) async fn slow_down(field: &Field<'_>) -> anyhow::Result<Findings> {
    let (series, (slow, mended)) = under_load(field, 35, async || {
        let slow = field.slow_down(VICTIM, SLOW).await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        Ok((slow, field.mend().await?))
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let during = Figures::of(series.between(slow, mended));
    found.figure("p99 while it was slow", during.p99_ms, "ms");
    let calm = series.calm_after(slow, mended, CALM_MS);
    found.figure(
        "p99 under 250 ms again after",
        calm.unwrap_or(f64::INFINITY),
        "s",
    );
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    let share = |from, to| {
        let share = series.share_of(VICTIM, from, to);
        share.context("nothing was shown: nobody answered")
    };
    let fair = 100.0 / field.stage.count("web") as f64;
    let before = 100.0 * share(series.first(), slow)?;
    ensure!(
        before > fair / 2.0,
        "nothing was shown: {VICTIM} answered {before:.1} % already before it was slow"
    );
    // Once the balancer has had time to learn.
    let share = 100.0 * share(slow + 5.0, mended)?;
    found.at_most(
        "what the slow box answers, half of a fair share",
        fair / 2.0,
        share,
        "%",
    );
    Ok(found)
}

pub(super) async fn flaky(field: &Field<'_>) -> anyhow::Result<Findings> {
    let retried = outcomes("retried", "");
    let errors = outcomes("error", &format!(r#",upstream="{VICTIM}""#));
    let (series, (broken, mended, retried, errors)) = under_load(field, 35, async || {
        let (retried_before, errors_before) =
            (count(field, &retried).await?, count(field, &errors).await?);
        let broken = field.break_it(VICTIM, 0.5).await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        let mended = field.mend().await?;
        tokio::time::sleep(SCRAPES).await;
        let retried = risen(retried_before, count(field, &retried).await?);
        let errors = risen(errors_before, count(field, &errors).await?);
        Ok((
            broken,
            mended,
            retried.context("no figure of retries")?,
            errors.context("no figure of errors")?,
        ))
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    ensure!(
        errors > 0.0,
        "nothing was shown: the balancer saw no error of {VICTIM}"
    );
    let during = Figures::of(series.between(broken, mended));
    ensure!(during.requests > 0, "nobody asked");
    let failed = 100.0 * during.failed as f64 / during.requests as f64;
    found.figure("errors of the flaky box", errors, "");
    found.figure("retries", retried, "");
    found.at_most("clients that see an error", 0.5, failed, "%");
    let allowed = 0.2 * during.requests as f64 + 10.0 * (mended - broken);
    found.at_most(
        "retries, 20 % and 10 a second",
        allowed.floor(),
        retried,
        "",
    );
    Ok(found)
}

/// A query for the balancer's attempts that ended so.
fn outcomes(outcome: &str, of: &str) -> String {
    format!(r#"sum(upstream_requests_total{{service="lb",outcome="{outcome}"{of}}})"#)
}

pub(super) async fn all_dead(field: &Field<'_>) -> anyhow::Result<Findings> {
    let boxes = field.stage.boxes();
    let web: Vec<&str> = boxes
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("web"))
        .collect();
    let (series, (dead, started, refusals)) = under_load(field, 40, async || {
        field.kill(&web).await?;
        for name in &web {
            field.left_out(name, NOTICE).await?;
        }
        let dead = field.mark("all web boxes are dead");
        let refusals = refusals(field).await?;
        tokio::time::sleep(LASTS).await;
        let started = field.mark("starting them");
        for name in &web {
            field.start(name).await?;
        }
        field.whole(field.stage.count("web")).await?;
        Ok((dead, started, refusals))
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let during: Vec<_> = series.between(dead, started).collect();
    ensure!(!during.is_empty(), "nobody asked");
    let others = during.iter().filter(|r| r.status != 503).count();
    let refused = Figures::of(during.into_iter());
    found.figure("requests while all were dead", refused.requests as f64, "");
    found.figure("p50 of a refusal", refused.p50_ms, "ms");
    found.at_most("answers other than 503", 0.0, others as f64, "");
    found.at_most(
        "503s without Retry-After",
        0.0,
        refusals.without_retry_after as f64,
        "",
    );
    found.at_most("a refusal takes, p99", 50.0, refused.p99_ms, "ms");
    found.at_most(
        "a refusal takes, median of a client beside the load",
        50.0,
        refusals.median_ms,
        "ms",
    );
    let calm = series.calm_after(started, series.last(), CALM_MS);
    found.figure(
        "p99 under 250 ms again after the start",
        calm.unwrap_or(f64::INFINITY),
        "s",
    );
    Ok(found)
}

struct Refusals {
    without_retry_after: usize,
    median_ms: f64,
}

/// Asks beside the load: k6's samples have no headers.
async fn refusals(field: &Field<'_>) -> anyhow::Result<Refusals> {
    let guest = Shopper::guest(&field.compose.front_url())?;
    let (mut without, mut took) = (0, Vec::new());
    for _ in 0..50 {
        let started = Instant::now();
        let answer = guest.page("/").await?;
        took.push(started.elapsed().as_secs_f64() * 1e3);
        let waits: Option<u32> = answer.header("retry-after").parse().ok();
        without += usize::from(answer.status != 503 || waits.is_none());
    }
    took.sort_by(f64::total_cmp);
    Ok(Refusals {
        without_retry_after: without,
        median_ms: *took.get(25).context("no refusal")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_asked_for_by_box() {
        assert_eq!(
            outcomes("error", r#",upstream="web-2""#),
            r#"sum(upstream_requests_total{service="lb",outcome="error",upstream="web-2"})"#
        );
    }
}
