//! What the room knows of what runs.

use std::time::{Duration, Instant};

use control_room::{
    ArrowFigures, CircuitState, Condition, Latest, Poller, Prometheus, Snapshot, Source, Verdict,
};

use crate::boxes::{Boxes, Pretence};
use crate::prometheus::Server;

/// On two busy cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const FULL: Pretence = Pretence {
    cpu: 0.24,
    requests: 38.0,
    failures: 2.0,
    sent: 4e6,
    ..Pretence::NOTHING
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

pub(crate) fn is_near(figure: Option<f64>, expected: f64) -> bool {
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
        ..Pretence::NOTHING
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
async fn a_cache_is_seen_at_work_and_past_it() {
    let web = Pretence {
        cpu: 0.05,
        requests: 50.0,
        queries: 5.0,
        sessions: 40.0,
        sessions_in: "redis",
        circuit: Some(0),
        hits: 90.0,
        misses: 10.0,
        ..Pretence::NOTHING
    };
    // It counts requests under the same name as the cache.
    let cdn = Pretence {
        cpu: 0.05,
        requests: 1_000.0,
        ..Pretence::NOTHING
    };
    let redis = Pretence {
        cpu: 0.02,
        misses: 1.0,
        ..Pretence::NOTHING
    };
    // Jobs: their queries are no page's.
    let worker = Pretence {
        requests: 0.0,
        queries: 500.0,
        ..web
    };
    let boxes = [
        ("cdn", cdn),
        ("redis", redis),
        ("web", web),
        ("worker", worker),
    ];
    let boxes = Boxes::start(&boxes).await;
    let server = Server::start(&boxes);
    let mut room = Room::open(&server);
    let products = |snapshot: &Snapshot| {
        let cache = snapshot.cache.as_ref()?;
        let mut entries = cache.entries.iter();
        entries.find(|entry| entry.name == "products").cloned()
    };
    let snapshot = room
        .sees("a cache at work", |snapshot| {
            let to_redis = |arrow: &&ArrowFigures| arrow.to == "redis";
            let arrows: Vec<_> = snapshot.arrows.iter().filter(to_redis).collect();
            products(snapshot).is_some_and(|them| is_near(Some(them.requests), 200.0))
                && is_near(snapshot.queries_per_page, 0.1)
                && arrows.len() == 2
                && arrows.iter().all(|arrow| is_near(arrow.rate, 100.0))
        })
        .await;
    assert_eq!(snapshot.stage, Some(5));
    let them = products(&snapshot).unwrap();
    assert!(is_near(them.hit_rate, 0.9), "{them:#?}");
    assert!(is_near(Some(them.misses), 20.0), "{them:#?}");
    assert!(is_near(Some(them.refreshes), 1.8), "{them:#?}");
    assert!(is_near(Some(them.invalidated_fast), 20.0), "{them:#?}");
    assert!(is_near(Some(them.invalidated_by_feed), 40.0), "{them:#?}");
    assert_eq!((them.bypassed, them.refused), (0.0, 0.0));
    let cache = snapshot.cache.unwrap();
    let names: Vec<_> = cache
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["departments", "identities", "product-lists", "products"]
    );
    let [of_cache, of_sessions] = &cache.stores[..] else {
        panic!("two of them: {cache:#?}");
    };
    assert_eq!(
        (of_cache.memory, of_cache.memory_limit, of_cache.keys),
        (Some(45.6e6), Some(48e6), Some(23_456.0))
    );
    assert!(of_cache.evictions > Some(0.0), "{of_cache:#?}");
    assert_eq!(of_sessions.evictions, Some(0.0));
    let closed = of_sessions.circuit.as_ref().unwrap();
    assert_eq!((closed.state, closed.of), (CircuitState::Closed, 2));
    let sessions = snapshot.sessions.unwrap();
    assert_eq!(sessions.store, "redis");
    assert!(is_near(Some(sessions.found), 80.0), "{sessions:#?}");

    // Who misses it says so when it can say nothing itself.
    boxes.kill("redis");
    let past = Pretence {
        circuit: Some(2),
        hits: 0.0,
        misses: 0.0,
        bypassed: 100.0,
        ..web
    };
    boxes.pretend("web", past);
    room.sees("a cache that cannot be asked", |snapshot| {
        let stores = snapshot.cache.iter().flat_map(|cache| &cache.stores);
        let mut circuits = stores.map(|redis| (redis.memory, redis.circuit.as_ref()));
        products(snapshot).is_some_and(|them| them.bypassed > 50.0 && them.hit_rate < Some(0.7))
            && circuits.all(|(memory, circuit)| {
                let open = circuit.filter(|circuit| circuit.state == CircuitState::Open);
                memory.is_none() && open.is_some_and(|open| open.boxes == ["web"])
            })
    })
    .await;
}

#[tokio::test]
async fn a_stage_that_was_left_is_not_drawn() {
    let busy = Pretence {
        cpu: 0.1,
        ..Pretence::NOTHING
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
