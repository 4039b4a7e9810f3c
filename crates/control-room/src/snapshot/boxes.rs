//! Boxes as they are now, and where they live.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::prometheus::{Figures, Sample};
use crate::promql::{self, Query};
use crate::roster::Roster;
use crate::topology::Place;

/// From here on a box is called saturated: what comes in waits. As the triggers see it: on a busy
/// machine a box may be held back half of the time without reaching nine tenths of its cap.
const SATURATED: f64 = 0.9;
const SATURATED_IF_HELD_BACK: f64 = 0.75;
const HELD_BACK: f64 = 0.5;

/// From here on it is worth a look.
const BUSY: f64 = 0.7;

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
    /// Too new to have a rate, or its shop is being set up.
    Starting,
    Calm,
    Busy,
    Saturated,
    /// It was there, and gives no figures any more: stopped, frozen or cut off.
    Silent,
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
    fn silent(name: &str, seconds: u64) -> BoxFigures {
        BoxFigures {
            condition: Condition::Silent,
            silent_for: Some(seconds),
            ..BoxFigures::new(name)
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.condition != Condition::Silent
    }

    fn settle(&mut self, is_open: bool) {
        // The kernel adds up what each core was held back.
        self.throttled = self.throttled.map(|share| share.min(1.0));
        let limit = self.cpu_limit.filter(|cores| *cores > 0.0);
        self.cpu_share = self.cpu.zip(limit).map(|(cpu, limit)| cpu / limit);
        let held_back = self.throttled.is_some_and(|share| share >= HELD_BACK);
        self.condition = match (self.cpu, self.cpu_share.unwrap_or(0.0)) {
            (None, _) => Condition::Starting,
            _ if !is_open => Condition::Starting,
            (_, share) if share >= SATURATED => Condition::Saturated,
            (_, share) if share >= SATURATED_IF_HELD_BACK && held_back => Condition::Saturated,
            (_, share) if share >= BUSY => Condition::Busy,
            _ => Condition::Calm,
        };
    }
}

/// All that are there, and those that went silent, by name.
pub(super) fn boxes(figures: &Figures, homes: &Homes, roster: &Roster) -> Vec<BoxFigures> {
    // A rate outlives its box by the length of its window; a gauge ends with the first scrape that
    // fails. So who is there is told by a gauge.
    let names = homes.0.values();
    let mut boxes: BTreeMap<&str, BoxFigures> =
        names.map(|name| (*name, BoxFigures::new(name))).collect();
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
    let closed: Vec<&str> = figures
        .of(promql::OPEN)
        .filter(|sample| sample.value() == Some(0.0))
        .filter_map(|sample| homes.of_sample(sample))
        .collect();
    let mut boxes: Vec<BoxFigures> = boxes.into_values().collect();
    for figures in &mut boxes {
        figures.settle(!closed.contains(&figures.name.as_str()));
    }
    let silent = roster.silent();
    boxes.extend(silent.map(|(name, seconds)| BoxFigures::silent(name, seconds)));
    boxes.sort_by(|one, other| one.name.cmp(&other.name));
    boxes
}

/// Which box lives at which address, of those that are there.
#[derive(Debug)]
pub(super) struct Homes<'a>(HashMap<&'a str, &'a str>);

impl<'a> Homes<'a> {
    pub(super) fn of(figures: &'a Figures, roster: &Roster) -> Homes<'a> {
        let homes = figures.of(promql::MEMORY);
        let homes = homes.map(|sample| (sample.host(), sample.label("box")));
        Homes(homes.filter(|(_, name)| roster.is_there(name)).collect())
    }

    /// The box whose process says so.
    pub(super) fn of_sample(&self, sample: &Sample) -> Option<&'a str> {
        self.0.get(sample.host()).copied()
    }

    pub(super) fn group_of(&self, sample: &Sample) -> Option<String> {
        Some(Place::of(self.of_sample(sample)?).group())
    }
}
