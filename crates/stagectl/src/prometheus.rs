//! What Prometheus measured: how full each box was while a load ran.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::compose::Compose;

/// The end of a load, over which figures are taken: its ramp and first log-ins are left out.
const WINDOW: &str = "25s";

/// A box during a load.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct BoxLoad {
    #[serde(rename = "box")]
    pub(crate) name: String,
    pub(crate) service: String,
    /// Part of its CPU cap that it used, 0 to 1.
    pub(crate) cpu_use: f64,
    /// Seconds a second for which it was held back.
    pub(crate) throttled: f64,
    pub(crate) memory_bytes: f64,
    /// Where several programs share a box: how its CPU divides among them.
    pub(crate) processes: BTreeMap<String, f64>,
}

impl BoxLoad {
    /// As the triggers have it: at its cap, or held back most of the time.
    pub(crate) fn is_saturated(&self) -> bool {
        self.cpu_use >= 0.9 || (self.cpu_use >= 0.75 && self.throttled >= 0.5)
    }

    pub(crate) fn describe(&self) -> String {
        let processes: Vec<_> = self
            .processes
            .iter()
            .map(|(name, share)| format!("{name} {:.0} %", share * 100.0))
            .collect();
        let divided = if processes.is_empty() {
            String::new()
        } else {
            format!(" ({})", processes.join(", "))
        };
        format!(
            "{:<8} {:>4.0} % of its CPU{divided}, held back {:.2} s/s, {:.0} MiB{}",
            self.name,
            self.cpu_use * 100.0,
            self.throttled,
            self.memory_bytes / f64::from(1 << 20),
            if self.is_saturated() {
                "  <- saturated"
            } else {
                ""
            }
        )
    }
}

/// All boxes during the last seconds, the fullest first.
pub(crate) async fn box_loads(compose: &Compose) -> anyhow::Result<Vec<BoxLoad>> {
    let mut boxes: BTreeMap<String, BoxLoad> = BTreeMap::new();
    let over = |what: &str| format!("avg_over_time({what}[{WINDOW}])");
    for sample in query(compose, &over("box:cpu_use:ratio")).await? {
        let name = sample.label("box");
        let load = BoxLoad {
            name: name.clone(),
            service: sample.label("service"),
            cpu_use: sample.value,
            ..BoxLoad::default()
        };
        boxes.insert(name, load);
    }
    ensure!(!boxes.is_empty(), "Prometheus has no figures of any box");
    for sample in query(compose, &over("box:cpu_throttled:rate")).await? {
        boxes
            .entry(sample.label("box"))
            .and_modify(|b| b.throttled = sample.value);
    }
    for sample in query(compose, &over("box_memory_bytes")).await? {
        boxes
            .entry(sample.label("box"))
            .and_modify(|b| b.memory_bytes = sample.value);
    }
    for sample in query(compose, &over("box:process_cpu:share")).await? {
        let process = sample.label("process");
        boxes.entry(sample.label("box")).and_modify(|b| {
            b.processes.insert(process, sample.value);
        });
    }
    let mut boxes: Vec<_> = boxes.into_values().collect();
    boxes.sort_by(|a, b| b.cpu_use.total_cmp(&a.cpu_use));
    Ok(boxes)
}

/// The service of the fullest box, if all its boxes are full: a cluster of which one box is full has a
/// balancer's problem.
pub(crate) fn saturated(boxes: &[BoxLoad]) -> Option<&str> {
    let service = boxes.first()?.service.as_str();
    let mut of_service = boxes.iter().filter(|load| load.service == service);
    of_service.all(BoxLoad::is_saturated).then_some(service)
}

#[derive(Debug)]
pub(crate) struct Sample {
    labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> String {
        self.labels.get(name).cloned().unwrap_or_default()
    }
}

/// An instant query (Prometheus HTTP API).
pub(crate) async fn query(compose: &Compose, promql: &str) -> anyhow::Result<Vec<Sample>> {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        result: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        metric: BTreeMap<String, String>,
        value: (f64, String),
    }
    let url = format!("{}/api/v1/query", compose.prometheus_url());
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let answer = http
        .post(&url)
        .form(&[("query", promql)])
        .send()
        .await
        .context("asking Prometheus")?;
    let answer: Answer = answer
        .error_for_status()?
        .json()
        .await
        .context("what Prometheus answered")?;
    let rows = answer.data.result.into_iter();
    rows.map(|row| {
        Ok(Sample {
            labels: row.metric,
            value: row.value.1.parse()?,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_saturated_at_its_cap_or_when_it_is_held_back() {
        let with = |cpu_use, throttled| BoxLoad {
            cpu_use,
            throttled,
            ..BoxLoad::default()
        };
        assert!(with(0.95, 0.0).is_saturated());
        assert!(with(0.8, 0.6).is_saturated());
        assert!(!with(0.8, 0.1).is_saturated());
        assert!(!with(0.3, 0.6).is_saturated());
    }

    #[test]
    fn a_cluster_is_saturated_when_all_its_boxes_are() {
        let load = |name: &str, service: &str, cpu_use| BoxLoad {
            name: name.into(),
            service: service.into(),
            cpu_use,
            ..BoxLoad::default()
        };
        let (web, other) = (load("web", "web", 0.99), load("web-2", "web", 0.95));
        let db = load("db", "db", 0.4);
        assert_eq!(saturated(&[web.clone(), other, db.clone()]), Some("web"));
        assert_eq!(
            saturated(&[web, db.clone(), load("web-2", "web", 0.3)]),
            None
        );
        assert_eq!(saturated(&[db]), None);
    }
}
