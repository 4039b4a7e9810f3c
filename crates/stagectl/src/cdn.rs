//! What the CDN's box is asked from inside.

use anyhow::ensure;
use serde::Deserialize;

use crate::compose::Compose;

#[derive(Debug, Deserialize)]
struct View {
    upstreams: Vec<Upstream>,
}

#[derive(Debug, Deserialize)]
struct Upstream {
    requests: u64,
}

/// Requests that it has sent to its origin so far.
pub(crate) async fn fetches(compose: &Compose) -> anyhow::Result<u64> {
    let told = ask(compose, &["cdn", "upstreams"]).await?;
    let view: View = serde_json::from_str(&told)?;
    Ok(view
        .upstreams
        .iter()
        .map(|upstream| upstream.requests)
        .sum())
}

/// Has it forget something, as `cdn purge` takes it.
pub(crate) async fn purge(compose: &Compose, what: &[&str]) -> anyhow::Result<()> {
    ask(compose, &[&["cdn", "purge"], what].concat()).await?;
    Ok(())
}

/// Purges these addresses one by one, and tells for each how long it took, in seconds: measured in the
/// box, where `docker exec` does not count, but the start of a process does.
pub(crate) async fn time_purges(compose: &Compose, urls: &[&str]) -> anyhow::Result<Vec<f64>> {
    const SCRIPT: &str = r#"for url; do
        from=$(date +%s%N); cdn purge --url "$url" >/dev/null || exit 1; to=$(date +%s%N)
        echo $((to - from)); done"#;
    let told = ask(compose, &[&["sh", "-c", SCRIPT, "sh"], urls].concat()).await?;
    let nanos = told
        .lines()
        .map(|line| Ok(line.trim().parse::<f64>()? / 1e9));
    nanos.collect()
}

async fn ask(compose: &Compose, command: &[&str]) -> anyhow::Result<String> {
    let cdn = compose.container("cdn").await?;
    let out = compose.exec(&cdn, command, None).await?;
    ensure!(
        out.status.success(),
        "{}: {}",
        command.join(" "),
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}
