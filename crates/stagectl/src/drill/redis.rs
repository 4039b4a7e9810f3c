//! Redis: killed, frozen, emptied; and one entry of it that everybody wants.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::counter::{SCRAPES, count, risen};
use super::field::Field;
use super::load::Load;
use super::report::Findings;
use super::series::{Figures, Request, Series};
use crate::shopper::Shopper;

pub(super) const BOX: &str = "redis";
/// How long it is away: long enough for circuits to open, to be tried and to stay open.
const AWAY: Duration = Duration::from_secs(10);
/// Twice what it may take to recover.
const AFTER: Duration = Duration::from_secs(10);

pub(super) async fn kill(field: &Field<'_>) -> anyhow::Result<Findings> {
    away(
        field,
        async || field.kill(&[BOX]).await,
        async || field.start(BOX).await,
    )
    .await
}

/// The kernel goes on accepting for it, so that only time-outs tell.
pub(super) async fn freeze(field: &Field<'_>) -> anyhow::Result<Findings> {
    away(
        field,
        async || field.freeze(BOX).await,
        async || field.thaw(BOX).await,
    )
    .await
}

/// Stops the Redis that has copies, and it alone, for so many seconds. One command, so that it thaws
/// whatever becomes of us; it fails if the cache answers all the same.
const FREEZE_CACHE: &str = r#"
pid=$(redis-shop cache info server | tr -d '\r' | sed -n 's/^process_id://p')
trap 'kill -CONT "$pid"' EXIT
kill -STOP "$pid"
if timeout 0.5 redis-shop cache ping; then echo 'it answers' >&2; exit 1; fi
sleep "$1""#;

pub(super) async fn stop_cache(field: &Field<'_>, lasts: Duration) -> anyhow::Result<f64> {
    let at = field.mark(format!(
        "freezing the cache alone, for {} s",
        lasts.as_secs()
    ));
    let seconds = lasts.as_secs().to_string();
    let freeze = ["sh", "-euc", FREEZE_CACHE, "freeze", &seconds];
    field.compose.ask(BOX, &freeze).await?;
    Ok(at)
}

/// What Redis has that knows who is there goes on: all works, though the database has to answer.
pub(super) async fn freeze_cache(field: &Field<'_>) -> anyhow::Result<Findings> {
    let load = Load {
        name: "redis",
        settings: vec![("DURATION", "45s".to_owned())],
    };
    let (series, (gone, back, asked)) = load
        .with_fault(field, async || {
            let before = count(field, MISSES).await?;
            let gone = stop_cache(field, AWAY).await?;
            let back = field.mark("it goes on");
            tokio::time::sleep(SCRAPES).await;
            let asked = risen(before, count(field, MISSES).await?);
            Ok((gone, back, asked.context("no figure of misses")?))
        })
        .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let meanwhile = |scenario| Figures::of(of(&series, scenario, gone, back));
    let (pages, checkouts) = (meanwhile(&["guests", "members"]), meanwhile(&["buyers"]));
    ensure!(
        asked > pages.requests as f64 / 2.0 && checkouts.requests > 0,
        "nothing was shown: {asked} questions to the database for {} pages, {} checkouts",
        pages.requests,
        checkouts.requests
    );
    found.figure("questions to the database for products", asked, "");
    found.figure("p99 of checkouts meanwhile", checkouts.p99_ms, "ms");
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    found.at_most("p99 of pages meanwhile", 150.0, pages.p99_ms, "ms");
    found.at_most(
        "answers that are not right",
        0.0,
        series.wrong.values().sum::<usize>() as f64,
        "",
    );
    Ok(found)
}

