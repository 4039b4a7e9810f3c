//! A control room of our own in headless Chromium. When a test fails, a screenshot and the page's
//! source are in `target/screenshots/`.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use control_room::{Histories, Poller, Prometheus};
use testkit::Browser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::boxes::{Boxes, Pretence};
use crate::prometheus::Server;
use crate::shown::{
    self, A_WHILE, AN_EVENT, AT_ONCE, all_is_live, all_is_shown, balancer_says, boxes_are, it_fits,
    verdict_is,
};

const IDLE: Pretence = Pretence {
    cpu: 0.01,
    ..Pretence::NOTHING
};

const FULL: Pretence = Pretence {
    cpu: 0.24,
    requests: 38.0,
    failures: 2.0,
    sent: 4e6,
    ..Pretence::NOTHING
};

#[tokio::test]
async fn a_browser_shows_each_box_and_the_verdict() {
    let boxes = Boxes::start(&[("box", IDLE)]).await;
    let mut server = Server::start(&boxes);
    let browser = open_browser().await;
    let seen = look(&browser, &boxes, &mut server).await;
    shown::closed(browser, seen).await;
}

async fn look(browser: &Browser, boxes: &Boxes, server: &mut Server) -> Result<()> {
    shown::opens(browser, &open_room(server).await?).await?;
    verdict_is(browser, A_WHILE, "stay").await?;
    browser.contains("#call", "Stay on stage 1").await?;

    boxes.pretend("box", FULL);
    verdict_is(browser, A_WHILE, "climb").await?;
    browser.contains("#call", "Climb to stage 2").await?;
    browser.contains("#reason", "box is full").await?;
    all_is_shown(browser).await?;

    server.stop();
    browser
        .contains("#alarm", "Prometheus has not answered since")
        .await?;
    browser.contains("#age", "old").await?;
    verdict_is(browser, A_WHILE, "unknown").await?;
    all_is_shown(browser).await?;

    server.resume();
    all_is_live(browser).await?;
    verdict_is(browser, A_WHILE, "climb").await
}

const READY: Pretence = Pretence {
    requests: 90.0,
    upstreams: &[("web", "ready"), ("web-2", "ready"), ("web-3", "ready")],
    ..IDLE
};

const EJECTING: Pretence = Pretence {
    upstreams: &[("web", "ready"), ("web-2", "ejected"), ("web-3", "warming")],
    ..READY
};

#[tokio::test]
async fn an_ejection_is_shown_within_seconds() {
    let names = ["db", "lb", "web", "web-2", "web-3", "worker"];
    let boxes = names.map(|name| (name, if name == "lb" { READY } else { IDLE }));
    let boxes = Boxes::start(&boxes).await;
    let server = Server::start(&boxes);
    let browser = open_browser().await;
    let seen = look_at_an_ejection(&browser, &boxes, &server).await;
    shown::closed(browser, seen).await;
}

async fn look_at_an_ejection(browser: &Browser, boxes: &Boxes, server: &Server) -> Result<()> {
    shown::opens(browser, &open_room(server).await?).await?;
    balancer_says(browser, AT_ONCE, "web ready, web-2 ready, web-3 ready").await?;

    boxes.pretend("lb", EJECTING);
    let now = "web ready, web-2 ejected, web-3 slow start";
    balancer_says(browser, AN_EVENT, now).await?;
    let summary = "web-2 is ejected: 2 of 3 boxes get requests";
    browser.contains("#balanced", summary).await?;
    let since = "#balancers [data-state=ejected] .since";
    browser.contains(since, "s ago").await?;
    browser.contains("#last-ejection", "ejected").await?;
    browser.contains("#drawing .rate.out", "ejected").await?;
    all_is_shown(browser).await?;
    it_fits(browser).await
}

const CACHED: Pretence = Pretence {
    cpu: 0.05,
    requests: 30.0,
    queries: 3.0,
    sessions: 20.0,
    sessions_in: "redis",
    circuit: Some(0),
    hits: 57.0,
    misses: 3.0,
    ..IDLE
};

const CUT_OFF: Pretence = Pretence {
    circuit: Some(2),
    hits: 0.0,
    misses: 0.0,
    bypassed: 60.0,
    ..CACHED
};

/// A stage with a cache, at work.
const STAGE_5: [(&str, Pretence); 8] = [
    ("cdn", FULL),
    ("db", IDLE),
    ("lb", READY),
    ("redis", CACHED),
    ("web", CACHED),
    ("web-2", CACHED),
    ("web-3", CACHED),
    ("worker", CACHED),
];

