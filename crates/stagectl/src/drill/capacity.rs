//! What three web boxes carry, against one: the same mix as in breaker 2, by as many visitors a box as
//! keep it full.

use anyhow::ensure;

use super::field::Field;
use super::load::Load;
use super::report::Findings;
use super::series::{Figures, Series};
use crate::prometheus;

/// Enough that one always has his password hashed, few enough that all get their turn: who waits for
/// that for two seconds is sent away, and then the mix is another one.
const VISITORS_PER_BOX: usize = 10;
/// Part of the requests that may fail before the mix is no longer the same.
const FAILED: f64 = 0.005;
/// The first seconds of a run fill pools and caches.
const WARM_UP: f64 = 6.0;

/// One box, three, and one again: a machine that changes meanwhile shows.
pub(super) async fn web(field: &Field<'_>) -> anyhow::Result<Findings> {
    let count = field.stage.count("web");
    let (before, _) = with(field, 1).await?;
    let (three, load) = with(field, count).await?;
    let (after, _) = with(field, 1).await?;
    let mut found = Findings {
        load,
        ..Findings::default()
    };
    found.figure("one web box", before, "requests/s");
    found.figure("three web boxes", three, "requests/s");
    found.figure("one web box again", after, "requests/s");
    let one = (before + after) / 2.0;
    found.at_least("three web boxes, times one", 2.7, three / one, "");
    Ok(found)
}

async fn with(field: &Field<'_>, count: usize) -> anyhow::Result<(f64, Figures)> {
    field.scale(count).await?;
    field.whole(count).await?;
    let load = Load {
        name: "webcapacity",
        settings: vec![
            ("DURATION", "32s".to_owned()),
            ("VISITORS", (VISITORS_PER_BOX * count).to_string()),
        ],
    };
    let series = load.run(field).await?;
    let boxes = prometheus::box_loads(field.compose).await?;
    let figures = Figures::of(series.requests.iter());
    ensure!(
        (figures.failed as f64) < FAILED * figures.requests as f64,
        "nothing was measured: {} of {} requests failed",
        figures.failed,
        figures.requests
    );
    let rate = rate(&series);
    let full = boxes
        .iter()
        .map(|load| format!("{} {:.0} %", load.name, load.cpu_use * 100.0));
    let full = full.collect::<Vec<_>>().join(", ");
    field.mark(format!(
        "web boxes: {count}, {rate:.0} requests a second, with {full}"
    ));
    Ok((rate, figures))
}

fn rate(series: &Series) -> f64 {
    let (from, to) = (series.first() + WARM_UP, series.last() - 1.0);
    let served = series.between(from, to).filter(|r| r.ok).count();
    served as f64 / (to - from)
}
