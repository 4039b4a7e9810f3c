//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::compose::Compose;
use crate::drill::{self, Drill, Outcome};
use crate::stage::Stage;
use crate::{audit, bench, breaker, check, down, sql, status, test, up};

#[derive(Debug, Parser)]
#[command(
    name = "stage",
    bin_name = "./stage",
    about = "One shop, eight topologies",
    disable_version_flag = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Results on stdout as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// From a bare machine to the running stage; waits until it serves.
    Up {
        stage: Stage,
        /// Build the images again, even if they are there.
        #[arg(long)]
        build: bool,
        /// Stop another stage that runs; its data stays.
        #[arg(long)]
        replace: bool,
    },
    /// Stops what runs; keeps the data unless told.
    Down {
        /// Delete the data, too.
        #[arg(long)]
        volumes: bool,
    },
    /// Which stage runs; its boxes, health, CPU, memory.
    Status,
    /// Are all promises of this stage kept?
    Check { stage: Stage },
    /// Runs breaker N against the running stage.
    Break {
        /// The breaker's number: that of the stage it breaks.
        stage: Stage,
    },
    /// Shows that breaker N breaks stage N, and that the next stage holds under it.
    Prove { stage: Stage },
    /// A fault under load, what clients saw of it, and the books after; lists the drills without one.
    Drill { drill: Option<Drill> },
    /// Ours beside its peers, in one run: CPU time and latencies, and whether they meet the targets.
    Bench {
        name: bench::Name,
        /// Every contender in every case, so many times; a round takes a minute and a half.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
        rounds: u8,
    },
    /// The books: stock conserved, every acknowledged order there once, outbox drained.
    Audit {
        /// Files of acknowledged orders, as load tests leave them; all of
        /// target/acknowledged/ unless told.
        #[arg(long)]
        acknowledged: Vec<PathBuf>,
    },
    /// Writes .sqlx/ anew, after a change of a query or a migration.
    Prepare,
    /// Formatting, lints, tests, every stage up and checked, in a browser, too.
    Test {
        /// Run every drill and prove every breaker, too.
        #[arg(long)]
        full: bool,
    },
}

/// False when what was asked about does not hold.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<bool> {
    let compose = Compose::from_env()?;
    match cli.command {
        Command::Up {
            stage,
            build,
            replace,
        } => up::run(&compose, stage, build, replace, cli.json).await,
        Command::Down { volumes } => down::run(&compose, volumes).await,
        Command::Status => status::run(&compose, cli.json).await,
        Command::Check { stage } => check::run(&compose, stage, cli.json).await,
        Command::Break { stage } => breaker::run(&compose, stage, cli.json).await,
        Command::Prove { stage } => breaker::prove(&compose, stage, cli.json).await,
        Command::Drill { drill: None } => {
            drill::list(cli.json);
            Ok(true)
        }
        Command::Drill { drill: Some(drill) } => {
            let outcome = drill::run(&compose, drill, cli.json).await?;
            Ok(outcome == Outcome::Kept)
        }
        Command::Bench { name, rounds } => {
            bench::run(&compose, name, rounds.into(), cli.json).await
        }
        Command::Audit { acknowledged } => audit::run(&compose, acknowledged, cli.json).await,
        Command::Prepare => sql::prepare(&compose).await,
        Command::Test { full } => test::run(&compose, full).await,
    }
}
