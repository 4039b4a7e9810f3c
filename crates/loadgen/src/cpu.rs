//! CPU time of the server: all threads of its process and of its children.

use std::fs;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

/// What /proc counts in (proc(5)): 10 ms, on every Linux.
const TICK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Server {
    pid: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

impl Server {
    pub(crate) fn from_pid_file(path: &Path) -> anyhow::Result<Server> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let pid = text.trim().parse();
        let pid = pid.with_context(|| format!("{}: expected a process id", path.display()))?;
        Ok(Server { pid })
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let mut sum = Cpu::default();
        let mut found = false;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // Whoever ended meanwhile is none of the server's: those live on.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
                continue;
            };
            let process = parse(&stat).with_context(|| format!("/proc/{pid}/stat"))?;
            if pid == self.pid || process.parent == self.pid {
                sum.user += process.cpu.user;
                sum.system += process.cpu.system;
                found |= pid == self.pid;
            }
        }
        ensure!(found, "the server's process {} has ended", self.pid);
        Ok(sum)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    cpu: Cpu,
}

/// Fields 4, 14 and 15 of `proc_pid_stat(5)`, counted from 1. The second is a name in parentheses, and
/// has whatever is in it.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks = |field: usize| Some(TICK * fields.get(field - 3)?.parse::<u32>().ok()?);
    Some(Process {
        parent: fields.get(4 - 3)?.parse().ok()?,
        cpu: Cpu {
            user: ticks(14)?,
            system: ticks(15)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = "12 (a) b (c) S 7 12 12 0 -1 4194560 155 0 0 0 250 3 9 9 20 0 1 0 31 0 0";
        let process = parse(stat).expect("a process");
        assert_eq!(process.parent, 7);
        assert_eq!(process.cpu.user, Duration::from_millis(2500));
        assert_eq!(process.cpu.system, Duration::from_millis(30));
    }

    #[test]
    fn work_is_counted_with_that_of_children_and_no_one_elses() {
        let of = |pid| Server { pid }.cpu().expect("its CPU");
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .expect("a child");
        let worked = loop {
            let cpu = of(child.id());
            if cpu.user + cpu.system > Duration::from_millis(200) {
                break cpu;
            }
        };
        let ours = of(std::process::id());
        assert!(ours.user >= worked.user);
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert!(Server { pid: child.id() }.cpu().is_err());
    }
}