async fn away(
    field: &Field<'_>,
    take: impl AsyncFnOnce() -> anyhow::Result<f64>,
    give_back: impl AsyncFnOnce() -> anyhow::Result<f64>,
) -> anyhow::Result<Findings> {
    let regulars = Regulars::log_in(field).await?;
    let load = Load {
        name: "redis",
        settings: vec![("DURATION", "45s".to_owned())],
    };
    let (series, (gone, back)) = load
        .with_fault(field, async || {
            let gone = take().await?;
            tokio::time::sleep(AWAY).await;
            let back = give_back().await?;
            tokio::time::sleep(AFTER).await;
            Ok((gone, back))
        })
        .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let refused: Vec<_> = of(&series, &["callers", "buyers"], gone, series.last())
        .filter(|request| request.status == 503)
        .collect();
    ensure!(
        !refused.is_empty(),
        "nothing was shown: nobody was refused while {BOX} was away"
    );
    let refused = Figures::of(refused.into_iter());
    let guests = Figures::of(of(&series, &["guests"], gone, series.last()));
    let guests_meanwhile = Figures::of(of(&series, &["guests"], gone, back));
    let members = Figures::of(of(&series, &["members"], gone, series.last()));
    let members_meanwhile = Figures::of(of(&series, &["members"], gone, back));
    found.figure("refused calls and checkouts", refused.requests as f64, "");
    found.figure(
        "p99 of members' pages meanwhile",
        members_meanwhile.p99_ms,
        "ms",
    );
    found.at_most("guests' pages that failed", 0.0, guests.failed as f64, "");
    found.at_most(
        "p99 of guests' pages meanwhile",
        150.0,
        guests_meanwhile.p99_ms,
        "ms",
    );
    found.at_most("members' pages that failed", 0.0, members.failed as f64, "");
    // The first few wait as long as Redis is given; all others are told at once.
    found.at_most("a refusal takes, p99", 100.0, refused.p99_ms, "ms");
    found.at_most("a refusal takes, p50", 10.0, refused.p50_ms, "ms");
    for (what, times) in &series.wrong {
        field.mark(format!("wrong answers: {what}, {times} times"));
    }
    found.at_most(
        "answers that are neither right nor a 503 with Retry-After",
        0.0,
        series.wrong.values().sum::<usize>() as f64,
        "",
    );
    found.within(
        "calls and checkouts are answered again",
        5.0,
        recovered(&series, back),
    );
    found.at_least(
        "sessions from before that are still known",
        Regulars::COUNT as f64,
        regulars.known().await? as f64,
        "",
    );
    Ok(found)
}

/// What some of the load's scenarios asked.
fn of<'a>(
    series: &'a Series,
    scenarios: &'a [&'a str],
    from: f64,
    to: f64,
) -> impl Iterator<Item = &'a Request> {
    let between = series.between(from, to);
    between.filter(|request| scenarios.contains(&request.scenario.as_str()))
}

/// Seconds from `back` until the last request failed; `None` when some still did in the last seconds.
fn recovered(series: &Series, back: f64) -> Option<f64> {
    let failed = series.requests.iter().filter(|r| r.at >= back && !r.ok);
    let last = failed.map(|request| request.at).fold(back, f64::max);
    (last + 2.0 < series.last()).then_some(last - back)
}

/// Shoppers who log in before Redis goes, and come back when it is there again.
struct Regulars(Vec<(Shopper, String)>);

impl Regulars {
    const COUNT: usize = 5;

    async fn log_in(field: &Field<'_>) -> anyhow::Result<Regulars> {
        let mut regulars = Vec::new();
        // No load test takes these by their numbers.
        for number in 1_101..=1_100 + Regulars::COUNT {
            let email = format!("shopper-{number:05}@example.test");
            let shopper = Shopper::logged_in(&field.compose.front_url(), &email).await?;
            regulars.push((shopper, email));
        }
        Ok(Regulars(regulars))
    }

    /// How many are known for whom they are.
    async fn known(&self) -> anyhow::Result<usize> {
        let mut known = 0;
        for (shopper, email) in &self.0 {
            let answer = shopper.get("/users/me").await?;
            known += usize::from(answer.status == 200 && answer.json()?["email"] == **email);
        }
        Ok(known)
    }
}

/// So many products are asked for at random, so nearly all of them within a second or two.
const PRODUCTS: usize = 400;
/// Queries are counted for so long after it, and before it to know what is usual.
const COUNTED: Duration = Duration::from_secs(10);
/// Each of the caches is empty then, and the one that was just filled must not hide a stampede.
const FILLING: Duration = Duration::from_secs(10);

