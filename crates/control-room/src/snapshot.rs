//! All that the page shows of one moment.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::prometheus::{Figures, Rule, Sample, host};
use crate::promql::{self, Query};
use crate::roster::Roster;
use crate::topology::{self, Arrow, Flow, Place, STAGES};
use crate::verdict::Verdict;

/// From here on a box is called saturated: what comes in waits. As the triggers see it: on a busy
/// machine a box may be held back half of the time without reaching nine tenths of its cap.
const SATURATED: f64 = 0.9;
const SATURATED_IF_HELD_BACK: f64 = 0.75;
const HELD_BACK: f64 = 0.5;

/// From here on it is worth a look.
const BUSY: f64 = 0.7;

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
    pub boxes: Vec<BoxFigures>,
    pub arrows: Vec<ArrowFigures>,
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
    pub usd_per_gb: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct BoxFigures {
    pub name: String,
    pub title: &'static str,
    /// Boxes of one group stand together, arrows go from group to group.
    pub group: String,
    pub region: Option<String>,
    pub column: u8,
    pub condition: Condition,
    /// Seconds since the last figures of a silent box.
    pub silent_for: Option<u64>,
    /// Cores.
    pub cpu: Option<f64>,
    pub cpu_limit: Option<f64>,
    /// Of the limit.
    pub cpu_share: Option<f64>,
    /// Share of time in which its cap held it back.
    pub throttled: Option<f64>,
    /// Bytes.
    pub memory: Option<f64>,
    pub memory_limit: Option<f64>,
    /// Bytes a second.
    pub received: Option<f64>,
    pub sent: Option<f64>,
    /// HTTP requests answered a second.
    pub requests: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Too new to have a rate.
    Starting,
    Calm,
    Busy,
    Saturated,
    /// It was there, and gives no figures any more: stopped, frozen or cut off.
    Silent,
}

