//! `./stage up N`: from images to a shop that serves.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::bail;
use contract::Problem;
use serde_json::json;

use crate::Misuse;
use crate::balancer;
use crate::compose::Compose;
use crate::console::{self, Progress};
use crate::images;
use crate::stage::Stage;

/// Nothing new to be heard from the shop for this long: it hangs. Longer than any one step of
/// filling the database takes at the default cap.
const SILENCE: Duration = Duration::from_secs(120);
/// The shop answers within seconds of its start, if only to say how far it is. Without any answer
/// for so long it does not start: its box may be making a new database first.
const NO_ANSWER: Duration = Duration::from_secs(45);
/// However much there is to be heard: far beyond filling a database at the default cap.
const START: Duration = Duration::from_secs(1800);

pub(crate) async fn run(
    compose: &Compose,
    stage: Stage,
    build: bool,
    replace: bool,
    as_json: bool,
) -> anyhow::Result<bool> {
    let containers = compose.containers().await?;
    let other = Compose::stage_of(&containers).filter(|other| *other != stage);
    if let Some(other) = other.filter(|_| !replace) {
        bail!(Misuse(format!(
            "{other} is running: ./stage up {} --replace stops it first and keeps its data",
            stage.number()
        )));
    }
    let took = tokio::select! {
        took = bring_up(compose, stage, build) => took?,
        _ = tokio::signal::ctrl_c() => bail!(
            "interrupted: what was started goes on; ./stage up {} waits for it, ./stage down stops it",
            stage.number()
        ),
    };
    let seconds = took.as_secs_f64();
    let (url, room) = (compose.front_url(), compose.control_url());
    if as_json {
        let urls = json!({ "shop": url, "control_room": room });
        println!(
            "{}",
            json!({ "stage": stage, "seconds": seconds, "urls": urls })
        );
    } else {
        println!("shop          {url}");
        println!("control room  {room}");
        console::say(
            "log in as shopper-00001@example.test or staff@example.test, password: correct horse",
        );
    }
    Ok(true)
}

/// From whatever runs to this stage, serving, with the data kept. Gives the time it took, builds
/// apart.
pub(crate) async fn bring_up(
    compose: &Compose,
    stage: Stage,
    build: bool,
) -> anyhow::Result<Duration> {
    let containers = compose.containers().await?;
    if containers.iter().all(|c| c.state != "running") {
        compose.ports().refuse_taken()?;
    }
    images::ensure(compose, &stage.file(), build).await?;
    let started = Instant::now();
    if let Some(other) = Compose::stage_of(&containers).filter(|other| *other != stage) {
        console::step(&format!("stopping {other}; its data stays"));
        compose.down(other, false).await?;
    }
    console::step(&format!("starting {stage}"));
    let up = ["up", "--detach", "--remove-orphans"];
    compose
        .run(&stage.file(), &up, Duration::from_secs(300))
        .await?;
    wait_until_it_serves(compose, stage).await?;
    let took = started.elapsed();
    console::say(&format!("{stage} serves after {:.1} s", took.as_secs_f64()));
    Ok(took)
}

/// Until it serves, by all of its web boxes.
pub(crate) async fn wait_until_it_serves(compose: &Compose, stage: Stage) -> anyhow::Result<()> {
    wait_for_an_answer(compose, stage).await?;
    if stage.has_balancer() {
        balancer::wait_for(compose, stage.count("web")).await?;
    }
    Ok(())
}

/// Asks the front door until it answers as a shop. While the database is being filled it says how far
/// it is.
async fn wait_for_an_answer(compose: &Compose, stage: Stage) -> anyhow::Result<()> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let url = format!("{}/api/v1/products?limit=1", compose.front_url());
    let mut progress = Progress::start("waiting for the shop");
    let mut patience = Patience::new(Instant::now());
    loop {
        let said = match http.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => match answer.json::<Problem>().await {
                Ok(problem) => Some(problem.detail.unwrap_or(problem.title)),
                Err(_) => Some("the shop is starting".to_owned()),
            },
            Err(_) => None,
        };
        progress.tell(said.as_deref().unwrap_or("waiting for the shop"));
        if let Err(why) = patience.hear(said, Instant::now()) {
            drop(progress);
            tell_why(compose, stage).await?;
            bail!("{stage} does not serve: {why}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How long a shop that starts is waited for. What it said before is no news: one that dies and
/// starts again says the same things over and over.
struct Patience {
    started: Instant,
    heard: HashSet<String>,
    last_news: Instant,
    last_answer: Instant,
}

impl Patience {
    fn new(now: Instant) -> Patience {
        Patience {
            started: now,
            heard: HashSet::new(),
            last_news: now,
            last_answer: now,
        }
    }

    /// An error, with the reason, once it is exhausted. `None`: the shop did not answer.
    fn hear(&mut self, said: Option<String>, now: Instant) -> Result<(), String> {
        if let Some(said) = said {
            self.last_answer = now;
            if self.heard.insert(said) {
                self.last_news = now;
            }
        }
        if now - self.last_answer > NO_ANSWER {
            return Err(format!("no answer for {} s", NO_ANSWER.as_secs()));
        }
        if now - self.last_news > SILENCE {
            return Err(format!("nothing new for {} s", SILENCE.as_secs()));
        }
        if now - self.started > START {
            return Err(format!("not ready after {} s", START.as_secs()));
        }
        Ok(())
    }
}

/// The last words of each box.
async fn tell_why(compose: &Compose, stage: Stage) -> anyhow::Result<()> {
    for container in compose.containers().await? {
        console::say(&format!("{}: {}", container.box_name, container.status));
    }
    compose
        .run(
            &stage.file(),
            &["logs", "--tail", "20", "--no-color"],
            Duration::from_secs(30),
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it is waited for a shop that says something every second; without end, an hour.
    fn waited(said: impl Fn(u64) -> Option<String>) -> (u64, Option<String>) {
        let start = Instant::now();
        let mut patience = Patience::new(start);
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            if let Err(why) = patience.hear(said(second), now) {
                return (second, Some(why));
            }
        }
        (3600, None)
    }

    fn given_up(seconds: u64, why: &str) -> (u64, Option<String>) {
        (seconds, Some(why.to_owned()))
    }

    #[test]
    fn a_shop_that_does_not_answer_is_given_up() {
        assert_eq!(waited(|_| None), given_up(46, "no answer for 45 s"));
    }

    #[test]
    fn a_crash_loop_is_no_news() {
        let words = [
            None,
            Some("filling the catalogue: 1 %"),
            Some("the shop is starting"),
        ];
        let gone = waited(|second| words[second as usize % 3].map(str::to_owned));
        assert_eq!(gone, given_up(123, "nothing new for 120 s"));
    }

    #[test]
    fn a_slow_start_is_waited_for_but_not_for_ever() {
        let slow = waited(|second| Some(format!("{} rows", second / 100)));
        assert_eq!(slow, given_up(1801, "not ready after 1800 s"));
    }
}
