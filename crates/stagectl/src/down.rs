//! `./stage down`.

use crate::compose::Compose;
use crate::console;
use crate::promises;
use crate::stage::Stage;

pub(crate) async fn run(compose: &Compose, volumes: bool) -> anyhow::Result<bool> {
    let containers = compose.containers().await?;
    let running = Compose::stage_of(&containers);
    if running.is_none() && !(volumes && compose.is_there().await?) {
        console::say("nothing is running");
        return Ok(true);
    }
    // Volumes may outlive their containers: any stage's file names them all.
    let stage = running.unwrap_or(Stage::ALL[Stage::ALL.len() - 1]);
    console::step(&format!("stopping {stage}"));
    compose.down(stage, volumes).await?;
    if volumes {
        // The volumes of layers that this stage does not have.
        for other in Stage::ALL.into_iter().filter(|other| *other != stage) {
            compose.down(other, true).await?;
        }
        promises::forget(&promises::folder(compose))?;
        console::say("stopped; the data is deleted");
    } else {
        console::say("stopped; the data is kept (./stage down --volumes deletes it)");
    }
    Ok(true)
}
