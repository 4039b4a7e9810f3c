//! Ten minutes with a thousand open connections: does the balancer keep what it should let go?

use anyhow::{Context, ensure};

use super::field::Field;
use super::load::Load;
use super::report::Findings;
use super::series::Figures;
use crate::prometheus;

/// How long it lasts. The first two minutes fill pools and buffers, and are not judged.
const SECONDS: u64 = 600;
/// Of a thousand, at each moment: some may be closed and opened again.
const OPEN: f64 = 970.0;
/// More in the last two minutes than in the two after the first is a leak, and not an allocator's mood.
const GROWTH_MIB: f64 = 2.0;

pub(super) async fn balancer(field: &Field<'_>) -> anyhow::Result<Findings> {
    let load = Load {
        name: "soak",
        settings: vec![("DURATION", format!("{SECONDS}s"))],
    };
    let series = load.run(field).await?;
    let mut found = Findings {
        load: Figures::of(series.requests.iter()),
        ..Findings::default()
    };
    let ask = async |promql: String| {
        let samples = prometheus::query(field.compose, &promql).await?;
        let sample = samples
            .first()
            .with_context(|| format!("no figures of {promql}"))?;
        anyhow::Ok(sample.value)
    };
    // From when all have come until the first one leaves.
    let connections = "min_over_time(http_server_open_connections{service=\"lb\"}[8m] offset 45s)";
    let connections = ask(connections.to_owned()).await?;
    ensure!(
        connections >= OPEN,
        "nothing was shown: only {connections} connections were open for a while"
    );
    // Of the same length, so that neither catches more of a peak.
    let memory = |ago: u64| {
        format!("avg_over_time(box_memory_bytes{{service=\"lb\"}}[2m] offset {ago}s) / 2^20")
    };
    let (early, late) = (ask(memory(SECONDS - 240)).await?, ask(memory(10)).await?);
    found.figure("connections open at any time, at least", connections, "");
    found.figure("memory of lb, minutes 3 and 4", early, "MiB");
    found.figure("memory of lb, the last two minutes", late, "MiB");
    found.at_most("memory of lb grows by", GROWTH_MIB, late - early, "MiB");
    found.at_most("failed requests", 0.0, found.load.failed as f64, "");
    Ok(found)
}
