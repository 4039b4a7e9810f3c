//! What a person sees who looks at the page, in headless Chromium.
//!
//! With `CONTROL_URL` and `VERDICT` (`stay` or `climb`) it looks at the control room of a running stage,
//! else at one of its own. When it fails, a screenshot and the page's source are in
//! `target/screenshots/`.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use control_room::{Histories, Poller, Prometheus};
use testkit::Browser;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::boxes::{Boxes, Pretence};
use crate::prometheus::Server;

/// From opening the page until all of it is shown.
const AT_ONCE: Duration = Duration::from_secs(10);

/// What a trigger needs, and then some: 10 s until a signal counts, 10 s until it fires, 30 s more
/// until it stops.
const A_WHILE: Duration = Duration::from_secs(90);

const IDLE: Pretence = Pretence {
    cpu: 0.01,
    requests: 0.0,
    failures: 0.0,
    sent: 0.0,
    queries: 0.0,
};

const FULL: Pretence = Pretence {
    cpu: 0.24,
    requests: 38.0,
    failures: 2.0,
    sent: 4e6,
    queries: 0.0,
};

/// Objects to boxes without figures, and to panels that have neither a figure nor a reason.
const ALL_IS_SHOWN: &str = r##"
    const all = (css, within = document) => [...within.querySelectorAll(css)];
    const seen = (element) => element?.checkVisibility() ? element.innerText.trim() : "";
    const says = (element) => !["", "waiting for figures", "Looking …"].includes(seen(element));
    const measured = (element) => /\d/.test(seen(element));
    const objections = [];
    const expect = (fine, what) => fine || objections.push(what);

    return fetch("/api/snapshot").then((answer) => answer.json()).then(({ boxes }) => {
        expect(boxes.length > 0, "no boxes in the snapshot");
        const cards = new Map(all("#drawing .card").map((card) => [seen(card.querySelector("strong")), card]));
        const rows = new Map(all("#boxes tbody tr").map((row) => [seen(row.cells[0]), row]));
        for (const { name } of boxes) {
            for (const bar of [".cpu", ".memory"]) {
                expect(measured(cards.get(name)?.querySelector(`${bar} .number`)), `${name} is drawn without ${bar}`);
            }
            // What it is, its condition, CPU, of its cap, held back, memory, of its limit.
            const cells = [...rows.get(name)?.cells ?? []].slice(1, 8);
            expect(cells.length === 7 && cells.slice(0, 2).every(says) && cells.slice(2).every(measured),
                `the table has no figures of ${name}`);
        }
        expect(cards.size === boxes.length && rows.size === boxes.length, "boxes that nobody knows");

        expect(says(document.querySelector("#call")) && says(document.querySelector("#reason")), "no verdict");
        for (const advice of all("#advice:not([hidden]) dd")) expect(says(advice), `nothing in ${advice.id}`);
        for (const tile of all(".tile")) {
            expect(measured(tile.querySelector(".value")) || says(tile.querySelector(".note")), `${tile.id} is empty`);
        }
        for (const plot of all(".plot")) {
            const canvas = plot.querySelector(".canvas:not([hidden]) canvas");
            // A line for each box, and for those of a while ago; of many, for the eight hottest.
            const lines = all(".legend li", plot).filter(says).length;
            const told = plot.querySelector(".legend") ? lines >= Math.min(boxes.length, 8) : measured(plot.querySelector("output"));
            expect((canvas?.width > 0 && canvas.height > 0 && told) || says(plot.querySelector(".why")), `${plot.id} is empty`);
        }
        for (const figure of all("#panels:not([hidden]) dd")) expect(says(figure), "a figure of this stage is empty");
        return objections.length === 0 ? null : objections.join("; ");
    }).catch((error) => `the control room does not answer: ${error}`);
"##;

/// Objects until the row of each box differs from what it was when this was asked first.
const FIGURES_MOVE: &str = r##"
    const rows = [...document.querySelectorAll("#boxes tbody tr")].map((row) => row.innerText);
    const before = window.before ??= rows;
    const still = before.filter((row) => rows.includes(row));
    return still.length === 0 ? null : `nothing moves in ${still.join("; ")}`;
"##;

/// Objects to another verdict than this.
const VERDICT_IS: &str = r##"
    const verdict = document.querySelector("#verdict");
    return verdict.dataset.call === arguments[0] ? null : `not ${arguments[0]}: ${verdict.innerText}`;
"##;

#[tokio::test]
async fn a_browser_shows_each_box_and_the_verdict() {
    let browser = Browser::open()
        .await
        .expect("chromium and chromedriver: ./stage test installs them");
    let seen = match std::env::var("CONTROL_URL") {
        Ok(url) => {
            let verdict = std::env::var("VERDICT").expect("VERDICT: stay or climb");
            keep_evidence(&browser, look_at_a_stage(&browser, &url, &verdict).await).await
        }
        Err(_) => {
            let boxes = Boxes::start(&[("box", IDLE)]).await;
            let mut server = Server::start(&boxes);
            let seen = look_at_a_pretence(&browser, &boxes, &mut server).await;
            keep_evidence(&browser, seen).await
        }
    };
    browser.close().await;
    seen.expect("the control room");
}

async fn look_at_a_stage(browser: &Browser, url: &str, verdict: &str) -> Result<()> {
    browser.page.goto(url).await?;
    all_is_live(browser).await?;
    figures_move(browser).await?;
    verdict_is(browser, verdict).await?;
    all_is_shown(browser).await
}

async fn look_at_a_pretence(browser: &Browser, boxes: &Boxes, server: &mut Server) -> Result<()> {
    browser.page.goto(&open_room(server).await?).await?;
    all_is_live(browser).await?;
    verdict_is(browser, "stay").await?;
    browser.contains("#call", "Stay on stage 1").await?;

    boxes.pretend("box", FULL);
    figures_move(browser).await?;
    verdict_is(browser, "climb").await?;
    browser.contains("#call", "Climb to stage 2").await?;
    browser.contains("#reason", "box is full").await?;
    all_is_shown(browser).await?;

    server.stop();
    browser
        .contains("#alarm", "Prometheus has not answered since")
        .await?;
    browser.contains("#age", "old").await?;
    verdict_is(browser, "unknown").await?;
    all_is_shown(browser).await?;

    server.resume();
    all_is_live(browser).await?;
    verdict_is(browser, "climb").await
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

async fn all_is_live(browser: &Browser) -> Result<()> {
    browser.contains("#age", "live").await?;
    all_is_shown(browser).await
}

async fn all_is_shown(browser: &Browser) -> Result<()> {
    browser.settles(AT_ONCE, ALL_IS_SHOWN, &[]).await
}

async fn figures_move(browser: &Browser) -> Result<()> {
    browser.settles(A_WHILE, FIGURES_MOVE, &[]).await
}

async fn verdict_is(browser: &Browser, verdict: &str) -> Result<()> {
    browser.settles(A_WHILE, VERDICT_IS, &[verdict]).await
}

async fn keep_evidence(browser: &Browser, seen: Result<()>) -> Result<()> {
    if seen.is_err() {
        browser.keep_evidence("control-room").await;
    }
    seen
}
