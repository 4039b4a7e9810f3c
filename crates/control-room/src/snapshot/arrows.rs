//! How much goes along each arrow.

use serde::Serialize;

use super::boxes::Homes;
use crate::prometheus::{Figures, Sample, host};
use crate::promql::{self, Query};
use crate::topology::{Arrow, Flow, Place};

#[derive(Debug, Clone, Serialize)]
pub struct ArrowFigures {
    pub from: String,
    pub to: String,
    pub flow: Flow,
    /// A second.
    pub rate: Option<f64>,
}

pub(super) fn rates(arrows: Vec<Arrow>, figures: &Figures, homes: &Homes) -> Vec<ArrowFigures> {
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
        Flow::Commands => said(promql::COMMANDS, &arrow.from, &any),
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
