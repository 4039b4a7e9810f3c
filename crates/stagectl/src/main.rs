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
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Missing(pub(crate) String);

/// What was asked for cannot be done: exit code 2. The text says what can.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

#[tokio::main]
async fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match cli::run(cli).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            console::fail(&format!("{error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Missing>() {
        3
    } else if error.is::<Misuse>() {
        2
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_keeps_its_exit_code_whatever_is_said_around_it() {
        let misuse = Err::<(), _>(Misuse("no breaker 9".to_owned()));
        assert_eq!(exit_code(&misuse.context("breaking").unwrap_err()), 2);
        let missing = Err::<(), _>(Missing("no k6".to_owned()));
        let error = missing.context("a").context("b").unwrap_err();
        assert_eq!(exit_code(&error), 3);
        assert_eq!(exit_code(&anyhow::anyhow!("it did not hold")), 1);
    }
}
