use super::*;

mod balancers;
mod cache;

const PRICE: f64 = 0.09;

/// All that is told of was there before.
fn snapshot(figures: &Figures) -> Snapshot {
    let mut roster = Roster::default();
    let scraped = figures.of(promql::SCRAPED);
    roster.hear(scraped.map(|sample| (sample.label("box"), 0.0)));
    Snapshot::new(0, figures, &[], PRICE, &mut roster)
}

/// A box at an address, using so much of a quarter of a core.
fn with_box(figures: Figures, name: &str, host: &str, cpu: f64) -> Figures {
    let instance = format!("{host}:9100");
    figures
        .sample(promql::CPU, &[("box", name)], cpu)
        .sample(promql::CPU_LIMIT, &[("box", name)], 0.25)
        .sample(promql::SCRAPED, &[("box", name)], 2.0)
        .sample(
            promql::MEMORY,
            &[("box", name), ("instance", &instance)],
            1e8,
        )
}

fn rates_of(snapshot: &Snapshot) -> Vec<(&str, &str, Option<f64>)> {
    let arrows = snapshot.arrows.iter();
    arrows
        .map(|a| (a.from.as_str(), a.to.as_str(), a.rate))
        .collect()
}

#[test]
fn a_box_is_as_full_as_its_cap_says() {
    let mut figures = Figures::default();
    for (name, cpu) in [("web-1", 0.1), ("web-2", 0.18), ("web-3", 0.24)] {
        figures = with_box(figures, name, name, cpu);
    }
    let snapshot = snapshot(&figures.sample(promql::THROTTLED, &[("box", "web-3")], 1.4));
    let conditions: Vec<_> = snapshot.boxes.iter().map(|b| b.condition).collect();
    assert_eq!(
        conditions,
        [Condition::Calm, Condition::Busy, Condition::Saturated]
    );
    assert_eq!(snapshot.boxes[2].cpu_share, Some(0.96));
    // Two cores held back for 0.7 s of each second are no more than all the time.
    assert_eq!(snapshot.boxes[2].throttled, Some(1.0));
}

#[test]
fn a_box_that_is_held_back_is_saturated_earlier() {
    let figures = with_box(Figures::default(), "web", "web", 0.2);
    let held_back = figures.sample(promql::THROTTLED, &[("box", "web")], 0.6);
    assert_eq!(
        snapshot(&held_back).boxes[0].condition,
        Condition::Saturated
    );
}

#[test]
fn a_box_whose_shop_is_set_up_is_starting() {
    let open = |open| {
        let figures = with_box(Figures::default(), "box", "10.0.0.2", 0.25);
        figures.sample(promql::OPEN, &[("instance", "10.0.0.2:9100")], open)
    };
    assert_eq!(snapshot(&open(0.0)).boxes[0].condition, Condition::Starting);
    assert_eq!(
        snapshot(&open(1.0)).boxes[0].condition,
        Condition::Saturated
    );
}

#[test]
fn what_is_said_of_a_box_ends_with_it() {
    let shop = [("box", "box"), ("process", "shop")];
    let figures = Figures::default().sample(promql::PROCESSES, &shop, 0.1);
    assert!(snapshot(&figures).panels.is_empty());
    let figures = with_box(figures, "box", "10.0.0.2", 0.1);
    assert_eq!(
        snapshot(&figures).panels[0].rows,
        [("box · shop".to_owned(), Some(0.1))]
    );
}

#[test]
fn a_rate_that_outlives_its_box_makes_none() {
    let figures = Figures::default().sample(promql::CPU, &[("box", "web")], 0.1);
    assert!(snapshot(&figures).boxes.is_empty());
}

#[test]
fn processes_on_other_ports_of_a_box_speak_for_it() {
    let figures = with_box(Figures::default(), "box", "10.0.0.2", 0.1).sample(
        promql::REQUESTS,
        &[("instance", "10.0.0.2:9101")],
        40.0,
    );
    let snapshot = snapshot(&figures);
    assert_eq!(snapshot.boxes[0].requests, Some(40.0));
    assert_eq!(rates_of(&snapshot), [("visitors", "box", Some(40.0))]);
}

#[test]
fn queries_flow_to_the_node_they_name() {
    let mut figures = Figures::default();
    for (name, host) in [
        ("web", "10.0.0.2"),
        ("db", "10.0.0.3"),
        ("db-replica-1", "10.0.0.4"),
    ] {
        figures = with_box(figures, name, host, 0.1);
    }
    let web = ("instance", "10.0.0.2:9100");
    let figures = figures
        .sample(promql::QUERIES, &[web, ("node", "db:5432")], 30.0)
        .sample(promql::QUERIES, &[web, ("node", "db-replica-1:5432")], 70.0);
    assert_eq!(
        rates_of(&snapshot(&figures)),
        [
            ("visitors", "web", None),
            ("db", "db-replica-#", None),
            ("web", "db", Some(30.0)),
            ("web", "db-replica-#", Some(70.0)),
        ]
    );
}

