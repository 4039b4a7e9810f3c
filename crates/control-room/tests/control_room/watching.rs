//! What the room knows of what runs.

use std::time::{Duration, Instant};

use control_room::{Condition, Latest, Poller, Prometheus, Snapshot, Source, Verdict};

use crate::boxes::{Boxes, Pretence};
use crate::prometheus::Server;

/// On two busy cores.
const PATIENCE: Duration = Duration::from_secs(60);

const FULL: Pretence = Pretence {
    cpu: 0.24,
    requests: 38.0,
    failures: 2.0,
    sent: 4e6,
    queries: 0.0,
    upstreams: &[],
};

pub(crate) struct Room {
    poller: Poller,
    pub(crate) latest: Latest,
}

impl Room {
    pub(crate) fn open(server: &Server) -> Room {
        let config = server.config();
        let prometheus = Prometheus::new(&config.prometheus.url);
        let (poller, latest) = Poller::new(prometheus, &config.egress);
        Room { poller, latest }
    }

    /// Polls until it is so.
    pub(crate) async fn sees(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&Snapshot) -> bool,
    ) -> Snapshot {
        let started = Instant::now();
        loop {
            self.poller.poll().await;
            let snapshot = Snapshot::clone(&self.latest.borrow().snapshot);
            if is_so(&snapshot) {
                return snapshot;
            }
            assert!(started.elapsed() < PATIENCE, "no {what}: {snapshot:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn is_near(figure: Option<f64>, expected: f64) -> bool {
    figure.is_some_and(|figure| (figure - expected).abs() <= expected * 0.1)
}

fn climbs_to(verdict: &Verdict) -> Option<u8> {
    match verdict {
        Verdict::Climb(advice) => Some(advice.stage),
        _ => None,
    }
}

#[tokio::test]
async fn one_full_box_is_seen_and_its_trigger_heard() {
    let boxes = Boxes::start(&[("box", FULL)]).await;
    let mut server = Server::start(&boxes);
    let mut room = Room::open(&server);
    let snapshot = room
        .sees("steady figures", |snapshot| {
            is_near(snapshot.traffic.requests, 40.0)
                && is_near(snapshot.egress.bytes_per_second, 4e6)
                && climbs_to(&snapshot.verdict).is_some()
        })
        .await;
    assert_eq!(snapshot.stage, Some(1));
    assert!(is_near(snapshot.traffic.errors, 0.05), "{snapshot:#?}");
    assert!(is_near(snapshot.traffic.p50, 0.0375), "{snapshot:#?}");
    assert!(
        is_near(snapshot.egress.bytes_per_visit, 4e6 / 38.0),
        "{snapshot:#?}"
    );
    let full = &snapshot.boxes[0];
    assert_eq!(
        (full.name.as_str(), full.condition),
        ("box", Condition::Saturated)
    );
    assert!(is_near(full.cpu_share, 0.96), "{full:#?}");
    assert_eq!((full.memory, full.memory_limit), (Some(128e6), Some(512e6)));
    assert!(is_near(snapshot.arrows[0].rate, 40.0), "{snapshot:#?}");
    let Verdict::Climb(advice) = &snapshot.verdict else {
        unreachable!("it climbs");
    };
    assert_eq!((advice.stage, advice.signal.as_str()), (2, "box is full"));

    // Gone: the last figures stay, and say that they are the last.
    server.stop();
    let gone = room
        .sees("silence", |snapshot| {
            snapshot.prometheus != Source::Reachable
        })
        .await;
    assert_eq!(gone.boxes.len(), 1);
    assert!(matches!(gone.verdict, Verdict::Unknown { .. }));

    // Back: nothing needs to be done.
    server.resume();
    room.sees("recovery", |snapshot| {
        snapshot.prometheus == Source::Reachable && climbs_to(&snapshot.verdict) == Some(2)
    })
    .await;
}

#[tokio::test]
async fn split_tiers_are_told_apart() {
    let web = Pretence {
        queries: 120.0,
        ..FULL
    };
    let idle = Pretence {
        cpu: 0.01,
        ..Pretence::default()
    };
    let boxes = Boxes::start(&[("db", idle), ("web", web)]).await;
    let server = Server::start(&boxes);
    let mut room = Room::open(&server);
    let snapshot = room
        .sees("a verdict and queries", |snapshot| {
            climbs_to(&snapshot.verdict).is_some()
                && snapshot
                    .boxes
                    .iter()
                    .any(|b| b.condition == Condition::Saturated)
                && snapshot
                    .arrows
                    .iter()
                    .any(|arrow| is_near(arrow.rate, 120.0))
        })
        .await;
    assert_eq!(snapshot.stage, Some(2));
    // Stage 4's trigger fires as well: one rung at a time.
    assert_eq!(climbs_to(&snapshot.verdict), Some(3));
    let conditions: Vec<_> = snapshot
        .boxes
        .iter()
        .map(|b| (b.name.as_str(), b.condition))
        .collect();
    assert_eq!(
        conditions,
        [("db", Condition::Calm), ("web", Condition::Saturated)]
    );
    let arrows: Vec<_> = snapshot
        .arrows
        .iter()
        .map(|a| (a.from.as_str(), a.to.as_str()))
        .collect();
    assert_eq!(arrows, [("visitors", "web"), ("web", "db")]);

    boxes.kill("db");
    let snapshot = room
        .sees("the silence of db", |snapshot| {
            snapshot.boxes[0].condition == Condition::Silent
        })
        .await;
    assert_eq!(snapshot.stage, Some(2));
}

#[tokio::test]
async fn a_stage_that_was_left_is_not_drawn() {
    let busy = Pretence {
        cpu: 0.1,
        ..Pretence::default()
    };
    let mut server = Server::start(&Boxes::start(&[("box", busy)]).await);
    Room::open(&server)
        .sees("the one box", |snapshot| !snapshot.boxes.is_empty())
        .await;

    // As `./stage up 2 --replace` does: Prometheus keeps its data, all else is new.
    server.stop();
    server.scrape(&Boxes::start(&[("db", busy), ("web", busy)]).await);
    server.resume();
    Room::open(&server)
        .sees("two boxes", |snapshot| {
            let names: Vec<_> = snapshot.boxes.iter().map(|b| b.name.as_str()).collect();
            assert!(!names.contains(&"box"), "{snapshot:#?}");
            names == ["db", "web"]
        })
        .await;
}
