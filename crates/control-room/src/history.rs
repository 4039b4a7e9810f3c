//! The last 15 minutes, for the plots: asked for when a page opens, which then goes on with snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::prometheus::{Error, Prometheus, Series};
use crate::promql::{self, Query};
use crate::snapshot;

/// Seconds.
const SPAN: u64 = 15 * 60;
const STEP: u64 = 5;

/// A class that opens the page together asks once.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Columns of figures, one for each of `times`.
#[derive(Debug, Default, Serialize)]
pub struct History {
    /// Seconds since 1970.
    pub times: Vec<u64>,
    /// A second.
    pub requests: Column,
    /// Share.
    pub errors: Column,
    /// Seconds.
    pub p95: Column,
    /// Bytes a second that leave the origin, and that leave from the CDN instead.
    pub egress: Column,
    pub cdn: Column,
    pub queries_per_page: Column,
    /// Share of requests, by cache.
    pub hit_rate: BTreeMap<String, Column>,
    /// Of its cap, by box.
    pub cpu: BTreeMap<String, Column>,
}

type Column = Vec<Option<f64>>;

/// Answers with what is fresh enough, and asks for the rest. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Histories {
    prometheus: Prometheus,
    kept: Arc<Mutex<Option<Kept>>>,
}

type Kept = (Instant, Arc<History>);

impl Histories {
    pub fn new(prometheus: Prometheus) -> Histories {
        Histories {
            prometheus,
            kept: Arc::default(),
        }
    }

    pub(crate) async fn latest(&self) -> Result<Arc<History>, Error> {
        // Held while asking, so that nobody else does.
        let mut kept = self.kept.lock().await;
        match &*kept {
            Some((at, history)) if at.elapsed() < KEPT_FOR => Ok(history.clone()),
            _ => {
                let history = Arc::new(self.ask().await?);
                *kept = Some((Instant::now(), history.clone()));
                Ok(history)
            }
        }
    }

    async fn ask(&self) -> Result<History, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let end = now.unwrap_or_default().as_secs() / STEP * STEP;
        let start = end - SPAN;
        let series = self
            .prometheus
            .range(promql::OVER_TIME, start, end, STEP)
            .await?;
        Ok(History::of(&series, (start..=end).step_by(STEP as usize)))
    }
}

impl History {
    fn of(series: &[Series], times: impl Iterator<Item = u64>) -> History {
        let times: Vec<u64> = times.collect();
        let column = |series: &Series| -> Column {
            let points: BTreeMap<u64, f64> = series.points().collect();
            times.iter().map(|time| points.get(time).copied()).collect()
        };
        let of = |query: Query| {
            let are = move |series: &&Series| series.label("figure") == query.name;
            series.iter().filter(are)
        };
        let one = |query| of(query).next().map_or(vec![None; times.len()], column);
        let by = |label: &'static str, query| {
            let of = of(query);
            of.map(move |series| (series.label(label).to_owned(), column(series)))
                .collect()
        };
        let (requests, failed) = (one(promql::OFFERED), one(promql::FAILED));
        let shares = requests.iter().zip(failed);
        let (queries, visits) = (one(promql::PAGE_QUERIES), one(promql::VISITS));
        History {
            errors: shares
                .map(|(requests, failed)| snapshot::error_share(*requests, failed))
                .collect(),
            p95: one(promql::P95),
            egress: one(promql::EGRESS),
            cdn: one(promql::CDN_SENT),
            queries_per_page: queries
                .into_iter()
                .zip(visits)
                .map(|(queries, visits)| snapshot::per_visit(queries, visits))
                .collect(),
            hit_rate: by("cache", promql::HIT_RATE),
            cpu: by("box", promql::CPU_SHARE),
            requests,
            times,
        }
    }
}
