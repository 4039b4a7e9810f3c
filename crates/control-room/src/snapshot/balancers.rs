//! What balancers think of the boxes behind them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::boxes::{BoxFigures, Homes};
use super::error_share;
use crate::prometheus::{Figures, Sample};
use crate::promql::{self, Query};
use crate::topology::{Arrow, Flow, Place};

/// A balancer, with its whole traffic. It has no upstreams while nobody knows any: it is silent, or
/// has just come.
#[derive(Debug, Clone, Serialize)]
pub struct BalancerFigures {
    /// The box it is.
    pub name: String,
    /// By name.
    pub upstreams: Vec<UpstreamFigures>,
    /// So many are ejected that all get requests again.
    pub is_panic: bool,
    /// Requests a second that were tried a second time, elsewhere.
    pub retries: Option<f64>,
    /// In the last 15 minutes.
    pub ejections: Option<f64>,
    /// Requests a second that were refused, as all had enough to do.
    pub refused_full: Option<f64>,
    /// And those that were, as there was nobody to ask.
    pub refused_nobody_ready: Option<f64>,
}

/// One box behind it, by what went there and came back.
#[derive(Debug, Clone, Default, Serialize)]
pub struct UpstreamFigures {
    /// The box's, or an address as long as nobody knows whose it is.
    pub name: String,
    pub state: UpstreamState,
    /// Seconds since it was last ejected, also if it is back.
    pub ejected_ago: Option<f64>,
    /// A second.
    pub requests: Option<f64>,
    /// Of all that this balancer sends.
    pub share: Option<f64>,
    /// At this moment.
    pub in_flight: Option<f64>,
    /// Share of its requests that came to nothing, before any was tried elsewhere.
    pub errors: Option<f64>,
    /// Seconds until the head of a good answer, on average.
    pub latency: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamState {
    Ready,
    /// Ready, and given less than its share yet.
    Warming,
    /// It says itself that it wants no requests: it starts or stops.
    Unready,
    /// Its answers were bad.
    Ejected,
    /// It does not answer.
    Down,
    /// A box that was there, and that the balancer does not know any more.
    #[default]
    Gone,
}

impl UpstreamState {
    fn of(state: &str) -> Option<UpstreamState> {
        Some(match state {
            "ready" => UpstreamState::Ready,
            "warming" => UpstreamState::Warming,
            "unready" => UpstreamState::Unready,
            "ejected" => UpstreamState::Ejected,
            "down" => UpstreamState::Down,
            _ => return None,
        })
    }
}

impl UpstreamFigures {
    fn gone(figures: &BoxFigures) -> UpstreamFigures {
        UpstreamFigures {
            name: figures.name.clone(),
            ..UpstreamFigures::default()
        }
    }
}

/// All that are there, and those that went silent, by name.
pub(super) fn balancers(
    figures: &Figures,
    homes: &Homes,
    boxes: &[BoxFigures],
    arrows: &[Arrow],
) -> Vec<BalancerFigures> {
    let are = boxes
        .iter()
        .filter(|figures| Place::of(&figures.name).is_balancer());
    are.map(|balancer| {
        let said = Said {
            figures,
            homes,
            balancer: &balancer.name,
        };
        let mut upstreams = said.upstreams();
        let is_gone = |figures: &&BoxFigures| {
            !figures.is_there()
                && !upstreams.iter().any(|known| known.name == figures.name)
                && arrows.iter().any(|arrow| {
                    arrow.flow == Flow::Requests
                        && arrow.from == balancer.group
                        && arrow.to == figures.group
                })
        };
        if balancer.is_there() {
            let gone: Vec<_> = boxes
                .iter()
                .filter(is_gone)
                .map(UpstreamFigures::gone)
                .collect();
            upstreams.extend(gone);
            upstreams.sort_by(|one, other| one.name.cmp(&other.name));
        }
        BalancerFigures {
            upstreams,
            ..said.of_all()
        }
    })
    .collect()
}

/// What one balancer says.
struct Said<'a> {
    figures: &'a Figures,
    homes: &'a Homes<'a>,
    balancer: &'a str,
}

impl<'a> Said<'a> {
    /// On several networks it may have been asked at each of its addresses: all say the same.
    fn of(&self, query: Query) -> impl Iterator<Item = &'a Sample> {
        let is_it = |sample: &&Sample| self.homes.of_sample(sample) == Some(self.balancer);
        self.figures.of(query).filter(is_it)
    }

    fn one(&self, query: Query) -> Option<f64> {
        self.of(query).find_map(Sample::value)
    }

    fn of_all(&self) -> BalancerFigures {
        let refused = |reason| {
            let mut refused = self.of(promql::REFUSED);
            refused
                .find(|sample| sample.label("reason") == reason)?
                .value()
        };
        BalancerFigures {
            name: self.balancer.to_owned(),
            upstreams: Vec::new(),
            is_panic: self.one(promql::PANIC) == Some(1.0),
            retries: self.one(promql::RETRIES),
            ejections: self.one(promql::EJECTIONS),
            refused_full: refused("full"),
            refused_nobody_ready: refused("nobody_ready"),
        }
    }

    fn upstreams(&self) -> Vec<UpstreamFigures> {
        // The state is a gauge: who is not among these is no upstream any more, though a rate may
        // still speak of it.
        let mut upstreams: BTreeMap<&str, UpstreamFigures> = BTreeMap::new();
        for sample in self.of(promql::UPSTREAM_STATE) {
            if let Some(state) = UpstreamState::of(sample.label("state")) {
                let name = sample.label("upstream");
                let figures = UpstreamFigures {
                    name: name.to_owned(),
                    state,
                    ..UpstreamFigures::default()
                };
                upstreams.insert(name, figures);
            }
        }
        type Field = fn(&mut UpstreamFigures) -> &mut Option<f64>;
        let fields: [(Query, Field); 5] = [
            (promql::EJECTED_AGO, |figures| &mut figures.ejected_ago),
            (promql::UPSTREAM_REQUESTS, |figures| &mut figures.requests),
            (promql::UPSTREAM_IN_FLIGHT, |figures| &mut figures.in_flight),
            (promql::UPSTREAM_FAILED, |figures| &mut figures.errors),
            (promql::UPSTREAM_LATENCY, |figures| &mut figures.latency),
        ];
        for (query, field) in fields {
            for sample in self.of(query) {
                if let Some(figures) = upstreams.get_mut(sample.label("upstream")) {
                    *field(figures) = sample.value();
                }
            }
        }
        let all: f64 = upstreams.values().filter_map(|u| u.requests).sum();
        for figures in upstreams.values_mut() {
            figures.errors = error_share(figures.requests, figures.errors);
            figures.share = figures
                .requests
                .filter(|_| all > 0.0)
                .map(|requests| requests / all);
        }
        upstreams.into_values().collect()
    }
}
