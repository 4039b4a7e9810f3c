//! The balancer's view of the boxes behind it, as `lb upstreams` tells it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::compose::Compose;
use crate::console::Progress;

/// For all boxes of a cluster to start and be found, at the default cap.
const START: Duration = Duration::from_secs(60);
/// Asking costs the balancer a process.
const PAUSE: Duration = Duration::from_millis(200);

/// What it knows of its upstreams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) upstreams: Vec<Upstream>,
    /// So many are out that it takes none out any more.
    pub(crate) panic: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) state: State,
    pub(crate) in_flight: u64,
    pub(crate) latency_ms: f64,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) ejections: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ready,
    Unready,
    Down,
    Ejected,
    /// Ready, and not yet given a full share.
    Warming,
}

impl State {
    /// Whether it is given requests.
    pub(crate) fn is_in(self) -> bool {
        matches!(self, State::Ready | State::Warming)
    }
}

impl View {
    /// The state of a box; `None` when the balancer does not know of it.
    pub(crate) fn state(&self, name: &str) -> Option<State> {
        let upstream = self.upstreams.iter().find(|u| u.name == name);
        upstream.map(|upstream| upstream.state)
    }

    /// Whether a box is given no requests. A box that is not listed may still be one that goes by its
    /// address, as the balancer does not know its name yet.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        match self.state(name) {
            Some(state) => !state.is_in(),
            None => self.upstreams.iter().all(|u| u.name != u.address),
        }
    }

    /// How many boxes are given requests.
    pub(crate) fn count_in(&self) -> usize {
        let states = self.upstreams.iter().map(|upstream| upstream.state);
        states.filter(|state| state.is_in()).count()
    }

    pub(crate) fn describe(&self) -> String {
        let states = self.upstreams.iter().map(|upstream| {
            let state = format!("{:?}", upstream.state).to_lowercase();
            format!("{} {state}", upstream.name)
        });
        let mut said = states.collect::<Vec<_>>().join(", ");
        if self.panic {
            said.push_str(" (panic: all are tried)");
        }
        said
    }
}

/// Asks it.
pub(crate) async fn view(compose: &Compose) -> anyhow::Result<View> {
    let told = compose.ask("lb", &["lb", "upstreams"]).await?;
    serde_json::from_str(&told).context("what lb upstreams said")
}

/// Waits until exactly `count` boxes are given requests, and none is about to leave.
pub(crate) async fn wait_for(compose: &Compose, count: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut progress = None;
    loop {
        let said = match view(compose).await {
            Ok(view) if view.count_in() == count && view.upstreams.len() == count => return Ok(()),
            Ok(view) => view.describe(),
            Err(error) => format!("{error:#}"),
        };
        let seconds = started.elapsed().as_secs();
        if seconds > START.as_secs() {
            bail!("the balancer does not have {count} web boxes after {seconds} s: {said}");
        }
        progress
            .get_or_insert_with(|| Progress::start("waiting for the web boxes"))
            .tell(&format!("the balancer has {said}"));
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_without_a_name_may_be_the_one_that_is_missed() {
        let upstream = |name: &str, state| Upstream {
            name: name.into(),
            address: "172.18.0.3:8080".into(),
            state,
            in_flight: 0,
            latency_ms: 0.0,
            requests: 0,
            failures: 0,
            ejections: 0,
        };
        let leaves_out = |upstreams: &[Upstream]| {
            let view = View {
                upstreams: upstreams.to_vec(),
                panic: false,
            };
            view.leaves_out("web-2")
        };
        let other = upstream("web", State::Ready);
        let nameless = upstream("172.18.0.3:8080", State::Ready);
        assert!(leaves_out(std::slice::from_ref(&other)), "gone");
        assert!(leaves_out(&[other.clone(), upstream("web-2", State::Down)]));
        assert!(!leaves_out(&[
            other.clone(),
            upstream("web-2", State::Warming)
        ]));
        assert!(!leaves_out(&[other, nameless]));
    }

    #[test]
    fn what_the_balancer_says_is_understood() {
        let said = r#"{"upstreams":[
            {"name":"web","address":"172.18.0.3:8080","state":"warming","in_flight":1,"latency_ms":0.0,"requests":0,"failures":0,"ejections":0},
            {"name":"web-2","address":"172.18.0.4:8080","state":"ejected","in_flight":0,"latency_ms":1.9,"requests":1,"failures":0,"ejections":1}
        ],"panic":false}"#;
        let view: View = serde_json::from_str(said).expect("a view");
        assert_eq!(view.state("web-2"), Some(State::Ejected));
        assert_eq!(view.state("web-3"), None);
        assert_eq!(view.count_in(), 1);
        assert_eq!(view.describe(), "web warming, web-2 ejected");
    }
}