#[tokio::test]
async fn a_cache_is_shown_where_there_is_one() {
    let with = Boxes::start(&STAGE_5).await;
    let server = Server::start(&with);
    let browser = open_browser().await;
    let seen = look_at_a_cache(&browser, &with, &server).await;
    shown::closed(browser, seen).await;
}

async fn look_at_a_cache(browser: &Browser, boxes: &Boxes, server: &Server) -> Result<()> {
    shown::opens(browser, &open_room(server).await?).await?;
    browser
        .contains("#cache tbody tr:last-child", "products")
        .await?;
    browser.contains("#cache tbody .number", "95").await?;
    browser.contains("#sessions .note", "Redis").await?;
    browser.contains("#redis", "circuit closed").await?;
    browser.contains("#redis", "on all 4 boxes").await?;
    browser
        .contains("#redis", "45.6\u{a0}MB of 48.0\u{a0}MB")
        .await?;
    // Only sessions have nowhere to go.
    browser
        .wait_for("#redis .redis:nth-child(2) .memory.full")
        .await?;
    browser
        .wait_for("#redis .redis:nth-child(1) .memory:not(.full)")
        .await?;

    boxes.pretend("web-2", CUT_OFF);
    shown::soon(
        browser,
        "#circuits",
        "circuit open to Redis for cache and sessions on web-2",
    )
    .await?;
    browser
        .contains("#redis [data-state=open]", "on web-2, of 4 boxes")
        .await?;
    browser.wait_for("#cache td.failing").await?;
    all_is_shown(browser).await?;
    for width in [1280, 390] {
        browser.page.set_window_size(width, 900).await?;
        it_fits(browser).await.context(width)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stage_without_a_cache_shows_none() {
    let without = STAGE_5.into_iter().filter(|(name, _)| *name != "redis");
    let without: Vec<_> = without
        .map(|(name, does)| {
            let does = Pretence {
                sessions_in: "postgres",
                circuit: None,
                ..does
            };
            (name, does)
        })
        .collect();
    let server = Server::start(&Boxes::start(&without).await);
    let browser = open_browser().await;
    let seen = look_at_none(&browser, &server).await;
    shown::closed(browser, seen).await;
}

async fn look_at_none(browser: &Browser, server: &Server) -> Result<()> {
    shown::opens(browser, &open_room(server).await?).await?;
    browser.contains("#stage", "Stage 4").await?;
    browser.wait_for("#cache[hidden]").await?;
    browser.wait_for("#plot-hits[hidden]").await?;
    // The CDN's own hits are of another kind.
    browser.contains("#panels", "CDN hit rate").await?;
    browser.contains("#queries .value", "0.10").await?;
    browser.contains("#sessions .note", "Postgres").await
}

#[tokio::test]
async fn no_stage_is_wider_than_a_small_projector() {
    let browser = open_browser().await;
    let seen = look_at_wide_stages(&browser).await;
    shown::closed(browser, seen).await;
}

async fn look_at_wide_stages(browser: &Browser) -> Result<()> {
    browser.page.set_window_size(1280, 720).await?;
    for stage in [
        "db web",
        "db lb web web-2 web-3 worker",
        "cdn db lb redis web web-2 web-3 worker",
        "cdn-a cdn-b gateway-a gateway-b glb orders-a orders-b orders-db-a orders-db-b users-1-a \
         users-1-b users-a users-b wan web-a web-b",
    ] {
        let of = |name| if name == "lb" { READY } else { FULL };
        let busy: Vec<_> = stage.split(' ').map(|name| (name, of(name))).collect();
        let server = Server::start(&Boxes::start(&busy).await);
        browser.page.goto(&open_room(&server).await?).await?;
        boxes_are(browser, &stage.replace(' ', ",")).await?;
        it_fits(browser).await.context(stage)?;
    }
    Ok(())
}

async fn open_browser() -> Browser {
    let browser = Browser::open().await;
    browser.expect("chromium and chromedriver: ./stage test installs them")
}

/// A control room on a port, that asks this Prometheus and has figures of its boxes.
async fn open_room(server: &Server) -> Result<String> {
    let config = server.config();
    let prometheus = Prometheus::new(&config.prometheus.url);
    let (poller, mut latest) = Poller::new(prometheus.clone(), &config.egress);
    let routes = control_room::routes(latest.clone(), Histories::new(prometheus));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(poller.run(CancellationToken::new()));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let measured = latest.wait_for(|published| {
        let boxes = &published.snapshot.boxes;
        !boxes.is_empty() && boxes.iter().all(|figures| figures.cpu.is_some())
    });
    tokio::time::timeout(A_WHILE, measured)
        .await
        .context("no figures of any box")??;
    Ok(url)
}
