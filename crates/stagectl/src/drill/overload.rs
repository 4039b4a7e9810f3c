//! More than the web boxes can do: what is let in must be served well, and the rest told at once.

use anyhow::ensure;

use super::field::Field;
use super::load::Load;
use super::report::Findings;
use super::series::{Figures, Series};

/// One web box does, with this part of its cap, so that three times its peak is no more than k6 can
/// offer on two cores. Less of a box would not do: how many requests it is given at once is made for
/// whole ones.
const PART: f64 = 0.4;
/// The same where Redis has the answers, and a page costs the web box half as much.
const PART_WITH_REDIS: f64 = 0.2;
/// The peak is looked for up to here, requests a second: far beyond what such boxes can do.
const RAMP_TO: f64 = 900.0;
const RAMP_SECONDS: u64 = 30;
const HOLD_SECONDS: u64 = 25;
/// Goodput is that of so many seconds.
const STRETCH: f64 = 4.0;

pub(super) async fn overload(field: &Field<'_>) -> anyhow::Result<Findings> {
    field.scale(1).await?;
    field.whole(1).await?;
    let part = match field.stage.has_redis() {
        true => PART_WITH_REDIS,
        false => PART,
    };
    field.slow_down(field.stage.web_service(), part).await?;
    field.mark(format!(
        "looking for the peak: up to {RAMP_TO:.0} requests a second"
    ));
    let ramp = offer(field, 50.0, RAMP_TO, RAMP_SECONDS).await?;
    let peak = peak(&ramp);
    ensure!(peak > 0.0, "nothing was served");
    ensure!(
        peak < 0.75 * RAMP_TO,
        "the peak was not found: {peak:.0} requests a second were served"
    );
    let offered = 3.0 * peak;
    field.mark(format!(
        "offering {offered:.0} requests a second, three times {peak:.0}"
    ));
    let hold = offer(field, offered, offered, HOLD_SECONDS).await?;

    // Once it has settled.
    let (from, to) = (hold.first() + 5.0, hold.last() - 1.0);
    let goodput = served(&hold, from, to);
    let admitted = Figures::of(hold.between(from, to).filter(|r| r.ok));
    let refused = Figures::of(hold.between(from, to).filter(|r| !r.ok));
    let unanswered = hold
        .between(from, to)
        .filter(|r| r.status != 503 && !r.ok)
        .count();
    let mut found = Findings {
        load: Figures::of(hold.requests.iter()),
        ..Findings::default()
    };
    found.figure("peak", peak, "requests/s");
    found.figure("goodput at three times that", goodput, "requests/s");
    found.figure("p50 of what was let in", admitted.p50_ms, "ms");
    found.figure("p99 of a refusal", refused.p99_ms, "ms");
    found.figure("failures other than 503", unanswered as f64, "");
    found.at_most(
        "not even asked, as all clients were waiting",
        1.0,
        100.0 * hold.left_out(),
        "%",
    );
    found.at_least(
        "goodput, part of the peak",
        80.0,
        100.0 * goodput / peak,
        "%",
    );
    found.at_most("p99 of what was let in", 500.0, admitted.p99_ms, "ms");
    Ok(found)
}

async fn offer(field: &Field<'_>, from: f64, to: f64, seconds: u64) -> anyhow::Result<Series> {
    let load = Load {
        name: "overload",
        settings: vec![
            ("START", format!("{from:.0}")),
            ("RATE", format!("{to:.0}")),
            ("DURATION", format!("{seconds}s")),
        ],
    };
    load.run(field).await
}

/// Requests a second that were answered as they should.
fn served(series: &Series, from: f64, to: f64) -> f64 {
    series.between(from, to).filter(|r| r.ok).count() as f64 / (to - from)
}

/// The best stretch.
fn peak(series: &Series) -> f64 {
    let (first, last) = (series.first(), series.last());
    let mut best: f64 = 0.0;
    let mut at = first;
    while at + STRETCH <= last {
        best = best.max(served(series, at, at + STRETCH));
        at += 1.0;
    }
    best
}
