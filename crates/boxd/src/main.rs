//! PID 1 of every box that runs software which is not ours (Postgres, Redis, etcd), and of the
//! one box of stage 1, where Postgres and the shop live together.
//!
//! Owns: the order in which a box's processes start and stop, their restarts, the reaping of every
//! orphan, and the box's figures. Never does: know what it runs. What Postgres needs stands in the
//! box's file (`deploy/boxd`), not here.
//!
//! Start reading at [`supervisor`]: its loop is the whole program. One thread, no async; a second
//! thread answers for [`figures`] and takes nothing from the first but process ids.

mod config;
mod figures;
mod log;
mod process;
mod signals;
mod supervisor;

use std::path::Path;
use std::process::ExitCode;

use crate::config::BoxConfig;
use crate::figures::Pids;
use crate::log::log;
use crate::signals::Signals;
use crate::supervisor::{Supervisor, Verdict};

const USAGE: &str = "usage: boxd FILE.toml";

/// Exits with 0 after a clean stop, 1 when a process had to be killed or nothing could start, 2 for a mistake in the
/// configuration.
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [file] = arguments.as_slice() else {
        log(format_args!("{USAGE}"));
        return ExitCode::from(2);
    };
    let mut config = match BoxConfig::load(Path::new(file)) {
        Ok(config) => config,
        Err(mistake) => {
            log(format_args!("{mistake}"));
            return ExitCode::from(2);
        }
    };
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            log(format_args!("cannot listen for signals: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let pids = Pids::none(config.processes.len());
    if let Some(address) = config.figures
        && let Err(error) = figures::serve(address, &mut config.processes, pids.clone())
    {
        log(format_args!("figures: cannot listen on {address}: {error}"));
        return ExitCode::FAILURE;
    }
    match Supervisor::new(config.processes, signals, pids).run() {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::Killed => ExitCode::FAILURE,
    }
}
