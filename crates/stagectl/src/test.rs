//! `./stage test`: everything that must hold before a change lands.
//!
//! The stages run beside those that a user may be running (another project, other ports, volumes of
//! their own), and leave nothing behind.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::process::Command;

use crate::compose::{Compose, finish};
use crate::k6::LoadTest;
use crate::stage::Stage;
use crate::{check, console, crash, promises, sql, up};

/// No single step takes longer: the first build of all images.
const STEP: Duration = Duration::from_secs(3000);
/// A second start, images built, must serve within this.
const SECOND_START: Duration = Duration::from_secs(20);

pub(crate) async fn run(compose: &Compose, _full: bool) -> anyhow::Result<bool> {
    let started = Instant::now();
    let stages = compose.aside();
    // Left by a test that was killed.
    clear(&stages).await?;
    let result = tokio::select! {
        result = everything(compose, &stages) => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    clear(&stages).await?;
    sql::stop_database(compose).await?;
    result?;
    console::say(&format!(
        "all of it holds, after {} s",
        started.elapsed().as_secs()
    ));
    Ok(true)
}

async fn everything(compose: &Compose, stages: &Compose) -> anyhow::Result<()> {
    let root = compose.root();
    cargo(root, &["fmt", "--all", "--check"], &[]).await?;

    let database = sql::start_database(compose).await?;
    sql::check_queries(compose, &database).await?;
    let offline = [("SQLX_OFFLINE", "true")];
    cargo(
        root,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
        &offline,
    )
    .await?;
    let database = format!("{database}/postgres");
    let database = [
        ("SQLX_OFFLINE", "true"),
        ("DATABASE_URL", database.as_str()),
    ];
    cargo(
        root,
        &["test", "--workspace", "--locked", "--quiet"],
        &database,
    )
    .await?;

    console::step("building the images");
    for stage in Stage::ALL {
        stages.run(stage, &["build"], STEP).await?;
    }
    triggers(compose).await?;
    stage_1(stages).await?;
    stage_2(stages).await
}

async fn stage_1(stages: &Compose) -> anyhow::Result<()> {
    let [one, _] = Stage::ALL;
    up::bring_up(stages, one, false).await?;
    promises(stages, one).await?;

    console::step("stopping and starting it again");
    stages.down(one, false).await?;
    let took = up::bring_up(stages, one, false).await?;
    ensure!(
        took <= SECOND_START,
        "the second start took {took:.1?}, expected at most {SECOND_START:?}"
    );
    Ok(())
}

/// On the data of stage 1: its audit covers what was acknowledged there.
async fn stage_2(stages: &Compose) -> anyhow::Result<()> {
    let [_, two] = Stage::ALL;
    up::bring_up(stages, two, false).await?;
    promises(stages, two).await
}

async fn promises(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    ensure!(
        check::run(stages, stage, false).await?,
        "{stage} breaks a promise"
    );
    smoke(stages, stage).await?;
    browser(stages).await?;
    balance_after_kills(stages, stage).await
}

/// The rules that tell when to climb, by the Prometheus that runs them.
async fn triggers(compose: &Compose) -> anyhow::Result<()> {
    console::step("promtool: the configuration, the rules, their tests");
    let volume = format!(
        "{}:/rules:ro",
        compose.root().join("deploy/prometheus").display()
    );
    let script = "cd /rules; promtool check config prometheus.yml; promtool check rules triggers.yml; \
                  promtool test rules triggers_test.yml";
    let image = "stagecraft-prometheus:dev";
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        "--volume",
        &volume,
        "--entrypoint",
        "sh",
        image,
        "-euc",
        script,
    ];
    compose.stream(&run, Duration::from_secs(120)).await
}

async fn smoke(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    console::step("smoke: 50 requests a second");
    let outcome = LoadTest {
        compose: stages,
        stage,
        name: "smoke",
        settings: &[],
    }
    .run()
    .await?;
    ensure!(outcome.passed(), "smoke failed: {:?}", outcome.thresholds);
    Ok(())
}

async fn balance_after_kills(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    console::step("killing each box during checkouts");
    let books = crash::kill_boxes(stages, stage, stage.boxes()).await?;
    console::say(&books.verdict()?);
    Ok(())
}

/// The browser test of `crates/shop`, against the running stage.
async fn browser(stages: &Compose) -> anyhow::Result<()> {
    let url = stages.front_url();
    cargo(
        stages.root(),
        &["test", "-p", "shop", "--test", "browser", "--locked"],
        &[("SQLX_OFFLINE", "true"), ("STAGE_URL", &url)],
    )
    .await
}

async fn clear(stages: &Compose) -> anyhow::Result<()> {
    for stage in Stage::ALL {
        stages.down(stage, true).await?;
    }
    promises::forget(&promises::folder(stages))
}

pub(crate) async fn cargo(root: &Path, args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<()> {
    let what = format!("cargo {}", args.join(" "));
    console::step(&what);
    let mut command = Command::new("cargo");
    command
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root);
    command.kill_on_drop(true).stdin(Stdio::null());
    finish(command, &what, STEP).await
}
