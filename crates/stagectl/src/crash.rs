//! A box dies in the middle of checkouts: nothing that was acknowledged may be lost or doubled.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::audit::{self, Books};
use crate::compose::Compose;
use crate::console;
use crate::docker;
use crate::k6::LoadTest;
use crate::promises::Promises;
use crate::stage::Stage;
use crate::up;

/// Kills each of these boxes in turn while orders come in at 50 a second, and looks at the books.
pub(crate) async fn kill_boxes(
    compose: &Compose,
    stage: Stage,
    boxes: &[String],
) -> anyhow::Result<Books> {
    // Long enough to kill, restart and serve again for each box, with load before and after.
    let duration = format!("{}s", 10 + 15 * boxes.len());
    let settings = [("DURATION", duration)];
    let load = LoadTest {
        compose,
        stage,
        name: "checkouts",
        settings: &settings,
    };
    let before = Promises::made_to(compose)?;
    let placed_before = audit::books(compose, stage, &before).await?.open_orders;
    let faults = async {
        for name in boxes {
            // Two seconds of load.
            wait_for_orders(compose, 100).await?;
            let container = compose.container(name).await?;
            console::step(&format!("killing {name}"));
            docker::ask(&["kill", "--signal", "KILL", &container.id]).await?;
            docker::ask(&["start", &container.id]).await?;
            up::wait_until_it_serves(compose, stage).await?;
            console::step(&format!("{name} is back"));
        }
        anyhow::Ok(())
    };
    let (outcome, faults) = tokio::join!(load.run(), faults);
    let outcome = outcome?;
    faults?;
    ensure!(
        outcome.passed(),
        "nothing was shown: {:?}",
        outcome.thresholds
    );
    console::say(&format!(
        "{} requests, {} iterations dropped while nobody answered",
        outcome.requests, outcome.dropped_iterations
    ));
    let mut books = audit::books_when_drained(compose, stage).await?;
    let tried = Promises::made_to(compose)?.tried.len() - before.tried.len();
    let placed = books.open_orders.saturating_sub(placed_before);
    books.findings.extend(too_many(placed, tried as u64));
    Ok(books)
}

/// A key is one order, however often it is tried: more orders than keys were doubled.
fn too_many(placed: u64, tried: u64) -> Option<String> {
    (placed > tried).then(|| format!("{placed} orders were placed with {tried} keys"))
}

/// Until the load is under way: so many more orders were acknowledged.
pub(crate) async fn wait_for_orders(compose: &Compose, count: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    let before = Promises::made_to(compose)?.orders().len();
    while Promises::made_to(compose)?.orders().len() < before + count {
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "no orders come in"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_orders_than_keys_were_doubled() {
        assert_eq!(too_many(99, 100), None);
        assert_eq!(too_many(100, 100), None);
        let found = too_many(101, 100);
        assert_eq!(
            found.as_deref(),
            Some("101 orders were placed with 100 keys")
        );
    }
}
