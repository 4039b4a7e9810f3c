//! All that the page shows of one moment.

mod arrows;
mod balancers;
mod boxes;
mod cache;
mod sessions;

use serde::Serialize;

pub use arrows::ArrowFigures;
pub use balancers::{BalancerFigures, UpstreamFigures, UpstreamState};
pub use boxes::{BoxFigures, Condition};
pub use cache::{CacheFigures, CircuitFigures, CircuitState, EntryFigures, RedisFigures};
pub use sessions::SessionFigures;

use boxes::Homes;

use crate::prometheus::{Figures, Rule, Sample};
use crate::promql::{self, Query};
use crate::roster::Roster;
use crate::topology::{self, STAGES};
use crate::verdict::Verdict;

const SECONDS_PER_MONTH: f64 = 30.0 * 24.0 * 3600.0;

/// None, in all of this, is "nobody knows": not measured, or nothing to measure.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// When these figures were asked for, in milliseconds since 1970; none as long as there never were any.
    pub at: Option<u64>,
    pub prometheus: Source,
    /// 1 to 8.
    pub stage: Option<u8>,
    pub stage_title: Option<&'static str>,
    pub verdict: Verdict,
    pub traffic: Traffic,
    pub egress: Egress,
    /// Of the databases, by those who serve pages.
    pub queries_per_page: Option<f64>,
    pub sessions: Option<SessionFigures>,
    pub boxes: Vec<BoxFigures>,
    pub arrows: Vec<ArrowFigures>,
    pub balancers: Vec<BalancerFigures>,
    pub cache: Option<CacheFigures>,
    pub panels: Vec<Panel>,
}

/// Whether Prometheus answers. If it does not, the figures are its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Source {
    Reachable,
    Unreachable {
        /// Milliseconds since 1970.
        since: u64,
        why: String,
    },
}

/// At the front door.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Traffic {
    /// A second.
    pub requests: Option<f64>,
    /// A second, beside those: told to come again, as the shop was being set up.
    pub turned_away: Option<f64>,
    /// Share of answers that were 5xx.
    pub errors: Option<f64>,
    /// Seconds.
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

/// What leaves the origin, and what that costs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Egress {
    pub bytes_per_second: Option<f64>,
    /// For a page served, with all that it brought along.
    pub bytes_per_visit: Option<f64>,
    /// If it went on for 30 days.
    pub usd_per_month: Option<f64>,
    /// What leaves from the CDN, and so not from the origin.
    pub cdn_bytes_per_second: Option<f64>,
    pub usd_per_gb: f64,
}

/// Figures that only some stages have.
#[derive(Debug, Clone, Serialize)]
pub struct Panel {
    pub title: &'static str,
    pub unit: Unit,
    pub rows: Vec<(String, Option<f64>)>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Share,
    Seconds,
    Count,
}

/// A later stage adds its line. A panel is there as soon as its metric is.
const PANELS: [(&str, Unit, Query, &[&str]); 4] = [
    (
        "Who uses the box’s CPU, of its cap",
        Unit::Share,
        promql::PROCESSES,
        &["box", "process"],
    ),
    ("CDN hit rate", Unit::Share, promql::CDN_HITS, &["cache"]),
    ("Replica lag", Unit::Seconds, promql::REPLICA_LAG, &["node"]),
    (
        "Buckets per shard",
        Unit::Count,
        promql::SHARD_BUCKETS,
        &["shard"],
    ),
];

impl Snapshot {
    /// Before the first answer.
    pub(crate) fn empty(now: u64, usd_per_gb: f64) -> Snapshot {
        let why = "not asked yet";
        Snapshot {
            at: None,
            prometheus: Source::Unreachable {
                since: now,
                why: why.to_owned(),
            },
            stage: None,
            stage_title: None,
            verdict: Verdict::unknown("no figures yet"),
            traffic: Traffic::default(),
            egress: Egress {
                usd_per_gb,
                ..Egress::default()
            },
            queries_per_page: None,
            sessions: None,
            boxes: Vec::new(),
            arrows: Vec::new(),
            balancers: Vec::new(),
            cache: None,
            panels: Vec::new(),
        }
    }