#[test]
fn commands_flow_to_redis() {
    let mut figures = Figures::default();
    for (name, host) in [
        ("web", "10.0.0.2"),
        ("worker", "10.0.0.3"),
        ("redis", "10.0.0.4"),
    ] {
        figures = with_box(figures, name, host, 0.1);
    }
    let figures = figures
        .sample(promql::COMMANDS, &[("instance", "10.0.0.2:9100")], 300.0)
        .sample(promql::COMMANDS, &[("instance", "10.0.0.3:9100")], 40.0);
    assert_eq!(
        rates_of(&snapshot(&figures)),
        [
            ("visitors", "web", None),
            ("web", "redis", Some(300.0)),
            ("worker", "redis", Some(40.0)),
        ]
    );
}

#[test]
fn of_two_callers_the_proxy_knows_its_share() {
    let mut figures = Figures::default();
    for (name, host) in [("lb", "10.0.0.2"), ("cdn", "10.0.0.3")] {
        figures = with_box(figures, name, host, 0.1);
    }
    let figures = figures
        .sample(promql::REQUESTS, &[("instance", "10.0.0.2:9100")], 50.0)
        .sample(promql::REQUESTS, &[("instance", "10.0.0.3:9100")], 900.0)
        .sample(promql::PASSED_ON, &[("instance", "10.0.0.3:9100")], 4.0);
    assert_eq!(
        rates_of(&snapshot(&figures)),
        [
            ("visitors", "lb", Some(46.0)),
            ("visitors", "cdn", Some(900.0)),
            ("cdn", "lb", Some(4.0)),
        ]
    );
}

#[test]
fn without_visits_there_is_no_error_and_no_price_of_one() {
    let quiet = snapshot(
        &Figures::default()
            .sample(promql::OFFERED, &[], 0.0)
            .sample(promql::P95, &[], f64::NAN)
            .sample(promql::VISITS, &[], 0.0)
            .sample(promql::PAGE_QUERIES, &[], 3.0)
            .sample(promql::EGRESS, &[], 0.0),
    );
    assert_eq!(quiet.traffic.requests, Some(0.0));
    assert_eq!(quiet.traffic.errors, None);
    assert_eq!(quiet.traffic.p95, None);
    assert_eq!(quiet.egress.bytes_per_visit, None);
    assert_eq!(quiet.queries_per_page, None);
    assert_eq!(quiet.egress.usd_per_month, Some(0.0));
}

#[test]
fn bytes_that_leave_have_a_price() {
    let figures = Figures::default()
        .sample(promql::OFFERED, &[], 20.0)
        .sample(promql::FAILED, &[], 5.0)
        .sample(promql::VISITS, &[], 10.0)
        .sample(promql::EGRESS, &[], 40e6);
    let snapshot = snapshot(&figures);
    assert_eq!(snapshot.traffic.errors, Some(0.25));
    assert_eq!(snapshot.egress.bytes_per_visit, Some(4e6));
    // 40 MB/s are 103.68 TB in 30 days.
    let price = snapshot.egress.usd_per_month.unwrap();
    assert!((price - 9331.2).abs() < 0.01, "{price}");
}

#[test]
fn a_panel_is_there_as_soon_as_its_metric_is() {
    assert!(snapshot(&Figures::default()).panels.is_empty());
    let figures = Figures::default().sample(promql::REPLICA_LAG, &[("node", "db-replica-1")], 0.2);
    let snapshot = snapshot(&figures);
    assert_eq!(snapshot.panels.len(), 1);
    assert_eq!(
        snapshot.panels[0].rows,
        [("db-replica-1".to_owned(), Some(0.2))]
    );
}

#[test]
fn figures_stay_when_prometheus_goes_and_say_since_when() {
    let last = snapshot(&with_box(Figures::default(), "box", "box", 0.24));
    let cut = last
        .cut_off(5_000, "no answer".into())
        .cut_off(7_000, "no answer".into());
    assert_eq!(cut.boxes[0].cpu, Some(0.24));
    assert_eq!(cut.at, Some(0));
    assert_eq!(
        cut.prometheus,
        Source::Unreachable {
            since: 5_000,
            why: "no answer".into()
        }
    );
    assert!(matches!(cut.verdict, Verdict::Unknown { .. }));
}
