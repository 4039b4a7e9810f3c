//! `./stage test`: everything that must hold before a change lands.
//!
//! The stages run beside those that a user may be running (another project, other ports, volumes of
//! their own), and leave nothing behind.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tokio::process::Command;

use crate::compose::Compose;
use crate::docker::{self, finish};
use crate::drill::{self, Drill, Outcome};
use crate::k6::LoadTest;
use crate::sql::{self, TestDatabase};
use crate::stage::Stage;
use crate::{breaker, check, console, crash, images, promises, room, up};

/// No single step takes longer: the first compilation of everything.
const STEP: Duration = Duration::from_secs(3000);
/// A second start, images built, must serve within this.
const SECOND_START: Duration = Duration::from_secs(20);

pub(crate) async fn run(compose: &Compose, full: bool) -> anyhow::Result<bool> {
    let started = Instant::now();
    let stages = compose.aside()?;
    // Left by a test that was killed.
    clear(&stages).await?;
    let database = TestDatabase::of(compose)?;
    let result = tokio::select! {
        result = everything(compose, &stages, &database, full) => result,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    // All of it, whatever happened; what went wrong first is what people need to know.
    let (cleared, stopped) = (clear(&stages).await, database.stop().await);
    let slow = result?;
    cleared.and(stopped)?;
    for drill in slow {
        console::say(&format!("slower than was promised: {drill}"));
    }
    console::say(&format!(
        "all of it holds, after {} s",
        started.elapsed().as_secs()
    ));
    Ok(true)
}

/// Gives the drills that were slower than was promised.
async fn everything(
    compose: &Compose,
    stages: &Compose,
    database: &TestDatabase,
    full: bool,
) -> anyhow::Result<Vec<String>> {
    let root = compose.root();
    cargo(root, &["fmt", "--all", "--check"], &[]).await?;

    database.start().await?;
    sql::check_queries(root, database).await?;
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
    let (url, redis_url) = (database.url("postgres"), database.redis_url());
    let stores = [
        ("SQLX_OFFLINE", "true"),
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", redis_url.as_str()),
    ];
    cargo(
        root,
        &["test", "--workspace", "--locked", "--quiet"],
        &stores,
    )
    .await?;

    for stage in Stage::ALL {
        images::ensure(stages, &stage.file(), false).await?;
    }
    triggers(compose).await?;
    let [one, later @ ..] = Stage::ALL;
    first_stage(stages, one).await?;
    let mut slow = Vec::new();
    for stage in later {
        // On the data of the stages before: its audit covers what was acknowledged there.
        up::bring_up(stages, stage, false).await?;
        promises(stages, stage).await?;
        drills(stages, stage, full, &mut slow).await?;
    }
    if full {
        proofs(stages).await?;
    }
    Ok(slow)
}

async fn first_stage(stages: &Compose, one: Stage) -> anyhow::Result<()> {
    up::bring_up(stages, one, false).await?;
    room::without_prometheus(stages, one).await?;
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

/// What must never be seen by anybody, each time; the rest where there is time for it. A drill that is only
/// slow says something of this machine, and does not decide.
async fn drills(
    stages: &Compose,
    stage: Stage,
    full: bool,
    slow: &mut Vec<String>,
) -> anyhow::Result<()> {
    let each_time = [
        Drill::KillWeb,
        Drill::Deploy,
        Drill::KillRedis,
        Drill::FreshReads,
    ];
    for drill in Drill::of(stage) {
        if full || (stage.has_balancer() && each_time.contains(&drill)) {
            match drill::run(stages, drill, false).await? {
                Outcome::Kept => {}
                Outcome::Slow => slow.push(format!("{drill} on {stage}")),
                Outcome::Broken => bail!("drill {drill} breaks a promise"),
            }
        }
    }
    Ok(())
}

/// Every breaker there is, on the stage it breaks and on the next.
async fn proofs(stages: &Compose) -> anyhow::Result<()> {
    for breaker in Stage::ALL
        .into_iter()
        .filter(|stage| stage.next().is_some())
    {
        ensure!(
            breaker::prove(stages, breaker, false).await?,
            "breaker {} proves nothing",
            breaker.number()
        );
    }
    Ok(())
}

async fn promises(stages: &Compose, stage: Stage) -> anyhow::Result<()> {
    room::at_rest(stages, stage).await?;
    ensure!(
        check::run(stages, stage, false).await?,
        "{stage} breaks a promise"
    );
    smoke(stages, stage).await?;
    browser(stages).await?;
    room::under_breaker(stages, stage).await?;
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
    docker::stream(&run, Duration::from_secs(120)).await
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
    console::step("killing a box of each service during checkouts");
    let books = crash::kill_boxes(stages, stage, &stage.one_of_each()).await?;
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

/// Leaves nothing; an error is the first of what went wrong, when all was tried.
async fn clear(stages: &Compose) -> anyhow::Result<()> {
    let mut cleared = promises::forget(&promises::folder(stages));
    if !stages.is_there().await? {
        return cleared;
    }
    console::step("removing the stages of the test");
    for stage in Stage::ALL {
        cleared = cleared.and(stages.down(stage, true).await);
    }
    cleared
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
