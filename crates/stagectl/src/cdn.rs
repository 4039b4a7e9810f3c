//! What the CDN's box is asked from inside.

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
    let told = compose.ask("cdn", &["cdn", "upstreams"]).await?;
    let view: View = serde_json::from_str(&told)?;
    Ok(view
        .upstreams
        .iter()
        .map(|upstream| upstream.requests)
        .sum())
}

/// Has it forget something, as `cdn purge` takes it.
pub(crate) async fn purge(compose: &Compose, what: &[&str]) -> anyhow::Result<()> {
    compose
        .ask("cdn", &[&["cdn", "purge"], what].concat())
        .await?;
    Ok(())
}

/// Purges these addresses one by one, and tells for each how many milliseconds it took from asking, in
/// the box, until it was done.
pub(crate) async fn time_purges(compose: &Compose, urls: &[&str]) -> anyhow::Result<Vec<f64>> {
    let mut command = vec!["cdn", "purge"];
    command.extend(urls.iter().flat_map(|url| ["--url", url]));
    let told = compose.ask("cdn", &command).await?;
    let took = told
        .lines()
        .map(|line| Ok(serde_json::from_str::<Purged>(line)?.took_ms));
    took.collect()
}

#[derive(Debug, Deserialize)]
struct Purged {
    took_ms: f64,
}

/// The addresses of the assets that a page names, those of a `srcset` one by one.
pub(crate) fn assets_of(html: &str) -> impl Iterator<Item = String> {
    let parts = html.split(['"', ' ', ',']);
    parts
        .filter(|part| part.contains("/assets/"))
        .map(str::to_owned)
}