    pub(crate) fn new(
        now: u64,
        figures: &Figures,
        rules: &[Rule],
        usd_per_gb: f64,
        roster: &mut Roster,
    ) -> Snapshot {
        let scraped = figures.of(promql::SCRAPED);
        roster.hear(scraped.filter_map(|sample| Some((sample.label("box"), sample.value()?))));
        let homes = Homes::of(figures, roster);
        let boxes = boxes::boxes(figures, &homes, roster);
        let names = || boxes.iter().map(|figures| figures.name.as_str());
        let stage = topology::stage(names());
        let arrows = topology::arrows(names());
        Snapshot {
            at: Some(now),
            prometheus: Source::Reachable,
            stage,
            stage_title: stage.map(|stage| STAGES[usize::from(stage) - 1]),
            // Of boxes that are gone nobody can say what they need.
            verdict: Verdict::of(
                rules,
                stage.filter(|_| boxes.iter().any(BoxFigures::is_there)),
            ),
            traffic: Traffic::of(figures),
            egress: Egress::of(figures, usd_per_gb),
            queries_per_page: per_visit(
                figures.one(promql::PAGE_QUERIES),
                figures.one(promql::VISITS),
            ),
            sessions: SessionFigures::of(figures),
            balancers: balancers::balancers(figures, &homes, &boxes, &arrows),
            arrows: arrows::rates(arrows, figures, &homes),
            cache: CacheFigures::of(figures, &homes),
            panels: panels(figures, &boxes),
            boxes,
        }
    }

    /// The last figures, and that they are the last.
    pub(crate) fn cut_off(&self, now: u64, why: String) -> Snapshot {
        let since = match self.prometheus {
            Source::Reachable => now,
            Source::Unreachable { since, .. } => since,
        };
        Snapshot {
            prometheus: Source::Unreachable { since, why },
            verdict: Verdict::unknown("Prometheus does not answer"),
            ..self.clone()
        }
    }
}

impl Traffic {
    fn of(figures: &Figures) -> Traffic {
        let requests = figures.one(promql::OFFERED);
        Traffic {
            requests,
            turned_away: figures.one(promql::TURNED_AWAY),
            errors: error_share(requests, figures.one(promql::FAILED)),
            p50: figures.one(promql::P50),
            p95: figures.one(promql::P95),
            p99: figures.one(promql::P99),
        }
    }
}

/// Where nothing ever failed there is no figure for it.
pub(crate) fn error_share(requests: Option<f64>, failed: Option<f64>) -> Option<f64> {
    let requests = requests.filter(|requests| *requests > 0.0)?;
    Some(failed.unwrap_or(0.0) / requests)
}

/// For a page served. Without pages nothing is spent on one.
pub(crate) fn per_visit(spent: Option<f64>, visits: Option<f64>) -> Option<f64> {
    let visits = visits.filter(|visits| *visits > 0.0)?;
    Some(spent? / visits)
}

impl Egress {
    fn of(figures: &Figures, usd_per_gb: f64) -> Egress {
        let bytes_per_second = figures.one(promql::EGRESS);
        Egress {
            bytes_per_second,
            bytes_per_visit: per_visit(bytes_per_second, figures.one(promql::VISITS)),
            usd_per_month: bytes_per_second
                .map(|bytes| bytes * SECONDS_PER_MONTH / 1e9 * usd_per_gb),
            cdn_bytes_per_second: figures.one(promql::CDN_SENT),
            usd_per_gb,
        }
    }
}

fn panels(figures: &Figures, boxes: &[BoxFigures]) -> Vec<Panel> {
    // What is said of a box is said no longer than it is there.
    let is_there = |sample: &&Sample| {
        let name = sample.label("box");
        name.is_empty() || boxes.iter().any(|b| b.name == name && b.is_there())
    };
    let panels = PANELS.into_iter().map(|(title, unit, query, labels)| {
        let row = |sample: &Sample| {
            let name = labels.iter().map(|label| sample.label(label));
            (name.collect::<Vec<_>>().join(" · "), sample.value())
        };
        let mut rows: Vec<_> = figures.of(query).filter(is_there).map(row).collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        Panel { title, unit, rows }
    });
    panels.filter(|panel| !panel.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests;
