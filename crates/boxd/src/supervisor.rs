//! The loop: reap, do what is due, wait for a signal or the next moment that something is due.

use std::time::Instant;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::config::ProcessConfig;
use crate::figures::Pids;
use crate::log::log;
use crate::process::Process;
use crate::signals::Signals;

pub(crate) struct Supervisor {
    /// In starting order.
    processes: Vec<Process>,
    signals: Signals,
    pids: Pids,
    stopping: bool,
}

/// How the box ended.
pub(crate) enum Verdict {
    /// Every process stopped when asked to.
    Clean,
    /// At least one had to be killed.
    Killed,
}

impl Supervisor {
    /// Keeps `pids` up to date for whoever counts.
    pub(crate) fn new(processes: Vec<ProcessConfig>, signals: Signals, pids: Pids) -> Self {
        // PID 1 gets the box's orphans anyway; outside a container, boxd asks for them.
        let _ = prctl::set_child_subreaper(true);
        let processes = processes.into_iter().map(Process::new).collect();
        Self {
            processes,
            signals,
            pids,
            stopping: false,
        }
    }

    /// Runs the box until SIGTERM or SIGINT has stopped every process of it.
    pub(crate) fn run(mut self) -> Verdict {
        loop {
            self.reap();
            let now = Instant::now();
            if self.stopping {
                self.stop_in_order(now);
            } else {
                self.start_in_order(now);
            }
            self.pids
                .publish(self.processes.iter().map(Process::ready_pid));
            if self.processes.iter().all(Process::is_stopped) {
                break;
            }
            let due = self
                .processes
                .iter()
                .filter_map(|process| process.due(now))
                .min();
            let timeout = due.map(|due| due.saturating_duration_since(now));
            for signal in self.signals.wait(timeout) {
                self.handle(signal);
            }
        }
        if self.processes.iter().any(Process::was_killed) {
            Verdict::Killed
        } else {
            Verdict::Clean
        }
    }

    /// Each process starts once those before it have been ready. That one of them dies later does
    /// not hold up the others: they retry what they depend on.
    fn start_in_order(&mut self, now: Instant) {
        for process in &mut self.processes {
            process.advance(now);
            if !process.was_ready() {
                break;
            }
        }
    }

    /// Last started, first stopped, and stopped fully before the one it may depend on.
    fn stop_in_order(&mut self, now: Instant) {
        let mut later_ones_stopped = true;
        for process in self.processes.iter_mut().rev() {
            if later_ones_stopped {
                process.stop(now);
            }
            process.advance(now);
            later_ones_stopped &= process.is_stopped();
        }
    }

    fn handle(&mut self, signal: Signal) {
        match signal {
            Signal::SIGTERM | Signal::SIGINT if self.stopping => {
                log(format_args!("second {signal}, killing what still runs"));
                self.processes.iter_mut().for_each(Process::kill);
            }
            Signal::SIGTERM | Signal::SIGINT => {
                log(format_args!("{signal}, stopping"));
                self.stopping = true;
                self.processes.iter_mut().for_each(Process::leave);
            }
            Signal::SIGHUP => self.processes.iter().for_each(Process::reload),
            _ => {}
        }
    }

    /// Takes the exit status of every child that ended: the box's processes and, as PID 1, every
    /// orphan in it.
    fn reap(&mut self) {
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(status) => self.ended(status),
                Err(_) => {}
            }
        }
    }

    fn ended(&mut self, status: WaitStatus) {
        let of = |process: &&mut Process| process.pid().is_some() && process.pid() == status.pid();
        if let Some(process) = self.processes.iter_mut().find(of) {
            process.ended(status, Instant::now());
        }
    }
}
