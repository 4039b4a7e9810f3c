//! A steady load while a fault goes on: 300 pages a second, and ten checkouts for the books.

use std::time::Duration;

use anyhow::{bail, ensure};

use super::field::{Field, now};
use super::series::Series;
use crate::crash;
use crate::k6::LoadTest;

/// A load test of `loadtests/`, and the requests of its clients.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(crate) name: &'a str,
    pub(crate) settings: Vec<(&'a str, String)>,
}

impl Load<'_> {
    /// Runs it to its end.
    pub(crate) async fn run(&self, field: &Field<'_>) -> anyhow::Result<Series> {
        let test = LoadTest {
            compose: field.compose,
            stage: field.stage,
            name: self.name,
            settings: &self.settings,
        };
        Series::read(&test.sample().await?.samples())
    }

    /// Runs it, and a fault meanwhile, which must end before it. Some of the load must be orders: they
    /// tell that it is there.
    pub(crate) async fn with_fault<T>(
        &self,
        field: &Field<'_>,
        fault: impl AsyncFnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(Series, T)> {
        let fault = async {
            crash::wait_for_orders(field.compose, ORDERS).await?;
            // What is then measured is a fault's, not a start's.
            tokio::time::sleep(CALM).await;
            let found = fault().await?;
            anyhow::Ok((found, now()))
        };
        let (series, (found, over)) = tokio::try_join!(self.run(field), fault)?;
        if series.left_out() > LEFT_OUT {
            bail!(
                "nothing was measured: k6 left out {} requests, as all its clients were waiting, the first {:.1} s \
                 after the load began, the last {:.1} s",
                series.dropped.len(),
                series.dropped.iter().copied().fold(f64::MAX, f64::min) - series.first(),
                series.dropped.iter().copied().fold(0.0, f64::max) - series.first(),
            );
        }
        let last = series.last();
        ensure!(
            over < last,
            "nothing was shown: the load ended {:.0} s before the fault was over",
            over - last
        );
        Ok((series, found))
    }
}

/// Runs the steady load for so many seconds, and a fault meanwhile, which must end before it.
pub(crate) async fn under_load<T>(
    field: &Field<'_>,
    seconds: u64,
    fault: impl AsyncFnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(Series, T)> {
    let load = Load {
        name: "drill",
        settings: vec![("DURATION", format!("{seconds}s"))],
    };
    load.with_fault(field, fault).await
}

/// Part of the requests that k6 may leave out: less than any promise here speaks of.
const LEFT_OUT: f64 = 0.001;
/// So many orders tell that the load is there: two seconds of it.
const ORDERS: usize = 20;
const CALM: Duration = Duration::from_secs(3);
