//! What three web boxes carry, against one: the same mix as in breaker 2, by as many visitors as keep
//! them full.

use super::field::Field;
use super::load::Load;
use super::report::Findings;
use super::series::{Figures, Series};

/// The first seconds of a run fill pools and caches.
const WARM_UP: f64 = 6.0;

/// One box, three, and one again: a machine that changes meanwhile shows.
pub(super) async fn web(field: &Field<'_>) -> anyhow::Result<Findings> {
    let count = field.stage.count("web");
    let before = with(field, 1).await?;
    let three = with(field, count).await?;
    let after = with(field, 1).await?;
    let one = (before.0 + after.0) / 2.0;
    let mut found = Findings {
        load: three.1,
        ..Findings::default()
    };
    found.figure("one web box", before.0, "requests/s");
    found.figure("three web boxes", three.0, "requests/s");
    found.figure("one web box again", after.0, "requests/s");
    found.at_least("three web boxes, times one", 2.7, three.0 / one, "");
    Ok(found)
}

async fn with(field: &Field<'_>, count: usize) -> anyhow::Result<(f64, Figures)> {
    field.scale(count).await?;
    field.whole(count).await?;
    let load = Load {
        name: "webcapacity",
        settings: vec![("DURATION", "30s".to_owned())],
    };
    let series = load.run(field).await?;
    let figures = Figures::of(series.requests.iter());
    let rate = rate(&series);
    field.mark(format!("web boxes: {count}, {rate:.0} requests a second"));
    Ok((rate, figures))
}

fn rate(series: &Series) -> f64 {
    let (from, to) = (series.first() + WARM_UP, series.last() - 1.0);
    let served = series.between(from, to).filter(|r| r.ok).count();
    served as f64 / (to - from)
}
