//! `./stage break N`: the load that breaks stage N.

use crate::compose::Compose;
use crate::console;
use crate::k6::LoadTest;
use crate::stage::Stage;

/// False when the stage broke under it: a threshold failed.
pub(crate) async fn run(compose: &Compose, breaker: Stage, as_json: bool) -> anyhow::Result<bool> {
    let stage = compose.running_stage().await?;
    let name = format!("break{}", breaker.number());
    if !compose
        .root()
        .join(format!("loadtests/{name}.js"))
        .is_file()
    {
        anyhow::bail!("there is no breaker {} yet", breaker.number());
    }
    console::step(&format!("breaker {} against {stage}", breaker.number()));
    let outcome = LoadTest {
        compose,
        stage,
        name: &name,
        settings: &[],
    }
    .run()
    .await?;
    if as_json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        for threshold in &outcome.thresholds {
            let verdict = if threshold.ok { "ok  " } else { "FAIL" };
            println!("{verdict}  {}: {}", threshold.metric, threshold.threshold);
        }
        let verdict = if outcome.passed() { "holds" } else { "breaks" };
        println!(
            "{stage} {verdict} under breaker {} ({} requests)",
            breaker.number(),
            outcome.requests
        );
        console::say(&format!(
            "report: target/reports/{name}-stage{}.html",
            stage.number()
        ));
    }
    Ok(outcome.passed())
}
