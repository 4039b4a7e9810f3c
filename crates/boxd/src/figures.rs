//! `GET /metrics`: the box's own figures, how its CPU divides among its processes, and what the
//! processes report of themselves.
//!
//! All of it happens when somebody asks, in a thread of its own, so that neither a slow asker nor a
//! slow Postgres holds up the supervisor.

mod cpu;
mod http;
mod reporter;

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use boxstat::{BoxStat, Exposition};
use nix::unistd::Pid;

use crate::config::ProcessConfig;
use crate::log::log;

use cpu::CpuTimes;
use reporter::Reporter;

/// The process ids of the box's processes that are ready, in the order of the box's file.
#[derive(Clone)]
pub(crate) struct Pids(Arc<[AtomicI32]>);

impl Pids {
    pub(crate) fn none(processes: usize) -> Self {
        Self((0..processes).map(|_| AtomicI32::new(0)).collect())
    }

    pub(crate) fn publish(&self, pids: impl Iterator<Item = Option<Pid>>) {
        for (published, pid) in self.0.iter().zip(pids) {
            published.store(pid.map_or(0, Pid::as_raw), Ordering::Relaxed);
        }
    }

    fn now(&self) -> impl Iterator<Item = Option<i32>> {
        let pids = self.0.iter().map(|pid| pid.load(Ordering::Relaxed));
        pids.map(|pid| Some(pid).filter(|pid| *pid != 0))
    }
}

/// Listens from now on, answers for as long as this program runs.
pub(crate) fn serve(
    address: SocketAddr,
    processes: &mut [ProcessConfig],
    pids: Pids,
) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    log(format_args!(
        "figures: listening on {}",
        listener.local_addr()?
    ));
    // Where one process has the box to itself, there is nothing to divide.
    let cpu = (processes.len() > 1)
        .then(|| CpuTimes::new(processes.iter().map(|process| process.name.clone())));
    let reporters = processes.iter_mut().map(|process| {
        let config = process.figures.take()?;
        Some(Reporter::new(process.name.clone(), config))
    });
    let mut figures = Figures {
        box_stat: None,
        cpu,
        reporters: reporters.collect(),
        pids,
        troubles: 0,
    };
    let answer = move || http::serve(&listener, || figures.write());
    thread::Builder::new().spawn(answer).map(drop)
}

struct Figures {
    /// Opened at the first question: finding the box's name takes a moment.
    box_stat: Option<BoxStat>,
    cpu: Option<CpuTimes>,
    /// One for each process, none for those that have no figures of their own.
    reporters: Vec<Option<Reporter>>,
    pids: Pids,
    troubles: u32,
}

impl Figures {
    fn write(&mut self) -> String {
        let mut out = Exposition::default();
        if let Err(error) = self.write_box(&mut out) {
            self.report("box", &error);
        }
        if let Some(cpu) = &mut self.cpu
            && let Err(error) = cpu.write(self.pids.now(), &mut out)
        {
            self.report("cpu", &error);
        }
        for (reporter, pid) in self.reporters.iter_mut().zip(self.pids.now()) {
            if let (Some(reporter), Some(_)) = (reporter, pid)
                && let Some(text) = reporter.ask()
            {
                out.include(&text, ("box", boxstat::name()));
            }
        }
        out.into_text()
    }

    fn write_box(&mut self, out: &mut Exposition) -> io::Result<()> {
        if self.box_stat.is_none() {
            self.box_stat = BoxStat::as_pid_1()?;
        }
        match &self.box_stat {
            Some(box_stat) => box_stat.write(out),
            None => Ok(()),
        }
    }

    /// What goes wrong once in figures goes wrong each time: the log takes only the first few.
    fn report(&mut self, what: &str, error: &dyn Display) {
        self.troubles += 1;
        if self.troubles <= 3 {
            log(format_args!("figures: {what}: {error}"));
        }
    }
}
