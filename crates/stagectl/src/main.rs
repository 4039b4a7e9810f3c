//! The commands behind `./stage`: bring a stage up, look at it, check it, break it, test it all.
//!
//! Talks to Docker by its command line and to the shop by HTTP; knows nothing of its insides.
//! Results go to stdout (as JSON with `--json`), progress to stderr.
//! Exit codes: 0 done, 1 it did not hold, 2 wrong usage, 3 something needed is missing.
//!
//! Start with [`cli`], then the command's own module.

mod audit;
mod balancer;
mod bench;
mod breaker;
mod cap;
mod cdn;
mod check;
mod cli;
mod compose;
mod console;
mod container;
mod crash;
mod docker;
mod down;
mod drill;
mod images;
mod k6;
mod ports;
mod prometheus;
mod promises;
mod room;
mod shopper;
mod sql;
mod stage;
mod status;
mod test;
mod up;

use std::process::ExitCode;

use clap::Parser;

/// Something needed is missing: exit code 3. The text says what, and how to get it.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli::run(cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            console::fail(&format!("{error:#}"));
            let missing = error.chain().any(|cause| cause.is::<Missing>());
            ExitCode::from(if missing { 3 } else { 1 })
        }
    }
}
