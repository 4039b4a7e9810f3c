//! The assets' own host: without an origin, when something is purged, with nothing stored.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;

use super::field::{Field, now};
use super::load::Load;
use super::report::Findings;
use super::series::{Figures, Series};
use crate::shopper::{Answer, Shopper};
use crate::{cdn, prometheus};

/// For assets to be stored that are asked for at random: 300 a second, of some hundred.
const FILLING: Duration = Duration::from_secs(8);
const DOWN: Duration = Duration::from_secs(15);
/// Longer than a scrape takes to be seen.
const SCRAPES: Duration = Duration::from_secs(6);

async fn under_assets<T>(
    field: &Field<'_>,
    seconds: u64,
    fault: impl AsyncFnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(Series, T)> {
    let load = Load {
        name: "assets",
        settings: vec![("DURATION", format!("{seconds}s"))],
    };
    load.with_fault(field, fault).await
}

/// Some assets, by their addresses: the pictures of a department.
async fn addresses(field: &Field<'_>) -> anyhow::Result<Vec<String>> {
    let shop = Shopper::guest(&field.compose.front_url())?;
    let page = shop.page("/products").await?;
    page.expect(200)?;
    let host = field.compose.cdn_url();
    let found: Vec<_> = cdn::assets_of(&page.text)
        .filter(|address| address.starts_with(&host))
        .collect();
    ensure!(!found.is_empty(), "no assets of {host} on a page");
    Ok(found)
}

async fn ask(field: &Field<'_>, address: &str) -> anyhow::Result<Answer> {
    let host = field.compose.cdn_url();
    let path = address.strip_prefix(&host).unwrap_or(address);
    Answer::of(Shopper::guest(&host)?.request(Method::GET, path)).await
}

/// The origin dies, and all that is stored is over on top of it: the worst case, as assets have a year.
pub(super) async fn origin_down(field: &Field<'_>) -> anyhow::Result<Findings> {
    let assets = addresses(field).await?;
    let (series, (down, up, told)) = under_assets(field, 60, async || {
        tokio::time::sleep(FILLING).await;
        for asset in &assets {
            ask(field, asset).await?.expect(200)?;
        }
        let down = field.kill(&["lb"]).await?;
        field.mark("all that is stored is made stale");
        cdn::purge(field.compose, &["--all", "--soft"]).await?;
        tokio::time::sleep(DOWN).await;
        let mut told = Vec::new();
        for asset in &assets {
            let answer = ask(field, asset).await?;
            answer.expect(200).context("stored, and no origin")?;
            told.push(answer.header("cache-status").to_owned());
        }
        let up = field.start("lb").await?;
        field.whole(field.stage.count("web")).await?;
        Ok((down, up, told))
    })
    .await?;
    let meanwhile = Figures::of(series.between(down, up).filter(|request| request.is_get));
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let marked = told
        .iter()
        .filter(|told| told.contains("stale-if-error"))
        .count();
    found.figure(
        "assets served without an origin",
        meanwhile.requests as f64,
        "",
    );
    found.figure("p99 of them", meanwhile.p99_ms, "ms");
    found.at_most(
        "assets that failed meanwhile",
        0.0,
        meanwhile.failed as f64,
        "",
    );
    found.at_least(
        "marked stale, of those looked at",
        told.len() as f64,
        marked as f64,
        "",
    );
    Ok(found)
}

const OLDER: Duration = Duration::from_secs(6);

/// So many are purged one by one.
const PURGES: usize = 100;

pub(super) async fn purge(field: &Field<'_>) -> anyhow::Result<Findings> {
    let assets = addresses(field).await?;
    let (series, (purged, fresh)) = under_assets(field, 45, async || {
        tokio::time::sleep(FILLING).await;
        let urls: Vec<&str> = assets
            .iter()
            .map(String::as_str)
            .cycle()
            .take(PURGES)
            .collect();
        field.mark(format!("purging {PURGES} addresses"));
        let mut purged = cdn::time_purges(field.compose, &urls).await?;
        purged.sort_by(f64::total_cmp);
        // So that what those brought is older than what comes after the next one.
        tokio::time::sleep(OLDER).await;
        let begun = now();
        field.mark("purging all assets by their key");
        cdn::purge(field.compose, &["--key", "assets"]).await?;
        let mut fresh = 0;
        for asset in &assets {
            let answer = ask(field, asset).await?;
            answer.expect(200)?;
            let age: f64 = answer.header("age").parse().context("an Age")?;
            fresh += usize::from(age <= now() - begun + 1.0);
        }
        Ok((purged, fresh))
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let at = |part: f64| purged[((purged.len() - 1) as f64 * part) as usize];
    found.figure("a purge by address, median", at(0.5), "ms");
    found.at_most("a purge by address, p99", 50.0, at(0.99), "ms");
    found.at_least(
        "got anew after the purge by key, of those looked at",
        assets.len() as f64,
        fresh as f64,
        "",
    );
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    Ok(found)
}

/// The part of the last seconds' bytes that had to come from the origin.
const STEADY: &str = "15s";
const ALL: Duration = Duration::from_secs(40);

pub(super) async fn cold(field: &Field<'_>) -> anyhow::Result<Findings> {
    let (series, (purged, fetches, objects, share)) = under_assets(field, 75, async || {
        tokio::time::sleep(FILLING).await;
        let before = cdn::fetches(field.compose).await?;
        let purged = field.mark("purging everything");
        cdn::purge(field.compose, &["--all"]).await?;
        tokio::time::sleep(ALL).await;
        let fetches = cdn::fetches(field.compose).await?.checked_sub(before);
        let fetches = fetches.context("the CDN has found its origin anew meanwhile")?;
        tokio::time::sleep(SCRAPES).await;
        let ask = async |promql: &str| {
            let samples = prometheus::query(field.compose, promql).await?;
            let sample = samples.first().with_context(|| format!("no figures of {promql}"))?;
            anyhow::Ok(sample.value)
        };
        let objects = ask("cache_stored_objects{cache=\"cdn\"}").await?;
        let from_origin = format!(
            "rate(cache_fetched_bytes_total{{cache=\"cdn\"}}[{STEADY}]) / rate(cache_sent_bytes_total{{cache=\"cdn\"}}[{STEADY}])"
        );
        Ok((purged, fetches, objects, ask(&from_origin).await?))
    })
    .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let cold = Figures::of(
        series
            .between(purged, purged + 2.0)
            .filter(|request| request.is_get),
    );
    found.figure(
        "p99 of the first two seconds without anything",
        cold.p99_ms,
        "ms",
    );
    found.figure("objects that were asked for", objects, "");
    found.at_most(
        "requests to the origin for each of them",
        1.0,
        fetches as f64 / objects,
        "",
    );
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    found.at_least(
        "bytes that leave from the CDN, then",
        99.0,
        (1.0 - share) * 100.0,
        "%",
    );
    Ok(found)
}
