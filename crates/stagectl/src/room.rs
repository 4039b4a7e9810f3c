//! The control room of a running stage, as the browser tests of `crates/control-room` see it.

use anyhow::Context;

use crate::breaker;
use crate::compose::Compose;
use crate::k6::LoadTest;
use crate::stage::Stage;
use crate::test::cargo;

/// A trigger needs 20 s, and a page some more to show it.
const LOAD: &str = "40s";

/// Every box is shown within 10 s, with figures that move, and nothing needs adding.
pub(crate) async fn at_rest(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    look(
        stages,
        stage,
        "at_rest_every_box_is_shown_and_the_verdict_is_stay",
    )
    .await
}

/// While its breaker runs, if there is one yet, the verdict is the next stage.
pub(crate) async fn under_breaker(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    let Some(name) = breaker::load_test(stages, stage) else {
        return Ok(());
    };
    let load = LoadTest {
        compose: stages,
        stage,
        name: &name,
        settings: &[("DURATION", LOAD.to_owned())],
    };
    // That it breaks is what `prove` shows.
    let look = look(stages, stage, "under_its_breaker_the_verdict_is_climb");
    tokio::try_join!(load.run(), look)?;
    Ok(())
}

/// Prometheus is stopped and started: the page says so and recovers, the shop answers all the while.
pub(crate) async fn without_prometheus(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    look(stages, stage, "prometheus_may_go_and_come_back").await
}

async fn look(stages: &Compose, stage: Stage, test: &str) -> anyhow::Result<()> {
    let containers = stages.containers().await?;
    let boxes = containers.iter().filter(|container| container.is_box);
    let mut boxes: Vec<_> = boxes.map(|b| b.box_name.as_str()).collect();
    boxes.sort();
    let mut others = containers.iter();
    let prometheus = others.find(|container| container.service == "prometheus");
    let prometheus = prometheus.context("no prometheus is there")?;
    let test = format!("stage::{test}");
    let room = ["--package", "control-room", "--test", "control_room"];
    let only = ["--locked", "--", "--ignored", "--exact", &test];
    cargo(
        stages.root(),
        &[&["test"][..], &room, &only].concat(),
        &[
            ("SQLX_OFFLINE", "true"),
            ("STAGE", &stage.number().to_string()),
            ("BOXES", &boxes.join(",")),
            ("CONTROL_URL", &stages.control_url()),
            ("SHOP_URL", &stages.front_url()),
            ("PROMETHEUS", &prometheus.id),
        ],
    )
    .await
}
