use super::*;
use crate::ProxyConfig;
use crate::upstream::Flight;

/// With upstreams at these addresses, which nobody has asked yet.
fn cluster(addresses: &[SocketAddr]) -> Arc<Cluster> {
    let config: ProxyConfig = toml::from_str("upstreams.address = \"web:80\"").unwrap();
    let cluster = Cluster::new("lb", config.rules());
    cluster.set_addresses(addresses);
    cluster
}

#[tokio::test]
async fn failures_make_no_latency_fade() {
    let cluster = cluster(&[([10, 0, 0, 1], 80).into()]);
    let upstream = cluster.upstreams().remove(0);
    upstream.note_latency(Duration::from_millis(100));
    for _ in 0..5 {
        cluster.note(&upstream, Outcome::Error);
    }
    assert_eq!(upstream.latency(), Duration::from_millis(100));
    cluster.fade_latencies();
    assert!(upstream.latency() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_rush_is_let_in_and_a_standing_queue_is_not() {
    let cluster = cluster(&[([10, 0, 0, 1], 80).into()]);
    let upstream = cluster.upstreams().remove(0);
    // The first one is warm at once.
    cluster.note_probe(&upstream, Probe::Ready, false);
    let burst = cluster.rules().upstreams.burst;
    let after = async |time| {
        tokio::time::advance(time).await;
        cluster.look_over(Instant::now());
    };
    let begin = || Flight::begin(upstream.clone());
    after(Duration::ZERO).await;
    let mut flights: Vec<_> = (0..191).map(|_| begin()).collect();
    after(Duration::ZERO).await;
    after(burst / 2).await;
    assert!(upstream.has_room());
    flights.push(begin());
    assert!(!upstream.has_room());

    after(burst / 2).await;
    flights.truncate(64);
    assert!(!upstream.has_room(), "it stands");
    flights.truncate(32);
    after(burst / 2).await;
    flights.extend((32..64).map(|_| begin()));
    after(burst).await;
    assert!(!upstream.has_room(), "it was short for a moment");
    flights.truncate(32);
    after(Duration::ZERO).await;
    after(burst).await;
    flights.extend((32..64).map(|_| begin()));
    after(burst).await;
    assert!(
        upstream.has_room(),
        "it has drained, and did not fill since"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cold_is_not_left_the_rush_of_the_others() {
    let address = |i| SocketAddr::from(([10, 0, 0, i], 80));
    let cluster = cluster(&[address(1), address(2)]);
    let all = cluster.upstreams();
    let slow_start = cluster.rules().upstreams.slow_start;
    cluster.note_probe(&all[0], Probe::Ready, false);
    cluster.look_over(Instant::now());
    cluster.note_probe(&all[1], Probe::Ready, false);
    tokio::time::advance(slow_start - TICK).await;
    cluster.look_over(Instant::now());
    assert_eq!((all[0].limit(), all[1].limit()), (192, 64));
    tokio::time::advance(TICK).await;
    cluster.look_over(Instant::now());
    assert_eq!(all[1].limit(), 192);
}

#[tokio::test]
async fn a_new_limit_holds_at_once() {
    let cluster = cluster(&[([10, 0, 0, 1], 80).into()]);
    let upstream = cluster.upstreams().remove(0);
    let config: ProxyConfig =
        toml::from_str("upstreams = { address = \"web:80\", max_in_flight = 5, burst = \"0s\" }")
            .unwrap();
    cluster.set_rules(config.rules());
    assert_eq!(upstream.limit(), 5);
}

#[tokio::test]
async fn silence_takes_out_at_once_only_where_enough_others_are_ready() {
    let address = |i| SocketAddr::from(([10, 0, 0, i], 80));
    let cluster = cluster(&[address(1), address(2), address(3)]);
    let all = cluster.upstreams();
    for upstream in &all {
        cluster.note_probe(upstream, Probe::Ready, false);
    }
    cluster.note_probe(&all[2], Probe::NotReady, false);
    cluster.note_probe(&all[1], Probe::Silent, true);
    assert!(!all[1].is_down(), "the third is being deployed");
    cluster.note_probe(&all[2], Probe::Ready, false);
    cluster.note_probe(&all[1], Probe::Silent, true);
    assert!(all[1].is_down());
}