pub(super) async fn flush(field: &Field<'_>) -> anyhow::Result<Findings> {
    let guest = Shopper::guest(&field.compose.front_url())?;
    let departments = guest.get("/categories").await?.expect(200)?.json()?;
    let departments = departments.as_array().map_or(0, Vec::len);
    let load = Load {
        name: "redis",
        settings: vec![
            ("DURATION", "55s".to_owned()),
            ("GUESTS", "500".to_owned()),
            ("MEMBERS", "none".to_owned()),
            ("LOOKED_AT", PRODUCTS.to_string()),
        ],
    };
    let queries = async || count(field, QUERIES).await;
    let (series, (emptied, usual, after)) = load
        .with_fault(field, async || {
            tokio::time::sleep(FILLING).await;
            let first = queries().await?;
            tokio::time::sleep(COUNTED).await;
            let before = queries().await?;
            let emptied = field.mark("emptying the cache");
            field.compose.ask(BOX, &FLUSH).await?;
            tokio::time::sleep(COUNTED).await;
            Ok((
                emptied,
                risen(first, before),
                risen(before, queries().await?),
            ))
        })
        .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let (usual, after) = (
        usual.context("no figure of queries")?,
        after.context("no figure of queries")?,
    );
    // Each product, each department's list and the front page's window.
    let things = (PRODUCTS + departments + 1) as f64;
    // A list's misses are one query, and what is loaded for a list is there for the product's page.
    ensure!(
        after - usual > things / 20.0,
        "nothing was shown: {after} queries with an empty cache, {usual} without"
    );
    let meanwhile = Figures::of(series.between(emptied, emptied + COUNTED.as_secs_f64()));
    let first = Figures::of(series.between(emptied, emptied + 2.0));
    found.figure("things that were asked for", things, "");
    found.figure("queries for them in 10 s before", usual, "");
    found.figure("queries for them in 10 s after", after, "");
    found.figure("p99 of the first two seconds", first.p99_ms, "ms");
    found.figure("p99 of the ten seconds after", meanwhile.p99_ms, "ms");
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    // Until the next heartbeat there are some that may not trust what is filled.
    found.at_most(
        "queries for each thing, beyond the usual",
        1.2,
        (after - usual) / things,
        "",
    );
    Ok(found)
}

const FLUSH: [&str; 3] = ["redis-shop", "cache", "flushall"];
/// What the web boxes asked for products.
const QUERIES: &str = concat!(
    r#"sum(db_query_duration_seconds_count{service="web","#,
    r#"query=~"product|products|products_by_sku|categories"})"#
);

/// How often the entry is made to go.
const TIMES: usize = 10;
/// Requests that found nothing in Redis and asked the database.
const MISSES: &str = concat!(
    r#"sum(cache_requests_total{service="web",cache="products","#,
    r#"outcome=~"miss|bypass|refused"})"#
);

pub(super) async fn hot_key(field: &Field<'_>) -> anyhow::Result<Findings> {
    let sku = &field.skus(1).await?[0];
    let entry = format!("cache:product:{sku}");
    let load = Load {
        name: "redis",
        settings: vec![
            ("DURATION", "80s".to_owned()),
            ("GUESTS", "500".to_owned()),
            ("MEMBERS", "none".to_owned()),
            ("SKU", sku.clone()),
        ],
    };
    let (series, (first, mut each)) = load
        .with_fault(field, async || {
            let first = field.mark(format!("deleting {entry}, {TIMES} times"));
            let (mut each, mut before) = (Vec::new(), count(field, MISSES).await?);
            for _ in 0..TIMES {
                field
                    .compose
                    .ask(BOX, &["redis-shop", "cache", "del", &entry])
                    .await?;
                tokio::time::sleep(SCRAPES).await;
                let after = count(field, MISSES).await?;
                let asked = risen(before, after).context("no figure of misses")?;
                field.mark(format!("queries: {asked}"));
                each.push(asked);
                before = after;
            }
            Ok((first, each))
        })
        .await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let all: f64 = each.iter().sum();
    let most = each.iter().copied().fold(0.0, f64::max);
    each.sort_by(f64::total_cmp);
    let median = each[TIMES / 2];
    ensure!(
        all > 0.0,
        "nothing was shown: {entry} was deleted, and nobody missed it"
    );
    let meanwhile = Figures::of(of(&series, &["guests"], first, series.last()));
    found.figure("queries, all times together", all, "");
    found.figure("p99 of the product's page", meanwhile.p99_ms, "ms");
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    found.at_most(
        "queries each time, one a web box",
        field.stage.count("web") as f64,
        most,
        "",
    );
    // That is what one process does for itself; the lease is for all of them.
    found.at_most("queries each time, median", 1.0, median, "");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(failed: &[f64]) -> Series {
        let requests = (0..200).map(|n| {
            let at = f64::from(n) / 10.0;
            Request {
                at,
                ms: 1.0,
                is_get: true,
                status: 200,
                ok: !failed.contains(&at),
                scenario: "callers".to_owned(),
            }
        });
        let mut series = Series::default();
        series.requests.extend(requests);
        series
    }

    #[test]
    fn it_has_recovered_when_nobody_fails_any_more() {
        assert_eq!(recovered(&series(&[3.0]), 5.0), Some(0.0));
        assert_eq!(recovered(&series(&[3.0, 5.5, 8.0]), 5.0), Some(3.0));
        assert_eq!(recovered(&series(&[8.0, 19.5]), 5.0), None);
    }
}
