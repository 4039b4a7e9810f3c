//! One process of the box: prepared, started, awaited, restarted with backoff, stopped.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use crate::config::{CommandLine, Endpoint, ProcessConfig};
use crate::log::log;

/// The first pause before a restart; each further one is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Long enough not to eat a quarter of a core with starting, short enough for a person who waits.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A process that was ready this long has recovered: its next backoff is the first one again.
const RECOVERED_AFTER: Duration = Duration::from_secs(30);
/// How often a starting process is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Process {
    config: ProcessConfig,
    state: State,
    /// The box is stopping: whatever ends now stays down.
    leaving: bool,
    prepared: bool,
    was_ready: bool,
    was_killed: bool,
    backoff: Duration,
}

enum State {
    /// The processes before it are not ready yet.
    Waiting,
    Preparing {
        pid: Pid,
    },
    Starting {
        pid: Pid,
        since: Instant,
    },
    Running {
        pid: Pid,
        since: Instant,
    },
    /// It died and starts again at `until`.
    Down {
        until: Instant,
    },
    /// It was told to stop; at `kill_at` it is killed.
    Stopping {
        pid: Pid,
        kill_at: Instant,
    },
    /// For good.
    Stopped,
}

impl Process {
    pub(crate) fn new(config: ProcessConfig) -> Self {
        Self {
            config,
            state: State::Waiting,
            leaving: false,
            prepared: false,
            was_ready: false,
            was_killed: false,
            backoff: FIRST_BACKOFF,
        }
    }

