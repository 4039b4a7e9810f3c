//! Asks Prometheus every two seconds, once for everybody who watches.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::EgressConfig;
use crate::prometheus::{Error, Prometheus};
use crate::promql;
use crate::roster::Roster;
use crate::snapshot::{Snapshot, Source};

/// As often as boxes are scraped.
const INTERVAL: Duration = Duration::from_secs(2);

/// Keeps the latest snapshot. Whoever watches too slowly misses some and gets the next.
#[derive(Debug)]
pub struct Poller {
    prometheus: Prometheus,
    usd_per_gb: f64,
    roster: Roster,
    latest: watch::Sender<Published>,
}

/// The latest snapshot; ends with the poller. Cheap to clone.
pub type Latest = watch::Receiver<Published>;

/// A snapshot, also as JSON: it is written once and sent often.
#[derive(Debug, Clone)]
pub struct Published {
    pub snapshot: Arc<Snapshot>,
    pub json: Arc<str>,
}

impl Poller {
    pub fn new(prometheus: Prometheus, egress: &EgressConfig) -> (Poller, Latest) {
        let (latest, watch) =
            watch::channel(Published::from(Snapshot::empty(now(), egress.usd_per_gb)));
        let poller = Poller {
            prometheus,
            usd_per_gb: egress.usd_per_gb,
            roster: Roster::default(),
            latest,
        };
        (poller, watch)
    }

    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let polling = async {
            loop {
                ticks.tick().await;
                self.poll().await;
            }
        };
        stop.run_until_cancelled(polling).await;
    }

    /// Asks once and publishes what came, or that nothing came.
    pub async fn poll(&mut self) {
        let before = self.latest.borrow().snapshot.clone();
        let snapshot = match self.ask().await {
            Ok(snapshot) => {
                if before.prometheus != Source::Reachable {
                    tracing::info!("prometheus answers");
                }
                snapshot
            }
            Err(error) => {
                if before.prometheus == Source::Reachable {
                    tracing::warn!(%error, "prometheus does not answer");
                }
                before.cut_off(now(), error.to_string())
            }
        };
        self.latest.send_replace(Published::from(snapshot));
    }

    async fn ask(&mut self) -> Result<Snapshot, Error> {
        let (figures, rules) =
            tokio::try_join!(self.prometheus.now(promql::NOW), self.prometheus.rules())?;
        Ok(Snapshot::new(
            now(),
            &figures,
            &rules,
            self.usd_per_gb,
            &mut self.roster,
        ))
    }
}

impl From<Snapshot> for Published {
    fn from(snapshot: Snapshot) -> Published {
        let json = serde_json::to_string(&snapshot).expect("a snapshot is plain data");
        Published {
            snapshot: Arc::new(snapshot),
            json: json.into(),
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}
