//! What a browser gets.

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use control_room::{Histories, Prometheus};
use futures::StreamExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::boxes::{Boxes, Pretence};
use crate::prometheus::Server;
use crate::watching::{PATIENCE, Room, is_near};

async fn get(room: &Room, server: &Server, path: &str) -> Response<Body> {
    let histories = Histories::new(Prometheus::new(&server.config().prometheus.url));
    let routes = control_room::routes(room.latest.clone(), histories);
    let request = Request::get(path).body(Body::empty()).unwrap();
    routes.oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_browser_gets_the_page_the_snapshot_its_updates_and_the_history() {
    let busy = Pretence {
        cpu: 0.1,
        requests: 20.0,
        ..Pretence::NOTHING
    };
    let boxes = Boxes::start(&[("box", busy)]).await;
    let server = Server::start(&boxes);
    let mut room = Room::open(&server);
    room.sees("requests", |snapshot| snapshot.traffic.requests.is_some())
        .await;

    // All that the page refers to is there, and nothing of it is inline or elsewhere.
    let page = text(get(&room, &server, "/").await).await;
    for forbidden in [
        "style=", "<style", "onclick", "<script>", "http://", "https://",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for attribute in ["href=\"", "src=\""] {
        let links = page.split(attribute).skip(1);
        let links = links.filter_map(|rest| rest.split('"').next());
        for link in links.filter(|link| !link.starts_with('#')) {
            assert_eq!(get(&room, &server, link).await.status(), 200, "{link}");
        }
    }

    let snapshot: Value =
        serde_json::from_str(&text(get(&room, &server, "/api/snapshot").await).await).unwrap();
    assert_eq!(snapshot["stage"], 1);
    assert_eq!(snapshot["verdict"]["call"], "stay");
    assert_eq!(snapshot["prometheus"]["state"], "reachable");

    // The first update comes at once.
    let updates = get(&room, &server, "/events").await;
    assert_eq!(updates.headers()["content-type"], "text/event-stream");
    let first = updates
        .into_body()
        .into_data_stream()
        .next()
        .await
        .unwrap()
        .unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(
        first.starts_with("event: snapshot\nretry: 2000\ndata: {"),
        "{first}"
    );

    let history: Value =
        serde_json::from_str(&text(get(&room, &server, "/api/history").await).await).unwrap();
    let points = history["times"].as_array().unwrap().len();
    assert_eq!(points, 181);
    for column in ["requests", "errors", "p95"] {
        assert_eq!(
            history[column].as_array().unwrap().len(),
            points,
            "{column}"
        );
    }
}

#[tokio::test]
async fn a_page_that_opens_late_sees_what_the_cache_has_spared() {
    let web = Pretence {
        cpu: 0.1,
        requests: 50.0,
        queries: 5.0,
        circuit: Some(0),
        hits: 90.0,
        misses: 10.0,
        ..Pretence::NOTHING
    };
    let boxes = Boxes::start(&[("web", web)]).await;
    let server = Server::start(&boxes);
    let mut room = Room::open(&server);
    room.sees("a cache", |snapshot| snapshot.cache.is_some())
        .await;
    let started = Instant::now();
    loop {
        // Points are 5 s apart: the first is not there at once.
        let history = text(get(&room, &server, "/api/history").await).await;
        let history: Value = serde_json::from_str(&history).unwrap();
        let latest = |column: &Value| column.as_array()?.last()?.as_f64();
        let queries = latest(&history["queries_per_page"]);
        let hit_rate = latest(&history["hit_rate"]["products"]);
        if is_near(queries, 0.1) && is_near(hit_rate, 0.9) {
            break;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{queries:?} queries per page, hit rate {hit_rate:?}"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn without_prometheus_there_is_no_history_and_the_page_is_told() {
    let boxes = Boxes::start(&[]).await;
    let mut server = Server::start(&boxes);
    let room = Room::open(&server);
    server.stop();
    assert_eq!(get(&room, &server, "/api/history").await.status(), 503);
    let snapshot = text(get(&room, &server, "/api/snapshot").await).await;
    assert!(snapshot.contains(r#""state":"unreachable""#), "{snapshot}");
}
