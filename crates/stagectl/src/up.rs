//! `./stage up N`: from images to a shop that serves.

use std::time::{Duration, Instant};

use anyhow::bail;
use contract::Problem;
use serde_json::json;

use crate::compose::Compose;
use crate::console::{self, Progress};
use crate::stage::Stage;

/// The first build compiles everything: about 10 minutes on two cores.
const BUILD: Duration = Duration::from_secs(3600);
/// Nothing new to be heard from the shop for this long: it hangs. Longer than any one step of
/// filling the database takes at the default cap.
const SILENCE: Duration = Duration::from_secs(120);

pub(crate) async fn run(
    compose: &Compose,
    stage: Stage,
    build: bool,
    replace: bool,
    as_json: bool,
) -> anyhow::Result<bool> {
    let started = Instant::now();
    if build || !compose.has_images(stage).await? {
        console::step(&format!(
            "building the images of {stage} (the first time takes about 10 minutes)"
        ));
        compose.run(stage, &["build"], BUILD).await?;
    }
    let containers = compose.containers().await?;
    if let Some(other) = Compose::stage_of(&containers).filter(|other| *other != stage) {
        if !replace {
            console::fail(&format!(
                "{other} is running: ./stage up {} --replace stops it first and keeps its data",
                stage.number()
            ));
            return Ok(false);
        }
        console::step(&format!("stopping {other}; its data stays"));
        compose.down(other, false).await?;
    }
    console::step(&format!("starting {stage}"));
    compose
        .run(
            stage,
            &["up", "--detach", "--remove-orphans"],
            Duration::from_secs(300),
        )
        .await?;
    wait_until_it_serves(compose, stage).await?;

    let url = compose.front_url();
    let seconds = started.elapsed().as_secs_f64();
    if as_json {
        println!(
            "{}",
            json!({ "stage": stage, "seconds": seconds, "urls": { "shop": url } })
        );
    } else {
        console::say(&format!("{stage} serves after {seconds:.1} s"));
        println!("shop  {url}");
        console::say(
            "log in as shopper-00001@example.test or staff@example.test, password: correct horse",
        );
    }
    Ok(true)
}

/// Asks the front door until it answers as a shop. While the database is being filled it says how far
/// it is.
pub(crate) async fn wait_until_it_serves(compose: &Compose, stage: Stage) -> anyhow::Result<()> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let url = format!("{}/api/v1/products?limit=1", compose.front_url());
    let mut progress = Progress::start("waiting for the shop");
    let mut news = String::new();
    let mut heard = Instant::now();
    loop {
        let said = match http.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => match answer.json::<Problem>().await {
                Ok(problem) => problem.detail.unwrap_or(problem.title),
                Err(_) => "the shop is starting".to_owned(),
            },
            Err(_) => "waiting for the shop".to_owned(),
        };
        progress.tell(&said);
        if said != news {
            news = said;
            heard = Instant::now();
        }
        if heard.elapsed() > SILENCE {
            drop(progress);
            tell_why(compose, stage).await?;
            bail!(
                "{stage} does not serve: nothing new for {} s",
                SILENCE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The last words of each box.
async fn tell_why(compose: &Compose, stage: Stage) -> anyhow::Result<()> {
    for container in compose.containers().await? {
        console::say(&format!("{}: {}", container.service, container.status));
    }
    compose
        .run(
            stage,
            &["logs", "--tail", "20", "--no-color"],
            Duration::from_secs(30),
        )
        .await
}
