use super::*;

/// A shop that asks the cache, and a box with its two Redis.
fn cached() -> Figures {
    let mut figures = Figures::default();
    for (name, host) in [
        ("redis", "10.0.0.2"),
        ("web", "10.0.0.3"),
        ("web-2", "10.0.0.4"),
        ("worker", "10.0.0.5"),
    ] {
        figures = with_box(figures, name, host, 0.1);
    }
    for (outcome, rate) in [
        ("hit", 60.0),
        ("absent", 5.0),
        ("shared", 10.0),
        ("miss", 12.0),
        ("bypass", 8.0),
        ("refused", 5.0),
    ] {
        let of = [("cache", "products"), ("outcome", outcome)];
        figures = figures.sample(promql::CACHED, &of, rate);
    }
    figures = figures
        .sample(promql::HIT_RATE, &[("cache", "products")], 0.75)
        .sample(promql::REFRESHES, &[("cache", "products")], 0.5);
    for (path, rate) in [("fast", 2.0), ("feed", 3.0)] {
        let of = [("cache", "products"), ("path", path)];
        figures = figures.sample(promql::INVALIDATIONS, &of, rate);
    }
    for (store, used, max, keys, evictions) in [
        ("sessions", 3e6, 64e6, 500.0, 0.0),
        ("cache", 48e6, 48e6, 2_000.0, 70.0),
    ] {
        let of = [("instance", "10.0.0.2:9100"), ("store", store)];
        figures = figures
            .sample(promql::REDIS_MEMORY, &of, used)
            .sample(promql::REDIS_MEMORY_LIMIT, &of, max)
            .sample(promql::REDIS_KEYS, &of, keys)
            .sample(promql::REDIS_EVICTIONS, &of, evictions);
    }
    figures
}

fn with_circuit(figures: Figures, dependency: &str, host: &str, state: f64) -> Figures {
    let instance = format!("{host}:9100");
    let of = [("instance", instance.as_str()), ("dependency", dependency)];
    figures.sample(promql::CIRCUITS, &of, state)
}

fn cache(figures: &Figures) -> CacheFigures {
    snapshot(figures).cache.expect("a cache")
}

#[test]
fn each_cache_says_how_its_requests_went() {
    let [products] = &cache(&cached()).entries[..] else {
        panic!("one cache");
    };
    assert_eq!(products.name, "products");
    assert_eq!((products.requests, products.hit_rate), (100.0, Some(0.75)));
    assert_eq!(
        (products.misses, products.bypassed, products.refused),
        (12.0, 8.0, 5.0)
    );
    assert_eq!(products.refreshes, 0.5);
    assert_eq!(
        (products.invalidated_fast, products.invalidated_by_feed),
        (2.0, 3.0)
    );
}

#[test]
fn a_cache_that_nobody_asks_has_no_hit_rate() {
    let of = [("cache", "departments"), ("outcome", "hit")];
    let quiet = Figures::default().sample(promql::CACHED, &of, 0.0).sample(
        promql::HIT_RATE,
        &of[..1],
        f64::NAN,
    );
    let departments = &cache(&quiet).entries[0];
    assert_eq!((departments.requests, departments.hit_rate), (0.0, None));
}

#[test]
fn each_redis_says_how_full_it_is() {
    let [of_cache, of_sessions] = &cache(&cached()).stores[..] else {
        panic!("two of them");
    };
    assert_eq!(
        (of_cache.name.as_str(), of_sessions.name.as_str()),
        ("cache", "sessions")
    );
    assert_eq!(
        (of_cache.memory, of_cache.memory_limit),
        (Some(48e6), Some(48e6))
    );
    assert_eq!(
        (of_cache.keys, of_cache.evictions),
        (Some(2_000.0), Some(70.0))
    );
    assert_eq!(of_sessions.memory, Some(3e6));
    // Nobody calls them yet.
    assert_eq!((&of_cache.circuit, &of_sessions.circuit), (&None, &None));
}

#[test]
fn of_several_circuits_the_worst_is_told_and_whose_it_is() {
    let mut figures = cached();
    for (host, of_sessions, of_cache) in [
        ("10.0.0.3", 0.0, 1.0),
        ("10.0.0.4", 0.0, 2.0),
        ("10.0.0.5", 0.0, 2.0),
        // Nobody lives there any more.
        ("10.0.0.9", 2.0, 2.0),
    ] {
        figures = with_circuit(figures, "redis-sessions", host, of_sessions);
        figures = with_circuit(figures, "redis-cache", host, of_cache);
    }
    let circuits = cache(&figures)
        .stores
        .into_iter()
        .map(|redis| redis.circuit);
    let circuit = |state, boxes: &[&str]| {
        let boxes = boxes.iter().map(|name| (*name).to_owned()).collect();
        Some(CircuitFigures {
            state,
            boxes,
            of: 3,
        })
    };
    assert_eq!(
        circuits.collect::<Vec<_>>(),
        [
            circuit(CircuitState::Open, &["web-2", "worker"]),
            circuit(CircuitState::Closed, &["web", "web-2", "worker"]),
        ]
    );
}

#[test]
fn a_redis_that_died_is_told_by_those_who_miss_it() {
    let figures = with_box(Figures::default(), "web", "10.0.0.3", 0.1)
        // A Prometheus that was restarted repeats it.
        .sample(
            promql::REDIS_MEMORY,
            &[("instance", "10.0.0.2:9100"), ("store", "sessions")],
            3e6,
        );
    assert!(snapshot(&figures).cache.is_none());
    let figures = with_circuit(figures, "redis-sessions", "10.0.0.3", 2.0);
    let [redis] = &cache(&figures).stores[..] else {
        panic!("one of them");
    };
    assert_eq!((redis.name.as_str(), redis.memory), ("sessions", None));
    let circuit = redis.circuit.as_ref().map(|circuit| circuit.state);
    assert_eq!(circuit, Some(CircuitState::Open));
}

#[test]
fn a_stage_without_a_cache_has_sessions_and_queries_all_the_same() {
    let mut figures = Figures::default();
    for (name, host) in [("cdn", "10.0.0.2"), ("web", "10.0.0.3")] {
        figures = with_box(figures, name, host, 0.1);
    }
    let quiet = snapshot(&figures);
    assert!(quiet.cache.is_none());
    assert_eq!((quiet.sessions, quiet.queries_per_page), (None, None));

    for (store, outcome, rate) in [
        ("postgres", "found", 20.0),
        ("postgres", "unknown", 1.0),
        ("redis", "failed", 2.0),
    ] {
        let of = [("store", store), ("outcome", outcome)];
        figures = figures.sample(promql::SESSIONS, &of, rate);
    }
    let snapshot = snapshot(
        &figures
            .sample(promql::CDN_HITS, &[("cache", "cdn")], 0.9)
            .sample(promql::PAGE_QUERIES, &[], 110.0)
            .sample(promql::VISITS, &[], 100.0),
    );
    assert!(snapshot.cache.is_none());
    assert_eq!(snapshot.queries_per_page, Some(1.1));
    let sessions = snapshot.sessions.unwrap();
    assert_eq!(
        (sessions.store.as_str(), sessions.look_ups),
        ("postgres", 23.0)
    );
    assert_eq!((sessions.found, sessions.unknown), (20.0, 1.0));
    assert_eq!((sessions.imported, sessions.failed), (0.0, 2.0));
}
