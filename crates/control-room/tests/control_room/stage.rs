//! The control room of a running stage, in headless Chromium. `./stage test` starts these and says
//! where, by variables.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use testkit::Browser;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::shown::{
    self, A_WHILE, AT_ONCE, all_is_live, all_is_shown, balancer_says, boxes_are, verdict_is,
};

/// A trigger fires after 20 s of load. A stage's breaker runs for longer.
const UNDER_LOAD: Duration = Duration::from_secs(45);

struct Stage {
    number: u8,
    /// By name, with commas between them.
    boxes: String,
    room: String,
    shop: Uri,
    /// Prometheus' container.
    prometheus: String,
}

impl Stage {
    fn running() -> Result<Stage> {
        let variable =
            |name| std::env::var(name).with_context(|| format!("{name}: ./stage test sets it"));
        Ok(Stage {
            number: variable("STAGE")?.parse()?,
            boxes: variable("BOXES")?,
            room: variable("CONTROL_URL")?,
            shop: variable("SHOP_URL")?.parse()?,
            prometheus: variable("PROMETHEUS")?,
        })
    }

    /// What the balancer says when all is well; nothing, where there is none.
    fn all_ready(&self) -> String {
        let boxes: Vec<&str> = self.boxes.split(',').collect();
        let behind = boxes
            .iter()
            .filter(|name| boxes.contains(&"lb") && name.starts_with("web"));
        let ready = behind.map(|name| format!("{name} ready"));
        ready.collect::<Vec<_>>().join(", ")
    }
}

#[tokio::test]
#[ignore = "needs a running stage: ./stage test"]
async fn at_rest_every_box_is_shown_and_the_verdict_is_stay() {
    let stage = Stage::running().expect("a running stage");
    let browser = Browser::open().await.expect("chromium");
    let over = CancellationToken::new();
    let seen = async {
        let _over = over.clone().drop_guard();
        shown::opens(&browser, &stage.room).await?;
        boxes_are(&browser, &stage.boxes).await?;
        // A box that has just come is given its share slowly.
        balancer_says(&browser, A_WHILE, &stage.all_ready()).await?;
        verdict_is(&browser, AT_ONCE, "stay").await?;
        let call = format!("Stay on stage {}", stage.number);
        browser.contains("#call", &call).await
    };
    let (seen, shop) = tokio::join!(seen, keep_visiting(&stage.shop, over.clone()));
    shown::closed(browser, seen.and(shop)).await;
}

/// The stage of which no box is full under its breaker: it is what leaves that somebody pays for.
const BYTES_COST: u8 = 3;

#[tokio::test]
#[ignore = "needs a running stage under its breaker: ./stage test"]
async fn under_its_breaker_the_verdict_is_climb() {
    let stage = Stage::running().expect("a running stage");
    let browser = Browser::open().await.expect("chromium");
    let seen = async {
        shown::opens(&browser, &stage.room).await?;
        verdict_is(&browser, UNDER_LOAD, "climb").await?;
        let call = format!("Climb to stage {}", stage.number + 1);
        browser.contains("#call", &call).await?;
        if stage.number == BYTES_COST {
            browser.contains("#reason", "USD a month").await?;
        } else {
            browser
                .wait_for("#boxes tr[data-condition=saturated]")
                .await?;
        }
        all_is_shown(&browser).await
    };
    let seen = seen.await;
    shown::closed(browser, seen).await;
}

#[tokio::test]
#[ignore = "needs a running stage: ./stage test"]
async fn prometheus_may_go_and_come_back() {
    let stage = Stage::running().expect("a running stage");
    let browser = Browser::open().await.expect("chromium");
    let over = CancellationToken::new();
    let seen = async {
        let _over = over.clone().drop_guard();
        shown::opens(&browser, &stage.room).await?;
        docker(&["stop", &stage.prometheus]).await?;
        browser
            .contains("#alarm", "Prometheus has not answered since")
            .await?;
        verdict_is(&browser, AT_ONCE, "unknown").await?;
        all_is_shown(&browser).await?;

        docker(&["start", &stage.prometheus]).await?;
        all_is_live(&browser).await?;
        boxes_are(&browser, &stage.boxes).await?;
        verdict_is(&browser, AT_ONCE, "stay").await
    };
    let (seen, shop) = tokio::join!(seen, keep_visiting(&stage.shop, over.clone()));
    shown::closed(browser, seen.and(shop)).await;
}

async fn docker(args: &[&str]) -> Result<()> {
    let mut command = Command::new("docker");
    command.args(args).stdout(Stdio::null());
    let status = command.status().await?;
    ensure!(status.success(), "docker {args:?}: {status}");
    Ok(())
}

/// Asks for a page ten times a second, or as often as it comes: an error as soon as there is none.
async fn keep_visiting(page: &Uri, over: CancellationToken) -> Result<()> {
    let client: Client<HttpConnector, Full<Bytes>> = runtime::client();
    let visits = async {
        loop {
            let answer = tokio::time::timeout(AT_ONCE, client.get(page.clone())).await??;
            ensure!(
                answer.status().is_success(),
                "the shop answers {}",
                answer.status()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    over.run_until_cancelled(visits).await.unwrap_or(Ok(()))
}