    /// Whether it has been ready once, so that the next process may start.
    pub(crate) fn was_ready(&self) -> bool {
        self.was_ready
    }

    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// Whether it had to be killed in order to stop.
    pub(crate) fn was_killed(&self) -> bool {
        self.was_killed
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Preparing { pid }
            | State::Starting { pid, .. }
            | State::Running { pid, .. }
            | State::Stopping { pid, .. } => Some(pid),
            State::Waiting | State::Down { .. } | State::Stopped => None,
        }
    }

    /// Its process id while it is ready.
    pub(crate) fn ready_pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// When time alone calls for the next [`advance`](Self::advance).
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Down { until } => Some(until),
            State::Starting { .. } => Some(now + PROBE_EVERY),
            State::Stopping { kill_at, .. } if !self.was_killed => Some(kill_at),
            _ => None,
        }
    }

    /// Does what is due: starts, asks whether it is ready, kills what does not stop.
    pub(crate) fn advance(&mut self, now: Instant) {
        match self.state {
            State::Waiting => self.start(now),
            State::Down { until } if until <= now => self.start(now),
            State::Starting { pid, since } => self.await_ready(pid, since, now),
            State::Stopping { kill_at, .. } if kill_at <= now => self.kill(),
            _ => {}
        }
    }

    /// From now on it is not started again; what runs goes on until [`stop`](Self::stop).
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        if self.pid().is_none() {
            self.state = State::Stopped;
        }
    }

    /// Tells what runs to stop; once is enough.
    pub(crate) fn stop(&mut self, now: Instant) {
        match self.state {
            State::Starting { pid, .. } | State::Running { pid, .. } => self.ask_to_stop(pid, now),
            State::Preparing { pid } => {
                self.report(format_args!("stopping its preparation"));
                // The group: a shell script does not pass a signal on to what it runs.
                let _ = killpg(pid, Signal::SIGTERM);
                self.state = State::Stopping {
                    pid,
                    kill_at: now + self.config.stop_timeout,
                };
            }
            State::Waiting | State::Down { .. } | State::Stopping { .. } | State::Stopped => {}
        }
    }

    /// Ends it at once, with all of its process group.
    pub(crate) fn kill(&mut self) {
        let Some(pid) = self.pid() else { return };
        if !self.was_killed {
            self.report(format_args!("killing it"));
        }
        self.was_killed = true;
        let _ = killpg(pid, Signal::SIGKILL);
    }

    pub(crate) fn reload(&self) {
        if let State::Running { pid, .. } = self.state
            && let Some(signal) = self.config.reload_signal
        {
            self.report(format_args!("reloading with {signal}"));
            let _ = kill(pid, signal);
        }
    }

    /// Takes note that what ran has ended.
    pub(crate) fn ended(&mut self, status: WaitStatus, now: Instant) {
        let how = match status {
            WaitStatus::Exited(_, code) => format!("exited with status {code}"),
            WaitStatus::Signaled(_, signal, _) => format!("ended by {signal}"),
            other => format!("ended: {other:?}"),
        };
        match self.state {
            _ if self.leaving => {
                self.report(format_args!("{how}"));
                self.state = State::Stopped;
            }
            State::Preparing { .. } if matches!(status, WaitStatus::Exited(_, 0)) => {
                self.prepared = true;
                self.start(now);
            }
            State::Preparing { .. } => self.back_off(format_args!("preparation {how}"), now),
            State::Running { since, .. } if now - since >= RECOVERED_AFTER => {
                self.backoff = FIRST_BACKOFF;
                self.back_off(format_args!("{how}"), now);
            }
            _ => self.back_off(format_args!("{how}"), now),
        }
    }

    fn start(&mut self, now: Instant) {
        self.was_killed = false;
        let preparation = self.config.prepare.as_ref().filter(|_| !self.prepared);
        let spawned = self.spawn(preparation.unwrap_or(&self.config.command));
        match spawned {
            Err(error) => self.back_off(format_args!("cannot start: {error}"), now),
            Ok(pid) if preparation.is_some() => {
                self.report(format_args!("preparing (pid {pid})"));
                self.state = State::Preparing { pid };
            }
            Ok(pid) => {
                self.report(format_args!("started (pid {pid})"));
                self.state = State::Starting { pid, since: now };
                self.await_ready(pid, now, now);
            }
        }
    }

    fn spawn(&self, command: &CommandLine) -> io::Result<Pid> {
        let child = Command::new(&command.program)
            .args(&command.args)
            .envs(&self.config.env)
            .stdin(Stdio::null())
            // A group of its own, so that a kill takes whatever it started along.
            .process_group(0)
            .spawn()?;
        Ok(Pid::from_raw(child.id().cast_signed()))
    }

    fn await_ready(&mut self, pid: Pid, since: Instant, now: Instant) {
        let ready = self.config.ready.as_ref();
        let Some(probe) = ready.filter(|ready| !accepts(&ready.at)) else {
            if ready.is_some() {
                self.report(format_args!("ready after {} ms", (now - since).as_millis()));
            }
            self.was_ready = true;
            self.state = State::Running { pid, since: now };
            return;
        };
        let deadline = probe.deadline;
        if now - since >= deadline {
            self.report(format_args!("not ready within {} ms", deadline.as_millis()));
            self.ask_to_stop(pid, now);
        }
    }

    fn ask_to_stop(&mut self, pid: Pid, now: Instant) {
        let signal = self.config.stop_signal;
        self.report(format_args!("stopping with {signal}"));
        // Its main process alone: to Postgres's backends the same signal means something else.
        let _ = kill(pid, signal);
        self.state = State::Stopping {
            pid,
            kill_at: now + self.config.stop_timeout,
        };
    }

    fn back_off(&mut self, why: std::fmt::Arguments<'_>, now: Instant) {
        self.report(format_args!(
            "{why}, starting again in {} ms",
            self.backoff.as_millis()
        ));
        self.state = State::Down {
            until: now + self.backoff,
        };
        self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
    }

    fn report(&self, event: std::fmt::Arguments<'_>) {
        log(format_args!("{}: {event}", self.config.name));
    }
}

/// Whether something accepts connections there. A local address answers at once.
fn accepts(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Tcp(address) => TcpStream::connect_timeout(address, PROBE_EVERY).is_ok(),
        Endpoint::Unix(path) => UnixStream::connect(path).is_ok(),
    }
}