#[derive(Debug, Clone, Serialize)]
pub struct ArrowFigures {
    pub from: String,
    pub to: String,
    pub flow: Flow,
    /// A second.
    pub rate: Option<f64>,
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
const PANELS: [(&str, Unit, Query, &str); 4] = [
    (
        "Who uses the box’s CPU",
        Unit::Share,
        promql::PROCESSES,
        "process",
    ),
    ("Cache hit rate", Unit::Share, promql::CACHE_HITS, "cache"),
    ("Replica lag", Unit::Seconds, promql::REPLICA_LAG, "node"),
    (
        "Buckets per shard",
        Unit::Count,
        promql::SHARD_BUCKETS,
        "shard",
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
            boxes: Vec::new(),
            arrows: Vec::new(),
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
        let homes = Homes::of(figures);
        let boxes = roster.complete(boxes(figures, &homes));
        let names = || boxes.iter().map(|figures| figures.name.as_str());
        let stage = topology::stage(names());
        Snapshot {
            at: Some(now),
            prometheus: Source::Reachable,
            stage,
            stage_title: stage.map(|stage| STAGES[usize::from(stage) - 1]),
            verdict: Verdict::of(rules, stage),
            traffic: Traffic::of(figures),
            egress: Egress::of(figures, usd_per_gb),
            arrows: rates(topology::arrows(names()), figures, &homes),
            panels: panels(figures),
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

impl Egress {
    fn of(figures: &Figures, usd_per_gb: f64) -> Egress {
        let bytes_per_second = figures.one(promql::EGRESS);
        let visits = figures.one(promql::VISITS).filter(|visits| *visits > 0.0);
        Egress {
            bytes_per_second,
            bytes_per_visit: bytes_per_second
                .zip(visits)
                .map(|(bytes, visits)| bytes / visits),
            usd_per_month: bytes_per_second
                .map(|bytes| bytes * SECONDS_PER_MONTH / 1e9 * usd_per_gb),
            usd_per_gb,
        }
    }
}

impl BoxFigures {
    pub(crate) fn new(name: &str) -> BoxFigures {
        let place = Place::of(name);
        BoxFigures {
            name: name.to_owned(),
            title: place.kind.title,
            group: place.group(),
            region: place.region.map(str::to_owned),
            column: place.kind.column,
            condition: Condition::Starting,
            silent_for: None,
            cpu: None,
            cpu_limit: None,
            cpu_share: None,
            throttled: None,
            memory: None,
            memory_limit: None,
            received: None,
            sent: None,
            requests: None,
        }
    }

    /// Without figures: they would be of a box that is not there.
    pub(crate) fn silent(&self, seconds: u64) -> BoxFigures {
        BoxFigures {
            condition: Condition::Silent,
            silent_for: Some(seconds),
            ..BoxFigures::new(&self.name)
        }
    }

    fn settle(&mut self) {
        // The kernel adds up what each core was held back.
        self.throttled = self.throttled.map(|share| share.min(1.0));
        let limit = self.cpu_limit.filter(|cores| *cores > 0.0);
        self.cpu_share = self.cpu.zip(limit).map(|(cpu, limit)| cpu / limit);
        let held_back = self.throttled.is_some_and(|share| share >= HELD_BACK);
        self.condition = match (self.cpu, self.cpu_share.unwrap_or(0.0)) {
            (None, _) => Condition::Starting,
            (_, share) if share >= SATURATED => Condition::Saturated,
            (_, share) if share >= SATURATED_IF_HELD_BACK && held_back => Condition::Saturated,
            (_, share) if share >= BUSY => Condition::Busy,
            _ => Condition::Calm,
        };
    }
}

fn boxes(figures: &Figures, homes: &Homes) -> Vec<BoxFigures> {
    // A rate outlives its box by the length of its window; a gauge ends with the first scrape that
    // fails. So who is there is told by a gauge.
    let mut boxes: BTreeMap<&str, BoxFigures> = figures
        .of(promql::MEMORY)
        .map(|sample| sample.label("box"))
        .filter(|name| !name.is_empty())
        .map(|name| (name, BoxFigures::new(name)))
        .collect();
    type Field = fn(&mut BoxFigures) -> &mut Option<f64>;
    let fields: [(Query, Field); 5] = [
        (promql::CPU, |figures| &mut figures.cpu),
        (promql::CPU_LIMIT, |figures| &mut figures.cpu_limit),
        (promql::THROTTLED, |figures| &mut figures.throttled),
        (promql::MEMORY, |figures| &mut figures.memory),
        (promql::MEMORY_LIMIT, |figures| &mut figures.memory_limit),
    ];
    for (query, field) in fields {
        for sample in figures.of(query) {
            if let Some(figures) = boxes.get_mut(sample.label("box")) {
                *field(figures) = sample.value();
            }
        }
    }
    for sample in figures.of(promql::NETWORK) {
        let Some(figures) = boxes.get_mut(sample.label("box")) else {
            continue;
        };
        match sample.label("direction") {
            "receive" => figures.received = sample.value(),
            "transmit" => figures.sent = sample.value(),
            _ => {}
        }
    }
    for sample in figures.of(promql::REQUESTS) {
        if let Some(figures) = homes.of_sample(sample).and_then(|name| boxes.get_mut(name)) {
            *figures.requests.get_or_insert(0.0) += sample.value().unwrap_or(0.0);
        }
    }
    let mut boxes: Vec<BoxFigures> = boxes.into_values().collect();
    boxes.iter_mut().for_each(BoxFigures::settle);
    boxes
}

/// Which box lives at which address.
#[derive(Debug)]
struct Homes<'a>(HashMap<&'a str, &'a str>);

impl<'a> Homes<'a> {
    fn of(figures: &'a Figures) -> Homes<'a> {
        let homes = figures.of(promql::MEMORY);
        Homes(
            homes
                .map(|sample| (sample.host(), sample.label("box")))
                .collect(),
        )
    }

    /// The box whose process says so.
    fn of_sample(&self, sample: &Sample) -> Option<&'a str> {
        self.0.get(sample.host()).copied()
    }

    fn group_of(&self, sample: &Sample) -> Option<String> {
        Some(Place::of(self.of_sample(sample)?).group())
    }
}

fn rates(arrows: Vec<Arrow>, figures: &Figures, homes: &Homes) -> Vec<ArrowFigures> {
    let said = |query: Query, group: &str, about: &dyn Fn(&Sample) -> bool| {
        let mut said = figures
            .of(query)
            .filter(|sample| about(sample) && homes.group_of(sample).as_deref() == Some(group))
            .peekable();
        said.peek()?;
        Some(said.filter_map(Sample::value).sum::<f64>())
    };
    let any = |_: &Sample| true;
    let are_requests = |arrow: &&Arrow| arrow.flow == Flow::Requests;
    // What a proxy passes on is known for all it calls together.
    let passed_on = |from: &str| {
        let called = arrows
            .iter()
            .filter(are_requests)
            .filter(|arrow| arrow.from == from);
        (called.count() == 1)
            .then(|| said(promql::PASSED_ON, from, &any))
            .flatten()
    };
    let rate = |arrow: &Arrow| match arrow.flow {
        Flow::Replication => None,
        Flow::LookUps => said(promql::LOOK_UPS, &arrow.from, &any),
        Flow::Queries => said(promql::QUERIES, &arrow.from, &|sample| {
            Place::of(host(sample.label("node"))).group() == arrow.to
        }),
        // Requests are counted where they are answered. Of several callers, proxies know their share;
        // one other has the rest.
        Flow::Requests => {
            let all = said(promql::REQUESTS, &arrow.to, &any)?;
            let others = arrows.iter().filter(are_requests);
            let mut others =
                others.filter(|other| other.to == arrow.to && other.from != arrow.from);
            if others.clone().next().is_none() {
                return Some(all);
            }
            passed_on(&arrow.from).or_else(|| {
                let theirs: Option<f64> =
                    others.try_fold(0.0, |sum, other| Some(sum + passed_on(&other.from)?));
                theirs.map(|theirs| (all - theirs).max(0.0))
            })
        }
    };
    let rates: Vec<Option<f64>> = arrows.iter().map(rate).collect();
    arrows
        .into_iter()
        .zip(rates)
        .map(|(Arrow { from, to, flow }, rate)| ArrowFigures {
            from,
            to,
            flow,
            rate,
        })
        .collect()
}

fn panels(figures: &Figures) -> Vec<Panel> {
    let panels = PANELS.into_iter().map(|(title, unit, query, label)| {
        let row = |sample: &Sample| (sample.label(label).to_owned(), sample.value());
        let mut rows: Vec<_> = figures.of(query).map(row).collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        Panel { title, unit, rows }
    });
    panels.filter(|panel| !panel.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests;
