//! The running stage while a drill breaks it: each fault that drills can do, when it was done, and how
//! all of them are undone.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure};
use serde::Serialize;

use super::cap::Cap;
use crate::balancer::{self, State};
use crate::compose::Compose;
use crate::console;
use crate::container::Container;
use crate::docker;
use crate::shopper::Shopper;
use crate::stage::Stage;
use crate::up;

/// For compose to make or remove a few boxes.
const SCALING: Duration = Duration::from_secs(120);
/// Far more than a box's slow start.
const WARM_UP: Duration = Duration::from_secs(20);
/// Longer than a shop may take to finish its requests and to exit.
const STOPPING: &str = "40";

#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) compose: &'a Compose,
    pub(crate) stage: Stage,
    changes: Mutex<Changes>,
}

/// What was done, in its order; and what only its doer can undo.
#[derive(Debug, Default)]
struct Changes {
    marks: Vec<Mark>,
    caps: Vec<(Container, Cap)>,
    broken: Vec<Container>,
    /// The web tier is set up in another way than the stage is.
    set_up: bool,
}

/// Something that happened during a drill.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mark {
    /// Seconds since the epoch.
    pub(crate) at: f64,
    pub(crate) what: String,
}

impl<'a> Field<'a> {
    pub(crate) fn new(compose: &'a Compose, stage: Stage) -> Field<'a> {
        Field {
            compose,
            stage,
            changes: Mutex::default(),
        }
    }

    /// Notes what happens now, and says so; gives the time.
    pub(crate) fn mark(&self, what: impl Into<String>) -> f64 {
        let (at, what) = (now(), what.into());
        console::step(&what);
        self.changes().marks.push(Mark { at, what });
        at
    }

    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.changes().marks.clone()
    }

    /// Some products that can be bought.
    pub(crate) async fn skus(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let guest = Shopper::guest(&self.compose.front_url())?;
        let answer = guest.get(&format!("/products?limit={count}")).await?;
        let body = answer.expect(200)?.json()?;
        let items = body["items"].as_array().map_or(&[][..], Vec::as_slice);
        let skus = items.iter().filter_map(|item| item["sku"].as_str());
        let skus: Vec<_> = skus.map(str::to_owned).collect();
        ensure!(
            skus.len() == count,
            "there are only {} products",
            skus.len()
        );
        Ok(skus)
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self, names: &[&str]) -> anyhow::Result<f64> {
        let containers = self.compose.containers().await?;
        let of_names = containers
            .iter()
            .filter(|c| names.contains(&c.box_name.as_str()));
        let mut args = vec!["kill", "--signal", "KILL"];
        args.extend(of_names.map(|c| c.id.as_str()));
        ensure!(args.len() == 3 + names.len(), "not all of {names:?} run");
        let at = self.mark(format!("killing {}", names.join(", ")));
        docker::ask(&args).await?;
        Ok(at)
    }

    pub(crate) async fn start(&self, name: &str) -> anyhow::Result<f64> {
        let container = self.compose.container(name).await?;
        let at = self.mark(format!("starting {name}"));
        docker::ask(&["start", &container.id]).await?;
        Ok(at)
    }

    /// Stops it as a deploy does, by a signal that lets it finish, and starts it anew.
    pub(crate) async fn restart(&self, name: &str) -> anyhow::Result<f64> {
        let container = self.compose.container(name).await?;
        let at = self.mark(format!("deploying {name}"));
        docker::ask(&["restart", "--time", STOPPING, &container.id]).await?;
        Ok(at)
    }

    /// Stops all its processes where they are; the kernel goes on accepting for them.
    pub(crate) async fn freeze(&self, name: &str) -> anyhow::Result<f64> {
        let container = self.compose.container(name).await?;
        let at = self.mark(format!("freezing {name}"));
        docker::ask(&["pause", &container.id]).await?;
        Ok(at)
    }

    pub(crate) async fn thaw(&self, name: &str) -> anyhow::Result<f64> {
        let container = self.compose.container(name).await?;
        let at = self.mark(format!("thawing {name}"));
        docker::ask(&["unpause", &container.id]).await?;
        Ok(at)
    }

    /// Gives a box this part of the cap it has.
    pub(crate) async fn slow_down(&self, name: &str, part: f64) -> anyhow::Result<f64> {
        let container = self.compose.container(name).await?;
        let before = Cap::of(&container).await?;
        let cap = Cap::of_cores(before.cores() * part);
        let at = self.mark(format!("{name} gets {:.3} cores", cap.cores()));
        self.changes().caps.push((container.clone(), before));
        cap.set(&container).await?;
        Ok(at)
    }

    /// Lets a box answer a part of its requests with 500.
    pub(crate) async fn break_it(&self, name: &str, fail_ratio: f64) -> anyhow::Result<f64> {
        let container = self.compose.container(name).await?;
        self.changes().broken.push(container.clone());
        let at = self.mark(format!(
            "{name} fails {:.0} % of its requests",
            fail_ratio * 100.0
        ));
        let ratio = fail_ratio.to_string();
        self.shop(&container, &["shop", "fault", "--fail-ratio", &ratio])
            .await?;
        Ok(at)
    }

    /// All caps and faults as they were.
    pub(crate) async fn mend(&self) -> anyhow::Result<f64> {
        let at = self.mark("mending it");
        self.restore().await?;
        Ok(at)
    }

