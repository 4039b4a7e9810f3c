//! A box dies in the middle of checkouts: nothing that was acknowledged may be lost or doubled.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::audit::{self, Books};
use crate::compose::Compose;
use crate::console;
use crate::k6::LoadTest;
use crate::stage::Stage;
use crate::up;

/// Kills each of these boxes in turn while orders come in at 50 a second, and looks at the books.
pub(crate) async fn kill_boxes(
    compose: &Compose,
    stage: Stage,
    boxes: &[&str],
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
    let faults = async {
        for service in boxes {
            wait_for_orders(compose).await?;
            let container = compose.container(service).await?;
            console::step(&format!("killing {service}"));
            compose
                .docker(&["kill", "--signal", "KILL", &container.id])
                .await?;
            compose.docker(&["start", &container.id]).await?;
            up::wait_until_it_serves(compose, stage).await?;
            console::step(&format!("{service} is back"));
        }
        anyhow::Ok(())
    };
    let (outcome, faults) = tokio::join!(load.run(), faults);
    outcome?;
    faults?;
    let books = audit::books_when_drained(compose, stage).await?;
    ensure!(
        books.acknowledged > 0,
        "no order was acknowledged at all: nothing was shown"
    );
    Ok(books)
}

/// Until the load is under way: orders are being acknowledged now.
async fn wait_for_orders(compose: &Compose) -> anyhow::Result<()> {
    let started = Instant::now();
    let before = audit::acknowledged_so_far(compose)?;
    // A hundred orders: two seconds of load.
    while audit::acknowledged_so_far(compose)? < before + 100 {
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "no orders come in"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
