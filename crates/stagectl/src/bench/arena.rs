//! The container in which all of them run: a network of its own with nothing but loopback, since Docker's
//! connection tracking taxes even the loopback of networks it looks after.
//!
//! The servers have core 0; backends and load generator share core 1.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::contest::{Case, Contender, Contest};
use super::figures::{Crowd, Figures, Offer};
use crate::compose::Compose;
use crate::container::Container;

/// The compose file.
pub(super) const FILE: &str = "bench";
/// A server that does not answer by then has not started.
const START: Duration = Duration::from_secs(10);

/// Of the same load, before anything counts: connections to the backends are opened.
const WARM_UP: &str = "1";
const SECONDS: &str = "4";

#[derive(Debug)]
pub(super) struct Arena<'a> {
    compose: &'a Compose,
    container: Container,
}

impl Arena<'_> {
    /// Starts the container, the backends and all contenders.
    pub(super) async fn open<'a>(
        compose: &'a Compose,
        contest: &Contest,
    ) -> anyhow::Result<Arena<'a>> {
        let up = ["up", "--detach", "--no-build"];
        compose.run(FILE, &up, Duration::from_secs(60)).await?;
        let container = compose.container("bench").await?;
        let arena = Arena { compose, container };
        arena.start("backends", "1", contest.backends).await?;
        for contender in contest.contenders() {
            arena.start(contender.name, "0", contender.command).await?;
        }
        Ok(arena)
    }

    async fn start(&self, name: &str, core: &str, command: &str) -> anyhow::Result<()> {
        let mut args = vec!["/etc/bench/start", name, core];
        args.extend(command.split_whitespace());
        self.run(&args).await?;
        Ok(())
    }

    /// Waits until a contender answers, and sees that it does all that it is measured for.
    pub(super) async fn check(
        &self,
        contender: &Contender,
        contest: &Contest,
    ) -> anyhow::Result<()> {
        let port = contender.port.to_string();
        let ask = ["/etc/bench/ask", &port, contest.probe];
        let answered = tokio::time::timeout(START, async {
            // A proxy whose upstreams are not there yet answers, too.
            while !matches!(self.run(&ask).await, Ok(answer) if answer.starts_with("HTTP/1.1 200"))
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let name = contender.name;
        if answered.await.is_err() {
            let log = self
                .run(&["cat", &format!("/run/bench/{name}.log")])
                .await?;
            bail!("{name} does not answer: {}", log.trim());
        }
        let answer = self.run(&ask).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer's head")?;
        let added = &contest.added;
        for (text, names, what) in [
            (head, added.to_answers, "answers"),
            (body, added.to_requests, "requests"),
        ] {
            for header in names {
                ensure!(
                    value(text, header).is_some(),
                    "{name} does not add {header} to {what}"
                );
            }
        }
        if let Some((header, word)) = added.told {
            let told = value(head, header).unwrap_or_default();
            ensure!(
                told.to_ascii_lowercase().contains(word),
                "{name} says {header}: {told:?}, expected {word}"
            );
        }
        Ok(())
    }

    /// Has many ask at once for something that a contender does not have, of an origin that takes half a
    /// second for it.
    pub(super) async fn crowd(&self, contender: &Contender, rare: &Case) -> anyhow::Result<Crowd> {
        let path = format!("{}/{}", rare.path, contender.name);
        let offer = Offer::flat_out(rare);
        let report = self.offer(contender, &offer, &path, ["0", "0.1"]).await?;
        let log = self.run(&["cat", "/run/bench/rare.log"]).await?;
        Ok(Crowd {
            name: contender.name,
            fetches: log.lines().filter(|line| *line == path).count(),
            p50_ms: report.p50_us / 1e3,
            p99_ms: report.p99_us / 1e3,
        })
    }

    /// Offers a load to a contender.
    pub(super) async fn load(
        &self,
        contender: &Contender,
        offer: &Offer<'_>,
    ) -> anyhow::Result<Figures> {
        self.offer(contender, offer, offer.case.path, [WARM_UP, SECONDS])
            .await
    }

    async fn offer(
        &self,
        contender: &Contender,
        offer: &Offer<'_>,
        path: &str,
        [warm_up, seconds]: [&str; 2],
    ) -> anyhow::Result<Figures> {
        let case = offer.case;
        let address = format!("127.0.0.1:{}", contender.port);
        let size = case.size.to_string();
        let connections = case.connections.to_string();
        let pid_file = format!("/run/bench/{}.pid", contender.name);
        let rate = offer.rate.map(|rate| rate.to_string());
        let mut args = vec!["taskset", "--cpu-list", "1", "loadgen"];
        args.extend([address.as_str(), path, "--size", &size]);
        args.extend(["--connections", &connections, "--pid-file", &pid_file]);
        args.extend(["--warm-up", warm_up, "--seconds", seconds]);
        args.extend(case.close.then_some("--close"));
        args.extend(rate.iter().flat_map(|rate| ["--rate", rate]));
        let what = || format!("{}, {}", contender.name, case.name);
        let report = self.run(&args).await.with_context(what)?;
        serde_json::from_str(&report).with_context(what)
    }

    /// Runs a program in the container and gives what it printed.
    async fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let out = self.compose.exec(&self.container, args, None).await?;
        ensure!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

/// The value in a line `name: value`, if there is one that is not empty.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_without_a_value_is_none() {
        let text = "HTTP/1.1 200 OK\r\nX-Request-Id: 7\r\nx-empty: \r\n";
        assert_eq!(value(text, "x-request-id"), Some("7"));
        assert_eq!(value(text, "x-empty"), None);
        assert_eq!(value(text, "server-timing"), None);
    }
}