    /// So many web boxes.
    pub(crate) async fn scale(&self, count: usize) -> anyhow::Result<f64> {
        let at = self.mark(format!("web boxes: {count}"));
        self.scale_quietly(count).await?;
        Ok(at)
    }

    async fn scale_quietly(&self, count: usize) -> anyhow::Result<()> {
        let scale = format!("web={count}");
        let up = [
            "up",
            "--detach",
            "--no-deps",
            "--no-recreate",
            "--scale",
            &scale,
            "web",
        ];
        let file = self.stage.file();
        self.compose.run(&file, &up, SCALING).await
    }

    /// Makes balancer and web boxes anew with these variables of the compose files; those that have them
    /// already stay as they are. Waits until they serve.
    pub(crate) async fn set_up(
        &self,
        what: &str,
        knobs: &[(&'static str, &'static str)],
    ) -> anyhow::Result<f64> {
        let at = self.mark(format!("setting up {what}"));
        self.changes().set_up = true;
        self.remake(&self.compose.with_knobs(knobs)).await?;
        up::wait_until_it_serves(self.compose, self.stage).await?;
        Ok(at)
    }

    /// The balancer after the web boxes, and anew if they are: one that sees other boxes behind the same
    /// addresses goes on calling them by the names of the old ones.
    async fn remake(&self, compose: &Compose) -> anyhow::Result<()> {
        let ids = async || {
            let boxes = compose.containers_of("web").await?;
            anyhow::Ok(boxes.into_iter().map(|one| one.id).collect::<BTreeSet<_>>())
        };
        let (file, up) = (self.stage.file(), ["up", "--detach", "--no-deps"]);
        let before = ids().await?;
        compose
            .run(&file, &[&up[..], &["web"]].concat(), SCALING)
            .await?;
        let lb: &[&str] = match ids().await? == before {
            true => &["lb"],
            false => &["--force-recreate", "lb"],
        };
        compose.run(&file, &[&up[..], lb].concat(), SCALING).await
    }

    /// Seconds since the epoch at which the balancer stopped giving requests to a box; waits for it as
    /// long as told.
    pub(crate) async fn left_out(&self, name: &str, patience: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        loop {
            let view = balancer::view(self.compose).await?;
            if view.leaves_out(name) {
                let state = view
                    .state(name)
                    .map_or("gone".to_owned(), |state| format!("{state:?}"));
                return Ok(self.mark(format!(
                    "{name} is {} for the balancer",
                    state.to_lowercase()
                )));
            }
            if started.elapsed() > patience {
                bail!(
                    "the balancer still has {name} after {} s",
                    patience.as_secs()
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until all web boxes are given requests again.
    pub(crate) async fn whole(&self, count: usize) -> anyhow::Result<f64> {
        balancer::wait_for(self.compose, count).await?;
        Ok(self.mark(format!("the balancer has {count} web boxes")))
    }

    /// Waits until a box has the share that all others have: who comes back begins with less.
    pub(crate) async fn warm(&self, name: &str) -> anyhow::Result<f64> {
        let started = Instant::now();
        while balancer::view(self.compose).await?.state(name) != Some(State::Ready) {
            ensure!(
                started.elapsed() < WARM_UP,
                "{name} has no full share after {} s",
                WARM_UP.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(self.mark(format!("{name} may have a full share")))
    }

    /// Brings the stage back to what it is: every box runs, at its cap, without faults, as many as there
    /// should be, set up as the stage is. Whatever the drill was at.
    pub(crate) async fn undo(&self) -> anyhow::Result<()> {
        let mut undone = Ok(());
        // First: an interrupted making anew leaves boxes that only compose can tell from one another.
        if std::mem::take(&mut self.changes().set_up) {
            console::step("setting up the web tier as it was");
            undone = self.remake(self.compose).await;
        }
        for container in self.compose.containers().await? {
            let act = match container.state.as_str() {
                "paused" => "unpause",
                "exited" | "created" => "start",
                _ => continue,
            };
            console::step(&format!("{act} {}", container.box_name));
            undone = undone.and(docker::ask(&[act, &container.id]).await.map(drop));
        }
        undone = undone.and(self.restore().await);
        let count = self.stage.count("web");
        if self.stage.has_balancer() && self.compose.containers_of("web").await?.len() != count {
            console::step(&format!("web boxes: {count}"));
            undone = undone.and(self.scale_quietly(count).await);
        }
        undone?;
        up::wait_until_it_serves(self.compose, self.stage).await
    }

    async fn restore(&self) -> anyhow::Result<()> {
        let (caps, broken) = {
            let mut changes = self.changes();
            (
                std::mem::take(&mut changes.caps),
                std::mem::take(&mut changes.broken),
            )
        };
        let mut restored = Ok(());
        for (container, cap) in caps {
            restored = restored.and(cap.set(&container).await);
        }
        for container in broken {
            restored = restored.and(self.shop(&container, &["shop", "fault"]).await);
        }
        restored
    }

    async fn shop(&self, container: &Container, args: &[&str]) -> anyhow::Result<()> {
        let out = self.compose.exec(container, args, None).await?;
        ensure!(
            out.status.success(),
            "{} in {}: {}",
            args.join(" "),
            container.box_name,
            String::from_utf8_lossy(&out.stderr).trim()
        );
        Ok(())
    }

    fn changes(&self) -> std::sync::MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
