use super::*;

/// A balancer that sends to two boxes, and says so at each of its two addresses.
fn balanced() -> Figures {
    let mut figures = Figures::default();
    for (name, host) in [
        ("lb", "10.0.0.2"),
        ("lb", "10.0.1.2"),
        ("web", "10.0.0.3"),
        ("web-2", "10.0.0.4"),
    ] {
        figures = with_box(figures, name, host, 0.1);
    }
    for instance in ["10.0.0.2:9100", "10.0.1.2:9100"] {
        let lb = ("instance", instance);
        for (upstream, state, requests, failed) in
            [("web", "ready", 30.0, 0.0), ("web-2", "ejected", 10.0, 5.0)]
        {
            let of = [lb, ("upstream", upstream)];
            figures = figures
                .sample(
                    promql::UPSTREAM_STATE,
                    &[of[0], of[1], ("state", state)],
                    1.0,
                )
                .sample(promql::UPSTREAM_REQUESTS, &of, requests)
                .sample(promql::UPSTREAM_FAILED, &of, failed)
                .sample(promql::UPSTREAM_IN_FLIGHT, &of, 2.0)
                .sample(promql::UPSTREAM_LATENCY, &of, 0.02);
        }
        figures = figures
            .sample(promql::EJECTED_AGO, &[lb, ("upstream", "web-2")], 12.0)
            .sample(promql::RETRIES, &[lb], 5.0)
            .sample(promql::EJECTIONS, &[lb], 1.0)
            .sample(promql::PANIC, &[lb], 0.0)
            .sample(promql::REFUSED, &[lb, ("reason", "full")], 3.0)
            .sample(promql::REFUSED, &[lb, ("reason", "nobody_ready")], 0.0);
    }
    figures
}

#[test]
fn a_balancer_says_what_it_thinks_of_each_box_behind_it() {
    let snapshot = snapshot(&balanced());
    let [balancer] = &snapshot.balancers[..] else {
        panic!("one balancer: {:?}", snapshot.balancers);
    };
    assert_eq!((balancer.name.as_str(), balancer.is_panic), ("lb", false));
    assert_eq!(
        (balancer.retries, balancer.ejections),
        (Some(5.0), Some(1.0))
    );
    assert_eq!(
        (balancer.refused_full, balancer.refused_nobody_ready),
        (Some(3.0), Some(0.0))
    );
    let of = |upstream: &UpstreamFigures| {
        let UpstreamFigures {
            name,
            state,
            ejected_ago,
            share,
            errors,
            ..
        } = upstream.clone();
        (name, state, ejected_ago, share, errors)
    };
    assert_eq!(
        balancer.upstreams.iter().map(of).collect::<Vec<_>>(),
        [
            (
                "web".into(),
                UpstreamState::Ready,
                None,
                Some(0.75),
                Some(0.0)
            ),
            (
                "web-2".into(),
                UpstreamState::Ejected,
                Some(12.0),
                Some(0.25),
                Some(0.5)
            ),
        ]
    );
    let web = &balancer.upstreams[0];
    assert_eq!(
        (web.requests, web.in_flight, web.latency),
        (Some(30.0), Some(2.0), Some(0.02))
    );
}

#[test]
fn a_box_that_the_balancer_does_not_know_any_more_is_gone() {
    let mut roster = Roster::default();
    roster.hear(
        [
            ("lb", 1.0),
            ("web", 1.0),
            ("web-2", 1.0),
            ("web-3", 1.0),
            ("db", 1.0),
        ]
        .into_iter(),
    );
    // It moved once, and then was heard of no more; nor was the database, which is none of the
    // balancer's.
    roster.hear(
        [
            ("lb", 2.0),
            ("web", 2.0),
            ("web-2", 2.0),
            ("web-3", 2.0),
            ("db", 2.0),
        ]
        .into_iter(),
    );
    let snapshot = Snapshot::new(0, &balanced(), &[], PRICE, &mut roster);
    let upstreams = snapshot.balancers[0].upstreams.iter();
    let states: Vec<_> = upstreams
        .map(|u| (u.name.as_str(), u.state, u.requests))
        .collect();
    assert_eq!(
        states,
        [
            ("web", UpstreamState::Ready, Some(30.0)),
            ("web-2", UpstreamState::Ejected, Some(10.0)),
            ("web-3", UpstreamState::Gone, None),
        ]
    );
}

#[test]
fn only_a_stage_with_a_balancer_has_its_view() {
    let mut figures = Figures::default();
    for (name, host) in [("web", "10.0.0.2"), ("db", "10.0.0.3")] {
        figures = with_box(figures, name, host, 0.1);
    }
    assert!(snapshot(&figures).balancers.is_empty());
    // One that has said nothing yet is there all the same, to say so.
    let balancers = snapshot(&with_box(figures, "lb", "10.0.0.4", 0.1)).balancers;
    assert_eq!(balancers.len(), 1);
    assert!(balancers[0].upstreams.is_empty());
    assert_eq!(balancers[0].retries, None);
}
