//! The container in which all of them run: a network of its own with nothing but loopback, since Docker's
//! connection tracking taxes even the loopback of networks it looks after.
//!
//! The servers have core 0; backends and load generator share core 1.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::contest::{Added, Contender, Contest};
use super::figures::{Figures, Offer};
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
    pub(super) async fn check(&self, contender: &Contender, added: &Added) -> anyhow::Result<()> {
        let port = contender.port.to_string();
        let ask = ["/etc/bench/ask", &port, "/headers"];
        let answered = tokio::time::timeout(START, async {
            loop {
                if let Ok(answer) = self.run(&ask).await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let name = contender.name;
        let Ok(answer) = answered.await else {
            let log = self
                .run(&["cat", &format!("/run/bench/{name}.log")])
                .await?;
            bail!("{name} does not answer: {}", log.trim());
        };
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer's head")?;
        for (text, names, what) in [
            (head, added.to_answers, "answers"),
            (body, added.to_requests, "requests"),
        ] {
            for header in names {
                ensure!(
                    has_value(text, header),
                    "{name} does not add {header} to {what}"
                );
            }
        }
        Ok(())
    }

    /// Offers a load to a contender.
    pub(super) async fn load(
        &self,
        contender: &Contender,
        offer: &Offer<'_>,
    ) -> anyhow::Result<Figures> {
        let case = offer.case;
        let address = format!("127.0.0.1:{}", contender.port);
        let size = case.size.to_string();
        let connections = case.connections.to_string();
        let pid_file = format!("/run/bench/{}.pid", contender.name);
        let rate = offer.rate.map(|rate| rate.to_string());
        let mut args = vec!["taskset", "--cpu-list", "1", "loadgen"];
        args.extend([&address, case.path, "--size", &size]);
        args.extend(["--connections", &connections, "--pid-file", &pid_file]);
        args.extend(["--warm-up", WARM_UP, "--seconds", SECONDS]);
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

/// Whether a line `name: value` is there, with a value.
fn has_value(text: &str, name: &str) -> bool {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_without_a_value_is_none() {
        let text = "HTTP/1.1 200 OK\r\nX-Request-Id: 7\r\nx-empty: \r\n";
        assert!(has_value(text, "x-request-id"));
        assert!(!has_value(text, "x-empty"));
        assert!(!has_value(text, "server-timing"));
    }
}
