//! `./stage break N`: the load that breaks stage N, and what it does to each box.

use anyhow::bail;
use serde::Serialize;

use crate::Misuse;
use crate::compose::Compose;
use crate::console;
use crate::k6::{LoadTest, Outcome};
use crate::prometheus::{self, BoxLoad};
use crate::stage::{Stage, Weakness};
use crate::up;

/// What a breaker did to a stage.
#[derive(Debug, Serialize)]
pub(crate) struct Breakage {
    breaker: Stage,
    stage: Stage,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) boxes: Vec<BoxLoad>,
}

impl Breakage {
    pub(crate) fn holds(&self) -> bool {
        self.outcome.passed()
    }

    /// The service whose boxes are full, if any is.
    pub(crate) fn saturated(&self) -> Option<&str> {
        prometheus::saturated(&self.boxes)
    }

    /// Whether it broke the way it should: by that alone, where no box is to be full.
    fn shows(&self, weakness: Weakness) -> bool {
        match weakness {
            Weakness::Saturated(service) => !self.holds() && self.saturated() == Some(service),
            Weakness::Exceeded(metric) => self.outcome.failed() == [metric],
        }
    }

    fn tell(&self) {
        for threshold in &self.outcome.thresholds {
            let verdict = if threshold.ok { "ok  " } else { "FAIL" };
            let seen = threshold
                .seen
                .map_or(String::new(), |seen| format!(", seen {seen:.4}"));
            println!(
                "{verdict}  {}: {}{seen}",
                threshold.metric, threshold.threshold
            );
        }
        for load in &self.boxes {
            println!("{}", load.describe());
        }
        let failed = self.outcome.failed();
        let verdict = match (self.holds(), self.saturated()) {
            (true, _) => "holds".to_owned(),
            (false, Some(name)) => format!("breaks: {name} is saturated"),
            (false, None) => format!("breaks, though no tier is saturated: {}", failed.join(", ")),
        };
        println!(
            "{} under breaker {}: {verdict}",
            self.stage,
            self.breaker.number()
        );
    }
}

/// False when the stage broke under it: a threshold failed.
pub(crate) async fn run(compose: &Compose, breaker: Stage, as_json: bool) -> anyhow::Result<bool> {
    let stage = compose.running_stage().await?;
    let breakage = break_stage(compose, breaker, stage).await?;
    if as_json {
        println!("{}", serde_json::to_string(&breakage)?);
    } else {
        breakage.tell();
        let (n, on) = (breaker.number(), stage.number());
        console::say(&format!("report: target/reports/break{n}-stage{on}.html"));
    }
    Ok(breakage.holds())
}

/// The load test that breaks a stage, once there is one.
pub(crate) fn load_test(compose: &Compose, breaker: Stage) -> Option<String> {
    let name = format!("break{}", breaker.number());
    let file = compose.root().join(format!("loadtests/{name}.js"));
    file.is_file().then_some(name)
}

/// Runs a breaker against the running stage, and looks at the boxes right after.
pub(crate) async fn break_stage(
    compose: &Compose,
    breaker: Stage,
    stage: Stage,
) -> anyhow::Result<Breakage> {
    let Some(name) = load_test(compose, breaker) else {
        bail!(Misuse(format!(
            "there is no breaker {} yet",
            breaker.number()
        )));
    };
    console::step(&format!("breaker {} against {stage}", breaker.number()));
    let outcome = LoadTest {
        compose,
        stage,
        name: &name,
        settings: &[],
    }
    .run()
    .await?;
    let boxes = prometheus::box_loads(compose).await?;
    Ok(Breakage {
        breaker,
        stage,
        outcome,
        boxes,
    })
}

/// `./stage prove N`: breaker N breaks stage N, by the box that is expected, and the next stage holds
/// under the same load, with the data kept.
pub(crate) async fn prove(
    compose: &Compose,
    breaker: Stage,
    as_json: bool,
) -> anyhow::Result<bool> {
    let Some(next) = breaker.next() else {
        bail!(Misuse(format!(
            "the stage after {breaker} is not there yet"
        )));
    };
    up::bring_up(compose, breaker, false).await?;
    let before = break_stage(compose, breaker, breaker).await?;
    up::bring_up(compose, next, false).await?;
    let after = break_stage(compose, breaker, next).await?;

    let weakness = breaker.weakness();
    let broke = before.shows(weakness);
    let proved = broke && after.holds();
    if as_json {
        println!(
            "{}",
            serde_json::json!({ "proved": proved, "before": before, "after": after })
        );
    } else {
        before.tell();
        after.tell();
        let (expected, verb) = match weakness {
            Weakness::Saturated(service) => (service, "is saturated"),
            Weakness::Exceeded(metric) => (metric, "fails"),
        };
        if proved {
            println!("proved: {expected} breaks {breaker}, and {next} holds");
        } else if !broke {
            println!("not proved: {breaker} should break, and by this: {expected} {verb}");
        } else {
            println!("not proved: {next} should hold");
        }
    }
    Ok(proved)
}
