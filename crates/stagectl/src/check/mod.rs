//! `./stage check N`: are all promises of stage N kept? A line for each, with what was seen.

mod assets;
mod boxes;
mod cluster;
mod framing;
mod input;
mod memory;
mod networks;
mod selling;
mod visiting;

use anyhow::bail;
use serde::Serialize;

use crate::Missing;
use crate::audit;
use crate::compose::Compose;
use crate::stage::Stage;

/// What was promised, whether it holds, what was seen.
#[derive(Debug, Serialize)]
struct Line {
    promise: &'static str,
    holds: bool,
    seen: String,
}

#[derive(Debug)]
struct Report {
    lines: Vec<Line>,
    as_json: bool,
}

impl Report {
    /// Notes one promise: `Ok` carries what was seen, `Err` why it does not hold.
    async fn check(
        &mut self,
        promise: &'static str,
        seen: impl Future<Output = anyhow::Result<String>>,
    ) {
        let (holds, seen) = match seen.await {
            Ok(seen) => (true, seen),
            Err(error) => (false, format!("{error:#}")),
        };
        if !self.as_json {
            println!("{}  {promise}: {seen}", if holds { "ok  " } else { "FAIL" });
        }
        self.lines.push(Line {
            promise,
            holds,
            seen,
        });
    }
}

pub(crate) async fn run(compose: &Compose, stage: Stage, as_json: bool) -> anyhow::Result<bool> {
    let running = compose.running_stage().await?;
    if running != stage {
        let n = stage.number();
        bail!(Missing(format!(
            "{running} is running: ./stage up {n} --replace, then ./stage check {n}"
        )));
    }
    let base = compose.front_url();
    let mut report = Report {
        lines: Vec::new(),
        as_json,
    };
    boxes::check(&mut report, compose, stage).await;
    networks::check(&mut report, compose, stage).await;
    visiting::check(&mut report, &base).await;
    selling::check(&mut report, &base).await;
    input::check(&mut report, &base).await;
    framing::check(&mut report, compose).await;
    if stage.has_balancer() {
        cluster::check(&mut report, compose, stage).await;
    }
    if stage.has_cdn() {
        assets::check(&mut report, compose).await;
    }
    if stage.has_redis() {
        memory::check(&mut report, compose, stage).await;
    }
    report
        .check("the books balance", async {
            let books = audit::books_when_drained(compose, stage).await?;
            books.verdict()
        })
        .await;

    let failed = report.lines.iter().filter(|line| !line.holds).count();
    if as_json {
        println!(
            "{}",
            serde_json::json!({ "stage": stage, "holds": failed == 0, "checks": report.lines })
        );
    } else {
        println!(
            "{stage}: {} of {} promises hold",
            report.lines.len() - failed,
            report.lines.len()
        );
    }
    Ok(failed == 0)
}

/// What the database says, one value a line.
async fn query(compose: &Compose, sql: &str) -> anyhow::Result<String> {
    let psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align"];
    let args = [&psql[..], &["--dbname", "shop", "--command", sql]].concat();
    Ok(compose.ask("db", &args).await?.trim().to_owned())
}
